/*
 * bench_core.c - what a record costs on the wire and a number in text, ns each, as JSON lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/core/part.h"
#include "common/core/recjson.h"
#include "common/core/timefmt.h"
#include "common/core/wire.h"

enum { ROUNDS = 7, RECS = 500, LOOPS = 400 };

static struct ap_rec recs[RECS];
static char ids[RECS][24], prices[RECS][24], qtys[RECS][24];
static struct ap_buf body;
static struct ap_wire_iter it;
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_trades(void)
{
	for (unsigned i = 0; i < RECS; i++) {
		struct ap_trade *t = &recs[i].u.trade;
		int n = snprintf(ids[i], sizeof ids[i], "%u", 3741286091u + i);

		snprintf(prices[i], sizeof prices[i], "%u.%02u", 61000 + i * 7 % 900, i % 100);
		snprintf(qtys[i], sizeof qtys[i], "0.%05u", 1 + i * 7919 % 99999);
		recs[i].kind = AP_TRADE;
		*t = (struct ap_trade){ .source = ap_str_c("binance"), .symbol = ap_str_c("BTC-USDT"), .venue_symbol = ap_str_c("BTCUSDT"),
					.trade_id = ap_str_n(ids[i], (size_t)n), .ts = { 1723161600123000000 + i * 1000000 },
					.side = i % 2 ? AP_SIDE_BUY : AP_SIDE_SELL, .raw_idx = i };
		ap_dec_parse(prices[i], strlen(prices[i]), &t->price);
		ap_dec_parse(qtys[i], strlen(qtys[i]), &t->qty);
	}
}

static void encode(void)
{
	ap_buf_clear(&body);
	for (unsigned i = 0; i < RECS; i++)
		ap_wire_put(&body, &recs[i]);
	sink += body.len;
}

static void decode(void)
{
	struct ap_rec r;

	ap_wire_start(&it, ap_buf_view(&body), RECS);
	while (ap_wire_next(&it, &r) == AP_WIRE_OK)
		sink += (uint64_t)r.u.trade.price.e18;
}

static void parse_dec(void)
{
	ap_dec d = { 0 };

	for (unsigned i = 0; i < RECS; i++) {
		ap_dec_parse(prices[i], strlen(prices[i]), &d);
		sink += (uint64_t)d.e18;
	}
}

static void format_dec(void)
{
	char t[AP_DEC_TEXT];

	for (unsigned i = 0; i < RECS; i++)
		sink += ap_dec_format(recs[i].u.trade.price, t);
}

static void to_double(void)
{
	for (unsigned i = 0; i < RECS; i++)
		sink += (uint64_t)ap_dec_to_double(recs[i].u.trade.qty);
}

static void addmul(void)
{
	ap_sum s = { { 0 } };

	for (unsigned i = 0; i < RECS; i++)
		ap_sum_addmul(&s, recs[i].u.trade.price, recs[i].u.trade.qty);
	sink += s.w[0];
}

static void divide(void)
{
	ap_sum s = { { 0 } };
	ap_dec d = { 0 };

	ap_sum_addmul(&s, recs[0].u.trade.price, recs[0].u.trade.qty);
	for (unsigned i = 0; i < RECS; i++) {
		ap_sum_div(&s, recs[i].u.trade.qty, 12, &d);
		sink += (uint64_t)d.e18;
	}
}

static void parse_ts(void)
{
	static const ap_str t = { "1723161600123", 13 };
	ap_ts ts = { 0 };

	for (unsigned i = 0; i < RECS; i++) {
		ap_ts_parse(t, &ts);
		sink += (uint64_t)ts.ns;
	}
}

static void partition(void)
{
	for (unsigned i = 0; i < RECS; i++)
		sink += ap_part(recs[i].u.trade.source, recs[i].u.trade.symbol, 4);
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, void (*f)(void))
{
	double ns[ROUNDS];

	f();
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t t = now_ns();

		for (int i = 0; i < LOOPS; i++)
			f();
		ns[r] = (double)(now_ns() - t) / (LOOPS * RECS);
	}
	qsort(ns, ROUNDS, sizeof ns[0], cmp);
	printf("{\"bench\":\"core\",\"what\":\"%s\",\"ns\":%.1f,\"best_ns\":%.1f}\n", name, ns[ROUNDS / 2], ns[0]);
}

int main(void)
{
	make_trades();
	ap_buf_init(&body, AP_FRAME_BYTES);
	measure("wire_put_trade", encode);
	printf("{\"bench\":\"core\",\"what\":\"trade_size\",\"bytes\":%.1f}\n", (double)body.len / RECS);
	measure("wire_next_trade", decode);
	measure("dec_parse", parse_dec);
	measure("dec_format", format_dec);
	measure("dec_to_double", to_double);
	measure("sum_addmul", addmul);
	measure("sum_div", divide);
	measure("ts_parse", parse_ts);
	measure("part", partition);
	ap_buf_done(&body);
	return 0;
}
