/*
 * test_pat_plain.c - every pattern against its rule written out plainly, on a million candles.
 *
 * The detector asks each candle a set of questions once and looks only at the
 * patterns that no answer refuses. Here each of the 61 rules is evaluated by
 * itself on every candle: no classes, no tables, nothing shared but the candles
 * and the lookbacks, which say where the running sum of a mean begins. So a
 * pattern that is refused although its rule accepts it, or found although it
 * does not, is seen on tapes that hardly resemble a market: ties, gaps, dojis,
 * flat stretches, outliers that leave rounding behind in every sum.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ap-indicators/pat.h"

enum { BARS = 20000, TAPES = 55 };

/* --- the rules, in the words of TA-Lib's settings ------------------------------------------------- */

enum kind { K_BODY, K_RANGE, K_SHADOWS, K_NEAR, KINDS };
enum { FIRSTS = 7 };         /* a sum begins at candle 0 to 6 */

static const unsigned span_of[KINDS] = { 10, 10, 10, 5 };

static struct ind_bar bars[BARS];
static double total[KINDS][FIRSTS][BARS + 1];   /* of the candles before; while it is not full, of no use */

/* The newest candle of a figure and the lookback of the pattern; k counts back from it. */
struct at {
	size_t i;
	unsigned lookback;
};

#define O(k) (bars[t->i - (k)].o)
#define H(k) (bars[t->i - (k)].h)
#define L(k) (bars[t->i - (k)].l)
#define C(k) (bars[t->i - (k)].c)
#define TOP(k) fmax(O(k), C(k))
#define BOTTOM(k) fmin(O(k), C(k))
#define BODY(k) fabs(C(k) - O(k))
#define UP(k) (H(k) - TOP(k))
#define DOWN(k) (BOTTOM(k) - L(k))
#define WHITE(k) (C(k) >= O(k))
#define BLACK(k) (C(k) < O(k))
#define COLOUR(k) (WHITE(k) ? 1 : -1)
#define GAP_UP(k, of) (BOTTOM(k) > TOP(of))
#define GAP_DOWN(k, of) (TOP(k) < BOTTOM(of))

static double mean(const struct at *t, enum kind kind, unsigned k)
{
	const unsigned first = t->lookback - k - span_of[kind];

	assert_true(first < FIRSTS);
	return total[kind][first][t->i - k] / span_of[kind];
}

#define LONG(k) (BODY(k) > mean(t, K_BODY, k))
#define SHORT(k) (BODY(k) < mean(t, K_BODY, k))
#define NONE(shadow, k) ((shadow) < 0.1 * mean(t, K_RANGE, k))
#define DOJI(k) (BODY(k) <= 0.1 * mean(t, K_RANGE, k))
#define SHORT_SHADOW(shadow, k) ((shadow) < mean(t, K_SHADOWS, k) / 2.0)
#define NEAR(k) (0.2 * mean(t, K_NEAR, k))
#define FAR(k) (0.6 * mean(t, K_NEAR, k))
#define EQUAL(k) (0.05 * mean(t, K_NEAR, k))
#define WITHIN(p, ref, band) ((p) <= (ref) + (band) && (p) >= (ref) - (band))

#define RULE(name) static int name(const struct at *t)
#define GIVES(value, condition) { return (condition) ? (value) : 0; }

RULE(doji) GIVES(100, DOJI(0))
RULE(dragonfly) GIVES(100, DOJI(0) && NONE(UP(0), 0) && DOWN(0) > 0.1 * mean(t, K_RANGE, 0))
RULE(gravestone) GIVES(100, DOJI(0) && NONE(DOWN(0), 0) && UP(0) > 0.1 * mean(t, K_RANGE, 0))
RULE(long_legged) GIVES(100, DOJI(0) && (UP(0) > BODY(0) || DOWN(0) > BODY(0)))
RULE(rickshaw) GIVES(100, DOJI(0) && UP(0) > BODY(0) && DOWN(0) > BODY(0) &&
	BOTTOM(0) <= L(0) + (H(0) - L(0)) / 2 + NEAR(0) && TOP(0) >= L(0) + (H(0) - L(0)) / 2 - NEAR(0))
