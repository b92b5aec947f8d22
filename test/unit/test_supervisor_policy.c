/*
 * test_supervisor_policy.c - what becomes of a supervised process, without processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/plan.h"
#include "supervisor/policy.h"
#include "supervisor/roster.h"

static enum ap_child_state run(enum ap_child_state s, const enum ap_child_event *e, size_t n, enum ap_child_action *last)
{
	for (size_t i = 0; i < n; i++) {
		struct ap_policy_step st = ap_policy(s, e[i]);
		s = st.next;
		*last = st.act;
	}
	return s;
}
#define RUN(s, last, ...) \
	run((s), (const enum ap_child_event[]){ __VA_ARGS__ }, sizeof((const enum ap_child_event[]){ __VA_ARGS__ }) / sizeof(enum ap_child_event), (last))

static void a_stage_that_dies_is_started_again_after_a_pause(void **state)
{
	enum ap_child_action a;
	(void)state;
	assert_int_equal(RUN(AP_C_IDLE, &a, AP_E_GO, AP_E_READY, AP_E_EXIT_FAIL), AP_C_BACKOFF);
	assert_int_equal(a, AP_A_WAIT);
	assert_int_equal(RUN(AP_C_BACKOFF, &a, AP_E_TIMER), AP_C_STARTING);
	assert_int_equal(a, AP_A_SPAWN);
}

static void a_mistake_parks_it_until_the_configuration_changes(void **state)
{
	enum ap_child_action a;
	(void)state;
	assert_int_equal(RUN(AP_C_IDLE, &a, AP_E_GO, AP_E_EXIT_MISTAKE), AP_C_PARKED);
	assert_int_equal(a, AP_A_PARK);
	assert_int_equal(RUN(AP_C_PARKED, &a, AP_E_TIMER), AP_C_PARKED);
	assert_int_equal(a, AP_A_NONE);
	assert_int_equal(RUN(AP_C_PARKED, &a, AP_E_GO), AP_C_STARTING);
}

static void a_silent_stage_is_killed_and_started_again(void **state)
{
	enum ap_child_action a;
	(void)state;
	assert_int_equal(RUN(AP_C_UP, &a, AP_E_SILENT), AP_C_KILLING);
	assert_int_equal(a, AP_A_KILL);
	assert_int_equal(RUN(AP_C_KILLING, &a, AP_E_EXIT_FAIL), AP_C_BACKOFF);
}

static void a_stop_asks_first_and_kills_when_time_is_up(void **state)
{
	enum ap_child_action a;
	(void)state;
	assert_int_equal(RUN(AP_C_UP, &a, AP_E_STOP), AP_C_STOPPING);
	assert_int_equal(a, AP_A_TERM);
	assert_int_equal(RUN(AP_C_STOPPING, &a, AP_E_TIMER), AP_C_STOPPING);
	assert_int_equal(a, AP_A_KILL);
	assert_int_equal(RUN(AP_C_STOPPING, &a, AP_E_EXIT_FAIL), AP_C_DONE);
	assert_int_equal(a, AP_A_END);
}

static void nothing_is_spawned_once_it_was_stopped(void **state)
{
	(void)state;
	for (int s = 0; s < AP_C_STATES; s++) {
		enum ap_child_state after = ap_policy((enum ap_child_state)s, AP_E_STOP).next;
		for (int e = 0; e < AP_E_EVENTS; e++)
			for (int f = 0; f < AP_E_EVENTS; f++) {
				enum ap_child_action a;
				RUN(after, &a, (enum ap_child_event)e, (enum ap_child_event)f);
				assert_int_not_equal(a, AP_A_SPAWN);
			}
	}
}

static void only_a_running_process_is_signalled(void **state)
{
	static const bool runs[AP_C_STATES] = { [AP_C_STARTING] = true, [AP_C_UP] = true, [AP_C_STOPPING] = true,
						[AP_C_KILLING] = true, [AP_C_RENEWING] = true };
	(void)state;
	for (int s = 0; s < AP_C_STATES; s++)
		for (int e = 0; e < AP_E_EVENTS; e++) {
			enum ap_child_action a = ap_policy((enum ap_child_state)s, (enum ap_child_event)e).act;
			if (a == AP_A_TERM || a == AP_A_KILL)
				assert_true(runs[s]);
			if (a == AP_A_SPAWN)
				assert_true(!runs[s] || e == AP_E_EXIT_DONE || e == AP_E_EXIT_FAIL);
		}
}

static void the_pause_doubles_from_the_fourth_try_up_to_its_limit(void **state)
{
	(void)state;
	assert_int_equal(ap_policy_backoff_ms(1, 100, 30000), 100);
	assert_int_equal(ap_policy_backoff_ms(3, 100, 30000), 100);
	assert_int_equal(ap_policy_backoff_ms(4, 100, 30000), 200);
	assert_int_equal(ap_policy_backoff_ms(11, 100, 30000), 25600);
	assert_int_equal(ap_policy_backoff_ms(12, 100, 30000), 30000);
	assert_int_equal(ap_policy_backoff_ms(4000000000u, 100, 30000), 30000);
}

static void five_ends_in_a_minute_are_a_crash_loop_and_four_are_not(void **state)
{
	struct ap_crash_window w = { .n = 0 };
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_false(ap_crash_note(&w, 1000 * i));
	assert_true(ap_crash_note(&w, 5000));
	assert_false(ap_crash_note(&w, 200000));
}

static void the_plan_starts_servers_before_stages_and_ends_them_after(void **state)
{
	struct ap_conf conf;
	struct ap_plan plan;
	char err[200] = "";
	(void)state;
	ap_conf_init(&conf);
	conf.supervisor_embedded = true;
	assert_true(ap_plan_make(&plan, &conf, err, sizeof err));
	assert_int_equal(plan.n, 4 + 7);
	for (size_t i = 0; i < plan.n; i++)
		for (size_t k = 0; k < plan.n; k++)
			if (plan.row[i].kind == AP_K_SERVER && plan.row[k].kind == AP_K_STAGE) {
				assert_true(plan.row[i].start_rank < plan.row[k].start_rank);
				assert_true(plan.row[i].stop_rank > plan.row[k].stop_rank);
			}
	ap_conf_done(&conf);
}

static void instances_are_numbered_and_a_wrong_word_is_named(void **state)
{
	struct ap_conf conf;
	struct ap_plan plan;
	char err[200] = "";
	(void)state;
	ap_conf_init(&conf);
	assert_true(ap_conf_set(&conf, ap_opt_find(ap_str_c("supervisor.programs")), ap_str_c("ap-candle=2"), err, sizeof err));
	assert_true(ap_plan_make(&plan, &conf, err, sizeof err));
	assert_int_equal(plan.n, 3);
	assert_string_equal(plan.row[1].name, "ap-candle.0");
	assert_string_equal(plan.row[2].name, "ap-candle.1");
	assert_true(ap_conf_set(&conf, ap_opt_find(ap_str_c("supervisor.programs")), ap_str_c("ap-kandle=2"), err, sizeof err));
	assert_false(ap_plan_make(&plan, &conf, err, sizeof err));
	assert_non_null(strstr(err, "ap-kandle"));
	ap_conf_done(&conf);
}

static void an_adopted_process_is_watched_and_never_spawned_beside(void **state)
{
	enum ap_child_action a;
	(void)state;
	assert_int_equal(RUN(AP_C_IDLE, &a, AP_E_ADOPT), AP_C_STARTING);
	assert_int_equal(a, AP_A_AWAIT);
	assert_int_equal(RUN(AP_C_IDLE, &a, AP_E_ADOPT, AP_E_READY, AP_E_GO), AP_C_UP);
	assert_int_equal(a, AP_A_NONE);
	assert_int_equal(RUN(AP_C_UP, &a, AP_E_EXIT_FAIL, AP_E_TIMER), AP_C_STARTING);
	assert_int_equal(a, AP_A_SPAWN);
	for (int s = AP_C_STARTING; s < AP_C_STATES; s++)
		assert_int_equal(ap_policy((enum ap_child_state)s, AP_E_ADOPT).next, s);
}

static void a_row_for_one_more_process_is_as_the_plan_would_have_it(void **state)
{
	struct ap_conf conf;
	struct ap_plan plan;
	struct ap_plan_row row;
	char err[200] = "";
	(void)state;
	ap_conf_init(&conf);
	assert_true(ap_conf_set(&conf, ap_opt_find(ap_str_c("supervisor.programs")), ap_str_c("ap-ingest ap-candle=3"), err, sizeof err));
	assert_true(ap_plan_make(&plan, &conf, err, sizeof err));
	assert_true(ap_plan_row(&row, "ap-candle", 2));
	assert_memory_equal(&row, &plan.row[plan.n - 1], sizeof row);
	assert_true(row.overlap);
	assert_true(ap_plan_row(&row, "ap-ingest", 0));
	assert_false(row.overlap);
	assert_false(ap_plan_row(&row, "ap-kandle", 0));
	assert_int_equal(ap_plan_count(&plan, "ap-candle"), 3);
	assert_int_equal(ap_plan_count(&plan, "ap-api"), 0);
	assert_string_equal(ap_plan_program("candle"), "ap-candle");
	assert_string_equal(ap_plan_program("ap-api"), "ap-api");
	assert_null(ap_plan_program("kandle"));
	assert_string_equal(ap_plan_nth(0), "ap-ingest");
	assert_null(ap_plan_nth(7));
	ap_conf_done(&conf);
}

static void a_roster_reads_back_as_it_was_written(void **state)
{
	static struct ap_roster r = { .boot_id = "55f1820b-82d2-4b5b-a9ff-05f9da60284d", .servers = UINT64_MAX, .stopping = true, .n = 2,
		.row = { { .name = "redis", .program = "redis", .what = AP_W_REDIS, .pid = 4242, .start_ticks = 77, .up = true },
			 { .name = "ap-candle.3", .program = "ap-candle", .instance = 3, .what = AP_W_PROGRAM, .pid = 4194304,
			   .start_ticks = UINT64_MAX, .restarts = 9 } } };
	static struct ap_roster back;
	uint8_t text[1024];
	struct ap_buf b;
	(void)state;
	ap_buf_fixed(&b, text, sizeof text);
	ap_roster_write(&b, &r);
	assert_true(ap_roster_read(&back, ap_buf_view(&b)));
	assert_string_equal(back.boot_id, r.boot_id);
	assert_true(back.servers == r.servers && back.stopping);
	assert_int_equal(back.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(back.row[i].name, r.row[i].name);
		assert_string_equal(back.row[i].program, r.row[i].program);
		assert_int_equal(back.row[i].instance, r.row[i].instance);
		assert_int_equal(back.row[i].what, r.row[i].what);
		assert_int_equal(back.row[i].pid, r.row[i].pid);
		assert_true(back.row[i].start_ticks == r.row[i].start_ticks);
		assert_int_equal(back.row[i].up, r.row[i].up);
		assert_int_equal(back.row[i].restarts, r.row[i].restarts);
	}
	/* Cut anywhere it names nobody wrongly: it is refused whole. */
	for (size_t len = 0; len < b.len; len++)
		assert_false(ap_roster_read(&back, ap_str_n((const char *)text, len)));
}

