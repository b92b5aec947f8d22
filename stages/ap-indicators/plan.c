/*
 * plan.c - the configured indicators, patterns and rules, checked, and compiled per kind of series.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "stages/ap-indicators/plan_impl.h"

void plan_say(struct plan_fault *f, const char *fmt, ...)
{
	char why[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	if (f->line > 0)
		snprintf(f->p, f->size, "%s, line %ld: %s", f->option, f->line, why);
	else if (f->entry > 0)
		snprintf(f->p, f->size, "%s, entry %u: %s", f->option, f->entry, why);
	else
		snprintf(f->p, f->size, "%s: %s", f->option, why);
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

char *plan_text(struct plan *p, const char *s, size_t len)
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

struct words { char all[1024]; size_t len; };

/* "1m, 1h" as words; false: one is empty, or there are too many. */
static bool words_add(struct words *w, ap_str text)
{
	for (size_t at = 0; at <= text.len;) {
		const char *comma = at < text.len ? memchr(text.p + at, ',', text.len - at) : NULL;
		size_t end = comma == NULL ? text.len : (size_t)(comma - text.p), next = end + 1;

		while (at < end && text.p[at] == ' ')
			at++;
		while (end > at && text.p[end - 1] == ' ')
			end--;
		if (end == at || w->len + (end - at) + 1 > sizeof w->all)
			return false;
		memcpy(w->all + w->len, text.p + at, end - at);
		w->len += end - at;
		w->all[w->len++] = '\n';
		at = next;
	}
	return true;
}

bool plan_words(struct plan *p, const struct ap_json *j, uint32_t tok, ap_str *out)
{
	bool list = j->tok[tok].type == AP_J_ARR;
	uint32_t n = list ? j->tok[tok].n : 1;
	struct words w = { .len = 0 };
	char *copy;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t t = list ? ap_json_at(j, tok, i) : tok;

		if (j->tok[t].type != AP_J_STR || !words_add(&w, ap_json_text(j, t)))
			return false;
	}
	copy = plan_text(p, w.all, w.len);
	*out = ap_str_n(copy, copy == NULL ? 0 : w.len);
	return copy != NULL && n > 0;
}

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

/* Whether candles of each name come: timeframes are those of candle.timeframes, and bars begin with a letter. */
static bool tfs_built(const struct plan *p, ap_str tfs, struct plan_fault *f)
{
	struct words built = { .len = 0 };
	bool known = words_add(&built, ap_str_c(p->conf->candle_timeframes));

	for (const char *w = tfs.p; known && w < tfs.p + tfs.len; w += strcspn(w, "\n") + 1) {
		const size_t n = strcspn(w, "\n");

		if (*w >= 'a' && *w <= 'z' ? p->conf->candle_bars[0] != '\0' : words_match(ap_str_n(built.all, built.len), ap_str_n(w, n), false))
			continue;
		plan_say(f, "no candles are called \"%.*s\"; candle.timeframes is %.200s, and candle.bars %s", (int)(n < 40 ? n : 40), w,
			 p->conf->candle_timeframes, p->conf->candle_bars[0] == '\0' ? "is empty" : "has names of its own");
		return false;
	}
	return true;
}

bool plan_scope_read(struct plan *p, struct plan_scope *s, const struct ap_json *j, uint32_t key, uint32_t val, bool *mine,
		     struct plan_fault *f)
{
	ap_str k = ap_json_text(j, key);
	bool symbols = ap_str_is(k, "symbols");

	*mine = symbols || ap_str_is(k, "timeframes") || ap_str_is(k, "@");
	if (!*mine || ap_str_is(k, "@"))
		return true;
	if (plan_words(p, j, val, symbols ? &s->symbols : &s->tfs))
		return symbols || tfs_built(p, s->tfs, f);
	plan_say(f, "%.*s must be a text or a list of texts, such as %s", (int)k.len, k.p,
		 symbols ? "[\"BTC-*\", \"ETH-*\"]" : "[\"1m\", \"1h\"]");
	return false;
}

