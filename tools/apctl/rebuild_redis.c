/*
 * rebuild_redis.c - an empty Redis made ready as PostgreSQL remembers it, and the journals' records put into it.
 *
 * Records go in by ap_append_v1 under their producers' names and numbers, so that everything that is repeated afterwards, by this program
 * or by a producer that comes back, is known. Each frame says what the one before it left behind (`seen`): when one is refused,
 * those sent after it are refused too, and nothing is passed over. In a Cluster each partition's frames go to the node that has it; where that has
 * changed a frame is refused like any other, and the next pass asks anew.
 */
#include "rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/origin.h"
#include "../../common/core/part.h"
#include "../../common/core/timefmt.h"
#include "../../common/io/fn_load.h"

enum {
	IN_FLIGHT = 64,                 /* frames sent and not answered, on one connection */
	SCAN_COUNT = 1000,
	MASTERS = 64,
};

struct link {
	redisContext *r;
	unsigned flying;
};

struct lane {
	struct ap_buf body;
	uint32_t n;
	uint64_t first, last;
	int64_t t_ms;
	size_t producer;                /* whose records they are */
	struct link *link;              /* one that leads to its node */
	uint64_t *have;                 /* of each producer: the last number that is there, or on its way */
};

struct filler {
	const struct ctl *c;
	redisContext *r;
	unsigned parts, links;
	struct link *link;
	char (*name)[AP_JOURNAL_PRODUCER];
	size_t producers;
	struct filler_counts n;
	char err[300];
	struct ap_wire_iter it;
	struct lane lane[];
};

struct filler *filler_new(const struct ctl *c, redisContext *r, size_t producers)
{
	const unsigned parts = (unsigned)c->app.conf.data_partitions;
	struct filler *f = calloc(1, sizeof *f + parts * sizeof f->lane[0]);
	bool ok;

	if (f == NULL)
		return NULL;
	f->c = c;
	f->r = r;
	f->parts = parts;
	f->producers = producers;
	f->name = calloc(producers, sizeof *f->name);
	f->link = calloc(parts * producers, sizeof *f->link);
	ok = f->name != NULL && f->link != NULL;
	for (unsigned p = 0; p < parts; p++) {
		ap_buf_init(&f->lane[p].body, AP_FRAME_BYTES);
		f->lane[p].have = calloc(producers, sizeof f->lane[p].have[0]);
		ok = ok && f->lane[p].have != NULL;
	}
	if (ok)
		return f;
	filler_free(f);
	return NULL;
}

void filler_free(struct filler *f)
{
	if (f == NULL)
		return;
	for (unsigned p = 0; p < f->parts; p++) {
		ap_buf_done(&f->lane[p].body);
		free(f->lane[p].have);
	}
	free(f->name);
	free(f->link);
	free(f);
}

const char *filler_err(const struct filler *f)
{
	return f->err;
}

const struct filler_counts *filler_counts(const struct filler *f)
{
	return &f->n;
}

static bool fail(struct filler *f, const char *what, const char *why)
{
	(void)snprintf(f->err, sizeof f->err, "%s: %.200s", what, why);
	return false;
}

/* The partition's place is known: what was asked last was a key of it. */
static void lane_link(struct filler *f, unsigned p)
{
	char key[24];
	redisContext *r;
	unsigned i = 0;

	(void)snprintf(key, sizeof key, "ap:{%u}:hw", p);
	r = ctl_at(f->c, f->r, key);
	while (i < f->links && f->link[i].r != r)
		i++;
	if (i == f->links)
		f->link[f->links++] = (struct link){ .r = r };
	f->lane[p].link = &f->link[i];
}

bool filler_marks(struct filler *f, size_t producer, const char *name, uint64_t *from)
{
	*from = UINT64_MAX;
	(void)snprintf(f->name[producer], sizeof *f->name, "%s", name);
	for (unsigned p = 0; p < f->parts; p++) {
		char key[24];
		const char *argv[] = { "HGET", key, name };
		redisReply *a;

		(void)snprintf(key, sizeof key, "ap:{%u}:hw", p);
		a = ctl_keyv(f->c, f->r, key, 3, argv);
		const bool ok = a != NULL && (a->type == REDIS_REPLY_STRING || a->type == REDIS_REPLY_NIL);
		uint64_t have = ok && a->type == REDIS_REPLY_STRING ? strtoull(a->str, NULL, 10) : 0;

		freeReplyObject(a);
		if (!ok)
			return fail(f, "Redis", f->r->err != 0 ? f->r->errstr : "the marks cannot be read");
		lane_link(f, p);
		f->lane[p].have[producer] = have;
		if (have + 1 < *from)
			*from = have + 1;
	}
	return true;
}

