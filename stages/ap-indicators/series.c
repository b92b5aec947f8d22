/*
 * series.c - a series with 16 candles of memory.
 *
 *   0  version (2), candles in the window (1), whether the base has taken candles (1)
 *   3  per candle: open_ms (behind the first: from the one before), revision as varints, then o h l c v qv n buy sell packed
 *  ..  the base's image (engine.c)            ..  XXH64 of all before
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "common/core/le.h"
#include "common/core/wire.h"
#include "stages/ap-indicators/pack.h"
#include "stages/ap-indicators/series.h"

_Static_assert((int)IND_REWIND <= (int)AP_REVISED_WEIGHT, "a revised candle makes no more candles told than its weight in a frame says");

enum { VERSION = 2, HEAD = 3, PACKED = 9, SUM = 8 };

bool ind_series_init(struct ind_series *s, const struct engine *e)
{
	size_t ring = ind_set_ring_size(e->set);

	*s = (struct ind_series){ .engine = e, .ring = calloc(1, ring + 2 * e->core_size + 1) };
	if (s->ring == NULL)
		return false;
	s->base = s->ring + ring;
	s->tip = s->base + e->core_size;
	engine_init(e, s->base);
	engine_init(e, s->tip);
	return true;
}

void ind_series_done(struct ind_series *s)
{
	free(s->ring);
	s->ring = NULL;
}

static bool grow(void **p, size_t *cap, size_t need)
{
	void *more;

	if (need <= *cap)
		return true;
	more = realloc(*p, need);
	if (more == NULL)
		return false;
	*p = more;
	*cap = need;
	return true;
}

bool ind_work_fit(struct ind_work *w, const struct engine *e)
{
	return grow((void **)&w->now.val, &w->val_cap, (ind_set_values(e->set) + 1) * sizeof *w->now.val) &&
	       grow((void **)&w->now.valid, &w->valid_cap, (ind_set_bitmap(e->set) + 1) * sizeof *w->now.valid) &&
	       grow(&w->core, &w->core_cap, e->core_size + 1);
}

void ind_work_done(struct ind_work *w)
{
	free(w->now.val);
	free(w->now.valid);
	free(w->core);
}

enum ind_place ind_series_place(const struct ind_series *s, int64_t open_ms, uint32_t *at)
{
	uint32_t i = s->n;

	while (i > 0 && s->window[i - 1].bar.open_ms > open_ms)
		i--;
	*at = i;
	if (i > 0 && s->window[i - 1].bar.open_ms == open_ms) {
		*at = i - 1;
		return IND_AGAIN;
	}
	if (i == s->n)
		return IND_NEXT;
	/* In front of the oldest kept candle: only right while nothing older has left the window. */
	if (i == 0 && (s->n == IND_REWIND || s->begun))
		return IND_TOO_OLD;
	return IND_BETWEEN;
}

/* The oldest candle of the window becomes part of the base. */
static void window_shift(struct ind_series *s, struct ind_work *w)
{
	engine_step(s->engine, s->ring, s->base, &s->window[0], &w->now);
	memmove(s->window, s->window + 1, (IND_REWIND - 1) * sizeof s->window[0]);
	s->begun = true;
	s->n--;
}

/* What the candles from `at` on have given so far; the state before them stays in w->core. */
static void remember(struct ind_series *s, uint32_t at, struct ind_work *w)
{
	w->n_ends = 0;
	memcpy(s->tip, s->base, s->engine->core_size);
	for (uint32_t i = 0; i < s->n; i++) {
		if (i == at)
			memcpy(w->core, s->tip, s->engine->core_size);
		engine_step(s->engine, s->ring, s->tip, &s->window[i], &w->now);
		if (i < at)
			continue;
		memcpy(w->was[i].pat, w->now.pat, sizeof w->now.pat);
		w->was[i].fired = 0;
		for (uint32_t k = 0; k < w->now.n_signals; k++)
			w->was[i].fired |= UINT64_C(1) << w->now.signal[k].rule;
		for (uint32_t k = 0; k < w->now.n_ends; k++) {
			const struct outcome *o = &w->now.end[k];

			assert(w->n_ends < IND_ENDS_MAX);
			w->end[w->n_ends++] = (struct ind_end){ o->signal_ms, o->revision, o->rule, false };
		}
	}
}

static void mark_standing(struct ind_work *w)
{
	for (uint32_t k = 0; k < w->now.n_ends; k++)
		for (uint32_t i = 0; i < w->n_ends; i++)
			if (w->end[i].signal_ms == w->now.end[k].signal_ms && w->end[i].rule == w->now.end[k].rule)
				w->end[i].stands = true;
}

/* Everything from `at` on anew; `was` of the candle that is new to the window is empty. */
static void again(struct ind_series *s, uint32_t at, struct ind_work *w, struct ind_tell *tell)
{
	memcpy(s->tip, w->core, s->engine->core_size);
	for (uint32_t i = at; i < s->n; i++) {
		engine_step(s->engine, s->ring, s->tip, &s->window[i], &w->now);
		mark_standing(w);
		tell->candle(tell, &s->window[i], &w->now, &w->was[i]);
	}
	for (uint32_t i = 0; i < w->n_ends; i++)
		if (!w->end[i].stands && tell->withdrawn != NULL)
			tell->withdrawn(tell, &w->end[i]);
}

