/*
 * ind_kernel_cycle.c - John Ehlers' dominant cycle by the Hilbert transform, and what stands on it.
 *
 * "Rocket Science for Traders", 2001. Angles are in degrees, as there.
 */
#include <string.h>
#include "stages/ap-indicators/ind_kernel.h"

static const double PI = 3.14159265358979323846;
#define DEG (180.0 / PI)

/*
 * One filter: its last seven inputs, newest first, the Hilbert transform of which is asked for. The terms are added in
 * the order of TA-Lib: while the price stands still they are rounding noise, and the phases made of it are to agree.
 */
static double hilbert(union ind_word *h, double in, double adjust)
{
	double y;

	memmove(h + 1, h, 6 * sizeof *h);
	h[0].d = in;
	y = -(0.0962 * h[6].d);
	y += 0.0962 * h[0].d;
	y -= 0.5769 * h[4].d;
	y += 0.5769 * h[2].d;
	return y * adjust;
}

/*
 * in: price (with its ring). n: candles before the filters start. out: price smoothed over four candles, smooth
 * period, in-phase, quadrature. Words: four filters of seven, then I2, Q2, Re, Im, period, smooth period, and for the
 * smooth price its sum of the last four, that weighted 3 2 1, the largest price in them.
 */
enum {
	H_SMOOTH = 0, H_DET = 7, H_I1 = 14, H_Q1 = 21, H_I2 = 28, H_Q2, H_RE, H_IM, H_PERIOD, H_SMOOTHED, H_SUM4,
	H_SUM321, H_PEAK
};

/*
 * (4 p + 3 p[1] + 2 p[2] + p[3]) / 10 by TA-Lib's running sums, for the same reason. They are taken anew when the
 * price has fallen so far that what it left in them would matter.
 */
static double smooth_price(const struct ind_insn *o, const struct ind_ctx *x, union ind_word *w)
{
	double p = IN(0), sum;
	uint64_t age = x->t - o->start;

	w[H_PEAK].d = fmax(w[H_PEAK].d, fabs(p));
	w[H_SUM4].d += p;
	if (age < 3) {
		w[H_SUM321].d += p * (double)(age + 1);
		return 0;
	}
	w[H_SUM4].d -= age > 3 ? past(x, o, 0, 4) : 0;
	sum = w[H_SUM321].d + p * 4.0;
	w[H_SUM321].d = sum - w[H_SUM4].d;
	if (fabs(p) < 1e-6 * w[H_PEAK].d) {
		double b = past(x, o, 0, 1), c = past(x, o, 0, 2), d = past(x, o, 0, 3);

		w[H_SUM4].d = p + b + c + d;
		w[H_SUM321].d = 3.0 * p + 2.0 * b + c;
		w[H_PEAK].d = fmax(fmax(fabs(p), fabs(b)), fmax(fabs(c), fabs(d)));
	}
	return sum * 0.1;
}

static void period_next(union ind_word *w, double i2, double q2)
{
	double period = w[H_PERIOD].d, prev = period, re, im;

	re = 0.2 * (i2 * w[H_I2].d + q2 * w[H_Q2].d) + 0.8 * w[H_RE].d;
	im = 0.2 * (i2 * w[H_Q2].d - q2 * w[H_I2].d) + 0.8 * w[H_IM].d;
	w[H_RE].d = re;
	w[H_IM].d = im;
	w[H_I2].d = i2;
	w[H_Q2].d = q2;
	if (im != 0 && re != 0)
		period = 360.0 / (atan(im / re) * DEG);
	period = period > 1.5 * prev ? 1.5 * prev : period;
	period = period < 0.67 * prev ? 0.67 * prev : period;
	period = period < 6.0 ? 6.0 : period > 50.0 ? 50.0 : period;
	w[H_PERIOD].d = 0.2 * period + 0.8 * prev;
	w[H_SMOOTHED].d = 0.33 * w[H_PERIOD].d + 0.67 * w[H_SMOOTHED].d;
}

