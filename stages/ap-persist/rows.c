/*
 * rows.c - values as PostgreSQL's binary COPY has them. Pure: knows no table, no record, no connection.
 */
#include "rows.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/json.h"

enum { NUM_NEG = 0x4000, NUM_GROUPS = 100 };

static const int64_t pg_epoch_s = 946684800;    /* 2000-01-01 */

const char rows_head[ROWS_HEAD] = { 'P', 'G', 'C', 'O', 'P', 'Y', '\n', '\377', '\r', '\n', '\0' };

void rows_init(struct rows *r, unsigned fields)
{
	*r = (struct rows){ .fields = fields };
	ap_buf_init(&r->buf, ROWS_BYTES_MAX);
}

void rows_done(struct rows *r)
{
	ap_buf_done(&r->buf);
	free(r->end);
	r->end = NULL;
}

void rows_clear(struct rows *r)
{
	ap_buf_clear(&r->buf);
	r->n = 0;
	r->revised = false;
}

static void be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void be32(uint8_t *p, uint32_t v)
{
	be16(p, v >> 16);
	be16(p + 2, v & 0xffff);
}

static void be64(uint8_t *p, uint64_t v)
{
	be32(p, (uint32_t)(v >> 32));
	be32(p + 4, (uint32_t)v);
}

/* Room for one field of n bytes, its length written. NULL: no memory, the row will not end. */
static uint8_t *field(struct rows *r, size_t n)
{
	uint8_t *p = ap_buf_room(&r->buf, n + 4);

	r->put++;
	if (p == NULL)
		return NULL;
	be32(p, (uint32_t)n);
	r->buf.len += n + 4;
	return p + 4;
}

void rows_begin(struct rows *r)
{
	uint8_t *p = ap_buf_room(&r->buf, 2);

	r->open_at = r->buf.len;
	r->put = 0;
	if (p == NULL)
		return;
	be16(p, r->fields);
	r->buf.len += 2;
}

static bool more_rows(struct rows *r)
{
	size_t cap = r->cap == 0 ? 1024 : r->cap * 2;
	uint32_t *end;

	if (r->n < r->cap)
		return true;
	end = realloc(r->end, cap * sizeof *end);
	if (end == NULL)
		return false;
	r->end = end;
	r->cap = cap;
	return true;
}

bool rows_end(struct rows *r)
{
	assert(r->put == r->fields);
	if (r->buf.full || !more_rows(r)) {
		r->buf.full = false;
		r->buf.len = r->open_at;
		return false;
	}
	r->end[r->n++] = (uint32_t)r->buf.len;
	return true;
}

void rows_null(struct rows *r)
{
	uint8_t *p = ap_buf_room(&r->buf, 4);

	r->put++;
	if (p == NULL)
		return;
	be32(p, UINT32_MAX);
	r->buf.len += 4;
}

/* --- texts ------------------------------------------------------------------ */

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_seq(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
	uint32_t cp;

	if (n <= 1)
		return n;
	if (left < n)
		return 0;
	cp = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3fu);
	}
	return cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0 : n;
}

