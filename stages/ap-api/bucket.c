/*
 * bucket.c - a set-associative table of token buckets.
 */
#include "bucket.h"

#include <stdlib.h>
#include <xxhash.h>

enum { SLOTS = 4096, WAYS = 4 };

struct api_bucket {
	uint64_t who;           /* hash of the address; 0: free */
	int64_t at_ns;
	double tokens;
};

bool api_buckets_init(struct api_buckets *b, double rate, double burst)
{
	*b = (struct api_buckets){ .n = SLOTS, .rate_per_ns = rate / 1e9, .burst = burst < 1 ? 1 : burst };
	b->slot = calloc(SLOTS, sizeof *b->slot);
	return b->slot != NULL;
}

void api_buckets_done(struct api_buckets *b)
{
	free(b->slot);
	b->slot = NULL;
}

bool api_buckets_take(struct api_buckets *b, const void *addr, size_t len, int64_t mono_ns, double cost)
{
	uint64_t who = XXH64(addr, len, 0x61706c73) | 1;
	struct api_bucket *row = &b->slot[(who >> 8) & (SLOTS - 1) & ~(uint64_t)(WAYS - 1)], *k = &row[0];
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].who == who) {
			k = &row[i];
			break;
		}
		if (row[i].at_ns < k->at_ns)
			k = &row[i];
	}
	if (k->who != who)
		*k = (struct api_bucket){ .who = who, .at_ns = mono_ns, .tokens = b->burst };
	if (mono_ns > k->at_ns) {
		k->tokens += (double)(mono_ns - k->at_ns) * b->rate_per_ns;
		if (k->tokens > b->burst)
			k->tokens = b->burst;
		k->at_ns = mono_ns;
	}
	if (k->tokens < cost)
		return false;
	k->tokens -= cost;
	return true;
}

unsigned api_buckets_retry_s(const struct api_buckets *b)
{
	double s = 1 / (b->rate_per_ns * 1e9);
	return s <= 1 ? 1 : (unsigned)s + 1;
}
