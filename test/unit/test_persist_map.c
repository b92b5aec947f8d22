/*
 * test_persist_map.c - which rows a record becomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/ap-persist/map.h"

static const int64_t ms_ns = 1000000;

struct rig {
	struct ap_conf conf;
	struct map_steps steps;
	struct map *m;
	struct ap_buf body;
	uint32_t n;
};

static int setup(void **state)
{
	struct rig *g = calloc(1, sizeof *g);

	ap_conf_init(&g->conf);
	g->m = map_new(&g->conf, &g->steps);
	ap_buf_init(&g->body, AP_FRAME_BYTES);
	*state = g;
	return g->m == NULL;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	map_free(g->m);
	ap_conf_done(&g->conf);
	ap_buf_done(&g->body);
	free(g);
	return 0;
}

static void put(struct rig *g, struct ap_rec rec)
{
	assert_true(ap_wire_put(&g->body, &rec));
	g->n++;
}

/* Maps what was put as entry id_ms-0 of a stream, at 1,005 ms after 1970. */
static void entry(struct rig *g, int part, unsigned stream, uint64_t id_ms)
{
	struct map_entry e = { part, stream, { id_ms, 0 }, g->n, ap_buf_view(&g->body), NULL, 0 };

	assert_true(map_add(g->m, &e, (int64_t)id_ms + 5));
	ap_buf_clear(&g->body);
	g->n = 0;
}

/* Field f of row i of a table; len SIZE_MAX: NULL. */
static ap_str cell(const struct rig *g, enum ap_table t, size_t i, unsigned f)
{
	const struct rows *r = &g->m->t[t];
	size_t at;

	assert_true(i < r->n && f < r->fields);
	at = (i == 0 ? 0 : r->end[i - 1]) + 2;
	for (;; f--) {
		const uint8_t *p = r->buf.p + at;
		uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

		if (f == 0)
			return ap_str_n((const char *)p + 4, len == UINT32_MAX ? SIZE_MAX : len);
		at += 4 + (len == UINT32_MAX ? 0 : len);
	}
}

static void text_is(const struct rig *g, enum ap_table t, size_t i, unsigned f, const char *want)
{
	ap_str s = cell(g, t, i, f);

	if (s.len == SIZE_MAX || s.len != strlen(want) || memcmp(s.p, want, s.len) != 0)
		fail_msg("%s row %zu field %u: got '%.*s', want '%s'", ap_table(t)->name, i, f, s.len == SIZE_MAX ? 4 : (int)s.len,
			 s.len == SIZE_MAX ? "NULL" : s.p, want);
}

static void json_is(const struct rig *g, enum ap_table t, size_t i, unsigned f, const char *want)
{
	ap_str s = cell(g, t, i, f);

	assert_true(s.len != SIZE_MAX && s.len > 0 && s.p[0] == 1);
	if (s.len - 1 != strlen(want) || memcmp(s.p + 1, want, s.len - 1) != 0)
		fail_msg("%s row %zu field %u: got %.*s, want %s", ap_table(t)->name, i, f, (int)s.len - 1, s.p + 1, want);
}

static void is_null(const struct rig *g, enum ap_table t, size_t i, unsigned f)
{
	assert_true(cell(g, t, i, f).len == SIZE_MAX);
}

static int64_t int_of(const struct rig *g, enum ap_table t, size_t i, unsigned f)
{
	ap_str s = cell(g, t, i, f);
	uint64_t v = 0;

	for (size_t k = 0; k < s.len; k++)
		v = v << 8 | (uint8_t)s.p[k];
	return s.len == 4 ? (int32_t)v : (int64_t)v;
}

static struct ap_rec trade(const char *id, uint32_t raw_idx, uint32_t sub)
{
	return (struct ap_rec){ .kind = AP_TRADE, .u.trade = { .source = ap_str_c("binance"), .symbol = ap_str_c("BTC-USDT"),
		.venue_symbol = ap_str_c("BTCUSDT"), .trade_id = ap_str_c(id), .ts = { 1700000000000 * ms_ns }, .price = ap_dec_int(100),
		.qty = ap_dec_int(2), .side = AP_SIDE_SELL, .raw_idx = raw_idx, .sub = sub } };
}

static struct ap_rec reject(enum ap_status st, const char *stage, int64_t ts_ns, const char *data)
{
	return (struct ap_rec){ .kind = AP_REJECT, .u.reject = { .origin = { 1700000000100, 64 }, .raw_idx = 3, .status = st,
		.stage = ap_str_c(stage), .reason = ap_str_c("bad_json"), .detail = ap_str_c("at byte 7"), .source = ap_str_c("binance"),
		.ts = { ts_ns }, .recv = { 1700000000099 * ms_ns }, .data = ap_str_c(data) } };
}

/* Columns of normalized_data. */
enum { N_MSG, N_SOURCE, N_SYMBOL, N_TYPE, N_STATUS, N_CONFIDENCE, N_ELAPSED, N_PRICE, N_QTY, N_SIDE, N_TRADE_ID, N_DATA, N_ERRORS,
       N_META, N_KEY, N_ORIGIN, N_TIME };

