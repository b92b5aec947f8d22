/*
 * test_laws_protocol.c - leases, shares, commits and recovery under scheduled faults: many workers leave the bytes of one undisturbed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stages/ap-candle/candle.h"
#include "stages/ap-normalize/normalize.h"
#include "test/lib/mem.h"

static const struct mem_faults none = { .workers = 2, .read_max = 1 };

/* Runs `seeds` schedules; every one must leave what the undisturbed run left. Sums up what they met. */
static struct mem_result hold(const struct ap_stage *stage, struct laws_tape *tape, const struct mem_faults *f, unsigned seeds)
{
	struct ap_conf conf;
	struct mem_result want, got, sum = { .commits = 0 };
	char why[LAWS_WHY];

	ap_conf_init(&conf);
	if (!mem_run(stage, &conf, tape, &none, 1, &want, why))
		fail_msg("undisturbed: %s", why);
	for (unsigned seed = 1; seed <= seeds; seed++) {
		if (!mem_run(stage, &conf, tape, f, seed, &got, why))
			fail_msg("seed %u: %s", seed, why);
		for (unsigned s = 0; s < AP_S_N; s++)
			if (want.stream[s].len != got.stream[s].len
			    || (want.stream[s].len > 0 && memcmp(want.stream[s].p, got.stream[s].p, want.stream[s].len) != 0))
				fail_msg("seed %u: stream %s differs", seed, ap_stream_name((enum ap_stream)s));
		sum.commits += got.commits, sum.fenced += got.fenced, sum.gaps += got.gaps, sum.cursors += got.cursors;
		sum.lost_replies += got.lost_replies, sum.late += got.late, sum.owners += got.owners;
		sum.released += got.released, sum.calms += got.calms;
		mem_result_done(&got);
	}
	mem_result_done(&want);
	ap_conf_done(&conf);
	laws_tape_free(tape);
	return sum;
}

static struct laws_tape *market(unsigned trades, unsigned entry_max)
{
	const struct laws_walk w = { .seed = 7, .sources = 2, .symbols = 2, .trades = trades, .entry_max = entry_max, .step_ms_max = 3000,
				     .beat_ms = 1000, .delay_ms_max = 5000, .delay_pct = 5, .dup_pct = 5, .close = true };

	return laws_walk_ticks(&w);
}

static void cut_connections_change_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 2, .cut = 30 };
	struct mem_result r = hold(&ap_candle_stage, market(150, 4), &f, 60);

	(void)s;
	assert_true(r.lost_replies > 100);      /* commits executed whose replies nobody heard */
	assert_true(r.late > 10);               /* commits executed after their connection was gone */
}

static void killed_workers_change_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 2, .kill = 20, .expire = 50 };
	struct mem_result r = hold(&ap_candle_stage, market(150, 4), &f, 60);

	(void)s;
	assert_true(r.owners > 500);
}

static void leases_that_run_out_under_a_living_owner_change_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 4, .expire = 60, .blind = 800 };
	struct mem_result r = hold(&ap_candle_stage, market(150, 4), &f, 60);

	(void)s;
	assert_true(r.fenced > 100);            /* zombies that tried */
}

static void workers_that_join_and_leave_change_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 6, .leave = 10, .join = 30, .pace = 150 };
	struct mem_result r = hold(&ap_candle_stage, market(300, 3), &f, 60);

	(void)s;
	assert_true(r.released > 100 && r.calms > 20);
	assert_true(r.fenced < 20);             /* a lease is handed over, not taken away */
}

static void paused_and_crashed_workers_change_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 5, .pause = 20, .crash = 5, .join = 30, .blind = 100, .pace = 150 };
	struct mem_result r = hold(&ap_candle_stage, market(300, 3), &f, 60);

	(void)s;
	assert_true(r.fenced > 30 && r.calms > 60 && r.owners > 500);
}

static void everything_at_once_changes_no_byte(void **s)
{
	static const struct mem_faults f = { .workers = 5, .cut = 20, .kill = 10, .expire = 40, .own_expire = 10, .pause = 10, .crash = 5, .leave = 5,
					     .join = 30, .blind = 300, .pace = 100, .read_max = 7 };
	struct mem_result r = hold(&ap_candle_stage, market(300, 3), &f, 100);

	(void)s;
	assert_true(r.fenced > 100 && r.gaps > 10 && r.lost_replies > 100 && r.late > 10);
	printf("# compared: 100 schedules, %llu owners, %llu handed over, %llu commits, %llu fenced, %llu gaps, %llu replies lost, %llu executed late\n",
	       (unsigned long long)r.owners, (unsigned long long)r.released, (unsigned long long)r.commits, (unsigned long long)r.fenced, (unsigned long long)r.gaps,
	       (unsigned long long)r.lost_replies, (unsigned long long)r.late);
}

static void the_first_stage_of_the_line_too(void **s)
{
	static const struct mem_faults f = { .workers = 2, .cut = 20, .kill = 10, .expire = 40, .own_expire = 10, .read_max = 7 };
	const struct laws_walk w = { .seed = 9, .sources = 2, .symbols = 3, .trades = 200, .entry_max = 4, .step_ms_max = 2000, .beat_ms = 1000,
				     .delay_ms_max = 3000, .delay_pct = 5, .dup_pct = 20, .close = true };

	(void)s;
	hold(&ap_normalize_stage, laws_walk_raws(&w), &f, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_connections_change_no_byte),
		cmocka_unit_test(killed_workers_change_no_byte),
		cmocka_unit_test(leases_that_run_out_under_a_living_owner_change_no_byte),
		cmocka_unit_test(workers_that_join_and_leave_change_no_byte),
		cmocka_unit_test(paused_and_crashed_workers_change_no_byte),
		cmocka_unit_test(everything_at_once_changes_no_byte),
		cmocka_unit_test(the_first_stage_of_the_line_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
