/*
 * part.c - which partition a series lives in.
 *
 * The hash is part of the wire contract: changing one bit of it moves series between
 * partitions of data that exists. Its test vectors are frozen.
 */
#include "part.h"

#include <assert.h>

#define XXH_STATIC_LINKING_ONLY         /* for a hash state on the stack */
#include <xxhash.h>

unsigned ap_part(ap_str source, ap_str symbol, unsigned parts)
{
	char key[256];
	size_t n = source.len + 1 + symbol.len;
	XXH64_hash_t h;
	XXH64_state_t st;

	assert(parts >= 1);
	if (n <= sizeof key) {
		if (source.len > 0)
			memcpy(key, source.p, source.len);
		key[source.len] = '\0';
		if (symbol.len > 0)
			memcpy(key + source.len + 1, symbol.p, symbol.len);
		h = XXH64(key, n, 0);
	} else {
		XXH64_reset(&st, 0);
		XXH64_update(&st, source.p, source.len);
		XXH64_update(&st, "", 1);
		XXH64_update(&st, symbol.p, symbol.len);
		h = XXH64_digest(&st);
	}
	return (unsigned)(h % parts);
}
