/*
 * main_heal.c - puts the function library back where somebody has flushed it, or a server came back without it.
 *
 * Nothing else is mended: a data set that has gone is a person's matter. Where partitions lie on several servers there is a
 * connection for each partition, else one.
 */
#include "main.h"

#include <stdlib.h>
#include <string.h>

#include "../common/io/fn_load.h"

static const double HEAL_S = 0.5;

struct heal_node {
	struct sup *sup;
	struct ap_redis *redis;
	bool busy;              /* an answer is awaited */
};

struct heal {
	ev_timer tick;
	size_t n;
	struct heal_node node[];
};

static void loaded_cb(void *ctx, const char *why)
{
	struct heal_node *n = ctx;

	n->busy = false;
	if (why == NULL)
		ap_log(&n->sup->app.log, AP_WARN, "functions_loaded", KV_S("why", "they_were_gone"), KV_S("next", "go_on"));
	else
		ap_log(&n->sup->app.log, AP_ERROR, "functions_not_loaded", KV_S("why", why), KV_S("next", "try_again"));
}

static void version_cb(void *ctx, const redisReply *reply)
{
	struct heal_node *n = ctx;

	n->busy = false;
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "unction not found") != NULL)
		n->busy = ap_fn_load(n->redis, loaded_cb, n);
}

static void tick_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct heal *h = w->data;

	(void)loop, (void)revents;
	for (size_t i = 0; i < h->n; i++) {
		struct heal_node *n = &h->node[i];
		if (!n->busy)
			n->busy = ap_redis_sendf(n->redis, version_cb, n, "FCALL_RO ap_version_v1 0");
	}
}

void sup_heal_start(struct sup *s)
{
	size_t parts = (size_t)s->app.conf.data_partitions;
	size_t n = strncmp(s->app.conf.redis_url, "cluster:", 8) == 0 ? parts : 1;
	char err[256];

	if (s->heal != NULL || s->stopping)
		return;
	struct heal *h = calloc(1, sizeof *h + n * sizeof h->node[0]);
	if (h == NULL)
		return;
	for (; h->n < n; h->n++) {
		struct heal_node *node = &h->node[h->n];
		node->sup = s;
		node->redis = ap_redis_new_part(s->app.loop, &s->app.log, &s->app.conf, AP_REDIS_PRIMARY, (unsigned)h->n, NULL, NULL, err,
						sizeof err);
		if (node->redis == NULL) {
			ap_log(&s->app.log, AP_WARN, "functions_not_watched", KV_S("why", err));
			break;
		}
	}
	ev_timer_init(&h->tick, tick_cb, HEAL_S, HEAL_S);
	h->tick.data = h;
	ev_timer_start(s->app.loop, &h->tick);
	s->heal = h;
}

void sup_heal_stop(struct sup *s)
{
	if (s->heal == NULL)
		return;
	ev_timer_stop(s->app.loop, &s->heal->tick);
	for (size_t i = 0; i < s->heal->n; i++)
		ap_redis_free(s->heal->node[i].redis);
	free(s->heal);
	s->heal = NULL;
}
