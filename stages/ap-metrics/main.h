/*
 * main.h - ap-metrics' shell: what main.c, main_redis.c, main_sample.c and main_http.c share.
 */
#ifndef AP_METRICS_MAIN_H
#define AP_METRICS_MAIN_H

#include <microhttpd.h>

#include "alerts.h"
#include "common/core/recjson.h"
#include "common/core/stage.h"
#include "common/core/wire.h"
#include "common/io/app.h"
#include "common/io/metric.h"
#include "common/io/redis_set.h"
#include "mtable.h"
#include "prom.h"
#include "sample.h"

enum { EXPIRE_S = 30, PAGE_MAX = 16 << 20, CONSUMERS = 3 };

/* Which number of a partition an answer is. */
struct one {
	struct part_seen *s;
	size_t i;
};

/* What Redis was last asked about one partition. */
struct part_seen {
	int p;
	bool asked;             /* answers are outstanding */
	uint64_t q[AP_S_N], n[AP_S_N];          /* ever written: entries, records */
	uint64_t len[AP_S_N];                   /* in the stream now */
	uint64_t took_q[CONSUMERS], took_n[CONSUMERS], lost[CONSUMERS];
	uint64_t stored_q[AP_S_N];              /* confirmed by PostgreSQL */
	bool stores[AP_S_N];
	bool known;
	struct one len_of[AP_S_N], state_of[CONSUMERS];
};

struct watch {
	struct ap_app app;
	struct ap_redis *tail, *out;    /* one waits for ap:metric, the other writes there */
	struct ap_redis_set *ask;       /* how far every stage is */
	struct ap_metrics *metrics;
	struct mtable *table;
	struct alerts alerts;
	struct part_seen *part;
	size_t parts;
	char last_id[AP_ID_TEXT];       /* of ap:metric */
	bool reading;
	struct ap_wire_iter it;
	uint64_t bad_frames;
	struct ap_buf frame;            /* records of our own on their way to ap:metric */
	uint32_t frame_n;
	struct sample_cpu cpu;
	bool has_cpu;
	struct MHD_Daemon *http;
	ev_io http_io;
	ev_timer http_timer, tick;
	struct ap_buf page;
};

/* main_redis.c */
bool watch_redis(struct watch *w, char *err, size_t errlen);
/* Asks every partition for its sequence numbers, cursors and lengths. */
void watch_ask(struct watch *w);
void watch_collect(void *ctx, struct ap_metrics *m);
/* Puts one record into the frame that watch_emit sends. */
void watch_put(struct watch *w, const struct ap_metric *m);
void watch_emit(struct watch *w);

/* main_sample.c: the machine's numbers as records of component "system" */
void watch_sample(struct watch *w, ap_ts now);

/* main_http.c */
bool http_open(struct watch *w, char *err, size_t errlen);
void http_close(struct watch *w);

#endif
