/*
 * recjson.c - a record as one JSON object.
 *
 * Writes only; reading JSON is json.c's business. Member order is fixed, so equal records give equal text.
 */
#include "recjson.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>

#include "timefmt.h"

/*
 * Length of the well-formed UTF-8 sequence at p (RFC 3629, table 3-7 of the Unicode standard), 0 if there is none.
 */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (left < n || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void put_escape(struct ap_buf *b, unsigned char c)
{
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *s = shorts; *s != '\0'; s += 2) {
		if ((unsigned char)s[0] == c) {
			ap_buf_putc(b, '\\');
			ap_buf_putc(b, s[1]);
			return;
		}
	}
	ap_buf_printf(b, "\\u%04x", c);
}

void ap_json_string(struct ap_buf *b, ap_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, start = 0;

	ap_buf_putc(b, '"');
	while (i < s.len) {
		size_t n;

		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
			i++;
			continue;
		}
		n = p[i] >= 0x80 ? utf8_len(p + i, s.len - i) : 0;
		if (n > 0) {
			i += n;
			continue;
		}
		ap_buf_put(b, p + start, i - start);
		if (p[i] >= 0x80)
			ap_buf_puts(b, "\xef\xbf\xbd");
		else
			put_escape(b, p[i]);
		start = ++i;
	}
	if (i > start)
		ap_buf_put(b, p + start, i - start);
	ap_buf_putc(b, '"');
}

