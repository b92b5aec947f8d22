/*
 * map.c - records to rows. Knows the columns of every table (their order is that of common/core/store.c) and
 * what of a record belongs where; knows neither Redis nor PostgreSQL.
 */
#include "map.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/core/fold.h"
#include "common/core/recjson.h"
#include "common/core/timefmt.h"

enum {
	BATCH_BYTES = 16 << 20,         /* a transaction with more than this takes no further entry */
	TEXT_MAX = 1 << 20,
	ERRORS_MAX = 64 << 10,
	MSG_ID = AP_ID_TEXT + 12,
	KEY_MAX = 64,
};

static const int64_t s_ns = 1000000000, ms_ns = 1000000;
static const int64_t least_s = 946684800, most_s = 4102444800;  /* 2000 .. 2100: the partitions there can be */

const char *map_stream_name(unsigned s)
{
	return s == MAP_METRIC ? "metric" : ap_stream_name((enum ap_stream)s);
}

/* tick is always read: beats come in it. */
bool map_reads(const struct ap_conf *c, unsigned s)
{
	switch (s) {
	case AP_S_RAW:
		return c->persist_raw;
	case AP_S_TICK:
		return true;
	case AP_S_REJECT:
		return c->persist_normalized || c->persist_results;
	case AP_S_CANDLE:
		return c->persist_candles;
	case AP_S_INDICATOR:
		return c->persist_indicators;
	case AP_S_SIGNAL:
		return c->persist_signals;
	case MAP_METRIC:
		return c->persist_metrics;
	default:
		return false;
	}
}

struct map *map_new(const struct ap_conf *conf, struct map_steps *steps)
{
	struct map *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->conf = conf;
	m->steps = steps;
	m->tok = malloc(AP_JSON_TOKS * sizeof *m->tok);
	if (m->tok == NULL) {
		free(m);
		return NULL;
	}
	for (enum ap_table t = 0; t < AP_T_N; t++)
		rows_init(&m->t[t], ap_table(t)->fields);
	ap_buf_init(&m->text, TEXT_MAX);
	ap_buf_init(&m->res.errors, ERRORS_MAX);
	return m;
}

void map_free(struct map *m)
{
	if (m == NULL)
		return;
	for (enum ap_table t = 0; t < AP_T_N; t++)
		rows_done(&m->t[t]);
	ap_buf_done(&m->text);
	ap_buf_done(&m->res.errors);
	free(m->tok);
	free(m);
}

void map_clear(struct map *m)
{
	for (enum ap_table t = 0; t < AP_T_N; t++)
		rows_clear(&m->t[t]);
	m->rows = m->bytes = m->covers = m->spans = 0;
	m->failed = false;
	memset(m->last_span, 0, sizeof m->last_span);
}

void map_reset(struct map *m)
{
	map_clear(m);
	m->res.open = m->sys.open = false;
	memset(m->steps, 0, sizeof *m->steps);
}

bool map_full(const struct map *m)
{
	return m->rows >= m->conf->persist_batch_rows || m->bytes >= BATCH_BYTES || m->covers > MAP_COVER / 2 ||
	       m->spans > MAP_SPANS / 2;
}

/* --- rows --------------------------------------------------------------------- */

/* Notes that a row lies at ts; most rows follow one another in one partition. */
static void note_span(struct map *m, enum ap_table t, int64_t ts_ns)
{
	int64_t s = ts_ns / s_ns;
	struct ap_span *last = &m->last_span[t];

	if (s >= last->lo_s && s < last->hi_s)
		return;
	ap_table_span(t, s, last);
	for (size_t i = m->spans; i-- > 0;)
		if (m->span[i].table == t && m->span[i].lo_s == last->lo_s)
			return;
	if (m->spans == MAP_SPANS) {
		m->failed = true;
		return;
	}
	m->span[m->spans++] = (struct map_span){ t, last->lo_s };
}

static void end_row(struct map *m, enum ap_table t, int64_t ts_ns)
{
	size_t before = m->t[t].n == 0 ? 0 : m->t[t].end[m->t[t].n - 1];

	if (!rows_end(&m->t[t])) {
		m->failed = true;
		return;
	}
	m->rows++;
	m->bytes += m->t[t].buf.len - before;
	note_span(m, t, ts_ns);
}

static bool plausible(int64_t ns)
{
	return ns >= least_s * s_ns && ns < most_s * s_ns;
}

/*
 * The time a row is filed under: its own if it can be, else the next best. It is part of the key, so the entry's time, which is
 * another one when the message is published again, comes last.
 */
static int64_t row_time(int64_t ns, int64_t recv_ns, uint64_t id_ms)
{
	int64_t id_ns = id_ms < (uint64_t)(most_s * 1000) ? (int64_t)id_ms * ms_ns : least_s * s_ns;

	if (plausible(ns))
		return ns;
	if (plausible(recv_ns))
		return recv_ns;
	return plausible(id_ns) ? id_ns : least_s * s_ns;
}

static ap_str message_id(ap_id id, uint32_t idx, char out[MSG_ID])
{
	size_t n = ap_id_format(id, out);

	return ap_str_n(out, n + (size_t)snprintf(out + n, MSG_ID - n, "-%" PRIu32, idx));
}

