/*
 * test_rule.c - the rule language: what it means, what it refuses, and its laws.
 *
 * The host here knows a handful of indicators and gives them whatever value a
 * test sets; one rule under test is most often the whole book.
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
#include <strings.h>

#include "stages/ap-indicators/rule.h"

/* --- a host ------------------------------------------------------------------------------------------- */

enum { SLOTS = 600 };

struct host {
	char asked[128];         /* the last reference, "NAME(a,b).output" */
	double value[SLOTS];
};

static bool known(ap_str name)
{
	static const char *const names[] = { "SMA", "EMA", "RSI", "ATR", "MACD", "BBANDS", "T3", "OBV" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == name.len && strncasecmp(names[i], name.p, name.len) == 0)
			return true;
	return false;
}

/* A slot per different reference, by a small hash: enough for the names used here. */
static int resolve(void *host, const struct rule_ref *ref, char *why, size_t why_size)
{
	struct host *h = host;
	int len = snprintf(h->asked, sizeof h->asked, "%.*s(", (int)ref->name.len, ref->name.p);
	unsigned hash = 0;

	for (size_t i = 0; i < ref->n_args; i++)
		len += snprintf(h->asked + len, sizeof h->asked - (size_t)len, "%s%.*s", i > 0 ? "," : "",
				(int)ref->arg[i].len, ref->arg[i].p);
	(void)snprintf(h->asked + len, sizeof h->asked - (size_t)len, ")%s%.*s", ref->output.len > 0 ? "." : "",
		       (int)ref->output.len, ref->output.len > 0 ? ref->output.p : "");
	if (!known(ref->name)) {
		if (ap_str_is(ref->name, "bare"))
			(void)snprintf(why, why_size, "bare needs a period");
		return -1;
	}
	for (const char *c = h->asked; *c != '\0'; c++)
		hash = hash * 31 + (unsigned char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	return (int)(hash % SLOTS);
}

static int slot_of(const char *name, const char *arg, const char *output)
{
	struct host h;
	const struct rule_ref ref = { ap_str_c(name), { ap_str_c(arg) }, *arg != '\0', ap_str_c(output) };
	char why[64];

	return resolve(&h, &ref, why, sizeof why);
}

/* --- one rule on some candles ---------------------------------------------------------------------------- */

static struct rule_def rule_of(const char *when, const char *entry)
{
	return (struct rule_def){ "test", RULE_LONG,
		{ when, entry, "entry / 2", "entry * 2", "0.5" }, 10, 0 };
}

static struct rule_book *book_of(const struct rule_def *defs, size_t n, struct host *host)
{
	struct rule_error err;
	struct rule_book *book = rule_book_new(defs, n, resolve, host, &err);

	if (book == NULL)
		fail_msg("rule %zu, %s %u:%u: %s", err.rule, err.part, err.line, err.column, err.text);
	return book;
}

static struct ind_bar candle(double close)
{
	return (struct ind_bar){ .o = close - 1, .h = close + 2, .l = close - 3, .c = close, .v = 10,
		.qv = 10 * close + 5, .n = 7, .buy_v = 6, .sell_v = 4 };
}

static void fill(const struct rule_book *book, const struct host *host, const struct ind_bar *bar,
		 const int16_t *patterns, double *inputs)
{
	for (size_t i = 0; i < rule_book_inputs(book); i++) {
		const struct rule_input *in = rule_book_input(book, i);

		switch (in->source) {
		case RULE_OF_FIELD:
			inputs[i] = rule_field((enum rule_field)in->slot, bar);
			break;
		case RULE_OF_PATTERN:
			inputs[i] = patterns != NULL ? patterns[in->slot] : (double)NAN;
			break;
		case RULE_OF_INDICATOR:
			inputs[i] = host->value[in->slot];
			break;
		}
	}
}

/* What the rule says on the last of n candles that close at closes[]. */
static size_t last(const struct rule_def *def, struct host *host, const double *closes, size_t n,
		   struct rule_signal *out, struct rule_tally *tally)
{
	struct rule_book *book = book_of(def, 1, host);
	void *state = malloc(rule_state_size(book));
	double inputs[RULE_INPUTS_MAX];
	size_t fired = 0;

	rule_state_init(book, state);
	for (size_t i = 0; i < n; i++) {
		const struct ind_bar bar = candle(closes[i]);

		fill(book, host, &bar, NULL, inputs);
		fired = rule_step(book, state, inputs, out, tally);
		assert_int_equal(tally->fired + tally->quiet + tally->absent + tally->cooling + tally->senseless, 1);
	}
	free(state);
	rule_book_free(book);
	return fired;
}

enum answer { NO, YES, ABSENT };

static enum answer ask_on(const char *when, const double *closes, size_t n)
{
	static struct host host;
	const struct rule_def def = rule_of(when, "10");
	struct rule_signal s;
	struct rule_tally t;

	host.value[slot_of("SMA", "20", "")] = 50;
	host.value[slot_of("EMA", "12", "")] = (double)NAN;
	if (last(&def, &host, closes, n, &s, &t) == 1)
		return YES;
	assert_int_equal(t.absent + t.quiet, 1);
	return t.absent == 1 ? ABSENT : NO;
}

static enum answer ask(const char *when)
{
	return ask_on(when, (const double[]){ 10, 20, 30 }, 3);
}

/* The value of a numeric expression, or NAN. It must be above 0. */
static double number(const char *entry)
{
	static struct host host;
	const struct rule_def def = rule_of("true", entry);
	struct rule_signal s;
	struct rule_tally t;

	host.value[slot_of("SMA", "20", "")] = 50;
	host.value[slot_of("EMA", "12", "")] = (double)NAN;
	return last(&def, &host, (const double[]){ 10, 20, 30 }, 3, &s, &t) == 1 ? s.entry : (double)NAN;
}

#define IS(want, entry) assert_true(fabs(number(entry) - (want)) < 1e-12)

/* --- meaning ---------------------------------------------------------------------------------------------- */

static void arithmetic_binds_as_on_paper(void **unused)
{
	(void)unused;
	IS(7, "1 + 2 * 3");
	IS(9, "(1 + 2) * 3");
	IS(2, "8 - 4 - 2");
	IS(1, "8 / 4 / 2");
	IS(5, "-(-2 - 3)");
	IS(6, "- -6");
	IS(3, "1--2");
	IS(0.75, ".5 + 2.5e-1");
	IS(1200, "1.2e3");
	IS(4, "min(9, 4, 7)");
	IS(9, "max(4, 9)");
	IS(3, "abs(1 - 4)");
	IS(30, "close # the last\n");
	IS(21, "\n high[1] # the one before\n\t- low[2] / 7");
}

static void comparisons_and_logic_have_their_truth_tables(void **unused)
{
	(void)unused;
	assert_int_equal(ask("1 < 2"), YES);
	assert_int_equal(ask("2 < 2"), NO);
	assert_int_equal(ask("2 <= 2 and 2 >= 2 and 2 == 2"), YES);
	assert_int_equal(ask("2 != 2 or 3 > 4"), NO);
	assert_int_equal(ask("true and false"), NO);
	assert_int_equal(ask("true or false"), YES);
	assert_int_equal(ask("not false"), YES);
	assert_int_equal(ask("not not true"), YES);
	assert_int_equal(ask("true or true and false"), YES);
	assert_int_equal(ask("(true or true) and false"), NO);
	assert_int_equal(ask("not 1 > 2 and close == 30"), YES);
}

static void every_field_of_a_candle_has_a_name(void **unused)
{
	const struct ind_bar quiet = { .o = 5, .h = 5, .l = 5, .c = 5 };

	(void)unused;
	IS(29, "open");
	IS(32, "high");
	IS(27, "low");
	IS(30, "close");
	IS(10, "volume");
	IS(305, "quote_volume");
	IS(30.5, "vwap");
	IS(7, "trades");
	IS(6, "buy_volume");
	IS(4, "sell_volume");
	assert_true(isnan(rule_field(RULE_VWAP, &quiet)));
}

static void earlier_values_are_those_of_earlier_candles(void **unused)
{
	double closes[40];

	(void)unused;
	for (int i = 0; i < 40; i++)
		closes[i] = 100 + i * i;
	assert_int_equal(ask_on("close[0] == 1621 and close[1] == 1544 and close[16] == 629", closes, 40), YES);
	assert_int_equal(ask_on("(close - open[1])[15] == close[15] - open[16]", closes, 40), YES);
	assert_int_equal(ask_on("max(close, 3)[2] == close[2]", closes, 40), YES);
	assert_int_equal(ask_on("(close > close[1])[3]", closes, 40), YES);
	assert_int_equal(ask_on("close[2] > 0", closes, 2), ABSENT);
	assert_int_equal(ask_on("close[2] > 0", closes, 3), YES);
	assert_int_equal(ask_on("close[16] > 0", closes, 16), ABSENT);
	assert_int_equal(ask_on("close[16] > 0", closes, 17), YES);
}

static void a_crossing_is_a_change_of_sides_between_two_candles(void **unused)
{
	(void)unused;
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 49, 51 }, 2), YES);
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 50, 51 }, 2), YES);
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 49, 50 }, 2), NO);
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 51, 52 }, 2), NO);
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 51, 49 }, 2), NO);
	assert_int_equal(ask_on("cross_under(close, 50)", (const double[]){ 51, 49 }, 2), YES);
	assert_int_equal(ask_on("cross_under(close, 50)", (const double[]){ 50, 49 }, 2), YES);
	assert_int_equal(ask_on("cross_under(close, 50)", (const double[]){ 51, 50 }, 2), NO);
	assert_int_equal(ask_on("cross_over(50, close)", (const double[]){ 51, 49 }, 2), YES);
	assert_int_equal(ask_on("cross_over(close, 50)", (const double[]){ 51 }, 1), ABSENT);
	assert_int_equal(ask_on("cross_over(close, 50)[1]", (const double[]){ 49, 51, 40 }, 3), YES);
	assert_int_equal(ask_on("cross_over(close - low, low[1] - 40)", (const double[]){ 1, 47, 46 }, 3), NO);
}

