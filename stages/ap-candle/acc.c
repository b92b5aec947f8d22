/*
 * acc.c - which of two trades came first, by what they say themselves; and the average price.
 */
#include "acc.h"

enum id_class { ID_NONE, ID_INTEGER, ID_OTHER };

static enum id_class id_class(ap_str id)
{
	if (id.len == 0)
		return ID_NONE;
	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] < '0' || id.p[i] > '9')
			return ID_OTHER;
	return ID_INTEGER;
}

int candle_id_cmp(ap_str a, ap_str b)
{
	const enum id_class ca = id_class(a), cb = id_class(b);
	const size_t least = a.len < b.len ? a.len : b.len;
	int c;

	if (ca != cb)
		return ca < cb ? -1 : 1;
	if (ca == ID_INTEGER && a.len != b.len)
		return a.len < b.len ? -1 : 1;
	c = least == 0 ? 0 : memcmp(a.p, b.p, least);
	if (c != 0 || a.len == b.len)
		return c;
	return a.len < b.len ? -1 : 1;
}

enum { VWAP_UNIT = 1000000 };           /* units of 1e-18 in one of the twelfth decimal */

/*
 * Three words over two, where the quotient fits one: the estimate from the top words of the shifted operands is at
 * most two too large (Knuth, The Art of Computer Programming, vol. 2, 4.3.1, theorem B), and the remainder tells.
 */
static uint64_t divide_3_by_2(const uint64_t n[3], ap_u128 d, ap_u128 *rest)
{
	const int shift = __builtin_clzll((uint64_t)(d >> 64));
	const ap_u128 ds = d << shift;
	const uint64_t d1 = (uint64_t)(ds >> 64), d0 = (uint64_t)ds;
	const uint64_t n2 = shift == 0 ? n[2] : n[2] << shift | n[1] >> (64 - shift);
	const uint64_t n1 = shift == 0 ? n[1] : n[1] << shift | n[0] >> (64 - shift);
	const uint64_t n0 = n[0] << shift;
	const ap_u128 top = (ap_u128)n2 << 64 | n1;
	uint64_t q = n2 >= d1 ? UINT64_MAX : (uint64_t)(top / d1);
	ap_u128 r = top - (ap_u128)q * d1;

	while (r >> 64 == 0 && (ap_u128)q * d0 > (r << 64 | n0)) {
		q--;
		r += d1;
	}
	*rest = ((r << 64 | n0) - (ap_u128)q * d0) >> shift;
	return q;
}

ap_dec candle_vwap(const ap_sum *qv, ap_i128 vol_e18)
{
	const ap_u128 d = (ap_u128)vol_e18 * VWAP_UNIT;
	ap_dec out = { 0 };
	ap_u128 rest;
	uint64_t q;

	if (vol_e18 <= 0)
		return out;
	/* 2^107 x 10^6 fits; a quotient of one word needs the dividend below d x 2^64. */
	if (vol_e18 >> 107 != 0 || d >> 64 == 0 || qv->w[3] != 0 || ((ap_u128)qv->w[2] << 64 | qv->w[1]) >= d) {
		(void)ap_sum_div(qv, (ap_dec){ vol_e18 }, 12, &out);
		return out;
	}
	q = divide_3_by_2(qv->w, d, &rest);
	if (rest > d - rest || (rest == d - rest && (q & 1) != 0))
		out.e18 = ((ap_i128)q + 1) * VWAP_UNIT;
	else
		out.e18 = (ap_i128)q * VWAP_UNIT;
	return out;
}
