/*
 * main_pg.c - what is older than the model: candles, values and signals from PostgreSQL, read only.
 *
 * A load is a chain of small queries (a page of candles at a time), so that no answer keeps the loop busy for long.
 * Candles of PostgreSQL and of the model are merged by open time, the higher revision wins.
 */
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"

enum {
	PAGE = 1000,            /* candles of one query */
	VALUES_BACK = 1000,     /* candles whose values are loaded too */
	JOBS_MAX = 32,          /* loads at the same time */
	MEET_TRIES = 12,        /* loads again while the store is behind the streams ... */
};
static const double MEET_PAUSE_S = 0.25;        /* ... this long after one another */

struct job {
	struct api *api;
	api_history_fn *fn;
	void *ctx;
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1], tf[AP_TF_MAX + 1];
	uint32_t limit;
	struct api_ring ring;
	int64_t oldest_ms, newest_ms;   /* of what PostgreSQL gave; 0: nothing */
	uint32_t rows;                  /* candles it gave */
	bool exhausted;                 /* it has no older ones */
	unsigned tries;                 /* loads that did not meet what the streams brought */
	ev_timer again;
};

static void next_page(struct job *j);
static void load_values(struct job *j);
static void load_signals(struct job *j);

static void finish(struct job *j, const struct api_history *h)
{
	j->api->history_loads--;
	j->fn(j->ctx, h);
	api_ring_done(&j->ring);
	free(j);
}

static void fail(struct job *j, int status, const char *reason)
{
	if (status == 503)
		j->api->counts.history_failures_total++;
	finish(j, &(struct api_history){ .tf = j->tf, .status = status, .reason = reason });
}

static void again_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct job *j = w->data;
	(void)loop, (void)revents;
	api_ring_done(&j->ring);
	api_ring_init(&j->ring, j->limit);
	j->oldest_ms = j->newest_ms = 0;
	j->rows = 0;
	j->exhausted = false;
	next_page(j);
}

/*
 * PostgreSQL has not caught up with the streams: answered now, there would be a hole between the two. What the streams bring is kept
 * from here on, and the load begins again a little later.
 */
static void load_again(struct job *j, struct api_series *s, struct api_tf *t)
{
	j->tries++;
	api_model_use(&j->api->model, s, t);
	ev_timer_init(&j->again, again_cb, MEET_PAUSE_S, 0.0);
	j->again.data = j;
	ev_timer_start(j->api->app.loop, &j->again);
}

/* Everything is there: into the model if it fits, and to whoever asked. */
static void deliver(struct job *j)
{
	struct api_model *m = &j->api->model;
	struct api_series *s = api_model_series(m, ap_str_c(j->source), ap_str_c(j->symbol), true);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(m, s, ap_str_c(j->tf), true);
	if (t == NULL) {
		fail(j, 503, "out of memory");
		return;
	}
	/* What the streams brought must meet what PostgreSQL has, else something between them is not stored yet. */
	const struct api_bar *first = t->ring.n == 0 ? NULL : api_ring_at(&t->ring, 0);
	bool meets = first == NULL || t->ring.n < t->ring.max || first->c.open_ms <= j->newest_ms;
	struct api_history h = { .series = s, .tf = t->tf, .status = 200 };
	if (!meets && j->tries < MEET_TRIES) {
		load_again(j, s, t);
		return;
	}
	j->api->counts.history_loads_total++;
	if (j->limit <= API_RING_WIDE && meets) {
		api_model_warm(m, s, t, &j->ring, j->exhausted && j->rows < API_RING_WIDE);
		h.ring = &t->ring;
	} else {
		api_model_overlay(t, &j->ring);
		h.ring = &j->ring;
	}
	finish(j, &h);
}

static bool query(struct job *j, ap_pg_fn *fn, const char *sql, int n, const char *const *values)
{
	if (j->api->pg_ready && ap_pg_params(j->api->pg, fn, j, 0, sql, n, NULL, values, NULL, NULL, 0))
		return true;
	fail(j, 503, "PostgreSQL is away or has too much to do");
	return false;
}