static void what_is_absent_makes_the_whole_rule_absent(void **unused)
{
	(void)unused;
	assert_int_equal(ask("ema12 > 1"), ABSENT);
	assert_int_equal(ask("not (ema12 > 1)"), ABSENT);
	assert_int_equal(ask("true or ema12 > 1"), ABSENT);
	assert_int_equal(ask("false and ema12 > 1"), ABSENT);
	assert_int_equal(ask("ema12 != ema12"), ABSENT);
	assert_int_equal(ask("engulfing > 0"), ABSENT);
	assert_int_equal(ask("min(ema12, 5) > 1"), ABSENT);
	assert_int_equal(ask("1 / (close - 30) > 0"), ABSENT);
	assert_int_equal(ask("not (1 / (close - 30) > 0)"), ABSENT);
	assert_int_equal(ask("0 / (close - 30) == 0"), ABSENT);
	assert_int_equal(ask("1e308 * close > 0"), ABSENT);
	assert_true(isnan(number("ema12")));
	assert_true(isnan(number("1 / 0")));
}

static void an_infinite_input_is_an_absent_one(void **unused)
{
	static struct host host;
	const struct rule_def def = rule_of("sma20 > 0", "10");
	struct rule_signal s;
	struct rule_tally t;

	(void)unused;
	host.value[slot_of("SMA", "20", "")] = (double)INFINITY;
	assert_int_equal(last(&def, &host, (const double[]){ 1 }, 1, &s, &t), 0);
	assert_int_equal(t.absent, 1);
}

