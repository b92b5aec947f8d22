/*
 * test_golden_ws.c - recorded WebSocket sessions of six venues: every trade comes out, in order, as expected.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/timefmt.h"
#include "common/core/venue.h"
#include "test/lib/shared.h"

struct session {
	const struct ap_format *format;
	ap_str source;
	struct shared_lines want;
	bool more;              /* want holds an expected trade in cell */
	char *cell[13];
	unsigned long line;     /* of the session */
	size_t compared;
	ap_ts first;            /* time of this message's first trade */
	struct ap_series series;
};

static void next_wanted(struct session *s)
{
	s->more = shared_next(&s->want);
	if (s->more)
		assert_int_equal(shared_cells(s->want.line, s->cell, 13), 13);
}

static void assert_same(const struct session *s, const char *what, ap_str got, const char *want)
{
	if (got.len != strlen(want) || memcmp(got.p == NULL ? "" : got.p, want, got.len) != 0)
		fail_msg("line %lu: %s: want %s, got %.*s", s->line, what, want, (int)got.len, got.p);
}

static bool compare(void *ctx, const struct ap_vtrade *t)
{
	struct session *s = ctx;
	static const char *const sides[] = { "unknown", "buy", "sell" };
	ap_ts ts;
	if (!s->more || strtoul(s->cell[0], NULL, 10) != s->line)
		fail_msg("line %lu: a trade that is not expected", s->line);
	ap_venue_series(s->format, s->source, t->source, t->symbol, &s->series);
	assert_same(s, "venue symbol", t->symbol, s->cell[4]);
	assert_same(s, "symbol", ap_series_symbol(&s->series), s->cell[5]);
	assert_same(s, "trade id", t->id, s->cell[6]);
	assert_same(s, "price", t->price, s->cell[7]);
	assert_same(s, "quantity", t->qty, s->cell[8]);
	assert_same(s, "side", ap_str_c(sides[t->side]), s->cell[9]);
	assert_true(ap_ts_parse(t->ts, &ts));
	assert_int_equal(ts.ns, strtoll(s->cell[10], NULL, 10) * 1000);
	if (s->first.ns == 0)
		s->first = ts;
	s->compared++;
	next_wanted(s);
	return true;
}

/* What an exchange sent must be a quote in itself: two sides, and a time unless the venue stamps none. */
static bool look_at_quote(void *ctx, const struct ap_vquote *q)
{
	struct session *s = ctx;
	ap_dec bid, ask, qty;
	ap_venue_series(s->format, s->source, q->source, q->symbol, &s->series);
	assert_true(s->series.symbol_len > 0);
	assert_true(ap_dec_parse(q->bid.p, q->bid.len, &bid) == AP_DEC_OK && ap_dec_parse(q->ask.p, q->ask.len, &ask) == AP_DEC_OK);
	assert_true(bid.e18 > 0 && bid.e18 <= ask.e18);
	assert_true(q->bid_qty.p == NULL || ap_dec_parse(q->bid_qty.p, q->bid_qty.len, &qty) == AP_DEC_OK);
	assert_true(q->no_time == (q->ts.p == NULL));
	assert_true(q->no_time || ap_ts_parse(q->ts, &s->first));
	return true;
}

static void check_route(struct ap_venue *v, const struct session *s, ap_str msg, enum ap_venue_what what)
{
	struct ap_route r;
	ap_venue_route(v, s->format, s->source, msg, &r);
	assert_int_equal(r.what, what);
	assert_int_equal(r.ts.ns, s->first.ns);
	assert_true(ap_str_eq(ap_series_source(&r.to), s->source));
	if (what == AP_VENUE_TRADES || what == AP_VENUE_QUOTES)
		assert_true(ap_str_eq(ap_series_symbol(&r.to), ap_series_symbol(&s->series)));
	else
		assert_int_equal(r.to.symbol_len, 0);
}

static void check_message(struct ap_venue *v, struct session *s, struct ap_jtok *toks, ap_str line, size_t counts[4])
{
	struct ap_json j;
	uint32_t dir, msg;
	enum ap_venue_what what;
	assert_true(ap_json_parse(&j, line, toks, AP_JSON_TOKS));
	dir = ap_json_get(&j, 0, "dir");
	msg = ap_json_get(&j, 0, "msg");
	if (!ap_str_is(ap_json_text(&j, dir), "recv") || msg == 0)
		return;
	s->first = (ap_ts){ 0 };
	what = ap_venue_parse(v, s->format, ap_json_text(&j, msg), &(struct ap_venue_on){ compare, look_at_quote, s });
	if (what == AP_VENUE_BAD) {
		const char *detail;
		const char *why = ap_venue_why(v, &detail);
		fail_msg("line %lu: %s: %s", s->line, why, detail);
	}
	counts[what]++;
	check_route(v, s, ap_json_text(&j, msg), what);
}

static void play(const char *exchange, size_t messages, size_t trades, size_t quotes)
{
	struct session s = { 0 };
	struct shared_lines tape;
	struct ap_venue *v;
	struct ap_jtok *toks;
	char path[128], source[AP_SOURCE_MAX];
	size_t counts[4] = { 0 };
	s.source = ap_str_n(source, ap_source_canon(ap_str_c(exchange), source));
	s.format = ap_format_find(s.source);
	assert_non_null(s.format);
	snprintf(path, sizeof path, "data/ws/%s.ndjson.gz", exchange);
	if (!shared_open(&tape, path))
		skip();
	snprintf(path, sizeof path, "data/ws/expected-trades-%s.csv", exchange);
	assert_true(shared_open(&s.want, path));
	shared_next(&s.want);
	next_wanted(&s);
	v = ap_venue_new();
	toks = calloc(AP_JSON_TOKS, sizeof *toks);
	assert_true(v != NULL && toks != NULL);
	while (shared_next(&tape)) {
		s.line = tape.no;
		check_message(v, &s, toks, ap_str_n(tape.line, tape.len), counts);
	}
	assert_false(s.more);
	assert_int_equal(s.compared, trades);
	assert_int_equal(counts[AP_VENUE_QUOTES], quotes);
	assert_int_equal(counts[AP_VENUE_TRADES] + counts[AP_VENUE_QUOTES] + counts[AP_VENUE_OTHER], messages);
	printf("# compared %zu trades of %s, looked at %zu quotes, %zu messages were neither\n", s.compared, exchange,
	       counts[AP_VENUE_QUOTES], counts[AP_VENUE_OTHER]);
	ap_venue_free(v);
	free(toks);
	shared_close(&tape);
	shared_close(&s.want);
}

static void binance(void **unused)
{
	(void)unused;
	play("BINANCE", 265, 2, 84);
}

static void binance_futures(void **unused)
{
	(void)unused;
	play("BINANCE_FUTURES", 1535, 91, 613);
}

static void coinbase(void **unused)
{
	(void)unused;
	play("COINBASE", 9946, 107, 107);
}

static void kraken(void **unused)
{
	(void)unused;
	play("KRAKEN", 4430, 10, 18);
}

static void bybit(void **unused)
{
	(void)unused;
	play("BYBIT", 4440, 251, 0);
}

static void okx(void **unused)
{
	(void)unused;
	play("OKX", 410, 74, 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binance),  cmocka_unit_test(binance_futures),
		cmocka_unit_test(coinbase), cmocka_unit_test(kraken),
		cmocka_unit_test(bybit),    cmocka_unit_test(okx),
	};
	return cmocka_run_group_tests_name("recorded sessions", tests, NULL, NULL);
}
