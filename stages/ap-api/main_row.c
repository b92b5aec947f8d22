/*
 * main_row.c - what the cells of a PostgreSQL row say.
 */
#include "main.h"

ap_str api_row_text(const PGresult *r, int row, int col)
{
	return ap_str_n(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
}

ap_dec api_row_dec(const PGresult *r, int row, int col)
{
	ap_dec d = { 0 };
	ap_str t = api_row_text(r, row, col);
	ap_dec_parse(t.p, t.len, &d);
	return d;
}

enum ap_candle_state api_row_state(const PGresult *r, int row, int col)
{
	ap_str word = api_row_text(r, row, col);
	for (enum ap_candle_state s = AP_FORMING; s <= AP_REVISED; s++)
		if (ap_str_is(word, ap_candle_state_name(s)))
			return s;
	return AP_FINAL;
}

enum ap_quality api_row_quality(const PGresult *r, int row, int col)
{
	ap_str word = api_row_text(r, row, col);
	for (enum ap_quality q = AP_Q_FULL; q <= AP_Q_FILLED; q++)
		if (ap_str_is(word, ap_quality_name(q)))
			return q;
	return AP_Q_GAP;
}
