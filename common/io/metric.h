/*
 * metric.h - a process's counters, once per metrics.interval_ms, as records in the stream ap:metric.
 *
 * Every record carries the component, the instance and the time; the owner adds names and values. What any process has
 * is added by itself: rss_bytes, cpu_seconds_total, loop_stall_ms (the longest turn of the loop since the last report),
 * log_lines_dropped_total, metrics_dropped_total. What cannot be sent is dropped: the next report is newer.
 */
#ifndef AP_IO_METRIC_H
#define AP_IO_METRIC_H

#include "../core/rec.h"
#include "redis.h"

struct ap_metrics;

/* Called before each report; adds what the owner has. */
typedef void ap_metrics_collect_fn(void *ctx, struct ap_metrics *m);

/*
 * Starts reporting over r (not owned; must outlive it; may be down). component "ap-candle", instance "candle-0"
 * (NULL or "": host-pid). conf and log must outlive it.
 */
struct ap_metrics *ap_metrics_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, struct ap_redis *r,
				  const char *component, const char *instance, ap_metrics_collect_fn *collect, void *ctx);
void ap_metrics_free(struct ap_metrics *m);
/* Adds one value (NaN and inf are left out). labels: Prometheus label syntax without braces (part="3"), or "". */
void ap_metrics_add(struct ap_metrics *m, const char *name, const char *labels, enum ap_metric_type type, double value);
/* From now on it reports under this name. */
void ap_metrics_instance(struct ap_metrics *m, const char *instance);
/* Reports now (before leaving). */
void ap_metrics_flush(struct ap_metrics *m);
/* The worker's name: runtime.worker, or host-pid when that is empty. Returns out. */
const char *ap_worker_name(const struct ap_conf *conf, char *out, size_t cap);

#endif
