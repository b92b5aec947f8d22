/*
 * ind_def_volume.c - volume and the flow of orders.
 *
 * Order-flow measures use what the trades told: who took the liquidity, and how many trades there were.
 */
#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

static const char *obv(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C), in[3] = { c, ind_in(b, IN_V), ind_lag(b, c, 1) };

	in[2].first = 0;  /* not read at the first candle */
	out[0] = ind_cum(b, ind_op(b, (struct ind_op){ .code = OP_SIGNED, .m = p[0] != 0 }, in, 3, 1, 0));
	return NULL;
}

/* Where the close lies in the range, -1 to 1, times the volume. */
static struct ind_ref clv(struct ind_build *b)
{
	return ind_op(b, (struct ind_op){ .code = OP_CLV },
		      (struct ind_ref[]){ ind_in(b, IN_H), ind_in(b, IN_L), ind_in(b, IN_C), ind_in(b, IN_V) }, 4,
		      1, 0);
}

static const char *ad(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_cum(b, clv(b));
	return NULL;
}

static const char *adosc(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref a = ind_cum(b, clv(b));
	uint32_t slow = ind_u32(p[0] > p[1] ? p[0] : p[1]);

	out[0] = ind_from(ind_sub(b, ind_ema_n(b, a, ind_u32(p[0]), true), ind_ema_n(b, a, ind_u32(p[1]), true)),
			  slow - 1);
	return NULL;
}

static const char *mfi(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref tp = ind_typical(b), f;
	uint32_t n = ind_u32(p[0]);

	f = ind_op(b, (struct ind_op){ .code = OP_FLOW },
		   (struct ind_ref[]){ tp, ind_lag(b, tp, 1), ind_in(b, IN_V) }, 3, 2, 0);
	out[0] = ind_op(b, (struct ind_op){ .code = OP_MFI, .k = { p[1] } },
			(struct ind_ref[]){ ind_sum(b, f, n), ind_sum(b, ind_out(f, 1), n) }, 2, 1, 0);
	return NULL;
}

static const char *pvt(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C);

	(void)p;
	out[0] = ind_cum(b, ind_mul(b, ind_in(b, IN_V), ind_change(b, 1, c, ind_lag(b, c, 1))));
	return NULL;
}

static const char *cmf(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_ratio(b, 1, ind_sum(b, clv(b), n), ind_sum(b, ind_in(b, IN_V), n), (double)NAN);
	return NULL;
}

static const char *force(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C), f = ind_mul(b, ind_sub(b, c, ind_lag(b, c, 1)), ind_in(b, IN_V));

	out[0] = ind_ema_n(b, f, ind_u32(p[0]), p[1] != 0);
	return NULL;
}

static struct ind_ref delta_of(struct ind_build *b)
{
	return ind_sub(b, ind_in(b, IN_BUY), ind_in(b, IN_SELL));
}

static const char *delta(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = delta_of(b);
	return NULL;
}

static const char *cvd(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_cum(b, delta_of(b));
	return NULL;
}

static const char *imbalance(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);
	struct ind_ref all = ind_lin(b, 1, ind_in(b, IN_BUY), 1, ind_in(b, IN_SELL));

	out[0] = ind_ratio(b, 1, ind_sum(b, delta_of(b), n), ind_sum(b, all, n), (double)NAN);
	return NULL;
}

static const char *trade_size(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_ratio(b, 1, ind_sum(b, ind_in(b, IN_V), n), ind_sum(b, ind_in(b, IN_N), n), (double)NAN);
	return NULL;
}

static const char *trade_count(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_mean(b, ind_in(b, IN_N), ind_u32(p[0]));
	return NULL;
}

static const char *vpin(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);
	struct ind_ref buy = ind_in(b, IN_BUY), sell = ind_in(b, IN_SELL);

	out[0] = ind_ratio(b, 1, ind_sum(b, ind_absdiff(b, buy, sell), n),
			   ind_sum(b, ind_lin(b, 1, buy, 1, sell), n), (double)NAN);
	return NULL;
}

#define NO_SIDES "no value while no trade of the window told its side"
static const struct ind_def defs[] = {
	{ "OBV", "on-balance volume", "close, volume", { P_SEED }, { "value" }, "0",
	  "+ volume when c rises, - volume when it falls; begins with the first volume (tv: with 0)",
	  "stays where it is", "OBV", obv },
	{ "AD", "accumulation/distribution line", "high, low, close, volume", { { 0 } }, { "value" }, "0",
	  "sum of ((c - l) - (h - c)) / (h - l) volume", "a candle without range adds 0", "AD", ad },
	{ "ADOSC", "accumulation/distribution oscillator", "high, low, close, volume",
	  { P_PERIOD("fast", 3, 2), P_PERIOD("slow", 10, 2) }, { "value" }, "max(fast,slow)-1",
	  "EMA(AD, fast) - EMA(AD, slow), first-value seeds", "decays to 0", "ADOSC", adosc },
	{ "MFI", "money flow index", "high, low, close, volume",
	  { P_PERIOD("period", 14, 1), { "min_flow", IND_REAL, 1, 0, 1e18, NULL, true } }, { "value" }, "period",
	  "100 p / (p + n), sums of tp volume where tp = (h + l + c) / 3 rose, where it fell",
	  "0 while p + n is below min_flow (TA-Lib 0.6: 1; choose 0 for small prices times volumes) or is 0", "MFI",
	  mfi },
	{ "PVT", "price volume trend", "close, volume", { { 0 } }, { "value" }, "1",
	  "sum of volume (c - c[1]) / c[1]", "stays where it is", "none", pvt },
	{ "CMF", "Chaikin money flow", "high, low, close, volume", { P_PERIOD("period", 20, 1) }, { "value" },
	  "period-1", "sum(((c - l) - (h - c)) / (h - l) volume) / sum(volume)",
	  "a candle without range counts 0; no value without volume", "none", cmf },
	{ "FORCE", "force index", "close, volume", { P_PERIOD("period", 13, 1), P_SEED }, { "value" },
	  "seed ? 1 : period", "EMA((c - c[1]) volume)", "decays to 0", "none", force },
	{ "DELTA", "volume delta", "buy and sell volume", { { 0 } }, { "value" }, "0", "buy volume - sell volume", "0",
	  "none", delta },
	{ "CVD", "cumulative volume delta", "buy and sell volume", { { 0 } }, { "value" }, "0",
	  "sum of (buy volume - sell volume)", "stays where it is", "none", cvd },
	{ "IMBALANCE", "trade imbalance", "buy and sell volume", { P_PERIOD("period", 10, 1) }, { "value" },
	  "period-1", "sum(buy - sell) / sum(buy + sell), -1 to 1", NO_SIDES, "none", imbalance },
	{ "VPIN", "order-flow toxicity", "buy and sell volume", { P_PERIOD("period", 50, 1) }, { "value" },
	  "period-1", "sum |buy - sell| / sum(buy + sell), 0 to 1; candles are the buckets (volume bars make it the VPIN of "
	  "Easley, Lopez de Prado and O'Hara)", NO_SIDES, "none", vpin },
	{ "TRADE_SIZE", "mean size of a trade", "volume, trade count", { P_PERIOD("period", 10, 1) }, { "value" },
	  "period-1", "sum(volume) / sum(trades)", "no value while the window has no trade", "none", trade_size },
	{ "TRADE_COUNT", "mean trades in a candle", "trade count", { P_PERIOD("period", 10, 1) }, { "value" },
	  "period-1", "sum(trades) / period", "0", "none", trade_count },
};
GROUP(ind_group_volume, "Volume and order flow", defs);
