/*
 * batch.c - records gathered into frames. Does not know where frames go.
 */
#include "batch.h"

#include <assert.h>
#include <stdlib.h>

enum { SPARE_MAX = 64 };        /* frames kept for the next use: an idle line then allocates nothing */

struct lane {
	struct ap_frame *first, *last;
	uint64_t seq;
};

struct ap_batch {
	unsigned parts;
	size_t bytes;
	struct ap_frame *spare;
	unsigned spare_n;
	struct lane lane[];
};

struct ap_batch *ap_batch_new(unsigned parts)
{
	struct ap_batch *b;

	assert(parts >= 1 && parts <= AP_PARTS_MAX);
	b = calloc(1, sizeof *b + parts * sizeof b->lane[0]);
	if (b != NULL)
		b->parts = parts;
	return b;
}

static void frames_free(struct ap_frame *f)
{
	while (f != NULL) {
		struct ap_frame *next = f->next;

		ap_buf_done(&f->body);
		free(f);
		f = next;
	}
}

void ap_batch_free(struct ap_batch *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; i < b->parts; i++)
		frames_free(b->lane[i].first);
	frames_free(b->spare);
	free(b);
}

static struct ap_frame *frame_new(struct ap_batch *b)
{
	struct ap_frame *f = b->spare;

	if (f != NULL) {
		b->spare = f->next;
		b->spare_n--;
	} else {
		f = malloc(sizeof *f);
		if (f == NULL)
			return NULL;
		ap_buf_init(&f->body, AP_FRAME_BYTES);
	}
	f->next = NULL;
	f->n = f->tickets = 0;
	f->t_ms = 0;
	f->closed = false;
	ap_buf_clear(&f->body);
	return f;
}

static void frame_drop(struct ap_batch *b, struct ap_frame *f)
{
	if (b->spare_n < SPARE_MAX) {
		f->next = b->spare;
		b->spare = f;
		b->spare_n++;
	} else {
		f->next = NULL;
		frames_free(f);
	}
}

/* The frame that takes the next record of `size` bytes. */
static struct ap_frame *lane_open(struct ap_batch *b, struct lane *l, size_t size)
{
	struct ap_frame *f = l->last;

	if (f != NULL && !f->closed && f->n < AP_FRAME_RECS && f->body.len + size <= AP_FRAME_BYTES)
		return f;
	f = frame_new(b);
	if (f == NULL)
		return NULL;
	if (l->last != NULL)
		l->last->next = f;
	else
		l->first = f;
	l->last = f;
	return f;
}

bool ap_batch_put(struct ap_batch *b, unsigned part, ap_str wire, uint64_t seq, int64_t t_ms, uint64_t ticket)
{
	struct lane *l = &b->lane[part];
	struct ap_frame *f;

	assert(part < b->parts && seq > l->seq && wire.len > 0 && wire.len <= AP_FRAME_BYTES);
	f = lane_open(b, l, wire.len);
	if (f == NULL)
		return false;
	ap_buf_str(&f->body, wire);
	if (f->body.full) {
		f->body.full = false;   /* no memory: what was in it stays good */
		return false;
	}
	if (f->n == 0)
		f->t_ms = t_ms;
	f->slot[f->n++] = (struct ap_slot){ seq, ticket, (uint32_t)f->body.len };
	f->tickets += ticket != 0;
	l->seq = seq;
	b->bytes += wire.len;
	return true;
}

/* The first n records of the lane's first frame stay in it, the others make the frame behind it. */
static bool lane_part(struct ap_batch *b, struct lane *l, uint32_t n)
{
	struct ap_frame *f = l->first, *g = frame_new(b);
	uint32_t at = f->slot[n - 1].end;

	if (g == NULL)
		return false;
	ap_buf_put(&g->body, f->body.p + at, f->body.len - at);
	if (g->body.full) {
		frame_drop(b, g);
		return false;
	}
	f->body.len = at;
	g->t_ms = f->t_ms;
	for (uint32_t i = n; i < f->n; i++) {
		g->slot[g->n++] = (struct ap_slot){ f->slot[i].seq, f->slot[i].ticket, f->slot[i].end - at };
		g->tickets += f->slot[i].ticket != 0;
	}
	f->n = n;
	f->tickets -= g->tickets;
	g->next = f->next;
	f->next = g;
	if (l->last == f)
		l->last = g;
	return true;
}

struct ap_frame *ap_batch_head(struct ap_batch *b, unsigned part, uint64_t upto)
{
	struct lane *l = &b->lane[part];
	struct ap_frame *f = l->first;
	uint32_t n;

	if (f == NULL || f->n == 0 || (!f->closed && f->slot[0].seq > upto))
		return NULL;
	if (!f->closed && f->slot[f->n - 1].seq > upto) {
		for (n = 1; f->slot[n].seq <= upto; n++)
			;
		if (!lane_part(b, l, n))
			return NULL;
	}
	f->closed = true;
	return f;
}

const struct ap_frame *ap_batch_first(const struct ap_batch *b, unsigned part)
{
	return b->lane[part].first;
}

void ap_batch_reset(struct ap_batch *b, unsigned part, uint64_t seq)
{
	while (b->lane[part].first != NULL)
		ap_batch_pop(b, part);
	b->lane[part].seq = seq;
}

void ap_batch_join(struct ap_batch *b, struct ap_batch *from)
{
	assert(b->parts == from->parts);
	for (unsigned p = 0; p < b->parts; p++) {
		struct lane *l = &b->lane[p], *m = &from->lane[p];

		if (m->first == NULL)
			continue;
		assert(m->first->slot[0].seq > l->seq);
		if (l->last != NULL)
			l->last->next = m->first;
		else
			l->first = m->first;
		l->last = m->last;
		l->seq = m->seq;
		m->first = m->last = NULL;
	}
	b->bytes += from->bytes;
	from->bytes = 0;
}

void ap_batch_pop(struct ap_batch *b, unsigned part)
{
	struct lane *l = &b->lane[part];
	struct ap_frame *f = l->first;

	assert(f != NULL);
	l->first = f->next;
	if (l->first == NULL)
		l->last = NULL;
	b->bytes -= f->body.len;
	frame_drop(b, f);
}

uint32_t ap_batch_cut(struct ap_batch *b, unsigned part, uint64_t hw)
{
	struct ap_frame *f = b->lane[part].first;
	uint32_t drop = 0, at;

	assert(f != NULL);
	while (drop < f->n && f->slot[drop].seq <= hw) {
		f->tickets -= f->slot[drop].ticket != 0;
		drop++;
	}
	if (drop == 0)
		return 0;
	at = f->slot[drop - 1].end;
	memmove(f->body.p, f->body.p + at, f->body.len - at);
	f->body.len -= at;
	b->bytes -= at;
	f->n -= drop;
	memmove(f->slot, f->slot + drop, f->n * sizeof f->slot[0]);
	for (uint32_t i = 0; i < f->n; i++)
		f->slot[i].end -= at;
	return drop;
}

size_t ap_batch_bytes(const struct ap_batch *b)
{
	return b->bytes;
}

uint64_t ap_batch_last(const struct ap_batch *b, unsigned part)
{
	return b->lane[part].seq;
}
