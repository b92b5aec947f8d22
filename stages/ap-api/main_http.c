/*
 * main_http.c - HTTP/1.1 through libmicrohttpd, on our loop, in our thread.
 *
 * Its epoll descriptor is one ev_io, its time-out one ev_timer. An answer that needs PostgreSQL or ap-ingest suspends its
 * connection and resumes it when the answer is there. A request lives until libmicrohttpd says it is over, and it
 * cannot be over while it is suspended: so whoever still owes it something may hold a plain pointer.
 */
#include "main.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "asset.h"
#include "sha1.h"

enum {
	ANSWER_MAX = 64 * 1024 * 1024,
	CONN_MEMORY = 32 * 1024,        /* request line and headers: a request beyond is refused by the library */
	HEADER_S = 5,                   /* from connect to a complete header */
	IDLE_S = 30,                    /* between requests of a connection */
	DRAIN_MS = 500,                 /* for answers under way when stopping */
};

struct conn {
	MHD_socket fd;
	int64_t since_ns;               /* when it began to wait for a request; 0: a request is being answered, or upgraded */
	bool fresh;                     /* no request yet */
	struct conn *prev, *next;
};

struct req {
	struct api *api;
	struct MHD_Connection *c;
	struct api_match match;
	struct api_query query;
	char symbol[AP_SYMBOL_MAX + 1];
	struct ap_buf body;
	bool begun, suspended, ready;
	bool too_large;
	int status;
	struct ap_buf out;
	const char *type;
	const char *allow;              /* value of an Allow header, or NULL */
	char allow_text[32];
	bool retry;                     /* Retry-After, WWW… */
	struct api_post post;
	bool posted;
	ev_timer wait;
	struct req *prev, *next;        /* all requests under way */
};

struct api_http {
	struct api *api;
	struct MHD_Daemon *daemon;
	int listen_fd;
	ev_io io;
	ev_timer timer;
	struct conn *conns;
	struct req *reqs;
	uint32_t posts_waiting;
	bool resumed;           /* without a thread of its own the library does not notice by itself */
};

static const char json_type[] = "application/json";
static const char csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
			  "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* --- answers */

