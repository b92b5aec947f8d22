/*
 * pg.c - one PostgreSQL connection that keeps itself up, on the loop.
 *
 * libpq in its non-blocking form: PQconnectPoll, then one command at a time. Knows no table and no transaction.
 *
 *   WAITING --timer--> CONNECTING --PGRES_POLLING_OK--> UP
 *      ^                   |                            |
 *      +------ lose() -----+----------------------------+
 */
#include "pg.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "app.h"
#include "secret.h"

enum { QUEUE_MAX = 64, PARAMS_MAX = 64, COPY_MS = 10000 };

enum state { WAITING, CONNECTING, UP };
enum kind { EXEC, PARAMS, COPY };

struct cmd {
	struct cmd *next;
	enum kind kind;
	ap_pg_fn *fn;
	void (*ready)(void *ctx);       /* COPY */
	void *ctx;
	uint64_t extra_ms;
	char *sql;
	int n, result_format;
	bool typed, formatted;
	Oid type[PARAMS_MAX];
	char *value[PARAMS_MAX];
	int len[PARAMS_MAX], format[PARAMS_MAX];
};

struct ap_pg {
	struct ev_loop *loop;
	struct ap_log *log;
	const struct ap_conf *conf;
	struct ap_pg_events ev;
	void *ctx;
	char hostaddr[64];              /* of a host given by name; "" */
	char where[160];                /* for log lines */

	enum state state;
	PGconn *conn;
	ev_io rd, wr;
	ev_timer timer;
	int64_t deadline_ns;            /* of the running command */
	struct cmd *head, *tail;        /* head runs when `running` */
	size_t n;
	bool running;
	bool copying;                   /* the server takes COPY data now */
	bool ending;                    /* PQputCopyEnd must be tried again */
	char *end_why;                  /* for that */
	PGresult *kept;                 /* last result or first error of the running command */
	unsigned attempt;
	char doom[128];
	unsigned depth;
	bool freed;
};

static void lose(struct ap_pg *pg, const char *why);
static void run_next(struct ap_pg *pg);

/* --- memory and re-entrance --- */

static void cmd_free(struct cmd *c)
{
	for (int i = 0; i < c->n; i++)
		free(c->value[i]);
	free(c->sql);
	free(c);
}

static void conn_close(struct ap_pg *pg)
{
	ev_io_stop(pg->loop, &pg->rd);
	ev_io_stop(pg->loop, &pg->wr);
	ev_timer_stop(pg->loop, &pg->timer);
	PQclear(pg->kept);
	pg->kept = NULL;
	if (pg->conn != NULL)
		PQfinish(pg->conn);
	pg->conn = NULL;
	pg->running = pg->copying = pg->ending = false;
	free(pg->end_why);
	pg->end_why = NULL;
}

static void enter(struct ap_pg *pg)
{
	pg->depth++;
}

static void leave(struct ap_pg *pg)
{
	assert(pg->depth > 0);
	if (--pg->depth > 0 || !pg->freed)
		return;
	conn_close(pg);
	while (pg->head != NULL) {
		struct cmd *c = pg->head;
		pg->head = c->next;
		cmd_free(c);
	}
	free(pg);
}

void ap_pg_free(struct ap_pg *pg)
{
	if (pg == NULL)
		return;
	enter(pg);
	pg->freed = true;
	leave(pg);
}

static struct cmd *queue_take(struct ap_pg *pg)
{
	struct cmd *c = pg->head;

	pg->head = c->next;
	if (pg->head == NULL)
		pg->tail = NULL;
	pg->n--;
	return c;
}

static void timer_set(struct ap_pg *pg, double after_s)
{
	ev_timer_stop(pg->loop, &pg->timer);
	ev_timer_set(&pg->timer, after_s < 0 ? 0 : after_s, 0);
	ev_timer_start(pg->loop, &pg->timer);
}

/* --- losing it --- */

static void lose(struct ap_pg *pg, const char *why)
{
	static const struct ap_pg_result lost = { AP_PG_LOST, NULL, "", "connection lost" };
	char say[160];
	bool was_up = pg->state == UP;

	snprintf(say, sizeof say, "%.*s", (int)strcspn(why, "\n"), why);
	assert(pg->depth > 0);         /* only from handlers: they free what was to be freed */
	conn_close(pg);
	pg->state = WAITING;
	pg->doom[0] = '\0';
	double pause_s = ap_backoff_s(pg->conf, pg->attempt++);
	if (was_up || (pg->attempt & (pg->attempt - 1)) == 0)
		ap_log(pg->log, AP_WARN, "pg_down", KV_S("server", pg->where), KV_S("why", say), KV_U("attempt", pg->attempt),
		       KV_U("next_connect_ms", pause_s * 1000));
	timer_set(pg, pause_s);
	for (size_t n = pg->n; n > 0 && !pg->freed; n--) {
		struct cmd *c = queue_take(pg);
		if (c->fn != NULL)
			c->fn(c->ctx, &lost);
		cmd_free(c);
	}
	if (!pg->freed && pg->ev.down != NULL)
		pg->ev.down(pg->ctx, say);
}

