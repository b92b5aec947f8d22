/*
 * slot.c - the memory of the fold: sources, series, and the slots in their lanes.
 *
 * Running out of memory is the end of the process; what is committed stays, and a start loads it.
 */
#include "quote_fold.h"

#include <assert.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Of four places of the table one is taken: a chain that is no longer than one place is guessed right by the processor. */
enum { CHUNK_SLOTS = 256, TABLE_MIN = 64, TABLE_ROOM = 4 };

static void *grown(void *p, size_t n, size_t size)
{
	void *q = realloc(p, n * size);

	assert(q != NULL);
	return q;
}

/* Zeros that begin on a line of the cache. */
static void *zeroed(size_t size)
{
	const size_t whole = (size + CANDLE_LINE - 1) / CANDLE_LINE * CANDLE_LINE;
	void *p = aligned_alloc(CANDLE_LINE, whole);

	assert(p != NULL);
	return memset(p, 0, whole);
}

void candle_list_grow(struct candle_list *l)
{
	l->cap = l->cap == 0 ? 64 : l->cap * 2;
	l->v = grown(l->v, l->cap, sizeof *l->v);
}

/* The bars that are configured for the series, at most CANDLE_BARS_MAX. */
static void series_bars(struct candle_fold_state *st, struct candle_series *ser)
{
	const struct candle_bar_spec *want[CANDLE_BARS_MAX];
	uint8_t n = 0;

	for (uint32_t i = 0; i < st->specs.n && n < CANDLE_BARS_MAX; i++)
		if (candle_spec_wants(&st->specs.v[i], ser->source_name, ser->symbol))
			want[n++] = &st->specs.v[i];
	ser->bars = n;
	if (n == 0)
		return;
	ser->bar = calloc(n, sizeof *ser->bar);
	assert(ser->bar != NULL);
	for (uint32_t i = 0; i < n; i++)
		candle_bar_init(&ser->bar[i], want[i]);
}

/* --- sources ----------------------------------------------------------- */

struct candle_source *candle_source_get(struct candle_fold_state *st, ap_str name)
{
	struct candle_source *src;

	for (uint32_t i = 0; i < st->source_n; i++)
		if (ap_str_eq(name, ap_str_n(st->source[i]->name, st->source[i]->name_len)))
			return st->source[i];
	if (st->source_n == CANDLE_SOURCES_MAX || name.len > sizeof src->name)
		return NULL;
	src = calloc(1, sizeof *src);
	assert(src != NULL);
	memcpy(src->name, name.p, name.len);
	src->name_len = (uint32_t)name.len;
	src->no = st->source_n;
	src->time_ms = src->seen_ms = src->ended_ms = CANDLE_NEVER;
	src->first_ms = INT64_MAX;
	src->min_close = src->min_drop = src->quotes_min_close = src->quotes_min_drop = INT64_MAX;
	st->source = grown(st->source, st->source_n + 1, sizeof(struct candle_source *));
	st->source[st->source_n++] = src;
	return src;
}

void candle_source_adopt(struct candle_source *src, struct candle_series *ser)
{
	if (src->n == src->cap) {
		src->cap = src->cap == 0 ? 16 : src->cap * 2;
		src->series = grown(src->series, src->cap, sizeof(struct candle_series *));
		src->next_close = grown(src->next_close, src->cap, sizeof *src->next_close);
		src->next_drop = grown(src->next_drop, src->cap, sizeof *src->next_drop);
	}
	ser->source = src;
	ser->place = src->n;
	src->series[src->n] = ser;
	src->next_close[src->n] = src->next_drop[src->n] = INT64_MAX;
	src->bars += ser->bars;
	src->n++;
}

static void source_free(struct candle_source *src)
{
	candle_cover_done(&src->cover);
	free(src->series);
	free(src->next_close);
	free(src->next_drop);
	free(src);
}

/* --- series ------------------------------------------------------------ */

/*
 * A text of 4 to 16 bytes as two words, its beginning and its end, which may overlap: with its length they say all of it.
 * Names are nearly always that short, and are hashed and compared without a call. False: it is not that short.
 */
static inline bool text_words(ap_str s, uint64_t w[2])
{
	uint32_t half[2];

	if (s.len - 8 <= 16 - 8) {
		memcpy(&w[0], s.p, 8);
		memcpy(&w[1], s.p + s.len - 8, 8);
		return true;
	}
	if (s.len - 4 > 8 - 4)
		return false;
	memcpy(&half[0], s.p, 4);
	memcpy(&half[1], s.p + s.len - 4, 4);
	w[0] = half[0];
	w[1] = half[1];
	return true;
}

static inline uint64_t text_hash(ap_str s, uint64_t seed)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;       /* 2^64 over the golden ratio */
	uint64_t w[2];
	ap_u128 m;

	if (!text_words(s, w))
		return XXH3_64bits_withSeed(s.p, s.len, seed);
	m = (ap_u128)(w[0] ^ seed ^ odd) * (w[1] ^ odd * s.len);
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline bool text_is(ap_str a, ap_str b)
{
	uint64_t v[2], w[2];

	if (a.len != b.len)
		return false;
	return text_words(a, v) && text_words(b, w) ? v[0] == w[0] && v[1] == w[1] : ap_str_eq(a, b);
}

