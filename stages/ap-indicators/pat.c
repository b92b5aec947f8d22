/*
 * pat.c - candles in, 61 pattern values out, from one set of running sums.
 *
 * Every candle is asked once for all classes of pat_impl.h, two comparisons at a
 * time, against each of the means that patterns use and against the candle
 * before it. The answers look up who may not have this candle as its newest, its
 * second, ... its fifth (pat_ask.h). A pattern whose candles were refused by no
 * answer is found, without a branch; only those with a rule of their own then
 * compare prices. Knows no pattern by itself but the two that have a memory.
 */
#include "stages/ap-indicators/pat.h"

#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "stages/ap-indicators/pat_ask.h"

enum { WARM_ALL = 15, TRAPS = PAT_N - PAT_HIKKAKE, TRAP_OPEN = 3 };

_Static_assert(PAT_N == 61, "TA-Lib has 61");
_Static_assert(2 * (int)PAT_CELLS == (int)PAT_SPAN, "both rings are found from one remainder");

_Static_assert(PAT_HIKKAKE + 2 == PAT_N && PAT_HIKKAKEMOD + 1 == PAT_N, "the traps come last");

/* Two doubles, each in its lane; the answers of a comparison: all bits of a lane, or none. */
typedef double two __attribute__((vector_size(16)));
typedef int64_t two_bits __attribute__((vector_size(16)));

static inline two both(double v)
{
	return (two){ v, v };
}

static inline two two_of(double a, double b)
{
	return (two){ a, b };
}

static inline two two_at(const double *p)
{
	two v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline void two_put(double *p, two v)
{
	memcpy(p, &v, sizeof v);
}

static void trap_close(struct pat_traps *t, unsigned i)
{
	t->over[i] = (double)INFINITY;
	t->under[i] = -(double)INFINITY;
}

void pat_init(struct pat_state *s)
{
	memset(s, 0, sizeof *s);
	memset(s->older, 0xff, sizeof s->older);
	for (unsigned i = 0; i < TRAPS; i++)
		trap_close(&s->traps, i);
}

/* --- running sums --------------------------------------------------------------------------------- */

/* While the sums fill: candle n enters, and candle n - span leaves once it is one the sum has. */
static void sums_fill(struct pat_state *s, const struct pat_span *in, const struct pat_span *out,
		      double near_out)
{
	static const uint8_t first[PAT_SUMS] = { 0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3, 0, 1, 5, 6 };

	for (unsigned i = 0; i < PAT_SUMS; i++) {
		const bool near = i >= PAT_NEAR;
		const double a = i < PAT_SHADOWS ? in->body : i < PAT_RANGE ? in->shadows : in->range;
		const double b = i < PAT_SHADOWS ? out->body : i < PAT_RANGE ? out->shadows : near ? near_out : out->range;

		if (s->n >= first[i])
			s->sum[i] += s->n < first[i] + (near ? (uint64_t)NEAR_SPAN : PAT_SPAN) ? a : a - b;
	}
}

static inline void sum_add(double *sum, two v)
{
	two_put(sum, two_at(sum) + v);
}

/* The difference first, then the sum: TA-Lib's order, which decides the last bit. */
static void sums_roll(struct pat_state *s, const struct pat_span *in, const struct pat_span *out,
		      double near_out)
{
	const two body = both(in->body - out->body), shadows = both(in->shadows - out->shadows);
	const two range = both(in->range - out->range), near = both(in->range - near_out);

	sum_add(&s->sum[PAT_BODY], body);
	sum_add(&s->sum[PAT_BODY + 2], body);
	sum_add(&s->sum[PAT_BODY + 4], two_of(body[0], shadows[0]));
	sum_add(&s->sum[PAT_SHADOWS + 1], shadows);
	sum_add(&s->sum[PAT_RANGE], range);
	sum_add(&s->sum[PAT_RANGE + 2], range);
	sum_add(&s->sum[PAT_NEAR], near);
	sum_add(&s->sum[PAT_NEAR + 2], near);
}

static inline void sums_take(struct pat_state *s, const struct pat_span *in, unsigned at, double near_out)
{
	struct pat_span *slot = &s->span[at];

	if (s->n < PAT_SPAN + PAT_SHADOWS)
		sums_fill(s, in, slot, near_out);
	else
		sums_roll(s, in, slot, near_out);
	*slot = *in;
}

/* --- the classes of a candle ---------------------------------------------------------------------- */

/* The answers of two comparisons as four bits. */
static inline unsigned bits_of(two_bits v, two_bits w)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_ps(_mm_shuffle_ps((__m128)v, (__m128)w, _MM_SHUFFLE(2, 0, 2, 0)));
#else
	return (unsigned)((v[0] & 1) | (v[1] & 2) | (w[0] & 4) | (w[1] & 8));
#endif
}

