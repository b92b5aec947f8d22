/*
 * test_dec.c - decimals: text in and out, rounding, ranges, sums, quotients, doubles.
 *
 * Quotients and doubles are judged by slow independent methods written here: long multiplication in base 2^32 and
 * comparison of neighbours.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/dec.h"
#include "test/lib/laws.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct laws_rng chance = { 0x9e3779b97f4a7c15u };

static uint64_t rnd(void)
{
	return laws_rand(&chance);
}

static ap_i128 i128(int64_t hi, uint64_t lo)
{
	return (ap_i128)((ap_u128)(uint64_t)hi << 64 | lo);
}

/* A valid decimal of random length, positive or negative. */
static ap_dec rnd_dec(void)
{
	ap_u128 v = ((ap_u128)rnd() << 64 | rnd()) >> (rnd() % 128);
	ap_u128 lim = (ap_u128)1000000000000000000u * 1000000000000000000u;

	v %= lim;
	return (ap_dec){ rnd() % 2 ? (ap_i128)v : -(ap_i128)v };
}

static ap_dec dec(const char *s)
{
	ap_dec d = { 0 };
	enum ap_dec_rc rc = ap_dec_parse(s, strlen(s), &d);

	if (rc != AP_DEC_OK && rc != AP_DEC_ROUNDED)
		fail_msg("%s gives %d", s, (int)rc);
	return d;
}

static void a_numeral_is_read_and_written_canonically(void **state)
{
	static const struct {
		const char *in, *out;
		enum ap_dec_rc rc;
	} t[] = {
		{ "0", "0", AP_DEC_OK },
		{ "-0", "0", AP_DEC_OK },
		{ "-0.000", "0", AP_DEC_OK },
		{ "1", "1", AP_DEC_OK },
		{ "+1.50", "1.5", AP_DEC_OK },
		{ "-1.50", "-1.5", AP_DEC_OK },
		{ ".5", "0.5", AP_DEC_OK },
		{ "5.", "5", AP_DEC_OK },
		{ "007.25", "7.25", AP_DEC_OK },
		{ "0.000000000000000001", "0.000000000000000001", AP_DEC_OK },
		{ "999999999999999999.999999999999999999", "999999999999999999.999999999999999999", AP_DEC_OK },
		{ "-999999999999999999.999999999999999999", "-999999999999999999.999999999999999999", AP_DEC_OK },
		{ "1e3", "1000", AP_DEC_OK },
		{ "1.2345E+2", "123.45", AP_DEC_OK },
		{ "1e-8", "0.00000001", AP_DEC_OK },
		{ "6.06e-06", "0.00000606", AP_DEC_OK },
		{ "0e999999", "0", AP_DEC_OK },
		{ "0.0000000000000000000000000000000000000000000000001e49", "1", AP_DEC_OK },
		{ "100000000000000000000e-20", "1", AP_DEC_OK },
		{ "1.0000000000000000000000", "1", AP_DEC_OK },
		{ "000000000000000000000000000000000000000042", "42", AP_DEC_OK },
		{ "0.123456789012345678900", "0.123456789012345679", AP_DEC_ROUNDED },
		{ "1e-19", "0", AP_DEC_ROUNDED },
		{ "1e-99999999999", "0", AP_DEC_ROUNDED },
	};
	char text[AP_DEC_TEXT];

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		ap_dec d = { 77 };
		enum ap_dec_rc rc = ap_dec_parse(t[i].in, strlen(t[i].in), &d);

		if (rc != t[i].rc)
			fail_msg("%s: code %d", t[i].in, (int)rc);
		assert_int_equal(ap_dec_format(d, text), strlen(t[i].out));
		assert_string_equal(text, t[i].out);
	}
}

static void what_is_no_numeral_is_refused(void **state)
{
	static const char *const t[] = { "",     "-",    "+",    ".",    "-.",    "e5",  "1e",  "1e+",  "1.2.3", " 1",  "1 ",
					 "1,5",  "0x10", "NaN",  "nan",  "inf",   "-Infinity", "1e5.5", "--1", "+-1", "1_000",
					 "1e5e5", "1\n",  "\xff", "1.5f", "\xd9\xa1" };
	char nul[] = { '1', '\0', '2' }, longest[AP_DEC_IN_MAX + 1];
	ap_dec d = { 42 };

	(void)state;
	for (size_t i = 0; i < LEN(t); i++)
		if (ap_dec_parse(t[i], strlen(t[i]), &d) != AP_DEC_SYNTAX)
			fail_msg("taken: %s", t[i]);
	assert_int_equal(ap_dec_parse(nul, sizeof nul, &d), AP_DEC_SYNTAX);
	memset(longest, '0', sizeof longest);
	assert_int_equal(ap_dec_parse(longest, sizeof longest, &d), AP_DEC_SYNTAX);
	assert_true(d.e18 == 42);
	assert_int_equal(ap_dec_parse(longest, sizeof longest - 1, &d), AP_DEC_OK);
}

