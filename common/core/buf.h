/*
 * buf.h - a byte buffer that fails once.
 *
 * Grows by doubling up to a limit given at init, or never (a fixed buffer over the
 * caller's bytes). Puts after the first that does not fit do nothing; ask `full` at the end.
 */
#ifndef AP_BUF_H
#define AP_BUF_H

#include "base.h"

struct ap_buf {
	uint8_t *p;      /* the bytes; owned unless fixed */
	size_t len;      /* bytes used */
	size_t cap;      /* bytes there are */
	size_t max;      /* bytes it may grow to */
	bool full;       /* a put did not fit, or memory ran out: contents are not to be used */
	bool fixed;      /* p belongs to the caller */
};

/* Empty buffer that allocates on demand, up to max bytes. Pair with ap_buf_done. */
void ap_buf_init(struct ap_buf *b, size_t max);
/* Buffer over the caller's n bytes; never allocates. */
void ap_buf_fixed(struct ap_buf *b, void *p, size_t n);
/* Gives the memory back; the struct may be initialised again. */
void ap_buf_done(struct ap_buf *b);
/* Forgets the contents, keeps the memory, clears `full`. */
void ap_buf_clear(struct ap_buf *b);

void ap_buf_put(struct ap_buf *b, const void *src, size_t n);
void ap_buf_putc(struct ap_buf *b, char c);
void ap_buf_puts(struct ap_buf *b, const char *s);
void ap_buf_str(struct ap_buf *b, ap_str s);
/* printf into the buffer (no terminating NUL is counted). */
void ap_buf_printf(struct ap_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes and returns where they go (len is not moved), or NULL. */
void *ap_buf_room(struct ap_buf *b, size_t n);
/* The contents as a view. */
ap_str ap_buf_view(const struct ap_buf *b);

#endif
