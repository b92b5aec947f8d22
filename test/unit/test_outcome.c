/*
 * test_outcome.c - what becomes of signals, by the rules in outcome.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ap-indicators/outcome.h"

static int64_t clock_ms;

static struct ind_bar bar(double o, double h, double l, double c)
{
	clock_ms += 60000;
	return (struct ind_bar){ .open_ms = clock_ms, .o = o, .h = h, .l = l, .c = c };
}

static struct rule_signal signal(enum rule_side side, double entry, double stop, double target)
{
	return (struct rule_signal){ .rule = 3, .side = side, .entry = entry, .stop = stop, .target = target };
}

/* A signal on a candle that closes at 100, then n candles; *out is what ended it. false: still open. */
static bool after(enum rule_side side, double entry, unsigned expiry, const double (*ohlc)[4], size_t n,
		  struct outcome *out)
{
	const bool up = side == RULE_LONG;
	const struct rule_signal s = signal(side, entry, up ? entry - 10 : entry + 10, up ? entry + 20 : entry - 20);
	const struct ind_bar first = bar(100, 101, 99, 100);
	struct outcome_state state;
	struct outcome ends[OUTCOME_OPEN_MAX];

	outcome_init(&state);
	assert_false(outcome_add(&state, &s, &first, 0, expiry, out));
	for (size_t i = 0; i < n; i++) {
		const struct ind_bar b = bar(ohlc[i][0], ohlc[i][1], ohlc[i][2], ohlc[i][3]);

		if (outcome_step(&state, &b, ends) == 0)
			continue;
		*out = ends[0];
		assert_int_equal(i, n - 1);
		assert_int_equal(state.n, 0);
		assert_int_equal(out->candles, n);
		assert_int_equal(out->end_ms, b.open_ms);
		assert_int_equal(out->signal_ms, first.open_ms);
		assert_int_equal(out->rule, 3);
		assert_int_equal(out->side, side);
		assert_true(out->entry == entry);
		return true;
	}
	return false;
}

#define CANDLES(...) (const double[][4]){ __VA_ARGS__ }, sizeof((const double[][4]){ __VA_ARGS__ }) / 32

static void check(const struct outcome *o, enum outcome_end end, double in, double out, double r)
{
	assert_string_equal(outcome_end_name(o->end), outcome_end_name(end));
	assert_true(o->in == in);
	assert_true(o->out == out);
	assert_true(fabs(o->r - r) < 1e-12);
}

static void a_target_reached_is_the_planned_reward(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(after(RULE_LONG, 100, 9, CANDLES({ 100, 110, 95, 108 }, { 108, 121, 107, 120 }), &o));
	check(&o, OUTCOME_TARGET, 100, 120, 2);
	assert_true(after(RULE_SHORT, 100, 9, CANDLES({ 100, 105, 90, 92 }, { 92, 93, 79, 81 }), &o));
	check(&o, OUTCOME_TARGET, 100, 80, 2);
	assert_false(o.ambiguous);
}

static void a_stop_is_minus_one_and_an_open_beyond_it_is_worse(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(after(RULE_LONG, 100, 9, CANDLES({ 100, 101, 90, 95 }), &o));
	check(&o, OUTCOME_STOP, 100, 90, -1);
	assert_true(after(RULE_LONG, 100, 9, CANDLES({ 85, 101, 84, 95 }), &o));
	check(&o, OUTCOME_STOP, 100, 85, -1.5);
	assert_true(after(RULE_SHORT, 100, 9, CANDLES({ 100, 110, 99, 105 }), &o));
	check(&o, OUTCOME_STOP, 100, 110, -1);
	assert_true(after(RULE_SHORT, 100, 9, CANDLES({ 120, 121, 99, 105 }), &o));
	check(&o, OUTCOME_STOP, 100, 120, -2);
}

static void an_open_beyond_the_target_is_better_than_it(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(after(RULE_LONG, 100, 9, CANDLES({ 125, 126, 119, 120 }), &o));
	check(&o, OUTCOME_TARGET, 100, 125, 2.5);
	assert_true(after(RULE_SHORT, 100, 9, CANDLES({ 75, 90, 74, 80 }), &o));
	check(&o, OUTCOME_TARGET, 100, 75, 2.5);
}

static void a_candle_that_reaches_both_is_a_stop_and_says_so(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(after(RULE_LONG, 100, 9, CANDLES({ 100, 120, 90, 110 }), &o));
	check(&o, OUTCOME_STOP, 100, 90, -1);
	assert_true(o.ambiguous);
	assert_true(after(RULE_SHORT, 100, 9, CANDLES({ 100, 110, 80, 90 }), &o));
	check(&o, OUTCOME_STOP, 100, 110, -1);
	assert_true(o.ambiguous);
}

