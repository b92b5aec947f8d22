/*
 * test_app.c - arguments, configuration files, environment, readiness, frame files, entries: what needs no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io/app.h"
#include "common/io/conf_file.h"
#include "common/io/entry.h"
#include "common/io/file.h"
#include "common/io/fn_load.h"
#include "common/io/metric.h"
#include "common/io/secret.h"

static char err[512];

/* --- configuration --- */

static bool text(struct ap_conf *c, const char *t)
{
	ap_conf_init(c);
	err[0] = '\0';
	return ap_conf_text(c, t, "a.conf", err, sizeof err);
}

static void a_file_sets_options_by_section(void **s)
{
	struct ap_conf c;

	(void)s;
	assert_true(text(&c, "candle = { lateness_ms = 5000; fill = \"previous\"; };\nruntime: { worker = \"w7\" }\n"
			     "data = { max_future_ms = 31536000000 };\nsupervisor = { embedded = true; };\n"));
	assert_int_equal(c.candle_lateness_ms, 5000);
	assert_int_equal(c.candle_fill, 1);
	assert_string_equal(c.runtime_worker, "w7");
	assert_true(c.data_max_future_ms == 31536000000);
	assert_true(c.supervisor_embedded);
	assert_int_equal(c.data_partitions, 4);         /* what is not said keeps its default */
	ap_conf_done(&c);
}

/* A text and the sentence it must be refused with. */
static void refused(const char *t, const char *sentence)
{
	struct ap_conf c;

	assert_false(text(&c, t));
	if (strstr(err, sentence) == NULL)
		fail_msg("\"%s\" does not hold \"%s\"", err, sentence);
	ap_conf_done(&c);
}

static void an_unknown_key_is_an_error_with_file_and_line(void **s)
{
	(void)s;
	refused("candle = {\n  lateness_ms = 5000;\n  latenes = 1;\n};\n", "a.conf:3: there is no option candle.latenes");
	refused("\n\nnonsense = { x = 1; };\n", "a.conf:3: there is no option nonsense.x");
}

static void a_value_out_of_bounds_is_an_error_with_file_and_line(void **s)
{
	(void)s;
	refused("data = {\n partitions = 300; };\n", "a.conf:2: ");
	refused("data = {\n partitions = 300; };\n", "256");
	refused("candle = { fill = \"often\"; };\n", "none|previous");
}

static void only_numbers_are_taken_for_numbers(void **s)
{
	struct ap_conf c;

	(void)s;
	assert_true(text(&c, "# 99999999999 \"\n/* 99999999999 */ // 12345678901\nruntime = { worker = \"w\\\"12345678901\"; };\n"
			     "data = { max_future_ms = 12345678901L; };\n"));
	assert_string_equal(c.runtime_worker, "w\"12345678901");
	assert_true(c.data_max_future_ms == 12345678901);
	ap_conf_done(&c);
	refused("data = { max_future_ms = -12345678901; };\n", "a.conf:1: ");
	refused("data = { partitions = 4294967298; };\n", "a.conf:1: ");
}

static void what_is_no_libconfig_is_an_error_with_the_line(void **s)
{
	(void)s;
	refused("candle = {\n fill = on;\n};\n", "a.conf:2: ");
	refused("x", "a.conf:1: ");
}

static void an_option_outside_of_a_section_is_an_error(void **s)
{
	(void)s;
	refused("lateness_ms = 5;\n", "a.conf:1: lateness_ms stands outside of a section");
}

static void a_list_where_one_value_belongs_is_an_error(void **s)
{
	(void)s;
	refused("candle = { fill = [ \"none\" ]; };\n", "candle.fill is a list or a group");
}

