/*
 * test_normalize.c - what becomes of a raw message: a trade, or a reject with its reason.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/timefmt.h"
#include "stages/ap-normalize/normalize.h"
#include "test/lib/conf.h"

/* 2024-03-01T00:00:00Z: every message of these tests was received then. */
#define NOW_MS INT64_C(1709251200000)

/* A partition's fold, and what it put, a line a record. */
struct rig {
	struct ap_out out;      /* first: put gets its address */
	struct ap_conf conf;
	void *st;
	char ticks[4096], rejects[8192];
	char reason[32], detail[AP_DETAIL_MAX + 1];     /* of the last reject */
	enum ap_status status;
	char data[512], trade_id[80];
	uint32_t puts, sub;
	bool quote;
	uint64_t next_ms;
};

static void append(char *to, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t cap, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(to + n, cap - n, fmt, ap);
	va_end(ap);
}

static void put_quote(struct rig *r, const struct ap_quote *q)
{
	char bid[AP_DEC_TEXT], bid_qty[AP_DEC_TEXT], ask[AP_DEC_TEXT], ask_qty[AP_DEC_TEXT];
	ap_dec_format(q->bid, bid);
	ap_dec_format(q->bid_qty, bid_qty);
	ap_dec_format(q->ask, ask);
	ap_dec_format(q->ask_qty, ask_qty);
	append(r->ticks, sizeof r->ticks, "quote %.*s %.*s (%.*s) %llu %s x %s / %s x %s at %lld #%u.%u\n", (int)q->source.len, q->source.p,
	       (int)q->symbol.len, q->symbol.p, (int)q->venue_symbol.len, q->venue_symbol.p, (unsigned long long)q->seq, bid, bid_qty,
	       ask, ask_qty, (long long)q->ts.ns, q->raw_idx, q->sub);
}

static void put_tick(struct rig *r, const struct ap_rec *rec)
{
	char price[AP_DEC_TEXT], qty[AP_DEC_TEXT];
	const struct ap_trade *t = &rec->u.trade;
	if (rec->kind == AP_BEAT) {
		append(r->ticks, sizeof r->ticks, "beat %.*s %lld\n", (int)rec->u.beat.source.len, rec->u.beat.source.p,
		       (long long)ap_ts_ms(rec->u.beat.ts));
		return;
	}
	if (rec->kind == AP_QUOTE) {
		put_quote(r, &rec->u.quote);
		return;
	}
	assert_int_equal(rec->kind, AP_TRADE);
	ap_dec_format(t->price, price);
	ap_dec_format(t->qty, qty);
	append(r->ticks, sizeof r->ticks, "%.*s %.*s (%.*s) %.*s %s x %s %s at %lld #%u.%u%s\n", (int)t->source.len, t->source.p,
	       (int)t->symbol.len, t->symbol.p, (int)t->venue_symbol.len, t->venue_symbol.p, (int)t->trade_id.len,
	       t->trade_id.p, price, qty, ap_side_name(t->side), (long long)t->ts.ns, t->raw_idx, t->sub,
	       t->rounded ? " rounded" : "");
}

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct rig *r = (struct rig *)out;
	const struct ap_reject *j = &rec->u.reject;
	r->puts++;
	if (to == AP_S_TICK) {
		put_tick(r, rec);
		return;
	}
	assert_int_equal(to, AP_S_REJECT);
	assert_int_equal(rec->kind, AP_REJECT);
	assert_true(ap_str_is(j->stage, "normalize"));
	assert_int_equal(ap_id_cmp(j->origin, ap_id_origin(rec->id)), 0);
	assert_true(j->detail.len > 0 && j->detail.len < AP_DETAIL_MAX);
	snprintf(r->reason, sizeof r->reason, "%.*s", (int)j->reason.len, j->reason.p);
	snprintf(r->detail, sizeof r->detail, "%.*s", (int)j->detail.len, j->detail.p);
	snprintf(r->data, sizeof r->data, "%.*s", (int)j->data.len, j->data.p);
	snprintf(r->trade_id, sizeof r->trade_id, "%.*s", (int)j->trade_id.len, j->trade_id.p);
	append(r->rejects, sizeof r->rejects, "%s %.*s %.*s\n", r->reason, (int)j->source.len, j->source.p, (int)j->symbol.len,
	       j->symbol.p);
	r->status = j->status;
	r->sub = j->sub;
	r->quote = j->quote;
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof *r);
	assert_non_null(r);
	r->out.put = put;
	r->next_ms = (uint64_t)NOW_MS;
	ap_conf_init(&r->conf);
	return r;
}

static void rig_set(struct rig *r, const char *key, const char *value)
{
	conf_set(&r->conf, key, value);
}

