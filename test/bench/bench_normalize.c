/*
 * bench_normalize.c - nanoseconds of processor time per trade through the normalize fold, and what its parts cost.
 *
 * Frames of 512 raw messages are decoded, parsed, checked, remembered and encoded as trades, and the state is
 * saved once a frame, as a commit does it. 500 series, every id new; measured once each series has had its first
 * hundred prices, which are counted in the state. Prints one JSON line; of the repeats the least and the median.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/venue.h"
#include "common/core/wire.h"
#include "stages/ap-normalize/normalize.h"
#include "test/bench/measure.h"

enum { WARM = 100, FRAMES = WARM + 200, RECS = 512, REPEATS = 9, SERIES = 500, TRADES = (FRAMES - WARM) * RECS };

struct frame {
	struct ap_buf body;
};

struct sink {
	struct ap_out out;
	struct ap_saver saver;
	struct ap_buf buf;
	uint64_t recs, state_bytes;
};

static struct frame frames[FRAMES];

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct sink *s = (struct sink *)out;
	if (to != AP_S_TICK || !ap_wire_put(&s->buf, rec)) {
		fprintf(stderr, "a trade was refused\n");
		exit(100);
	}
	s->recs++;
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

static int ndjson(char *p, size_t cap, unsigned i)
{
	return snprintf(p, cap, "{\"source\":\"binance\",\"symbol\":\"S%uUSDT\",\"price\":\"61837.%02u\",\"quantity\":\"0.0%u\","
			"\"timestamp\":%llu,\"trade_id\":\"%u\",\"side\":\"buy\"}", i % SERIES, i % 100, 1 + i % 9,
			1723161255342ull + i / 10, 3735683259u + i);
}

static int binance(char *p, size_t cap, unsigned i)
{
	return snprintf(p, cap, "{\"stream\":\"s%uusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":%llu,\"s\":\"S%uUSDT\",\"t\":%u,"
			"\"p\":\"61837.%02u000000\",\"q\":\"0.0%u000000\",\"T\":%llu,\"m\":true,\"M\":true}}", i % SERIES,
			1723161255343ull + i / 10, i % SERIES, 3735683259u + i, i % 100, 1 + i % 9, 1723161255342ull + i / 10);
}

static const struct {
	const char *name;
	int (*write)(char *p, size_t cap, unsigned i);
} formats[] = { { "trade", ndjson }, { "binance", binance } };

static void make_frames(size_t k)
{
	for (unsigned f = 0, i = 0; f < FRAMES; f++) {
		ap_buf_clear(&frames[f].body);
		for (unsigned r = 0; r < RECS; r++, i++) {
			char text[400];
			struct ap_rec rec = { .kind = AP_RAW };
			int n = formats[k].write(text, sizeof text, i);
			rec.u.raw = (struct ap_raw){
				.source = ap_str_c("binance"), .format = ap_str_c(formats[k].name),
				.payload = ap_str_n(text, (size_t)n), .recv = { INT64_C(1723161255400000000) + i }, .seq = i + 1,
			};
			if (!ap_wire_put(&frames[f].body, &rec))
				exit(111);
		}
	}
}

static double fold_ns(struct sink *s)
{
	static struct ap_wire_iter it;
	const struct ap_stage *stage = &ap_normalize_stage;
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
			s->recs = s->state_bytes = 0;
			from = measure_cpu_ns();
		}
		ap_buf_clear(&s->buf);
		ap_wire_start(&it, ap_buf_view(&frames[f].body), RECS);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK) {
			rec.id = (ap_id){ 1 + f, 0 };
			(void)stage->step(st, &rec, &s->out);
		}
		stage->save(st, &s->saver, false);
	}
	from = measure_cpu_ns() - from;
	stage->close(st);
	ap_conf_done(&conf);
	return (double)from / TRADES;
}

static double route_ns(struct ap_venue *v)
{
	static struct ap_wire_iter it;
	int64_t from = measure_cpu_ns();
	for (unsigned f = 0; f < FRAMES; f++) {
		struct ap_rec rec;
		ap_wire_start(&it, ap_buf_view(&frames[f].body), RECS);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK) {
			const struct ap_raw *raw = &rec.u.raw;
			struct ap_route r;
			ap_venue_route(v, ap_format_find(raw->format), raw->source, raw->payload, &r);
			if (r.what != AP_VENUE_TRADES)
				exit(100);
		}
	}
	return (double)(measure_cpu_ns() - from) / (FRAMES * RECS);
}

static double scan_ns(bool (*parse)(struct ap_json *, ap_str, struct ap_jtok *, uint32_t))
{
	static struct ap_wire_iter it;
	static struct ap_jtok toks[256];
	int64_t from = measure_cpu_ns();
	for (unsigned f = 0; f < FRAMES; f++) {
		struct ap_rec rec;
		ap_wire_start(&it, ap_buf_view(&frames[f].body), RECS);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK) {
			struct ap_json j;
			if (!parse(&j, rec.u.raw.payload, toks, 256))
				exit(100);
		}
	}
	return (double)(measure_cpu_ns() - from) / (FRAMES * RECS);
}

static void print(const char *what, double *v)
{
	measure_sort(v, REPEATS);
	printf("\"%s_ns\":{\"least\":%.0f,\"median\":%.0f}", what, v[0], v[REPEATS / 2]);
}

static void bench(size_t k, struct sink *s, struct ap_venue *v)
{
	double fold[REPEATS], route[REPEATS], scan[REPEATS], yajl[REPEATS];
	make_frames(k);
	for (int i = 0; i < REPEATS; i++) {
		fold[i] = fold_ns(s);
		route[i] = route_ns(v);
		scan[i] = scan_ns(ap_json_scan);
		yajl[i] = scan_ns(ap_json_yajl);
	}
	if (s->recs != TRADES)
		exit(100);
	printf("%s\"%s\":{", k == 0 ? "" : ",", formats[k].name);
	print("fold", fold);
	putchar(',');
	print("route", route);
	putchar(',');
	print("decode_and_scan", scan);
	putchar(',');
	print("decode_and_yajl", yajl);
	printf(",\"state_bytes_per_trade\":%.1f}", (double)s->state_bytes / (double)s->recs);
}

int main(void)
{
	struct sink s = { .out = { put }, .saver = { save, forget } };
	struct ap_venue *v = ap_venue_new();
	if (v == NULL)
		return 111;
	ap_buf_init(&s.buf, 1 << 20);
	for (unsigned f = 0; f < FRAMES; f++)
		ap_buf_init(&frames[f].body, 1 << 20);
	printf("{\"bench\":\"normalize\",\"trades\":%d,\"series\":%d,", TRADES, SERIES);
	for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++)
		bench(k, &s, v);
	puts("}");
	for (unsigned f = 0; f < FRAMES; f++)
		ap_buf_done(&frames[f].body);
	ap_buf_done(&s.buf);
	ap_venue_free(v);
	return 0;
}
