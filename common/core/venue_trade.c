/*
 * venue_trade.c - our own trades and quotes: one JSON object a message.
 *
 *   {"source":"binance","symbol":"BTC-USDT","price":"61837.63","quantity":"0.02",
 *    "timestamp":1723161255342,"trade_id":"3735683259","side":"buy"}
 *
 *   {"source":"binance","symbol":"BTC-USDT","bid":"61837.63","bid_size":"3.7","ask":"61837.64","ask_size":"1.5",
 *    "timestamp":1723161255342,"seq":50093239212}
 *
 * A message is a quote when data_type says so, or when it says nothing, has no price, and has a bid or an ask.
 * Also read: other names people use for the same fields, the shape that the HTTP API takes
 * ({symbol, data_type, source, data: {price, volume | quantity, timestamp, trade_id?}}), and the objects that
 * cryptofeed's socket callbacks send (exchange, symbol, side, amount, price, id, timestamp; exchange, symbol, bid, ask, timestamp).
 */
#include "venue_read.h"

enum field {
	F_SOURCE, F_SYMBOL, F_PRICE, F_QTY, F_TS, F_ID, F_SIDE, F_DATA, F_TYPE, F_BID, F_BID_QTY, F_ASK, F_ASK_QTY, F_SEQ, F_N
};

/* Where a message has several names of one field, the lowest rank counts. Ordered by length, which is looked at first. */
static const struct {
	const char *name;
	uint8_t len, rank;
	enum field field;
} names[] = {
	{ "ts", 2, 1, F_TS },
	{ "id", 2, 1, F_ID },
	{ "qty", 3, 1, F_QTY },
	{ "bid", 3, 0, F_BID },
	{ "ask", 3, 0, F_ASK },
	{ "seq", 3, 0, F_SEQ },
	{ "side", 4, 0, F_SIDE },
	{ "data", 4, 0, F_DATA },
	{ "size", 4, 2, F_QTY },
	{ "time", 4, 2, F_TS },
	{ "price", 5, 0, F_PRICE },
	{ "symbol", 6, 0, F_SYMBOL },
	{ "source", 6, 0, F_SOURCE },
	{ "amount", 6, 3, F_QTY },
	{ "volume", 6, 4, F_QTY },
	{ "bid_qty", 7, 1, F_BID_QTY },
	{ "ask_qty", 7, 1, F_ASK_QTY },
	{ "quantity", 8, 0, F_QTY },
	{ "trade_id", 8, 0, F_ID },
	{ "exchange", 8, 1, F_SOURCE },
	{ "bid_size", 8, 0, F_BID_QTY },
	{ "ask_size", 8, 0, F_ASK_QTY },
	{ "best_bid", 8, 2, F_BID },
	{ "best_ask", 8, 2, F_ASK },
	{ "sequence", 8, 1, F_SEQ },
	{ "timestamp", 9, 0, F_TS },
	{ "data_type", 9, 0, F_TYPE },
	{ "bid_price", 9, 1, F_BID },
	{ "ask_price", 9, 1, F_ASK },
	{ "update_id", 9, 2, F_SEQ },
	{ "bid_quantity", 12, 2, F_BID_QTY },
	{ "ask_quantity", 12, 2, F_ASK_QTY },
	{ "best_bid_size", 13, 3, F_BID_QTY },
	{ "best_ask_size", 13, 3, F_ASK_QTY },
};
enum { NAMES = sizeof names / sizeof names[0], LEN_MAX = 13 };
/* Where the names of a length begin. */
static const uint8_t first_of[LEN_MAX + 2] = { 0, 0, 0, 2, 6, 10, 11, 15, 17, 25, 30, 30, 30, 32, NAMES };

struct found {
	uint32_t tok[F_N];      /* 0: absent */
	uint8_t rank[F_N];
};

static void look(struct found *f, ap_str key, uint32_t value)
{
	for (size_t i = first_of[key.len]; i < first_of[key.len + 1]; i++) {
		enum field k = names[i].field;
		if (names[i].name[0] != key.p[0] || memcmp(names[i].name, key.p, key.len) != 0)
			continue;
		if (f->tok[k] == 0 || names[i].rank < f->rank[k]) {
			f->tok[k] = value;
			f->rank[k] = names[i].rank;
		}
		return;
	}
}

