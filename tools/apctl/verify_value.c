/*
 * verify_value.c - candles as they are stored against indicator values as they are stored: none wrong, none missing, none too many.
 *
 * For each timeframe one pass over all candles from the first on (values depend on all that came before), and beside it one over
 * the values in the same order.
 */
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "verify_ind.h"

enum candle_col { C_SOURCE, C_SYMBOL, C_OPEN_MS, C_CLOSE };
enum value_col { V_SOURCE, V_SYMBOL, V_OPEN_MS, V_NAME, V_PARAMS, V_VALUE };

struct pass {
	struct verify *v;
	const char *tf;
	struct verify_rows candles, values;
	bool has;                       /* values stands on a row that has not been compared */
	bool only_there;                /* another set is configured: what is missing or unknown is not judged */
	struct verify_ind ind;
	char source[256], symbol[256];  /* of ind */
};

static bool open_rows(struct pass *p)
{
	struct ap_buf sql;
	bool ok;

	ap_buf_init(&sql, 1 << 16);
	ap_buf_printf(&sql, "SELECT source, symbol, (extract(epoch FROM open_time) * 1000)::bigint, close_price::float8 FROM realtime_candles "
			    "WHERE timeframe = '%s'", p->tf);
	verify_where_series(p->v, &sql);
	if (p->v->to_ms != INT64_MAX)
		ap_buf_printf(&sql, " AND (extract(epoch FROM open_time) * 1000)::bigint < %lld", (long long)p->v->to_ms);
	ap_buf_puts(&sql, " ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", open_time");
	ok = verify_rows_ask(&p->candles, p->v, "ind_candles", &sql);
	ap_buf_init(&sql, 1 << 16);
	ap_buf_printf(&sql, "SELECT source, symbol, (extract(epoch FROM timestamp) * 1000)::bigint, indicator_name, parameters::text, value "
			    "FROM technical_indicators WHERE timeframe = '%s'", p->tf);
	verify_where_series(p->v, &sql);
	verify_where_time(p->v, &sql, "timestamp", "timestamp", "<");
	ap_buf_puts(&sql, " ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", timestamp");
	ok = verify_rows_ask(&p->values, p->v, "ind_values", &sql) && ok;
	p->has = ok && verify_rows_next(&p->values);
	return ok;
}

/* Where the value at hand stands to the candle at hand. */
static int place(const struct pass *p)
{
	int c = strcmp(verify_text(&p->values, V_SOURCE), verify_text(&p->candles, C_SOURCE));
	int64_t a, b;

	if (c == 0)
		c = strcmp(verify_text(&p->values, V_SYMBOL), verify_text(&p->candles, C_SYMBOL));
	if (c != 0)
		return c;
	a = verify_i64(&p->values, V_OPEN_MS);
	b = verify_i64(&p->candles, C_OPEN_MS);
	return a == b ? 0 : a < b ? -1 : 1;
}

static void tell(const struct pass *p, const struct verify_rows *r, const char *name, const char *params, const char *expected, const char *stored)
{
	const struct verify_at at = { .source = verify_text(r, 0), .symbol = verify_text(r, 1), .tf = p->tf, .open_ms = verify_i64(r, 2) };
	char field[300];

	(void)snprintf(field, sizeof field, "%.100s %.180s", name, params);
	verify_differs(p->v, "indicator", &at, field, expected, stored);
}

static void next_value(struct pass *p)
{
	p->v->values++;
	p->has = verify_rows_next(&p->values);
}

static void surplus(struct pass *p, const char *why)
{
	if (!p->only_there)
		tell(p, &p->values, verify_text(&p->values, V_NAME), verify_text(&p->values, V_PARAMS), why, verify_text(&p->values, V_VALUE));
	next_value(p);
}

static size_t find(const struct pass *p)
{
	size_t i = 0;

	while (i < VERIFY_IND_N && (strcmp(verify_ind_names[i].name, verify_text(&p->values, V_NAME)) != 0 ||
				    strcmp(verify_ind_names[i].params, verify_text(&p->values, V_PARAMS)) != 0))
		i++;
	return i;
}

/* The values of the candle at hand. */
static void candle_values(struct pass *p, double close)
{
	bool seen[VERIFY_IND_N] = { false };
	char text[40];

	while (p->has && place(p) == 0) {
		size_t i = find(p);

		if (i == VERIFY_IND_N || !p->ind.there[i] || !isfinite(p->ind.value[i])) {
			surplus(p, i == VERIFY_IND_N ? "no such indicator" : "none: too few candles");
			continue;
		}
		seen[i] = true;
		if (!verify_ind_same(i, p->ind.value[i], strtod(verify_text(&p->values, V_VALUE), NULL), close)) {
			(void)snprintf(text, sizeof text, "%.17g", p->ind.value[i]);
			tell(p, &p->values, verify_ind_names[i].name, verify_ind_names[i].params, text, verify_text(&p->values, V_VALUE));
		}
		next_value(p);
	}
	for (size_t i = 0; i < VERIFY_IND_N && !p->only_there && !p->v->away; i++)
		if (p->ind.there[i] && isfinite(p->ind.value[i]) && !seen[i]) {
			(void)snprintf(text, sizeof text, "%.17g", p->ind.value[i]);
			tell(p, &p->candles, verify_ind_names[i].name, verify_ind_names[i].params, text, "none");
		}
}

static void compare(struct pass *p)
{
	while (verify_rows_next(&p->candles)) {
		double close = strtod(verify_text(&p->candles, C_CLOSE), NULL);

		if (strcmp(p->source, verify_text(&p->candles, C_SOURCE)) != 0 || strcmp(p->symbol, verify_text(&p->candles, C_SYMBOL)) != 0) {
			verify_ind_init(&p->ind);
			(void)snprintf(p->source, sizeof p->source, "%s", verify_text(&p->candles, C_SOURCE));
			(void)snprintf(p->symbol, sizeof p->symbol, "%s", verify_text(&p->candles, C_SYMBOL));
		}
		verify_ind_add(&p->ind, close);
		if (verify_i64(&p->candles, C_OPEN_MS) < p->v->from_ms)
			continue;
		while (p->has && place(p) < 0)
			surplus(p, "none: there is no such candle");
		candle_values(p, close);
	}
	while (p->has && !p->v->away)
		surplus(p, "none: there is no such candle");
}

void verify_indicators(struct verify *v)
{
	if (!v->c->app.conf.persist_candles || !v->c->app.conf.persist_indicators) {
		verify_note(v, "indicators cannot be made again: persist.candles or persist.indicators is off");
		return;
	}
	if (v->c->app.conf.indicators_list[0] != '\0')
		verify_note(v, "indicators.list is set: of the default indicators, those that are there were compared");
	for (size_t i = 0; i < v->n_tf && !v->away; i++) {
		struct pass p = { .v = v, .tf = v->tf[i].name, .only_there = v->c->app.conf.indicators_list[0] != '\0' };

		if (open_rows(&p))
			compare(&p);
		verify_rows_close(&p.candles);
		verify_rows_close(&p.values);
	}
}
