/*
 * test_candle_parts.c - the parts of the candle fold by themselves: sums, averages, keys, cover, timeframes.
 */
#include "stages/ap-candle/acc.h"
#include "stages/ap-candle/cover.h"
#include "stages/ap-candle/tf.h"
#include "test/lib/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* --- sums and averages ------------------------------------------------------ */

static ap_i128 rnd_e18(struct laws_rng *r, unsigned bits)
{
	const ap_u128 v = (ap_u128)laws_rand(r) << 64 | laws_rand(r);

	return (ap_i128)(v >> (128 - 1 - laws_below(r, bits))) + 1;
}

static void products_and_sums_equal_those_of_the_core(void **s)
{
	struct laws_rng r = { 1 };
	ap_sum a = { { 0 } }, b = { { 0 } };

	(void)s;
	for (int i = 0; i < 100000; i++) {
		const ap_dec p = { rnd_e18(&r, 119) }, q = { rnd_e18(&r, 119) };
		ap_sum one = { { 0 } };

		candle_sum_addmul(&one, p, q);
		candle_sum_add(&a, &one);
		assert_true(ap_sum_addmul(&b, p, q));
		assert_int_equal(ap_sum_cmp(&a, &b), 0);
		if (i % 100 == 0)
			a = b = (ap_sum){ { 0 } };
	}
}

static void the_average_equals_the_core_s_division(void **s)
{
	struct laws_rng r = { 2 };

	(void)s;
	for (int i = 0; i < 200000; i++) {
		const ap_dec p = { rnd_e18(&r, 100) }, q = { rnd_e18(&r, i % 2 == 0 ? 119 : 80) };
		ap_dec want = { 0 };
		ap_sum qv = { { 0 } };

		candle_sum_addmul(&qv, p, q);
		qv.w[0] += laws_below(&r, 3);
		if (!ap_sum_div(&qv, q, 12, &want))
			continue;
		assert_true(candle_vwap(&qv, q.e18).e18 == want.e18);
	}
	assert_true(candle_vwap(&(ap_sum){ { 5 } }, 0).e18 == 0);
}

static void halves_are_rounded_to_even(void **s)
{
	/* volume 2, turnover 1e-12 and 3e-12: 0.5 and 1.5 units of the twelfth decimal. */
	ap_sum half = { { 0 } }, more = { { 0 } };

	(void)s;
	candle_sum_addmul(&half, (ap_dec){ 1000000 }, (ap_dec){ (ap_i128)1000000000 * 1000000000 });
	for (int i = 0; i < 3; i++)
		candle_sum_add(&more, &half);
	assert_true(candle_vwap(&half, (ap_i128)2000000000 * 1000000000).e18 == 0);
	assert_true(candle_vwap(&more, (ap_i128)2000000000 * 1000000000).e18 == 2000000);
}

static void sums_that_may_wrap_do_not_fit(void **s)
{
	(void)s;
	assert_true(candle_sums_fit(0, 0, 0, 0));
	assert_false(candle_sums_fit((ap_i128)1 << 125, (ap_i128)1 << 125, 0, 0));
	assert_false(candle_sums_fit(0, 0, (uint64_t)1 << 61, (uint64_t)1 << 61));
}

/* --- keys ------------------------------------------------------------------- */

static int order(const char *a, const char *b)
{
	struct candle_key k;

	candle_key_set(&k, 5, ap_str_c(b));
	return candle_key_cmp(5, ap_str_c(a), &k);
}

static void ids_have_a_total_order(void **s)
{
	(void)s;
	assert_true(order("", "1") < 0);
	assert_true(order("9", "10") < 0);
	assert_true(order("10", "10") == 0);
	assert_true(order("99999999999999999999", "100000000000000000000") < 0);
	assert_true(order("99999999999999999999", "0x") < 0);
	assert_true(order("ab", "abc") < 0);
	assert_true(order("b", "abc") > 0);
	assert_true(order("12a", "12b") < 0);
}

