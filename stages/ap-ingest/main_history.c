/*
 * main_history.c - the simulated market's past, sent before the market goes live: once for a data set.
 *
 * The plan is written into the data set before the first record (field sim_history of ap:dataset; who comes first writes it,
 * everybody obeys it), so whoever starts after a crash sends the rest of the same past and no other one. Records carry their
 * places as sequence numbers of a producer of their own; the plan is marked done when all of them are in their streams. Knows
 * nothing of the live market but when to call it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/core/part.h"
#include "history.h"
#include "main.h"

enum {
	PIECE = 256,                            /* items of one turn of the loop */
	BACKLOG_BYTES = 1024 * 1024,            /* what waits for Redis at most */
};

struct history {
	struct ap_app *app;
	struct outlet *out;
	struct ap_history *past;
	struct ap_history_plan plan, own;       /* as the data set has it; as this process would have it */
	history_fn *fn;
	void *ctx;
	ev_idle pump;
	int64_t start_mono_ns;
	uint64_t items, already;
	bool ended, marked;                     /* all was put; the mark is on its way */
	unsigned parts;
	bool ready, asking;                     /* it may be sent; the plan is being asked for */
};

static void pump_on(struct history *h)
{
	if (h->past != NULL && h->ready && !h->ended && !outlet_held(h->out) && outlet_backlog(h->out) < BACKLOG_BYTES)
		ev_idle_start(h->app->loop, &h->pump);
	else
		ev_idle_stop(h->app->loop, &h->pump);
}

/* Nothing is left to be sent. The owner frees h in its function. */
static void finish(struct history *h)
{
	const bool seamless = h->plan.minutes > 0 && h->plan.base_ms == h->own.base_ms;
	const ap_ts base = { h->plan.base_ms * 1000000 };

	h->fn(h->ctx, seamless ? base : ap_now(), seamless);
}

static void on_marked(void *ctx, const redisReply *reply)
{
	struct history *h = ctx;

	h->marked = false;
	if (reply == NULL)
		return;         /* again when Redis is back */
	ap_log(&h->app->log, AP_INFO, "history_sent", KV_U("minutes", h->plan.minutes), KV_U("items", h->items), KV_U("already", h->already),
	       KV_U("took_ms", (uint64_t)(ap_mono_ns() - h->start_mono_ns) / 1000000));
	outlet_end(h->out);
	finish(h);
}

static void mark(struct history *h)
{
	struct ap_history_plan done = h->plan;
	struct ap_buf text;

	if (h->marked || !h->ended || !outlet_empty(h->out))
		return;
	done.done = true;
	ap_buf_init(&text, AP_HISTORY_SYMBOLS + 200);
	ap_history_write(&done, &text);
	h->marked = !text.full && ap_redis_sendf(ap_redis_set_home(outlet_redis(h->out)), on_marked, h, "HSET ap:dataset sim_history %b", text.p, text.len);
	ap_buf_done(&text);
}

/* --- sending ---------------------------------------------------------------------------- */

static void pump_cb(struct ev_loop *loop, ev_idle *w, int revents)
{
	struct history *h = w->data;
	struct ap_tape_item item;
	struct ap_rec rec;
	int part;

	(void)loop, (void)revents;
	for (int n = 0; n < PIECE && !h->ended; n++) {
		if (!ap_history_next(h->past, &item)) {
			h->ended = true;
			break;
		}
		rec = *item.rec;
		part = item.everywhere ? OUT_ALL : (int)ap_part(rec.u.raw.source, rec.u.raw.symbol, h->parts);
		h->items++;
		h->already += !outlet_put_at(h->out, item.place, part, &rec, item.t_ms);
	}
	outlet_flush(h->out);
	pump_on(h);
	mark(h);
}

/* --- what the appender tells -------------------------------------------------------------- */

static void on_moved(void *ctx)
{
	pump_on(ctx);
	mark(ctx);
}

