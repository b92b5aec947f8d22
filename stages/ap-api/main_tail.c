/*
 * main_tail.c - reads the ends of the streams into the model: no group, nothing acknowledged, nothing written.
 *
 * One connection a partition, so that partitions may live on different nodes. Closed candles, indicators and signals are
 * read from the oldest entry there is, because the streams are trimmed only up to what PostgreSQL has: the model and
 * PostgreSQL together miss nothing. Forming candles and rejects start a little before the end, ticks at the end.
 */
#include "main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"
#include "../../common/core/wire.h"
#include "../../common/io/entry.h"

enum { READ_COUNT = 32 };

/* The order matters: candles come before the values computed from them. */
static const struct source {
	enum ap_stream stream;
	unsigned back;          /* entries before the end to start with; 0: from the oldest */
	bool gapless;           /* a missing entry is a loss (`live` is cut short by design) */
} sources[] = {
	{ AP_S_TICK, 1, false },
	{ AP_S_LIVE, 200, false },
	{ AP_S_CANDLE, 0, true },
	{ AP_S_INDICATOR, 0, true },
	{ AP_S_SIGNAL, 0, true },
	{ AP_S_REJECT, 100, false },
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

struct api_tail {
	struct api *api;
	unsigned part;
	struct ap_redis *redis;
	char key[SOURCES][32];
	char id[SOURCES][AP_ID_TEXT];   /* last entry taken */
	uint64_t q[SOURCES];            /* its sequence number; 0: not known yet */
	bool at_end[SOURCES];           /* the last read found less than it asked for */
	bool placed;                    /* the starting points are known */
	unsigned placing;               /* replies still to come for that */
	struct place { struct api_tail *t; unsigned i; } place[SOURCES];
	struct ap_wire_iter it;
};

static void read_next(struct api_tail *t);

static int64_t now_ns(void)
{
	return ap_now().ns;
}

static void take_candle(struct api_tail *t, const struct ap_rec *rec)
{
	const struct ap_candle *c = &rec->u.candle;
	struct api_series *s;
	struct api_tf *tf = api_model_candle(&t->api->model, c, &s);
	/* A closed candle too old for the model's window (a late revision, a replay) is news all the same. */
	if (tf == NULL && c->state != AP_FORMING && (s = api_model_series(&t->api->model, c->source, c->symbol, false)) != NULL) {
		tf = api_model_tf(&t->api->model, s, c->tf, false);
		if (tf != NULL && api_ring_find(&tf->ring, c->open_ms) != NULL)
			return;
	}
	if (tf != NULL)
		api_ws_candle(t->api, s, tf, c);
}

static void take_indicator(struct api_tail *t, const struct ap_rec *rec)
{
	struct api_series *s;
	struct api_tf *tf = api_model_indicator(&t->api->model, &rec->u.indicator, &s);
	if (tf != NULL)
		api_ws_vals(t->api, s, tf, rec->u.indicator.open_ms);
}

static void take_signal(struct api_tail *t, const struct ap_rec *rec)
{
	const struct api_signal *g = api_model_signal(&t->api->model, &rec->u.signal);
	if (g != NULL)
		api_ws_signal(t->api, api_model_series(&t->api->model, g->s.source, g->s.symbol, false), g);
}

static void take_quotebar(struct api_tail *t, const struct ap_rec *rec)
{
	struct api_series *s;
	struct api_tf *tf = api_model_quotebar(&t->api->model, &rec->u.quotebar, &s);
	if (tf != NULL)
		api_ws_quotebar(t->api, s, tf, &rec->u.quotebar);
}

static void take_outcome(struct api_tail *t, const struct ap_rec *rec)
{
	struct api_outcome x;
	if (api_outcome_of(rec, &x))
		api_http_outcome(t->api, &x);
}

static void take(struct api_tail *t, const struct ap_rec *rec, int64_t now)
{
	switch (rec->kind) {
	case AP_CANDLE:
		take_candle(t, rec);
		break;
	case AP_INDICATOR:
		take_indicator(t, rec);
		break;
	case AP_SIGNAL:
		take_signal(t, rec);
		break;
	case AP_BEAT:
		api_pipe_beat(&t->api->pipe, &rec->u.beat, now);
		break;
	case AP_TRADE:
		api_model_trade(&t->api->model, &rec->u.trade);
		api_pipe_trade(&t->api->pipe, rec->u.trade.source, now);
		take_outcome(t, rec);
		break;
	case AP_QUOTE:
		api_model_quote(&t->api->model, &rec->u.quote);
		take_outcome(t, rec);
		break;
	case AP_QUOTEBAR:
		take_quotebar(t, rec);
		break;
	case AP_REJECT:
		take_outcome(t, rec);
		break;
	default:
		break;
	}
}

/* Field `name` of an entry's field list; empty when it is missing. */
static void follow(struct api_tail *t, unsigned i, uint64_t q)
{
	uint64_t missing = t->q[i] != 0 && q > t->q[i] + 1 ? q - t->q[i] - 1 : 0;
	t->q[i] = q;
	if (missing == 0 || !sources[i].gapless)
		return;
	t->api->counts.tail_lost_total += (double)missing;
	t->api->pipe.lost += missing;
	api_model_cool(&t->api->model);
	ap_log(&t->api->app.log, AP_WARN, "entries_lost", KV_U("part", t->part), KV_S("stream", ap_stream_name(sources[i].stream)),
	       KV_U("entries", missing), KV_S("next", "reload_histories"));
}

static void take_entry(struct api_tail *t, unsigned i, const redisReply *entry, int64_t now)
{
	struct ap_rec rec;
	struct ap_entry e;
	if (!ap_entry_read(entry, NULL, &e) || e.gone || e.id_text.len >= AP_ID_TEXT)
		return;
	memcpy(t->id[i], e.id_text.p, e.id_text.len);    /* NOLINT(clang-analyzer-core.NonNullParamChecker): an array */
	t->id[i][e.id_text.len] = '\0';
	follow(t, i, e.q);
	if (t->at_end[i])
		api_pipe_arrived(&t->api->pipe, sources[i].stream, ap_id_origin(e.id), now);
	t->api->counts.tail_entries_total++;
	enum ap_wire_rc rc;
	ap_wire_start(&t->it, e.body, e.n);
	while ((rc = ap_wire_next(&t->it, &rec)) == AP_WIRE_OK) {
		rec.id = e.id;
		t->api->counts.tail_records_total++;
		take(t, &rec, now);
	}
	if (rc == AP_WIRE_BAD) {
		t->api->counts.tail_bad_total++;
		ap_log(&t->api->app.log, AP_WARN, "bad_entry", KV_U("part", t->part),
		       KV_S("stream", ap_stream_name(sources[i].stream)), KV_S("id", t->id[i]), KV_S("why", t->it.why),
		       KV_S("next", "skip"));
	}
}

static void on_read(void *ctx, const redisReply *reply)
{
	struct api_tail *t = ctx;
	int64_t now = now_ns();
	bool got[SOURCES] = { false };
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		ap_redis_reset(t->redis, "read_refused");
		return;
	}
	for (size_t k = 0; reply->type == REDIS_REPLY_ARRAY && k < reply->elements; k++) {
		const redisReply *stream = reply->element[k];
		if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2)
			continue;
		for (unsigned i = 0; i < SOURCES; i++) {
			if (!ap_str_is(ap_reply_text(stream, 0), t->key[i]))
				continue;
			const redisReply *entries = stream->element[1];
			for (size_t e = 0; e < entries->elements; e++)
				take_entry(t, i, entries->element[e], now);
			got[i] = entries->elements == READ_COUNT;
		}
	}
	for (unsigned i = 0; i < SOURCES; i++)
		t->at_end[i] = !got[i];
	read_next(t);
}

