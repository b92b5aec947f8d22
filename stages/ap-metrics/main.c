/*
 * main.c - ap-metrics: what every process reports, as one page for Prometheus, and as alerts.
 *
 * Ties the table, the rules and the page (pure) to Redis, /proc and HTTP. Keeps nothing: what it knows it learns again within a second.
 */
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

static const struct ap_app_spec spec = {
	.name = "ap-metrics",
	.summary = "serves every process's metrics to Prometheus, samples the machine, raises alerts",
	.sections = "data redis log runtime metrics",
};

/* A change goes to the log, and through ap:metric to streaming_alerts. */
static void on_alert(void *ctx, const struct alert *a)
{
	struct watch *w = ctx;
	const struct alert_rule *r = a->rule;
	struct ap_buf b;
	uint8_t text[1024];

	ap_log(&w->app.log, a->raised ? AP_WARN : AP_INFO, a->raised ? "alert_raised" : "alert_cleared", KV_S("alert", r->type),
	       KV_S("severity", r->severity), KV_S("component", a->component), KV_S("subject", a->subject), KV_F("value", a->value));
	ap_buf_fixed(&b, text, sizeof text);
	ap_buf_printf(&b, "severity=\"%s\",state=\"%s\",message=\"%s\",subject=", r->severity, a->raised ? "raised" : "cleared", r->message);
	ap_json_string(&b, ap_str_c(a->subject));
	if (!b.full)
		watch_put(w, &(struct ap_metric){ ap_str_c("alert"), ap_str_c(a->component), ap_str_c(r->type), ap_buf_view(&b), AP_M_GAUGE,
						  a->value, ap_now() });
}

static void tick_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct watch *w = t->data;
	ap_ts now = ap_now();

	(void)loop, (void)revents;
	watch_sample(w, now);
	watch_ask(w);
	mtable_expire(w->table, now.ns - (int64_t)EXPIRE_S * 1000000000);
	/* While Redis is away nothing is heard of anybody: that is one trouble, not one for each of them. */
	if (ap_redis_is_up(w->tail))
		alerts_look(&w->alerts, w->table, now.ns, on_alert, w);
	watch_emit(w);
}

static bool watch_open(struct watch *w, char *err, size_t errlen)
{
	double every_s = (double)w->app.conf.metrics_interval_ms / 1000;

	w->app.exit_code = AP_EX_MISTAKE;
	w->table = mtable_new();
	if (w->table == NULL) {
		snprintf(err, errlen, "no memory");
		return false;
	}
	alerts_init(&w->alerts, w->app.conf.supervisor_programs, ap_now().ns);
	if (!watch_redis(w, err, errlen) || !http_open(w, err, errlen))
		return false;
	w->app.exit_code = AP_EX_OK;
	w->metrics = ap_metrics_new(w->app.loop, &w->app.log, &w->app.conf, w->out, spec.name, NULL, watch_collect, w);
	ev_timer_init(&w->tick, tick_cb, 0.1, every_s);
	w->tick.data = w;
	ev_timer_start(w->app.loop, &w->tick);
	return true;
}

static void watch_close(struct watch *w)
{
	http_close(w);
	if (w->metrics != NULL)
		ap_metrics_free(w->metrics);
	if (w->tail != NULL)
		ap_redis_free(w->tail);
	ap_redis_free(w->out);
	ap_redis_set_free(w->ask);
	ap_buf_done(&w->frame);
	free(w->part);
	mtable_free(w->table);
}

int main(int argc, char **argv)
{
	static struct watch w;
	char err[256] = "";
	int rc = ap_app_init(&w.app, &spec, argc, argv);

	if (rc != -1)
		return rc;
	w.app.ctx = &w;
	if (watch_open(&w, err, sizeof err)) {
		ap_app_notify(&w.app, "READY=1");
		rc = ap_app_run(&w.app);
	} else {
		ap_log(&w.app.log, AP_ERROR, "cannot_start", KV_S("why", err), KV_I("exit", w.app.exit_code));
		rc = w.app.exit_code;
	}
	watch_close(&w);
	ap_app_done(&w.app);
	return rc;
}
