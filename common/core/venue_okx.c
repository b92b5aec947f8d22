/*
 * venue_okx.c - OKX, fifth version: channels trades and trades-all, tickers and bbo-tbt.
 *
 *   {"arg":{"channel":"trades","instId":"BTC-USDT"},
 *    "data":[{"instId":"BTC-USDT","tradeId":"338476314","px":"30243.5","sz":"0.00000938","side":"buy","ts":"1652459226199"}]}
 *
 *   {"arg":{"channel":"tickers","instId":"BTC-USDT"},
 *    "data":[{"instId":"BTC-USDT","bidPx":"30243.4","bidSz":"0.5","askPx":"30243.5","askSz":"1.2","ts":"1652459226199",…}]}
 *   {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},
 *    "data":[{"bids":[["30243.4","0.5","0","3"]],"asks":[["30243.5","1.2","0","7"]],"ts":"1652459226199","seqId":123}]}
 *
 * side is the taker's.
 */
#include "venue_read.h"

static bool read_trade(struct ap_venue *v, uint32_t arg, uint32_t at)
{
	struct ap_vtrade t = {
		.symbol = ap_vmember(v, at, "instId"),
		.price = ap_vmember(v, at, "px"),
		.qty = ap_vmember(v, at, "sz"),
		.ts = ap_vmember(v, at, "ts"),
		.id = ap_vmember(v, at, "tradeId"),
		.side = ap_vside(ap_vmember(v, at, "side")),
	};
	(void)arg;
	return ap_vemit(v, at, &t);
}

static bool read_ticker(struct ap_venue *v, uint32_t arg, uint32_t at)
{
	struct ap_vquote q = {
		.symbol = ap_vmember(v, at, "instId"),
		.bid = ap_vmember(v, at, "bidPx"),
		.bid_qty = ap_vmember(v, at, "bidSz"),
		.ask = ap_vmember(v, at, "askPx"),
		.ask_qty = ap_vmember(v, at, "askSz"),
		.ts = ap_vmember(v, at, "ts"),
	};
	(void)arg;
	return ap_vemit_quote(v, at, &q);
}

/* Price and size of the best level; a side without levels says nothing. */
static void best_of(struct ap_venue *v, uint32_t at, const char *side, ap_str *px, ap_str *qty)
{
	uint32_t levels = ap_json_get(&v->j, at, side), first;
	if (levels == 0 || !ap_vis(v, levels, AP_J_ARR) || v->j.tok[levels].n == 0)
		return;
	first = ap_json_at(&v->j, levels, 0);
	if (!ap_vis(v, first, AP_J_ARR) || v->j.tok[first].n < 2)
		return;
	*px = ap_vtext(v, ap_json_at(&v->j, first, 0));
	*qty = ap_vtext(v, ap_json_at(&v->j, first, 1));
}

static bool read_bbo(struct ap_venue *v, uint32_t arg, uint32_t at)
{
	struct ap_vquote q = {
		.symbol = ap_vmember(v, arg, "instId"),
		.ts = ap_vmember(v, at, "ts"),
		.seq = ap_vmember(v, at, "seqId"),
	};
	best_of(v, at, "bids", &q.bid, &q.bid_qty);
	best_of(v, at, "asks", &q.ask, &q.ask_qty);
	return ap_vemit_quote(v, at, &q);
}

static const struct channel {
	const char *name;
	bool (*read)(struct ap_venue *v, uint32_t arg, uint32_t at);
} channels[] = {
	{ "trades", read_trade }, { "trades-all", read_trade }, { "tickers", read_ticker }, { "bbo-tbt", read_bbo },
};

enum ap_venue_what ap_vread_okx(struct ap_venue *v)
{
	const struct ap_jtok *tok = v->j.tok;
	const struct channel *c = NULL;
	uint32_t arg, list, at;
	if (!ap_vis(v, 0, AP_J_OBJ))
		return AP_VENUE_OTHER;
	arg = ap_json_get(&v->j, 0, "arg");
	list = ap_json_get(&v->j, 0, "data");
	for (size_t i = 0; arg != 0 && i < sizeof channels / sizeof channels[0]; i++)
		if (ap_vsays(v, arg, "channel", channels[i].name))
			c = &channels[i];
	if (c == NULL || list == 0)
		return AP_VENUE_OTHER;
	if (!ap_vis(v, list, AP_J_ARR))
		return ap_vbad(v, "bad_shape", "an OKX message of trades or quotes has an array of them as data");
	at = list + 1;
	for (uint32_t i = 0; i < tok[list].n; i++, at = tok[at].next) {
		if (!ap_vis(v, at, AP_J_OBJ))
			return ap_vbad(v, "bad_shape", "an OKX trade or quote is an object");
		if (!c->read(v, arg, at))
			break;
	}
	return ap_vdone(v);
}
