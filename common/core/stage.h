/*
 * stage.h - a stage is a fold: step(state, record, out) -> verdict.
 *
 * A fold sees records and nothing else: no I/O, no clock, no logging. Everything that drives it (Redis,
 * files, tests) is a port behind the same few calls. The laws every stage passes (crash anywhere, split
 * anywhere, twice is once, bounded, total) are in test/laws/.
 */
#ifndef AP_STAGE_H
#define AP_STAGE_H

#include "conf.h"
#include "rec.h"

/* The streams of one partition: ap:{p}:NAME. */
enum ap_stream {
	AP_S_RAW, AP_S_TICK, AP_S_REJECT, AP_S_LIVE, AP_S_CANDLE, AP_S_INDICATOR, AP_S_SIGNAL, AP_S_N
};
const char *ap_stream_name(enum ap_stream s);           /* "raw", "tick", ... */
bool ap_stream_by_name(ap_str name, enum ap_stream *out);

enum ap_verdict {
	AP_V_TAKEN,             /* it counted */
	AP_V_IGNORED,           /* of a kind this stage has no use for, passed by */
	AP_V_INVALID, AP_V_DUPLICATE, AP_V_OUTLIER, AP_V_LATE,  /* kept in `reject` with the reason */
	AP_V_N
};
const char *ap_verdict_name(enum ap_verdict v);

/* Where a fold puts its output. The record's texts are copied before the call returns. */
struct ap_out {
	void (*put)(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec);
};
static inline void ap_out_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	out->put(out, to, rec);
}

/* Where a fold puts what changed in its state since it was last saved: fields of a hash. Bytes are copied. */
struct ap_saver {
	void (*put)(struct ap_saver *s, ap_str field, ap_str value);
	void (*del)(struct ap_saver *s, ap_str field);
};

/* Where a fold puts its own counters (monotonic since open) when asked. */
struct ap_counts {
	void (*put)(struct ap_counts *c, const char *name, enum ap_metric_type type, double value);
};

/* A series of which a fold would have stored candles before it begins. */
struct ap_past {
	ap_str source, symbol, tf;      /* live until past_end */
	int64_t before_ms;              /* candles that open before this */
	uint32_t most;                  /* the newest so many of them */
};

struct ap_stage {
	const char *name;       /* "candle": its group, its lease, its state key; the program is "ap-candle" */
	enum ap_stream in;
	uint32_t outs;          /* 1u << AP_S_..., every stream it may write */

	/* A new, empty state for one partition. NULL with a sentence in err: a configuration error. */
	void *(*open)(const struct ap_conf *conf, char *err, size_t errlen);
	void (*close)(void *st);
	/*
	 * A hint: the record will be stepped soon, behind those shown before it. Nothing that shows may change by it; records that
	 * are never stepped do no harm. May be NULL.
	 */
	void (*expect)(void *st, const struct ap_rec *rec);
	/* Takes one record. Total: any valid record gets a verdict. rec->id and rec->idx are set. */
	enum ap_verdict (*step)(void *st, const struct ap_rec *rec, struct ap_out *out);
	/* The entry's last record has been stepped: put what is conflated per entry (forming candles). May be NULL. */
	void (*flush)(void *st, struct ap_out *out);
	/* Most records that stepping rec (and the flush after it) may put: the law `bounded`. */
	size_t (*bound)(const void *st, const struct ap_rec *rec);
	/* Puts the fields changed since the last save (all: every field), deletes those gone. */
	void (*save)(void *st, struct ap_saver *s, bool all);
	/* Takes back one saved field, in any order, before the first step. False: not of this version or damaged. */
	bool (*load)(void *st, ap_str field, ap_str value);
	/* Every field was loaded. False with a sentence in err: they do not fit together. May be NULL. */
	bool (*loaded)(void *st, char *err, size_t errlen);
	/*
	 * After that: which series begins anew, because what was saved of it is of another version or another configuration, and would
	 * have its stored candles first. False: none any more. After each true the candles follow by time (may be none), then past_end;
	 * all of it before the first step. Where nobody can give them (files, no database) it is not called. May be NULL, all three.
	 */
	bool (*past_wanted)(void *st, struct ap_past *want);
	void (*past)(void *st, const struct ap_candle *c);
	void (*past_end)(void *st);
	/*
	 * Looks at a record of `live` (a forming candle) and puts what would follow from it, all of it marked provisional. Changes
	 * nothing that is saved, and nothing that a later step depends on. May be NULL; peek_ms says how often at most, 0: never.
	 */
	bool (*peek)(void *st, const struct ap_rec *rec, struct ap_out *out);
	uint64_t (*peek_ms)(const struct ap_conf *conf);
	void (*count)(const void *st, struct ap_counts *c);     /* may be NULL */
};

#endif
