/*
 * main.h - ap-persist's shell: what main.c, main_part.c (the Redis side) and main_tx.c (the PostgreSQL side) share.
 *
 * One worker, one PostgreSQL connection, one Redis connection a partition (and one for ap:metric). A partition is
 * leased, its cursors are taken over in PostgreSQL, its groups are set to them, and then it reads ahead into its inbox.
 * What waits in the inboxes is gathered into a batch while the batch before is being stored. Any trouble with a
 * partition, and any trouble with PostgreSQL for all of them, leads back to the first step.
 */
#ifndef AP_PERSIST_MAIN_H
#define AP_PERSIST_MAIN_H

#include "common/core/hist.h"
#include "common/io/app.h"
#include "common/io/metric.h"
#include "common/io/pg.h"
#include "common/io/redis.h"
#include "common/io/worker.h"
#include "map.h"
#include "poison.h"

enum {
	INBOX_BYTES = 2 << 20,          /* a partition that holds more does not read on */
	INBOX_ENTRIES = 2048,
	SPANS_ASKED = 32,               /* made sure of by one statement */
	KNOWN_SPANS = 8192,             /* partitions of tables known to exist; a power of two */
};

enum phase {
	PH_OFF,         /* Redis or PostgreSQL is away, or another worker has it; tried again by the timer */
	PH_LEASE,       /* ap_acquire_v1 sent */
	PH_LOAD,        /* holds the lease; its cursors are to be taken over as soon as PostgreSQL is free */
	PH_SEEK,        /* setting its groups to the cursors */
	PH_READ,
	PH_YIELD,       /* another worker is to have it: what is in the batches is stored first */
};

struct part;

struct stream {
	struct part *part;
	bool on;
	unsigned s;             /* AP_S_… or MAP_METRIC */
	char key[48];
	ap_id stored;           /* PostgreSQL's cursor */
	int64_t stored_q;       /* -1: nothing stored yet */
	ap_id taken;            /* with what is in the two batches */
	int64_t taken_q;
	bool fresh;             /* nothing was taken since its group was set */
	int64_t first_there;    /* sequence number of the first entry behind the cursor when it was set, whoever had read it; 0: there was none */
};

/* Entries read and not yet in a transaction; their bodies follow one another in bytes. */
struct inbox {
	struct ap_buf bytes;
	struct boxed {
		unsigned s;
		ap_id id;
		int64_t q;
		uint32_t n;
		size_t at, len;
	} *e;
	size_t n, cap, next;
	size_t sure;            /* entries before this one are where redis.wait_replicas wants them */
	size_t asked;           /* what will be sure with the answer that is out; 0: none is */
	unsigned waits;         /* answers that are out; only the last one counts */
};

/* After a process that died: the entry that is taken alone, and what is known to be poison. */
struct alone {
	struct poison known;
	size_t left;            /* entries still to be taken alone; 0: as usual */
	size_t turn;            /* of those before another partition's turn */
	bool on;                /* a mark is out, or an entry under way: */
	size_t group;           /* so many entries that come together; 0: one that comes alone */
	struct map_entry e;     /* it, */
	struct ap_buf body;     /* its body, */
	struct boxed box;       /* where it was in the inbox, */
	uint64_t lost;          /* entries missing before it, */
	uint32_t at;            /* the next record, */
	struct poison_mark mark;        /* and what is marked of it */
};

struct sink;

struct part {
	struct sink *sink;
	int p;                  /* -1: ap:metric */
	struct ap_redis *redis;
	enum phase phase;
	char own[48], token[AP_TOKEN];
	uint64_t epoch;
	int64_t retry_ns;       /* PH_OFF: not before this */
	char before[AP_WORKER_NAME];    /* who had it and has not given it up; "": nobody */
	unsigned attempts, held;        /* in a row: refusals, another's lease */
	struct stream st[MAP_STREAMS];
	struct inbox box;
	unsigned seeking;       /* replies outstanding in PH_SEEK */
	struct map_known *known;        /* what was stored when Redis was filled again; see map.h */
	size_t known_n;
	bool reading;           /* an XREADGROUP is out */
	struct alone alone;
	size_t untrimmed;       /* bytes stored since its streams were trimmed, */
	int64_t trimmed_ns;     /* and when that was */
};

enum job { JOB_NONE, JOB_SETUP, JOB_LOAD, JOB_TX, JOB_UPKEEP };

/* An entry of a batch, to be acknowledged after COMMIT. */
struct taken {
	struct part *part;
	unsigned s;
	ap_id id;
	size_t len;
};

/* How far a batch moves one cursor. */
struct mark {
	bool on;
	ap_id prev, last;
	int64_t q;              /* of last */
	uint32_t n;             /* records */
	uint64_t lost;          /* entries missing among them */
	char token[AP_TOKEN];   /* of the life in which they were taken */
};

/* What one transaction stores. One is under way while the next one gathers. */
struct batch {
	struct map *map;
	struct taken *taken;
	size_t taken_n, taken_cap;
	struct mark *mark;      /* parts x MAP_STREAMS */
};

/*
 * One transaction: partitions made sure of, BEGIN, rows table by table, coverage, cursors, COMMIT.
 * probing: BEGIN, some rows of one table, ROLLBACK, again and again until the one bad row is found.
 */
