/*
 * dec.c - exact decimals and sums of products.
 *
 * Integers only; the two *_to_double functions round once, at the end. No locale, no allocation.
 */
#include "dec.h"

#include <assert.h>
#include <math.h>

static const uint64_t E18 = 1000000000000000000u;
/* |e18| of a valid decimal is below this: 10^36. */
#define E36 ((ap_u128)1000000000000000000u * 1000000000000000000u)

static const uint64_t pow10_u64[20] = {
	1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
	10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
	1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
	10000000000000000000u,
};

/* 10^n as 128 bits, n <= 38. */
static ap_u128 pow10_u128(unsigned n)
{
	assert(n <= 38);
	return n < 20 ? (ap_u128)pow10_u64[n] : (ap_u128)pow10_u64[19] * pow10_u64[n - 19];
}

static ap_u128 mag128(ap_i128 v)
{
	return v < 0 ? -(ap_u128)v : (ap_u128)v;
}

static ap_i128 with_sign(ap_u128 m, bool neg)
{
	return neg ? -(ap_i128)m : (ap_i128)m;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- text to decimal ---------------------------------------------------------- */

/* A numeral taken apart: digits without leading zeros, the first `point` of them before the decimal point. */
struct numeral {
	char digit[AP_DEC_IN_MAX];
	int n;                  /* significant digits; 0: the value is zero */
	int point;              /* may be negative, or larger than n */
};

/* [(e|E)[+-]digits] to the end of the text. Saturates: what is far outside any range stays far outside. */
static bool read_exponent(const char *p, const char *end, int *e)
{
	bool neg = false;
	int v = 0;

	*e = 0;
	if (p == end)
		return true;
	if (*p != 'e' && *p != 'E')
		return false;
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		neg = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		if (v < 100000)
			v = v * 10 + (*p - '0');
	}
	*e = neg ? -v : v;
	return true;
}

static bool read_numeral(const char *p, const char *end, struct numeral *out)
{
	bool any = false, dot = false;
	int e;

	out->n = out->point = 0;
	for (; p < end; p++) {
		if (*p == '.' && !dot) {
			dot = true;
			continue;
		}
		if (!is_digit(*p))
			break;
		any = true;
		if (out->n > 0 || *p != '0') {
			out->digit[out->n++] = *p;
			out->point += !dot;
		} else {
			out->point -= dot;      /* a zero between the point and the first digit */
		}
	}
	if (!any || !read_exponent(p, end, &e))
		return false;
	out->point += e;
	while (out->n > 0 && out->digit[out->n - 1] == '0')
		out->n--;
	return true;
}

/* The numeral in units of 1e-18, rounded half-even. */
static enum ap_dec_rc scale_numeral(const struct numeral *u, ap_u128 *out)
{
	int keep = u->point + 18, take;
	enum ap_dec_rc rc = AP_DEC_OK;
	ap_u128 m = 0;
	char first;

	*out = 0;
	if (u->n == 0)
		return AP_DEC_OK;
	if (u->point > 18)
		return AP_DEC_RANGE;
	if (keep < 0)
		return AP_DEC_ROUNDED;
	take = u->n < keep ? u->n : keep;
	for (int i = 0; i < take; i++)
		m = m * 10 + (unsigned)(u->digit[i] - '0');
	m *= pow10_u128((unsigned)(keep - take));
	if (u->n > keep) {      /* what is dropped is not zero: trailing zeros are gone */
		rc = AP_DEC_ROUNDED;
		first = u->digit[keep];
		if (first > '5' || (first == '5' && (u->n > keep + 1 || (m & 1) != 0)))
			m++;
	}
	if (m >= E36)
		return AP_DEC_RANGE;
	*out = m;
	return rc;
}

enum ap_dec_rc ap_dec_parse(const char *s, size_t len, ap_dec *out)
{
	const char *p = s, *end, *start;
	uint64_t whole = 0, frac = 0;
	size_t nw, nf = 0;
	bool neg = false;
	struct numeral u;
	enum ap_dec_rc rc;
	ap_u128 m;

