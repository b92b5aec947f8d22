/*
 * ind_def_direction.c - is there a trend, and which way: directional movement, Aroon, stops that follow.
 */
#include "stages/ap-indicators/ind_impl.h"

static struct ind_ref dm(struct ind_build *b)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L);

	return ind_op(b, (struct ind_op){ .code = OP_DM },
		      (struct ind_ref[]){ h, l, ind_lag(b, h, 1), ind_lag(b, l, 1) }, 4, 2, 0);
}

/* TA-Lib's sum, or TradingView's mean: the ratio of two of either is what matters. */
static struct ind_ref smooth(struct ind_build *b, struct ind_ref x, uint32_t n, bool tv)
{
	if (tv)
		return ind_rma(b, x, n);
	return ind_op(b, (struct ind_op){ .code = OP_WILDER, .n = n, .k = { 1.0 / (double)n } }, &x, 1, 1, n - 2);
}

struct dmi { struct ind_ref plus, minus, range, dx, adx; };

static struct dmi dmi(struct ind_build *b, uint32_t n, bool tv)
{
	struct ind_ref d = dm(b);
	struct dmi r;

	r.range = smooth(b, ind_true_range(b, false), n, tv);
	r.plus = ind_from(ind_ratio(b, 100, smooth(b, d, n, tv), r.range, 0), n);
	r.minus = ind_from(ind_ratio(b, 100, smooth(b, ind_out(d, 1), n, tv), r.range, 0), n);
	r.dx = ind_op(b, (struct ind_op){ .code = OP_DX }, (struct ind_ref[]){ r.plus, r.minus, r.range }, 3, 1,
		      0);
	r.adx = ind_op(b, (struct ind_op){ .code = OP_ADX, .n = n, .k = { 1.0 / (double)n } },
		       (struct ind_ref[]){ r.plus, r.minus, r.range, r.dx }, 4, 1, n - 1);
	return r;
}

static const char *plus_di(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = dmi(b, ind_u32(p[0]), p[1] != 0).plus;
	return NULL;
}

static const char *minus_di(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = dmi(b, ind_u32(p[0]), p[1] != 0).minus;
	return NULL;
}

static const char *dx(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = dmi(b, ind_u32(p[0]), p[1] != 0).dx;
	return NULL;
}

static const char *adx(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = dmi(b, ind_u32(p[0]), p[1] != 0).adx;
	return NULL;
}

static const char *adxr(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref a = dmi(b, ind_u32(p[0]), p[1] != 0).adx;

	out[0] = ind_lin(b, 0.5, a, 0.5, ind_lag(b, a, ind_u32(p[0]) - 1));
	return NULL;
}

static const char *plus_dm(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = smooth(b, dm(b), ind_u32(p[0]), false);
	return NULL;
}

static const char *minus_dm(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = smooth(b, ind_out(dm(b), 1), ind_u32(p[0]), false);
	return NULL;
}

/* 100 (n - age) / n */
static struct ind_ref aroon_line(struct ind_build *b, struct ind_ref age, double n)
{
	return ind_op(b, (struct ind_op){ .code = OP_AROON, .k = { n } }, &age, 1, 1, 0);
}

static const char *aroon(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);

	out[0] = aroon_line(b, ind_low_age(b, ind_in(b, IN_L), n + 1), p[0]);
	out[1] = aroon_line(b, ind_high_age(b, ind_in(b, IN_H), n + 1), p[0]);
	return NULL;
}

static const char *aroonosc(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref line[2];

	aroon(b, p, line);
	out[0] = ind_sub(b, line[1], line[0]);
	return NULL;
}

static const char *sar(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L);
	double step = p[0] > p[1] ? p[1] : p[0];

	out[0] = ind_op(b, (struct ind_op){ .code = OP_SAR, .k = { step, p[1] } },
			(struct ind_ref[]){ h, l, ind_lag(b, h, 1), ind_lag(b, l, 1) }, 4, 1, 0);
	return NULL;
}

static const char *supertrend(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C), pc = ind_lag(b, c, 1);
	struct ind_ref in[4] = { ind_median(b), ind_atr(b, ind_u32(p[0]), p[2] != 0), c, pc };

	/* The close before is read from the second value on. */
	in[3].first = 0;
	out[0] = ind_op(b, (struct ind_op){ .code = OP_TREND, .k = { p[1] } }, in, 4, 2, 0);
	out[1] = ind_out(out[0], 1);
	return NULL;
}

static const char *vortex(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L), tr;
	uint32_t n = ind_u32(p[0]);

	tr = ind_sum(b, ind_true_range(b, false), n);
	out[0] = ind_ratio(b, 1, ind_sum(b, ind_absdiff(b, h, ind_lag(b, l, 1)), n), tr, 0);
	out[1] = ind_ratio(b, 1, ind_sum(b, ind_absdiff(b, l, ind_lag(b, h, 1)), n), tr, 0);
	return NULL;
}

