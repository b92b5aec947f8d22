/*
 * redis_check.c - what a connection must prove before it is up: the questions go out together, the replies come in that order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "redis_int.h"
#include "secret.h"

/* An error's first word; the rest may quote what was sent. */
static void check_failed(struct ap_redis *r, const char *what, const redisReply *reply)
{
	char why[64];
	const char *word = reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected_reply";

	snprintf(why, sizeof why, "%s:%.*s", what, (int)strcspn(word, " "), word);
	ap_redis_reset(r, why);
}

static void auth_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		check_failed(ctx, "auth", reply);
}

static void select_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		check_failed(ctx, "select", reply);
}

static void role_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL || r->check == AP_REDIS_BARE)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || strcmp(ap_reply_word(reply), "master") != 0)
		check_failed(r, reply->type == REDIS_REPLY_ARRAY ? "not_primary" : "role", reply);
}

static void version_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, "alphapulse_v1") != 0))
		check_failed(ctx, "functions_missing", reply);
}

/* What waiting does not heal. Said once, not at every attempt. */
static void dataset_alarm(struct ap_redis *r, const char *why)
{
	if (!r->alarmed)
		ap_log(r->log, AP_ERROR, "dataset_wrong", KV_S("server", r->text), KV_S("why", why),
		       KV_S("next", "nothing is read or written; if it was emptied: apctl rebuild fills it again from the journals"));
	r->alarmed = true;
}

static void dataset_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL)
		return;
	ap_str id = ap_reply_text(reply, 0);
	if (reply->type == REDIS_REPLY_ARRAY && id.len == 0) {
		ap_redis_reset(r, "dataset_missing");
		dataset_alarm(r, "this Redis does not hold the data set: it was emptied, or is another server");
	} else if (reply->type != REDIS_REPLY_ARRAY || id.len != 36) {
		check_failed(r, "dataset_missing", reply);
	} else if (ap_reply_u64(reply, 1, 0) != r->conf->data_partitions) {
		ap_redis_reset(r, "dataset_has_other_partitions");
	} else if (r->dataset[0] != '\0' && !ap_str_is(id, r->dataset)) {
		/* Going on would mix two data sets; this stays so until somebody restarts the program knowingly. */
		ap_redis_reset(r, "dataset_changed");
		dataset_alarm(r, "this Redis holds another data set than before");
	} else {
		memcpy(r->dataset, id.p, id.len);
		r->dataset[id.len] = '\0';
		r->alarmed = false;
	}
}

static void ready_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL || r->doom[0] != '\0')
		return;
	if (reply->type != REDIS_REPLY_STATUS) {
		check_failed(r, "ping", reply);
		return;
	}
	redis_checked(r);
}

/* False: there should be a password, and it cannot be read. */
static bool auth_send(struct ap_redis *r)
{
	char pass[512];
	bool sentinel = r->check == AP_REDIS_SENTINEL;
	const char *user = sentinel ? r->conf->redis_sentinel_user : r->conf->redis_user;
	const char *path = sentinel ? r->conf->redis_sentinel_password_file : r->conf->redis_password_file;
	const char *argv[3] = { "AUTH", user, pass };

	if (*path == '\0')
		return true;
	if (!ap_secret_read(path, pass, sizeof pass) || pass[0] == '\0') {
		ap_redis_reset(r, "password_file_unreadable");
		return false;
	}
	if (*user == '\0')
		argv[1] = pass;
	bool ok = redis_send_raw(r, auth_cb, r, 0, *user == '\0' ? 2 : 3, argv, NULL);
	explicit_bzero(pass, sizeof pass);
	return ok;
}

/* What is left of a slot, at the node it is being moved away from. */
static void left_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL)
		return;
	r->moving = false;
	/*
	 * A command alone may follow -ASK, a partition may not: with some of its keys here and some there, what is still here would
	 * look empty there. Only when all have gone does the connection go too; the node refuses to make new ones.
	 */
	if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 0) {
		r->asking = true;
		r->moving_tries = 0;
		ap_redis_reset(r, "follows_the_slot");
	} else if (++r->moving_tries % 2 == 1) {
		r->moving = true;
		ap_redis_reset(r, "slot_is_being_moved");
	}
	/* Every other time it is tried as if nothing were: the move may have been called off. */
}

void redis_check_start(struct ap_redis *r)
{
	static const char *const role[] = { "ROLE" }, *const ping[] = { "PING" }, *const version[] = { "FCALL_RO", "ap_version_v1", "0" };
	const char *const dataset[] = { "HMGET", r->identity, strcmp(r->identity, "ap:dataset") == 0 ? "id" : "ds", "parts" };
	const char *db = r->where != NULL ? ap_where_db(r->where) : "";
	const char *sel[] = { "SELECT", db };
	char slot[12];

	if (!auth_send(r))
		return;
	if (*db != '\0')
		redis_send_raw(r, select_cb, r, 0, 2, sel, NULL);
	if (r->check != AP_REDIS_SENTINEL)
		redis_send_raw(r, role_cb, r, 0, 1, role, NULL);
	if (r->moving && !r->asking) {
		const char *const count[] = { "CLUSTER", "COUNTKEYSINSLOT", slot };
		snprintf(slot, sizeof slot, "%u", r->user.slot);
		redis_send_raw(r, left_cb, r, 0, 3, count, NULL);
	}
	/* Only where it was asked for: what a Sentinel or a seed of a Cluster is like does not matter. */
	if (r->check == AP_REDIS_DATASET && r->where != NULL)
		redis_config_ask(r);
	if (r->check == AP_REDIS_DATASET) {
		redis_send_raw(r, version_cb, r, 0, 3, version, NULL);
		if (r->identity[0] != '\0')
			redis_send_raw(r, dataset_cb, r, 0, 4, dataset, NULL);
	}
	redis_send_raw(r, ready_cb, r, 0, 1, ping, NULL);
}
