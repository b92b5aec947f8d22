/*
 * test_signals.c - patterns, rules and outcomes as the indicators' fold tells them: candle records in, signal records out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>

#include <cmocka.h>
#include <xxhash.h>

#include "common/core/fold.h"
#include "common/core/json.h"
#include "stages/ap-indicators/indicators.h"
#include "stages/ap-indicators/plan.h"
#include "test/lib/conf.h"
#include "test/lib/laws.h"

enum { MINUTE = 60000, MARKET = 900 };
static const int64_t start_ms = 1700000040000 / MINUTE * MINUTE;

/* --- candles ------------------------------------------------------------------------------------ */

static ap_dec cents(int64_t n)
{
	return (ap_dec){ (ap_i128)n * 10000000000000000 };
}

/* Trends of 40 to 100 candles with noise, in cents: every default rule has its turn. */
static void market(struct ap_candle *c, size_t n, uint64_t seed)
{
	struct laws_rng r = { seed };
	int64_t p = 100000, drift = 0, left = 0;

	for (size_t i = 0; i < n; i++) {
		const int64_t noise = left % 40 < 12 ? 101 : 801;
		int64_t o = p, hi, lo;

		if (left-- <= 0) {
			left = 40 + (int64_t)laws_below(&r, 60);
			drift = p > 200000 ? -200 : p < 50000 ? 200 : (int64_t)laws_below(&r, 401) - 200;
		}
		p += drift + (int64_t)laws_below(&r, (uint64_t)noise) - noise / 2;
		hi = (o > p ? o : p) + (int64_t)laws_below(&r, 100);
		lo = (o < p ? o : p) - (int64_t)laws_below(&r, 100);
		c[i] = (struct ap_candle){
			.source = ap_str_c("sim"), .symbol = ap_str_c("BTC-USDT"), .tf = ap_str_c("1m"),
			.open_ms = start_ms + (int64_t)i * MINUTE, .close_ms = start_ms + (int64_t)(i + 1) * MINUTE,
			.open = cents(o), .high = cents(hi), .low = cents(lo), .close = cents(p), .volume = cents(100),
			.vwap = cents(p), .trade_count = 3, .state = AP_FINAL, .coverage_ms = MINUTE
		};
		(void)ap_sum_addmul(&c[i].quote_volume, c[i].close, c[i].volume);
	}
}

static void tape_add(struct laws_tape *t, const struct ap_candle *c)
{
	struct ap_rec rec = { .kind = AP_CANDLE };

	rec.u.candle = *c;
	laws_tape_add(t, &rec);
}

static struct laws_tape *tape_of(const struct ap_candle *c, size_t n)
{
	struct laws_tape *t = laws_tape_new();

	for (size_t i = 0; i < n; i++) {
		tape_add(t, &c[i]);
		if (i % 5 == 0)
			laws_tape_cut(t);
	}
	return t;
}

static struct ind_bar bar_of(const struct ap_candle *c)
{
	return (struct ind_bar){
		.open_ms = c->open_ms, .o = ap_dec_to_double(c->open), .h = ap_dec_to_double(c->high),
		.l = ap_dec_to_double(c->low), .c = ap_dec_to_double(c->close) };
}

/* --- running ------------------------------------------------------------------------------------ */

struct words { const char *key, *value; };

static void conf_of(struct ap_conf *conf, const struct words *w)
{
	ap_conf_init(conf);
	for (; w != NULL && w->key != NULL; w++)
		conf_set(conf, w->key, w->value);
}

static struct laws_result run(const struct words *w, struct laws_tape *t)
{
	struct laws_result r;
	char why[LAWS_WHY] = "";
	struct ap_conf conf;

	conf_of(&conf, w);
	if (!laws_run(&ap_indicators_stage, &conf, t, &r, why))
		fail_msg("%s", why);
	ap_conf_done(&conf);
	laws_tape_free(t);
	return r;
}

/* Calls f for every signal record. */
static size_t each_signal(const struct laws_result *r, void (*f)(void *arg, const struct ap_signal *s), void *arg)
{
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct ap_rec rec;
	uint32_t i = 0;

	for (; laws_result_rec(r, AP_S_SIGNAL, i, it, &rec); i++)
		f(arg, &rec.u.signal);
	free(it);
	return i;
}

/* --- patterns ----------------------------------------------------------------------------------- */

struct grid { int16_t v[MARKET][PAT_N]; size_t n; };

static void grid_take(void *arg, const struct ap_signal *s)
{
	struct grid *g = arg;
	char name[64];

	if (s->kind != AP_SIG_PATTERN)
		return;
	(void)snprintf(name, sizeof name, "%.*s", (int)s->name.len, s->name.p);
	assert_int_equal(s->direction, s->strength > 0 ? AP_DIR_LONG : s->strength < 0 ? AP_DIR_SHORT : AP_DIR_NONE);
	assert_true(s->entry == 0 && s->inputs.len == 0 && !s->provisional);
	g->v[(s->open_ms - start_ms) / MINUTE][pat_find(name)] = (int16_t)s->strength;
	g->n++;
}

