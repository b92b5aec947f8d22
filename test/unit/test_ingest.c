/*
 * test_ingest.c - the pure parts of ap-ingest: cutting streams, gathering frames, reading tapes, inventing a market.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/part.h"
#include "common/core/timefmt.h"
#include "stages/ap-ingest/batch.h"
#include "stages/ap-ingest/confirm.h"
#include "stages/ap-ingest/conflate.h"
#include "stages/ap-ingest/history.h"
#include "stages/ap-ingest/replay.h"
#include "stages/ap-ingest/sim.h"
#include "stages/ap-ingest/split.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- split ---------------------------------------------------------------------------- */

static struct ap_buf seen;

static void note(void *ctx, ap_str msg, bool cut)
{
	(void)ctx;
	ap_buf_str(&seen, msg);
	ap_buf_puts(&seen, cut ? "!|" : "|");
}

static const char *seen_text(void)
{
	ap_buf_putc(&seen, '\0');
	assert_false(seen.full);
	seen.len--;
	return (const char *)seen.p;
}

/* Feeds the text in pieces of `step` bytes. */
static const char *split(const char *in, size_t max, size_t step, bool lines)
{
	struct ap_split s;
	size_t n = strlen(in);

	ap_buf_clear(&seen);
	ap_split_init(&s, max, lines);
	for (size_t i = 0; i < n; i += step)
		ap_split_feed(&s, in + i, n - i < step ? n - i : step, note, NULL);
	ap_split_end(&s, note, NULL);
	ap_split_done(&s);
	return seen_text();
}

static void messages_are_cut_the_same_wherever_the_stream_is_cut(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}|" },
		{ "{\"a\":1}{\"b\":{\"c\":[1,{}]}}{\"d\":4}", "{\"a\":1}|{\"b\":{\"c\":[1,{}]}}|{\"d\":4}|" },
		{ "\r\n  {\"a\":1} \t {\"b\":2}\r\n\n\n", "{\"a\":1}|{\"b\":2}|" },
		{ "{\"a\":\"}{\\\"}\"}{\"b\":\"\\\\\"}", "{\"a\":\"}{\\\"}\"}|{\"b\":\"\\\\\"}|" },
		{ "garbage\n{\"a\":1}\n", "garbage|{\"a\":1}|" },
		{ "{\"a\":\"open\n{\"b\":2}\n", "{\"a\":\"open|{\"b\":2}|" },       /* a broken line does not swallow the next */
		{ "{\"a\":{\n{\"b\":2}", "{\"a\":{|{\"b\":2}|" },
		{ "{\"a\":1}tail\n{\"b\":2}", "{\"a\":1}|tail|{\"b\":2}|" },
		{ "[1,2]\n{\"b\":2}", "[1,2]|{\"b\":2}|" },
		{ "{\"a\":1", "{\"a\":1|" },
		{ "}{\n", "}{|" },
		{ "", "" },
		{ "\n \n", "" },
	};

	(void)state;
	ap_buf_init(&seen, 1 << 16);
	for (size_t i = 0; i < LEN(t); i++)
		for (size_t step = 1; step <= strlen(t[i].in) + 1; step++)
			assert_string_equal(split(t[i].in, 1000, step, false), t[i].out);
	assert_string_equal(split("{\"a\":1}{\"b\":2}\nx,y\n", 1000, 3, true), "{\"a\":1}{\"b\":2}|x,y|");
	ap_buf_done(&seen);
}

static void an_overlong_message_is_cut_and_the_next_one_is_whole(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "{\"a\":\"0123456789\"}{\"b\":2}", "{\"a\":\"0123!|{\"b\":2}|" },
		{ "0123456789abcdef\n{\"b\":2}", "0123456789!|{\"b\":2}|" },
		{ "0123456789\n{\"b\":2}", "0123456789|{\"b\":2}|" },
		{ "{\"a\":\"01234567\n{\"b\":2}", "{\"a\":\"0123!|{\"b\":2}|" },
		{ "{\"a\":\"0123456789", "{\"a\":\"0123!|" },
	};

	(void)state;
	ap_buf_init(&seen, 1 << 16);
	for (size_t i = 0; i < LEN(t); i++)
		for (size_t step = 1; step <= strlen(t[i].in) + 1; step++)
			assert_string_equal(split(t[i].in, 10, step, false), t[i].out);
	ap_buf_done(&seen);
}

/* --- batch ----------------------------------------------------------------------------- */

/* A raw record into a lane, as its bytes. */
static bool put_raw(struct ap_batch *b, unsigned part, const char *payload, size_t len, uint64_t seq, int64_t t_ms, uint64_t ticket)
{
	struct ap_rec r = { .kind = AP_RAW };
	struct ap_buf wire;
	bool ok;

	r.u.raw = (struct ap_raw){ ap_str_c("tcp"), ap_str_c("SPY"), ap_str_c("trade"), ap_str_n(payload, len), { 5 }, seq };
	ap_buf_init(&wire, AP_FRAME_BYTES);
	assert_true(ap_wire_put(&wire, &r));
	ok = ap_batch_put(b, part, ap_buf_view(&wire), seq, t_ms, ticket);
	ap_buf_done(&wire);
	return ok;
}

static struct ap_wire_iter it;

/* Sequence numbers of a frame's records, as they stand in its bytes. */
static uint64_t check_frame(const struct ap_frame *f, uint64_t from)
{
	struct ap_rec r;

	assert_true(f->n >= 1 && f->n <= AP_FRAME_RECS && f->body.len <= AP_FRAME_BYTES && f->closed);
	ap_wire_start(&it, ap_buf_view(&f->body), f->n);
	for (uint32_t i = 0; i < f->n; i++, from++) {
		assert_int_equal(ap_wire_next(&it, &r), AP_WIRE_OK);
		assert_int_equal(r.u.raw.seq, from);
		assert_int_equal(f->slot[i].seq, from);
	}
	assert_int_equal(ap_wire_next(&it, &r), AP_WIRE_END);
	return from;
}

static void records_gather_into_full_frames_in_order(void **state)
{
	struct ap_batch *b = ap_batch_new(2);
	uint64_t next = 1;
	unsigned frames = 0;
	struct ap_frame *f;

	(void)state;
	for (uint64_t i = 1; i <= 1200; i++)
		assert_true(put_raw(b, 1, "{}", 2, i, (int64_t)i * 10, 0));
	assert_null(ap_batch_head(b, 0, UINT64_MAX));
	assert_int_equal(ap_batch_last(b, 1), 1200);
	assert_true(ap_batch_bytes(b) > 1200 * 20);
	while ((f = ap_batch_head(b, 1, UINT64_MAX)) != NULL) {
		assert_int_equal(f->t_ms, next * 10);
		assert_int_equal(ap_frame_first_seq(f), next);
		next = check_frame(f, next);
		assert_int_equal(ap_frame_last_seq(f), next - 1);
		ap_batch_pop(b, 1);
		frames++;
	}
	assert_int_equal(next, 1201);
	assert_int_equal(frames, 3);
	assert_int_equal(ap_batch_bytes(b), 0);
	ap_batch_free(b);
}