bool plan_list(struct plan *p, ap_str list, uint32_t max, plan_entry *entry, struct plan_fault *f)
{
	struct ap_jtok *toks = calloc(AP_JSON_TOKS, sizeof *toks);
	struct ap_json j;
	bool ok = toks != NULL && ap_json_parse(&j, list, toks, AP_JSON_TOKS) && j.tok[0].type == AP_J_ARR;

	if (!ok)
		plan_say(f, "%s", toks == NULL ? "out of memory" : "must be a list of groups");
	if (ok && j.tok[0].n > max) {
		plan_say(f, "%u entries; at most %u", j.tok[0].n, max);
		ok = false;
	}
	for (uint32_t i = 0; ok && i < j.tok[0].n; i++) {
		uint32_t obj = ap_json_at(&j, 0, i), at = 0;

		f->entry = i + 1;
		if (j.tok[obj].type == AP_J_OBJ)
			at = ap_json_get(&j, obj, "@");
		f->line = at != 0 ? strtol(ap_json_text(&j, at).p, NULL, 10) : 0;
		if (j.tok[obj].type != AP_J_OBJ)
			plan_say(f, "must be a group like { name = \"...\"; ... }");
		ok = j.tok[obj].type == AP_J_OBJ && entry(p, &j, obj, f);
	}
	if (ok) {
		f->entry = 0;
		f->line = 0;
	}
	free(toks);
	return ok;
}

static bool member_read(struct plan *p, struct plan_item *it, const struct ap_json *j, uint32_t key, uint32_t val,
			struct plan_fault *f)
{
	ap_str k = ap_json_text(j, key), v = ap_json_text(j, val);
	enum ap_json_type type = j->tok[val].type;
	bool mine;

	if (!plan_scope_read(p, &it->scope, j, key, val, &mine, f))
		return false;
	if (mine)
		return true;
	if (type != AP_J_STR && type != AP_J_NUM) {
		plan_say(f, "%.*s must be a number or a text", (int)(k.len < 40 ? k.len : 40), k.p);
		return false;
	}
	if (ap_str_is(k, "name")) {
		it->name = plan_text(p, v.p, v.len);
		return it->name != NULL;
	}
	if (it->n_args == IND_PARAM_MAX) {
		plan_say(f, "too many parameters");
		return false;
	}
	it->args[it->n_args] = (struct ind_arg){ plan_text(p, k.p, k.len), plan_text(p, v.p, v.len) };
	return it->args[it->n_args].key != NULL && it->args[it->n_args++].value != NULL;
}

static bool item_read(struct plan *p, const struct ap_json *j, uint32_t obj, struct plan_fault *f)
{
	struct plan_item *it = &p->items[p->n++];
	struct ind_spec spec;
	struct ind_set *set;
	char why[300] = "";

	for (uint32_t key = obj + 1, i = 0; i < j->tok[obj].n; i++) {
		if (!member_read(p, it, j, key, key + 1, f))
			return false;
		key = j->tok[key + 1].next;
	}
	if (it->name == NULL) {
		plan_say(f, "has no name");
		return false;
	}
	/* Compiled once alone, so that a mistake is told with its own entry. */
	spec = (struct ind_spec){ it->name, it->args, it->n_args };
	set = ind_set_new(&spec, 1, why, sizeof why);
	if (set == NULL) {
		plan_say(f, "%s", why);
		return false;
	}
	it->slots = ind_set_slots(set);
	p->slots += it->slots;
	ind_set_free(set);
	return true;
}

static bool items_read(struct plan *p, const char *list, struct plan_fault *f)
{
	static const char usual[] =
		"[{\"name\":\"SMA\",\"period\":20},{\"name\":\"SMA\",\"period\":50},{\"name\":\"SMA\",\"period\":200},"
		"{\"name\":\"EMA\",\"period\":12},{\"name\":\"EMA\",\"period\":26},{\"name\":\"RSI\",\"period\":14},"
		"{\"name\":\"MACD\"},{\"name\":\"BBANDS\"}]";

	f->option = "indicators.list";
	if (!plan_list(p, ap_str_c(list[0] == '\0' ? usual : list), PLAN_ITEMS_MAX, item_read, f))
		return false;
	if (p->slots <= AP_VALUES_MAX)
		return true;
	plan_say(f, "the indicators have %zu values together; a record holds %d", p->slots, AP_VALUES_MAX);
	return false;
}

