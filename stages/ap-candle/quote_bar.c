/*
 * quote_bar.c - points, parts, and the mean of the spread.
 *
 * Sizes: a spread is below 2^120 units of 1e-18, a month below 2^52 ns, so an area stays far below 2^255.
 */
#include "quote_bar.h"

#include <assert.h>
#include <stdlib.h>

void quote_small_done(struct quote_small *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->cap = 0;
}

/* --- points ------------------------------------------------------------ */

static int key_cmp(const struct quote_key *a, const struct quote_key *b)
{
	if (a->ts_ns != b->ts_ns)
		return a->ts_ns < b->ts_ns ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

/* Which points are one at this level: those of one cell. */
static int64_t cell_of(int64_t ts_ns, int64_t open_ms, uint32_t level)
{
	return level == 0 ? ts_ns : (ts_ns / 1000000 - open_ms) >> (level - 1);
}

/* area += spread x time. */
static void area_add(ap_sum *area, ap_i128 spread, int64_t ns)
{
	assert(ns >= 0);
	candle_sum_addmul(area, (ap_dec){ spread }, (ap_dec){ ns });
}

void quote_small_measure(struct quote_small *s)
{
	struct quote_run *r = &s->part.run;

	assert(s->n > 0);
	memset(r, 0, sizeof *r);
	for (uint32_t i = 1; i < s->n; i++)
		area_add(&r->area, s->v[i - 1].spread, s->v[i].key.ts_ns - s->v[i - 1].key.ts_ns);
	r->first_ns = s->v[0].key.ts_ns;
	r->last_ns = s->v[s->n - 1].key.ts_ns;
	r->last_spread = s->v[s->n - 1].spread;
}

static void point_insert(struct quote_small *s, uint32_t at, const struct quote_point *p)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 4 : s->cap * 2;
		s->v = realloc(s->v, s->cap * sizeof *s->v);
		assert(s->v != NULL);
	}
	memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
	s->v[at] = *p;
	s->n++;
}

/* Coarser by as many levels as it takes; of each cell the last point stays. */
static void points_thin(struct quote_small *s, int64_t open_ms, uint32_t most)
{
	while (s->n > most && s->part.level < QUOTE_LEVEL_MAX) {
		uint32_t n = 0;

		s->part.level++;
		for (uint32_t i = 0; i < s->n; i++) {
			if (n > 0 && cell_of(s->v[n - 1].key.ts_ns, open_ms, s->part.level) == cell_of(s->v[i].key.ts_ns, open_ms, s->part.level))
				n--;
			s->v[n++] = s->v[i];
		}
		s->n = n;
	}
}

/* Behind all others, where quotes mostly come: the run grows by a step. */
static void point_append(struct quote_small *s, int64_t open_ms, const struct quote_point *p)
{
	struct quote_run *r = &s->part.run;
	struct quote_point *last = s->n > 0 ? &s->v[s->n - 1] : NULL;

	if (last == NULL || cell_of(last->key.ts_ns, open_ms, s->part.level) != cell_of(p->key.ts_ns, open_ms, s->part.level)) {
		if (last != NULL)
			area_add(&r->area, last->spread, p->key.ts_ns - last->key.ts_ns);
		else
			r->first_ns = p->key.ts_ns;
		point_insert(s, s->n, p);
	} else {
		/* It takes the place of the last one: what was before that lasts until now. */
		if (s->n > 1)
			area_add(&r->area, s->v[s->n - 2].spread, p->key.ts_ns - last->key.ts_ns);
		else
			r->first_ns = p->key.ts_ns;
		*last = *p;
	}
	r->last_ns = p->key.ts_ns;
	r->last_spread = p->spread;
}

/* Between others. */
static void point_between(struct quote_small *s, int64_t open_ms, const struct quote_point *p)
{
	const int64_t cell = cell_of(p->key.ts_ns, open_ms, s->part.level);
	uint32_t lo = 0, hi = s->n;

	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (cell_of(s->v[mid].key.ts_ns, open_ms, s->part.level) < cell)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->n || cell_of(s->v[lo].key.ts_ns, open_ms, s->part.level) != cell)
		point_insert(s, lo, p);
	else if (key_cmp(&p->key, &s->v[lo].key) >= 0)
		s->v[lo] = *p;
	else
		return;
	quote_small_measure(s);
}

static void point_take(struct quote_small *s, int64_t open_ms, uint32_t most, const struct quote_point *p)
{
	if (s->n == 0 || key_cmp(&p->key, &s->v[s->n - 1].key) >= 0)
		point_append(s, open_ms, p);
	else
		point_between(s, open_ms, p);
	if (s->n > most) {
		points_thin(s, open_ms, most);
		quote_small_measure(s);
	}
}

bool quote_small_point(struct quote_small *s, const struct quote_point *p)
{
	if (s->n > 0 && p->key.ts_ns <= s->v[s->n - 1].key.ts_ns)
		return false;
	point_insert(s, s->n, p);
	return true;
}

