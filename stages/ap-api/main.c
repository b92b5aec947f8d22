/*
 * main.c - ap-api: the pipeline over HTTP, WebSocket and a page.
 *
 * Reads the ends of the streams and PostgreSQL, writes neither; what is posted goes to ap-ingest. Everything it knows it
 * can learn again, so it keeps no state and may be started and stopped at will.
 */
#include "main.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/timefmt.h"
#include "../../common/core/wire.h"

enum { METRIC_BACK_MS = 15000, METRIC_COUNT = 500, OUTCOMES = 8192 };

bool api_addr_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	char *end;
	if (colon == NULL || colon == text || colon[1] == '\0' || (size_t)(colon - text) >= sizeof host)
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535)
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	memset(out, 0, sizeof *out);
	size_t n = strlen(host);
	if (host[0] == '[' && host[n - 1] == ']') {
		struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)(void *)out;
		host[n - 1] = '\0';
		a6->sin6_family = AF_INET6;
		a6->sin6_port = htons((uint16_t)port);
		*len = sizeof *a6;
		return inet_pton(AF_INET6, host + 1, &a6->sin6_addr) == 1;
	}
	struct sockaddr_in *a4 = (struct sockaddr_in *)(void *)out;
	a4->sin_family = AF_INET;
	a4->sin_port = htons((uint16_t)port);
	*len = sizeof *a4;
	return inet_pton(AF_INET, host, &a4->sin_addr) == 1;
}

bool api_redis_up(const struct api *a)
{
	return ap_redis_set_is_up(a->ctl) && api_tails_up(a);
}

void api_facts_now(const struct api *a, struct api_facts *f)
{
	*f = (struct api_facts){
		.now_ns = ap_now().ns, .mono_ns = ap_mono_ns(), .started_ns = a->started_ns,
		.stale_ns = (int64_t)a->app.conf.api_stale_ms * 1000000, .redis_up = api_redis_up(a), .pg_up = a->pg_ready,
		.redis_foreign = api_tails_foreign(a),
		.lagging = api_tails_lagging(a), .clients = api_ws_clients(a),
	};
}

/* --- the poll: how far every stage is, once a second */

static int64_t count_of(const redisReply *r)
{
	if (r->type == REDIS_REPLY_STRING)
		return strtoll(r->str, NULL, 10);
	return r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
}

static void end_poll(struct api *a)
{
	if (a->poll.waiting > 0 && --a->poll.waiting > 0)
		return;
	if (a->poll.failed)
		return;
	for (unsigned p = 0; p < a->parts; p++)
		api_pipe_part(&a->pipe, a->poll.part[p].stream_n, a->poll.part[p].taken, a->poll.part[p].stored);
	api_pipe_round(&a->pipe, ap_mono_ns());
}

static void on_seq(void *ctx, const redisReply *reply)
{
	struct api_part_poll *p = ctx;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != AP_S_N + 1)
		p->api->poll.failed = true;
	else if (reply->element[AP_S_N]->type == REDIS_REPLY_NIL)
		api_tails_reset(p->api, "dataset_lost");       /* emptied under open connections */
	else
		for (unsigned s = 0; s < AP_S_N; s++)
			p->stream_n[s] = count_of(reply->element[s]);
	end_poll(p->api);
}

static void take_count(struct api_part_poll *p, enum api_stage s, const redisReply *reply)
{
	if (reply == NULL)
		p->api->poll.failed = true;
	else
		p->taken[s] = count_of(reply);
	end_poll(p->api);
}
static void on_normalize(void *ctx, const redisReply *reply)
{
	take_count(ctx, API_ST_NORMALIZE, reply);
}
static void on_candle(void *ctx, const redisReply *reply)
{
	take_count(ctx, API_ST_CANDLE, reply);
}
static void on_indicators(void *ctx, const redisReply *reply)
{
	take_count(ctx, API_ST_INDICATORS, reply);
}

static void poll_part(struct api *a, unsigned p)
{
	static const struct { const char *name; ap_reply_fn *fn; } stages[] = {
		{ "normalize", on_normalize }, { "candle", on_candle }, { "indicators", on_indicators },
	};
	char key[64], field[AP_S_N][24];
	const char *argv[3 + AP_S_N] = { "HMGET", key };
	struct ap_redis *ctl = ap_redis_set_part(a->ctl, p);
	snprintf(key, sizeof key, "ap:{%u}:seq", p);
	for (unsigned s = 0; s < AP_S_N; s++) {
		snprintf(field[s], sizeof field[s], "%s:n", ap_stream_name((enum ap_stream)s));
		argv[2 + s] = field[s];
	}
	argv[2 + AP_S_N] = "ds";
	a->poll.waiting += ap_redis_send(ctl, on_seq, &a->poll.part[p], 0, 3 + AP_S_N, argv, NULL);
	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
		const char *get[] = { "HGET", key, "n" };
		snprintf(key, sizeof key, "ap:{%u}:state:%s", p, stages[i].name);
		a->poll.waiting += ap_redis_send(ctl, stages[i].fn, &a->poll.part[p], 0, 3, get, NULL);
	}
}

