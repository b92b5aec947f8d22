/*
 * verify_sum.c - the shortest candles added up against each longer one: volume, turnover, trades. Needs no trades.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum col { S_SOURCE, S_SYMBOL, S_OPEN_MS, S_CLOSE_MS, S_VOLUME, S_QV, S_COUNT };

static bool open_rows(struct verify *v, struct verify_rows *r, const char *name, const char *tf)
{
	struct ap_buf sql;

	ap_buf_init(&sql, 1 << 16);
	ap_buf_printf(&sql, "SELECT source, symbol, (extract(epoch FROM open_time) * 1000)::bigint, (extract(epoch FROM close_time) * 1000)::bigint, "
			    "volume, quote_volume, trade_count FROM realtime_candles WHERE timeframe = '%s'", tf);
	verify_where_series(v, &sql);
	verify_where_time(v, &sql, "open_time", "close_time", "<=");
	ap_buf_puts(&sql, " ORDER BY source COLLATE \"C\", symbol COLLATE \"C\", open_time");
	return verify_rows_ask(r, v, name, &sql);
}

/* Where a short candle lies: before the long one, in it, behind it. */
static int place(const struct verify_rows *s, const struct verify_rows *l)
{
	int c = strcmp(verify_text(s, S_SOURCE), verify_text(l, S_SOURCE));

	if (c == 0)
		c = strcmp(verify_text(s, S_SYMBOL), verify_text(l, S_SYMBOL));
	if (c != 0)
		return c;
	if (verify_i64(s, S_OPEN_MS) < verify_i64(l, S_OPEN_MS))
		return -1;
	return verify_i64(s, S_OPEN_MS) >= verify_i64(l, S_CLOSE_MS);
}

struct total {
	ap_dec volume;
	ap_sum qv;
	int64_t n;
};

static void add(struct total *t, const struct verify_rows *r)
{
	ap_dec volume;
	ap_sum qv;

	/* What is not a decimal, or too much, leaves the total short, and that is a difference. */
	if (verify_dec(r, S_VOLUME, &volume))
		(void)ap_dec_add(t->volume, volume, &t->volume);
	if (ap_sum_parse(verify_text(r, S_QV), strlen(verify_text(r, S_QV)), &qv) == AP_DEC_OK)
		(void)ap_sum_add(&t->qv, &qv);
	t->n += verify_i64(r, S_COUNT);
}

static void tell(struct verify *v, const struct total *t, const struct verify_rows *l, const char *tf, const char *base)
{
	const struct verify_at at = { .source = verify_text(l, S_SOURCE), .symbol = verify_text(l, S_SYMBOL), .tf = tf, .open_ms = verify_i64(l, S_OPEN_MS) };
	struct total have = { .n = 0 };
	char x[AP_SUM_TEXT], what[40];

	add(&have, l);
	(void)snprintf(what, sizeof what, "sum of %s", base);
	if (ap_dec_cmp(t->volume, have.volume) != 0) {
		(void)ap_dec_format(t->volume, x);
		verify_differs(v, what, &at, "volume", x, verify_text(l, S_VOLUME));
	}
	if (ap_sum_cmp(&t->qv, &have.qv) != 0) {
		(void)ap_sum_format(&t->qv, x);
		verify_differs(v, what, &at, "quote_volume", x, verify_text(l, S_QV));
	}
	if (t->n != have.n) {
		(void)snprintf(x, sizeof x, "%" PRId64, t->n);
		verify_differs(v, what, &at, "trade_count", x, verify_text(l, S_COUNT));
	}
	v->sums++;
}

static void compare(struct verify *v, const struct verify_tf *base, const struct verify_tf *tf)
{
	struct verify_rows s, l;
	bool ok = open_rows(v, &s, "shorter", base->name) && open_rows(v, &l, "longer", tf->name), has = ok && verify_rows_next(&s);

	while (ok && verify_rows_next(&l)) {
		struct total t = { .n = 0 };

		while (has && place(&s, &l) < 0)
			has = verify_rows_next(&s);     /* the longer candle is not there, or still forming */
		for (; has && place(&s, &l) == 0; has = verify_rows_next(&s))
			add(&t, &s);
		if (!v->away)
			tell(v, &t, &l, tf->name, base->name);
	}
	if (ok)
		verify_rows_close(&l);
	verify_rows_close(&s);
}

/* Weeks and months need not begin where another long one does; all begin where a day does, and the base divides the day. */
void verify_sums(struct verify *v)
{
	for (size_t i = 1; i < v->n_tf && !v->away; i++)
		compare(v, &v->tf[0], &v->tf[i]);
}
