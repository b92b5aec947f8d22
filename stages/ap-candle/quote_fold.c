/*
 * quote_fold.c - from quotes to slots, and from slots to bars.
 *
 * A quote costs its small slot alone; larger slots are only told that they changed, once per entry, and are put together
 * when their bar goes out. As with candles, an entry of few series tells all their forming bars, one of many the smallest,
 * and the larger ones follow with the source's next beat: `untold` remembers that, in the small slot, across a restart.
 */
#include "quote_fold.h"

#include "entry.h"

#include <assert.h>
#include <stdlib.h>

/* --- options ------------------------------------------------------------ */

static bool one_spec(const struct candle_entry *in, void *ctx)
{
	static const char *const keys[] = { "symbols", "sources", NULL };
	struct quote_specs *s = ctx;

	if (s->n == CANDLE_SPECS_MAX)
		return candle_entry_bad(in, "more than 64 entries", "");
	s->n++;
	return candle_entry_keys(in, keys) && candle_entry_texts(in, "symbols", "BTC-*", &s->v[s->n - 1].symbols) &&
	       candle_entry_texts(in, "sources", "binance", &s->v[s->n - 1].sources);
}

struct quote_state *quote_state_new(const struct ap_conf *conf, char *err, size_t errlen)
{
	struct quote_state *q = calloc(1, sizeof *q);

	assert(q != NULL);
	q->specs.on = conf->candle_quotes;
	q->points_max = (uint32_t)conf->candle_quote_points;
	ap_buf_init(&q->value, SIZE_MAX / 2);
	if (candle_entries("candle.quote_series", ap_str_c(conf->candle_quote_series), one_spec, &q->specs, err, errlen))
		return q;
	quote_state_free(q);
	return NULL;
}

void quote_state_free(struct quote_state *q)
{
	if (q == NULL)
		return;
	quote_load_done(q);
	for (uint32_t i = 0; i < CANDLE_SPECS_MAX; i++) {
		free(q->specs.v[i].symbols);
		free(q->specs.v[i].sources);
	}
	free(q->touched.v);
	free(q->unsaved.v);
	ap_buf_done(&q->value);
	free(q);
}

bool quote_wanted(const struct quote_state *q, ap_str source, ap_str symbol)
{
	for (uint32_t i = 0; i < q->specs.n; i++)
		if (candle_any_of(q->specs.v[i].symbols, symbol) && candle_any_of(q->specs.v[i].sources, source))
			return q->specs.on;
	return q->specs.on && q->specs.n == 0;
}

/* --- memory -------------------------------------------------------------- */

struct candle_quotes *quote_series_get(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_quotes *q = ser->quotes;

	if (q != NULL)
		return q;
	q = calloc(1, sizeof *q);
	assert(q != NULL);
	q->lane = calloc(st->plan.n, sizeof *q->lane);
	assert(q->lane != NULL);
	q->floor_ms = CANDLE_NEVER;
	q->next_close = q->next_drop = INT64_MAX;
	ser->quotes = q;
	return q;
}

void quote_series_done(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_quotes *q = ser->quotes;

	if (q == NULL)
		return;
	for (uint32_t lane = 0; lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < q->lane[lane].n; i++) {
			quote_small_done(&q->lane[lane].v[i]->q);
			free(q->lane[lane].v[i]);
		}
		free(q->lane[lane].v);
	}
	free(q->lane);
	free(q);
	ser->quotes = NULL;
}

struct quote_slot *quote_lane_find(const struct quote_lane *l, int64_t open_ms)
{
	const uint32_t at = candle_slots_at(l->v, l->n, open_ms);

	return at < l->n && l->v[at]->open_ms == open_ms ? l->v[at] : NULL;
}

struct quote_slot *quote_lane_insert(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms)
{
	struct quote_lane *l = &quote_series_get(st, ser)->lane[lane];
	struct quote_slot *s = calloc(1, sizeof *s);
	const uint32_t at = candle_slots_at(l->v, l->n, open_ms);

	assert(s != NULL);
	s->open_ms = open_ms;
	s->close_ms = close_ms;
	s->lane = (uint8_t)lane;
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 4 : l->cap * 2;
		l->v = realloc(l->v, l->cap * sizeof(struct quote_slot *));
		assert(l->v != NULL);
	}
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(struct quote_slot *));
	l->v[at] = s;
	l->n++;
	ser->source->quotes_forming++;
	st->quotes->slots++;
	return s;
}

