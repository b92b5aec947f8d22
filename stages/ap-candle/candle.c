/*
 * candle.c - trades and quotes in, exact candles and quote bars out: the fold's surface.
 *
 * Pure: no I/O, no clock. A candle closes when a beat of its source says that its time has come, so a replay of the stream
 * gives the same bytes, and a trade stamped in the future closes nothing. Knows no wire, no Redis, no files.
 */
#include "quote_fold.h"

#include "common/core/recjson.h"
#include "common/core/timefmt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void *candle_open_zones(const struct ap_conf *conf, candle_zone_reader *read, void *ctx, char *err, size_t errlen)
{
	struct candle_fold_state *st = calloc(1, sizeof *st);
	char why[200];

	assert(st != NULL);
	if (!candle_cals_parse(&st->cals, ap_str_c(conf->candle_zone), ap_str_c(conf->candle_sessions), read, ctx, err, errlen) ||
	    !candle_specs_parse(&st->specs, ap_str_c(conf->candle_bars), err, errlen))
		goto bad;
	st->quotes = quote_state_new(conf, err, errlen);
	if (st->quotes == NULL)
		goto bad;
	if (!candle_plan_parse(&st->plan, ap_str_c(conf->candle_timeframes), candle_cals_step_ms(&st->cals), why, sizeof why)) {
		(void)snprintf(err, errlen, "candle.timeframes: %s", why);
		goto bad;
	}
	st->cals_sum = candle_text_sum(conf->candle_zone, conf->candle_sessions);
	st->lateness_ms = (int64_t)conf->candle_lateness_ms;
	st->window_ms = (int64_t)conf->candle_revision_ms;
	if (st->window_ms < st->lateness_ms)
		st->window_ms = st->lateness_ms;
	st->fill = conf->candle_fill == 1;
	st->series_max = (uint32_t)conf->candle_series_max;
	ap_buf_init(&st->gone, SIZE_MAX / 2);
	st->budget = CANDLE_EMIT_MAX;
	return st;
bad:
	quote_state_free(st->quotes);
	candle_specs_done(&st->specs);
	candle_cals_done(&st->cals);
	free(st);
	return NULL;
}

static void *candle_open(const struct ap_conf *conf, char *err, size_t errlen)
{
	return candle_open_zones(conf, NULL, NULL, err, errlen);
}

static void candle_close(void *state)
{
	struct candle_fold_state *st = state;

	candle_load_done(st);
	candle_memory_done(st);
	quote_state_free(st->quotes);
	candle_specs_done(&st->specs);
	candle_cals_done(&st->cals);
	free(st);
}

/* --- refusing ---------------------------------------------------------- */

struct refusal {
	enum ap_verdict verdict;
	enum ap_status status;
	const char *reason;
};

enum why { WHY_LATE, WHY_AHEAD, WHY_RANGE, WHY_SERIES };

static const struct refusal refusals[] = {
	[WHY_LATE] = { AP_V_LATE, AP_ST_LATE, "late" },
	[WHY_AHEAD] = { AP_V_INVALID, AP_ST_INVALID, "too_far_ahead" },
	[WHY_RANGE] = { AP_V_INVALID, AP_ST_INVALID, "range" },
	[WHY_SERIES] = { AP_V_INVALID, AP_ST_INVALID, "too_many_series" },
};

static size_t tell_why(const struct candle_fold_state *st, ap_ts ts, enum why why, char out[AP_DETAIL_MAX])
{
	const struct candle_source *src = st->last != NULL ? st->last->source : NULL;
	char seen[AP_TS_TEXT] = "", open[AP_TS_TEXT] = "";
	int64_t open_ms, close_ms;
	int n;

	switch (why) {
	case WHY_LATE:
		candle_tf_at(&st->plan.tf[0], ts.ns / 1000000, &open_ms, &close_ms);
		(void)ap_ts_format((ap_ts){ open_ms * 1000000 }, 0, open);
		if (src != NULL && src->seen_ms >= 0)
			(void)ap_ts_format((ap_ts){ src->seen_ms * 1000000 }, 3, seen);
		n = snprintf(out, AP_DETAIL_MAX, "the %s candle of %s could be revised for %" PRId64 " ms after its close; the source is at %s",
			     st->plan.tf[0].name, open, st->window_ms, seen);
		break;
	case WHY_AHEAD:
		n = snprintf(out, AP_DETAIL_MAX, "%d intervals ahead of the source's time are open already", (int)CANDLE_AHEAD_SLOTS);
		break;
	case WHY_RANGE:
		n = snprintf(out, AP_DETAIL_MAX, "price, quantity, time or the candle's sums leave the range of exact numbers");
		break;
	default:
		n = snprintf(out, AP_DETAIL_MAX, "candle.series_max = %" PRIu32 " series are there already", st->series_max);
		break;
	}
	return (size_t)n;
}

