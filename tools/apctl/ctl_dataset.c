/*
 * ctl_dataset.c - whose rows and whose streams these are: the identity in Redis beside the one in PostgreSQL.
 *
 * Looks and judges; what is to be done about it is the verbs' business.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy(char *out, size_t cap, const char *text)
{
	(void)snprintf(out, cap, "%s", text != NULL ? text : "");
}

static void look_part(const struct ctl *c, redisContext *r, unsigned p, struct ctl_dataset *d)
{
	redisReply *a = ctl_key(c, r, "HGET ap:{%u}:seq ds", p);

	if (a != NULL && a->type == REDIS_REPLY_NIL)
		d->parts_empty++;
	if (a != NULL && a->type == REDIS_REPLY_STRING) {
		d->part_ids = d->part_ids || (d->part_id[0] != '\0' && strcmp(d->part_id, a->str) != 0);
		copy(d->part_id, sizeof d->part_id, a->str);
	}
	freeReplyObject(a);
}

static bool look_redis(const struct ctl *c, redisContext *r, struct ctl_dataset *d)
{
	static const char *const names[] = { "raw", "tick", "reject", "candle" };
	redisReply *h = ctl_key(c, r, "HGETALL ap:dataset");
	const bool ok = h != NULL && h->type == REDIS_REPLY_ARRAY;

	if (ok) {
		copy(d->redis_id, sizeof d->redis_id, ctl_hash(h, "id"));
		d->redis_parts = ctl_hash_u64(h, "parts");
		d->rebuilding = ctl_hash(h, "rebuilding") != NULL;
		d->marked = ctl_hash(h, "marked") != NULL;
	}
	freeReplyObject(h);
	for (unsigned p = 0; ok && p < c->app.conf.data_partitions; p++) {
		look_part(c, r, p, d);
		for (size_t i = 0; i < sizeof names / sizeof names[0] && !d->streams; i++) {
			redisReply *n = ctl_key(c, r, "XLEN ap:{%u}:%s", p, names[i]);

			/* A stream without an entry is one that a group was made on. */
			d->streams = n != NULL && n->type == REDIS_REPLY_INTEGER && n->integer > 0;
			freeReplyObject(n);
		}
	}
	return ok;
}

static bool look_pg(PGconn *pg, struct ctl_dataset *d)
{
	PGresult *r = PQexec(pg, "SELECT d.id, d.parts, EXISTS (SELECT FROM sink_cursors c WHERE c.dataset = d.id AND c.partition >= 0 AND c.q > 0), "
				 "to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM dataset d");
	const bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

	if (ok && PQntuples(r) == 1) {
		copy(d->pg_id, sizeof d->pg_id, PQgetvalue(r, 0, 0));
		d->pg_parts = strtoull(PQgetvalue(r, 0, 1), NULL, 10);
		d->pg_rows = PQgetvalue(r, 0, 2)[0] == 't';
		copy(d->created, sizeof d->created, PQgetvalue(r, 0, 3));
	}
	PQclear(r);
	return ok;
}

/* Some of it is there and is PostgreSQL's, and some is gone. */
static bool part_empty(const struct ctl_dataset *d)
{
	const bool name = d->redis_id[0] != '\0';

	if (d->part_ids || (d->part_id[0] != '\0' && strcmp(d->part_id, d->pg_id) != 0))
		return false;
	return name ? d->marked && d->parts_empty > 0 : d->part_id[0] != '\0';
}

bool ctl_dataset_look(const struct ctl *c, redisContext *r, PGconn *pg, struct ctl_dataset *d)
{
	*d = (struct ctl_dataset){ .state = CTL_DS_FRESH };
	if (!look_redis(c, r, d) || !look_pg(pg, d))
		return false;
	if (d->redis_id[0] != '\0' && d->pg_id[0] != '\0')
		d->state = strcmp(d->redis_id, d->pg_id) != 0 ? CTL_DS_DIFFERS : d->rebuilding ? CTL_DS_REBUILDING : part_empty(d) ? CTL_DS_PART_EMPTY
			: CTL_DS_SAME;
	else if (d->redis_id[0] != '\0')
		d->state = CTL_DS_REDIS_ONLY;
	else if (d->pg_id[0] != '\0' && part_empty(d))
		d->state = CTL_DS_PART_EMPTY;
	else if (d->streams)
		d->state = CTL_DS_TORN;
	else if (d->pg_rows)
		d->state = CTL_DS_REDIS_EMPTY;
	return true;
}

int ctl_dataset_say(const struct ctl *c, const struct ctl_dataset *d, char *out, size_t cap)
{
	char how[300];

	if (c->dir != NULL)
		(void)snprintf(how, sizeof how, "--dir %.200s", c->dir);
	else
		(void)snprintf(how, sizeof how, "-c %.200s", c->app.conf_path != NULL ? c->app.conf_path : "FILE");
	switch (d->state) {
	case CTL_DS_SAME:
	case CTL_DS_FRESH:
	case CTL_DS_REDIS_ONLY:
		return 0;
	case CTL_DS_REBUILDING:
		return snprintf(out, cap, "Redis is being filled again from the journals; if that was cut off: apctl rebuild %s goes on with it", how);
	case CTL_DS_REDIS_EMPTY:
		return snprintf(out, cap, "the Redis at %s is empty, but PostgreSQL holds rows of data set %s: it was emptied, or is the wrong server. "
				"To fill it again from the journals: apctl rebuild %s. To begin a new data set beside the old rows: apctl migrate --new-dataset %s",
				c->app.conf.redis_url, d->pg_id, how, how);
	case CTL_DS_PART_EMPTY:
		return snprintf(out, cap, "%u partitions%s of data set %s are gone from the Redis at %s: a part of it was emptied. "
				"To fill them again from the journals: apctl rebuild %s", d->parts_empty, d->redis_id[0] == '\0' ? " and the identity" : "", d->pg_id,
				c->app.conf.redis_url, how);
	case CTL_DS_TORN:
		return snprintf(out, cap, "the Redis at %s holds streams but no identity (ap:dataset): a wrong or half-emptied server. "
				"If its streams are to go: apctl rebuild --force %s", c->app.conf.redis_url, how);
	case CTL_DS_DIFFERS:
		return snprintf(out, cap, "Redis holds data set %s, PostgreSQL %s: one of them is the wrong server, or one was emptied and begun anew. "
				"If Redis is to follow PostgreSQL: apctl rebuild --force %s. If PostgreSQL is to take the new one beside its old rows: "
				"apctl migrate --new-dataset %s", d->redis_id, d->pg_id, how, how);
	}
	return 0;
}