void quote_lane_remove(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, uint32_t at)
{
	struct quote_lane *l = &ser->quotes->lane[lane];
	struct quote_slot *s = l->v[at];

	if (s->state == SLOT_FORMING)
		ser->source->quotes_forming--;
	if (s->saved)
		quote_forget_field(st, ser, s);
	memmove(l->v + at, l->v + at + 1, (l->n - at - 1) * sizeof(struct quote_slot *));
	l->n--;
	quote_small_done(&s->q);
	free(s);
	st->quotes->slots--;
}

void quote_slot_unsaved(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s)
{
	s->unsaved = true;
	if (ser->quotes->unsaved)
		return;
	ser->quotes->unsaved = true;
	candle_list_add(&st->quotes->unsaved, ser);
}

/* --- finding the slots of a quote ----------------------------------------- */

void quote_due_add(struct candle_fold_state *st, struct candle_series *ser, const struct quote_slot *s)
{
	struct candle_source *src = ser->source;
	struct candle_quotes *q = ser->quotes;
	const int64_t close_at = s->close_ms + st->lateness_ms, drop_at = s->close_ms + st->window_ms;

	if (s->state == SLOT_FORMING && close_at < q->next_close)
		q->next_close = close_at;
	if (drop_at < q->next_drop)
		q->next_drop = drop_at;
	if (q->next_close < src->quotes_min_close)
		src->quotes_min_close = q->next_close;
	if (q->next_drop < src->quotes_min_drop)
		src->quotes_min_drop = q->next_drop;
}

static bool time_has_come(const struct candle_fold_state *st, const struct candle_source *src, int64_t close_ms)
{
	return src->time_ms != CANDLE_NEVER && close_ms + st->lateness_ms <= src->time_ms;
}

/* A closed slot is touched again before its time has come (its tape had been closed early): it goes on forming. */
static void slot_reopen(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s)
{
	if (s->state == SLOT_FORMING || time_has_come(st, ser->source, s->close_ms))
		return;
	s->state = SLOT_FORMING;
	ser->source->quotes_forming++;
	quote_slot_unsaved(st, ser, s);
	quote_due_add(st, ser, s);
}

static struct quote_slot *slot_make(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms)
{
	struct quote_slot *s = quote_lane_insert(st, ser, lane, open_ms, close_ms);

	/* Born after its time: that there was nothing has been said already, by silence. */
	if (time_has_come(st, ser->source, close_ms)) {
		s->state = SLOT_FINAL;
		s->issued = true;
		ser->source->quotes_forming--;
	}
	quote_due_add(st, ser, s);
	return s;
}

struct quote_slot *quote_over(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t small_open_ms, bool make)
{
	struct quote_slot *s;
	int64_t open_ms, close_ms;

	if (!candle_interval(st, ser, lane, small_open_ms, &open_ms, &close_ms))
		return NULL;
	s = quote_lane_find(&ser->quotes->lane[lane], open_ms);
	return s == NULL && make ? slot_make(st, ser, lane, open_ms, close_ms) : s;
}

/* Open intervals that begin after everything the source's beats have told. */
static uint32_t slots_ahead(const struct quote_lane *l, int64_t limit_ms)
{
	uint32_t n = 0;

	while (n < l->n && l->v[l->n - 1 - n]->open_ms > limit_ms)
		n++;
	return n;
}

static enum candle_place slot_place(struct candle_fold_state *st, struct candle_series *ser, int64_t t_ms, struct quote_slot **out)
{
	struct candle_quotes *q = quote_series_get(st, ser);
	struct quote_lane *l = &q->lane[0];
	const int64_t seen_ms = ser->source->seen_ms;
	const int64_t limit_ms = seen_ms == CANDLE_NEVER ? CANDLE_NEVER : seen_ms + CANDLE_AHEAD_MS;
	int64_t open_ms, close_ms;

