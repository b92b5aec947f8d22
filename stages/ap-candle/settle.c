/*
 * settle.c - from trades to the slots of the smallest timeframe, and from those to the larger ones.
 *
 * A trade changes its small slot at once. Settling marks that slot once per entry, and adds what is new in it to the larger
 * ones with the entry or, under load, once per beat. All of it is order-free. Time stands still between trade and settling:
 * a beat settles before it moves anything.
 */
#include "fold.h"

#include <assert.h>

/* A closed slot is touched again before its time has come (its tape had been closed early): it goes on forming. */
static void slot_reopen(struct candle_fold_state *st, struct candle_slot *s)
{
	struct candle_source *src = s->series->source;

	if (s->state == SLOT_FORMING || (src->time_ms != CANDLE_NEVER && s->close_ms + st->lateness_ms <= src->time_ms))
		return;
	s->state = SLOT_FORMING;
	candle_slot_unsaved(st, s);
	src->forming++;
	candle_due_add(st, s->series, s);
}

static struct candle_slot *slot_make(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms)
{
	struct candle_slot *s = candle_lane_insert(st, ser, lane, open_ms, close_ms);
	const int64_t time_ms = ser->source->time_ms;

	/* Born after its time: that there was nothing has been said already, by silence. */
	if (time_ms != CANDLE_NEVER && close_ms + st->lateness_ms <= time_ms) {
		s->state = SLOT_FINAL;
		s->issued = true;
		ser->source->forming--;
	}
	candle_due_add(st, ser, s);
	return s;
}

/* Open intervals that begin after everything the source's beats have told. */
static uint32_t slots_ahead(const struct candle_lane *l, int64_t limit_ms)
{
	uint32_t n = 0;

	while (n < l->n && l->v[l->n - 1 - n]->open_ms > limit_ms)
		n++;
	return n;
}

static enum candle_place slot_place(struct candle_fold_state *st, struct candle_series *ser, int64_t t_ms, struct candle_slot **out)
{
	struct candle_lane *l = &ser->lane[0];
	const int64_t seen_ms = ser->source->seen_ms;
	const int64_t limit_ms = seen_ms == CANDLE_NEVER ? CANDLE_NEVER : seen_ms + CANDLE_AHEAD_MS;
	int64_t open_ms, close_ms;

	(void)candle_interval(st, ser, 0, t_ms, &open_ms, &close_ms);
	if (close_ms <= ser->floor_ms || (seen_ms != CANDLE_NEVER && close_ms + st->window_ms <= seen_ms))
		return PLACE_LATE;
	*out = candle_lane_find(l, open_ms);
	if (*out == NULL) {
		if (open_ms > limit_ms && slots_ahead(l, limit_ms) >= CANDLE_AHEAD_SLOTS)
			return PLACE_AHEAD;
		*out = slot_make(st, ser, 0, open_ms, close_ms);
	}
	slot_reopen(st, *out);
	return PLACE_OK;
}

/* The larger slot over a small one, or NULL. */
static struct candle_slot *slot_over(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane, int64_t small_open_ms)
{
	const struct candle_lane *l = &ser->lane[lane];
	int64_t open_ms, close_ms;

	/* Mostly the newest one. With trading hours a week's slot lies over times that are not its own. */
	if (l->n > 0 && !ser->session) {
		struct candle_slot *s = l->v[l->n - 1];

		if (small_open_ms >= s->open_ms && small_open_ms < s->close_ms)
			return s;
	}
	return candle_interval(st, ser, lane, small_open_ms, &open_ms, &close_ms) ? candle_lane_find(l, open_ms) : NULL;
}

static uint64_t top(const ap_sum *s)
{
	return s->w[3];
}

/* Whether one more trade fits into the small slot and all above it: the slow, exact question. Nothing waits any more. */
static bool trade_fits(const struct candle_fold_state *st, const struct candle_series *ser, const struct candle_slot *s)
{
	if (!candle_sums_fit(s->s.vol_e18, 0, top(&s->s.qv), 0))
		return false;
	for (uint32_t i = 1; i < st->plan.n; i++) {
		const struct candle_slot *over = slot_over(st, ser, i, s->open_ms);

		if (over != NULL && !candle_sums_fit(over->s.vol_e18, 0, top(&over->s.qv), 0))
			return false;
	}
	return true;
}

/* How many more trades of any size surely fit. Slots grow by these trades alone, so the answer stays true until they came. */
static uint32_t trades_sure(const struct candle_series *ser)
{
	const struct candle_sums *s = &ser->cur->s;

	return candle_sums_room(ser->vol_top, s->vol_e18 - ser->above.vol_e18, ser->qv_top, top(&s->qv) - top(&ser->above.qv));
}

