/*
 * replay.c - lines of a recorded file become raw records and beats.
 *
 * Rows of CSV become our own trade message, numbers as they were spelled; what a venue sent stays as it was sent.
 * Nothing is judged here: a row that makes no sense goes on and is refused, with the reason, by ap-normalize.
 */
#include "replay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/json.h"
#include "common/core/recjson.h"
#include "common/core/timefmt.h"
#include "common/core/venue.h"

static const int64_t SECOND = 1000000000, DAY = 86400 * (int64_t)1000000000;
/* Times outside these move no clock: 2000-01-01 and 2100-01-01. */
static const int64_t TIME_MIN = 946684800 * (int64_t)1000000000, TIME_MAX = 4102444800 * (int64_t)1000000000;

enum { SESSION_TOKS = 65536 };

enum col { COL_SKIP, COL_TIME, COL_PRICE, COL_QTY, COL_ID, COL_SIDE, COL_MAKER, COL_SYMBOL, COL_SOURCE, COL_N };
static const char *const col_names[] = { "-", "time", "price", "quantity", "id", "side", "buyer_is_maker", "symbol", "source" };
_Static_assert(sizeof col_names / sizeof col_names[0] == COL_N, "name every column");

enum shape { OBJECTS, ROWS, SESSION };
static const struct tape_format {
	const char *name;
	enum shape shape;
	const char *columns;    /* ROWS: NULL when the user says */
	const char *source;     /* when neither the user nor the tape names one */
} formats[] = {
	{ "ndjson", OBJECTS, NULL, "file" },
	{ "binance-trades", ROWS, "id,price,quantity,-,time,buyer_is_maker", "binance" },
	{ "binance-aggtrades", ROWS, "id,price,quantity,-,-,time,buyer_is_maker", "binance" },
	{ "tardis-trades", ROWS, "source,symbol,time,-,id,side,price,quantity", "tardis" },
	{ "csv", ROWS, NULL, "file" },
	{ "session", SESSION, NULL, "binance" },
};

/* How far a source's time has come on the tape. */
struct clock {
	char source[AP_SOURCE_MAX];
	size_t source_len;
	int64_t newest_ns;      /* latest time believed */
	int64_t beat_ns;        /* of the last beat, at first the first time seen */
	bool beaten;            /* there was one */
};

struct ap_tape {
	const struct tape_format *format;
	enum col col[AP_TAPE_COLUMNS];
	unsigned cols;
	char columns[400];      /* as given, for the identity */
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1];
	bool own_source;        /* the user named one: it outranks the tape's */
	bool past_first;        /* the first row, which may be a header, is behind */
	uint64_t place;
	struct clock clock[AP_TAPE_SOURCES];
	unsigned clocks;
	/* A record whose time is far ahead of its source's is held until the next one says whether that is so. */
	struct ap_rec held;
	struct ap_buf held_text;
	int64_t held_ns;
	bool holding;
	struct ap_venue *venue;
	const struct ap_format *trade;
	struct ap_jtok *toks;   /* SESSION */
	struct ap_buf payload;  /* ROWS: the message made of a row */
};

/* --- options ------------------------------------------------------------------------ */

static const char format_names[] = "ndjson, binance-trades, binance-aggtrades, tardis-trades, csv, session";

static bool columns_read(struct ap_tape *t, const char *list, char *err, size_t errlen)
{
	unsigned have[COL_N] = { 0 };

	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ",");
		unsigned c = 0;

		while (c < COL_N && !ap_str_eq(ap_str_n(p, n), ap_str_c(col_names[c])))
			c++;
		if (c == COL_N || t->cols == AP_TAPE_COLUMNS || (c != COL_SKIP && have[c] > 0)) {
			snprintf(err, errlen, "--columns: '%.*s' %s; names are time, price, quantity, id, side, buyer_is_maker, symbol, source and -",
				 (int)(n > 40 ? 40 : n), p,
				 c == COL_N ? "is no column" : have[c] > 0 ? "stands there twice" : "is one column too many");
			return false;
		}
		have[c]++;
		t->col[t->cols++] = (enum col)c;
		p += n + (p[n] == ',');
	}
	if (have[COL_TIME] == 0 || have[COL_PRICE] == 0 || have[COL_QTY] == 0) {
		snprintf(err, errlen, "--columns: time, price and quantity are needed");
		return false;
	}
	if (have[COL_SYMBOL] == 0 && t->symbol[0] == '\0') {
		snprintf(err, errlen, "--symbol is needed: the rows do not name one");
		return false;
	}
	return true;
}

