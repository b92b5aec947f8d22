/*
 * main_out.c - the way out: into the journal, and when that is safe, to Redis.
 *
 * Every record gets the next number of its producer, goes into the journal, and waits in memory until the disk has it; then the
 * appender may send it (direct). Where Redis does not take what comes, or has lost what it had, memory is left alone and
 * records are read back from the journal instead, in order, until Redis has come as far as the journal (reading); what
 * comes in while the last of them are read gathers aside (joining). Here are the calls others make, when sources are held back, and who waits
 * for an answer; main_out.h says where the rest is.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/origin.h"
#include "main_out.h"

enum { TICKETS_FIRST = 1024 };

void out_fail(struct outlet *o, int code, const char *why)
{
	if (o->dead)
		return;
	o->dead = true;
	o->ev.failed(o->ctx, code, why);
}

/* --- holding sources back ------------------------------------------------------------------ */

bool out_is_live(const struct outlet *o)
{
	return o->kind == OUT_LIVE || o->kind == OUT_PIPE;
}

static const char *why_held(const struct outlet *o)
{
	return o->blocked ? "disk" : appender_lags(o->out) ? "normalize_behind" : o->full ? "backlog" : o->outrun ? "catching_up" : "reading";
}

/*
 * While Redis is being caught up with, sources may be no faster than that: once they are too far ahead they are held until
 * it has been reached. While it takes nothing there is no saying.
 */
static bool judge_outrun(struct outlet *o)
{
	uint64_t behind = o->last + 1 - o->read_next;

	if (o->direct)
		return false;
	if (o->outrun || !appender_flows(o->out))
		return o->outrun;
	if (o->behind_most == 0)
		o->behind_most = behind + o->app->conf.runtime_stream_max;
	return behind > o->behind_most;
}

/* Half of the way to being held: what may be thinned out is thinned out now. While Redis takes nothing the journal takes it all. */
static bool judge_pressed(const struct outlet *o, size_t bytes)
{
	const struct ap_conf *c = &o->app->conf;
	uint64_t half = c->runtime_stream_max / 2;

	if (!appender_flows(o->out))
		return false;
	if (!o->direct)
		return o->behind_most > 0 && o->last + 1 - o->read_next + half > o->behind_most;
	return bytes > c->ingest_backlog_bytes / 4 || appender_counts(o->out)->lag_max > half;
}

void out_judge(struct outlet *o)
{
	const struct ap_conf *c = &o->app->conf;
	size_t bytes = appender_backlog(o->out), most = c->ingest_backlog_bytes, wait = o->journal == NULL ? 0 : ap_journal_held(o->journal);
	bool held;

	if (!o->started || o->dead)
		return;
	o->full = bytes > (o->full ? most / 2 : most);
	if (o->full && o->direct && o->journal != NULL && out_is_live(o) && !appender_flows(o->out))
		out_to_disk(o, o->last + 1);
	o->blocked = o->journal != NULL && (ap_journal_state(o->journal) != AP_JOURNAL_GOOD || o->disk_over ||
					    wait > (o->blocked ? HELD_BYTES / 2 : HELD_BYTES));
	o->outrun = judge_outrun(o);
	o->pressed = judge_pressed(o, bytes);
	held = appender_lags(o->out) || o->blocked || (o->full && o->direct) || o->outrun || (!o->direct && !out_is_live(o));
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

/* Forgets who has been answered, and who has gone without waiting. */
static void waiters_thin(struct outlet *o)
{
	size_t n = 0;

	for (size_t i = o->wait_at; i < o->wait_n; i++)
		if (o->ev.waits == NULL || o->ev.waits(o->ctx, o->wait[i].ticket))
			o->wait[n++] = o->wait[i];
	o->wait_at = 0;
	o->wait_n = n;
}

/* What connections may wait for is bounded (main_conn.c), and so is this: it grows only when half of it is theirs. */
static void waiters_room(struct outlet *o)
{
	struct waiter *w;
	size_t cap;

	if (o->wait_n < o->wait_cap)
		return;
	waiters_thin(o);
	if (o->wait_n < o->wait_cap / 2)
		return;
	cap = o->wait_cap == 0 ? TICKETS_FIRST : 2 * o->wait_cap;
	w = realloc(o->wait, cap * sizeof *w);
	if (w == NULL) {
		ap_log(&o->app->log, AP_ERROR, "no_memory", KV_U("waiters", o->wait_n), KV_S("next", "exit"));
		exit(AP_EX_AGAIN);
	}
	o->wait = w;
	o->wait_cap = cap;
}

static void wait_for(struct outlet *o, uint64_t seq, uint64_t ticket)
{
	if (ticket == 0)
		return;
	waiters_room(o);
	o->wait[o->wait_n++] = (struct waiter){ seq, ticket };
}

static int by_seq(const void *a, const void *b)
{
	const struct waiter *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What waits in memory is going to be read from disk: whoever waits for some of it goes on waiting. */
void out_wait_for_frames(struct outlet *o, const struct ap_frame *f)
{
	for (; f != NULL; f = f->next)
		for (uint32_t i = 0; i < f->n; i++)
			wait_for(o, f->slot[i].seq, f->slot[i].ticket);
	if (o->wait_n > o->wait_at)
		qsort(o->wait + o->wait_at, o->wait_n - o->wait_at, sizeof o->wait[0], by_seq);
}

uint64_t out_waited_for(struct outlet *o, uint64_t seq)
{
	while (o->wait_at < o->wait_n && o->wait[o->wait_at].seq < seq)
		o->wait_at++;
	return o->wait_at < o->wait_n && o->wait[o->wait_at].seq == seq ? o->wait[o->wait_at++].ticket : 0;
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

	out_pump(o);
	out_judge(o);
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
	static const struct appender_events out_ev = { out_on_up, out_on_down, on_done, on_changed };
	static const struct lease_events lease_ev = { out_on_lease, out_on_lease_other };
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
	ev_timer_init(&o->poll, out_poll_cb, 0, 0);
	ev_timer_init(&o->more, out_more_cb, 0, 0);
	ev_timer_init(&o->trim_timer, out_trim_cb, 0, 0);
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
			out_join_give_up(o);        /* no memory: it comes from disk */
			wait_for(o, seq, ticket);
			return true;
		}
	}
	if (!o->direct && o->tail == NULL)
		wait_for(o, seq, ticket);
	else if (!o->direct && ap_batch_bytes(o->tail) > o->app->conf.ingest_backlog_bytes)
		out_join_give_up(o);
	return put || !o->direct;
}

bool outlet_put(struct outlet *o, int part, struct ap_rec *rec, int64_t t_ms, uint64_t ticket)
{
	uint64_t seq = o->journal != NULL ? ap_journal_last(o->journal) + 1 : o->last + 1;

	assert(o->started && out_is_live(o));
	encode(o, rec, seq);
	if (!journal_put(o, rec, seq))
		return false;
	hand_on(o, seq, part, t_ms, ticket);
	out_judge(o);
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
	out_judge(o);
	return !there;
}

void outlet_flush(struct outlet *o)
{
	appender_flush(o->out);
	out_judge(o);
}

bool outlet_held(const struct outlet *o)
{
	return o->held;
}

bool outlet_pressed(const struct outlet *o)
{
	return o->pressed;
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

bool outlet_works(const struct outlet *o)
{
	return o->started;
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

void outlet_end(struct outlet *o)
{
	if (!o->app->conf.journal_enabled && out_is_live(o))
		appender_forget(o->out);
	if (o->journal != NULL && o->kind != OUT_LIVE && o->started && outlet_empty(o))
		out_word_leave(o);
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