static void a_frame_on_its_way_takes_no_more_records(void **state)
{
	struct ap_batch *b = ap_batch_new(1);
	struct ap_frame *f;

	(void)state;
	put_raw(b, 0, "{}", 2, 1, 7, 99);
	f = ap_batch_head(b, 0, UINT64_MAX);
	put_raw(b, 0, "{}", 2, 2, 8, 0);
	put_raw(b, 0, "{}", 2, 3, 9, 0);
	assert_ptr_equal(ap_batch_head(b, 0, UINT64_MAX), f);
	assert_int_equal(f->n, 1);
	assert_int_equal(f->tickets, 1);
	assert_int_equal(f->slot[0].ticket, 99);
	ap_batch_pop(b, 0);
	f = ap_batch_head(b, 0, UINT64_MAX);
	assert_int_equal(f->n, 2);
	assert_int_equal(check_frame(f, 2), 4);
	assert_int_equal(f->tickets, 0);
	ap_batch_pop(b, 0);
	assert_null(ap_batch_head(b, 0, UINT64_MAX));
	ap_batch_free(b);
}

static void large_records_make_short_frames(void **state)
{
	static char big[AP_PAYLOAD_MAX];
	struct ap_batch *b = ap_batch_new(1);
	uint64_t next = 1;
	struct ap_frame *f;

	(void)state;
	memset(big, 'x', sizeof big);
	for (uint64_t i = 1; i <= 10; i++)
		assert_true(put_raw(b, 0, big, sizeof big, i, 0, 0));
	while ((f = ap_batch_head(b, 0, UINT64_MAX)) != NULL) {
		assert_true(f->n == 3 || next == 10);
		next = check_frame(f, next);
		ap_batch_pop(b, 0);
	}
	assert_int_equal(next, 11);
	ap_batch_free(b);
}

static void what_is_there_already_is_cut_from_the_front(void **state)
{
	struct ap_batch *b = ap_batch_new(1);
	struct ap_frame *f;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		put_raw(b, 0, "{}", 2, i, 0, i % 2);
	f = ap_batch_head(b, 0, UINT64_MAX);
	assert_int_equal(ap_batch_cut(b, 0, 0), 0);
	assert_int_equal(ap_batch_cut(b, 0, 4), 4);
	assert_int_equal(f->n, 6);
	assert_int_equal(f->tickets, 3);
	assert_int_equal(check_frame(f, 5), 11);
	assert_int_equal(ap_batch_bytes(b), f->body.len);
	assert_int_equal(ap_batch_cut(b, 0, 100), 6);
	assert_int_equal(f->n, 0);
	assert_int_equal(ap_batch_bytes(b), 0);
	ap_batch_pop(b, 0);
	assert_null(ap_batch_head(b, 0, UINT64_MAX));
	ap_batch_free(b);
}

static void a_frame_holds_nothing_above_what_is_safe(void **state)
{
	struct ap_batch *b = ap_batch_new(1);
	struct ap_frame *f;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		put_raw(b, 0, "{}", 2, i, (int64_t)i, i % 2);
	assert_null(ap_batch_head(b, 0, 0));
	f = ap_batch_head(b, 0, 4);
	assert_int_equal(check_frame(f, 1), 5);
	assert_int_equal(f->tickets, 2);
	assert_ptr_equal(ap_batch_head(b, 0, 10), f);   /* it is on its way: nothing joins it */
	assert_int_equal(f->n, 4);
	put_raw(b, 0, "{}", 2, 11, 11, 11);
	ap_batch_pop(b, 0);
	assert_null(ap_batch_head(b, 0, 4));
	f = ap_batch_head(b, 0, 5);
	assert_int_equal(check_frame(f, 5), 6);
	ap_batch_pop(b, 0);
	f = ap_batch_head(b, 0, 1000);
	assert_int_equal(check_frame(f, 6), 12);
	assert_int_equal(f->tickets, 3);
	ap_batch_pop(b, 0);
	assert_int_equal(ap_batch_bytes(b), 0);
	assert_null(ap_batch_first(b, 0));
	ap_batch_free(b);
}

static void a_lane_that_is_emptied_goes_on_where_it_is_told_to(void **state)
{
	struct ap_batch *b = ap_batch_new(2);

	(void)state;
	for (uint64_t i = 1; i <= 600; i++)
		put_raw(b, (unsigned)(i % 2), "{}", 2, i, 0, 0);
	assert_non_null(ap_batch_head(b, 0, 10));
	ap_batch_reset(b, 0, 3);
	assert_null(ap_batch_first(b, 0));
	assert_int_equal(ap_batch_last(b, 0), 3);
	assert_int_equal(ap_batch_last(b, 1), 599);
	assert_true(put_raw(b, 0, "{}", 2, 4, 0, 0));
	assert_int_equal(ap_frame_first_seq(ap_batch_head(b, 0, 4)), 4);
	ap_batch_free(b);
}

static void what_gathered_elsewhere_is_put_behind(void **state)
{
	struct ap_batch *b = ap_batch_new(3), *tail = ap_batch_new(3);
	uint64_t next = 1;
	size_t bytes;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		put_raw(b, 1, "{}", 2, i, 0, 0);
	for (uint64_t i = 6; i <= 700; i++) {
		put_raw(tail, 1, "{}", 2, i, 0, 0);
		put_raw(tail, 2, "{}", 2, i, 0, 0);
	}
	bytes = ap_batch_bytes(b) + ap_batch_bytes(tail);
	ap_batch_join(b, tail);
	assert_int_equal(ap_batch_bytes(b), bytes);
	assert_int_equal(ap_batch_bytes(tail), 0);
	assert_null(ap_batch_first(tail, 1));
	assert_null(ap_batch_first(b, 0));
	for (struct ap_frame *f; (f = ap_batch_head(b, 1, UINT64_MAX)) != NULL; ap_batch_pop(b, 1))
		next = check_frame(f, next);
	assert_int_equal(next, 701);
	assert_int_equal(ap_frame_first_seq(ap_batch_head(b, 2, UINT64_MAX)), 6);
	assert_int_equal(ap_batch_last(b, 2), 700);
	assert_true(put_raw(tail, 1, "{}", 2, 701, 0, 0));
	ap_batch_free(tail);
	ap_batch_free(b);
}

/* --- what PostgreSQL has ------------------------------------------------------------------ */

