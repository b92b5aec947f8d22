/*
 * test_sertab.c - the table of what is remembered of each series, and the saved bytes of the two that use it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/core/le.h"
#include "common/core/symbol.h"
#include "stages/ap-normalize/lastq.h"
#include "stages/ap-normalize/screen.h"
#include "stages/ap-normalize/sertab.h"
#include "test/lib/laws.h"

struct note {
	uint32_t n;
};

static void note_pack(const void *item, uint8_t *v)
{
	ap_le_put(v, ((const struct note *)item)->n, 4);
}

/* No note is above a million. */
static bool note_unpack(void *item, const uint8_t *v)
{
	struct note *note = item;

	note->n = (uint32_t)ap_le_get(v, 4);
	return note->n <= 1000000;
}

static const struct sertab_kind notes = { 'n', 1, 1000, sizeof(struct note), 4, note_pack, note_unpack };
static const struct sertab_kind newer_notes = { 'n', 2, 1000, sizeof(struct note), 4, note_pack, note_unpack };
static const struct sertab_kind other_notes = { 'm', 1, 1000, sizeof(struct note), 4, note_pack, note_unpack };

static struct note *note_of(struct sertab *t, const char *source, const char *symbol)
{
	return sertab_item(t, ap_str_c(source), ap_str_c(symbol));
}

static void note_set(struct sertab *t, const char *source, const char *symbol, uint32_t n)
{
	struct note *note = note_of(t, source, symbol);

	note->n = n;
	sertab_touch(t, note);
}

static void a_new_series_has_an_item_of_zeros(void **s)
{
	struct sertab *t = sertab_new(&notes);

	(void)s;
	assert_int_equal(note_of(t, "okx", "BTC-USDT")->n, 0);
	sertab_free(t);
}

static void items_of_a_thousand_series_stay_apart_while_the_table_grows(void **s)
{
	struct sertab *t = sertab_new(&notes);
	char name[16];

	(void)s;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "S%u", i);
		note_set(t, "okx", name, i + 1);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "S%u", i);
		assert_int_equal(note_of(t, "okx", name)->n, i + 1);
	}
	sertab_free(t);
}

static void the_same_symbol_at_two_sources_is_two_series(void **s)
{
	struct sertab *t = sertab_new(&notes);

	(void)s;
	note_set(t, "okx", "X", 1);
	note_set(t, "kraken", "X", 2);
	assert_int_equal(note_of(t, "okx", "X")->n, 1);
	assert_int_equal(note_of(t, "kraken", "X")->n, 2);
	sertab_free(t);
}

static void names_as_long_as_may_be_fit(void **s)
{
	static const char source[] = "abcdefghijklmnopqrstuvwxyz012345", symbol[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-ABCDEFGHIJKLMNOPQRSTU";
	struct sertab *t = sertab_new(&notes), *back = sertab_new(&notes);
	ap_str field = ap_str_c("n/abcdefghijklmnopqrstuvwxyz012345/ABCDEFGHIJKLMNOPQRSTUVWXYZ-ABCDEFGHIJKLMNOPQRSTU");
	struct laws_keep m = laws_keep_new();

	(void)s;
	assert_int_equal(strlen(source), AP_SOURCE_MAX);
	assert_int_equal(strlen(symbol), AP_SYMBOL_MAX);
	note_set(t, source, symbol, 7);
	sertab_save(t, &m.saver, false);
	assert_true(sertab_load(back, field, laws_map_get(m.map, field)));
	assert_int_equal(note_of(back, source, symbol)->n, 7);
	sertab_free(t);
	sertab_free(back);
	laws_map_free(m.map);
}

static void one_series_more_than_are_remembered_has_no_item(void **s)
{
	struct sertab *t = sertab_new(&notes);
	char name[16];

	(void)s;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "S%u", i);
		assert_non_null(note_of(t, "okx", name));
	}
	assert_null(note_of(t, "okx", "MORE"));
	assert_non_null(note_of(t, "okx", "S0"));
	sertab_free(t);
}

