/*
 * test_conf.c - the option table: every row is sound, every refusal names the option and what is allowed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/conf.h"

static void every_default_is_within_its_bounds(void **state)
{
	struct ap_conf c = { 0 };
	char err[256];

	(void)state;
	assert_true(ap_opts_n > 20);
	for (size_t i = 0; i < ap_opts_n; i++) {
		const struct ap_opt *o = &ap_opts[i];

		if (!ap_conf_set(&c, o, ap_str_c(o->dflt), err, sizeof err))
			fail_msg("%s", err);
		assert_true(o->type == AP_OPT_BOOL || o->type == AP_OPT_ENUM || o->lo <= o->hi);
		assert_true(strlen(o->help) > 3 && o->help[strlen(o->help) - 1] != '.');
	}
	ap_conf_done(&c);
}

static void every_option_is_found_by_its_dotted_name_once(void **state)
{
	char name[128];

	(void)state;
	for (size_t i = 0; i < ap_opts_n; i++) {
		snprintf(name, sizeof name, "%s.%s", ap_opts[i].section, ap_opts[i].key);
		assert_ptr_equal(ap_opt_find(ap_str_c(name)), &ap_opts[i]);
	}
	assert_null(ap_opt_find(ap_str_c("candle.latenes_ms")));
	assert_null(ap_opt_find(ap_str_c("candle")));
	assert_null(ap_opt_find(ap_str_c("")));
	assert_null(ap_opt_find(ap_str_c("candle_lateness_ms")));
	assert_null(ap_opt_find(ap_str_c("candle.lateness_ms.")));
}

static void every_value_reads_back_as_it_is_written(void **state)
{
	struct ap_conf a, b;
	char text[8192], again[8192], err[256];

	(void)state;
	ap_conf_init(&a);
	ap_conf_init(&b);
	for (size_t i = 0; i < ap_opts_n; i++) {
		size_t n = ap_conf_get(&a, &ap_opts[i], text, sizeof text);

		assert_int_equal(n, strlen(text));
		assert_true(ap_conf_set(&b, &ap_opts[i], ap_str_n(text, n), err, sizeof err));
		ap_conf_get(&b, &ap_opts[i], again, sizeof again);
		assert_string_equal(text, again);
	}
	ap_conf_done(&a);
	ap_conf_done(&b);
}

static void a_number_outside_its_range_is_refused_with_the_range(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 5", "5 ", "5ms", "1e3", "0x10", "600001", "18446744073709551616", "5.0" };
	const struct ap_opt *o = ap_opt_find(ap_str_c("candle.lateness_ms"));
	struct ap_conf c;
	char err[256], want[256];

	(void)state;
	ap_conf_init(&c);
	assert_non_null(o);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(ap_conf_set(&c, o, ap_str_c(bad[i]), err, sizeof err));
		snprintf(want, sizeof want, "candle.lateness_ms = '%s': a whole number from 0 to 600000 ms is needed", bad[i]);
		assert_string_equal(err, want);
	}
	assert_int_equal(c.candle_lateness_ms, 2000);
	assert_true(ap_conf_set(&c, o, ap_str_c("600000"), err, sizeof err));
	assert_int_equal(c.candle_lateness_ms, 600000);
	ap_conf_done(&c);
}

static void a_word_outside_its_list_is_refused_with_the_list(void **state)
{
	const struct ap_opt *o = ap_opt_find(ap_str_c("log.level"));
	struct ap_conf c;
	char err[256], text[16];

	(void)state;
	ap_conf_init(&c);
	assert_int_equal(c.log_level, 1);
	assert_true(ap_conf_set(&c, o, ap_str_c("error"), err, sizeof err));
	assert_int_equal(c.log_level, 3);
	ap_conf_get(&c, o, text, sizeof text);
	assert_string_equal(text, "error");
	assert_false(ap_conf_set(&c, o, ap_str_c("err"), err, sizeof err));
	assert_string_equal(err, "log.level = 'err': one of debug|info|warn|error is needed");
	assert_false(ap_conf_set(&c, o, ap_str_c("debug|info"), err, sizeof err));
	assert_false(ap_conf_set(&c, o, ap_str_c(""), err, sizeof err));
	assert_int_equal(c.log_level, 3);
	ap_conf_done(&c);
}

static void texts_are_copied_bounded_and_free_of_control_bytes(void **state)
{
	const struct ap_opt *o = ap_opt_find(ap_str_c("redis.url"));
	char err[256], text[8], big[1100] = { 0 }, mine[] = "unix:///tmp/r.sock";
	struct ap_conf c;

	(void)state;
	ap_conf_init(&c);
	assert_true(ap_conf_set(&c, o, ap_str_c(mine), err, sizeof err));
	mine[0] = 'X';
	assert_string_equal(c.redis_url, "unix:///tmp/r.sock");
	memset(big, 'a', sizeof big - 1);
	assert_false(ap_conf_set(&c, o, ap_str_c(big), err, sizeof err));
	assert_non_null(strstr(err, "a text of 0 to 1000 bytes is needed"));
	assert_false(ap_conf_set(&c, o, ap_str_n("a\0b", 3), err, sizeof err));
	assert_false(ap_conf_set(&c, o, ap_str_c("a\nb"), err, sizeof err));
	assert_string_equal(c.redis_url, "unix:///tmp/r.sock");
	assert_int_equal(ap_conf_get(&c, o, text, sizeof text), 7);
	assert_string_equal(text, "unix://");
	ap_conf_done(&c);
}

static void switches_take_the_usual_words(void **state)
{
	/* A row of our own: the kind of a row decides, not its place in the table. */
	struct ap_opt o = { "x", "y", AP_OPT_BOOL, 0, "on", 0, 0, "", "a switch" };
	struct ap_opt l = { "x", "y", AP_OPT_LIST, 0, "", 0, 100, "", "a list" };
	static const char *const yes[] = { "true", "on", "yes", "1" }, *const no[] = { "false", "off", "no", "0" };
	union {
		struct ap_conf c;
		bool b;
		char *t;
	} u;
	char err[256], text[32];

	(void)state;
	memset(&u, 0, sizeof u);
	for (size_t i = 0; i < 4; i++) {
		assert_true(ap_conf_set(&u.c, &o, ap_str_c(yes[i]), err, sizeof err) && u.b);
		ap_conf_get(&u.c, &o, text, sizeof text);
		assert_string_equal(text, "true");
		assert_true(ap_conf_set(&u.c, &o, ap_str_c(no[i]), err, sizeof err) && !u.b);
	}
	assert_false(ap_conf_set(&u.c, &o, ap_str_c("maybe"), err, sizeof err));
	assert_string_equal(err, "x.y = 'maybe': true or false is needed");

	memset(&u, 0, sizeof u);
	assert_true(ap_conf_set(&u.c, &l, ap_str_c("[{\"name\":\"RSI\"}]"), err, sizeof err));
	assert_string_equal(u.t, "[{\"name\":\"RSI\"}]");
	assert_true(ap_conf_set(&u.c, &l, ap_str_c("{}"), err, sizeof err));
	assert_false(ap_conf_set(&u.c, &l, ap_str_c("RSI"), err, sizeof err));
	assert_false(ap_conf_set(&u.c, &l, ap_str_c("["), err, sizeof err));
	free(u.t);
}

static void marks_of_lines_are_found_in_a_list(void **unused)
{
	static const char list[] = "[{\"@\":12,\"say\":\"a \\\"@\\\":3\"},{\"@\":4}]";
	const char *mark;
	size_t len;

	(void)unused;
	mark = ap_conf_mark(list, &len);
	assert_ptr_equal(mark, list + 2);
	assert_int_equal(len, strlen("\"@\":12,"));
	mark = ap_conf_mark(mark + len, &len);
	assert_string_equal(mark, "\"@\":4}]");
	assert_int_equal(len, strlen("\"@\":4"));
	mark = ap_conf_mark(mark + len, &len);
	assert_ptr_equal(mark, list + strlen(list));
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_of_lines_are_found_in_a_list),
		cmocka_unit_test(every_default_is_within_its_bounds),
		cmocka_unit_test(every_option_is_found_by_its_dotted_name_once),
		cmocka_unit_test(every_value_reads_back_as_it_is_written),
		cmocka_unit_test(a_number_outside_its_range_is_refused_with_the_range),
		cmocka_unit_test(a_word_outside_its_list_is_refused_with_the_list),
		cmocka_unit_test(texts_are_copied_bounded_and_free_of_control_bytes),
		cmocka_unit_test(switches_take_the_usual_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
