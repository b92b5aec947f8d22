/*
 * fuzz_normalize.c - any bytes as a message of any format: a verdict, bounded output, valid trades and quotes only, and a
 * route that names the series its first trade or quote belongs to.
 */
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/core/venue.h"
#include "common/core/wire.h"
#include "stages/ap-normalize/normalize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	struct ap_out out;
	struct ap_buf buf;
	size_t puts;
	bool routed;            /* a trade was seen */
	struct ap_route route;
};

static void check_series(const struct sink *s, ap_str source, ap_str symbol, ap_ts ts, uint32_t sub)
{
	char again[AP_SYMBOL_MAX];
	if (ts.ns < INT64_C(946684800000000000))
		abort();
	if (ap_symbol_canon(source, symbol, again) != symbol.len || memcmp(again, symbol.p, symbol.len) != 0)
		abort();
	/* A quote that its venue did not stamp has the time of its receipt; the route has none. */
	if (sub == 0 && (!ap_str_eq(source, ap_series_source(&s->route.to)) || !ap_str_eq(symbol, ap_series_symbol(&s->route.to)) ||
			 (s->route.ts.ns != 0 && s->route.ts.ns != ts.ns)))
		abort();
}

static void check_tick(const struct sink *s, const struct ap_rec *rec)
{
	const struct ap_trade *t = &rec->u.trade;
	const struct ap_quote *q = &rec->u.quote;
	if (rec->kind == AP_TRADE) {
		check_series(s, t->source, t->symbol, t->ts, t->sub);
		if (t->price.e18 <= 0 || t->qty.e18 < 0 || t->trade_id.len > AP_TRADE_ID_MAX)
			abort();
		return;
	}
	check_series(s, q->source, q->symbol, q->ts, q->sub);
	if (rec->kind != AP_QUOTE || q->bid.e18 <= 0 || q->ask.e18 < q->bid.e18 || q->bid_qty.e18 < 0 || q->ask_qty.e18 < 0)
		abort();
}

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct sink *s = (struct sink *)out;
	s->puts++;
	ap_buf_clear(&s->buf);
	if (!ap_wire_put(&s->buf, rec) || s->buf.len > ap_wire_size(rec))
		abort();
	if (to == AP_S_TICK)
		check_tick(s, rec);
	else if (to != AP_S_REJECT || rec->u.reject.detail.len == 0 || rec->u.reject.detail.len >= AP_DETAIL_MAX)
		abort();
}

/* First byte: the format. The rest: the payload. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "trade", "binance", "binance_futures", "coinbase", "kraken", "bybit", "okx", "none" };
	static struct ap_venue *venue;
	struct sink s = { .out = { put } };
	struct ap_rec rec = { .kind = AP_RAW, .id = { 1, 64 } };
	struct ap_conf conf;
	char err[200];
	void *st;
	if (size == 0)
		return 0;
	if (venue == NULL)
		venue = ap_venue_new();
	rec.u.raw = (struct ap_raw){
		.source = ap_str_c("src"), .format = ap_str_c(names[data[0] % 8]), .recv = { INT64_C(1709251200000000000) }, .seq = 1,
		.payload = ap_str_n((const char *)data + 1, size - 1),
	};
	ap_buf_init(&s.buf, AP_FRAME_BYTES);
	ap_conf_init(&conf);
	st = ap_normalize_stage.open(&conf, err, sizeof err);
	if (venue == NULL || st == NULL)
		abort();
	ap_venue_route(venue, ap_format_find(rec.u.raw.format), rec.u.raw.source, rec.u.raw.payload, &s.route);
	for (int twice = 0; twice < 2; twice++) {
		size_t bound = ap_normalize_stage.bound(st, &rec);
		s.puts = 0;
		if (ap_normalize_stage.step(st, &rec, &s.out) >= AP_V_N || s.puts > bound)
			abort();
	}
	ap_normalize_stage.close(st);
	ap_conf_done(&conf);
	ap_buf_done(&s.buf);
	return 0;
}
