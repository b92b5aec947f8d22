/*
 * cmd_dlq.c - dlq list, show, retry: what was set aside, and once more with it.
 *
 * A record's id here is its key in normalized_data without the leading '#': the message's number in the data set, the record's
 * place in it, the status (00ab3f0000000011.0:poison). A retry hands the message's payload to ap-ingest again: it is a new
 * message, with a number of its own, and what is set aside stays on record.
 */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../common/core/json.h"

enum { MANY = 1000, ANSWER = 1024 };

static const char ROW[] =
	"substr(n.record_key, 2) AS id, to_char(n.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS time, "
	"n.validation_errors->0->>'stage' AS stage, n.validation_status AS status, n.validation_errors->0->>'reason' AS reason, "
	"n.source, n.symbol, n.original_message_id AS message_id";

/* The message as it came: ap-normalize sets aside the payload itself; of later stages it is looked for among the stored messages. */
static const char PAYLOAD[] =
	"CASE WHEN n.validation_errors->0->>'stage' = 'normalize' THEN n.normalized_data ELSE (SELECT m.data FROM stream_messages m "
	"WHERE m.origin = n.origin AND m.timestamp BETWEEN to_timestamp(split_part(n.original_message_id, '-', 1)::numeric / 1000) "
	"- interval '1 hour' AND to_timestamp(split_part(n.original_message_id, '-', 1)::numeric / 1000) + interval '1 minute' LIMIT 1) END";

static PGresult *ask(PGconn *pg, const char *sql, int n, const char *const *args)
{
	PGresult *r = PQexecParams(pg, sql, n, NULL, args, NULL, NULL, 0);

	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		return r;
	ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s%s", PQresultErrorMessage(r),
		 strstr(PQresultErrorMessage(r), "statement timeout") != NULL ? "narrow it with --from and --to" : "");
	PQclear(r);
	return NULL;
}

static PGconn *connect_pg(const struct ctl *c)
{
	PGconn *pg = ctl_pg(c);

	if (pg != NULL)
		PQclear(PQexec(pg, "SET statement_timeout = '30s'; SET timezone = 'UTC'"));
	return pg;
}

/* What the flags choose: $1 status ('all': every one but valid), $2 source, $3 symbol, $4 from, $5 to, $6 how many. */
static PGresult *choose(struct ctl *c, PGconn *pg, const char *what, uint64_t count)
{
	char sql[2048], n[24];
	const char *status = ctl_flag(c, "status", "poison");
	const char *args[] = { status, ctl_flag(c, "source", ""), ctl_flag(c, "symbol", ""), ctl_flag(c, "from", "-infinity"),
			       ctl_flag(c, "to", "infinity"), n };

	snprintf(n, sizeof n, "%" PRIu64, count);
	/* The poison rows have an index of their own, which only a condition without parameters can use. */
	snprintf(sql, sizeof sql,
		 "SELECT %s FROM normalized_data n WHERE %s AND ($1 = 'all' OR n.validation_status = $1) AND ($2 = '' OR n.source = $2) AND "
		 "($3 = '' OR n.symbol = $3) AND n.timestamp >= $4::timestamptz AND n.timestamp < $5::timestamptz "
		 "ORDER BY n.timestamp DESC, n.record_key LIMIT $6",
		 what, strcmp(status, "poison") == 0 ? "n.validation_status = 'poison'" : "n.validation_status <> 'valid'");
	return ask(pg, sql, 6, args);
}

static int print_json(const PGresult *r)
{
	printf("[");
	for (int i = 0; i < PQntuples(r); i++)
		printf("%s\n%s", i > 0 ? "," : "", PQgetvalue(r, i, 0));
	printf("\n]\n");
	return 0;
}

static int print_rows(const struct ctl *c, const PGresult *r)
{
	struct ctl_table t;

	ctl_table_begin(&t);
	ctl_table_row(&t, "id\ttime\tstage\tstatus\treason\tsource\tsymbol\tmessage_id");
	for (int i = 0; i < PQntuples(r); i++)
		ctl_table_row(&t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), PQgetvalue(r, i, 2),
			      PQgetvalue(r, i, 3), PQgetvalue(r, i, 4), PQgetvalue(r, i, 5), PQgetvalue(r, i, 6), PQgetvalue(r, i, 7));
	ctl_table_end(c, &t);
	return 0;
}

static int dlq_list(struct ctl *c, PGconn *pg)
{
	char json[1024];
	uint64_t count;

	if (!ctl_flag_u64(c, "count", 100, 1, 100000, &count))
		return AP_EX_MISTAKE;
	snprintf(json, sizeof json, "(SELECT row_to_json(x) FROM (SELECT %s) x)", ROW);
	PGresult *r = choose(c, pg, c->json ? json : ROW, count);
	if (r == NULL)
		return AP_EX_AGAIN;
	int rc = c->json ? print_json(r) : print_rows(c, r);
	PQclear(r);
	return rc;
}

