/*
 * ap-feed.c - writes what the stages would have written, so that ap-api can be tested without them.
 *
 * usage: ap-feed REDIS_PORT PARTITIONS MINUTES SECONDS [STEP_MS]
 * First dataset and functions, then MINUTES closed 1m candles with values (and 5m, 1h candles) up to now. Then, for SECONDS,
 * every STEP_MS (200) a trade per series in the tick stream and its forming candle, beats and metrics each second;
 * minutes that end are closed. Prices are a seeded walk.
 */
#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../common/core/part.h"
#include "../../common/core/stage.h"
#include "../../common/core/wire.h"
#include "../../common/io/fn_load.h"

struct walk {
	const char *source, *symbol;
	double price;
	uint64_t rng;
	struct ap_candle c[3];          /* forming: 1m 5m 1h */
	double ema12, ema26, sum20[20], sig;
	unsigned n20;
};

static const struct { const char *name; int64_t ms; } tfs[3] = { { "1m", 60000 }, { "5m", 300000 }, { "1h", 3600000 } };
static redisContext *redis;
static unsigned parts;

static struct walk walks[] = {
	{ .source = "binance", .symbol = "BTC-USDT", .price = 64250, .rng = 1 },
	{ .source = "kraken", .symbol = "BTC-USDT", .price = 64248, .rng = 2 },
	{ .source = "binance", .symbol = "ETH-USDT", .price = 3120, .rng = 3 },
	{ .source = "binance", .symbol = "SOL-USDT", .price = 148, .rng = 4 },
};
enum { WALKS = sizeof walks / sizeof walks[0] };

static void die(const char *what)
{
	fprintf(stderr, "ap-feed: %s: %s\n", what, redis != NULL ? redis->errstr : "");
	exit(1);
}

