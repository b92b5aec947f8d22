/*
 * state.c - the fold's memory as fields of a hash, and back.
 *
 *   t<source>               times and cover of a source
 *   s<no>                   a series: its names, and where filling goes on
 *   b<no>:<open>            a slot of the smallest timeframe
 *   l<no>:<tf>:<open>       a slot of a larger one, once it says more than its small slots do
 *   k<no>:<name>            a bar that does not follow the clock
 *   q m u                   quotes: quote_state.c
 *
 * Values: version (1 byte), content (little-endian), XXH3 of name and value (8 bytes). A field of another version or with
 * another sum is refused. Larger slots are folded from the small ones again when all is loaded.
 */
#include "field.h"
#include "quote_fold.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t candle_field_sum(ap_str name, const uint8_t *value, size_t len)
{
	return XXH3_64bits_withSeed(value, len, XXH3_64bits(name.p, name.len));
}

/* Of a list, without the marks of where its entries stand in the file: a comment above them changes nothing. */
static uint64_t list_sum(const char *list)
{
	XXH3_state_t *h = XXH3_createState();
	uint64_t sum;
	size_t len;

	assert(h != NULL);
	(void)XXH3_64bits_reset(h);
	for (const char *p = list, *mark; *p != '\0'; p = mark + len) {
		mark = ap_conf_mark(p, &len);
		(void)XXH3_64bits_update(h, p, (size_t)(mark - p));
	}
	sum = XXH3_64bits_digest(h);
	XXH3_freeState(h);
	return sum;
}

uint64_t candle_text_sum(const char *zone, const char *sessions)
{
	return XXH3_64bits_withSeed(zone, strlen(zone), list_sum(sessions));
}

/* --- writing ----------------------------------------------------------- */

static uint64_t low(ap_i128 v)
{
	return (uint64_t)(ap_u128)v;
}

static uint64_t high(ap_i128 v)
{
	return (uint64_t)((ap_u128)v >> 64);
}

static inline void put_ohlc(struct field_wr *b, const struct candle_ohlc *p)
{
	const uint64_t w[] = { low(p->o.e18), high(p->o.e18), low(p->h.e18), high(p->h.e18),
			       low(p->l.e18), high(p->l.e18), low(p->c.e18), high(p->c.e18) };

	field_put_words(b, w, sizeof w / sizeof w[0]);
}

static inline void put_sums(struct field_wr *b, const struct candle_sums *s)
{
	const uint64_t w[] = { low(s->vol_e18), high(s->vol_e18), low(s->buy_e18), high(s->buy_e18), low(s->sell_e18), high(s->sell_e18),
			       s->qv.w[0], s->qv.w[1], s->qv.w[2], s->qv.w[3], s->n };

	field_put_words(b, w, sizeof w / sizeof w[0]);
}

static void put_key(struct field_wr *b, const struct candle_key *k)
{
	field_put_i64(b, k->ts_ns);
	field_put_text(b, ap_str_n(k->id, k->len));
}

void candle_field_out(struct ap_saver *to, ap_str name, struct field_wr *b)
{
	field_put_u64(b, candle_field_sum(name, b->from, (size_t)(b->p - b->from)));
	to->put(to, name, ap_str_n((const char *)b->from, (size_t)(b->p - b->from)));
}

