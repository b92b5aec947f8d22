/*
 * test_timefmt.c - instants and entry ids as text.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/core/timefmt.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void instants_are_read_in_every_accepted_spelling(void **state)
{
	static const struct {
		const char *in;
		int64_t ns;
	} t[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-02T03:04:05Z", 1767323045000000000 },
		{ "2026-01-02t03:04:05z", 1767323045000000000 },
		{ "2026-01-02 03:04:05Z", 1767323045000000000 },
		{ "2026-01-02T03:04:05.678901234Z", 1767323045678901234 },
		{ "2026-01-02T03:04:05.678901234999Z", 1767323045678901234 },
		{ "2026-01-02T05:04:05.5+02:00", 1767323045500000000 },
		{ "2026-01-01T21:34:05-05:30", 1767323045000000000 },
		{ "2024-02-29T23:59:59.999Z", 1709251199999000000 },
		{ "2016-12-31T23:59:60Z", 1483228800000000000 },
		{ "2262-04-11T23:47:16.854775807Z", INT64_MAX },
		{ "0", 0 },
		{ "1767323045", 1767323045000000000 },
		{ "1767323045.678901", 1767323045678901000 },
		{ "1633998523.957215", 1633998523957215000 },
		{ "1767323045678", 1767323045678000000 },
		{ "1767323045678.25", 1767323045678250000 },
		{ "1767323045678901", 1767323045678901000 },
		{ "1767323045678901.5", 1767323045678901500 },
		{ "1767323045678901234", 1767323045678901234 },
		{ "1767323045678901234.9", 1767323045678901234 },
		{ "9223372036854775807", INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		ap_ts ts = { -1 };

		if (!ap_ts_parse(ap_str_c(t[i].in), &ts) || ts.ns != t[i].ns)
			fail_msg("%s gives %" PRId64, t[i].in, ts.ns);
	}
}

static void what_is_no_instant_is_refused(void **state)
{
	static const char *const t[] = {
		"", "x", "-1", "+1", "1e9", "1767323045.", ".5", " 1", "1 ", "nan", "0x10", "1767323045.6x",
		"99999999999",                  /* seconds: the year 5138 */
		"99999999999999999",            /* microseconds: the year 5138 */
		"9223372036854775808", "99999999999999999999999",
		"2026-01-02T03:04:05",          /* no zone */
		"2026-01-02", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-04-31T03:04:05Z",
		"2026-01-00T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z",
		"2026-01-02T03:04:05.Z", "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05+02:60",
		"2026-01-02T03:04:05+0200", "2026-1-02T03:04:05.0Z", "2026/01/02T03:04:05Z", "1969-12-31T23:59:59Z",
		"1970-01-01T00:30:00+01:00", "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59Z",
	};
	ap_ts ts = { 7 };

	(void)state;
	for (size_t i = 0; i < LEN(t); i++)
		if (ap_ts_parse(ap_str_c(t[i]), &ts))
			fail_msg("taken: %s", t[i]);
	assert_int_equal(ts.ns, 7);
}

static void the_unit_of_a_number_is_told_by_its_magnitude(void **state)
{
	static const struct {
		const char *in;
		int64_t ns;
	} edge[] = {
		{ "9223372036", 9223372036000000000 },  /* the last whole second there is */
		{ "100000000000", 100000000000000000 }, /* 1e11: milliseconds */
		{ "9223372036854", 9223372036854000000 },
		{ "100000000000000", 100000000000000000 },      /* 1e14: microseconds */
		{ "9223372036854775", 9223372036854775000 },
		{ "100000000000000000", 100000000000000000 },   /* 1e17: nanoseconds */
	};
	ap_ts ts;

	(void)state;
	for (size_t i = 0; i < LEN(edge); i++) {
		assert_true(ap_ts_parse(ap_str_c(edge[i].in), &ts));
		assert_int_equal(ts.ns, edge[i].ns);
	}
}

static void instants_are_written_and_read_back(void **state)
{
	static const struct {
		int64_t ns;
		unsigned digits;
		const char *out;
	} t[] = {
		{ 0, 0, "1970-01-01T00:00:00Z" },
		{ 1767323045678901234, 0, "2026-01-02T03:04:05Z" },
		{ 1767323045678901234, 3, "2026-01-02T03:04:05.678Z" },
		{ 1767323045678901234, 6, "2026-01-02T03:04:05.678901Z" },
		{ 1767323045678901234, 9, "2026-01-02T03:04:05.678901234Z" },
		{ INT64_MAX, 9, "2262-04-11T23:47:16.854775807Z" },
		{ -1, 9, "1969-12-31T23:59:59.999999999Z" },
		{ INT64_MIN, 9, "1677-09-21T00:12:43.145224192Z" },
	};
	char text[AP_TS_TEXT], lib[AP_TS_TEXT];
	ap_ts back;

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		assert_int_equal(ap_ts_format((ap_ts){ t[i].ns }, t[i].digits, text), strlen(t[i].out));
		assert_string_equal(text, t[i].out);
	}
	/* Against the C library, over 290 years in odd steps. */
	for (int64_t s = 0; s < 9223372036; s += 86399 * 17 + 12345) {
		time_t c = (time_t)s;
		struct tm tm;

		gmtime_r(&c, &tm);
		strftime(lib, sizeof lib, "%Y-%m-%dT%H:%M:%SZ", &tm);
		size_t n = ap_ts_format((ap_ts){ s * 1000000000 }, 0, text);
		assert_string_equal(text, lib);
		assert_true(ap_ts_parse(ap_str_n(text, n), &back));
		assert_int_equal(back.ns, s * 1000000000);
	}
	assert_int_equal(ap_ts_ms((ap_ts){ 1999999 }), 1);
}

static void entry_ids_are_two_numbers_and_a_dash(void **state)
{
	static const char *const bad[] = { "", "-", "1", "1-", "-1", "1-2-3", "1--2", " 1-2", "1-2 ", "a-1", "1-b", "+1-2",
					   "18446744073709551616-0", "0-18446744073709551616", "1.5-0" };
	char text[AP_ID_TEXT];
	ap_id id = { 5, 6 };

	(void)state;
	for (size_t i = 0; i < LEN(bad); i++)
		if (ap_id_parse(ap_str_c(bad[i]), &id))
			fail_msg("taken: %s", bad[i]);
	assert_true(id.ms == 5 && id.seq == 6);
	assert_true(ap_id_parse(ap_str_c("1700000000123-64"), &id));
	assert_true(id.ms == 1700000000123 && id.seq == 64);
	ap_id_format((ap_id){ UINT64_MAX, UINT64_MAX }, text);
	assert_string_equal(text, "18446744073709551615-18446744073709551615");
	assert_true(ap_id_parse(ap_str_c(text), &id) && id.seq == UINT64_MAX);
	assert_int_equal(ap_id_format((ap_id){ 0, 0 }, text), 3);
	assert_int_equal(ap_id_origin((ap_id){ 9, 130 }).seq, 128);
	assert_true(ap_id_cmp((ap_id){ 1, 9 }, (ap_id){ 2, 0 }) < 0 && ap_id_cmp((ap_id){ 2, 1 }, (ap_id){ 2, 0 }) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instants_are_read_in_every_accepted_spelling),
		cmocka_unit_test(what_is_no_instant_is_refused),
		cmocka_unit_test(the_unit_of_a_number_is_told_by_its_magnitude),
		cmocka_unit_test(instants_are_written_and_read_back),
		cmocka_unit_test(entry_ids_are_two_numbers_and_a_dash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
