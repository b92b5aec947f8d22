/*
 * cmd_rebuild.c - fills a Redis that was lost again, from the journals, under the data set's own identity.
 *
 * PostgreSQL's cursors say where ids and sequence numbers go on, so the sink follows without a gap and what it has stored
 * already meets itself. Stages begin at nothing and make their state anew from the records. Cut off anywhere, it is
 * simply run again: the marks of the producers in Redis say what is there.
 */
#include "rebuild.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_RECORDS = 8192,            /* appended between two looks at how far ap-normalize is behind */
	TRIM_MS = 2000,
	SAY_MS = 1000,
	REST = 20000,                   /* a live producer with fewer records than this behind what is done brings them itself */
	TRIES = 60,                     /* passes in a row that got nowhere */
};

struct rebuild {
	struct ctl *c;
	redisContext *r;
	PGconn *pg;
	struct ctl_dataset d;
	struct journals j;
	uint64_t stall_s, shown_len;
	int64_t began_ms, said_ms, trimmed_ms, moved_ms;
	int64_t filled_ms;              /* when the last record was in Redis */
	uint64_t taken;                 /* by ap-normalize, in all partitions, at the last look */
	struct filler_counts n;         /* of all passes that ended or were cut off */
	bool kept;                      /* dataset.kept_before has been set */
	bool tty;
};

static int64_t now_ms(void)
{
	return ap_mono_ns() / 1000000;
}

static void nap(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* --- while it runs ------------------------------------------------------------------------------- */

static void progress(struct rebuild *b, const struct filler_counts *n, const char *what)
{
	int64_t now = now_ms(), took = now - b->began_ms;
	uint64_t done = b->n.put + n->put;
	double rate = took > 0 ? (double)done * 1000 / (double)took : 0, part = b->j.bytes > 0 ? (double)b->j.done / (double)b->j.bytes : 1;
	int64_t left_s = part > 0.001 && part < 1 ? (int64_t)((double)took / part * (1 - part) / 1000) : 0;

	if (now - b->said_ms < (b->tty ? SAY_MS / 4 : 5 * SAY_MS))
		return;
	b->said_ms = now;
	fprintf(stderr, "%srebuild: %5.1f %%  %" PRIu64 " records  %.0f/s  ETA %" PRId64 ":%02" PRId64 "  %-12s%s", b->tty ? "\r" : "", part * 100, done, rate,
		left_s / 60, left_s % 60, what, b->tty ? "" : "\n");
}

static void trim_one(struct rebuild *b, unsigned p, const char *stream, const char *reader, const char *id)
{
	char key[40], state[40];
	const char *alone[] = { "FCALL", "ap_trim_v1", "1", key, "1", id, "0" }, *read[] = { "FCALL", "ap_trim_v1", "2", key, state, "1", id, "1" };

	(void)snprintf(key, sizeof key, "ap:{%u}:%s", p, stream);
	(void)snprintf(state, sizeof state, "ap:{%u}:state:%s", p, reader != NULL ? reader : "");
	freeReplyObject(reader != NULL ? ctl_keyv(b->c, b->r, key, 8, read) : ctl_keyv(b->c, b->r, key, 7, alone));
}

/* What PostgreSQL has confirmed and every stage has taken need not stay: a rebuild is faster than any clock. */
static void trim(struct rebuild *b)
{
	static const char *const streams[] = { "raw", "tick", "reject", "candle", "indicator", "signal" };
	static const char *const reader[] = { "normalize", "candle", NULL, "indicators", NULL, NULL };

	if (now_ms() - b->trimmed_ms < TRIM_MS)
		return;
	b->trimmed_ms = now_ms();
	for (unsigned p = 0; p < b->c->app.conf.data_partitions; p++)
		for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
			redisReply *a = ctl_key(b->c, b->r, "HGET ap:{%u}:state:persist %s:c", p, streams[i]);

			if (a != NULL && a->type == REDIS_REPLY_STRING)
				trim_one(b, p, streams[i], reader[i], a->str);
			freeReplyObject(a);
		}
}

