/*
 * mtable.h - the last value of every metric of every process.
 *
 * Pure and bounded: a series more than there is room for is counted and left out; one that has not been
 * reported for a while goes.
 */
#ifndef AP_METRICS_MTABLE_H
#define AP_METRICS_MTABLE_H

#include "common/core/rec.h"

enum {
	MT_SERIES = 8192,       /* series kept, at most */
	MT_SLOTS = 2 * MT_SERIES,
	MT_TEXT = 320,          /* bytes of component, instance, name and labels together */
};

struct mseries {
	uint64_t hash;
	enum ap_metric_type type;
	double value;
	int64_t ts_ns;          /* of the last report */
	uint16_t instance, name, labels;        /* where they start in text; component at 0; each NUL-terminated */
	char text[MT_TEXT];
};

struct mtable {
	struct mseries *s;      /* n of them, in no order */
	size_t n;
	uint32_t slot[MT_SLOTS];        /* index into s + 1; 0: empty */
	uint64_t refused;       /* reports that found no room, or were too long */
};

/* NULL: no memory. */
struct mtable *mtable_new(void);
void mtable_free(struct mtable *t);
/* Takes a report; one older than what is there is ignored. */
void mtable_put(struct mtable *t, const struct ap_metric *m);
/* Drops what was last reported before `ns`. */
void mtable_expire(struct mtable *t, int64_t ns);

static inline const char *mseries_component(const struct mseries *s) { return s->text; }
static inline const char *mseries_instance(const struct mseries *s) { return s->text + s->instance; }
static inline const char *mseries_name(const struct mseries *s) { return s->text + s->name; }
static inline const char *mseries_labels(const struct mseries *s) { return s->text + s->labels; }

#endif
