/*
 * policy.h - what becomes of a supervised process, as a state x event table.
 *
 * Pure: no processes, no clock. main.c turns exits, notifications and timers into events,
 * asks ap_policy_step, and carries out the action.
 */
#ifndef AP_POLICY_H
#define AP_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum ap_child_state {
	AP_C_IDLE,              /* its turn has not come */
	AP_C_STARTING,          /* spawned, not ready */
	AP_C_UP,
	AP_C_BACKOFF,           /* ended; will be started again */
	AP_C_PARKED,            /* said "your mistake" (exit 100): waits for a changed configuration */
	AP_C_STOPPING,          /* was asked to end */
	AP_C_KILLING,           /* was killed; its exit is awaited */
	AP_C_RENEWING,          /* is ended so that it starts again at once (rolling restart, silent) */
	AP_C_DONE,              /* ended, and that was right */
	AP_C_STATES
};

enum ap_child_event {
	AP_E_GO,                /* its turn has come, or another try is wanted */
	AP_E_READY,
	AP_E_EXIT_DONE,         /* a one-shot ended with 0 */
	AP_E_EXIT_MISTAKE,      /* exit 100 */
	AP_E_EXIT_FAIL,         /* anything else, unasked ends of a service included */
	AP_E_TIMER,             /* the state's own time is up: ready, back-off, stop */
	AP_E_SILENT,            /* the watchdog was not fed */
	AP_E_RENEW,             /* start it anew */
	AP_E_STOP,              /* it is to end for good: the supervisor is ending, or it is wanted no longer */
	AP_E_ADOPT,             /* it runs already: an earlier supervisor started it */
	AP_E_EVENTS
};

enum ap_child_action {
	AP_A_NONE,
	AP_A_SPAWN,
	AP_A_AWAIT,             /* it was not spawned by us; wait for what it says, and for its end */
	AP_A_TERM,              /* ask it to end, and start the stop timer */
	AP_A_KILL,
	AP_A_WAIT,              /* start the back-off timer */
	AP_A_PARK,              /* say so, loudly */
	AP_A_READY,             /* note that it is up */
	AP_A_END                /* it is over for good */
};

struct ap_policy_step {
	enum ap_child_state next;
	enum ap_child_action act;
};

struct ap_policy_step ap_policy(enum ap_child_state s, enum ap_child_event e);
const char *ap_child_state_name(enum ap_child_state s);
const char *ap_child_event_name(enum ap_child_event e);

/* The pause before try number `tries` (from 1): min three times, then doubled each time, at most max, in ms. */
uint64_t ap_policy_backoff_ms(unsigned tries, uint64_t min_ms, uint64_t max_ms);

/* Counts starts in a sliding minute; true when this one makes it a crash loop (5 or more). */
struct ap_crash_window {
	int64_t at_ms[5];
	unsigned n;
};
bool ap_crash_note(struct ap_crash_window *w, int64_t now_ms);

#endif
