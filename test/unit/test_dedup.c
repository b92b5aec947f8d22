/*
 * test_dedup.c - remembering trade ids: bounds, fairness between sources, and the saved pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stages/ap-normalize/dedup.h"
#include "stages/ap-normalize/screen.h"
#include "test/lib/laws.h"

#define HOUR INT64_C(3600000)

static struct dedup_key key(const char *source, unsigned i)
{
	char id[16];
	snprintf(id, sizeof id, "%u", i);
	return dedup_key(ap_str_c(source), ap_str_c("BTC-USD"), ap_str_c(id));
}

static void add(struct dedup *d, const char *source, unsigned i, int64_t ms)
{
	dedup_add(d, ap_str_c(source), key(source, i), ms);
}

static void keys_of_different_series_differ(void **unused)
{
	struct dedup_key a = dedup_key(ap_str_c("ab"), ap_str_c("c"), ap_str_c("d"));
	struct dedup_key b = dedup_key(ap_str_c("a"), ap_str_c("bc"), ap_str_c("d"));
	struct dedup_key c = dedup_key(ap_str_c("ab"), ap_str_c("cd"), ap_str_c(""));
	(void)unused;
	assert_true(a.lo != b.lo && a.lo != c.lo && b.lo != c.lo);
}

static void no_more_ids_are_kept_than_the_bound(void **unused)
{
	struct dedup *d = dedup_new(1024, HOUR);
	(void)unused;
	for (unsigned i = 0; i < 10000; i++)
		add(d, "x", i, 1000);
	assert_true(dedup_count(d) <= 1024 && dedup_count(d) > 1024 - 32);
	/* The newest are there, the oldest are not. */
	for (unsigned i = 10000 - 992; i < 10000; i++)
		assert_true(dedup_seen(d, key("x", i), 1000));
	assert_false(dedup_seen(d, key("x", 10000 - 1025), 1000));
	dedup_free(d);
}

