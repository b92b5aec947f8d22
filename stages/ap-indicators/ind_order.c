/*
 * ind_order.c - operations are put into an order with few runs of one kind, the everyday ones up front.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "stages/ap-indicators/ind_set.h"

/* The place of an operation that may run up front, or -1: it reads nothing but the candle's own values. */
static int front_kind(const struct ind_op *o)
{
	static const struct { uint8_t code, level, kind; } front[] = {
		{ OP_RING, 1, FRONT_RING }, { OP_MOMENTS, 2, FRONT_MOMENTS }, { OP_RSI, 1, FRONT_RSI },
		{ OP_MACD, 1, FRONT_MACD }, { OP_EMA, 1, FRONT_EMA }, { OP_BANDS, 3, FRONT_BANDS }
	};

	for (size_t i = 0; i < sizeof front / sizeof front[0]; i++)
		if (front[i].code == o->code && front[i].level == o->level)
			return front[i].kind;
	return -1;
}

/*
 * What putting operations in order needs to know. Who computes a register and who fills a ring: numbers of operations, by
 * which others wait for them. At most one ring a register, and each other operation has one of its own.
 */
static const uint32_t NO_OP = UINT32_MAX;
struct order {
	const struct ind_build *b;
	uint32_t reg[IND_REG_MAX], ring[IND_REG_MAX];
	uint32_t behind[OPS_MAX];             /* operations in the longest chain that waits for this one */
	uint32_t take[OPS_MAX];
	bool done[OPS_MAX], tried[OPS_MAX];
};

/* Whether it may run before its rings have this candle: it reads only the values of candles before. */
static bool only_before(uint8_t code)
{
	return code == OP_LAG || code == OP_HIGHER || code == OP_LOWER || code == OP_FEW || code == OP_SUM || code == OP_LINEAR ||
	       code == OP_GAP;
}

/* Those an operation waits for; gives how many. */
static unsigned waits_for(const struct order *w, const struct ind_op *o, uint32_t by[6])
{
	unsigned n = 0;

	for (unsigned k = 0; k < o->n_in; k++)
		if (w->reg[o->in[k]] != NO_OP)
			by[n++] = w->reg[o->in[k]];
	for (unsigned k = 0; k < 2 && o->code != OP_RING && !only_before(o->code); k++)
		if (o->ring[k] != 0)
			by[n++] = w->ring[o->ring[k] - 1];
	return n;
}

static void order_begin(struct order *w, const struct ind_build *b)
{
	uint32_t by[6];

	assert(b->n_ops <= OPS_MAX);
	memset(w, 0, sizeof *w);
	memset(w->reg, 0xff, sizeof w->reg);
	memset(w->ring, 0xff, sizeof w->ring);
	w->b = b;
	for (uint32_t i = 0; i < b->n_ops; i++) {
		const struct ind_op *o = &b->ops[i];

		for (unsigned k = 0; k < o->n_out; k++)
			w->reg[o->out[k]] = i;
		if (o->code == OP_RING)
			w->ring[o->ring[0] - 1] = i;
	}
	/* Nobody was described before those it waits for. */
	for (uint32_t i = b->n_ops; i-- > 0;)
		for (unsigned n = waits_for(w, &b->ops[i], by); n-- > 0;)
			w->behind[by[n]] = ind_later(w->behind[by[n]], w->behind[i] + 1);
}

static bool op_ready(const struct order *w, const struct ind_op *o, const bool *done)
{
	uint32_t by[6];

	for (unsigned n = waits_for(w, o, by); n-- > 0;)
		if (!done[by[n]])
			return false;
	return true;
}

/*
 * Takes all of a kind that stand ready, then those that wait only for these, and so on: links of one chain stand apart, and
 * the processor has other work while one waits for the link before. Gives how many; w->take has them.
 */
static uint32_t kind_take(struct order *w, bool *done, uint8_t code)
{
	const struct ind_build *b = w->b;
	uint32_t n = 0, from;

	do {
		from = n;
		for (uint32_t i = 0; i < b->n_ops; i++)
			if (!done[i] && b->ops[i].code == code && op_ready(w, &b->ops[i], done))
				w->take[n++] = i;
		for (uint32_t i = from; i < n; i++)
			done[w->take[i]] = true;
	} while (n > from);
	return n;
}

