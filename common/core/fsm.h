/*
 * fsm.h - the runtime's brain: what one partition of a stage does next, as a state x event table.
 *
 * Pure. common/io/runtime.c turns the world into events, asks the table, and carries out the action.
 *
 *   DOWN -> IDLE -> LEASING -> LOADING -> PLACING -> READING <-> COMMITTING      one path in, taken at start and after
 *            ^       |  ^                             |  PAUSED                 every trouble alike
 *            |    STANDBY, BACKOFF  <-- any trouble --+
 *            +------ YIELDING <-----------------------+                          another worker is to have it, and asks
 *   any -> RELEASING -> STOPPED                                                  on SIGTERM
 */
#ifndef AP_FSM_H
#define AP_FSM_H

#include "base.h"

enum ap_run_state {
	AP_R_DOWN,              /* no connection */
	AP_R_IDLE,              /* it is another worker's share; the timer looks whether that one takes it */
	AP_R_LEASING,           /* the lease was asked for */
	AP_R_STANDBY,           /* it is ours, and another worker still has it; the timer asks again */
	AP_R_LOADING,           /* state is being read */
	AP_R_PLACING,           /* the group is being set to the cursor */
	AP_R_READING,           /* a read is on its way */
	AP_R_COMMITTING,        /* a commit is on its way, and the next read behind it */
	AP_R_PAUSED,            /* downstream is full; the timer looks again */
	AP_R_BACKOFF,           /* something was refused; the timer takes the lease anew */
	AP_R_YIELDING,          /* the lease is being given up to another worker */
	AP_R_RELEASING,         /* the lease is being given up for good */
	AP_R_STOPPED,
	AP_R_STATE_N
};

enum ap_run_event {
	AP_R_UP,                /* connected and checked */
	AP_R_LOST,              /* connection lost: what was on its way has an unknown outcome */
	AP_R_OWNED,             /* the lease is ours, with a new token */
	AP_R_HELD,              /* it is another's */
	AP_R_LOADED,            /* state and cursor are in memory */
	AP_R_PLACED,            /* the group stands at the cursor */
	AP_R_BATCH,             /* a read brought entries */
	AP_R_EMPTY,             /* a read brought none */
	AP_R_COMMITTED,         /* a commit was taken; the next read is on its way */
	AP_R_FULL,              /* no read is on its way, because downstream is full */
	AP_R_REFUSED,           /* FENCED, GAP, CURSOR, an error, a time-out: memory and Redis may differ */
	AP_R_EXPIRED,           /* two thirds of the lease have passed without a renewal */
	AP_R_TIMER,
	AP_R_ROOM,              /* downstream has caught up */
	AP_R_MINE,              /* it is our share */
	AP_R_THEIRS,            /* it is another worker's: one that lives, and, where we own it, one that asks for it */
	AP_R_STOP,              /* SIGTERM */
	AP_R_RELEASED,
	AP_R_EVENT_N
};

enum ap_run_action {
	AP_R_NONE,
	AP_R_ACQUIRE,           /* forget memory; ask for the lease with a new token */
	AP_R_WAIT_HELD,         /* set the timer until the lease may be free; THEIRS at once when it is not our share */
	AP_R_SEEK,              /* forget memory; MINE at once when it is our share, else set the timer */
	AP_R_LOAD, AP_R_PLACE, AP_R_READ,
	AP_R_WORK,              /* step the batch, send the commit and, unless full or stopping, the next read */
	AP_R_WAIT_ROOM,         /* set the timer */
	AP_R_ASK_ROOM,
	AP_R_RETREAT,           /* forget memory; set the timer to the back-off */
	AP_R_FORGET,            /* forget memory; the connection comes back by itself */
	AP_R_RELEASE,
	AP_R_FINISH,            /* this partition is done */
	AP_R_ACTION_N
};

struct ap_run_row {
	enum ap_run_state next;
	enum ap_run_action act;
};

/* What a state does on an event. Total: every pair has an answer. */
struct ap_run_row ap_run_next(enum ap_run_state s, enum ap_run_event e);
/* Does this worker hold the lease in this state, as far as it knows? */
bool ap_run_owns(enum ap_run_state s);
const char *ap_run_state_name(enum ap_run_state s);

#endif
