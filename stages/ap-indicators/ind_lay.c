/*
 * ind_lay.c - ordered operations become a program: its values, its memory and its words of state get their places.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "stages/ap-indicators/ind_set.h"

enum { NO_REG = 0xffff };

struct lay {
	struct ind_build *b;
	struct ind_set *set;
	uint16_t place[IND_REG_MAX];
	uint32_t core[OPS_MAX];
};

/* The five's values have their own places; kinds in the order of FRONT_*. */
static const uint16_t five_places[FRONT_N][3] = {
	[FRONT_MOMENTS] = { V_MEAN, V_VAR }, [FRONT_RSI] = { V_RSI }, [FRONT_MACD] = { V_MACD, V_SIGNAL, V_HIST },
	[FRONT_EMA] = { V_EMA }, [FRONT_BANDS] = { V_UP, V_LOW }
};

static void values_place(struct lay *l)
{
	uint16_t next = l->b->with_five != 0 ? V_END : IN_N_INPUTS;

	memset(l->place, 0xff, sizeof l->place);
	for (unsigned i = 0; i < IN_N_INPUTS; i++)
		l->place[i] = (uint16_t)i;
	for (uint32_t i = 0; i < l->b->n_ops; i++)
		for (unsigned k = 0; l->b->ops[i].five != 0 && k < l->b->ops[i].n_out; k++)
			l->place[l->b->ops[i].out[k]] = five_places[l->b->ops[i].front][k];
	for (uint32_t i = 0; i < l->b->n_ops; i++)
		for (unsigned k = 0; k < l->b->ops[i].n_out; k++)
			if (l->place[l->b->ops[i].out[k]] == NO_REG)
				l->place[l->b->ops[i].out[k]] = next++;
	l->set->n_values = next;
}

static void input_add(struct ind_set *s, uint16_t reg)
{
	if (reg >= IN_N_INPUTS)
		return;
	s->in_first = reg < s->in_first ? (uint8_t)reg : s->in_first;
	s->in_end = reg < s->in_end ? s->in_end : (uint8_t)(reg + 1);
}

static void inputs_find(const struct ind_build *b, const struct ind_ref *outs, size_t n_outs)
{
	b->set->in_first = IN_N_INPUTS;
	for (uint32_t i = 0; i < b->n_ops; i++)
		for (unsigned k = 0; k < b->ops[i].n_in; k++)
			input_add(b->set, b->ops[i].in[k]);
	for (size_t i = 0; i < n_outs; i++)
		input_add(b->set, outs[i].reg);
}

/* Rings at the front of their memory. */
static void rings_place(struct ind_set *s)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->n_rings; i++) {
		uint32_t cap = 1;

		while (cap < s->rings[i].need)
			cap *= 2;
		s->rings[i].past = (struct ind_past){ at, cap - 1 };
		at += cap;
	}
	s->ring_words = at;
}

static void slots_place(const struct lay *l, const struct ind_ref *outs, size_t n_outs)
{
	struct ind_set *s = l->set;

	for (size_t i = 0; i < n_outs; i++) {
		s->places[i] = l->place[outs[i].reg];
		if (l->b->absent[outs[i].reg])
			s->checks[s->n_checks++] = (uint16_t)i;
	}
}

/*
 * Words of state behind the count in the core. The five come first, in their order. Sums run two at a time (KERNEL_OF_TWO):
 * the second of two has the places between the words of the first.
 */
static void words_place(struct lay *l)
{
	const struct ind_op *ops = l->b->ops;
	uint32_t at = IND_HEAD_WORDS;
	bool second = false;

	for (uint32_t i = 0; i < l->b->n_ops; i++)
		if (ops[i].five != 0) {
			l->core[i] = at;
			at += ind_op_words(&ops[i]);
		}
	assert(at == IND_HEAD_WORDS + (l->b->with_five != 0 ? FIVE_WORDS : 0));
	for (uint32_t i = 0; i < l->b->n_ops; i++) {
		second = ops[i].code == OP_SUM && i > 0 && ops[i - 1].code == OP_SUM && !second;
		if (ops[i].five != 0)
			continue;
		if (second) {
			l->core[i] = l->core[i - 1] + 1;
			continue;
		}
		/* What is read and written in pairs lies where no pair is on two lines of the cache. */
		if (ops[i].code == OP_RSI || ops[i].code == OP_SUM)
			at += at % 2;
		l->core[i] = at;
		at += ind_op_words(&ops[i]);
	}
	l->set->core_words = at;
}

static bool bounds_make(struct lay *l)
{
	struct ind_set *s = l->set;

	s->bounds = calloc((size_t)l->b->n_ops * IND_BOUNDS_MAX + 1, sizeof *s->bounds);
	for (uint32_t i = 0; s->bounds != NULL && i < l->b->n_ops; i++)
		s->n_bounds += ind_op_bounds(&l->b->ops[i], l->core[i], s->bounds + s->n_bounds);
	return s->bounds != NULL;
}

