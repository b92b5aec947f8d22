/*
 * member.h - members of JSON objects that several answers share.
 *
 * Pure. Each writes `"key":value` and no comma, except where a parameter says what goes before it; records as `apctl tail`
 * prints them are common/core/recjson.h's.
 */
#ifndef AP_API_MEMBER_H
#define AP_API_MEMBER_H

#include "../../common/core/buf.h"
#include "../../common/core/rec.h"

/* RFC 3339 in UTC with so many digits of a second (0, 3, 6 or 9). */
void api_put_ts(struct ap_buf *b, const char *key, int64_t ns, unsigned digits);
/* A number with all its digits; `before` goes before the key. */
void api_put_dec(struct ap_buf *b, const char *before, const char *key, ap_dec d);
/* NaN is null. */
void api_put_num(struct ap_buf *b, const char *key, double v);
void api_put_text(struct ap_buf *b, const char *key, const char *text);
/* "symbol":..,"source":..,"timeframe":.. */
void api_put_names(struct ap_buf *b, const char *symbol, const char *source, const char *tf);
/* How what belongs to a bar begins: {"source":..,"symbol":..,"timeframe":..,"open_time":.. */
void api_put_bar(struct ap_buf *b, ap_str source, ap_str symbol, ap_str tf, int64_t open_ms);
/* How a bar ends: ,"state":..,"revision":..,"coverage_ms":..,"quality":..} */
void api_put_bar_end(struct ap_buf *b, enum ap_candle_state state, uint32_t revision, int64_t coverage_ms, enum ap_quality quality);

#endif
