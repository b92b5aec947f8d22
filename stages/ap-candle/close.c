/*
 * close.c - what time does to slots: they become final, are filled where nothing happened, revised, and dropped.
 *
 * Only beats call for this, and they cost nothing while nothing is due: every source knows the next time anything is.
 */
#include "quote_fold.h"

/* --- telling ----------------------------------------------------------- */

/*
 * full: proven connected for the whole interval. partial: without a hole, but the source was first seen after the open,
 * or its tape ended before the close. gap: anything else. Of a forming candle, the part that has passed is judged.
 */
enum ap_quality candle_quality(const struct candle_source *src, int64_t open_ms, int64_t close_ms, int64_t covered_ms, bool forming)
{
	const bool cut_start = src->first_ms > open_ms;
	const bool cut_end = src->ended_ms != CANDLE_NEVER && src->ended_ms < close_ms;
	const int64_t from = cut_start ? src->first_ms : open_ms;
	int64_t to = cut_end ? src->ended_ms : close_ms;

	if (covered_ms == close_ms - open_ms)
		return AP_Q_FULL;
	if (forming && src->seen_ms < to)
		to = src->seen_ms;
	if (from < to && candle_cover_ms(&src->cover, from, to) != to - from)
		return AP_Q_GAP;
	return cut_start || cut_end ? AP_Q_PARTIAL : AP_Q_FULL;
}

/* Between two beats all series of a source are judged alike. */
static const struct candle_judged *slot_judge(struct candle_source *src, const struct candle_slot *s, bool forming)
{
	struct candle_judged *j = &src->judged[s->lane % CANDLE_JUDGED];

	if (j->open_ms == s->open_ms && j->close_ms == s->close_ms && j->forming == forming)
		return j;
	*j = (struct candle_judged){ s->open_ms, s->close_ms, candle_cover_ms(&src->cover, s->open_ms, s->close_ms), AP_Q_FULL, forming };
	j->quality = candle_quality(src, s->open_ms, s->close_ms, j->covered_ms, forming);
	return j;
}

static void slot_put(struct candle_fold_state *st, const struct candle_slot *s, enum ap_stream to, enum ap_candle_state state, struct ap_out *out)
{
	const struct candle_series *ser = s->series;
	struct ap_rec *rec = &st->rec;  /* kept, because clearing a record costs as much as filling a candle */
	struct ap_candle *c = &rec->u.candle;
	const struct candle_judged *j;

	rec->kind = AP_CANDLE;
	c->source = ser->source_name;
	c->symbol = ser->symbol;
	c->tf = ap_str_n(st->plan.tf[s->lane].name, st->plan.tf[s->lane].name_len);
	c->open_ms = s->open_ms;
	c->close_ms = s->close_ms;
	c->open = s->p.o;
	c->high = s->p.h;
	c->low = s->p.l;
	c->close = s->p.c;
	c->volume.e18 = s->s.vol_e18;
	c->quote_volume = s->s.qv;
	c->vwap = candle_vwap(&s->s.qv, s->s.vol_e18);
	c->buy_volume.e18 = s->s.buy_e18;
	c->sell_volume.e18 = s->s.sell_e18;
	c->trade_count = s->s.n;
	c->state = state;
	c->revision = state == AP_FORMING ? 0 : s->revision;
	j = slot_judge(ser->source, s, state == AP_FORMING);
	c->coverage_ms = j->covered_ms;
	c->quality = s->filled ? AP_Q_FILLED : j->quality;
	if (c->quality == AP_Q_FULL && ser->younger && s->open_ms < ser->lane[s->lane].since_ms)
		c->quality = AP_Q_PARTIAL;
	ap_out_put(out, to, rec);
	if (to == AP_S_LIVE) {
		st->n.forming++;
		return;
	}
	st->n.quality[c->quality]++;
	if (state == AP_FINAL)
		st->n.finals++;
	else
		st->n.revised++;
}

/* A hidden base stays at home, and so does a small candle while trading is off. */
static bool slot_shown(const struct candle_fold_state *st, const struct candle_slot *s)
{
	return s->lane > 0 || (!st->plan.hidden && (!s->series->session || candle_cal_on(s->series->cal, s->open_ms)));
}

