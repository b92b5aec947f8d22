/*
 * test_candle_zones.c - intervals in zones with daylight saving time, and in trading hours.
 *
 * The C library's localtime is the other opinion on the tz database; where its files are not there those tests are skipped.
 */
#include "candle_rig.h"
#include "stages/ap-candle/zone.h"
#include "test/lib/laws_hold.h"

#include <time.h>

static const char ny_rule[] = "EST5EDT,M3.2.0,M11.1.0";

enum {
	SPRING = 1710054000,    /* 2024-03-10T07:00:00Z: New York goes from -5 to -4 */
	AUTUMN = 1730613600,    /* 2024-11-03T06:00:00Z: and back */
};

/* --- zones -------------------------------------------------------------------- */

static void a_rule_gives_the_offset_of_every_instant(void **s)
{
	struct candle_zone z;

	(void)s;
	assert_true(candle_zone_rule(&z, ap_str_c(ny_rule)));
	assert_int_equal(candle_zone_offset(&z, SPRING - 1), -18000);
	assert_int_equal(candle_zone_offset(&z, SPRING), -14400);
	assert_int_equal(candle_zone_offset(&z, AUTUMN - 1), -14400);
	assert_int_equal(candle_zone_offset(&z, AUTUMN), -18000);
	candle_zone_done(&z);
	assert_true(candle_zone_rule(&z, ap_str_c("<+0530>-5:30")));
	assert_int_equal(candle_zone_offset(&z, AUTUMN), 19800);
	candle_zone_done(&z);
	assert_true(candle_zone_rule(&z, ap_str_c("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")));
	assert_int_equal(candle_zone_offset(&z, 1719792000), -3600);    /* 2024-07-01, Nuuk */
	candle_zone_done(&z);
}

static void what_is_no_rule_is_refused(void **s)
{
	static const char *const bad[] = { "", "UTC+", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.2.0", "E5", "EST5EDT,M3.2.0,M11.1.0x", "America/New_York" };
	struct candle_zone z;

	(void)s;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(candle_zone_rule(&z, ap_str_c(bad[i])));
}

static void skipped_and_repeated_hours_have_one_instant(void **s)
{
	struct candle_zone z;

	(void)s;
	assert_true(candle_zone_rule(&z, ap_str_c(ny_rule)));
	/* 02:30 does not exist in spring; 01:30 comes twice in autumn, the first is meant */
	assert_true(candle_zone_utc(&z, SPRING - 18000 + 1800) == SPRING);
	assert_true(candle_zone_utc(&z, AUTUMN - 14400 - 1800) == AUTUMN - 1800);
	assert_true(candle_zone_utc(&z, AUTUMN - 18000 + 3600) == AUTUMN + 3600);
	candle_zone_done(&z);
}

static bool read_zone(void *ctx, const char *name, struct ap_buf *into)
{
	char path[200];
	uint8_t piece[4096];
	size_t n;
	FILE *f;

	(void)ctx;
	(void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	f = fopen(path, "rb");
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		ap_buf_put(into, piece, n);
	(void)fclose(f);
	return true;
}

static void the_tz_database_is_read_as_the_c_library_reads_it(void **s)
{
	static const char *const zones[] = { "America/New_York", "Europe/London", "Europe/Dublin", "Asia/Kolkata", "Australia/Lord_Howe",
					     "America/Sao_Paulo", "Africa/Casablanca", "Asia/Tokyo", "Pacific/Apia", "America/Nuuk" };
	struct laws_rng r = { 4 };
	unsigned compared = 0;

	(void)s;
	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
		struct candle_zone z;
		struct ap_buf b;

		ap_buf_init(&b, CANDLE_ZONE_BYTES_MAX);
		if (!read_zone(NULL, zones[i], &b)) {
			print_message("# SKIP /usr/share/zoneinfo is not there\n");
			skip();
		}
		assert_true(candle_zone_parse(&z, ap_buf_view(&b)));
		(void)setenv("TZ", zones[i], 1);
		tzset();
		for (int k = 0; k < 3000; k++) {
			const time_t t = (time_t)laws_below(&r, 4102444800);    /* to 2100 */
			struct tm tm;

			assert_non_null(localtime_r(&t, &tm));
			if (candle_zone_offset(&z, t) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %d, the C library says %ld", zones[i], (long long)t, candle_zone_offset(&z, t), tm.tm_gmtoff);
			compared++;
		}
		candle_zone_done(&z);
		ap_buf_done(&b);
	}
	(void)unsetenv("TZ");
	tzset();
	print_message("# compared %u instants with localtime\n", compared);
}

static void a_damaged_zone_file_is_refused(void **s)
{
	struct laws_rng r = { 8 };
	struct ap_buf b;

	(void)s;
	ap_buf_init(&b, CANDLE_ZONE_BYTES_MAX);
	if (!read_zone(NULL, "America/New_York", &b)) {
		print_message("# SKIP /usr/share/zoneinfo is not there\n");
		skip();
	}
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len + 1);        /* its exact size, so that a sanitizer sees a read beyond */
		struct candle_zone z;

		assert_non_null(copy);
		memcpy(copy, b.p, len);
		assert_false(candle_zone_parse(&z, ap_str_n((const char *)copy, len)));
		free(copy);
	}
	for (int i = 0; i < 20000; i++) {
		uint8_t *copy = malloc(b.len);
		struct candle_zone z;

		assert_non_null(copy);
		memcpy(copy, b.p, b.len);
		for (int k = 0; k < 3; k++)
			copy[laws_below(&r, i % 2 == 0 ? b.len : 60)] = (uint8_t)laws_rand(&r);
		if (candle_zone_parse(&z, ap_str_n((const char *)copy, b.len)))
			candle_zone_done(&z);
		free(copy);
	}
	ap_buf_done(&b);
}

