/*
 * ind_spec.c - the list of indicators in a configuration, checked and compiled.
 *
 * Every refusal is one line that names the indicator and the parameter and says what is allowed.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "stages/ap-indicators/ind_set.h"

struct err { char *p; size_t size; };

static void err_say(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void err_say(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e->size == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(e->p, e->size, fmt, ap);
	va_end(ap);
}

static void name_unknown(struct err *e, const char *name)
{
	size_t n = 0, len = 0, shown = 0;
	const struct ind_def *d;
	char like[256] = "";

	for (; (d = ind_def_at(n)) != NULL; n++)
		if ((name[0] & ~0x20) == d->name[0] && len + 24 < sizeof like)
			len += (size_t)snprintf(like + len, sizeof like - len, "%s%s", shown++ ? ", " : "",
						d->name);
	err_say(e, "no indicator \"%.40s\"; %s%s%sthere are %zu, listed in docs/indicators.md", name,
		shown ? "with that letter there are " : "", like, shown ? "; " : "", n);
}

/* --- parameters -------------------------------------------------------------------------------- */

/* Position of `word` in "a|b|c", or -1. */
static int word_find(const char *words, const char *word)
{
	size_t len = strlen(word);
	int i = 0;

	for (const char *p = words;; p = strchr(p, '|') + 1, i++) {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, word, n) == 0)
			return i;
		if (p[n] == '\0')
			return -1;
	}
}

static void word_get(const char *words, int i, char *out, size_t size)
{
	const char *p = words;

	while (i-- > 0)
		p = strchr(p, '|') + 1;
	snprintf(out, size, "%.*s", (int)strcspn(p, "|"), p);
}

static void allowed_say(const struct ind_param *p, char *out, size_t size)
{
	if (p->kind == IND_CHOICE)
		snprintf(out, size, "one of %s", p->words);
	else
		snprintf(out, size, "a %snumber from %.10g to %.10g", p->kind == IND_INT ? "whole " : "", p->min,
			 p->max);
}

static bool param_read(const struct ind_def *d, const struct ind_param *p, const char *text, double *out,
		       struct err *e)
{
	char allowed[160], *end = NULL;
	double x = 0;
	bool ok;

	if (p->kind == IND_CHOICE) {
		int i = word_find(p->words, text);
		ok = i >= 0;
		x = i;
	} else {
		x = strtod(text, &end);
		ok = end != text && *end == '\0' && isfinite(x) && x >= p->min && x <= p->max &&
		     (p->kind == IND_REAL || x == floor(x));
	}
	if (ok) {
		*out = x;
		return true;
	}
	allowed_say(p, allowed, sizeof allowed);
	err_say(e, "%s: %s = %.40s is not allowed: %s", d->name, p->name, text, allowed);
	return false;
}

static bool params_read(const struct ind_def *d, const struct ind_spec *spec, double *out, struct err *e)
{
	size_t n = ind_def_params(d);

	for (size_t i = 0; i < n; i++)
		out[i] = d->params[i].def;
	for (size_t a = 0; a < spec->n_args; a++) {
		size_t i = 0;

		while (i < n && strcmp(d->params[i].name, spec->args[a].key) != 0)
			i++;
		if (i == n) {
			char names[200] = "";
			size_t len = 0;

			for (i = 0; i < n && len + 24 < sizeof names; i++)
				len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "",
							d->params[i].name);
			err_say(e, "%s has no parameter \"%.40s\"; it takes %s", d->name, spec->args[a].key,
				n ? names : "none");
			return false;
		}
		if (!param_read(d, &d->params[i], spec->args[a].value, &out[i], e))
			return false;
	}
	return true;
}

/* --- names ------------------------------------------------------------------------------------- */

static bool param_shown(const struct ind_param *p, double x)
{
	return x != p->def || !p->quiet;
}

static void value_print(const struct ind_param *p, double x, char *out, size_t size)
{
	if (p->kind == IND_CHOICE)
		word_get(p->words, (int)x, out, size);
	else
		snprintf(out, size, "%.10g", x);
}

static void slot_name(struct ind_slot *s)
{
	size_t n = ind_def_params(s->def), len;
	char v[32];

	len = (size_t)snprintf(s->name, sizeof s->name, "%s", s->def->name);
	for (size_t i = 0; i < n && len < sizeof s->name; i++)
		if (param_shown(&s->def->params[i], s->params[i])) {
			value_print(&s->def->params[i], s->params[i], v, sizeof v);
			len += (size_t)snprintf(s->name + len, sizeof s->name - len, "_%s", v);
		}
	if (ind_def_outputs(s->def) > 1 && len < sizeof s->name)
		snprintf(s->name + len, sizeof s->name - len, ".%s", s->def->outputs[s->output]);
}

