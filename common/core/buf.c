/*
 * buf.c - a byte buffer that fails once.
 *
 * Knows nothing of what the bytes mean. Allocates only through realloc, never past `max`.
 */
#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ap_buf_init(struct ap_buf *b, size_t max)
{
	*b = (struct ap_buf){ .max = max };
}

void ap_buf_fixed(struct ap_buf *b, void *p, size_t n)
{
	*b = (struct ap_buf){ .p = p, .cap = n, .max = n, .fixed = true };
}

void ap_buf_done(struct ap_buf *b)
{
	if (!b->fixed)
		free(b->p);
	*b = (struct ap_buf){ .full = true };
}

void ap_buf_clear(struct ap_buf *b)
{
	b->len = 0;
	b->full = false;
}

/* Doubles until n more bytes fit. The first 256 bytes are taken at once: most buffers hold a record. */
static bool buf_grow(struct ap_buf *b, size_t n)
{
	size_t need, cap;
	uint8_t *p;

	if (b->fixed || n > b->max || b->len > b->max - n)
		return false;
	need = b->len + n;
	cap = b->cap < 256 ? 256 : b->cap;
	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (p == NULL)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

void *ap_buf_room(struct ap_buf *b, size_t n)
{
	static uint8_t nowhere;

	if (b->full)
		return NULL;
	if (n > b->cap - b->len && !buf_grow(b, n)) {
		b->full = true;
		return NULL;
	}
	return b->p == NULL ? &nowhere : b->p + b->len;
}

void ap_buf_put(struct ap_buf *b, const void *src, size_t n)
{
	void *to;

	if (n == 0)
		return;
	to = ap_buf_room(b, n);
	if (to == NULL)
		return;
	memcpy(to, src, n);
	b->len += n;
}

void ap_buf_putc(struct ap_buf *b, char c)
{
	ap_buf_put(b, &c, 1);
}

void ap_buf_puts(struct ap_buf *b, const char *s)
{
	ap_buf_put(b, s, strlen(s));
}

void ap_buf_str(struct ap_buf *b, ap_str s)
{
	ap_buf_put(b, s.p, s.len);
}

void ap_buf_printf(struct ap_buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	char *to;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	if ((size_t)n < sizeof small) {
		ap_buf_put(b, small, (size_t)n);
	} else {
		to = ap_buf_room(b, (size_t)n + 1);     /* vsnprintf wants a place for its NUL */
		if (to != NULL) {
			vsnprintf(to, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
}

ap_str ap_buf_view(const struct ap_buf *b)
{
	return ap_str_n((const char *)b->p, b->len);
}
