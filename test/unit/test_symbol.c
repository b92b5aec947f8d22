/*
 * test_symbol.c - canonical names: real examples of every venue, and what must never happen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/core/symbol.h"
#include "test/lib/shared.h"
#include "test/lib/laws.h"

static void assert_canon(const char *source, const char *venue, const char *want)
{
	char out[AP_SYMBOL_MAX];
	size_t n = ap_symbol_canon(ap_str_c(source), ap_str_c(venue), out);
	if (n != strlen(want) || memcmp(out, want, n) != 0)
		fail_msg("%s %s: want %s, got %.*s", source, venue, want, (int)n, out);
}

static void every_venues_spelling_becomes_the_canonical_name(void **unused)
{
	static const struct {
		const char *source, *venue, *want;
	} cases[] = {
		{ "binance", "BTCUSDT", "BTC-USDT" }, { "binance", "NKNUSDT", "NKN-USDT" },
		{ "binance", "LRCBTC", "LRC-BTC" }, { "binance", "RUNEEUR", "RUNE-EUR" },
		{ "binance", "BTCTUSD", "BTC-TUSD" }, { "binance", "BTTTUSD", "BTT-TUSD" },
		{ "binance", "BATTUSD", "BAT-TUSD" }, { "binance", "BNBBUSD", "BNB-BUSD" },
		{ "binance", "BTCFDUSD", "BTC-FDUSD" }, { "binance", "USDTTRY", "USDT-TRY" },
		{ "binance_us", "BNBUSD", "BNB-USD" }, { "binance_us", "BTCBUSD", "BTC-BUSD" },
		{ "binance_futures", "SUSHIUSDT", "SUSHI-USDT-PERP" },
		{ "binance_futures", "BTCUSDT_210924", "BTC-USDT-210924" },
		{ "binance_futures", "BTC/USDT", "BTC-USDT-PERP" },
		{ "binance_futures", "BTC-USDT", "BTC-USDT" },
		{ "binance_futures", "1000SHIBUSDT", "1000SHIB-USDT-PERP" },
		{ "binance_coinm", "BTCUSD_PERP", "BTC-USD-PERP" }, { "binance_coinm", "BTCUSD_240927", "BTC-USD-240927" },
		{ "coinbase", "BAND-GBP", "BAND-GBP" }, { "coinbase", "YFI-BTC", "YFI-BTC" },
		{ "kraken", "XMR/USD", "XMR-USD" }, { "kraken", "XBT/USD", "BTC-USD" }, { "kraken", "ETH/XBT", "ETH-BTC" },
		{ "kraken", "XDG/USD", "DOGE-USD" }, { "kraken", "XXBTZUSD", "BTC-USD" }, { "kraken", "XETHXXBT", "ETH-BTC" },
		{ "kraken", "XBTUSD", "BTC-USD" }, { "kraken", "XTZUSD", "XTZ-USD" }, { "kraken", "USDTZUSD", "USDT-USD" },
		{ "kraken", "XBT-USD", "BTC-USD" }, { "kraken_futures", "PI_XBTUSD", "BTC-USD-PERP" },
		{ "kraken_futures", "FI_XBTUSD_240329", "BTC-USD-240329" },
		{ "bybit", "BCHUSDT", "BCH-USDT-PERP" }, { "bybit", "BTCUSD", "BTC-USD-PERP" },
		{ "bybit", "DOTUSD", "DOT-USD-PERP" }, { "bybit", "BTCUSDU21", "BTC-USD-U21" },
		{ "bybit", "BTCPERP", "BTC-USDC-PERP" },
		{ "okx", "BTC-USD-SWAP", "BTC-USD-PERP" }, { "okx", "BTC-USD-220527", "BTC-USD-220527" },
		{ "okx", "BTC-USDT", "BTC-USDT" }, { "okx", "BTC-USD-220514-24000-C", "BTC-USD-220514-24000-C" },
		{ "bitmex", "XBTUSD", "BTC-USD-PERP" }, { "bitmex", "XBT_USDT", "BTC-USDT" }, { "bitmex", "XBTM21", "XBTM21" },
		{ "gate", "btc_usdt", "BTC-USDT" }, { "huobi", "btcusdt", "BTC-USDT" }, { "demo", "Btc/Usd", "BTC-USD" },
		{ "demo", "DOTUSD", "DOT-USD" }, { "demo", "BTCTUSD", "BTC-TUSD" }, { "demo", "BTC/USDT:USDT", "BTC-USDT-PERP" },
		{ "demo", "BTC/USDT:USDT-240329", "BTC-USDT-240329" }, { "demo", "EURUSD", "EUR-USD" },
		{ "lean", "SPY", "SPY" }, { "lean", "BRK.B", "BRK.B" }, { "lean", "GBTC", "GBTC" }, { "lean", "USDT", "USDT" },
		{ "", "TUSDT", "T-USDT" },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_canon(cases[i].source, cases[i].venue, cases[i].want);
}

static void what_is_no_symbol_has_no_name(void **unused)
{
	static const char *const bad[] = {
		"", "BTC USDT", "BTC\"USDT", "BTC\n", "\xe5\xb8\x81", "-", "BTC-", "-BTC", "BTC--USD", "_", "BTC_", "/", "BTC/",
		"BTC//USD", "A:B", "BTC/USD-X", "BTC/USD:USD-", "BTC/USD:USD-2/3",
		"A23456789B123456789C123456789D123456789E12345678X",
	};
	char out[AP_SYMBOL_MAX];
	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (ap_symbol_canon(ap_str_c("kraken"), ap_str_c(bad[i]), out) != 0)
			fail_msg("%s has a name", bad[i]);
}

static void a_name_of_the_greatest_length_fits(void **unused)
{
	char long_name[AP_SYMBOL_MAX + 1], out[AP_SYMBOL_MAX];
	(void)unused;
	memset(long_name, 'A', sizeof long_name);
	assert_int_equal(ap_symbol_canon(ap_str_c("x"), ap_str_n(long_name, AP_SYMBOL_MAX), out), AP_SYMBOL_MAX);
	assert_int_equal(ap_symbol_canon(ap_str_c("x"), ap_str_n(long_name, AP_SYMBOL_MAX + 1), out), 0);
	memcpy(long_name + AP_SYMBOL_MAX - 4, "USDT", 4);
	/* With its dash it would be a byte too long. */
	assert_int_equal(ap_symbol_canon(ap_str_c("x"), ap_str_n(long_name, AP_SYMBOL_MAX), out), 0);
}

