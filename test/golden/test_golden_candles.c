/*
 * test_golden_candles.c - every trades file of the shared data through the candle fold: each expected candle, exactly.
 *
 * The tape is fed as ap-ingest would: trades in file order, a beat at every second of the tape's own time (one beat
 * over a long silence), a close beat at the end. Where the files are not there the tests say so and are skipped.
 */
#include "stages/ap-candle/candle.h"
#include "test/lib/laws.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <cmocka.h>

enum { COLS_MAX = 32, LINE_CAP = 1024 };

static const char *shared_dir(void)
{
	const char *dir = getenv("AP_SHARED");

	return dir != NULL && *dir != '\0' ? dir : "../shared";
}

static gzFile shared_open(const char *name)
{
	char path[512];
	gzFile f;

	(void)snprintf(path, sizeof path, "%s/data/trades/%s", shared_dir(), name);
	f = gzopen(path, "rb");
	if (f == NULL) {
		print_message("# SKIP %s is not there; set AP_SHARED\n", path);
		skip();
	}
	return f;
}

/* Splits a line at its commas; returns how many cells there are. */
static int split(char *line, char *cell[COLS_MAX])
{
	int n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *p = line; n < COLS_MAX;) {
		cell[n++] = p;
		p = strchr(p, ',');
		if (p == NULL)
			break;
		*p++ = '\0';
	}
	return n;
}

static int column(char *const cell[COLS_MAX], int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(cell[i], name) == 0)
			return i;
	return -1;
}

/* --- feeding --------------------------------------------------------------- */

struct shape {
	const char *time, *price, *qty, *id;    /* column names, or "#0" by place; id may be NULL */
	int64_t unit_ns;
};

struct feed {
	struct laws_tape *tape;
	const char *source, *symbol;
	int64_t beat_ms;                /* of the last beat; 0: none yet */
	int64_t refused_ms;             /* a row of price 0 stood here; 0: none */
	uint32_t fed, in_entry;
};

static void feed_put(struct feed *f, const struct ap_rec *rec)
{
	laws_tape_add(f->tape, rec);
	if (++f->in_entry == 100) {
		laws_tape_cut(f->tape);
		f->in_entry = 0;
	}
}

static void feed_beat(struct feed *f, int64_t ms, bool close)
{
	struct ap_rec r = { .kind = AP_BEAT };

	r.u.beat = (struct ap_beat){ .source = ap_str_c(f->source), .ts = { ms * 1000000 }, .alive = true, .close = close };
	r.u.beat.covers_ms = f->beat_ms == 0 ? 0 : (uint32_t)(ms - f->beat_ms);
	f->beat_ms = ms;
	feed_put(f, &r);
}

static void feed_beats_until(struct feed *f, int64_t ms)
{
	const int64_t second = ms / 1000 * 1000;

	if (f->beat_ms == 0)
		feed_beat(f, ms, false);
	if (second - f->beat_ms > 3600000)              /* a long silence, told in pieces that covers_ms can hold */
		while (second - f->beat_ms > 86400000)
			feed_beat(f, f->beat_ms + 86400000, false);
	else
		while (second - f->beat_ms > 1000)
			feed_beat(f, (f->beat_ms / 1000 + 1) * 1000, false);
	if (second > f->beat_ms)
		feed_beat(f, second, false);
}

static void feed_trade(struct feed *f, int64_t ts_ns, const char *price, const char *qty, const char *id)
{
	struct ap_rec r = { .kind = AP_TRADE };
	struct ap_trade *t = &r.u.trade;

	*t = (struct ap_trade){ .source = ap_str_c(f->source), .symbol = ap_str_c(f->symbol), .venue_symbol = ap_str_c(f->symbol), .ts = { ts_ns } };
	if (id != NULL)
		t->trade_id = ap_str_c(id);
	assert_int_equal(ap_dec_parse(price, strlen(price), &t->price), AP_DEC_OK);
	assert_int_equal(ap_dec_parse(qty, strlen(qty), &t->qty), AP_DEC_OK);
	if (t->price.e18 <= 0) {        /* ap-normalize keeps such rows from the candles */
		f->refused_ms = ts_ns / 1000000;
		return;
	}
	feed_put(f, &r);
	f->fed++;
}

static int place(const char *want, char *const cell[COLS_MAX], int n)
{
	return want == NULL ? -1 : want[0] == '#' ? atoi(want + 1) : column(cell, n, want);
}

static void feed_file(struct feed *f, const char *name, const struct shape *s)
{
	gzFile in = shared_open(name);
	char line[LINE_CAP], *cell[COLS_MAX];
	int at[4] = { -1, -1, -1, -1 };
	const bool header = s->time[0] != '#';

	for (bool first = true; gzgets(in, line, sizeof line) != NULL; first = false) {
		const int n = split(line, cell);
		int64_t ts_ns;

		if (first) {
			const char *const want[4] = { s->time, s->price, s->qty, s->id };

			for (int i = 0; i < 4; i++)
				at[i] = place(want[i], cell, n);
			assert_true(at[0] >= 0 && at[1] >= 0 && at[2] >= 0);
			if (header)
				continue;
		}
		ts_ns = strtoll(cell[at[0]], NULL, 10) * s->unit_ns;
		feed_beats_until(f, ts_ns / 1000000);
		feed_trade(f, ts_ns, cell[at[1]], cell[at[2]], at[3] < 0 ? NULL : cell[at[3]]);
	}
	(void)gzclose(in);
}

