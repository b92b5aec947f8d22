/*
 * test_pg.c - the PostgreSQL connection without a PostgreSQL: what it does when there is none, or one that does not answer.
 * With a real server: test/integration/test_persist.sh.
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
#include "common/io/pg.h"
#include "test/lib/conf.h"

static struct {
	struct ev_loop *loop;
	struct ap_log log;
	struct ap_conf conf;
	struct ap_pg *pg;
	unsigned ups, downs, answers;
	char why[200], dir[64], path[100];
	int listen_fd;
	bool free_in_down;
} t;

static void up(void *ctx)
{
	(void)ctx;
	t.ups++;
}

static void down(void *ctx, const char *why)
{
	(void)ctx;
	t.downs++;
	snprintf(t.why, sizeof t.why, "%s", why);
	if (t.free_in_down) {
		ap_pg_free(t.pg);
		t.pg = NULL;
	}
}

static void answer(void *ctx, const struct ap_pg_result *r)
{
	(void)ctx, (void)r;
	t.answers++;
}

static bool start(char *err, size_t len)
{
	static const struct ap_pg_events ev = { up, down };

	err[0] = '\0';
	t.pg = ap_pg_new(t.loop, &t.log, &t.conf, &ev, NULL, err, len);
	return t.pg != NULL;
}

/* Turns the loop until n attempts have failed, at most 5 s. */
static void until_downs(unsigned n)
{
	int64_t end = ap_mono_ns() + 5000000000;

	while (t.downs < n && ap_mono_ns() < end)
		ev_run(t.loop, EVRUN_ONCE);
	assert_true(t.downs >= n);
}

static int setup(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char info[160];

	(void)s;
	memset(&t, 0, sizeof t);
	t.loop = ev_default_loop(0);
	t.log = (struct ap_log){ .app = "test", .least = AP_ERROR };
	ap_conf_init(&t.conf);
	conf_set(&t.conf, "runtime.connect_ms", "60");
	conf_set(&t.conf, "runtime.backoff_min_ms", "1");
	conf_set(&t.conf, "runtime.backoff_max_ms", "10");
	snprintf(t.dir, sizeof t.dir, "/tmp/ap-pg.XXXXXX");
	if (mkdtemp(t.dir) == NULL)
		return -1;
	/* Where libpq looks for the socket of port 5999. */
	snprintf(t.path, sizeof t.path, "%s/.s.PGSQL.5999", t.dir);
	snprintf(un.sun_path, sizeof un.sun_path, "%.90s", t.path);
	t.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(t.listen_fd, (struct sockaddr *)&un, sizeof un) == -1 || listen(t.listen_fd, 8) == -1)
		return -1;
	snprintf(info, sizeof info, "host=%s port=5999 dbname=d user=u", t.dir);
	conf_set(&t.conf, "pg.conninfo", info);
	return 0;
}

static int teardown(void **s)
{
	(void)s;
	ap_pg_free(t.pg);
	close(t.listen_fd);
	unlink(t.path);
	rmdir(t.dir);
	ap_conf_done(&t.conf);
	return 0;
}

static void a_conninfo_that_is_none_is_refused_with_a_sentence(void **s)
{
	char err[200];

	(void)s;
	conf_set(&t.conf, "pg.conninfo", "host=/tmp nonsense=1");
	assert_false(start(err, sizeof err));
	assert_memory_equal(err, "pg.conninfo: ", 13);
}

static void a_host_that_no_name_service_knows_is_refused_with_a_sentence(void **s)
{
	char err[200];

	(void)s;
	conf_set(&t.conf, "pg.conninfo", "host=no.such.host.invalid dbname=d");
	assert_false(start(err, sizeof err));
	assert_memory_equal(err, "pg.conninfo: host no.such.host.invalid", 38);
}

static void a_server_that_is_not_there_is_tried_again_and_takes_no_command(void **s)
{
	char err[200];

	(void)s;
	unlink(t.path);
	assert_true(start(err, sizeof err));
	until_downs(3);
	assert_int_equal(t.ups, 0);
	assert_false(ap_pg_is_up(t.pg));
	assert_false(ap_pg_exec(t.pg, answer, NULL, 0, "SELECT 1"));
	assert_false(ap_pg_copy(t.pg, NULL, answer, NULL, "COPY t FROM STDIN"));
	assert_int_equal(t.answers, 0);
}

static void a_conninfo_is_asked_by_keyword(void **s)
{
	static const char info[] = "host=/run/pg port=5433 user='al pha' dbname=''";
	char out[32];

	(void)s;
	ap_pg_conninfo_value(info, "port", "5432", out, sizeof out);
	assert_string_equal(out, "5433");
	ap_pg_conninfo_value(info, "user", "nobody", out, sizeof out);
	assert_string_equal(out, "al pha");
	ap_pg_conninfo_value(info, "dbname", "alphapulse", out, sizeof out);
	assert_string_equal(out, "alphapulse");
	ap_pg_conninfo_value("what is this", "port", "5432", out, sizeof out);
	assert_string_equal(out, "5432");
}

static void a_server_that_accepts_and_is_silent_is_given_up_in_time(void **s)
{
	char err[200];

	(void)s;
	assert_true(start(err, sizeof err));
	int64_t began = ap_mono_ns();
	until_downs(1);
	assert_string_equal(t.why, "connect_timeout");
	assert_in_range((ap_mono_ns() - began) / 1000000, 30, 2000);
	until_downs(2);
}

static void a_server_that_hangs_up_is_tried_again(void **s)
{
	char err[200];

	(void)s;
	assert_true(start(err, sizeof err));
	int64_t end = ap_mono_ns() + 5000000000;
	while (t.downs < 2 && ap_mono_ns() < end) {
		ev_run(t.loop, EVRUN_NOWAIT);
		int fd = accept(t.listen_fd, NULL, NULL);
		if (fd != -1)
			close(fd);
	}
	assert_true(t.downs >= 2);
	assert_int_equal(t.ups, 0);
}

static void a_password_file_that_is_not_there_is_tried_again(void **s)
{
	char err[200];

	(void)s;
	conf_set(&t.conf, "pg.password_file", "/nowhere/at/all");
	assert_true(start(err, sizeof err));
	until_downs(2);
	assert_string_equal(t.why, "password_file_unreadable");
}

static void it_may_be_freed_in_down(void **s)
{
	char err[200];

	(void)s;
	unlink(t.path);
	t.free_in_down = true;
	assert_true(start(err, sizeof err));
	until_downs(1);
	assert_null(t.pg);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_conninfo_that_is_none_is_refused_with_a_sentence), T(a_host_that_no_name_service_knows_is_refused_with_a_sentence),
		T(a_server_that_is_not_there_is_tried_again_and_takes_no_command),
		T(a_conninfo_is_asked_by_keyword), T(a_server_that_accepts_and_is_silent_is_given_up_in_time), T(a_server_that_hangs_up_is_tried_again),
		T(a_password_file_that_is_not_there_is_tried_again), T(it_may_be_freed_in_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
