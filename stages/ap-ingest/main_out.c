/*
 * main_out.c - the way out: into the journal, and when that is safe, to Redis.
 *
 * Every record gets the next number of its producer, goes into the journal, and waits in memory until the disk has it; then the
 * appender may send it (direct). Where Redis does not take what comes, or has lost what it had, memory is left alone and
 * records are read back from the journal instead, in order, until Redis has come as far as the journal (reading); what
 * comes in while the last of them are read gathers aside (joining). Starting and coming back are the same: ask what Redis has, go on above it.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/core/origin.h"
#include "common/core/part.h"
#include "common/io/journal.h"
#include "main.h"

enum {
	HELD_BYTES = 8 * 1024 * 1024,           /* not yet safe: above it sources are held */
	HELD_ROOM = 16 * 1024 * 1024,           /* what may come in after that: the rest of a read, beats */
	READ_RECS = 4096,                       /* of the journal, in one turn of the loop */
	READ_BYTES = 4 * 1024 * 1024,           /* read and waiting for Redis */
	TICKETS_FIRST = 1024,
};
static const double POLL_S = 0.25;              /* how often is asked whether a rebuild has ended */
static const double TRIM_S = 10, SHORT_S = 1;   /* and what may be deleted: usually, and with no room left */

/* A record that somebody waits for, while it is on disk only. */
struct waiter {
	uint64_t seq, ticket;
};

struct lane {
	uint64_t have;          /* what Redis said */
	bool known;             /* it has said so, and the partition was not let go yet */
};

struct outlet {
	struct ap_app *app;
	enum outlet_kind kind;
	struct outlet_events ev;
	void *ctx;
	struct appender *out;
	struct lease *lease;
	struct trim *trim;
	ev_timer trim_timer;
	struct ap_journal *journal;     /* NULL: there is none */
	char dir[700];
	uint32_t tag;
	unsigned parts;
	ev_timer poll;
	bool started, standing_by, dead;
	bool asking, leased_asked;      /* on this connection */
	bool rebuilding;
	uint64_t last;                  /* number of the last record */
	struct ap_buf wire;

	bool direct;
	struct ap_journal_reader *reader;
	uint64_t read_next;             /* the number to be read next */
	struct ap_batch *tail;          /* joining: what came after join_at */
	uint64_t join_at;
	ev_timer more;                  /* to read on in the next turn */
	struct waiter *wait;
	size_t wait_at, wait_n, wait_cap;

	bool held, full, blocked, outrun;
	bool disk_over;
	uint64_t behind_most;           /* reading, and Redis takes: more than this behind, and sources are held; 0: not looked yet */
	struct outlet_counts n;
	struct ap_wire_iter it;
	struct lane lane[];
};

static void pump(struct outlet *o);

static void fail(struct outlet *o, int code, const char *why)
{
	if (o->dead)
		return;
	o->dead = true;
	o->ev.failed(o->ctx, code, why);
}

/* --- holding sources back ------------------------------------------------------------------ */

static bool is_live(const struct outlet *o)
{
	return o->kind == OUT_LIVE || o->kind == OUT_PIPE;
}

static void to_disk(struct outlet *o, uint64_t from);

static const char *why_held(const struct outlet *o)
{
	return o->blocked ? "disk" : appender_lags(o->out) ? "normalize_behind" : o->full ? "backlog" : o->outrun ? "catching_up" : "reading";
}

/* While Redis is being caught up with, sources may be no faster than that. */
static bool judge_outrun(struct outlet *o)
{
	uint64_t behind = o->last + 1 - o->read_next;

	if (o->direct || !appender_flows(o->out))
		return o->outrun && !o->direct;
	if (o->behind_most == 0)
		o->behind_most = behind + o->app->conf.runtime_stream_max;
	return o->outrun || behind > o->behind_most;
}

static void judge(struct outlet *o)
{
	const struct ap_conf *c = &o->app->conf;
	size_t bytes = appender_backlog(o->out), most = c->ingest_backlog_bytes, wait = o->journal == NULL ? 0 : ap_journal_held(o->journal);
	bool held;

	if (!o->started || o->dead)
		return;
	o->full = bytes > (o->full ? most / 2 : most);
	if (o->full && o->direct && o->journal != NULL && is_live(o) && !appender_flows(o->out))
		to_disk(o, o->last + 1);
	o->blocked = o->journal != NULL && (ap_journal_state(o->journal) != AP_JOURNAL_GOOD || o->disk_over ||
					    wait > (o->blocked ? HELD_BYTES / 2 : HELD_BYTES));
	o->outrun = judge_outrun(o);
	held = appender_lags(o->out) || o->blocked || (o->full && o->direct) || o->outrun || (!o->direct && !is_live(o));
	if (held == o->held)
		return;
	o->held = held;
	o->n.holds += held;
	ap_log(&o->app->log, held ? AP_WARN : AP_INFO, held ? "sources_held" : "sources_released", KV_S("why", held ? why_held(o) : "room_again"),
	       KV_U("backlog_bytes", bytes), KV_U("lag_records", appender_counts(o->out)->lag_max));
	if (o->ev.held != NULL)
		o->ev.held(o->ctx, held);
}

