/*
 * outq.c - a ring of references.
 */
#include "outq.h"

#include <assert.h>
#include <stdlib.h>

enum { ITEM_COST = 64 };        /* what a waiting message costs beside its text */

struct api_body *api_body_new(ap_str text)
{
	assert(text.len < UINT32_MAX);
	struct api_body *b = malloc(sizeof *b + text.len);
	if (b == NULL)
		return NULL;
	b->refs = 1;
	b->len = (uint32_t)text.len;
	memcpy(b->text, text.p, text.len);
	return b;
}

static struct api_body *body_ref(struct api_body *b)
{
	b->refs++;
	return b;
}

void api_body_unref(struct api_body *b)
{
	assert(b->refs > 0);
	if (--b->refs == 0)
		free(b);
}

void api_outq_init(struct api_outq *q, size_t max)
{
	*q = (struct api_outq){ .max = max, .next = 1 };
}

static struct api_item *at(const struct api_outq *q, uint32_t i)
{
	return &q->item[(q->head + i) & (q->cap - 1)];
}

void api_outq_clear(struct api_outq *q)
{
	for (uint32_t i = 0; i < q->n; i++)
		api_body_unref(at(q, i)->body);
	q->n = q->asked = 0;
	q->bytes = 0;
}

void api_outq_done(struct api_outq *q)
{
	api_outq_clear(q);
	free(q->item);
	*q = (struct api_outq){ 0 };
}

static bool grow(struct api_outq *q)
{
	uint32_t cap = q->cap == 0 ? 16 : q->cap * 2;
	struct api_item *p = malloc(cap * sizeof *p);
	if (p == NULL)
		return false;
	for (uint32_t i = 0; i < q->n; i++)
		p[i] = *at(q, i);
	free(q->item);
	q->item = p;
	q->cap = cap;
	q->head = 0;
	return true;
}

/* A waiting message of this key takes the new text where it stands, so that numbers stay in order. */
static struct api_item *waiting(const struct api_outq *q, uint64_t key)
{
	for (uint32_t i = q->n; key != 0 && i-- > 0;)
		if (at(q, i)->key == key)
			return at(q, i);
	return NULL;
}

static bool append(struct api_outq *q, struct api_body *b, uint64_t key, bool asked)
{
	if (q->n == q->cap && !grow(q))
		return false;
	*at(q, q->n++) = (struct api_item){ body_ref(b), key, q->next++, 0, asked };
	if (asked)
		q->asked++;
	else
		q->bytes += b->len + ITEM_COST;
	return true;
}

bool api_outq_put(struct api_outq *q, struct api_body *b, uint64_t key)
{
	struct api_item *old = waiting(q, key);
	if (old != NULL) {
		q->bytes = q->bytes - old->body->len + b->len;
		api_body_unref(old->body);
		old->body = body_ref(b);
		old->conflated++;
		q->conflated++;
		return q->bytes <= q->max;
	}
	return q->bytes + b->len + ITEM_COST <= q->max && append(q, b, key, false);
}

bool api_outq_put_asked(struct api_outq *q, struct api_body *b)
{
	return append(q, b, 0, true);
}

bool api_outq_take(struct api_outq *q, struct api_item *out)
{
	if (q->n == 0)
		return false;
	*out = *at(q, 0);
	q->head = (q->head + 1) & (q->cap - 1);
	q->n--;
	if (out->asked)
		q->asked--;
	else
		q->bytes -= out->body->len + ITEM_COST;
	return true;
}

void api_item_text(const struct api_item *i, struct ap_buf *out)
{
	ap_buf_puts(out, "{");
	ap_buf_str(out, ap_str_n(i->body->text, i->body->len));
	ap_buf_printf(out, ",\"seq\":%llu,\"conflated\":%u}", (unsigned long long)i->n, i->conflated);
}
