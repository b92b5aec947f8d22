/*
 * ind_kernel.h - small things all kernels share.
 */
#ifndef AP_IND_KERNEL_H
#define AP_IND_KERNEL_H

#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "stages/ap-indicators/ind_impl.h"

/*
 * A kernel is written for one operation and compiled three times: for a set whose operations may still be starting up, and for
 * one past all that: there `warm` is a constant, and start-up and its branches vanish; that once for any processor (_warm) and once
 * for one with AVX (_avx): the same arithmetic, to the bit, in a tenth less instructions, for they have three operands. x is
 * a copy of the context that nobody else can reach, so that it stays in registers whatever is stored: give others ctx_copy(x).
 */
#ifdef __x86_64__
#define WITH_AVX __attribute__((target("avx")))
#else
#define WITH_AVX
#endif

#define KERNEL(name) \
	static inline __attribute__((always_inline)) void name##_one(const struct ind_insn *o, const struct ind_ctx *x, bool warm); \
	KERNEL_STARTING(name) \
	KERNEL_WARM(name, warm, ) \
	KERNEL_WARM(name, avx, WITH_AVX) \
	KERNEL_BODY(name)
#define KERNEL_STARTING(name) \
	void name(const struct ind_insn *o, const struct ind_insn *end, const struct ind_ctx *ctx) \
	{ \
		for (const struct ind_ctx here = *ctx; o < end; o = insn_next(o, name##_constants)) \
			if (here.t >= o->start) \
				name##_one(o, &here, false); \
	}
#define KERNEL_WARM(name, form, attribute) \
	attribute void name##_##form(const struct ind_run *run, const struct ind_ctx *ctx) \
	{ \
		const struct ind_ctx here = *ctx; \
		const void *const end = run->next; \
		const struct ind_insn *o = ind_run_first(run); \
\
		do \
			name##_one(o, &here, true); \
		while ((const void *)(o = insn_next(o, name##_constants)) < end); \
		run = (const void *)o; \
		run->warm(run, ctx); \
	}
#define KERNEL_BODY(name) \
	static inline void name##_one(const struct ind_insn *o, const struct ind_ctx *x, __attribute__((unused)) bool warm)

/*
 * The same for kinds that are many and long: two operations at a time, each in its lane: name_two(o, p, x). Lane by lane the
 * arithmetic is name_one's, to the bit. Operations that read rings never wait for another of their own run.
 */
#define KERNEL_OF_TWO(name) \
	static inline __attribute__((always_inline)) void name##_one(const struct ind_insn *o, const struct ind_ctx *x, bool warm); \
	static inline __attribute__((always_inline)) void name##_two(const struct ind_insn *o, const struct ind_insn *p, \
								     const struct ind_ctx *x); \
	KERNEL_STARTING(name) \
	KERNEL_OF_TWO_WARM(name, warm, ) \
	KERNEL_OF_TWO_WARM(name, avx, WITH_AVX) \
	KERNEL_BODY(name)
#define KERNEL_OF_TWO_WARM(name, form, attribute) \
	attribute void name##_##form(const struct ind_run *run, const struct ind_ctx *ctx) \
	{ \
		const struct ind_ctx here = *ctx; \
		const struct ind_run *const end = run->next; \
		const struct ind_insn *o = ind_run_first(run), *p; \
\
		for (; (const void *)(p = insn_next(o, name##_constants)) < (const void *)end; o = insn_next(p, name##_constants)) \
			name##_two(o, p, &here); \
		if ((const void *)o < (const void *)end) \
			name##_one(o, &here, true); \
		end->warm(end, ctx); \
	}

/* The operation behind one that has so many constants. */
static inline const struct ind_insn *insn_next(const struct ind_insn *o, size_t constants)
{
	return (const struct ind_insn *)(const void *)((const char *)o + sizeof *o + constants * sizeof o->k[0]);
}

/* Field by field, so that the original can live in registers. */
static inline struct ind_ctx ctx_copy(const struct ind_ctx *x)
{
	return (struct ind_ctx){ x->t, x->open_ms, x->r, x->ring, x->core, x->turn };
}

/* The values an operation reads and writes. */
#define IN_OF(o, i) (x->r[(o)->reg[IND_REGS - 1 - (i)]])
#define OUT_OF(o, i) (x->r[(o)->reg[i]])
#define IN(i) IN_OF(o, i)
#define OUT(i) OUT_OF(o, i)

/* The word that holds candle t. */
static inline size_t past_word(const struct ind_past *p, uint64_t t)
{
	return p->at + (size_t)(t & p->mask);
}

/* The value of the operation's ring i at candle t, and that of `back` candles ago. */
static inline double at_candle(const struct ind_ctx *x, const struct ind_insn *o, unsigned i, uint64_t t)
{
	return x->ring[past_word(&o->past[i], t)].d;
}

static inline double past(const struct ind_ctx *x, const struct ind_insn *o, unsigned i, uint64_t back)
{
	return at_candle(x, o, i, x->t - back);
}

/* What fmax and fmin are without their rules for NaN, and without a call or a branch. */
static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

static inline double lesser(double a, double b)
{
	return a < b ? a : b;
}

/* Two doubles, each in its lane. */
typedef double two __attribute__((vector_size(16)));
static inline two two_of(double a, double b)
{
	return (two){ a, b };
}

static inline two two_at(const union ind_word *w)
{
	two v;

	memcpy(&v, w, sizeof v);
	return v;
}

static inline void two_put(union ind_word *w, two v)
{
	memcpy(w, &v, sizeof v);
}

typedef int64_t two_bits __attribute__((vector_size(16)));
static inline two two_abs(two v)
{
	return (two)((two_bits)v & INT64_MAX);
}

/* Lane by lane a > b ? a : b. */
static inline two two_greater(two a, two b)
{
#ifdef __SSE2__
	return (two)_mm_max_pd((__m128d)a, (__m128d)b);
#else
	return two_of(a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1]);
#endif
}

/* Lane by lane a < b ? a : b. */
static inline two two_lesser(two a, two b)
{
#ifdef __SSE2__
	return (two)_mm_min_pd((__m128d)a, (__m128d)b);
#else
	return two_of(a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]);
#endif
}

/* Lane by lane v where a > b, else 0. */
static inline two two_where_greater(two a, two b, two v)
{
	return (two)((a > b) & (two_bits)v);
}

static inline void two_to(two v, double *a, double *b)
{
	*a = v[0];
	*b = v[1];
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

/* csum_slide of two sums at once. */
static inline void csum_slide_lanes(two *s, two *c, two in, two out)
{
	two d = in - out, b = d - in, e = (in - (d - b)) - (out + b), t = *s + d, q = t - *s;

	*c += ((*s - (t - q)) + (d - q)) + e;
	*s = t;
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

/* Words that are places in memory: of queues (OP_HIGH, OP_LOW) and of windows that are circles. */
enum { Q_HEAD, Q_LEN, Q_WORDS };
enum { CCI_AT, CCI_SUM, CCI_OLDEST, CCI_HIGH, CCI_LOW, CCI_CLOSE, CCI_WORDS };
enum { SR_BEFORE, SR_ALL, SR_GAIN, SR_LOSS, SR_AT, SR_WORDS };

/* The kernels, one a code, with the words of state each has (QUEUE: as many as its queue needs; WINDOW: n more), and its constants. */
#define IND_KERNELS(X) \
	X(RING, ring, 0, 0) X(MOMENTS, moments, 5, 1) X(EMA, ema, 1, 1) X(RSI, rsi, 4, 1) X(MACD, macd, 3, 4) \
	X(BANDS, bands, 0, 2) X(LIN2, lin2, 0, 2) X(LAG, lag, 0, 0) X(HIGHER, higher, 0, 0) X(LOWER, lower, 0, 0) \
	X(FEW, few, 0, 1) X(SUM, sum, 4, 0) X(LINEAR, linear, 6, 3) X(HIGH, high, QUEUE, 0) X(LOW, low, QUEUE, 0) \
	X(HIGH_AGE, high_age, 1, 0) X(LOW_AGE, low_age, 1, 0) \
	X(MAD, mad, 0, 0) X(RANK, rank, 0, 0) X(COMOMENTS, comoments, 10, 0) \
	X(GAP, gap, 4, 2) X(CCI, cci, WINDOW + 5, 3) X(STOCHRSI, stochrsi, WINDOW + 5, 2) X(WILDER, wilder, 1, 1) \
	X(DX, dx, 1, 0) X(ADX, adx, 1, 1) X(KAMA, kama, 1, 2) X(SAR, sar, 4, 2) X(TREND, trend, 3, 1) X(CUM, cum, 2, 0) \
	X(SESSION, session, 5, 2) X(FISHER, fisher, 2, 0) X(TRUE_RANGE, true_range, 0, 0) X(TYPICAL, typical, 0, 0) \
	X(DM, dm, 0, 0) X(LIN4, lin4, 0, 4) X(POS, pos, 0, 1) X(RATIO, ratio, 0, 2) X(CHANGE, change, 0, 1) X(MUL, mul, 0, 0) \
	X(ABSDIFF, absdiff, 0, 0) X(LESSER, lesser, 0, 0) X(SIGNED, signed, 0, 0) X(FLOW, flow, 0, 0) X(MFI, mfi, 0, 1) \
	X(CLV, clv, 0, 0) X(LINREG, linreg, 0, 2) X(ANGLE, angle, 0, 0) X(AROON, aroon, 0, 1) \
	X(PERCENT_B, percent_b, 0, 0) X(SQRT, sqrt, 0, 2) X(LOGVAR, logvar, 0, 0) X(CORREL, correl, 0, 0) X(GAIN, gain, 0, 0) \
	X(HILBERT, hilbert, 37, 0) X(PHASE, phase, 1, 0) X(TRENDLINE, trendline, 3, 0) X(TRENDMODE, trendmode, 4, 0) \
	X(MAMA, mama, 3, 2)

#define IND_KERNEL_DECLARE(code, name, words, constants) \
	ind_kernel ind_k_##name; \
	ind_kernel_warm ind_k_##name##_warm, ind_k_##name##_avx; \
	enum { ind_k_##name##_constants = (constants) };
IND_KERNELS(IND_KERNEL_DECLARE)
#undef IND_KERNEL_DECLARE

#endif
