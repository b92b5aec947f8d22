/*
 * where.c - on which server a key is at present.
 *
 * Sentinel: every Sentinel of the list is asked once a second and whenever one of them publishes +switch-master. Of the answers
 * that are not old, the one of the highest configuration epoch counts: a Sentinel that was cut off names the primary of before.
 * Cluster: one node is asked for the slot table, another one when it does not answer; -MOVED is believed before the table.
 */
#include "where.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "redis.h"

enum {
	NODES_MAX = 256,
	NOBODY = 0xffff,
	POLL_MS = 1000,         /* Sentinels */
	TABLE_MS = 10000,       /* slot table, while nothing is wrong */
	SOON_MS = 100,          /* least time between two looks */
	OLD_MS = 5000,          /* a Sentinel's answer is forgotten when it could not be renewed for so long */
};

struct sentinel {
	struct ap_where *w;
	struct ap_redis *ask, *hear;
	struct ap_place says;
	uint64_t epoch, epoch_asked;
	int64_t said_ns;                /* 0: nothing yet */
};

struct ap_where {
	struct ev_loop *loop;
	struct ap_log *log;
	const struct ap_conf *conf;
	struct ap_redis_url url;
	struct ap_where_user *users;
	ev_timer timer;
	int64_t asked_ns;
	uint32_t said;                  /* bits of ap_where_first */
	bool is_short;                  /* of replicas */
	bool trusted;                   /* the user's rights were looked at */

	struct sentinel sentinel[AP_URL_HOSTS];
	struct ap_place primary;        /* Sentinel: the present answer */

	struct ap_redis *node;          /* Cluster: who is asked */
	bool turn;                      /* the next one is to be asked */
	unsigned node_at;               /* number of it: known nodes first, then the URL's */
	struct ap_place nodes[NODES_MAX];
	unsigned nodes_n;
	uint16_t owner[AP_SLOTS];
};

static void tell(struct ap_where *w)
{
	for (struct ap_where_user *u = w->users; u != NULL; u = u->next)
		u->changed(u->ctx);
}

static void timer_in(struct ap_where *w, int64_t ms)
{
	ev_timer_stop(w->loop, &w->timer);
	ev_timer_set(&w->timer, (double)ms / 1000, 0);
	ev_timer_start(w->loop, &w->timer);
}

/* --- Sentinels --- */

/* Of the answers that are not old the one of the highest epoch; among equals the first of the list. */
static void choose(struct ap_where *w)
{
	char from[AP_PLACE_TEXT], to[AP_PLACE_TEXT];
	const struct sentinel *best = NULL;
	int64_t now = ap_mono_ns();

	for (unsigned i = 0; i < w->url.n; i++) {
		const struct sentinel *s = &w->sentinel[i];
		if (s->said_ns != 0 && now - s->said_ns < OLD_MS * INT64_C(1000000) && (best == NULL || s->epoch > best->epoch))
			best = s;
	}
	/* With no answer at all the last one stays: the Sentinels may be away and the primary well. */
	if (best == NULL || ap_place_eq(&best->says, &w->primary))
		return;
	ap_log(w->log, w->primary.host[0] == '\0' ? AP_INFO : AP_WARN, "redis_primary", KV_S("name", w->url.name),
	       KV_S("was", ap_place_text(&w->primary, from)), KV_S("is", ap_place_text(&best->says, to)), KV_U("epoch", best->epoch));
	w->primary = best->says;
	tell(w);
}

/* SENTINEL MASTER: field, value, ... */
static void epoch_cb(void *ctx, const redisReply *reply)
{
	struct sentinel *s = ctx;

	if (reply == NULL)
		return;
	s->epoch_asked = 0;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
		if (ap_str_is(ap_reply_text(reply, i), "config-epoch"))
			s->epoch_asked = ap_reply_u64(reply, i + 1, 0);
}

