/*
 * split.h - a byte stream cut into messages: lines, or JSON objects back to back.
 *
 * A newline always ends a message (inside a JSON text it could only stand between tokens, and one message
 * a line is what the sender promised), so one broken line cannot swallow the next. An object also ends
 * with its closing brace. Knows nothing else of JSON.
 */
#ifndef AP_INGEST_SPLIT_H
#define AP_INGEST_SPLIT_H

#include "common/core/buf.h"

struct ap_split {
	struct ap_buf part;     /* the beginning of a message whose end has not come */
	size_t max;             /* bytes of a message; longer ones are cut there */
	uint32_t depth;         /* braces and brackets open */
	bool lines;             /* messages are whole lines: braces mean nothing */
	bool in_msg;            /* a message has begun */
	bool object;            /* it began with a brace */
	bool string, escape;    /* inside a string, after a backslash */
	bool cut;               /* it was longer than max */
};

/* One message, without its newline; blank ones are not reported. cut: only its first `max` bytes are here. */
typedef void ap_split_fn(void *ctx, ap_str msg, bool cut);

/* lines: a message is a line, whatever is in it. Pair with ap_split_done. */
void ap_split_init(struct ap_split *s, size_t max, bool lines);
void ap_split_done(struct ap_split *s);
/* Takes n bytes; calls fn for every message that ends in them. Messages are views that die when fn returns. */
void ap_split_feed(struct ap_split *s, const char *p, size_t n, ap_split_fn *fn, void *ctx);
/* The stream has ended: what is left is a message too. */
void ap_split_end(struct ap_split *s, ap_split_fn *fn, void *ctx);

#endif
