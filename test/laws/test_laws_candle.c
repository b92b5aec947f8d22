/*
 * test_laws_candle.c - the candle fold under the laws, on markets of several tempers.
 */
#include "stages/ap-candle/candle.h"
#include "test/lib/laws_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char six[] = "1m,5m,15m,1h,4h,1d";

static void hold(const struct laws_walk *w, const char *fill, const char *timeframes)
{
	laws_hold(&ap_candle_stage, w, "candle.fill", fill, "candle.timeframes", timeframes, NULL);
}

static const struct laws_walk calm = {
	.seed = 1, .sources = 1, .symbols = 2, .trades = 800, .entry_max = 8, .step_ms_max = 2000, .beat_ms = 1000, .close = true,
};
static const struct laws_walk wild = {
	.seed = 2, .sources = 2, .symbols = 3, .trades = 800, .entry_max = 40, .step_ms_max = 4000, .beat_ms = 1000, .delay_pct = 40,
	.delay_ms_max = 1200000, .dup_pct = 10, .noid_pct = 20, .uuid_pct = 20, .dead_pct = 3, .gap_pct = 5, .close = true,
};
static const struct laws_walk silent = {
	.seed = 3, .sources = 1, .symbols = 4, .trades = 300, .entry_max = 3, .step_ms_max = 600000, .beat_ms = 30000, .gap_pct = 3, .close = true,
};
static const struct laws_walk dying = {
	.seed = 4, .sources = 3, .symbols = 2, .trades = 600, .entry_max = 16, .step_ms_max = 5000, .beat_ms = 1000, .dead_pct = 20,
	.delay_pct = 10, .delay_ms_max = 60000,
};

static const struct laws_walk busy = {
	.seed = 5, .sources = 2, .symbols = 40, .trades = 4000, .entry_max = 200, .step_ms_max = 100, .beat_ms = 1000, .delay_pct = 5,
	.delay_ms_max = 90000, .dead_pct = 2, .close = true,
};

/* Late trades of many quiet series, each with minutes of filled seconds behind it: more than an entry may put. */
static const struct laws_walk quiet = {
	.seed = 9, .sources = 2, .symbols = 24, .trades = 400, .entry_max = 120, .step_ms_max = 5000, .beat_ms = 60000, .delay_pct = 90,
	.delay_ms_max = 800000,
};

/* The same tempers with quotes among the trades. */
static const struct laws_walk quoted = {
	.seed = 6, .sources = 2, .symbols = 3, .trades = 800, .quote_pct = 70, .entry_max = 12, .step_ms_max = 2000, .beat_ms = 1000, .dead_pct = 2,
	.close = true,
};
static const struct laws_walk quoted_wildly = {
	.seed = 7, .sources = 2, .symbols = 3, .trades = 800, .quote_pct = 80, .entry_max = 40, .step_ms_max = 4000, .beat_ms = 1000,
	.delay_pct = 40, .delay_ms_max = 1200000, .dup_pct = 10, .dead_pct = 3, .gap_pct = 5, .close = true,
};
static const struct laws_walk quoted_busily = {
	.seed = 8, .sources = 2, .symbols = 40, .trades = 3000, .quote_pct = 60, .entry_max = 200, .step_ms_max = 100, .beat_ms = 1000,
	.delay_pct = 5, .delay_ms_max = 90000, .dead_pct = 2, .close = true,
};

static void hold_quotes(const struct laws_walk *w, const char *points, const char *timeframes, const char *sessions)
{
	laws_hold(&ap_candle_stage, w, "candle.quote_points", points, "candle.timeframes", timeframes, "candle.sessions", sessions, NULL);
}

static void the_laws_hold_for_quotes(void **s)
{
	(void)s;
	hold_quotes(&quoted, "128", "1m,5m,15m,1h,4h,1d", "");
	hold_quotes(&quoted_wildly, "128", "1m,5m,15m,1h,4h,1d", "");
	hold_quotes(&quoted_busily, "128", "1m,5m,1h", "");
}

static void the_laws_hold_for_quotes_that_are_thinned(void **s)
{
	(void)s;
	hold_quotes(&quoted, "8", "1m,1h,1M", "");
	hold_quotes(&quoted_wildly, "8", "5m,1h", "");
}

static void the_laws_hold_for_quotes_with_trading_hours_and_a_hidden_base(void **s)
{
	(void)s;
	hold_quotes(&quoted_wildly, "16", "2m,3m,1h", "");
	hold_quotes(&quoted_wildly, "16", "1m,1h,1d,1w", "[{\"symbols\":[\"S1-*\"],\"zone\":\"UTC\",\"open\":\"00:07\",\"close\":\"00:30\"}]");
}

static void the_laws_hold_under_load(void **s)
{
	(void)s;
	hold(&busy, "none", six);
	hold(&busy, "previous", six);
	hold(&busy, "none", "1s,5s,1m");
}

static void the_laws_hold_on_a_calm_market(void **s)
{
	(void)s;
	hold(&calm, "none", six);
}

static void the_laws_hold_on_a_disordered_market(void **s)
{
	(void)s;
	hold(&wild, "none", six);
}

static void the_laws_hold_in_long_silence(void **s)
{
	(void)s;
	hold(&silent, "none", six);
}

static void the_laws_hold_when_feeds_come_and_go(void **s)
{
	(void)s;
	hold(&dying, "none", six);
}

static void the_laws_hold_when_empty_intervals_are_filled(void **s)
{
	(void)s;
	hold(&calm, "previous", six);
	hold(&wild, "previous", six);
	hold(&silent, "previous", six);
	hold(&dying, "previous", six);
}

static void the_laws_hold_when_more_is_filled_than_an_entry_may_put(void **s)
{
	(void)s;
	hold(&quiet, "previous", "1s,1m");
}

static void the_laws_hold_for_other_timeframes_and_a_hidden_base(void **s)
{
	(void)s;
	hold(&wild, "none", "1s,1m,1h,1w,1M");
	hold(&dying, "previous", "2m,3m,1h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_laws_hold_on_a_calm_market),
		cmocka_unit_test(the_laws_hold_on_a_disordered_market),
		cmocka_unit_test(the_laws_hold_in_long_silence),
		cmocka_unit_test(the_laws_hold_under_load),
		cmocka_unit_test(the_laws_hold_for_quotes),
		cmocka_unit_test(the_laws_hold_for_quotes_that_are_thinned),
		cmocka_unit_test(the_laws_hold_for_quotes_with_trading_hours_and_a_hidden_base),
		cmocka_unit_test(the_laws_hold_when_feeds_come_and_go),
		cmocka_unit_test(the_laws_hold_when_empty_intervals_are_filled),
		cmocka_unit_test(the_laws_hold_when_more_is_filled_than_an_entry_may_put),
		cmocka_unit_test(the_laws_hold_for_other_timeframes_and_a_hidden_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
