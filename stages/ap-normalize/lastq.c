/*
 * lastq.c - a hash of the last quote, by series.
 */
#include "lastq.h"

#include <xxhash.h>

#include "common/core/le.h"

struct last {
	uint64_t lo, hi;        /* 0, 0: it has quoted nothing */
};

static void last_pack(const void *item, uint8_t *v)
{
	const struct last *l = item;
	ap_le_put(v, l->lo, 8);
	ap_le_put(v + 8, l->hi, 8);
}

static bool last_unpack(void *item, const uint8_t *v)
{
	*(struct last *)item = (struct last){ ap_le_get(v, 8), ap_le_get(v + 8, 8) };
	return true;
}

static const struct sertab_kind kind = {
	.letter = 'q',
	.version = 1,
	.most = LASTQ_SERIES,
	.item_bytes = sizeof(struct last),
	.value_bytes = 8 + 8,
	.pack = last_pack,
	.unpack = last_unpack,
};

struct sertab *lastq_new(void)
{
	return sertab_new(&kind);
}

static XXH128_hash_t quote_hash(const struct ap_quote *q)
{
	struct {
		ap_dec d[4];
		int64_t ns;
		uint64_t seq;
	} all = { { q->bid, q->bid_qty, q->ask, q->ask_qty }, q->ts.ns, q->seq };
	return XXH3_128bits(&all, sizeof all);
}

bool lastq_again(struct sertab *t, const struct ap_quote *q)
{
	struct last *l = sertab_item(t, q->source, q->symbol);
	XXH128_hash_t h = quote_hash(q);
	if (l == NULL)
		return false;
	if (l->lo == h.low64 && l->hi == h.high64)
		return true;
	*l = (struct last){ h.low64, h.high64 };
	sertab_touch(t, l);
	return false;
}
