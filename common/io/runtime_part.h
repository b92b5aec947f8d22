/*
 * runtime_part.h - one partition of a stage, as runtime.c, runtime_share.c, runtime_work.c and runtime_room.c share it. Not for others.
 */
#ifndef AP_IO_RUNTIME_PART_H
#define AP_IO_RUNTIME_PART_H

#include "../core/fold.h"
#include "../core/fsm.h"
#include "../core/hist.h"
#include "app.h"
#include "entry.h"
#include "metric.h"
#include "pg.h"
#include "redis.h"
#include "worker.h"

enum { KEY_MAX = 48, ROOM_READERS = 8, ALONE_POISON = 32 };

struct runtime;
struct past;
struct peeking;

/* A question about one reader of our outputs. */
struct room_ask {
	struct part *p;
	unsigned reader;
};

/* Records of one entry that are stepped together: [from, from + width). `n of the entry`, 1: what follows its last record. */
struct span {
	uint32_t from, width;
	uint64_t tries;         /* marks of just these that nobody survived */
};

/* See runtime_alone.c. */
struct alone {
	struct ap_buf body;     /* of the entry at work */
	ap_id id;
	uint32_t n, at;         /* its records; the next one */
	bool on;
	bool waits;             /* for another partition's entry */
	struct span marked;     /* what is about to be stepped */
	struct span suspect;    /* at this cursor: what the last worker was at when it died; width 0: nothing */
	uint32_t poison[ALONE_POISON];  /* records of this entry that are not stepped any more, ascending as they were found */
	unsigned n_poison;
	unsigned left;          /* entries that still come one at a time, */
	size_t left_bytes;      /* and bytes of their bodies */
};

struct part {
	struct runtime *rt;
	unsigned p;
	struct ap_redis *redis;
	enum ap_run_state state;

	char key_own[KEY_MAX], key_state[KEY_MAX], key_seq[KEY_MAX], key_stream[AP_S_N][KEY_MAX];

	char token[AP_TOKEN];
	uint64_t epoch;
	int64_t lease_ns;       /* CLOCK_BOOTTIME until which we may work: 2/3 of the term from before it was asked for */
	int64_t asked_ns;       /* when the lease or its renewal now on its way was sent; 0: none is */
	uint64_t held_ms;       /* how long the present owner still has */
	unsigned held;          /* how many times in a row it was another's */

	struct ap_fold fold;
	bool open;              /* fold holds a state */
	struct ap_buf names;    /* fields to load: length-prefixed */
	size_t names_at;

	char cursor[AP_ID_TEXT];        /* last committed */
	uint64_t q, taken;              /* its sequence number; records taken so far */
	bool fresh;                     /* the state has no cursor yet */
	uint64_t loads;                 /* at this cursor, without a commit since */
	bool careful;                   /* one entry at a time, each part of it marked before it is stepped */
	bool survived;                  /* this process has stepped it and lives: what failed was something else */
	struct alone alone;
	uint64_t first_there;           /* q of the first entry behind the cursor that the stream still had when the group was placed; 0: none */

	/* The batch on its way: what becomes true when the commit is taken. */
	char next_cursor[AP_ID_TEXT];
	uint64_t next_q, next_records, next_lost, first_q;
	ap_id next_id;
	struct ap_buf acks;             /* length-prefixed ids */
	size_t n_acks;
	size_t bytes_in;                /* of the bodies stepped */
	int64_t sent_ns;
	ap_ts next_beat;                /* newest live beat in it */
	bool cut;                       /* entries of the reply were left out: the group must be set back */
	bool read_behind;               /* a read was sent behind the commit */
	size_t entry_bytes;             /* an entry's, of late: what it brings or what it makes, whichever is more */

	struct past *past;      /* stored candles are being asked for; NULL: not now */
	struct peeking *peeking;        /* looks at forming candles; NULL: there was none yet */