static void after_its_candles_a_signal_leaves_at_the_close(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_false(after(RULE_LONG, 100, 3, CANDLES({ 100, 101, 99, 100 }, { 100, 101, 99, 100 }), &o));
	assert_true(after(RULE_LONG, 100, 3,
			  CANDLES({ 100, 101, 99, 100 }, { 100, 101, 99, 100 }, { 100, 106, 99, 105 }), &o));
	check(&o, OUTCOME_EXPIRY, 100, 105, 0.5);
	assert_true(after(RULE_SHORT, 100, 1, CANDLES({ 100, 106, 99, 105 }), &o));
	check(&o, OUTCOME_EXPIRY, 100, 105, -0.5);
}

static void an_entry_away_from_the_close_waits_to_be_reached(void **unused)
{
	struct outcome o;

	(void)unused;
	/* a pullback to 97, then the target */
	assert_true(after(RULE_LONG, 97, 9, CANDLES({ 100, 104, 98, 103 }, { 103, 103, 97, 99 }, { 99, 117, 98, 116 }),
			  &o));
	check(&o, OUTCOME_TARGET, 97, 117, 2);
	/* a breakout over 104 that opens at 106 */
	assert_true(after(RULE_LONG, 104, 9, CANDLES({ 106, 108, 105, 107 }, { 107, 125, 106, 120 }), &o));
	check(&o, OUTCOME_TARGET, 106, 124, 1.8);
	/* short: a rally to 103, a breakout under 96 */
	assert_true(after(RULE_SHORT, 103, 9, CANDLES({ 100, 103, 98, 99 }, { 99, 100, 83, 84 }), &o));
	check(&o, OUTCOME_TARGET, 103, 83, 2);
	assert_true(after(RULE_SHORT, 96, 9, CANDLES({ 95, 97, 94, 95 }, { 95, 96, 76, 77 }), &o));
	check(&o, OUTCOME_TARGET, 95, 76, 1.9);
}

static void on_the_candle_of_the_entry_only_the_stop_counts(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_false(after(RULE_LONG, 97, 9, CANDLES({ 100, 130, 96, 125 }), &o));
	assert_true(after(RULE_LONG, 97, 9, CANDLES({ 100, 101, 87, 90 }), &o));
	check(&o, OUTCOME_STOP, 97, 87, -1);
}

static void an_entry_never_reached_lapses_without_a_result(void **unused)
{
	struct outcome o;

	(void)unused;
	assert_true(after(RULE_LONG, 97, 2, CANDLES({ 100, 130, 98, 125 }, { 125, 126, 99, 100 }), &o));
	check(&o, OUTCOME_LAPSED, 0, 0, 0);
}

static void the_33rd_signal_pushes_the_oldest_out(void **unused)
{
	struct outcome_state s;
	struct outcome gone, ends[OUTCOME_OPEN_MAX];
	int64_t first = 0;

	(void)unused;
	outcome_init(&s);
	for (unsigned i = 0; i < OUTCOME_OPEN_MAX; i++) {
		const struct ind_bar b = bar(100, 101, 99, 100);
		const struct rule_signal sig = signal(RULE_LONG, 100, 90, 120);

		first = i == 0 ? b.open_ms : first;
		assert_false(outcome_add(&s, &sig, &b, 0, 5, &gone));
	}
	const struct ind_bar b = bar(100, 101, 99, 100);
	const struct rule_signal sig = signal(RULE_SHORT, 100, 110, 80);

	assert_true(outcome_add(&s, &sig, &b, 0, 5, &gone));
	assert_int_equal(gone.signal_ms, first);
	assert_int_equal(gone.end, OUTCOME_CROWDED);
	assert_int_equal(s.n, OUTCOME_OPEN_MAX);
	const struct ind_bar crash = bar(100, 105, 50, 60);

	assert_int_equal(outcome_step(&s, &crash, ends), OUTCOME_OPEN_MAX);
	assert_int_equal(ends[0].end, OUTCOME_STOP);
	assert_int_equal(ends[OUTCOME_OPEN_MAX - 1].end, OUTCOME_TARGET);
	assert_int_equal(s.n, 0);
}