static void every_pattern_of_every_candle_is_told_with_its_value(void **unused)
{
	static struct ap_candle c[MARKET];
	static struct grid g;
	struct pat_state s;
	struct laws_result r;
	size_t found = 0;

	(void)unused;
	market(c, MARKET, 1);
	r = run(NULL, tape_of(c, MARKET));
	each_signal(&r, grid_take, &g);
	pat_init(&s);
	for (size_t i = 0; i < MARKET; i++) {
		struct ind_bar b = bar_of(&c[i]);
		int16_t want[PAT_N];

		pat_update(&s, &b, want);
		for (int k = 0; k < PAT_N; k++) {
			found += want[k] != 0;
			assert_int_equal(g.v[i][k], want[k]);
		}
	}
	assert_int_equal(g.n, found);
	assert_true(found > MARKET);
	laws_result_done(&r);
}

static void count_kinds(void *arg, const struct ap_signal *s)
{
	((size_t *)arg)[s->kind]++;
}

static void patterns_can_be_kept_to_timeframes_or_switched_off(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct { const char *option; bool want; } rows[] = {
		{ "all", true }, { "1m", true }, { "1h, 1m", true }, { "1h", false }, { "none", false }
	};

	(void)unused;
	market(c, 200, 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct words w[] = { { "indicators.patterns", rows[i].option }, { NULL, NULL } };
		struct laws_result r = run(w, tape_of(c, 200));
		size_t n[3] = { 0 };

		each_signal(&r, count_kinds, n);
		assert_true((n[AP_SIG_PATTERN] > 0) == rows[i].want);
		assert_true(n[AP_SIG_SIGNAL] > 0);
		assert_true(r.n[AP_S_INDICATOR] > 0);
		laws_result_done(&r);
	}
}

/* --- rules -------------------------------------------------------------------------------------- */

struct book { size_t signals, outcomes, fired[MARKET]; };

static void book_take(void *arg, const struct ap_signal *s)
{
	struct book *b = arg;
	struct ap_jtok tok[64];
	struct ap_json j;
	size_t at = (size_t)((s->open_ms - start_ms) / MINUTE);

	if (s->kind == AP_SIG_PATTERN)
		return;
	assert_true(ap_json_parse(&j, s->inputs, tok, 64));
	assert_true(s->direction == AP_DIR_LONG ? s->stop < s->entry && s->entry < s->target :
		    s->target < s->entry && s->entry < s->stop);
	if (s->kind == AP_SIG_SIGNAL) {
		assert_true(s->strength >= 0 && s->strength <= 1);
		b->signals++;
		b->fired[at]++;
		return;
	}
	/* An outcome stands at the candle of its signal, which was told before. */
	assert_true(ap_json_get(&j, 0, "end") != 0 && ap_json_get(&j, 0, "end_ms") != 0);
	assert_true(b->fired[at] > 0);
	b->outcomes++;
}

static void the_default_rules_fire_and_their_outcomes_follow(void **unused)
{
	static struct ap_candle c[MARKET];
	static struct book b;
	struct laws_result r;

	(void)unused;
	market(c, MARKET, 2);
	r = run(NULL, tape_of(c, MARKET));
	each_signal(&r, book_take, &b);
	assert_true(b.signals > 20);
	assert_true(b.outcomes <= b.signals && b.outcomes + OUTCOME_OPEN_MAX >= b.signals);
	laws_result_done(&r);
}

#define RULE(name, direction, when, more) \
	"{\"name\":\"" name "\",\"direction\":\"" direction "\",\"when\":\"" when "\",\"stop\":\"entry - 10\"," \
	"\"target\":\"entry + 20\",\"confidence\":0.25" more "}"

static void only_ups(void *arg, const struct ap_signal *s)
{
	if (s->kind == AP_SIG_PATTERN)
		return;
	assert_true(ap_str_is(s->name, "up"));
	*(size_t *)arg += s->kind == AP_SIG_SIGNAL;
}

static void a_configured_rule_computes_what_it_needs_and_publishes_only_what_was_asked_for(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words w[] = {
		{ "indicators.list", "[{\"name\":\"RSI\"}]" }, { "indicators.default_rules", "false" },
		{ "indicators.rules", "[" RULE("up", "long", "cross_over(SMA(3), EMA(9)) and engulfing >= 0", ",\"expiry\":5") "]" },
		{ "indicators.patterns", "none" }, { NULL, NULL }
	};
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct laws_result r;
	struct ap_rec rec;
	size_t ups = 0;

	(void)unused;
	market(c, MARKET, 3);
	r = run(w, tape_of(c, MARKET));
	each_signal(&r, only_ups, &ups);
	assert_true(ups > 10);
	for (uint32_t i = 0; laws_result_rec(&r, AP_S_INDICATOR, i, it, &rec); i++) {
		assert_int_equal(rec.u.indicator.n, 1);
		assert_true(ap_str_is(rec.u.indicator.values[0].name, "RSI"));
	}
	assert_true(r.n[AP_S_INDICATOR] > 800);
	free(it);
	laws_result_done(&r);
}

