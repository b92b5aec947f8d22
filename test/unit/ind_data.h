/*
 * ind_data.h - candles made for the tests of indicators: reproducible, and as nasty as asked.
 */
#ifndef TEST_UNIT_IND_DATA_H
#define TEST_UNIT_IND_DATA_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "stages/ap-indicators/ind.h"

struct rng { uint64_t s; };

static inline double rng_unit(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* A candle of a walk with steps of about `step` of the price, prices in hundredths. */
static inline struct ind_bar bar_walk(struct rng *r, double *price, int64_t open_ms, double step)
{
	double o = *price, c = o * (1 + step * (rng_unit(r) - 0.5)), hi = fmax(o, c), lo = fmin(o, c);
	struct ind_bar b = { .open_ms = open_ms };

	hi *= 1 + step * 0.4 * rng_unit(r);
	lo *= 1 - step * 0.4 * rng_unit(r);
	b.o = o;
	b.c = c;
	b.h = hi;
	b.l = lo;
	b.n = floor(1 + 90 * rng_unit(r));
	b.v = floor(1 + 5000 * rng_unit(r)) / 8;
	b.buy_v = floor(b.v * rng_unit(r) * 8) / 8;
	b.sell_v = b.v - b.buy_v;
	b.qv = b.v * (hi + lo + c) / 3;
	*price = c;
	return b;
}

static inline struct ind_bar bar_flat(double price, int64_t open_ms, double volume)
{
	return (struct ind_bar){ .open_ms = open_ms, .o = price, .h = price, .l = price, .c = price, .v = volume,
				 .qv = volume * price, .n = volume > 0 };
}

/*
 * n candles. nasty: besides the walk there are still stretches, stretches without volume, wicks fifty times as long, and
 * whole levels apart (1e-5, 3e10).
 */
static inline struct ind_bar *bars_make(size_t n, uint64_t seed, bool nasty)
{
	struct ind_bar *b = calloc(n, sizeof *b);
	struct rng r = { seed };
	double price = 100;
	int mode = 0;

	for (size_t i = 0; b != NULL && i < n; i++) {
		int64_t at = 1700000000000 + (int64_t)i * 60000;

		if (nasty && i % 60 == 59) {
			mode = (int)(8 * rng_unit(&r));
			if (mode == 6)
				price = 1e-5;
			else if (mode == 7)
				price = 3e10;
			else if (price < 1 || price > 1e6)
				price = 100;
		}
		if (mode == 1 || mode == 2)
			b[i] = bar_flat(price, at, mode == 1 ? 12 : 0);
		else
			b[i] = bar_walk(&r, &price, at, 0.01);
		if (mode == 3)
			b[i].v = b[i].qv = b[i].n = b[i].buy_v = b[i].sell_v = 0;
		if (mode == 4 && rng_unit(&r) < 0.05)
			b[i].h = price * 50;
	}
	return b;
}

/* One set's run: state and room for its outputs. */
struct rig {
	struct ind_set *set;
	void *state;
	double *val;
	uint64_t *valid;
	char err[300];
};

static inline bool rig_init(struct rig *r, const char *specs)
{
	*r = (struct rig){ .set = NULL };
	r->set = ind_set_parse(specs, r->err, sizeof r->err);
	if (r->set == NULL)
		return false;
	r->state = malloc(ind_set_size(r->set));
	r->val = calloc(ind_set_values(r->set) + 1, sizeof *r->val);
	r->valid = calloc(ind_set_bitmap(r->set) + 1, sizeof *r->valid);
	ind_init(r->set, r->state);
	return true;
}

static inline void rig_done(struct rig *r)
{
	free(r->state);
	free(r->val);
	free(r->valid);
	ind_set_free(r->set);
}

static inline void rig_take(struct rig *r, const struct ind_bar *b)
{
	ind_update(r->set, r->state, b, r->val, r->valid);
}

/* Slot i's value, NAN where absent. */
static inline double rig_value(const struct rig *r, size_t i)
{
	return ind_valid(r->valid, i) ? r->val[ind_set_places(r->set)[i]] : (double)NAN;
}

static inline void *rig_core(const struct rig *r)
{
	return (uint8_t *)r->state + ind_set_ring_size(r->set);
}

/* Every indicator with its defaults, and those that have it with tv seeds too. Free it. */
static inline char *specs_all(void)
{
	char *text = calloc(1, 16384);
	const struct ind_def *d;

	for (size_t i = 0; text != NULL && (d = ind_def_at(i)) != NULL; i++) {
		strcat(strcat(text, d->name), ";");
		for (size_t k = 0; k < ind_def_params(d); k++)
			if (strcmp(d->params[k].name, "seed") == 0)
				strcat(strcat(strcat(text, d->name), d->params[k].def > 0 ? " seed=talib" : " seed=tv"), ";");
	}
	return text;
}

#endif