static void a_list_may_be_given_as_the_text_of_one(void **s)
{
	struct ap_conf c;

	(void)s;
	assert_true(text(&c, "candle = { bars = \"[{\\\"kind\\\":\\\"tick\\\",\\\"size\\\":1}]\"; };\n"));
	assert_string_equal(c.candle_bars, "[{\"kind\":\"tick\",\"size\":1}]");
	ap_conf_done(&c);
	refused("candle = { bars = \"tick\"; };\n", "a.conf:1: candle.bars = 'tick': a list is needed");
}

static void a_section_that_is_its_list_may_be_written_as_one(void **s)
{
	struct ap_conf c;

	(void)s;
	assert_true(text(&c, "indicators = (\n { name = \"RSI\"; period = 14; timeframes = [\"1m\", \"1h\"]; } );\n"));
	assert_string_equal(c.indicators_list, "[{\"@\":2,\"name\":\"RSI\",\"period\":14,\"timeframes\":[\"1m\",\"1h\"]}]");
	ap_conf_done(&c);
	refused("candle = ( { kind = \"tick\"; } );\n", "a.conf:1: candle stands outside of a section");
}

static void a_file_knows_at_which_line_it_set_an_option(void **s)
{
	struct ap_conf c;
	char say[200] = "candle.bars, line 3: size must be a number above 0", zone[200] = "candle.zone = \"x\": there is no such zone";
	char other[200] = "redis.url: wrong";

	(void)s;
	assert_true(text(&c, "candle = {\n bars = (\n { kind = \"tick\"; } );\n zone = \"x\";\n};\n"));
	ap_conf_place(&c, "a.conf", say, sizeof say);
	ap_conf_place(&c, "a.conf", zone, sizeof zone);
	ap_conf_place(&c, "a.conf", other, sizeof other);
	assert_string_equal(say, "a.conf:3: candle.bars: size must be a number above 0");
	assert_string_equal(zone, "a.conf:4: candle.zone = \"x\": there is no such zone");
	assert_string_equal(other, "redis.url: wrong");
	assert_true(ap_conf_assign(&c, "candle.zone=y", err, sizeof err));
	snprintf(zone, sizeof zone, "candle.zone = \"y\": there is no such zone");
	ap_conf_place(&c, "a.conf", zone, sizeof zone);
	assert_string_equal(zone, "candle.zone = \"y\": there is no such zone");
	ap_conf_done(&c);
}

static void a_file_that_is_not_there_is_an_error_with_its_name(void **s)
{
	struct ap_conf c;

	(void)s;
	ap_conf_init(&c);
	assert_false(ap_conf_file(&c, "/nowhere/a.conf", err, sizeof err));
	assert_string_equal(err, "/nowhere/a.conf: No such file or directory");
	ap_conf_done(&c);
}

static void the_environment_sets_options_and_leaves_other_names_alone(void **s)
{
	const char *const env[] = { "HOME=/root", "AP_SHARED=/x", "AP_CANDLE__LATENESS_MS=77", "AP_RUNTIME__WORKER=w=1", "AP__X=1", NULL };
	const char *const bad[] = { "AP_CANDLE__LATENES=1", NULL }, *const worse[] = { "AP_DATA__PARTITIONS=none", NULL };
	struct ap_conf c;

	(void)s;
	ap_conf_init(&c);
	assert_true(ap_conf_env(&c, env, err, sizeof err));
	assert_int_equal(c.candle_lateness_ms, 77);
	assert_string_equal(c.runtime_worker, "w=1");
	assert_false(ap_conf_env(&c, bad, err, sizeof err));
	assert_non_null(strstr(err, "AP_CANDLE__LATENES: there is no option candle.latenes"));
	assert_false(ap_conf_env(&c, worse, err, sizeof err));
	ap_conf_done(&c);
}

static void an_assignment_needs_a_name_that_exists_and_an_equal_sign(void **s)
{
	struct ap_conf c;

	(void)s;
	ap_conf_init(&c);
	assert_true(ap_conf_assign(&c, "pg.conninfo=host=/tmp port=5", err, sizeof err));
	assert_string_equal(c.pg_conninfo, "host=/tmp port=5");
	assert_false(ap_conf_assign(&c, "pg.conninfo", err, sizeof err));
	assert_false(ap_conf_assign(&c, "pg.nothing=1", err, sizeof err));
	assert_non_null(strstr(err, "pg.nothing"));
	ap_conf_done(&c);
}

