/*
 * ind_set.c - a list of indicators becomes a program.
 *
 * Operations are described (ind_build.c), put into an order (ind_order.c) and given their places (ind_lay.c); ind_step.c takes
 * candles through them.
 *
 * Pure; allocates only while compiling. Knows no indicator by name.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "stages/ap-indicators/ind_set.h"

static bool valid_make(struct ind_set *s)
{
	s->n_bitmap = s->n_slots > 0 ? (s->n_slots + 63) / 64 : 1;
	s->plain = s->n_bitmap == 1 && s->n_checks == 0;
	s->all = calloc(s->n_bitmap, sizeof *s->all);
	if (s->all == NULL)
		return false;
	for (size_t i = 0; i < s->n_slots; i++) {
		s->all[i / 64] |= UINT64_C(1) << (i % 64);
		s->warm = ind_later(s->warm, s->slots[i].first);
	}
	s->all_first = s->all[0];
	s->settled = ind_later(s->settled, s->warm);
	return true;
}

static bool turn_make(const struct ind_build *b)
{
	struct ind_set *const s = b->set;
	double *t;

	for (uint32_t i = 0; i < b->n_ops; i++)
		if (b->ops[i].code == OP_PHASE && s->turn == NULL) {
			s->turn = calloc(IND_TURN_MAX * (IND_TURN_MAX + 1), sizeof *s->turn);
			if (s->turn == NULL)
				return false;
		}
	t = s->turn;
	for (uint32_t n = 1; t != NULL && n <= IND_TURN_MAX; n++)
		for (uint32_t i = 0; i < n; i++) {
			double angle = (double)i * (2.0 * 3.14159265358979323846) / (double)n;

			*t++ = sin(angle);
			*t++ = cos(angle);
		}
	return true;
}

static void print_make(struct ind_set *s)
{
	XXH64_hash_t h = XXH64("indicators 7", 12, 0);

	for (size_t i = 0; i < s->n_slots; i++) {
		h = XXH64(s->slots[i].name, strlen(s->slots[i].name), h);
		h = XXH64(s->slots[i].args, strlen(s->slots[i].args), h);
	}
	s->print = h;
}

/* The five of the close are all there is, and the bands are as far above as below. */
static bool five_alone(const struct ind_set *s)
{
	return s->with_five && !s->more && s->runs->next == NULL && s->plain && s->n_rings == 1 && s->five.in == IN_C &&
	       s->five.bands->k[0] == s->five.bands->k[1];
}

static bool has_avx(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx") != 0;
#else
	return false;
#endif
}

void ind_set_for_any(struct ind_set *set)
{
	set->avx = false;
	for (struct ind_run *r = set->runs; r != NULL; r = r->next)
		r->warm = r->any;
}

bool ind_build_done(struct ind_build *b, const struct ind_ref *outs, size_t n_outs)
{
	struct ind_set *s = b->set;
	bool ok = b->fail == NULL && b->n_regs + V_END <= IND_REG_MAX;

	s->places = calloc(n_outs + 1, sizeof *s->places);
	s->checks = calloc(n_outs + 1, sizeof *s->checks);
	for (uint16_t i = 0; i < b->n_regs; i++)
		s->settled = ind_later(s->settled, b->first[i]);
	s->avx = has_avx();
	ok = ok && s->places != NULL && s->checks != NULL && ind_order(b) && ind_lay(b, outs, n_outs) && valid_make(s) && turn_make(b);
	if (ok) {
		s->five_from = five_alone(s) ? s->settled : UINT64_MAX;
		print_make(s);
	}
	ind_build_free(b);
	return ok;
}

void ind_init(const struct ind_set *set, void *state)
{
	memset(state, 0, ind_set_size(set));
}

uint64_t ind_count(const struct ind_set *set, const void *core)
{
	const union ind_word *head = core;

	(void)set;
	return head[0].u;
}

size_t ind_set_slots(const struct ind_set *set)
{
	return set->n_slots;
}

const struct ind_slot *ind_set_slot(const struct ind_set *set, size_t i)
{
	assert(i < set->n_slots);
	return &set->slots[i];
}

const uint16_t *ind_set_places(const struct ind_set *set)
{
	return set->places;
}

size_t ind_set_values(const struct ind_set *set)
{
	return set->n_values;
}

size_t ind_set_bitmap(const struct ind_set *set)
{
	return set->n_bitmap;
}

uint32_t ind_set_warm(const struct ind_set *set)
{
	return set->warm;
}

uint64_t ind_set_print(const struct ind_set *set)
{
	return set->print;
}

size_t ind_set_ring_size(const struct ind_set *set)
{
	return set->ring_words * sizeof(union ind_word);
}

size_t ind_set_core_size(const struct ind_set *set)
{
	return set->core_words * sizeof(union ind_word);
}

size_t ind_set_size(const struct ind_set *set)
{
	return ind_set_ring_size(set) + ind_set_core_size(set);
}

void ind_set_free(struct ind_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; set->args != NULL && i < set->n_specs; i++)
		free(set->args[i]);
	free(set->args);
	free(set->slots);
	free(set->code);
	free(set->bounds);
	free(set->rings);
	free(set->places);
	free(set->checks);
	free(set->all);
	free(set->turn);
	free(set);
}