static bool refused(struct job *j, const struct ap_pg_result *r)
{
	if (r->rc == AP_PG_OK)
		return false;
	if (r->rc == AP_PG_ERROR)
		ap_log(&j->api->app.log, AP_WARN, "query_failed", KV_S("sqlstate", r->sqlstate), KV_S("why", r->message),
		       KV_S("next", "answer_503"));
	fail(j, 503, r->rc == AP_PG_LOST ? "PostgreSQL is away" : "PostgreSQL refused the query");
	return true;
}

/* --- signals */

static int word_index(ap_str w, const char *(*name)(int), int n)
{
	for (int i = 0; i < n; i++)
		if (ap_str_is(w, name(i)))
			return i;
	return 0;
}
static const char *kind_name(int i)
{
	return ap_signal_kind_name((enum ap_signal_kind)i);
}
static const char *direction_name(int i)
{
	return ap_direction_name((enum ap_direction)i);
}

static void on_signals(void *ctx, const struct ap_pg_result *r)
{
	struct job *j = ctx;
	if (refused(j, r))
		return;
	for (int i = PQntuples(r->res); i-- > 0;) {
		struct ap_signal g = {
			.source = ap_str_c(j->source), .symbol = ap_str_c(j->symbol), .tf = ap_str_c(j->tf),
			.open_ms = strtoll(PQgetvalue(r->res, i, 0), NULL, 10),
			.revision = (uint32_t)strtoul(PQgetvalue(r->res, i, 1), NULL, 10),
			.kind = (enum ap_signal_kind)word_index(api_row_text(r->res, i, 2), kind_name, 3),
			.name = api_row_text(r->res, i, 3),
			.direction = (enum ap_direction)word_index(api_row_text(r->res, i, 4), direction_name, 3),
			.strength = strtod(PQgetvalue(r->res, i, 5), NULL),
			.entry = strtod(PQgetvalue(r->res, i, 6), NULL),
			.stop = strtod(PQgetvalue(r->res, i, 7), NULL),
			.target = strtod(PQgetvalue(r->res, i, 8), NULL),
			.inputs = api_row_text(r->res, i, 9),
		};
		api_model_signal(&j->api->model, &g);
	}
	deliver(j);
}

static void load_signals(struct job *j)
{
	const char *values[] = { j->symbol, j->tf, j->source };
	query(j, on_signals,
	      "SELECT (extract(epoch FROM timestamp) * 1000)::bigint, revision, kind, signal_name, direction, strength,"
	      " coalesce(entry_price, 0), coalesce(stop_price, 0), coalesce(target_price, 0), coalesce(inputs::text, '')"
	      " FROM signals WHERE symbol = $1 AND timeframe = $2 AND source = $3 AND direction <> 'none' ORDER BY timestamp DESC LIMIT 100",
	      3, values);
}

/* --- values */

/* Rows of one candle, rows[from] to rows[to - 1], as one block. */
static void put_values(struct job *j, const PGresult *r, int from, int to)
{
	struct ap_value v[AP_VALUES_MAX];
	uint32_t n = 0, revision = 0;
	for (int i = from; i < to && n < AP_VALUES_MAX; i++) {
		uint32_t rev = (uint32_t)strtoul(PQgetvalue(r, i, 4), NULL, 10);
		if (rev > revision)
			revision = rev;
		v[n++] = (struct ap_value){ api_row_text(r, i, 1), api_row_text(r, i, 2), strtod(PQgetvalue(r, i, 3), NULL) };
	}
	struct api_vals *vals = api_vals_new(&j->api->model.names, v, n, revision, false);
	if (vals != NULL)
		api_ring_put_vals(&j->ring, strtoll(PQgetvalue(r, from, 0), NULL, 10), vals);
}

static void on_values(void *ctx, const struct ap_pg_result *r)
{
	struct job *j = ctx;
	if (refused(j, r))
		return;
	int n = PQntuples(r->res);
	for (int from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && ap_str_eq(api_row_text(r->res, to, 0), api_row_text(r->res, from, 0)); to++)
			;
		put_values(j, r->res, from, to);
	}
	load_signals(j);
}

