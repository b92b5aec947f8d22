/*
 * feed_streams.c - fills the streams of every partition with entries that follow from their number alone, as if
 * the stages before ap-persist had run. So a test knows what must be stored, and can feed the same again.
 *
 * usage: feed_streams PORT init PARTS            functions and data set
 *        feed_streams PORT feed PARTS FRAME FROM TO   entries FROM … TO-1 of each stream, FRAME messages each
 *        feed_streams PORT hole PARTS FRAME K    leaves out entry K of partition 0's tick: a loss
 *
 * Entry k of a partition has id BASE+k-0 and q k+1 in raw, tick, reject, candle, indicator and signal. Of its FRAME
 * messages every 10th is refused, the others become trades; with trade ids in even partitions. It brings one final
 * candle, every 7th entry also a revision of the candle before, three indicator values and one signal.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/stage.h"
#include "common/core/timefmt.h"
#include "common/core/wire.h"
#include "common/io/fn_load.h"

static const uint64_t base_ms = 1700000000000;
static const int64_t ms_ns = 1000000;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "feed_streams: %s: %s\n", what, why);
	exit(111);
}

static void done(redisContext *c, redisReply *r)
{
	if (r == NULL)
		fail("connection", c->errstr);
	if (r->type == REDIS_REPLY_ERROR)
		fail("refused", r->str);
	freeReplyObject(r);
}

static void init(redisContext *c, int parts)
{
	ap_str fn = ap_fn_text();

	done(c, redisCommand(c, "FUNCTION LOAD REPLACE %b", fn.p, fn.len));
	done(c, redisCommand(c, "FCALL ap_dataset_v1 1 ap:dataset 6f1f3c1e-0000-4000-8000-000000000001 %d 2026-01-01T00:00:00Z", parts));
	for (int p = 0; p < parts; p++)
		done(c, redisCommand(c, "HSET ap:{%d}:seq ds 6f1f3c1e-0000-4000-8000-000000000001 parts %d", p, parts));
}

struct frame {
	struct ap_buf b;
	uint32_t n;
};

static void put(struct frame *f, const struct ap_rec *rec)
{
	if (!ap_wire_put(&f->b, rec))
		fail("frame", "too large");
	f->n++;
}

static void send(redisContext *c, int p, enum ap_stream s, long k, struct frame *f)
{
	const char *name = ap_stream_name(s);
	uint64_t ms = base_ms + (uint64_t)k;

	if (redisAppendCommand(c, "XADD ap:{%d}:%s %llu-0 v 1 k %s q %ld n %u t %llu b %b", p, name, (unsigned long long)ms, name,
			       k + 1, f->n, (unsigned long long)ms, f->b.p, f->b.len) != REDIS_OK ||
	    redisAppendCommand(c, "HSET ap:{%d}:seq %s %ld %s:id %llu-0", p, name, k + 1, name, (unsigned long long)ms) != REDIS_OK)
		fail("append", c->errstr);
	ap_buf_clear(&f->b);
	f->n = 0;
}

static ap_dec cents(long v)
{
	ap_dec d = ap_dec_int(v);

	d.e18 /= 100;
	return d;
}

/* A message: refused or a trade. */
static void message(struct frame f[AP_S_N], int p, long k, long i, long frame)
{
	char payload[200], tid[32], symbol[16];
	long no = k * frame + i;
	int64_t ts = (int64_t)(base_ms + (uint64_t)no * 10) * ms_ns;
	bool bad = i % 10 == 9;

	snprintf(symbol, sizeof symbol, "SYM%ld-USD", no % 5);
	snprintf(tid, sizeof tid, "%ld", no);
	if (bad)
		snprintf(payload, sizeof payload, "{\"source\":\"feed\",\"price\":\"-%ld\"", no);
	else
		snprintf(payload, sizeof payload, "{\"source\":\"feed\",\"symbol\":\"%s\",\"price\":\"%ld.25\",\"quantity\":\"0.5\",\"timestamp\":%lld,"
			 "\"trade_id\":\"%s\"}", symbol, 100 + no % 50, (long long)(ts / ms_ns), tid);
	put(&f[AP_S_RAW], &(struct ap_rec){ .kind = AP_RAW, .u.raw = { ap_str_c("feed"), ap_str_c(bad ? "" : symbol), ap_str_c("trade"),
		ap_str_c(payload), { ts }, (uint64_t)no + 1 } });
	if (bad)
		put(&f[AP_S_REJECT], &(struct ap_rec){ .kind = AP_REJECT, .u.reject = { .origin = { base_ms + (uint64_t)k, 0 },
			.raw_idx = (uint32_t)i, .status = AP_ST_INVALID, .stage = ap_str_c("normalize"), .reason = ap_str_c("bad_json"),
			.detail = ap_str_c("no closing brace"), .source = ap_str_c("feed"), .recv = { ts }, .data = ap_str_c(payload) } });
	else
		put(&f[AP_S_TICK], &(struct ap_rec){ .kind = AP_TRADE, .u.trade = { .source = ap_str_c("feed"), .symbol = ap_str_c(symbol),
			.venue_symbol = ap_str_c(symbol), .trade_id = ap_str_c(p % 2 == 0 ? tid : ""), .ts = { ts },
			.price = cents(10025 + no % 50 * 100), .qty = cents(50), .side = AP_SIDE_BUY, .raw_idx = (uint32_t)i } });
}

