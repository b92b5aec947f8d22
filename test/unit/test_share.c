/*
 * test_share.c - which worker a partition belongs to: frozen vectors, equal shares, few moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/core/share.h"

enum { MOST = 16 };

static char names[AP_WORKERS_MAX][16];
static ap_str worker[AP_WORKERS_MAX];

static void name_workers(unsigned seed, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "w%u.%zu", seed, i);
		worker[i] = ap_str_c(names[i]);
	}
}

/* Workers of two builds must agree: these never change. */
static void the_vectors_are_frozen(void **s)
{
	static const struct {
		const char *worker;
		unsigned part;
		uint64_t weight;
	} weight[] = {
		{ "ap-candle.0", 0, 0xb0b9a2594066caca }, { "ap-candle.0", 1, 0xf63a96165cd5cc30 },
		{ "ap-candle.1", 0, 0xe021d0dc6ead958b }, { "host-4711", 255, 0xcbc7c80ae24672d1 },
	};
	static const struct {
		unsigned parts;
		size_t n;
		const char *want;       /* the digit of the worker of each partition */
	} share[] = {
		{ 4, 2, "1010" },
		{ 4, 3, "1020" },
		{ 4, 4, "1032" },
		{ 5, 4, "10302" },
		{ 16, 3, "1010220211210201" },
	};
	static const char *const all[] = { "ap-candle.0", "ap-candle.1", "ap-candle.2", "ap-candle.3" };
	ap_str w[4];
	uint16_t whose[MOST];

	(void)s;
	for (size_t i = 0; i < sizeof weight / sizeof weight[0]; i++)
		assert_true(ap_share_weight(ap_str_c(weight[i].worker), weight[i].part) == weight[i].weight);
	for (size_t i = 0; i < 4; i++)
		w[i] = ap_str_c(all[i]);
	for (size_t i = 0; i < sizeof share / sizeof share[0]; i++) {
		char got[MOST + 1] = "";
		ap_share(w, share[i].n, share[i].parts, whose);
		for (unsigned p = 0; p < share[i].parts; p++)
			got[p] = (char)('0' + whose[p]);
		assert_string_equal(got, share[i].want);
	}
}

static void shares_differ_by_one_partition_at_most(void **s)
{
	uint16_t whose[AP_LANES_MAX];

	(void)s;
	for (unsigned parts = 1; parts <= 300; parts = parts < 20 ? parts + 1 : parts * 2)
		for (size_t n = 1; n <= 40; n++) {
			unsigned has[40] = { 0 };
			name_workers((unsigned)n, n);
			ap_share(worker, n, parts, whose);
			for (unsigned p = 0; p < parts; p++)
				has[whose[p]]++;
			for (size_t i = 0; i < n; i++)
				assert_in_range(has[i], parts / n, (parts + n - 1) / n);
		}
}

static void the_order_of_the_names_does_not_matter(void **s)
{
	uint16_t one[64], other[64];
	ap_str turned[9];

	(void)s;
	name_workers(3, 9);
	for (size_t i = 0; i < 9; i++)
		turned[i] = worker[8 - i];
	ap_share(worker, 9, 64, one);
	ap_share(turned, 9, 64, other);
	for (unsigned p = 0; p < 64; p++)
		assert_int_equal(one[p], 8 - other[p]);
}

/* Of `rounds` sets of workers: partitions that change hands when one more joins, on average in thousandths. */
static unsigned moved_of(unsigned parts, size_t n, unsigned rounds)
{
	uint16_t before[AP_LANES_MAX], after[AP_LANES_MAX];
	unsigned moved = 0;

	for (unsigned r = 0; r < rounds; r++) {
		name_workers(r, n + 1);
		ap_share(worker, n, parts, before);
		ap_share(worker, n + 1, parts, after);
		for (unsigned p = 0; p < parts; p++)
			moved += before[p] != after[p];
	}
	return moved * 1000 / rounds;
}

static void few_partitions_move_when_one_joins_or_leaves(void **s)
{
	(void)s;
	/* Equal shares ask for parts / (n + 1) moves; twice that and one is the bound, hashing anew would move n / (n + 1) of all. */
	for (unsigned parts = 4; parts <= 64; parts *= 2)
		for (size_t n = 1; n <= 5; n++)
			assert_in_range(moved_of(parts, n, 300), parts / (n + 1) * 1000, (2 * parts / (n + 1) + 1) * 1000);
	assert_int_equal(moved_of(64, 1, 300), 32000);
	assert_in_range(moved_of(64, 3, 300), 16000, 20000);
}

static void one_worker_has_them_all_and_more_workers_than_partitions_have_one_or_none(void **s)
{
	uint16_t whose[4];
	unsigned has[AP_WORKERS_MAX] = { 0 };

	(void)s;
	name_workers(1, AP_WORKERS_MAX);
	ap_share(worker, 1, 4, whose);
	for (unsigned p = 0; p < 4; p++)
		assert_int_equal(whose[p], 0);
	ap_share(worker, AP_WORKERS_MAX, 4, whose);
	for (unsigned p = 0; p < 4; p++)
		assert_int_equal(has[whose[p]]++, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_are_frozen),
		cmocka_unit_test(shares_differ_by_one_partition_at_most),
		cmocka_unit_test(the_order_of_the_names_does_not_matter),
		cmocka_unit_test(few_partitions_move_when_one_joins_or_leaves),
		cmocka_unit_test(one_worker_has_them_all_and_more_workers_than_partitions_have_one_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
