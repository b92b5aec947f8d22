/*
 * pat_rules.c - the table of patterns: what each is called and looks like, and
 * the comparison of prices that the classes of pat_needs.h cannot express.
 *
 * In a test z is the newest candle, then, backwards, y, x, w, v. Knows
 * nothing of how classes and means are kept. Definitions: those of TA-Lib 0.6.4
 * with its default settings; there is no test for a prior trend in any of them.
 */
#include "stages/ap-indicators/pat_impl.h"

/* How much of a mean range is "near", "far", "equal"; how far a body must be entered. */
static const double near = PAT_NEAR_PART, far = 0.6, equal = PAT_EQUAL_PART;
static const double star_depth = 0.3, cover_depth = 0.5, hold_depth = 0.5;

/* p is within `band` of ref, the ends included. */
static bool within(double p, double ref, double band)
{
	return p <= ref + band && p >= ref - band;
}

/* The body of c lies over that of the candle before it, with a gap; under it. */
static bool gap_up(const struct pat_cell *c, const struct pat_cell *before)
{
	return pat_bottom(c) > pat_top(before);
}

static bool gap_down(const struct pat_cell *c, const struct pat_cell *before)
{
	return pat_top(c) < pat_bottom(before);
}

/* p lies strictly inside the body of c. */
static bool in_body(double p, const struct pat_cell *c)
{
	return p < pat_top(c) && p > pat_bottom(c);
}

/* --- two ----------------------------------------------------------------------------------------- */

static int more_darkcloudcover(const struct pat_look *k)
{
	return k->z->c < k->y->c - pat_body(k->y) * cover_depth ? -100 : 0;
}

static int more_inneck(const struct pat_look *k)
{
	return k->z->c <= k->y->c + equal * pat_near(k->y, NEAR_5) && k->z->c >= k->y->c ? -100 : 0;
}

static int more_onneck(const struct pat_look *k)
{
	return within(k->z->c, k->y->l, equal * pat_near(k->y, NEAR_5)) ? -100 : 0;
}

static int more_thrusting(const struct pat_look *k)
{
	return k->z->c > k->y->c + equal * pat_near(k->y, NEAR_5) && k->z->c <= k->y->c + pat_body(k->y) * 0.5 ? -100 : 0;
}

static int more_piercing(const struct pat_look *k)
{
	return k->z->c < k->y->o && k->z->c > k->y->c + pat_body(k->y) * 0.5 ? 100 : 0;
}

static int more_kickingbylength(const struct pat_look *k)
{
	return 100 * pat_colour(pat_body(k->z) > pat_body(k->y) ? k->z : k->y);
}

/* --- three --------------------------------------------------------------------------------------- */

static int more_2crows(const struct pat_look *k)
{
	return k->z->c > k->x->o && k->z->c < k->x->c ? -100 : 0;
}

static int more_3inside(const struct pat_look *k)
{
	if (pat_colour(k->x) > 0)
		return pat_colour(k->z) < 0 && k->z->c < k->x->o ? -100 : 0;
	return pat_colour(k->z) > 0 && k->z->c > k->x->o ? 100 : 0;
}

static int more_3outside(const struct pat_look *k)
{
	return 100 * pat_colour(k->y);
}

static int more_3starsinsouth(const struct pat_look *k)
{
	if (pat_bottom(k->x) - k->x->l <= pat_body(k->x))
		return 0;
	return pat_body(k->y) < pat_body(k->x) && k->y->o > k->x->c && k->y->o <= k->x->h && k->y->l < k->x->c && k->y->l >= k->x->l
		? 100 : 0;
}

/* Each of two candles opens in or near the last body. */
static bool steps_up(const struct pat_look *k)
{
	return k->y->o <= k->x->c + near * pat_near(k->x, NEAR_5) && k->z->o <= k->y->c + near * pat_near(k->y, NEAR_6);
}

static int more_3whitesoldiers(const struct pat_look *k)
{
	return steps_up(k) && pat_body(k->y) > pat_body(k->x) - far * pat_near(k->x, NEAR_5) &&
		pat_body(k->z) > pat_body(k->y) - far * pat_near(k->y, NEAR_6) ? 100 : 0;
}

