/*
 * wire.h - records as bytes: frames of msgpack.
 *
 * A frame's body is records back to back, each a flat msgpack array [kind, fields...]:
 * depth 1, element counts fixed per kind (indicators: 8 + 3n). The decoder checks every
 * count against the bytes left before it looks at an element; it allocates nothing.
 * Decimals are two elements: integer m (or big-endian two's complement bytes when m needs more than
 * 64 bits) and scale s, value m x 10^-s, in lowest terms, so that equal values have equal bytes.
 * The full drawing is in schema/streams.md.
 */
#ifndef AP_WIRE_H
#define AP_WIRE_H

#include "buf.h"
#include "rec.h"

enum {
	AP_WIRE_V = 1,                  /* field `v` of every entry */
	AP_FRAME_RECS = 512,            /* records in a frame, at most */
	AP_REVISED_WEIGHT = 16,         /* a revised candle in a frame we write counts as this many */
	AP_FRAME_BYTES = 256 * 1024,    /* bytes of a body, at most */
};

/* Appends one record. The caller keeps to AP_FRAME_RECS and AP_FRAME_BYTES. False: buffer full. */
bool ap_wire_put(struct ap_buf *b, const struct ap_rec *rec);
/* Upper bound of the bytes ap_wire_put will need for this record. */
size_t ap_wire_size(const struct ap_rec *rec);

enum ap_wire_rc { AP_WIRE_OK, AP_WIRE_END, AP_WIRE_BAD };

struct ap_wire_iter {
	const uint8_t *p, *end;
	uint32_t left;          /* records still announced */
	uint32_t idx;
	const char *why;        /* after AP_WIRE_BAD: what was wrong */
	struct ap_value values[AP_VALUES_MAX];  /* the current indicator record's */
};

/* Starts reading a body of n announced records. */
void ap_wire_start(struct ap_wire_iter *it, ap_str body, uint32_t n);
/*
 * The next record; its texts are views into the body. END exactly after n records and
 * the last byte; BAD for anything else, once and for good (it->why says what).
 * rec->idx is set, rec->id is left to the caller.
 */
enum ap_wire_rc ap_wire_next(struct ap_wire_iter *it, struct ap_rec *rec);

#endif
