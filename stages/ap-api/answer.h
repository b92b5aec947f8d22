/*
 * answer.h - what the API says, as JSON.
 *
 * Pure: model, numbers and the time in, text out. The shapes are described in docs/api.md and web/openapi.json.
 */
#ifndef AP_API_ANSWER_H
#define AP_API_ANSWER_H

#include "../../common/core/buf.h"
#include "model.h"
#include "pipe.h"
#include "post.h"

/* What the shell knows beside the pipeline. */
struct api_facts {
	int64_t now_ns;                 /* wall clock */
	int64_t mono_ns;                /* the clock of api_pipe_round */
	int64_t started_ns;             /* wall clock at start */
	int64_t stale_ns;               /* option api.stale_ms */
	bool redis_up, pg_up;
	bool redis_foreign;     /* it answers, but does not hold this data set */
	bool lagging;                   /* the tails are still catching up */
	uint32_t clients;               /* WebSocket clients */
};

/* Members of one candle as an object: {"source":...,"open_time":...}. */
void api_json_candle(struct ap_buf *b, const struct ap_candle *c);
/* Values of one candle: {"open_time":...,"revision":..,"provisional":..,"values":{"SMA(20)":..}}. */
void api_json_vals(struct ap_buf *b, const struct api_names *names, int64_t open_ms, const struct api_vals *v);
void api_json_signal(struct ap_buf *b, const struct api_signal *g);
/* "timestamp":"2026-…Z" (no comma). */
void api_json_now(struct ap_buf *b, int64_t now_ns);

/* {"error":"bad_request","reason":"..."[,"symbol":..],"timestamp":..}. */
void api_answer_error(struct ap_buf *b, const char *error, const char *reason, int64_t now_ns);
void api_answer_status(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f);
/* system: members of the newest system_metrics row as JSON text, "" when there is none. */
void api_answer_metrics(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f, const char *system);
/* The members shared by data/{symbol} and a snapshot: "symbol":…,"candles":[…],"indicators":[…],"signals":[…]. */
void api_answer_series(struct ap_buf *b, const struct api_names *names, const struct api_series *s, const char *tf,
		       const struct api_ring *ring, uint32_t limit);
/* How the rules have done: rules is a JSON array. */
void api_answer_stats(struct ap_buf *b, const char *rules, int64_t now_ns);
void api_answer_data(struct ap_buf *b, const struct api_names *names, const struct api_series *s, const char *tf,
		     const struct api_ring *ring, uint32_t limit, const struct api_facts *f);
/* Every series known: [{"source","symbol","timeframes":[…],"last_price",..}]. */
void api_answer_list(struct ap_buf *b, const struct api_model *m, const struct api_facts *f);
/* Returns the HTTP status: 200, or 202 while something is pending, 503 when ap-ingest refused or is away. */
int api_answer_post(struct ap_buf *b, const struct api_post *p, int64_t now_ns);
/* "pipeline":{…}: what streaming_update sends and status contains. */
void api_json_pipeline(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f);
/* "running", "idle" (alive, nothing traded lately), "stale" (no feed proves it is alive), "down" (Redis away). */
const char *api_streaming_state(const struct api_pipe *p, const struct api_facts *f);

#endif