static void rig_free(struct rig *r)
{
	ap_normalize_stage.close(r->st);
	ap_conf_done(&r->conf);
	free(r);
}

static enum ap_verdict step(struct rig *r, struct ap_rec *rec)
{
	enum ap_verdict v;
	char err[200];
	size_t bound;
	if (r->st == NULL)
		r->st = ap_normalize_stage.open(&r->conf, err, sizeof err);
	assert_non_null(r->st);
	rec->id = (ap_id){ r->next_ms++, AP_ID_STEP };
	rec->idx = 3;
	r->ticks[0] = r->rejects[0] = '\0';
	r->puts = 0;
	bound = ap_normalize_stage.bound(r->st, rec);
	v = ap_normalize_stage.step(r->st, rec, &r->out);
	assert_true(r->puts <= bound);
	return v;
}

static enum ap_verdict feed_as(struct rig *r, const char *source, const char *format, const char *payload)
{
	struct ap_rec rec = { .kind = AP_RAW };
	rec.u.raw = (struct ap_raw){
		.source = ap_str_c(source), .format = ap_str_c(format), .payload = ap_str_c(payload), .recv = { NOW_MS * 1000000 },
	};
	return step(r, &rec);
}

static enum ap_verdict feed(struct rig *r, const char *payload)
{
	return feed_as(r, "tcp", "trade", payload);
}

/* A valid trade with these fields; id NULL: without one. */
static enum ap_verdict trade(struct rig *r, const char *symbol, const char *id, const char *price, int64_t ts_ms)
{
	char text[300];
	snprintf(text, sizeof text, "{\"source\":\"x\",\"symbol\":\"%s\",\"price\":\"%s\",\"quantity\":\"1\",\"timestamp\":%lld%s%s%s}", symbol,
		 price, (long long)ts_ms, id == NULL ? "" : ",\"trade_id\":\"", id == NULL ? "" : id, id == NULL ? "" : "\"");
	return feed(r, text);
}

static enum ap_verdict beat(struct rig *r, const char *source, int64_t ts_ms)
{
	struct ap_rec rec = { .kind = AP_BEAT };
	rec.u.beat = (struct ap_beat){ .source = ap_str_c(source), .ts = { ts_ms * 1000000 }, .alive = true };
	return step(r, &rec);
}

static double counter(struct rig *r, const char *name);

/* ---- trades ---------------------------------------------------------------- */

static void a_valid_trade_goes_on_with_canonical_names(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed(r, "{\"source\":\"Binance\",\"symbol\":\"btcusdt\",\"price\":\"61837.63000000\",\"quantity\":\"2e-2\","
				 "\"timestamp\":1709251200123,\"trade_id\":3735683259,\"side\":\"sell\"}"), AP_V_TAKEN);
	assert_string_equal(r->ticks, "binance BTC-USDT (btcusdt) 3735683259 61837.63 x 0.02 sell at 1709251200123000000 #3.0\n");
	assert_string_equal(r->rejects, "");
	rig_free(r);
}

static void prices_are_exact_to_eighteen_digits_and_rounding_is_told(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	trade(r, "A", NULL, "123456789012345678.123456789012345678", NOW_MS);
	assert_non_null(strstr(r->ticks, " 123456789012345678.123456789012345678 x 1 unknown at"));
	assert_null(strstr(r->ticks, "rounded"));
	trade(r, "B", NULL, "0.0000000000000000015", NOW_MS);
	assert_non_null(strstr(r->ticks, " 0.000000000000000002 x 1 "));
	assert_non_null(strstr(r->ticks, "rounded"));
	assert_true(counter(r, "rounded_total") == 1);
	rig_free(r);
}

static void all_trades_of_a_message_go_on_in_order(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed_as(r, "kraken", "kraken",
				 "[1,[[\"3\",\"2\",\"1709251200.5\",\"b\",\"l\",\"\"],[\"4\",\"1\",\"1709251200.6\",\"s\",\"m\",\"\"]],"
				 "\"trade\",\"XBT/USD\"]"), AP_V_TAKEN);
	assert_string_equal(r->ticks, "kraken BTC-USD (XBT/USD)  3 x 2 buy at 1709251200500000000 #3.0\n"
				      "kraken BTC-USD (XBT/USD)  4 x 1 sell at 1709251200600000000 #3.1\n");
	rig_free(r);
}

