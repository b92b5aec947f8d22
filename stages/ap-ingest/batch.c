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

bool ap_batch_put(struct ap_batch *b, unsigned part, const struct ap_rec *rec, uint64_t seq, int64_t t_ms, uint64_t ticket)
{
	struct lane *l = &b->lane[part];
	struct ap_frame *f;
	size_t was;

	assert(part < b->parts && seq > l->seq);
	f = lane_open(b, l, ap_wire_size(rec));
	if (f == NULL)
		return false;
	was = f->body.len;
	if (!ap_wire_put(&f->body, rec)) {
		f->body.len = was;      /* no memory for the body: what was in it stays good */
		f->body.full = false;
		return false;
	}
	if (f->n == 0)
		f->t_ms = t_ms;
	f->slot[f->n++] = (struct ap_slot){ seq, ticket, (uint32_t)f->body.len, rec->kind == AP_BEAT };
	f->tickets += ticket != 0;
	l->seq = seq;
	b->bytes += f->body.len - was;
	return true;
}

struct ap_frame *ap_batch_head(struct ap_batch *b, unsigned part)
{
	struct ap_frame *f = b->lane[part].first;

	if (f == NULL || f->n == 0)
		return NULL;
	f->closed = true;
	return f;
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
