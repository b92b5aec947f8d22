/*
 * venue_binance.c - Binance, spot and futures: trade and aggTrade events, bare or wrapped in {"stream","data"}.
 *
 *   {"e":"trade","E":…,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02","T":1723161255342,"m":true}
 *   {"e":"aggTrade","E":…,"s":"NKNUSDT","a":15683430,"p":"0.35280000","q":"58","f":…,"l":…,"T":…,"m":false}
 *
 * m: the buyer was the maker, so the taker sold. T is the time of the trade, E that of the message.
 */
#include "venue_read.h"

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
