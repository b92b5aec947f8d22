/*
 * gen-signals-doc.c - prints docs/signals.md from the tables of patterns and default rules.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "stages/ap-indicators/outcome.h"
#include "stages/ap-indicators/pat.h"
#include "stages/ap-indicators/rule_ind.h"

static const char records[] =
	"# Patterns and signals\n"
	"\n"
	"Made from the tables of patterns and rules by `make docs`; a test fails when it is not up to date.\n"
	"\n"
	"ap-indicators writes three kinds of records to `ap:{p}:signal`; ap-persist stores them in the table `signals`.\n"
	"\n"
	"| kind | name | candle | direction | strength | entry, stop, target | inputs |\n"
	"|---|---|---|---|---|---|---|\n"
	"| `pattern` | the pattern's | the last one of the figure | sign of the strength | TA-Lib's value, -200 to 200 | none | none |\n"
	"| `signal` | the rule's | the one it fired on | the rule's | confidence, 0 to 1 | prices | the values that the rule read |\n"
	"| `outcome` | the rule's | the one the signal fired on | the rule's | result in R: profit by the risk planned | the signal's | what happened |\n"
	"\n"
	"Risk/reward is the way from entry to target by that from entry to stop: `risk_reward` in JSON, by the API and by `--json`.\n"
	"\n"
	"## What is final and what is not\n"
	"\n"
	"Patterns and rules see final candles. When a candle is revised, or comes late between others, the fold computes it and\n"
	"all candles behind it anew, up to 16 candles back; a candle older than that changes nothing (`candles_too_old_total`). What\n"
	"is different then is told again, with the revision of its candle; what no longer holds is **withdrawn**: the same record with\n"
	"direction `none` and strength 0. So per source, symbol, timeframe, candle, kind and name, the record of the highest revision,\n"
	"and of equal ones the last, is what holds; one of direction `none` says that there is nothing.\n"
	"\n"
	"Forming candles travel in `ap:{p}:live`. Every `indicators.provisional_ms` (500; 0: never) ap-indicators looks at that stream's end\n"
	"and computes, on a copy of the state, what values, patterns and signals would be if the candle closed now. They go to `live` too,\n"
	"marked `provisional`: the API sends them on, nothing stores them, and no outcome is told of them. `indicator` and `signal` hold\n"
	"what is final or revised alone.\n"
	"\n"
	"The saved state has the last 16 candles and the state before them. Where the configured indicators or rules are others than\n"
	"when it was saved, or the program is of a version that saves otherwise, the series begins anew (`series_restarted_total`) with its\n"
	"stored candles: before a partition goes on, ap-indicators reads the newest `indicators.past` (5,000) of each such series from\n"
	"PostgreSQL, so that all values and rules stand as if the choice had always been this one; sums from the very beginning (OBV, AD, PVT)\n"
	"start at the oldest of them. Nothing is published for the past. Where PostgreSQL does not answer within 15 s (`ev=past_not_taken`), or\n"
	"`indicators.past` is 0, indicators warm up from the 16 candles kept and with what comes.\n"
	"\n";
static const char configuration[] =
	"## Configuration\n"
	"\n"
	"```\n"
	"indicators = {\n"
	"\tpatterns = \"all\";             # or \"none\", or timeframes: \"1h,4h,1d\"\n"
	"\tdefault_rules = true;          # the rules below\n"
	"\trules = (\n"
	"\t\t{ name = \"dip\"; direction = \"long\";\n"
	"\t\t  when = \"cross_over(rsi14, 30) and close > sma200\";\n"
	"\t\t  entry = \"close\";                      # the default\n"
	"\t\t  stop = \"entry - 2 * atr14\";\n"
	"\t\t  target = \"entry + 3 * atr14\";\n"
	"\t\t  confidence = \"0.4 + min(0.4, 0.02 * (30 - rsi14[1]))\";\n"
	"\t\t  expiry = 24; cooldown = 5;            # candles; 24 and 0 when left out\n"
	"\t\t  timeframes = [\"1h\", \"4h\"]; symbols = [\"BTC-*\"]; } );   # all when left out\n"
	"};\n"
	"```\n"
	"\n"
	"A mistake ends the program with exit status 100 and a sentence: file and line of the entry, the rule, which of its texts, and line and\n"
	"column in that. `-n` checks the configuration and does nothing else. `timeframes` and `patterns` name candles that there are:\n"
	"`candle.timeframes`, and bars of `candle.bars`. A rule with the name of one of ours takes its place. What a rule reads and\n"
	"`indicators.list` does not name is computed for the rule, and not published.\n"
	"\n"
	"Bounds: 64 rules with ours; a text has up to 2,048 bytes, 32 levels inside one another, 256 steps; expiry 1 to 10,000 candles, cooldown\n"
	"0 to 10,000.\n"
	"\n"
	"## The language\n"
	"\n"
	"```\n"
	"expr    = and { \"or\" and }          and     = not { \"and\" not }\n"
	"not     = \"not\" not | compare       compare = sum [ (\"<\" \"<=\" \">\" \">=\" \"==\" \"!=\") sum ]\n"
	"sum     = product { (\"+\" \"-\") product }\n"
	"product = signed { (\"*\" \"/\") signed }        signed = \"-\" signed | earlier\n"
	"earlier = primary [ \"[\" n \"]\" ]     n candles ago, 0 to 16; of a whole ( ... ) too\n"
	"primary = number | \"true\" | \"false\" | \"(\" expr \")\" | function | value\n"
	"```\n"
	"\n"
	"- Functions: `cross_over(a, b)` a > b now and a <= b one candle ago, `cross_under(a, b)`, `min(a, b, ...)`, `max(a, b, ...)`, `abs(a)`.\n"
	"- Candle: `open high low close volume quote_volume vwap trades buy_volume sell_volume`.\n"
	"- Patterns: a name of the table below is its value, 0 where there is none: `engulfing > 0`.\n"
	"- Indicators: `NAME(arguments).output`, arguments and output optional: `MACD(12, 26, 9).signal`. Short names: `sma20` is `SMA(20)`,\n"
	"  and so for any indicator and number; `macd macd_signal macd_hist bb_upper bb_middle bb_lower`. docs/indicators.md\n"
	"  has the names, and the parameters and outputs of each.\n"
	"- In stop, target and confidence `entry` is known; in target and confidence `stop`; in confidence `target`.\n"
	"- `#` begins a comment that ends with the line.\n"
	"\n"
	"A value that is absent (an indicator that warms up, too few candles, a division by zero) makes the whole expression absent, and a\n"
	"rule with an absent expression does not fire. Nor does one whose stop, entry and target are not in order\n"
	"(`signals_senseless_total`). Confidence is clamped to 0 to 1.\n"
	"\n";
static const char outcomes[] =
	"## What became of a signal\n"
	"\n"
	"Every signal is followed until its end; candles say only open, high, low and close, so where the order of events inside one is\n"
	"unknown the worse reading counts.\n"
	"\n"
	"- Entered at once where entry is the close of the signal's candle; else when a later candle reaches entry.\n"
	"- On the candle of a later entry only the stop can be hit; from the next on, the target too. A candle that reaches both is a stop\n"
	"  (`ambiguous`). A candle that opens beyond either leaves at its open.\n"
	"- `inputs`: `end`, one of";
static const char outcome_more[] =
	" (lapsed: the entry was never reached; crowded: more than\n"
	"  32 signals of a series were open, and this was the oldest); `in` and `out`, prices; `candles` from the signal to its end; `end_ms`, the open of the deciding candle.\n"
	"- R is 0 for lapsed and crowded. A full stop is -1. Fees are not counted.\n";

static void patterns_print(void)
{
	static const char *const sense[] = { "", "bullish", "bearish", "both" };

	printf("\n## The %d patterns\n\n", PAT_N);
	printf("TA-Lib 0.6.4's, with its default settings: same values, same candles before the first one. Values are 100 bullish, -100\n"
	       "bearish; 80 where engulfing and harami share one body edge, 200 where a hikkake is confirmed. No pattern asks for a trend.\n\n"
	       "| name | TA-Lib | candles | warm-up | sense | what it looks like |\n|---|---|---|---|---|---|\n");
	for (int i = 0; i < PAT_N; i++) {
		const struct pat_info *p = pat_get((enum pat_id)i);

		printf("| `%s` | %s | %d | %d | %s | %s |\n", p->name, p->ta_name, p->candles, p->lookback, sense[p->sense], p->text);
	}
}

/* false: a default rule does not compile. */
static bool rules_print(void)
{
	size_t n;
	const struct rule_def *d = rule_defaults(&n);
	struct rule_ind *want = rule_ind_new();
	struct rule_error err;
	struct rule_book *book = want == NULL ? NULL : rule_book_new(d, n, rule_ind_resolve, want, &err);

	if (book == NULL)
		return false;
	printf("\n## The default rules\n\n"
	       "Examples to measure, not advice: `GET /api/streaming/signals/stats` says how they do. They run for every series, unless\n"
	       "`indicators.default_rules` is off.\n");
	for (size_t i = 0; i < n; i++) {
		printf("\n### %s\n\n%s; over after %u candles, silent for %u after a signal.\n\n```\n", d[i].name,
		       d[i].side == RULE_LONG ? "Long" : "Short", d[i].expiry, d[i].cooldown);
		for (int p = 0; p < RULE_PART_N; p++)
			printf("%-10s  %s\n", rule_part_name((enum rule_part)p), d[i].text[p]);
		printf("```\n");
	}
	rule_book_free(book);
	rule_ind_free(want);
	return true;
}

int main(void)
{
	fputs(records, stdout);
	fputs(configuration, stdout);
	fputs(outcomes, stdout);
	for (int i = 0; i < OUTCOME_END_N; i++)
		printf("%s `%s`", i ? "," : "", outcome_end_name((enum outcome_end)i));
	fputs(outcome_more, stdout);
	if (!rules_print())
		return 1;
	patterns_print();
	return 0;
}
