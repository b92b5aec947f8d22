/*
 * roster.c - the list of running children as text. Reads no files.
 */
#include "roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ap_roster_write(struct ap_buf *b, const struct ap_roster *r)
{
	ap_buf_printf(b, "ap-roster 1 %s %" PRIu64 " %s %zu\n", r->boot_id, r->servers, r->stopping ? "stopping" : "running", r->n);
	for (size_t i = 0; i < r->n; i++) {
		const struct ap_roster_row *w = &r->row[i];
		ap_buf_printf(b, "%s %s %u %d %ld %" PRIu64 " %s %" PRIu64 "\n", w->name, w->program, w->instance, (int)w->what, w->pid,
			      w->start_ticks, w->up ? "up" : "starting", w->restarts);
	}
}

static bool row_read(struct ap_roster_row *w, const char *line)
{
	char up[9] = "";
	int what = -1;

	/* NOLINTNEXTLINE(cert-err34-c): ap_roster_write's own numbers fit */
	if (sscanf(line, "%31s %31s %u %d %ld %" SCNu64 " %8s %" SCNu64, w->name, w->program, &w->instance, &what, &w->pid,
		   &w->start_ticks, up, &w->restarts) != 8)
		return false;
	if (what < AP_W_INITDB || what > AP_W_PROGRAM || w->pid <= 1 || w->start_ticks == 0)
		return false;
	w->what = (enum ap_child_what)what;
	w->up = strcmp(up, "up") == 0;
	return true;
}

/* The next line without its newline; false at the end, or when it is longer than any of ours. */
static bool line_next(ap_str text, size_t *at, char *out, size_t cap)
{
	const char *end = *at < text.len ? memchr(text.p + *at, '\n', text.len - *at) : NULL;
	size_t len = end != NULL ? (size_t)(end - text.p) - *at : 0;

	if (end == NULL || len >= cap)
		return false;
	memcpy(out, text.p + *at, len);
	out[len] = '\0';
	*at += len + 1;
	return true;
}

bool ap_roster_read(struct ap_roster *r, ap_str text)
{
	char line[256], how[9] = "";
	size_t at = 0, n = 0;

	*r = (struct ap_roster){ .n = 0 };
	if (!line_next(text, &at, line, sizeof line))
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): the same */
	if (sscanf(line, "ap-roster 1 %39s %" SCNu64 " %8s %zu", r->boot_id, &r->servers, how, &n) != 4 || n > AP_CHILD_MAX)
		return false;
	r->stopping = strcmp(how, "stopping") == 0;
	for (; r->n < n; r->n++)
		if (!line_next(text, &at, line, sizeof line) || !row_read(&r->row[r->n], line))
			return false;
	return true;
}

uint64_t ap_roster_start_ticks(ap_str stat)
{
	/* The program's name, field 2, is in parentheses and may hold anything, parentheses too: fields count from the last one. */
	char text[1024];
	size_t len = stat.len < sizeof text ? stat.len : sizeof text - 1;

	memcpy(text, stat.p, len);
	text[len] = '\0';
	char *p = strrchr(text, ')');
	if (p == NULL || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return 0;
	p += 2;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (p == NULL)
			return 0;
		p++;
	}
	return strtoull(p, NULL, 10);
}