static int more_abandonedbaby(const struct pat_look *k)
{
	const double depth = pat_body(k->x) * star_depth;

	if (pat_colour(k->x) > 0)
		return pat_colour(k->z) < 0 && k->z->c < k->x->c - depth && k->y->l > k->x->h && k->z->h < k->y->l ? -100 : 0;
	return pat_colour(k->z) > 0 && k->z->c > k->x->c + depth && k->y->h < k->x->l && k->z->l > k->y->h ? 100 : 0;
}

static double up_shadow(const struct pat_cell *c)
{
	return c->h - pat_top(c);
}

/* Three white steps, the later ones weakening in any of four ways. */
static int more_advanceblock(const struct pat_look *k)
{
	const double bx = pat_body(k->x), by = pat_body(k->y), bz = pat_body(k->z);

	if (!steps_up(k))
		return 0;
	if (by < bx - far * pat_near(k->x, NEAR_5) && bz < by + near * pat_near(k->y, NEAR_6))
		return -100;
	if (bz < by - far * pat_near(k->y, NEAR_6))
		return -100;
	if (bz < by && by < bx && (up_shadow(k->z) > k->half_2 || up_shadow(k->y) > k->y->half_1))
		return -100;
	return bz < by && up_shadow(k->z) > bz ? -100 : 0;
}

static int more_evening(const struct pat_look *k)
{
	return k->z->c < k->x->c - pat_body(k->x) * star_depth ? -100 : 0;
}

static int more_morning(const struct pat_look *k)
{
	return k->z->c > k->x->c + pat_body(k->x) * star_depth ? 100 : 0;
}

static int more_gapsidesidewhite(const struct pat_look *k)
{
	const bool up = gap_up(k->y, k->x);

	if (up ? !gap_up(k->z, k->x) : !gap_down(k->z, k->x))
		return 0;
	if (!within(pat_body(k->z), pat_body(k->y), near * pat_near(k->y, NEAR_1)))
		return 0;
	return up ? 100 : -100;
}

static int more_identical3crows(const struct pat_look *k)
{
	return within(k->y->o, k->x->c, equal * pat_near(k->x, NEAR_5)) &&
		within(k->z->o, k->y->c, equal * pat_near(k->y, NEAR_6)) ? -100 : 0;
}

static int more_stalledpattern(const struct pat_look *k)
{
	return k->y->o <= k->x->c + near * pat_near(k->x, NEAR_5) &&
		k->z->o >= k->y->c - pat_body(k->z) - near * pat_near(k->y, NEAR_6) ? -100 : 0;
}

static int more_sticksandwich(const struct pat_look *k)
{
	return within(k->z->c, k->x->c, equal * pat_near(k->x, NEAR_0)) ? 100 : 0;
}

/* The gap of y, in y's own direction, is entered by z but not closed. */
static int more_tasukigap(const struct pat_look *k)
{
	const double apart = pat_body(k->y) - pat_body(k->z);

	if ((apart < 0 ? -apart : apart) >= near * pat_near(k->y, NEAR_1))
		return 0;
	if (pat_colour(k->y) > 0)
		return gap_up(k->y, k->x) && k->z->c > pat_top(k->x) ? 100 : 0;
	return gap_down(k->y, k->x) && k->z->c < pat_bottom(k->x) ? -100 : 0;
}

/* All three are measured with the first one's mean. */
static int more_tristar(const struct pat_look *k)
{
	if (pat_body(k->z) > k->x->doji)
		return 0;
	if (gap_up(k->y, k->x))
		return pat_top(k->z) < pat_top(k->y) ? -100 : 0;
	return pat_bottom(k->z) > pat_bottom(k->y) ? 100 : 0;
}

static int more_unique3river(const struct pat_look *k)
{
	return k->y->o <= k->x->o && k->y->l < k->x->l && k->z->o > k->y->l ? 100 : 0;
}

static int more_upsidegap2crows(const struct pat_look *k)
{
	return k->z->o > k->y->o && k->z->c < k->y->c && k->z->c > k->x->c ? -100 : 0;
}

static int more_xsidegap3methods(const struct pat_look *k)
{
	return in_body(k->z->c, k->x) ? 100 * pat_colour(k->x) : 0;
}

/* --- four ---------------------------------------------------------------------------------------- */

static int more_3blackcrows(const struct pat_look *k)
{
	return k->w->h > k->x->c && in_body(k->y->o, k->x) ? -100 : 0;
}

