/*
 * test_venue.c - formats: which messages are trades, and what their fields say.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/venue.h"

/* The trades of the last message, a line each: source|symbol|price|qty|ts|id|side */
static char seen[1024];

static void note_text(ap_str s)
{
	size_t at = strlen(seen);
	if (s.p == NULL)
		s = ap_str_c("-");
	snprintf(seen + at, sizeof seen - at, "%.*s|", (int)s.len, s.p);
}

static bool note(void *ctx, const struct ap_vtrade *t)
{
	static const char *const sides[] = { "unknown", "buy", "sell" };
	size_t *left = ctx;
	const ap_str texts[] = { t->source, t->symbol, t->price, t->qty, t->ts, t->id };
	for (size_t i = 0; i < 6; i++)
		note_text(texts[i]);
	strcat(seen, sides[t->side]);
	strcat(seen, "\n");
	return left == NULL || --*left > 0;
}

/* A quote's line: source|symbol|bid|bid size|ask|ask size|ts|seq|, and whether the venue stamps none. */
static bool note_quote(void *ctx, const struct ap_vquote *q)
{
	const ap_str texts[] = { q->source, q->symbol, q->bid, q->bid_qty, q->ask, q->ask_qty, q->ts, q->seq };
	(void)ctx;
	for (size_t i = 0; i < 8; i++)
		note_text(texts[i]);
	strcat(seen, q->no_time ? "no time\n" : "\n");
	return true;
}

static struct ap_venue *v;
static const struct ap_venue_on on_all = { note, note_quote, NULL };

static enum ap_venue_what parse(const char *format, const char *payload)
{
	seen[0] = '\0';
	return ap_venue_parse(v, ap_format_find(ap_str_c(format)), ap_str_c(payload), &on_all);
}

static void our_trade_is_read_under_every_name_of_its_fields(void **unused)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
		{ "{\"source\":\"binance\",\"symbol\":\"BTC-USDT\",\"price\":\"1.5\",\"quantity\":\"2\",\"timestamp\":1723161255342,"
		  "\"trade_id\":\"7\",\"side\":\"buy\"}", "binance|BTC-USDT|1.5|2|1723161255342|7|buy\n" },
		{ "{\"symbol\":\"X\",\"price\":1e-8,\"qty\":0.10,\"ts\":1,\"id\":9007199254740993}",
		  "-|X|1e-8|0.10|1|9007199254740993|unknown\n" },
		{ "{\"symbol\":\"X\",\"price\":1,\"size\":2,\"time\":\"2026-01-02T03:04:05Z\"}", "-|X|1|2|2026-01-02T03:04:05Z|-|unknown\n" },
		{ "{\"symbol\":\"X\",\"price\":1,\"volume\":2,\"ts\":3,\"side\":\"SELL\"}", "-|X|1|2|3|-|sell\n" },
		/* cryptofeed's trade callback */
		{ "{\"exchange\":\"COINBASE\",\"symbol\":\"BTC-USD\",\"side\":\"sell\",\"amount\":\"0.5\",\"price\":\"100\",\"id\":\"1\","
		  "\"type\":null,\"timestamp\":1618677817.079762,\"receipt_timestamp\":1618677818.1}",
		  "COINBASE|BTC-USD|100|0.5|1618677817.079762|1|sell\n" },
		/* what the HTTP API takes */
		{ "{\"symbol\":\"BTCUSDT\",\"data_type\":\"trade\",\"source\":\"binance\",\"data\":{\"price\":1,\"volume\":2,\"timestamp\":3,"
		  "\"trade_id\":\"a\"}}", "binance|BTCUSDT|1|2|3|a|unknown\n" },
		{ "{\"symbol\":\"X\",\"timestamp\":1,\"data\":{\"price\":1,\"quantity\":2,\"timestamp\":3}}", "-|X|1|2|3|-|unknown\n" },
		/* the field's own name counts before its other names, wherever it stands */
		{ "{\"volume\":9,\"symbol\":\"X\",\"price\":1,\"quantity\":2,\"ts\":8,\"timestamp\":3}", "-|X|1|2|3|-|unknown\n" },
		{ "{\"symbol\":\"XBT\\/USD\",\"price\":null,\"quantity\":true}", "-|XBT/USD|-|true|-|-|unknown\n" },
		{ "{\"trade_id\":null,\"side\":\"?\",\"symbol\":\"\"}", "-||-|-|-|-|unknown\n" },
		{ "{}", "-|-|-|-|-|-|unknown\n" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(parse("trade", cases[i].json), AP_VENUE_TRADES);
		assert_string_equal(seen, cases[i].want);
	}
}

