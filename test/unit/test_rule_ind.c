/*
 * test_rule_ind.c - rules with real indicators: how names resolve, and the default rules on a walk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ap-indicators/outcome.h"
#include "stages/ap-indicators/pat.h"
#include "stages/ap-indicators/rule_ind.h"

static struct rule_def rule_of(const char *entry)
{
	return (struct rule_def){ "test", RULE_LONG, { "true", entry, "entry / 2", "entry * 2", "0.5" }, 10, 0 };
}

/* The name of the slot that a value resolves to, in a set behind one spec of somebody else's. */
static void resolves(const char *text, const char *want_name)
{
	struct rule_ind *want = rule_ind_new();
	const struct rule_def def = rule_of(text);
	struct rule_error err;
	struct rule_book *book = rule_book_new(&def, 1, rule_ind_resolve, want, &err);
	struct ind_spec specs[2] = { { "OBV", NULL, 0 }, { NULL, NULL, 0 } };
	struct ind_set *set;
	char why[256];

	if (book == NULL)
		fail_msg("%s: %u:%u: %s", text, err.line, err.column, err.text);
	assert_int_equal(rule_ind_count(want), 1);
	specs[1] = rule_ind_spec(want, 0);
	set = ind_set_new(specs, 2, why, sizeof why);
	assert_non_null(set);
	assert_string_equal(ind_set_slot(set, rule_ind_slot(want, 0, set, 1))->name, want_name);
	ind_set_free(set);
	rule_book_free(book);
	rule_ind_free(want);
}

static void short_and_long_names_find_their_outputs(void **unused)
{
	(void)unused;
	resolves("sma20", "SMA_20");
	resolves("SMA(20)", "SMA_20");
	resolves("Ema12", "EMA_12");
	resolves("EMA(12, tv)", "EMA_12_tv");
	resolves("rsi14", "RSI_14");
	resolves("atr14", "ATR_14");
	resolves("macd", "MACD_12_26_9.macd");
	resolves("macd_signal", "MACD_12_26_9.signal");
	resolves("macd_hist", "MACD_12_26_9.hist");
	resolves("MACD(5, 35).hist", "MACD_5_35_9.hist");
	resolves("bb_upper", "BBANDS_20_2.upper");
	resolves("bb_middle", "BBANDS_20_2.middle");
	resolves("bb_lower", "BBANDS_20_2.lower");
	resolves("BBANDS(10, 2.5).lower", "BBANDS_10_2.5.lower");
}

static void refuses(const char *text, unsigned column, const char *word)
{
	struct rule_ind *want = rule_ind_new();
	const struct rule_def def = rule_of(text);
	struct rule_error err;

	assert_null(rule_book_new(&def, 1, rule_ind_resolve, want, &err));
	if (err.column != column || strstr(err.text, word) == NULL)
		fail_msg("%s: said %u:%u: %s", text, err.line, err.column, err.text);
	rule_ind_free(want);
}

static void what_the_registry_refuses_is_told_with_its_place(void **unused)
{
	(void)unused;
	refuses("1 + foo", 5, "unknown value 'foo'");
	refuses("1 + foo20", 5, "unknown value 'foo20'");
	refuses("SMA(0)", 1, "SMA: period");
	refuses("SMA(20.5)", 1, "SMA: period");
	refuses("SMA(20, 3)", 1, "SMA has no parameter for 3; it takes period, source");
	refuses("EMA(12, purple)", 1, "no parameter for purple");
	refuses("MACD.upper", 1, "MACD has no output upper; there are macd signal hist");
	refuses("SMA(123456789012345678901234567890)", 1, "no parameter for");
	refuses("an_indicator_with_a_name_longer_than_any_there_is_in_the_registry", 1, "unknown value");
}

static void one_indicator_asked_for_twice_is_wanted_once(void **unused)
{
	struct rule_ind *want = rule_ind_new();
	const struct rule_def def = rule_of("sma20 + SMA(20)[3] + macd + macd_signal");
	struct rule_error err;
	struct rule_book *book = rule_book_new(&def, 1, rule_ind_resolve, want, &err);

	(void)unused;
	assert_non_null(book);
	assert_int_equal(rule_ind_count(want), 3);
	assert_int_equal(rule_book_inputs(book), 3);
	rule_book_free(book);
	rule_ind_free(want);
}

/* --- the default rules, with everything real ---------------------------------------------------------------- */

struct engine {
	struct rule_ind *want;
	struct rule_book *book;
	struct ind_set *set;
	size_t slot[RULE_INPUTS_MAX];
	void *ind, *rules;
	struct pat_state pat;
	struct outcome_state open;
	double *val;
	uint64_t *valid;
};

