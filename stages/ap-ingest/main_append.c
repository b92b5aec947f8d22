/*
 * main_append.c - frames to Redis: one in flight a partition, sent again with the same sequence numbers until they
 * are there.
 *
 * Order within a partition is the order of appender_put. A partition is silent until its owner has seen what Redis has of it
 * and lets it go, and again after each loss of the connection; a Redis that forgets meanwhile says so (LOST) and is taken for one that
 * was lost. Knows no journal: only up to which number records are safe to be sent.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "main.h"

enum { SEARCH_ENTRIES = 128 };  /* looked through, from the end, for a frame whose id was lost */
/* A Redis that is full answers at once, and trimming makes room piece by piece: every piece is to be found soon. */
static const double NO_ROOM_S = 0.1;

struct lane {
	struct appender *a;
	unsigned part;
	char key_raw[24], key_seq[24], key_hw[24], key_norm[40];
	ap_id last;             /* of the last entry; the next one is above it even in a Redis that forgot */
	uint64_t appended;      /* sequence number of the last record that is there */
	uint64_t have;          /* what Redis has of us, of the question that is under way */
	uint64_t head_n;        /* records in the raw stream, of the look that is under way */
	bool in_flight, pausing;
	bool go;                /* its owner has seen what Redis has of it */
	unsigned asked, passed; /* questions what Redis has of us that are out; so many of their answers are of an earlier life */
	ap_id id;               /* of the frame that waits for replicas */
	int64_t said_ns;        /* when it was last said that Redis refuses */
};

struct appender {
	struct ap_app *app;
	struct ap_redis_set *redis;
	struct ap_batch *batch;
	struct appender_events ev;
	void *ctx;
	char producer[129];
	unsigned parts, attempt;
	ev_timer retry, look;
	uint64_t safe;          /* no record above it is sent */
	bool lagging;
	unsigned looking;       /* answers of a look at the lag that are out */
	uint64_t since_look;    /* records appended since */
	uint64_t lag_worst;
	struct appender_counts n;
	struct lane lane[];
};

static void lane_send(struct lane *l);

static struct ap_redis *redis_of(const struct lane *l)
{
	return ap_redis_set_part(l->a->redis, l->part);
}

/* --- how far ap-normalize is behind --------------------------------------------------------- */

static uint64_t number_of(const redisReply *r)
{
	return r != NULL && r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
}

static void on_head(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;

	l->head_n = number_of(reply);
}

static void on_taken(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct appender *a = l->a;
	uint64_t taken = number_of(reply);

	if (l->head_n > taken && l->head_n - taken > a->lag_worst)
		a->lag_worst = l->head_n - taken;
	if (--a->looking > 0)
		return;
	if (reply == NULL)
		return;         /* lost on the way: the next look is soon */
	a->n.lag_max = a->lag_worst;
	/* Release below nine tenths: else it would flicker. */
	a->lagging = a->lag_worst > a->app->conf.runtime_stream_max / 10 * (a->lagging ? 9 : 10);
	a->ev.changed(a->ctx);
	ev_timer_stop(a->app->loop, &a->look);
	ev_timer_set(&a->look, a->lagging ? 0.05 : 1, 0);
	ev_timer_start(a->app->loop, &a->look);
}

/* Asks how far every raw stream is ahead of ap-normalize. */
static void look(struct appender *a)
{
	if (a->looking || !ap_redis_set_is_up(a->redis))
		return;
	a->since_look = 0;
	a->lag_worst = 0;
	for (unsigned p = 0; p < a->parts; p++) {
		struct lane *l = &a->lane[p];

		ap_redis_sendf(redis_of(l), on_head, l, "HGET %s raw:n", l->key_seq);
		a->looking += ap_redis_sendf(redis_of(l), on_taken, l, "HGET %s n", l->key_norm);
	}
}

static void look_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	look(w->data);
	if (!ev_is_active(w)) {
		ev_timer_set(w, 1, 0);
		ev_timer_start(loop, w);
	}
}

/* --- one frame ------------------------------------------------------------------------------ */

static void pause_lanes(struct appender *a, double most_s)
{
	double pause_s;

	if (ev_is_active(&a->retry))
		return;
	pause_s = ap_backoff_s(&a->app->conf, a->attempt++);
	ev_timer_set(&a->retry, pause_s < most_s ? pause_s : most_s, 0);
	ev_timer_start(a->app->loop, &a->retry);
}

static void retry_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct appender *a = w->data;

	(void)loop, (void)revents;
	for (unsigned p = 0; p < a->parts; p++)
		a->lane[p].pausing = false;
	appender_flush(a);
}

