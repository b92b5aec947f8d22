/*
 * zone.h - a time zone read from the bytes of a TZif file (RFC 8536), as tzdata ships them.
 *
 * Knows no files: whoever has the bytes hands them in.
 */
#ifndef AP_CANDLE_ZONE_H
#define AP_CANDLE_ZONE_H

#include "common/core/base.h"

enum { CANDLE_ZONE_BYTES_MAX = 65536 };

struct candle_shift {
	int64_t at_s;                   /* from this instant on (UTC, s since 1970) ... */
	int32_t offset_s;               /* ... local time is UTC plus this */
};

struct candle_zone {
	struct candle_shift *shift;     /* ascending; shift[0].at_s == INT64_MIN */
	uint32_t n;
};

/* Reads the file's bytes; the rule in its footer is worked out to the year 2262. False: not such a file. Pair with _done. */
bool candle_zone_parse(struct candle_zone *z, ap_str bytes);
/* From a rule alone: "EST5EDT,M3.2.0,M11.1.0". */
bool candle_zone_rule(struct candle_zone *z, ap_str rule);
void candle_zone_done(struct candle_zone *z);
/* What is added to UTC at this instant, s. */
int32_t candle_zone_offset(const struct candle_zone *z, int64_t utc_s);
/* The span [from, to) of one offset that holds the instant. */
void candle_zone_span(const struct candle_zone *z, int64_t utc_s, int64_t *from_s, int64_t *to_s);
/* The instant of a local time: the first if the clocks show it twice, the end of the gap if they skip it. */
int64_t candle_zone_utc(const struct candle_zone *z, int64_t local_s);

#endif
