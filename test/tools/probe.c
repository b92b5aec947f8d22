/*
 * probe.c - how long until a trade that is sent now has come out at the other end of a running pipeline.
 *
 *   probe now                                      the monotonic clock, ms
 *   probe [-s SINCE_MS] [-t SECONDS] [-p PARTS] [-i] HOST:PORT PG_URL
 *
 * Sends one trade into every partition, to ap-ingest's acknowledging socket, and waits until each has its row, its bar of one
 * trade and (with -i) that bar's indicator value in PostgreSQL. A connection that breaks before the answer is made anew and the
 * trade sent again, as a client does that wants to be sure. Prints acked_ms= and flow_ms=, counted from SINCE_MS (default: the start).
 * Exit 1: not within SECONDS (default 60), with what was missing. The pipeline must build bars "tick1" of symbols PRB*.
 *
 * Nothing here blocks for longer than a second, whatever the servers do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/core/part.h"
#include "dial.h"

enum { PARTS_MAX = 64, STEP_MS = 10, REPLY_MS = 1000 };

struct probe {
	const char *where, *pg_url;
	unsigned parts;
	bool indicators;
	int64_t since_ms, until_ms, acked_ms, wall_ms;
	char symbol[PARTS_MAX][16], id[32], missing[160];
	int fd;
	size_t lines;                   /* answers on this connection */
	PGconn *pg;
};

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static void nap(void)
{
	const struct timespec t = { 0, STEP_MS * 1000000 };

	nanosleep(&t, NULL);
}

/* One symbol for each partition. */
static void symbols_choose(struct probe *p)
{
	unsigned left = p->parts;

	for (unsigned k = 0; left > 0; k++) {
		char name[16];
		snprintf(name, sizeof name, "PRB%u-USD", k);
		unsigned at = ap_part(ap_str_c("probe"), ap_str_c(name), p->parts);
		if (p->symbol[at][0] != '\0')
			continue;
		memcpy(p->symbol[at], name, sizeof name);
		left--;
	}
}

/* --- sending ------------------------------------------------------------------ */

