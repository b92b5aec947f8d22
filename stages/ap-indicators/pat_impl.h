/*
 * pat_impl.h - what pat.c and the pattern table share: the classes of a candle
 * and the view a pattern's own test has of the last five. Private to them.
 *
 * A class that compares with a mean carries the first candle of the mean's
 * running sum in its name (LONG_1: the sum began at candle 1). Which one a
 * pattern uses follows from its lookback: first = lookback - age - span.
 */
#ifndef AP_INDICATORS_PAT_IMPL_H
#define AP_INDICATORS_PAT_IMPL_H

#include <math.h>

#include "stages/ap-indicators/pat.h"

/*
 * X(name): one bit each. "Up" and "down" shadows are the upper and the lower one. Those that are
 * asked of older candles come first: the search keeps 32 bits of them.
 */
#define PAT_MARKS(X) \
	X(WHITE) X(BLACK)                       /* close >= open, close < open */ \
	X(LONG_0) X(LONG_1)                     /* body > mean body of 10 */ \
	X(SHORT_1) X(SHORT_2) X(SHORT_3)        /* body < the same mean */ \
	X(SMALL_1)                              /* body <= it */ \
	X(DOJI_0) X(DOJI_1)                     /* body <= 0.1 mean range of 10 */ \
	X(UP_NONE_0) X(UP_NONE_1)               /* upper shadow < 0.1 mean range */ \
	X(DOWN_NONE_0) X(DOWN_NONE_1) X(DOWN_NONE_2) \
	X(UP_SEEN_2) X(UP_SEEN_3)               /* upper shadow > 0.1 mean range */ \
	X(DOWN_SEEN_1) \
	X(UP_SHORT_0)                           /* shadow < half the mean sum of both shadows */ \
	X(DOWN_LONG)                            /* shadow > body */ \
	/* against the candle before */ \
	X(SAME) X(FLIP)                         /* colour: same, other */ \
	X(BODY_GAP_UP) X(BODY_GAP_DOWN) X(BODY_GAP) /* between bodies; BODY_GAP: either */ \
	X(GAP_ON)                               /* body gap in the direction of the one before */ \
	X(BODY_INSIDE) X(COVERS)                /* body strictly inside the other's; covers it so */ \
	X(CLOSE_UP) X(CLOSE_DOWN)               /* higher close, lower close */ \
	X(CLOSE_ON)                             /* a close further in the other's direction */ \
	PAT_MARKS_OF_NEWEST(X)

#define PAT_MARKS_OF_NEWEST(X) \
	X(LONG_2) X(LONG_4) X(SHORT_0) \
	X(UP_NONE_2) X(DOWN_NONE_3) X(UP_SEEN_0) X(DOWN_SEEN_0) \
	X(OPEN_NONE_0) X(OPEN_NONE_1)           /* the shadow at the open's side is none */ \
	X(CLOSE_NONE_0)                         /* the shadow at the close's side is none */ \
	X(DOWN_SHORT_0) \
	X(UP_MORE_1) X(UP_MORE_2)               /* upper shadow > half the mean sum */ \
	X(UP_LONG) X(LEGS)                      /* LEGS: either shadow > body */ \
	X(UP_VERY_LONG) X(DOWN_VERY_LONG)       /* shadow > 2 bodies */ \
	X(LEAP)                                 /* whole-candle gap against the one before */ \
	X(BODY_IN) X(BODY_OUT)                  /* as BODY_INSIDE, COVERS; edges may be shared */ \
	X(INSIDE)                               /* lower high and higher low */ \
	X(ABOVE) X(BELOW)                       /* both higher, both lower */ \
	X(OPEN_UNDER) X(OPEN_OVER)              /* open under its low, over its high */

#define PAT_MARK_BIT(name) PAT_BIT_##name,
enum pat_bit { PAT_MARKS(PAT_MARK_BIT) PAT_BIT_N };
#undef PAT_MARK_BIT
_Static_assert(PAT_BIT_N <= 64, "the classes of a candle fill one word");

#define M(name) (UINT64_C(1) << PAT_BIT_##name)

/* The running sums of near[]: which candle each begins at. */
enum { NEAR_0, NEAR_1, NEAR_5, NEAR_6, NEAR_SPAN = 5 };

/* The last candles, z the newest, v the one four before it. */
struct pat_look {
	const struct pat_cell *z, *y, *x, *w, *v;
};

/* Written so that they compile to min, max and abs: a colour is a coin that no branch predicts. */
static inline double pat_top(const struct pat_cell *k)
{
	return k->c > k->o ? k->c : k->o;
}

static inline double pat_bottom(const struct pat_cell *k)
{
	return k->c < k->o ? k->c : k->o;
}

static inline double pat_body(const struct pat_cell *k)
{
	return fabs(k->c - k->o);
}

/* +1 white, -1 black. */
static inline int pat_colour(const struct pat_cell *k)
{
	return k->c >= k->o ? 1 : -1;
}

/* The mean range of the five candles before this one; divided only when asked for. */
static inline double pat_near(const struct pat_cell *k, int first)
{
	return k->near[first] / NEAR_SPAN;
}

/* The value when the classes say it all, and when more() does not. */
enum pat_sign {
	SIGN_UP, SIGN_DOWN,      /* +100, -100 */
	SIGN_COLOUR,             /* the newest candle's colour */
	SIGN_FOLLOW, SIGN_AGAINST, /* the colour of the one before; the other */
	SIGN_N
};

struct pat_rule {
	struct pat_info info;
	uint8_t sign;
	int (*more)(const struct pat_look *);   /* the value, 0: not the pattern after all; or NULL */
};

/* Indexed by enum pat_id. */
extern const struct pat_rule pat_rules[PAT_N];

#endif
