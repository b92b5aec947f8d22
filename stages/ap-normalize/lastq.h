/*
 * lastq.h - what each series quoted last, so that the same quote sent again is told.
 *
 * Only the very last one, and only equal in everything: price, size, time and number. An unchanged quote with a newer time
 * is news (it still holds), and one from before the last is out of order, not a repeat.
 */
#ifndef AP_NORMALIZE_LASTQ_H
#define AP_NORMALIZE_LASTQ_H

#include "sertab.h"

enum { LASTQ_SERIES = 65536 };          /* series of a partition that are remembered; repeats of further ones pass */

/* A table of last quotes (state: "q/SOURCE/SYMBOL", 16 bytes of hash). NULL: no memory. Pair with sertab_free. */
struct sertab *lastq_new(void);
/* Whether the quote is its series' last one once more; if not, it is the last one from now on. */
bool lastq_again(struct sertab *t, const struct ap_quote *q);

#endif