static void addr_cb(void *ctx, const redisReply *reply)
{
	struct sentinel *s = ctx;
	struct ap_place p;
	char text[AP_PLACE_TEXT];

	if (reply == NULL)
		return;
	ap_str host = ap_reply_text(reply, 0), port = ap_reply_text(reply, 1);
	if (reply->type == REDIS_REPLY_ERROR || host.len == 0 || host.len >= sizeof p.host || port.len == 0 || port.len >= sizeof p.port) {
		if (ap_where_first(s->w, 0))
			ap_log(s->w->log, AP_ERROR, "sentinel_knows_no_such_primary", KV_S("name", s->w->url.name),
			       KV_S("sentinel", ap_place_text(&s->w->url.at[s - s->w->sentinel], text)),
			       KV_T("why", reply->type == REDIS_REPLY_ERROR ? ap_str_n(reply->str, reply->len) : ap_str_c("")),
			       KV_S("next", "ask_again"));
		return;
	}
	snprintf(p.host, sizeof p.host, "%s", host.p);
	snprintf(p.port, sizeof p.port, "%s", port.p);
	s->says = p;
	s->epoch = s->epoch_asked;
	s->said_ns = ap_mono_ns();
	choose(s->w);
}

static void sentinel_ask(struct sentinel *s)
{
	/* The epoch first: a switch between the two questions must not give the old address the new epoch. */
	if (ap_redis_pending(s->ask) == 0)
		ap_redis_sendf(s->ask, epoch_cb, s, "SENTINEL MASTER %s", s->w->url.name);
	if (ap_redis_pending(s->ask) == 1)
		ap_redis_sendf(s->ask, addr_cb, s, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", s->w->url.name);
}

static void ask_up(void *ctx)
{
	sentinel_ask(ctx);
}

/* Whatever is published on the channel: ask everybody. A switch also comes as the reply of SUBSCRIBE itself. */
static void heard_cb(void *ctx, const redisReply *reply)
{
	struct sentinel *s = ctx;

	if (reply == NULL)
		return;
	for (unsigned i = 0; i < s->w->url.n; i++)
		sentinel_ask(&s->w->sentinel[i]);
}

static void hear_up(void *ctx)
{
	struct sentinel *s = ctx;

	ap_redis_sendf(s->hear, heard_cb, s, "SUBSCRIBE +switch-master");
}

static bool sentinels_open(struct ap_where *w)
{
	static const struct ap_redis_events ask = { ask_up, NULL }, hear = { hear_up, NULL };

	for (unsigned i = 0; i < w->url.n; i++) {
		struct sentinel *s = &w->sentinel[i];
		s->w = w;
		s->ask = ap_redis_new_to(w->loop, w->log, w->conf, &w->url.at[i], AP_REDIS_SENTINEL, &ask, s);
		s->hear = ap_redis_new_to(w->loop, w->log, w->conf, &w->url.at[i], AP_REDIS_SENTINEL, &hear, s);
		if (s->ask == NULL || s->hear == NULL)
			return false;
		ap_redis_listen(s->hear, heard_cb, s);
	}
	timer_in(w, POLL_MS);
	return true;
}

/* --- Cluster --- */

static unsigned node_of(struct ap_where *w, const struct ap_place *p)
{
	for (unsigned i = 0; i < w->nodes_n; i++)
		if (ap_place_eq(&w->nodes[i], p))
			return i;
	if (w->nodes_n == NODES_MAX)
		return NOBODY;
	w->nodes[w->nodes_n] = *p;
	return w->nodes_n++;
}

/* One row of CLUSTER SLOTS: first, last, [host, port, id, ...] of its master, ... */
static void row_take(struct ap_where *w, const redisReply *row, const struct ap_place *asked)
{
	struct ap_place p = *asked;     /* a node that does not know its own host is where it was asked */
	uint64_t first = ap_reply_u64(row, 0, AP_SLOTS), last = ap_reply_u64(row, 1, AP_SLOTS);
	const redisReply *m = row->type == REDIS_REPLY_ARRAY && row->elements > 2 ? row->element[2] : NULL;
	ap_str host = ap_reply_text(m, 0);
	uint64_t port = ap_reply_u64(m, 1, 0);

	if (first > last || last >= AP_SLOTS || port == 0 || port > 65535 || host.len >= sizeof p.host)
		return;
	if (host.len > 0 && !ap_str_is(host, "?"))
		snprintf(p.host, sizeof p.host, "%s", host.p);
	snprintf(p.port, sizeof p.port, "%u", (unsigned)port);
	unsigned n = node_of(w, &p);
	for (uint64_t slot = first; slot <= last; slot++)
		w->owner[slot] = (uint16_t)n;
}

static const struct ap_place *asked_place(const struct ap_where *w)
{
	return w->node_at < w->nodes_n ? &w->nodes[w->node_at] : &w->url.at[(w->node_at - w->nodes_n) % w->url.n];
}

static void table_cb(void *ctx, const redisReply *reply)
{
	struct ap_where *w = ctx;
	struct ap_place asked = *asked_place(w);

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
		if (ap_where_first(w, 1))
			ap_log(w->log, AP_ERROR, "no_slot_table", KV_T("why", reply->type == REDIS_REPLY_ERROR ?
			       ap_str_n(reply->str, reply->len) : ap_str_c("no slot is assigned")), KV_S("next", "ask_another_node"));
		w->turn = true;
		timer_in(w, POLL_MS);
		return;
	}
	w->nodes_n = 0;
	memset(w->owner, 0xff, sizeof w->owner);
	for (size_t i = 0; i < reply->elements; i++)
		row_take(w, reply->element[i], &asked);
	w->node_at = node_of(w, &asked);        /* a replica may have answered: it is no owner, and the last of the list */
	if (w->node_at == NOBODY)
		w->node_at = w->nodes_n;
	tell(w);
}

