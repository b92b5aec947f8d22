/*
 * test_redis.c - the Redis connection against a server of a few lines, in the same loop, that answers as each test says.
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
#include "common/io/redis.h"
#include "test/lib/conf.h"

#define DATASET "11111111-2222-4333-8444-555555555555"

/* --- the server: one client at a time --- */

struct answer {
	const char *cmd;        /* the first word of a command */
	const char *reply;      /* RESP; NULL: no answer at all; "": close the connection */
};

static const struct answer fine[] = {
	{ "AUTH", "+OK\r\n" }, { "SELECT", "+OK\r\n" }, { "ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" },
	{ "FCALL_RO", "$13\r\nalphapulse_v1\r\n" }, { "HMGET", "*2\r\n$36\r\n" DATASET "\r\n$1\r\n4\r\n" }, { "PING", "+PONG\r\n" },
	{ "GET", "$5\r\nvalue\r\n" }, { NULL, NULL },
};

static struct {
	struct ev_loop *loop;
	char dir[64], path[100];
	int listen_fd, fd;
	ev_io acc, rd;
	redisReader *reader;
	const struct answer *first, *then;      /* looked at in this order */
	unsigned accepted, commands, rights;
	char seen[4096];                        /* the commands, one after the other */
} srv;

static void srv_close(void)
{
	if (srv.fd == -1)
		return;
	ev_io_stop(srv.loop, &srv.rd);
	close(srv.fd);
	redisReaderFree(srv.reader);
	srv.fd = -1;
}

static const char *srv_answer(const char *cmd)
{
	const struct answer *lists[] = { srv.first, srv.then };

	for (size_t l = 0; l < 2; l++)
		for (const struct answer *a = lists[l]; a != NULL && a->cmd != NULL; a++)
			if (strcmp(a->cmd, cmd) == 0)
				return a->reply;
	return "-ERR unknown\r\n";
}

static void srv_read(struct ev_loop *loop, ev_io *w, int revents)
{
	char buf[65536];
	void *cmd = NULL;
	ssize_t n = read(srv.fd, buf, sizeof buf);

	(void)loop, (void)w, (void)revents;
	if (n <= 0) {
		srv_close();
		return;
	}
	redisReaderFeed(srv.reader, buf, (size_t)n);
	while (srv.fd != -1 && redisReaderGetReply(srv.reader, &cmd) == REDIS_OK && cmd != NULL) {
		const redisReply *c = cmd;
		const char *reply = srv_answer(c->element[0]->str);
		/* How the server is set up is asked in a row of its own tests. */
		bool quiet = strcmp(c->element[0]->str, "CONFIG") == 0 || strcmp(c->element[0]->str, "ACL") == 0;
		srv.commands++;
		srv.rights += strcmp(c->element[0]->str, "ACL") == 0;
		for (size_t i = 0; i < c->elements && !quiet; i++)
			snprintf(srv.seen + strlen(srv.seen), sizeof srv.seen - strlen(srv.seen), "%s%s", c->element[i]->str,
				 i + 1 < c->elements ? " " : "\n");
		freeReplyObject(cmd);
		if (reply != NULL && *reply == '\0')
			srv_close();
		else if (reply != NULL)
			assert_int_equal(write(srv.fd, reply, strlen(reply)), strlen(reply));
	}
}

static void srv_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)w, (void)revents;
	int fd = accept(srv.listen_fd, NULL, NULL);
	assert_true(fd >= 0);
	srv_close();
	srv.fd = fd;
	srv.accepted++;
	srv.reader = redisReaderCreate();
	ev_io_init(&srv.rd, srv_read, fd, EV_READ);
	ev_io_start(loop, &srv.rd);
}

/* --- the client's side --- */

static struct {
	struct ap_log log;
	struct ap_conf conf;
	struct ap_redis *r;
	unsigned ups, downs, values, nulls;
	char why[128], last[128];
	bool free_in_reply, send_in_up, reset_in_reply;
} cli;

