/*
 * cmd_tail.c - records of a stream as JSON lines.
 */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/core/recjson.h"
#include "../../common/core/timefmt.h"
#include "../../common/core/wire.h"

enum { KEY_LEN = 64 };

struct tail {
	struct ap_buf line;
	struct ap_wire_iter it;
	uint64_t left;          /* records still to print; UINT64_MAX: no end */
	uint64_t bad;
};

static void print_rec(struct tail *t, const struct ap_rec *rec, const char *stream)
{
	ap_buf_clear(&t->line);
	ap_rec_json(&t->line, rec);
	if (t->line.full || t->line.len < 2)
		return;
	/* {"stream":..., then the record's own members */
	printf("{\"stream\":\"%s\",%.*s\n", stream, (int)t->line.len - 1, (const char *)t->line.p + 1);
	t->left--;
}

static void print_body(struct tail *t, const char *stream, ap_id id, ap_str body, uint32_t n)
{
	static struct ap_rec rec;
	enum ap_wire_rc rc = AP_WIRE_END;
	ap_wire_start(&t->it, body, n);
	while (t->left > 0 && (rc = ap_wire_next(&t->it, &rec)) == AP_WIRE_OK) {
		rec.id = id;
		print_rec(t, &rec, stream);
	}
	if (rc == AP_WIRE_BAD) {
		char text[AP_ID_TEXT];
		ap_id_format(id, text);
		t->bad++;
		fprintf(stderr, "apctl: %s %s: not readable: %s\n", stream, text, t->it.why);
	}
}

static void print_entry(struct tail *t, const char *stream, const redisReply *e)
{
	ap_id id;
	if (e->elements != 2 || e->element[1]->type != REDIS_REPLY_ARRAY || e->element[0]->str == NULL ||
	    !ap_id_parse(ap_str_n(e->element[0]->str, (size_t)e->element[0]->len), &id))
		return;
	const redisReply *f = e->element[1];
	ap_str body = { NULL, 0 };
	uint32_t n = 0;
	for (size_t i = 0; i + 1 < f->elements; i += 2) {
		const redisReply *v = f->element[i + 1];
		if (strcmp(f->element[i]->str, "n") == 0)
			n = (uint32_t)strtoul(v->str, NULL, 10);
		else if (strcmp(f->element[i]->str, "b") == 0)
			body = ap_str_n(v->str, (size_t)v->len);
	}
	print_body(t, stream, id, body, n);
}

/* "ap:{2}:tick", "ap:metric", or "tick" for all partitions. Returns how many keys, 0: no such stream. */
static unsigned keys_of(const struct ctl *c, const char *what, char keys[][KEY_LEN])
{
	enum ap_stream s;
	if (strncmp(what, "ap:", 3) == 0) {
		snprintf(keys[0], KEY_LEN, "%s", what);
		return 1;
	}
	if (strcmp(what, "metric") == 0) {
		snprintf(keys[0], KEY_LEN, "ap:metric");
		return 1;
	}
	if (!ap_stream_by_name(ap_str_c(what), &s))
		return 0;
	for (unsigned p = 0; p < c->app.conf.data_partitions; p++)
		snprintf(keys[p], KEY_LEN, "ap:{%u}:%s", p, what);
	return (unsigned)c->app.conf.data_partitions;
}

/* One XREAD over keys of one server; moves the positions. False: Redis is gone. */
static bool read_once(const struct ctl *c, redisContext *r, struct tail *t, const char *block_ms, char keys[][KEY_LEN], char from[][AP_ID_TEXT], unsigned n)
{
	static const char *argv[2 * AP_PARTS_MAX + 6];
	int argc = 0;
	argv[argc++] = "XREAD";
	argv[argc++] = "COUNT";
	argv[argc++] = "64";
	argv[argc++] = "BLOCK";
	argv[argc++] = block_ms;
	argv[argc++] = "STREAMS";
	for (unsigned i = 0; i < n; i++) {
		argv[argc + (int)i] = keys[i];
		argv[argc + (int)(n + i)] = from[i];
	}
	redisReply *a = ctl_keyv(c, r, keys[0], argc + 2 * (int)n, argv);
	if (a == NULL || a->type == REDIS_REPLY_ERROR) {
		ctl_fail(AP_EX_AGAIN, "Redis: %s", a != NULL ? a->str : r->errstr);
		freeReplyObject(a);
		return false;
	}
	for (size_t s = 0; a->type == REDIS_REPLY_ARRAY && s < a->elements; s++) {
		const redisReply *one = a->element[s], *list = one->element[1];
		for (size_t e = 0; e < list->elements && t->left > 0; e++) {
			print_entry(t, one->element[0]->str, list->element[e]);
			for (unsigned i = 0; i < n; i++)
				if (strcmp(keys[i], one->element[0]->str) == 0)
					snprintf(from[i], AP_ID_TEXT, "%s", list->element[e]->element[0]->str);
		}
	}
	freeReplyObject(a);
	fflush(stdout);
	return true;
}

/* "$" would be asked anew with every XREAD. False: Redis is gone. */
static bool last_id(const struct ctl *c, redisContext *r, const char *key, char id[AP_ID_TEXT])
{
	redisReply *a = ctl_key(c, r, "XREVRANGE %s + - COUNT 1", key);
	bool ok = a != NULL && a->type == REDIS_REPLY_ARRAY;

	snprintf(id, AP_ID_TEXT, "%s", ok && a->elements == 1 ? a->element[0]->element[0]->str : "0-0");
	freeReplyObject(a);
	return ok;
}

int cmd_tail(struct ctl *c)
{
	static char keys[AP_PARTS_MAX][KEY_LEN], from[AP_PARTS_MAX][AP_ID_TEXT];
	static struct tail t;
	const char *start = ctl_flag(c, "from", "$");
	unsigned n = c->argc == 1 ? keys_of(c, c->argv[0], keys) : 0;
	if (n == 0)
		return ctl_fail(AP_EX_MISTAKE, "tail STREAM: raw tick reject live candle indicator signal metric, or a key such as ap:{2}:tick");
	if (!ctl_flag_u64(c, "count", UINT64_MAX, 1, UINT64_MAX, &t.left))
		return AP_EX_MISTAKE;
	ap_buf_init(&t.line, 4 << 20);
	redisContext *r = ctl_redis(c);
	for (unsigned i = 0; i < n; i++)
		snprintf(from[i], AP_ID_TEXT, "%s", start);
	/* In a Cluster the streams may be on different nodes: one after the other, with a short wait each. */
	bool apart = n > 1 && strncmp(c->app.conf.redis_url, "cluster://", 10) == 0, ok = r != NULL;
	for (unsigned i = 0; apart && ok && strcmp(start, "$") == 0 && i < n; i++)
		ok = last_id(c, r, keys[i], from[i]);
	while (ok && t.left > 0 && !ferror(stdout)) {
		for (unsigned i = 0; apart && ok && i < n && t.left > 0; i++)
			ok = read_once(c, r, &t, "50", keys + i, from + i, 1);
		if (!apart)
			ok = read_once(c, r, &t, "1000", keys, from, n);
	}
	int rc = r != NULL && t.left == 0 ? 0 : AP_EX_AGAIN;
	if (r != NULL)
		redisFree(r);
	ap_buf_done(&t.line);
	return rc;
}
