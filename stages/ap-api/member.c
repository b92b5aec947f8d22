/*
 * member.c - members of JSON objects that several answers share.
 */
#include "member.h"

#include "../../common/core/recjson.h"
#include "../../common/core/timefmt.h"

void api_put_ts(struct ap_buf *b, const char *key, int64_t ns, unsigned digits)
{
	char t[AP_TS_TEXT];
	ap_ts_format((ap_ts){ ns }, digits, t);
	ap_buf_printf(b, "\"%s\":\"%s\"", key, t);
}

void api_put_dec(struct ap_buf *b, const char *before, const char *key, ap_dec d)
{
	char t[AP_DEC_TEXT];
	ap_dec_format(d, t);
	ap_buf_printf(b, "%s\"%s\":%s", before, key, t);
}

void api_put_num(struct ap_buf *b, const char *key, double v)
{
	ap_buf_printf(b, "\"%s\":", key);
	ap_json_double(b, v);
}

void api_put_text(struct ap_buf *b, const char *key, const char *text)
{
	ap_buf_printf(b, "\"%s\":", key);
	ap_json_string(b, ap_str_c(text));
}

void api_put_names(struct ap_buf *b, const char *symbol, const char *source, const char *tf)
{
	api_put_text(b, "symbol", symbol);
	ap_buf_putc(b, ',');
	api_put_text(b, "source", source);
	ap_buf_putc(b, ',');
	api_put_text(b, "timeframe", tf);
}

void api_put_bar(struct ap_buf *b, ap_str source, ap_str symbol, ap_str tf, int64_t open_ms)
{
	ap_buf_puts(b, "{\"source\":");
	ap_json_string(b, source);
	ap_buf_puts(b, ",\"symbol\":");
	ap_json_string(b, symbol);
	ap_buf_puts(b, ",\"timeframe\":");
	ap_json_string(b, tf);
	ap_buf_putc(b, ',');
	api_put_ts(b, "open_time", open_ms * 1000000, 0);
}

void api_put_bar_end(struct ap_buf *b, enum ap_candle_state state, uint32_t revision, int64_t coverage_ms, enum ap_quality quality)
{
	ap_buf_printf(b, ",\"state\":\"%s\",\"revision\":%u,\"coverage_ms\":%lld,\"quality\":\"%s\"}", ap_candle_state_name(state),
		      revision, (long long)coverage_ms, ap_quality_name(quality));
}
