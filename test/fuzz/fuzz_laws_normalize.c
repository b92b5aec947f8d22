/*
 * fuzz_laws_normalize.c - the laws of the normalize fold on any market and any schedule of commits and crashes.
 */
#include "stages/ap-normalize/normalize.h"
#include "test/lib/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input is a whole market run several times over: some 20 ms under sanitizers. */
extern const int fuzz_inputs;
const int fuzz_inputs = 2000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return laws_fuzz(&ap_normalize_stage, laws_walk_raws, data, size);
}
