/*
 * quote_close.c - what time does to the slots of quotes: they become final, and they are dropped.
 *
 * Called by beats alone, and free while nothing is due.
 */
#include "quote_fold.h"

static bool slot_due(const struct candle_fold_state *st, const struct candle_source *src, const struct quote_slot *s)
{
	return s->state == SLOT_FORMING && (src->closing || s->close_ms + st->window_ms <= src->seen_ms ||
					    (src->time_ms != CANDLE_NEVER && s->close_ms + st->lateness_ms <= src->time_ms));
}

/* A small slot goes away: what it holds is settled in the larger ones over it. Oldest first, so it follows what they hold. */
static void settle_for_good(struct candle_fold_state *st, struct candle_series *ser, const struct quote_slot *s)
{
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		struct quote_slot *over = quote_over(st, ser, lane, s->open_ms, false);

		if (over == NULL)
			continue;
		quote_part_join(&over->q.part, &s->q.part);
		quote_slot_unsaved(st, ser, over);
	}
}

static void slot_drop(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s)
{
	struct candle_quotes *q = ser->quotes;

	if (s->lane == 0) {
		settle_for_good(st, ser, s);
		if (s->close_ms > q->floor_ms)
			q->floor_ms = s->close_ms;
		quote_slot_unsaved(st, ser, s);         /* lists the series */
		q->floor_unsaved = true;
	}
	quote_lane_remove(st, ser, s->lane, 0);
}

/* One lane, oldest first. False: the budget is used up. */
static bool lane_advance(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, struct ap_out *out)
{
	struct quote_lane *l = &ser->quotes->lane[lane];

	for (uint32_t i = 0; i < l->n;) {
		struct quote_slot *s = l->v[i];
		const bool drop = i == 0 && s->close_ms + st->window_ms <= ser->source->seen_ms;

		if (slot_due(st, ser->source, s) || (drop && s->changed)) {
			if (st->budget == 0)
				return false;
			quote_issue(st, ser, s, out);
		}
		if (drop)
			slot_drop(st, ser, s);
		else
			i++;
	}
	return true;
}

void quote_due_recompute(struct candle_fold_state *st, struct candle_series *ser)
{
	struct candle_quotes *q = ser->quotes;

	q->next_close = q->next_drop = INT64_MAX;
	for (uint32_t lane = 0; lane < st->plan.n; lane++)
		for (uint32_t i = 0; i < q->lane[lane].n; i++)
			quote_due_add(st, ser, q->lane[lane].v[i]);
}

static bool series_advance(struct candle_fold_state *st, struct candle_series *ser, struct ap_out *out)
{
	bool done = true;

	for (uint32_t lane = 0; done && lane < st->plan.n; lane++)
		done = lane_advance(st, ser, lane, out);
	quote_due_recompute(st, ser);
	return done;
}

bool quote_advance(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out)
{
	bool done = true;

	if (!src->closing && src->quotes_min_close > src->time_ms && src->quotes_min_drop > src->seen_ms)
		return true;
	for (uint32_t i = 0; done && i < src->n; i++) {
		struct candle_series *ser = src->series[i];

		if (ser->quotes != NULL &&
		    (src->closing || ser->quotes->next_close <= src->time_ms || ser->quotes->next_drop <= src->seen_ms))
			done = series_advance(st, ser, out);
	}
	src->quotes_min_close = src->quotes_min_drop = INT64_MAX;
	for (uint32_t i = 0; i < src->n; i++) {
		const struct candle_quotes *q = src->series[i]->quotes;

		if (q == NULL)
			continue;
		if (q->next_close < src->quotes_min_close)
			src->quotes_min_close = q->next_close;
		if (q->next_drop < src->quotes_min_drop)
			src->quotes_min_drop = q->next_drop;
	}
	return done;
}