/* --- who waits for a record that is on disk only ---------------------------------------------- */

static void wait_for(struct outlet *o, uint64_t seq, uint64_t ticket)
{
	if (ticket == 0)
		return;
	if (o->wait_at > 0 && o->wait_n == o->wait_cap) {
		memmove(o->wait, o->wait + o->wait_at, (o->wait_n - o->wait_at) * sizeof o->wait[0]);
		o->wait_n -= o->wait_at;
		o->wait_at = 0;
	}
	if (o->wait_n == o->wait_cap) {
		size_t cap = o->wait_cap == 0 ? TICKETS_FIRST : 2 * o->wait_cap;
		struct waiter *w = realloc(o->wait, cap * sizeof *w);

		if (w == NULL) {
			ap_log(&o->app->log, AP_ERROR, "no_memory", KV_U("waiters", o->wait_n), KV_S("next", "exit"));
			exit(AP_EX_AGAIN);
		}
		o->wait = w;
		o->wait_cap = cap;
	}
	o->wait[o->wait_n++] = (struct waiter){ seq, ticket };
}

static int by_seq(const void *a, const void *b)
{
	const struct waiter *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What waits in memory is going to be read from disk: whoever waits for some of it goes on waiting. */
static void wait_for_frames(struct outlet *o, const struct ap_frame *f)
{
	for (; f != NULL; f = f->next)
		for (uint32_t i = 0; i < f->n; i++)
			wait_for(o, f->slot[i].seq, f->slot[i].ticket);
	if (o->wait_n > o->wait_at)
		qsort(o->wait + o->wait_at, o->wait_n - o->wait_at, sizeof o->wait[0], by_seq);
}

static uint64_t waited_for(struct outlet *o, uint64_t seq)
{
	while (o->wait_at < o->wait_n && o->wait[o->wait_at].seq < seq)
		o->wait_at++;
	return o->wait_at < o->wait_n && o->wait[o->wait_at].seq == seq ? o->wait[o->wait_at++].ticket : 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void join_give_up(struct outlet *o)
{
	if (o->tail == NULL)
		return;
	for (unsigned p = 0; p < o->parts; p++)
		wait_for_frames(o, ap_batch_first(o->tail, p));
	ap_batch_free(o->tail);
	o->tail = NULL;
}

/* From number `from` on records come from disk. */
static void to_disk(struct outlet *o, uint64_t from)
{
	join_give_up(o);
	if (!o->direct && from >= o->read_next)
		return;
	if (o->direct && o->started) {
		o->n.spills++;
		ap_log(&o->app->log, AP_WARN, "redis_left_behind", KV_U("from", from), KV_U("backlog_bytes", appender_backlog(o->out)),
		       KV_S("next", "catch_up_from_journal"));
	}
	ap_journal_reader_free(o->reader);
	o->reader = NULL;
	o->read_next = from;
	o->behind_most = 0;
	o->direct = o->full = false;
}

static void to_direct(struct outlet *o)
{
	if (o->tail != NULL)
		appender_join(o->out, o->tail);
	ap_batch_free(o->tail);
	o->tail = NULL;
	ap_journal_reader_free(o->reader);
	o->reader = NULL;
	o->direct = true;
	o->n.caught_up++;
	ap_log(&o->app->log, AP_INFO, "caught_up", KV_U("number", o->last), KV_U("read", o->n.read));
}

/* All that is safe has been read. */
static void read_to_end(struct outlet *o)
{
	if (o->read_next > o->last) {
		to_direct(o);
	} else if (o->tail == NULL && is_live(o)) {
		o->tail = ap_batch_new(o->parts);
		o->join_at = o->last;
	}
}

static void give(struct outlet *o, const struct ap_journal_rec *j)
{
	struct ap_rec rec;
	unsigned p = 0, end = o->parts;
	uint64_t ticket = waited_for(o, j->seq);
	bool given = false;
	int64_t t_ms;

	ap_wire_start(&o->it, j->payload, 1);
	if (ap_wire_next(&o->it, &rec) != AP_WIRE_OK || (rec.kind != AP_RAW && rec.kind != AP_BEAT)) {
		o->n.damaged++;
		ap_log(&o->app->log, AP_ERROR, "journal_record_unreadable", KV_U("number", j->seq), KV_S("next", "pass_over"));
		return;
	}
	t_ms = ap_ts_ms(rec.kind == AP_RAW ? rec.u.raw.recv : rec.u.beat.ts);
	if (rec.kind == AP_RAW) {
		p = ap_part(rec.u.raw.source, rec.u.raw.symbol, o->parts);
		end = p + 1;
	}
	for (; p < end; p++) {
		if (j->seq <= appender_last(o->out, p))
			continue;
		appender_put(o->out, p, j->payload, j->seq, t_ms, ticket);
		given = true;
	}
	o->n.read += given;
	o->n.skipped += !given;
}

static void lost(struct outlet *o, const struct ap_journal_loss *l)
{
	o->n.lost += l->records;
	o->read_next = l->first_seq + l->records;
	ap_log(&o->app->log, AP_ERROR, "journal_lost", KV_U("number", l->first_seq), KV_U("records", l->records), KV_U("bytes", l->to - l->from),
	       KV_S("next", "go_on_behind"));
	if (o->kind == OUT_TAPE)
		fail(o, AP_EX_AGAIN, "its journal is damaged in the middle; remove it and run this again: the source has it all");
}

/* One record. False: there is none now. */
static bool read_one(struct outlet *o)
{
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;

	ap_journal_reader_limit(o->reader, ap_journal_synced(o->journal));
	switch (ap_journal_read(o->reader, &rec, &loss)) {
	case AP_JOURNAL_READ_REC:
		give(o, &rec);
		o->read_next = rec.seq + 1;
		if (o->tail != NULL && o->read_next > o->join_at)
			to_direct(o);
		return true;
	case AP_JOURNAL_READ_LOSS:
		lost(o, &loss);
		return true;
	case AP_JOURNAL_READ_END:
		read_to_end(o);
		return false;
	case AP_JOURNAL_READ_ERROR:
		break;
	}
	ap_log(&o->app->log, AP_ERROR, "journal_unreadable", KV_S("why", ap_journal_reader_err(o->reader)), KV_S("next", "exit"));
	exit(AP_EX_AGAIN);
}

/* Reads as much as Redis can be given, and as one turn of the loop may take. */
static void pump(struct outlet *o)
{
	unsigned n = 0;

	if (o->direct || !o->started || o->dead)
		return;
	while (n < READ_RECS && !o->direct && !o->dead && appender_flows(o->out) && !appender_lags(o->out) &&
	       appender_backlog(o->out) < READ_BYTES) {
		if (o->reader == NULL)
			o->reader = ap_journal_reader_new(o->dir, o->read_next);
		if (o->reader == NULL) {
			ap_log(&o->app->log, AP_ERROR, "journal_unreadable", KV_S("why", strerror(errno)), KV_S("next", "exit"));
			exit(AP_EX_AGAIN);
		}
		if (!read_one(o))
			break;
		n++;
	}
	if (n == READ_RECS)
		ev_timer_start(o->app->loop, &o->more);
	appender_flush(o->out);
}

static void more_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)loop, (void)revents;
	ev_timer_set(w, 0, 0);
	pump(o);
	judge(o);
}

