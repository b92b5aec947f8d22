/*
 * plan.h - what runs for which series, from the configuration: indicators, patterns, rules.
 *
 * Each entry of a list is for all series, or for the timeframes and symbols it names. Series with the same choice share one
 * compiled engine. What rules need beyond the configured indicators is computed too, but not published.
 */
#ifndef AP_IND_PLAN_H
#define AP_IND_PLAN_H

#include "common/core/base.h"
#include "common/core/conf.h"
#include "common/core/rec.h"
#include "stages/ap-indicators/engine.h"
#include "stages/ap-indicators/rule_ind.h"

enum { PLAN_ITEMS_MAX = 256 };          /* entries of indicators.list */

struct plan_choice {
	uint64_t items[PLAN_ITEMS_MAX / 64], rules;
	bool patterns;
};

/* What every series of one choice shares. */
struct plan_set {
	struct plan_choice choice;
	struct engine engine;
	bool patterns;                  /* they are published; the engine may need them for rules alone */
	size_t slots;                   /* the first so many slots of the set are published */
	const uint16_t *places;         /* the set's: where their values are */
	struct ap_value *values;        /* per published slot: name and params, v unset */
	struct ind_set *set;            /* owned; the engine points to these */
	struct rule_book *book;
	uint16_t *slot;
};

struct plan;

/* NULL with a sentence in err that names the option, the entry (or its line in the file), and in rules line and column. */
struct plan *plan_new(const struct ap_conf *conf, char *err, size_t errlen);
void plan_free(struct plan *p);
/* The set of a series; NULL: nothing is for it, or memory is short. Owned by the plan. */
const struct plan_set *plan_find(struct plan *p, ap_str symbol, ap_str tf);
/* Largest numbers among all sets that this plan can ever give. */
size_t plan_slots_max(const struct plan *p);
size_t plan_rules_max(const struct plan *p);
bool plan_has_patterns(const struct plan *p);

/* Whether the text matches the pattern: '*' any run, '?' any one byte. */
bool plan_glob(ap_str pattern, ap_str text);

#endif