	if (len == 0 || len > AP_DEC_IN_MAX)
		return AP_DEC_SYNTAX;
	end = s + len;
	if (*p == '-' || *p == '+')
		neg = *p++ == '-';
	start = p;
	/* The common case, up to 18 digits on each side and no exponent, in one pass over 64-bit integers. */
	while (p < end && is_digit(*p) && p - start < 18)
		whole = whole * 10 + (unsigned)(*p++ - '0');
	nw = (size_t)(p - start);
	if (p < end && *p == '.')
		for (p++; p < end && is_digit(*p) && nf < 18; nf++)
			frac = frac * 10 + (unsigned)(*p++ - '0');
	if (p == end && nw + nf > 0) {
		m = (ap_u128)whole * E18 + frac * pow10_u64[18 - nf];
		out->e18 = with_sign(m, neg);
		return AP_DEC_OK;
	}
	if (!read_numeral(start, end, &u))
		return AP_DEC_SYNTAX;
	rc = scale_numeral(&u, &m);
	if (rc == AP_DEC_OK || rc == AP_DEC_ROUNDED)
		out->e18 = with_sign(m, neg);
	return rc;
}

/* --- decimal to text ---------------------------------------------------------- */

/* Writes v without leading zeros; returns the end. */
static char *put_u64(char *p, uint64_t v)
{
	char tmp[20];
	unsigned n = 0;

	do {
		tmp[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		*p++ = tmp[--n];
	return p;
}

/* Writes v as exactly n digits; returns the end. */
static char *put_padded(char *p, uint64_t v, unsigned n)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

/* Trailing decimal zeros of v, 0 < v < 1e18; *v loses them. */
static unsigned strip_zeros(uint64_t *v)
{
	unsigned z = 0;

	if (*v % 100000000u == 0) {
		*v /= 100000000u;
		z = 8;
		if (*v % 100000000u == 0) {
			*v /= 100000000u;
			z = 16;
		}
	}
	if (*v % 10000u == 0) {
		*v /= 10000u;
		z += 4;
	}
	if (*v % 100u == 0) {
		*v /= 100u;
		z += 2;
	}
	if (*v % 10u == 0) {
		*v /= 10u;
		z++;
	}
	return z;
}

/* Whole part and fraction (in 1e-18) of a magnitude, sparing the 128-bit division where the value is small. */
static void split_e18(ap_u128 m, ap_u128 *whole, uint64_t *frac)
{
	if (m >> 64 == 0) {
		*whole = (uint64_t)m / E18;
		*frac = (uint64_t)m % E18;
	} else {
		*whole = m / E18;
		*frac = (uint64_t)(m - *whole * E18);
	}
}

size_t ap_dec_format(ap_dec d, char out[AP_DEC_TEXT])
{
	char *p = out;
	ap_u128 whole;
	uint64_t frac;
	unsigned z;

	if (d.e18 < 0)
		*p++ = '-';
	split_e18(mag128(d.e18), &whole, &frac);
	if (whole >> 64 == 0) {
		p = put_u64(p, (uint64_t)whole);
	} else {                        /* only sums of decimals get here */
		p = put_u64(p, (uint64_t)(whole / E18));
		p = put_padded(p, (uint64_t)(whole % E18), 18);
	}
	if (frac != 0) {
		z = strip_zeros(&frac);
		*p++ = '.';
		p = put_padded(p, frac, 18 - z);
	}
	*p = '\0';
	return (size_t)(p - out);
}

/* --- arithmetic --------------------------------------------------------------- */

bool ap_dec_add(ap_dec a, ap_dec b, ap_dec *out)
{
	ap_i128 r;

	if (__builtin_add_overflow(a.e18, b.e18, &r))
		return false;
	out->e18 = r;
	return true;
}

ap_dec ap_dec_int(int64_t v)
{
	return (ap_dec){ (ap_i128)v * (ap_i128)E18 };
}

static bool sum_neg(const ap_sum *s)
{
	return s->w[3] >> 63 != 0;
}

static void sum_negate(ap_sum *s)
{
	uint64_t carry = 1;

	for (int i = 0; i < 4; i++) {
		s->w[i] = ~s->w[i] + carry;
		carry = carry != 0 && s->w[i] == 0;
	}
}

/* |s|; returns whether it was negative. The least value's magnitude, 2^255, still fits four unsigned words. */
static bool sum_mag(const ap_sum *s, ap_sum *m)
{
	bool neg = sum_neg(s);

	*m = *s;
	if (neg)
		sum_negate(m);
	return neg;
}

bool ap_sum_add(ap_sum *s, const ap_sum *t)
{
	ap_sum r;
	ap_u128 acc = 0;

	for (int i = 0; i < 4; i++) {
		acc += (ap_u128)s->w[i] + t->w[i];
		r.w[i] = (uint64_t)acc;
		acc >>= 64;
	}
	if (sum_neg(s) == sum_neg(t) && sum_neg(&r) != sum_neg(s))
		return false;
	*s = r;
	return true;
}

/* 128 x 128 -> 256 bits, unsigned. */
static void mul_wide(ap_u128 a, ap_u128 b, ap_sum *r)
{
	uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
	ap_u128 p00 = (ap_u128)a0 * b0, p01 = (ap_u128)a0 * b1, p10 = (ap_u128)a1 * b0, p11 = (ap_u128)a1 * b1;
	ap_u128 mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;
	ap_u128 top = p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64);

	r->w[0] = (uint64_t)p00;
	r->w[1] = (uint64_t)mid;
	r->w[2] = (uint64_t)top;
	r->w[3] = (uint64_t)(top >> 64);
}

bool ap_sum_addmul(ap_sum *s, ap_dec price, ap_dec qty)
{
	ap_sum prod;

	mul_wide(mag128(price.e18), mag128(qty.e18), &prod);
	if ((price.e18 < 0) != (qty.e18 < 0))
		sum_negate(&prod);
	return ap_sum_add(s, &prod);
}

int ap_sum_cmp(const ap_sum *a, const ap_sum *b)
{
	if (sum_neg(a) != sum_neg(b))
		return sum_neg(a) ? -1 : 1;
	for (int i = 3; i >= 0; i--)
		if (a->w[i] != b->w[i])
			return a->w[i] < b->w[i] ? -1 : 1;
	return 0;
}

/* m = m x f + add, unsigned; false when a carry leaves the 256 bits. */
static bool mul_small(ap_sum *m, uint64_t f, uint64_t add)
{
	ap_u128 acc = add;

	for (int i = 0; i < 4; i++) {
		acc += (ap_u128)m->w[i] * f;
		m->w[i] = (uint64_t)acc;
		acc >>= 64;
	}
	return acc == 0;
}

/* m = m / d, unsigned; returns the remainder. */
static uint64_t div_small(ap_sum *m, uint64_t d)
{
	ap_u128 cur = 0;
	int i = 3;

	while (i > 0 && m->w[i] == 0)
		i--;
	for (; i >= 0; i--) {
		cur = cur << 64 | m->w[i];
		if (cur >> 64 == 0) {
			m->w[i] = (uint64_t)cur / d;
			cur = (uint64_t)cur % d;
		} else {
			ap_u128 q = cur / d;
			m->w[i] = (uint64_t)q;
			cur -= q * d;
		}
	}
	return (uint64_t)cur;
}

/*
 * n / d for d >= 2^64, unsigned: quotient (at most 192 bits) to q, remainder returned.
 * Long division with 64-bit digits (Knuth, The Art of Computer Programming vol. 2, 4.3.1, algorithm D, for a
 * divisor of two digits): each digit is guessed from the divisor's top digit and corrected at most twice.
 */
static ap_u128 div_long(const ap_sum *n, ap_u128 d, ap_sum *q)
{
	unsigned s = (unsigned)__builtin_clzll((uint64_t)(d >> 64));
	uint64_t u[5], d1, d0;

	d <<= s;
	d1 = (uint64_t)(d >> 64);
	d0 = (uint64_t)d;
	u[4] = s == 0 ? 0 : n->w[3] >> (64 - s);
	for (int i = 3; i >= 0; i--)
		u[i] = n->w[i] << s | (s == 0 || i == 0 ? 0 : n->w[i - 1] >> (64 - s));
	q->w[3] = 0;
	for (int j = 2; j >= 0; j--) {
		ap_u128 head = (ap_u128)u[j + 2] << 64 | u[j + 1], g, r, low, t;

		/* The true digit is below 2^64, the guess may be above it. */
		g = u[j + 2] >= d1 ? UINT64_MAX : head / d1;
		r = head - g * d1;
		while (r >> 64 == 0 && g * d0 > (r << 64 | u[j])) {
			g--;
			r += d1;
		}
		/* u[j+2..j] -= g x d; it stays below d, so two digits are left. */
		low = (ap_u128)u[j + 1] << 64 | u[j];
		t = g * d0;
		low -= t;
		low -= g * d1 << 64;
		u[j + 2] = 0;
		u[j + 1] = (uint64_t)(low >> 64);
		u[j] = (uint64_t)low;
		q->w[j] = (uint64_t)g;
	}
	return ((ap_u128)u[1] << 64 | u[0]) >> s;
}

/* n / d, unsigned, d > 0. */
static ap_u128 div_wide(const ap_sum *n, ap_u128 d, ap_sum *q)
{
	if ((n->w[3] | n->w[2]) == 0) {
		ap_u128 v = (ap_u128)n->w[1] << 64 | n->w[0], t = v / d;
		*q = (ap_sum){ { (uint64_t)t, (uint64_t)(t >> 64), 0, 0 } };
		return v - t * d;
	}
	if (d >> 64 == 0) {
		*q = *n;
		return div_small(q, (uint64_t)d);
	}
	return div_long(n, d, q);
}

bool ap_sum_div(const ap_sum *num, ap_dec den, unsigned digits, ap_dec *out)
{
	ap_sum n, q;
	ap_u128 d = mag128(den.e18), r, v, unit, rest;
	bool neg, up;

	assert(digits <= 18);
	if (d == 0)
		return false;
	neg = sum_mag(num, &n) != (den.e18 < 0);
	r = div_wide(&n, d, &q);
	v = (ap_u128)q.w[1] << 64 | q.w[0];
	if ((q.w[3] | q.w[2]) != 0 || v >= E36)
		return false;
	/* v + r/d in units of 1e-18, to be rounded to a multiple of unit: compare what is over with half a unit. */
	unit = pow10_u64[18 - digits];
	rest = v % unit;
	v -= rest;
	if (unit == 1)
		up = r > d - r || (r == d - r && (v & 1) != 0);
	else if (rest == unit / 2 && r == 0)
		up = (v / unit & 1) != 0;
	else
		up = rest >= unit / 2;
	if (up)
		v += unit;
	if (v >= E36)
		return false;
	out->e18 = with_sign(v, neg);
	return true;
}

/* --- sums as text ------------------------------------------------------------- */

size_t ap_sum_format(const ap_sum *s, char out[AP_SUM_TEXT])
{
	char *p = out;
	uint64_t limb[5];       /* base 1e18, least first; the first two are the fraction */
	unsigned top = 4;
	ap_sum m;

	if (sum_mag(s, &m))
		*p++ = '-';
	for (int i = 0; i < 5; i++)
		limb[i] = div_small(&m, E18);
	while (top > 2 && limb[top] == 0)
		top--;
	p = put_u64(p, limb[top]);
	while (top-- > 2)
		p = put_padded(p, limb[top], 18);
	if ((limb[1] | limb[0]) != 0) {
		*p++ = '.';
		p = put_padded(p, limb[1], 18);
		p = put_padded(p, limb[0], 18);
		while (p[-1] == '0')
			p--;
	}
	*p = '\0';
	return (size_t)(p - out);
}

enum ap_dec_rc ap_sum_parse(const char *t, size_t len, ap_sum *out)
{
	const char *p = t, *end = t + len;
	bool neg = false, dot = false, any = false;
	ap_sum m = { { 0 } };
	unsigned nf = 0, zeros = 0;     /* zeros: held back, since they may be trailing */

	if (len == 0 || len > AP_DEC_IN_MAX)
		return AP_DEC_SYNTAX;
	if (*p == '-' || *p == '+')
		neg = *p++ == '-';
	for (; p < end; p++) {
		if (*p == '.' && !dot) {
			dot = true;
			continue;
		}
		if (!is_digit(*p))
			return AP_DEC_SYNTAX;
		any = true;
		if (dot && *p == '0') {
			zeros++;
			continue;
		}
		for (; zeros > 0; zeros--, nf++)
			if (!mul_small(&m, 10, 0))
				return AP_DEC_RANGE;
		if (!mul_small(&m, 10, (uint64_t)(*p - '0')))
			return AP_DEC_RANGE;
		nf += dot;
	}
	if (!any)
		return AP_DEC_SYNTAX;
	if (nf > 36)
		return AP_DEC_RANGE;
	for (; nf < 36; nf++)
		if (!mul_small(&m, 10, 0))
			return AP_DEC_RANGE;
	if (neg)
		sum_negate(&m);
	if (!ap_sum_is_zero(&m) && sum_neg(&m) != neg)
		return AP_DEC_RANGE;
	*out = m;
	return AP_DEC_OK;
}

/* --- lowest terms ------------------------------------------------------------- */

unsigned ap_dec_lowest(ap_dec d, ap_i128 *m)
{
	ap_u128 whole;
	uint64_t frac;
	unsigned s;

	split_e18(mag128(d.e18), &whole, &frac);
	if (frac == 0) {
		*m = with_sign(whole, d.e18 < 0);
		return 0;
	}
	s = 18 - strip_zeros(&frac);
	assert(s >= 1 && s <= 18);
	*m = with_sign(whole * pow10_u64[s] + frac, d.e18 < 0);
	return s;
}

bool ap_dec_scaled(ap_i128 m, unsigned s, ap_dec *out)
{
	ap_u128 v = mag128(m);

	if (s > 18)
		return false;
	if (v > (E36 - 1) / pow10_u64[18 - s])
		return false;
	out->e18 = with_sign(v * pow10_u64[18 - s], m < 0);
	return true;
}

unsigned ap_sum_lowest(const ap_sum *v, ap_sum *m)
{
	bool neg = sum_mag(v, m);
	unsigned s = 36;
	static const struct {
		uint64_t p;
		unsigned n;
	} step[] = { { 1000000000000000000u, 18 }, { 1000000000000000000u, 18 }, { 1000000000u, 9 }, { 10000u, 4 },
		     { 100u, 2 }, { 100u, 2 }, { 10u, 1 } };

	for (unsigned i = 0; i < sizeof step / sizeof step[0] && s > 0; i++) {
		ap_sum t = *m;

		if (step[i].n <= s && div_small(&t, step[i].p) == 0) {
			*m = t;
			s -= step[i].n;
		}
	}
	if (neg)
		sum_negate(m);
	return s;
}

bool ap_sum_scaled(const ap_sum *m, unsigned s, ap_sum *out)
{
	ap_sum v;
	bool neg = sum_mag(m, &v);
	unsigned up;

	if (s > 36)
		return false;
	for (up = 36 - s; up > 0;) {
		unsigned n = up > 18 ? 18 : up;

		if (!mul_small(&v, pow10_u64[n], 0))
			return false;
		up -= n;
	}
	if (neg)
		sum_negate(&v);
	if (!ap_sum_is_zero(&v) && sum_neg(&v) != neg)
		return false;
	*out = v;
	return true;
}

/* --- doubles ------------------------------------------------------------------ */

/* n / d as the nearest double, ties to even; n > 0. The results of both callers are normal numbers. */
static double ratio_to_double(const ap_sum *n, ap_u128 d)
{
	ap_sum x = *n, q;
	ap_u128 r, top;
	int shift = 0, hi = 3, bits;
	uint64_t m, low;
	bool sticky;

	/* Shift n up to 256 bits, so that the quotient has far more than the 54 bits that decide. */
	while (x.w[3] == 0) {
		x = (ap_sum){ { 0, x.w[0], x.w[1], x.w[2] } };
		shift += 64;
	}
	bits = __builtin_clzll(x.w[3]);
	if (bits > 0)
		for (int i = 3; i >= 0; i--)
			x.w[i] = x.w[i] << bits | (i == 0 ? 0 : x.w[i - 1] >> (64 - bits));
	shift += bits;
	r = div_wide(&x, d, &q);
	while (q.w[hi] == 0)
		hi--;
	assert(hi >= 1);        /* 256 bits over less than 128 */
	top = (ap_u128)q.w[hi] << 64 | q.w[hi - 1];
	bits = __builtin_clzll(q.w[hi]);
	top <<= bits;           /* may leave out bits of the next word: they are sticky below */
	m = (uint64_t)(top >> 75);      /* 53 bits */
	sticky = r != 0;
	for (int i = 0; i < hi - 1; i++)
		sticky = sticky || q.w[i] != 0;
	low = (uint64_t)(top >> 74) & 1;
	sticky = sticky || (top & (((ap_u128)1 << 74) - 1)) != 0;
	if (low != 0 && (sticky || (m & 1) != 0))
		m++;
	return ldexp((double)m, 75 - bits + 64 * (hi - 1) - shift);
}

/* 10^n for n <= 22 is a double exactly. */
static const double pow10_exact[19] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
					1e14, 1e15, 1e16, 1e17, 1e18 };

double ap_dec_to_double(ap_dec d)
{
	ap_u128 v = mag128(d.e18);
	ap_i128 m;
	unsigned s = ap_dec_lowest(d, &m);
	ap_sum n;
	double r;

	/* Both exact as doubles: the one division is the one rounding. */
	if (mag128(m) <= (ap_u128)1 << 53)
		return (double)(int64_t)m / pow10_exact[s];
	n = (ap_sum){ { (uint64_t)v, (uint64_t)(v >> 64), 0, 0 } };
	r = ratio_to_double(&n, E18);
	return d.e18 < 0 ? -r : r;
}

double ap_sum_to_double(const ap_sum *s)
{
	ap_sum m;
	bool neg = sum_mag(s, &m);
	double r;

	if (ap_sum_is_zero(&m))
		return 0;
	r = ratio_to_double(&m, E36);
	return neg ? -r : r;
}