static bool names_read(struct ap_tape *t, const struct ap_tape_spec *spec, char *err, size_t errlen)
{
	char canon[AP_SYMBOL_MAX];
	const char *source = spec->source != NULL ? spec->source : t->format->source;
	size_t n = ap_source_canon(ap_str_c(source), t->source);

	if (n == 0) {
		snprintf(err, errlen, "--source '%.60s': letters, digits, '_', '.' and '-' are allowed, at most %d", source, AP_SOURCE_MAX);
		return false;
	}
	t->own_source = spec->source != NULL;
	if (spec->symbol == NULL)
		return true;
	if (strlen(spec->symbol) > AP_SYMBOL_MAX || ap_symbol_canon(ap_str_c(t->source), ap_str_c(spec->symbol), canon) == 0) {
		snprintf(err, errlen, "--symbol '%.60s' is no symbol", spec->symbol);
		return false;
	}
	snprintf(t->symbol, sizeof t->symbol, "%s", spec->symbol);
	return true;
}

static bool spec_read(struct ap_tape *t, const struct ap_tape_spec *spec, char *err, size_t errlen)
{
	const char *columns;

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (spec->format != NULL && strcmp(spec->format, formats[i].name) == 0)
			t->format = &formats[i];
	if (t->format == NULL) {
		snprintf(err, errlen, "--format %s: one of %s is needed", spec->format == NULL ? "is missing" : spec->format,
			 format_names);
		return false;
	}
	if (!names_read(t, spec, err, errlen))
		return false;
	columns = t->format->columns != NULL ? t->format->columns : spec->columns;
	if (spec->columns != NULL && (t->format->shape != ROWS || t->format->columns != NULL)) {
		snprintf(err, errlen, "--columns is for --format csv; %s has its own", t->format->name);
		return false;
	}
	if (t->format->shape != ROWS)
		return true;
	if (columns == NULL) {
		snprintf(err, errlen, "--columns is needed with --format csv, for example time,price,quantity,id,side,-");
		return false;
	}
	if (strlen(columns) >= sizeof t->columns) {
		snprintf(err, errlen, "--columns: too long");
		return false;
	}
	snprintf(t->columns, sizeof t->columns, "%s", columns);
	return columns_read(t, columns, err, errlen);
}

struct ap_tape *ap_tape_new(const struct ap_tape_spec *spec, char *err, size_t errlen)
{
	struct ap_tape *t = calloc(1, sizeof *t);