/* The segment that is written to cannot be deleted, so alone it is never too large. */
static bool is_over(const struct outlet *o)
{
	struct ap_journal_counts n;

	ap_journal_count(o->journal, &n);
	return o->app->conf.journal_max_mb > 0 && n.disk_bytes >> 20 >= o->app->conf.journal_max_mb && n.segments > 1;
}

/* There is no room: look what may go. */
static void trim_soon(struct outlet *o)
{
	if (o->trim == NULL)
		return;
	ev_timer_stop(o->app->loop, &o->trim_timer);
	ev_timer_set(&o->trim_timer, 0, 0);
	ev_timer_start(o->app->loop, &o->trim_timer);
}

/* --- what the journal tells --------------------------------------------------------------------- */

static void on_synced(void *ctx, uint64_t seq)
{
	struct outlet *o = ctx;
	bool over = is_over(o);

	if (over && !o->disk_over)
		trim_soon(o);
	o->disk_over = over;
	appender_safe(o->out, seq);
	pump(o);
	judge(o);
	appender_flush(o->out);
	if (o->ev.moved != NULL)
		o->ev.moved(o->ctx);
}

static void on_state(void *ctx, enum ap_journal_state s, const char *why)
{
	struct outlet *o = ctx;

	ap_log(&o->app->log, s == AP_JOURNAL_GOOD ? AP_INFO : AP_ERROR, s == AP_JOURNAL_GOOD ? "journal_good" : s == AP_JOURNAL_FULL ? "journal_full" : "journal_failed",
	       KV_S("why", why), KV_S("next", s == AP_JOURNAL_GOOD ? "go_on" : s == AP_JOURNAL_FULL ? "hold_sources" : "exit"));
	if (s == AP_JOURNAL_FAILED)
		exit(AP_EX_AGAIN);
	if (s == AP_JOURNAL_FULL)
		trim_soon(o);
	judge(o);
}

