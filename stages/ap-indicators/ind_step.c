/*
 * ind_step.c - one candle through a compiled set.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "stages/ap-indicators/ind_set.h"

/* The bitmap while some slots have no value yet. */
static __attribute__((noinline)) void valid_start(const struct ind_set *set, uint64_t t, uint64_t *valid)
{
	for (size_t i = 0; i < set->n_slots; i++)
		if (t < set->slots[i].first)
			valid[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* The bitmap where it is longer than a word, or some slots may have no value. */
static inline void valid_tell(const struct ind_set *set, uint64_t t, const double *val, uint64_t *valid)
{
	for (size_t i = 1; i < set->n_bitmap; i++)
		valid[i] = set->all[i];
	if (t < set->warm)
		valid_start(set, t, valid);
	for (size_t i = 0; i < set->n_checks; i++) {
		const size_t slot = set->checks[i];

		valid[slot / 64] &= ~((uint64_t)(isnan(val[set->places[slot]]) != 0) << (slot % 64));
	}
}

/*
 * The everyday operations on the candle's own values come first, in an order that suits every set, each
 * kind a short loop without dispatch: moving averages, RSI, MACD and Bollinger bands need nothing else.
 * `warm` is a constant: with it all operations are past their start-up, and the five have run already.
 */
#define RUN(kind, name, call) \
	for (const struct ind_insn *o = warm ? set->front[kind].rest : set->front[kind].first, *end = set->front[kind].end; \
	     o < end; o = insn_next(o, ind_k_##name##_constants)) \
		if (warm || x.t >= o->start) call

static inline __attribute__((always_inline)) void front_step(const struct ind_set *set, struct ind_ctx x,
							     bool warm)
{
	RUN(FRONT_RING, ring, hot_ring(o, &x));
	RUN(FRONT_MOMENTS, moments, hot_moments(o, &x, warm));
	RUN(FRONT_EMA, ema, hot_ema(o, &x, warm));
	RUN(FRONT_RSI, rsi, hot_rsi(o, &x, warm));
	RUN(FRONT_MACD, macd, hot_macd(o, &x, warm));
	RUN(FRONT_BANDS, bands, hot_bands(o, &x));
}

/* Out of line, so that ind_step stays short. */
static __attribute__((noinline)) void start_step(const struct ind_set *set, struct ind_ctx x)
{
	front_step(set, x, false);
}

static __attribute__((noinline)) void runs_step(const struct ind_set *set, struct ind_ctx x, bool warm)
{
	const struct ind_run *r = set->runs;

	if (warm)
		r->warm(r, &x);
	else
		for (; r->next != NULL; r = r->next)
			r->kernel(ind_run_first(r), (const struct ind_insn *)(const void *)r->next, &x);
}

static inline __attribute__((always_inline)) uint64_t whole_step(const struct ind_set *set, void *ring, void *core,
								 const struct ind_bar *bar, double *val, uint64_t *valid)
{
	union ind_word *head = core;
	const struct ind_ctx x = { head[0].u++, bar->open_ms, val, ring, core, set->turn };
	const bool warm = x.t > set->settled;
	const char *const in = (const char *)bar + offsetof(struct ind_bar, o);

	for (size_t i = set->in_first; i < set->in_end; i++)
		memcpy(&val[i], in + i * sizeof *val, sizeof *val);
	if (warm && set->with_five)
		hot_five(&set->five, &x, head + IND_HEAD_WORDS);
	if (!warm)
		start_step(set, ctx_copy(&x));
	else if (set->more)
		front_step(set, ctx_copy(&x), true);
	if (set->runs->next != NULL)
		runs_step(set, ctx_copy(&x), warm);
	valid[0] = set->all[0];
	if (!warm || !set->plain)
		valid_tell(set, x.t, val, valid);
	return x.t;
}

typedef uint64_t step(const struct ind_set *set, void *ring, void *core, const struct ind_bar *bar, double *val, uint64_t *valid);

/*
 * A set of the five on the close and nothing else, past the warm-up: a third of the work of the general way was getting there. That
 * a new centre of the window is due, or that the lower band may be near zero, is seen before anything is stored, and such a candle
 * goes the general way after all. The arithmetic is hot_five's, to the bit; two lanes where two values go alike. The order is that
 * of the answers: the variance is begun first and its root, the longest operation, comes last, when its value is there, for what
 * waits in the middle makes all behind it wait; and nothing waits for the root.
 */
static inline __attribute__((always_inline)) uint64_t five_step(const struct ind_set *set, union ind_word *ring, union ind_word *head,
								const struct ind_bar *bar, double *val, uint64_t *valid, step *whole)
{
	const struct ind_five *f = &set->five;
	const uint64_t t = head[0].u;
	union ind_word *m = head + IND_HEAD_WORDS, *w = m + FIVE_RSI, *d = m + FIVE_MACD;
	const double in = bar->c, old = ring[(t + f->ahead) & f->mask].d;
	const double k = m[M_K].d, move = in - old, s1 = m[M_S1].d + move, s2 = m[M_S2].d + move * ((in - k) + (old - k));
	const double shift = s1 * f->rn, m2 = s2 - s1 * shift, peak = s2 > m[M_PEAK].d ? s2 : m[M_PEAK].d, mean = k + shift;
	double change, reach;
	two gs, fs, last;

	/* No peak is below 0, so m2 is not where the first of these lets it pass. */
	if (__builtin_expect(!(peak <= CENTRE_LIMIT * m2) || !(m2 * f->wide < mean * mean) || t >= m[M_DUE].u, 0))
		return whole(set, ring, head, bar, val, valid);
	head[0].u = t + 1;
	ring[t & f->mask].d = in;
	m[M_S1].d = s1;
	m[M_S2].d = s2;
	m[M_PEAK].d = peak;
	val[V_MEAN] = mean;
	valid[0] = set->all_first;
	change = in - w[R_BEFORE].d;
	w[R_BEFORE].d = in;
	gs = two_at(w + R_GAIN);
	gs += f->k_rsi * (gain_and_all(change) - gs);
	fs = two_at(d);
	fs += f->k_macd * (two_of(in, in) - fs);
	two_put(d, fs);
	val[V_MACD] = fs[0] - fs[1];
	last = two_at(d + 2);
	last += f->k_last * (two_of(fs[0] - fs[1], in) - last);
	two_put(d + 2, last);
	two_put((union ind_word *)(void *)(val + V_SIGNAL), last);
	val[V_HIST] = (fs[0] - fs[1]) - last[0];
	gs = rsi_left(gs, change, in);
	two_put(w + R_GAIN, gs);
	val[V_RSI] = w[R_LAST].d = rsi_answer(gs, change, w[R_LAST].d, false);
	reach = f->k * sqrt(m2 * f->rn);
	val[V_UP] = mean + reach;
	val[V_LOW] = mean - reach;
	return t;
}

/* Compiled twice like the kernels, for any processor and for one with AVX. */
#define STEP(form, attribute) \
	static attribute __attribute__((noinline)) uint64_t whole_##form(const struct ind_set *set, void *ring, void *core, \
									 const struct ind_bar *bar, double *val, uint64_t *valid) \
	{ \
		return whole_step(set, ring, core, bar, val, valid); \
	} \
	static attribute uint64_t step_##form(const struct ind_set *set, void *ring, void *core, const struct ind_bar *bar, \
					      double *val, uint64_t *valid) \
	{ \
		const union ind_word *head = core; \
\
		if (head[0].u > set->five_from) \
			return five_step(set, ring, core, bar, val, valid, whole_##form); \
		return whole_##form(set, ring, core, bar, val, valid); \
	}

STEP(any, )
STEP(avx, WITH_AVX)

uint64_t ind_step(const struct ind_set *set, void *ring, void *core, const struct ind_bar *bar, double *val,
		  uint64_t *valid)
{
	if (set->avx)
		return step_avx(set, ring, core, bar, val, valid);
	return step_any(set, ring, core, bar, val, valid);
}

uint64_t ind_update(const struct ind_set *set, void *state, const struct ind_bar *bar, double *val,
		    uint64_t *valid)
{
	return ind_step(set, state, (uint8_t *)state + ind_set_ring_size(set), bar, val, valid);
}
