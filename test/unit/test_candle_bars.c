/*
 * test_candle_bars.c - bars that do not follow the clock, by their numbers, and their configuration.
 */
#include "candle_rig.h"
#include "test/lib/laws_hold.h"

static struct rig bars(const char *json)
{
	return rig_new("candle.bars", json, NULL);
}

/* The nth finished bar of that name, from 0. */
static const struct ap_candle *nth(const struct rig *r, const char *name, size_t n)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->got[i].to == AP_S_CANDLE && ap_str_is(r->got[i].rec.u.candle.tf, name) && n-- == 0)
			return &r->got[i].rec.u.candle;
	fail_msg("no such bar of %s", name);
	abort();
}

static void a_tick_bar_ends_with_its_last_trade(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick\",\"size\":3}]");

	(void)s;
	rig_trade(&r, 1000, "10", "1", "1");
	rig_trade(&r, 2000, "12", "1", "2");
	assert_int_equal(rig_issued(&r, "tick3"), 0);
	rig_is(rig_need(&r, AP_S_LIVE, "tick3", 1000), "10", "12", "10", "12", "2", 2);
	rig_trade(&r, 3000, "11", "1", "3");
	rig_trade(&r, 4000, "9", "1", "4");
	assert_int_equal(rig_issued(&r, "tick3"), 1);
	rig_is(nth(&r, "tick3", 0), "10", "12", "10", "11", "3", 3);
	assert_int_equal(nth(&r, "tick3", 0)->open_ms, rig_t0_ms + 1000);
	assert_int_equal(nth(&r, "tick3", 0)->close_ms, rig_t0_ms + 3001);
	assert_int_equal(nth(&r, "tick3", 0)->state, AP_FINAL);
	rig_free(&r);
}

static void volume_and_dollar_bars_take_the_trade_that_reaches_the_size_whole(void **s)
{
	struct rig r = bars("[{\"kind\":\"volume\",\"size\":\"2.5\"},{\"kind\":\"dollar\",\"size\":\"100\",\"name\":\"usd100\"}]");

	(void)s;
	rig_trade(&r, 1, "10", "2", "1");
	rig_trade(&r, 2, "11", "4", "2");
	rig_trade(&r, 3, "12", "3", "3");
	rig_trade(&r, 4, "13", "1", "4");
	assert_int_equal(rig_issued(&r, "vol2.5"), 2);
	rig_is(nth(&r, "vol2.5", 0), "10", "11", "10", "11", "6", 2);
	rig_is(nth(&r, "vol2.5", 1), "12", "12", "12", "12", "3", 1);
	/* 20 + 44 + 36 = 100 */
	assert_int_equal(rig_issued(&r, "usd100"), 1);
	rig_is(nth(&r, "usd100", 0), "10", "12", "10", "12", "9", 3);
	rig_is_dec(nth(&r, "usd100", 0)->vwap, "11.111111111111");
	rig_free(&r);
}

static void a_range_bar_ends_when_high_less_low_reaches_the_size(void **s)
{
	struct rig r = bars("[{\"kind\":\"range\",\"size\":\"0.5\"}]");

	(void)s;
	rig_trade(&r, 1, "10", "1", "");
	rig_trade(&r, 2, "10.3", "1", "");
	rig_trade(&r, 3, "9.8", "1", "");
	rig_trade(&r, 4, "9.7", "1", "");
	assert_int_equal(rig_issued(&r, "range0.5"), 1);
	rig_is(nth(&r, "range0.5", 0), "10", "10.3", "9.8", "9.8", "3", 3);
	rig_free(&r);
}

