/*
 * where.h - on which server a key is at present: one server, what the Sentinels say, or a Cluster's slot table.
 *
 * One for all connections of a loop; it comes with the first and goes with the last. It never talks to the server that is
 * looked for, only to those that know: who connects there checks its ROLE. Not for users of redis.h.
 */
#ifndef AP_IO_WHERE_H
#define AP_IO_WHERE_H

#include <ev.h>

#include "../core/conf.h"
#include "../core/redis_url.h"
#include "log.h"

struct ap_where;

/* A connection as seen from here. slot and changed are set before ap_where_join. */
struct ap_where_user {
	unsigned slot;                  /* of its keys */
	void (*changed)(void *ctx);     /* ap_where_find may have another answer now. Must not free anything. */
	void *ctx;
	struct ap_where_user *next;
};

/* NULL: redis.url is unusable, sentence in err. conf and log must outlive all users. Pair with ap_where_leave. */
struct ap_where *ap_where_join(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, struct ap_where_user *u, char *err,
			       size_t errlen);
void ap_where_leave(struct ap_where *w, struct ap_where_user *u);

/* NULL: not known at present; `changed` will be called. Valid until the next turn of the loop. */
const struct ap_place *ap_where_find(const struct ap_where *w, unsigned slot);
/* Something is wrong with the present answer: look again, soon. */
void ap_where_ask(struct ap_where *w);
/* A node has said -MOVED. */
void ap_where_moved(struct ap_where *w, unsigned slot, const struct ap_place *to);
/* Master number i (from 0) of those known; NULL: there is no such. One server: number 0. */
const struct ap_place *ap_where_master(const struct ap_where *w, unsigned i);
enum ap_url_kind ap_where_kind(const struct ap_where *w);
/* The database number to SELECT, or "". */
const char *ap_where_db(const struct ap_where *w);

/* Whether too few replicas have what was written; kept here because it concerns the servers, not one connection. */
bool ap_where_short(const struct ap_where *w);
void ap_where_set_short(struct ap_where *w, bool is);

/* The user has been found to have all rights that are needed. */
bool ap_where_trusted(const struct ap_where *w);
void ap_where_trust(struct ap_where *w);

/* True the first time it is asked about `what` (0..31): for warnings that concern the server and not the connection. */
bool ap_where_first(struct ap_where *w, unsigned what);

#endif