/* Decimal digits by hand: names are made for every saved slot. */
static char *name_u64(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

ap_str candle_slot_name(struct candle_fold_state *st, const char letters[2], const struct candle_series *ser, uint32_t lane, int64_t open_ms,
			char out[FIELD_NAME_MAX])
{
	const struct candle_tf *tf = &st->plan.tf[lane];
	char *p = out;

	*p++ = letters[lane > 0];
	p = name_u64(p, ser->no);
	*p++ = ':';
	if (lane > 0) {
		memcpy(p, tf->name, tf->name_len);
		p += tf->name_len;
		*p++ = ':';
	}
	/* Most series are in the same interval. */
	if (st->named.len == 0 || st->named.ms != open_ms) {
		st->named.ms = open_ms;
		st->named.len = (size_t)(name_u64(st->named.digits, (uint64_t)open_ms) - st->named.digits);
	}
	memcpy(p, st->named.digits, sizeof st->named.digits);
	return ap_str_n(out, (size_t)(p - out) + st->named.len);
}

/* Whether a slot says anything that its small slots, and its absence, do not. */
static bool slot_worth(const struct candle_slot *s)
{
	if (s->lane == 0)
		return s->any || s->filled;
	return s->issued || s->filled || s->u.fold.settled.s.n > 0;
}

enum { BIT_FINAL = 1, BIT_FILLED = 2, BIT_ISSUED = 4, BIT_ANY = 8, BIT_UNTOLD = 16 };

static void slot_out(struct candle_fold_state *st, struct candle_slot *s, struct ap_saver *to)
{
	uint8_t mem[1024];
	char name[FIELD_NAME_MAX];
	struct field_wr b = { mem, mem, mem + sizeof mem };
	/* In a larger slot `any` tells whether something is settled; the rest comes from small slots. */
	const bool any = s->lane == 0 ? s->any : s->u.fold.settled.s.n > 0;

	if (!slot_worth(s))
		return;
	field_put_u8(&b, FIELD_V);
	field_put_u8(&b, (uint8_t)((s->state == SLOT_FINAL ? BIT_FINAL : 0) | (s->filled ? BIT_FILLED : 0) | (s->issued ? BIT_ISSUED : 0) |
			     (any ? BIT_ANY : 0) | (s->untold ? BIT_UNTOLD : 0)));
	field_put_i64(&b, s->close_ms);
	field_put_u64(&b, s->revision);
	if (s->filled)
		field_put_i128(&b, s->p.c.e18);
	if (any && s->lane == 0) {
		put_ohlc(&b, &s->p);
		put_sums(&b, &s->s);
		put_key(&b, &s->u.key.first);
		put_key(&b, &s->u.key.last);
	} else if (any) {
		put_ohlc(&b, &s->u.fold.settled.p);
		put_sums(&b, &s->u.fold.settled.s);
		field_put_i64(&b, s->u.fold.settled.first_ms);
		field_put_i64(&b, s->u.fold.settled.last_ms);
	}
	s->saved = true;
	candle_field_out(to, candle_slot_name(st, "bl", s->series, s->lane, s->open_ms, name), &b);
}

enum { BAR_ANY = 1, BAR_SELL = 2, BAR_ANCHORED = 4, BAR_DOWN = 8, BAR_UP = 16 };

static void bar_out(const struct candle_series *ser, const struct candle_bar *bar, struct ap_saver *to)
{
	uint8_t mem[1024];
	char name[FIELD_NAME_MAX], *p = name;
	struct field_wr b = { mem, mem, mem + sizeof mem };
	const size_t len = strlen(bar->spec->name);

	if (!bar->seen)
		return;
	*p++ = 'k';
	p = name_u64(p, ser->no);
	*p++ = ':';
	memcpy(p, bar->spec->name, len);
	p += len;
	field_put_u8(&b, FIELD_V);
	field_put_u8(&b, (uint8_t)((bar->any ? BAR_ANY : 0) | (bar->sell ? BAR_SELL : 0) | (bar->anchored ? BAR_ANCHORED : 0) |
			     (bar->dir < 0 ? BAR_DOWN : bar->dir > 0 ? BAR_UP : 0)));
	field_put_i64(&b, bar->prev_open_ms);
	field_put_i128(&b, bar->last_price.e18);
	field_put_i128(&b, bar->level.e18);
	if (bar->any) {
		field_put_i64(&b, bar->open_ms);
		field_put_i64(&b, bar->last_ms);
		put_ohlc(&b, &bar->p);
		put_sums(&b, &bar->s);
		put_sums(&b, &bar->buys);
		put_sums(&b, &bar->sells);
	}
	candle_field_out(to, ap_str_n(name, (size_t)(p - name)), &b);
}

enum { SRC_CLOSING = 1, SRC_BEHIND = 2 };

static void source_out(const struct candle_source *src, struct ap_saver *to)
{
	uint8_t mem[128 + CANDLE_SPANS_MAX * sizeof(struct candle_span)];
	char name[FIELD_NAME_MAX];
	struct field_wr b = { mem, mem, mem + sizeof mem };
	const int n = snprintf(name, sizeof name, "t%.*s", (int)src->name_len, src->name);

	field_put_u8(&b, FIELD_V);
	field_put_u64(&b, src->no);
	field_put_i64(&b, src->time_ms);
	field_put_i64(&b, src->seen_ms);
	field_put_i64(&b, src->first_ms);
	field_put_i64(&b, src->ended_ms);
	field_put_u8(&b, (uint8_t)((src->closing ? SRC_CLOSING : 0) | (src->behind ? SRC_BEHIND : 0)));
	field_put_u64(&b, src->cover.n);
	for (uint32_t i = 0; i < src->cover.n; i++) {
		field_put_i64(&b, src->cover.v[i].from_ms);
		field_put_i64(&b, src->cover.v[i].to_ms);
	}
	candle_field_out(to, ap_str_n(name, (size_t)n), &b);
}

static void series_out(const struct candle_fold_state *st, const struct candle_series *ser, struct ap_saver *to)
{
	uint8_t mem[512 + CANDLE_TFS_MAX * 80];
	char name[FIELD_NAME_MAX];
	struct field_wr b = { mem, mem, mem + sizeof mem };
	const int n = snprintf(name, sizeof name, "s%" PRIu32, ser->no);

	field_put_u8(&b, FIELD_V);
	field_put_i64(&b, st->plan.tf[0].step_ms);
	field_put_u64(&b, st->cals_sum);
	field_put_text(&b, ser->source_name);
	field_put_text(&b, ser->symbol);
	field_put_i64(&b, ser->floor_ms);
	for (uint32_t i = 0; i < st->plan.n; i++) {
		const struct candle_lane *l = &ser->lane[i];

		field_put_text(&b, ap_str_c(st->plan.tf[i].name));
		field_put_i64(&b, l->since_ms);
		field_put_u8(&b, l->has_end);
		field_put_i64(&b, l->end_ms);
		field_put_i128(&b, l->end_price.e18);
	}
	candle_field_out(to, ap_str_n(name, (size_t)n), &b);
}

void candle_gone_add(struct candle_fold_state *st, ap_str name)
{
	ap_buf_putc(&st->gone, (char)name.len);
	ap_buf_str(&st->gone, name);
	assert(!st->gone.full);
}

void candle_forget_field(struct candle_fold_state *st, const struct candle_slot *s)
{
	char name[FIELD_NAME_MAX];

	candle_gone_add(st, candle_slot_name(st, "bl", s->series, s->lane, s->open_ms, name));
}

static void save_gone(struct candle_fold_state *st, struct ap_saver *to)
{
	for (size_t i = 0; i < st->gone.len; i += 1u + st->gone.p[i])
		to->del(to, ap_str_n((const char *)st->gone.p + i + 1, st->gone.p[i]));
	ap_buf_clear(&st->gone);
}

static void save_all(struct candle_fold_state *st, struct ap_saver *to)
{
	for (uint32_t i = 0; i < st->source_n; i++)
		source_out(st->source[i], to);
	for (uint32_t i = 0; i < st->series_n; i++) {
		series_out(st, st->series[i], to);
		for (uint32_t k = 0; k < st->series[i]->bars; k++)
			bar_out(st->series[i], &st->series[i]->bar[k], to);
		for (uint32_t t = 0; t < st->plan.n; t++)
			for (uint32_t k = 0; k < st->series[i]->lane[t].n; k++)
				slot_out(st, st->series[i]->lane[t].v[k], to);
	}
}

static void save_changed(struct candle_fold_state *st, struct ap_saver *to)
{
	for (uint32_t i = 0; i < st->source_n; i++) {
		if (st->source[i]->unsaved)
			source_out(st->source[i], to);
		st->source[i]->unsaved = false;
	}
	for (size_t i = 0; i < st->save_series.n; i++) {
		struct candle_series *ser = st->save_series.v[i];

		series_out(st, ser, to);
		ser->unsaved = false;
	}
	for (size_t i = 0; i < st->save.n; i++) {
		struct candle_slot *s = st->save.v[i];

		if (i + CANDLE_SOON_SLOT < st->save.n && st->save.v[i + CANDLE_SOON_SLOT] != NULL)
			candle_fetch(st->save.v[i + CANDLE_SOON_SLOT], CANDLE_SAVE_LINES);
		if (s == NULL)
			continue;
		slot_out(st, s, to);
		s->unsaved = false;
	}
	for (size_t i = 0; i < st->save_bars.n; i += 2) {
		struct candle_bar *bar = st->save_bars.v[i + 1];

		bar_out(st->save_bars.v[i], bar, to);
		bar->unsaved = false;
	}
	st->save_series.n = st->save.n = st->save_bars.n = 0;
}

void candle_save(void *state, struct ap_saver *to, bool all)
{
	struct candle_fold_state *st = state;

	(void)candle_settle_entry(st);
	save_gone(st, to);
	if (all)
		save_all(st, to);
	else
		save_changed(st, to);
	quote_save(st, to, all);
}

/* --- reading ----------------------------------------------------------- */

static void get_ohlc(struct field_rd *in, struct candle_ohlc *p)
{
	p->o.e18 = field_get_i128(in);
	p->h.e18 = field_get_i128(in);
	p->l.e18 = field_get_i128(in);
	p->c.e18 = field_get_i128(in);
	if (!field_price_fine(p->o) || !field_price_fine(p->h) || !field_price_fine(p->l) || !field_price_fine(p->c))
		in->bad = true;
}

static void get_sums(struct field_rd *in, struct candle_sums *s)
{
	s->vol_e18 = field_get_i128(in);
	s->buy_e18 = field_get_i128(in);
	s->sell_e18 = field_get_i128(in);
	for (int i = 0; i < 4; i++)
		s->qv.w[i] = field_get_u64(in);
	s->n = field_get_u64(in);
	/* None above the whole, and the whole below where candle_sums_fit draws the line. */
	if (s->buy_e18 < 0 || s->sell_e18 < 0 || s->vol_e18 < s->buy_e18 || s->vol_e18 - s->buy_e18 < s->sell_e18 ||
	    s->vol_e18 >> CANDLE_VOL_BITS != 0 || s->qv.w[3] >> CANDLE_QV_TOP_BITS != 0 || !field_count_fine(s->n))
		in->bad = true;
}

static void get_key(struct field_rd *in, struct candle_key *k)
{
	const int64_t ts_ns = field_get_i64(in);
	const ap_str id = field_get_text(in);

	if (id.len > AP_TRADE_ID_MAX)
		in->bad = true;
	else
		candle_key_set(k, ts_ns, id);
}

/* What was read waits here until all of it is there: fields come in any order. */
struct loaded_slot {
	uint64_t series_no;
	char tf[AP_TF_MAX];             /* "" : the smallest */
	struct candle_slot s;
};

struct loaded_series {
	uint64_t no;
	int64_t base_ms;
	uint64_t cals_sum;
	uint8_t *text;                  /* a copy of the rest of the value */
	size_t len;
};

struct loaded_bar {
	uint64_t series_no;
	char name[AP_TF_MAX + 1];
	struct candle_bar b;
};

struct candle_load {
	struct loaded_bar *bar;
	size_t bar_n, bar_cap;
	struct loaded_slot *slot;
	struct loaded_series *series;
	struct candle_source **source;
	size_t slot_n, series_n, source_n, slot_cap, series_cap, source_cap;
};

static void *load_room(void **v, size_t n, size_t *cap, size_t size)
{
	if (n == *cap) {
		*cap = *cap == 0 ? 64 : *cap * 2;
		*v = realloc(*v, *cap * size);
		assert(*v != NULL);
	}
	return (char *)*v + n * size;
}

/* Digits only, up to the end or `stop`; moves *p behind it. */
static bool name_number(const char **p, const char *end, char stop, uint64_t *out)
{
	const char *s = *p;
	uint64_t v = 0;

	while (s < end && *s >= '0' && *s <= '9' && s - *p < 19)
		v = v * 10 + (uint64_t)(*s++ - '0');
	if (s == *p || (stop == '\0' ? s != end : s == end || *s != stop))
		return false;
	*p = stop == '\0' ? s : s + 1;
	*out = v;
	return true;
}

/* b<no>:<open>, l<no>:<tf>:<open> */
static bool slot_named(struct loaded_slot *ls, ap_str name)
{
	const char *p = name.p + 1, *end = name.p + name.len;
	uint64_t open;

	if (!name_number(&p, end, ':', &ls->series_no))
		return false;
	if (name.p[0] == 'l') {
		const char *colon = memchr(p, ':', (size_t)(end - p));

		if (colon == NULL || colon == p || colon - p >= AP_TF_MAX || *p == '\0')
			return false;
		memcpy(ls->tf, p, (size_t)(colon - p));
		p = colon + 1;
	}
	if (!name_number(&p, end, '\0', &open) || open > FIELD_LAST_MS)
		return false;
	ls->s.open_ms = (int64_t)open;
	return true;
}

/* Something is in it: a small slot holds trades or is filled, a larger one is never both. */
static bool slot_fine(const struct candle_slot *s, uint8_t bits, bool small)
{
	const bool any = (bits & BIT_ANY) != 0;
	const struct candle_sums *sums = small ? &s->s : &s->u.fold.settled.s;

	if ((s->filled && (any || !field_price_fine(s->p.c))) || (any && sums->n == 0) || (small && !any && !s->filled))
		return false;
	return s->close_ms > s->open_ms && field_close_fine(s->close_ms);
}

static bool load_slot(struct candle_load *l, ap_str name, struct field_rd *in)
{
	struct loaded_slot *ls = load_room((void **)(void *)&l->slot, l->slot_n, &l->slot_cap, sizeof *ls);
	struct candle_slot *s = &ls->s;
	uint8_t bits;

	memset(ls, 0, sizeof *ls);
	if (!slot_named(ls, name))
		return false;
	bits = field_get_u8(in);
	s->close_ms = field_get_i64(in);
	s->revision = (uint32_t)field_get_u64(in);
	s->state = bits & BIT_FINAL ? SLOT_FINAL : SLOT_FORMING;
	s->filled = (bits & BIT_FILLED) != 0;
	s->issued = (bits & BIT_ISSUED) != 0;
	s->untold = (bits & BIT_UNTOLD) != 0;
	if (s->filled)
		candle_ohlc_start(&s->p, (ap_dec){ field_get_i128(in) });
	if ((bits & BIT_ANY) != 0 && ls->tf[0] == '\0') {
		s->any = true;
		get_ohlc(in, &s->p);
		get_sums(in, &s->s);
		get_key(in, &s->u.key.first);
		get_key(in, &s->u.key.last);
	} else if ((bits & BIT_ANY) != 0) {
		get_ohlc(in, &s->u.fold.settled.p);
		get_sums(in, &s->u.fold.settled.s);
		s->u.fold.settled.first_ms = field_get_i64(in);
		s->u.fold.settled.last_ms = field_get_i64(in);
	}
	if (in->bad || in->p != in->end || !slot_fine(s, bits, ls->tf[0] == '\0'))
		return false;
	l->slot_n++;
	return true;
}

/* Bricks that are left of a long way hold no trades; else what was bought and sold is the whole. */
static bool bar_fine(const struct candle_bar *b)
{
	if (!field_price_fine(b->last_price) || !field_size_fine(b->level.e18) || (b->prev_open_ms != -1 && !field_close_fine(b->prev_open_ms)))
		return false;
	return !b->any || (field_close_fine(b->open_ms) && field_close_fine(b->last_ms) && b->last_ms >= b->open_ms &&
			   b->buys.vol_e18 + b->sells.vol_e18 == b->s.vol_e18 && b->buys.n + b->sells.n == b->s.n);
}

static bool load_bar(struct candle_load *l, ap_str name, struct field_rd *in)
{
	struct loaded_bar *lb = load_room((void **)(void *)&l->bar, l->bar_n, &l->bar_cap, sizeof *lb);
	const char *p = name.p + 1, *end = name.p + name.len;
	struct candle_bar *b = &lb->b;
	uint8_t bits;

	memset(lb, 0, sizeof *lb);
	if (!name_number(&p, end, ':', &lb->series_no) || p == end || end - p > AP_TF_MAX)
		return false;
	memcpy(lb->name, p, (size_t)(end - p));
	bits = field_get_u8(in);
	b->seen = true;
	b->any = (bits & BAR_ANY) != 0;
	b->sell = (bits & BAR_SELL) != 0;
	b->anchored = (bits & BAR_ANCHORED) != 0;
	b->dir = (int8_t)(bits & BAR_DOWN ? -1 : bits & BAR_UP ? 1 : 0);
	b->prev_open_ms = field_get_i64(in);
	b->last_price.e18 = field_get_i128(in);
	b->level.e18 = field_get_i128(in);
	if (b->any) {
		b->open_ms = field_get_i64(in);
		b->last_ms = field_get_i64(in);
		get_ohlc(in, &b->p);
		get_sums(in, &b->s);
		get_sums(in, &b->buys);
		get_sums(in, &b->sells);
	}
	if (in->bad || in->p != in->end || !bar_fine(b))
		return false;
	l->bar_n++;
	return true;
}

static bool source_fine(const struct candle_source *src)
{
	const int64_t told[] = { src->time_ms, src->seen_ms, src->ended_ms };

	for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
		if (told[i] != CANDLE_NEVER && !field_time_fine(told[i]))
			return false;
	/* Every beat is seen; those of a living feed move its time too. */
	return src->time_ms <= src->seen_ms && (src->first_ms == INT64_MAX || field_time_fine(src->first_ms));
}

static bool load_source(struct candle_load *l, ap_str name, struct field_rd *in)
{
	struct candle_source *src = calloc(1, sizeof *src), **place;
	uint8_t bits;
	uint64_t n;

	assert(src != NULL);
	place = load_room((void **)(void *)&l->source, l->source_n, &l->source_cap, sizeof(struct candle_source *));
	*place = src;
	l->source_n++;
	if (name.len - 1 > AP_SOURCE_MAX)
		return false;
	memcpy(src->name, name.p + 1, name.len - 1);
	src->name_len = (uint32_t)(name.len - 1);
	src->no = (uint32_t)field_get_u64(in);
	src->time_ms = field_get_i64(in);
	src->seen_ms = field_get_i64(in);
	src->first_ms = field_get_i64(in);
	src->ended_ms = field_get_i64(in);
	bits = field_get_u8(in);
	src->closing = (bits & SRC_CLOSING) != 0;
	src->behind = (bits & SRC_BEHIND) != 0;
	src->min_close = src->min_drop = src->quotes_min_close = src->quotes_min_drop = INT64_MAX;
	n = field_get_u64(in);
	if (n > CANDLE_SPANS_MAX || !source_fine(src))
		return false;
	for (uint64_t i = 0; i < n && !in->bad; i++) {
		const int64_t from_ms = field_get_i64(in), to_ms = field_get_i64(in);

		if (from_ms < 0 || from_ms >= to_ms || to_ms > FIELD_LAST_MS || !candle_cover_add(&src->cover, from_ms, to_ms))
			return false;
	}
	return !in->bad && in->p == in->end;
}

static bool load_series(struct candle_load *l, ap_str name, struct field_rd *in)
{
	struct loaded_series *ls = load_room((void **)(void *)&l->series, l->series_n, &l->series_cap, sizeof *ls);
	const char *p = name.p + 1;

	memset(ls, 0, sizeof *ls);
	if (!name_number(&p, name.p + name.len, '\0', &ls->no))
		return false;
	ls->base_ms = field_get_i64(in);
	ls->cals_sum = field_get_u64(in);
	ls->len = (size_t)(in->end - in->p);
	ls->text = malloc(ls->len + 1);
	assert(ls->text != NULL);
	memcpy(ls->text, in->p, ls->len);
	l->series_n++;
	return !in->bad;
}

bool candle_load(void *state, ap_str name, ap_str value)
{
	struct candle_fold_state *st = state;
	struct field_rd in = { (const uint8_t *)value.p, (const uint8_t *)value.p + value.len, false };
	struct field_rd sum = { in.end - FIELD_SUM, in.end, false };

	if (name.len < 2 || name.len >= FIELD_NAME_MAX || value.len < 1 + FIELD_SUM)
		return false;
	in.end -= FIELD_SUM;
	if (field_get_u64(&sum) != candle_field_sum(name, (const uint8_t *)value.p, value.len - FIELD_SUM))
		return false;
	if (field_get_u8(&in) != FIELD_V)
		return false;
	if (st->load == NULL) {
		st->load = calloc(1, sizeof *st->load);
		assert(st->load != NULL);
	}
	switch (name.p[0]) {
	case 't': return load_source(st->load, name, &in);
	case 's': return load_series(st->load, name, &in);
	case 'k': return load_bar(st->load, name, &in);
	case 'b':
	case 'l': return load_slot(st->load, name, &in);
	case 'q':
	case 'm':
	case 'u': return quote_load(st, name, in.p, (size_t)(in.end - in.p));
	default: return false;
	}
}

/* --- putting it together ------------------------------------------------ */

void candle_load_done(struct candle_fold_state *st)
{
	struct candle_load *l = st->load;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->series_n; i++)
		free(l->series[i].text);
	for (size_t i = 0; i < l->source_n; i++) {
		if (l->source[i] != NULL)
			candle_cover_done(&l->source[i]->cover);
		free(l->source[i]);
	}
	free(l->slot);
	free(l->bar);
	free(l->series);
	free(l->source);
	free(l);
	st->load = NULL;
}