static void engine_start(struct engine *e)
{
	struct ind_spec specs[RULE_INPUTS_MAX];
	struct rule_error err;
	char why[256];
	size_t n;
	const struct rule_def *defs = rule_defaults(&n);

	e->want = rule_ind_new();
	e->book = rule_book_new(defs, n, rule_ind_resolve, e->want, &err);
	if (e->book == NULL)
		fail_msg("%s %s %u:%u: %s", defs[err.rule].name, err.part, err.line, err.column, err.text);
	for (size_t i = 0; i < rule_ind_count(e->want); i++)
		specs[i] = rule_ind_spec(e->want, i);
	e->set = ind_set_new(specs, rule_ind_count(e->want), why, sizeof why);
	assert_non_null(e->set);
	for (size_t i = 0; i < rule_ind_count(e->want); i++)
		e->slot[i] = rule_ind_slot(e->want, i, e->set, i);
	e->ind = calloc(1, ind_set_size(e->set));
	e->rules = calloc(1, rule_state_size(e->book));
	e->val = calloc(ind_set_values(e->set), sizeof *e->val);
	e->valid = calloc(ind_set_bitmap(e->set), sizeof *e->valid);
	ind_init(e->set, e->ind);
	rule_state_init(e->book, e->rules);
	pat_init(&e->pat);
	outcome_init(&e->open);
}

static void engine_stop(struct engine *e)
{
	free(e->valid);
	free(e->val);
	free(e->rules);
	free(e->ind);
	ind_set_free(e->set);
	rule_book_free(e->book);
	rule_ind_free(e->want);
}

static size_t engine_step(struct engine *e, const struct ind_bar *bar, struct rule_signal *out)
{
	double inputs[RULE_INPUTS_MAX];
	int16_t pattern[PAT_N];
	struct rule_tally tally;

	(void)ind_update(e->set, e->ind, bar, e->val, e->valid);
	pat_update(&e->pat, bar, pattern);
	for (size_t i = 0; i < rule_book_inputs(e->book); i++) {
		const struct rule_input *in = rule_book_input(e->book, i);

		inputs[i] = (double)NAN;
		if (in->source == RULE_OF_FIELD)
			inputs[i] = rule_field((enum rule_field)in->slot, bar);
		else if (in->source == RULE_OF_PATTERN && pat_warm(&e->pat, (enum pat_id)in->slot))
			inputs[i] = pattern[in->slot];
		else if (in->source == RULE_OF_INDICATOR && ind_valid(e->valid, e->slot[in->slot]))
			inputs[i] = e->val[ind_set_places(e->set)[e->slot[in->slot]]];
	}
	return rule_step(e->book, e->rules, inputs, out, &tally);
}

/* Trends of 60 to 160 candles with noise: every default rule has its turn. */
static struct ind_bar next_bar(uint64_t *r, double *p, double *drift, int *left)
{
	double u[4], o = *p, c;

	for (int i = 0; i < 4; i++) {
		*r ^= *r << 13;
		*r ^= *r >> 7;
		*r ^= *r << 17;
		u[i] = (double)(*r >> 11) * 0x1p-53;
	}
	if ((*left)-- <= 0) {
		*left = 60 + (int)(100 * u[3]);
		*drift = *p > 2000 ? -0.002 : *p < 500 ? 0.002 : (u[2] - 0.5) * 0.004;
	}
	c = o * (1 + *drift + (u[0] - 0.5) * (*left % 40 < 12 ? 0.001 : 0.008));
	*p = c;
	return (struct ind_bar){ .o = o, .c = c, .h = fmax(o, c) * (1 + 0.001 * u[1]),
		.l = fmin(o, c) * (1 - 0.001 * u[2]), .v = 1, .qv = c, .n = 1 };
}

static void the_default_rules_fire_and_every_signal_finds_its_end(void **unused)
{
	static struct engine e;
	struct rule_signal out[RULE_MAX];
	struct outcome ends[OUTCOME_OPEN_MAX], gone;
	size_t fired[RULE_MAX] = { 0 }, signals = 0, ended = 0;
	uint64_t r = 4711;
	double p = 1000, drift = 0;
	int left = 0;

	(void)unused;
	engine_start(&e);
	for (int i = 0; i < 30000; i++) {
		struct ind_bar bar = next_bar(&r, &p, &drift, &left);
		size_t n;

		bar.open_ms = i * INT64_C(60000);
		ended += outcome_step(&e.open, &bar, ends);
		n = engine_step(&e, &bar, out);
		assert_true(i >= 49 || n == 0 || out[0].rule >= 2);
		for (size_t k = 0; k < n; k++) {
			ended += outcome_add(&e.open, &out[k], &bar, 0, rule_book_expiry(e.book, out[k].rule), &gone);
			fired[out[k].rule]++;
		}
		signals += n;
	}
	for (size_t i = 0; i < rule_book_rules(e.book); i++)
		if (fired[i] == 0)
			fail_msg("%s never fired", rule_book_name(e.book, i));
	assert_int_equal(signals, ended + e.open.n);
	engine_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_and_long_names_find_their_outputs),
		cmocka_unit_test(what_the_registry_refuses_is_told_with_its_place),
		cmocka_unit_test(one_indicator_asked_for_twice_is_wanted_once),
		cmocka_unit_test(the_default_rules_fire_and_every_signal_finds_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
