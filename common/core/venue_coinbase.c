/*
 * venue_coinbase.c - Coinbase: match and last_match (the last trade before the subscription).
 *
 *   {"type":"match","trade_id":881613,"side":"sell","size":"0.04","price":"14.7775",
 *    "product_id":"BAND-GBP","sequence":…,"time":"2021-04-17T16:43:30.244075Z"}
 *
 * side is the maker's, so the taker did the opposite.
 */
#include "venue_read.h"

static enum ap_side other_side(enum ap_side s)
{
	return s == AP_SIDE_BUY ? AP_SIDE_SELL : s == AP_SIDE_SELL ? AP_SIDE_BUY : AP_SIDE_UNKNOWN;
}

enum ap_venue_what ap_vread_coinbase(struct ap_venue *v)
{
	struct ap_vtrade t;
	if (!ap_vis(v, 0, AP_J_OBJ) || (!ap_vsays(v, 0, "type", "match") && !ap_vsays(v, 0, "type", "last_match")))
		return AP_VENUE_OTHER;
	t = (struct ap_vtrade){
		.symbol = ap_vmember(v, 0, "product_id"),
		.price = ap_vmember(v, 0, "price"),
		.qty = ap_vmember(v, 0, "size"),
		.ts = ap_vmember(v, 0, "time"),
		.id = ap_vmember(v, 0, "trade_id"),
		.side = other_side(ap_vside(ap_vmember(v, 0, "side"))),
	};
	(void)ap_vemit(v, 0, &t);
	return ap_vdone(v);
}