/* The slot's candle goes out as final, or as the next revision. */
static void slot_issue(struct candle_fold_state *st, struct candle_slot *s, struct ap_out *out)
{
	if (s->state == SLOT_FORMING) {
		s->state = SLOT_FINAL;
		s->series->source->forming--;
	}
	if (s->issued)
		s->revision++;
	s->changed = false;
	candle_slot_unsaved(st, s);
	if (slot_shown(st, s)) {
		slot_put(st, s, AP_S_CANDLE, s->issued ? AP_REVISED : AP_FINAL, out);
		candle_spend(st, s->issued ? 2 : 1);
	}
	s->issued = true;
}

static void slot_live(struct candle_fold_state *st, struct candle_slot *s, struct ap_out *out)
{
	s->changed = false;
	if (slot_shown(st, s))
		slot_put(st, s, AP_S_LIVE, AP_FORMING, out);
}

/* --- filling ----------------------------------------------------------- */

/*
 * The next interval after *pos_ms in which the feed was up all the time and whose time has come, not beyond until_ms.
 * Jumps over time without cover, however long.
 */
static bool fill_next(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane, int64_t pos_ms, int64_t until_ms,
		      int64_t *open_ms, int64_t *close_ms)
{
	const struct candle_source *src = ser->source;

	if (src->time_ms == CANDLE_NEVER)
		return false;
	for (;;) {
		const int64_t at = candle_cover_next(&src->cover, pos_ms);

		if (at == INT64_MAX || at >= until_ms)
			return false;
		if (!candle_interval(st, ser, lane, at, open_ms, close_ms) || !candle_cal_on(ser->cal, at)) {
			/* Nothing is filled while trading is off; not even where a small interval is. */
			(void)candle_cal_at(ser->cal, &st->plan.tf[lane], at, open_ms, close_ms);
			pos_ms = *close_ms;
			continue;
		}
		if (*close_ms > until_ms || *close_ms + st->lateness_ms > src->time_ms)
			return false;
		if (*open_ms == at && candle_cover_ms(&src->cover, *open_ms, *close_ms) == *close_ms - *open_ms)
			return true;
		pos_ms = *close_ms;
	}
}

struct known {                  /* what came before, while walking a lane */
	bool has;
	int64_t end_ms;
	ap_dec price;
};

static struct known known_start(const struct candle_lane *l)
{
	return (struct known){ l->has_end, l->end_ms, l->end_price };
}

static void known_slot(struct known *k, const struct candle_slot *s)
{
	if (s->any || s->filled)
		*k = (struct known){ true, s->close_ms, s->p.c };
}

static void lane_end(struct candle_fold_state *st, struct candle_series *ser, struct candle_lane *l, const struct known *k)
{
	if (!st->fill || !k->has)
		return;
	l->has_end = true;
	l->end_ms = k->end_ms;
	l->end_price = k->price;
	candle_series_unsaved(st, ser);
}

/* A filled slot behind one that was revised: it still has the price of before. */
static bool slot_stale(const struct candle_slot *s, const struct known *k)
{
	return s->filled && k->has && ap_dec_cmp(s->p.c, k->price) != 0;
}

/* Fills from what is known to until_ms; *at is where new slots go and moves with them. False: the budget is used up. */
static bool lane_fill(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, struct known *k, int64_t until_ms, uint32_t *at,
		      struct ap_out *out)
{
	struct candle_source *src = ser->source;
	int64_t open_ms, close_ms;

	while (k->has && fill_next(st, ser, lane, k->end_ms, until_ms, &open_ms, &close_ms)) {
		struct candle_slot *s;

		if (st->budget == 0)
			return false;
		s = candle_lane_insert(st, ser, lane, open_ms, close_ms);
		s->filled = true;
		candle_ohlc_start(&s->p, k->price);
		slot_issue(st, s, out);
		known_slot(k, s);
		/* Behind one that stays it waits to be dropped with it. */
		if (*at == 0 && close_ms + st->window_ms <= src->seen_ms) {
			candle_lane_remove(st, ser, lane, 0);
			lane_end(st, ser, &ser->lane[lane], k);
		} else {
			(*at)++;
		}
	}
	return true;
}

/* Whether there is an interval to fill, or a filled one to revise. */
static bool lane_fillable(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane)
{
	const struct candle_lane *l = &ser->lane[lane];
	struct known k = known_start(l);
	int64_t open_ms, close_ms;

	for (uint32_t i = 0; i <= l->n; i++) {
		const int64_t until_ms = i < l->n ? l->v[i]->open_ms : INT64_MAX;

		if (k.has && fill_next(st, ser, lane, k.end_ms, until_ms, &open_ms, &close_ms))
			return true;
		if (i == l->n)
			break;
		if (slot_stale(l->v[i], &k))
			return true;
		known_slot(&k, l->v[i]);
	}
	return false;
}