/* Eight comparisons of two lanes. */
struct answers {
	two_bits a[2], b[2], c[2], d[2];
};

/* 16 bits, those of a lowest. */
static inline unsigned answer_bits(struct answers v)
{
#ifdef __SSE2__
	const __m128i a = (__m128i)_mm_shuffle_ps((__m128)v.a[0], (__m128)v.a[1], _MM_SHUFFLE(2, 0, 2, 0));
	const __m128i b = (__m128i)_mm_shuffle_ps((__m128)v.b[0], (__m128)v.b[1], _MM_SHUFFLE(2, 0, 2, 0));
	const __m128i c = (__m128i)_mm_shuffle_ps((__m128)v.c[0], (__m128)v.c[1], _MM_SHUFFLE(2, 0, 2, 0));
	const __m128i d = (__m128i)_mm_shuffle_ps((__m128)v.d[0], (__m128)v.d[1], _MM_SHUFFLE(2, 0, 2, 0));

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)));
#else
	return bits_of(v.a[0], v.a[1]) | bits_of(v.b[0], v.b[1]) << 4 | bits_of(v.c[0], v.c[1]) << 8 |
		bits_of(v.d[0], v.d[1]) << 12;
#endif
}

/* Refuses what this answer refuses. */
static inline void take(struct refusal *r, const struct refusal *more)
{
	r->zy |= more->zy;
	r->xw |= more->xw;
#ifdef __SSE2__
	/* Now, not at the end: put off, all that is looked up would have to wait in memory. */
	__asm__("" : "+x"(r->zy), "+x"(r->xw));
#endif
}

/* What is asked of a candle: prices, the body's edges, sizes. */
struct form {
	double o, h, l, c, top, bottom, body, up, down;
	unsigned white;          /* 1, 0 */
};

static inline struct form form_of(double o, double h, double l, double c)
{
	const double top = c > o ? c : o, bottom = c < o ? c : o;

	return (struct form){ o, h, l, c, top, bottom, fabs(c - o), h - top, bottom - l, c >= o };
}

/* The running means, which end with the candle before the newest, and what is made of them. */
struct means {
	two body_0, body_2;      /* body by means 0 and 1, 2 and 3 */
	two body_4_half_0;       /* body by mean 4, half the shadows by mean 0 */
	two half_1;              /* half the shadows by means 1 and 2 */
	two none_0, none_2;      /* a tenth of the range, as above */
	two near_0, near_5;      /* NEAR_0 and _1, NEAR_5 and _6 */
};

static inline struct means means_of(const double *sum)
{
	return (struct means){
		.body_0 = two_at(&sum[PAT_BODY]) / PAT_SPAN,
		.body_2 = two_at(&sum[PAT_BODY + 2]) / PAT_SPAN,
		.body_4_half_0 = two_at(&sum[PAT_BODY + 4]) / PAT_SPAN * two_of(1, 0.5),
		.half_1 = two_at(&sum[PAT_SHADOWS + 1]) / PAT_SPAN / 2.0,
		.none_0 = 0.1 * (two_at(&sum[PAT_RANGE]) / PAT_SPAN),
		.none_2 = 0.1 * (two_at(&sum[PAT_RANGE + 2]) / PAT_SPAN),
		.near_0 = two_at(&sum[PAT_NEAR]) / NEAR_SPAN,
		.near_5 = two_at(&sum[PAT_NEAR + 2]) / NEAR_SPAN
	};
}

