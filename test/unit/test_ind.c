/*
 * test_ind.c - the laws of the indicator engine, whatever the indicator: no NaN, no memory of the way it was run, images
 * that come back or are refused, mistakes told with what is allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "stages/ap-indicators/series.h"
#include "test/unit/ind_data.h"

enum { N = 1500 };

static void rig_open(struct rig *r, const char *specs)
{
	if (!rig_init(r, specs))
		fail_msg("%s", r->err);
}

static void rig_open_all(struct rig *r)
{
	char *all = specs_all();

	rig_open(r, all);
	free(all);
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void assert_same(const struct rig *a, const struct rig *b, size_t i, const char *why)
{
	for (size_t s = 0; s < ind_set_slots(a->set); s++)
		if (!same(rig_value(a, s), rig_value(b, s)))
			fail_msg("%s: %s at candle %zu: %.17g, %.17g", why, ind_set_slot(a->set, s)->name, i,
				 rig_value(a, s), rig_value(b, s));
}

/* --- outputs ----------------------------------------------------------------------------------- */

static void an_output_is_a_finite_number_or_absent(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct ind_bar *b = bars_make(N, seed, true);
		struct rig r;

		rig_open_all(&r);
		for (size_t i = 0; i < N; i++) {
			rig_take(&r, &b[i]);
			for (size_t s = 0; s < ind_set_slots(r.set); s++)
				if (ind_valid(r.valid, s) && !isfinite(rig_value(&r, s)))
					fail_msg("%s is %g at candle %zu of seed %d", ind_set_slot(r.set, s)->name,
						 rig_value(&r, s), i, (int)seed);
		}
		rig_done(&r);
		free(b);
	}
}

static void there_is_no_output_before_the_warm_up_and_always_one_after_it(void **state)
{
	struct ind_bar *b = bars_make(400, 5, false);
	struct rig r;

	(void)state;
	rig_open_all(&r);
	for (size_t i = 0; i < 400; i++) {
		rig_take(&r, &b[i]);
		for (size_t s = 0; s < ind_set_slots(r.set); s++)
			if (ind_valid(r.valid, s) != (i >= ind_set_slot(r.set, s)->first))
				fail_msg("%s at candle %zu", ind_set_slot(r.set, s)->name, i);
	}
	rig_done(&r);
	free(b);
}