void ap_pg_reset(struct ap_pg *pg, const char *why)
{
	if (pg->state == WAITING || pg->doom[0] != '\0')
		return;
	snprintf(pg->doom, sizeof pg->doom, "%s", why);
	timer_set(pg, 0);
}

static void deadline_set(struct ap_pg *pg)
{
	uint64_t ms = pg->conf->runtime_command_ms + (pg->head != NULL ? pg->head->extra_ms : 0);

	pg->deadline_ns = ap_mono_ns() + (int64_t)ms * 1000000;
	if (pg->doom[0] == '\0')
		timer_set(pg, (double)ms / 1000);
}

/* --- running --- */

/* Pushes what libpq holds to the socket. False: the connection was given up. */
static bool flush(struct ap_pg *pg)
{
	int rc = PQflush(pg->conn);

	if (rc == -1) {
		lose(pg, PQerrorMessage(pg->conn));
		return false;
	}
	if (rc == 1)
		ev_io_start(pg->loop, &pg->wr);
	else
		ev_io_stop(pg->loop, &pg->wr);
	return true;
}

static int cmd_send(struct ap_pg *pg, struct cmd *c)
{
	if (c->kind != PARAMS)
		return PQsendQuery(pg->conn, c->sql);
	return PQsendQueryParams(pg->conn, c->sql, c->n, c->typed ? c->type : NULL, (const char *const *)c->value, c->len,
				 c->formatted ? c->format : NULL, c->result_format);
}

static void run_next(struct ap_pg *pg)
{
	if (pg->state != UP || pg->running || pg->head == NULL || pg->doom[0] != '\0' || pg->freed)
		return;
	if (!cmd_send(pg, pg->head)) {
		ap_pg_reset(pg, PQerrorMessage(pg->conn));
		return;
	}
	pg->running = true;
	deadline_set(pg);
	if (PQflush(pg->conn) != 0)
		ev_io_start(pg->loop, &pg->wr);         /* also on an error: the handler will find it */
}

static void cmd_done(struct ap_pg *pg)
{
	struct cmd *c = queue_take(pg);
	struct ap_pg_result r = { .rc = AP_PG_OK, .res = pg->kept, .message = "" };
	ExecStatusType st = pg->kept == NULL ? PGRES_EMPTY_QUERY : PQresultStatus(pg->kept);

	pg->running = pg->copying = false;
	ev_timer_stop(pg->loop, &pg->timer);
	if (st == PGRES_FATAL_ERROR || st == PGRES_BAD_RESPONSE) {
		const char *state = PQresultErrorField(pg->kept, PG_DIAG_SQLSTATE);
		const char *text = PQresultErrorField(pg->kept, PG_DIAG_MESSAGE_PRIMARY);
		r.rc = AP_PG_ERROR;
		snprintf(r.sqlstate, sizeof r.sqlstate, "%s", state == NULL ? "" : state);
		r.message = text == NULL ? "" : text;
	}
	if (c->fn != NULL)
		c->fn(c->ctx, &r);
	cmd_free(c);
	PQclear(pg->kept);
	pg->kept = NULL;
	run_next(pg);
}

/* Takes the last result, but the first error. */
static void result_keep(struct ap_pg *pg, PGresult *res)
{
	if (pg->kept != NULL && PQresultStatus(pg->kept) == PGRES_FATAL_ERROR) {
		PQclear(res);
		return;
	}
	PQclear(pg->kept);
	pg->kept = res;
}

static bool copy_begin(struct ap_pg *pg, PGresult *res)
{
	PQclear(res);
	if (pg->head->kind != COPY) {
		/* A COPY inside plain SQL would wait for data for ever. */
		PQputCopyEnd(pg->conn, "COPY is not expected here");
		return flush(pg);
	}
	pg->copying = true;
	pg->head->ready(pg->head->ctx);
	return true;
}