/* The most that ap-normalize is behind in a partition; UINT64_MAX: Redis does not answer. */
static uint64_t lag(struct rebuild *b)
{
	uint64_t worst = 0, taken = 0;

	for (unsigned p = 0; p < b->c->app.conf.data_partitions; p++) {
		redisReply *h = ctl_key(b->c, b->r, "HGET ap:{%u}:seq raw:n", p), *n = ctl_key(b->c, b->r, "HGET ap:{%u}:state:normalize n", p);
		uint64_t head = h != NULL && h->str != NULL ? strtoull(h->str, NULL, 10) : 0, has = n != NULL && n->str != NULL ? strtoull(n->str, NULL, 10) : 0;
		const bool ok = h != NULL && n != NULL;

		freeReplyObject(h);
		freeReplyObject(n);
		if (!ok)
			return UINT64_MAX;
		worst = head > has && head - has > worst ? head - has : worst;
		taken += has;
	}
	if (taken != b->taken) {
		b->taken = taken;
		b->moved_ms = now_ms();
	}
	return worst;
}

/* Waits until the stages have caught up far enough, as ap-ingest does. False: nothing moves any more. */
static bool hold(struct rebuild *b, const struct filler_counts *n)
{
	uint64_t most = b->c->app.conf.runtime_stream_max, behind = lag(b);

	trim(b);
	b->moved_ms = behind <= most ? now_ms() : b->moved_ms;
	while (behind > most / 10 * 9 && behind != UINT64_MAX) {
		if (now_ms() - b->moved_ms > (int64_t)b->stall_s * 1000) {
			ctl_fail(CTL_EX_TIMEOUT, "ap-normalize has taken nothing for %" PRIu64 " s: are the stages running? Start them, then run this again: it goes on",
				 b->stall_s);
			return false;
		}
		progress(b, n, "stages");
		nap(20);
		trim(b);
		behind = lag(b);
	}
	return true;
}

/* --- what the journals lack -------------------------------------------------------------------------------- */

/* Rows of intervals before `when`, an SQL expression, are only replaced by higher revisions. */
static int keep_before(struct rebuild *b, const char *when)
{
	char sql[100];
	PGresult *w;
	int rc = 0;

	(void)snprintf(sql, sizeof sql, "UPDATE dataset SET kept_before = %s", when);
	w = PQexec(b->pg, sql);
	if (PQresultStatus(w) != PGRES_COMMAND_OK)
		rc = ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(b->pg));
	PQclear(w);
	return rc;
}

/*
 * A journal that no longer reaches back to its beginning, or has lost records in between, gives candles without their
 * first trades and indicators that warm up anew. What is stored of intervals before now is the better one then.
 */
static int keep_stored(struct rebuild *b)
{
	int rc = b->kept ? 0 : keep_before(b, "now()");

	b->kept = rc == 0;
	return rc;
}

/* Says what is missing in front of the record that comes next, before that one is put. */
static bool tell_gaps(struct rebuild *b, struct source_dir *d)
{
	char text[300];

	if (d->gaps_told == d->gaps_n)
		return true;
	for (; d->gaps_told < d->gaps_n; d->gaps_told++) {
		journal_gap_text(&d->gaps[d->gaps_told], text, sizeof text);
		fprintf(stderr, "%sapctl: journal of %s: %s\n", b->tty ? "\n" : "", d->producer, text);
	}
	return keep_stored(b) == 0;
}

/* --- one pass over the journals ----------------------------------------------------------------------- */

enum pass { PASS_DONE, PASS_AGAIN, PASS_GIVE_UP };

static enum pass pass_records(struct rebuild *b, struct filler *f)
{
	uint64_t looked = 0;
	struct source_dir *d;

