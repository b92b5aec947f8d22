/*
 * main.h - the shell of ap-api: what its files share. Everything runs on one loop, in one thread.
 *
 *   main.c         options, timers, polls, readiness      main_http.c    libmicrohttpd: requests and answers
 *   main_tail.c    stream tails into the model             main_ws.c      wslay: the clients of /ws/streaming
 *   main_pg.c      histories from PostgreSQL               main_ingest.c  posted messages to ap-ingest
 */
#ifndef AP_API_MAIN_H
#define AP_API_MAIN_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "../../common/io/app.h"
#include "../../common/io/metric.h"
#include "../../common/io/pg.h"
#include "../../common/io/redis_set.h"
#include "answer.h"
#include "bucket.h"
#include "counts.h"
#include "post.h"
#include "route.h"
#include "subs.h"

struct api_tail;
struct api_http;
struct api_ws;
struct api_ingest;

/* What one poll said about a partition; -1: not known. */
struct api_part_poll {
	struct api *api;
	int64_t stream_n[AP_S_N];       /* records ever written */
	int64_t taken[API_ST_N];        /* records taken by each stage */
	int64_t stored[AP_S_N];         /* records of each stream stored by ap-persist */
};

struct api {
	struct ap_app app;
	struct api_model model;
	struct api_pipe pipe;
	struct api_outcomes outcomes;
	struct api_buckets buckets;
	struct api_counts counts;
	struct ap_jtok *toks;           /* workspace for JSON, AP_JSON_TOKS of them */
	struct ap_pg *pg;
	bool pg_ready;                  /* session settings are in place */
	unsigned history_loads, quote_loads;    /* under way */
	struct ap_redis_set *ctl;       /* polls */
	struct ap_redis *metric;        /* metric records */
	struct api_tail *tail;          /* one a partition */
	unsigned parts;
	struct api_http *http;
	struct api_ws *ws;
	struct api_ingest *ingest;
	int64_t started_ns;
	bool stopping;
	ev_timer second;
	ev_prepare before_wait;
	struct ap_metrics *metrics;
	struct {
		unsigned waiting;       /* replies of this poll still to come */
		bool failed;            /* some did not come: the round does not count */
		struct api_part_poll *part;     /* one a partition */
		char metric_id[AP_ID_TEXT];     /* last entry of ap:metric taken; "": none yet */
	} poll;
};

static inline struct api *api_of(struct ap_app *app)
{
	return app->ctx;
}
void api_facts_now(const struct api *a, struct api_facts *f);
bool api_redis_up(const struct api *a);
/* "127.0.0.1:8080" or "[::1]:8080" into an address. False: not numeric. */
bool api_addr_parse(const char *text, struct sockaddr_storage *out, socklen_t *len);

/* --- main_tail.c */
bool api_tails_start(struct api *a, char *err, size_t errlen);
void api_tails_stop(struct api *a);
bool api_tails_up(const struct api *a);
/* Redis answers, but does not hold this data set. */
bool api_tails_foreign(const struct api *a);
/* Connects anew, and is checked. */
void api_tails_reset(struct api *a, const char *why);
/* Some tail has not reached the end of its streams yet. */
bool api_tails_lagging(const struct api *a);

/* --- main_pg.c */
bool api_pg_start(struct api *a, char *err, size_t errlen);
/* What a history load found. series == NULL: reason says why. */
struct api_history {
	struct api_series *series;
	const char *tf;
	struct api_ring *ring;          /* PostgreSQL's and the model's candles together; valid during the call */
	int status;                     /* 200, 404 unknown, 503 away or overloaded */
	const char *reason;
};
typedef void api_history_fn(void *ctx, const struct api_history *h);
/*
 * Candles of a symbol (canonical) in one timeframe, at least `limit` of them if there are so many; source may be empty. fn
 * is called once, perhaps before this returns.
 */
void api_history_get(struct api *a, ap_str source, ap_str symbol, ap_str tf, uint32_t limit, api_history_fn *fn, void *ctx);
/* The newest system_metrics row as a JSON object. json == "": there is none; NULL: PostgreSQL is away. */
typedef void api_json_fn(void *ctx, const char *json);
void api_system_get(struct api *a, api_json_fn *fn, void *ctx);
/* How the rules have done, as a JSON array; json as above. */
void api_stats_get(struct api *a, api_json_fn *fn, void *ctx);

/* --- main_row.c: cells of a PostgreSQL row */

/* Lives as long as r. */
ap_str api_row_text(const PGresult *r, int row, int col);
/* 0 when it says no number. */
ap_dec api_row_dec(const PGresult *r, int row, int col);
enum ap_candle_state api_row_state(const PGresult *r, int row, int col);
enum ap_quality api_row_quality(const PGresult *r, int row, int col);

/* --- main_quotes.c */

/* What a load of quote bars found. bars == NULL: reason says why. Valid during the call. */
struct api_quotes {
	const char *source, *symbol, *tf;
	const struct api_quote *last;
	const struct api_qbars *bars;
	int status;                     /* 200, 404 unknown, 503 away or overloaded */
	const char *reason;
};
typedef void api_quotes_fn(void *ctx, const struct api_quotes *q);
/* The newest `limit` quote bars of a symbol (canonical) in one timeframe; source may be empty. fn is called once, perhaps at once. */
void api_quotes_get(struct api *a, ap_str source, ap_str symbol, ap_str tf, uint32_t limit, api_quotes_fn *fn, void *ctx);

/* --- main_ingest.c */
bool api_ingest_start(struct api *a, char *err, size_t errlen);
void api_ingest_stop(struct api *a);
/* Called when all messages of a post have an answer (or the connection went). */
typedef void api_acked_fn(void *ctx);
/* Hands a post's lines over. False: ap-ingest is away or its queue is full; nothing was sent. post stays the caller's. */
bool api_ingest_send(struct api *a, struct api_post *post, api_acked_fn *fn, void *ctx);
/* Forgets the post: no call will come, its memory may go. */
void api_ingest_forget(struct api *a, const struct api_post *post);

/* --- main_http.c */
bool api_http_start(struct api *a, char *err, size_t errlen);
void api_http_stop(struct api *a);
/* Before the loop waits: lets libmicrohttpd say how long. */
void api_http_before_wait(struct api *a);
/* An upgraded connection was given back: the library does not notice by itself. */
void api_http_wake(struct api *a);
/* Once a second: deadlines. */
void api_http_second(struct api *a);
/* An outcome came from the streams: posts that wait for it may be done. */
void api_http_outcome(struct api *a, const struct api_outcome *x);

/* --- main_ws.c */
struct MHD_UpgradeResponseHandle;
bool api_ws_start(struct api *a);
void api_ws_stop(struct api *a);
/* Takes over an upgraded socket; extra: bytes already read from it. */
void api_ws_adopt(struct api *a, int fd, struct MHD_UpgradeResponseHandle *urh, const char *extra, size_t extra_len);
void api_ws_candle(struct api *a, const struct api_series *s, const struct api_tf *t, const struct ap_candle *c);
void api_ws_quotebar(struct api *a, const struct api_series *s, const struct api_tf *t, const struct ap_quotebar *q);
void api_ws_vals(struct api *a, const struct api_series *s, const struct api_tf *t, int64_t open_ms);
void api_ws_signal(struct api *a, const struct api_series *s, const struct api_signal *g);
/* Before the loop waits: what gathered is written. */
void api_ws_flush(struct api *a);
void api_ws_second(struct api *a);
uint32_t api_ws_clients(const struct api *a);

#endif