/* Opens in or near the body of the candle before. */
static bool opens_near(const struct pat_cell *c, const struct pat_cell *before, int first)
{
	const double band = near * pat_near(before, first);

	return c->o >= pat_bottom(before) - band && c->o <= pat_top(before) + band;
}

static int more_3linestrike(const struct pat_look *k)
{
	if (!opens_near(k->x, k->w, NEAR_0) || !opens_near(k->y, k->x, NEAR_1))
		return 0;
	if (pat_colour(k->y) > 0)
		return k->z->c < k->w->o ? 100 : 0;
	return k->z->c > k->w->o ? -100 : 0;
}

static int more_concealbabyswall(const struct pat_look *k)
{
	return k->y->h > k->x->c && k->z->h > k->y->h && k->z->l < k->y->l ? 100 : 0;
}

/* --- five ---------------------------------------------------------------------------------------- */

/* High and low both further down, both further up. */
static bool below(const struct pat_cell *c, const struct pat_cell *before)
{
	return c->h < before->h && c->l < before->l;
}

static bool above(const struct pat_cell *c, const struct pat_cell *before)
{
	return c->h > before->h && c->l > before->l;
}

static int more_breakaway(const struct pat_look *k)
{
	if (pat_colour(k->w) != pat_colour(k->y))
		return 0;
	if (pat_colour(k->v) < 0)
		return below(k->x, k->w) && below(k->y, k->x) && k->z->c > k->w->o && k->z->c < k->v->c ? 100 : 0;
	return above(k->x, k->w) && above(k->y, k->x) && k->z->c < k->w->o && k->z->c > k->v->c ? -100 : 0;
}

static int more_ladderbottom(const struct pat_look *k)
{
	return k->z->c > k->y->h ? 100 : 0;
}

static int more_mathold(const struct pat_look *k)
{
	const double floor = k->v->c - pat_body(k->v) * hold_depth;

	if (pat_bottom(k->x) >= k->v->c || pat_bottom(k->y) >= k->v->c)
		return 0;
	if (pat_bottom(k->x) <= floor || pat_bottom(k->y) <= floor)
		return 0;
	if (pat_top(k->x) >= k->w->o || pat_top(k->y) >= pat_top(k->x))
		return 0;
	return k->z->o > k->y->c && k->z->c > k->w->h && k->z->c > k->x->h && k->z->c > k->y->h ? 100 : 0;
}

/* Some of the body of c lies in the range of whole. */
static bool holds(const struct pat_cell *whole, const struct pat_cell *c)
{
	return pat_bottom(c) < whole->h && pat_top(c) > whole->l;
}

static int more_risefall3methods(const struct pat_look *k)
{
	const double sign = pat_colour(k->v);

	if (!holds(k->v, k->w) || !holds(k->v, k->x) || !holds(k->v, k->y))
		return 0;
	return k->x->c * sign < k->w->c * sign && k->y->c * sign < k->x->c * sign && k->z->o * sign > k->y->c * sign &&
		k->z->c * sign > k->v->c * sign ? 100 * pat_colour(k->v) : 0;
}

/* --- the table --------------------------------------------------------------------------------- */

