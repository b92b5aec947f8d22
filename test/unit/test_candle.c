/*
 * test_candle.c - what the candle fold does with trades and beats, one sentence each. The D numbers are
 * the defects of an earlier system that must not come back.
 */
#include "candle_rig.h"

/* --- the earlier system's defects, with their numbers --------------------- */

static void d1_a_trade_on_the_boundary_belongs_to_the_next_candle(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 0, "100", "1", "1");
	rig_trade(&r, 59999, "101", "1", "2");
	rig_trade(&r, 60000, "200", "1", "3");
	rig_trade(&r, 119999, "201", "1", "4");
	rig_trade(&r, 120000, "50", "1", "5");
	rig_trade(&r, 179999, "51", "1", "6");
	rig_beat(&r, 182000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "100", "101", "100", "101", "2", 2);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 60000), "200", "201", "200", "201", "2", 2);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 120000), "50", "51", "50", "51", "2", 2);
	rig_free(&r);
}

static void d2_the_close_time_is_the_open_time_and_the_interval(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 5000, "1", "1", "1");
	rig_beat(&r, 2 * RIG_DAY);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->close_ms - rig_t0_ms, RIG_MIN);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "5m", 0)->close_ms - rig_t0_ms, 5 * RIG_MIN);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "15m", 0)->close_ms - rig_t0_ms, 15 * RIG_MIN);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1h", 0)->close_ms - rig_t0_ms, RIG_HOUR);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "4h", 0)->close_ms - rig_t0_ms, 4 * RIG_HOUR);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->close_ms - rig_t0_ms, RIG_DAY);
	rig_free(&r);
}

static void d3_a_quiet_symbol_closes_by_beats_alone(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 5000, "10", "1", "1");
	for (int64_t t = 6000; t < 62000; t += 1000)
		rig_beat(&r, t);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 0);
	rig_beat(&r, 62000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "10", "10", "10", "10", "1", 1);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_FULL);
	rig_free(&r);
}

static void d3_empty_minutes_are_absent_or_filled_as_configured(void **s)
{
	struct rig none = rig_new(NULL), fill = rig_new("candle.fill", "previous", NULL);
	struct rig *both[] = { &none, &fill };

	(void)s;
	for (int i = 0; i < 2; i++) {
		rig_beat(both[i], 0);
		rig_trade(both[i], 5000, "10", "2", "1");
		for (int64_t t = 1000; t <= 3 * RIG_MIN + 2000; t += 1000)
			rig_beat(both[i], t);
	}
	assert_int_equal(rig_issued(&none, "1m"), 1);
	assert_int_equal(rig_issued(&fill, "1m"), 3);
	rig_is(rig_need(&fill, AP_S_CANDLE, "1m", 2 * RIG_MIN), "10", "10", "10", "10", "0", 0);
	assert_int_equal(rig_need(&fill, AP_S_CANDLE, "1m", 2 * RIG_MIN)->quality, AP_Q_FILLED);
	assert_int_equal(rig_need(&fill, AP_S_CANDLE, "1m", 2 * RIG_MIN)->coverage_ms, RIG_MIN);
	rig_free(&none);
	rig_free(&fill);
}

static void d4_every_timeframe_closes_at_its_own_boundary(void **s)
{
	struct rig r = rig_new(NULL);
	static const struct { const char *tf; int64_t ms; } tfs[] = {
		{ "1m", RIG_MIN }, { "5m", 5 * RIG_MIN }, { "15m", 15 * RIG_MIN }, { "1h", RIG_HOUR }, { "4h", 4 * RIG_HOUR }, { "1d", RIG_DAY },
	};

	(void)s;
	rig_trade(&r, 0, "1", "1", "1");
	for (size_t i = 0; i < sizeof tfs / sizeof tfs[0]; i++) {
		rig_beat(&r, tfs[i].ms + 1999);
		assert_null(rig_find(&r, AP_S_CANDLE, tfs[i].tf, 0));
		rig_beat(&r, tfs[i].ms + 2000);
		assert_non_null(rig_find(&r, AP_S_CANDLE, tfs[i].tf, 0));
		assert_int_equal(rig_issued(&r, tfs[i].tf), 1);
	}
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 6);
	rig_free(&r);
}

