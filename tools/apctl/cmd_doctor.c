/*
 * cmd_doctor.c - looks for what is wrong or risky, one line each, and says what to do.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "../../common/io/migrate.h"

struct exam {
	struct ctl *c;
	redisContext *r;
	redisContext *node;     /* the one that is looked at */
	PGconn *pg;
	unsigned wrong, risky;
};

static void say(struct exam *e, const char *level, const char *what, const char *advice)
{
	if (strcmp(level, "WRONG") == 0)
		e->wrong++;
	if (strcmp(level, "risky") == 0)
		e->risky++;
	printf("%-5s  %s%s%s\n", level, what, advice[0] != '\0' ? " -> " : "", advice);
}

/* CONFIG GET name, or "" when it may not be asked. */
static void redis_config(struct exam *e, const char *name, char *out, size_t cap)
{
	redisReply *a = redisCommand(e->node, "CONFIG GET %s", name);
	const char *v = ctl_hash(a, name);
	snprintf(out, cap, "%s", v != NULL ? v : "");
	freeReplyObject(a);
}

/* A number of INFO, e.g. "connected_slaves:"; 0: it is not there. */
static long long info_number(const redisReply *info, const char *name)
{
	const char *at = info != NULL && info->str != NULL ? strstr(info->str, name) : NULL;
	return at != NULL ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static void exam_durability(struct exam *e)
{
	static const char *const levels[] = { "any", "everysec", "always" };
	const struct ap_conf *c = &e->c->app.conf;
	char text[200], v[100];
	redis_config(e, "appendfsync", v, sizeof v);
	bool weaker = v[0] != '\0' && ((c->redis_appendfsync == 2 && strcmp(v, "always") != 0) || (c->redis_appendfsync == 1 && strcmp(v, "no") == 0));
	snprintf(text, sizeof text, "Redis appendfsync %s, redis.appendfsync asks for %s", v[0] != '\0' ? v : "may not be asked", levels[c->redis_appendfsync]);
	say(e, weaker ? "WRONG" : "ok", text, weaker ? "every program refuses this server: set it there, or lower redis.appendfsync" : "");
	redisReply *info = redisCommand(e->node, "INFO replication");
	long long have = info_number(info, "connected_slaves:");
	snprintf(text, sizeof text, "%lld replicas, redis.wait_replicas asks for %llu", have, (unsigned long long)c->redis_wait_replicas);
	if (have < (long long)c->redis_wait_replicas)
		say(e, "WRONG", text, "nothing is acknowledged or stored before there are so many: add replicas, or lower it");
	else
		say(e, "ok", text, "");
	freeReplyObject(info);
}

static void exam_cluster(struct exam *e, unsigned masters)
{
	char text[200];
	redisReply *info = redisCommand(e->r, "CLUSTER INFO");
	bool ok = info != NULL && info->str != NULL && strstr(info->str, "cluster_state:ok") != NULL;
	long long slots = info_number(info, "cluster_slots_assigned:");
	snprintf(text, sizeof text, "Cluster: %u masters reached, %lld of 16384 slots assigned", masters, slots);
	say(e, ok && slots == 16384 ? "ok" : "WRONG", text, ok && slots == 16384 ? "" : "partitions of the other slots stand still: redis-cli --cluster check, fix");
	freeReplyObject(info);
}

/* Redis alone can be lost for as long as it takes to start again; with Sentinel another takes over. */
static void exam_topology(struct exam *e, unsigned masters)
{
	char err[400], text[500];
	struct ap_redis_url u;
	if (!ap_redis_url_parse(e->c->app.conf.redis_url, &u, err, sizeof err))
		return;
	if (u.kind == AP_URL_CLUSTER) {
		exam_cluster(e, masters);
	} else if (u.kind == AP_URL_SENTINEL) {
		unsigned answer = ctl_sentinels(e->c, &u);
		snprintf(text, sizeof text, "Sentinel: %u of %u know the primary %s", answer, u.n, u.name);
		say(e, answer == u.n && u.n >= 3 ? "ok" : answer * 2 > u.n ? "risky" : "WRONG", text,
		    answer < u.n ? "start those that do not answer" : u.n < 3 ? "three are needed to outvote one that is cut off" : "");
	} else {
		say(e, "ok", "one Redis: while it is away the journal takes what comes", "");
	}
}

static void exam_node(struct exam *e)
{
	char text[200], v[100];
	redisReply *info = redisCommand(e->node, "INFO server");
	const char *ver = info != NULL && info->str != NULL ? strstr(info->str, "redis_version:") : NULL;
	long major = ver != NULL ? strtol(ver + strlen("redis_version:"), NULL, 10) : 0;
	snprintf(text, sizeof text, "Redis %.*s", ver != NULL ? (int)strcspn(ver + 14, "\r\n") : 1, ver != NULL ? ver + 14 : "?");
	say(e, major >= 7 ? "ok" : "WRONG", text, major >= 7 ? "" : "7.0 or newer is needed (functions)");
	freeReplyObject(info);
	redis_config(e, "maxmemory-policy", v, sizeof v);
	snprintf(text, sizeof text, "Redis maxmemory-policy %s", v);
	if (v[0] != '\0')
		say(e, strcmp(v, "noeviction") == 0 ? "ok" : "WRONG", text,
		    strcmp(v, "noeviction") == 0 ? "" : "any other policy removes whole streams: set noeviction");
	redis_config(e, "appendonly", v, sizeof v);
	snprintf(text, sizeof text, "Redis appendonly %s", v);
	if (v[0] != '\0')
		say(e, strcmp(v, "yes") == 0 ? "ok" : "risky", text, strcmp(v, "yes") == 0 ? "" : "a restart of Redis loses what it held: set yes");
	redisReply *fn = redisCommand(e->node, "FUNCTION LIST LIBRARYNAME alphapulse_v1");
	bool have = fn != NULL && fn->type == REDIS_REPLY_ARRAY && fn->elements > 0;
	say(e, have ? "ok" : "WRONG", "Redis functions alphapulse_v1", have ? "" : "not loaded: apctl migrate");
	freeReplyObject(fn);
}

static void exam_redis(struct exam *e)
{
	redisContext *node[64];
	unsigned n = ctl_masters(e->c, e->r, node, sizeof node / sizeof node[0]);
	exam_topology(e, n);
	for (unsigned i = 0; i < n; i++) {
		e->node = node[i];
		if (n > 1)
			printf("       node %s:%d\n", node[i]->tcp.host != NULL ? node[i]->tcp.host : "?", node[i]->tcp.port);
		exam_node(e);
		exam_durability(e);
	}
}

static void exam_dataset(struct exam *e)
{
	char text[300];
	char what[1200] = "";
	struct ctl_dataset d;
	if (e->pg == NULL || !ctl_dataset_look(e->c, e->r, e->pg, &d)) {
		say(e, "WRONG", "data set: cannot be told", "apctl migrate");
		return;
	}
	snprintf(text, sizeof text, "data set: Redis %s, PostgreSQL %s", d.redis_id[0] != '\0' ? d.redis_id : "none",
		 d.pg_id[0] != '\0' ? d.pg_id : "none");
	if (d.state != CTL_DS_SAME && ctl_dataset_say(e->c, &d, what, sizeof what) == 0)
		snprintf(what, sizeof what, "apctl migrate");
	say(e, d.state == CTL_DS_SAME ? "ok" : "WRONG", text, what);
	if (d.redis_id[0] != '\0' && d.redis_parts != e->c->app.conf.data_partitions)
		say(e, "WRONG", "data.partitions differs from the data set's", "set it to the data set's number");
}

static void exam_pg(struct exam *e)
{
	char text[200];
	struct ap_migrate_report rep;
	snprintf(text, sizeof text, "PostgreSQL %s", PQparameterStatus(e->pg, "server_version"));
	say(e, PQserverVersion(e->pg) >= 140000 ? "ok" : "WRONG", text, PQserverVersion(e->pg) >= 140000 ? "" : "14 or newer is needed (date_bin)");
	enum ap_migrate_rc m = ap_migrate(&e->c->app.conf, true, &rep);
	snprintf(text, sizeof text, "schema version %d of %d", rep.from, ap_schema_version());
	bool ok = m == AP_MIGRATE_OK && rep.from == ap_schema_version();
	say(e, ok ? "ok" : "WRONG", text, ok ? "" : m == AP_MIGRATE_OK ? "apctl migrate" : rep.err);
}

/* The partitions of the stage at pos[i] that nobody works; 0 when an earlier row was of the same stage. */
static unsigned unowned(const struct ctl_pos *pos, int n, int i)
{
	unsigned idle = 0;
	for (int k = 0; k < n; k++) {
		if (strcmp(pos[k].stage, pos[i].stage) != 0)
			continue;
		if (k < i)
			return 0;
		idle += !pos[k].owned;
	}
	return idle;
}

static void exam_lag(struct exam *e)
{
	static struct ctl_pos pos[AP_PARTS_MAX * 9];
	char text[200];
	int n = ctl_positions(e->c, e->r, e->pg, pos, sizeof pos / sizeof pos[0]);
	for (int i = 0; i < n; i++) {
		uint64_t behind = pos[i].n_end - pos[i].n;
		unsigned idle = unowned(pos, n, i);
		if (idle > 0) {
			snprintf(text, sizeof text, "%s: nobody works %u of the partitions", pos[i].stage, idle);
			say(e, "risky", text, "start the stage");
		}
		if (behind > e->c->app.conf.runtime_stream_max / 2) {
			snprintf(text, sizeof text, "%s is %llu records behind in partition %u", pos[i].stage, (unsigned long long)behind, pos[i].part);
			say(e, "risky", text, "start one more worker, or look at its log");
		}
	}
}

static void exam_disk(struct exam *e)
{
	char text[4300];
	struct statvfs v;
	if (statvfs(e->c->app.conf.data_dir, &v) != 0)
		return;
	double free_pct = 100.0 * (double)v.f_bavail / (double)(v.f_blocks > 0 ? v.f_blocks : 1);
	snprintf(text, sizeof text, "%s: %.0f %% of the disk free", e->c->app.conf.data_dir, free_pct);
	say(e, free_pct > 10 ? "ok" : "risky", text, free_pct > 10 ? "" : "make room: a full disk stops the sources");
}

int cmd_doctor(struct ctl *c)
{
	char err[400];
	struct exam e = { .c = c };
	e.r = ctl_redis_quiet(c, err, sizeof err);
	if (e.r == NULL)
		say(&e, "WRONG", err, "start it, or set redis.url");
	e.pg = ctl_pg(c);
	if (e.pg == NULL)
		say(&e, "WRONG", "PostgreSQL cannot be reached", "start it, or set pg.conninfo");
	if (e.r != NULL) {
		exam_redis(&e);
		exam_dataset(&e);
	}
	if (e.pg != NULL)
		exam_pg(&e);
	if (e.r != NULL && e.pg != NULL)
		exam_lag(&e);
	exam_disk(&e);
	printf("%u wrong, %u risky\n", e.wrong, e.risky);
	if (e.r != NULL)
		redisFree(e.r);
	PQfinish(e.pg);
	return e.wrong == 0 ? 0 : CTL_EX_DIFFERENT;
}