static void table_ask(void *ctx)
{
	struct ap_where *w = ctx;

	if (ap_redis_pending(w->node) == 0)
		ap_redis_sendf(w->node, table_cb, w, "CLUSTER SLOTS");
}

static void node_down(void *ctx, const char *why)
{
	struct ap_where *w = ctx;

	(void)why;
	w->turn = true;
	timer_in(w, SOON_MS);
}

/* Known nodes first, then those of redis.url. */
static void node_open(struct ap_where *w)
{
	static const struct ap_redis_events events = { table_ask, node_down };

	if (w->node != NULL) {
		ap_redis_free(w->node);
		w->node_at = (w->node_at + 1) % (w->nodes_n + w->url.n);
	}
	w->turn = false;
	w->node = ap_redis_new_to(w->loop, w->log, w->conf, asked_place(w), AP_REDIS_BARE, &events, w);
	assert(w->node != NULL);
}

/* --- what is asked of it --- */

static void timer_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ap_where *w = t->data;

	(void)loop, (void)revents;
	w->asked_ns = ap_mono_ns();
	if (w->url.kind == AP_URL_SENTINEL) {
		for (unsigned i = 0; i < w->url.n; i++)
			sentinel_ask(&w->sentinel[i]);
		timer_in(w, POLL_MS);
		return;
	}
	if (w->turn)
		node_open(w);
	else
		table_ask(w);
	timer_in(w, TABLE_MS);
}

void ap_where_ask(struct ap_where *w)
{
	int64_t ms = (ap_mono_ns() - w->asked_ns) / 1000000;

	if (w->url.kind != AP_URL_SENTINEL && w->url.kind != AP_URL_CLUSTER)
		return;
	/* The node that was asked may be what is wrong. */
	if (w->url.kind == AP_URL_CLUSTER && ms >= SOON_MS)
		w->turn = true;
	timer_in(w, ms >= SOON_MS ? 0 : SOON_MS - ms);
}

