/*
 * steady.h - the wall clock as data may see it: it follows the machine's, but not its jumps.
 *
 * A beat closes candles. One that says an hour too much closes an hour of them, and what really happens in that hour comes too
 * late for them. So a step of the wall clock against the one that never steps is believed only when it has lasted.
 */
#ifndef AP_CORE_STEADY_H
#define AP_CORE_STEADY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	AP_STEADY_FOLLOW_MS = 500,      /* a difference up to this is followed at once: drift, slewing */
	AP_STEADY_BELIEVE_S = 60,       /* a larger one when it has lasted for so long */
};

/* All zero: has not seen a clock yet. */
struct ap_steady {
	bool set;
	int64_t offset_ns;      /* of the wall clock, as it is told, against the other one */
	int64_t odd_ns;         /* since when (of the other clock) they differ by more; 0: they do not */
	uint64_t steps;         /* believed */
};

/* The time, ns since 1970, from what both clocks say. Never goes back but by a step that is believed. */
int64_t ap_steady_ns(struct ap_steady *c, int64_t wall_ns, int64_t mono_ns);

#endif