static ap_str header_of(struct MHD_Connection *c, const char *name)
{
	return ap_str_c(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

static void add(struct MHD_Response *r, const char *name, const char *value)
{
	if (MHD_add_response_header(r, name, value) == MHD_NO)
		abort();        /* out of memory in a dozen bytes */
}

/* Another origin that is on the list may read the answer. */
static void add_cors(struct req *q, struct MHD_Response *r)
{
	ap_str origin = header_of(q->c, "Origin");
	if (origin.p == NULL || !api_origin_ok(origin, ap_str_c(NULL), q->api->app.conf.api_origins))
		return;
	add(r, "Access-Control-Allow-Origin", origin.p);
	add(r, "Vary", "Origin");
	if (q->match.route == API_R_PROCESS) {
		add(r, "Access-Control-Allow-Methods", "POST");
		add(r, "Access-Control-Allow-Headers", "Content-Type");
	}
}

static enum MHD_Result queue(struct req *q, int status, struct MHD_Response *r)
{
	if (r == NULL)
		return MHD_NO;
	add(r, "X-Content-Type-Options", "nosniff");
	q->api->counts.http_requests_total++;
	if (status >= 400)
		q->api->counts.http_errors_total++;
	enum MHD_Result rc = MHD_queue_response(q->c, (unsigned)status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result send_text(struct req *q)
{
	if (q->out.full) {
		ap_buf_clear(&q->out);
		q->status = 500;
		api_answer_error(&q->out, "too_large", "the answer does not fit; ask for less", ap_now().ns);
	}
	struct MHD_Response *r = MHD_create_response_from_buffer(q->out.len, q->out.p, MHD_RESPMEM_MUST_COPY);
	if (r == NULL)
		return MHD_NO;
	q->api->counts.http_response_bytes_total += (double)q->out.len;
	if (q->type != NULL)
		add(r, "Content-Type", q->type);
	add(r, "Cache-Control", "no-store");
	if (q->allow != NULL)
		add(r, "Allow", q->allow);
	if (q->retry) {
		char s[16];
		snprintf(s, sizeof s, "%u", api_buckets_retry_s(&q->api->buckets));
		add(r, "Retry-After", s);
	}
	if (q->status == 426)
		add(r, "Sec-WebSocket-Version", "13");
	add_cors(q, r);
	return queue(q, q->status, r);
}

static void set_error(struct req *q, int status, const char *reason)
{
	static const struct { int status; const char *word; } words[] = {
		{ 400, "bad_request" }, { 403, "forbidden" }, { 404, "not_found" }, { 405, "method_not_allowed" },
		{ 413, "too_large" }, { 426, "upgrade_required" }, { 429, "too_many_requests" }, { 503, "unavailable" },
	};
	const char *word = "error";
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].status == status)
			word = words[i].word;
	ap_buf_clear(&q->out);
	q->status = status;
	q->type = json_type;
	q->retry |= status == 429 || status == 503;
	api_answer_error(&q->out, word, reason, ap_now().ns);
}

static enum MHD_Result send_error(struct req *q, int status, const char *reason)
{
	set_error(q, status, reason);
	return send_text(q);
}

/* The answer of a request that may be suspended is complete. */
static void ready(struct req *q)
{
	q->ready = true;
	if (q->suspended) {
		q->suspended = false;
		q->api->http->resumed = true;
		MHD_resume_connection(q->c);
	}
}

/* Either the answer is there already, or the connection sleeps until it is. */
static enum MHD_Result answer_or_sleep(struct req *q)
{
	if (q->ready)
		return send_text(q);
	q->suspended = true;
	MHD_suspend_connection(q->c);
	return MHD_YES;
}

/* --- routes */

static enum MHD_Result do_status(struct req *q)
{
	struct api_facts f;
	api_facts_now(q->api, &f);
	api_answer_status(&q->out, &q->api->pipe, &f);
	return send_text(q);
}

static void on_system(void *ctx, const char *json)
{
	struct req *q = ctx;
	struct api_facts f;
	if (json == NULL) {
		set_error(q, 503, "PostgreSQL is away");
	} else {
		api_facts_now(q->api, &f);
		api_answer_metrics(&q->out, &q->api->pipe, &f, json);
	}
	ready(q);
}

static enum MHD_Result do_metrics(struct req *q)
{
	if (!api_redis_up(q->api))
		return send_error(q, 503, "Redis is away");
	api_system_get(q->api, on_system, q);
	return answer_or_sleep(q);
}

static void on_stats(void *ctx, const char *json)
{
	struct req *q = ctx;
	if (json == NULL || json[0] == '\0')
		set_error(q, 503, json == NULL ? "PostgreSQL is away" : "PostgreSQL refused the query");
	else
		api_answer_stats(&q->out, json, ap_now().ns);
	ready(q);
}

static enum MHD_Result do_stats(struct req *q)
{
	api_stats_get(q->api, on_stats, q);
	return answer_or_sleep(q);
}

static void on_history(void *ctx, const struct api_history *h)
{
	struct req *q = ctx;
	struct api_facts f;
	if (h->series == NULL) {
		set_error(q, h->status, h->reason);
	} else {
		api_facts_now(q->api, &f);
		api_answer_data(&q->out, &q->api->model.names, h->series, h->tf, h->ring, q->query.limit, &f);
	}
	ready(q);
}

static void on_quotes(void *ctx, const struct api_quotes *r)
{
	struct req *q = ctx;
	if (r->bars == NULL)
		set_error(q, r->status, r->reason);
	else
		api_answer_quotes(&q->out, r->source, r->symbol, r->tf, r->last, r->bars, q->query.limit, ap_now().ns);
	ready(q);
}

/* The symbol of the path, canonical. False: an answer has been sent; *rc is it. */
static bool symbol_and_servers(struct req *q, enum MHD_Result *rc)
{
	char canon[AP_SYMBOL_MAX];
	size_t n = ap_symbol_canon(ap_str_c(q->query.source), q->match.param, canon);
	if (n == 0)
		*rc = send_error(q, 400, "symbol: 1 to 48 of A-Z 0-9 . _ - / are allowed");
	else if (!api_redis_up(q->api))
		*rc = send_error(q, 503, "Redis is away");
	else if (!q->api->pg_ready)
		*rc = send_error(q, 503, "PostgreSQL is away");
	else
		memcpy(q->symbol, canon, n);
	return q->symbol[0] != '\0';
}

static enum MHD_Result do_quotes(struct req *q)
{
	enum MHD_Result rc = MHD_NO;
	if (!symbol_and_servers(q, &rc))
		return rc;
	api_quotes_get(q->api, ap_str_c(q->query.source), ap_str_c(q->symbol), ap_str_c(q->query.timeframe), q->query.limit, on_quotes, q);
	return answer_or_sleep(q);
}

static enum MHD_Result do_data(struct req *q)
{
	enum MHD_Result rc = MHD_NO;
	if (!symbol_and_servers(q, &rc))
		return rc;
	api_history_get(q->api, ap_str_c(q->query.source), ap_str_c(q->symbol), ap_str_c(q->query.timeframe), q->query.limit,
			on_history, q);
	return answer_or_sleep(q);
}

static void finish_post(struct req *q)
{
	if (!q->posted || q->ready)
		return;
	ev_timer_stop(q->api->app.loop, &q->wait);
	q->api->http->posts_waiting--;
	api_ingest_forget(q->api, &q->post);
	q->status = api_answer_post(&q->out, &q->post, ap_now().ns);
	ready(q);
}

static void on_wait_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	finish_post(w->data);
}

/* Every message has ap-ingest's answer: now the wait for the pipeline begins. */
static void on_acked(void *ctx)
{
	struct req *q = ctx;
	bool all = true;
	for (uint32_t i = 0; i < q->post.n; i++) {
		const struct api_msg *m = &q->post.msg[i];
		all = all && m->state != API_MSG_SENT;
		const struct api_outcome *x = m->state == API_MSG_TAKEN ? api_outcomes_find(&q->api->outcomes, m->id, m->idx) : NULL;
		if (x != NULL)
			api_post_settle(&q->post, x);
	}
	if (q->post.pending == 0 || !all || q->query.wait_ms == 0) {
		finish_post(q);
		return;
	}
	ev_timer_stop(q->api->app.loop, &q->wait);
	ev_timer_set(&q->wait, q->query.wait_ms / 1000.0, 0.);
	ev_timer_start(q->api->app.loop, &q->wait);
}

void api_http_outcome(struct api *a, const struct api_outcome *x)
{
	if (a->http == NULL || a->http->posts_waiting == 0)
		return;
	api_outcomes_put(&a->outcomes, x);
	for (struct req *q = a->http->reqs, *next; q != NULL; q = next) {
		next = q->next;
		if (q->posted && !q->ready && api_post_settle(&q->post, x))
			finish_post(q);
	}
}

static enum MHD_Result do_process(struct req *q)
{
	char err[200];
	if (q->too_large) {
		snprintf(err, sizeof err, "the body is longer than %llu bytes", (unsigned long long)q->api->app.conf.api_body_max);
		return send_error(q, 413, err);
	}
	if (!api_post_parse(&q->post, ap_buf_view(&q->body), q->api->toks, AP_JSON_TOKS, err, sizeof err))
		return send_error(q, 400, err);
	if (!api_redis_up(q->api))
		return send_error(q, 503, "Redis is away");
	if (!q->api->pg_ready)
		return send_error(q, 503, "PostgreSQL is away");
	if (!api_ingest_send(q->api, &q->post, on_acked, q))
		return send_error(q, 503, "ap-ingest is away or has too much to do");
	q->posted = true;
	q->api->http->posts_waiting++;
	ev_init(&q->wait, on_wait_over);
	q->wait.data = q;
	ev_timer_set(&q->wait, (double)q->api->app.conf.runtime_command_ms / 1000, 0.);
	ev_timer_start(q->api->app.loop, &q->wait);
	return answer_or_sleep(q);
}

static enum MHD_Result do_series(struct req *q)
{
	struct api_facts f;
	api_facts_now(q->api, &f);
	api_answer_list(&q->out, &q->api->model, &f);
	return send_text(q);
}

static enum MHD_Result do_healthz(struct req *q)
{
	q->type = "text/plain; charset=utf-8";
	ap_buf_puts(&q->out, "ok\n");
	return send_text(q);
}

static enum MHD_Result do_readyz(struct req *q)
{
	if (api_tails_foreign(q->api))
		return send_error(q, 503, "Redis does not hold this data set: apctl status says what to do");
	if (!api_redis_up(q->api))
		return send_error(q, 503, "Redis is away");
	if (!q->api->pg_ready)
		return send_error(q, 503, "PostgreSQL is away");
	return do_healthz(q);
}

static enum MHD_Result do_prometheus(struct req *q)
{
	q->type = "text/plain; version=0.0.4; charset=utf-8";
	api_counts_text(&q->out, &q->api->counts);
	return send_text(q);
}

/* --- the page's files */

static const struct api_asset *asset_at(ap_str path)
{
	if (ap_str_is(path, "/"))
		path = ap_str_c("/index.html");
	for (size_t i = 0; i < api_assets_n; i++)
		if (ap_str_is(path, api_assets[i].path))
			return &api_assets[i];
	return NULL;
}

/* Whether a comma-separated header has this token ("gzip;q=0" is not told apart: nobody sends it to refuse a page). */
static bool has_token(ap_str list, const char *token)
{
	size_t n = strlen(token);
	for (size_t i = 0; i + n <= list.len; i++) {
		bool start = i == 0 || list.p[i - 1] == ',' || list.p[i - 1] == ' ';
		bool end = i + n == list.len || list.p[i + n] == ',' || list.p[i + n] == ' ' || list.p[i + n] == ';';
		if (start && end && strncasecmp(list.p + i, token, n) == 0)
			return true;
	}
	return false;
}

static enum MHD_Result send_asset(struct req *q, const struct api_asset *as)
{
	bool gz = as->gz_len > 0 && has_token(header_of(q->c, "Accept-Encoding"), "gzip");
	char etag[64];
	snprintf(etag, sizeof etag, "\"%s%s\"", as->etag, gz ? "-gz" : "");
	ap_str seen = header_of(q->c, "If-None-Match");
	bool same = seen.p != NULL && strstr(seen.p, etag) != NULL;
	size_t len = same ? 0 : gz ? as->gz_len : as->plain_len;
	union { const unsigned char *in; void *out; } bytes = { .in = gz ? as->gz : as->plain };  /* the library only reads */
	struct MHD_Response *r = MHD_create_response_from_buffer(len, bytes.out, MHD_RESPMEM_PERSISTENT);
	if (r == NULL)
		return MHD_NO;
	q->api->counts.http_response_bytes_total += (double)len;
	add(r, "Content-Type", as->type);
	add(r, "ETag", etag);
	add(r, "Cache-Control", "no-cache");
	add(r, "Vary", "Accept-Encoding");
	add(r, "Content-Security-Policy", csp);
	add(r, "Referrer-Policy", "no-referrer");
	if (gz && !same)
		add(r, "Content-Encoding", "gzip");
	return queue(q, same ? 304 : 200, r);
}

/* --- WebSocket */

static void on_upgraded(void *cls, struct MHD_Connection *c, void *con_cls, const char *extra, size_t extra_len,
			MHD_socket fd, struct MHD_UpgradeResponseHandle *urh)
{
	(void)c;
	(void)con_cls;
	api_ws_adopt(cls, fd, urh, extra, extra_len);
}

static enum MHD_Result do_ws(struct req *q)
{
	char accept[29];
	ap_str upgrade = header_of(q->c, "Upgrade"), version = header_of(q->c, "Sec-WebSocket-Version");
	if (!has_token(upgrade, "websocket") || !has_token(header_of(q->c, "Connection"), "upgrade"))
		return send_error(q, 426, "this is a WebSocket: ask with Upgrade: websocket");
	if (!ap_str_is(version, "13"))
		return send_error(q, 426, "Sec-WebSocket-Version: 13 is spoken here");
	if (!api_origin_ok(header_of(q->c, "Origin"), header_of(q->c, "Host"), q->api->app.conf.api_origins))
		return send_error(q, 403, "this Origin is not allowed (option api.origins)");
	if (!api_ws_accept(header_of(q->c, "Sec-WebSocket-Key"), accept))
		return send_error(q, 400, "Sec-WebSocket-Key: 16 bytes in base64 are expected");
	struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgraded, q->api);
	if (r == NULL)
		return MHD_NO;
	add(r, "Upgrade", "websocket");
	add(r, "Sec-WebSocket-Accept", accept);
	q->api->counts.http_requests_total++;
	enum MHD_Result rc = MHD_queue_response(q->c, MHD_HTTP_SWITCHING_PROTOCOLS, r);
	MHD_destroy_response(r);
	return rc;
}

