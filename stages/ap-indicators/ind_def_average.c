/*
 * ind_def_average.c - moving averages and prices put together.
 */
#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

/* Averages of one value: period and source, the kind of average last. */
#define AVERAGE(fn, kind) \
	static const char *fn(struct ind_build *b, const double *p, struct ind_ref *out) \
	{ \
		out[0] = ind_ma(b, ind_source(b, p[1]), ind_u32(p[0]), kind); \
		return NULL; \
	}
AVERAGE(sma, MA_SMA)
AVERAGE(wma, MA_WMA)
AVERAGE(dema, MA_DEMA)
AVERAGE(tema, MA_TEMA)
AVERAGE(trima, MA_TRIMA)
AVERAGE(rma, MA_RMA)

static const char *ema(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_ema_n(b, ind_source(b, p[1]), ind_u32(p[0]), p[2] != 0);
	return NULL;
}

static const char *kama(struct ind_build *b, const double *p, struct ind_ref *out)
{
	if (p[1] >= p[2])
		return "fast must be below slow";
	out[0] = ind_kama(b, ind_source(b, p[3]), ind_u32(p[0]), p[1], p[2]);
	return NULL;
}

static const char *hma(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_wma(b, ind_lin(b, 2, ind_wma(b, x, n / 2), -1, ind_wma(b, x, n)), (uint32_t)sqrt(p[0]));
	return NULL;
}

static const char *vwma(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref v = ind_in(b, IN_V), x = ind_mul(b, ind_source(b, p[1]), v);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_ratio(b, 1, ind_sum(b, x, n), ind_sum(b, v, n), (double)NAN);
	return NULL;
}

static const char *zlema(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]), lag = (n - 1) / 2;

	if (lag > 0)
		x = ind_lin(b, 2, x, -1, ind_lag(b, x, lag));
	out[0] = ind_ema_n(b, x, n, p[2] != 0);
	return NULL;
}

static const char *t3(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_t3(b, ind_source(b, p[2]), ind_u32(p[0]), p[1]);
	return NULL;
}

static const char *midpoint(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_lin(b, 0.5, ind_high(b, x, n), 0.5, ind_low(b, x, n));
	return NULL;
}

static const char *midprice(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_lin(b, 0.5, ind_high(b, ind_in(b, IN_H), n), 0.5, ind_low(b, ind_in(b, IN_L), n));
	return NULL;
}

static const char *vwap(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref v = ind_in(b, IN_V), pv = p[2] != 0 ? ind_in(b, IN_QV) : ind_mul(b, ind_typical(b), v);

	if (p[0] > 0 && p[1] >= p[0])
		return "offset must be below session";
	out[0] = ind_op(b, (struct ind_op){ .code = OP_SESSION, .k = { p[0] * 1000.0, p[1] * 1000.0 } },
			(struct ind_ref[]){ pv, v }, 2, 1, 0);
	ind_absent(b, out[0]);
	return NULL;
}

static const char *vwap_rolling(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref v = ind_in(b, IN_V), pv = p[1] != 0 ? ind_in(b, IN_QV) : ind_mul(b, ind_typical(b), v);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_ratio(b, 1, ind_sum(b, pv, n), ind_sum(b, v, n), (double)NAN);
	return NULL;
}

static const char *avgprice(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_source(b, 6);
	return NULL;
}

static const char *medprice(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_median(b);
	return NULL;
}

static const char *typprice(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_typical(b);
	return NULL;
}

static const char *wclprice(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C);

	(void)p;
	out[0] = ind_lin4(b, (double[]){ 0.25, 0.25, 0.5, 0 },
			  (struct ind_ref[]){ ind_in(b, IN_H), ind_in(b, IN_L), c, c });
	return NULL;
}

