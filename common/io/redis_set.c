/*
 * redis_set.c - one connection for the keys of every partition.
 */
#include "redis_set.h"

#include <stdio.h>
#include <stdlib.h>

struct member {
	struct ap_redis_set *set;
	struct ap_redis *redis;
	unsigned first, last;   /* partitions it is for */
};

struct ap_redis_set {
	struct ap_redis_set_events ev;
	void *ctx;
	struct ap_redis *home;  /* in a Cluster the last member's, else the only one's */
	unsigned n;             /* members for partitions */
	struct member member[];
};

static void up_cb(void *ctx)
{
	const struct member *m = ctx;

	if (m->set->ev.up != NULL)
		m->set->ev.up(m->set->ctx, m->first, m->last);
}

static void down_cb(void *ctx, const char *why)
{
	const struct member *m = ctx;

	if (m->set->ev.down != NULL)
		m->set->ev.down(m->set->ctx, m->first, m->last, why);
}

struct ap_redis_set *ap_redis_set_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				      const struct ap_redis_set_events *ev, void *ctx, char *err, size_t errlen)
{
	static const struct ap_redis_events events = { up_cb, down_cb };
	unsigned parts = (unsigned)conf->data_partitions;
	struct ap_redis_url url;
	struct ap_redis_set *s;

	if (!ap_redis_url_parse(conf->redis_url, &url, err, errlen))
		return NULL;
	bool cluster = url.kind == AP_URL_CLUSTER;
	unsigned n = cluster ? parts : 1;
	s = calloc(1, sizeof *s + (n + 1) * sizeof s->member[0]);
	if (s == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	if (ev != NULL)
		s->ev = *ev;
	s->ctx = ctx;
	s->n = n;
	for (unsigned i = 0; i < n; i++) {
		struct member *m = &s->member[i];
		*m = (struct member){ .set = s, .first = i, .last = cluster ? i : parts - 1 };
		m->redis = cluster ? ap_redis_new_part(loop, log, conf, check, i, &events, m, err, errlen)
				   : ap_redis_new(loop, log, conf, check, &events, m, err, errlen);
	}
	s->member[n] = (struct member){ .set = s, .first = 1, .last = 0 };
	s->home = cluster ? ap_redis_new(loop, log, conf, check, &events, &s->member[n], err, errlen) : s->member[0].redis;
	for (unsigned i = 0; i < n; i++)
		if (s->member[i].redis == NULL || s->home == NULL) {
			ap_redis_set_free(s);
			return NULL;
		}
	return s;
}

void ap_redis_set_free(struct ap_redis_set *s)
{
	if (s == NULL)
		return;
	if (s->home != s->member[0].redis)
		ap_redis_free(s->home);
	for (unsigned i = 0; i < s->n; i++)
		ap_redis_free(s->member[i].redis);
	free(s);
}

struct ap_redis *ap_redis_set_part(const struct ap_redis_set *s, unsigned part)
{
	return s->member[s->n == 1 ? 0 : part].redis;
}

struct ap_redis *ap_redis_set_home(const struct ap_redis_set *s)
{
	return s->home;
}

bool ap_redis_set_is_up(const struct ap_redis_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!ap_redis_is_up(s->member[i].redis))
			return false;
	return ap_redis_is_up(s->home);
}

size_t ap_redis_set_pending(const struct ap_redis_set *s)
{
	size_t n = s->home != s->member[0].redis ? ap_redis_pending(s->home) : 0;

	for (unsigned i = 0; i < s->n; i++)
		n += ap_redis_pending(s->member[i].redis);
	return n;
}