/* --- requests */

static enum MHD_Result (*const handlers[API_R_N])(struct req *q) = {
	[API_R_STATUS] = do_status, [API_R_METRICS] = do_metrics, [API_R_DATA] = do_data, [API_R_PROCESS] = do_process,
	[API_R_SERIES] = do_series, [API_R_STATS] = do_stats, [API_R_QUOTES] = do_quotes, [API_R_WS] = do_ws, [API_R_HEALTHZ] = do_healthz, [API_R_READYZ] = do_readyz,
	[API_R_PROMETHEUS] = do_prometheus,
};

struct query_ctx {
	struct req *q;
	char err[200];
};

static enum MHD_Result on_query(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct query_ctx *x = cls;
	(void)kind;
	if (api_query_set(&x->q->query, x->q->match.route, ap_str_c(key), ap_str_c(value), x->err, sizeof x->err))
		return MHD_YES;
	return MHD_NO;
}

static enum MHD_Result count_lengths(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	unsigned *n = cls;
	(void)kind;
	(void)value;
	if (strcasecmp(key, "Content-Length") == 0)
		*n += 1;
	return MHD_YES;
}

/* Two lengths, or a length beside a transfer coding, are how requests are smuggled (RFC 9112 section 6.3). */
static bool framing_ok(struct MHD_Connection *c)
{
	unsigned lengths = 0;
	MHD_get_connection_values(c, MHD_HEADER_KIND, count_lengths, &lengths);
	return lengths <= 1 && (lengths == 0 || header_of(c, "Transfer-Encoding").p == NULL);
}

