/*
 * test_laws_indicators.c - the indicator fold under the laws, on the candles of markets of several tempers.
 */
#include "stages/ap-candle/candle.h"
#include "stages/ap-indicators/indicators.h"
#include "test/lib/conf.h"
#include "test/lib/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void hold(const struct laws_walk *w, const char *list, const char *rules)
{
	struct laws_tape *ticks = laws_walk_ticks(w), *candles;
	struct laws_case c = { .stage = &ap_indicators_stage, .seed = w->seed };
	char why[LAWS_WHY] = "";
	struct ap_conf conf;
	bool ok;

	ap_conf_init(&conf);
	conf_set(&conf, "candle.timeframes", "1s,5s,1m,5m");
	conf_set(&conf, "indicators.list", list);
	conf_set(&conf, "indicators.rules", rules);
	candles = laws_through(&ap_candle_stage, &conf, ticks, AP_S_CANDLE, why);
	laws_tape_free(ticks);
	if (candles == NULL)
		fail_msg("%s", why);
	assert_true(laws_tape_recs(candles) > 200);
	c.conf = &conf;
	c.tape = candles;
	ok = laws_all(&c, why);
	laws_tape_free(candles);
	ap_conf_done(&conf);
	if (!ok)
		fail_msg("%s", why);
}

static const struct laws_walk calm = {
	.seed = 11, .sources = 1, .symbols = 2, .trades = 600, .entry_max = 8, .step_ms_max = 2000, .beat_ms = 1000, .close = true,
};
static const struct laws_walk wild = {
	.seed = 12, .sources = 2, .symbols = 2, .trades = 500, .entry_max = 40, .step_ms_max = 4000, .beat_ms = 1000, .delay_pct = 40,
	.delay_ms_max = 60000, .dup_pct = 10, .noid_pct = 20, .dead_pct = 3, .gap_pct = 5, .close = true,
};

/* Every kind of operation, with windows short enough to be warm on these tapes. */
static const char everything[] =
	"[{\"name\":\"SMA\",\"period\":5},{\"name\":\"WMA\",\"period\":5},{\"name\":\"KAMA\",\"period\":5},{\"name\":\"HMA\",\"period\":9},"
	"{\"name\":\"T3\",\"period\":3},{\"name\":\"MAMA\"},{\"name\":\"HT_SINE\"},{\"name\":\"HT_TRENDMODE\"},{\"name\":\"VWAP\"},"
	"{\"name\":\"STOCHRSI\",\"period\":5,\"fastk\":5},{\"name\":\"CCI\",\"period\":7},{\"name\":\"AO\"},{\"name\":\"FISHER\"},"
	"{\"name\":\"ADXR\",\"period\":5},{\"name\":\"AROON\",\"period\":9},{\"name\":\"SAR\"},{\"name\":\"SUPERTREND\"},"
	"{\"name\":\"ICHIMOKU\"},{\"name\":\"OBV\"},{\"name\":\"MFI\",\"period\":5},{\"name\":\"IMBALANCE\",\"period\":5},"
	"{\"name\":\"CORREL\",\"period\":9},{\"name\":\"BETA\"},{\"name\":\"PERCENT_RANK\",\"period\":20},{\"name\":\"VOL_YANG_ZHANG\"},"
	"{\"name\":\"LINEARREG\"},{\"name\":\"BBANDS\",\"timeframes\":[\"1s\"]},{\"name\":\"RSI\",\"symbols\":[\"*\"]}]";

/* Several signals open at a time, some of one series alone, some that crowd the others out. */
static const char lively[] =
	"[{\"name\":\"up\",\"direction\":\"long\",\"when\":\"cross_over(SMA(2), SMA(4))\",\"stop\":\"entry * 0.999\","
	"\"target\":\"entry * 1.002\",\"confidence\":\"rsi5 / 100\",\"expiry\":6,\"cooldown\":2},"
	"{\"name\":\"any\",\"direction\":\"short\",\"when\":\"close > 0\",\"entry\":\"close * 1.0005\","
	"\"stop\":\"max(high, high[1], high[16]) * 1.5\",\"target\":\"entry * 0.5\",\"confidence\":\"0.5\",\"expiry\":40},"
	"{\"name\":\"hit\",\"direction\":\"short\",\"when\":\"engulfing < 0 or doji > 0\",\"stop\":\"high * 1.001\","
	"\"target\":\"entry * 0.999\",\"confidence\":\"0.5\",\"expiry\":4,\"timeframes\":[\"1s\",\"1m\"]}]";

static void the_laws_hold_for_the_default_indicators_patterns_and_rules(void **s)
{
	(void)s;
	hold(&calm, "", "");
	hold(&wild, "", "");
}

static void the_laws_hold_for_every_kind_of_operation_and_rules_that_fire_often(void **s)
{
	(void)s;
	hold(&calm, everything, lively);
	hold(&wild, everything, lively);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_laws_hold_for_the_default_indicators_patterns_and_rules),
		cmocka_unit_test(the_laws_hold_for_every_kind_of_operation_and_rules_that_fire_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