static void a_number_is_confirmed_by_the_greatest_mark_at_or_below_the_entry(void **state)
{
	struct ap_confirm *c = ap_confirm_new(2);

	(void)state;
	ap_confirm_mark(c, 1, (ap_id){ 10, 0 }, 100);
	ap_confirm_mark(c, 1, (ap_id){ 20, 64 }, 190);
	ap_confirm_mark(c, 1, (ap_id){ 20, 64 }, 200);
	ap_confirm_mark(c, 1, (ap_id){ 20, 0 }, 900);   /* they go back: left out */
	ap_confirm_mark(c, 1, (ap_id){ 30, 0 }, 150);
	assert_int_equal(ap_confirm_last(c, 1).ms, 20);
	assert_int_equal(ap_confirm_last(c, 0).ms, 0);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 9, UINT64_MAX }), 0);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 10, 0 }), 100);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 20, 63 }), 100);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 99, 0 }), 200);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 20, 63 }), 0);  /* its mark is forgotten */
	assert_int_equal(ap_confirm_upto(c, 0, (ap_id){ 99, 0 }), 0);
	ap_confirm_clear(c, 1);
	assert_int_equal(ap_confirm_upto(c, 1, (ap_id){ 99, 0 }), 0);
	ap_confirm_free(c);
}

static void marks_reach_back_any_time_and_never_say_too_much(void **state)
{
	struct ap_confirm *c = ap_confirm_new(1);

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++)
		ap_confirm_mark(c, 0, (ap_id){ i, 0 }, i * 10);
	for (uint64_t i = 1; i <= 100000; i += 7) {
		uint64_t upto = ap_confirm_upto(c, 0, (ap_id){ i, 0 });

		assert_true(upto >= 10 && upto <= i * 10);
	}
	assert_int_equal(ap_confirm_upto(c, 0, (ap_id){ 100000, 0 }), 1000000);
	ap_confirm_free(c);
}

static void what_is_stored_is_bounded_by_the_slowest_stream(void **state)
{
	static const struct {
		struct ap_confirm_stream s[2];
		ap_id taken, bound;
	} t[] = {
		{ { { { 0, 0 }, { 0, 0 } }, { { 0, 0 }, { 0, 0 } } }, { 50, 64 }, { 50, 64 } },         /* nothing ever came out */
		{ { { { 50, 64 }, { 50, 64 } }, { { 40, 0 }, { 40, 0 } } }, { 50, 64 }, { 50, 64 } },   /* all at their ends */
		{ { { { 50, 65 }, { 50, 64 } }, { { 40, 0 }, { 40, 0 } } }, { 50, 64 }, { 49, UINT64_MAX } },   /* its continuation is missing */
		{ { { { 60, 0 }, { 51, 0 } }, { { 40, 0 }, { 40, 0 } } }, { 50, 64 }, { 50, 64 } },
		{ { { { 60, 0 }, { 60, 0 } }, { { 40, 0 }, { 30, 0 } } }, { 50, 64 }, { 29, UINT64_MAX } },
		{ { { { 60, 0 }, { 0, 0 } }, { { 40, 0 }, { 30, 0 } } }, { 50, 64 }, { 0, UINT64_MAX } },       /* nothing is stored yet */
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		assert_int_equal(ap_id_cmp(ap_confirm_bound(t[i].taken, t[i].s, 2), t[i].bound), 0);
}

/* --- tapes ------------------------------------------------------------------------------- */

/* Each item as a line: place, kind, and what matters of it. */
static void write_item(void *ctx, const struct ap_tape_item *i)
{
	struct ap_buf *b = ctx;
	const struct ap_rec *r = i->rec;
	char ts[AP_TS_TEXT];

	if (r->kind == AP_BEAT) {
		assert_true(i->everywhere && r->u.beat.alive && !r->u.beat.live);
		ap_ts_format(r->u.beat.ts, 3, ts);
		ap_buf_printf(b, "%d beat %.*s %s %u%s\n", (int)i->place, (int)r->u.beat.source.len, r->u.beat.source.p, ts + 11,
			      r->u.beat.covers_ms, r->u.beat.close ? " close" : "");
		return;
	}
	assert_false(i->everywhere);
	assert_int_equal(r->u.raw.seq, i->place);
	ap_ts_format(r->u.raw.recv, 3, ts);
	ap_buf_printf(b, "%d %.*s %.*s %.*s %s %.*s\n", (int)i->place, (int)r->u.raw.source.len, r->u.raw.source.p,
		      (int)r->u.raw.symbol.len, r->u.raw.symbol.p, (int)r->u.raw.format.len, r->u.raw.format.p, ts + 11,
		      (int)(r->u.raw.payload.len > 200 ? 200 : r->u.raw.payload.len), r->u.raw.payload.p);
}

static void run_tape(const struct ap_tape_spec *spec, const char *text, bool close, const char *want)
{
	char err[200] = "";
	struct ap_tape *t = ap_tape_new(spec, err, sizeof err);
	struct ap_buf b;

	if (t == NULL)
		fail_msg("%s", err);
	ap_buf_init(&b, 1 << 20);
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, "\n");

		ap_tape_line(t, ap_str_n(p, n), false, write_item, &b);
		p += n + (p[n] == '\n');
	}
	ap_tape_end(t, close, write_item, &b);
	ap_buf_putc(&b, '\0');
	assert_false(b.full);
	assert_string_equal((char *)b.p, want);
	ap_buf_done(&b);
	ap_tape_free(t);
}

static void a_binance_archive_becomes_trades_and_beats(void **state)
{
	const struct ap_tape_spec spec = { "binance-trades", NULL, NULL, "BTCUSDT" };

	(void)state;
	run_tape(&spec,
		 "id,price,qty,quote_qty,time,is_buyer_maker\n"
		 "11,61800.30,0.006,370.8018,1723161256322,false\n"
		 "12,61800.30,1.990,12298.2597,1723161256344,true\n"
		 "13,61801,2,1,1723161259001,False,True\n",
		 true,
		 "1 binance BTC-USDT trade 23:54:16.322Z "
		 "{\"symbol\":\"BTCUSDT\",\"price\":\"61800.30\",\"quantity\":\"0.006\",\"timestamp\":\"1723161256322\",\"trade_id\":\"11\",\"side\":\"buy\"}\n"
		 "2 binance BTC-USDT trade 23:54:16.344Z "
		 "{\"symbol\":\"BTCUSDT\",\"price\":\"61800.30\",\"quantity\":\"1.990\",\"timestamp\":\"1723161256344\",\"trade_id\":\"12\",\"side\":\"sell\"}\n"
		 "3 beat binance 23:54:19.000Z 2678\n"
		 "4 binance BTC-USDT trade 23:54:19.001Z "
		 "{\"symbol\":\"BTCUSDT\",\"price\":\"61801\",\"quantity\":\"2\",\"timestamp\":\"1723161259001\",\"trade_id\":\"13\",\"side\":\"buy\"}\n"
		 "5 beat binance 23:54:19.001Z 1 close\n");
}

static void an_aggregated_archive_without_header_is_read(void **state)
{
	const struct ap_tape_spec spec = { "binance-aggtrades", NULL, "Binance_Spot", "XRPETH" };

	(void)state;
	run_tape(&spec, "13519807,0.00141342,23.00000000,15373518,15373518,1570752011620,true,true\n", false,
		 "1 binance_spot XRP-ETH trade 00:00:11.620Z "
		 "{\"symbol\":\"XRPETH\",\"price\":\"0.00141342\",\"quantity\":\"23.00000000\",\"timestamp\":\"1570752011620\",\"trade_id\":\"13519807\",\"side\":\"sell\"}\n");
}

