/*
 * ind_pieces.c - the pieces that indicators are put together from.
 */
#include <math.h>
#include "stages/ap-indicators/ind_impl.h"

typedef struct ind_op op;

/* An operation of a window over x's past. */
static struct ind_ref window(struct ind_build *b, op o, struct ind_ref x, uint32_t n, unsigned n_out)
{
	o.n = n;
	o.ring[0] = ind_ring(b, x, n);
	return ind_op(b, o, &x, 1, n_out, n - 1);
}

static struct ind_ref map2(struct ind_build *b, op o, struct ind_ref x, struct ind_ref y)
{
	return ind_op(b, o, (struct ind_ref[]){ x, y }, 2, 1, 0);
}

struct ind_ref ind_lag(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return ind_op(b, (op){ .code = OP_LAG, .n = n, .start = x.first + n, .ring = { ind_ring(b, x, n), 0 } },
		      &x, 1, 1, 0);
}

struct ind_ref ind_lin(struct ind_build *b, double k, struct ind_ref x, double m, struct ind_ref y)
{
	return map2(b, (op){ .code = OP_LIN2, .k = { k, m } }, x, y);
}

struct ind_ref ind_sub(struct ind_build *b, struct ind_ref x, struct ind_ref y)
{
	return ind_lin(b, 1, x, -1, y);
}

struct ind_ref ind_lin4(struct ind_build *b, const double k[4], const struct ind_ref in[4])
{
	return ind_op(b, (op){ .code = OP_LIN4, .k = { k[0], k[1], k[2], k[3] } }, in, 4, 1, 0);
}

struct ind_ref ind_pos(struct ind_build *b, double k, const struct ind_ref in[4])
{
	return ind_op(b, (op){ .code = OP_POS, .k = { k } }, in, 4, 1, 0);
}

struct ind_ref ind_ratio(struct ind_build *b, double k, struct ind_ref x, struct ind_ref y, double at_zero)
{
	struct ind_ref r = map2(b, (op){ .code = OP_RATIO, .k = { k, at_zero } }, x, y);

	if (isnan(at_zero))
		ind_absent(b, r);
	return r;
}

struct ind_ref ind_change(struct ind_build *b, double k, struct ind_ref x, struct ind_ref y)
{
	return map2(b, (op){ .code = OP_CHANGE, .k = { k } }, x, y);
}

struct ind_ref ind_mul(struct ind_build *b, struct ind_ref x, struct ind_ref y)
{
	return map2(b, (op){ .code = OP_MUL }, x, y);
}

struct ind_ref ind_absdiff(struct ind_build *b, struct ind_ref x, struct ind_ref y)
{
	return map2(b, (op){ .code = OP_ABSDIFF }, x, y);
}

struct ind_ref ind_sqrt(struct ind_build *b, double k, double m, struct ind_ref x)
{
	return ind_op(b, (op){ .code = OP_SQRT, .k = { k, m } }, &x, 1, 1, 0);
}

struct ind_ref ind_sum(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return window(b, (op){ .code = OP_SUM }, x, n, 1);
}

struct ind_ref ind_mean(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	struct ind_ref s = ind_sum(b, x, n);

	return ind_lin(b, 1.0 / (double)n, s, 0, s);
}

struct ind_ref ind_moments(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return window(b, (op){ .code = OP_MOMENTS, .k = { 1.0 / (double)n } }, x, n, 2);
}

struct ind_ref ind_ema(struct ind_build *b, struct ind_ref x, uint32_t seed, double k)
{
	return ind_op(b, (op){ .code = OP_EMA, .n = seed, .k = { k } }, &x, 1, 1, seed - 1);
}

struct ind_ref ind_ema_n(struct ind_build *b, struct ind_ref x, uint32_t n, bool tv)
{
	return ind_ema(b, x, tv ? 1 : n, 2.0 / ((double)n + 1.0));
}

struct ind_ref ind_rma(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return ind_ema(b, x, n, 1.0 / (double)n);
}

enum { FEW = 4 };     /* OP_FEW adds up no more */
static struct ind_ref few(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return window(b, (op){ .code = OP_FEW, .k = { 1.0 / (double)n } }, x, n, 1);
}

struct ind_ref ind_linear(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	const double m = (double)n;

	return window(b, (op){ .code = OP_LINEAR, .k = { 1.0 / m, 2.0 / (m * (m + 1.0)), (m + 1.0) / 2.0 } }, x, n, 2);
}

struct ind_ref ind_wma(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return n > 1 ? ind_linear(b, x, n) : few(b, x, n);
}

/* The extreme of x now and n candles ago. */
static struct ind_ref either(struct ind_build *b, uint8_t code, struct ind_ref x, uint32_t n)
{
	return ind_op(b, (op){ .code = code, .n = n, .start = x.first + n, .ring = { ind_ring(b, x, n), 0 } }, &x, 1, 1, 0);
}

/* The extreme of the last n: of 2, 4, 8 ... and at the end of two that overlap. */
static struct ind_ref doubled(struct ind_build *b, uint8_t code, struct ind_ref x, uint32_t n)
{
	uint32_t m = 1;

	for (; m <= n / 2; m *= 2)
		x = either(b, code, x, m);
	return m < n ? either(b, code, x, n - m) : x;
}

static struct ind_ref extreme(struct ind_build *b, op o, const struct ind_ref *x, unsigned n_in, uint32_t n)
{
	o.n = n;
	while (o.m + 1 < n)
		o.m = 2 * o.m + 1;
	for (unsigned i = 0; i < n_in; i++)
		o.ring[i] = ind_ring(b, x[i], n);
	return ind_op(b, o, x, n_in, 2, n - 1);
}