static void only_what_was_touched_is_saved_and_once(void **s)
{
	struct sertab *t = sertab_new(&notes);
	struct laws_keep m = laws_keep_new();

	(void)s;
	note_set(t, "okx", "A", 1);
	note_set(t, "okx", "B", 2);
	note_set(t, "okx", "A", 3);
	(void)note_of(t, "okx", "C");
	sertab_save(t, &m.saver, false);
	assert_int_equal(m.puts, 2);
	sertab_save(t, &m.saver, false);
	assert_int_equal(m.puts, 2);
	note_set(t, "okx", "B", 4);
	sertab_save(t, &m.saver, false);
	assert_int_equal(m.puts, 3);
	sertab_save(t, &m.saver, true);
	assert_int_equal(m.puts, 6);
	assert_int_equal(laws_map_n(m.map), 3);
	sertab_free(t);
	laws_map_free(m.map);
}

static void a_full_save_leaves_what_is_still_to_be_saved(void **s)
{
	struct sertab *t = sertab_new(&notes);
	struct laws_keep m = laws_keep_new();

	(void)s;
	note_set(t, "okx", "A", 1);
	sertab_save(t, &m.saver, true);
	sertab_save(t, &m.saver, false);
	assert_int_equal(m.puts, 2);
	sertab_free(t);
	laws_map_free(m.map);
}

static void a_field_that_is_damaged_or_anothers_is_refused(void **s)
{
	struct sertab *t = sertab_new(&notes), *back = sertab_new(&notes), *newer = sertab_new(&newer_notes), *other = sertab_new(&other_notes);
	struct laws_keep m = laws_keep_new();
	ap_str field = ap_str_c("n/okx/A"), value;
	char copy[13];

	(void)s;
	note_set(t, "okx", "A", 1);
	note_set(t, "okx", "B", 1000001);
	sertab_save(t, &m.saver, false);
	value = laws_map_get(m.map, field);
	assert_int_equal(value.len, sizeof copy);
	memcpy(copy, value.p, sizeof copy);
	for (size_t i = 0; i < sizeof copy; i++) {
		copy[i] ^= 16;
		assert_false(sertab_load(back, field, ap_str_n(copy, sizeof copy)));
		copy[i] ^= 16;
		assert_false(sertab_load(back, field, ap_str_n(copy, i)));
	}
	assert_false(sertab_load(back, ap_str_c("n/okx/B"), value));    /* another's value */
	assert_false(sertab_load(back, ap_str_c("n/a"), value));
	assert_false(sertab_load(back, ap_str_c(""), value));
	assert_false(sertab_load(newer, field, value));
	assert_false(sertab_load(other, field, value));
	assert_false(sertab_load(back, ap_str_c("n/okx/B"), laws_map_get(m.map, ap_str_c("n/okx/B"))));         /* no such note */
	assert_true(sertab_load(back, field, value));
	assert_int_equal(note_of(back, "okx", "A")->n, 1);
	sertab_free(t);
	sertab_free(back);
	sertab_free(newer);
	sertab_free(other);
	laws_map_free(m.map);
}

static void what_was_loaded_is_not_saved_again_until_touched(void **s)
{
	struct sertab *t = sertab_new(&notes), *back = sertab_new(&notes);
	struct laws_keep m = laws_keep_new();

	(void)s;
	note_set(t, "okx", "A", 1);
	sertab_save(t, &m.saver, false);
	assert_true(sertab_load(back, ap_str_c("n/okx/A"), laws_map_get(m.map, ap_str_c("n/okx/A"))));
	m.puts = 0;
	sertab_save(back, &m.saver, false);
	assert_int_equal(m.puts, 0);
	sertab_free(t);
	sertab_free(back);
	laws_map_free(m.map);
}

/* --- bytes that stand in Redis ------------------------------------------------------ */

/* Saved by version 0.1.0 before the two tables became one: what is stored today must still be read, and written the same. */
static const char levels[2][2][120] = {
	{ "o/okx/BTC-USDT",
	  "0102000000020000000000b27bd1cc5b798d0d00000000000000003d311e3751c3404b0500000000005d5b52ab88845302" },
	{ "o/a.b_c-d/X",
	  "010100000000000000010000000000000000000000000000000000000000000000000000000000000070da0733690f5338" },
};
static const char last_quote[2][60] = { "q/okx/BTC-USDT", "010fd69870a5384d81d8b024f1312ed90becbd5f7432791540" };

static ap_dec dec(const char *text)
{
	ap_dec d;

	assert_int_equal(ap_dec_parse(text, strlen(text), &d), AP_DEC_OK);
	return d;
}

static ap_str unhex(const char *hex, char *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out[i] = (char)strtoul(two, NULL, 16);
	}
	return ap_str_n(out, n);
}

