/*
 * main_lease.c - who of several ap-ingest works: a lease in Redis, by name.
 *
 * While Redis is away nobody can take it and its holder goes on; who had only been waiting gives the holder the first chance
 * when Redis is back. Knows nothing of what the lease is for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io/metric.h"
#include "main.h"

struct lease {
	struct ap_app *app;
	struct ap_redis *redis;
	struct lease_events ev;
	void *ctx;
	char key[96], worker[160], token[33];
	uint64_t epoch;
	ev_timer timer;
	bool held;              /* as far as is known */
	bool had, waited;       /* it was ours at some time; it was somebody else's when asked last */
	bool asking;
};

static void ask(struct lease *l);

static double renew_s(const struct lease *l)
{
	return (double)l->app->conf.runtime_lease_ms / 4000;
}

static void ask_in(struct lease *l, double s)
{
	ev_timer_stop(l->app->loop, &l->timer);
	ev_timer_set(&l->timer, s, 0);
	ev_timer_start(l->app->loop, &l->timer);
}

/* A holder is PRODUCER/WORKER, or nothing: then it is free in a moment. */
static bool is_apart(const struct lease *l, ap_str who)
{
	size_t mine = strcspn(l->worker, "/") + 1;

	return who.len > 0 && (who.len < mine || memcmp(who.p, l->worker, mine) != 0);
}

static void on_acquired(void *ctx, const redisReply *reply)
{
	struct lease *l = ctx;
	ap_str who;

	l->asking = false;
	if (reply == NULL)
		return;         /* asked again when Redis is back */
	ask_in(l, renew_s(l));
	if (strcmp(ap_reply_word(reply), "OK") == 0) {
		l->epoch = ap_reply_u64(reply, 1, 0);
		l->held = l->had = true;
		l->waited = false;
		l->ev.got(l->ctx);
		return;
	}
	if (strcmp(ap_reply_word(reply), "HELD") != 0)
		return;         /* refused: a Redis that is full, say */
	who = ap_reply_text(reply, 1);
	if (!l->waited)
		ap_log(&l->app->log, AP_INFO, "standby", KV_S("lease", l->key), KV_T("holder", who), KV_S("next", "wait"));
	if (!l->waited || l->had)
		l->ev.other(l->ctx, l->had, is_apart(l, who));
	l->waited = true;
}

static void on_renewed(void *ctx, const redisReply *reply)
{
	struct lease *l = ctx;

	l->asking = false;
	if (reply == NULL)
		return;
	if (strcmp(ap_reply_word(reply), "FENCED") == 0) {      /* gone, or somebody else's: that is told by trying to take it */
		l->held = false;
		ask(l);
		return;
	}
	ask_in(l, renew_s(l));
}

static void ask(struct lease *l)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t u[16];

	if (l->asking || !ap_redis_is_up(l->redis))
		return;
	if (l->held) {
		l->asking = ap_redis_sendf(l->redis, on_renewed, l, "FCALL ap_renew_v1 1 %s %s %llu %llu", l->key, l->token,
					   (unsigned long long)l->epoch, (unsigned long long)l->app->conf.runtime_lease_ms);
		return;
	}
	ap_random(u, sizeof u);
	for (unsigned i = 0; i < 16; i++) {
		l->token[2 * i] = hex[u[i] >> 4];
		l->token[2 * i + 1] = hex[u[i] & 15];
	}
	l->asking = ap_redis_sendf(l->redis, on_acquired, l, "FCALL ap_acquire_v1 1 %s %s %s %llu", l->key, l->token, l->worker,
				   (unsigned long long)l->app->conf.runtime_lease_ms);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct lease *l = w->data;

	(void)loop, (void)revents;
	ask(l);
	if (!ev_is_active(w))
		ask_in(l, renew_s(l));
}

struct lease *lease_new(struct ap_app *app, struct ap_redis *redis, const char *name, const char *producer,
			const struct lease_events *ev, void *ctx)
{
	struct lease *l = calloc(1, sizeof *l);
	char worker[80];

	if (l == NULL)
		return NULL;
	l->app = app;
	l->redis = redis;
	l->ev = *ev;
	l->ctx = ctx;
	snprintf(l->key, sizeof l->key, "ap:own:{ap:dataset}:ingest:%.60s", name);
	/* The host's name and the worker's: two hosts may call their workers alike. */
	snprintf(l->worker, sizeof l->worker, "%s/%s", producer, ap_worker_name(&app->conf, worker, sizeof worker));
	ev_timer_init(&l->timer, timer_cb, 0, 0);
	l->timer.data = l;
	return l;
}

void lease_free(struct lease *l)
{
	if (l == NULL)
		return;
	ev_timer_stop(l->app->loop, &l->timer);
	free(l);
}

void lease_up(struct lease *l)
{
	l->asking = false;
	if (!l->held && l->waited)
		ask_in(l, (double)l->app->conf.runtime_lease_ms / 1000);
	else
		ask(l);
}

void lease_give_up(struct lease *l)
{
	ev_timer_stop(l->app->loop, &l->timer);
	if (l->held)
		ap_redis_sendf(l->redis, NULL, NULL, "FCALL ap_renew_v1 1 %s %s %llu 0", l->key, l->token, (unsigned long long)l->epoch);
	l->held = false;
}

void lease_wait(struct lease *l)
{
	lease_give_up(l);
	l->had = false;
	l->waited = true;
	ask_in(l, renew_s(l));
}

bool lease_held(const struct lease *l)
{
	return l->held;
}
