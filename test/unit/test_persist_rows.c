/*
 * test_persist_rows.c - values as binary COPY has them. The expected bytes are what PostgreSQL 15 itself sends
 * (numeric_send, timestamptz_send, jsonb_send).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "stages/ap-persist/rows.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The one field of the last row as hex, "null" when it is NULL. */
static const char *field_hex(const struct rows *r)
{
	static char out[512];
	const uint8_t *p = r->buf.p + (r->n > 1 ? r->end[r->n - 2] : 0);
	uint32_t len = (uint32_t)p[2] << 24 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 8 | p[5];

	assert_int_equal(p[0] << 8 | p[1], 1);
	if (len == UINT32_MAX)
		return "null";
	assert_int_equal(r->buf.p + r->buf.len - p, 6 + len);
	for (uint32_t i = 0; i < len && i < 255; i++)
		snprintf(out + 2 * i, 3, "%02x", p[6 + i]);
	out[2 * len] = '\0';
	return out;
}

static void decimals_have_the_bytes_that_postgresql_sends(void **state)
{
	static const struct { const char *text, *hex; } t[] = {
		{ "0", "0000000000000000" },
		{ "1", "00010000000000000001" },
		{ "-1", "00010000400000000001" },
		{ "1.5", "000200000000000100011388" },
		{ "0.1", "0001ffff0000000103e8" },
		{ "0.00001", "0001fffe0000000503e8" },
		{ "10000", "00010001000000000001" },
		{ "99990000", "0001000100000000270f" },
		{ "100000000", "00010002000000000001" },
		{ "123456789.0001", "0004000200000004000109291a850001" },
		{ "-0.000000000000000001", "0001fffb400000120064" },
		{ "999999999999999999.999999999999999999", "000a0004000000120063270f270f270f270f270f270f270f270f26ac" },
	};
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	for (size_t i = 0; i < LEN(t); i++) {
		ap_dec d;

		assert_int_equal(ap_dec_parse(t[i].text, strlen(t[i].text), &d), AP_DEC_OK);
		rows_begin(&r);
		rows_dec(&r, d);
		assert_true(rows_end(&r));
		assert_string_equal(field_hex(&r), t[i].hex);
	}
	rows_done(&r);
}

static void sums_of_256_bits_lose_no_digit(void **state)
{
	static const struct { const char *text, *hex; } t[] = {
		{ "0", "0000000000000000" },
		{ "1500", "000100000000000005dc" },
		{ "-1.5", "000200004000000100011388" },
		{ "0.000000000000000000000000000000000001", "0001fff70000002" "40001" },
		{ "12345678901234567890123456789012345678.123456789012345678901234567890123456",
		  "0013000900000024000c0d801ed204d2162e23340d801ed204d2162e04d2162e23340d801ed204d2162e23340d80" },
	};
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	for (size_t i = 0; i < LEN(t); i++) {
		ap_sum s;

		assert_int_equal(ap_sum_parse(t[i].text, strlen(t[i].text), &s), AP_DEC_OK);
		rows_begin(&r);
		rows_sum(&r, &s);
		assert_true(rows_end(&r));
		/* The last group of the long one has 36 decimals: 3456 is 0d80. */
		assert_string_equal(field_hex(&r), t[i].hex);
	}
	rows_done(&r);
}

static void doubles_become_the_shortest_numeral_that_reads_back(void **state)
{
	static const struct { double v; const char *hex; } t[] = {
		{ 0.0, "0000000000000000" },
		{ -0.0, "0000000000000000" },
		{ 0.1, "0001ffff0000000103e8" },
		{ 1e-7, "0001fffe00000007000a" },
		{ 10000.0, "00010001000000000001" },
		{ -1.0 / 3.0, "0004ffff400000100d050d050d050d05" },
		{ 1.7976931348623157e308, "0005004d0000000000011f28246112fe0c55" },
		{ 5e-324, "0001ffaf000001440005" },
	};
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	for (size_t i = 0; i < LEN(t); i++) {
		rows_begin(&r);
		rows_num(&r, t[i].v);
		assert_true(rows_end(&r));
		assert_string_equal(field_hex(&r), t[i].hex);
	}
	rows_begin(&r);
	rows_num(&r, (double)NAN);
	assert_true(rows_end(&r));
	assert_string_equal(field_hex(&r), "null");
	rows_done(&r);
}

static void times_are_microseconds_since_2000_rounded_down(void **state)
{
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	rows_begin(&r);
	rows_time(&r, 1709210096789012999);
	assert_true(rows_end(&r));
	assert_string_equal(field_hex(&r), "0002b58341728614");
	rows_begin(&r);
	rows_time(&r, 946684799999999500);
	assert_true(rows_end(&r));
	assert_string_equal(field_hex(&r), "ffffffffffffffff");
	rows_done(&r);
}

