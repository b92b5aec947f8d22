/*
 * entry.h - options that are lists of groups, one entry at a time, with errors that name the entry and its line.
 */
#ifndef AP_CANDLE_ENTRY_H
#define AP_CANDLE_ENTRY_H

#include "common/core/json.h"

struct candle_entry {
	struct ap_json j;
	const char *option;             /* "candle.bars" */
	uint32_t entry;                 /* its token */
	uint32_t nth;                   /* from 1 */
	char *err;
	size_t errlen;
};

/* Calls one() for each group of the list, until it returns false. An empty text is an empty list. */
bool candle_entries(const char *option, ap_str json, bool (*one)(const struct candle_entry *in, void *ctx), void *ctx, char *err, size_t errlen);
/* Writes "OPTION, line L: what which", or "OPTION, entry N: ..." where there is no line; returns false. */
bool candle_entry_bad(const struct candle_entry *in, const char *what, const char *which);
/* Refuses keys that are not in the list, which ends with NULL, and says which there are. */
bool candle_entry_keys(const struct candle_entry *in, const char *const *known);
/* The text of a key; len 0: it is not there. */
ap_str candle_entry_text(const struct candle_entry *in, const char *key);
/* A list of texts such as example, each NUL-terminated, an empty one at the end; untouched when the key is not there. Free it. */
bool candle_entry_texts(const struct candle_entry *in, const char *key, const char *example, char **out);
/* Whether the text fits one of such a list (`*` and `?`); NULL: anything does. */
bool candle_any_of(const char *patterns, ap_str text);

#endif