static void assert_field(const struct laws_map *m, const char *field, const char *hex)
{
	char bytes[64];
	ap_str want = unhex(hex, bytes), got = laws_map_get(m, ap_str_c(field));

	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.p, want.p, want.len);
}

static bool takes(struct screen *s, const char *source, const char *symbol, const char *price)
{
	ap_dec level;

	return screen_take(s, ap_str_c(source), ap_str_c(symbol), dec(price), &level);
}

static void price_levels_are_saved_in_the_bytes_they_always_were(void **s)
{
	struct screen *sc = screen_new(1000, 2, 3);
	struct laws_keep m = laws_keep_new();

	(void)s;
	assert_true(takes(sc, "okx", "BTC-USDT", "64000.5"));
	assert_true(takes(sc, "okx", "BTC-USDT", "64001"));
	assert_false(takes(sc, "okx", "BTC-USDT", "6400001.25"));
	assert_false(takes(sc, "okx", "BTC-USDT", "6400002"));
	assert_true(takes(sc, "a.b_c-d", "X", "0.000000000000000001"));
	screen_save(sc, &m.saver, false);
	assert_int_equal(laws_map_n(m.map), 2);
	assert_field(m.map, levels[0][0], levels[0][1]);
	assert_field(m.map, levels[1][0], levels[1][1]);
	screen_free(sc);
	laws_map_free(m.map);
}

static void price_levels_saved_before_go_on_where_they_were(void **s)
{
	struct screen *sc = screen_new(1000, 2, 3);
	char bytes[64];

	(void)s;
	for (size_t i = 0; i < 2; i++)
		assert_true(screen_load(sc, ap_str_c(levels[i][0]), unhex(levels[i][1], bytes)));
	assert_true(takes(sc, "okx", "BTC-USDT", "64002"));             /* within the band: the run of two ends */
	assert_false(takes(sc, "okx", "BTC-USDT", "6400002"));
	screen_free(sc);
	sc = screen_new(1000, 2, 3);
	assert_true(screen_load(sc, ap_str_c(levels[0][0]), unhex(levels[0][1], bytes)));
	assert_true(takes(sc, "okx", "BTC-USDT", "6400003"));           /* the third in a row: the market has moved */
	screen_free(sc);
}

static void a_last_quote_is_saved_in_the_bytes_it_always_was_and_told_again(void **s)
{
	struct ap_quote q = {
		.source = ap_str_c("okx"), .symbol = ap_str_c("BTC-USDT"), .bid = dec("64000.5"), .bid_qty = dec("1.25"), .ask = dec("64000.6"),
		.ask_qty = dec("0.5"), .ts = { 1767323045678000000 }, .seq = 7,
	};
	struct sertab *t = lastq_new(), *back = lastq_new();
	struct laws_keep m = laws_keep_new();
	char bytes[64];

	(void)s;
	assert_false(lastq_again(t, &q));
	assert_true(lastq_again(t, &q));
	sertab_save(t, &m.saver, false);
	assert_int_equal(laws_map_n(m.map), 1);
	assert_field(m.map, last_quote[0], last_quote[1]);
	assert_true(sertab_load(back, ap_str_c(last_quote[0]), unhex(last_quote[1], bytes)));
	assert_true(lastq_again(back, &q));
	q.seq++;
	assert_false(lastq_again(back, &q));
	sertab_free(t);
	sertab_free(back);
	laws_map_free(m.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_series_has_an_item_of_zeros),
		cmocka_unit_test(items_of_a_thousand_series_stay_apart_while_the_table_grows),
		cmocka_unit_test(the_same_symbol_at_two_sources_is_two_series),
		cmocka_unit_test(names_as_long_as_may_be_fit),
		cmocka_unit_test(one_series_more_than_are_remembered_has_no_item),
		cmocka_unit_test(only_what_was_touched_is_saved_and_once),
		cmocka_unit_test(a_full_save_leaves_what_is_still_to_be_saved),
		cmocka_unit_test(a_field_that_is_damaged_or_anothers_is_refused),
		cmocka_unit_test(what_was_loaded_is_not_saved_again_until_touched),
		cmocka_unit_test(price_levels_are_saved_in_the_bytes_they_always_were),
		cmocka_unit_test(price_levels_saved_before_go_on_where_they_were),
		cmocka_unit_test(a_last_quote_is_saved_in_the_bytes_it_always_was_and_told_again),
	};
	return cmocka_run_group_tests_name("sertab", tests, NULL, NULL);
}