static void a_trade_is_a_valid_row_that_names_its_message(void **state)
{
	struct rig *g = *state;

	put(g, trade("42", 7, 0));
	entry(g, 3, AP_S_TICK, 1700000000001);
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 1);
	text_is(g, AP_T_NORMALIZED, 0, N_MSG, "1700000000001-0-7");
	text_is(g, AP_T_NORMALIZED, 0, N_STATUS, "valid");
	text_is(g, AP_T_NORMALIZED, 0, N_SYMBOL, "BTC-USDT");
	text_is(g, AP_T_NORMALIZED, 0, N_SIDE, "sell");
	text_is(g, AP_T_NORMALIZED, 0, N_TRADE_ID, "42");
	text_is(g, AP_T_NORMALIZED, 0, N_KEY, "42");
	assert_int_equal(int_of(g, AP_T_NORMALIZED, 0, N_ELAPSED), 5);
	json_is(g, AP_T_NORMALIZED, 0, N_META, "{\"venue_symbol\":\"BTCUSDT\"}");
	is_null(g, AP_T_NORMALIZED, 0, N_ERRORS);
	assert_int_equal(g->m->spans, 2);
}

static void nanoseconds_that_the_column_cannot_hold_are_kept_beside_it(void **state)
{
	struct rig *g = *state;
	struct ap_rec t = trade("42", 7, 0);

	t.u.trade.ts.ns += 5000017;
	put(g, t);
	t.u.trade.ts.ns += 1983;
	put(g, t);
	entry(g, 3, AP_S_TICK, 1700000000001);
	json_is(g, AP_T_NORMALIZED, 0, N_META, "{\"venue_symbol\":\"BTCUSDT\",\"ns\":17}");
	json_is(g, AP_T_NORMALIZED, 1, N_META, "{\"venue_symbol\":\"BTCUSDT\"}");
	assert_int_equal(int_of(g, AP_T_NORMALIZED, 1, N_TIME) - int_of(g, AP_T_NORMALIZED, 0, N_TIME), 2);
}

static const uint64_t origin = UINT64_C(0xab3f000000002a);

static void a_trade_without_id_is_told_apart_by_its_origin_and_place(void **state)
{
	struct rig *g = *state;
	struct ap_rec t[2] = { trade("", 7, 0), trade("", 7, 1) };

	t[0].u.trade.raw_seq = t[1].u.trade.raw_seq = origin;
	put(g, t[0]);
	put(g, t[1]);
	entry(g, 3, AP_S_TICK, 1700000000001);
	is_null(g, AP_T_NORMALIZED, 0, N_TRADE_ID);
	text_is(g, AP_T_NORMALIZED, 0, N_KEY, "#00ab3f000000002a.0");
	text_is(g, AP_T_NORMALIZED, 1, N_KEY, "#00ab3f000000002a.1");
	assert_true((uint64_t)int_of(g, AP_T_NORMALIZED, 1, N_ORIGIN) == origin);
}

static void without_an_origin_the_entry_gives_one_that_has_no_tag(void **state)
{
	struct rig *g = *state;
	int64_t a, b, c;

	put(g, trade("", 7, 0));
	put(g, trade("", 8, 0));
	entry(g, 3, AP_S_TICK, 1700000000001);
	put(g, trade("", 7, 0));
	entry(g, 3, AP_S_TICK, 1700000000001);
	a = int_of(g, AP_T_NORMALIZED, 0, N_ORIGIN);
	b = int_of(g, AP_T_NORMALIZED, 1, N_ORIGIN);
	c = int_of(g, AP_T_NORMALIZED, 2, N_ORIGIN);
	assert_true(a > 0 && a >> 40 == 0 && b >> 40 == 0);
	assert_true(a == c && a != b);
}

/* Record `bad` of what was put is poison, the others are not. */
static void entry_with_poison(struct rig *g, int part, unsigned stream, uint64_t id_ms, uint32_t bad)
{
	struct map_entry e = { part, stream, { id_ms, 0 }, g->n, ap_buf_view(&g->body), NULL, 0 };

	map_begin(g->m, &e, (int64_t)id_ms + 5);
	for (uint32_t i = 0; i < g->n; i++)
		assert_true(i == bad ? map_poison(g->m) : map_next(g->m));
	assert_false(map_poison(g->m));
	assert_true(map_end(g->m));
	ap_buf_clear(&g->body);
	g->n = 0;
}

static void a_poison_record_is_a_row_that_says_so_and_its_neighbours_are_theirs(void **state)
{
	struct rig *g = *state;

	put(g, trade("41", 7, 0));
	put(g, trade("42", 7, 1));
	put(g, trade("43", 7, 2));
	entry_with_poison(g, 3, AP_S_TICK, 1700000000001, 1);
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 3);
	text_is(g, AP_T_NORMALIZED, 0, N_STATUS, "valid");
	text_is(g, AP_T_NORMALIZED, 1, N_STATUS, "poison");
	text_is(g, AP_T_NORMALIZED, 1, N_TRADE_ID, "42");
	text_is(g, AP_T_NORMALIZED, 1, N_SYMBOL, "BTC-USDT");
	json_is(g, AP_T_NORMALIZED, 1, N_ERRORS, "[{\"reason\":\"poison\",\"detail\":\"tick\",\"stage\":\"persist\"}]");
	text_is(g, AP_T_NORMALIZED, 2, N_STATUS, "valid");
	assert_int_equal(g->m->t[AP_T_ALERTS].n, 1);
	assert_false(map_full(g->m));
}

