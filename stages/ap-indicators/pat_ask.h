/*
 * pat_ask.h - the needs of pat_needs.h turned over: for every answer a candle
 * can give, the patterns that it refuses.
 *
 * All of it is worked out by the compiler. Knows no candle. Private to pat.c.
 */
#ifndef AP_INDICATORS_PAT_ASK_H
#define AP_INDICATORS_PAT_ASK_H

#include "stages/ap-indicators/pat_impl.h"
#include "stages/ap-indicators/pat_needs.h"

/* A row is a pattern. */
enum { ROWS = PAT_N };

_Static_assert(ROWS <= 62, "two enumerators have a bit for each");

/*
 * The needs turned over: ASKED(age, class) has the bit of every row that asks for this class of its
 * newest candle (age Z), of the one before (Y), ... and of the fifth (V). An enumerator holds an int,
 * so each is two of them, of 31 rows.
 */
#define IN(half, need, mark, id) \
	| ((((int)((pat_needs)(need) >> (mark) & 1)) * ((int)PAT_##id / 31 == (half))) << (int)PAT_##id % 31)
#define LO_Z(mark, id, sign, z, ...) IN(0, z, mark, id)
#define HI_Z(mark, id, sign, z, ...) IN(1, z, mark, id)
#define LO_Y(mark, id, sign, z, y, ...) IN(0, y, mark, id)
#define HI_Y(mark, id, sign, z, y, ...) IN(1, y, mark, id)
#define LO_X_OF_3(mark, id, sign, z, y, x) IN(0, x, mark, id)
#define HI_X_OF_3(mark, id, sign, z, y, x) IN(1, x, mark, id)
#define HI_X(mark, id, sign, z, y, x, w, v) IN(1, x, mark, id)
#define HI_W(mark, id, sign, z, y, x, w, v) IN(1, w, mark, id)
#define HI_V(mark, id, sign, z, y, x, w, v) IN(1, v, mark, id)

#define ALL(of_3, of_5, name) 0 PAT_NEEDS(of_3, PAT_BIT_##name) PAT_NEEDS_OF_FIVE(of_5, PAT_BIT_##name)
#define ASKED_BY(name) \
	LO_Z_##name = ALL(LO_Z, LO_Z, name), HI_Z_##name = ALL(HI_Z, HI_Z, name), \
	LO_Y_##name = ALL(LO_Y, LO_Y, name), HI_Y_##name = ALL(HI_Y, HI_Y, name), \
	LO_X_##name = 0 PAT_NEEDS(LO_X_OF_3, PAT_BIT_##name), HI_X_##name = ALL(HI_X_OF_3, HI_X, name), \
	LO_W_##name = 0, HI_W_##name = 0 PAT_NEEDS_OF_FIVE(HI_W, PAT_BIT_##name), \
	LO_V_##name = 0, HI_V_##name = 0 PAT_NEEDS_OF_FIVE(HI_V, PAT_BIT_##name),

enum { PAT_MARKS(ASKED_BY) };

#define ASKED(age, name) ((uint64_t)LO_##age##_##name | (uint64_t)HI_##age##_##name << 31)

/*
 * Which rows are refused a candle, by age. Rows of more than three candles are few and the last, so
 * that those of W and V share a word.
 */
enum { V_SHIFT = 32 };

_Static_assert((int)PAT_3BLACKCROWS > ROWS - V_SHIFT, "the bits of W and V lie apart");

typedef uint64_t two_words __attribute__((vector_size(16)));

struct refusal {
	two_words zy, xw;
};

/*
 * A group is some comparisons whose answers, as bits, make a number i, and the classes that follow
 * from it. UNLESS: who asks for a class is refused where it does not hold.
 */
#define UNLESS(holds, age, name) ((holds) != 0 ? 0 : ASKED(age, name))
#define ROW(group, i) { { group(Z, i), group(Y, i) }, { group(X, i), (group(W, i)) | (group(V, i)) >> V_SHIFT } }
#define ROWS_4(group, i) ROW(group, (i)), ROW(group, ((i) + 1)), ROW(group, ((i) + 2)), ROW(group, ((i) + 3))
#define ROWS_16(group, i) \
	ROWS_4(group, (i)), ROWS_4(group, ((i) + 4)), ROWS_4(group, ((i) + 8)), ROWS_4(group, ((i) + 12))

/* NOLINTBEGIN(bugprone-macro-parentheses): ROWS_4 and ROWS_16 have put i in parentheses. */
/* 1, 2: body over means 0, 1; 4, 8: under them. */
#define BODY_0(a, i) \
	UNLESS(i & 1, a, LONG_0) | UNLESS(i & 2, a, LONG_1) | UNLESS(~i & 2, a, SMALL_1) | \
	UNLESS(i & 4, a, SHORT_0) | UNLESS(i & 8, a, SHORT_1)
/* 1: body over mean 2, 2: over the last candle's bound of a doji; 4, 8: under means 2, 3. */
#define BODY_2(a, i) \
	UNLESS(i & 1, a, LONG_2) | UNLESS(~i & 2, a, DOJI_AGAIN) | UNLESS(i & 4, a, SHORT_2) | UNLESS(i & 8, a, SHORT_3)
/* 1: body over mean 4, 2: low over the last close; 4: at the last low, 8: at the last high. */
#define ODDS(a, i) \
	UNLESS(i & 1, a, LONG_4) | UNLESS(i & 2, a, LOW_OVER) | UNLESS(i & 4, a, AT_LOW) | UNLESS(i & 8, a, AT_HIGH)
/* 1, 2: no upper shadow by means 0, 1; 4, 8: no lower one; 16: white. */
#define NONE_0(a, i) \
	UNLESS(i & 1, a, UP_NONE_0) | UNLESS(i & 2, a, UP_NONE_1) | UNLESS(i & 4, a, DOWN_NONE_0) | \
	UNLESS(i & 8, a, DOWN_NONE_1) | UNLESS(i & (i & 16 ? 4 : 1), a, OPEN_NONE_0) | \
	UNLESS(i & (i & 16 ? 8 : 2), a, OPEN_NONE_1) | UNLESS(i & (i & 16 ? 1 : 4), a, CLOSE_NONE_0)
/* 1, 2: a doji by means 0, 1; 4, 8: a lower shadow by them. */
#define DOJI_0(a, i) \
	UNLESS(i & 1, a, DOJI_0) | UNLESS(i & 2, a, DOJI_1) | UNLESS(i & 4, a, DOWN_SEEN_0) | \
	UNLESS(i & 8, a, DOWN_SEEN_1)
/* 1, 2: an upper shadow by means 2, 3; 4, 8: no lower one. */
#define SHADOWS_2(a, i) \
	UNLESS(i & 1, a, UP_SEEN_2) | UNLESS(i & 2, a, UP_SEEN_3) | UNLESS(i & 4, a, DOWN_NONE_2) | \
	UNLESS(i & 8, a, DOWN_NONE_3)
/* 1, 2: upper, lower shadow short; 4: an upper one by mean 0; 8: none by mean 2. */
#define SHORTS(a, i) \
	UNLESS(i & 1, a, UP_SHORT_0) | UNLESS(i & 2, a, DOWN_SHORT_0) | UNLESS(i & 4, a, UP_SEEN_0) | \
	UNLESS(i & 8, a, UP_NONE_2)
/* 1, 2: upper, lower shadow over the body; 4, 8: over two. */
#define LENGTHS(a, i) \
	UNLESS(i & 1, a, UP_LONG) | UNLESS(i & 2, a, DOWN_LONG) | UNLESS(i & 3, a, LEGS) | \
	UNLESS(i & 4, a, UP_VERY_LONG) | UNLESS(i & 8, a, DOWN_VERY_LONG)
/* 1: white; 2: so is the one before; 4: body at the middle of the range. */
#define COLOURS(a, i) \
	UNLESS(i & 1, a, WHITE) | UNLESS(~i & 1, a, BLACK) | UNLESS((i & 3) == 0 || (i & 3) == 3, a, SAME) | \
	UNLESS((i & 3) == 1 || (i & 3) == 2, a, FLIP) | UNLESS(i & 4, a, MIDDLE)
/* 1: body over the last body, 2: range under the last range; 4: body under, 8: range over; 16: the last is white. */
#define GAPS(a, i) \
	UNLESS(i & 1, a, BODY_GAP_UP) | UNLESS(i & 4, a, BODY_GAP_DOWN) | UNLESS(i & 5, a, BODY_GAP) | \
	UNLESS(i & 10, a, AWAY) | UNLESS(i & (i & 16 ? 1 : 4), a, GAP_ON) | UNLESS(i & (i & 16 ? 2 : 8), a, LEAP)
/* 1, 2: close, open over the last close; 4, 8: under it; 16: the last is white. */
#define STEPS(a, i) \
	UNLESS(i & 1, a, CLOSE_UP) | UNLESS(i & 4, a, CLOSE_DOWN) | \
	UNLESS(i & (i & 16 ? 1 : 4), a, CLOSE_ON) | UNLESS(i & (i & 16 ? 2 : 8), a, OPEN_ON)
/* The body's edges, 1 upper, 2 lower: inside the last body; 4, 8: outside. */
#define EDGES(a, i) \
	UNLESS((i & 3) == 3, a, BODY_INSIDE) | UNLESS((i & 12) == 12, a, COVERS) | \
	UNLESS((i & 12) == 0, a, BODY_IN) | UNLESS((i & 3) == 0 && (i & 12) != 0, a, BODY_OUT) | \
	UNLESS((i & 9) == 9 || (i & 6) == 6, a, SHIFTED) | UNLESS(i & 2, a, BOTTOM_UP) | UNLESS(i & 1, a, TOP_DOWN)
/* The range's ends, in the same way. */
#define ENDS(a, i) \
	UNLESS((i & 3) == 3, a, INSIDE) | UNLESS((i & 9) == 9 || (i & 6) == 6, a, MOVED)
/* 1: open over the last high, 2: under the last low; 4: under the last body's top, 8: over its bottom. */
#define OPENS(a, i) \
	UNLESS(i & 1, a, OPEN_OVER) | UNLESS(i & 2, a, OPEN_UNDER) | UNLESS((i & 12) == 12, a, OPEN_INSIDE)
/* 1, 2: not over the last close by means 0, 5; 4, 8: not under it. */
#define CLOSE_EQUAL(a, i) UNLESS((i & 5) == 5, a, CLOSE_EQUAL_0) | UNLESS((i & 10) == 10, a, CLOSE_EQUAL_5)
/* The same of the opens, by means 1, 5. */
#define OPEN_EQUAL(a, i) UNLESS((i & 5) == 5, a, OPEN_EQUAL_1) | UNLESS((i & 10) == 10, a, OPEN_EQUAL_5)
/* NOLINTEND(bugprone-macro-parentheses) */

/* One object, so that one register finds them all. */
static const struct {
	struct refusal body_0[16], body_2[16], odds[16], none_0[32], doji_0[16], shadows_2[16], shorts[16], lengths[16],
		colours[8], gaps[32], steps[32], edges[16], ends[16], opens[16], close_equal[16], open_equal[16];
} of = {
	.body_0 = { ROWS_16(BODY_0, 0) }, .body_2 = { ROWS_16(BODY_2, 0) }, .odds = { ROWS_16(ODDS, 0) },
	.none_0 = { ROWS_16(NONE_0, 0), ROWS_16(NONE_0, 16) }, .doji_0 = { ROWS_16(DOJI_0, 0) },
	.shadows_2 = { ROWS_16(SHADOWS_2, 0) }, .shorts = { ROWS_16(SHORTS, 0) },
	.lengths = { ROWS_16(LENGTHS, 0) }, .colours = { ROWS_4(COLOURS, 0), ROWS_4(COLOURS, 4) },
	.gaps = { ROWS_16(GAPS, 0), ROWS_16(GAPS, 16) }, .steps = { ROWS_16(STEPS, 0), ROWS_16(STEPS, 16) },
	.edges = { ROWS_16(EDGES, 0) }, .ends = { ROWS_16(ENDS, 0) }, .opens = { ROWS_16(OPENS, 0) },
	.close_equal = { ROWS_16(CLOSE_EQUAL, 0) }, .open_equal = { ROWS_16(OPEN_EQUAL, 0) }
};

#endif
