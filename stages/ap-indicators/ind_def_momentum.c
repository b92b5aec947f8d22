/*
 * ind_def_momentum.c - oscillators: how fast, how far, how stretched.
 */
#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

static const char *rsi_like(struct ind_build *b, const double *p, struct ind_ref *out, uint32_t cmo)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_RSI, .n = n, .m = cmo, .k = { 1.0 / p[0] } }, &x, 1, 1, n);
	return NULL;
}

static const char *rsi(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return rsi_like(b, p, out, 0);
}

static const char *cmo(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return rsi_like(b, p, out, 1);
}

/* Both lines begin where the slower one does. */
static void trim2(struct ind_ref *out)
{
	out[0] = ind_from(out[0], out[1].first);
	out[1] = ind_from(out[1], out[0].first);
}

static struct ind_ref fast_k(struct ind_build *b, struct ind_ref c, struct ind_ref hi, struct ind_ref lo)
{
	return ind_pos(b, 100, (struct ind_ref[]){ c, lo, hi, lo });
}

static struct ind_ref stoch_k(struct ind_build *b, uint32_t n)
{
	return fast_k(b, ind_in(b, IN_C), ind_high(b, ind_in(b, IN_H), n), ind_low(b, ind_in(b, IN_L), n));
}

static const char *stoch(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_ma(b, stoch_k(b, ind_u32(p[0])), ind_u32(p[1]), (enum ind_ma)p[3]);
	out[1] = ind_ma(b, out[0], ind_u32(p[2]), (enum ind_ma)p[4]);
	trim2(out);
	return NULL;
}

static const char *stochf(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = stoch_k(b, ind_u32(p[0]));
	out[1] = ind_ma(b, out[0], ind_u32(p[1]), (enum ind_ma)p[2]);
	trim2(out);
	return NULL;
}

static const char *stochrsi(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[4]);
	uint32_t w = ind_u32(p[0]), n = ind_u32(p[1]), d = ind_u32(p[2]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_STOCHRSI, .n = n, .m = w, .k = { (p[0] - 1.0) / p[0], 1e-16 * p[0] } }, &x, 1,
			1, w + n - 1);
	if (p[5] != 0) {
		out[0] = ind_moments(b, out[0], d);
		out[1] = ind_moments(b, out[0], d);
		return NULL;
	}
	out[1] = ind_ma(b, out[0], d, (enum ind_ma)p[3]);
	trim2(out);
	return NULL;
}

static void macd_k(struct ind_build *b, struct ind_ref x, const uint32_t n[3], const double k[3], bool tv,
		   struct ind_ref *out)
{
	const uint32_t seed = tv ? 1 : n[2];
	struct ind_op o = { .code = OP_MACD, .m = tv ? 1 : n[0], .n = tv ? 1 : n[1], .k = { k[0], k[1], k[2], seed } };

	out[0] = ind_op(b, o, &x, 1, 3, o.n + seed - 2);
	out[1] = ind_out(out[0], 1);
	out[2] = ind_out(out[0], 2);
}

static const char *macd(struct ind_build *b, const double *p, struct ind_ref *out)
{
	if (p[0] >= p[1])
		return "fast must be below slow";
	macd_k(b, ind_source(b, p[3]), (uint32_t[]){ ind_u32(p[0]), ind_u32(p[1]), ind_u32(p[2]) },
	       (double[]){ 2 / (p[0] + 1), 2 / (p[1] + 1), 2 / (p[2] + 1) }, p[4] != 0, out);
	return NULL;
}

static const char *macdfix(struct ind_build *b, const double *p, struct ind_ref *out)
{
	macd_k(b, ind_source(b, p[1]), (uint32_t[]){ 12, 26, ind_u32(p[0]) },
	       (double[]){ 0.15, 0.075, 2 / (p[0] + 1) }, false, out);
	return NULL;
}

