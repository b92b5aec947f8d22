/*
 * runtime_past.c - gives a fold the stored candles of those series that begin anew.
 *
 * Between loading the state and placing the group: rare (a new version, another choice of indicators), so one question
 * at a time. PostgreSQL may be away; then a partition waits a while, says so, and goes on without.
 */
#include <assert.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "../core/symbol.h"
#include "runtime_part.h"

enum { PAGE = 2000, WAIT_S = 15 };
static const int64_t END_MS = INT64_C(253402300800000);      /* the year 10000 */

struct past {
	struct part *p;
	struct ap_past want;
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1], tf[AP_TF_MAX + 1], before[24], most[24];
	int64_t after_ms;       /* the next page's candles open after this */
	uint64_t candles, series;
	struct asked *asked;    /* the question on its way; NULL: none is */
	ev_timer wait;          /* for an answer of PostgreSQL */
};

/* A question outlives the partition's interest in its answer. */
struct asked {
	struct past *past;      /* NULL: nobody waits any more */
};

/* --- rows ---------------------------------------------------------------------------------------- */

enum { C_OPEN, C_CLOSE, C_O, C_H, C_L, C_C, C_V, C_QV, C_N, C_REV, C_BUY, C_SELL, COLUMNS };

static int64_t number(const PGresult *res, int row, int col)
{
	return strtoll(PQgetvalue(res, row, col), NULL, 10);
}

/* Absent (no taker sides were known) counts as 0. */
static bool decimal(const PGresult *res, int row, int col, ap_dec *out)
{
	*out = (ap_dec){ 0 };
	return PQgetisnull(res, row, col) ||
	       ap_dec_parse(PQgetvalue(res, row, col), (size_t)PQgetlength(res, row, col), out) == AP_DEC_OK;
}

static bool candle_read(const PGresult *res, int row, const struct ap_past *want, struct ap_candle *c)
{
	*c = (struct ap_candle){ .source = want->source, .symbol = want->symbol, .tf = want->tf, .state = AP_FINAL,
				 .open_ms = number(res, row, C_OPEN), .close_ms = number(res, row, C_CLOSE),
				 .trade_count = (uint64_t)number(res, row, C_N), .revision = (uint32_t)number(res, row, C_REV) };
	return decimal(res, row, C_O, &c->open) && decimal(res, row, C_H, &c->high) && decimal(res, row, C_L, &c->low) &&
	       decimal(res, row, C_C, &c->close) && decimal(res, row, C_V, &c->volume) &&
	       decimal(res, row, C_BUY, &c->buy_volume) && decimal(res, row, C_SELL, &c->sell_volume) &&
	       ap_sum_parse(PQgetvalue(res, row, C_QV), (size_t)PQgetlength(res, row, C_QV), &c->quote_volume) == AP_DEC_OK;
}

/* The newest $5 before $4, a page of them after $6. */
static const char page_sql[] =
	"WITH first AS (SELECT min(open_time) AS at FROM (SELECT open_time FROM realtime_candles WHERE source = $1 AND symbol = $2"
	" AND timeframe = $3 AND open_time < to_timestamp($4::bigint / 1000.0) ORDER BY open_time DESC LIMIT $5::bigint) newest)"
	" SELECT (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint, open_price, high_price,"
	" low_price, close_price, volume, quote_volume, trade_count, revision, metadata->>'buy_volume', metadata->>'sell_volume'"
	" FROM realtime_candles, first WHERE source = $1 AND symbol = $2 AND timeframe = $3 AND open_time < to_timestamp($4::bigint / 1000.0)"
	" AND open_time >= first.at AND open_time > to_timestamp($6::bigint / 1000.0) ORDER BY open_time LIMIT $7::bigint";

/* --- one series after the other -------------------------------------------------------------------- */

static void past_free(struct past *past)
{
	ev_timer_stop(past->p->rt->app.loop, &past->wait);
	if (past->asked != NULL)
		past->asked->past = NULL;
	past->p->past = NULL;
	free(past);
}

static void given(struct past *past)
{
	struct part *p = past->p;

	if (past->series > 0)
		ap_log(&p->rt->app.log, AP_INFO, "past_taken", KV_U("part", p->p), KV_U("series", past->series),
		       KV_U("candles", past->candles));
	past_free(past);
	part_loaded(p);
}

