/*
 * cmd_verify.c - recomputes what the pipeline has stored from what it was made of, by its own code, and names every difference.
 *
 * Everything is read in one transaction that sees one moment. The comparisons stand in a table; each streams through its
 * tables in order and keeps a few thousand rows at most.
 */
#include "ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"
#include "verify.h"

enum { LIST_MAX = 1 << 20 };

static void (*const comparisons[])(struct verify *v) = { verify_candles, verify_sums, verify_indicators, verify_quotes, verify_balance, verify_journals };

void verify_note(struct verify *v, const char *text)
{
	if (strstr(v->note, text) == NULL)
		(void)snprintf(v->note + strlen(v->note), sizeof v->note - strlen(v->note), "%s%s", v->note[0] != '\0' ? "; " : "", text);
}

/* --- telling ------------------------------------------------------------------ */

static void json_text(struct ap_buf *b, const char *key, const char *value)
{
	ap_buf_printf(b, "%s\"%s\":\"", b->p[b->len - 1] == '{' ? "" : ",", key);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			ap_buf_putc(b, '\\');
		if (*p < 0x20)
			ap_buf_printf(b, "\\u%04x", *p);
		else
			ap_buf_putc(b, (char)*p);
	}
	ap_buf_putc(b, '"');
}

static void differs_json(struct verify *v, const char *const (*texts)[2], size_t n)
{
	size_t before = v->list.len;

	ap_buf_puts(&v->list, v->list.len > 0 ? ",{" : "{");
	for (size_t i = 0; i < n && !v->list.full; i++)
		if (texts[i][1] != NULL)
			json_text(&v->list, texts[i][0], texts[i][1]);
	ap_buf_putc(&v->list, '}');
	if (v->list.full) {     /* this one does not fit: the others stay */
		v->list.full = false;
		v->list.len = before;
	}
}

void verify_differs(struct verify *v, const char *what, const struct verify_at *at, const char *field, const char *expected,
		    const char *stored)
{
	char open[AP_TS_TEXT] = "";

	if (at->open_ms >= 0)
		(void)ap_ts_format((ap_ts){ at->open_ms * 1000000 }, at->open_ms % 1000 != 0 ? 3 : 0, open);
	v->differences++;
	if (v->shown++ >= v->show)
		return;
	if (v->c->json) {
		const char *const texts[][2] = { { "what", what }, { "source", at->source }, { "symbol", at->symbol }, { "timeframe", at->tf },
						 { "open", at->open_ms >= 0 ? open : NULL }, { "id", at->id }, { "field", field },
						 { "expected", expected }, { "stored", stored } };
		differs_json(v, texts, sizeof texts / sizeof texts[0]);
		return;
	}
	printf("differs: %s", what);
	const char *const names[] = { at->source, at->symbol, at->tf, at->open_ms >= 0 ? open : NULL, at->id };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i] != NULL)
			printf(" %s", names[i]);
	printf(": %s: expected %s, stored %s\n", field, expected, stored);
}

static void summary_json(const struct verify *v, bool agree)
{
	printf("{\"agree\":%s,\"differences\":%" PRIu64 ",\"trades\":%" PRIu64 ",\"candles\":%" PRIu64 ",\"forming\":%" PRIu64 ",\"filled\":%" PRIu64
	       ",\"sums\":%" PRIu64 ",\"indicator_values\":%" PRIu64 ",\"quotes\":%" PRIu64 ",\"quote_bars\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"journaled\":%" PRIu64 ",\"note\":\"%s\",\"first\":[%.*s]}\n",
	       agree ? "true" : "false", v->differences, v->trades, v->candles, v->forming, v->filled, v->sums, v->values, v->quotes, v->quote_bars, v->messages, v->journaled, v->note,
	       (int)v->list.len, v->list.len > 0 ? (const char *)v->list.p : "");
}

static void summary(const struct verify *v, bool agree)
{
	if (v->c->json) {
		summary_json(v, agree);
		return;
	}
	printf("%s: %" PRIu64 " differences; %" PRIu64 " trades, %" PRIu64 " candles (%" PRIu64 " filled, %" PRIu64 " more are forming), %" PRIu64
	       " sums, %" PRIu64 " indicator values, %" PRIu64 " quote bars, %" PRIu64 " messages, %" PRIu64 " journaled ones compared%s%s\n",
	       agree ? "agrees" : "DIFFERS", v->differences, v->trades, v->candles, v->filled, v->forming, v->sums, v->values, v->quote_bars, v->messages, v->journaled,
	       v->note[0] != '\0' ? "; " : "", v->note);
}

