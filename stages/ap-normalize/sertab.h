/*
 * sertab.h - a table of what is remembered of each series: found by name, never forgotten, saved when touched.
 *
 * What is remembered is an item, the caller's struct; the table knows its size and who makes bytes of it. State: a field
 * "L/SOURCE/SYMBOL" a series, L the kind's letter:
 *
 *   version, 1 | the item, value_bytes | XXH3 of field name and all before, 8
 *
 * The checksum covers the name too, so a value that stands under another's name is refused.
 */
#ifndef AP_NORMALIZE_SERTAB_H
#define AP_NORMALIZE_SERTAB_H

#include "common/core/stage.h"

enum { SERTAB_VALUE_MAX = 64 };         /* bytes of an item, saved */

struct sertab_kind {
	char letter;            /* its fields begin with */
	uint8_t version;
	uint32_t most;          /* series that are remembered; further ones have no item */
	size_t item_bytes;      /* sizeof the item */
	size_t value_bytes;     /* at most SERTAB_VALUE_MAX */
	void (*pack)(const void *item, uint8_t *value);
	/* False: no such item can have been saved. */
	bool (*unpack)(void *item, const uint8_t *value);
};

struct sertab;

/* kind must outlive it. NULL: no memory. Pair with sertab_free. */
struct sertab *sertab_new(const struct sertab_kind *kind);
void sertab_free(struct sertab *t);
/*
 * The series' item; all zero when it is new. Source and symbol must keep their limits (symbol.h). Good until the next call of this or
 * of sertab_load. NULL: no memory, or one series more than are remembered.
 */
void *sertab_item(struct sertab *t, ap_str source, ap_str symbol);
/* The item was changed: it is saved next time. */
void sertab_touch(struct sertab *t, const void *item);
/* Every item, or those touched since the last time. */
void sertab_save(struct sertab *t, struct ap_saver *to, bool all);
/* Takes a saved field back. False: it is not of this kind and version, damaged, or one more than are remembered. */
bool sertab_load(struct sertab *t, ap_str field, ap_str value);

#endif
