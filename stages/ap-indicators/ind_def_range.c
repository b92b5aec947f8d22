/*
 * ind_def_range.c - how wide: true range, bands and channels.
 */
#include "stages/ap-indicators/ind_impl.h"

static const char *trange(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_true_range(b, p[0] != 0);
	return NULL;
}

static const char *atr(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_atr(b, ind_u32(p[0]), p[1] != 0);
	return NULL;
}

static const char *natr(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_ratio(b, 100, ind_atr(b, ind_u32(p[0]), p[1] != 0), ind_in(b, IN_C), 0);
	return NULL;
}

static const char *bbands(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[4]), m = ind_moments(b, x, ind_u32(p[0]));
	struct ind_ref mid = p[3] == MA_SMA ? m : ind_ma(b, x, ind_u32(p[0]), (enum ind_ma)p[3]);
	double down = p[2] > 0 ? p[2] : p[1];

	out[0] = ind_op(b, (struct ind_op){ .code = OP_BANDS, .n = p[3] == MA_SMA ? ind_u32(p[0]) : 0,
					    .ring = { ind_ring(b, x, ind_u32(p[0])), 0 }, .k = { p[1], down } },
			(struct ind_ref[]){ mid, ind_out(m, 1) }, 2, 2, 0);
	out[1] = mid;
	out[2] = ind_out(out[0], 1);
	return NULL;
}

static const char *bbwidth(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[2]), m = ind_moments(b, x, ind_u32(p[0]));
	struct ind_ref dev = ind_sqrt(b, p[1], 1, ind_out(m, 1));

	out[0] = ind_ratio(b, 200, dev, m, 0);
	/* (x - lower) / (upper - lower) = 0.5 + (x - mean) / (2 k dev) */
	out[1] = ind_op(b, (struct ind_op){ .code = OP_PERCENT_B }, (struct ind_ref[]){ x, m, dev }, 3, 1, 0);
	return NULL;
}

static const char *keltner(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref e = ind_ema_n(b, ind_source(b, p[4]), ind_u32(p[0]), false);
	struct ind_ref a = ind_atr(b, ind_u32(p[2]), p[3] != 0);

	out[0] = ind_lin(b, 1, e, p[1], a);
	out[1] = e;
	out[2] = ind_lin(b, 1, e, -p[1], a);
	return NULL;
}

static const char *donchian(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_high(b, ind_in(b, IN_H), ind_u32(p[0]));
	out[2] = ind_low(b, ind_in(b, IN_L), ind_u32(p[0]));
	out[1] = ind_lin(b, 0.5, out[0], 0.5, out[2]);
	return NULL;
}

static const char *accbands(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L);
	struct ind_ref r = ind_ratio(b, 4, ind_sub(b, h, l), ind_lin(b, 1, h, 1, l), 0);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_moments(b, ind_lin(b, 1, h, 1, ind_mul(b, h, r)), n);
	out[1] = ind_moments(b, ind_in(b, IN_C), n);
	out[2] = ind_moments(b, ind_lin(b, 1, l, -1, ind_mul(b, l, r)), n);
	return NULL;
}

static const char *chaikin(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref e = ind_sub(b, ind_in(b, IN_H), ind_in(b, IN_L));

	e = ind_ema_n(b, e, ind_u32(p[0]), p[2] != 0);
	out[0] = ind_change(b, 100, e, ind_lag(b, e, ind_u32(p[1])));
	return NULL;
}

#define TV_TR " (tv: the first true range is h - l)"
static const struct ind_def defs[] = {
	{ "TRANGE", "true range", "high, low, close", { P_SEED }, { "value" }, "seed ? 0 : 1",
	  "max(h - l, |h - c[1]|, |l - c[1]|)" TV_TR, "0", "TRANGE", trange },
	{ "ATR", "average true range", "high, low, close", { P_PERIOD("period", 14, 1), P_SEED }, { "value" },
	  "seed ? period-1 : period", "Wilder's mean of the true range" TV_TR, "0 from the start, else decays to 0",
	  "ATR", atr },
	{ "NATR", "normalised average true range", "high, low, close", { P_PERIOD("period", 14, 1), P_SEED },
	  { "value" }, "seed ? period-1 : period", "100 ATR / c", "as ATR", "NATR", natr },
	{ "BBANDS", "Bollinger bands", "source",
	  { P_PERIOD("period", 20, 2), P_REAL("k", 2, 0, 100), { "k_down", IND_REAL, 0, 0, 100, NULL, true },
	    P_MA("ma", 0), P_SOURCE }, { "upper", "middle", "lower" }, "",
	  "average +- k population standard deviations of the same window (k_down 0: as k)",
	  "all three the price itself", "BBANDS (deviations k, k_down)", bbands },
	{ "BBWIDTH", "Bollinger band width and position", "source",
	  { P_PERIOD("period", 20, 2), P_REAL("k", 2, 0.01, 100), P_SOURCE }, { "width", "percent_b" }, "period-1",
	  "width = 100 (upper - lower) / middle; percent_b = (x - lower) / (upper - lower)",
	  "width 0, percent_b 0.5", "none", bbwidth },
	{ "KELTNER", "Keltner channels", "source, high, low, close",
	  { P_PERIOD("period", 20, 1), P_REAL("k", 2, 0, 100), P_PERIOD("atr", 10, 1),
	    P_WORD("seed", 1, "talib|tv", 2), P_SOURCE }, { "upper", "middle", "lower" },
	  "max(period-1, atr-seed), period-1, max(period-1, atr-seed)", "EMA(x, period) +- k ATR(atr)" TV_TR,
	  "close in on the price", "none", keltner },
	{ "DONCHIAN", "Donchian channels", "high, low", { P_PERIOD("period", 20, 1) },
	  { "upper", "middle", "lower" }, "period-1", "highest high, lowest low, their middle", "all the price itself",
	  "none (MAX, MIN, MIDPRICE)", donchian },
	{ "ACCBANDS", "acceleration bands", "high, low, close", { P_PERIOD("period", 20, 2) },
	  { "upper", "middle", "lower" }, "period-1",
	  "SMA(h (1 + 4 (h - l) / (h + l))), SMA(c), SMA(l (1 - 4 (h - l) / (h + l)))", "all the price itself",
	  "ACCBANDS", accbands },
	{ "CHAIKIN_VOL", "Chaikin volatility", "high, low",
	  { P_PERIOD("period", 10, 1), P_PERIOD("change", 10, 1), P_SEED }, { "value" },
	  "seed ? change : period-1+change", "100 (e / e[change] - 1), e = EMA(h - l)",
	  "0 where the old value is 0", "none", chaikin },
};
GROUP(ind_group_range, "Range, bands and channels", defs);