	while ((d = journals_next(&b->j)) != NULL) {
		if (!filler_put(f, (size_t)(d - b->j.v), &d->rec) || !journals_step(&b->j, d) || !tell_gaps(b, d))
			return PASS_AGAIN;
		if (filler_counts(f)->put - looked < LOOK_RECORDS)
			continue;
		looked = filler_counts(f)->put;
		/* Answers to frames that are out would be taken for those of a look. */
		if (!filler_flush(f))
			return PASS_AGAIN;
		if (!hold(b, filler_counts(f)))
			return PASS_GIVE_UP;
		progress(b, filler_counts(f), "journals");
	}
	return filler_flush(f) ? PASS_DONE : PASS_AGAIN;
}

static enum pass pass(struct rebuild *b)
{
	struct filler *f = filler_new(b->c, b->r, b->j.n);
	enum pass rc = PASS_DONE;

	if (f == NULL)
		return PASS_AGAIN;
	b->j.err[0] = '\0';
	for (size_t i = 0; rc == PASS_DONE && i < b->j.n; i++)
		if (!filler_marks(f, i, b->j.v[i].producer, &b->j.v[i].from))
			rc = PASS_AGAIN;
	if (rc == PASS_DONE && !journals_start(&b->j))
		rc = PASS_AGAIN;
	for (size_t i = 0; rc == PASS_DONE && i < b->j.n; i++)
		if (!tell_gaps(b, &b->j.v[i]))
			rc = PASS_AGAIN;
	if (rc == PASS_DONE)
		rc = pass_records(b, f);
	if (rc == PASS_AGAIN)
		fprintf(stderr, "%sapctl: %s; trying again\n", b->tty ? "\n" : "", b->j.err[0] != '\0' ? b->j.err : filler_err(f));
	b->n.put += filler_counts(f)->put;
	b->n.had += filler_counts(f)->had;
	b->n.bad = filler_counts(f)->bad;
	b->n.frames += filler_counts(f)->frames;
	filler_free(f);
	return rc;
}

/* Records that live producers have written since the pass began. */
static uint64_t rest(const struct rebuild *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->j.n; i++)
		n += b->j.v[i].live ? b->j.v[i].records : 0;
	return n;
}

static bool reconnect(struct rebuild *b)
{
	char err[512];

	if (b->r != NULL)
		redisFree(b->r);
	ctl_nodes_forget(b->c->nodes);
	b->r = ctl_redis_quiet(b->c, err, sizeof err);
	return b->r != NULL;
}

/* Passes until what is left is so little that the producers bring it themselves. */
static int fill(struct rebuild *b)
{
	for (unsigned tries = 0; tries < TRIES;) {
		enum pass rc = b->r != NULL ? pass(b) : PASS_AGAIN;

		if (rc == PASS_GIVE_UP)
			return CTL_EX_TIMEOUT;
		if (rc == PASS_DONE && rest(b) <= REST)
			return 0;
		if (rc == PASS_DONE)
			continue;
		tries++;
		nap(1000);
		reconnect(b);
	}
	return ctl_fail(AP_EX_AGAIN, "Redis does not take the records; run this again when it does: it goes on where it stopped");
}

/* --- before and after ------------------------------------------------------------------------------------ */

/* Which data set: PostgreSQL's, and where that knows none the journals'. Journals of another one are left alone. */
static int choose(struct rebuild *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->j.n && b->d.pg_id[0] == '\0'; i++)
		(void)snprintf(b->d.pg_id, sizeof b->d.pg_id, "%.39s", b->j.v[i].dataset);
	for (size_t i = 0; i < b->j.n; i++) {
		if (strcmp(b->j.v[i].dataset, b->d.pg_id) == 0) {
			b->j.v[kept++] = b->j.v[i];
			continue;
		}
		fprintf(stderr, "apctl: %s belongs to data set %s, not to %s: left alone\n", b->j.v[i].path, b->j.v[i].dataset, b->d.pg_id);
	}
	b->j.n = kept;
	if (kept == 0)
		return ctl_fail(AP_EX_MISTAKE, "there are no journals of data set %s", b->d.pg_id[0] != '\0' ? b->d.pg_id : "(none is known)");
	if (b->d.pg_parts != 0 && b->d.pg_parts != b->c->app.conf.data_partitions)
		return ctl_fail(AP_EX_MISTAKE, "the data set has %" PRIu64 " partitions, data.partitions is %" PRIu64, b->d.pg_parts,
				b->c->app.conf.data_partitions);
	return 0;
}

