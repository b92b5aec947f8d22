/*
 * prom.h - the metrics as Prometheus text (exposition format 0.0.4).
 *
 * Names become alphapulse_NAME_UNIT[_total] in base units: batch_ms_p50 is alphapulse_batch_p50_seconds. Component
 * and instance become the labels component and worker ("instance" is Prometheus's own).
 */
#ifndef AP_METRICS_PROM_H
#define AP_METRICS_PROM_H

#include "common/core/buf.h"
#include "mtable.h"

enum { PROM_NAME = 160 };

/* The exported name of a metric, and what its value is to be multiplied with. False: no valid name comes out. */
bool prom_name(const char *component, const char *name, enum ap_metric_type type, char out[PROM_NAME], double *scale);
/* Whether a text is Prometheus label syntax without braces (empty is): a="b",c="d". */
bool prom_labels_ok(const char *labels);
/* Everything there is, families together, with HELP and TYPE. False: no memory. */
bool prom_render(struct ap_buf *b, const struct mtable *t);

#endif
