/*
 * verify_candle.c - candles computed again from trades. Knows neither ap-candle nor where trades and candles are kept.
 */
#include "verify_candle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- intervals ----------------------------------------------------------------- */

static int64_t unit_ms(char unit)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 }, { 'w', 604800000 }, { 'M', 0 } };

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (units[i].unit == unit)
			return units[i].ms;
	return -1;
}

bool verify_tf_parse(const char *name, struct verify_tf *tf)
{
	char *end;
	long n = strtol(name, &end, 10);

	if (strlen(name) >= sizeof tf->name || n < 1 || n > 999 || name[0] < '1' || name[0] > '9' || end[0] == '\0' || end[1] != '\0' ||
	    unit_ms(end[0]) < 0)
		return false;
	*tf = (struct verify_tf){ .unit = end[0], .count = n };
	memcpy(tf->name, name, strlen(name) + 1);
	return true;
}

static bool leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int64_t month_days(int64_t y, int64_t m)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[m] + (m == 1 && leap(y));
}

/* Month by month from 1970: slow and plain. */
static void months_at(const struct verify_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms)
{
	int64_t day = 0, y = 1970, m = 0;

	for (;;) {
		int64_t len = 0;

		for (int64_t k = 0; k < tf->count; k++)
			len += month_days(y, m + k);
		if (t_ms < (day + len) * 86400000) {
			*open_ms = day * 86400000;
			*close_ms = (day + len) * 86400000;
			return;
		}
		day += len;
		m += tf->count;
		y += m / 12;
		m %= 12;
	}
}

void verify_tf_at(const struct verify_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms)
{
	const int64_t step = unit_ms(tf->unit) * tf->count;
	int64_t from = 0;

	if (tf->unit == 'M') {
		months_at(tf, t_ms, open_ms, close_ms);
		return;
	}
	if (tf->unit == 'w')
		from = 4 * INT64_C(86400000) - step;    /* Monday 1970-01-05, less one interval */
	else if (tf->unit == 'd' && tf->count > 1)
		from = INT64_C(86400000) - step;
	*open_ms = from + (t_ms - from) / step * step;
	*close_ms = *open_ms + step;
	if (*open_ms < 0)
		*open_ms = 0;
}

/* --- order ----------------------------------------------------------------- */

/* 0 none, 1 an integer, 2 anything else: they come in this order. */
static int id_kind(ap_str id)
{
	if (id.len == 0)
		return 0;
	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] < '0' || id.p[i] > '9')
			return 2;
	return 1;
}

static int three_way(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a < b ? -1 : 1;
}

static int id_order(ap_str a, ap_str b)
{
	int ka = id_kind(a), kb = id_kind(b), c;

	if (ka != kb)
		return ka < kb ? -1 : 1;
	if (ka == 1 && a.len != b.len)
		return a.len < b.len ? -1 : 1;  /* as long as integers have no leading zeros this is by value */
	c = a.len == 0 || b.len == 0 ? 0 : memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
	return c != 0 ? (c < 0 ? -1 : 1) : three_way(a.len, b.len);
}

/* -1, 0, 1: a is before, the same as, after b. */
static int key_cmp(const struct verify_trade *a, const struct verify_key *b)
{
	int c = a->ns == b->ns ? 0 : a->ns < b->ns ? -1 : 1;

	if (c == 0)
		c = id_order(a->id, ap_str_n(b->id, b->id_len));
	for (size_t i = 0; c == 0 && i < 4; i++)
		c = three_way(a->arrival[i], b->arrival[i]);
	return c;
}

static void key_set(struct verify_key *k, const struct verify_trade *t)
{
	k->ns = t->ns;
	memcpy(k->arrival, t->arrival, sizeof k->arrival);
	k->id_len = t->id.len < sizeof k->id ? t->id.len : sizeof k->id;
	if (k->id_len > 0)
		memcpy(k->id, t->id.p, k->id_len);
}

/* --- building ---------------------------------------------------------------- */