/* --- intervals in a zone --------------------------------------------------------- */

static void at(const char *zone, const char *tf_name, int64_t t_s, int64_t open_s, int64_t hours_x100)
{
	struct candle_cals c;
	struct candle_tf tf;
	char err[200] = "";
	int64_t open_ms, close_ms;

	if (!candle_cals_parse(&c, ap_str_c(zone), ap_str_c(""), NULL, NULL, err, sizeof err) || !candle_tf_parse(&tf, ap_str_c(tf_name), err, sizeof err))
		fail_msg("%s", err);
	assert_true(candle_cal_at(&c.v[0], &tf, t_s * 1000, &open_ms, &close_ms));
	if (open_ms != open_s * 1000 || close_ms - open_ms != hours_x100 * 36000)
		fail_msg("%s at %lld: opens %lld, lasts %lld ms", tf_name, (long long)t_s, (long long)(open_ms / 1000), (long long)(close_ms - open_ms));
	candle_cals_done(&c);
}

static void days_have_23_and_25_hours_at_the_change(void **s)
{
	(void)s;
	at(ny_rule, "1d", SPRING, SPRING - 7200, 2300);
	at(ny_rule, "1d", SPRING - 7201, SPRING - 7200 - 86400, 2400);
	at(ny_rule, "1d", AUTUMN, AUTUMN - 7200, 2500);
	at(ny_rule, "1d", AUTUMN + 86400, AUTUMN + 23 * 3600, 2400);
}

static void four_hour_bars_follow_the_clock_on_the_wall(void **s)
{
	(void)s;
	at(ny_rule, "4h", SPRING, SPRING - 7200, 300);
	at(ny_rule, "4h", SPRING + 7200, SPRING + 3600, 400);
	at(ny_rule, "4h", AUTUMN, AUTUMN - 7200, 500);
	at(ny_rule, "4h", AUTUMN + 3 * 3600, AUTUMN + 3 * 3600, 400);
}