static void renko_bricks_lie_on_the_grid_and_a_turn_takes_two(void **s)
{
	struct rig r = bars("[{\"kind\":\"renko\",\"size\":\"10\"}]");

	(void)s;
	rig_trade(&r, 1, "103", "1", "");       /* level 100 */
	rig_trade(&r, 2, "109.99", "1", "");
	assert_int_equal(rig_issued(&r, "renko10"), 0);
	rig_trade(&r, 3, "131", "1", "");       /* three bricks up */
	assert_int_equal(rig_issued(&r, "renko10"), 3);
	rig_is(nth(&r, "renko10", 0), "100", "110", "100", "110", "3", 3);
	rig_is(nth(&r, "renko10", 1), "110", "120", "110", "120", "0", 0);
	rig_is(nth(&r, "renko10", 2), "120", "130", "120", "130", "0", 0);
	rig_trade(&r, 4, "111", "2", "");       /* one size back: not yet a turn */
	assert_int_equal(rig_issued(&r, "renko10"), 3);
	rig_trade(&r, 5, "110", "1", "");       /* two sizes: one brick down */
	assert_int_equal(rig_issued(&r, "renko10"), 4);
	rig_is(nth(&r, "renko10", 3), "120", "120", "110", "110", "3", 2);
	rig_trade(&r, 6, "100", "1", "");
	rig_is(nth(&r, "renko10", 4), "110", "110", "100", "100", "1", 1);
	rig_free(&r);
}

static void a_jump_of_many_bricks_is_gone_in_bounded_steps(void **s)
{
	struct rig r = bars("[{\"kind\":\"renko\",\"size\":\"1\"}]");

	(void)s;
	rig_trade(&r, 1, "100", "1", "");
	rig_trade(&r, 2, "5100", "1", "");
	assert_int_equal(rig_issued(&r, "renko1"), 2048);
	rig_trade(&r, 3, "5100", "1", "");
	rig_trade(&r, 4, "5100", "1", "");
	assert_int_equal(rig_issued(&r, "renko1"), 5000);
	rig_is_dec(nth(&r, "renko1", 4999)->close, "5100");
	rig_free(&r);
}

static void imbalance_counts_buys_against_sells(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick_imbalance\",\"size\":2},{\"kind\":\"volume_imbalance\",\"size\":5},{\"kind\":\"dollar_imbalance\",\"size\":60}]");

	(void)s;
	r.side = AP_SIDE_BUY;
	rig_trade(&r, 1, "10", "1", "");        /* ticks +1, volume +1, dollars +10 */
	r.side = AP_SIDE_SELL;
	rig_trade(&r, 2, "10", "4", "");        /* 0, -3, -30 */
	rig_trade(&r, 3, "10", "1", "");        /* -1, -4, -40 */
	assert_int_equal(rig_issued(&r, "timb2"), 0);
	rig_trade(&r, 4, "10", "1", "");        /* -2, -5, -50 */
	assert_int_equal(rig_issued(&r, "timb2"), 1);
	assert_int_equal(rig_issued(&r, "vimb5"), 1);
	assert_int_equal(rig_issued(&r, "dimb60"), 0);
	rig_trade(&r, 5, "10", "1", "");        /* -60 */
	assert_int_equal(rig_issued(&r, "dimb60"), 1);
	rig_is(nth(&r, "dimb60", 0), "10", "10", "10", "10", "8", 5);
	rig_free(&r);
}

static void runs_count_the_stronger_side(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick_runs\",\"size\":3},{\"kind\":\"volume_runs\",\"size\":6},{\"kind\":\"dollar_runs\",\"size\":100}]");

	(void)s;
	for (int i = 0; i < 5; i++) {
		r.side = i % 2 == 0 ? AP_SIDE_BUY : AP_SIDE_SELL;
		rig_trade(&r, i, "10", i % 2 == 0 ? "1" : "3", "");
	}
	/* buys 3 of volume 3, sells 2 of volume 6 */
	assert_int_equal(nth(&r, "trun3", 0)->trade_count, 5);
	assert_int_equal(nth(&r, "vrun6", 0)->trade_count, 4);
	assert_int_equal(rig_issued(&r, "drun100"), 0);
	r.side = AP_SIDE_SELL;
	rig_trade(&r, 9, "10", "4", "");
	assert_int_equal(nth(&r, "drun100", 0)->trade_count, 6);
	rig_free(&r);
}

