/*
 * split.c - a byte stream cut into messages. Bounded: keeps at most `max` bytes of a message, however long it is.
 */
#include "split.h"

#include <assert.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void ap_split_init(struct ap_split *s, size_t max, bool lines)
{
	*s = (struct ap_split){ .max = max, .lines = lines };
	ap_buf_init(&s->part, max);
}

void ap_split_done(struct ap_split *s)
{
	ap_buf_done(&s->part);
}

/* Keeps the bytes of an unfinished message, up to max. */
static void keep(struct ap_split *s, const char *p, size_t n)
{
	size_t room = s->max - s->part.len;

	if (n > room) {
		n = room;
		s->cut = true;
	}
	ap_buf_put(&s->part, p, n);
}

static void reset(struct ap_split *s)
{
	ap_buf_clear(&s->part);
	s->depth = 0;
	s->in_msg = s->object = s->string = s->escape = s->cut = false;
}

/* The message ends with the n bytes at p. */
static void report(struct ap_split *s, const char *p, size_t n, ap_split_fn *fn, void *ctx)
{
	ap_str msg = ap_str_n(p, n);
	bool cut;

	if (s->part.len > 0 || s->part.full) {
		keep(s, p, n);
		msg = ap_buf_view(&s->part);
	} else if (n > s->max) {
		msg.len = s->max;
		s->cut = true;
	}
	cut = s->cut || s->part.full;   /* full: no memory for the rest of it */
	while (msg.len > 0 && is_blank(msg.p[msg.len - 1]))
		msg.len--;
	if (msg.len > 0)
		fn(ctx, msg, cut);
	reset(s);
}

/* Walks on in an object from p. Returns the byte after its closing brace, or a newline, or end. */
static const char *walk(struct ap_split *s, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\n')
			return p;
		if (s->string) {
			if (s->escape)
				s->escape = false;
			else if (*p == '\\')
				s->escape = true;
			else if (*p == '"')
				s->string = false;
			continue;
		}
		switch (*p) {
		case '"':
			s->string = true;
			break;
		case '{':
		case '[':
			s->depth++;
			break;
		case '}':
		case ']':
			if (--s->depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
	}
	return end;
}

/* Where the present message ends in [p, end): the byte after it, or end. *whole: it does end there. */
static const char *message_end(struct ap_split *s, const char *p, const char *end, bool *whole)
{
	const char *q;

	if (s->object) {
		q = walk(s, p, end);
		*whole = s->depth == 0 || q < end;
		return q;
	}
	q = memchr(p, '\n', (size_t)(end - p));
	*whole = q != NULL;
	return q == NULL ? end : q;
}

void ap_split_feed(struct ap_split *s, const char *p, size_t n, ap_split_fn *fn, void *ctx)
{
	const char *end = p + n, *q;
	bool whole;

	while (p < end) {
		if (!s->in_msg) {
			if (is_blank(*p)) {
				p++;
				continue;
			}
			s->in_msg = true;
			s->object = *p == '{' && !s->lines;
		}
		q = message_end(s, p, end, &whole);
		if (whole)
			report(s, p, (size_t)(q - p), fn, ctx);
		else
			keep(s, p, (size_t)(q - p));
		p = q;
	}
}

void ap_split_end(struct ap_split *s, ap_split_fn *fn, void *ctx)
{
	if (s->in_msg)
		report(s, "", 0, fn, ctx);
	assert(!s->in_msg);
}
