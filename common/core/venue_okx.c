/*
 * venue_okx.c - OKX, fifth version: channels trades and trades-all.
 *
 *   {"arg":{"channel":"trades","instId":"BTC-USDT"},
 *    "data":[{"instId":"BTC-USDT","tradeId":"338476314","px":"30243.5","sz":"0.00000938","side":"buy","ts":"1652459226199"}]}
 *
 * side is the taker's.
 */
#include "venue_read.h"

enum ap_venue_what ap_vread_okx(struct ap_venue *v)
{
	const struct ap_jtok *tok = v->j.tok;
	uint32_t arg, list, at;
	if (!ap_vis(v, 0, AP_J_OBJ))
		return AP_VENUE_OTHER;
	arg = ap_json_get(&v->j, 0, "arg");
	list = ap_json_get(&v->j, 0, "data");
	if (arg == 0 || list == 0 ||
	    (!ap_vsays(v, arg, "channel", "trades") && !ap_vsays(v, arg, "channel", "trades-all")))
		return AP_VENUE_OTHER;
	if (!ap_vis(v, list, AP_J_ARR))
		return ap_vbad(v, "bad_shape", "an OKX trade message has an array of trades as data");
	at = list + 1;
	for (uint32_t i = 0; i < tok[list].n; i++, at = tok[at].next) {
		struct ap_vtrade t;
		if (!ap_vis(v, at, AP_J_OBJ))
			return ap_vbad(v, "bad_shape", "an OKX trade is an object");
		t = (struct ap_vtrade){
			.symbol = ap_vmember(v, at, "instId"),
			.price = ap_vmember(v, at, "px"),
			.qty = ap_vmember(v, at, "sz"),
			.ts = ap_vmember(v, at, "ts"),
			.id = ap_vmember(v, at, "tradeId"),
			.side = ap_vside(ap_vmember(v, at, "side")),
		};
		if (!ap_vemit(v, at, &t))
			break;
	}
	return ap_vdone(v);
}
