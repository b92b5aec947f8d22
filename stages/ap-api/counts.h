/*
 * counts.h - what ap-api counts about itself, and how that reads as Prometheus text.
 */
#ifndef AP_API_COUNTS_H
#define AP_API_COUNTS_H

#include "../../common/core/buf.h"
#include "../../common/core/rec.h"

/* COUNT(name, type, help): one row gives the member, the metric and its text. */
#define API_COUNTS(COUNT)                                                                                    \
	COUNT(http_requests_total, AP_M_COUNTER, "requests answered")                                        \
	COUNT(http_errors_total, AP_M_COUNTER, "requests answered with a status of 400 and above")           \
	COUNT(http_limited_total, AP_M_COUNTER, "requests refused because their address asked too often")    \
	COUNT(http_response_bytes_total, AP_M_COUNTER, "bytes of the bodies of answers")                     \
	COUNT(http_connections, AP_M_GAUGE, "open connections, WebSockets included")                         \
	COUNT(posted_messages_total, AP_M_COUNTER, "messages taken by POST")                                 \
	COUNT(ws_clients, AP_M_GAUGE, "WebSocket clients")                                                   \
	COUNT(ws_messages_total, AP_M_COUNTER, "messages sent to WebSocket clients")                         \
	COUNT(ws_conflated_total, AP_M_COUNTER, "updates replaced by newer ones before they were sent")      \
	COUNT(ws_slow_total, AP_M_COUNTER, "WebSocket clients closed because they did not keep up")          \
	COUNT(ws_violations_total, AP_M_COUNTER, "WebSocket clients closed for what they sent")              \
	COUNT(tail_entries_total, AP_M_COUNTER, "stream entries read")                                       \
	COUNT(tail_records_total, AP_M_COUNTER, "records read")                                              \
	COUNT(tail_bad_total, AP_M_COUNTER, "stream entries that could not be decoded")                      \
	COUNT(tail_lost_total, AP_M_COUNTER, "stream entries that were gone before they were read")          \
	COUNT(history_loads_total, AP_M_COUNTER, "histories loaded from PostgreSQL")                         \
	COUNT(history_failures_total, AP_M_COUNTER, "histories that could not be loaded")                    \
	COUNT(model_series, AP_M_GAUGE, "series held in memory")                                             \
	COUNT(model_candles, AP_M_GAUGE, "candles held in memory")                                           \
	COUNT(model_evicted_candles_total, AP_M_COUNTER, "candles dropped to keep within api.candles_max")   \
	COUNT(model_evicted_series_total, AP_M_COUNTER, "series dropped to keep within api.series_max")

struct api_counts {
#define COUNT(name, type, help) double name;
	API_COUNTS(COUNT)
#undef COUNT
};

struct api_count_row {
	const char *name;
	enum ap_metric_type type;
	const char *help;
	double value;
};
/* The i-th count; false behind the last. */
bool api_counts_at(const struct api_counts *c, size_t i, struct api_count_row *row);
/* All of them in the Prometheus text format, named ap_api_NAME. */
void api_counts_text(struct ap_buf *b, const struct api_counts *c);

#endif