/*
 * The number of a message: its origin where the producer gave it one. Else it is made from the entry's id, so that the rows of a
 * message still find one another; such a number has no tag.
 */
static uint64_t origin_of(const struct map *m, uint64_t raw_seq, ap_id entry, uint32_t idx)
{
	const uint64_t place[4] = { (uint64_t)(int64_t)m->e->part, entry.ms, entry.seq, idx };

	return raw_seq >> 40 != 0 ? raw_seq : XXH64(place, sizeof place, 0) >> 24;
}

static int64_t elapsed_ms(const struct map *m, ap_id from)
{
	return m->now_ms > (int64_t)from.ms ? m->now_ms - (int64_t)from.ms : 0;
}

static void text_c(struct rows *r, const char *s)
{
	rows_text(r, ap_str_c(s));
}

/* A payload as jsonb: as it is when it is JSON that jsonb takes, else as a JSON string. */
static void put_payload(struct map *m, struct rows *r, ap_str data)
{
	if (data.len > 0 && ap_json_parse(&m->json, data, m->tok, AP_JSON_TOKS) && rows_json_fits(data)) {
		rows_json(r, data);
		return;
	}
	rows_json_string(rows_json_begin(r), data);
	rows_json_end(r);
}

static void json_dec(struct ap_buf *b, const char *key, ap_dec d)
{
	char t[AP_DEC_TEXT];

	ap_buf_puts(b, key);
	ap_buf_put(b, t, ap_dec_format(d, t));
}

/* --- processing_results: one row per raw message, whatever came of it ------------------------------ */

static void end_result(struct map *m)
{
	struct rows *r = &m->t[AP_T_RESULTS];
	char id[MSG_ID];
	int64_t ts;

	if (!m->res.open)
		return;
	m->res.open = false;
	ts = row_time(m->res.recv.ns, 0, m->res.origin.ms);
	rows_begin(r);
	rows_text(r, message_id(m->res.origin, m->res.idx, id));
	rows_bool(r, m->res.success);
	rows_i64(r, elapsed_ms(m, m->res.origin));
	rows_json(r, ap_str_c("[\"normalize\"]"));
	ap_buf_putc(rows_json_begin(r), '[');
	ap_buf_str(&r->buf, ap_buf_view(&m->res.errors));
	ap_buf_putc(&r->buf, ']');
	rows_json_end(r);
	rows_i32(r, m->e->part);
	rows_i64(r, (int64_t)origin_of(m, m->res.raw_seq, m->res.origin, m->res.idx));
	rows_time(r, ts);
	end_row(m, AP_T_RESULTS, ts);
}

/* A message's trades follow one another; err == NULL: this one was good. */
static void add_result(struct map *m, ap_id origin, uint32_t idx, uint64_t raw_seq, ap_ts recv, const struct ap_reject *err)
{
	struct ap_buf *b = &m->res.errors;

	if (!m->conf->persist_results)
		return;
	if (m->res.open && (ap_id_cmp(m->res.origin, origin) != 0 || m->res.idx != idx))
		end_result(m);
	if (!m->res.open) {
		m->res.origin = origin;
		m->res.idx = idx;
		m->res.raw_seq = raw_seq;
		m->res.recv = recv;
		m->res.success = m->res.open = true;
		ap_buf_clear(b);
	}
	if (err == NULL)
		return;
	m->res.success = false;
	if (b->len > ERRORS_MAX / 2)
		return;
	ap_buf_puts(b, b->len > 0 ? ",{\"status\":" : "{\"status\":");
	rows_json_string(b, ap_str_c(ap_status_name(err->status)));
	ap_buf_puts(b, ",\"reason\":");
	rows_json_string(b, err->reason);
	ap_buf_putc(b, '}');
}

/* --- one function a kind --------------------------------------------------------------------------- */

static const char *data_type(ap_str format, int32_t *priority)
{
	*priority = ap_str_is(format, "quote") ? 2 : 1;
	return *priority == 2 ? "quote" : "trade";
}

static void add_raw(struct map *m, const struct ap_rec *rec)
{
	const struct ap_raw *raw = &rec->u.raw;
	struct rows *r = &m->t[AP_T_MESSAGES];
	int64_t ts = row_time(raw->recv.ns, 0, m->e->id.ms);
	char id[MSG_ID], key[32];
	int32_t priority;
	const char *type = data_type(raw->format, &priority);

	if (!m->conf->persist_raw)
		return;
	snprintf(key, sizeof key, "ap:{%d}:raw", m->e->part);
	rows_begin(r);
	rows_text(r, message_id(m->e->id, rec->idx, id));
	text_c(r, key);
	rows_text(r, raw->source);
	rows_text(r, raw->symbol);
	text_c(r, type);
	rows_i32(r, m->e->part);
	rows_i32(r, priority);
	put_payload(m, r, raw->payload);
	rows_i64(r, (int64_t)origin_of(m, raw->seq, m->e->id, rec->idx));
	rows_time(r, ts);
	end_row(m, AP_T_MESSAGES, ts);
}

