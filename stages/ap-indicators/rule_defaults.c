/*
 * rule_defaults.c - the rules of an installation that configures none.
 *
 * Five well-known ideas, long and short, as text like a user's own. They are
 * examples to measure, not advice; the outcome records say how they do. The
 * confidence of each is a base and what its inputs add to it, in the units
 * its comment gives; the language clamps it to 0..1.
 */
#include "stages/ap-indicators/rule.h"

#define PARTS(when, entry, stop, target, confidence) \
	{ [RULE_WHEN] = (when), [RULE_ENTRY] = (entry), [RULE_STOP] = (stop), [RULE_TARGET] = (target), \
	  [RULE_CONFIDENCE] = (confidence) }

static const struct rule_def defaults[] = {
	/* 0.5, and up to 0.3 for how far the fast average has moved in 5 candles, in ATRs. */
	{ "ma_cross_long", RULE_LONG, PARTS(
		"cross_over(sma20, sma50) and rsi14 < 70",
		"close",
		"entry - 2 * atr14",
		"entry + 2 * (entry - stop)",
		"0.5 + min(0.3, max(0, 0.3 * (sma20 - sma20[5]) / atr14))"), 48, 5 },
	{ "ma_cross_short", RULE_SHORT, PARTS(
		"cross_under(sma20, sma50) and rsi14 > 30",
		"close",
		"entry + 2 * atr14",
		"entry - 2 * (stop - entry)",
		"0.5 + min(0.3, max(0, 0.3 * (sma20[5] - sma20) / atr14))"), 48, 5 },

	/* 0.4, and 0.02 for every point the RSI had been beyond its bound in the last two candles, at most 0.4. */
	{ "rsi_reversal_long", RULE_LONG, PARTS(
		"cross_over(rsi14, 30)",
		"close",
		"min(low, low[1], low[2]) - 0.5 * atr14",
		"entry + 1.5 * (entry - stop)",
		"0.4 + min(0.4, 0.02 * (30 - min(rsi14[1], rsi14[2])))"), 24, 5 },
	{ "rsi_reversal_short", RULE_SHORT, PARTS(
		"cross_under(rsi14, 70)",
		"close",
		"max(high, high[1], high[2]) + 0.5 * atr14",
		"entry - 1.5 * (stop - entry)",
		"0.4 + min(0.4, 0.02 * (max(rsi14[1], rsi14[2]) - 70))"), 24, 5 },

	/* 0.4, and up to 0.4 for how far below (above) zero the lines cross, in ATRs. */
	{ "macd_cross_long", RULE_LONG, PARTS(
		"cross_over(macd, macd_signal) and macd < 0",
		"close",
		"entry - 2 * atr14",
		"entry + 2 * (entry - stop)",
		"0.4 + min(0.4, 0.2 * abs(macd) / atr14)"), 36, 5 },
	{ "macd_cross_short", RULE_SHORT, PARTS(
		"cross_under(macd, macd_signal) and macd > 0",
		"close",
		"entry + 2 * atr14",
		"entry - 2 * (stop - entry)",
		"0.4 + min(0.4, 0.2 * abs(macd) / atr14)"), 36, 5 },

	/*
	 * Squeeze: one candle ago the bands were inside 1.5 ATRs on either side of their middle. 0.5, and up to
	 * 0.3 for how much narrower than that they were.
	 */
	{ "squeeze_breakout_long", RULE_LONG, PARTS(
		"(bb_upper - bb_lower < 3 * atr14)[1] and close > bb_upper",
		"close",
		"bb_middle",
		"entry + 2 * (entry - stop)",
		"0.5 + 0.3 * (1 - (bb_upper[1] - bb_lower[1]) / (3 * atr14[1]))"), 36, 10 },
	{ "squeeze_breakout_short", RULE_SHORT, PARTS(
		"(bb_upper - bb_lower < 3 * atr14)[1] and close < bb_lower",
		"close",
		"bb_middle",
		"entry - 2 * (stop - entry)",
		"0.5 + 0.3 * (1 - (bb_upper[1] - bb_lower[1]) / (3 * atr14[1]))"), 36, 10 },

	/* 0.3, 0.2 times the pattern's strength (0.8 or 1), and up to 0.3 for the trend's slope, in ATRs. */
	{ "engulfing_trend_long", RULE_LONG, PARTS(
		"engulfing > 0 and close > ema50 and ema50 > ema50[5]",
		"close",
		"min(low, low[1]) - 0.25 * atr14",
		"entry + 2 * (entry - stop)",
		"0.3 + 0.2 * engulfing / 100 + min(0.3, 0.3 * (ema50 - ema50[5]) / atr14)"), 24, 3 },
	{ "engulfing_trend_short", RULE_SHORT, PARTS(
		"engulfing < 0 and close < ema50 and ema50 < ema50[5]",
		"close",
		"max(high, high[1]) + 0.25 * atr14",
		"entry - 2 * (stop - entry)",
		"0.3 - 0.2 * engulfing / 100 + min(0.3, 0.3 * (ema50[5] - ema50) / atr14)"), 24, 3 },
};

const struct rule_def *rule_defaults(size_t *n)
{
	*n = sizeof defaults / sizeof *defaults;
	return defaults;
}