static void columns_may_stand_in_any_order(void **state)
{
	const struct ap_tape_spec spec = { "csv", "-,symbol,time,side,quantity,price", "x", NULL };

	(void)state;
	run_tape(&spec,
		 "n,sym,when,side,size,price\n"
		 "1,SPY,2026-01-02T03:04:05.5Z,sell,7,1e2\n"
		 "2,\"BTC-USD\",1767323045.75,,\"3\",\"a,b\"\n"
		 "3,SPY\n",
		 false,
		 "1 x SPY trade 03:04:05.500Z {\"symbol\":\"SPY\",\"price\":\"1e2\",\"quantity\":\"7\",\"timestamp\":\"2026-01-02T03:04:05.5Z\",\"side\":\"sell\"}\n"
		 "2 x BTC-USD trade 03:04:05.750Z {\"symbol\":\"BTC-USD\",\"price\":\"a,b\",\"quantity\":\"3\",\"timestamp\":\"1767323045.75\"}\n"
		 "3 x SPY trade 03:04:05.750Z {\"symbol\":\"SPY\"}\n");
}

static void a_tardis_file_names_its_own_source(void **state)
{
	const struct ap_tape_spec spec = { "tardis-trades", NULL, NULL, NULL };

	(void)state;
	run_tape(&spec,
		 "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
		 "deribit,BTC-PERPETUAL,1585699200245000,1585699200341000,abc-1,sell,6425.5,50\n",
		 false,
		 "1 deribit BTC-PERPETUAL trade 00:00:00.245Z "
		 "{\"symbol\":\"BTC-PERPETUAL\",\"price\":\"6425.5\",\"quantity\":\"50\",\"timestamp\":\"1585699200245000\",\"trade_id\":\"abc-1\",\"side\":\"sell\"}\n");
}

static void lines_of_trades_keep_their_own_text(void **state)
{
	const struct ap_tape_spec spec = { "ndjson", NULL, "mine", NULL };

	(void)state;
	run_tape(&spec,
		 "{\"source\":\"other\",\"symbol\":\"BTC-USDT\",\"price\":1.50,\"quantity\":\"2\",\"timestamp\":1767323045}\n"
		 "not json\n"
		 "{\"symbol\":\"ETH-USDT\",\"price\":\"3\",\"quantity\":\"2\",\"timestamp\":\"2026-01-02T03:04:06Z\"}\n",
		 false,
		 "1 other BTC-USDT trade 03:04:05.000Z {\"source\":\"other\",\"symbol\":\"BTC-USDT\",\"price\":1.50,\"quantity\":\"2\",\"timestamp\":1767323045}\n"
		 "2 mine  trade 03:04:05.000Z not json\n"
		 "3 mine ETH-USDT trade 03:04:06.000Z {\"symbol\":\"ETH-USDT\",\"price\":\"3\",\"quantity\":\"2\",\"timestamp\":\"2026-01-02T03:04:06Z\"}\n");
}

static void a_session_keeps_what_the_venue_sent_and_its_receive_times(void **state)
{
	const struct ap_tape_spec spec = { "session", NULL, NULL, NULL };

	(void)state;
	run_tape(&spec,
		 "{\"recv_ts\":1633998511.15,\"exchange\":\"BINANCE\",\"conn\":\"ws.1.0\",\"dir\":\"connect\",\"url\":\"wss://x\"}\n"
		 "{\"recv_ts\":1633998512.06,\"exchange\":\"BINANCE\",\"conn\":\"w\",\"dir\":\"recv\",\"msg\":{\"stream\":\"a@bookTicker\",\"data\":{\"u\":1,\"s\":\"A\"}}}\n"
		 "{\"recv_ts\":1633998513.957,\"exchange\":\"BINANCE\",\"conn\":\"w\",\"dir\":\"recv\",\"msg\":{\"stream\":\"nknusdt@aggTrade\",\"data\":"
		 "{\"e\":\"aggTrade\",\"E\":1633998523963,\"s\":\"NKNUSDT\",\"a\":15683430,\"p\":\"0.35280000\",\"q\":\"58.00000000\",\"T\":1633998523963,\"m\":false}}}\n"
		 "1633998515123456789 {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"1\",\"q\":\"2\",\"T\":1633998515000,\"m\":true}}\n",
		 true,
		 "1 beat binance 00:28:33.000Z 940\n"
		 "2 binance NKN-USDT binance 00:28:33.957Z {\"stream\":\"nknusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1633998523963,\"s\":\"NKNUSDT\",\"a\":15683430,"
		 "\"p\":\"0.35280000\",\"q\":\"58.00000000\",\"T\":1633998523963,\"m\":false}}\n"
		 "3 beat binance 00:28:35.000Z 2000\n"
		 "4 binance BTC-USDT binance 00:28:35.123Z {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"1\",\"q\":\"2\",\"T\":1633998515000,\"m\":true}}\n"
		 "5 beat binance 00:28:35.123Z 123 close\n");
}

/* One absurd time must neither end all candles of its source nor be taken for the time it was received at. */
static void a_single_wild_time_moves_no_clock(void **state)
{
	const struct ap_tape_spec spec = { "csv", "time,price,quantity", "x", "SPY" };

	(void)state;
	run_tape(&spec,
		 "1767323045,1,1\n"
		 "2767323045,2,1\n"             /* 2057, one row only */
		 "1767323046,3,1\n"
		 "1777323046,4,1\n"             /* four months on, and it stays so */
		 "1777323047,5,1\n"
		 "bad,6,1\n",
		 true,
		 "1 x SPY trade 03:04:05.000Z {\"symbol\":\"SPY\",\"price\":\"1\",\"quantity\":\"1\",\"timestamp\":\"1767323045\"}\n"
		 "2 x SPY trade 03:04:05.000Z {\"symbol\":\"SPY\",\"price\":\"2\",\"quantity\":\"1\",\"timestamp\":\"2767323045\"}\n"
		 "3 beat x 03:04:06.000Z 1000\n"
		 "4 x SPY trade 03:04:06.000Z {\"symbol\":\"SPY\",\"price\":\"3\",\"quantity\":\"1\",\"timestamp\":\"1767323046\"}\n"
		 "5 beat x 20:50:46.000Z 4294967295\n"
		 "6 x SPY trade 20:50:46.000Z {\"symbol\":\"SPY\",\"price\":\"4\",\"quantity\":\"1\",\"timestamp\":\"1777323046\"}\n"
		 "7 beat x 20:50:47.000Z 1000\n"
		 "8 x SPY trade 20:50:47.000Z {\"symbol\":\"SPY\",\"price\":\"5\",\"quantity\":\"1\",\"timestamp\":\"1777323047\"}\n"
		 "9 x SPY trade 20:50:47.000Z {\"symbol\":\"SPY\",\"price\":\"6\",\"quantity\":\"1\",\"timestamp\":\"bad\"}\n"
		 "10 beat x 20:50:47.000Z 0 close\n");
	/* Wild at the very start. */
	run_tape(&spec, "2767323045,2,1\n1767323045,1,1\n", true,
		 "1 x SPY trade 04:50:45.000Z {\"symbol\":\"SPY\",\"price\":\"2\",\"quantity\":\"1\",\"timestamp\":\"2767323045\"}\n"
		 "2 x SPY trade 03:04:05.000Z {\"symbol\":\"SPY\",\"price\":\"1\",\"quantity\":\"1\",\"timestamp\":\"1767323045\"}\n"
		 "3 beat x 03:04:05.000Z 0 close\n");
}

