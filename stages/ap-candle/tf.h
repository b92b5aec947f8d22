/*
 * tf.h - timeframes: names, and which interval an instant lies in.
 *
 * Knows no trades and no clock, and of calendars only the plain one: UTC. Zones and trading hours are in cal.h.
 */
#ifndef AP_CANDLE_TF_H
#define AP_CANDLE_TF_H

#include "common/core/rec.h"

enum {
	CANDLE_TFS_MAX = 24,            /* timeframes of one plan, the hidden one included */
};

enum candle_unit { CANDLE_SECOND, CANDLE_MINUTE, CANDLE_HOUR, CANDLE_DAY, CANDLE_WEEK, CANDLE_MONTH };

struct candle_tf {
	char name[AP_TF_MAX];           /* "15m", NUL-terminated */
	uint32_t name_len;
	enum candle_unit unit;
	uint32_t count;                 /* 15 */
	int64_t step_ms;                /* length of an interval; months: the longest one */
};

/* Which timeframes are built together. tf[0] is the smallest: trades go into it, all others are folded from it. */
struct candle_plan {
	struct candle_tf tf[CANDLE_TFS_MAX];
	uint32_t n;
	bool hidden;                    /* tf[0] was not asked for: it feeds the others and is not published */
};

/* Reads "15m". False with a sentence in err: which names there are. */
bool candle_tf_parse(struct candle_tf *tf, ap_str name, char *err, size_t errlen);
/* The interval [open, close) that holds t (>= 0), in UTC. */
void candle_tf_at(const struct candle_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms);
/* Reads "1m,5m,1h", orders it, finds the base: at most, and a divisor of, step_ms. False with a sentence in err. */
bool candle_plan_parse(struct candle_plan *p, ap_str list, int64_t step_ms, char *err, size_t errlen);
/* The place of a timeframe by name, or -1. */
int candle_plan_find(const struct candle_plan *p, ap_str name);

#endif