static void got(void *ctx, const redisReply *reply)
{
	assert_ptr_equal(ctx, &cli);
	if (reply == NULL) {
		cli.nulls++;
	} else {
		cli.values++;
		snprintf(cli.last, sizeof cli.last, "%s", reply->str == NULL ? "" : reply->str);
	}
	if (cli.free_in_reply) {
		ap_redis_free(cli.r);
		cli.r = NULL;
	} else if (cli.reset_in_reply) {
		cli.reset_in_reply = false;
		ap_redis_reset(cli.r, "the_test_says_so");
	}
}

static void up(void *ctx)
{
	(void)ctx;
	cli.ups++;
	if (cli.send_in_up)
		assert_true(ap_redis_sendf(cli.r, got, &cli, "GET k"));
}

static void down(void *ctx, const char *why)
{
	(void)ctx;
	cli.downs++;
	snprintf(cli.why, sizeof cli.why, "%s", why);
}

static void client_start(enum ap_redis_check check)
{
	static const struct ap_redis_events ev = { up, down };
	char err[200] = "";

	cli.r = ap_redis_new(srv.loop, &cli.log, &cli.conf, check, &ev, NULL, err, sizeof err);
	assert_string_equal(err, "");
	assert_non_null(cli.r);
}

/* Turns the loop until cond holds, at most 5 s. */
#define UNTIL(cond) do {                                                        \
		int64_t end_ = ap_mono_ns() + 5000000000;                       \
		while (!(cond) && ap_mono_ns() < end_)                          \
			ev_run(srv.loop, EVRUN_ONCE);                           \
		assert_true(cond);                                              \
	} while (0)

static int setup(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char url[120];

	(void)s;
	memset(&srv, 0, sizeof srv);
	memset(&cli, 0, sizeof cli);
	srv.loop = ev_default_loop(0);
	srv.fd = -1;
	srv.then = fine;
	snprintf(srv.dir, sizeof srv.dir, "/tmp/ap-redis.XXXXXX");
	if (mkdtemp(srv.dir) == NULL)
		return -1;
	snprintf(srv.path, sizeof srv.path, "%s/s", srv.dir);
	snprintf(un.sun_path, sizeof un.sun_path, "%.90s", srv.path);
	srv.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(srv.listen_fd, (struct sockaddr *)&un, sizeof un) == -1 || listen(srv.listen_fd, 8) == -1)
		return -1;
	ev_io_init(&srv.acc, srv_accept, srv.listen_fd, EV_READ);
	ev_io_start(srv.loop, &srv.acc);
	cli.log = (struct ap_log){ .app = "test", .least = AP_ERROR };
	ap_conf_init(&cli.conf);
	snprintf(url, sizeof url, "unix://%s", srv.path);
	conf_set(&cli.conf, "redis.url", url);
	conf_set(&cli.conf, "runtime.command_ms", "100");
	conf_set(&cli.conf, "runtime.backoff_min_ms", "1");
	conf_set(&cli.conf, "runtime.backoff_max_ms", "10");
	return 0;
}

static int teardown(void **s)
{
	(void)s;
	ap_redis_free(cli.r);
	srv_close();
	ev_io_stop(srv.loop, &srv.acc);
	close(srv.listen_fd);
	unlink(srv.path);
	rmdir(srv.dir);
	ap_conf_done(&cli.conf);
	return 0;
}

/* --- the tests --- */

static void it_connects_checks_and_says_up_once(void **s)
{
	(void)s;
	client_start(AP_REDIS_DATASET);
	assert_false(ap_redis_is_up(cli.r));
	UNTIL(cli.ups == 1);
	assert_true(ap_redis_is_up(cli.r));
	assert_string_equal(srv.seen, "ROLE\nFCALL_RO ap_version_v1 0\nHMGET ap:dataset id parts\nPING\n");
	assert_string_equal(ap_redis_dataset(cli.r), DATASET);
	assert_int_equal(cli.downs, 0);
}

static void a_partition_s_connection_asks_the_partition_for_the_data_set(void **s)
{
	static const struct ap_redis_events ev = { up, down };
	char err[200] = "";

	(void)s;
	cli.r = ap_redis_new_part(srv.loop, &cli.log, &cli.conf, AP_REDIS_DATASET, 3, &ev, NULL, err, sizeof err);
	assert_non_null(cli.r);
	UNTIL(cli.ups == 1);
	assert_string_equal(srv.seen, "ROLE\nFCALL_RO ap_version_v1 0\nHMGET ap:{3}:seq ds parts\nPING\n");
	assert_string_equal(ap_redis_dataset(cli.r), DATASET);
}

