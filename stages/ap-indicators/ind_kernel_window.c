/*
 * ind_kernel_window.c - what is computed over the last n values: sums, variances, straight lines, extremes.
 *
 * All without drift, and O(1) a candle but for those that say they go through their window. Sums are compensated. Variances and
 * straight lines are sums about a nearby centre, taken anew from the ring when the centre has become bad. Extremes of short
 * windows are built by doubling; others, and those with their ages, are monotonic queues searched by halving: a single candle
 * never pays for a long run before it.
 */
#include "stages/ap-indicators/ind_hot.h"

#define HOT_KERNEL(name, call) \
	KERNEL(name) \
	{ \
		call; \
	}

/* The inlined operations again, for values that are not the candle's own. */
HOT_KERNEL(ind_k_ring, hot_ring(o, x))
HOT_KERNEL(ind_k_moments, hot_moments(o, x, warm))
HOT_KERNEL(ind_k_ema, hot_ema(o, x, warm))
HOT_KERNEL(ind_k_rsi, hot_rsi(o, x, warm))
HOT_KERNEL(ind_k_macd, hot_macd(o, x, warm))
HOT_KERNEL(ind_k_bands, hot_bands(o, x))
HOT_KERNEL(ind_k_lin2, hot_lin2(o, x))

KERNEL(ind_k_lag)
{
	OUT(0) = past(x, o, 0, o->n);
}

/*
 * out: the greater (lesser) of x and x n candles ago. Extremes of windows are made of these by doubling: of the highest of
 * the last 4 comes the highest of 8, and of that, by one that overlaps, any of 8 to 16. The same few instructions
 * whatever the prices do, no state but rings, and all windows over one value share the steps below.
 */
KERNEL(ind_k_higher)
{
	double now = IN(0), old = past(x, o, 0, o->n);

	OUT(0) = now > old ? now : old;
}

KERNEL(ind_k_lower)
{
	double now = IN(0), old = past(x, o, 0, o->n);

	OUT(0) = now < old ? now : old;
}

/* out: mean of the last n, at most 4: so few that adding them up is less than keeping a sum. Equal values give just that. */
KERNEL(ind_k_few)
{
	double in = IN(0), d = 0;

	if (o->n > 1)
		d = past(x, o, 0, 1) - in;
	if (o->n > 2)
		d += past(x, o, 0, 2) - in;
	if (o->n > 3)
		d += past(x, o, 0, 3) - in;
	OUT(0) = in + d * o->k[0];
}

static void moments_about(const struct ind_insn *o, const struct ind_ctx *x, double k, double *s1, double *s2)
{
	*s1 = *s2 = 0;
	for (uint32_t i = 0; i < o->n; i++) {
		double d = past(x, o, 0, i) - k;
		*s1 += d;
		*s2 += d * d;
	}
}

/* Chooses a new centre for hot_moments and returns n times the variance. */
double ind_moments_seed(const struct ind_insn *o, struct ind_ctx ctx)
{
	const struct ind_ctx *x = &ctx;
	union ind_word *w = x->core + o->core;
	double n = (double)o->n, s1, s2, k = IN(0);

	/* About the newest value first: a flat window then gives exactly 0. */
	moments_about(o, x, k, &s1, &s2);
	if (s2 * n > 16.0 * (s2 * n - s1 * s1)) {
		k += s1 / n;
		moments_about(o, x, k, &s1, &s2);
	}
	w[M_K].d = k;
	w[M_S1].d = s1;
	w[M_S2].d = w[M_PEAK].d = s2;
	w[M_DUE].u = x->t + (o->n < 128 ? 512 : 4 * (uint64_t)o->n);
	return s2 - s1 * s1 / n;
}

/*
 * out: sum of the last n, for values of any sign. Words: compensated sum; two sums that run together stand interleaved, s s c c,
 * and a lone one leaves the places of the other empty (ind_set.c, words_place).
 */