bool ind_series_put(struct ind_series *s, const struct ind_candle *c, struct ind_work *w, struct ind_tell *tell)
{
	uint32_t at;
	enum ind_place place = ind_series_place(s, c->bar.open_ms, &at);

	if (place == IND_TOO_OLD)
		return false;
	if (place != IND_AGAIN && s->n == IND_REWIND) {
		window_shift(s, w);
		at--;
	}
	if (place != IND_NEXT)
		remember(s, at, w);
	if (place != IND_AGAIN) {
		memmove(s->window + at + 1, s->window + at, (s->n - at) * sizeof s->window[0]);
		memmove(w->was + at + 1, w->was + at, (s->n - at) * sizeof w->was[0]);
		w->was[at] = (struct ind_was){ .fired = 0 };
		s->n++;
	}
	s->window[at] = *c;
	if (place != IND_NEXT) {
		again(s, at, w, tell);
		return true;
	}
	engine_step(s->engine, s->ring, s->tip, c, &w->now);
	tell->candle(tell, &s->window[at], &w->now, NULL);
	return true;
}

void ind_series_peek(const struct ind_series *s, const struct ind_candle *c, struct ind_work *w)
{
	/* The rings' next place holds a value that nobody asks for any more. */
	memcpy(w->core, s->tip, s->engine->core_size);
	engine_step(s->engine, s->ring, w->core, c, &w->now);
}

/* --- image ------------------------------------------------------------------------------------- */

/* The numbers of a candle, in the order they are saved. */
static void bar_doubles(struct ind_bar *b, double *to[PACKED])
{
	double *const f[PACKED] = { &b->o, &b->h, &b->l, &b->c, &b->v, &b->qv, &b->n, &b->buy_v, &b->sell_v };

	memcpy(to, f, sizeof f);
}

size_t ind_series_save_size(const struct engine *e)
{
	return HEAD + IND_REWIND * (2 * PACK_VARINT_MAX + PACKED * PACK_MAX) + engine_save_size(e) + SUM;
}

size_t ind_series_save(const struct ind_series *s, uint8_t *p, size_t cap)
{
	uint8_t *q = p + HEAD;
	uint64_t before = 0, sum;

	if (cap < ind_series_save_size(s->engine))
		return 0;
	p[0] = VERSION;
	p[1] = (uint8_t)s->n;
	p[2] = s->begun;
	for (uint32_t i = 0; i < s->n; i++) {
		struct ind_candle c = s->window[i];
		double *f[PACKED];

		q = pack_varint(q, (uint64_t)c.bar.open_ms - before);
		before = (uint64_t)c.bar.open_ms;
		q = pack_varint(q, c.revision);
		bar_doubles(&c.bar, f);
		for (int k = 0; k < PACKED; k++)
			q = pack_double(q, *f[k]);
	}
	q += engine_save(s->engine, s->ring, s->base, q);
	sum = XXH64(p, (size_t)(q - p), 0);
	return (size_t)(ap_le_push(q, sum, SUM) - p);
}

/* A candle of numbers, at a time that is none before 1970 and behind the candle before it. */
static bool candle_get(const uint8_t **q, const uint8_t *end, bool first, uint64_t *before, struct ind_candle *c)
{
	uint64_t open, revision;
	double *f[PACKED];

	if (!unpack_varint(q, end, &open) || !unpack_varint(q, end, &revision) || revision > UINT32_MAX || open > INT64_MAX - *before ||
	    (open == 0 && !first))
		return false;
	*before += open;
	*c = (struct ind_candle){ .bar = { .open_ms = (int64_t)*before }, .revision = (uint32_t)revision };
	bar_doubles(&c->bar, f);
	for (int k = 0; k < PACKED; k++)
		if (!unpack_double(q, end, f[k]) || !isfinite(*f[k]))
			return false;
	return true;
}

static void tip_from_base(struct ind_series *s, struct ind_work *w)
{
	memcpy(s->tip, s->base, s->engine->core_size);
	for (uint32_t i = 0; i < s->n; i++)
		engine_step(s->engine, s->ring, s->tip, &s->window[i], &w->now);
}

bool ind_series_known(const uint8_t *p, size_t len)
{
	return len > 0 && p[0] == VERSION;
}

bool ind_series_load(struct ind_series *s, const uint8_t *p, size_t len, struct ind_work *w, bool *restarted)
{
	const uint8_t *q = p + HEAD, *end;
	uint64_t before = 0;

	if (len < HEAD + SUM || p[0] != VERSION || p[1] > IND_REWIND || p[2] > 1)
		return false;
	end = p + len - SUM;
	if (ap_le_get(end, SUM) != XXH64(p, len - SUM, 0))
		return false;
	s->begun = p[2] != 0;
	for (s->n = 0; s->n < p[1]; s->n++)
		if (!candle_get(&q, end, s->n == 0, &before, &s->window[s->n]))
			return false;
	if (!engine_load(s->engine, s->ring, s->base, q, (size_t)(end - q), restarted))
		return false;
	tip_from_base(s, w);
	return true;
}

void ind_series_past_begin(struct ind_series *s)
{
	memset(s->ring, 0, ind_set_ring_size(s->engine->set));
	engine_init(s->engine, s->base);
	engine_init(s->engine, s->tip);
	s->begun = false;
	s->filling = s->n == 0;
}

static void tell_nobody(struct ind_tell *t, const struct ind_candle *c, const struct engine_now *now, const struct ind_was *was)
{
	(void)t, (void)c, (void)now, (void)was;
}

void ind_series_past(struct ind_series *s, const struct ind_candle *c, struct ind_work *w)
{
	struct ind_tell nobody = { .candle = tell_nobody };

	if (s->filling) {
		ind_series_put(s, c, w, &nobody);
		return;
	}
	assert(c->bar.open_ms < s->window[0].bar.open_ms);
	engine_step(s->engine, s->ring, s->base, c, &w->now);
	s->begun = true;
}

void ind_series_past_end(struct ind_series *s, struct ind_work *w)
{
	s->filling = false;
	tip_from_base(s, w);
}