/* "#00ab3f0000000011.0" and the status unless valid: which row of which message. */
static ap_str record_key(uint64_t origin, uint32_t sub, enum ap_status st, char out[KEY_MAX])
{
	int n = snprintf(out, KEY_MAX, "#%016" PRIx64 ".%" PRIu32 "%s%s", origin, sub,
			 st == AP_ST_VALID ? "" : ":", st == AP_ST_VALID ? "" : ap_status_name(st));

	assert(n > 0 && n < KEY_MAX);
	return ap_str_n(out, (size_t)n);
}

/* Nanoseconds below the column's microsecond are kept too: they may decide which trade came first. */
static void put_venue(struct rows *r, ap_str venue_symbol, bool rounded, int64_t ts_ns)
{
	struct ap_buf *b = rows_json_begin(r);
	const int below_us = (int)(ts_ns % 1000);

	ap_buf_puts(b, "{\"venue_symbol\":");
	rows_json_string(b, venue_symbol);
	if (below_us > 0)
		ap_buf_printf(b, ",\"ns\":%d", below_us);
	ap_buf_puts(b, rounded ? ",\"rounded\":true}" : "}");
	rows_json_end(r);
}

static void add_trade(struct map *m, const struct ap_rec *rec)
{
	const struct ap_trade *t = &rec->u.trade;
	struct rows *r = &m->t[AP_T_NORMALIZED];
	ap_id entry = ap_id_origin(m->e->id);
	int64_t ts = row_time(t->ts.ns, t->recv.ns, entry.ms);
	uint64_t origin = origin_of(m, t->raw_seq, entry, t->raw_idx);
	char id[MSG_ID], key[KEY_MAX];

	add_result(m, entry, t->raw_idx, t->raw_seq, t->recv, NULL);
	if (!m->conf->persist_normalized)
		return;
	rows_begin(r);
	rows_text(r, message_id(entry, t->raw_idx, id));
	rows_text(r, t->source);
	rows_text(r, t->symbol);
	text_c(r, "trade");
	text_c(r, "valid");
	rows_f64(r, 1.0);
	rows_i64(r, elapsed_ms(m, entry));
	rows_dec(r, t->price);
	rows_dec(r, t->qty);
	text_c(r, ap_side_name(t->side));
	rows_text_or_null(r, t->trade_id);
	rows_null(r);
	rows_null(r);
	put_venue(r, t->venue_symbol, t->rounded, ts);
	rows_text(r, t->trade_id.len > 0 ? t->trade_id : record_key(origin, t->sub, AP_ST_VALID, key));
	rows_i64(r, (int64_t)origin);
	rows_time(r, ts);
	end_row(m, AP_T_NORMALIZED, ts);
}

static void add_quote(struct map *m, const struct ap_rec *rec)
{
	const struct ap_quote *q = &rec->u.quote;
	struct rows *r = &m->t[AP_T_NORMALIZED];
	ap_id entry = ap_id_origin(m->e->id);
	int64_t ts = row_time(q->ts.ns, q->recv.ns, entry.ms);
	uint64_t origin = origin_of(m, q->raw_seq, entry, q->raw_idx);
	char id[MSG_ID], key[KEY_MAX];
	struct ap_buf *b;

	add_result(m, entry, q->raw_idx, q->raw_seq, q->recv, NULL);
	if (!m->conf->persist_normalized || !m->conf->persist_quotes)
		return;
	rows_begin(r);
	rows_text(r, message_id(entry, q->raw_idx, id));
	rows_text(r, q->source);
	rows_text(r, q->symbol);
	text_c(r, "quote");
	text_c(r, "valid");
	rows_f64(r, 1.0);
	rows_i64(r, elapsed_ms(m, entry));
	for (int i = 0; i < 4; i++)     /* price, quantity, side, trade_id: a quote has none */
		rows_null(r);
	b = rows_json_begin(r);
	json_dec(b, "{\"bid\":", q->bid);
	json_dec(b, ",\"bid_qty\":", q->bid_qty);
	json_dec(b, ",\"ask\":", q->ask);
	json_dec(b, ",\"ask_qty\":", q->ask_qty);
	ap_buf_printf(b, ",\"seq\":%" PRIu64 "}", q->seq);
	rows_json_end(r);
	rows_null(r);
	put_venue(r, q->venue_symbol, false, ts);
	rows_text(r, record_key(origin, q->sub, AP_ST_VALID, key));
	rows_i64(r, (int64_t)origin);
	rows_time(r, ts);
	end_row(m, AP_T_NORMALIZED, ts);
}

/* [{"reason", "detail", "stage"}] */
static void put_errors(struct rows *r, const struct ap_reject *j)
{
	struct ap_buf *b = rows_json_begin(r);

	ap_buf_puts(b, "[{\"reason\":");
	rows_json_string(b, j->reason);
	ap_buf_puts(b, ",\"detail\":");
	rows_json_string(b, j->detail);
	ap_buf_puts(b, ",\"stage\":");
	rows_json_string(b, j->stage);
	ap_buf_puts(b, "}]");
	rows_json_end(r);
}