KERNEL_OF_TWO(ind_k_sum)
{
	union ind_word *w = x->core + o->core, sum[2] = { w[0], w[2] };

	if (!warm && x->t - o->start < o->n)
		csum_add(sum, IN(0));
	else
		csum_slide(sum, IN(0), past(x, o, 0, o->n));
	w[0] = sum[0];
	w[2] = sum[1];
	OUT(0) = csum_get(sum);
}

static inline void ind_k_sum_two(const struct ind_insn *o, const struct ind_insn *p, const struct ind_ctx *x)
{
	union ind_word *w = x->core + o->core;
	two s = two_at(w), c = two_at(w + 2);

	csum_slide_lanes(&s, &c, two_of(IN_OF(o, 0), IN_OF(p, 0)), two_of(past(x, o, 0, o->n), past(x, p, 0, p->n)));
	two_put(w, s);
	two_put(w + 2, c);
	two_to(s + c, &OUT_OF(o, 0), &OUT_OF(p, 0));
}

/*
 * Sums that slide for long without being compensated are watched by their amount. Words: FLOOR; the candle at which the sum is
 * taken from the ring anew whatever happens, for each one adds a rounding; SURE. FLOOR follows the greatest amount since the
 * sum was taken from the ring, 2^9 to 2^10 times below it: what a large value leaves behind when it goes is rounding of
 * that, and in a sum below FLOOR it might count. On a flat market nothing but noise is left, which is below FLOOR too; then
 * the ring gives 0, and FLOOR is 0.
 * A sum that changes its sign comes as near to 0 by chance: on prices of many digits one candle in hundreds, on those of few
 * ticks more often. So, when the ring has been read, SURE is the candle at which the latest value leaves that was not near to the
 * newest: up to there the window has both, and the sum is small by chance.
 * Amounts are compared by their bits without the sign, which are in the order of the values: one comparison finds both those
 * below FLOOR and those above 2^FALL_BITS times FLOOR, for which it must rise.
 */
enum { F_FLOOR, F_DUE, F_SURE, F_WORDS, FALL_BITS = 10 };
#define FALL_NEAR (1.0 / 64)    /* of the greatest distance from the newest value */

static inline uint64_t fall_amount(double v)
{
	return (union ind_word){ .d = v }.u << 1;
}

static inline uint64_t fall_floor(double v)
{
	return fall_amount(v * (2.0 / (1 << FALL_BITS)));
}

/* n: the window; near: how many of its newest values are near to the newest. */
static inline void fall_begin(union ind_word *w, double v, uint64_t t, uint32_t n, uint32_t near)
{
	w[F_FLOOR].u = fall_floor(v);
	w[F_DUE].u = t + (n < 128 ? 512 : 4 * (uint64_t)n);
	w[F_SURE].u = t + n - near;
}

/* Whether there may be something to do: FLOOR to rise, or the sum to be taken from the ring. */
static inline bool fall_look(const union ind_word *w, double v, uint64_t t)
{
	return __builtin_expect(fall_amount(v) - w[F_FLOOR].u > (uint64_t)FALL_BITS << 53 || t >= w[F_DUE].u, 0);
}

/* Whether the sum is to be taken from the ring. If not, FLOOR rises where it must. */
static inline bool fall_stale(union ind_word *w, double v, uint64_t t)
{
	if (t >= w[F_DUE].u)
		return true;
	if (fall_amount(v) < w[F_FLOOR].u)
		return t >= w[F_SURE].u;
	w[F_FLOOR].u = fall_floor(v);
	return false;
}

/*
 * out: the weighted mean, weights 1 (oldest) to n (newest); V = sum of (i - (n - 1) / 2) x_i for i = 0 to n - 1, which is n times
 * the covariance with time. k: 1 / n, 2 / (n (n + 1)), (n + 1) / 2. Words: how V falls, centre K, S = sum of (x - K), V.
 * V is the same whatever K is, so no two large terms need to cancel, and the weighted mean is K + S / n + 2 V / (n (n + 1)).
 * A rounding is one of n times the distance from K; but what goes through the window goes through V with all weights, and the
 * price goes away from K only through V. On a flat market K is the newest value and V 0: the mean is the price, to the bit.
 */
enum { L_K = F_WORDS, L_S, L_V };

