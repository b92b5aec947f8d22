/*
 * verify_ind.h - the default indicators computed again from candles, each by its textbook formula over the closes.
 *
 * Shares nothing with ap-indicators. Pure. Conventions are TA-Lib's: averages begin with the mean of their first values, RSI and
 * MACD as there, standard deviation of the population; nothing before the warm-up is over.
 */
#ifndef AP_VERIFY_IND_H
#define AP_VERIFY_IND_H

#include "../../common/core/base.h"

enum { VERIFY_IND_N = 12, VERIFY_IND_BARS = 200 };

/* name and params as they stand in technical_indicators (params: as jsonb prints them). */
struct verify_ind_name {
	const char *name, *params;
};
extern const struct verify_ind_name verify_ind_names[VERIFY_IND_N];

struct verify_ind {
	uint64_t n;                             /* closes so far */
	double close[VERIFY_IND_BARS];          /* of the last ones: number i at i % VERIFY_IND_BARS */
	double ema[2];                          /* 12, 26 */
	double gain, loss;                      /* RSI: smoothed, after 14 changes; before: sums */
	double fast, slow, signal;              /* MACD */
	double value[VERIFY_IND_N];
	bool there[VERIFY_IND_N];
};

void verify_ind_init(struct verify_ind *v);
/* The next candle's close; then value and there hold its values, in the order of the names. */
void verify_ind_add(struct verify_ind *v, double close);
/* Whether two values of indicator i are the same to 1e-9, relative to the greater or (where differences of prices may cancel) to 1e-3 of the price. */
bool verify_ind_same(size_t i, double expected, double stored, double close);

#endif