/* Of 16 answers, four times four by means, those by one mean: bits 0, 4, 8 and 12, put together. */
static inline unsigned answers_by(unsigned mean, unsigned answers)
{
	return ((answers >> mean & 0x1111) * (1U << 9 | 1U << 6 | 1U << 3 | 1U)) >> 9 & 15;
}

/* Where a size lies between two means of one kind: who is refused, of ages Z and Y, or of those before. */
__attribute__((noinline))
static two_words ask_by_mean(unsigned sizes, unsigned shadows, unsigned white, bool before)
{
	two_words refused = { 0 };

	for (unsigned i = 0; i < 4; i++) {
		const struct refusal *a = &by_mean.body[i][answers_by(i, sizes)];
		const struct refusal *b = &by_mean.shadows[i][2 * answers_by(i, shadows) + white];

		refused |= before ? a->xw | b->xw : a->zy | b->zy;
	}
	return refused;
}

/* Against the means. Those of one kind differ in their last bits, so that they nearly always answer alike. */
static inline struct refusal ask_means(const struct form *z, const struct means *m, const struct pat_cell *before)
{
	const two body = both(z->body), up = both(z->up), down = both(z->down);
	const two_bits again = body <= both(before->doji);
	const unsigned sizes = answer_bits((struct answers){
		{ body > m->body_0, body > two_of(m->body_2[0], m->body_4_half_0[0]) },
		{ body < m->body_0, body < m->body_2 }, { body <= m->none_0, body <= m->none_2 }, { again, again } });
	const unsigned shadows = answer_bits((struct answers){
		{ up < m->none_0, up < m->none_2 }, { up > m->none_0, up > m->none_2 },
		{ down < m->none_0, down < m->none_2 }, { down > m->none_0, down > m->none_2 } });
	const unsigned all = sizes | shadows << 16;
	struct refusal r;

	if (((all ^ all >> 1) & 0x77777777) == 0) {
		r = of.body[answers_by(0, sizes)];
		take(&r, &of.shadows[2 * answers_by(0, shadows) + z->white]);
	} else {
		r.zy = ask_by_mean(sizes, shadows, z->white, false);
		r.xw = ask_by_mean(sizes, shadows, z->white, true);
	}
	return r;
}

/* The body lies at the middle of the range. */
static inline bool at_middle(const struct form *z, double reach)
{
	const double middle = z->l + (z->h - z->l) / 2;

	return (z->bottom <= middle + reach) & (z->top >= middle - reach);
}

/*
 * Against the candle before; before the second candle that is all zeros, and no pattern asks. Returns
 * which of values[] the plain rows have.
 */
static inline unsigned ask_pair(struct refusal *r, const struct form *z, const struct form *y, const struct means *m)
{
	/* Those of the 16 answers about the edges by which no edge is shared. */
	const unsigned no_shared_edge = 1U << 3 | 1U << 7 | 1U << 11 | 15U << 12;
	const two edges = two_of(z->top, y->bottom), its_edges = two_of(y->top, z->bottom);
	const two ends = two_of(z->h, y->l), its_ends = two_of(y->h, z->l);
	const two close_open = two_of(z->c, z->o);
	const unsigned i = bits_of(edges < its_edges, edges > its_edges), whites = z->white + 2 * y->white;
	const unsigned up_short = z->up < m->body_4_half_0[1], low_over = z->l > y->c;

	take(r, &of.colours[whites + 4 * up_short + 8 * low_over]);
	take(r, &of.gaps[2 * bits_of(two_of(z->bottom, y->l) > two_of(y->top, z->h),
				     two_of(z->top, y->h) < two_of(y->bottom, z->l)) + y->white]);
	take(r, &of.steps[2 * bits_of(close_open > both(y->c), close_open < both(y->c)) + y->white]);
	take(r, &of.edges[i]);
	take(r, &of.ends[bits_of(ends < its_ends, ends > its_ends)]);
	return whites + 4 * (no_shared_edge >> i & 1);
}

