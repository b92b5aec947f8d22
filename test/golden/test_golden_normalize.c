/*
 * test_golden_normalize.c - recorded markets through the whole fold: nothing valid is refused, nothing changes.
 *
 * Sessions and captures as they came from the sockets; tapes of trades as NDJSON. Prices and quantities are compared as
 * decimals, times to the ns.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/timefmt.h"
#include "stages/ap-normalize/normalize.h"
#include "test/lib/shared.h"

struct row {
	ap_dec price, qty;
	int64_t ns;
	char id[AP_TRADE_ID_MAX];
	size_t id_len;
	enum ap_side side;
};

struct rig {
	struct ap_out out;
	struct ap_conf conf;
	void *st;
	struct row last;        /* last trade put */
	size_t trades, quotes, rejects[AP_STATUS_N];
	uint64_t no;
};

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct rig *r = (struct rig *)out;
	const struct ap_trade *t = &rec->u.trade;
	if (to == AP_S_REJECT) {
		r->rejects[rec->u.reject.status]++;
		return;
	}
	if (rec->kind == AP_QUOTE) {
		r->quotes++;
		return;
	}
	r->trades++;
	r->last = (struct row){ t->price, t->qty, t->ts.ns, "", t->trade_id.len, t->side };
	if (t->trade_id.len > 0)
		memcpy(r->last.id, t->trade_id.p, t->trade_id.len);
}

static void rig_begin(struct rig *r)
{
	char err[200];
	*r = (struct rig){ .out = { put } };
	ap_conf_init(&r->conf);
	r->st = ap_normalize_stage.open(&r->conf, err, sizeof err);
	assert_non_null(r->st);
}

static void rig_end(struct rig *r)
{
	ap_normalize_stage.close(r->st);
	ap_conf_done(&r->conf);
}

static enum ap_verdict feed(struct rig *r, const char *source, const char *format, ap_str payload, ap_ts recv)
{
	struct ap_rec rec = { .kind = AP_RAW, .id = { ++r->no, 0 } };
	rec.u.raw = (struct ap_raw){ ap_str_c(source), { NULL, 0 }, ap_str_c(format), payload, recv, r->no };
	return ap_normalize_stage.step(r->st, &rec, &r->out);
}

/* ---- sessions -------------------------------------------------------------- */

static void play_session(const char *exchange, const char *source, size_t trades, size_t quotes)
{
	static struct ap_jtok toks[AP_JSON_TOKS];
	struct shared_lines l;
	struct rig r;
	char path[100];
	snprintf(path, sizeof path, "data/ws/%s.ndjson.gz", exchange);
	if (!shared_open(&l, path))
		skip();
	rig_begin(&r);
	while (shared_next(&l)) {
		struct ap_json j;
		ap_ts recv;
		uint32_t msg;
		assert_true(ap_json_parse(&j, ap_str_n(l.line, l.len), toks, AP_JSON_TOKS));
		msg = ap_json_get(&j, 0, "msg");
		if (msg == 0 || !ap_str_is(ap_json_text(&j, ap_json_get(&j, 0, "dir")), "recv"))
			continue;
		/* Books may be larger than a message may be; what routes messages leaves those out. */
		if (j.tok[msg].len > AP_PAYLOAD_MAX)
			continue;
		assert_true(ap_ts_parse(ap_json_text(&j, ap_json_get(&j, 0, "recv_ts")), &recv));
		feed(&r, source, source, ap_json_text(&j, msg), recv);
	}
	assert_int_equal(r.trades, trades);
	assert_int_equal(r.quotes, quotes);
	for (int i = 0; i < AP_STATUS_N; i++)
		assert_int_equal(r.rejects[i], 0);
	shared_close(&l);
	rig_end(&r);
}

static void recorded_sessions_give_all_their_trades_and_no_reject(void **unused)
{
	(void)unused;
	play_session("BINANCE", "binance", 2, 84);
	play_session("BINANCE_FUTURES", "binance_futures", 91, 613);
	play_session("COINBASE", "coinbase", 107, 107);
	play_session("KRAKEN", "kraken", 10, 18);
	play_session("BYBIT", "bybit", 251, 0);
	play_session("OKX", "okx", 74, 28);
}

/* ---- captures against the archive's rows ------------------------------------ */

static void assert_row(const struct rig *r, char **cell)
{
	struct row want = { .side = strcmp(cell[5], "true") == 0 ? AP_SIDE_SELL : AP_SIDE_BUY };
	assert_int_equal(ap_dec_parse(cell[1], strlen(cell[1]), &want.price), AP_DEC_OK);
	assert_int_equal(ap_dec_parse(cell[2], strlen(cell[2]), &want.qty), AP_DEC_OK);
	assert_true(strlen(cell[0]) == r->last.id_len && memcmp(cell[0], r->last.id, r->last.id_len) == 0);
	assert_int_equal(ap_dec_cmp(want.price, r->last.price), 0);
	assert_int_equal(ap_dec_cmp(want.qty, r->last.qty), 0);
	assert_int_equal(strtoll(cell[4], NULL, 10) * 1000000, r->last.ns);
	assert_int_equal(want.side, r->last.side);
}

