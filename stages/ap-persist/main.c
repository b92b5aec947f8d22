/*
 * main.c - ap-persist: every stream of every partition into PostgreSQL, each record once.
 *
 * Ties the mapping (map.c, rows.c: pure) to Redis and PostgreSQL; what happens is in main_part.c and main_tx.c.
 */
#include "main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct ap_app_spec spec = {
	.name = "ap-persist",
	.summary = "stores every stream in PostgreSQL or TimescaleDB, rows and cursor in one transaction",
	.sections = "data redis pg log runtime metrics persist",
};

/* --- metrics -------------------------------------------------------------------------------------------------- */

static void collect(void *ctx, struct ap_metrics *m)
{
	struct sink *s = ctx;
	const struct stats *st = &s->stats;
	char label[64];
	size_t owned = 0;

	for (enum ap_table t = 0; t < AP_T_N; t++) {
		snprintf(label, sizeof label, "table=\"%s\"", ap_table(t)->name);
		ap_metrics_add(m, "rows_total", label, AP_M_COUNTER, (double)st->rows[t]);
	}
	ap_metrics_add(m, "replicas_short", "", AP_M_GAUGE, ap_redis_wait_short(s->part[0].redis) ? 1 : 0);
	for (size_t p = 0; p < s->parts; p++)
		owned += s->part[p].phase == PH_READ;
	ap_metrics_add(m, "partitions_owned", "", AP_M_GAUGE, (double)owned);
	ap_metrics_add(m, "entries_total", "", AP_M_COUNTER, (double)st->entries);
	ap_metrics_add(m, "batches_total", "", AP_M_COUNTER, (double)st->batches);
	ap_metrics_add(m, "merges_total", "", AP_M_COUNTER, (double)st->merges);
	ap_metrics_add(m, "yields_total", "", AP_M_COUNTER, (double)st->yields);
	ap_metrics_add(m, "retries_total", "", AP_M_COUNTER, (double)st->retries);
	ap_metrics_add(m, "recoveries_total", "", AP_M_COUNTER, (double)st->recoveries);
	ap_metrics_add(m, "bad_rows_total", "", AP_M_COUNTER, (double)st->bad_rows);
	ap_metrics_add(m, "bad_frames_total", "", AP_M_COUNTER, (double)(s->now->map->bad_frames + s->next->map->bad_frames));
	ap_metrics_add(m, "known_total", "", AP_M_COUNTER, (double)(s->now->map->known + s->next->map->known));
	ap_metrics_add(m, "poison_total", "", AP_M_COUNTER, (double)st->poison);
	ap_metrics_add(m, "lost_total", "", AP_M_COUNTER, (double)st->lost);
	ap_metrics_add(m, "postgresql_up", "", AP_M_GAUGE, s->pg_ready ? 1.0 : 0.0);
	if (st->batch_us.n > 0) {
		ap_metrics_add(m, "batch_ms_p50", "", AP_M_GAUGE, (double)ap_hist_quantile(&st->batch_us, 0.5) / 1000);
		ap_metrics_add(m, "batch_ms_p99", "", AP_M_GAUGE, (double)ap_hist_quantile(&st->batch_us, 0.99) / 1000);
		ap_metrics_add(m, "batch_ms_max", "", AP_M_GAUGE, (double)st->batch_us.max / 1000);
	}
	ap_hist_init(&s->stats.batch_us);
}

/* --- timers ----------------------------------------------------------------------------------------------------- */

static void tick_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sink *s = w->data;
	bool renew = ap_mono_ns() - s->renewed_ns >= (int64_t)s->app.conf.runtime_lease_ms * 1000000 / 4;

	(void)loop, (void)revents;
	if (renew)
		s->renewed_ns = ap_mono_ns();
	sink_setup(s);
	for (size_t p = 0; p < s->parts; p++) {
		part_try(&s->part[p]);
		if (renew)
			part_renew(&s->part[p]);
	}
}

static void trim_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sink *s = w->data;

	(void)loop, (void)revents;
	for (size_t p = 0; p < s->parts; p++)
		part_trim(&s->part[p]);
}

static void upkeep_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	sink_upkeep(w->data);
}

/* --- going --------------------------------------------------------------------------------------------------------- */

/* What was sent last has been answered, or a second has passed. */
static void leaving_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sink *s = w->data;
	size_t pending = 0;

	(void)revents;
	for (size_t p = 0; p < s->parts; p++)
		pending += ap_redis_pending(s->part[p].redis);
	if (pending == 0 || ap_mono_ns() >= s->leave_ns)
		ev_break(loop, EVBREAK_ALL);
}