/* Whether a text can go as it is: UTF-8 without NUL. */
static bool clean(ap_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i = 0, n;

	while (i < s.len) {
		if (p[i] - 1u < 0x7fu) {
			i++;
			continue;
		}
		n = p[i] == 0 ? 0 : utf8_seq(p + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static void put_mended(struct ap_buf *b, ap_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	for (size_t i = 0, n; i < s.len; i += n) {
		n = p[i] == 0 ? 0 : utf8_seq(p + i, s.len - i);
		ap_buf_put(b, n == 0 ? (const void *)"\xef\xbf\xbd" : p + i, n == 0 ? 3 : n);
		if (n == 0)
			n = 1;
	}
}

void rows_text(struct rows *r, ap_str s)
{
	uint8_t *p;
	size_t at = r->buf.len;

	if (clean(s)) {
		p = field(r, s.len);
		if (p != NULL && s.len > 0)
			memcpy(p, s.p, s.len);
		return;
	}
	field(r, 0);
	put_mended(&r->buf, s);
	if (!r->buf.full)
		be32(r->buf.p + at, (uint32_t)(r->buf.len - at - 4));
}

void rows_text_or_null(struct rows *r, ap_str s)
{
	if (s.len == 0)
		rows_null(r);
	else
		rows_text(r, s);
}

/* --- fixed widths ------------------------------------------------------------ */

void rows_bool(struct rows *r, bool v)
{
	uint8_t *p = field(r, 1);

	if (p != NULL)
		*p = v;
}

void rows_i32(struct rows *r, int32_t v)
{
	uint8_t *p = field(r, 4);

	if (p != NULL)
		be32(p, (uint32_t)v);
}

void rows_i64(struct rows *r, int64_t v)
{
	uint8_t *p = field(r, 8);

	if (p != NULL)
		be64(p, (uint64_t)v);
}

void rows_f64(struct rows *r, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof u);
	rows_i64(r, (int64_t)u);
}

void rows_time(struct rows *r, int64_t ns)
{
	int64_t us = ns / 1000 - (ns % 1000 < 0 ? 1 : 0);

	rows_i64(r, us - pg_epoch_s * 1000000);
}

/* --- numeric ------------------------------------------------------------------ */

/* Base-10000 digits, most significant first; the first stands for 10000^weight. */
struct num {
	bool neg;
	int weight;
	unsigned scale;         /* decimals printed */
	size_t n;
	uint16_t g[NUM_GROUPS];
};

static void put_num(struct rows *r, const struct num *v)
{
	size_t from = 0, to = v->n;
	uint8_t *p;

	while (to > 0 && v->g[to - 1] == 0)
		to--;
	while (from < to && v->g[from] == 0)
		from++;
	p = field(r, 8 + 2 * (to - from));
	if (p == NULL)
		return;
	be16(p, (unsigned)(to - from));
	be16(p + 2, from == to ? 0 : (unsigned)(v->weight - (int)from) & 0xffff);
	be16(p + 4, v->neg && from < to ? NUM_NEG : 0);
	be16(p + 6, v->scale);
	for (size_t i = from; i < to; i++)
		be16(p + 8 + 2 * (i - from), v->g[i]);
}

/* The last n groups of a number below 10000^n, at g. */
static void groups(uint16_t *g, uint64_t v, size_t n)
{
	while (n-- > 0) {
		g[n] = (uint16_t)(v % 10000);
		v /= 10000;
	}
}

/* Fractional digits printed: up to the last group's last digit that is not zero. */
static unsigned scale_of(const uint16_t *g, size_t n)
{
	unsigned cut = 0, last;

	while (n > 0 && g[n - 1] == 0)
		n--;
	if (n == 0)
		return 0;
	for (last = g[n - 1]; last % 10 == 0; last /= 10)
		cut++;
	return (unsigned)n * 4 - cut;
}

void rows_dec(struct rows *r, ap_dec d)
{
	static const uint64_t e18 = 1000000000000000000;
	ap_u128 m = d.e18 < 0 ? -(ap_u128)d.e18 : (ap_u128)d.e18;
	uint64_t whole = (uint64_t)(m / e18), frac = (uint64_t)(m % e18);
	struct num v = { .neg = d.e18 < 0, .weight = 4, .n = 10 };

	groups(v.g, whole, 5);
	groups(v.g + 5, frac / 100, 4);
	v.g[9] = (uint16_t)(frac % 100 * 100);
	v.scale = scale_of(v.g + 5, 5);
	put_num(r, &v);
}

/* w (four words, least first) divided by d, the remainder returned. */
static uint64_t div256(uint64_t w[4], uint64_t d)
{
	ap_u128 rem = 0;

	for (int i = 3; i >= 0; i--) {
		rem = rem << 64 | w[i];
		w[i] = (uint64_t)(rem / d);
		rem %= d;
	}
	return (uint64_t)rem;
}

void rows_sum(struct rows *r, const ap_sum *s)
{
	static const uint64_t e16 = 10000000000000000;
	struct num v = { .neg = s->w[3] >> 63 != 0, .weight = 10, .n = 20 };
	uint64_t w[4];
	bool carry = v.neg;

	for (int i = 0; i < 4; i++) {
		w[i] = v.neg ? ~s->w[i] + carry : s->w[i];
		carry = carry && w[i] == 0;
	}
	/* 36 decimals are nine groups; 256 bits are at most 78 digits: 20 groups, the first 11 before the point. */
	for (size_t i = 5; i-- > 0;)
		groups(v.g + 4 * i, div256(w, e16), 4);
	v.scale = scale_of(v.g + 11, 9);
	put_num(r, &v);
}

/* Digits of a numeral "d.ddde[+-]xx" as the groups of its value. */
static void from_scientific(struct num *v, const char *t)
{
	char dig[32] = { 0 };
	size_t n = 0;
	long exp, first;        /* place of a digit: value 10^place */

	v->neg = *t == '-';
	for (t += v->neg ? 1 : 0; *t != 'e'; t++)
		if (*t != '.')
			dig[n++] = *t;
	exp = strtol(t + 1, NULL, 10);
	while (n > 1 && dig[n - 1] == '0')
		n--;
	first = exp >= 0 ? exp / 4 : -((3 - exp) / 4);
	v->weight = (int)first;
	for (size_t i = 0; i < n; i++) {
		long place = exp - (long)i, grp = place >= 0 ? place / 4 : -((3 - place) / 4);
		static const uint16_t ten[] = { 1, 10, 100, 1000 };
		size_t at = (size_t)(first - grp);

		v->g[at] = (uint16_t)(v->g[at] + (dig[i] - '0') * ten[place - grp * 4]);
		v->n = at + 1;
	}
	v->scale = exp - (long)(n - 1) < 0 ? (unsigned)((long)(n - 1) - exp) : 0;
}

void rows_num(struct rows *r, double v)
{
	struct num num = { 0 };
	char t[40];

	if (!isfinite(v)) {
		rows_null(r);
		return;
	}
	/* 15 digits always survive, 17 always suffice; below DBL_MIN precision itself runs out, down to one digit. */
	for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		snprintf(t, sizeof t, "%.*e", digits - 1, v);
		if (strtod(t, NULL) == v)
			break;
	}
	from_scientific(&num, t);
	put_num(r, &num);
}

/* --- jsonb --------------------------------------------------------------------- */

struct ap_buf *rows_json_begin(struct rows *r)
{
	uint8_t *p;

	r->json_at = r->buf.len;
	p = field(r, 1);
	if (p != NULL)
		*p = 1;
	return &r->buf;
}

void rows_json_end(struct rows *r)
{
	if (!r->buf.full)
		be32(r->buf.p + r->json_at, (uint32_t)(r->buf.len - r->json_at - 4));
}

void rows_json(struct rows *r, ap_str text)
{
	uint8_t *p = field(r, text.len + 1);

	if (p == NULL)
		return;
	*p = 1;
	if (text.len > 0)
		memcpy(p + 1, text.p, text.len);
}

void rows_json_string(struct ap_buf *b, ap_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t from = 0, n;

	ap_buf_putc(b, '"');
	for (size_t i = 0; i < s.len; i += n) {
		n = p[i] == 0 ? 0 : utf8_seq(p + i, s.len - i);
		if (n > 1 || (n == 1 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\'))
			continue;
		ap_buf_put(b, p + from, i - from);
		if (n == 0)
			ap_buf_puts(b, "\xef\xbf\xbd");
		else if (p[i] < 0x20)
			ap_buf_printf(b, "\\u%04x", p[i]);
		else
			ap_buf_put(b, (const char[]){ '\\', (char)p[i] }, 2);
		n = 1;
		from = i + 1;
	}
	if (s.len > from)
		ap_buf_put(b, p + from, s.len - from);
	ap_buf_putc(b, '"');
}

/* One \\uXXXX (or a pair) at p; the bytes it takes, 0 when jsonb refuses it. */
static size_t unicode_escape(const char *p, size_t left)
{
	unsigned v = ap_json_hex4(p + 2);

	if (v == 0 || (v >= 0xdc00 && v < 0xe000))
		return 0;
	if (v < 0xd800 || v >= 0xe000)
		return 6;
	if (left < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	v = ap_json_hex4(p + 8);
	return v >= 0xdc00 && v < 0xe000 ? 12 : 0;
}

/* numeric takes 131,072 digits before the point; a payload's exponent of more than three digits is refused here. */
static bool exponent_fits(const char *p, const char *end)
{
	size_t n = 0;

	if (p < end && (*p == '+' || *p == '-'))
		p++;
	while (p < end && *p == '0')
		p++;
	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n <= 3;
}

bool rows_json_fits(ap_str t)
{
	const char *end = t.p + t.len;
	bool in_string = false;
	size_t n;

	for (const char *p = t.p; p < end; p++) {
		const bool exponent = !in_string && (*p == 'e' || *p == 'E') && p > t.p && p[-1] >= '0' && p[-1] <= '9';

		if (*p == '\0' || (exponent && !exponent_fits(p + 1, end)))
			return false;
		if (*p == '"') {
			in_string = !in_string;
		} else if (in_string && *p == '\\') {
			n = p[1] == 'u' ? unicode_escape(p, (size_t)(end - p)) : 2;
			if (n == 0)
				return false;
			p += n - 1;
		}
	}
	return true;
}
