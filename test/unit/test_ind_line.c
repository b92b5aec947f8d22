/*
 * test_ind_line.c - weighted means, straight lines and the difference of two means over windows through which great values
 * have gone, against whole windows in long double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "test/unit/ind_data.h"

typedef long double ld;

/* What is asked of each window; AO's shorter mean is over 5. */
enum { WMA, SLOPE, VALUE, INTERCEPT, FORECAST, GAP, ASKED };
static const char *const names[ASKED] = { "WMA", "LINEARREG_SLOPE", "LINEARREG", "LINEARREG_INTERCEPT", "TSF", "AO" };

struct lines { struct rig rig; uint32_t n; };

static void lines_open(struct lines *l, uint32_t n)
{
	char spec[300];

	(void)snprintf(spec, sizeof spec,
		       "WMA period=%u; LINEARREG_SLOPE period=%u; LINEARREG period=%u; LINEARREG_INTERCEPT period=%u;"
		       "TSF period=%u; AO fast=5 slow=%u", n, n, n, n, n, n > 5 ? n : 6);
	l->n = n;
	if (!rig_init(&l->rig, spec))
		fail_msg("%s", l->rig.err);
}

/* The same from the last candles, b[at] the newest. range: of the closes and of high + low. */
static void lines_exact(const struct ind_bar *b, size_t at, uint32_t n, ld want[ASKED], ld range[2])
{
	uint32_t m = n > 5 ? n : 6;
	ld sum = 0, cov = 0, weighted = 0, gap_n = 0, gap_m = 0, nn = (ld)n;
	ld lo = (ld)b[at].c, hi = lo, low = (ld)b[at].h + (ld)b[at].l, high = low, slope;

	for (uint32_t i = 0; i < m; i++) {
		const struct ind_bar *x = &b[at - i];
		ld y = (ld)x->h + (ld)x->l;

		gap_m += y;
		gap_n += i < 5 ? y : 0;
		low = y < low ? y : low;
		high = y > high ? y : high;
	}
	for (uint32_t i = 0; i < n; i++) {
		ld x = (ld)b[at - i].c;

		sum += x - (ld)b[at].c;
		cov += ((nn - 1) / 2 - (ld)i) * (x - (ld)b[at].c);
		weighted += (nn - (ld)i) * x;
		lo = x < lo ? x : lo;
		hi = x > hi ? x : hi;
	}
	slope = 12 * cov / (nn * (nn * nn - 1));
	sum = (ld)b[at].c + sum / nn;
	want[WMA] = 2 * weighted / (nn * (nn + 1));
	want[SLOPE] = slope;
	want[VALUE] = sum + slope * (nn - 1) / 2;
	want[INTERCEPT] = sum - slope * (nn - 1) / 2;
	want[FORECAST] = sum + slope * (nn + 1) / 2;
	want[GAP] = (gap_n / 5 - gap_m / (ld)m) / 2;
	range[0] = hi - lo;
	range[1] = high - low;
}

/* Compares all at b[at]: errors are allowed against the window's range, and of prices against themselves. Gives the worst. */
static ld lines_compare(const struct lines *l, const struct ind_bar *b, size_t at, ld tolerance)
{
	ld want[ASKED], range[2], worst = 0;

	lines_exact(b, at, l->n, want, range);
	for (size_t s = 0; s < ASKED; s++) {
		ld got = (ld)rig_value(&l->rig, s), scale = s == GAP ? range[1] : s == SLOPE ? range[0] / (ld)l->n : fabsl(want[s]) + range[0];
		ld e = got == want[s] ? 0 : fabsl(got - want[s]) / scale;

		if (!(e <= tolerance))
			fail_msg("%s over %u at %zu: %.17Lg instead of %.17Lg", names[s], l->n, at, got, want[s]);
		worst = e > worst ? e : worst;
	}
	return worst;
}

static struct ind_bar bar_at(double price, double wick, size_t i)
{
	struct ind_bar b = bar_flat(price, (int64_t)i * 60000, 1);

	b.h += wick;
	return b;
}

static const uint32_t windows[] = { 2, 3, 5, 14, 20, 35, 200 };
enum { WINDOWS = sizeof windows / sizeof windows[0] };

/* Prices of about 1e-5 on which, from candle 700 on, lie mountains of 1e10 of every width up to four windows. */
static void what_a_large_value_leaves_behind_is_gone_with_it(void **state)
{
	enum { ALL = 12000 };
	struct ind_bar *b = calloc(ALL, sizeof *b);
	ld worst = 0;

	(void)state;
	for (size_t k = 0; k < WINDOWS; k++) {
		struct rng rng = { 3 + k };
		struct lines l;
		size_t high = 0, low = 700;

		lines_open(&l, windows[k]);
		for (size_t i = 0; i < ALL; i++) {
			double price = 1e-5 * (1 + 0.1 * rng_unit(&rng));

			if (low > 0 && --low == 0)
				high = 1 + (size_t)(rng_unit(&rng) * 4 * windows[k]);
			if (low == 0 && high > 0 && --high == 0)
				low = 1 + (size_t)(rng_unit(&rng) * 4 * windows[k]);
			b[i] = bar_at(low == 0 ? 1e10 * (1 + rng_unit(&rng)) : price, rng_unit(&rng) < 0.01 ? 1e9 : price, i);
			rig_take(&l.rig, &b[i]);
			if (i >= windows[k] && i >= 6) {
				ld e = lines_compare(&l, b, i, 1e-11L);

				worst = e > worst ? e : worst;
			}
		}
		rig_done(&l.rig);
	}
	print_message("# worst error after collapses: %.1Le\n", worst);
	free(b);
}