static int by_source_no(const void *a, const void *b)
{
	const struct candle_source *x = *(struct candle_source *const *)a, *y = *(struct candle_source *const *)b;

	return (x->no > y->no) - (x->no < y->no);
}

static int by_series_no(const void *a, const void *b)
{
	const struct loaded_series *x = a, *y = b;

	return (x->no > y->no) - (x->no < y->no);
}

/* Larger slots first: small ones are folded into them. Then by series and time: inserting at the end of a lane is cheap. */
static int by_slot_place(const void *a, const void *b)
{
	const struct loaded_slot *x = a, *y = b;

	if ((x->tf[0] == '\0') != (y->tf[0] == '\0'))
		return x->tf[0] == '\0' ? 1 : -1;
	if (x->series_no != y->series_no)
		return x->series_no < y->series_no ? -1 : 1;
	return (x->s.open_ms > y->s.open_ms) - (x->s.open_ms < y->s.open_ms);
}

static bool wrong(char *err, size_t errlen, const char *what)
{
	(void)snprintf(err, errlen, "%s", what);
	return false;
}

static bool put_sources(struct candle_fold_state *st, char *err, size_t errlen)
{
	struct candle_load *l = st->load;

	if (l->source_n > CANDLE_SOURCES_MAX)
		return wrong(err, errlen, "more sources than there may be");
	if (l->source_n == 0)
		return true;
	qsort(l->source, l->source_n, sizeof(struct candle_source *), by_source_no);
	st->source = calloc(l->source_n, sizeof(struct candle_source *));
	assert(st->source != NULL);
	for (size_t i = 0; i < l->source_n; i++) {
		if (l->source[i]->no != i)
			return wrong(err, errlen, "a source is missing");
		st->source[st->source_n++] = l->source[i];
		st->behind += l->source[i]->behind;
		l->source[i] = NULL;
	}
	return true;
}

