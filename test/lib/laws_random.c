/*
 * laws_random.c - valid records of every kind with random content, extremes included.
 *
 * "Valid" is what the records' header promises: prices above zero, finite doubles, texts within their bounds.
 */
#include "laws.h"

#include <assert.h>

static ap_str rnd_text(struct laws_rng *r, struct ap_buf *mem, size_t least, size_t most)
{
	static const char from[] = "ABCXYZabcxyz0123456789-_.";
	const size_t len = least + laws_below(r, most - least + 1);
	char *p = ap_buf_room(mem, len);

	assert(p != NULL);
	for (size_t i = 0; i < len; i++)
		p[i] = from[laws_below(r, sizeof from - 1)];
	mem->len += len;
	return ap_str_n(p, len);
}

/* Often one of a few names, so that records meet; sometimes any. */
static ap_str rnd_name(struct laws_rng *r, struct ap_buf *mem, bool source)
{
	static const char *const sources[] = { "sim", "binance", "kraken" };
	static const char *const symbols[] = { "BTC-USDT", "ETH-USD", "SPY", "X-Y-PERP" };

	if (laws_chance(r, 10))
		return rnd_text(r, mem, 1, source ? 32 : 48);
	return ap_str_c(source ? sources[laws_below(r, 3)] : symbols[laws_below(r, 4)]);
}

/* Above zero, below 10^18; any number of digits. */
static ap_dec rnd_dec(struct laws_rng *r)
{
	ap_i128 v = (ap_i128)(((ap_u128)laws_rand(r) << 64 | laws_rand(r)) >> (8 + laws_below(r, 119)));
	ap_i128 top = 1;

	for (int i = 0; i < 36; i++)
		top *= 10;
	v %= top;
	return (ap_dec){ v == 0 ? top - 1 : v };
}

static ap_ts rnd_ts(struct laws_rng *r)
{
	const int64_t base = 1709251200000000000;       /* 2024-03-01 */

	switch (laws_below(r, 8)) {
	case 0: return (ap_ts){ (int64_t)(laws_rand(r) >> 2) };
	case 1: return (ap_ts){ 0 };
	case 2: return (ap_ts){ INT64_MAX };
	default: return (ap_ts){ base + (int64_t)laws_below(r, (uint64_t)4 * 3600 * 1000000000) };
	}
}

static double rnd_double(struct laws_rng *r)
{
	return (double)(int64_t)(laws_rand(r) >> laws_below(r, 60)) / 1000.0 - 100.0;
}

static void rnd_market(struct laws_rng *r, struct ap_rec *rec, struct ap_buf *mem)
{
	struct ap_candle *c = &rec->u.candle;

	if (rec->kind == AP_TRADE) {
		rec->u.trade = (struct ap_trade){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .venue_symbol = rnd_name(r, mem, false),
			.trade_id = rnd_text(r, mem, 0, AP_TRADE_ID_MAX), .ts = rnd_ts(r), .price = rnd_dec(r), .qty = rnd_dec(r),
			.side = (enum ap_side)laws_below(r, 3), .raw_idx = (uint32_t)laws_below(r, 512), .sub = (uint32_t)laws_below(r, 100),
			.raw_seq = laws_rand(r), .recv = rnd_ts(r),
		};
	} else if (rec->kind == AP_QUOTE) {
		rec->u.quote = (struct ap_quote){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .venue_symbol = rnd_name(r, mem, false),
			.ts = rnd_ts(r), .bid = rnd_dec(r), .bid_qty = rnd_dec(r), .ask = rnd_dec(r), .ask_qty = rnd_dec(r),
			.seq = laws_below(r, 9),
		};
	} else if (rec->kind == AP_QUOTEBAR) {
		rec->u.quotebar = (struct ap_quotebar){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .tf = ap_str_c("1m"),
			.open_ms = rnd_ts(r).ns / 60000000000 * 60000, .bid = { .open = rnd_dec(r) }, .spread_mean = rnd_dec(r),
			.quote_count = 1 + laws_below(r, 99), .state = (enum ap_candle_state)laws_below(r, 3),
		};
	} else {
		*c = (struct ap_candle){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .tf = ap_str_c("1m"),
			.open_ms = rnd_ts(r).ns / 60000000000 * 60000, .open = rnd_dec(r), .volume = rnd_dec(r), .trade_count = 1 + laws_below(r, 99),
			.state = (enum ap_candle_state)laws_below(r, 3), .revision = (uint32_t)laws_below(r, 5), .quality = (enum ap_quality)laws_below(r, 4),
		};
		c->close_ms = c->open_ms + 60000;
		c->coverage_ms = (int64_t)laws_below(r, 60001);
		c->high = c->low = c->close = c->vwap = c->open;
		(void)ap_sum_addmul(&c->quote_volume, c->open, c->volume);
	}
}

