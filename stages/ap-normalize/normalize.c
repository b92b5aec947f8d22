/*
 * normalize.c - raw messages and beats in, trades, quotes, beats and rejects out. See normalize.h.
 *
 * Shapes of messages are common/core/venue_*.c's, remembering is dedup.c's and lastq.c's, price levels are screen.c's;
 * here are the checks, in tables, and what becomes of a trade or a quote after them.
 */
#include "normalize.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/core/venue.h"
#include "dedup.h"
#include "lastq.h"
#include "screen.h"

enum reason {
	R_NONE, R_TOO_LONG, R_BAD_JSON, R_BAD_SHAPE, R_TOO_MANY, R_UNKNOWN_FORMAT, R_UNKNOWN_DATA_TYPE, R_MISSING_FIELD,
	R_SOURCE_BYTES, R_SYMBOL_EMPTY, R_SYMBOL_TOO_LONG, R_SYMBOL_BYTES, R_NOT_A_NUMBER, R_RANGE, R_PRICE_NOT_POSITIVE,
	R_QUANTITY_NEGATIVE, R_TIMESTAMP_UNREADABLE, R_TIMESTAMP_ABSURD, R_TRADE_ID_TOO_LONG,
	R_TRADE_ID_BYTES, R_CROSSED, R_SEQ_UNREADABLE, R_DUPLICATE, R_OUTLIER, R_N
};

#define BAD(word) { word, "reject_" word "_total", AP_ST_INVALID, AP_V_INVALID }
static const struct {
	const char *word, *counter;
	enum ap_status status;
	enum ap_verdict verdict;
} reasons[] = {
	[R_NONE] = { "", "", AP_ST_VALID, AP_V_TAKEN },
	[R_TOO_LONG] = BAD("too_long"),
	[R_BAD_JSON] = BAD("bad_json"),
	[R_BAD_SHAPE] = BAD("bad_shape"),
	[R_TOO_MANY] = BAD("too_many"),
	[R_UNKNOWN_FORMAT] = BAD("unknown_format"),
	[R_UNKNOWN_DATA_TYPE] = BAD("unknown_data_type"),
	[R_MISSING_FIELD] = BAD("missing_field"),
	[R_SOURCE_BYTES] = BAD("source_bytes"),
	[R_SYMBOL_EMPTY] = BAD("symbol_empty"),
	[R_SYMBOL_TOO_LONG] = BAD("symbol_too_long"),
	[R_SYMBOL_BYTES] = BAD("symbol_bytes"),
	[R_NOT_A_NUMBER] = BAD("not_a_number"),
	[R_RANGE] = BAD("range"),
	[R_PRICE_NOT_POSITIVE] = BAD("price_not_positive"),
	[R_QUANTITY_NEGATIVE] = BAD("quantity_negative"),
	[R_TIMESTAMP_UNREADABLE] = BAD("timestamp_unreadable"),
	[R_TIMESTAMP_ABSURD] = BAD("timestamp_absurd"),
	[R_TRADE_ID_TOO_LONG] = BAD("trade_id_too_long"),
	[R_TRADE_ID_BYTES] = BAD("trade_id_bytes"),
	[R_CROSSED] = BAD("crossed"),
	[R_SEQ_UNREADABLE] = BAD("seq_unreadable"),
	[R_DUPLICATE] = { "duplicate", "reject_duplicate_total", AP_ST_DUPLICATE, AP_V_DUPLICATE },
	[R_OUTLIER] = { "outlier", "reject_outlier_total", AP_ST_OUTLIER, AP_V_OUTLIER },
};
_Static_assert(sizeof reasons / sizeof reasons[0] == R_N, "word every reason");

#define MS INT64_C(1000000)
static const int64_t oldest_ns = INT64_C(946684800000) * MS;    /* 2000-01-01T00:00:00Z */