/* --- what is to be compared ------------------------------------------------------ */

static bool time_flag(const struct verify *v, const char *name, int64_t *out)
{
	const char *t = ctl_flag(v->c, name, NULL);
	ap_ts ts;

	if (t == NULL)
		return true;
	if (!ap_ts_parse(ap_str_c(t), &ts)) {
		ctl_fail(AP_EX_MISTAKE, "--%s: \"%s\" is not a time such as 2026-01-02T03:04:05Z", name, t);
		return false;
	}
	*out = ap_ts_ms(ts);
	return true;
}

static int64_t tf_length(const struct verify_tf *tf)
{
	int64_t open, close;

	verify_tf_at(tf, INT64_C(1700000000000), &open, &close);
	return close - open;
}

static void tf_add(struct verify *v, const char *name)
{
	struct verify_tf tf;
	size_t i;

	for (i = 0; i < v->n_tf; i++)
		if (strcmp(v->tf[i].name, name) == 0)
			return;
	if (!verify_tf_parse(name, &tf) || v->n_tf == VERIFY_TFS) {
		verify_note(v, "bars that do not follow the clock (candle.bars) were not compared");
		return;
	}
	for (i = v->n_tf++; i > 0 && tf_length(&v->tf[i - 1]) > tf_length(&tf); i--)
		v->tf[i] = v->tf[i - 1];
	v->tf[i] = tf;
}

/* The configured timeframes, and those of stored candles. */
static void timeframes(struct verify *v)
{
	char list[256], *save = NULL;
	PGresult *r;

	(void)snprintf(list, sizeof list, "%s", v->c->app.conf.candle_timeframes);
	for (char *t = strtok_r(list, ", ", &save); t != NULL; t = strtok_r(NULL, ", ", &save))
		tf_add(v, t);
	r = verify_ask(v, "SELECT DISTINCT timeframe FROM realtime_candles");
	for (int i = 0; r != NULL && i < PQntuples(r); i++)
		tf_add(v, PQgetvalue(r, i, 0));
	PQclear(r);
}

/* Old trades may have been dropped by persist.days; candles are kept. They are compared from the first whole day on. */
static void begin_of_trades(struct verify *v)
{
	PGresult *r;
	int64_t from;

	if (v->c->app.conf.persist_days == 0)
		return;
	r = verify_ask(v, "SELECT coalesce((extract(epoch FROM min(timestamp)) * 1000)::bigint, 0) FROM normalized_data");
	from = r != NULL ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
	PQclear(r);
	from = (from + 86399999) / 86400000 * 86400000;
	if (from > v->from_ms) {
		v->from_ms = from;
		verify_note(v, "what is older than the stored trades was not compared");
	}
}

static int run(struct verify *v)
{
	PGresult *r = PQexec(v->pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 3; "
				    "SET LOCAL datestyle = 'ISO'; SET LOCAL cursor_tuple_fraction = 1");
	bool agree;

	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		PQclear(r);
		return ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(v->pg));
	}
	PQclear(r);
	timeframes(v);
	begin_of_trades(v);
	for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0] && !v->away; i++) {
		v->shown = 0;
		comparisons[i](v);
	}
	if (v->away)
		return v->rc;
	agree = v->differences == 0;
	summary(v, agree);
	return agree ? AP_EX_OK : CTL_EX_DIFFERENT;
}

int cmd_verify(struct ctl *c)
{
	struct verify v = { .c = c, .source = ctl_flag(c, "source", NULL), .symbol = ctl_flag(c, "symbol", NULL), .from_ms = INT64_MIN, .to_ms = INT64_MAX };
	int rc = AP_EX_AGAIN;

	if (!time_flag(&v, "from", &v.from_ms) || !time_flag(&v, "to", &v.to_ms) || !ctl_flag_u64(c, "count", 20, 0, 1000000, &v.show))
		return AP_EX_MISTAKE;
	ap_buf_init(&v.list, LIST_MAX);
	v.pg = ctl_pg(c);
	if (v.pg != NULL)
		rc = run(&v);
	PQfinish(v.pg);
	ap_buf_done(&v.list);
	return rc;
}
