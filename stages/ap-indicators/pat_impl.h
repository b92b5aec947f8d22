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
 * X(name): one bit each in the needs of a pattern. "Up" and "down" shadows are the upper and the
 * lower one.
 */
#define PAT_MARKS(X) \
	X(WHITE) X(BLACK)                       /* close >= open, close < open */ \
	X(LONG_0) X(LONG_1) X(LONG_2) X(LONG_4) /* body > mean body of 10 */ \
	X(SHORT_0) X(SHORT_1) X(SHORT_2) X(SHORT_3) /* body < the same mean */ \
	X(SMALL_1)                              /* body <= it */ \
	X(DOJI_0) X(DOJI_1)                     /* body <= 0.1 mean range of 10 */ \
	X(UP_NONE_0) X(UP_NONE_1) X(UP_NONE_2)  /* upper shadow < 0.1 mean range */ \
	X(DOWN_NONE_0) X(DOWN_NONE_1) X(DOWN_NONE_2) X(DOWN_NONE_3) \
	X(UP_SEEN_0) X(UP_SEEN_2) X(UP_SEEN_3)  /* upper shadow > 0.1 mean range */ \
	X(DOWN_SEEN_0) X(DOWN_SEEN_1) \
	X(OPEN_NONE_0) X(OPEN_NONE_1)           /* the shadow at the open's side is none */ \
	X(CLOSE_NONE_0)                         /* the shadow at the close's side is none */ \
	X(UP_SHORT_0) X(DOWN_SHORT_0)           /* shadow < half the mean sum of both shadows */ \
	X(UP_LONG) X(DOWN_LONG) X(LEGS)         /* shadow > body; LEGS: either */ \
	X(UP_VERY_LONG) X(DOWN_VERY_LONG)       /* shadow > 2 bodies */ \
	X(DOJI_AGAIN)                           /* a doji by the last candle's DOJI_0 */ \
	X(MIDDLE)                               /* body at the middle of the range, within PAT_NEAR_PART of a mean one */ \
	/* against the candle before */ \
	X(SAME) X(FLIP)                         /* colour: same, other */ \
	X(BODY_GAP_UP) X(BODY_GAP_DOWN) X(BODY_GAP) /* between bodies; BODY_GAP: either */ \
	X(GAP_ON)                               /* body gap in the direction of the one before */ \
	X(LEAP) X(AWAY)                         /* whole-candle gap against the one before; either way */ \
	X(BODY_INSIDE) X(COVERS)                /* body strictly inside the other's; covers it so */ \
	X(BODY_IN) X(BODY_OUT)                  /* the same, but edges may be shared; of BODY_OUT only one */ \
	X(SHIFTED)                              /* body's one edge inside the other's, one outside */ \
	X(BOTTOM_UP) X(TOP_DOWN)                /* body's lower edge higher, upper edge lower */ \
	X(CLOSE_UP) X(CLOSE_DOWN)               /* higher close, lower close */ \
	X(CLOSE_ON) X(OPEN_ON)                  /* a close, an open beyond its close in its direction */ \
	X(OPEN_UNDER) X(OPEN_OVER)              /* open under its low, over its high */ \
	X(OPEN_INSIDE)                          /* open strictly inside its body */ \
	X(LOW_OVER)                             /* low over its close */ \
	X(INSIDE)                               /* lower high and higher low */ \
	X(MOVED)                                /* both higher or both lower */ \
	/* the same, by the mean range of the five candles before that one */ \
	X(CLOSE_EQUAL_0) X(CLOSE_EQUAL_5)       /* closes at its close, within PAT_EQUAL_PART of the mean */ \
	X(OPEN_EQUAL_1) X(OPEN_EQUAL_5)         /* opens at its open, likewise */ \
	X(AT_LOW) X(AT_HIGH)                    /* body at or under its low, at or over its high, within PAT_NEAR_PART */

#define PAT_MARK_BIT(name) PAT_BIT_##name,
enum pat_bit { PAT_MARKS(PAT_MARK_BIT) PAT_BIT_N };
#undef PAT_MARK_BIT
/* What a pattern needs of a candle; it is gone when the program is compiled. */
__extension__ typedef unsigned __int128 pat_needs;

_Static_assert(PAT_BIT_N <= 128, "the needs of a candle are one word");

#define M(name) ((pat_needs)1 << PAT_BIT_##name)

/* How much of a mean range is "near" and "equal". */
#define PAT_NEAR_PART 0.2
#define PAT_EQUAL_PART 0.05

/* The means of near[]: which candle the sum of each begins at. */
enum { NEAR_0, NEAR_1, NEAR_5, NEAR_6, NEAR_SPAN = 5 };

/* The last candles, z the newest, v the one four before it. */
struct pat_look {
	const struct pat_cell *z, *y, *x, *w, *v;
	double half_2;           /* of z: half the mean sum of both shadows (sum from candle 2) */
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

/* The mean range of the five candles before this one. */
static inline double pat_near(const struct pat_cell *k, int first)
{
	return k->near[first];
}

struct pat_rule {
	struct pat_info info;
	int (*more)(const struct pat_look *);   /* the value, 0: not the pattern after all; NULL if the classes say all */
};

/* Indexed by enum pat_id. */
extern const struct pat_rule pat_rules[PAT_N];

#endif
