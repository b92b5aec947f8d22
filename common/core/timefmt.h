/*
 * timefmt.h - instants as text and numbers. Knows no clock: time is a parameter.
 */
#ifndef AP_TIMEFMT_H
#define AP_TIMEFMT_H

#include "base.h"

enum { AP_TS_TEXT = 40 };

/*
 * RFC 3339 ("2026-01-02T03:04:05.678901234Z", offsets, lower case t/z, a blank for T) or a
 * decimal number of seconds, ms, us or ns since 1970, told apart by magnitude of the integer part:
 * < 1e11 seconds, < 1e14 ms, < 1e17 us, else ns. Fractions are kept to the ns, exactly (no double).
 * Returns false when it is neither or leaves 1970..2262.
 */
bool ap_ts_parse(ap_str text, ap_ts *out);
/* RFC 3339 in UTC with `frac_digits` (0, 3, 6 or 9) digits. Returns the length. */
size_t ap_ts_format(ap_ts ts, unsigned frac_digits, char out[AP_TS_TEXT]);
static inline int64_t ap_ts_ms(ap_ts ts)
{
	return ts.ns / 1000000;
}

/* Entry ids: "ms-seq". ap_id_parse takes exactly that. */
bool ap_id_parse(ap_str text, ap_id *out);
size_t ap_id_format(ap_id id, char out[AP_ID_TEXT]);

#endif
