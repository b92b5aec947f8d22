/*
 * main_setup.c - what PostgreSQL is asked once a connection, once a partition's life, and now and then.
 *
 * After each connect: is the schema this program's, does the database belong to this data set. Never migrates.
 */
#include "main.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/io/migrate.h"

enum { SQL_MAX = 1 << 16, SLOW_MS = 30000 };

static const int64_t day_s = 86400;

static const char *value(const struct ap_pg_result *r, int row, int col)
{
	return row < PQntuples(r->res) ? PQgetvalue(r->res, row, col) : "";
}

/* --- once a connection ---------------------------------------------------------------------------------------- */

/* This will not get better by waiting. */
static void refuse(struct sink *s, const char *ev, const char *why)
{
	ap_log(&s->app.log, AP_ERROR, ev, KV_S("why", why), KV_S("next", "exit_100"));
	s->app.exit_code = AP_EX_MISTAKE;
	ev_break(s->app.loop, EVBREAK_ALL);
}

static void setup_later(struct sink *s, const char *why)
{
	unsigned n = s->setup_attempts < 16 ? s->setup_attempts++ : 16;

	if (n < 3 || n % 8 == 0)
		ap_log(&s->app.log, AP_WARN, "postgresql_not_ready", KV_S("why", why), KV_S("next", "ask_again"));
	s->job = JOB_NONE;
	s->setup_ns = ap_mono_ns() + (int64_t)(ap_backoff_s(&s->app.conf, n) * 1e9);
}

static void dataset_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (r->rc == AP_PG_LOST || s->job != JOB_SETUP)
		return;
	if (r->rc != AP_PG_OK) {
		setup_later(s, r->message);
		return;
	}
	if (strcmp(value(r, 0, 0), ap_redis_dataset(s->part[0].redis)) != 0) {
		refuse(s, "dataset_differs", "this database holds the rows of another data set");
		return;
	}
	s->job = JOB_NONE;
	s->setup_attempts = 0;
	s->pg_ready = true;
	ap_worker_ready(s->worker, true);
	ap_log(&s->app.log, AP_INFO, "postgresql_ready", KV_S("store", s->store->name), KV_I("schema", ap_schema_version()));
	sink_upkeep(s);
}

/* How our sessions are called: by worker. PostgreSQL cuts names at 63 bytes. */
static void session_name(const char *worker, char out[64])
{
	snprintf(out, 64, "ap-persist %.52s", worker);
}

static void session_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;
	char parts[16], name[64];
	const char *v[2] = { ap_redis_dataset(s->part[0].redis), parts }, *called = name;

	if (r->rc == AP_PG_LOST || s->job != JOB_SETUP)
		return;
	if (r->rc != AP_PG_OK) {
		setup_later(s, r->message);
		return;
	}
	snprintf(parts, sizeof parts, "%" PRIu64, s->app.conf.data_partitions);
	session_name(s->name, name);
	ap_pg_params(s->pg, NULL, NULL, SLOW_MS, "SELECT set_config('application_name', $1, false)", 1, NULL, &called, NULL, NULL, 0);
	ap_pg_params(s->pg, NULL, NULL, SLOW_MS, "INSERT INTO dataset (id, parts) VALUES ($1::uuid, $2::int) ON CONFLICT DO NOTHING", 2, NULL, v,
		     NULL, NULL, 0);
	ap_pg_exec(s->pg, dataset_cb, s, SLOW_MS, "SELECT id FROM dataset");
}

static void version_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;
	struct ap_buf sql;
	int have;

	if (r->rc == AP_PG_LOST || s->job != JOB_SETUP)
		return;
	have = r->rc == AP_PG_OK ? (int)strtol(value(r, 0, 0), NULL, 10) : 0;
	if (have < ap_schema_version()) {
		setup_later(s, r->rc == AP_PG_OK || strcmp(r->sqlstate, "42P01") == 0 ? "schema_old_or_missing_run_apctl_migrate" : r->message);
		return;
	}
	s->store = ap_store_find(ap_str_c(value(r, 0, 1)));
	if (have > ap_schema_version() || s->store == NULL) {
		refuse(s, "schema_newer", "the database's schema is newer than this program");
		return;
	}
	ap_buf_init(&sql, SQL_MAX);
	ap_buf_puts(&sql, "SET client_min_messages = warning; SET timezone = 'UTC'");
	for (enum ap_table t = 0; t < AP_T_N; t++) {
		ap_buf_puts(&sql, "; ");
		ap_table_twin_sql(&sql, t);
	}
	ap_buf_putc(&sql, '\0');
	assert(!sql.full);
	ap_pg_exec(s->pg, session_cb, s, SLOW_MS, (const char *)sql.p);
	ap_buf_done(&sql);
}

void sink_setup(struct sink *s)
{
	if (s->pg_ready || s->stopping || s->job != JOB_NONE || !ap_pg_is_up(s->pg) || *ap_redis_dataset(s->part[0].redis) == '\0' ||
	    ap_mono_ns() < s->setup_ns)
		return;
	s->job = JOB_SETUP;
	memset(s->known, 0, sizeof s->known);
	s->known_n = 0;
	ap_pg_exec(s->pg, version_cb, s, SLOW_MS,
		   "SELECT max(version), (array_agg(store ORDER BY version))[1] FROM schema_migrations");
}

/* --- once a partition's life -------------------------------------------------------------------------------------- */

static struct stream *stream_named(struct part *pt, const char *name)
{
	for (unsigned i = 0; i < MAP_STREAMS; i++)
		if (pt->st[i].on && strcmp(name, map_stream_name(i)) == 0)
			return &pt->st[i];
	return NULL;
}

