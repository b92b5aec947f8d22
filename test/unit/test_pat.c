/*
 * test_pat.c - the pattern detector: its table, its figures by hand, its laws.
 *
 * Equality with the reference on long series is test/golden/test_golden_pat.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "stages/ap-indicators/pat.h"

enum { BARS = 600 };

/* --- tapes ---------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r >> 20;
}

static struct ind_bar bar(double o, double h, double l, double c)
{
	struct ind_bar b = { .o = o, .h = h, .l = l, .c = c };

	return b;
}

/* A random walk in steps of `tick`; with tick 0.01 the sums round, with 1 they are exact. */
static void make_walk(struct ind_bar *b, size_t n, double tick, uint64_t seed)
{
	double p = 1000;

	for (size_t i = 0; i < n; i++) {
		const double o = p + (double)(next_random(&seed) % 5) - 2;
		const double c = o + (double)(next_random(&seed) % 21) - 10;

		b[i] = bar(o * tick, (fmax(o, c) + (double)(next_random(&seed) % 8)) * tick,
			   (fmin(o, c) - (double)(next_random(&seed) % 8)) * tick, c * tick);
		p = c > 500 ? c : 1000;
	}
}

/* Ten quiet candles: body 4, range 8, colours in turn; prices around 100. */
static void quiet(struct pat_state *s, int16_t out[PAT_N])
{
	for (int i = 0; i < 14; i++) {
		const struct ind_bar b = i % 2 != 0 ? bar(102, 104, 96, 98) : bar(98, 104, 96, 102);

		pat_update(s, &b, out);
	}
}

static int last_of(enum pat_id id, const struct ind_bar *b, size_t n)
{
	struct pat_state s;
	int16_t out[PAT_N];

	pat_init(&s);
	quiet(&s, out);
	for (size_t i = 0; i < n; i++)
		pat_update(&s, &b[i], out);
	return out[id];
}

#define LAST(id, ...) \
	last_of(id, (const struct ind_bar[]){ __VA_ARGS__ }, \
		sizeof((const struct ind_bar[]){ __VA_ARGS__ }) / sizeof(struct ind_bar))

/* --- the table ------------------------------------------------------------------------------------ */

static void every_pattern_has_its_own_names_and_a_sentence(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < PAT_N; i++) {
		const struct pat_info *p = pat_get((enum pat_id)i);

		assert_int_equal(pat_find(p->name), i);
		assert_int_equal(pat_find(p->ta_name), i);
		assert_memory_equal(p->ta_name, "CDL", 3);
		for (const char *c = p->name; *c != '\0'; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
		assert_true(islower((unsigned char)p->name[0]));
		assert_true(strlen(p->text) > 10);
		assert_in_range(p->candles, 1, 5);
		assert_in_range(p->sense, PAT_BULL, PAT_BOTH);
		assert_true(p->lookback + 1 >= p->candles);
	}
	assert_int_equal(pat_find("cup_and_handle"), PAT_N);
	assert_int_equal(pat_find(""), PAT_N);
}

static void a_pattern_is_warm_after_its_own_lookback_and_zero_before(void **unused)
{
	struct ind_bar b[BARS];
	struct pat_state s;
	int16_t out[PAT_N];
	unsigned most = 0;

	(void)unused;
	make_walk(b, BARS, 1, 7);
	pat_init(&s);
	for (unsigned i = 0; i < 20; i++) {
		pat_update(&s, &b[i], out);
		for (unsigned id = 0; id < PAT_N; id++) {
			const unsigned need = pat_warmup((enum pat_id)id);

			assert_int_equal(pat_warm(&s, (enum pat_id)id), i + 1 >= need);
			if (i + 1 < need)
				assert_int_equal(out[id], 0);
			most = need > most ? need : most;
		}
	}
	assert_int_equal(pat_warmup_all(), most);
	assert_int_equal(pat_warmup(PAT_ENGULFING), 3);
	assert_int_equal(pat_warmup(PAT_BREAKAWAY), 15);
}

/* --- figures by hand: quiet() has mean body 4 and mean range 8 ------------------------------------- */

static void a_body_of_a_tenth_of_the_mean_range_is_a_doji_and_more_is_not(void **unused)
{
	(void)unused;
	assert_int_equal(LAST(PAT_DOJI, bar(100, 104, 96, 100.5)), 100);
	assert_int_equal(LAST(PAT_DOJI, bar(100, 104, 96, 101)), 0);
	assert_int_equal(LAST(PAT_DRAGONFLYDOJI, bar(100, 100, 96, 100)), 100);
	assert_int_equal(LAST(PAT_DRAGONFLYDOJI, bar(100, 104, 96, 100)), 0);
	assert_int_equal(LAST(PAT_GRAVESTONEDOJI, bar(100, 104, 100, 100)), 100);
	assert_int_equal(LAST(PAT_RICKSHAWMAN, bar(100, 104, 96, 100)), 100);
	assert_int_equal(LAST(PAT_RICKSHAWMAN, bar(103, 104, 96, 103)), 0);
}

