/*
 * venue_coinbase.c - Coinbase: match and last_match (the last trade before the subscription), and the quote in a ticker.
 *
 *   {"type":"match","trade_id":881613,"side":"sell","size":"0.04","price":"14.7775",
 *    "product_id":"BAND-GBP","sequence":…,"time":"2021-04-17T16:43:30.244075Z"}
 *
 *   {"type":"ticker","sequence":333938798,"product_id":"BAND-GBP","price":"14.7775",…,"best_bid":"14.7550",
 *    "best_ask":"14.8060","best_bid_size":"12.3","best_ask_size":"4","time":"2021-04-17T16:43:30.244075Z",…}
 *
 * side is the maker's, so the taker did the opposite. Tickers told no sizes before 2022; the trade in one is a match as well.
 */
#include "venue_read.h"

static enum ap_side other_side(enum ap_side s)
{
	return s == AP_SIDE_BUY ? AP_SIDE_SELL : s == AP_SIDE_SELL ? AP_SIDE_BUY : AP_SIDE_UNKNOWN;
}

static enum ap_venue_what read_ticker(struct ap_venue *v)
{
	struct ap_vquote q = {
		.symbol = ap_vmember(v, 0, "product_id"),
		.bid = ap_vmember(v, 0, "best_bid"),
		.bid_qty = ap_vmember(v, 0, "best_bid_size"),
		.ask = ap_vmember(v, 0, "best_ask"),
		.ask_qty = ap_vmember(v, 0, "best_ask_size"),
		.ts = ap_vmember(v, 0, "time"),
		.seq = ap_vmember(v, 0, "sequence"),
	};
	(void)ap_vemit_quote(v, 0, &q);
	return ap_vdone(v);
}

enum ap_venue_what ap_vread_coinbase(struct ap_venue *v)
{
	struct ap_vtrade t;
	if (ap_vis(v, 0, AP_J_OBJ) && ap_vsays(v, 0, "type", "ticker"))
		return read_ticker(v);
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
