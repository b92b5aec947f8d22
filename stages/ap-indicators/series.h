/*
 * series.h - one series with a short memory of candles, so that the past can be put right.
 *
 * Kept: the state before the oldest of the last 16 candles (the base), these candles, and the state after the newest
 * (the tip). Both states read one set of rings. A candle that is revised, or that appears late between others, is put
 * into its place and everything behind it is computed again. What the old candles had given is computed once more from the
 * base first, so that what no longer holds can be withdrawn; nothing of it is kept.
 *
 * Knows no records, no decimals, no names.
 */
#ifndef AP_IND_SERIES_H
#define AP_IND_SERIES_H

#include "stages/ap-indicators/engine.h"

struct ind_series {
	const struct engine *engine;
	uint32_t n;                             /* candles in the window */
	bool begun;                             /* the base has taken candles */
	bool filling;                           /* past candles go into the window */
	struct ind_candle window[IND_REWIND];   /* by time */
	uint8_t *ring, *base, *tip;             /* one allocation, behind ring */
};

/* What a candle had given before its values were computed again. */
struct ind_was {
	int16_t pat[PAT_N];
	uint64_t fired;         /* bit: rule */
};

struct ind_end {                /* an outcome that had been told */
	int64_t signal_ms;
	uint32_t revision;
	uint16_t rule;
	bool stands;            /* it was told again */
};

enum { IND_ENDS_MAX = OUTCOME_OPEN_MAX + IND_REWIND * RULE_MAX };

/* Scratch memory, for any number of series. */
struct ind_work {
	struct engine_now now;
	struct ind_was was[IND_REWIND];
	struct ind_end end[IND_ENDS_MAX];
	uint32_t n_ends;
	size_t val_cap, valid_cap, core_cap;
	void *core;             /* room for a core */
};

/* Makes the scratch suit this engine too; begin with zeros. False: out of memory. Pair with ind_work_done. */
bool ind_work_fit(struct ind_work *w, const struct engine *e);
void ind_work_done(struct ind_work *w);

/* What a call computed. */
struct ind_tell {
	/* One candle. was: what it had given before; NULL: it is the newest, and new. */
	void (*candle)(struct ind_tell *t, const struct ind_candle *c, const struct engine_now *now,
		       const struct ind_was *was);
	/* Once for every outcome that had been told and is no longer. May be NULL. */
	void (*withdrawn)(struct ind_tell *t, const struct ind_end *e);
};

/* false: out of memory. Pair with ind_series_done. */
bool ind_series_init(struct ind_series *s, const struct engine *e);
void ind_series_done(struct ind_series *s);

enum ind_place {
	IND_NEXT,       /* behind all others */
	IND_AGAIN,      /* its place is taken: a revision */
	IND_BETWEEN,    /* before the newest, where there was none */
	IND_TOO_OLD     /* before the window: cannot be taken */
};
/* Where a candle that opens at open_ms belongs, and at which place of the window. */
enum ind_place ind_series_place(const struct ind_series *s, int64_t open_ms, uint32_t *at);

/* Takes the candle and tells what it gave, and what all candles behind it give now (up to IND_REWIND). Returns false,
 * with nothing done, when it is too old. */
bool ind_series_put(struct ind_series *s, const struct ind_candle *c, struct ind_work *w, struct ind_tell *tell);
/*
 * Begins anew from candles before the window, by time: begin, every candle, end. What was computed before is forgotten, the
 * window stays; an empty one is filled with the last of them. Nothing is told.
 */
void ind_series_past_begin(struct ind_series *s);
void ind_series_past(struct ind_series *s, const struct ind_candle *c, struct ind_work *w);
void ind_series_past_end(struct ind_series *s, struct ind_work *w);
/* w->now as it would be if this candle came next; the series stays as it is. */
void ind_series_peek(const struct ind_series *s, const struct ind_candle *c, struct ind_work *w);

/* The image: window, then the base's image. Fixed upper bound; ind_series_save returns the length, 0 if cap is too small. */
size_t ind_series_save_size(const struct engine *e);
size_t ind_series_save(const struct ind_series *s, uint8_t *p, size_t cap);
/* Is the image of this version? What else may be wrong with it ind_series_load says. */
bool ind_series_known(const uint8_t *p, size_t len);
/*
 * Takes an image back into an initialised, empty series. What belongs to another set of indicators or rules, or to another
 * version, still has its candles: that part of the base then starts anew from them, and *restarted is set. false: damaged.
 */
bool ind_series_load(struct ind_series *s, const uint8_t *p, size_t len, struct ind_work *w, bool *restarted);

#endif
