/*
 * conflate.c - the newest quote of each series: rows in order of arrival, found through a hash table at most half full.
 */
#include "conflate.h"

#include <stdlib.h>
#include <xxhash.h>

enum { SLOTS = 2 * AP_CONFLATE_SERIES };
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a power of two");

struct row {
	char source[AP_SOURCE_MAX], symbol[AP_SYMBOL_MAX], msg[AP_CONFLATE_BYTES];
	uint16_t msg_len;
	uint8_t source_len, symbol_len;
	ap_ts ts, recv;
};

struct ap_conflate {
	uint32_t n, taken;              /* rows in use; how many of them were given out */
	uint64_t dropped;
	uint16_t slot[SLOTS];           /* row + 1; 0: free */
	struct row row[AP_CONFLATE_SERIES];
};

struct ap_conflate *ap_conflate_new(void)
{
	return calloc(1, sizeof(struct ap_conflate));
}

void ap_conflate_free(struct ap_conflate *c)
{
	free(c);
}

static bool is_of(const struct row *r, const struct ap_conflated *q)
{
	return ap_str_eq(ap_str_n(r->source, r->source_len), q->source) && ap_str_eq(ap_str_n(r->symbol, r->symbol_len), q->symbol);
}

/* The slot of the quote's series, or the free one where it would stand. */
static uint16_t *slot_of(struct ap_conflate *c, const struct ap_conflated *q)
{
	uint64_t h = XXH3_64bits_withSeed(q->symbol.p, q->symbol.len, XXH3_64bits(q->source.p, q->source.len));
	uint32_t i = (uint32_t)h & (SLOTS - 1);

	while (c->slot[i] != 0 && !is_of(&c->row[c->slot[i] - 1], q))
		i = (i + 1) & (SLOTS - 1);
	return &c->slot[i];
}

static void row_set(struct row *r, const struct ap_conflated *q)
{
	memcpy(r->msg, q->msg.p, q->msg.len);
	r->msg_len = (uint16_t)q->msg.len;
	r->ts = q->ts;
	r->recv = q->recv;
}

bool ap_conflate_put(struct ap_conflate *c, const struct ap_conflated *q)
{
	uint16_t *slot;
	struct row *r;

	if (c->taken > 0 || q->source.len > AP_SOURCE_MAX || q->symbol.len > AP_SYMBOL_MAX || q->msg.len > AP_CONFLATE_BYTES)
		return false;
	slot = slot_of(c, q);
	if (*slot != 0) {
		r = &c->row[*slot - 1];
		c->dropped++;
		if (q->ts.ns >= r->ts.ns)
			row_set(r, q);
		return true;
	}
	if (c->n == AP_CONFLATE_SERIES)
		return false;
	r = &c->row[c->n++];
	*slot = (uint16_t)c->n;
	r->source_len = (uint8_t)q->source.len;
	r->symbol_len = (uint8_t)q->symbol.len;
	memcpy(r->source, q->source.p, q->source.len);
	memcpy(r->symbol, q->symbol.p, q->symbol.len);
	row_set(r, q);
	return true;
}

bool ap_conflate_take(struct ap_conflate *c, struct ap_conflated *out)
{
	const struct row *r = &c->row[c->taken];

	if (c->taken == c->n) {
		if (c->n > 0)
			memset(c->slot, 0, sizeof c->slot);
		c->n = c->taken = 0;
		return false;
	}
	c->taken++;
	*out = (struct ap_conflated){ ap_str_n(r->source, r->source_len), ap_str_n(r->symbol, r->symbol_len), ap_str_n(r->msg, r->msg_len),
				      r->ts, r->recv };
	return true;
}

size_t ap_conflate_waiting(const struct ap_conflate *c)
{
	return c->n - c->taken;
}

uint64_t ap_conflate_dropped(const struct ap_conflate *c)
{
	return c->dropped;
}
