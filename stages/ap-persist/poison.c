/*
 * poison.c - which record ap-persist died of. Knows neither Redis nor rows.
 */
#include "poison.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/timefmt.h"

static bool same_entry(unsigned stream, ap_id id, unsigned s, ap_id i)
{
	return stream == s && ap_id_cmp(id, i) == 0;
}

static void add(struct poison *p, unsigned stream, ap_id id, uint32_t rec)
{
	/* Full: the oldest would be found again. */
	if (p->n == POISON_MAX)
		memmove(p->rec, p->rec + 1, --p->n * sizeof p->rec[0]);
	p->rec[p->n++] = (struct poison_rec){ stream, id, rec };
}

/* "1:1700000000000-0:3" up to the comma or the end. */
static bool item_read(ap_str item, struct poison_rec *out)
{
	char id[AP_ID_TEXT], copy[AP_ID_TEXT + 24], *end;
	size_t len;

	if (item.len == 0 || item.len >= sizeof copy)
		return false;
	memcpy(copy, item.p, item.len);
	copy[item.len] = '\0';
	out->stream = (unsigned)strtoul(copy, &end, 10);
	if (*end++ != ':')
		return false;
	len = strcspn(end, ":");
	if (end[len] != ':' || len >= sizeof id)
		return false;
	memcpy(id, end, len);
	id[len] = '\0';
	out->rec = (uint32_t)strtoul(end + len + 1, NULL, 10);
	return ap_id_parse(ap_str_n(id, len), &out->id);
}

static void list_read(struct poison *p, ap_str list, const ap_id *stored, unsigned streams)
{
	struct poison_rec r;

	while (list.len > 0) {
		const char *comma = memchr(list.p, ',', list.len);
		size_t len = comma == NULL ? list.len : (size_t)(comma - list.p);

		if (item_read(ap_str_n(list.p, len), &r) && r.stream < streams && ap_id_cmp(r.id, stored[r.stream]) > 0)
			add(p, r.stream, r.id, r.rec);
		len += comma != NULL;
		list = ap_str_n(list.p + len, list.len - len);
	}
}

bool poison_load(struct poison *p, const struct poison_mark *mark, ap_str list, const ap_id *stored, unsigned streams)
{
	*p = (struct poison){ .n = 0 };
	list_read(p, list, stored, streams);
	if (mark->width == 0 || mark->stream >= streams || ap_id_cmp(mark->id, stored[mark->stream]) <= 0)
		return false;
	p->suspect = *mark;
	if (mark->width != 1 || ap_id_cmp(mark->id, mark->last) != 0 || mark->tries < POISON_TRIES)
		return false;
	/* On the list already: it was to be named only, and it died of that. */
	add(p, mark->stream, mark->id, poison_is(p, mark->stream, mark->id, mark->from) ? POISON_ALL : mark->from);
	p->suspect.width = 0;
	return true;
}

void poison_text(const struct poison *p, char out[POISON_TEXT])
{
	char id[AP_ID_TEXT];
	size_t at = 0;

	out[0] = '\0';
	for (unsigned k = 0; k < p->n; k++) {
		ap_id_format(p->rec[k].id, id);
		at += (size_t)snprintf(out + at, POISON_TEXT - at, "%s%u:%s:%" PRIu32, k > 0 ? "," : "", p->rec[k].stream, id, p->rec[k].rec);
	}
}

bool poison_is(const struct poison *p, unsigned stream, ap_id id, uint32_t rec)
{
	for (unsigned k = 0; k < p->n; k++)
		if (same_entry(stream, id, p->rec[k].stream, p->rec[k].id) && p->rec[k].rec == rec)
			return true;
	return false;
}

static bool in_group(const struct poison_mark *m, unsigned stream, ap_id id)
{
	return m->width > 0 && m->stream == stream && ap_id_cmp(id, m->id) >= 0 && ap_id_cmp(id, m->last) <= 0;
}

bool poison_apart(const struct poison *p, unsigned stream, ap_id id)
{
	for (unsigned k = 0; k < p->n; k++)
		if (same_entry(stream, id, p->rec[k].stream, p->rec[k].id))
			return true;
	return in_group(&p->suspect, stream, id);
}

struct poison_mark poison_next(const struct poison *p, unsigned stream, ap_id id, uint32_t at, uint32_t n)
{
	const struct poison_mark *s = &p->suspect;
	const bool group = in_group(s, stream, id) && s->width == POISON_ALL, here = !group && in_group(s, stream, id);
	const bool inside = here && at >= s->from && at - s->from < s->width;
	struct poison_mark m = { stream, id, id, at, 0, group || inside ? s->tries + 1 : 1 };
	uint32_t to = n - at > POISON_SPAN ? at + POISON_SPAN : n;

	if (inside)
		to = at + 1;
	else if (here && at < s->from && to > s->from)
		to = s->from;
	m.width = to - at;
	return m;
}