static void d4_one_refused_series_does_not_stop_the_others(void **s)
{
	struct rig r = rig_new("candle.series_max", "2", NULL);

	(void)s;
	rig_trade(&r, 0, "1", "1", "1");
	r.symbol = "ETH-USDT";
	rig_trade(&r, 0, "2", "1", "1");
	r.symbol = "XRP-USDT";
	assert_int_equal(rig_trade(&r, 0, "3", "1", "1"), AP_V_INVALID);
	assert_true(ap_str_is(rig_last_reject(&r)->reason, "too_many_series"));
	rig_beat(&r, 62000);
	assert_int_equal(rig_issued(&r, "1m"), 2);
	rig_free(&r);
}

static void d5_a_late_print_revises_its_own_minute_and_touches_nothing_else(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_candle *c;

	(void)s;
	rig_trade(&r, 10000, "100", "1", "1");
	rig_trade(&r, 130000, "101", "1", "2");
	rig_beat(&r, 125000);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->state, AP_FINAL);
	assert_int_equal(rig_trade(&r, 5000, "999", "1", "0"), AP_V_TAKEN);
	c = rig_need(&r, AP_S_CANDLE, "1m", 0);
	rig_is(c, "999", "999", "100", "100", "2", 2);
	assert_int_equal(c->state, AP_REVISED);
	assert_int_equal(c->revision, 1);
	rig_is(rig_need(&r, AP_S_LIVE, "1m", 120000), "101", "101", "101", "101", "1", 1);
	rig_beat(&r, 182000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 120000), "101", "101", "101", "101", "1", 1);
	rig_free(&r);
}

static void d6_vwap_starts_from_zero_in_every_candle(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 0, "100", "1", "1");
	rig_trade(&r, 1, "101", "1", "2");
	rig_trade(&r, 2, "200", "1", "3");
	rig_trade(&r, 60000, "201", "1", "4");
	rig_trade(&r, 60001, "50", "1", "5");
	rig_beat(&r, 122000);
	rig_is_dec(rig_need(&r, AP_S_CANDLE, "1m", 0)->vwap, "133.666666666667");
	rig_is_dec(rig_need(&r, AP_S_CANDLE, "1m", 60000)->vwap, "125.5");
	rig_free(&r);
}

static void d7_the_first_trade_of_a_candle_is_seen_at_once(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 0, "100", "1", "1");
	assert_int_equal(rig_count(&r, AP_S_LIVE), 6);
	rig_is(rig_need(&r, AP_S_LIVE, "1d", 0), "100", "100", "100", "100", "1", 1);
	assert_int_equal(rig_need(&r, AP_S_LIVE, "1m", 0)->state, AP_FORMING);
	rig_free(&r);
}

struct d9_fields {
	struct ap_saver saver;
	struct rig *into;
	size_t n;
};

static void d9_put(struct ap_saver *sv, ap_str field, ap_str value)
{
	struct d9_fields *f = (struct d9_fields *)(void *)sv;

	assert_true(ap_candle_stage.load(f->into->st, field, value));
	f->n++;
}

static void d9_del(struct ap_saver *sv, ap_str field)
{
	(void)sv;
	(void)field;
}

static void d9_stopping_closes_nothing_and_the_state_comes_back(void **s)
{
	struct rig r = rig_new(NULL), again = rig_new(NULL);
	struct d9_fields f = { .saver = { d9_put, d9_del }, .into = &again };
	char err[100] = "";

	(void)s;
	rig_trade(&r, 1000, "100", "1", "1");
	rig_trade(&r, 2000, "90", "2", "2");
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 0);
	ap_candle_stage.save(r.st, &f.saver, true);
	assert_true(ap_candle_stage.loaded(again.st, err, sizeof err));
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 0);
	rig_trade(&again, 3000, "95", "1", "3");
	rig_beat(&again, 62000);
	rig_is(rig_need(&again, AP_S_CANDLE, "1m", 0), "100", "100", "90", "95", "4", 3);
	rig_beat(&again, RIG_DAY + 2000);
	rig_is(rig_need(&again, AP_S_CANDLE, "1d", 0), "100", "100", "90", "95", "4", 3);
	rig_free(&r);
	rig_free(&again);
}

static void carry(struct rig *from, struct rig *to)
{
	struct d9_fields f = { .saver = { d9_put, d9_del }, .into = to };
	char err[200] = "";

	ap_candle_stage.save(from->st, &f.saver, true);
	if (!ap_candle_stage.loaded(to->st, err, sizeof err))
		fail_msg("%s", err);
}