/* What a reject says of the trade or quote itself. */
static struct ap_reject reject_of(const struct ap_rec *rec)
{
	const struct ap_quote *q = &rec->u.quote;
	const struct ap_trade *t = &rec->u.trade;

	if (rec->kind == AP_QUOTE)
		return (struct ap_reject){ .quote = true, .raw_idx = q->raw_idx, .sub = q->sub, .raw_seq = q->raw_seq, .source = q->source,
					   .symbol = q->symbol, .ts = q->ts, .recv = q->recv };
	return (struct ap_reject){ .raw_idx = t->raw_idx, .sub = t->sub, .raw_seq = t->raw_seq, .source = t->source, .symbol = t->symbol,
				   .trade_id = t->trade_id, .ts = t->ts, .recv = t->recv };
}

static enum ap_verdict refuse(struct candle_fold_state *st, const struct ap_rec *rec, enum why why, struct ap_out *out)
{
	const bool quote = rec->kind == AP_QUOTE;
	uint64_t *late = quote ? &st->quotes->late : &st->n.late, *refused = quote ? &st->quotes->refused : &st->n.refused;
	struct ap_rec no = { .kind = AP_REJECT, .u.reject = reject_of(rec) };
	struct ap_reject *r = &no.u.reject;
	char detail[AP_DETAIL_MAX], json[2048];
	struct ap_buf data;

	ap_buf_fixed(&data, json, sizeof json);
	ap_rec_json(&data, rec);
	r->origin = ap_id_origin(rec->id);
	r->status = refusals[why].status;
	r->stage = ap_str_c(ap_candle_stage.name);
	r->reason = ap_str_c(refusals[why].reason);
	r->detail = ap_str_n(detail, tell_why(st, r->ts, why, detail));
	if (!data.full)
		r->data = ap_buf_view(&data);
	ap_out_put(out, AP_S_REJECT, &no);
	(*(why == WHY_LATE ? late : refused))++;
	return refusals[why].verdict;
}

/* --- stepping ---------------------------------------------------------- */

/*
 * The source's tape has ended, and this record is of a time long before: another tape begins, and time with it. Without this a
 * tape of 2019 that follows one of 2024 under the same source would be late as a whole. What a series has let go stays closed.
 */
static void tape_begins(struct candle_fold_state *st, struct candle_source *src, int64_t ts_ms)
{
	if (src->ended_ms == CANDLE_NEVER || src->closing || src->seen_ms == CANDLE_NEVER || ts_ms + st->window_ms > src->seen_ms)
		return;
	candle_settle_source(st, src);
	src->time_ms = src->seen_ms = CANDLE_NEVER;
	src->first_ms = INT64_MAX;
	memset(src->judged, 0, sizeof src->judged);
}

static const enum why whys[] = { [PLACE_LATE] = WHY_LATE, [PLACE_AHEAD] = WHY_AHEAD, [PLACE_RANGE] = WHY_RANGE };

static enum ap_verdict step_trade(struct candle_fold_state *st, const struct ap_rec *rec, struct ap_out *out)
{
	const struct ap_trade *t = &rec->u.trade;
	struct candle_series *ser;
	enum candle_place rc;

	if (t->price.e18 <= 0 || t->qty.e18 < 0 || t->ts.ns < 0 || t->trade_id.len > AP_TRADE_ID_MAX)
		return refuse(st, rec, WHY_RANGE, out);
	ser = candle_series_get(st, t->source, t->symbol);
	if (ser == NULL)
		return refuse(st, rec, WHY_SERIES, out);
	tape_begins(st, ser->source, t->ts.ns / 1000000);
	rc = candle_take(st, ser, t);
	if (rc != PLACE_OK)
		return refuse(st, rec, whys[rc], out);
	if (ser->bars > 0)
		candle_bars_take(st, ser, t, out);
	st->n.trades++;
	return AP_V_TAKEN;
}

static enum ap_verdict step_quote(struct candle_fold_state *st, const struct ap_rec *rec, struct ap_out *out)
{
	const struct ap_quote *q = &rec->u.quote;
	struct candle_series *ser;
	enum candle_place rc;

