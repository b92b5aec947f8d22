/*
 * share.c - partitions over workers. Knows names and numbers only: who is alive is told, not asked.
 */
#include "share.h"

#include <assert.h>

#include <xxhash.h>

enum { NOBODY = UINT16_MAX };

struct sharing {
	const ap_str *workers;
	size_t n;
	unsigned least;                 /* everybody's */
	unsigned more;                  /* workers that may still take one above it */
	unsigned has[AP_WORKERS_MAX];
	/* Of each partition not settled: the best worker that has room, and how good it is. */
	uint16_t best[AP_LANES_MAX];
	uint64_t weight[AP_LANES_MAX];
};

uint64_t ap_share_weight(ap_str worker, unsigned part)
{
	return XXH64(worker.p, worker.len, part);
}

static bool has_room(const struct sharing *s, size_t w)
{
	return s->has[w] < s->least || (s->has[w] == s->least && s->more > 0);
}

/* Two of one weight: the name decides, so that the order of the names does not. */
static bool name_before(ap_str a, ap_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return d != 0 ? d < 0 : a.len < b.len;
}

static void best_find(struct sharing *s, unsigned p)
{
	s->best[p] = NOBODY;
	for (size_t w = 0; w < s->n; w++) {
		if (!has_room(s, w))
			continue;
		uint64_t weight = ap_share_weight(s->workers[w], p);
		if (s->best[p] == NOBODY || weight > s->weight[p]
		    || (weight == s->weight[p] && name_before(s->workers[w], s->workers[s->best[p]]))) {
			s->best[p] = (uint16_t)w;
			s->weight[p] = weight;
		}
	}
	assert(s->best[p] != NOBODY);
}

void ap_share(const ap_str *workers, size_t n, unsigned parts, uint16_t *whose)
{
	struct sharing s = { .workers = workers, .n = n };

	assert(n >= 1 && n <= AP_WORKERS_MAX && parts <= AP_LANES_MAX);
	s.least = parts / (unsigned)n;
	s.more = parts % (unsigned)n;
	for (unsigned p = 0; p < parts; p++) {
		whose[p] = NOBODY;
		best_find(&s, p);
	}
	for (unsigned left = parts; left > 0; left--) {
		unsigned top = NOBODY;
		for (unsigned p = 0; p < parts; p++) {
			if (whose[p] != NOBODY)
				continue;
			if (!has_room(&s, s.best[p]))
				best_find(&s, p);
			if (top == NOBODY || s.weight[p] > s.weight[top])
				top = p;
		}
		assert(top != NOBODY);
		uint16_t w = s.best[top];
		s.more -= s.has[w] == s.least;
		s.has[w]++;
		whose[top] = w;
	}
}