static bool within_rate(struct req *q)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(q->c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = i == NULL ? NULL : i->client_addr;
	const void *p = "";
	size_t n = 1;
	if (sa != NULL && sa->sa_family == AF_INET) {
		p = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		n = 4;
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		p = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		n = 8;          /* a household has a /64 */
	}
	if (api_buckets_take(&q->api->buckets, p, n, ap_mono_ns(), 1))
		return true;
	q->api->counts.http_limited_total++;
	return false;
}

static enum MHD_Result preflight(struct req *q)
{
	q->status = 204;
	q->type = NULL;
	return send_text(q);
}

static enum MHD_Result dispatch(struct req *q, const char *method, ap_str path)
{
	struct query_ctx x = { .q = q };
	ap_str origin = header_of(q->c, "Origin");
	if (!framing_ok(q->c))
		return send_error(q, 400, "Content-Length may stand once, and not beside Transfer-Encoding");
	if (!within_rate(q))
		return send_error(q, 429, "too many requests from this address (options api.rate and api.burst)");
	if (strcmp(method, "OPTIONS") == 0 && q->match.found && origin.p != NULL)
		return preflight(q);
	const struct api_asset *as = q->match.found ? NULL : asset_at(path);
	if (!q->match.found && ap_str_is(path, "/favicon.ico")) {
		q->status = 204;
		q->type = NULL;
		return send_text(q);
	}
	if (!q->match.found && as == NULL)
		return send_error(q, 404, "there is nothing at this path; /openapi.json lists what there is");
	if (!q->match.method_ok) {
		api_route_allow(q->match.methods, q->allow_text);
		q->allow = q->allow_text;
		return send_error(q, 405, "this path does not take this method");
	}
	if (as != NULL)
		return send_asset(q, as);
	if (q->match.route == API_R_PROCESS && !api_origin_ok(origin, header_of(q->c, "Host"), q->api->app.conf.api_origins))
		return send_error(q, 403, "this Origin is not allowed (option api.origins)");
	MHD_get_connection_values(q->c, MHD_GET_ARGUMENT_KIND, on_query, &x);
	if (x.err[0] != '\0')
		return send_error(q, 400, x.err);
	return handlers[q->match.route](q);
}