static void results_take(struct ap_pg *pg)
{
	while (!pg->freed && pg->state == UP && pg->running && pg->doom[0] == '\0' && !pg->copying && !PQisBusy(pg->conn)) {
		PGresult *res = PQgetResult(pg->conn);
		if (res == NULL)
			cmd_done(pg);
		else if (PQresultStatus(res) == PGRES_COPY_IN) {
			if (!copy_begin(pg, res))
				return;
		} else if (PQresultStatus(res) == PGRES_COPY_OUT || PQresultStatus(res) == PGRES_COPY_BOTH) {
			PQclear(res);
			ap_pg_reset(pg, "unexpected COPY OUT");
		} else {
			result_keep(pg, res);
		}
	}
}

/* --- COPY --- */

bool ap_pg_copy_put(struct ap_pg *pg, const void *p, size_t n)
{
	if (!pg->copying || pg->doom[0] != '\0' || n > INT32_MAX)
		return false;
	if (PQputCopyData(pg->conn, p, (int)n) != 1) {
		ap_pg_reset(pg, PQerrorMessage(pg->conn));
		return false;
	}
	int rc = PQflush(pg->conn);
	if (rc == -1)
		ap_pg_reset(pg, PQerrorMessage(pg->conn));
	if (rc == 1)
		ev_io_start(pg->loop, &pg->wr);
	return rc == 0;
}

static void copy_end_try(struct ap_pg *pg)
{
	int rc = PQputCopyEnd(pg->conn, pg->end_why);

	pg->ending = rc == 0;
	pg->copying = pg->ending;
	if (rc == -1)
		ap_pg_reset(pg, PQerrorMessage(pg->conn));
	if (rc == 0 || PQflush(pg->conn) != 0)
		ev_io_start(pg->loop, &pg->wr);
	if (!pg->ending) {
		free(pg->end_why);
		pg->end_why = NULL;
		deadline_set(pg);
	}
}

void ap_pg_copy_end(struct ap_pg *pg, const char *why)
{
	if (!pg->copying || pg->ending || pg->doom[0] != '\0')
		return;
	pg->end_why = why == NULL ? NULL : strdup(why);
	copy_end_try(pg);
}

/* The socket has taken everything: room for more. */
static void copy_more(struct ap_pg *pg)
{
	deadline_set(pg);
	if (pg->ending)
		copy_end_try(pg);
	else
		pg->head->ready(pg->head->ctx);
}

/* --- connecting --- */

static void notice_drop(void *arg, const char *message)
{
	(void)arg, (void)message;       /* may quote rows; errors are what the caller gets */
}

static void connect_poll(struct ap_pg *pg)
{
	PostgresPollingStatusType st = PQconnectPoll(pg->conn);

	ev_io_stop(pg->loop, &pg->rd);
	ev_io_stop(pg->loop, &pg->wr);
	if (st == PGRES_POLLING_FAILED) {
		lose(pg, PQerrorMessage(pg->conn));
		return;
	}
	/* The descriptor may have changed: libpq tries addresses one after the other. */
	ev_io_set(&pg->rd, PQsocket(pg->conn), EV_READ);
	ev_io_set(&pg->wr, PQsocket(pg->conn), EV_WRITE);
	if (st != PGRES_POLLING_OK) {
		ev_io_start(pg->loop, st == PGRES_POLLING_READING ? &pg->rd : &pg->wr);
		return;
	}
	PQsetnonblocking(pg->conn, 1);
	ev_timer_stop(pg->loop, &pg->timer);
	ev_io_start(pg->loop, &pg->rd);
	pg->state = UP;
	pg->attempt = 0;
	ap_log(pg->log, AP_INFO, "pg_up", KV_S("server", pg->where), KV_I("version", PQserverVersion(pg->conn)));
	if (pg->ev.up != NULL)
		pg->ev.up(pg->ctx);
	run_next(pg);
}

