/*
 * pack.h - doubles in few bytes, without losing a bit.
 *
 * Prices and volumes come from short decimals, and most doubles that are kept for later are such values still. A double
 * that is m / 10^s for an s of 0, 2, 4 or 8 is written as one varint, any other as a byte and its eight. Zero takes one byte.
 *
 *   varint u:  u % 5 = 0..3: scale 0 2 4 8, (u / 5) % 2: sign, u / 10: m     u = 4: 8 bytes follow, little-endian
 */
#ifndef AP_INDICATORS_PACK_H
#define AP_INDICATORS_PACK_H

#include <stdbool.h>
#include <stdint.h>

enum { PACK_MAX = 9, PACK_VARINT_MAX = 10 };   /* bytes of one double, of one varint */

/* Write at p, return what is behind; the caller has PACK_MAX (PACK_VARINT_MAX) bytes. */
uint8_t *pack_double(uint8_t *p, double v);
uint8_t *pack_varint(uint8_t *p, uint64_t v);

/* Read at *p and move it on. False: the bytes end too early, or are none that were written. */
bool unpack_double(const uint8_t **p, const uint8_t *end, double *v);
bool unpack_varint(const uint8_t **p, const uint8_t *end, uint64_t *v);

#endif