static void the_repeated_hour_is_two_bars(void **s)
{
	(void)s;
	at(ny_rule, "1h", AUTUMN - 1, AUTUMN - 3600, 100);
	at(ny_rule, "1h", AUTUMN, AUTUMN, 100);
	at(ny_rule, "15m", AUTUMN + 900, AUTUMN + 900, 25);
	/* Half an hour's change: the hour in which it happens is cut there. Lord Howe, 2024-04-06T15:00Z. */
	at("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "1h", 1712415600, 1712415600, 50);
	at("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "1h", 1712415599, 1712412000, 100);
}

static void weeks_and_months_begin_at_local_midnight(void **s)
{
	(void)s;
	at(ny_rule, "1w", SPRING, 1709528400, 16700);           /* Monday 2024-03-04 00:00 EST, an hour short */
	at(ny_rule, "1M", SPRING, 1709269200, 31 * 2400 - 100); /* March */
}

static void every_interval_holds_its_instant_and_the_next_begins_where_it_ends(void **s)
{
	static const char *const rules[] = { "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
					     "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45", "<-04>4<-03>,M9.1.6/24,M4.1.6/24" };
	static const char *const tfs[] = { "1m", "5m", "30m", "1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w", "1M" };

	(void)s;
	for (size_t z = 0; z < sizeof rules / sizeof rules[0]; z++) {
		struct candle_cals c;
		char err[200] = "";

		assert_true(candle_cals_parse(&c, ap_str_c(rules[z]), ap_str_c(""), NULL, NULL, err, sizeof err));
		for (size_t k = 3; k < sizeof tfs / sizeof tfs[0]; k++) {
			struct candle_tf tf;
			int64_t t = 1704067200000, close_ms = 0, open_ms, again_ms, end_ms;

			assert_true(candle_tf_parse(&tf, ap_str_c(tfs[k]), err, sizeof err));
			assert_true(candle_cal_at(&c.v[0], &tf, t, &open_ms, &close_ms));
			for (; close_ms < 1704067200000 + 366LL * 86400000; t = close_ms) {
				assert_true(candle_cal_at(&c.v[0], &tf, t, &open_ms, &close_ms));
				assert_true(open_ms <= t && t < close_ms);
				assert_true(t == 1704067200000 || open_ms == t);
				assert_true(candle_cal_at(&c.v[0], &tf, close_ms - 1, &again_ms, &end_ms));
				assert_true(again_ms == open_ms && end_ms == close_ms);
			}
		}
		candle_cals_done(&c);
	}
}

static void candles_of_a_zone_are_folded_from_a_hidden_base(void **s)
{
	struct rig r = rig_new("candle.zone", ny_rule, "candle.timeframes", "1h,1d", NULL);

	(void)s;
	/* 2024-03-01T00:00Z is 19:00 of February 29 there. */
	rig_trade(&r, 4 * RIG_HOUR, "1", "1", "");
	rig_trade(&r, 5 * RIG_HOUR, "2", "1", "");
	rig_trade(&r, 29 * RIG_HOUR - 1, "3", "1", "");
	rig_beat(&r, 2 * RIG_DAY);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", -19 * RIG_HOUR), "1", "1", "1", "1", "1", 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", 5 * RIG_HOUR), "2", "3", "2", "3", "2", 2);
	assert_int_equal(rig_issued(&r, "15m"), 0);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 5);
	rig_free(&r);
}

/* --- trading hours ---------------------------------------------------------------- */

/* New York's hours; 2024-03-01 is a Friday, and 14:30Z the open. */
static const char hours[] = "[{\"symbols\":[\"SPY\"],\"zone\":\"EST5EDT,M3.2.0,M11.1.0\",\"open\":\"09:30\",\"close\":\"16:00\",\"holidays\":[\"2024-03-05\"]}]";

enum { OPEN = 14 * RIG_HOUR + 30 * RIG_MIN, SHUT = 21 * RIG_HOUR };

static void bars_begin_at_the_open_and_end_with_the_close(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, "candle.timeframes", "1m,1h,4h,1d", NULL);

	(void)s;
	r.symbol = "SPY";
	rig_trade(&r, OPEN - 1, "1", "1", "");                  /* before */
	rig_trade(&r, OPEN, "10", "1", "");
	rig_trade(&r, OPEN + RIG_HOUR - 1, "11", "1", "");
	rig_trade(&r, SHUT - 1, "12", "1", "");
	rig_trade(&r, SHUT, "99", "1", "");                     /* after */
	rig_beat(&r, RIG_DAY);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", OPEN), "10", "12", "10", "12", "3", 3);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", OPEN)->close_ms, rig_t0_ms + SHUT);
	rig_is(rig_need(&r, AP_S_CANDLE, "1h", OPEN), "10", "11", "10", "11", "2", 2);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1h", SHUT - RIG_HOUR / 2)->close_ms, rig_t0_ms + SHUT);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "4h", OPEN + 4 * RIG_HOUR)->close_ms, rig_t0_ms + SHUT);
	assert_int_equal(rig_issued(&r, "1m"), 3);
	assert_int_equal(rig_issued(&r, "1d"), 1);
	rig_free(&r);
}

static void other_symbols_trade_around_the_clock(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, NULL);

	(void)s;
	rig_trade(&r, OPEN - 1, "1", "1", "");
	rig_beat(&r, RIG_DAY + 2000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", 0), "1", "1", "1", "1", "1", 1);
	rig_free(&r);
}