/* --- the program --------------------------------------------------------------------------------- */

static size_t insn_size(const struct ind_op *o)
{
	return sizeof(struct ind_insn) + ind_op_constants(o) * sizeof(double);
}

static void insn_make(const struct lay *l, uint32_t i, struct ind_insn *to)
{
	const struct ind_op *o = &l->b->ops[i];
	const uint32_t constants = ind_op_constants(o);

	assert(o->n <= UINT16_MAX && o->m <= UINT16_MAX);
	*to = (struct ind_insn){ .start = o->start, .core = l->core[i], .n = (uint16_t)o->n, .m = (uint16_t)o->m };
	for (unsigned k = 0; k < o->n_out; k++)
		to->reg[k] = l->place[o->out[k]];
	for (unsigned k = 0; k < o->n_in; k++)
		to->reg[IND_REGS - 1 - k] = l->place[o->in[k]];
	for (unsigned k = 0; k < 2; k++)
		if (o->ring[k] != 0)
			to->past[k] = l->set->rings[o->ring[k] - 1].past;
	for (uint32_t k = 0; k < 4; k++) {
		assert(k < constants || o->k[k] == 0);
		if (k < constants)
			to->k[k] = o->k[k];
	}
}

/* An operation up front, between `at` and `end`. */
static void front_add(struct ind_set *s, const struct ind_op *o, const struct ind_insn *at, const struct ind_insn *end)
{
	struct ind_front *f = &s->front[o->front];

	if (f->first == NULL)
		f->first = f->rest = at;
	if (o->five != 0)
		f->rest = end;
	f->end = end;
	s->more = s->more || o->five == 0;
}

static void runs_end(const struct ind_run *run, const struct ind_ctx *x)
{
	(void)run;
	(void)x;
}

/* Every operation may begin a run, and the program ends with one. */
static size_t program_size(const struct lay *l)
{
	size_t size = sizeof(struct ind_run);

	for (uint32_t i = 0; i < l->b->n_ops; i++)
		size += sizeof(struct ind_run) + insn_size(&l->b->ops[i]);
	return size;
}

/* Begins a run at p, which ends that before it (NULL: none). */
static struct ind_run *run_begin(struct ind_set *s, struct ind_run *before, char *p)
{
	struct ind_run *run = (struct ind_run *)(void *)p;

	if (before != NULL)
		before->next = run;
	else
		s->runs = run;
	return run;
}

static bool program_make(struct lay *l)
{
	struct ind_set *s = l->set;
	struct ind_run *run = NULL;
	uint8_t code = OP_N_CODES;
	char *p = calloc(1, program_size(l));

	s->code = p;
	if (p == NULL)
		return false;
	for (uint32_t i = 0; i < l->b->n_ops; i++) {
		const struct ind_op *o = &l->b->ops[i];
		struct ind_insn *to;

		if (o->front < 0 && o->code != code) {
			run = run_begin(s, run, p);
			*run = (struct ind_run){ .warm = ind_op_warm(o, s->avx), .any = ind_op_warm(o, false), .kernel = ind_op_run(o) };
			p += sizeof *run;
			code = o->code;
		}
		to = (struct ind_insn *)(void *)p;
		p += insn_size(o);
		insn_make(l, i, to);
		if (o->front >= 0)
			front_add(s, o, to, (const struct ind_insn *)(const void *)p);
	}
	run = run_begin(s, run, p);
	run->warm = run->any = runs_end;
	return true;
}

static void five_make(struct ind_set *s)
{
	const struct ind_insn *m = s->front[FRONT_MOMENTS].first, *b = s->front[FRONT_BANDS].first, *e = s->front[FRONT_EMA].first,
			      *r = s->front[FRONT_RSI].first, *d = s->front[FRONT_MACD].first;
	const uint32_t mask = m->past[0].mask;

	s->five = (struct ind_five){
		.moments = m, .rsi = r, .macd = d, .ema = e, .bands = b,
		.k_rsi = two_of(r->k[0], r->k[0]), .k_macd = two_of(d->k[0], d->k[1]), .k_last = two_of(d->k[2], e->k[0]),
		.rn = m->k[0], .k = b->k[0], .wide = b->k[0] * b->k[0] * m->k[0] / 0.9, .ring = m->past[0].at, .mask = mask, .n = m->n, .ahead = mask + 1 - m->n,
		.in = m->reg[IND_REGS - 1]
	};
}

bool ind_lay(struct ind_build *b, const struct ind_ref *outs, size_t n_outs)
{
	struct lay *l = calloc(1, sizeof *l);
	bool ok;

	if (l == NULL)
		return false;
	l->b = b;
	l->set = b->set;
	inputs_find(b, outs, n_outs);
	values_place(l);
	slots_place(l, outs, n_outs);
	rings_place(b->set);
	words_place(l);
	ok = bounds_make(l) && program_make(l);
	free(l);
	b->set->with_five = b->with_five != 0;
	if (ok && b->set->with_five)
		five_make(b->set);
	return ok;
}