static void log_report(struct outlet *o, const struct ap_journal_report *r)
{
	bool bad = r->lost_records > 0 || r->lost_bytes > 0 || r->set_aside > 0;

	ap_log(&o->app->log, bad ? AP_ERROR : AP_INFO, bad ? "journal_damaged" : "journal_open", KV_S("producer", appender_producer(o->out)),
	       KV_U("segments", r->segments), KV_U("bytes", r->bytes), KV_U("last", r->last_seq), KV_U("torn_bytes", r->torn_bytes),
	       KV_U("lost_records", r->lost_records), KV_U("lost_bytes", r->lost_bytes), KV_U("set_aside", r->set_aside));
}

static bool journal_open(struct outlet *o, struct ap_journal_report *rep)
{
	static const struct ap_journal_events ev = { on_synced, on_state };
	const struct ap_conf *c = &o->app->conf;
	const struct ap_journal_conf jc = {
		.dir = o->dir,
		.dataset = ap_redis_dataset(ap_redis_set_home(appender_redis(o->out))),
		.producer = appender_producer(o->out),
		.segment_bytes = c->journal_segment_mb << 20,
		.min_free_bytes = c->journal_min_free_mb << 20,
		.held_max = HELD_BYTES + HELD_ROOM,
		.group_ms = (unsigned)c->journal_group_ms,
		.retain_ms = c->journal_retain_h * 3600000,
	};

	o->journal = ap_journal_open(o->app->loop, &o->app->log, &jc, &ev, o, rep);
	return o->journal != NULL;
}

/* --- deleting ----------------------------------------------------------------------------------------- */

/* What is confirmed goes when its time is over; at once when there is no room for more. */
static void on_confirmed(void *ctx, uint64_t confirmed)
{
	struct outlet *o = ctx;
	bool room = ap_journal_state(o->journal) == AP_JOURNAL_GOOD && !o->disk_over;
	ap_ts now = ap_now();

	if (!room)
		now.ns += (int64_t)o->app->conf.journal_retain_h * 3600 * 1000000000;
	ap_journal_trim(o->journal, confirmed, now);
}

/* Everything of a partition with a number up to this one is in its stream: one that nothing comes for holds nobody up. */
static uint64_t lane_upto(const struct outlet *o, unsigned p)
{
	const struct ap_frame *f = appender_first(o->out, p);
	uint64_t next = o->direct ? o->last + 1 : o->read_next;

	return f != NULL && f->n > 0 && ap_frame_first_seq(f) <= next ? ap_frame_first_seq(f) - 1 : next - 1;
}

static void trim_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)revents;
	o->disk_over = is_over(o);
	judge(o);
	for (unsigned p = 0; p < o->parts && appender_flows(o->out); p++)
		trim_mark(o->trim, p, appender_last_id(o->out, p), lane_upto(o, p), true);
	trim_ask(o->trim);
	ev_timer_set(w, o->disk_over || ap_journal_state(o->journal) != AP_JOURNAL_GOOD ? SHORT_S : TRIM_S, 0);
	ev_timer_start(loop, w);
}

static void trim_start(struct outlet *o)
{
	o->trim = trim_new(o->app, appender_redis(o->out), on_confirmed, o);
	if (o->trim == NULL) {
		fail(o, AP_EX_AGAIN, "no memory");
		return;
	}
	ev_timer_set(&o->trim_timer, SHORT_S, 0);
	ev_timer_start(o->app->loop, &o->trim_timer);
}

/* --- starting ------------------------------------------------------------------------------------- */

static void marks_range(const struct outlet *o, uint64_t *least, uint64_t *most)
{
	*least = UINT64_MAX;
	*most = 0;
	for (unsigned p = 0; p < o->parts; p++) {
		if (o->lane[p].have < *least)
			*least = o->lane[p].have;
		if (o->lane[p].have > *most)
			*most = o->lane[p].have;
	}
}

/* Somebody else writes the journal: the lease is no use without it. */
static void journal_refused(struct outlet *o, const struct ap_journal_report *rep)
{
	if (rep->locked && o->lease != NULL) {
		lease_wait(o->lease);
		if (!o->standing_by) {
			o->standing_by = true;
			ap_log(&o->app->log, AP_INFO, "standby", KV_S("why", rep->err), KV_S("next", "wait"));
			o->ev.standby(o->ctx);
		}
		return;
	}
	ap_log(&o->app->log, AP_ERROR, "journal_refused", KV_S("why", rep->err), KV_S("next", "exit"));
	fail(o, rep->foreign ? AP_EX_MISTAKE : AP_EX_AGAIN, rep->err);
}

/* A journal that can be written again from its source begins anew. */
static void journal_wipe(struct outlet *o)
{
	DIR *d = opendir(o->dir);
	const struct dirent *e;

	ap_log(&o->app->log, AP_WARN, "journal_begins_anew", KV_S("dir", o->dir), KV_S("why", "its end is damaged, and the source has it all"));
	ap_journal_free(o->journal);
	o->journal = NULL;
	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".apj") == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

/*
 * Numbers go on above all that Redis has seen, so that none is given out twice. A tape's numbers are its places: they go on
 * right behind the journal's; where there is no journal any more, behind what every partition has.
 */
