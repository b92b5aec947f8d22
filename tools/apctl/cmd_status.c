/*
 * cmd_status.c - the supervisor's processes, and where every stage stands.
 */
#include "ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/core/json.h"
#include "../../common/core/recjson.h"
#include "../../common/core/timefmt.h"
#include "../../common/io/entry.h"

/* Reads DIR/run/supervisor.json whole. */
static char *read_status(const struct ctl *c, size_t *len)
{
	enum { MOST = 256 * 1024 };
	char path[4200];
	snprintf(path, sizeof path, "%s/run/supervisor.json", c->app.conf.data_dir);
	FILE *f = fopen(path, "re");
	char *text = f != NULL ? malloc(MOST) : NULL;
	*len = text != NULL ? fread(text, 1, MOST, f) : 0;
	if (f != NULL)
		fclose(f);
	return text;
}

static void cell(char *out, size_t cap, const struct ap_json *j, uint32_t obj, const char *key)
{
	uint32_t t = ap_json_get(j, obj, key);
	ap_str s = t != 0 ? ap_json_text(j, t) : ap_str_c("-");
	snprintf(out, cap, "%.*s", (int)s.len, s.p);
}

/* What somebody should look at: a program that keeps ending, or that says its configuration is wrong. */
static void alarm_text(char *out, size_t cap, const struct ap_json *j, uint32_t kid)
{
	char state[32], code[32], sig[32];

	cell(state, sizeof state, j, kid, "state");
	cell(code, sizeof code, j, kid, "last_exit");
	cell(sig, sizeof sig, j, kid, "last_signal");
	if (strcmp(state, "parked") == 0)
		snprintf(out, cap, "wrong configuration: see its log");
	else if (ap_json_get(j, kid, "crash_loop") != 0)
		snprintf(out, cap, "crash loop (exit %s, signal %s): see its log", code, sig);
	else
		snprintf(out, cap, "-");
}

static void print_processes(const struct ctl *c, const struct ap_json *j)
{
	struct ctl_table t;
	char name[64], state[32], pid[32], restarts[32], since[32], alarm[128];
	uint32_t kids = ap_json_get(j, 0, "children");
	ctl_table_begin(&t);
	ctl_table_row(&t, "process\tstate\tpid\trestarts\tfor_s\talarm");
	for (uint32_t i = 0, k; kids != 0 && (k = ap_json_at(j, kids, i)) != 0; i++) {
		cell(name, sizeof name, j, k, "name");
		cell(state, sizeof state, j, k, "state");
		cell(pid, sizeof pid, j, k, "pid");
		cell(restarts, sizeof restarts, j, k, "restarts");
		cell(since, sizeof since, j, k, "since_ms");
		alarm_text(alarm, sizeof alarm, j, k);
		ctl_table_row(&t, "%s\t%s\t%s\t%s\t%lld\t%s", name, state, pid, restarts,
			      (long long)((ap_ts_ms(ap_now()) - strtoll(since, NULL, 10)) / 1000), alarm);
	}
	ctl_table_end(c, &t);
}

