/*
 * wire.c - records as msgpack, from one table a kind.
 *
 * Written with msgpack-c's packer. Read by a cursor of our own, which looks at no byte it has not
 * checked to be there, allocates nothing and cannot recurse, because msgpack-c's unpacker takes sizes from
 * the input: five bytes `dd ff 00 00 00` make it ask for 96 GB.
 */
#include "wire.h"

#include <assert.h>
#include <math.h>
#include <msgpack/pack.h>

#include "symbol.h"

enum ftype {
	F_TEXT,         /* ap_str as str, at most `lim` bytes */
	F_BIN,          /* ap_str as bin, at most `lim` bytes */
	F_TIME,         /* int64_t, >= 0 */
	F_I64,
	F_U64,
	F_U32,
	F_ENUM,         /* an enum below `lim` */
	F_BOOL,
	F_FLAGS,        /* the three bools of a beat as bits of one int */
	F_F64,          /* finite */
	F_DEC,
	F_POSITIVE,     /* ap_dec, > 0 */
	F_NONNEG,       /* ap_dec, >= 0 */
	F_SUM,
};

struct field {
	enum ftype type;
	uint16_t off;
	uint32_t lim;
};

struct layout {
	uint32_t elements;      /* of the array, with the kind; of indicators: without the values */
	uint32_t size;          /* most bytes, without texts */
	unsigned n;
	const struct field *f;
};

/* Texts that no state holds in an array of fixed size are bounded by the frame alone. */
enum { FREE = AP_FRAME_BYTES };

#define AT(k, m) (uint16_t)offsetof(struct ap_rec, u.k.m)

