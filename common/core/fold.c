/*
 * fold.c - a stage's fold over whole entries. Knows neither Redis nor files.
 */
#include "fold.h"

#include "recjson.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	STREAM_BYTES = 256 * 1024 * 1024,       /* of outputs of one stream waiting; the law `bounded` keeps them far below */
	STATE_BYTES = 256 * 1024 * 1024,
};

uint64_t ap_rec_t_ms(const struct ap_rec *rec)
{
	int64_t ms = 0;

	switch (rec->kind) {
	case AP_RAW: ms = rec->u.raw.recv.ns / 1000000; break;
	case AP_TRADE: ms = rec->u.trade.ts.ns / 1000000; break;
	case AP_QUOTE: ms = rec->u.quote.ts.ns / 1000000; break;
	case AP_BEAT: ms = rec->u.beat.ts.ns / 1000000; break;
	case AP_CANDLE: ms = rec->u.candle.open_ms; break;
	case AP_QUOTEBAR: ms = rec->u.quotebar.open_ms; break;
	case AP_INDICATOR: ms = rec->u.indicator.open_ms; break;
	case AP_SIGNAL: ms = rec->u.signal.open_ms; break;
	case AP_REJECT: ms = (rec->u.reject.ts.ns > 0 ? rec->u.reject.ts.ns : rec->u.reject.recv.ns) / 1000000; break;
	case AP_METRIC: ms = rec->u.metric.ts.ns / 1000000; break;
	case AP_KIND_N: break;
	}
	return ms < 0 ? 0 : (uint64_t)ms;
}

/* --- frames --- */

static struct ap_frame *frame_new(struct ap_fold *f, enum ap_stream to, uint64_t t_ms)
{
	if (f->n_frames == f->cap_frames) {
		size_t cap = f->cap_frames == 0 ? 64 : f->cap_frames * 2;
		struct ap_frame *p = realloc(f->frames, cap * sizeof *p);
		assert(p != NULL);
		f->frames = p;
		f->cap_frames = cap;
	}
	assert(f->begun < AP_FOLD_FRAMES);      /* the law `bounded` */
	f->begun++;
	struct ap_frame *fr = &f->frames[f->n_frames++];
	*fr = (struct ap_frame){ .to = to, .id = { f->id.ms, f->id.seq + f->cont[to]++ }, .t_ms = t_ms, .off = f->bytes[to].len };
	f->open[to] = f->n_frames;
	return fr;
}

/* A revised candle makes its reader tell those behind it again: a frame must not ask for more than one commit holds. */
static uint32_t weight_of(const struct ap_rec *rec)
{
	return rec->kind == AP_CANDLE && rec->u.candle.revision > 0 ? AP_REVISED_WEIGHT : 1;
}

static void fold_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	const uint32_t weight = weight_of(rec);
	struct ap_fold *f = (struct ap_fold *)out;
	struct ap_buf *b = &f->bytes[to];
	struct ap_frame *fr = f->open[to] == 0 ? NULL : &f->frames[f->open[to] - 1];
	size_t before = b->len;

	/* The encoder's own length decides, not its upper bound: frames fill up, and equal outputs have equal cuts. */
	bool ok = ap_wire_put(b, rec);
	assert(ok && b->len - before <= AP_FRAME_BYTES);
	if (fr == NULL || fr->weight + weight > AP_FRAME_RECS || b->len - fr->off > AP_FRAME_BYTES) {
		fr = frame_new(f, to, ap_rec_t_ms(rec));
		fr->off = before;
	}
	fr->n++;
	fr->weight += weight;
	fr->len = b->len - fr->off;
	f->count.records_out++;
}

ap_str ap_fold_body(const struct ap_fold *f, const struct ap_frame *fr)
{
	return ap_str_n((const char *)f->bytes[fr->to].p + fr->off, fr->len);
}

static void entry_begin(struct ap_fold *f, ap_id id)
{
	f->id = id;
	memset(f->open, 0, sizeof f->open);
	memset(f->cont, 0, sizeof f->cont);
	f->begun = 0;
	f->count.entries++;
}

/* --- stepping --- */

static void step(struct ap_fold *f, struct ap_rec *rec)
{
	rec->id = f->id;
	if (rec->kind == AP_BEAT && rec->u.beat.live && rec->u.beat.ts.ns > f->live_beat.ns)
		f->live_beat = rec->u.beat.ts;
	enum ap_verdict v = f->stage->step(f->st, rec, &f->out);
	assert((unsigned)v < AP_V_N);
	f->count.verdict[v]++;
	f->count.records_in++;
}

