/*
 * test_ind_deep.c - CCI and STOCHRSI where all that moves is behind the last digits of what they are made of: after large
 * movements, in long trends, in markets that stand still. Against whole windows in arithmetic of 113 bits where the compiler
 * has it; nothing here is shared with the engine but the candles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "test/unit/ind_data.h"

#ifdef __SIZEOF_FLOAT128__
__extension__ typedef __float128 wide;
#else
typedef long double wide;
#endif

enum { N = 1500 };

static wide wide_abs(wide a)
{
	return a < 0 ? -a : a;
}

/* --- tapes --------------------------------------------------------------------------------------- */

/* How much the close moves at candle i; u and v are chances from 0 to 1. */
typedef double move_fn(size_t i, double price, double u, double v);

static double move_walk(size_t i, double price, double u, double v)
{
	(void)i;
	(void)v;
	return price * 0.01 * (u - 0.5);
}

/* Up and down again by a million and more times the price, then steps of a millionth of it. */
static double move_after_leaps(size_t i, double price, double u, double v)
{
	(void)v;
	if (i % 250 == 100)
		return 1e8 * (1 + u);
	if (i % 250 == 102)
		return 123.25 + u - price;
	return i % 250 > 102 ? 1e-4 * (u - 0.5) : u - 0.5;
}

static double move_up(size_t i, double price, double u, double v)
{
	(void)i;
	(void)price;
	(void)v;
	return 0.01 + u;
}

static double move_down(size_t i, double price, double u, double v)
{
	(void)i;
	(void)v;
	return -price * (0.001 + 0.01 * u);
}

/* Up for hundreds of candles, with a step the other way now and then. */
static double move_mostly_up(size_t i, double price, double u, double v)
{
	(void)price;
	(void)v;
	return i % 400 == 399 ? -u : 0.01 + u;
}

/* Stands still more often than not, now and then so long that nothing is left of the movement before. */
static double move_seldom(size_t i, double price, double u, double v)
{
	return i % 700 > 60 && i % 700 < 660 ? 0 : v < 0.6 ? 0 : price * 1e-3 * (u - 0.5);
}

struct tape { const char *name; move_fn *move; };
static const struct tape tapes[] = {
	{ "a walk", move_walk }, { "small steps after leaps", move_after_leaps }, { "rising", move_up }, { "falling", move_down },
	{ "rising with a few steps down", move_mostly_up }, { "seldom moving", move_seldom },
};

static void tape_make(const struct tape *t, struct ind_bar *b)
{
	struct rng r = { 77 };
	double price = 100;

	for (size_t i = 0; i < N; i++) {
		const double u = rng_unit(&r), v = rng_unit(&r), move = t->move(i, price, u, v), was = price;

		price += move;
		b[i] = bar_flat(price, (int64_t)i * 60000, 1);
		b[i].o = was;
		b[i].h = fmax(was, price) + fabs(move) * u;
		b[i].l = fmin(was, price) - fabs(move) * v;
	}
}

/* --- the direct way ------------------------------------------------------------------------------ */

static double cci_direct(const struct ind_bar *b, size_t i, size_t n)
{
	wide x[64], sum = 0, dev = 0;

	for (size_t k = 0; k < n; k++) {
		x[k] = (wide)b[i - k].h + (wide)b[i - k].l + (wide)b[i - k].c;
		sum += x[k];
	}
	for (size_t k = 0; k < n; k++)
		dev += wide_abs((wide)n * x[k] - sum);
	return dev > 0 ? (double)(((wide)n * x[0] - sum) / ((wide)0.015 * dev / (wide)n)) : 0;
}

/* Shares of gains and losses in all movement, each at its full precision; both from 0 to 1. */
struct shares { wide gain[N], loss[N]; };

static void shares_make(const struct ind_bar *b, size_t n, struct shares *s)
{
	wide g = 0, l = 0;

	s->gain[0] = s->loss[0] = 0;
	for (size_t i = 1; i < N; i++) {
		const double d = b[i].c - b[i - 1].c;

		if (i > n) {
			g -= g / (wide)n;
			l -= l / (wide)n;
		}
		g += d > 0 ? (wide)d : 0;
		l += d < 0 ? (wide)-d : 0;
		s->gain[i] = s->gain[i - 1];
		s->loss[i] = s->loss[i - 1];
		if (g + l < (wide)(1e-16 * fabs(b[i].c)) * (wide)n) {
			g = l = 0;
			s->gain[i] = 0;
			s->loss[i] = 1;
		} else if (d != 0) {
			s->gain[i] = g / (g + l);
			s->loss[i] = l / (g + l);
		}
	}
}