static void an_overlong_line_is_kept_cut_and_marked(void **state)
{
	const struct ap_tape_spec spec = { "ndjson", NULL, NULL, NULL };
	char err[200];
	struct ap_tape *t = ap_tape_new(&spec, err, sizeof err);
	struct ap_buf b;

	(void)state;
	assert_non_null(t);
	ap_buf_init(&b, 4096);
	ap_tape_line(t, ap_str_c("{\"symbol\":\"SPY\""), true, write_item, &b);
	ap_buf_putc(&b, '\0');
	assert_string_equal((char *)b.p, "1 file  too_long 00:00:00.000Z {\"symbol\":\"SPY\"\n");
	ap_buf_done(&b);
	ap_tape_free(t);
}

static void a_mistaken_option_is_named(void **state)
{
	static const struct {
		struct ap_tape_spec spec;
		const char *say;
	} t[] = {
		{ { "binance", NULL, NULL, NULL }, "--format" },
		{ { NULL, NULL, NULL, NULL }, "--format" },
		{ { "csv", NULL, NULL, "SPY" }, "--columns is needed" },
		{ { "csv", "time,price", NULL, "SPY" }, "time, price and quantity are needed" },
		{ { "csv", "time,price,quantity,volume", NULL, "SPY" }, "'volume' is no column" },
		{ { "csv", "time,price,quantity,price", NULL, "SPY" }, "'price' stands there twice" },
		{ { "csv", "time,price,quantity", NULL, NULL }, "--symbol is needed" },
		{ { "binance-trades", NULL, NULL, NULL }, "--symbol is needed" },
		{ { "binance-trades", "time", NULL, "SPY" }, "--columns is for --format csv" },
		{ { "ndjson", NULL, "bad source", NULL }, "--source" },
		{ { "csv", "time,price,quantity", NULL, "no symbol!" }, "--symbol" },
	};
	char err[300];

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		assert_null(ap_tape_new(&t[i].spec, err, sizeof err));
		if (strstr(err, t[i].say) == NULL)
			fail_msg("row %zu: %s", i, err);
	}
}

static void what_changes_the_meaning_changes_the_identity(void **state)
{
	static const struct ap_tape_spec t[] = {
		{ "csv", "time,price,quantity", "x", "SPY" }, { "csv", "time,quantity,price", "x", "SPY" },
		{ "csv", "time,price,quantity", "y", "SPY" }, { "csv", "time,price,quantity", "x", "QQQ" },
		{ "csv", "time,price,quantity", NULL, "SPY" }, { "ndjson", NULL, "x", "SPY" },
	};
	char err[300], text[LEN(t)][600];

	(void)state;
	for (size_t i = 0; i < LEN(t); i++) {
		struct ap_tape *tape = ap_tape_new(&t[i], err, sizeof err);
		struct ap_buf b;

		assert_non_null(tape);
		ap_buf_fixed(&b, text[i], sizeof text[i]);
		ap_tape_meaning(tape, &b);
		ap_buf_putc(&b, '\0');
		assert_false(b.full);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(text[i], text[k]);
		ap_tape_free(tape);
	}
}

/* --- the simulator ------------------------------------------------------------------------- */

static void the_market_is_the_same_for_the_same_seed(void **state)
{
	char err[200];
	const ap_ts start = { 1767323045000000000 };
	struct ap_sim *a = ap_sim_new(7, 500, "BTC-USDT,ETH-USDT,NEW-COIN", start, err, sizeof err);
	struct ap_sim *b = ap_sim_new(7, 500, "BTC-USDT,ETH-USDT,NEW-COIN", start, err, sizeof err);
	struct ap_sim *c = ap_sim_new(8, 500, "BTC-USDT,ETH-USDT,NEW-COIN", start, err, sizeof err);
	struct ap_trade x, y, z;
	unsigned differ = 0;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		ap_ts when = ap_sim_when(a);

		ap_sim_next(a, &x);
		ap_sim_next(b, &y);
		ap_sim_next(c, &z);
		assert_true(x.ts.ns == when.ns && x.ts.ns == y.ts.ns && x.price.e18 == y.price.e18 && x.qty.e18 == y.qty.e18);
		assert_true(ap_str_eq(x.trade_id, y.trade_id) && ap_str_eq(x.symbol, y.symbol));
		differ += x.ts.ns != z.ts.ns;
	}
	assert_true(differ > 4900);
	ap_sim_free(a);
	ap_sim_free(b);
	ap_sim_free(c);
}

static void the_market_is_bursty_heavy_tailed_and_on_its_ticks(void **state)
{
	enum { N = 60000, BINS = 400 };
	static uint32_t bin[BINS];
	char err[200];
	const ap_ts start = { 1767323045000000000 };
	struct ap_sim *s = ap_sim_new(1, 100, "BTC-USDT", start, err, sizeof err);
	const ap_i128 tick = 10000000000000000, lot = 10000000000000;
	double mean = 0, var = 0, sizes = 0, top = 0, first = 0, move = 0;
	int64_t last = start.ns, id = 0;
	struct ap_trade t;

	(void)state;
	for (int i = 0; i < N; i++) {
		ap_sim_next(s, &t);
		assert_true(t.ts.ns >= last && t.price.e18 > 0 && t.qty.e18 > 0);
		assert_true(t.price.e18 % tick == 0 && t.qty.e18 % lot == 0 && t.side != AP_SIDE_UNKNOWN);
		char text[24] = "";
		memcpy(text, t.trade_id.p, t.trade_id.len);
		assert_true(atoll(text) > id);
		id = atoll(text);
		last = t.ts.ns;
		int64_t sec = (t.ts.ns - start.ns) / 1000000000;
		if (sec < BINS)
			bin[sec]++;
		double q = ap_dec_to_double(t.qty), p = ap_dec_to_double(t.price);
		sizes += q;
		top = q > top ? q : top;
		if (first == 0.0)
			first = p;
		move = fmax(move, fabs(p / first - 1));
	}
	/* The rate is what was asked for, but seconds vary far more than a Poisson process' would (variance = mean). */
	for (int i = 0; i < BINS; i++)
		mean += bin[i] / (double)BINS;
	for (int i = 0; i < BINS; i++)
		var += (bin[i] - mean) * (bin[i] - mean) / BINS;
	assert_true(mean > 80 && mean < 120);
	assert_true(var > 3 * mean);
	/* The largest of 60,000 is hundreds of times the mean; ten minutes move the price, but not out of this world. */
	assert_true(top > 100 * sizes / N);
	assert_true(move > 0.0005 && move < 0.2);
	ap_sim_free(s);
}

