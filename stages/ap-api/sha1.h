/*
 * sha1.h - SHA-1 (FIPS 180-4), which RFC 6455 asks for in the WebSocket handshake. Not for anything secret.
 */
#ifndef AP_API_SHA1_H
#define AP_API_SHA1_H

#include "../../common/core/base.h"

void api_sha1(const void *p, size_t len, uint8_t out[20]);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). False: not a key of 16 bytes in base64. */
bool api_ws_accept(ap_str key, char out[29]);

#endif