/* Takes the sums from the ring, if they are stale, about the newest value: that the ring may not have yet, but its difference is 0. */
static __attribute__((noinline)) void linear_look(const struct ind_insn *o, struct ind_ctx ctx)
{
	const struct ind_ctx *x = &ctx;
	union ind_word *w = x->core + o->core;
	const double k = IN(0), half = ((double)o->n - 1.0) / 2.0;
	double s = 0, v = 0, most = 0;
	uint32_t near = 1;

	if (!fall_stale(w, w[L_V].d, x->t))
		return;
	for (uint32_t i = 1; i < o->n; i++) {
		double d = past(x, o, 0, i) - k;

		s += d;
		v += (half - (double)i) * d;
		most = fabs(d) > most ? fabs(d) : most;
	}
	while (near < o->n && fabs(past(x, o, 0, near) - k) <= most * FALL_NEAR)
		near++;
	w[L_K].d = k;
	w[L_S].d = s;
	w[L_V].d = v;
	fall_begin(w, v, x->t, o->n, near);
}

/* The first full window is due like any later one, for F_DUE begins at 0. */
KERNEL(ind_k_linear)
{
	union ind_word *w = x->core + o->core;
	double k = w[L_K].d, in = IN(0) - k, old, s, v;

	if (!warm && x->t - o->start + 1 < o->n)
		return;
	/* Both sums are of n + 1 values before the old one goes. */
	old = past(x, o, 0, o->n) - k;
	s = w[L_S].d + in;
	v = w[L_V].d + (o->k[2] * (in + old) - s);
	s -= old;
	w[L_S].d = s;
	w[L_V].d = v;
	if (fall_look(w, v, x->t)) {
		linear_look(o, ctx_copy(x));
		k = w[L_K].d;
		s = w[L_S].d;
		v = w[L_V].d;
	}
	OUT(1) = v;
	OUT(0) = k + (v * o->k[1] + s * o->k[0]);
}

/*
 * out: the greatest (high) or least (low) of the last n, and how many candles ago it was, the latest of equals; for long
 * windows, and those who want the age (all others: see above).
 * Words: head, length, then the positions of the values that may still become the answer, best first.
 * The new value removes those it beats. How many is not to be foreseen, so the last three are tried without a branch;
 * a longer run is halved. Reading below the head is harmless: what is found there does not count.
 */
#define EXT_KERNEL(name, beats) \
	static __attribute__((noinline)) uint64_t name##_search(const struct ind_insn *o, const struct ind_ctx *x, uint64_t head, uint64_t len) \
	{ \
		const union ind_word *q = x->core + o->core + Q_WORDS; \
		const uint64_t qm = o->m; \
		const double in = IN(0); \
\
		for (uint64_t lo = 0; lo < len;) { \
			uint64_t mid = lo + (len - lo) / 2; \
\
			if (beats(q[(head + mid) & qm].u)) \
				len = mid; \
			else \
				lo = mid + 1; \
		} \
		return len; \
	} \
	KERNEL(name) \
	{ \
		union ind_word *w = x->core + o->core, *q = w + Q_WORDS; \
		const uint64_t qm = o->m, t = x->t; \
		const double in = IN(0); \
		uint64_t head = w[Q_HEAD].u, len = w[Q_LEN].u, late, e, k; \
\
		late = (uint64_t)(warm || len != 0) & (uint64_t)(q[head].u + o->n <= t); \
		e = head + len; \
		head = (head + late) & qm; \
		len -= late; \
		k = (uint64_t)beats(q[(e - 1) & qm].u); \
		k += k & (uint64_t)beats(q[(e - 2) & qm].u); \
		k += (k >> 1) & (uint64_t)beats(q[(e - 3) & qm].u); \
		len = len > k ? len - k : 0; \
		if (__builtin_expect((k == 3) & (len > 0), 0)) \
			len = name##_search(o, x, head, len); \
		q[(head + len) & qm].u = t; \
		w[Q_HEAD].u = head; \
		w[Q_LEN].u = len + 1; \
		OUT(0) = at_candle(x, o, 0, q[head].u); \
		OUT(1) = (double)(int64_t)(t - q[head].u); \
	}

