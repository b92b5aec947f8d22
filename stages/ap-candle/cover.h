/*
 * cover.h - when a source's connection was proven alive: a bounded set of disjoint spans of time.
 *
 * Knows no candles. Cost of one more span does not depend on how much time it covers.
 */
#ifndef AP_CANDLE_COVER_H
#define AP_CANDLE_COVER_H

#include "common/core/base.h"

enum { CANDLE_SPANS_MAX = 256 };

struct candle_span {
	int64_t from_ms, to_ms;         /* [from, to) */
};

struct candle_cover {
	struct candle_span *v;          /* ascending, disjoint, not touching */
	uint32_t n, cap;
};

void candle_cover_done(struct candle_cover *c);
/*
 * Adds [from, to). When the set is full the oldest span is forgotten: what is said about that time is then a lower bound.
 * False: out of memory.
 */
bool candle_cover_add(struct candle_cover *c, int64_t from_ms, int64_t to_ms);
/* Forgets what ended at or before this time. */
void candle_cover_forget(struct candle_cover *c, int64_t before_ms);
/* How much of [from, to) is covered. */
int64_t candle_cover_ms(const struct candle_cover *c, int64_t from_ms, int64_t to_ms);
/* The first covered instant at or after t; INT64_MAX: there is none. */
int64_t candle_cover_next(const struct candle_cover *c, int64_t t_ms);

#endif