static bool start_journal(struct outlet *o, uint64_t least, uint64_t most)
{
	struct ap_journal_report rep = { 0 };
	bool whole = false;

	for (int try = 0; try < 2 && !whole; try++) {
		if (!journal_open(o, &rep)) {
			journal_refused(o, &rep);
			return false;
		}
		log_report(o, &rep);
		whole = o->kind != OUT_TAPE || (ap_journal_last(o->journal) == rep.last_seq && rep.lost_records == 0 && rep.set_aside == 0);
		if (!whole && try == 0)
			journal_wipe(o);
		else if (try == 0)
			ap_journal_raise(o->journal, is_live(o) ? most : o->kind == OUT_TAPE ? least : 0);
	}
	o->last = rep.last_seq;
	appender_safe(o->out, ap_journal_synced(o->journal));
	o->direct = least >= o->last;
	if (!o->direct) {
		o->read_next = least + 1;
		ap_log(&o->app->log, AP_INFO, "republishing", KV_U("from", o->read_next), KV_U("to", o->last));
	}
	return true;
}

static void start(struct outlet *o)
{
	uint64_t least, most;

	marks_range(o, &least, &most);
	o->direct = true;
	if (o->app->conf.journal_enabled && !start_journal(o, least, most))
		return;
	for (unsigned p = 0; p < o->parts; p++)
		appender_reset(o->out, p, o->lane[p].have);
	if (o->journal == NULL)
		o->last = o->kind == OUT_TAPE ? least : most;
	o->started = true;
	if (o->journal != NULL && o->kind == OUT_LIVE)
		trim_start(o);
}

/* A partition is back. What it has lost is read from the journal again; what waits for it stands behind that. */
static void lane_resume(struct outlet *o, unsigned p)
{
	uint64_t have = o->lane[p].have, had = appender_appended(o->out, p);

	o->lane[p].known = false;
	if (have < had) {
		ap_log(&o->app->log, AP_ERROR, "redis_lost_records", KV_U("part", p), KV_U("has", have), KV_U("had", had),
		       KV_S("next", o->journal != NULL ? "send_again" : "lost"));
		if (o->journal != NULL) {
			wait_for_frames(o, appender_first(o->out, p));
			appender_reset(o->out, p, have);
			to_disk(o, have + 1);
		}
		if (o->trim != NULL)
			trim_clear(o->trim, p);
	}
	if (o->trim != NULL)
		trim_mark(o->trim, p, appender_last_id(o->out, p), have, true);
	appender_go(o->out, p, have);
}

/* Everything that has to be known is known. */
static void proceed(struct outlet *o)
{
	bool was_started = o->started;

	if (o->lease != NULL && !o->leased_asked) {
		o->leased_asked = true;
		lease_up(o->lease);
	}
	if (!o->started) {
		if (o->lease != NULL && !lease_held(o->lease))
			return;
		start(o);
		if (!o->started)
			return;
	}
	for (unsigned p = 0; p < o->parts; p++)
		if (o->lane[p].known)
			lane_resume(o, p);
	if (!was_started)
		o->ev.ready(o->ctx);
	pump(o);
	judge(o);
	if (o->ev.up != NULL)
		o->ev.up(o->ctx);
	if (o->ev.moved != NULL)
		o->ev.moved(o->ctx);
}

static bool all_known(const struct outlet *o)
{
	for (unsigned p = 0; p < o->parts; p++)
		if (!o->lane[p].known)
			return false;
	return true;
}

/* What the data set says: whose the tag is, and whether it is being filled by others. */
static void on_dataset(void *ctx, const redisReply *reply)
{
	struct outlet *o = ctx;
	char why[200];
	ap_str name;

	o->asking = false;
	if (reply == NULL || o->dead)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
		ap_redis_reset(ap_redis_set_home(appender_redis(o->out)), "dataset_refused");
		return;
	}
	name = ap_reply_text(reply, 0);
	if (o->app->conf.journal_enabled && !ap_str_is(name, appender_producer(o->out))) {
		snprintf(why, sizeof why, "producer '%s' and '%.*s', which the data set knows, have the same tag: choose another ingest.producer",
			 appender_producer(o->out), (int)name.len, name.p);
		fail(o, AP_EX_MISTAKE, why);
		return;
	}
	if (ap_reply_u64(reply, 1, 0) != 0) {
		if (!o->rebuilding)
			ap_log(&o->app->log, AP_WARN, "dataset_rebuilding", KV_S("next", o->started ? "journal_only" : "wait"));
		o->rebuilding = true;
		ev_timer_stop(o->app->loop, &o->poll);
		ev_timer_set(&o->poll, POLL_S, 0);
		ev_timer_start(o->app->loop, &o->poll);
		return;
	}
	o->rebuilding = false;
	proceed(o);
}