static void venues_trades_are_read_in_order(void **unused)
{
	static const struct {
		const char *format, *json, *want;
	} cases[] = {
		{ "binance", "{\"e\":\"trade\",\"E\":9,\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"1.0\",\"q\":\"2\",\"T\":8,\"m\":true}",
		  "-|BTCUSDT|1.0|2|8|5|sell\n" },
		{ "binance_futures", "{\"stream\":\"x\",\"data\":{\"e\":\"aggTrade\",\"s\":\"A\",\"a\":5,\"p\":\"1\",\"q\":\"2\",\"T\":8,\"m\":false}}",
		  "-|A|1|2|8|5|buy\n" },
		{ "coinbase", "{\"type\":\"last_match\",\"trade_id\":1,\"side\":\"buy\",\"size\":\"2\",\"price\":\"3\",\"product_id\":\"A-B\",\"time\":\"t\"}",
		  "-|A-B|3|2|t|1|sell\n" },
		{ "kraken", "[1,[[\"3\",\"2\",\"9.5\",\"b\",\"m\",\"\"],[\"4\",\"1\",\"9.6\",\"s\",\"l\",\"\"]],\"trade\",\"XBT/USD\"]",
		  "-|XBT/USD|3|2|9.5|-|buy\n-|XBT/USD|4|1|9.6|-|sell\n" },
		{ "bybit", "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"symbol\":\"BTCUSD\",\"price\":3,\"size\":2,\"side\":\"Sell\",\"trade_id\":\"u\","
		  "\"timestamp\":\"t\"},{\"symbol\":\"BTCUSD\",\"price\":4,\"size\":1,\"side\":\"Buy\",\"trade_id\":\"w\",\"trade_time_ms\":7}]}",
		  "-|BTCUSD|3|2|t|u|sell\n-|BTCUSD|4|1|7|w|buy\n" },
		{ "bybit", "{\"topic\":\"publicTrade.BTCUSDT\",\"data\":[{\"T\":7,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"2\",\"p\":\"3\",\"i\":\"u\"}]}",
		  "-|BTCUSDT|3|2|7|u|buy\n" },
		{ "okx", "{\"arg\":{\"channel\":\"trades\"},\"data\":[{\"instId\":\"A-B\",\"tradeId\":\"1\",\"px\":\"3\",\"sz\":\"2\",\"side\":\"buy\",\"ts\":\"7\"}]}",
		  "-|A-B|3|2|7|1|buy\n" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(parse(cases[i].format, cases[i].json), AP_VENUE_TRADES);
		assert_string_equal(seen, cases[i].want);
	}
}

static void our_quote_is_read_under_every_name_of_its_fields(void **unused)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
		{ "{\"source\":\"binance\",\"symbol\":\"BTC-USDT\",\"bid\":\"1.5\",\"bid_size\":\"2\",\"ask\":\"1.6\",\"ask_size\":\"3\","
		  "\"timestamp\":1723161255342,\"seq\":7}", "binance|BTC-USDT|1.5|2|1.6|3|1723161255342|7|\n" },
		{ "{\"symbol\":\"X\",\"bid_price\":1e-8,\"bid_qty\":0.10,\"ask_price\":2e-8,\"ask_qty\":4,\"ts\":1,\"sequence\":9}",
		  "-|X|1e-8|0.10|2e-8|4|1|9|\n" },
		{ "{\"symbol\":\"X\",\"best_bid\":1,\"best_bid_size\":2,\"best_ask\":3,\"best_ask_size\":4,\"time\":5,\"update_id\":6}",
		  "-|X|1|2|3|4|5|6|\n" },
		{ "{\"symbol\":\"X\",\"bid\":1,\"bid_quantity\":2,\"ask\":3,\"ask_quantity\":4,\"ts\":5}", "-|X|1|2|3|4|5|-|\n" },
		/* One side alone is a quote too; ap-normalize says what is missing. */
		{ "{\"symbol\":\"X\",\"bid\":1,\"ts\":5}", "-|X|1|-|-|-|5|-|\n" },
		/* data_type decides, where it is there, over what else there is. */
		{ "{\"data_type\":\"quote\",\"symbol\":\"X\",\"data\":{\"bid\":1,\"ask\":2,\"price\":9,\"timestamp\":5}}", "-|X|1|-|2|-|5|-|\n" },
		{ "{\"data_type\":\"trade\",\"symbol\":\"X\",\"price\":1,\"bid\":1,\"ask\":2,\"quantity\":3,\"ts\":4}",
		  "-|X|1|3|4|-|unknown\n" },
		/* A price makes it a trade. */
		{ "{\"symbol\":\"X\",\"price\":1,\"bid\":1,\"ask\":2,\"quantity\":3,\"ts\":4}", "-|X|1|3|4|-|unknown\n" },
		/* cryptofeed's ticker callback */
		{ "{\"exchange\":\"COINBASE\",\"symbol\":\"BTC-USD\",\"bid\":100.1,\"ask\":100.2,\"timestamp\":1618677817.079762,"
		  "\"receipt_timestamp\":1618677818.1}", "COINBASE|BTC-USD|100.1|-|100.2|-|1618677817.079762|-|\n" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum ap_venue_what want = strstr(cases[i].want, "unknown") != NULL ? AP_VENUE_TRADES : AP_VENUE_QUOTES;
		assert_int_equal(parse("trade", cases[i].json), want);
		assert_string_equal(seen, cases[i].want);
	}
}

