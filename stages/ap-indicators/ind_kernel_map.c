/*
 * ind_kernel_map.c - arithmetic on values of one candle, with a stated answer for every zero divisor.
 */
#include "stages/ap-indicators/ind_kernel.h"

#define MAP(name, expr) \
	KERNEL(name) \
	{ \
		OUT(0) = (expr); \
	}

static inline double ratio(double a, double b, double at_zero)
{
	return b != 0 ? a / b : at_zero;
}

MAP(ind_k_lin4, (o->k[0] * IN(0) + o->k[1] * IN(1)) + (o->k[2] * IN(2) + o->k[3] * IN(3)))
MAP(ind_k_pos, o->k[0] * ratio(IN(0) - IN(1), IN(2) - IN(3), 0))
MAP(ind_k_ratio, ratio(o->k[0] * IN(0), IN(1), o->k[1]))
MAP(ind_k_change, o->k[0] * ratio(IN(0) - IN(1), IN(1), 0))
MAP(ind_k_mul, IN(0) * IN(1))
MAP(ind_k_absdiff, fabs(IN(0) - IN(1)))
MAP(ind_k_lesser, lesser(IN(0), IN(1)))
MAP(ind_k_sqrt, o->k[0] * sqrt(greater(0, o->k[1] * IN(0))))
MAP(ind_k_angle, atan(IN(0)) * (180.0 / 3.14159265358979323846))
/* in: age of the extreme; k0: the period. */
MAP(ind_k_aroon, 100.0 * (o->k[0] - IN(0)) / o->k[0])
/* in: x, middle, half the width. */
MAP(ind_k_percent_b, 0.5 + 0.5 * ratio(IN(0) - IN(1), IN(2), 0))
/* Written as everybody writes it: ties between two candles (MFI) are decided by these very doubles. */
MAP(ind_k_typical, (IN(0) + IN(1) + IN(2)) / 3.0)
/* in: high, low, close, volume. */
MAP(ind_k_clv, ratio((IN(2) - IN(1)) - (IN(0) - IN(2)), IN(0) - IN(1), 0) * IN(3))
/* in: positive and negative flow; k0: the flow below which there is nothing to tell. */
MAP(ind_k_mfi, IN(0) + IN(1) < o->k[0] ? 0 : ratio(100.0 * IN(0), IN(0) + IN(1), 0))
/* in: n cov, n var, n var. */
MAP(ind_k_correl, ratio(IN(0), sqrt(IN(1)) * sqrt(IN(2)), 0))

/* in: high, low, close before. With m = 1 it begins one candle early, with high - low. */
KERNEL(ind_k_true_range)
{
	double h = IN(0), l = IN(1), tr = h - l;

	if (warm || o->m == 0 || x->t > o->start)
		tr = greater(tr, greater(fabs(h - IN(2)), fabs(l - IN(2))));
	OUT(0) = tr;
}

/* in: high, low, those before. out: +DM, -DM. */
KERNEL(ind_k_dm)
{
	const two move = two_of(IN(0), IN(3)) - two_of(IN(2), IN(1)), other = two_of(move[1], move[0]);

	/* In lanes, for they have no branch: which of the two moved further is a coin. */
	two_to(two_where_greater(move, two_greater(other, two_of(0, 0)), move), &OUT(0), &OUT(1));
}

/* in: close, volume, close before. out: volume with the sign of the change; at the very first candle the volume
 * (m = 0) or nothing (m = 1). */
KERNEL(ind_k_signed)
{
	double v = IN(1);

	if (!warm && x->t == o->start)
		OUT(0) = o->m ? 0 : v;
	else
		OUT(0) = (double)((IN(0) > IN(2)) - (IN(0) < IN(2))) * v;     /* not a branch: it is a coin */
}

/* in: price, price before, volume. out: money flowing in, money flowing out. */
KERNEL(ind_k_flow)
{
	double money = IN(0) * IN(2);

	OUT(0) = IN(0) > IN(1) ? money : 0;
	OUT(1) = IN(0) < IN(1) ? money : 0;
}

/* in: a, b. out: what a is above b, what it is below. */
KERNEL(ind_k_gain)
{
	double d = IN(0) - IN(1);

	OUT(0) = d > 0 ? d : 0;
	OUT(1) = d < 0 ? -d : 0;
}

/*
 * in: weighted mean, n cov with time, of OP_LINEAR. k: n (n^2 - 1) / 12, (n - 1) / 3. out: slope, intercept, value at the last
 * candle, at the next one. The weighted mean is the line's value at two thirds of the window, (n - 1) / 3 before the last.
 */
KERNEL(ind_k_linreg)
{
	double slope = IN(1) / o->k[0], at = IN(0), third = o->k[1];

	OUT(0) = slope;
	OUT(1) = at - slope * (2.0 * third);
	OUT(2) = at + slope * third;
	OUT(3) = at + slope * (third + 1.0);
}

/*
 * One candle's share of a variance of log prices. m: 0 ln(a / b) · 1 Parkinson, in high, low · 2 Garman-Klass ·
 * 3 Rogers-Satchell, both in open, high, low, close. Prices are positive; anything else counts as no movement.
 */
static double logvar(const struct ind_insn *o, const struct ind_ctx *x)
{
	double hl, co;

	for (unsigned i = 0; i < (o->m < 2 ? 2 : 4); i++)
		if (!(IN(i) > 0))
			return 0;
	switch (o->m) {
	case 0:
		return log(IN(0) / IN(1));
	case 1:
		hl = log(IN(0) / IN(1));
		return hl * hl / (4.0 * 0.69314718055994530942);
	case 2:
		hl = log(IN(1) / IN(2));
		co = log(IN(3) / IN(0));
		return 0.5 * hl * hl - (2.0 * 0.69314718055994530942 - 1.0) * co * co;
	default:
		return log(IN(1) / IN(3)) * log(IN(1) / IN(0)) + log(IN(2) / IN(3)) * log(IN(2) / IN(0));
	}
}

MAP(ind_k_logvar, logvar(o, x))
