/*
 * test_core.c - the small pieces: buffer, partition, histogram, log lines, JSON of records, names.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/buf.h"
#include "common/core/hist.h"
#include "common/core/le.h"
#include "common/core/log.h"
#include "common/core/origin.h"
#include "common/core/part.h"
#include "common/core/recjson.h"
#include "common/core/stage.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *text(struct ap_buf *b)
{
	ap_buf_putc(b, '\0');
	assert_false(b->full);
	b->len--;
	return (const char *)b->p;
}

static void a_buffer_grows_to_its_limit_and_then_fails_once(void **state)
{
	struct ap_buf b;
	char big[1000];

	(void)state;
	memset(big, 'x', sizeof big);
	ap_buf_init(&b, 1500);
	assert_int_equal(ap_buf_view(&b).len, 0);
	ap_buf_put(&b, big, sizeof big);
	assert_false(b.full);
	ap_buf_put(&b, big, sizeof big);        /* does not fit: nothing is put */
	assert_true(b.full);
	ap_buf_put(&b, big, 1);                 /* would fit, but it has failed */
	assert_int_equal(b.len, 1000);
	assert_null(ap_buf_room(&b, 1));
	ap_buf_clear(&b);
	ap_buf_put(&b, big, sizeof big);
	ap_buf_put(&b, big, 500);
	assert_false(b.full);
	assert_int_equal(b.len, 1500);
	ap_buf_done(&b);
	ap_buf_putc(&b, 'x');
	assert_true(b.full);
}

static void a_fixed_buffer_never_allocates_or_overruns(void **state)
{
	char mine[8] = "-------";
	struct ap_buf b;

	(void)state;
	ap_buf_fixed(&b, mine, 4);
	ap_buf_puts(&b, "abcd");
	assert_false(b.full);
	ap_buf_putc(&b, 'e');
	assert_true(b.full);
	assert_memory_equal(mine, "abcd---", 7);
	ap_buf_done(&b);
}

