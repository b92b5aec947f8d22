/*
 * crc32c.c - CRC-32C, eight bytes a step: by tables, or by the processor's own instruction where it has one.
 *
 * Knows nothing of what it sums up. The eight tables are constants: a table's entry i is the exclusive or of its entries
 * at the single bits of i, so that eight numbers make a table of 256.
 */
#include "crc32c.h"

#define PICK(i, k, v) (((i) >> (k) & 1) != 0 ? (v) : 0u)
#define T1(i, a, b, c, d, e, f, g, h) \
	(PICK(i, 0, a) ^ PICK(i, 1, b) ^ PICK(i, 2, c) ^ PICK(i, 3, d) ^ PICK(i, 4, e) ^ PICK(i, 5, f) ^ PICK(i, 6, g) ^ PICK(i, 7, h))
#define T4(i, ...) T1((i), __VA_ARGS__), T1((i) + 1, __VA_ARGS__), T1((i) + 2, __VA_ARGS__), T1((i) + 3, __VA_ARGS__)
#define T16(i, ...) T4((i), __VA_ARGS__), T4((i) + 4, __VA_ARGS__), T4((i) + 8, __VA_ARGS__), T4((i) + 12, __VA_ARGS__)
#define T64(i, ...) T16((i), __VA_ARGS__), T16((i) + 16, __VA_ARGS__), T16((i) + 32, __VA_ARGS__), T16((i) + 48, __VA_ARGS__)
#define T256(...) { T64(0u, __VA_ARGS__), T64(64u, __VA_ARGS__), T64(128u, __VA_ARGS__), T64(192u, __VA_ARGS__) }

/* tab[k][b]: what byte b becomes when k more bytes follow it. */
static const uint32_t tab[8][256] = {
	T256(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
	T256(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
	T256(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
	T256(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
	T256(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
	T256(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
	T256(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
	T256(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};

static inline uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t by_tables(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		const uint32_t a = word(p) ^ crc, b = word(p + 4);

		crc = tab[7][a & 255] ^ tab[6][a >> 8 & 255] ^ tab[5][a >> 16 & 255] ^ tab[4][a >> 24] ^ tab[3][b & 255] ^
		      tab[2][b >> 8 & 255] ^ tab[1][b >> 16 & 255] ^ tab[0][b >> 24];
	}
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ tab[0][(crc ^ *p) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t wide = crc, eight;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&eight, p, sizeof eight);
		wide = __builtin_ia32_crc32di(wide, eight);
	}
	for (crc = (uint32_t)wide; n > 0; n--, p++)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

uint32_t ap_crc32c(uint32_t crc, const void *src, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~crc, src, n);
#endif
	return ~by_tables(~crc, src, n);
}

uint32_t ap_crc32c_tables(uint32_t crc, const void *src, size_t n)
{
	return ~by_tables(~crc, src, n);
}
