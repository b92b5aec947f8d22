/*
 * candle_rig.h - feeds the candle fold by hand and keeps what it puts. For the candle tests alone.
 *
 * Times are ms after 2024-03-01T00:00:00Z (a Friday). Every feed of trades ends in an entry of its own unless rig_hold is on.
 */
#ifndef TEST_UNIT_CANDLE_RIG_H
#define TEST_UNIT_CANDLE_RIG_H

#include "stages/ap-candle/candle.h"
#include "test/lib/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const int64_t rig_t0_ms = 1709251200000;

enum { RIG_MIN = 60000, RIG_HOUR = 3600000, RIG_DAY = 86400000 };

struct got {
	enum ap_stream to;
	struct ap_rec rec;      /* texts point into text */
	char text[4][64];
};

struct rig {
	struct ap_out out;
	struct ap_conf conf;
	void *st;
	struct got *got;
	size_t n, cap;
	uint64_t entry;
	uint32_t idx;
	bool hold;              /* records go on in one entry until rig_flush */
	int64_t beat_ms;        /* of the last beat; covers run from it */
	const char *source, *symbol;
	enum ap_side side;
};

static inline ap_str rig_copy(struct got *g, int i, ap_str s)
{
	const size_t len = s.len < sizeof g->text[i] ? s.len : sizeof g->text[i];

	if (len > 0)
		memcpy(g->text[i], s.p, len);
	return ap_str_n(g->text[i], len);
}

static inline void rig_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct rig *r = (struct rig *)(void *)out;
	struct got *g;

	if (r->n == r->cap) {
		struct got *old = r->got;

		r->cap = r->cap == 0 ? 1024 : r->cap * 2;
		r->got = malloc(r->cap * sizeof *r->got);
		assert_non_null(r->got);
		for (size_t i = 0; i < r->n; i++) {     /* texts move along */
			r->got[i] = old[i];
			if (old[i].rec.kind == AP_CANDLE) {
				r->got[i].rec.u.candle.source.p = r->got[i].text[0];
				r->got[i].rec.u.candle.symbol.p = r->got[i].text[1];
				r->got[i].rec.u.candle.tf.p = r->got[i].text[2];
			} else {
				r->got[i].rec.u.reject.reason.p = r->got[i].text[0];
				r->got[i].rec.u.reject.trade_id.p = r->got[i].text[1];
			}
		}
		free(old);
	}
	g = &r->got[r->n++];
	g->to = to;
	g->rec = *rec;
	if (rec->kind == AP_CANDLE) {
		g->rec.u.candle.source = rig_copy(g, 0, rec->u.candle.source);
		g->rec.u.candle.symbol = rig_copy(g, 1, rec->u.candle.symbol);
		g->rec.u.candle.tf = rig_copy(g, 2, rec->u.candle.tf);
	} else {
		g->rec.u.reject.reason = rig_copy(g, 0, rec->u.reject.reason);
		g->rec.u.reject.trade_id = rig_copy(g, 1, rec->u.reject.trade_id);
	}
}

static inline void rig_set(struct rig *r, const char *key, const char *value)
{
	conf_set(&r->conf, key, value);
}

static inline void rig_open(struct rig *r)
{
	char err[200] = "";

	r->st = ap_candle_stage.open(&r->conf, err, sizeof err);
	if (r->st == NULL)
		fail_msg("%s", err);
}

/* Options as "key", "value", ..., NULL. */
static inline struct rig rig_new(const char *key, ...)
{
	struct rig r = { .out = { rig_put }, .source = "sim", .symbol = "BTC-USDT", .side = AP_SIDE_UNKNOWN };
	va_list ap;

	ap_conf_init(&r.conf);
	va_start(ap, key);
	for (; key != NULL; key = va_arg(ap, const char *))
		rig_set(&r, key, va_arg(ap, const char *));
	va_end(ap);
	rig_open(&r);
	return r;
}

static inline void rig_free(struct rig *r)
{
	ap_candle_stage.close(r->st);
	ap_conf_done(&r->conf);
	free(r->got);
}

static inline void rig_flush(struct rig *r)
{
	ap_candle_stage.flush(r->st, &r->out);
	r->entry++;
	r->idx = 0;
}

static inline enum ap_verdict rig_step(struct rig *r, struct ap_rec *rec)
{
	enum ap_verdict v;

	rec->id = (ap_id){ 1000 + r->entry, 0 };
	rec->idx = r->idx++;
	v = ap_candle_stage.step(r->st, rec, &r->out);
	if (!r->hold)
		rig_flush(r);
	return v;
}

