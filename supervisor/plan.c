/*
 * plan.c - the list of children from the configuration.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The programs there are, in the order of the flow: a stop goes down this list. */
static const struct {
	const char *name;
	bool overlap;   /* those that listen on a port of their own cannot */
} programs[] = {
	{ "ap-ingest", false }, { "ap-normalize", true }, { "ap-candle", true }, { "ap-indicators", true },
	{ "ap-persist", true }, { "ap-metrics", false }, { "ap-api", false },
};
enum { PROGRAMS_N = sizeof programs / sizeof programs[0], COUNT_MAX = 16 };

static void add(struct ap_plan *plan, const char *program, enum ap_child_kind kind, enum ap_child_what what, int start_rank,
		int stop_rank)
{
	struct ap_plan_row *r = &plan->row[plan->n++];
	*r = (struct ap_plan_row){ .kind = kind, .what = what, .start_rank = start_rank, .stop_rank = stop_rank };
	snprintf(r->name, sizeof r->name, "%s", program);
	snprintf(r->program, sizeof r->program, "%s", program);
}

static int program_index(const char *p, size_t len)
{
	for (int i = 0; i < PROGRAMS_N; i++)
		if (strlen(programs[i].name) == len && memcmp(programs[i].name, p, len) == 0)
			return i;
	return -1;
}

bool ap_plan_row(struct ap_plan_row *row, const char *program, unsigned instance)
{
	int which = program_index(program, strlen(program));

	if (which < 0)
		return false;
	*row = (struct ap_plan_row){ .instance = instance, .kind = AP_K_STAGE, .what = AP_W_PROGRAM, .start_rank = AP_RANK_STAGES,
				     .stop_rank = which, .overlap = programs[which].overlap };
	snprintf(row->program, sizeof row->program, "%s", program);
	snprintf(row->name, sizeof row->name, "%.20s.%u", program, instance);
	return true;
}

unsigned ap_plan_count(const struct ap_plan *plan, const char *program)
{
	unsigned n = 0;

	for (size_t i = 0; i < plan->n; i++)
		n += strcmp(plan->row[i].program, program) == 0;
	return n;
}

const char *ap_plan_program(const char *word)
{
	for (size_t i = 0; i < PROGRAMS_N; i++)
		if (strcmp(programs[i].name, word) == 0 || strcmp(programs[i].name + strlen("ap-"), word) == 0)
			return programs[i].name;
	return NULL;
}

const char *ap_plan_nth(size_t i)
{
	return i < PROGRAMS_N ? programs[i].name : NULL;
}

/* One NAME or NAME=COUNT. */
static bool add_program(struct ap_plan *plan, const char *word, size_t len, char *err, size_t errlen)
{
	const char *eq = memchr(word, '=', len);
	size_t name_len = eq == NULL ? len : (size_t)(eq - word);
	int which = program_index(word, name_len);
	char *end = NULL;
	unsigned long count = eq == NULL ? 1 : strtoul(eq + 1, &end, 10);
	if (which < 0 || count > COUNT_MAX || (eq != NULL && (end == eq + 1 || end != word + len))) {
		snprintf(err, errlen, "supervisor.programs: \"%.*s\" is not NAME=COUNT with a known program and a count of 0 to %d",
			 (int)len, word, COUNT_MAX);
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (plan->n == AP_PLAN_MAX) {
			snprintf(err, errlen, "supervisor.programs: more than %d processes", AP_PLAN_MAX);
			return false;
		}
		ap_plan_row(&plan->row[plan->n++], programs[which].name, i);
	}
	return true;
}

bool ap_plan_make(struct ap_plan *plan, const struct ap_conf *conf, char *err, size_t errlen)
{
	plan->n = 0;
	if (conf->supervisor_embedded) {
		add(plan, "initdb", AP_K_ONESHOT, AP_W_INITDB, 0, PROGRAMS_N);
		add(plan, "redis", AP_K_SERVER, AP_W_REDIS, 1, PROGRAMS_N + 2);
		add(plan, "postgres", AP_K_SERVER, AP_W_POSTGRES, 1, PROGRAMS_N + 1);
	}
	add(plan, "migrate", AP_K_ONESHOT, AP_W_MIGRATE, 2, PROGRAMS_N);
	static const char blanks[] = " ,\t\n";
	for (const char *p = conf->supervisor_programs + strspn(conf->supervisor_programs, blanks); *p != '\0'; p += strspn(p, blanks)) {
		size_t len = strcspn(p, blanks);
		if (!add_program(plan, p, len, err, errlen))
			return false;
		p += len;
	}
	return true;
}
