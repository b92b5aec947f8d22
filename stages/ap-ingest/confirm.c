/*
 * confirm.c - marks of entries and numbers. Does not know Redis.
 */
#include "confirm.h"

#include <assert.h>
#include <stdlib.h>

struct mark {
	ap_id id;
	uint64_t seq;
};

struct marks {
	struct mark m[AP_CONFIRM_MARKS];        /* rising in both */
	unsigned n;
};

struct ap_confirm {
	unsigned parts;
	struct marks part[];
};

struct ap_confirm *ap_confirm_new(unsigned parts)
{
	struct ap_confirm *c;

	assert(parts >= 1 && parts <= AP_PARTS_MAX);
	c = calloc(1, sizeof *c + parts * sizeof c->part[0]);
	if (c != NULL)
		c->parts = parts;
	return c;
}

void ap_confirm_free(struct ap_confirm *c)
{
	free(c);
}

void ap_confirm_mark(struct ap_confirm *c, unsigned part, ap_id id, uint64_t seq)
{
	struct marks *k = &c->part[part];

	assert(part < c->parts);
	if (k->n > 0 && (ap_id_cmp(id, k->m[k->n - 1].id) < 0 || seq <= k->m[k->n - 1].seq))
		return;
	if (k->n > 0 && ap_id_cmp(id, k->m[k->n - 1].id) == 0)
		k->n--;
	if (k->n == AP_CONFIRM_MARKS) {
		for (unsigned i = 0; i < AP_CONFIRM_MARKS / 2; i++)
			k->m[i] = k->m[2 * i];
		k->n = AP_CONFIRM_MARKS / 2;
	}
	k->m[k->n++] = (struct mark){ id, seq };
}

ap_id ap_confirm_last(const struct ap_confirm *c, unsigned part)
{
	const struct marks *k = &c->part[part];

	return k->n == 0 ? (ap_id){ 0, 0 } : k->m[k->n - 1].id;
}

void ap_confirm_clear(struct ap_confirm *c, unsigned part)
{
	c->part[part].n = 0;
}

uint64_t ap_confirm_upto(struct ap_confirm *c, unsigned part, ap_id id)
{
	struct marks *k = &c->part[part];
	unsigned i = 0;

	assert(part < c->parts);
	while (i < k->n && ap_id_cmp(k->m[i].id, id) <= 0)
		i++;
	if (i == 0)
		return 0;
	memmove(k->m, k->m + i - 1, (k->n - i + 1) * sizeof k->m[0]);
	k->n -= i - 1;
	return k->m[0].seq;
}

ap_id ap_confirm_bound(ap_id taken, const struct ap_confirm_stream *s, size_t n)
{
	ap_id bound = taken;

	for (size_t i = 0; i < n; i++) {
		ap_id upto = { s[i].stored.ms == 0 ? 0 : s[i].stored.ms - 1, UINT64_MAX };

		if (ap_id_cmp(s[i].stored, s[i].end) < 0 && ap_id_cmp(upto, bound) < 0)
			bound = upto;
	}
	return bound;
}