static inline uint64_t series_hash(ap_str source, ap_str symbol)
{
	return text_hash(symbol, text_hash(source, 0));
}

static void table_put(struct candle_fold_state *st, struct candle_series *ser)
{
	uint32_t i = (uint32_t)ser->hash & (st->table_cap - 1);

	while (st->table[i].series != NULL)
		i = (i + 1) & (st->table_cap - 1);
	st->table[i].hash = ser->hash;
	st->table[i].series = ser;
}

static void table_grow(struct candle_fold_state *st)
{
	st->table_cap = st->table_cap == 0 ? TABLE_MIN : st->table_cap * 2;
	st->table = grown(st->table, st->table_cap, sizeof *st->table);
	memset(st->table, 0, st->table_cap * sizeof *st->table);
	for (uint32_t i = 0; i < st->series_n; i++)
		table_put(st, st->series[i]);
}

struct candle_series *candle_series_new(struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	const size_t size = sizeof(struct candle_series) + source.len + symbol.len + 1;
	struct candle_series *ser = zeroed(size);

	ser->lane = calloc(st->plan.n, sizeof *ser->lane);
	assert(ser->lane != NULL);
	for (uint32_t i = 0; i < st->plan.n; i++)
		ser->lane[i].since_ms = CANDLE_NEVER;
	memcpy(ser->text, source.p, source.len);
	memcpy(ser->text + source.len, symbol.p, symbol.len);
	ser->source_name = ap_str_n(ser->text, source.len);
	ser->symbol = ap_str_n(ser->text + source.len, symbol.len);
	ser->hash = series_hash(source, symbol);
	ser->no = st->series_n;
	ser->cal = candle_cals_pick(&st->cals, source, symbol);
	ser->session = ser->cal->session;
	series_bars(st, ser);
	ser->floor_ms = CANDLE_NEVER;
	if (st->series_n == st->series_cap) {
		st->series_cap = st->series_cap == 0 ? TABLE_MIN / 2 : st->series_cap * 2;
		st->series = grown(st->series, st->series_cap, sizeof(struct candle_series *));
	}
	st->series[st->series_n++] = ser;
	if (st->series_n * TABLE_ROOM > st->table_cap)
		table_grow(st);
	else
		table_put(st, ser);
	return ser;
}

static bool series_is(const struct candle_series *ser, ap_str source, ap_str symbol)
{
	return text_is(ser->symbol, symbol) && text_is(ser->source_name, source);
}

/* The first series with this hash, which may be another one's; or NULL. */
static struct candle_series *table_first(const struct candle_fold_state *st, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (st->table_cap - 1);

	while (st->table[i].series != NULL && st->table[i].hash != hash)
		i = (i + 1) & (st->table_cap - 1);
	return st->table[i].series;
}

struct candle_series *candle_series_find(const struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	uint64_t hash;

	if (st->last != NULL && series_is(st->last, source, symbol))
		return st->last;
	if (st->table_cap == 0)
		return NULL;
	hash = series_hash(source, symbol);
	for (uint32_t i = (uint32_t)hash & (st->table_cap - 1); st->table[i].series != NULL; i = (i + 1) & (st->table_cap - 1))
		if (st->table[i].hash == hash && series_is(st->table[i].series, source, symbol))
			return st->table[i].series;
	return NULL;
}

void candle_series_soon(struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	struct candle_soon *soon = &st->soon;
	const uint64_t hash = series_hash(source, symbol);

	if (soon->n == CANDLE_SOON || st->table_cap == 0)
		return;
	__builtin_prefetch(&st->table[hash & (st->table_cap - 1)]);
	soon->v[soon->n].hash = hash;
	soon->v[soon->n++].series = NULL;
}

/* The next announced series, if it is this one; and steps ahead the fetching goes on. */
static struct candle_series *series_announced(struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	struct candle_soon *soon = &st->soon;
	const uint32_t at = soon->at++, ahead = at + CANDLE_SOON_SERIES;
	struct candle_series *ser;

	for (uint32_t i = at == 0 ? 0 : ahead; i <= ahead && i < soon->n; i++) {
		ser = table_first(st, soon->v[i].hash);
		soon->v[i].series = ser;
		if (ser != NULL)
			candle_fetch(&ser->cur, CANDLE_SERIES_LINES);
	}
	for (uint32_t i = at == 0 ? 0 : at + CANDLE_SOON_SLOT; i <= at + CANDLE_SOON_SLOT && i < soon->n; i++)
		if (soon->v[i].series != NULL)
			candle_fetch(soon->v[i].series->cur, CANDLE_SLOT_LINES);
	ser = soon->v[at].series;
	if (ser == NULL || series_is(ser, source, symbol))
		return ser;
	soon->n = 0;                    /* others were announced than came */
	return NULL;
}

