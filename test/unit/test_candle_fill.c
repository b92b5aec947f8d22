/*
 * test_candle_fill.c - filling of one-second candles through whole entries: a long gap, and a late trade that many filled candles
 * follow, stay within what an entry may hold, and nothing is left out.
 *
 * Times are ms after 2024-03-01T00:00:00Z.
 */
#include "common/core/fold.h"
#include "stages/ap-candle/candle.h"
#include "test/lib/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const int64_t t0_ms = 1709251200000;

enum { SECOND = 1000, HOUR = 3600 * SECOND, DAY = 24 * HOUR, LANES = 128 };

/* What came of a timeframe of a series. */
struct told {
	char symbol[16], tf[8];
	uint64_t finals, revised, hash;
	int64_t end_ms;                 /* close of its last final candle */
	int64_t last_ms;                /* open of its last revised candle */
	ap_dec close;                   /* of what came last */
};

struct port {
	struct ap_fold f;
	struct ap_conf conf;
	struct ap_buf body;             /* of the entry at hand */
	uint32_t n, cut;                /* its records; an entry has no more than cut */
	uint64_t entries;
	size_t frames_max;              /* of one entry */
	struct told told[LANES];
	size_t tolds;
};

static struct port *port_new(uint32_t cut)
{
	struct port *p = calloc(1, sizeof *p);
	char err[200] = "";

	assert_non_null(p);
	ap_conf_init(&p->conf);
	conf_set(&p->conf, "candle.fill", "previous");
	conf_set(&p->conf, "candle.timeframes", "1s,1m,1h");
	if (!ap_fold_init(&p->f, &ap_candle_stage, &p->conf, err, sizeof err))
		fail_msg("%s", err);
	ap_buf_init(&p->body, 1 << 20);
	p->cut = cut;
	return p;
}

static void port_free(struct port *p)
{
	ap_fold_done(&p->f);
	ap_conf_done(&p->conf);
	ap_buf_done(&p->body);
	free(p);
}

static struct told *told_of(struct port *p, const struct ap_candle *c)
{
	struct told *t;

	for (size_t i = 0; i < p->tolds; i++)
		if (ap_str_is(c->symbol, p->told[i].symbol) && ap_str_is(c->tf, p->told[i].tf))
			return &p->told[i];
	assert_true(p->tolds < LANES);
	t = &p->told[p->tolds++];
	(void)snprintf(t->symbol, sizeof t->symbol, "%.*s", (int)c->symbol.len, c->symbol.p);
	(void)snprintf(t->tf, sizeof t->tf, "%.*s", (int)c->tf.len, c->tf.p);
	return t;
}

/* Final candles of a series follow one another without a hole. */
static void candle_told(struct port *p, const struct ap_rec *rec)
{
	const struct ap_candle *c = &rec->u.candle;
	struct told *t = told_of(p, c);
	uint8_t mem[1024];
	struct ap_buf b;

	ap_buf_fixed(&b, mem, sizeof mem);
	assert_true(ap_wire_put(&b, rec));
	for (size_t i = 0; i < b.len; i++)
		t->hash = (t->hash ^ mem[i]) * 0x100000001b3u;
	t->close = c->close;
	if (c->revision > 0) {
		t->revised++;
		t->last_ms = c->open_ms;
		return;
	}
	assert_true(t->finals == 0 || c->open_ms == t->end_ms);
	t->end_ms = c->close_ms;
	t->finals++;
}

static void port_cut(struct port *p)
{
	const char *why = NULL;

	assert_true(ap_fold_entry(&p->f, (ap_id){ 1000 + ++p->entries, 0 }, p->n, ap_buf_view(&p->body), &why));
	if (p->f.n_frames > p->frames_max)
		p->frames_max = p->f.n_frames;
	for (size_t i = 0; i < p->f.n_frames; i++) {
		struct ap_wire_iter it;
		struct ap_rec rec;

		if (p->f.frames[i].to != AP_S_CANDLE)
			continue;
		ap_wire_start(&it, ap_fold_body(&p->f, &p->f.frames[i]), p->f.frames[i].n);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK)
			candle_told(p, &rec);
		assert_null(it.why);
	}
	ap_fold_clear(&p->f);
	ap_buf_clear(&p->body);
	p->n = 0;
}

static void port_put(struct port *p, const struct ap_rec *rec)
{
	assert_true(ap_wire_put(&p->body, rec));
	if (++p->n >= p->cut)
		port_cut(p);
}

static void trade(struct port *p, int symbol, int64_t ms, int64_t price)
{
	struct ap_rec r = { .kind = AP_TRADE };
	char name[16];
	const int n = snprintf(name, sizeof name, "S%d-USDT", symbol);

	r.u.trade = (struct ap_trade){ .source = ap_str_c("sim"), .symbol = ap_str_n(name, (size_t)n), .venue_symbol = ap_str_n(name, (size_t)n),
				       .ts = { (t0_ms + ms) * 1000000 }, .price = ap_dec_int(price), .qty = ap_dec_int(1) };
	port_put(p, &r);
}

static void beat(struct port *p, int64_t ms, int64_t covers_ms)
{
	struct ap_rec r = { .kind = AP_BEAT };

	r.u.beat = (struct ap_beat){ .source = ap_str_c("sim"), .ts = { (t0_ms + ms) * 1000000 }, .covers_ms = (uint32_t)covers_ms, .alive = true };
	port_put(p, &r);
}