	(void)candle_interval(st, ser, 0, t_ms, &open_ms, &close_ms);
	if (close_ms <= q->floor_ms || (seen_ms != CANDLE_NEVER && close_ms + st->window_ms <= seen_ms))
		return PLACE_LATE;
	*out = quote_lane_find(l, open_ms);
	if (*out == NULL) {
		if (open_ms > limit_ms && slots_ahead(l, limit_ms) >= CANDLE_AHEAD_SLOTS)
			return PLACE_AHEAD;
		*out = slot_make(st, ser, 0, open_ms, close_ms);
	}
	slot_reopen(st, ser, *out);
	return PLACE_OK;
}

/* Once per entry and small slot: the larger slots over it have changed. */
static void small_changed(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s)
{
	struct candle_quotes *q = ser->quotes;

	s->changed = true;
	quote_slot_unsaved(st, ser, s);
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		struct quote_slot *over = quote_over(st, ser, lane, s->open_ms, true);

		if (over == NULL)
			continue;       /* trading is off */
		slot_reopen(st, ser, over);
		over->changed = true;
	}
	if (!q->touched) {
		q->touched = true;
		candle_list_add(&st->quotes->touched, ser);
	}
}

enum candle_place quote_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_quote *q)
{
	const struct quote_lane *l = &quote_series_get(st, ser)->lane[0];
	const int64_t t_ms = q->ts.ns / 1000000;
	struct quote_slot *s = l->n > 0 ? l->v[l->n - 1] : NULL;

	/* Mostly it belongs to the newest one. */
	if (s == NULL || s->state != SLOT_FORMING || t_ms < s->open_ms || t_ms >= s->close_ms) {
		const enum candle_place rc = slot_place(st, ser, t_ms, &s);

		if (rc != PLACE_OK)
			return rc;
	}
	quote_small_take(&s->q, s->open_ms, st->quotes->points_max, q);
	if (!s->changed)
		small_changed(st, ser, s);
	st->quotes->quotes++;
	return PLACE_OK;
}

/* --- telling -------------------------------------------------------------- */

void quote_whole(const struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s, struct quote_part *out)
{
	const struct quote_lane *small = &ser->quotes->lane[0];

	*out = s->q.part;
	if (s->lane == 0)
		return;
	for (uint32_t i = candle_slots_at(small->v, small->n, s->open_ms); i < small->n && small->v[i]->open_ms < s->close_ms; i++) {
		int64_t open_ms, close_ms;

		/* With trading hours a week's slot lies over times that are not its own. */
		if (ser->cal->session &&
		    (!candle_interval(st, ser, s->lane, small->v[i]->open_ms, &open_ms, &close_ms) || open_ms != s->open_ms))
			continue;
		quote_part_join(out, &small->v[i]->q.part);
	}
}

static void slot_put(struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s, enum ap_candle_state state,
		     struct ap_out *out)
{
	const bool forming = state == AP_FORMING;
	struct ap_quotebar *b = &st->rec.u.quotebar;
	struct quote_part part;

	quote_whole(st, ser, s, &part);
	st->rec.kind = AP_QUOTEBAR;
	b->source = ser->source_name;
	b->symbol = ser->symbol;
	b->tf = ap_str_n(st->plan.tf[s->lane].name, st->plan.tf[s->lane].name_len);
	b->open_ms = s->open_ms;
	b->close_ms = s->close_ms;
	quote_part_tell(&part, forming ? INT64_MIN : s->close_ms, b);
	b->state = state;
	b->revision = forming ? 0 : s->revision;
	b->coverage_ms = candle_cover_ms(&ser->source->cover, s->open_ms, s->close_ms);
	b->quality = candle_quality(ser->source, s->open_ms, s->close_ms, b->coverage_ms, forming);
	if (b->quality == AP_Q_FULL && s->open_ms < ser->lane[s->lane].since_ms)
		b->quality = AP_Q_PARTIAL;
	ap_out_put(out, forming ? AP_S_LIVE : AP_S_CANDLE, &st->rec);
	if (forming)
		st->quotes->forming++;
	else if (state == AP_FINAL)
		st->quotes->finals++;
	else
		st->quotes->revised++;
}

/* A hidden base stays at home, and so does a small bar while trading is off. */
static bool slot_shown(const struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s)
{
	return s->lane > 0 || (!st->plan.hidden && candle_cal_on(ser->cal, s->open_ms));
}