#define BEATS_HIGH(at) (at_candle(x, o, 0, at) <= in)
#define BEATS_LOW(at) (at_candle(x, o, 0, at) >= in)
EXT_KERNEL(ind_k_high, BEATS_HIGH)
EXT_KERNEL(ind_k_low, BEATS_LOW)

/*
 * out: how many candles ago the greatest (least) of the last n was, the latest of equals; for short windows. Words: its candle.
 * When it leaves, the window is read: with a walk every n / 2 candles or so, in a market that goes one way at each.
 */
#define AGE_KERNEL(name, beats, at_least) \
	static __attribute__((noinline)) uint64_t name##_search(const struct ind_insn *o, struct ind_ctx ctx) \
	{ \
		const struct ind_ctx *const x = &ctx; \
		double best = IN(0); \
		uint64_t at = ctx.t; \
\
		for (uint64_t i = ctx.t; i > ctx.t + 1 - o->n; i--) { \
			const double v = at_candle(x, o, 0, i - 1); \
\
			at = v beats best ? i - 1 : at; \
			best = v beats best ? v : best; \
		} \
		return at; \
	} \
	KERNEL(name) \
	{ \
		union ind_word *w = x->core + o->core; \
		uint64_t at = (!warm && x->t == o->start) || IN(0) at_least at_candle(x, o, 0, w->u) ? x->t : w->u; \
\
		if (__builtin_expect(at + o->n <= x->t, 0)) \
			at = name##_search(o, ctx_copy(x)); \
		w->u = at; \
		OUT(0) = (double)(int64_t)(x->t - at); \
	}

AGE_KERNEL(ind_k_high_age, >, >=)
AGE_KERNEL(ind_k_low_age, <, <=)

/*
 * in: x, its mean. out: mean absolute deviation of the last n. The mean moves with every candle and every term
 * with it, so this one reads its whole window: the same time for any data, n / 2 ns or so.
 */
KERNEL(ind_k_mad)
{
	double mean = IN(1), a = 0, b = 0;
	uint32_t i = 0;

	for (; i + 1 < o->n; i += 2) {
		a += fabs(past(x, o, 0, i) - mean);
		b += fabs(past(x, o, 0, i + 1) - mean);
	}
	if (i < o->n)
		a += fabs(past(x, o, 0, i) - mean);
	OUT(0) = (a + b) / (double)o->n;
}

/* out: how many of the n values before are not above this one, in percent. Reads its window, like the above. */
KERNEL(ind_k_rank)
{
	double in = IN(0);
	uint32_t n = 0;

	for (uint32_t i = 1; i <= o->n; i++)
		n += past(x, o, 0, i) <= in;
	OUT(0) = 100.0 * (double)n / (double)o->n;
}

/*
 * in: x, y (rings 0 and 1). out: n cov(x, y), n var(x), n var(y) over the last n.
 * Words: centres of x and y, sums of the differences, of their squares, of their product, greatest squares,
 * candles left. The rule for a new centre is hot_moments'.
 */
enum { C_KX, C_KY, C_X, C_Y, C_XX, C_YY, C_XY, C_PX, C_PY, C_LEFT };

static void comoments_seed(const struct ind_insn *o, const struct ind_ctx *x, union ind_word *w)
{
	double kx = 0, ky = 0;

	for (uint32_t i = 0; i < o->n; i++) {
		kx += past(x, o, 0, i) - IN(0);
		ky += past(x, o, 1, i) - IN(1);
	}
	w[C_KX].d = kx = IN(0) + kx / (double)o->n;
	w[C_KY].d = ky = IN(1) + ky / (double)o->n;
	for (int i = C_X; i <= C_XY; i++)
		w[i].d = 0;
	for (uint32_t i = 0; i < o->n; i++) {
		double a = past(x, o, 0, i) - kx, b = past(x, o, 1, i) - ky;

		w[C_X].d += a;
		w[C_Y].d += b;
		w[C_XX].d += a * a;
		w[C_YY].d += b * b;
		w[C_XY].d += a * b;
	}
	w[C_PX].d = w[C_XX].d;
	w[C_PY].d = w[C_YY].d;
	w[C_LEFT].u = 4 * (uint64_t)o->n;
}

