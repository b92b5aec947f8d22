/*
 * main_redis.c - follows ap:metric, and asks Redis how far every stage is.
 *
 * Lag is the difference of our own sequence numbers, never Redis's lag field, which is wrong after trimming.
 */
#include "main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/io/entry.h"

/* The stages that keep a cursor in Redis, and what they read. */
static const struct { const char *stage; enum ap_stream in; } consumers[CONSUMERS] = {
	{ "normalize", AP_S_RAW }, { "candle", AP_S_TICK }, { "indicators", AP_S_CANDLE },
};

/* --- the tail of ap:metric ------------------------------------------------------------------------------------ */

static void tail_next(struct watch *w);

static void take_entry(struct watch *w, const redisReply *entry)
{
	struct ap_entry e;
	struct ap_rec rec;
	enum ap_wire_rc rc;

	if (!ap_entry_read(entry, NULL, &e) || e.gone || e.id_text.len >= sizeof w->last_id)
		return;
	memcpy(w->last_id, e.id_text.p, e.id_text.len);
	w->last_id[e.id_text.len] = '\0';
	ap_wire_start(&w->it, e.body, e.n);
	while ((rc = ap_wire_next(&w->it, &rec)) == AP_WIRE_OK)
		if (rec.kind == AP_METRIC)
			mtable_put(w->table, &rec.u.metric);
	w->bad_frames += rc == AP_WIRE_BAD;
}

static void tail_cb(void *ctx, const redisReply *reply)
{
	struct watch *w = ctx;

	w->reading = false;
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		ap_redis_reset(w->tail, "metric_stream_unreadable");
		return;
	}
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->elements == 2) {
		const redisReply *entries = reply->element[0]->element[1];

		for (size_t i = 0; i < entries->elements; i++)
			take_entry(w, entries->element[i]);
	}
	tail_next(w);
}

static void tail_next(struct watch *w)
{
	char block[24];

	if (w->reading)
		return;
	snprintf(block, sizeof block, "%" PRIu64, w->app.conf.runtime_block_ms);
	w->reading = ap_redis_sendf(w->tail, tail_cb, w, "XREAD COUNT 64 BLOCK %s STREAMS ap:metric %s", block, w->last_id);
}

/* From a little before now: what is there is shown at once, and a Redis begun anew is followed from its start. */
static void tail_up(void *ctx)
{
	struct watch *w = ctx;
	int64_t ms = ap_ts_ms(ap_now()) - EXPIRE_S * 1000;

	snprintf(w->last_id, sizeof w->last_id, "%" PRId64 "-0", ms);
	w->reading = false;
	tail_next(w);
}

/* --- asking about a partition ----------------------------------------------------------------------------------- */

static void seq_cb(void *ctx, const redisReply *reply)
{
	struct part_seen *s = ctx;

	s->asked = false;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i < AP_S_N; i++) {
		s->q[i] = ap_reply_u64(reply, 2 * i, 0);
		s->n[i] = ap_reply_u64(reply, 2 * i + 1, 0);
	}
	s->known = true;
}

static void stored_cb(void *ctx, const redisReply *reply)
{
	struct part_seen *s = ctx;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i < AP_S_N; i++) {
		s->stores[i] = ap_reply_text(reply, i).len > 0;
		s->stored_q[i] = ap_reply_u64(reply, i, 0);
	}
}

static void state_cb(void *ctx, const redisReply *reply)
{
	const struct one *o = ctx;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		return;
	o->s->took_q[o->i] = ap_reply_u64(reply, 0, 0);
	o->s->took_n[o->i] = ap_reply_u64(reply, 1, 0);
	o->s->lost[o->i] = ap_reply_u64(reply, 2, 0);
}

static void len_cb(void *ctx, const redisReply *reply)
{
	const struct one *o = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0)
		o->s->len[o->i] = (uint64_t)reply->integer;
}

static void ask_part(struct watch *w, struct part_seen *s)
{
	char seq[48], state[64], names[2 * AP_S_N][24];
	const char *argv[2 + 2 * AP_S_N] = { "HMGET", seq };
	struct ap_redis *ask = ap_redis_set_part(w->ask, (unsigned)s->p);

	snprintf(seq, sizeof seq, "ap:{%d}:seq", s->p);
	for (size_t i = 0; i < AP_S_N; i++) {
		const char *name = ap_stream_name((enum ap_stream)i);

		s->len_of[i] = (struct one){ s, i };
		ap_redis_sendf(ask, len_cb, &s->len_of[i], "XLEN ap:{%d}:%s", s->p, name);
		snprintf(names[2 * i], sizeof names[0], "%s:q", name);
		argv[2 + i] = names[2 * i];
	}
	snprintf(state, sizeof state, "ap:{%d}:state:persist", s->p);
	argv[1] = state;
	ap_redis_send(ask, stored_cb, s, 0, 2 + AP_S_N, argv, NULL);
	for (size_t i = 0; i < CONSUMERS; i++) {
		s->state_of[i] = (struct one){ s, i };
		ap_redis_sendf(ask, state_cb, &s->state_of[i], "HMGET ap:{%d}:state:%s q n lost", s->p, consumers[i].stage);
	}
	argv[1] = seq;
	for (size_t i = 0; i < AP_S_N; i++) {
		const char *name = ap_stream_name((enum ap_stream)i);

		snprintf(names[2 * i], sizeof names[0], "%s", name);
		snprintf(names[2 * i + 1], sizeof names[0], "%s:n", name);
		argv[2 + 2 * i] = names[2 * i];
		argv[3 + 2 * i] = names[2 * i + 1];
	}
	s->asked = ap_redis_send(ask, seq_cb, s, 0, 2 + 2 * AP_S_N, argv, NULL);
}