/* The event's own time when the row could not be filed under it. */
static void put_event_time(struct rows *r, int64_t ts_ns, int64_t filed_ns)
{
	if (ts_ns == filed_ns || ts_ns == 0) {
		rows_null(r);
		return;
	}
	ap_buf_printf(rows_json_begin(r), "{\"event_time_ns\":%" PRId64 "}", ts_ns);
	rows_json_end(r);
}

static void add_reject(struct map *m, const struct ap_rec *rec)
{
	const struct ap_reject *j = &rec->u.reject;
	struct rows *r = &m->t[AP_T_NORMALIZED];
	int64_t ts = row_time(j->ts.ns, j->recv.ns, j->origin.ms);
	uint64_t origin = origin_of(m, j->raw_seq, j->origin, j->raw_idx);
	char id[MSG_ID], key[KEY_MAX];

	if (ap_str_is(j->stage, "normalize"))
		add_result(m, j->origin, j->raw_idx, j->raw_seq, j->recv, j);
	if (!m->conf->persist_normalized)
		return;
	rows_begin(r);
	rows_text(r, message_id(j->origin, j->raw_idx, id));
	rows_text(r, j->source);
	rows_text(r, j->symbol);
	text_c(r, j->quote ? "quote" : "trade");
	text_c(r, ap_status_name(j->status));
	rows_f64(r, 0.0);
	rows_i64(r, elapsed_ms(m, j->origin));
	for (int i = 0; i < 3; i++)     /* price, quantity, side: as far as they could be read they are in the input */
		rows_null(r);
	rows_text_or_null(r, j->trade_id);
	put_payload(m, r, j->data);
	put_errors(r, j);
	put_event_time(r, j->ts.ns, ts);
	rows_text(r, record_key(origin, j->sub, j->status, key));
	rows_i64(r, (int64_t)origin);
	rows_time(r, ts);
	end_row(m, AP_T_NORMALIZED, ts);
}

static void add_candle(struct map *m, const struct ap_rec *rec)
{
	const struct ap_candle *c = &rec->u.candle;
	struct rows *r = &m->t[AP_T_CANDLES];
	int64_t ts = row_time(c->open_ms * ms_ns, 0, m->e->id.ms);
	struct ap_buf *b;

	if (!m->conf->persist_candles || c->state == AP_FORMING)
		return;
	rows_begin(r);
	rows_text(r, c->source);
	rows_text(r, c->symbol);
	rows_text(r, c->tf);
	rows_time(r, ts);
	rows_time(r, c->close_ms * ms_ns);
	rows_dec(r, c->open);
	rows_dec(r, c->high);
	rows_dec(r, c->low);
	rows_dec(r, c->close);
	rows_dec(r, c->volume);
	rows_sum(r, &c->quote_volume);
	rows_i64(r, (int64_t)c->trade_count);
	rows_dec(r, c->vwap);
	text_c(r, ap_candle_state_name(c->state));
	rows_i32(r, (int32_t)c->revision);
	rows_i64(r, c->coverage_ms);
	text_c(r, ap_quality_name(c->quality));
	b = rows_json_begin(r);
	json_dec(b, "{\"buy_volume\":", c->buy_volume);
	json_dec(b, ",\"sell_volume\":", c->sell_volume);
	ap_buf_putc(b, '}');
	rows_json_end(r);
	rows_time(r, ts);
	r->revised = r->revised || c->revision > 0;
	end_row(m, AP_T_CANDLES, ts);
}

static void put_px4(struct rows *r, const struct ap_px4 *p)
{
	rows_dec(r, p->open);
	rows_dec(r, p->high);
	rows_dec(r, p->low);
	rows_dec(r, p->close);
}

static void add_quotebar(struct map *m, const struct ap_rec *rec)
{
	const struct ap_quotebar *q = &rec->u.quotebar;
	struct rows *r = &m->t[AP_T_QUOTE_BARS];
	int64_t ts = row_time(q->open_ms * ms_ns, 0, m->e->id.ms);

	if (!m->conf->persist_candles || q->state == AP_FORMING)
		return;
	rows_begin(r);
	rows_text(r, q->source);
	rows_text(r, q->symbol);
	rows_text(r, q->tf);
	rows_time(r, ts);
	rows_time(r, q->close_ms * ms_ns);
	put_px4(r, &q->bid);
	put_px4(r, &q->ask);
	put_px4(r, &q->mid);
	rows_dec(r, q->spread_min);
	rows_dec(r, q->spread_max);
	rows_dec(r, q->spread_mean);
	rows_dec(r, q->spread_last);
	rows_i64(r, (int64_t)q->weighted_ns);
	rows_i64(r, q->resolution_ms);
	rows_i64(r, (int64_t)q->quote_count);
	rows_i64(r, (int64_t)q->locked_count);
	text_c(r, ap_candle_state_name(q->state));
	rows_i32(r, (int32_t)q->revision);
	rows_i64(r, q->coverage_ms);
	text_c(r, ap_quality_name(q->quality));
	r->revised = r->revised || q->revision > 0;
	end_row(m, AP_T_QUOTE_BARS, ts);
}

