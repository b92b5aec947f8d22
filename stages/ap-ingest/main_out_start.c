/*
 * main_out_start.c - starting and coming back, which are the same: ask what Redis has, go on above it.
 *
 * What has to be known first is what every partition has of the producer, whose the producer's tag is, that the data set is not
 * being filled by others, and, of several live ones, whose the lease is.
 */
#include <stdio.h>

#include "common/core/origin.h"
#include "main_out.h"

static const double POLL_S = 0.25;              /* how often is asked whether a rebuild has ended */

static void marks_range(const struct outlet *o, uint64_t *least, uint64_t *most)
{
	*least = UINT64_MAX;
	*most = 0;
	for (unsigned p = 0; p < o->parts; p++) {
		if (o->lane[p].have < *least)
			*least = o->lane[p].have;
		if (o->lane[p].have > *most)
			*most = o->lane[p].have;
	}
}

static void start(struct outlet *o)
{
	uint64_t least, most;

	marks_range(o, &least, &most);
	o->direct = true;
	if (o->app->conf.journal_enabled && !out_journal_start(o, least, most))
		return;
	for (unsigned p = 0; p < o->parts; p++)
		appender_reset(o->out, p, o->lane[p].have);
	if (o->journal == NULL)
		o->last = o->kind == OUT_TAPE ? least : most;
	o->started = true;
	if (o->journal != NULL && o->kind == OUT_LIVE)
		out_trim_start(o);
}

/* A partition is back. What it has lost is read from the journal again; what waits for it stands behind that. */
static void lane_resume(struct outlet *o, unsigned p)
{
	uint64_t have = o->lane[p].have, had = appender_appended(o->out, p);

	o->lane[p].known = false;
	if (have < had) {
		ap_log(&o->app->log, AP_ERROR, "redis_lost_records", KV_U("part", p), KV_U("has", have), KV_U("had", had),
		       KV_S("next", o->journal != NULL ? "send_again" : "lost"));
		if (o->journal != NULL) {
			out_wait_for_frames(o, appender_first(o->out, p));
			appender_reset(o->out, p, have);
			out_to_disk(o, have + 1);
		}
		if (o->trim != NULL)
			trim_clear(o->trim, p);
	}
	if (o->trim != NULL)
		trim_mark(o->trim, p, appender_last_id(o->out, p), have, true);
	appender_go(o->out, p, have);
}

/* Everything that has to be known is known. */
static void proceed(struct outlet *o)
{
	bool was_started = o->started;

	if (o->lease != NULL && !o->leased_asked) {
		o->leased_asked = true;
		lease_up(o->lease);
	}
	if (!o->started) {
		if (o->lease != NULL && !lease_held(o->lease))
			return;
		start(o);
		if (!o->started)
			return;
	}
	for (unsigned p = 0; p < o->parts; p++)
		if (o->lane[p].known)
			lane_resume(o, p);
	if (!was_started)
		o->ev.ready(o->ctx);
	out_pump(o);
	out_judge(o);
	if (o->ev.up != NULL)
		o->ev.up(o->ctx);
	if (o->ev.moved != NULL)
		o->ev.moved(o->ctx);
}

static bool all_known(const struct outlet *o)
{
	for (unsigned p = 0; p < o->parts; p++)
		if (!o->lane[p].known)
			return false;
	return true;
}

/* What the data set says: whose the tag is, and whether it is being filled by others. */
static void on_dataset(void *ctx, const redisReply *reply)
{
	struct outlet *o = ctx;
	char why[200];
	ap_str name;

	o->asking = false;
	if (reply == NULL || o->dead)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
		ap_redis_reset(ap_redis_set_home(appender_redis(o->out)), "dataset_refused");
		return;
	}
	name = ap_reply_text(reply, 0);
	if (o->app->conf.journal_enabled && !ap_str_is(name, appender_producer(o->out))) {
		snprintf(why, sizeof why, "producer '%s' and '%.*s', which the data set knows, have the same tag: choose another ingest.producer",
			 appender_producer(o->out), (int)name.len, name.p);
		out_fail(o, AP_EX_MISTAKE, why);
		return;
	}
	if (ap_reply_u64(reply, 1, 0) != 0) {
		if (!o->rebuilding)
			ap_log(&o->app->log, AP_WARN, "dataset_rebuilding", KV_S("next", o->started ? "journal_only" : "wait"));
		o->rebuilding = true;
		ev_timer_stop(o->app->loop, &o->poll);
		ev_timer_set(&o->poll, POLL_S, 0);
		ev_timer_start(o->app->loop, &o->poll);
		return;
	}
	o->rebuilding = false;
	proceed(o);
}

static void ask_dataset(struct outlet *o)
{
	char field[AP_ORIGIN_FIELD];
	struct ap_redis *r = ap_redis_set_home(appender_redis(o->out));

	if (o->asking || o->dead || (!o->started && !all_known(o)))
		return;
	ap_origin_field(o->tag, field);
	if (o->app->conf.journal_enabled)
		ap_redis_sendf(r, NULL, NULL, "HSETNX ap:dataset %s %s", field, appender_producer(o->out));
	o->asking = ap_redis_sendf(r, on_dataset, o, "HMGET ap:dataset %s rebuilding", field);
}

void out_on_up(void *ctx, unsigned part, uint64_t have)
{
	struct outlet *o = ctx;

	o->lane[part].have = have;
	o->lane[part].known = true;
	ask_dataset(o);
}

void out_poll_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)loop, (void)revents;
	if (ap_redis_set_is_up(appender_redis(o->out)))
		appender_ask(o->out);
}

void out_on_down(void *ctx, const char *why)
{
	struct outlet *o = ctx;

	(void)why;
	ev_timer_stop(o->app->loop, &o->poll);
	o->asking = o->leased_asked = false;
	for (unsigned p = 0; p < o->parts; p++)
		o->lane[p].known = false;
	out_judge(o);
	if (o->ev.down != NULL)
		o->ev.down(o->ctx);
}

/* --- the lease ---------------------------------------------------------------------------------------- */

void out_on_lease(void *ctx)
{
	struct outlet *o = ctx;

	if (!o->started && ap_redis_set_is_up(appender_redis(o->out)))
		appender_ask(o->out);           /* what its last holder did before it ended */
}

void out_on_lease_other(void *ctx, bool had, bool apart)
{
	struct outlet *o = ctx;

	if (o->started && had) {
		out_fail(o, AP_EX_AGAIN, "another ap-ingest has taken over");
		return;
	}
	if (!o->standing_by && o->ev.standby != NULL)
		o->ev.standby(o->ctx, apart);
	o->standing_by = true;
}
