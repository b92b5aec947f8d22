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
 * from it. UNLESS: who asks for a class is refused where it does not hold. Few rows of a group are
 * met often, and those are to be neighbours: a colour, which changes with every candle, is the lowest bit.
 */
#define UNLESS(holds, age, name) ((holds) != 0 ? 0 : ASKED(age, name))
#define ROW(group, i) { { group(Z, i), group(Y, i) }, { group(X, i), (group(W, i)) | (group(V, i)) >> V_SHIFT } }
/* Of classes that are asked of the newest candle alone. */
#define ROW_OF_Z(group, i) group(Z, i)
#define ROWS_4(row, group, i) row(group, (i)), row(group, ((i) + 1)), row(group, ((i) + 2)), row(group, ((i) + 3))
#define ROWS_16(row, group, i) \
	ROWS_4(row, group, (i)), ROWS_4(row, group, ((i) + 4)), ROWS_4(row, group, ((i) + 8)), ROWS_4(row, group, ((i) + 12))
#define ROWS_32(row, group) ROWS_16(row, group, 0), ROWS_16(row, group, 16)
#define ROWS_64(row, group, i) \
	ROWS_16(row, group, (i)), ROWS_16(row, group, ((i) + 16)), ROWS_16(row, group, ((i) + 32)), ROWS_16(row, group, ((i) + 48))
#define ROWS_256(row, group) \
	ROWS_64(row, group, 0), ROWS_64(row, group, 64), ROWS_64(row, group, 128), ROWS_64(row, group, 192)

/* NOLINTBEGIN(bugprone-macro-parentheses): ROWS_4 and ROWS_16 have put i in parentheses. */
/*
 * 1: body over the mean, 2: under it; 4: a doji by it, 8: by the last candle's. By each of four means, and by
 * all four where they answer alike. The fourth is mean 4 where a long body is asked for, else 3.
 */
#define BODY_0(a, i) \
	UNLESS(i & 1, a, LONG_0) | UNLESS(i & 2, a, SHORT_0) | UNLESS(i & 4, a, DOJI_0) | UNLESS(i & 8, a, DOJI_AGAIN)
#define BODY_1(a, i) \
	UNLESS(i & 1, a, LONG_1) | UNLESS(i & 2, a, SHORT_1) | UNLESS(~i & 1, a, SMALL_1) | UNLESS(i & 4, a, DOJI_1)
#define BODY_2(a, i) UNLESS(i & 1, a, LONG_2) | UNLESS(i & 2, a, SHORT_2)
#define BODY_3(a, i) UNLESS(i & 1, a, LONG_4) | UNLESS(i & 2, a, SHORT_3)
#define BODY(a, i) BODY_0(a, i) | BODY_1(a, i) | BODY_2(a, i) | BODY_3(a, i)
/* 1: white; 2: no upper shadow by the mean, 4: one; 8, 16: of the lower shadow. In the same way. */
#define SHADOWS_0(a, i) \
	UNLESS(i & 2, a, UP_NONE_0) | UNLESS(i & 4, a, UP_SEEN_0) | UNLESS(i & 8, a, DOWN_NONE_0) | \
	UNLESS(i & 16, a, DOWN_SEEN_0) | UNLESS(i & (i & 1 ? 8 : 2), a, OPEN_NONE_0) | \
	UNLESS(i & (i & 1 ? 2 : 8), a, CLOSE_NONE_0)
#define SHADOWS_1(a, i) \
	UNLESS(i & 2, a, UP_NONE_1) | UNLESS(i & 8, a, DOWN_NONE_1) | UNLESS(i & 16, a, DOWN_SEEN_1) | \
	UNLESS(i & (i & 1 ? 8 : 2), a, OPEN_NONE_1)
#define SHADOWS_2(a, i) UNLESS(i & 2, a, UP_NONE_2) | UNLESS(i & 4, a, UP_SEEN_2) | UNLESS(i & 8, a, DOWN_NONE_2)
#define SHADOWS_3(a, i) UNLESS(i & 4, a, UP_SEEN_3) | UNLESS(i & 8, a, DOWN_NONE_3)
#define SHADOWS(a, i) SHADOWS_0(a, i) | SHADOWS_1(a, i) | SHADOWS_2(a, i) | SHADOWS_3(a, i)
/* 1: white; 2: so is the one before; 4: upper shadow short, 8: low over the last close. */
#define COLOURS(a, i) \
	UNLESS(i & 1, a, WHITE) | UNLESS(~i & 1, a, BLACK) | UNLESS((i & 3) == 0 || (i & 3) == 3, a, SAME) | \
	UNLESS((i & 3) == 1 || (i & 3) == 2, a, FLIP) | UNLESS(i & 4, a, UP_SHORT_0) | UNLESS(i & 8, a, LOW_OVER)
/* 1: the last is white; 2: body over the last body, 4: range under the last range; 8: body under, 16: range over. */
#define GAPS(a, i) \
	UNLESS(i & 2, a, BODY_GAP_UP) | UNLESS(i & 8, a, BODY_GAP_DOWN) | UNLESS(i & 10, a, BODY_GAP) | \
	UNLESS(i & 20, a, AWAY) | UNLESS(i & (i & 1 ? 2 : 8), a, GAP_ON) | UNLESS(i & (i & 1 ? 4 : 16), a, LEAP)
