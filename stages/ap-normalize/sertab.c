/*
 * sertab.c - a hash table by series name that only grows.
 *
 * A series is a number, given in the order of appearance. Its row is its item and, behind that, its name; slots of the hash table
 * hold numbers. Knows nothing of what an item means.
 */
#include "sertab.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/core/le.h"
#include "common/core/symbol.h"

enum {
	SLOTS_FIRST = 64, CAP_FIRST = 16,
	NAME_MAX_BYTES = 2 + AP_SOURCE_MAX + 1 + AP_SYMBOL_MAX,
	NAME_MIN_BYTES = 5,     /* "L/a/b" */
	SUM_BYTES = 8,
	ROW_ALIGN = 16,
};

struct name {
	char text[NAME_MAX_BYTES];      /* of the series' field */
	uint8_t len;
	bool dirty;
};

struct sertab {
	const struct sertab_kind *kind;
	uint8_t *row;
	size_t row_bytes;
	uint32_t n, cap;        /* rows there are; room for rows */
	uint32_t *slot;         /* number + 1 of a series; at most half full */
	uint32_t slots;         /* a power of two */
	uint32_t *dirty;        /* numbers to be saved; room for cap */
	uint32_t dirties;
};

struct sertab *sertab_new(const struct sertab_kind *kind)
{
	struct sertab *t = calloc(1, sizeof *t);
	assert(kind->value_bytes <= SERTAB_VALUE_MAX);
	if (t == NULL)
		return NULL;
	t->kind = kind;
	t->row_bytes = (kind->item_bytes + sizeof(struct name) + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
	t->slots = SLOTS_FIRST;
	t->slot = calloc(t->slots, sizeof *t->slot);
	if (t->slot == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void sertab_free(struct sertab *t)
{
	if (t == NULL)
		return;
	free(t->row);
	free(t->slot);
	free(t->dirty);
	free(t);
}

/* ---- the table ----------------------------------------------------------- */

static void *item_of(const struct sertab *t, uint32_t no)
{
	return t->row + no * t->row_bytes;
}

static struct name *name_of(const struct sertab *t, uint32_t no)
{
	return (struct name *)(t->row + no * t->row_bytes + t->kind->item_bytes);
}

static ap_str text_of(const struct sertab *t, uint32_t no)
{
	const struct name *name = name_of(t, no);
	return ap_str_n(name->text, name->len);
}

/* The slot of a name, or the free one where it would stand. */
static uint32_t slot_of(const struct sertab *t, const uint32_t *slot, uint32_t slots, ap_str name)
{
	uint32_t i = (uint32_t)XXH3_64bits(name.p, name.len) & (slots - 1);
	while (slot[i] != 0 && !ap_str_eq(text_of(t, slot[i] - 1), name))
		i = (i + 1) & (slots - 1);
	return i;
}

static bool slots_double(struct sertab *t)
{
	uint32_t more = t->slots * 2, *slot = calloc(more, sizeof *slot);
	if (slot == NULL)
		return false;
	for (uint32_t no = 0; no < t->n; no++)
		slot[slot_of(t, slot, more, text_of(t, no))] = no + 1;
	free(t->slot);
	t->slot = slot;
	t->slots = more;
	return true;
}

static bool room_for_one(struct sertab *t)
{
	uint32_t cap = t->cap == 0 ? CAP_FIRST : t->cap * 2, *dirty;
	uint8_t *row;
	if (t->n == t->kind->most || (t->n + 1 > t->slots / 2 && !slots_double(t)))
		return false;
	if (t->n < t->cap)
		return true;
	row = realloc(t->row, cap * t->row_bytes);
	if (row == NULL)
		return false;
	t->row = row;
	dirty = realloc(t->dirty, cap * sizeof *dirty);
	if (dirty == NULL)
		return false;
	t->dirty = dirty;
	t->cap = cap;
	return true;
}

static void *item_named(struct sertab *t, ap_str name)
{
	uint32_t at = slot_of(t, t->slot, t->slots, name), no = t->n;
	if (t->slot[at] != 0)
		return item_of(t, t->slot[at] - 1);
	if (!room_for_one(t))
		return NULL;
	t->slot[slot_of(t, t->slot, t->slots, name)] = no + 1;
	memset(item_of(t, no), 0, t->row_bytes);
	name_of(t, no)->len = (uint8_t)name.len;
	memcpy(name_of(t, no)->text, name.p, name.len);
	t->n++;
	return item_of(t, no);
}

void *sertab_item(struct sertab *t, ap_str source, ap_str symbol)
{
	char name[NAME_MAX_BYTES] = { t->kind->letter, '/' };
	size_t n = 2;
	assert(source.len <= AP_SOURCE_MAX && symbol.len <= AP_SYMBOL_MAX);
	memcpy(name + n, source.p, source.len);
	n += source.len;
	name[n++] = '/';
	memcpy(name + n, symbol.p, symbol.len);
	return item_named(t, ap_str_n(name, n + symbol.len));
}

void sertab_touch(struct sertab *t, const void *item)
{
	uint32_t no = (uint32_t)((size_t)((const uint8_t *)item - t->row) / t->row_bytes);
	struct name *name = name_of(t, no);
	if (name->dirty)
		return;
	name->dirty = true;
	t->dirty[t->dirties++] = no;
}

/* ---- state --------------------------------------------------------------- */

static uint64_t checksum(ap_str name, const uint8_t *value, size_t n)
{
	return XXH3_64bits_withSeed(value, n, XXH3_64bits(name.p, name.len));
}

static void save_one(const struct sertab *t, uint32_t no, struct ap_saver *to)
{
	uint8_t v[1 + SERTAB_VALUE_MAX + SUM_BYTES] = { t->kind->version };
	size_t n = 1 + t->kind->value_bytes;
	t->kind->pack(item_of(t, no), v + 1);
	ap_le_put(v + n, checksum(text_of(t, no), v, n), SUM_BYTES);
	to->put(to, text_of(t, no), ap_str_n((const char *)v, n + SUM_BYTES));
}

void sertab_save(struct sertab *t, struct ap_saver *to, bool all)
{
	if (all) {
		for (uint32_t no = 0; no < t->n; no++)
			save_one(t, no, to);
		return;
	}
	for (uint32_t i = 0; i < t->dirties; i++) {
		save_one(t, t->dirty[i], to);
		name_of(t, t->dirty[i])->dirty = false;
	}
	t->dirties = 0;
}

bool sertab_load(struct sertab *t, ap_str field, ap_str value)
{
	const uint8_t *v = (const uint8_t *)value.p;
	size_t n = 1 + t->kind->value_bytes;
	void *item;
	if (field.len < NAME_MIN_BYTES || field.len > NAME_MAX_BYTES || field.p[0] != t->kind->letter || field.p[1] != '/')
		return false;
	if (value.len != n + SUM_BYTES || v[0] != t->kind->version || ap_le_get(v + n, SUM_BYTES) != checksum(field, v, n))
		return false;
	item = item_named(t, field);
	return item != NULL && t->kind->unpack(item, v + 1);
}
