/*
 * ind_set.h - the inside of a compiled set; for ind_set.c, ind_spec.c, ind_image.c alone.
 */
#ifndef AP_IND_SET_H
#define AP_IND_SET_H

#include "stages/ap-indicators/ind_hot.h"

enum { IND_HEAD_WORDS = 1 };  /* word 0 of the core: candles taken */
enum { FRONT_RING, FRONT_MOMENTS, FRONT_RSI, FRONT_MACD, FRONT_EMA, FRONT_BANDS, FRONT_N };

struct ind_ring { uint16_t reg; uint32_t need, at, mask; };
struct ind_copy { uint16_t to, from; };

struct ind_set {
	struct ind_five five;                 /* in front: it is read most, and near places have short addresses */
	struct ind_op *ops;
	struct ind_ring *rings;
	struct ind_run *runs, front[FRONT_N];
	uint32_t n_ops, n_rings, n_runs;
	uint32_t with_five;                   /* 1: the first of each kind up front run as `five`, 0 */
	bool more;                            /* there is more than they up front */
	bool plain;                           /* past the warm-up the bitmap is one word, always the same */
	uint64_t five_from;                   /* candles after this one need the five alone; UINT64_MAX: never */
	size_t ring_words, core_words;
	struct ind_copy inputs[IN_N_INPUTS];  /* register <- offset in struct ind_bar */
	size_t n_inputs;
	struct ind_copy *copies;              /* slot <- slot */
	uint16_t *checks;                     /* slots whose value may be absent after the warm-up */
	size_t n_copies, n_checks;
	struct ind_slot *slots;
	char **args;                          /* one text a spec */
	size_t n_slots, n_specs, n_values, n_bitmap;
	uint64_t *all, all_first;             /* bitmap with every slot set, its first word */
	uint32_t warm;                        /* candle from which all slots may have values */
	uint32_t settled;                     /* behind it every operation is past its start-up; not before warm */
	double *turn;                         /* for ind_turn(); NULL: nobody needs it */
	uint64_t print;
};

struct ind_build *ind_build_new(struct ind_set *set);
const char *ind_build_fault(const struct ind_build *b);
bool ind_build_done(struct ind_build *b, const struct ind_ref *outs, size_t n_outs);

#endif
