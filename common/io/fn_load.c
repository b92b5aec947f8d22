/*
 * fn_load.c - the function library and the identity of the data set, put where they are missing.
 */
#include "fn_load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "../core/timefmt.h"
#include "app.h"
#include "redis_int.h"
#include "redis_set.h"

/* Generated from the .lua file by the Makefile. */
extern const unsigned char ap_fn_alphapulse_v1[];
extern const size_t ap_fn_alphapulse_v1_len;

/* The library on its way to every master. */
struct loading {
	ap_ensure_fn *done;
	void *ctx;
	unsigned n, left;
	struct master {
		struct loading *l;
		struct ap_redis *r;
		bool own;               /* made for this */
	} master[];
};

/* One question on its way. */
struct ensure {
	struct ap_redis_set *set;
	ap_ensure_fn *done;
	void *ctx;
	unsigned parts;
	unsigned open;          /* replies that have not come */
	const char *why;        /* the first thing that was wrong */
	bool any;               /* a partition has streams */
	bool marked;            /* every partition had been marked with the data set's id before */
	char id[37];            /* the data set's; "": a new one is to be made */
};

ap_str ap_fn_text(void)
{
	return ap_str_n((const char *)ap_fn_alphapulse_v1, ap_fn_alphapulse_v1_len);
}

/* --- the functions --- */

static void load_done(struct loading *l, const char *why)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->master[i].own)
			ap_redis_free(l->master[i].r);
	l->done(l->ctx, why);
	free(l);
}

static void loaded_cb(void *ctx, const redisReply *reply)
{
	const struct master *m = ctx;
	const char *why = reply == NULL ? "connection_lost" : reply->type == REDIS_REPLY_ERROR ? "functions_refused" : NULL;

	if (why != NULL || --m->l->left == 0)
		load_done(m->l, why);
}

static void master_up(void *ctx)
{
	struct master *m = ctx;
	ap_str text = ap_fn_text();

	ap_redis_sendf(m->r, loaded_cb, m, "FUNCTION LOAD REPLACE %b", text.p, text.len);
}

static void master_down(void *ctx, const char *why)
{
	const struct master *m = ctx;

	(void)why;
	load_done(m->l, "connection_lost");
}

bool ap_fn_load(struct ap_redis *r, ap_ensure_fn *done, void *ctx)
{
	static const struct ap_redis_events events = { master_up, master_down };
	unsigned n = 0;

	if (!ap_redis_is_up(r))
		return false;
	while (ap_redis_is_cluster(r) && ap_where_master(r->where, n) != NULL)
		n++;
	struct loading *l = calloc(1, sizeof *l + (n + 1) * sizeof l->master[0]);
	assert(l != NULL);
	*l = (struct loading){ .done = done, .ctx = ctx, .n = n == 0 ? 1 : n, .left = n == 0 ? 1 : n };
	if (n == 0) {
		l->master[0] = (struct master){ l, r, false };
		master_up(&l->master[0]);
	}
	for (unsigned i = 0; i < n; i++) {
		l->master[i] = (struct master){ .l = l, .own = true };
		l->master[i].r = ap_redis_new_to(r->loop, r->log, r->conf, ap_where_master(r->where, i), AP_REDIS_PRIMARY, &events,
						 &l->master[i]);
		assert(l->master[i].r != NULL);
	}
	return true;
}

/* --- the identity --- */

static void ensure_done(struct ensure *e, const char *why)
{
	ap_redis_set_free(e->set);
	e->done(e->ctx, why);
	free(e);
}

static struct ap_redis *home(const struct ensure *e)
{
	return ap_redis_set_home(e->set);
}

static struct ap_redis *part(const struct ensure *e, unsigned p)
{
	return ap_redis_set_part(e->set, p);
}

static void noted_cb(void *ctx, const redisReply *reply)
{
	ensure_done(ctx, reply == NULL ? "connection_lost" : reply->type != REDIS_REPLY_INTEGER ? "dataset_refused" : NULL);
}

/* Field `ds` of one partition's `seq`. */
static void mark_cb(void *ctx, const redisReply *reply)
{
	struct ensure *e = ctx;

	if (reply == NULL)
		e->why = "connection_lost";
	else if (reply->type == REDIS_REPLY_ERROR)
		e->why = "dataset_refused";
	else if (reply->type == REDIS_REPLY_NIL)
		e->why = "partition_missing";
	else if (reply->type == REDIS_REPLY_STRING && strcmp(reply->str, e->id) != 0)
		e->why = "partition_of_another_dataset";
	if (--e->open > 0)
		return;
	if (e->why != NULL || e->marked)
		ensure_done(e, e->why);
	else if (!ap_redis_sendf(home(e), noted_cb, e, "HSET ap:dataset marked 1"))
		ensure_done(e, "connection_lost");
}

