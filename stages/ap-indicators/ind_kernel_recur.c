/*
 * ind_kernel_recur.c - what depends on all candles so far through a few numbers.
 */
#include "stages/ap-indicators/ind_kernel.h"

/* out: Wilder's sum, s - s / n + x, started with the plain sum of the first n - 1. Words: s. */
KERNEL(ind_k_wilder)
{
	union ind_word *w = x->core + o->core;
	double s = w->d;

	if (warm || x->t - o->start + 1 >= o->n)
		s -= s * o->k[0];
	s += IN(0);
	/* A long still market would end in denormals. */
	w->d = s < 1e-280 ? 0 : s;
	OUT(0) = w->d;
}

/* in: +DI, -DI, range. out: 100 |p - m| / (p + m), the last one where that says nothing. Words: last. */
KERNEL(ind_k_dx)
{
	union ind_word *w = x->core + o->core;
	double p = IN(0), m = IN(1);

	if (IN(2) != 0 && p + m != 0)
		w->d = 100.0 * (fabs(p - m) / (p + m));
	OUT(0) = w->d;
}

/*
 * in: +DI, -DI, range, DX. out: Wilder's mean of DX over n, seeded with the plain mean; candles without
 * range or movement count 0 in the seed and leave it alone later. Words: the mean.
 */
KERNEL(ind_k_adx)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	bool still = IN(2) == 0 || IN(0) + IN(1) == 0;
	double dx = IN(3);

	if (warm || age >= o->n)
		w->d = still ? w->d : w->d + o->k[0] * (dx - w->d);
	else
		w->d += still ? 0 : dx;
	if (!warm && age + 1 == o->n)
		w->d /= (double)o->n;
	OUT(0) = w->d;
}

/*
 * in: x, x n candles ago, sum of the n last absolute changes, x one candle ago. Words: the mean.
 * out: m += (e (fast - slow) + slow)^2 (x - m), e = |change over n| / sum, 1 when the sum is 0.
 */
KERNEL(ind_k_kama)
{
	union ind_word *w = x->core + o->core;
	double in = IN(0), d = in - IN(1), sum = IN(2), c;
	double prev = !warm && x->t == o->start ? IN(3) : w->d;

	c = sum <= d || sum <= 0 ? 1.0 : fabs(d / sum);
	c = c * (o->k[0] - o->k[1]) + o->k[1];
	w->d = prev + c * c * (in - prev);
	OUT(0) = w->d;
}

/*
 * in: high, low, those of the candle before. k: step, limit of the acceleration. Words: long?, extreme, SAR
 * for this candle, acceleration. Parabolic stop and reverse, J. Welles Wilder 1978; the first direction is
 * short if the low fell and fell by more than the high rose.
 */
enum { S_LONG, S_EP, S_SAR, S_AF };

static void sar_start(union ind_word *w, double h, double l, double ph, double pl, double step)
{
	bool is_short = pl - l > 0 && pl - l > h - ph;

	w[S_LONG].u = !is_short;
	w[S_EP].d = is_short ? l : h;
	w[S_SAR].d = is_short ? ph : pl;
	w[S_AF].d = step;
}

static double sar_next(union ind_word *w, double h, double l, double ph, double pl, const double *k)
{
	/* Both directions in one: prices are mirrored while short. */
	double f = w[S_LONG].u ? 1.0 : -1.0, far = f > 0 ? h : -l, near = f > 0 ? l : -h;
	double pnear = f > 0 ? pl : -ph, pfar = f > 0 ? ph : -pl, sar = f * w[S_SAR].d, ep = f * w[S_EP].d, out, af;

	if (near <= sar) {
		out = greater(greater(ep, pfar), far);
		w[S_LONG].u = !w[S_LONG].u;
		w[S_AF].d = k[0];
		w[S_EP].d = f * near;
		w[S_SAR].d = f * greater(greater(out + k[0] * (near - out), pfar), far);
		return f * out;
	}
	/* Not a branch: whether there is a new extreme is a coin. */
	af = lesser(w[S_AF].d + (double)(far > ep) * k[0], k[1]);
	ep = greater(far, ep);
	w[S_AF].d = af;
	w[S_EP].d = f * ep;
	w[S_SAR].d = f * lesser(lesser(sar + af * (ep - sar), pnear), near);
	return f * sar;
}