static void a_rule_keeps_to_its_timeframes_and_symbols(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct { const char *more; bool want; } rows[] = {
		{ ",\"timeframes\":\"1m\"", true }, { ",\"timeframes\":[\"5m\",\"1h\"]", false },
		{ ",\"symbols\":[\"ETH-*\",\"BTC-*\"]", true }, { ",\"symbols\":\"ETH-*\"", false }
	};

	(void)unused;
	market(c, 300, 3);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char rule[600];
		const struct words w[] = { { "indicators.default_rules", "false" }, { "indicators.rules", rule }, { NULL, NULL } };
		struct laws_result r;
		size_t ups = 0;

		(void)snprintf(rule, sizeof rule, "[" RULE("up", "long", "close > close[1]", "%s") "]", rows[i].more);
		r = run(w, tape_of(c, 300));
		each_signal(&r, only_ups, &ups);
		assert_true((ups > 0) == rows[i].want);
		laws_result_done(&r);
	}
}

static void a_configured_rule_takes_the_place_of_ours_with_its_name(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words w[] = {
		{ "indicators.rules", "[" RULE("macd_cross_long", "long", "close < 0", "") "]" }, { NULL, NULL }
	};
	struct laws_result r;
	static struct book b;

	(void)unused;
	market(c, MARKET, 2);
	r = run(w, tape_of(c, MARKET));
	each_signal(&r, book_take, &b);
	assert_true(b.signals > 0);
	laws_result_done(&r);
}

static void refuses(const char *key, const char *value, const char *want)
{
	const struct words w[] = { { key, value }, { NULL, NULL } };
	struct ap_conf conf;
	char err[600] = "";

	conf_of(&conf, w);
	assert_null(plan_new(&conf, err, sizeof err));
	if (strstr(err, want) == NULL)
		fail_msg("%s\n  instead of %s", err, want);
	ap_conf_done(&conf);
}

static void what_is_wrong_with_the_configuration_is_told_with_its_place(void **unused)
{
	(void)unused;
	refuses("indicators.patterns", "1h,,4h", "indicators.patterns: must be all, none, or timeframes like 1h,4h,1d");
	refuses("indicators.rules", "[" RULE("a", "long", "close >\\n  foo20", "") "]",
		"indicators.rules, entry 1: rule a: when, line 2 column 3: unknown value 'foo20'");
	refuses("indicators.rules", "[" RULE("a", "long", "close", "") "]", "rule a: when, line 1 column 1:");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", "") "," RULE("b", "short", "SMA(0) > 1", "") "]",
		"indicators.rules, entry 2: rule b: when, line 1 column 1: ");
	refuses("indicators.rules", "[" RULE("a", "up", "close > 1", "") "]", "direction must be \"long\" or \"short\"");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"expiry\":0") "]", "rule a: expiry: 1 to 10000 candles");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"expiry\":1.5") "]", "expiry must be a whole number of candles from 1 to 10000");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"cooldown\":-1") "]", "cooldown must be a whole number of candles from 0 to 10000");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"limit\":1") "]", "a rule has no limit; there are name,");
	refuses("indicators.rules", "[" RULE("A", "long", "close > 1", "") "]", "rule A: name: 1 to 47 of a-z");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", "") "," RULE("a", "long", "close > 1", "") "]",
		"entry 2: rule a: name: another rule has this name");
	refuses("indicators.rules", "[{\"name\":\"a\",\"direction\":\"long\",\"when\":\"close > 1\"}]", "rule a: stop, line 1 column 1: is missing");
	refuses("indicators.rules", "[{\"direction\":\"long\"}]", "a rule needs a name");
	refuses("indicators.rules", "[{\"name\":\"a\"}]", "a rule needs a direction");
	refuses("indicators.rules", "[1]", "entry 1: must be a group");
	refuses("indicators.rules", "{}", "must be a list");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"timeframes\":7") "]", "timeframes must be a text or a list");
	refuses("indicators.list", "[{\"name\":\"RSI\",\"@\":17,\"period\":0}]", "indicators.list, line 17: ");
}