static void ask_dataset(struct outlet *o)
{
	char field[AP_ORIGIN_FIELD];
	struct ap_redis *r = ap_redis_set_home(appender_redis(o->out));

	if (o->asking || o->dead || (!o->started && !all_known(o)))
		return;
	ap_origin_field(o->tag, field);
	if (o->app->conf.journal_enabled)
		ap_redis_sendf(r, NULL, NULL, "HSETNX ap:dataset %s %s", field, appender_producer(o->out));
	o->asking = ap_redis_sendf(r, on_dataset, o, "HMGET ap:dataset %s rebuilding", field);
}

static void on_up(void *ctx, unsigned part, uint64_t have)
{
	struct outlet *o = ctx;

	o->lane[part].have = have;
	o->lane[part].known = true;
	ask_dataset(o);
}

static void poll_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)loop, (void)revents;
	if (ap_redis_set_is_up(appender_redis(o->out)))
		appender_ask(o->out);
}

static void on_down(void *ctx, const char *why)
{
	struct outlet *o = ctx;

	(void)why;
	ev_timer_stop(o->app->loop, &o->poll);
	o->asking = o->leased_asked = false;
	for (unsigned p = 0; p < o->parts; p++)
		o->lane[p].known = false;
	judge(o);
	if (o->ev.down != NULL)
		o->ev.down(o->ctx);
}

/* --- the lease ---------------------------------------------------------------------------------------- */

static void on_lease(void *ctx)
{
	struct outlet *o = ctx;

	if (!o->started && ap_redis_set_is_up(appender_redis(o->out)))
		appender_ask(o->out);           /* what its last holder did before it ended */
}

static void on_lease_other(void *ctx, bool had)
{
	struct outlet *o = ctx;

	if (o->started && had) {
		fail(o, AP_EX_AGAIN, "another ap-ingest has taken over");
		return;
	}
	if (!o->standing_by && o->ev.standby != NULL)
		o->ev.standby(o->ctx);
	o->standing_by = true;
}

/* --- what the appender tells ---------------------------------------------------------------------------- */

static void on_done(void *ctx, unsigned part, const struct ap_frame *f, ap_id id)
{
	struct outlet *o = ctx;

	if (o->trim != NULL && id.ms > 0)
		trim_mark(o->trim, part, id, ap_frame_last_seq(f), false);
	for (uint32_t i = 0; f->tickets > 0 && i < f->n; i++)
		if (f->slot[i].ticket != 0 && o->ev.answer != NULL)
			o->ev.answer(o->ctx, f->slot[i].ticket, part, i, id);
}

static void on_changed(void *ctx)
{
	struct outlet *o = ctx;

	pump(o);
	judge(o);
	if (o->ev.moved != NULL)
		o->ev.moved(o->ctx);
}

/* --- public ------------------------------------------------------------------------------------------------ */

static bool name_ok(const char *name)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";

	return *name != '\0' && *name != '.' && strlen(name) < AP_JOURNAL_PRODUCER && strspn(name, ok) == strlen(name);
}

struct outlet *outlet_new(struct ap_app *app, enum outlet_kind kind, const char *producer, const struct outlet_events *ev, void *ctx,
			  char *err, size_t errlen)
{
	static const struct appender_events out_ev = { on_up, on_down, on_done, on_changed };
	static const struct lease_events lease_ev = { on_lease, on_lease_other };
	const struct ap_conf *c = &app->conf;
	unsigned parts = (unsigned)c->data_partitions;
	struct outlet *o;

	if (!name_ok(producer)) {
		snprintf(err, errlen, "'%s' names no producer (ingest.producer): letters, digits, '.', '_', ':' and '-'", producer);
		return NULL;
	}
	snprintf(err, errlen, "no memory");
	o = calloc(1, sizeof *o + parts * sizeof o->lane[0]);
	if (o == NULL)
		return NULL;
	o->app = app;
	o->kind = kind;
	o->ev = *ev;
	o->ctx = ctx;
	o->parts = parts;
	o->direct = true;
	o->tag = ap_origin_tag(ap_str_c(producer));
	outlet_home(c, o->dir, sizeof o->dir);
	snprintf(o->dir + strlen(o->dir), sizeof o->dir - strlen(o->dir), "/%s", producer);
	ap_buf_init(&o->wire, AP_FRAME_BYTES);
	ev_timer_init(&o->poll, poll_cb, 0, 0);
	ev_timer_init(&o->more, more_cb, 0, 0);
	ev_timer_init(&o->trim_timer, trim_cb, 0, 0);
	o->poll.data = o->more.data = o->trim_timer.data = o;
	o->out = appender_new(app, producer, &out_ev, o, err, errlen);
	if (o->out != NULL && kind == OUT_LIVE)
		o->lease = lease_new(app, ap_redis_set_home(appender_redis(o->out)), *c->ingest_lease != '\0' ? c->ingest_lease : producer, producer, &lease_ev, o);
	if (o->out == NULL || (kind == OUT_LIVE && o->lease == NULL)) {
		outlet_free(o);
		return NULL;
	}
	return o;
}