static void commands_are_answered_in_order(void **s)
{
	(void)s;
	cli.send_in_up = true;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.values == 1);
	assert_string_equal(cli.last, "value");
	const char *argv[] = { "GET", "a b" };
	const size_t len[] = { 3, 3 };
	assert_true(ap_redis_send(cli.r, got, &cli, 0, 2, argv, len));
	assert_true(ap_redis_begin(cli.r, 2));
	ap_redis_arg(cli.r, ap_str_c("GET"));
	ap_redis_arg_u64(cli.r, 18446744073709551615u);
	assert_true(ap_redis_end(cli.r, got, &cli, 0));
	assert_int_equal(ap_redis_pending(cli.r), 2);
	UNTIL(cli.values == 3);
	assert_non_null(strstr(srv.seen, "GET k\nGET a b\nGET 18446744073709551615\n"));
}

static void nothing_is_sent_while_it_is_not_up(void **s)
{
	(void)s;
	client_start(AP_REDIS_PRIMARY);
	assert_false(ap_redis_sendf(cli.r, got, &cli, "GET k"));
	assert_false(ap_redis_begin(cli.r, 1));
	UNTIL(cli.ups == 1);
	assert_int_equal(cli.nulls + cli.values, 0);
}

static void a_reply_that_does_not_come_is_null_at_the_deadline_then_down_then_up_again(void **s)
{
	static const struct answer mute[] = { { "GET", NULL }, { NULL, NULL } };

	(void)s;
	srv.first = mute;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	int64_t began = ap_mono_ns();
	ap_redis_sendf(cli.r, got, &cli, "GET a");
	ap_redis_sendf(cli.r, got, &cli, "GET b");
	UNTIL(cli.downs == 1);
	assert_int_equal(cli.nulls, 2);
	assert_string_equal(cli.why, "deadline");
	assert_in_range((ap_mono_ns() - began) / 1000000, 90, 1000);
	UNTIL(cli.ups == 2);
	assert_int_equal(ap_redis_downs(cli.r), 1);
}

static void a_blocking_command_has_its_own_time_beside_the_deadline(void **s)
{
	static const struct answer mute[] = { { "XREADGROUP", NULL }, { NULL, NULL } };
	const char *argv[] = { "XREADGROUP" };

	(void)s;
	srv.first = mute;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	int64_t began = ap_mono_ns();
	assert_true(ap_redis_send(cli.r, got, &cli, 200, 1, argv, NULL));
	UNTIL(cli.nulls == 1);
	assert_in_range((ap_mono_ns() - began) / 1000000, 290, 2000);
}

static void an_idle_connection_notices_a_server_that_stands_still(void **s)
{
	static const struct answer mute[] = { { "PING", NULL }, { NULL, NULL } };

	(void)s;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	unsigned before = srv.commands;
	UNTIL(srv.commands == before + 2);
	assert_non_null(strstr(srv.seen, "PING\nPING\nPING\n"));
	assert_int_equal(cli.downs, 0);
	srv.first = mute;
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "deadline");
	assert_int_equal(cli.nulls + cli.values, 0);
}

static void a_closed_connection_answers_everything_with_null(void **s)
{
	static const struct answer hang_up[] = { { "GET", "" }, { NULL, NULL } };

	(void)s;
	srv.first = hang_up;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	for (int i = 0; i < 100; i++)
		ap_redis_sendf(cli.r, got, &cli, "GET %d", i);
	UNTIL(cli.downs == 1);
	assert_int_equal(cli.nulls, 100);
	assert_int_equal(ap_redis_pending(cli.r), 0);
}

/* What a check answers, and the word that says why it was not enough. */
static void check_refused(const char *cmd, const char *reply, const char *why)
{
	const struct answer refuse[] = { { cmd, reply }, { NULL, NULL } };

	srv.first = refuse;
	cli.downs = 0;
	client_start(AP_REDIS_DATASET);
	UNTIL(cli.downs >= 2);          /* it goes on trying */
	assert_string_equal(cli.why, why);
	assert_int_equal(cli.ups, 0);
	ap_redis_free(cli.r);
	cli.r = NULL;
	srv.first = NULL;
}