static void engulfing_is_100_beyond_both_edges_and_80_with_one_shared(void **unused)
{
	(void)unused;
	assert_int_equal(LAST(PAT_ENGULFING, bar(102, 104, 96, 98), bar(97, 104, 96, 103)), 100);
	assert_int_equal(LAST(PAT_ENGULFING, bar(102, 104, 96, 98), bar(98, 104, 96, 103)), 80);
	assert_int_equal(LAST(PAT_ENGULFING, bar(102, 104, 96, 98), bar(98, 104, 96, 102)), 0);
	assert_int_equal(LAST(PAT_ENGULFING, bar(98, 104, 96, 102), bar(103, 104, 96, 97)), -100);
	assert_int_equal(LAST(PAT_ENGULFING, bar(98, 104, 96, 102), bar(102, 104, 96, 97)), -80);
	assert_int_equal(LAST(PAT_ENGULFING, bar(98, 104, 96, 102), bar(97, 104, 96, 103)), 0);
}

static void harami_is_against_the_long_body_it_lies_in(void **unused)
{
	(void)unused;
	assert_int_equal(LAST(PAT_HARAMI, bar(110, 111, 98, 99), bar(103, 105, 102, 104)), 100);
	assert_int_equal(LAST(PAT_HARAMI, bar(110, 111, 98, 99), bar(99, 105, 98, 101)), 80);
	assert_int_equal(LAST(PAT_HARAMI, bar(99, 111, 98, 110), bar(103, 105, 102, 104)), -100);
	assert_int_equal(LAST(PAT_HARAMI, bar(99, 111, 98, 110), bar(103, 112, 102, 111)), 0);
}

static void a_marubozu_has_the_sign_of_its_colour(void **unused)
{
	(void)unused;
	assert_int_equal(LAST(PAT_MARUBOZU, bar(100, 110, 100, 110)), 100);
	assert_int_equal(LAST(PAT_MARUBOZU, bar(110, 110, 100, 100)), -100);
	assert_int_equal(LAST(PAT_MARUBOZU, bar(110, 112, 100, 100)), 0);
	assert_int_equal(LAST(PAT_BELTHOLD, bar(110, 110, 98, 100)), -100);
	assert_int_equal(LAST(PAT_CLOSINGMARUBOZU, bar(110, 112, 100, 100)), -100);
}

static void a_morning_star_needs_the_gap_and_the_return(void **unused)
{
	const struct ind_bar fall = bar(110, 111, 99, 100), star = bar(98, 99, 96, 97);

	(void)unused;
	assert_int_equal(LAST(PAT_MORNINGSTAR, fall, star, bar(98, 107, 98, 106)), 100);
	assert_int_equal(LAST(PAT_MORNINGSTAR, fall, star, bar(97, 103, 97, 102.5)), 0);
	assert_int_equal(LAST(PAT_MORNINGSTAR, fall, bar(101, 102, 96, 100), bar(98, 107, 98, 106)), 0);
}

static void a_hikkake_is_confirmed_once_and_only_within_three_candles(void **unused)
{
	const struct ind_bar mother = bar(100, 110, 90, 101), inside = bar(100, 105, 95, 101);
	const struct ind_bar below = bar(99, 104, 92, 96), wait = bar(96, 104.5, 92, 97);
	const struct ind_bar above = bar(97, 108, 92, 106), again = bar(106, 108, 92, 107);

	(void)unused;
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below), 100);
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below, wait), 0);
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below, above), 200);
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below, above, again), 0);
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below, wait, wait, above), 200);
	assert_int_equal(LAST(PAT_HIKKAKE, mother, inside, below, wait, wait, wait, above), 0);
}

/* --- laws ----------------------------------------------------------------------------------------- */

static void run_all(struct pat_state *s, const struct ind_bar *b, size_t n, int16_t *out)
{
	for (size_t i = 0; i < n; i++)
		pat_update(s, &b[i], out + i * PAT_N);
}

static void saving_and_loading_anywhere_changes_nothing(void **unused)
{
	static struct ind_bar b[BARS];
	static int16_t whole[BARS * PAT_N], parts[BARS * PAT_N];
	struct pat_state s, back;
	uint8_t image[PAT_IMAGE_SIZE], again[PAT_IMAGE_SIZE];

	(void)unused;
	make_walk(b, BARS, 0.01, 99);
	pat_init(&s);
	run_all(&s, b, BARS, whole);
	pat_init(&s);
	for (size_t i = 0; i < BARS; i++) {
		pat_update(&s, &b[i], parts + i * PAT_N);
		pat_save(&s, image);
		memset(&back, 0xa5, sizeof back);
		assert_true(pat_load(&back, image, sizeof image));
		pat_save(&back, again);
		assert_memory_equal(image, again, sizeof image);
		s = back;
	}
	assert_memory_equal(whole, parts, sizeof whole);
}