/*
 * A body is read to its end before its first record is stepped, so that a bad one leaves no half behind. Who is to step the
 * records sees them here already, unless one at a time is looked for that it dies of.
 */
static bool body_fine(struct ap_fold *f, uint32_t n, ap_str body, bool ahead, const char **why)
{
	struct ap_rec rec;
	enum ap_wire_rc rc;

	ap_wire_start(&f->it, body, n);
	while ((rc = ap_wire_next(&f->it, &rec)) == AP_WIRE_OK)
		if (ahead && f->stage->expect != NULL)
			f->stage->expect(f->st, &rec);
	*why = rc == AP_WIRE_BAD ? f->it.why : NULL;
	return rc == AP_WIRE_END;
}

static void poison_put(struct ap_fold *f, ap_str data, const char *why)
{
	struct ap_rec rec = { .kind = AP_REJECT, .id = f->id };

	if (data.len > AP_PAYLOAD_MAX)
		data.len = AP_PAYLOAD_MAX;
	rec.u.reject = (struct ap_reject){
		.origin = ap_id_origin(f->id), .status = AP_ST_POISON, .stage = ap_str_c(f->stage->name),
		.reason = ap_str_c("bad_frame"), .detail = ap_str_c(why), .data = data,
		.recv = { (int64_t)f->id.ms * 1000000 },
	};
	fold_put(&f->out, AP_S_REJECT, &rec);
	f->count.bad_frames++;
}

void ap_fold_poison(struct ap_fold *f, ap_id id, ap_str data, const char *why)
{
	entry_begin(f, id);
	poison_put(f, data, why);
}

static bool begin(struct ap_fold *f, ap_id id, uint32_t n, ap_str body, bool ahead, const char **why)
{
	entry_begin(f, id);
	if (!body_fine(f, n, body, ahead, why)) {
		poison_put(f, body, *why);
		return false;
	}
	ap_wire_start(&f->it, body, n);
	return true;
}

bool ap_fold_begin(struct ap_fold *f, ap_id id, uint32_t n, ap_str body, const char **why)
{
	return begin(f, id, n, body, false, why);
}

bool ap_fold_step(struct ap_fold *f)
{
	struct ap_rec rec;

	if (ap_wire_next(&f->it, &rec) != AP_WIRE_OK)
		return false;
	step(f, &rec);
	return true;
}

void ap_fold_end(struct ap_fold *f)
{
	if (f->stage->flush != NULL)
		f->stage->flush(f->st, &f->out);
}

bool ap_fold_entry(struct ap_fold *f, ap_id id, uint32_t n, ap_str body, const char **why)
{
	struct ap_rec rec;

	if (!begin(f, id, n, body, true, why))
		return false;
	while (ap_wire_next(&f->it, &rec) == AP_WIRE_OK)
		step(f, &rec);
	ap_fold_end(f);
	return true;
}

void ap_reject_about(struct ap_reject *to, const struct ap_rec *rec)
{
	switch (rec->kind) {
	case AP_RAW:
		to->source = rec->u.raw.source, to->symbol = rec->u.raw.symbol, to->recv = rec->u.raw.recv;
		to->raw_seq = rec->u.raw.seq;
		to->data = rec->u.raw.payload;
		break;
	case AP_TRADE:
		to->source = rec->u.trade.source, to->symbol = rec->u.trade.symbol, to->trade_id = rec->u.trade.trade_id;
		to->ts = rec->u.trade.ts, to->raw_idx = rec->u.trade.raw_idx, to->sub = rec->u.trade.sub;
		to->raw_seq = rec->u.trade.raw_seq, to->recv = rec->u.trade.recv;
		break;
	case AP_QUOTE:
		to->source = rec->u.quote.source, to->symbol = rec->u.quote.symbol, to->ts = rec->u.quote.ts;
		to->raw_idx = rec->u.quote.raw_idx, to->sub = rec->u.quote.sub;
		to->raw_seq = rec->u.quote.raw_seq, to->recv = rec->u.quote.recv;
		to->quote = true;
		break;
	case AP_BEAT:
		to->source = rec->u.beat.source, to->ts = rec->u.beat.ts;
		break;
	case AP_CANDLE:
		to->source = rec->u.candle.source, to->symbol = rec->u.candle.symbol, to->ts.ns = rec->u.candle.open_ms * 1000000;
		break;
	case AP_QUOTEBAR:
		to->source = rec->u.quotebar.source, to->symbol = rec->u.quotebar.symbol, to->ts.ns = rec->u.quotebar.open_ms * 1000000;
		break;
	case AP_INDICATOR:
		to->source = rec->u.indicator.source, to->symbol = rec->u.indicator.symbol, to->ts.ns = rec->u.indicator.open_ms * 1000000;
		break;
	case AP_SIGNAL:
		to->source = rec->u.signal.source, to->symbol = rec->u.signal.symbol, to->ts.ns = rec->u.signal.open_ms * 1000000;
		break;
	default:
		break;
	}
}