struct norm {
	int64_t max_future_ns;
	struct ap_venue *venue;
	struct dedup *dedup;
	struct screen *screen;
	struct sertab *lastq;
	bool takes_quotes;
	uint64_t trades, quotes, locked, beats, ignored, rounded, rejects[R_N];
	/* The message at hand. */
	const struct ap_rec *rec;
	const struct ap_format *format;
	struct ap_out *out;
	uint32_t sub;           /* trades and quotes of it so far */
	bool taken;             /* one of them was accepted */
	enum ap_verdict refused;        /* of the last one that was not */
	char detail[AP_DETAIL_MAX];
};

/* What trades and quotes share, on its way through the checks. */
struct subject {
	ap_str named, symbol, time;     /* as sent: source, symbol, timestamp */
	bool no_time;                   /* the venue gives none: the time of receipt */
	struct ap_series series;
	ap_ts ts;
	bool rounded;
};

struct work {
	const struct ap_vtrade *in;
	struct subject s;
	struct ap_trade t;
};

struct quote_work {
	const struct ap_vquote *in;
	struct subject s;
	struct ap_quote q;
};

/* ---- saying what is wrong ------------------------------------------------ */

/* What a field said, for a sentence: printable, at most 40 bytes. */
static const char *shown(ap_str s, char out[48])
{
	size_t n = s.len > 40 ? 40 : s.len;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	memcpy(out + n, s.len > n ? "..." : "", s.len > n ? 4 : 1);
	return out;
}

