/*
 * peek.c - the newest forming candle of each interval, and what the fold says of it.
 */
#include "peek.h"

#include <xxhash.h>

#include "fold.h"

static void peek_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct ap_peek *p = (struct ap_peek *)(void *)out;
	const size_t size = ap_wire_size(rec);
	uint32_t at = p->frames == 0 ? 0 : p->frames - 1;

	(void)to;               /* whatever its stream would be: what is provisional goes to `live` */
	if (p->frames == 0 || p->recs[at] == AP_FRAME_RECS || p->body[at].len + size > AP_FRAME_BYTES) {
		if (p->frames == AP_PEEK_FRAMES || size > AP_FRAME_BYTES) {
			p->left++;
			return;
		}
		at = p->frames++;
		ap_buf_clear(&p->body[at]);
		p->recs[at] = 0;
		p->t_ms[at] = ap_rec_t_ms(rec);
	}
	if (ap_wire_put(&p->body[at], rec))
		p->recs[at]++;
}

void ap_peek_init(struct ap_peek *p)
{
	memset(p, 0, sizeof *p);
	p->out.put = peek_put;
	for (uint32_t i = 0; i < AP_PEEK_FRAMES; i++)
		ap_buf_init(&p->body[i], AP_FRAME_BYTES);
}

void ap_peek_done(struct ap_peek *p)
{
	for (uint32_t i = 0; i < AP_PEEK_FRAMES; i++)
		ap_buf_done(&p->body[i]);
}

void ap_peek_begin(struct ap_peek *p)
{
	memset(p->seen, 0, sizeof p->seen);
	p->n = p->frames = 0;
}

/* Whether this interval comes for the first time in the round; notes it. False also when there is no room for more. */
static bool first_time(struct ap_peek *p, const struct ap_candle *c)
{
	enum { SLOTS = 2 * AP_PEEK_MAX };
	uint64_t h = XXH3_64bits_withSeed(c->source.p, c->source.len, (uint64_t)c->open_ms);

	h = XXH3_64bits_withSeed(c->symbol.p, c->symbol.len, h);
	h = XXH3_64bits_withSeed(c->tf.p, c->tf.len, h) | 1;
	for (uint64_t i = h % SLOTS;; i = (i + 1) % SLOTS) {
		if (p->seen[i] == h)
			return false;
		if (p->seen[i] != 0)
			continue;
		if (p->n == AP_PEEK_MAX) {
			p->left++;
			return false;
		}
		p->seen[i] = h;
		p->n++;
		return true;
	}
}

void ap_peek_entry(struct ap_peek *p, const struct ap_stage *stage, void *st, uint32_t n, ap_str body)
{
	struct ap_rec rec;

	ap_wire_start(&p->it, body, n);
	while (ap_wire_next(&p->it, &rec) == AP_WIRE_OK)
		if (rec.kind == AP_CANDLE && rec.u.candle.state == AP_FORMING && first_time(p, &rec.u.candle))
			p->looked += stage->peek(st, &rec, &p->out);
}
