/*
 * acc.c - which of two trades came first, by what they say themselves.
 */
#include "acc.h"

#include <assert.h>

enum id_class { ID_NONE, ID_INTEGER, ID_OTHER };

static enum id_class id_class(ap_str id)
{
	if (id.len == 0)
		return ID_NONE;
	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] < '0' || id.p[i] > '9')
			return ID_OTHER;
	return ID_INTEGER;
}

static int id_cmp(ap_str a, ap_str b)
{
	const enum id_class ca = id_class(a), cb = id_class(b);
	const size_t least = a.len < b.len ? a.len : b.len;
	int c;

	if (ca != cb)
		return ca < cb ? -1 : 1;
	if (ca == ID_INTEGER && a.len != b.len)
		return a.len < b.len ? -1 : 1;
	c = least == 0 ? 0 : memcmp(a.p, b.p, least);
	if (c != 0 || a.len == b.len)
		return c;
	return a.len < b.len ? -1 : 1;
}

int candle_key_cmp(int64_t a_ns, ap_str a_id, const struct candle_key *b)
{
	if (a_ns != b->ts_ns)
		return a_ns < b->ts_ns ? -1 : 1;
	return id_cmp(a_id, ap_str_n(b->id, b->len));
}

void candle_key_set(struct candle_key *k, int64_t ts_ns, ap_str id)
{
	assert(id.len <= AP_TRADE_ID_MAX);
	k->ts_ns = ts_ns;
	k->len = (uint8_t)id.len;
	if (id.len > 0)
		memcpy(k->id, id.p, id.len);
}
