/*
 * bench_quotes.c - nanoseconds of processor time per quote through the normalize fold and then through the candle fold.
 *
 * Frames of a beat and 511 NDJSON quotes, every frame a second later, so that minutes close on the way: 500 series, each of which
 * quotes about once in a frame, and 20, which quote 25 times. The candle fold reads what the normalize fold wrote, six timeframes. Decoding and the saving of the state
 * once a frame, as a commit does it, are counted in; encoding of the normalize fold's output too. Prints one JSON line a case; of the
 * repeats the least and the median.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/wire.h"
#include "stages/ap-candle/candle.h"
#include "stages/ap-normalize/normalize.h"
#include "test/bench/measure.h"

enum { WARM = 70, FRAMES = WARM + 200, RECS = 511, REPEATS = 7, QUOTES = (FRAMES - WARM) * RECS };

/* Where a fold's output goes: ticks are kept for the next fold, the rest is counted. */
struct sink {
	struct ap_out out;
	struct ap_saver saver;
	struct ap_buf *keep;
	uint64_t recs, bars, state_bytes;
};

static struct ap_buf raw[FRAMES], tick[FRAMES];

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct sink *s = (struct sink *)out;

	if (to == AP_S_REJECT) {
		fprintf(stderr, "a quote was refused: %.*s\n", (int)rec->u.reject.detail.len, rec->u.reject.detail.p);
		exit(100);
	}
	s->recs++;
	s->bars += rec->kind == AP_QUOTEBAR && rec->u.quotebar.state == AP_FINAL;
	if (to == AP_S_TICK && !ap_wire_put(s->keep, rec))
		exit(111);
}

static void save(struct ap_saver *saver, ap_str field, ap_str value)
{
	struct sink *s = (struct sink *)(void *)((char *)saver - offsetof(struct sink, saver));

	s->state_bytes += field.len + value.len;
}

static void forget(struct ap_saver *saver, ap_str field)
{
	struct sink *s = (struct sink *)(void *)((char *)saver - offsetof(struct sink, saver));

	s->state_bytes += field.len;
}

static void raw_frame(struct ap_buf *b, unsigned f, unsigned series)
{
	int64_t ms = INT64_C(1723161240000) + (int64_t)f * 1000;
	struct ap_rec rec = { .kind = AP_BEAT };

	rec.u.beat = (struct ap_beat){ .source = ap_str_c("binance"), .ts = { ms * 1000000 }, .live = true, .alive = true, .covers_ms = 1000 };
	if (!ap_wire_put(b, &rec))
		exit(111);
	for (unsigned r = 0; r < RECS; r++) {
		unsigned i = f * RECS + r, bid = 6183700 + i * 7 % 100;
		char text[300];
		int n = snprintf(text, sizeof text,
				 "{\"source\":\"binance\",\"symbol\":\"S%uUSDT\",\"bid\":\"%u.%02u\",\"bid_size\":\"0.0%u\",\"ask\":\"%u.%02u\","
				 "\"ask_size\":\"1.%u\",\"timestamp\":%llu,\"seq\":%u}", i % series, bid / 100, bid % 100, 1 + i % 9,
				 (bid + 1 + i % 3) / 100, (bid + 1 + i % 3) % 100, i % 10, (unsigned long long)ms + r, i + 1);

		rec = (struct ap_rec){ .kind = AP_RAW };
		rec.u.raw = (struct ap_raw){ .source = ap_str_c("binance"), .format = ap_str_c("trade"), .payload = ap_str_n(text, (size_t)n),
					     .recv = { (ms + r) * 1000000 }, .seq = i + 1 };
		if (!ap_wire_put(b, &rec))
			exit(111);
	}
}

static double fold_ns(const struct ap_stage *stage, struct ap_buf *in, struct sink *s)
{
	static struct ap_wire_iter it;
	struct ap_conf conf;
	char err[200];
	int64_t from = 0;
	void *st;

	ap_conf_init(&conf);
	st = stage->open(&conf, err, sizeof err);
	if (st == NULL)
		exit(111);
	for (unsigned f = 0; f < FRAMES; f++) {
		struct ap_rec rec;

		if (f == WARM) {
			s->recs = s->bars = s->state_bytes = 0;
			from = measure_cpu_ns();
		}
		s->keep = &tick[f];
		if (in == raw)
			ap_buf_clear(s->keep);
		ap_wire_start(&it, ap_buf_view(&in[f]), RECS + 1);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK) {
			rec.id = (ap_id){ 1 + f, 0 };
			(void)stage->step(st, &rec, &s->out);
		}
		if (stage->flush != NULL)
			stage->flush(st, &s->out);
		stage->save(st, &s->saver, false);
	}
	from = measure_cpu_ns() - from;
	stage->close(st);
	ap_conf_done(&conf);
	return (double)from / QUOTES;
}

static void print(const char *what, double *v, const struct sink *s)
{
	measure_sort(v, REPEATS);
	printf(",\"%s\":{\"least_ns\":%.0f,\"median_ns\":%.0f,\"records_out\":%llu,\"bars_closed\":%llu,\"state_bytes_per_quote\":%.1f}", what, v[0],
	       v[REPEATS / 2], (unsigned long long)s->recs, (unsigned long long)s->bars, (double)s->state_bytes / QUOTES);
}

static void bench(unsigned series)
{
	struct sink n = { .out = { put }, .saver = { save, forget } }, c = n;
	double normalize[REPEATS], candle[REPEATS];

	for (unsigned f = 0; f < FRAMES; f++) {
		ap_buf_clear(&raw[f]);
		raw_frame(&raw[f], f, series);
	}
	for (int i = 0; i < REPEATS; i++) {
		normalize[i] = fold_ns(&ap_normalize_stage, raw, &n);
		candle[i] = fold_ns(&ap_candle_stage, tick, &c);
	}
	if (n.recs != QUOTES + FRAMES - WARM || c.bars == 0)
		exit(100);
	printf("{\"bench\":\"quotes\",\"quotes\":%d,\"series\":%u", QUOTES, series);
	print("normalize", normalize, &n);
	print("candle", candle, &c);
	puts("}");
}

int main(void)
{
	for (unsigned f = 0; f < FRAMES; f++) {
		ap_buf_init(&raw[f], 1 << 20);
		ap_buf_init(&tick[f], 1 << 20);
	}
	bench(500);
	bench(20);
	for (unsigned f = 0; f < FRAMES; f++) {
		ap_buf_done(&raw[f]);
		ap_buf_done(&tick[f]);
	}
	return 0;
}
