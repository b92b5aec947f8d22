/*
 * lastq.h - what each series quoted last, so that the same quote sent again is told.
 *
 * Only the very last one, and only equal in everything: price, size, time and number. An unchanged quote with a newer time
 * is news (it still holds), and one from before the last is out of order, not a repeat.
 */
#ifndef AP_NORMALIZE_LASTQ_H
#define AP_NORMALIZE_LASTQ_H

#include "common/core/stage.h"

enum { LASTQ_SERIES = 65536 };          /* series of a partition that are remembered; repeats of further ones pass */

struct lastq;

/* NULL: no memory. Pair with lastq_free. */
struct lastq *lastq_new(void);
void lastq_free(struct lastq *l);
/* Whether the quote is its series' last one once more; if not, it is the last one from now on. */
bool lastq_again(struct lastq *l, const struct ap_quote *q);

/* State: a field "q/SOURCE/SYMBOL" a series, 16 bytes of hash. */
void lastq_save(struct lastq *l, struct ap_saver *to, bool all);
bool lastq_load(struct lastq *l, ap_str field, ap_str value);

#endif