/* Longer windows are seldom shared, and one queue alone is less work than seven steps. */
enum { DOUBLED_MAX = 64 };

struct ind_ref ind_high(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return n <= DOUBLED_MAX ? doubled(b, OP_HIGHER, x, n) : extreme(b, (op){ .code = OP_HIGH }, &x, 1, n);
}

struct ind_ref ind_low(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return n <= DOUBLED_MAX ? doubled(b, OP_LOWER, x, n) : extreme(b, (op){ .code = OP_LOW }, &x, 1, n);
}

/* A short window is read through sooner than a queue is kept. */
enum { READ_MAX = 32 };

struct ind_ref ind_high_age(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return n <= READ_MAX ? window(b, (op){ .code = OP_HIGH_AGE }, x, n, 1) : ind_out(extreme(b, (op){ .code = OP_HIGH }, &x, 1, n), 1);
}

struct ind_ref ind_low_age(struct ind_build *b, struct ind_ref x, uint32_t n)
{
	return n <= READ_MAX ? window(b, (op){ .code = OP_LOW_AGE }, x, n, 1) : ind_out(extreme(b, (op){ .code = OP_LOW }, &x, 1, n), 1);
}

struct ind_ref ind_true_range(struct ind_build *b, bool tv)
{
	struct ind_ref in[3] = { ind_in(b, IN_H), ind_in(b, IN_L), ind_lag(b, ind_in(b, IN_C), 1) };

	if (tv)
		in[2].first = 0;  /* not read at the first candle */
	return ind_op(b, (op){ .code = OP_TRUE_RANGE, .m = tv }, in, 3, 1, 0);
}

struct ind_ref ind_atr(struct ind_build *b, uint32_t n, bool tv)
{
	return ind_rma(b, ind_true_range(b, tv), n);
}

struct ind_ref ind_typical(struct ind_build *b)
{
	return ind_op(b, (op){ .code = OP_TYPICAL },
		      (struct ind_ref[]){ ind_in(b, IN_H), ind_in(b, IN_L), ind_in(b, IN_C) }, 3, 1, 0);
}

struct ind_ref ind_median(struct ind_build *b)
{
	return ind_lin(b, 0.5, ind_in(b, IN_H), 0.5, ind_in(b, IN_L));
}

struct ind_ref ind_cum(struct ind_build *b, struct ind_ref x)
{
	return ind_op(b, (op){ .code = OP_CUM }, &x, 1, 1, 0);
}

struct ind_ref ind_kama(struct ind_build *b, struct ind_ref x, uint32_t n, double fast, double slow)
{
	struct ind_ref prev = ind_lag(b, x, 1), sum = ind_sum(b, ind_absdiff(b, x, prev), n);

	return ind_op(b, (op){ .code = OP_KAMA, .k = { 2.0 / (fast + 1.0), 2.0 / (slow + 1.0) } },
		      (struct ind_ref[]){ x, ind_lag(b, x, n), sum, prev }, 4, 1, 0);
}

static struct ind_ref ema_deep(struct ind_build *b, struct ind_ref x, uint32_t n, unsigned depth)
{
	while (depth-- > 0)
		x = ind_ema_n(b, x, n, false);
	return x;
}

struct ind_ref ind_t3(struct ind_build *b, struct ind_ref x, uint32_t n, double v)
{
	double c1 = -v * v * v, c2 = 3 * (v * v - c1), c3 = -6 * v * v - 3 * (v - c1),
	       c4 = 1 + 3 * v - c1 + 3 * v * v;

	return ind_lin4(b, (double[]){ c1, c2, c3, c4 },
			(struct ind_ref[]){ ema_deep(b, x, n, 6), ema_deep(b, x, n, 5), ema_deep(b, x, n, 4),
					    ema_deep(b, x, n, 3) });
}

struct ind_ref ind_ma(struct ind_build *b, struct ind_ref x, uint32_t n, enum ind_ma kind)
{
	switch (kind) {
	case MA_SMA:
		return n <= FEW ? few(b, x, n) : ind_moments(b, x, n);
	case MA_EMA:
		return ind_ema_n(b, x, n, false);
	case MA_WMA:
		return ind_wma(b, x, n);
	case MA_DEMA:
		return ind_lin(b, 2, ema_deep(b, x, n, 1), -1, ema_deep(b, x, n, 2));
	case MA_TEMA:
		return ind_lin4(b, (double[]){ 3, -3, 1, 0 },
				(struct ind_ref[]){ ema_deep(b, x, n, 1), ema_deep(b, x, n, 2),
						    ema_deep(b, x, n, 3), ema_deep(b, x, n, 3) });
	case MA_TRIMA:
		return ind_moments(b, ind_moments(b, x, (n + 1) / 2), n / 2 + 1);
	case MA_KAMA:
		return ind_kama(b, x, n, 2, 30);
	case MA_T3:
		return ind_t3(b, x, n, 0.7);
	case MA_RMA:
		return ind_rma(b, x, n);
	}
	return x;
}

struct ind_ref ind_source(struct ind_build *b, double choice)
{
	struct ind_ref o = ind_in(b, IN_O), h = ind_in(b, IN_H), l = ind_in(b, IN_L), c = ind_in(b, IN_C);

	switch ((int)choice) {
	case 1:
		return o;
	case 2:
		return h;
	case 3:
		return l;
	case 4:
		return ind_median(b);
	case 5:
		return ind_typical(b);
	case 6:
		return ind_lin4(b, (double[]){ 0.25, 0.25, 0.25, 0.25 }, (struct ind_ref[]){ o, h, l, c });
	case 7:
		return ind_in(b, IN_V);
	default:
		return c;
	}
}
