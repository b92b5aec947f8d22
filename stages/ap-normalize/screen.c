/*
 * screen.c - price levels by series in one hash table that only grows.
 */
#include "screen.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/core/symbol.h"

enum {
	STATE_V = 1,
	VALUE_BYTES = 1 + 4 + 4 + 16 + 16 + 8,  /* version, count, run, level, candidate, XXH3 of name and value */
	NAME_MAX_BYTES = 2 + AP_SOURCE_MAX + 1 + AP_SYMBOL_MAX,
};

struct series {
	char name[NAME_MAX_BYTES];      /* of its field */
	uint8_t name_len;
	bool dirty;
	uint32_t count;         /* prices accepted, up to `after` */
	uint32_t run;           /* outliers in a row that agree with the candidate */
	ap_dec level;           /* 0: no price yet */
	ap_dec candidate;       /* first of the run; 0 while run == 0 */
};

struct screen {
	uint64_t ratio_pct, after, agree;
	ap_i128 top;            /* greatest price that times ratio_pct fits 128 bits */
	struct series *series;
	uint32_t n, cap;
	uint32_t *slot;         /* index + 1 of a series; at most half full */
	uint32_t slots;         /* a power of two */
	uint32_t *dirty;        /* series to be saved; room for cap */
	uint32_t dirties;
};

