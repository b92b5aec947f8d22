/*
 * bench_candle.c - nanoseconds per trade of the candle fold, six timeframes, 2,000 series.
 *
 * Trades as they come out of a decoded frame: texts are views, series interleaved, prices walking, one beat a second, a
 * trade every 50 us of tape time. Output is counted and dropped. Two markets (every series as busy as any other; half
 * of the trades in one series of fifty), frames of 512 trades and of one. `save` is the state delta of each frame.
 * Prints one JSON line a case: median and least of the repeats.
 */
#include "stages/ap-candle/candle.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SERIES = 2000, TRADES = 200000, REPEATS = 9 };

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

struct tape {
	struct ap_rec *rec;
	size_t n;
	char (*symbol)[16];
	char (*id)[24];
};

static void tape_trade(struct tape *t, size_t i, int64_t ns, size_t series, int64_t *price)
{
	struct ap_rec *r = &t->rec[t->n++];
	int len;

	price[series] += (int64_t)(next() % 21) - 10;
	if (price[series] < 100)
		price[series] = 100;
	len = snprintf(t->id[i], sizeof t->id[i], "%zu", 4000000000u + i);
	*r = (struct ap_rec){ .kind = AP_TRADE };
	r->u.trade = (struct ap_trade){
		.source = { "binance", 7 }, .symbol = ap_str_c(t->symbol[series]), .venue_symbol = ap_str_c(t->symbol[series]),
		.trade_id = { t->id[i], (size_t)len }, .ts = { ns }, .side = 1 + (enum ap_side)(next() % 2),
		.price = { (ap_i128)price[series] * 10000000000000000 }, .qty = { (ap_i128)(1 + next() % 100000) * 10000000000000 },
	};
}

static struct tape tape_new(bool skewed)
{
	struct tape t = { .rec = calloc(2 * TRADES, sizeof *t.rec), .symbol = calloc(SERIES, sizeof *t.symbol),
			  .id = calloc(TRADES, sizeof *t.id) };
	int64_t *price = calloc(SERIES, sizeof *price), ns = 1709251200000000000, beat = ns;

	if (t.rec == NULL || t.symbol == NULL || t.id == NULL || price == NULL)
		abort();
	for (size_t i = 0; i < SERIES; i++) {
		(void)snprintf(t.symbol[i], sizeof t.symbol[i], "S%zu-USDT", i);
		price[i] = 1000 + (int64_t)(next() % 6000000);
	}
	for (size_t i = 0; i < TRADES; i++, ns += 50000) {
		for (; beat <= ns; beat += 1000000000) {
			t.rec[t.n] = (struct ap_rec){ .kind = AP_BEAT };
			t.rec[t.n++].u.beat = (struct ap_beat){ .source = { "binance", 7 }, .ts = { beat }, .covers_ms = 1000, .alive = true };
		}
		tape_trade(&t, i, ns, skewed && next() % 2 == 0 ? next() % (SERIES / 50) : next() % SERIES, price);
	}
	free(price);
	return t;
}

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double once(void *st, const struct tape *t, size_t frame, bool save, struct sink *s)
{
	const double began = now_ns();

	for (size_t i = 0; i < t->n; i++) {
		(void)ap_candle_stage.step(st, &t->rec[i], &s->out);
		if ((i + 1) % frame != 0)
			continue;
		ap_candle_stage.flush(st, &s->out);
		if (save)
			ap_candle_stage.save(st, &s->saver, false);
	}
	return (now_ns() - began) / TRADES;
}

static void measure(const char *market, const struct tape *t, size_t frame, bool save)
{
	double ns[REPEATS];
	struct sink s = { .out = { sink_put } };
	struct ap_conf conf;
	char err[200];

	ap_conf_init(&conf);
	for (int k = 0; k < REPEATS; k++) {
		void *st = ap_candle_stage.open(&conf, err, sizeof err);

		if (st == NULL)
			abort();
		s = (struct sink){ .out = { sink_put }, .saver = { sink_field, sink_del } };
		(void)once(st, t, frame, save, &s);     /* makes all series; the second pass is the same tape, in time */
		s.records = s.fields = s.bytes = 0;
		ns[k] = once(st, t, frame, save, &s);
		ap_candle_stage.close(st);
	}
	ap_conf_done(&conf);
	qsort(ns, REPEATS, sizeof ns[0], by_value);
	printf("{\"bench\":\"candle_fold\",\"market\":\"%s\",\"series\":%d,\"timeframes\":6,\"frame\":%zu,\"save\":%s,\"trades\":%d,"
	       "\"ns_per_trade\":%.1f,\"ns_per_trade_min\":%.1f,\"records_out_per_trade\":%.2f,\"state_bytes_per_trade\":%.1f}\n",
	       market, SERIES, frame, save ? "true" : "false", TRADES, ns[REPEATS / 2], ns[0], (double)s.records / TRADES, (double)s.bytes / TRADES);
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
		free(t.rec);
		free(t.symbol);
		free(t.id);
	}
	return 0;
}