static void a_timeframe_that_has_no_candles_is_a_mistake(void **unused)
{
	static const struct words bars[] = {
		{ "candle.bars", "[{\"kind\":\"volume\",\"size\":10}]" }, { "candle.timeframes", "1m,1M" },
		{ "indicators.list", "[{\"name\":\"RSI\",\"timeframes\":\"1m, vol10\"},{\"name\":\"OBV\",\"timeframes\":[\"1M\"]}]" },
		{ "indicators.patterns", "1m,vol10" }, { NULL, NULL }
	};
	struct ap_conf conf;
	struct plan *p;
	char err[600] = "";

	(void)unused;
	refuses("indicators.list", "[{\"name\":\"RSI\",\"@\":3,\"timeframes\":[\"1m\",\"1H\"]}]",
		"indicators.list, line 3: no candles are called \"1H\"; candle.timeframes is 1m,5m,15m,1h,4h,1d, and candle.bars is empty");
	refuses("indicators.list", "[{\"name\":\"RSI\",\"timeframes\":\"1m,3m\"}]", "no candles are called \"3m\"");
	refuses("indicators.list", "[{\"name\":\"RSI\",\"timeframes\":\"1m,\"}]", "timeframes must be a text or a list of texts, such as");
	refuses("indicators.list", "[{\"name\":\"RSI\",\"timeframes\":[\"vol10\"]}]", "no candles are called \"vol10\"");
	refuses("indicators.rules", "[" RULE("a", "long", "close > 1", ",\"timeframes\":\"2h\"") "]", "no candles are called \"2h\"");
	refuses("indicators.patterns", "engulfing", "indicators.patterns: no candles are called \"engulfing\"");
	conf_of(&conf, bars);
	p = plan_new(&conf, err, sizeof err);
	if (p == NULL)
		fail_msg("%s", err);
	assert_non_null(plan_find(p, ap_str_c("A"), ap_str_c("vol10")));
	assert_non_null(plan_find(p, ap_str_c("A"), ap_str_c("1m")));
	plan_free(p);
	ap_conf_done(&conf);
}

static void a_list_without_entries_computes_nothing(void **unused)
{
	static const struct words none[] = {
		{ "indicators.list", "[]" }, { "indicators.patterns", "none" }, { "indicators.default_rules", "false" }, { NULL, NULL }
	};
	struct ap_conf conf;
	struct plan *p;
	char err[600] = "";

	(void)unused;
	conf_of(&conf, none);
	p = plan_new(&conf, err, sizeof err);
	if (p == NULL)
		fail_msg("%s", err);
	assert_int_equal(plan_slots_max(p), 0);
	assert_null(plan_find(p, ap_str_c("A"), ap_str_c("1m")));
	plan_free(p);
	ap_conf_done(&conf);
}

/* --- revisions ---------------------------------------------------------------------------------- */

/* The last word on every natural key; what was withdrawn is not there. */
static struct laws_map *last_words(const struct laws_result *r, size_t *withdrawn)
{
	struct laws_map *m = laws_map_new();
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct ap_rec rec;
	char key[300], value[2000];

	*withdrawn = 0;
	for (uint32_t i = 0; laws_result_rec(r, AP_S_SIGNAL, i, it, &rec); i++) {
		const struct ap_signal *s = &rec.u.signal;
		int n = snprintf(key, sizeof key, "%lld %d %.*s", (long long)s->open_ms, (int)s->kind, (int)s->name.len, s->name.p);
		int len = snprintf(value, sizeof value, "%d %a %a %a %a %.*s", (int)s->direction, s->strength, s->entry, s->stop,
				   s->target, (int)s->inputs.len, s->inputs.p);

		assert_true(n < (int)sizeof key && len < (int)sizeof value);
		*withdrawn += s->direction == AP_DIR_NONE;
		if (s->direction == AP_DIR_NONE)
			laws_map_del(m, ap_str_n(key, (size_t)n));
		else
			laws_map_put(m, ap_str_n(key, (size_t)n), ap_str_n(value, (size_t)len));
	}
	free(it);
	return m;
}

static void assert_same_words(struct laws_map *want, struct laws_map *got)
{
	ap_str key, value;

	for (size_t i = 0; i < laws_map_slots(want); i++) {
		ap_str other;

		if (!laws_map_slot(want, i, &key, &value))
			continue;
		other = laws_map_get(got, key);
		if (other.p == NULL || !ap_str_eq(other, value))
			fail_msg("%.*s: %.*s\n  instead of %.*s", (int)key.len, key.p, (int)other.len, other.p == NULL ? "" : other.p,
				 (int)value.len, value.p);
	}
	assert_int_equal(laws_map_n(want), laws_map_n(got));
	laws_map_free(want);
	laws_map_free(got);
}

/* Rules that fire often, on patterns and on indicators, and whose signals end soon. */
static const struct words lively[] = {
	{ "indicators.rules", "[" RULE("up", "long", "cross_over(SMA(2), SMA(4))", ",\"expiry\":6,\"cooldown\":2") ","
		RULE("hit", "long", "engulfing > 0 or doji > 0 or hammer > 0", ",\"expiry\":3,\"entry\":\"close - 1\"") "]" },
	{ NULL, NULL }
};