static void slot_take(struct candle_slot *s, const struct ap_trade *t)
{
	if (!s->any) {
		s->any = true;
		s->filled = false;
		candle_ohlc_start(&s->p, t->price);
		candle_key_set(&s->u.key.first, t->ts.ns, t->trade_id);
		candle_key_set(&s->u.key.last, t->ts.ns, t->trade_id);
		return;
	}
	candle_ohlc_reach(&s->p, t->price, t->price);
	/* Equal keys: whoever arrived first opened, whoever arrived last closed. */
	if (candle_key_cmp(t->ts.ns, t->trade_id, &s->u.key.last) >= 0) {
		candle_key_set(&s->u.key.last, t->ts.ns, t->trade_id);
		s->p.c = t->price;
	} else if (candle_key_cmp(t->ts.ns, t->trade_id, &s->u.key.first) < 0) {
		candle_key_set(&s->u.key.first, t->ts.ns, t->trade_id);
		s->p.o = t->price;
	}
}

static void slot_unmake(struct candle_fold_state *st, struct candle_slot *s)
{
	const struct candle_lane *l = &s->series->lane[0];
	uint32_t i = 0;

	while (l->v[i] != s)
		i++;
	candle_lane_remove(st, s->series, 0, i);
}

static bool trade_has_room(struct candle_fold_state *st, struct candle_series *ser, const struct candle_slot *s)
{
	ser->sure = trades_sure(ser);
	if (ser->sure == 0) {
		candle_settle(st, ser);
		candle_tops(ser, &st->plan);
		ser->sure = trades_sure(ser);
	}
	if (ser->sure == 0)
		return trade_fits(st, ser, s);
	ser->sure--;
	return true;
}

enum candle_place candle_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_trade *t)
{
	const int64_t t_ms = t->ts.ns / 1000000;
	struct candle_slot *s = ser->cur;

	if (s == NULL || t_ms < s->open_ms || t_ms >= s->close_ms) {
		enum candle_place rc;

		candle_settle(st, ser);
		rc = slot_place(st, ser, t_ms, &s);
		if (rc != PLACE_OK)
			return rc;
		ser->cur = s;
		ser->above = s->s;
	}
	if (ser->sure > 0) {
		ser->sure--;
	} else if (!trade_has_room(st, ser, s)) {
		if (!s->any && !s->filled)      /* made for this trade alone */
			slot_unmake(st, s);
		return PLACE_RANGE;
	}
	if (s->state == SLOT_FINAL || s->issued)
		ser->at_once = true;
	slot_take(s, t);
	candle_sums_take(&s->s, t);
	ser->fresh = true;
	if (!ser->touched) {
		ser->touched = true;
		candle_list_add(&st->touched, ser);
	}
	return PLACE_OK;
}

static void slot_list(struct candle_fold_state *st, struct candle_slot *s)
{
	if (s->listed)
		return;
	s->listed = true;
	candle_list_add(&st->tell, s);
}

static void slot_changed(struct candle_fold_state *st, struct candle_slot *s)
{
	struct candle_series *ser = s->series;

	s->changed = true;
	if (!st->fill)
		return;
	if (s->state == SLOT_FINAL)
		ser->reprice = true;
	if (!ser->visited) {
		ser->visited = true;
		candle_list_add(&st->visit, ser);
	}
}

static void fold_prices(struct candle_ohlc *p, int64_t *first_ms, int64_t *last_ms, const struct candle_slot *small, bool any)
{
	if (!any) {
		*p = small->p;
		*first_ms = *last_ms = small->open_ms;
		return;
	}
	candle_ohlc_reach(p, small->p.h, small->p.l);
	if (small->open_ms <= *first_ms) {
		*first_ms = small->open_ms;
		p->o = small->p.o;
	}
	if (small->open_ms >= *last_ms) {
		*last_ms = small->open_ms;
		p->c = small->p.c;
	}
}

void candle_fold_up(struct candle_fold_state *st, const struct candle_slot *s, const struct candle_sums *sums, bool loading)
{
	struct candle_series *ser = s->series;

	for (uint32_t i = 1; i < st->plan.n; i++) {
		struct candle_slot *over = slot_over(st, ser, i, s->open_ms);

		if (over == NULL) {
			int64_t open_ms, close_ms;

			if (!candle_interval(st, ser, i, s->open_ms, &open_ms, &close_ms))
				continue;       /* trading is off: of no larger candle */
			/* A slot that was never saved was a plain forming one. */
			over = loading ? candle_lane_insert(st, ser, i, open_ms, close_ms) : slot_make(st, ser, i, open_ms, close_ms);
		}
		fold_prices(&over->p, &over->u.fold.first_ms, &over->u.fold.last_ms, s, over->any);
		candle_sums_add(&over->s, sums);
		over->any = true;
		over->filled = false;
		/* While loading: only what was not told has changed. */
		if (loading && !s->untold)
			continue;
		slot_reopen(st, over);
		slot_changed(st, over);
	}
}

bool candle_fold_fits(const struct candle_fold_state *st, const struct candle_slot *s)
{
	for (uint32_t i = 1; i < st->plan.n; i++) {
		const struct candle_slot *over = slot_over(st, s->series, i, s->open_ms);

		if (over != NULL && ((over->s.vol_e18 + s->s.vol_e18) >> CANDLE_VOL_BITS != 0 ||
				     (top(&over->s.qv) + top(&s->s.qv)) >> CANDLE_QV_TOP_BITS != 0))
			return false;
	}
	return true;
}