/* --- frames -------------------------------------------------------------------------------------- */

/* The answer to the oldest frame that is out. */
static bool answer(struct filler *f, struct link *k)
{
	redisReply *a = NULL;
	const char *word, *more;
	bool ok;

	if (redisGetReply(k->r, (void **)&a) != REDIS_OK || a == NULL)
		return fail(f, "Redis", k->r->errstr);
	k->flying--;
	word = a->type == REDIS_REPLY_ERROR ? a->str : a->type == REDIS_REPLY_ARRAY && a->elements > 0 && a->element[0]->str != NULL ? a->element[0]->str : "?";
	more = a->type == REDIS_REPLY_ARRAY && a->elements > 1 && a->element[1]->str != NULL ? a->element[1]->str : "";
	ok = strcmp(word, "OK") == 0 || strcmp(word, "DUP") == 0;
	if (!ok && f->err[0] == '\0')
		(void)snprintf(f->err, sizeof f->err, "Redis refuses a frame: %.80s %.80s", word, more);
	freeReplyObject(a);
	return ok;
}

static bool answers(struct filler *f, struct link *k, unsigned left)
{
	bool ok = true;

	while (k->flying > left && k->r->err == 0)
		ok = answer(f, k) && ok;
	return ok && k->r->err == 0;
}

static bool lane_send(struct filler *f, unsigned p)
{
	struct lane *l = &f->lane[p];
	char raw[32], seq[32], hw[32], first[24], last[24], n[16], t[24], seen[24];
	const char *argv[14] = { "FCALL", "ap_append_v1", "3", raw, seq, hw, f->name[l->producer], first, last, "0-0", n, t, (const char *)l->body.p, seen };
	size_t len[14];

	if (l->n == 0)
		return true;
	(void)snprintf(raw, sizeof raw, "ap:{%u}:raw", p);
	(void)snprintf(seq, sizeof seq, "ap:{%u}:seq", p);
	(void)snprintf(hw, sizeof hw, "ap:{%u}:hw", p);
	(void)snprintf(first, sizeof first, "%" PRIu64, l->first);
	(void)snprintf(last, sizeof last, "%" PRIu64, l->last);
	(void)snprintf(n, sizeof n, "%" PRIu32, l->n);
	(void)snprintf(t, sizeof t, "%" PRId64, l->t_ms < 0 ? 0 : l->t_ms);
	(void)snprintf(seen, sizeof seen, "%" PRIu64, l->have[l->producer]);
	for (size_t i = 0; i < 14; i++)
		len[i] = i == 12 ? l->body.len : strlen(argv[i]);
	if (redisAppendCommandArgv(l->link->r, 14, argv, len) != REDIS_OK)
		return fail(f, "Redis", l->link->r->errstr);
	l->link->flying++;
	f->n.frames++;
	f->n.put += l->n;
	l->have[l->producer] = l->last;
	l->n = 0;
	ap_buf_clear(&l->body);
	return answers(f, l->link, IN_FLIGHT - 1);
}

static bool lane_put(struct filler *f, unsigned p, size_t producer, const struct ap_journal_rec *rec, int64_t t_ms)
{
	struct lane *l = &f->lane[p];

	if (rec->seq <= (l->n > 0 && l->producer == producer ? l->last : l->have[producer])) {
		f->n.had++;
		return true;
	}
	if (l->n > 0 && (l->producer != producer || l->n == AP_FRAME_RECS || l->body.len + rec->payload.len > AP_FRAME_BYTES) && !lane_send(f, p))
		return false;
	if (l->n++ == 0) {
		l->producer = producer;
		l->first = rec->seq;
		l->t_ms = t_ms;
	}
	l->last = rec->seq;
	ap_buf_str(&l->body, rec->payload);
	return !l->body.full || fail(f, "no memory", "a frame");
}