void outlet_free(struct outlet *o)
{
	if (o == NULL)
		return;
	ev_timer_stop(o->app->loop, &o->poll);
	ev_timer_stop(o->app->loop, &o->more);
	ev_timer_stop(o->app->loop, &o->trim_timer);
	lease_free(o->lease);
	trim_free(o->trim);
	appender_free(o->out);
	ap_journal_reader_free(o->reader);
	ap_journal_free(o->journal);
	ap_batch_free(o->tail);
	ap_buf_done(&o->wire);
	free(o->wait);
	free(o);
}

/* The record's bytes into the journal. False: there is no room. */
static bool journal_put(struct outlet *o, const struct ap_rec *rec, uint64_t seq)
{
	uint64_t got;

	if (o->journal == NULL) {
		o->last = seq;
		return true;
	}
	got = ap_journal_append(o->journal, (uint8_t)rec->kind, rec->kind == AP_RAW ? rec->u.raw.source : rec->u.beat.source, ap_now(),
				ap_buf_view(&o->wire));
	if (got == 0 && rec->kind == AP_BEAT)
		return false;
	if (got == 0) {
		/* Sources are held long before this; nothing of it was acknowledged. */
		ap_log(&o->app->log, AP_ERROR, "journal_refuses", KV_U("held_bytes", ap_journal_held(o->journal)), KV_S("next", "exit"));
		exit(AP_EX_AGAIN);
	}
	assert(got == seq);
	o->last = seq;
	return true;
}

static void encode(struct outlet *o, struct ap_rec *rec, uint64_t seq)
{
	if (rec->kind == AP_RAW)
		rec->u.raw.seq = ap_origin_make(o->tag, seq);
	ap_buf_clear(&o->wire);
	if (ap_wire_put(&o->wire, rec))
		return;
	ap_log(&o->app->log, AP_ERROR, "no_memory", KV_U("number", seq), KV_S("next", "exit"));
	exit(AP_EX_AGAIN);
}

/* To memory, or to whom it belongs after that. True: some partition has not had it. */
static bool hand_on(struct outlet *o, uint64_t seq, int part, int64_t t_ms, uint64_t ticket)
{
	unsigned p = part == OUT_ALL ? 0 : (unsigned)part, end = part == OUT_ALL ? o->parts : p + 1;
	ap_str wire = ap_buf_view(&o->wire);
	bool put = false;

	assert(end <= o->parts);
	for (; p < end && (o->direct || o->tail != NULL); p++) {
		if (o->direct && seq > appender_last(o->out, p)) {
			appender_put(o->out, p, wire, seq, t_ms, ticket);
			put = true;
		} else if (!o->direct && !ap_batch_put(o->tail, p, wire, seq, t_ms, ticket)) {
			join_give_up(o);        /* no memory: it comes from disk */
			wait_for(o, seq, ticket);
			return true;
		}
	}
	if (!o->direct && o->tail == NULL)
		wait_for(o, seq, ticket);
	else if (!o->direct && ap_batch_bytes(o->tail) > o->app->conf.ingest_backlog_bytes)
		join_give_up(o);
	return put || !o->direct;
}

bool outlet_put(struct outlet *o, int part, struct ap_rec *rec, int64_t t_ms, uint64_t ticket)
{
	uint64_t seq = o->journal != NULL ? ap_journal_last(o->journal) + 1 : o->last + 1;

	assert(o->started && is_live(o));
	encode(o, rec, seq);
	if (!journal_put(o, rec, seq))
		return false;
	hand_on(o, seq, part, t_ms, ticket);
	judge(o);
	return true;
}

bool outlet_put_at(struct outlet *o, uint64_t place, int part, struct ap_rec *rec, int64_t t_ms)
{
	uint64_t last = o->journal != NULL ? ap_journal_last(o->journal) : place - 1;
	bool there = true;

	assert(o->started && o->kind == OUT_TAPE && place <= last + 1);
	for (unsigned p = 0; p < o->parts; p++)
		if ((part == OUT_ALL || (unsigned)part == p) && place > o->lane[p].have)
			there = false;
	if (place <= last)
		return !there;          /* what of it is not there comes from the journal */
	encode(o, rec, place);
	(void)journal_put(o, rec, place);
	hand_on(o, place, part, t_ms, 0);
	judge(o);
	return !there;
}

void outlet_flush(struct outlet *o)
{
	appender_flush(o->out);
	judge(o);
}

bool outlet_held(const struct outlet *o)
{
	return o->held;
}

bool outlet_takes(const struct outlet *o)
{
	return !o->blocked;
}

bool outlet_safe(const struct outlet *o)
{
	return o->journal == NULL ? !o->started || outlet_empty(o) : ap_journal_held(o->journal) == 0;
}

