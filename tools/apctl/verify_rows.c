/*
 * verify_rows.c - rows of a query as a stream: a cursor, read a few thousand rows at a time, so that memory stays small however
 * many there are.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"

static bool lost(struct verify *v)
{
	const char *why = PQerrorMessage(v->pg);
	bool away = PQstatus(v->pg) != CONNECTION_OK;

	if (!v->away)
		v->rc = ctl_fail(away ? AP_EX_AGAIN : AP_EX_MISTAKE, "%s: %.*s", away ? "PostgreSQL is away" : "PostgreSQL refuses",
				 (int)strcspn(why, "\n"), why);
	v->away = true;
	return false;
}

bool verify_rows_open(struct verify_rows *r, struct verify *v, const char *name, const char *sql)
{
	struct ap_buf b;
	bool ok = !v->away;

	*r = (struct verify_rows){ .v = v, .row = -1 };
	(void)snprintf(r->name, sizeof r->name, "%s", name);
	ap_buf_init(&b, 1 << 16);
	ap_buf_printf(&b, "DECLARE %s NO SCROLL CURSOR FOR %s", name, sql);
	ap_buf_putc(&b, '\0');
	if (ok) {
		PGresult *res = PQexec(v->pg, (const char *)b.p);

		ok = PQresultStatus(res) == PGRES_COMMAND_OK || lost(v);
		PQclear(res);
	}
	ap_buf_done(&b);
	r->end = !ok;
	return ok;
}

bool verify_rows_ask(struct verify_rows *r, struct verify *v, const char *name, struct ap_buf *sql)
{
	bool ok;

	ap_buf_putc(sql, '\0');
	ok = verify_rows_open(r, v, name, (const char *)sql->p);
	ap_buf_done(sql);
	return ok;
}

bool verify_rows_next(struct verify_rows *r)
{
	char sql[64];

	if (r->end || r->v->away)
		return false;
	if (r->res != NULL && r->row + 1 < PQntuples(r->res)) {
		r->row++;
		return true;
	}
	PQclear(r->res);
	(void)snprintf(sql, sizeof sql, "FETCH 4096 FROM %s", r->name);
	r->res = PQexec(r->v->pg, sql);
	r->row = 0;
	if (PQresultStatus(r->res) != PGRES_TUPLES_OK)
		return lost(r->v);
	r->end = PQntuples(r->res) == 0;
	return !r->end;
}

void verify_rows_close(struct verify_rows *r)
{
	char sql[64];

	PQclear(r->res);
	r->res = NULL;
	r->end = true;
	if (r->v == NULL || r->v->away)
		return;
	(void)snprintf(sql, sizeof sql, "CLOSE %s", r->name);
	PQclear(PQexec(r->v->pg, sql));
}

const char *verify_text(const struct verify_rows *r, int col)
{
	return PQgetvalue(r->res, r->row, col);
}

int64_t verify_i64(const struct verify_rows *r, int col)
{
	return strtoll(verify_text(r, col), NULL, 10);
}

bool verify_dec(const struct verify_rows *r, int col, ap_dec *out)
{
	const char *t = verify_text(r, col);

	out->e18 = 0;
	return t[0] == '\0' || ap_dec_parse(t, strlen(t), out) == AP_DEC_OK;
}

PGresult *verify_ask(struct verify *v, const char *sql)
{
	PGresult *res = v->away ? NULL : PQexec(v->pg, sql);

	if (v->away || PQresultStatus(res) == PGRES_TUPLES_OK)
		return res;
	lost(v);
	PQclear(res);
	return NULL;
}

static void equals(const struct verify *v, struct ap_buf *sql, const char *column, const char *value)
{
	char *q = value != NULL ? PQescapeLiteral(v->pg, value, strlen(value)) : NULL;

	if (q != NULL)
		ap_buf_printf(sql, " AND %s = %s", column, q);
	PQfreemem(q);
}

void verify_where_series(const struct verify *v, struct ap_buf *sql)
{
	equals(v, sql, "source", v->source);
	equals(v, sql, "symbol", v->symbol);
}

void verify_where_time(const struct verify *v, struct ap_buf *sql, const char *begin, const char *end, const char *end_op)
{
	char t[AP_TS_TEXT];

	if (v->from_ms != INT64_MIN) {
		(void)ap_ts_format((ap_ts){ v->from_ms * 1000000 }, 3, t);
		ap_buf_printf(sql, " AND %s >= '%s'", begin, t);
	}
	if (v->to_ms != INT64_MAX) {
		(void)ap_ts_format((ap_ts){ v->to_ms * 1000000 }, 3, t);
		ap_buf_printf(sql, " AND %s %s '%s'", end, end_op, t);
	}
}