static void a_market_started_again_goes_on_where_it_would_be(void **state)
{
	char err[200];
	struct ap_trade t, u;
	struct ap_sim *a = ap_sim_new(3, 50, "ETH-USDT", (ap_ts){ 1767323000000000000 }, err, sizeof err), *b;

	(void)state;
	do
		ap_sim_next(a, &t);
	while (t.ts.ns < 1767323600000000000);
	b = ap_sim_new(3, 50, "ETH-USDT", t.ts, err, sizeof err);
	ap_sim_next(b, &u);
	assert_true(fabs(ap_dec_to_double(u.price) / ap_dec_to_double(t.price) - 1) < 0.002);
	assert_true(u.trade_id.len >= t.trade_id.len && memcmp(u.trade_id.p, t.trade_id.p, t.trade_id.len) > 0);
	ap_sim_free(a);
	ap_sim_free(b);
}

static void impossible_symbols_are_refused(void **state)
{
	static const char *const bad[] = { "", "BTC USDT", "BTC-USDT,,", "A\x01" };
	char err[200];

	(void)state;
	for (size_t i = 0; i < LEN(bad); i++) {
		err[0] = '\0';
		assert_null(ap_sim_new(1, 10, bad[i], (ap_ts){ 0 }, err, sizeof err));
		assert_true(err[0] != '\0');
	}
}

static void enlarged_sizes_leave_everything_else_as_it_was(void **state)
{
	char err[200];
	const ap_ts start = { 1767323000000000000 };
	struct ap_sim *a = ap_sim_new(3, 50, "ETH-USDT", start, err, sizeof err), *b = ap_sim_new(3, 50, "ETH-USDT", start, err, sizeof err);
	double small = 0, large = 0;
	struct ap_trade t, u;

	(void)state;
	ap_sim_enlarge(b, 20);
	for (int i = 0; i < 5000; i++) {
		ap_sim_next(a, &t);
		ap_sim_next(b, &u);
		assert_true(t.ts.ns == u.ts.ns && t.price.e18 == u.price.e18 && t.side == u.side);
		small += ap_dec_to_double(t.qty);
		large += ap_dec_to_double(u.qty);
	}
	assert_true(fabs(large / small - 20) < 0.1);
	ap_sim_free(a);
	ap_sim_free(b);
}

static void a_simulated_trade_is_a_message_of_source_sim(void **state)
{
	const struct ap_trade t = { .symbol = ap_str_c("BTC-USDT"), .trade_id = ap_str_c("17"), .ts = { 1767323045123456789 },
				    .price = { (ap_i128)64000500000000000 * 1000000 }, .qty = { 20000000000000000 }, .side = AP_SIDE_SELL };
	char text[AP_SIM_TEXT];
	struct ap_rec r;

	(void)state;
	ap_sim_raw(&t, text, &r);
	assert_int_equal(r.kind, AP_RAW);
	assert_true(ap_str_is(r.u.raw.source, "sim") && ap_str_is(r.u.raw.symbol, "BTC-USDT") && ap_str_is(r.u.raw.format, "trade"));
	assert_true(r.u.raw.recv.ns == t.ts.ns);
	assert_true(ap_str_is(r.u.raw.payload, "{\"source\":\"sim\",\"symbol\":\"BTC-USDT\",\"price\":\"64000.5\",\"quantity\":\"0.02\","
			      "\"timestamp\":1767323045123456,\"trade_id\":\"17\",\"side\":\"sell\"}"));
}

/* --- its past ---------------------------------------------------------------------------------- */

static const struct ap_history_plan six_hours = { .minutes = 360, .base_ms = 1767323045678, .rate = 40, .seed = 1,
						  .symbols = "BTC-USDT,ETH-USDT,SOL-USDT" };

static void a_plan_is_read_as_it_was_written(void **state)
{
	static const char *const bad[] = {
		"", "open", "open 360", "shut 360 1767323045678 40 1 A-USD", "open 360 1767323045678 40 1", "open 360 1767323045678 40 1 ",
		"open -1 1767323045678 40 1 A-USD", "open 360 1767323045678 0 1 A-USD", "open 360 99 40 1 A-USD",
		"open 360 99999999999999999999999 40 1 A-USD", "open 36x 1767323045678 40 1 A-USD", "open  360 1767323045678 40 1 A-USD",
	};
	struct ap_history_plan p = six_hours, q;
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 4096);
	ap_history_write(&p, &b);
	assert_true(ap_str_is(ap_buf_view(&b), "open 360 1767323045678 40 1 BTC-USDT,ETH-USDT,SOL-USDT"));
	assert_true(ap_history_read(ap_buf_view(&b), &q));
	assert_true(!q.done && q.minutes == 360 && q.base_ms == p.base_ms && q.rate == 40 && q.seed == 1);
	assert_string_equal(q.symbols, p.symbols);
	assert_true(ap_history_read(ap_str_c("done 0 1767323045678 40 9007199254740991 A-USD"), &q));
	assert_true(q.done && q.minutes == 0 && q.seed == 9007199254740991);
	for (size_t i = 0; i < LEN(bad); i++)
		assert_false(ap_history_read(ap_str_c(bad[i]), &q));
	ap_buf_done(&b);
}

static void a_history_is_in_order_covered_without_a_hole_and_ends_at_its_base(void **state)
{
	char err[200];
	struct ap_history *h = ap_history_new(&six_hours, err, sizeof err);
	const int64_t start_ms = (six_hours.base_ms - 360 * 60000) / 60000 * 60000;
	int64_t at_ns = 0, covered_to_ms = -1;
	uint64_t place = 0, trades = 0;
	struct ap_tape_item i;

	(void)state;
	while (ap_history_next(h, &i)) {
		int64_t ns = i.rec->kind == AP_BEAT ? i.rec->u.beat.ts.ns : i.rec->u.raw.recv.ns;

		assert_true(i.place == ++place && ns >= at_ns && i.t_ms == ns / 1000000);
		at_ns = ns;
		assert_true(i.everywhere == (i.rec->kind == AP_BEAT));
		if (i.rec->kind == AP_BEAT) {
			const struct ap_beat *b = &i.rec->u.beat;
			int64_t ms = b->ts.ns / 1000000;

			assert_true(b->alive && !b->live && !b->close && ap_str_is(b->source, "sim"));
			assert_true(covered_to_ms == -1 ? ms == start_ms && b->covers_ms == 0 : ms - b->covers_ms == covered_to_ms);
			covered_to_ms = ms;
		} else {
			assert_true(ns >= start_ms * 1000000 && ns < six_hours.base_ms * 1000000 && i.rec->u.raw.seq == place);
			trades++;
		}
	}
	assert_true(covered_to_ms == six_hours.base_ms);
	assert_true(trades > 50000 && trades < 60000);
	assert_false(ap_history_next(h, &i));
	ap_history_free(h);
}

