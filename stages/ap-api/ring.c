/*
 * ring.c - a sorted window over a flat array.
 *
 * The window slides through the array and is moved back to its start when it reaches the end, so that appending
 * costs O(1) on average and the candles stay contiguous.
 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>

enum { CAP_FIRST = 8 };

void api_ring_init(struct api_ring *r, uint32_t max)
{
	assert(max >= 1);
	*r = (struct api_ring){ .max = max };
}

void api_ring_done(struct api_ring *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		free(api_ring_at(r, i)->vals);
	free(r->bar);
	*r = (struct api_ring){ .max = r->max };
}

static void drop_oldest(struct api_ring *r)
{
	free(r->bar[r->off].vals);
	r->off++;
	r->n--;
}

void api_ring_resize(struct api_ring *r, uint32_t max)
{
	assert(max >= 1);
	while (r->n > max)
		drop_oldest(r);
	r->max = max;
	if (r->n == 0) {
		api_ring_done(r);
		return;
	}
	if (r->cap <= max + max / 2 + 1)
		return;
	memmove(r->bar, r->bar + r->off, r->n * sizeof *r->bar);
	r->off = 0;
	struct api_bar *p = realloc(r->bar, r->n * sizeof *p);
	if (p != NULL) {
		r->bar = p;
		r->cap = r->n;
	}
}

/* Room for one more bar behind the last one. */
static bool make_room(struct api_ring *r)
{
	if (r->off + r->n < r->cap)
		return true;
	if (r->off > 0 && r->off >= r->n / 2) {
		memmove(r->bar, r->bar + r->off, r->n * sizeof *r->bar);
		r->off = 0;
		return true;
	}
	uint32_t most = r->max + r->max / 2 + 1;
	uint32_t cap = r->cap == 0 ? CAP_FIRST : r->cap * 2;
	if (cap > most)
		cap = most > r->cap ? most : r->cap + 1;
	struct api_bar *p = realloc(r->bar, cap * sizeof *p);
	if (p == NULL)
		return false;
	r->bar = p;
	r->cap = cap;
	return true;
}

/* Index of the first bar that opens at or after open_ms. */
static uint32_t lower_bound(const struct api_ring *r, int64_t open_ms)
{
	uint32_t lo = 0, hi = r->n;
	if (r->n > 0 && api_ring_at(r, r->n - 1)->c.open_ms < open_ms)
		return r->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (api_ring_at(r, mid)->c.open_ms < open_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct api_bar *api_ring_find(const struct api_ring *r, int64_t open_ms)
{
	uint32_t i = lower_bound(r, open_ms);
	return i < r->n && api_ring_at(r, i)->c.open_ms == open_ms ? api_ring_at(r, i) : NULL;
}

struct api_bar *api_ring_last(const struct api_ring *r)
{
	return r->n == 0 ? NULL : api_ring_at(r, r->n - 1);
}

static bool replaces(const struct ap_candle *new, const struct ap_candle *old)
{
	if (new->state == AP_FORMING)
		return old->state == AP_FORMING && new->trade_count >= old->trade_count;
	if (old->state == AP_FORMING)
		return true;
	return new->revision > old->revision;
}

bool api_ring_put(struct api_ring *r, const struct ap_candle *c)
{
	uint32_t i = lower_bound(r, c->open_ms);
	if (i < r->n && api_ring_at(r, i)->c.open_ms == c->open_ms) {
		struct api_bar *b = api_ring_at(r, i);
		if (!replaces(c, &b->c))
			return false;
		b->c = *c;
		return true;
	}
	if (r->n == r->max) {
		if (i == 0)
			return false;
		drop_oldest(r);
		i--;
	}
	if (!make_room(r))
		return false;
	struct api_bar *at = &r->bar[r->off + i];
	memmove(at + 1, at, (r->n - i) * sizeof *at);
	*at = (struct api_bar){ .c = *c };
	r->n++;
	return true;
}

bool api_ring_put_vals(struct api_ring *r, int64_t open_ms, struct api_vals *vals)
{
	struct api_bar *b = api_ring_find(r, open_ms);
	bool stale = b == NULL ||
		(b->vals != NULL && !b->vals->provisional &&
		 (vals->provisional || vals->revision < b->vals->revision));
	if (stale) {
		free(vals);
		return false;
	}
	free(b->vals);
	b->vals = vals;
	return true;
}
