/*
 * dec.h - exact decimals: prices and quantities in units of 1e-18 (128 bits), and
 * sums of price x quantity in units of 1e-36 (256 bits).
 *
 * No floating point anywhere, except in the two functions that hand a value to the
 * indicators, and those round correctly (nearest, ties to even).
 */
#ifndef AP_DEC_H
#define AP_DEC_H

#include "base.h"

__extension__ typedef __int128 ap_i128;
__extension__ typedef unsigned __int128 ap_u128;

/* A decimal in units of 1e-18; |value| < 1e18, so |e18| < 1e36. */
typedef struct {
	ap_i128 e18;
} ap_dec;

/* A sum of products in units of 1e-36: two's complement, w[0] least significant. */
typedef struct {
	uint64_t w[4];
} ap_sum;

enum {
	AP_DEC_TEXT = 48,       /* bytes that hold any ap_dec as text, with NUL */
	AP_SUM_TEXT = 96,       /* bytes that hold any ap_sum as text, with NUL */
	AP_DEC_IN_MAX = 128,    /* longest numeral accepted, bytes */
};

enum ap_dec_rc {
	AP_DEC_OK,
	AP_DEC_ROUNDED,         /* more than 18 fractional digits: rounded half-even */
	AP_DEC_SYNTAX,          /* not a decimal numeral (also NaN, inf, empty, blanks) */
	AP_DEC_RANGE,           /* more than 18 integer digits */
};

/*
 * Reads a decimal numeral: [+-]digits[.digits][(e|E)[+-]digits]; ".5" and "5." are accepted.
 * The whole text must be the numeral. *out is set on OK and ROUNDED only.
 */
enum ap_dec_rc ap_dec_parse(const char *s, size_t len, ap_dec *out);

/* Canonical text: no exponent, no trailing zeros, "-" only for negatives, "0" for zero. Returns its length. */
size_t ap_dec_format(ap_dec d, char out[AP_DEC_TEXT]);

/* a + b; false if the result leaves 128 bits (then *out is untouched). */
bool ap_dec_add(ap_dec a, ap_dec b, ap_dec *out);
static inline int ap_dec_cmp(ap_dec a, ap_dec b)
{
	return a.e18 == b.e18 ? 0 : a.e18 < b.e18 ? -1 : 1;
}
/* An integer as a decimal. */
ap_dec ap_dec_int(int64_t v);
/* Nearest double, ties to even. */
double ap_dec_to_double(ap_dec d);

/* *s += price * qty, exactly; false on overflow of 256 bits (then *s is untouched). */
bool ap_sum_addmul(ap_sum *s, ap_dec price, ap_dec qty);
/* *s += *t; false on overflow (then *s is untouched). */
bool ap_sum_add(ap_sum *s, const ap_sum *t);
int ap_sum_cmp(const ap_sum *a, const ap_sum *b);
static inline bool ap_sum_is_zero(const ap_sum *s)
{
	return (s->w[0] | s->w[1] | s->w[2] | s->w[3]) == 0;
}
/* Canonical text, up to 36 fractional digits. Returns its length. */
size_t ap_sum_format(const ap_sum *s, char out[AP_SUM_TEXT]);
/* Reads what ap_sum_format writes (and any plain decimal numeral that fits exactly). */
enum ap_dec_rc ap_sum_parse(const char *t, size_t len, ap_sum *out);
/* num / den rounded half-even at `digits` (0..18) fractional digits; false if den == 0 or out of range. */
bool ap_sum_div(const ap_sum *num, ap_dec den, unsigned digits, ap_dec *out);
/* Nearest double, ties to even. */
double ap_sum_to_double(const ap_sum *s);

/*
 * Lowest terms, as they stand on the wire: value = m x 10^-s with the least s (dec: 0..18, sum: 0..36), so
 * that m has no trailing decimal zero unless s == 0. Returns s.
 */
unsigned ap_dec_lowest(ap_dec d, ap_i128 *m);
unsigned ap_sum_lowest(const ap_sum *v, ap_sum *m);
/* The way back; false when m x 10^-s is out of range (or s is). Any m is taken, in lowest terms or not. */
bool ap_dec_scaled(ap_i128 m, unsigned s, ap_dec *out);
bool ap_sum_scaled(const ap_sum *m, unsigned s, ap_sum *out);

#endif