RULE(takuri) GIVES(100, DOJI(0) && NONE(UP(0), 0) && DOWN(0) > 2 * BODY(0))
RULE(high_wave) GIVES(100 * COLOUR(0), SHORT(0) && UP(0) > 2 * BODY(0) && DOWN(0) > 2 * BODY(0))
RULE(spinning_top) GIVES(100 * COLOUR(0), SHORT(0) && UP(0) > BODY(0) && DOWN(0) > BODY(0))
RULE(short_line) GIVES(100 * COLOUR(0), SHORT(0) && SHORT_SHADOW(UP(0), 0) && SHORT_SHADOW(DOWN(0), 0))
RULE(long_line) GIVES(100 * COLOUR(0), LONG(0) && SHORT_SHADOW(UP(0), 0) && SHORT_SHADOW(DOWN(0), 0))
RULE(marubozu) GIVES(100 * COLOUR(0), LONG(0) && NONE(UP(0), 0) && NONE(DOWN(0), 0))
RULE(closing_marubozu) GIVES(100 * COLOUR(0), LONG(0) && (WHITE(0) ? NONE(UP(0), 0) : NONE(DOWN(0), 0)))
RULE(belt_hold) GIVES(100 * COLOUR(0), LONG(0) && (WHITE(0) ? NONE(DOWN(0), 0) : NONE(UP(0), 0)))

RULE(hammer) GIVES(100, SHORT(0) && DOWN(0) > BODY(0) && NONE(UP(0), 0) && BOTTOM(0) <= L(1) + NEAR(1))
RULE(hanging_man) GIVES(-100, SHORT(0) && DOWN(0) > BODY(0) && NONE(UP(0), 0) && BOTTOM(0) >= H(1) - NEAR(1))
RULE(inverted_hammer) GIVES(100, SHORT(0) && UP(0) > BODY(0) && NONE(DOWN(0), 0) && GAP_DOWN(0, 1))
RULE(shooting_star) GIVES(-100, SHORT(0) && UP(0) > BODY(0) && NONE(DOWN(0), 0) && GAP_UP(0, 1))
RULE(counterattack) GIVES(100 * COLOUR(0), COLOUR(0) != COLOUR(1) && LONG(1) && LONG(0) && WITHIN(C(0), C(1), EQUAL(1)))
RULE(dark_cloud) GIVES(-100, WHITE(1) && LONG(1) && BLACK(0) && O(0) > H(1) && C(0) > O(1) && C(0) < C(1) - BODY(1) * 0.5)
RULE(doji_star) GIVES(-100 * COLOUR(1), LONG(1) && DOJI(0) && (WHITE(1) ? GAP_UP(0, 1) : GAP_DOWN(0, 1)))

RULE(engulfing)
{
	if (COLOUR(0) == COLOUR(1) || TOP(0) < TOP(1) || BOTTOM(0) > BOTTOM(1) || (TOP(0) == TOP(1) && BOTTOM(0) == BOTTOM(1)))
		return 0;
	return COLOUR(0) * (TOP(0) > TOP(1) && BOTTOM(0) < BOTTOM(1) ? 100 : 80);
}

static int inside_long(const struct at *t)
{
	if (!LONG(1) || TOP(0) > TOP(1) || BOTTOM(0) < BOTTOM(1))
		return 0;
	return -COLOUR(1) * (TOP(0) < TOP(1) && BOTTOM(0) > BOTTOM(1) ? 100 : 80);
}

RULE(harami) GIVES(inside_long(t), BODY(0) <= mean(t, K_BODY, 0))
RULE(harami_cross) GIVES(inside_long(t), DOJI(0))
RULE(homing_pigeon) GIVES(100, BLACK(1) && BLACK(0) && LONG(1) && BODY(0) <= mean(t, K_BODY, 0) && O(0) < O(1) && C(0) > C(1))
RULE(in_neck) GIVES(-100, BLACK(1) && LONG(1) && WHITE(0) && O(0) < L(1) && C(0) <= C(1) + EQUAL(1) && C(0) >= C(1))
RULE(on_neck) GIVES(-100, BLACK(1) && LONG(1) && WHITE(0) && O(0) < L(1) && WITHIN(C(0), L(1), EQUAL(1)))
RULE(thrusting) GIVES(-100, BLACK(1) && LONG(1) && WHITE(0) && O(0) < L(1) && C(0) > C(1) + EQUAL(1) && C(0) <= C(1) + BODY(1) * 0.5)
RULE(piercing) GIVES(100, BLACK(1) && LONG(1) && WHITE(0) && LONG(0) && O(0) < L(1) && C(0) < O(1) && C(0) > C(1) + BODY(1) * 0.5)

