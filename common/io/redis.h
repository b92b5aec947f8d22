/*
 * redis.h - one Redis connection that keeps itself up, on the loop.
 *
 * One server, the primary that Sentinels name, or the node of a Cluster that has the connection's slot (where.h); names are looked up
 * beside the loop. TCP_USER_TIMEOUT, keepalive, deadlines on connect and on every command, PING after half a second without one,
 * jittered back-off, SIGPIPE never.
 * After each connect: AUTH, ROLE must be master, data set identity as expected, functions of the right version. Any time-out
 * closes the connection: every outstanding command is answered with NULL, once, and `down` is called after them. So does an answer
 * that says "not here" (MOVED, ASK, READONLY, CLUSTERDOWN); the next connection goes where it belongs.
 */
#ifndef AP_IO_REDIS_H
#define AP_IO_REDIS_H

#include <ev.h>
#include <hiredis/hiredis.h>

#include "../core/conf.h"
#include "../core/redis_url.h"
#include "log.h"

enum {
	AP_REDIS_REPLY_MAX = 64 * 1024 * 1024,  /* bytes of replies waiting to be read */
	AP_REDIS_ARRAY_MAX = 1024 * 1024,       /* elements of one array */
	AP_REDIS_OUT_MAX = 64 * 1024 * 1024,    /* bytes of commands waiting to be written */
};

struct ap_redis;

struct ap_redis_events {
	void (*up)(void *ctx);                          /* connected and checked: commands may be sent */
	void (*down)(void *ctx, const char *why);       /* it will come back by itself; also called for failed attempts */
};

/* reply: NULL when the connection was lost or the deadline passed (outcome unknown). Owned by the connection. */
typedef void ap_reply_fn(void *ctx, const redisReply *reply);

enum ap_redis_check {
	AP_REDIS_BARE,          /* connect and AUTH only (supervisor, migrate, doctor) */
	AP_REDIS_PRIMARY,       /* + ROLE master */
	AP_REDIS_DATASET,       /* + data set identity + functions */
	AP_REDIS_SENTINEL,      /* a Sentinel: connect, AUTH as one */
};

/*
 * Starts connecting. conf must outlive it. NULL: the URL is unusable, reason in err. It is for the key ap:dataset: in a Cluster
 * a connection sees the keys of one slot.
 */
struct ap_redis *ap_redis_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
			      const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen);
/*
 * The same for the keys of one partition: its data set check asks the partition itself (`ap:{p}:seq`, fields ds and parts), and
 * where partitions lie on several servers it goes to the one that has this.
 */
struct ap_redis *ap_redis_new_part(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				   unsigned part, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen);
/* The same for one key ("ap:metric") and all keys of its slot. In a Cluster the data set's identity is not asked there. */
struct ap_redis *ap_redis_new_key(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				  const char *key, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen);
/* To this server and no other: a Sentinel, a node. Its coming and going is not logged. NULL: no memory. */
struct ap_redis *ap_redis_new_to(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, const struct ap_place *to,
				 enum ap_redis_check check, const struct ap_redis_events *ev, void *ctx);
/* What comes without having been asked for (after SUBSCRIBE) is given to fn; without this it closes the connection. */
void ap_redis_listen(struct ap_redis *r, ap_reply_fn *fn, void *ctx);
/* Whether its keys may be on another server than those of other slots. */
bool ap_redis_is_cluster(const struct ap_redis *r);
/* Closes it. Outstanding commands are not answered. May be called from any of its callbacks. */
void ap_redis_free(struct ap_redis *r);
bool ap_redis_is_up(const struct ap_redis *r);
/*
 * Queues a command; commands queued in one turn of the loop leave in one write. `extra_ms` is added to the
 * command deadline (for BLOCK). fn may be NULL. False: not up (fn is not called).
 */
bool ap_redis_send(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv, const size_t *len);
/* The same from a format as in hiredis (%s, %b). */
bool ap_redis_sendf(struct ap_redis *r, ap_reply_fn *fn, void *ctx, const char *fmt, ...);
/*
 * The same piece by piece, without arrays: begin with the number of arguments, give each, end. Nothing else may be sent
 * in between, and the number must be right (asserted). ap_redis_begin false: not up, do not go on.
 */
bool ap_redis_begin(struct ap_redis *r, size_t argc);
void ap_redis_arg(struct ap_redis *r, ap_str s);
void ap_redis_arg_u64(struct ap_redis *r, uint64_t v);
bool ap_redis_end(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms);
/*
 * Drops the connection and connects again after the back-off ("recovery path"). It is down at once;
 * outstanding commands are answered with NULL, and `down` is called, in the next turn of the loop.
 */
void ap_redis_reset(struct ap_redis *r, const char *why);
/* Commands sent and not answered. */
size_t ap_redis_pending(const struct ap_redis *r);
/* The id of the data set seen at the last connect (AP_REDIS_DATASET); "" before that. */
const char *ap_redis_dataset(const struct ap_redis *r);
/* The server answers, but what it holds is not this data set: it was emptied, or is another one. */
bool ap_redis_is_foreign(const struct ap_redis *r);
/* Connections lost and attempts failed since it was made; for metrics. */
uint64_t ap_redis_downs(const struct ap_redis *r);

/* --- durability: redis.wait_replicas (redis_wait.c) --- */
enum ap_redis_wait {
	AP_REDIS_WAIT_DONE,     /* enough replicas have all that was in Redis when this was asked */
	AP_REDIS_WAIT_SHORT,    /* not yet (said in the log once): ask again */
	AP_REDIS_WAIT_LOST,     /* the connection was lost */
};
typedef void ap_redis_wait_fn(void *ctx, enum ap_redis_wait rc);
/* Asks, for an eighth of a lease at most; fn is called once. Not for ap_redis_new_to. False: not up. */
bool ap_redis_wait(struct ap_redis *r, ap_redis_wait_fn *fn, void *ctx);
/* Whether the last answer of this program was SHORT. */
bool ap_redis_wait_short(const struct ap_redis *r);

/* First element of an array reply as a word ("OK", "FENCED" ...), or "" when the reply is something else. */
const char *ap_reply_word(const redisReply *reply);
/* The first word of an error reply ("OOM", "NOPERM"), or of what a function answered ("FENCED"): why it refused. */
ap_str ap_reply_why(const redisReply *reply);
/* Element i of an array reply as text; empty when there is none. */
ap_str ap_reply_text(const redisReply *reply, size_t i);
/* Element i of an array reply as a number (integer or digits); dflt when it is not one. */
uint64_t ap_reply_u64(const redisReply *reply, size_t i, uint64_t dflt);

#endif
