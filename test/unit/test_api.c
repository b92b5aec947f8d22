/*
 * test_api.c - the pure parts of ap-api: candles in order, the bounded model, what requests ask and what clients
 * are sent.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/ap-api/answer.h"
#include "stages/ap-api/bucket.h"
#include "stages/ap-api/counts.h"
#include "stages/ap-api/member.h"
#include "stages/ap-api/outq.h"
#include "stages/ap-api/post.h"
#include "stages/ap-api/route.h"
#include "stages/ap-api/sha1.h"
#include "stages/ap-api/subs.h"

static struct ap_jtok toks[4096];

static ap_dec dec(const char *t)
{
	ap_dec d;
	assert_int_equal(ap_dec_parse(t, strlen(t), &d), AP_DEC_OK);
	return d;
}

static struct ap_candle candle(int64_t minute, const char *close, enum ap_candle_state state, uint32_t revision)
{
	return (struct ap_candle){
		.source = ap_str_c("sim"), .symbol = ap_str_c("BTC-USDT"), .tf = ap_str_c("1m"), .open_ms = minute * 60000,
		.close_ms = (minute + 1) * 60000, .open = dec("1"), .high = dec("9"), .low = dec("1"), .close = dec(close),
		.volume = dec("2"), .vwap = dec("1.5"), .trade_count = 3, .state = state, .revision = revision,
		.coverage_ms = 60000, .quality = AP_Q_FULL,
	};
}

static struct api_ring ring_of(uint32_t max, const int64_t *minutes, size_t n)
{
	struct api_ring r;
	api_ring_init(&r, max);
	for (size_t i = 0; i < n; i++) {
		struct ap_candle c = candle(minutes[i], "5", AP_FINAL, 0);
		api_ring_put(&r, &c);
	}
	return r;
}

static void ring_is(const struct api_ring *r, const int64_t *minutes, size_t n)
{
	assert_int_equal(r->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(api_ring_at(r, (uint32_t)i)->c.open_ms, minutes[i] * 60000);
}

/* --- ring */

static void candles_stand_in_order_whatever_order_they_came_in(void **s)
{
	(void)s;
	const int64_t in[] = { 5, 3, 9, 4, 1, 8 }, out[] = { 1, 3, 4, 5, 8, 9 };
	struct api_ring r = ring_of(10, in, 6);
	ring_is(&r, out, 6);
	assert_null(api_ring_find(&r, 2 * 60000));
	assert_int_equal(api_ring_find(&r, 4 * 60000)->c.open_ms, 4 * 60000);
	api_ring_done(&r);
}

static void a_full_ring_drops_its_oldest_and_refuses_older_ones(void **s)
{
	(void)s;
	const int64_t in[] = { 1, 2, 3, 4, 5, 0 }, out[] = { 3, 4, 5 };
	struct api_ring r = ring_of(3, in, 6);
	ring_is(&r, out, 3);
	api_ring_done(&r);
}

static void a_ring_keeps_its_newest_through_thousands_of_candles(void **s)
{
	(void)s;
	struct api_ring r;
	api_ring_init(&r, 500);
	for (int64_t i = 0; i < 5000; i++) {
		struct ap_candle c = candle(i, "5", AP_FINAL, 0);
		assert_true(api_ring_put(&r, &c));
	}
	assert_int_equal(r.n, 500);
	assert_true(r.cap <= 751);
	assert_int_equal(api_ring_at(&r, 0)->c.open_ms, 4500 * 60000LL);
	assert_int_equal(api_ring_last(&r)->c.open_ms, 4999 * 60000LL);
	api_ring_resize(&r, 8);
	assert_int_equal(r.n, 8);
	assert_int_equal(api_ring_at(&r, 0)->c.open_ms, 4992 * 60000LL);
	api_ring_done(&r);
}

static void the_higher_revision_wins_and_a_closed_candle_never_forms_again(void **s)
{
	(void)s;
	static const struct { enum ap_candle_state state; uint32_t rev; const char *close; bool taken; } steps[] = {
		{ AP_FORMING, 0, "1", true }, { AP_FORMING, 0, "2", true }, { AP_FINAL, 0, "3", true }, { AP_FORMING, 0, "4", false },
		{ AP_FINAL, 0, "5", false }, { AP_REVISED, 2, "6", true }, { AP_REVISED, 1, "7", false }, { AP_REVISED, 3, "8", true },
	};
	struct api_ring r;
	api_ring_init(&r, 4);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct ap_candle c = candle(1, steps[i].close, steps[i].state, steps[i].rev);
		assert_int_equal(api_ring_put(&r, &c), steps[i].taken);
	}
	assert_int_equal(ap_dec_cmp(api_ring_last(&r)->c.close, dec("8")), 0);
	api_ring_done(&r);
}

/* --- names */

static void a_name_is_the_same_from_a_stream_and_from_postgresql(void **s)
{
	(void)s;
	static const struct { const char *name, *params, *out; } rows[] = {
		{ "SMA", "period=20", "SMA(20)" },
		{ "SMA", "{\"period\": 20}", "SMA(20)" },
		{ "MACD_SIGNAL", "fast=12,slow=26,signal=9", "MACD_SIGNAL(12,26,9)" },
		{ "MACD_SIGNAL", "{\"fast\": 12, \"slow\": 26, \"signal\": 9}", "MACD_SIGNAL(12,26,9)" },
		{ "BBANDS_UPPER", "period=20,k=2.5", "BBANDS_UPPER(20,2.5)" },
		{ "BBANDS_UPPER", "{\"k\": 2.5, \"period\": 20}", "BBANDS_UPPER(20,2.5)" },
		{ "OBV", "", "OBV" }, { "OBV", "{}", "OBV" },
	};
	char out[API_NAME_MAX];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		api_name_of(ap_str_c(rows[i].name), ap_str_c(rows[i].params), out);
		assert_string_equal(out, rows[i].out);
	}
}

static void each_name_has_one_number(void **s)
{
	(void)s;
	struct api_names t;
	api_names_init(&t);
	int a = api_names_key(&t, ap_str_c("SMA"), ap_str_c("period=20"));
	int b = api_names_key(&t, ap_str_c("SMA"), ap_str_c("period=50"));
	assert_int_not_equal(a, b);
	assert_int_equal(api_names_key(&t, ap_str_c("SMA"), ap_str_c("{\"period\":20}")), a);
	assert_string_equal(api_names_at(&t, (unsigned)b), "SMA(50)");
	api_names_done(&t);
}

/* --- model */

static struct api_tf *give(struct api_model *m, const char *source, const char *symbol, int64_t minute)
{
	struct api_series *s;
	struct ap_candle c = candle(minute, "5", AP_FINAL, 0);
	c.source = ap_str_c(source);
	c.symbol = ap_str_c(symbol);
	return api_model_candle(m, &c, &s);
}

static void a_symbol_without_a_source_is_the_one_that_traded_last(void **s)
{
	(void)s;
	struct api_model m;
	assert_true(api_model_init(&m, 10, 1000));
	give(&m, "binance", "BTC-USDT", 10);
	give(&m, "kraken", "BTC-USDT", 12);
	give(&m, "okx", "ETH-USDT", 99);
	assert_string_equal(api_model_find(&m, ap_str_c(NULL), ap_str_c("BTC-USDT"))->source, "kraken");
	assert_string_equal(api_model_find(&m, ap_str_c("binance"), ap_str_c("BTC-USDT"))->source, "binance");
	assert_null(api_model_find(&m, ap_str_c("okx"), ap_str_c("BTC-USDT")));
	assert_null(api_model_find(&m, ap_str_c(NULL), ap_str_c("XRP-USDT")));
	struct ap_trade t = { .source = ap_str_c("binance"), .symbol = ap_str_c("BTC-USDT"), .ts = { 20 * 60000000000LL }, .price = dec("7") };
	api_model_trade(&m, &t);
	assert_string_equal(api_model_find(&m, ap_str_c(NULL), ap_str_c("BTC-USDT"))->source, "binance");
	api_model_done(&m);
}