static PGresult *one(PGconn *pg, const char *what, const char *id)
{
	char sql[4096];

	snprintf(sql, sizeof sql, "SELECT %s FROM normalized_data n WHERE n.record_key = '#' || $1 AND n.validation_status %s", what,
		 strstr(id, ":poison") != NULL ? "= 'poison'" : "<> 'valid'");
	return ask(pg, sql, 1, &id);
}

static int dlq_show(struct ctl *c, PGconn *pg)
{
	char what[2048];

	if (c->argc != 2)
		return ctl_fail(AP_EX_MISTAKE, "dlq show ID: an id of `apctl dlq list`");
	snprintf(what, sizeof what,
		 "(SELECT jsonb_pretty(to_jsonb(x)) FROM (SELECT %s, n.data_type, n.trade_id, n.validation_errors AS errors, n.created_at, "
		 "n.normalized_data AS record, %s AS payload) x)", ROW, PAYLOAD);
	PGresult *r = one(pg, what, c->argv[1]);
	if (r == NULL)
		return AP_EX_AGAIN;
	int n = PQntuples(r);
	if (n > 0)
		printf("%s\n", PQgetvalue(r, 0, 0));
	PQclear(r);
	return n > 0 ? 0 : ctl_fail(CTL_EX_DIFFERENT, "nothing is set aside under %s", c->argv[1]);
}

/* --- retry --- */

struct retry {
	struct ctl *c;
	PGconn *pg;
	int fd;
	int64_t until_ms;
	bool first;             /* of the JSON array */
	unsigned bad;           /* not valid now, or not known */
	char what[1024];        /* columns to ask for */
};

/* What the acknowledging socket takes: one JSON object of ours, naming its source. False: it is of another format. */
static bool as_message(ap_str payload, const char *source, struct ap_buf *out)
{
	static struct ap_jtok tok[AP_JSON_TOKS];
	struct ap_json j;

	ap_buf_clear(out);
	if (!ap_json_parse(&j, payload, tok, AP_JSON_TOKS) || tok[0].type != AP_J_OBJ || ap_json_get(&j, 0, "symbol") == 0 ||
	    (ap_json_get(&j, 0, "price") == 0 && ap_json_get(&j, 0, "bid") == 0))
		return false;
	if (ap_json_get(&j, 0, "source") != 0) {
		ap_buf_str(out, payload);
	} else {
		ap_buf_puts(out, "{\"source\":\"");
		ap_buf_puts(out, source);
		ap_buf_puts(out, "\",");
		ap_buf_put(out, payload.p + 1, payload.len - 1);
	}
	for (size_t i = 0; i < out->len; i++)
		if (out->p[i] == '\n')
			out->p[i] = ' ';
	ap_buf_putc(out, '\n');
	return !out->full;
}

static int64_t now_ms(void)
{
	return ap_mono_ns() / 1000000;
}

/* One line of the socket. False: it closed, or time is up. */
static bool answer_read(struct retry *t, char out[ANSWER])
{
	size_t len = 0;

	out[0] = '\0';
	while (len < ANSWER - 1 && memchr(out, '\n', len) == NULL) {
		struct pollfd p = { t->fd, POLLIN, 0 };
		int64_t left = t->until_ms - now_ms();
		if (left <= 0 || poll(&p, 1, (int)(left < 1000 ? left : 1000)) == -1)
			return false;
		ssize_t n = p.revents != 0 ? recv(t->fd, out + len, ANSWER - 1 - len, 0) : 0;
		if (p.revents != 0 && n <= 0)
			return false;
		len += (size_t)n;
	}
	out[len] = '\0';
	return true;
}

/* Sends it; fills in the new message's id, or why there is none. */
static bool send_again(struct retry *t, const struct ap_buf *msg, char id[64], char *why, size_t cap)
{
	static struct ap_jtok tok[64];
	char line[ANSWER];
	struct ap_json j;
	uint32_t at;

	snprintf(why, cap, "ap-ingest does not answer");
	if (send(t->fd, msg->p, msg->len, MSG_NOSIGNAL) != (ssize_t)msg->len || !answer_read(t, line) ||
	    !ap_json_parse(&j, ap_str_c(line), tok, 64))
		return false;
	at = ap_json_get(&j, 0, "message_id");
	if (at != 0) {
		ap_str s = ap_json_text(&j, at);
		snprintf(id, 64, "%.*s", (int)s.len, s.p);
		return true;
	}
	at = ap_json_get(&j, 0, "error");
	ap_str s = at != 0 ? ap_json_text(&j, at) : ap_str_c("no id");
	snprintf(why, cap, "ap-ingest refused it: %.*s", (int)s.len, s.p);
	return false;
}

