/*
 * test_fsm.c - the runtime's table, row by row, as sentences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/core/fsm.h"

static const char *const event_names[] = { "up", "lost", "owned", "held", "loaded", "placed", "batch", "empty", "committed",
					   "full", "refused", "expired", "timer", "room", "mine", "theirs", "stop", "released" };
_Static_assert(sizeof event_names / sizeof event_names[0] == AP_R_EVENT_N, "name every event");

static const char *const action_names[] = { "none", "acquire", "wait_held", "seek", "load", "place", "read", "work", "wait_room",
					    "ask_room", "retreat", "forget", "release", "finish" };
_Static_assert(sizeof action_names / sizeof action_names[0] == AP_R_ACTION_N, "name every action");

/* One cell: in a state, on an event, what comes next. */
struct want {
	enum ap_run_state in;
	enum ap_run_event on;
	enum ap_run_state next;
	enum ap_run_action act;
};

static void check(const struct want *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ap_run_row r = ap_run_next(w[i].in, w[i].on);
		if (r.next != w[i].next || r.act != w[i].act)
			fail_msg("%s on %s: %s, %s; wanted %s, %s", ap_run_state_name(w[i].in), event_names[w[i].on],
				 ap_run_state_name(r.next), action_names[r.act], ap_run_state_name(w[i].next),
				 action_names[w[i].act]);
	}
}
#define CHECK(...) check((const struct want[]){ __VA_ARGS__ }, sizeof((const struct want[]){ __VA_ARGS__ }) / sizeof(struct want))

static void the_way_in_is_lease_load_place_read(void **s)
{
	(void)s;
	CHECK({ AP_R_DOWN, AP_R_UP, AP_R_IDLE, AP_R_SEEK }, { AP_R_IDLE, AP_R_MINE, AP_R_LEASING, AP_R_ACQUIRE }, { AP_R_LEASING, AP_R_OWNED, AP_R_LOADING, AP_R_LOAD },
	      { AP_R_LOADING, AP_R_LOADED, AP_R_PLACING, AP_R_PLACE }, { AP_R_PLACING, AP_R_PLACED, AP_R_READING, AP_R_READ });
}

static void a_batch_is_worked_and_its_commit_leads_back_to_reading(void **s)
{
	(void)s;
	CHECK({ AP_R_READING, AP_R_BATCH, AP_R_COMMITTING, AP_R_WORK }, { AP_R_COMMITTING, AP_R_COMMITTED, AP_R_READING, AP_R_NONE },
	      { AP_R_READING, AP_R_EMPTY, AP_R_READING, AP_R_READ });
}

static void a_held_lease_is_asked_for_again(void **s)
{
	(void)s;
	CHECK({ AP_R_LEASING, AP_R_HELD, AP_R_STANDBY, AP_R_WAIT_HELD }, { AP_R_STANDBY, AP_R_TIMER, AP_R_LEASING, AP_R_ACQUIRE });
}

static void what_is_anothers_share_is_only_looked_after(void **s)
{
	(void)s;
	CHECK({ AP_R_IDLE, AP_R_TIMER, AP_R_LEASING, AP_R_ACQUIRE }, { AP_R_IDLE, AP_R_THEIRS, AP_R_IDLE, AP_R_NONE },
	      { AP_R_STANDBY, AP_R_THEIRS, AP_R_IDLE, AP_R_SEEK }, { AP_R_IDLE, AP_R_LOST, AP_R_DOWN, AP_R_FORGET });
}

static void an_owner_gives_to_whom_it_belongs_and_seeks_again(void **s)
{
	(void)s;
	for (unsigned st = AP_R_LOADING; st <= AP_R_PAUSED; st++)
		CHECK({ (enum ap_run_state)st, AP_R_THEIRS, AP_R_YIELDING, AP_R_RELEASE },
		      { (enum ap_run_state)st, AP_R_MINE, (enum ap_run_state)st, AP_R_NONE });
	CHECK({ AP_R_YIELDING, AP_R_RELEASED, AP_R_IDLE, AP_R_SEEK }, { AP_R_YIELDING, AP_R_LOST, AP_R_DOWN, AP_R_FORGET },
	      { AP_R_YIELDING, AP_R_REFUSED, AP_R_BACKOFF, AP_R_RETREAT }, { AP_R_YIELDING, AP_R_STOP, AP_R_RELEASING, AP_R_NONE });
}

