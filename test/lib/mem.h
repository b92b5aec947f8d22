/*
 * mem.h - one partition in memory: the Redis functions as a model, two workers, and a schedule of faults.
 *
 * Everything follows from one seed: which worker moves next, which request is executed, which reply is lost, which connection
 * is cut with requests still on their way (they may be executed much later), who is killed, whose lease runs out. The workers
 * follow core/fsm.c and core/fold.c, as the real runtime does.
 */
#ifndef TEST_LIB_MEM_H
#define TEST_LIB_MEM_H

#include "laws.h"

/* Chances in 1,000 at each step. */
struct mem_faults {
	unsigned cut;           /* a connection is cut: a random part of what is on its way is executed, now or later */
	unsigned kill;          /* a worker dies and is started anew */
	unsigned expire;        /* the lease runs out at the server */
	unsigned own_expire;    /* a worker takes its own lease for expired */
	unsigned read_max;      /* entries of one read: 1 .. this; 0: 4 */
};

struct mem_result {
	struct ap_buf stream[AP_S_N];   /* per frame: id ms, id seq, n, length, body */
	uint64_t frames[AP_S_N];
	/* What happened on the way: a schedule that met none of it proves nothing. */
	uint64_t commits, fenced, gaps, cursors, lost_replies, late, owners;
};

/*
 * Runs the tape to its end through two workers. False: why (a broken rule: an id that goes back, a commit that does not
 * follow, a tape that does not end). Pair with mem_result_done.
 */
bool mem_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, const struct mem_faults *faults,
	     uint64_t seed, struct mem_result *out, char why[LAWS_WHY]);
void mem_result_done(struct mem_result *r);

#endif
