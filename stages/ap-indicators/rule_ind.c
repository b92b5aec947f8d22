/*
 * rule_ind.c - resolves the names in rules against the registry of indicators.
 *
 * Only at configuration time: it compiles a set of one to let the registry
 * itself judge the parameters, and throws it away.
 */
#include "stages/ap-indicators/rule_ind.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 24 };      /* bytes of one argument, NUL included */

struct wanted {
	const struct ind_def *def;
	size_t output;
	struct ind_arg arg[RULE_ARGS_MAX];
	char text[RULE_ARGS_MAX][TEXT_MAX];
	size_t n_args;
};

struct rule_ind {
	size_t n;
	struct wanted list[RULE_INPUTS_MAX + 1];  /* one more to build in */
};

struct rule_ind *rule_ind_new(void)
{
	return calloc(1, sizeof(struct rule_ind));
}

void rule_ind_free(struct rule_ind *want)
{
	free(want);
}

static const struct ind_def *find_def(ap_str name)
{
	char upper[RULE_NAME_MAX];

	if (name.len >= sizeof upper)
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		upper[i] = (char)(name.p[i] >= 'a' && name.p[i] <= 'z' ? name.p[i] - 'a' + 'A' : name.p[i]);
	upper[name.len] = '\0';
	return ind_find(upper);
}

/* Whether a choice "talib|tv" has the word. */
static bool has_word(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (const char *p = words; p != NULL && *p != '\0';) {
		const size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

static bool taken(const struct wanted *w, const char *key)
{
	for (size_t i = 0; i < w->n_args; i++)
		if (strcmp(w->arg[i].key, key) == 0)
			return true;
	return false;
}

/* The parameter that an argument is for, or NULL. */
static const char *key_for(const struct wanted *w, const char *text)
{
	const bool word = isalpha((unsigned char)text[0]) || text[0] == '_';

	for (size_t i = 0; i < ind_def_params(w->def); i++) {
		const struct ind_param *p = &w->def->params[i];

		if (taken(w, p->name) || (p->kind == IND_CHOICE) != word)
			continue;
		if (!word || has_word(p->words, text))
			return p->name;
	}
	return NULL;
}

/* "period, source"; "none". */
static void params_list(const struct ind_def *d, char *out, size_t size)
{
	const size_t n = ind_def_params(d);
	size_t len = (size_t)snprintf(out, size, "%s", n == 0 ? "none" : "");

	for (size_t i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i == 0 ? "" : ", ", d->params[i].name);
}

static bool take_args(struct wanted *w, const struct rule_ref *ref, char *why, size_t why_size)
{
	for (size_t i = 0; i < ref->n_args; i++) {
		char *text = w->text[w->n_args];
		const char *key;

		(void)snprintf(text, TEXT_MAX, "%.*s", (int)ref->arg[i].len, ref->arg[i].p);
		key = ref->arg[i].len < TEXT_MAX ? key_for(w, text) : NULL;
		if (key == NULL) {
			char list[120];

			params_list(w->def, list, sizeof list);
			(void)snprintf(why, why_size, "%s has no parameter for %s; it takes %s", w->def->name, text, list);
			return false;
		}
		w->arg[w->n_args] = (struct ind_arg){ key, text };
		w->n_args++;
	}
	return true;
}

static bool take_output(struct wanted *w, ap_str output, char *why, size_t why_size)
{
	const size_t n = ind_def_outputs(w->def);
	size_t len;

	w->output = 0;
	if (output.len == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (ap_str_is(output, w->def->outputs[i])) {
			w->output = i;
			return true;
		}
	len = (size_t)snprintf(why, why_size, "%s has no output %.*s; there %s", w->def->name,
			       (int)(output.len < 24 ? output.len : 24), output.p, n == 1 ? "is" : "are");
	for (size_t i = 0; i < n && len < why_size; i++)
		len += (size_t)snprintf(why + len, why_size - len, " %s", w->def->outputs[i]);
	return false;
}

/* The registry's own verdict on the parameters. */
static bool judged(const struct wanted *w, char *why, size_t why_size)
{
	const struct ind_spec spec = { w->def->name, w->arg, w->n_args };
	char err[256] = "";
	struct ind_set *set = ind_set_new(&spec, 1, err, sizeof err);

	if (set == NULL)
		(void)snprintf(why, why_size, "%s", err);
	ind_set_free(set);
	return set != NULL;
}

static bool same(const struct wanted *a, const struct wanted *b)
{
	if (a->def != b->def || a->output != b->output || a->n_args != b->n_args)
		return false;
	for (size_t i = 0; i < a->n_args; i++)
		if (strcmp(a->arg[i].key, b->arg[i].key) != 0 || strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}

int rule_ind_resolve(void *rule_ind, const struct rule_ref *ref, char *why, size_t why_size)
{
	struct rule_ind *want = rule_ind;
	struct wanted *w = &want->list[want->n];
	size_t i = 0;

	memset(w, 0, sizeof *w);
	w->def = find_def(ref->name);
	if (w->def == NULL) {
		(void)snprintf(why, why_size, "%s", "");
		return -1;
	}
	if (!take_args(w, ref, why, why_size) || !take_output(w, ref->output, why, why_size))
		return -1;
	while (i < want->n && !same(&want->list[i], w))
		i++;
	if (i < want->n)
		return (int)i;
	if (want->n == RULE_INPUTS_MAX) {
		(void)snprintf(why, why_size, "more than %d indicators", RULE_INPUTS_MAX);
		return -1;
	}
	if (!judged(w, why, why_size))
		return -1;
	want->n++;
	return (int)i;
}

size_t rule_ind_count(const struct rule_ind *want)
{
	return want->n;
}

struct ind_spec rule_ind_spec(const struct rule_ind *want, size_t i)
{
	const struct wanted *w = &want->list[i];

	assert(i < want->n);
	return (struct ind_spec){ w->def->name, w->arg, w->n_args };
}

size_t rule_ind_slot(const struct rule_ind *want, size_t i, const struct ind_set *set, size_t spec)
{
	const size_t slots = ind_set_slots(set);

	assert(i < want->n);
	for (size_t k = 0; k < slots; k++) {
		const struct ind_slot *slot = ind_set_slot(set, k);

		if (slot->spec == spec && slot->output == want->list[i].output) {
			assert(slot->def == want->list[i].def);
			return k;
		}
	}
	assert(false && "the spec is in the set");
	return 0;
}
