/*
 * main_append.c - frames to Redis: one in flight a partition, sent again with the same sequence numbers until they
 * are there.
 *
 * Order within a partition is the order of appender_put. What is held here is all there is of it: when Redis is away
 * or ap-normalize far behind, sources are told to stop.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "main.h"

enum { SEARCH_ENTRIES = 128 };  /* looked through, from the end, for a frame whose id was lost */

struct lane {
	struct appender *a;
	unsigned part;
	char key_raw[24], key_seq[24], key_hw[24], key_norm[40];
	ap_id last;             /* of the last entry; the next one is above it even in a Redis that forgot */
	uint64_t appended;      /* sequence number of the last record that is there */
	uint64_t head_n;        /* records in the raw stream, of the look that is under way */
	bool in_flight, pausing;
};

struct appender {
	struct ap_app *app;
	struct ap_redis *redis;
	struct ap_batch *batch;
	struct appender_events ev;
	void *ctx;
	char producer[129];
	unsigned parts, attempt;
	ev_timer retry, look;
	bool held, lagging, full;
	bool looking;           /* answers of a look at the lag are out */
	uint64_t since_look;    /* records appended since */
	uint64_t lag_worst;
	struct appender_counts n;
	struct lane lane[];
};

static void lane_send(struct lane *l);

/* --- holding sources back ------------------------------------------------------------------ */

static void judge(struct appender *a)
{
	size_t bytes = ap_batch_bytes(a->batch), most = a->app->conf.ingest_backlog_bytes;
	bool held;

	a->full = bytes > (a->full ? most / 2 : most);
	held = a->full || a->lagging;
	if (held == a->held)
		return;
	a->held = held;
	a->n.holds += held;
	ap_log(&a->app->log, held ? AP_WARN : AP_INFO, held ? "sources_held" : "sources_released",
	       KV_S("why", a->full ? "backlog" : a->lagging ? "normalize_behind" : "room_again"), KV_U("backlog_bytes", bytes),
	       KV_U("lag_records", a->n.lag_max));
	a->ev.held(a->ctx, held);
}

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
	if (l->part + 1 < a->parts)
		return;
	a->looking = false;
	if (reply == NULL)
		return;         /* lost on the way: the next look is soon */
	a->n.lag_max = a->lag_worst;
	/* Release below nine tenths: else it would flicker. */
	a->lagging = a->lag_worst > a->app->conf.runtime_stream_max / 10 * (a->lagging ? 9 : 10);
	judge(a);
	ev_timer_stop(a->app->loop, &a->look);
	ev_timer_set(&a->look, a->lagging ? 0.05 : 1, 0);
	ev_timer_start(a->app->loop, &a->look);
}

