/*
 * fuzz_tape.c - any bytes as a stream and as a tape of any format: cutting does not depend on how the bytes come, items
 * are numbered without a gap, fit the wire, and are the same on a second run.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/core/wire.h"
#include "stages/ap-ingest/replay.h"
#include "stages/ap-ingest/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *ctx, ap_str msg, bool cut)
{
	struct ap_buf *b = ctx;

	assert(msg.len > 0 && msg.len <= 64);
	ap_buf_str(b, msg);
	ap_buf_puts(b, cut ? "\x01" : "\x02");
}

static void cut_in(struct ap_buf *out, const char *p, size_t n, size_t step, bool lines)
{
	struct ap_split s;

	ap_buf_init(out, (size_t)1 << 24);
	ap_split_init(&s, 64, lines);
	for (size_t i = 0; i < n; i += step)
		ap_split_feed(&s, p + i, n - i < step ? n - i : step, note, out);
	ap_split_end(&s, note, out);
	ap_split_done(&s);
}

struct run {
	struct ap_tape *tape;
	struct ap_buf bytes;
	uint64_t place;
};

static void on_item(void *ctx, const struct ap_tape_item *i)
{
	struct run *r = ctx;

	assert(i->place == ++r->place);
	assert(ap_wire_put(&r->bytes, i->rec));
}

static void on_line(void *ctx, ap_str line, bool cut)
{
	struct run *r = ctx;

	ap_tape_line(r->tape, line, cut, on_item, r);
}

static void play(struct run *r, const struct ap_tape_spec *spec, const char *p, size_t n)
{
	struct ap_split s;
	char err[200];

	*r = (struct run){ .tape = ap_tape_new(spec, err, sizeof err) };
	assert(r->tape != NULL);
	ap_buf_init(&r->bytes, (size_t)1 << 26);
	ap_split_init(&s, ap_tape_line_max(r->tape), ap_tape_by_lines(r->tape));
	ap_split_feed(&s, p, n, on_line, r);
	ap_split_end(&s, on_line, r);
	ap_tape_end(r->tape, true, on_item, r);
	ap_split_done(&s);
	ap_tape_free(r->tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ap_tape_spec specs[] = {
		{ "ndjson", NULL, NULL, NULL },
		{ "csv", "time,price,quantity,id,side,source,symbol,-,buyer_is_maker", NULL, NULL },
		{ "binance-trades", NULL, NULL, "BTCUSDT" },
		{ "tardis-trades", NULL, NULL, NULL },
		{ "session", NULL, NULL, NULL },
	};
	const char *p = (const char *)data + 1;
	struct ap_buf a, b;
	struct run x, y;
	unsigned which;

	if (size < 1)
		return 0;
	which = data[0] % 6;
	if (which == 5) {
		cut_in(&a, p, size - 1, size, data[0] & 0x80);
		cut_in(&b, p, size - 1, 1 + data[0] % 7, data[0] & 0x80);
		assert(ap_str_eq(ap_buf_view(&a), ap_buf_view(&b)));
		ap_buf_done(&a);
		ap_buf_done(&b);
		return 0;
	}
	play(&x, &specs[which], p, size - 1);
	play(&y, &specs[which], p, size - 1);
	assert(ap_str_eq(ap_buf_view(&x.bytes), ap_buf_view(&y.bytes)));
	ap_buf_done(&x.bytes);
	ap_buf_done(&y.bytes);
	return 0;
}