	if (t == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	ap_buf_init(&t->payload, 8 * AP_PAYLOAD_MAX);
	ap_buf_init(&t->held_text, 2 * AP_PAYLOAD_MAX);
	if (!spec_read(t, spec, err, errlen))
		goto fail;
	t->trade = ap_format_find(ap_str_c("trade"));
	t->venue = ap_venue_new();
	if (t->format->shape == SESSION)
		t->toks = malloc(SESSION_TOKS * sizeof *t->toks);
	if (t->venue == NULL || (t->format->shape == SESSION && t->toks == NULL)) {
		snprintf(err, errlen, "no memory");
		goto fail;
	}
	assert(t->trade != NULL);
	return t;
fail:
	ap_tape_free(t);
	return NULL;
}

void ap_tape_free(struct ap_tape *t)
{
	if (t == NULL)
		return;
	ap_venue_free(t->venue);
	ap_buf_done(&t->payload);
	ap_buf_done(&t->held_text);
	free(t->toks);
	free(t);
}

bool ap_tape_by_lines(const struct ap_tape *t)
{
	return t->format->shape != OBJECTS;
}

size_t ap_tape_line_max(const struct ap_tape *t)
{
	return t->format->shape == SESSION ? AP_TAPE_LINE_MAX : AP_PAYLOAD_MAX;
}

void ap_tape_meaning(const struct ap_tape *t, struct ap_buf *out)
{
	ap_buf_printf(out, "%s\n%s\n%s%s\n%s\n", t->format->name, t->columns, t->own_source ? "" : "~", t->source, t->symbol);
}

/* --- items and beats ------------------------------------------------------------------- */

/* Who takes the items. */
struct to {
	struct ap_tape *t;
	ap_tape_fn *put;
	void *ctx;
};

static void give(const struct to *to, struct ap_rec *rec, int64_t t_ms, bool everywhere)
{
	struct ap_tape_item item = { rec, ++to->t->place, t_ms, everywhere };

	if (rec->kind == AP_RAW)
		rec->u.raw.seq = item.place;
	to->put(to->ctx, &item);
}

static struct clock *clock_of(struct ap_tape *t, ap_str source, int64_t ns)
{
	struct clock *c;

	for (unsigned i = 0; i < t->clocks; i++)
		if (ap_str_eq(ap_str_n(t->clock[i].source, t->clock[i].source_len), source))
			return &t->clock[i];
	if (t->clocks == AP_TAPE_SOURCES)
		return NULL;
	c = &t->clock[t->clocks++];
	memcpy(c->source, source.p, source.len);
	c->source_len = source.len;
	c->newest_ns = c->beat_ns = ns;
	return c;
}

static void beat(const struct to *to, struct clock *c, int64_t ns, bool close)
{
	struct ap_rec r = { .kind = AP_BEAT };
	int64_t covers = ns / 1000000 - c->beat_ns / 1000000;   /* whole ms on both sides: no hole between two beats */

	r.u.beat = (struct ap_beat){ .source = ap_str_n(c->source, c->source_len), .ts = { ns }, .alive = true, .close = close,
				     .covers_ms = covers > UINT32_MAX ? UINT32_MAX : covers < 0 ? 0 : (uint32_t)covers };
	c->beat_ns = ns;
	c->beaten = true;
	give(to, &r, ns / 1000000, true);
}

/* The source's time has reached ns: a beat at each new second. */
static void clock_move(const struct to *to, struct clock *c, int64_t ns)
{
	int64_t second = ns / SECOND * SECOND;

	if (ns > c->newest_ns)
		c->newest_ns = ns;
	if (second > c->beat_ns)
		beat(to, c, second, false);
}

static bool plausible(int64_t ns)
{
	return ns >= TIME_MIN && ns < TIME_MAX;
}

/* The record goes out; its receive time is the time it had on the tape, or what the source's clock says when that is not to be believed. */
static void raw_out(const struct to *to, struct ap_rec *rec, int64_t ns, bool believed)
{
	struct clock *c = plausible(ns) ? clock_of(to->t, rec->u.raw.source, ns) : NULL;

	if (c != NULL && believed)
		clock_move(to, c, ns);
	if (rec->u.raw.recv.ns == 0)
		rec->u.raw.recv.ns = c == NULL ? ap_tape_now(to->t).ns : believed ? ns : c->newest_ns;
	give(to, rec, rec->u.raw.recv.ns / 1000000, false);
}

static void held_out(const struct to *to, bool believed)
{
	struct ap_tape *t = to->t;

	if (!t->holding)
		return;
	t->holding = false;
	raw_out(to, &t->held, t->held_ns, believed);
}

/* Keeps a copy of the record, texts and all. False: no memory. */
static bool hold(struct ap_tape *t, const struct ap_rec *rec, int64_t ns)
{
	const ap_str *from[] = { &rec->u.raw.source, &rec->u.raw.symbol, &rec->u.raw.format, &rec->u.raw.payload };
	ap_str *into[] = { &t->held.u.raw.source, &t->held.u.raw.symbol, &t->held.u.raw.format, &t->held.u.raw.payload };
	size_t at = 0;

	ap_buf_clear(&t->held_text);
	t->held = *rec;
	for (unsigned i = 0; i < 4; i++)
		ap_buf_str(&t->held_text, *from[i]);
	if (t->held_text.full)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		*into[i] = ap_str_n((const char *)t->held_text.p + at, from[i]->len);
		at += from[i]->len;
	}
	t->held_ns = ns;
	t->holding = true;
	return true;
}