bool outlet_empty(const struct outlet *o)
{
	return o->started && o->direct && appender_empty(o->out);
}

bool outlet_flows(const struct outlet *o)
{
	return appender_flows(o->out);
}

size_t outlet_backlog(const struct outlet *o)
{
	return appender_backlog(o->out);
}

uint64_t outlet_mark(const struct outlet *o)
{
	return o->last;
}

bool outlet_reached(const struct outlet *o, uint64_t mark)
{
	return (o->direct || o->read_next > mark) && appender_reached(o->out, mark);
}

/* For whoever looks after the journal from now on: what Redis has of each partition. */
static void leave_word(const struct outlet *o)
{
	char path[720], fresh[730];
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "%s/published", o->dir);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	f = fopen(fresh, "we");
	if (f == NULL)
		return;         /* then it is looked through once more */
	for (unsigned p = 0; p < o->parts; p++)
		fprintf(f, "%" PRIu64 "\n", appender_appended(o->out, p));
	ok = ferror(f) == 0;
	if (fclose(f) == 0 && ok)
		(void)rename(fresh, path);
}

void outlet_end(struct outlet *o)
{
	if (o->journal == NULL && is_live(o))
		appender_forget(o->out);
	if (o->journal != NULL && o->kind != OUT_LIVE && o->started && outlet_empty(o))
		leave_word(o);
	if (o->lease != NULL)
		lease_give_up(o->lease);
}

void outlet_home(const struct ap_conf *conf, char *out, size_t cap)
{
	if (*conf->journal_dir != '\0')
		snprintf(out, cap, "%s", conf->journal_dir);
	else
		snprintf(out, cap, "%s/journal", conf->data_dir);
}

const struct trim *outlet_trim(const struct outlet *o)
{
	return o->trim;
}

struct ap_redis_set *outlet_redis(struct outlet *o)
{
	return appender_redis(o->out);
}

const char *outlet_producer(const struct outlet *o)
{
	return appender_producer(o->out);
}

const struct appender_counts *outlet_appended(const struct outlet *o)
{
	return appender_counts(o->out);
}

const struct outlet_counts *outlet_counts(const struct outlet *o)
{
	return &o->n;
}

static void collect_journal(const struct outlet *o, struct ap_metrics *m)
{
	struct ap_journal_counts j;

	ap_journal_count(o->journal, &j);
	ap_metrics_add(m, "journal_records_total", "", AP_M_COUNTER, (double)j.records);
	ap_metrics_add(m, "journal_bytes_total", "", AP_M_COUNTER, (double)j.bytes);
	ap_metrics_add(m, "journal_groups_total", "", AP_M_COUNTER, (double)j.groups);
	ap_metrics_add(m, "journal_write_seconds_total", "", AP_M_COUNTER, (double)j.sync_ns / 1e9);
	ap_metrics_add(m, "journal_write_seconds_max", "", AP_M_GAUGE, (double)j.sync_ns_max / 1e9);
	ap_metrics_add(m, "journal_sealed_total", "", AP_M_COUNTER, (double)j.sealed);
	ap_metrics_add(m, "journal_disk_bytes", "", AP_M_GAUGE, (double)j.disk_bytes);
	ap_metrics_add(m, "journal_held_bytes", "", AP_M_GAUGE, (double)ap_journal_held(o->journal));
	ap_metrics_add(m, "journal_full", "", AP_M_GAUGE, ap_journal_state(o->journal) != AP_JOURNAL_GOOD || o->disk_over ? 1 : 0);
	ap_metrics_add(m, "journal_behind_records", "", AP_M_GAUGE, o->direct ? 0 : (double)(o->last + 1 - o->read_next));
	ap_metrics_add(m, "journal_read_total", "", AP_M_COUNTER, (double)o->n.read);
	ap_metrics_add(m, "journal_lost_total", "", AP_M_COUNTER, (double)(o->n.lost + o->n.damaged));
}

void outlet_collect(const struct outlet *o, struct ap_metrics *m)
{
	const struct appender_counts *n = appender_counts(o->out);

	ap_metrics_add(m, "records_out_total", "stream=\"raw\"", AP_M_COUNTER, (double)n->records);
	ap_metrics_add(m, "frames_out_total", "stream=\"raw\"", AP_M_COUNTER, (double)n->frames);
	ap_metrics_add(m, "bytes_out_total", "stream=\"raw\"", AP_M_COUNTER, (double)n->bytes);
	ap_metrics_add(m, "append_retries_total", "", AP_M_COUNTER, (double)n->retries);
	ap_metrics_add(m, "holds_total", "", AP_M_COUNTER, (double)o->n.holds);
	ap_metrics_add(m, "held", "", AP_M_GAUGE, o->held ? 1 : 0);
	ap_metrics_add(m, "backlog_bytes", "", AP_M_GAUGE, (double)appender_backlog(o->out));
	if (o->journal != NULL)
		collect_journal(o, m);
}