/* --- comparing ------------------------------------------------------------- */

struct want {
	char tf[8];
	int64_t open_ms;
	char o[64], h[64], l[64], c[64], v[64], qv[96], vwap[64];
	uint64_t n;
	bool seen;
};

static struct want *want_read(const char *name, const char *symbol, size_t *count)
{
	gzFile in = shared_open(name);
	char line[LINE_CAP], *k[COLS_MAX];
	struct want *w = NULL;
	size_t n = 0, cap = 0;

	while (gzgets(in, line, sizeof line) != NULL) {
		if (split(line, k) < 15 || strcmp(k[1], symbol) != 0)
			continue;
		if (n == cap) {
			cap = cap == 0 ? 1024 : cap * 2;
			w = realloc(w, cap * sizeof *w);
			assert_non_null(w);
		}
		memset(&w[n], 0, sizeof *w);
		w[n].open_ms = strtoll(k[3], NULL, 10);
		w[n].n = strtoull(k[10], NULL, 10);
		(void)snprintf(w[n].tf, sizeof w[n].tf, "%s", k[2]);
		(void)snprintf(w[n].o, sizeof w[n].o, "%s", k[4]);
		(void)snprintf(w[n].h, sizeof w[n].h, "%s", k[5]);
		(void)snprintf(w[n].l, sizeof w[n].l, "%s", k[6]);
		(void)snprintf(w[n].c, sizeof w[n].c, "%s", k[7]);
		(void)snprintf(w[n].v, sizeof w[n].v, "%s", k[8]);
		(void)snprintf(w[n].qv, sizeof w[n].qv, "%s", k[9]);
		(void)snprintf(w[n].vwap, sizeof w[n].vwap, "%s", k[11]);
		n++;
	}
	(void)gzclose(in);
	*count = n;
	return w;
}

static void same_dec(const char *what, const struct want *w, const char *want, ap_dec got)
{
	char text[AP_DEC_TEXT];

	(void)ap_dec_format(got, text);
	if (strcmp(text, want) != 0)
		fail_msg("%s %" PRId64 " %s: %s, expected %s", w->tf, w->open_ms, what, text, want);
}

/* The expected value has 18 significant digits, ours 12 decimals: half a unit of the twelfth is allowed. */
static void same_vwap(const struct want *w, ap_dec got)
{
	ap_dec want;
	ap_i128 off;

	if (w->vwap[0] == '\0') {       /* no volume */
		same_dec("vwap", w, "0", got);
		return;
	}
	assert_true(ap_dec_parse(w->vwap, strlen(w->vwap), &want) <= AP_DEC_ROUNDED);
	off = want.e18 > got.e18 ? want.e18 - got.e18 : got.e18 - want.e18;
	if (off > 500000 || got.e18 % 1000000 != 0)
		same_dec("vwap", w, w->vwap, got);
}

/*
 * The script behind the expected candles took a row of price 0 and quantity 0 for a trade. A price of 0 never reaches a
 * candle here, so the low of those candles is a real one, and they count one trade less.
 */
static bool holds_refused(const struct feed *f, const struct ap_candle *c)
{
	return f->refused_ms >= c->open_ms && f->refused_ms < c->close_ms;
}

static void same_candle(const struct feed *f, struct want *w, const struct ap_candle *c)
{
	char text[AP_SUM_TEXT];

	same_dec("open", w, w->o, c->open);
	same_dec("high", w, w->h, c->high);
	if (holds_refused(f, c)) {
		assert_string_equal(w->l, "0");
		assert_true(c->low.e18 > 0);
		w->n--;
	} else {
		same_dec("low", w, w->l, c->low);
	}
	same_dec("close", w, w->c, c->close);
	same_dec("volume", w, w->v, c->volume);
	(void)ap_sum_format(&c->quote_volume, text);
	if (strcmp(text, w->qv) != 0)
		fail_msg("%s %" PRId64 " quote volume: %s, expected %s", w->tf, w->open_ms, text, w->qv);
	assert_int_equal(c->trade_count, w->n);
	same_vwap(w, c->vwap);
	assert_false(w->seen);
	w->seen = true;
}

static struct want *want_find(struct want *w, size_t n, const struct ap_candle *c)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].open_ms == c->open_ms && ap_str_is(c->tf, w[i].tf))
			return &w[i];
	fail_msg("an unexpected candle: %.*s %" PRId64, (int)c->tf.len, c->tf.p, c->open_ms);
	return NULL;
}

