/*
 * ind_kernel.c - the table of operations: kernels, words of state, constants.
 */
#include <assert.h>
#include "stages/ap-indicators/ind_kernel.h"

enum { QUEUE = UINT16_MAX, QUEUE_HEAD = 3, WINDOW = QUEUE + 1 };

static const struct { ind_kernel *run; ind_kernel_warm *warm, *avx; uint32_t words, constants; } table[] = {
#define ROW(code, name, words, constants) [OP_##code] = { ind_k_##name, ind_k_##name##_warm, ind_k_##name##_avx, words, constants },
	IND_KERNELS(ROW)
};
_Static_assert(sizeof table / sizeof table[0] == OP_N_CODES, "every code has a kernel");

ind_kernel *ind_op_run(const struct ind_op *op)
{
	assert(op->code < OP_N_CODES && table[op->code].run != NULL);
	return table[op->code].run;
}

ind_kernel_warm *ind_op_warm(const struct ind_op *op, bool avx)
{
	assert(op->code < OP_N_CODES && table[op->code].warm != NULL);
	return avx ? table[op->code].avx : table[op->code].warm;
}

uint32_t ind_op_words(const struct ind_op *op)
{
	/* The queue's capacity is a power of two, m is that less one. */
	if (table[op->code].words == QUEUE)
		return QUEUE_HEAD + op->m;
	return table[op->code].words >= WINDOW ? table[op->code].words - WINDOW + op->n : table[op->code].words;
}

unsigned ind_op_bounds(const struct ind_op *op, uint32_t core, struct ind_bound to[IND_BOUNDS_MAX])
{
	switch (op->code) {
	case OP_HIGH:
	case OP_LOW:
		to[0] = (struct ind_bound){ core + Q_HEAD, op->m + 1 };
		to[1] = (struct ind_bound){ core + Q_LEN, op->m + 2 };
		return 2;
	case OP_CCI:
		to[0] = (struct ind_bound){ core + CCI_AT, op->n > 2 ? op->n - 2 : 1 };
		return 1;
	case OP_STOCHRSI:
		to[0] = (struct ind_bound){ core + SR_AT, op->n > 1 ? op->n - 1 : 1 };
		return 1;
	default:
		return 0;
	}
}

uint32_t ind_op_constants(const struct ind_op *op)
{
	return table[op->code].constants;
}