static void series_nobody_uses_make_room_and_the_rest_can_still_be_found(void **s)
{
	(void)s;
	struct api_model m;
	char name[16];
	assert_true(api_model_init(&m, 8, 1000));
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "S%d-USD", i);
		assert_non_null(give(&m, "sim", name, i));
		assert_non_null(api_model_find(&m, ap_str_c("sim"), ap_str_c("S0-USD")));
	}
	assert_int_equal(m.n, 8);
	assert_int_equal(m.evicted_series, 42);
	assert_int_equal(m.bars_n, 8);
	for (int i = 43; i < 50; i++) {
		snprintf(name, sizeof name, "S%d-USD", i);
		assert_non_null(api_model_find(&m, ap_str_c("sim"), ap_str_c(name)));
	}
	assert_null(api_model_find(&m, ap_str_c("sim"), ap_str_c("S10-USD")));
	api_model_done(&m);
}

static void only_what_is_asked_for_is_kept_wide_and_the_budget_holds(void **s)
{
	(void)s;
	struct api_model m;
	assert_true(api_model_init(&m, 10, 600));
	for (int64_t i = 0; i < 400; i++)
		give(&m, "sim", "A-USD", i);
	struct api_series *a = api_model_find(&m, ap_str_c("sim"), ap_str_c("A-USD"));
	struct api_tf *t = api_model_tf(&m, a, ap_str_c("1m"), false);
	assert_int_equal(t->ring.n, API_RING_IDLE);
	api_model_use(&m, a, t);
	for (int64_t i = 400; i < 900; i++)
		give(&m, "sim", "A-USD", i);
	assert_int_equal(t->ring.n, API_RING_WIDE);
	struct api_tf *u = give(&m, "sim", "B-USD", 0);
	api_model_use(&m, api_model_find(&m, ap_str_c("sim"), ap_str_c("B-USD")), u);
	for (int64_t i = 1; i < 300; i++)
		give(&m, "sim", "B-USD", i);
	assert_int_equal(t->ring.n, API_RING_IDLE);
	assert_int_equal(u->ring.n, 300);
	assert_int_equal(m.bars_n, API_RING_IDLE + 300);
	assert_true(m.evicted_bars > 0);
	api_model_done(&m);
}

static void history_and_stream_become_one_row_of_candles(void **s)
{
	(void)s;
	struct api_model m;
	const int64_t old[] = { 1, 2, 3, 4 };
	assert_true(api_model_init(&m, 10, 1000));
	struct api_series *a;
	struct ap_candle revised = candle(4, "8", AP_REVISED, 1), forming = candle(5, "6", AP_FORMING, 0);
	api_model_candle(&m, &revised, &a);
	struct api_tf *t = api_model_candle(&m, &forming, &a);
	struct api_ring h = ring_of(500, old, 4);
	api_model_warm(&m, a, t, &h, true);
	assert_true(t->warm && t->complete && t->wide);
	assert_int_equal(t->ring.n, 5);
	assert_int_equal(api_ring_find(&t->ring, 4 * 60000)->c.revision, 1);
	assert_int_equal(api_ring_last(&t->ring)->c.state, AP_FORMING);
	assert_int_equal(m.bars_n, 5);
	api_model_cool(&m);
	assert_false(t->warm);
	api_model_done(&m);
}

static void a_signal_is_replaced_by_its_revision_and_the_oldest_goes(void **s)
{
	(void)s;
	struct api_model m;
	assert_true(api_model_init(&m, 10, 1000));
	struct ap_signal g = { .source = ap_str_c("sim"), .symbol = ap_str_c("A-USD"), .tf = ap_str_c("1m"), .kind = AP_SIG_PATTERN,
			       .name = ap_str_c("CDLHAMMER"), .strength = 100, .inputs = ap_str_c("{}") };
	for (int i = 0; i < API_SIGNALS_MAX + 5; i++) {
		g.open_ms = i * 60000;
		assert_non_null(api_model_signal(&m, &g));
	}
	struct api_series *a = api_model_find(&m, ap_str_c("sim"), ap_str_c("A-USD"));
	assert_int_equal(a->sig_n, API_SIGNALS_MAX);
	assert_int_equal(api_series_signal(a, 0)->s.open_ms, (API_SIGNALS_MAX + 4) * 60000);
	g.revision = 1;
	g.strength = -100;
	api_model_signal(&m, &g);
	assert_int_equal(a->sig_n, API_SIGNALS_MAX);
	assert_true(api_series_signal(a, 0)->s.strength < 0);
	g.revision = 0;
	assert_null(api_model_signal(&m, &g));
	api_model_done(&m);
}

/* --- routes and queries */

