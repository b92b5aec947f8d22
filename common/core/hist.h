/*
 * hist.h - log-linear histogram: 32 sub-buckets a power of two, relative error <= 1/32, ~8 KB, no allocation.
 */
#ifndef AP_HIST_H
#define AP_HIST_H

#include "base.h"

enum { AP_HIST_SUB = 32, AP_HIST_BUCKETS = 60 * AP_HIST_SUB };

struct ap_hist {
	uint64_t n;             /* values counted */
	uint64_t sum;           /* of the values, saturating */
	uint64_t min, max;      /* exact; meaningless while n == 0 */
	uint32_t count[AP_HIST_BUCKETS];
};

void ap_hist_init(struct ap_hist *h);
void ap_hist_add(struct ap_hist *h, uint64_t v);
/* Adds what other counted. */
void ap_hist_merge(struct ap_hist *h, const struct ap_hist *other);
/* The value below which a share q (0..1) of the values lies, to 1/32; 0 while empty. */
uint64_t ap_hist_quantile(const struct ap_hist *h, double q);

#endif