static const char *macdext(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[6]), fast, slow;

	if (p[0] >= p[1])
		return "fast must be below slow";
	slow = ind_ma(b, x, ind_u32(p[1]), (enum ind_ma)p[4]);
	fast = ind_ma(b, x, ind_u32(p[0]), (enum ind_ma)p[3]);
	/* Both begin at the same candle, and so do their seeds' ends. */
	if (fast.first < slow.first)
		fast = ind_ma(b, ind_from(x, x.first + slow.first - fast.first), ind_u32(p[0]),
			      (enum ind_ma)p[3]);
	out[0] = ind_sub(b, fast, slow);
	out[1] = ind_ma(b, out[0], ind_u32(p[2]), (enum ind_ma)p[5]);
	out[0] = ind_from(out[0], out[1].first);
	out[2] = ind_sub(b, out[0], out[1]);
	return NULL;
}

static const char *apo_ppo(struct ind_build *b, const double *p, struct ind_ref *out, bool percent)
{
	struct ind_ref x = ind_source(b, p[3]), fast, slow;

	if (p[0] >= p[1])
		return "fast must be below slow";
	fast = ind_ma(b, x, ind_u32(p[0]), (enum ind_ma)p[2]);
	slow = ind_ma(b, x, ind_u32(p[1]), (enum ind_ma)p[2]);
	out[0] = percent ? ind_change(b, 100, fast, slow) : ind_sub(b, fast, slow);
	return NULL;
}

static const char *apo(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return apo_ppo(b, p, out, false);
}

static const char *ppo(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return apo_ppo(b, p, out, true);
}

static const char *mom(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);

	out[0] = ind_sub(b, x, ind_lag(b, x, ind_u32(p[0])));
	return NULL;
}

static const char *roc_k(struct ind_build *b, const double *p, struct ind_ref *out, double k, bool ratio)
{
	struct ind_ref x = ind_source(b, p[1]), old = ind_lag(b, x, ind_u32(p[0]));

	out[0] = ratio ? ind_ratio(b, k, x, old, 0) : ind_change(b, k, x, old);
	return NULL;
}

static const char *roc(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return roc_k(b, p, out, 100, false);
}

static const char *rocp(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return roc_k(b, p, out, 1, false);
}

static const char *rocr(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return roc_k(b, p, out, 1, true);
}

static const char *rocr100(struct ind_build *b, const double *p, struct ind_ref *out)
{
	return roc_k(b, p, out, 100, true);
}

static const char *trix(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref e = ind_source(b, p[1]);

	for (int i = 0; i < 3; i++)
		e = ind_ema_n(b, e, ind_u32(p[0]), false);
	out[0] = ind_change(b, 100, e, ind_lag(b, e, 1));
	return NULL;
}

static const char *cci(struct ind_build *b, const double *p, struct ind_ref *out)
{
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_CCI, .n = n, .k = { 0.015, p[0] - 1.0, 1.0 / p[0] } },
			(struct ind_ref[]){ ind_in(b, IN_H), ind_in(b, IN_L), ind_in(b, IN_C) }, 3, 1, n - 1);
	return NULL;
}

static const char *willr(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref hi = ind_high(b, ind_in(b, IN_H), ind_u32(p[0]));
	struct ind_ref lo = ind_low(b, ind_in(b, IN_L), ind_u32(p[0]));

	out[0] = ind_pos(b, 100, (struct ind_ref[]){ ind_in(b, IN_C), hi, hi, lo });
	return NULL;
}

static const char *ultosc(struct ind_build *b, const double *p, struct ind_ref *out)
{
	static const double weight[] = { 400.0 / 7, 200.0 / 7, 100.0 / 7 };
	struct ind_ref c = ind_in(b, IN_C), pc = ind_lag(b, c, 1), tr = ind_true_range(b, false), r[4], low, bp;

	low = ind_op(b, (struct ind_op){ .code = OP_LESSER }, (struct ind_ref[]){ ind_in(b, IN_L), pc }, 2, 1, 0);
	bp = ind_sub(b, c, low);
	for (int i = 0; i < 3; i++)
		r[i] = ind_ratio(b, 1, ind_sum(b, bp, ind_u32(p[i])), ind_sum(b, tr, ind_u32(p[i])), 0);
	r[3] = r[2];
	out[0] = ind_lin4(b, (double[]){ weight[0], weight[1], weight[2], 0 }, r);
	return NULL;
}

