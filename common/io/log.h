/*
 * log.h - log lines to fd 2, one write each. A failed write is dropped and counted.
 */
#ifndef AP_IO_LOG_H
#define AP_IO_LOG_H

#include "../core/log.h"

struct ap_log {
	const char *app;        /* "ap-candle" */
	enum ap_lvl least;
	uint64_t dropped;       /* lines that could not be written */
};

/* Puts a file (made when absent, appended to) in the place of fd 2; again to open it anew. "": leaves fd 2 alone. */
bool ap_log_open(const char *path);
void ap_log_kv(struct ap_log *log, enum ap_lvl lvl, const char *ev, const struct ap_kv *kv, size_t n);
/* ap_log(log, AP_WARN, "commit_refused", KV_U("part", p), KV_S("why", "lease_lost"), KV_S("next", "reacquire")) */
#define ap_log(log_, lvl_, ev_, ...)                                                                   \
	ap_log_kv((log_), (lvl_), (ev_), (const struct ap_kv[]){ __VA_ARGS__ },                        \
		  sizeof((const struct ap_kv[]){ __VA_ARGS__ }) / sizeof(struct ap_kv))

#endif
