/*
 * screen.c - price levels by series: judging by them, and moving them.
 */
#include "screen.h"

#include <stdlib.h>

#include "common/core/le.h"
#include "sertab.h"

struct level {
	uint32_t count;         /* prices accepted, up to `after` */
	uint32_t run;           /* outliers in a row that agree with the candidate */
	ap_dec level;           /* 0: no price yet */
	ap_dec candidate;       /* first of the run; 0 while run == 0 */
};

struct screen {
	uint64_t ratio_pct, after, agree;
	ap_i128 top;            /* greatest price that times ratio_pct fits 128 bits */
	struct sertab *levels;
};

/* ---- state --------------------------------------------------------------- */

static void dec_put(uint8_t *p, ap_dec d)
{
	ap_le_put(p, (uint64_t)d.e18, 8);
	ap_le_put(p + 8, (uint64_t)((ap_u128)d.e18 >> 64), 8);
}

static ap_dec dec_get(const uint8_t *p)
{
	return (ap_dec){ (ap_i128)((ap_u128)ap_le_get(p + 8, 8) << 64 | ap_le_get(p, 8)) };
}

static void level_pack(const void *item, uint8_t *v)
{
	const struct level *l = item;
	ap_le_put(v, l->count, 4);
	ap_le_put(v + 4, l->run, 4);
	dec_put(v + 8, l->level);
	dec_put(v + 24, l->candidate);
}

/* A price there may be, or none. */
static bool price_fine(ap_dec d)
{
	const ap_i128 e18 = INT64_C(1000000000000000000);

	return d.e18 >= 0 && d.e18 < e18 * e18;
}

static bool level_unpack(void *item, const uint8_t *v)
{
	struct level *l = item;
	l->count = (uint32_t)ap_le_get(v, 4);
	l->run = (uint32_t)ap_le_get(v + 4, 4);
	l->level = dec_get(v + 8);
	l->candidate = dec_get(v + 24);
	return price_fine(l->level) && price_fine(l->candidate);
}

static const struct sertab_kind kind = {
	.letter = 'o',
	.version = 1,
	.most = SCREEN_SERIES,
	.item_bytes = sizeof(struct level),
	.value_bytes = 4 + 4 + 16 + 16,
	.pack = level_pack,
	.unpack = level_unpack,
};

void screen_save(struct screen *s, struct ap_saver *to, bool all)
{
	sertab_save(s->levels, to, all);
}

bool screen_load(struct screen *s, ap_str field, ap_str value)
{
	return sertab_load(s->levels, field, value);
}

struct screen *screen_new(uint64_t ratio_pct, uint64_t after, uint64_t agree)
{
	struct screen *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->ratio_pct = ratio_pct;
	s->after = after;
	s->agree = agree;
	s->top = ratio_pct == 0 ? 0 : (ap_i128)(((ap_u128)1 << 127) - 1) / (ap_i128)ratio_pct;
	s->levels = sertab_new(&kind);
	if (s->levels == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void screen_free(struct screen *s)
{
	if (s == NULL)
		return;
	sertab_free(s->levels);
	free(s);
}

/* ---- judging ------------------------------------------------------------- */

/* Within an eighth of the level. */
static bool near(ap_dec price, ap_dec level)
{
	ap_i128 apart = price.e18 < level.e18 ? level.e18 - price.e18 : price.e18 - level.e18;
	return apart <= level.e18 >> 3;
}

/* a x 100 > b x ratio, where a < 1e36 and so a x 100 fits. */
static bool beyond(const struct screen *s, ap_dec a, ap_dec b)
{
	return b.e18 <= s->top && a.e18 * 100 > b.e18 * (ap_i128)s->ratio_pct;
}

static void accept(struct screen *s, struct level *l, ap_dec price)
{
	if (l->count < s->after) {
		l->count++;
		sertab_touch(s->levels, l);
	}
	if (!near(price, l->level)) {
		l->level = price;
		sertab_touch(s->levels, l);
	}
	if (l->run != 0) {
		l->run = 0;
		l->candidate = (ap_dec){ 0 };
		sertab_touch(s->levels, l);
	}
}

/* One more print outside the band. True: enough of them agree, it is the new level. */
static bool confirm(struct screen *s, struct level *l, ap_dec price)
{
	if (l->run > 0 && near(price, l->candidate)) {
		l->run++;
	} else {
		l->run = 1;
		l->candidate = price;
	}
	sertab_touch(s->levels, l);
	return l->run >= s->agree;
}

bool screen_take(struct screen *s, ap_str source, ap_str symbol, ap_dec price, ap_dec *level)
{
	struct level *l;
	if (s->ratio_pct == 0)
		return true;
	l = sertab_item(s->levels, source, symbol);
	if (l == NULL)
		return true;
	*level = l->level;
	if (l->count >= s->after && l->level.e18 != 0 && (beyond(s, price, l->level) || beyond(s, l->level, price)) &&
	    !confirm(s, l, price))
		return false;
	accept(s, l, price);
	return true;
}