static void play_capture(const char *const files[2], const char *archive, const char *source, size_t trades, size_t quotes)
{
	struct shared_lines rows, l;
	struct rig r;
	if (!shared_open(&rows, archive))
		skip();
	rig_begin(&r);
	shared_next(&rows);
	for (int f = 0; f < 2 && files[f] != NULL; f++) {
		assert_true(shared_open(&l, files[f]));
		while (shared_next(&l)) {
			char *cell[6], *json = strchr(l.line, ' ') + 1;
			ap_ts recv = { strtoll(l.line, NULL, 10) };
			ap_str msg = ap_str_n(json, l.len - (size_t)(json - l.line));
			const size_t before = r.trades;
			enum ap_verdict v = msg.len > AP_PAYLOAD_MAX ? AP_V_IGNORED : feed(&r, source, source, msg, recv);
			if (v == AP_V_IGNORED)
				continue;
			assert_int_equal(v, AP_V_TAKEN);
			if (r.trades == before)
				continue;       /* a quote */
			assert_true(shared_next(&rows));
			assert_int_equal(shared_cells(rows.line, cell, 6), 6);
			assert_row(&r, cell);
		}
		shared_close(&l);
	}
	assert_false(shared_next(&rows));
	assert_int_equal(r.trades, trades);
	assert_int_equal(r.quotes, quotes);
	printf("# compared %zu trades of %s, took %zu quotes\n", r.trades, source, r.quotes);
	shared_close(&rows);
	rig_end(&r);
}

static void captures_equal_the_archive_row_by_row(void **unused)
{
	static const char *const spot[2] = { "data/ws/hftbacktest-binance-spot-btcusdt_20240808.gz",
					     "data/ws/hftbacktest-binance-spot-btcusdt_20240809.gz" };
	static const char *const usdm[2] = { "data/ws/hftbacktest-binance-usdm-btcusdt_20240808.gz", NULL };
	(void)unused;
	play_capture(spot, "data/trades/binance-spot-BTCUSDT-trades-2024-08-08_09.csv.gz", "binance", 19904, 73174);
	play_capture(usdm, "data/trades/binance-usdm-BTCUSDT-trades-2024-08-08.csv.gz", "binance_futures", 21313, 66089);
}

/* ---- tapes ----------------------------------------------------------------- */

/* Columns by place; -1: the tape has none. */
struct tape {
	const char *file;
	bool header;
	int time, price, qty, id;
	size_t rows, refused;
};

static void play_tape(const struct tape *t)
{
	struct shared_lines l;
	struct rig r;
	if (!shared_open(&l, t->file))
		skip();
	rig_begin(&r);
	if (t->header)
		shared_next(&l);
	while (shared_next(&l)) {
		char *cell[16], json[400];
		int n;
		shared_cells(l.line, cell, 16);
		n = snprintf(json, sizeof json, "{\"symbol\":\"X-Y\",\"price\":\"%s\",\"quantity\":\"%s\",\"timestamp\":%s%s%s}", cell[t->price],
			     cell[t->qty], cell[t->time], t->id < 0 ? "" : ",\"trade_id\":", t->id < 0 ? "" : cell[t->id]);
		feed(&r, "tape", "trade", ap_str_n(json, (size_t)n), (ap_ts){ 0 });
	}
	assert_int_equal(r.trades, t->rows - t->refused);
	assert_int_equal(r.rejects[AP_ST_INVALID], t->refused);
	assert_int_equal(r.rejects[AP_ST_DUPLICATE] + r.rejects[AP_ST_OUTLIER], 0);
	printf("# compared %zu trades of %s\n", r.trades, t->file);
	shared_close(&l);
	rig_end(&r);
}

static void recorded_tapes_pass_whole_but_for_prices_of_zero_and_minus_one(void **unused)
{
	static const struct tape tapes[] = {
		{ "data/trades/binance-spot-XRPETH-aggTrades-2019-10-11_13.csv.gz", true, 5, 1, 2, 0, 12477, 0 },
		{ "data/trades/binance-spot-BTCUSDT-trades-2024-08-08_09.csv.gz", true, 4, 1, 2, 0, 19904, 0 },
		{ "data/trades/binance-usdm-BTCUSDT-trades-2024-08-08.csv.gz", true, 4, 1, 2, 0, 21313, 0 },
		{ "data/trades/lean-usa-SPY-trades-2013-10-07.csv.gz", true, 0, 1, 2, -1, 250601, 0 },
		{ "data/trades/lasota-binance-usd_m_futures_trxusdt-2025-03-04-positive.csv.gz", true, 4, 7, 8, 6, 10000, 1 },
		{ "data/trades/lasota-binance-usd_m_futures_trxusdt-2025-03-04-negative.csv.gz", true, 4, 7, 8, 6, 10000, 2 },
		{ "data/trades/formats/kraken-archive-BCHEUR.csv", false, 0, 1, 2, -1, 148, 0 },
		{ "data/trades/formats/bitcoincharts-bitstampUSD.csv.gz", false, 0, 1, 2, -1, 9999, 0 },
	};
	(void)unused;
	/* Both TRXUSDT files hold a row of price 0.0 and quantity 0.0 (id 548331095), which is no trade. */
	for (size_t i = 0; i < sizeof tapes / sizeof tapes[0]; i++)
		play_tape(&tapes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_sessions_give_all_their_trades_and_no_reject),
		cmocka_unit_test(captures_equal_the_archive_row_by_row),
		cmocka_unit_test(recorded_tapes_pass_whole_but_for_prices_of_zero_and_minus_one),
	};
	return cmocka_run_group_tests_name("recorded markets", tests, NULL, NULL);
}
