/*
 * plan.c - the list of children from the configuration.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

/* The programs there are, in the order of the flow: a stop goes down this list. */
static const char *const programs[] = {
	"ap-ingest", "ap-normalize", "ap-candle", "ap-indicators", "ap-persist", "ap-metrics", "ap-api",
};
enum { PROGRAMS_N = sizeof programs / sizeof programs[0], COUNT_MAX = 16 };

static struct ap_plan_row *add(struct ap_plan *plan, const char *program, enum ap_child_kind kind, enum ap_child_what what,
			       int start_rank, int stop_rank)
{
	if (plan->n == AP_PLAN_MAX)
		return NULL;
	struct ap_plan_row *r = &plan->row[plan->n++];
	*r = (struct ap_plan_row){ .kind = kind, .what = what, .start_rank = start_rank, .stop_rank = stop_rank };
	snprintf(r->name, sizeof r->name, "%s", program);
	snprintf(r->program, sizeof r->program, "%s", program);
	return r;
}

static int program_index(const char *p, size_t len)
{
	for (int i = 0; i < PROGRAMS_N; i++)
		if (strlen(programs[i]) == len && memcmp(programs[i], p, len) == 0)
			return i;
	return -1;
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
		struct ap_plan_row *r = add(plan, programs[which], AP_K_STAGE, AP_W_PROGRAM, 3, which);
		if (r == NULL) {
			snprintf(err, errlen, "supervisor.programs: more than %d processes", AP_PLAN_MAX);
			return false;
		}
		r->instance = i;
		snprintf(r->name, sizeof r->name, "%.20s.%u", programs[which], i);
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
