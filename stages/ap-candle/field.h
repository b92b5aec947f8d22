/*
 * field.h - numbers and texts in the values of saved fields: little-endian, of fixed width or in groups of seven bits.
 *
 * What stands in which field is said in state.c and quote_state.c.
 */
#ifndef AP_CANDLE_FIELD_H
#define AP_CANDLE_FIELD_H

#include "fold.h"

#include "common/core/le.h"
#include "common/core/symbol.h"

#include <assert.h>

enum {
	FIELD_V = 1,                    /* the first byte of every value */
	FIELD_SUM = 8,                  /* its last bytes: XXH3 of name and value */
	FIELD_NAME_MAX = 96,
	FIELD_GROUPS_MAX = 19,          /* 128 bits in groups */
};

/* A value being written, into memory that is known to hold it. */
struct field_wr {
	uint8_t *p, *from, *end;
};

static inline void field_put_bytes(struct field_wr *b, const void *p, size_t n)
{
	assert((size_t)(b->end - b->p) >= n);
	if (n > 0)
		memcpy(b->p, p, n);
	b->p += n;
}

static inline void field_put_u64(struct field_wr *b, uint64_t v)
{
	assert(b->end - b->p >= 8);
	ap_le_put(b->p, v, 8);
	b->p += 8;
}

/* So many words one after the other: their place is looked for once. */
static inline void field_put_words(struct field_wr *b, const uint64_t *w, size_t n)
{
	uint8_t *const p = b->p;

	assert((size_t)(b->end - p) >= n * 8);
	for (size_t i = 0; i < n; i++)
		ap_le_put(p + i * 8, w[i], 8);
	b->p = p + n * 8;
}

static inline void field_put_i64(struct field_wr *b, int64_t v)
{
	field_put_u64(b, (uint64_t)v);
}

static inline void field_put_u8(struct field_wr *b, uint8_t v)
{
	field_put_bytes(b, &v, 1);
}

static inline void field_put_i128(struct field_wr *b, ap_i128 v)
{
	field_put_u64(b, (uint64_t)(ap_u128)v);
	field_put_u64(b, (uint64_t)((ap_u128)v >> 64));
}

static inline void field_put_text(struct field_wr *b, ap_str s)
{
	uint8_t *const p = b->p;

	assert(s.len <= UINT8_MAX && (size_t)(b->end - p) > s.len);
	p[0] = (uint8_t)s.len;
	candle_text_copy(p + 1, s);
	b->p = p + 1 + s.len;
}

/* Seven bits a byte, least first. */
static inline void field_put_groups(struct field_wr *b, ap_u128 v)
{
	for (; v >= 0x80; v >>= 7)
		field_put_u8(b, (uint8_t)(v | 0x80));
	field_put_u8(b, (uint8_t)v);
}

/* The same of a number that may be negative: the sign moves to the lowest bit. */
static inline void field_put_diff(struct field_wr *b, ap_i128 v)
{
	field_put_groups(b, (ap_u128)v << 1 ^ (v < 0 ? ~(ap_u128)0 : 0));
}

uint64_t candle_field_sum(ap_str name, const uint8_t *value, size_t len);
/* Ends the value with its sum and hands the field on. */
void candle_field_out(struct ap_saver *to, ap_str name, struct field_wr *b);
/* letters[0]<no>:<open> of the smallest timeframe, letters[1]<no>:<tf>:<open> of the others. */
ap_str candle_slot_name(struct candle_fold_state *st, const char letters[2], const struct candle_series *ser, uint32_t lane, int64_t open_ms,
			char out[FIELD_NAME_MAX]);

/* A value being read; running off its end makes it bad, and what is read then is 0. */
struct field_rd {
	const uint8_t *p, *end;
	bool bad;
};

static inline uint64_t field_get_u64(struct field_rd *in)
{
	if (in->end - in->p < 8) {
		in->bad = true;
		return 0;
	}
	in->p += 8;
	return ap_le_get(in->p - 8, 8);
}

static inline int64_t field_get_i64(struct field_rd *in)
{
	return (int64_t)field_get_u64(in);
}

static inline uint8_t field_get_u8(struct field_rd *in)
{
	if (in->p == in->end) {
		in->bad = true;
		return 0;
	}
	return *in->p++;
}

static inline ap_i128 field_get_i128(struct field_rd *in)
{
	const uint64_t low = field_get_u64(in);

	return (ap_i128)((ap_u128)field_get_u64(in) << 64 | low);
}

static inline ap_str field_get_text(struct field_rd *in)
{
	const size_t len = field_get_u8(in);
	const char *p = (const char *)in->p;

	if ((size_t)(in->end - in->p) < len) {
		in->bad = true;
		return (ap_str){ NULL, 0 };
	}
	in->p += len;
	return ap_str_n(p, len);
}

static inline ap_u128 field_get_groups(struct field_rd *in)
{
	ap_u128 v = 0;

	for (unsigned shift = 0; shift < 128; shift += 7) {
		const uint8_t byte = field_get_u8(in);

		v |= (ap_u128)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	in->bad = true;
	return 0;
}

static inline ap_i128 field_get_diff(struct field_rd *in)
{
	const ap_u128 v = field_get_groups(in);

	return (ap_i128)(v >> 1 ^ ((v & 1) != 0 ? ~(ap_u128)0 : 0));
}

/* --- what a number can be; anything else was not written by a fold -------- */

#define FIELD_LAST_MS (INT64_MAX / 1000000)     /* of a trade or a beat: its ns are a number too */
#define FIELD_CLOSE_MS (FIELD_LAST_MS + INT64_C(400) * 86400000)        /* of an interval: twelve months at most */

static inline bool field_time_fine(int64_t ms)
{
	return ms >= 0 && ms <= FIELD_LAST_MS;
}

static inline bool field_close_fine(int64_t ms)
{
	return ms >= 0 && ms <= FIELD_CLOSE_MS;
}

/* 0 <= v < 10^36, as units of 1e-18. */
static inline bool field_size_fine(ap_i128 v)
{
	const ap_i128 e18 = INT64_C(1000000000000000000);

	return v >= 0 && v < e18 * e18;
}

/* Trades or quotes of a slot: no wire brings more, and a year of slots together still has a count. */
static inline bool field_count_fine(uint64_t n)
{
	return n >> 48 == 0;
}

static inline bool field_price_fine(ap_dec d)
{
	return d.e18 > 0 && field_size_fine(d.e18);
}

/* Whether a slot lies where its timeframe has an interval. In zones and trading hours it may have been another one then. */
static inline bool field_interval_fine(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane, int64_t open_ms,
				       int64_t close_ms)
{
	int64_t from_ms, to_ms;

	if (lane > 0 && (ser->cal->zoned || ser->cal->session))
		return true;
	candle_tf_at(&st->plan.tf[lane], open_ms, &from_ms, &to_ms);
	return from_ms == open_ms && to_ms == close_ms;
}

#endif
