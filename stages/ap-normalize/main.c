/*
 * main.c - ties the normalize fold to the runtime that every transform stage shares.
 */
#include "common/io/runtime.h"
#include "normalize.h"

int main(int argc, char **argv)
{
	return ap_stage_main(&ap_normalize_stage, argc, argv);
}