static void a_poison_message_goes_in_as_text_and_is_not_parsed(void **state)
{
	struct rig *g = *state;
	struct ap_rec raw = { .kind = AP_RAW, .u.raw = { .source = ap_str_c("s"), .symbol = ap_str_c("X-Y"), .format = ap_str_c("trade"),
		.seq = origin, .recv = { 1700000000000 * ms_ns }, .payload = ap_str_c("{\"a\":1}") } };

	put(g, raw);
	entry_with_poison(g, 0, AP_S_RAW, 1700000000001, 0);
	assert_int_equal(g->m->t[AP_T_MESSAGES].n, 0);
	json_is(g, AP_T_NORMALIZED, 0, N_DATA, "\"{\\\"a\\\":1}\"");
	text_is(g, AP_T_NORMALIZED, 0, N_KEY, "#00ab3f000000002a.0:poison:raw.0");
	assert_true((uint64_t)int_of(g, AP_T_NORMALIZED, 0, N_ORIGIN) == origin);
}

static void of_an_entry_that_is_poison_as_a_whole_nothing_is_read(void **state)
{
	struct rig *g = *state;
	const struct map_entry e = { 2, AP_S_CANDLE, { 1700000000001, 0 }, 9, ap_str_c("no frame at all"), NULL, 0 };

	assert_true(map_poison_entry(g->m, &e, 1700000000005));
	assert_int_equal(g->m->bad_frames, 0);
	assert_int_equal(g->m->t[AP_T_CANDLES].n, 0);
	text_is(g, AP_T_NORMALIZED, 0, N_STATUS, "poison");
	json_is(g, AP_T_NORMALIZED, 0, N_DATA, "\"\"");
	assert_int_equal(g->m->t[AP_T_ALERTS].n, 1);
}

/* What PostgreSQL tells rows apart by must not depend on the entry that brought them. */
static void rows_published_again_under_another_entry_have_the_same_keys(void **state)
{
	struct rig *g = *state;
	static const struct { enum ap_table t; unsigned f; } keys[] = {
		{ AP_T_MESSAGES, 8 }, { AP_T_MESSAGES, 9 }, { AP_T_RESULTS, 6 }, { AP_T_RESULTS, 7 },
		{ AP_T_NORMALIZED, N_KEY }, { AP_T_NORMALIZED, N_ORIGIN }, { AP_T_NORMALIZED, N_TIME },
	};

	for (uint64_t id = 1700000000001; id < 1700000900000; id += 600000) {
		struct ap_rec raw = { .kind = AP_RAW, .u.raw = { ap_str_c("s"), ap_str_c("A-B"), ap_str_c("trade"), ap_str_c("{}"),
								 { 1700000000000 * ms_ns }, origin } };
		struct ap_rec t = trade("", 0, 0), no = reject(AP_ST_INVALID, "normalize", 0, "{}");

		t.u.trade.raw_seq = no.u.reject.raw_seq = origin;
		t.u.trade.recv.ns = no.u.reject.recv.ns;
		no.u.reject.origin.ms = id;
		put(g, raw);
		entry(g, 1, AP_S_RAW, id);
		put(g, t);
		entry(g, 1, AP_S_TICK, id);
		put(g, no);
		entry(g, 1, AP_S_REJECT, id);
	}
	for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
		size_t half = g->m->t[keys[k].t].n / 2;

		for (size_t i = 0; i < half; i++) {
			ap_str one = cell(g, keys[k].t, i, keys[k].f), two = cell(g, keys[k].t, half + i, keys[k].f);

			assert_true(half > 0 && ap_str_eq(one, two));
		}
	}
}

/* After a rebuild everything comes again; what lay below the marks when it began is there. */
static void what_was_stored_before_a_rebuild_makes_no_rows(void **state)
{
	struct rig *g = *state;
	static const struct map_known known[2] = { { 7, { 0, 3, 5 } }, { 0xab3f, { 9, 42, 42 } } };
	struct map_entry e = { 1, AP_S_TICK, { 1700000000001, 0 }, 0, { 0 }, known, 2 };

	for (uint64_t seq = 41; seq <= 43; seq++) {
		struct ap_rec t = trade("", 0, 0);

		t.u.trade.raw_seq = UINT64_C(0xab3f) << 40 | seq;
		put(g, t);
	}
	struct ap_rec other = trade("", 0, 0), no = reject(AP_ST_LATE, "candle", 0, "{}");
	other.u.trade.raw_seq = UINT64_C(8) << 40 | 1;
	put(g, other);
	e.n = g->n;
	e.body = ap_buf_view(&g->body);
	assert_true(map_add(g->m, &e, 1700000000010));
	/* 41 is below the mark; 42 is at it, and its message may have more trades than are stored. */
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 3);
	assert_int_equal(g->m->t[AP_T_RESULTS].n, 1);
	assert_int_equal(g->m->known, 1);
	/* Of what ap-candle refused nothing is said. */
	ap_buf_clear(&g->body);
	no.u.reject.raw_seq = UINT64_C(0xab3f) << 40 | 1;
	put(g, no);
	no.u.reject.stage = ap_str_c("normalize");
	put(g, no);
	e = (struct map_entry){ 1, AP_S_REJECT, { 1700000000002, 0 }, 2, ap_buf_view(&g->body), known, 2 };
	assert_true(map_add(g->m, &e, 1700000000010));
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 4);
	assert_int_equal(g->m->known, 2);
}

