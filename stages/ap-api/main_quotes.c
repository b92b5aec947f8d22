/*
 * main_quotes.c - quote bars: the stored ones from PostgreSQL, and over them what the streams brought since.
 */
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOADS_MAX = 16 };

struct load {
	struct api *api;
	api_quotes_fn *fn;
	void *ctx;
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1], tf[AP_TF_MAX + 1];
	uint32_t limit;
};

static void copy(char *to, size_t cap, ap_str from)
{
	size_t n = from.len < cap - 1 ? from.len : cap - 1;
	if (n > 0)
		memcpy(to, from.p, n);
	to[n] = '\0';
}

static void finish(struct load *l, const struct api_quotes *q)
{
	l->api->quote_loads--;
	l->fn(l->ctx, q);
	free(l);
}

static void fail(struct load *l, int status, const char *reason)
{
	finish(l, &(struct api_quotes){ .status = status, .reason = reason });
}

static struct ap_px4 px_of(const PGresult *r, int row, int col)
{
	return (struct ap_px4){ api_row_dec(r, row, col), api_row_dec(r, row, col + 1), api_row_dec(r, row, col + 2), api_row_dec(r, row, col + 3) };
}

/* The columns of the query below. */
static struct ap_quotebar bar_of(const struct load *l, const PGresult *r, int i)
{
	return (struct ap_quotebar){
		.source = ap_str_c(l->source), .symbol = ap_str_c(l->symbol), .tf = ap_str_c(l->tf),
		.open_ms = strtoll(PQgetvalue(r, i, 1), NULL, 10), .close_ms = strtoll(PQgetvalue(r, i, 2), NULL, 10),
		.bid = px_of(r, i, 3), .ask = px_of(r, i, 7), .mid = px_of(r, i, 11),
		.spread_min = api_row_dec(r, i, 15), .spread_max = api_row_dec(r, i, 16), .spread_mean = api_row_dec(r, i, 17), .spread_last = api_row_dec(r, i, 18),
		.weighted_ns = strtoull(PQgetvalue(r, i, 19), NULL, 10), .resolution_ms = (uint32_t)strtoul(PQgetvalue(r, i, 20), NULL, 10),
		.quote_count = strtoull(PQgetvalue(r, i, 21), NULL, 10), .locked_count = strtoull(PQgetvalue(r, i, 22), NULL, 10),
		.state = api_row_state(r, i, 23),
		.revision = (uint32_t)strtoul(PQgetvalue(r, i, 24), NULL, 10), .coverage_ms = strtoll(PQgetvalue(r, i, 25), NULL, 10),
		.quality = api_row_quality(r, i, 26),
	};
}

static void on_bars(void *ctx, const struct ap_pg_result *r)
{
	static const struct api_quote none;
	struct load *l = ctx;
	int n = r->rc == AP_PG_OK ? PQntuples(r->res) : 0;
	if (r->rc != AP_PG_OK) {
		fail(l, 503, r->rc == AP_PG_LOST ? "PostgreSQL is away" : "PostgreSQL refused the query");
		return;
	}
	if (n > 0)
		copy(l->source, sizeof l->source, api_row_text(r->res, 0, 0));
	struct api_series *s = l->source[0] == '\0' ? NULL : api_model_series(&l->api->model, ap_str_c(l->source), ap_str_c(l->symbol), false);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(&l->api->model, s, ap_str_c(l->tf), false);
	struct api_qbars bars;
	api_qbars_init(&bars, l->limit);
	for (int i = n; i-- > 0;) {
		struct ap_quotebar bar = bar_of(l, r->res, i);
		api_qbars_put(&bars, &bar);
	}
	for (uint32_t i = 0; t != NULL && i < t->quotes.n; i++)
		api_qbars_put(&bars, &t->quotes.bar[i]);
	if (bars.n == 0 && (s == NULL || s->quote.ns == 0))
		fail(l, 404, "no quotes of this symbol");
	else
		finish(l, &(struct api_quotes){ .source = l->source, .symbol = l->symbol, .tf = l->tf, .last = s != NULL ? &s->quote : &none,
						.bars = &bars, .status = 200 });
	api_qbars_done(&bars);
}

void api_quotes_get(struct api *a, ap_str source, ap_str symbol, ap_str tf, uint32_t limit, api_quotes_fn *fn, void *ctx)
{
	static const char sql[] =
		"SELECT source, (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint,"
		" bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close, mid_open, mid_high, mid_low, mid_close,"
		" spread_min, spread_max, spread_mean, spread_last, weighted_ns, resolution_ms, quote_count, locked_count, state, revision,"
		" coverage_ms, quality FROM quote_bars WHERE symbol = $1 AND timeframe = $2 AND source = coalesce(nullif($3, ''),"
		" (SELECT source FROM quote_bars WHERE symbol = $1 AND timeframe = $2 ORDER BY open_time DESC LIMIT 1))"
		" ORDER BY open_time DESC LIMIT $4::int";
	const struct api_series *s = api_model_quoted(&a->model, source, symbol);
	struct load *l = a->quote_loads >= LOADS_MAX || !a->pg_ready ? NULL : calloc(1, sizeof *l);
	char count[16];
	if (l == NULL) {
		fn(ctx, &(struct api_quotes){ .status = 503, .reason = a->pg_ready ? "too many histories are being loaded" : "PostgreSQL is away" });
		return;
	}
	a->quote_loads++;
	*l = (struct load){ .api = a, .fn = fn, .ctx = ctx, .limit = limit };
	copy(l->symbol, sizeof l->symbol, symbol);
	copy(l->tf, sizeof l->tf, tf);
	copy(l->source, sizeof l->source, s != NULL ? ap_str_c(s->source) : source);
	snprintf(count, sizeof count, "%u", limit);
	const char *values[] = { l->symbol, l->tf, l->source, count };
	if (!ap_pg_params(a->pg, on_bars, l, 0, sql, 4, NULL, values, NULL, NULL, 0))
		fail(l, 503, "PostgreSQL is away");
}
