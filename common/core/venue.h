/*
 * venue.h - what a source's messages say: which formats there are, and the trades and quotes in them as text.
 *
 * A format is a row of a table {name, rules, reader}. A reader knows the shape of the messages and nothing
 * else: whether a price is a number, a time plausible, an id new, is the business of ap-normalize. So what
 * comes out is text, as the venue spelled it. Pure: no I/O, no clock; the workspace is made once.
 */
#ifndef AP_VENUE_H
#define AP_VENUE_H

#include "base.h"
#include "json.h"
#include "rec.h"
#include "symbol.h"

/* One trade of a message. Texts are views of the payload or the workspace: they die with the next call. */
struct ap_vtrade {
	ap_str source;          /* named by the message itself (our NDJSON); p == NULL: it does not say */
	ap_str symbol, price, qty, ts;  /* as sent; p == NULL: absent or null */
	ap_str id;              /* p == NULL or empty: the venue gives none */
	enum ap_side side;      /* the taker's */
	ap_str text;            /* this trade's own JSON, a view of the payload */
};

/* One quote: the best bid and ask. The same rules. */
struct ap_vquote {
	ap_str source, symbol;
	ap_str bid, bid_qty, ask, ask_qty, ts;
	ap_str seq;             /* the venue's number of the update; p == NULL: it gives none */
	bool no_time;           /* the venue stamps no quotes: the time of receipt stands for theirs */
	ap_str text;
};

enum ap_venue_what {
	AP_VENUE_TRADES,        /* at least one trade */
	AP_VENUE_QUOTES,        /* at least one quote, and no trade */
	AP_VENUE_OTHER,         /* books, heartbeats, acknowledgements: nothing for us */
	AP_VENUE_BAD            /* not JSON, or not of this format's shape: see ap_venue_why */
};

struct ap_venue;                /* workspace: tokens and unescaped texts; about 0.5 MB */
struct ap_format;               /* a row of the table */

/* NULL: no memory. Pair with ap_venue_free. */
struct ap_venue *ap_venue_new(void);
void ap_venue_free(struct ap_venue *v);

/* The row of "trade", "binance", "kraken" ...; NULL: there is no such format. */
const struct ap_format *ap_format_find(ap_str name);
/*
 * Most trades and quotes that a message of len bytes gives: 1 where the format has one a message, else 16 + len / 24 (a real
 * trade takes more bytes than 24), so that a hostile message cannot swell. With more it is AP_VENUE_BAD, "too_many".
 */
size_t ap_venue_trades_max(const struct ap_format *f, size_t len);

/* Who wants what a message holds; false stops the reading. A NULL is not asked: then a message of such is AP_VENUE_OTHER. */
struct ap_venue_on {
	bool (*trade)(void *ctx, const struct ap_vtrade *t);
	bool (*quote)(void *ctx, const struct ap_vquote *q);
	void *ctx;
};

/*
 * Reads a message and calls `on` for each of its trades or quotes in order (f == NULL: AP_VENUE_BAD, "unknown_format").
 * It may have been called before AP_VENUE_BAD is returned only if the JSON is valid and a later element has a wrong shape.
 */
enum ap_venue_what ap_venue_parse(struct ap_venue *v, const struct ap_format *f, ap_str payload, const struct ap_venue_on *on);
/* After AP_VENUE_BAD: a word for counting ("bad_json", "bad_shape", "too_many", "unknown_format") and a sentence. */
const char *ap_venue_why(const struct ap_venue *v, const char **detail);

/*
 * The series a trade or quote belongs to, canonical: `source` is the connection's name, which a source named by the
 * message itself (p != NULL) overrides. Symbol rules are the source's own if it has a row in the table of symbol.h, else the format's.
 * A part that cannot be made canonical has length 0.
 */
struct ap_series {
	uint8_t source_len, symbol_len;
	char source[AP_SOURCE_MAX], symbol[AP_SYMBOL_MAX];
};
void ap_venue_series(const struct ap_format *f, ap_str source, ap_str named, ap_str symbol, struct ap_series *out);

/* Where a message goes, before anybody has validated it. */
struct ap_route {
	enum ap_venue_what what;
	struct ap_series to;    /* of its first trade or quote; without one: the connection's source and no symbol */
	ap_ts ts;               /* event time of that; 0: none, or not readable */
};

/*
 * Routes a message: the partition is ap_part(to.source, to.symbol). What is BAD is to be passed on
 * (ap-normalize keeps it with the reason); what is OTHER may be dropped. f may be NULL (unknown format).
 */
void ap_venue_route(struct ap_venue *v, const struct ap_format *f, ap_str source, ap_str payload, struct ap_route *out);

static inline ap_str ap_series_source(const struct ap_series *s)
{
	return ap_str_n(s->source, s->source_len);
}

static inline ap_str ap_series_symbol(const struct ap_series *s)
{
	return ap_str_n(s->symbol, s->symbol_len);
}

#endif