/* --- arguments --- */

static bool judge(const void *ctx, const struct ap_conf *conf, char *why, size_t len)
{
	if (conf->candle_lateness_ms == 666)
		snprintf(why, len, "%s", (const char *)ctx);
	return conf->candle_lateness_ms != 666;
}

static const struct ap_flag flags[] = { { "replay", "FILE", "a file" }, { "close", NULL, "close it" }, { NULL, NULL, NULL } };
static const struct ap_app_spec spec = { .name = "ap-test", .summary = "Tests.", .flags = flags, .sections = "candle redis",
					 .check = judge, .check_ctx = "not that one" };
static struct ap_app app;

static int init(int argc, const char *const *argv)
{
	static char text_of[16][100];   /* values point into them */
	char *copy[17] = { NULL };

	for (int i = 0; i < argc; i++) {
		snprintf(text_of[i], sizeof text_of[i], "%s", argv[i]);
		copy[i] = text_of[i];
	}
	return ap_app_init(&app, &spec, argc, copy);
}
#define INIT(...) init((int)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)), (const char *const[]){ __VA_ARGS__ })

static void arguments_win_over_environment_over_file(void **s)
{
	char path[] = "/tmp/ap-conf.XXXXXX";
	int fd = mkstemp(path);

	(void)s;
	assert_true(fd != -1);
	assert_true(write(fd, "candle = { lateness_ms = 1; revision_ms = 2; };\n", 48) == 48);
	close(fd);
	setenv("AP_CANDLE__LATENESS_MS", "3", 1);
	setenv("AP_CANDLE__REVISION_MS", "4", 1);
	assert_int_equal(INIT("ap-test", "-c", path, "-o", "candle.lateness_ms=5", "--replay", "x.gz", "--close"), -1);
	unsetenv("AP_CANDLE__LATENESS_MS");
	unsetenv("AP_CANDLE__REVISION_MS");
	unlink(path);
	assert_int_equal(app.conf.candle_lateness_ms, 5);
	assert_int_equal(app.conf.candle_revision_ms, 4);
	assert_string_equal(ap_app_flag(&app, "replay"), "x.gz");
	assert_string_equal(ap_app_flag(&app, "close"), "");
	assert_int_equal(app.over_n, 1);
	ap_app_done(&app);
}

static void mistakes_exit_100_and_checks_exit_0(void **s)
{
	(void)s;
	assert_int_equal(INIT("ap-test", "-c", "/dev/null", "-n"), 0);
	assert_int_equal(INIT("ap-test", "-V"), 0);
	assert_int_equal(INIT("ap-test", "--help"), 0);
	assert_int_equal(INIT("ap-test", "-c", "/nowhere"), 100);
	assert_int_equal(INIT("ap-test", "-x"), 100);
	assert_int_equal(INIT("ap-test", "--replay"), 100);
	assert_int_equal(INIT("ap-test", "-c", "/dev/null", "stray"), 100);
	assert_int_equal(INIT("ap-test", "-c", "/dev/null", "-o", "candle.nothing=1"), 100);
	assert_int_equal(INIT("ap-test", "-c", "/dev/null", "-n", "-o", "candle.lateness_ms=666"), 100);
}

/* --- readiness --- */

