/*
 * test_candle_props.c - what must hold on every tape: order does not matter, sums add up, memory and output are bounded.
 */
#include "candle_rig.h"
#include "test/lib/laws.h"

#include <malloc.h>

/* --- any order of the same trades ------------------------------------------ */

struct mini {                   /* a trade of the tape, before it is put into some order */
	int64_t ms;
	char price[24], qty[24], id[24];
	enum ap_side side;
};

static void mini_make(struct mini *m, size_t n, uint64_t seed, int64_t span_ms)
{
	struct laws_rng r = { seed };
	int64_t price = 10000;

	for (size_t i = 0; i < n; i++) {
		price += (int64_t)laws_below(&r, 201) - 100;
		if (price < 1)
			price = 1;
		/* Whole seconds: many trades share their stamp, and ids decide. */
		m[i].ms = (int64_t)laws_below(&r, (uint64_t)span_ms) / 1000 * 1000;
		m[i].side = (enum ap_side)laws_below(&r, 3);
		(void)snprintf(m[i].price, sizeof m[i].price, "%lld.%02lld", (long long)(price / 100), (long long)(price % 100));
		(void)snprintf(m[i].qty, sizeof m[i].qty, "0.%06llu", (unsigned long long)laws_below(&r, 1000000));
		(void)snprintf(m[i].id, sizeof m[i].id, "%zu", 95 + i);
	}
}

static void mini_shuffle(struct mini *m, size_t n, uint64_t seed)
{
	struct laws_rng r = { seed };

	for (size_t i = n; i > 1; i--) {
		const size_t k = laws_below(&r, i);
		const struct mini t = m[k];

		m[k] = m[i - 1];
		m[i - 1] = t;
	}
}

static int by_candle(const void *a, const void *b)
{
	const struct ap_candle *x = a, *y = b;
	const size_t lx = x->tf.len, ly = y->tf.len;

	if (lx != ly || memcmp(x->tf.p, y->tf.p, lx) != 0)
		return lx != ly ? (lx < ly ? -1 : 1) : memcmp(x->tf.p, y->tf.p, lx);
	return (x->open_ms > y->open_ms) - (x->open_ms < y->open_ms);
}

/* The newest state of every candle, in order. */
static size_t last_words(const struct rig *r, struct ap_candle *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct ap_candle *c = &r->got[i].rec.u.candle;
		size_t k = 0;

		if (r->got[i].to != AP_S_CANDLE)
			continue;
		while (k < n && (out[k].open_ms != c->open_ms || !ap_str_eq(out[k].tf, c->tf)))
			k++;
		out[k] = *c;
		n += k == n;
	}
	qsort(out, n, sizeof *out, by_candle);
	return n;
}

enum { MINIS = 400, WORDS = 4000 };

static void play(struct rig *r, const struct mini *m, int64_t span_ms, bool beats_first, unsigned per_entry)
{
	rig_beat(r, 0);
	/* All beats inside the revision window first: then every trade is late, and still counts. */
	for (int64_t t = 1000; beats_first && t <= span_ms; t += 1000)
		rig_beat(r, t);
	r->hold = true;
	for (size_t i = 0; i < MINIS; i++) {
		r->side = m[i].side;
		assert_int_equal(rig_trade(r, m[i].ms, m[i].price, m[i].qty, m[i].id), AP_V_TAKEN);
		if (i % per_entry == per_entry - 1)
			rig_flush(r);
	}
	rig_flush(r);
	r->hold = false;
	for (int64_t t = beats_first ? span_ms + 1000 : 1000; t <= RIG_DAY + 600000; t += t < span_ms ? 1000 : 600000)
		rig_beat(r, t);
}

static void same_words(const struct rig *a, const struct rig *b)
{
	struct ap_candle *x = malloc(WORDS * sizeof *x), *y = malloc(WORDS * sizeof *y);
	size_t n, m;

	assert_non_null(x);
	assert_non_null(y);
	n = last_words(a, x);
	m = last_words(b, y);
	assert_int_equal(n, m);
	assert_true(n > 10);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(x[i].open_ms, y[i].open_ms);
		assert_true(x[i].open.e18 == y[i].open.e18 && x[i].high.e18 == y[i].high.e18 && x[i].low.e18 == y[i].low.e18 &&
			    x[i].close.e18 == y[i].close.e18 && x[i].volume.e18 == y[i].volume.e18 && x[i].vwap.e18 == y[i].vwap.e18 &&
			    x[i].buy_volume.e18 == y[i].buy_volume.e18 && x[i].sell_volume.e18 == y[i].sell_volume.e18);
		assert_int_equal(ap_sum_cmp(&x[i].quote_volume, &y[i].quote_volume), 0);
		assert_int_equal(x[i].trade_count, y[i].trade_count);
		assert_int_equal(x[i].coverage_ms, y[i].coverage_ms);
		assert_int_equal(x[i].quality, y[i].quality);
	}
	free(x);
	free(y);
}

