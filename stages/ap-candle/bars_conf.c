/*
 * bars_conf.c - reads the option candle.bars: which bars are built for which series.
 */
#include "bars.h"

#include "common/core/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKS = 4096, NAME_LEAST = 1 };

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

struct conf_in {
	struct ap_json j;
	uint32_t entry;                 /* its token */
	uint32_t nth;                   /* from 1 */
	char *err;
	size_t errlen;
};

static bool bad(const struct conf_in *in, const char *what, const char *which)
{
	const uint32_t line = ap_json_get(&in->j, in->entry, "@");
	const ap_str at = line == 0 ? (ap_str){ NULL, 0 } : ap_json_text(&in->j, line);

	if (at.len > 0)
		(void)snprintf(in->err, in->errlen, "candle.bars entry %u (line %.*s): %s%s", in->nth, (int)at.len, at.p, what, which);
	else
		(void)snprintf(in->err, in->errlen, "candle.bars entry %u: %s%s", in->nth, what, which);
	return false;
}

static bool conf_kind(const struct conf_in *in, struct candle_bar_spec *spec)
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
	return bad(in, "kind must be one of", words);
}

static bool conf_size(const struct conf_in *in, struct candle_bar_spec *spec)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, "size");
	const ap_str text = tok == 0 ? (ap_str){ NULL, 0 } : ap_json_text(&in->j, tok);
	const ap_i128 one = 1000000000000000000;

	if (text.len == 0 || ap_dec_parse(text.p, text.len, &spec->size) != AP_DEC_OK || spec->size.e18 <= 0)
		return bad(in, "size must be a number above 0", "");
	if (kinds[spec->kind].counts && spec->size.e18 % one != 0)
		return bad(in, "size is a number of trades: an integer", "");
	if (spec->size.e18 / one > 1000000000000)
		return bad(in, "size is at most 1000000000000", "");
	spec->size_qv = (ap_sum){ { 0 } };
	candle_sum_addmul(&spec->size_qv, spec->size, (ap_dec){ one });
	return true;
}

static bool name_fine(ap_str name)
{
	if (name.len < NAME_LEAST || name.len > AP_TF_MAX || name.p[0] < 'a' || name.p[0] > 'z')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name.p[i]) == NULL)
			return false;
	return true;
}

static bool conf_name(const struct conf_in *in, const struct candle_specs *s, struct candle_bar_spec *spec)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, "name");
	char size[AP_DEC_TEXT], text[AP_DEC_TEXT + 16];
	ap_str name;

	(void)ap_dec_format(spec->size, size);
	(void)snprintf(text, sizeof text, "%s%s", kinds[spec->kind].prefix, size);
	name = tok == 0 ? ap_str_c(text) : ap_json_text(&in->j, tok);
	if (!name_fine(name))
		return bad(in, "name must be 1 to 16 of a-z 0-9 . _ - and begin with a letter", "");
	memcpy(spec->name, name.p, name.len);
	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, spec->name) == 0)
			return bad(in, "two bars are called ", spec->name);
	return true;
}

/* A list of patterns, one behind the other. */
static bool conf_patterns(const struct conf_in *in, const char *key, char **out)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, key);
	size_t len = 0, at = 0;
	uint32_t n;

	if (tok == 0)
		return true;
	n = in->j.tok[tok].type == AP_J_ARR ? in->j.tok[tok].n : 0;
	for (uint32_t i = 0; i < n; i++) {
		const ap_str one = ap_json_text(&in->j, ap_json_at(&in->j, tok, i));

		if (in->j.tok[ap_json_at(&in->j, tok, i)].type != AP_J_STR || one.len == 0)
			return bad(in, key, " must be a list of patterns such as \"BTC-*\"");
		len += one.len + 1;
	}
	if (n == 0)
		return bad(in, key, " must be a list of patterns such as \"BTC-*\"");
	*out = calloc(1, len + 1);
	assert(*out != NULL);
	for (uint32_t i = 0; i < n; i++) {
		const ap_str one = ap_json_text(&in->j, ap_json_at(&in->j, tok, i));

		memcpy(*out + at, one.p, one.len);
		at += one.len + 1;
	}
	return true;
}