static void what_ends_while_yielding_changes_nothing(void **s)
{
	(void)s;
	CHECK({ AP_R_YIELDING, AP_R_COMMITTED, AP_R_YIELDING, AP_R_NONE }, { AP_R_YIELDING, AP_R_BATCH, AP_R_YIELDING, AP_R_NONE },
	      { AP_R_YIELDING, AP_R_MINE, AP_R_YIELDING, AP_R_NONE }, { AP_R_YIELDING, AP_R_THEIRS, AP_R_YIELDING, AP_R_NONE },
	      { AP_R_LEASING, AP_R_THEIRS, AP_R_LEASING, AP_R_NONE }, { AP_R_BACKOFF, AP_R_THEIRS, AP_R_BACKOFF, AP_R_NONE });
}

static void every_trouble_of_an_owner_takes_the_one_recovery_path(void **s)
{
	(void)s;
	for (unsigned st = AP_R_LOADING; st <= AP_R_PAUSED; st++)
		CHECK({ (enum ap_run_state)st, AP_R_REFUSED, AP_R_BACKOFF, AP_R_RETREAT },
		      { (enum ap_run_state)st, AP_R_EXPIRED, AP_R_BACKOFF, AP_R_RETREAT },
		      { (enum ap_run_state)st, AP_R_LOST, AP_R_DOWN, AP_R_FORGET });
	CHECK({ AP_R_BACKOFF, AP_R_TIMER, AP_R_LEASING, AP_R_ACQUIRE }, { AP_R_BACKOFF, AP_R_LOST, AP_R_DOWN, AP_R_FORGET },
	      { AP_R_LEASING, AP_R_REFUSED, AP_R_BACKOFF, AP_R_RETREAT });
}

static void a_full_downstream_pauses_reading_until_there_is_room(void **s)
{
	(void)s;
	CHECK({ AP_R_READING, AP_R_FULL, AP_R_PAUSED, AP_R_WAIT_ROOM }, { AP_R_COMMITTING, AP_R_FULL, AP_R_PAUSED, AP_R_WAIT_ROOM },
	      { AP_R_PAUSED, AP_R_TIMER, AP_R_PAUSED, AP_R_ASK_ROOM }, { AP_R_PAUSED, AP_R_FULL, AP_R_PAUSED, AP_R_WAIT_ROOM },
	      { AP_R_PAUSED, AP_R_ROOM, AP_R_READING, AP_R_READ });
}

static void stop_gives_the_lease_back_where_there_is_one(void **s)
{
	(void)s;
	for (unsigned st = AP_R_LOADING; st <= AP_R_BACKOFF; st++)
		CHECK({ (enum ap_run_state)st, AP_R_STOP, AP_R_RELEASING, AP_R_RELEASE });
	CHECK({ AP_R_DOWN, AP_R_STOP, AP_R_STOPPED, AP_R_FINISH }, { AP_R_IDLE, AP_R_STOP, AP_R_STOPPED, AP_R_FINISH }, { AP_R_STANDBY, AP_R_STOP, AP_R_STOPPED, AP_R_FINISH },
	      { AP_R_RELEASING, AP_R_RELEASED, AP_R_STOPPED, AP_R_FINISH }, { AP_R_RELEASING, AP_R_LOST, AP_R_STOPPED, AP_R_FINISH },
	      { AP_R_RELEASING, AP_R_REFUSED, AP_R_STOPPED, AP_R_FINISH });
}

static void stop_while_the_lease_is_asked_for_waits_for_the_answer(void **s)
{
	(void)s;
	CHECK({ AP_R_LEASING, AP_R_STOP, AP_R_RELEASING, AP_R_NONE }, { AP_R_RELEASING, AP_R_OWNED, AP_R_RELEASING, AP_R_RELEASE },
	      { AP_R_RELEASING, AP_R_HELD, AP_R_STOPPED, AP_R_FINISH });
}