static bool kicks(const struct at *t)
{
	return COLOUR(0) != COLOUR(1) && LONG(1) && NONE(UP(1), 1) && NONE(DOWN(1), 1) && LONG(0) && NONE(UP(0), 0) &&
		NONE(DOWN(0), 0) && (BLACK(1) ? L(0) > H(1) : H(0) < L(1));
}

RULE(kicking) GIVES(100 * COLOUR(0), kicks(t))
RULE(kicking_by_length) GIVES(100 * (BODY(0) > BODY(1) ? COLOUR(0) : COLOUR(1)), kicks(t))
RULE(matching_low) GIVES(100, BLACK(1) && BLACK(0) && WITHIN(C(0), C(1), EQUAL(1)))
RULE(separating_lines) GIVES(100 * COLOUR(0), COLOUR(0) != COLOUR(1) && WITHIN(O(0), O(1), EQUAL(1)) && LONG(0) &&
	(WHITE(0) ? NONE(DOWN(0), 0) : NONE(UP(0), 0)))

RULE(two_crows) GIVES(-100, WHITE(2) && LONG(2) && BLACK(1) && GAP_UP(1, 2) && BLACK(0) && O(0) < O(1) && O(0) > C(1) &&
	C(0) > O(2) && C(0) < C(2))
RULE(three_inside) GIVES(-100 * COLOUR(2), LONG(2) && BODY(1) <= mean(t, K_BODY, 1) && TOP(1) < TOP(2) && BOTTOM(1) > BOTTOM(2) &&
	(WHITE(2) ? BLACK(0) && C(0) < O(2) : WHITE(0) && C(0) > O(2)))
RULE(three_outside) GIVES(100 * COLOUR(1), COLOUR(1) != COLOUR(2) && TOP(1) > TOP(2) && BOTTOM(1) < BOTTOM(2) &&
	(WHITE(1) ? C(0) > C(1) : C(0) < C(1)))
RULE(three_stars) GIVES(100, BLACK(2) && BLACK(1) && BLACK(0) && LONG(2) && DOWN(2) > BODY(2) && BODY(1) < BODY(2) && O(1) > C(2) &&
	O(1) <= H(2) && L(1) < C(2) && L(1) >= L(2) && DOWN(1) > 0.1 * mean(t, K_RANGE, 1) && SHORT(0) && NONE(UP(0), 0) &&
	NONE(DOWN(0), 0) && L(0) > L(1) && H(0) < H(1))

static bool steps(const struct at *t)
{
	return WHITE(2) && WHITE(1) && WHITE(0) && C(0) > C(1) && C(1) > C(2) && O(1) > O(2) && O(1) <= C(2) + NEAR(2);
}

RULE(white_soldiers) GIVES(100, steps(t) && O(0) > O(1) && O(0) <= C(1) + NEAR(1) && NONE(UP(2), 2) && NONE(UP(1), 1) &&
	NONE(UP(0), 0) && BODY(1) > BODY(2) - FAR(2) && BODY(0) > BODY(1) - FAR(1) && LONG(0))
RULE(abandoned_baby) GIVES(-100 * COLOUR(2), LONG(2) && DOJI(1) && LONG(0) &&
	(WHITE(2) ? BLACK(0) && C(0) < C(2) - BODY(2) * 0.3 && L(1) > H(2) && H(0) < L(1)
		  : WHITE(0) && C(0) > C(2) + BODY(2) * 0.3 && H(1) < L(2) && L(0) > H(1)))
