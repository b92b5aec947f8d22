/*
 * ctl_redis.c - the verbs' connections to Redis: one server, the primary that the Sentinels name, or the nodes of a Cluster.
 *
 * A verb may wait, so this is plain: what a Cluster's node says about where a key is (-MOVED, -ASK) is remembered or followed
 * when it says it.
 */
#include "ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 64, TRIES = 100, NAP_MS = 50 };

struct ctl_nodes {
	struct node {
		struct ap_place at;
		redisContext *r;
	} node[NODES];
	unsigned n;
	uint8_t owner[AP_SLOTS];        /* number of the node + 1; 0: not known, ask where the first connection is */
};

struct ctl_nodes *ctl_nodes_new(void)
{
	return calloc(1, sizeof(struct ctl_nodes));
}

void ctl_nodes_forget(struct ctl_nodes *n)
{
	for (unsigned i = 0; i < n->n; i++)
		if (n->node[i].r != NULL)
			redisFree(n->node[i].r);
	memset(n, 0, sizeof *n);
}

void ctl_nodes_free(struct ctl_nodes *n)
{
	if (n != NULL)
		ctl_nodes_forget(n);
	free(n);
}

static bool done(redisContext *r, redisReply *a)
{
	bool ok = r->err == 0 && a != NULL && a->type == REDIS_REPLY_STATUS;

	freeReplyObject(a);
	return ok;
}

static bool login(redisContext *r, const char *user, const char *password_file, char *err, size_t errlen)
{
	char pass[512];

	if (password_file[0] == '\0')
		return true;
	if (!ap_secret_read(password_file, pass, sizeof pass)) {
		snprintf(err, errlen, "the password file %s cannot be read", password_file);
		return false;
	}
	bool ok = done(r, user[0] != '\0' ? redisCommand(r, "AUTH %s %s", user, pass) : redisCommand(r, "AUTH %s", pass));
	explicit_bzero(pass, sizeof pass);
	if (!ok)
		snprintf(err, errlen, "the login is refused");
	return ok;
}

static redisContext *open_place(const struct ctl *c, const struct ap_place *p, bool sentinel, char *err, size_t errlen)
{
	const struct timeval wait = { 3, 0 };
	const struct ap_conf *f = &c->app.conf;
	char text[AP_PLACE_TEXT], why[300] = "";
	redisContext *r = p->port[0] == '\0' ? redisConnectUnixWithTimeout(p->host, wait)
					     : redisConnectWithTimeout(p->host, (int)strtol(p->port, NULL, 10), wait);

	if (r == NULL || r->err != 0)
		snprintf(why, sizeof why, "%s", r != NULL ? r->errstr : "out of memory");
	else if (login(r, sentinel ? f->redis_sentinel_user : f->redis_user, sentinel ? f->redis_sentinel_password_file : f->redis_password_file,
		       why, sizeof why)) {
		redisSetTimeout(r, (struct timeval){ 10, 0 });
		return r;
	}
	snprintf(err, errlen, "no %s at %s: %s", sentinel ? "Sentinel" : "Redis", ap_place_text(p, text), why);
	if (r != NULL)
		redisFree(r);
	return NULL;
}

static bool is_primary(redisContext *r)
{
	redisReply *a = redisCommand(r, "ROLE");
	bool yes = a != NULL && a->type == REDIS_REPLY_ARRAY && a->elements > 0 && a->element[0]->str != NULL &&
		strcmp(a->element[0]->str, "master") == 0;

	freeReplyObject(a);
	return yes;
}

