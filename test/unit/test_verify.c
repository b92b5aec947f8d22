/*
 * test_verify.c - what apctl verify computes by itself: intervals, candles from trades, indicators from closes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/core/timefmt.h"
#include "test/golden/csv.h"
#include "tools/apctl/verify_candle.h"
#include "tools/apctl/verify_ind.h"

static int64_t ms(const char *text)
{
	ap_ts ts;
	assert_true(ap_ts_parse(ap_str_c(text), &ts));
	return ap_ts_ms(ts);
}

static void intervals_are_those_of_utc(void **unused)
{
	static const struct {
		const char *tf, *at, *open, *close;
	} rows[] = {
		{ "1m", "2024-02-29T23:59:59.999Z", "2024-02-29T23:59:00Z", "2024-03-01T00:00:00Z" },
		{ "4h", "2024-02-29T23:59:59.999Z", "2024-02-29T20:00:00Z", "2024-03-01T00:00:00Z" },
		{ "1d", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z" },
		{ "1w", "2024-03-03T23:00:00Z", "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z" },
		{ "1w", "1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z" },
		{ "3d", "1970-01-04T23:00:00Z", "1970-01-02T00:00:00Z", "1970-01-05T00:00:00Z" },
		{ "1M", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z" },
		{ "3M", "2023-12-31T23:59:59Z", "2023-10-01T00:00:00Z", "2024-01-01T00:00:00Z" },
		{ "30s", "2024-03-01T00:00:29Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:30Z" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct verify_tf tf;
		int64_t open, close;
		assert_true(verify_tf_parse(rows[i].tf, &tf));
		verify_tf_at(&tf, ms(rows[i].at), &open, &close);
		assert_int_equal(open, ms(rows[i].open));
		assert_int_equal(close, ms(rows[i].close));
	}
	static const char *const bad[] = { "", "m", "0m", "1x", "1mm", "-1m", "1", "1000d", " 1m" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct verify_tf tf;
		assert_false(verify_tf_parse(bad[i], &tf));
	}
}

static struct verify_trade trade(int64_t ns, const char *id, uint64_t arrival, const char *price, const char *qty, char side)
{
	struct verify_trade t = { .ns = ns, .id = ap_str_c(id), .arrival = { 1, 0, arrival, 0 }, .side = side };
	assert_int_equal(ap_dec_parse(price, strlen(price), &t.price), AP_DEC_OK);
	assert_int_equal(ap_dec_parse(qty, strlen(qty), &t.qty), AP_DEC_OK);
	return t;
}

static void trades_are_ordered_by_time_then_id_then_arrival(void **unused)
{
	/* Each is before the one below it. */
	static const struct {
		int64_t ns;
		const char *id;
		uint64_t arrival;
	} rows[] = {
		{ 999, "zzz", 9 }, { 1000, "", 1 }, { 1000, "", 2 }, { 1000, "9", 8 }, { 1000, "10", 7 }, { 1000, "0x9", 6 }, { 1000, "a", 5 },
		{ 1000, "ab", 4 }, { 1001, "", 0 },
	};
	struct verify_tf tf;
	(void)unused;
	assert_true(verify_tf_parse("1m", &tf));
	for (size_t i = 0; i + 1 < sizeof rows / sizeof rows[0]; i++) {
		struct verify_trade a = trade(rows[i].ns, rows[i].id, rows[i].arrival, "1", "1", 'b');
		struct verify_trade b = trade(rows[i + 1].ns, rows[i + 1].id, rows[i + 1].arrival, "2", "1", 's');
		struct verify_candle c;
		for (int swap = 0; swap < 2; swap++) {
			struct verify_build build = { .tf = tf };
			assert_false(verify_build_add(&build, swap ? &b : &a, &c));
			assert_false(verify_build_add(&build, swap ? &a : &b, &c));
			assert_true(verify_build_end(&build, &c));
			assert_true(c.open.e18 == a.price.e18 && c.close.e18 == b.price.e18);
		}
	}
}

static void count_field(void *ctx, const char *field, const char *expected, const char *stored)
{
	char *out = ctx;
	size_t n = strlen(out);
	assert_string_not_equal(expected, stored);
	snprintf(out + n, 400 - n, "%s ", field);
}