RULE(advance_block) GIVES(-100, steps(t) && O(0) > O(1) && O(0) <= C(1) + NEAR(1) && LONG(2) && SHORT_SHADOW(UP(2), 2) &&
	((BODY(1) < BODY(2) - FAR(2) && BODY(0) < BODY(1) + NEAR(1)) || BODY(0) < BODY(1) - FAR(1) ||
	 (BODY(0) < BODY(1) && BODY(1) < BODY(2) &&
	  (UP(0) > mean(t, K_SHADOWS, 0) / 2.0 || UP(1) > mean(t, K_SHADOWS, 1) / 2.0)) ||
	 (BODY(0) < BODY(1) && UP(0) > BODY(0))))
RULE(evening_doji_star) GIVES(-100, WHITE(2) && LONG(2) && DOJI(1) && GAP_UP(1, 2) && BLACK(0) && LONG(0) && C(0) < C(2) - BODY(2) * 0.3)
RULE(evening_star) GIVES(-100, WHITE(2) && LONG(2) && BODY(1) <= mean(t, K_BODY, 1) && GAP_UP(1, 2) && BLACK(0) && LONG(0) &&
	C(0) < C(2) - BODY(2) * 0.3)
RULE(morning_doji_star) GIVES(100, BLACK(2) && LONG(2) && DOJI(1) && GAP_DOWN(1, 2) && WHITE(0) && LONG(0) && C(0) > C(2) + BODY(2) * 0.3)
RULE(morning_star) GIVES(100, BLACK(2) && LONG(2) && BODY(1) <= mean(t, K_BODY, 1) && GAP_DOWN(1, 2) && WHITE(0) && LONG(0) &&
	C(0) > C(2) + BODY(2) * 0.3)
RULE(side_by_side) GIVES(GAP_UP(1, 2) ? 100 : -100, ((GAP_UP(1, 2) && GAP_UP(0, 2)) || (GAP_DOWN(1, 2) && GAP_DOWN(0, 2))) && WHITE(1) &&
	WHITE(0) && WITHIN(BODY(0), BODY(1), NEAR(1)) && WITHIN(O(0), O(1), EQUAL(1)))
RULE(identical_crows) GIVES(-100, BLACK(2) && BLACK(1) && BLACK(0) && NONE(DOWN(2), 2) && NONE(DOWN(1), 1) && NONE(DOWN(0), 0) &&
	C(2) > C(1) && C(1) > C(0) && WITHIN(O(1), C(2), EQUAL(2)) && WITHIN(O(0), C(1), EQUAL(1)))
RULE(stalled) GIVES(-100, steps(t) && LONG(2) && LONG(1) && NONE(UP(1), 1) && SHORT(0) && O(0) >= C(1) - BODY(0) - NEAR(1))
RULE(stick_sandwich) GIVES(100, BLACK(2) && WHITE(1) && BLACK(0) && L(1) > C(2) && WITHIN(C(0), C(2), EQUAL(2)))
RULE(tasuki_gap) GIVES(100 * COLOUR(1), COLOUR(0) != COLOUR(1) && fabs(BODY(1) - BODY(0)) < NEAR(1) && O(0) < TOP(1) && O(0) > BOTTOM(1) &&
	(WHITE(1) ? GAP_UP(1, 2) && C(0) < O(1) && C(0) > TOP(2) : GAP_DOWN(1, 2) && C(0) > O(1) && C(0) < BOTTOM(2)))

RULE(tristar)
{
	const double doji_up_to = 0.1 * mean(t, K_RANGE, 2);

	if (BODY(2) > doji_up_to || BODY(1) > doji_up_to || BODY(0) > doji_up_to)
		return 0;
	if (GAP_UP(1, 2) && TOP(0) < TOP(1))
		return -100;
	return GAP_DOWN(1, 2) && BOTTOM(0) > BOTTOM(1) ? 100 : 0;
}

RULE(three_river) GIVES(100, BLACK(2) && LONG(2) && BLACK(1) && C(1) > C(2) && O(1) <= O(2) && L(1) < L(2) && WHITE(0) && SHORT(0) && O(0) > L(1))
RULE(gap_two_crows) GIVES(-100, WHITE(2) && LONG(2) && BLACK(1) && BODY(1) <= mean(t, K_BODY, 1) && GAP_UP(1, 2) && BLACK(0) &&
	O(0) > O(1) && C(0) < C(1) && C(0) > C(2))