/*
 * A raw record with the time ns (0: none). One wild time must not end all candles of its source: a jump of more
 * than a day ahead is believed only when the source's next record jumps too.
 */
static void raw_in(const struct to *to, struct ap_rec *rec, int64_t ns)
{
	struct ap_tape *t = to->t;
	struct clock *c = plausible(ns) ? clock_of(t, rec->u.raw.source, ns) : NULL;
	bool ahead = c != NULL && ns - c->newest_ns > DAY;

	if (t->holding) {
		bool same = ap_str_eq(rec->u.raw.source, t->held.u.raw.source);

		held_out(to, same && ahead);
		if (same && ahead)
			ahead = ns - c->newest_ns > DAY;
	}
	if (ahead && hold(t, rec, ns))
		return;
	/* The very first time of a source was wild if the next is a day before it; no beat has told anybody. */
	if (c != NULL && !c->beaten && c->newest_ns - ns > DAY)
		c->newest_ns = c->beat_ns = ns;
	raw_out(to, rec, ns, !ahead);
}

/* --- lines -------------------------------------------------------------------------------- */

/* A message as a venue or user sent it: routed by what it says. recv: 0 or the recorded time. */
static void message_in(const struct to *to, ap_str source, ap_str format, ap_str payload, bool cut, int64_t recv_ns)
{
	struct ap_tape *t = to->t;
	struct ap_rec r = { .kind = AP_RAW };
	struct ap_route route;

	ap_venue_route(t->venue, cut ? NULL : ap_format_find(format), source, payload, &route);
	if (!cut && route.what == AP_VENUE_OTHER)
		return;
	if (payload.len > AP_PAYLOAD_MAX) {
		payload.len = AP_PAYLOAD_MAX;
		cut = true;
	}
	r.u.raw = (struct ap_raw){ .source = route.to.source_len > 0 ? ap_series_source(&route.to) : source,
				   .symbol = cut ? ap_str_n("", 0) : ap_series_symbol(&route.to),
				   .format = cut ? ap_str_c("too_long") : format, .payload = payload, .recv = { recv_ns } };
	if (recv_ns != 0)
		give(to, &r, recv_ns / 1000000, false);
	else
		raw_in(to, &r, cut ? 0 : route.ts.ns);
}

/* Splits a row at commas; a field in double quotes may have commas. Returns the fields found, at most cap. */
static unsigned fields_of(ap_str line, ap_str *field, unsigned cap)
{
	const char *p = line.p, *end = line.p + line.len, *q;
	unsigned n = 0;

	while (n < cap) {
		if (p < end && *p == '"' && (q = memchr(p + 1, '"', (size_t)(end - p - 1))) != NULL && (q + 1 == end || q[1] == ',')) {
			field[n++] = ap_str_n(p + 1, (size_t)(q - p - 1));
			q++;
		} else {
			q = memchr(p, ',', (size_t)(end - p));
			if (q == NULL)
				q = end;
			field[n++] = ap_str_n(p, (size_t)(q - p));
		}
		if (q == end)
			break;
		p = q + 1;
	}
	return n;
}

static bool starts_like_number(ap_str s)
{
	return s.len > 0 && (s.p[0] == '+' || s.p[0] == '-' || s.p[0] == '.' || (s.p[0] >= '0' && s.p[0] <= '9'));
}

