/*
 * names.h - the names of indicator values as clients see them: "SMA(20)", "MACD_SIGNAL(12,26,9)".
 *
 * Pure. Each distinct name is kept once and known by a small number. Parameters arrive as "period=20" from the
 * streams and as JSON ({"period": 20}) from PostgreSQL, which reorders keys: both give the same name.
 */
#ifndef AP_API_NAMES_H
#define AP_API_NAMES_H

#include "../../common/core/base.h"

enum {
	API_NAME_MAX = 96,      /* bytes of one such name, with its NUL */
	API_NAMES_MAX = 4096,   /* distinct names known */
};

struct api_names {
	char (*name)[API_NAME_MAX];
	uint16_t n;
	uint16_t cap;
};

void api_names_init(struct api_names *t);
void api_names_done(struct api_names *t);
/* Composes the public name. params: "k=v,k=v" or a flat JSON object or empty. Returns the length; cut at API_NAME_MAX - 1. */
size_t api_name_of(ap_str name, ap_str params, char out[API_NAME_MAX]);
/* The number of a name, learning it if need be; -1 when the table is full. */
int api_names_key(struct api_names *t, ap_str name, ap_str params);
const char *api_names_at(const struct api_names *t, unsigned key);

#endif