/* What comes out of 300 equal candles with volume, after the warm-up. */
static void a_flat_market_gives_the_documented_answers(void **state)
{
	static const struct { const char *spec; double want; } rows[] = {
		{ "SMA", 0.1 }, { "EMA", 0.1 }, { "WMA", 0.1 }, { "KAMA", 0.1 }, { "HMA", 0.1 }, { "VWMA", 0.1 },
		{ "T3", 0.1 }, { "SAR", 0.1 }, { "VWAP", 0.1 }, { "RSI", 0 }, { "CMO", 0 }, { "STOCH", 0 }, { "STOCHRSI", 0 },
		{ "MACD", 0 }, { "PPO", 0 }, { "ROC", 0 }, { "ROCR100", 100 }, { "TRIX", 0 }, { "CCI", 0 }, { "WILLR", 0 },
		{ "ULTOSC", 0 }, { "BOP", 0 }, { "IMI", 0 }, { "ADX", 0 }, { "DX", 0 }, { "PLUS_DI", 0 }, { "AROONOSC", 0 },
		{ "VORTEX", 0 }, { "ATR", 0 }, { "NATR", 0 }, { "BBANDS", 0.1 }, { "BBWIDTH", 0 }, { "KELTNER", 0.1 },
		{ "SUPERTREND", 0.1 }, { "OBV", 12 }, { "AD", 0 }, { "MFI", 0 }, { "CMF", 0 }, { "PVT", 0 }, { "FORCE", 0 },
		{ "LINEARREG", 0.1 }, { "LINEARREG_SLOPE", 0 }, { "STDDEV", 0 }, { "VAR", 0 }, { "BETA", 0 }, { "CORREL", 0 },
		{ "ZSCORE", 0 }, { "PERCENT_RANK", 100 }, { "VOL_CLOSE", 0 }, { "VOL_YANG_ZHANG", 0 }, { "CHAIKIN_VOL", 0 },
		{ "HT_TRENDLINE", 0.1 }, { "MAMA", 0.1 }, { "TSI", 0 }, { "AO", 0 }, { "FISHER", 0 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		struct rig r;

		rig_open(&r, rows[k].spec);
		for (int i = 0; i < 300; i++) {
			struct ind_bar b = bar_flat(0.1, 60000 * i, 12);

			rig_take(&r, &b);
		}
		if (!(fabs(rig_value(&r, 0) - rows[k].want) <= 1e-12))
			fail_msg("%s: %.17g instead of %g", rows[k].spec, rig_value(&r, 0), rows[k].want);
		rig_done(&r);
	}
}

static void without_volume_weighted_means_are_absent_and_nothing_else_is(void **state)
{
	static const char *const absent[] = { "VWMA_", "VWAP_", "CMF_", "IMBALANCE_", "VPIN_", "TRADE_SIZE_" };
	struct rig r;

	(void)state;
	rig_open_all(&r);
	for (int i = 0; i < 300; i++) {
		struct ind_bar b = bar_flat(100, 60000 * i, 0);

		rig_take(&r, &b);
	}
	for (size_t s = 0; s < ind_set_slots(r.set); s++) {
		bool expected = false;

		for (size_t k = 0; k < sizeof absent / sizeof absent[0]; k++)
			expected = expected || strncmp(ind_set_slot(r.set, s)->name, absent[k], strlen(absent[k])) == 0;
		if (ind_valid(r.valid, s) == expected)
			fail_msg("%s", ind_set_slot(r.set, s)->name);
	}
	rig_done(&r);
}

/* --- no memory of the way ---------------------------------------------------------------------- */

static void a_value_does_not_depend_on_what_else_is_in_the_set(void **state)
{
	struct ind_bar *b = bars_make(N, 6, true);
	struct rig all, one;

	(void)state;
	rig_open_all(&all);
	for (size_t s = 0; s < ind_set_slots(all.set); s++) {
		const struct ind_slot *slot = ind_set_slot(all.set, s);
		char spec[400], *p;

		if (slot->output != 0)
			continue;
		(void)snprintf(spec, sizeof spec, "%s,%s", slot->def->name, slot->args);
		for (p = spec; *p != '\0'; p++)
			*p = *p == ',' ? ' ' : *p;
		rig_open(&one, spec);
		ind_init(all.set, all.state);
		for (size_t i = 0; i < 400; i++) {
			rig_take(&all, &b[i]);
			rig_take(&one, &b[i]);
			for (size_t k = 0; k < ind_set_slots(one.set); k++)
				if (!same(rig_value(&one, k), rig_value(&all, s + k)))
					fail_msg("%s at candle %zu", ind_set_slot(one.set, k)->name, i);
		}
		rig_done(&one);
	}
	rig_done(&all);
	free(b);
}

static void a_copied_state_goes_on_like_its_original(void **state)
{
	struct ind_bar *b = bars_make(N, 7, true);
	struct rig r, copy;

	(void)state;
	rig_open_all(&r);
	rig_open_all(&copy);
	for (size_t i = 0; i < N; i++) {
		if (i % 97 == 0)
			memcpy(copy.state, r.state, ind_set_size(r.set));
		rig_take(&r, &b[i]);
		rig_take(&copy, &b[i]);
		assert_same(&r, &copy, i, "copy");
	}
	rig_done(&r);
	rig_done(&copy);
	free(b);
}

static void what_only_some_processors_have_changes_no_value(void **state)
{
	struct ind_bar *b = bars_make(N, 12, true);
	struct rig some, any;

	(void)state;
	rig_open_all(&some);
	rig_open_all(&any);
	ind_set_for_any(any.set);
	for (size_t i = 0; i < N; i++) {
		rig_take(&some, &b[i]);
		rig_take(&any, &b[i]);
		assert_same(&some, &any, i, "for any processor");
	}
	assert_memory_equal(some.state, any.state, ind_set_size(any.set));
	rig_done(&some);
	rig_done(&any);
	free(b);
}

static void a_saved_state_comes_back_and_goes_on_like_its_original(void **state)
{
	struct ind_bar *b = bars_make(N, 8, true);
	struct rig r, back;
	uint8_t *image;
	size_t size, len;

	(void)state;
	rig_open_all(&r);
	rig_open_all(&back);
	size = ind_save_size(r.set);
	image = malloc(size);
	for (size_t i = 0; i < N; i++) {
		if (i % 61 == 0 || i < 40) {
			memset(back.state, 0xa5, ind_set_size(r.set));
			len = ind_save(r.set, r.state, rig_core(&r), image, size);
			assert_true(len > 0 && len <= size);
			assert_null(ind_load(back.set, back.state, rig_core(&back), image, len));
		}
		rig_take(&r, &b[i]);
		rig_take(&back, &b[i]);
		assert_same(&r, &back, i, "loaded");
	}
	free(image);
	rig_done(&r);
	rig_done(&back);
	free(b);
}

/* A leap now and then, a price that stands still, one that goes to and fro so far that the lower band is at zero. */
static double five_close(const struct ind_bar *b, size_t i)
{
	const size_t at = i % 900;
	const double c = at > 600 ? b[600].c : at > 500 ? (i % 2 ? 50 : 150) : b[i].c;

	return i % 1000 == 999 ? c * 1e6 : c;
}

/* order: which of the specs, in which order. */
static void five_compare(const char *const *specs, const char *order, uint64_t seed)
{
	const size_t n = strlen(order);
	struct ind_bar *b = bars_make(N, seed, seed % 2 == 0);
	struct rig all, any, one[5];
	char text[200] = "";

	for (size_t k = 0; k < n; k++) {
		strcat(strcat(text, specs[order[k] - '0']), ";");
		rig_open(&one[k], specs[order[k] - '0']);
	}
	rig_open(&all, text);
	rig_open(&any, text);
	ind_set_for_any(any.set);
	for (size_t i = 0; i < N; i++) {
		size_t slot = 0;

		b[i].c = five_close(b, i);
		rig_take(&all, &b[i]);
		rig_take(&any, &b[i]);
		assert_same(&all, &any, i, "for any processor");
		for (size_t k = 0; k < n; k++) {
			rig_take(&one[k], &b[i]);
			for (size_t s = 0; s < ind_set_slots(one[k].set); s++, slot++)
				if (!same(rig_value(&all, slot), rig_value(&one[k], s)))
					fail_msg("%s: %s at candle %zu: %.17g, alone %.17g", text, ind_set_slot(all.set, slot)->name, i,
						 rig_value(&all, slot), rig_value(&one[k], s));
		}
		assert_int_equal(slot, ind_set_slots(all.set));
	}
	rig_done(&all);
	rig_done(&any);
	for (size_t k = 0; k < n; k++)
		rig_done(&one[k]);
	free(b);
}

static void the_everyday_five_together_give_what_each_gives_alone(void **state)
{
	static const char *const specs[] = { "SMA period=20", "EMA period=12", "RSI", "MACD", "BBANDS" };
	static const char *const uneven[] = { "SMA period=20", "EMA period=12", "RSI", "MACD", "BBANDS k=2 k_down=3" };
	static const char *const high[] = { "SMA period=20 source=high", "EMA period=12 source=high", "RSI source=high", "MACD source=high",
					    "BBANDS source=high" };

	(void)state;
	for (uint64_t seed = 21; seed < 24; seed++) {
		five_compare(specs, "01234", seed);
		five_compare(specs, "43210", seed);
		five_compare(specs, "4231", seed);
		five_compare(uneven, "20413", seed);
		five_compare(high, "01234", seed);
	}
}

static void an_image_that_is_damaged_or_of_another_set_is_refused(void **state)
{
	struct ind_bar *b = bars_make(100, 9, false);
	struct rig r, other;
	uint8_t *image;
	size_t size;

	(void)state;
	rig_open(&r, "SMA period=5; RSI");
	rig_open(&other, "SMA period=6; RSI");
	for (size_t i = 0; i < 100; i++)
		rig_take(&r, &b[i]);
	size = ind_save_size(r.set);
	image = malloc(size);
	assert_int_equal(ind_save(r.set, r.state, rig_core(&r), image, size - 1), 0);
	size = ind_save(r.set, r.state, rig_core(&r), image, size);
	assert_true(size > 0);
	assert_non_null(ind_load(other.set, other.state, rig_core(&other), image, size));
	for (size_t i = 0; i < size; i++) {
		image[i] ^= 0x10;
		assert_non_null(ind_load(r.set, r.state, rig_core(&r), image, size));
		image[i] ^= 0x10;
		assert_non_null(ind_load(r.set, r.state, rig_core(&r), image, i));
	}
	assert_null(ind_load(r.set, r.state, rig_core(&r), image, size));
	free(image);
	rig_done(&r);
	rig_done(&other);
	free(b);
}

/* --- series: revisions ------------------------------------------------------------------------- */

enum { SLOTS_MAX = 400 };
struct told { struct ind_tell tell; size_t n; int64_t open_ms[IND_REWIND]; uint32_t revision[IND_REWIND]; double val[IND_REWIND][SLOTS_MAX];
	      size_t slots; const uint16_t *places; };

static void tell(struct ind_tell *tt, const struct ind_candle *c, const struct engine_now *now, const struct ind_was *was)
{
	struct told *t = (struct told *)(void *)tt;

	(void)was;
	assert_true(t->n < IND_REWIND);
	t->open_ms[t->n] = c->bar.open_ms;
	t->revision[t->n] = c->revision;
	for (size_t s = 0; s < t->slots; s++)
		t->val[t->n][s] = ind_valid(now->valid, s) ? now->val[t->places[s]] : (double)NAN;
	t->n++;
}

/* For the first n slots of a set. */
#define TOLD(set, n) (struct told){ .tell = { .candle = tell }, .slots = (n), .places = ind_set_places(set) }

/* An engine of the rig's indicators alone, with scratch memory that is the rig's. */
struct alone { struct engine e; struct ind_work w; };

static struct alone *alone_new(const struct rig *r)
{
	struct alone *a = calloc(1, sizeof *a);

	assert_non_null(a);
	a->e.set = r->set;
	engine_lay(&a->e);
	a->w.now.val = r->val;
	a->w.now.valid = r->valid;
	a->w.core = malloc(a->e.core_size);
	return a;
}

static void alone_free(struct alone *a)
{
	free(a->w.core);
	free(a);
}

/* The last value of every candle and slot after the candles came in the order of `turn`. */
static double *run_in_order(const struct rig *r, const struct ind_bar *b, const size_t *turn, size_t n)
{
	size_t slots = ind_set_slots(r->set);
	double *last = malloc(n * slots * sizeof *last);
	struct told *t = malloc(sizeof *t);
	struct ind_series s;
	struct alone *a;

	assert_true(slots <= SLOTS_MAX);
	a = alone_new(r);
	assert_true(ind_series_init(&s, &a->e));
	for (size_t i = 0; i < n; i++) {
		struct ind_candle c = { .bar = b[turn[i]] };

		*t = TOLD(r->set, slots);
		assert_true(ind_series_put(&s, &c, &a->w, &t->tell));
		for (size_t k = 0; k < t->n; k++)
			memcpy(last + (size_t)((t->open_ms[k] - b[0].open_ms) / 60000) * slots, t->val[k], slots * sizeof *last);
	}
	ind_series_done(&s);
	alone_free(a);
	free(t);
	return last;
}

static void candles_out_of_order_within_the_window_give_the_same_values(void **state)
{
	enum { M = 400 };
	struct ind_bar *b = bars_make(M, 10, true);
	double *straight, *mixed;
	size_t turn[M], slots;
	struct rng rng = { 11 };
	struct rig r;

	(void)state;
	rig_open_all(&r);
	slots = ind_set_slots(r.set);
	for (size_t i = 0; i < M; i++)
		turn[i] = i;
	straight = run_in_order(&r, b, turn, M);
	/* Blocks of 12 are shuffled, the first candle stays first. */
	for (size_t i = 1; i + 12 < M; i += 12)
		for (size_t k = 11; k > 0; k--) {
			size_t j = (size_t)((double)(k + 1) * rng_unit(&rng)), keep = turn[i + k];

			turn[i + k] = turn[i + j];
			turn[i + j] = keep;
		}
	mixed = run_in_order(&r, b, turn, M);
	for (size_t i = 0; i < M * slots; i++)
		if (!same(straight[i], mixed[i]))
			fail_msg("%s at candle %zu: %.17g, %.17g", ind_set_slot(r.set, i % slots)->name, i / slots, straight[i],
				 mixed[i]);
	free(straight);
	free(mixed);
	rig_done(&r);
	free(b);
}

static void a_revised_candle_tells_itself_and_all_behind_it_again(void **state)
{
	struct ind_bar *b = bars_make(40, 12, false), wrong;
	struct told t = { .slots = 1 };
	struct ind_series s;
	struct ind_candle c;
	struct alone *a;
	struct rig r;

	(void)state;
	rig_open(&r, "SMA period=3");
	a = alone_new(&r);
	assert_true(ind_series_init(&s, &a->e));
	for (size_t i = 0; i < 40; i++) {
		c = (struct ind_candle){ .bar = b[i] };

		wrong = b[i];
		if (i == 30)
			c.bar.c *= 2;
		t = TOLD(r.set, 1);
		assert_true(ind_series_put(&s, &c, &a->w, &t.tell));
		assert_int_equal(t.n, 1);
	}
	wrong = b[30];
	t = TOLD(r.set, 1);
	assert_true(ind_series_put(&s, &(struct ind_candle){ wrong, 1 }, &a->w, &t.tell));
	assert_int_equal(t.n, 10);
	assert_int_equal(t.open_ms[0], b[30].open_ms);
	assert_int_equal(t.revision[0], 1);
	assert_int_equal(t.revision[1], 0);
	for (size_t k = 0; k < 10; k++) {
		double mean = (b[30 + k].c + b[29 + k].c + b[28 + k].c) / 3;

		assert_true(fabs(t.val[k][0] - mean) < 1e-12 * mean);
	}
	/* Sixteen candles back is the limit. */
	t = TOLD(r.set, 1);
	c = (struct ind_candle){ b[24], 1 };
	assert_true(ind_series_put(&s, &c, &a->w, &t.tell));
	c = (struct ind_candle){ b[23], 1 };
	assert_false(ind_series_put(&s, &c, &a->w, &t.tell));
	ind_series_done(&s);
	alone_free(a);
	rig_done(&r);
	free(b);
}

static void a_look_ahead_gives_what_the_update_gives_and_leaves_no_trace(void **state)
{
	struct ind_bar *b = bars_make(N, 13, true);
	struct rig plain, looked;
	struct told *t = malloc(sizeof *t);
	struct ind_series s;
	struct alone *a;

	(void)state;
	rig_open_all(&plain);
	rig_open_all(&looked);
	a = alone_new(&looked);
	assert_true(ind_series_init(&s, &a->e));
	for (size_t i = 0; i < N; i++) {
		struct ind_bar other = b[(i * 7) % N];

		rig_take(&plain, &b[i]);
		ind_series_peek(&s, &(struct ind_candle){ .bar = other }, &a->w);
		ind_series_peek(&s, &(struct ind_candle){ .bar = b[i] }, &a->w);
		assert_same(&plain, &looked, i, "look ahead");
		*t = TOLD(looked.set, ind_set_slots(looked.set));
		assert_true(ind_series_put(&s, &(struct ind_candle){ .bar = b[i] }, &a->w, &t->tell));
		assert_same(&plain, &looked, i, "after looking ahead");
	}
	free(t);
	ind_series_done(&s);
	alone_free(a);
	rig_done(&plain);
	rig_done(&looked);
	free(b);
}

static void a_series_of_the_default_set_takes_less_than_four_kilobytes(void **state)
{
	struct ind_bar *b = bars_make(500, 14, false);
	struct told t;
	struct ind_series s, back;
	struct alone *a;
	bool restarted;
	uint8_t image[8192];
	struct rig r;
	size_t n;

	(void)state;
	rig_open(&r, "SMA period=20; SMA period=50; SMA period=200; EMA period=12; EMA period=26; RSI; MACD; BBANDS");
	a = alone_new(&r);
	assert_true(ind_series_init(&s, &a->e));
	assert_true(ind_series_init(&back, &a->e));
	for (size_t i = 0; i < 500; i++) {
		t = TOLD(r.set, ind_set_slots(r.set));
		assert_true(ind_series_put(&s, &(struct ind_candle){ .bar = b[i] }, &a->w, &t.tell));
	}
	n = ind_series_save(&s, image, sizeof image);
	print_message("# default set: %zu bytes saved, %zu in memory\n", n,
		      ind_set_ring_size(r.set) + 2 * ind_set_core_size(r.set) + sizeof s);
	assert_true(n > 0 && n <= 4096);
	assert_true(ind_series_load(&back, image, n, &a->w, &restarted));
	assert_false(restarted);
	assert_memory_equal(back.tip, s.tip, ind_set_core_size(r.set));
	for (size_t i = 0; i < n; i++) {
		image[i] ^= 4;
		ind_series_done(&back);
		assert_true(ind_series_init(&back, &a->e));
		assert_false(ind_series_load(&back, image, n, &a->w, &restarted));
		image[i] ^= 4;
	}
	ind_series_done(&s);
	alone_free(a);
	ind_series_done(&back);
	rig_done(&r);
	free(b);
}

static void a_series_saved_with_another_set_starts_anew_from_its_candles(void **state)
{
	struct ind_bar *b = bars_make(60, 15, false);
	struct told t;
	struct ind_series s, back;
	struct alone *a, *changed;
	bool restarted = false;
	uint8_t image[8192];
	struct rig r, other;
	size_t n;

	(void)state;
	rig_open(&r, "RSI");
	rig_open(&other, "SMA period=10");
	a = alone_new(&r);
	changed = alone_new(&other);
	assert_true(ind_series_init(&s, &a->e));
	assert_true(ind_series_init(&back, &changed->e));
	for (size_t i = 0; i < 60; i++) {
		t = TOLD(r.set, 1);
		assert_true(ind_series_put(&s, &(struct ind_candle){ .bar = b[i] }, &a->w, &t.tell));
	}
	n = ind_series_save(&s, image, sizeof image);
	assert_true(ind_series_load(&back, image, n, &changed->w, &restarted));
	assert_true(restarted);
	assert_int_equal(ind_count(other.set, back.tip), IND_REWIND);
	ind_series_done(&s);
	alone_free(a);
	alone_free(changed);
	ind_series_done(&back);
	rig_done(&r);
	rig_done(&other);
	free(b);
}

/* --- configuration ----------------------------------------------------------------------------- */

static void a_mistake_in_the_list_is_told_with_what_is_allowed(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "RSX", "no indicator \"RSX\"; with that letter there are RMA, RSI, ROC" },
		{ "rsi", "no indicator \"rsi\"; with that letter there are RMA, RSI, ROC" },
		{ "RSI period=1", "RSI: period = 1 is not allowed: a whole number from 2 to 5000" },
		{ "RSI period=14.5", "RSI: period = 14.5 is not allowed: a whole number from 2 to 5000" },
		{ "RSI period=ten", "RSI: period = ten is not allowed" },
		{ "RSI period=nan", "RSI: period = nan is not allowed" },
		{ "RSI perod=14", "RSI has no parameter \"perod\"; it takes period, source" },
		{ "RSI 14", "RSI: \"14\" is not parameter=value" },
		{ "EMA seed=yahoo", "EMA: seed = yahoo is not allowed: one of talib|tv" },
		{ "BBANDS k=-1", "BBANDS: k = -1 is not allowed: a number from 0 to 100" },
		{ "MACD fast=26 slow=12", "MACD: fast must be below slow" },
	};
	char err[300];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_null(ind_set_parse(rows[i].text, err, sizeof err));
		if (strstr(err, rows[i].want) != err)
			fail_msg("\"%s\" gives: %s", rows[i].text, err);
	}
}