static const char *bop(struct ind_build *b, const double *p, struct ind_ref *out)
{
	(void)p;
	out[0] = ind_pos(b, 1, (struct ind_ref[]){ ind_in(b, IN_C), ind_in(b, IN_O), ind_in(b, IN_H),
						   ind_in(b, IN_L) });
	return NULL;
}

static const char *imi(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref in[2] = { ind_in(b, IN_C), ind_in(b, IN_O) }, g, up, dn;

	g = ind_op(b, (struct ind_op){ .code = OP_GAIN }, in, 2, 2, 0);
	up = ind_sum(b, g, ind_u32(p[0]));
	dn = ind_sum(b, ind_out(g, 1), ind_u32(p[0]));
	out[0] = ind_op(b, (struct ind_op){ .code = OP_MFI }, (struct ind_ref[]){ up, dn }, 2, 1, 0);
	return NULL;
}

static const char *fisher(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_FISHER },
			(struct ind_ref[]){ x, ind_high(b, x, n), ind_low(b, x, n) }, 3, 2, 0);
	out[1] = ind_from(ind_out(out[0], 1), out[0].first + 1);
	return NULL;
}

static const char *coppock(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref slow[1], fast[1];

	roc(b, (double[]){ p[1], p[3] }, slow);
	roc(b, (double[]){ p[2], p[3] }, fast);
	out[0] = ind_wma(b, ind_lin(b, 1, slow[0], 1, fast[0]), ind_u32(p[0]));
	return NULL;
}

static const char *ao(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref h = ind_in(b, IN_H), l = ind_in(b, IN_L);
	uint32_t n = ind_u32(p[0]), m = ind_u32(p[1]);

	if (n >= m)
		return "fast must be below slow";
	out[0] = ind_op(b, (struct ind_op){ .code = OP_GAP, .n = n, .m = m, .k = { 0.5 / p[0], 0.5 / p[1] },
					    .ring = { ind_ring(b, h, m), ind_ring(b, l, m) } },
			(struct ind_ref[]){ h, l }, 2, 1, m - 1);
	return NULL;
}

static const char *tsi(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[2]), old = ind_lag(b, x, 1), d = ind_sub(b, x, old);
	struct ind_ref a = ind_absdiff(b, x, old);

	for (int i = 0; i < 2; i++) {
		d = ind_ema_n(b, d, ind_u32(p[i]), true);
		a = ind_ema_n(b, a, ind_u32(p[i]), true);
	}
	out[0] = ind_ratio(b, 100, d, a, 0);
	return NULL;
}

static const char *elder(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref e = ind_ema_n(b, ind_in(b, IN_C), ind_u32(p[0]), p[1] != 0);

	out[0] = ind_sub(b, ind_in(b, IN_H), e);
	out[1] = ind_sub(b, ind_in(b, IN_L), e);
	return NULL;
}

