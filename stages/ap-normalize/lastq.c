/*
 * lastq.c - a hash of the last quote by series, in one table that only grows.
 */
#include "lastq.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/core/symbol.h"

enum {
	STATE_V = 1,
	VALUE_BYTES = 1 + 16 + 8,       /* version, hash of the quote, XXH3 of name and value */
	NAME_MAX_BYTES = 2 + AP_SOURCE_MAX + 1 + AP_SYMBOL_MAX,
};

struct series {
	char name[NAME_MAX_BYTES];      /* of its field */
	uint8_t name_len;
	bool dirty;
	uint64_t lo, hi;
};

struct lastq {
	struct series *series;
	uint32_t n, cap;
	uint32_t *slot;         /* index + 1 of a series; at most half full */
	uint32_t slots;         /* a power of two */
	uint32_t *dirty;        /* series to be saved; room for cap */
	uint32_t dirties;
};

struct lastq *lastq_new(void)
{
	struct lastq *l = calloc(1, sizeof *l);
	if (l == NULL)
		return NULL;
	l->slots = 64;
	l->slot = calloc(l->slots, sizeof *l->slot);
	if (l->slot == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

void lastq_free(struct lastq *l)
{
	if (l == NULL)
		return;
	free(l->series);
	free(l->slot);
	free(l->dirty);
	free(l);
}

/* ---- the table ----------------------------------------------------------- */

/* The place of a name, or the free one where it would stand. */
static uint32_t place_of(const struct series *series, const uint32_t *slot, uint32_t slots, ap_str name)
{
	uint32_t i = (uint32_t)XXH3_64bits(name.p, name.len) & (slots - 1);
	while (slot[i] != 0 && !ap_str_eq(ap_str_n(series[slot[i] - 1].name, series[slot[i] - 1].name_len), name))
		i = (i + 1) & (slots - 1);
	return i;
}

static bool slots_double(struct lastq *l)
{
	uint32_t more = l->slots * 2, *slot = calloc(more, sizeof *slot);
	if (slot == NULL)
		return false;
	for (uint32_t k = 0; k < l->n; k++)
		slot[place_of(l->series, slot, more, ap_str_n(l->series[k].name, l->series[k].name_len))] = k + 1;
	free(l->slot);
	l->slot = slot;
	l->slots = more;
	return true;
}

static bool room_for_one(struct lastq *l)
{
	uint32_t cap = l->cap == 0 ? 16 : l->cap * 2, *dirty;
	struct series *series;
	if (l->n == LASTQ_SERIES || (l->n + 1 > l->slots / 2 && !slots_double(l)))
		return false;
	if (l->n < l->cap)
		return true;
	series = realloc(l->series, cap * sizeof *series);
	if (series == NULL)
		return false;
	l->series = series;
	dirty = realloc(l->dirty, cap * sizeof *dirty);
	if (dirty == NULL)
		return false;
	l->dirty = dirty;
	l->cap = cap;
	return true;
}

/* The series of this field name; NULL: one more than are remembered. A new one has quoted nothing. */
static struct series *series_of(struct lastq *l, ap_str name)
{
	uint32_t at = place_of(l->series, l->slot, l->slots, name);
	if (l->slot[at] != 0)
		return &l->series[l->slot[at] - 1];
	if (!room_for_one(l))
		return NULL;
	l->slot[place_of(l->series, l->slot, l->slots, name)] = l->n + 1;
	l->series[l->n] = (struct series){ .name_len = (uint8_t)name.len };
	memcpy(l->series[l->n].name, name.p, name.len);
	return &l->series[l->n++];
}

static size_t field_name(ap_str source, ap_str symbol, char out[NAME_MAX_BYTES])
{
	size_t n = 2;
	assert(source.len <= AP_SOURCE_MAX && symbol.len <= AP_SYMBOL_MAX);
	memcpy(out, "q/", n);
	memcpy(out + n, source.p, source.len);
	n += source.len;
	out[n++] = '/';
	memcpy(out + n, symbol.p, symbol.len);
	return n + symbol.len;
}

/* ---- asking -------------------------------------------------------------- */

static XXH128_hash_t quote_hash(const struct ap_quote *q)
{
	struct {
		ap_dec d[4];
		int64_t ns;
		uint64_t seq;
	} all = { { q->bid, q->bid_qty, q->ask, q->ask_qty }, q->ts.ns, q->seq };
	return XXH3_128bits(&all, sizeof all);
}

bool lastq_again(struct lastq *l, const struct ap_quote *q)
{
	char name[NAME_MAX_BYTES];
	struct series *r = series_of(l, ap_str_n(name, field_name(q->source, q->symbol, name)));
	XXH128_hash_t h = quote_hash(q);
	if (r == NULL)
		return false;
	if (r->lo == h.low64 && r->hi == h.high64)
		return true;
	r->lo = h.low64;
	r->hi = h.high64;
	if (!r->dirty) {
		r->dirty = true;
		l->dirty[l->dirties++] = (uint32_t)(r - l->series);
	}
	return false;
}

/* ---- state --------------------------------------------------------------- */

static void put_le64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint64_t checksum(const char *name, size_t n, const uint8_t *v)
{
	return XXH3_64bits_withSeed(v, VALUE_BYTES - 8, XXH3_64bits(name, n));
}

static void series_save(const struct series *r, struct ap_saver *to)
{
	uint8_t v[VALUE_BYTES] = { STATE_V };
	put_le64(v + 1, r->lo);
	put_le64(v + 9, r->hi);
	put_le64(v + 17, checksum(r->name, r->name_len, v));
	to->put(to, ap_str_n(r->name, r->name_len), ap_str_n((const char *)v, sizeof v));
}

void lastq_save(struct lastq *l, struct ap_saver *to, bool all)
{
	if (all) {
		for (uint32_t i = 0; i < l->n; i++)
			series_save(&l->series[i], to);
		return;
	}
	for (uint32_t i = 0; i < l->dirties; i++) {
		struct series *r = &l->series[l->dirty[i]];
		series_save(r, to);
		r->dirty = false;
	}
	l->dirties = 0;
}

bool lastq_load(struct lastq *l, ap_str field, ap_str value)
{
	const uint8_t *v = (const uint8_t *)value.p;
	struct series *r;
	if (field.len < 5 || field.len > NAME_MAX_BYTES || memcmp(field.p, "q/", 2) != 0 || value.len != VALUE_BYTES ||
	    v[0] != STATE_V || get_le64(v + 17) != checksum(field.p, field.len, v))
		return false;
	r = series_of(l, field);
	if (r == NULL)
		return false;
	r->lo = get_le64(v + 1);
	r->hi = get_le64(v + 9);
	return true;
}
