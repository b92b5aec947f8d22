/*
 * venue_bybit.c - Bybit: second version (topic "trade.BTCUSD") and fifth (topic "publicTrade.BTCUSDT").
 *
 *   {"topic":"trade.BCHUSDT","data":[{"symbol":"BCHUSDT","price":"1053.90","size":0.14,
 *     "timestamp":"2021-04-17T16:43:05.000Z","trade_time_ms":"1618677785116","side":"Buy","trade_id":"01ca…"}]}
 *   {"topic":"publicTrade.BTCUSDT","data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","i":"20f4…"}]}
 *
 * side is the taker's. trade_time_ms is finer than timestamp, which is cut to the second for some contracts.
 */
#include "venue_read.h"

static const struct keys {
	const char *topic, *symbol, *price, *qty, *id, *side, *ts;
} keys[] = {
	{ "trade", "symbol", "price", "size", "trade_id", "side", "trade_time_ms" },
	{ "publicTrade", "s", "p", "v", "i", "S", "T" },
};

static const struct keys *keys_of(ap_str topic)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		size_t n = strlen(keys[i].topic);
		if (topic.len >= n && memcmp(topic.p, keys[i].topic, n) == 0 && (topic.len == n || topic.p[n] == '.'))
			return &keys[i];
	}
	return NULL;
}

enum ap_venue_what ap_vread_bybit(struct ap_venue *v)
{
	const struct ap_jtok *tok = v->j.tok;
	const struct keys *k;
	uint32_t list, topic, at;
	if (!ap_vis(v, 0, AP_J_OBJ))
		return AP_VENUE_OTHER;
	topic = ap_json_get(&v->j, 0, "topic");
	k = topic == 0 ? NULL : keys_of(ap_json_text(&v->j, topic));
	if (k == NULL)
		return AP_VENUE_OTHER;
	list = ap_json_get(&v->j, 0, "data");
	if (list == 0 || !ap_vis(v, list, AP_J_ARR))
		return ap_vbad(v, "bad_shape", "a Bybit trade message has an array of trades as data");
	at = list + 1;
	for (uint32_t i = 0; i < tok[list].n; i++, at = tok[at].next) {
		struct ap_vtrade t;
		if (!ap_vis(v, at, AP_J_OBJ))
			return ap_vbad(v, "bad_shape", "a Bybit trade is an object");
		t = (struct ap_vtrade){
			.symbol = ap_vmember(v, at, k->symbol),
			.price = ap_vmember(v, at, k->price),
			.qty = ap_vmember(v, at, k->qty),
			.ts = ap_vmember(v, at, k->ts),
			.id = ap_vmember(v, at, k->id),
			.side = ap_vside(ap_vmember(v, at, k->side)),
		};
		if (t.ts.p == NULL)
			t.ts = ap_vmember(v, at, "timestamp");
		if (!ap_vemit(v, at, &t))
			break;
	}
	return ap_vdone(v);
}