/* "true" when the buyer was the maker: then the taker sold. */
static ap_str side_of_maker(ap_str v)
{
	static const char *const yes[] = { "true", "True", "TRUE", "1" }, *const no[] = { "false", "False", "FALSE", "0" };

	for (unsigned i = 0; i < 4; i++) {
		if (ap_str_is(v, yes[i]))
			return ap_str_c("sell");
		if (ap_str_is(v, no[i]))
			return ap_str_c("buy");
	}
	return v;       /* whatever it is, ap-normalize sees it */
}

static void member(struct ap_buf *b, const char *key, ap_str v)
{
	if (v.len == 0)
		return;
	ap_buf_puts(b, b->len == 1 ? "\"" : ",\"");
	ap_buf_puts(b, key);
	ap_buf_puts(b, "\":");
	ap_json_string(b, v);
}

/* Our own trade message out of a row's fields. */
static void payload_of(struct ap_tape *t, const ap_str *v)
{
	struct ap_buf *b = &t->payload;

	ap_buf_clear(b);
	ap_buf_putc(b, '{');
	member(b, "symbol", v[COL_SYMBOL]);
	member(b, "price", v[COL_PRICE]);
	member(b, "quantity", v[COL_QTY]);
	member(b, "timestamp", v[COL_TIME]);
	member(b, "trade_id", v[COL_ID]);
	member(b, "side", v[COL_MAKER].len > 0 ? side_of_maker(v[COL_MAKER]) : v[COL_SIDE]);
	ap_buf_putc(b, '}');
}