/* Whether a parameter's value is a JSON number. */
static bool is_number(ap_str s)
{
	size_t i = s.len > 0 && s.p[0] == '-', digits = i, dot = s.len;

	for (; i < s.len; i++) {
		if (s.p[i] == '.' && dot == s.len && i > digits && i + 1 < s.len)
			dot = i;
		else if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return digits < s.len && (s.p[digits] != '0' || digits + 1 == s.len || dot == digits + 1);
}

/* "fast=12,slow=26" as {"fast":12,"slow":26}; a word without '=' is true. */
static void put_params(struct rows *r, ap_str s)
{
	struct ap_buf *b = rows_json_begin(r);
	const char *p = s.p, *end = s.p + s.len;

	ap_buf_putc(b, '{');
	while (p < end) {
		const char *stop = memchr(p, ',', (size_t)(end - p)), *eq;

		if (stop == NULL)
			stop = end;
		eq = memchr(p, '=', (size_t)(stop - p));
		if (p > s.p)
			ap_buf_putc(b, ',');
		rows_json_string(b, ap_str_n(p, (size_t)((eq == NULL ? stop : eq) - p)));
		ap_buf_putc(b, ':');
		if (eq == NULL)
			ap_buf_puts(b, "true");
		else if (is_number(ap_str_n(eq + 1, (size_t)(stop - eq - 1))))
			ap_buf_put(b, eq + 1, (size_t)(stop - eq - 1));
		else
			rows_json_string(b, ap_str_n(eq + 1, (size_t)(stop - eq - 1)));
		p = stop + 1;
	}
	ap_buf_putc(b, '}');
	rows_json_end(r);
}

static void add_indicator(struct map *m, const struct ap_rec *rec)
{
	const struct ap_indicator *v = &rec->u.indicator;
	struct rows *r = &m->t[AP_T_INDICATORS];
	int64_t ts = row_time(v->open_ms * ms_ns, 0, m->e->id.ms);

	if (!m->conf->persist_indicators || v->provisional)
		return;
	for (uint32_t i = 0; i < v->n; i++) {
		rows_begin(r);
		rows_text(r, v->source);
		rows_text(r, v->symbol);
		rows_text(r, v->tf);
		rows_text(r, v->values[i].name);
		put_params(r, v->values[i].params);
		rows_num(r, v->values[i].v);
		rows_i32(r, (int32_t)v->revision);
		rows_time(r, ts);
		end_row(m, AP_T_INDICATORS, ts);
	}
	r->revised = r->revised || v->revision > 0;
}

static void num_or_null(struct rows *r, double price)
{
	if (price == 0.0)
		rows_null(r);
	else
		rows_num(r, price);
}

static void add_signal(struct map *m, const struct ap_rec *rec)
{
	const struct ap_signal *s = &rec->u.signal;
	struct rows *r = &m->t[AP_T_SIGNALS];
	int64_t ts = row_time(s->open_ms * ms_ns, 0, m->e->id.ms);

	if (!m->conf->persist_signals || s->provisional)
		return;
	rows_begin(r);
	rows_text(r, s->source);
	rows_text(r, s->symbol);
	rows_text(r, s->tf);
	text_c(r, ap_signal_kind_name(s->kind));
	rows_text(r, s->name);
	text_c(r, ap_direction_name(s->direction));
	rows_f64(r, s->strength);
	num_or_null(r, s->entry);
	num_or_null(r, s->stop);
	num_or_null(r, s->target);
	if (s->inputs.len == 0)
		rows_null(r);
	else
		put_payload(m, r, s->inputs);
	rows_i32(r, (int32_t)s->revision);
	rows_time(r, ts);
	/* Direction none takes back what was stored before. */
	r->revised = r->revised || s->revision > 0 || s->direction == AP_DIR_NONE;
	end_row(m, AP_T_SIGNALS, ts);
}

/* Beats are the same in every partition: those of partition 0 speak for all. */
static void add_beat(struct map *m, const struct ap_rec *rec)
{
	const struct ap_beat *b = &rec->u.beat;
	/* covers_ms counts from the beat before, both times cut to the ms: so cut, intervals meet. */
	int64_t hi = b->ts.ns, lo = hi - hi % ms_ns - (int64_t)b->covers_ms * ms_ns;
	struct map_cover *c;

	if (m->e->part != 0 || b->covers_ms == 0 || !plausible(lo) || !plausible(hi) || b->source.len > AP_SOURCE_MAX)
		return;
	for (size_t i = m->covers; i-- > 0;) {
		c = &m->cover[i];
		if (lo > c->hi || hi < c->lo || !ap_str_eq(ap_str_n(c->source, c->len), b->source))
			continue;
		c->lo = lo < c->lo ? lo : c->lo;
		c->hi = hi > c->hi ? hi : c->hi;
		return;
	}
	if (m->covers == MAP_COVER) {
		m->failed = true;
		return;
	}
	c = &m->cover[m->covers++];
	*c = (struct map_cover){ .len = (uint8_t)b->source.len, .lo = lo, .hi = hi };
	memcpy(c->source, b->source.p, b->source.len);
}

/* --- metrics --------------------------------------------------------------------------------------- */

static const char *const sys_names[] = {
	"cpu_percent", "memory_percent", "memory_used_mb", "memory_available_mb", "disk_usage_percent",
	"network_bytes_sent", "network_bytes_recv",
};
enum { SYS_N = sizeof sys_names / sizeof sys_names[0], SYS_FLOATS = 5 };

static void end_system(struct map *m)
{
	struct rows *r = &m->t[AP_T_SYSTEM];
	int64_t ts = row_time(m->sys.ts, 0, m->e->id.ms);

	if (!m->sys.open)
		return;
	m->sys.open = false;
	rows_begin(r);
	for (int i = 0; i < SYS_N; i++) {
		if (!m->sys.set[i])
			rows_null(r);
		else if (i < SYS_FLOATS)
			rows_f64(r, m->sys.v[i]);
		else
			rows_i64(r, m->sys.v[i] < 9e18 ? (int64_t)m->sys.v[i] : INT64_MAX);
	}
	rows_text(r, ap_str_n(m->sys.instance, m->sys.instance_len));
	rows_time(r, ts);
	end_row(m, AP_T_SYSTEM, ts);
}

/* Samples of one instant and instance are one row. */
static void add_system(struct map *m, const struct ap_metric *v)
{
	if (m->sys.open && (m->sys.ts != v->ts.ns || !ap_str_eq(ap_str_n(m->sys.instance, m->sys.instance_len), v->instance)))
		end_system(m);
	if (!m->sys.open) {
		memset(&m->sys, 0, sizeof m->sys);
		m->sys.open = true;
		m->sys.ts = v->ts.ns;
		m->sys.instance_len = v->instance.len < sizeof m->sys.instance ? v->instance.len : sizeof m->sys.instance;
		if (m->sys.instance_len > 0)
			memcpy(m->sys.instance, v->instance.p, m->sys.instance_len);
	}
	for (int i = 0; i < SYS_N; i++)
		if (ap_str_is(v->name, sys_names[i])) {
			m->sys.set[i] = true;
			m->sys.v[i] = v->value;
		}
}

/* The value of a label ("severity=\"warning\",state=…"), escapes resolved, into out; empty when absent. */
static ap_str label(ap_str labels, const char *name, char *out, size_t cap)
{
	size_t want = strlen(name), i = 0, n = 0;

	while (i < labels.len) {
		size_t eq = i;
		bool hit;

		while (eq < labels.len && labels.p[eq] != '=')
			eq++;
		hit = eq - i == want && memcmp(labels.p + i, name, want) == 0;
		for (i = eq + 2; i < labels.len && labels.p[i] != '"'; i++) {
			char c = labels.p[i];

			if (c == '\\' && i + 1 < labels.len)
				c = (char)(labels.p[++i] == 'n' ? '\n' : labels.p[i]);
			if (hit && n < cap)
				out[n++] = c;
		}
		if (hit)
			break;
		i += 2;
	}
	return ap_str_n(out, n);
}

/* A metric of component "alert": instance is the component concerned, the rest is in the labels. */
static void add_alert(struct map *m, const struct ap_metric *v)
{
	struct rows *r = &m->t[AP_T_ALERTS];
	int64_t ts = row_time(v->ts.ns, 0, m->e->id.ms);
	char text[AP_DETAIL_MAX];

	rows_begin(r);
	rows_text(r, v->name);
	rows_text(r, v->instance);
	rows_text(r, label(v->labels, "severity", text, sizeof text));
	rows_text(r, label(v->labels, "state", text, sizeof text));
	rows_text(r, label(v->labels, "message", text, sizeof text));
	rows_f64(r, v->value);
	ap_buf_puts(rows_json_begin(r), "{\"subject\":");
	rows_json_string(&r->buf, label(v->labels, "subject", text, sizeof text));
	ap_buf_putc(&r->buf, '}');
	rows_json_end(r);
	rows_text(r, label(v->labels, "subject", text, sizeof text));
	rows_time(r, ts);
	end_row(m, AP_T_ALERTS, ts);
}

bool map_alert(struct map *m, const char *type, const char *severity, ap_str message, double value, ap_str key, int64_t ts_ns)
{
	struct rows *r = &m->t[AP_T_ALERTS];
	int64_t ts = row_time(ts_ns, 0, 0);

	rows_begin(r);
	text_c(r, type);
	text_c(r, "ap-persist");
	text_c(r, severity);
	text_c(r, "raised");
	rows_text(r, message);
	rows_f64(r, value);
	rows_null(r);
	rows_text(r, key);
	rows_time(r, ts);
	end_row(m, AP_T_ALERTS, ts);
	return !m->failed;
}

/* Every process reports once a second or so; a sample is stored when the last one stored is a step old. */
static bool due(struct map *m, const struct ap_metric *v)
{
	uint64_t key = XXH64(v->component.p, v->component.len, XXH64(v->instance.p, v->instance.len, 1)) | 1;
	int64_t step = (int64_t)m->conf->persist_metrics_step_s * s_ns - s_ns / 2;

	for (size_t k = 0; k < 8; k++) {
		size_t i = (key + k) % MAP_STEPS;
		uint64_t *at = &m->steps->at[i].key;
		int64_t *last = &m->steps->at[i].ts;

		if (*at != key && *at != 0)
			continue;
		if (*at == key && v->ts.ns != *last && v->ts.ns < *last + step)
			return false;
		*at = key;
		*last = v->ts.ns;
		return true;
	}
	return true;
}

static void add_metric(struct map *m, const struct ap_rec *rec)
{
	const struct ap_metric *v = &rec->u.metric;
	struct rows *r = &m->t[AP_T_COMPONENT];
	int64_t ts = row_time(v->ts.ns, 0, m->e->id.ms);
	struct ap_buf *b = &m->text;

	if (ap_str_is(v->component, "system")) {
		add_system(m, v);
		return;
	}
	if (ap_str_is(v->component, "alert")) {
		add_alert(m, v);
		return;
	}
	if (!due(m, v))
		return;
	ap_buf_clear(b);
	ap_buf_str(b, v->name);
	ap_buf_puts(b, v->instance.len > 0 || v->labels.len > 0 ? "{" : "");
	if (v->instance.len > 0) {
		ap_buf_puts(b, "instance=\"");
		ap_buf_str(b, v->instance);
		ap_buf_puts(b, v->labels.len > 0 ? "\"," : "\"");
	}
	ap_buf_str(b, v->labels);
	ap_buf_puts(b, v->instance.len > 0 || v->labels.len > 0 ? "}" : "");
	rows_begin(r);
	rows_text(r, v->component);
	rows_text(r, ap_buf_view(b));
	rows_f64(r, v->value);
	text_c(r, v->type == AP_M_COUNTER ? "counter" : "gauge");
	rows_time(r, ts);
	end_row(m, AP_T_COMPONENT, ts);
}

/* --- an entry ---------------------------------------------------------------------------------------- */

typedef void add_fn(struct map *m, const struct ap_rec *rec);

static add_fn *const add_of[AP_KIND_N] = {
	[AP_RAW] = add_raw, [AP_TRADE] = add_trade, [AP_QUOTE] = add_quote, [AP_BEAT] = add_beat, [AP_CANDLE] = add_candle,
	[AP_INDICATOR] = add_indicator, [AP_SIGNAL] = add_signal, [AP_REJECT] = add_reject, [AP_METRIC] = add_metric,
	[AP_QUOTEBAR] = add_quotebar,
};

/* Beats are in raw and in tick: those in tick count. A stream brings other kinds only by mistake. */
static bool belongs(unsigned stream, enum ap_kind k)
{
	static const uint32_t kinds[MAP_STREAMS] = {
		[AP_S_RAW] = 1u << AP_RAW,
		[AP_S_TICK] = 1u << AP_TRADE | 1u << AP_QUOTE | 1u << AP_BEAT,
		[AP_S_REJECT] = 1u << AP_REJECT,
		[AP_S_CANDLE] = 1u << AP_CANDLE | 1u << AP_QUOTEBAR,
		[AP_S_INDICATOR] = 1u << AP_INDICATOR,
		[AP_S_SIGNAL] = 1u << AP_SIGNAL,
		[MAP_METRIC] = 1u << AP_METRIC,
	};

	return (kinds[stream] >> k & 1) != 0;
}

static void bad_frame(struct map *m, const struct map_entry *e)
{
	char text[AP_DETAIL_MAX], key[96], id[AP_ID_TEXT];
	int n;

	m->bad_frames++;
	ap_id_format(e->id, id);
	snprintf(key, sizeof key, "%d:%s:%s", e->part, map_stream_name(e->stream), id);
	n = snprintf(text, sizeof text, "entry %s of %s, partition %d, cannot be read: %s", id, map_stream_name(e->stream), e->part,
		     m->it.why != NULL ? m->it.why : "unknown");
	map_alert(m, "bad_frame", "critical", ap_str_n(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1), 1.0,
		  ap_str_c(key), (int64_t)e->id.ms * ms_ns);
}

/* What names the message it was made of, and which of the three it is. 0: it has no such number, or is none of these. */
static uint64_t named(const struct ap_rec *rec, enum map_known_kind *kind)
{
	switch (rec->kind) {
	case AP_RAW:
		*kind = MAP_K_RAW;
		return rec->u.raw.seq;
	case AP_TRADE:
		*kind = MAP_K_TICK;
		return rec->u.trade.raw_seq;
	case AP_QUOTE:
		*kind = MAP_K_TICK;
		return rec->u.quote.raw_seq;
	case AP_REJECT:
		*kind = MAP_K_REJECT;
		return ap_str_is(rec->u.reject.stage, "normalize") ? rec->u.reject.raw_seq : 0;
	default:
		return 0;
	}
}

/* Below the mark, not at it: a message's last rows may be missing. */
static bool is_known(const struct map_entry *e, const struct ap_rec *rec)
{
	enum map_known_kind kind = MAP_K_RAW;
	uint64_t origin = named(rec, &kind), tag = origin >> 40;
	size_t lo = 0, hi = e->known_n;

	while (origin != 0 && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->known[mid].tag == tag)
			return (origin & UINT64_C(0xffffffffff)) < e->known[mid].seq[kind];
		if (e->known[mid].tag < tag)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void map_begin(struct map *m, const struct map_entry *e, int64_t now_ms)
{
	m->e = e;
	m->now_ms = now_ms;
	m->bad = false;
	ap_wire_start(&m->it, e->body, e->n);
}

static bool read_next(struct map *m, struct ap_rec *rec)
{
	enum ap_wire_rc rc = m->bad ? AP_WIRE_BAD : ap_wire_next(&m->it, rec);

	m->bad = rc == AP_WIRE_BAD;
	return rc == AP_WIRE_OK;
}

bool map_next(struct map *m)
{
	struct ap_rec rec;

	if (!read_next(m, &rec))
		return false;
	if (!belongs(m->e->stream, rec.kind))
		return true;
	if (m->e->known_n > 0 && is_known(m->e, &rec))
		m->known++;
	else
		add_of[rec.kind](m, &rec);
	return true;
}

bool map_end(struct map *m)
{
	end_result(m);
	end_system(m);
	if (m->bad)
		bad_frame(m, m->e);
	m->e = NULL;
	return !m->failed;
}

bool map_add(struct map *m, const struct map_entry *e, int64_t now_ms)
{
	map_begin(m, e, now_ms);
	while (map_next(m))
		;
	return map_end(m);
}

/* --- what ap-persist died of ----------------------------------------------------------------------------- */

static void poison_alert(struct map *m, uint32_t rec)
{
	char text[AP_DETAIL_MAX], key[96], id[AP_ID_TEXT], which[32] = "entry";
	int n;

	ap_id_format(m->e->id, id);
	if (rec != UINT32_MAX)
		snprintf(which, sizeof which, "record %" PRIu32 " of entry", rec);
	snprintf(key, sizeof key, "%d:%s:%s:%" PRIu32, m->e->part, map_stream_name(m->e->stream), id, rec);
	n = snprintf(text, sizeof text, "ap-persist died of %s %s of %s, partition %d: not stored", which, id,
		     map_stream_name(m->e->stream), m->e->part);
	map_alert(m, "poison", "critical", ap_str_n(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1), 1.0, ap_str_c(key),
		  (int64_t)m->e->id.ms * ms_ns);
}

/*
 * The row in place of the one that could not be made. Its payload goes in as a JSON string, byte by byte: what looks into it
 * may be what the process died in.
 */
static void poison_row(struct map *m, const struct ap_reject *j, uint32_t idx)
{
	struct rows *r = &m->t[AP_T_NORMALIZED];
	int64_t ts = row_time(j->ts.ns, j->recv.ns, j->origin.ms);
	uint64_t origin = origin_of(m, j->raw_seq, j->origin, j->raw_idx);
	char id[MSG_ID], key[KEY_MAX];
	int n = snprintf(key, sizeof key, "#%016" PRIx64 ".%" PRIu32 ":poison:%s.%" PRIu32, origin, j->sub, map_stream_name(m->e->stream), idx);

	rows_begin(r);
	rows_text(r, message_id(j->origin, j->raw_idx, id));
	rows_text(r, j->source);
	rows_text(r, j->symbol);
	text_c(r, j->quote ? "quote" : "trade");
	text_c(r, ap_status_name(AP_ST_POISON));
	rows_f64(r, 0.0);
	rows_i64(r, elapsed_ms(m, j->origin));
	for (int i = 0; i < 3; i++)
		rows_null(r);
	rows_text_or_null(r, j->trade_id);
	rows_json_string(rows_json_begin(r), j->data);
	rows_json_end(r);
	put_errors(r, j);
	put_event_time(r, j->ts.ns, ts);
	rows_text(r, ap_str_n(key, (size_t)n < sizeof key ? (size_t)n : sizeof key - 1));
	rows_i64(r, (int64_t)origin);
	rows_time(r, ts);
	end_row(m, AP_T_NORMALIZED, ts);
	poison_alert(m, idx);
}

static struct ap_reject poison_of(const struct map *m)
{
	return (struct ap_reject){ .origin = ap_id_origin(m->e->id), .status = AP_ST_POISON, .stage = ap_str_c("persist"),
				   .reason = ap_str_c("poison"), .detail = ap_str_c(map_stream_name(m->e->stream)) };
}

bool map_poison(struct map *m)
{
	struct ap_reject j = poison_of(m);
	struct ap_buf json;
	struct ap_rec rec;

	if (!read_next(m, &rec))
		return false;
	j.raw_idx = rec.idx;
	ap_reject_about(&j, &rec);
	ap_buf_init(&json, AP_PAYLOAD_MAX);
	if (rec.kind != AP_RAW) {
		ap_rec_json(&json, &rec);
		j.data = json.full ? (ap_str){ NULL, 0 } : ap_buf_view(&json);
	}
	poison_row(m, &j, rec.idx);
	ap_buf_done(&json);
	return true;
}

bool map_poison_entry(struct map *m, const struct map_entry *e, int64_t now_ms)
{
	m->e = e;
	m->now_ms = now_ms;
	struct ap_reject j = poison_of(m);
	poison_row(m, &j, UINT32_MAX);
	m->e = NULL;
	return !m->failed;
}