void sink_leave(struct sink *s)
{
	if (ev_is_active(&s->leaving) && s->leaving.repeat < 0.5)
		return;
	ap_worker_ready(s->worker, false);
	for (size_t p = 0; p < s->parts; p++)
		part_release(&s->part[p]);
	ap_metrics_flush(s->metrics);
	s->leave_ns = ap_mono_ns() + 1000000000;
	ev_timer_stop(s->app.loop, &s->leaving);
	ev_timer_set(&s->leaving, 0.01, 0.01);
	ev_timer_start(s->app.loop, &s->leaving);
}

/* The transaction under way ends first; what waits in the inboxes stays in the streams. */
static void on_stop(struct ap_app *app)
{
	struct sink *s = app->ctx;

	if (s->stopping)
		return;
	s->stopping = true;
	s->leave_ns = ap_mono_ns() + 8000000000;
	ev_timer_set(&s->leaving, 8.0, 1.0);
	ev_timer_start(s->app.loop, &s->leaving);
	sink_pump(s);
}

/* --- coming ---------------------------------------------------------------------------------------------------------- */

static void pg_up_cb(void *ctx)
{
	struct sink *s = ctx;

	s->setup_ns = 0;
	sink_setup(s);
}

static void pg_down_cb(void *ctx, const char *why)
{
	sink_pg_down(ctx, why);
}

static void every(struct sink *s, ev_timer *t, void (*cb)(struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(t, cb, seconds, seconds);
	t->data = s;
	ev_timer_start(s->app.loop, t);
}

/* Another process has our name. */
static void refused_cb(void *ctx)
{
	struct sink *s = ctx;

	s->app.exit_code = AP_EX_AGAIN;
	ev_break(s->app.loop, EVBREAK_ALL);
}

static void renamed_cb(void *ctx, const char *name)
{
	struct sink *s = ctx;

	snprintf(s->name, sizeof s->name, "%s", name);
	ap_metrics_instance(s->metrics, name);
}

static bool sink_open(struct sink *s, char *err, size_t errlen)
{
	static const struct ap_pg_events events = { pg_up_cb, pg_down_cb };
	static const struct ap_worker_events worker = { parts_looked, refused_cb, renamed_cb };

	uint64_t run;

	ap_random(&run, sizeof run);
	snprintf(s->run, sizeof s->run, "%016" PRIx64, run);
	ap_worker_name(&s->app.conf, s->name, sizeof s->name);
	ap_hist_init(&s->stats.batch_us);
	s->parts = (size_t)s->app.conf.data_partitions + 1;
	s->part = calloc(s->parts, sizeof *s->part);
	s->now = &s->batch[0];
	s->next = &s->batch[1];
	if (s->part == NULL || !batch_open(s, s->now) || !batch_open(s, s->next)) {
		snprintf(err, errlen, "no memory");
		return false;
	}
	ev_init(&s->retry, sink_retry_cb);
	ev_init(&s->leaving, leaving_cb);
	s->retry.data = s->leaving.data = s;
	s->pg = ap_pg_new(s->app.loop, &s->app.log, &s->app.conf, &events, s, err, errlen);
	if (s->pg == NULL)
		return false;
	s->worker = ap_worker_new(&s->app, "persist", s->name, (unsigned)s->parts, &worker, s, err, errlen);
	if (s->worker == NULL)
		return false;
	for (size_t p = 0; p < s->parts; p++)
		if (!part_open(s, &s->part[p], p + 1 < s->parts ? (int)p : -1, err, errlen))
			return false;
	s->metrics = ap_metrics_new(s->app.loop, &s->app.log, &s->app.conf, s->part[s->parts - 1].redis, spec.name, s->name, collect, s);
	every(s, &s->tick, tick_cb, 0.1);
	every(s, &s->trim, trim_cb, (double)s->app.conf.persist_trim_ms / 1000);
	every(s, &s->upkeep, upkeep_cb, 60.0);
	return true;
}

static void sink_close(struct sink *s)
{
	if (s->metrics != NULL)
		ap_metrics_free(s->metrics);
	ap_worker_free(s->worker);
	for (size_t p = 0; p < s->parts && s->part != NULL; p++)
		part_close(&s->part[p]);
	if (s->pg != NULL)
		ap_pg_free(s->pg);
	tx_done(&s->tx);
	free(s->part);
	batch_close(&s->batch[0]);
	batch_close(&s->batch[1]);
}

int main(int argc, char **argv)
{
	static struct sink s;
	char err[256] = "";
	int rc = ap_app_init(&s.app, &spec, argc, argv);

	if (rc != -1)
		return rc;
	s.app.ctx = &s;
	s.app.on_stop = on_stop;
	if (sink_open(&s, err, sizeof err)) {
		ap_app_notify(&s.app, "READY=1");
		rc = ap_app_run(&s.app);
	} else {
		ap_log(&s.app.log, AP_ERROR, "cannot_start", KV_S("why", err), KV_S("next", "exit_100"));
		rc = AP_EX_MISTAKE;
	}
	sink_close(&s);
	ap_app_done(&s.app);
	return rc;
}
