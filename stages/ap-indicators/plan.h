/*
 * plan.h - which indicators run for which series, from the configuration.
 *
 * Each entry of the list names an indicator, its parameters, and optionally the timeframes and symbols it is for. Series
 * with the same choice share one compiled set.
 */
#ifndef AP_IND_PLAN_H
#define AP_IND_PLAN_H

#include "common/core/base.h"
#include "common/core/rec.h"
#include "stages/ap-indicators/ind.h"

/* What every series of one choice shares. */
struct plan_set {
	struct ind_set *set;
	struct ap_value *values;        /* per slot: name and params, v unset */
	uint64_t mask[IND_SPEC_MAX / 64];
};

struct plan;

/*
 * list: the option's JSON text, "" for the default set: SMA 20, 50, 200, EMA 12, 26, RSI 14, MACD 12 26 9, BBANDS 20 2.
 * NULL with a sentence in err that names the entry (and its line in the file where it is known).
 */
struct plan *plan_new(ap_str list, char *err, size_t errlen);
void plan_free(struct plan *p);
/* The set of a series; NULL: no indicator is for it, or memory is short. Owned by the plan. */
const struct plan_set *plan_find(struct plan *p, ap_str symbol, ap_str tf);
/* Largest sizes among all sets that this plan can ever give. */
size_t plan_slots_max(const struct plan *p);

/* Whether the text matches the pattern: '*' any run, '?' any one byte. */
bool plan_glob(ap_str pattern, ap_str text);

#endif
