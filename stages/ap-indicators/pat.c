/*
 * pat.c - candles in, 61 pattern values out, from one set of running sums.
 *
 * Every candle is classified once, against each of the means that patterns use
 * and against the candle before it: one word of marks. A pattern's row says
 * which marks its candles need, so most rows fall by a few ANDs without a
 * branch, and only what is left compares prices. Knows no pattern by itself
 * but the two that have a memory.
 */
#include "stages/ap-indicators/pat.h"

#include <assert.h>
#include <string.h>

#include "stages/ap-indicators/pat_impl.h"
#include "stages/ap-indicators/pat_needs.h"

enum { WARM_ALL = 15 };

_Static_assert(PAT_N == 61, "TA-Lib has 61");

/* Which candle each running sum begins at. */
static const uint8_t near_first[PAT_NEAR_SUMS] = { 0, 1, 5, 6 };

void pat_init(struct pat_state *s)
{
	memset(s, 0, sizeof *s);
}

/* --- running sums --------------------------------------------------------------------------------- */

/* While the sums fill: candle n enters, and candle n - span leaves once it is one the sum has. */
static double sum_step(double sum, uint64_t n, unsigned first, unsigned span, double in, double out)
{
	if (n < first)
		return sum;
	return n < first + span ? sum + in : sum + (in - out);
}

static void sums_fill(struct pat_state *s, const struct pat_span *in, const struct pat_span *out,
		      double near_out)
{
	for (unsigned i = 0; i < PAT_BODY_SUMS; i++)
		s->body[i] = sum_step(s->body[i], s->n, i, PAT_SPAN, in->body, out->body);
	for (unsigned i = 0; i < PAT_RANGE_SUMS; i++)
		s->range[i] = sum_step(s->range[i], s->n, i, PAT_SPAN, in->range, out->range);
	for (unsigned i = 0; i < PAT_SHADOW_SUMS; i++)
		s->shadows[i] = sum_step(s->shadows[i], s->n, i, PAT_SPAN, in->shadows, out->shadows);
	for (unsigned i = 0; i < PAT_NEAR_SUMS; i++)
		s->near[i] = sum_step(s->near[i], s->n, near_first[i], NEAR_SPAN, in->range, near_out);
}

/* The difference first, then the sum: TA-Lib's order, which decides the last bit. */
static void sums_roll(struct pat_state *s, const struct pat_span *in, const struct pat_span *out,
		      double near_out)
{
	const double body = in->body - out->body, range = in->range - out->range;
	const double shadows = in->shadows - out->shadows, near = in->range - near_out;

	for (unsigned i = 0; i < PAT_BODY_SUMS; i++)
		s->body[i] += body;
	for (unsigned i = 0; i < PAT_RANGE_SUMS; i++)
		s->range[i] += range;
	for (unsigned i = 0; i < PAT_SHADOW_SUMS; i++)
		s->shadows[i] += shadows;
	for (unsigned i = 0; i < PAT_NEAR_SUMS; i++)
		s->near[i] += near;
}

static void sums_take(struct pat_state *s, const struct pat_span *in)
{
	struct pat_span *slot = &s->span[s->n % PAT_SPAN];
	const double near_out = s->span[(s->n + PAT_SPAN - NEAR_SPAN) % PAT_SPAN].range;

	if (s->n < PAT_SPAN + PAT_BODY_SUMS)
		sums_fill(s, in, slot, near_out);
	else
		sums_roll(s, in, slot, near_out);
	*slot = *in;
}

/* --- marks ---------------------------------------------------------------------------------------- */

#define SET(name, cond) ((uint64_t)(cond) << PAT_BIT_##name)

/* Against the running means, which end with the candle before this one. */
static uint64_t marks_of_body(const struct pat_state *s, double body)
{
	double mean[PAT_BODY_SUMS];

	for (unsigned i = 0; i < PAT_BODY_SUMS; i++)
		mean[i] = s->body[i] / PAT_SPAN;
	return SET(LONG_0, body > mean[0]) | SET(LONG_1, body > mean[1]) |
		SET(LONG_2, body > mean[2]) | SET(LONG_4, body > mean[4]) |
		SET(SHORT_0, body < mean[0]) | SET(SHORT_1, body < mean[1]) |
		SET(SHORT_2, body < mean[2]) | SET(SHORT_3, body < mean[3]) |
		SET(SMALL_1, body <= mean[1]);
}