static enum reason say(struct norm *n, enum reason r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static enum reason say(struct norm *n, enum reason r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(n->detail, sizeof n->detail, fmt, ap);
	va_end(ap);
	return r;
}

static void put_reject(struct norm *n, enum reason r, struct ap_reject *j)
{
	struct ap_rec out = { .kind = AP_REJECT, .id = n->rec->id };
	j->origin = ap_id_origin(n->rec->id);
	j->raw_idx = n->rec->idx;
	j->raw_seq = n->rec->u.raw.seq;
	j->status = reasons[r].status;
	j->stage = ap_str_c("normalize");
	j->reason = ap_str_c(reasons[r].word);
	j->detail = ap_str_c(n->detail);
	j->recv = n->rec->u.raw.recv;
	out.u.reject = *j;
	n->rejects[r]++;
	n->refused = reasons[r].verdict;
	ap_out_put(n->out, AP_S_REJECT, &out);
}

/* ---- the checks ---------------------------------------------------------- */

static enum reason check_names(struct norm *n, struct subject *s)
{
	char text[48];
	ap_venue_series(n->format, n->rec->u.raw.source, s->named, s->symbol, &s->series);
	if (s->series.source_len == 0)
		return say(n, R_SOURCE_BYTES, "source is \"%s\", must be 1 to %d bytes of [a-z0-9_.-]",
			   shown(s->named, text), AP_SOURCE_MAX);
	if (s->symbol.p == NULL)
		return say(n, R_MISSING_FIELD, "symbol is missing");
	if (s->symbol.len == 0)
		return say(n, R_SYMBOL_EMPTY, "symbol is empty");
	if (s->symbol.len > AP_SYMBOL_MAX)
		return say(n, R_SYMBOL_TOO_LONG, "symbol is \"%s\", %zu bytes long, at most %d are allowed", shown(s->symbol, text),
			   s->symbol.len, AP_SYMBOL_MAX);
	if (s->series.symbol_len == 0)
		return say(n, R_SYMBOL_BYTES, "symbol is \"%s\", must be names of [A-Za-z0-9._] joined by - _ or /",
			   shown(s->symbol, text));
	return R_NONE;
}

static enum reason check_number(struct norm *n, struct subject *s, const char *field, ap_str text, ap_dec *out)
{
	char quoted[48];
	if (text.p == NULL)
		return say(n, R_MISSING_FIELD, "%s is missing", field);
	switch (ap_dec_parse(text.p, text.len, out)) {
	case AP_DEC_OK:
		return R_NONE;
	case AP_DEC_ROUNDED:
		s->rounded = true;
		return R_NONE;
	case AP_DEC_RANGE:
		return say(n, R_RANGE, "%s is %s, must be below 1e18", field, shown(text, quoted));
	case AP_DEC_SYNTAX:
		break;
	}
	if (text.len > AP_DEC_IN_MAX)
		return say(n, R_NOT_A_NUMBER, "%s has %zu characters, at most %d are read", field, text.len, AP_DEC_IN_MAX);
	return say(n, R_NOT_A_NUMBER, "%s is \"%s\", not a decimal number", field, shown(text, quoted));
}

static enum reason check_price(struct norm *n, struct subject *s, const char *field, ap_str text, ap_dec *out)
{
	enum reason r = check_number(n, s, field, text, out);
	char quoted[48];
	if (r != R_NONE || out->e18 > 0)
		return r;
	return say(n, R_PRICE_NOT_POSITIVE, "%s is %s, must be above 0", field, shown(text, quoted));
}

static enum reason check_quantity(struct norm *n, struct subject *s, const char *field, ap_str text, ap_dec *out)
{
	enum reason r = check_number(n, s, field, text, out);
	char quoted[48];
	if (r != R_NONE || out->e18 >= 0)
		return r;
	return say(n, R_QUANTITY_NEGATIVE, "%s is %s, must not be below 0", field, shown(text, quoted));
}

static enum reason check_time(struct norm *n, struct subject *s)
{
	int64_t recv = n->rec->u.raw.recv.ns;
	char text[48];
	if (s->no_time && recv > 0) {
		s->ts.ns = recv;
		return recv >= oldest_ns ? R_NONE : say(n, R_TIMESTAMP_ABSURD, "it was received before the year 2000");
	}
	if (s->time.p == NULL)
		return say(n, R_MISSING_FIELD, "timestamp is missing");
	if (!ap_ts_parse(s->time, &s->ts))
		return say(n, R_TIMESTAMP_UNREADABLE,
			   "timestamp is \"%s\", neither RFC 3339 nor a number of s, ms, us or ns since 1970", shown(s->time, text));
	if (s->ts.ns < oldest_ns)
		return say(n, R_TIMESTAMP_ABSURD, "timestamp is %s, before the year 2000", shown(s->time, text));
	if (recv > 0 && s->ts.ns - recv > n->max_future_ns)
		return say(n, R_TIMESTAMP_ABSURD, "timestamp is %s, %lld ms after it was received, at most %lld are allowed",
			   shown(s->time, text), (long long)((s->ts.ns - recv) / MS), (long long)(n->max_future_ns / MS));
	return R_NONE;
}

static enum reason check_id(struct norm *n, struct work *w)
{
	ap_str id = w->in->id;
	char text[48];
	if (id.len > AP_TRADE_ID_MAX)
		return say(n, R_TRADE_ID_TOO_LONG, "trade id \"%s\" is %zu bytes long, at most %d are allowed", shown(id, text),
			   id.len, AP_TRADE_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		if ((unsigned char)id.p[i] < 0x20 || id.p[i] == 0x7f)
			return say(n, R_TRADE_ID_BYTES, "trade id \"%s\" has a control character", shown(id, text));
	w->t.trade_id = id;
	return R_NONE;
}

/* The first reason counts. */
static enum reason check_trade(struct norm *n, struct work *w)
{
	enum reason r = check_names(n, &w->s);
	if (r == R_NONE)
		r = check_price(n, &w->s, "price", w->in->price, &w->t.price);
	if (r == R_NONE)
		r = check_quantity(n, &w->s, "quantity", w->in->qty, &w->t.qty);
	if (r == R_NONE)
		r = check_time(n, &w->s);
	if (r == R_NONE)
		r = check_id(n, w);
	w->t.source = ap_series_source(&w->s.series);
	w->t.symbol = ap_series_symbol(&w->s.series);
	w->t.venue_symbol = w->s.symbol;
	w->t.ts = w->s.ts;
	w->t.rounded = w->s.rounded;
	return r;
}

/* The number only decides between equal times, but a wrong one would do so wrongly. */
static enum reason check_seq(struct norm *n, struct quote_work *w)
{
	ap_str s = w->in->seq;
	char text[48];
	if (s.len == 0)
		return R_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(w->q.seq, UINT64_C(10), &w->q.seq) ||
		    __builtin_add_overflow(w->q.seq, (uint64_t)(s.p[i] - '0'), &w->q.seq)) {
			w->q.seq = 0;
			return say(n, R_SEQ_UNREADABLE, "sequence is \"%s\", not an integer below 2^64", shown(s, text));
		}
	}
	return R_NONE;
}