KERNEL(ind_k_sar)
{
	union ind_word *w = x->core + o->core;
	double h = IN(0), l = IN(1), ph = IN(2), pl = IN(3);

	if (!warm && x->t == o->start) {
		sar_start(w, h, l, ph, pl, o->k[0]);
		/* The candle before the first counts as this one when the first SAR is bounded. */
		ph = h;
		pl = l;
	}
	OUT(0) = sar_next(w, h, l, ph, pl, o->k);
}

/*
 * in: middle price, ATR, close, close before. out: line, direction (-1 rising, 1 falling). Words: upper band, lower
 * band, direction (0: none yet). SuperTrend as in TradingView's reference: a band only tightens until the close
 * before has crossed it.
 */
KERNEL(ind_k_trend)
{
	union ind_word *w = x->core + o->core;
	double mid = IN(0), atr = o->k[0] * IN(1), c = IN(2);
	double up = mid + atr, low = mid - atr;
	int64_t dir = 1;

	if (warm || w[2].i != 0) {
		double pc = IN(3);

		/* Greater and lesser are no branches: whether a band tightens is a coin. */
		low = greater(low, pc < w[1].d ? (double)-INFINITY : w[1].d);
		up = lesser(up, pc > w[0].d ? (double)INFINITY : w[0].d);
		if (w[2].i > 0)
			dir = c > up ? -1 : 1;
		else
			dir = c < low ? 1 : -1;
	}
	w[0].d = up;
	w[1].d = low;
	w[2].i = dir;
	OUT(0) = dir < 0 ? low : up;
	OUT(1) = (double)dir;
}

/* out: sum of all so far. Words: compensated sum. */
KERNEL(ind_k_cum)
{
	csum_add(x->core + o->core, IN(0));
	OUT(0) = csum_get(x->core + o->core);
}

/*
 * in: price * volume, volume. out: their sums' ratio since the session began; none while no volume was
 * traded in it. k: length and offset of a session in ms, 0: one session for ever. Words: session, sums.
 */
KERNEL(ind_k_session)
{
	union ind_word *w = x->core + o->core;
	int64_t len = (int64_t)o->k[0], at = x->open_ms - (int64_t)o->k[1], id = 0;

	/* Mostly the session of the candle before: no division. */
	if (len > 0)
		id = (uint64_t)at - w[0].u * (uint64_t)len < (uint64_t)len ? w[0].i : at / len - (at % len < 0);
	if (w[0].i != id)
		for (int i = 1; i < 5; i++)
			w[i].d = 0;
	w[0].i = id;
	csum_add(w + 1, IN(0));
	csum_add(w + 3, IN(1));
	OUT(0) = csum_get(w + 3) > 0 ? csum_get(w + 1) / csum_get(w + 3) : (double)NAN;
}

/*
 * in: price, its highest and lowest of the window. out: Fisher transform, its value before. Words: the two
 * smoothed values. J. Ehlers 2002, with the constants of TradingView; no range counts as the middle.
 */
KERNEL(ind_k_fisher)
{
	union ind_word *w = x->core + o->core;
	double hi = IN(1), lo = IN(2);
	double at = hi > lo ? (IN(0) - lo) / (hi - lo) - 0.5 : 0, v;

	v = 0.66 * at + 0.67 * w[0].d;
	v = v > 0.999 ? 0.999 : v < -0.999 ? -0.999 : v;
	w[0].d = v;
	OUT(1) = w[1].d;
	w[1].d = 0.5 * log((1.0 + v) / (1.0 - v)) + 0.5 * w[1].d;
	OUT(0) = w[1].d;
}
