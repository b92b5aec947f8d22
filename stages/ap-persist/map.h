/*
 * map.h - records to rows: which table gets what.
 *
 * Pure: no clock (the time is handed in), no connection. One map holds the rows of one transaction.
 */
#ifndef AP_PERSIST_MAP_H
#define AP_PERSIST_MAP_H

#include "common/core/conf.h"
#include "common/core/json.h"
#include "common/core/rec.h"
#include "common/core/stage.h"
#include "common/core/store.h"
#include "common/core/symbol.h"
#include "common/core/wire.h"
#include "rows.h"

enum {
	MAP_METRIC = AP_S_N,            /* ap:metric, beside the streams of a partition */
	MAP_STREAMS,
	MAP_COVER = 1024,               /* intervals gathered in one transaction, at most */
	MAP_SPANS = 2048,               /* partitions of tables touched by one transaction, at most */
	MAP_STEPS = 512,                /* reporting processes whose samples are thinned */
};

/* "raw" ... "signal", "metric". */
const char *map_stream_name(unsigned s);
/* Whether a stream holds anything that is to be stored. */
bool map_reads(const struct ap_conf *conf, unsigned s);

/*
 * Of each producer, by tag: the highest number of its journal of which raw messages, valid trades and quotes, and ap-normalize's rejects
 * were stored when Redis was filled again. What a producer sent goes through a partition in the order of these numbers, so everything
 * below is stored too, and its rows need not be made only to meet themselves. Sorted by tag.
 */
enum map_known_kind { MAP_K_RAW, MAP_K_TICK, MAP_K_REJECT, MAP_K_N };
struct map_known {
	uint32_t tag;
	uint64_t seq[MAP_K_N];  /* 0: none */
};

/* One entry of a stream. */
struct map_entry {
	int part;               /* -1: ap:metric */
	unsigned stream;
	ap_id id;
	uint32_t n;             /* records announced */
	ap_str body;
	const struct map_known *known;  /* of its partition; may be NULL when known_n == 0 */
	size_t known_n;
};

/* A source was up for [lo, hi], ns since 1970. */
struct map_cover {
	uint8_t len;
	char source[AP_SOURCE_MAX];
	int64_t lo, hi;
};

/* Rows of a table lie in the partition that starts at lo_s. */
struct map_span {
	enum ap_table table;
	int64_t lo_s;
};

/* When each process's metrics were last stored. */
struct map_steps {
	struct { uint64_t key; int64_t ts; } at[MAP_STEPS];
};

struct map {
	const struct ap_conf *conf;
	struct map_steps *steps;
	struct rows t[AP_T_N];
	size_t rows, bytes;             /* in all tables */
	struct map_cover cover[MAP_COVER];
	size_t covers;
	struct map_span span[MAP_SPANS];
	size_t spans;
	uint64_t known;                 /* since map_new: records that were stored before and passed over */
	uint64_t bad_frames;            /* since map_new: entries that could not be read to their end */
	/* the rest is the map's own business */
	const struct map_entry *e;
	int64_t now_ms;
	bool failed, bad;
	struct ap_span last_span[AP_T_N];
	struct { ap_id origin; uint32_t idx; uint64_t raw_seq; ap_ts recv; bool open, success; struct ap_buf errors; } res;
	struct { bool open, set[7]; double v[7]; int64_t ts; char instance[64]; size_t instance_len; } sys;
	struct ap_buf text;
	struct ap_wire_iter it;
	struct ap_json json;
	struct ap_jtok *tok;
};

/* conf and steps must outlive it; several maps may share the steps, all zero at first. NULL: no memory. */
struct map *map_new(const struct ap_conf *conf, struct map_steps *steps);
void map_free(struct map *m);
/* A new transaction: forgets the rows, keeps what thins the metrics. */
void map_clear(struct map *m);
/* What was read will be read again: forgets the rows, and when metrics were last stored. */
void map_reset(struct map *m);

/*
 * Adds an entry's rows. now_ms is the wall clock, for processing_time_ms. False: no memory; the transaction
 * must not be used. An unreadable entry is counted and leaves an alert row.
 */
bool map_add(struct map *m, const struct map_entry *e, int64_t now_ms);
/*
 * The same one record at a time, for one who says where it is before it goes on. e and its body stay where they are until map_end.
 * map_next makes the rows of the next record, map_poison one row in normalized_data that it is poison (status poison, stage
 * persist, reason poison, the payload unread) and an alert row; false: there was none left, or none that can be read. Nothing else
 * may be added in between.
 */
void map_begin(struct map *m, const struct map_entry *e, int64_t now_ms);
bool map_next(struct map *m);
bool map_poison(struct map *m);
bool map_end(struct map *m);
/* The whole entry is poison: one such row, and not a byte of the body is looked at. */
bool map_poison_entry(struct map *m, const struct map_entry *e, int64_t now_ms);
/* An alert of ap-persist itself. key tells alerts of one instant apart. False: no memory. */
bool map_alert(struct map *m, const char *type, const char *severity, ap_str message, double value, ap_str key, int64_t ts_ns);
/* No further entry fits surely: close the transaction. */
bool map_full(const struct map *m);

#endif
