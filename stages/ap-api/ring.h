/*
 * ring.h - the newest candles of one (source, symbol, timeframe), in order of their open time.
 *
 * Pure. Candles come in almost in order; a later one for the same interval replaces the earlier one by rule:
 * closed beats forming, a higher revision beats a lower one. Whatever the order of arrival, the ring ends up the same.
 */
#ifndef AP_API_RING_H
#define AP_API_RING_H

#include "../../common/core/rec.h"

/* Indicator values of one candle; the names are kept once, in api_names. */
struct api_val {
	uint16_t key;           /* index into api_names */
	double v;
};
struct api_vals {
	uint32_t revision;      /* of the candle they were computed from */
	uint16_t n;
	bool provisional;       /* of a forming candle */
	struct api_val v[];
};

struct api_bar {
	struct ap_candle c;     /* its texts belong to the series, not to the bar */
	struct api_vals *vals;  /* owned; NULL: none known */
};

struct api_ring {
	struct api_bar *bar;    /* bar[off] .. bar[off + n - 1], ascending by open_ms */
	uint32_t off, n, cap;
	uint32_t max;           /* most candles kept; >= 1 */
};

void api_ring_init(struct api_ring *r, uint32_t max);
void api_ring_done(struct api_ring *r);
/* Changes the bound; the oldest candles go when it shrinks. */
void api_ring_resize(struct api_ring *r, uint32_t max);
/*
 * Takes a candle. Returns false when it changes nothing: an older revision, a forming state of a closed candle, older
 * than everything in a full ring, or out of memory. The texts of c must outlive the ring.
 */
bool api_ring_put(struct api_ring *r, const struct ap_candle *c);
/* Attaches values to the candle that opens at open_ms; takes vals over in any case. False: no such candle, or stale values. */
bool api_ring_put_vals(struct api_ring *r, int64_t open_ms, struct api_vals *vals);
/* i-th oldest candle, i < r->n. */
static inline struct api_bar *api_ring_at(const struct api_ring *r, uint32_t i)
{
	return &r->bar[r->off + i];
}
/* The candle that opens at open_ms, or NULL. */
struct api_bar *api_ring_find(const struct api_ring *r, int64_t open_ms);
/* The newest candle, or NULL. */
struct api_bar *api_ring_last(const struct api_ring *r);

#endif
