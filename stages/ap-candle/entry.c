/*
 * entry.c - reads lists of groups as the configuration hands them over: as JSON, with line numbers.
 */
#include "entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKS = 8192 };

bool candle_entry_bad(const struct candle_entry *in, const char *what, const char *which)
{
	const uint32_t line = ap_json_get(&in->j, in->entry, "@");
	const ap_str at = line == 0 ? (ap_str){ NULL, 0 } : ap_json_text(&in->j, line);

	if (at.len > 0)
		(void)snprintf(in->err, in->errlen, "%s, line %.*s: %s%s", in->option, (int)at.len, at.p, what, which);
	else
		(void)snprintf(in->err, in->errlen, "%s, entry %u: %s%s", in->option, in->nth, what, which);
	return false;
}

static bool key_unknown(const struct candle_entry *in, ap_str key, const char *const *known)
{
	char say[200];
	int n = snprintf(say, sizeof say, "%.*s; there are", (int)(key.len < 39 ? key.len : 39), key.p);

	for (size_t k = 0; known[k] != NULL && n < (int)sizeof say; k++)
		n += snprintf(say + n, sizeof say - (size_t)n, " %s", known[k]);
	return candle_entry_bad(in, "there is no key ", say);
}

bool candle_entry_keys(const struct candle_entry *in, const char *const *known)
{
	uint32_t tok = in->entry + 1;

	for (uint32_t i = 0; i < in->j.tok[in->entry].n; i++) {
		const ap_str key = ap_json_text(&in->j, tok);
		bool found = ap_str_is(key, "@");

		for (size_t k = 0; known[k] != NULL; k++)
			found = found || ap_str_is(key, known[k]);
		if (!found)
			return key_unknown(in, key, known);
		tok = in->j.tok[tok + 1].next;
	}
	return true;
}

static bool texts_wanted(const struct candle_entry *in, const char *key, const char *example)
{
	char say[80];

	(void)snprintf(say, sizeof say, " must be a list such as [\"%s\"]", example);
	return candle_entry_bad(in, key, say);
}

bool candle_entry_texts(const struct candle_entry *in, const char *key, const char *example, char **out)
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
			return texts_wanted(in, key, example);
		len += one.len + 1;
	}
	if (n == 0)
		return texts_wanted(in, key, example);
	*out = calloc(1, len + 1);
	assert(*out != NULL);
	for (uint32_t i = 0; i < n; i++) {
		const ap_str one = ap_json_text(&in->j, ap_json_at(&in->j, tok, i));

		memcpy(*out + at, one.p, one.len);
		at += one.len + 1;
	}
	return true;
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

bool candle_any_of(const char *patterns, ap_str text)
{
	if (patterns == NULL)
		return true;
	for (; *patterns != '\0'; patterns += strlen(patterns) + 1)
		if (glob(patterns, text))
			return true;
	return false;
}


ap_str candle_entry_text(const struct candle_entry *in, const char *key)
{
	const uint32_t tok = ap_json_get(&in->j, in->entry, key);

	return tok == 0 ? (ap_str){ NULL, 0 } : ap_json_text(&in->j, tok);
}

bool candle_entries(const char *option, ap_str json, bool (*one)(const struct candle_entry *in, void *ctx), void *ctx, char *err, size_t errlen)
{
	struct ap_jtok *toks;
	struct candle_entry in = { .option = option, .err = err, .errlen = errlen };
	bool ok;

	if (json.len == 0)
		return true;
	toks = calloc(TOKS, sizeof *toks);
	assert(toks != NULL);
	ok = ap_json_parse(&in.j, json, toks, TOKS);
	if (!ok)
		(void)snprintf(err, errlen, "%s: %s", option, in.j.err);
	if (ok && in.j.tok[0].type != AP_J_ARR) {
		(void)snprintf(err, errlen, "%s: not a list of groups", option);
		ok = false;
	}
	for (uint32_t i = 0; ok && i < in.j.tok[0].n; i++) {
		in.entry = ap_json_at(&in.j, 0, i);
		in.nth = i + 1;
		ok = in.j.tok[in.entry].type == AP_J_OBJ ? one(&in, ctx) : candle_entry_bad(&in, "not a group such as { key = value; }", "");
	}
	free(toks);
	return ok;
}
