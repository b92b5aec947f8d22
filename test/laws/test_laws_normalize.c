/*
 * test_laws_normalize.c - the normalize fold under the laws, on raw markets of several tempers.
 */
#include "stages/ap-normalize/normalize.h"
#include "test/lib/laws_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct laws_walk busy = {
	.seed = 11, .sources = 3, .symbols = 4, .trades = 3000, .entry_max = 40, .step_ms_max = 500, .beat_ms = 1000, .delay_pct = 20,
	.delay_ms_max = 600000, .dup_pct = 20, .noid_pct = 10, .uuid_pct = 20, .quote_pct = 30, .dead_pct = 2, .gap_pct = 2, .close = true,
};
static const struct laws_walk lone = {
	.seed = 12, .sources = 1, .symbols = 1, .trades = 1500, .entry_max = 2, .step_ms_max = 3000, .beat_ms = 1000, .dup_pct = 30, .gap_pct = 5,
};

static void hold(const struct laws_walk *w, const char *ids, const char *ms, const char *ratio)
{
	laws_hold(&ap_normalize_stage, w, "normalize.dedup_ids", ids, "normalize.dedup_ms", ms, "normalize.outlier_ratio_pct", ratio,
		  "normalize.outlier_after", "20", NULL);
}

static void the_laws_hold_with_room_for_every_id(void **s)
{
	(void)s;
	hold(&busy, "262144", "900000", "10000");
}

static void the_laws_hold_when_ids_give_way_by_count(void **s)
{
	(void)s;
	hold(&busy, "300", "900000", "10000");
}

static void the_laws_hold_when_ids_give_way_by_time(void **s)
{
	(void)s;
	hold(&lone, "262144", "20000", "10000");
	hold(&busy, "262144", "5000", "10000");
}

static void the_laws_hold_when_prices_are_outliers(void **s)
{
	(void)s;
	hold(&busy, "300", "900000", "125");
}

static void the_laws_hold_with_one_page_of_ids(void **s)
{
	(void)s;
	hold(&busy, "1", "900000", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_laws_hold_with_room_for_every_id),
		cmocka_unit_test(the_laws_hold_when_ids_give_way_by_count),
		cmocka_unit_test(the_laws_hold_when_ids_give_way_by_time),
		cmocka_unit_test(the_laws_hold_when_prices_are_outliers),
		cmocka_unit_test(the_laws_hold_with_one_page_of_ids),
	};
	return cmocka_run_group_tests_name("laws of normalize", tests, NULL, NULL);
}