static void comoments_slide(const struct ind_insn *o, const struct ind_ctx *x, union ind_word *w)
{
	double a = IN(0) - w[C_KX].d, b = IN(1) - w[C_KY].d;
	double c = past(x, o, 0, o->n) - w[C_KX].d, d = past(x, o, 1, o->n) - w[C_KY].d;

	w[C_X].d += a - c;
	w[C_Y].d += b - d;
	w[C_XX].d += (a - c) * (a + c);
	w[C_YY].d += (b - d) * (b + d);
	w[C_XY].d += a * b - c * d;
	w[C_PX].d = w[C_XX].d > w[C_PX].d ? w[C_XX].d : w[C_PX].d;
	w[C_PY].d = w[C_YY].d > w[C_PY].d ? w[C_YY].d : w[C_PY].d;
	w[C_LEFT].u--;
}

KERNEL(ind_k_comoments)
{
	union ind_word *w = x->core + o->core;
	uint64_t age = x->t - o->start;
	double n = (double)o->n, xx, yy;

	if (!warm && age + 1 < o->n)
		return;
	if (!warm && age + 1 == o->n)
		comoments_seed(o, x, w);
	else
		comoments_slide(o, x, w);
	xx = w[C_XX].d - w[C_X].d * w[C_X].d / n;
	yy = w[C_YY].d - w[C_Y].d * w[C_Y].d / n;
	if (w[C_PX].d > CENTRE_LIMIT * xx || w[C_PY].d > CENTRE_LIMIT * yy || w[C_LEFT].u == 0) {
		comoments_seed(o, x, w);
		xx = w[C_XX].d - w[C_X].d * w[C_X].d / n;
		yy = w[C_YY].d - w[C_Y].d * w[C_Y].d / n;
	}
	OUT(0) = w[C_XY].d - w[C_X].d * w[C_Y].d / n;
	OUT(1) = xx > 0 ? xx : 0;
	OUT(2) = yy > 0 ? yy : 0;
}

/*
 * in: a, b (rings 0 and 1). out: the mean of a + b over the last n less that over the last m, n < m, times k; k0: k / n,
 * k1: k / m. Words: how the difference falls, the difference. Only differences of values go into it, so that two nearly equal
 * means keep theirs, whatever the prices are; and what goes through the shorter window goes through it.
 */
enum { G_GAP = F_WORDS };

/* Of both inputs, against the newest values. */
static inline __attribute__((always_inline)) double gap_of(const struct ind_insn *o, const struct ind_ctx *x, uint32_t back)
{
	return (past(x, o, 0, back) - IN(0)) + (past(x, o, 1, back) - IN(1));
}

static __attribute__((noinline)) double gap_look(const struct ind_insn *o, struct ind_ctx ctx)
{
	const struct ind_ctx *x = &ctx;
	union ind_word *w = x->core + o->core;
	double s = 0, shorter = 0, most = 0, gap;
	uint32_t near = 1;

	if (!fall_stale(w, w[G_GAP].d, x->t))
		return w[G_GAP].d;
	for (uint32_t i = 1; i < o->m; i++) {
		double d = gap_of(o, x, i);

		if (i == o->n)
			shorter = s;
		s += d;
		most = fabs(d) > most ? fabs(d) : most;
	}
	while (near < o->m && fabs(gap_of(o, x, near)) <= most * FALL_NEAR)
		near++;
	w[G_GAP].d = gap = shorter * o->k[0] - s * o->k[1];
	fall_begin(w, gap, x->t, o->m, near);
	return gap;
}