#define ROW(id, name_, lookback_, candles_, sense_, text_) \
	.info = { "CDL" #id, name_, lookback_, candles_, sense_, text_ }

const struct pat_rule pat_rules[PAT_N] = {
	[PAT_DOJI] = { ROW(DOJI, "doji", 10, 1, PAT_BULL,
		"Open and close nearly equal (the sign says nothing)"),
		NULL },
	[PAT_DRAGONFLYDOJI] = { ROW(DRAGONFLYDOJI, "dragonfly_doji", 10, 1, PAT_BULL,
		"Doji at the top of its range: a lower shadow, no upper one"),
		NULL },
	[PAT_GRAVESTONEDOJI] = { ROW(GRAVESTONEDOJI, "gravestone_doji", 10, 1, PAT_BULL,
		"Doji at the bottom of its range: an upper shadow, no lower one (the sign says nothing)"),
		NULL },
	[PAT_LONGLEGGEDDOJI] = { ROW(LONGLEGGEDDOJI, "long_legged_doji", 10, 1, PAT_BULL,
		"Doji with a long shadow on at least one side (the sign says nothing)"),
		NULL },
	[PAT_RICKSHAWMAN] = { ROW(RICKSHAWMAN, "rickshaw_man", 10, 1, PAT_BULL,
		"Doji with two long shadows and the body near the middle (the sign says nothing)"),
		NULL },
	[PAT_TAKURI] = { ROW(TAKURI, "takuri", 10, 1, PAT_BULL,
		"Dragonfly doji with a very long lower shadow"),
		NULL },
	[PAT_HIGHWAVE] = { ROW(HIGHWAVE, "high_wave", 10, 1, PAT_BOTH,
		"Short body with two very long shadows; the sign is the candle's colour"),
		NULL },
	[PAT_SPINNINGTOP] = { ROW(SPINNINGTOP, "spinning_top", 10, 1, PAT_BOTH,
		"Short body with two shadows longer than it; the sign is the candle's colour"),
		NULL },
	[PAT_SHORTLINE] = { ROW(SHORTLINE, "short_line", 10, 1, PAT_BOTH,
		"Short body with short shadows; the sign is the candle's colour"),
		NULL },
	[PAT_LONGLINE] = { ROW(LONGLINE, "long_line", 10, 1, PAT_BOTH,
		"Long body with short shadows; the sign is the candle's colour"),
		NULL },
	[PAT_MARUBOZU] = { ROW(MARUBOZU, "marubozu", 10, 1, PAT_BOTH,
		"Long body without shadows; the sign is the candle's colour"),
		NULL },
	[PAT_CLOSINGMARUBOZU] = { ROW(CLOSINGMARUBOZU, "closing_marubozu", 10, 1, PAT_BOTH,
		"Long body that closes at its extreme; the sign is the candle's colour"),
		NULL },
	[PAT_BELTHOLD] = { ROW(BELTHOLD, "belt_hold", 10, 1, PAT_BOTH,
		"Long body that opens at its extreme; the sign is the candle's colour"),
		NULL },

	[PAT_HAMMER] = { ROW(HAMMER, "hammer", 11, 2, PAT_BULL,
		"Short body, long lower shadow, no upper one, at or under the last low"),
		NULL },
	[PAT_HANGINGMAN] = { ROW(HANGINGMAN, "hanging_man", 11, 2, PAT_BEAR,
		"Short body, long lower shadow, no upper one, at or over the last high"),
		NULL },
	[PAT_INVERTEDHAMMER] = { ROW(INVERTEDHAMMER, "inverted_hammer", 11, 2, PAT_BULL,
		"Short body, long upper shadow, no lower one, under a body gap"),
		NULL },
	[PAT_SHOOTINGSTAR] = { ROW(SHOOTINGSTAR, "shooting_star", 11, 2, PAT_BEAR,
		"Short body, long upper shadow, no lower one, over a body gap"),
		NULL },
	[PAT_COUNTERATTACK] = { ROW(COUNTERATTACK, "counterattack", 11, 2, PAT_BOTH,
		"Two long bodies of opposite colour that close at the same price"),
		NULL },
	[PAT_DARKCLOUDCOVER] = { ROW(DARKCLOUDCOVER, "dark_cloud_cover", 11, 2, PAT_BEAR,
		"Long white, then a black that opens over its high and closes below half its body"),
		more_darkcloudcover },
	[PAT_DOJISTAR] = { ROW(DOJISTAR, "doji_star", 11, 2, PAT_BOTH,
		"Long body, then a doji beyond a body gap in its direction"),
		NULL },
	[PAT_ENGULFING] = { ROW(ENGULFING, "engulfing", 2, 2, PAT_BOTH,
		"A body that covers the last one of opposite colour; 80 if one edge is shared"),
		NULL },
	[PAT_HARAMI] = { ROW(HARAMI, "harami", 11, 2, PAT_BOTH,
		"Long body, then a short one inside it; 80 if one edge is shared"),
		NULL },
	[PAT_HARAMICROSS] = { ROW(HARAMICROSS, "harami_cross", 11, 2, PAT_BOTH,
		"Long body, then a doji inside it; 80 if one edge is shared"),
		NULL },
	[PAT_HOMINGPIGEON] = { ROW(HOMINGPIGEON, "homing_pigeon", 11, 2, PAT_BULL,
		"Long black, then a short black inside its body"),
		NULL },
	[PAT_INNECK] = { ROW(INNECK, "in_neck", 11, 2, PAT_BEAR,
		"Long black, then a white from under its low that closes just at its close"),
		more_inneck },
	[PAT_ONNECK] = { ROW(ONNECK, "on_neck", 11, 2, PAT_BEAR,
		"Long black, then a white from under its low that closes at its low"),
		more_onneck },
	[PAT_THRUSTING] = { ROW(THRUSTING, "thrusting", 11, 2, PAT_BEAR,
		"Long black, then a white from under its low that closes in its lower half"),
		more_thrusting },
	[PAT_PIERCING] = { ROW(PIERCING, "piercing", 11, 2, PAT_BULL,
		"Long black, then a long white from under its low that closes in its upper half"),
		more_piercing },
	[PAT_KICKING] = { ROW(KICKING, "kicking", 11, 2, PAT_BOTH,
		"Two marubozus of opposite colour with a gap against the first"),
		NULL },
	[PAT_KICKINGBYLENGTH] = { ROW(KICKINGBYLENGTH, "kicking_by_length", 11, 2, PAT_BOTH,
		"Kicking; the sign is the colour of the longer candle"),
		more_kickingbylength },
	[PAT_MATCHINGLOW] = { ROW(MATCHINGLOW, "matching_low", 6, 2, PAT_BULL,
		"Two blacks that close at the same price"),
		NULL },
	[PAT_SEPARATINGLINES] = { ROW(SEPARATINGLINES, "separating_lines", 11, 2, PAT_BOTH,
		"Opposite colours with the same open, the second a long belt hold"),
		NULL },

	[PAT_2CROWS] = { ROW(2CROWS, "two_crows", 12, 3, PAT_BEAR,
		"Long white, a black over a body gap, a black from its body into the first one's"),
		more_2crows },
	[PAT_3INSIDE] = { ROW(3INSIDE, "three_inside", 12, 3, PAT_BOTH,
		"Harami, then a candle of the other colour that closes beyond the first open"),
		more_3inside },
	[PAT_3OUTSIDE] = { ROW(3OUTSIDE, "three_outside", 3, 3, PAT_BOTH,
		"Engulfing, then a close further in its direction"),
		more_3outside },
	[PAT_3STARSINSOUTH] = { ROW(3STARSINSOUTH, "three_stars_in_south", 12, 3, PAT_BULL,
		"Three ever smaller blacks with ever higher lows, the last one a small marubozu"),
		more_3starsinsouth },
	[PAT_3WHITESOLDIERS] = { ROW(3WHITESOLDIERS, "three_white_soldiers", 12, 3, PAT_BULL,
		"Three whites without upper shadows, each from the last body to a higher close"),
		more_3whitesoldiers },
	[PAT_ABANDONEDBABY] = { ROW(ABANDONEDBABY, "abandoned_baby", 12, 3, PAT_BOTH,
		"Long body, a doji gapped away on both sides, a candle back into the first body"),
		more_abandonedbaby },
	[PAT_ADVANCEBLOCK] = { ROW(ADVANCEBLOCK, "advance_block", 12, 3, PAT_BEAR,
		"Three whites with higher closes that lose strength"),
		more_advanceblock },
	[PAT_EVENINGDOJISTAR] = { ROW(EVENINGDOJISTAR, "evening_doji_star", 12, 3, PAT_BEAR,
		"Long white, a doji over a body gap, a black well into the white's body"),
		more_evening },
	[PAT_EVENINGSTAR] = { ROW(EVENINGSTAR, "evening_star", 12, 3, PAT_BEAR,
		"Long white, a short body over a body gap, a black well into the white's body"),
		more_evening },
	[PAT_GAPSIDESIDEWHITE] = { ROW(GAPSIDESIDEWHITE, "gap_side_by_side_white", 7, 3, PAT_BOTH,
		"Two like whites side by side beyond a body gap"),
		more_gapsidesidewhite },
	[PAT_IDENTICAL3CROWS] = { ROW(IDENTICAL3CROWS, "identical_three_crows", 12, 3, PAT_BEAR,
		"Three blacks without lower shadows, each opening at the last close"),
		more_identical3crows },
	[PAT_MORNINGDOJISTAR] = { ROW(MORNINGDOJISTAR, "morning_doji_star", 12, 3, PAT_BULL,
		"Long black, a doji under a body gap, a white well into the black's body"),
		more_morning },
	[PAT_MORNINGSTAR] = { ROW(MORNINGSTAR, "morning_star", 12, 3, PAT_BULL,
		"Long black, a short body under a body gap, a white well into the black's body"),
		more_morning },
	[PAT_STALLEDPATTERN] = { ROW(STALLEDPATTERN, "stalled_pattern", 12, 3, PAT_BEAR,
		"Two long whites with higher closes, then a small white on their shoulder"),
		more_stalledpattern },
	[PAT_STICKSANDWICH] = { ROW(STICKSANDWICH, "stick_sandwich", 7, 3, PAT_BULL,
		"A white that trades over the close of the black before it, between blacks of equal close"),
		more_sticksandwich },
	[PAT_TASUKIGAP] = { ROW(TASUKIGAP, "tasuki_gap", 7, 3, PAT_BOTH,
		"A body gap, then a candle of the other colour, alike in size, into the gap"),
		more_tasukigap },
	[PAT_TRISTAR] = { ROW(TRISTAR, "tristar", 12, 3, PAT_BOTH,
		"Three dojis, the middle one beyond a body gap"),
		more_tristar },
	[PAT_UNIQUE3RIVER] = { ROW(UNIQUE3RIVER, "unique_three_river", 12, 3, PAT_BULL,
		"Long black, a black harami with a new low, a small white above that low"),
		more_unique3river },
	[PAT_UPSIDEGAP2CROWS] = { ROW(UPSIDEGAP2CROWS, "upside_gap_two_crows", 12, 3, PAT_BEAR,
		"Long white, a small black over a body gap, a black engulfing it above the white's close"),
		more_upsidegap2crows },
	[PAT_XSIDEGAP3METHODS] = { ROW(XSIDEGAP3METHODS, "gap_three_methods", 2, 3, PAT_BOTH,
		"Two of a colour with a body gap in their direction, then the other colour closing it"),
		more_xsidegap3methods },

	[PAT_3BLACKCROWS] = { ROW(3BLACKCROWS, "three_black_crows", 13, 4, PAT_BEAR,
		"After a white, three blacks without lower shadows, each from the last body to a lower close"),
		more_3blackcrows },
	[PAT_3LINESTRIKE] = { ROW(3LINESTRIKE, "three_line_strike", 8, 4, PAT_BOTH,
		"Three of a colour with ever further closes, then one that takes them all back"),
		more_3linestrike },
	[PAT_CONCEALBABYSWALL] = { ROW(CONCEALBABYSWALL, "concealing_baby_swallow", 13, 4, PAT_BULL,
		"Two black marubozus, a black under a gap that trades up into them, a black that engulfs it"),
		more_concealbabyswall },

	[PAT_BREAKAWAY] = { ROW(BREAKAWAY, "breakaway", 14, 5, PAT_BOTH,
		"Long body, a gap and two more candles in its direction, then one back into the gap"),
		more_breakaway },
	[PAT_LADDERBOTTOM] = { ROW(LADDERBOTTOM, "ladder_bottom", 14, 5, PAT_BULL,
		"Three falling blacks, a black with an upper shadow, a white that closes over its high"),
		more_ladderbottom },
	[PAT_MATHOLD] = { ROW(MATHOLD, "mat_hold", 14, 5, PAT_BULL,
		"Long white, a gap up, three small candles that hold its upper half, a white to a new high"),
		more_mathold },
	[PAT_RISEFALL3METHODS] = { ROW(RISEFALL3METHODS, "rising_falling_three_methods", 14, 5, PAT_BOTH,
		"Long body, three small ones against it inside its range, a long one that goes on"),
		more_risefall3methods },

	[PAT_HIKKAKE] = { ROW(HIKKAKE, "hikkake", 5, 3, PAT_BOTH,
		"Inside bar, then a false break of it; 200 when the close turns back through within 3 candles"),
		NULL },
	[PAT_HIKKAKEMOD] = { ROW(HIKKAKEMOD, "modified_hikkake", 10, 4, PAT_BOTH,
		"Hikkake after two inside bars, the first closing near the extreme that breaks"),
		NULL },
};