static void a_canonical_name_maps_to_itself_for_every_source(void **unused)
{
	static const char *const sources[] = {
		"binance", "binance_us", "binance_futures", "binance_coinm", "coinbase", "kraken", "kraken_futures",
		"bybit", "okx", "bitmex", "bitstamp", "anything", "",
	};
	static const char *const pieces[] = {
		"BTC", "XBT", "USD", "USDT", "TUSD", "-", "-", "_", "/", ":", "SWAP", "PERP", "210924", "M21", "Z", "X", "PI_",
		"eth", "dot", ".", "1000",
	};
	struct laws_rng s = { 7 };
	size_t named = 0;
	(void)unused;
	for (int round = 0; round < 200000; round++) {
		char text[80] = "", once[AP_SYMBOL_MAX], twice[AP_SYMBOL_MAX];
		ap_str src = ap_str_c(sources[laws_rand(&s) % (sizeof sources / sizeof sources[0])]);
		size_t n, m;
		for (uint64_t k = 1 + laws_rand(&s) % 7; k > 0; k--)
			strcat(text, pieces[laws_rand(&s) % (sizeof pieces / sizeof pieces[0])]);
		n = ap_symbol_canon(src, ap_str_c(text), once);
		if (n == 0)
			continue;
		named++;
		m = ap_symbol_canon(src, ap_str_n(once, n), twice);
		if (m != n || memcmp(once, twice, n) != 0)
			fail_msg("%.*s: %s -> %.*s -> %.*s", (int)src.len, src.p, text, (int)n, once, (int)m, twice);
	}
	assert_true(named > 20000);
}

static void source_names_are_folded_and_checked(void **unused)
{
	char out[AP_SOURCE_MAX];
	(void)unused;
	assert_int_equal(ap_source_canon(ap_str_c("BINANCE_Futures"), out), 15);
	assert_memory_equal(out, "binance_futures", 15);
	assert_int_equal(ap_source_canon(ap_str_c(""), out), 0);
	assert_int_equal(ap_source_canon(ap_str_c("a b"), out), 0);
	assert_int_equal(ap_source_canon(ap_str_c("a/b"), out), 0);
	assert_int_equal(ap_source_canon(ap_str_c("12345678901234567890123456789012"), out), 32);
	assert_int_equal(ap_source_canon(ap_str_c("123456789012345678901234567890123"), out), 0);
	static const char *const ruled[] = {
		"binance", "binance_us", "binance_futures", "binance_usdm", "binance_coinm", "binance_delivery", "coinbase", "kraken",
		"kraken_futures", "bybit", "bybit_spot", "okx", "okex", "bitmex", "bitstamp", "bitfinex", "gemini",
	};
	for (size_t i = 0; i < sizeof ruled / sizeof ruled[0]; i++)
		assert_true(ap_symbol_has_rules(ap_str_c(ruled[i])));
	assert_false(ap_symbol_has_rules(ap_str_c("my-kraken")));
}

static void recorded_sessions_name_their_symbols_as_expected(void **unused)
{
	static const char *const ex[] = { "BINANCE", "BINANCE_FUTURES", "COINBASE", "KRAKEN", "BYBIT", "OKX" };
	size_t compared = 0;
	(void)unused;
	for (size_t i = 0; i < sizeof ex / sizeof ex[0]; i++) {
		struct shared_lines l;
		char path[128], source[AP_SOURCE_MAX + 1] = "";
		snprintf(path, sizeof path, "data/ws/expected-trades-%s.csv", ex[i]);
		if (!shared_open(&l, path))
			skip();
		assert_int_equal(ap_source_canon(ap_str_c(ex[i]), source), strlen(ex[i]));
		shared_next(&l);
		while (shared_next(&l)) {
			char *cell[13];
			assert_int_equal(shared_cells(l.line, cell, 13), 13);
			assert_canon(source, cell[4], cell[5]);
			compared++;
		}
		shared_close(&l);
	}
	printf("# compared %zu recorded symbols\n", compared);
	assert_int_equal(compared, 2 + 91 + 107 + 10 + 251 + 74);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_venues_spelling_becomes_the_canonical_name),
		cmocka_unit_test(what_is_no_symbol_has_no_name),
		cmocka_unit_test(a_name_of_the_greatest_length_fits),
		cmocka_unit_test(a_canonical_name_maps_to_itself_for_every_source),
		cmocka_unit_test(source_names_are_folded_and_checked),
		cmocka_unit_test(recorded_sessions_name_their_symbols_as_expected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