static void frame_done(struct lane *l, ap_id id)
{
	struct appender *a = l->a;
	struct ap_frame *f = ap_batch_head(a->batch, l->part, a->safe);

	a->attempt = 0;
	if (f->n > 0) {
		l->appended = ap_frame_last_seq(f);
		a->n.records += f->n;
		a->n.bytes += f->body.len;
		a->n.frames++;
		a->since_look += f->n;
		if (a->ev.done != NULL)
			a->ev.done(a->ctx, l->part, f, id);
	}
	ap_batch_pop(a->batch, l->part);
	a->ev.changed(a->ctx);
	if (a->since_look > a->app->conf.runtime_stream_max / 4)
		look(a);
}

static void on_replicas(void *ctx, enum ap_redis_wait rc)
{
	struct lane *l = ctx;

	l->in_flight = false;
	if (rc == AP_REDIS_WAIT_LOST)
		return;         /* like a lost answer: sent again when Redis is back */
	if (rc == AP_REDIS_WAIT_SHORT) {
		l->in_flight = ap_redis_wait(redis_of(l), on_replicas, l);
		return;
	}
	frame_done(l, l->id);
	lane_send(l);
}

/* The frame is in its stream: done, as soon as the replicas that were asked for have it. */
static void frame_there(struct lane *l, ap_id id)
{
	if (l->a->app->conf.redis_wait_replicas == 0) {
		frame_done(l, id);
		lane_send(l);
		return;
	}
	l->id = id;
	l->in_flight = ap_redis_wait(redis_of(l), on_replicas, l);
}

/* A frame was there already, but somebody waits for its id: find the entry with the same body. */
static void on_searched(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct ap_frame *f = ap_batch_head(l->a->batch, l->part, l->a->safe);
	ap_id id = { 0, 0 };

	l->in_flight = false;
	if (reply == NULL)
		return;         /* asked again after the next append attempt */
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		const redisReply *e = reply->element[i];
		ap_str body = { 0 };

		if (e->type != REDIS_REPLY_ARRAY || e->elements != 2)
			continue;
		for (size_t k = 0; k + 1 < e->element[1]->elements; k += 2)
			if (ap_str_is(ap_reply_text(e->element[1], k), "b"))
				body = ap_reply_text(e->element[1], k + 1);
		if (ap_str_eq(body, ap_buf_view(&f->body)) && ap_id_parse(ap_reply_text(e, 0), &id)) {
			l->last = id;
			break;
		}
	}
	frame_there(l, id);
}

static void frame_refused(struct lane *l, const redisReply *reply)
{
	ap_str why = ap_reply_why(reply), detail = ap_str_is(why, "BAD") ? ap_reply_text(reply, 1) : (ap_str){ 0 };

	l->a->n.retries++;
	l->pausing = true;
	/* Full, it takes one append and refuses the next: one line a second is enough. */
	if ((l->a->attempt & (l->a->attempt - 1)) == 0 && (l->said_ns == 0 || ap_mono_ns() - l->said_ns > 1000000000)) {
		l->said_ns = ap_mono_ns();
		ap_log(&l->a->app->log, AP_ERROR, "append_refused", KV_U("part", l->part), KV_T("why", why), KV_T("what", detail),
		       KV_S("next", "retry"));
	}
	pause_lanes(l->a, ap_str_is(why, "OOM") ? NO_ROOM_S : HUGE_VAL);
}

static void on_appended(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct appender *a = l->a;
	struct ap_frame *f = ap_batch_head(a->batch, l->part, a->safe);
	const char *word = reply == NULL ? "" : ap_reply_word(reply);
	ap_id id;

	l->in_flight = false;
	if (reply == NULL) {
		a->n.retries++;         /* it may be there: sent again when Redis is back, and told apart by its numbers */
		return;
	}
	if (strcmp(word, "OK") == 0 && ap_id_parse(ap_reply_text(reply, 1), &id)) {
		l->last = id;
		frame_there(l, id);
	} else if (strcmp(word, "DUP") == 0 && f->tickets > 0) {
		l->in_flight = ap_redis_sendf(redis_of(l), on_searched, l, "XREVRANGE %s + - COUNT %d", l->key_raw, SEARCH_ENTRIES);
	} else if (strcmp(word, "DUP") == 0) {
		frame_there(l, (ap_id){ 0, 0 });
	} else if (strcmp(word, "PART") == 0 && ap_batch_cut(a->batch, l->part, ap_reply_u64(reply, 1, 0)) > 0) {
		if (f->n == 0)
			frame_done(l, (ap_id){ 0, 0 });
		lane_send(l);
	} else if (strcmp(word, "DATASET") == 0) {
		a->n.retries++;
		ap_redis_reset(redis_of(l), "dataset_lost");
	} else if (strcmp(word, "LOST") == 0) {
		ap_log(&a->app->log, AP_ERROR, "redis_lost_records", KV_U("part", l->part), KV_U("has", ap_reply_u64(reply, 1, 0)),
		       KV_U("had", l->appended), KV_S("next", "start_over"));
		ap_redis_reset(redis_of(l), "records_lost");
	} else {
		frame_refused(l, reply);
	}
}