/* Another source is alive: that is all that happens from now on. */
static void others_go_on(struct port *p, int entries)
{
	struct ap_rec r = { .kind = AP_BEAT, .u.beat = { .source = ap_str_c("other"), .covers_ms = SECOND, .alive = true } };

	for (int i = 0; i < entries; i++) {
		r.u.beat.ts.ns = (t0_ms + i * SECOND) * 1000000;
		assert_true(ap_wire_put(&p->body, &r));
		p->n++;
		port_cut(p);
	}
}

static struct told *find(struct port *p, const char *symbol, const char *tf)
{
	for (size_t i = 0; i < p->tolds; i++)
		if (strcmp(p->told[i].symbol, symbol) == 0 && strcmp(p->told[i].tf, tf) == 0)
			return &p->told[i];
	fail_msg("nothing was told of %s %s", symbol, tf);
	return NULL;
}

static void end(struct port *p, int entries)
{
	if (p->n > 0)
		port_cut(p);
	others_go_on(p, entries);
}

/* --- gaps --------------------------------------------------------------------- */

/* Trades, nothing but a beat after gap_ms, then a minute of beats. */
static struct port *silence(int64_t gap_ms, int symbols, uint32_t cut)
{
	struct port *p = port_new(cut);

	beat(p, 0, 0);
	for (int i = 0; i < symbols; i++)
		trade(p, i, 500, 100 + i);
	beat(p, gap_ms, gap_ms);
	for (int i = 1; i <= 62; i++)
		beat(p, gap_ms + i * SECOND, SECOND);
	end(p, 64);
	return p;
}

static void a_gap_is_filled(int64_t gap_ms, int symbols)
{
	static const uint32_t cuts[] = { 512, 1, 7 };
	struct port *whole = silence(gap_ms, symbols, cuts[0]);

	for (int i = 0; i < symbols; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "S%d-USDT", i);
		assert_int_equal(find(whole, name, "1s")->finals, gap_ms / SECOND + 60);
		assert_int_equal(find(whole, name, "1m")->finals, gap_ms / 60000 + 1);
		assert_int_equal(find(whole, name, "1h")->finals, gap_ms / HOUR);
		assert_int_equal(find(whole, name, "1s")->revised, 0);
	}
	assert_true(whole->frames_max < AP_FOLD_FRAMES);
	for (size_t k = 1; k < sizeof cuts / sizeof cuts[0]; k++) {
		struct port *p = silence(gap_ms, symbols, cuts[k]);

		assert_int_equal(p->tolds, whole->tolds);
		for (size_t i = 0; i < p->tolds; i++)
			assert_true(find(p, whole->told[i].symbol, whole->told[i].tf)->hash == whole->told[i].hash);
		port_free(p);
	}
	port_free(whole);
}

static void a_silent_hour_of_seconds_is_filled_whatever_the_entries(void **s)
{
	(void)s;
	a_gap_is_filled(HOUR, 40);
}

static void a_silent_day_of_seconds_is_filled_whatever_the_entries(void **s)
{
	(void)s;
	a_gap_is_filled(DAY, 3);
}

static void an_entry_of_beats_that_each_cover_an_hour_puts_one_share(void **s)
{
	struct port *p = port_new(512);

	(void)s;
	beat(p, 0, 0);
	for (int i = 0; i < 30; i++)
		trade(p, i, 500, 100);
	for (int i = 1; i <= 12; i++)
		beat(p, (int64_t)i * HOUR, HOUR);
	port_cut(p);
	assert_true(p->frames_max < AP_FOLD_FRAMES);
	assert_true(find(p, "S0-USDT", "1s")->finals < 12 * 3600);
	end(p, 100);
	for (int i = 0; i < 30; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "S%d-USDT", i);
		assert_int_equal(find(p, name, "1s")->finals, 12 * 3600 - 2);
	}
	port_free(p);
}

/* --- a late trade --------------------------------------------------------------- */

enum { QUIET = 40, MINUTES = 14 };

/* Fourteen quiet minutes of forty series, then a trade of each that is as late. */
static struct port *late(uint32_t cut)
{
	struct port *p = port_new(cut);

	beat(p, 0, 0);
	for (int i = 0; i < QUIET; i++)
		trade(p, i, 500, 100);
	for (int i = 1; i <= MINUTES * 60; i++)
		beat(p, i * SECOND, SECOND);
	if (p->n > 0)
		port_cut(p);
	p->cut = 512;
	for (int i = 0; i < QUIET; i++)
		trade(p, i, 600, 200);
	end(p, 16);
	return p;
}

static void late_trades_of_many_filled_seconds_revise_them_all_within_what_entries_hold(void **s)
{
	struct port *p = late(50);
	const int64_t filled = MINUTES * 60 - 2;        /* closed by now: lateness is two seconds */

	(void)s;
	assert_true(p->frames_max < AP_FOLD_FRAMES);
	for (int i = 0; i < QUIET; i++) {
		char name[16];
		const struct told *t;

		(void)snprintf(name, sizeof name, "S%d-USDT", i);
		t = find(p, name, "1s");
		assert_int_equal(t->finals, filled);
		assert_int_equal(t->revised, filled);
		assert_int_equal(t->last_ms, t0_ms + (filled - 1) * SECOND);
		assert_int_equal(ap_dec_cmp(t->close, ap_dec_int(200)), 0);
		t = find(p, name, "1m");
		assert_int_equal(t->revised, t->finals);
	}
	port_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_hour_of_seconds_is_filled_whatever_the_entries),
		cmocka_unit_test(a_silent_day_of_seconds_is_filled_whatever_the_entries),
		cmocka_unit_test(an_entry_of_beats_that_each_cover_an_hour_puts_one_share),
		cmocka_unit_test(late_trades_of_many_filled_seconds_revise_them_all_within_what_entries_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