static void the_same_plan_gives_the_same_history(void **state)
{
	char err[200];
	struct ap_history *a = ap_history_new(&six_hours, err, sizeof err), *b = ap_history_new(&six_hours, err, sizeof err);
	struct ap_tape_item i, k;

	(void)state;
	while (ap_history_next(a, &i)) {
		assert_true(ap_history_next(b, &k) && i.place == k.place && i.rec->kind == k.rec->kind);
		if (i.rec->kind == AP_RAW)
			assert_true(ap_str_eq(i.rec->u.raw.payload, k.rec->u.raw.payload));
	}
	assert_false(ap_history_next(b, &k));
	ap_history_free(a);
	ap_history_free(b);
}

/* The last price before the base and the first after it lie as close as two trades a second apart do; volumes are alike. */
static void the_live_market_goes_on_where_its_history_ended(void **state)
{
	struct ap_history_plan plan = { .minutes = 300, .base_ms = 1767323045678, .rate = 100, .seed = 5, .symbols = "ETH-USDT" };
	char err[200], last[AP_SIM_TEXT] = "";
	struct ap_history *h = ap_history_new(&plan, err, sizeof err);
	struct ap_sim *live = ap_sim_new(plan.seed, (double)plan.rate, plan.symbols, (ap_ts){ plan.base_ms * 1000000 }, err, sizeof err);
	double past = 0, now = 0, price = 0;
	struct ap_tape_item i;
	struct ap_trade t;

	(void)state;
	while (ap_history_next(h, &i)) {
		if (i.rec->kind != AP_RAW)
			continue;
		snprintf(last, sizeof last, "%.*s", (int)i.rec->u.raw.payload.len, i.rec->u.raw.payload.p);
		past += strtod(strstr(last, "quantity") + 11, NULL);
	}
	past /= 300 * 60;
	for (ap_sim_next(live, &t); t.ts.ns < (plan.base_ms + 600000) * 1000000; ap_sim_next(live, &t)) {
		if (price == 0.0)
			price = ap_dec_to_double(t.price);
		now += ap_dec_to_double(t.qty) / 600;
	}
	assert_true(fabs(price / strtod(strstr(last, "price") + 8, NULL) - 1) < 0.002);
	assert_true(past / now > 0.7 && past / now < 1.4);
	ap_history_free(h);
	ap_sim_free(live);
}

/* No slower than the live market, and a slow market's history is as slow. */
static void a_slow_market_has_a_slow_history(void **state)
{
	struct ap_history_plan plan = { .minutes = 60, .base_ms = 1767322800000, .rate = 1, .seed = 5, .symbols = "ETH-USDT" };
	char err[200];
	struct ap_history *h = ap_history_new(&plan, err, sizeof err);
	struct ap_tape_item i;
	unsigned trades = 0, beats = 0;

	(void)state;
	while (ap_history_next(h, &i)) {
		trades += i.rec->kind == AP_RAW;
		beats += i.rec->kind == AP_BEAT;
	}
	assert_true(trades > 3000 && trades < 4200);
	assert_int_equal(beats, 3600 / 5 + 1);
	ap_history_free(h);
	snprintf(plan.symbols, sizeof plan.symbols, "no symbol");
	assert_null(ap_history_new(&plan, err, sizeof err));
}

/* --- quotes that wait for a newer one ------------------------------------------------ */

static bool waits(struct ap_conflate *c, const char *source, const char *symbol, int64_t ts_ns, const char *msg)
{
	return ap_conflate_put(c, &(struct ap_conflated){ ap_str_c(source), ap_str_c(symbol), ap_str_c(msg), { ts_ns }, { ts_ns + 5 } });
}

/* What is given out next is this message of this series. */
static void gives(struct ap_conflate *c, const char *source, const char *symbol, const char *msg)
{
	struct ap_conflated q;

	assert_true(ap_conflate_take(c, &q));
	assert_true(ap_str_is(q.source, source) && ap_str_is(q.symbol, symbol));
	if (!ap_str_is(q.msg, msg))
		fail_msg("%.*s, wanted %s", (int)q.msg.len, q.msg.p, msg);
	assert_int_equal(q.recv.ns, q.ts.ns + 5);
}

static void gives_no_more(struct ap_conflate *c)
{
	struct ap_conflated q;

	assert_int_equal(ap_conflate_waiting(c), 0);
	assert_false(ap_conflate_take(c, &q));
}

static void a_simulated_quote_holds_the_trade_and_changes_none(void **s)
{
	struct ap_sim *a = ap_sim_new(5, 50, "BTC-USDT,SOL-USDT,ZZZ-EUR", (ap_ts){ INT64_C(1767323045000000000) }, NULL, 0);
	struct ap_sim *b = ap_sim_new(5, 50, "BTC-USDT,SOL-USDT,ZZZ-EUR", (ap_ts){ INT64_C(1767323045000000000) }, NULL, 0);
	char text[AP_SIM_TEXT], want[AP_SIM_TEXT], px[AP_DEC_TEXT], q1[AP_DEC_TEXT], ask[AP_DEC_TEXT], q2[AP_DEC_TEXT];
	struct ap_quote q = { 0 };
	struct ap_trade t, u;
	struct ap_rec r;

	(void)s;
	assert_true(a != NULL && b != NULL);
	for (int i = 0; i < 2000; i++) {
		ap_sim_quote(a, &q);
		ap_sim_next(a, &t);
		ap_sim_next(b, &u);
		assert_true(ap_str_eq(t.symbol, u.symbol) && t.ts.ns == u.ts.ns && ap_dec_cmp(t.price, u.price) == 0 && ap_dec_cmp(t.qty, u.qty) == 0);
		assert_true(ap_str_eq(q.symbol, t.symbol) && q.ts.ns == t.ts.ns);
		assert_true(q.bid.e18 > 0 && q.bid.e18 < q.ask.e18 && q.bid_qty.e18 > 0 && q.ask_qty.e18 > 0);
		assert_int_equal(ap_dec_cmp(t.price, t.side == AP_SIDE_BUY ? q.ask : q.bid), 0);
		snprintf(want, sizeof want, "%llu", (unsigned long long)q.seq);
		assert_true(ap_str_is(t.trade_id, want));
	}
	ap_sim_quote_raw(&q, text, &r);
	ap_dec_format(q.bid, px);
	ap_dec_format(q.bid_qty, q1);
	ap_dec_format(q.ask, ask);
	ap_dec_format(q.ask_qty, q2);
	snprintf(want, sizeof want,
		 "{\"source\":\"sim\",\"symbol\":\"%.*s\",\"bid\":\"%s\",\"bid_size\":\"%s\",\"ask\":\"%s\",\"ask_size\":\"%s\",\"timestamp\":%lld,\"seq\":%llu}",
		 (int)q.symbol.len, q.symbol.p, px, q1, ask, q2, (long long)(q.ts.ns / 1000), (unsigned long long)q.seq);
	assert_true(r.kind == AP_RAW && ap_str_is(r.u.raw.payload, want) && ap_str_is(r.u.raw.source, "sim") && r.u.raw.recv.ns == q.ts.ns);
	ap_sim_free(a);
	ap_sim_free(b);
}

