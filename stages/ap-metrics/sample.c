/*
 * sample.c - reads /proc/stat, /proc/meminfo and /proc/net/dev as texts (formats: proc(5)).
 */
#include "sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool sample_cpu_parse(const char *t, struct sample_cpu *out)
{
	uint64_t v[8] = { 0 };
	char *end;

	if (strncmp(t, "cpu ", 4) != 0)
		return false;
	t += 4;
	*out = (struct sample_cpu){ 0, 0 };
	for (int i = 0; i < 8; i++) {
		v[i] = strtoull(t, &end, 10);
		if (end == t)
			return i >= 4;
		t = end;
		out->all += v[i];
		out->busy += i == 3 || i == 4 ? 0 : v[i];
	}
	return true;
}

/* The number that has n others before it. */
static bool number_at(const char *t, int n, uint64_t *out)
{
	char *end;

	for (; n >= 0; n--, t = end) {
		*out = strtoull(t, &end, 10);
		if (end == t)
			return false;
	}
	return true;
}

/* "Name:   123 kB" as bytes. */
static bool line_kb(const char *text, const char *name, uint64_t *out)
{
	const char *p = strstr(text, name);
	uint64_t kb;

	if (p == NULL || !number_at(p + strlen(name), 0, &kb))
		return false;
	*out = kb * 1024;
	return true;
}

bool sample_mem_parse(const char *t, struct sample_mem *out)
{
	return line_kb(t, "MemTotal:", &out->total) && line_kb(t, "MemAvailable:", &out->available) && out->total > 0;
}

bool sample_net_parse(const char *t, struct sample_net *out)
{
	*out = (struct sample_net){ 0, 0 };
	for (int line = 0; t != NULL; line++) {
		const char *next = strchr(t, '\n'), *colon = strchr(t, ':');
		uint64_t recv, sent;
		char name[32];

		if (line >= 2 && colon != NULL && (next == NULL || colon < next) && sscanf(t, " %31[^:]", name) == 1 && strcmp(name, "lo") != 0 &&
		    number_at(colon + 1, 0, &recv) && number_at(colon + 1, 8, &sent)) {
			out->recv += recv;
			out->sent += sent;
		}
		t = next == NULL ? NULL : next + 1;
	}
	return true;
}

double sample_cpu_percent(struct sample_cpu from, struct sample_cpu to)
{
	if (to.all <= from.all || to.busy < from.busy)
		return 0;
	return 100.0 * (double)(to.busy - from.busy) / (double)(to.all - from.all);
}