static void weekends_and_holidays_have_no_candles(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, NULL);

	(void)s;
	r.symbol = "SPY";
	rig_trade(&r, 1 * RIG_DAY + OPEN, "1", "1", "");        /* Saturday */
	rig_trade(&r, 4 * RIG_DAY + OPEN, "2", "1", "");        /* Tuesday, the holiday */
	rig_trade(&r, 5 * RIG_DAY + OPEN, "3", "1", "");        /* Wednesday */
	rig_beat(&r, 6 * RIG_DAY);
	assert_int_equal(rig_issued(&r, "1d"), 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", 5 * (int64_t)RIG_DAY + OPEN), "3", "3", "3", "3", "1", 1);
	rig_free(&r);
}

static void a_week_holds_its_sessions_alone(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, "candle.timeframes", "1m,1w", NULL);

	(void)s;
	r.symbol = "SPY";
	rig_trade(&r, OPEN, "10", "1", "");
	rig_trade(&r, SHUT, "99", "1", "");
	rig_trade(&r, SHUT + RIG_HOUR, "1", "1", "");
	rig_beat(&r, 4 * RIG_DAY);
	rig_is(rig_need(&r, AP_S_CANDLE, "1w", -4 * RIG_DAY + 5 * RIG_HOUR), "10", "10", "10", "10", "1", 1);
	rig_free(&r);
}

static void the_session_moves_with_daylight_saving_time(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, NULL);
	const int64_t monday = 10 * (int64_t)RIG_DAY;           /* 2024-03-11: the open is 13:30Z now */

	(void)s;
	r.symbol = "SPY";
	rig_trade(&r, monday + OPEN - RIG_HOUR, "5", "1", "");
	rig_trade(&r, monday + SHUT - 1, "6", "1", "");
	rig_beat(&r, monday + RIG_DAY);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", monday + OPEN - RIG_HOUR), "5", "5", "5", "5", "1", 1);
	rig_free(&r);
}

static void a_session_over_midnight_belongs_to_the_day_on_which_it_ends(void **s)
{
	/* Chicago's futures: Sunday 17:00 is 23:00Z, and Monday's session. */
	static const char futures[] = "[{\"symbols\":[\"ES-*\"],\"zone\":\"CST6CDT,M3.2.0,M11.1.0\",\"open\":\"17:00\",\"close\":\"16:00\","
				      "\"early_closes\":[\"2024-03-05 09:00\",\"2024-03-04 12:00\"]}]";
	struct rig r = rig_new("candle.sessions", futures, "candle.timeframes", "1m,4h,1d,1w", NULL);
	const int64_t sunday = 2 * (int64_t)RIG_DAY + 23 * RIG_HOUR, monday = 3 * (int64_t)RIG_DAY;

	(void)s;
	r.symbol = "ES-USD";
	rig_trade(&r, 22 * RIG_HOUR - 1, "1", "1", "");         /* Friday, before the close */
	rig_trade(&r, 22 * RIG_HOUR, "99", "1", "");            /* and after it */
	rig_trade(&r, sunday - 1, "99", "1", "");
	rig_trade(&r, sunday, "2", "1", "");
	rig_trade(&r, monday + 18 * RIG_HOUR - 1, "3", "1", "");
	rig_trade(&r, monday + 18 * RIG_HOUR, "99", "1", "");   /* Monday has closed early */
	rig_trade(&r, monday + 23 * RIG_HOUR, "4", "1", "");
	rig_beat(&r, 12 * (int64_t)RIG_DAY);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", -RIG_HOUR), "1", "1", "1", "1", "1", 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1d", sunday), "2", "3", "2", "3", "2", 2);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", sunday)->close_ms, rig_t0_ms + monday + 18 * RIG_HOUR);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", monday + 23 * RIG_HOUR)->close_ms, rig_t0_ms + monday + 39 * RIG_HOUR);
	rig_is(rig_need(&r, AP_S_CANDLE, "4h", sunday + 16 * RIG_HOUR), "3", "3", "3", "3", "1", 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1w", sunday - 7 * (int64_t)RIG_DAY), "1", "1", "1", "1", "1", 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1w", sunday), "2", "4", "2", "4", "3", 3);
	rig_free(&r);
}

static void nothing_is_filled_while_trading_is_off(void **s)
{
	struct rig r = rig_new("candle.sessions", hours, "candle.timeframes", "1m,1h", "candle.fill", "previous", NULL);

	(void)s;
	r.symbol = "SPY";
	rig_beat(&r, 0);
	rig_trade(&r, OPEN, "10", "1", "");
	rig_beat(&r, 4 * (int64_t)RIG_DAY);
	/* 390 minutes on Friday, 390 on Monday. */
	assert_int_equal(rig_issued(&r, "1m"), 780);
	assert_int_equal(rig_issued(&r, "1h"), 14);
	rig_free(&r);
}