static void load_values(struct job *j)
{
	if (j->ring.n == 0) {
		load_signals(j);
		return;
	}
	char from[32], to[32];
	uint32_t first = j->ring.n > VALUES_BACK ? j->ring.n - VALUES_BACK : 0;
	snprintf(from, sizeof from, "%lld", (long long)api_ring_at(&j->ring, first)->c.open_ms);
	snprintf(to, sizeof to, "%lld", (long long)j->newest_ms);
	const char *values[] = { j->symbol, j->tf, j->source, from, to };
	query(j, on_values,
	      "SELECT (extract(epoch FROM timestamp) * 1000)::bigint, indicator_name, parameters::text, value, revision"
	      " FROM technical_indicators WHERE symbol = $1 AND timeframe = $2 AND source = $3"
	      " AND timestamp BETWEEN to_timestamp($4::bigint / 1000.0) AND to_timestamp($5::bigint / 1000.0)"
	      " ORDER BY timestamp, indicator_name, parameters",
	      5, values);
}

/* --- candles */

static void put_candle(struct job *j, const PGresult *r, int i)
{
	struct ap_candle c = {
		.source = ap_str_c(j->source), .symbol = ap_str_c(j->symbol), .tf = ap_str_c(j->tf),
		.open_ms = strtoll(PQgetvalue(r, i, 0), NULL, 10), .close_ms = strtoll(PQgetvalue(r, i, 1), NULL, 10),
		.open = api_row_dec(r, i, 2), .high = api_row_dec(r, i, 3), .low = api_row_dec(r, i, 4), .close = api_row_dec(r, i, 5),
		.volume = api_row_dec(r, i, 6), .trade_count = strtoull(PQgetvalue(r, i, 8), NULL, 10), .vwap = api_row_dec(r, i, 9),
		.state = api_row_state(r, i, 10),
		.revision = (uint32_t)strtoul(PQgetvalue(r, i, 11), NULL, 10),
		.coverage_ms = strtoll(PQgetvalue(r, i, 12), NULL, 10),
		.quality = api_row_quality(r, i, 13),
		.buy_volume = api_row_dec(r, i, 14), .sell_volume = api_row_dec(r, i, 15),
	};
	ap_str quote = api_row_text(r, i, 7);
	ap_sum_parse(quote.p, quote.len, &c.quote_volume);
	api_ring_put(&j->ring, &c);
	if (j->newest_ms < c.open_ms)
		j->newest_ms = c.open_ms;
	j->oldest_ms = c.open_ms;
	j->rows++;
}

static void on_page(void *ctx, const struct ap_pg_result *r)
{
	struct job *j = ctx;
	if (refused(j, r))
		return;
	int n = PQntuples(r->res);
	for (int i = 0; i < n; i++)
		put_candle(j, r->res, i);
	j->exhausted = n < PAGE;
	if (j->exhausted || j->rows >= j->limit)
		load_values(j);
	else
		next_page(j);
}

static void next_page(struct job *j)
{
	char before[32], limit[16];
	snprintf(before, sizeof before, "%lld", j->rows == 0 ? 253402300799000LL : (long long)j->oldest_ms);
	snprintf(limit, sizeof limit, "%d", PAGE);
	const char *values[] = { j->symbol, j->tf, j->source, before, limit };
	query(j, on_page,
	      "SELECT (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint,"
	      " open_price, high_price, low_price, close_price, volume, quote_volume, trade_count, vwap, state, revision,"
	      " coverage_ms, quality, coalesce(metadata->>'buy_volume', '0'), coalesce(metadata->>'sell_volume', '0')"
	      " FROM realtime_candles WHERE symbol = $1 AND timeframe = $2 AND source = $3"
	      " AND open_time < to_timestamp($4::bigint / 1000.0) ORDER BY open_time DESC LIMIT $5::int",
	      5, values);
}

