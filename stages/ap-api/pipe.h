/*
 * pipe.h - the pipeline in numbers: rate, lag and latency of each stage, the state of each component and feed.
 *
 * Pure: the shell brings what it read (sequence numbers, cursors, metric records, arrival times) and the time. Every number
 * here was counted or measured; what is not known is absent, never zero.
 */
#ifndef AP_API_PIPE_H
#define AP_API_PIPE_H

#include "../../common/core/hist.h"
#include "../../common/core/stage.h"
#include "../../common/core/symbol.h"

enum api_stage { API_ST_INGEST, API_ST_NORMALIZE, API_ST_CANDLE, API_ST_INDICATORS, API_ST_PERSIST, API_ST_N };

enum {
	API_COMPS_MAX = 32,         /* components known */
	API_METRICS_MAX = 1024,     /* metrics of one component */
	API_FEEDS_MAX = 64,         /* sources known by their beats */
	API_SPARK = 120,            /* seconds of history kept for the page */
	API_QUIET_NS = 1000000000,  /* unit of the age limits below */
	API_SILENT_S = 10,          /* a component that has not reported for this long is silent */
	API_GONE_S = 30,            /* what one of its processes has not reported for this long, while others do, is forgotten */
};

struct api_stage_row {
	uint64_t done;          /* records this stage has taken (ingest: written), ever */
	uint64_t behind;        /* records in front of it */
	double rate;            /* records/s over the last round; meaningless unless rated */
	int64_t moved_ns;       /* when `done` last changed; 0: never seen to change */
	bool known, rated;
};

struct api_mvalue {
	char *name;             /* owned: NAME{instance="i",labels} */
	double value;
	int64_t ts_ns;
	enum ap_metric_type type;
};
struct api_comp {
	char name[AP_SOURCE_MAX + 1];
	int64_t seen_ns;
	struct api_mvalue *m;   /* owned */
	uint32_t n, cap;
};

struct api_feed {
	char source[AP_SOURCE_MAX + 1];
	int64_t beat_ns;        /* time of its newest beat */
	int64_t seen_ns;        /* when that beat came in here */
	int64_t trade_seen_ns;  /* when a trade of it came in here; 0: none since start */
	bool alive, live, closed;
};

/* Time from a record's raw entry to its arrival here, over the last 10 to 20 s. */
struct api_latency {
	struct ap_hist now, last;
	int64_t since_ns;
};

struct api_pipe {
	struct api_stage_row stage[API_ST_N];
	uint64_t round_in[API_ST_N], round_done[API_ST_N];      /* sums of the round going on */
	bool round_seen[API_ST_N];
	int64_t round_ns;               /* when the last round was closed; 0: never */
	uint64_t stream_n[AP_S_N];      /* records ever written per stream */
	uint64_t round_stream[AP_S_N];
	struct api_comp comp[API_COMPS_MAX];
	uint32_t comps;
	struct api_feed feed[API_FEEDS_MAX];
	uint32_t feeds;
	struct api_latency lat[AP_S_N]; /* live, candle, indicator, signal, tick */
	uint64_t lost;                  /* entries whose sequence number never came */
	double spark[API_SPARK];        /* trades/s, a value a round; oldest at spark_at once full */
	uint32_t spark_n, spark_at;
};

void api_pipe_init(struct api_pipe *p);
void api_pipe_done(struct api_pipe *p);
const char *api_stage_name(enum api_stage s);           /* "ap-ingest", ... */

/*
 * One partition's numbers of a round: records written per stream, records taken per stage, records of each stream that
 * ap-persist has stored (-1: not known; a stream it does not store never is). taken[] of ap-ingest and ap-persist is not read.
 */
void api_pipe_part(struct api_pipe *p, const int64_t stream_n[AP_S_N], const int64_t taken[API_ST_N],
		   const int64_t stored[AP_S_N]);
/* All partitions were read: rates and lags are those between this round and the last. Forgets processes that are gone. */
void api_pipe_round(struct api_pipe *p, int64_t mono_ns);
/* A metric record. False: a bound was reached, it is not kept. */
bool api_pipe_metric(struct api_pipe *p, const struct ap_metric *m, int64_t now_ns);
void api_pipe_beat(struct api_pipe *p, const struct ap_beat *b, int64_t now_ns);
void api_pipe_trade(struct api_pipe *p, ap_str source, int64_t now_ns);
/* A frame of this stream, made from raw entry `origin`, arrived. */
void api_pipe_arrived(struct api_pipe *p, enum ap_stream s, ap_id origin, int64_t now_ns);
/* Latency quantile in us, -1 while nothing was measured in the window. */
int64_t api_pipe_latency_us(const struct api_pipe *p, enum ap_stream s, double q);
/* "running", "silent" (no report for API_SILENT_S), "absent" (never seen). */
const char *api_pipe_state(const struct api_pipe *p, const char *component, int64_t now_ns);
/* Processes of it that have reported in the last API_SILENT_S. */
unsigned api_pipe_workers(const struct api_pipe *p, const char *component, int64_t now_ns);

#endif
