/*
 * ind_image.c - a series' state as bytes that any machine, and any later build, can read back or refuse.
 *
 *   0  "APN2"          4  words in all u32      8  fingerprint of the set u64
 *  16  the core's words, little-endian, the count of candles first
 *  ..  of each ring the values that can still be asked for, oldest first, packed (pack.h)
 *  ..  XXH64 of all before
 *
 * A ring of capacity 256 that is asked for 200 candles back is saved as 200 values: capacity is no part of the image.
 */
#include <string.h>
#include <xxhash.h>
#include "stages/ap-indicators/ind_set.h"
#include "stages/ap-indicators/pack.h"

enum { HEAD_BYTES = 16, SUM_BYTES = 8 };

static void put_word(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_word(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* How far back a ring is read; it keeps this much, the value itself, and IND_REWIND more. */
static uint32_t ring_back(const struct ind_ring *r)
{
	return r->need - 1 - IND_REWIND;
}

static size_t image_words(const struct ind_set *set)
{
	size_t n = set->core_words;

	for (uint32_t i = 0; i < set->n_rings; i++)
		n += ring_back(&set->rings[i]);
	return n;
}

size_t ind_save_size(const struct ind_set *set)
{
	return HEAD_BYTES + 8 * set->core_words + PACK_MAX * (image_words(set) - set->core_words) + SUM_BYTES;
}

/* The word of a ring that holds candle t - back. Before the first candle that is a slot not written yet: zero. */
static size_t ring_word(const struct ind_ring *r, uint64_t t, uint32_t back)
{
	return past_word(&r->past, t - back);
}

size_t ind_save(const struct ind_set *set, const void *ring, const void *core, uint8_t *p, size_t cap)
{
	const union ind_word *w = core, *hist = ring;
	uint8_t *q = p + HEAD_BYTES;

	if (cap < ind_save_size(set))
		return 0;
	memcpy(p, "APN2", 4);   /* NOLINT(bugprone-not-null-terminated-result): four bytes, not a text */
	for (int i = 0; i < 4; i++)
		p[4 + i] = (uint8_t)(image_words(set) >> (8 * i));
	put_word(p + 8, set->print);
	for (size_t i = 0; i < set->core_words; i++, q += 8)
		put_word(q, w[i].u);
	for (uint32_t i = 0; i < set->n_rings; i++)
		for (uint32_t back = ring_back(&set->rings[i]); back > 0; back--)
			q = pack_double(q, back <= w[0].u ? hist[ring_word(&set->rings[i], w[0].u, back)].d : 0);
	put_word(q, XXH64(p, (size_t)(q - p), 0));
	return (size_t)(q - p) + SUM_BYTES;
}

static const char *image_fault(const struct ind_set *set, const uint8_t *p, size_t len)
{
	if (len < HEAD_BYTES + SUM_BYTES || memcmp(p, "APN", 3) != 0)
		return "not an image of indicators";
	if (p[3] != '2')
		return "of another version";
	if (get_word(p + len - SUM_BYTES) != XXH64(p, len - SUM_BYTES, 0))
		return "damaged";
	if (get_word(p + 8) != set->print)
		return "of another set of indicators";
	return len >= HEAD_BYTES + 8 * set->core_words + SUM_BYTES ? NULL : "of another length";
}

static bool bounds_hold(const struct ind_set *set, const union ind_word *w)
{
	for (size_t i = 0; i < set->n_bounds; i++)
		if (w[set->bounds[i].word].u >= set->bounds[i].below)
			return false;
	return true;
}

const char *ind_load(const struct ind_set *set, void *ring, void *core, const uint8_t *p, size_t len)
{
	union ind_word *w = core, *hist = ring;
	const uint8_t *q = p + HEAD_BYTES, *end;
	const char *why = image_fault(set, p, len);
	bool whole = true;

	memset(ring, 0, ind_set_ring_size(set));
	memset(core, 0, ind_set_core_size(set));
	if (why != NULL)
		return why;
	end = p + len - SUM_BYTES;
	for (size_t i = 0; i < set->core_words; i++, q += 8)
		w[i].u = get_word(q);
	for (uint32_t i = 0; i < set->n_rings; i++)
		for (uint32_t back = ring_back(&set->rings[i]); back > 0 && whole; back--) {
			double v;

			whole = unpack_double(&q, end, &v);
			if (whole && back <= w[0].u)
				hist[ring_word(&set->rings[i], w[0].u, back)].d = v;
		}
	if (whole && q == end && bounds_hold(set, w))
		return NULL;
	memset(ring, 0, ind_set_ring_size(set));
	memset(core, 0, ind_set_core_size(set));
	return whole && q == end ? "damaged" : "of another length";
}