static void a_bad_trade_does_not_take_its_neighbours_with_it(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed_as(r, "kraken", "kraken",
				 "[1,[[\"3\",\"2\",\"1709251200.5\",\"b\"],[\"-4\",\"1\",\"1709251200.6\",\"s\"],"
				 "[\"5\",\"1\",\"1709251200.7\",\"s\"]],\"trade\",\"XBT/USD\"]"), AP_V_TAKEN);
	assert_non_null(strstr(r->ticks, " 3 x 2 "));
	assert_non_null(strstr(r->ticks, " 5 x 1 sell at 1709251200700000000 #3.2"));
	assert_string_equal(r->rejects, "price_not_positive kraken BTC-USD\n");
	assert_int_equal(r->sub, 1);
	/* The reject keeps this trade alone, not the whole message. */
	assert_string_equal(r->data, "[\"-4\",\"1\",\"1709251200.6\",\"s\"]");
	rig_free(r);
}

static void beats_are_passed_on(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(beat(r, "binance", NOW_MS), AP_V_TAKEN);
	assert_string_equal(r->ticks, "beat binance 1709251200000\n");
	rig_free(r);
}

static void what_is_no_trade_is_ignored_and_counted(void **unused)
{
	struct rig *r = rig_new();
	struct ap_rec candle = { .kind = AP_CANDLE };
	(void)unused;
	assert_int_equal(feed_as(r, "kraken", "kraken", "{\"event\":\"heartbeat\"}"), AP_V_IGNORED);
	assert_int_equal(r->puts, 0);
	assert_int_equal(step(r, &candle), AP_V_IGNORED);
	assert_int_equal(r->puts, 0);
	assert_true(counter(r, "ignored_total") == 2);
	rig_free(r);
}

/* ---- reasons --------------------------------------------------------------- */

#define HEAD "{\"source\":\"x\",\"symbol\":\"BTC-USD\","
#define PQ "\"price\":\"1\",\"quantity\":\"1\","
#define S48 "A23456789B123456789C123456789D123456789E12345678"
#define S64 "123456789a123456789b123456789c123456789d123456789e123456789f1234"

static void every_fault_has_its_reason_and_a_sentence(void **unused)
{
	static const struct {
		const char *json, *reason, *says;
	} cases[] = {
		{ HEAD PQ "\"timestamp\":NaN}", "bad_json", "at byte " },
		{ "{\"source\"", "bad_json", "at byte 9" },
		{ "[1]", "bad_shape", "object" },
		{ HEAD PQ "\"data_type\":\"orderbook\"}", "unknown_data_type", "market_data" },
		{ HEAD PQ "\"data_type\":\"quote\"}", "missing_field", "bid is missing" },
		{ HEAD "\"quantity\":1,\"timestamp\":1709251200}", "missing_field", "price is missing" },
		{ HEAD "\"price\":1,\"timestamp\":1709251200}", "missing_field", "quantity is missing" },
		{ HEAD PQ "\"side\":\"buy\"}", "missing_field", "timestamp is missing" },
		{ "{" PQ "\"timestamp\":1709251200}", "missing_field", "symbol is missing" },
		{ "{}", "missing_field", "symbol is missing" },
		{ "{\"source\":\"a b\",\"symbol\":\"X\"," PQ "\"timestamp\":1709251200}", "source_bytes", "\"a b\"" },
		{ "{\"source\":\"\",\"symbol\":\"X\"," PQ "\"timestamp\":1709251200}", "source_bytes", "\"\"" },
		{ "{\"symbol\":\"\"," PQ "\"timestamp\":1709251200}", "symbol_empty", "empty" },
		{ "{\"symbol\":\"" S48 "9\"," PQ "\"timestamp\":1709251200}", "symbol_too_long", "49 bytes long, at most 48" },
		{ "{\"symbol\":\"B T C\"," PQ "\"timestamp\":1709251200}", "symbol_bytes", "\"B T C\"" },
		{ "{\"symbol\":\"BTC--USD\"," PQ "\"timestamp\":1709251200}", "symbol_bytes", "\"BTC--USD\"" },
		{ "{\"symbol\":\"\\u0000\"," PQ "\"timestamp\":1709251200}", "symbol_bytes", "\"?\"" },
		{ HEAD "\"price\":\"NaN\",\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price is \"NaN\"" },
		{ HEAD "\"price\":\"inf\",\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price is \"inf\"" },
		{ HEAD "\"price\":\"-Infinity\",\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price" },
		{ HEAD "\"price\":\"\",\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price is \"\"" },
		{ HEAD "\"price\":true,\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price is \"true\"" },
		{ HEAD "\"price\":[1],\"quantity\":1,\"timestamp\":1709251200}", "not_a_number", "price is \"[1]\"" },
		{ HEAD "\"price\":1,\"quantity\":\"1,5\",\"timestamp\":1709251200}", "not_a_number", "quantity is \"1,5\"" },
		{ HEAD "\"price\":1e18,\"quantity\":1,\"timestamp\":1709251200}", "range", "price is 1e18, must be below 1e18" },
		{ HEAD "\"price\":1,\"quantity\":\"1e999\",\"timestamp\":1709251200}", "range", "quantity" },
		{ HEAD "\"price\":-1,\"quantity\":1,\"timestamp\":1709251200}", "price_not_positive", "price is -1, must be above 0" },
		{ HEAD "\"price\":0.00,\"quantity\":1,\"timestamp\":1709251200}", "price_not_positive", "0.00" },
		{ HEAD "\"price\":1e-30,\"quantity\":1,\"timestamp\":1709251200}", "price_not_positive", "1e-30" },
		{ HEAD "\"price\":1,\"quantity\":-0.5,\"timestamp\":1709251200}", "quantity_negative", "quantity is -0.5, must not be below 0" },
		{ HEAD PQ "\"timestamp\":\"yesterday\"}", "timestamp_unreadable", "\"yesterday\"" },
		{ HEAD PQ "\"timestamp\":-5}", "timestamp_unreadable", "-5" },
		{ HEAD PQ "\"timestamp\":946684799}", "timestamp_absurd", "before the year 2000" },
		{ HEAD PQ "\"timestamp\":0}", "timestamp_absurd", "before the year 2000" },
		{ HEAD PQ "\"timestamp\":1709337600001}", "timestamp_absurd", "86400001 ms after it was received, at most 86400000" },
		{ HEAD PQ "\"timestamp\":1709251200,\"trade_id\":\"" S64 "5\"}", "trade_id_too_long", "65 bytes long, at most 64" },
		{ HEAD PQ "\"timestamp\":1709251200,\"trade_id\":\"a\\u0000b\"}", "trade_id_bytes", "a?b" },
	};
	struct rig *r = rig_new();
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[64];
		assert_int_equal(feed(r, cases[i].json), AP_V_INVALID);
		if (strcmp(r->reason, cases[i].reason) != 0 || strstr(r->detail, cases[i].says) == NULL)
			fail_msg("%s: %s: %s", cases[i].json, r->reason, r->detail);
		assert_int_equal(r->status, AP_ST_INVALID);
		assert_string_equal(r->ticks, "");
		assert_int_equal(r->puts, 1);
		assert_string_equal(r->data, cases[i].json);
		snprintf(name, sizeof name, "reject_%s_total", cases[i].reason);
		assert_true(counter(r, name) >= 1);
	}
	assert_true(counter(r, "trades_total") == 0);
	rig_free(r);
}

