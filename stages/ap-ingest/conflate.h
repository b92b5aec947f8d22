/*
 * conflate.h - while there is more than can be carried, of each series' quotes the newest one waits here, and stands for all before it.
 *
 * A quote holds until the next one, so the newest says what the market is; how it came there is lost, and counted. Bytes in,
 * bytes out: what a message says is its caller's business. A fixed number of series, no allocation after ap_conflate_new, no clock.
 */
#ifndef AP_INGEST_CONFLATE_H
#define AP_INGEST_CONFLATE_H

#include "common/core/symbol.h"

enum {
	AP_CONFLATE_SERIES = 1024,      /* that can wait; quotes of further ones are not taken */
	AP_CONFLATE_BYTES = 512,        /* of a message; longer ones are not taken */
};

struct ap_conflate;

struct ap_conflated {
	ap_str source, symbol;
	ap_str msg;
	ap_ts ts;               /* of the quote itself */
	ap_ts recv;
};

/* NULL: no memory. Pair with ap_conflate_free. */
struct ap_conflate *ap_conflate_new(void);
void ap_conflate_free(struct ap_conflate *c);
/*
 * Takes a quote; of it and the one of its series that waits the newer stays: by its own time, of equal times the one that came later.
 * Texts are copied. False: it was not taken, and has to go its way.
 */
bool ap_conflate_put(struct ap_conflate *c, const struct ap_conflated *q);
/* Gives out what waits, in the order in which the series came. Texts live until the next put. False: nothing is left. */
bool ap_conflate_take(struct ap_conflate *c, struct ap_conflated *out);
/* Series that wait. */
size_t ap_conflate_waiting(const struct ap_conflate *c);
/* Quotes that were dropped for a newer one, in all. */
uint64_t ap_conflate_dropped(const struct ap_conflate *c);

#endif
