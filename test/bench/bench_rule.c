/*
 * bench_rule.c - nanoseconds per candle for the ten default rules, their inputs given.
 *
 * Inputs are random walks, so that crossings happen. Prints one JSON line:
 * the least and the median of the repeats, and how often a rule fired.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "stages/ap-indicators/rule.h"

enum { CANDLES = 5000, REPEATS = 25 };

/* One slot for every different name, argument and output. */
static int resolve(void *host, const struct rule_ref *ref, char *why, size_t why_size)
{
	unsigned sum = 7;

	(void)host;
	(void)why;
	(void)why_size;
	if (ref->n_args == 0 && ref->name.len > 0 && ref->name.p[ref->name.len - 1] <= '9')
		return -1;               /* sma20 as a whole: to be asked again as sma(20) */
	for (size_t i = 0; i < ref->name.len; i++)
		sum = sum * 31 + (unsigned char)(ref->name.p[i] | 0x20);
	for (size_t i = 0; i < ref->n_args; i++)
		sum = sum * 31 + (unsigned char)ref->arg[i].p[0];
	for (size_t i = 0; i < ref->output.len; i++)
		sum = sum * 31 + (unsigned char)ref->output.p[i];
	return (int)(sum % 100000);
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

static void walk(double *rows, size_t n)
{
	uint64_t r = 88172645463325252u;

	for (size_t i = 0; i < n * CANDLES; i++) {
		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		rows[i] = (i < n ? 100 : rows[i - n]) + (double)(r >> 40 & 0xff) / 100 - 1.275;
	}
}

static size_t run(const struct rule_book *book, void *state, const double *rows, double *ns)
{
	const size_t n = rule_book_inputs(book);
	struct rule_signal out[RULE_MAX];
	struct rule_tally tally;
	size_t fired = 0;
	const double start = now_ns();

	rule_state_init(book, state);
	for (size_t i = 0; i < CANDLES; i++)
		fired += rule_step(book, state, rows + i * n, out, &tally);
	*ns = (now_ns() - start) / CANDLES;
	return fired;
}

int main(void)
{
	size_t n_rules, fired = 0;
	const struct rule_def *defs = rule_defaults(&n_rules);
	struct rule_error err;
	struct rule_book *book = rule_book_new(defs, n_rules, resolve, NULL, &err);
	double ns[REPEATS], *rows;
	void *state;

	if (book == NULL) {
		fprintf(stderr, "%s: %s\n", err.part, err.text);
		return 1;
	}
	rows = calloc(rule_book_inputs(book) * CANDLES, sizeof *rows);
	state = malloc(rule_state_size(book));
	if (rows == NULL || state == NULL)
		return 1;
	walk(rows, rule_book_inputs(book));
	for (size_t i = 0; i < REPEATS; i++)
		fired = run(book, state, rows, &ns[i]);
	qsort(ns, REPEATS, sizeof *ns, by_value);
	printf("{\"bench\":\"rules\",\"rules\":%zu,\"inputs\":%zu,\"state_bytes\":%zu,\"image_bytes\":%zu,"
	       "\"unit\":\"ns/candle, [least, median]\",\"step\":[%.1f,%.1f],\"fired_per_1000\":%.1f}\n",
	       n_rules, rule_book_inputs(book), rule_state_size(book), rule_save_size(book), ns[0],
	       ns[REPEATS / 2], (double)fired * 1000 / CANDLES);
	free(state);
	free(rows);
	rule_book_free(book);
	return 0;
}
