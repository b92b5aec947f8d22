/*
 * bars_conf.c - reads the option candle.bars: which bars are built for which series.
 */
#include "bars.h"
#include "entry.h"

#include <stdio.h>
#include <stdlib.h>

struct kind_row {
	const char *word, *prefix;      /* "volume": bars are called vol10 */
	bool counts;                    /* the size is a number of trades */
};

static const struct kind_row kinds[] = {
	[CANDLE_BAR_TICK] = { "tick", "tick", true },
	[CANDLE_BAR_VOLUME] = { "volume", "vol", false },
	[CANDLE_BAR_DOLLAR] = { "dollar", "dollar", false },
	[CANDLE_BAR_RANGE] = { "range", "range", false },
	[CANDLE_BAR_RENKO] = { "renko", "renko", false },
	[CANDLE_BAR_TICK_IMBALANCE] = { "tick_imbalance", "timb", true },
	[CANDLE_BAR_VOLUME_IMBALANCE] = { "volume_imbalance", "vimb", false },
	[CANDLE_BAR_DOLLAR_IMBALANCE] = { "dollar_imbalance", "dimb", false },
	[CANDLE_BAR_TICK_RUNS] = { "tick_runs", "trun", true },
	[CANDLE_BAR_VOLUME_RUNS] = { "volume_runs", "vrun", false },
	[CANDLE_BAR_DOLLAR_RUNS] = { "dollar_runs", "drun", false },
};
_Static_assert(sizeof kinds / sizeof kinds[0] == CANDLE_BAR_N, "a word for every kind");

static bool conf_kind(const struct candle_entry *in, struct candle_bar_spec *spec)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, "kind");
	char words[256] = "";
	size_t len = 0;

	for (unsigned k = 0; k < CANDLE_BAR_N; k++) {
		if (tok != 0 && ap_str_is(ap_json_text(&in->j, tok), kinds[k].word)) {
			spec->kind = (enum candle_bar_kind)k;
			return true;
		}
		len += (size_t)snprintf(words + len, sizeof words - len, " %s", kinds[k].word);
	}
	return candle_entry_bad(in, "kind must be one of", words);
}

static bool conf_size(const struct candle_entry *in, struct candle_bar_spec *spec)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, "size");
	const ap_str text = tok == 0 ? (ap_str){ NULL, 0 } : ap_json_text(&in->j, tok);
	const ap_i128 one = 1000000000000000000;

	if (text.len == 0 || ap_dec_parse(text.p, text.len, &spec->size) != AP_DEC_OK || spec->size.e18 <= 0)
		return candle_entry_bad(in, "size must be a number above 0", "");
	if (kinds[spec->kind].counts && spec->size.e18 % one != 0)
		return candle_entry_bad(in, "size is a number of trades: an integer", "");
	if (spec->size.e18 / one > 1000000000000)
		return candle_entry_bad(in, "size is at most 1000000000000", "");
	spec->size_qv = (ap_sum){ { 0 } };
	candle_sum_addmul(&spec->size_qv, spec->size, (ap_dec){ one });
	return true;
}

static bool conf_name(const struct candle_entry *in, const struct candle_specs *s, struct candle_bar_spec *spec)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, "name");
	char size[AP_DEC_TEXT], text[AP_DEC_TEXT + 16];
	ap_str name;

	(void)ap_dec_format(spec->size, size);
	(void)snprintf(text, sizeof text, "%s%s", kinds[spec->kind].prefix, size);
	name = tok == 0 ? ap_str_c(text) : ap_json_text(&in->j, tok);
	if (tok == 0 && !ap_bar_name_ok(name))
		return candle_entry_bad(in, "needs a name of 1 to 16 characters; without one it would be called ", text);
	if (!ap_bar_name_ok(name))
		return candle_entry_bad(in, "name must be 1 to 16 of a-z 0-9 . _ - and begin with a letter", "");
	memcpy(spec->name, name.p, name.len);
	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, spec->name) == 0)
			return candle_entry_bad(in, "two bars are called ", spec->name);
	return true;
}

static bool conf_entry(const struct candle_entry *in, struct candle_specs *s)
{
	static const char *const keys[] = { "kind", "size", "name", "symbols", "sources", NULL };
	struct candle_bar_spec *spec = &s->v[s->n];

	if (s->n == CANDLE_SPECS_MAX)
		return candle_entry_bad(in, "more than 64 entries", "");
	memset(spec, 0, sizeof *spec);
	s->n++;
	if (!candle_entry_keys(in, keys) || !conf_kind(in, spec) || !conf_size(in, spec))
		return false;
	s->n--;
	if (!conf_name(in, s, spec))
		return false;
	s->n++;
	return candle_entry_texts(in, "symbols", "BTC-*", &spec->symbols) && candle_entry_texts(in, "sources", "binance", &spec->sources);
}

static bool one_spec(const struct candle_entry *in, void *ctx)
{
	return conf_entry(in, ctx);
}

/* What is for every series must have room in one. */
static bool specs_fit(const struct candle_specs *s, char *err, size_t errlen)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += s->v[i].symbols == NULL && s->v[i].sources == NULL;
	if (n <= CANDLE_BARS_MAX)
		return true;
	(void)snprintf(err, errlen, "candle.bars: %u entries are for every series, which has room for %d; say which are for which symbols",
		       n, CANDLE_BARS_MAX);
	return false;
}

bool candle_specs_parse(struct candle_specs *s, ap_str json, char *err, size_t errlen)
{
	memset(s, 0, sizeof *s);
	if (candle_entries("candle.bars", json, one_spec, s, err, errlen) && specs_fit(s, err, errlen))
		return true;
	candle_specs_done(s);
	return false;
}

void candle_specs_done(struct candle_specs *s)
{
	for (uint32_t i = 0; i < CANDLE_SPECS_MAX; i++) {
		free(s->v[i].symbols);
		free(s->v[i].sources);
	}
	memset(s, 0, sizeof *s);
}

bool candle_spec_wants(const struct candle_bar_spec *spec, ap_str source, ap_str symbol)
{
	return candle_any_of(spec->symbols, symbol) && candle_any_of(spec->sources, source);
}