#define P_FAST P_PERIOD("fast", 12, 1)
#define P_SLOW P_PERIOD("slow", 26, 2)
#define P_SIGNAL P_PERIOD("signal", 9, 1)
static const struct ind_def defs[] = {
	{ "RSI", "relative strength index", "source", { P_PERIOD("period", 14, 2), P_SOURCE }, { "value" },
	  "period", "100 g / (g + l), Wilder's means of gains and losses, begun with the plain means of the first "
	  "*period* changes", "0 if the price has never moved; else the last value stays", "RSI", rsi },
	{ "STOCH", "stochastic oscillator", "high, low, close",
	  { P_PERIOD("fastk", 14, 1), P_PERIOD("slowk", 3, 1), P_PERIOD("slowd", 3, 1), P_MA("slowk_ma", 0),
	    P_MA("slowd_ma", 0) }, { "k", "d" }, "fastk-1+slowk-1+slowd-1",
	  "k = mean over slowk of 100 (c - lowest) / (highest - lowest) over fastk; d = mean of k over slowd",
	  "0 where highest = lowest", "STOCH", stoch },
	{ "STOCHF", "fast stochastic", "high, low, close",
	  { P_PERIOD("fastk", 14, 1), P_PERIOD("fastd", 3, 1), P_MA("fastd_ma", 0) }, { "k", "d" },
	  "fastk-1+fastd-1", "k = 100 (c - lowest) / (highest - lowest) over fastk; d = mean of k over fastd",
	  "0 where highest = lowest", "STOCHF", stochf },
	{ "STOCHRSI", "stochastic of RSI", "source",
	  { P_PERIOD("period", 14, 2), P_PERIOD("fastk", 14, 1), P_PERIOD("fastd", 3, 1), P_MA("fastd_ma", 0),
	    P_SOURCE, P_SEED }, { "k", "d" },
	  "seed ? period+fastk-1+fastd-1 : period+fastk-1+fastd-1, "
	  "seed ? period+fastk-1+2*(fastd-1) : period+fastk-1+fastd-1",
	  "k = position of RSI in its range over fastk, d = mean of k over fastd (tv: k is that mean, d the mean of k); goes "
	  "through its window at each candle",
	  "0 where RSI does not move", "STOCHRSI", stochrsi },
	{ "MACD", "moving average convergence/divergence", "source",
	  { P_FAST, P_SLOW, P_SIGNAL, P_SOURCE, P_SEED }, { "macd", "signal", "hist" },
	  "seed ? 0 : slow-1+signal-1",
	  "EMA(fast) - EMA(slow), signal = its EMA, hist = macd - signal; the seed of the fast mean ends with the slow "
	  "one's (tv: first-value seeds)", "0", "MACD", macd },
	{ "MACDEXT", "MACD with chosen averages", "source",
	  { P_FAST, P_SLOW, P_SIGNAL, P_MA("fast_ma", 0), P_MA("slow_ma", 0), P_MA("signal_ma", 0), P_SOURCE },
	  { "macd", "signal", "hist" }, "", "as MACD, any averages, begun so that fast and slow start together", "0",
	  "MACDEXT", macdext },
	{ "MACDFIX", "MACD 12, 26 with the original factors", "source", { P_SIGNAL, P_SOURCE },
	  { "macd", "signal", "hist" }, "25+signal-1", "as MACD with factors 0.15 and 0.075", "0", "MACDFIX",
	  macdfix },
	{ "APO", "absolute price oscillator", "source", { P_FAST, P_SLOW, P_MA("ma", 0), P_SOURCE }, { "value" },
	  "", "average(fast) - average(slow), each begun on its own window", "0", "APO", apo },
	{ "PPO", "percentage price oscillator", "source", { P_FAST, P_SLOW, P_MA("ma", 0), P_SOURCE }, { "value" },
	  "", "100 (average(fast) - average(slow)) / average(slow)", "0", "PPO", ppo },
	{ "MOM", "momentum", "source", { P_PERIOD("period", 10, 1), P_SOURCE }, { "value" }, "period",
	  "x - x[period candles ago]", "0", "MOM", mom },
	{ "ROC", "rate of change", "source", { P_PERIOD("period", 10, 1), P_SOURCE }, { "value" }, "period",
	  "100 (x / x[period] - 1)", "0; 0 where the old value is 0", "ROC", roc },
	{ "ROCP", "rate of change, fraction", "source", { P_PERIOD("period", 10, 1), P_SOURCE }, { "value" },
	  "period", "x / x[period] - 1", "0; 0 where the old value is 0", "ROCP", rocp },
	{ "ROCR", "rate of change, ratio", "source", { P_PERIOD("period", 10, 1), P_SOURCE }, { "value" }, "period",
	  "x / x[period]", "1; 0 where the old value is 0", "ROCR", rocr },
	{ "ROCR100", "rate of change, ratio of 100", "source", { P_PERIOD("period", 10, 1), P_SOURCE },
	  { "value" }, "period", "100 x / x[period]", "100; 0 where the old value is 0", "ROCR100", rocr100 },
	{ "TRIX", "rate of change of a triple EMA", "source", { P_PERIOD("period", 15, 1), P_SOURCE }, { "value" },
	  "3*(period-1)+1", "100 (e / e[1] - 1), e = EMA(EMA(EMA(x)))", "0", "TRIX", trix },
	{ "CCI", "commodity channel index", "high, low, close", { P_PERIOD("period", 20, 2) }, { "value" },
	  "period-1", "(tp - SMA(tp)) / (0.015 mean absolute deviation), tp = (h + l + c) / 3; goes through its window at each candle",
	  "0 where the deviation is 0", "CCI", cci },
	{ "CMO", "Chande momentum oscillator, Wilder-smoothed", "source", { P_PERIOD("period", 14, 2), P_SOURCE },
	  { "value" }, "period", "100 (g - l) / (g + l), g and l as in RSI",
	  "0 if the price has never moved; else the last value stays", "CMO", cmo },
	{ "WILLR", "Williams' %R", "high, low, close", { P_PERIOD("period", 14, 1) }, { "value" }, "period-1",
	  "-100 (highest - c) / (highest - lowest)", "0", "WILLR", willr },
	{ "ULTOSC", "ultimate oscillator", "high, low, close",
	  { P_PERIOD("short", 7, 1), P_PERIOD("medium", 14, 1), P_PERIOD("long", 28, 1) }, { "value" },
	  "max(short,max(medium,long))",
	  "100 (4 a + 2 b + c) / 7, each = sum(c - min(l, c[1])) / sum(true range) over its window",
	  "a window without range counts 0", "ULTOSC", ultosc },
	{ "BOP", "balance of power", "open, high, low, close", { { 0 } }, { "value" }, "0", "(c - o) / (h - l)",
	  "0", "BOP", bop },
	{ "IMI", "intraday momentum index", "open, close", { P_PERIOD("period", 14, 1) }, { "value" }, "period-1",
	  "100 sum(c - o where up) / sum(|c - o|)", "0", "IMI", imi },
	{ "FISHER", "Fisher transform", "source",
	  { P_PERIOD("period", 9, 1), P_WORD("source", 4, IND_SOURCES, 8) }, { "fisher", "trigger" },
	  "period-1, period",
	  "f = 0.5 ln((1 + v) / (1 - v)) + 0.5 f[1], v = 0.66 (position in the range - 0.5) + 0.67 v[1], |v| <= 0.999; "
	  "trigger = f[1]", "no range counts as the middle", "none", fisher },
	{ "COPPOCK", "Coppock curve", "source",
	  { P_PERIOD("period", 10, 1), P_PERIOD("long", 14, 1), P_PERIOD("short", 11, 1), P_SOURCE }, { "value" },
	  "max(long,short)+period-1", "WMA(ROC(long) + ROC(short), period)", "0", "none", coppock },
	{ "AO", "awesome oscillator", "high, low", { P_PERIOD("fast", 5, 1), P_PERIOD("slow", 34, 2) }, { "value" },
	  "slow-1", "SMA((h + l) / 2, fast) - SMA((h + l) / 2, slow)", "0", "none", ao },
	{ "TSI", "true strength index", "source",
	  { P_PERIOD("long", 25, 1), P_PERIOD("short", 13, 1), P_SOURCE }, { "value" }, "1",
	  "100 EMA(EMA(change, long), short) / EMA(EMA(|change|, long), short), first-value seeds",
	  "0 if the price has never moved", "none", tsi },
	{ "ELDER", "Elder ray", "high, low, close", { P_PERIOD("period", 13, 1), P_SEED }, { "bull", "bear" },
	  "seed ? 0 : period-1", "bull = h - EMA(c), bear = l - EMA(c)", "0", "none", elder },
};
GROUP(ind_group_momentum, "Oscillators", defs);