/* RSI falls as the losses' share rises: by whichever share is small the range is seen best. */
static double stochrsi_direct(const struct shares *s, size_t i, size_t n)
{
	const bool up = s->gain[i] > s->loss[i];
	wide now = up ? -s->loss[i] : s->gain[i], hi = now, lo = now;

	for (size_t k = 1; k < n; k++) {
		const wide v = up ? -s->loss[i - k] : s->gain[i - k];

		hi = v > hi ? v : hi;
		lo = v < lo ? v : lo;
	}
	return hi > lo ? (double)((wide)100 * ((now - lo) / (hi - lo))) : 0;
}

/* --- the two beside each other ------------------------------------------------------------------- */

static void rig_open(struct rig *r, const char *spec)
{
	if (!rig_init(r, spec))
		fail_msg("%s", r->err);
}

static double check(const struct tape *t, const char *spec, size_t i, double got, double want)
{
	const double e = fabs(got - want) / fmax(fabs(want), 100.0);

	if (!(e <= 1e-12))
		fail_msg("%s, %s at candle %zu: %.17g instead of %.17g", spec, t->name, i, got, want);
	return e;
}

static void cci_equals_its_window_in_113_bits_on_every_tape(void **state)
{
	static const struct { const char *spec; size_t n; } rows[] = {
		{ "CCI period=2", 2 }, { "CCI period=3", 3 }, { "CCI period=4", 4 }, { "CCI period=5", 5 }, { "CCI period=20", 20 },
		{ "CCI period=63", 63 },
	};
	static struct ind_bar b[N];
	double worst = 0;

	(void)state;
	for (size_t t = 0; t < sizeof tapes / sizeof tapes[0]; t++) {
		tape_make(&tapes[t], b);
		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
			struct rig r;

			rig_open(&r, rows[k].spec);
			for (size_t i = 0; i < N; i++) {
				rig_take(&r, &b[i]);
				if (i + 1 >= rows[k].n)
					worst = fmax(worst, check(&tapes[t], rows[k].spec, i, rig_value(&r, 0),
								  cci_direct(b, i, rows[k].n)));
			}
			rig_done(&r);
		}
	}
	print_message("# worst error %.1e\n", worst);
}

static void stochrsi_equals_its_window_in_113_bits_on_every_tape(void **state)
{
	static const struct { const char *spec; size_t n, k; } rows[] = {
		{ "STOCHRSI period=14 fastk=14", 14, 14 }, { "STOCHRSI period=2 fastk=1", 2, 1 },
		{ "STOCHRSI period=2 fastk=2", 2, 2 }, { "STOCHRSI period=5 fastk=3", 5, 3 },
		{ "STOCHRSI period=5 fastk=4", 5, 4 }, { "STOCHRSI period=7 fastk=5", 7, 5 },
		{ "STOCHRSI period=14 fastk=15", 14, 15 }, { "STOCHRSI period=30 fastk=100", 30, 100 },
	};
	static struct ind_bar b[N];
	static struct shares s;
	double worst = 0;

	(void)state;
	for (size_t t = 0; t < sizeof tapes / sizeof tapes[0]; t++) {
		tape_make(&tapes[t], b);
		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
			struct rig r;

			rig_open(&r, rows[k].spec);
			shares_make(b, rows[k].n, &s);
			for (size_t i = 0; i < N; i++) {
				rig_take(&r, &b[i]);
				if (ind_valid(r.valid, 0))
					worst = fmax(worst, check(&tapes[t], rows[k].spec, i, rig_value(&r, 0),
								  stochrsi_direct(&s, i, rows[k].k)));
			}
			assert_true(ind_valid(r.valid, 0));
			rig_done(&r);
		}
	}
	print_message("# worst error %.1e\n", worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cci_equals_its_window_in_113_bits_on_every_tape),
		cmocka_unit_test(stochrsi_equals_its_window_in_113_bits_on_every_tape),
	};

	return cmocka_run_group_tests_name("indicators behind the last digits", tests, NULL, NULL);
}