static void a_continuation_frame_names_the_raw_entry(void **state)
{
	struct rig *g = *state;
	struct map_entry e = { 0, AP_S_TICK, { 1700000000001, 66 }, 1, { 0 }, NULL, 0 };

	put(g, trade("42", 0, 0));
	e.body = ap_buf_view(&g->body);
	assert_true(map_add(g->m, &e, 1700000000010));
	text_is(g, AP_T_NORMALIZED, 0, N_MSG, "1700000000001-64-0");
}

static void a_reject_keeps_its_input_and_its_reason(void **state)
{
	struct rig *g = *state;
	struct ap_rec no = reject(AP_ST_INVALID, "normalize", 0, "{\"price\":");

	no.u.reject.raw_seq = origin;
	put(g, no);
	entry(g, 1, AP_S_REJECT, 1700000000105);
	text_is(g, AP_T_NORMALIZED, 0, N_MSG, "1700000000100-64-3");
	text_is(g, AP_T_NORMALIZED, 0, N_STATUS, "invalid");
	json_is(g, AP_T_NORMALIZED, 0, N_DATA, "\"{\\\"price\\\":\"");
	json_is(g, AP_T_NORMALIZED, 0, N_ERRORS, "[{\"reason\":\"bad_json\",\"detail\":\"at byte 7\",\"stage\":\"normalize\"}]");
	text_is(g, AP_T_NORMALIZED, 0, N_KEY, "#00ab3f000000002a.0:invalid");
	/* Its time is not known: filed under the receive time. */
	assert_int_equal(int_of(g, AP_T_NORMALIZED, 0, N_TIME), (1700000000099 - 946684800000) * 1000);
}

static void an_absurd_time_is_kept_beside_the_row_it_cannot_file(void **state)
{
	struct rig *g = *state;

	put(g, reject(AP_ST_INVALID, "normalize", 5, "{\"a\":1}"));
	entry(g, 1, AP_S_REJECT, 1700000000105);
	json_is(g, AP_T_NORMALIZED, 0, N_DATA, "{\"a\":1}");
	json_is(g, AP_T_NORMALIZED, 0, N_META, "{\"event_time_ns\":5}");
	assert_int_equal(int_of(g, AP_T_NORMALIZED, 0, N_TIME), (1700000000099 - 946684800000) * 1000);
}

static void a_message_of_many_trades_is_one_result(void **state)
{
	struct rig *g = *state;

	put(g, trade("1", 0, 0));
	put(g, trade("2", 0, 1));
	put(g, trade("3", 1, 0));
	entry(g, 2, AP_S_TICK, 1700000000001);
	assert_int_equal(g->m->t[AP_T_RESULTS].n, 2);
	text_is(g, AP_T_RESULTS, 0, 0, "1700000000001-0-0");
	text_is(g, AP_T_RESULTS, 1, 0, "1700000000001-0-1");
	assert_int_equal(cell(g, AP_T_RESULTS, 0, 1).p[0], 1);
	json_is(g, AP_T_RESULTS, 0, 4, "[]");
}

static void a_refused_message_has_failed_and_a_late_trade_has_not(void **state)
{
	struct rig *g = *state;

	put(g, reject(AP_ST_DUPLICATE, "normalize", 0, "{}"));
	put(g, reject(AP_ST_LATE, "candle", 0, "{}"));
	entry(g, 2, AP_S_REJECT, 1700000000105);
	assert_int_equal(g->m->t[AP_T_RESULTS].n, 1);
	assert_int_equal(cell(g, AP_T_RESULTS, 0, 1).p[0], 0);
	json_is(g, AP_T_RESULTS, 0, 4, "[{\"status\":\"duplicate\",\"reason\":\"bad_json\"}]");
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 2);
}

