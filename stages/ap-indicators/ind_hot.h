/*
 * ind_hot.h - the operations of the everyday indicators, written to be inlined into the loop of ind_step.
 *
 * `warm` is a constant at each call: with it, an operation is known to be past its start-up, and the
 * branches for that vanish. The five indicators most used are bound by the number of instructions,
 * not by arithmetic; test/bench/bench_ind.c has the figures.
 */
#ifndef AP_IND_HOT_H
#define AP_IND_HOT_H

#include "stages/ap-indicators/ind_kernel.h"

#define HOT static inline __attribute__((always_inline)) void

HOT hot_ring(const struct ind_op *o, const struct ind_ctx *x)
{
	x->ring[o->ring[0] + (x->t & o->mask[0])].d = x->r[o->in[0]];
}

/* out: k0 a + k1 b. */
HOT hot_lin2(const struct ind_op *o, const struct ind_ctx *x)
{
	x->r[o->out[0]] = o->k[0] * x->r[o->in[0]] + o->k[1] * x->r[o->in[1]];
}

double ind_band_exact(const struct ind_op *o, struct ind_ctx x, double k);

/* in: middle, variance. out: middle + k0 dev, middle - k1 dev. n: the window whose mean the middle is (0: of none). */
HOT hot_bands(const struct ind_op *o, const struct ind_ctx *x)
{
	double mid = x->r[o->in[0]], dev = sqrt(x->r[o->in[1]]), up = mid + o->k[0] * dev, low = mid - o->k[1] * dev;

	if (__builtin_expect(fabs(low) < 1e-6 * mid && o->n > 0, 0))
		low = ind_band_exact(o, *x, o->k[1]);
	x->r[o->out[0]] = up;
	x->r[o->out[1]] = low;
}

/*
 * out: mean, population variance of the last n.
 * Words: centre K, S1 = sum of (x - K), S2 = sum of (x - K)^2, the largest S2 since K was chosen, candles
 * until K is chosen anew (while starting up: S1 is the plain sum).
 * S2 - S1^2/n loses log10(S2 / (n var)) digits, and what a large value leaves behind in S1 and S2 when it
 * goes is bounded by the largest S2: once that exceeds CENTRE_LIMIT times n var, K moves and both sums are
 * taken from the ring. A new centre is good for many candles: to lose it, the window's variance must
 * fall by that factor, which doubles allow about 80 times in a row.
 */
enum { M_K, M_S1, M_S2, M_PEAK, M_LEFT, M_WORDS };
#define CENTRE_LIMIT 256.0

double ind_moments_seed(const struct ind_op *o, struct ind_ctx x);

HOT hot_moments(const struct ind_op *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	double in = x->r[o->in[0]], rn = o->k[0], m2;

	if (!warm && x->t - o->start < o->n) {
		if (x->t - o->start + 1 < o->n)
			return;
		m2 = ind_moments_seed(o, *x);
	} else {
		double old = past(x, o, 0, o->n), k = w[M_K].d, d = in - old, s1, s2, peak;

		s1 = w[M_S1].d + d;
		s2 = w[M_S2].d + d * ((in - k) + (old - k));
		w[M_S1].d = s1;
		w[M_S2].d = s2;
		peak = s2 > w[M_PEAK].d ? s2 : w[M_PEAK].d;
		w[M_PEAK].d = peak;
		m2 = s2 - s1 * s1 * rn;
		if (__builtin_expect(peak > CENTRE_LIMIT * m2 || --w[M_LEFT].u == 0, 0))
			m2 = ind_moments_seed(o, *x);
	}
	m2 *= rn;
	x->r[o->out[0]] = w[M_K].d + w[M_S1].d * rn;
	x->r[o->out[1]] = m2 > 0 ? m2 : 0;
}

/* out: e += k (x - e), seeded with the mean of the first n. Words: e. */
HOT hot_ema(const struct ind_op *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	double in = x->r[o->in[0]], e = w->d;

	if (warm || age >= o->n)
		e += o->k[0] * (in - e);
	else
		e = age + 1 < o->n ? e + in : (e + in) / (double)o->n;
	w->d = e;
	x->r[o->out[0]] = e;
}

/*
 * out: 100 g / (g + l), or 100 (g - l) / (g + l) with m = 1; g and l are Wilder's means of gains and losses.
 * Words: previous value, g, l, last output.
 * While the price stands still both means shrink alike and the ratio stays: it is then repeated rather than
 * computed, so that no rounding noise reaches a stochastic of it.
 */
HOT hot_rsi(const struct ind_op *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	double in = x->r[o->in[0]], d = in - w[0].d, up = d > 0 ? d : 0, dn = up - d;
	double g = w[1].d, l = w[2].d, k = o->k[0], s;

	w[0].d = in;
	if (!warm && age == 0)
		return;
	if (warm || age > o->n) {
		g += k * (up - g);
		l += k * (dn - l);
	} else {
		g += up;
		l += dn;
		if (age == o->n) {
			g /= (double)o->n;
			l /= (double)o->n;
		}
	}
	s = g + l;
	/* After many still candles nothing of the last movement is left in the price's own digits. */
	if (__builtin_expect(s < 1e-16 * fabs(in), 0))
		g = l = s = w[3].d = 0;
	if (__builtin_expect(d != 0 || (!warm && age <= o->n), 1))
		w[3].d = s > 0 ? 100.0 * (((o->m == 1 ? g - l : g)) / s) : 0;
	w[1].d = g;
	w[2].d = l;
	x->r[o->out[0]] = w[3].d;
}

/*
 * out: fast - slow, its signal, their difference. n, m, q: seed lengths of slow, fast, signal; the fast
 * mean's seed ends with the slow one's. k: factors of fast, slow, signal. Words: fast, slow, signal.
 */
HOT hot_macd(const struct ind_op *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start, sig;
	double in = x->r[o->in[0]], f = w[0].d, s = w[1].d, g = w[2].d, macd;

	if (warm || age >= o->n) {
		f += o->k[0] * (in - f);
		s += o->k[1] * (in - s);
	} else {
		if (age + o->m >= o->n)
			f += in;
		s += in;
		if (age + 1 == o->n) {
			f /= (double)o->m;
			s /= (double)o->n;
		}
	}
	w[0].d = f;
	w[1].d = s;
	if (!warm && age + 1 < o->n)
		return;
	macd = f - s;
	sig = age + 1 - o->n;
	if (warm || sig >= o->q)
		g += o->k[2] * (macd - g);
	else
		g = sig + 1 < o->q ? g + macd : (g + macd) / (double)o->q;
	w[2].d = g;
	x->r[o->out[0]] = macd;
	x->r[o->out[1]] = g;
	x->r[o->out[2]] = macd - g;
}

#endif