static struct req *req_new(struct api *a, struct MHD_Connection *c)
{
	struct req *q = calloc(1, sizeof *q);
	if (q == NULL)
		return NULL;
	q->api = a;
	q->c = c;
	q->status = 200;
	q->type = json_type;
	ap_buf_init(&q->out, ANSWER_MAX);
	ap_buf_init(&q->body, a->app.conf.api_body_max);
	api_query_init(&q->query);
	q->next = a->http->reqs;
	if (q->next != NULL)
		q->next->prev = q;
	a->http->reqs = q;
	return q;
}

static struct conn *conn_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return i == NULL ? NULL : i->socket_context;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **con_cls)
{
	struct api *a = cls;
	struct req *q = *con_cls;
	(void)version;
	if (q == NULL) {
		struct conn *k = conn_of(c);
		if (k != NULL) {
			k->since_ns = 0;
			k->fresh = false;
		}
		*con_cls = q = req_new(a, c);
		return q == NULL ? MHD_NO : MHD_YES;
	}
	if (*upload_size > 0) {
		ap_buf_put(&q->body, upload, *upload_size);
		q->too_large |= q->body.full;
		*upload_size = 0;
		return MHD_YES;
	}
	if (q->begun)
		return q->ready ? send_text(q) : MHD_YES;
	q->begun = true;
	q->match = api_route_match(ap_str_c(method), ap_str_c(url));
	return dispatch(q, method, ap_str_c(url));
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct api *a = cls;
	struct req *q = *con_cls;
	struct conn *k = conn_of(c);
	(void)why;
	if (k != NULL)
		k->since_ns = ap_mono_ns();
	if (q == NULL)
		return;
	*con_cls = NULL;
	if (q->posted && !q->ready) {
		ev_timer_stop(a->app.loop, &q->wait);
		a->http->posts_waiting--;
		api_ingest_forget(a, &q->post);
	}
	if (q->next != NULL)
		q->next->prev = q->prev;
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		a->http->reqs = q->next;
	api_post_done(&q->post);
	ap_buf_done(&q->body);
	ap_buf_done(&q->out);
	free(q);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct api *a = cls;
	struct conn *k = *socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
		k = calloc(1, sizeof *k);
		if (k == NULL || i == NULL) {
			free(k);
			return;
		}
		*k = (struct conn){ .fd = i->connect_fd, .since_ns = ap_mono_ns(), .fresh = true, .next = a->http->conns };
		if (k->next != NULL)
			k->next->prev = k;
		a->http->conns = k;
		*socket_context = k;
		a->counts.http_connections++;
		return;
	}
	if (k == NULL)
		return;
	if (k->next != NULL)
		k->next->prev = k->prev;
	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		a->http->conns = k->next;
	a->counts.http_connections--;
	*socket_context = NULL;
	free(k);
}