KERNEL(ind_k_gap)
{
	union ind_word *w = x->core + o->core;
	const double a = IN(0), b = IN(1);
	double gap;

	if (!warm && x->t - o->start + 1 < o->m)
		return;
	gap = w[G_GAP].d + (((a - past(x, o, 0, o->n)) + (b - past(x, o, 1, o->n))) * o->k[0] -
			    ((a - past(x, o, 0, o->m)) + (b - past(x, o, 1, o->m))) * o->k[1]);
	w[G_GAP].d = gap;
	if (fall_look(w, gap, x->t))
		gap = gap_look(o, ctx_copy(x));
	OUT(0) = gap;
}

/*
 * Windows kept as differences from the newest value: with each candle all move by as much as that did. All that is ever added
 * to one are moves inside of its window, so its error is a few roundings of the window's own range, whatever was there before
 * and however small the range is beside the value. Their words are a circle, `at` is the oldest. At first the value has always
 * been the first one. Like OP_MAD they go through the whole window.
 */
static inline union ind_word *circle_next(union ind_word *at, union ind_word *circle, uint64_t len)
{
	const uint64_t now = at->u, next = now + 1;

	at->u = next < len ? next : 0;
	return circle + now;
}

/*
 * in: high, low, close. out: CCI, of the typical price threefold. The moves of prices that keep their size are exact.
 * Words: at, sum of all differences, the oldest one, high, low, close before; then the other n - 2 differences but the
 * newest, which is 0. The oldest stands apart, for its word is already the one of this candle's value.
 */

/* Two differences moved on. */
static inline void cci_two(union ind_word *v, two move, two above, two *sum, two *dev)
{
	const two d = two_at(v) - move;

	two_put(v, d);
	*sum += d;
	*dev += two_abs(d + above);
}

KERNEL(ind_k_cci)
{
	union ind_word *w = x->core + o->core, *v = w + CCI_WORDS;
	const double h = IN(0), l = IN(1), c = IN(2);
	const double move = warm || x->t > o->start ? ((h - w[CCI_HIGH].d) + (l - w[CCI_LOW].d)) + (c - w[CCI_CLOSE].d) : 0;
	const uint64_t m = o->n - 2;
	/* How far the newest is above the mean, n times and once. */
	const double above_n = o->k[1] * move - w[CCI_SUM].d, above = above_n * o->k[2];
	const two moves = two_of(move, move), aboves = two_of(above, above);
	two sum = { 0, 0 }, dev = two_abs(two_of(above, (w[CCI_OLDEST].d - move) + above));
	union ind_word *i = v;

	w[CCI_HIGH].d = h;
	w[CCI_LOW].d = l;
	w[CCI_CLOSE].d = c;
	if (m % 2 != 0) {
		i->d -= move;
		sum += two_of(i->d, 0);
		dev += two_abs(two_of(i->d + above, 0));
		i++;
	}
	if ((m & 2) != 0) {
		cci_two(i, moves, aboves, &sum, &dev);
		i += 2;
	}
	for (; i < v + m; i += 4) {
		cci_two(i, moves, aboves, &sum, &dev);
		cci_two(i + 2, moves, aboves, &sum, &dev);
	}
	w[CCI_SUM].d = sum[0] + sum[1];
	i = circle_next(&w[CCI_AT], v, m);
	w[CCI_OLDEST].d = i->d;
	i->d = 0;
	OUT(0) = dev[0] + dev[1] > 0 ? above_n / (o->k[0] * (dev[0] + dev[1])) : 0;
}

/*
 * RSI is g / s (in percent), with g Wilder's mean of the gains, s that of all changes. Both count the last change anew and the
 * former mean less: so RSI moves to 1 (a gain) or to 0 (a loss) by the change's share of s. That move is all a stochastic sees,
 * and where two large movements are behind the price it is far below RSI's last digit: RSI itself is never subtracted.
 * Words: price before, sum of changes (n times the mean), RSI, 1 - RSI; neither is taken from the other, for in a strong
 * trend one is next to nothing. Seeded with the plain sum of the first m changes (k0: what is kept of it later). Once nothing
 * of the last movement is left in the price's own digits (k1 of the price) RSI is 0.
 */