void ap_json_double(struct ap_buf *b, double v)
{
	char t[40];

	if (!isfinite(v)) {
		ap_buf_puts(b, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(t, sizeof t, "%.*g", digits, v);
		if (strtod(t, NULL) == v)
			break;
	}
	ap_buf_puts(b, t);
}

/* --- members, each with its comma before it ------------------------------------ */

static void key(struct ap_buf *b, const char *k)
{
	ap_buf_puts(b, ",\"");
	ap_buf_puts(b, k);
	ap_buf_puts(b, "\":");
}

static void m_str(struct ap_buf *b, const char *k, ap_str v)
{
	key(b, k);
	ap_json_string(b, v);
}

static void m_word(struct ap_buf *b, const char *k, const char *v)
{
	m_str(b, k, ap_str_c(v));
}

static void m_u64(struct ap_buf *b, const char *k, uint64_t v)
{
	key(b, k);
	ap_buf_printf(b, "%" PRIu64, v);
}

static void m_i64(struct ap_buf *b, const char *k, int64_t v)
{
	key(b, k);
	ap_buf_printf(b, "%" PRId64, v);
}

static void m_bool(struct ap_buf *b, const char *k, bool v)
{
	key(b, k);
	ap_buf_puts(b, v ? "true" : "false");
}

static void m_f64(struct ap_buf *b, const char *k, double v)
{
	key(b, k);
	ap_json_double(b, v);
}

static void m_dec(struct ap_buf *b, const char *k, ap_dec v)
{
	char t[AP_DEC_TEXT];
	size_t n = ap_dec_format(v, t);

	key(b, k);
	ap_buf_put(b, t, n);
}

static void m_sum(struct ap_buf *b, const char *k, const ap_sum *v)
{
	char t[AP_SUM_TEXT];
	size_t n = ap_sum_format(v, t);

	key(b, k);
	ap_buf_put(b, t, n);
}

/* Three, six or nine digits: the fewest that lose nothing. */
static void m_ts(struct ap_buf *b, const char *k, ap_ts v)
{
	unsigned digits = v.ns % 1000000 == 0 ? 3 : v.ns % 1000 == 0 ? 6 : 9;
	char t[AP_TS_TEXT];
	size_t n = ap_ts_format(v, digits, t);

	m_str(b, k, ap_str_n(t, n));
}

/* Milliseconds since 1970. Outside what ns can hold (1677..2262) there is no such candle. */
static void m_ms(struct ap_buf *b, const char *k, int64_t ms)
{
	ap_ts t;

	if (__builtin_mul_overflow(ms, (int64_t)1000000, &t.ns))
		m_i64(b, k, ms);
	else
		m_ts(b, k, t);
}

/* Where it came from, as far as known. As text: 64 bits do not survive in JavaScript's numbers. */
static void m_origin(struct ap_buf *b, uint64_t raw_seq, ap_ts recv)
{
	char hex[24];

	if (raw_seq != 0)
		m_str(b, "raw_seq", ap_str_n(hex, (size_t)snprintf(hex, sizeof hex, "%016" PRIx64, raw_seq)));
	if (recv.ns != 0)
		m_ts(b, "recv", recv);
}

static void m_series(struct ap_buf *b, ap_str source, ap_str symbol)
{
	m_str(b, "source", source);
	m_str(b, "symbol", symbol);
}

/* --- one function a kind -------------------------------------------------------- */

static void json_raw(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_raw *r = &rec->u.raw;

	m_series(b, r->source, r->symbol);
	m_str(b, "format", r->format);
	m_ts(b, "recv", r->recv);
	m_u64(b, "seq", r->seq);
	m_str(b, "payload", r->payload);
}

static void json_trade(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_trade *t = &rec->u.trade;

	m_series(b, t->source, t->symbol);
	m_str(b, "venue_symbol", t->venue_symbol);
	m_str(b, "trade_id", t->trade_id);
	m_ts(b, "timestamp", t->ts);
	m_dec(b, "price", t->price);
	m_dec(b, "quantity", t->qty);
	m_word(b, "side", ap_side_name(t->side));
	m_u64(b, "raw_idx", t->raw_idx);
	m_u64(b, "sub", t->sub);
	m_origin(b, t->raw_seq, t->recv);
	m_bool(b, "rounded", t->rounded);
}

static void json_quote(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_quote *q = &rec->u.quote;

	m_series(b, q->source, q->symbol);
	m_str(b, "venue_symbol", q->venue_symbol);
	m_ts(b, "timestamp", q->ts);
	m_dec(b, "bid", q->bid);
	m_dec(b, "bid_quantity", q->bid_qty);
	m_dec(b, "ask", q->ask);
	m_dec(b, "ask_quantity", q->ask_qty);
	m_u64(b, "raw_idx", q->raw_idx);
	m_u64(b, "sub", q->sub);
	m_origin(b, q->raw_seq, q->recv);
	m_u64(b, "seq", q->seq);
}

static void json_beat(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_beat *t = &rec->u.beat;

	m_str(b, "source", t->source);
	m_ts(b, "timestamp", t->ts);
	m_u64(b, "covers_ms", t->covers_ms);
	m_bool(b, "alive", t->alive);
	m_bool(b, "live", t->live);
	m_bool(b, "close", t->close);
}

static void json_candle(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_candle *c = &rec->u.candle;

	m_series(b, c->source, c->symbol);
	m_str(b, "timeframe", c->tf);
	m_ms(b, "open_time", c->open_ms);
	m_ms(b, "close_time", c->close_ms);
	m_dec(b, "open", c->open);
	m_dec(b, "high", c->high);
	m_dec(b, "low", c->low);
	m_dec(b, "close", c->close);
	m_dec(b, "volume", c->volume);
	m_sum(b, "quote_volume", &c->quote_volume);
	m_dec(b, "vwap", c->vwap);
	m_dec(b, "buy_volume", c->buy_volume);
	m_dec(b, "sell_volume", c->sell_volume);
	m_u64(b, "trade_count", c->trade_count);
	m_word(b, "state", ap_candle_state_name(c->state));
	m_u64(b, "revision", c->revision);
	m_i64(b, "coverage_ms", c->coverage_ms);
	m_word(b, "quality", ap_quality_name(c->quality));
}

static void json_indicator(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_indicator *i = &rec->u.indicator;

	m_series(b, i->source, i->symbol);
	m_str(b, "timeframe", i->tf);
	m_ms(b, "open_time", i->open_ms);
	m_u64(b, "revision", i->revision);
	m_bool(b, "provisional", i->provisional);
	key(b, "values");
	ap_buf_putc(b, '[');
	for (uint32_t k = 0; k < i->n; k++) {
		ap_buf_puts(b, k == 0 ? "{\"name\":" : ",{\"name\":");
		ap_json_string(b, i->values[k].name);
		m_str(b, "params", i->values[k].params);
		m_f64(b, "value", i->values[k].v);
		ap_buf_putc(b, '}');
	}
	ap_buf_putc(b, ']');
}

static void json_signal(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_signal *s = &rec->u.signal;

	m_series(b, s->source, s->symbol);
	m_str(b, "timeframe", s->tf);
	m_ms(b, "open_time", s->open_ms);
	m_u64(b, "revision", s->revision);
	m_word(b, "signal_kind", ap_signal_kind_name(s->kind));
	m_str(b, "name", s->name);
	m_word(b, "direction", ap_direction_name(s->direction));
	m_bool(b, "provisional", s->provisional);
	m_f64(b, "strength", s->strength);
	m_f64(b, "entry", s->entry);
	m_f64(b, "stop", s->stop);
	m_f64(b, "target", s->target);
	m_f64(b, "risk_reward", ap_signal_risk_reward(s));
	key(b, "inputs");       /* JSON already */
	if (s->inputs.len > 0)
		ap_buf_str(b, s->inputs);
	else
		ap_buf_puts(b, "{}");
}

static void json_reject(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_reject *r = &rec->u.reject;
	char id[AP_ID_TEXT];

	m_str(b, "origin", ap_str_n(id, ap_id_format(r->origin, id)));
	m_u64(b, "raw_idx", r->raw_idx);
	m_u64(b, "sub", r->sub);
	m_origin(b, r->raw_seq, (ap_ts){ 0 });
	m_word(b, "status", ap_status_name(r->status));
	m_str(b, "stage", r->stage);
	m_str(b, "reason", r->reason);
	m_str(b, "detail", r->detail);
	m_series(b, r->source, r->symbol);
	m_str(b, "trade_id", r->trade_id);
	if (r->ts.ns != 0)
		m_ts(b, "timestamp", r->ts);
	if (r->recv.ns != 0)
		m_ts(b, "recv", r->recv);
	m_str(b, "data", r->data);
	m_bool(b, "quote", r->quote);
}

static void json_metric(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_metric *m = &rec->u.metric;

	m_str(b, "component", m->component);
	m_str(b, "instance", m->instance);
	m_str(b, "name", m->name);
	m_str(b, "labels", m->labels);
	m_word(b, "type", m->type == AP_M_COUNTER ? "counter" : "gauge");
	m_f64(b, "value", m->value);
	m_ts(b, "timestamp", m->ts);
}

static void m_px4(struct ap_buf *b, const char *what, const struct ap_px4 *p)
{
	const struct { const char *word; ap_dec v; } four[] = {
		{ "open", p->open }, { "high", p->high }, { "low", p->low }, { "close", p->close },
	};
	char k[32];

	for (size_t i = 0; i < sizeof four / sizeof four[0]; i++) {
		snprintf(k, sizeof k, "%s_%s", what, four[i].word);
		m_dec(b, k, four[i].v);
	}
}

static void json_quotebar(struct ap_buf *b, const struct ap_rec *rec)
{
	const struct ap_quotebar *q = &rec->u.quotebar;

	m_series(b, q->source, q->symbol);
	m_str(b, "timeframe", q->tf);
	m_ms(b, "open_time", q->open_ms);
	m_ms(b, "close_time", q->close_ms);
	m_px4(b, "bid", &q->bid);
	m_px4(b, "ask", &q->ask);
	m_px4(b, "mid", &q->mid);
	m_dec(b, "spread_min", q->spread_min);
	m_dec(b, "spread_max", q->spread_max);
	m_dec(b, "spread_last", q->spread_last);
	m_dec(b, "spread_mean", q->spread_mean);
	m_u64(b, "weighted_ns", q->weighted_ns);
	m_u64(b, "resolution_ms", q->resolution_ms);
	m_u64(b, "quote_count", q->quote_count);
	m_u64(b, "locked_count", q->locked_count);
	m_word(b, "state", ap_candle_state_name(q->state));
	m_u64(b, "revision", q->revision);
	m_i64(b, "coverage_ms", q->coverage_ms);
	m_word(b, "quality", ap_quality_name(q->quality));
}

void ap_rec_json(struct ap_buf *b, const struct ap_rec *rec)
{
	static void (*const kinds[AP_KIND_N])(struct ap_buf *, const struct ap_rec *) = {
		[AP_RAW] = json_raw,       [AP_TRADE] = json_trade,         [AP_QUOTE] = json_quote,
		[AP_BEAT] = json_beat,     [AP_CANDLE] = json_candle,       [AP_INDICATOR] = json_indicator,
		[AP_SIGNAL] = json_signal, [AP_REJECT] = json_reject,       [AP_METRIC] = json_metric,
		[AP_QUOTEBAR] = json_quotebar,
	};
	char id[AP_ID_TEXT];

	assert(rec->kind > 0 && rec->kind < AP_KIND_N);
	ap_buf_puts(b, "{\"kind\":");
	ap_json_string(b, ap_str_c(ap_kind_name(rec->kind)));
	if (rec->id.ms != 0 || rec->id.seq != 0) {
		m_str(b, "id", ap_str_n(id, ap_id_format(rec->id, id)));
		m_u64(b, "idx", rec->idx);
	}
	kinds[rec->kind](b, rec);
	ap_buf_putc(b, '}');
}