/* Unless the saved series knows better, its timeframes are new: what their candles hold begins with the oldest small slot. */
static void series_since(const struct candle_fold_state *st, struct candle_series *ser)
{
	const int64_t seen_ms = ser->source->seen_ms;
	int64_t open_ms = CANDLE_NEVER, close_ms;

	if (seen_ms != CANDLE_NEVER)
		candle_tf_at(&st->plan.tf[0], seen_ms > st->window_ms ? seen_ms - st->window_ms : 0, &open_ms, &close_ms);
	for (uint32_t i = 1; i < st->plan.n; i++)
		ser->lane[i].since_ms = open_ms;
}

static bool put_one_series(struct candle_fold_state *st, const struct loaded_series *ls, char *err, size_t errlen)
{
	struct field_rd in = { ls->text, ls->text + ls->len, false };
	const ap_str source = field_get_text(&in), symbol = field_get_text(&in);
	const int64_t floor_ms = field_get_i64(&in);
	struct candle_source *src = NULL;
	struct candle_series *ser;
	uint32_t known = 0, named = 0;

	for (uint32_t i = 0; i < st->source_n; i++)
		if (ap_str_eq(source, ap_str_n(st->source[i]->name, st->source[i]->name_len)))
			src = st->source[i];
	if (in.bad || src == NULL)
		return wrong(err, errlen, "a series names a source that is not there");
	if (symbol.len == 0 || symbol.len > AP_SYMBOL_MAX || candle_series_find(st, source, symbol) != NULL)
		return wrong(err, errlen, "a series has another one's name, or none");
	if (floor_ms != CANDLE_NEVER && !field_close_fine(floor_ms))
		return wrong(err, errlen, "a series has let go what was never there");
	ser = candle_series_new(st, source, symbol);
	candle_source_adopt(src, ser);
	ser->floor_ms = floor_ms;
	series_since(st, ser);
	/* Under other calendars larger candles would be others: they are folded anew from what there is. */
	while (in.p < in.end) {
		const ap_str tf = field_get_text(&in);
		struct candle_lane l = { .since_ms = field_get_i64(&in) };
		const int at = candle_plan_find(&st->plan, tf);

		l.has_end = field_get_u8(&in) != 0;
		l.end_ms = field_get_i64(&in);
		l.end_price.e18 = field_get_i128(&in);
		if (in.bad || (l.has_end && !(field_close_fine(l.end_ms) && field_price_fine(l.end_price))))
			return wrong(err, errlen, "a series is cut short, or no series");
		if (at == 0 || (at > 0 && ls->cals_sum == st->cals_sum)) {
			ser->lane[at] = l;
			known++;
		}
		named++;
	}
	ser->recut = ls->cals_sum != st->cals_sum;
	for (uint32_t i = 0; i < st->plan.n; i++)
		ser->younger = ser->younger || ser->lane[i].since_ms != CANDLE_NEVER;
	if (known != st->plan.n || named != st->plan.n)
		candle_series_unsaved(st, ser); /* another configuration's words */
	return true;
}

