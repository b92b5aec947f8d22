/*
 * pat.h - the 61 candlestick patterns of TA-Lib 0.6.4, one candle at a time.
 *
 * Pure: no I/O, no clock, no allocation. Knows candles and nothing of series,
 * timeframes, revisions or what a pattern is worth.
 *
 * Values are TA-Lib's: 0 no pattern, +100 bullish, -100 bearish; +-80 where
 * engulfing and harami share one body edge; +-200 where a hikkake is confirmed.
 * Settings are its defaults (candle settings and penetrations). "Long", "short"
 * and the like compare a candle with the mean of the 10 (or 5) candles before
 * it. TA-Lib keeps these means as running sums that begin at each pattern's own
 * first candle, and so do we, in the same order of additions: a comparison that
 * hangs on the last bit, and a sum that once held a huge range, fall the same
 * way. The price is that a value depends, in the last bit, on where the stream
 * began; that is why the sums are part of the saved image.
 */
#ifndef AP_INDICATORS_PAT_H
#define AP_INDICATORS_PAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/ap-indicators/bar.h"

/* Ordered by the number of candles a pattern looks at; names outside, never these numbers, are stable. */
enum pat_id {
	/* one candle */
	PAT_DOJI, PAT_DRAGONFLYDOJI, PAT_GRAVESTONEDOJI, PAT_LONGLEGGEDDOJI, PAT_RICKSHAWMAN,
	PAT_TAKURI, PAT_HIGHWAVE, PAT_SPINNINGTOP, PAT_SHORTLINE, PAT_LONGLINE, PAT_MARUBOZU,
	PAT_CLOSINGMARUBOZU, PAT_BELTHOLD,
	/* two */
	PAT_HAMMER, PAT_HANGINGMAN, PAT_INVERTEDHAMMER, PAT_SHOOTINGSTAR, PAT_COUNTERATTACK,
	PAT_DARKCLOUDCOVER, PAT_DOJISTAR, PAT_ENGULFING, PAT_HARAMI, PAT_HARAMICROSS,
	PAT_HOMINGPIGEON, PAT_INNECK, PAT_ONNECK, PAT_THRUSTING, PAT_PIERCING, PAT_KICKING,
	PAT_KICKINGBYLENGTH, PAT_MATCHINGLOW, PAT_SEPARATINGLINES,
	/* three */
	PAT_2CROWS, PAT_3INSIDE, PAT_3OUTSIDE, PAT_3STARSINSOUTH, PAT_3WHITESOLDIERS,
	PAT_ABANDONEDBABY, PAT_ADVANCEBLOCK, PAT_EVENINGDOJISTAR, PAT_EVENINGSTAR,
	PAT_GAPSIDESIDEWHITE, PAT_IDENTICAL3CROWS, PAT_MORNINGDOJISTAR, PAT_MORNINGSTAR,
	PAT_STALLEDPATTERN, PAT_STICKSANDWICH, PAT_TASUKIGAP, PAT_TRISTAR, PAT_UNIQUE3RIVER,
	PAT_UPSIDEGAP2CROWS, PAT_XSIDEGAP3METHODS,
	/* four */
	PAT_3BLACKCROWS, PAT_3LINESTRIKE, PAT_CONCEALBABYSWALL,
	/* five */
	PAT_BREAKAWAY, PAT_LADDERBOTTOM, PAT_MATHOLD, PAT_RISEFALL3METHODS,
	/* with a memory: a trap, and its confirmation up to three candles later */
	PAT_HIKKAKE, PAT_HIKKAKEMOD,
	PAT_N
};

enum pat_sense { PAT_BULL = 1, PAT_BEAR = 2, PAT_BOTH = 3 };

struct pat_info {
	const char *ta_name;     /* "CDLENGULFING" */
	const char *name;        /* "engulfing": [a-z0-9_]+, the name in rules, records and documents */
	uint8_t lookback;        /* candles before the first value, as TA-Lib counts them */
	uint8_t candles;         /* candles the figure itself covers */
	uint8_t sense;           /* signs it can have, enum pat_sense */
	const char *text;        /* what it looks like, one sentence */
};

