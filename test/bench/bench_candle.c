/*
 * bench_candle.c - nanoseconds per trade of the candle fold, six timeframes, 2,000 series.
 *
 * Trades as they come out of a decoded frame: one record in hot memory, texts are views; series interleaved, prices
 * walking, 200,000 trades and one beat a second of tape time. Output is counted and dropped. Two markets (even: every series
 * as busy as any other; skewed: half of the trades in 40 of them), frames of 512 trades and of one. `save`: with the state
 * delta of each frame. Processor time, not the wall clock. Prints one JSON line a case: median and least of the repeats,
 * less what reading the tape alone takes (ns_reading).
 */
#include "stages/ap-candle/candle.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SERIES = 2000, TRADES = 400000, REPEATS = 7 };

struct sink {
	struct ap_out out;
	struct ap_saver saver;
	uint64_t records, fields, bytes;
};

static void sink_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct sink *s = (struct sink *)(void *)out;

	(void)to;
	(void)rec;
	s->records++;
}

static void sink_field(struct ap_saver *sv, ap_str field, ap_str value)
{
	struct sink *s = (struct sink *)(void *)((char *)sv - offsetof(struct sink, saver));

	s->fields++;
	s->bytes += field.len + value.len;
}

static void sink_del(struct ap_saver *sv, ap_str field)
{
	(void)sv;
	(void)field;
}

static uint64_t rng = 88172645463325252u;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

struct item {                   /* a trade, small, so that reading the tape costs little */
	int64_t price_cents, qty_e13;
	uint16_t series;
	uint8_t side, id_len;
	char id[12];
};

struct tape {
	struct item *item;
	char (*symbol)[16];
};

enum { STEP_NS = 5000, PER_BEAT = 1000000000 / STEP_NS };

static struct tape tape_new(bool skewed)
{
	struct tape t = { .item = calloc(TRADES, sizeof *t.item), .symbol = calloc(SERIES, sizeof *t.symbol) };
	int64_t *price = calloc(SERIES, sizeof *price);

	if (t.item == NULL || t.symbol == NULL || price == NULL)
		abort();
	for (size_t i = 0; i < SERIES; i++) {
		(void)snprintf(t.symbol[i], sizeof t.symbol[i], "S%zu-USDT", i);
		price[i] = 1000 + (int64_t)(next() % 6000000);
	}
	for (size_t i = 0; i < TRADES; i++) {
		struct item *m = &t.item[i];

		m->series = (uint16_t)(skewed && next() % 2 == 0 ? next() % (SERIES / 50) : next() % SERIES);
		price[m->series] += (int64_t)(next() % 21) - 10;
		if (price[m->series] < 100)
			price[m->series] = 100;
		m->price_cents = price[m->series];
		m->qty_e13 = (int64_t)(1 + next() % 100000);
		m->side = (uint8_t)(1 + next() % 2);
		m->id_len = (uint8_t)snprintf(m->id, sizeof m->id, "%u", 4000000000u + (unsigned)i);
	}
	free(price);
	return t;
}

static void beat_rec(struct ap_rec *r, int64_t ns)
{
	*r = (struct ap_rec){ .kind = AP_BEAT };
	r->u.beat = (struct ap_beat){ .source = { "binance", 7 }, .ts = { ns }, .covers_ms = 1000, .alive = true };
}

