/*
 * mtable.c - a table of series by (component, instance, name, labels). Pure: no I/O, no clock.
 */
#include "mtable.h"

#include <stdlib.h>
#include <xxhash.h>

struct mtable *mtable_new(void)
{
	struct mtable *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->s = malloc(MT_SERIES * sizeof *t->s);
	if (t->s == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void mtable_free(struct mtable *t)
{
	if (t == NULL)
		return;
	free(t->s);
	free(t);
}

/* The four texts one after another, each with its NUL. False: too long, or a NUL inside. */
static bool texts(struct mseries *s, const struct ap_metric *m, size_t *len)
{
	const ap_str part[] = { m->component, m->instance, m->name, m->labels };
	uint16_t at[4];
	size_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		if (part[i].len >= MT_TEXT - n || (part[i].len > 0 && memchr(part[i].p, '\0', part[i].len) != NULL))
			return false;
		at[i] = (uint16_t)n;
		if (part[i].len > 0)
			memcpy(s->text + n, part[i].p, part[i].len);
		n += part[i].len;
		s->text[n++] = '\0';
		if (n >= MT_TEXT && i < 3)
			return false;
	}
	s->instance = at[1];
	s->name = at[2];
	s->labels = at[3];
	*len = n;
	return true;
}

/* The slot of a series, or the empty one where it belongs. */
static uint32_t *find(struct mtable *t, const struct mseries *s, size_t len)
{
	size_t i = s->hash % MT_SLOTS;

	while (t->slot[i] != 0) {
		const struct mseries *o = &t->s[t->slot[i] - 1];

		if (o->hash == s->hash && memcmp(o->text, s->text, len) == 0)
			break;
		i = (i + 1) % MT_SLOTS;
	}
	return &t->slot[i];
}

void mtable_put(struct mtable *t, const struct ap_metric *m)
{
	struct mseries key, *s;
	uint32_t *slot;
	size_t len;

	if (m->component.len == 0 || m->name.len == 0 || !texts(&key, m, &len)) {
		t->refused++;
		return;
	}
	key.hash = XXH64(key.text, len, 0);
	slot = find(t, &key, len);
	if (*slot == 0) {
		if (t->n == MT_SERIES) {
			t->refused++;
			return;
		}
		key.ts_ns = -1;
		t->s[t->n] = key;
		*slot = (uint32_t)++t->n;
	}
	s = &t->s[*slot - 1];
	if (m->ts.ns < s->ts_ns)
		return;
	s->type = m->type;
	s->value = m->value;
	s->ts_ns = m->ts.ns;
}

void mtable_expire(struct mtable *t, int64_t ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->s[i].ts_ns >= ns) {
			if (kept != i)
				t->s[kept] = t->s[i];
			kept++;
		}
	if (kept == t->n)
		return;
	t->n = kept;
	memset(t->slot, 0, sizeof t->slot);
	for (size_t i = 0; i < kept; i++) {
		size_t k = t->s[i].hash % MT_SLOTS;

		while (t->slot[k] != 0)
			k = (k + 1) % MT_SLOTS;
		t->slot[k] = (uint32_t)i + 1;
	}
}
