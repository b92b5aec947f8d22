/*
 * test_persist_poison.c - what follows from the mark that a dead ap-persist left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/ap-persist/poison.h"

static const ap_id stored[3] = { { 100, 0 }, { 200, 0 }, { 300, 0 } };
static const ap_str nothing = { "", 0 };

static void mark_is(struct poison_mark m, uint32_t from, uint32_t width, uint64_t tries)
{
	assert_int_equal(m.from, from);
	assert_int_equal(m.width, width);
	assert_int_equal(m.tries, tries);
}

static void without_a_suspect_records_are_marked_by_spans(void **state)
{
	const struct poison p = { .n = 0 };

	(void)state;
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 0, 70), 0, 32, 1);
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 64, 70), 64, 6, 1);
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 0, 1), 0, 1, 1);
	assert_false(poison_apart(&p, 1, (ap_id){ 201, 0 }));
}

static void the_entries_of_the_group_it_died_in_come_alone_and_no_others(void **state)
{
	const struct poison_mark left = { 1, { 201, 0 }, { 205, 0 }, 0, POISON_ALL, 1 };
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &left, nothing, stored, 3));
	assert_true(poison_apart(&p, 1, (ap_id){ 201, 0 }));
	assert_true(poison_apart(&p, 1, (ap_id){ 205, 0 }));
	assert_false(poison_apart(&p, 1, (ap_id){ 205, 1 }));
	assert_false(poison_apart(&p, 2, (ap_id){ 203, 0 }));
	mark_is(poison_next(&p, 1, (ap_id){ 203, 0 }, 0, 70), 0, 32, 2);
	mark_is(poison_next(&p, 1, (ap_id){ 203, 0 }, 0, 1), 0, 1, 2);
	mark_is(poison_next(&p, 1, (ap_id){ 206, 0 }, 0, 1), 0, 1, 1);
}

static void the_span_it_died_in_is_marked_record_by_record_and_nothing_else_is(void **state)
{
	const struct poison_mark left = { 1, { 201, 0 }, { 201, 0 }, 32, 32, 2 };
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &left, nothing, stored, 3));
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 0, 70), 0, 32, 1);
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 32, 70), 32, 1, 3);
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 63, 70), 63, 1, 3);
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 64, 70), 64, 6, 1);
	mark_is(poison_next(&p, 1, (ap_id){ 202, 0 }, 32, 70), 32, 32, 1);
	mark_is(poison_next(&p, 2, (ap_id){ 201, 0 }, 32, 70), 32, 32, 1);
}

static void dying_once_on_a_record_does_not_make_it_poison_but_twice_does(void **state)
{
	struct poison_mark left = { 1, { 201, 0 }, { 201, 0 }, 40, 1, 1 };
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &left, nothing, stored, 3));
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 32, 70), 32, 8, 1);
	left = poison_next(&p, 1, (ap_id){ 201, 0 }, 40, 70);
	mark_is(left, 40, 1, 2);
	assert_true(poison_load(&p, &left, nothing, stored, 3));
	assert_true(poison_is(&p, 1, (ap_id){ 201, 0 }, 40));
	assert_true(poison_apart(&p, 1, (ap_id){ 201, 0 }));
	assert_false(poison_is(&p, 1, (ap_id){ 201, 0 }, 41));
	assert_false(poison_is(&p, 2, (ap_id){ 201, 0 }, 40));
	mark_is(poison_next(&p, 1, (ap_id){ 201, 0 }, 32, 70), 32, 32, 1);
}

static void a_group_is_never_poison_however_often_it_was_died_in(void **state)
{
	const struct poison_mark left = { 1, { 201, 0 }, { 205, 0 }, 0, POISON_ALL, 9 };
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &left, nothing, stored, 3));
	assert_int_equal(p.n, 0);
}

static void what_dies_of_being_named_takes_its_entry_with_it(void **state)
{
	const struct poison_mark left = { 1, { 201, 0 }, { 201, 0 }, 40, 1, 2 };
	struct poison p;

	(void)state;
	assert_true(poison_load(&p, &left, ap_str_c("1:201-0:40"), stored, 3));
	assert_true(poison_is(&p, 1, (ap_id){ 201, 0 }, POISON_ALL));
}

static void a_mark_on_what_is_stored_means_nothing(void **state)
{
	const struct poison_mark left = { 2, { 300, 0 }, { 300, 0 }, 0, 1, 5 }, unknown = { 9, { 999, 0 }, { 999, 0 }, 0, 1, 5 };
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &left, nothing, stored, 3));
	assert_int_equal(p.suspect.width, 0);
	assert_false(poison_load(&p, &unknown, nothing, stored, 3));
	assert_int_equal(p.n, 0);
}

static void the_list_comes_back_as_it_was_without_what_is_stored_and_without_nonsense(void **state)
{
	const struct poison_mark none = { 0, { 0, 0 }, { 0, 0 }, 0, 0, 0 };
	char text[POISON_TEXT];
	struct poison p;

	(void)state;
	assert_false(poison_load(&p, &none, ap_str_c("0:101-0:3,1:200-0:1,2:301-64:4294967295,x,7:999-0:1,1:999:2,"), stored, 3));
	poison_text(&p, text);
	assert_string_equal(text, "0:101-0:3,2:301-64:4294967295");
	assert_true(poison_is(&p, 2, (ap_id){ 301, 64 }, POISON_ALL));
}

static void a_full_list_forgets_its_oldest(void **state)
{
	struct poison_mark left = { 0, { 0, 0 }, { 0, 0 }, 0, 1, 2 };
	char text[POISON_TEXT];
	struct poison p;

	(void)state;
	text[0] = '\0';
	for (uint64_t i = 1; i <= POISON_MAX + 1; i++) {
		left.id.ms = UINT64_C(18446744073709551000) + i;
		left.id.seq = UINT64_MAX;
		left.last = left.id;
		assert_true(poison_load(&p, &left, ap_str_c(text), stored, 3));
		poison_text(&p, text);
	}
	assert_int_equal(p.n, POISON_MAX);
	assert_false(poison_is(&p, 0, (ap_id){ UINT64_C(18446744073709551001), UINT64_MAX }, 0));
	assert_true(poison_is(&p, 0, left.id, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_suspect_records_are_marked_by_spans),
		cmocka_unit_test(the_entries_of_the_group_it_died_in_come_alone_and_no_others),
		cmocka_unit_test(a_group_is_never_poison_however_often_it_was_died_in),
		cmocka_unit_test(the_span_it_died_in_is_marked_record_by_record_and_nothing_else_is),
		cmocka_unit_test(dying_once_on_a_record_does_not_make_it_poison_but_twice_does),
		cmocka_unit_test(what_dies_of_being_named_takes_its_entry_with_it),
		cmocka_unit_test(a_mark_on_what_is_stored_means_nothing),
		cmocka_unit_test(the_list_comes_back_as_it_was_without_what_is_stored_and_without_nonsense),
		cmocka_unit_test(a_full_list_forgets_its_oldest),
	};

	return cmocka_run_group_tests_name("persist_poison", tests, NULL, NULL);
}