	if (!quote_wanted(st->quotes, q->source, q->symbol))
		return AP_V_IGNORED;
	if (q->bid.e18 <= 0 || q->ask.e18 < q->bid.e18 || q->ts.ns < 0 || q->ts.ns > QUOTE_LAST_NS)
		return refuse(st, rec, WHY_RANGE, out);
	ser = candle_series_get(st, q->source, q->symbol);
	if (ser == NULL)
		return refuse(st, rec, WHY_SERIES, out);
	tape_begins(st, ser->source, q->ts.ns / 1000000);
	rc = quote_take(st, ser, q);
	return rc == PLACE_OK ? AP_V_TAKEN : refuse(st, rec, whys[rc], out);
}

/* The oldest time any candle that is still there may ask cover for. */
static int64_t cover_needed_from(const struct candle_fold_state *st, const struct candle_source *src)
{
	int64_t least = INT64_MAX, open_ms, close_ms;

	const int64_t zones_ms = 2 * 86400000;  /* a local month may begin a day earlier */

	if (src->seen_ms < st->window_ms + zones_ms)
		return 0;
	for (uint32_t i = 0; i < st->plan.n; i++) {
		candle_tf_at(&st->plan.tf[i], src->seen_ms - st->window_ms - zones_ms, &open_ms, &close_ms);
		if (open_ms < least)
			least = open_ms;
	}
	return least;
}

static void beat_take(struct candle_fold_state *st, struct candle_source *src, const struct ap_beat *b)
{
	const int64_t ts_ms = b->ts.ns / 1000000, from_ms = ts_ms > b->covers_ms ? ts_ms - b->covers_ms : 0;
	/* Cover of a time that had passed as uncovered, or the first time at all: filling has to look again. */
	const bool news = st->fill && (src->time_ms == CANDLE_NEVER ||
				       candle_cover_ms(&src->cover, from_ms, src->seen_ms) < src->seen_ms - from_ms);
	bool stored;

	stored = candle_cover_add(&src->cover, from_ms, ts_ms);
	assert(stored);
	memset(src->judged, 0, sizeof src->judged);
	if (src->first_ms == INT64_MAX)
		src->first_ms = from_ms;
	if (ts_ms > src->seen_ms)
		src->seen_ms = ts_ms;
	if (b->alive && ts_ms > src->time_ms)
		src->time_ms = ts_ms;
	if (b->close) {
		src->closing = true;
		src->ended_ms = src->seen_ms;
	} else {
		src->ended_ms = CANDLE_NEVER;
	}
	src->unsaved = true;
	for (uint32_t i = 0; news && i < src->n; i++)
		candle_due_recompute(st, src->series[i]);
	if (src->cover.n > 8 && !src->closing && !candle_source_due(src, src->time_ms, src->seen_ms))
		candle_cover_forget(&src->cover, cover_needed_from(st, src));
}

static enum ap_verdict step_beat(struct candle_fold_state *st, const struct ap_rec *rec, struct ap_out *out)
{
	const struct ap_beat *b = &rec->u.beat;
	struct candle_source *src = candle_source_get(st, b->source);

	if (src == NULL || b->ts.ns < 0)
		return AP_V_IGNORED;
	st->n.beats++;
	candle_settle_source(st, src);
	quote_tell_waiting(st, src, out);
	tape_begins(st, src, b->ts.ns / 1000000);
	beat_take(st, src, b);
	candle_source_advance(st, src, out);
	return AP_V_TAKEN;
}

static enum ap_verdict candle_step(void *state, const struct ap_rec *rec, struct ap_out *out)
{
	struct candle_fold_state *st = state;

	switch (rec->kind) {
	case AP_TRADE:
		return step_trade(st, rec, out);
	case AP_QUOTE:
		return step_quote(st, rec, out);
	case AP_BEAT:
		return step_beat(st, rec, out);
	default:
		return AP_V_IGNORED;
	}
}

static void candle_expect(void *state, const struct ap_rec *rec)
{
	if (rec->kind == AP_TRADE)
		candle_series_soon(state, rec->u.trade.source, rec->u.trade.symbol);
}

static void candle_flush(void *state, struct ap_out *out)
{
	struct candle_fold_state *st = state;
	const bool few = candle_settle_entry(st);

	st->soon.n = st->soon.at = 0;
	candle_tell(st, out);
	candle_bars_tell(st, few, out);
	quote_tell(st, out);
	candle_catch_up(st, out);
}

/* --- bounds and counts -------------------------------------------------- */

/* One finished and one forming bar of each kind; bricks come in numbers. */
static size_t bars_bound(const struct candle_fold_state *st, ap_str source, ap_str symbol)
{
	size_t n = 0;

	for (uint32_t i = 0; i < st->specs.n; i++)
		if (candle_spec_wants(&st->specs.v[i], source, symbol))
			n += st->specs.v[i].kind == CANDLE_BAR_RENKO ? CANDLE_BRICKS_MAX + 2 : 2;
	return n;
}