static double uniform(struct walk *w)
{
	w->rng = w->rng * 6364136223846793005u + 1442695040888963407u;
	return (double)(w->rng >> 11) / 9007199254740992.0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void check(redisReply *r, const char *what)
{
	if (r == NULL || r->type == REDIS_REPLY_ERROR) {
		fprintf(stderr, "ap-feed: %s: %s\n", what, r == NULL ? redis->errstr : r->str);
		exit(1);
	}
	freeReplyObject(r);
}

/* One frame of one record into ap:{part}:stream, numbered as the stages number theirs. */
static void emit(unsigned part, enum ap_stream s, const struct ap_rec *rec, int64_t t_ms)
{
	static uint64_t q[AP_PARTS_MAX][AP_S_N];
	struct ap_buf b;
	const char *name = ap_stream_name(s);
	if (q[part][s] == 0) {
		redisReply *r = redisCommand(redis, "HGET ap:{%u}:seq %s", part, name);
		q[part][s] = r != NULL && r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
		freeReplyObject(r);
	}
	q[part][s]++;
	ap_buf_init(&b, AP_FRAME_BYTES);
	ap_wire_put(&b, rec);
	check(redisCommand(redis, "XADD ap:{%u}:%s * v 1 k %s q %llu n 1 t %lld b %b", part, name, name,
			   (unsigned long long)q[part][s], (long long)t_ms, b.p, b.len), "XADD");
	check(redisCommand(redis, "HSET ap:{%u}:seq %s %llu %s:n %llu", part, name, (unsigned long long)q[part][s], name,
			   (unsigned long long)q[part][s]), "HSET");
	ap_buf_done(&b);
}

static ap_dec dec(double v, unsigned digits)
{
	char text[64];
	ap_dec d = { 0 };
	int n = snprintf(text, sizeof text, "%.*f", (int)digits, v);
	ap_dec_parse(text, (size_t)n, &d);
	return d;
}

static void trade_into(struct ap_candle *c, ap_dec p, ap_dec q, bool buy)
{
	if (c->trade_count == 0)
		c->open = c->high = c->low = p;
	if (ap_dec_cmp(p, c->high) > 0)
		c->high = p;
	if (ap_dec_cmp(p, c->low) < 0)
		c->low = p;
	c->close = p;
	ap_dec_add(c->volume, q, &c->volume);
	ap_dec_add(buy ? c->buy_volume : c->sell_volume, q, buy ? &c->buy_volume : &c->sell_volume);
	ap_sum_addmul(&c->quote_volume, p, q);
	ap_sum_div(&c->quote_volume, c->volume, 12, &c->vwap);
	c->trade_count++;
}

static void begin_candle(struct walk *w, unsigned k, int64_t t_ms)
{
	int64_t open = t_ms / tfs[k].ms * tfs[k].ms;
	w->c[k] = (struct ap_candle){ .source = ap_str_c(w->source), .symbol = ap_str_c(w->symbol), .tf = ap_str_c(tfs[k].name),
				      .open_ms = open, .close_ms = open + tfs[k].ms, .state = AP_FORMING };
}

static void emit_values(const struct walk *w, unsigned part, const struct ap_candle *c)
{
	double mean = 0, var = 0;
	for (unsigned i = 0; i < 20; i++)
		mean += w->sum20[i] / 20;
	for (unsigned i = 0; i < 20; i++)
		var += (w->sum20[i] - mean) * (w->sum20[i] - mean) / 20;
	double macd = w->ema12 - w->ema26;
	const struct ap_value v[] = {
		{ ap_str_c("SMA"), ap_str_c("period=20"), mean }, { ap_str_c("EMA"), ap_str_c("period=12"), w->ema12 },
		{ ap_str_c("EMA"), ap_str_c("period=26"), w->ema26 }, { ap_str_c("RSI"), ap_str_c("period=14"), 50 + 30 * tanh(macd / 20) },
		{ ap_str_c("MACD"), ap_str_c("fast=12,slow=26,signal=9"), macd },
		{ ap_str_c("MACD_SIGNAL"), ap_str_c("fast=12,slow=26,signal=9"), w->sig },
		{ ap_str_c("MACD_HIST"), ap_str_c("fast=12,slow=26,signal=9"), macd - w->sig },
		{ ap_str_c("BB_UPPER"), ap_str_c("period=20,dev=2"), mean + 2 * sqrt(var) },
		{ ap_str_c("BB_MIDDLE"), ap_str_c("period=20,dev=2"), mean },
		{ ap_str_c("BB_LOWER"), ap_str_c("period=20,dev=2"), mean - 2 * sqrt(var) },
	};
	struct ap_rec rec = { .kind = AP_INDICATOR, .u.indicator = { c->source, c->symbol, c->tf, c->open_ms, c->revision, false,
								     sizeof v / sizeof v[0], v } };
	if (w->n20 >= 26)
		emit(part, AP_S_INDICATOR, &rec, c->open_ms);
}

static void close_candle(struct walk *w, unsigned part, unsigned k)
{
	struct ap_rec rec = { .kind = AP_CANDLE, .u.candle = w->c[k] };
	if (w->c[k].trade_count == 0)
		return;
	rec.u.candle.state = AP_FINAL;
	rec.u.candle.coverage_ms = tfs[k].ms;
	emit(part, AP_S_CANDLE, &rec, w->c[k].open_ms);
	if (k != 0)
		return;
	double close = ap_dec_to_double(w->c[k].close);
	w->sum20[w->n20++ % 20] = close;
	w->ema12 = w->n20 == 1 ? close : w->ema12 + (close - w->ema12) * 2 / 13;
	w->ema26 = w->n20 == 1 ? close : w->ema26 + (close - w->ema26) * 2 / 27;
	w->sig += (w->ema12 - w->ema26 - w->sig) * 0.2;
	emit_values(w, part, &rec.u.candle);
	if (w->n20 > 30 && w->n20 % 37 == 0) {
		struct ap_rec s = { .kind = AP_SIGNAL, .u.signal = { rec.u.candle.source, rec.u.candle.symbol, rec.u.candle.tf,
			rec.u.candle.open_ms, 0, AP_SIG_PATTERN, ap_str_c(w->n20 % 2 ? "CDLENGULFING" : "CDLHAMMER"),
			w->n20 % 2 ? AP_DIR_SHORT : AP_DIR_LONG, false, w->n20 % 2 ? -100 : 100, 0, 0, 0, ap_str_c("{}") } };
		emit(part, AP_S_SIGNAL, &s, rec.u.candle.open_ms);
	}
}

static void trade(struct walk *w, int64_t t_ms, bool publish)
{
	unsigned part = ap_part(ap_str_c(w->source), ap_str_c(w->symbol), parts);
	w->price *= 1 + (uniform(w) - 0.5) * 0.0006 + (uniform(w) < 0.01 ? (uniform(w) - 0.5) * 0.004 : 0);
	ap_dec p = dec(w->price, 2), q = dec(0.001 + pow(uniform(w), 6) * 2.5, 5);
	bool buy = uniform(w) < 0.5;
	struct ap_rec rec = { .kind = AP_TRADE, .u.trade = { .source = ap_str_c(w->source), .symbol = ap_str_c(w->symbol),
		.venue_symbol = ap_str_c(w->symbol), .ts = { t_ms * 1000000 }, .price = p, .qty = q,
		.side = buy ? AP_SIDE_BUY : AP_SIDE_SELL } };
	if (publish)
		emit(part, AP_S_TICK, &rec, t_ms);
	for (unsigned k = 0; k < 3; k++) {
		if (w->c[k].close_ms <= t_ms) {
			close_candle(w, part, k);
			begin_candle(w, k, t_ms);
		}
		trade_into(&w->c[k], p, q, buy);
		struct ap_rec live = { .kind = AP_CANDLE, .u.candle = w->c[k] };
		if (publish)
			emit(part, AP_S_LIVE, &live, t_ms);
	}
}

static void beats(int64_t t_ms)
{
	static const char *const sources[] = { "binance", "kraken" };
	for (unsigned p = 0; p < parts; p++)
		for (unsigned i = 0; i < 2; i++) {
			struct ap_rec r = { .kind = AP_BEAT, .u.beat = { ap_str_c(sources[i]), { t_ms * 1000000 }, 1000, true, true, false } };
			emit(p, AP_S_TICK, &r, t_ms);
		}
}

static void metrics(int64_t t_ms)
{
	static const char *const comp[] = { "ap-ingest", "ap-normalize", "ap-candle", "ap-indicators", "ap-persist", "ap-metrics" };
	struct ap_buf b;
	ap_buf_init(&b, AP_FRAME_BYTES);
	for (unsigned i = 0; i < 6; i++) {
		struct ap_rec r = { .kind = AP_METRIC, .u.metric = { ap_str_c(comp[i]), ap_str_c("test"), ap_str_c("records_in_total"),
			ap_str_c(""), AP_M_COUNTER, (double)(t_ms % 1000000), { t_ms * 1000000 } } };
		ap_wire_put(&b, &r);
	}
	check(redisCommand(redis, "XADD ap:metric MAXLEN ~ 10000 * v 1 k metric q 1 n 6 t %lld b %b", (long long)t_ms, b.p, b.len), "XADD");
	ap_buf_done(&b);
}

static void setup(void)
{
	ap_str fn = ap_fn_text();
	check(redisCommand(redis, "FUNCTION LOAD REPLACE %b", fn.p, fn.len), "FUNCTION LOAD");
	check(redisCommand(redis, "HSET ap:dataset id 11111111-2222-3333-4444-555555555555 parts %u created 2026-01-01T00:00:00Z", parts), "HSET");
	for (unsigned p = 0; p < parts; p++)
		check(redisCommand(redis, "HSET ap:{%u}:seq ds 11111111-2222-3333-4444-555555555555 parts %u", p, parts), "HSET");
}

int main(int argc, char **argv)
{
	if (argc < 5)
		die("usage: ap-feed REDIS_PORT PARTITIONS MINUTES SECONDS [STEP_MS]");
	redis = redisConnect("127.0.0.1", atoi(argv[1]));
	if (redis == NULL || redis->err != 0)
		die("connect");
	parts = (unsigned)atoi(argv[2]);
	int64_t minutes = atol(argv[3]), seconds = atol(argv[4]), step = argc > 5 ? atol(argv[5]) : 200;
	int64_t now = now_ms(), from = now / 60000 * 60000 - minutes * 60000;
	setup();
	for (unsigned i = 0; i < WALKS; i++)
		for (unsigned k = 0; k < 3; k++)
			begin_candle(&walks[i], k, from);
	for (int64_t t = from; t < now; t += 3000)
		for (unsigned i = 0; i < WALKS; i++)
			trade(&walks[i], t, false);
	for (int64_t t = now, beat = 0; t < now + seconds * 1000; t = now_ms()) {
		if (t - beat >= 1000) {
			beats(t);
			metrics(t);
			beat = t;
		}
		for (unsigned i = 0; i < WALKS; i++)
			trade(&walks[i], t, true);
		usleep((useconds_t)step * 1000);
	}
	return 0;
}
