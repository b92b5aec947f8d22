/*
 * hist.c - log-linear histogram.
 *
 * Bucket of v: values below 32 have one each; above, the five bits after the leading one
 * choose among 32 sub-buckets of the power of two, so a bucket is at most 1/32 of its values wide.
 */
#include "hist.h"

static unsigned hist_bucket(uint64_t v)
{
	unsigned top;

	if (v < AP_HIST_SUB)
		return (unsigned)v;
	top = 63u - (unsigned)__builtin_clzll(v);       /* >= 5 */
	return (top - 4) * AP_HIST_SUB + (unsigned)((v >> (top - 5)) & (AP_HIST_SUB - 1));
}
_Static_assert((63 - 4) * AP_HIST_SUB + AP_HIST_SUB - 1 < AP_HIST_BUCKETS, "the largest value has a bucket");

/* The largest value of a bucket. */
static uint64_t hist_upper(unsigned i)
{
	unsigned shift;

	if (i < AP_HIST_SUB)
		return i;
	shift = i / AP_HIST_SUB - 1;
	return (((uint64_t)AP_HIST_SUB + i % AP_HIST_SUB) << shift) + (((uint64_t)1 << shift) - 1);
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint32_t add_sat32(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void ap_hist_init(struct ap_hist *h)
{
	*h = (struct ap_hist){ 0 };
}

void ap_hist_add(struct ap_hist *h, uint64_t v)
{
	uint32_t *c = &h->count[hist_bucket(v)];

	*c = add_sat32(*c, 1);
	if (h->n == 0 || v < h->min)
		h->min = v;
	if (h->n == 0 || v > h->max)
		h->max = v;
	h->n++;
	h->sum = add_sat(h->sum, v);
}

void ap_hist_merge(struct ap_hist *h, const struct ap_hist *other)
{
	if (other->n == 0)
		return;
	if (h->n == 0 || other->min < h->min)
		h->min = other->min;
	if (h->n == 0 || other->max > h->max)
		h->max = other->max;
	h->n += other->n;
	h->sum = add_sat(h->sum, other->sum);
	for (unsigned i = 0; i < AP_HIST_BUCKETS; i++)
		h->count[i] = add_sat32(h->count[i], other->count[i]);
}

uint64_t ap_hist_quantile(const struct ap_hist *h, double q)
{
	uint64_t rank, seen = 0, up;

	if (h->n == 0)
		return 0;
	if (!(q > 0))
		return h->min;
	if (q >= 1)
		return h->max;
	rank = (uint64_t)(q * (double)h->n);    /* this many values lie below the answer */
	for (unsigned i = 0; i < AP_HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen > rank) {
			up = hist_upper(i);
			return up < h->min ? h->min : up > h->max ? h->max : up;
		}
	}
	return h->max;
}
