/*
 * test_json.c - the JSON reader: what is JSON, where tokens stand, and that both readers agree.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/fuzz/json_agree.h"
#include "test/lib/laws.h"

static struct ap_jtok toks[AP_JSON_TOKS];

static bool parse(struct ap_json *j, const char *text)
{
	return ap_json_parse(j, ap_str_c(text), toks, AP_JSON_TOKS);
}

static void assert_text(const struct ap_json *j, uint32_t tok, const char *want)
{
	ap_str s = ap_json_text(j, tok);
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.p, want, s.len);
}

static void members_and_elements_are_found(void **unused)
{
	struct ap_json j;
	(void)unused;
	assert_true(parse(&j, " {\"a\" : 1.50, \"b\":[true,{\"x\":null},\"t\"], \"c\":\"\"}\n"));
	assert_int_equal(j.tok[0].type, AP_J_OBJ);
	assert_int_equal(j.tok[0].n, 3);
	assert_text(&j, ap_json_get(&j, 0, "a"), "1.50");
	uint32_t b = ap_json_get(&j, 0, "b");
	assert_int_equal(j.tok[b].n, 3);
	assert_int_equal(j.tok[ap_json_at(&j, b, 0)].type, AP_J_TRUE);
	assert_int_equal(j.tok[ap_json_get(&j, ap_json_at(&j, b, 1), "x")].type, AP_J_NULL);
	assert_text(&j, ap_json_at(&j, b, 2), "t");
	assert_text(&j, b, "[true,{\"x\":null},\"t\"]");
	assert_text(&j, ap_json_get(&j, 0, "c"), "");
	assert_int_equal(ap_json_at(&j, b, 3), 0);
	assert_int_equal(ap_json_get(&j, 0, "x"), 0);
	assert_int_equal(ap_json_get(&j, b, "a"), 0);
	assert_int_equal(ap_json_at(&j, 0, 0), 0);
}

static void numbers_stay_text(void **unused)
{
	struct ap_json j;
	(void)unused;
	assert_true(parse(&j, "[9007199254740993,-0,1e-8,123456789012345678.123456789012345678]"));
	assert_text(&j, ap_json_at(&j, 0, 0), "9007199254740993");
	assert_text(&j, ap_json_at(&j, 0, 1), "-0");
	assert_text(&j, ap_json_at(&j, 0, 2), "1e-8");
	assert_text(&j, ap_json_at(&j, 0, 3), "123456789012345678.123456789012345678");
}

static void what_is_not_json_is_refused_with_a_byte_offset(void **unused)
{
	static const char *const bad[] = {
		"", " ", "{", "{\"a\":1,}", "[1,]", "truX", "[01]", "{\"a\":1}x", "{\"a\" 1}", "{a:1}", "\"a\nb\"",
		"\"\xff\"", "\"\\x\"", "\"\\u12g4\"", "[1.]", "[.5]", "[-]", "[1e]", "NaN", "{\"p\":NaN}", "Infinity",
		"[1 2]", "[}", "{]", "'a'", "{\"a\":1}{\"a\":2}", "[+1]", "nul",
	};
	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct ap_json j;
		if (parse(&j, bad[i]))
			fail_msg("accepted: %s", bad[i]);
		assert_true(strlen(bad[i]) == 0 || strstr(j.err, "at byte ") != NULL);
	}
}

static void the_error_names_the_byte_where_reading_stopped(void **unused)
{
	struct ap_json j;
	(void)unused;
	assert_false(parse(&j, "{\"price\":NaN}"));
	assert_non_null(strstr(j.err, "at byte 10"));
	assert_false(parse(&j, "{\"price\":1"));
	assert_non_null(strstr(j.err, "at byte 10"));
}

static void depth_and_tokens_are_bounded(void **unused)
{
	char deep[2 * (AP_JSON_DEPTH + 1) + 1];
	struct ap_jtok three[3];
	struct ap_json j;
	(void)unused;
	memset(deep, '[', AP_JSON_DEPTH + 1);
	memset(deep + AP_JSON_DEPTH + 1, ']', AP_JSON_DEPTH + 1);
	assert_true(ap_json_parse(&j, ap_str_n(deep + 1, 2 * AP_JSON_DEPTH), toks, AP_JSON_TOKS));
	assert_false(ap_json_parse(&j, ap_str_n(deep, 2 * AP_JSON_DEPTH + 2), toks, AP_JSON_TOKS));
	assert_non_null(strstr(j.err, "deeper"));
	assert_true(ap_json_parse(&j, ap_str_c("[1,2]"), three, 3));
	assert_false(ap_json_parse(&j, ap_str_c("[1,2,3]"), three, 3));
	assert_non_null(strstr(j.err, "more values"));
}

static void escapes_are_resolved(void **unused)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
		{ "\"XBT\\/USD\"", "XBT/USD" },
		{ "\"\\b\\f\\n\\r\\t\\\"\\\\\"", "\b\f\n\r\t\"\\" },
		{ "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
		{ "\"\\ud83dx\"", "\xef\xbf\xbdx" },
		{ "\"\xe2\x82\xac\"", "\xe2\x82\xac" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ap_json j;
		char out[64];
		size_t len;
		assert_true(parse(&j, cases[i].json));
		assert_true(ap_json_unescape(&j, 0, out, sizeof out, &len));
		assert_int_equal(len, strlen(cases[i].want));
		assert_memory_equal(out, cases[i].want, len);
		assert_false(ap_json_unescape(&j, 0, out, len - 1, &len));
	}
	assert_int_equal(ap_json_hex4("09aF1"), 0x09af);
}

static void the_scanner_equals_yajl_on_mutated_messages(void **unused)
{
	static const char *const seeds[] = {
		"{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"t\":3735683259,\"p\":\"61837.63\",\"m\":true}}",
		"[993,[[\"354.11\",\"0.895\",\"1618678142.557535\",\"s\",\"l\",\"\"]],\"trade\",\"XMR/USD\"]",
		"{\"a\":[1,-2.5e+10,{}],\"b\":\"x\\ny\",\"c\":[],\"d\":{\"e\":null,\"f\":false}} ",
		" [ 0 , [ ] , \"\\u0041\" , { \"k\" : [ 1E5 ] } ] ",
		"12", "\"s\"", "true",
	};
	static const char alphabet[] = "{}[]\",:\\ 019.-+eEtrufalsn\n\x80\xc3\xa9/x";
	struct laws_rng s = { 20240101 };
	uint32_t accepted = 0;
	(void)unused;
	for (int round = 0; round < 300000; round++) {
		char text[160];
		const char *seed = seeds[laws_rand(&s) % (sizeof seeds / sizeof seeds[0])];
		size_t n = strlen(seed);
		const char *why;
		bool taken;
		memcpy(text, seed, n);
		for (uint64_t k = laws_rand(&s) % 4; k > 0; k--) {
			size_t at = laws_rand(&s) % n;
			if (laws_rand(&s) % 3 == 0 && n > 1)
				memmove(text + at, text + at + 1, --n - at);
			else
				text[at] = alphabet[laws_rand(&s) % (sizeof alphabet - 1)];
		}
		why = json_disagreement(ap_str_n(text, n), &taken);
		if (why != NULL)
			fail_msg("%s: %.*s", why, (int)n, text);
		accepted += taken;
	}
	/* The law would hold emptily if the scanner declined everything. */
	assert_true(accepted > 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_are_found),
		cmocka_unit_test(numbers_stay_text),
		cmocka_unit_test(what_is_not_json_is_refused_with_a_byte_offset),
		cmocka_unit_test(the_error_names_the_byte_where_reading_stopped),
		cmocka_unit_test(depth_and_tokens_are_bounded),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(the_scanner_equals_yajl_on_mutated_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
