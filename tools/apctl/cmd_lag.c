/*
 * cmd_lag.c - how far every stage is behind. From the streams' own sequence numbers: Redis' lag field is
 * wrong after trimming.
 */
#include "ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/core/timefmt.h"

struct reader {
	const char *stage;
	enum ap_stream in;
};

static const struct reader transforms[] = {
	{ "normalize", AP_S_RAW },
	{ "candle", AP_S_TICK },
	{ "indicators", AP_S_CANDLE },
};
static void note_end(struct ctl_pos *p, const redisReply *seq, const char *stream)
{
	char field[32];
	p->q_end = ctl_hash_u64(seq, stream);
	snprintf(field, sizeof field, "%s:n", stream);
	p->n_end = ctl_hash_u64(seq, field);
}

static void note_owner(const struct ctl *c, struct ctl_pos *p, redisContext *r)
{
	char own[64];
	const char *bare = strchr(p->stage, ':');
	snprintf(own, sizeof own, "ap:{%u}:own:%.*s", p->part, bare != NULL ? (int)(bare - p->stage) : (int)strlen(p->stage), p->stage);
	redisReply *o = ctl_key(c, r, "HGETALL %s", own);
	redisReply *t = redisCommand(r, "TIME");
	const char *w = ctl_hash(o, "w");
	uint64_t now = t != NULL && t->type == REDIS_REPLY_ARRAY && t->elements == 2
		? strtoull(t->element[0]->str, NULL, 10) * 1000 + strtoull(t->element[1]->str, NULL, 10) / 1000 : 0;
	p->owned = w != NULL && ctl_hash_u64(o, "x") > now;
	snprintf(p->owner, sizeof p->owner, "%s", p->owned ? w : "");
	freeReplyObject(o);
	freeReplyObject(t);
}

static void transform_pos(const struct ctl *c, redisContext *r, const redisReply *seq, const struct reader *rd, unsigned part, struct ctl_pos *p)
{
	char key[64];
	*p = (struct ctl_pos){ .stage = rd->stage, .part = part };
	snprintf(key, sizeof key, "ap:{%u}:state:%s", part, rd->stage);
	redisReply *st = ctl_key(c, r, "HMGET %s q n", key);
	if (st != NULL && st->type == REDIS_REPLY_ARRAY && st->elements == 2) {
		p->q = st->element[0]->str != NULL ? strtoull(st->element[0]->str, NULL, 10) : 0;
		p->n = st->element[1]->str != NULL ? strtoull(st->element[1]->str, NULL, 10) : 0;
	}
	freeReplyObject(st);
	note_end(p, seq, ap_stream_name(rd->in));
	/* The ends were read first, and what a stage has taken since then was there. */
	p->q_end = p->q > p->q_end ? p->q : p->q_end;
	p->n_end = p->n > p->n_end ? p->n : p->n_end;
	note_owner(c, p, r);
}

/*
 * After a fail-over to a replica that lacked the end of a stream PostgreSQL is ahead of Redis by number, and has counted records that
 * come again. Whether the stream's last entry is stored is told by the ids then.
 */
static void clamp_pos(struct ctl_pos *p, const redisReply *seq, const char *stream, const char *stored)
{
	char field[32];
	ap_id end, last;
	snprintf(field, sizeof field, "%s:id", stream);
	const char *text = ctl_hash(seq, field);
	if (p->q > p->q_end) {
		bool behind = text != NULL && ap_id_parse(ap_str_c(text), &end) && ap_id_parse(ap_str_c(stored), &last) && ap_id_cmp(end, last) > 0;
		p->q = behind && p->q_end > 0 ? p->q_end - 1 : p->q_end;
	}
	if (p->n > p->n_end || p->q == p->q_end)
		p->n = p->n_end;
}