/* ---- quotes ---------------------------------------------------------------- */

#define BA "\"bid\":\"10.1\",\"bid_size\":\"2\",\"ask\":\"10.3\",\"ask_size\":\"3\","

static void a_valid_quote_goes_on_with_canonical_names(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed(r, "{\"source\":\"Binance\",\"symbol\":\"btcusdt\",\"bid\":\"61837.6300\",\"bid_size\":2e-2,\"ask\":61837.64,"
				 "\"ask_size\":\"1.50\",\"timestamp\":1709251200123,\"seq\":18446744073709551615}"), AP_V_TAKEN);
	assert_string_equal(r->ticks, "quote binance BTC-USDT (btcusdt) 18446744073709551615 61837.63 x 0.02 / 61837.64 x 1.5 "
				      "at 1709251200123000000 #3.0\n");
	assert_string_equal(r->rejects, "");
	assert_true(counter(r, "quotes_total") == 1 && counter(r, "trades_total") == 0 && counter(r, "quotes_locked_total") == 0);
	rig_free(r);
}

static void sizes_and_the_number_of_a_quote_may_be_missing(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed(r, HEAD "\"bid\":1,\"ask\":2,\"timestamp\":1709251200}"), AP_V_TAKEN);
	assert_string_equal(r->ticks, "quote x BTC-USD (BTC-USD) 0 1 x 0 / 2 x 0 at 1709251200000000000 #3.0\n");
	rig_free(r);
}

static void a_venue_that_stamps_no_quotes_has_them_stamped_by_their_receipt(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed_as(r, "binance", "binance", "{\"u\":7,\"s\":\"BTCUSDT\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}"), AP_V_TAKEN);
	assert_string_equal(r->ticks, "quote binance BTC-USDT (BTCUSDT) 7 1 x 2 / 3 x 4 at 1709251200000000000 #3.0\n");
	rig_free(r);
}