bool filler_put(struct filler *f, size_t producer, const struct ap_journal_rec *rec)
{
	struct ap_rec r;
	unsigned p;

	ap_wire_start(&f->it, rec->payload, 1);
	if (ap_wire_next(&f->it, &r) != AP_WIRE_OK || (r.kind != AP_RAW && r.kind != AP_BEAT)) {
		f->n.bad++;
		return true;
	}
	if (r.kind == AP_RAW) {
		p = ap_part(r.u.raw.source, r.u.raw.symbol, f->parts);
		return lane_put(f, p, producer, rec, ap_ts_ms(r.u.raw.recv));
	}
	for (p = 0; p < f->parts; p++)
		if (!lane_put(f, p, producer, rec, ap_ts_ms(r.u.beat.ts)))
			return false;
	return true;
}

bool filler_flush(struct filler *f)
{
	bool ok = true;

	for (unsigned p = 0; p < f->parts; p++)
		if (!lane_send(f, p))
			return false;
	for (unsigned i = 0; i < f->links; i++)
		ok = answers(f, &f->link[i], 0) && ok;
	return ok;
}

/* --- before the first record ----------------------------------------------------------------------- */

/* Runs a command whose answer does not matter unless it is an error. */
static bool run(redisContext *r, const char *what, redisReply *a)
{
	const bool ok = a != NULL && a->type != REDIS_REPLY_ERROR;

	if (!ok)
		ctl_fail(AP_EX_AGAIN, "Redis, %s: %s", what, a != NULL ? a->str : r->errstr);
	freeReplyObject(a);
	return ok;
}

static bool wipe_node(const struct ctl *c, redisContext *r, redisContext *node)
{
	char at[32] = "0";
	bool ok = true;

	do {
		redisReply *a = redisCommand(node, "SCAN %s MATCH ap:{* COUNT %d", at, SCAN_COUNT);

		ok = a != NULL && a->type == REDIS_REPLY_ARRAY && a->elements == 2;
		if (ok)
			(void)snprintf(at, sizeof at, "%s", a->element[0]->str);
		for (size_t i = 0; ok && i < a->element[1]->elements; i++)
			ok = run(r, "streams go", ctl_key(c, r, "UNLINK %s", a->element[1]->element[i]->str));
		freeReplyObject(a);
	} while (ok && strcmp(at, "0") != 0);
	return ok;
}

bool rebuild_wipe(const struct ctl *c, redisContext *r)
{
	redisContext *node[MASTERS];
	unsigned n;
	bool ok = run(r, "the identity goes", ctl_key(c, r, "DEL ap:dataset"));

	/* Leases and marks first: from here on no stage commits and no producer appends. */
	for (unsigned p = 0; ok && p < c->app.conf.data_partitions; p++)
		ok = run(r, "leases go", ctl_key(c, r, "DEL ap:{%u}:seq ap:{%u}:own:normalize ap:{%u}:own:candle ap:{%u}:own:indicators ap:{%u}:own:persist",
						 p, p, p, p, p));
	n = ctl_masters(c, r, node, MASTERS);
	for (unsigned i = 0; ok && i < n; i++)
		ok = wipe_node(c, r, node[i]);
	return ok;
}

/* Who reads a stream and keeps its cursor in Redis. */
static const struct { const char *stream, *stage; } readers[] = { { "raw", "normalize" }, { "tick", "candle" }, { "candle", "indicators" } };

static ap_id id_max(ap_id a, ap_id b)
{
	return ap_id_cmp(a, b) > 0 ? a : b;
}