static void check_ref(const char *text, const char *want)
{
	static struct host host;
	const struct rule_def def = rule_of("true", text);

	rule_book_free(book_of(&def, 1, &host));
	assert_string_equal(host.asked, want);
}

static void names_reach_the_host_with_their_arguments(void **unused)
{
	(void)unused;
	check_ref("sma20", "sma(20)");
	check_ref("EMA12", "EMA(12)");
	check_ref("macd", "MACD()");
	check_ref("macd_signal", "MACD().signal");
	check_ref("macd_hist", "MACD().hist");
	check_ref("bb_upper", "BBANDS().upper");
	check_ref("bb_middle", "BBANDS().middle");
	check_ref("bb_lower", "BBANDS().lower");
	check_ref("MACD(5, 35 ,5).signal", "MACD(5,35,5).signal");
	check_ref("macd.hist", "MACD().hist");
	check_ref("BBANDS(20, 2.5, -1).upper", "BBANDS(20,2.5,-1).upper");
	check_ref("EMA(12, tv)", "EMA(12,tv)");
	check_ref("OBV()", "OBV()");
	check_ref("obv", "obv()");
	check_ref("t3", "t3()");
	check_ref("T3(5)[2]", "T3(5)");
	check_ref("SMA(20).value + 0", "SMA(20).value");
}

static void one_value_is_one_input_however_it_is_written(void **unused)
{
	static struct host host;
	const struct rule_def def = rule_of("SMA( 20 ) > close[3] and SMA20 [5] > 1 or doji != 0", "close");
	struct rule_book *book = book_of(&def, 1, &host);

	(void)unused;
	assert_int_equal(rule_book_inputs(book), 3);
	assert_string_equal(rule_book_input(book, 0)->name, "SMA(20)");
	assert_int_equal(rule_book_input(book, 0)->back, 5);
	assert_int_equal(rule_book_input(book, 0)->source, RULE_OF_INDICATOR);
	assert_string_equal(rule_book_input(book, 1)->name, "close");
	assert_int_equal(rule_book_input(book, 1)->back, 3);
	assert_int_equal(rule_book_input(book, 1)->slot, RULE_CLOSE);
	assert_string_equal(rule_book_input(book, 2)->name, "doji");
	assert_int_equal(rule_book_input(book, 2)->source, RULE_OF_PATTERN);
	assert_int_equal(rule_book_input(book, 2)->slot, PAT_DOJI);
	rule_book_free(book);
}