static void every_fault_of_a_quote_has_its_reason_and_a_sentence(void **unused)
{
	static const struct {
		const char *json, *reason, *says;
	} cases[] = {
		{ HEAD "\"bid\":10.2,\"ask\":10.1,\"timestamp\":1709251200}", "crossed", "bid is 10.2, above the ask of 10.1" },
		{ HEAD "\"bid\":10,\"timestamp\":1709251200}", "missing_field", "ask is missing" },
		{ HEAD "\"ask\":10,\"timestamp\":1709251200}", "missing_field", "bid is missing" },
		{ HEAD "\"bid\":0,\"ask\":10,\"timestamp\":1709251200}", "price_not_positive", "bid is 0, must be above 0" },
		{ HEAD "\"bid\":-2,\"ask\":-1,\"timestamp\":1709251200}", "price_not_positive", "bid is -2" },
		{ HEAD "\"bid\":1,\"ask\":\"x\",\"timestamp\":1709251200}", "not_a_number", "ask is \"x\"" },
		{ HEAD "\"bid\":1,\"ask\":1e18,\"timestamp\":1709251200}", "range", "ask is 1e18" },
		{ HEAD "\"bid\":1,\"bid_size\":-1,\"ask\":2,\"timestamp\":1709251200}", "quantity_negative", "bid size is -1, must not be below 0" },
		{ HEAD "\"bid\":1,\"ask\":2,\"ask_size\":\"-0.5\",\"timestamp\":1709251200}", "quantity_negative", "ask size is -0.5" },
		{ HEAD BA "\"x\":1}", "missing_field", "timestamp is missing" },
		{ HEAD BA "\"timestamp\":\"yesterday\"}", "timestamp_unreadable", "\"yesterday\"" },
		{ HEAD BA "\"timestamp\":0}", "timestamp_absurd", "before the year 2000" },
		{ HEAD BA "\"timestamp\":1709337600001}", "timestamp_absurd", "86400001 ms after it was received" },
		{ HEAD BA "\"timestamp\":1709251200,\"seq\":\"7a\"}", "seq_unreadable", "\"7a\"" },
		{ HEAD BA "\"timestamp\":1709251200,\"seq\":18446744073709551616}", "seq_unreadable", "below 2^64" },
		{ "{" BA "\"timestamp\":1709251200}", "missing_field", "symbol is missing" },
		{ "{\"symbol\":\"B T C\"," BA "\"timestamp\":1709251200}", "symbol_bytes", "\"B T C\"" },
		{ "{\"source\":\"a b\",\"symbol\":\"X\"," BA "\"timestamp\":1709251200}", "source_bytes", "\"a b\"" },
	};
	struct rig *r = rig_new();
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(feed(r, cases[i].json), AP_V_INVALID);
		if (strcmp(r->reason, cases[i].reason) != 0 || strstr(r->detail, cases[i].says) == NULL)
			fail_msg("%s: %s: %s", cases[i].json, r->reason, r->detail);
		assert_string_equal(r->ticks, "");
		assert_int_equal(r->puts, 1);
		assert_string_equal(r->data, cases[i].json);
		assert_true(r->quote);
	}
	assert_true(counter(r, "quotes_total") == 0);
	rig_free(r);
}

static void a_locked_quote_is_taken_and_counted(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed(r, HEAD "\"bid\":10.10,\"ask\":10.1,\"timestamp\":1709251200}"), AP_V_TAKEN);
	assert_true(counter(r, "quotes_locked_total") == 1);
	rig_free(r);
}

static void only_the_last_quote_once_more_is_a_duplicate(void **unused)
{
	static const char a[] = HEAD "\"bid\":1,\"ask\":2,\"timestamp\":1709251200}", same[] = HEAD "\"bid\":1.0,\"ask\":\"2\",\"ts\":1709251200000}";
	static const char later[] = HEAD "\"bid\":1,\"ask\":2,\"timestamp\":1709251201}", size[] = HEAD "\"bid\":1,\"bid_size\":1,\"ask\":2,\"timestamp\":1709251201}";
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(feed(r, a), AP_V_TAKEN);
	assert_int_equal(feed(r, same), AP_V_DUPLICATE);        /* equal however it is spelled */
	assert_string_equal(r->rejects, "duplicate x BTC-USD\n");
	assert_int_equal(r->status, AP_ST_DUPLICATE);
	assert_int_equal(feed(r, "{\"source\":\"y\",\"symbol\":\"BTC-USD\",\"bid\":1,\"ask\":2,\"timestamp\":1709251200}"), AP_V_TAKEN);
	assert_int_equal(feed(r, later), AP_V_TAKEN);
	assert_int_equal(feed(r, size), AP_V_TAKEN);
	assert_int_equal(feed(r, size), AP_V_DUPLICATE);
	assert_int_equal(feed(r, a), AP_V_TAKEN);               /* out of order, not a repeat of the last */
	assert_true(counter(r, "quotes_total") == 5 && counter(r, "reject_duplicate_total") == 2);
	rig_free(r);
}

