/*
 * mem.h - one partition in memory: the Redis functions as a model, up to eight workers, and a schedule of faults.
 *
 * Everything follows from one seed: which worker moves next, which request is executed, which reply is lost, which connection
 * is cut with requests still on their way (they may be executed much later), who is killed, paused, leaves or joins, whose lease runs out. The
 * workers follow core/fsm.c, core/share.c and core/fold.c, as the real runtime does. Every sixteen leases there are six without
 * faults: at their end the partition must be worked by the worker it belongs to.
 */
#ifndef TEST_LIB_MEM_H
#define TEST_LIB_MEM_H

#include "laws.h"

/* Chances in 1,000 at each step; those of pause, crash, leave, join in 10,000. */
struct mem_faults {
	unsigned workers;       /* 1 .. 8 */
	unsigned cut;           /* a connection is cut: a random part of what is on its way is executed, now or later */
	unsigned kill;          /* a worker dies and is started anew */
	unsigned expire;        /* the lease runs out at the server */
	unsigned own_expire;    /* a worker takes its own lease for expired */
	unsigned pause;         /* a worker stands still for up to four leases */
	unsigned crash;         /* a worker dies and stays away */
	unsigned leave, join;   /* a worker ends as on SIGTERM; one that is away is started */
	unsigned blind;         /* of looks at the registry: it cannot be reached */
	unsigned pace;          /* steps between two entries of the tape; 0: all are there from the beginning */
	unsigned read_max;      /* entries of one read: 1 .. this; 0: 4 */
};

struct mem_result {
	struct ap_buf stream[AP_S_N];   /* per frame: id ms, id seq, n, length, body */
	uint64_t frames[AP_S_N];
	/* What happened on the way: a schedule that met none of it proves nothing. */
	uint64_t commits, fenced, gaps, cursors, lost_replies, late, owners, released, calms;
};

/*
 * Runs the tape to its end through the workers. False: why (a broken rule: an id that goes back, a commit that does not
 * follow, two owners' commits that interleave, a partition without its owner after a calm, a tape that does not end). Pair with mem_result_done.
 */
bool mem_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, const struct mem_faults *faults,
	     uint64_t seed, struct mem_result *out, char why[LAWS_WHY]);
void mem_result_done(struct mem_result *r);

#endif
