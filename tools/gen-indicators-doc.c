/*
 * gen-indicators-doc.c - prints docs/indicators.md from the registry.
 */
#include <stdio.h>
#include <stdlib.h>
#include "stages/ap-indicators/ind.h"

static const char head[] =
	"# Indicators\n"
	"\n"
	"Made from the registry by `make docs`; a test fails when it is not up to date.\n"
	"\n"
	"Configured as `indicators = { list = ( { name = \"RSI\"; period = 14; timeframes = [\"1m\", \"1h\"]; symbols = [\"BTC-*\"]; } ); };`\n"
	"(`indicators = ( ... );` where the section has nothing else). Left out, it is the default set (an empty list, `( )`, computes none): SMA 20 50 200, EMA 12 26, RSI, MACD, BBANDS.\n"
	"Without `timeframes` or `symbols` an indicator runs for all; timeframes are those of `candle.timeframes` and names of `candle.bars`. An unknown\n"
	"name or a parameter out of its bounds ends the program with 100, file and line; `ap-indicators -n -c FILE` asks. A record's value is called by the indicator's name, with the\n"
	"output's behind it where there are several (`MACD`, `MACD_SIGNAL`, `BBANDS_UPPER`).\n"
	"\n"
	"Values are computed on final candles, O(1) a candle except where said, and equal TA-Lib 0.6.4 called over the whole history\n"
	"wherever it has the function; `seed = tv` starts up as TradingView does. There is no output before the warm-up is over: the\n"
	"warm-up below is the index, from 0, of the first candle that has a value, as a formula of the parameters, and its value for the\n"
	"defaults. A value is a finite number or absent, never NaN. *Flat* is what comes out while the price stands still. x[n] is x n\n"
	"candles ago; h l o c are the candle's prices. A candle that is revised, or comes late, is computed again with all behind it, up\n"
	"to 16 candles back; docs/signals.md says what holds then, and what forming candles give. Sources are close (unless said otherwise), open, high, low, hl2, hlc3, ohlc4,\n"
	"volume. Average kinds (`ma`) are sma, ema, wma, dema, tema, trima, kama, t3, rma.\n";

static void params_print(const struct ind_def *d)
{
	size_t n = ind_def_params(d);

	for (size_t i = 0; i < n; i++) {
		const struct ind_param *p = &d->params[i];

		printf("%s`%s` ", i ? ", " : "", p->name);
		if (p->kind != IND_CHOICE) {
			printf("%.10g (%.10g to %.10g)", p->def, p->min, p->max);
			continue;
		}
		for (const char *w = p->words, *q; *w != '\0'; w = *q ? q + 1 : q) {
			int at = 0;

			for (const char *k = p->words; k < w; k++)
				at += *k == '|';
			for (q = w; *q != '\0' && *q != '|'; q++)
				;
			if (at == (int)p->def)
				printf("%.*s", (int)(q - w), w);
		}
		printf(" (%s)", p->words);
	}
	printf("%s", n ? "" : "none");
}

/* false: the registry does not compile with its own defaults. */
static bool def_print(const struct ind_def *d)
{
	struct ind_spec spec = { d->name, NULL, 0 };
	char err[256];
	struct ind_set *set = ind_set_new(&spec, 1, err, sizeof err);

	if (set == NULL) {
		fprintf(stderr, "%s\n", err);
		return false;
	}
	printf("\n### %s: %s\n\n%s.\n\n- Inputs: %s. Parameters: ", d->name, d->title, d->formula, d->inputs);
	params_print(d);
	printf(".\n- Outputs: ");
	for (size_t i = 0; i < ind_set_slots(set); i++)
		printf("%s`%s`", i ? ", " : "", ind_set_slot(set, i)->key);
	printf(". Warm-up: %s%s(", d->warmup, *d->warmup ? " " : "as the averages' ");
	for (size_t i = 0; i < ind_set_slots(set); i++)
		if (i == 0 || ind_set_slot(set, i)->first != ind_set_slot(set, i - 1)->first)
			printf("%s%u", i ? ", " : "", ind_set_slot(set, i)->first);
	printf("). State: %zu bytes and %zu of history.\n- Flat: %s. TA-Lib: %s.\n", ind_set_core_size(set),
	       ind_set_ring_size(set), d->flat, d->talib);
	ind_set_free(set);
	return true;
}

int main(void)
{
	const struct ind_def *d;
	const char *group = "";

	fputs(head, stdout);
	for (size_t i = 0; (d = ind_def_at(i)) != NULL; i++) {
		if (ind_def_group(d) != group)
			printf("\n## %s\n", group = ind_def_group(d));
		if (!def_print(d))
			return 1;
	}
	return 0;
}