/* When filling has something to do in the lane: now, or when the interval that the source is in closes. */
static int64_t lane_fill_due(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane)
{
	const struct candle_lane *l = &ser->lane[lane];
	const int64_t time_ms = ser->source->time_ms;
	int64_t from_ms, open_ms, close_ms;

	if ((l->n == 0 && !l->has_end) || time_ms == CANDLE_NEVER)
		return INT64_MAX;
	if (lane_fillable(st, ser, lane))
		return CANDLE_NEVER;
	from_ms = l->n > 0 ? l->v[l->n - 1]->close_ms : l->end_ms;
	if (from_ms < time_ms - st->lateness_ms)
		from_ms = time_ms - st->lateness_ms;
	(void)candle_interval(st, ser, lane, from_ms, &open_ms, &close_ms);
	return close_ms + st->lateness_ms;      /* or, where trading is off, when it is on again */
}

/* --- walking ----------------------------------------------------------- */

static bool slot_due(const struct candle_fold_state *st, const struct candle_slot *s)
{
	const struct candle_source *src = s->series->source;

	return s->state == SLOT_FORMING && (src->closing || s->close_ms + st->window_ms <= src->seen_ms ||
					    (src->time_ms != CANDLE_NEVER && s->close_ms + st->lateness_ms <= src->time_ms));
}

static void slot_drop(struct candle_fold_state *st, struct candle_slot *s, const struct known *k)
{
	struct candle_series *ser = s->series;
	const uint32_t lane = s->lane;

	if (lane == 0) {
		candle_settle_for_good(st, s);
		if (s->close_ms > ser->floor_ms)
			ser->floor_ms = s->close_ms;
		candle_series_unsaved(st, ser);
	}
	lane_end(st, ser, &ser->lane[lane], k);
	candle_lane_remove(st, ser, lane, 0);
}

/* One lane, oldest first. False: the budget is used up, the rest stays due. */
static bool lane_advance(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, struct ap_out *out)
{
	struct candle_lane *l = &ser->lane[lane];
	struct known k = known_start(l);
	uint32_t i = 0;

	while (i < l->n) {
		struct candle_slot *s = l->v[i];
		bool drop;

		if (st->fill && !lane_fill(st, ser, lane, &k, s->open_ms, &i, out))
			return false;
		s = l->v[i];
		drop = i == 0 && s->close_ms + st->window_ms <= ser->source->seen_ms;
		if (slot_stale(s, &k)) {
			if (st->budget == 0)
				return false;
			candle_ohlc_start(&s->p, k.price);
			s->changed = true;
		}
		if (slot_due(st, s) || (s->state == SLOT_FINAL && s->changed && (drop || s->filled || ser->reprice))) {
			if (st->budget == 0)
				return false;
			slot_issue(st, s, out);
		}
		known_slot(&k, s);
		if (drop)
			slot_drop(st, s, &k);
		else
			i++;
	}
	return !st->fill || lane_fill(st, ser, lane, &k, INT64_MAX, &i, out);
}

static bool series_advance(struct candle_fold_state *st, struct candle_series *ser, struct ap_out *out)
{
	bool done = true;

	candle_settle(st, ser);
	for (uint32_t lane = 0; done && lane < st->plan.n; lane++)
		done = lane_advance(st, ser, lane, out);
	if (done && ser->source->closing) {
		done = st->budget >= ser->bars;
		if (done)
			candle_bars_close(st, ser, out);
	}
	if (done)
		ser->reprice = false;
	ser->cur = NULL;                /* the slot may have closed */
	candle_tops(ser, &st->plan);
	candle_due_recompute(st, ser);
	return done;
}

/* --- what is due when --------------------------------------------------- */

void candle_due_add(struct candle_fold_state *st, struct candle_series *ser, const struct candle_slot *s)
{
	struct candle_source *src = ser->source;
	const int64_t close_at = s->close_ms + st->lateness_ms, drop_at = s->close_ms + st->window_ms;

	if (s->state == SLOT_FORMING && close_at < src->next_close[ser->place])
		src->next_close[ser->place] = close_at;
	if (drop_at < src->next_drop[ser->place])
		src->next_drop[ser->place] = drop_at;
	if (src->next_close[ser->place] < src->min_close)
		src->min_close = src->next_close[ser->place];
	if (drop_at < src->min_drop)
		src->min_drop = drop_at;
}

