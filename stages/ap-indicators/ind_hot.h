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

HOT hot_ring(const struct ind_insn *o, const struct ind_ctx *x)
{
	x->ring[past_word(&o->past[0], x->t)].d = IN(0);
}

/* out: k0 a + k1 b. */
HOT hot_lin2(const struct ind_insn *o, const struct ind_ctx *x)
{
	OUT(0) = o->k[0] * IN(0) + o->k[1] * IN(1);
}

double ind_band_exact(const struct ind_insn *o, struct ind_ctx x, double k);

/* middle - k dev; from the ring where the two nearly cancel. n: the window whose mean the middle is (0: of none). */
static inline double low_band(const struct ind_insn *o, const struct ind_ctx *x, double mid, double dev)
{
	double low = mid - o->k[1] * dev;

	if (__builtin_expect(fabs(low) < 1e-6 * mid, 0) && o->n > 0)
		return ind_band_exact(o, ctx_copy(x), o->k[1]);
	return low;
}

/* in: middle, variance. out: middle + k0 dev, middle - k1 dev. */
HOT hot_bands(const struct ind_insn *o, const struct ind_ctx *x)
{
	double mid = IN(0), dev = sqrt(IN(1));

	OUT(0) = mid + o->k[0] * dev;
	OUT(1) = low_band(o, x, mid, dev);
}

/*
 * out: mean, population variance of the last n.
 * Words: centre K, S1 = sum of (x - K), S2 = sum of (x - K)^2, the largest S2 since K was chosen, the candle
 * at which K is chosen anew whatever happens, for each one adds a rounding to the sums.
 * S2 - S1^2/n loses log10(S2 / (n var)) digits, and what a large value leaves behind in S1 and S2 when it
 * goes is bounded by the largest S2: once that exceeds CENTRE_LIMIT times n var, K moves and both sums are
 * taken from the ring. A new centre is good for many candles: to lose it, the window's variance must
 * fall by that factor, which doubles allow about 80 times in a row.
 */
enum { M_K, M_S1, M_S2, M_PEAK, M_DUE, M_WORDS };
#define CENTRE_LIMIT 256.0

double ind_moments_seed(const struct ind_insn *o, struct ind_ctx x);

/* One candle on; gives the mean. */
static inline double moments_next(const struct ind_insn *o, const struct ind_ctx *x, union ind_word *w, double in,
				  double old, double *var)
{
	double k = w[M_K].d, d = in - old, rn = o->k[0], shift, m2;
	double s1 = w[M_S1].d + d, s2 = w[M_S2].d + d * ((in - k) + (old - k));
	double peak = s2 > w[M_PEAK].d ? s2 : w[M_PEAK].d;

	w[M_S1].d = s1;
	w[M_S2].d = s2;
	w[M_PEAK].d = peak;
	shift = s1 * rn;
	m2 = s2 - s1 * shift;
	if (__builtin_expect(peak > CENTRE_LIMIT * m2 || x->t >= w[M_DUE].u, 0)) {
		m2 = ind_moments_seed(o, ctx_copy(x));
		k = w[M_K].d;
		shift = w[M_S1].d * rn;
	}
	m2 *= rn;
	*var = m2 > 0 ? m2 : 0;
	return k + shift;
}

HOT hot_moments(const struct ind_insn *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	double in = IN(0), m2;

	if (warm || x->t - o->start >= o->n) {
		OUT(0) = moments_next(o, x, w, in, past(x, o, 0, o->n), &OUT(1));
	} else if (x->t - o->start + 1 == o->n) {
		m2 = ind_moments_seed(o, ctx_copy(x)) * o->k[0];
		OUT(0) = w[M_K].d + w[M_S1].d * o->k[0];
		OUT(1) = m2 > 0 ? m2 : 0;
	}
}

/* out: e += k (x - e), seeded with the mean of the first n. Words: e. */
static inline double ema_next(union ind_word *w, double k, double in)
{
	return w->d += k * (in - w->d);
}

HOT hot_ema(const struct ind_insn *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	double in = IN(0);

	if (warm || age >= o->n)
		ema_next(w, o->k[0], in);
	else
		w->d = age + 1 < o->n ? w->d + in : (w->d + in) / (double)o->n;
	OUT(0) = w->d;
}

/*
 * out: 100 g / s, or 100 (2 g - s) / s with m = 1; g is Wilder's mean of the gains, s that of gains and losses.
 * While the price stands still both means shrink alike and the ratio stays: it is then repeated rather than
 * computed, so that no rounding noise reaches a stochastic of it. After many still candles nothing of the last
 * movement is left in the price's own digits, and the answer is 0.
 */
enum { R_GAIN, R_ALL, R_BEFORE, R_LAST, R_WORDS };

/* A change as a gain and as a movement either way. In lanes, for they have no branch: whether the price rises is a coin. */
static inline two gain_and_all(double d)
{
	const two_bits without_sign = { -1, INT64_MAX };

	return two_greater((two)((two_bits)two_of(d, d) & without_sign), two_of(0, 0));
}

static inline double rsi_of(two gs, bool cmo)
{
	return 100.0 * ((cmo ? 2.0 * gs[0] - gs[1] : gs[0]) / gs[1]);
}

/* Both means after a candle. While the price stands still nothing may be left of the last movement. */
static inline two rsi_left(two gs, double d, double in)
{
	return __builtin_expect(d == 0, 0) && !(gs[1] > 1e-16 * fabs(in)) ? two_of(0, 0) : gs;
}