static bool put_series(struct candle_fold_state *st, char *err, size_t errlen)
{
	struct candle_load *l = st->load;

	if (l->series_n > 0)
		qsort(l->series, l->series_n, sizeof *l->series, by_series_no);
	for (size_t i = 0; i < l->series_n; i++) {
		if (l->series[i].no != i)
			return wrong(err, errlen, "a series is missing");
		if (l->series[i].base_ms != st->plan.tf[0].step_ms) {
			(void)snprintf(err, errlen,
				       "candle.timeframes: the saved state is built from intervals of %" PRId64 " ms, these timeframes need %" PRId64
				       " ms; add or leave out timeframes so that it stays the same, or start a new data set",
				       l->series[i].base_ms, st->plan.tf[0].step_ms);
			return false;
		}
		if (!put_one_series(st, &l->series[i], err, errlen))
			return false;
	}
	return true;
}

static bool put_slot(struct candle_fold_state *st, const struct loaded_slot *ls, char *err, size_t errlen)
{
	const int lane = ls->tf[0] == '\0' ? 0 : candle_plan_find(&st->plan, ap_str_c(ls->tf));
	struct candle_series *ser;
	struct candle_slot *s;

	if (ls->series_no >= st->series_n)
		return wrong(err, errlen, "a slot belongs to no series");
	ser = st->series[ls->series_no];
	if (lane < 0 || (lane > 0 && ser->recut)) {     /* a timeframe, or a calendar, that is no longer asked for */
		char name[FIELD_NAME_MAX];
		const int n = snprintf(name, sizeof name, "l%" PRIu32 ":%s:%" PRId64, ser->no, ls->tf, ls->s.open_ms);

		candle_gone_add(st, ap_str_n(name, (size_t)n));
		return true;
	}
	if ((lane == 0) != (ls->tf[0] == '\0') || candle_lane_find(&ser->lane[lane], ls->s.open_ms) != NULL)
		return wrong(err, errlen, "two slots for one interval");
	if (!field_interval_fine(st, ser, (uint32_t)lane, ls->s.open_ms, ls->s.close_ms))
		return wrong(err, errlen, "a slot lies where its timeframe has no interval");
	s = candle_lane_insert(st, ser, (uint32_t)lane, ls->s.open_ms, ls->s.close_ms);
	s->p = ls->s.p;
	s->s = ls->s.s;
	s->revision = ls->s.revision;
	s->state = ls->s.state;
	s->any = ls->s.any;
	s->filled = ls->s.filled;
	s->issued = ls->s.issued;
	s->untold = ls->s.untold;
	s->u = ls->s.u;
	s->saved = true;
	if (s->state == SLOT_FINAL)
		ser->source->forming--;
	if (lane > 0 && s->u.fold.settled.s.n > 0) {
		s->any = true;
		s->p = s->u.fold.settled.p;
		s->s = s->u.fold.settled.s;
		s->u.fold.first_ms = s->u.fold.settled.first_ms;
		s->u.fold.last_ms = s->u.fold.settled.last_ms;
	}
	if (s->untold && !ser->untold) {
		ser->untold = true;
		ser->source->untold++;
	}
	if (lane > 0 || !s->any)
		return true;
	if (!candle_fold_fits(st, s))
		return wrong(err, errlen, "trades of an interval add up to more than there can be");
	candle_fold_up(st, s, &s->s, true);
	return true;
}