static void what_happened_is_told_as_json(void **unused)
{
	const struct outcome o = { .end = OUTCOME_STOP, .in = 100.5, .out = 90, .candles = 3, .ambiguous = true };
	const char *want = "{\"end\":\"stop\",\"in\":100.5,\"out\":90,\"candles\":3,\"end_ms\":0,\"ambiguous\":true}";
	char text[128];
	struct ap_buf out;

	(void)unused;
	ap_buf_fixed(&out, text, sizeof text);
	outcome_json(&o, &out);
	assert_false(out.full);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(text, want, out.len);
}

/* --- laws ---------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r >> 20;
}

/* 500 candles with a signal on every third; a sum over all outcomes. cut: save and load before each candle. */
static double replay(bool cut, size_t *ended)
{
	struct outcome_state s, fresh;
	struct outcome ends[OUTCOME_OPEN_MAX], gone;
	uint64_t r = 2024;
	double p = 1000, sum = 0;

	outcome_init(&s);
	*ended = 0;
	for (int i = 0; i < 500; i++) {
		const double o = p, c = p + (double)(next_random(&r) % 21) - 10;
		const struct ind_bar b = { .open_ms = i, .o = o, .h = fmax(o, c) + 2, .l = fmin(o, c) - 2, .c = c };
		const bool up = next_random(&r) % 2 == 0;
		const double entry = c + (double)(next_random(&r) % 3) * 2 - 2;
		const struct rule_signal sig = up ? signal(RULE_LONG, entry, entry - 8, entry + 12)
			: signal(RULE_SHORT, entry, entry + 8, entry - 12);

		if (cut) {
			uint8_t image[OUTCOME_IMAGE_MAX];
			const size_t size = outcome_save(&s, image);

			memset(&fresh, 0x77, sizeof fresh);
			assert_true(outcome_load(&fresh, image, size));
			assert_memory_equal(&fresh, &s, sizeof s);
			s = fresh;
		}
		const size_t n = outcome_step(&s, &b, ends);

		for (size_t k = 0; k < n; k++)
			sum = sum * 1.000001 + ends[k].r + ends[k].out + (double)ends[k].end;
		*ended += n;
		if (i % 3 == 0 && outcome_add(&s, &sig, &b, 0, 12, &gone))
			(*ended)++;
		p = c;
	}
	*ended += s.n;
	return sum;
}

static void every_signal_ends_once_and_cuts_change_nothing(void **unused)
{
	size_t whole_n, cut_n;
	const double whole = replay(false, &whole_n);

	(void)unused;
	assert_int_equal(whole_n, 167);
	assert_true(replay(true, &cut_n) == whole);
	assert_int_equal(cut_n, whole_n);
}

static void a_damaged_image_is_refused(void **unused)
{
	struct outcome_state s, t;
	struct outcome gone;
	uint8_t image[OUTCOME_IMAGE_MAX];
	const struct ind_bar b = bar(100, 101, 99, 100);
	const struct rule_signal sig = signal(RULE_LONG, 97, 90, 120);
	size_t size;

	(void)unused;
	outcome_init(&s);
	assert_true(outcome_save(&s, image) == 16);
	assert_true(outcome_load(&t, image, 16));
	(void)outcome_add(&s, &sig, &b, 0, 5, &gone);
	size = outcome_save(&s, image);
	assert_int_equal(size, 16 + 56);
	for (size_t i = 0; i < size; i++) {
		image[i] ^= 1;
		assert_false(outcome_load(&t, image, size));
		assert_int_equal(t.n, 0);
		image[i] ^= 1;
	}
	assert_false(outcome_load(&t, image, size - 1));
	assert_false(outcome_load(&t, image, 0));
	assert_true(outcome_load(&t, image, size));
	assert_memory_equal(&s, &t, sizeof s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_reached_is_the_planned_reward),
		cmocka_unit_test(a_stop_is_minus_one_and_an_open_beyond_it_is_worse),
		cmocka_unit_test(an_open_beyond_the_target_is_better_than_it),
		cmocka_unit_test(a_candle_that_reaches_both_is_a_stop_and_says_so),
		cmocka_unit_test(after_its_candles_a_signal_leaves_at_the_close),
		cmocka_unit_test(an_entry_away_from_the_close_waits_to_be_reached),
		cmocka_unit_test(on_the_candle_of_the_entry_only_the_stop_counts),
		cmocka_unit_test(an_entry_never_reached_lapses_without_a_result),
		cmocka_unit_test(the_33rd_signal_pushes_the_oldest_out),
		cmocka_unit_test(what_happened_is_told_as_json),
		cmocka_unit_test(every_signal_ends_once_and_cuts_change_nothing),
		cmocka_unit_test(a_damaged_image_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
