/*
 * main_trim.c - asks Redis how far PostgreSQL is, which says what may leave a journal.
 *
 * Of each partition: how far ap-normalize has come, where the streams it writes to end, how far ap-persist has stored
 * them, in this order. Deletes nothing itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "confirm.h"
#include "main.h"

enum { STREAMS = 3, MARK_MS = 1000 };   /* tick, reject, raw */

struct lane {
	struct trim *t;
	unsigned part;
	ap_id taken, bound;
	struct ap_confirm_stream s[STREAMS];
};

struct trim {
	struct ap_app *app;
	struct ap_redis_set *redis;
	struct ap_confirm *marks;
	trim_fn *fn;
	void *ctx;
	unsigned parts;
	unsigned asking;        /* partitions whose answers are out */
	bool lost;              /* one of them came not */
	int64_t ask_ns, asked_ns;       /* when the question that is under way was sent, and the last one that was answered */
	struct lane lane[];
};

static ap_id id_of(const redisReply *reply, size_t i)
{
	ap_id id = { 0, 0 };
	ap_str text = reply->type == REDIS_REPLY_STRING ? ap_str_n(reply->str, reply->len) : ap_reply_text(reply, i);

	return ap_id_parse(text, &id) ? id : (ap_id){ 0, 0 };
}

static void on_taken(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;

	if (reply != NULL)
		l->taken = id_of(reply, 0);
}

static void on_ends(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;

	for (size_t i = 0; i < STREAMS && reply != NULL; i++)
		l->s[i].end = id_of(reply, i);
}

/* Streams that ap-persist does not read confirm nothing and hold nothing up. */
static void leave_out(struct lane *l)
{
	const struct ap_conf *c = &l->t->app->conf;

	if (!c->persist_normalized && !c->persist_results)
		l->s[1].stored = l->s[1].end;
	if (!c->persist_raw)
		l->s[2].stored = l->s[2].end;
}

static void on_stored(void *ctx, const redisReply *reply)
{
	struct lane *l = ctx;
	struct trim *t = l->t;
	uint64_t least = UINT64_MAX;

	t->asking--;
	t->lost = t->lost || reply == NULL;
	if (reply != NULL) {
		for (size_t i = 0; i < STREAMS; i++)
			l->s[i].stored = id_of(reply, i);
		leave_out(l);
		l->bound = ap_confirm_bound(l->taken, l->s, STREAMS);
	}
	if (t->asking > 0 || t->lost)
		return;
	t->asked_ns = t->ask_ns;
	for (unsigned p = 0; p < t->parts; p++) {
		uint64_t upto = ap_confirm_upto(t->marks, p, t->lane[p].bound);

		least = upto < least ? upto : least;
	}
	t->fn(t->ctx, least);
}

struct trim *trim_new(struct ap_app *app, struct ap_redis_set *redis, trim_fn *fn, void *ctx)
{
	unsigned parts = (unsigned)app->conf.data_partitions;
	struct trim *t = calloc(1, sizeof *t + parts * sizeof t->lane[0]);

	if (t == NULL)
		return NULL;
	t->app = app;
	t->redis = redis;
	t->fn = fn;
	t->ctx = ctx;
	t->parts = parts;
	t->marks = ap_confirm_new(parts);
	for (unsigned p = 0; p < parts; p++) {
		t->lane[p].t = t;
		t->lane[p].part = p;
	}
	if (t->marks == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void trim_free(struct trim *t)
{
	if (t == NULL)
		return;
	ap_confirm_free(t->marks);
	free(t);
}

void trim_mark(struct trim *t, unsigned part, ap_id id, uint64_t seq, bool always)
{
	if (always || id.ms >= ap_confirm_last(t->marks, part).ms + MARK_MS)
		ap_confirm_mark(t->marks, part, id, seq);
}

void trim_clear(struct trim *t, unsigned part)
{
	ap_confirm_clear(t->marks, part);
}

void trim_ask(struct trim *t)
{
	if (t->asking > 0 || !ap_redis_set_is_up(t->redis))
		return;
	t->lost = false;
	t->ask_ns = ap_now().ns;
	for (unsigned p = 0; p < t->parts; p++) {
		struct lane *l = &t->lane[p];

		ap_redis_sendf(ap_redis_set_part(t->redis, p), on_taken, l, "HGET ap:{%u}:state:normalize c", p);
		ap_redis_sendf(ap_redis_set_part(t->redis, p), on_ends, l, "HMGET ap:{%u}:seq tick:id reject:id raw:id", p);
		t->asking += ap_redis_sendf(ap_redis_set_part(t->redis, p), on_stored, l, "HMGET ap:{%u}:state:persist tick:c reject:c raw:c", p);
	}
}

ap_id trim_bound(const struct trim *t, unsigned part)
{
	return t->lane[part].bound;
}

ap_id trim_end(const struct trim *t, unsigned part)
{
	return t->lane[part].s[2].end;
}

int64_t trim_asked_ns(const struct trim *t)
{
	return t->asked_ns;
}