static void a_raw_message_is_kept_as_json_or_as_text(void **state)
{
	struct rig *g = *state;
	static const char *const payloads[] = { "{\"p\":\"1.50\"}", "not json", "{\"a\":\"\\u0000\"}" };

	for (int i = 0; i < 3; i++)
		put(g, (struct ap_rec){ .kind = AP_RAW, .u.raw = { ap_str_c("kraken"), ap_str_c("BTC-USD"), ap_str_c("trade"), ap_str_c(payloads[i]),
			{ 1700000000000 * ms_ns }, 1 } });
	entry(g, 3, AP_S_RAW, 1700000000001);
	text_is(g, AP_T_MESSAGES, 1, 0, "1700000000001-0-1");
	text_is(g, AP_T_MESSAGES, 0, 1, "ap:{3}:raw");
	json_is(g, AP_T_MESSAGES, 0, 7, "{\"p\":\"1.50\"}");
	json_is(g, AP_T_MESSAGES, 1, 7, "\"not json\"");
	json_is(g, AP_T_MESSAGES, 2, 7, "\"{\\\"a\\\":\\\"\\\\u0000\\\"}\"");
}

static struct ap_rec candle(enum ap_candle_state st, uint32_t revision)
{
	return (struct ap_rec){ .kind = AP_CANDLE, .u.candle = { .source = ap_str_c("s"), .symbol = ap_str_c("A-B"), .tf = ap_str_c("1m"),
		.open_ms = 1700000040000, .close_ms = 1700000100000, .open = ap_dec_int(1), .high = ap_dec_int(2), .low = ap_dec_int(1),
		.close = ap_dec_int(2), .volume = ap_dec_int(3), .vwap = ap_dec_int(1), .buy_volume = ap_dec_int(1), .sell_volume = ap_dec_int(2),
		.trade_count = 4, .state = st, .revision = revision, .coverage_ms = 60000, .quality = AP_Q_GAP } };
}

static void forming_candles_are_not_stored_and_revisions_are_marked(void **state)
{
	struct rig *g = *state;

	put(g, candle(AP_FORMING, 0));
	put(g, candle(AP_FINAL, 0));
	entry(g, 0, AP_S_CANDLE, 1700000100001);
	assert_int_equal(g->m->t[AP_T_CANDLES].n, 1);
	assert_false(g->m->t[AP_T_CANDLES].revised);
	text_is(g, AP_T_CANDLES, 0, 13, "final");
	text_is(g, AP_T_CANDLES, 0, 16, "gap");
	json_is(g, AP_T_CANDLES, 0, 17, "{\"buy_volume\":1,\"sell_volume\":2}");
	put(g, candle(AP_REVISED, 2));
	entry(g, 0, AP_S_CANDLE, 1700000100002);
	assert_true(g->m->t[AP_T_CANDLES].revised);
	assert_int_equal(int_of(g, AP_T_CANDLES, 1, 14), 2);
}

static void a_quote_is_a_row_without_a_price(void **state)
{
	struct rig *g = *state;
	struct ap_rec rec = { .kind = AP_QUOTE }, bad = { .kind = AP_REJECT };

	rec.u.quote = (struct ap_quote){ .source = ap_str_c("s"), .symbol = ap_str_c("A-B"), .venue_symbol = ap_str_c("AB"),
					 .ts = { 1700000040123456789 }, .bid = { 1500000000000000000 }, .bid_qty = { 2000000000000000000 },
					 .ask = { 1600000000000000000 }, .seq = UINT64_MAX };
	bad.u.reject = (struct ap_reject){ .origin = { 1700000100000, 64 }, .status = AP_ST_INVALID, .stage = ap_str_c("normalize"),
					   .reason = ap_str_c("crossed"), .source = ap_str_c("s"), .symbol = ap_str_c("A-B"),
					   .ts = { 1700000040000000000 }, .data = ap_str_c("{}"), .quote = true };
	put(g, rec);
	entry(g, 0, AP_S_TICK, 1700000100000);
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 1);
	text_is(g, AP_T_NORMALIZED, 0, 3, "quote");
	text_is(g, AP_T_NORMALIZED, 0, 4, "valid");
	json_is(g, AP_T_NORMALIZED, 0, 11, "{\"bid\":1.5,\"bid_qty\":2,\"ask\":1.6,\"ask_qty\":0,\"seq\":18446744073709551615}");
	json_is(g, AP_T_NORMALIZED, 0, 13, "{\"venue_symbol\":\"AB\",\"ns\":789}");
	put(g, bad);
	entry(g, 0, AP_S_REJECT, 1700000100001);
	text_is(g, AP_T_NORMALIZED, 1, 3, "quote");
	text_is(g, AP_T_NORMALIZED, 1, 4, "invalid");
	g->conf.persist_quotes = false;
	put(g, rec);
	entry(g, 0, AP_S_TICK, 1700000100002);
	assert_int_equal(g->m->t[AP_T_NORMALIZED].n, 2);
	assert_true(g->m->t[AP_T_RESULTS].n >= 2);
}

