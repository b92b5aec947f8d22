/*
 * recjson.h - a record as one JSON object (no newline): what `apctl tail` prints, what the API sends.
 *
 * Decimals are JSON numbers with all their digits; texts are escaped; times are RFC 3339 strings in UTC.
 */
#ifndef AP_RECJSON_H
#define AP_RECJSON_H

#include "buf.h"
#include "rec.h"

void ap_rec_json(struct ap_buf *b, const struct ap_rec *rec);
/* A JSON string literal of any bytes: invalid UTF-8 becomes U+FFFD, control characters are escaped. */
void ap_json_string(struct ap_buf *b, ap_str s);
/* A finite double, shortest text that reads back the same; NaN and inf become null. */
void ap_json_double(struct ap_buf *b, double v);

#endif