static void connect_start(struct ap_pg *pg)
{
	char pass[512], user_ms[16], every_s[16], times[16];
	const char *keys[16], *vals[16];
	size_t n = 0;
	const struct { const char *k, *v; } fixed[] = {
		{ "dbname", pg->conf->pg_conninfo }, { "tcp_user_timeout", user_ms }, { "keepalives_idle", every_s },
		{ "keepalives_interval", every_s }, { "keepalives_count", times }, { "client_encoding", "UTF8" },
		{ "fallback_application_name", pg->log->app }, { "hostaddr", pg->hostaddr }, { "password", pass },
	};

	snprintf(user_ms, sizeof user_ms, "%d", AP_USER_TIMEOUT_MS);
	snprintf(every_s, sizeof every_s, "%d", AP_KEEPALIVE_S);
	snprintf(times, sizeof times, "%d", AP_KEEPALIVE_TIMES);
	if (!ap_secret_read(pg->conf->pg_password_file, pass, sizeof pass)) {
		lose(pg, "password_file_unreadable");
		return;
	}
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
		if (*fixed[i].v == '\0')
			continue;
		keys[n] = fixed[i].k;
		vals[n++] = fixed[i].v;
	}
	keys[n] = vals[n] = NULL;
	pg->conn = PQconnectStartParams(keys, vals, 1);
	explicit_bzero(pass, sizeof pass);
	if (pg->conn == NULL || PQstatus(pg->conn) == CONNECTION_BAD) {
		lose(pg, pg->conn == NULL ? "no_memory" : PQerrorMessage(pg->conn));
		return;
	}
	PQsetNoticeProcessor(pg->conn, notice_drop, NULL);
	pg->state = CONNECTING;
	/* libpq: before the first poll act as if it had said PGRES_POLLING_WRITING. */
	ev_io_set(&pg->rd, PQsocket(pg->conn), EV_READ);
	ev_io_set(&pg->wr, PQsocket(pg->conn), EV_WRITE);
	ev_io_start(pg->loop, &pg->wr);
	timer_set(pg, (double)pg->conf->runtime_connect_ms / 1000);
}

static void read_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ap_pg *pg = w->data;

	(void)loop, (void)revents;
	enter(pg);
	if (pg->state == CONNECTING)
		connect_poll(pg);
	else if (pg->doom[0] == '\0' && !PQconsumeInput(pg->conn))
		lose(pg, PQerrorMessage(pg->conn));
	else if (pg->doom[0] == '\0')
		results_take(pg);
	leave(pg);
}

static void write_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ap_pg *pg = w->data;

	(void)loop, (void)revents;
	enter(pg);
	if (pg->state == CONNECTING)
		connect_poll(pg);
	else if (pg->doom[0] == '\0' && flush(pg)) {
		if (pg->copying && !ev_is_active(&pg->wr))
			copy_more(pg);
		/* While the socket takes no more, libpq reads: an answer that came in between (a row of a COPY was refused) is never readable again. */
		results_take(pg);
	}
	leave(pg);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ap_pg *pg = w->data;

	(void)loop, (void)revents;
	enter(pg);
	if (pg->doom[0] != '\0') {
		lose(pg, pg->doom);
	} else if (pg->state == WAITING) {
		connect_start(pg);
	} else if (pg->state == CONNECTING) {
		lose(pg, "connect_timeout");
	} else if (pg->running) {
		/* If it was we who were late, the reply is in the socket. */
		if (!PQconsumeInput(pg->conn))
			lose(pg, PQerrorMessage(pg->conn));
		else
			results_take(pg);
		if (!pg->freed && pg->state == UP && pg->running && pg->doom[0] == '\0') {
			int64_t left_ns = pg->deadline_ns - ap_mono_ns();
			if (left_ns <= 0)
				lose(pg, "deadline");
			else
				timer_set(pg, (double)left_ns / 1e9);
		}
	}
	leave(pg);
}

/* --- queueing --- */

static bool enqueue(struct ap_pg *pg, const struct cmd *model, const char *sql)
{
	if (!ap_pg_is_up(pg) || pg->n >= QUEUE_MAX)
		return false;
	struct cmd *c = malloc(sizeof *c);
	assert(c != NULL);
	*c = *model;
	c->sql = strdup(sql);
	assert(c->sql != NULL);
	if (pg->tail == NULL)
		pg->head = c;
	else
		pg->tail->next = c;
	pg->tail = c;
	pg->n++;
	run_next(pg);
	return true;
}

bool ap_pg_exec(struct ap_pg *pg, ap_pg_fn *fn, void *ctx, uint64_t extra_ms, const char *sql)
{
	const struct cmd model = { .kind = EXEC, .fn = fn, .ctx = ctx, .extra_ms = extra_ms };

	return enqueue(pg, &model, sql);
}

bool ap_pg_copy(struct ap_pg *pg, void (*ready)(void *ctx), ap_pg_fn *done, void *ctx, const char *sql)
{
	const struct cmd model = { .kind = COPY, .fn = done, .ready = ready, .ctx = ctx, .extra_ms = COPY_MS };

	return enqueue(pg, &model, sql);
}

