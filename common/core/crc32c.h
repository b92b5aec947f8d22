/*
 * crc32c.h - CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected; RFC 3720 appendix B.4 has test vectors).
 */
#ifndef AP_CRC32C_H
#define AP_CRC32C_H

#include "base.h"

/* The CRC of n more bytes after `crc` (0 for the first ones, or any number that both sides know: a salt). */
uint32_t ap_crc32c(uint32_t crc, const void *p, size_t n);
/* The same on any processor: what ap_crc32c falls back to, and is tested against. */
uint32_t ap_crc32c_tables(uint32_t crc, const void *p, size_t n);

#endif
