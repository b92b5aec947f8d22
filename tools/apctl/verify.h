/*
 * verify.h - what the parts of `apctl verify` share: rows as a stream, differences as lines. Not for others.
 */
#ifndef AP_VERIFY_H
#define AP_VERIFY_H

#include "ctl.h"
#include "verify_candle.h"

enum { VERIFY_TFS = 32 };

struct verify {
	struct ctl *c;
	PGconn *pg;
	bool away;                      /* the server was lost or refused something: said already */
	int rc;                         /* then: the exit code */
	const char *source, *symbol;    /* NULL: all */
	int64_t from_ms, to_ms;         /* only what lies wholly within; INT64_MIN, INT64_MAX: all */
	struct verify_tf tf[VERIFY_TFS];
	size_t n_tf;                    /* shortest first */
	uint64_t show, shown;           /* differences to print of each comparison; printed of the present one */
	struct ap_buf list;             /* those already told, as JSON */

	uint64_t differences;
	uint64_t trades, candles, forming, filled, sums, values, messages, quotes, quote_bars;  /* compared */
	uint64_t journaled;             /* messages of the journals */
	char note[400];                 /* what could not be compared, and why */
};

/* A row or an interval that the parts talk about. Texts may be NULL. */
struct verify_at {
	const char *source, *symbol, *tf;
	int64_t open_ms;                /* -1: none */
	const char *id;                 /* of a message */
};
/* One difference: a line on stdout, or an element of the JSON answer; counted always. */
void verify_differs(struct verify *v, const char *what, const struct verify_at *at, const char *field, const char *expected,
		    const char *stored);
void verify_note(struct verify *v, const char *text);

/* --- verify_rows.c: rows of a query, a few thousand at a time, within the one transaction --- */
struct verify_rows {
	struct verify *v;
	char name[24];
	PGresult *res;
	int row;                /* the present one; -1 before the first */
	bool end;
};
/* Declares a cursor for the query. False: told, v->away. */
bool verify_rows_open(struct verify_rows *r, struct verify *v, const char *name, const char *sql);
/* The same for a query that was put together in a buffer, which it takes: nothing is left in it. */
bool verify_rows_ask(struct verify_rows *r, struct verify *v, const char *name, struct ap_buf *sql);
/* The next row. False: there is none, or v->away. */
bool verify_rows_next(struct verify_rows *r);
void verify_rows_close(struct verify_rows *r);
const char *verify_text(const struct verify_rows *r, int col);  /* "" for NULL */
int64_t verify_i64(const struct verify_rows *r, int col);
/* A query with one row at most; the caller clears it. NULL: told, v->away. */
PGresult *verify_ask(struct verify *v, const char *sql);
/* " AND source = '...' AND symbol = '...'" as far as asked for. */
void verify_where_series(const struct verify *v, struct ap_buf *sql);
/* " AND <column> >= ... AND <end> <= ..." as far as asked for. */
void verify_where_time(const struct verify *v, struct ap_buf *sql, const char *begin, const char *end, const char *end_op);
/* A numeric's text; false after telling that it is none (v->away). */
bool verify_dec(const struct verify_rows *r, int col, ap_dec *out);

/* --- the comparisons, each over its own part of the tables --- */
void verify_candles(struct verify *v);          /* verify_lane.c: trades against candles */
void verify_sums(struct verify *v);             /* verify_sum.c: the shortest candles against the longer ones */
void verify_indicators(struct verify *v);       /* verify_value.c: candles against indicators */
void verify_quotes(struct verify *v);           /* verify_quotes.c: quotes against quote bars */
void verify_journals(struct verify *v);         /* verify_journal.c: what came in against what is stored of it */
void verify_balance(struct verify *v);          /* verify_balance.c: messages in against what became of them */

#endif
