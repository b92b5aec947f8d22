/*
 * main.h - the shell of ap-ingest: its parts and what they ask of each other.
 *
 *   main.c         arguments; which of the two ways of working it is
 *   main_append.c  frames to Redis: one in flight a partition, sent again until they are there
 *   main_feed.c    live sources: sockets, standard input, the simulator, beats
 *   main_history.c the simulated market's past, once for a data set
 *   main_conn.c    one connection: messages in, answers out
 *   main_replay.c  a file as a source
 *   main_file.c    bytes of a file, unpacked
 */
#ifndef AP_INGEST_MAIN_H
#define AP_INGEST_MAIN_H

#include "batch.h"
#include "common/core/timefmt.h"
#include "common/core/venue.h"
#include "common/io/app.h"
#include "common/io/metric.h"
#include "common/io/redis.h"

/* --- main_append.c ---------------------------------------------------------------------- */

struct appender;

struct appender_events {
	void (*up)(void *ctx);          /* Redis is there: at start and after every loss; may be NULL */
	void (*down)(void *ctx);        /* may be NULL */
	/* A frame is in its stream; id 0-0: it is, but under an id that was lost with a connection. May be NULL. */
	void (*done)(void *ctx, unsigned part, const struct ap_frame *frame, ap_id id);
	void (*empty)(void *ctx);               /* nothing is left to be sent; may be NULL */
	void (*held)(void *ctx, bool held);     /* stop, or go on, bringing more */
};

struct appender_counts {
	uint64_t records, frames, bytes, retries, holds;
	uint64_t lag_max;               /* records a partition's raw stream is ahead of ap-normalize, the worst */
};

/* producer: at most 128 bytes. NULL with a sentence in err. Pair with appender_free. */
struct appender *appender_new(struct ap_app *app, const char *producer, const struct appender_events *ev, void *ctx,
			      char *err, size_t errlen);
void appender_free(struct appender *a);
/* Adds a record to a partition; sent at the next appender_flush. Ends the program when there is no memory. */
void appender_put(struct appender *a, unsigned part, const struct ap_rec *rec, uint64_t seq, int64_t t_ms, uint64_t ticket);
/* The next sequence number of a partition, for sources without places of their own. */
uint64_t appender_seq(const struct appender *a, unsigned part);
/* Sends what waits, to every partition that has nothing in flight. To be called at the end of whatever put. */
void appender_flush(struct appender *a);
bool appender_held(const struct appender *a);
bool appender_empty(const struct appender *a);
/* Bytes that wait. */
size_t appender_backlog(const struct appender *a);
const char *appender_producer(const struct appender *a);
/* Whether what had been put into every partition when `mark` was taken is in its stream. */
void appender_mark(const struct appender *a, uint64_t *mark);
bool appender_reached(const struct appender *a, const uint64_t *mark);
/* Forgets the producer's high-water marks in Redis: it will never come back (a live producer that ended well). */
void appender_forget(struct appender *a);
const struct appender_counts *appender_counts(const struct appender *a);
struct ap_redis *appender_redis(struct appender *a);

/* --- main_feed.c ------------------------------------------------------------------------- */

enum source_kind { SRC_TCP, SRC_HTTP, SRC_SIM, SRC_STDIN, SRC_KINDS };

struct feed;

/* The live way of working. Returns the exit code. */
int feed_main(struct ap_app *app, bool from_stdin);

/* A message of a connection goes on to its partition, whatever it is: what cannot be read is refused by ap-normalize. */
void feed_message(struct feed *f, enum source_kind kind, ap_str msg, bool cut, ap_ts now, uint64_t ticket);

struct appender *feed_appender(struct feed *f);
struct ap_app *feed_app(struct feed *f);
/* Takes all connections that wait at the listeners. */
void feed_accept_all(struct feed *f);
/* A connection has ended. */
void feed_closed(struct feed *f);

/* --- main_history.c ---------------------------------------------------------------------- */

struct history;

/*
 * The past is in its streams, or has been before: the market goes live from `from`. seamless: exactly where the past ended.
 * history_free may be called in it.
 */
typedef void history_fn(void *ctx, ap_ts from, bool seamless);

/* Begins sending what ingest.sim_history_min asks for, unless the data set had it. NULL with a sentence in err. */
struct history *history_start(struct ap_app *app, history_fn *fn, void *ctx, char *err, size_t errlen);
void history_free(struct history *h);

/* --- main_conn.c ------------------------------------------------------------------------- */

struct conns;

/* NULL: no memory. */
struct conns *conns_new(struct feed *f, struct ev_loop *loop, size_t max);
void conns_free(struct conns *cs);
/* Takes a connected non-blocking socket (or fd 0). False: there are too many; fd is not taken. */
bool conns_add(struct conns *cs, int fd, enum source_kind kind);
size_t conns_count(const struct conns *cs);
uint64_t conns_overlong(const struct conns *cs);
/* Reading stops, or goes on. */
void conns_hold(struct conns *cs, bool held);
/* A frame has arrived: whoever waits for an answer gets it. */
void conns_done(struct conns *cs, unsigned part, const struct ap_frame *frame, ap_id id);
/* No more is read; answers still go out. */
void conns_stop(struct conns *cs);
/* Nothing is left to be answered or written. */
bool conns_idle(const struct conns *cs);

/* --- main_replay.c ----------------------------------------------------------------------- */

/* Whether the flags say replay; then replay_main does it and returns the exit code. */
int replay_main(struct ap_app *app);

/* --- main_file.c ------------------------------------------------------------------------- */

struct infile;

/* "-": standard input, kept in a temporary file first. NULL with a sentence in err. */
struct infile *infile_open(const char *path, char *err, size_t errlen);
void infile_close(struct infile *f);
/* Unpacked bytes, at most n; 0 at the end, -1 with a sentence in err. */
long infile_read(struct infile *f, void *buf, size_t n, char *err, size_t errlen);
/* To the beginning again. */
bool infile_rewind(struct infile *f, char *err, size_t errlen);

#endif