static void a_roster_of_nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "children\n", "ap-roster 2 x 1 running 0\n", "ap-roster 1 x 1 running 81\n",
		"ap-roster 1 x 1 running 1\nredis redis 0 2 1 5 up 0\n", "ap-roster 1 x 1 running 1\nredis redis 0 9 100 5 up 0\n",
		"ap-roster 1 x 1 running 1\nredis redis 0 2 100 0 up 0\n", "ap-roster 1 x 1 running 1\nredis redis 0 2 -100 5 up 0\n",
	};
	static struct ap_roster r;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ap_roster_read(&r, ap_str_c(bad[i])));
	assert_true(ap_roster_read(&r, ap_str_c("ap-roster 1 x 1 running 0\n")));
	assert_false(r.stopping);
}

static void the_start_of_a_process_is_found_behind_any_name(void **state)
{
	static const char plain[] = "4242 (ap-candle) S 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1288943 1000 100";
	static const char odd[] = "4242 (a) S 1 ) x) R 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99 1000 100";
	static const char dead[] = "4242 (ap-candle) Z 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1288943 1000 100";
	(void)state;
	assert_int_equal(ap_roster_start_ticks(ap_str_c(plain)), 1288943);
	assert_int_equal(ap_roster_start_ticks(ap_str_c(odd)), 99);
	assert_int_equal(ap_roster_start_ticks(ap_str_c(dead)), 0);
	assert_int_equal(ap_roster_start_ticks(ap_str_c("4242 (x) S 1 2 3")), 0);
	assert_int_equal(ap_roster_start_ticks(ap_str_c("")), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stage_that_dies_is_started_again_after_a_pause),
		cmocka_unit_test(a_mistake_parks_it_until_the_configuration_changes),
		cmocka_unit_test(a_silent_stage_is_killed_and_started_again),
		cmocka_unit_test(a_stop_asks_first_and_kills_when_time_is_up),
		cmocka_unit_test(nothing_is_spawned_once_it_was_stopped),
		cmocka_unit_test(only_a_running_process_is_signalled),
		cmocka_unit_test(the_pause_doubles_from_the_fourth_try_up_to_its_limit),
		cmocka_unit_test(five_ends_in_a_minute_are_a_crash_loop_and_four_are_not),
		cmocka_unit_test(the_plan_starts_servers_before_stages_and_ends_them_after),
		cmocka_unit_test(instances_are_numbered_and_a_wrong_word_is_named),
		cmocka_unit_test(an_adopted_process_is_watched_and_never_spawned_beside),
		cmocka_unit_test(a_row_for_one_more_process_is_as_the_plan_would_have_it),
		cmocka_unit_test(a_roster_reads_back_as_it_was_written),
		cmocka_unit_test(a_roster_of_nonsense_is_refused),
		cmocka_unit_test(the_start_of_a_process_is_found_behind_any_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