static void trade_rec(struct ap_rec *r, const struct tape *t, const struct item *m, int64_t ns)
{
	const ap_str symbol = { t->symbol[m->series], strlen(t->symbol[m->series]) };

	r->kind = AP_TRADE;
	r->u.trade = (struct ap_trade){
		.source = { "binance", 7 }, .symbol = symbol, .venue_symbol = symbol, .trade_id = { m->id, m->id_len },
		.ts = { ns }, .side = (enum ap_side)m->side, .price = { (ap_i128)m->price_cents * 10000000000000000 },
		.qty = { (ap_i128)m->qty_e13 * 10000000000000 },
	};
}

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A frame as the runtime takes it: shown, stepped, flushed. st NULL: it is only read, which is not the fold's work. */
static void frame_take(void *st, const struct tape *t, size_t from, size_t to, int64_t ns, struct sink *s)
{
	struct ap_rec rec;

	for (size_t i = from; i < to; i++) {
		trade_rec(&rec, t, &t->item[i], ns);
		if (st != NULL)
			ap_candle_stage.expect(st, &rec);
		else
			s->bytes += rec.u.trade.symbol.len;
	}
	for (size_t i = from; i < to; i++, ns += STEP_NS) {
		if (i % PER_BEAT == 0 && st != NULL) {
			beat_rec(&rec, ns);
			(void)ap_candle_stage.step(st, &rec, &s->out);
		}
		trade_rec(&rec, t, &t->item[i], ns);
		if (st != NULL)
			(void)ap_candle_stage.step(st, &rec, &s->out);
		else
			s->bytes += rec.u.trade.symbol.len;
	}
	if (st != NULL)
		ap_candle_stage.flush(st, &s->out);
}

/* One pass over the tape, beginning at this time; ns per trade. */
static double once(void *st, const struct tape *t, int64_t ns, size_t frame, bool save, struct sink *s)
{
	const double began = now_ns();

	for (size_t i = 0; i < TRADES; i += frame) {
		const size_t end = i + frame < TRADES ? i + frame : TRADES;

		frame_take(st, t, i, end, ns + (int64_t)i * STEP_NS, s);
		if (save)
			ap_candle_stage.save(st, &s->saver, false);
	}
	return (now_ns() - began) / TRADES;
}

static void measure(const char *market, const struct tape *t, size_t frame, bool save)
{
	double ns[REPEATS], read_ns = 1e9;
	struct sink s = { .out = { sink_put } };
	struct ap_conf conf;
	char err[200];

	ap_conf_init(&conf);
	for (int k = 0; k < REPEATS; k++) {
		const double ns_read = once(NULL, t, 0, frame, false, &s);

		read_ns = ns_read < read_ns ? ns_read : read_ns;
	}
	for (int k = 0; k < REPEATS; k++) {
		void *st = ap_candle_stage.open(&conf, err, sizeof err);

		if (st == NULL)
			abort();
		s = (struct sink){ .out = { sink_put }, .saver = { sink_field, sink_del } };
		(void)once(st, t, 1709251200000000000, frame, save, &s);        /* makes all series */
		s.records = s.fields = s.bytes = 0;
		ns[k] = once(st, t, 1709251200000000000 + (int64_t)TRADES * STEP_NS, frame, save, &s) - read_ns;
		ap_candle_stage.close(st);
	}
	ap_conf_done(&conf);
	qsort(ns, REPEATS, sizeof ns[0], by_value);
	printf("{\"bench\":\"candle_fold\",\"market\":\"%s\",\"series\":%d,\"timeframes\":6,\"tape_trades_per_s\":200000,\"frame\":%zu,\"save\":%s,\"trades\":%d,"
	       "\"ns_per_trade\":%.1f,\"ns_per_trade_min\":%.1f,\"ns_reading\":%.1f,\"records_out_per_trade\":%.2f,\"state_bytes_per_trade\":%.1f}\n",
	       market, SERIES, frame, save ? "true" : "false", TRADES, ns[REPEATS / 2], ns[0], read_ns, (double)s.records / TRADES, (double)s.bytes / TRADES);
}

int main(void)
{
	for (int skewed = 0; skewed < 2; skewed++) {
		struct tape t = tape_new(skewed == 1);
		const char *market = skewed == 1 ? "skewed" : "even";

		measure(market, &t, 512, false);
		measure(market, &t, 512, true);
		measure(market, &t, 1, false);
		measure(market, &t, 16384, false);
		free(t.item);
		free(t.symbol);
	}
	return 0;
}