static void more_than_18_integer_digits_are_out_of_range(void **state)
{
	static const char *const t[] = { "1000000000000000000", "-1000000000000000000", "1e18", "1e99999999999999999999",
					 "999999999999999999.9999999999999999995", "123456789012345678901234567890" };
	ap_dec d = { 42 };

	(void)state;
	for (size_t i = 0; i < LEN(t); i++)
		if (ap_dec_parse(t[i], strlen(t[i]), &d) != AP_DEC_RANGE)
			fail_msg("taken: %s", t[i]);
	assert_true(d.e18 == 42);
}

static void the_19th_digit_is_rounded_half_even(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "0.0000000000000000005", "0" },                       /* tie, 0 is even */
		{ "0.0000000000000000015", "0.000000000000000002" },    /* tie, 1 is odd */
		{ "0.0000000000000000025", "0.000000000000000002" },
		{ "0.00000000000000000250000000000000001", "0.000000000000000003" },
		{ "0.0000000000000000024999999999999999", "0.000000000000000002" },
		{ "-0.0000000000000000015", "-0.000000000000000002" },
		{ "-0.0000000000000000005", "0" },
		{ "5e-19", "0" },
		{ "5.0000001e-19", "0.000000000000000001" },
		{ "15e-19", "0.000000000000000002" },
		{ "0.9999999999999999995", "1" },
		{ "1.9999999999999999994", "1.999999999999999999" },
		{ "4.9e-19", "0" },
		{ "0.5e-18", "0" },
		{ "0.0999999999999999999e-17", "0.000000000000000001" },
	};
	char text[AP_DEC_TEXT];
	ap_dec d;

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		assert_int_equal(ap_dec_parse(t[i].in, strlen(t[i].in), &d), AP_DEC_ROUNDED);
		ap_dec_format(d, text);
		assert_string_equal(text, t[i].out);
	}
}

static void every_decimal_survives_text_and_lowest_terms(void **state)
{
	char text[AP_DEC_TEXT];
	ap_dec d, back;
	ap_i128 m;
	unsigned s;
	size_t n;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		d = rnd_dec();
		if (i % 3 == 0)         /* values as markets have them: few digits */
			d.e18 = d.e18 % 100000000 * i128(0, 10000000000u);
		n = ap_dec_format(d, text);
		assert_true(n < sizeof text && text[n] == '\0');
		assert_int_equal(ap_dec_parse(text, n, &back), AP_DEC_OK);
		assert_true(back.e18 == d.e18);
		s = ap_dec_lowest(d, &m);
		assert_true(s <= 18 && (s == 0 || m % 10 != 0));
		assert_true(ap_dec_scaled(m, s, &back) && back.e18 == d.e18);
	}
	assert_false(ap_dec_scaled(1, 19, &back));
	assert_false(ap_dec_scaled(i128(0, 1000000000000000000u), 0, &back));
	assert_false(ap_dec_scaled(i128(INT64_MIN, 0), 18, &back));
	assert_true(ap_dec_scaled(i128(0, 999999999999999999u), 0, &back));
}

static void an_exponent_only_moves_the_point(void **state)
{
	char plain[64], moved[64];
	ap_dec a, b;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		int64_t v = (int64_t)(rnd() % 1000000000000u);
		int e = (int)(rnd() % 30) - 15;

		snprintf(moved, sizeof moved, "%llde%d", (long long)v, e);
		if (e >= 0) {
			snprintf(plain, sizeof plain, "%lld%.*s", (long long)v, e, "000000000000000");
		} else {
			snprintf(plain, sizeof plain, "%016lld", (long long)v);
			size_t n = strlen(plain), f = (size_t)-e;
			memmove(plain + n - f + 1, plain + n - f, f + 1);
			plain[n - f] = '.';
		}
		enum ap_dec_rc ra = ap_dec_parse(plain, strlen(plain), &a), rb = ap_dec_parse(moved, strlen(moved), &b);
		assert_int_equal(ra, rb);
		if (ra == AP_DEC_OK)
			assert_true(a.e18 == b.e18);
	}
}

