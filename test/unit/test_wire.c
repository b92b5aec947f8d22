/*
 * test_wire.c - records as bytes: round trips, one spelling per value, refusals, damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "common/core/recjson.h"
#include "common/core/wire.h"
#include "test/lib/laws.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define S(lit) ap_str_n(lit, sizeof(lit) - 1)

static struct laws_rng chance = { 0x2545f4914f6cdd1du };

static uint64_t rnd(void)
{
	return laws_rand(&chance);
}

static struct ap_wire_iter it;

static ap_dec D(const char *t)
{
	ap_dec d = { 0 };

	assert_int_equal(ap_dec_parse(t, strlen(t), &d), AP_DEC_OK);
	return d;
}

static const struct ap_value some_values[] = {
	{ { "SMA", 3 }, { "period=20", 9 }, 61234.5 },
	{ { "MACD_SIGNAL", 11 }, { "fast=12,slow=26,signal=9", 24 }, -0.000012345 },
	{ { "RSI", 3 }, { NULL, 0 }, 0.0 },
};

/* One record of each kind, with every field set. */
static struct ap_rec sample(enum ap_kind k)
{
	struct ap_rec r = { .kind = k };

	switch (k) {
	case AP_RAW:
		r.u.raw = (struct ap_raw){ S("binance"), S("BTC-USDT"), S("trade"), S("{\"a\":1}\x00\xff"), { 1700000000123456789 }, 42 };
		break;
	case AP_TRADE:
		r.u.trade = (struct ap_trade){ S("binance"), S("BTC-USDT"), S("BTCUSDT"), S("3741286091"), { 1723161600123000000 },
					       D("61784.01"), D("0.00042"), AP_SIDE_SELL, 7, 3, UINT64_MAX, { 1723161600124000000 }, true };
		break;
	case AP_QUOTE:
		r.u.quote = (struct ap_quote){ S("okx"), S("UNI-USD-PERP"), S("UNI-USD-SWAP"), { 5 }, D("1.5"), D("0"),
					       D("123456789012345678.123456789012345678"), D("-2"), UINT32_MAX, 0, UINT64_C(0xab3f0000000011), { 6 }, UINT64_MAX };
		break;
	case AP_BEAT:
		r.u.beat = (struct ap_beat){ S("tcp"), { 1700000000000000000 }, 1000, true, false, true };
		break;
	case AP_CANDLE:
		r.u.candle = (struct ap_candle){ .source = S("kraken"), .symbol = S("BTC-USD"), .tf = S("1m"), .open_ms = 1700000040000,
						 .close_ms = 1700000100000, .open = D("1"), .high = D("3.25"), .low = D("0.000000000000000001"),
						 .close = D("2"), .volume = D("1000.5"), .quote_volume = { { 1, 2, 3, 4 } },
						 .vwap = D("133.666666666667"), .buy_volume = D("1000"), .sell_volume = D("0.5"),
						 .trade_count = 123456789, .state = AP_REVISED, .revision = 2, .coverage_ms = 59000,
						 .quality = AP_Q_PARTIAL };
		break;
	case AP_INDICATOR:
		r.u.indicator = (struct ap_indicator){ S("x"), S("SPY"), S("1d"), 86400000, 1, true, LEN(some_values), some_values };
		break;
	case AP_SIGNAL:
		r.u.signal = (struct ap_signal){ S("x"), S("SPY"), S("4h"), 14400000, 0, AP_SIG_OUTCOME, S("rsi_reversal"), AP_DIR_SHORT,
						 false, 0.75, 100.5, 101, 98.25, S("{\"rsi\":81.5}") };
		break;
	case AP_REJECT:
		r.u.reject = (struct ap_reject){ { 1700000000123, 64 }, 3, 1, UINT64_C(0xffffff0000000001), AP_ST_DUPLICATE, S("normalize"), S("duplicate"),
						 S("trade id seen before"), S("x"), S("SPY"), S("77"), { 9 }, { 10 }, S("{}"), true };
		break;
	case AP_METRIC:
		r.u.metric = (struct ap_metric){ S("ap-candle"), S("candle-0"), S("records_in_total"), S("part=\"3\""), AP_M_GAUGE, 1e300,
						 { 1700000000000000000 } };
		break;
	case AP_QUOTEBAR:
		r.u.quotebar = (struct ap_quotebar){
			.source = S("okx"), .symbol = S("BTC-USDT"), .tf = S("1m"), .open_ms = 1700000040000, .close_ms = 1700000100000,
			.bid = { D("1"), D("3"), D("0.5"), D("2") }, .ask = { D("1.5"), D("3.5"), D("1"), D("2.25") },
			.mid = { D("1.25"), D("3.25"), D("0.75"), D("2.125") }, .spread_min = D("0"), .spread_max = D("0.5"),
			.spread_last = D("0.25"), .spread_mean = D("0.333333333333333333"), .weighted_ns = 59999999999,
			.resolution_ms = 128, .quote_count = 1234567, .locked_count = 3, .state = AP_FINAL, .revision = 1,
			.coverage_ms = 60000, .quality = AP_Q_FULL };
		break;
	case AP_KIND_N:
		break;
	}
	return r;
}