static void permuted(const char *fill)
{
	struct mini m[MINIS];
	const int64_t span_ms = 14 * RIG_MIN;
	struct rig want = rig_new("candle.fill", fill, NULL);

	mini_make(m, MINIS, 11, span_ms);
	play(&want, m, span_ms, false, 7);
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rig got = rig_new("candle.fill", fill, NULL);

		mini_shuffle(m, MINIS, seed);
		play(&got, m, span_ms, seed % 2 == 0, 1 + (unsigned)seed * 5);
		same_words(&want, &got);
		rig_free(&got);
	}
	rig_free(&want);
}

static void any_order_and_delay_inside_the_window_gives_the_same_candles(void **s)
{
	(void)s;
	permuted("none");
}

static void any_order_gives_the_same_candles_where_intervals_are_filled(void **s)
{
	(void)s;
	permuted("previous");
}

/* --- sums ------------------------------------------------------------------- */

/* For every candle of the larger timeframe: the smaller ones inside it add up to it. */
static void folds_up(const struct rig *r, const char *small, const char *large)
{
	size_t checked = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct ap_candle *big = &r->got[i].rec.u.candle;
		struct ap_candle sum = { .volume = { 0 } };
		int64_t last_open = -1;

		if (r->got[i].to != AP_S_CANDLE || !ap_str_is(big->tf, large))
			continue;
		for (size_t k = 0; k < r->n; k++) {
			const struct ap_candle *c = &r->got[k].rec.u.candle;

			if (r->got[k].to != AP_S_CANDLE || !ap_str_is(c->tf, small) || c->open_ms < big->open_ms || c->open_ms >= big->close_ms)
				continue;
			if (last_open < 0) {
				sum = *c;
				last_open = c->open_ms;
				continue;
			}
			assert_true(c->open_ms > last_open);    /* finals come in order of time */
			last_open = c->open_ms;
			if (c->high.e18 > sum.high.e18)
				sum.high = c->high;
			if (c->low.e18 < sum.low.e18)
				sum.low = c->low;
			sum.close = c->close;
			assert_true(ap_dec_add(sum.volume, c->volume, &sum.volume));
			assert_true(ap_dec_add(sum.buy_volume, c->buy_volume, &sum.buy_volume));
			assert_true(ap_sum_add(&sum.quote_volume, &c->quote_volume));
			sum.trade_count += c->trade_count;
		}
		assert_true(sum.open.e18 == big->open.e18 && sum.high.e18 == big->high.e18 && sum.low.e18 == big->low.e18 &&
			    sum.close.e18 == big->close.e18 && sum.volume.e18 == big->volume.e18 && sum.buy_volume.e18 == big->buy_volume.e18);
		assert_int_equal(ap_sum_cmp(&sum.quote_volume, &big->quote_volume), 0);
		assert_int_equal(sum.trade_count, big->trade_count);
		checked++;
	}
	assert_true(checked > 1);
}

static void smaller_candles_add_up_to_larger_ones(void **s)
{
	static const char *const tf[] = { "1m", "5m", "15m", "1h", "4h", "1d", "1w", "1M" };
	struct rig r = rig_new("candle.timeframes", "1m,5m,15m,1h,4h,1d,1w,1M", NULL);
	struct laws_rng rng = { 5 };
	int64_t t = 0;

	(void)s;
	r.hold = true;
	for (int i = 0; i < 4000; i++) {
		char price[24];

		t += 1 + (int64_t)laws_below(&rng, (uint64_t)RIG_DAY / 50);
		rig_beat(&r, t - t % 1000);
		(void)snprintf(price, sizeof price, "%llu", (unsigned long long)(1 + laws_below(&rng, 100000)));
		r.side = (enum ap_side)laws_below(&rng, 3);
		rig_trade(&r, t, price, "0.123", "");
		rig_flush(&r);
	}
	rig_close_beat(&r, t);
	rig_flush(&r);
	for (int i = 0; i < 5; i++)
		folds_up(&r, tf[i], tf[i + 1]);
	folds_up(&r, "1d", "1w");
	folds_up(&r, "1d", "1M");
	folds_up(&r, "1m", "1M");
	rig_free(&r);
}

/* --- size ------------------------------------------------------------------- */

static void two_thousand_series_close_at_midnight_in_little_memory(void **s)
{
	struct rig r = rig_new(NULL);
	struct mallinfo2 before = mallinfo2(), after;
	char symbol[16];
	size_t was;

	(void)s;
	r.hold = true;
	/* Twenty minutes of every series before midnight: the window is full. */
	for (int64_t t = RIG_DAY - 20 * RIG_MIN; t < RIG_DAY; t += RIG_MIN) {
		for (int i = 0; i < 2000; i++) {
			(void)snprintf(symbol, sizeof symbol, "S%d-USDT", i);
			r.symbol = symbol;
			rig_trade(&r, t + i, "60000.12", "0.01", "123456789012");
		}
		rig_flush(&r);
		rig_beat(&r, t + RIG_MIN);
		rig_flush(&r);
		free(r.got);
		r.got = NULL;
		r.n = r.cap = 0;
	}
	after = mallinfo2();
	print_message("# 2000 series: %zu KiB\n", (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 1024);
	assert_true(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd < 64u << 20);
	was = rig_count(&r, AP_S_CANDLE);
	rig_beat(&r, RIG_DAY + 2000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE) - was, 2000 * 6);
	rig_free(&r);
}