static void venues_quotes_are_read(void **unused)
{
	static const struct {
		const char *format, *json, *want;
	} cases[] = {
		{ "binance", "{\"stream\":\"nknusdt@bookTicker\",\"data\":{\"u\":499869768,\"s\":\"NKNUSDT\",\"b\":\"0.35210000\","
		  "\"B\":\"672.00000000\",\"a\":\"0.35260000\",\"A\":\"3199.00000000\"}}",
		  "-|NKNUSDT|0.35210000|672.00000000|0.35260000|3199.00000000|-|499869768|no time\n" },
		{ "binance_futures", "{\"e\":\"bookTicker\",\"u\":600859600576,\"s\":\"SUSHIUSDT\",\"b\":\"7.6110\",\"B\":\"2\",\"a\":\"7.6120\","
		  "\"A\":\"297\",\"T\":1626992741012,\"E\":1626992741017}", "-|SUSHIUSDT|7.6110|2|7.6120|297|1626992741012|600859600576|\n" },
		{ "coinbase", "{\"type\":\"ticker\",\"sequence\":333938798,\"product_id\":\"BAND-GBP\",\"price\":\"14.7775\",\"best_bid\":\"14.7550\","
		  "\"best_ask\":\"14.8060\",\"side\":\"buy\",\"time\":\"2021-04-17T16:43:30.244075Z\",\"trade_id\":881613,\"last_size\":\"0.04\"}",
		  "-|BAND-GBP|14.7550|-|14.8060|-|2021-04-17T16:43:30.244075Z|333938798|\n" },
		{ "kraken", "[1924,{\"a\":[\"0.043080\",42461,\"42461.83\"],\"b\":[\"0.043020\",19451,\"19451.47\"]},\"ticker\",\"SC/EUR\"]",
		  "-|SC/EUR|0.043020|19451.47|0.043080|42461.83|-|-|no time\n" },
		{ "kraken", "[9,[\"354.10\",\"354.25\",\"1618678142.55\",\"1.5\",\"2\"],\"spread\",\"XMR/USD\"]",
		  "-|XMR/USD|354.10|1.5|354.25|2|1618678142.55|-|\n" },
		{ "okx", "{\"arg\":{\"channel\":\"tickers\",\"instId\":\"UNI-USD-SWAP\"},\"data\":[{\"instId\":\"UNI-USD-SWAP\",\"last\":\"5.1\","
		  "\"askPx\":\"5.142\",\"askSz\":\"25\",\"bidPx\":\"5.134\",\"bidSz\":\"96\",\"ts\":\"1652459223143\"}]}",
		  "-|UNI-USD-SWAP|5.134|96|5.142|25|1652459223143|-|\n" },
		{ "okx", "{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"BTC-USDT\"},\"data\":[{\"asks\":[[\"111.06\",\"5\",\"0\",\"2\"]],"
		  "\"bids\":[[\"111.05\",\"57\",\"0\",\"2\"]],\"ts\":\"1670324386802\",\"seqId\":363996337}]}",
		  "-|BTC-USDT|111.05|57|111.06|5|1670324386802|363996337|\n" },
		/* An empty side of the book says nothing. */
		{ "okx", "{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"X-Y\"},\"data\":[{\"asks\":[],\"bids\":[[\"1\",\"2\"]],\"ts\":\"3\"}]}",
		  "-|X-Y|1|2|-|-|3|-|\n" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(parse(cases[i].format, cases[i].json), AP_VENUE_QUOTES);
		assert_string_equal(seen, cases[i].want);
	}
}

static void quotes_that_nobody_wants_are_passed_by(void **unused)
{
	(void)unused;
	seen[0] = '\0';
	assert_int_equal(ap_venue_parse(v, ap_format_find(ap_str_c("trade")), ap_str_c("{\"symbol\":\"X\",\"bid\":1,\"ask\":2}"),
					&(struct ap_venue_on){ note, NULL, NULL }), AP_VENUE_OTHER);
	assert_string_equal(seen, "");
}

static void books_acknowledgements_and_heartbeats_are_passed_by(void **unused)
{
	static const char *const cases[][2] = {
		{ "binance", "{\"result\":null,\"id\":1}" },
		{ "binance", "{\"stream\":\"x\",\"data\":{\"e\":\"depthUpdate\",\"s\":\"A\",\"b\":[]}}" },
		{ "binance", "{\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\"}" },
		{ "binance", "[]" },
		{ "coinbase", "{\"type\":\"heartbeat\"}" },
		{ "coinbase", "{\"type\":\"match_soon\"}" },
		{ "kraken", "{\"event\":\"heartbeat\"}" },
		{ "kraken", "[1,{\"a\":[]},{\"b\":[]},\"book-10\",\"XBT/USD\"]" },
		{ "kraken", "[1,[],\"trade\",\"XBT/USD\"]" },
		{ "bybit", "{\"success\":true}" },
		{ "bybit", "{\"topic\":\"trader.X\",\"data\":[{}]}" },
		{ "okx", "{\"event\":\"subscribe\",\"arg\":{\"channel\":\"trades\"}}" },
		{ "okx", "pong" },
		{ "okx", "{\"arg\":{\"channel\":\"books\"},\"data\":[{}]}" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (parse(cases[i][0], cases[i][1]) != AP_VENUE_OTHER)
			fail_msg("%s %s", cases[i][0], cases[i][1]);
		assert_string_equal(seen, "");
	}
}

static void what_cannot_be_read_says_why(void **unused)
{
	static const char *const cases[][3] = {
		{ "trade", "{\"price\":NaN}", "bad_json" },
		{ "trade", "pong", "bad_json" },
		{ "trade", "", "bad_json" },
		{ "trade", "[{\"symbol\":\"X\"}]", "bad_shape" },
		{ "trade", "\"x\"", "bad_shape" },
		{ "trade", "{\"symbol\":\"X\",\"data_type\":\"orderbook\",\"data\":{}}", "unknown_data_type" },
		{ "kraken", "[1,{},\"trade\",\"XBT/USD\"]", "bad_shape" },
		{ "kraken", "[1,[[\"1\"]],\"trade\",\"XBT/USD\"]", "bad_shape" },
		{ "bybit", "{\"topic\":\"trade.X\",\"data\":{}}", "bad_shape" },
		{ "bybit", "{\"topic\":\"trade.X\",\"data\":[1]}", "bad_shape" },
		{ "okx", "{\"arg\":{\"channel\":\"trades\"},\"data\":1}", "bad_shape" },
		{ "okx", "{\"arg\":{\"channel\":\"trades\"},\"data\":[null]}", "bad_shape" },
		{ "kraken", "[1,{},\"spread\",\"XBT/USD\"]", "bad_shape" },
		{ "kraken", "[1,[],\"ticker\",\"XBT/USD\"]", "bad_shape" },
		{ "kraken", "[1,{\"a\":[\"1\"],\"b\":[\"1\"]},\"ticker\",\"XBT/USD\"]", "bad_shape" },
		{ "nosuch", "{}", "unknown_format" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *detail = NULL;
		assert_int_equal(parse(cases[i][0], cases[i][1]), AP_VENUE_BAD);
		assert_string_equal(ap_venue_why(v, &detail), cases[i][2]);
		assert_true(strlen(detail) > 0);
	}
}

static bool count_one(void *ctx, const struct ap_vtrade *t)
{
	(void)t;
	++*(size_t *)ctx;
	return true;
}

static void trades_of_one_message_are_bounded(void **unused)
{
	static const char head[] = "{\"topic\":\"trade\",\"data\":[{}", tail[] = "]}";
	enum { MORE = 100, LEN = sizeof head - 1 + 3 * MORE + sizeof tail - 1 };
	const struct ap_format *f = ap_format_find(ap_str_c("bybit"));
	char text[LEN + 1];
	const char *detail;
	size_t n = 0;
	(void)unused;
	strcpy(text, head);
	for (int i = 0; i < MORE; i++)
		strcat(text, ",{}");
	strcat(text, tail);
	assert_int_equal(ap_venue_parse(v, f, ap_str_c(text), &(struct ap_venue_on){ count_one, NULL, &n }), AP_VENUE_BAD);
	assert_int_equal(n, 16 + LEN / 24);
	assert_int_equal(n, ap_venue_trades_max(f, LEN));
	assert_string_equal(ap_venue_why(v, &detail), "too_many");
	assert_int_equal(ap_venue_trades_max(ap_format_find(ap_str_c("trade")), 65536), 1);
}

static void reading_stops_when_told(void **unused)
{
	size_t left = 1;
	(void)unused;
	seen[0] = '\0';
	assert_int_equal(ap_venue_parse(v, ap_format_find(ap_str_c("kraken")),
					ap_str_c("[1,[[\"3\",\"2\",\"9\",\"s\"],[\"4\",\"1\",\"9\",\"s\"]],\"trade\",\"X\"]"),
					&(struct ap_venue_on){ note, NULL, &left }),
			 AP_VENUE_TRADES);
	assert_string_equal(seen, "-|X|3|2|9|-|sell\n");
}

static void assert_route(const char *format, const char *source, const char *json, enum ap_venue_what what,
			 const char *to, int64_t ts_ms)
{
	struct ap_route r;
	char got[128];
	ap_venue_route(v, ap_format_find(ap_str_c(format)), ap_str_c(source), ap_str_c(json), &r);
	snprintf(got, sizeof got, "%.*s %.*s", r.to.source_len, r.to.source, r.to.symbol_len, r.to.symbol);
	assert_int_equal(r.what, what);
	assert_string_equal(got, to);
	assert_int_equal(r.ts.ns, ts_ms * 1000000);
}

static void a_message_goes_to_the_series_of_its_first_trade(void **unused)
{
	(void)unused;
	assert_route("trade", "tcp", "{\"source\":\"Binance\",\"symbol\":\"BTCUSDT\",\"timestamp\":1723161255342}", AP_VENUE_TRADES,
		     "binance BTC-USDT", 1723161255342);
	/* The connection's name where the trade names no source; an invalid trade is routed all the same. */
	assert_route("trade", "tcp", "{\"symbol\":\"BTCUSDT\",\"price\":-1,\"timestamp\":\"?\"}", AP_VENUE_TRADES, "tcp BTC-USDT", 0);
	assert_route("trade", "tcp", "{\"source\":\"a b\",\"symbol\":\"B T C\"}", AP_VENUE_TRADES, " ", 0);
	assert_route("trade", "tcp", "{", AP_VENUE_BAD, "tcp ", 0);
	assert_route("nosuch", "tcp", "{}", AP_VENUE_BAD, "tcp ", 0);
	assert_route("trade", "tcp", "{\"symbol\":\"BTCUSDT\",\"bid\":1,\"ask\":2,\"timestamp\":1723161255342}", AP_VENUE_QUOTES, "tcp BTC-USDT",
		     1723161255342);
	assert_route("okx", "okx", "pong", AP_VENUE_OTHER, "okx ", 0);
	/* The source's own rules, else those of the format. */
	assert_route("binance_futures", "desk-7", "{\"e\":\"trade\",\"s\":\"BTCUSDT\"}", AP_VENUE_TRADES, "desk-7 BTC-USDT-PERP", 0);
	assert_route("binance", "binance_futures", "{\"e\":\"trade\",\"s\":\"BTCUSDT\"}", AP_VENUE_TRADES,
		     "binance_futures BTC-USDT-PERP", 0);
	assert_route("trade", "desk-7", "{\"symbol\":\"BTCUSDT\"}", AP_VENUE_TRADES, "desk-7 BTC-USDT", 0);
}

static void every_format_has_a_name_and_is_found_by_it(void **unused)
{
	static const char *const names[] = { "trade", "binance", "binance_futures", "coinbase", "kraken", "bybit", "okx" };
	(void)unused;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_non_null(ap_format_find(ap_str_c(names[i])));
	assert_null(ap_format_find(ap_str_c("")));
}

static int begin(void **unused)
{
	(void)unused;
	v = ap_venue_new();
	return v == NULL ? -1 : 0;
}

static int end(void **unused)
{
	(void)unused;
	ap_venue_free(v);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_trade_is_read_under_every_name_of_its_fields),
		cmocka_unit_test(venues_trades_are_read_in_order),
		cmocka_unit_test(our_quote_is_read_under_every_name_of_its_fields),
		cmocka_unit_test(venues_quotes_are_read),
		cmocka_unit_test(quotes_that_nobody_wants_are_passed_by),
		cmocka_unit_test(books_acknowledgements_and_heartbeats_are_passed_by),
		cmocka_unit_test(what_cannot_be_read_says_why),
		cmocka_unit_test(trades_of_one_message_are_bounded),
		cmocka_unit_test(reading_stops_when_told),
		cmocka_unit_test(a_message_goes_to_the_series_of_its_first_trade),
		cmocka_unit_test(every_format_has_a_name_and_is_found_by_it),
	};
	return cmocka_run_group_tests_name("formats", tests, begin, end);
}
