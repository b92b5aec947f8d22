/*
 * rebuild.h - what the parts of `apctl rebuild` share, and journals as `apctl verify` reads them too. Not for others.
 */
#ifndef AP_REBUILD_H
#define AP_REBUILD_H

#include "../../common/core/wire.h"
#include "../../common/io/journal.h"
#include "ctl.h"

/* --- rebuild_journal.c: all journals as one sequence, in the order in which things came in ----------------- */

/* Records that a journal had and has not: damage, a segment that is gone, an end that is torn off. */
struct journal_gap {
	uint64_t first, last;   /* their numbers; last < first: not known how many, or none */
	uint64_t bytes;         /* that stand in their place and hold no record */
	ap_ts before, after;    /* when the records around it came in; 0: there is none */
	bool torn;              /* the end: a record that was never finished, as far as anybody can tell */
};
enum { JOURNAL_GAPS = 1000 };   /* of one journal, and a torn end; more of them are counted and not kept */

struct source_dir {
	char path[1024];
	char producer[AP_JOURNAL_PRODUCER];
	char dataset[AP_JOURNAL_DATASET];
	struct ap_journal_reader *reader;
	uint64_t first;         /* the first number there is */
	uint64_t from;          /* numbers below it are passed over */
	uint64_t limit;         /* and those above it: not known to be on disk */
	bool live;              /* somebody writes it */
	bool has;               /* rec is the next one */
	struct ap_journal_rec rec;
	uint64_t records;       /* told so far, in this pass */
	uint64_t lost;          /* in all gaps met so far, in any pass; what is torn is not among them */
	struct journal_gap *gaps;
	size_t gaps_n, gaps_told;
	uint64_t gaps_end;      /* the first number behind the gaps met */
	bool torn;              /* one of them is a torn end */
	uint64_t last;          /* number of the record told last, in this pass */
	ap_ts last_at;
};

struct journals {
	struct source_dir *v;
	size_t n;
	uint64_t bytes;         /* of all segments */
	uint64_t done;          /* bytes of the records told */
	char err[400];
};

/* Where they are by configuration. */
const char *journals_root(const struct ctl *c, char *out, size_t cap);
/* Looks for journals below root: every directory with a segment. False with a sentence in err. A root that is not there has none. */
bool journals_find(struct journals *j, const char *root);
void journals_done(struct journals *j);
/* Starts a pass over them: from `from` of each. False with a sentence in err. */
bool journals_start(struct journals *j);
/* The record that came in first, and whose it is; NULL: all have been told, or err says what is wrong. */
struct source_dir *journals_next(struct journals *j);
/* Forgets it: the next one. */
bool journals_step(struct journals *j, struct source_dir *d);
/* "numbers 5 to 7 are missing (3 records), which came in between ... and ...", and the like. */
void journal_gap_text(const struct journal_gap *g, char *out, size_t cap);
/* Whether it does not begin with the data set: what was before has been deleted. */
static inline bool journal_cut(const struct source_dir *d)
{
	return d->first > 1;
}

/* --- rebuild_redis.c: the empty Redis made ready, and records into their partitions ------------------------- */

struct filler;

/* r and conf must outlive it. NULL: no memory. */
struct filler *filler_new(const struct ctl *c, redisContext *r, size_t producers);
void filler_free(struct filler *f);
/* What partitions have of a producer's records; `from` becomes the first number that one of them lacks. False: see filler_err. */
bool filler_marks(struct filler *f, size_t producer, const char *name, uint64_t *from);
/* Adds a record to those of its partitions that lack it. False: see filler_err. */
bool filler_put(struct filler *f, size_t producer, const struct ap_journal_rec *rec);
/* Sends what is gathered and waits until all of it is there. */
bool filler_flush(struct filler *f);
const char *filler_err(const struct filler *f);
/* Records that were appended, a beat counting once a partition; those that were there already; those that are none. */
struct filler_counts {
	uint64_t put, had, bad, frames;
};
const struct filler_counts *filler_counts(const struct filler *f);

/* Deletes what a data set has in Redis. Whoever still works on it is fenced before the first stream goes. */
bool rebuild_wipe(const struct ctl *c, redisContext *r);
/*
 * Functions, sequence numbers and cursors as PostgreSQL has them, then the identity with `rebuilding`. False: told.
 * journals: their producers' tags are written too. known: PostgreSQL is asked up to where each producer's messages are stored, so that the
 * sink need not make rows again that are there; not where rows may be missing.
 */
bool rebuild_prepare(const struct ctl *c, redisContext *r, PGconn *pg, const struct ctl_dataset *d, const struct journals *j, bool known);
/* Gives every partition the data set's id: the last step of rebuild_prepare, to be done again where that was cut off. */
bool rebuild_mark(const struct ctl *c, redisContext *r, const char *id);

#endif
