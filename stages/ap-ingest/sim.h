/*
 * sim.h - a market to look at: seeded, bursty arrivals, heavy-tailed sizes, wandering prices.
 *
 * Arrivals excite further arrivals (a Hawkes process per symbol); sizes have a power-law tail; the price is a
 * function of the seed and of absolute time, so that a simulator started again goes on where the market would be by
 * now. Its volatility has quiet and wild hours. Doubles are used to invent numbers, never to carry them: what
 * comes out is a whole number of ticks and lots. No clock: the caller says what time it is.
 */
#ifndef AP_INGEST_SIM_H
#define AP_INGEST_SIM_H

#include "common/core/rec.h"

enum {
	AP_SIM_SYMBOLS = 64,
	AP_SIM_TEXT = 400,      /* bytes of a trade as a message */
};

struct ap_sim;

/*
 * symbols: names separated by commas, known ones (BTC-USDT ...) at their usual price, others at one drawn from their
 * name. rate: trades a second of all together, on average. NULL with a sentence in err.
 */
struct ap_sim *ap_sim_new(uint64_t seed, double rate, const char *symbols, ap_ts start, char *err, size_t errlen);
void ap_sim_free(struct ap_sim *s);
/* Sizes are so many times what they would be: a market of few trades then turns over as much as one of many. */
void ap_sim_enlarge(struct ap_sim *s, double times);
/* When the next trade happens. */
ap_ts ap_sim_when(const struct ap_sim *s);
/* That trade; source, raw_idx and so on are left empty, texts live until the next call. Moves on to the one after it. */
void ap_sim_next(struct ap_sim *s, struct ap_trade *out);
/*
 * The best bid and ask of that market at that time, numbered as the trade is; as above. Trades are the same whether it is asked for
 * or not.
 */
void ap_sim_quote(const struct ap_sim *s, struct ap_quote *out);
/* The quote as source "sim" sends it, as below. */
void ap_sim_quote_raw(const struct ap_quote *q, char text[AP_SIM_TEXT], struct ap_rec *out);
/* The trade as source "sim" sends it, received when it happened; out is made of views into t and text. */
void ap_sim_raw(const struct ap_trade *t, char text[AP_SIM_TEXT], struct ap_rec *out);

#endif