static void a_secret_is_the_first_line_of_its_file(void **s)
{
	static const struct {
		const char *text, *want;        /* NULL: it cannot be read */
	} t[] = { { "hunter2\n", "hunter2" }, { "hunter2", "hunter2" }, { "a b\r\nc\n", "a b" }, { "\n", "" }, { "", NULL } };
	char path[] = "/tmp/ap-secret-XXXXXX", out[16];

	(void)s;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		FILE *f = i == 0 ? fdopen(mkstemp(path), "w") : fopen(path, "w");

		assert_non_null(f);
		fputs(t[i].text, f);
		fclose(f);
		assert_int_equal(ap_secret_read(path, out, sizeof out), t[i].want != NULL);
		assert_string_equal(out, t[i].want != NULL ? t[i].want : "");
	}
	unlink(path);
	assert_false(ap_secret_read(path, out, sizeof out));
	assert_true(ap_secret_read("", out, sizeof out));
	assert_string_equal(out, "");
}

static void readiness_is_a_datagram_to_the_socket_named(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char got[64] = "", dir[] = "/tmp/ap-notify.XXXXXX";

	(void)s;
	assert_non_null(mkdtemp(dir));
	snprintf(un.sun_path, sizeof un.sun_path, "%s/n", dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
	setenv("WATCHDOG_USEC", "40000", 1);
	assert_int_equal(INIT("ap-test", "-c", "/dev/null"), -1);
	ap_app_notify(&app, "READY=1");
	assert_int_equal(recv(fd, got, sizeof got, 0), 7);
	assert_memory_equal(got, "READY=1", 7);
	int64_t began = ap_mono_ns();
	for (int i = 0; i < 2; i++)
		while (recv(fd, got, sizeof got, 0) == -1 && ap_mono_ns() - began < 2000000000)
			ev_run(app.loop, EVRUN_ONCE);
	assert_memory_equal(got, "WATCHDOG=1", 10);
	assert_in_range((ap_mono_ns() - began) / 1000000, 15, 1000);    /* two halves of the time given; the loop's clock may lag */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	ap_app_done(&app);
	close(fd);
	unlink(un.sun_path);
	rmdir(dir);
}

static void the_pause_doubles_with_jitter_up_to_its_limit(void **s)
{
	struct ap_conf c;

	(void)s;
	ap_conf_init(&c);
	for (unsigned a = 0; a < 40; a++) {
		double full_s = a < 4 ? 0.05 * (double)(1u << a) : 0.5, got_s = ap_backoff_s(&c, a);
		assert_true(got_s >= full_s / 2 && got_s <= full_s);
	}
	ap_conf_done(&c);
}

static void a_worker_without_a_name_is_host_and_pid(void **s)
{
	struct ap_conf c;
	char name[64], pid[24];

	(void)s;
	ap_conf_init(&c);
	snprintf(pid, sizeof pid, "-%ld", (long)getpid());
	assert_non_null(strstr(ap_worker_name(&c, name, sizeof name), pid));
	assert_true(ap_conf_assign(&c, "runtime.worker=candle-0", err, sizeof err));
	assert_string_equal(ap_worker_name(&c, name, sizeof name), "candle-0");
	ap_conf_done(&c);
}

/* --- frame files --- */

static void frames_come_back_as_they_were_written(void **s)
{
	FILE *f = tmpfile();
	struct ap_file_frame in = { AP_S_TICK, { 1700000000123, 4294967300 }, 512, 1699999999999, ap_str_c("body") }, out;
	struct ap_buf b;
	const char *why = NULL;

	(void)s;
	assert_non_null(f);
	ap_buf_init(&b, AP_FRAME_BYTES);
	assert_true(ap_file_write(f, &in));
	in.stream = AP_S_INDICATOR;
	in.body.len = 0;
	assert_true(ap_file_write(f, &in));
	rewind(f);
	assert_int_equal(ap_file_read(f, &b, &out, &why), AP_FILE_OK);
	assert_int_equal(out.stream, AP_S_TICK);
	assert_int_equal(ap_id_cmp(out.id, in.id), 0);
	assert_int_equal(out.n, 512);
	assert_true(out.t_ms == 1699999999999);
	assert_true(ap_str_is(out.body, "body"));
	assert_int_equal(ap_file_read(f, &b, &out, &why), AP_FILE_OK);
	assert_int_equal(out.stream, AP_S_INDICATOR);
	assert_int_equal(out.body.len, 0);
	assert_int_equal(ap_file_read(f, &b, &out, &why), AP_FILE_END);
	ap_buf_done(&b);
	fclose(f);
}

static void a_file_cut_anywhere_is_said_to_be_cut(void **s)
{
	char bytes[200];
	const struct ap_file_frame in = { AP_S_RAW, { 1, 2 }, 3, 4, ap_str_c("some body") };
	FILE *f = tmpfile();
	struct ap_buf b;

	(void)s;
	assert_non_null(f);
	assert_true(ap_file_write(f, &in));
	rewind(f);
	size_t n = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	ap_buf_init(&b, AP_FRAME_BYTES);
	for (size_t cut = 1; cut < n; cut++) {
		struct ap_file_frame out;
		const char *why = NULL;
		f = fmemopen(bytes, cut, "r");
		assert_int_equal(ap_file_read(f, &b, &out, &why), AP_FILE_BAD);
		assert_non_null(why);
		fclose(f);
	}
	bytes[0] = 'X';
	f = fmemopen(bytes, n, "r");
	struct ap_file_frame out;
	const char *why = NULL;
	assert_int_equal(ap_file_read(f, &b, &out, &why), AP_FILE_BAD);
	assert_string_equal(why, "not a frame");
	fclose(f);
	ap_buf_done(&b);
}

/* --- entries --- */

static redisReply *reply_of(const char *resp)
{
	redisReader *r = redisReaderCreate();
	void *reply = NULL;

	redisReaderFeed(r, resp, strlen(resp));
	assert_int_equal(redisReaderGetReply(r, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(r);
	return reply;
}

#define F(name, value) "$1\r\n" name "\r\n" value "\r\n"
#define ENTRY(v, k, q, n, t, b) "*2\r\n$4\r\n17-0\r\n*12\r\n" F("v", v) F("k", k) F("q", q) F("n", n) F("t", t) F("b", b)

static void an_entry_is_read_field_by_field(void **s)
{
	struct ap_entry e;
	redisReply *r = reply_of(ENTRY("$1\r\n1", "$4\r\ntick", "$3\r\n123", "$1\r\n7", "$2\r\n99", "$3\r\nabc"));

	(void)s;
	assert_true(ap_entry_read(r, "tick", &e));
	assert_int_equal(e.id.ms, 17);
	assert_int_equal(e.q, 123);
	assert_int_equal(e.n, 7);
	assert_int_equal(e.t_ms, 99);
	assert_true(ap_str_is(e.body, "abc"));
	assert_null(e.bad);
	assert_false(e.gone || e.foreign);
	assert_true(ap_entry_read(r, "raw", &e));
	assert_string_equal(e.bad, "kind");
	freeReplyObject(r);
}

static void what_is_wrong_with_an_entry_is_said(void **s)
{
	static const struct { const char *resp, *bad; bool foreign; } rows[] = {
		{ ENTRY("$1\r\n2", "$4\r\ntick", "$1\r\n1", "$1\r\n7", "$1\r\n9", "$1\r\na"), "version", false },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\nx", "$1\r\n7", "$1\r\n9", "$1\r\na"), NULL, true },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\n0", "$1\r\n7", "$1\r\n9", "$1\r\na"), NULL, true },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\n1", "$3\r\n513", "$1\r\n9", "$1\r\na"), "record count", false },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\n1", "$1\r\n0", "$1\r\n9", "$1\r\na"), "record count", false },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\n1", "$1\r\n1", "$2\r\n-9", "$1\r\na"), "event time", false },
		{ ENTRY("$1\r\n1", "$4\r\ntick", "$1\r\n1", "$1\r\n1", "$1\r\n9", "$0\r\n"), "body length", false },
		{ "*2\r\n$4\r\n17-0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", "version", true },
	};

	(void)s;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ap_entry e;
		redisReply *r = reply_of(rows[i].resp);
		assert_true(ap_entry_read(r, "tick", &e));
		assert_int_equal(e.foreign, rows[i].foreign);
		if (rows[i].bad == NULL)
			assert_null(e.bad);
		else
			assert_string_equal(e.bad, rows[i].bad);
		freeReplyObject(r);
	}
}