static void a_right_that_is_missing_is_refused_before_anything_is_written(void **s)
{
	(void)s;
	check_refused("ACL", "$54\r\nThis user has no permissions to run the 'xadd' command\r\n", "right_missing");
}

static void a_user_who_may_not_ask_for_his_rights_is_trusted(void **s)
{
	static const struct answer strict[] = { { "ACL", "-NOPERM no\r\n" }, { "CONFIG", "-NOPERM no\r\n" }, { NULL, NULL } };

	(void)s;
	srv.first = strict;
	conf_set(&cli.conf, "redis.appendfsync", "always");
	client_start(AP_REDIS_DATASET);
	UNTIL(cli.ups == 1);
	assert_true(srv.rights > 20);
	assert_int_equal(cli.downs, 0);
}

#define CONFIG_IS(appendonly, n, fsync) "*6\r\n$10\r\nappendonly\r\n" appendonly "$11\r\nappendfsync\r\n$" n "\r\n" fsync "\r\n" \
	"$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"

static void a_server_that_syncs_less_than_asked_for_is_refused(void **s)
{
	(void)s;
	conf_set(&cli.conf, "redis.appendfsync", "always");
	check_refused("CONFIG", CONFIG_IS("$3\r\nyes\r\n", "8", "everysec"), "appendfsync_weaker");
}

static void a_server_without_a_file_is_refused_whatever_it_says_of_syncing(void **s)
{
	(void)s;
	conf_set(&cli.conf, "redis.appendfsync", "everysec");
	check_refused("CONFIG", CONFIG_IS("$2\r\nno\r\n", "6", "always"), "appendfsync_weaker");
}

static void a_server_that_syncs_as_asked_for_is_taken(void **s)
{
	static const struct answer good[] = { { "CONFIG", CONFIG_IS("$3\r\nyes\r\n", "6", "always") }, { NULL, NULL } };

	(void)s;
	srv.first = good;
	conf_set(&cli.conf, "redis.appendfsync", "always");
	client_start(AP_REDIS_DATASET);
	UNTIL(cli.ups == 1);
}

static void a_primary_that_became_a_replica_is_left_at_its_first_refusal(void **s)
{
	static const struct answer now[] = { { "GET", "-READONLY You can't write against a read only replica.\r\n" }, { NULL, NULL } };

	(void)s;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	srv.first = now;
	assert_true(ap_redis_sendf(cli.r, got, &cli, "GET k"));
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "read_only");
	assert_memory_equal(cli.last, "READONLY", 8);
	UNTIL(cli.ups == 2);
}

static void a_key_of_another_slot_is_its_sender_s_mistake_and_no_loss(void **s)
{
	static const struct answer moved[] = { { "GET", "-MOVED 1 127.0.0.1:1\r\n" }, { NULL, NULL } };

	(void)s;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	srv.first = moved;
	cli.log.least = AP_ERROR + 1;
	assert_true(ap_redis_sendf(cli.r, got, &cli, "GET k"));
	UNTIL(cli.values == 1);
	assert_memory_equal(cli.last, "MOVED", 5);
	assert_true(ap_redis_is_up(cli.r));
}

static void waited(void *ctx, enum ap_redis_wait rc)
{
	*(int *)ctx = (int)rc;
}

static void replicas_are_waited_for_and_too_few_are_said(void **s)
{
	static const struct answer none[] = { { "WAIT", ":0\r\n" }, { NULL, NULL } }, two[] = { { "WAIT", ":2\r\n" }, { NULL, NULL } };
	int rc = -1;

	(void)s;
	conf_set(&cli.conf, "redis.wait_replicas", "2");
	cli.log.least = AP_ERROR + 1;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	srv.first = none;
	assert_true(ap_redis_wait(cli.r, waited, &rc));
	UNTIL(rc == AP_REDIS_WAIT_SHORT);
	assert_true(ap_redis_wait_short(cli.r));
	srv.first = two;
	assert_true(ap_redis_wait(cli.r, waited, &rc));
	UNTIL(rc == AP_REDIS_WAIT_DONE);
	assert_false(ap_redis_wait_short(cli.r));
	assert_non_null(strstr(srv.seen, "WAIT 2 "));
}

