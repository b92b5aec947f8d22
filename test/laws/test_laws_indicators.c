/*
 * test_laws_indicators.c - the indicator fold under the laws, on the candles of markets of several tempers.
 */
#include "stages/ap-candle/candle.h"
#include "stages/ap-indicators/indicators.h"
#include "test/lib/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void set(struct ap_conf *c, const char *key, const char *value)
{
	char err[200] = "";

	if (!ap_conf_set(c, ap_opt_find(ap_str_c(key)), ap_str_c(value), err, sizeof err))
		fail_msg("%s", err);
}

static void hold(const struct laws_walk *w, const char *list)
{
	struct laws_tape *ticks = laws_walk_ticks(w), *candles;
	struct laws_case c = { .stage = &ap_indicators_stage, .seed = w->seed };
	char why[LAWS_WHY] = "";
	struct ap_conf conf;
	bool ok;

	ap_conf_init(&conf);
	set(&conf, "candle.timeframes", "1s,5s,1m,5m");
	set(&conf, "indicators.list", list);
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

static void the_laws_hold_for_the_default_indicators(void **s)
{
	(void)s;
	hold(&calm, "");
	hold(&wild, "");
}

static void the_laws_hold_for_every_kind_of_operation(void **s)
{
	(void)s;
	hold(&calm, everything);
	hold(&wild, everything);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_laws_hold_for_the_default_indicators),
		cmocka_unit_test(the_laws_hold_for_every_kind_of_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