static void quote_bars_are_rows_of_their_own(void **state)
{
	struct rig *g = *state;
	const struct ap_px4 px = { { 1 }, { 4 }, { 1 }, { 2 } };
	struct ap_rec rec = { .kind = AP_QUOTEBAR };

	rec.u.quotebar = (struct ap_quotebar){ .source = ap_str_c("s"), .symbol = ap_str_c("A-B"), .tf = ap_str_c("1m"), .open_ms = 1700000040000,
					       .close_ms = 1700000100000, .bid = px, .ask = px, .mid = px, .weighted_ns = 59999999999,
					       .resolution_ms = 128, .quote_count = 7, .locked_count = 2, .coverage_ms = 60000 };
	put(g, rec);
	rec.u.quotebar.state = AP_FINAL;
	put(g, rec);
	rec.u.quotebar.state = AP_REVISED;
	rec.u.quotebar.revision = 3;
	put(g, rec);
	entry(g, 0, AP_S_CANDLE, 1700000100001);
	assert_int_equal(g->m->t[AP_T_QUOTE_BARS].n, 2);
	assert_int_equal(g->m->t[AP_T_CANDLES].n, 0);
	assert_true(g->m->t[AP_T_QUOTE_BARS].revised);
	text_is(g, AP_T_QUOTE_BARS, 0, 1, "A-B");
	assert_int_equal(int_of(g, AP_T_QUOTE_BARS, 0, 21), 59999999999);
	assert_int_equal(int_of(g, AP_T_QUOTE_BARS, 0, 22), 128);
	assert_int_equal(int_of(g, AP_T_QUOTE_BARS, 0, 23), 7);
	assert_int_equal(int_of(g, AP_T_QUOTE_BARS, 0, 24), 2);
	text_is(g, AP_T_QUOTE_BARS, 1, 25, "revised");
	assert_int_equal(int_of(g, AP_T_QUOTE_BARS, 1, 26), 3);
	text_is(g, AP_T_QUOTE_BARS, 0, 28, "full");
}

static void indicator_parameters_become_json(void **state)
{
	struct rig *g = *state;
	static const struct ap_value v[] = {
		{ { "SMA", 3 }, { "period=20", 9 }, 1.5 }, { { "X", 1 }, { "", 0 }, 1 }, { { "Y", 1 }, { "a=0.5,b=-2,c=sma,d,e=01,f=1.", 28 }, 1 },
	};
	struct ap_rec rec = { .kind = AP_INDICATOR, .u.indicator = { ap_str_c("s"), ap_str_c("A-B"), ap_str_c("1m"), 1700000040000, 0, false, 3, v } };

	put(g, rec);
	rec.u.indicator.provisional = true;
	put(g, rec);
	entry(g, 0, AP_S_INDICATOR, 1700000100001);
	assert_int_equal(g->m->t[AP_T_INDICATORS].n, 3);
	json_is(g, AP_T_INDICATORS, 0, 4, "{\"period\":20}");
	json_is(g, AP_T_INDICATORS, 1, 4, "{}");
	json_is(g, AP_T_INDICATORS, 2, 4, "{\"a\":0.5,\"b\":-2,\"c\":\"sma\",\"d\":true,\"e\":\"01\",\"f\":\"1.\"}");
}

static struct ap_rec signal_rec(enum ap_signal_kind kind, enum ap_direction direction, double strength, double entry, const char *inputs)
{
	return (struct ap_rec){ .kind = AP_SIGNAL, .u.signal = { .source = ap_str_c("s"), .symbol = ap_str_c("A-B"), .tf = ap_str_c("1m"),
		.open_ms = 1700000040000, .kind = kind, .name = ap_str_c("engulfing"), .direction = direction, .strength = strength,
		.entry = entry, .stop = entry, .target = entry, .inputs = ap_str_c(inputs) } };
}

static void patterns_signals_and_outcomes_are_rows_of_one_table(void **state)
{
	struct rig *g = *state;
	struct ap_rec forming = signal_rec(AP_SIG_PATTERN, AP_DIR_LONG, 100, 0, "");

	forming.u.signal.provisional = true;
	put(g, signal_rec(AP_SIG_PATTERN, AP_DIR_SHORT, -80, 0, ""));
	put(g, signal_rec(AP_SIG_SIGNAL, AP_DIR_LONG, 0.5, 100.5, "{\"rsi14\":29.5}"));
	put(g, signal_rec(AP_SIG_OUTCOME, AP_DIR_LONG, -1, 100.5, "{\"end\":\"stop\"}"));
	put(g, forming);
	entry(g, 0, AP_S_SIGNAL, 1700000100001);
	assert_int_equal(g->m->t[AP_T_SIGNALS].n, 3);
	text_is(g, AP_T_SIGNALS, 0, 3, "pattern");
	text_is(g, AP_T_SIGNALS, 0, 4, "engulfing");
	text_is(g, AP_T_SIGNALS, 0, 5, "short");
	for (unsigned f = 7; f <= 10; f++)
		assert_true(cell(g, AP_T_SIGNALS, 0, f).len == SIZE_MAX);
	text_is(g, AP_T_SIGNALS, 1, 3, "signal");
	json_is(g, AP_T_SIGNALS, 1, 10, "{\"rsi14\":29.5}");
	text_is(g, AP_T_SIGNALS, 2, 3, "outcome");
	assert_false(g->m->t[AP_T_SIGNALS].revised);
	/* What is withdrawn takes the place of what was stored: by way of the merge. */
	put(g, signal_rec(AP_SIG_PATTERN, AP_DIR_NONE, 0, 0, ""));
	entry(g, 0, AP_S_SIGNAL, 1700000100002);
	text_is(g, AP_T_SIGNALS, 3, 5, "none");
	assert_true(g->m->t[AP_T_SIGNALS].revised);
}