void candle_due_recompute(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_source *src = ser->source;

	src->next_close[ser->place] = src->next_drop[ser->place] = INT64_MAX;
	for (uint32_t lane = 0; lane < st->plan.n; lane++) {
		const struct candle_lane *l = &ser->lane[lane];
		int64_t due;

		for (uint32_t i = 0; i < l->n; i++)
			candle_due_add(st, ser, l->v[i]);
		if (!st->fill)
			continue;
		due = lane_fill_due(st, ser, lane);
		if (due < src->next_close[ser->place])
			src->next_close[ser->place] = due;
		if (due < src->min_close)
			src->min_close = due;
	}
}

bool candle_source_due(const struct candle_source *src, int64_t time_ms, int64_t seen_ms)
{
	return src->closing || src->min_close <= time_ms || src->min_drop <= seen_ms || src->quotes_min_close <= time_ms ||
	       src->quotes_min_drop <= seen_ms;
}

void candle_source_advance(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out)
{
	bool done = true;

	if (!candle_source_due(src, src->time_ms, src->seen_ms)) {
		candle_source_behind(st, src, false);
		return;
	}
	for (uint32_t i = 0; done && i < src->n; i++)
		if (src->closing || src->next_close[i] <= src->time_ms || src->next_drop[i] <= src->seen_ms)
			done = series_advance(st, src->series[i], out);
	src->min_close = src->min_drop = INT64_MAX;
	for (uint32_t i = 0; i < src->n; i++) {
		if (src->next_close[i] < src->min_close)
			src->min_close = src->next_close[i];
		if (src->next_drop[i] < src->min_drop)
			src->min_drop = src->next_drop[i];
	}
	done = done && quote_advance(st, src, out);
	if (done)
		src->closing = false;
	candle_source_behind(st, src, !done);
	src->unsaved = true;
}

void candle_source_behind(struct candle_fold_state *st, struct candle_source *src, bool behind)
{
	if (src->behind == behind)
		return;
	src->behind = behind;
	src->unsaved = true;
	if (behind)
		st->behind++;
	else
		st->behind--;
}

void candle_catch_up(struct candle_fold_state *st, struct ap_out *out)
{
	for (uint32_t i = 0; i < st->source_n && st->behind > 0 && st->budget > 0; i++)
		if (st->source[i]->behind)
			candle_source_advance(st, st->source[i], out);
	st->budget = CANDLE_EMIT_MAX;
}

/* --- the end of an entry ------------------------------------------------ */

/* Closed slots of the series changed: the filled ones behind them take over the new price. False: the budget is used up. */
static bool series_reprice(struct candle_fold_state *st, struct candle_series *ser, struct ap_out *out)
{
	ser->reprice = false;
	for (uint32_t lane = 0; lane < st->plan.n; lane++) {
		struct candle_lane *l = &ser->lane[lane];
		struct known k = known_start(l);

		for (uint32_t i = 0; i < l->n; i++) {
			struct candle_slot *s = l->v[i];

			if (slot_stale(s, &k)) {
				if (st->budget == 0)
					return false;
				candle_ohlc_start(&s->p, k.price);
				s->changed = true;
			}
			if (s->state == SLOT_FINAL && s->changed)
				slot_issue(st, s, out);
			known_slot(&k, s);
		}
	}
	return true;
}

void candle_tell(struct candle_fold_state *st, struct ap_out *out)
{
	for (size_t i = 0; i < st->visit.n; i++) {
		struct candle_series *ser = st->visit.v[i];

		if (ser->reprice && !series_reprice(st, ser, out))
			candle_source_behind(st, ser->source, true);
		candle_due_recompute(st, ser);
		ser->visited = false;
	}
	st->visit.n = 0;
	for (size_t i = 0; i < st->tell.n; i++) {
		struct candle_slot *s = st->tell.v[i];
		const struct candle_slot *later = i + CANDLE_SOON_SLOT < st->tell.n ? st->tell.v[i + CANDLE_SOON_SLOT] : NULL;

		if (later != NULL) {
			__builtin_prefetch(later);
			__builtin_prefetch((const char *)later + CANDLE_LINE);
		}
		if (s == NULL)
			continue;
		s->listed = false;
		if (!s->changed)
			continue;
		if (s->state == SLOT_FORMING)
			slot_live(st, s, out);
		else
			slot_issue(st, s, out);
	}
	st->tell.n = 0;
}