	bool full;              /* downstream has too much in front of it */
	uint64_t since_room;    /* records taken since that was asked last */
	uint64_t lag_entries, lag_records;
	unsigned room_left;     /* replies of a room question that have not come */
	uint64_t heads[AP_S_N][2];      /* of the streams: last q, records ever */
	bool room_full;         /* what the replies so far say */
	struct room_ask room_ask[ROOM_READERS];

	ev_timer timer;         /* the state's own */
	ev_timer renew;         /* every quarter of the lease */
	ev_timer watch;         /* once a second: lag and room */
	unsigned attempt;       /* of the back-off */

	struct {
		uint64_t commits, lost, recoveries, yields, refused, duplicates, foreign, gone;
		struct ap_fold_count before;    /* of folds that are gone */
		struct ap_hist commit_us, age_ms, beat_ms;      /* since the last report */
	} m;
};

struct runtime {
	struct ap_app app;
	const struct ap_stage *stage;
	char name[AP_WORKER_NAME];
	char run[17];                   /* this process, as nobody else is called */
	struct ap_worker *worker;
	unsigned n;
	struct part *part;
	struct ap_redis *control;       /* for metrics */
	struct ap_metrics *metrics;
	struct part *alone;             /* the partition that is at an entry by itself */
	struct ap_pg *pg;               /* only when a fold has asked for stored candles */
	ev_timer stop_timer;
	int64_t up_ns;                  /* when the first partition's connection came up */
	bool offered;                   /* we have asked to be registered */
	bool ready, stopping, leaving;
};

/* A commit blocks everybody else in Redis: with this many bytes it takes about 1 ms. */
enum { COMMIT_BYTES = 256 * 1024 };
enum { CAREFUL_LOADS = 2, POISON_TRIES = 2 };

/* runtime.c */
/* Runs the loop until SIGTERM; returns the exit code. rt->app and rt->stage are set. */
int runtime_run(struct runtime *rt);
void part_event(struct part *p, enum ap_run_event e);
void part_refused(struct part *p, const char *what, const char *why);
void part_read(struct part *p);
/* State and past are in memory. */
void part_loaded(struct part *p);
/* Sends a renewal of the lease unless one is on its way. */
void part_renew(struct part *p);

/* runtime_share.c */
extern const struct ap_worker_events runtime_worker_events;
/* Registers this worker once it can work: called whenever that may have become so. */
void runtime_offer(struct runtime *rt);
/* Says READY=1 once: when every partition of our share is looked after. */
void runtime_ready(struct runtime *rt);

/* runtime_work.c: steps the entries of a reply and sends the commit. */
void part_work(struct part *p, const redisReply *entries, size_t n);

/* runtime_work.c: all records of the entry at work are through: the commit. */
void part_commit_alone(struct part *p);

/* runtime_alone.c: asks for what is known of the cursor; the answer decides how carefully to go on. */
void alone_load(struct part *p);
/* Begins an entry that comes by itself: it ends in part_commit_alone, or never, when the partition is lost meanwhile. */
void alone_begin(struct part *p, ap_id id, uint32_t n, ap_str body);
/* Is an entry to come by itself? Because of what is known of this partition, or because another one is at such an entry. */
bool alone_wanted(const struct part *p);
/* The partition is about to be given up as it should be: whoever comes next has nothing to fear. */
void alone_given_up(struct part *p);
/* The entry is through, or given up with the partition: the next partition's turn. */
void alone_over(struct part *p);
/* A commit was taken: the next entry has no history. */
void alone_committed(struct part *p);

/* runtime_room.c: asks for the heads of the streams and how far their readers are. */
void part_ask_room(struct part *p);


/* runtime_past.c: gives the fold the stored candles it wants, then calls part_loaded. False: it wants none. */
bool part_past(struct part *p);
/* The fold is being forgotten: whatever is still on its way is passed over. */
void part_past_drop(struct part *p);

/* runtime_peek.c: asks for the end of `live` if that is due; to be called in front of a read. */
void part_peek(struct part *p);
void part_peek_done(struct part *p);
/* Forming candles looked at, and in *left those passed over. */
uint64_t part_peeked(const struct part *p, uint64_t *left);

#endif