static void look_at_members(const struct ap_venue *v, uint32_t obj, struct found *f)
{
	uint32_t t = obj + 1;
	for (uint32_t i = 0; i < v->j.tok[obj].n; i++) {
		ap_str key = ap_json_text(&v->j, t);
		if (key.len <= LEN_MAX && v->j.tok[t + 1].type != AP_J_NULL)
			look(f, key, t + 1);
		t = v->j.tok[t + 1].next;
	}
}

static bool is_one_of(ap_str type, const char *const *words)
{
	while (*words != NULL && !ap_str_is(type, *words))
		words++;
	return *words != NULL;
}

/* Trade, quote, or neither: AP_VENUE_TRADES, AP_VENUE_QUOTES, AP_VENUE_BAD. */
static enum ap_venue_what what_is(struct ap_venue *v, const struct found *f)
{
	static const char *const trades[] = { "trade", "trades", "tick", "market_data", NULL };
	static const char *const quotes[] = { "quote", "quotes", "ticker", "bbo", NULL };
	ap_str type;
	if (f->tok[F_TYPE] == 0)
		return f->tok[F_PRICE] == 0 && (f->tok[F_BID] != 0 || f->tok[F_ASK] != 0) ? AP_VENUE_QUOTES : AP_VENUE_TRADES;
	type = ap_vtext(v, f->tok[F_TYPE]);
	return is_one_of(type, trades) ? AP_VENUE_TRADES : is_one_of(type, quotes) ? AP_VENUE_QUOTES : AP_VENUE_BAD;
}

static void emit_trade(struct ap_venue *v, const struct found *f)
{
	struct ap_vtrade t = {
		.source = ap_vtext(v, f->tok[F_SOURCE]),
		.symbol = ap_vtext(v, f->tok[F_SYMBOL]),
		.price = ap_vtext(v, f->tok[F_PRICE]),
		.qty = ap_vtext(v, f->tok[F_QTY]),
		.ts = ap_vtext(v, f->tok[F_TS]),
		.id = ap_vtext(v, f->tok[F_ID]),
		.side = ap_vside(ap_vtext(v, f->tok[F_SIDE])),
	};
	(void)ap_vemit(v, 0, &t);
}

static void emit_quote(struct ap_venue *v, const struct found *f)
{
	struct ap_vquote q = {
		.source = ap_vtext(v, f->tok[F_SOURCE]),
		.symbol = ap_vtext(v, f->tok[F_SYMBOL]),
		.bid = ap_vtext(v, f->tok[F_BID]),
		.bid_qty = ap_vtext(v, f->tok[F_BID_QTY]),
		.ask = ap_vtext(v, f->tok[F_ASK]),
		.ask_qty = ap_vtext(v, f->tok[F_ASK_QTY]),
		.ts = ap_vtext(v, f->tok[F_TS]),
		.seq = ap_vtext(v, f->tok[F_SEQ]),
	};
	(void)ap_vemit_quote(v, 0, &q);
}

enum ap_venue_what ap_vread_trade(struct ap_venue *v)
{
	struct found f = { { 0 }, { 0 } };
	if (!ap_vis(v, 0, AP_J_OBJ))
		return ap_vbad(v, "bad_shape", "a trade is a JSON object");
	look_at_members(v, 0, &f);
	if (f.tok[F_DATA] != 0 && ap_vis(v, f.tok[F_DATA], AP_J_OBJ)) {
		/* What stands in `data` counts before what stands beside it. */
		struct found in = { { 0 }, { 0 } };
		look_at_members(v, f.tok[F_DATA], &in);
		for (int i = 0; i < F_N; i++)
			if (in.tok[i] != 0)
				f.tok[i] = in.tok[i];
	}
	switch (what_is(v, &f)) {
	case AP_VENUE_TRADES:
		emit_trade(v, &f);
		break;
	case AP_VENUE_QUOTES:
		emit_quote(v, &f);
		break;
	default:
		return ap_vbad(v, "unknown_data_type", "data_type is none of trade, trades, tick, market_data, quote, quotes, ticker, bbo");
	}
	return ap_vdone(v);
}
