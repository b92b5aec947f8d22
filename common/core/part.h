/*
 * part.h - which partition a series lives in. Frozen by test vectors.
 */
#ifndef AP_PART_H
#define AP_PART_H

#include "base.h"

/* XXH64(source "\0" symbol, seed 0) mod parts; symbol in canonical spelling. parts >= 1. */
unsigned ap_part(ap_str source, ap_str symbol, unsigned parts);

#endif