/* --- the state: flat, no pointers, may be copied with memcpy ------------------------------------ */

enum {
	PAT_SPAN = 10,           /* candles of the longest mean */
	PAT_CELLS = 5,           /* candles a pattern looks at */
	PAT_OLDER = PAT_CELLS - 1
};

/* The running sums: body and both shadows over 10 candles, high-low over 10 and over 5. */
enum {
	PAT_BODY = 0,            /* begin at candle 0, 1, 2, 3, 4 */
	PAT_SHADOWS = 5,         /* 0, 1, 2 */
	PAT_RANGE = 8,           /* 0, 1, 2, 3 */
	PAT_NEAR = 12,           /* 0, 1, 5, 6; of 5 candles */
	PAT_NEAR_SUMS = 4,
	PAT_SUMS = PAT_NEAR + PAT_NEAR_SUMS
};

struct pat_span {            /* what the means are made of */
	double body, range, shadows;
};

struct pat_cell {            /* a candle, with what was known of it when it closed */
	double o, h, l, c;
	double near[PAT_NEAR_SUMS]; /* mean high-low of the 5 candles before it */
	double doji;             /* a body up to this is a doji (sum from candle 0) */
	double half_1;           /* half the mean sum of both shadows (sum from candle 1) */
};

struct pat_traps {           /* of the two hikkakes; closes that confirm them, out of reach where no trap is open */
	double over[2], under[2];
	uint64_t until[2];       /* number (n) of the last candle that may confirm */
};

struct pat_state {
	uint64_t n;              /* candles taken */
	uint64_t older[PAT_OLDER];       /* [i]: patterns whose classes the last candle has as number i + 1 back from
	                                    the newest, and those before it as the ones before; bits private to pat.c */
	struct pat_traps traps;
	double sum[PAT_SUMS];
	struct pat_span span[PAT_SPAN];  /* slot n % PAT_SPAN */
	struct pat_cell cell[PAT_CELLS]; /* slot n % PAT_CELLS; the next to be taken has the range of 5 candles before */
};

/* Starts a stream: no candle seen. */
void pat_init(struct pat_state *s);

/*
 * Takes the next candle and writes the value of every pattern to out[enum pat_id]; a pattern that
 * is not warm yet has 0 (see pat_warm). To look at a forming candle, update a copy of the state.
 * The bar's prices must be finite; O(1), no worst case beyond the usual one.
 */
void pat_update(struct pat_state *s, const struct ind_bar *bar, int16_t out[PAT_N]);

/* The pattern's row. id < PAT_N. */
const struct pat_info *pat_get(enum pat_id id);

/* Looks a pattern up by either of its names; PAT_N if there is none. */
enum pat_id pat_find(const char *name);

/* Candles needed for the first value of one pattern (its lookback + 1), and of all of them. */
unsigned pat_warmup(enum pat_id id);
unsigned pat_warmup_all(void);

/* Whether the last update's value of this pattern was a value (true) or a mere 0 of the warm-up. */
bool pat_warm(const struct pat_state *s, enum pat_id id);

/*
 * The portable image: little-endian, fixed size, XXH64 at its end. Holds the sums, the last 10
 * spans, the last 4 candles, what is left of the patterns that end with the next ones, and the two
 * traps: all that later values depend on.
 *
 *   0  "APP1"      4  version u16, 0 u16       8  n u64
 *  16  16 sums f64                            144  10 x (body, range, shadows) f64, slot order
 * 384  4 x (o h l c, near x4, doji, half_1) f64, newest first
 * 704  4 x older u64                          736  2 x (level f64, +-100 i32, candles left i32)
 * 768  XXH64 of all before
 */
enum { PAT_IMAGE_SIZE = 776, PAT_IMAGE_VERSION = 2 };

void pat_save(const struct pat_state *s, uint8_t image[PAT_IMAGE_SIZE]);

/* false: not an image of this version, or damaged; the state is then untouched. */
bool pat_load(struct pat_state *s, const uint8_t *image, size_t size);

#endif