static void compare(struct feed *f, const char *expected)
{
	struct laws_result res;
	struct ap_wire_iter *it = malloc(sizeof *it);
	struct ap_conf conf;
	struct ap_rec rec;
	char why[LAWS_WHY] = "";
	size_t n;
	struct want *w = want_read(expected, f->symbol, &n);

	assert_non_null(it);
	feed_beat(f, f->beat_ms + 1000, true);
	laws_tape_cut(f->tape);
	ap_conf_init(&conf);
	if (!laws_run(&ap_candle_stage, &conf, f->tape, &res, why))
		fail_msg("%s", why);
	assert_int_equal(res.n[AP_S_REJECT], 0);
	for (uint32_t i = 0; laws_result_rec(&res, AP_S_CANDLE, i, it, &rec); i++) {
		struct want *one = want_find(w, n, &rec.u.candle);

		assert_int_equal(rec.u.candle.state, AP_FINAL);
		same_candle(f, one, &rec.u.candle);
	}
	for (size_t i = 0; i < n; i++)
		if (!w[i].seen)
			fail_msg("no candle came for %s %" PRId64, w[i].tf, w[i].open_ms);
	print_message("# compared %zu candles from %" PRIu32 " trades: %s\n", n, f->fed, expected);
	assert_true(n > 0);
	laws_result_done(&res);
	ap_conf_done(&conf);
	laws_tape_free(f->tape);
	free(w);
	free(it);
}

static struct feed feed_new(const char *source, const char *symbol)
{
	return (struct feed){ .source = source, .symbol = symbol, .tape = laws_tape_new() };
}

static void binance_aggregated_trades_of_59_hours(void **s)
{
	struct feed f = feed_new("binance", "XRP-ETH");
	const struct shape shape = { "transact_time", "price", "quantity", "agg_trade_id", 1000000 };

	(void)s;
	feed_file(&f, "binance-spot-XRPETH-aggTrades-2019-10-11_13.csv.gz", &shape);
	compare(&f, "expected-candles-binance-spot-XRPETH.csv");
}

static void binance_futures_trades(void **s)
{
	struct feed f = feed_new("binance_futures", "BTC-USDT-PERP");
	const struct shape shape = { "time", "price", "qty", "id", 1000000 };

	(void)s;
	feed_file(&f, "binance-usdm-BTCUSDT-trades-2024-08-08.csv.gz", &shape);
	compare(&f, "expected-candles-binance-usdm-BTCUSDT-trades-2024-08-08.csv");
}

static void binance_spot_trades_across_midnight(void **s)
{
	struct feed f = feed_new("binance", "BTC-USDT");
	const struct shape shape = { "time", "price", "qty", "id", 1000000 };

	(void)s;
	feed_file(&f, "binance-spot-BTCUSDT-trades-2024-08-08_09.csv.gz", &shape);
	compare(&f, "expected-candles-binance-spot-BTCUSDT-trades-2024-08-08_09.csv");
}

static void a_day_of_us_equity_prints_without_ids(void **s)
{
	struct feed f = feed_new("lean_usa", "SPY-USD");
	const struct shape shape = { "time_ms_utc", "price", "size", NULL, 1000000 };

	(void)s;
	feed_file(&f, "lean-usa-SPY-trades-2013-10-07.csv.gz", &shape);
	compare(&f, "expected-candles-lean-usa-SPY-2013-10-07.csv");
}

static void a_recorded_futures_stream(void **s)
{
	struct feed f = feed_new("binance_futures", "TRX-USDT-PERP");
	const struct shape shape = { "TransactionTime", "Price", "Quantity", "TradeId", 1000000 };

	(void)s;
	feed_file(&f, "lasota-binance-usd_m_futures_trxusdt-2025-03-04-positive.csv.gz", &shape);
	assert_int_equal(f.refused_ms, 1741047334448);  /* one row of price 0, quantity 0 */
	compare(&f, "expected-candles-lasota-binance-usd_m_futures_trxusdt.csv");
}

static void the_kraken_archive_and_its_increment(void **s)
{
	struct feed f = feed_new("kraken", "BCH-EUR");
	const struct shape shape = { "#0", "#1", "#2", NULL, 1000000000 };

	(void)s;
	feed_file(&f, "formats/kraken-archive-BCHEUR.csv", &shape);
	feed_file(&f, "formats/kraken-archive-BCHEUR-incremental-q2.csv", &shape);
	compare(&f, "formats/expected-candles-kraken-archive-BCHEUR.csv");
}

static void a_sparse_archive_of_2011(void **s)
{
	struct feed f = feed_new("bitstamp", "BTC-USD");
	const struct shape shape = { "#0", "#1", "#2", NULL, 1000000000 };

	(void)s;
	feed_file(&f, "formats/bitcoincharts-bitstampUSD.csv.gz", &shape);
	compare(&f, "formats/expected-candles-bitcoincharts-bitstampUSD.csv.gz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binance_aggregated_trades_of_59_hours),
		cmocka_unit_test(binance_futures_trades),
		cmocka_unit_test(binance_spot_trades_across_midnight),
		cmocka_unit_test(a_day_of_us_equity_prints_without_ids),
		cmocka_unit_test(a_recorded_futures_stream),
		cmocka_unit_test(the_kraken_archive_and_its_increment),
		cmocka_unit_test(a_sparse_archive_of_2011),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