/* One Sentinel's word; NULL: it does not know, or what it names is not a primary. */
static redisContext *by_sentinel(const struct ctl *c, const struct ap_redis_url *u, unsigned i, char *err, size_t errlen)
{
	struct ap_place at;
	char text[AP_PLACE_TEXT];
	redisContext *s = open_place(c, &u->at[i], true, err, errlen), *r = NULL;

	if (s == NULL)
		return NULL;
	redisReply *a = redisCommand(s, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", u->name);
	if (a == NULL || a->type != REDIS_REPLY_ARRAY || a->elements != 2) {
		snprintf(err, errlen, "the Sentinel at %s knows no %s", ap_place_text(&u->at[i], text), u->name);
	} else {
		snprintf(at.host, sizeof at.host, "%s", a->element[0]->str);
		snprintf(at.port, sizeof at.port, "%s", a->element[1]->str);
		r = open_place(c, &at, false, err, errlen);
	}
	freeReplyObject(a);
	redisFree(s);
	if (r != NULL && !is_primary(r)) {
		snprintf(err, errlen, "%s is said to be the primary and is none", ap_place_text(&at, text));
		redisFree(r);
		return NULL;
	}
	return r;
}

unsigned ctl_sentinels(const struct ctl *c, const struct ap_redis_url *u)
{
	char err[400];
	unsigned n = 0;

	for (unsigned i = 0; i < u->n; i++) {
		redisContext *r = by_sentinel(c, u, i, err, sizeof err);
		n += r != NULL;
		if (r != NULL)
			redisFree(r);
	}
	return n;
}

redisContext *ctl_redis_quiet(const struct ctl *c, char *err, size_t errlen)
{
	struct ap_redis_url u;
	redisContext *r = NULL;

	if (!ap_redis_url_parse(c->app.conf.redis_url, &u, err, errlen))
		return NULL;
	for (unsigned i = 0; i < u.n && r == NULL; i++)
		r = u.kind == AP_URL_SENTINEL ? by_sentinel(c, &u, i, err, errlen) : open_place(c, &u.at[i], false, err, errlen);
	if (r != NULL && u.db[0] != '\0' && !done(r, redisCommand(r, "SELECT %s", u.db))) {
		snprintf(err, errlen, "Redis refuses database %s", u.db);
		redisFree(r);
		return NULL;
	}
	return r;
}

redisContext *ctl_redis(const struct ctl *c)
{
	char err[700];
	redisContext *r = ctl_redis_quiet(c, err, sizeof err);

	if (r == NULL)
		ctl_fail(AP_EX_AGAIN, "%s. Is the pipeline up? (apctl up, or the server's own unit)", err);
	return r;
}

/* --- keys --- */

/* The number of a node of the Cluster, connected. -1: it cannot be reached, or there are too many. */
static int node_at(const struct ctl *c, const struct ap_place *at)
{
	struct ctl_nodes *all = c->nodes;
	char err[400];
	unsigned i = 0;

	while (i < all->n && !ap_place_eq(&all->node[i].at, at))
		i++;
	if (i == NODES)
		return -1;
	if (i == all->n)
		all->node[all->n++] = (struct node){ .at = *at };
	struct node *n = &all->node[i];
	if (n->r != NULL && n->r->err != 0) {
		redisFree(n->r);
		n->r = NULL;
	}
	if (n->r == NULL)
		n->r = open_place(c, at, false, err, sizeof err);
	return n->r != NULL ? (int)i : -1;
}

static bool is(const redisReply *a, const char *word)
{
	return a != NULL && a->type == REDIS_REPLY_ERROR && strncmp(a->str, word, strlen(word)) == 0;
}

/* "MOVED 42 host:port" */
static int redirected(const struct ctl *c, const redisReply *a)
{
	const char *sp = strchr(a->str, ' ');
	struct ap_place at;

	sp = sp != NULL ? strchr(sp + 1, ' ') : NULL;
	return sp != NULL && ap_place_parse(ap_str_c(sp + 1), "", &at) ? node_at(c, &at) : -1;
}

redisReply *ctl_keyv(const struct ctl *c, redisContext *r, const char *key, int argc, const char **argv)
{
	const struct timespec nap = { 0, NAP_MS * 1000000 };
	struct ctl_nodes *all = c->nodes;
	unsigned slot = ap_key_slot(ap_str_c(key));
	redisReply *a = NULL;
	bool asking = false;
	int via = all->owner[slot] > 0 ? all->owner[slot] - 1 : -1;

	for (int i = 0; i < TRIES; i++) {
		redisContext *to = via >= 0 ? all->node[via].r : r;
		if (asking)
			freeReplyObject(redisCommand(to, "ASKING"));
		a = redisCommandArgv(to, argc, argv, NULL);
		if (is(a, "MOVED ")) {
			via = redirected(c, a);
			all->owner[slot] = via >= 0 ? (uint8_t)(via + 1) : 0;
			asking = false;
		} else if (is(a, "ASK ")) {
			via = redirected(c, a);
			asking = true;
		} else if (is(a, "TRYAGAIN") || is(a, "CLUSTERDOWN") || (a == NULL && via >= 0)) {
			nanosleep(&nap, NULL);
			asking = false;
			if (a == NULL)
				via = -1;
		} else {
			return a;
		}
		freeReplyObject(a);
	}
	return NULL;
}

redisReply *ctl_key(const struct ctl *c, redisContext *r, const char *fmt, ...)
{
	const char *argv[16];
	char text[512], *save = NULL;
	int argc = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *w = strtok_r(text, " ", &save); w != NULL && argc < 16; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return argc > 1 ? ctl_keyv(c, r, argv[1], argc, argv) : NULL;
}

redisContext *ctl_at(const struct ctl *c, redisContext *r, const char *key)
{
	uint8_t owner = c->nodes->owner[ap_key_slot(ap_str_c(key))];

	return owner > 0 ? c->nodes->node[owner - 1].r : r;
}

unsigned ctl_masters(const struct ctl *c, redisContext *r, redisContext **out, unsigned cap)
{
	redisReply *a = strncmp(c->app.conf.redis_url, "cluster://", 10) == 0 ? redisCommand(r, "CLUSTER SLOTS") : NULL;
	unsigned n = 0;

	for (size_t i = 0; a != NULL && a->type == REDIS_REPLY_ARRAY && i < a->elements; i++) {
		const redisReply *m = a->element[i]->elements > 2 ? a->element[i]->element[2] : NULL;
		struct ap_place at;
		if (m == NULL || m->elements < 2 || m->element[0]->str == NULL)
			continue;
		snprintf(at.host, sizeof at.host, "%s", m->element[0]->str);
		snprintf(at.port, sizeof at.port, "%lld", m->element[1]->integer);
		int k = node_at(c, &at);
		bool seen = k < 0;
		for (unsigned j = 0; j < n && !seen; j++)
			seen = out[j] == c->nodes->node[k].r;
		if (!seen && n < cap)
			out[n++] = c->nodes->node[k].r;
	}
	freeReplyObject(a);
	if (n == 0 && cap > 0)
		out[n++] = r;
	return n;
}