static int mirror(struct rebuild *b)
{
	char parts[24];
	const char *par[] = { b->d.pg_id, parts };
	PGresult *w;
	int rc = 0;

	(void)snprintf(parts, sizeof parts, "%" PRIu64, b->c->app.conf.data_partitions);
	w = PQexecParams(b->pg, "INSERT INTO dataset (id, parts) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2, NULL, par, NULL, NULL, 0);
	if (PQresultStatus(w) != PGRES_COMMAND_OK)
		rc = ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(b->pg));
	PQclear(w);
	return rc;
}

static int keep_if_cut(struct rebuild *b)
{
	bool cut = false;

	for (size_t i = 0; i < b->j.n; i++)
		cut = cut || journal_cut(&b->j.v[i]);
	if (!cut)               /* what an earlier rebuild had kept this one may know better */
		return keep_before(b, "NULL");
	fprintf(stderr, "apctl: the journals do not reach back to the beginning of the data set: stored candles and indicators are kept, "
			"what was open when they begin stays partial\n");
	return keep_stored(b);
}

static int begin(struct rebuild *b, bool force)
{
	char text[1200] = "";

	switch (b->d.state) {
	case CTL_DS_REBUILDING:
		fprintf(stderr, "apctl: going on with the rebuild that was begun\n");
		/* It may have been cut off before its last partition had been marked. */
		if (!force)
			return rebuild_mark(b->c, b->r, b->d.pg_id) ? 0 : AP_EX_AGAIN;
		break;
	case CTL_DS_FRESH:
	case CTL_DS_REDIS_EMPTY:
	case CTL_DS_PART_EMPTY:
		break;
	case CTL_DS_SAME:
		if (!force)
			return ctl_fail(AP_EX_MISTAKE, "Redis holds data set %s: nothing is lost. --force empties it and fills it again", b->d.redis_id);
		break;
	case CTL_DS_REDIS_ONLY:
	case CTL_DS_TORN:
	case CTL_DS_DIFFERS:
		(void)ctl_dataset_say(b->c, &b->d, text, sizeof text);
		if (!force)
			return ctl_fail(AP_EX_MISTAKE, "%s", text[0] != '\0' ? text : "Redis holds a data set that PostgreSQL does not know (--force empties it)");
		break;
	}
	if (force && !rebuild_wipe(b->c, b->r))
		return AP_EX_AGAIN;
	if (mirror(b) != 0 || keep_if_cut(b) != 0)
		return AP_EX_AGAIN;
	return rebuild_prepare(b->c, b->r, b->pg, &b->d, &b->j, !force) ? 0 : AP_EX_AGAIN;
}

/* From now on producers publish again. */
static int end(struct rebuild *b)
{
	redisReply *a = ctl_key(b->c, b->r, "HDEL ap:dataset rebuilding");
	const bool ok = a != NULL && a->type == REDIS_REPLY_INTEGER;

	freeReplyObject(a);
	return ok ? 0 : ctl_fail(AP_EX_AGAIN, "Redis: the mark that this is a rebuild cannot be taken away; run this again");
}