static uint64_t marks_of_shadows(const struct pat_state *s, bool white, double body, double up, double down)
{
	double none[PAT_RANGE_SUMS], half[PAT_SHADOW_SUMS];

	for (unsigned i = 0; i < PAT_RANGE_SUMS; i++)
		none[i] = 0.1 * (s->range[i] / PAT_SPAN);
	for (unsigned i = 0; i < PAT_SHADOW_SUMS; i++)
		half[i] = s->shadows[i] / PAT_SPAN / 2.0;

	const bool up_0 = up < none[0], up_1 = up < none[1];
	const bool down_0 = down < none[0], down_1 = down < none[1];

	return SET(DOJI_0, body <= none[0]) | SET(DOJI_1, body <= none[1]) |
		SET(UP_NONE_0, up_0) | SET(UP_NONE_1, up_1) | SET(UP_NONE_2, up < none[2]) |
		SET(DOWN_NONE_0, down_0) | SET(DOWN_NONE_1, down_1) |
		SET(DOWN_NONE_2, down < none[2]) | SET(DOWN_NONE_3, down < none[3]) |
		SET(UP_SEEN_0, up > none[0]) | SET(UP_SEEN_2, up > none[2]) | SET(UP_SEEN_3, up > none[3]) |
		SET(DOWN_SEEN_0, down > none[0]) | SET(DOWN_SEEN_1, down > none[1]) |
		SET(OPEN_NONE_0, (white & down_0) | (!white & up_0)) |
		SET(OPEN_NONE_1, (white & down_1) | (!white & up_1)) |
		SET(CLOSE_NONE_0, (white & up_0) | (!white & down_0)) |
		SET(UP_SHORT_0, up < half[0]) | SET(DOWN_SHORT_0, down < half[0]) |
		SET(UP_MORE_1, up > half[1]) | SET(UP_MORE_2, up > half[2]);
}

static uint64_t marks_alone(bool white, double body, double up, double down)
{
	const bool up_long = up > body, down_long = down > body;

	return SET(WHITE, white) | SET(BLACK, !white) |
		SET(UP_LONG, up_long) | SET(DOWN_LONG, down_long) | SET(LEGS, up_long | down_long) |
		SET(UP_VERY_LONG, up > 2.0 * body) | SET(DOWN_VERY_LONG, down > 2.0 * body);
}

/* Against the candle before; before the second candle that is all zeros, and no pattern asks. */
static uint64_t marks_of_pair(const struct pat_cell *z, const struct pat_cell *y)
{
	const double ztop = pat_top(z), zbottom = pat_bottom(z);
	const double ytop = pat_top(y), ybottom = pat_bottom(y);
	const bool zwhite = z->c >= z->o, ywhite = y->c >= y->o;
	const bool gap_up = zbottom > ytop, gap_down = ztop < ybottom;
	const bool high_less = z->h < y->h, low_more = z->l > y->l;
	const bool close_up = z->c > y->c, close_down = z->c < y->c;

	return SET(SAME, zwhite == ywhite) | SET(FLIP, zwhite != ywhite) |
		SET(BODY_GAP_UP, gap_up) | SET(BODY_GAP_DOWN, gap_down) | SET(BODY_GAP, gap_up | gap_down) |
		SET(GAP_ON, (ywhite & gap_up) | (!ywhite & gap_down)) |
		SET(LEAP, (ywhite & (z->h < y->l)) | (!ywhite & (z->l > y->h))) |
		SET(BODY_INSIDE, (ztop < ytop) & (zbottom > ybottom)) |
		SET(COVERS, (ztop > ytop) & (zbottom < ybottom)) |
		SET(BODY_IN, (ztop <= ytop) & (zbottom >= ybottom)) |
		SET(BODY_OUT, (ztop >= ytop) & (zbottom <= ybottom)) |
		SET(INSIDE, high_less & low_more) | SET(ABOVE, (z->h > y->h) & low_more) |
		SET(BELOW, high_less & (z->l < y->l)) |
		SET(CLOSE_UP, close_up) | SET(CLOSE_DOWN, close_down) |
		SET(CLOSE_ON, (ywhite & close_up) | (!ywhite & close_down)) |
		SET(OPEN_UNDER, z->o < y->l) | SET(OPEN_OVER, z->o > y->h);
}

static const struct pat_cell *cell_back(const struct pat_state *s, unsigned age)
{
	return &s->cell[(s->n + PAT_CELLS - age) % PAT_CELLS];
}

/* Writes the new candle with its marks into the ring; what it adds to the sums goes to *span. */
static void cell_take(struct pat_state *s, const struct ind_bar *bar, struct pat_span *span)
{
	struct pat_cell *z = &s->cell[s->n % PAT_CELLS];
	const bool white = bar->c >= bar->o;
	double body, up, down;

	z->o = bar->o;
	z->h = bar->h;
	z->l = bar->l;
	z->c = bar->c;
	body = pat_body(z);
	up = z->h - pat_top(z);
	down = pat_bottom(z) - z->l;
	*span = (struct pat_span){ body, z->h - z->l, up + down };
	for (unsigned i = 0; i < PAT_NEAR_SUMS; i++)
		z->near[i] = s->near[i];
	z->doji = 0.1 * (s->range[0] / PAT_SPAN);
	z->marks = marks_of_body(s, body) | marks_of_shadows(s, white, body, up, down) |
		marks_alone(white, body, up, down) | marks_of_pair(z, cell_back(s, 1));
}