static void on_source(void *ctx, const struct ap_pg_result *r)
{
	struct job *j = ctx;
	if (refused(j, r))
		return;
	if (PQntuples(r->res) == 0) {
		fail(j, 404, "no such symbol");
		return;
	}
	ap_str source = api_row_text(r->res, 0, 0);
	if (source.len > AP_SOURCE_MAX) {
		fail(j, 404, "no such symbol");
		return;
	}
	memcpy(j->source, source.p, source.len);
	j->source[source.len] = '\0';
	next_page(j);
}

/* The model does not know the symbol: PostgreSQL may. */
static void find_source(struct job *j)
{
	const char *values[] = { j->symbol, j->tf, j->source };
	query(j, on_source,
	      "SELECT source FROM realtime_candles WHERE symbol = $1 AND timeframe = $2 AND ($3 = '' OR source = $3)"
	      " ORDER BY open_time DESC LIMIT 1",
	      3, values);
}

static void copy(char *to, size_t cap, ap_str from)
{
	size_t n = from.len < cap - 1 ? from.len : cap - 1;
	memcpy(to, from.p, n);
	to[n] = '\0';
}

void api_history_get(struct api *a, ap_str source, ap_str symbol, ap_str tf, uint32_t limit, api_history_fn *fn, void *ctx)
{
	struct api_series *s = api_model_find(&a->model, source, symbol);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(&a->model, s, tf, false);
	if (t != NULL && t->warm && (t->ring.n >= limit || t->complete)) {
		api_model_use(&a->model, s, t);
		fn(ctx, &(struct api_history){ .series = s, .tf = t->tf, .ring = &t->ring, .status = 200 });
		return;
	}
	struct job *j = a->history_loads >= JOBS_MAX || !a->pg_ready ? NULL : calloc(1, sizeof *j);
	if (j == NULL) {
		fn(ctx, &(struct api_history){ .status = 503, .reason = a->pg_ready ? "too many histories are being loaded" :
					       "PostgreSQL is away" });
		return;
	}
	a->history_loads++;
	*j = (struct job){ .api = a, .fn = fn, .ctx = ctx, .limit = limit < API_RING_WIDE ? API_RING_WIDE : limit };
	api_ring_init(&j->ring, j->limit);
	copy(j->symbol, sizeof j->symbol, symbol);
	copy(j->tf, sizeof j->tf, tf);
	copy(j->source, sizeof j->source, s != NULL ? ap_str_c(s->source) : source.len > 0 ? source : ap_str_c(""));
	if (s != NULL)
		next_page(j);
	else
		find_source(j);
}

/* --- one row that is JSON already: the system's own numbers, how the rules have done */

struct json_job {
	api_json_fn *fn;
	void *ctx;
};

static void on_json(void *ctx, const struct ap_pg_result *r)
{
	struct json_job *s = ctx;
	bool row = r->rc == AP_PG_OK && PQntuples(r->res) > 0;
	s->fn(s->ctx, r->rc == AP_PG_LOST ? NULL : row ? PQgetvalue(r->res, 0, 0) : "");
	free(s);
}

static void json_get(struct api *a, const char *sql, api_json_fn *fn, void *ctx)
{
	struct json_job *s = a->pg_ready ? malloc(sizeof *s) : NULL;
	if (s != NULL)
		*s = (struct json_job){ fn, ctx };
	if (s == NULL || !ap_pg_exec(a->pg, on_json, s, 0, sql)) {
		free(s);
		fn(ctx, NULL);
	}
}

void api_system_get(struct api *a, api_json_fn *fn, void *ctx)
{
	json_get(a, "SELECT to_jsonb(m) - 'created_at' - 'instance' FROM system_metrics m ORDER BY timestamp DESC LIMIT 1", fn, ctx);
}