/* Two or three prices in turn, whose line lies level every other candle; now and then one of a million, then of a millionth. */
static void a_line_that_is_level_by_chance_is_as_exact_as_others(void **state)
{
	enum { ALL = 20000 };
	static const double turn[] = { 100, 100.01, 100.02, 100.01 };
	struct ind_bar *b = calloc(ALL, sizeof *b);
	ld worst = 0;

	(void)state;
	for (size_t k = 0; k < WINDOWS; k++) {
		struct rng rng = { 23 };
		struct lines l;

		lines_open(&l, windows[k]);
		for (size_t i = 0; i < ALL; i++) {
			double price = turn[i / 5000 % 2 == 0 ? i % 4 : (size_t)(rng_unit(&rng) * 3)];

			price = i % 997 == 996 ? 1e6 : i % 2000 > 1600 ? price * 1e-8 : price;
			b[i] = bar_at(price, 0, i);
			rig_take(&l.rig, &b[i]);
			if (i >= windows[k] && i >= 6) {
				ld e = lines_compare(&l, b, i, 1e-11L);

				worst = e > worst ? e : worst;
			}
		}
		rig_done(&l.rig);
	}
	print_message("# worst error where lines are level: %.1Le\n", worst);
	free(b);
}

static void a_million_candles_of_a_walk_are_as_exact_as_the_first(void **state)
{
	enum { ALL = 1000000 };
	struct ind_bar *b = calloc(ALL, sizeof *b);
	struct lines l[WINDOWS];
	struct rng rng = { 5 };
	double price = 100;
	ld worst = 0;

	(void)state;
	for (size_t k = 0; k < WINDOWS; k++)
		lines_open(&l[k], windows[k]);
	for (size_t i = 0; i < ALL; i++) {
		b[i] = bar_walk(&rng, &price, (int64_t)i * 60000, 0.004);
		price = price < 1 || price > 1e5 ? 100 : price;
		for (size_t k = 0; k < WINDOWS; k++) {
			ld e;

			rig_take(&l[k].rig, &b[i]);
			if (i < 300 || (i % 37 != 0 && i < ALL - 1000))
				continue;
			e = lines_compare(&l[k], b, i, 1e-11L);
			worst = e > worst ? e : worst;
		}
	}
	print_message("# %d candles: worst error %.1Le\n", ALL, worst);
	for (size_t k = 0; k < WINDOWS; k++)
		rig_done(&l[k].rig);
	free(b);
}

/* In hundredths, in tenths, and in numbers that no double holds: to the bit, from the first window on that is flat. */
static void a_market_that_stands_still_after_moving_is_flat_to_the_bit(void **state)
{
	static const double ticks[] = { 0.01, 0.1, 1.0 / 3, 1e-7, 1e6 };

	(void)state;
	for (size_t t = 0; t < sizeof ticks / sizeof ticks[0]; t++)
		for (size_t k = 0; k < WINDOWS; k++) {
			struct rng rng = { 11 + t };
			size_t still = 0, flat = 0;
			double price = 0, at = 12345;
			struct lines l;

			lines_open(&l, windows[k]);
			for (size_t i = 0; i < 6000; i++) {
				struct ind_bar b;

				if (i % 700 < 400)
					at += floor(9 * rng_unit(&rng)) - 4;
				still = at * ticks[t] == price ? still + 1 : 1;
				price = at * ticks[t];
				b = bar_at(price, 0, i);
				rig_take(&l.rig, &b);
				if (still < windows[k] || still < 6)
					continue;
				flat++;
				for (size_t s = 0; s < ASKED; s++)
					if (rig_value(&l.rig, s) != (s == SLOPE || s == GAP ? 0 : price))
						fail_msg("%s over %u at %zu: %.17g, the price is %.17g", names[s], windows[k], i,
							 rig_value(&l.rig, s), price);
			}
			assert_true(flat > 6 * 50);
			rig_done(&l.rig);
		}
}

static void weighted_by_one_weight_a_price_is_itself(void **state)
{
	struct rng rng = { 17 };
	double price = 100;
	struct rig r;

	(void)state;
	if (!rig_init(&r, "SMA period=20; EMA period=12; RSI; MACD; BBANDS; WMA period=1; HMA period=2"))
		fail_msg("%s", r.err);
	for (size_t i = 0; i < 500; i++) {
		struct ind_bar b = bar_walk(&rng, &price, (int64_t)i * 60000, 0.01);

		rig_take(&r, &b);
		assert_true(rig_value(&r, ind_set_slots(r.set) - 2) == b.c);
	}
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_large_value_leaves_behind_is_gone_with_it),
		cmocka_unit_test(a_line_that_is_level_by_chance_is_as_exact_as_others),
		cmocka_unit_test(a_million_candles_of_a_walk_are_as_exact_as_the_first),
		cmocka_unit_test(a_market_that_stands_still_after_moving_is_flat_to_the_bit),
		cmocka_unit_test(weighted_by_one_weight_a_price_is_itself),
	};

	return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