static const char *ichimoku(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L), mid[3];

	for (int i = 0; i < 3; i++)
		mid[i] = ind_lin(b, 0.5, ind_high(b, h, ind_u32(p[i])), 0.5, ind_low(b, l, ind_u32(p[i])));
	out[0] = mid[0];
	out[1] = mid[1];
	out[2] = ind_lin(b, 0.5, mid[0], 0.5, mid[1]);
	out[3] = mid[2];
	out[4] = ind_lag(b, out[2], ind_u32(p[3]));
	out[5] = ind_lag(b, out[3], ind_u32(p[3]));
	return NULL;
}

#define P_N P_PERIOD("period", 14, 2)
#define TV_DMI "; tv: both means begun with the plain mean of *period* values"
#define FLAT_DI "0 where the true range is 0"
static const struct ind_def defs[] = {
	{ "ADX", "average directional movement index", "high, low, close", { P_N, P_SEED }, { "value" },
	  "2*period-1", "Wilder's mean of DX, begun with the plain mean of the first *period*" TV_DMI,
	  "stays where it is", "ADX", adx },
	{ "ADXR", "ADX rating", "high, low, close", { P_N, P_SEED }, { "value" }, "3*period-2",
	  "(ADX + ADX[period-1]) / 2", "stays where it is", "ADXR", adxr },
	{ "DX", "directional movement index", "high, low, close", { P_N, P_SEED }, { "value" }, "period",
	  "100 |+DI - -DI| / (+DI + -DI)", "the last value; 0 before any movement", "DX", dx },
	{ "PLUS_DI", "plus directional indicator", "high, low, close", { P_N, P_SEED }, { "value" }, "period",
	  "100 s(+DM) / s(true range), s = s - s/period + x, begun with the sum of the first period-1" TV_DMI, FLAT_DI,
	  "PLUS_DI", plus_di },
	{ "MINUS_DI", "minus directional indicator", "high, low, close", { P_N, P_SEED }, { "value" }, "period",
	  "100 s(-DM) / s(true range), as PLUS_DI", FLAT_DI, "MINUS_DI", minus_di },
	{ "PLUS_DM", "plus directional movement", "high, low", { P_N }, { "value" }, "period-1",
	  "s = s - s/period + DM, DM = h - h[1] where that is positive and above l[1] - l", "decays to 0", "PLUS_DM",
	  plus_dm },
	{ "MINUS_DM", "minus directional movement", "high, low", { P_N }, { "value" }, "period-1",
	  "s = s - s/period + DM, DM = l[1] - l where that is positive and above h - h[1]", "decays to 0",
	  "MINUS_DM", minus_dm },
	{ "AROON", "Aroon", "high, low", { P_PERIOD("period", 25, 1) }, { "down", "up" }, "period",
	  "100 (period - candles since the extreme) / period over period+1 candles; of equals the latest counts",
	  "100 (the latest candle is both extremes)", "AROON", aroon },
	{ "AROONOSC", "Aroon oscillator", "high, low", { P_PERIOD("period", 25, 1) }, { "value" }, "period",
	  "up - down of AROON", "0", "AROONOSC", aroonosc },
	{ "SAR", "parabolic stop and reverse", "high, low",
	  { P_REAL("step", 0.02, 0, 100), P_REAL("limit", 0.2, 0, 100) }, { "value" }, "1",
	  "s += a (extreme - s), a grows by *step* with each new extreme up to *limit*; reversed when touched",
	  "the price itself", "SAR", sar },
	{ "SUPERTREND", "SuperTrend", "high, low, close",
	  { P_PERIOD("period", 10, 1), P_REAL("k", 3, 0, 100), P_WORD("seed", 1, "talib|tv", 2) }, { "line", "dir" },
	  "seed ? period-1 : period",
	  "(h + l) / 2 -+ k ATR; a band only tightens until the close has crossed it; dir -1 rising, 1 falling",
	  "the price itself once ATR is 0", "none", supertrend },
	{ "VORTEX", "vortex indicator", "high, low, close", { P_N }, { "plus", "minus" }, "period",
	  "sum |h - l[1]| / sum(true range), sum |l - h[1]| / sum(true range)", "0 where the true range is 0", "none",
	  vortex },
	{ "ICHIMOKU", "Ichimoku", "high, low",
	  { P_PERIOD("conversion", 9, 1), P_PERIOD("base", 26, 1), P_PERIOD("span", 52, 1), P_PERIOD("shift", 26, 1) },
	  { "tenkan", "kijun", "span_a", "span_b", "cloud_a", "cloud_b" },
	  "conversion-1, base-1, max(conversion,base)-1, span-1, max(conversion,base)-1+shift, span-1+shift",
	  "middles of the extremes over conversion, base, span; span_a = (tenkan + kijun) / 2; cloud = the spans *shift* "
	  "candles ago, that is where a chart shows them now", "the price itself", "none", ichimoku },
};
GROUP(ind_group_direction, "Direction and trend", defs);
