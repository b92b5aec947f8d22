/*
 * fuzz_laws_candle.c - any market, any schedule of commits and crashes: the candle fold obeys the laws.
 */
#include "stages/ap-candle/candle.h"
#include "test/lib/laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An input is a whole market run several times over: some 20 ms under sanitizers. */
extern const int fuzz_inputs;
const int fuzz_inputs = 2000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return laws_fuzz(&ap_candle_stage, laws_walk_ticks, data, len);
}
