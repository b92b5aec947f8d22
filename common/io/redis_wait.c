/*
 * redis_wait.c - waits until as many replicas as were asked for have what Redis holds.
 *
 * WAIT speaks of what this connection's last command had seen written, by whomever; a PING before it makes that "now", because the answer
 * of a read that had blocked does not.
 */
#include "redis_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct waiting {
	struct ap_redis *r;
	ap_redis_wait_fn *fn;
	void *ctx;
};

static void wait_cb(void *ctx, const redisReply *reply)
{
	struct waiting *w = ctx;
	struct ap_redis *r = w->r;
	uint64_t want = r->conf->redis_wait_replicas;
	long long got = reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
	enum ap_redis_wait rc = reply == NULL ? AP_REDIS_WAIT_LOST : got >= (long long)want ? AP_REDIS_WAIT_DONE : AP_REDIS_WAIT_SHORT;

	if (rc == AP_REDIS_WAIT_SHORT && !ap_where_short(r->where))
		ap_log(r->log, AP_ERROR, "replicas_short", KV_S("server", r->text), KV_U("want", want), KV_I("have", got),
		       KV_S("next", "wait_for_them_and_keep_everything"));
	if (rc == AP_REDIS_WAIT_DONE && ap_where_short(r->where))
		ap_log(r->log, AP_WARN, "replicas_back", KV_S("server", r->text), KV_I("have", got), KV_S("next", "go_on"));
	if (rc != AP_REDIS_WAIT_LOST)
		ap_where_set_short(r->where, rc == AP_REDIS_WAIT_SHORT);
	w->fn(w->ctx, rc);
	free(w);
}

bool ap_redis_wait(struct ap_redis *r, ap_redis_wait_fn *fn, void *ctx)
{
	char n[24], ms[24];
	const char *const argv[] = { "WAIT", n, ms };
	uint64_t most = r->conf->runtime_lease_ms / 8;  /* renewals wait behind it */
	struct waiting *w;

	assert(r->where != NULL);
	if (!ap_redis_sendf(r, NULL, NULL, "PING"))
		return false;
	w = malloc(sizeof *w);
	assert(w != NULL);
	*w = (struct waiting){ r, fn, ctx };
	snprintf(n, sizeof n, "%llu", (unsigned long long)r->conf->redis_wait_replicas);
	snprintf(ms, sizeof ms, "%llu", (unsigned long long)most);
	if (ap_redis_send(r, wait_cb, w, most, 3, argv, NULL))
		return true;
	free(w);
	return false;
}

bool ap_redis_wait_short(const struct ap_redis *r)
{
	return ap_where_short(r->where);
}
