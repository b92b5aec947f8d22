/*
 * bench_pat.c - nanoseconds per candle for all 61 patterns together.
 *
 * Four tapes, because the cost must not hang on the market: a random walk, a
 * falling market, a flat one and one of dojis, where most patterns are found.
 * Prints one JSON line: per tape the least and the median of the repeats.
 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/ap-indicators/pat.h"

enum { BARS = 20000, REPEATS = 25 };

static uint64_t rng = 88172645463325252u;

/* Uniform in [0, 1). */
static double chance(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (double)(rng >> 11) * 0x1p-53;
}

static struct ind_bar bar_of(double o, double c, double up, double down)
{
	struct ind_bar b = { .o = o, .h = fmax(o, c) + up, .l = fmin(o, c) - down, .c = c };

	return b;
}

/* Whole ticks, like a real tape: ties are common. */
static void walk(struct ind_bar *b)
{
	double p = 10000;

	for (size_t i = 0; i < BARS; i++) {
		const double o = p + floor(chance() * 5) - 2, c = o + floor(chance() * 41) - 20;

		b[i] = bar_of(o, c, floor(chance() * chance() * 20), floor(chance() * chance() * 20));
		p = c;
	}
}

static void falling(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(100000 - (double)i, 100000 - (double)i - 3, 0, 0);
}

static void flat(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(100, 100, 0, 0);
}

static void dojis(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(100, 100 + floor(chance() * 2), floor(chance() * 30), floor(chance() * 30));
}

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorted ns per candle of every repeat. */
static void run(const struct ind_bar *bars, double ns[REPEATS], long *found)
{

	for (size_t r = 0; r < REPEATS; r++) {
		struct pat_state s;
		int16_t out[PAT_N];
		double start;
		long sum = 0;

		pat_init(&s);
		start = now_ns();
		for (size_t i = 0; i < BARS; i++) {
			pat_update(&s, &bars[i], out);
			sum += out[i % PAT_N];
		}
		ns[r] = (now_ns() - start) / BARS;
		*found = sum;
	}
	qsort(ns, REPEATS, sizeof *ns, by_value);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*make)(struct ind_bar *);
	} tapes[] = { { "walk", walk }, { "falling", falling }, { "flat", flat }, { "dojis", dojis } };
	static struct ind_bar bars[BARS];
	double ns[REPEATS];

	printf("{\"bench\":\"patterns\",\"patterns\":%d,\"state_bytes\":%zu,\"unit\":\"ns/candle, [least, median]\"", PAT_N,
	       sizeof(struct pat_state));
	for (size_t i = 0; i < sizeof tapes / sizeof *tapes; i++) {
		long found = 0;

		tapes[i].make(bars);
		run(bars, ns, &found);
		printf(",\"%s\":[%.1f,%.1f]", tapes[i].name, ns[0], ns[REPEATS / 2]);
		if (found == LONG_MIN)
			return 1;
	}
	printf("}\n");
	return 0;
}
