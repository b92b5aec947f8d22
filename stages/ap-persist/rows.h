/*
 * rows.h - rows in PostgreSQL's binary COPY format, one buffer a table.
 *
 * A row on the wire:
 *     int16 fields | per field: int32 bytes (-1: NULL), bytes      all big-endian
 * numeric: int16 digits, int16 weight, int16 sign (0x4000: negative), int16 scale, then base-10000 digits; the value
 *     is the sum of digit[i] x 10000^(weight - i). The scale only says how many decimals are printed.
 * timestamptz: int64 microseconds since 2000-01-01. jsonb: one byte 1, then the text.
 * (src/backend/utils/adt: numeric_recv, timestamptz_recv, jsonb_recv; commands/copyfromparse.c)
 *
 * Texts are made fit for PostgreSQL: what is not UTF-8, and NUL, becomes U+FFFD.
 */
#ifndef AP_PERSIST_ROWS_H
#define AP_PERSIST_ROWS_H

#include "common/core/buf.h"
#include "common/core/dec.h"

enum {
	ROWS_BYTES_MAX = 64 << 20,      /* one table's rows of one transaction, at most */
	ROWS_HEAD = 19,                 /* bytes before the first row of a COPY */
};

struct rows {
	struct ap_buf buf;      /* rows back to back, without header and trailer */
	uint32_t *end;          /* where row i ends in buf */
	size_t n, cap;          /* rows there are; room in end */
	unsigned fields;        /* of every row */
	unsigned put;           /* fields put into the row being built */
	size_t open_at;         /* where it starts */
	size_t json_at;         /* where the JSON field being built starts */
	bool revised;           /* one of them has a revision > 0: likely to meet an older self */
};

void rows_init(struct rows *r, unsigned fields);
void rows_done(struct rows *r);
void rows_clear(struct rows *r);

/* A row: begin, each field once in the table's order, end. end: false when memory ran out; the row is then not there. */
void rows_begin(struct rows *r);
bool rows_end(struct rows *r);

void rows_null(struct rows *r);
void rows_text(struct rows *r, ap_str s);
/* NULL when empty. */
void rows_text_or_null(struct rows *r, ap_str s);
void rows_bool(struct rows *r, bool v);
void rows_i32(struct rows *r, int32_t v);
void rows_i64(struct rows *r, int64_t v);
void rows_f64(struct rows *r, double v);
/* ns since 1970, floored to the microsecond. */
void rows_time(struct rows *r, int64_t ns);
void rows_dec(struct rows *r, ap_dec d);
void rows_sum(struct rows *r, const ap_sum *s);
/* The shortest numeral that reads back as v; NULL for NaN and infinities. */
void rows_num(struct rows *r, double v);
/* JSON text that is known to be valid for jsonb. */
void rows_json(struct rows *r, ap_str text);
/* The same built in place: put into the buffer returned, then rows_json_end. */
struct ap_buf *rows_json_begin(struct rows *r);
void rows_json_end(struct rows *r);

/* A JSON string literal that jsonb takes: invalid UTF-8 and NUL become U+FFFD. */
void rows_json_string(struct ap_buf *b, ap_str s);
/*
 * Whether a valid JSON text is one jsonb takes too: no \u0000, no half of a surrogate pair, no number
 * beyond what numeric holds.
 */
bool rows_json_fits(ap_str valid_json);

/* "PGCOPY\n\377\r\n\0", flags, extension length: what goes before the rows. The trailer is two bytes 0xff. */
extern const char rows_head[ROWS_HEAD];

#endif
