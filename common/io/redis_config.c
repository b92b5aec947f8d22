/*
 * redis_config.c - whether the server is set up as it must be: persistence, eviction, and the user's rights.
 *
 * A function does not roll back, so a right that is missing inside one would leave half a commit: every inner command is tried
 * with ACL DRYRUN before the first one is sent. What may not be asked is taken on trust, and said.
 */
#include <stdio.h>
#include <stdlib.h>

#include "redis_int.h"

enum { SAID_POLICY = 2, SAID_UNKNOWN, SAID_FSYNC, SAID_ACL };

/* CONFIG GET appendonly appendfsync maxmemory-policy */
static const char *value_of(const redisReply *reply, const char *name)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (ap_str_is(ap_reply_text(reply, i), name))
			return ap_reply_text(reply, i + 1).p;
	return "";
}

static void config_cb(void *ctx, const redisReply *reply)
{
	static const char *const levels[] = { "any", "everysec", "always" };
	struct ap_redis *r = ctx;
	unsigned want = (unsigned)r->conf->redis_appendfsync, have = 0;

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
		if (want > 0 && ap_where_first(r->where, SAID_UNKNOWN))
			ap_log(r->log, AP_WARN, "appendfsync_unknown", KV_S("server", r->text), KV_S("why", "CONFIG GET is not allowed"),
			       KV_S("next", "take_it_on_trust"));
		return;
	}
	const char *policy = value_of(reply, "maxmemory-policy"), *fsync = value_of(reply, "appendfsync");
	if (policy[0] != '\0' && strcmp(policy, "noeviction") != 0 && ap_where_first(r->where, SAID_POLICY))
		ap_log(r->log, AP_WARN, "eviction", KV_S("server", r->text), KV_S("maxmemory_policy", policy),
		       KV_S("next", "go_on; set it to noeviction, or a full Redis throws streams away"));
	for (unsigned i = 1; i < 3 && strcmp(value_of(reply, "appendonly"), "yes") == 0; i++)
		if (strcmp(fsync, levels[i]) == 0)
			have = i;
	if (have >= want)
		return;
	if (ap_where_first(r->where, SAID_FSYNC))
		ap_log(r->log, AP_ERROR, "appendfsync_weaker", KV_S("server", r->text), KV_S("want", levels[want]), KV_S("appendfsync", fsync),
		       KV_S("appendonly", value_of(reply, "appendonly")), KV_S("next", "set it there, or lower redis.appendfsync"));
	ap_redis_reset(r, "appendfsync_weaker");
}

/* --- rights --- */

#define K "ap:{0}:seq"
static const char *const inner[] = {
	"TIME", "TYPE " K, "EXISTS " K, "HGET " K " a", "HMGET " K " a", "HGETALL " K, "HKEYS " K, "HSET " K " a 1", "HSETNX " K " a 1",
	"HDEL " K " a", "HINCRBY " K " a 1", "XADD " K " * a 1", "XLEN " K, "XRANGE " K " - +", "XREVRANGE " K " + -", "XREAD STREAMS " K " 0",
	"XREADGROUP GROUP g p STREAMS " K " >", "XGROUP CREATE " K " g 0", "XGROUP SETID " K " g 0", "XGROUP DELCONSUMER " K " g p",
	"XPENDING " K " g", "XACK " K " g 1-1", "XTRIM " K " MINID 1-1", "FCALL f 1 " K, "WAIT 0 1", "XADD ap:metric * a 1",
};
enum { INNER = sizeof inner / sizeof inner[0], WORDS = 10 };
#undef K

static const char *user_of(const struct ap_redis *r)
{
	return r->conf->redis_user[0] != '\0' ? r->conf->redis_user : "default";
}

/* "OK", or a sentence; an error: ACL itself may not be used, or the server is too old to know DRYRUN. */
static void dryrun_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR || strcmp(reply->str, "OK") == 0)
		return;
	if (ap_where_first(r->where, SAID_ACL))
		ap_log(r->log, AP_ERROR, "right_missing", KV_S("server", r->text), KV_S("user", user_of(r)), KV_S("why", reply->str),
		       KV_S("next", "ACL SETUSER <user> +@stream +@hash +@connection +@scripting +time +type +exists +wait +role +select ~ap:*"));
	ap_redis_reset(r, "right_missing");
}

static void dryrun_send(struct ap_redis *r, const char *words)
{
	const char *argv[WORDS + 3] = { "ACL", "DRYRUN", user_of(r) };
	char text[100], *save = NULL;
	int argc = 3;

	snprintf(text, sizeof text, "%s", words);
	for (char *w = strtok_r(text, " ", &save); w != NULL && argc < WORDS + 3; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	redis_send_raw(r, dryrun_cb, r, 0, argc, argv, NULL);
}

void redis_config_ask(struct ap_redis *r)
{
	static const char *const get[] = { "CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy" };

	redis_send_raw(r, config_cb, r, 0, 5, get, NULL);
	/* Once is enough for a program: its connections are one user's. */
	for (size_t i = 0; i < INNER && !ap_where_trusted(r->where); i++)
		dryrun_send(r, inner[i]);
}