static void a_timeframe_that_is_added_later_begins_partial(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m,1d", NULL), again = rig_new("candle.timeframes", "1m,1h,1d", NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "10", "1", "1");
	rig_beat(&r, 40 * RIG_MIN);
	rig_trade(&r, 40 * RIG_MIN, "20", "1", "2");
	carry(&r, &again);
	again.beat_ms = r.beat_ms;
	rig_beat(&again, 3 * RIG_HOUR);
	/* The first trade had left the window: the 1h candle lacks it and says so; the 1d candle has it. */
	rig_is(rig_need(&again, AP_S_CANDLE, "1h", 0), "20", "20", "20", "20", "1", 1);
	assert_int_equal(rig_need(&again, AP_S_CANDLE, "1h", 0)->quality, AP_Q_PARTIAL);
	rig_trade(&again, 3 * RIG_HOUR, "5", "1", "3");
	rig_beat(&again, RIG_DAY + 2000);
	assert_int_equal(rig_need(&again, AP_S_CANDLE, "1h", 3 * RIG_HOUR)->quality, AP_Q_FULL);
	rig_is(rig_need(&again, AP_S_CANDLE, "1d", 0), "10", "20", "5", "5", "3", 3);
	assert_int_equal(rig_need(&again, AP_S_CANDLE, "1d", 0)->quality, AP_Q_FULL);
	rig_free(&r);
	rig_free(&again);
}

/* The line of an entry is there for messages alone: a comment above it must not cost a candle its trades. */
static void a_list_of_sessions_that_moves_in_its_file_is_the_same_list(void **s)
{
	struct rig r = rig_new("candle.sessions", "[{\"@\":7,\"open\":\"00:00\",\"close\":\"23:00\",\"holidays\":[\"2030-01-01\"]}]", NULL);
	struct rig moved = rig_new("candle.sessions", "[{\"@\":12,\"open\":\"00:00\",\"close\":\"23:00\",\"holidays\":[\"2030-01-01\"]}]", NULL);
	struct rig other = rig_new("candle.sessions", "[{\"@\":7,\"open\":\"00:00\",\"close\":\"23:00\",\"holidays\":[\"2030-01-02\"]}]", NULL);
	struct rig *to[] = { &moved, &other };

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "10", "1", "1");
	rig_beat(&r, 2 * RIG_HOUR);
	for (int i = 0; i < 2; i++) {
		carry(&r, to[i]);
		to[i]->beat_ms = r.beat_ms;
		rig_trade(to[i], 2 * RIG_HOUR, "20", "1", "2");
		rig_beat(to[i], RIG_DAY + 2000);
	}
	rig_is(rig_need(&moved, AP_S_CANDLE, "1d", 0), "10", "20", "10", "20", "2", 2);
	assert_int_equal(rig_need(&moved, AP_S_CANDLE, "1d", 0)->quality, AP_Q_FULL);
	assert_int_equal(rig_need(&other, AP_S_CANDLE, "1d", 0)->quality, AP_Q_PARTIAL);
	rig_free(&r);
	rig_free(&moved);
	rig_free(&other);
}

static void another_zone_folds_larger_candles_anew(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m,1d", NULL), again = rig_new("candle.timeframes", "1m,1d", "candle.zone", "CET-1", NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "10", "1", "1");
	rig_beat(&r, 2000);
	carry(&r, &again);
	again.beat_ms = r.beat_ms;
	rig_beat(&again, RIG_DAY);
	rig_is(rig_need(&again, AP_S_CANDLE, "1d", -RIG_HOUR), "10", "10", "10", "10", "1", 1);
	assert_int_equal(rig_issued(&again, "1d"), 1);
	rig_free(&r);
	rig_free(&again);
}

static void another_base_is_refused_with_a_reason(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m,1d", NULL), again = rig_new("candle.timeframes", "1s,1m,1d", NULL);
	struct d9_fields f = { .saver = { d9_put, d9_del }, .into = &again };
	char err[300] = "";

	(void)s;
	rig_trade(&r, 1000, "10", "1", "1");
	ap_candle_stage.save(r.st, &f.saver, true);
	assert_false(ap_candle_stage.loaded(again.st, err, sizeof err));
	assert_non_null(strstr(err, "intervals of 60000 ms, these timeframes need 1000 ms"));
	rig_free(&r);
	rig_free(&again);
}

