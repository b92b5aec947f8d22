/*
 * venue.c - the table of formats, and what all readers share. Knows no venue; those are in venue_*.c.
 */
#include "venue_read.h"

#include <stdio.h>
#include <stdlib.h>

#include "timefmt.h"

static const struct ap_format formats[] = {
	{ "trade", ap_vread_trade, true, false },
	{ "binance", ap_vread_binance, false, false },
	{ "binance_futures", ap_vread_binance, false, false },
	{ "coinbase", ap_vread_coinbase, false, false },
	{ "kraken", ap_vread_kraken, false, true },
	{ "bybit", ap_vread_bybit, false, true },
	{ "okx", ap_vread_okx, false, true },
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

struct ap_venue *ap_venue_new(void)
{
	return calloc(1, sizeof(struct ap_venue));
}

void ap_venue_free(struct ap_venue *v)
{
	free(v);
}

const struct ap_format *ap_format_find(ap_str name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (ap_str_is(name, formats[i].name))
			return &formats[i];
	return NULL;
}

size_t ap_venue_trades_max(const struct ap_format *f, size_t len)
{
	return f == NULL ? 0 : f->many ? 16 + len / 24 : 1;
}

/* ---- what readers use ---------------------------------------------------- */

ap_str ap_vtext(struct ap_venue *v, uint32_t tok)
{
	size_t room = sizeof v->scratch - v->scratch_len, len;
	char *to = v->scratch + v->scratch_len;
	if (tok == 0 || v->j.tok[tok].type == AP_J_NULL)
		return ap_str_n(NULL, 0);
	/* What does not fit unescaped is too long for any field; as sent it will be refused as well. */
	if (!v->j.tok[tok].escaped || !ap_json_unescape(&v->j, tok, to, room, &len))
		return ap_json_text(&v->j, tok);
	v->scratch_len += len;
	return ap_str_n(to, len);
}

ap_str ap_vmember(struct ap_venue *v, uint32_t obj, const char *key)
{
	return ap_vtext(v, ap_json_get(&v->j, obj, key));
}

bool ap_vsays(const struct ap_venue *v, uint32_t obj, const char *key, const char *word)
{
	uint32_t t = ap_json_get(&v->j, obj, key);
	return t != 0 && v->j.tok[t].type == AP_J_STR && ap_str_is(ap_json_text(&v->j, t), word);
}

static bool room_for_one(struct ap_venue *v)
{
	if (v->trades + v->quotes < v->most)
		return true;
	snprintf(v->detail, sizeof v->detail, "more than %u trades or quotes in a message of %zu bytes", v->most, v->j.len);
	v->why = "too_many";
	return false;
}

static ap_str text_of(const struct ap_venue *v, uint32_t tok)
{
	return ap_str_n(v->j.text + v->j.tok[tok].off, v->j.tok[tok].len);
}

bool ap_vemit(struct ap_venue *v, uint32_t tok, struct ap_vtrade *t)
{
	if (v->on->trade == NULL || !room_for_one(v))
		return false;
	t->text = text_of(v, tok);
	v->trades++;
	v->stopped = !v->on->trade(v->on->ctx, t);
	v->scratch_len = 0;
	return !v->stopped;
}

bool ap_vemit_quote(struct ap_venue *v, uint32_t tok, struct ap_vquote *q)
{
	if (v->on->quote == NULL || !room_for_one(v))
		return false;
	q->text = text_of(v, tok);
	v->quotes++;
	v->stopped = !v->on->quote(v->on->ctx, q);
	v->scratch_len = 0;
	return !v->stopped;
}

enum ap_venue_what ap_vdone(const struct ap_venue *v)
{
	if (v->why != NULL)
		return AP_VENUE_BAD;
	return v->trades > 0 ? AP_VENUE_TRADES : v->quotes > 0 ? AP_VENUE_QUOTES : AP_VENUE_OTHER;
}

enum ap_venue_what ap_vbad(struct ap_venue *v, const char *why, const char *sentence)
{
	v->why = why;
	snprintf(v->detail, sizeof v->detail, "%s", sentence);
	return AP_VENUE_BAD;
}

enum ap_side ap_vside(ap_str word)
{
	static const struct {
		const char *word;
		enum ap_side side;
	} sides[] = {
		{ "buy", AP_SIDE_BUY }, { "sell", AP_SIDE_SELL }, { "b", AP_SIDE_BUY }, { "s", AP_SIDE_SELL },
		{ "bid", AP_SIDE_BUY }, { "ask", AP_SIDE_SELL },
	};
	char low[4];
	if (word.len == 0 || word.len > sizeof low)
		return AP_SIDE_UNKNOWN;
	for (size_t i = 0; i < word.len; i++)
		low[i] = (char)(word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] | 0x20 : word.p[i]);
	for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
		if (ap_str_is(ap_str_n(low, word.len), sides[i].word))
			return sides[i].side;
	return AP_SIDE_UNKNOWN;
}

