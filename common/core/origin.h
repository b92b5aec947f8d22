/*
 * origin.h - the number that names a raw record in the whole data set: who brought it, and its place in that journal.
 *
 *      63        40 39                  0
 *     | producer's | number in the      |
 *     | tag        | producer's journal |
 *
 * A producer's tag is made from its name, so that whoever reads a journal knows it without asking. Two names may have
 * one tag: `ap:dataset` has a field `producer:TAG` (six hex digits) that says whose it is, and the second name is refused.
 */
#ifndef AP_ORIGIN_H
#define AP_ORIGIN_H

#include "base.h"

#define AP_ORIGIN_SEQ_MAX UINT64_C(0xffffffffff)        /* highest number in a journal: 3,000 records a second for 11 years */
enum { AP_ORIGIN_FIELD = 16 };                          /* bytes of a field of ap:dataset, with NUL */

/* A producer's tag: the low 24 bits of XXH3 (64 bits, seed 0) of its name. */
uint32_t ap_origin_tag(ap_str producer);
/* The field of `ap:dataset` that holds the name of the tag's producer: "producer:00ab3f". */
void ap_origin_field(uint32_t tag, char out[AP_ORIGIN_FIELD]);

/* tag < 2^24, seq <= AP_ORIGIN_SEQ_MAX: asserted. */
uint64_t ap_origin_make(uint32_t tag, uint64_t seq);
static inline uint32_t ap_origin_tag_of(uint64_t origin)
{
	return (uint32_t)(origin >> 40);
}
static inline uint64_t ap_origin_seq_of(uint64_t origin)
{
	return origin & AP_ORIGIN_SEQ_MAX;
}

#endif