static void a_revision_withdraws_what_no_longer_holds_and_leaves_what_a_straight_run_gives(void **unused)
{
	static struct ap_candle c[MARKET];
	struct laws_tape *t = laws_tape_new();
	struct laws_result straight, revised;
	struct laws_rng rng = { 77 };
	size_t none, withdrawn;
	struct laws_map *want;

	(void)unused;
	market(c, MARKET, 4);
	straight = run(lively, tape_of(c, MARKET));
	want = last_words(&straight, &none);
	assert_int_equal(none, 0);
	/* Every seventh candle is wrong at first and put right within 15 candles; every eleventh is missing until then. */
	for (size_t i = 0; i < MARKET + 15; i++) {
		for (size_t k = i >= 15 ? i - 15 : 0; k < i && k < MARKET; k++) {
			struct ap_candle late = c[k];

			if ((k % 7 == 3 && i == k + 1 + k % 15) || (k > 0 && k % 11 == 0 && k % 7 != 3 && i == k + 1 + k % 13)) {
				late.revision = k % 7 == 3 ? 1 : 0;
				late.state = k % 7 == 3 ? AP_REVISED : AP_FINAL;
				tape_add(t, &late);
			}
		}
		if (i < MARKET && i % 7 == 3) {
			struct ap_candle wrong = c[i];

			wrong.close = wrong.high;
			wrong.open = laws_chance(&rng, 50) ? wrong.low : wrong.high;
			tape_add(t, &wrong);
		} else if (i < MARKET && (i % 11 != 0 || i == 0)) {
			tape_add(t, &c[i]);
		}
		if (laws_chance(&rng, 30))
			laws_tape_cut(t);
	}
	revised = run(lively, t);
	assert_same_words(want, last_words(&revised, &withdrawn));
	print_message("# %u signal records, %zu of them withdrawals\n", revised.n[AP_S_SIGNAL], withdrawn);
	assert_true(withdrawn > 100);
	laws_result_done(&straight);
	laws_result_done(&revised);
}

static void revisions_of(void *arg, const struct ap_signal *s)
{
	if (s->open_ms == start_ms + 50 * MINUTE && s->kind == AP_SIG_PATTERN)
		((uint32_t *)arg)[s->revision]++;
}

static void a_pattern_carries_the_revision_of_its_candle(void **unused)
{
	static struct ap_candle c[MARKET];
	struct laws_tape *t;
	struct laws_result r;
	uint32_t told[4] = { 0 };
	struct ap_candle again;

	(void)unused;
	market(c, 60, 4);
	c[50].open = cents(100000);
	c[50].close = cents(100000);
	c[50].high = cents(100500);
	c[50].low = cents(99500);
	t = tape_of(c, 60);
	again = c[50];
	again.state = AP_REVISED;
	again.revision = 2;
	tape_add(t, &again);
	again.revision = 1;
	tape_add(t, &again);    /* an older word on it comes late: passed by */
	r = run(NULL, t);
	each_signal(&r, revisions_of, told);
	assert_true(told[0] > 0);
	assert_int_equal(told[1], 0);
	assert_int_equal(told[2], told[0]);
	laws_result_done(&r);
}

/* --- forming candles ---------------------------------------------------------------------------- */

static void all_provisional(void *arg, const struct ap_signal *s)
{
	if (s->open_ms >= start_ms + 100 * MINUTE) {
		assert_true(s->provisional);
		assert_int_not_equal(s->kind, AP_SIG_OUTCOME);
		++*(size_t *)arg;
	}
}

static void a_forming_candle_gives_provisional_records_and_leaves_no_trace(void **unused)
{
	static struct ap_candle c[MARKET];
	struct laws_result plain, looked;
	struct laws_tape *t;
	size_t n = 0;

	(void)unused;
	market(c, 120, 5);
	plain = run(lively, tape_of(c, 100));
	t = tape_of(c, 100);
	for (size_t i = 100; i < 120; i++) {
		c[i].state = AP_FORMING;
		tape_add(t, &c[i]);
	}
	looked = run(lively, t);
	each_signal(&looked, all_provisional, &n);
	assert_true(n > 0);
	assert_true(ap_str_eq(laws_map_get(plain.state, ap_str_c("i0")), laws_map_get(looked.state, ap_str_c("i0"))));
	laws_result_done(&plain);
	laws_result_done(&looked);
}

/* --- state -------------------------------------------------------------------------------------- */

static void the_saved_state_of_a_series_with_everything_on_takes_four_kilobytes(void **unused)
{
	static struct ap_candle c[MARKET];
	size_t most = 0, sum = 0;

	(void)unused;
	market(c, MARKET, 6);
	for (size_t n = 300; n < MARKET; n += 20) {
		struct laws_result r = run(NULL, tape_of(c, n));
		size_t size = laws_map_get(r.state, ap_str_c("i0")).len;

		most = size > most ? size : most;
		sum += size;
		laws_result_done(&r);
	}
	print_message("# default indicators, patterns and rules: %zu bytes on average, %zu at most\n", sum / 30, most);
	assert_true(most <= 4096);
}

