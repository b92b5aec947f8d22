/*
 * laws.h - the laws every fold obeys, checked on any stage with any tape.
 *
 *   crash anywhere   memory lost between any two entries, state loaded back: the same bytes
 *   split anywhere   commits wherever they fall: the same bytes
 *   twice is once    what was not committed is dropped and delivered again: the same bytes
 *   bounded          never more output than `bound` said before the record was stepped
 *   total            any valid record of any kind gets a verdict
 *
 * A tape is an array of entries; an entry is what one Redis entry is: an id and a frame of records. The harness is
 * its own port: it decodes frames, steps, flushes at the end of each entry, and commits output and state deltas together.
 * It knows no stage and no files.
 */
#ifndef TEST_LIB_LAWS_H
#define TEST_LIB_LAWS_H

#include "common/core/stage.h"
#include "common/core/wire.h"

enum { LAWS_WHY = 2048 };

/* A small generator of reproducible numbers (splitmix64). */
struct laws_rng {
	uint64_t s;
};
uint64_t laws_rand(struct laws_rng *r);
/* 0 .. n-1; n >= 1. */
uint64_t laws_below(struct laws_rng *r, uint64_t n);
/* True in pct of 100 cases. */
bool laws_chance(struct laws_rng *r, unsigned pct);

/* --- tapes ------------------------------------------------------------- */

struct laws_entry {
	ap_id id;
	uint32_t n;             /* records */
	struct ap_buf body;     /* the frame's body */
};

struct laws_tape {
	struct laws_entry *entry;
	size_t n, cap;          /* entries there are; the last one may still be open */
	bool open;              /* the next record goes into the last entry */
	uint64_t next_ms;       /* id of the next entry */
};

struct laws_tape *laws_tape_new(void);
void laws_tape_free(struct laws_tape *t);
/* Appends a copy of the record to the entry at hand; starts a new one where needed. */
void laws_tape_add(struct laws_tape *t, const struct ap_rec *rec);
/* Ends the entry at hand. */
void laws_tape_cut(struct laws_tape *t);
/* Records in all entries. */
size_t laws_tape_recs(const struct laws_tape *t);

/* A market made of random walks: trades of several series, and beats. Everything follows from the seed. */
struct laws_walk {
	uint64_t seed;
	unsigned sources, symbols;      /* series = sources x symbols; at least 1 each */
	unsigned trades;                /* trades in all */
	unsigned entry_max;             /* records of an entry: 1 .. this */
	int64_t start_ms;               /* 0: 2024-03-01T00:00:00Z */
	unsigned step_ms_max;           /* from one trade to the next: 0 .. this */
	unsigned beat_ms;               /* beats of every source this often; 0: none */
	unsigned delay_ms_max;          /* a delayed trade is this much late, at most */
	unsigned delay_pct, dup_pct, noid_pct, uuid_pct;        /* of 100 trades */
	unsigned dead_pct;              /* chance at each beat that the source goes away or comes back */
	unsigned quote_pct;             /* of 100 trades: a quote of the series goes before it */
	unsigned gap_pct;               /* of 1,000 steps: one that is thousandfold */
	bool close;                     /* end with a close beat of every source */
};
/* The trades and beats as a stage reads them from `tick`. */
struct laws_tape *laws_walk_ticks(const struct laws_walk *w);
/* The same market as raw messages (NDJSON trades, format "trade"), beats between them. */
struct laws_tape *laws_walk_raws(const struct laws_walk *w);
/* One valid record of random kind and content; texts live in *mem, which the caller clears or frees. */
void laws_random_rec(struct laws_rng *r, struct ap_rec *rec, struct ap_buf *mem);
/* n records of all kinds, in entries of up to entry_max. */
struct laws_tape *laws_random_tape(uint64_t seed, size_t n, unsigned entry_max);

/* --- running ----------------------------------------------------------- */

/* Fields of a state hash. */
struct laws_map;
struct laws_map *laws_map_new(void);
void laws_map_free(struct laws_map *m);
void laws_map_put(struct laws_map *m, ap_str field, ap_str value);
void laws_map_del(struct laws_map *m, ap_str field);
size_t laws_map_n(const struct laws_map *m);
/* The field's value; p == NULL when there is none. */
ap_str laws_map_get(const struct laws_map *m, ap_str field);
/* Bytes of all fields and values. */
size_t laws_map_bytes(const struct laws_map *m);
/* Walking it: places 0 .. laws_map_slots - 1; false: nothing lies there. */
size_t laws_map_slots(const struct laws_map *m);
bool laws_map_slot(const struct laws_map *m, size_t i, ap_str *name, ap_str *value);

/* What a fold saves, kept in a map: pass &k.saver. */
struct laws_keep {
	struct ap_saver saver;
	struct laws_map *map;   /* laws_map_free it */
	unsigned puts, dels;
};
struct laws_keep laws_keep_new(void);

/* What a run left behind. */
struct laws_result {
	struct ap_buf stream[AP_S_N];   /* records as wire bytes, in order */
	struct ap_buf ends[AP_S_N];     /* where each ends: uint64_t */
	uint32_t n[AP_S_N];             /* how many */
	uint64_t verdict[AP_V_N];
	struct laws_map *state;         /* as the committed deltas left it */
	size_t state_bytes;             /* bytes of all deltas: what a commit would have carried */
};
void laws_result_done(struct laws_result *r);
/* The nth record of a stream; its texts live in the result, an indicator's values in *it. False: there are not so many. */
bool laws_result_rec(const struct laws_result *r, enum ap_stream s, uint32_t nth, struct ap_wire_iter *it, struct ap_rec *rec);

/*
 * Runs the tape undisturbed: a commit after each entry. Checks on the way that outputs stay within bound(), go to
 * declared streams and encode; and at the end that the deltas add up to a full save. False: why.
 */
bool laws_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, struct laws_result *out,
	      char why[LAWS_WHY]);
/* The output of one stream as the tape of the next stage, entry by entry. NULL: why. */
struct laws_tape *laws_through(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, enum ap_stream of,
			       char why[LAWS_WHY]);
/* The first difference of two runs as a sentence. True: there is none. */
bool laws_same(const struct laws_result *want, const struct laws_result *got, char why[LAWS_WHY]);

/* --- the laws ---------------------------------------------------------- */

struct laws_case {
	const struct ap_stage *stage;
	const struct ap_conf *conf;
	const struct laws_tape *tape;
	uint64_t seed;          /* of the random schedules */
};
/* Each returns true, or false with a sentence: law, schedule, stream, record. */
bool laws_crash_anywhere(const struct laws_case *c, char why[LAWS_WHY]);
bool laws_split_anywhere(const struct laws_case *c, char why[LAWS_WHY]);
bool laws_twice_is_once(const struct laws_case *c, char why[LAWS_WHY]);
bool laws_bounded(const struct laws_case *c, char why[LAWS_WHY]);
/* Runs a random tape of all kinds instead of the case's own. */
bool laws_total(const struct laws_case *c, char why[LAWS_WHY]);
bool laws_all(const struct laws_case *c, char why[LAWS_WHY]);

/*
 * The body of a fuzz target: the bytes choose a market, its disorder, a schedule of commits and crashes, and the law to
 * check. `walk` makes the stage's kind of tape. Aborts with the sentence when the law is broken.
 */
int laws_fuzz(const struct ap_stage *stage, struct laws_tape *(*walk)(const struct laws_walk *w), const uint8_t *data, size_t size);

#endif