/* --- parts ------------------------------------------------------------- */

static void reach(ap_dec *high, ap_dec *low, ap_dec h, ap_dec l)
{
	if (h.e18 > high->e18)
		*high = h;
	if (l.e18 < low->e18)
		*low = l;
}

static void reach128(ap_i128 *high, ap_i128 *low, ap_i128 h, ap_i128 l)
{
	if (h > *high)
		*high = h;
	if (l < *low)
		*low = l;
}

void quote_small_take(struct quote_small *s, int64_t open_ms, uint32_t most, const struct ap_quote *q)
{
	const struct quote_key key = { q->ts.ns, q->seq };
	const struct quote_px px = { q->bid, q->ask };
	const ap_i128 sum = q->bid.e18 + q->ask.e18, spread = q->ask.e18 - q->bid.e18;
	struct quote_part *p = &s->part;

	if (p->n == 0) {
		p->open = p->close = px;
		s->first = s->last = key;
		p->bid_high = p->bid_low = q->bid;
		p->ask_high = p->ask_low = q->ask;
		p->sum_high = p->sum_low = sum;
		p->spread_min = p->spread_max = spread;
	} else if (key_cmp(&key, &s->last) >= 0) {
		/* Equal keys: whoever arrived first opened, whoever arrived last closed. */
		s->last = key;
		p->close = px;
	} else if (key_cmp(&key, &s->first) < 0) {
		s->first = key;
		p->open = px;
	}
	reach(&p->bid_high, &p->bid_low, q->bid, q->bid);
	reach(&p->ask_high, &p->ask_low, q->ask, q->ask);
	reach128(&p->sum_high, &p->sum_low, sum, sum);
	reach128(&p->spread_max, &p->spread_min, spread, spread);
	p->n++;
	p->locked += spread == 0;
	point_take(s, open_ms, most, &(struct quote_point){ key, spread });
}

void quote_part_join(struct quote_part *a, const struct quote_part *b)
{
	if (b->n == 0)
		return;
	if (a->n == 0) {
		*a = *b;
		return;
	}
	assert(b->run.first_ns > a->run.last_ns);
	a->n += b->n;
	a->locked += b->locked;
	a->close = b->close;
	reach(&a->bid_high, &a->bid_low, b->bid_high, b->bid_low);
	reach(&a->ask_high, &a->ask_low, b->ask_high, b->ask_low);
	reach128(&a->sum_high, &a->sum_low, b->sum_high, b->sum_low);
	reach128(&a->spread_max, &a->spread_min, b->spread_max, b->spread_min);
	area_add(&a->run.area, a->run.last_spread, b->run.first_ns - a->run.last_ns);
	candle_sum_add(&a->run.area, &b->run.area);
	a->run.last_ns = b->run.last_ns;
	a->run.last_spread = b->run.last_spread;
	if (b->level > a->level)
		a->level = b->level;
}

/* --- telling ----------------------------------------------------------- */

/* Half of bid + ask; where that needs a 19th decimal, half-even. */
static ap_dec mid_of(ap_i128 sum)
{
	const ap_i128 half = sum >> 1;

	return (ap_dec){ (sum & 1) != 0 && (half & 1) != 0 ? half + 1 : half };
}

static ap_dec mid_px(const struct quote_px *p)
{
	return mid_of(p->bid.e18 + p->ask.e18);
}

void quote_part_tell(const struct quote_part *p, int64_t end_ms, struct ap_quotebar *out)
{
	const struct quote_run *r = &p->run;
	ap_sum area = r->area;
	int64_t until_ns = r->last_ns;
	bool fits = true;

	assert(p->n > 0);
	if (end_ms != INT64_MIN) {
		until_ns = end_ms * 1000000;
		area_add(&area, r->last_spread, until_ns - r->last_ns);
	}
	out->bid = (struct ap_px4){ p->open.bid, p->bid_high, p->bid_low, p->close.bid };
	out->ask = (struct ap_px4){ p->open.ask, p->ask_high, p->ask_low, p->close.ask };
	out->mid = (struct ap_px4){ mid_px(&p->open), mid_of(p->sum_high), mid_of(p->sum_low), mid_px(&p->close) };
	out->spread_min.e18 = p->spread_min;
	out->spread_max.e18 = p->spread_max;
	out->spread_last.e18 = p->close.ask.e18 - p->close.bid.e18;
	out->weighted_ns = (uint64_t)(until_ns - r->first_ns);
	if (out->weighted_ns == 0)
		out->spread_mean.e18 = r->last_spread;  /* one instant */
	else
		fits = ap_sum_div(&area, (ap_dec){ until_ns - r->first_ns }, 18, &out->spread_mean);
	assert(fits);                   /* a mean is no greater than the greatest */
	out->resolution_ms = p->level == 0 ? 0 : p->level > 32 ? UINT32_MAX : 1u << (p->level - 1);
	out->quote_count = p->n;
	out->locked_count = p->locked;
}
