/*
 * redis_set.h - one connection for the keys of every partition: the same for all of them where there is one server, one each
 * in a Cluster.
 *
 * For programs that look at all partitions and write little; who works a partition has a connection of its own.
 */
#ifndef AP_IO_REDIS_SET_H
#define AP_IO_REDIS_SET_H

#include "redis.h"

struct ap_redis_set;

struct ap_redis_set_events {
	/* One of them has come up, for the partitions first to last; in a Cluster ap:dataset's is for none (1 to 0). May be NULL. */
	void (*up)(void *ctx, unsigned first, unsigned last);
	void (*down)(void *ctx, unsigned first, unsigned last, const char *why);
};

/* data.partitions partitions, and ap:dataset. NULL: redis.url is unusable or no memory, reason in err. */
struct ap_redis_set *ap_redis_set_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				      const struct ap_redis_set_events *ev, void *ctx, char *err, size_t errlen);
void ap_redis_set_free(struct ap_redis_set *s);
/* The connection for keys of a partition, ap:{part}:... */
struct ap_redis *ap_redis_set_part(const struct ap_redis_set *s, unsigned part);
/* The one for ap:dataset. */
struct ap_redis *ap_redis_set_home(const struct ap_redis_set *s);
/* All of them are up, home too. */
bool ap_redis_set_is_up(const struct ap_redis_set *s);
/* Commands sent and not answered. */
size_t ap_redis_set_pending(const struct ap_redis_set *s);

#endif