struct candle_series *candle_series_get(struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	struct candle_series *ser = st->soon.at < st->soon.n ? series_announced(st, source, symbol) : NULL;
	struct candle_source *src;

	if (ser != NULL)
		return st->last = ser;
	ser = candle_series_find(st, source, symbol);
	if (ser != NULL)
		return st->last = ser;
	src = st->series_n < st->series_max ? candle_source_get(st, source) : NULL;
	if (src == NULL)
		return NULL;
	ser = candle_series_new(st, source, symbol);
	candle_source_adopt(src, ser);
	candle_series_unsaved(st, ser);
	src->unsaved = true;
	return st->last = ser;
}

void candle_series_fetch(const struct candle_list *l, size_t at)
{
	if (at + CANDLE_SOON_SERIES < l->n)
		candle_fetch(&((const struct candle_series *)l->v[at + CANDLE_SOON_SERIES])->cur, CANDLE_SERIES_LINES);
	if (at + CANDLE_SOON_SLOT < l->n)
		candle_fetch(((const struct candle_series *)l->v[at + CANDLE_SOON_SLOT])->cur, CANDLE_SLOT_LINES - 1);
}

/* --- slots ------------------------------------------------------------- */

static struct candle_slot *slot_new(struct candle_fold_state *st)
{
	struct candle_slot *s = st->free_slots;

	if (s == NULL) {
		struct candle_slot *chunk = zeroed(CHUNK_SLOTS * sizeof *chunk);

		candle_list_add(&st->chunks, chunk);
		for (int i = CHUNK_SLOTS - 1; i >= 0; i--) {
			chunk[i].series = (struct candle_series *)(void *)s;
			s = &chunk[i];
		}
	}
	st->free_slots = (struct candle_slot *)(void *)s->series;
	st->slots++;
	memset(s, 0, sizeof *s);
	return s;
}

struct candle_slot *candle_lane_find(const struct candle_lane *l, int64_t open_ms)
{
	const uint32_t at = candle_slots_at(l->v, l->n, open_ms);

	return at < l->n && l->v[at]->open_ms == open_ms ? l->v[at] : NULL;
}

struct candle_slot *candle_lane_insert(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms)
{
	struct candle_lane *l = &ser->lane[lane];
	struct candle_slot *s = slot_new(st);
	uint32_t i = l->n;

	s->open_ms = open_ms;
	s->close_ms = close_ms;
	s->series = ser;
	s->lane = (uint8_t)lane;
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 4 : l->cap * 2;
		l->v = grown(l->v, l->cap, sizeof(struct candle_slot *));
	}
	for (; i > 0 && l->v[i - 1]->open_ms > open_ms; i--)
		l->v[i] = l->v[i - 1];
	l->v[i] = s;
	l->n++;
	ser->source->forming++;
	return s;
}

static void list_forget(struct candle_list *l, const void *p)
{
	for (size_t i = l->n; i > 0; i--) {
		if (l->v[i - 1] == p) {
			l->v[i - 1] = NULL;
			return;
		}
	}
}

void candle_lane_remove(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, uint32_t at)
{
	struct candle_lane *l = &ser->lane[lane];
	struct candle_slot *s = l->v[at];

	if (ser->cur == s)
		ser->cur = NULL;
	if (s->state == SLOT_FORMING)
		ser->source->forming--;
	if (s->listed)
		list_forget(&st->tell, s);
	if (s->unsaved)
		list_forget(&st->save, s);
	if (s->saved)
		candle_forget_field(st, s);
	memmove(l->v + at, l->v + at + 1, (l->n - at - 1) * sizeof(struct candle_slot *));
	l->n--;
	s->series = (struct candle_series *)(void *)st->free_slots;
	st->free_slots = s;
	st->slots--;
}

void candle_slot_unsaved(struct candle_fold_state *st, struct candle_slot *s)
{
	if (s->unsaved)
		return;
	s->unsaved = true;
	candle_list_add(&st->save, s);
}

void candle_series_unsaved(struct candle_fold_state *st, struct candle_series *ser)
{
	if (ser->unsaved)
		return;
	ser->unsaved = true;
	candle_list_add(&st->save_series, ser);
}

void candle_memory_done(struct candle_fold_state *st)
{
	for (uint32_t i = 0; i < st->series_n; i++) {
		quote_series_done(st, st->series[i]);
		for (uint32_t t = 0; t < st->plan.n; t++)
			free(st->series[i]->lane[t].v);
		free(st->series[i]->lane);
		free(st->series[i]->bar);
		free(st->series[i]);
	}
	for (uint32_t i = 0; i < st->source_n; i++)
		source_free(st->source[i]);
	for (size_t i = 0; i < st->chunks.n; i++)
		free(st->chunks.v[i]);
	free(st->series);
	free(st->table);
	free(st->source);
	free(st->chunks.v);
	free(st->touched.v);
	free(st->visit.v);
	free(st->tell.v);
	free(st->bars.v);
	free(st->save_bars.v);
	free(st->save_series.v);
	free(st->save.v);
	ap_buf_done(&st->gone);
}
