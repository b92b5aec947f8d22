/*
 * screen.h - which prices are outliers: far from a series' level, and not confirmed by the next prints.
 *
 * The level is a price near the last accepted one; it moves only when prices have gone an eighth away from it, so an
 * ordinary market changes no state. A price beyond the band (a ratio, up and down alike) is an outlier; when `agree`
 * prints in a row lie together (within an eighth) outside it, the last of them is accepted and is the new level: a
 * market that has really moved is refused for a few prints, not for ever. Quantities are never judged: block trades
 * are real. Volatility is not estimated either; the band is for decimal-point errors, test orders and wrong units.
 */
#ifndef AP_NORMALIZE_SCREEN_H
#define AP_NORMALIZE_SCREEN_H

#include "common/core/stage.h"

enum {
	SCREEN_SERIES = 65536,  /* series of a partition that are watched; further ones pass unjudged */
	SCREEN_RATIO_MIN = 125, /* percent; below it the band would be narrower than the level is exact */
};

struct screen;

/*
 * ratio_pct: 1000 means that prices above ten times the level or below a tenth of it are outliers; 0: none ever is.
 * after: a series' first prices are accepted unjudged. agree: >= 2. NULL: no memory. Pair with screen_free.
 */
struct screen *screen_new(uint64_t ratio_pct, uint64_t after, uint64_t agree);
void screen_free(struct screen *s);
/* Judges a price > 0 and learns from it. False: an outlier; *level says what it was measured by. */
bool screen_take(struct screen *s, ap_str source, ap_str symbol, ap_dec price, ap_dec *level);

/* State: a field "o/SOURCE/SYMBOL" a series, written when its level, count or candidate changed. */
void screen_save(struct screen *s, struct ap_saver *to, bool all);
bool screen_load(struct screen *s, ap_str field, ap_str value);

#endif