/* "all", "none", or timeframes with commas between them. */
static bool patterns_read(struct plan *p, const char *text, struct plan_fault *f)
{
	struct words w = { .len = 0 };

	f->option = "indicators.patterns";
	p->patterns = strcmp(text, "none") != 0;
	if (!p->patterns || strcmp(text, "all") == 0)
		return true;
	if (!words_add(&w, ap_str_c(text))) {
		plan_say(f, "must be all, none, or timeframes like 1h,4h,1d");
		return false;
	}
	p->pattern_tfs = ap_str_n(plan_text(p, w.all, w.len), w.len);
	return p->pattern_tfs.p != NULL && tfs_built(p, p->pattern_tfs, f);
}

/* --- choosing ---------------------------------------------------------------------------------- */

static bool in_scope(const struct plan_scope *s, ap_str symbol, ap_str tf)
{
	return words_match(s->tfs, tf, false) && words_match(s->symbols, symbol, true);
}

static void set_free(struct plan_set *s)
{
	if (s == NULL)
		return;
	ind_set_free(s->set);
	rule_book_free(s->book);
	free(s->slot);
	free(s->values);
	free(s);
}

/* The set: the configured indicators, and behind them what the rules want. */
static bool set_compile(const struct plan *p, struct plan_set *s, const struct rule_ind *want, size_t *first,
			struct plan_fault *f)
{
	struct ind_spec *specs = calloc(IND_SPEC_MAX, sizeof *specs);
	char why[300] = "out of memory";
	size_t n = 0;

	_Static_assert(IND_SPEC_MAX >= PLAN_ITEMS_MAX + RULE_INPUTS_MAX, "both fit");
	for (size_t i = 0; specs != NULL && i < p->n; i++)
		if ((s->choice.items[i / 64] >> (i % 64) & 1u) != 0) {
			specs[n++] = (struct ind_spec){ p->items[i].name, p->items[i].args, p->items[i].n_args };
			s->slots += p->items[i].slots;
		}
	*first = n;
	for (size_t i = 0; specs != NULL && want != NULL && i < rule_ind_count(want); i++)
		specs[n++] = rule_ind_spec(want, i);
	if (specs != NULL)
		s->set = ind_set_new(specs, n, why, sizeof why);
	free(specs);
	if (s->set == NULL)
		plan_say(f, "indicators and rules together: %s", why);
	return s->set != NULL;
}

static bool values_name(struct plan_set *s)
{
	s->places = ind_set_places(s->set);
	s->values = calloc(s->slots + 1, sizeof *s->values);
	for (size_t i = 0; s->values != NULL && i < s->slots; i++) {
		const struct ind_slot *slot = ind_set_slot(s->set, i);

		s->values[i] = (struct ap_value){ ap_str_c(slot->key), ap_str_c(slot->args), 0 };
	}
	return s->values != NULL;
}

/* Where the book finds its values; *patterns: it reads some. */
static bool inputs_find(struct plan_set *s, const struct rule_ind *want, size_t first, bool *patterns)
{
	size_t n = s->book == NULL ? 0 : rule_book_inputs(s->book);

	s->slot = calloc(n + 1, sizeof *s->slot);
	for (size_t i = 0; s->slot != NULL && i < n; i++) {
		const struct rule_input *in = rule_book_input(s->book, i);
		size_t k = (size_t)in->slot;

		if (in->source == RULE_OF_INDICATOR)
			s->slot[i] = (uint16_t)rule_ind_slot(want, k, s->set, first + k);
		*patterns |= in->source == RULE_OF_PATTERN;
	}
	return s->slot != NULL;
}

