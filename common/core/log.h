/*
 * log.h - logfmt lines, composed; writing them is common/io's business.
 */
#ifndef AP_LOG_H
#define AP_LOG_H

#include "buf.h"

enum ap_lvl { AP_DEBUG, AP_INFO, AP_WARN, AP_ERROR };

/* One key=value of a line. Units go into the key: lag_ms, len_bytes. */
struct ap_kv {
	const char *key;
	enum { AP_KV_STR, AP_KV_I64, AP_KV_U64, AP_KV_F64 } type;
	union {
		ap_str s;
		int64_t i;
		uint64_t u;
		double f;
	} v;
};
#define KV_S(k, s_) ((struct ap_kv){ (k), AP_KV_STR, { .s = ap_str_c(s_) } })
#define KV_T(k, str_) ((struct ap_kv){ (k), AP_KV_STR, { .s = (str_) } })
#define KV_I(k, i_) ((struct ap_kv){ (k), AP_KV_I64, { .i = (int64_t)(i_) } })
#define KV_U(k, u_) ((struct ap_kv){ (k), AP_KV_U64, { .u = (uint64_t)(u_) } })
#define KV_F(k, f_) ((struct ap_kv){ (k), AP_KV_F64, { .f = (double)(f_) } })

/*
 * Appends "ts=2026-01-02T03:04:05.678Z lvl=warn app=ap-candle ev=commit_refused why=lease_lost ...\n".
 * Values with blanks, quotes, '=' or control bytes are quoted and escaped; longer than 1,024 bytes: cut with "...".
 */
void ap_log_line(struct ap_buf *b, ap_ts now, enum ap_lvl lvl, const char *app, const char *ev,
		 const struct ap_kv *kv, size_t n);
const char *ap_lvl_name(enum ap_lvl l);

#endif
