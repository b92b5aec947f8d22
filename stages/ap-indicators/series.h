/*
 * series.h - one series' indicators with a short memory of candles, so that the past can be put right.
 *
 * Kept: the state before the oldest of the last 16 candles (the base), these candles, and the state after the newest
 * (the tip). Both states read one set of rings. A candle that is revised, or that appears late between others, is put
 * into its place and everything behind it is computed again from the base.
 *
 * Knows no records, no decimals, no names.
 */
#ifndef AP_IND_SERIES_H
#define AP_IND_SERIES_H

#include "stages/ap-indicators/ind.h"

struct ind_candle {
	struct ind_bar bar;
	uint32_t revision;
};

struct ind_series {
	const struct ind_set *set;
	uint32_t n;                             /* candles in the window */
	struct ind_candle window[IND_REWIND];   /* by time */
	uint8_t *ring, *base, *tip;             /* one allocation, behind ring */
};

/* What a call computed: the values of one candle. */
typedef void ind_emit(void *arg, const struct ind_candle *c, const double *val, const uint64_t *valid);

/* false: out of memory. Pair with ind_series_done. */
bool ind_series_init(struct ind_series *s, const struct ind_set *set);
void ind_series_done(struct ind_series *s);

enum ind_place {
	IND_NEXT,       /* behind all others */
	IND_AGAIN,      /* its place is taken: a revision */
	IND_BETWEEN,    /* before the newest, where there was none */
	IND_TOO_OLD     /* before the window: cannot be taken */
};
/* Where a candle that opens at open_ms belongs, and at which place of the window. */
enum ind_place ind_series_place(const struct ind_series *s, int64_t open_ms, uint32_t *at);

/* Takes the candle and tells its values and those of all candles behind it (up to IND_REWIND). val and valid: room for
 * ind_set_values and ind_set_bitmap. Returns false, with nothing done, when it is too old. */
bool ind_series_put(struct ind_series *s, const struct ind_candle *c, double *val, uint64_t *valid, ind_emit *emit,
		    void *arg);
/* The values as they would be if this candle came next; the series stays as it is. scratch: ind_set_core_size bytes. */
void ind_series_peek(const struct ind_series *s, const struct ind_bar *bar, void *scratch, double *val, uint64_t *valid);

/* The image: window, then the base's image. Fixed upper bound; ind_series_save returns the length, 0 if cap is too small. */
size_t ind_series_save_size(const struct ind_set *set);
size_t ind_series_save(const struct ind_series *s, uint8_t *p, size_t cap);
/*
 * Takes an image back into an initialised, empty series. An image whose base belongs to another set of indicators, or
 * to another version, still has its candles: the base then starts anew from them, and *restarted is set. false: damaged.
 */
bool ind_series_load(struct ind_series *s, const uint8_t *p, size_t len, bool *restarted);

#endif