/* ap-persist's cursors live in PostgreSQL. */
static void on_cursors(void *ctx, const struct ap_pg_result *r)
{
	struct api *a = ctx;
	for (unsigned p = 0; p < a->parts; p++)
		for (unsigned s = 0; s < AP_S_N; s++)
			a->poll.part[p].stored[s] = -1;
	for (int i = 0; r->rc == AP_PG_OK && i < PQntuples(r->res); i++) {
		unsigned long p = strtoul(PQgetvalue(r->res, i, 0), NULL, 10);
		enum ap_stream s;
		if (p < a->parts && ap_stream_by_name(ap_str_c(PQgetvalue(r->res, i, 1)), &s))
			a->poll.part[p].stored[s] = strtoll(PQgetvalue(r->res, i, 2), NULL, 10);
	}
	end_poll(a);
}

static void take_metrics(struct api *a, const redisReply *entry, int64_t now)
{
	struct ap_wire_iter it;
	struct ap_rec rec;
	const redisReply *f = entry->elements == 2 ? entry->element[1] : NULL;
	ap_str id = ap_reply_text(entry, 0), body = { 0 };
	uint32_t n = 0;
	if (f == NULL || f->type != REDIS_REPLY_ARRAY || id.len == 0 || id.len >= AP_ID_TEXT)
		return;
	memcpy(a->poll.metric_id, id.p, id.len);
	a->poll.metric_id[id.len] = '\0';
	for (size_t i = 0; i + 1 < f->elements; i += 2) {
		if (ap_str_is(ap_reply_text(f, i), "n"))
			n = (uint32_t)ap_reply_u64(f, i + 1, 0);
		if (ap_str_is(ap_reply_text(f, i), "b"))
			body = ap_reply_text(f, i + 1);
	}
	ap_wire_start(&it, body, n);
	while (ap_wire_next(&it, &rec) == AP_WIRE_OK)
		if (rec.kind == AP_METRIC)
			api_pipe_metric(&a->pipe, &rec.u.metric, now);
}

static void on_metrics(void *ctx, const redisReply *reply)
{
	struct api *a = ctx;
	int64_t now = ap_now().ns;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 || reply->element[0]->elements != 2)
		return;
	const redisReply *entries = reply->element[0]->element[1];
	for (size_t i = 0; i < entries->elements; i++)
		take_metrics(a, entries->element[i], now);
}

static void read_metrics(struct api *a)
{
	char count[16];
	if (a->poll.metric_id[0] == '\0')
		snprintf(a->poll.metric_id, AP_ID_TEXT, "%lld-0", (long long)(ap_now().ns / 1000000 - METRIC_BACK_MS));
	snprintf(count, sizeof count, "%d", METRIC_COUNT);
	const char *argv[] = { "XREAD", "COUNT", count, "STREAMS", "ap:metric", a->poll.metric_id };
	ap_redis_send(a->metric, on_metrics, a, 0, 6, argv, NULL);
}

static void poll(struct api *a)
{
	if (a->poll.waiting > 0)
		return;         /* the last one is still under way */
	a->poll.failed = false;
	a->poll.waiting = 1;    /* our own hold until everything is sent */
	if (ap_redis_set_is_up(a->ctl)) {
		for (unsigned p = 0; p < a->parts; p++)
			poll_part(a, p);
		read_metrics(a);
	} else {
		a->poll.failed = true;
	}
	char sql[128];
	const char *id = ap_redis_dataset(ap_redis_set_home(a->ctl));
	snprintf(sql, sizeof sql, "SELECT partition, stream, records FROM sink_cursors WHERE dataset = '%.36s'", id);
	if (id[0] != '\0' && strspn(id, "0123456789abcdefABCDEF-") == strlen(id) && a->pg_ready)
		a->poll.waiting += ap_pg_exec(a->pg, on_cursors, a, 0, sql);
	end_poll(a);
}

/* --- timers, readiness, start and stop */

static void on_second(struct ev_loop *loop, ev_timer *w, int events)
{
	struct api *a = w->data;
	(void)loop;
	(void)events;
	a->counts.model_series = a->model.n;
	a->counts.model_candles = (double)a->model.bars_n;
	a->counts.model_evicted_candles_total = (double)a->model.evicted_bars;
	a->counts.model_evicted_series_total = (double)a->model.evicted_series;
	poll(a);
	api_http_second(a);
	api_ws_second(a);
}

