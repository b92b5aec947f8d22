/*
 * venue_trade.c - our own trade: one JSON object a message.
 *
 *   {"source":"binance","symbol":"BTC-USDT","price":"61837.63","quantity":"0.02",
 *    "timestamp":1723161255342,"trade_id":"3735683259","side":"buy"}
 *
 * Also read: other names people use for the same fields, the shape that the HTTP API takes
 * ({symbol, data_type, source, data: {price, volume | quantity, timestamp, trade_id?}}), and the objects that
 * cryptofeed's socket callback sends (exchange, symbol, side, amount, price, id, timestamp).
 */
#include "venue_read.h"

enum field { F_SOURCE, F_SYMBOL, F_PRICE, F_QTY, F_TS, F_ID, F_SIDE, F_DATA, F_TYPE, F_N };

/* Where a message has several names of one field, the lowest rank counts. Ordered by length, which is looked at first. */
static const struct {
	const char *name;
	uint8_t len, rank;
	enum field field;
} names[] = {
	{ "ts", 2, 1, F_TS },
	{ "id", 2, 1, F_ID },
	{ "qty", 3, 1, F_QTY },
	{ "side", 4, 0, F_SIDE },
	{ "data", 4, 0, F_DATA },
	{ "size", 4, 2, F_QTY },
	{ "time", 4, 2, F_TS },
	{ "price", 5, 0, F_PRICE },
	{ "symbol", 6, 0, F_SYMBOL },
	{ "source", 6, 0, F_SOURCE },
	{ "amount", 6, 3, F_QTY },
	{ "volume", 6, 4, F_QTY },
	{ "quantity", 8, 0, F_QTY },
	{ "trade_id", 8, 0, F_ID },
	{ "exchange", 8, 1, F_SOURCE },
	{ "timestamp", 9, 0, F_TS },
	{ "data_type", 9, 0, F_TYPE },
};
enum { NAMES = sizeof names / sizeof names[0], LEN_MAX = 9 };
/* Where the names of a length begin. */
static const uint8_t first_of[LEN_MAX + 2] = { 0, 0, 0, 2, 3, 7, 8, 12, 12, 15, NAMES };

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

static bool is_trade_type(ap_str type)
{
	static const char *const words[] = { "trade", "trades", "tick", "market_data" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (ap_str_is(type, words[i]))
			return true;
	return false;
}

enum ap_venue_what ap_vread_trade(struct ap_venue *v)
{
	struct found f = { { 0 }, { 0 } };
	struct ap_vtrade t;
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
	if (f.tok[F_TYPE] != 0 && !is_trade_type(ap_vtext(v, f.tok[F_TYPE])))
		return ap_vbad(v, "unknown_data_type", "data_type is none of trade, trades, tick, market_data");
	t = (struct ap_vtrade){
		.source = ap_vtext(v, f.tok[F_SOURCE]),
		.symbol = ap_vtext(v, f.tok[F_SYMBOL]),
		.price = ap_vtext(v, f.tok[F_PRICE]),
		.qty = ap_vtext(v, f.tok[F_QTY]),
		.ts = ap_vtext(v, f.tok[F_TS]),
		.id = ap_vtext(v, f.tok[F_ID]),
		.side = ap_vside(ap_vtext(v, f.tok[F_SIDE])),
	};
	(void)ap_vemit(v, 0, &t);
	return ap_vdone(v);
}