static void a_side_that_is_not_told_follows_the_tick_rule(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick_runs\",\"size\":3}]");

	(void)s;
	rig_trade(&r, 1, "10", "1", "");        /* first: buys */
	rig_trade(&r, 2, "9", "1", "");         /* down: sells */
	rig_trade(&r, 3, "9", "1", "");         /* as before: sells */
	rig_trade(&r, 4, "10", "1", "");        /* up: buys */
	assert_int_equal(rig_issued(&r, "trun3"), 0);
	rig_trade(&r, 5, "10", "1", "");        /* third buy */
	assert_int_equal(rig_issued(&r, "trun3"), 1);
	/* What a candle says of buys and sells is only what was told. */
	rig_is_dec(nth(&r, "trun3", 0)->buy_volume, "0");
	rig_free(&r);
}

static void no_two_bars_begin_alike(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick\",\"size\":1}]");

	(void)s;
	for (int i = 0; i < 4; i++)
		rig_trade(&r, 5, "10", "1", "");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(nth(&r, "tick1", i)->open_ms, rig_t0_ms + 5 + (int64_t)i);
	rig_free(&r);
}

static void patterns_choose_the_series(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick\",\"size\":1,\"symbols\":[\"ETH-*\",\"X??\"]},{\"kind\":\"tick\",\"size\":2,\"sources\":[\"other\"]}]");

	(void)s;
	rig_trade(&r, 1, "1", "1", "");
	assert_int_equal(rig_issued(&r, "tick1"), 0);
	r.symbol = "ETH-USDT";
	rig_trade(&r, 1, "1", "1", "");
	r.symbol = "XRP";
	rig_trade(&r, 1, "1", "1", "");
	r.symbol = "XRPL";
	rig_trade(&r, 1, "1", "1", "");
	assert_int_equal(rig_issued(&r, "tick1"), 2);
	r.source = "other";
	rig_trade(&r, 1, "1", "1", "");
	rig_trade(&r, 1, "1", "1", "");
	assert_int_equal(rig_issued(&r, "tick2"), 1);
	rig_free(&r);
}

static void a_close_beat_ends_bars(void **s)
{
	struct rig r = bars("[{\"kind\":\"tick\",\"size\":100}]");

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "10", "1", "");
	rig_close_beat(&r, 2000);
	rig_is(nth(&r, "tick100", 0), "10", "10", "10", "10", "1", 1);
	rig_free(&r);
}

#define TICK(n, more) "{\"kind\":\"tick\",\"size\":" #n more "}"
#define NINE(more) TICK(1, more) "," TICK(2, more) "," TICK(3, more) "," TICK(4, more) "," TICK(5, more) "," TICK(6, more) "," \
	TICK(7, more) "," TICK(8, more) "," TICK(9, "")

static void a_series_has_the_first_eight_kinds_that_fit_it(void **s)
{
	struct rig r = rig_new("candle.bars", "[" NINE(",\"symbols\":[\"BTC-*\"]") "]", NULL);

	(void)s;
	rig_trade(&r, 1000, "10", "1", "");
	rig_close_beat(&r, 2000);
	assert_int_equal(rig_issued(&r, "tick8"), 1);
	assert_int_equal(rig_issued(&r, "tick9"), 0);
	rig_free(&r);
}