static void the_other_types_have_their_widths(void **state)
{
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	rows_begin(&r), rows_bool(&r, true), rows_end(&r);
	assert_string_equal(field_hex(&r), "01");
	rows_begin(&r), rows_i32(&r, -2), rows_end(&r);
	assert_string_equal(field_hex(&r), "fffffffe");
	rows_begin(&r), rows_i64(&r, 258), rows_end(&r);
	assert_string_equal(field_hex(&r), "0000000000000102");
	rows_begin(&r), rows_f64(&r, 1.0), rows_end(&r);
	assert_string_equal(field_hex(&r), "3ff0000000000000");
	rows_begin(&r), rows_json(&r, ap_str_c("{\"a\": 1}")), rows_end(&r);
	assert_string_equal(field_hex(&r), "017b2261223a20317d");
	rows_begin(&r), rows_text_or_null(&r, ap_str_c("")), rows_end(&r);
	assert_string_equal(field_hex(&r), "null");
	rows_begin(&r), rows_text(&r, ap_str_c("")), rows_end(&r);
	assert_string_equal(field_hex(&r), "");
	rows_done(&r);
}

static void texts_that_are_no_utf8_are_mended(void **state)
{
	static const struct { ap_str in; const char *hex; } t[] = {
		{ { "BTC-\xe2\x82\xac", 7 }, "4254432de282ac" },
		{ { "a\0b", 3 }, "61efbfbd62" },
		{ { "\xff", 1 }, "efbfbd" },
		{ { "\xc0\xaf", 2 }, "efbfbdefbfbd" },
		{ { "\xed\xa0\x80", 3 }, "efbfbdefbfbdefbfbd" },
		{ { "\xf4\x90\x80\x80", 4 }, "efbfbdefbfbdefbfbdefbfbd" },
		{ { "x\xe2\x82", 3 }, "78efbfbdefbfbd" },
		{ { "\xf0\x9f\x98\x80", 4 }, "f09f9880" },
	};
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	for (size_t i = 0; i < LEN(t); i++) {
		rows_begin(&r);
		rows_text(&r, t[i].in);
		assert_true(rows_end(&r));
		assert_string_equal(field_hex(&r), t[i].hex);
	}
	rows_done(&r);
}

static void json_strings_hold_any_bytes(void **state)
{
	static const struct { ap_str in; const char *out; } t[] = {
		{ { "plain", 5 }, "\"plain\"" },
		{ { "a\"b\\c\n\x01", 7 }, "\"a\\\"b\\\\c\\u000a\\u0001\"" },
		{ { "\0\xff", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ { "", 0 }, "\"\"" },
	};
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 1024);
	for (size_t i = 0; i < LEN(t); i++) {
		ap_buf_clear(&b);
		rows_json_string(&b, t[i].in);
		assert_int_equal(b.len, strlen(t[i].out));
		assert_memory_equal(b.p, t[i].out, b.len);
	}
	ap_buf_done(&b);
}

static void json_that_jsonb_refuses_is_told_apart(void **state)
{
	static const struct { const char *in; bool fits; } t[] = {
		{ "{\"price\":\"1.5\"}", true },
		{ "\"\\u0041\\ud83d\\ude00\"", true },
		{ "\"\\\\u0000\"", true },
		{ "\"\\u0000\"", false },
		{ "\"\\ud800\"", false },
		{ "\"\\ud800x\"", false },
		{ "\"\\ude00\"", false },
		{ "\"\\ud83d\\u0041\"", false },
		{ "[1e300]", true },
		{ "[1e0001]", true },
		{ "[1e99999]", false },
		{ "[1E+99999]", false },
		{ "[\"1e99999\"]", true },
		{ "[true,false]", true },
	};

	(void)state;
	for (size_t i = 0; i < LEN(t); i++)
		if (rows_json_fits(ap_str_c(t[i].in)) != t[i].fits)
			fail_msg("%s", t[i].in);
}

static void rows_follow_one_another_and_are_counted(void **state)
{
	struct rows r;

	(void)state;
	rows_init(&r, 2);
	for (int i = 0; i < 3000; i++) {
		rows_begin(&r);
		rows_i32(&r, i);
		rows_null(&r);
		assert_true(rows_end(&r));
	}
	assert_int_equal(r.n, 3000);
	assert_int_equal(r.end[0], 14);
	assert_int_equal(r.end[2999], 3000 * 14);
	assert_int_equal(r.buf.len, 3000 * 14);
	rows_clear(&r);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.buf.len, 0);
	rows_done(&r);
}

static void a_json_field_built_in_place_knows_its_length(void **state)
{
	struct rows r;

	(void)state;
	rows_init(&r, 1);
	rows_begin(&r);
	ap_buf_puts(rows_json_begin(&r), "[1");
	ap_buf_putc(&r.buf, ']');
	rows_json_end(&r);
	assert_true(rows_end(&r));
	assert_string_equal(field_hex(&r), "015b315d");
	assert_memory_equal(rows_head, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", ROWS_HEAD);
	rows_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_have_the_bytes_that_postgresql_sends),
		cmocka_unit_test(sums_of_256_bits_lose_no_digit),
		cmocka_unit_test(doubles_become_the_shortest_numeral_that_reads_back),
		cmocka_unit_test(times_are_microseconds_since_2000_rounded_down),
		cmocka_unit_test(the_other_types_have_their_widths),
		cmocka_unit_test(texts_that_are_no_utf8_are_mended),
		cmocka_unit_test(json_strings_hold_any_bytes),
		cmocka_unit_test(json_that_jsonb_refuses_is_told_apart),
		cmocka_unit_test(rows_follow_one_another_and_are_counted),
		cmocka_unit_test(a_json_field_built_in_place_knows_its_length),
	};

	return cmocka_run_group_tests_name("persist_rows", tests, NULL, NULL);
}