/* What is asked of the newest candle alone: who is refused it. */
static inline uint64_t ask_newest(const struct form *z, const struct form *y, const struct means *m, const double near[])
{
	const two shadows = two_of(z->up, z->down), body = both(z->body);
	const two close_05 = PAT_EQUAL_PART * two_of(near[NEAR_0], near[NEAR_5]);
	const two open_15 = PAT_EQUAL_PART * two_of(near[NEAR_1], near[NEAR_5]);
	const two zc = both(z->c), yc = both(y->c), zo = both(z->o), yo = both(y->o);
	const double reach = PAT_NEAR_PART * near[NEAR_5];
	const unsigned answers = answer_bits((struct answers){
		{ shadows > body, shadows > 2.0 * body },
		{ both(z->down) < both(m->body_4_half_0[1]),
		  two_of(z->bottom, y->h - reach) <= two_of(y->l + reach, z->bottom) },
		{ two_of(z->o, y->l) > two_of(y->h, z->o), two_of(z->o, y->top) > two_of(y->bottom, z->o) },
		{ zc <= yc + close_05, zo <= yo + open_15 } });
	const unsigned equal = bits_of(zc >= yc - close_05, zo >= yo - open_15) << 4 | 15;
	const uint64_t off = at_middle(z, PAT_NEAR_PART * m->near_5[0]) ? 0 : ASKED(Z, MIDDLE);

	return of.shape[answers & 255] | of.place[answers >> 8 & equal] | off;
}

/* What the newest candle completes. */
struct finding {
	uint64_t rows;
	unsigned value;          /* which of values[] */
};

/*
 * Asks the new candle everything, tells the rows that it and those before it complete, and keeps
 * those that it may be an older candle of.
 */
static inline struct finding find(struct pat_state *s, const struct form *z, const struct pat_cell *before,
				  const struct means *m)
{
	const struct form y = form_of(before->o, before->h, before->l, before->c);
	struct refusal r = ask_means(z, m, before);
	struct finding f;

	f.value = ask_pair(&r, z, &y, m);
	f.rows = s->older[0] & ~(r.zy[0] | ask_newest(z, &y, m, before->near));
	s->older[0] = s->older[1] & ~r.zy[1];
	s->older[1] = s->older[2] & ~r.xw[0];
	s->older[2] = s->older[3] & ~(r.xw[1] >> V_SHIFT << V_SHIFT);
	s->older[3] = ~(r.xw[1] << V_SHIFT);
	return f;
}

/* --- what is found -------------------------------------------------------------------------------- */

static inline const struct pat_cell *cell_before(const struct pat_state *s, const struct pat_cell *c)
{
	return c == s->cell ? &s->cell[PAT_CELLS - 1] : c - 1;
}

/* Traps are looked for from three candles before the first value, as TA-Lib does. */
static uint64_t warm_rows(uint64_t n)
{
	uint64_t rows = 0;

	for (unsigned i = 0; i < PAT_N; i++)
		rows |= (uint64_t)(n + (i < PAT_HIKKAKE ? 0 : TRAP_OPEN) >= pat_rules[i].info.lookback) << i;
	return rows;
}

/* Of pat_needs.h. */
enum sign { OWN, UP, DOWN, COLOUR, AGAINST, COLOUR_80, AGAINST_80 };

/* The rows whose classes say it all; they are among the first. */
enum { PLAIN_ROWS = 32 };

#define PLAIN(arg, id, sign, ...) | (uint64_t)(sign != OWN) << PAT_##id

static const uint64_t plain_rows = 0 PAT_NEEDS(PLAIN, ) PAT_NEEDS_OF_FIVE(PLAIN, );

_Static_assert(((0 PAT_NEEDS(PLAIN, ) PAT_NEEDS_OF_FIVE(PLAIN, )) >> PLAIN_ROWS) == 0, "written with the first rows");

/* Their values. i has the bits 1: white, 2: the candle before is white, 4: no edge is shared. */
#define VALUE_OF(sign, i) ( \
	(sign) == UP ? 100 : (sign) == DOWN ? -100 : \
	((sign) == COLOUR || (sign) == COLOUR_80 ? (i) & 1 : ~(i) & 2) != 0 ? SIZE_OF(sign, i) : -SIZE_OF(sign, i))