static void send_all(struct probe *p)
{
	char text[256 * PARTS_MAX];
	size_t len = 0;

	p->fd = dial_at(p->where);
	p->lines = 0;
	if (p->fd == -1)
		return;
	for (unsigned i = 0; i < p->parts; i++)
		len += (size_t)snprintf(text + len, sizeof text - len,
					"{\"source\":\"probe\",\"symbol\":\"%s\",\"price\":\"1\",\"quantity\":\"1\",\"timestamp\":%" PRId64 ",\"trade_id\":\"%s\"}\n",
					p->symbol[i], p->wall_ms, p->id);
	if (send(p->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) {
		close(p->fd);
		p->fd = -1;
	}
}

/* Takes what was answered; a broken connection begins again. */
static void answers_take(struct probe *p)
{
	char in[4096];

	if (p->acked_ms != 0)
		return;
	if (p->fd == -1)
		send_all(p);
	if (p->fd == -1)
		return;
	ssize_t n = recv(p->fd, in, sizeof in, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < n; i++)
		p->lines += in[i] == '\n';
	if (n <= 0 || p->lines >= p->parts) {
		close(p->fd);
		p->fd = -1;
	}
	if (n > 0 && p->lines >= p->parts)
		p->acked_ms = now_ms();
}

/* --- looking ------------------------------------------------------------------ */

static bool socket_ready(PGconn *pg, short events, int64_t until_ms)
{
	struct pollfd f = { PQsocket(pg), events, 0 };
	int64_t left = until_ms - now_ms();

	return left > 0 && poll(&f, 1, (int)left) == 1;
}

static void pg_close(struct probe *p)
{
	PQfinish(p->pg);
	p->pg = NULL;
}

static bool pg_open(struct probe *p)
{
	int64_t until = now_ms() + REPLY_MS;

	if (p->pg != NULL)
		return true;
	p->pg = PQconnectStart(p->pg_url);
	for (PostgresPollingStatusType st = PGRES_POLLING_WRITING; p->pg != NULL && PQstatus(p->pg) != CONNECTION_BAD;) {
		if (!socket_ready(p->pg, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
			break;
		st = PQconnectPoll(p->pg);
		if (st == PGRES_POLLING_OK)
			return true;
		if (st == PGRES_POLLING_FAILED)
			break;
	}
	pg_close(p);
	return false;
}

/* The last result, or NULL; the caller clears it. */
static PGresult *pg_ask(struct probe *p, const char *sql)
{
	int64_t until = now_ms() + REPLY_MS;
	PGresult *last = NULL, *r;

	if (!PQsendQuery(p->pg, sql))
		return NULL;
	for (;;) {
		while (PQisBusy(p->pg))
			if (!socket_ready(p->pg, POLLIN, until) || !PQconsumeInput(p->pg)) {
				PQclear(last);
				return NULL;
			}
		r = PQgetResult(p->pg);
		if (r == NULL)
			return last;
		PQclear(last);
		last = r;
	}
}

/* Whether all rows are there; what is not is noted. */
static bool arrived(struct probe *p)
{
	char sql[1024];

	if (!pg_open(p)) {
		snprintf(p->missing, sizeof p->missing, "PostgreSQL");
		return false;
	}
	snprintf(sql, sizeof sql,
		 "SELECT (SELECT count(*) FROM normalized_data WHERE source = 'probe' AND trade_id = '%s' AND validation_status = 'valid' "
		 "AND timestamp >= to_timestamp(%" PRId64 "/1000.0) - interval '1 s'), "
		 "(SELECT count(DISTINCT symbol) FROM realtime_candles WHERE source = 'probe' AND timeframe = 'tick1' AND open_time >= to_timestamp(%" PRId64 "/1000.0)), "
		 "(SELECT count(DISTINCT symbol) FROM technical_indicators WHERE source = 'probe' AND timeframe = 'tick1' AND timestamp >= to_timestamp(%" PRId64 "/1000.0))",
		 p->id, p->wall_ms, p->wall_ms, p->wall_ms);
	PGresult *r = pg_ask(p, sql);
	if (r == NULL || PQresultStatus(r) != PGRES_TUPLES_OK) {
		PQclear(r);
		pg_close(p);
		return false;
	}
	unsigned long rows = strtoul(PQgetvalue(r, 0, 0), NULL, 10), bars = strtoul(PQgetvalue(r, 0, 1), NULL, 10),
		      values = strtoul(PQgetvalue(r, 0, 2), NULL, 10);
	PQclear(r);
	snprintf(p->missing, sizeof p->missing, "%lu rows, %lu bars, %lu values of %u", rows, bars, values, p->parts);
	return rows >= p->parts && bars >= p->parts && (values >= p->parts || !p->indicators);
}

static int run(struct probe *p)
{
	symbols_choose(p);
	p->wall_ms = clock_ms(CLOCK_REALTIME);
	snprintf(p->id, sizeof p->id, "%" PRId64 ".%ld", now_ms(), (long)getpid());
	while (now_ms() < p->until_ms) {
		answers_take(p);
		if (p->acked_ms != 0 && arrived(p)) {
			int64_t t = now_ms();
			printf("acked_ms=%" PRId64 " flow_ms=%" PRId64 "\n", p->acked_ms - p->since_ms, t - p->since_ms);
			pg_close(p);
			return 0;
		}
		nap();
	}
	printf("acked=%s missing: %s\n", p->acked_ms != 0 ? "yes" : "no", p->acked_ms != 0 ? p->missing : "an answer of ap-ingest");
	pg_close(p);
	return 1;
}

int main(int argc, char **argv)
{
	struct probe p = { .parts = 4, .fd = -1, .since_ms = now_ms() };
	int64_t seconds = 60;
	int o;

	if (argc == 2 && strcmp(argv[1], "now") == 0) {
		printf("%" PRId64 "\n", p.since_ms);
		return 0;
	}
	while ((o = getopt(argc, argv, "s:t:p:i")) != -1) {
		switch (o) {
		case 's': p.since_ms = strtoll(optarg, NULL, 10); break;
		case 't': seconds = strtoll(optarg, NULL, 10); break;
		case 'p': p.parts = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'i': p.indicators = true; break;
		default: return 100;
		}
	}
	if (argc - optind != 2 || p.parts < 1 || p.parts > PARTS_MAX) {
		fprintf(stderr, "usage: probe now | probe [-s SINCE_MS] [-t SECONDS] [-p PARTS] [-i] HOST:PORT PG_URL\n");
		return 100;
	}
	p.where = argv[optind];
	p.pg_url = argv[optind + 1];
	p.until_ms = now_ms() + seconds * 1000;
	return run(&p);
}
