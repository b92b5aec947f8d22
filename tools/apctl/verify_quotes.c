/*
 * verify_quotes.c - stored quotes against stored quote bars, all timeframes in one pass.
 *
 * A bar says itself which interval it is of, so no calendar is needed here: quotes come in order, and each timeframe's bars
 * beside them. A mean that says it is coarse (resolution_ms) is not compared; everything else is exact.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum quote_col { Q_SOURCE, Q_SYMBOL, Q_US, Q_NS, Q_BID, Q_ASK };
enum bar_col {
	B_SOURCE, B_SYMBOL, B_OPEN_MS, B_CLOSE_MS, B_PRICES, B_SPREADS = B_PRICES + 12, B_MEAN = B_SPREADS + 3, B_COUNT, B_LOCKED, B_WEIGHTED_NS,
	B_RESOLUTION
};

/* What the quotes of an interval come to. */
struct sum {
	int64_t n, locked, first_ns, last_ns;
	ap_dec px[12];                  /* bid, ask, mid: open, high, low, close; mid is bid + ask until it is told */
	ap_dec min, max, last;
	ap_sum area;                    /* spread x ns */
};

struct lane {
	struct verify *v;
	const char *tf;
	struct verify_rows rows;
	bool has;                       /* rows stands at a bar */
	bool told;                      /* that a bar before this one is missing */
	struct sum sum;                 /* of the quotes in it so far */
};