/* Asks how far every raw stream is ahead of ap-normalize. */
static void look(struct appender *a)
{
	if (a->looking || !ap_redis_is_up(a->redis))
		return;
	a->looking = true;
	a->since_look = 0;
	a->lag_worst = 0;
	for (unsigned p = 0; p < a->parts; p++) {
		struct lane *l = &a->lane[p];

		ap_redis_sendf(a->redis, on_head, l, "HGET %s raw:n", l->key_seq);
		ap_redis_sendf(a->redis, on_taken, l, "HGET %s n", l->key_norm);
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

static void pause_lanes(struct appender *a)
{
	if (ev_is_active(&a->retry))
		return;
	ev_timer_set(&a->retry, ap_backoff_s(&a->app->conf, a->attempt++), 0);
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
	struct ap_frame *f = ap_batch_head(a->batch, l->part);

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
	judge(a);
	if (a->ev.empty != NULL && appender_empty(a))
		a->ev.empty(a->ctx);
	if (a->since_look > a->app->conf.runtime_stream_max / 4)
		look(a);
}

/* A frame was there already, but somebody waits for its id: find the entry with the same body. */
static void on_searched(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct ap_frame *f = ap_batch_head(l->a->batch, l->part);
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
	frame_done(l, id);
	lane_send(l);
}

static void frame_refused(struct lane *l, const redisReply *reply)
{
	const char *word = ap_reply_word(reply), *what = reply->type == REDIS_REPLY_ERROR ? reply->str : word;
	char why[64];
	ap_str detail = strcmp(word, "BAD") == 0 ? ap_reply_text(reply, 1) : (ap_str){ 0 };

	snprintf(why, sizeof why, "%.*s", (int)strcspn(what, " "), what);
	l->a->n.retries++;
	l->pausing = true;
	if ((l->a->attempt & (l->a->attempt - 1)) == 0)
		ap_log(&l->a->app->log, AP_ERROR, "append_refused", KV_U("part", l->part), KV_S("why", why), KV_T("what", detail),
		       KV_S("next", "retry"));
	pause_lanes(l->a);
}

static void on_appended(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct appender *a = l->a;
	struct ap_frame *f = ap_batch_head(a->batch, l->part);
	const char *word = reply == NULL ? "" : ap_reply_word(reply);
	ap_id id;

	l->in_flight = false;
	if (reply == NULL) {
		a->n.retries++;         /* it may be there: sent again when Redis is back, and told apart by its numbers */
		return;
	}
	if (strcmp(word, "OK") == 0 && ap_id_parse(ap_reply_text(reply, 1), &id)) {
		l->last = id;
		frame_done(l, id);
	} else if (strcmp(word, "DUP") == 0 && f->tickets > 0) {
		l->in_flight = ap_redis_sendf(a->redis, on_searched, l, "XREVRANGE %s + - COUNT %d", l->key_raw, SEARCH_ENTRIES);
	} else if (strcmp(word, "DUP") == 0) {
		frame_done(l, (ap_id){ 0, 0 });
	} else if (strcmp(word, "PART") == 0 && ap_batch_cut(a->batch, l->part, ap_reply_u64(reply, 1, 0)) > 0) {
		if (f->n == 0)
			frame_done(l, (ap_id){ 0, 0 });
	} else if (strcmp(word, "DATASET") == 0) {
		a->n.retries++;
		ap_redis_reset(a->redis, "dataset_lost");
		return;
	} else {
		frame_refused(l, reply);
		return;
	}
	lane_send(l);
}

static void lane_send(struct lane *l)
{
	struct appender *a = l->a;
	struct ap_frame *f;
	char first[24], last[24], n[12], t[24], floor[AP_ID_TEXT];
	const char *argv[13];
	size_t len[13];

	if (l->in_flight || l->pausing || !ap_redis_is_up(a->redis))
		return;
	f = ap_batch_head(a->batch, l->part);
	if (f == NULL)
		return;
	snprintf(first, sizeof first, "%" PRIu64, ap_frame_first_seq(f));
	snprintf(last, sizeof last, "%" PRIu64, ap_frame_last_seq(f));
	snprintf(n, sizeof n, "%" PRIu32, f->n);
	snprintf(t, sizeof t, "%" PRId64, f->t_ms < 0 ? 0 : f->t_ms);
	ap_id_format(l->last, floor);
	const char *const all[13] = { "FCALL", "ap_append_v1", "3", l->key_raw, l->key_seq, l->key_hw, a->producer,
				      first, last, floor, n, t, (const char *)f->body.p };
	for (unsigned i = 0; i < 13; i++) {
		argv[i] = all[i];
		len[i] = i < 12 ? strlen(all[i]) : f->body.len;
	}
	l->in_flight = ap_redis_send(a->redis, on_appended, l, 0, 13, argv, len);
}

/* --- all of them ---------------------------------------------------------------------------- */

static void on_up(void *ctx)
{
	struct appender *a = ctx;

	look(a);
	if (a->ev.up != NULL)
		a->ev.up(a->ctx);
	appender_flush(a);
}

static void on_down(void *ctx, const char *why)
{
	struct appender *a = ctx;

	(void)why;
	a->looking = false;
	if (a->ev.down != NULL)
		a->ev.down(a->ctx);
}

struct appender *appender_new(struct ap_app *app, const char *producer, const struct appender_events *ev, void *ctx,
			      char *err, size_t errlen)
{
	static const struct ap_redis_events redis_ev = { on_up, on_down };
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
	a->redis = ap_redis_new(app->loop, &app->log, &app->conf, AP_REDIS_DATASET, &redis_ev, a, err, errlen);
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
	ap_redis_free(a->redis);
	ap_batch_free(a->batch);
	free(a);
}

void appender_put(struct appender *a, unsigned part, const struct ap_rec *rec, uint64_t seq, int64_t t_ms, uint64_t ticket)
{
	assert(part < a->parts);
	if (ap_batch_put(a->batch, part, rec, seq, t_ms, ticket))
		return;
	/* Nothing of it was acknowledged; a new process with its memory back is the way out. */
	ap_log(&a->app->log, AP_ERROR, "no_memory", KV_U("backlog_bytes", ap_batch_bytes(a->batch)), KV_S("next", "exit"));
	exit(AP_EX_AGAIN);
}

uint64_t appender_seq(const struct appender *a, unsigned part)
{
	return ap_batch_last(a->batch, part) + 1;
}

void appender_flush(struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		lane_send(&a->lane[p]);
	judge(a);
}

bool appender_held(const struct appender *a)
{
	return a->held;
}

bool appender_empty(const struct appender *a)
{
	return ap_batch_bytes(a->batch) == 0;
}

size_t appender_backlog(const struct appender *a)
{
	return ap_batch_bytes(a->batch);
}

void appender_mark(const struct appender *a, uint64_t *mark)
{
	for (unsigned p = 0; p < a->parts; p++)
		mark[p] = ap_batch_last(a->batch, p);
}

bool appender_reached(const struct appender *a, const uint64_t *mark)
{
	for (unsigned p = 0; p < a->parts; p++)
		if (a->lane[p].appended < mark[p])
			return false;
	return true;
}

void appender_forget(struct appender *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		ap_redis_sendf(a->redis, NULL, NULL, "HDEL %s %s", a->lane[p].key_hw, a->producer);
}

const char *appender_producer(const struct appender *a)
{
	return a->producer;
}

const struct appender_counts *appender_counts(const struct appender *a)
{
	return &a->n;
}

struct ap_redis *appender_redis(struct appender *a)
{
	return a->redis;
}