/* The hit rate is of signals that were entered; an outcome and its signal share all of the key but the kind. */
void api_stats_get(struct api *a, api_json_fn *fn, void *ctx)
{
	json_get(a,
		 "SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY rule, timeframe), '[]') FROM (SELECT rule, timeframe, direction,"
		 " outcomes, target, stop, expiry, lapsed, crowded, round(target::numeric / nullif(entered, 0), 4) AS hit_rate,"
		 " round(r, 4) AS mean_r, round(confidence, 4) AS mean_confidence FROM ("
		 "SELECT o.signal_name AS rule, o.timeframe, o.direction, count(*) AS outcomes,"
		 " count(*) FILTER (WHERE o.inputs->>'end' = 'target') AS target,"
		 " count(*) FILTER (WHERE o.inputs->>'end' = 'stop') AS stop,"
		 " count(*) FILTER (WHERE o.inputs->>'end' = 'expiry') AS expiry,"
		 " count(*) FILTER (WHERE o.inputs->>'end' = 'lapsed') AS lapsed,"
		 " count(*) FILTER (WHERE o.inputs->>'end' = 'crowded') AS crowded,"
		 " count(*) FILTER (WHERE o.inputs->>'end' IN ('target', 'stop', 'expiry')) AS entered,"
		 " avg(o.strength::numeric) FILTER (WHERE o.inputs->>'end' IN ('target', 'stop', 'expiry')) AS r,"
		 " avg(s.strength::numeric) FILTER (WHERE o.inputs->>'end' IN ('target', 'stop', 'expiry')) AS confidence"
		 " FROM signals o LEFT JOIN signals s ON s.symbol = o.symbol AND s.timeframe = o.timeframe AND s.timestamp = o.timestamp"
		 " AND s.kind = 'signal' AND s.signal_name = o.signal_name AND s.source = o.source"
		 " WHERE o.kind = 'outcome' AND o.direction <> 'none' GROUP BY 1, 2, 3) y) x",
		 fn, ctx);
}

/* --- the connection */

static void on_settled(void *ctx, const struct ap_pg_result *r)
{
	struct api *a = ctx;
	if (r->rc == AP_PG_OK)
		a->pg_ready = true;
	else if (r->rc == AP_PG_ERROR)
		ap_pg_reset(a->pg, "settings_refused");
}

/* Symbols that PostgreSQL knows, newest source each, so that the page has them before anything is traded. */
static void on_symbols(void *ctx, const struct ap_pg_result *r)
{
	struct api *a = ctx;
	for (int i = 0; r->rc == AP_PG_OK && i < PQntuples(r->res); i++) {
		struct api_series *s = api_model_series(&a->model, api_row_text(r->res, i, 1), api_row_text(r->res, i, 0), true);
		if (s != NULL)
			api_model_tf(&a->model, s, api_row_text(r->res, i, 2), true);
	}
}

static void on_up(void *ctx)
{
	struct api *a = ctx;
	ap_pg_exec(a->pg, on_settled, a, 0,
		   "SET statement_timeout = '5s'; SET default_transaction_read_only = on; SET timezone = 'UTC'");
	/* Skips from symbol to symbol through the index instead of reading all rows. */
	ap_pg_exec(a->pg, on_symbols, a, 0,
		   "WITH RECURSIVE s(symbol) AS ((SELECT symbol FROM realtime_candles ORDER BY symbol LIMIT 1) UNION ALL"
		   " SELECT (SELECT r.symbol FROM realtime_candles r WHERE r.symbol > s.symbol ORDER BY r.symbol LIMIT 1)"
		   " FROM s WHERE s.symbol IS NOT NULL)"
		   " SELECT DISTINCT s.symbol, l.source, t.tf FROM s, (VALUES ('1m'), ('5m'), ('15m'), ('1h'), ('4h'), ('1d')) t(tf),"
		   " LATERAL (SELECT source FROM realtime_candles c WHERE c.symbol = s.symbol AND c.timeframe = t.tf"
		   " ORDER BY open_time DESC LIMIT 8) l WHERE s.symbol IS NOT NULL LIMIT 2000");
}

static void on_down(void *ctx, const char *why)
{
	struct api *a = ctx;
	(void)why;              /* the connection has logged it */
	a->pg_ready = false;
}

bool api_pg_start(struct api *a, char *err, size_t errlen)
{
	static const struct ap_pg_events ev = { on_up, on_down };
	a->pg = ap_pg_new(a->app.loop, &a->app.log, &a->app.conf, &ev, a, err, errlen);
	return a->pg != NULL;
}