static void lane_send(struct lane *l)
{
	struct appender *a = l->a;
	struct ap_frame *f;
	char first[24], last[24], n[12], t[24], seen[24], floor[AP_ID_TEXT];
	const char *argv[14];
	size_t len[14];

	if (!l->go || l->in_flight || l->pausing || !ap_redis_is_up(redis_of(l)))
		return;
	f = ap_batch_head(a->batch, l->part, a->safe);
	if (f == NULL)
		return;
	snprintf(first, sizeof first, "%" PRIu64, ap_frame_first_seq(f));
	snprintf(last, sizeof last, "%" PRIu64, ap_frame_last_seq(f));
	snprintf(n, sizeof n, "%" PRIu32, f->n);
	snprintf(t, sizeof t, "%" PRId64, f->t_ms < 0 ? 0 : f->t_ms);
	snprintf(seen, sizeof seen, "%" PRIu64, l->appended);
	ap_id_format(l->last, floor);
	const char *const all[14] = { "FCALL", "ap_append_v1", "3", l->key_raw, l->key_seq, l->key_hw, a->producer,
				      first, last, floor, n, t, (const char *)f->body.p, seen };
	for (unsigned i = 0; i < 14; i++) {
		argv[i] = all[i];
		len[i] = i != 12 ? strlen(all[i]) : f->body.len;
	}
	l->in_flight = ap_redis_send(redis_of(l), on_appended, l, 0, 14, argv, len);
}

/* --- all of them ---------------------------------------------------------------------------- */

static void on_newest(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	ap_id id;

	l->asked--;
	if (l->passed > 0) {
		l->passed--;    /* asked before a connection was lost, ours or another partition's: asked again since, or soon */
		return;
	}
	if (reply == NULL || l->asked > 0)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		ap_redis_reset(redis_of(l), "marks_refused");
		return;
	}
	if (reply->type == REDIS_REPLY_STRING && ap_id_parse(ap_str_n(reply->str, reply->len), &id) && ap_id_cmp(id, l->last) > 0)
		l->last = id;
	l->a->ev.up(l->a->ctx, l->part, l->have);
}

static void on_mark(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;

	l->have = number_of(reply);
}

/* What Redis has of us, and where each stream ends: asked in this order, so that all of ours stands at or below that end. */
void appender_ask(struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++) {
		struct lane *l = &a->lane[p];

		l->go = false;
		ap_redis_sendf(redis_of(l), on_mark, l, "HGET %s %s", l->key_hw, a->producer);
		l->asked += ap_redis_sendf(redis_of(l), on_newest, l, "HGET %s raw:id", l->key_seq);
	}
}

/* Redis is there when all of it is: in a Cluster one node that is away holds back all partitions, and the journal takes what comes. */
static void on_up(void *ctx, unsigned first, unsigned last)
{
	struct appender *a = ctx;

	(void)first, (void)last;
	if (!ap_redis_set_is_up(a->redis))
		return;
	look(a);
	appender_ask(a);
}

static void on_down(void *ctx, unsigned first, unsigned last, const char *why)
{
	struct appender *a = ctx;

	(void)first, (void)last;
	for (unsigned p = 0; p < a->parts; p++) {
		a->lane[p].go = false;
		a->lane[p].passed = a->lane[p].asked;
	}
	a->ev.down(a->ctx, why);
}