static void a_replica_is_refused(void **s)
{
	(void)s;
	check_refused("ROLE", "*5\r\n$5\r\nslave\r\n$1\r\nx\r\n:1\r\n$9\r\nconnected\r\n:0\r\n", "not_primary:unexpected_reply");
}

static void missing_functions_are_refused(void **s)
{
	(void)s;
	check_refused("FCALL_RO", "-ERR Function not found\r\n", "functions_missing:ERR");
}

static void another_version_of_the_functions_is_refused(void **s)
{
	(void)s;
	check_refused("FCALL_RO", "$13\r\nalphapulse_v2\r\n", "functions_missing:unexpected_reply");
}

static void a_missing_data_set_is_refused(void **s)
{
	(void)s;
	check_refused("HMGET", "*2\r\n$-1\r\n$-1\r\n", "dataset_missing");
}

static void a_data_set_of_other_partitions_is_refused(void **s)
{
	(void)s;
	check_refused("HMGET", "*2\r\n$36\r\n" DATASET "\r\n$1\r\n8\r\n", "dataset_has_other_partitions");
}

static void a_loading_server_is_tried_again(void **s)
{
	(void)s;
	check_refused("PING", "-LOADING Redis is loading the dataset in memory\r\n", "ping:LOADING");
}

static void another_data_set_after_a_reconnect_is_refused(void **s)
{
	static const struct answer other[] = { { "HMGET", "*2\r\n$36\r\n99999999-2222-4333-8444-555555555555\r\n$1\r\n4\r\n" },
					       { NULL, NULL } };

	(void)s;
	client_start(AP_REDIS_DATASET);
	UNTIL(cli.ups == 1);
	srv.first = other;
	ap_redis_reset(cli.r, "test");
	UNTIL(cli.downs >= 2);
	assert_string_equal(cli.why, "dataset_changed");
	assert_int_equal(cli.ups, 1);
}

static void what_is_no_protocol_closes_the_connection(void **s)
{
	static const struct answer junk[] = { { "GET", "HTTP/1.1 200 OK\r\n" }, { NULL, NULL } };

	(void)s;
	srv.first = junk;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	ap_redis_sendf(cli.r, got, &cli, "GET k");
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "protocol_error");
	assert_int_equal(cli.nulls, 1);
}

static void an_array_of_two_billion_elements_is_not_allocated(void **s)
{
	static const struct answer huge[] = { { "GET", "*2147483647\r\n" }, { NULL, NULL } };

	(void)s;
	srv.first = huge;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	ap_redis_sendf(cli.r, got, &cli, "GET k");
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "protocol_error");
}

static void an_array_within_an_array_of_too_many_is_refused_too(void **s)
{
	static const struct answer huge[] = { { "GET", "*2\r\n$1\r\na\r\n*1048577\r\n" }, { NULL, NULL } };

	(void)s;
	srv.first = huge;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	ap_redis_sendf(cli.r, got, &cli, "GET k");
	UNTIL(cli.downs == 1);
	assert_int_equal(cli.nulls, 1);
}

static void a_reply_nobody_asked_for_closes_the_connection(void **s)
{
	static const struct answer twice[] = { { "GET", "+one\r\n+two\r\n" }, { NULL, NULL } };

	(void)s;
	srv.first = twice;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	ap_redis_sendf(cli.r, got, &cli, "GET k");
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "unasked_reply");
	assert_int_equal(cli.values, 1);
}

static void it_may_be_freed_in_a_reply(void **s)
{
	(void)s;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	cli.free_in_reply = true;
	ap_redis_sendf(cli.r, got, &cli, "GET a");
	ap_redis_sendf(cli.r, got, &cli, "GET b");
	UNTIL(cli.values == 1);
	for (int i = 0; i < 5; i++)
		ev_run(srv.loop, EVRUN_NOWAIT);
	assert_int_equal(cli.values + cli.nulls, 1);
}