const struct ap_place *ap_where_find(const struct ap_where *w, unsigned slot)
{
	assert(slot < AP_SLOTS);
	if (w->url.kind == AP_URL_SENTINEL)
		return w->primary.host[0] != '\0' ? &w->primary : NULL;
	if (w->url.kind == AP_URL_CLUSTER)
		return w->owner[slot] < w->nodes_n ? &w->nodes[w->owner[slot]] : NULL;
	return &w->url.at[0];
}

const struct ap_place *ap_where_master(const struct ap_where *w, unsigned i)
{
	unsigned n = 0;

	if (w->url.kind != AP_URL_CLUSTER)
		return i == 0 ? ap_where_find(w, 0) : NULL;
	for (unsigned k = 0; k < w->nodes_n; k++) {
		bool owns = false;
		for (unsigned slot = 0; slot < AP_SLOTS && !owns; slot++)
			owns = w->owner[slot] == k;
		if (owns && n++ == i)
			return &w->nodes[k];
	}
	return NULL;
}

void ap_where_moved(struct ap_where *w, unsigned slot, const struct ap_place *to)
{
	if (w->url.kind != AP_URL_CLUSTER || slot >= AP_SLOTS)
		return;
	w->owner[slot] = (uint16_t)node_of(w, to);
	ap_where_ask(w);
	tell(w);
}

enum ap_url_kind ap_where_kind(const struct ap_where *w)
{
	return w->url.kind;
}

const char *ap_where_db(const struct ap_where *w)
{
	return w->url.db;
}

bool ap_where_short(const struct ap_where *w)
{
	return w->is_short;
}

void ap_where_set_short(struct ap_where *w, bool is)
{
	w->is_short = is;
}

bool ap_where_trusted(const struct ap_where *w)
{
	return w->trusted;
}

void ap_where_trust(struct ap_where *w)
{
	w->trusted = true;
}

bool ap_where_first(struct ap_where *w, unsigned what)
{
	uint32_t bit = UINT32_C(1) << what;
	bool first = (w->said & bit) == 0;

	w->said |= bit;
	return first;
}

/* --- coming and going --- */

static void where_free(struct ap_where *w)
{
	ev_timer_stop(w->loop, &w->timer);
	for (unsigned i = 0; i < AP_URL_HOSTS; i++) {
		ap_redis_free(w->sentinel[i].ask);
		ap_redis_free(w->sentinel[i].hear);
	}
	ap_redis_free(w->node);
	if (ev_userdata(w->loop) == w)
		ev_set_userdata(w->loop, NULL);
	free(w);
}

static struct ap_where *where_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, char *err, size_t errlen)
{
	struct ap_where *w = calloc(1, sizeof *w);

	if (w == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	w->loop = loop;
	w->log = log;
	w->conf = conf;
	memset(w->owner, 0xff, sizeof w->owner);
	ev_timer_init(&w->timer, timer_cb, 0, 0);
	w->timer.data = w;
	if (!ap_redis_url_parse(conf->redis_url, &w->url, err, errlen)) {
		free(w);
		return NULL;
	}
	if (w->url.kind == AP_URL_SENTINEL && !sentinels_open(w)) {
		snprintf(err, errlen, "no memory");
		where_free(w);
		return NULL;
	}
	if (w->url.kind == AP_URL_CLUSTER)
		node_open(w);
	ev_set_userdata(loop, w);
	return w;
}

struct ap_where *ap_where_join(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, struct ap_where_user *u, char *err,
			       size_t errlen)
{
	struct ap_where *w = ev_userdata(loop);

	/* The loop's user data is ours: it is how the connections of one program find what they share. */
	if (w == NULL)
		w = where_new(loop, log, conf, err, errlen);
	if (w == NULL)
		return NULL;
	u->next = w->users;
	w->users = u;
	return w;
}

void ap_where_leave(struct ap_where *w, struct ap_where_user *u)
{
	for (struct ap_where_user **at = &w->users; *at != NULL; at = &(*at)->next)
		if (*at == u) {
			*at = u->next;
			break;
		}
	if (w->users == NULL)
		where_free(w);
}