RULE(gap_three_methods) GIVES(100 * COLOUR(2), COLOUR(2) == COLOUR(1) && COLOUR(1) != COLOUR(0) && O(0) < TOP(1) && O(0) > BOTTOM(1) &&
	C(0) < TOP(2) && C(0) > BOTTOM(2) && (WHITE(2) ? GAP_UP(1, 2) : GAP_DOWN(1, 2)))

RULE(black_crows) GIVES(-100, WHITE(3) && BLACK(2) && BLACK(1) && BLACK(0) && NONE(DOWN(2), 2) && NONE(DOWN(1), 1) && NONE(DOWN(0), 0) &&
	O(1) < O(2) && O(1) > C(2) && O(0) < O(1) && O(0) > C(1) && H(3) > C(2) && C(2) > C(1) && C(1) > C(0))
RULE(line_strike) GIVES(100 * COLOUR(1), COLOUR(3) == COLOUR(2) && COLOUR(2) == COLOUR(1) && COLOUR(0) != COLOUR(1) &&
	O(2) >= BOTTOM(3) - NEAR(3) && O(2) <= TOP(3) + NEAR(3) && O(1) >= BOTTOM(2) - NEAR(2) && O(1) <= TOP(2) + NEAR(2) &&
	(WHITE(1) ? C(1) > C(2) && C(2) > C(3) && O(0) > C(1) && C(0) < O(3)
		  : C(1) < C(2) && C(2) < C(3) && O(0) < C(1) && C(0) > O(3)))
RULE(baby_swallow) GIVES(100, BLACK(3) && BLACK(2) && BLACK(1) && BLACK(0) && NONE(UP(3), 3) && NONE(DOWN(3), 3) && NONE(UP(2), 2) &&
	NONE(DOWN(2), 2) && GAP_DOWN(1, 2) && UP(1) > 0.1 * mean(t, K_RANGE, 1) && H(1) > C(2) && H(0) > H(1) && L(0) < L(1))

RULE(breakaway) GIVES(100 * COLOUR(0), LONG(4) && COLOUR(4) == COLOUR(3) && COLOUR(3) == COLOUR(1) && COLOUR(1) != COLOUR(0) &&
	(BLACK(4) ? GAP_DOWN(3, 4) && H(2) < H(3) && L(2) < L(3) && H(1) < H(2) && L(1) < L(2) && C(0) > O(3) && C(0) < C(4)
		  : GAP_UP(3, 4) && H(2) > H(3) && L(2) > L(3) && H(1) > H(2) && L(1) > L(2) && C(0) < O(3) && C(0) > C(4)))
RULE(ladder_bottom) GIVES(100, BLACK(4) && BLACK(3) && BLACK(2) && O(4) > O(3) && O(3) > O(2) && C(4) > C(3) && C(3) > C(2) && BLACK(1) &&
	UP(1) > 0.1 * mean(t, K_RANGE, 1) && WHITE(0) && O(0) > O(1) && C(0) > H(1))
RULE(mat_hold) GIVES(100, LONG(4) && SHORT(3) && SHORT(2) && SHORT(1) && WHITE(4) && BLACK(3) && WHITE(0) && GAP_UP(3, 4) &&
	BOTTOM(2) < C(4) && BOTTOM(1) < C(4) && BOTTOM(2) > C(4) - BODY(4) * 0.5 && BOTTOM(1) > C(4) - BODY(4) * 0.5 &&
	TOP(2) < O(3) && TOP(1) < TOP(2) && O(0) > C(1) && C(0) > H(3) && C(0) > H(2) && C(0) > H(1))

RULE(three_methods)
{
	const double sign = COLOUR(4);

	for (unsigned k = 1; k <= 3; k++)
		if (!SHORT(k) || COLOUR(k) == COLOUR(4) || BOTTOM(k) >= H(4) || TOP(k) <= L(4))
			return 0;
	return LONG(4) && LONG(0) && COLOUR(0) == COLOUR(4) && C(2) * sign < C(3) * sign && C(1) * sign < C(2) * sign &&
		O(0) * sign > C(1) * sign && C(0) * sign > C(4) * sign ? 100 * COLOUR(4) : 0;
}

