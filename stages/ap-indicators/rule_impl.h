/*
 * rule_impl.h - the compiled form of an expression, between rule_parse.c, which
 * writes it, and rule.c, which runs it. Private to them.
 *
 * Postfix code for a stack of doubles; a condition is 0 or 1. Whatever is
 * absent ends the run, so no step ever meets a NAN.
 */
#ifndef AP_INDICATORS_RULE_IMPL_H
#define AP_INDICATORS_RULE_IMPL_H

#include "stages/ap-indicators/rule.h"

enum rule_opcode {
	OP_NUMBER,               /* push num */
	OP_INPUT,                /* push inputs[at], `back` candles ago */
	OP_LOCAL,                /* push entry, stop or target: at = enum rule_part */
	OP_NEG, OP_ABS, OP_NOT,  /* one for one */
	OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MIN, OP_MAX,
	OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE, OP_AND, OP_OR,
	OP_CROSS_OVER, OP_CROSS_UNDER, /* a, b, a before, b before: four for one */
	OP_N
};

struct rule_op {
	uint8_t code, back;
	uint16_t at;
	double num;
};

struct rule_code {
	uint16_t n;
	struct rule_op op[RULE_CODE_MAX];
};

/* The values a book reads, each once. */
struct rule_inputs {
	size_t n;
	struct rule_input list[RULE_INPUTS_MAX];
};

/* Compiles one part. `inputs` grows by what it reads. false: *err has line, column and text. */
bool rule_compile(const char *text, enum rule_part part, rule_resolve *resolve, void *host,
		  struct rule_inputs *inputs, struct rule_code *code, struct rule_error *err);

#endif