/*
 * The data set's id stands in every partition too, so that a node that holds other partitions' keys, or none, is noticed. Once
 * all have it (`marked`), one that lacks it has been emptied.
 */
static void mark(struct ensure *e, ap_str id)
{
	snprintf(e->id, sizeof e->id, "%.*s", (int)id.len, id.p);
	for (unsigned p = 0; p < e->parts; p++) {
		if (!e->marked) {
			ap_redis_sendf(part(e, p), NULL, NULL, "HSETNX ap:{%u}:seq ds %s", p, e->id);
			ap_redis_sendf(part(e, p), NULL, NULL, "HSETNX ap:{%u}:seq parts %u", p, e->parts);
		}
		if (ap_redis_sendf(part(e, p), mark_cb, e, "HGET ap:{%u}:seq ds", p))
			e->open++;
	}
	if (e->open == 0)
		ensure_done(e, "connection_lost");
}

static void made_cb(void *ctx, const redisReply *reply)
{
	struct ensure *e = ctx;

	if (reply == NULL)
		ensure_done(e, "connection_lost");
	else if (strcmp(ap_reply_word(reply), "OK") != 0)
		ensure_done(e, "dataset_refused");
	else if (ap_reply_u64(reply, 2, 0) != e->parts)
		ensure_done(e, "other_partitions");
	else
		mark(e, ap_reply_text(reply, 1));
}

static void uuid_make(char out[37])
{
	uint8_t b[16];

	ap_random(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);         /* RFC 9562: version 4, variant 10 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
		 b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void dataset_make(struct ensure *e)
{
	char now[AP_TS_TEXT];

	if (e->id[0] == '\0')
		uuid_make(e->id);
	ap_ts_format(ap_now(), 0, now);
	if (!ap_redis_sendf(home(e), made_cb, e, "FCALL ap_dataset_v1 1 ap:dataset %s %u %s", e->id, e->parts, now))
		ensure_done(e, "connection_lost");
}

/* One answer to EXISTS ap:{p}:raw ap:{p}:seq. */
static void exists_cb(void *ctx, const redisReply *reply)
{
	struct ensure *e = ctx;

	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
		e->why = reply == NULL ? "connection_lost" : "exists_refused";
	else if (reply->integer > 0)
		e->any = true;
	if (--e->open > 0)
		return;
	if (e->why != NULL || e->any)
		ensure_done(e, e->why != NULL ? e->why : "dataset_missing");
	else
		dataset_make(e);
}

static void seen_cb(void *ctx, const redisReply *reply)
{
	struct ensure *e = ctx;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
		ensure_done(e, reply == NULL ? "connection_lost" : "dataset_refused");
		return;
	}
	if (ap_reply_text(reply, 0).len > 0) {
		e->marked = ap_reply_text(reply, 2).len > 0;
		if (ap_reply_u64(reply, 1, 0) == e->parts)
			mark(e, ap_reply_text(reply, 0));
		else
			ensure_done(e, "other_partitions");
		return;
	}
	for (unsigned p = 0; p < e->parts; p++)
		if (ap_redis_sendf(part(e, p), exists_cb, e, "EXISTS ap:{%u}:raw ap:{%u}:seq", p, p))
			e->open++;
	if (e->open == 0)
		ensure_done(e, "connection_lost");
}

static void set_up(void *ctx, unsigned first, unsigned last)
{
	struct ensure *e = ctx;

	(void)first, (void)last;
	if (ap_redis_set_is_up(e->set))
		ap_redis_sendf(home(e), seen_cb, e, "HMGET ap:dataset id parts marked");
}

static void set_down(void *ctx, unsigned first, unsigned last, const char *why)
{
	(void)first, (void)last, (void)why;
	ensure_done(ctx, "connection_lost");
}

bool ap_dataset_ensure(struct ap_redis *r, unsigned parts, const char *id, ap_ensure_fn *done, void *ctx)
{
	static const struct ap_redis_set_events events = { set_up, set_down };
	struct ensure *e = calloc(1, sizeof *e);
	char err[300];

	assert(e != NULL && parts == r->conf->data_partitions);
	*e = (struct ensure){ .done = done, .ctx = ctx, .parts = parts };
	snprintf(e->id, sizeof e->id, "%s", id != NULL ? id : "");
	if (ap_redis_is_up(r))
		e->set = ap_redis_set_new(r->loop, r->log, r->conf, AP_REDIS_PRIMARY, &events, e, err, sizeof err);
	if (e->set != NULL)
		return true;
	free(e);
	return false;
}