static void time_comes_before_ids(void **s)
{
	struct candle_key k;

	(void)s;
	candle_key_set(&k, 5, ap_str_c("1"));
	assert_true(candle_key_cmp(4, ap_str_c("9"), &k) < 0);
	assert_true(candle_key_cmp(6, ap_str_c("0"), &k) > 0);
}

/* --- cover ------------------------------------------------------------------ */

static void spans_that_touch_become_one(void **s)
{
	struct candle_cover c = { 0 };

	(void)s;
	assert_true(candle_cover_add(&c, 0, 10));
	assert_true(candle_cover_add(&c, 10, 20));
	assert_int_equal(c.n, 1);
	assert_true(candle_cover_add(&c, 30, 40));
	assert_int_equal(c.n, 2);
	assert_true(candle_cover_add(&c, 15, 35));
	assert_int_equal(c.n, 1);
	assert_int_equal(candle_cover_ms(&c, 0, 100), 40);
	candle_cover_done(&c);
}

static void cover_is_counted_where_it_overlaps(void **s)
{
	struct candle_cover c = { 0 };

	(void)s;
	assert_true(candle_cover_add(&c, 10, 20));
	assert_true(candle_cover_add(&c, 30, 40));
	assert_int_equal(candle_cover_ms(&c, 15, 35), 10);
	assert_int_equal(candle_cover_ms(&c, 20, 30), 0);
	assert_int_equal(candle_cover_ms(&c, 0, 10), 0);
	assert_true(candle_cover_next(&c, 0) == 10);
	assert_true(candle_cover_next(&c, 12) == 12);
	assert_true(candle_cover_next(&c, 20) == 30);
	assert_true(candle_cover_next(&c, 40) == INT64_MAX);
	candle_cover_done(&c);
}

static void cover_equals_a_list_of_all_milliseconds(void **s)
{
	struct laws_rng r = { 9 };

	(void)s;
	for (int round = 0; round < 200; round++) {
		struct candle_cover c = { 0 };
		bool ms[300] = { false };

		for (int i = 0; i < 60; i++) {
			const int64_t a = (int64_t)laws_below(&r, 290), b = a + (int64_t)laws_below(&r, 10);
			int64_t sum = 0, from = (int64_t)laws_below(&r, 300), to = from + (int64_t)laws_below(&r, (uint64_t)(301 - from));

			assert_true(candle_cover_add(&c, a, b));
			for (int64_t t = a; t < b; t++)
				ms[t] = true;
			for (int64_t t = from; t < to; t++)
				sum += ms[t];
			assert_true(candle_cover_ms(&c, from, to) == sum);
		}
		candle_cover_done(&c);
	}
}

static void the_oldest_span_is_forgotten_when_there_are_too_many(void **s)
{
	struct candle_cover c = { 0 };

	(void)s;
	for (int64_t i = 0; i < 1000; i++)
		assert_true(candle_cover_add(&c, i * 10, i * 10 + 1));
	assert_int_equal(c.n, CANDLE_SPANS_MAX);
	assert_true(candle_cover_ms(&c, 0, 10000) == CANDLE_SPANS_MAX);
	assert_true(candle_cover_ms(&c, 9990, 10000) == 1);
	candle_cover_forget(&c, 9985);
	assert_int_equal(c.n, 1);
	candle_cover_done(&c);
}

/* --- timeframes --------------------------------------------------------------- */

static void interval(const char *name, int64_t t_s, int64_t open_s, int64_t close_s)
{
	struct candle_tf tf;
	char err[200] = "";
	int64_t open_ms, close_ms;

	if (!candle_tf_parse(&tf, ap_str_c(name), err, sizeof err))
		fail_msg("%s", err);
	candle_tf_at(&tf, t_s * 1000 + 999, &open_ms, &close_ms);
	assert_true(open_ms == open_s * 1000);
	assert_true(close_ms == close_s * 1000);
}

static void intervals_are_aligned_to_utc(void **s)
{
	(void)s;
	/* 2024-02-29T12:34:56Z, a Thursday in a leap year */
	interval("1s", 1709210096, 1709210096, 1709210097);
	interval("15m", 1709210096, 1709209800, 1709210700);
	interval("4h", 1709210096, 1709208000, 1709222400);
	interval("1d", 1709210096, 1709164800, 1709251200);
	interval("3d", 1709210096, 1708992000, 1709251200);
	interval("1w", 1709210096, 1708905600, 1709510400);     /* Monday to Monday */
	interval("1M", 1709210096, 1706745600, 1709251200);
	interval("3M", 1709210096, 1704067200, 1711929600);
}