struct appender *appender_new(struct ap_app *app, const char *producer, const struct appender_events *ev, void *ctx,
			      char *err, size_t errlen)
{
	static const struct ap_redis_set_events redis_ev = { on_up, on_down };
	unsigned parts = (unsigned)app->conf.data_partitions;
	struct appender *a = calloc(1, sizeof *a + parts * sizeof a->lane[0]);

	if (a == NULL || (a->batch = ap_batch_new(parts)) == NULL) {
		snprintf(err, errlen, "no memory");
		free(a);
		return NULL;
	}
	a->app = app;
	a->ev = *ev;
	a->ctx = ctx;
	a->parts = parts;
	a->safe = UINT64_MAX;
	snprintf(a->producer, sizeof a->producer, "%s", producer);
	for (unsigned p = 0; p < parts; p++) {
		struct lane *l = &a->lane[p];

		l->a = a;
		l->part = p;
		snprintf(l->key_raw, sizeof l->key_raw, "ap:{%u}:raw", p);
		snprintf(l->key_seq, sizeof l->key_seq, "ap:{%u}:seq", p);
		snprintf(l->key_hw, sizeof l->key_hw, "ap:{%u}:hw", p);
		snprintf(l->key_norm, sizeof l->key_norm, "ap:{%u}:state:normalize", p);
	}
	ev_timer_init(&a->retry, retry_cb, 0, 0);
	ev_timer_init(&a->look, look_cb, 1, 0);
	a->retry.data = a->look.data = a;
	ev_timer_start(app->loop, &a->look);
	a->redis = ap_redis_set_new(app->loop, &app->log, &app->conf, AP_REDIS_DATASET, &redis_ev, a, err, errlen);
	if (a->redis == NULL) {
		appender_free(a);
		return NULL;
	}
	return a;
}

void appender_free(struct appender *a)
{
	if (a == NULL)
		return;
	ev_timer_stop(a->app->loop, &a->retry);
	ev_timer_stop(a->app->loop, &a->look);
	ap_redis_set_free(a->redis);
	ap_batch_free(a->batch);
	free(a);
}

static void no_memory(struct appender *a)
{
	/* Nothing of it was acknowledged; a new process with its memory back is the way out. */
	ap_log(&a->app->log, AP_ERROR, "no_memory", KV_U("backlog_bytes", ap_batch_bytes(a->batch)), KV_S("next", "exit"));
	exit(AP_EX_AGAIN);
}

void appender_put(struct appender *a, unsigned part, ap_str wire, uint64_t seq, int64_t t_ms, uint64_t ticket)
{
	assert(part < a->parts);
	if (!ap_batch_put(a->batch, part, wire, seq, t_ms, ticket))
		no_memory(a);
}

void appender_join(struct appender *a, struct ap_batch *from)
{
	ap_batch_join(a->batch, from);
}

void appender_safe(struct appender *a, uint64_t seq)
{
	a->safe = seq;
}

void appender_go(struct appender *a, unsigned part, uint64_t have)
{
	struct lane *l = &a->lane[part];

	assert(have >= l->appended || ap_batch_first(a->batch, part) == NULL);
	l->appended = have;
	l->go = true;
	l->pausing = false;
	lane_send(l);
}

void appender_reset(struct appender *a, unsigned part, uint64_t seq)
{
	assert(!a->lane[part].go && !a->lane[part].in_flight);
	ap_batch_reset(a->batch, part, seq);
}

const struct ap_frame *appender_first(const struct appender *a, unsigned part)
{
	return ap_batch_first(a->batch, part);
}

uint64_t appender_last(const struct appender *a, unsigned part)
{
	return ap_batch_last(a->batch, part);
}

uint64_t appender_appended(const struct appender *a, unsigned part)
{
	return a->lane[part].appended;
}

ap_id appender_last_id(const struct appender *a, unsigned part)
{
	return a->lane[part].last;
}

void appender_flush(struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		lane_send(&a->lane[p]);
}

bool appender_flows(const struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		if (!a->lane[p].go || a->lane[p].pausing)
			return false;
	return ap_redis_set_is_up(a->redis);
}

bool appender_lags(const struct appender *a)
{
	return a->lagging;
}

bool appender_empty(const struct appender *a)
{
	return ap_batch_bytes(a->batch) == 0;
}

size_t appender_backlog(const struct appender *a)
{
	return ap_batch_bytes(a->batch);
}

bool appender_reached(const struct appender *a, uint64_t seq)
{
	for (unsigned p = 0; p < a->parts; p++) {
		const struct ap_frame *f = ap_batch_first(a->batch, p);

		if (f != NULL && f->n > 0 && ap_frame_first_seq(f) <= seq)
			return false;
	}
	return true;
}

void appender_forget(struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		ap_redis_sendf(redis_of(&a->lane[p]), NULL, NULL, "HDEL %s %s", a->lane[p].key_hw, a->producer);
}

const char *appender_producer(const struct appender *a)
{
	return a->producer;
}

const struct appender_counts *appender_counts(const struct appender *a)
{
	return &a->n;
}

struct ap_redis_set *appender_redis(struct appender *a)
{
	return a->redis;
}