/* NULL with a sentence. */
static struct plan_set *set_make(const struct plan *p, const struct plan_choice *choice, struct plan_fault *f)
{
	struct plan_set *s = calloc(1, sizeof *s);
	struct rule_ind *want = NULL;
	size_t first;
	bool patterns = choice->patterns, ok = s != NULL;

	if (ok) {
		s->choice = *choice;
		s->patterns = choice->patterns;
		if (choice->rules != 0)
			ok = (s->book = plan_book(p, choice->rules, &want, f)) != NULL;
		ok = ok && set_compile(p, s, want, &first, f) && values_name(s) && inputs_find(s, want, first, &patterns);
	} else {
		plan_say(f, "out of memory");
	}
	rule_ind_free(want);
	if (!ok) {
		set_free(s);
		return NULL;
	}
	s->engine = (struct engine){ .set = s->set, .book = s->book, .slot = s->slot, .patterns = patterns };
	engine_lay(&s->engine);
	return s;
}

const struct plan_set *plan_find(struct plan *p, ap_str symbol, ap_str tf)
{
	char why[600];
	struct plan_fault f = { why, sizeof why, "indicators", 0, 0 };
	struct plan_choice c = { .patterns = p->patterns && words_match(p->pattern_tfs, tf, false) };
	struct plan_set **more;
	bool any = c.patterns;

	for (size_t i = 0; i < p->n; i++)
		if (in_scope(&p->items[i].scope, symbol, tf)) {
			c.items[i / 64] |= UINT64_C(1) << (i % 64);
			any = true;
		}
	for (size_t i = 0; i < p->n_rules; i++)
		if (in_scope(&p->rules[i].scope, symbol, tf))
			c.rules |= UINT64_C(1) << i;
	if (!any && c.rules == 0)
		return NULL;
	for (size_t i = 0; i < p->n_sets; i++) {
		const struct plan_choice *o = &p->sets[i]->choice;

		if (o->patterns == c.patterns && o->rules == c.rules && memcmp(o->items, c.items, sizeof c.items) == 0)
			return p->sets[i];
	}
	more = realloc(p->sets, (p->n_sets + 1) * sizeof *more);       /* NOLINT(bugprone-sizeof-expression): of pointers */
	if (more == NULL)
		return NULL;
	p->sets = more;
	p->sets[p->n_sets] = set_make(p, &c, &f);
	return p->sets[p->n_sets] == NULL ? NULL : p->sets[p->n_sets++];
}

/* --- the plan ---------------------------------------------------------------------------------- */

/* Everything at once compiles; so does every part of it. */
static bool whole_compiles(const struct plan *p, struct plan_fault *f)
{
	struct plan_choice c = { .patterns = p->patterns };
	struct plan_set *s;

	for (size_t i = 0; i < p->n; i++)
		c.items[i / 64] |= UINT64_C(1) << (i % 64);
	for (size_t i = 0; i < p->n_rules; i++)
		c.rules |= UINT64_C(1) << i;
	f->option = "indicators";
	s = set_make(p, &c, f);
	set_free(s);
	return s != NULL;
}

struct plan *plan_new(const struct ap_conf *conf, char *err, size_t errlen)
{
	struct plan_fault f = { err, errlen, "indicators", 0, 0 };
	struct plan *p = calloc(1, sizeof *p);

	if (p != NULL) {
		p->conf = conf;
		p->items = calloc(PLAN_ITEMS_MAX, sizeof *p->items);
	}
	if (p == NULL || p->items == NULL)
		plan_say(&f, "out of memory");
	else if (items_read(p, conf->indicators_list, &f) && patterns_read(p, conf->indicators_patterns, &f) &&
		 plan_rules_read(p, conf, &f) && whole_compiles(p, &f)) {
		p->conf = NULL;
		return p;
	}
	plan_free(p);
	return NULL;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_sets; i++)
		set_free(p->sets[i]);
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

size_t plan_rules_max(const struct plan *p)
{
	return p->n_rules;
}

bool plan_has_patterns(const struct plan *p)
{
	return p->patterns;
}