/* The traps of the hikkakes, looked for from three candles before the first value; their memory is in hikkake(). */
RULE(trap)
{
	if (H(1) >= H(2) || L(1) <= L(2))
		return 0;
	return H(0) < H(1) && L(0) < L(1) ? 100 : H(0) > H(1) && L(0) > L(1) ? -100 : 0;
}

RULE(trap_mod)
{
	const int found = trap(t);

	if (found == 0 || H(2) >= H(3) || L(2) <= L(3))
		return 0;
	return (found > 0 ? C(2) <= L(2) + NEAR(2) : C(2) >= H(2) - NEAR(2)) ? found : 0;
}

static int (*const rules[PAT_N])(const struct at *) = {
	doji, dragonfly, gravestone, long_legged, rickshaw, takuri, high_wave, spinning_top, short_line, long_line, marubozu,
	closing_marubozu, belt_hold,
	hammer, hanging_man, inverted_hammer, shooting_star, counterattack, dark_cloud, doji_star, engulfing, harami, harami_cross,
	homing_pigeon, in_neck, on_neck, thrusting, piercing, kicking, kicking_by_length, matching_low, separating_lines,
	two_crows, three_inside, three_outside, three_stars, white_soldiers, abandoned_baby, advance_block, evening_doji_star,
	evening_star, side_by_side, identical_crows, morning_doji_star, morning_star, stalled, stick_sandwich, tasuki_gap, tristar,
	three_river, gap_two_crows, gap_three_methods,
	black_crows, line_strike, baby_swallow, breakaway, ladder_bottom, mat_hold, three_methods, trap, trap_mod
};

/* --- means and memory ------------------------------------------------------------------------------ */

static double part(enum kind kind, size_t i)
{
	const struct at here = { .i = i }, *t = &here;

	return kind == K_BODY ? BODY(0) : kind == K_SHADOWS ? UP(0) + DOWN(0) : H(0) - L(0);
}

/* The sum of the span, then each step the difference of the one that enters and the one that leaves. */
static void make_totals(void)
{
	for (enum kind kind = K_BODY; kind < KINDS; kind++)
		for (size_t first = 0; first < FIRSTS; first++) {
			const size_t span = span_of[kind];
			double sum = 0;

			for (size_t i = first; i < BARS; i++) {
				sum += i < first + span ? part(kind, i) : part(kind, i) - part(kind, i - span);
				total[kind][first][i + 1] = sum;
			}
		}
}

struct memory {              /* of a hikkake: the last trap, and where it is confirmed */
	size_t at;
	int side;
	double level;
};

static int hikkake(struct memory *m, const struct at *t, int (*found)(const struct at *))
{
	const int side = t->i < t->lookback ? 0 : found(t), was = m->side;

	if (side != 0) {
		*m = (struct memory){ t->i, side, side > 0 ? H(1) : L(1) };
		return side;
	}
	if (m->side == 0 || t->i > m->at + 3 || (m->side > 0 ? C(0) <= m->level : C(0) >= m->level))
		return 0;
	m->side = 0;
	return 2 * was;
}

static int value_of(enum pat_id id, size_t i, struct memory memory[2])
{
	const unsigned lookback = pat_get(id)->lookback, before = id >= PAT_HIKKAKE ? 3 : 0;
	const struct at t = { i, lookback - before };
	const int v = id >= PAT_HIKKAKE ? hikkake(&memory[id - PAT_HIKKAKE], &t, rules[id])
			: i >= lookback ? rules[id](&t) : 0;

	return i >= lookback ? v : 0;
}

/* --- tapes ----------------------------------------------------------------------------------------- */

static uint64_t rng;

static double upto(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (double)((rng >> 20) % n);
}

struct taste {
	const char *name;
	double tick;
	unsigned gap, body, shadow;     /* ticks: open against the last close, body, shadows up to */
	unsigned still;                 /* of 8 candles so many are dojis without a body */
	unsigned bare;                  /* of 8 shadows so many are none */
	unsigned nested;                /* of 8 candles so many lie in the range of the last */
};