static void read_next(struct api_tail *t)
{
	char count[16], block[16];
	const char *argv[6 + 2 * SOURCES] = { "XREAD", "COUNT", count, "BLOCK", block, "STREAMS" };
	snprintf(count, sizeof count, "%d", READ_COUNT);
	snprintf(block, sizeof block, "%" PRIu64, t->api->app.conf.runtime_block_ms);
	for (unsigned i = 0; i < SOURCES; i++) {
		argv[6 + i] = t->key[i];
		argv[6 + SOURCES + i] = t->id[i];
	}
	ap_redis_send(t->redis, on_read, t, t->api->app.conf.runtime_block_ms, 6 + 2 * SOURCES, argv, NULL);
}

/* The last entry of the reply (the oldest: the range is asked for backwards) is where reading starts. */
static void on_placed(void *ctx, const redisReply *reply)
{
	struct place *p = ctx;
	struct api_tail *t = p->t;
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
		const redisReply *oldest = reply->element[reply->elements - 1];
		ap_str id = ap_reply_text(oldest, 0);
		if (id.len > 0 && id.len < AP_ID_TEXT) {
			memcpy(t->id[p->i], id.p, id.len);
			t->id[p->i][id.len] = '\0';
		}
	}
	if (--t->placing == 0) {
		t->placed = true;
		read_next(t);
	}
}

