/*
 * origin.c - names for raw records. Frozen by test vectors, as what journals and the store hold is made of them.
 */
#include "origin.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

uint32_t ap_origin_tag(ap_str producer)
{
	return (uint32_t)(XXH3_64bits(producer.len > 0 ? producer.p : "", producer.len) & 0xffffff);
}

void ap_origin_field(uint32_t tag, char out[AP_ORIGIN_FIELD])
{
	(void)snprintf(out, AP_ORIGIN_FIELD, "producer:%06" PRIx32, tag & 0xffffff);
}

uint64_t ap_origin_make(uint32_t tag, uint64_t seq)
{
	assert(tag < UINT32_C(1) << 24 && seq <= AP_ORIGIN_SEQ_MAX);
	return (uint64_t)tag << 40 | seq;
}
