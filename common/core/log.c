/*
 * log.c - logfmt lines, composed. Writes to no file and reads no clock.
 */
#include "log.h"

#include <assert.h>
#include <inttypes.h>

#include "timefmt.h"

enum { VALUE_MAX = 1024 };

const char *ap_lvl_name(enum ap_lvl l)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	_Static_assert(sizeof names / sizeof names[0] == AP_ERROR + 1, "name every level");
	assert((unsigned)l <= AP_ERROR);
	return names[l];
}

static bool needs_quotes(ap_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
			return true;
	}
	return s.len == 0;
}

static void put_quoted(struct ap_buf *b, ap_str s)
{
	ap_buf_putc(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			ap_buf_printf(b, "\\%c", c);
		else if (c == '\n')
			ap_buf_puts(b, "\\n");
		else if (c < ' ' || c == 0x7f)
			ap_buf_printf(b, "\\x%02x", c);
		else
			ap_buf_putc(b, (char)c);
	}
	ap_buf_putc(b, '"');
}

static void put_text(struct ap_buf *b, ap_str s)
{
	char cut[VALUE_MAX + 3];

	if (s.len > VALUE_MAX) {
		memcpy(cut, s.p, VALUE_MAX);
		memset(cut + VALUE_MAX, '.', 3);
		s = ap_str_n(cut, sizeof cut);
	}
	if (needs_quotes(s))
		put_quoted(b, s);
	else
		ap_buf_str(b, s);
}

void ap_log_line(struct ap_buf *b, ap_ts now, enum ap_lvl lvl, const char *app, const char *ev,
		 const struct ap_kv *kv, size_t n)
{
	char ts[AP_TS_TEXT];

	ap_ts_format(now, 3, ts);
	ap_buf_printf(b, "ts=%s lvl=%s app=%s ev=%s", ts, ap_lvl_name(lvl), app, ev);
	for (size_t i = 0; i < n; i++) {
		ap_buf_printf(b, " %s=", kv[i].key);
		switch (kv[i].type) {
		case AP_KV_STR:
			put_text(b, kv[i].v.s);
			break;
		case AP_KV_I64:
			ap_buf_printf(b, "%" PRId64, kv[i].v.i);
			break;
		case AP_KV_U64:
			ap_buf_printf(b, "%" PRIu64, kv[i].v.u);
			break;
		case AP_KV_F64:
			ap_buf_printf(b, "%.6g", kv[i].v.f);
			break;
		}
	}
	ap_buf_putc(b, '\n');
}