static void quotes_are_passed_by_when_they_are_not_wanted(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	rig_set(r, "normalize.quotes", "false");
	assert_int_equal(feed(r, HEAD "\"bid\":1,\"ask\":2,\"timestamp\":1709251200}"), AP_V_IGNORED);
	assert_int_equal(r->puts, 0);
	rig_free(r);
}

static void values_at_the_edge_are_accepted(void **unused)
{
	static const char *const good[] = {
		HEAD "\"price\":\"999999999999999999\",\"quantity\":1,\"timestamp\":1709251200}",
		"{\"symbol\":\"B\",\"price\":1e-18,\"quantity\":\"0.000000000000000001\",\"timestamp\":1709251200}",
		HEAD "\"price\":1,\"quantity\":\"0.000000000000\",\"timestamp\":1709251200}", HEAD PQ "\"timestamp\":946684800}", HEAD PQ "\"timestamp\":1709337600000}",
		HEAD PQ "\"timestamp\":\"2024-02-29T23:59:59.999999999Z\"}",
		HEAD PQ "\"timestamp\":1709251200,\"trade_id\":\"" S64 "\"}", HEAD PQ "\"timestamp\":1709251200,\"trade_id\":\"\"}",
		"{\"symbol\":\"" S48 "\"," PQ "\"timestamp\":1709251200}",
	};
	struct rig *r = rig_new();
	(void)unused;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (feed(r, good[i]) != AP_V_TAKEN)
			fail_msg("%s: %s", good[i], r->detail);
	rig_free(r);
}

static void an_unknown_format_and_too_long_a_message_are_kept(void **unused)
{
	struct rig *r = rig_new();
	char *big = malloc(AP_PAYLOAD_MAX + 2);
	(void)unused;
	assert_non_null(big);
	assert_int_equal(feed_as(r, "s", "nosuch", "{}"), AP_V_INVALID);
	assert_string_equal(r->rejects, "unknown_format s \n");
	assert_string_equal(r->detail, "no format is called \"nosuch\"");
	memset(big, ' ', AP_PAYLOAD_MAX + 1);
	big[AP_PAYLOAD_MAX + 1] = '\0';
	assert_int_equal(feed(r, big), AP_V_INVALID);
	assert_string_equal(r->reason, "too_long");
	free(big);
	rig_free(r);
}

static void the_future_is_measured_from_the_receive_time_with_room_for_clocks(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	/* A recorder's clock may run behind the exchange's. */
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS + 1277), AP_V_TAKEN);
	/* Replays and snapshots are old, never wrong. */
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS - INT64_C(700000000000)), AP_V_TAKEN);
	rig_free(r);
	r = rig_new();
	rig_set(r, "data.max_future_ms", "1000");
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS + 1000), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS + 1001), AP_V_INVALID);
	rig_free(r);
}

/* ---- duplicates ------------------------------------------------------------ */

static void a_trade_id_counts_once_in_its_series(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(trade(r, "BTC-USD", "7", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "BTC-USD", "7", "1", NOW_MS), AP_V_DUPLICATE);
	assert_int_equal(r->status, AP_ST_DUPLICATE);
	assert_string_equal(r->rejects, "duplicate x BTC-USD\n");
	assert_string_equal(r->trade_id, "7");
	/* Another spelling of the symbol is the same series. */
	assert_int_equal(trade(r, "btcusd", "7", "1", NOW_MS), AP_V_DUPLICATE);
	/* The id of another symbol or source is another trade. */
	assert_int_equal(trade(r, "ETH-USD", "7", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(feed(r, "{\"source\":\"y\",\"symbol\":\"BTC-USD\",\"price\":1,\"quantity\":1,\"timestamp\":1709251200,\"id\":7}"),
			 AP_V_TAKEN);
	assert_int_equal(trade(r, "BTC-USD", "07", "1", NOW_MS), AP_V_TAKEN);
	rig_free(r);
}

static void equal_trades_without_ids_are_two_trades(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "", "1", NOW_MS), AP_V_TAKEN);
	rig_free(r);
}

static void a_refused_trade_may_be_sent_again(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(trade(r, "A", "7", "-1", NOW_MS), AP_V_INVALID);
	assert_int_equal(trade(r, "A", "7", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "7", "1", NOW_MS), AP_V_DUPLICATE);
	rig_free(r);
}

static void an_id_used_again_outside_the_window_is_another_trade(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(trade(r, "A", "7", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "7", "1", NOW_MS - 900000), AP_V_DUPLICATE);
	assert_int_equal(trade(r, "A", "7", "1", NOW_MS - 900001), AP_V_TAKEN);
	rig_free(r);
}