static void on_before_wait(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct api *a = w->data;
	(void)loop;
	(void)events;
	if (a->stopping)
		return;
	api_ws_flush(a);
	api_http_before_wait(a);
}

static void collect(void *ctx, struct ap_metrics *m)
{
	struct api *a = ctx;
	struct api_count_row r;
	for (size_t i = 0; api_counts_at(&a->counts, i, &r); i++)
		ap_metrics_add(m, r.name, "", r.type, r.value);
}

static bool start(struct api *a, char *err, size_t errlen)
{
	const struct ap_conf *c = &a->app.conf;
	a->parts = (unsigned)c->data_partitions;
	a->started_ns = ap_now().ns;
	a->toks = calloc(AP_JSON_TOKS, sizeof *a->toks);
	a->poll.part = calloc(a->parts, sizeof *a->poll.part);
	if (a->toks == NULL || a->poll.part == NULL ||
	    !api_model_init(&a->model, (uint32_t)c->api_series_max, c->api_candles_max) ||
	    !api_outcomes_init(&a->outcomes, OUTCOMES) ||
	    !api_buckets_init(&a->buckets, (double)c->api_rate, (double)c->api_burst) || !api_ws_start(a)) {
		snprintf(err, errlen, "out of memory");
		return false;
	}
	api_pipe_init(&a->pipe);
	for (unsigned p = 0; p < a->parts; p++) {
		a->poll.part[p].api = a;
		memset(a->poll.part[p].stream_n, 0xff, sizeof a->poll.part[p].stream_n);
		memset(a->poll.part[p].taken, 0xff, sizeof a->poll.part[p].taken);
		memset(a->poll.part[p].stored, 0xff, sizeof a->poll.part[p].stored);
	}
	a->ctl = ap_redis_set_new(a->app.loop, &a->app.log, c, AP_REDIS_DATASET, NULL, NULL, err, errlen);
	if (a->ctl != NULL)
		a->metric = ap_redis_new_key(a->app.loop, &a->app.log, c, AP_REDIS_PRIMARY, "ap:metric", NULL, NULL, err, errlen);
	if (a->metric == NULL)
		return false;
	a->metrics = ap_metrics_new(a->app.loop, &a->app.log, c, a->metric, "ap-api", NULL, collect, a);
	return api_pg_start(a, err, errlen) && api_tails_start(a, err, errlen) && api_ingest_start(a, err, errlen) &&
		api_http_start(a, err, errlen);
}

static void on_stop(struct ap_app *app)
{
	struct api *a = api_of(app);
	ap_app_notify(app, "STOPPING=1");
	ev_timer_stop(app->loop, &a->second);
	a->stopping = true;
	api_ws_stop(a);
	api_http_stop(a);
	ev_break(app->loop, EVBREAK_ALL);
}

static void stop(struct api *a)
{
	api_tails_stop(a);
	api_ingest_stop(a);
	if (a->metrics != NULL)
		ap_metrics_free(a->metrics);
	if (a->pg != NULL)
		ap_pg_free(a->pg);
	ap_redis_free(a->metric);
	ap_redis_set_free(a->ctl);
	api_pipe_done(&a->pipe);
	api_outcomes_done(&a->outcomes);
	api_buckets_done(&a->buckets);
	api_model_done(&a->model);
	free(a->poll.part);
	free(a->toks);
}

int main(int argc, char **argv)
{
	static const struct ap_app_spec spec = {
		.name = "ap-api",
		.summary = "serves candles, indicators and the pipeline's state over HTTP, WebSocket and a page",
		.sections = "data redis pg log runtime metrics api",
	};
	static struct api a;
	char err[300] = "";
	int rc = ap_app_init(&a.app, &spec, argc, argv);
	if (rc != -1)
		return rc;
	a.app.ctx = &a;
	a.app.on_stop = on_stop;
	if (!start(&a, err, sizeof err)) {
		ap_log(&a.app.log, AP_ERROR, "start_failed", KV_S("why", err), KV_S("next", "exit"));
		return AP_EX_MISTAKE;
	}
	ev_timer_init(&a.second, on_second, 0.2, 1.);
	ev_prepare_init(&a.before_wait, on_before_wait);
	a.second.data = a.before_wait.data = &a;
	ev_timer_start(a.app.loop, &a.second);
	ev_prepare_start(a.app.loop, &a.before_wait);
	ap_app_notify(&a.app, "READY=1");
	rc = ap_app_run(&a.app);
	stop(&a);
	ap_app_done(&a.app);
	return rc;
}
