/*
 * policy.c - the table. A row tells a state's whole behaviour.
 */
#include "policy.h"

#include <assert.h>

#define STAY(s) { AP_C_##s, AP_A_NONE }
#define TO(s, a) { AP_C_##s, AP_A_##a }

static const struct ap_policy_step table[AP_C_STATES][AP_E_EVENTS] = {
	/*               GO                     READY                EXIT_DONE            EXIT_MISTAKE          EXIT_FAIL
	 *               TIMER                  SILENT               RENEW                STOP                   ADOPT */
	[AP_C_IDLE] = { TO(STARTING, SPAWN), STAY(IDLE), STAY(IDLE), STAY(IDLE), STAY(IDLE),
			STAY(IDLE), STAY(IDLE), STAY(IDLE), TO(DONE, END), TO(STARTING, AWAIT) },
	[AP_C_STARTING] = { STAY(STARTING), TO(UP, READY), TO(DONE, READY), TO(PARKED, PARK), TO(BACKOFF, WAIT),
			    TO(RENEWING, TERM), TO(KILLING, KILL), TO(RENEWING, TERM), TO(STOPPING, TERM), STAY(STARTING) },
	[AP_C_UP] = { STAY(UP), STAY(UP), TO(DONE, END), TO(PARKED, PARK), TO(BACKOFF, WAIT),
		      STAY(UP), TO(KILLING, KILL), TO(RENEWING, TERM), TO(STOPPING, TERM), STAY(UP) },
	[AP_C_BACKOFF] = { TO(STARTING, SPAWN), STAY(BACKOFF), STAY(BACKOFF), STAY(BACKOFF), STAY(BACKOFF),
			   TO(STARTING, SPAWN), STAY(BACKOFF), TO(STARTING, SPAWN), TO(DONE, END), STAY(BACKOFF) },
	[AP_C_PARKED] = { TO(STARTING, SPAWN), STAY(PARKED), STAY(PARKED), STAY(PARKED), STAY(PARKED),
			  STAY(PARKED), STAY(PARKED), TO(STARTING, SPAWN), TO(DONE, END), STAY(PARKED) },
	[AP_C_STOPPING] = { STAY(STOPPING), STAY(STOPPING), TO(DONE, END), TO(DONE, END), TO(DONE, END),
			    { AP_C_STOPPING, AP_A_KILL }, STAY(STOPPING), STAY(STOPPING), STAY(STOPPING), STAY(STOPPING) },
	[AP_C_KILLING] = { STAY(KILLING), STAY(KILLING), TO(BACKOFF, WAIT), TO(PARKED, PARK), TO(BACKOFF, WAIT),
			   STAY(KILLING), STAY(KILLING), STAY(KILLING), TO(STOPPING, TERM), STAY(KILLING) },
	[AP_C_RENEWING] = { STAY(RENEWING), STAY(RENEWING), TO(STARTING, SPAWN), TO(PARKED, PARK), TO(STARTING, SPAWN),
			    TO(KILLING, KILL), STAY(RENEWING), STAY(RENEWING), TO(STOPPING, TERM), STAY(RENEWING) },
	[AP_C_DONE] = { STAY(DONE), STAY(DONE), STAY(DONE), STAY(DONE), STAY(DONE),
			STAY(DONE), STAY(DONE), STAY(DONE), STAY(DONE), STAY(DONE) },
};

static const char state_name[][9] = { "idle", "starting", "up", "backoff", "parked", "stopping", "killing", "renewing", "done" };
static const char event_name[][13] = { "go", "ready", "exit_done", "exit_mistake", "exit_fail", "timer", "silent", "renew", "stop", "adopt" };
_Static_assert(sizeof state_name / sizeof state_name[0] == AP_C_STATES, "name every state");
_Static_assert(sizeof event_name / sizeof event_name[0] == AP_E_EVENTS, "name every event");

struct ap_policy_step ap_policy(enum ap_child_state s, enum ap_child_event e)
{
	assert(s < AP_C_STATES && e < AP_E_EVENTS);
	return table[s][e];
}

const char *ap_child_state_name(enum ap_child_state s)
{
	assert(s < AP_C_STATES);
	return state_name[s];
}

const char *ap_child_event_name(enum ap_child_event e)
{
	assert(e < AP_E_EVENTS);
	return event_name[e];
}

/* What a stage dies of is found by a few more deaths (common/io/runtime_alone.c): those are not to take long. */
enum { SOON = 3 };

uint64_t ap_policy_backoff_ms(unsigned tries, uint64_t min_ms, uint64_t max_ms)
{
	uint64_t ms = min_ms;
	for (unsigned i = SOON; i < tries && ms < max_ms; i++)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

bool ap_crash_note(struct ap_crash_window *w, int64_t now_ms)
{
	enum { KEPT = sizeof w->at_ms / sizeof w->at_ms[0] };
	w->at_ms[w->n++ % KEPT] = now_ms;
	/* w->n % KEPT is now the oldest kept one: five starts ago */
	return w->n >= KEPT && now_ms - w->at_ms[w->n % KEPT] < 60000;
}