static inline ap_dec rig_dec(const char *s)
{
	ap_dec d;

	if (ap_dec_parse(s, strlen(s), &d) != AP_DEC_OK)
		fail_msg("not a decimal: %s", s);
	return d;
}

static inline enum ap_verdict rig_trade_ns(struct rig *r, int64_t ns, const char *price, const char *qty, const char *id)
{
	struct ap_rec rec = { .kind = AP_TRADE };

	rec.u.trade = (struct ap_trade){
		.source = ap_str_c(r->source), .symbol = ap_str_c(r->symbol), .venue_symbol = ap_str_c(r->symbol), .trade_id = ap_str_c(id),
		.ts = { ns }, .price = rig_dec(price), .qty = rig_dec(qty), .side = r->side,
	};
	return rig_step(r, &rec);
}

static inline enum ap_verdict rig_trade(struct rig *r, int64_t ms, const char *price, const char *qty, const char *id)
{
	return rig_trade_ns(r, (rig_t0_ms + ms) * 1000000, price, qty, id);
}

static inline void rig_beat_of(struct rig *r, int64_t ms, int64_t covers_ms, bool alive, bool close)
{
	struct ap_rec rec = { .kind = AP_BEAT };

	rec.u.beat = (struct ap_beat){ .source = ap_str_c(r->source), .ts = { (rig_t0_ms + ms) * 1000000 }, .covers_ms = (uint32_t)covers_ms,
				       .alive = alive, .close = close };
	assert_int_equal(rig_step(r, &rec), AP_V_TAKEN);
}

/* The source is alive at this time, and was so since the last beat. */
static inline void rig_beat(struct rig *r, int64_t ms)
{
	rig_beat_of(r, ms, ms > r->beat_ms ? ms - r->beat_ms : 0, true, false);
	r->beat_ms = ms;
}

static inline void rig_dead_beat(struct rig *r, int64_t ms)
{
	rig_beat_of(r, ms, 0, false, false);
	r->beat_ms = ms;
}

static inline void rig_close_beat(struct rig *r, int64_t ms)
{
	rig_beat_of(r, ms, ms > r->beat_ms ? ms - r->beat_ms : 0, true, true);
	r->beat_ms = ms;
}

static inline size_t rig_count(const struct rig *r, enum ap_stream to)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->got[i].to == to;
	return n;
}

/* The newest candle of that stream, timeframe and open; NULL: none came. */
static inline const struct ap_candle *rig_find(const struct rig *r, enum ap_stream to, const char *tf, int64_t open)
{
	for (size_t i = r->n; i > 0; i--) {
		const struct got *g = &r->got[i - 1];

		if (g->to == to && ap_str_is(g->rec.u.candle.tf, tf) && g->rec.u.candle.open_ms == rig_t0_ms + open &&
		    ap_str_is(g->rec.u.candle.symbol, r->symbol) && ap_str_is(g->rec.u.candle.source, r->source))
			return &g->rec.u.candle;
	}
	return NULL;
}

static inline const struct ap_candle *rig_need(const struct rig *r, enum ap_stream to, const char *tf, int64_t open)
{
	const struct ap_candle *c = rig_find(r, to, tf, open);

	if (c == NULL) {
		fail_msg("no %s candle that opens at %lld came on %s", tf, (long long)open, ap_stream_name(to));
		abort();        /* not reached; tells the compiler so */
	}
	return c;
}

static inline size_t rig_issued(const struct rig *r, const char *tf)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->got[i].to == AP_S_CANDLE && ap_str_is(r->got[i].rec.u.candle.tf, tf);
	return n;
}

static inline void rig_is_dec(ap_dec got, const char *want)
{
	char text[AP_DEC_TEXT];

	(void)ap_dec_format(got, text);
	assert_string_equal(text, want);
}

static inline void rig_is(const struct ap_candle *c, const char *o, const char *h, const char *l, const char *cl, const char *v, uint64_t n)
{
	rig_is_dec(c->open, o);
	rig_is_dec(c->high, h);
	rig_is_dec(c->low, l);
	rig_is_dec(c->close, cl);
	rig_is_dec(c->volume, v);
	assert_int_equal(c->trade_count, n);
}

static inline const struct ap_reject *rig_last_reject(const struct rig *r)
{
	for (size_t i = r->n; i > 0; i--)
		if (r->got[i - 1].to == AP_S_REJECT)
			return &r->got[i - 1].rec.u.reject;
	fail_msg("nothing was rejected");
	abort();
}

#endif