static void d10_larger_candles_are_aligned_to_utc_and_not_to_the_start(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 17 * RIG_HOUR + 37 * RIG_MIN + 5000, "1", "1", "1");
	rig_trade(&r, RIG_DAY + 5000, "2", "1", "2");
	rig_beat(&r, 3 * RIG_DAY);
	assert_non_null(rig_find(&r, AP_S_CANDLE, "1m", 17 * RIG_HOUR + 37 * RIG_MIN));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "5m", 17 * RIG_HOUR + 35 * RIG_MIN));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "15m", 17 * RIG_HOUR + 30 * RIG_MIN));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "1h", 17 * RIG_HOUR));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "4h", 16 * RIG_HOUR));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "1d", 0));
	assert_non_null(rig_find(&r, AP_S_CANDLE, "1d", RIG_DAY));
	assert_int_equal(rig_issued(&r, "1d"), 2);
	rig_free(&r);
}

/* --- order ---------------------------------------------------------------- */

static void trades_of_one_instant_are_ordered_by_integer_id(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 7, "3", "1", "1000");
	rig_trade(&r, 7, "1", "1", "9");
	rig_trade(&r, 7, "2", "1", "99");
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "3", "1", "3", "3", 3);
	rig_free(&r);
}

static void integers_come_before_other_ids_and_no_id_before_all(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 7, "3", "1", "0a4f");
	rig_trade(&r, 7, "2", "1", "99999999999999999999999999");
	rig_trade(&r, 7, "1", "1", "");
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "3", "1", "3", "3", 3);
	rig_free(&r);
}

static void without_ids_arrival_breaks_the_tie(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 7, "5", "1", "");
	rig_trade(&r, 7, "6", "1", "");
	rig_trade(&r, 7, "4", "1", "");
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "5", "6", "4", "4", "3", 3);
	rig_free(&r);
}

static void nanoseconds_count(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade_ns(&r, rig_t0_ms * 1000000 + 2, "2", "1", "1");
	rig_trade_ns(&r, rig_t0_ms * 1000000 + 1, "1", "1", "2");
	rig_trade_ns(&r, rig_t0_ms * 1000000 + 3, "3", "1", "0");
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "3", "1", "3", "3", 3);
	rig_free(&r);
}

static void sides_add_up_to_buy_and_sell_volume(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_candle *c;
	char text[AP_SUM_TEXT];

	(void)s;
	r.side = AP_SIDE_BUY;
	rig_trade(&r, 1, "10", "0.000000000000000001", "1");
	r.side = AP_SIDE_SELL;
	rig_trade(&r, 2, "10", "2", "2");
	r.side = AP_SIDE_UNKNOWN;
	rig_trade(&r, 3, "10", "4", "3");
	rig_beat(&r, 62000);
	c = rig_need(&r, AP_S_CANDLE, "1m", 0);
	rig_is_dec(c->buy_volume, "0.000000000000000001");
	rig_is_dec(c->sell_volume, "2");
	rig_is_dec(c->volume, "6.000000000000000001");
	(void)ap_sum_format(&c->quote_volume, text);
	assert_string_equal(text, "60.00000000000000001");
	rig_free(&r);
}

/* --- late, revised, ahead -------------------------------------------------- */

static void revisions_are_told_once_per_entry_with_rising_numbers(void **s)
{
	struct rig r = rig_new(NULL);
	size_t before;

	(void)s;
	rig_trade(&r, 0, "1", "1", "1");
	rig_beat(&r, 70000);
	before = rig_issued(&r, "1m");
	r.hold = true;
	rig_trade(&r, 1000, "2", "1", "2");
	rig_trade(&r, 2000, "3", "1", "3");
	rig_trade(&r, 3000, "4", "1", "4");
	rig_flush(&r);
	r.hold = false;
	assert_int_equal(rig_issued(&r, "1m"), before + 1);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->revision, 1);
	rig_trade(&r, 4000, "5", "1", "5");
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->revision, 2);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "5", "1", "5", "5", 5);
	rig_free(&r);
}

