/*
 * main.c - ap-indicators: the indicator fold on the runtime of all transform stages.
 */
#include "common/io/runtime.h"
#include "stages/ap-indicators/indicators.h"

int main(int argc, char **argv)
{
	return ap_stage_main(&ap_indicators_stage, argc, argv);
}