/* Equality of records through their JSON, which has every field. */
static void assert_same(const struct ap_rec *a, const struct ap_rec *b)
{
	struct ap_buf x, y;

	ap_buf_init(&x, 1 << 20);
	ap_buf_init(&y, 1 << 20);
	ap_rec_json(&x, a);
	ap_rec_json(&y, b);
	ap_buf_putc(&x, '\0');
	ap_buf_putc(&y, '\0');
	assert_string_equal((char *)x.p, (char *)y.p);
	ap_buf_done(&x);
	ap_buf_done(&y);
}

static void every_kind_survives_the_wire(void **state)
{
	(void)state;
	for (int k = 1; k < AP_KIND_N; k++) {
		struct ap_rec in = sample((enum ap_kind)k), out;
		struct ap_buf b;

		ap_buf_init(&b, AP_FRAME_BYTES);
		assert_true(ap_wire_put(&b, &in));
		assert_true(b.len <= ap_wire_size(&in));
		assert_true(ap_wire_put(&b, &in));
		ap_wire_start(&it, ap_buf_view(&b), 2);
		for (uint32_t i = 0; i < 2; i++) {
			memset(&out, 0xee, sizeof out);
			if (ap_wire_next(&it, &out) != AP_WIRE_OK)
				fail_msg("%s: %s", ap_kind_name((enum ap_kind)k), it.why);
			assert_int_equal(out.idx, i);
			assert_same(&in, &out);
		}
		assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_END);
		assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_END);
		ap_buf_done(&b);
	}
}

/* Random record of a kind that carries many decimals. */
static struct ap_rec rnd_candle(void)
{
	struct ap_rec r = sample(AP_CANDLE);
	ap_dec *d[] = { &r.u.candle.open, &r.u.candle.high, &r.u.candle.low, &r.u.candle.close, &r.u.candle.volume, &r.u.candle.vwap };
	ap_u128 lim = (ap_u128)1000000000000000000u * 1000000000000000000u;
	char t[64];

	for (size_t i = 0; i < LEN(d); i++) {
		ap_u128 v = (((ap_u128)rnd() << 64 | rnd()) >> (rnd() % 128)) % lim;

		if (rnd() % 2) {
			snprintf(t, sizeof t, "%llu.%llu", (unsigned long long)(rnd() % 100000), (unsigned long long)(rnd() % 1000));
			*d[i] = D(t);
		} else {
			d[i]->e18 = rnd() % 2 ? (ap_i128)v : -(ap_i128)v;
		}
	}
	r.u.candle.quote_volume = (ap_sum){ { 0 } };
	ap_sum_addmul(&r.u.candle.quote_volume, r.u.candle.open, r.u.candle.volume);
	return r;
}