static void the_revision_window_ends_where_it_says(void **s)
{
	struct rig r = rig_new("candle.revision_ms", "10000", NULL);

	(void)s;
	rig_trade(&r, 0, "1", "1", "1");
	rig_beat(&r, 69999);
	assert_int_equal(rig_trade(&r, 1000, "2", "1", "2"), AP_V_TAKEN);
	rig_beat(&r, 70000);
	assert_int_equal(rig_trade(&r, 2000, "3", "1", "3"), AP_V_LATE);
	assert_true(ap_str_is(rig_last_reject(&r)->reason, "late"));
	assert_int_equal(rig_last_reject(&r)->status, AP_ST_LATE);
	assert_true(ap_str_is(rig_last_reject(&r)->trade_id, "3"));
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "2", "1", "2", "2", 2);
	/* What the small candle refuses must not be in the larger one either. */
	rig_beat(&r, 5 * RIG_MIN + 2000);
	rig_is(rig_need(&r, AP_S_CANDLE, "5m", 0), "1", "2", "1", "2", "2", 2);
	rig_free(&r);
}

static void a_candle_that_first_appears_late_is_a_revision_of_nothing(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_beat(&r, 10 * RIG_MIN);
	rig_trade(&r, 1000, "7", "1", "1");
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "7", "7", "7", "7", "1", 1);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->state, AP_REVISED);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->revision, 1);
	assert_int_equal(rig_need(&r, AP_S_LIVE, "15m", 0)->state, AP_FORMING);
	rig_free(&r);
}

static void a_trade_from_the_future_closes_nothing(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "1", "1", "1");
	assert_int_equal(rig_trade(&r, 20 * RIG_HOUR, "500", "1", "2"), AP_V_TAKEN);
	rig_trade(&r, 2000, "2", "1", "3");
	rig_beat(&r, 62000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 1);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "1", "2", "1", "2", "2", 2);
	rig_free(&r);
}

static void stamps_far_ahead_are_bounded_and_do_not_shut_out_the_present(void **s)
{
	struct rig r = rig_new(NULL);
	int refused = 0;

	(void)s;
	rig_beat(&r, 0);
	for (int i = 0; i < 200; i++)
		refused += rig_trade(&r, 10 * RIG_MIN + (int64_t)i * RIG_MIN, "1", "1", "") == AP_V_INVALID;
	assert_int_equal(refused, 200 - 64);
	assert_true(ap_str_is(rig_last_reject(&r)->reason, "too_far_ahead"));
	assert_int_equal(rig_trade(&r, 30000, "1", "1", ""), AP_V_TAKEN);
	assert_int_equal(rig_trade(&r, 60000, "1", "1", ""), AP_V_TAKEN);
	rig_free(&r);
}

static void sums_that_would_leave_their_range_refuse_the_trade(void **s)
{
	struct rig r = rig_new(NULL);
	int taken = 0;

	(void)s;
	/* Each volume is just below 10^18; 2^126 units of 1e-18 hold 85 of them. */
	for (int i = 0; i < 200; i++)
		taken += rig_trade(&r, 1000, "999999999999999999", "999999999999999999", "") == AP_V_TAKEN;
	assert_in_range(taken, 80, 86);
	assert_true(ap_str_is(rig_last_reject(&r)->reason, "range"));
	rig_beat(&r, 62000);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->trade_count, taken);
	rig_is_dec(rig_need(&r, AP_S_CANDLE, "1m", 0)->vwap, "999999999999999999");
	/* The larger candles are full as well: the next minute is refused too, not half counted. */
	assert_int_equal(rig_trade(&r, 61000, "1", "999999999999999999", ""), AP_V_INVALID);
	rig_free(&r);
}

/* --- feeds that die, begin and end ----------------------------------------- */

static void a_dead_feed_holds_its_candle_until_the_window_has_passed(void **s)
{
	struct rig r = rig_new(NULL);
	int64_t t;

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 30000);
	for (t = 31000; t < 960000; t += 1000)
		rig_dead_beat(&r, t);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 0);
	rig_dead_beat(&r, 960000);
	assert_int_equal(rig_issued(&r, "1m"), 1);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_GAP);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->coverage_ms, 30000);
	rig_free(&r);
}

static void a_feed_that_comes_back_closes_what_it_missed_as_a_gap(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 20000);
	rig_dead_beat(&r, 21000);
	rig_dead_beat(&r, 40000);
	rig_beat(&r, 90000);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_GAP);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->coverage_ms, 40000);
	rig_free(&r);
}

static void another_source_s_beats_close_nothing(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_trade(&r, 1000, "5", "1", "1");
	r.source = "other";
	rig_beat(&r, RIG_HOUR);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 0);
	rig_free(&r);
}