struct tx {
	unsigned step;
	enum ap_table table;            /* which one is being copied */
	bool twin;                      /* its rows are in the twin, to be merged next */
	bool merge;                     /* by way of the twins: some row is there already */
	bool met;                       /* in this transaction one really was, of a table that is only added to */
	bool spans_again;               /* a partition was missing although known: looked up once more */
	bool probing;
	size_t lo, hi, mid;             /* probing: rows [0, lo) are good, [lo, hi) hold a bad one, [lo, mid) are tried */
	size_t put, put_to;             /* COPY under way: the next row to put, and the end */
	bool headed;                    /* its header has been put */
	size_t span;                    /* the map's spans before this one are known to exist */
	size_t asked[SPANS_ASKED], asked_n;     /* those being made sure of */
	uint8_t *skip[AP_T_N];          /* 1: that row is bad; NULL: none is */
	size_t skip_n[AP_T_N];          /* rows that skip speaks of */
	size_t cursors;                 /* rows the UPDATE of the cursors must hit */
	unsigned attempts;
	void (*after)(struct sink *s);  /* what follows ROLLBACK */
	int64_t began_ns;
};

struct stats {
	uint64_t rows[AP_T_N], bad_rows, batches, merges, retries, recoveries, yields, lost, entries, poison;
	struct ap_hist batch_us;
};

struct sink {
	struct ap_app app;
	struct ap_pg *pg;
	bool pg_ready;          /* schema and data set are what they should be */
	bool stopping;
	enum job job;
	struct part *load;      /* JOB_LOAD: whose, */
	char load_token[AP_TOKEN];      /* and in which life */
	const struct ap_store *store;
	struct batch batch[2], *now, *next;     /* under way; gathering */
	struct map_steps steps; /* of both maps */
	struct part *alone;     /* whose turn it is to take entries alone: nothing else becomes rows meanwhile; NULL: nobody's */
	char run[17];           /* this process, in marks */
	struct part *part;      /* parts + 1 of them; the last one is ap:metric */
	size_t parts;
	size_t turn;            /* where the next transaction starts to take */
	struct tx tx;
	bool merging;           /* the last transaction met rows that were there: the next one does not try without (a rebuild, a catch-up) */
	uint64_t known[KNOWN_SPANS];
	size_t known_n;
	struct ap_metrics *metrics;
	struct stats stats;
	char name[AP_WORKER_NAME];
	struct ap_worker *worker;
	ev_timer tick, retry, trim, upkeep, leaving;
	int64_t renewed_ns;     /* when the leases were last renewed */
	int64_t setup_ns;       /* not before this */
	unsigned setup_attempts;
	int64_t leave_ns;       /* when stopping: leave at the latest */
};

/* main_part.c */
bool part_open(struct sink *s, struct part *pt, int p, char *err, size_t errlen);
void part_close(struct part *pt);
/* Starts what can be started; called by the timer and whenever something came up. */
void part_try(struct part *pt);
/* PostgreSQL's answer in PH_LOAD: its cursors are in st[]. */
void part_loaded(struct part *pt);
/* Forgets what the partition had in memory; it begins again after a pause. */
void part_forget(struct part *pt, const char *why);
void part_renew(struct part *pt);
void part_trim(struct part *pt);
void part_release(struct part *pt);
/* Releases what another worker is to have once nothing of it is in a batch. */
void part_yielded(struct part *pt);
/* The registry of workers has answered. */
void parts_looked(void *ctx, bool changed);
/* Asks for more unless the inbox is full. */
void part_read(struct part *pt);
/* The transaction has been committed: acknowledge, and mirror the cursors where people look. */
void part_stored(struct part *pt, const struct batch *b);

/* main_tx.c */
/* Gathers what waits in the inboxes; if PostgreSQL is free, stores it, takes over a partition, or rests. */
void sink_pump(struct sink *s);
/* The connection is gone: whatever was under way is forgotten, the cursors in PostgreSQL tell what came of it. */
void sink_pg_down(struct sink *s, const char *why);
/* Everything is stored or given up: hand the leases back and go. */
void sink_leave(struct sink *s);
void sink_retry_cb(struct ev_loop *loop, ev_timer *w, int revents);
/* Gives back what the transaction holds. */
void tx_done(struct tx *x);
/* Maps the next n entries of the inbox, or as many as the batch has room for. False: no memory, and the program is going to end. */
bool part_take(struct part *pt, size_t n);
/* The next entry of the inbox is begun alone. False: there is none now, or no room for it in the batch. */
bool part_take_alone(struct part *pt);
/* It has been mapped: it belongs to the batch. False: no memory, and the program is going to end. */
bool part_taken(struct part *pt);
/* Says so, and ends the program: it is started again. */
void sink_no_memory(struct sink *s);
bool batch_open(struct sink *s, struct batch *b);
void batch_close(struct batch *b);

/* main_alone.c */
/* What stands in the lease's hash: the fields of ALONE_FIELDS, asked for when the cursors are known. */
#define ALONE_FIELDS "lu ts ti tl tf tw tn tp"
void alone_loaded(struct part *pt, const redisReply *reply);
/* The lease is handed back as it should be. */
void alone_given_up(struct part *pt);
/* Begins a turn, if it is to take entries alone and has one. True: it has the turn. */
bool alone_begin(struct part *pt);
bool alone_next(struct part *pt);
/* Marks and maps an entry, and calls part_taken; e and what it points to are copied. */
void alone_entry(struct part *pt, const struct map_entry *e);
/* What was under way is given up. */
void alone_forget(struct part *pt);

/* main_setup.c: what happens once a connection, and what happens now and then. */
void sink_setup(struct sink *s);
void sink_upkeep(struct sink *s);
/* Takes over a partition's cursors with its token. */
void sink_load(struct sink *s, struct part *pt);

#endif