static void rnd_derived(struct laws_rng *r, struct ap_rec *rec, struct ap_buf *mem)
{
	static const struct ap_value values[2] = { { { "SMA", 3 }, { "period=20", 9 }, 1.5 }, { { "RSI", 3 }, { "period=14", 9 }, 50 } };

	if (rec->kind == AP_INDICATOR)
		rec->u.indicator = (struct ap_indicator){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .tf = ap_str_c("5m"), .open_ms = rnd_ts(r).ns / 1000000,
			.revision = (uint32_t)laws_below(r, 9), .n = (uint32_t)laws_below(r, 3), .values = values,
		};
	else
		rec->u.signal = (struct ap_signal){
			.source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .tf = ap_str_c("1h"), .open_ms = rnd_ts(r).ns / 1000000,
			.kind = (enum ap_signal_kind)laws_below(r, 3), .name = rnd_text(r, mem, 1, 20), .direction = (enum ap_direction)laws_below(r, 3),
			.strength = rnd_double(r), .entry = rnd_double(r), .inputs = ap_str_c("{}"),
		};
}

static void rnd_plain(struct laws_rng *r, struct ap_rec *rec, struct ap_buf *mem)
{
	if (rec->kind == AP_RAW)
		rec->u.raw = (struct ap_raw){ .source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .format = ap_str_c("trade"),
					      .payload = rnd_text(r, mem, 0, 300), .recv = rnd_ts(r), .seq = 1 + laws_below(r, 1000) };
	else if (rec->kind == AP_BEAT)
		rec->u.beat = (struct ap_beat){ .source = rnd_name(r, mem, true), .ts = rnd_ts(r), .alive = laws_chance(r, 70),
						.covers_ms = (uint32_t)(laws_rand(r) >> (32 + laws_below(r, 32))), .close = laws_chance(r, 5) };
	else if (rec->kind == AP_REJECT)
		rec->u.reject = (struct ap_reject){ .origin = { laws_below(r, 1000), 0 }, .status = (enum ap_status)laws_below(r, AP_STATUS_N),
						    .stage = ap_str_c("normalize"), .reason = ap_str_c("bad_json"), .detail = rnd_text(r, mem, 0, 99),
						    .source = rnd_name(r, mem, true), .symbol = rnd_name(r, mem, false), .ts = rnd_ts(r),
						    .data = rnd_text(r, mem, 0, 200) };
	else
		rec->u.metric = (struct ap_metric){ .component = ap_str_c("ap-candle"), .name = rnd_text(r, mem, 1, 30),
						    .type = (enum ap_metric_type)laws_below(r, 2), .value = rnd_double(r), .ts = rnd_ts(r) };
}

void laws_random_rec(struct laws_rng *r, struct ap_rec *rec, struct ap_buf *mem)
{
	memset(rec, 0, sizeof *rec);
	rec->kind = (enum ap_kind)(1 + laws_below(r, AP_KIND_N - 1));
	if (rec->kind == AP_TRADE || rec->kind == AP_QUOTE || rec->kind == AP_CANDLE || rec->kind == AP_QUOTEBAR)
		rnd_market(r, rec, mem);
	else if (rec->kind == AP_INDICATOR || rec->kind == AP_SIGNAL)
		rnd_derived(r, rec, mem);
	else
		rnd_plain(r, rec, mem);
}

struct laws_tape *laws_random_tape(uint64_t seed, size_t n, unsigned entry_max)
{
	struct laws_rng r = { seed };
	struct laws_tape *t = laws_tape_new();
	uint8_t mem[4096];      /* fixed: the texts of a record never move */
	struct ap_buf b;

	for (size_t i = 0; i < n; i++) {
		struct ap_rec rec;

		ap_buf_fixed(&b, mem, sizeof mem);
		laws_random_rec(&r, &rec, &b);
		laws_tape_add(t, &rec);
		if (laws_below(&r, entry_max) == 0)
			laws_tape_cut(t);
	}
	laws_tape_cut(t);
	return t;
}