/* 1: the last is white; 2, 4: close, open over the last close; 8, 16: under it. */
#define STEPS(a, i) \
	UNLESS(i & 2, a, CLOSE_UP) | UNLESS(i & 8, a, CLOSE_DOWN) | \
	UNLESS(i & (i & 1 ? 2 : 8), a, CLOSE_ON) | UNLESS(i & (i & 1 ? 4 : 16), a, OPEN_ON)
/* The body's edges, 1 upper, 2 lower: inside the last body; 4, 8: outside. */
#define EDGES(a, i) \
	UNLESS((i & 3) == 3, a, BODY_INSIDE) | UNLESS((i & 12) == 12, a, COVERS) | \
	UNLESS((i & 12) == 0, a, BODY_IN) | UNLESS((i & 3) == 0 && (i & 12) != 0, a, BODY_OUT) | \
	UNLESS((i & 9) == 9 || (i & 6) == 6, a, SHIFTED) | UNLESS(i & 2, a, BOTTOM_UP) | UNLESS(i & 1, a, TOP_DOWN)
/* The range's ends, in the same way. */
#define ENDS(a, i) \
	UNLESS((i & 3) == 3, a, INSIDE) | UNLESS((i & 9) == 9 || (i & 6) == 6, a, MOVED)
/*
 * 1, 2: upper, lower shadow over the body; 4, 8: over two; 16: lower shadow short; 64: body at the last low,
 * 128: at the last high.
 */
#define SHAPE(a, i) \
	UNLESS(i & 1, a, UP_LONG) | UNLESS(i & 2, a, DOWN_LONG) | UNLESS(i & 3, a, LEGS) | \
	UNLESS(i & 4, a, UP_VERY_LONG) | UNLESS(i & 8, a, DOWN_VERY_LONG) | UNLESS(i & 16, a, DOWN_SHORT_0) | \
	UNLESS(i & 64, a, AT_LOW) | UNLESS(i & 128, a, AT_HIGH)
/*
 * 1: open over the last high, 2: under the last low; 4: under the last body's top, 8: over its bottom; 16, 32: at
 * the last close by means 0, 5; 64, 128: at the last open by means 1, 5.
 */
#define PLACE(a, i) \
	UNLESS(i & 1, a, OPEN_OVER) | UNLESS(i & 2, a, OPEN_UNDER) | UNLESS((i & 12) == 12, a, OPEN_INSIDE) | \
	UNLESS(i & 16, a, CLOSE_EQUAL_0) | UNLESS(i & 32, a, CLOSE_EQUAL_5) | \
	UNLESS(i & 64, a, OPEN_EQUAL_1) | UNLESS(i & 128, a, OPEN_EQUAL_5)
/* NOLINTEND(bugprone-macro-parentheses) */

/* One object, so that one register finds them all. */
static const struct {
	struct refusal body[16], shadows[32], colours[16], gaps[32], steps[32], edges[16], ends[16];
	uint64_t shape[256], place[256];
} of = {
	.body = { ROWS_16(ROW, BODY, 0) }, .shadows = { ROWS_32(ROW, SHADOWS) }, .colours = { ROWS_16(ROW, COLOURS, 0) },
	.gaps = { ROWS_32(ROW, GAPS) }, .steps = { ROWS_32(ROW, STEPS) },
	.edges = { ROWS_16(ROW, EDGES, 0) }, .ends = { ROWS_16(ROW, ENDS, 0) },
	.shape = { ROWS_256(ROW_OF_Z, SHAPE) }, .place = { ROWS_256(ROW_OF_Z, PLACE) }
};

/* What is asked of the newest candle alone, is asked of no other. */
#define OLDER(name) (ASKED(Y, name) | ASKED(X, name) | ASKED(W, name) | ASKED(V, name))

_Static_assert((OLDER(UP_LONG) | OLDER(DOWN_LONG) | OLDER(LEGS) | OLDER(UP_VERY_LONG) | OLDER(DOWN_VERY_LONG) |
		OLDER(DOWN_SHORT_0) | OLDER(AT_LOW) | OLDER(AT_HIGH) | OLDER(MIDDLE)) == 0, "shape");
_Static_assert((OLDER(OPEN_OVER) | OLDER(OPEN_UNDER) | OLDER(OPEN_INSIDE) | OLDER(CLOSE_EQUAL_0) |
		OLDER(CLOSE_EQUAL_5) | OLDER(OPEN_EQUAL_1) | OLDER(OPEN_EQUAL_5)) == 0, "place");

/* By each mean, for where they do not answer alike. */
static const struct {
	struct refusal body[4][16], shadows[4][32];
} by_mean = {
	.body = { { ROWS_16(ROW, BODY_0, 0) }, { ROWS_16(ROW, BODY_1, 0) }, { ROWS_16(ROW, BODY_2, 0) },
		{ ROWS_16(ROW, BODY_3, 0) } },
	.shadows = { { ROWS_32(ROW, SHADOWS_0) }, { ROWS_32(ROW, SHADOWS_1) }, { ROWS_32(ROW, SHADOWS_2) },
		{ ROWS_32(ROW, SHADOWS_3) } }
};

#endif
