/*
 * pg.h - one PostgreSQL connection that keeps itself up, on the loop.
 *
 * Commands queue and run one after the other, never pipelined (COPY is not allowed in a pipeline). A deadline
 * on connect and on every command, TCP_USER_TIMEOUT, keepalive, jittered back-off. Any time-out closes the
 * connection: every outstanding command is answered with AP_PG_LOST, once, and `down` is called after them.
 * It knows no table and no transaction: BEGIN, COMMIT and what an unknown COMMIT means are the caller's.
 */
#ifndef AP_IO_PG_H
#define AP_IO_PG_H

#include <ev.h>
#include <libpq-fe.h>

#include "../core/conf.h"
#include "log.h"

struct ap_pg;

struct ap_pg_events {
	void (*up)(void *ctx);                          /* connected: commands may be sent */
	void (*down)(void *ctx, const char *why);       /* it will come back by itself */
};

enum ap_pg_rc {
	AP_PG_OK,
	AP_PG_ERROR,            /* the server refused it: sqlstate and message are set; the connection stands */
	AP_PG_LOST,             /* connection lost or deadline passed: the outcome is unknown */
};

struct ap_pg_result {
	enum ap_pg_rc rc;
	const PGresult *res;    /* of the last statement; NULL when lost. Owned by the connection. */
	char sqlstate[6];       /* "" unless AP_PG_ERROR */
	const char *message;    /* the primary message, never parameter values; "" when OK */
};

typedef void ap_pg_fn(void *ctx, const struct ap_pg_result *r);

/*
 * Starts connecting with pg.conninfo (host must be numeric or a socket directory: names are resolved once, here) and
 * the password file. conf must outlive it. NULL: conninfo is unusable, reason in err.
 */
struct ap_pg *ap_pg_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf,
			const struct ap_pg_events *ev, void *ctx, char *err, size_t errlen);
void ap_pg_free(struct ap_pg *pg);
bool ap_pg_is_up(const struct ap_pg *pg);

/*
 * Queues SQL without parameters; several statements separated by ';' are allowed (fn gets the last one's result,
 * or the first error). extra_ms is added to the command deadline (runtime.command_ms), for migrations and the like.
 * fn may be NULL. False: not up, or 64 commands are queued already (fn is not called).
 */
bool ap_pg_exec(struct ap_pg *pg, ap_pg_fn *fn, void *ctx, uint64_t extra_ms, const char *sql);
/*
 * One statement with parameters $1.. in text (formats NULL) or as PQsendQueryParams takes them; everything is copied.
 * types and lens may be NULL. At most 64 parameters.
 */
bool ap_pg_params(struct ap_pg *pg, ap_pg_fn *fn, void *ctx, uint64_t extra_ms, const char *sql, int n,
		  const Oid *types, const char *const *values, const int *lens, const int *formats, int result_format);

/*
 * COPY ... FROM STDIN: queued like any command. When the server is ready for data, and again whenever what was put has
 * been flushed to the socket, `ready` is called; it puts until ap_pg_copy_put says false (wait for the next
 * ready) or ends the copy. `done` is called once with the outcome. The deadline starts again at every flush, and is
 * 10 s longer than that of other commands: a checkpoint may hold the server up.
 */
bool ap_pg_copy(struct ap_pg *pg, void (*ready)(void *ctx), ap_pg_fn *done, void *ctx, const char *sql);
/* Hands over n bytes; they are always taken. False: stop putting, `ready` will be called (or `done`, if all is lost). */
bool ap_pg_copy_put(struct ap_pg *pg, const void *p, size_t n);
/* Ends the data; why != NULL makes the server abort the COPY with that message. */
void ap_pg_copy_end(struct ap_pg *pg, const char *why);

/* Drops the connection now and connects again after the back-off. */
void ap_pg_reset(struct ap_pg *pg, const char *why);

/* What a conninfo string says under a keyword (host, port, user ...), or dflt where it says nothing. */
void ap_pg_conninfo_value(const char *conninfo, const char *keyword, const char *dflt, char *out, size_t cap);

#endif