static void it_may_be_freed_while_everything_is_answered_with_null(void **s)
{
	static const struct answer hang_up[] = { { "GET", "" }, { NULL, NULL } };

	(void)s;
	srv.first = hang_up;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	cli.free_in_reply = true;
	ap_redis_sendf(cli.r, got, &cli, "GET a");
	ap_redis_sendf(cli.r, got, &cli, "GET b");
	UNTIL(cli.nulls == 1);
	assert_int_equal(cli.downs, 0);
}

static void a_reset_in_a_reply_drops_the_rest_and_comes_back(void **s)
{
	(void)s;
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	cli.reset_in_reply = true;
	ap_redis_sendf(cli.r, got, &cli, "GET a");
	ap_redis_sendf(cli.r, got, &cli, "GET b");
	UNTIL(cli.downs == 1);
	assert_int_equal(cli.values, 1);
	assert_int_equal(cli.nulls, 1);
	assert_string_equal(cli.why, "the_test_says_so");
	UNTIL(cli.ups == 2);
}

static void a_large_command_arrives_whole(void **s)
{
	enum { N = 3 * 1024 * 1024 };
	char *big = malloc(N);
	const char *argv[] = { "GET", big };
	const size_t len[] = { 3, N };

	(void)s;
	assert_non_null(big);
	memset(big, 'x', N);
	conf_set(&cli.conf, "runtime.command_ms", "3000");
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	srv.seen[0] = '\0';
	ap_redis_send(cli.r, got, &cli, 0, 2, argv, len);
	UNTIL(cli.values == 1);
	assert_memory_equal(srv.seen, "GET xxxx", 8);
	free(big);
}

static void more_than_the_send_buffer_holds_drops_the_connection(void **s)
{
	enum { N = 40 * 1024 * 1024 };
	char *big = calloc(1, N);
	const char *argv[] = { "GET", big };
	const size_t len[] = { 3, N };

	(void)s;
	assert_non_null(big);
	client_start(AP_REDIS_PRIMARY);
	UNTIL(cli.ups == 1);
	assert_true(ap_redis_send(cli.r, got, &cli, 0, 2, argv, len));
	assert_false(ap_redis_send(cli.r, got, &cli, 0, 2, argv, len));
	assert_false(ap_redis_is_up(cli.r));
	UNTIL(cli.downs == 1);
	assert_string_equal(cli.why, "send_buffer_full");
	assert_int_equal(cli.nulls, 1);
	free(big);
}

static void a_password_is_sent_from_its_file_with_the_user(void **s)
{
	char path[120];

	(void)s;
	snprintf(path, sizeof path, "%s/pass", srv.dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("s3cret\n", f);
	fclose(f);
	conf_set(&cli.conf, "redis.password_file", path);
	conf_set(&cli.conf, "redis.user", "candle");
	client_start(AP_REDIS_BARE);
	UNTIL(cli.ups == 1);
	unlink(path);
	assert_memory_equal(srv.seen, "AUTH candle s3cret\n", 19);
}

static void a_password_file_that_is_not_there_is_tried_again(void **s)
{
	(void)s;
	conf_set(&cli.conf, "redis.password_file", "/nowhere/at/all");
	client_start(AP_REDIS_BARE);
	UNTIL(cli.downs >= 2);
	assert_string_equal(cli.why, "password_file_unreadable");
}

static void a_server_that_is_not_there_is_tried_again(void **s)
{
	(void)s;
	conf_set(&cli.conf, "redis.url", "unix:///nowhere/at/all");
	client_start(AP_REDIS_BARE);
	UNTIL(cli.downs >= 3);
	assert_int_equal(cli.ups, 0);
}

static void urls_that_say_nothing_usable_are_refused_with_a_sentence(void **s)
{
	static const char *const bad[] = { "http://x", "redis://", "redis://user:pw@h:1", "unix://relative", "redis://127.0.0.1:6379/abc",
					   "redis://127.0.0.1:123456789", "rediss://127.0.0.1" };
	char err[200];

	(void)s;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		conf_set(&cli.conf, "redis.url", bad[i]);
		err[0] = '\0';
		assert_null(ap_redis_new(srv.loop, &cli.log, &cli.conf, AP_REDIS_BARE, NULL, NULL, err, sizeof err));
		assert_memory_equal(err, "redis.url", 9);
	}
}