struct keeper { struct ap_saver saver; char *value; size_t len; };

static void keep(struct ap_saver *s, ap_str field, ap_str value)
{
	struct keeper *k = (struct keeper *)(void *)s;

	(void)field;
	k->value = malloc(value.len);
	memcpy(k->value, value.p, value.len);
	k->len = value.len;
}

static void drop_field(struct ap_saver *s, ap_str field)
{
	(void)s, (void)field;
}

struct heard { struct ap_out out; size_t values, signals; };

static void hear(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct heard *h = (struct heard *)(void *)out;

	(void)rec;
	h->values += to == AP_S_INDICATOR;
	h->signals += to == AP_S_SIGNAL;
}

/* Takes candles from .. to - 1. */
static void feed(void *st, const struct ap_candle *c, size_t from, size_t to, struct heard *h)
{
	for (size_t i = from; i < to; i++) {
		struct ap_rec rec = { .kind = AP_CANDLE };

		rec.u.candle = c[i];
		assert_int_equal(ap_indicators_stage.step(st, &rec, &h->out), AP_V_TAKEN);
	}
}

static void a_state_saved_with_other_settings_goes_on_from_its_candles(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words rsi[] = { { "indicators.list", "[{\"name\":\"RSI\",\"period\":5}]" }, { NULL, NULL } };
	struct keeper k = { .saver = { keep, drop_field } };
	struct heard h = { .out = { hear } };
	struct ap_conf first, second;
	char err[300] = "";
	void *st;

	(void)unused;
	market(c, 400, 7);
	conf_of(&first, lively);
	conf_of(&second, rsi);
	st = ap_indicators_stage.open(&first, err, sizeof err);
	feed(st, c, 0, 300, &h);
	ap_indicators_stage.save(st, &k.saver, true);
	ap_indicators_stage.close(st);
	st = ap_indicators_stage.open(&second, err, sizeof err);
	assert_true(ap_indicators_stage.load(st, ap_str_c("i0"), ap_str_n(k.value, k.len)));
	h = (struct heard){ .out = { hear } };
	feed(st, c, 300, 400, &h);
	assert_int_equal(h.values, 100);        /* RSI 5 was warm from the 16 candles kept */
	assert_true(h.signals > 0);
	ap_indicators_stage.close(st);
	/* Damaged anywhere, it is refused. */
	for (size_t i = 0; i < k.len; i += 7) {
		k.value[i] ^= 8;
		st = ap_indicators_stage.open(&first, err, sizeof err);
		assert_false(ap_indicators_stage.load(st, ap_str_c("i0"), ap_str_n(k.value, k.len)));
		ap_indicators_stage.close(st);
		k.value[i] ^= 8;
	}
	free(k.value);
	ap_conf_done(&first);
	ap_conf_done(&second);
}

static void patterns_go_on_where_only_the_rules_are_others(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words none[] = { { "indicators.default_rules", "false" }, { NULL, NULL } };
	struct keeper k = { .saver = { keep, drop_field } };
	struct heard h = { .out = { hear } }, other = h;
	struct ap_conf first, second;
	char err[300] = "";
	void *st, *straight;

	(void)unused;
	market(c, 400, 8);
	conf_of(&first, lively);
	conf_of(&second, none);
	st = ap_indicators_stage.open(&first, err, sizeof err);
	feed(st, c, 0, 300, &h);
	ap_indicators_stage.save(st, &k.saver, true);
	ap_indicators_stage.close(st);
	st = ap_indicators_stage.open(&second, err, sizeof err);
	straight = ap_indicators_stage.open(&second, err, sizeof err);
	assert_true(ap_indicators_stage.load(st, ap_str_c("i0"), ap_str_n(k.value, k.len)));
	feed(straight, c, 0, 300, &h);
	h = other;
	feed(straight, c, 300, 400, &h);
	feed(st, c, 300, 400, &other);
	assert_true(h.signals > 100);
	assert_int_equal(other.signals, h.signals);
	free(k.value);
	ap_indicators_stage.close(st);
	ap_indicators_stage.close(straight);
	ap_conf_done(&first);
	ap_conf_done(&second);
}

/* --- bounds ------------------------------------------------------------------------------------- */

/* Four moving averages of each period from 2 to 26. */
static char *hundred_values(void)
{
	static const char *const source[] = { "open", "high", "low", "close" };
	char *list = calloc(1, 16384), *p = list;

	for (int period = 2; period <= 26; period++)
		for (int i = 0; i < 4; i++)
			p += snprintf(p, 100, "%s{\"name\":\"SMA\",\"period\":%d,\"source\":\"%s\"}", p == list ? "[" : ",", period, source[i]);
	(void)snprintf(p, 2, "]");
	return list;
}