static void patterns_are_numbers_by_their_names(void **unused)
{
	static struct host host;
	const struct rule_def def = rule_of("engulfing >= 80 and doji[1] == 100", "close");
	struct rule_book *book = book_of(&def, 1, &host);
	void *state = malloc(rule_state_size(book));
	int16_t patterns[PAT_N] = { 0 };
	const struct ind_bar bar = candle(10);
	double inputs[RULE_INPUTS_MAX];
	struct rule_signal s;
	struct rule_tally t;

	(void)unused;
	rule_state_init(book, state);
	patterns[PAT_DOJI] = 100;
	fill(book, &host, &bar, patterns, inputs);
	assert_int_equal(rule_step(book, state, inputs, &s, &t), 0);
	patterns[PAT_DOJI] = 0;
	patterns[PAT_ENGULFING] = 80;
	fill(book, &host, &bar, patterns, inputs);
	assert_int_equal(rule_step(book, state, inputs, &s, &t), 1);
	patterns[PAT_ENGULFING] = -100;
	fill(book, &host, &bar, patterns, inputs);
	assert_int_equal(rule_step(book, state, inputs, &s, &t), 0);
	free(state);
	rule_book_free(book);
}

/* --- signals ---------------------------------------------------------------------------------------------- */

static void a_signal_carries_prices_confidence_and_reward(void **unused)
{
	static struct host host;
	struct rule_def def = { "x", RULE_LONG,
		{ "true", "close", "entry - 4", "entry + 3 * (entry - stop)", "(target - entry) / 20" }, 10, 0 };
	struct rule_signal s;
	struct rule_tally t;

	(void)unused;
	assert_int_equal(last(&def, &host, (const double[]){ 100 }, 1, &s, &t), 1);
	assert_true(s.entry == 100 && s.stop == 96 && s.target == 112 && s.confidence == 0.6);
	assert_true(s.risk_reward == 3);
	assert_int_equal(s.side, RULE_LONG);
	def.text[RULE_CONFIDENCE] = "7";
	assert_int_equal(last(&def, &host, (const double[]){ 100 }, 1, &s, &t), 1);
	assert_true(s.confidence == 1);
	def.text[RULE_CONFIDENCE] = "-0.1";
	assert_int_equal(last(&def, &host, (const double[]){ 100 }, 1, &s, &t), 1);
	assert_true(s.confidence == 0);
}