#define FLAT_SELF "the price itself"
static const struct ind_def defs[] = {
	{ "SMA", "simple moving average", "source", { P_PERIOD("period", 20, 1), P_SOURCE }, { "value" },
	  "period-1", "mean of the last *period* values", FLAT_SELF, "SMA", sma },
	{ "EMA", "exponential moving average", "source", { P_PERIOD("period", 20, 1), P_SOURCE, P_SEED },
	  { "value" }, "seed ? 0 : period-1",
	  "e += 2/(period+1) (x - e), begun with the mean of the first *period* values (tv: with the first value)",
	  FLAT_SELF, "EMA", ema },
	{ "WMA", "weighted moving average", "source", { P_PERIOD("period", 20, 1), P_SOURCE }, { "value" },
	  "period-1", "mean with weights 1 (oldest) to *period* (newest)", FLAT_SELF, "WMA", wma },
	{ "DEMA", "double exponential moving average", "source", { P_PERIOD("period", 20, 1), P_SOURCE },
	  { "value" }, "2*(period-1)", "2 EMA(x) - EMA(EMA(x))", FLAT_SELF, "DEMA", dema },
	{ "TEMA", "triple exponential moving average", "source", { P_PERIOD("period", 20, 1), P_SOURCE },
	  { "value" }, "3*(period-1)", "3 EMA(x) - 3 EMA(EMA(x)) + EMA(EMA(EMA(x)))", FLAT_SELF, "TEMA", tema },
	{ "TRIMA", "triangular moving average", "source", { P_PERIOD("period", 30, 1), P_SOURCE }, { "value" },
	  "period-1", "SMA of SMA, windows of half the period each", FLAT_SELF, "TRIMA", trima },
	{ "KAMA", "Kaufman adaptive moving average", "source",
	  { P_PERIOD("period", 30, 2), P_REAL("fast", 2, 1, 100), P_REAL("slow", 30, 2, 1000), P_SOURCE },
	  { "value" }, "period",
	  "m += (e (2/(fast+1) - 2/(slow+1)) + 2/(slow+1))^2 (x - m), e = |change over period| / sum of |changes|, "
	  "begun with the close before", "stays where it is (e = 1)", "KAMA (fast 2, slow 30)", kama },
	{ "HMA", "Hull moving average", "source", { P_PERIOD("period", 16, 2), P_SOURCE }, { "value" },
	  "period-1+isqrt(period)-1", "WMA(2 WMA(x, period/2) - WMA(x, period), sqrt(period)), rounded down",
	  FLAT_SELF, "none", hma },
	{ "VWMA", "volume-weighted moving average", "source, volume", { P_PERIOD("period", 20, 1), P_SOURCE },
	  { "value" }, "period-1", "sum(x volume) / sum(volume) over the period",
	  "the price itself; no value while the window has no volume", "none", vwma },
	{ "ZLEMA", "zero-lag exponential moving average", "source",
	  { P_PERIOD("period", 20, 1), P_SOURCE, P_SEED }, { "value" },
	  "seed ? (period-1)/2 : (period-1)/2+period-1", "EMA of 2 x - x[(period-1)/2 candles ago]", FLAT_SELF,
	  "none", zlema },
	{ "T3", "Tillson's T3", "source", { P_PERIOD("period", 5, 1), P_REAL("vfactor", 0.7, 0, 1), P_SOURCE },
	  { "value" }, "6*(period-1)",
	  "c1 e6 + c2 e5 + c3 e4 + c4 e3 of a sixfold EMA, c1 = -v^3, c2 = 3 v^2 + 3 v^3, c3 = -6 v^2 - 3 v - 3 v^3, "
	  "c4 = 1 + 3 v + 3 v^2 + v^3", FLAT_SELF, "T3", t3 },
	{ "RMA", "Wilder's moving average", "source", { P_PERIOD("period", 14, 1), P_SOURCE }, { "value" },
	  "period-1", "e += (x - e) / period, begun with the mean of the first *period* values", FLAT_SELF, "none",
	  rma },
	{ "MIDPOINT", "middle of the extremes", "source", { P_PERIOD("period", 14, 1), P_SOURCE }, { "value" },
	  "period-1", "(highest + lowest) / 2 of the last *period* values", FLAT_SELF, "MIDPOINT", midpoint },
	{ "MIDPRICE", "middle of high and low", "high, low", { P_PERIOD("period", 14, 1) }, { "value" },
	  "period-1", "(highest high + lowest low) / 2", FLAT_SELF, "MIDPRICE", midprice },
	{ "VWAP", "volume-weighted average price of the session", "high, low, close, volume",
	  { P_REAL("session", 86400, 0, 31622400), { "offset", IND_REAL, 0, 0, 31622400, NULL, true },
	    P_WORD("price", 0, "typical|quote", 2) }, { "value" }, "0",
	  "sum(price volume) / sum(volume) since the session began; sessions of *session* seconds (0: one for ever) "
	  "begin *offset* seconds after UTC midnight; *quote* takes the exact turnover instead of (h+l+c)/3 volume",
	  "the price itself; no value until the session has volume", "none", vwap },
	{ "VWAP_ROLLING", "volume-weighted average price of a window", "high, low, close, volume",
	  { P_PERIOD("period", 20, 1), P_WORD("price", 0, "typical|quote", 2) }, { "value" }, "period-1",
	  "sum(price volume) / sum(volume) over the period", "the price itself; no value without volume", "none",
	  vwap_rolling },
	{ "AVGPRICE", "average price", "open, high, low, close", { { 0 } }, { "value" }, "0", "(o + h + l + c) / 4",
	  FLAT_SELF, "AVGPRICE", avgprice },
	{ "MEDPRICE", "median price", "high, low", { { 0 } }, { "value" }, "0", "(h + l) / 2", FLAT_SELF,
	  "MEDPRICE", medprice },
	{ "TYPPRICE", "typical price", "high, low, close", { { 0 } }, { "value" }, "0", "(h + l + c) / 3", FLAT_SELF,
	  "TYPPRICE", typprice },
	{ "WCLPRICE", "weighted close price", "high, low, close", { { 0 } }, { "value" }, "0", "(h + l + 2 c) / 4",
	  FLAT_SELF, "WCLPRICE", wclprice },
};
GROUP(ind_group_average, "Averages", defs);
