/*
 * bucket.h - token buckets, one an address: a rate and a burst for each caller.
 *
 * Pure: the time is a parameter. Bounded: addresses share a fixed table; the bucket that has been quiet longest in its
 * row is given to a newcomer, so a flood of addresses costs no memory.
 */
#ifndef AP_API_BUCKET_H
#define AP_API_BUCKET_H

#include "../../common/core/base.h"

struct api_buckets {
	struct api_bucket *slot;        /* owned */
	uint32_t n;                     /* a multiple of API_BUCKET_WAYS, a power of two */
	double rate_per_ns;
	double burst;
};

/* rate: tokens a second; burst: most tokens held. False: out of memory. */
bool api_buckets_init(struct api_buckets *b, double rate, double burst);
void api_buckets_done(struct api_buckets *b);
/* Takes `cost` tokens for the address at the (monotonic) time; false and nothing is taken when there are not enough. */
bool api_buckets_take(struct api_buckets *b, const void *addr, size_t len, int64_t mono_ns, double cost);
/* Whole seconds, at least 1, until one token is there for it: for Retry-After. */
unsigned api_buckets_retry_s(const struct api_buckets *b);

#endif