static void what_is_due_beyond_one_beat_s_share_comes_with_the_next(void **s)
{
	struct rig r = rig_new(NULL);
	char symbol[16];

	(void)s;
	r.hold = true;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(symbol, sizeof symbol, "S%d-USDT", i);
		r.symbol = symbol;
		rig_trade(&r, 0, "1", "1", "");
	}
	rig_flush(&r);
	r.hold = false;
	rig_beat(&r, RIG_DAY + 2000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 16000);
	rig_beat(&r, RIG_DAY + 3000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 30000);
	rig_beat(&r, RIG_DAY + 4000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 30000);
	rig_free(&r);
}

/* --- load --------------------------------------------------------------------- */

static void under_load_larger_forming_candles_follow_with_the_beat(void **s)
{
	struct rig r = rig_new(NULL);
	char symbol[16];

	(void)s;
	r.hold = true;
	rig_beat(&r, 0);
	for (int i = 0; i < 17; i++) {
		(void)snprintf(symbol, sizeof symbol, "S%d-USDT", i);
		r.symbol = symbol;
		rig_trade(&r, 10 + i, "7", "1", "");
	}
	rig_flush(&r);
	assert_int_equal(rig_count(&r, AP_S_LIVE), 17);
	rig_is(rig_need(&r, AP_S_LIVE, "1m", 0), "7", "7", "7", "7", "1", 1);
	assert_null(rig_find(&r, AP_S_LIVE, "1d", 0));
	rig_beat(&r, 1000);
	rig_flush(&r);
	assert_int_equal(rig_count(&r, AP_S_LIVE), 17 * 6);
	rig_is(rig_need(&r, AP_S_LIVE, "1d", 0), "7", "7", "7", "7", "1", 1);
	rig_beat(&r, 2000);
	rig_flush(&r);
	assert_int_equal(rig_count(&r, AP_S_LIVE), 17 * 6);
	rig_free(&r);
}

static void under_load_a_revision_is_told_at_once(void **s)
{
	struct rig r = rig_new(NULL);
	char symbol[16];

	(void)s;
	r.hold = true;
	rig_beat(&r, 0);
	rig_beat(&r, 10 * RIG_MIN);
	for (int i = 0; i < 17; i++) {
		(void)snprintf(symbol, sizeof symbol, "S%d-USDT", i);
		r.symbol = symbol;
		rig_trade(&r, 10 + i, "7", "1", "");
	}
	rig_flush(&r);
	assert_int_equal(rig_issued(&r, "1m"), 17);
	assert_int_equal(rig_issued(&r, "5m"), 17);
	assert_int_equal(rig_count(&r, AP_S_LIVE), 17 * 4);
	rig_free(&r);
}

/* --- counting ---------------------------------------------------------------- */

struct tally {
	struct ap_counts counts;
	double series, slots, finals, revised, late, full, gap;
};

static void tally_put(struct ap_counts *c, const char *name, enum ap_metric_type type, double value)
{
	struct tally *t = (struct tally *)(void *)c;
	const struct { const char *name; double *to; } rows[] = {
		{ "series", &t->series }, { "slots", &t->slots }, { "candles_final_total", &t->finals }, { "candles_revised_total", &t->revised },
		{ "late_total", &t->late }, { "candles_full_total", &t->full }, { "candles_gap_total", &t->gap },
	};

	(void)type;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(name, rows[i].name) == 0)
			*rows[i].to = value;
}

static void the_counters_say_what_happened(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m", NULL);
	struct tally t = { .counts = { tally_put } };

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1, "1", "1", "");
	rig_beat(&r, 62000);
	rig_trade(&r, 2, "1", "1", "");
	rig_beat(&r, 20 * RIG_MIN);
	rig_trade(&r, 3, "1", "1", "");
	ap_candle_stage.count(r.st, &t.counts);
	assert_true(t.series == 1 && t.slots == 0 && t.finals == 1 && t.revised == 1 && t.late == 1 && t.full == 2 && t.gap == 0);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_and_delay_inside_the_window_gives_the_same_candles),
		cmocka_unit_test(any_order_gives_the_same_candles_where_intervals_are_filled),
		cmocka_unit_test(smaller_candles_add_up_to_larger_ones),
		cmocka_unit_test(two_thousand_series_close_at_midnight_in_little_memory),
		cmocka_unit_test(what_is_due_beyond_one_beat_s_share_comes_with_the_next),
		cmocka_unit_test(under_load_larger_forming_candles_follow_with_the_beat),
		cmocka_unit_test(under_load_a_revision_is_told_at_once),
		cmocka_unit_test(the_counters_say_what_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
