/*
 * The wall clock as data may see it: drift is followed, a jump is not, unless it lasts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/core/steady.h"

enum { S = 1000000000, MS = 1000000 };
static const int64_t T = INT64_C(1700000000) * S;

static void the_first_reading_is_the_wall_clock_s(void **s)
{
	struct ap_steady c = { 0 };

	(void)s;
	assert_int_equal(ap_steady_ns(&c, T, 5 * (int64_t)S), T);
}

static void drift_is_followed(void **s)
{
	struct ap_steady c = { 0 };

	(void)s;
	ap_steady_ns(&c, T, 0);
	for (int64_t k = 1; k < 100; k++)
		assert_int_equal(ap_steady_ns(&c, T + k * (S + 100 * MS), k * S), T + k * (S + 100 * MS));
	assert_int_equal(c.steps, 0);
}

static void an_hour_too_much_is_not_believed_and_leaves_nothing_behind(void **s)
{
	struct ap_steady c = { 0 };

	(void)s;
	ap_steady_ns(&c, T, 0);
	for (int64_t k = 1; k < 59; k++)
		assert_int_equal(ap_steady_ns(&c, T + k * S + 3600 * (int64_t)S, k * S), T + k * S);
	for (int64_t k = 59; k < 200; k++)
		assert_int_equal(ap_steady_ns(&c, T + k * S, k * S), T + k * S);
	assert_int_equal(c.steps, 0);
}

static void five_seconds_back_are_not_believed_either(void **s)
{
	struct ap_steady c = { 0 };
	int64_t last = ap_steady_ns(&c, T, 0);

	(void)s;
	for (int64_t k = 1; k < 30; k++) {
		int64_t now = ap_steady_ns(&c, T + (k - 5) * S, k * S);
		assert_true(now > last);
		last = now;
	}
}

static void a_step_that_lasts_is_believed_after_a_minute(void **s)
{
	struct ap_steady c = { 0 };

	(void)s;
	ap_steady_ns(&c, T, 0);
	for (int64_t k = 1; k <= 60; k++)
		assert_int_equal(ap_steady_ns(&c, T + (k + 3600) * S, k * S), T + k * S);
	assert_int_equal(ap_steady_ns(&c, T + (61 + 3600) * (int64_t)S, 61 * (int64_t)S), T + (61 + 3600) * (int64_t)S);
	assert_int_equal(c.steps, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_reading_is_the_wall_clock_s),
		cmocka_unit_test(drift_is_followed),
		cmocka_unit_test(an_hour_too_much_is_not_believed_and_leaves_nothing_behind),
		cmocka_unit_test(five_seconds_back_are_not_believed_either),
		cmocka_unit_test(a_step_that_lasts_is_believed_after_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