static void addition_refuses_what_leaves_128_bits(void **state)
{
	ap_dec top = { i128(INT64_MAX, UINT64_MAX) }, bottom = { i128(INT64_MIN, 0) }, one = { 1 }, minus = { -1 }, r = { 9 };

	(void)state;
	assert_false(ap_dec_add(top, one, &r));
	assert_false(ap_dec_add(bottom, minus, &r));
	assert_true(r.e18 == 9);
	assert_true(ap_dec_add(top, minus, &r) && r.e18 == top.e18 - 1);
	assert_true(ap_dec_add(top, bottom, &r) && r.e18 == -1);
	assert_true(ap_dec_add(dec("0.1"), dec("0.2"), &r) && ap_dec_cmp(r, dec("0.3")) == 0);
	assert_true(ap_dec_int(-7).e18 == dec("-7").e18);
	assert_true(ap_dec_cmp(dec("-1"), dec("1")) < 0 && ap_dec_cmp(dec("2"), dec("1.999")) > 0);
}

/* --- sums ---------------------------------------------------------------------- */

/* Slow unsigned integers of 32 base-2^16 digits, least first: nothing clever, so nothing shared with what is tested. */
struct slow {
	uint32_t d[32];
};

static struct slow slow_of(ap_u128 v)
{
	struct slow r = { { 0 } };

	for (int i = 0; i < 8; i++)
		r.d[i] = (uint32_t)(v >> (16 * i)) & 0xffff;
	return r;
}

static struct slow slow_mul(struct slow a, struct slow b)
{
	struct slow r = { { 0 } };

	for (int i = 0; i < 32; i++) {
		uint64_t carry = 0;

		for (int j = 0; i + j < 32; j++) {
			carry += r.d[i + j] + (uint64_t)a.d[i] * b.d[j];
			r.d[i + j] = (uint32_t)(carry & 0xffff);
			carry >>= 16;
		}
	}
	return r;
}

static struct slow slow_add(struct slow a, struct slow b)
{
	uint32_t carry = 0;

	for (int i = 0; i < 32; i++) {
		carry += a.d[i] + b.d[i];
		a.d[i] = carry & 0xffff;
		carry >>= 16;
	}
	return a;
}

static int slow_cmp(struct slow a, struct slow b)
{
	for (int i = 31; i >= 0; i--)
		if (a.d[i] != b.d[i])
			return a.d[i] < b.d[i] ? -1 : 1;
	return 0;
}

static struct slow slow_of_sum(const ap_sum *s)
{
	struct slow r = { { 0 } };

	for (int i = 0; i < 16; i++)
		r.d[i] = (uint32_t)(s->w[i / 4] >> (16 * (i % 4))) & 0xffff;
	return r;
}

static ap_u128 mag(ap_i128 v)
{
	return v < 0 ? -(ap_u128)v : (ap_u128)v;
}

static ap_sum product(ap_dec a, ap_dec b)
{
	ap_sum s = { { 0 } };

	assert_true(ap_sum_addmul(&s, a, b));
	return s;
}

static ap_sum sum(const char *t)
{
	ap_sum s = { { 0 } };

	assert_int_equal(ap_sum_parse(t, strlen(t), &s), AP_DEC_OK);
	return s;
}

static void a_product_is_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		ap_dec a = rnd_dec(), b = rnd_dec();
		ap_sum p = product((ap_dec){ (ap_i128)mag(a.e18) }, (ap_dec){ (ap_i128)mag(b.e18) });

		assert_int_equal(slow_cmp(slow_of_sum(&p), slow_mul(slow_of(mag(a.e18)), slow_of(mag(b.e18)))), 0);
		/* Signs: a*b + (-a)*b == 0 */
		ap_sum z = product(a, b);
		assert_true(ap_sum_addmul(&z, (ap_dec){ -a.e18 }, b));
		assert_true(ap_sum_is_zero(&z));
	}
}

static void a_sum_carries_through_all_four_words(void **state)
{
	ap_sum s = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, 0 } }, one = { { 1, 0, 0, 0 } };
	ap_sum minus = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };

	(void)state;
	assert_true(ap_sum_add(&s, &one));
	assert_true(s.w[0] == 0 && s.w[1] == 0 && s.w[2] == 0 && s.w[3] == 1);
	assert_true(ap_sum_add(&s, &minus));
	assert_true(s.w[0] == UINT64_MAX && s.w[2] == UINT64_MAX && s.w[3] == 0);
	assert_true(ap_sum_cmp(&minus, &one) < 0 && ap_sum_cmp(&one, &minus) > 0 && ap_sum_cmp(&s, &one) > 0 && ap_sum_cmp(&s, &s) == 0);
}