static void an_entry_trimmed_while_pending_has_only_its_id(void **s)
{
	struct ap_entry e;
	redisReply *r = reply_of("*2\r\n$4\r\n17-3\r\n*-1\r\n");

	(void)s;
	assert_true(ap_entry_read(r, "tick", &e));
	assert_true(e.gone);
	assert_int_equal(e.id.seq, 3);
	freeReplyObject(r);
	r = reply_of("*2\r\n$4\r\n17_3\r\n*-1\r\n");
	assert_false(ap_entry_read(r, "tick", &e));
	freeReplyObject(r);
}

static void a_read_without_entries_has_none(void **s)
{
	size_t n = 7;
	redisReply *r = reply_of("*-1\r\n");

	(void)s;
	assert_null(ap_entries_of(r, &n));
	assert_int_equal(n, 0);
	assert_null(ap_entries_of(NULL, &n));
	freeReplyObject(r);
	r = reply_of("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n");
	assert_non_null(ap_entries_of(r, &n));
	assert_int_equal(n, 1);
	freeReplyObject(r);
}

static void the_functions_are_built_in(void **s)
{
	(void)s;
	ap_str text_ = ap_fn_text();
	assert_memory_equal(text_.p, "#!lua name=alphapulse_v1\n", 25);
	assert_non_null(memmem(text_.p, text_.len, "ap_commit_v1", 12));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_sets_options_by_section),
		cmocka_unit_test(an_unknown_key_is_an_error_with_file_and_line),
		cmocka_unit_test(a_value_out_of_bounds_is_an_error_with_file_and_line),
		cmocka_unit_test(only_numbers_are_taken_for_numbers),
		cmocka_unit_test(what_is_no_libconfig_is_an_error_with_the_line),
		cmocka_unit_test(an_option_outside_of_a_section_is_an_error),
		cmocka_unit_test(a_list_where_one_value_belongs_is_an_error),
		cmocka_unit_test(a_list_may_be_given_as_the_text_of_one),
		cmocka_unit_test(a_section_that_is_its_list_may_be_written_as_one),
		cmocka_unit_test(a_file_knows_at_which_line_it_set_an_option),
		cmocka_unit_test(a_file_that_is_not_there_is_an_error_with_its_name),
		cmocka_unit_test(the_environment_sets_options_and_leaves_other_names_alone),
		cmocka_unit_test(an_assignment_needs_a_name_that_exists_and_an_equal_sign),
		cmocka_unit_test(arguments_win_over_environment_over_file),
		cmocka_unit_test(mistakes_exit_100_and_checks_exit_0),
		cmocka_unit_test(a_secret_is_the_first_line_of_its_file),
		cmocka_unit_test(readiness_is_a_datagram_to_the_socket_named),
		cmocka_unit_test(the_pause_doubles_with_jitter_up_to_its_limit),
		cmocka_unit_test(a_worker_without_a_name_is_host_and_pid),
		cmocka_unit_test(frames_come_back_as_they_were_written),
		cmocka_unit_test(a_file_cut_anywhere_is_said_to_be_cut),
		cmocka_unit_test(an_entry_is_read_field_by_field),
		cmocka_unit_test(what_is_wrong_with_an_entry_is_said),
		cmocka_unit_test(an_entry_trimmed_while_pending_has_only_its_id),
		cmocka_unit_test(a_read_without_entries_has_none),
		cmocka_unit_test(the_functions_are_built_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
