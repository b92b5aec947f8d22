/*
 * main_metric.c - what the supervisor sees of its children, as metrics: whoever cannot report about itself is reported here.
 */
#include "main.h"

#include <stdio.h>

static void collect(void *ctx, struct ap_metrics *m)
{
	struct sup *s = ctx;
	char labels[64];

	SUP_EACH(s, c) {
		if (c->row.kind == AP_K_ONESHOT || c->leaving)
			continue;
		snprintf(labels, sizeof labels, "process=\"%s\"", c->row.name);
		ap_metrics_add(m, "process_up", labels, AP_M_GAUGE, c->state == AP_C_UP ? 1 : 0);
		ap_metrics_add(m, "process_restarts_total", labels, AP_M_COUNTER, (double)c->restarts);
		ap_metrics_add(m, "process_crash_loop", labels, AP_M_GAUGE, c->looping ? 1 : 0);
		ap_metrics_add(m, "process_parked", labels, AP_M_GAUGE, c->state == AP_C_PARKED ? 1 : 0);
	}
}

void sup_metrics_start(struct sup *s)
{
	char err[256];

	if (s->redis != NULL || s->stopping)
		return;
	s->redis = ap_redis_new_key(s->app.loop, &s->app.log, &s->app.conf, AP_REDIS_BARE, "ap:metric", NULL, NULL, err, sizeof err);
	if (s->redis == NULL) {
		ap_log(&s->app.log, AP_WARN, "no_metrics", KV_S("why", err));
		return;
	}
	s->metrics = ap_metrics_new(s->app.loop, &s->app.log, &s->app.conf, s->redis, "ap-supervisor", NULL, collect, s);
}

void sup_metrics_stop(struct sup *s)
{
	if (s->redis == NULL)
		return;
	ap_metrics_free(s->metrics);
	ap_redis_free(s->redis);
	s->metrics = NULL;
	s->redis = NULL;
}
