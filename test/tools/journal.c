/*
 * journal.c - writes a journal of made trades, as ap-ingest would have: to measure what reads one.
 *
 *     journal DIR DATASET PRODUCER TRADES SYMBOLS PER_SECOND
 *
 * NDJSON messages of source "made", with trade ids, a beat each second, the last one closing. The same arguments give the same records.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/origin.h"
#include "common/core/timefmt.h"
#include "common/core/wire.h"
#include "common/io/journal.h"

static void synced(void *ctx, uint64_t seq)
{
	(void)seq;
	ev_break(ctx, EVBREAK_ONE);
}

static void state(void *ctx, enum ap_journal_state s, const char *why)
{
	(void)ctx;
	if (s != AP_JOURNAL_GOOD) {
		fprintf(stderr, "journal: %s\n", why);
		exit(111);
	}
}

struct writer {
	struct ev_loop *loop;
	struct ap_journal *j;
	uint32_t tag;
	struct ap_buf wire;
};

static void put(struct writer *w, struct ap_rec *rec, ap_str source, ap_ts at)
{
	if (rec->kind == AP_RAW)
		rec->u.raw.seq = ap_origin_make(w->tag, ap_journal_last(w->j) + 1);
	ap_buf_clear(&w->wire);
	if (!ap_wire_put(&w->wire, rec))
		exit(111);
	while (ap_journal_append(w->j, (uint8_t)rec->kind, source, at, ap_buf_view(&w->wire)) == 0)
		ev_run(w->loop, 0);
}

static uint32_t dice(uint64_t *s)
{
	*s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*s >> 33);
}

static void trades(struct writer *w, uint64_t n, unsigned symbols, uint64_t rate)
{
	const int64_t start_ms = INT64_C(1700006400000);
	const ap_str source = ap_str_c("made");
	int64_t beat_ms = start_ms;
	uint64_t seed = 42;

	for (uint64_t i = 1; i <= n + 1; i++) {
		int64_t ms = start_ms + (int64_t)(i * 1000 / rate);
		char text[256], symbol[24];
		struct ap_rec r = { .kind = AP_BEAT };

		for (; beat_ms <= ms || i > n; beat_ms += 1000) {
			r.u.beat = (struct ap_beat){ .source = source, .ts = { beat_ms * 1000000 }, .alive = true, .covers_ms = beat_ms == start_ms ? 0 : 1000,
						     .close = i > n };
			put(w, &r, source, (ap_ts){ beat_ms * 1000000 });
			if (i > n)
				return;
		}
		(void)snprintf(symbol, sizeof symbol, "M%u-USD", dice(&seed) % symbols);
		(void)snprintf(text, sizeof text, "{\"source\":\"made\",\"symbol\":\"%s\",\"price\":\"%u.%02u\",\"quantity\":\"%u.%06u\",\"timestamp\":%" PRId64
			       ",\"trade_id\":\"%" PRIu64 "\",\"side\":\"%s\"}", symbol, 100 + dice(&seed) % 3, dice(&seed) % 100, dice(&seed) % 3,
			       1 + dice(&seed) % 999999, ms, i, dice(&seed) % 2 ? "buy" : "sell");
		r = (struct ap_rec){ .kind = AP_RAW, .u.raw = { .source = source, .symbol = ap_str_c(symbol), .format = ap_str_c("trade"),
								.payload = ap_str_c(text), .recv = { ms * 1000000 } } };
		put(w, &r, source, (ap_ts){ ms * 1000000 });
	}
}

int main(int argc, char **argv)
{
	static const struct ap_journal_events ev = { synced, state };
	struct ap_journal_report rep;
	struct ap_log log = { .app = "journal", .least = AP_WARN };
	struct writer w = { .loop = EV_DEFAULT };

	if (argc != 7) {
		fprintf(stderr, "usage: journal DIR DATASET PRODUCER TRADES SYMBOLS PER_SECOND\n");
		return 100;
	}
	const struct ap_journal_conf conf = { .dir = argv[1], .dataset = argv[2], .producer = argv[3], .segment_bytes = 64 << 20,
					      .held_max = 32 << 20, .retain_ms = UINT64_MAX / 2 };
	ap_buf_init(&w.wire, AP_FRAME_BYTES);
	w.tag = ap_origin_tag(ap_str_c(argv[3]));
	w.j = ap_journal_open(w.loop, &log, &conf, &ev, w.loop, &rep);
	if (w.j == NULL) {
		fprintf(stderr, "journal: %s\n", rep.err);
		return 111;
	}
	trades(&w, strtoull(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
	while (ap_journal_synced(w.j) < ap_journal_last(w.j))
		ev_run(w.loop, 0);
	printf("%" PRIu64 "\n", ap_journal_last(w.j));
	ap_journal_free(w.j);
	ap_buf_done(&w.wire);
	return 0;
}