/* A trade touches one slot of each timeframe; with it go larger ones that wait, and filled ones behind it. */
static size_t trade_bound(const struct candle_fold_state *st, const struct ap_trade *t)
{
	const struct candle_series *ser = candle_series_find(st, t->source, t->symbol);
	size_t n = st->plan.n;

	if (st->specs.n > 0)
		n += bars_bound(st, t->source, t->symbol);
	if (ser == NULL || (!st->fill && !ser->untold))
		return n;
	for (uint32_t lane = 0; lane < st->plan.n; lane++)
		n += ser->lane[lane].n + 1;     /* and one that waits to be made */
	return n;
}

/* Everything forming may close; what has changed may go out; larger forming candles that wait do. */
static size_t beat_bound(const struct candle_fold_state *st, const struct candle_source *src)
{
	const size_t finals = st->fill ? CANDLE_EMIT_MAX : src->forming + src->bars + st->tell.n + st->touched.n * st->plan.n;
	size_t live = 0;

	for (uint32_t i = 0; i < src->n && src->untold > 0; i++)
		for (uint32_t lane = 1; src->series[i]->untold && lane < st->plan.n; lane++)
			live += src->series[i]->lane[lane].n + 1;
	return (finals < CANDLE_EMIT_MAX ? finals : CANDLE_EMIT_MAX) + live;
}

static size_t candle_bound(const void *state, const struct ap_rec *rec)
{
	const struct candle_fold_state *st = state;
	size_t n = st->behind > 0 ? CANDLE_EMIT_MAX : 0;

	if (rec->kind == AP_TRADE)
		return n + trade_bound(st, &rec->u.trade);
	if (rec->kind == AP_QUOTE)
		return n + quote_bound(st);
	if (rec->kind != AP_BEAT)
		return n;
	for (uint32_t i = 0; i < st->source_n; i++)
		if (ap_str_eq(rec->u.beat.source, ap_str_n(st->source[i]->name, st->source[i]->name_len)))
			n += beat_bound(st, st->source[i]) + quote_beat_bound(st, st->source[i]);
	return n;
}

static void candle_count(const void *state, struct ap_counts *c)
{
	const struct candle_fold_state *st = state;
	const struct { const char *name; enum ap_metric_type type; uint64_t v; } rows[] = {
		{ "series", AP_M_GAUGE, st->series_n },
		{ "slots", AP_M_GAUGE, st->slots },
		{ "trades_total", AP_M_COUNTER, st->n.trades },
		{ "beats_total", AP_M_COUNTER, st->n.beats },
		{ "candles_final_total", AP_M_COUNTER, st->n.finals },
		{ "candles_revised_total", AP_M_COUNTER, st->n.revised },
		{ "candles_forming_total", AP_M_COUNTER, st->n.forming },
		{ "candles_full_total", AP_M_COUNTER, st->n.quality[AP_Q_FULL] },
		{ "candles_partial_total", AP_M_COUNTER, st->n.quality[AP_Q_PARTIAL] },
		{ "candles_gap_total", AP_M_COUNTER, st->n.quality[AP_Q_GAP] },
		{ "candles_filled_total", AP_M_COUNTER, st->n.quality[AP_Q_FILLED] },
		{ "bars_total", AP_M_COUNTER, st->n.bars },
		{ "live_conflated_total", AP_M_COUNTER, st->n.conflated },
		{ "quotes_total", AP_M_COUNTER, st->quotes->quotes },
		{ "quote_slots", AP_M_GAUGE, st->quotes->slots },
		{ "quote_bars_final_total", AP_M_COUNTER, st->quotes->finals },
		{ "quote_bars_revised_total", AP_M_COUNTER, st->quotes->revised },
		{ "quote_bars_forming_total", AP_M_COUNTER, st->quotes->forming },
		{ "quotes_late_total", AP_M_COUNTER, st->quotes->late },
		{ "quotes_refused_total", AP_M_COUNTER, st->quotes->refused },
		{ "late_total", AP_M_COUNTER, st->n.late },
		{ "refused_total", AP_M_COUNTER, st->n.refused },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		c->put(c, rows[i].name, rows[i].type, (double)rows[i].v);
}

const struct ap_stage ap_candle_stage = {
	.name = "candle",
	.in = AP_S_TICK,
	.outs = 1u << AP_S_CANDLE | 1u << AP_S_LIVE | 1u << AP_S_REJECT,
	.open = candle_open,
	.close = candle_close,
	.expect = candle_expect,
	.step = candle_step,
	.flush = candle_flush,
	.bound = candle_bound,
	.save = candle_save,
	.load = candle_load,
	.loaded = candle_loaded,
	.count = candle_count,
};
