/*
 * cmd_migrate.c - makes the servers fit for the pipeline: database and schema, Redis functions, the
 * identity of the data set in both. Running it again changes nothing.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/io/fn_load.h"
#include "../../common/io/migrate.h"
#include "../../common/io/pg.h"

/*
 * A server that answers but lacks the database gets it, if this user may make one. Whatever else is wrong
 * is reported by ap_migrate, which looks next.
 */
static void make_database(const struct ctl *c)
{
	char name[128], user[128], host[256], port[32], sql[300];
	ap_pg_conninfo_value(c->app.conf.pg_conninfo, "dbname", "alphapulse", name, sizeof name);
	ap_pg_conninfo_value(c->app.conf.pg_conninfo, "user", "", user, sizeof user);
	ap_pg_conninfo_value(c->app.conf.pg_conninfo, "host", "127.0.0.1", host, sizeof host);
	ap_pg_conninfo_value(c->app.conf.pg_conninfo, "port", "5432", port, sizeof port);
	const char *keys[] = { "host", "port", "user", "dbname", "connect_timeout", NULL };
	const char *vals[] = { host, port, user, "postgres", "3", NULL };
	PGconn *pg = PQconnectdbParams(keys, vals, 0);
	if (PQstatus(pg) == CONNECTION_OK) {
		const char *par[] = { name };
		PGresult *r = PQexecParams(pg, "SELECT 1 FROM pg_database WHERE datname = $1", 1, NULL, par, NULL, NULL, 0);
		char *quoted = PQescapeIdentifier(pg, name, strlen(name));
		if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 0 && quoted != NULL) {
			snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'UTF8' TEMPLATE template0", quoted);
			PQclear(PQexec(pg, sql));
		}
		PQfreemem(quoted);
		PQclear(r);
	}
	PQfinish(pg);
}

/* --- Redis, on the loop because fn_load.c is --- */
struct prep {
	struct ctl *c;
	struct ap_redis *r;
	ev_timer deadline;
	const char *why;        /* what went wrong; NULL: nothing so far */
	char id[64];
	const char *make_id;    /* of a data set to be made; NULL: a new one */
	bool identity;          /* the data set's too, not only the functions */
	bool done;
};

static void prep_end(struct prep *p, const char *why)
{
	p->why = why;
	p->done = why == NULL;
	ev_break(p->c->app.loop, EVBREAK_ALL);
}

static void got_id(void *ctx, const redisReply *reply)
{
	struct prep *p = ctx;
	if (reply != NULL && reply->type == REDIS_REPLY_STRING)
		snprintf(p->id, sizeof p->id, "%s", reply->str);
	prep_end(p, p->id[0] != '\0' ? NULL : "no_identity");
}

static void dataset_done(void *ctx, const char *why)
{
	struct prep *p = ctx;
	if (why != NULL || !ap_redis_sendf(p->r, got_id, p, "HGET ap:dataset id"))
		prep_end(p, why != NULL ? why : "connection_lost");
}

static void functions_done(void *ctx, const char *why)
{
	struct prep *p = ctx;
	if (why == NULL && !p->identity)
		prep_end(p, NULL);
	else if (why != NULL || !ap_dataset_ensure(p->r, (unsigned)p->c->app.conf.data_partitions, p->make_id, dataset_done, p))
		prep_end(p, why != NULL ? why : "connection_lost");
}

static void redis_up(void *ctx)
{
	struct prep *p = ctx;
	if (!ap_fn_load(p->r, functions_done, p))
		prep_end(p, "connection_lost");
}

static void redis_down(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;      /* it tries again by itself until the deadline */
}

static void late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	prep_end(w->data, "no Redis answers");
}

/* The functions alone (id == NULL), or the identity too: made with make_id where there is none. */
static int prepare_redis(struct ctl *c, const char *make_id, char *id)
{
	static const struct ap_redis_events events = { redis_up, redis_down };
	struct prep p = { .c = c, .make_id = make_id, .identity = id != NULL };
	char err[300];
	p.r = ap_redis_new(c->app.loop, &c->app.log, &c->app.conf, AP_REDIS_PRIMARY, &events, &p, err, sizeof err);
	if (p.r == NULL)
		return ctl_fail(AP_EX_MISTAKE, "%s", err);
	ev_timer_init(&p.deadline, late, 10.0, 0.0);
	p.deadline.data = &p;
	ev_timer_start(c->app.loop, &p.deadline);
	ev_run(c->app.loop, 0);
	ev_timer_stop(c->app.loop, &p.deadline);
	ap_redis_free(p.r);
	if (id != NULL)
		snprintf(id, 64, "%s", p.id);
	if (p.done)
		return 0;
	if (p.why != NULL && strcmp(p.why, "other_partitions") == 0)
		return ctl_fail(AP_EX_MISTAKE, "the data set at %s was made for another number of partitions than data.partitions = %llu",
				c->app.conf.redis_url, (unsigned long long)c->app.conf.data_partitions);
	if (p.why != NULL && strcmp(p.why, "dataset_missing") == 0)
		return ctl_fail(AP_EX_MISTAKE, "the Redis at %s holds streams but no identity (ap:dataset): a wrong or half-emptied server",
				c->app.conf.redis_url);
	if (p.why != NULL && strncmp(p.why, "partition_", 10) == 0)
		return ctl_fail(AP_EX_MISTAKE, "%s: a partition at %s does not carry the data set's id: its server was emptied, or is another one",
				p.why, c->app.conf.redis_url);
	return ctl_fail(AP_EX_AGAIN, "Redis at %s: %s", c->app.conf.redis_url, p.why != NULL ? p.why : "interrupted");
}

