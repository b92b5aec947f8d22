/*
 * migrate.c - numbered SQL files, each applied once, in order, under a lock.
 *
 * Knows no table but its own, schema_migrations. What the files hold is the business of schema/.
 */
#include "migrate.h"

#include "secret.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { SQL_MAX = 1 << 20, LOCK_KEY = 0x61706d69 };

static const char boot_sql[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, store text NOT NULL, "
	"applied_at timestamptz NOT NULL DEFAULT now())";

struct mig {
	PGconn *c;
	struct ap_migrate_report *rep;
};

int ap_schema_version(void)
{
	return ap_schema_files[ap_schema_files_n - 1].version;
}

static enum ap_migrate_rc refuse(struct mig *m, const char *what)
{
	const char *why = PQerrorMessage(m->c);

	snprintf(m->rep->err, sizeof m->rep->err, "%s: %.*s", what, (int)strcspn(why, "\n"), why);
	return PQstatus(m->c) == CONNECTION_BAD ? AP_MIGRATE_AWAY : AP_MIGRATE_REFUSED;
}

/* "relation exists, skipping" and its like: not news. */
static void no_notice(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* The first value of a query's first row into out (cut), or "". False: the query failed. */
static bool ask(struct mig *m, const char *sql, char *out, size_t cap)
{
	PGresult *r = PQexec(m->c, sql);
	ExecStatusType st = PQresultStatus(r);

	if (out != NULL) {
		out[0] = '\0';
		if (st == PGRES_TUPLES_OK && PQntuples(r) > 0)
			snprintf(out, cap, "%s", PQgetvalue(r, 0, 0));
	}
	PQclear(r);
	return st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK;
}

static void checksum(const struct ap_schema_file *f, char out[17])
{
	snprintf(out, 17, "%016" PRIx64, (uint64_t)XXH64(f->text, f->len, 0));
}

/* What was applied before must be what this program has: a changed file would leave two kinds of database. */
static enum ap_migrate_rc check_applied(struct mig *m)
{
	PGresult *r = PQexec(m->c, "SELECT version, checksum, store FROM schema_migrations ORDER BY version");
	enum ap_migrate_rc rc = AP_MIGRATE_OK;

	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		PQclear(r);
		return refuse(m, "reading schema_migrations");
	}
	for (int i = 0; i < PQntuples(r) && rc == AP_MIGRATE_OK; i++) {
		int v = (int)strtol(PQgetvalue(r, i, 0), NULL, 10);
		char sum[17];

		m->rep->from = v;
		m->rep->store = ap_store_find(ap_str_c(PQgetvalue(r, i, 2)));
		if (v > ap_schema_version()) {
			snprintf(m->rep->err, sizeof m->rep->err,
				 "the database has schema %d, this program knows %d: use the newer program", v, ap_schema_version());
			rc = AP_MIGRATE_REFUSED;
			continue;
		}
		for (size_t k = 0; k < ap_schema_files_n; k++) {
			if (ap_schema_files[k].version != v)
				continue;
			checksum(&ap_schema_files[k], sum);
			if (strcmp(sum, PQgetvalue(r, i, 1)) != 0) {
				snprintf(m->rep->err, sizeof m->rep->err,
					 "schema file %s is not the one that was applied", ap_schema_files[k].name);
				rc = AP_MIGRATE_REFUSED;
			}
		}
	}
	PQclear(r);
	return rc;
}

static bool has_relation(const struct ap_schema_file *f, const char *table)
{
	char needle[96];

	snprintf(needle, sizeof needle, "CREATE TABLE %s (", table);
	return memmem(f->text, f->len, needle, strlen(needle)) != NULL;
}

static enum ap_migrate_rc apply(struct mig *m, const struct ap_schema_file *f)
{
	struct ap_buf b;
	char sum[17];
	enum ap_migrate_rc rc = AP_MIGRATE_OK;

	checksum(f, sum);
	ap_buf_init(&b, SQL_MAX);
	ap_buf_puts(&b, "BEGIN;\n");
	ap_store_schema(m->rep->store, &b, ap_str_n(f->text, f->len));
	for (enum ap_table t = 0; t < AP_T_N; t++)
		if (has_relation(f, ap_table(t)->name))
			m->rep->store->adopt(&b, ap_table(t));
	ap_buf_printf(&b, "INSERT INTO schema_migrations (version, name, checksum, store) VALUES (%d, '%s', '%s', '%s');\nCOMMIT",
		      f->version, f->name, sum, m->rep->store->name);
	ap_buf_putc(&b, '\0');
	if (b.full) {
		snprintf(m->rep->err, sizeof m->rep->err, "no memory for schema file %s", f->name);
		rc = AP_MIGRATE_AWAY;
	} else if (!ask(m, (const char *)b.p, NULL, 0)) {
		rc = refuse(m, f->name);
		ask(m, "ROLLBACK", NULL, 0);
	} else {
		m->rep->to = f->version;
	}
	ap_buf_done(&b);
	return rc;
}

/* The store is chosen once, when the first table is made. */
static enum ap_migrate_rc choose_store(struct mig *m)
{
	char name[32];

	if (m->rep->store != NULL)
		return AP_MIGRATE_OK;
	if (!ask(m, ap_store_detect_sql, name, sizeof name))
		return refuse(m, "looking for TimescaleDB");
	m->rep->store = ap_store_find(ap_str_c(name));
	if (m->rep->store == NULL)
		return refuse(m, "unknown store");
	if (m->rep->store->hyper && !ask(m, "CREATE EXTENSION IF NOT EXISTS timescaledb", NULL, 0))
		return refuse(m, "CREATE EXTENSION timescaledb");
	return AP_MIGRATE_OK;
}

static enum ap_migrate_rc run_locked(struct mig *m, bool dry)
{
	char there[8];
	enum ap_migrate_rc rc;

	if (!ask(m, "SELECT to_regclass('schema_migrations') IS NOT NULL", there, sizeof there))
		return refuse(m, "looking for schema_migrations");
	if (there[0] != 't' && dry)
		return choose_store(m);
	if (there[0] != 't' && !ask(m, boot_sql, NULL, 0))
		return refuse(m, "creating schema_migrations");
	rc = check_applied(m);
	m->rep->to = m->rep->from;
	if (rc != AP_MIGRATE_OK)
		return rc;
	rc = choose_store(m);
	for (size_t i = 0; i < ap_schema_files_n && rc == AP_MIGRATE_OK && !dry; i++)
		if (ap_schema_files[i].version > m->rep->from)
			rc = apply(m, &ap_schema_files[i]);
	return rc;
}

/* NULL: the reason is in rep->err. A connection that failed is returned as it is. */
static PGconn *open_conn(const struct ap_conf *conf, struct ap_migrate_report *rep)
{
	char password[512], wait_s[24];
	uint64_t s = (conf->runtime_connect_ms + 999) / 1000;
	const char *keys[] = { "dbname", "password", "connect_timeout", "application_name", NULL };
	const char *vals[] = { conf->pg_conninfo, password, wait_s, "alphapulse-migrate", NULL };
	PGconn *c;

	if (!ap_secret_read(conf->pg_password_file, password, sizeof password)) {
		snprintf(rep->err, sizeof rep->err, "pg.password_file %s cannot be read, or is empty", conf->pg_password_file);
		return NULL;
	}
	if (password[0] == '\0')
		vals[1] = NULL;
	snprintf(wait_s, sizeof wait_s, "%" PRIu64, s < 2 ? 2 : s);
	c = PQconnectdbParams(keys, vals, 1);
	explicit_bzero(password, sizeof password);
	return c;
}

enum ap_migrate_rc ap_migrate(const struct ap_conf *conf, bool dry, struct ap_migrate_report *rep)
{
	struct mig m = { .rep = rep };
	char lock[96], got[8];
	enum ap_migrate_rc rc;

	*rep = (struct ap_migrate_report){ 0 };
	m.c = open_conn(conf, rep);
	if (m.c == NULL)
		return AP_MIGRATE_REFUSED;
	if (PQstatus(m.c) != CONNECTION_OK) {
		refuse(&m, "connecting");
		PQfinish(m.c);
		return AP_MIGRATE_AWAY;
	}
	PQsetNoticeProcessor(m.c, no_notice, NULL);
	snprintf(lock, sizeof lock, "SELECT pg_advisory_lock(%d)", LOCK_KEY);
	rc = ask(&m, lock, got, sizeof got) ? run_locked(&m, dry) : refuse(&m, "taking the migration lock");
	PQfinish(m.c);
	return rc;
}
