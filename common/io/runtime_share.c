/*
 * runtime_share.c - a stage's partitions over its workers: offering ourselves, and what follows when others come and go.
 *
 * Whoever a partition belongs to claims it; whoever has it gives it up when that claim reaches it with the answer to a renewal
 * (runtime.c). So nothing is given up to a worker that is on the list and does not come.
 */
#include <stdio.h>

#include "runtime_part.h"

/* It registers when all its connections have come up, or when some have not for the length of a lease. */
void runtime_offer(struct runtime *rt)
{
	unsigned up = 0;

	if (rt->offered || rt->stopping)
		return;
	for (unsigned i = 0; i < rt->n; i++)
		up += rt->part[i].state != AP_R_DOWN;
	if (up > 0 && rt->up_ns == 0)
		rt->up_ns = ap_mono_ns();
	if (up < rt->n && (up == 0 || ap_mono_ns() - rt->up_ns < (int64_t)rt->app.conf.runtime_lease_ms * 1000000))
		return;
	rt->offered = true;
	ap_worker_ready(rt->worker, true);
}

/* Registered, and every partition of our share is worked by us, or by another of whom it is asked. */
void runtime_ready(struct runtime *rt)
{
	if (rt->ready || !ap_worker_joined(rt->worker))
		return;
	for (unsigned i = 0; i < rt->n; i++) {
		enum ap_run_state s = rt->part[i].state;
		bool others = !ap_worker_mine(rt->worker, i) && s != AP_R_DOWN;
		if (!others && s != AP_R_STANDBY && s != AP_R_READING && s != AP_R_COMMITTING && s != AP_R_PAUSED)
			return;
	}
	rt->ready = true;
	ap_log(&rt->app.log, AP_INFO, "ready", KV_U("parts", rt->n), KV_S("worker", rt->name));
	ap_app_notify(&rt->app, "READY=1");
}

/* Who is there, and so what is ours, may have changed. What is another's now is given up when that one asks: see renew_cb. */
static void looked(void *ctx, bool changed)
{
	struct runtime *rt = ctx;

	for (unsigned i = 0; i < rt->n; i++) {
		struct part *p = &rt->part[i];
		bool mine = ap_worker_mine(rt->worker, i);
		if (mine && p->state == AP_R_IDLE)
			part_event(p, AP_R_MINE);
		else if (!mine && p->state == AP_R_STANDBY)
			part_event(p, AP_R_THEIRS);
		else if (!mine && changed && ap_run_owns(p->state))
			part_renew(p);
	}
	runtime_ready(rt);
}

static void refused(void *ctx)
{
	struct runtime *rt = ctx;

	rt->app.exit_code = AP_EX_AGAIN;
	ev_break(rt->app.loop, EVBREAK_ALL);
}

static void renamed(void *ctx, const char *name)
{
	struct runtime *rt = ctx;

	snprintf(rt->name, sizeof rt->name, "%s", name);
	ap_metrics_instance(rt->metrics, name);
}

const struct ap_worker_events runtime_worker_events = { looked, refused, renamed };