static void any_decimal_and_sum_survives_the_wire_in_equal_bytes(void **state)
{
	uint8_t one[1024], two[1024];
	struct ap_buf b, c;
	struct ap_rec in, out;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		in = rnd_candle();
		ap_buf_fixed(&b, one, sizeof one);
		assert_true(ap_wire_put(&b, &in));
		assert_true(b.len <= ap_wire_size(&in));
		ap_wire_start(&it, ap_buf_view(&b), 1);
		assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_OK);
		assert_true(out.u.candle.high.e18 == in.u.candle.high.e18 && out.u.candle.vwap.e18 == in.u.candle.vwap.e18);
		assert_int_equal(ap_sum_cmp(&out.u.candle.quote_volume, &in.u.candle.quote_volume), 0);
		ap_buf_fixed(&c, two, sizeof two);
		assert_true(ap_wire_put(&c, &out));
		assert_int_equal(b.len, c.len);
		assert_memory_equal(one, two, b.len);
	}
}

static void equal_values_have_equal_bytes_however_they_were_spelled(void **state)
{
	static const char *const spelled[] = { "61784.01", "61784.010", "6178401e-2", "+061784.01000000000000000000000" };
	uint8_t first[256], b2[256];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < LEN(spelled); i++) {
		struct ap_rec r = sample(AP_TRADE);
		struct ap_buf b;

		r.u.trade.price = D(spelled[i]);
		ap_buf_fixed(&b, i == 0 ? first : b2, sizeof first);
		assert_true(ap_wire_put(&b, &r));
		if (i == 0)
			len = b.len;
		assert_int_equal(b.len, len);
		assert_memory_equal(i == 0 ? first : b2, first, len);
	}
}

static void the_bytes_of_a_trade_are_these(void **state)
{
	static const uint8_t want[] = { 0xdc, 0x00, 0x10, 0x02, 0xa3, 't', 'c', 'p', 0xa3, 'S', 'P', 'Y', 0xa3, 'S', 'P', 'Y', 0xa1, '7',
					0xce, 0x3b, 0x9a, 0xca, 0x00,           /* ts 1e9 */
					0xcd, 0x3a, 0xa7, 0x02,                 /* 150.15 = 15015 x 10^-2 */
					0xcc, 0xc8, 0x00,                       /* 200 */
					0x01, 0x00, 0x02, 0x05, 0x06, 0xc2 };
	struct ap_rec r = { .kind = AP_TRADE };
	uint8_t got[64];
	struct ap_buf b;

	(void)state;
	r.u.trade = (struct ap_trade){ S("tcp"), S("SPY"), S("SPY"), S("7"), { 1000000000 }, D("150.15"), D("200"), AP_SIDE_BUY, 0, 2, 5, { 6 }, false };
	ap_buf_fixed(&b, got, sizeof got);
	assert_true(ap_wire_put(&b, &r));
	assert_int_equal(b.len, sizeof want);
	assert_memory_equal(got, want, sizeof want);
}

static void a_frame_cut_at_any_byte_is_refused(void **state)
{
	(void)state;
	for (int k = 1; k < AP_KIND_N; k++) {
		struct ap_rec in = sample((enum ap_kind)k), out;
		struct ap_buf b;

		ap_buf_init(&b, AP_FRAME_BYTES);
		assert_true(ap_wire_put(&b, &in));
		for (size_t cut = 0; cut < b.len; cut++) {
			/* A copy of exactly that size, so that a look past the end is seen by the sanitizer. */
			char *copy = malloc(cut + 1);

			memcpy(copy, b.p, cut);
			ap_wire_start(&it, ap_str_n(copy, cut), 1);
			assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_BAD);
			assert_non_null(it.why);
			assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_BAD);
			free(copy);
		}
		ap_buf_done(&b);
	}
}