static void a_database_number_is_selected(void **s)
{
	(void)s;
	conf_set(&cli.conf, "redis.url", "redis://127.0.0.1:1/7");
	char err[200];
	struct ap_redis *r = ap_redis_new(srv.loop, &cli.log, &cli.conf, AP_REDIS_BARE, NULL, NULL, err, sizeof err);
	assert_non_null(r);
	ap_redis_free(r);
	conf_set(&cli.conf, "redis.url", "redis://[::1]:6379/0");
	r = ap_redis_new(srv.loop, &cli.log, &cli.conf, AP_REDIS_BARE, NULL, NULL, err, sizeof err);
	assert_non_null(r);
	ap_redis_free(r);
}

static void replies_are_looked_at_without_surprise(void **s)
{
	const char *resp = "*4\r\n$2\r\nOK\r\n:7\r\n$2\r\n42\r\n$-1\r\n";
	redisReader *reader = redisReaderCreate();
	void *p = NULL;

	(void)s;
	redisReaderFeed(reader, resp, strlen(resp));
	assert_int_equal(redisReaderGetReply(reader, &p), REDIS_OK);
	assert_non_null(p);
	assert_string_equal(ap_reply_word(p), "OK");
	assert_int_equal(ap_reply_u64(p, 1, 9), 7);
	assert_int_equal(ap_reply_u64(p, 2, 9), 42);
	assert_int_equal(ap_reply_u64(p, 3, 9), 9);
	assert_int_equal(ap_reply_u64(p, 4, 9), 9);
	assert_int_equal(ap_reply_u64(p, 0, 9), 9);
	assert_int_equal(ap_reply_text(p, 3).len, 0);
	assert_string_equal(ap_reply_word(NULL), "");
	freeReplyObject(p);
	redisReaderFree(reader);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_connects_checks_and_says_up_once),
		T(a_partition_s_connection_asks_the_partition_for_the_data_set), T(commands_are_answered_in_order), T(nothing_is_sent_while_it_is_not_up),
		T(a_reply_that_does_not_come_is_null_at_the_deadline_then_down_then_up_again),
		T(a_blocking_command_has_its_own_time_beside_the_deadline), T(an_idle_connection_notices_a_server_that_stands_still),
		T(a_closed_connection_answers_everything_with_null),
		T(a_right_that_is_missing_is_refused_before_anything_is_written), T(a_user_who_may_not_ask_for_his_rights_is_trusted),
		T(a_server_that_syncs_less_than_asked_for_is_refused), T(a_server_without_a_file_is_refused_whatever_it_says_of_syncing),
		T(a_server_that_syncs_as_asked_for_is_taken), T(a_primary_that_became_a_replica_is_left_at_its_first_refusal),
		T(a_key_of_another_slot_is_its_sender_s_mistake_and_no_loss), T(replicas_are_waited_for_and_too_few_are_said),
		T(a_replica_is_refused), T(missing_functions_are_refused), T(another_version_of_the_functions_is_refused),
		T(a_missing_data_set_is_refused), T(a_data_set_of_other_partitions_is_refused), T(a_loading_server_is_tried_again),
		T(another_data_set_after_a_reconnect_is_refused), T(what_is_no_protocol_closes_the_connection),
		T(an_array_of_two_billion_elements_is_not_allocated), T(an_array_within_an_array_of_too_many_is_refused_too),
		T(a_reply_nobody_asked_for_closes_the_connection), T(it_may_be_freed_in_a_reply),
		T(it_may_be_freed_while_everything_is_answered_with_null), T(a_reset_in_a_reply_drops_the_rest_and_comes_back),
		T(a_large_command_arrives_whole), T(more_than_the_send_buffer_holds_drops_the_connection),
		T(a_password_is_sent_from_its_file_with_the_user), T(a_password_file_that_is_not_there_is_tried_again),
		T(a_server_that_is_not_there_is_tried_again), T(urls_that_say_nothing_usable_are_refused_with_a_sentence),
		T(a_database_number_is_selected), T(replies_are_looked_at_without_surprise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