static void a_wrong_configuration_names_its_entry(void **s)
{
	static const struct { const char *json, *says; } rows[] = {
		{ "[{\"kind\":\"tick\"}]", "size must be a number above 0" },
		{ "[{\"kind\":\"tick\",\"size\":1.5}]", "an integer" },
		{ "[{\"kind\":\"tick\",\"size\":0}]", "above 0" },
		{ "[{\"kind\":\"hour\",\"size\":1,\"@\":17}]", "candle.bars, line 17: kind must be one of tick volume" },
		{ "[{\"kind\":\"tick\",\"size\":1},{\"kind\":\"tick\",\"size\":1}]", "entry 2: two bars are called tick1" },
		{ "[{\"kind\":\"volume\",\"size\":\"123456789.123456789\"}]", "without one it would be called vol123456789.123456789" },
		{ "[{\"kind\":\"tick\",\"size\":1,\"name\":\"abcdefghijklmnopq\"}]", "name must be 1 to 16" },
		{ "[{\"kind\":\"tick\",\"size\":1,\"name\":\"1m\"}]", "begin with a letter" },
		{ "[{\"kind\":\"tick\",\"size\":1,\"colour\":2}]", "there is no key colour; there are kind size name symbols sources" },
		{ "[{\"kind\":\"tick\",\"size\":1,\"symbols\":[]}]", "symbols must be a list such as [\"BTC-*\"]" },
		{ "[" NINE("") "]", "9 entries are for every series, which has room for 8" },
		{ "[5]", "not a group" },
	};

	(void)s;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ap_conf conf;
		char err[300] = "";

		ap_conf_init(&conf);
		conf_set(&conf, "candle.bars", rows[i].json);
		assert_null(ap_candle_stage.open(&conf, err, sizeof err));
		if (strstr(err, rows[i].says) == NULL)
			fail_msg("%s: said \"%s\"", rows[i].json, err);
		ap_conf_done(&conf);
	}
}

static void the_laws_hold_with_bars_of_every_kind(void **s)
{
	static const char all[] = "[{\"kind\":\"tick\",\"size\":7},{\"kind\":\"volume\",\"size\":5},{\"kind\":\"dollar\",\"size\":20000},"
				  "{\"kind\":\"range\",\"size\":\"0.7\"},{\"kind\":\"renko\",\"size\":\"0.3\"},{\"kind\":\"tick_imbalance\",\"size\":4},"
				  "{\"kind\":\"dollar_imbalance\",\"size\":9000},{\"kind\":\"volume_runs\",\"size\":3}]";
	const struct laws_walk w[] = {
		{ .seed = 6, .sources = 2, .symbols = 2, .trades = 800, .entry_max = 9, .step_ms_max = 900, .beat_ms = 1000, .delay_pct = 10,
		  .delay_ms_max = 3000, .dead_pct = 2, .close = true },
		{ .seed = 7, .sources = 1, .symbols = 30, .trades = 800, .entry_max = 90, .step_ms_max = 90, .beat_ms = 1000, .close = true },
	};

	(void)s;
	for (size_t i = 0; i < sizeof w / sizeof w[0]; i++)
		laws_hold(&ap_candle_stage, &w[i], "candle.bars", all, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tick_bar_ends_with_its_last_trade),
		cmocka_unit_test(volume_and_dollar_bars_take_the_trade_that_reaches_the_size_whole),
		cmocka_unit_test(a_range_bar_ends_when_high_less_low_reaches_the_size),
		cmocka_unit_test(renko_bricks_lie_on_the_grid_and_a_turn_takes_two),
		cmocka_unit_test(a_jump_of_many_bricks_is_gone_in_bounded_steps),
		cmocka_unit_test(imbalance_counts_buys_against_sells),
		cmocka_unit_test(runs_count_the_stronger_side),
		cmocka_unit_test(a_side_that_is_not_told_follows_the_tick_rule),
		cmocka_unit_test(no_two_bars_begin_alike),
		cmocka_unit_test(patterns_choose_the_series),
		cmocka_unit_test(a_close_beat_ends_bars),
		cmocka_unit_test(a_series_has_the_first_eight_kinds_that_fit_it),
		cmocka_unit_test(a_wrong_configuration_names_its_entry),
		cmocka_unit_test(the_laws_hold_with_bars_of_every_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
