/*
 * plan.c - the configured list of indicators, read, checked, and compiled per kind of series.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/core/json.h"
#include "stages/ap-indicators/plan.h"

/* One entry of the list. Views go into the plan's text. */
struct item {
	const char *name;
	struct ind_arg args[IND_PARAM_MAX];
	size_t n_args;
	ap_str tfs, symbols;            /* lists of words, each with a newline behind; empty: all */
	size_t slots;
};

struct plan {
	struct item *items;
	size_t n;
	char **texts;                   /* everything the items point to */
	size_t n_texts;
	struct plan_set **sets;
	size_t n_sets;
	size_t slots;
};

struct fault { char *p; size_t size; unsigned entry; long line; };

static void fault_say(struct fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault_say(struct fault *f, const char *fmt, ...)
{
	char why[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	if (f->line > 0)
		snprintf(f->p, f->size, "indicators.list, line %ld: %s", f->line, why);
	else if (f->entry > 0)
		snprintf(f->p, f->size, "indicators.list, entry %u: %s", f->entry, why);
	else
		snprintf(f->p, f->size, "indicators.list: %s", why);
}

bool plan_glob(ap_str pattern, ap_str text)
{
	size_t i = 0, t = 0, star = SIZE_MAX, mark = 0;

	while (t < text.len) {
		if (i < pattern.len && pattern.p[i] == '*') {
			star = i++;
			mark = t;
		} else if (i < pattern.len && (pattern.p[i] == '?' || pattern.p[i] == text.p[t])) {
			i++;
			t++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (i < pattern.len && pattern.p[i] == '*')
		i++;
	return i == pattern.len;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* A copy that lives as long as the plan; NULL: no memory. */
static char *text_keep(struct plan *p, const char *s, size_t len)
{
	char **more = realloc(p->texts, (p->n_texts + 1) * sizeof *more), *copy;

	if (more == NULL)
		return NULL;
	p->texts = more;
	copy = malloc(len + 1);
	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	p->texts[p->n_texts++] = copy;
	return copy;
}

/* "1m" or ["1m", "1h"] as words with a newline behind each. */
static bool words_read(struct plan *p, const struct ap_json *j, uint32_t tok, ap_str *out)
{
	bool list = j->tok[tok].type == AP_J_ARR;
	uint32_t n = list ? j->tok[tok].n : 1;
	char all[1024], *copy;
	size_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t t = list ? ap_json_at(j, tok, i) : tok;
		ap_str w = ap_json_text(j, t);

		if (j->tok[t].type != AP_J_STR || w.len == 0 || len + w.len + 1 > sizeof all)
			return false;
		memcpy(all + len, w.p, w.len);
		len += w.len;
		all[len++] = '\n';
	}
	copy = text_keep(p, all, len);
	*out = ap_str_n(copy, copy == NULL ? 0 : len);
	return copy != NULL && n > 0;
}

static bool member_read(struct plan *p, struct item *it, const struct ap_json *j, uint32_t key, uint32_t val,
			struct fault *f)
{
	ap_str k = ap_json_text(j, key), v = ap_json_text(j, val);
	enum ap_json_type type = j->tok[val].type;

	if (ap_str_is(k, "@"))
		return true;
	if (ap_str_is(k, "timeframes") || ap_str_is(k, "symbols")) {
		if (words_read(p, j, val, ap_str_is(k, "symbols") ? &it->symbols : &it->tfs))
			return true;
		fault_say(f, "%.*s must be a text or a list of texts", (int)k.len, k.p);
		return false;
	}
	if (type != AP_J_STR && type != AP_J_NUM) {
		fault_say(f, "%.40s must be a number or a text", text_keep(p, k.p, k.len));
		return false;
	}
	if (ap_str_is(k, "name")) {
		it->name = text_keep(p, v.p, v.len);
		return it->name != NULL;
	}
	if (it->n_args == IND_PARAM_MAX) {
		fault_say(f, "too many parameters");
		return false;
	}
	it->args[it->n_args] = (struct ind_arg){ text_keep(p, k.p, k.len), text_keep(p, v.p, v.len) };
	return it->args[it->n_args].key != NULL && it->args[it->n_args++].value != NULL;
}

static bool item_read(struct plan *p, struct item *it, const struct ap_json *j, uint32_t obj, struct fault *f)
{
	uint32_t at = ap_json_get(j, obj, "@");
	struct ind_spec spec;
	struct ind_set *set;
	char why[300] = "";

	f->line = at != 0 ? strtol(ap_json_text(j, at).p, NULL, 10) : 0;
	if (j->tok[obj].type != AP_J_OBJ) {
		fault_say(f, "must be a group like { name = \"RSI\"; period = 14; }");
		return false;
	}
	for (uint32_t key = obj + 1, i = 0; i < j->tok[obj].n; i++) {
		if (!member_read(p, it, j, key, key + 1, f))
			return false;
		key = j->tok[key + 1].next;
	}
	if (it->name == NULL) {
		fault_say(f, "has no name");
		return false;
	}
	/* Compiled once alone, so that a mistake is told with its own entry. */
	spec = (struct ind_spec){ it->name, it->args, it->n_args };
	set = ind_set_new(&spec, 1, why, sizeof why);
	if (set == NULL) {
		fault_say(f, "%s", why);
		return false;
	}
	it->slots = ind_set_slots(set);
	p->slots += it->slots;
	ind_set_free(set);
	return true;
}

static bool list_read(struct plan *p, ap_str list, struct fault *f)
{
	uint32_t cap = AP_JSON_TOKS;
	struct ap_jtok *toks = calloc(cap, sizeof *toks);
	struct ap_json j;
	bool ok = toks != NULL && ap_json_parse(&j, list, toks, cap) && j.tok[0].type == AP_J_ARR;

	if (!ok)
		fault_say(f, "%s", toks == NULL ? "out of memory" : "must be a list of groups");
	if (ok && j.tok[0].n > IND_SPEC_MAX) {
		fault_say(f, "%u indicators; at most %d", j.tok[0].n, IND_SPEC_MAX);
		ok = false;
	}
	for (uint32_t i = 0; ok && i < j.tok[0].n; i++) {
		f->entry = i + 1;
		ok = item_read(p, &p->items[p->n++], &j, ap_json_at(&j, 0, i), f);
	}
	f->entry = 0;
	f->line = 0;
	if (ok && p->slots > AP_VALUES_MAX) {
		fault_say(f, "the indicators have %zu values together; a record holds %d", p->slots, AP_VALUES_MAX);
		ok = false;
	}
	free(toks);
	return ok;
}

struct plan *plan_new(ap_str list, char *err, size_t errlen)
{
	static const char usual[] =
		"[{\"name\":\"SMA\",\"period\":20},{\"name\":\"SMA\",\"period\":50},{\"name\":\"SMA\",\"period\":200},"
		"{\"name\":\"EMA\",\"period\":12},{\"name\":\"EMA\",\"period\":26},{\"name\":\"RSI\",\"period\":14},"
		"{\"name\":\"MACD\"},{\"name\":\"BBANDS\"}]";
	struct fault f = { err, errlen, 0, 0 };
	struct plan *p = calloc(1, sizeof *p);

	if (p != NULL)
		p->items = calloc(IND_SPEC_MAX, sizeof *p->items);
	if (p == NULL || p->items == NULL) {
		fault_say(&f, "out of memory");
	} else if (list_read(p, list.len == 0 ? ap_str_c(usual) : list, &f)) {
		return p;
	}
	plan_free(p);
	return NULL;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_sets; i++) {
		ind_set_free(p->sets[i]->set);
		free(p->sets[i]->values);
		free(p->sets[i]);
	}
	for (size_t i = 0; i < p->n_texts; i++)
		free(p->texts[i]);
	free(p->sets);
	free(p->texts);
	free(p->items);
	free(p);
}

size_t plan_slots_max(const struct plan *p)
{
	return p->slots;
}

/* --- choosing ---------------------------------------------------------------------------------- */

static bool words_match(ap_str words, ap_str text, bool globs)
{
	if (words.len == 0)
		return true;
	for (const char *w = words.p, *end = w + words.len; w < end;) {
		const char *nl = memchr(w, '\n', (size_t)(end - w));
		ap_str one = ap_str_n(w, (size_t)(nl - w));

		if (globs ? plan_glob(one, text) : ap_str_eq(one, text))
			return true;
		w = nl + 1;
	}
	return false;
}

static bool set_fill(const struct plan *p, struct plan_set *s)
{
	struct ind_spec specs[IND_SPEC_MAX];
	size_t n = 0, slots;
	char why[300];

	for (size_t i = 0; i < p->n; i++)
		if ((s->mask[i / 64] >> (i % 64)) & 1u)
			specs[n++] = (struct ind_spec){ p->items[i].name, p->items[i].args, p->items[i].n_args };
	s->set = ind_set_new(specs, n, why, sizeof why);
	if (s->set == NULL)
		return false;
	slots = ind_set_slots(s->set);
	s->values = calloc(slots + 1, sizeof *s->values);
	for (size_t i = 0; s->values != NULL && i < slots; i++) {
		const struct ind_slot *slot = ind_set_slot(s->set, i);

		s->values[i] = (struct ap_value){ ap_str_c(slot->key), ap_str_c(slot->args), 0 };
	}
	return s->values != NULL;
}

static const struct plan_set *set_make(struct plan *p, const uint64_t *mask)
{
	struct plan_set **more = realloc(p->sets, (p->n_sets + 1) * sizeof *more), *s;

	if (more == NULL)
		return NULL;
	p->sets = more;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	memcpy(s->mask, mask, sizeof s->mask);
	if (!set_fill(p, s)) {
		ind_set_free(s->set);
		free(s->values);
		free(s);
		return NULL;
	}
	p->sets[p->n_sets++] = s;
	return s;
}

const struct plan_set *plan_find(struct plan *p, ap_str symbol, ap_str tf)
{
	uint64_t mask[IND_SPEC_MAX / 64] = { 0 }, any = 0;

	for (size_t i = 0; i < p->n; i++)
		if (words_match(p->items[i].tfs, tf, false) && words_match(p->items[i].symbols, symbol, true))
			any |= mask[i / 64] |= UINT64_C(1) << (i % 64);
	if (any == 0)
		return NULL;
	for (size_t i = 0; i < p->n_sets; i++)
		if (memcmp(p->sets[i]->mask, mask, sizeof mask) == 0)
			return p->sets[i];
	return set_make(p, mask);
}