/* How far RSI moves, in both lanes. */
static inline two rsi_move(union ind_word *w, double in, double keep, double least)
{
	const double d = in - w[SR_BEFORE].d, left = keep * w[SR_ALL].d, all = left + fabs(d);
	const two gl = two_at(w + SR_GAIN);
	two share, kept, drawn;

	w[SR_BEFORE].d = in;
	if (__builtin_expect(!(all > least * fabs(in)), 0)) {
		w[SR_ALL].d = 0;
		two_put(w + SR_GAIN, two_of(0, 1.0));
		return two_of(-gl[0], -gl[0]);
	}
	w[SR_ALL].d = all;
	share = two_of(left, fabs(d)) / all;
	kept = two_of(share[0], share[0]);
	/* In lanes, without a branch: whether the price rises is a coin. */
	share = (two)((two_bits)two_of(share[1], share[1]) & (two_of(d, 0) > two_of(0, d)));
	two_put(w + SR_GAIN, gl * kept + share);
	drawn = two_of(gl[1], gl[0]) * share;
	return two_of(drawn[0], drawn[0]) - two_of(drawn[1], drawn[1]);
}

/* Two differences moved on. */
static inline void range_two(union ind_word *v, two move, two *hi, two *lo)
{
	const two d = two_at(v) - move;

	two_put(v, d);
	*hi = two_greater(*hi, d);
	*lo = two_lesser(*lo, d);
}

/* out: position of RSI in its range over n, percent. Words: rsi_move's, at, differences of RSI of the n - 1 candles before, 0. */
KERNEL(ind_k_stochrsi)
{
	union ind_word *w = x->core + o->core, *v = w + SR_WORDS;
	const uint64_t age = x->t - o->start, m = o->n - 1;
	const double in = IN(0);
	two hi = { 0, 0 }, lo = { 0, 0 };
	union ind_word *i = v;
	double up, down;
	two moves;

	if (!warm && age == 0)
		w[SR_BEFORE].d = in;
	moves = rsi_move(w, in, warm || age > o->m ? o->k[0] : 1.0, o->k[1]);
	if (((m + 1) & 2) != 0) {
		range_two(i, moves, &hi, &lo);
		i += 2;
	}
	for (; i < v + m; i += 4) {
		range_two(i, moves, &hi, &lo);
		range_two(i + 2, moves, &hi, &lo);
	}
	/* Where they are odd in number, one more was taken along: the candle before this once more. */
	v[m].d = 0;
	circle_next(&w[SR_AT], v, m)->d = 0;
	up = hi[0] > hi[1] ? hi[0] : hi[1];
	down = 0.0 - (lo[0] < lo[1] ? lo[0] : lo[1]);
	OUT(0) = up + down > 0 ? 100.0 * (down / (up + down)) : 0;
}

/*
 * mean - k dev of the last n where the two nearly cancel: from the ring, in twice the digits. n^2 times the variance
 * is n sum(x^2) - sum(x)^2; one Newton step gives the root's second half.
 */
double ind_band_exact(const struct ind_insn *o, struct ind_ctx ctx, double k)
{
	const struct ind_ctx *x = &ctx;
	union ind_word s[2] = { { .d = 0 }, { .d = 0 } }, q[2] = { { .d = 0 }, { .d = 0 } };
	double n = (double)o->n, v, ve, a, ae, e, r, re;

	for (uint32_t i = 0; i < o->n; i++) {
		double in = past(x, o, 0, i), p = mul_pair(in, in, &e);

		csum_add(s, in);
		csum_add(q, p);
		csum_add(q, e);
	}
	s[0].d = add_pair(s[0].d, s[1].d, &s[1].d);
	mul_exact(n, q[0].d, &v, &ve);
	a = mul_pair(s[0].d, s[0].d, &ae);
	v = add_pair(v - a, (ve - ae) + (n * q[1].d - 2.0 * s[0].d * s[1].d), &ve);
	r = sqrt(v > 0 ? v : 0);
	a = mul_pair(r, r, &ae);
	re = r > 0 ? ((v - a) + (ve - ae)) / (2.0 * r) : 0;
	a = mul_pair(k, r, &ae);
	return ((s[0].d - a) + ((s[1].d - ae) - k * re)) / n;
}