bool verify_build_end(struct verify_build *b, struct verify_candle *done)
{
	if (!b->any)
		return false;
	b->any = false;
	*done = b->c;
	if (done->volume.e18 == 0 || !ap_sum_div(&done->quote_volume, done->volume, 12, &done->vwap))
		done->vwap.e18 = 0;
	return true;
}

static void take(struct verify_build *b, const struct verify_trade *t)
{
	struct verify_candle *c = &b->c;

	if (!b->any || key_cmp(t, &b->first) < 0) {
		key_set(&b->first, t);
		c->open = t->price;
	}
	if (!b->any || key_cmp(t, &b->last) > 0) {
		key_set(&b->last, t);
		c->close = t->price;
	}
	if (!b->any || ap_dec_cmp(t->price, c->high) > 0)
		c->high = t->price;
	if (!b->any || ap_dec_cmp(t->price, c->low) < 0)
		c->low = t->price;
	b->any = true;
	if (!ap_dec_add(c->volume, t->qty, &c->volume) || !ap_sum_addmul(&c->quote_volume, t->price, t->qty) ||
	    (t->side == 'b' && !ap_dec_add(c->buy_volume, t->qty, &c->buy_volume)) ||
	    (t->side == 's' && !ap_dec_add(c->sell_volume, t->qty, &c->sell_volume)))
		b->overflow = true;
	c->trade_count++;
}

bool verify_build_add(struct verify_build *b, const struct verify_trade *t, struct verify_candle *done)
{
	const int64_t t_ms = t->ns / 1000000;
	bool ended = false;

	if (b->any && t_ms >= b->c.close_ms)
		ended = verify_build_end(b, done);
	if (!b->any) {
		memset(&b->c, 0, sizeof b->c);
		verify_tf_at(&b->tf, t_ms, &b->c.open_ms, &b->c.close_ms);
	}
	assert(t_ms >= b->c.open_ms);
	take(b, t);
	return ended;
}

/* --- comparing ---------------------------------------------------------------- */

static void diff_dec(const char *field, ap_dec a, ap_dec b, verify_field_fn *fn, void *ctx)
{
	char x[AP_DEC_TEXT], y[AP_DEC_TEXT];

	if (ap_dec_cmp(a, b) == 0)
		return;
	(void)ap_dec_format(a, x);
	(void)ap_dec_format(b, y);
	fn(ctx, field, x, y);
}

static void diff_int(const char *field, int64_t a, int64_t b, verify_field_fn *fn, void *ctx)
{
	char x[32], y[32];

	if (a == b)
		return;
	(void)snprintf(x, sizeof x, "%" PRId64, a);
	(void)snprintf(y, sizeof y, "%" PRId64, b);
	fn(ctx, field, x, y);
}

void verify_candle_diff(const struct verify_candle *expected, const struct verify_candle *stored, verify_field_fn *fn, void *ctx)
{
	char x[AP_SUM_TEXT], y[AP_SUM_TEXT];

	diff_int("close_time", expected->close_ms, stored->close_ms, fn, ctx);
	diff_dec("open_price", expected->open, stored->open, fn, ctx);
	diff_dec("high_price", expected->high, stored->high, fn, ctx);
	diff_dec("low_price", expected->low, stored->low, fn, ctx);
	diff_dec("close_price", expected->close, stored->close, fn, ctx);
	diff_dec("volume", expected->volume, stored->volume, fn, ctx);
	if (ap_sum_cmp(&expected->quote_volume, &stored->quote_volume) != 0) {
		(void)ap_sum_format(&expected->quote_volume, x);
		(void)ap_sum_format(&stored->quote_volume, y);
		fn(ctx, "quote_volume", x, y);
	}
	diff_int("trade_count", (int64_t)expected->trade_count, (int64_t)stored->trade_count, fn, ctx);
	diff_dec("vwap", expected->vwap, stored->vwap, fn, ctx);
	diff_dec("buy_volume", expected->buy_volume, stored->buy_volume, fn, ctx);
	diff_dec("sell_volume", expected->sell_volume, stored->sell_volume, fn, ctx);
}
