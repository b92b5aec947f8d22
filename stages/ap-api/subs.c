/*
 * subs.c - subscriptions of one client.
 */
#include "subs.h"

#include <stdio.h>
#include <stdlib.h>

#include "route.h"

void api_subs_done(struct api_subs *s)
{
	free(s->sub);
	*s = (struct api_subs){ 0 };
}

static bool covers(const char *want, ap_str have)
{
	return want[0] == '\0' || ap_str_is(have, want);
}

bool api_subs_match(const struct api_subs *s, ap_str source, ap_str symbol, ap_str tf)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (covers(s->sub[i].symbol, symbol) && covers(s->sub[i].source, source) && covers(s->sub[i].timeframe, tf))
			return true;
	return s->n == 0;
}

static struct api_sub *find(const struct api_subs *s, const struct api_sub *sub)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->sub[i].symbol, sub->symbol) == 0 && strcmp(s->sub[i].source, sub->source) == 0 &&
		    strcmp(s->sub[i].timeframe, sub->timeframe) == 0)
			return &s->sub[i];
	return NULL;
}

bool api_subs_add(struct api_subs *s, const struct api_sub *sub, bool *full)
{
	*full = false;
	if (find(s, sub) != NULL)
		return false;
	if (s->n == API_SUBS_MAX) {
		*full = true;
		return false;
	}
	if (s->n == s->cap) {
		uint32_t cap = s->cap == 0 ? 4 : s->cap * 2;
		struct api_sub *p = realloc(s->sub, cap * sizeof *p);
		if (p == NULL) {
			*full = true;
			return false;
		}
		s->sub = p;
		s->cap = cap;
	}
	s->sub[s->n++] = *sub;
	return true;
}

bool api_subs_remove(struct api_subs *s, const struct api_sub *sub)
{
	struct api_sub *f = find(s, sub);
	if (f == NULL)
		return false;
	*f = s->sub[--s->n];
	return true;
}

/* One string or a list of strings at a member, as plain texts. */
struct words {
	char w[API_SUBS_MAX][AP_SYMBOL_MAX + 1];
	uint32_t n;
};

static bool word_of(const struct ap_json *j, uint32_t tok, char out[AP_SYMBOL_MAX + 1])
{
	size_t len = 0;
	if (j->tok[tok].type != AP_J_STR || !ap_json_unescape(j, tok, out, AP_SYMBOL_MAX, &len) || len == 0)
		return false;
	out[len] = '\0';
	return strlen(out) == len;
}

static bool words_of(const struct ap_json *j, const char *one, const char *many, struct words *w)
{
	uint32_t at = ap_json_get(j, 0, one);
	if (at == 0)
		at = ap_json_get(j, 0, many);
	w->n = 0;
	if (at == 0 || j->tok[at].type == AP_J_NULL)
		return true;
	if (j->tok[at].type != AP_J_ARR) {
		w->n = 1;
		return word_of(j, at, w->w[0]);
	}
	if (j->tok[at].n > API_SUBS_MAX || j->tok[at].n == 0)
		return false;
	for (uint32_t i = 0; i < j->tok[at].n; i++)
		if (!word_of(j, ap_json_at(j, at, i), w->w[w->n++]))
			return false;
	return true;
}

static void bad(struct api_request *r, const char *why)
{
	r->action = API_A_BAD;
	snprintf(r->err, sizeof r->err, "%s", why);
}

static bool fill(struct api_request *r, const char *source, const struct words *sym, const struct words *tf)
{
	uint32_t ns = sym->n == 0 ? 1 : sym->n, nt = tf->n == 0 ? 1 : tf->n;
	if (ns * nt > API_SUBS_MAX) {
		bad(r, "too many subscriptions in one message, 256 are allowed");
		return false;
	}
	r->sub = calloc((size_t)ns * nt, sizeof *r->sub);
	if (r->sub == NULL) {
		bad(r, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < ns * nt; i++) {
		struct api_sub *s = &r->sub[i];
		memcpy(s->source, source, sizeof s->source);
		if (tf->n > 0) {
			ap_str t = ap_str_c(tf->w[i % nt]);
			if (!api_timeframe_ok(t)) {
				bad(r, API_TIMEFRAME_WANTED);
				return false;
			}
			memcpy(s->timeframe, t.p, t.len);
		}
		if (sym->n > 0 && ap_symbol_canon(ap_str_c(source), ap_str_c(sym->w[i / nt]), s->symbol) == 0) {
			bad(r, "symbol: this is no symbol");
			return false;
		}
	}
	r->nsub = ns * nt;
	return true;
}

static void take_id(struct api_request *r, const struct ap_json *j)
{
	uint32_t at = ap_json_get(j, 0, "id");
	ap_str t = at == 0 ? ap_str_c(NULL) : ap_json_text(j, at);
	if (at == 0 || t.len > sizeof r->id - 3)
		return;
	if (j->tok[at].type == AP_J_NUM)
		snprintf(r->id, sizeof r->id, "%.*s", (int)t.len, t.p);
	if (j->tok[at].type == AP_J_STR)
		snprintf(r->id, sizeof r->id, "\"%.*s\"", (int)t.len, t.p);
}

static enum api_action action_of(const struct ap_json *j)
{
	uint32_t at = ap_json_get(j, 0, "action");
	if (at == 0)
		at = ap_json_get(j, 0, "type");
	static const char *const word[] = { "subscribe", "unsubscribe", "ping" };
	for (unsigned i = 0; at != 0 && i < 3; i++)
		if (j->tok[at].type == AP_J_STR && ap_str_is(ap_json_text(j, at), word[i]))
			return (enum api_action)i;
	return API_A_BAD;
}

void api_request_parse(struct api_request *r, ap_str text, struct ap_jtok *toks, uint32_t cap)
{
	struct ap_json j;
	*r = (struct api_request){ .action = API_A_BAD };
	if (!ap_json_parse(&j, text, toks, cap)) {
		snprintf(r->err, sizeof r->err, "not JSON: %.140s", j.err);
		return;
	}
	if (j.tok[0].type != AP_J_OBJ) {
		bad(r, "a JSON object is expected");
		return;
	}
	take_id(r, &j);
	r->action = action_of(&j);
	if (r->action == API_A_BAD) {
		bad(r, "action: subscribe, unsubscribe or ping is expected");
		return;
	}
	if (r->action == API_A_PING)
		return;
	struct words *w = calloc(3, sizeof *w);
	char source[AP_SOURCE_MAX + 1] = "";
	if (w == NULL)
		bad(r, "out of memory");
	else if (!words_of(&j, "symbol", "symbols", &w[0]))
		bad(r, "symbol: a string or a list of 1 to 256 strings is expected");
	else if (!words_of(&j, "timeframe", "timeframes", &w[1]))
		bad(r, "timeframe: a string or a list of 1 to 256 strings is expected");
	else if (!words_of(&j, "source", "source", &w[2]) || w[2].n > 1 ||
		 (w[2].n == 1 && ap_source_canon(ap_str_c(w[2].w[0]), source) == 0))
		bad(r, "source: one name of a-z 0-9 _ . - is expected");
	else
		fill(r, source, &w[0], &w[1]);
	free(w);
	if (r->action == API_A_BAD) {
		free(r->sub);
		r->sub = NULL;
	}
}