static enum reason check_spread(struct norm *n, struct quote_work *w)
{
	char bid[48], ask[48];
	if (w->q.bid.e18 <= w->q.ask.e18)
		return R_NONE;
	return say(n, R_CROSSED, "bid is %s, above the ask of %s", shown(w->in->bid, bid), shown(w->in->ask, ask));
}

static enum reason check_quote(struct norm *n, struct quote_work *w)
{
	enum reason r = check_names(n, &w->s);
	if (r == R_NONE)
		r = check_price(n, &w->s, "bid", w->in->bid, &w->q.bid);
	if (r == R_NONE)
		r = check_price(n, &w->s, "ask", w->in->ask, &w->q.ask);
	if (r == R_NONE && w->in->bid_qty.p != NULL)
		r = check_quantity(n, &w->s, "bid size", w->in->bid_qty, &w->q.bid_qty);
	if (r == R_NONE && w->in->ask_qty.p != NULL)
		r = check_quantity(n, &w->s, "ask size", w->in->ask_qty, &w->q.ask_qty);
	if (r == R_NONE)
		r = check_spread(n, w);
	if (r == R_NONE)
		r = check_time(n, &w->s);
	if (r == R_NONE)
		r = check_seq(n, w);
	w->q.source = ap_series_source(&w->s.series);
	w->q.symbol = ap_series_symbol(&w->s.series);
	w->q.venue_symbol = w->s.symbol;
	w->q.ts = w->s.ts;
	if (r == R_NONE && lastq_again(n->lastq, &w->q))
		return say(n, R_DUPLICATE, "the quote is the series' last one once more");
	return r;
}

static enum reason check_history(struct norm *n, struct work *w)
{
	struct ap_trade *t = &w->t;
	struct dedup_key key = { 0, 0 };
	int64_t ms = ap_ts_ms(t->ts);
	ap_dec level;
	char text[48], lvl[AP_DEC_TEXT];
	if (t->trade_id.len > 0) {
		key = dedup_key(t->source, t->symbol, t->trade_id);
		if (dedup_seen(n->dedup, key, ms))
			return say(n, R_DUPLICATE, "trade id %s was already seen in this series", shown(t->trade_id, text));
	}
	if (!screen_take(n->screen, t->source, t->symbol, t->price, &level)) {
		ap_dec_format(level, lvl);
		return say(n, R_OUTLIER, "price is %s, the level of the series is %s", shown(w->in->price, text), lvl);
	}
	if (t->trade_id.len > 0)
		dedup_add(n->dedup, t->source, key, ms);
	return R_NONE;
}

/* ---- the fold ------------------------------------------------------------ */

static void refuse_trade(struct norm *n, struct work *w, enum reason r)
{
	struct ap_reject j = {
		.sub = w->t.sub,
		.source = w->t.source,
		.symbol = w->t.symbol,
		.trade_id = w->in->id,
		.ts = w->t.ts,
		.data = w->in->text,
	};
	if (j.trade_id.len > AP_TRADE_ID_MAX || r == R_TRADE_ID_BYTES)
		j.trade_id = ap_str_n(NULL, 0);
	put_reject(n, r, &j);
}

static bool on_trade(void *ctx, const struct ap_vtrade *in)
{
	struct norm *n = ctx;
	struct work w = { .in = in, .s = { .named = in->source, .symbol = in->symbol, .time = in->ts } };
	struct ap_rec out = { .kind = AP_TRADE, .id = n->rec->id };
	enum reason r;
	w.t.side = in->side;
	w.t.raw_idx = n->rec->idx;
	w.t.raw_seq = n->rec->u.raw.seq;
	w.t.recv = n->rec->u.raw.recv;
	w.t.sub = n->sub++;
	r = check_trade(n, &w);
	if (r == R_NONE)
		r = check_history(n, &w);
	if (r != R_NONE) {
		refuse_trade(n, &w, r);
		return true;
	}
	n->trades++;
	n->rounded += w.t.rounded;
	n->taken = true;
	out.u.trade = w.t;
	ap_out_put(n->out, AP_S_TICK, &out);
	return true;
}

