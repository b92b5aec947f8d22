/*
 * base.h - the few types that every record and every stage shares.
 *
 * Knows no I/O and no clock. Strings inside records are views: they own nothing
 * and die with the buffer (frame, line, batch) they were cut from.
 */
#ifndef AP_BASE_H
#define AP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A text of known length, not NUL-terminated. Empty: len == 0 (p may be NULL). */
typedef struct {
	const char *p;
	size_t len;
} ap_str;

/* An instant: UTC, nanoseconds since 1970-01-01; >= 0 for valid records. */
typedef struct {
	int64_t ns;
} ap_ts;

/* A Redis stream entry id `ms-seq`. Raw entries step seq by AP_ID_STEP. */
typedef struct {
	uint64_t ms;
	uint64_t seq;
} ap_id;

enum {
	AP_ID_STEP = 64,        /* room for continuation frames of one raw entry */
	AP_ID_TEXT = 48,        /* bytes that hold any `ms-seq` and its NUL */
	AP_PARTS_MAX = 256,     /* partitions of a data set, at most */
};

static inline ap_str ap_str_c(const char *s)
{
	return (ap_str){ s, s == NULL ? 0 : strlen(s) };
}

static inline ap_str ap_str_n(const char *p, size_t len)
{
	return (ap_str){ p, len };
}

static inline bool ap_str_eq(ap_str a, ap_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool ap_str_is(ap_str a, const char *b)
{
	return ap_str_eq(a, ap_str_c(b));
}

static inline int ap_id_cmp(ap_id a, ap_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

/* The raw entry that an entry (or one of its continuations) descends from. */
static inline ap_id ap_id_origin(ap_id id)
{
	id.seq &= ~(uint64_t)(AP_ID_STEP - 1);
	return id;
}

#endif
