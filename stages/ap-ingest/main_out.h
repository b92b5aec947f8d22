/*
 * main_out.h - the inside of an outlet, for main_out.c and its three companions alone.
 *
 *   main_out.c          the calls others make; holding sources back; who waits for an answer
 *   main_out_start.c    what Redis and the data set say, the lease: starting, and coming back
 *   main_out_journal.c  opening the journal, what it tells, what may be deleted from it
 *   main_out_read.c     what Redis has not is read back from the journal
 */
#ifndef AP_INGEST_MAIN_OUT_H
#define AP_INGEST_MAIN_OUT_H

#include "common/io/journal.h"
#include "main.h"

enum {
	HELD_BYTES = 8 * 1024 * 1024,           /* not yet safe: above it sources are held */
	HELD_ROOM = 16 * 1024 * 1024,           /* what may come in after that: the rest of a read, beats */
};

/* A record that somebody waits for, while it is on disk only. */
struct waiter {
	uint64_t seq, ticket;
};

struct lane {
	uint64_t have;          /* what Redis said */
	bool known;             /* it has said so, and the partition was not let go yet */
};

struct outlet_counts {
	uint64_t holds;                 /* times sources were held */
	uint64_t read, damaged, lost;   /* records of the journal: read again, unreadable, missing */
};

struct outlet {
	struct ap_app *app;
	enum outlet_kind kind;
	struct outlet_events ev;
	void *ctx;
	struct appender *out;
	struct lease *lease;
	struct trim *trim;
	ev_timer trim_timer;
	struct ap_journal *journal;     /* NULL: there is none */
	char dir[700];
	uint32_t tag;
	unsigned parts;
	ev_timer poll;
	bool started, standing_by, dead;
	bool asking, leased_asked;      /* on this connection */
	bool rebuilding;
	uint64_t last;                  /* number of the last record */
	struct ap_buf wire;

	bool direct;
	struct ap_journal_reader *reader;
	uint64_t read_next;             /* the number to be read next */
	struct ap_batch *tail;          /* joining: what came after join_at */
	uint64_t join_at;
	ev_timer more;                  /* to read on in the next turn */
	struct waiter *wait;
	size_t wait_at, wait_n, wait_cap;

	bool held, full, blocked, outrun, pressed;
	bool disk_over;
	uint64_t behind_most;           /* reading, and Redis takes: more than this behind, and sources are held; 0: not looked yet */
	struct outlet_counts n;
	struct ap_wire_iter it;
	struct lane lane[];
};

/* --- main_out.c ----------------------------------------------------------------------------- */

/* It cannot go on: its owner is told, once. */
void out_fail(struct outlet *o, int code, const char *why);
/* Whether its sources cannot wait. */
bool out_is_live(const struct outlet *o);
/* Holds sources back, or lets them go, as things are now. */
void out_judge(struct outlet *o);
/* Whoever waits for these records goes on waiting while they are on disk only. */
void out_wait_for_frames(struct outlet *o, const struct ap_frame *f);
/* Who waits for the record, 0: nobody. Asked in the order of the numbers; those that were passed over are forgotten. */
uint64_t out_waited_for(struct outlet *o, uint64_t seq);

/* --- main_out_read.c ------------------------------------------------------------------------ */

/* From number `from` on records come from disk. */
void out_to_disk(struct outlet *o, uint64_t from);
/* What gathered aside is read from disk like the rest. */
void out_join_give_up(struct outlet *o);
/* Reads as much as Redis can be given, and as one turn of the loop may take. */
void out_pump(struct outlet *o);
void out_more_cb(struct ev_loop *loop, ev_timer *w, int revents);

/* --- main_out_journal.c --------------------------------------------------------------------- */

/* Opens it and settles the number to go on with. least, most: what Redis has, over all partitions. False: it was refused. */
bool out_journal_start(struct outlet *o, uint64_t least, uint64_t most);
/* From now on what is confirmed and old enough is deleted. */
void out_trim_start(struct outlet *o);
void out_trim_cb(struct ev_loop *loop, ev_timer *w, int revents);
/* Leaves word in its directory how far each partition has come; opening the journal the next time takes it back. */
void out_word_leave(const struct outlet *o);

/* --- main_out_start.c ----------------------------------------------------------------------- */

/* What the appender and the lease tell of Redis. */
void out_on_up(void *ctx, unsigned part, uint64_t have);
void out_on_down(void *ctx, const char *why);
void out_on_lease(void *ctx);
void out_on_lease_other(void *ctx, bool had, bool apart);
void out_poll_cb(struct ev_loop *loop, ev_timer *w, int revents);

#endif