static void an_absurdly_early_trade_does_not_open_the_window(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	assert_int_equal(trade(r, "A", "1", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "2", "1", NOW_MS + 86000000), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "1", "1", NOW_MS), AP_V_DUPLICATE);
	rig_free(r);
}

static void ids_are_forgotten_when_the_sources_time_has_passed(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	trade(r, "A", "1", "1", NOW_MS);
	beat(r, "x", NOW_MS + 900000);
	assert_true(counter(r, "ids_remembered") == 1);
	beat(r, "other", NOW_MS + 1000000);
	assert_true(counter(r, "ids_remembered") == 1);
	beat(r, "x", NOW_MS + 900001);
	assert_true(counter(r, "ids_remembered") == 0);
	rig_free(r);
}

static void dedup_can_be_switched_off(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	rig_set(r, "normalize.dedup_ids", "0");
	assert_int_equal(trade(r, "A", "1", "1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", "1", "1", NOW_MS), AP_V_TAKEN);
	rig_free(r);
}

/* ---- outliers -------------------------------------------------------------- */

static struct rig *rig_screening(const char *ratio)
{
	struct rig *r = rig_new();
	rig_set(r, "normalize.outlier_ratio_pct", ratio);
	rig_set(r, "normalize.outlier_after", "3");
	rig_set(r, "normalize.outlier_agree", "3");
	for (int i = 0; i < 3; i++)
		assert_int_equal(trade(r, "A", NULL, "100", NOW_MS), AP_V_TAKEN);
	return r;
}