static void a_candle_is_the_sum_of_its_trades_to_the_last_digit(void **unused)
{
	struct verify_build build;
	struct verify_candle c, d;
	char out[400] = "", text[AP_SUM_TEXT];
	const int64_t t = ms("2024-01-01T00:00:59.999Z") * 1000000;
	struct verify_trade rows[] = { trade(t, "1", 0, "100.000000000000000001", "0.000000000000000003", 'b'), trade(t, "2", 0, "99", "1.5", 's'),
				       trade(t, "3", 0, "101", "0", 'u'), trade(t + 1000000, "4", 0, "7", "1", 'b') };
	(void)unused;
	memset(&build, 0, sizeof build);
	assert_true(verify_tf_parse("1m", &build.tf));
	for (size_t i = 0; i < 3; i++)
		assert_false(verify_build_add(&build, &rows[i], &c));
	assert_true(verify_build_add(&build, &rows[3], &c));
	assert_int_equal(c.trade_count, 3);
	assert_true(c.open.e18 == rows[0].price.e18 && c.close.e18 == rows[2].price.e18);
	assert_true(c.high.e18 == rows[2].price.e18 && c.low.e18 == rows[1].price.e18);
	ap_sum_format(&c.quote_volume, text);
	assert_string_equal(text, "148.500000000000000300000000000000000003");
	ap_dec_format(c.volume, text);
	assert_string_equal(text, "1.500000000000000003");
	ap_dec_format(c.vwap, text);
	assert_string_equal(text, "99");
	ap_dec_format(c.buy_volume, text);
	assert_string_equal(text, "0.000000000000000003");
	verify_candle_diff(&c, &c, count_field, out);
	assert_string_equal(out, "");
	d = c;
	d.quote_volume.w[0]++;
	d.volume.e18++;
	d.close_ms++;
	verify_candle_diff(&c, &d, count_field, out);
	assert_string_equal(out, "close_time volume quote_volume ");
	assert_true(verify_build_end(&build, &d));
	assert_false(verify_build_end(&build, &d));
	assert_int_equal(d.open_ms, c.close_ms);
}

static void a_flat_market_has_an_rsi_of_zero_and_bands_of_no_width(void **unused)
{
	struct verify_ind v;
	(void)unused;
	verify_ind_init(&v);
	for (int i = 1; i <= 250; i++) {
		static const struct {
			int first;
			double value;
		} want[VERIFY_IND_N] = { { 20, 5 }, { 50, 5 }, { 200, 5 }, { 12, 5 }, { 26, 5 }, { 15, 0 }, { 34, 0 }, { 34, 0 }, { 34, 0 },
					 { 20, 5 }, { 20, 5 }, { 20, 5 } };
		verify_ind_add(&v, 5);
		for (size_t k = 0; k < VERIFY_IND_N; k++) {
			assert_int_equal(v.there[k], i >= want[k].first);
			if (v.there[k])
				assert_true(v.value[k] == want[k].value);
		}
	}
}

/* The recorded market of the golden files; TA-Lib's own values over it. */
static void values_are_those_of_ta_lib(void **unused)
{
	static const char *const columns[VERIFY_IND_N] = { "SMA_20", "SMA_50", "SMA_200", "EMA_12", "EMA_26", "RSI_14", "MACD_12_26_9.macd",
							   "MACD_12_26_9.signal", "MACD_12_26_9.hist", "BBANDS_20_2.upper",
							   "BBANDS_20_2.middle", "BBANDS_20_2.lower" };
	struct csv in, want;
	struct verify_ind v;
	char path[2][4096];
	(void)unused;
	csv_shared_path(path[0], sizeof path[0], "input/btcperp_1m.csv");
	csv_shared_path(path[1], sizeof path[1], "talib/btcperp_1m.core.csv");
	if (csv_absent(path[0]) || csv_absent(path[1])) {
		print_message("the golden files are not here\n");
		skip();
	}
	assert_true(csv_read(&in, path[0]) && csv_read(&want, path[1]));
	verify_ind_init(&v);
	for (size_t r = 0; r < in.rows; r++) {
		double close = csv_at(&in, r, csv_col(&in, "close"));
		verify_ind_add(&v, close);
		for (size_t k = 0; k < VERIFY_IND_N; k++) {
			double x = csv_at(&want, r, csv_col(&want, columns[k]));
			assert_int_equal(v.there[k], !isnan(x));
			assert_true(!v.there[k] || verify_ind_same(k, v.value[k], x, close));
		}
	}
	csv_free(&in);
	csv_free(&want);
}

static void sameness_is_relative_to_the_value_or_a_thousandth_of_the_price(void **unused)
{
	(void)unused;
	assert_true(verify_ind_same(0, 100, 100 * (1 + 0.9e-9), 100));
	assert_false(verify_ind_same(0, 100, 100 * (1 + 1.1e-9), 100));
	assert_false(verify_ind_same(5, 1e-6, 2e-6, 100));
	assert_true(verify_ind_same(6, 0, 0.9e-10, 100));       /* MACD: the difference of two averages near 100 */
	assert_false(verify_ind_same(6, 0, 1.1e-10, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_are_those_of_utc),
		cmocka_unit_test(trades_are_ordered_by_time_then_id_then_arrival),
		cmocka_unit_test(a_candle_is_the_sum_of_its_trades_to_the_last_digit),
		cmocka_unit_test(a_flat_market_has_an_rsi_of_zero_and_bands_of_no_width),
		cmocka_unit_test(values_are_those_of_ta_lib),
		cmocka_unit_test(sameness_is_relative_to_the_value_or_a_thousandth_of_the_price),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
