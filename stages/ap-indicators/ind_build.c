/*
 * ind_build.c - a list of indicators becomes a list of operations: what ind_impl.h offers to the definitions.
 *
 * Each indicator's build function adds operations; equal ones are shared.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "stages/ap-indicators/ind_set.h"

static struct ind_ref ref_none(void)
{
	return (struct ind_ref){ .reg = 0, .first = 0 };
}

struct ind_ref ind_in(struct ind_build *b, enum ind_input in)
{
	(void)b;
	return (struct ind_ref){ .reg = (uint16_t)in, .first = 0 };
}

struct ind_ref ind_from(struct ind_ref r, uint32_t first)
{
	r.first = ind_later(r.first, first);
	return r;
}

uint32_t ind_later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct ind_ref ind_out(struct ind_ref r, unsigned i)
{
	r.reg = (uint16_t)(r.reg + i);
	return r;
}

void ind_absent(struct ind_build *b, struct ind_ref r)
{
	b->absent[r.reg] = true;
}

static bool op_same(const struct ind_op *a, const struct ind_op *b)
{
	return a->code == b->code && a->start == b->start && a->n == b->n && a->m == b->m &&
	       a->n_in == b->n_in && a->ring[0] == b->ring[0] && a->ring[1] == b->ring[1] &&
	       memcmp(a->in, b->in, sizeof a->in) == 0 &&
	       memcmp(a->k, b->k, sizeof a->k) == 0;    /* NOLINT(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): the same bits */
}

/* Room for one more operation, or NULL (b->fail is then set). */
static struct ind_op *op_push(struct ind_build *b)
{
	if (b->n_ops == b->op_cap) {
		uint32_t cap = b->op_cap ? b->op_cap * 2 : 64;
		struct ind_op *p = realloc(b->ops, cap * sizeof *p);

		if (p == NULL) {
			b->fail = "out of memory";
			return NULL;
		}
		b->ops = p;
		b->op_cap = cap;
	}
	return &b->ops[b->n_ops++];
}

static uint8_t op_level(const struct ind_build *b, const struct ind_op *op)
{
	unsigned level = 0;

	for (unsigned i = 0; i < op->n_in; i++)
		if (b->level[op->in[i]] > level)
			level = b->level[op->in[i]];
	/* A ring stands one level above its register, and its readers one above the ring. */
	for (unsigned i = 0; i < 2; i++)
		if (op->code != OP_RING && op->ring[i] != 0) {
			unsigned l = b->level[b->set->rings[op->ring[i] - 1].reg] + 1u;
			if (l > level)
				level = l;
		}
	return (uint8_t)(level + 1);
}

struct ind_ref ind_op(struct ind_build *b, struct ind_op op, const struct ind_ref *in, unsigned n_in,
		      unsigned n_out, uint32_t first)
{
	struct ind_op *o;

	assert(n_in <= 4 && n_out <= 4 && n_in + n_out <= IND_REGS);
	op.n_in = (uint8_t)n_in;
	op.n_out = (uint8_t)n_out;
	for (unsigned i = 0; i < n_in; i++) {
		op.in[i] = in[i].reg;
		op.start = ind_later(op.start, in[i].first);
	}
	for (uint32_t i = 0; i < b->n_ops; i++)
		if (op_same(&b->ops[i], &op))
			return (struct ind_ref){ b->ops[i].out[0], op.start + first };
	if (b->fail != NULL || b->n_regs + n_out > IND_REG_MAX) {
		b->fail = b->fail != NULL ? b->fail : "too many values in one set";
		return ref_none();
	}
	op.level = op_level(b, &op);
	for (unsigned i = 0; i < n_out; i++) {
		op.out[i] = b->n_regs;
		b->level[b->n_regs] = op.level;
		b->first[b->n_regs++] = op.start + first;
	}
	o = op_push(b);
	if (o == NULL)
		return ref_none();
	*o = op;
	return (struct ind_ref){ op.out[0], op.start + first };
}

uint32_t ind_ring(struct ind_build *b, struct ind_ref r, uint32_t n)
{
	struct ind_set *s = b->set;
	struct ind_ring *p;
	uint32_t i;

	for (i = 0; i < s->n_rings; i++)
		if (s->rings[i].reg == r.reg) {
			s->rings[i].need = ind_later(s->rings[i].need, n + 1 + IND_REWIND);
			return i + 1;
		}
	p = realloc(s->rings, (i + 1) * sizeof *p);
	if (p == NULL) {
		b->fail = "out of memory";
		return 1;
	}
	s->rings = p;
	p[i] = (struct ind_ring){ .reg = r.reg, .need = n + 1 + IND_REWIND };
	s->n_rings++;
	ind_op(b, (struct ind_op){ .code = OP_RING, .start = b->first[r.reg], .ring = { i + 1, 0 } },
	       &(struct ind_ref){ r.reg, b->first[r.reg] }, 1, 0, 0);
	return i + 1;
}

struct ind_build *ind_build_new(struct ind_set *set)
{
	struct ind_build *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->set = set;
	b->n_regs = IN_N_INPUTS;
	return b;
}

void ind_build_free(struct ind_build *b)
{
	if (b != NULL)
		free(b->ops);
	free(b);
}

const char *ind_build_fault(const struct ind_build *b)
{
	return b->fail;
}