static void the_first_candle_of_a_source_is_partial(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	r.beat_ms = 20000;
	rig_trade(&r, 20500, "5", "1", "1");
	rig_trade(&r, 70000, "6", "1", "2");
	for (int64_t t = 21000; t <= 122000; t += 1000)
		rig_beat(&r, t);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_PARTIAL);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->coverage_ms, 40000);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 60000)->quality, AP_Q_FULL);
	rig_free(&r);
}

static void a_close_beat_ends_everything_of_its_source_at_once(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	r.source = "other";
	rig_trade(&r, 1000, "5", "1", "1");
	r.source = "sim";
	rig_close_beat(&r, 2000);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 6);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->state, AP_FINAL);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->quality, AP_Q_PARTIAL);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->coverage_ms, 2000);
	rig_free(&r);
}

static void a_tape_that_goes_on_after_its_close_revises_when_its_time_comes(void **s)
{
	struct rig r = rig_new(NULL);
	size_t before;

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_close_beat(&r, 2000);
	before = rig_count(&r, AP_S_CANDLE);
	rig_trade(&r, 3000, "6", "1", "2");
	rig_trade(&r, 4000, "7", "1", "3");
	assert_int_equal(rig_count(&r, AP_S_CANDLE), before);
	rig_is(rig_need(&r, AP_S_LIVE, "1m", 0), "5", "7", "5", "7", "3", 3);
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "5", "7", "5", "7", "3", 3);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->state, AP_REVISED);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_FULL);
	rig_free(&r);
}

static void a_tape_of_an_earlier_time_begins_anew_once_the_one_before_has_ended(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	r.symbol = "NEW-USD";
	rig_beat(&r, 10 * RIG_DAY);
	rig_trade(&r, 10 * RIG_DAY, "5", "1", "1");
	rig_beat(&r, 10 * RIG_DAY + RIG_HOUR);
	rig_trade(&r, 10 * RIG_DAY + RIG_HOUR, "6", "1", "2");
	rig_close_beat(&r, 10 * RIG_DAY + RIG_HOUR);

	/* Its first trade may come before its first beat. */
	r.symbol = "OLD-USD";
	assert_int_equal(rig_trade(&r, 0, "7", "1", "0"), AP_V_TAKEN);
	rig_beat(&r, 0);
	assert_int_equal(rig_trade(&r, 1000, "7", "1", "1"), AP_V_TAKEN);
	rig_beat(&r, 62000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 0), "7", "7", "7", "7", "2", 2);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 0)->state, AP_FINAL);

	/* What the other series has let go stays closed: no second candle may take the place of the first. */
	r.symbol = "NEW-USD";
	assert_int_equal(rig_trade(&r, 10 * RIG_DAY + 1, "9", "1", "3"), AP_V_LATE);
	assert_int_equal(rig_trade(&r, 2000, "9", "1", "4"), AP_V_LATE);
	rig_free(&r);
}

static void without_an_end_of_tape_time_never_goes_back(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, RIG_DAY);
	rig_beat(&r, 0);
	assert_int_equal(rig_trade(&r, 1000, "7", "1", "1"), AP_V_LATE);
	rig_free(&r);
}

static void one_beat_may_cover_hours(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 49 * RIG_HOUR);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 6);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->quality, AP_Q_FULL);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1d", 0)->coverage_ms, RIG_DAY);
	rig_free(&r);
}

/* --- filling ---------------------------------------------------------------- */

static void filling_stops_where_the_feed_was_down(void **s)
{
	struct rig r = rig_new("candle.fill", "previous", NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 2 * RIG_MIN);
	rig_dead_beat(&r, 3 * RIG_MIN + 1);
	rig_beat(&r, 6 * RIG_MIN);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 1 * RIG_MIN)->quality, AP_Q_FILLED);
	assert_null(rig_find(&r, AP_S_CANDLE, "1m", 2 * RIG_MIN));
	assert_null(rig_find(&r, AP_S_CANDLE, "1m", 3 * RIG_MIN));
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 4 * RIG_MIN)->quality, AP_Q_FILLED);
	rig_free(&r);
}

static void a_late_close_moves_the_filled_candles_behind_it(void **s)
{
	struct rig r = rig_new("candle.fill", "previous", NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 4 * RIG_MIN + 2000);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 3 * RIG_MIN), "5", "5", "5", "5", "0", 0);
	rig_trade(&r, 61000, "8", "2", "2");
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 1 * RIG_MIN), "8", "8", "8", "8", "2", 1);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 1 * RIG_MIN)->quality, AP_Q_FULL);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 2 * RIG_MIN), "8", "8", "8", "8", "0", 0);
	rig_is(rig_need(&r, AP_S_CANDLE, "1m", 3 * RIG_MIN), "8", "8", "8", "8", "0", 0);
	assert_int_equal(rig_need(&r, AP_S_CANDLE, "1m", 3 * RIG_MIN)->revision, 1);
	rig_free(&r);
}

