/*
 * fsm.c - the table. A row is a state's whole behaviour; what is not written in a row leaves the state as it is.
 */
#include "fsm.h"

#include <assert.h>

/* Cells are stored as state + 1, so that an unwritten cell (0) can mean "stay". */
struct cell {
	uint8_t next, act;
};

#define GO(state_, action_) { (uint8_t)(AP_R_##state_ + 1), AP_R_##action_ }

_Static_assert(AP_R_STATE_N < 255 && AP_R_ACTION_N < 256, "cells are bytes");

/* The rows every connected state shares: loss, refusal and expiry all lead to the one recovery path. */
#define TROUBLE                                 \
	[AP_R_LOST] = GO(DOWN, FORGET),         \
	[AP_R_REFUSED] = GO(BACKOFF, RETREAT),  \
	[AP_R_EXPIRED] = GO(BACKOFF, RETREAT)

/* The same of an owner. What its read brings stays pending for the next one; replies come in order: the release after the commit. */
#define OWNER                                   \
	TROUBLE,                                \
	[AP_R_THEIRS] = GO(YIELDING, RELEASE)

static const struct cell table[AP_R_STATE_N][AP_R_EVENT_N] = {
	[AP_R_DOWN] = {
		[AP_R_UP] = GO(IDLE, SEEK),
		[AP_R_STOP] = GO(STOPPED, FINISH),
	},
	[AP_R_IDLE] = {
		[AP_R_LOST] = GO(DOWN, FORGET),
		[AP_R_MINE] = GO(LEASING, ACQUIRE),
		/* Whoever it belongs to may not be able to take it: it is asked for if nobody has it. */
		[AP_R_TIMER] = GO(LEASING, ACQUIRE),
		[AP_R_STOP] = GO(STOPPED, FINISH),
	},
	[AP_R_LEASING] = {
		TROUBLE,
		[AP_R_OWNED] = GO(LOADING, LOAD),
		[AP_R_HELD] = GO(STANDBY, WAIT_HELD),
		/* The answer may make us owner; without it there is no epoch to give back. */
		[AP_R_STOP] = GO(RELEASING, NONE),
	},
	[AP_R_STANDBY] = {
		TROUBLE,
		[AP_R_TIMER] = GO(LEASING, ACQUIRE),
		[AP_R_THEIRS] = GO(IDLE, SEEK),
		[AP_R_STOP] = GO(STOPPED, FINISH),
	},
	[AP_R_LOADING] = {
		OWNER,
		[AP_R_LOADED] = GO(PLACING, PLACE),
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_PLACING] = {
		OWNER,
		[AP_R_PLACED] = GO(READING, READ),
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_READING] = {
		OWNER,
		[AP_R_BATCH] = GO(COMMITTING, WORK),
		[AP_R_EMPTY] = GO(READING, READ),
		[AP_R_FULL] = GO(PAUSED, WAIT_ROOM),
		/* What the read brings stays pending for the next owner. */
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_COMMITTING] = {
		OWNER,
		[AP_R_COMMITTED] = GO(READING, NONE),
		[AP_R_FULL] = GO(PAUSED, WAIT_ROOM),
		/* Replies come in order: the release is answered after the commit. */
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_PAUSED] = {
		OWNER,
		[AP_R_TIMER] = GO(PAUSED, ASK_ROOM),
		[AP_R_FULL] = GO(PAUSED, WAIT_ROOM),
		[AP_R_ROOM] = GO(READING, READ),
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_BACKOFF] = {
		[AP_R_LOST] = GO(DOWN, FORGET),
		[AP_R_TIMER] = GO(LEASING, ACQUIRE),
		[AP_R_STOP] = GO(RELEASING, RELEASE),
	},
	[AP_R_YIELDING] = {
		[AP_R_LOST] = GO(DOWN, FORGET),
		[AP_R_REFUSED] = GO(BACKOFF, RETREAT),
		[AP_R_RELEASED] = GO(IDLE, SEEK),
		[AP_R_STOP] = GO(RELEASING, NONE),
	},
	[AP_R_RELEASING] = {
		[AP_R_OWNED] = GO(RELEASING, RELEASE),
		[AP_R_HELD] = GO(STOPPED, FINISH),
		[AP_R_LOST] = GO(STOPPED, FINISH),      /* the lease runs out by itself */
		[AP_R_REFUSED] = GO(STOPPED, FINISH),
		[AP_R_RELEASED] = GO(STOPPED, FINISH),
	},
	[AP_R_STOPPED] = { [AP_R_STOP] = GO(STOPPED, NONE) },
};

struct ap_run_row ap_run_next(enum ap_run_state s, enum ap_run_event e)
{
	assert((unsigned)s < AP_R_STATE_N && (unsigned)e < AP_R_EVENT_N);
	const struct cell c = table[s][e];

	if (c.next == 0)
		return (struct ap_run_row){ s, AP_R_NONE };
	return (struct ap_run_row){ (enum ap_run_state)(c.next - 1), (enum ap_run_action)c.act };
}

bool ap_run_owns(enum ap_run_state s)
{
	return s >= AP_R_LOADING && s <= AP_R_PAUSED;
}

static const char *const state_names[] = { "down", "idle", "leasing", "standby", "loading", "placing", "reading", "committing",
					   "paused", "backoff", "yielding", "releasing", "stopped" };
_Static_assert(sizeof state_names / sizeof state_names[0] == AP_R_STATE_N, "name every state");

const char *ap_run_state_name(enum ap_run_state s)
{
	assert((unsigned)s < AP_R_STATE_N);
	return state_names[s];
}