#define SIZE_OF(sign, i) (((sign) == COLOUR_80 || (sign) == AGAINST_80) && ((i) & 4) == 0 ? 80 : 100)
#define VALUE(i, id, sign, ...) [PAT_##id] = VALUE_OF(sign, i),

/* The plain rows are one line of the cache. */
static _Alignas(64) const int16_t values[8][64] = {
	{ PAT_NEEDS(VALUE, 0) }, { PAT_NEEDS(VALUE, 1) }, { PAT_NEEDS(VALUE, 2) }, { PAT_NEEDS(VALUE, 3) },
	{ PAT_NEEDS(VALUE, 4) }, { PAT_NEEDS(VALUE, 5) }, { PAT_NEEDS(VALUE, 6) }, { PAT_NEEDS(VALUE, 7) }
};

typedef int16_t eight __attribute__((vector_size(16)));

static inline eight eight_at(const int16_t *p)
{
	eight v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline eight eight_all(int16_t v)
{
	return (eight){ v, v, v, v, v, v, v, v };
}

static inline void eight_put(int16_t *p, eight v)
{
	memcpy(p, &v, sizeof v);
}

/* The eight values from `row` of those found; of 16 rows `found` has the bits, the first of the eight being `bit`. */
static inline void plain_eight(unsigned row, eight found, int16_t bit, const int16_t *value, int16_t out[PAT_N])
{
	const eight bits = eight_all(bit) * (eight){ 1, 2, 4, 8, 16, 32, 64, 128 };

	eight_put(out + row, ((found & bits) == bits) & eight_at(value + row));
}

/* Writes all values: of the plain rows what is found, of the others 0. */
static inline void plain_put(uint64_t found, unsigned i, int16_t out[PAT_N])
{
	const int16_t *value = values[i];
	const eight first = eight_all((int16_t)(found & 0xffff)), second = eight_all((int16_t)(found >> 16 & 0xffff));
	const eight none = { 0 };

	plain_eight(0, first, 1, value, out);
	plain_eight(8, first, 256, value, out);
	plain_eight(16, second, 1, value, out);
	plain_eight(24, second, 256, value, out);
	eight_put(out + 32, none);
	eight_put(out + 40, none);
	eight_put(out + 48, none);
	eight_put(out + PAT_N - 8, none);
}

static struct pat_look look_from(const struct pat_state *s, const struct pat_cell *z)
{
	const struct pat_cell *y = cell_before(s, z), *x = cell_before(s, y), *w = cell_before(s, x);

	return (struct pat_look){ z, y, x, w, cell_before(s, w), s->sum[PAT_SHADOWS + 2] / PAT_SPAN / 2.0 };
}

/* --- the two with a memory ------------------------------------------------------------------------ */

/*
 * A new trap replaces an old one. Otherwise an open trap is confirmed by a close beyond the inside
 * bar's other end, on one of the three candles after it, once.
 */
static int trap_step(struct pat_traps *t, unsigned i, uint64_t n, int found, double level)
{
	const int confirmed = n > t->until[i] ? 0 : isfinite(t->over[i]) ? 200 : -200;

	trap_close(t, i);
	if (found == 0)
		return confirmed;
	*(found > 0 ? &t->over[i] : &t->under[i]) = level;
	t->until[i] = n + TRAP_OPEN;
	return found;
}

/* The inside bar that is broken closed near the end at which it is. */
static bool closes_near(const struct pat_cell *x, int found)
{
	return found > 0 ? x->c <= x->l + PAT_NEAR_PART * pat_near(x, NEAR_0)
			 : x->c >= x->h - PAT_NEAR_PART * pat_near(x, NEAR_0);
}

/* +100: z breaks the inside bar before it downwards (a trap for sellers); -100: upwards. */
static inline int trap_side(const struct pat_cell *z, const struct pat_cell *y)
{
	return z->h < y->h ? 100 : -100;
}

/* Those that are found or may be confirmed. */
__attribute__((noinline))
static void traps_put(struct pat_state *s, const struct pat_cell *z, unsigned found, unsigned beyond, int16_t out[PAT_N])
{
	const struct pat_cell *y = cell_before(s, z);
	const int side = trap_side(z, y);

	if ((found & 2) != 0 && !closes_near(cell_before(s, y), side))
		found &= 1;
	for (unsigned i = 0; i < TRAPS; i++) {
		const int new = (found >> i & 1) != 0 ? side : 0;

		if (((found | beyond) >> i & 1) == 0)
			continue;
		const int value = trap_step(&s->traps, i, s->n, new, side > 0 ? y->h : y->l);
		if (s->n >= pat_rules[PAT_HIKKAKE + i].info.lookback)
			out[PAT_HIKKAKE + i] = (int16_t)value;
	}
}

static inline unsigned traps_beyond(const struct pat_traps *t, double close)
{
	const unsigned beyond = bits_of(two_at(t->over) < both(close), two_at(t->under) > both(close));

	return (beyond | beyond >> TRAPS) & ((1U << TRAPS) - 1);
}

/* Writes the new candle into the ring, with the means that are asked of it when it is older. */
static inline void cell_put(struct pat_cell *z, const struct form *f, const struct means *m)
{
	z->o = f->o;
	z->h = f->h;
	z->l = f->l;
	z->c = f->c;
	two_put(&z->near[NEAR_0], m->near_0);
	two_put(&z->near[NEAR_5], m->near_5);
	z->doji = m->none_0[0];
	z->half_1 = m->half_1[0];
}

static const uint64_t rows_of_patterns = (UINT64_C(1) << PAT_HIKKAKE) - 1;

/* The rules of their own; apart, because most candles have nothing for them. */
__attribute__((noinline))
static void rest_put(const struct pat_state *s, const struct pat_cell *z, uint64_t found, int16_t out[PAT_N])
{
	const struct pat_look k = look_from(s, z);

	for (; found != 0; found &= found - 1) {
		const unsigned id = (unsigned)__builtin_ctzll(found);

		out[id] = (int16_t)pat_rules[id].more(&k);
	}
}

void pat_update(struct pat_state *s, const struct ind_bar *bar, int16_t out[PAT_N])
{
	const struct form z = form_of(bar->o, bar->h, bar->l, bar->c);
	const struct means m = means_of(s->sum);
	const unsigned at = (unsigned)(s->n % PAT_SPAN);
	struct pat_cell *cell = &s->cell[at - (PAT_CELLS & -(unsigned)(at >= PAT_CELLS))];
	const struct pat_cell *before = cell_before(s, cell);
	const struct finding f = find(s, &z, before, &m);
	const double near_out = cell->h - cell->l;
	const unsigned beyond = traps_beyond(&s->traps, z.c);
	uint64_t rows = f.rows, rest;
	unsigned found;

	cell_put(cell, &z, &m);
	if (s->n < WARM_ALL)
		rows &= warm_rows(s->n);
	plain_put(rows & plain_rows, f.value, out);
	found = (unsigned)(rows >> PAT_HIKKAKE) & 3;
	if ((found | beyond) != 0)
		traps_put(s, cell, found, beyond, out);
	rest = rows & rows_of_patterns & ~plain_rows;
	if (rest != 0)
		rest_put(s, cell, rest, out);
	sums_take(s, &(struct pat_span){ z.body, z.h - z.l, z.up + z.down }, at, near_out);
	s->n++;
}

/* --- what is known of them ------------------------------------------------------------------------ */

const struct pat_info *pat_get(enum pat_id id)
{
	assert((unsigned)id < PAT_N);
	return &pat_rules[id].info;
}

enum pat_id pat_find(const char *name)
{
	for (unsigned i = 0; i < PAT_N; i++)
		if (strcmp(pat_rules[i].info.name, name) == 0 || strcmp(pat_rules[i].info.ta_name, name) == 0)
			return (enum pat_id)i;
	return PAT_N;
}

unsigned pat_warmup(enum pat_id id)
{
	return pat_get(id)->lookback + 1U;
}

unsigned pat_warmup_all(void)
{
	return WARM_ALL;
}

bool pat_warm(const struct pat_state *s, enum pat_id id)
{
	return s->n >= pat_warmup(id);
}