static void row_in(const struct to *to, ap_str line, bool cut)
{
	struct ap_tape *t = to->t;
	ap_str field[AP_TAPE_COLUMNS], v[COL_N] = { { 0 } }, source = ap_str_c(t->source);
	struct ap_rec r = { .kind = AP_RAW };
	struct ap_series to_series;
	unsigned n = fields_of(line, field, t->cols);
	bool first = !t->past_first;
	ap_ts ts = { 0 };

	t->past_first = true;
	if (cut) {
		message_in(to, source, ap_str_c("trade"), line, true, 0);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		v[t->col[i]] = field[i];
	if (first && !starts_like_number(v[COL_TIME]) && !starts_like_number(v[COL_PRICE]))
		return;         /* a header */
	if (t->symbol[0] != '\0')
		v[COL_SYMBOL] = ap_str_c(t->symbol);
	if (!t->own_source && v[COL_SOURCE].len > 0)
		source = v[COL_SOURCE];
	ap_venue_series(t->trade, source, ap_str_n(NULL, 0), v[COL_SYMBOL], &to_series);
	payload_of(t, v);
	if (t->payload.full || t->payload.len > AP_PAYLOAD_MAX) {       /* control bytes grow sixfold as JSON */
		message_in(to, ap_str_c(t->source), ap_str_c("trade"), line, true, 0);
		return;
	}
	if (!ap_ts_parse(v[COL_TIME], &ts))
		ts.ns = 0;
	r.u.raw = (struct ap_raw){ .source = to_series.source_len > 0 ? ap_series_source(&to_series) : ap_str_c(t->source),
				   .symbol = ap_series_symbol(&to_series), .format = ap_str_c("trade"),
				   .payload = ap_buf_view(&t->payload) };
	raw_in(to, &r, ts.ns);
}

/* Which of our formats reads what this exchange sends; the exchange itself when we know none. */
static void session_frame(const struct to *to, ap_str exchange, ap_str payload, ap_ts recv)
{
	struct ap_tape *t = to->t;
	char format[AP_SOURCE_MAX], name[AP_SOURCE_MAX];
	ap_str f = { format, ap_source_canon(exchange, format) }, source = t->own_source ? ap_str_c(t->source) : f;
	struct clock *c;

	if (source.len == 0)
		source = ap_str_c(t->source);
	memcpy(name, source.p, source.len);
	source.p = name;
	c = plausible(recv.ns) ? clock_of(t, source, recv.ns) : NULL;
	if (c != NULL)
		clock_move(to, c, recv.ns);
	message_in(to, source, f, payload, false, plausible(recv.ns) ? recv.ns : 0);
}

/* {"recv_ts":..,"exchange":"..","conn":"..","dir":"recv","msg":<the venue's own text>}; only what was received counts. */
static void session_object(const struct to *to, ap_str line)
{
	struct ap_tape *t = to->t;
	struct ap_json j;
	uint32_t dir, msg, ex, at;
	ap_ts recv = { 0 };
	size_t n;

	if (!ap_json_parse(&j, line, t->toks, SESSION_TOKS)) {
		message_in(to, ap_str_c(t->source), ap_str_c("trade"), line, false, 0);
		return;
	}
	dir = ap_json_get(&j, 0, "dir");
	if (dir == 0 || !ap_str_is(ap_json_text(&j, dir), "recv"))
		return;
	ex = ap_json_get(&j, 0, "exchange");
	at = ap_json_get(&j, 0, "recv_ts");
	if (at != 0 && !ap_ts_parse(ap_json_text(&j, at), &recv))
		recv.ns = 0;
	msg = ap_json_get(&j, 0, "msg");
	if (msg != 0) {
		session_frame(to, ex == 0 ? ap_str_c("") : ap_json_text(&j, ex), ap_json_text(&j, msg), recv);
		return;
	}
	msg = ap_json_get(&j, 0, "text");
	ap_buf_clear(&t->payload);
	if (msg != 0 && ap_buf_room(&t->payload, ap_json_text(&j, msg).len + 8) != NULL &&
	    ap_json_unescape(&j, msg, (char *)t->payload.p, ap_json_text(&j, msg).len + 8, &n))
		session_frame(to, ex == 0 ? ap_str_c("") : ap_json_text(&j, ex), ap_str_n((const char *)t->payload.p, n), recv);
}

/* The other recording: "<receive time> <JSON>" a line. */
static void session_plain(const struct to *to, ap_str line)
{
	const char *blank = memchr(line.p, ' ', line.len);
	ap_ts recv = { 0 };
	size_t n = blank == NULL ? line.len : (size_t)(blank - line.p);

	if (blank == NULL || !ap_ts_parse(ap_str_n(line.p, n), &recv))
		message_in(to, ap_str_c(to->t->source), ap_str_c("trade"), line, false, 0);
	else
		session_frame(to, ap_str_c(to->t->source), ap_str_n(blank + 1, line.len - n - 1), recv);
}

void ap_tape_line(struct ap_tape *t, ap_str line, bool cut, ap_tape_fn *put, void *ctx)
{
	struct to to = { t, put, ctx };

	if (line.len == 0)
		return;
	if (t->format->shape == ROWS)
		row_in(&to, line, cut);
	else if (t->format->shape == OBJECTS || cut)
		message_in(&to, ap_str_c(t->source), ap_str_c("trade"), line, cut, 0);
	else if (line.p[0] >= '0' && line.p[0] <= '9')
		session_plain(&to, line);
	else
		session_object(&to, line);
}

void ap_tape_end(struct ap_tape *t, bool close, ap_tape_fn *put, void *ctx)
{
	struct to to = { t, put, ctx };
	struct clock *c;

	/* With nobody to bear it out, a last jump is believed up to a month: sparse tapes have such gaps. */
	if (t->holding) {
		c = clock_of(t, t->held.u.raw.source, t->held_ns);
		held_out(&to, c != NULL && t->held_ns - c->newest_ns <= 31 * DAY);
	}
	for (unsigned i = 0; close && i < t->clocks; i++)
		beat(&to, &t->clock[i], t->clock[i].newest_ns, true);
}

ap_ts ap_tape_now(const struct ap_tape *t)
{
	ap_ts now = { 0 };

	for (unsigned i = 0; i < t->clocks; i++)
		if (t->clock[i].newest_ns > now.ns)
			now.ns = t->clock[i].newest_ns;
	return now;
}
