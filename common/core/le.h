/*
 * le.h - whole numbers as little-endian bytes: journals, saved states, files of frames.
 */
#ifndef AP_LE_H
#define AP_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* The low `bytes` bytes of v, at most 8, to p. */
static inline void ap_le_put(uint8_t *p, uint64_t v, unsigned bytes)
{
	v = htole64(v);
	memcpy(p, &v, bytes);
}

/* The number that `bytes` bytes at p say, at most 8. */
static inline uint64_t ap_le_get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return le64toh(v);
}

/* The same for numbers one behind the other: what stands behind this one. */
static inline uint8_t *ap_le_push(uint8_t *p, uint64_t v, unsigned bytes)
{
	ap_le_put(p, v, bytes);
	return p + bytes;
}

static inline const uint8_t *ap_le_pull(const uint8_t *p, uint64_t *v, unsigned bytes)
{
	*v = ap_le_get(p, bytes);
	return p + bytes;
}

#endif