/* One round at a time: a slow Redis is not asked twice. */
void watch_ask(struct watch *w)
{
	for (size_t p = 0; p < w->parts; p++)
		if (!w->part[p].asked && ap_redis_is_up(ap_redis_set_part(w->ask, (unsigned)p)))
			ask_part(w, &w->part[p]);
}

static double behind(uint64_t written, uint64_t taken)
{
	return written > taken ? (double)(written - taken) : 0;
}

static void collect_part(const struct part_seen *s, struct ap_metrics *m)
{
	char label[96];

	for (size_t i = 0; i < AP_S_N; i++) {
		const char *name = ap_stream_name((enum ap_stream)i);

		snprintf(label, sizeof label, "part=\"%d\",stream=\"%s\"", s->p, name);
		ap_metrics_add(m, "stream_entries", label, AP_M_GAUGE, (double)s->len[i]);
		ap_metrics_add(m, "stream_records_total", label, AP_M_COUNTER, (double)s->n[i]);
		if (!s->stores[i])
			continue;
		snprintf(label, sizeof label, "part=\"%d\",stage=\"persist\",stream=\"%s\"", s->p, name);
		ap_metrics_add(m, "stage_lag_entries", label, AP_M_GAUGE, behind(s->q[i], s->stored_q[i]));
	}
	for (size_t i = 0; i < CONSUMERS; i++) {
		snprintf(label, sizeof label, "part=\"%d\",stage=\"%s\",stream=\"%s\"", s->p, consumers[i].stage,
			 ap_stream_name(consumers[i].in));
		ap_metrics_add(m, "stage_lag_entries", label, AP_M_GAUGE, behind(s->q[consumers[i].in], s->took_q[i]));
		ap_metrics_add(m, "stage_lag_records", label, AP_M_GAUGE, behind(s->n[consumers[i].in], s->took_n[i]));
		ap_metrics_add(m, "stage_lost_entries_total", label, AP_M_COUNTER, (double)s->lost[i]);
	}
}

void watch_collect(void *ctx, struct ap_metrics *m)
{
	struct watch *w = ctx;
	uint64_t raw = 0;
	bool known = w->parts > 0;

	for (size_t p = 0; p < w->parts; p++) {
		known = known && w->part[p].known;
		raw += w->part[p].n[AP_S_RAW];
		if (w->part[p].known)
			collect_part(&w->part[p], m);
	}
	if (known)
		ap_metrics_add(m, "raw_records_total", "", AP_M_COUNTER, (double)raw);
	ap_metrics_add(m, "bad_frames_total", "", AP_M_COUNTER, (double)w->bad_frames);
	ap_metrics_add(m, "series", "", AP_M_GAUGE, (double)w->table->n);
	ap_metrics_add(m, "series_refused_total", "", AP_M_COUNTER, (double)(w->table->refused + w->alerts.refused));
}

/* --- records of our own ------------------------------------------------------------------------------------------- */

void watch_put(struct watch *w, const struct ap_metric *m)
{
	struct ap_rec rec = { .kind = AP_METRIC };

	rec.u.metric = *m;
	if (w->frame_n == AP_FRAME_RECS || w->frame.len + ap_wire_size(&rec) > AP_FRAME_BYTES)
		watch_emit(w);
	if (ap_wire_put(&w->frame, &rec))
		w->frame_n++;
}

void watch_emit(struct watch *w)
{
	if (w->frame_n > 0 && !w->frame.full)
		ap_redis_sendf(w->out, NULL, NULL, "XADD ap:metric MAXLEN ~ 10000 * v 1 k metric q 0 n %u t %lld b %b", (unsigned)w->frame_n,
			       (long long)ap_ts_ms(ap_now()), w->frame.p, w->frame.len);
	ap_buf_clear(&w->frame);
	w->frame_n = 0;
}

static void ask_up(void *ctx, unsigned first, unsigned last)
{
	struct watch *w = ctx;

	for (unsigned p = first; p <= last; p++)
		w->part[p].asked = false;
	watch_ask(w);
}

static void no_down(void *ctx, const char *why)
{
	(void)ctx, (void)why;
}

bool watch_redis(struct watch *w, char *err, size_t errlen)
{
	static const struct ap_redis_events tail = { tail_up, no_down };
	static const struct ap_redis_set_events ask = { ask_up, NULL };

	ap_buf_init(&w->frame, 2 * AP_FRAME_BYTES);
	w->parts = (size_t)w->app.conf.data_partitions;
	w->part = calloc(w->parts, sizeof *w->part);
	if (w->part == NULL) {
		snprintf(err, errlen, "no memory");
		return false;
	}
	for (size_t p = 0; p < w->parts; p++)
		w->part[p].p = (int)p;
	w->tail = ap_redis_new_key(w->app.loop, &w->app.log, &w->app.conf, AP_REDIS_PRIMARY, "ap:metric", &tail, w, err, errlen);
	if (w->tail != NULL)
		w->out = ap_redis_new_key(w->app.loop, &w->app.log, &w->app.conf, AP_REDIS_PRIMARY, "ap:metric", NULL, NULL, err, errlen);
	if (w->out != NULL)
		w->ask = ap_redis_set_new(w->app.loop, &w->app.log, &w->app.conf, AP_REDIS_PRIMARY, &ask, w, err, errlen);
	return w->ask != NULL;
}