static void hostile_counts_and_shapes_are_refused(void **state)
{
	static const struct {
		uint8_t b[32];
		size_t n;
	} t[] = {
		{ { 0xdd, 0xff, 0x00, 0x00, 0x00 }, 5 },                /* an array of 4 billion */
		{ { 0xdc, 0xff, 0xff }, 3 },
		{ { 0xdd, 0x00, 0x00, 0x00 }, 4 },
		{ { 0x90 }, 1 },                                        /* no kind */
		{ { 0x91, 0x00 }, 2 },                                  /* kind 0 */
		{ { 0x91, 0x0a }, 2 },                                  /* kind after the last */
		{ { 0x91, 0x04 }, 2 },                                  /* a beat without its fields */
		{ { 0x95, 0x04, 0xa1, 'x', 0x01, 0x01, 0x08 }, 7 },     /* flags out of range */
		{ { 0x95, 0x04, 0xa1, 'x', 0xff, 0x01, 0x01 }, 7 },     /* negative time */
		{ { 0x95, 0x04, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x01, 0x01, 0x01 }, 10 },
		{ { 0x95, 0x04, 0x95, 0x95, 0x95, 0x95, 0x95, 0x95 }, 8 },      /* depth */
		{ { 0x95, 0x04, 0xc4, 0x01, 'x', 0x01, 0x01, 0x01 }, 8 },       /* bin where str belongs */
		{ { 0x80 }, 1 }, { { 0xc1 }, 1 }, { { 0xc7, 0xff }, 2 }, { { 0x02 }, 1 },
		{ { 0x98, 0x06, 0xa1, 'x', 0xa1, 'x', 0xa1, 'x', 0x00, 0x00, 0xc2, 0xce, 0xff, 0xff, 0xff, 0xff }, 16 }, /* 4 billion values */
	};
	struct ap_rec r;

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		ap_wire_start(&it, ap_str_n((const char *)t[i].b, t[i].n), 1);
		if (ap_wire_next(&it, &r) != AP_WIRE_BAD)
			fail_msg("taken: row %zu", i);
	}
	/* A well-formed beat with a text longer than a source may be. */
	uint8_t big[64] = { 0x95, 0x04, 0xd9, 33 };
	memset(big + 4, 'x', 33);
	memcpy(big + 37, "\x01\x01\x01", 3);
	ap_wire_start(&it, ap_str_n((const char *)big, 40), 1);
	assert_int_equal(ap_wire_next(&it, &r), AP_WIRE_BAD);
	assert_string_equal(it.why, "text too long");
	big[3] = 32;
	memmove(big + 36, big + 37, 3);
	ap_wire_start(&it, ap_str_n((const char *)big, 39), 1);
	assert_int_equal(ap_wire_next(&it, &r), AP_WIRE_OK);
}

static void announced_counts_must_be_true(void **state)
{
	struct ap_rec in = sample(AP_BEAT), out;
	uint8_t bytes[128];
	struct ap_buf b;

	(void)state;
	ap_buf_fixed(&b, bytes, sizeof bytes);
	assert_true(ap_wire_put(&b, &in));
	ap_wire_start(&it, ap_buf_view(&b), 0);
	assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_BAD);
	ap_wire_start(&it, ap_buf_view(&b), 2);
	assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_OK);
	assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_BAD);
	ap_wire_start(&it, ap_buf_view(&b), AP_FRAME_RECS + 1);
	assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_BAD);
	ap_wire_start(&it, ap_str_n("", 0), 0);
	assert_int_equal(ap_wire_next(&it, &out), AP_WIRE_END);
}

static void a_second_spelling_of_a_decimal_is_refused(void **state)
{
	/* A quote whose bid is spelled in turn as: */
	static const struct {
		uint8_t b[24];
		size_t n;
		enum ap_wire_rc rc;
	} t[] = {
		{ { 0x0f, 0x01 }, 2, AP_WIRE_OK },                      /* 1.5 */
		{ { 0xcd, 0x00, 0x0f, 0x01 }, 4, AP_WIRE_OK },          /* the same, a wider msgpack integer */
		{ { 0xcc, 0x96, 0x02 }, 3, AP_WIRE_BAD },               /* 1.50 */
		{ { 0x00, 0x01 }, 2, AP_WIRE_BAD },                     /* 0.0 */
		{ { 0x01, 0x13 }, 2, AP_WIRE_BAD },                     /* 19 fractional digits */
		{ { 0xc4, 0x01, 0x0f, 0x01 }, 4, AP_WIRE_BAD },         /* bytes where an integer does */
		{ { 0xc4, 0x09, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x12 }, 12, AP_WIRE_OK },      /* 2^63 x 1e-18 */
		{ { 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x12 }, 10, AP_WIRE_BAD },                 /* 2^63 as uint64 */
		{ { 0xc4, 0x0a, 0x00, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x12 }, 13, AP_WIRE_BAD },    /* a byte too many */
		{ { 0xc4, 0x11, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00 }, 20, AP_WIRE_BAD },
		{ { 0xcf, 0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0x00, 0x00, 0x00 }, 10, AP_WIRE_BAD },    /* 1e18 */
	};
	struct ap_rec out;

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		uint8_t body[64] = { 0xdc, 0x00, 0x12, 0x03, 0xa1, 'x', 0xa1, 'y', 0xa1, 'z', 0x05 };
		size_t n = 11;

		memcpy(body + n, t[i].b, t[i].n);
		n += t[i].n;
		memcpy(body + n, "\x01\x00\x01\x00\x01\x00\x00\x00\x07\x08\x00", 11);
		n += 11;
		ap_wire_start(&it, ap_str_n((const char *)body, n), 1);
		if (ap_wire_next(&it, &out) != t[i].rc)
			fail_msg("row %zu: %s", i, it.why == NULL ? "taken" : it.why);
	}
}

