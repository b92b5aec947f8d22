/*
 * shared.c - reads the recorded market data beside the project.
 */
#include "shared.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

bool shared_path(char *out, size_t size, const char *rest)
{
	const char *dir = getenv("AP_SHARED");
	int n = snprintf(out, size, "%s/%s", dir != NULL && *dir != '\0' ? dir : "../shared", rest);
	return n > 0 && (size_t)n < size && access(out, R_OK) == 0;
}

bool shared_open(struct shared_lines *l, const char *rest)
{
	char path[512];
	*l = (struct shared_lines){ .cap = 1 << 16 };
	if (!shared_path(path, sizeof path, rest))
		return false;
	l->gz = gzopen(path, "rb");
	l->line = malloc(l->cap);
	assert(l->gz != NULL && l->line != NULL);
	(void)gzbuffer(l->gz, 1 << 17);
	return true;
}

bool shared_next(struct shared_lines *l)
{
	l->len = 0;
	for (;;) {
		if (gzgets(l->gz, l->line + l->len, (int)(l->cap - l->len)) == NULL)
			break;
		l->len += strlen(l->line + l->len);
		if (l->len > 0 && l->line[l->len - 1] == '\n') {
			l->line[--l->len] = '\0';
			l->no++;
			return true;
		}
		if (l->len + 1 == l->cap) {
			l->cap *= 2;
			l->line = realloc(l->line, l->cap);
			assert(l->line != NULL);
		}
	}
	if (l->len == 0)
		return false;
	l->no++;
	return true;
}

void shared_close(struct shared_lines *l)
{
	gzclose(l->gz);
	free(l->line);
}

size_t shared_cells(char *line, char **cell, size_t max)
{
	size_t n = 0;
	for (char *p = line; n < max;) {
		char *comma = strchr(p, ',');
		cell[n++] = p;
		if (comma == NULL)
			break;
		*comma = '\0';
		p = comma + 1;
	}
	return n;
}