/* The answer: what the means say, or the last one while the price stands still. */
static inline double rsi_answer(two gs, double d, double last, bool cmo)
{
	if (__builtin_expect(d == 0, 0))
		return gs[1] > 0 ? last : 0;
	return rsi_of(gs, cmo);
}

static inline double rsi_next(union ind_word *w, double k, double in, bool cmo)
{
	const double d = in - w[R_BEFORE].d;
	two gs = two_at(w + R_GAIN);

	gs += two_of(k, k) * (gain_and_all(d) - gs);
	gs = rsi_left(gs, d, in);
	w[R_BEFORE].d = in;
	two_put(w + R_GAIN, gs);
	return w[R_LAST].d = rsi_answer(gs, d, w[R_LAST].d, cmo);
}

HOT hot_rsi(const struct ind_insn *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	double in = IN(0);
	two gs;

	if (warm || age > o->n) {
		OUT(0) = rsi_next(w, o->k[0], in, o->m == 1);
		return;
	}
	gs = two_at(w + R_GAIN);
	if (age > 0)
		gs += gain_and_all(in - w[R_BEFORE].d);
	if (age == o->n) {
		gs /= (double)o->n;
		OUT(0) = w[R_LAST].d = gs[1] > 0 ? rsi_of(gs, o->m == 1) : 0;
	}
	w[R_BEFORE].d = in;
	two_put(w + R_GAIN, gs);
}

/*
 * out: fast - slow, its signal, their difference. n, m: seed lengths of slow and fast; the fast mean's seed ends
 * with the slow one's. k: factors of fast, slow, signal, and the signal's seed length. Words: fast, slow, signal.
 */
static inline double macd_next(union ind_word *w, const double *k, double in, double *signal)
{
	double macd = ema_next(w, k[0], in) - ema_next(w + 1, k[1], in);

	*signal = ema_next(w + 2, k[2], macd);
	return macd;
}

HOT hot_macd(const struct ind_insn *o, const struct ind_ctx *x, bool warm)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start, seed = (uint64_t)o->k[3], sig;
	double in = IN(0), macd, signal;

	if (warm || age >= o->n + seed - 1) {
		macd = macd_next(w, o->k, in, &signal);
	} else {
		if (age >= o->n) {
			ema_next(w, o->k[0], in);
			ema_next(w + 1, o->k[1], in);
		} else {
			w[0].d += age + o->m >= o->n ? in : 0;
			w[1].d += in;
		}
		if (age + 1 < o->n)
			return;
		if (age + 1 == o->n) {
			w[0].d /= (double)o->m;
			w[1].d /= (double)o->n;
		}
		macd = w[0].d - w[1].d;
		sig = age + 1 - o->n;
		signal = w[2].d = sig + 1 < seed ? w[2].d + macd : (w[2].d + macd) / (double)seed;
	}
	OUT(0) = macd;
	OUT(1) = signal;
	OUT(2) = macd - signal;
}

/*
 * The everyday five on one price in a straight line: mean and bands, RSI, MACD, an exponential mean. Their words lie one
 * behind the other from the first word behind the head on, in that order, so that what goes alike stands in pairs: sums,
 * gain and loss, fast and slow mean, signal and exponential mean. Their values have places of their own behind the inputs.
 * The arithmetic is that of the operations above, to the bit.
 */
enum { FIVE_MOMENTS = 0, FIVE_RSI = M_WORDS, FIVE_MACD = FIVE_RSI + R_WORDS, FIVE_EMA = FIVE_MACD + 3, FIVE_WORDS };
enum { V_UP = IN_N_INPUTS + 1, V_MEAN, V_LOW, V_MACD, V_SIGNAL, V_EMA, V_HIST, V_RSI, V_VAR, V_END };
_Static_assert(V_SIGNAL % 2 == 0 && V_EMA == V_SIGNAL + 1, "a pair");

struct ind_five {
	const struct ind_insn *moments, *rsi, *macd, *ema, *bands;
	two k_rsi, k_macd, k_last;      /* factors of gain and loss, fast and slow, signal and exponential mean */
	double rn, k, wide;             /* wide: n var times this is above the squared mean where a band is wider than 0.95 of it */
	uint32_t ring, mask, n, ahead;  /* ahead: mask + 1 - n */
	uint32_t in;                    /* which of the inputs */
};

HOT hot_five(const struct ind_five *f, const struct ind_ctx *x, union ind_word *w)
{
	double *r = x->r, in = r[f->in], old = x->ring[f->ring + ((x->t - f->n) & f->mask)].d, mean, dev, macd, signal;

	x->ring[f->ring + (x->t & f->mask)].d = in;
	r[V_MEAN] = mean = moments_next(f->moments, x, w + FIVE_MOMENTS, in, old, &r[V_VAR]);
	dev = sqrt(r[V_VAR]);
	r[V_UP] = mean + f->bands->k[0] * dev;
	r[V_LOW] = low_band(f->bands, x, mean, dev);
	r[V_RSI] = rsi_next(w + FIVE_RSI, f->rsi->k[0], in, false);
	r[V_MACD] = macd = macd_next(w + FIVE_MACD, f->macd->k, in, &signal);
	r[V_SIGNAL] = signal;
	r[V_HIST] = macd - signal;
	r[V_EMA] = ema_next(w + FIVE_EMA, f->ema->k[0], in);
}

#endif