bool ap_pg_params(struct ap_pg *pg, ap_pg_fn *fn, void *ctx, uint64_t extra_ms, const char *sql, int n, const Oid *types,
		  const char *const *values, const int *lens, const int *formats, int result_format)
{
	struct cmd model = { .kind = PARAMS, .fn = fn, .ctx = ctx, .extra_ms = extra_ms, .n = n, .result_format = result_format,
			     .typed = types != NULL, .formatted = formats != NULL };

	assert(n >= 0 && n <= PARAMS_MAX);
	if (!ap_pg_is_up(pg) || pg->n >= QUEUE_MAX)
		return false;
	for (int i = 0; i < n; i++) {
		if (types != NULL)
			model.type[i] = types[i];
		if (formats != NULL)
			model.format[i] = formats[i];
		if (values[i] == NULL)
			continue;
		bool binary = formats != NULL && formats[i] == 1;
		model.len[i] = binary ? lens[i] : (int)strlen(values[i]);
		model.value[i] = malloc((size_t)model.len[i] + 1);
		assert(model.value[i] != NULL);
		memcpy(model.value[i], values[i], (size_t)model.len[i]);
		model.value[i][model.len[i]] = '\0';
	}
	return enqueue(pg, &model, sql);
}

/* --- making it --- */

/* A host given by name is resolved here, once: libpq would do it on the loop at each connect. */
static bool host_resolve(struct ap_pg *pg, const char *host, char *err, size_t errlen)
{
	struct addrinfo hint = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found = NULL;

	if (host == NULL || *host == '\0' || *host == '/' || *host == '@' || strchr(host, ',') != NULL)
		return true;
	int rc = getaddrinfo(host, NULL, &hint, &found);
	if (rc != 0 || found == NULL) {
		snprintf(err, errlen, "pg.conninfo: host %s: %s", host, gai_strerror(rc));
		return false;
	}
	rc = getnameinfo(found->ai_addr, found->ai_addrlen, pg->hostaddr, sizeof pg->hostaddr, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(found);
	return rc == 0;
}

static bool target_set(struct ap_pg *pg, char *err, size_t errlen)
{
	char *why = NULL;
	const char *host = NULL, *port = NULL, *db = NULL, *addr = NULL;
	PQconninfoOption *all = PQconninfoParse(pg->conf->pg_conninfo, &why);

	if (all == NULL) {
		snprintf(err, errlen, "pg.conninfo: %.*s", why == NULL ? 0 : (int)strcspn(why, "\n"), why == NULL ? "" : why);
		PQfreemem(why);
		return false;
	}
	for (const PQconninfoOption *o = all; o->keyword != NULL; o++) {
		const struct { const char *k; const char **v; } want[] = {
			{ "host", &host }, { "port", &port }, { "dbname", &db }, { "hostaddr", &addr } };
		for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
			if (strcmp(o->keyword, want[i].k) == 0)
				*want[i].v = o->val;
	}
	snprintf(pg->where, sizeof pg->where, "%.60s:%.10s/%.60s", host != NULL ? host : addr != NULL ? addr : "local",
		 port != NULL ? port : "5432", db != NULL ? db : "");
	bool ok = addr != NULL || host_resolve(pg, host, err, errlen);
	PQconninfoFree(all);
	return ok;
}

struct ap_pg *ap_pg_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, const struct ap_pg_events *ev,
			void *ctx, char *err, size_t errlen)
{
	struct ap_pg *pg = calloc(1, sizeof *pg);

	if (pg == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	pg->loop = loop;
	pg->log = log;
	pg->conf = conf;
	if (ev != NULL)
		pg->ev = *ev;
	pg->ctx = ctx;
	if (!target_set(pg, err, errlen)) {
		free(pg);
		return NULL;
	}
	ev_io_init(&pg->rd, read_cb, -1, EV_READ);
	ev_io_init(&pg->wr, write_cb, -1, EV_WRITE);
	ev_timer_init(&pg->timer, timer_cb, 0, 0);
	pg->rd.data = pg->wr.data = pg->timer.data = pg;
	timer_set(pg, 0);
	return pg;
}

bool ap_pg_is_up(const struct ap_pg *pg)
{
	return pg->state == UP && pg->doom[0] == '\0' && !pg->freed;
}

void ap_pg_conninfo_value(const char *conninfo, const char *keyword, const char *dflt, char *out, size_t cap)
{
	PQconninfoOption *all = PQconninfoParse(conninfo, NULL);

	snprintf(out, cap, "%s", dflt);
	for (const PQconninfoOption *p = all; p != NULL && p->keyword != NULL; p++)
		if (strcmp(p->keyword, keyword) == 0 && p->val != NULL && p->val[0] != '\0')
			snprintf(out, cap, "%s", p->val);
	PQconninfoFree(all);
}