static const struct taste tastes[] = {
	{ "a walk of whole ticks", 1, 3, 20, 8, 0, 2, 0 },
	{ "a walk of cents, whose sums round", 0.01, 3, 20, 8, 0, 2, 0 },
	{ "ties: three ticks are all there is", 1, 2, 3, 2, 1, 4, 0 },
	{ "ties in dimes", 0.1, 2, 3, 2, 1, 4, 0 },
	{ "dojis", 0.01, 4, 3, 20, 5, 3, 0 },
	{ "gaps", 0.01, 30, 14, 6, 1, 4, 0 },
	{ "gaps between bare bodies", 1, 12, 10, 1, 1, 6, 0 },
	{ "flat, with a step now and then", 0.05, 1, 1, 1, 7, 7, 0 },
	{ "nested candles", 0.01, 4, 24, 24, 1, 3, 5 },
	{ "outliers", 0.01, 6, 20, 8, 1, 3, 0 },
	{ "outliers among gaps", 0.01, 20, 14, 6, 1, 4, 0 },
};
enum { TASTES = sizeof tastes / sizeof *tastes, OUTLIERS = TASTES - 2 };

struct ticks {
	double o, h, l, c;
};

static double between(double low, double high)
{
	return low + upto((unsigned)(high - low) + 1);
}

static struct ticks next_bar(const struct ticks *last, const struct taste *k)
{
	struct ticks b = { 0 };

	if (upto(8) < k->nested) {
		b.l = between(last->l, last->h);
		b.h = between(b.l, last->h);
		b.o = between(b.l, b.h);
		b.c = between(b.l, b.h);
		return b;
	}
	b.o = (last->c > 1000 && last->c < 100000 ? last->c : 10000) + upto(2 * k->gap + 1) - k->gap;
	b.c = upto(8) < k->still ? b.o : b.o + upto(2 * k->body + 1) - k->body;
	b.h = fmax(b.o, b.c) + (upto(8) < k->bare ? 0 : upto(k->shadow + 1));
	b.l = fmin(b.o, b.c) - (upto(8) < k->bare ? 0 : upto(k->shadow + 1));
	return b;
}

/* An outlier among the first candles is in the sums that began before it, and its rounding stays there. */
static void make_tape(unsigned tape)
{
	const struct taste *k = &tastes[tape % TASTES];
	struct ticks b = { 10000, 10000, 10000, 10000 };

	rng = 88172645463325252u + tape;
	for (size_t i = 0; i < BARS; i++) {
		b = next_bar(&b, k);
		bars[i] = (struct ind_bar){ .o = b.o * k->tick, .h = b.h * k->tick, .l = b.l * k->tick, .c = b.c * k->tick };
		if (tape % TASTES >= OUTLIERS && (i == tape / TASTES || upto(500) < 1))
			bars[i].h = bars[i].c += 1e11 * upto(10000);
	}
	make_totals();
}

/* --- the test -------------------------------------------------------------------------------------- */

static void compare(unsigned tape, size_t fired[PAT_N])
{
	struct memory memory[2] = { { 0 } };
	struct pat_state s;

	make_tape(tape);
	pat_init(&s);
	for (size_t i = 0; i < BARS; i++) {
		int16_t out[PAT_N];

		pat_update(&s, &bars[i], out);
		for (unsigned id = 0; id < PAT_N; id++) {
			const int want = value_of((enum pat_id)id, i, memory);

			if (out[id] != want)
				fail_msg("%s, %s, tape %u candle %zu: %d, by its rule %d", tastes[tape % TASTES].name,
					 pat_get((enum pat_id)id)->name, tape, i, out[id], want);
			fired[id] += want != 0;
		}
	}
}

static void every_pattern_is_found_exactly_where_its_rule_written_out_finds_it(void **unused)
{
	size_t fired[PAT_N] = { 0 };

	(void)unused;
	for (unsigned tape = 0; tape < TAPES; tape++)
		compare(tape, fired);
	for (unsigned id = 0; id < PAT_N; id++)
		if (fired[id] == 0)
			fail_msg("%s never fired: not tested", pat_get((enum pat_id)id)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pattern_is_found_exactly_where_its_rule_written_out_finds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