static void on_held(void *ctx, bool held)
{
	(void)held;
	pump_on(ctx);
}

/* What the data set says; a text nobody could have written is left alone, and no past is better than a wrong one. */
static void on_plan(void *ctx, const redisReply *reply)
{
	struct history *h = ctx;
	char err[160] = "it cannot be read";

	h->asking = false;
	if (reply == NULL)
		return;         /* again when Redis is back */
	if (reply->type != REDIS_REPLY_STRING) {        /* it could not be written: a full Redis, say */
		ap_redis_reset(ap_redis_set_home(outlet_redis(h->out)), "history_plan_refused");
		return;
	}
	if (ap_history_read(ap_str_n(reply->str, reply->len), &h->plan)) {
		if (h->plan.done)
			err[0] = '\0';
		else
			h->past = ap_history_new(&h->plan, err, sizeof err);
	}
	if (h->past != NULL) {
		ap_log(&h->app->log, AP_INFO, "history_begins", KV_U("minutes", h->plan.minutes), KV_I("base_ms", h->plan.base_ms));
		pump_on(h);
		return;
	}
	if (err[0] != '\0')
		ap_log(&h->app->log, AP_ERROR, "history_skipped", KV_S("why", err), KV_S("next", "live"));
	finish(h);
}

static void on_ready(void *ctx)
{
	((struct history *)ctx)->ready = true;
}

static void on_up(void *ctx)
{
	struct history *h = ctx;
	struct ap_redis *redis = ap_redis_set_home(outlet_redis(h->out));
	struct ap_buf text;

	if (h->past != NULL) {
		pump_on(h);
		mark(h);
		return;
	}
	if (h->asking)
		return;
	ap_buf_init(&text, AP_HISTORY_SYMBOLS + 200);
	ap_history_write(&h->own, &text);
	ap_redis_sendf(redis, NULL, NULL, "HSETNX ap:dataset sim_history %b", text.p, text.len);
	ap_buf_done(&text);
	h->asking = ap_redis_sendf(redis, on_plan, h, "HGET ap:dataset sim_history");
}

static void on_failed(void *ctx, int code, const char *why)
{
	struct history *h = ctx;

	ap_log(&h->app->log, AP_ERROR, "history_stopped", KV_S("why", why), KV_S("next", "exit"));
	h->app->exit_code = code;
	ev_break(h->app->loop, EVBREAK_ALL);
}

/* --- all of it ------------------------------------------------------------------------------ */

struct history *history_start(struct ap_app *app, history_fn *fn, void *ctx, char *err, size_t errlen)
{
	static const struct outlet_events ev = { .ready = on_ready, .up = on_up, .moved = on_moved, .held = on_held, .failed = on_failed };
	const struct ap_conf *c = &app->conf;
	struct history *h = calloc(1, sizeof *h);

	if (h == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	h->app = app;
	h->fn = fn;
	h->ctx = ctx;
	h->start_mono_ns = ap_mono_ns();
	h->own = (struct ap_history_plan){ .done = c->ingest_sim_history_min == 0, .minutes = c->ingest_sim_history_min,
					   .base_ms = ap_ts_ms(ap_now()), .rate = c->ingest_sim_rate, .seed = c->ingest_sim_seed };
	snprintf(h->own.symbols, sizeof h->own.symbols, "%s", c->ingest_sim_symbols);
	h->parts = (unsigned)c->data_partitions;
	ev_idle_init(&h->pump, pump_cb);
	h->pump.data = h;
	h->out = outlet_new(app, OUT_TAPE, "sim-history", &ev, h, err, errlen);
	if (h->out == NULL) {
		history_free(h);
		return NULL;
	}
	return h;
}

void history_free(struct history *h)
{
	if (h == NULL)
		return;
	ev_idle_stop(h->app->loop, &h->pump);
	outlet_free(h->out);
	ap_history_free(h->past);
	free(h);
}