/* The rows of one partition: stream, last_id, q, records. Its streams go on above all of them. */
static bool prepare_part(const struct ctl *c, redisContext *r, const PGresult *cur, unsigned p)
{
	ap_id top = { 0, 0 };
	char text[AP_ID_TEXT];
	bool ok = true;

	for (int i = 0; i < PQntuples(cur); i++) {
		ap_id last = { 0, 0 };

		if (strtoul(PQgetvalue(cur, i, 0), NULL, 10) == p && ap_id_parse(ap_str_c(PQgetvalue(cur, i, 2)), &last))
			top = id_max(top, last);
	}
	for (int i = 0; ok && i < PQntuples(cur); i++) {
		const char *name = PQgetvalue(cur, i, 1), *last = PQgetvalue(cur, i, 2), *q = PQgetvalue(cur, i, 3), *n = PQgetvalue(cur, i, 4);

		if (strtoul(PQgetvalue(cur, i, 0), NULL, 10) != p || q[0] == '-' || strcmp(q, "0") == 0)
			continue;
		/* What is appended begins above everything that PostgreSQL has of any stream: a stage's output has its input's id. */
		(void)ap_id_format(top, text);
		ok = run(r, "sequence numbers", ctl_key(c, r, "HSET ap:{%u}:seq %s %s %s:id %s %s:n %s", p, name, q, name, strcmp(name, "raw") == 0 ? text : last,
							    name, n)) &&
		     run(r, "the sink's cursor", ctl_key(c, r, "HSET ap:{%u}:state:persist %s:c %s %s:q %s", p, name, last, name, q));
		for (size_t k = 0; ok && k < sizeof readers / sizeof readers[0]; k++)
			if (strcmp(readers[k].stream, name) == 0)
				ok = run(r, "a stage's cursor", ctl_key(c, r, "HSET ap:{%u}:state:%s c %s q %s n %s", p, readers[k].stage,
									    strcmp(name, "raw") == 0 ? text : last, q, n));
	}
	/* Where raw messages are not stored there is no cursor of theirs, but ids must not fall below the others'. */
	(void)ap_id_format(top, text);
	return ok && (top.ms == 0 || run(r, "the floor of ids", ctl_key(c, r, "HSETNX ap:{%u}:seq raw:id %s", p, text)));
}

/* Tags and the mark that the simulator's past is not to be made again: what else `ap:dataset` had. */
static bool prepare_fields(const struct ctl *c, redisContext *r, const struct journals *j)
{
	const char *sim[] = { "HSET", "ap:dataset", "sim_history", "done 0 600000 1 0 none" };
	bool ok = run(r, "sim_history", ctl_keyv(c, r, "ap:dataset", 4, sim));

	for (size_t i = 0; ok && i < j->n; i++) {
		char field[AP_ORIGIN_FIELD];

		const char *tag[] = { "HSET", "ap:dataset", field, j->v[i].producer };

		ap_origin_field(ap_origin_tag(ap_str_c(j->v[i].producer)), field);
		ok = run(r, "a producer", ctl_keyv(c, r, "ap:dataset", 4, tag));
	}
	return ok;
}

static bool is_lacking(const struct ctl *c, const bool *lacking, const char *part)
{
	unsigned long p = strtoul(part, NULL, 10);

	return p < c->app.conf.data_partitions && lacking[p];
}

/* Up to where each producer's messages are stored, from the rows themselves; the sink reads it when it takes the partition. */
static bool prepare_known(const struct ctl *c, redisContext *r, PGconn *pg, const PGresult *cur, const bool *lacking)
{
	static const char sql[] =
		"SELECT 'raw', partition, (origin >> 40) & 16777215, max(origin & 1099511627775) FROM stream_messages GROUP BY 2, 3 UNION ALL "
		"SELECT CASE WHEN success THEN 'tick' ELSE 'reject' END, partition, (origin >> 40) & 16777215, max(origin & 1099511627775) "
		"FROM processing_results GROUP BY 1, 2, 3";
	PGresult *lost = PQexec(pg, "SELECT coalesce(sum(lost), 0) FROM sink_cursors WHERE dataset = (SELECT id FROM dataset)"), *w;
	bool ok = PQresultStatus(lost) == PGRES_TUPLES_OK && strcmp(PQgetvalue(lost, 0, 0), "0") == 0;

	PQclear(lost);
	if (!ok)                /* something is missing among them: all of it is made again */
		return true;
	w = PQexec(pg, sql);
	ok = PQresultStatus(w) == PGRES_TUPLES_OK;
	if (!ok)
		ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(pg));
	for (int i = 0; ok && i < PQntuples(w); i++) {
		unsigned long p = strtoul(PQgetvalue(w, i, 1), NULL, 10), tag = strtoul(PQgetvalue(w, i, 2), NULL, 10);
		char hex[16];

		(void)snprintf(hex, sizeof hex, "%06lx", tag & 0xffffff);
		if (tag != 0 && p < c->app.conf.data_partitions && lacking[p])
			ok = run(r, "what is stored", ctl_key(c, r, "HSET ap:{%u}:stored %s:%s %s", (unsigned)p, PQgetvalue(w, i, 0), hex,
								   PQgetvalue(w, i, 3)));
	}
	for (int i = 0; ok && i < PQntuples(cur); i++) {
		const char *part = PQgetvalue(cur, i, 0), *name = PQgetvalue(cur, i, 1), *q = PQgetvalue(cur, i, 3);

		if (q[0] != '-' && is_lacking(c, lacking, part))
			ok = run(r, "where streams begin", ctl_key(c, r, "HSET ap:{%s}:stored q:%s %s", part, name, q));
	}
	PQclear(w);
	return ok;
}