static void months_follow_the_calendar_for_all_of_time(void **s)
{
	struct candle_tf tf;
	char err[200];
	int64_t t = 0, months = 0;

	(void)s;
	assert_true(candle_tf_parse(&tf, ap_str_c("1M"), err, sizeof err));
	while (t < 9000000000000) {     /* to 2255, month by month: each begins where the one before ended */
		int64_t open_ms, close_ms, again_ms, end_ms;

		candle_tf_at(&tf, t, &open_ms, &close_ms);
		assert_true(open_ms == t);
		assert_true(close_ms - open_ms >= 28LL * 86400000 && close_ms - open_ms <= 31LL * 86400000);
		candle_tf_at(&tf, close_ms - 1, &again_ms, &end_ms);
		assert_true(again_ms == open_ms && end_ms == close_ms);
		t = close_ms;
		months++;
	}
	assert_int_equal(months, 12 * 285 + 3);
}

static void impossible_timeframes_say_why(void **s)
{
	static const char *const bad[] = { "", "m", "0m", "7m", "61s", "5h", "8d", "5w", "5M", "1y", "1", "m1", "99999m", "-1m" };
	struct candle_tf tf;
	char err[200];

	(void)s;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err[0] = '\0';
		assert_false(candle_tf_parse(&tf, ap_str_c(bad[i]), err, sizeof err));
		assert_non_null(strstr(err, "timeframe"));
	}
}

static void a_plan_finds_its_base(void **s)
{
	static const struct { const char *list, *base; bool hidden; } rows[] = {
		{ "1m,5m,15m,1h,4h,1d", "1m", false },
		{ "1d,1h", "1h", false },
		{ "2m,3m", "1m", true },
		{ "1M", "1d", true },
		{ "3d,1w", "1d", true },
		{ "10s,15s", "5s", true },
	};

	(void)s;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct candle_plan p;
		char err[200] = "";

		if (!candle_plan_parse(&p, ap_str_c(rows[i].list), 86400000, err, sizeof err))
			fail_msg("%s", err);
		assert_string_equal(p.tf[0].name, rows[i].base);
		assert_int_equal(p.hidden, rows[i].hidden);
		for (uint32_t k = 1; k < p.n; k++)
			assert_true(p.tf[k - 1].step_ms <= p.tf[k].step_ms);
	}
}

static void a_plan_refuses_what_is_named_twice(void **s)
{
	struct candle_plan p;
	char err[200] = "";

	(void)s;
	assert_false(candle_plan_parse(&p, ap_str_c("1m,5m,1m"), 86400000, err, sizeof err));
	assert_non_null(strstr(err, "twice"));
	assert_false(candle_plan_parse(&p, ap_str_c("1m,,5m"), 86400000, err, sizeof err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_and_sums_equal_those_of_the_core),
		cmocka_unit_test(the_average_equals_the_core_s_division),
		cmocka_unit_test(halves_are_rounded_to_even),
		cmocka_unit_test(sums_that_may_wrap_do_not_fit),
		cmocka_unit_test(ids_have_a_total_order),
		cmocka_unit_test(time_comes_before_ids),
		cmocka_unit_test(spans_that_touch_become_one),
		cmocka_unit_test(cover_is_counted_where_it_overlaps),
		cmocka_unit_test(cover_equals_a_list_of_all_milliseconds),
		cmocka_unit_test(the_oldest_span_is_forgotten_when_there_are_too_many),
		cmocka_unit_test(intervals_are_aligned_to_utc),
		cmocka_unit_test(months_follow_the_calendar_for_all_of_time),
		cmocka_unit_test(impossible_timeframes_say_why),
		cmocka_unit_test(a_plan_finds_its_base),
		cmocka_unit_test(a_plan_refuses_what_is_named_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
