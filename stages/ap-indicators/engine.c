/*
 * engine.c - one candle through indicators, patterns, open signals and rules, in this order.
 */
#include "stages/ap-indicators/engine.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { LEN_BYTES = 4, PARTS = 4, CORE_ALIGN = 16 };

void engine_lay(struct engine *e)
{
	e->pat_at = ind_set_core_size(e->set);
	e->rule_at = e->pat_at + (e->patterns ? sizeof(struct pat_state) : 0);
	e->open_at = e->rule_at + (e->book != NULL ? rule_state_size(e->book) : 0);
	e->core_size = e->open_at + (e->book != NULL ? sizeof(struct outcome_state) : 0);
	/* Cores stand one behind the other, and what is read in pairs is to be as well aligned in each. */
	e->core_size = (e->core_size + CORE_ALIGN - 1) / CORE_ALIGN * CORE_ALIGN;
}

static struct pat_state *pat_of(const struct engine *e, void *core)
{
	return (struct pat_state *)(void *)((char *)core + e->pat_at);
}

static void *rules_of(const struct engine *e, void *core)
{
	return (char *)core + e->rule_at;
}

static struct outcome_state *open_of(const struct engine *e, void *core)
{
	return (struct outcome_state *)(void *)((char *)core + e->open_at);
}

void engine_init(const struct engine *e, void *core)
{
	memset(core, 0, e->core_size);
	if (e->patterns)
		pat_init(pat_of(e, core));
	if (e->book != NULL) {
		rule_state_init(e->book, rules_of(e, core));
		outcome_init(open_of(e, core));
	}
}

static double input_value(const struct engine *e, void *core, size_t i, const struct ind_bar *bar,
			  const struct engine_now *now)
{
	const struct rule_input *in = rule_book_input(e->book, i);

	switch (in->source) {
	case RULE_OF_FIELD:
		return rule_field((enum rule_field)in->slot, bar);
	case RULE_OF_PATTERN:
		return pat_warm(pat_of(e, core), (enum pat_id)in->slot) ? now->pat[in->slot] : (double)NAN;
	case RULE_OF_INDICATOR:
		return ind_valid(now->valid, e->slot[i]) ? now->val[ind_set_places(e->set)[e->slot[i]]] : (double)NAN;
	}
	return (double)NAN;
}

static void rules_step(const struct engine *e, void *core, const struct ind_candle *c, struct engine_now *now)
{
	struct outcome_state *open = open_of(e, core);
	double inputs[RULE_INPUTS_MAX];
	const size_t n = rule_book_inputs(e->book);

	now->n_ends = (uint32_t)outcome_step(open, &c->bar, now->end);
	for (size_t i = 0; i < n; i++)
		inputs[i] = input_value(e, core, i, &c->bar, now);
	now->n_signals = (uint32_t)rule_step(e->book, rules_of(e, core), inputs, now->signal, &now->tally);
	for (uint32_t i = 0; i < now->n_signals; i++) {
		const unsigned expiry = rule_book_expiry(e->book, now->signal[i].rule);

		if (outcome_add(open, &now->signal[i], &c->bar, c->revision, expiry, &now->end[now->n_ends]))
			now->n_ends++;
	}
}

void engine_step(const struct engine *e, void *ring, void *core, const struct ind_candle *c, struct engine_now *now)
{
	(void)ind_step(e->set, ring, core, &c->bar, now->val, now->valid);
	if (e->patterns)
		pat_update(pat_of(e, core), &c->bar, now->pat);
	now->n_ends = now->n_signals = 0;
	if (e->book != NULL)
		rules_step(e, core, c, now);
	now->core = core;
}

void engine_inputs_json(const struct engine *e, const void *core, size_t rule, struct ap_buf *out)
{
	rule_inputs_json(e->book, rule, (const char *)core + e->rule_at, out);
}

/* --- image ------------------------------------------------------------------------------------- */

size_t engine_save_size(const struct engine *e)
{
	return PARTS * LEN_BYTES + ind_save_size(e->set) + PAT_IMAGE_SIZE + OUTCOME_IMAGE_MAX +
	       (e->book != NULL ? rule_save_size(e->book) : 0);
}

/* The length goes in front of the part that was written at p + LEN_BYTES. */
static uint8_t *part_end(uint8_t *p, size_t len)
{
	for (int i = 0; i < LEN_BYTES; i++)
		p[i] = (uint8_t)(len >> (8 * i));
	return p + LEN_BYTES + len;
}

size_t engine_save(const struct engine *e, const void *ring, const void *core, uint8_t *p)
{
	const char *c = core;
	uint8_t *q = p;

	q = part_end(q, ind_save(e->set, ring, core, q + LEN_BYTES, ind_save_size(e->set)));
	if (e->patterns)
		pat_save((const struct pat_state *)(const void *)(c + e->pat_at), q + LEN_BYTES);
	q = part_end(q, e->patterns ? PAT_IMAGE_SIZE : 0);
	q = part_end(q, e->book == NULL ? 0 : rule_save(e->book, c + e->rule_at, q + LEN_BYTES, rule_save_size(e->book)));
	q = part_end(q, e->book == NULL ? 0 :
		     outcome_save((const struct outcome_state *)(const void *)(c + e->open_at), q + LEN_BYTES));
	return (size_t)(q - p);
}

static bool part_cut(const uint8_t **p, const uint8_t *end, const uint8_t **part, size_t *len)
{
	*len = 0;
	if (end - *p < LEN_BYTES)
		return false;
	for (int i = 0; i < LEN_BYTES; i++)
		*len |= (size_t)(*p)[i] << (8 * i);
	*part = *p + LEN_BYTES;
	if (*len > (size_t)(end - *part))
		return false;
	*p = *part + *len;
	return true;
}

bool engine_load(const struct engine *e, void *ring, void *core, const uint8_t *p, size_t len, bool *restarted)
{
	const uint8_t *end = p + len, *part[PARTS];
	size_t size[PARTS];
	bool anew = false;

	engine_init(e, core);
	for (int i = 0; i < PARTS; i++)
		if (!part_cut(&p, end, &part[i], &size[i]))
			return false;
	anew |= ind_load(e->set, ring, core, part[0], size[0]) != NULL;
	if (e->patterns)
		anew |= !pat_load(pat_of(e, core), part[1], size[1]);
	/* Signals are followed by the number of their rule: another book, and they are nobody's. */
	if (e->book != NULL && (!rule_load(e->book, rules_of(e, core), part[2], size[2]) ||
				!outcome_load(open_of(e, core), part[3], size[3]) ||
				outcome_rules_end(open_of(e, core)) > rule_book_rules(e->book))) {
		rule_state_init(e->book, rules_of(e, core));
		outcome_init(open_of(e, core));
		anew = true;
	}
	*restarted = anew;
	return p == end;
}