bool rebuild_mark(const struct ctl *c, redisContext *r, const char *id)
{
	const unsigned parts = (unsigned)c->app.conf.data_partitions;
	bool ok = true;

	for (unsigned p = 0; ok && p < parts; p++)
		ok = run(r, "a partition is marked", ctl_key(c, r, "HSET ap:{%u}:seq ds %s parts %u", p, id, parts));
	return ok;
}

/* The partitions that do not carry the data set's id: where one node of several was emptied, those on the others go on as they are. */
static bool find_lacking(const struct ctl *c, redisContext *r, const char *id, bool *lacking)
{
	bool ok = true;

	for (unsigned p = 0; ok && p < c->app.conf.data_partitions; p++) {
		redisReply *a = ctl_key(c, r, "HGET ap:{%u}:seq ds", p);

		ok = a != NULL && (a->type == REDIS_REPLY_STRING || a->type == REDIS_REPLY_NIL);
		lacking[p] = !ok || a->type == REDIS_REPLY_NIL || strcmp(a->str, id) != 0;
		if (!ok)
			ctl_fail(AP_EX_AGAIN, "Redis: partition %u cannot be read: %s", p, a != NULL ? a->str : r->errstr);
		freeReplyObject(a);
	}
	return ok;
}

bool rebuild_prepare(const struct ctl *c, redisContext *r, PGconn *pg, const struct ctl_dataset *d, const struct journals *j, bool known)
{
	const unsigned parts = (unsigned)c->app.conf.data_partitions;
	const char *id = d->pg_id, *par[] = { id };
	ap_str fn = ap_fn_text();
	char now[AP_TS_TEXT];
	redisContext *node[MASTERS];
	unsigned masters;
	bool lacking[AP_PARTS_MAX];
	PGresult *cur = PQexecParams(pg, "SELECT partition, stream, last_id, q, records FROM sink_cursors WHERE dataset = $1::uuid AND partition >= 0",
				     1, NULL, par, NULL, NULL, 0);
	bool ok = PQresultStatus(cur) == PGRES_TUPLES_OK;

	(void)ap_ts_format(ap_now(), 0, now);
	if (!ok)
		ctl_fail(AP_EX_AGAIN, "PostgreSQL: %s", PQerrorMessage(pg));
	masters = ctl_masters(c, r, node, MASTERS);
	for (unsigned i = 0; ok && i < masters; i++)
		ok = run(node[i], "functions", redisCommand(node[i], "FUNCTION LOAD REPLACE %b", fn.p, fn.len));
	ok = ok && find_lacking(c, r, id, lacking);
	for (unsigned p = 0; ok && p < parts; p++)
		ok = !lacking[p] || prepare_part(c, r, cur, p);
	ok = ok && (!known || prepare_known(c, r, pg, cur, lacking));
	PQclear(cur);
	/* The identity comes last, each partition's too: whoever sees it begins. Producers wait for the end of `rebuilding`, so that comes before. */
	ok = ok && prepare_fields(c, r, j) &&
	     run(r, "the identity", ctl_key(c, r, "HSET ap:dataset id %s parts %u created %s marked 1 rebuilding 1", id, parts,
						 d->created[0] != '\0' ? d->created : now));
	return ok && rebuild_mark(c, r, id);
}
