/*
 * sha1.c - SHA-1 over one contiguous text, and base64 of its result.
 */
#include "sha1.h"

static uint32_t rol(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void block(uint32_t h[5], const uint8_t *p)
{
	static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	for (unsigned i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (unsigned i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (unsigned i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
		uint32_t t = rol(a, 5) + f + e + k[i / 20] + w[i];
		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void api_sha1(const void *p, size_t len, uint8_t out[20])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	const uint8_t *at = p;
	size_t left = len;
	for (; left >= 64; left -= 64, at += 64)
		block(h, at);
	uint8_t tail[128] = { 0 };
	size_t n = left < 56 ? 64 : 128;
	if (left > 0)
		memcpy(tail, at, left);
	tail[left] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		tail[n - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
	block(h, tail);
	if (n == 128)
		block(h, tail + 64);
	for (unsigned i = 0; i < 20; i++)
		out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool api_ws_accept(ap_str key, char out[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[24 + sizeof guid];
	uint8_t sum[21] = { 0 };
	if (key.len != 24 || memcmp(key.p + 22, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < 22; i++)
		if (key.p[i] == '\0' || strchr(digits, key.p[i]) == NULL)
			return false;
	memcpy(text, key.p, 24);
	memcpy(text + 24, guid, sizeof guid);
	api_sha1(text, 24 + sizeof guid - 1, sum);
	for (size_t i = 0; i < 7; i++) {
		uint32_t v = (uint32_t)sum[3 * i] << 16 | (uint32_t)sum[3 * i + 1] << 8 | sum[3 * i + 2];
		for (size_t k = 0; k < 4; k++)
			out[4 * i + k] = digits[v >> (18 - 6 * k) & 63];
	}
	out[27] = '=';
	out[28] = '\0';
	return true;
}