static struct ap_rec beat(const char *source, int64_t s, uint32_t covers_ms)
{
	return (struct ap_rec){ .kind = AP_BEAT, .u.beat = { ap_str_c(source), { (1700000000 + s) * 1000 * ms_ns }, covers_ms, covers_ms > 0, true, false } };
}

/* ap-ingest's beats come some microseconds after the second, and cover from ms to ms. */
static void beats_that_follow_one_another_cover_without_a_gap(void **state)
{
	static const struct { int64_t us; uint32_t covers_ms; } beats[] = { { 612, 1000 }, { 1000175, 1000 }, { 2023302, 1023 }, { 3000017, 977 } };
	struct rig *g = *state;

	for (size_t i = 0; i < 4; i++) {
		struct ap_rec b = beat("x", 0, beats[i].covers_ms);

		b.u.beat.ts.ns += beats[i].us * 1000;
		put(g, b);
	}
	entry(g, 0, AP_S_TICK, 1700000000000);
	assert_int_equal(g->m->covers, 1);
	assert_int_equal(g->m->cover[0].hi - g->m->cover[0].lo, 4000 * ms_ns + 17000);
}

static void beats_of_partition_0_join_into_intervals(void **state)
{
	struct rig *g = *state;

	put(g, beat("a", 1, 1000));
	put(g, beat("b", 1, 1000));
	put(g, beat("a", 2, 1000));
	put(g, beat("a", 3, 0));
	put(g, beat("a", 5, 1000));
	entry(g, 0, AP_S_TICK, 1700000000001);
	assert_int_equal(g->m->covers, 3);
	assert_int_equal(g->m->cover[0].hi - g->m->cover[0].lo, 2000 * ms_ns);
	put(g, beat("a", 6, 1000));
	entry(g, 1, AP_S_TICK, 1700000000002);
	assert_int_equal(g->m->covers, 3);
	assert_int_equal(g->m->cover[2].hi, 1700000005000 * ms_ns);
	assert_int_equal(g->m->rows, 0);
}

static struct ap_rec metric(const char *component, const char *instance, const char *name, const char *labels, double v, int64_t s)
{
	return (struct ap_rec){ .kind = AP_METRIC, .u.metric = { ap_str_c(component), ap_str_c(instance), ap_str_c(name), ap_str_c(labels),
		AP_M_GAUGE, v, { (1700000000 + s) * 1000 * ms_ns } } };
}

static void system_samples_of_one_instant_are_one_row(void **state)
{
	struct rig *g = *state;

	put(g, metric("system", "", "cpu_percent", "", 12.5, 1));
	put(g, metric("system", "", "network_bytes_sent", "", 77, 1));
	put(g, metric("system", "", "cpu_percent", "", 13, 2));
	entry(g, -1, MAP_METRIC, 1700000003000);
	assert_int_equal(g->m->t[AP_T_SYSTEM].n, 2);
	assert_int_equal(int_of(g, AP_T_SYSTEM, 0, 5), 77);
	is_null(g, AP_T_SYSTEM, 0, 1);
	is_null(g, AP_T_SYSTEM, 1, 5);
}

static void component_metrics_carry_their_labels_and_are_thinned(void **state)
{
	struct rig *g = *state;

	for (int64_t s = 0; s < 12; s++) {
		put(g, metric("ap-candle", "c0", "lag", "part=\"3\"", (double)s, s));
		put(g, metric("ap-candle", "c0", "rss", "", 1, s));
		put(g, metric("ap-api", "", "rss", "", 1, s));
	}
	entry(g, -1, MAP_METRIC, 1700000003000);
	/* metrics_step_s = 5: seconds 0, 5 and 10 */
	assert_int_equal(g->m->t[AP_T_COMPONENT].n, 9);
	text_is(g, AP_T_COMPONENT, 0, 1, "lag{instance=\"c0\",part=\"3\"}");
	text_is(g, AP_T_COMPONENT, 1, 1, "rss{instance=\"c0\"}");
	text_is(g, AP_T_COMPONENT, 2, 1, "rss");
}

static void what_is_read_again_after_a_reset_is_stored_again(void **state)
{
	struct rig *g = *state;

	put(g, metric("ap-candle", "c0", "lag", "", 1, 0));
	entry(g, -1, MAP_METRIC, 1700000003000);
	put(g, metric("ap-candle", "c0", "lag", "", 1, 1));
	entry(g, -1, MAP_METRIC, 1700000003000);
	assert_int_equal(g->m->t[AP_T_COMPONENT].n, 1);
	map_reset(g->m);
	put(g, metric("ap-candle", "c0", "lag", "", 1, 1));
	entry(g, -1, MAP_METRIC, 1700000003000);
	assert_int_equal(g->m->t[AP_T_COMPONENT].n, 1);
}