static void load_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;
	struct part *pt = s->load;

	if (r->rc == AP_PG_LOST || s->job != JOB_LOAD)
		return;
	s->job = JOB_NONE;
	if (pt->phase != PH_LOAD || strcmp(pt->token, s->load_token) != 0) {
		sink_pump(s);
		return;
	}
	if (r->rc != AP_PG_OK) {
		part_forget(pt, r->message);
		sink_pump(s);
		return;
	}
	for (int i = 0; i < PQntuples(r->res); i++) {
		struct stream *st = stream_named(pt, PQgetvalue(r->res, i, 0));

		if (st == NULL)
			continue;
		if (!ap_id_parse(ap_str_c(PQgetvalue(r->res, i, 1)), &st->stored))
			st->stored = (ap_id){ 0, 0 };
		st->stored_q = strtoll(PQgetvalue(r->res, i, 2), NULL, 10);
	}
	part_loaded(pt);
	sink_pump(s);
}

/*
 * Whoever had this partition and did not give it up may be standing still in the middle of a transaction, and would hold what it
 * has locked until it goes on. Its session is ended; if it lives it connects anew and takes its cursors over again.
 */
static void end_before(struct sink *s, struct part *pt)
{
	char name[64];
	const char *v[1] = { name };

	if (pt->before[0] == '\0')
		return;
	session_name(pt->before, name);
	ap_pg_params(s->pg, NULL, NULL, SLOW_MS,
		     "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND usename = current_user "
		     "AND pid <> pg_backend_pid()", 1, NULL, v, NULL, NULL, 0);
	pt->before[0] = '\0';
}

/*
 * From here on only this token moves these cursors. The statement waits for a transaction of the owner before, if one
 * is under way, and sees what came of it.
 */
void sink_load(struct sink *s, struct part *pt)
{
	static const char sql[] =
		"INSERT INTO sink_cursors (dataset, partition, stream, last_id, q, token) "
		"SELECT $1::uuid, $2::int, n, '0-0', -1, $3 FROM unnest($4::text[]) AS n "
		"ON CONFLICT (dataset, partition, stream) DO UPDATE SET token = EXCLUDED.token RETURNING stream, last_id, q";
	char p[16], names[160] = "{";
	const char *v[4] = { ap_redis_dataset(s->part[0].redis), p, pt->token, names };

	snprintf(p, sizeof p, "%d", pt->p);
	for (unsigned i = 0; i < MAP_STREAMS; i++)
		if (pt->st[i].on) {
			size_t n = strlen(names);

			snprintf(names + n, sizeof names - n, "%s%s", n == 1 ? "" : ",", map_stream_name(i));
		}
	snprintf(names + strlen(names), sizeof names - strlen(names), "}");
	s->job = JOB_LOAD;
	s->load = pt;
	memcpy(s->load_token, pt->token, sizeof s->load_token);
	end_before(s, pt);
	ap_pg_params(s->pg, load_cb, s, SLOW_MS, sql, 4, NULL, v, NULL, NULL, 0);
}

/* --- now and then ---------------------------------------------------------------------------------------------------- */

static void upkeep_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;
	long dropped;

	if (r->rc == AP_PG_LOST || s->job != JOB_UPKEEP)
		return;
	s->job = JOB_NONE;
	if (r->rc == AP_PG_ERROR)
		ap_log(&s->app.log, AP_WARN, "upkeep_refused", KV_S("sqlstate", r->sqlstate), KV_S("why", r->message), KV_S("next", "again_later"));
	else if ((dropped = strtol(value(r, 0, 0), NULL, 10)) > 0)
		ap_log(&s->app.log, AP_INFO, "partitions_dropped", KV_I("dropped", dropped));
	sink_pump(s);
}

/* How long a table's rows are kept, in days; 0: for ever. */
static uint64_t keep_days(const struct ap_conf *c, enum ap_table t)
{
	if (t == AP_T_COMPONENT)
		return c->persist_metrics_days;
	return t == AP_T_MESSAGES || t == AP_T_NORMALIZED || t == AP_T_RESULTS ? c->persist_days : 0;
}

/* Makes today's and the next partitions ahead of the rows, and drops those that are past keeping. */
void sink_upkeep(struct sink *s)
{
	int64_t now_s = ap_ts_ms(ap_now()) / 1000;
	struct ap_buf sql;
	bool drops = false;

	if (!s->pg_ready || s->job != JOB_NONE || s->stopping)
		return;
	ap_buf_init(&sql, SQL_MAX);
	for (enum ap_table t = 0; t < AP_T_N && !s->store->hyper; t++)
		for (int k = 0; k < 3; k++) {
			s->store->ensure(&sql, t, now_s + k * (ap_table(t)->step == AP_STEP_DAY ? day_s : 28 * day_s));
			ap_buf_puts(&sql, "; ");
		}
	ap_buf_puts(&sql, "SELECT 0");
	for (enum ap_table t = 0; t < AP_T_N; t++) {
		int64_t days = (int64_t)keep_days(&s->app.conf, t);

		if (days == 0)
			continue;
		ap_buf_puts(&sql, " + (");
		s->store->drop(&sql, t, now_s - days * day_s);
		ap_buf_putc(&sql, ')');
		drops = true;
	}
	ap_buf_putc(&sql, '\0');
	assert(!sql.full);
	if (drops) {            /* the known ones may be gone */
		memset(s->known, 0, sizeof s->known);
		s->known_n = 0;
	}
	s->job = JOB_UPKEEP;
	ap_pg_exec(s->pg, upkeep_cb, s, SLOW_MS, (const char *)sql.p);
	ap_buf_done(&sql);
}
