/*
 * cover.c - spans of time a source was connected, merged as they come.
 */
#include "cover.h"

#include <stdlib.h>

void candle_cover_done(struct candle_cover *c)
{
	free(c->v);
	memset(c, 0, sizeof *c);
}

/* Index of the first span that ends at or after t. Searched from the end: news is nearly always recent. */
static uint32_t cover_seek(const struct candle_cover *c, int64_t t_ms)
{
	uint32_t i = c->n, lo = 0, hi;

	for (int k = 0; k < 4 && i > 0; k++) {
		if (c->v[i - 1].to_ms < t_ms)
			return i;
		i--;
	}
	hi = i;
	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (c->v[mid].to_ms < t_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool cover_room(struct candle_cover *c)
{
	struct candle_span *v;
	const uint32_t cap = c->cap == 0 ? 4 : c->cap * 2;

	if (c->n < c->cap)
		return true;
	v = realloc(c->v, cap * sizeof *v);
	if (v == NULL)
		return false;
	c->v = v;
	c->cap = cap;
	return true;
}

bool candle_cover_add(struct candle_cover *c, int64_t from_ms, int64_t to_ms)
{
	uint32_t i, j;

	if (from_ms >= to_ms)
		return true;
	i = cover_seek(c, from_ms);
	for (j = i; j < c->n && c->v[j].from_ms <= to_ms; j++) {
		if (c->v[j].from_ms < from_ms)
			from_ms = c->v[j].from_ms;
		if (c->v[j].to_ms > to_ms)
			to_ms = c->v[j].to_ms;
	}
	if (j > i) {                    /* spans i..j-1 become one */
		c->v[i] = (struct candle_span){ from_ms, to_ms };
		memmove(c->v + i + 1, c->v + j, (c->n - j) * sizeof *c->v);
		c->n -= j - i - 1;
		return true;
	}
	if (c->n == CANDLE_SPANS_MAX) {
		if (i == 0)
			return true;    /* older than all that is kept */
		memmove(c->v, c->v + 1, (c->n - 1) * sizeof *c->v);
		c->n--;
		i--;
	}
	if (!cover_room(c))
		return false;
	memmove(c->v + i + 1, c->v + i, (c->n - i) * sizeof *c->v);
	c->v[i] = (struct candle_span){ from_ms, to_ms };
	c->n++;
	return true;
}

void candle_cover_forget(struct candle_cover *c, int64_t before_ms)
{
	uint32_t i = 0;

	while (i < c->n && c->v[i].to_ms <= before_ms)
		i++;
	if (i == 0)
		return;
	memmove(c->v, c->v + i, (c->n - i) * sizeof *c->v);
	c->n -= i;
}

int64_t candle_cover_ms(const struct candle_cover *c, int64_t from_ms, int64_t to_ms)
{
	int64_t sum = 0;

	for (uint32_t i = cover_seek(c, from_ms); i < c->n && c->v[i].from_ms < to_ms; i++) {
		const int64_t a = c->v[i].from_ms > from_ms ? c->v[i].from_ms : from_ms;
		const int64_t b = c->v[i].to_ms < to_ms ? c->v[i].to_ms : to_ms;

		if (a < b)
			sum += b - a;
	}
	return sum;
}

int64_t candle_cover_next(const struct candle_cover *c, int64_t t_ms)
{
	for (uint32_t i = cover_seek(c, t_ms); i < c->n; i++)
		if (c->v[i].to_ms > t_ms)
			return c->v[i].from_ms > t_ms ? c->v[i].from_ms : t_ms;
	return INT64_MAX;
}