/*
 * The kind to run next: of those that can be run to their last, for they need no second call, the one with the longest chain
 * behind it: what others wait for is begun early. Else the one of which most can be run.
 */
static uint8_t kind_next(struct order *w)
{
	uint32_t left[OP_N_CODES] = { 0 }, behind[OP_N_CODES] = { 0 }, longest = 0, most = 0;
	uint8_t whole = OP_N_CODES, part = OP_N_CODES;

	for (uint32_t i = 0; i < w->b->n_ops; i++)
		if (!w->done[i]) {
			uint8_t c = w->b->ops[i].code;

			left[c]++;
			behind[c] = ind_later(behind[c], w->behind[i]);
		}
	for (unsigned k = 0; k < OP_N_CODES; k++) {
		const uint8_t c = (uint8_t)k;
		uint32_t n;

		if (left[c] == 0)
			continue;
		memcpy(w->tried, w->done, sizeof w->tried);
		n = kind_take(w, w->tried, c);
		if (n == left[c] && (whole == OP_N_CODES || behind[c] > longest)) {
			longest = behind[c];
			whole = c;
		}
		if (n > most) {
			most = n;
			part = c;
		}
	}
	assert(part < OP_N_CODES);
	return whole < OP_N_CODES ? whole : part;
}

/* Puts the operations into an order that respects who reads whom: those up front first, then in few long runs. */
static bool ops_order(struct ind_build *b)
{
	struct ind_op *to = calloc(b->n_ops + 1, sizeof *to);
	struct order *w = malloc(sizeof *w);
	uint32_t n = 0;

	if (to == NULL || w == NULL) {
		free(to);
		free(w);
		return false;
	}
	order_begin(w, b);
	for (int pass = 0; pass < 2 * FRONT_N; pass++)
		for (uint32_t i = 0; i < b->n_ops; i++)
			if (b->ops[i].front == pass / 2 && b->ops[i].five == (pass + 1) % 2) {
				to[n++] = b->ops[i];
				w->done[i] = true;
			}
	while (n < b->n_ops)
		for (uint32_t i = 0, took = kind_take(w, w->done, kind_next(w)); i < took; i++)
			to[n++] = b->ops[w->take[i]];
	free(b->ops);
	free(w);
	b->ops = to;
	return true;
}

/*
 * Looks for the everyday five on one price and moves them to the front of their kinds. RSI has m = 0 (it is not CMO), and
 * the bands are those of the moments.
 */
static void five_find(struct ind_build *b)
{
	static const uint8_t codes[] = { OP_RING, OP_MOMENTS, OP_RSI, OP_MACD, OP_EMA, OP_BANDS };
	uint32_t at[FRONT_N], in = UINT32_MAX, mean = UINT32_MAX, window = 0;

	for (uint32_t i = 0; i < b->n_ops; i++)
		if (b->ops[i].front == FRONT_BANDS && in == UINT32_MAX)
			for (uint32_t k = 0; k < b->n_ops; k++)
				if (b->ops[k].front == FRONT_MOMENTS && b->ops[k].out[0] == b->ops[i].in[0]) {
					in = b->ops[k].in[0];
					mean = b->ops[k].out[0];
					window = b->ops[k].n;
				}
	for (int kind = 0; kind < FRONT_N; kind++) {
		at[kind] = UINT32_MAX;
		for (uint32_t i = 0; i < b->n_ops; i++) {
			const struct ind_op *o = &b->ops[i];

			if (o->front != kind || o->code != codes[kind] || at[kind] != UINT32_MAX)
				continue;
			if (kind == FRONT_BANDS ? o->in[0] == mean && o->n == window
						: o->in[0] == in && !(kind == FRONT_RSI && o->m != 0) &&
						  !(kind == FRONT_MOMENTS && o->out[0] != mean))
				at[kind] = i;
		}
		if (at[kind] == UINT32_MAX)
			return;
	}
	for (int kind = 0; kind < FRONT_N; kind++)
		b->ops[at[kind]].five = 1;
	b->with_five = 1;
}

bool ind_order(struct ind_build *b)
{
	for (uint32_t i = 0; i < b->n_ops; i++)
		b->ops[i].front = (int8_t)front_kind(&b->ops[i]);
	five_find(b);
	return ops_order(b);
}
