/*
 * cmd_drain.c - waits until all that was sent has been stored.
 *
 * First ap-ingest is asked on its acknowledging socket to append everything it has received; then every stage, in the
 * order of the flow, must have taken what its input held. What is sent meanwhile is not waited for.
 */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
	return ap_mono_ns() / 1000000;
}

/* Asks ap-ingest to append what it holds. 1: done, 0: time is up, -1: it is not there. */
static int sync_ingest(const struct ctl *c, int64_t until_ms)
{
	static const char ask[] = "{\"ap\":\"sync\"}\n";
	char answer[512];
	size_t len = 0;
	int rc = -1, fd = ctl_connect(c->app.conf.ingest_ack);
	if (fd == -1)
		return -1;
	if (send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
		goto out;
	while (len < sizeof answer && memchr(answer, '\n', len) == NULL) {
		int64_t left = until_ms - now_ms();
		struct pollfd p = { fd, POLLIN, 0 };
		if (left <= 0 || poll(&p, 1, (int)(left < 1000 ? left : 1000)) == -1) {
			rc = 0;
			goto out;
		}
		ssize_t n = p.revents != 0 ? recv(fd, answer + len, sizeof answer - len, 0) : 0;
		if (p.revents != 0 && n <= 0)
			goto out;
		len += (size_t)n;
	}
	rc = memmem(answer, len, "\"ok\":true", 9) != NULL ? 1 : -1;
out:
	close(fd);
	return rc;
}

/* The servers, as often as it takes: one that is being restarted is worth waiting for. False: time is up. */
static bool connect_both(const struct ctl *c, int64_t until_ms, redisContext **r, PGconn **pg)
{
	const struct timespec nap = { 0, 100000000 };
	char err[1024] = "";
	for (;;) {
		*r = ctl_redis_quiet(c, err, sizeof err);
		*pg = *r != NULL ? ctl_pg_quiet(c, err, sizeof err) : NULL;
		if (*pg != NULL)
			return true;
		if (*r != NULL)
			redisFree(*r);
		if (now_ms() >= until_ms) {
			ctl_fail(AP_EX_AGAIN, "%s", err);
			return false;
		}
		nanosleep(&nap, NULL);
	}
}

static bool is_stage(const struct ctl_pos *p, const char *stage)
{
	return strncmp(p->stage, stage, strlen(stage)) == 0;
}

/* Entries that the stage has yet to take of what was there when `goal` was noted; -1 after saying why: a server went away. */
static int64_t stage_behind(const struct ctl *c, redisContext *r, PGconn *pg, const char *stage, const struct ctl_pos *goal, int n)
{
	static struct ctl_pos pos[AP_PARTS_MAX * 9];
	int64_t behind = 0;
	if (ctl_positions(c, r, pg, pos, sizeof pos / sizeof pos[0]) != n)
		return -1;
	for (int i = 0; i < n; i++)
		if (is_stage(&pos[i], stage) && pos[i].q < goal[i].q_end)
			behind += (int64_t)(goal[i].q_end - pos[i].q);
	return behind;
}

/* The stages in the order of the flow. */
static const char *const order[] = { "normalize", "candle", "indicators", "persist" };

/*
 * Waits until the stage has taken everything that was there when it was asked; at most until until_ms, and if stall_ms > 0 no longer
 * than that without a step.
 */
static int wait_stage(const struct ctl *c, redisContext *r, PGconn *pg, const char *stage, int64_t until_ms, int64_t stall_ms)
{
	static struct ctl_pos goal[AP_PARTS_MAX * 9];
	const struct timespec nap = { 0, 20000000 };
	int n = ctl_positions(c, r, pg, goal, sizeof goal / sizeof goal[0]);
	int64_t last = -1;
	for (;;) {
		int64_t behind = n >= 0 ? stage_behind(c, r, pg, stage, goal, n) : -1;
		if (behind <= 0)
			return behind == 0 ? 0 : AP_EX_AGAIN;
		if (stall_ms > 0 && behind != last)
			until_ms = now_ms() + stall_ms;
		last = behind;
		if (now_ms() >= until_ms)
			return ctl_fail(CTL_EX_TIMEOUT, "time is up: %s is still %" PRId64 " entries behind", stage, behind);
		nanosleep(&nap, NULL);
	}
}

int ctl_drain(const struct ctl *c, redisContext *r, PGconn *pg, uint64_t stall_s)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof order / sizeof order[0]; i++)
		rc = wait_stage(c, r, pg, order[i], 0, (int64_t)stall_s * 1000);
	return rc;
}

int cmd_drain(struct ctl *c)
{
	uint64_t timeout_s;
	redisContext *r;
	PGconn *pg;
	if (!ctl_flag_u64(c, "timeout", 60, 1, 86400, &timeout_s))
		return AP_EX_MISTAKE;
	int64_t until = now_ms() + (int64_t)timeout_s * 1000;
	if (!connect_both(c, until, &r, &pg))
		return AP_EX_AGAIN;
	int rc = 0, synced = sync_ingest(c, until);
	if (synced < 0)
		fprintf(stderr, "apctl: ap-ingest does not answer at %s; waiting for what is in the streams\n", c->app.conf.ingest_ack);
	if (synced == 0)
		rc = ctl_fail(CTL_EX_TIMEOUT, "ap-ingest has not appended all it holds after %" PRIu64 " s", timeout_s);
	for (size_t i = 0; rc == 0 && i < sizeof order / sizeof order[0]; i++)
		rc = wait_stage(c, r, pg, order[i], until, 0);
	PQfinish(pg);
	redisFree(r);
	return rc;
}