/* "MACD", "MACD_SIGNAL": an output that has the indicator's own name needs no second one. */
static void slot_key(struct ind_slot *s)
{
	const char *name = s->def->name, *out = s->def->outputs[s->output];
	size_t len;

	len = (size_t)snprintf(s->key, sizeof s->key, "%s", name);
	if (ind_def_outputs(s->def) == 1 || strcasecmp(name, out) == 0)
		return;
	snprintf(s->key + len, sizeof s->key - len, "_%s", out);
	for (char *p = s->key; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
}

static char *args_text(const struct ind_def *d, const double *p)
{
	size_t n = ind_def_params(d), len = 0;
	char buf[512] = "", v[32];

	for (size_t i = 0; i < n && len < sizeof buf; i++)
		if (param_shown(&d->params[i], p[i])) {
			value_print(&d->params[i], p[i], v, sizeof v);
			len += (size_t)snprintf(buf + len, sizeof buf - len, "%s%s=%s", len > 0 ? "," : "",
						d->params[i].name, v);
		}
	return strdup(buf);
}

/* --- sets -------------------------------------------------------------------------------------- */

struct compile {
	struct ind_set *set;
	struct ind_build *b;
	struct ind_ref *outs;
	struct err e;
};

static bool spec_add(struct compile *c, const struct ind_spec *spec, size_t at)
{
	const struct ind_def *d = ind_find(spec->name);
	struct ind_ref out[IND_OUT_MAX] = { { 0, 0 } };
	double p[IND_PARAM_MAX] = { 0 };
	struct ind_set *s = c->set;
	const char *why;

	if (d == NULL) {
		name_unknown(&c->e, spec->name);
		return false;
	}
	if (!params_read(d, spec, p, &c->e))
		return false;
	why = d->build(c->b, p, out);
	if (why == NULL)
		why = ind_build_fault(c->b);
	if (why != NULL) {
		err_say(&c->e, "%s: %s", d->name, why);
		return false;
	}
	s->args[at] = args_text(d, p);
	if (s->args[at] == NULL) {
		err_say(&c->e, "out of memory");
		return false;
	}
	for (size_t i = 0; i < ind_def_outputs(d); i++) {
		struct ind_slot *slot = &s->slots[s->n_slots];

		*slot = (struct ind_slot){ .def = d, .output = i, .spec = at, .first = out[i].first,
					   .args = s->args[at] };
		memcpy(slot->params, p, sizeof p);
		slot_name(slot);
		slot_key(slot);
		c->outs[s->n_slots++] = out[i];
	}
	return true;
}

struct ind_set *ind_set_new(const struct ind_spec *specs, size_t n, char *err, size_t err_size)
{
	struct compile c = { .e = { err, err_size } };
	bool ok = true;

	if (n > IND_SPEC_MAX) {
		err_say(&c.e, "%zu indicators in one set; at most %d", n, IND_SPEC_MAX);
		return NULL;
	}
	c.set = calloc(1, sizeof *c.set);
	c.outs = calloc(n * IND_OUT_MAX + 1, sizeof *c.outs);
	c.b = c.set == NULL ? NULL : ind_build_new(c.set);
	if (c.set != NULL) {
		c.set->slots = calloc(n * IND_OUT_MAX + 1, sizeof *c.set->slots);
		c.set->args = calloc(n + 1, sizeof *c.set->args);
		c.set->n_specs = n;
	}
	if (c.b == NULL || c.outs == NULL || c.set->slots == NULL || c.set->args == NULL) {
		err_say(&c.e, "out of memory");
		ok = false;
	}
	for (size_t i = 0; i < n && ok; i++)
		ok = spec_add(&c, &specs[i], i);
	if (ok && !ind_build_done(c.b, c.outs, c.set->n_slots)) {
		err_say(&c.e, "the set of indicators is too large (%d values at most)", IND_REG_MAX);
		ok = false;
	} else if (!ok) {
		ind_build_free(c.b);
	}
	free(c.outs);
	if (ok)
		return c.set;
	ind_set_free(c.set);
	return NULL;
}

/* Cuts the next word off *p at blanks; NULL at the end of the line. Ends of lines are ';' and '\n'. */
static char *word_cut(char **p, bool *last)
{
	char *w, *q = *p;

	q += strspn(q, " \t\r");
	w = q;
	q += strcspn(q, " \t\r;\n");
	*last = *q == '\0' || *q == ';' || *q == '\n';
	*p = *q == '\0' ? q : q + 1;
	if (q == w)
		return NULL;
	*q = '\0';
	return w;
}

struct ind_set *ind_set_parse(const char *text, char *err, size_t err_size)
{
	enum { ARGS = IND_SPEC_MAX * 4 };
	struct err e = { err, err_size };
	struct ind_spec *specs = calloc(IND_SPEC_MAX, sizeof *specs);
	struct ind_arg *args = calloc(ARGS, sizeof *args);
	char *copy = strdup(text), *p = copy;
	size_t n = 0, n_args = 0;
	struct ind_set *set = NULL;
	bool ok = specs != NULL && args != NULL && copy != NULL, last = false;

	if (!ok)
		err_say(&e, "out of memory");
	while (ok && *p != '\0') {
		struct ind_spec *s = &specs[n];
		char *w = word_cut(&p, &last);

		if (w != NULL && (n == IND_SPEC_MAX - 1 || n_args + IND_PARAM_MAX > ARGS)) {
			err_say(&e, "too many indicators in one set; at most %d", IND_SPEC_MAX - 1);
			ok = false;
		} else if (w != NULL) {
			*s = (struct ind_spec){ w, &args[n_args], 0 };
			n++;
		}
		while (ok && w != NULL && !last && (w = word_cut(&p, &last)) != NULL) {
			char *eq = strchr(w, '=');

			ok = eq != NULL && s->n_args < IND_PARAM_MAX;
			if (!ok) {
				err_say(&e, "%s: \"%.40s\" is not parameter=value", s->name, w);
				break;
			}
			*eq = '\0';
			args[n_args++] = (struct ind_arg){ w, eq + 1 };
			s->n_args++;
		}
	}
	if (ok)
		set = ind_set_new(specs, n, err, err_size);
	free(specs);
	free(args);
	free(copy);
	return set;
}