static void a_flood_from_one_source_leaves_the_ids_of_others(void **unused)
{
	struct dedup *d = dedup_new(4096, HOUR);
	(void)unused;
	for (unsigned i = 0; i < 1000; i++)
		add(d, "quiet", i, 1000);
	for (unsigned i = 0; i < 100000; i++)
		add(d, "flood", i, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(dedup_seen(d, key("quiet", i), 1000));
	assert_true(dedup_seen(d, key("flood", 99999), 1000));
	dedup_free(d);
}

static void more_sources_than_queues_share_one(void **unused)
{
	struct dedup *d = dedup_new(100000, HOUR);
	(void)unused;
	for (unsigned i = 0; i < 1000; i++) {
		char source[16];
		snprintf(source, sizeof source, "s%u", i);
		add(d, source, i, 1000);
		add(d, source, i + 1000, 1000);
	}
	assert_int_equal(dedup_count(d), 2000);
	assert_true(dedup_seen(d, key("s999", 999), 1000));
	assert_true(dedup_seen(d, key("s0", 1000), 1000));
	dedup_free(d);
}

static void either_bound_zero_remembers_nothing(void **unused)
{
	struct dedup *none = dedup_new(0, HOUR), *never = dedup_new(100, 0);
	(void)unused;
	add(none, "x", 1, 1000);
	add(never, "x", 1, 1000);
	assert_int_equal(dedup_count(none), 0);
	assert_int_equal(dedup_count(never), 0);
	assert_false(dedup_seen(none, key("x", 1), 1000));
	dedup_free(none);
	dedup_free(never);
}

/* Against a plain list: same answers while nothing has to give way, through growth and through forgetting by time. */
static void answers_equal_those_of_a_plain_list(void **unused)
{
	enum { N = 3000 };
	struct { unsigned id; int64_t ms; bool gone; } *list = calloc(N, sizeof *list);
	struct dedup *d = dedup_new(1000000, 5000);
	struct laws_rng r = { 5 };
	unsigned n = 0, dups = 0;
	(void)unused;
	for (int64_t ms = 100000; n < N; ms += (int64_t)laws_below(&r, 20)) {
		unsigned id = (unsigned)laws_below(&r, 400);
		int64_t at = ms - (int64_t)laws_below(&r, 8000);
		bool want = false;
		for (unsigned i = 0; i < n; i++)
			want |= !list[i].gone && list[i].id == id && llabs(list[i].ms - at) <= 5000;
		assert_int_equal(dedup_seen(d, key("x", id), at), want);
		dups += want;
		if (!want) {
			add(d, "x", id, at);
			list[n].id = id;
			list[n++].ms = at;
		}
	}
	assert_true(dups > 300);
	dedup_free(d);
	free(list);
}

/* ---- state ------------------------------------------------------------------ */

static bool load_all(struct dedup *d, const struct laws_map *m)
{
	for (size_t i = 0; i < laws_map_slots(m); i++) {
		ap_str name, value;
		if (laws_map_slot(m, i, &name, &value) && !dedup_load(d, name, value))
			return false;
	}
	return dedup_loaded(d);
}

static void a_commit_writes_only_the_pages_touched(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct dedup *d = dedup_new(100000, HOUR);
	(void)unused;
	for (unsigned i = 0; i < 10000; i++)
		add(d, "x", i, 1000);
	dedup_save(d, &m.saver, false);
	assert_int_equal(m.puts, 313);
	m.puts = 0;
	add(d, "x", 10000, 1000);
	dedup_save(d, &m.saver, false);
	assert_int_equal(m.puts, 1);
	assert_int_equal(m.dels, 0);
	dedup_save(d, &m.saver, false);
	assert_int_equal(m.puts, 1);
	dedup_free(d);
	laws_map_free(m.map);
}

static void what_is_loaded_back_remembers_the_same(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct dedup *d = dedup_new(2000, HOUR), *back = dedup_new(2000, HOUR), *less = dedup_new(100, HOUR);
	(void)unused;
	for (unsigned i = 0; i < 5000; i++) {
		add(d, i % 3 ? "x" : "y", i, 1000 + i);
		if (i % 7 == 0)
			dedup_save(d, &m.saver, false);
	}
	dedup_save(d, &m.saver, false);
	assert_true(load_all(back, m.map));
	assert_int_equal(dedup_count(back), dedup_count(d));
	for (unsigned i = 0; i < 5000; i++) {
		struct dedup_key k = key(i % 3 ? "x" : "y", i);
		assert_int_equal(dedup_seen(back, k, 1000 + i), dedup_seen(d, k, 1000 + i));
	}
	/* A bound lowered since gives ids away at once, and their fields with the next commit. */
	assert_true(load_all(less, m.map));
	assert_true(dedup_count(less) <= 128);
	dedup_save(less, &m.saver, false);
	assert_int_equal(laws_map_n(m.map), 4);
	dedup_free(d);
	dedup_free(back);
	dedup_free(less);
	laws_map_free(m.map);
}

/* Fields come back in the map's order: the shared queue's stand anywhere among those of sources with a queue of their own. */
static void what_more_sources_than_queues_have_left_is_loaded_in_any_order(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct dedup *d = dedup_new(100000, HOUR), *back = dedup_new(100000, HOUR);
	char source[16];
	(void)unused;
	for (unsigned i = 0; i < 70000; i++) {
		snprintf(source, sizeof source, "s%u", i % 700);
		add(d, source, i, 1000 + i);
	}
	dedup_save(d, &m.saver, false);
	assert_true(load_all(back, m.map));
	assert_int_equal(dedup_count(back), 70000);
	/* And both go on alike. */
	for (unsigned i = 70000; i < 200000; i++) {
		struct dedup_key k;
		snprintf(source, sizeof source, "s%u", i % 800);
		k = key(source, i);
		add(d, source, i, 1000 + i);
		add(back, source, i, 1000 + i);
		assert_true(dedup_seen(back, k, 1000 + i));
		assert_int_equal(dedup_count(back), dedup_count(d));
	}
	m.puts = 0;
	dedup_save(back, &m.saver, true);
	assert_true(m.puts > 3000);
	dedup_free(d);
	dedup_free(back);
	laws_map_free(m.map);
}

static void damaged_or_missing_pages_are_refused(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct dedup *d = dedup_new(2000, HOUR);
	ap_str name = ap_str_c("d/x/1"), value;
	char copy[1024];
	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		add(d, "x", i, 1000);
	dedup_save(d, &m.saver, false);
	dedup_free(d);
	value = laws_map_get(m.map, name);
	assert_true(value.len > 100 && value.len < sizeof copy);
	memcpy(copy, value.p, value.len);
	d = dedup_new(2000, HOUR);
	for (size_t i = 0; i < value.len; i++) {
		copy[i] ^= 4;
		assert_false(dedup_load(d, name, ap_str_n(copy, value.len)));
		copy[i] ^= 4;
		assert_false(dedup_load(d, name, ap_str_n(copy, i)));
	}
	assert_false(dedup_load(d, ap_str_c("d/x/2"), value));
	assert_false(dedup_load(d, ap_str_c("d/x/"), value));
	assert_false(dedup_load(d, ap_str_c("d//1"), value));
	assert_false(dedup_load(d, ap_str_c("d/x/1x"), value));
	dedup_free(d);
	d = dedup_new(2000, HOUR);
	laws_map_del(m.map, name);
	assert_false(load_all(d, m.map));
	dedup_free(d);
	laws_map_free(m.map);
}

static void a_price_level_that_is_damaged_is_refused(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct screen *s = screen_new(1000, 0, 3), *back = screen_new(1000, 0, 3);
	ap_str name = ap_str_c("o/x/A"), value;
	ap_dec level = { 0 };
	char copy[128];
	(void)unused;
	assert_true(screen_take(s, ap_str_c("x"), ap_str_c("A"), ap_dec_int(100), &level));
	screen_save(s, &m.saver, false);
	assert_int_equal(laws_map_n(m.map), 1);
	value = laws_map_get(m.map, name);
	memcpy(copy, value.p, value.len);
	for (size_t i = 0; i < value.len; i++) {
		copy[i] ^= 1;
		assert_false(screen_load(back, name, ap_str_n(copy, value.len)));
		copy[i] ^= 1;
	}
	assert_false(screen_load(back, ap_str_c("o/x/B"), value));
	assert_true(screen_load(back, name, value));
	assert_false(screen_take(back, ap_str_c("x"), ap_str_c("A"), ap_dec_int(1001), &level));
	assert_int_equal(ap_dec_cmp(level, ap_dec_int(100)), 0);
	screen_free(s);
	screen_free(back);
	laws_map_free(m.map);
}

static void an_ordinary_market_writes_no_price_levels(void **unused)
{
	struct laws_keep m = laws_keep_new();
	struct screen *s = screen_new(1000, 10, 3);
	ap_dec level;
	(void)unused;
	for (int i = 0; i < 20; i++)
		assert_true(screen_take(s, ap_str_c("x"), ap_str_c("A"), ap_dec_int(1000 + i), &level));
	screen_save(s, &m.saver, false);
	m.puts = 0;
	for (int i = 0; i < 1000; i++)
		assert_true(screen_take(s, ap_str_c("x"), ap_str_c("A"), ap_dec_int(950 + i % 100), &level));
	screen_save(s, &m.saver, false);
	assert_int_equal(m.puts, 0);
	screen_free(s);
	laws_map_free(m.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_different_series_differ),
		cmocka_unit_test(no_more_ids_are_kept_than_the_bound),
		cmocka_unit_test(a_flood_from_one_source_leaves_the_ids_of_others),
		cmocka_unit_test(more_sources_than_queues_share_one),
		cmocka_unit_test(either_bound_zero_remembers_nothing),
		cmocka_unit_test(answers_equal_those_of_a_plain_list),
		cmocka_unit_test(a_commit_writes_only_the_pages_touched),
		cmocka_unit_test(what_is_loaded_back_remembers_the_same),
		cmocka_unit_test(what_more_sources_than_queues_have_left_is_loaded_in_any_order),
		cmocka_unit_test(damaged_or_missing_pages_are_refused),
		cmocka_unit_test(a_price_level_that_is_damaged_is_refused),
		cmocka_unit_test(an_ordinary_market_writes_no_price_levels),
	};
	return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
