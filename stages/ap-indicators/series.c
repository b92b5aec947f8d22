/*
 * series.c - a series' indicators with 16 candles of memory.
 *
 *   0  version (1), candles in the window (1), length of the base's image u32
 *   6  the base's image (ind_image.c)
 *  ..  per candle: open_ms, revision, trades as varints, then o h l c v qv buy sell as f64
 *  ..  XXH64 of all before
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "stages/ap-indicators/series.h"

enum { VERSION = 1, HEAD = 6, FIXED = 8, VARINT = 10, SUM = 8 };

bool ind_series_init(struct ind_series *s, const struct ind_set *set)
{
	size_t ring = ind_set_ring_size(set), core = ind_set_core_size(set);

	*s = (struct ind_series){ .set = set, .ring = calloc(1, ring + 2 * core) };
	if (s->ring == NULL)
		return false;
	s->base = s->ring + ring;
	s->tip = s->base + core;
	return true;
}

void ind_series_done(struct ind_series *s)
{
	free(s->ring);
	s->ring = NULL;
}

enum ind_place ind_series_place(const struct ind_series *s, int64_t open_ms, uint32_t *at)
{
	uint32_t i = s->n;

	while (i > 0 && s->window[i - 1].bar.open_ms > open_ms)
		i--;
	*at = i;
	if (i > 0 && s->window[i - 1].bar.open_ms == open_ms) {
		*at = i - 1;
		return IND_AGAIN;
	}
	if (i == s->n)
		return IND_NEXT;
	/* In front of the oldest kept candle: only right while nothing older has left the window. */
	if (i == 0 && (s->n == IND_REWIND || ind_count(s->set, s->base) > 0))
		return IND_TOO_OLD;
	return IND_BETWEEN;
}

/* The oldest candle of the window becomes part of the base. */
static void window_shift(struct ind_series *s, double *val, uint64_t *valid)
{
	ind_step(s->set, s->ring, s->base, &s->window[0].bar, val, valid);
	memmove(s->window, s->window + 1, (IND_REWIND - 1) * sizeof s->window[0]);
	s->n--;
}

bool ind_series_put(struct ind_series *s, const struct ind_candle *c, double *val, uint64_t *valid, ind_emit *emit,
		    void *arg)
{
	uint32_t at;
	enum ind_place place = ind_series_place(s, c->bar.open_ms, &at);

	if (place == IND_TOO_OLD)
		return false;
	if (place != IND_AGAIN) {
		if (s->n == IND_REWIND) {
			window_shift(s, val, valid);
			at--;
		}
		memmove(s->window + at + 1, s->window + at, (s->n - at) * sizeof s->window[0]);
		s->n++;
	}
	s->window[at] = *c;
	if (place != IND_NEXT)
		memcpy(s->tip, s->base, ind_set_core_size(s->set));
	for (uint32_t i = place == IND_NEXT ? at : 0; i < s->n; i++) {
		ind_step(s->set, s->ring, s->tip, &s->window[i].bar, val, valid);
		if (i >= at)
			emit(arg, &s->window[i], val, valid);
	}
	return true;
}

void ind_series_peek(const struct ind_series *s, const struct ind_bar *bar, void *scratch, double *val, uint64_t *valid)
{
	/* The rings' next place holds a value that nobody asks for any more. */
	memcpy(scratch, s->tip, ind_set_core_size(s->set));
	ind_step(s->set, s->ring, scratch, bar, val, valid);
}

/* --- image ------------------------------------------------------------------------------------- */

static uint8_t *put_bytes(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint64_t get_bytes(const uint8_t *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;

		*v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return true;
	}
	return false;
}

/* The doubles of a candle that are saved as they are; trades are counted in varints. */
static void bar_doubles(struct ind_bar *b, double *to[FIXED])
{
	double *const f[FIXED] = { &b->o, &b->h, &b->l, &b->c, &b->v, &b->qv, &b->buy_v, &b->sell_v };

	memcpy(to, f, sizeof f);
}

size_t ind_series_save_size(const struct ind_set *set)
{
	return HEAD + ind_save_size(set) + IND_REWIND * (3 * VARINT + FIXED * sizeof(double)) + SUM;
}

size_t ind_series_save(const struct ind_series *s, uint8_t *p, size_t cap)
{
	uint8_t *q = p + HEAD;
	size_t base;

	if (cap < ind_series_save_size(s->set))
		return 0;
	base = ind_save(s->set, s->ring, s->base, q, cap - HEAD);
	p[0] = VERSION;
	p[1] = (uint8_t)s->n;
	put_bytes(p + 2, base, 4);
	q += base;
	for (uint32_t i = 0; i < s->n; i++) {
		struct ind_candle c = s->window[i];
		double *f[FIXED];

		q = put_varint(q, (uint64_t)c.bar.open_ms);
		q = put_varint(q, c.revision);
		q = put_varint(q, (uint64_t)c.bar.n);
		bar_doubles(&c.bar, f);
		for (int k = 0; k < FIXED; k++) {
			uint64_t bits;

			memcpy(&bits, f[k], sizeof bits);
			q = put_bytes(q, bits, 8);
		}
	}
	q = put_bytes(q, XXH64(p, (size_t)(q - p), 0), SUM);
	return (size_t)(q - p);
}

static bool candle_get(const uint8_t **q, const uint8_t *end, struct ind_candle *c)
{
	uint64_t open, revision, n, bits;
	double *f[FIXED];

	if (!get_varint(q, end, &open) || !get_varint(q, end, &revision) || !get_varint(q, end, &n) ||
	    (size_t)(end - *q) < FIXED * sizeof(double) || revision > UINT32_MAX)
		return false;
	*c = (struct ind_candle){ .bar = { .open_ms = (int64_t)open, .n = (double)n }, .revision = (uint32_t)revision };
	bar_doubles(&c->bar, f);
	for (int k = 0; k < FIXED; k++, *q += 8) {
		bits = get_bytes(*q, 8);
		memcpy(f[k], &bits, sizeof bits);
	}
	return true;
}

/* The tip again, from the base and the window. */
static bool tip_make(struct ind_series *s)
{
	double *val = malloc((ind_set_values(s->set) + 1) * sizeof *val);
	uint64_t *valid = malloc((ind_set_bitmap(s->set) + 1) * sizeof *valid);
	bool ok = val != NULL && valid != NULL;

	memcpy(s->tip, s->base, ind_set_core_size(s->set));
	for (uint32_t i = 0; ok && i < s->n; i++)
		ind_step(s->set, s->ring, s->tip, &s->window[i].bar, val, valid);
	free(val);
	free(valid);
	return ok;
}

bool ind_series_load(struct ind_series *s, const uint8_t *p, size_t len, bool *restarted)
{
	const uint8_t *q = p + HEAD, *end;
	uint64_t base;

	if (len < HEAD + SUM || p[0] != VERSION || p[1] > IND_REWIND)
		return false;
	end = p + len - SUM;
	base = get_bytes(p + 2, 4);
	if (get_bytes(end, SUM) != XXH64(p, len - SUM, 0) || base > (size_t)(end - q))
		return false;
	*restarted = ind_load(s->set, s->ring, s->base, q, base) != NULL;
	q += base;
	for (s->n = 0; s->n < p[1]; s->n++)
		if (!candle_get(&q, end, &s->window[s->n]))
			return false;
	return q == end && tip_make(s);
}
