/*
 * redis_int.h - what redis.c and redis_check.c share. Not for others.
 */
#ifndef AP_IO_REDIS_INT_H
#define AP_IO_REDIS_INT_H

#include "../core/buf.h"
#include "name.h"
#include "redis.h"
#include "where.h"

enum { AP_REDIS_READ_BYTES = 64 * 1024 };       /* of one read(2) */

enum redis_state { WAITING, RESOLVING, CONNECTING, CHECKING, UP };

/* A command whose reply has not come. */
struct redis_sent {
	ap_reply_fn *fn;
	void *ctx;
	int64_t deadline_ns;
};

struct ap_redis {
	struct ev_loop *loop;
	struct ap_log *log;
	const struct ap_conf *conf;
	enum ap_redis_check check;
	struct ap_redis_events ev;
	void *ctx;
	ap_reply_fn *heard;             /* replies that nobody asked for; NULL: they are an error */
	void *heard_ctx;

	struct ap_where *where;         /* NULL: `to` was given */
	struct ap_where_user user;
	struct ap_place to;             /* where it is connected, or was last */
	struct ap_place moving_to;      /* -ASK: where the slot is going */
	bool moving;                    /* an -ASK has come: before anything else, ask what is left where it came from */
	bool asking;                    /* connected to moving_to: ASKING goes before every command */
	bool waited;                    /* for `where` to know an answer */
	unsigned moving_tries;
	struct ap_name *lookup;         /* RESOLVING */
	size_t args_left;               /* of the command being put together */
	char text[AP_PLACE_TEXT];       /* `to`, for log lines */
	char identity[24];              /* the hash that names the data set; "": it is on another node */
	bool alarmed;                   /* that it does not, has been said */

	enum redis_state state;
	int fd;
	ev_io rd, wr;
	ev_timer timer;                 /* WAITING: next try; else: look at the first deadline */
	ev_prepare flush;               /* active while something is to be written */
	redisReader *reader;
	redisReplyObjectFunctions fns;
	struct ap_buf out;
	size_t out_at;                  /* bytes of out already written */
	struct redis_sent *q;           /* ring of cap (a power of two) */
	size_t q_head, q_n, q_cap;
	unsigned attempt;
	uint64_t downs;
	char doom[64];                  /* reset was asked for: why */
	char dataset[40];
	unsigned depth;                 /* of our own handlers on the stack */
	bool freed;                     /* ap_redis_free was called from a callback */
	char in[AP_REDIS_READ_BYTES];
};

/* Sends also before it is UP. */
bool redis_send_raw(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv,
		    const size_t *len);
/* The checks after each connect; they end in redis_checked or in ap_redis_reset. */
void redis_check_start(struct ap_redis *r);
void redis_checked(struct ap_redis *r);
/* redis_config.c: asks how the server is set up, as part of the checks; what must not be ends in ap_redis_reset. */
void redis_config_ask(struct ap_redis *r);

#endif