/* The same identity in PostgreSQL, written once. */
static int mirror_identity(const struct ctl *c, const char *id)
{
	char parts[24];
	PGconn *pg = ctl_pg(c);
	if (pg == NULL)
		return AP_EX_AGAIN;
	snprintf(parts, sizeof parts, "%llu", (unsigned long long)c->app.conf.data_partitions);
	const char *par[] = { id, parts };
	PGresult *w = PQexecParams(pg, "INSERT INTO dataset (id, parts) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2, NULL, par, NULL, NULL, 0);
	PGresult *r = PQexec(pg, "SELECT id FROM dataset");
	int rc = 0;
	if (PQresultStatus(w) != PGRES_COMMAND_OK || PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
		rc = ctl_fail(AP_EX_AGAIN, "the data set's identity cannot be kept in PostgreSQL: %s", PQerrorMessage(pg));
	else if (strcmp(PQgetvalue(r, 0, 0), id) != 0)
		rc = ctl_fail(AP_EX_MISTAKE, "Redis holds data set %s, PostgreSQL %s: one of them is the wrong server, or one was emptied",
			      id, PQgetvalue(r, 0, 0));
	PQclear(w);
	PQclear(r);
	PQfinish(pg);
	return rc;
}

/*
 * PostgreSQL is to belong to another data set from now on: the one that Redis holds, or one that is made next. Rows stay, they meet
 * the new ones on the natural keys. A running ap-persist would go on writing for the old one.
 */
static int forget_identity(PGconn *pg, struct ctl_dataset *d)
{
	if (d->state == CTL_DS_SAME || d->state == CTL_DS_REBUILDING || d->state == CTL_DS_PART_EMPTY)
		return ctl_fail(AP_EX_MISTAKE, "Redis and PostgreSQL hold the same data set %s: empty Redis first if it is to end here", d->pg_id);
	PGresult *r = PQexec(pg, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'ap-persist%'");
	const bool busy = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), "0") != 0;
	PQclear(r);
	if (busy)
		return ctl_fail(AP_EX_MISTAKE, "ap-persist is connected: end the pipeline before a new data set begins");
	r = PQexec(pg, "DELETE FROM dataset");
	const bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	if (!ok)
		return ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(pg));
	fprintf(stderr, "apctl: data set %s ends here; move its journals away before ap-ingest starts\n", d->pg_id);
	d->pg_id[0] = '\0';
	d->state = d->redis_id[0] != '\0' ? CTL_DS_REDIS_ONLY : CTL_DS_FRESH;
	return 0;
}

/* A Redis that is empty, or another one's, is never begun anew in silence. */
static int judge_identity(struct ctl *c, char make_id[40])
{
	struct ctl_dataset d;
	char text[1200] = "";
	redisContext *r = ctl_redis(c);
	PGconn *pg = r != NULL ? ctl_pg(c) : NULL;
	int rc = pg != NULL ? 0 : AP_EX_AGAIN;
	if (rc == 0 && !ctl_dataset_look(c, r, pg, &d))
		rc = ctl_fail(AP_EX_AGAIN, "the data set's identity cannot be read");
	if (rc == 0 && ctl_flag(c, "new-dataset", NULL) != NULL)
		rc = forget_identity(pg, &d);
	if (rc == 0 && d.state != CTL_DS_REBUILDING && ctl_dataset_say(c, &d, text, sizeof text) > 0)
		rc = ctl_fail(AP_EX_MISTAKE, "%s", text);
	if (rc == 0)
		snprintf(make_id, 40, "%s", d.pg_id);
	PQfinish(pg);
	if (r != NULL)
		redisFree(r);
	return rc;
}

int cmd_migrate(struct ctl *c)
{
	struct ap_migrate_report rep;
	char id[64], make_id[40] = "";
	make_database(c);
	enum ap_migrate_rc m = ap_migrate(&c->app.conf, false, &rep);
	if (m != AP_MIGRATE_OK)
		return ctl_fail(m == AP_MIGRATE_AWAY ? AP_EX_AGAIN : AP_EX_MISTAKE, "PostgreSQL: %s", rep.err);
	int rc = prepare_redis(c, NULL, NULL);
	if (rc == 0)
		rc = judge_identity(c, make_id);
	if (rc == 0)
		rc = prepare_redis(c, make_id[0] != '\0' ? make_id : NULL, id);
	if (rc == 0)
		rc = mirror_identity(c, id);
	if (rc == 0)
		printf("schema %d (was %d), functions loaded, data set %s with %llu partitions\n", rep.to, rep.from, id,
		       (unsigned long long)c->app.conf.data_partitions);
	return rc;
}
