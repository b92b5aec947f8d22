/*
 * ind_def_stat.c - statistics of a window: lines, deviations, ranks, volatilities.
 */
#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

/* slope, intercept, value, forecast: output i of the fit. */
static struct ind_ref fit(struct ind_build *b, const double *p, unsigned i)
{
	double n = p[0];
	struct ind_ref l = ind_linear(b, ind_source(b, p[1]), ind_u32(n));

	return ind_out(ind_op(b, (struct ind_op){ .code = OP_LINREG,
						  .k = { n * (n * n - 1.0) / 12.0, (n - 1.0) / 3.0 } },
			      (struct ind_ref[]){ l, ind_out(l, 1) }, 2, 4, 0), i);
}

#define FIT(fn, i) \
	static const char *fn(struct ind_build *b, const double *p, struct ind_ref *out) \
	{ \
		out[0] = fit(b, p, i); \
		return NULL; \
	}
FIT(linreg_slope, 0)
FIT(linreg_intercept, 1)
FIT(linreg, 2)
FIT(tsf, 3)

static const char *linreg_angle(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref slope = fit(b, p, 0);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_ANGLE }, &slope, 1, 1, 0);
	return NULL;
}

static const char *var(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_out(ind_moments(b, ind_source(b, p[1]), ind_u32(p[0])), 1);
	return NULL;
}

static const char *stddev(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_sqrt(b, p[1], 1, ind_out(ind_moments(b, ind_source(b, p[2]), ind_u32(p[0])), 1));
	return NULL;
}

static const char *avgdev(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_MAD, .n = n, .ring = { ind_ring(b, x, n), 0 } },
			(struct ind_ref[]){ x, ind_moments(b, x, n) }, 2, 1, 0);
	return NULL;
}

static struct ind_ref comoments(struct ind_build *b, struct ind_ref x, struct ind_ref y, uint32_t n)
{
	uint32_t first = ind_later(x.first, y.first);

	x = ind_from(x, first);
	y = ind_from(y, first);
	return ind_op(b, (struct ind_op){ .code = OP_COMOMENTS, .n = n,
					  .ring = { ind_ring(b, x, n), ind_ring(b, y, n) } },
		      (struct ind_ref[]){ x, y }, 2, 3, n - 1);
}

static const char *correl(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref m = comoments(b, ind_source(b, p[1]), ind_source(b, p[2]), ind_u32(p[0]));

	out[0] = ind_op(b, (struct ind_op){ .code = OP_CORREL },
			(struct ind_ref[]){ m, ind_out(m, 1), ind_out(m, 2) }, 3, 1, 0);
	return NULL;
}

static const char *beta(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]), y = ind_source(b, p[2]), m;

	m = comoments(b, ind_change(b, 1, x, ind_lag(b, x, 1)), ind_change(b, 1, y, ind_lag(b, y, 1)),
		      ind_u32(p[0]));
	out[0] = ind_ratio(b, 1, m, ind_out(m, 1), 0);
	return NULL;
}

static const char *max(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_high(b, ind_source(b, p[1]), ind_u32(p[0]));
	return NULL;
}

static const char *min(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_low(b, ind_source(b, p[1]), ind_u32(p[0]));
	return NULL;
}

static const char *minmax(struct ind_build *b, const double *p, struct ind_ref *out)
{
	min(b, p, out);
	max(b, p, out + 1);
	return NULL;
}

static const char *sum(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_sum(b, ind_source(b, p[1]), ind_u32(p[0]));
	return NULL;
}

static const char *zscore(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]), m = ind_moments(b, x, ind_u32(p[0]));

	out[0] = ind_ratio(b, 1, ind_sub(b, x, m), ind_sqrt(b, 1, 1, ind_out(m, 1)), 0);
	return NULL;
}

static const char *percent_rank(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[1]);
	uint32_t n = ind_u32(p[0]);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_RANK, .n = n, .start = x.first + n,
					    .ring = { ind_ring(b, x, n), 0 } }, &x, 1, 1, 0);
	return NULL;
}