void quote_issue(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s, struct ap_out *out)
{
	if (s->state == SLOT_FORMING) {
		s->state = SLOT_FINAL;
		ser->source->quotes_forming--;
	}
	if (s->issued)
		s->revision++;
	s->changed = false;
	quote_slot_unsaved(st, ser, s);
	if (slot_shown(st, ser, s)) {
		slot_put(st, ser, s, s->issued ? AP_REVISED : AP_FINAL, out);
		candle_spend(st, 1);
	}
	s->issued = true;
}

static void slot_live(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s, struct ap_out *out)
{
	s->changed = false;
	if (slot_shown(st, ser, s))
		slot_put(st, ser, s, AP_FORMING, out);
}

static void series_tell(struct candle_fold_state *st, struct candle_series *ser, bool few, struct ap_out *out)
{
	struct candle_quotes *q = ser->quotes;

	for (uint32_t lane = 0; lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < q->lane[lane].n; i++) {
			struct quote_slot *s = q->lane[lane].v[i];

			if (!s->changed)
				continue;
			if (lane == 0 && !few)
				s->untold = true;
			/* A revision never waits. */
			if (s->state == SLOT_FINAL)
				quote_issue(st, ser, s, out);
			else if (lane == 0 || few)
				slot_live(st, ser, s, out);
			s->changed = false;
		}
	}
	if (few || q->untold)
		return;
	q->untold = true;
	ser->source->quotes_untold++;
}

void quote_tell(struct candle_fold_state *st, struct ap_out *out)
{
	const bool few = st->quotes->touched.n <= CANDLE_LIVE_SERIES;

	for (size_t i = 0; i < st->quotes->touched.n; i++) {
		struct candle_series *ser = st->quotes->touched.v[i];

		series_tell(st, ser, few, out);
		st->n.conflated += !few;
		ser->quotes->touched = false;
	}
	st->quotes->touched.n = 0;
}

/* The larger forming bars over small slots that are untold; nothing waits afterwards. */
static size_t series_tell_waiting(struct candle_fold_state *st, struct candle_series *ser, bool tell, struct ap_out *out)
{
	struct candle_quotes *q = ser->quotes;
	size_t n = 0;

	for (uint32_t i = 0; i < q->lane[0].n; i++) {
		struct quote_slot *s = q->lane[0].v[i];

		if (!s->untold)
			continue;
		s->untold = false;
		quote_slot_unsaved(st, ser, s);
		for (uint32_t lane = 1; tell && lane < st->plan.n; lane++) {
			struct quote_slot *over = quote_over(st, ser, lane, s->open_ms, false);

			if (over != NULL && over->state == SLOT_FORMING)
				over->changed = true;
		}
	}
	for (uint32_t lane = 1; tell && lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < q->lane[lane].n; i++) {
			struct quote_slot *s = q->lane[lane].v[i];

			if (!s->changed || s->state != SLOT_FORMING)
				continue;
			slot_live(st, ser, s, out);
			n++;
		}
	}
	q->untold = false;
	ser->source->quotes_untold--;
	return n;
}

void quote_tell_waiting(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out)
{
	size_t told = 0;

	for (uint32_t i = 0; i < src->n && src->quotes_untold > 0; i++) {
		struct candle_series *ser = src->series[i];

		if (ser->quotes == NULL || !ser->quotes->untold)
			continue;
		st->n.conflated += told >= CANDLE_LIVE_MAX;
		told += series_tell_waiting(st, ser, told < CANDLE_LIVE_MAX, out);
	}
}

/* --- bounds ----------------------------------------------------------------- */

/* A reject, or a bar of each timeframe; another quote of the entry may be the one that makes them changed, never more. */
size_t quote_bound(const struct candle_fold_state *st)
{
	return st->plan.n;
}

/* Everything forming may close, everything changed may go out, and what waits is told. */
size_t quote_beat_bound(const struct candle_fold_state *st, const struct candle_source *src)
{
	size_t n = src->quotes_forming;

	for (uint32_t i = 0; i < src->n; i++) {
		const struct candle_series *ser = src->series[i];

		if (ser->quotes == NULL || (!ser->quotes->untold && !ser->quotes->touched))
			continue;
		for (uint32_t lane = 0; lane < st->plan.n; lane++)
			n += ser->quotes->lane[lane].n;
	}
	return n;
}