static void persist_pos(const struct ctl *c, redisContext *r, const redisReply *seq, const PGresult *cur, enum ap_stream s, unsigned part, struct ctl_pos *p)
{
	static char names[AP_S_N][24];
	snprintf(names[s], sizeof names[s], "persist:%s", ap_stream_name(s));
	*p = (struct ctl_pos){ .stage = names[s], .part = part };
	const char *stored = "0-0";
	for (int i = 0; i < PQntuples(cur); i++)
		if (strtoul(PQgetvalue(cur, i, 0), NULL, 10) == part && strcmp(PQgetvalue(cur, i, 1), ap_stream_name(s)) == 0) {
			p->q = strtoull(PQgetvalue(cur, i, 2), NULL, 10);
			p->n = strtoull(PQgetvalue(cur, i, 3), NULL, 10);
			stored = PQgetvalue(cur, i, 4);
		}
	note_end(p, seq, ap_stream_name(s));
	clamp_pos(p, seq, ap_stream_name(s), stored);
	note_owner(c, p, r);
}

/* The sink's streams are those it is configured to store: what is switched off is nobody's backlog. */
int ctl_positions(const struct ctl *c, redisContext *r, PGconn *pg, struct ctl_pos *out, size_t cap)
{
	size_t n = 0;
	static const char sql[] = "SELECT partition, stream, greatest(q, 0), records, last_id FROM sink_cursors"
				  " WHERE partition >= 0 AND dataset = (SELECT id FROM dataset)";
	PGresult *cur = pg != NULL ? PQexec(pg, sql) : NULL;
	if (pg != NULL && PQresultStatus(cur) != PGRES_TUPLES_OK) {
		ctl_fail(AP_EX_AGAIN, "the sink's cursors cannot be read: %s", PQerrorMessage(pg));
		PQclear(cur);
		return -1;
	}
	const bool reads[AP_S_N] = {
		[AP_S_RAW] = c->app.conf.persist_raw,
		[AP_S_TICK] = true,     /* beats come in it */
		[AP_S_REJECT] = c->app.conf.persist_normalized || c->app.conf.persist_results,
		[AP_S_CANDLE] = c->app.conf.persist_candles,
		[AP_S_INDICATOR] = c->app.conf.persist_indicators,
		[AP_S_SIGNAL] = c->app.conf.persist_signals,
	};
	for (unsigned part = 0; part < c->app.conf.data_partitions; part++) {
		redisReply *seq = ctl_key(c, r, "HGETALL ap:{%u}:seq", part);
		if (seq == NULL) {
			ctl_fail(AP_EX_AGAIN, "Redis does not answer: %s", r->errstr);
			PQclear(cur);
			return -1;
		}
		for (size_t i = 0; i < sizeof transforms / sizeof transforms[0] && n < cap; i++)
			transform_pos(c, r, seq, &transforms[i], part, &out[n++]);
		for (unsigned s = 0; pg != NULL && s < AP_S_N && n < cap; s++)
			if (reads[s])
				persist_pos(c, r, seq, cur, (enum ap_stream)s, part, &out[n++]);
		freeReplyObject(seq);
	}
	PQclear(cur);
	return (int)n;
}

static void print_json(const struct ctl_pos *p, int n)
{
	for (int i = 0; i < n; i++)
		printf("{\"stage\":\"%s\",\"partition\":%u,\"entries\":%" PRIu64 ",\"entries_behind\":%" PRIu64
		       ",\"records_behind\":%" PRIu64 ",\"owner\":\"%s\"}\n",
		       p[i].stage, p[i].part, p[i].q, p[i].q_end - p[i].q, p[i].n_end - p[i].n, p[i].owner);
}

int cmd_lag(struct ctl *c)
{
	static struct ctl_pos pos[AP_PARTS_MAX * 9];
	redisContext *r = ctl_redis(c);
	PGconn *pg = r != NULL ? ctl_pg(c) : NULL;
	int n = pg != NULL ? ctl_positions(c, r, pg, pos, sizeof pos / sizeof pos[0]) : -1;
	if (n >= 0 && c->json)
		print_json(pos, n);
	else if (n >= 0) {
		struct ctl_table t;
		ctl_table_begin(&t);
		ctl_table_row(&t, "stage\tpartition\tentries\tentries_behind\trecords_behind\towner");
		for (int i = 0; i < n; i++)
			ctl_table_row(&t, "%s\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s", pos[i].stage, pos[i].part, pos[i].q,
				      pos[i].q_end - pos[i].q, pos[i].n_end - pos[i].n, pos[i].owned ? pos[i].owner : "-");
		ctl_table_end(c, &t);
	}
	PQfinish(pg);
	if (r != NULL)
		redisFree(r);
	return n >= 0 ? 0 : AP_EX_AGAIN;
}