/* Larger slots of which nothing is there: what they held belongs to other intervals now. */
static void drop_empty(struct candle_fold_state *st, struct candle_series *ser)
{
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		for (uint32_t i = ser->lane[lane].n; i > 0; i--) {
			const struct candle_slot *s = ser->lane[lane].v[i - 1];

			if (!s->any && !s->filled)
				candle_lane_remove(st, ser, lane, i - 1);
		}
	}
}

static bool put_bar(struct candle_fold_state *st, const struct loaded_bar *lb, char *err, size_t errlen)
{
	char name[FIELD_NAME_MAX];
	struct candle_series *ser;
	int n;

	if (lb->series_no >= st->series_n)
		return wrong(err, errlen, "a bar belongs to no series");
	ser = st->series[lb->series_no];
	for (uint32_t i = 0; i < ser->bars; i++) {
		const struct candle_bar_spec *spec = ser->bar[i].spec;

		if (strcmp(spec->name, lb->name) == 0) {
			ser->bar[i] = lb->b;
			ser->bar[i].spec = spec;
			return true;
		}
	}
	/* No longer asked for. */
	n = snprintf(name, sizeof name, "k%" PRIu32 ":%s", ser->no, lb->name);
	candle_gone_add(st, ap_str_n(name, (size_t)n));
	return true;
}

bool candle_loaded(void *state, char *err, size_t errlen)
{
	struct candle_fold_state *st = state;
	struct candle_load *l = st->load;

	if (l == NULL)
		return true;
	if (!put_sources(st, err, errlen) || !put_series(st, err, errlen))
		return false;
	if (l->slot_n > 0)
		qsort(l->slot, l->slot_n, sizeof *l->slot, by_slot_place);
	for (size_t i = 0; i < l->slot_n; i++)
		if (!put_slot(st, &l->slot[i], err, errlen))
			return false;
	for (size_t i = 0; i < l->bar_n; i++)
		if (!put_bar(st, &l->bar[i], err, errlen))
			return false;
	if (!quote_loaded(st, err, errlen))
		return false;
	for (uint32_t i = 0; i < st->series_n; i++) {
		drop_empty(st, st->series[i]);
		candle_tops(st->series[i], &st->plan);
		candle_due_recompute(st, st->series[i]);
	}
	candle_load_done(st);
	return true;
}
