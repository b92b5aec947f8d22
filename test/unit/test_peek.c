/*
 * test_peek.c - looks at forming candles: the newest of each interval alone, nothing else, and never more than fits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/core/peek.h"

/* A stage that says the close of every candle it is shown, and nothing of symbol "MUTE". */
static char shown[8192];

static bool toy_peek(void *st, const struct ap_rec *rec, struct ap_out *out)
{
	const struct ap_candle *c = &rec->u.candle;
	struct ap_value v = { ap_str_c("X"), ap_str_c(""), (double)*(int *)st };
	struct ap_rec r = { .kind = AP_INDICATOR, .u.indicator = { c->source, c->symbol, c->tf, c->open_ms, 0, true, 1, &v } };
	const size_t at = strlen(shown);

	snprintf(shown + at, sizeof shown - at, "%.*s/%.*s/%.*s@%lld=%lld ", (int)c->source.len, c->source.p, (int)c->symbol.len, c->symbol.p,
		 (int)c->tf.len, c->tf.p, (long long)c->open_ms, (long long)(c->close.e18));
	if (ap_str_is(c->symbol, "MUTE"))
		return false;
	ap_out_put(out, AP_S_INDICATOR, &r);
	return true;
}

static const struct ap_stage toy = { .name = "toy", .peek = toy_peek };

static void put(struct ap_buf *b, const char *symbol, const char *tf, int64_t open_ms, int64_t close, enum ap_candle_state state)
{
	struct ap_rec r = { .kind = AP_CANDLE };

	r.u.candle = (struct ap_candle){ .source = ap_str_c("s"), .symbol = ap_str_c(symbol), .tf = ap_str_c(tf), .open_ms = open_ms,
					 .close_ms = open_ms + 60000, .close = { close }, .state = state };
	assert_true(ap_wire_put(b, &r));
}

static void the_newest_forming_candle_of_each_interval_is_looked_at(void **unused)
{
	static struct ap_peek p;
	struct ap_buf new, old;
	struct ap_rec rec;
	int state = 7;

	(void)unused;
	ap_peek_init(&p);
	ap_buf_init(&new, 4096);
	ap_buf_init(&old, 4096);
	put(&new, "A", "1m", 60000, 5, AP_FORMING);
	put(&new, "A", "5m", 0, 6, AP_FORMING);
	put(&new, "MUTE", "1m", 60000, 7, AP_FORMING);
	put(&old, "A", "1m", 60000, 4, AP_FORMING);     /* an older word on the same interval */
	put(&old, "A", "1m", 0, 3, AP_FORMING);
	put(&old, "B", "1m", 60000, 2, AP_FINAL);       /* not forming */
	shown[0] = '\0';
	ap_peek_begin(&p);
	ap_peek_entry(&p, &toy, &state, 3, ap_buf_view(&new));
	ap_peek_entry(&p, &toy, &state, 3, ap_buf_view(&old));
	assert_string_equal(shown, "s/A/1m@60000=5 s/A/5m@0=6 s/MUTE/1m@60000=7 s/A/1m@0=3 ");
	assert_int_equal(p.looked, 3);
	assert_int_equal(p.frames, 1);
	assert_int_equal(p.recs[0], 3);
	assert_int_equal(p.t_ms[0], 60000);
	ap_wire_start(&p.it, ap_buf_view(&p.body[0]), p.recs[0]);
	assert_int_equal(ap_wire_next(&p.it, &rec), AP_WIRE_OK);
	assert_true(rec.kind == AP_INDICATOR && rec.u.indicator.provisional && rec.u.indicator.values[0].v == 7);
	/* The next round looks again. */
	ap_peek_begin(&p);
	assert_int_equal(p.frames, 0);
	ap_peek_entry(&p, &toy, &state, 3, ap_buf_view(&old));
	assert_int_equal(p.looked, 5);
	/* Bytes that are no records end the entry, not the round. */
	ap_peek_entry(&p, &toy, &state, 3, ap_str_c("\x91\x01"));
	assert_int_equal(p.looked, 5);
	ap_buf_done(&new);
	ap_buf_done(&old);
	ap_peek_done(&p);
}

static void a_round_is_bounded(void **unused)
{
	static struct ap_peek p;
	struct ap_buf b;
	int state = 0;

	(void)unused;
	ap_peek_init(&p);
	ap_buf_init(&b, AP_FRAME_BYTES);
	for (int i = 0; i < 300; i++)
		put(&b, "MUTE", "1m", i * 60000, 1, AP_FORMING);
	ap_peek_begin(&p);
	ap_peek_entry(&p, &toy, &state, 300, ap_buf_view(&b));
	assert_int_equal(p.n, AP_PEEK_MAX);
	assert_int_equal(p.left, 300 - AP_PEEK_MAX);
	ap_buf_done(&b);
	ap_peek_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_forming_candle_of_each_interval_is_looked_at),
		cmocka_unit_test(a_round_is_bounded),
	};
	return cmocka_run_group_tests_name("peek", tests, NULL, NULL);
}
