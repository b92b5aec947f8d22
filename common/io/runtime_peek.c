/*
 * runtime_peek.c - what a stage says of forming candles: a look at the end of `live` now and then, in front of a read.
 *
 * It goes over the partition's own connection, so it needs no lease of its own: asked before the read is sent, answered before
 * the read is, and what comes of it is written behind the read, fenced by the lease. Nothing of it is committed, counted on
 * or taken up again: a round that is lost is followed by the next one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../core/peek.h"
#include "runtime_part.h"

struct peeking {
	struct part *p;
	struct ap_peek peek;
	int64_t next_ns;                /* not before this */
	bool asked;
	char last[AP_ID_TEXT];          /* newest entry looked at */
	uint64_t refused;
};

static void show_cb(void *ctx, const redisReply *reply)
{
	struct peeking *k = ctx;

	/* Once: an older library has no such function, and a lease that is gone is the commit's business. */
	if (reply != NULL && strcmp(ap_reply_word(reply), "OK") != 0 && k->refused++ == 0)
		ap_log(&k->p->rt->app.log, AP_WARN, "provisional_refused", KV_U("part", k->p->p),
		       KV_T("why", ap_reply_why(reply)), KV_S("next", "go_on"));
}

static void show(struct peeking *k)
{
	struct part *p = k->p;

	for (uint32_t i = 0; i < k->peek.frames; i++) {
		if (!ap_redis_begin(p->redis, 12))
			return;
		ap_redis_arg(p->redis, ap_str_c("FCALL"));
		ap_redis_arg(p->redis, ap_str_c("ap_show_v1"));
		ap_redis_arg_u64(p->redis, 3);
		ap_redis_arg(p->redis, ap_str_c(p->key_own));
		ap_redis_arg(p->redis, ap_str_c(p->key_seq));
		ap_redis_arg(p->redis, ap_str_c(p->key_stream[AP_S_LIVE]));
		ap_redis_arg(p->redis, ap_str_c(p->token));
		ap_redis_arg_u64(p->redis, p->epoch);
		ap_redis_arg_u64(p->redis, k->peek.recs[i]);
		ap_redis_arg_u64(p->redis, k->peek.t_ms[i]);
		ap_redis_arg(p->redis, ap_buf_view(&k->peek.body[i]));
		ap_redis_arg_u64(p->redis, p->rt->app.conf.runtime_live_max);
		ap_redis_end(p->redis, show_cb, k, 0);
	}
}

/* Entries of `live`, newest first. */
static void live_cb(void *ctx, const redisReply *reply)
{
	struct peeking *k = ctx;
	struct part *p = k->p;

	k->asked = false;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || !p->open || !ap_run_owns(p->state) || ap_mono_ns() >= p->lease_ns)
		return;
	ap_peek_begin(&k->peek);
	for (size_t i = 0; i < reply->elements; i++) {
		struct ap_entry e;

		if (!ap_entry_read(reply->element[i], ap_stream_name(AP_S_LIVE), &e) || e.gone || e.foreign || e.bad != NULL)
			continue;
		if (i == 0)
			snprintf(k->last, sizeof k->last, "%.*s", (int)e.id_text.len, e.id_text.p);
		ap_peek_entry(&k->peek, p->rt->stage, p->fold.st, e.n, e.body);
	}
	show(k);
}

void part_peek(struct part *p)
{
	const struct ap_stage *stage = p->rt->stage;
	uint64_t ms = stage->peek == NULL ? 0 : stage->peek_ms(&p->rt->app.conf);
	int64_t now_ns = ap_mono_ns();
	struct peeking *k = p->peeking;

	/* Not while a step may be what kills us: blame would fall on the entry. */
	if (ms == 0 || !p->open || p->careful)
		return;
	if (k == NULL) {
		k = p->peeking = calloc(1, sizeof *k);
		if (k == NULL)
			return;
		k->p = p;
		ap_peek_init(&k->peek);
		snprintf(k->last, sizeof k->last, "0-0");
	}
	if (k->asked || now_ns < k->next_ns)
		return;
	k->next_ns = now_ns + (int64_t)ms * 1000000;
	k->asked = ap_redis_sendf(p->redis, live_cb, k, "XREVRANGE %s + (%s COUNT %d", p->key_stream[AP_S_LIVE], k->last, (int)AP_PEEK_ENTRIES);
}

void part_peek_done(struct part *p)
{
	if (p->peeking == NULL)
		return;
	ap_peek_done(&p->peeking->peek);
	free(p->peeking);
	p->peeking = NULL;
}

uint64_t part_peeked(const struct part *p, uint64_t *left)
{
	*left = p->peeking == NULL ? 0 : p->peeking->peek.left;
	return p->peeking == NULL ? 0 : p->peeking->peek.looked;
}