static void a_sum_refuses_overflow_and_keeps_its_value(void **state)
{
	ap_sum top = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX } }, bottom = { { 0, 0, 0, (uint64_t)1 << 63 } };
	ap_sum one = { { 1, 0, 0, 0 } }, minus = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } }, t;
	char text[AP_SUM_TEXT];

	(void)state;
	t = top;
	assert_false(ap_sum_add(&t, &one));
	assert_memory_equal(&t, &top, sizeof t);
	assert_false(ap_sum_addmul(&t, (ap_dec){ 1 }, (ap_dec){ 1 }));
	assert_memory_equal(&t, &top, sizeof t);
	t = bottom;
	assert_false(ap_sum_add(&t, &minus));
	assert_memory_equal(&t, &bottom, sizeof t);
	assert_true(ap_sum_add(&t, &top) && ap_sum_cmp(&t, &minus) == 0);
	/* The extremes have text too: 2^255 = 57896...9968 */
	ap_sum_format(&bottom, text);
	assert_string_equal(text, "-57896044618658097711785492504343953926634.992332820282019728792003956564819968");
	assert_int_equal(ap_sum_parse(text, strlen(text), &t), AP_DEC_OK);
	assert_memory_equal(&t, &bottom, sizeof t);
	assert_int_equal(ap_sum_parse(text + 1, strlen(text) - 1, &t), AP_DEC_RANGE);
}

static void a_sum_survives_text_and_lowest_terms(void **state)
{
	static const char *const same[] = { "0", "1", "-1", "0.000000000000000000000000000000000001", "123456789.5",
					    "-0.5", "1000000000000000000", "1000000000000000000000000000000000000.1", "10.01" };
	static const char *const bad[] = { "", "-", ".", "1e5", "1.2.3", " 1", "x" };
	char text[AP_SUM_TEXT];
	ap_sum s, back, m;
	unsigned k;
	size_t n;

	(void)state;
	for (size_t i = 0; i < LEN(same); i++) {
		s = sum(same[i]);
		ap_sum_format(&s, text);
		assert_string_equal(text, same[i]);
	}
	for (size_t i = 0; i < LEN(bad); i++)
		assert_int_equal(ap_sum_parse(bad[i], strlen(bad[i]), &s), AP_DEC_SYNTAX);
	assert_int_equal(ap_sum_parse("0.0000000000000000000000000000000000001", 39, &s), AP_DEC_RANGE);
	assert_int_equal(ap_sum_parse("1.0000000000000000000000000000000000000", 39, &s), AP_DEC_OK);
	for (int i = 0; i < 50000; i++) {
		s = product(rnd_dec(), i % 2 ? rnd_dec() : ap_dec_int((int64_t)(rnd() % 1000)));
		n = ap_sum_format(&s, text);
		assert_true(n < sizeof text);
		assert_int_equal(ap_sum_parse(text, n, &back), AP_DEC_OK);
		assert_memory_equal(&s, &back, sizeof s);
		k = ap_sum_lowest(&s, &m);
		assert_true(ap_sum_scaled(&m, k, &back));
		assert_memory_equal(&s, &back, sizeof s);
		const char *dot = strchr(text, '.');
		assert_int_equal(k, dot == NULL ? 0 : strlen(dot + 1));
	}
	assert_false(ap_sum_scaled(&s, 37, &back));
}

/*
 * Judges v = round(num / den) to `digits`: in units of 1e-18, with unit = 10^(18-digits), the nearest multiple of unit
 * obeys |v x den - num| x 2 <= unit x den, and at equality v / unit is even. All in slow integers, magnitudes only.
 */
static void check_quotient(const ap_sum *num, ap_dec den, unsigned digits, ap_dec got)
{
	ap_u128 unit = 1, v = mag(got.e18);
	struct slow a, b, d = slow_of(mag(den.e18)), diff2, half;
	int c;

	for (unsigned i = digits; i < 18; i++)
		unit *= 10;
	assert_true(v % unit == 0);
	a = slow_mul(slow_of(v), d);
	b = slow_of_sum(num);
	/* diff2 = 2 x |a - b| is compared as: 2 x larger <=> 2 x smaller + unit x den */
	c = slow_cmp(a, b);
	diff2 = c > 0 ? a : b;
	diff2 = slow_add(diff2, diff2);
	half = c > 0 ? b : a;
	half = slow_add(slow_add(half, half), slow_mul(slow_of(unit), d));
	c = slow_cmp(diff2, half);
	assert_true(c <= 0);
	if (c == 0)
		assert_true(v / unit % 2 == 0);
}