static void a_long_silence_is_filled_beat_by_beat_and_no_interval_is_left_out(void **s)
{
	struct rig r = rig_new("candle.fill", "previous", NULL);

	(void)s;
	rig_beat(&r, 0);
	rig_trade(&r, 1000, "5", "1", "1");
	rig_beat(&r, 40 * (int64_t)RIG_DAY);
	assert_int_equal(rig_count(&r, AP_S_CANDLE), 16000);
	for (int i = 1; i <= 5; i++)
		rig_beat(&r, 40 * (int64_t)RIG_DAY + i);
	assert_int_equal(rig_issued(&r, "1m"), 40 * 1440 - 1);
	assert_int_equal(rig_issued(&r, "1d"), 39);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(d1_a_trade_on_the_boundary_belongs_to_the_next_candle),
		cmocka_unit_test(d2_the_close_time_is_the_open_time_and_the_interval),
		cmocka_unit_test(d3_a_quiet_symbol_closes_by_beats_alone),
		cmocka_unit_test(d3_empty_minutes_are_absent_or_filled_as_configured),
		cmocka_unit_test(d4_every_timeframe_closes_at_its_own_boundary),
		cmocka_unit_test(d4_one_refused_series_does_not_stop_the_others),
		cmocka_unit_test(d5_a_late_print_revises_its_own_minute_and_touches_nothing_else),
		cmocka_unit_test(d6_vwap_starts_from_zero_in_every_candle),
		cmocka_unit_test(d7_the_first_trade_of_a_candle_is_seen_at_once),
		cmocka_unit_test(d9_stopping_closes_nothing_and_the_state_comes_back),
		cmocka_unit_test(a_timeframe_that_is_added_later_begins_partial),
		cmocka_unit_test(a_list_of_sessions_that_moves_in_its_file_is_the_same_list),
		cmocka_unit_test(another_zone_folds_larger_candles_anew),
		cmocka_unit_test(another_base_is_refused_with_a_reason),
		cmocka_unit_test(d10_larger_candles_are_aligned_to_utc_and_not_to_the_start),
		cmocka_unit_test(trades_of_one_instant_are_ordered_by_integer_id),
		cmocka_unit_test(integers_come_before_other_ids_and_no_id_before_all),
		cmocka_unit_test(without_ids_arrival_breaks_the_tie),
		cmocka_unit_test(nanoseconds_count),
		cmocka_unit_test(sides_add_up_to_buy_and_sell_volume),
		cmocka_unit_test(revisions_are_told_once_per_entry_with_rising_numbers),
		cmocka_unit_test(the_revision_window_ends_where_it_says),
		cmocka_unit_test(a_candle_that_first_appears_late_is_a_revision_of_nothing),
		cmocka_unit_test(a_trade_from_the_future_closes_nothing),
		cmocka_unit_test(stamps_far_ahead_are_bounded_and_do_not_shut_out_the_present),
		cmocka_unit_test(sums_that_would_leave_their_range_refuse_the_trade),
		cmocka_unit_test(a_dead_feed_holds_its_candle_until_the_window_has_passed),
		cmocka_unit_test(a_feed_that_comes_back_closes_what_it_missed_as_a_gap),
		cmocka_unit_test(another_source_s_beats_close_nothing),
		cmocka_unit_test(the_first_candle_of_a_source_is_partial),
		cmocka_unit_test(a_close_beat_ends_everything_of_its_source_at_once),
		cmocka_unit_test(a_tape_that_goes_on_after_its_close_revises_when_its_time_comes),
		cmocka_unit_test(a_tape_of_an_earlier_time_begins_anew_once_the_one_before_has_ended),
		cmocka_unit_test(without_an_end_of_tape_time_never_goes_back),
		cmocka_unit_test(one_beat_may_cover_hours),
		cmocka_unit_test(filling_stops_where_the_feed_was_down),
		cmocka_unit_test(a_late_close_moves_the_filled_candles_behind_it),
		cmocka_unit_test(a_long_silence_is_filled_beat_by_beat_and_no_interval_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
