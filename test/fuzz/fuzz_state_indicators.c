/*
 * fuzz_state_indicators.c - a saved series with its candles, indicators, patterns, rules and open signals, any bytes changed and
 * every sum made good again: refused, begun anew, or loaded and gone on with to the end of the tape.
 */
#include "stages/ap-candle/candle.h"
#include "stages/ap-indicators/indicators.h"
#include "stages/ap-indicators/pack.h"
#include "test/fuzz/state_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* An input loads a dozen series and steps some hundred candles. */
extern const int fuzz_inputs;
const int fuzz_inputs = 1000;

enum { NAMES = 3, HEAD = 3, BAR = 9, PARTS = 4, LEN = 4 };

static const struct laws_walk market = {
	.seed = 23, .sources = 1, .symbols = 2, .trades = 700, .entry_max = 8, .step_ms_max = 2000, .beat_ms = 1000, .delay_pct = 20,
	.delay_ms_max = 30000, .close = true,
};

static const char rules[] =
	"[{\"name\":\"up\",\"direction\":\"long\",\"when\":\"cross_over(SMA(2), SMA(4))\",\"stop\":\"entry * 0.999\","
	"\"target\":\"entry * 1.002\",\"confidence\":\"rsi5 / 100\",\"expiry\":6,\"cooldown\":2},"
	"{\"name\":\"any\",\"direction\":\"short\",\"when\":\"close > 0\",\"entry\":\"close * 1.0005\","
	"\"stop\":\"max(high, high[1], high[16]) * 1.5\",\"target\":\"entry * 0.5\",\"confidence\":\"0.5\",\"expiry\":40}]";

/* Behind the window: four parts, each with its length before it and its sum at its end. */
static void mend_parts(uint8_t *p, uint8_t *end)
{
	for (int i = 0; i < PARTS && end - p >= LEN; i++) {
		const size_t len = (size_t)ap_le_get(p, LEN);

		p += LEN;
		if (len > (size_t)(end - p))
			return;
		if (len > STATE_SUM)
			ap_le_put(p + len - STATE_SUM, XXH64(p, len - STATE_SUM, 0), STATE_SUM);
		p += len;
	}
}

static bool skip_candle(const uint8_t **p, const uint8_t *end)
{
	uint64_t v;
	double d;

	if (!unpack_varint(p, end, &v) || !unpack_varint(p, end, &v))
		return false;
	for (int k = 0; k < BAR; k++)
		if (!unpack_double(p, end, &d))
			return false;
	return true;
}

static void mend_series(uint8_t *p, uint8_t *end)
{
	const uint8_t *q = p + HEAD;
	unsigned n = 0;

	if (end - p < HEAD + STATE_SUM)
		return;
	end -= STATE_SUM;
	while (n < p[1] && skip_candle(&q, end))
		n++;
	if (n == p[1])
		mend_parts(p + (q - p), end);
	ap_le_put(end, XXH64(p, (size_t)(end - p), 0), STATE_SUM);
}

static void mend(struct state_field *f)
{
	uint8_t *p = f->value + 1, *end = f->value + f->len - STATE_SUM;
	int names = 0;

	for (; names < NAMES && p < end && *p < end - p; names++)
		p += 1 + *p;
	if (names == NAMES)
		mend_series(p, end);
	ap_le_put(end, XXH64(f->value, (size_t)(end - f->value), XXH64(f->name, f->name_len, 0)), STATE_SUM);
}

static void open_case(struct state_rig *r)
{
	char why[LAWS_WHY];
	struct laws_tape *ticks = laws_walk_ticks(&market);

	*r = (struct state_rig){ .stage = &ap_indicators_stage, .mend = mend };
	ap_conf_init(&r->conf);
	state_set(r, "candle.timeframes", "1s,5s,1m");
	state_set(r, "indicators.rules", rules);
	r->tape = laws_through(&ap_candle_stage, &r->conf, ticks, AP_S_CANDLE, why);
	state_need(r->tape != NULL);
	laws_tape_free(ticks);
	state_warm(r, r->tape->n * 2 / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state_rig rig;

	if (rig.tape == NULL) {
		open_case(&rig);
		state_need(state_run(&rig, NULL, 0));
	}
	(void)state_run(&rig, data, size);
	return 0;
}