static void alerts_are_read_from_their_labels(void **state)
{
	struct rig *g = *state;

	put(g, metric("alert", "ap-candle", "lag_high", "severity=\"warning\",state=\"raised\",message=\"far \\\"behind\\\"\",subject=\"part 3\"", 9, 1));
	entry(g, -1, MAP_METRIC, 1700000003000);
	text_is(g, AP_T_ALERTS, 0, 0, "lag_high");
	text_is(g, AP_T_ALERTS, 0, 1, "ap-candle");
	text_is(g, AP_T_ALERTS, 0, 2, "warning");
	text_is(g, AP_T_ALERTS, 0, 3, "raised");
	text_is(g, AP_T_ALERTS, 0, 4, "far \"behind\"");
	text_is(g, AP_T_ALERTS, 0, 7, "part 3");
}

static void an_entry_that_cannot_be_read_is_counted_and_leaves_an_alert(void **state)
{
	struct rig *g = *state;
	struct map_entry e = { 2, AP_S_TICK, { 1700000000001, 0 }, 3, ap_str_c("\x93\x02garbage"), NULL, 0 };

	assert_true(map_add(g->m, &e, 0));
	assert_int_equal(g->m->bad_frames, 1);
	assert_int_equal(g->m->t[AP_T_ALERTS].n, 1);
	text_is(g, AP_T_ALERTS, 0, 0, "bad_frame");
	text_is(g, AP_T_ALERTS, 0, 7, "2:tick:1700000000001-0");
}

static void what_is_switched_off_leaves_no_row(void **state)
{
	struct rig *g = *state;

	g->conf.persist_normalized = false;
	g->conf.persist_results = false;
	put(g, trade("1", 0, 0));
	put(g, beat("a", 1, 1000));
	entry(g, 0, AP_S_TICK, 1700000000001);
	assert_int_equal(g->m->rows, 0);
	assert_int_equal(g->m->covers, 1);
	g->conf.persist_raw = false;
	assert_false(map_reads(&g->conf, AP_S_RAW));
	assert_false(map_reads(&g->conf, AP_S_REJECT));
	assert_false(map_reads(&g->conf, AP_S_LIVE));
	assert_true(map_reads(&g->conf, AP_S_TICK));
	assert_true(map_reads(&g->conf, MAP_METRIC));
}

static void the_transaction_is_closed_before_anything_overflows(void **state)
{
	struct rig *g = *state;

	g->conf.persist_batch_rows = 4;
	assert_false(map_full(g->m));
	put(g, trade("1", 0, 0));
	put(g, trade("2", 1, 0));
	entry(g, 0, AP_S_TICK, 1700000000001);
	assert_true(map_full(g->m));
	map_clear(g->m);
	assert_false(map_full(g->m));
	assert_int_equal(g->m->rows, 0);
	/* A frame of beats that never touch: as many intervals, and room for one more such frame. */
	for (int64_t s = 0; s < 2 * AP_FRAME_RECS; s++) {
		put(g, beat("a", 2 * s, 1000));
		if (g->n == AP_FRAME_RECS)
			entry(g, 0, AP_S_TICK, 1700000000001);
	}
	assert_int_equal(g->m->covers, 2 * AP_FRAME_RECS);
	assert_true(map_full(g->m));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_trade_is_a_valid_row_that_names_its_message),
		T(beats_that_follow_one_another_cover_without_a_gap),
		T(nanoseconds_that_the_column_cannot_hold_are_kept_beside_it),
		T(a_trade_without_id_is_told_apart_by_its_origin_and_place),
		T(without_an_origin_the_entry_gives_one_that_has_no_tag),
		T(rows_published_again_under_another_entry_have_the_same_keys),
		T(what_was_stored_before_a_rebuild_makes_no_rows),
		T(a_continuation_frame_names_the_raw_entry),
		T(a_reject_keeps_its_input_and_its_reason),
		T(an_absurd_time_is_kept_beside_the_row_it_cannot_file),
		T(a_message_of_many_trades_is_one_result),
		T(a_refused_message_has_failed_and_a_late_trade_has_not),
		T(a_raw_message_is_kept_as_json_or_as_text),
		T(forming_candles_are_not_stored_and_revisions_are_marked),
		T(a_quote_is_a_row_without_a_price),
		T(quote_bars_are_rows_of_their_own),
		T(indicator_parameters_become_json),
		T(patterns_signals_and_outcomes_are_rows_of_one_table),
		T(beats_of_partition_0_join_into_intervals),
		T(system_samples_of_one_instant_are_one_row),
		T(component_metrics_carry_their_labels_and_are_thinned),
		T(what_is_read_again_after_a_reset_is_stored_again),
		T(alerts_are_read_from_their_labels),
		T(an_entry_that_cannot_be_read_is_counted_and_leaves_an_alert),
		T(a_poison_record_is_a_row_that_says_so_and_its_neighbours_are_theirs),
		T(a_poison_message_goes_in_as_text_and_is_not_parsed),
		T(of_an_entry_that_is_poison_as_a_whole_nothing_is_read),
		T(what_is_switched_off_leaves_no_row),
		T(the_transaction_is_closed_before_anything_overflows),
	};

	return cmocka_run_group_tests_name("persist_map", tests, NULL, NULL);
}
