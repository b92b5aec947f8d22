/*
 * ind_kernel.h - small things all kernels share.
 */
#ifndef AP_IND_KERNEL_H
#define AP_IND_KERNEL_H

#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

/* Visits the operations that are awake. x is a copy of the context that nobody else can reach, so that it stays in
 * registers whatever is stored. */
#define EACH_AWAKE(o, end, ctx) \
	for (const struct ind_ctx here = *(ctx), *x = &here; o < end; o++) \
		if (x->t >= o->start)

/* Value of the operation's ring i, `back` candles ago. */
static inline double past(const struct ind_ctx *x, const struct ind_op *o, unsigned i, uint64_t back)
{
	return x->ring[o->ring[i] + ((x->t - back) & o->mask[i])].d;
}

/*
 * A compensated sum in two words: s + c is the sum, c holds what rounding took from s (Neumaier 1974,
 * with Knuth's branch-free two-sum). Taking a value out again leaves no trace of it: with magnitudes
 * from 1e-5 to 3e10 in one window the remainder is below 1e-20.
 */
static inline void csum_add(union ind_word *w, double v)
{
	double s = w[0].d, t = s + v, b = t - s;

	w[1].d += (s - (t - b)) + (v - b);
	w[0].d = t;
}

/* Adds in and takes out in one go; their difference is split exactly first. */
static inline void csum_slide(union ind_word *w, double in, double out)
{
	double d = in - out, b = d - in, e = (in - (d - b)) - (out + b);
	double s = w[0].d, t = s + d, q = t - s;

	w[1].d += ((s - (t - q)) + (d - q)) + e;
	w[0].d = t;
}

static inline double csum_get(const union ind_word *w)
{
	return w[0].d + w[1].d;
}

/* n * v exactly, as a + b, for a whole n below 2^26 (Dekker's split). */
static inline void mul_exact(double n, double v, double *a, double *b)
{
	double g = 134217729.0 * v, hi = g - (g - v), lo = v - hi, p = n * v;

	*a = p;
	*b = (n * hi - p) + n * lo;
}

/* a * b exactly, as p + e (Dekker's product). */
static inline double mul_pair(double a, double b, double *e)
{
	double g = 134217729.0 * a, ah = g - (g - a), al = a - ah;
	double h = 134217729.0 * b, bh = h - (h - b), bl = b - bh, p = a * b;

	*e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
	return p;
}

/* a + b exactly, as s + e (Knuth's sum). */
static inline double add_pair(double a, double b, double *e)
{
	double s = a + b, t = s - a;

	*e = (a - (s - t)) + (b - t);
	return s;
}

/* The kernels, one a code; the table is in ind_kernel.c. */
ind_kernel ind_k_ring, ind_k_moments, ind_k_ema, ind_k_rsi, ind_k_macd, ind_k_bands, ind_k_lin2;
ind_kernel ind_k_rsi_pair, ind_k_stochrsi, ind_k_gap, ind_k_sum3;
ind_kernel ind_k_lag, ind_k_sum, ind_k_linear, ind_k_high, ind_k_low, ind_k_ext_pair, ind_k_mad, ind_k_rank, ind_k_comoments;
ind_kernel ind_k_wilder, ind_k_dx, ind_k_adx, ind_k_kama, ind_k_sar, ind_k_trend, ind_k_cum, ind_k_session,
	ind_k_fisher;
ind_kernel ind_k_true_range, ind_k_typical, ind_k_dm, ind_k_lin4, ind_k_pos, ind_k_ratio, ind_k_change,
	ind_k_mul, ind_k_absdiff, ind_k_lesser, ind_k_signed, ind_k_flow, ind_k_mfi, ind_k_clv, ind_k_cci,
	ind_k_linreg, ind_k_angle, ind_k_aroon, ind_k_percent_b, ind_k_sqrt, ind_k_logvar, ind_k_correl, ind_k_gain;
ind_kernel ind_k_hilbert, ind_k_phase, ind_k_trendline, ind_k_trendmode, ind_k_mama;

#endif