bool ap_fold_reject(struct ap_fold *f, const char *reason)
{
	struct ap_rec rec, out = { .kind = AP_REJECT, .id = f->id };
	struct ap_buf json;

	if (ap_wire_next(&f->it, &rec) != AP_WIRE_OK)
		return false;
	ap_buf_init(&json, AP_PAYLOAD_MAX);
	ap_rec_json(&json, &rec);
	out.u.reject = (struct ap_reject){
		.origin = ap_id_origin(f->id), .raw_idx = rec.idx, .status = AP_ST_POISON, .stage = ap_str_c(f->stage->name),
		.reason = ap_str_c(reason), .data = json.full ? (ap_str){ NULL, 0 } : ap_buf_view(&json) };
	ap_reject_about(&out.u.reject, &rec);
	fold_put(&f->out, AP_S_REJECT, &out);
	ap_buf_done(&json);
	return true;
}

/* --- state --- */

static void text_put(struct ap_buf *b, const char *prefix, ap_str s)
{
	uint32_t len = (uint32_t)(strlen(prefix) + s.len);

	ap_buf_put(b, &len, sizeof len);
	ap_buf_puts(b, prefix);
	ap_buf_str(b, s);
	assert(!b->full);
}

bool ap_fold_text(const struct ap_buf *b, size_t *pos, ap_str *out)
{
	uint32_t len;

	if (*pos == b->len)
		return false;
	memcpy(&len, b->p + *pos, sizeof len);
	*out = ap_str_n((const char *)b->p + *pos + sizeof len, len);
	*pos += sizeof len + len;
	return true;
}

/* Fields of a fold live under "f:", beside the runtime's own. */
static struct ap_fold *of_saver(struct ap_saver *s)
{
	return (struct ap_fold *)((char *)s - offsetof(struct ap_fold, saver));
}

static void saver_put(struct ap_saver *s, ap_str field, ap_str value)
{
	struct ap_fold *f = of_saver(s);

	text_put(&f->sets, "f:", field);
	text_put(&f->sets, "", value);
	f->n_sets++;
}

static void saver_del(struct ap_saver *s, ap_str field)
{
	struct ap_fold *f = of_saver(s);

	text_put(&f->dels, "f:", field);
	f->n_dels++;
}

void ap_fold_save(struct ap_fold *f, bool all)
{
	f->stage->save(f->st, &f->saver, all);
}

void ap_fold_clear(struct ap_fold *f)
{
	for (unsigned i = 0; i < AP_S_N; i++)
		ap_buf_clear(&f->bytes[i]);
	ap_buf_clear(&f->sets);
	ap_buf_clear(&f->dels);
	f->n_sets = f->n_dels = f->n_frames = 0;
	memset(f->open, 0, sizeof f->open);
	f->live_beat.ns = 0;
}

bool ap_fold_init(struct ap_fold *f, const struct ap_stage *stage, const struct ap_conf *conf, char *err, size_t errlen)
{
	memset(f, 0, sizeof *f);
	f->st = stage->open(conf, err, errlen);
	if (f->st == NULL)
		return false;
	f->stage = stage;
	f->out.put = fold_put;
	f->saver.put = saver_put;
	f->saver.del = saver_del;
	for (unsigned i = 0; i < AP_S_N; i++)
		ap_buf_init(&f->bytes[i], STREAM_BYTES);
	ap_buf_init(&f->sets, STATE_BYTES);
	ap_buf_init(&f->dels, STATE_BYTES);
	return true;
}

void ap_fold_done(struct ap_fold *f)
{
	if (f->st == NULL)
		return;
	f->stage->close(f->st);
	f->st = NULL;
	for (unsigned i = 0; i < AP_S_N; i++)
		ap_buf_done(&f->bytes[i]);
	ap_buf_done(&f->sets);
	ap_buf_done(&f->dels);
	free(f->frames);
	f->frames = NULL;
	f->n_frames = f->cap_frames = 0;
}