static void of_each_series_only_the_newest_quote_waits(void **s)
{
	struct ap_conflate *c = ap_conflate_new();

	(void)s;
	assert_true(waits(c, "okx", "A", 1, "a1") && waits(c, "okx", "B", 1, "b1") && waits(c, "okx", "A", 2, "a2"));
	assert_true(waits(c, "kraken", "A", 1, "k1") && waits(c, "okx", "A", 3, "a3"));
	assert_int_equal(ap_conflate_waiting(c), 3);
	assert_int_equal(ap_conflate_dropped(c), 2);
	gives(c, "okx", "A", "a3");
	gives(c, "okx", "B", "b1");
	gives(c, "kraken", "A", "k1");
	gives_no_more(c);
	ap_conflate_free(c);
}

static void newer_is_said_by_the_quotes_own_time_and_then_by_arrival(void **s)
{
	struct ap_conflate *c = ap_conflate_new();

	(void)s;
	assert_true(waits(c, "okx", "A", 5, "five") && waits(c, "okx", "A", 4, "four"));
	assert_true(waits(c, "okx", "B", 5, "first") && waits(c, "okx", "B", 5, "second"));
	assert_int_equal(ap_conflate_dropped(c), 2);
	gives(c, "okx", "A", "five");
	gives(c, "okx", "B", "second");
	gives_no_more(c);
	ap_conflate_free(c);
}

static void what_was_given_out_no_longer_waits_for_a_newer_one(void **s)
{
	struct ap_conflate *c = ap_conflate_new();

	(void)s;
	for (int i = 0; i < 3; i++) {
		assert_true(waits(c, "okx", "A", 1, "one"));
		gives(c, "okx", "A", "one");
		gives_no_more(c);
	}
	assert_int_equal(ap_conflate_dropped(c), 0);
	ap_conflate_free(c);
}

static void what_cannot_wait_is_told_and_nothing_is_dropped_for_it(void **s)
{
	struct ap_conflate *c = ap_conflate_new();
	char name[16], longer[AP_CONFLATE_BYTES + 2];

	(void)s;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_false(waits(c, "okx", "A", 1, longer));
	assert_true(waits(c, "okx", "A", 1, longer + 1));
	for (int i = 1; i < AP_CONFLATE_SERIES; i++) {
		snprintf(name, sizeof name, "S%d", i);
		assert_true(waits(c, "okx", name, 1, name));
	}
	assert_false(waits(c, "okx", "MORE", 1, "m"));
	assert_true(waits(c, "okx", "S1", 2, "again"));
	assert_int_equal(ap_conflate_waiting(c), AP_CONFLATE_SERIES);
	assert_int_equal(ap_conflate_dropped(c), 1);
	gives(c, "okx", "A", longer + 1);
	assert_false(waits(c, "okx", "S2", 2, "while they go out"));
	gives(c, "okx", "S1", "again");
	for (int i = 2; i < AP_CONFLATE_SERIES; i++) {
		snprintf(name, sizeof name, "S%d", i);
		gives(c, "okx", name, name);
	}
	gives_no_more(c);
	assert_true(waits(c, "okx", "MORE", 1, "m"));
	ap_conflate_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_cut_the_same_wherever_the_stream_is_cut),
		cmocka_unit_test(an_overlong_message_is_cut_and_the_next_one_is_whole),
		cmocka_unit_test(records_gather_into_full_frames_in_order),
		cmocka_unit_test(a_frame_on_its_way_takes_no_more_records),
		cmocka_unit_test(large_records_make_short_frames),
		cmocka_unit_test(what_is_there_already_is_cut_from_the_front),
		cmocka_unit_test(a_frame_holds_nothing_above_what_is_safe),
		cmocka_unit_test(a_lane_that_is_emptied_goes_on_where_it_is_told_to),
		cmocka_unit_test(what_gathered_elsewhere_is_put_behind),
		cmocka_unit_test(a_number_is_confirmed_by_the_greatest_mark_at_or_below_the_entry),
		cmocka_unit_test(marks_reach_back_any_time_and_never_say_too_much),
		cmocka_unit_test(what_is_stored_is_bounded_by_the_slowest_stream),
		cmocka_unit_test(a_binance_archive_becomes_trades_and_beats),
		cmocka_unit_test(an_aggregated_archive_without_header_is_read),
		cmocka_unit_test(columns_may_stand_in_any_order),
		cmocka_unit_test(a_tardis_file_names_its_own_source),
		cmocka_unit_test(lines_of_trades_keep_their_own_text),
		cmocka_unit_test(a_session_keeps_what_the_venue_sent_and_its_receive_times),
		cmocka_unit_test(a_single_wild_time_moves_no_clock),
		cmocka_unit_test(an_overlong_line_is_kept_cut_and_marked),
		cmocka_unit_test(a_mistaken_option_is_named),
		cmocka_unit_test(what_changes_the_meaning_changes_the_identity),
		cmocka_unit_test(the_market_is_the_same_for_the_same_seed),
		cmocka_unit_test(the_market_is_bursty_heavy_tailed_and_on_its_ticks),
		cmocka_unit_test(a_market_started_again_goes_on_where_it_would_be),
		cmocka_unit_test(impossible_symbols_are_refused),
		cmocka_unit_test(enlarged_sizes_leave_everything_else_as_it_was),
		cmocka_unit_test(a_simulated_trade_is_a_message_of_source_sim),
		cmocka_unit_test(a_plan_is_read_as_it_was_written),
		cmocka_unit_test(a_history_is_in_order_covered_without_a_hole_and_ends_at_its_base),
		cmocka_unit_test(the_same_plan_gives_the_same_history),
		cmocka_unit_test(the_live_market_goes_on_where_its_history_ended),
		cmocka_unit_test(a_slow_market_has_a_slow_history),
		cmocka_unit_test(a_simulated_quote_holds_the_trade_and_changes_none),
		cmocka_unit_test(of_each_series_only_the_newest_quote_waits),
		cmocka_unit_test(newer_is_said_by_the_quotes_own_time_and_then_by_arrival),
		cmocka_unit_test(what_was_given_out_no_longer_waits_for_a_newer_one),
		cmocka_unit_test(what_cannot_wait_is_told_and_nothing_is_dropped_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