/* What the cursor takes, it takes completely: written again it reads the same. Random damage never leads it astray. */
static void random_mutation_is_survived(void **state)
{
	struct ap_rec out;
	unsigned taken = 0;

	(void)state;
	for (int round = 0; round < 60000; round++) {
		struct ap_rec in = sample((enum ap_kind)(1 + rnd() % (AP_KIND_N - 1)));
		uint8_t bytes[2048], again[2048];
		struct ap_buf b, c;
		char *exact;

		ap_buf_fixed(&b, bytes, sizeof bytes);
		assert_true(ap_wire_put(&b, &in));
		for (uint64_t m = rnd() % 3; m > 0; m--)
			bytes[rnd() % b.len] = (uint8_t)rnd();
		if (rnd() % 8 == 0)
			b.len = rnd() % (b.len + 1);
		exact = malloc(b.len + 1);
		memcpy(exact, bytes, b.len);
		ap_wire_start(&it, ap_str_n(exact, b.len), 1);
		if (ap_wire_next(&it, &out) == AP_WIRE_OK) {
			ap_buf_fixed(&c, again, sizeof again);
			assert_true(ap_wire_put(&c, &out));
			taken++;
		}
		free(exact);
	}
	assert_true(taken > 10000);
}

/* --- the same bytes through msgpack-c's own unpacker ------------------------------- */

static void same_str(const msgpack_object *o, ap_str s)
{
	assert_int_equal(o->type, MSGPACK_OBJECT_STR);
	assert_int_equal(o->via.str.size, s.len);
	assert_true(s.len == 0 || memcmp(o->via.str.ptr, s.p, s.len) == 0);
}

static int64_t int_of(const msgpack_object *o)
{
	assert_true(o->type == MSGPACK_OBJECT_POSITIVE_INTEGER || o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER);
	return o->via.i64;
}

/* A decimal or sum as text, from its two elements. */
static void same_number(const msgpack_object *o, const char *text)
{
	ap_sum m = { { 0 } }, v;
	char got[AP_SUM_TEXT];

	if (o[0].type == MSGPACK_OBJECT_BIN) {
		const uint8_t *p = (const uint8_t *)o[0].via.bin.ptr;
		uint32_t n = o[0].via.bin.size;

		memset(&m, p[0] & 0x80 ? 0xff : 0, sizeof m);
		for (uint32_t i = 0; i < n; i++)
			((uint8_t *)&m)[i] = p[n - 1 - i];
	} else {
		int64_t i = int_of(&o[0]);

		memset(&m, i < 0 ? 0xff : 0, sizeof m);
		m.w[0] = (uint64_t)i;
	}
	assert_true(ap_sum_scaled(&m, (unsigned)int_of(&o[1]), &v));
	ap_sum_format(&v, got);
	assert_string_equal(got, text);
}

static void same_dec(const msgpack_object *o, ap_dec d)
{
	char t[AP_DEC_TEXT];

	ap_dec_format(d, t);
	same_number(o, t);
}