static bool conf_keys(const struct conf_in *in)
{
	static const char *const known[] = { "kind", "size", "name", "symbols", "sources", "@" };
	uint32_t tok = in->entry + 1;

	for (uint32_t i = 0; i < in->j.tok[in->entry].n; i++) {
		const ap_str key = ap_json_text(&in->j, tok);
		bool found = false;

		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			found = found || ap_str_is(key, known[k]);
		if (!found) {
			char word[40];

			(void)snprintf(word, sizeof word, "%.*s", (int)(key.len < 39 ? key.len : 39), key.p);
			return bad(in, "there is no key ", word);
		}
		tok = in->j.tok[tok + 1].next;
	}
	return true;
}

static bool conf_entry(const struct conf_in *in, struct candle_specs *s)
{
	struct candle_bar_spec *spec = &s->v[s->n];

	if (s->n == CANDLE_SPECS_MAX)
		return bad(in, "more than 64 entries", "");
	if (in->j.tok[in->entry].type != AP_J_OBJ)
		return bad(in, "not a group such as { kind = \"tick\"; size = 100; }", "");
	memset(spec, 0, sizeof *spec);
	s->n++;
	if (!conf_keys(in) || !conf_kind(in, spec) || !conf_size(in, spec))
		return false;
	s->n--;
	if (!conf_name(in, s, spec))
		return false;
	s->n++;
	return conf_patterns(in, "symbols", &spec->symbols) && conf_patterns(in, "sources", &spec->sources);
}

bool candle_specs_parse(struct candle_specs *s, ap_str json, char *err, size_t errlen)
{
	struct ap_jtok *toks;
	struct conf_in in = { .err = err, .errlen = errlen };
	bool ok;

	memset(s, 0, sizeof *s);
	if (json.len == 0)
		return true;
	toks = calloc(TOKS, sizeof *toks);
	assert(toks != NULL);
	ok = ap_json_parse(&in.j, json, toks, TOKS);
	if (!ok)
		(void)snprintf(err, errlen, "candle.bars: %s", in.j.err);
	if (ok && in.j.tok[0].type != AP_J_ARR) {
		(void)snprintf(err, errlen, "candle.bars: not a list of groups");
		ok = false;
	}
	for (uint32_t i = 0; ok && i < in.j.tok[0].n; i++) {
		in.entry = ap_json_at(&in.j, 0, i);
		in.nth = i + 1;
		ok = conf_entry(&in, s);
	}
	free(toks);
	if (!ok)
		candle_specs_done(s);
	return ok;
}

void candle_specs_done(struct candle_specs *s)
{
	for (uint32_t i = 0; i < CANDLE_SPECS_MAX; i++) {
		free(s->v[i].symbols);
		free(s->v[i].sources);
	}
	memset(s, 0, sizeof *s);
}

/* `*` any characters, `?` one. Goes back to the last star only, so that no pattern is slow. */
static bool glob(const char *pattern, ap_str text)
{
	const char *star = NULL;
	size_t i = 0, mark = 0;

	while (i < text.len) {
		if (*pattern == '*') {
			star = ++pattern;
			mark = i;
		} else if (*pattern == '?' || (*pattern != '\0' && *pattern == text.p[i])) {
			pattern++;
			i++;
		} else if (star != NULL) {
			pattern = star;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool any_of(const char *patterns, ap_str text)
{
	if (patterns == NULL)
		return true;
	for (; *patterns != '\0'; patterns += strlen(patterns) + 1)
		if (glob(patterns, text))
			return true;
	return false;
}

bool candle_spec_wants(const struct candle_bar_spec *spec, ap_str source, ap_str symbol)
{
	return any_of(spec->symbols, symbol) && any_of(spec->sources, source);
}