static void prices_out_of_order_make_no_signal(void **unused)
{
	static struct host host;
	static const struct { enum rule_side side; const char *stop, *target; size_t fires; } cases[] = {
		{ RULE_LONG, "90", "110", 1 }, { RULE_LONG, "110", "120", 0 }, { RULE_LONG, "90", "95", 0 },
		{ RULE_LONG, "100", "110", 0 }, { RULE_LONG, "90", "100", 0 }, { RULE_LONG, "-5", "110", 0 },
		{ RULE_SHORT, "110", "90", 1 }, { RULE_SHORT, "90", "110", 0 }, { RULE_SHORT, "110", "0", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct rule_def def = { "x", cases[i].side,
			{ "true", "100", cases[i].stop, cases[i].target, "1" }, 10, 0 };
		struct rule_signal s;
		struct rule_tally t;

		assert_int_equal(last(&def, &host, (const double[]){ 100 }, 1, &s, &t), cases[i].fires);
		assert_int_equal(t.senseless, 1 - cases[i].fires);
	}
}

static void after_a_signal_a_rule_is_silent_for_its_cooldown(void **unused)
{
	static struct host host;
	struct rule_def def = rule_of("close > 5", "10");
	struct rule_book *book;
	void *state;
	struct rule_signal s;
	struct rule_tally t;
	char seen[13] = "";

	(void)unused;
	def.cooldown = 3;
	book = book_of(&def, 1, &host);
	state = malloc(rule_state_size(book));
	rule_state_init(book, state);
	for (int i = 0; i < 12; i++) {
		const double close = i == 4 ? 1 : 9;

		seen[i] = rule_step(book, state, &close, &s, &t) == 1 ? 'F' : t.cooling == 1 ? 'c' : 'q';
	}
	assert_string_equal(seen, "FcccqFcccFcc");
	free(state);
	rule_book_free(book);
}

static void inputs_are_told_as_json_each_once(void **unused)
{
	static struct host host;
	const struct rule_def def = rule_of("cross_over(close, sma20) and close > 0.1", "close + doji * 0");
	struct rule_book *book = book_of(&def, 1, &host);
	void *state = malloc(rule_state_size(book));
	struct rule_signal s;
	struct rule_tally t;
	char text[256];
	struct ap_buf out;

	(void)unused;
	rule_state_init(book, state);
	(void)rule_step(book, state, (const double[]){ 10, 10.1, 0 }, &s, &t);
	assert_int_equal(rule_step(book, state, (const double[]){ 1.0 / 3, 0.3, 100 }, &s, &t), 1);
	ap_buf_fixed(&out, text, sizeof text);
	rule_inputs_json(book, 0, state, &out);
	assert_false(out.full);
	assert_int_equal(out.len, strlen("{\"close\":0.3333333333333333,\"sma20\":0.3,\"close[1]\":10,"
					 "\"sma20[1]\":10.1,\"doji\":100}"));
	assert_memory_equal(text, "{\"close\":0.3333333333333333,\"sma20\":0.3,\"close[1]\":10,"
			    "\"sma20[1]\":10.1,\"doji\":100}", out.len);
	free(state);
	rule_book_free(book);
}

/* --- refusals ---------------------------------------------------------------------------------------------- */

static void refuse(const struct rule_def *def, const char *part, unsigned line, unsigned column, const char *word)
{
	static struct host host;
	struct rule_error err;
	struct rule_book *book = rule_book_new(def, 1, resolve, &host, &err);

	if (book != NULL)
		fail_msg("taken: %s", def->text[0]);
	if (strcmp(err.part, part) != 0 || err.line != line || err.column != column ||
	    strstr(err.text, word) == NULL)
		fail_msg("%s: said %s %u:%u: %s", def->text[0], err.part, err.line, err.column, err.text);
}

static void what_is_wrong_is_told_with_line_and_column(void **unused)
{
	static const struct { const char *when; unsigned line, column; const char *word; } cases[] = {
		{ "close >", 1, 8, "ends where a value" },
		{ "close > > 1", 1, 9, "'>' where a value" },
		{ "close > 1 2", 1, 11, "'2' where an operator" },
		{ "close\n  > foo", 2, 5, "unknown value 'foo'" },
		{ "close > 1 and\nrsi14 < sma20 < 3", 2, 15, "do not chain" },
		{ "close", 1, 1, "needs a condition" },
		{ "close and 1 > 2", 1, 7, "needs a condition" },
		{ "1 > 2 and close", 1, 7, "needs a condition" },
		{ "(1 > 2) + 3 > 1", 1, 9, "needs a number" },
		{ "1 > (2 > 3)", 1, 3, "needs a number" },
		{ "-(1 > 2) > 0", 1, 1, "needs a number" },
		{ "not close", 1, 1, "needs a condition" },
		{ "close > 1 $ 2", 1, 11, "unexpected character '$'" },
		{ "close > \x01", 1, 9, "unexpected byte 0x01" },
		{ "close = 3", 1, 7, "unexpected character '='" },
		{ "(close > 1", 1, 11, "ends where ')'" },
		{ "close > 1)", 1, 10, "where an operator" },
		{ "cross_over(close)", 1, 17, "where ','" },
		{ "cross_over(close, 1 > 2)", 1, 19, "needs a number" },
		{ "cross_over(1, 2)", 1, 12, "no earlier values" },
		{ "cross_over close", 1, 12, "where '('" },
		{ "min(close) > 1", 1, 10, "a second number" },
		{ "abs(close, 1) > 1", 1, 10, "where ')'" },
		{ "close[17] > 1", 1, 7, "0 to 16" },
		{ "close[1.5] > 1", 1, 7, "whole number" },
		{ "close[-1] > 1", 1, 7, "number of candles" },
		{ "close[1 > 1", 1, 9, "where ']'" },
		{ "close[1][2] > 1", 1, 9, "only one" },
		{ "(close[9] > 1)[8]", 1, 15, "17 candles back" },
		{ "cross_over(close[16], 3)", 1, 12, "17 candles back" },
		{ "3[1] > 1", 1, 2, "no earlier values" },
		{ "entry > 1", 1, 1, "not known yet" },
		{ "12abc > 1", 1, 3, "a number ends in 'a'" },
		{ "0x10 > 1", 1, 2, "a number ends in 'x'" },
		{ "1e999 > 1", 1, 1, "too large" },
		{ "and", 1, 1, "where a value" },
		{ "2 + not true > 1", 1, 5, "where a value" },
		{ "SMA( > 1", 1, 6, "an argument" },
		{ "SMA(20 > 1", 1, 8, "',' or ')'" },
		{ "SMA(- 20) > 1", 1, 5, "right before" },
		{ "SMA(1,2,3,4,5,6,7,8,9) > 1", 1, 21, "more than 8 arguments" },
		{ "SMA(20).5 > 1", 1, 8, "where an operator" },
		{ "SMA(20).+ > 1", 1, 9, "name of an output" },
		{ "foo20 > 1", 1, 1, "unknown value 'foo20': no field, pattern or indicator" },
		{ "1 < bare", 1, 5, "bare needs a period" },
		{ "close = 1", 1, 7, "equal is ==" },
		{ "volume(3) > 1", 1, 1, "unknown value 'volume'" },
		{ "# nothing", 1, 10, "ends where a value" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct rule_def def = rule_of(cases[i].when, "1");

		refuse(&def, "when", cases[i].line, cases[i].column, cases[i].word);
	}
}

static void a_definition_is_checked_beyond_its_expressions(void **unused)
{
	struct rule_def def = rule_of("true", "1");

	(void)unused;
	def.name = "Big";
	refuse(&def, "name", 1, 1, "a-z");
	def.name = "";
	refuse(&def, "name", 1, 1, "a-z");
	def.name = "a_name_of_more_than_forty_seven_letters_is_too_long";
	refuse(&def, "name", 1, 1, "47");
	def = rule_of("true", "1");
	def.expiry = 0;
	refuse(&def, "expiry", 1, 1, "1 to");
	def.expiry = RULE_WAIT_MAX + 1;
	refuse(&def, "expiry", 1, 1, "1 to");
	def = rule_of("true", "1");
	def.cooldown = RULE_WAIT_MAX + 1;
	refuse(&def, "cooldown", 1, 1, "0 to");
	def = rule_of("true", "1");
	def.side = (enum rule_side)0;
	refuse(&def, "direction", 1, 1, "long or short");
	def = rule_of("true", " \n");
	refuse(&def, "entry", 1, 1, "missing");
	def = rule_of("true", "1 > 2");
	refuse(&def, "entry", 1, 1, "needs a number");
	def = rule_of("true", "stop + 1");
	refuse(&def, "entry", 1, 1, "not known yet");
	def = rule_of("true", "1");
	def.text[RULE_STOP] = "entry[1]";
	refuse(&def, "stop", 1, 6, "no earlier values");
	def.text[RULE_STOP] = "1";
	def.text[RULE_CONFIDENCE] = NULL;
	refuse(&def, "confidence", 1, 1, "missing");
}

/* "x" n times between before and after. */
static const char *repeat(char *out, const char *before, const char *x, size_t n, const char *after)
{
	char *p = stpcpy(out, before);

	while (n-- > 0)
		p = stpcpy(p, x);
	(void)stpcpy(p, after);
	return out;
}

static bool taken(const char *when, const char *word)
{
	static struct host host;
	const struct rule_def def = rule_of(when, "1");
	struct rule_error err;
	struct rule_book *book = rule_book_new(&def, 1, resolve, &host, &err);

	if (book == NULL && strstr(err.text, word) == NULL)
		fail_msg("said %u:%u: %s", err.line, err.column, err.text);
	rule_book_free(book);
	return book != NULL;
}

static void depth_size_and_reach_are_bounded(void **unused)
{
	static char a[40000], b[20000];

	(void)unused;
	assert_true(taken(repeat(a, "", "(", 32, repeat(b, "1", ")", 32, " > 0")), ""));
	assert_false(taken(repeat(a, "", "(", 33, repeat(b, "1", ")", 33, " > 0")), "levels"));
	assert_false(taken(repeat(a, "", "not ", 33, "true"), "levels"));
	assert_false(taken(repeat(a, "", "-", 33, "1 > 0"), "levels"));
	assert_false(taken(repeat(a, "", "abs(", 400, "1"), "levels"));
	assert_true(taken(repeat(a, "0", "+1", 126, " > 0"), ""));
	assert_false(taken(repeat(a, "0", "+1", 128, " > 0"), "steps"));
	assert_true(taken(repeat(a, "1 > 0", " ", RULE_TEXT_MAX - 5, ""), ""));
	assert_false(taken(repeat(a, "1 > 0", " ", RULE_TEXT_MAX - 4, ""), "longer than"));
	/* every parenthesis leaves two values waiting */
	assert_true(taken(repeat(a, "", "1+1*(", 31, repeat(b, "1", ")", 31, " > 0")), ""));
	assert_false(taken(repeat(a, "", "1+1*(", 32, repeat(b, "1", ")", 32, " > 0")), "values at a time"));
}

static void a_book_has_at_most_64_rules_with_different_names(void **unused)
{
	static struct host host;
	static struct rule_def defs[RULE_MAX + 1];
	static char names[RULE_MAX + 1][8];
	struct rule_book *book;
	struct rule_error err;

	(void)unused;
	for (unsigned i = 0; i <= RULE_MAX; i++) {
		(void)snprintf(names[i], sizeof names[i], "r%u", i);
		defs[i] = rule_of("true", "1");
		defs[i].name = names[i];
	}
	assert_null(rule_book_new(defs, RULE_MAX + 1, resolve, &host, &err));
	book = book_of(defs, RULE_MAX, &host);
	assert_int_equal(rule_book_rules(book), RULE_MAX);
	assert_string_equal(rule_book_name(book, 63), "r63");
	assert_int_equal(rule_book_side(book, 63), RULE_LONG);
	assert_int_equal(rule_book_expiry(book, 63), 10);
	rule_book_free(book);
	defs[5].name = "r4";
	assert_null(rule_book_new(defs, RULE_MAX, resolve, &host, &err));
	assert_int_equal(err.rule, 5);
	assert_string_equal(err.part, "name");
	book = book_of(defs, 0, &host);
	assert_int_equal(rule_book_rules(book), 0);
	rule_book_free(book);
}

static void a_book_reads_at_most_256_values(void **unused)
{
	static struct host host;
	static struct rule_def defs[RULE_MAX];
	static char names[RULE_MAX][8], texts[RULE_MAX][1024];
	struct rule_error err;
	unsigned period = 1;

	(void)unused;
	for (unsigned i = 0; i < 12; i++) {
		char *p = texts[i];

		for (int j = 0; j < 30; j++)
			p += sprintf(p, "SMA(%u) + ", period++);
		(void)stpcpy(p, "1");
		(void)snprintf(names[i], sizeof names[i], "r%u", i);
		defs[i] = rule_of("true", texts[i]);
		defs[i].name = names[i];
	}
	assert_null(rule_book_new(defs, 12, resolve, &host, &err));
	assert_non_null(strstr(err.text, "more than 256"));
	assert_string_equal(err.part, "entry");
}

/* --- laws ---------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r >> 20;
}

/* Inputs that make every default rule fire now and then: indicators scattered around a walking close. */
static void scatter(const struct rule_book *book, uint64_t *r, double *close, double *inputs)
{
	*close = fmax(50, *close + (double)(next_random(r) % 21) - 10);
	for (size_t i = 0; i < rule_book_inputs(book); i++) {
		const char *name = rule_book_input(book, i)->name;
		const double u = (double)(next_random(r) % 1000) / 1000;

		if (strcmp(name, "close") == 0)
			inputs[i] = *close;
		else if (strncmp(name, "rsi", 3) == 0)
			inputs[i] = 100 * u;
		else if (strncmp(name, "atr", 3) == 0)
			inputs[i] = 1 + 4 * u;
		else if (strncmp(name, "macd", 4) == 0)
			inputs[i] = 4 * u - 2;
		else if (strcmp(name, "engulfing") == 0)
			inputs[i] = 100 * floor(3 * u) - 100;
		else if (strcmp(name, "low") == 0 || strcmp(name, "bb_lower") == 0)
			inputs[i] = *close - 6 * u + 1;
		else if (strcmp(name, "high") == 0 || strcmp(name, "bb_upper") == 0)
			inputs[i] = *close + 6 * u - 1;
		else
			inputs[i] = next_random(r) % 50 == 0 ? (double)NAN : *close + 8 * u - 4;
	}
}

static void every_default_rule_fires_and_keeps_its_promises(void **unused)
{
	static struct host host;
	size_t n, fired[RULE_MAX] = { 0 };
	const struct rule_def *defs = rule_defaults(&n);
	struct rule_book *book = book_of(defs, n, &host);
	void *state = malloc(rule_state_size(book));
	double inputs[RULE_INPUTS_MAX], close = 1000;
	uint64_t r = 12345;

	(void)unused;
	assert_true(rule_state_size(book) < 2048);
	rule_state_init(book, state);
	for (int i = 0; i < 20000; i++) {
		struct rule_signal s[RULE_MAX];
		struct rule_tally t;
		size_t k;

		scatter(book, &r, &close, inputs);
		k = rule_step(book, state, inputs, s, &t);
		assert_int_equal(t.fired + t.quiet + t.absent + t.cooling + t.senseless, n);
		assert_int_equal(t.fired, k);
		for (size_t j = 0; j < k; j++) {
			assert_true(s[j].confidence >= 0 && s[j].confidence <= 1 && s[j].risk_reward > 0);
			assert_true(s[j].side == RULE_LONG ? s[j].stop < s[j].entry && s[j].entry < s[j].target
				: s[j].target < s[j].entry && s[j].entry < s[j].stop);
			fired[s[j].rule]++;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (fired[i] == 0)
			fail_msg("%s never fired", rule_book_name(book, i));
	free(state);
	rule_book_free(book);
}

/* 400 candles of the default rules, saved and loaded before every candle in `cuts`. */
static uint64_t replay(const struct rule_book *book, unsigned cut_every)
{
	void *state = malloc(rule_state_size(book)), *back = malloc(rule_state_size(book));
	uint8_t *image = malloc(rule_save_size(book));
	double inputs[RULE_INPUTS_MAX], close = 1000;
	uint64_t r = 99, sum = 0;

	rule_state_init(book, state);
	for (unsigned i = 0; i < 400; i++) {
		struct rule_signal s[RULE_MAX];
		struct rule_tally t;
		size_t k;

		if (cut_every > 0 && i % cut_every == 0) {
			assert_int_equal(rule_save(book, state, image, rule_save_size(book)), rule_save_size(book));
			memset(back, 0x5a, rule_state_size(book));
			assert_true(rule_load(book, back, image, rule_save_size(book)));
			memcpy(state, back, rule_state_size(book));
		}
		scatter(book, &r, &close, inputs);
		/* a look at a copy leaves no trace */
		memcpy(back, state, rule_state_size(book));
		(void)rule_step(book, back, inputs, s, &t);
		k = rule_step(book, state, inputs, s, &t);
		for (size_t j = 0; j < k; j++)
			sum = sum * 1000003 + i * 64 + s[j].rule + (uint64_t)(s[j].target * 1024);
	}
	free(image);
	free(back);
	free(state);
	return sum;
}

static void same_tape_same_signals_wherever_it_is_cut(void **unused)
{
	static struct host host;
	size_t n;
	const struct rule_def *defs = rule_defaults(&n);
	struct rule_book *book = book_of(defs, n, &host);
	const uint64_t whole = replay(book, 0);

	(void)unused;
	assert_true(whole != 0);
	assert_true(replay(book, 1) == whole);
	assert_true(replay(book, 7) == whole);
	assert_true(replay(book, 0) == whole);
	rule_book_free(book);
}

static void an_image_is_refused_when_damaged_or_of_another_book(void **unused)
{
	static struct host host;
	struct rule_def one = rule_of("close > close[2]", "close"), two = rule_of("close > close[2]", "close");
	struct rule_book *a = book_of(&one, 1, &host), *b;
	uint8_t image[256], again[256];
	void *state = malloc(rule_state_size(a));
	struct rule_signal s;
	struct rule_tally t;
	size_t size;

	(void)unused;
	two.cooldown = 4;
	b = book_of(&two, 1, &host);
	assert_true(rule_book_print(a) != rule_book_print(b));
	rule_state_init(a, state);
	for (int i = 0; i < 5; i++)
		(void)rule_step(a, state, (const double[]){ i }, &s, &t);
	size = rule_save(a, state, image, sizeof image);
	assert_true(size == rule_save_size(a) && size > 0);
	assert_int_equal(rule_save(a, state, again, size - 1), 0);
	assert_true(rule_load(a, state, image, size));
	assert_int_equal(rule_save(a, state, again, sizeof again), size);
	assert_memory_equal(image, again, size);
	assert_false(rule_load(b, state, image, size));
	assert_false(rule_load(a, state, image, size - 1));
	for (size_t i = 0; i < size; i++) {
		image[i] ^= 4;
		assert_false(rule_load(a, state, image, size));
		image[i] ^= 4;
	}
	assert_true(rule_load(a, state, image, size));
	free(state);
	rule_book_free(a);
	rule_book_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic_binds_as_on_paper),
		cmocka_unit_test(comparisons_and_logic_have_their_truth_tables),
		cmocka_unit_test(every_field_of_a_candle_has_a_name),
		cmocka_unit_test(earlier_values_are_those_of_earlier_candles),
		cmocka_unit_test(a_crossing_is_a_change_of_sides_between_two_candles),
		cmocka_unit_test(what_is_absent_makes_the_whole_rule_absent),
		cmocka_unit_test(an_infinite_input_is_an_absent_one),
		cmocka_unit_test(names_reach_the_host_with_their_arguments),
		cmocka_unit_test(one_value_is_one_input_however_it_is_written),
		cmocka_unit_test(patterns_are_numbers_by_their_names),
		cmocka_unit_test(a_signal_carries_prices_confidence_and_reward),
		cmocka_unit_test(prices_out_of_order_make_no_signal),
		cmocka_unit_test(after_a_signal_a_rule_is_silent_for_its_cooldown),
		cmocka_unit_test(inputs_are_told_as_json_each_once),
		cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
		cmocka_unit_test(a_definition_is_checked_beyond_its_expressions),
		cmocka_unit_test(depth_size_and_reach_are_bounded),
		cmocka_unit_test(a_book_has_at_most_64_rules_with_different_names),
		cmocka_unit_test(a_book_reads_at_most_256_values),
		cmocka_unit_test(every_default_rule_fires_and_keeps_its_promises),
		cmocka_unit_test(same_tape_same_signals_wherever_it_is_cut),
		cmocka_unit_test(an_image_is_refused_when_damaged_or_of_another_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