static void slots_carry_names_and_parameters(void **state)
{
	static const struct { const char *spec; size_t slot; const char *name, *key, *args; } rows[] = {
		{ "RSI", 0, "RSI_14", "RSI", "period=14" },
		{ "EMA period=12 seed=tv", 0, "EMA_12_tv", "EMA", "period=12,seed=tv" },
		{ "MACD", 0, "MACD_12_26_9.macd", "MACD", "fast=12,slow=26,signal=9" },
		{ "MACD", 1, "MACD_12_26_9.signal", "MACD_SIGNAL", "fast=12,slow=26,signal=9" },
		{ "BBANDS", 0, "BBANDS_20_2.upper", "BBANDS_UPPER", "period=20,k=2" },
		{ "SAR", 0, "SAR_0.02_0.2", "SAR", "step=0.02,limit=0.2" },
		{ "OBV", 0, "OBV", "OBV", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rig r;
		const struct ind_slot *s;

		rig_open(&r, rows[i].spec);
		s = ind_set_slot(r.set, rows[i].slot);
		assert_string_equal(s->name, rows[i].name);
		assert_string_equal(s->key, rows[i].key);
		assert_string_equal(s->args, rows[i].args);
		rig_done(&r);
	}
}

static void two_askers_of_one_value_get_it_both(void **state)
{
	struct ind_bar *b = bars_make(60, 16, false);
	struct rig r;

	(void)state;
	rig_open(&r, "SMA period=20; SMA period=20; BBANDS period=20; MAX period=5 source=high; DONCHIAN period=5");
	for (size_t i = 0; i < 60; i++)
		rig_take(&r, &b[i]);
	assert_true(rig_value(&r, 0) == rig_value(&r, 1) && rig_value(&r, 0) == rig_value(&r, 3));
	assert_true(rig_value(&r, 5) == rig_value(&r, 6));
	rig_done(&r);
	free(b);
}

static void extremes_and_means_of_windows_of_any_length_are_those_of_their_values(void **state)
{
	enum { SOME = 300 };
	struct ind_bar *b = bars_make(SOME, 21, false);

	(void)state;
	for (size_t n = 1; n <= 140; n++) {
		struct rig r;
		char specs[100];

		snprintf(specs, sizeof specs, "MINMAX period=%zu; SMA period=%zu", n, n);
		rig_open(&r, specs);
		for (size_t i = 0; i < SOME; i++) {
			double lo = b[i].c, hi = lo, sum = 0;

			rig_take(&r, &b[i]);
			if (i + 1 < n)
				continue;
			for (size_t k = i + 1 - n; k <= i; k++) {
				lo = fmin(lo, b[k].c);
				hi = fmax(hi, b[k].c);
				sum += b[k].c;
			}
			assert_true(rig_value(&r, 0) == lo && rig_value(&r, 1) == hi);
			assert_true(fabs(rig_value(&r, 2) - sum / (double)n) <= 1e-12 * hi);
		}
		rig_done(&r);
	}
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extremes_and_means_of_windows_of_any_length_are_those_of_their_values),
		cmocka_unit_test(an_output_is_a_finite_number_or_absent),
		cmocka_unit_test(there_is_no_output_before_the_warm_up_and_always_one_after_it),
		cmocka_unit_test(a_flat_market_gives_the_documented_answers),
		cmocka_unit_test(without_volume_weighted_means_are_absent_and_nothing_else_is),
		cmocka_unit_test(a_value_does_not_depend_on_what_else_is_in_the_set),
		cmocka_unit_test(a_copied_state_goes_on_like_its_original),
		cmocka_unit_test(what_only_some_processors_have_changes_no_value),
		cmocka_unit_test(a_saved_state_comes_back_and_goes_on_like_its_original),
		cmocka_unit_test(the_everyday_five_together_give_what_each_gives_alone),
		cmocka_unit_test(an_image_that_is_damaged_or_of_another_set_is_refused),
		cmocka_unit_test(candles_out_of_order_within_the_window_give_the_same_values),
		cmocka_unit_test(a_revised_candle_tells_itself_and_all_behind_it_again),
		cmocka_unit_test(a_look_ahead_gives_what_the_update_gives_and_leaves_no_trace),
		cmocka_unit_test(a_series_of_the_default_set_takes_less_than_four_kilobytes),
		cmocka_unit_test(a_series_saved_with_another_set_starts_anew_from_its_candles),
		cmocka_unit_test(a_mistake_in_the_list_is_told_with_what_is_allowed),
		cmocka_unit_test(slots_carry_names_and_parameters),
		cmocka_unit_test(two_askers_of_one_value_get_it_both),
	};

	return cmocka_run_group_tests_name("indicators", tests, NULL, NULL);
}