/* ---- reading and routing ------------------------------------------------- */

static bool is_keepalive(ap_str payload)
{
	return ap_str_is(payload, "pong") || ap_str_is(payload, "ping");
}

enum ap_venue_what ap_venue_parse(struct ap_venue *v, const struct ap_format *f, ap_str payload, const struct ap_venue_on *on)
{
	v->on = on;
	v->trades = v->quotes = 0;
	v->most = (uint32_t)ap_venue_trades_max(f, payload.len);
	v->stopped = false;
	v->why = NULL;
	v->scratch_len = 0;
	if (f == NULL)
		return ap_vbad(v, "unknown_format", "no parser has this name");
	if (!f->own && is_keepalive(payload))
		return AP_VENUE_OTHER;
	if (!ap_json_parse(&v->j, payload, v->toks, AP_JSON_TOKS))
		return ap_vbad(v, "bad_json", v->j.err);
	return f->read(v);
}

const char *ap_venue_why(const struct ap_venue *v, const char **detail)
{
	*detail = v->detail;
	return v->why;
}

void ap_venue_series(const struct ap_format *f, ap_str source, ap_str named, ap_str symbol, struct ap_series *out)
{
	ap_str who;
	out->source_len = (uint8_t)ap_source_canon(named.p != NULL ? named : source, out->source);
	who = ap_series_source(out);
	if (!f->own && !ap_symbol_has_rules(who))
		who = ap_str_c(f->name);
	out->symbol_len = (uint8_t)ap_symbol_canon(who, symbol, out->symbol);
}

struct routing {
	const struct ap_format *f;
	ap_str source;
	struct ap_route *out;
};

static bool route_first(struct routing *r, ap_str named, ap_str symbol, ap_str ts)
{
	ap_venue_series(r->f, r->source, named, symbol, &r->out->to);
	if (ts.p == NULL || !ap_ts_parse(ts, &r->out->ts))
		r->out->ts = (ap_ts){ 0 };
	return false;
}

static bool route_trade(void *ctx, const struct ap_vtrade *t)
{
	return route_first(ctx, t->source, t->symbol, t->ts);
}

static bool route_quote(void *ctx, const struct ap_vquote *q)
{
	return route_first(ctx, q->source, q->symbol, q->ts);
}

void ap_venue_route(struct ap_venue *v, const struct ap_format *f, ap_str source, ap_str payload, struct ap_route *out)
{
	// cppcheck-suppress ctuuninitvar ; *out is filled here and read by nobody before
	struct routing r = { f, source, out };
	const struct ap_venue_on on = { route_trade, route_quote, &r };
	out->ts = (ap_ts){ 0 };
	out->to.symbol_len = 0;
	out->to.source_len = (uint8_t)ap_source_canon(source, out->to.source);
	out->what = ap_venue_parse(v, f, payload, &on);
}