static uint32_t records_in(const struct ap_fold *f, enum ap_stream to)
{
	uint32_t n = 0;

	for (size_t i = 0; i < f->n_frames; i++)
		n += f->frames[i].to == to ? f->frames[i].n : 0;
	return n;
}

static void candles_fold(struct ap_fold *f, uint64_t seq, const struct ap_candle *c, uint32_t n)
{
	const char *why = NULL;
	struct ap_buf body;

	ap_buf_init(&body, AP_FRAME_BYTES);
	for (uint32_t i = 0; i < n; i++) {
		const struct ap_rec rec = { .kind = AP_CANDLE, .u.candle = c[i] };

		assert_true(ap_wire_put(&body, &rec));
	}
	assert_true(ap_fold_entry(f, (ap_id){ 1, seq }, n, ap_buf_view(&body), &why));
	ap_buf_done(&body);
}

static void an_entry_full_of_revised_candles_is_told_to_its_end(void **state)
{
	enum { OLD = 40, BACK = 16, TOLD = AP_FRAME_RECS * BACK };
	static struct ap_candle c[OLD], again[AP_FRAME_RECS];
	char *list = hundred_values(), err[300] = "";
	const struct words w[] = { { "indicators.list", list }, { "indicators.patterns", "none" }, { "indicators.default_rules", "off" }, { NULL, NULL } };
	struct ap_conf conf;
	struct ap_fold f;

	(void)state;
	conf_of(&conf, w);
	if (!ap_fold_init(&f, &ap_indicators_stage, &conf, err, sizeof err))
		fail_msg("%s", err);
	market(c, OLD, 9);
	candles_fold(&f, 0, c, OLD);
	ap_fold_clear(&f);
	for (uint32_t i = 0; i < AP_FRAME_RECS; i++) {
		again[i] = c[OLD - BACK];
		again[i].state = AP_REVISED;
		again[i].revision = i + 1;
	}
	candles_fold(&f, AP_ID_STEP, again, AP_FRAME_RECS);
	assert_int_equal(records_in(&f, AP_S_INDICATOR), TOLD);
	assert_true(f.n_frames > AP_ID_STEP);           /* more than ids that are the entry's own */
	for (size_t i = 1; i < f.n_frames; i++)
		assert_int_equal(f.frames[i].id.seq, f.frames[i - 1].id.seq + 1);
	ap_fold_done(&f);
	ap_conf_done(&conf);
	free(list);
}

/* --- beginning anew with stored candles ---------------------------------------------------------- */

/* A fold that has what was kept of another one, and the candles [0, n) as from a store. */
static void *with_past(const struct ap_conf *conf, const struct keeper *k, const struct ap_candle *c, size_t n)
{
	const struct ap_stage *ind = &ap_indicators_stage;
	char err[300] = "";
	struct ap_past want;
	void *st = ind->open(conf, err, sizeof err);

	assert_true(ind->load(st, ap_str_c("i0"), ap_str_n(k->value, k->len)));
	assert_true(ind->past_wanted(st, &want));
	assert_true(ap_str_is(want.source, "sim") && ap_str_is(want.symbol, "BTC-USDT") && ap_str_is(want.tf, "1m"));
	assert_int_equal(want.most, 5000);
	for (size_t i = 0; i < n && c[i].open_ms < want.before_ms; i++)
		ind->past(st, &c[i]);
	ind->past_end(st);
	assert_false(ind->past_wanted(st, &want));
	return st;
}

static void image_equal(void *one, void *other)
{
	struct keeper a = { .saver = { keep, drop_field } }, b = a;

	ap_indicators_stage.save(one, &a.saver, true);
	ap_indicators_stage.save(other, &b.saver, true);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.value, b.value, a.len);
	free(a.value);
	free(b.value);
}

static void stored_candles_make_a_state_as_if_the_choice_had_always_been_so(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words rsi[] = { { "indicators.list", "[{\"name\":\"RSI\",\"period\":50}]" }, { NULL, NULL } };
	struct keeper k = { .saver = { keep, drop_field } };
	struct heard h = { .out = { hear } };
	struct ap_conf first, second;
	char err[300] = "";
	void *st, *straight;

	(void)unused;
	market(c, 400, 9);
	conf_of(&first, lively);
	conf_of(&second, rsi);
	st = ap_indicators_stage.open(&first, err, sizeof err);
	feed(st, c, 0, 300, &h);
	ap_indicators_stage.save(st, &k.saver, true);
	ap_indicators_stage.close(st);
	straight = ap_indicators_stage.open(&second, err, sizeof err);
	feed(straight, c, 0, 300, &h);
	st = with_past(&second, &k, c, 300);
	image_equal(straight, st);
	free(k.value);
	ap_indicators_stage.close(st);
	ap_indicators_stage.close(straight);
	ap_conf_done(&first);
	ap_conf_done(&second);
}

