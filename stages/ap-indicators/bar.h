/*
 * bar.h - one candle as the indicators, patterns and rules see it.
 *
 * Doubles on purpose: exact decimals end where a candle becomes the input of
 * a formula. Knows nothing of records, series or timeframes.
 */
#ifndef AP_INDICATORS_BAR_H
#define AP_INDICATORS_BAR_H

#include <stdint.h>

/* All values are finite; low <= open, close <= high. Sums without a source are 0. */
struct ind_bar {
	int64_t open_ms;        /* start of the interval, UTC, ms since 1970 */
	double o, h, l, c;      /* prices */
	double v, qv;           /* volume and quote volume (sum of price * quantity) */
	double n;               /* trades in the candle */
	double buy_v, sell_v;   /* volume by the taker's side, where it is known */
};

#endif
