/*
 * verify_lane.c - trades as they are stored against candles as they are stored.
 *
 * One pass over all valid trades, ordered by series and time, and beside it one over the candles of each timeframe in the same
 * order. What a trade's own row does not decide: a trade that ap-candle refused (too late, out of range) has a row that says so.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"

enum { NAME_MAX_LEN = 256 };

struct lane {
	struct verify *v;
	struct verify_build build;
	struct verify_rows rows;        /* candles of this timeframe */
	bool has;                       /* rows stands on a candle that has not been compared */
	char filled_source[NAME_MAX_LEN], filled_symbol[NAME_MAX_LEN];
	ap_dec before;                  /* close of the stored candle before, of that series */
};

/* The series of the trades at hand, and up to where its source's candles must be there. */
struct series {
	char source[NAME_MAX_LEN], symbol[NAME_MAX_LEN];
	int64_t due_ms;                 /* candles that close up to here */
};

enum candle_col { C_SOURCE, C_SYMBOL, C_OPEN_MS, C_CLOSE_MS, C_O, C_H, C_L, C_C, C_VOLUME, C_QV, C_COUNT, C_VWAP, C_BUY, C_SELL, C_QUALITY,
		  C_STATE, C_REVISION };

static bool lane_open(struct lane *l, struct verify *v, const struct verify_tf *tf)
{
	struct ap_buf sql;
	char name[24];
	bool ok;

	*l = (struct lane){ .v = v, .build = { .tf = *tf } };
	(void)snprintf(name, sizeof name, "candles_%s%s", tf->name, tf->unit == 'M' ? "onth" : "");
	ap_buf_init(&sql, 1 << 16);
	ap_buf_printf(&sql,
		      "SELECT source, symbol, (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint, "
		      "open_price, high_price, low_price, close_price, volume, quote_volume, trade_count, vwap, metadata->>'buy_volume', "
		      "metadata->>'sell_volume', quality, state, revision FROM realtime_candles WHERE timeframe = '%s'", tf->name);
	verify_where_series(v, &sql);
	verify_where_time(v, &sql, "open_time", "close_time", "<=");
	ap_buf_puts(&sql, " ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", open_time");
	ok = verify_rows_ask(&l->rows, v, name, &sql);
	l->has = ok && verify_rows_next(&l->rows);
	return ok;
}

static struct verify_at lane_at(const struct lane *l)
{
	return (struct verify_at){ .source = verify_text(&l->rows, C_SOURCE), .symbol = verify_text(&l->rows, C_SYMBOL), .tf = l->build.tf.name,
				   .open_ms = verify_i64(&l->rows, C_OPEN_MS) };
}

struct differ {
	struct verify *v;
	struct verify_at at;
};

static void differ_field(void *ctx, const char *field, const char *expected, const char *stored)
{
	const struct differ *d = ctx;

	verify_differs(d->v, "candle", &d->at, field, expected, stored);
}

/* The stored candle at hand. What is no decimal is a difference that shows itself when the field is compared: it reads as 0. */
static struct verify_candle stored(const struct lane *l)
{
	const struct verify_rows *r = &l->rows;
	struct verify_candle c = { .open_ms = verify_i64(r, C_OPEN_MS), .close_ms = verify_i64(r, C_CLOSE_MS),
				   .trade_count = (uint64_t)verify_i64(r, C_COUNT) };
	const struct {
		int col;
		ap_dec *to;
	} decs[] = { { C_O, &c.open }, { C_H, &c.high }, { C_L, &c.low }, { C_C, &c.close }, { C_VOLUME, &c.volume }, { C_VWAP, &c.vwap },
		     { C_BUY, &c.buy_volume }, { C_SELL, &c.sell_volume } };

	for (size_t i = 0; i < sizeof decs / sizeof decs[0]; i++)
		if (!verify_dec(r, decs[i].col, decs[i].to))
			decs[i].to->e18 = -1;
	if (ap_sum_parse(verify_text(r, C_QV), strlen(verify_text(r, C_QV)), &c.quote_volume) != AP_DEC_OK)
		c.quote_volume = (ap_sum){ { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
	return c;
}

/* To the next stored candle; remembers this one's close, for a filled one behind it. */
static void lane_next(struct lane *l)
{
	(void)snprintf(l->filled_source, sizeof l->filled_source, "%s", verify_text(&l->rows, C_SOURCE));
	(void)snprintf(l->filled_symbol, sizeof l->filled_symbol, "%s", verify_text(&l->rows, C_SYMBOL));
	if (!verify_dec(&l->rows, C_C, &l->before))
		l->before.e18 = 0;
	l->v->candles++;
	l->has = verify_rows_next(&l->rows);
}

static void check_state(const struct lane *l)
{
	const struct verify_at at = lane_at(l);
	const char *state = verify_text(&l->rows, C_STATE), *want = verify_i64(&l->rows, C_REVISION) > 0 ? "revised" : "final";

	if (strcmp(state, want) != 0)
		verify_differs(l->v, "candle", &at, "state", want, state);
}

/* A candle without trades: a filled one repeats the close before it, any other should not be there. */
static void lane_surplus(struct lane *l)
{
	struct differ d = { l->v, lane_at(l) };
	const struct verify_candle have = stored(l);
	struct verify_candle want = { .open_ms = have.open_ms, .open = l->before, .high = l->before, .low = l->before, .close = l->before };

	check_state(l);
	if (strcmp(verify_text(&l->rows, C_QUALITY), "filled") != 0) {
		verify_differs(l->v, "candle", &d.at, "row", "no candle: there are no trades", "a candle");
	} else {
		l->v->filled++;
		if (strcmp(l->filled_source, d.at.source) != 0 || strcmp(l->filled_symbol, d.at.symbol) != 0)   /* what came before is not looked at */
			want.open = want.high = want.low = want.close = have.open;
		verify_tf_at(&l->build.tf, have.open_ms, &want.open_ms, &want.close_ms);
		verify_candle_diff(&want, &have, differ_field, &d);
	}
	lane_next(l);
}

/* Where the candle at hand stands to (series, open): -1 before, 0 there, 1 behind. */
static int lane_cmp(const struct lane *l, const struct series *s, int64_t open_ms)
{
	int c = strcmp(verify_text(&l->rows, C_SOURCE), s->source);
	int64_t at;

	if (c == 0)
		c = strcmp(verify_text(&l->rows, C_SYMBOL), s->symbol);
	if (c != 0)
		return c < 0 ? -1 : 1;
	at = verify_i64(&l->rows, C_OPEN_MS);
	return at == open_ms ? 0 : at < open_ms ? -1 : 1;
}

/* The trades say that there is this candle. */
static void lane_expect(struct lane *l, const struct series *s, const struct verify_candle *want)
{
	struct differ d = { l->v, { .source = s->source, .symbol = s->symbol, .tf = l->build.tf.name, .open_ms = want->open_ms } };

	if (want->open_ms < l->v->from_ms || want->close_ms > l->v->to_ms)
		return;         /* its trades are not all looked at */
	while (l->has && lane_cmp(l, s, want->open_ms) < 0)
		lane_surplus(l);
	if (l->has && lane_cmp(l, s, want->open_ms) == 0) {
		const struct verify_candle have = stored(l);

		check_state(l);
		verify_candle_diff(want, &have, differ_field, &d);
		lane_next(l);
	} else if (want->close_ms > s->due_ms) {
		l->v->forming++;
	} else {
		char trades[40];

		(void)snprintf(trades, sizeof trades, "a candle of %" PRIu64 " trades", want->trade_count);
		verify_differs(l->v, "candle", &d.at, "row", trades, "none");
	}
}

/* --- trades ------------------------------------------------------------------- */

enum trade_col { T_SOURCE, T_SYMBOL, T_US, T_NS, T_ID, T_PRICE, T_QTY, T_SIDE, T_MESSAGE, T_KEY };

static bool trades_open(struct verify *v, struct verify_rows *r)
{
	struct ap_buf sql;

	ap_buf_init(&sql, 1 << 16);
	ap_buf_puts(&sql,
		    "SELECT source, symbol, (extract(epoch FROM timestamp) * 1000000)::bigint, coalesce((metadata->>'ns')::int, 0), "
		    "coalesce(trade_id, ''), price, quantity, coalesce(side, ''), original_message_id, record_key FROM normalized_data t "
		    "WHERE data_type = 'trade' AND validation_status = 'valid'");
	verify_where_series(v, &sql);
	verify_where_time(v, &sql, "timestamp", "timestamp", "<");
	ap_buf_puts(&sql,
		    " AND NOT EXISTS (SELECT FROM normalized_data x WHERE x.validation_errors->0->>'stage' = 'candle' "
		    "AND x.validation_status <> 'valid' AND x.origin = t.origin AND x.source = t.source "
		    "AND x.symbol = t.symbol AND x.timestamp = t.timestamp AND coalesce(x.trade_id, '') = coalesce(t.trade_id, '') "
		    "AND (t.trade_id IS NOT NULL OR starts_with(x.record_key, t.record_key || ':'))) "
		    "ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", timestamp");
	return verify_rows_ask(r, v, "trades", &sql);
}

/* "ms-seq-idx" of the message, and ".sub" behind the last dot of a key that is not a trade id. */
static void arrival(const struct verify_rows *r, uint64_t out[4])
{
	const char *p = verify_text(r, T_MESSAGE), *dot = strrchr(verify_text(r, T_KEY), '.');
	char *end;

	for (size_t i = 0; i < 3; i++) {
		out[i] = strtoull(p, &end, 10);
		p = *end == '-' ? end + 1 : end;
	}
	out[3] = verify_text(r, T_KEY)[0] == '#' && dot != NULL ? strtoull(dot + 1, NULL, 10) : 0;
}

/* False after telling: the row cannot be a trade. */
static bool trade_read(struct verify *v, const struct verify_rows *r, struct verify_trade *t)
{
	const struct verify_at at = { .source = verify_text(r, T_SOURCE), .symbol = verify_text(r, T_SYMBOL), .open_ms = -1,
				      .id = verify_text(r, T_MESSAGE) };
	const char *id = verify_text(r, T_ID);

	*t = (struct verify_trade){ .ns = verify_i64(r, T_US) * 1000 + verify_i64(r, T_NS), .id = ap_str_c(id), .side = verify_text(r, T_SIDE)[0] };
	arrival(r, t->arrival);
	if (verify_text(r, T_PRICE)[0] != '\0' && verify_text(r, T_QTY)[0] != '\0' && verify_dec(r, T_PRICE, &t->price) &&
	    verify_dec(r, T_QTY, &t->qty) && t->price.e18 > 0 && t->qty.e18 >= 0 && t->ns >= 0 && t->id.len <= AP_TRADE_ID_MAX)
		return true;
	verify_differs(v, "trade", &at, "price and quantity", "decimals above 0 and not below 0", verify_text(r, T_PRICE));
	return false;
}

/*
 * Up to where candles of the source must be final: its time (the end of what is known to be covered) less lateness. A stored
 * candle that closes later than the source's time could tell says that its tape was closed: then all must be. Bars that do not
 * follow the clock say nothing of that kind.
 */
static void series_begin(struct verify *v, struct series *s, const char *source, const char *symbol)
{
	struct ap_buf sql;
	char *q = PQescapeLiteral(v->pg, source, strlen(source));
	PGresult *res;

	(void)snprintf(s->source, sizeof s->source, "%s", source);
	(void)snprintf(s->symbol, sizeof s->symbol, "%s", symbol);
	s->due_ms = INT64_MAX;
	if (q == NULL)
		return;
	ap_buf_init(&sql, 1 << 12);
	ap_buf_printf(&sql,
		      "SELECT coalesce((extract(epoch FROM max(ended_at)) * 1000)::bigint, 0), "
		      "EXISTS (SELECT FROM realtime_candles WHERE source = %s AND close_time > (SELECT max(ended_at) FROM coverage WHERE source = %s) "
		      "AND timeframe IN (''", q, q);
	for (size_t i = 0; i < v->n_tf; i++)
		ap_buf_printf(&sql, ",'%s'", v->tf[i].name);
	ap_buf_printf(&sql, ")) FROM coverage WHERE source = %s", q);
	ap_buf_putc(&sql, '\0');
	res = verify_ask(v, (const char *)sql.p);
	if (res != NULL && strcmp(PQgetvalue(res, 0, 1), "t") != 0)
		s->due_ms = strtoll(PQgetvalue(res, 0, 0), NULL, 10) - (int64_t)v->c->app.conf.candle_lateness_ms;
	PQclear(res);
	PQfreemem(q);
	ap_buf_done(&sql);
}

static void series_end(struct lane *lanes, size_t n, const struct series *s)
{
	struct verify_candle c;

	for (size_t i = 0; i < n; i++)
		if (verify_build_end(&lanes[i].build, &c))
			lane_expect(&lanes[i], s, &c);
}

static void take(struct lane *lanes, size_t n, const struct series *s, const struct verify_trade *t)
{
	struct verify_candle c;

	for (size_t i = 0; i < n; i++)
		if (verify_build_add(&lanes[i].build, t, &c))
			lane_expect(&lanes[i], s, &c);
}

static void compare(struct verify *v, struct lane *lanes, size_t n, struct verify_rows *trades)
{
	struct series s = { .source = "" };
	bool any = false;

	while (verify_rows_next(trades)) {
		struct verify_trade t;

		if (!any || strcmp(s.source, verify_text(trades, T_SOURCE)) != 0 || strcmp(s.symbol, verify_text(trades, T_SYMBOL)) != 0) {
			if (any)
				series_end(lanes, n, &s);
			series_begin(v, &s, verify_text(trades, T_SOURCE), verify_text(trades, T_SYMBOL));
			any = true;
		}
		if (trade_read(v, trades, &t))
			take(lanes, n, &s, &t);
		v->trades++;
	}
	if (any && !v->away)
		series_end(lanes, n, &s);
	for (size_t i = 0; i < n; i++) {
		while (lanes[i].has && !v->away)
			lane_surplus(&lanes[i]);
		if (lanes[i].build.overflow)
			verify_note(v, "sums of candles leave the range of exact decimals");
	}
}

/*
 * Whether the intervals lie where the plain calendar of this code has them: without trading hours, and in UTC, or so short that
 * every zone has them there (offsets are multiples of a quarter of an hour).
 */
static bool plain(const struct verify *v, const struct verify_tf *tf)
{
	const struct ap_conf *conf = &v->c->app.conf;
	int64_t open, close;

	if (strlen(conf->candle_sessions) > strlen("[]"))
		return false;
	verify_tf_at(tf, 0, &open, &close);
	return strcmp(conf->candle_zone, "UTC") == 0 || ((tf->unit == 's' || tf->unit == 'm') && 900000 % (close - open) == 0);
}

void verify_candles(struct verify *v)
{
	struct lane *lanes = calloc(VERIFY_TFS, sizeof *lanes);
	struct verify_rows trades;
	size_t n = 0;
	bool ok;

	if (!v->c->app.conf.persist_normalized || !v->c->app.conf.persist_candles) {
		verify_note(v, "candles cannot be made again: persist.normalized or persist.candles is off");
		free(lanes);
		return;
	}
	ok = lanes != NULL && trades_open(v, &trades);
	for (size_t i = 0; ok && i < v->n_tf; i++) {
		if (!plain(v, &v->tf[i]))
			verify_note(v, "candles of trading hours (candle.sessions) or of another zone (candle.zone) were not made again from trades");
		else if ((ok = lane_open(&lanes[n], v, &v->tf[i])))
			n++;
	}
	if (ok)
		compare(v, lanes, n, &trades);
	for (size_t i = 0; i < n; i++)
		verify_rows_close(&lanes[i].rows);
	if (lanes != NULL)
		verify_rows_close(&trades);
	free(lanes);
}