static void on_up(void *ctx)
{
	struct api_tail *t = ctx;
	if (t->placed) {
		read_next(t);
		return;
	}
	t->placing = 0;
	for (unsigned i = 0; i < SOURCES; i++) {
		char count[16];
		snprintf(t->id[i], sizeof t->id[i], "0-0");
		if (sources[i].back == 0)
			continue;
		snprintf(count, sizeof count, "%u", sources[i].back);
		const char *argv[] = { "XREVRANGE", t->key[i], "+", "-", "COUNT", count };
		t->place[i] = (struct place){ t, i };
		if (ap_redis_send(t->redis, on_placed, &t->place[i], 0, 6, argv, NULL))
			t->placing++;
	}
}

static void on_down(void *ctx, const char *why)
{
	struct api_tail *t = ctx;
	(void)why;              /* the connection has logged it */
	for (unsigned i = 0; i < SOURCES; i++)
		t->at_end[i] = false;
}

bool api_tails_start(struct api *a, char *err, size_t errlen)
{
	static const struct ap_redis_events ev = { on_up, on_down };
	a->tail = calloc(a->parts, sizeof *a->tail);
	if (a->tail == NULL) {
		snprintf(err, errlen, "out of memory");
		return false;
	}
	for (unsigned p = 0; p < a->parts; p++) {
		struct api_tail *t = &a->tail[p];
		t->api = a;
		t->part = p;
		for (unsigned i = 0; i < SOURCES; i++)
			snprintf(t->key[i], sizeof t->key[i], "ap:{%u}:%s", p, ap_stream_name(sources[i].stream));
		t->redis = ap_redis_new_part(a->app.loop, &a->app.log, &a->app.conf, AP_REDIS_DATASET, p, &ev, t, err, errlen);
		if (t->redis == NULL)
			return false;
	}
	return true;
}

void api_tails_stop(struct api *a)
{
	for (unsigned p = 0; a->tail != NULL && p < a->parts; p++)
		if (a->tail[p].redis != NULL)
			ap_redis_free(a->tail[p].redis);
	free(a->tail);
	a->tail = NULL;
}

bool api_tails_up(const struct api *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		if (!ap_redis_is_up(a->tail[p].redis))
			return false;
	return true;
}

bool api_tails_foreign(const struct api *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		if (ap_redis_is_foreign(a->tail[p].redis))
			return true;
	return false;
}

void api_tails_reset(struct api *a, const char *why)
{
	for (unsigned p = 0; p < a->parts; p++)
		if (ap_redis_is_up(a->tail[p].redis))
			ap_redis_reset(a->tail[p].redis, why);
}

bool api_tails_lagging(const struct api *a)
{
	for (unsigned p = 0; p < a->parts; p++)
		for (unsigned i = 0; i < SOURCES; i++)
			if (!a->tail[p].at_end[i])
				return true;
	return false;
}