/* ln(a / b) (m = 0) or one candle's term of an estimator (ind_kernel_map.c). */
static struct ind_ref logvar(struct ind_build *b, uint32_t m, struct ind_ref x, struct ind_ref y)
{
	return ind_op(b, (struct ind_op){ .code = OP_LOGVAR, .m = m }, (struct ind_ref[]){ x, y }, 2, 1, 0);
}

static struct ind_ref logvar4(struct ind_build *b, uint32_t m)
{
	return ind_op(b, (struct ind_op){ .code = OP_LOGVAR, .m = m },
		      (struct ind_ref[]){ ind_in(b, IN_O), ind_in(b, IN_H), ind_in(b, IN_L), ind_in(b, IN_C) }, 4, 1,
		      0);
}

/* Sample variance of the window: n / (n - 1) times the population's. */
static struct ind_ref variance(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return ind_out(ind_moments(b, x, n), 1);
}

static const char *vol_close(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref c = ind_in(b, IN_C), v;

	v = variance(b, logvar(b, 0, c, ind_lag(b, c, 1)), ind_u32(p[0]));
	out[0] = ind_sqrt(b, 1, p[1] * p[0] / (p[0] - 1), v);
	return NULL;
}

static const char *vol_parkinson(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref v = logvar(b, 1, ind_in(b, IN_H), ind_in(b, IN_L));

	out[0] = ind_sqrt(b, 1, p[1], ind_mean(b, v, ind_u32(p[0])));
	return NULL;
}

static const char *vol_garman_klass(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_sqrt(b, 1, p[1], ind_mean(b, logvar4(b, 2), ind_u32(p[0])));
	return NULL;
}

static const char *vol_rogers_satchell(struct ind_build *b, const double *p, struct ind_ref *out)
{
	out[0] = ind_sqrt(b, 1, p[1], ind_mean(b, logvar4(b, 3), ind_u32(p[0])));
	return NULL;
}

static const char *vol_yang_zhang(struct ind_build *b, const double *p, struct ind_ref *out)
{
	double n = p[0], k = 0.34 / (1.34 + (n + 1) / (n - 1)), sample = n / (n - 1);
	struct ind_ref o = ind_in(b, IN_O), c = ind_in(b, IN_C), part[4];
	uint32_t w = ind_u32(n);

	part[0] = variance(b, logvar(b, 0, o, ind_lag(b, c, 1)), w);
	part[1] = variance(b, ind_from(logvar(b, 0, c, o), 1), w);
	part[2] = part[3] = ind_mean(b, ind_from(logvar4(b, 3), 1), w);
	out[0] = ind_sqrt(b, 1, p[1], ind_lin4(b, (double[]){ sample, k * sample, 1 - k, 0 }, part));
	return NULL;
}

