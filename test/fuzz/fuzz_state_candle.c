/*
 * fuzz_state_candle.c - saved candles, quote bars and sources with any bytes changed and their sums made good again:
 * refused, or loaded and gone on with to the end of the tape.
 */
#include "stages/ap-candle/candle.h"
#include "test/fuzz/state_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* An input loads a state of some hundred fields and steps an hour of market. */
extern const int fuzz_inputs;
const int fuzz_inputs = 5000;

static const struct laws_walk market = {
	.seed = 21, .sources = 2, .symbols = 2, .trades = 500, .quote_pct = 40, .entry_max = 6, .step_ms_max = 12000, .beat_ms = 5000,
	.delay_pct = 20, .delay_ms_max = 200000, .noid_pct = 10, .uuid_pct = 10, .dead_pct = 2, .gap_pct = 3, .close = true,
};

/* Each opens differently: filled and with every other bar there is, with trading hours, in a zone. */
static const char *const options[][4] = {
	{ "previous", "1m,5m,1h,1d",
	  "[{\"kind\":\"renko\",\"size\":\"5\"},{\"kind\":\"volume\",\"size\":\"20\"},{\"kind\":\"dollar_imbalance\",\"size\":\"5000\"},"
	  "{\"kind\":\"tick_runs\",\"size\":\"9\"},{\"kind\":\"range\",\"size\":\"40\"}]",
	  "" },
	{ "none", "1m,1h,1w", "", "[{\"symbols\":[\"S1-*\"],\"zone\":\"UTC\",\"open\":\"00:07\",\"close\":\"00:30\"}]" },
	{ "none", "2m,3m,1h,1M", "", "[]" },
};

enum { CASES = sizeof options / sizeof options[0] };

static void open_case(struct state_rig *r, size_t i)
{
	*r = (struct state_rig){ .stage = &ap_candle_stage, .mend = state_mend_xxh3, .tape = laws_walk_ticks(&market) };
	ap_conf_init(&r->conf);
	state_set(r, "candle.fill", options[i][0]);
	state_set(r, "candle.timeframes", options[i][1]);
	state_set(r, "candle.bars", options[i][2]);
	state_set(r, "candle.sessions", options[i][3]);
	state_set(r, "candle.zone", i == 2 ? "EST5EDT,M3.2.0,M11.1.0" : "UTC");
	state_set(r, "candle.revision_ms", "300000");
	state_set(r, "candle.quote_points", "8");
	state_warm(r, r->tape->n * 2 / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state_rig rig[CASES];

	if (rig[0].tape == NULL)
		for (size_t i = 0; i < CASES; i++) {
			open_case(&rig[i], i);
			state_need(state_run(&rig[i], NULL, 0));
		}
	if (size > 0)
		(void)state_run(&rig[data[0] % CASES], data + 1, size - 1);
	return 0;
}
