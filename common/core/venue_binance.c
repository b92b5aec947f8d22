/*
 * venue_binance.c - Binance, spot and futures: trade, aggTrade and bookTicker events, bare or wrapped in {"stream","data"}.
 *
 *   {"e":"trade","E":…,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02","T":1723161255342,"m":true}
 *   {"e":"aggTrade","E":…,"s":"NKNUSDT","a":15683430,"p":"0.35280000","q":"58","f":…,"l":…,"T":…,"m":false}
 *
 *   {"e":"bookTicker","u":600859600576,"s":"SUSHIUSDT","b":"7.6110","B":"2","a":"7.6120","A":"297","T":1626992741012,"E":…}
 *   {"u":499869768,"s":"NKNUSDT","b":"0.35210000","B":"672","a":"0.35260000","A":"3199"}       spot: no event, no time
 *
 * m: the buyer was the maker, so the taker sold. T is the time of the trade (or of the book), E that of the message.
 */
#include "venue_read.h"

static enum ap_venue_what read_book_ticker(struct ap_venue *v, uint32_t ev)
{
	struct ap_vquote q = {
		.symbol = ap_vmember(v, ev, "s"),
		.bid = ap_vmember(v, ev, "b"),
		.bid_qty = ap_vmember(v, ev, "B"),
		.ask = ap_vmember(v, ev, "a"),
		.ask_qty = ap_vmember(v, ev, "A"),
		.ts = ap_vmember(v, ev, "T"),
		.seq = ap_vmember(v, ev, "u"),
	};
	q.no_time = q.ts.p == NULL;
	(void)ap_vemit_quote(v, ev, &q);
	return ap_vdone(v);
}

/* Spot says nothing but what it holds; nothing else has these members. */
static bool bare_book_ticker(const struct ap_venue *v, uint32_t ev)
{
	static const char *const keys[] = { "u", "s", "b", "B", "a", "A" };
	if (ap_json_get(&v->j, ev, "e") != 0)
		return false;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (ap_json_get(&v->j, ev, keys[i]) == 0)
			return false;
	return true;
}

enum ap_venue_what ap_vread_binance(struct ap_venue *v)
{
	uint32_t ev = 0, data, maker;
	struct ap_vtrade t;
	bool agg;
	if (!ap_vis(v, 0, AP_J_OBJ))
		return AP_VENUE_OTHER;
	data = ap_json_get(&v->j, 0, "data");
	if (data != 0 && ap_vis(v, data, AP_J_OBJ))
		ev = data;
	if (ap_vsays(v, ev, "e", "bookTicker") || bare_book_ticker(v, ev))
		return read_book_ticker(v, ev);
	agg = ap_vsays(v, ev, "e", "aggTrade");
	if (!agg && !ap_vsays(v, ev, "e", "trade"))
		return AP_VENUE_OTHER;
	maker = ap_json_get(&v->j, ev, "m");
	t = (struct ap_vtrade){
		.symbol = ap_vmember(v, ev, "s"),
		.price = ap_vmember(v, ev, "p"),
		.qty = ap_vmember(v, ev, "q"),
		.ts = ap_vmember(v, ev, "T"),
		.id = ap_vmember(v, ev, agg ? "a" : "t"),
	};
	if (maker != 0 && ap_vis(v, maker, AP_J_TRUE))
		t.side = AP_SIDE_SELL;
	else if (maker != 0 && ap_vis(v, maker, AP_J_FALSE))
		t.side = AP_SIDE_BUY;
	(void)ap_vemit(v, ev, &t);
	return ap_vdone(v);
}