static void any_one_cut_of_a_history_changes_nothing(void **unused)
{
	static struct ind_bar b[60];
	static int16_t whole[60 * PAT_N], parts[60 * PAT_N];
	uint8_t image[PAT_IMAGE_SIZE];
	struct pat_state s;

	(void)unused;
	make_walk(b, 60, 0.01, 4);
	pat_init(&s);
	run_all(&s, b, 60, whole);
	for (size_t cut = 0; cut <= 60; cut++) {
		pat_init(&s);
		run_all(&s, b, cut, parts);
		pat_save(&s, image);
		assert_true(pat_load(&s, image, sizeof image));
		run_all(&s, b + cut, 60 - cut, parts + cut * PAT_N);
		assert_memory_equal(whole, parts, sizeof whole);
	}
}

static void a_look_at_a_copy_leaves_the_state_as_it_was(void **unused)
{
	static struct ind_bar b[BARS];
	struct pat_state s, copy, before;
	int16_t peek[PAT_N], out[PAT_N];

	(void)unused;
	make_walk(b, BARS, 0.01, 31);
	pat_init(&s);
	for (size_t i = 0; i < BARS; i++) {
		memcpy(&before, &s, sizeof s);
		for (size_t j = 0; j < 3; j++) {
			memcpy(&copy, &s, sizeof s);
			pat_update(&copy, &b[(i + j) % BARS], j == 0 ? peek : out);
		}
		assert_memory_equal(&before, &s, sizeof s);
		pat_update(&s, &b[i], out);
		assert_memory_equal(peek, out, sizeof out);
	}
}

static void prices_twice_as_high_give_the_same_patterns(void **unused)
{
	static struct ind_bar b[BARS];
	struct pat_state s, t;
	int16_t one[PAT_N], two[PAT_N];

	(void)unused;
	make_walk(b, BARS, 0.01, 5);
	pat_init(&s);
	pat_init(&t);
	for (size_t i = 0; i < BARS; i++) {
		const struct ind_bar twice = bar(b[i].o * 2, b[i].h * 2, b[i].l * 2, b[i].c * 2);

		pat_update(&s, &b[i], one);
		pat_update(&t, &twice, two);
		assert_memory_equal(one, two, sizeof one);
	}
}

static void a_flat_market_is_dojis_and_nothing_that_needs_a_body(void **unused)
{
	struct pat_state s;
	int16_t out[PAT_N];
	const struct ind_bar b = bar(100, 100, 100, 100);

	(void)unused;
	pat_init(&s);
	for (int i = 0; i < 200; i++)
		pat_update(&s, &b, out);
	assert_int_equal(out[PAT_DOJI], 100);
	assert_int_equal(out[PAT_LONGLINE], 0);
	assert_int_equal(out[PAT_ENGULFING], 0);
	assert_int_equal(out[PAT_HAMMER], 0);
}

static void a_damaged_image_is_refused_and_leaves_the_state(void **unused)
{
	struct ind_bar b[30];
	int16_t out[PAT_N];
	uint8_t image[PAT_IMAGE_SIZE + 1] = { 0 };
	struct pat_state s, t;

	(void)unused;
	make_walk(b, 30, 0.01, 8);
	pat_init(&s);
	for (size_t i = 0; i < 30; i++)
		pat_update(&s, &b[i], out);
	pat_save(&s, image);
	memcpy(&t, &s, sizeof t);
	for (size_t i = 0; i < PAT_IMAGE_SIZE; i++) {
		image[i] ^= 0x10;
		assert_false(pat_load(&t, image, PAT_IMAGE_SIZE));
		image[i] ^= 0x10;
	}
	assert_false(pat_load(&t, image, PAT_IMAGE_SIZE - 1));
	assert_false(pat_load(&t, image, PAT_IMAGE_SIZE + 1));
	assert_false(pat_load(&t, image, 0));
	assert_memory_equal(&s, &t, sizeof t);
	assert_true(pat_load(&t, image, PAT_IMAGE_SIZE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pattern_has_its_own_names_and_a_sentence),
		cmocka_unit_test(a_pattern_is_warm_after_its_own_lookback_and_zero_before),
		cmocka_unit_test(a_body_of_a_tenth_of_the_mean_range_is_a_doji_and_more_is_not),
		cmocka_unit_test(engulfing_is_100_beyond_both_edges_and_80_with_one_shared),
		cmocka_unit_test(harami_is_against_the_long_body_it_lies_in),
		cmocka_unit_test(a_marubozu_has_the_sign_of_its_colour),
		cmocka_unit_test(a_morning_star_needs_the_gap_and_the_return),
		cmocka_unit_test(a_hikkake_is_confirmed_once_and_only_within_three_candles),
		cmocka_unit_test(saving_and_loading_anywhere_changes_nothing),
		cmocka_unit_test(any_one_cut_of_a_history_changes_nothing),
		cmocka_unit_test(a_look_at_a_copy_leaves_the_state_as_it_was),
		cmocka_unit_test(prices_twice_as_high_give_the_same_patterns),
		cmocka_unit_test(a_flat_market_is_dojis_and_nothing_that_needs_a_body),
		cmocka_unit_test(a_damaged_image_is_refused_and_leaves_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