struct screen *screen_new(uint64_t ratio_pct, uint64_t after, uint64_t agree)
{
	struct screen *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->ratio_pct = ratio_pct;
	s->after = after;
	s->agree = agree;
	s->top = ratio_pct == 0 ? 0 : (ap_i128)(((ap_u128)1 << 127) - 1) / (ap_i128)ratio_pct;
	s->slots = 256;
	s->slot = calloc(s->slots, sizeof *s->slot);
	if (s->slot == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void screen_free(struct screen *s)
{
	if (s == NULL)
		return;
	free(s->series);
	free(s->slot);
	free(s->dirty);
	free(s);
}

/* ---- the table ----------------------------------------------------------- */

static bool slots_double(struct screen *s)
{
	uint32_t more = s->slots * 2, *slot = calloc(more, sizeof *slot);
	if (slot == NULL)
		return false;
	for (uint32_t k = 0; k < s->n; k++) {
		uint32_t i = (uint32_t)XXH3_64bits(s->series[k].name, s->series[k].name_len) & (more - 1);
		while (slot[i] != 0)
			i = (i + 1) & (more - 1);
		slot[i] = k + 1;
	}
	free(s->slot);
	s->slot = slot;
	s->slots = more;
	return true;
}

static bool room_for_one(struct screen *s)
{
	uint32_t cap = s->cap == 0 ? 64 : s->cap * 2, *dirty;
	struct series *series;
	if (s->n == SCREEN_SERIES)
		return false;
	if (s->n + 1 > s->slots / 2 && !slots_double(s))
		return false;
	if (s->n < s->cap)
		return true;
	series = realloc(s->series, cap * sizeof *series);
	if (series == NULL)
		return false;
	s->series = series;
	dirty = realloc(s->dirty, cap * sizeof *dirty);
	if (dirty == NULL)
		return false;
	s->dirty = dirty;
	s->cap = cap;
	return true;
}

/* The series of this field name; NULL: one more than are watched. */
static struct series *series_of(struct screen *s, ap_str name)
{
	uint32_t hash = (uint32_t)XXH3_64bits(name.p, name.len), i;
	for (i = hash & (s->slots - 1); s->slot[i] != 0; i = (i + 1) & (s->slots - 1)) {
		struct series *r = &s->series[s->slot[i] - 1];
		if (ap_str_eq(ap_str_n(r->name, r->name_len), name))
			return r;
	}
	if (!room_for_one(s))
		return NULL;
	for (i = hash & (s->slots - 1); s->slot[i] != 0;)
		i = (i + 1) & (s->slots - 1);
	s->slot[i] = s->n + 1;
	s->series[s->n] = (struct series){ .name_len = (uint8_t)name.len };
	memcpy(s->series[s->n].name, name.p, name.len);
	return &s->series[s->n++];
}

static size_t field_name(ap_str source, ap_str symbol, char out[NAME_MAX_BYTES])
{
	size_t n = 2;
	assert(source.len <= AP_SOURCE_MAX && symbol.len <= AP_SYMBOL_MAX);
	out[0] = 'o';
	out[1] = '/';
	memcpy(out + n, source.p, source.len);
	n += source.len;
	out[n++] = '/';
	memcpy(out + n, symbol.p, symbol.len);
	return n + symbol.len;
}

/* ---- judging ------------------------------------------------------------- */

static void touch(struct screen *s, struct series *r)
{
	if (r->dirty)
		return;
	r->dirty = true;
	s->dirty[s->dirties++] = (uint32_t)(r - s->series);
}

/* Within an eighth of the level. */
static bool near(ap_dec price, ap_dec level)
{
	ap_i128 apart = price.e18 < level.e18 ? level.e18 - price.e18 : price.e18 - level.e18;
	return apart <= level.e18 >> 3;
}

/* a x 100 > b x ratio, where a < 1e36 and so a x 100 fits. */
static bool beyond(const struct screen *s, ap_dec a, ap_dec b)
{
	return b.e18 <= s->top && a.e18 * 100 > b.e18 * (ap_i128)s->ratio_pct;
}

static void accept(struct screen *s, struct series *r, ap_dec price)
{
	if (r->count < s->after) {
		r->count++;
		touch(s, r);
	}
	if (!near(price, r->level)) {
		r->level = price;
		touch(s, r);
	}
	if (r->run != 0) {
		r->run = 0;
		r->candidate = (ap_dec){ 0 };
		touch(s, r);
	}
}

/* One more print outside the band. True: enough of them agree, it is the new level. */
static bool confirm(struct screen *s, struct series *r, ap_dec price)
{
	if (r->run > 0 && near(price, r->candidate)) {
		r->run++;
	} else {
		r->run = 1;
		r->candidate = price;
	}
	touch(s, r);
	return r->run >= s->agree;
}

bool screen_take(struct screen *s, ap_str source, ap_str symbol, ap_dec price, ap_dec *level)
{
	char name[NAME_MAX_BYTES];
	struct series *r;
	if (s->ratio_pct == 0)
		return true;
	r = series_of(s, ap_str_n(name, field_name(source, symbol, name)));
	if (r == NULL)
		return true;
	*level = r->level;
	if (r->count >= s->after && r->level.e18 != 0 && (beyond(s, price, r->level) || beyond(s, r->level, price)) &&
	    !confirm(s, r, price))
		return false;
	accept(s, r, price);
	return true;
}

/* ---- state --------------------------------------------------------------- */

static void put_le(uint8_t *p, ap_u128 v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static ap_u128 get_le(const uint8_t *p, int bytes)
{
	ap_u128 v = 0;
	for (int i = bytes - 1; i >= 0; i--)
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
	put_le(v + 1, r->count, 4);
	put_le(v + 5, r->run, 4);
	put_le(v + 9, (ap_u128)r->level.e18, 16);
	put_le(v + 25, (ap_u128)r->candidate.e18, 16);
	put_le(v + 41, checksum(r->name, r->name_len, v), 8);
	to->put(to, ap_str_n(r->name, r->name_len), ap_str_n((const char *)v, sizeof v));
}

void screen_save(struct screen *s, struct ap_saver *to, bool all)
{
	if (all) {
		for (uint32_t i = 0; i < s->n; i++)
			series_save(&s->series[i], to);
		return;
	}
	for (uint32_t i = 0; i < s->dirties; i++) {
		struct series *r = &s->series[s->dirty[i]];
		series_save(r, to);
		r->dirty = false;
	}
	s->dirties = 0;
}

bool screen_load(struct screen *s, ap_str field, ap_str value)
{
	const uint8_t *v = (const uint8_t *)value.p;
	struct series *r;
	if (field.len < 5 || field.len > NAME_MAX_BYTES || memcmp(field.p, "o/", 2) != 0 || value.len != VALUE_BYTES ||
	    v[0] != STATE_V || get_le(v + 41, 8) != checksum(field.p, field.len, v))
		return false;
	r = series_of(s, field);
	if (r == NULL)
		return false;
	r->count = (uint32_t)get_le(v + 1, 4);
	r->run = (uint32_t)get_le(v + 5, 4);
	r->level = (ap_dec){ (ap_i128)get_le(v + 9, 16) };
	r->candidate = (ap_dec){ (ap_i128)get_le(v + 25, 16) };
	return r->level.e18 >= 0 && r->candidate.e18 >= 0;
}