/* A header that trickles in is cut off after HEADER_S in all, whatever the time between its bytes. */
void api_http_second(struct api *a)
{
	int64_t now = ap_mono_ns();
	for (struct conn *k = a->http->conns; k != NULL; k = k->next) {
		int64_t most = (k->fresh ? HEADER_S : IDLE_S) * (int64_t)1000000000;
		if (k->since_ns != 0 && now - k->since_ns > most) {
			shutdown(k->fd, SHUT_RDWR);
			k->since_ns = 0;
		}
	}
}

/* --- the library on our loop */

static void run(struct api_http *h)
{
	MHD_run(h->daemon);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	run(w->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	run(w->data);
}

void api_http_wake(struct api *a)
{
	if (a->http != NULL)
		a->http->resumed = true;
}

void api_http_before_wait(struct api *a)
{
	struct api_http *h = a->http;
	MHD_UNSIGNED_LONG_LONG ms = 0;
	if (h->resumed) {
		h->resumed = false;
		run(h);
	}
	ev_timer_stop(a->app.loop, &h->timer);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES) {
		ev_timer_set(&h->timer, (double)ms / 1000, 0.);
		ev_timer_start(a->app.loop, &h->timer);
	}
}

static int listen_on(const char *text, char *err, size_t errlen)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int one = 1, fd;
	if (!api_addr_parse(text, &ss, &len)) {
		snprintf(err, errlen, "api.listen: \"%s\" is not a numeric host:port", text);
		return -1;
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 ||
	    bind(fd, (const struct sockaddr *)&ss, len) == -1 || listen(fd, 512) == -1) {
		snprintf(err, errlen, "api.listen: %s: %s", text, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	return fd;
}

bool api_http_start(struct api *a, char *err, size_t errlen)
{
	struct api_http *h = calloc(1, sizeof *h);
	if (h == NULL) {
		snprintf(err, errlen, "out of memory");
		return false;
	}
	h->api = a;
	h->listen_fd = listen_on(a->app.conf.api_listen, err, errlen);
	if (h->listen_fd == -1) {
		free(h);
		return false;
	}
	a->http = h;
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE, 0, NULL, NULL, on_request, a,
		MHD_OPTION_LISTEN_SOCKET, h->listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)a->app.conf.api_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)a->app.conf.api_connections_per_ip, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_END);
	const union MHD_DaemonInfo *i = h->daemon == NULL ? NULL : MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (i == NULL) {
		snprintf(err, errlen, "libmicrohttpd does not start");
		return false;
	}
	ev_io_init(&h->io, on_io, i->epoll_fd, EV_READ);
	ev_init(&h->timer, on_timer);
	h->io.data = h->timer.data = h;
	ev_io_start(a->app.loop, &h->io);
	ap_log(&a->app.log, AP_INFO, "listening", KV_S("addr", a->app.conf.api_listen));
	return true;
}

void api_http_stop(struct api *a)
{
	struct api_http *h = a->http;
	if (h == NULL)
		return;
	ev_io_stop(a->app.loop, &h->io);
	ev_timer_stop(a->app.loop, &h->timer);
	if (h->daemon != NULL) {
		for (struct req *q = h->reqs; q != NULL; q = q->next)
			if (q->suspended) {
				set_error(q, 503, "ap-api is stopping");
				ready(q);
			}
		int64_t end = ap_mono_ns() + DRAIN_MS * (int64_t)1000000;
		while (h->reqs != NULL && ap_mono_ns() < end)
			MHD_run_wait(h->daemon, 20);
		MHD_stop_daemon(h->daemon);
	}
	free(h);
	a->http = NULL;
}