static void a_price_far_from_its_level_is_an_outlier(void **unused)
{
	struct rig *r = rig_screening("150");
	(void)unused;
	assert_int_equal(trade(r, "A", "9", "1000", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(r->status, AP_ST_OUTLIER);
	assert_string_equal(r->reason, "outlier");
	assert_string_equal(r->detail, "price is 1000, the level of the series is 100");
	assert_string_equal(r->ticks, "");
	assert_int_equal(trade(r, "A", NULL, "10", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "150", NOW_MS), AP_V_TAKEN);
	/* Its id was not remembered. */
	assert_int_equal(trade(r, "A", "9", "150", NOW_MS), AP_V_TAKEN);
	/* Another series has its own level. */
	assert_int_equal(trade(r, "B", NULL, "1000", NOW_MS), AP_V_TAKEN);
	rig_free(r);
}

static void a_level_that_prints_agree_on_is_accepted(void **unused)
{
	struct rig *r = rig_screening("150");
	(void)unused;
	assert_int_equal(trade(r, "A", NULL, "300", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "301", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "302", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "303", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "100", NOW_MS), AP_V_OUTLIER);
	rig_free(r);
}

static void outliers_that_do_not_agree_change_nothing(void **unused)
{
	static const char *const wild[] = { "1000", "5", "300", "7", "900", "2", "400", "99999" };
	struct rig *r = rig_screening("150");
	(void)unused;
	for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++)
		assert_int_equal(trade(r, "A", NULL, wild[i], NOW_MS), AP_V_OUTLIER);
	/* A print at the level ends a run. */
	assert_int_equal(trade(r, "A", NULL, "300", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "300", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "100", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "300", NOW_MS), AP_V_OUTLIER);
	rig_free(r);
}

static void a_trend_of_any_length_passes(void **unused)
{
	struct rig *r = rig_screening("150");
	(void)unused;
	for (int p = 100; p < 20000; p += p / 100) {
		char text[16];
		snprintf(text, sizeof text, "%d", p);
		assert_int_equal(trade(r, "A", NULL, text, NOW_MS), AP_V_TAKEN);
	}
	rig_free(r);
}

static void a_shift_of_one_percent_and_block_trades_are_no_outliers(void **unused)
{
	struct rig *r = rig_screening("150");
	(void)unused;
	for (int i = 0; i < 500; i++)
		assert_int_equal(trade(r, "A", NULL, "101", NOW_MS), AP_V_TAKEN);
	assert_int_equal(feed(r, "{\"source\":\"x\",\"symbol\":\"A\",\"price\":100,\"quantity\":1e15,\"timestamp\":1709251200}"), AP_V_TAKEN);
	rig_free(r);
}

static void by_default_only_absurd_jumps_after_a_hundred_prints_are_outliers(void **unused)
{
	struct rig *r = rig_new();
	(void)unused;
	for (int i = 0; i < 100; i++)
		assert_int_equal(trade(r, "A", NULL, i % 2 ? "0.00001" : "99999999", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "0.001", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "0.1", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "0.00099", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "10.01", NOW_MS), AP_V_OUTLIER);
	rig_free(r);
}

static void screening_can_be_switched_off_and_refuses_a_band_too_narrow(void **unused)
{
	struct rig *r = rig_screening("0");
	char err[200] = "";
	(void)unused;
	assert_int_equal(trade(r, "A", NULL, "999999999999999999", NOW_MS), AP_V_TAKEN);
	assert_int_equal(trade(r, "A", NULL, "1e-18", NOW_MS), AP_V_TAKEN);
	rig_set(r, "normalize.outlier_ratio_pct", "124");
	assert_null(ap_normalize_stage.open(&r->conf, err, sizeof err));
	assert_non_null(strstr(err, "normalize.outlier_ratio_pct = 124"));
	rig_free(r);
}

static void prices_at_both_ends_of_the_range_can_be_compared(void **unused)
{
	struct rig *r = rig_screening("1000000000");
	(void)unused;
	assert_int_equal(trade(r, "A", NULL, "999999999999999999", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "1e-18", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "A", NULL, "100", NOW_MS), AP_V_TAKEN);
	for (int i = 0; i < 3; i++)
		trade(r, "B", NULL, "999999999999999999", NOW_MS);
	assert_int_equal(trade(r, "B", NULL, "1e-18", NOW_MS), AP_V_OUTLIER);
	assert_int_equal(trade(r, "B", NULL, "1e17", NOW_MS), AP_V_TAKEN);
	rig_free(r);
}

/* ---- counters -------------------------------------------------------------- */

struct asked {
	struct ap_counts counts;
	const char *name;
	double value;
	bool found;
};

static void answer(struct ap_counts *c, const char *name, enum ap_metric_type type, double value)
{
	struct asked *a = (struct asked *)c;
	(void)type;
	if (strcmp(name, a->name) == 0) {
		a->value = value;
		a->found = true;
	}
}

static double counter(struct rig *r, const char *name)
{
	struct asked a = { { answer }, name, 0, false };
	ap_normalize_stage.count(r->st, &a.counts);
	if (!a.found)
		fail_msg("no counter %s", name);
	return a.value;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_trade_goes_on_with_canonical_names),
		cmocka_unit_test(prices_are_exact_to_eighteen_digits_and_rounding_is_told),
		cmocka_unit_test(all_trades_of_a_message_go_on_in_order),
		cmocka_unit_test(a_bad_trade_does_not_take_its_neighbours_with_it),
		cmocka_unit_test(beats_are_passed_on),
		cmocka_unit_test(what_is_no_trade_is_ignored_and_counted),
		cmocka_unit_test(every_fault_has_its_reason_and_a_sentence),
		cmocka_unit_test(a_valid_quote_goes_on_with_canonical_names),
		cmocka_unit_test(sizes_and_the_number_of_a_quote_may_be_missing),
		cmocka_unit_test(a_venue_that_stamps_no_quotes_has_them_stamped_by_their_receipt),
		cmocka_unit_test(every_fault_of_a_quote_has_its_reason_and_a_sentence),
		cmocka_unit_test(a_locked_quote_is_taken_and_counted),
		cmocka_unit_test(only_the_last_quote_once_more_is_a_duplicate),
		cmocka_unit_test(quotes_are_passed_by_when_they_are_not_wanted),
		cmocka_unit_test(values_at_the_edge_are_accepted),
		cmocka_unit_test(an_unknown_format_and_too_long_a_message_are_kept),
		cmocka_unit_test(the_future_is_measured_from_the_receive_time_with_room_for_clocks),
		cmocka_unit_test(a_trade_id_counts_once_in_its_series),
		cmocka_unit_test(equal_trades_without_ids_are_two_trades),
		cmocka_unit_test(a_refused_trade_may_be_sent_again),
		cmocka_unit_test(an_id_used_again_outside_the_window_is_another_trade),
		cmocka_unit_test(an_absurdly_early_trade_does_not_open_the_window),
		cmocka_unit_test(ids_are_forgotten_when_the_sources_time_has_passed),
		cmocka_unit_test(dedup_can_be_switched_off),
		cmocka_unit_test(a_price_far_from_its_level_is_an_outlier),
		cmocka_unit_test(a_level_that_prints_agree_on_is_accepted),
		cmocka_unit_test(outliers_that_do_not_agree_change_nothing),
		cmocka_unit_test(a_trend_of_any_length_passes),
		cmocka_unit_test(a_shift_of_one_percent_and_block_trades_are_no_outliers),
		cmocka_unit_test(by_default_only_absurd_jumps_after_a_hundred_prints_are_outliers),
		cmocka_unit_test(screening_can_be_switched_off_and_refuses_a_band_too_narrow),
		cmocka_unit_test(prices_at_both_ends_of_the_range_can_be_compared),
	};
	return cmocka_run_group_tests_name("normalize", tests, NULL, NULL);
}
