/*
 * laws_map.c - the fields of a state hash, in memory: open addressing, deleted places marked.
 */
#include "laws.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

struct field {
	char *p;                /* name, then value; NULL: never used */
	size_t name_len, value_len;
	bool gone;
};

struct laws_map {
	struct field *f;
	size_t cap, used, live; /* used: places ever taken */
};

struct laws_map *laws_map_new(void)
{
	struct laws_map *m = calloc(1, sizeof *m);

	assert(m != NULL);
	m->cap = 64;
	m->f = calloc(m->cap, sizeof *m->f);
	assert(m->f != NULL);
	return m;
}

void laws_map_free(struct laws_map *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->cap; i++)
		free(m->f[i].p);
	free(m->f);
	free(m);
}

static struct field *map_find(const struct laws_map *m, ap_str name)
{
	size_t i = XXH3_64bits(name.p, name.len) & (m->cap - 1);

	while (m->f[i].p != NULL && !ap_str_eq(ap_str_n(m->f[i].p, m->f[i].name_len), name))
		i = (i + 1) & (m->cap - 1);
	return &m->f[i];
}

static void map_grow(struct laws_map *m)
{
	const struct laws_map old = *m;

	m->cap = old.cap * 2;
	m->used = m->live = 0;
	m->f = calloc(m->cap, sizeof *m->f);
	assert(m->f != NULL);
	for (size_t i = 0; i < old.cap; i++) {
		if (old.f[i].p == NULL || old.f[i].gone) {
			free(old.f[i].p);
			continue;
		}
		*map_find(m, ap_str_n(old.f[i].p, old.f[i].name_len)) = old.f[i];
		m->used++;
		m->live++;
	}
	free(old.f);
}

void laws_map_put(struct laws_map *m, ap_str name, ap_str value)
{
	struct field *f;
	char *p;

	if ((m->used + 1) * 2 > m->cap)
		map_grow(m);
	f = map_find(m, name);
	p = malloc(name.len + value.len + 1);
	assert(p != NULL);
	memcpy(p, name.p, name.len);
	if (value.len > 0)
		memcpy(p + name.len, value.p, value.len);
	m->used += f->p == NULL;
	m->live += f->p == NULL || f->gone;
	free(f->p);
	*f = (struct field){ p, name.len, value.len, false };
}

void laws_map_del(struct laws_map *m, ap_str name)
{
	struct field *f = map_find(m, name);

	if (f->p != NULL && !f->gone) {
		f->gone = true;
		m->live--;
	}
}

size_t laws_map_n(const struct laws_map *m)
{
	return m->live;
}

ap_str laws_map_get(const struct laws_map *m, ap_str name)
{
	const struct field *f = map_find(m, name);

	if (f->p == NULL || f->gone)
		return (ap_str){ NULL, 0 };
	return ap_str_n(f->p + f->name_len, f->value_len);
}

size_t laws_map_bytes(const struct laws_map *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->cap; i++)
		if (m->f[i].p != NULL && !m->f[i].gone)
			n += m->f[i].name_len + m->f[i].value_len;
	return n;
}

size_t laws_map_slots(const struct laws_map *m)
{
	return m->cap;
}

bool laws_map_slot(const struct laws_map *m, size_t i, ap_str *name, ap_str *value)
{
	const struct field *f = &m->f[i];

	if (f->p == NULL || f->gone)
		return false;
	*name = ap_str_n(f->p, f->name_len);
	*value = ap_str_n(f->p + f->name_len, f->value_len);
	return true;
}

static void keep_put(struct ap_saver *s, ap_str field, ap_str value)
{
	struct laws_keep *k = (struct laws_keep *)(void *)s;

	laws_map_put(k->map, field, value);
	k->puts++;
}

static void keep_del(struct ap_saver *s, ap_str field)
{
	struct laws_keep *k = (struct laws_keep *)(void *)s;

	laws_map_del(k->map, field);
	k->dels++;
}

struct laws_keep laws_keep_new(void)
{
	return (struct laws_keep){ .saver = { keep_put, keep_del }, .map = laws_map_new() };
}