/* What another version saved: the names and the sum stand where they do in ours. */
static void version_set(struct keeper *k, int v)
{
	uint64_t sum;

	k->value[0] = (char)v;
	sum = XXH64(k->value, k->len - 8, XXH64("i0", 2, 0));
	for (int i = 0; i < 8; i++)
		k->value[k->len - 8 + (size_t)i] = (char)(sum >> (8 * i));
}

static void a_state_of_another_version_is_made_from_stored_candles(void **unused)
{
	static struct ap_candle c[MARKET];
	struct keeper k = { .saver = { keep, drop_field } };
	struct heard h = { .out = { hear } };
	struct ap_conf conf;
	char err[300] = "";
	void *st, *straight;

	(void)unused;
	market(c, 400, 10);
	conf_of(&conf, lively);
	straight = ap_indicators_stage.open(&conf, err, sizeof err);
	feed(straight, c, 0, 300, &h);
	ap_indicators_stage.save(straight, &k.saver, true);
	version_set(&k, 1);
	st = with_past(&conf, &k, c, 300);
	image_equal(straight, st);
	/* Damaged, it is refused whatever its version. */
	k.value[k.len / 2] ^= 1;
	ap_indicators_stage.close(st);
	st = ap_indicators_stage.open(&conf, err, sizeof err);
	assert_false(ap_indicators_stage.load(st, ap_str_c("i0"), ap_str_n(k.value, k.len)));
	free(k.value);
	ap_indicators_stage.close(st);
	ap_indicators_stage.close(straight);
	ap_conf_done(&conf);
}

static void nothing_is_wanted_where_the_window_holds_the_whole_past(void **unused)
{
	static struct ap_candle c[MARKET];
	static const struct words off[] = { { "indicators.past", "0" }, { "indicators.default_rules", "false" }, { NULL, NULL } };
	static const struct { const struct words *words; size_t candles; } rows[] = { { NULL, 12 }, { off, 200 } };
	struct heard h = { .out = { hear } };

	(void)unused;
	market(c, 400, 11);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct keeper k = { .saver = { keep, drop_field } };
		struct ap_conf first, second;
		struct ap_past want;
		char err[300] = "";
		void *st;

		conf_of(&first, lively);
		conf_of(&second, rows[i].words);
		st = ap_indicators_stage.open(&first, err, sizeof err);
		feed(st, c, 0, rows[i].candles, &h);
		ap_indicators_stage.save(st, &k.saver, true);
		ap_indicators_stage.close(st);
		st = ap_indicators_stage.open(&second, err, sizeof err);
		assert_true(ap_indicators_stage.load(st, ap_str_c("i0"), ap_str_n(k.value, k.len)));
		assert_false(ap_indicators_stage.past_wanted(st, &want));
		free(k.value);
		ap_indicators_stage.close(st);
		ap_conf_done(&first);
		ap_conf_done(&second);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pattern_of_every_candle_is_told_with_its_value),
		cmocka_unit_test(patterns_can_be_kept_to_timeframes_or_switched_off),
		cmocka_unit_test(the_default_rules_fire_and_their_outcomes_follow),
		cmocka_unit_test(a_configured_rule_computes_what_it_needs_and_publishes_only_what_was_asked_for),
		cmocka_unit_test(a_rule_keeps_to_its_timeframes_and_symbols),
		cmocka_unit_test(a_configured_rule_takes_the_place_of_ours_with_its_name),
		cmocka_unit_test(what_is_wrong_with_the_configuration_is_told_with_its_place),
		cmocka_unit_test(a_timeframe_that_has_no_candles_is_a_mistake),
		cmocka_unit_test(a_list_without_entries_computes_nothing),
		cmocka_unit_test(a_revision_withdraws_what_no_longer_holds_and_leaves_what_a_straight_run_gives),
		cmocka_unit_test(a_pattern_carries_the_revision_of_its_candle),
		cmocka_unit_test(a_forming_candle_gives_provisional_records_and_leaves_no_trace),
		cmocka_unit_test(the_saved_state_of_a_series_with_everything_on_takes_four_kilobytes),
		cmocka_unit_test(a_state_saved_with_other_settings_goes_on_from_its_candles),
		cmocka_unit_test(patterns_go_on_where_only_the_rules_are_others),
		cmocka_unit_test(an_entry_full_of_revised_candles_is_told_to_its_end),
		cmocka_unit_test(stored_candles_make_a_state_as_if_the_choice_had_always_been_so),
		cmocka_unit_test(a_state_of_another_version_is_made_from_stored_candles),
		cmocka_unit_test(nothing_is_wanted_where_the_window_holds_the_whole_past),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