static void given_up(struct past *past, const char *why)
{
	struct part *p = past->p;

	ap_log(&p->rt->app.log, AP_WARN, "past_not_taken", KV_U("part", p->p), KV_S("why", why), KV_U("series_done", past->series),
	       KV_S("next", "series_warm_up_with_what_comes"));
	p->rt->stage->past_end(p->fold.st);
	past_free(past);
	part_loaded(p);
}

static void page_ask(struct past *past);

static void series_ask(struct past *past)
{
	const struct ap_past *w = &past->want;

	snprintf(past->source, sizeof past->source, "%.*s", (int)w->source.len, w->source.p);
	snprintf(past->symbol, sizeof past->symbol, "%.*s", (int)w->symbol.len, w->symbol.p);
	snprintf(past->tf, sizeof past->tf, "%.*s", (int)w->tf.len, w->tf.p);
	snprintf(past->before, sizeof past->before, "%" PRId64, w->before_ms < END_MS ? w->before_ms : END_MS);
	snprintf(past->most, sizeof past->most, "%" PRIu32, w->most);
	past->after_ms = -1;
	page_ask(past);
}

static void series_next(struct past *past)
{
	if (past->p->rt->stage->past_wanted(past->p->fold.st, &past->want))
		series_ask(past);
	else
		given(past);
}

static void page_cb(void *ctx, const struct ap_pg_result *r)
{
	struct asked *asked = ctx;
	struct past *past = asked->past;
	struct ap_candle c;

	free(asked);
	if (past == NULL)
		return;
	past->asked = NULL;
	if (r->rc == AP_PG_LOST)
		return;                 /* asked again when it is back, or given up */
	if (r->rc != AP_PG_OK) {
		given_up(past, r->message);
		return;
	}
	struct part *p = past->p;
	int rows = PQntuples(r->res);

	for (int i = 0; i < rows; i++) {
		if (!candle_read(r->res, i, &past->want, &c)) {
			given_up(past, "stored_candle_not_understood");
			return;
		}
		p->rt->stage->past(p->fold.st, &c);
		past->after_ms = c.open_ms;
	}
	past->candles += (uint64_t)rows;
	ev_timer_again(p->rt->app.loop, &past->wait);
	if (rows == PAGE) {
		page_ask(past);
		return;
	}
	past->series++;
	p->rt->stage->past_end(p->fold.st);
	series_next(past);
}

static void page_ask(struct past *past)
{
	char after[24], page[24];
	const char *v[7] = { past->source, past->symbol, past->tf, past->before, past->most, after, page };
	struct runtime *rt = past->p->rt;
	struct asked *asked;

	if (past->asked != NULL || rt->pg == NULL || !ap_pg_is_up(rt->pg))
		return;                 /* asked when it is up */
	snprintf(after, sizeof after, "%" PRId64, past->after_ms);
	snprintf(page, sizeof page, "%d", PAGE);
	asked = malloc(sizeof *asked);
	if (asked == NULL)
		return;
	*asked = (struct asked){ past };
	if (ap_pg_params(rt->pg, page_cb, asked, 0, page_sql, 7, NULL, v, NULL, NULL, 0))
		past->asked = asked;
	else
		free(asked);
}

static void pg_up_cb(void *ctx)
{
	struct runtime *rt = ctx;

	for (unsigned i = 0; i < rt->n; i++)
		if (rt->part[i].past != NULL)
			page_ask(rt->part[i].past);
}

static void wait_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	given_up(w->data, "postgresql_away");
}

bool part_past(struct part *p)
{
	static const struct ap_pg_events events = { pg_up_cb, NULL };
	struct runtime *rt = p->rt;
	struct ap_past want;
	struct past *past;
	char err[256];

	part_past_drop(p);
	if (rt->stage->past_wanted == NULL || !rt->stage->past_wanted(p->fold.st, &want))
		return false;
	if (rt->pg == NULL)
		rt->pg = ap_pg_new(rt->app.loop, &rt->app.log, &rt->app.conf, &events, rt, err, sizeof err);
	past = calloc(1, sizeof *past);
	assert(past != NULL);
	*past = (struct past){ .p = p, .want = want };
	p->past = past;
	ev_timer_init(&past->wait, wait_cb, WAIT_S, WAIT_S);
	past->wait.data = past;
	ev_timer_start(rt->app.loop, &past->wait);
	series_ask(past);
	return true;
}

void part_past_drop(struct part *p)
{
	if (p->past != NULL)
		past_free(p->past);
}
