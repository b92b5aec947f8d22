/*
 * quote_bar.h - what an interval knows of its quotes, and how such knowledge adds up.
 *
 * Any order of the same quotes gives the same bytes: extremes and counts do not care; open, close and the weighting of the
 * spread go by (time, the venue's number), and only then by arrival. A mean that is weighted by time needs to know when each
 * spread began, so a small interval keeps its quotes as points, one per instant; when there would be more than `most` of
 * them, one per 1 ms, 2 ms, 4 ms ... of the interval: the last in each. The coarseness is the least that suffices, so it is
 * a function of the quotes too, and the bar tells it.
 *
 * The spread of a quote lasts from its time until the next quote, and after the last one to the interval's end; what came
 * before the interval is of no concern to it. So parts of neighbouring intervals join into the part of both, exactly.
 *
 * Knows no series, no clock, no saving.
 */
#ifndef AP_CANDLE_QUOTE_BAR_H
#define AP_CANDLE_QUOTE_BAR_H

#include "acc.h"

enum { QUOTE_LEVEL_MAX = 40 };          /* 2^39 ms is longer than any interval */
/* The close of an interval must be a time in ns too: quotes end 100 days before those do, in 2262. */
#define QUOTE_LAST_NS (INT64_MAX - INT64_C(100) * 86400000000000)

struct quote_key {
	int64_t ts_ns;
	uint64_t seq;
};

struct quote_point {
	struct quote_key key;
	ap_i128 spread;                 /* from here on; e18, >= 0 */
};

struct quote_px {
	ap_dec bid, ask;
};

/* A stretch of time under its spreads. */
struct quote_run {
	int64_t first_ns, last_ns;      /* of its first and last point */
	ap_i128 last_spread;
	ap_sum area;                    /* of the spread from first to last, e18 x ns */
};

/* One interval, or several that follow one another. Meaningless while n == 0. */
struct quote_part {
	uint64_t n, locked;             /* quotes; those with bid = ask */
	struct quote_px open, close;
	ap_dec bid_high, bid_low, ask_high, ask_low;
	ap_i128 sum_high, sum_low;      /* of bid + ask, which is twice the mid */
	ap_i128 spread_min, spread_max;
	struct quote_run run;
	uint32_t level;                 /* 0: every instant counted; r: the last of each 2^(r-1) ms */
};

/* A part that is still being taken in. */
struct quote_small {
	struct quote_part part;
	struct quote_key first, last;   /* of open and close */
	struct quote_point *v;          /* ascending by time */
	uint32_t n, cap;
};

void quote_small_done(struct quote_small *s);
/* Takes a quote (0 < bid <= ask) of an interval that begins at open_ms. At most `most` points are kept, most >= 1. */
void quote_small_take(struct quote_small *s, int64_t open_ms, uint32_t most, const struct ap_quote *q);
/* While loading: one more point behind the last; then quote_small_measure. False: it does not lie behind it. */
bool quote_small_point(struct quote_small *s, const struct quote_point *p);
/* Computes the run from the points. */
void quote_small_measure(struct quote_small *s);

/* *a and what follows it. */
void quote_part_join(struct quote_part *a, const struct quote_part *b);
/* Fills prices, spreads and counts. end_ms: the close of an interval that is over; INT64_MIN: it is still forming. */
void quote_part_tell(const struct quote_part *p, int64_t end_ms, struct ap_quotebar *out);

#endif
