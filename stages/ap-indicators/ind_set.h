/*
 * ind_set.h - the inside of a compiled set, and of one being compiled; for ind_build.c, ind_order.c, ind_lay.c, ind_set.c,
 * ind_step.c, ind_spec.c, ind_image.c alone.
 */
#ifndef AP_IND_SET_H
#define AP_IND_SET_H

#include "stages/ap-indicators/ind_hot.h"

enum { IND_HEAD_WORDS = 1 };  /* word 0 of the core: candles taken */
enum { FRONT_RING, FRONT_MOMENTS, FRONT_RSI, FRONT_MACD, FRONT_EMA, FRONT_BANDS, FRONT_N };
enum { OPS_MAX = 2 * IND_REG_MAX };

/* The history of one value, for reading need - 1 - IND_REWIND candles back. */
struct ind_ring { uint16_t reg; uint32_t need; struct ind_past past; };
/* The everyday operations of one kind on the candle's own values; rest: behind the one that is of the five. */
struct ind_front { const struct ind_insn *first, *rest, *end; };

struct ind_set {
	struct ind_five five;                 /* in front: it is read most, and near places have short addresses */
	void *code;                           /* the program: operations up front, then runs */
	struct ind_run *runs;
	bool avx;                             /* the processor has it, and it is used */
	struct ind_front front[FRONT_N];
	struct ind_ring *rings;
	uint32_t n_rings;
	bool with_five;                       /* the first of each kind up front run as `five` */
	bool more;                            /* there is more than they up front */
	bool plain;                           /* past the warm-up the bitmap is one word, always the same */
	uint8_t in_first, in_end;             /* the inputs that are asked for lie between */
	uint64_t five_from;                   /* candles after this one need the five alone; UINT64_MAX: never */
	size_t ring_words, core_words;
	struct ind_bound *bounds;             /* of words that are places in memory */
	size_t n_bounds;
	uint16_t *places;                     /* of slots' values */
	uint16_t *checks;                     /* slots whose value may be absent after the warm-up */
	size_t n_checks;
	struct ind_slot *slots;
	char **args;                          /* one text a spec */
	size_t n_slots, n_specs, n_values, n_bitmap;
	uint64_t *all, all_first;             /* bitmap with every slot set, its first word */
	uint32_t warm;                        /* candle from which all slots may have values */
	uint32_t settled;                     /* behind it every operation is past its start-up; not before warm */
	double *turn;                         /* for ind_turn(); NULL: nobody needs it */
	uint64_t print;
};

/* Everything that exists only while compiling. */
struct ind_build {
	struct ind_set *set;
	struct ind_op *ops;
	uint32_t n_ops, op_cap;
	uint32_t with_five;                   /* 1: some operations are of the five */
	uint16_t n_regs;
	uint8_t level[IND_REG_MAX];
	uint32_t first[IND_REG_MAX];
	bool absent[IND_REG_MAX];
	const char *fail;
};

struct ind_build *ind_build_new(struct ind_set *set);
void ind_build_free(struct ind_build *b);
const char *ind_build_fault(const struct ind_build *b);
/* Puts the operations into the order they run in; then gives all of set its places. false: out of memory. */
bool ind_order(struct ind_build *b);
bool ind_lay(struct ind_build *b, const struct ind_ref *outs, size_t n_outs);
/* Ends the building; false: out of memory, or the set is too large. b is freed either way. */
bool ind_build_done(struct ind_build *b, const struct ind_ref *outs, size_t n_outs);

#endif