static bool bars_open(struct lane *l, size_t nth)
{
	struct ap_buf sql;
	char name[32];

	ap_buf_init(&sql, 1 << 16);
	ap_buf_printf(&sql, "SELECT source, symbol, (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint, "
			    "bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close, mid_open, mid_high, mid_low, mid_close, "
			    "spread_min, spread_max, spread_last, spread_mean, quote_count, locked_count, weighted_ns, resolution_ms "
			    "FROM quote_bars WHERE timeframe = '%s'", l->tf);
	verify_where_series(l->v, &sql);
	verify_where_time(l->v, &sql, "open_time", "close_time", "<=");
	ap_buf_puts(&sql, " ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", open_time");
	(void)snprintf(name, sizeof name, "bars%zu", nth);
	l->has = verify_rows_ask(&l->rows, l->v, name, &sql) && verify_rows_next(&l->rows);
	return !l->v->away;
}

/* In order of time and the venue's number, then of arrival; without those that ap-candle refused. */
static bool quotes_open(struct verify *v, struct verify_rows *r)
{
	struct ap_buf sql;

	ap_buf_init(&sql, 1 << 16);
	ap_buf_puts(&sql,
		    "SELECT source, symbol, (extract(epoch FROM timestamp) * 1000000)::bigint, coalesce((metadata->>'ns')::int, 0) AS ns, "
		    "normalized_data->>'bid', normalized_data->>'ask' FROM normalized_data t WHERE data_type = 'quote' AND validation_status = 'valid'");
	verify_where_series(v, &sql);
	verify_where_time(v, &sql, "timestamp", "timestamp", "<");
	ap_buf_puts(&sql,
		    " AND NOT EXISTS (SELECT FROM normalized_data x WHERE x.validation_errors->0->>'stage' = 'candle' "
		    "AND x.validation_status <> 'valid' AND x.origin = t.origin AND x.source = t.source AND x.symbol = t.symbol "
		    "AND x.timestamp = t.timestamp AND starts_with(x.record_key, t.record_key || ':')) "
		    "ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", timestamp, ns, (normalized_data->>'seq')::numeric, "
		    "string_to_array(original_message_id, '-')::bigint[]");
	return verify_rows_ask(r, v, "quotes", &sql);
}

/* --- adding up ---------------------------------------------------------------- */

static void four(ap_dec px[4], ap_dec p, bool first)
{
	if (first)
		px[0] = px[1] = px[2] = p;
	if (ap_dec_cmp(p, px[1]) > 0)
		px[1] = p;
	if (ap_dec_cmp(p, px[2]) < 0)
		px[2] = p;
	px[3] = p;
}

static void add(struct sum *s, ap_dec bid, ap_dec ask, int64_t ns)
{
	const ap_dec spread = { ask.e18 - bid.e18 };
	const bool first = s->n == 0;

	four(s->px, bid, first);
	four(s->px + 4, ask, first);
	four(s->px + 8, (ap_dec){ bid.e18 + ask.e18 }, first);
	if (first || ap_dec_cmp(spread, s->min) < 0)
		s->min = spread;
	if (first || ap_dec_cmp(spread, s->max) > 0)
		s->max = spread;
	if (first)
		s->first_ns = ns;
	else
		(void)ap_sum_addmul(&s->area, s->last, (ap_dec){ ns - s->last_ns });
	s->last = spread;
	s->last_ns = ns;
	s->n++;
	s->locked += spread.e18 == 0;
}

static ap_dec half(ap_dec sum)
{
	ap_sum num = { { 0 } };
	ap_dec out = { 0 };

	(void)ap_sum_addmul(&num, sum, ap_dec_int(1));
	(void)ap_sum_div(&num, ap_dec_int(2), 18, &out);
	return out;
}

/* --- telling -------------------------------------------------------------------- */

static void same_dec(struct lane *l, const struct verify_at *at, int col, const char *field, ap_dec want)
{
	ap_dec have;
	char text[AP_DEC_TEXT];

	if (!verify_dec(&l->rows, col, &have) || ap_dec_cmp(have, want) == 0)
		return;
	(void)ap_dec_format(want, text);
	verify_differs(l->v, "quote bar", at, field, text, verify_text(&l->rows, col));
}

static void same_count(struct lane *l, const struct verify_at *at, int col, const char *field, int64_t want)
{
	char text[24];

	if (verify_i64(&l->rows, col) == want)
		return;
	(void)snprintf(text, sizeof text, "%" PRId64, want);
	verify_differs(l->v, "quote bar", at, field, text, verify_text(&l->rows, col));
}

static void same_mean(struct lane *l, const struct verify_at *at, const struct sum *s)
{
	const int64_t close_ns = verify_i64(&l->rows, B_CLOSE_MS) * 1000000;
	ap_sum area = s->area;
	ap_dec mean = { 0 };

	(void)ap_sum_addmul(&area, s->last, (ap_dec){ close_ns - s->last_ns });
	if (ap_sum_div(&area, (ap_dec){ close_ns - s->first_ns }, 18, &mean))
		same_dec(l, at, B_MEAN, "spread_mean", mean);
	same_count(l, at, B_WEIGHTED_NS, "weighted_ns", close_ns - s->first_ns);
}

/* The lane's bar has all its quotes: compares, and goes to the next one. */
static void bar_end(struct lane *l)
{
	static const char *const names[12] = { "bid_open", "bid_high", "bid_low", "bid_close", "ask_open", "ask_high", "ask_low", "ask_close",
					       "mid_open", "mid_high", "mid_low", "mid_close" };
	const struct verify_at at = { .source = verify_text(&l->rows, B_SOURCE), .symbol = verify_text(&l->rows, B_SYMBOL), .tf = l->tf,
				      .open_ms = verify_i64(&l->rows, B_OPEN_MS) };
	const struct sum *s = &l->sum;

	same_count(l, &at, B_COUNT, "quote_count", s->n);
	if (s->n > 0) {
		for (int i = 0; i < 12; i++)
			same_dec(l, &at, B_PRICES + i, names[i], i < 8 ? s->px[i] : half(s->px[i]));
		same_dec(l, &at, B_SPREADS, "spread_min", s->min);
		same_dec(l, &at, B_SPREADS + 1, "spread_max", s->max);
		same_dec(l, &at, B_SPREADS + 2, "spread_last", s->last);
		same_count(l, &at, B_LOCKED, "locked_count", s->locked);
		if (verify_i64(&l->rows, B_RESOLUTION) == 0)
			same_mean(l, &at, s);
	}
	l->v->quote_bars++;
	l->sum = (struct sum){ .n = 0 };
	l->told = false;
	l->has = verify_rows_next(&l->rows);
}

/* --- walking --------------------------------------------------------------------- */

static int series_cmp(const struct verify_rows *a, const struct verify_rows *b)
{
	const int c = strcmp(verify_text(a, B_SOURCE), verify_text(b, Q_SOURCE));

	return c != 0 ? c : strcmp(verify_text(a, B_SYMBOL), verify_text(b, Q_SYMBOL));
}

static void lane_take(struct lane *l, const struct verify_rows *q, ap_dec bid, ap_dec ask, int64_t ns)
{
	const int64_t ms = ns / 1000000;
	int c = 1;

	while (l->has && !l->v->away &&
	       ((c = series_cmp(&l->rows, q)) < 0 || (c == 0 && verify_i64(&l->rows, B_CLOSE_MS) <= ms)))
		bar_end(l);
	if (!l->has || c != 0)
		return;                 /* forming, or of a series that has no bars */
	if (verify_i64(&l->rows, B_OPEN_MS) <= ms) {
		add(&l->sum, bid, ask, ns);
		return;
	}
	/* A later bar is there, this quote's is not. Outside trading hours, or before bars were asked for, that is right. */
	if (l->told || l->v->c->app.conf.candle_sessions[0] != '\0' || l->v->c->app.conf.candle_quote_series[0] != '\0')
		return;
	l->told = true;
	verify_differs(l->v, "quote bar", &(struct verify_at){ .source = verify_text(q, Q_SOURCE), .symbol = verify_text(q, Q_SYMBOL), .tf = l->tf,
							      .open_ms = ms }, "row", "a bar of this quote", "none");
}

static void walk(struct verify *v, struct lane *lane, size_t n, struct verify_rows *q)
{
	while (!v->away && verify_rows_next(q)) {
		const int64_t ns = verify_i64(q, Q_US) * 1000 + verify_i64(q, Q_NS);
		ap_dec bid, ask;

		if (!verify_dec(q, Q_BID, &bid) || !verify_dec(q, Q_ASK, &ask))
			return;
		for (size_t i = 0; i < n; i++)
			lane_take(&lane[i], q, bid, ask, ns);
		v->quotes++;
	}
	for (size_t i = 0; i < n; i++)
		while (lane[i].has && !v->away)
			bar_end(&lane[i]);
}

/* Whether there is anything to compare: both were stored. */
static bool both(struct verify *v)
{
	PGresult *r = verify_ask(v, "SELECT EXISTS (SELECT FROM quote_bars), EXISTS (SELECT FROM normalized_data WHERE data_type = 'quote' AND "
				    "validation_status = 'valid')");
	const bool bars = r != NULL && PQgetvalue(r, 0, 0)[0] == 't', quotes = r != NULL && PQgetvalue(r, 0, 1)[0] == 't';

	PQclear(r);
	if (bars && (!quotes || !v->c->app.conf.persist_quotes || !v->c->app.conf.persist_normalized)) {
		verify_note(v, "quotes are not stored, their bars were not compared");
		return false;
	}
	return bars && quotes;
}

void verify_quotes(struct verify *v)
{
	static struct lane lane[VERIFY_TFS];
	struct verify_rows q;
	size_t n = 0;

	if (!both(v))
		return;
	for (; n < v->n_tf && !v->away; n++) {
		lane[n] = (struct lane){ .v = v, .tf = v->tf[n].name };
		if (!bars_open(&lane[n], n))
			return;
	}
	if (!quotes_open(v, &q))
		return;
	walk(v, lane, n, &q);
	verify_rows_close(&q);
	for (size_t i = 0; i < n; i++)
		verify_rows_close(&lane[i].rows);
}
