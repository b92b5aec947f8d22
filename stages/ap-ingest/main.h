/*
 * main.h - the shell of ap-ingest: its parts and what they ask of each other.
 *
 *   main.c         arguments; which of the two ways of working it is
 *   main_out.c     the way out: into the journal, and from there to Redis
 *                  (main_out_start.c, main_out_journal.c, main_out_read.c: its parts, joined by main_out.h)
 *   main_append.c  frames to Redis: one in flight a partition, sent again until they are there
 *   main_lease.c   who of several works
 *   main_trim.c    how far PostgreSQL is, and what may leave a journal
 *   main_tend.c    the journals of producers that have ended
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
#include "common/io/redis_set.h"

/* --- main_append.c ---------------------------------------------------------------------- */

struct appender;

struct appender_events {
	/*
	 * A partition is there, at start and after every loss: what Redis has of the producer ends with number `have`. Nothing
	 * is sent to it before appender_go.
	 */
	void (*up)(void *ctx, unsigned part, uint64_t have);
	void (*down)(void *ctx, const char *why);
	/* A frame is in its stream; id 0-0: it is, but under an id that was lost with a connection. */
	void (*done)(void *ctx, unsigned part, const struct ap_frame *frame, ap_id id);
	void (*changed)(void *ctx);             /* there is more room, or ap-normalize is behind, or no longer */
};

struct appender_counts {
	uint64_t records, frames, bytes, retries;
	uint64_t lag_max;               /* records a partition's raw stream is ahead of ap-normalize, the worst */
};

/* producer: at most 128 bytes. NULL with a sentence in err. Pair with appender_free. */
struct appender *appender_new(struct ap_app *app, const char *producer, const struct appender_events *ev, void *ctx,
			      char *err, size_t errlen);
void appender_free(struct appender *a);
/* Asks again what Redis has: up comes once more for every partition, and until then nothing is sent. */
void appender_ask(struct appender *a);
void appender_go(struct appender *a, unsigned part, uint64_t have);
/* Adds a record (its wire form) to a partition; sent at the next appender_flush. Ends the program when there is no memory. */
void appender_put(struct appender *a, unsigned part, ap_str wire, uint64_t seq, int64_t t_ms, uint64_t ticket);
/* The same for all that was gathered elsewhere. */
void appender_join(struct appender *a, struct ap_batch *from);
/* Only records up to seq may be sent; at first all. */
void appender_safe(struct appender *a, uint64_t seq);
/* Forgets what waits for a partition that may not send; records go on above seq. */
void appender_reset(struct appender *a, unsigned part, uint64_t seq);
/* What waits for a partition; NULL: nothing. */
const struct ap_frame *appender_first(const struct appender *a, unsigned part);
/* The numbers of the last record that was put and of the last that is known to be there. */
uint64_t appender_last(const struct appender *a, unsigned part);
uint64_t appender_appended(const struct appender *a, unsigned part);
/* The last entry of the raw stream as far as known: all that is there of the producer stands at or below it. */
ap_id appender_last_id(const struct appender *a, unsigned part);
/* Sends what waits, to every partition that has nothing in flight. To be called at the end of whatever put. */
void appender_flush(struct appender *a);
/* Whether every partition takes records; whether ap-normalize is too far behind. */
bool appender_flows(const struct appender *a);
bool appender_lags(const struct appender *a);
bool appender_empty(const struct appender *a);
/* Bytes that wait. */
size_t appender_backlog(const struct appender *a);
const char *appender_producer(const struct appender *a);
/* Whether nothing waits of what has a number up to seq. */
bool appender_reached(const struct appender *a, uint64_t seq);
/* Forgets the producer's high-water marks in Redis: it will never come back (one without a journal that ended well). */
void appender_forget(struct appender *a);
const struct appender_counts *appender_counts(const struct appender *a);
struct ap_redis_set *appender_redis(struct appender *a);

/* --- main_lease.c ------------------------------------------------------------------------- */

struct lease;

struct lease_events {
	void (*got)(void *ctx);                 /* it is ours, and stays so until told otherwise */
	/* It is somebody else's; had: it was ours before; apart: who has it brings records under another producer's name than ours. */
	void (*other)(void *ctx, bool had, bool apart);
};

/* Over redis, which is not owned. NULL: no memory. */
struct lease *lease_new(struct ap_app *app, struct ap_redis *redis, const char *name, const char *producer,
			const struct lease_events *ev, void *ctx);
void lease_free(struct lease *l);
/* Redis is there: to be called after every connect. */
void lease_up(struct lease *l);
/* Gives it back, for good or to try again later. */
void lease_give_up(struct lease *l);
void lease_wait(struct lease *l);
bool lease_held(const struct lease *l);

/* --- main_trim.c -------------------------------------------------------------------------- */

struct trim;

/* Everything up to this number is in PostgreSQL. */
typedef void trim_fn(void *ctx, uint64_t confirmed);

/* NULL: no memory. Over redis, which is not owned and must outlive it. */
struct trim *trim_new(struct ap_app *app, struct ap_redis_set *redis, trim_fn *fn, void *ctx);
void trim_free(struct trim *t);
/* At or below entry id of the partition's raw stream stands all up to number seq. Without `always` one a second is kept. */
void trim_mark(struct trim *t, unsigned part, ap_id id, uint64_t seq, bool always);
/* The partition has lost records: its marks mean nothing any more. */
void trim_clear(struct trim *t, unsigned part);
/* Asks, unless that is under way; fn is called with the answer. */
void trim_ask(struct trim *t);
/* When the question of the last answer was sent; 0: there was none yet. */
int64_t trim_asked_ns(const struct trim *t);
/* By that answer: the raw entry up to which all is stored, and the last one there was. */
ap_id trim_bound(const struct trim *t, unsigned part);
ap_id trim_end(const struct trim *t, unsigned part);