static bool on_quote(void *ctx, const struct ap_vquote *in)
{
	struct norm *n = ctx;
	struct quote_work w = { .in = in, .s = { .named = in->source, .symbol = in->symbol, .time = in->ts, .no_time = in->no_time } };
	struct ap_rec out = { .kind = AP_QUOTE, .id = n->rec->id };
	enum reason r;
	w.q.raw_idx = n->rec->idx;
	w.q.raw_seq = n->rec->u.raw.seq;
	w.q.recv = n->rec->u.raw.recv;
	w.q.sub = n->sub++;
	r = check_quote(n, &w);
	if (r != R_NONE) {
		put_reject(n, r, &(struct ap_reject){ .sub = w.q.sub, .source = w.q.source, .symbol = w.q.symbol, .ts = w.q.ts,
						      .data = in->text, .quote = true });
		return true;
	}
	n->quotes++;
	n->locked += w.q.bid.e18 == w.q.ask.e18;
	n->rounded += w.s.rounded;
	n->taken = true;
	out.u.quote = w.q;
	ap_out_put(n->out, AP_S_TICK, &out);
	return true;
}

static enum reason reason_of(const char *word)
{
	int r = R_NONE + 1;
	while (r < R_N && strcmp(reasons[r].word, word) != 0)
		r++;
	assert(r < R_N);        /* every word of venue.h has its row */
	return (enum reason)r;
}

static void refuse_message(struct norm *n, enum reason r)
{
	const struct ap_raw *raw = &n->rec->u.raw;
	struct ap_reject j = { .sub = n->sub, .source = raw->source, .symbol = raw->symbol, .data = raw->payload };
	if (j.data.len > AP_PAYLOAD_MAX)
		j.data.len = AP_PAYLOAD_MAX;
	put_reject(n, r, &j);
}

static enum ap_verdict step_raw(struct norm *n)
{
	const struct ap_raw *raw = &n->rec->u.raw;
	const struct ap_venue_on on = { on_trade, n->takes_quotes ? on_quote : NULL, n };
	const char *sentence;
	char text[48];
	enum reason r;
	n->sub = 0;
	n->taken = false;
	n->refused = AP_V_INVALID;
	if (raw->payload.len > AP_PAYLOAD_MAX) {
		refuse_message(n, say(n, R_TOO_LONG, "the message has %zu bytes, at most %d are allowed", raw->payload.len,
				      AP_PAYLOAD_MAX));
		return AP_V_INVALID;
	}
	if (ap_str_is(raw->format, "too_long")) {
		refuse_message(n, say(n, R_TOO_LONG, "the message has more than %d bytes; this is how it begins", AP_PAYLOAD_MAX));
		return AP_V_INVALID;
	}
	n->format = ap_format_find(raw->format);
	switch (ap_venue_parse(n->venue, n->format, raw->payload, &on)) {
	case AP_VENUE_TRADES:
	case AP_VENUE_QUOTES:
		break;
	case AP_VENUE_OTHER:
		n->ignored++;
		return AP_V_IGNORED;
	case AP_VENUE_BAD:
		r = reason_of(ap_venue_why(n->venue, &sentence));
		if (r == R_UNKNOWN_FORMAT)
			say(n, r, "no format is called \"%s\"", shown(raw->format, text));
		else
			say(n, r, "%s", sentence);
		refuse_message(n, r);
		break;
	}
	return n->taken ? AP_V_TAKEN : n->refused;
}

static enum ap_verdict norm_step(void *st, const struct ap_rec *rec, struct ap_out *out)
{
	struct norm *n = st;
	n->rec = rec;
	n->out = out;
	if (rec->kind == AP_RAW)
		return step_raw(n);
	if (rec->kind != AP_BEAT) {
		n->ignored++;
		return AP_V_IGNORED;
	}
	n->beats++;
	dedup_reached(n->dedup, rec->u.beat.source, ap_ts_ms(rec->u.beat.ts));
	ap_out_put(out, AP_S_TICK, rec);
	return AP_V_TAKEN;
}