static void printf_into_a_buffer_may_be_longer_than_any_guess(void **state)
{
	struct ap_buf b;
	char big[700];

	(void)state;
	memset(big, 'y', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ap_buf_init(&b, 4096);
	ap_buf_printf(&b, "%d-%s", 42, "x");
	assert_string_equal(text(&b), "42-x");
	ap_buf_printf(&b, "%s", big);
	assert_int_equal(b.len, 4 + 699);
	assert_string_equal(text(&b) + 4, big);
	ap_buf_done(&b);
}

/* Frozen: XXH64 of these bytes with seed 0 decides where data that exists is to be found. */
static void numbers_are_little_endian_bytes_on_every_machine(void **state)
{
	uint8_t p[10] = { 0 };
	uint64_t v;

	(void)state;
	ap_le_put(p + 1, UINT64_C(0x1122334455667788), 8);
	assert_memory_equal(p, "\0\x88\x77\x66\x55\x44\x33\x22\x11\0", 10);
	assert_int_equal(ap_le_get(p + 1, 8), UINT64_C(0x1122334455667788));
	assert_int_equal(ap_le_get(p + 1, 3), 0x667788);
	ap_le_put(p + 1, UINT64_C(0xffffffffaabbccdd), 4);
	assert_memory_equal(p, "\0\xdd\xcc\xbb\xaa\x44\x33\x22\x11\0", 10);
	assert_int_equal(ap_le_get(p + 1, 1), 0xdd);
	assert_ptr_equal(ap_le_push(ap_le_push(p, UINT64_C(0x123456), 3), 7, 2), p + 5);
	assert_memory_equal(p, "\x56\x34\x12\x07\0", 5);
	assert_ptr_equal(ap_le_pull(p, &v, 3), p + 3);
	assert_int_equal(v, 0x123456);
}

static void partitions_are_where_they_always_were(void **state)
{
	static const struct {
		const char *source, *symbol;
		unsigned of4, of16, of256;
	} t[] = {
#include "part_vectors.h"
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		ap_str a = ap_str_c(t[i].source), b = ap_str_c(t[i].symbol);

		assert_int_equal(ap_part(a, b, 1), 0);
		assert_int_equal(ap_part(a, b, 4), t[i].of4);
		assert_int_equal(ap_part(a, b, 16), t[i].of16);
		assert_int_equal(ap_part(a, b, 256), t[i].of256);
	}
	/* The zero byte between the two keeps ("ab", "c") and ("a", "bc") apart; long texts take the other path. */
	assert_int_not_equal(ap_part(ap_str_c("ab"), ap_str_c("c"), 256), ap_part(ap_str_c("a"), ap_str_c("bc"), 256));
	memset(longest, 'a', sizeof longest);
	assert_int_equal(ap_part(ap_str_n(longest, 255), ap_str_n("", 0), 256), ap_part(ap_str_n(longest, 255), (ap_str){ 0 }, 256));
	assert_true(ap_part(ap_str_n(longest, 300), ap_str_n(longest, 300), 7) < 7);
}

static void a_histogram_is_right_to_a_32nd(void **state)
{
	static struct ap_hist h, a, b;
	uint64_t x = 88172645463325252u;

	(void)state;
	ap_hist_init(&h);
	assert_int_equal(ap_hist_quantile(&h, 0.5), 0);
	for (uint64_t v = 0; v < 32; v++)
		ap_hist_add(&h, v);
	assert_int_equal(ap_hist_quantile(&h, 0), 0);
	assert_int_equal(ap_hist_quantile(&h, 0.5), 16);
	assert_int_equal(ap_hist_quantile(&h, 1), 31);

	ap_hist_init(&a);
	ap_hist_init(&b);
	for (uint64_t i = 0; i < 100000; i++)
		ap_hist_add(i % 2 ? &a : &b, i * 1000);
	ap_hist_merge(&a, &b);
	assert_int_equal(a.n, 100000);
	assert_true(a.min == 0 && a.max == 99999000);
	for (int i = 1; i < 100; i++) {
		double want = (double)i / 100 * 1e8, got = (double)ap_hist_quantile(&a, (double)i / 100);

		assert_true(got >= want * (1 - 1e-9) && got <= want * (1 + 1.0 / 32) + 1000);
	}
	/* Any value has a bucket whose bounds hold it. */
	for (int i = 0; i < 100000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint64_t v = x >> (x % 64);

		ap_hist_init(&h);
		ap_hist_add(&h, 0);
		ap_hist_add(&h, v);
		ap_hist_add(&h, UINT64_MAX);
		uint64_t q = ap_hist_quantile(&h, 0.5);
		assert_true(q >= v && q - v <= v / 32);
	}
	assert_int_equal(h.sum, UINT64_MAX);
}

static void a_log_line_is_logfmt(void **state)
{
	struct ap_buf b;
	char big[2000];
	ap_str odd = ap_str_n("a\x01\"\\\n\x7f", 6);

	(void)state;
	memset(big, 'z', sizeof big);
	ap_buf_init(&b, 1 << 16);
	ap_log_line(&b, (ap_ts){ 1767323045678000000 }, AP_WARN, "ap-candle", "commit_refused",
		    (const struct ap_kv[]){ KV_U("part", 3), KV_S("why", "lease_lost"), KV_S("next", "reacquire now"), KV_I("lag_ms", -5),
					    KV_F("rate", 1.5), KV_S("empty", ""), KV_T("odd", odd), KV_S("eq", "a=b") }, 8);
	assert_string_equal(text(&b), "ts=2026-01-02T03:04:05.678Z lvl=warn app=ap-candle ev=commit_refused part=3 why=lease_lost "
				      "next=\"reacquire now\" lag_ms=-5 rate=1.5 empty=\"\" odd=\"a\\x01\\\"\\\\\\n\\x7f\" eq=\"a=b\"\n");
	ap_buf_clear(&b);
	ap_log_line(&b, (ap_ts){ 0 }, AP_DEBUG, "x", "y", (const struct ap_kv[]){ KV_T("k", ap_str_n(big, sizeof big)) }, 1);
	assert_int_equal(b.len, strlen("ts=1970-01-01T00:00:00.000Z lvl=debug app=x ev=y k=") + 1024 + 3 + 1);
	assert_memory_equal(b.p + b.len - 5, "z...\n", 5);
	ap_buf_done(&b);
	assert_string_equal(ap_lvl_name(AP_ERROR), "error");
	assert_string_equal(ap_lvl_name(AP_INFO), "info");
}

static void json_strings_are_valid_whatever_the_bytes(void **state)
{
	static const struct {
		ap_str in;
		const char *out;
	} t[] = {
		{ { "", 0 }, "\"\"" },
		{ { "plain", 5 }, "\"plain\"" },
		{ { "a\"b\\c/", 6 }, "\"a\\\"b\\\\c/\"" },
		{ { "\b\f\n\r\t\x01\x1f\x7f\0z", 10 }, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000z\"" },
		{ { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9 }, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ { "a\xff" "b\xc3", 4 }, "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\"" },
		{ { "\xc0\xaf", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },                          /* overlong */
		{ { "\xed\xa0\x80", 3 }, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },          /* surrogate */
		{ { "\xf4\x90\x80\x80", 4 }, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 4096);
	for (size_t i = 0; i < LEN(t); i++) {
		ap_buf_clear(&b);
		ap_json_string(&b, t[i].in);
		assert_string_equal(text(&b), t[i].out);
	}
	ap_buf_done(&b);
}

static void json_doubles_read_back_the_same(void **state)
{
	static const struct {
		double v;
		const char *out;
	} t[] = { { 0.1, "0.1" }, { 1, "1" }, { -2.5, "-2.5" }, { 1e300, "1e+300" }, { 0.1 + 0.2, "0.30000000000000004" },
		  { 1.0 / 3, "0.3333333333333333" } };
	struct ap_buf b;
	uint64_t x = 1;

	(void)state;
	ap_buf_init(&b, 4096);
	for (size_t i = 0; i < LEN(t); i++) {
		ap_buf_clear(&b);
		ap_json_double(&b, t[i].v);
		assert_string_equal(text(&b), t[i].out);
	}
	for (int i = 0; i < 20000; i++) {
		double v;

		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(&v, &x, sizeof v);
		ap_buf_clear(&b);
		ap_json_double(&b, v);
		if (isfinite(v))
			assert_true(strtod(text(&b), NULL) == v);
		else
			assert_string_equal(text(&b), "null");
	}
	ap_buf_done(&b);
}

static void a_record_is_one_json_object(void **state)
{
	struct ap_rec r = { .kind = AP_TRADE, .id = { 1700000000000, 64 }, .idx = 5 };
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 4096);
	r.u.trade = (struct ap_trade){ .source = ap_str_c("tcp"), .symbol = ap_str_c("BTC-USDT"), .venue_symbol = ap_str_c("BTCUSDT"),
				       .trade_id = ap_str_c("9"), .ts = { 1767323045678901000 }, .side = AP_SIDE_BUY };
	ap_dec_parse("61784.010", 9, &r.u.trade.price);
	ap_dec_parse("1e-8", 4, &r.u.trade.qty);
	ap_rec_json(&b, &r);
	assert_string_equal(text(&b), "{\"kind\":\"trade\",\"id\":\"1700000000000-64\",\"idx\":5,\"source\":\"tcp\",\"symbol\":\"BTC-USDT\","
				      "\"venue_symbol\":\"BTCUSDT\",\"trade_id\":\"9\",\"timestamp\":\"2026-01-02T03:04:05.678901Z\","
				      "\"price\":61784.01,\"quantity\":0.00000001,\"side\":\"buy\",\"raw_idx\":0,\"sub\":0,\"rounded\":false}");
	ap_buf_clear(&b);
	r = (struct ap_rec){ .kind = AP_BEAT };
	r.u.beat = (struct ap_beat){ ap_str_c("sim"), { 1000000000 }, 1000, true, true, false };
	ap_rec_json(&b, &r);
	assert_string_equal(text(&b), "{\"kind\":\"beat\",\"source\":\"sim\",\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"covers_ms\":1000,"
				      "\"alive\":true,\"live\":true,\"close\":false}");
	ap_buf_done(&b);
}

static void origins_are_what_they_always_were(void **state)
{
	static const struct {
		const char *producer;
		uint32_t tag;
		uint64_t seq, origin;
		const char *field;
	} t[] = {
		{ "", 0xd394c2, 0, 0xd394c20000000000, "producer:d394c2" },
		{ "host-a", 0x1dd03e, 1, 0x1dd03e0000000001, "producer:1dd03e" },
		{ "sim-history", 0xac7ac9, 57000, 0xac7ac9000000dea8, "producer:ac7ac9" },
		{ "replay:0123456789abcdef0123456789abcdef", 0xd3b575, AP_ORIGIN_SEQ_MAX, 0xd3b575ffffffffff, "producer:d3b575" },
	};
	char field[AP_ORIGIN_FIELD];

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		assert_int_equal(ap_origin_tag(ap_str_c(t[i].producer)), t[i].tag);
		assert_int_equal(ap_origin_make(t[i].tag, t[i].seq), t[i].origin);
		assert_int_equal(ap_origin_tag_of(t[i].origin), t[i].tag);
		assert_int_equal(ap_origin_seq_of(t[i].origin), t[i].seq);
		ap_origin_field(t[i].tag, field);
		assert_string_equal(field, t[i].field);
	}
	ap_origin_field(0xab, field);
	assert_string_equal(field, "producer:0000ab");
	assert_int_equal(ap_origin_tag((ap_str){ 0 }), ap_origin_tag(ap_str_c("")));
}

static void risk_and_reward_of_a_signal_follow_from_its_prices(void **state)
{
	static const struct { double entry, stop, target, want; } rows[] = {
		{ 100, 98, 103, 1.5 }, { 100, 104, 96, 1 },          /* long, short */
		{ 100, 100, 103, -1 }, { 0, 98, 103, -1 }, { 100, 0, 103, -1 }, { 100, 98, 0, -1 },  /* none: no risk, no price */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct ap_signal s = { .entry = rows[i].entry, .stop = rows[i].stop, .target = rows[i].target };
		const double got = ap_signal_risk_reward(&s);

		assert_true(rows[i].want < 0 ? isnan(got) : got == rows[i].want);
	}
}

static void bars_have_names_that_no_timeframe_has(void **state)
{
	static const struct { const char *name; bool fine; } rows[] = {
		{ "vol10", true }, { "m", true }, { "usd.1-m_2", true }, { "abcdefghijklmnop", true },
		{ "", false }, { "1m", false }, { "Vol10", false }, { "vol 1", false }, { "abcdefghijklmnopq", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(ap_bar_name_ok(ap_str_c(rows[i].name)), rows[i].fine);
	assert_false(ap_bar_name_ok(ap_str_n("vol\0", 4)));
}

static void streams_are_found_by_their_names(void **state)
{
	enum ap_stream s;

	(void)state;
	for (unsigned i = 0; i < AP_S_N; i++) {
		assert_true(ap_stream_by_name(ap_str_c(ap_stream_name((enum ap_stream)i)), &s));
		assert_int_equal(s, i);
	}
	assert_false(ap_stream_by_name(ap_str_c("ticks"), &s));
	assert_string_equal(ap_stream_name(AP_S_SIGNAL), "signal");
	assert_string_equal(ap_verdict_name(AP_V_LATE), "late");
	assert_string_equal(ap_kind_name(AP_METRIC), "metric");
	assert_string_equal(ap_kind_name(AP_QUOTEBAR), "quotebar");
	assert_string_equal(ap_side_name(AP_SIDE_SELL), "sell");
	assert_string_equal(ap_candle_state_name(AP_REVISED), "revised");
	assert_string_equal(ap_quality_name(AP_Q_FILLED), "filled");
	assert_string_equal(ap_status_name(AP_ST_POISON), "poison");
	assert_string_equal(ap_signal_kind_name(AP_SIG_OUTCOME), "outcome");
	assert_string_equal(ap_direction_name(AP_DIR_SHORT), "short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_to_its_limit_and_then_fails_once),
		cmocka_unit_test(risk_and_reward_of_a_signal_follow_from_its_prices),
		cmocka_unit_test(bars_have_names_that_no_timeframe_has),
		cmocka_unit_test(a_fixed_buffer_never_allocates_or_overruns),
		cmocka_unit_test(printf_into_a_buffer_may_be_longer_than_any_guess),
		cmocka_unit_test(numbers_are_little_endian_bytes_on_every_machine),
		cmocka_unit_test(partitions_are_where_they_always_were),
		cmocka_unit_test(a_histogram_is_right_to_a_32nd),
		cmocka_unit_test(a_log_line_is_logfmt),
		cmocka_unit_test(json_strings_are_valid_whatever_the_bytes),
		cmocka_unit_test(json_doubles_read_back_the_same),
		cmocka_unit_test(a_record_is_one_json_object),
		cmocka_unit_test(origins_are_what_they_always_were),
		cmocka_unit_test(streams_are_found_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