/* --- main_out.c --------------------------------------------------------------------------- */

struct outlet;

enum outlet_kind {
	OUT_LIVE,               /* cannot wait: with Redis away it goes on into the journal; one of several works */
	OUT_PIPE,               /* the same without a lease: standard input */
	OUT_TAPE,               /* numbers are places on a tape that can be read again; waits whenever it has to */
	OUT_REST,               /* brings nothing: what a producer's journal holds and Redis does not */
};

struct outlet_events {
	void (*ready)(void *ctx);               /* it may bring records; once */
	/* Somebody else works; once, if at all. apart: with another journal than ours, so that nobody sends what ours holds. */
	void (*standby)(void *ctx, bool apart);
	void (*up)(void *ctx);                  /* Redis is there; may be NULL, as all that follow */
	void (*down)(void *ctx);
	/* The record with this ticket is in its stream, at place idx of entry id (0-0: the id was lost). */
	void (*answer)(void *ctx, uint64_t ticket, unsigned part, uint32_t idx, ap_id id);
	/* Whether somebody still waits for that answer. */
	bool (*waits)(void *ctx, uint64_t ticket);
	void (*moved)(void *ctx);               /* something has reached its stream, after the answers */
	void (*held)(void *ctx, bool held);     /* stop, or go on, bringing more */
	/* It cannot go on: leave with this code. Nothing is in danger that had been answered. */
	void (*failed)(void *ctx, int code, const char *why);
};

/* producer: a name for a file. NULL with a sentence in err. Pair with outlet_free. */
struct outlet *outlet_new(struct ap_app *app, enum outlet_kind kind, const char *producer, const struct outlet_events *ev, void *ctx,
			  char *err, size_t errlen);
void outlet_free(struct outlet *o);
enum { OUT_ALL = -1 };  /* every partition */
/*
 * Takes a record for a partition; texts are copied. False: there is no room for it (a beat may be left out; a record
 * that may not ends the program). To be called between ready and outlet_free, and followed by outlet_flush.
 */
bool outlet_put(struct outlet *o, int part, struct ap_rec *rec, int64_t t_ms, uint64_t ticket);
/* OUT_TAPE: the record at a place; in order, none left out. False: it is there already, in every partition it is for. */
bool outlet_put_at(struct outlet *o, uint64_t place, int part, struct ap_rec *rec, int64_t t_ms);
void outlet_flush(struct outlet *o);
bool outlet_held(const struct outlet *o);
/* Whether it is half of the way to holding sources back, or further. */
bool outlet_pressed(const struct outlet *o);
/* Whether records are accepted at all: false while the disk has no room. */
bool outlet_takes(const struct outlet *o);
/* Whether it works and all that was taken is in its stream; whether what was taken, if anything, is at least on disk. */
bool outlet_empty(const struct outlet *o);
bool outlet_safe(const struct outlet *o);
bool outlet_flows(const struct outlet *o);
/* Whether it has begun to bring records: until then it stands by, or waits for Redis. */
bool outlet_works(const struct outlet *o);
/* Bytes that wait in memory. */
size_t outlet_backlog(const struct outlet *o);
/* Where it has come to, and whether everything up to there is in its stream. */
uint64_t outlet_mark(const struct outlet *o);
bool outlet_reached(const struct outlet *o, uint64_t mark);
/* Nothing more will be put: gives back what others could use, and leaves word how far it came. */
void outlet_end(struct outlet *o);
/* Where the journals are. */
void outlet_home(const struct ap_conf *conf, char *out, size_t cap);
/* ap:dataset's connection, and one for each partition. */
struct ap_redis_set *outlet_redis(struct outlet *o);
/* NULL: nothing is deleted from its journal. */
const struct trim *outlet_trim(const struct outlet *o);
const char *outlet_producer(const struct outlet *o);
const struct appender_counts *outlet_appended(const struct outlet *o);
void outlet_collect(const struct outlet *o, struct ap_metrics *m);

/* --- main_tend.c -------------------------------------------------------------------------- */

struct tend;

/*
 * Begins looking after them by the connections of `live`. While that one works, its own producer is left out; while it stands by,
 * nothing is deleted. NULL: no memory. Free it before `live`.
 */
struct tend *tend_new(struct ap_app *app, struct outlet *live);
void tend_free(struct tend *t);
/* Redis was away, and may have lost something: look soon. */
void tend_soon(struct tend *t);

/* --- main_feed.c ------------------------------------------------------------------------- */

enum source_kind { SRC_TCP, SRC_HTTP, SRC_SIM, SRC_STDIN, SRC_KINDS };

struct feed;

/* The live way of working. Returns the exit code. */
int feed_main(struct ap_app *app, bool from_stdin);

/* A message of a connection goes on to its partition, whatever it is: what cannot be read is refused by ap-normalize. */
void feed_message(struct feed *f, enum source_kind kind, ap_str msg, bool cut, ap_ts now, uint64_t ticket);

struct outlet *feed_outlet(struct feed *f);
/* The wall clock without its jumps (common/core/steady.h): for beats and receive times. */
ap_ts feed_now(struct feed *f);
/* Quotes that wait for a newer one go out now: somebody asks whether all is there. */
void feed_settle(struct feed *f);
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
/* A message is in its stream; whoever waits for that is told with the next conns_tell. */
void conns_answer(struct conns *cs, uint64_t ticket, unsigned part, uint32_t idx, ap_id id);
/* Whether the connection that asked for it is there and has no answer yet. */
bool conns_waits(const struct conns *cs, uint64_t ticket);
void conns_tell(struct conns *cs);
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