static const struct field f_raw[] = {
	{ F_TEXT, AT(raw, source), AP_SOURCE_MAX }, { F_TEXT, AT(raw, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(raw, format), AP_SOURCE_MAX }, { F_BIN, AT(raw, payload), AP_PAYLOAD_MAX },
	{ F_TIME, AT(raw, recv), 0 },               { F_U64, AT(raw, seq), 0 },
};
static const struct field f_trade[] = {
	{ F_TEXT, AT(trade, source), AP_SOURCE_MAX },       { F_TEXT, AT(trade, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(trade, venue_symbol), AP_SYMBOL_MAX }, { F_TEXT, AT(trade, trade_id), AP_TRADE_ID_MAX },
	{ F_TIME, AT(trade, ts), 0 },                       { F_POSITIVE, AT(trade, price), 0 },
	{ F_NONNEG, AT(trade, qty), 0 },                    { F_ENUM, AT(trade, side), AP_SIDE_SELL + 1 },
	{ F_U32, AT(trade, raw_idx), 0 },                   { F_U32, AT(trade, sub), 0 },
	{ F_U64, AT(trade, raw_seq), 0 },                   { F_TIME, AT(trade, recv), 0 },
	{ F_BOOL, AT(trade, rounded), 0 },
};
static const struct field f_quote[] = {
	{ F_TEXT, AT(quote, source), AP_SOURCE_MAX },       { F_TEXT, AT(quote, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(quote, venue_symbol), AP_SYMBOL_MAX }, { F_TIME, AT(quote, ts), 0 },
	{ F_DEC, AT(quote, bid), 0 },                       { F_DEC, AT(quote, bid_qty), 0 },
	{ F_DEC, AT(quote, ask), 0 },                       { F_DEC, AT(quote, ask_qty), 0 },
	{ F_U32, AT(quote, raw_idx), 0 },                   { F_U32, AT(quote, sub), 0 },
	{ F_U64, AT(quote, raw_seq), 0 },                   { F_TIME, AT(quote, recv), 0 },
	{ F_U64, AT(quote, seq), 0 },
};
static const struct field f_beat[] = {
	{ F_TEXT, AT(beat, source), AP_SOURCE_MAX },
	{ F_TIME, AT(beat, ts), 0 },
	{ F_U32, AT(beat, covers_ms), 0 },
	{ F_FLAGS, 0, 0 },
};
static const struct field f_candle[] = {
	{ F_TEXT, AT(candle, source), AP_SOURCE_MAX }, { F_TEXT, AT(candle, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(candle, tf), AP_TF_MAX },         { F_TIME, AT(candle, open_ms), 0 },
	{ F_TIME, AT(candle, close_ms), 0 },           { F_DEC, AT(candle, open), 0 },
	{ F_DEC, AT(candle, high), 0 },                { F_DEC, AT(candle, low), 0 },
	{ F_DEC, AT(candle, close), 0 },               { F_DEC, AT(candle, volume), 0 },
	{ F_SUM, AT(candle, quote_volume), 0 },        { F_DEC, AT(candle, vwap), 0 },
	{ F_DEC, AT(candle, buy_volume), 0 },          { F_DEC, AT(candle, sell_volume), 0 },
	{ F_U64, AT(candle, trade_count), 0 },         { F_ENUM, AT(candle, state), AP_REVISED + 1 },
	{ F_U32, AT(candle, revision), 0 },            { F_I64, AT(candle, coverage_ms), 0 },
	{ F_ENUM, AT(candle, quality), AP_Q_FILLED + 1 },
};
static const struct field f_indicator[] = {
	{ F_TEXT, AT(indicator, source), AP_SOURCE_MAX }, { F_TEXT, AT(indicator, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(indicator, tf), AP_TF_MAX },         { F_TIME, AT(indicator, open_ms), 0 },
	{ F_U32, AT(indicator, revision), 0 },            { F_BOOL, AT(indicator, provisional), 0 },
	{ F_U32, AT(indicator, n), 0 },
};
static const struct field f_signal[] = {
	{ F_TEXT, AT(signal, source), AP_SOURCE_MAX }, { F_TEXT, AT(signal, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(signal, tf), AP_TF_MAX },         { F_TIME, AT(signal, open_ms), 0 },
	{ F_U32, AT(signal, revision), 0 },            { F_ENUM, AT(signal, kind), AP_SIG_OUTCOME + 1 },
	{ F_TEXT, AT(signal, name), FREE },            { F_ENUM, AT(signal, direction), AP_DIR_SHORT + 1 },
	{ F_BOOL, AT(signal, provisional), 0 },        { F_F64, AT(signal, strength), 0 },
	{ F_F64, AT(signal, entry), 0 },               { F_F64, AT(signal, stop), 0 },
	{ F_F64, AT(signal, target), 0 },              { F_TEXT, AT(signal, inputs), FREE },
};
static const struct field f_reject[] = {
	{ F_U64, AT(reject, origin.ms), 0 },     { F_U64, AT(reject, origin.seq), 0 },
	{ F_U32, AT(reject, raw_idx), 0 },       { F_U32, AT(reject, sub), 0 },
	{ F_U64, AT(reject, raw_seq), 0 },
	{ F_ENUM, AT(reject, status), AP_STATUS_N }, { F_TEXT, AT(reject, stage), FREE },
	{ F_TEXT, AT(reject, reason), FREE },    { F_TEXT, AT(reject, detail), FREE },
	{ F_TEXT, AT(reject, source), FREE },    { F_TEXT, AT(reject, symbol), FREE },
	{ F_TEXT, AT(reject, trade_id), FREE },  { F_TIME, AT(reject, ts), 0 },
	{ F_TIME, AT(reject, recv), 0 },         { F_BIN, AT(reject, data), FREE },
	{ F_BOOL, AT(reject, quote), 0 },
};
static const struct field f_metric[] = {
	{ F_TEXT, AT(metric, component), FREE }, { F_TEXT, AT(metric, instance), FREE },
	{ F_TEXT, AT(metric, name), FREE },      { F_TEXT, AT(metric, labels), FREE },
	{ F_ENUM, AT(metric, type), AP_M_GAUGE + 1 }, { F_F64, AT(metric, value), 0 },
	{ F_TIME, AT(metric, ts), 0 },
};

static const struct field f_quotebar[] = {
	{ F_TEXT, AT(quotebar, source), AP_SOURCE_MAX }, { F_TEXT, AT(quotebar, symbol), AP_SYMBOL_MAX },
	{ F_TEXT, AT(quotebar, tf), AP_TF_MAX },         { F_TIME, AT(quotebar, open_ms), 0 },
	{ F_TIME, AT(quotebar, close_ms), 0 },           { F_DEC, AT(quotebar, bid.open), 0 },
	{ F_DEC, AT(quotebar, bid.high), 0 },            { F_DEC, AT(quotebar, bid.low), 0 },
	{ F_DEC, AT(quotebar, bid.close), 0 },           { F_DEC, AT(quotebar, ask.open), 0 },
	{ F_DEC, AT(quotebar, ask.high), 0 },            { F_DEC, AT(quotebar, ask.low), 0 },
	{ F_DEC, AT(quotebar, ask.close), 0 },           { F_DEC, AT(quotebar, mid.open), 0 },
	{ F_DEC, AT(quotebar, mid.high), 0 },            { F_DEC, AT(quotebar, mid.low), 0 },
	{ F_DEC, AT(quotebar, mid.close), 0 },           { F_DEC, AT(quotebar, spread_min), 0 },
	{ F_DEC, AT(quotebar, spread_max), 0 },          { F_DEC, AT(quotebar, spread_last), 0 },
	{ F_DEC, AT(quotebar, spread_mean), 0 },         { F_U64, AT(quotebar, weighted_ns), 0 },
	{ F_U32, AT(quotebar, resolution_ms), 0 },       { F_U64, AT(quotebar, quote_count), 0 },
	{ F_U64, AT(quotebar, locked_count), 0 },        { F_ENUM, AT(quotebar, state), AP_REVISED + 1 },
	{ F_U32, AT(quotebar, revision), 0 },            { F_I64, AT(quotebar, coverage_ms), 0 },
	{ F_ENUM, AT(quotebar, quality), AP_Q_FILLED + 1 },
};

/* elements: one a field, two a decimal, and the kind. size: 5 for the array, 1 for the kind, then at most 5 for a
 * text's head, 9 for a number, 19 for a decimal, 35 for a sum; 9 covers all but decimals. */
#define LAYOUT(f, decs, sums) { 1 + sizeof(f) / sizeof((f)[0]) + (decs) + (sums),                      \
	6 + 9 * (sizeof(f) / sizeof((f)[0])) + 10 * (decs) + 26 * (sums), sizeof(f) / sizeof((f)[0]), (f) }
static const struct layout layouts[AP_KIND_N] = {
	[AP_RAW] = LAYOUT(f_raw, 0, 0),       [AP_TRADE] = LAYOUT(f_trade, 2, 0),
	[AP_QUOTE] = LAYOUT(f_quote, 4, 0),   [AP_BEAT] = LAYOUT(f_beat, 0, 0),
	[AP_CANDLE] = LAYOUT(f_candle, 8, 1), [AP_INDICATOR] = LAYOUT(f_indicator, 0, 0),
	[AP_SIGNAL] = LAYOUT(f_signal, 0, 0), [AP_REJECT] = LAYOUT(f_reject, 0, 0),
	[AP_METRIC] = LAYOUT(f_metric, 0, 0), [AP_QUOTEBAR] = LAYOUT(f_quotebar, 16, 0),
};

/* --- writing ------------------------------------------------------------------ */

/* The packer comes here with one to nine bytes at a time, some twenty times a record: mostly there is room. */
static int pack_write(void *to, const char *p, size_t n)
{
	struct ap_buf *b = to;
	uint8_t *q;

	if (b->full || n > b->cap - b->len) {
		ap_buf_put(b, p, n);
		return 0;
	}
	q = b->p + b->len;
	b->len += n;
	if (n == 1)
		*q = (uint8_t)*p;
	else
		memcpy(q, p, n);
	return 0;
}

static void pack_text(msgpack_packer *pk, ap_str s)
{
	msgpack_pack_str(pk, s.len);
	if (s.len > 0)
		msgpack_pack_str_body(pk, s.p, s.len);
}

static void pack_bin(msgpack_packer *pk, ap_str s)
{
	msgpack_pack_bin(pk, s.len);
	if (s.len > 0)
		msgpack_pack_bin_body(pk, s.p, s.len);
}

/* Two's complement of 64 x n bits, w[0] least significant, in the fewest bytes, big-endian. */
static void pack_wide(msgpack_packer *pk, const uint64_t *w, unsigned n)
{
	uint8_t be[32];
	unsigned len = n * 8, skip = 0;

	for (unsigned i = 0; i < len; i++)
		be[len - 1 - i] = (uint8_t)(w[i / 8] >> (i % 8 * 8));
	while (skip + 1 < len && (be[skip] == 0x00 || be[skip] == 0xff) && (be[skip] ^ be[skip + 1]) < 0x80)
		skip++;
	pack_bin(pk, ap_str_n((const char *)be + skip, len - skip));
}

static void pack_dec(msgpack_packer *pk, ap_dec d)
{
	ap_i128 m;
	unsigned s = ap_dec_lowest(d, &m);

	if (m >= INT64_MIN && m <= INT64_MAX)
		msgpack_pack_int64(pk, (int64_t)m);
	else
		pack_wide(pk, (const uint64_t[]){ (uint64_t)m, (uint64_t)((ap_u128)m >> 64) }, 2);
	msgpack_pack_unsigned_int(pk, s);
}

/* Whether the 256 bits are a sign extension of the first 64. */
static bool fits_i64(const ap_sum *m)
{
	uint64_t sign = m->w[0] >> 63 != 0 ? UINT64_MAX : 0;

	return m->w[1] == sign && m->w[2] == sign && m->w[3] == sign;
}

static void pack_sum(msgpack_packer *pk, const ap_sum *v)
{
	ap_sum m;
	unsigned s = ap_sum_lowest(v, &m);

	if (fits_i64(&m))
		msgpack_pack_int64(pk, (int64_t)m.w[0]);
	else
		pack_wide(pk, m.w, 4);
	msgpack_pack_unsigned_int(pk, s);
}

static unsigned beat_flags(const struct ap_beat *b)
{
	return (b->alive ? 1u : 0) | (b->live ? 2u : 0) | (b->close ? 4u : 0);
}

static void pack_field(msgpack_packer *pk, const struct ap_rec *rec, const struct field *f)
{
	const void *p = (const char *)rec + f->off;
	double d;

	switch (f->type) {
	case F_TEXT:
		assert(((const ap_str *)p)->len <= f->lim);
		pack_text(pk, *(const ap_str *)p);
		break;
	case F_BIN:
		assert(((const ap_str *)p)->len <= f->lim);
		pack_bin(pk, *(const ap_str *)p);
		break;
	case F_TIME:
		assert(*(const int64_t *)p >= 0);
		msgpack_pack_int64(pk, *(const int64_t *)p);
		break;
	case F_I64:
		msgpack_pack_int64(pk, *(const int64_t *)p);
		break;
	case F_U64:
		msgpack_pack_uint64(pk, *(const uint64_t *)p);
		break;
	case F_U32:
		msgpack_pack_uint32(pk, *(const uint32_t *)p);
		break;
	case F_ENUM:
		assert(*(const unsigned *)p < f->lim);
		msgpack_pack_unsigned_int(pk, *(const unsigned *)p);
		break;
	case F_BOOL:
		if (*(const bool *)p)
			msgpack_pack_true(pk);
		else
			msgpack_pack_false(pk);
		break;
	case F_FLAGS:
		msgpack_pack_unsigned_int(pk, beat_flags(&rec->u.beat));
		break;
	case F_F64:
		d = *(const double *)p;
		assert(isfinite(d));
		msgpack_pack_double(pk, d);
		break;
	case F_POSITIVE:
		assert(((const ap_dec *)p)->e18 > 0);
		pack_dec(pk, *(const ap_dec *)p);
		break;
	case F_NONNEG:
		assert(((const ap_dec *)p)->e18 >= 0);
		pack_dec(pk, *(const ap_dec *)p);
		break;
	case F_DEC:
		pack_dec(pk, *(const ap_dec *)p);
		break;
	case F_SUM:
		pack_sum(pk, p);
		break;
	}
}

static void pack_values(msgpack_packer *pk, const struct ap_indicator *i)
{
	assert(i->n <= AP_VALUES_MAX);
	for (uint32_t k = 0; k < i->n; k++) {
		assert(isfinite(i->values[k].v));
		pack_text(pk, i->values[k].name);
		pack_text(pk, i->values[k].params);
		msgpack_pack_double(pk, i->values[k].v);
	}
}

bool ap_wire_put(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct layout *l;
	msgpack_packer pk;

	assert(rec->kind > 0 && rec->kind < AP_KIND_N);
	l = &layouts[rec->kind];
	msgpack_packer_init(&pk, b, pack_write);
	msgpack_pack_array(&pk, l->elements + (rec->kind == AP_INDICATOR ? 3 * (size_t)rec->u.indicator.n : 0));
	msgpack_pack_unsigned_int(&pk, (unsigned)rec->kind);
	for (unsigned i = 0; i < l->n; i++)
		pack_field(&pk, rec, &l->f[i]);
	if (rec->kind == AP_INDICATOR)
		pack_values(&pk, &rec->u.indicator);
	return !b->full;
}

size_t ap_wire_size(const struct ap_rec *rec)
{
	const struct layout *l;
	size_t n;

	assert(rec->kind > 0 && rec->kind < AP_KIND_N);
	l = &layouts[rec->kind];
	n = l->size;
	for (unsigned i = 0; i < l->n; i++)
		if (l->f[i].type == F_TEXT || l->f[i].type == F_BIN)
			n += ((const ap_str *)(const void *)((const char *)rec + l->f[i].off))->len;
	if (rec->kind == AP_INDICATOR)
		for (uint32_t k = 0; k < rec->u.indicator.n; k++)
			n += 5 + 5 + 9 + rec->u.indicator.values[k].name.len + rec->u.indicator.values[k].params.len;
	return n;
}

/* --- reading: every function says false and sets `why`, once, when the bytes are not what it wants ---- */

typedef struct ap_wire_iter cur;

static bool bad(cur *c, const char *why)
{
	c->why = why;
	return false;
}

static size_t left(const cur *c)
{
	return (size_t)(c->end - c->p);
}

/* n bytes, big-endian, n <= 8; the caller has checked that they are there. */
static uint64_t take_be(cur *c, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *c->p++;
	return v;
}

/*
 * An integer of any msgpack width: its 64 bits, and whether it is negative. A positive one above INT64_MAX has
 * neg == false and the top bit set.
 */
static bool take_int(cur *c, uint64_t *v, bool *neg)
{
	uint8_t t;
	unsigned bits;

	if (left(c) < 1)
		return bad(c, "cut short");
	t = *c->p++;
	*neg = false;
	if (t <= 0x7f) {
		*v = t;
		return true;
	}
	if (t >= 0xe0) {
		*v = (uint64_t)(int64_t)(int8_t)t;
		*neg = true;
		return true;
	}
	if (t < 0xcc || t > 0xd3)
		return bad(c, "not an integer");
	bits = 8u << (t & 3);   /* cc..cf unsigned, d0..d3 signed */
	if (left(c) < bits / 8)
		return bad(c, "cut short");
	*v = take_be(c, bits / 8);
	if (t >= 0xd0 && (*v >> (bits - 1)) != 0) {
		*neg = true;
		if (bits < 64)
			*v |= UINT64_MAX << bits;
	}
	return true;
}

static bool take_unsigned(cur *c, uint64_t most, uint64_t *v)
{
	bool neg;

	if (!take_int(c, v, &neg))
		return false;
	return neg || *v > most ? bad(c, "integer out of range") : true;
}

static bool take_i64(cur *c, int64_t *v)
{
	uint64_t u;
	bool neg;

	if (!take_int(c, &u, &neg))
		return false;
	if (!neg && u > INT64_MAX)
		return bad(c, "integer out of range");
	*v = (int64_t)u;
	return true;
}

/* The head of a str or bin; then its bytes as a view. fix: whether the one-byte form of str is allowed. */
static bool take_bytes(cur *c, bool is_str, uint32_t most, ap_str *s)
{
	uint8_t t, first = is_str ? 0xd9 : 0xc4;
	uint64_t n;

	if (left(c) < 1)
		return bad(c, "cut short");
	t = *c->p++;
	if (is_str && t >= 0xa0 && t <= 0xbf) {
		n = t & 0x1f;
	} else {
		if (t < first || t > first + 2)
			return bad(c, is_str ? "not a text" : "not bytes");
		if (left(c) < (size_t)1 << (t - first))
			return bad(c, "cut short");
		n = take_be(c, 1u << (t - first));
	}
	if (n > left(c))
		return bad(c, "cut short");
	if (n > most)
		return bad(c, "text too long");
	*s = ap_str_n((const char *)c->p, (size_t)n);
	c->p += n;
	return true;
}

static bool take_bool(cur *c, bool *v)
{
	if (left(c) < 1)
		return bad(c, "cut short");
	if ((*c->p & 0xfe) != 0xc2)
		return bad(c, "not a boolean");
	*v = *c->p++ == 0xc3;
	return true;
}

static bool take_f64(cur *c, double *v)
{
	uint64_t u;

	if (left(c) < 9)
		return bad(c, "cut short");
	if (*c->p != 0xcb)
		return bad(c, "not a float64");
	c->p++;
	u = take_be(c, 8);
	memcpy(v, &u, sizeof u);
	return isfinite(*v) ? true : bad(c, "not a finite number");
}

/* The m of a decimal that is written as bytes: at most max, and more than an int64 needs, in the fewest bytes. */
static bool take_wide(cur *c, uint32_t max, ap_sum *m)
{
	ap_str s;
	const uint8_t *p;

	if (!take_bytes(c, false, max, &s))
		return false;
	p = (const uint8_t *)s.p;
	if (s.len < 9 || ((p[0] == 0x00 || p[0] == 0xff) && (p[0] ^ p[1]) < 0x80))
		return bad(c, "decimal not in the fewest bytes");
	memset(m, p[0] >= 0x80 ? 0xff : 0x00, sizeof *m);
	for (size_t i = 0; i < s.len; i++) {
		unsigned at = (unsigned)(s.len - 1 - i);

		m->w[at / 8] = (m->w[at / 8] & ~((uint64_t)0xff << (at % 8 * 8))) | (uint64_t)p[i] << (at % 8 * 8);
	}
	return true;
}

static bool is_bin(const cur *c)
{
	return left(c) >= 1 && *c->p >= 0xc4 && *c->p <= 0xc6;
}

static bool take_dec(cur *c, ap_dec *d)
{
	uint64_t s;
	int64_t small;
	ap_sum wide;
	ap_i128 m;

	if (is_bin(c)) {
		if (!take_wide(c, 16, &wide))
			return false;
		m = (ap_i128)((ap_u128)wide.w[1] << 64 | wide.w[0]);
		if (!take_unsigned(c, 18, &s))
			return false;
		if (s > 0 && m % 10 == 0)
			return bad(c, "decimal not in lowest terms");
	} else {
		if (!take_i64(c, &small) || !take_unsigned(c, 18, &s))
			return false;
		if (s > 0 && small % 10 == 0)
			return bad(c, "decimal not in lowest terms");
		m = small;
	}
	return ap_dec_scaled(m, (unsigned)s, d) ? true : bad(c, "decimal out of range");
}

static bool take_sum(cur *c, ap_sum *v)
{
	ap_sum m, low;
	uint64_t s;
	int64_t small;

	if (is_bin(c)) {
		if (!take_wide(c, 32, &m))
			return false;
	} else {
		if (!take_i64(c, &small))
			return false;
		memset(&m, small < 0 ? 0xff : 0x00, sizeof m);
		m.w[0] = (uint64_t)small;
	}
	if (!take_unsigned(c, 36, &s))
		return false;
	if (!ap_sum_scaled(&m, (unsigned)s, v))
		return bad(c, "sum out of range");
	return ap_sum_lowest(v, &low) == s ? true : bad(c, "sum not in lowest terms");
}

static bool take_flags(cur *c, struct ap_beat *b)
{
	uint64_t v;

	if (!take_unsigned(c, 7, &v))
		return false;
	b->alive = (v & 1) != 0;
	b->live = (v & 2) != 0;
	b->close = (v & 4) != 0;
	return true;
}

static bool take_field(cur *c, struct ap_rec *rec, const struct field *f)
{
	void *p = (char *)rec + f->off;
	uint64_t u;

	switch (f->type) {
	case F_TEXT:
		return take_bytes(c, true, f->lim, p);
	case F_BIN:
		return take_bytes(c, false, f->lim, p);
	case F_TIME:
		if (!take_unsigned(c, INT64_MAX, &u))
			return false;
		*(int64_t *)p = (int64_t)u;
		return true;
	case F_I64:
		return take_i64(c, p);
	case F_U64:
		return take_unsigned(c, UINT64_MAX, p);
	case F_U32:
		if (!take_unsigned(c, UINT32_MAX, &u))
			return false;
		*(uint32_t *)p = (uint32_t)u;
		return true;
	case F_ENUM:
		if (!take_unsigned(c, f->lim - 1, &u))
			return false;
		*(unsigned *)p = (unsigned)u;
		return true;
	case F_BOOL:
		return take_bool(c, p);
	case F_FLAGS:
		return take_flags(c, &rec->u.beat);
	case F_F64:
		return take_f64(c, p);
	case F_DEC:
		return take_dec(c, p);
	case F_POSITIVE:
		if (!take_dec(c, p))
			return false;
		return ((const ap_dec *)p)->e18 > 0 ? true : bad(c, "price not positive");
	case F_NONNEG:
		if (!take_dec(c, p))
			return false;
		return ((const ap_dec *)p)->e18 >= 0 ? true : bad(c, "quantity negative");
	case F_SUM:
		return take_sum(c, p);
	}
	return bad(c, "unknown field");
}

static bool take_values(cur *c, struct ap_indicator *i, uint32_t elements)
{
	if (i->n > AP_VALUES_MAX)
		return bad(c, "too many values");
	if (elements != layouts[AP_INDICATOR].elements + 3 * i->n)
		return bad(c, "count of elements does not fit the kind");
	for (uint32_t k = 0; k < i->n; k++)
		if (!take_bytes(c, true, FREE, &c->values[k].name) || !take_bytes(c, true, FREE, &c->values[k].params) ||
		    !take_f64(c, &c->values[k].v))
			return false;
	i->values = c->values;
	return true;
}

/* The head of an array; its count is believed only up to the bytes that are left. */
static bool take_array(cur *c, uint32_t *n)
{
	uint8_t t;

	if (left(c) < 1)
		return bad(c, "cut short");
	t = *c->p++;
	if (t >= 0x90 && t <= 0x9f) {
		*n = t & 0x0f;
	} else if (t == 0xdc || t == 0xdd) {
		unsigned w = t == 0xdc ? 2 : 4;

		if (left(c) < w)
			return bad(c, "cut short");
		*n = (uint32_t)take_be(c, w);
	} else {
		return bad(c, "not an array");
	}
	return *n > left(c) ? bad(c, "more elements than bytes") : true;
}

static bool take_rec(cur *c, struct ap_rec *rec)
{
	const struct layout *l;
	uint32_t elements;
	uint64_t kind;

	if (!take_array(c, &elements) || !take_unsigned(c, UINT32_MAX, &kind))
		return false;
	if (kind == 0 || kind >= AP_KIND_N)
		return bad(c, "unknown kind");
	l = &layouts[kind];
	if (kind == AP_INDICATOR ? elements < l->elements : elements != l->elements)
		return bad(c, "count of elements does not fit the kind");
	rec->kind = (enum ap_kind)kind;
	for (unsigned i = 0; i < l->n; i++)
		if (!take_field(c, rec, &l->f[i]))
			return false;
	return kind != AP_INDICATOR || take_values(c, &rec->u.indicator, elements);
}

void ap_wire_start(struct ap_wire_iter *it, ap_str body, uint32_t n)
{
	it->p = (const uint8_t *)body.p;
	it->end = it->p + body.len;
	it->left = n;
	it->idx = 0;
	it->why = NULL;
	if (n > AP_FRAME_RECS)
		it->why = "too many records in a frame";
	else if (body.len > AP_FRAME_BYTES)
		it->why = "frame too large";
}

enum ap_wire_rc ap_wire_next(struct ap_wire_iter *it, struct ap_rec *rec)
{
	if (it->why != NULL)
		return AP_WIRE_BAD;
	if (it->left == 0) {
		if (it->p == it->end)
			return AP_WIRE_END;
		it->why = "bytes after the last record";
		return AP_WIRE_BAD;
	}
	if (!take_rec(it, rec))
		return AP_WIRE_BAD;
	rec->id = (ap_id){ 0, 0 };
	rec->idx = it->idx++;
	it->left--;
	return AP_WIRE_OK;
}