/* "valid", or the status and reason that ap-normalize gave; "unknown" when it is not stored in time. */
static void outcome_of(struct retry *t, const char *id, char *out, size_t cap)
{
	static const char sql[] = "SELECT CASE WHEN success THEN 'valid' ELSE concat_ws(': ', errors->0->>'status', errors->0->>'reason') END "
				  "FROM processing_results WHERE message_id = $1 AND timestamp > now() - interval '10 minutes'";
	const struct timespec nap = { 0, 50000000 };

	snprintf(out, cap, "unknown: not stored in time");
	for (;;) {
		PGresult *r = ask(t->pg, sql, 1, &id);
		bool there = r != NULL && PQntuples(r) > 0;
		if (there)
			snprintf(out, cap, "%s", PQgetvalue(r, 0, 0));
		PQclear(r);
		if (there || r == NULL || now_ms() >= t->until_ms)
			return;
		nanosleep(&nap, NULL);
	}
}

static void tell(struct retry *t, const char *id, const char *message_id, const char *outcome)
{
	bool good = strcmp(outcome, "valid") == 0;

	t->bad += !good;
	if (t->c->json)
		printf("%s\n{\"id\":\"%s\",\"message_id\":\"%s\",\"outcome\":\"%s\"}", t->first ? "[" : ",", id, message_id, outcome);
	else
		printf("%s -> %s %s\n", id, message_id[0] != '\0' ? message_id : "-", outcome);
	t->first = false;
}

/* A row of id, source, payload. */
static void retry_row(struct retry *t, const PGresult *r, int i, struct ap_buf *msg)
{
	char id[64] = "", outcome[200] = "";

	if (PQgetisnull(r, i, 2))
		snprintf(outcome, sizeof outcome, "not sent: its message is not stored");
	else if (!as_message(ap_str_c(PQgetvalue(r, i, 2)), PQgetvalue(r, i, 1), msg))
		snprintf(outcome, sizeof outcome, "not sent: it is in a venue's own format, which only that source can bring");
	else if (send_again(t, msg, id, outcome, sizeof outcome))
		outcome_of(t, id, outcome, sizeof outcome);
	tell(t, PQgetvalue(r, i, 0), id, outcome);
}

static int retry_all(struct retry *t, PGresult *(*next)(struct retry *, int), int n)
{
	struct ap_buf msg;

	ap_buf_init(&msg, AP_PAYLOAD_MAX + 128);
	for (int k = 0; k < n; k++) {
		PGresult *r = next(t, k);
		for (int i = 0; r != NULL && i < PQntuples(r); i++)
			retry_row(t, r, i, &msg);
		if (r != NULL && PQntuples(r) == 0 && t->c->argc > 1)
			tell(t, t->c->argv[k + 1], "", "not sent: nothing is set aside under this id");
		t->bad += r == NULL;
		PQclear(r);
	}
	ap_buf_done(&msg);
	if (t->c->json)
		printf("%s\n]\n", t->first ? "[" : "");
	return t->bad > 0 ? CTL_EX_DIFFERENT : 0;
}

static PGresult *by_id(struct retry *t, int k)
{
	return one(t->pg, t->what, t->c->argv[k + 1]);
}

static PGresult *by_flags(struct retry *t, int k)
{
	(void)k;
	return choose(t->c, t->pg, t->what, MANY);
}

static int dlq_retry(struct ctl *c, PGconn *pg)
{
	struct retry t = { .c = c, .pg = pg, .first = true };
	bool all = ap_app_flag(&c->app, "all") != NULL;
	uint64_t timeout_s;

	if ((c->argc < 2) != all)
		return ctl_fail(AP_EX_MISTAKE, "dlq retry ID...|--all: ids of `apctl dlq list`, or --all of what it lists");
	if (!ctl_flag_u64(c, "timeout", 30, 1, 3600, &timeout_s))
		return AP_EX_MISTAKE;
	t.fd = ctl_connect(c->app.conf.ingest_ack);
	if (t.fd == -1)
		return ctl_fail(AP_EX_AGAIN, "ap-ingest does not answer at %s", c->app.conf.ingest_ack);
	t.until_ms = now_ms() + (int64_t)timeout_s * 1000;
	snprintf(t.what, sizeof t.what, "substr(n.record_key, 2), n.source, %s", PAYLOAD);
	int rc = retry_all(&t, all ? by_flags : by_id, all ? 1 : c->argc - 1);
	close(t.fd);
	return rc;
}

int cmd_dlq(struct ctl *c)
{
	static const struct {
		const char *name;
		int (*run)(struct ctl *c, PGconn *pg);
	} subs[] = { { "list", dlq_list }, { "show", dlq_show }, { "retry", dlq_retry } };

	for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
		if (c->argc < 1 || strcmp(c->argv[0], subs[i].name) != 0)
			continue;
		PGconn *pg = connect_pg(c);
		int rc = pg != NULL ? subs[i].run(c, pg) : AP_EX_AGAIN;
		PQfinish(pg);
		return rc;
	}
	return ctl_fail(AP_EX_MISTAKE, "dlq list | dlq show ID | dlq retry ID...|--all");
}