/* A name among names with blanks between them. */
static bool named(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = names; (p = strstr(p, name)) != NULL; p += len)
		if ((p == names || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* One line a stage: who owns how many partitions, and how far behind they are together. */
static void print_stages(const struct ctl *c, redisContext *r, const struct ctl_pos *pos, int n)
{
	struct ctl_table t;
	ctl_table_begin(&t);
	ctl_table_row(&t, "stage\tworkers\tpartitions_owned\tentries\trecords_behind\towners");
	for (int i = 0; i < n; i++) {
		bool seen = false;
		for (int k = 0; k < i; k++)
			seen = seen || strcmp(pos[k].stage, pos[i].stage) == 0;
		if (seen)
			continue;
		unsigned owned = 0, parts = 0;
		uint64_t entries = 0, behind = 0;
		char owners[200] = "";
		for (int k = i; k < n; k++) {
			if (strcmp(pos[k].stage, pos[i].stage) != 0)
				continue;
			parts++;
			owned += pos[k].owned;
			entries += pos[k].q;
			behind += pos[k].n_end - pos[k].n;
			size_t at = strlen(owners);
			if (pos[k].owned && !named(owners, pos[k].owner))
				snprintf(owners + at, sizeof owners - at, "%s%s", at > 0 ? " " : "", pos[k].owner);
		}
		char stage[32];
		snprintf(stage, sizeof stage, "%.*s", (int)strcspn(pos[i].stage, ":"), pos[i].stage);
		ctl_table_row(&t, "%s\t%u\t%u/%u\t%" PRIu64 "\t%" PRIu64 "\t%s", pos[i].stage, ctl_workers(c, r, stage), owned, parts, entries,
			      behind, owners);
	}
	ctl_table_end(c, &t);
}

/* One line a partition of a stage: whose lease, for how long. */
static void print_owners(const struct ctl *c, const struct ctl_owner *o, int n)
{
	struct ctl_table t;

	ctl_table_begin(&t);
	ctl_table_row(&t, "stage\tpartition\tworker\tepoch\tlease_left_ms\tclaimed_by");
	for (int i = 0; i < n; i++)
		ctl_table_row(&t, "%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%s", o[i].stage, o[i].part, o[i].worker[0] != '\0' ? o[i].worker : "-",
			      o[i].epoch, o[i].left_ms, o[i].claimed_by[0] != '\0' ? o[i].claimed_by : "-");
	ctl_table_end(c, &t);
}

/* The newest value of a metric in one entry of ap:metric; left as it is where the entry has none. */
static void metric_in(const redisReply *entry, const char *component, const char *name, double *value)
{
	static struct ap_wire_iter it;
	struct ap_entry e;
	struct ap_rec rec;

	if (!ap_entry_read(entry, "metric", &e) || e.gone || e.bad != NULL)
		return;
	ap_wire_start(&it, e.body, e.n);
	while (ap_wire_next(&it, &rec) == AP_WIRE_OK)
		if (rec.kind == AP_METRIC && ap_str_is(rec.u.metric.component, component) && ap_str_is(rec.u.metric.name, name))
			*value = rec.u.metric.value;
}

/* What ap-ingest last said of the quotes it left out since its start; 0 also where it says nothing. */
static uint64_t quotes_conflated(const struct ctl *c, redisContext *r)
{
	enum { LOOK = 64 };     /* newest entries: every program writes one a second */
	redisReply *e = ctl_key(c, r, "XREVRANGE ap:metric + - COUNT %d", LOOK);
	double value = -1;

	for (size_t i = 0; e != NULL && e->type == REDIS_REPLY_ARRAY && i < e->elements && value < 0; i++)
		metric_in(e->element[i], "ap-ingest", "quotes_conflated_total", &value);
	freeReplyObject(e);
	return value < 0 ? 0 : (uint64_t)value;
}

/* The supervisor's own object, and, where Redis says it, two members more: who owns what, and how many quotes were left out. */
static int print_json(const char *text, size_t len, bool have, const struct ctl_owner *o, int n, uint64_t conflated)
{
	struct ap_buf b;

	while (have && len > 0 && text[len - 1] != '}')
		len--;
	if (n < 0) {
		printf("%.*s\n", have ? (int)len : 2, have ? text : "{}");
		return have ? 0 : AP_EX_AGAIN;
	}
	ap_buf_init(&b, 1 << 20);
	for (int i = 0; i < n; i++) {
		ap_buf_printf(&b, "%s{\"stage\":\"%s\",\"partition\":\"%s\",\"worker\":", i > 0 ? "," : "", o[i].stage, o[i].part);
		ap_json_string(&b, ap_str_c(o[i].worker));
		ap_buf_printf(&b, ",\"epoch\":%" PRIu64 ",\"lease_left_ms\":%" PRIu64 ",\"claimed_by\":", o[i].epoch, o[i].left_ms);
		ap_json_string(&b, ap_str_c(o[i].claimed_by));
		ap_buf_putc(&b, '}');
	}
	printf("%.*s%s\"owners\":[%.*s],\"quotes_conflated\":%" PRIu64 "}\n", have ? (int)len - 1 : 1, have ? text : "{", have ? "," : "",
	       (int)b.len, (const char *)b.p, conflated);
	ap_buf_done(&b);
	return have ? 0 : AP_EX_AGAIN;
}

/* Only when something is wrong with it: then nothing else matters. */
static void print_dataset(const struct ctl *c, redisContext *r, PGconn *pg)
{
	struct ctl_dataset d;
	char text[1200];
	if (pg == NULL || !ctl_dataset_look(c, r, pg, &d))
		return;
	if (ctl_dataset_say(c, &d, text, sizeof text) > 0)
		printf("\nDATA SET: %s\n", text);
	else if (d.state == CTL_DS_FRESH)
		printf("\nDATA SET: there is none yet: apctl migrate\n");
}

int cmd_status(struct ctl *c)
{
	static struct ctl_pos pos[AP_PARTS_MAX * 9];
	static struct ctl_owner owner[AP_PARTS_MAX * CTL_STAGES + 1];
	static struct ap_jtok toks[4096];
	struct ap_json j;
	size_t len;
	char *text = read_status(c, &len);
	bool have = text != NULL && ap_json_parse(&j, ap_str_n(text, len), toks, sizeof toks / sizeof toks[0]);

	redisContext *r = ctl_redis(c);
	int owned = r != NULL ? ctl_owners(c, r, owner, sizeof owner / sizeof owner[0]) : -1;
	uint64_t conflated = r != NULL ? quotes_conflated(c, r) : 0;

	if (c->json) {
		int rc = print_json(text, len, have, owner, owned, conflated);
		free(text);
		if (r != NULL)
			redisFree(r);
		return rc;
	}
	if (have) {
		print_processes(c, &j);
		putchar('\n');
	} else {
		printf("no supervisor has run in %s\n\n", c->app.conf.data_dir);
	}
	free(text);
	PGconn *pg = r != NULL ? ctl_pg(c) : NULL;
	int n = r != NULL ? ctl_positions(c, r, pg, pos, sizeof pos / sizeof pos[0]) : -1;
	if (n >= 0)
		print_stages(c, r, pos, n);
	if (owned >= 0) {
		putchar('\n');
		print_owners(c, owner, owned);
	}
	if (conflated > 0)
		printf("\nquotes conflated under pressure since ap-ingest started: %" PRIu64 "\n", conflated);
	if (n >= 0)
		print_dataset(c, r, pg);
	PQfinish(pg);
	if (r != NULL)
		redisFree(r);
	return n >= 0 ? 0 : AP_EX_AGAIN;
}