static void msgpack_c_reads_the_same_values(void **state)
{
	struct ap_rec r;
	struct ap_buf b;
	msgpack_unpacked u;
	size_t off;
	const msgpack_object *a;
	char t[AP_SUM_TEXT];

	(void)state;
	msgpack_unpacked_init(&u);
	ap_buf_init(&b, AP_FRAME_BYTES);
	for (int i = 0; i < 2000; i++) {
		ap_buf_clear(&b);
		r = i == 0 ? sample(AP_CANDLE) : rnd_candle();
		ap_wire_put(&b, &r);
		off = 0;
		assert_int_equal(msgpack_unpack_next(&u, (const char *)b.p, b.len, &off), MSGPACK_UNPACK_SUCCESS);
		assert_int_equal(off, b.len);
		assert_int_equal(u.data.type, MSGPACK_OBJECT_ARRAY);
		assert_int_equal(u.data.via.array.size, 29);
		a = u.data.via.array.ptr;
		assert_int_equal(int_of(&a[0]), AP_CANDLE);
		same_str(&a[1], r.u.candle.source);
		same_str(&a[3], r.u.candle.tf);
		assert_int_equal(int_of(&a[4]), r.u.candle.open_ms);
		same_dec(&a[6], r.u.candle.open);
		same_dec(&a[10], r.u.candle.low);
		ap_sum_format(&r.u.candle.quote_volume, t);
		same_number(&a[16], t);
		same_dec(&a[18], r.u.candle.vwap);
		assert_int_equal(int_of(&a[24]), r.u.candle.trade_count);
		assert_int_equal(int_of(&a[28]), r.u.candle.quality);
	}
	ap_buf_clear(&b);
	r = sample(AP_INDICATOR);
	ap_wire_put(&b, &r);
	off = 0;
	assert_int_equal(msgpack_unpack_next(&u, (const char *)b.p, b.len, &off), MSGPACK_UNPACK_SUCCESS);
	a = u.data.via.array.ptr;
	assert_int_equal(u.data.via.array.size, 8 + 3 * 3);
	assert_int_equal(int_of(&a[7]), 3);
	same_str(&a[8], ap_str_c("SMA"));
	assert_true(a[10].via.f64 == 61234.5);
	ap_buf_clear(&b);
	r = sample(AP_RAW);
	ap_wire_put(&b, &r);
	off = 0;
	assert_int_equal(msgpack_unpack_next(&u, (const char *)b.p, b.len, &off), MSGPACK_UNPACK_SUCCESS);
	a = u.data.via.array.ptr;
	assert_int_equal(a[4].type, MSGPACK_OBJECT_BIN);
	assert_int_equal(a[4].via.bin.size, r.u.raw.payload.len);
	assert_memory_equal(a[4].via.bin.ptr, r.u.raw.payload.p, r.u.raw.payload.len);
	msgpack_unpacked_destroy(&u);
	ap_buf_done(&b);
}

static void a_buffer_too_small_says_so(void **state)
{
	struct ap_rec r = sample(AP_TRADE);
	uint8_t bytes[256];
	struct ap_buf b;
	size_t need;

	(void)state;
	ap_buf_fixed(&b, bytes, sizeof bytes);
	assert_true(ap_wire_put(&b, &r));
	need = b.len;
	for (size_t cap = 0; cap < need; cap++) {
		ap_buf_fixed(&b, bytes, cap);
		assert_false(ap_wire_put(&b, &r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_survives_the_wire),
		cmocka_unit_test(any_decimal_and_sum_survives_the_wire_in_equal_bytes),
		cmocka_unit_test(equal_values_have_equal_bytes_however_they_were_spelled),
		cmocka_unit_test(the_bytes_of_a_trade_are_these),
		cmocka_unit_test(a_frame_cut_at_any_byte_is_refused),
		cmocka_unit_test(hostile_counts_and_shapes_are_refused),
		cmocka_unit_test(announced_counts_must_be_true),
		cmocka_unit_test(a_second_spelling_of_a_decimal_is_refused),
		cmocka_unit_test(random_mutation_is_survived),
		cmocka_unit_test(msgpack_c_reads_the_same_values),
		cmocka_unit_test(a_buffer_too_small_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
