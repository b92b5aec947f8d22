/*
 * rule_ind.h - the rules' words for indicators, looked up in the registry.
 *
 * Between rule.h, which asks for names, and ind.h, which computes sets: collects
 * what a book of rules asks for as specs, to be compiled into a set together
 * with whatever else is wanted, and then finds the slots. Knows no series.
 *
 *   struct rule_ind *want = rule_ind_new();
 *   book = rule_book_new(defs, n, rule_ind_resolve, want, &err);
 *   specs[k + i] = rule_ind_spec(want, i)      for i < rule_ind_count(want), behind k specs of the host's own
 *   set  = ind_set_new(specs, ...);
 *   slot = rule_ind_slot(want, i, set, k + i)  for a rule_input of source RULE_OF_INDICATOR, i = its slot
 */
#ifndef AP_INDICATORS_RULE_IND_H
#define AP_INDICATORS_RULE_IND_H

#include "stages/ap-indicators/ind.h"
#include "stages/ap-indicators/rule.h"

struct rule_ind;

/* Empty; NULL: out of memory. Pair with rule_ind_free. */
struct rule_ind *rule_ind_new(void);
void rule_ind_free(struct rule_ind *want);

/*
 * A rule_resolve whose host is a struct rule_ind. Names are compared without case. Numbers fill the
 * indicator's numeric parameters in their order, a word the first choice that knows it: EMA(12, tv).
 * Bounds are checked here, so that they are reported with line and column.
 */
int rule_ind_resolve(void *rule_ind, const struct rule_ref *ref, char *why, size_t why_size);

/* How many different values are wanted, and the spec of one; its texts live as long as `want`. */
size_t rule_ind_count(const struct rule_ind *want);
struct ind_spec rule_ind_spec(const struct rule_ind *want, size_t i);

/* The slot of wanted value i in a set in which it was spec number `spec`. */
size_t rule_ind_slot(const struct rule_ind *want, size_t i, const struct ind_set *set, size_t spec);

#endif