static void every_route_has_its_path_and_its_methods(void **s)
{
	(void)s;
	static const struct { const char *method, *path; enum api_route route; bool found, ok; const char *param; } rows[] = {
		{ "GET", "/api/streaming/status", API_R_STATUS, true, true, "" },
		{ "HEAD", "/api/streaming/metrics", API_R_METRICS, true, true, "" },
		{ "GET", "/api/streaming/data/BTC-USDT", API_R_DATA, true, true, "BTC-USDT" },
		{ "GET", "/api/streaming/data/BTC/USDT", API_R_DATA, true, true, "BTC/USDT" },
		{ "GET", "/api/streaming/data/", API_R_ASSET, false, true, "" },
		{ "POST", "/api/streaming/process", API_R_PROCESS, true, true, "" },
		{ "GET", "/api/streaming/process", API_R_PROCESS, true, false, "" },
		{ "DELETE", "/api/streaming/status", API_R_STATUS, true, false, "" },
		{ "GET", "/ws/streaming", API_R_WS, true, true, "" },
		{ "GET", "/healthz", API_R_HEALTHZ, true, true, "" },
		{ "GET", "/", API_R_ASSET, false, true, "" },
		{ "POST", "/", API_R_ASSET, false, false, "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct api_match m = api_route_match(ap_str_c(rows[i].method), ap_str_c(rows[i].path));
		assert_int_equal(m.route, rows[i].route);
		assert_int_equal(m.found, rows[i].found);
		assert_int_equal(m.method_ok, rows[i].ok);
		assert_true(ap_str_is(m.param, rows[i].param));
	}
	char allow[32];
	api_route_allow(API_M_GET | API_M_HEAD, allow);
	assert_string_equal(allow, "GET, HEAD");
}

static void a_query_is_taken_whole_or_refused_with_a_reason(void **s)
{
	(void)s;
	static const struct { enum api_route route; const char *key, *value; bool ok; } rows[] = {
		{ API_R_DATA, "limit", "1", true }, { API_R_DATA, "limit", "10000", true }, { API_R_DATA, "limit", "0", false },
		{ API_R_DATA, "limit", "10001", false }, { API_R_DATA, "limit", "1e3", false }, { API_R_DATA, "limit", "-1", false },
		{ API_R_DATA, "limit", "", false }, { API_R_DATA, "limit", "99999999999999999999", false },
		{ API_R_DATA, "timeframe", "15m", true }, { API_R_DATA, "timeframe", "M", false }, { API_R_DATA, "timeframe", "0m", false },
		{ API_R_DATA, "timeframe", "1M", true }, { API_R_DATA, "timeframe", "vol10", true }, { API_R_DATA, "timeframe", "usd-1.5_m", true },
		{ API_R_DATA, "timeframe", "Vol10", false }, { API_R_DATA, "timeframe", "abcdefghijklmnop", true },
		{ API_R_DATA, "timeframe", "abcdefghijklmnopq", false }, { API_R_DATA, "timeframe", "vol 10", false },
		{ API_R_DATA, "timeframe", "1x", false }, { API_R_DATA, "timeframe", "1m'--", false },
		{ API_R_DATA, "source", "Binance", true }, { API_R_DATA, "source", "a b", false }, { API_R_DATA, "limi", "1", false },
		{ API_R_STATUS, "limit", "1", false }, { API_R_PROCESS, "wait_ms", "5000", true }, { API_R_PROCESS, "wait_ms", "5001", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct api_query q;
		char err[200] = "";
		api_query_init(&q);
		bool ok = api_query_set(&q, rows[i].route, ap_str_c(rows[i].key), ap_str_c(rows[i].value), err, sizeof err);
		assert_int_equal(ok, rows[i].ok);
		assert_int_equal(err[0] == '\0', rows[i].ok);
	}
	struct api_query q;
	char err[200];
	api_query_init(&q);
	assert_int_equal(q.limit, 20);
	api_query_set(&q, API_R_DATA, ap_str_c("source"), ap_str_c("Binance"), err, sizeof err);
	assert_string_equal(q.source, "binance");
}

static void only_the_page_itself_and_listed_origins_may_come_in(void **s)
{
	(void)s;
	const char *list = "https://a.example, https://b.example:8443";
	const ap_str host = ap_str_c("127.0.0.1:8080");
	assert_true(api_origin_ok(ap_str_c(NULL), host, ""));
	assert_true(api_origin_ok(ap_str_c("http://127.0.0.1:8080"), host, ""));
	assert_true(api_origin_ok(ap_str_c("https://a.example"), host, list));
	assert_true(api_origin_ok(ap_str_c("https://b.example:8443"), host, list));
	assert_false(api_origin_ok(ap_str_c("https://b.example"), host, list));
	assert_false(api_origin_ok(ap_str_c("http://127.0.0.1:8081"), host, list));
	assert_false(api_origin_ok(ap_str_c("http://127.0.0.1:8080.evil.example"), host, list));
	assert_false(api_origin_ok(ap_str_c("null"), host, list));
	assert_false(api_origin_ok(ap_str_c(""), host, list));
}

/* --- rates */

static void an_address_has_its_burst_and_its_rate_and_others_have_theirs(void **s)
{
	(void)s;
	struct api_buckets b;
	const int64_t sec = 1000000000;
	assert_true(api_buckets_init(&b, 10, 3));
	for (int i = 0; i < 3; i++)
		assert_true(api_buckets_take(&b, "a", 1, sec, 1));
	assert_false(api_buckets_take(&b, "a", 1, sec, 1));
	assert_true(api_buckets_take(&b, "b", 1, sec, 1));
	assert_true(api_buckets_take(&b, "a", 1, sec + sec / 10, 1));
	assert_false(api_buckets_take(&b, "a", 1, sec + sec / 10, 1));
	for (int i = 0; i < 3; i++)
		assert_true(api_buckets_take(&b, "a", 1, 60 * sec, 1));
	assert_false(api_buckets_take(&b, "a", 1, 60 * sec, 1));
	assert_int_equal(api_buckets_retry_s(&b), 1);
	api_buckets_done(&b);
}

/* --- subscriptions */

static struct api_request ask(const char *text)
{
	struct api_request r;
	api_request_parse(&r, ap_str_c(text), toks, 4096);
	return r;
}

static void a_client_without_subscriptions_gets_everything(void **s)
{
	(void)s;
	struct api_subs subs = { 0 };
	bool full;
	const ap_str sim = ap_str_c("sim"), btc = ap_str_c("BTC-USDT"), eth = ap_str_c("ETH-USDT"), m1 = ap_str_c("1m"), h1 = ap_str_c("1h");
	assert_true(api_subs_match(&subs, sim, btc, m1));
	struct api_request r = ask("{\"action\":\"subscribe\",\"symbol\":\"btcusdt\",\"timeframe\":\"1m\",\"id\":7}");
	assert_int_equal(r.action, API_A_SUBSCRIBE);
	assert_int_equal(r.nsub, 1);
	assert_string_equal(r.id, "7");
	assert_true(api_subs_add(&subs, &r.sub[0], &full));
	assert_false(api_subs_add(&subs, &r.sub[0], &full));
	assert_true(api_subs_match(&subs, sim, btc, m1));
	assert_false(api_subs_match(&subs, sim, btc, h1));
	assert_false(api_subs_match(&subs, sim, eth, m1));
	assert_true(api_subs_remove(&subs, &r.sub[0]));
	assert_true(api_subs_match(&subs, sim, eth, h1));
	free(r.sub);
	api_subs_done(&subs);
}

static void lists_mean_every_pair_and_what_is_left_out_means_all(void **s)
{
	(void)s;
	struct api_request r = ask("{\"action\":\"subscribe\",\"symbol\":[\"BTC-USDT\",\"ETH/USDT\"],\"timeframe\":[\"1m\",\"5m\",\"1h\"],"
				   "\"source\":\"Kraken\"}");
	assert_int_equal(r.nsub, 6);
	assert_string_equal(r.sub[5].symbol, "ETH-USDT");
	assert_string_equal(r.sub[5].timeframe, "1h");
	assert_string_equal(r.sub[5].source, "kraken");
	free(r.sub);
	r = ask("{\"action\":\"subscribe\",\"symbol\":\"BTC-USDT\"}");
	assert_int_equal(r.nsub, 1);
	assert_string_equal(r.sub[0].timeframe, "");
	free(r.sub);
	assert_int_equal(ask("{\"type\":\"ping\"}").action, API_A_PING);
}

static void senseless_messages_are_told_what_is_wrong(void **s)
{
	(void)s;
	static const char *const bad[] = {
		"", "[]", "{", "{}", "{\"action\":\"dance\"}", "{\"action\":7}", "{\"action\":\"subscribe\",\"symbol\":7}",
		"{\"action\":\"subscribe\",\"symbol\":[]}", "{\"action\":\"subscribe\",\"symbol\":[\"\"]}",
		"{\"action\":\"subscribe\",\"symbol\":\"BTC-USDT\",\"timeframe\":\"SOON\"}",
		"{\"action\":\"subscribe\",\"symbol\":\"';DROP\"}", "{\"action\":\"subscribe\",\"source\":\"a b\"}",
		"{\"action\":\"subscribe\",\"symbol\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct api_request r = ask(bad[i]);
		assert_int_equal(r.action, API_A_BAD);
		assert_true(r.err[0] != '\0');
		assert_null(r.sub);
	}
}

/* --- the queue of a client */

static bool put(struct api_outq *q, const char *text, uint64_t key)
{
	struct api_body *b = api_body_new(ap_str_c(text));
	bool ok = api_outq_put(q, b, key);
	api_body_unref(b);
	return ok;
}

static void taken_is(struct api_outq *q, const char *text)
{
	struct api_item i;
	struct ap_buf b;
	assert_true(api_outq_take(q, &i));
	ap_buf_init(&b, 4096);
	api_item_text(&i, &b);
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.p, text, b.len);
	ap_buf_done(&b);
	api_body_unref(i.body);
}

static void unsent_forming_candles_give_way_to_newer_ones_and_numbers_have_no_gap(void **s)
{
	(void)s;
	struct api_outq q;
	struct api_item i;
	api_outq_init(&q, 100000);
	put(&q, "\"a\":1", 5);
	put(&q, "\"b\":1", 0);
	put(&q, "\"a\":2", 5);
	put(&q, "\"a\":3", 5);
	put(&q, "\"c\":1", 6);
	taken_is(&q, "{\"a\":3,\"seq\":1,\"conflated\":2}");
	taken_is(&q, "{\"b\":1,\"seq\":2,\"conflated\":0}");
	put(&q, "\"a\":4", 5);
	taken_is(&q, "{\"c\":1,\"seq\":3,\"conflated\":0}");
	taken_is(&q, "{\"a\":4,\"seq\":4,\"conflated\":0}");
	assert_false(api_outq_take(&q, &i));
	assert_int_equal(q.conflated, 2);
	assert_int_equal(q.bytes, 0);
	api_outq_done(&q);
}

static void a_client_that_does_not_read_reaches_its_bound(void **s)
{
	(void)s;
	struct api_outq q;
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	api_outq_init(&q, 10000);
	int n = 0;
	while (put(&q, text, 0))
		n++;
	assert_int_equal(n, 9);
	assert_true(q.bytes <= q.max);
	for (int i = 0; i < 1000; i++)
		put(&q, "\"small\":1", 1);
	assert_true(q.bytes <= q.max);
	api_outq_clear(&q);
	assert_int_equal(q.bytes, 0);
	char *longer = calloc(1, 20001);
	memset(longer, 'y', 20000);
	struct api_body *b = api_body_new(ap_str_c(longer));
	assert_false(api_outq_put(&q, b, 0));
	assert_true(api_outq_put_asked(&q, b));         /* a snapshot may be longer than the bound, */
	assert_true(put(&q, text, 0));                  /* and does not shut out what comes after it */
	assert_int_equal(q.asked, 1);
	struct api_item i;
	assert_true(api_outq_take(&q, &i));
	api_body_unref(i.body);
	assert_int_equal(q.asked, 0);
	api_body_unref(b);
	free(longer);
	api_outq_done(&q);
}

/* --- provisional */

static void provisional_patterns_last_until_the_next_word_on_their_candle(void **s)
{
	(void)s;
	struct api_model m;
	struct api_series *ser = NULL;
	struct ap_value v = { ap_str_c("SMA"), ap_str_c("period=3"), 1 };
	struct ap_candle c = { .source = ap_str_c("x"), .symbol = ap_str_c("A-USD"), .tf = ap_str_c("1m"), .open_ms = 60000, .close_ms = 120000 };
	struct ap_indicator i = { ap_str_c("x"), ap_str_c("A-USD"), ap_str_c("1m"), 60000, 0, true, 1, &v };
	struct ap_signal doji = { .source = ap_str_c("x"), .symbol = ap_str_c("A-USD"), .tf = ap_str_c("1m"), .open_ms = 60000, .kind = AP_SIG_PATTERN,
				  .name = ap_str_c("CDLDOJI"), .direction = AP_DIR_LONG, .provisional = true, .strength = 100 };
	struct ap_signal hammer = doji;
	assert_true(api_model_init(&m, 10, 1000));
	hammer.name = ap_str_c("CDLHAMMER");
	assert_non_null(api_model_candle(&m, &c, &ser));
	assert_non_null(api_model_indicator(&m, &i, &ser));
	assert_non_null(api_model_signal(&m, &doji));
	assert_non_null(api_model_signal(&m, &hammer));
	assert_int_equal(api_series_signal(ser, 0)->s.direction, AP_DIR_LONG);
	/* The next look finds the hammer alone. */
	assert_non_null(api_model_indicator(&m, &i, &ser));
	assert_int_equal(api_series_signal(ser, 1)->s.direction, AP_DIR_NONE);
	assert_non_null(api_model_signal(&m, &hammer));
	assert_int_equal(ser->sig_n, 2);
	assert_int_equal(api_series_signal(ser, 0)->s.direction, AP_DIR_LONG);
	/* The candle closes, or has final values: what was provisional is over, and what still comes of it is too late. */
	i.provisional = false;
	assert_non_null(api_model_indicator(&m, &i, &ser));
	assert_int_equal(api_series_signal(ser, 0)->s.direction, AP_DIR_NONE);
	assert_null(api_model_signal(&m, &doji));
	hammer.provisional = false;
	assert_non_null(api_model_signal(&m, &hammer));
	assert_int_equal(api_series_signal(ser, 0)->s.direction, AP_DIR_LONG);
	i.provisional = true;
	assert_null(api_model_indicator(&m, &i, &ser));
	/* Of a candle that has never been seen nothing provisional is taken: nobody may ever say that it has closed. */
	doji.open_ms = 120000;
	assert_null(api_model_signal(&m, &doji));
	api_model_done(&m);
}

static void what_was_provisional_is_over_when_the_store_has_the_closed_candle(void **s)
{
	(void)s;
	struct api_model m;
	struct api_series *ser = NULL;
	struct api_ring stored;
	struct ap_candle c = { .source = ap_str_c("x"), .symbol = ap_str_c("A-USD"), .tf = ap_str_c("1m"), .open_ms = 60000, .close_ms = 120000 };
	struct ap_signal doji = { .source = ap_str_c("x"), .symbol = ap_str_c("A-USD"), .tf = ap_str_c("1m"), .open_ms = 60000, .kind = AP_SIG_PATTERN,
				  .name = ap_str_c("CDLDOJI"), .direction = AP_DIR_LONG, .provisional = true, .strength = 100 };
	assert_true(api_model_init(&m, 10, 1000));
	struct api_tf *t = api_model_candle(&m, &c, &ser);
	assert_non_null(t);
	assert_non_null(api_model_signal(&m, &doji));
	api_ring_init(&stored, 10);
	c.state = AP_FINAL;
	assert_true(api_ring_put(&stored, &c));
	api_model_warm(&m, ser, t, &stored, true);
	assert_int_equal(api_series_signal(ser, 0)->s.direction, AP_DIR_NONE);
	api_ring_done(&stored);
	api_model_done(&m);
}

/* --- quotes */

static struct ap_quotebar qbar(int64_t open_ms, enum ap_candle_state state, uint32_t revision, uint64_t n)
{
	struct ap_quotebar q = { .source = ap_str_c("okx"), .symbol = ap_str_c("BTC-USDT"), .tf = ap_str_c("1m"), .open_ms = open_ms,
				 .close_ms = open_ms + 60000, .state = state, .revision = revision, .quote_count = n };
	return q;
}

static void quote_bars_are_kept_by_time_and_the_higher_revision_wins(void **s)
{
	(void)s;
	struct api_qbars r;
	api_qbars_init(&r, 3);
	struct ap_quotebar q = qbar(60000, AP_FORMING, 0, 5);
	assert_true(api_qbars_put(&r, &q));
	q = qbar(60000, AP_FORMING, 0, 4);
	assert_false(api_qbars_put(&r, &q));
	q = qbar(60000, AP_REVISED, 2, 9);
	assert_true(api_qbars_put(&r, &q));
	q = qbar(60000, AP_FORMING, 0, 10);
	assert_false(api_qbars_put(&r, &q));
	q = qbar(60000, AP_FINAL, 0, 8);
	assert_false(api_qbars_put(&r, &q));
	q = qbar(180000, AP_FINAL, 0, 1);
	assert_true(api_qbars_put(&r, &q));
	q = qbar(120000, AP_FINAL, 0, 2);
	assert_true(api_qbars_put(&r, &q));
	assert_true(r.n == 3 && r.bar[0].open_ms == 60000 && r.bar[1].open_ms == 120000 && r.bar[2].open_ms == 180000);
	assert_int_equal(r.bar[0].revision, 2);
	q = qbar(0, AP_FINAL, 0, 2);
	assert_false(api_qbars_put(&r, &q));
	q = qbar(150000, AP_FINAL, 0, 2);
	assert_true(api_qbars_put(&r, &q));
	assert_true(r.n == 3 && r.bar[0].open_ms == 120000 && r.bar[1].open_ms == 150000 && r.bar[2].open_ms == 180000);
	api_qbars_done(&r);
}

static void a_quote_bar_reads_as_json_with_every_digit(void **s)
{
	(void)s;
	struct ap_buf b;
	struct ap_quotebar q = qbar(1700000040000, AP_FORMING, 0, 2);
	q.bid = (struct ap_px4){ { 1 }, ap_dec_int(3), { 1 }, ap_dec_int(2) };
	q.spread_mean = (ap_dec){ 333333333333333333 };
	q.weighted_ns = UINT64_C(59999999999);
	ap_buf_init(&b, 4096);
	api_json_quotebar(&b, &q);
	ap_buf_putc(&b, '\0');
	assert_string_equal((const char *)b.p,
		"{\"source\":\"okx\",\"symbol\":\"BTC-USDT\",\"timeframe\":\"1m\",\"open_time\":\"2023-11-14T22:14:00Z\","
		"\"close_time\":\"2023-11-14T22:15:00Z\",\"bid\":{\"open\":0.000000000000000001,\"high\":3,\"low\":0.000000000000000001,"
		"\"close\":2},\"ask\":{\"open\":0,\"high\":0,\"low\":0,\"close\":0},\"mid\":{\"open\":0,\"high\":0,\"low\":0,\"close\":0},"
		"\"spread\":{\"min\":0,\"max\":0,\"mean\":0.333333333333333333,\"last\":0},\"weighted_ns\":59999999999,\"resolution_ms\":0,"
		"\"quote_count\":2,\"locked_count\":0,\"state\":\"forming\",\"revision\":0,\"coverage_ms\":0,\"quality\":\"full\"}");
	ap_buf_done(&b);
}

static void the_model_knows_who_quoted_last(void **s)
{
	(void)s;
	struct api_model m;
	struct api_series *ser = NULL;
	struct ap_quote q = { .source = ap_str_c("a"), .symbol = ap_str_c("X-USD"), .ts = { 20 }, .bid = { 1 }, .ask = { 2 }, .seq = 5 };
	assert_true(api_model_init(&m, 10, 1000));
	assert_null(api_model_quoted(&m, ap_str_c(""), ap_str_c("X-USD")));
	api_model_quote(&m, &q);
	q.seq = 4;
	q.bid = (ap_dec){ 2 };
	api_model_quote(&m, &q);        /* of the same instant, and older */
	q.source = ap_str_c("b");
	q.ts.ns = 10;
	api_model_quote(&m, &q);
	assert_string_equal(api_model_quoted(&m, ap_str_c(""), ap_str_c("X-USD"))->source, "a");
	assert_string_equal(api_model_quoted(&m, ap_str_c("b"), ap_str_c("X-USD"))->source, "b");
	assert_null(api_model_quoted(&m, ap_str_c("c"), ap_str_c("X-USD")));
	assert_true(api_model_quoted(&m, ap_str_c("a"), ap_str_c("X-USD"))->quote.bid.e18 == 1);
	assert_int_equal(api_model_quoted(&m, ap_str_c("a"), ap_str_c("X-USD"))->quote.n, 2);
	struct ap_quotebar bar = qbar(60000, AP_FORMING, 0, 1);
	struct api_tf *t = api_model_quotebar(&m, &bar, &ser);
	assert_non_null(t);
	assert_string_equal(ser->source, "okx");
	assert_true(t->quotes.n == 1 && t->quotes.bar[0].tf.p == t->tf);
	api_model_done(&m);
}

static void a_posted_quote_becomes_the_pipelines_own_line(void **s)
{
	(void)s;
	struct api_post p;
	char err[200];
	assert_true(api_post_parse(&p, ap_str_c("{\"symbol\":\"A-USD\",\"data_type\":\"quote\",\"data\":{\"bid\":1.5,\"bid_size\":\"2\",\"ask\":1.6,"
						"\"timestamp\":1700000000,\"seq\":7}}"), toks, 4096, err, sizeof err));
	assert_true(ap_str_is(ap_buf_view(&p.lines), "{\"source\":\"http\",\"symbol\":\"A-USD\",\"data_type\":\"quote\",\"timestamp\":1700000000,"
						     "\"bid\":1.5,\"bid_size\":\"2\",\"ask\":1.6,\"seq\":7}\n"));
	api_post_done(&p);
}

/* --- POST */

static void a_posted_message_becomes_the_pipelines_own_line(void **s)
{
	(void)s;
	struct api_post p;
	char err[200];
	const char *body = "{\"symbol\":\"BTCUSDT\",\"data_type\":\"trade\",\"source\":\"Mine\",\"data\":{\"price\":64000.10,"
			   "\"volume\":\"0.5\",\"timestamp\":1700000000,\"trade_id\":\"x\\\"1\",\"side\":\"buy\"}}";
	const char *line = "{\"source\":\"Mine\",\"symbol\":\"BTCUSDT\",\"price\":64000.10,\"quantity\":\"0.5\","
			   "\"timestamp\":1700000000,\"trade_id\":\"x\\\"1\",\"side\":\"buy\"}\n";
	assert_true(api_post_parse(&p, ap_str_c(body), toks, 4096, err, sizeof err));
	assert_int_equal(p.n, 1);
	assert_false(p.list);
	assert_true(ap_str_is(ap_buf_view(&p.lines), line));
	api_post_done(&p);
	assert_true(api_post_parse(&p, ap_str_c("[{\"symbol\":\"A-USD\",\"data\":{\"price\":null}},{\"symbol\":\"B-USD\",\"data\":{}}]"),
				   toks, 4096, err, sizeof err));
	assert_true(p.list && p.n == 2);
	assert_true(ap_str_is(ap_buf_view(&p.lines), "{\"source\":\"http\",\"symbol\":\"A-USD\",\"price\":null}\n"
						     "{\"source\":\"http\",\"symbol\":\"B-USD\"}\n"));
	api_post_done(&p);
}

static void a_body_of_the_wrong_shape_is_refused_by_message_and_field(void **s)
{
	(void)s;
	static const struct { const char *body, *says; } rows[] = {
		{ "", "not JSON" }, { "{", "not JSON" }, { "7", "message 0: an object" }, { "[]", "1 to 1000" },
		{ "{}", "message 0: symbol" }, { "{\"symbol\":\"A\"}", "data" }, { "{\"symbol\":7,\"data\":{}}", "symbol" },
		{ "[{\"symbol\":\"A\",\"data\":{}},{\"symbol\":\"A\",\"data\":[]}]", "message 1: data" },
		{ "{\"symbol\":\"A\",\"data\":{\"price\":{}}}", "data.price" },
		{ "{\"symbol\":\"A\",\"source\":\"a b\",\"data\":{}}", "source" },
		{ "{\"symbol\":\"A\",\"data_type\":\"book\",\"data\":{}}", "data_type" },
		{ "{\"symbol\":\"A\\u0000B\",\"data\":{}}", "symbol" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct api_post p;
		char err[200] = "";
		assert_false(api_post_parse(&p, ap_str_c(rows[i].body), toks, 4096, err, sizeof err));
		if (strstr(err, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].body, err);
		api_post_done(&p);
	}
}

static void a_message_is_settled_by_what_became_of_it_in_any_order(void **s)
{
	(void)s;
	struct api_post p;
	struct api_outcomes o;
	char err[200];
	assert_true(api_outcomes_init(&o, 4));
	assert_true(api_post_parse(&p, ap_str_c("[{\"symbol\":\"A-USD\",\"data\":{}},{\"symbol\":\"A-USD\",\"data\":{}},{\"symbol\":\"A-USD\",\"data\":{}}]"),
				   toks, 4096, err, sizeof err));
	assert_false(api_post_ack(&p.msg[0], ap_str_c("{\"idx\":1}"), toks, 4096));
	assert_true(api_post_ack(&p.msg[0], ap_str_c("{\"id\":\"1700-64\",\"idx\":0}"), toks, 4096));
	assert_true(api_post_ack(&p.msg[1], ap_str_c("{\"id\":\"1700-64\",\"idx\":1}"), toks, 4096));
	assert_true(api_post_ack(&p.msg[2], ap_str_c("{\"error\":\"too_long\",\"detail\":\"a line\"}"), toks, 4096));
	p.pending--;
	struct ap_rec trade = { .kind = AP_TRADE, .id = { 1700, 65 }, .u.trade = { .raw_idx = 1 } };
	struct ap_rec reject = { .kind = AP_REJECT, .id = { 1800, 0 }, .u.reject = { .origin = { 1700, 64 }, .raw_idx = 0,
		.status = AP_ST_INVALID, .reason = ap_str_c("price_not_positive"), .detail = ap_str_c("price is -1") } };
	struct ap_rec other = { .kind = AP_BEAT };
	struct api_outcome x;
	assert_false(api_outcome_of(&other, &x));
	assert_true(api_outcome_of(&trade, &x));
	api_outcomes_put(&o, &x);
	assert_non_null(api_outcomes_find(&o, (ap_id){ 1700, 64 }, 1));
	assert_null(api_outcomes_find(&o, (ap_id){ 1700, 64 }, 0));
	assert_false(api_post_settle(&p, &x));
	assert_true(api_outcome_of(&reject, &x));
	assert_true(api_post_settle(&p, &x));
	struct ap_buf b;
	ap_buf_init(&b, 65536);
	assert_int_equal(api_answer_post(&b, &p, 0), 503);
	ap_buf_putc(&b, '\0');
	assert_non_null(strstr((char *)b.p, "{\"status\":\"processed\",\"message_id\":\"1700-64-0\",\"result\":{\"status\":\"invalid\",\"errors\":"
					    "[{\"reason\":\"price_not_positive\",\"detail\":\"price is -1\"}]}}"));
	assert_non_null(strstr((char *)b.p, "{\"status\":\"processed\",\"message_id\":\"1700-64-1\",\"result\":{\"status\":\"valid\",\"errors\":[]}}"));
	assert_non_null(strstr((char *)b.p, "{\"status\":\"refused\",\"message_id\":null,\"result\":null}"));
	ap_buf_done(&b);
	api_outcomes_done(&o);
	api_post_done(&p);
}

/* --- the pipeline in numbers */

static const int64_t second = 1000000000;

static void rates_and_lags_are_differences_between_two_rounds(void **s)
{
	(void)s;
	static struct api_pipe p;
	int64_t n[AP_S_N] = { [AP_S_RAW] = 100, [AP_S_TICK] = 90, [AP_S_CANDLE] = 4 };
	int64_t taken[API_ST_N] = { -1, 95, 80, 4, -1 }, stored[AP_S_N] = { -1, 70, -1, -1, 4, -1, -1 };
	api_pipe_init(&p);
	api_pipe_part(&p, n, taken, stored);
	api_pipe_part(&p, n, taken, stored);
	api_pipe_round(&p, second);
	assert_int_equal(p.stage[API_ST_NORMALIZE].behind, 10);
	assert_int_equal(p.stage[API_ST_CANDLE].behind, 20);
	assert_int_equal(p.stage[API_ST_INDICATORS].behind, 0);
	assert_int_equal(p.stage[API_ST_PERSIST].behind, 40);
	assert_false(p.stage[API_ST_NORMALIZE].rated);
	n[AP_S_RAW] += 500;
	taken[API_ST_NORMALIZE] += 250;
	api_pipe_part(&p, n, taken, stored);
	api_pipe_part(&p, n, taken, stored);
	api_pipe_round(&p, 3 * second);
	assert_true(p.stage[API_ST_INGEST].rate == 500);
	assert_true(p.stage[API_ST_NORMALIZE].rate == 250);
	assert_int_equal(p.stage[API_ST_NORMALIZE].behind, 510);
	assert_int_equal(p.spark_n, 1);
	api_pipe_done(&p);
}

/* A metric by its name, summed over instances and labels. */
static double sum_of(const struct api_comp *c, const char *name)
{
	double sum = 0;
	size_t n = strlen(name);
	for (uint32_t i = 0; i < c->n; i++)
		if (strncmp(c->m[i].name, name, n) == 0 && (c->m[i].name[n] == '\0' || c->m[i].name[n] == '{'))
			sum += c->m[i].value;
	return sum;
}

static void what_was_never_heard_is_absent_and_what_stopped_is_silent(void **s)
{
	(void)s;
	static struct api_pipe p;
	struct ap_metric m = { .component = ap_str_c("ap-candle"), .instance = ap_str_c("c0"), .name = ap_str_c("records_in_total"),
			       .labels = ap_str_c("part=\"1\""), .type = AP_M_COUNTER, .value = 3, .ts = { 100 * second } };
	api_pipe_init(&p);
	assert_string_equal(api_pipe_state(&p, "ap-candle", 100 * second), "absent");
	assert_true(api_pipe_metric(&p, &m, 100 * second));
	m.labels = ap_str_c("part=\"2\"");
	assert_true(api_pipe_metric(&p, &m, 100 * second));
	assert_string_equal(api_pipe_state(&p, "ap-candle", 101 * second), "running");
	assert_string_equal(api_pipe_state(&p, "ap-candle", 120 * second), "silent");
	assert_true(sum_of(&p.comp[0], "records_in_total") == 6);
	assert_string_equal(p.comp[0].m[0].name, "records_in_total{instance=\"c0\",part=\"1\"}");
	api_pipe_done(&p);
}

static void a_stage_has_as_many_workers_as_report_and_forgets_those_that_are_gone(void **s)
{
	(void)s;
	static struct api_pipe p;
	struct ap_metric m = { .component = ap_str_c("ap-candle"), .name = ap_str_c("rss_bytes"), .type = AP_M_GAUGE, .value = 5 };
	api_pipe_init(&p);
	for (int t = 100; t < 140; t++) {
		m.ts.ns = t * second;
		m.instance = ap_str_c("c0");
		assert_true(api_pipe_metric(&p, &m, m.ts.ns));
		m.instance = ap_str_c("c1");
		if (t < 105)
			assert_true(api_pipe_metric(&p, &m, m.ts.ns));
		api_pipe_round(&p, m.ts.ns);
		assert_int_equal(api_pipe_workers(&p, "ap-candle", m.ts.ns), t <= 114 ? 2 : 1);
		assert_true(sum_of(&p.comp[0], "rss_bytes") == (t <= 134 ? 10 : 5));
	}
	/* All are silent: what they said last stays. */
	api_pipe_round(&p, 1000 * second);
	assert_int_equal(api_pipe_workers(&p, "ap-candle", 1000 * second), 0);
	assert_true(sum_of(&p.comp[0], "rss_bytes") == 5);
	api_pipe_done(&p);
}

static void latency_is_of_the_last_seconds_and_unknown_before_anything_came(void **s)
{
	(void)s;
	static struct api_pipe p;
	api_pipe_init(&p);
	assert_int_equal(api_pipe_latency_us(&p, AP_S_LIVE, 0.5), -1);
	int64_t now = 1700000000 * second;
	for (int i = 0; i < 100; i++)
		api_pipe_arrived(&p, AP_S_LIVE, (ap_id){ (uint64_t)now / 1000000 - 3, 0 }, now);
	assert_in_range(api_pipe_latency_us(&p, AP_S_LIVE, 0.5), 2900, 3100);
	now += 60 * second;
	api_pipe_arrived(&p, AP_S_LIVE, (ap_id){ (uint64_t)now / 1000000 - 50, 0 }, now);
	assert_in_range(api_pipe_latency_us(&p, AP_S_LIVE, 0.5), 48000, 52000);
	api_pipe_done(&p);
}

static void the_stream_runs_idles_or_is_stale_by_what_the_feeds_prove(void **s)
{
	(void)s;
	static struct api_pipe p;
	struct api_facts f = { .now_ns = 100 * second, .stale_ns = 15 * second, .redis_up = true, .pg_up = true };
	struct ap_beat b = { .source = ap_str_c("sim"), .ts = { 100 * second }, .alive = true, .live = true };
	api_pipe_init(&p);
	assert_string_equal(api_streaming_state(&p, &f), "stale");
	api_pipe_beat(&p, &b, 100 * second);
	assert_string_equal(api_streaming_state(&p, &f), "idle");
	api_pipe_trade(&p, ap_str_c("sim"), 100 * second);
	assert_string_equal(api_streaming_state(&p, &f), "running");
	f.now_ns = 200 * second;
	assert_string_equal(api_streaming_state(&p, &f), "stale");
	f.redis_up = false;
	assert_string_equal(api_streaming_state(&p, &f), "down");
	api_pipe_done(&p);
}

/* --- answers */

static void is_json(const struct ap_buf *b)
{
	struct ap_json j;
	if (b->full || !ap_json_parse(&j, ap_buf_view(b), toks, 4096))
		fail_msg("%s: %.*s", b->full ? "full" : j.err, (int)b->len, (const char *)b->p);
}

static void what_objects_share_is_written_once_and_the_same(void **s)
{
	(void)s;
	struct ap_buf b;
	ap_buf_init(&b, 4096);
	api_put_bar(&b, ap_str_c("okx"), ap_str_c("BTC-USDT"), ap_str_c("1m"), 60000);
	api_put_dec(&b, ",", "low", dec("-0.5"));
	ap_buf_putc(&b, ',');
	api_put_ts(&b, "at", 1500000000, 3);
	ap_buf_putc(&b, ',');
	api_put_num(&b, "rate", 0.25);
	ap_buf_putc(&b, ',');
	api_put_num(&b, "age", (double)NAN);
	ap_buf_putc(&b, ',');
	api_put_text(&b, "why", "\"so\"");
	api_put_bar_end(&b, AP_REVISED, 2, 59000, AP_Q_GAP);
	is_json(&b);
	ap_buf_putc(&b, '\0');
	assert_string_equal((char *)b.p,
		"{\"source\":\"okx\",\"symbol\":\"BTC-USDT\",\"timeframe\":\"1m\",\"open_time\":\"1970-01-01T00:01:00Z\",\"low\":-0.5,"
		"\"at\":\"1970-01-01T00:00:01.500Z\",\"rate\":0.25,\"age\":null,\"why\":\"\\\"so\\\"\",\"state\":\"revised\","
		"\"revision\":2,\"coverage_ms\":59000,\"quality\":\"gap\"}");
	ap_buf_clear(&b);
	api_put_names(&b, "BTC-USDT", "okx", "5m");
	ap_buf_putc(&b, '\0');
	assert_string_equal((char *)b.p, "\"symbol\":\"BTC-USDT\",\"source\":\"okx\",\"timeframe\":\"5m\"");
	ap_buf_done(&b);
}

static void a_candle_keeps_every_digit(void **s)
{
	(void)s;
	struct ap_buf b;
	struct ap_candle c = candle(28333333, "64000.123456789012345678", AP_FINAL, 0);
	ap_sum_addmul(&c.quote_volume, dec("123456789012345678.000000000000000001"), dec("0.000000000000000001"));
	ap_buf_init(&b, 4096);
	api_json_candle(&b, &c);
	is_json(&b);
	ap_buf_putc(&b, '\0');
	assert_non_null(strstr((char *)b.p, "\"close\":64000.123456789012345678,"));
	assert_non_null(strstr((char *)b.p, "\"quote_volume\":0.123456789012345678000000000000000001,"));
	assert_non_null(strstr((char *)b.p, "\"open_time\":\"2023-11-14T22:13:00Z\",\"close_time\":\"2023-11-14T22:14:00Z\""));
	assert_non_null(strstr((char *)b.p, "\"state\":\"final\",\"revision\":0,\"coverage_ms\":60000,\"quality\":\"full\""));
	ap_buf_done(&b);
}

static void how_rules_do_is_passed_on_with_the_time(void **s)
{
	(void)s;
	struct ap_buf b;
	ap_buf_init(&b, 4096);
	api_answer_stats(&b, "[{\"rule\": \"up\", \"hit_rate\": 0.5}]", second);
	is_json(&b);
	ap_buf_putc(&b, '\0');
	assert_string_equal((char *)b.p, "{\"rules\":[{\"rule\": \"up\", \"hit_rate\": 0.5}],\"timestamp\":\"1970-01-01T00:00:01.000Z\"}");
	ap_buf_done(&b);
}

static void data_has_the_newest_candles_their_values_and_their_signals(void **s)
{
	(void)s;
	struct api_model m;
	struct api_series *a = NULL;
	struct ap_buf b;
	struct ap_json j;
	assert_true(api_model_init(&m, 4, 100));
	for (int64_t i = 0; i < 6; i++)
		give(&m, "sim", "BTC-USDT", i);
	struct ap_value v = { ap_str_c("SMA"), ap_str_c("period=20"), 1.25 };
	struct ap_indicator ind = { ap_str_c("sim"), ap_str_c("BTC-USDT"), ap_str_c("1m"), 5 * 60000, 0, false, 1, &v };
	struct ap_signal g = { .source = ap_str_c("sim"), .symbol = ap_str_c("BTC-USDT"), .tf = ap_str_c("1m"), .open_ms = 5 * 60000,
			       .kind = AP_SIG_SIGNAL, .name = ap_str_c("cross"), .direction = AP_DIR_LONG, .entry = 2, .inputs = ap_str_c("{\"a\":1}") };
	struct api_tf *t = api_model_indicator(&m, &ind, &a);
	assert_non_null(t);
	api_model_signal(&m, &g);
	struct api_facts f = { .now_ns = 1000 * second };
	ap_buf_init(&b, 65536);
	api_answer_data(&b, &m.names, a, "1m", &t->ring, 2, &f);
	is_json(&b);
	assert_true(ap_json_parse(&j, ap_buf_view(&b), toks, 4096));
	uint32_t candles = ap_json_get(&j, 0, "candles"), inds = ap_json_get(&j, 0, "indicators"), sigs = ap_json_get(&j, 0, "signals");
	assert_int_equal(j.tok[candles].n, 2);
	assert_int_equal(j.tok[inds].n, 1);
	assert_int_equal(j.tok[sigs].n, 1);
	uint32_t values = ap_json_get(&j, ap_json_at(&j, inds, 0), "values");
	assert_true(ap_str_is(ap_json_text(&j, ap_json_get(&j, values, "SMA(20)")), "1.25"));
	assert_int_equal(j.tok[ap_json_get(&j, ap_json_at(&j, sigs, 0), "stop")].type, AP_J_NULL);
	assert_int_equal(j.tok[ap_json_get(&j, ap_json_at(&j, sigs, 0), "risk_reward")].type, AP_J_NULL);
	ap_buf_clear(&b);
	g.stop = 1;
	g.target = 5;
	api_json_signal(&b, &(struct api_signal){ .s = g });
	assert_non_null(strstr((const char *)b.p, "\"target\":5,\"risk_reward\":3,\"inputs\":"));
	ap_buf_done(&b);
	api_model_done(&m);
}

static void every_other_answer_is_json_with_the_members_it_promises(void **s)
{
	(void)s;
	static struct api_pipe p;
	struct api_model m;
	struct api_facts f = { .now_ns = 1000 * second, .mono_ns = 1000 * second, .redis_up = true };
	static const char *const want[3][7] = {
		{ "streaming_status", "processor_status", "metrics_status", "components", "pipeline", "timestamp", NULL },
		{ "system_metrics", "component_metrics", "performance_metrics", "timestamp", NULL }, { "series", "timestamp", NULL },
	};
	struct ap_metric mt = { .component = ap_str_c("ap-\"x\""), .name = ap_str_c("a"), .labels = ap_str_c("l=\"q\""), .value = 1 };
	struct ap_beat beat = { .source = ap_str_c("sim"), .ts = { second } };
	api_pipe_init(&p);
	assert_true(api_model_init(&m, 4, 100));
	give(&m, "sim", "BTC-USDT", 1);
	api_pipe_metric(&p, &mt, second);
	api_pipe_beat(&p, &beat, second);
	for (int i = 0; i < 3; i++) {
		struct ap_buf b;
		struct ap_json j;
		ap_buf_init(&b, 65536);
		if (i == 0)
			api_answer_status(&b, &p, &f);
		else if (i == 1)
			api_answer_metrics(&b, &p, &f, "{\"cpu_percent\":1}");
		else
			api_answer_list(&b, &m, &f);
		is_json(&b);
		assert_true(ap_json_parse(&j, ap_buf_view(&b), toks, 4096));
		for (const char *const *k = want[i]; *k != NULL; k++)
			assert_int_not_equal(ap_json_get(&j, 0, *k), 0);
		ap_buf_done(&b);
	}
	api_model_done(&m);
	api_pipe_done(&p);
}

/* --- handshake and counts */

static void the_handshake_of_the_standard_gives_the_answer_of_the_standard(void **s)
{
	(void)s;
	char out[29];
	uint8_t sum[20];
	static const uint8_t abc[20] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
					 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	static const uint8_t two[20] = { 0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae,
					 0x4a, 0xa1, 0xf9, 0x51, 0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1 };
	api_sha1("abc", 3, sum);
	assert_memory_equal(sum, abc, 20);
	api_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, sum);
	assert_memory_equal(sum, two, 20);
	assert_true(api_ws_accept(ap_str_c("dGhlIHNhbXBsZSBub25jZQ=="), out));     /* RFC 6455, section 1.3 */
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_false(api_ws_accept(ap_str_c(NULL), out));
	assert_false(api_ws_accept(ap_str_c("short"), out));
	assert_false(api_ws_accept(ap_str_c("dGhlIHNhbXBsZSBub25j!Q=="), out));
}

static void every_count_is_in_the_prometheus_text_once(void **s)
{
	(void)s;
	struct api_counts c = { .ws_clients = 3 };
	struct api_count_row r;
	struct ap_buf b;
	size_t n = 0, types = 0;
	ap_buf_init(&b, 65536);
	api_counts_text(&b, &c);
	ap_buf_putc(&b, '\0');
	assert_non_null(strstr((char *)b.p, "\nap_api_ws_clients 3\n"));
	while (api_counts_at(&c, n, &r))
		n++;
	for (const char *at = (char *)b.p; (at = strstr(at, "# TYPE ")) != NULL; at++)
		types++;
	assert_int_equal(types, n);
	ap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candles_stand_in_order_whatever_order_they_came_in),
		cmocka_unit_test(a_full_ring_drops_its_oldest_and_refuses_older_ones),
		cmocka_unit_test(a_ring_keeps_its_newest_through_thousands_of_candles),
		cmocka_unit_test(the_higher_revision_wins_and_a_closed_candle_never_forms_again),
		cmocka_unit_test(a_name_is_the_same_from_a_stream_and_from_postgresql),
		cmocka_unit_test(each_name_has_one_number),
		cmocka_unit_test(a_symbol_without_a_source_is_the_one_that_traded_last),
		cmocka_unit_test(series_nobody_uses_make_room_and_the_rest_can_still_be_found),
		cmocka_unit_test(only_what_is_asked_for_is_kept_wide_and_the_budget_holds),
		cmocka_unit_test(history_and_stream_become_one_row_of_candles),
		cmocka_unit_test(a_signal_is_replaced_by_its_revision_and_the_oldest_goes),
		cmocka_unit_test(every_route_has_its_path_and_its_methods),
		cmocka_unit_test(a_query_is_taken_whole_or_refused_with_a_reason),
		cmocka_unit_test(only_the_page_itself_and_listed_origins_may_come_in),
		cmocka_unit_test(an_address_has_its_burst_and_its_rate_and_others_have_theirs),
		cmocka_unit_test(a_client_without_subscriptions_gets_everything),
		cmocka_unit_test(lists_mean_every_pair_and_what_is_left_out_means_all),
		cmocka_unit_test(senseless_messages_are_told_what_is_wrong),
		cmocka_unit_test(unsent_forming_candles_give_way_to_newer_ones_and_numbers_have_no_gap),
		cmocka_unit_test(a_client_that_does_not_read_reaches_its_bound),
		cmocka_unit_test(provisional_patterns_last_until_the_next_word_on_their_candle),
		cmocka_unit_test(what_was_provisional_is_over_when_the_store_has_the_closed_candle),
		cmocka_unit_test(quote_bars_are_kept_by_time_and_the_higher_revision_wins),
		cmocka_unit_test(a_quote_bar_reads_as_json_with_every_digit),
		cmocka_unit_test(the_model_knows_who_quoted_last),
		cmocka_unit_test(a_posted_quote_becomes_the_pipelines_own_line),
		cmocka_unit_test(a_posted_message_becomes_the_pipelines_own_line),
		cmocka_unit_test(a_body_of_the_wrong_shape_is_refused_by_message_and_field),
		cmocka_unit_test(a_message_is_settled_by_what_became_of_it_in_any_order),
		cmocka_unit_test(rates_and_lags_are_differences_between_two_rounds),
		cmocka_unit_test(what_was_never_heard_is_absent_and_what_stopped_is_silent),
		cmocka_unit_test(a_stage_has_as_many_workers_as_report_and_forgets_those_that_are_gone),
		cmocka_unit_test(latency_is_of_the_last_seconds_and_unknown_before_anything_came),
		cmocka_unit_test(the_stream_runs_idles_or_is_stale_by_what_the_feeds_prove),
		cmocka_unit_test(what_objects_share_is_written_once_and_the_same),
		cmocka_unit_test(a_candle_keeps_every_digit),
		cmocka_unit_test(how_rules_do_is_passed_on_with_the_time),
		cmocka_unit_test(data_has_the_newest_candles_their_values_and_their_signals),
		cmocka_unit_test(every_other_answer_is_json_with_the_members_it_promises),
		cmocka_unit_test(the_handshake_of_the_standard_gives_the_answer_of_the_standard),
		cmocka_unit_test(every_count_is_in_the_prometheus_text_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