static size_t norm_bound(const void *st, const struct ap_rec *rec)
{
	(void)st;
	if (rec->kind != AP_RAW)
		return rec->kind == AP_BEAT;
	/* Every trade or quote of the message, and the message itself when it turns bad after some of them. */
	return ap_venue_trades_max(ap_format_find(rec->u.raw.format), rec->u.raw.payload.len) + 1;
}

static void norm_close(void *st)
{
	struct norm *n = st;
	if (n == NULL)
		return;
	ap_venue_free(n->venue);
	dedup_free(n->dedup);
	screen_free(n->screen);
	sertab_free(n->lastq);
	free(n);
}

static void *norm_open(const struct ap_conf *conf, char *err, size_t errlen)
{
	struct norm *n;
	if (conf->normalize_outlier_ratio_pct > 0 && conf->normalize_outlier_ratio_pct < SCREEN_RATIO_MIN) {
		snprintf(err, errlen, "normalize.outlier_ratio_pct = %llu: must be 0 (off) or at least %d",
			 (unsigned long long)conf->normalize_outlier_ratio_pct, SCREEN_RATIO_MIN);
		return NULL;
	}
	n = calloc(1, sizeof *n);
	if (n != NULL) {
		n->max_future_ns = (int64_t)conf->data_max_future_ms * MS;
		n->venue = ap_venue_new();
		n->dedup = dedup_new(conf->normalize_dedup_ids, (int64_t)conf->normalize_dedup_ms);
		n->screen = screen_new(conf->normalize_outlier_ratio_pct, conf->normalize_outlier_after,
				       conf->normalize_outlier_agree);
		n->lastq = lastq_new();
		n->takes_quotes = conf->normalize_quotes;
	}
	if (n != NULL && n->venue != NULL && n->dedup != NULL && n->screen != NULL && n->lastq != NULL)
		return n;
	norm_close(n);
	snprintf(err, errlen, "no memory");
	return NULL;
}

static void norm_save(void *st, struct ap_saver *s, bool all)
{
	struct norm *n = st;
	dedup_save(n->dedup, s, all);
	screen_save(n->screen, s, all);
	sertab_save(n->lastq, s, all);
}

static bool norm_load(void *st, ap_str field, ap_str value)
{
	struct norm *n = st;
	if (field.len > 0 && field.p[0] == 'd')
		return dedup_load(n->dedup, field, value);
	if (field.len > 0 && field.p[0] == 'q')
		return sertab_load(n->lastq, field, value);
	return screen_load(n->screen, field, value);
}

static bool norm_loaded(void *st, char *err, size_t errlen)
{
	struct norm *n = st;
	if (dedup_loaded(n->dedup))
		return true;
	snprintf(err, errlen, "the remembered trade ids have a gap");
	return false;
}

static void norm_count(const void *st, struct ap_counts *c)
{
	const struct norm *n = st;
	c->put(c, "trades_total", AP_M_COUNTER, (double)n->trades);
	c->put(c, "quotes_total", AP_M_COUNTER, (double)n->quotes);
	c->put(c, "quotes_locked_total", AP_M_COUNTER, (double)n->locked);
	c->put(c, "beats_total", AP_M_COUNTER, (double)n->beats);
	c->put(c, "ignored_total", AP_M_COUNTER, (double)n->ignored);
	c->put(c, "rounded_total", AP_M_COUNTER, (double)n->rounded);
	c->put(c, "ids_remembered", AP_M_GAUGE, (double)dedup_count(n->dedup));
	for (int r = R_NONE + 1; r < R_N; r++)
		c->put(c, reasons[r].counter, AP_M_COUNTER, (double)n->rejects[r]);
}

const struct ap_stage ap_normalize_stage = {
	.name = "normalize",
	.in = AP_S_RAW,
	.outs = 1u << AP_S_TICK | 1u << AP_S_REJECT,
	.open = norm_open,
	.close = norm_close,
	.step = norm_step,
	.bound = norm_bound,
	.save = norm_save,
	.load = norm_load,
	.loaded = norm_loaded,
	.count = norm_count,
};