KERNEL(ind_k_hilbert)
{
	union ind_word *w = x->core + o->core;
	double smooth, adjust, det, i1, q1, ji, jq;

	smooth = smooth_price(o, x, w);
	if (!warm && x->t - o->start < o->n)
		return;
	adjust = 0.075 * w[H_PERIOD].d + 0.54;
	det = hilbert(w + H_SMOOTH, smooth, adjust);
	/* The detrender's output three candles ago: the filter below holds its past. */
	i1 = w[H_DET + 2].d;
	q1 = hilbert(w + H_DET, det, adjust);
	ji = hilbert(w + H_I1, i1, adjust);
	jq = hilbert(w + H_Q1, q1, adjust);
	period_next(w, 0.2 * (i1 - jq) + 0.8 * w[H_I2].d, 0.2 * (q1 + ji) + 0.8 * w[H_Q2].d);
	OUT(0) = smooth;
	OUT(1) = w[H_SMOOTHED].d;
	OUT(2) = i1;
	OUT(3) = q1;
}

/* The period in candles; whatever a loaded state says, no more than turns are tabled for. */
static uint32_t cycle_length(double period)
{
	return period >= 0 && period < (double)IND_TURN_MAX ? (uint32_t)(period + 0.5) : IND_TURN_MAX;
}

/* in: smooth price (with its ring), smooth period. out: phase, its sine, the sine 45 degrees on. Words: phase. */
KERNEL(ind_k_phase)
{
	union ind_word *w = x->core + o->core;
	double period = IN(1), re = 0, im = 0, phase = w->d;
	uint32_t n = cycle_length(period);
	const double *turn = ind_turn(x->turn, n);

	for (uint32_t i = 0; i < n; i++) {
		double v = past(x, o, 0, i);

		re += turn[2 * i] * v;
		im += turn[2 * i + 1] * v;
	}
	if (fabs(im) > 0)
		phase = atan(re / im) * DEG;
	else
		phase += re < 0 ? -90.0 : re > 0 ? 90.0 : 0;
	phase += 90.0 + 360.0 / period;
	if (im < 0)
		phase += 180.0;
	if (phase > 315.0)
		phase -= 360.0;
	w->d = phase;
	OUT(0) = phase;
	OUT(1) = sin(phase / DEG);
	OUT(2) = sin((phase + 45.0) / DEG);
}

/* in: price (with its ring), smooth period. out: mean over one period, smoothed by 4 3 2 1. Words: three means. */
KERNEL(ind_k_trendline)
{
	union ind_word *w = x->core + o->core;
	uint32_t n = cycle_length(IN(1));
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += past(x, o, 0, i);
	sum = n > 0 ? sum / (double)n : 0;
	OUT(0) = (4.0 * sum + 3.0 * w[0].d + 2.0 * w[1].d + w[2].d) / 10.0;
	w[2] = w[1];
	w[1] = w[0];
	w[0].d = sum;
}

/* in: phase, smooth period, trendline, smooth price. out: 1 trend, 0 cycle. Words: days, sine, lead, phase. */
KERNEL(ind_k_trendmode)
{
	union ind_word *w = x->core + o->core;
	double phase = IN(0), period = IN(1), line = IN(2), d;
	double sine = sin(phase / DEG), lead = sin((phase + 45.0) / DEG);
	bool trend = true;

	if ((sine > lead && w[1].d <= w[2].d) || (sine < lead && w[1].d >= w[2].d)) {
		w[0].d = 0;
		trend = false;
	}
	w[0].d += 1.0;
	if (w[0].d < 0.5 * period)
		trend = false;
	d = phase - w[3].d;
	if (period != 0 && d > 0.67 * 360.0 / period && d < 1.5 * 360.0 / period)
		trend = false;
	if (line != 0 && fabs((IN(3) - line) / line) >= 0.015)
		trend = true;
	w[1].d = sine;
	w[2].d = lead;
	w[3].d = phase;
	OUT(0) = trend ? 1.0 : 0.0;
}

/* in: price, in-phase, quadrature. k: fast and slow limit. out: MAMA, FAMA. Words: both, phase. */
KERNEL(ind_k_mama)
{
	union ind_word *w = x->core + o->core;
	double i1 = IN(1), q1 = IN(2), d, a;
	double phase = i1 != 0 ? atan(q1 / i1) * DEG : 0;

	d = w[2].d - phase;
	w[2].d = phase;
	a = d > 1.0 ? o->k[0] / d : o->k[0];
	a = a < o->k[1] ? o->k[1] : a;
	w[0].d = a * IN(0) + (1.0 - a) * w[0].d;
	w[1].d = 0.5 * a * w[0].d + (1.0 - 0.5 * a) * w[1].d;
	OUT(0) = w[0].d;
	OUT(1) = w[1].d;
}
