/*
 * main.c - ties the candle fold to the runtime that every transform stage shares.
 */
#include "candle.h"
#include "common/io/runtime.h"

int main(int argc, char **argv)
{
	return ap_stage_main(&ap_candle_stage, argc, argv);
}