/* The small slot took trades: it is to be told and saved, and the larger ones over it have to follow. */
static void settle_small(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_slot *s = ser->cur;

	if (!ser->fresh)
		return;
	assert(s != NULL);
	ser->fresh = false;
	slot_changed(st, s);
	slot_list(st, s);
	candle_slot_unsaved(st, s);
	s->untold = true;
	if (!ser->untold) {
		ser->untold = true;
		ser->source->untold++;
	}
}

/* What waits into the larger slots. */
static void settle_up(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_slot *s = ser->cur;
	struct candle_sums up;

	if (s == NULL || s->s.n == ser->above.n)
		return;
	up = candle_sums_less(&s->s, &ser->above);
	candle_fold_up(st, s, &up, false);
	ser->above = s->s;
	for (uint32_t i = 0; i < st->plan.n; i++) {
		const struct candle_slot *over = i == 0 ? s : slot_over(st, ser, i, s->open_ms);

		if (over == NULL)
			continue;
		if (over->s.vol_e18 > ser->vol_top)
			ser->vol_top = over->s.vol_e18;
		if (top(&over->s.qv) > ser->qv_top)
			ser->qv_top = top(&over->s.qv);
	}
}

void candle_settle(struct candle_fold_state *st, struct candle_series *ser)
{
	settle_small(st, ser);
	settle_up(st, ser);
}

/* Lists the larger slots that changed, if they are to be told; either way nothing is untold afterwards. */
static uint32_t series_tell_up(struct candle_fold_state *st, struct candle_series *ser, bool tell)
{
	uint32_t n = 0;

	candle_settle(st, ser);
	if (!ser->untold)
		return 0;
	for (uint32_t i = 0; i < ser->lane[0].n; i++) {
		struct candle_slot *s = ser->lane[0].v[i];

		if (s->untold)
			candle_slot_unsaved(st, s);
		s->untold = false;
	}
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < ser->lane[lane].n; i++) {
			struct candle_slot *s = ser->lane[lane].v[i];

			/* A revision is never passed over. */
			if (s->changed && (tell || s->state == SLOT_FINAL)) {
				slot_list(st, s);
				n++;
			}
			s->changed = s->changed && (tell || s->state == SLOT_FINAL);
		}
	}
	ser->untold = false;
	ser->source->untold--;
	return n;
}

bool candle_settle_entry(struct candle_fold_state *st)
{
	const bool few = st->fill || st->touched.n <= CANDLE_LIVE_SERIES;

	for (size_t i = 0; i < st->touched.n; i++) {
		struct candle_series *ser = st->touched.v[i];

		candle_series_fetch(&st->touched, i);
		settle_small(st, ser);
		if (few || ser->at_once)
			(void)series_tell_up(st, ser, true);
		else
			st->n.conflated++;
		ser->touched = ser->at_once = false;
	}
	st->touched.n = 0;
	return few;
}

void candle_settle_source(struct candle_fold_state *st, struct candle_source *src)
{
	uint32_t told = 0, first;

	for (size_t i = 0; i < st->touched.n; i++)
		settle_small(st, st->touched.v[i]);
	if (src->untold == 0)
		return;
	/* Where there are too many to tell, each beat begins elsewhere. */
	first = src->seen_ms < 0 ? 0 : (uint32_t)((uint64_t)src->seen_ms / 1000 * (CANDLE_LIVE_MAX / 5) % src->n);
	for (uint32_t i = 0; i < src->n && src->untold > 0; i++) {
		struct candle_series *ser = src->series[(first + i) % src->n];

		if (!ser->untold)
			continue;
		st->n.conflated += told >= CANDLE_LIVE_MAX;
		told += series_tell_up(st, ser, told < CANDLE_LIVE_MAX);
	}
}

void candle_settle_for_good(struct candle_fold_state *st, const struct candle_slot *s)
{
	if (!s->any)
		return;
	for (uint32_t i = 1; i < st->plan.n; i++) {
		struct candle_slot *over = slot_over(st, s->series, i, s->open_ms);
		struct candle_fold *f;

		if (over == NULL)
			continue;
		f = &over->u.fold.settled;
		fold_prices(&f->p, &f->first_ms, &f->last_ms, s, f->s.n > 0);
		candle_sums_add(&f->s, &s->s);
		candle_slot_unsaved(st, over);
	}
}

void candle_tops(struct candle_series *ser, const struct candle_plan *plan)
{
	ser->vol_top = 0;
	ser->qv_top = 0;
	for (uint32_t t = 0; t < plan->n; t++) {
		for (uint32_t i = 0; i < ser->lane[t].n; i++) {
			const struct candle_slot *s = ser->lane[t].v[i];

			if (s->s.vol_e18 > ser->vol_top)
				ser->vol_top = s->s.vol_e18;
			if (top(&s->s.qv) > ser->qv_top)
				ser->qv_top = top(&s->s.qv);
		}
	}
}