static void a_quotient_is_rounded_half_even(void **state)
{
	ap_dec r;
	ap_sum n;
	unsigned done = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		ap_dec p = { (ap_i128)mag(rnd_dec().e18) }, q = { (ap_i128)mag(rnd_dec().e18) }, den = { (ap_i128)mag(rnd_dec().e18) };
		unsigned digits = (unsigned)(rnd() % 19);

		if (i % 4 == 0)         /* many ties: multiples of a half unit */
			den = ap_dec_int((int64_t)(1 + rnd() % 64)), p = ap_dec_int((int64_t)(rnd() % 1000)), q.e18 = (ap_i128)(rnd() % 1000) * 5;
		if (den.e18 == 0)
			continue;
		n = product(p, q);
		if (!ap_sum_div(&n, den, digits, &r))
			continue;
		check_quotient(&n, den, digits, r);
		done++;
	}
	assert_true(done > 20000);
}

static void quotients_of_known_candles(void **state)
{
	ap_dec r;
	ap_sum n = sum("401");
	char text[AP_DEC_TEXT];

	(void)state;
	assert_true(ap_sum_div(&n, dec("3"), 12, &r));
	ap_dec_format(r, text);
	assert_string_equal(text, "133.666666666667");
	n = sum("-1");
	assert_true(ap_sum_div(&n, dec("8"), 2, &r) && r.e18 == dec("-0.12").e18);
	n = sum("3");
	assert_true(ap_sum_div(&n, dec("-8"), 2, &r) && r.e18 == dec("-0.38").e18);
	assert_false(ap_sum_div(&n, dec("0"), 2, &r));
	n = sum("999999999999999999.5");
	assert_false(ap_sum_div(&n, dec("1"), 0, &r));
	assert_true(ap_sum_div(&n, dec("1"), 1, &r));
	n = sum("1000000000000000000");
	assert_false(ap_sum_div(&n, dec("1"), 12, &r));
	assert_false(ap_sum_div(&n, dec("0.000000000000000001"), 12, &r));
}

/* --- doubles -------------------------------------------------------------------- */

static void doubles_are_the_nearest(void **state)
{
	char text[AP_DEC_TEXT], stext[AP_SUM_TEXT];

	(void)state;
	/* strtod of the C library is correctly rounded, and independent. */
	for (int i = 0; i < 200000; i++) {
		ap_dec d = rnd_dec();

		if (i % 4 == 0)         /* next to a tie: a double's midpoint with its neighbour, one unit off */
			d.e18 = ((ap_i128)((rnd() >> 11) | (uint64_t)1 << 52) * 2 + 1) * (ap_i128)1000000000000000000u / ((ap_i128)1 << (rnd() % 54)) + (ap_i128)(rnd() % 3) - 1;
		if (d.e18 >= (ap_i128)1000000000000000000u * 1000000000000000000u)
			d.e18 /= 10;
		ap_dec_format(d, text);
		assert_true(ap_dec_to_double(d) == strtod(text, NULL));
	}
	for (int i = 0; i < 100000; i++) {
		ap_sum s = product(rnd_dec(), rnd_dec());

		ap_sum_format(&s, stext);
		assert_true(ap_sum_to_double(&s) == strtod(stext, NULL));
	}
	ap_sum zero = { { 0 } }, bottom = { { 0, 0, 0, (uint64_t)1 << 63 } };
	assert_true(ap_sum_to_double(&zero) == 0 && ap_dec_to_double((ap_dec){ 0 }) == 0);
	ap_sum_format(&bottom, stext);
	assert_true(ap_sum_to_double(&bottom) == strtod(stext, NULL));
	/* Ties go to the even neighbour: 2^53 + 1 */
	assert_true(ap_dec_to_double(ap_dec_int(9007199254740993)) == 9007199254740992.0);
	assert_true(ap_dec_to_double(ap_dec_int(9007199254740995)) == 9007199254740996.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_numeral_is_read_and_written_canonically),
		cmocka_unit_test(what_is_no_numeral_is_refused),
		cmocka_unit_test(more_than_18_integer_digits_are_out_of_range),
		cmocka_unit_test(the_19th_digit_is_rounded_half_even),
		cmocka_unit_test(every_decimal_survives_text_and_lowest_terms),
		cmocka_unit_test(an_exponent_only_moves_the_point),
		cmocka_unit_test(addition_refuses_what_leaves_128_bits),
		cmocka_unit_test(a_product_is_exact),
		cmocka_unit_test(a_sum_carries_through_all_four_words),
		cmocka_unit_test(a_sum_refuses_overflow_and_keeps_its_value),
		cmocka_unit_test(a_sum_survives_text_and_lowest_terms),
		cmocka_unit_test(a_quotient_is_rounded_half_even),
		cmocka_unit_test(quotients_of_known_candles),
		cmocka_unit_test(doubles_are_the_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