static void wrong_sessions_and_zones_are_told(void **s)
{
	static const struct { const char *key, *text, *says; } rows[] = {
		{ "candle.zone", "Mars/Base", "no such zone" },
		{ "candle.sessions", "[{\"open\":\"09:30\"}]", "open and close are times" },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"early_closes\":[\"2024-11-29\"]}]", "early closes are such as" },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"early_closes\":[\"2024-11-29 17:00\"]}]", "between open and close" },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"days\":[\"monday\"]}]", "days are sun mon" },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"holidays\":[\"2023-02-29\"]}]", "not 2023-02-29" },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"lunch\":1}]", "there is no key lunch; there are " },
		{ "candle.sessions", "[{\"open\":\"09:30\",\"close\":\"16:00\",\"holidays\":\"2024-12-25\",\"@\":9}]",
		  "candle.sessions, line 9: holidays must be a list such as [\"2024-12-25\"]" },
	};

	(void)s;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ap_conf conf;
		char err[300] = "";

		ap_conf_init(&conf);
		conf_set(&conf, rows[i].key, rows[i].text);
		assert_null(ap_candle_stage.open(&conf, err, sizeof err));
		if (strstr(err, rows[i].says) == NULL)
			fail_msg("%s: said \"%s\"", rows[i].text, err);
		ap_conf_done(&conf);
	}
}

static void the_laws_hold_in_zones_and_trading_hours(void **s)
{
	static const char always[] = "[{\"symbols\":[\"S1-*\"],\"zone\":\"EST5EDT,M3.2.0,M11.1.0\",\"open\":\"01:00\",\"close\":\"03:30\",\"days\":[\"sun\",\"sat\"]},"
				     "{\"symbols\":[\"S2-*\"],\"zone\":\"EST5EDT,M3.2.0,M11.1.0\",\"open\":\"22:00\",\"close\":\"02:00\",\"days\":[\"sun\",\"sat\"]}]";
	/* Around the change in spring. */
	const struct laws_walk w = { .seed = 9, .sources = 2, .symbols = 3, .trades = 900, .entry_max = 8, .step_ms_max = 120000, .beat_ms = 20000,
				     .start_ms = (SPRING - 30000) * (int64_t)1000, .delay_pct = 20, .delay_ms_max = 900000, .dead_pct = 1, .close = true };

	(void)s;
	for (int fill = 0; fill < 2; fill++)
		laws_hold(&ap_candle_stage, &w, "candle.zone", "CET-1CEST,M3.5.0,M10.5.0/3", "candle.sessions", always, "candle.timeframes",
			  "5m,1h,4h,1d,1w", "candle.fill", fill == 1 ? "previous" : "none", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_gives_the_offset_of_every_instant),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(skipped_and_repeated_hours_have_one_instant),
		cmocka_unit_test(the_tz_database_is_read_as_the_c_library_reads_it),
		cmocka_unit_test(a_damaged_zone_file_is_refused),
		cmocka_unit_test(days_have_23_and_25_hours_at_the_change),
		cmocka_unit_test(four_hour_bars_follow_the_clock_on_the_wall),
		cmocka_unit_test(the_repeated_hour_is_two_bars),
		cmocka_unit_test(weeks_and_months_begin_at_local_midnight),
		cmocka_unit_test(every_interval_holds_its_instant_and_the_next_begins_where_it_ends),
		cmocka_unit_test(candles_of_a_zone_are_folded_from_a_hidden_base),
		cmocka_unit_test(bars_begin_at_the_open_and_end_with_the_close),
		cmocka_unit_test(other_symbols_trade_around_the_clock),
		cmocka_unit_test(weekends_and_holidays_have_no_candles),
		cmocka_unit_test(a_week_holds_its_sessions_alone),
		cmocka_unit_test(a_session_over_midnight_belongs_to_the_day_on_which_it_ends),
		cmocka_unit_test(the_session_moves_with_daylight_saving_time),
		cmocka_unit_test(nothing_is_filled_while_trading_is_off),
		cmocka_unit_test(wrong_sessions_and_zones_are_told),
		cmocka_unit_test(the_laws_hold_in_zones_and_trading_hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
