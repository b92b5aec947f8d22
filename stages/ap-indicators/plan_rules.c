/*
 * plan_rules.c - the configured list of rules, read and checked, with the default rules beside them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "stages/ap-indicators/plan_impl.h"

static bool number_read(ap_str v, unsigned *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9' || i > 5)
			return false;
		n = n * 10 + (unsigned)(v.p[i] - '0');
	}
	*out = n;
	return v.len > 0;
}

/* A text, escapes resolved; a bare number is the text of an expression too. NULL: too long, or no memory. */
static const char *member_text(struct plan *p, const struct ap_json *j, uint32_t val)
{
	char text[RULE_TEXT_MAX + 1];
	ap_str v = ap_json_text(j, val);
	size_t len;

	if (j->tok[val].type == AP_J_NUM)
		return plan_text(p, v.p, v.len);
	return ap_json_unescape(j, val, text, sizeof text, &len) ? plan_text(p, text, len) : NULL;
}

/* Where a member of texts goes; NULL: there is none of that name. */
static const char **text_place(struct rule_def *d, ap_str key)
{
	if (ap_str_is(key, "name"))
		return &d->name;
	for (int i = 0; i < RULE_PART_N; i++)
		if (ap_str_is(key, rule_part_name((enum rule_part)i)))
			return &d->text[i];
	return NULL;
}

static bool member_read(struct plan *p, struct plan_rule *r, const struct ap_json *j, uint32_t key, uint32_t val,
			struct plan_fault *f)
{
	ap_str k = ap_json_text(j, key), v = ap_json_text(j, val);
	const char **place = text_place(&r->def, k);
	enum ap_json_type type = j->tok[val].type;
	bool mine;

	if (!plan_scope_read(p, &r->scope, j, key, val, &mine, f))
		return false;
	if (mine)
		return true;
	if (ap_str_is(k, "expiry") || ap_str_is(k, "cooldown")) {
		if (type == AP_J_NUM && number_read(v, ap_str_is(k, "expiry") ? &r->def.expiry : &r->def.cooldown))
			return true;
		plan_say(f, "%.*s must be a whole number of candles from %d to %d", (int)k.len, k.p, ap_str_is(k, "expiry"), RULE_WAIT_MAX);
		return false;
	}
	if (ap_str_is(k, "direction")) {
		r->def.side = ap_str_is(v, "long") ? RULE_LONG : ap_str_is(v, "short") ? RULE_SHORT : (enum rule_side)0;
		if (r->def.side != 0)
			return true;
		plan_say(f, "direction must be \"long\" or \"short\"");
		return false;
	}
	if (place == NULL) {
		plan_say(f, "a rule has no %.*s; there are name, direction, when, entry, stop, target, confidence, expiry, "
			 "cooldown, timeframes, symbols", (int)(k.len < 40 ? k.len : 40), k.p);
		return false;
	}
	if (type != AP_J_STR && type != AP_J_NUM) {
		plan_say(f, "%.*s must be a text", (int)k.len, k.p);
		return false;
	}
	*place = member_text(p, j, val);
	if (*place == NULL)
		plan_say(f, "%.*s is longer than %d bytes", (int)k.len, k.p, RULE_TEXT_MAX);
	return *place != NULL;
}

static bool rule_read(struct plan *p, const struct ap_json *j, uint32_t obj, struct plan_fault *f)
{
	struct plan_rule *r = &p->rules[p->n_rules];

	*r = (struct plan_rule){ .entry = f->entry, .line = f->line };
	r->def.text[RULE_ENTRY] = "close";
	r->def.expiry = 24;
	for (uint32_t key = obj + 1, i = 0; i < j->tok[obj].n; i++) {
		if (!member_read(p, r, j, key, key + 1, f))
			return false;
		key = j->tok[key + 1].next;
	}
	if (r->def.name == NULL || r->def.side == 0) {
		plan_say(f, "a rule needs %s", r->def.name == NULL ? "a name" : "a direction, \"long\" or \"short\"");
		return false;
	}
	p->n_rules++;
	return true;
}

static bool has_rule(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (strcmp(p->rules[i].def.name, name) == 0)
			return true;
	return false;
}

/* A configured rule takes the place of ours with its name. */
static bool defaults_add(struct plan *p, struct plan_fault *f)
{
	const size_t own = p->n_rules;
	size_t n;
	const struct rule_def *d = rule_defaults(&n);

	for (size_t i = 0; i < n; i++) {
		if (has_rule(p, d[i].name))
			continue;
		if (p->n_rules == RULE_MAX) {
			plan_say(f, "%zu rules beside the default ones; at most %zu (indicators.default_rules = false)", own,
				 RULE_MAX - n);
			return false;
		}
		p->rules[p->n_rules++].def = d[i];
	}
	return true;
}

bool plan_rules_read(struct plan *p, const struct ap_conf *conf, struct plan_fault *f)
{
	f->option = "indicators.rules";
	return (conf->indicators_rules[0] == '\0' ||
		plan_list(p, ap_str_c(conf->indicators_rules), RULE_MAX, rule_read, f)) &&
	       (!conf->indicators_default_rules || defaults_add(p, f));
}

/* Which rule, which of its texts, where in that. */
static void rule_fault(const struct plan_rule *r, const struct rule_error *e, struct plan_fault *f)
{
	f->entry = r->entry;
	f->line = r->line;
	f->option = "indicators.rules";
	for (int i = 0; i < RULE_PART_N; i++)
		if (strcmp(e->part, rule_part_name((enum rule_part)i)) == 0) {
			plan_say(f, "rule %.60s: %s, line %u column %u: %s", r->def.name, e->part, e->line, e->column, e->text);
			return;
		}
	plan_say(f, "rule %.60s: %s: %s", r->def.name, e->part, e->text);
}

struct rule_book *plan_book(const struct plan *p, uint64_t mask, struct rule_ind **want, struct plan_fault *f)
{
	struct rule_def defs[RULE_MAX];
	const struct plan_rule *from[RULE_MAX];
	struct rule_book *book = NULL;
	struct rule_error err;
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++)
		if ((mask >> i & 1u) != 0) {
			from[n] = &p->rules[i];
			defs[n++] = p->rules[i].def;
		}
	assert(n > 0);
	*want = rule_ind_new();
	if (*want != NULL)
		book = rule_book_new(defs, n, rule_ind_resolve, *want, &err);
	if (book != NULL)
		return book;
	if (*want == NULL)
		plan_say(f, "out of memory");
	else
		rule_fault(from[err.rule < n ? err.rule : 0], &err, f);
	rule_ind_free(*want);
	*want = NULL;
	return NULL;
}
