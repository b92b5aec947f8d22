/*
 * ctl_owners.c - who is registered for which stage, and who has the lease of which partition (schema/streams.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static const char *const stages[] = { "normalize", "candle", "indicators", "persist" };

static uint64_t server_ms(redisContext *r)
{
	redisReply *t = redisCommand(r, "TIME");
	uint64_t ms = t != NULL && t->type == REDIS_REPLY_ARRAY && t->elements == 2
		? strtoull(t->element[0]->str, NULL, 10) * 1000 + strtoull(t->element[1]->str, NULL, 10) / 1000 : 0;

	freeReplyObject(t);
	return ms;
}

static bool owner_read(const struct ctl *c, redisContext *r, const char *key, struct ctl_owner *o)
{
	redisReply *h = ctl_key(c, r, "HGETALL %s", key);
	bool ok = h != NULL && h->type == REDIS_REPLY_ARRAY;
	uint64_t now = server_ms(r), until = ok ? ctl_hash_u64(h, "x") : 0;
	const char *w = ok ? ctl_hash(h, "w") : NULL, *claim = ok ? ctl_hash(h, "n") : NULL;

	o->epoch = ok ? ctl_hash_u64(h, "e") : 0;
	o->left_ms = until > now ? until - now : 0;
	snprintf(o->worker, sizeof o->worker, "%s", w != NULL && o->left_ms > 0 ? w : "");
	snprintf(o->claimed_by, sizeof o->claimed_by, "%s", claim != NULL && ctl_hash_u64(h, "nx") > now ? claim : "");
	freeReplyObject(h);
	return ok;
}

int ctl_owners(const struct ctl *c, redisContext *r, struct ctl_owner *out, size_t cap)
{
	char key[64];
	size_t n = 0;

	for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++) {
		bool persist = strcmp(stages[s], "persist") == 0;
		unsigned lanes = (unsigned)c->app.conf.data_partitions + persist;
		for (unsigned p = 0; p < lanes && n < cap; p++, n++) {
			out[n] = (struct ctl_owner){ .stage = stages[s] };
			if (p == c->app.conf.data_partitions) {
				snprintf(out[n].part, sizeof out[n].part, "metric");
				snprintf(key, sizeof key, "ap:own:{ap:metric}:persist");
			} else {
				snprintf(out[n].part, sizeof out[n].part, "%u", p);
				snprintf(key, sizeof key, "ap:{%u}:own:%s", p, stages[s]);
			}
			if (!owner_read(c, r, key, &out[n]))
				return ctl_fail(-1, "who owns what cannot be read: %s", r->err != 0 ? r->errstr : "Redis refuses");
		}
	}
	return (int)n;
}

unsigned ctl_workers(const struct ctl *c, redisContext *r, const char *stage)
{
	redisReply *h = ctl_key(c, r, "HGETALL ap:workers:%s", stage);
	uint64_t now = server_ms(r);
	unsigned live = 0;

	for (size_t i = 1; h != NULL && h->type == REDIS_REPLY_ARRAY && i < h->elements; i += 2)
		live += strtoull(h->element[i]->str, NULL, 10) > now;
	freeReplyObject(h);
	return live;
}
