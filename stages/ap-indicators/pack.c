/*
 * pack.c - see pack.h. Knows nothing of what the doubles mean.
 */
#include "stages/ap-indicators/pack.h"

#include <string.h>

enum { SCALES = 4, RAW = SCALES, CODES = SCALES + 1 };

static const double scale[SCALES] = { 1, 1e2, 1e4, 1e8 };

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

uint8_t *pack_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

bool unpack_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		const uint8_t b = *(*p)++;

		*v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return true;
	}
	return false;
}

uint8_t *pack_double(uint8_t *p, double v)
{
	const uint64_t bits = bits_of(v);
	const unsigned neg = (unsigned)(bits >> 63);
	const double a = neg ? -v : v;

	/* Below 2^48, so that it takes 8 bytes at most. A quotient of two exact doubles is rounded once: the test is exact. */
	for (unsigned s = 0; s < SCALES && a * scale[s] < 0x1p48; s++) {
		const uint64_t m = (uint64_t)(a * scale[s] + 0.5);
		const double back = (double)m / scale[s];

		if (bits_of(neg ? -back : back) == bits)
			return pack_varint(p, (m * 2 + neg) * CODES + s);
	}
	*p++ = RAW;
	for (int i = 0; i < 8; i++)
		*p++ = (uint8_t)(bits >> (8 * i));
	return p;
}

bool unpack_double(const uint8_t **p, const uint8_t *end, double *v)
{
	uint64_t u, digits, bits = 0;

	if (!unpack_varint(p, end, &u))
		return false;
	if (u == RAW) {
		if (end - *p < 8)
			return false;
		for (int i = 0; i < 8; i++)
			bits |= (uint64_t)*(*p)++ << (8 * i);
		memcpy(v, &bits, sizeof bits);
		return true;
	}
	if (u % CODES == RAW)
		return false;
	digits = u / (2 * CODES);
	*v = (double)digits / scale[u % CODES];
	if (u / CODES % 2 != 0)
		*v = -*v;
	return true;
}
