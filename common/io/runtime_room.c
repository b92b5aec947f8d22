/*
 * runtime_room.c - how far a partition is behind its input, and how far its readers are behind its outputs.
 *
 * Both come from our own sequence numbers: Redis' `lag` is wrong after trimming.
 */
#include <stdlib.h>

#include "runtime_part.h"

/* Who reads what a stage writes. ap-persist keeps a cursor per stream and counts entries; the others count records. */
static const struct reader {
	enum ap_stream s;
	const char *stage, *field;
	bool entries;
	bool must;              /* it is part of every pipeline: absent means it has read nothing */
} readers[] = {
	{ AP_S_TICK, "candle", "n", false, true },
	{ AP_S_CANDLE, "indicators", "n", false, true },
	{ AP_S_TICK, "persist", "tick:q", true, false },
	{ AP_S_CANDLE, "persist", "candle:q", true, false },
	{ AP_S_INDICATOR, "persist", "indicator:q", true, false },
	{ AP_S_SIGNAL, "persist", "signal:q", true, false },
	{ AP_S_REJECT, "persist", "reject:q", true, false },
};
enum { READERS = sizeof readers / sizeof readers[0] };
_Static_assert(sizeof readers / sizeof readers[0] <= (size_t)ROOM_READERS, "a place for every question");

static bool number(const redisReply *r, uint64_t *out)
{
	if (r == NULL || r->type != REDIS_REPLY_STRING || r->len == 0 || r->len > 18)
		return false;
	*out = strtoull(r->str, NULL, 10);
	return true;
}

static void answered(struct part *p)
{
	if (--p->room_left > 0)
		return;
	p->full = p->room_full;
	if (p->state == AP_R_PAUSED)
		part_event(p, p->full ? AP_R_FULL : AP_R_ROOM);
}

/* Fields NAME, NAME:n of every stream, in order. */
static void heads_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	enum ap_stream in = p->rt->stage->in;

	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 * (size_t)AP_S_N) {
		for (unsigned s = 0; s < AP_S_N; s++)
			for (unsigned k = 0; k < 2; k++)
				if (!number(reply->element[2 * s + k], &p->heads[s][k]))
					p->heads[s][k] = 0;
		p->lag_entries = p->heads[in][0] > p->q ? p->heads[in][0] - p->q : 0;
		p->lag_records = p->lag_entries > 0 && p->heads[in][1] > p->taken ? p->heads[in][1] - p->taken : 0;
	}
	answered(p);
}

static void reader_cb(void *ctx, const redisReply *reply)
{
	const struct room_ask *ask = ctx;
	struct part *p = ask->p;
	const struct reader *r = &readers[ask->reader];
	uint64_t done = 0, most = p->rt->app.conf.runtime_stream_max;
	const uint64_t *head = p->heads[r->s];

	if (reply != NULL && (number(reply, &done) || r->must)) {
		uint64_t of = head[r->entries ? 0 : 1], ahead = of > done ? of - done : 0;
		/* Entries as records: each holds as many as the stream's entries do on average. */
		if (r->entries && head[0] > 0)
			ahead = (uint64_t)((double)ahead * (double)head[1] / (double)head[0]);
		if (ahead > most)
			p->room_full = true;
	}
	answered(p);
}

void part_ask_room(struct part *p)
{
	const struct ap_stage *stage = p->rt->stage;

	if (p->room_left > 0 || !ap_redis_begin(p->redis, 2 + 2 * AP_S_N))
		return;
	p->room_full = false;
	p->since_room = 0;
	ap_redis_arg(p->redis, ap_str_c("HMGET"));
	ap_redis_arg(p->redis, ap_str_c(p->key_seq));
	for (unsigned s = 0; s < AP_S_N; s++) {
		char n[24];
		ap_redis_arg(p->redis, ap_str_c(ap_stream_name(s)));
		ap_redis_arg(p->redis, ap_str_n(n, (size_t)snprintf(n, sizeof n, "%s:n", ap_stream_name(s))));
	}
	p->room_left += ap_redis_end(p->redis, heads_cb, p, 0);
	for (size_t i = 0; i < READERS; i++) {
		if ((stage->outs & (1u << readers[i].s)) == 0)
			continue;
		p->room_ask[i] = (struct room_ask){ p, (unsigned)i };
		if (ap_redis_sendf(p->redis, reader_cb, &p->room_ask[i], "HGET ap:{%u}:state:%s %s", p->p, readers[i].stage, readers[i].field))
			p->room_left++;
	}
}