static void producer_json(const struct source_dir *d, const char *comma)
{
	printf("%s{\"producer\":\"%s\",\"first\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"live\":%s,\"missing\":[", comma, d->producer, d->first, d->lost,
	       d->live ? "true" : "false");
	for (size_t i = 0, n = 0; i < d->gaps_n; i++)
		if (!d->gaps[i].torn)
			printf("%s{\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}", n++ > 0 ? "," : "", d->gaps[i].first, d->gaps[i].last);
	fputs("],\"torn\":", stdout);
	for (size_t i = 0; i < d->gaps_n; i++)
		if (d->gaps[i].torn)
			printf("{\"behind\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", d->gaps[i].first - 1, d->gaps[i].bytes);
	fputs(d->torn ? "}" : "null}", stdout);
}

static void summary(const struct rebuild *b, bool drained)
{
	double s = (double)(now_ms() - b->began_ms) / 1000;
	uint64_t lost = 0;

	for (size_t i = 0; i < b->j.n; i++)
		lost += b->j.v[i].lost;
	if (b->c->json) {
		printf("{\"dataset\":\"%s\",\"appended\":%" PRIu64 ",\"already\":%" PRIu64 ",\"unreadable\":%" PRIu64 ",\"lost\":%" PRIu64
		       ",\"seconds\":%.3f,\"filled_seconds\":%.3f,\"stored\":%s,\"producers\":[", b->d.pg_id, b->n.put, b->n.had, b->n.bad, lost, s,
		       (double)(b->filled_ms - b->began_ms) / 1000, drained ? "true" : "false");
		for (size_t i = 0; i < b->j.n; i++)
			producer_json(&b->j.v[i], i > 0 ? "," : "");
		puts("]}");
		return;
	}
	printf("data set %s: %" PRIu64 " records appended in %.1f s (%.0f/s), %" PRIu64 " were there already, %" PRIu64 " lost, %" PRIu64 " unreadable%s\n", b->d.pg_id,
	       b->n.put, s, s > 0 ? (double)b->n.put / s : 0, b->n.had, lost, b->n.bad, drained ? "; all is stored" : "");
	for (size_t i = 0; i < b->j.n; i++)
		printf("  %s: from number %" PRIu64 "%s%s\n", b->j.v[i].producer, b->j.v[i].first, journal_cut(&b->j.v[i]) ? " (older ones have been deleted)" : "",
		       b->j.v[i].live ? ", being written" : "");
}

static int run(struct rebuild *b, bool force)
{
	char root[700];
	int rc;

	if (!ctl_dataset_look(b->c, b->r, b->pg, &b->d))
		return ctl_fail(AP_EX_AGAIN, "the data set's identity cannot be read (apctl migrate makes the tables)");
	if (!journals_find(&b->j, journals_root(b->c, root, sizeof root)))
		return ctl_fail(AP_EX_AGAIN, "%s", b->j.err);
	if ((rc = choose(b)) != 0 || (rc = begin(b, force)) != 0)
		return rc;
	ctl_supervisor_poke(b->c);
	if ((rc = fill(b)) != 0 || (rc = end(b)) != 0)
		return rc;
	b->filled_ms = now_ms();
	progress(b, &(struct filler_counts){ 0 }, "storing");
	rc = ctl_drain(b->c, b->r, b->pg, b->stall_s);
	if (b->tty)
		fputc('\n', stderr);
	summary(b, rc == 0);
	return rc;
}

int cmd_rebuild(struct ctl *c)
{
	struct rebuild b = { .c = c, .tty = isatty(2) == 1, .began_ms = now_ms(), .moved_ms = now_ms() };
	int rc = AP_EX_AGAIN;

	if (!ctl_flag_u64(c, "timeout", 60, 1, 86400, &b.stall_s))
		return AP_EX_MISTAKE;
	b.r = ctl_redis(c);
	b.pg = b.r != NULL ? ctl_pg(c) : NULL;
	if (b.pg != NULL)
		rc = run(&b, ctl_flag(c, "force", NULL) != NULL);
	journals_done(&b.j);
	PQfinish(b.pg);
	if (b.r != NULL)
		redisFree(b.r);
	return rc;
}