#define P_N14 P_PERIOD("period", 14, 2)
#define P_XY P_WORD("x", 2, IND_SOURCES, 8), P_WORD("y", 3, IND_SOURCES, 8)
#define P_VOL P_PERIOD("period", 20, 2), { "per_year", IND_REAL, 1, 0.001, 1e9, NULL, true }
#define ANNUAL "; times sqrt(per_year), which is 1 unless set"
static const struct ind_def defs[] = {
	{ "LINEARREG", "linear regression", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "value of the least-squares line at the last candle", "the price itself", "LINEARREG", linreg },
	{ "LINEARREG_SLOPE", "slope of the line", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "slope of the least-squares line, per candle", "0", "LINEARREG_SLOPE", linreg_slope },
	{ "LINEARREG_ANGLE", "angle of the line", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "atan(slope) in degrees", "0", "LINEARREG_ANGLE", linreg_angle },
	{ "LINEARREG_INTERCEPT", "intercept of the line", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "value of the line at the window's first candle", "the price itself", "LINEARREG_INTERCEPT",
	  linreg_intercept },
	{ "TSF", "time series forecast", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "value of the line one candle on", "the price itself", "TSF", tsf },
	{ "STDDEV", "standard deviation", "source", { P_PERIOD("period", 20, 1), { "k", IND_REAL, 1, 0, 100, NULL, true },
	  P_SOURCE }, { "value" }, "period-1", "k sqrt(VAR)", "0", "STDDEV", stddev },
	{ "VAR", "variance", "source", { P_PERIOD("period", 20, 1), P_SOURCE }, { "value" }, "period-1",
	  "population variance of the last *period* values", "0", "VAR", var },
	{ "AVGDEV", "mean absolute deviation", "source", { P_N14, P_SOURCE }, { "value" }, "period-1",
	  "mean of |x - mean|; reads its window at each candle", "0", "AVGDEV", avgdev },
	{ "BETA", "beta", "two sources", { P_PERIOD("period", 5, 1), P_XY }, { "value" }, "period",
	  "cov(rx, ry) / var(rx), r = x / x[1] - 1", "0", "BETA", beta },
	{ "CORREL", "Pearson correlation", "two sources", { P_PERIOD("period", 30, 2), P_XY }, { "value" },
	  "period-1", "cov(x, y) / sqrt(var(x) var(y))", "0", "CORREL", correl },
	{ "MAX", "highest value", "source", { P_PERIOD("period", 30, 1), P_SOURCE }, { "value" }, "period-1",
	  "greatest of the last *period* values", "the price itself", "MAX", max },
	{ "MIN", "lowest value", "source", { P_PERIOD("period", 30, 1), P_SOURCE }, { "value" }, "period-1",
	  "least of the last *period* values", "the price itself", "MIN", min },
	{ "MINMAX", "lowest and highest value", "source", { P_PERIOD("period", 30, 1), P_SOURCE }, { "min", "max" },
	  "period-1", "least and greatest of the last *period* values", "the price itself", "MINMAX", minmax },
	{ "SUM", "sum", "source", { P_PERIOD("period", 30, 1), P_SOURCE }, { "value" }, "period-1",
	  "sum of the last *period* values", "period times the price", "SUM", sum },
	{ "ZSCORE", "z-score", "source", { P_PERIOD("period", 20, 2), P_SOURCE }, { "value" }, "period-1",
	  "(x - mean) / population standard deviation", "0", "none", zscore },
	{ "PERCENT_RANK", "percent rank", "source", { P_PERIOD("period", 100, 1), P_SOURCE }, { "value" }, "period",
	  "percentage of the *period* values before that are not above x; reads its window at each candle", "100",
	  "none", percent_rank },
	{ "VOL_CLOSE", "volatility, close to close", "close", { P_VOL }, { "value" }, "period",
	  "sample deviation of ln(c / c[1])" ANNUAL, "0", "none", vol_close },
	{ "VOL_PARKINSON", "volatility, Parkinson", "high, low", { P_VOL }, { "value" }, "period-1",
	  "sqrt(mean(ln(h / l)^2) / (4 ln 2))" ANNUAL, "0", "none", vol_parkinson },
	{ "VOL_GARMAN_KLASS", "volatility, Garman-Klass", "open, high, low, close", { P_VOL }, { "value" },
	  "period-1", "sqrt(mean(ln(h / l)^2 / 2 - (2 ln 2 - 1) ln(c / o)^2))" ANNUAL, "0", "none",
	  vol_garman_klass },
	{ "VOL_ROGERS_SATCHELL", "volatility, Rogers-Satchell", "open, high, low, close", { P_VOL }, { "value" },
	  "period-1", "sqrt(mean(ln(h / c) ln(h / o) + ln(l / c) ln(l / o)))" ANNUAL, "0", "none",
	  vol_rogers_satchell },
	{ "VOL_YANG_ZHANG", "volatility, Yang-Zhang", "open, high, low, close", { P_VOL }, { "value" }, "period",
	  "sqrt(var(ln(o / c[1])) + k var(ln(c / o)) + (1 - k) Rogers-Satchell), sample variances, "
	  "k = 0.34 / (1.34 + (n + 1) / (n - 1))" ANNUAL, "0", "none", vol_yang_zhang },
};
GROUP(ind_group_stat, "Statistics and volatility", defs);
