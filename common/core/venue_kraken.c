/*
 * venue_kraken.c - Kraken, first version of its WebSocket API: arrays without names, trades without ids.
 *
 *   [993,[["354.11000000","0.89594024","1618678142.557535","s","l",""], …],"trade","XMR/USD"]
 *          price          volume       time                side (b, s), order type, misc
 *   [993,["354.10","354.25","1618678142.55","1.5","2"],"spread","XMR/USD"]              bid, ask, time, bid volume, ask volume
 *   [993,{"a":["354.25",2,"2.0"],"b":["354.10",1,"1.5"],…},"ticker","XMR/USD"]          price, whole lots, volume; no time
 */
#include "venue_read.h"

enum { PRICE, VOLUME, TIME, SIDE, FIELDS_MIN };

static enum ap_venue_what read_spread(struct ap_venue *v, uint32_t at, uint32_t pair)
{
	struct ap_vquote q;
	if (!ap_vis(v, at, AP_J_ARR) || v->j.tok[at].n < 3)
		return ap_vbad(v, "bad_shape", "a Kraken spread is an array of bid, ask, time and volumes");
	q = (struct ap_vquote){
		.symbol = ap_vtext(v, pair),
		.bid = ap_vtext(v, ap_json_at(&v->j, at, 0)),
		.ask = ap_vtext(v, ap_json_at(&v->j, at, 1)),
		.ts = ap_vtext(v, ap_json_at(&v->j, at, 2)),
	};
	if (v->j.tok[at].n >= 5) {
		q.bid_qty = ap_vtext(v, ap_json_at(&v->j, at, 3));
		q.ask_qty = ap_vtext(v, ap_json_at(&v->j, at, 4));
	}
	(void)ap_vemit_quote(v, at, &q);
	return ap_vdone(v);
}

static enum ap_venue_what read_ticker(struct ap_venue *v, uint32_t at, uint32_t pair)
{
	struct ap_vquote q = { .no_time = true };
	uint32_t bid, ask;
	if (!ap_vis(v, at, AP_J_OBJ))
		return ap_vbad(v, "bad_shape", "a Kraken ticker has an object in second place");
	bid = ap_json_get(&v->j, at, "b");
	ask = ap_json_get(&v->j, at, "a");
	if (bid == 0 || ask == 0 || !ap_vis(v, bid, AP_J_ARR) || !ap_vis(v, ask, AP_J_ARR) || v->j.tok[bid].n < 3 || v->j.tok[ask].n < 3)
		return ap_vbad(v, "bad_shape", "a Kraken ticker has a and b: arrays of price, whole lots, volume");
	q.symbol = ap_vtext(v, pair);
	q.bid = ap_vtext(v, ap_json_at(&v->j, bid, 0));
	q.bid_qty = ap_vtext(v, ap_json_at(&v->j, bid, 2));
	q.ask = ap_vtext(v, ap_json_at(&v->j, ask, 0));
	q.ask_qty = ap_vtext(v, ap_json_at(&v->j, ask, 2));
	(void)ap_vemit_quote(v, at, &q);
	return ap_vdone(v);
}

static bool channel_is(const struct ap_venue *v, uint32_t channel, const char *name)
{
	return ap_vis(v, channel, AP_J_STR) && ap_str_is(ap_json_text(&v->j, channel), name);
}

enum ap_venue_what ap_vread_kraken(struct ap_venue *v)
{
	const struct ap_jtok *tok = v->j.tok;
	uint32_t list, channel, pair, at;
	if (!ap_vis(v, 0, AP_J_ARR) || tok[0].n < 4)
		return AP_VENUE_OTHER;
	channel = ap_json_at(&v->j, 0, tok[0].n - 2);
	pair = ap_json_at(&v->j, 0, tok[0].n - 1);
	if (channel_is(v, channel, "spread"))
		return read_spread(v, ap_json_at(&v->j, 0, 1), pair);
	if (channel_is(v, channel, "ticker"))
		return read_ticker(v, ap_json_at(&v->j, 0, 1), pair);
	if (!channel_is(v, channel, "trade"))
		return AP_VENUE_OTHER;
	list = ap_json_at(&v->j, 0, 1);
	if (!ap_vis(v, list, AP_J_ARR))
		return ap_vbad(v, "bad_shape", "a Kraken trade message has an array of trades in second place");
	at = list + 1;
	for (uint32_t i = 0; i < tok[list].n; i++, at = tok[at].next) {
		struct ap_vtrade t;
		if (!ap_vis(v, at, AP_J_ARR) || tok[at].n < FIELDS_MIN)
			return ap_vbad(v, "bad_shape", "a Kraken trade is an array of price, volume, time, side");
		t = (struct ap_vtrade){
			.symbol = ap_vtext(v, pair),
			.price = ap_vtext(v, ap_json_at(&v->j, at, PRICE)),
			.qty = ap_vtext(v, ap_json_at(&v->j, at, VOLUME)),
			.ts = ap_vtext(v, ap_json_at(&v->j, at, TIME)),
			.side = ap_vside(ap_vtext(v, ap_json_at(&v->j, at, SIDE))),
		};
		if (!ap_vemit(v, at, &t))
			break;
	}
	return ap_vdone(v);
}
