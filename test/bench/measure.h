/*
 * measure.h - processor time, and what is told of repeated measurements.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* Processor time of this process so far. */
static inline int64_t measure_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline int measure_by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Puts them in order: the least is v[0], the median v[n / 2]. */
static inline void measure_sort(double *v, size_t n)
{
	qsort(v, n, sizeof *v, measure_by_value);
}

#endif
