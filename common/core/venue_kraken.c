/*
 * venue_kraken.c - Kraken, first version of its WebSocket API: arrays without names, trades without ids.
 *
 *   [993,[["354.11000000","0.89594024","1618678142.557535","s","l",""], …],"trade","XMR/USD"]
 *          price          volume       time                side (b, s), order type, misc
 */
#include "venue_read.h"

enum { PRICE, VOLUME, TIME, SIDE, FIELDS_MIN };

enum ap_venue_what ap_vread_kraken(struct ap_venue *v)
{
	const struct ap_jtok *tok = v->j.tok;
	uint32_t list, channel, pair, at;
	if (!ap_vis(v, 0, AP_J_ARR) || tok[0].n < 4)
		return AP_VENUE_OTHER;
	channel = ap_json_at(&v->j, 0, tok[0].n - 2);
	pair = ap_json_at(&v->j, 0, tok[0].n - 1);
	if (!ap_vis(v, channel, AP_J_STR) || !ap_str_is(ap_json_text(&v->j, channel), "trade"))
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