static struct ap_rec candle(int p, long k, uint32_t revision, const char *symbol)
{
	struct ap_rec rec = { .kind = AP_CANDLE };
	struct ap_candle *c = &rec.u.candle;

	(void)p;
	*c = (struct ap_candle){ .source = ap_str_c("feed"), .symbol = ap_str_c(symbol), .tf = ap_str_c("1m"),
		.open_ms = (int64_t)(base_ms / 60000 + (uint64_t)k) * 60000, .open = cents(10000 + k), .high = cents(20000 + k),
		.low = cents(5000), .close = cents(15000), .volume = cents(1000 + revision), .vwap = cents(12345), .trade_count = 10 + revision,
		.state = revision > 0 ? AP_REVISED : AP_FINAL, .revision = revision, .coverage_ms = 60000, .quality = AP_Q_FULL };
	c->close_ms = c->open_ms + 60000;
	if (!ap_sum_addmul(&c->quote_volume, c->close, c->volume))
		fail("candle", "overflow");
	return rec;
}

static void entry(redisContext *c, struct frame f[AP_S_N], int p, long k, long frame, bool hole)
{
	static const struct ap_value values[] = {
		{ { "SMA", 3 }, { "period=20", 9 }, 0.1 }, { { "MACD", 4 }, { "fast=12,slow=26,signal=9", 24 }, -1.0 / 3.0 },
		{ { "RSI", 3 }, { "period=14", 9 }, 55.5 },
	};
	char symbol[16];
	struct ap_rec rec;

	snprintf(symbol, sizeof symbol, "P%d-USD", p);
	for (long i = 0; i < frame; i++)
		message(f, p, k, i, frame);
	put(&f[AP_S_TICK], &(struct ap_rec){ .kind = AP_BEAT, .u.beat = { ap_str_c("feed"), { (int64_t)(base_ms + (uint64_t)(k + 1) * 1000) * ms_ns },
		1000, true, true, false } });
	if (k % 7 == 6) {
		rec = candle(p, k - 1, 1, symbol);
		put(&f[AP_S_CANDLE], &rec);
	}
	rec = candle(p, k, 0, symbol);
	put(&f[AP_S_CANDLE], &rec);
	put(&f[AP_S_INDICATOR], &(struct ap_rec){ .kind = AP_INDICATOR, .u.indicator = { ap_str_c("feed"), ap_str_c(symbol), ap_str_c("1m"),
		rec.u.candle.open_ms, 0, false, 3, values } });
	put(&f[AP_S_SIGNAL], &(struct ap_rec){ .kind = AP_SIGNAL, .u.signal = { ap_str_c("feed"), ap_str_c(symbol), ap_str_c("1m"),
		rec.u.candle.open_ms, 0, AP_SIG_PATTERN, ap_str_c("DOJI"), AP_DIR_LONG, false, 100.0, 0.0, 0.0, 0.0, ap_str_c("{\"a\":1}") } });
	for (enum ap_stream s = 0; s < AP_S_N; s++) {
		if (s == AP_S_LIVE)
			continue;
		if (hole && s == AP_S_TICK)
			ap_buf_clear(&f[s].b), f[s].n = 0;
		else
			send(c, p, s, k, &f[s]);
	}
}

static void drain(redisContext *c, long n)
{
	redisReply *r;

	while (n-- > 0) {
		if (redisGetReply(c, (void **)&r) != REDIS_OK)
			fail("reply", c->errstr);
		done(c, r);
	}
}

int main(int argc, char **argv)
{
	redisContext *c;
	struct frame f[AP_S_N];
	const char *verb = argc > 3 ? argv[2] : "";
	int parts = argc > 3 ? atoi(argv[3]) : 0;
	long frame = argc > 4 ? atol(argv[4]) : 0, from = argc > 5 ? atol(argv[5]) : 0;
	bool hole = strcmp(verb, "hole") == 0;
	long to = hole ? from + 1 : argc > 6 ? atol(argv[6]) : 0;

	if (argc < 4 || parts < 1)
		fail("usage", "PORT init PARTS | feed PARTS FRAME FROM TO | hole PARTS FRAME K");
	c = redisConnect("127.0.0.1", atoi(argv[1]));
	if (c == NULL || c->err != 0)
		fail("connect", c == NULL ? "no memory" : c->errstr);
	if (strcmp(verb, "init") == 0)
		init(c, parts);
	for (enum ap_stream s = 0; s < AP_S_N; s++) {
		ap_buf_init(&f[s].b, AP_FRAME_BYTES);
		f[s].n = 0;
	}
	for (long k = from; k < to; k++)
		for (int p = 0; p < parts; p++) {
			bool here = hole && p == 0;

			entry(c, f, p, k, frame, here);
			drain(c, here ? 10 : 12);
		}
	for (enum ap_stream s = 0; s < AP_S_N; s++)
		ap_buf_done(&f[s].b);
	redisFree(c);
	return 0;
}
