/*
 * plan_impl.h - what plan.c and plan_rules.c share: entries as they were read, texts, faults.
 */
#ifndef AP_IND_PLAN_IMPL_H
#define AP_IND_PLAN_IMPL_H

#include "common/core/json.h"
#include "stages/ap-indicators/plan.h"

/* Which series an entry is for: lists of words, each with a newline behind; empty: all. */
struct plan_scope { ap_str tfs, symbols; };

/* One indicator of the list. Views go into the plan's texts. */
struct plan_item {
	const char *name;
	struct ind_arg args[IND_PARAM_MAX];
	size_t n_args;
	struct plan_scope scope;
	size_t slots;
};

struct plan_rule {
	struct rule_def def;
	struct plan_scope scope;
	unsigned entry;                 /* from 1; 0: a rule of ours */
	long line;                      /* in the file; 0: unknown */
};

struct plan {
	const struct ap_conf *conf;     /* while it is read */
	struct plan_item *items;
	size_t n;
	struct plan_rule rules[RULE_MAX];
	size_t n_rules;
	bool patterns;
	ap_str pattern_tfs;             /* as in a scope */
	char **texts;                   /* everything the entries point to */
	size_t n_texts;
	struct plan_set **sets;
	size_t n_sets;
	size_t slots;
};

/* Where a sentence goes, and what it is about. */
struct plan_fault { char *p; size_t size; const char *option; unsigned entry; long line; };

void plan_say(struct plan_fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A copy that lives as long as the plan; NULL: no memory. */
char *plan_text(struct plan *p, const char *s, size_t len);
/* "1m,1h" or ["1m", "1h"] as words with a newline behind each. */
bool plan_words(struct plan *p, const struct ap_json *j, uint32_t tok, ap_str *out);
/* Members that every entry has: timeframes, symbols, and the line in the file. *mine: it was one of them. */
bool plan_scope_read(struct plan *p, struct plan_scope *s, const struct ap_json *j, uint32_t key, uint32_t val, bool *mine,
		     struct plan_fault *f);
/* Reads a list of groups: calls entry for each, with the line and number in f. */
typedef bool plan_entry(struct plan *p, const struct ap_json *j, uint32_t obj, struct plan_fault *f);
bool plan_list(struct plan *p, ap_str list, uint32_t max, plan_entry *entry, struct plan_fault *f);

/* plan_rules.c: the configured rules, and ours behind them. */
bool plan_rules_read(struct plan *p, const struct ap_conf *conf, struct plan_fault *f);
/* The book of the rules in mask; what it wants of indicators goes to *want (rule_ind_free). NULL, with a sentence. */
struct rule_book *plan_book(const struct plan *p, uint64_t mask, struct rule_ind **want, struct plan_fault *f);

#endif