/* --- the search ----------------------------------------------------------------------------------- */

enum { BLOCK = 16, ROWS = 64 };  /* rows are compared in four blocks of 16: 61, rounded up */

/* In which block what can be left out; the order of enum pat_id makes it so. */
_Static_assert((int)PAT_SHOOTINGSTAR == BLOCK, "block 0 needs only the newest candle");
_Static_assert((int)PAT_2CROWS == 2 * BLOCK, "block 1 needs two");
_Static_assert((int)PAT_3BLACKCROWS >= 3 * BLOCK, "block 2 needs three, block 3 five");

/*
 * The needs turned over: per age one array over all patterns, 32 bits each (the newest candle has
 * two), so that the compiler compares four patterns at a time. Rows without a pattern need what no
 * candle has.
 */
#define LOW(need) ((uint32_t)((uint64_t)(need) & UINT32_MAX))
#define HIGH(need) ((uint32_t)((uint64_t)(need) >> 32))
#define NEED_0(id, z, ...) [PAT_##id] = LOW(z),
#define NEED_HIGH(id, z, ...) [PAT_##id] = HIGH(z),
#define NEED_1(id, z, y, ...) [PAT_##id] = LOW(y),
#define NEED_2_OF_3(id, z, y, x) [PAT_##id] = LOW(x),
#define NEED_2(id, z, y, x, w, v) [PAT_##id] = LOW(x),
#define NEED_3(id, z, y, x, w, v) [PAT_##id] = LOW(w),
#define NEED_4(id, z, y, x, w, v) [PAT_##id] = LOW(v),
#define FITS_OF_3(id, z, y, x) \
	_Static_assert(HIGH((y) | (x)) == 0 && (PAT_##id > PAT_INVERTEDHAMMER || (y) == 0) && \
		       (PAT_##id > PAT_SEPARATINGLINES || (x) == 0), "an older candle's need is left out");
#define FITS(id, z, y, x, w, v) \
	_Static_assert(HIGH((y) | (x) | (w) | (v)) == 0 && PAT_##id >= PAT_3BLACKCROWS, "as above");
#define NEVER LOW(M(WHITE) | M(BLACK))

PAT_NEEDS(FITS_OF_3)
PAT_NEEDS_OF_FIVE(FITS)

enum { WORD_Z, WORD_HIGH, WORD_Y, WORD_X, WORD_W, WORD_V, WORDS };

static const uint32_t needs[WORDS][ROWS] = {
	[WORD_Z] = {
		PAT_NEEDS(NEED_0) PAT_NEEDS_OF_FIVE(NEED_0)
		[PAT_HIKKAKE] = NEVER, [PAT_HIKKAKEMOD] = NEVER, NEVER, NEVER, NEVER
	},
	[WORD_HIGH] = { PAT_NEEDS(NEED_HIGH) PAT_NEEDS_OF_FIVE(NEED_HIGH) },
	[WORD_Y] = { PAT_NEEDS(NEED_1) PAT_NEEDS_OF_FIVE(NEED_1) },
	[WORD_X] = { PAT_NEEDS(NEED_2_OF_3) PAT_NEEDS_OF_FIVE(NEED_2) },
	[WORD_W] = { PAT_NEEDS_OF_FIVE(NEED_3) },
	[WORD_V] = { PAT_NEEDS_OF_FIVE(NEED_4) }
};

/* Bit i: row i of the block lacks none of its classes. `words` is a constant at every call. */
__attribute__((always_inline))
static inline uint32_t scan_block(unsigned block, unsigned words, const uint32_t lack[WORDS])
{
	static const uint32_t bit[BLOCK] = {
		1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7,
		1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15
	};
	uint32_t found = 0;

	for (unsigned i = 0; i < BLOCK; i++) {
		const unsigned row = block * BLOCK + i;
		uint32_t miss = (needs[WORD_Z][row] & lack[WORD_Z]) | (needs[WORD_HIGH][row] & lack[WORD_HIGH]);

		if (words > WORD_Y)
			miss |= needs[WORD_Y][row] & lack[WORD_Y];
		if (words > WORD_X)
			miss |= needs[WORD_X][row] & lack[WORD_X];
		if (words > WORD_W)
			miss |= (needs[WORD_W][row] & lack[WORD_W]) | (needs[WORD_V][row] & lack[WORD_V]);
		found |= miss == 0 ? bit[i] : 0;
	}
	return found;
}

/* Bit i: pattern i lacks none of its classes. */
static uint64_t scan(const struct pat_look *k)
{
	const uint32_t lack[WORDS] = {
		LOW(~k->z->marks), HIGH(~k->z->marks), LOW(~k->y->marks), LOW(~k->x->marks),
		LOW(~k->w->marks), LOW(~k->v->marks)
	};

	return scan_block(0, WORD_HIGH + 1, lack) | (uint64_t)scan_block(1, WORD_Y + 1, lack) << BLOCK |
		(uint64_t)scan_block(2, WORD_X + 1, lack) << 2 * BLOCK |
		(uint64_t)scan_block(3, WORDS, lack) << 3 * BLOCK;
}

static uint64_t warm_rows(uint64_t n)
{
	uint64_t rows = 0;

	for (unsigned i = 0; i < PAT_N; i++)
		rows |= (uint64_t)(n >= pat_rules[i].info.lookback) << i;
	return rows;
}

static void search(const struct pat_state *s, const struct pat_look *k, int16_t out[PAT_N])
{
	const int z = 100 * pat_colour(k->z), y = 100 * pat_colour(k->y);
	const int by_sign[SIGN_N] = {
		[SIGN_UP] = 100, [SIGN_DOWN] = -100, [SIGN_COLOUR] = z, [SIGN_FOLLOW] = y, [SIGN_AGAINST] = -y
	};
	uint64_t found = scan(k);

	if (s->n < WARM_ALL)
		found &= warm_rows(s->n);
	for (; found != 0; found &= found - 1) {
		const unsigned id = (unsigned)__builtin_ctzll(found);
		const struct pat_rule *r = &pat_rules[id];

		out[id] = (int16_t)(r->more != NULL ? r->more(k) : by_sign[r->sign]);
	}
}

/* --- the two with a memory ------------------------------------------------------------------------ */

/*
 * A new trap replaces an old one. Otherwise an open trap is confirmed by a close beyond the inside
 * bar's other end, on one of the three candles after it, once.
 */
static int trap_step(struct pat_trap *t, int found, double level, double close)
{
	if (found != 0) {
		*t = (struct pat_trap){ level, found, 3 };
		return found;
	}
	if (t->left == 0)
		return 0;
	t->left--;
	if (t->value > 0 ? close <= t->level : close >= t->level)
		return 0;
	t->left = 0;
	return 2 * t->value;
}

/* +100: the newest candle breaks the inside bar y downwards (a trap for sellers); -100: upwards. */
static int trap_found(const struct pat_look *k)
{
	const uint64_t z = k->z->marks;

	if ((k->y->marks & M(INSIDE)) == 0)
		return 0;
	return (z & M(BELOW)) != 0 ? 100 : (z & M(ABOVE)) != 0 ? -100 : 0;
}

static int trap_found_mod(const struct pat_look *k)
{
	const struct pat_cell *x = k->x;
	const int found = trap_found(k);

	if (found == 0 || (x->marks & M(INSIDE)) == 0)
		return 0;
	if (found > 0)
		return x->c <= x->l + 0.2 * pat_near(x, NEAR_0) ? found : 0;
	return x->c >= x->h - 0.2 * pat_near(x, NEAR_0) ? found : 0;
}

/* Traps are looked for from three candles before the first value, as TA-Lib does. */
static void traps(struct pat_state *s, const struct pat_look *k, int16_t out[PAT_N])
{
	const struct pat_cell *z = k->z, *y = k->y;
	const unsigned first = pat_rules[PAT_HIKKAKE].info.lookback;
	const unsigned first_mod = pat_rules[PAT_HIKKAKEMOD].info.lookback;
	int found, value;

	if (s->n + 3 < first)
		return;
	found = trap_found(k);
	value = trap_step(&s->hikkake, found, found > 0 ? y->h : y->l, z->c);
	out[PAT_HIKKAKE] = (int16_t)(s->n >= first ? value : 0);
	if (s->n + 3 < first_mod)
		return;
	found = trap_found_mod(k);
	value = trap_step(&s->hikkakemod, found, found > 0 ? y->h : y->l, z->c);
	out[PAT_HIKKAKEMOD] = (int16_t)(s->n >= first_mod ? value : 0);
}

/* Copied, because compilers clear an array of this size with an instruction slow to start. */
static const int16_t nothing[PAT_N];

void pat_update(struct pat_state *s, const struct ind_bar *bar, int16_t out[PAT_N])
{
	const struct pat_look look = {
		cell_back(s, 0), cell_back(s, 1), cell_back(s, 2), cell_back(s, 3), cell_back(s, 4)
	};
	struct pat_span span;

	memcpy(out, nothing, sizeof nothing);
	cell_take(s, bar, &span);
	search(s, &look, out);
	traps(s, &look, out);
	sums_take(s, &span);
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