static void a_commit_that_ends_while_releasing_changes_nothing(void **s)
{
	(void)s;
	CHECK({ AP_R_RELEASING, AP_R_COMMITTED, AP_R_RELEASING, AP_R_NONE }, { AP_R_RELEASING, AP_R_BATCH, AP_R_RELEASING, AP_R_NONE },
	      { AP_R_RELEASING, AP_R_STOP, AP_R_RELEASING, AP_R_NONE });
}

static void stopped_is_the_end(void **s)
{
	(void)s;
	for (unsigned e = 0; e < AP_R_EVENT_N; e++)
		CHECK({ AP_R_STOPPED, (enum ap_run_event)e, AP_R_STOPPED, AP_R_NONE });
}

static void down_knows_only_up_and_stop(void **s)
{
	(void)s;
	for (unsigned e = 0; e < AP_R_EVENT_N; e++)
		if (e != AP_R_UP && e != AP_R_STOP)
			CHECK({ AP_R_DOWN, (enum ap_run_event)e, AP_R_DOWN, AP_R_NONE });
}

/* The rest of the table: what is not said above leaves a state as it is. */
static void the_table_says_exactly_what_the_tests_say(void **s)
{
	unsigned said = 0;

	(void)s;
	for (unsigned st = 0; st < AP_R_STATE_N; st++)
		for (unsigned e = 0; e < AP_R_EVENT_N; e++) {
			struct ap_run_row r = ap_run_next((enum ap_run_state)st, (enum ap_run_event)e);
			said += r.next != (enum ap_run_state)st || r.act != AP_R_NONE;
		}
	/* 2 down, 4 idle, 6 leasing, 6 standby, 6 loading, 6 placing, 8 reading, 7 committing, 8 paused, 3 backoff, 4 yielding, 5 releasing */
	assert_int_equal(said, 2 + 4 + 6 + 6 + 6 + 6 + 8 + 7 + 8 + 3 + 4 + 5);
}

static void no_way_leads_to_reading_but_through_a_lease(void **s)
{
	/* Walk back from reading with every event but `owned`: no state without a lease may be met. */
	bool reach[AP_R_STATE_N] = { [AP_R_READING] = true };

	(void)s;
	for (unsigned round = 0; round < AP_R_STATE_N; round++)
		for (unsigned st = 0; st < AP_R_STATE_N; st++)
			for (unsigned e = 0; e < AP_R_EVENT_N; e++)
				if (e != AP_R_OWNED && reach[ap_run_next((enum ap_run_state)st, (enum ap_run_event)e).next])
					reach[st] = true;
	for (unsigned st = 0; st < AP_R_STATE_N; st++)
		assert_int_equal(reach[st], ap_run_owns((enum ap_run_state)st));
}

static void every_state_has_a_word(void **s)
{
	(void)s;
	for (unsigned i = 0; i < AP_R_STATE_N; i++)
		assert_true(strlen(ap_run_state_name((enum ap_run_state)i)) > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way_in_is_lease_load_place_read),
		cmocka_unit_test(a_batch_is_worked_and_its_commit_leads_back_to_reading),
		cmocka_unit_test(a_held_lease_is_asked_for_again),
		cmocka_unit_test(what_is_anothers_share_is_only_looked_after),
		cmocka_unit_test(an_owner_gives_to_whom_it_belongs_and_seeks_again),
		cmocka_unit_test(what_ends_while_yielding_changes_nothing),
		cmocka_unit_test(every_trouble_of_an_owner_takes_the_one_recovery_path),
		cmocka_unit_test(a_full_downstream_pauses_reading_until_there_is_room),
		cmocka_unit_test(stop_gives_the_lease_back_where_there_is_one),
		cmocka_unit_test(stop_while_the_lease_is_asked_for_waits_for_the_answer),
		cmocka_unit_test(a_commit_that_ends_while_releasing_changes_nothing),
		cmocka_unit_test(stopped_is_the_end),
		cmocka_unit_test(down_knows_only_up_and_stop),
		cmocka_unit_test(the_table_says_exactly_what_the_tests_say),
		cmocka_unit_test(no_way_leads_to_reading_but_through_a_lease),
		cmocka_unit_test(every_state_has_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
