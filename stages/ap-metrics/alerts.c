/*
 * alerts.c - rules over metrics. Pure: no clock, no I/O.
 */
#include "alerts.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t s_ns = 1000000000;

const struct alert_rule alert_rules[] = {
	{ "stage_down", "critical", NULL, NULL, ALERT_SILENT, 0, 10, "no process of this component reports" },
	{ "crash_loop", "critical", "ap-supervisor", "process_crash_loop", ALERT_ABOVE, 0, 0, "a program keeps ending as soon as it is started" },
	{ "parked", "critical", "ap-supervisor", "process_parked", ALERT_ABOVE, 0, 0, "a program says that its configuration is wrong" },
	{ "lag_high", "warning", "ap-metrics", "stage_lag_records", ALERT_ABOVE, 100000, 10, "a stage is far behind its input" },
	{ "lost", "critical", NULL, "lost_entries_total", ALERT_RISES, 0, 60, "entries of a stream never came" },
	{ "bad_row", "critical", NULL, "bad_rows_total", ALERT_RISES, 0, 60, "PostgreSQL refused rows, which were left out" },
	{ "bad_frame", "critical", NULL, "bad_frames_total", ALERT_RISES, 0, 60, "entries could not be read" },
	{ "feed_down", "critical", "ap-ingest", "source_alive", ALERT_BELOW, 1, 5, "a source is not connected" },
	{ "postgresql_down", "critical", NULL, "postgresql_up", ALERT_BELOW, 1, 5, "PostgreSQL cannot be used; streams hold what comes" },
	{ "replicas_short", "critical", NULL, "replicas_short", ALERT_ABOVE, 0, 0, "too few Redis replicas have what was written; it waits for them" },
	{ "stale", "warning", "ap-metrics", "raw_records_total", ALERT_RESTS, 0, 60, "nothing has come in" },
	{ "disk_full", "critical", "system", "disk_usage_percent", ALERT_ABOVE, 90, 5, "the data directory's disk is nearly full" },
	{ "journal_full", "critical", "ap-ingest", "journal_full", ALERT_ABOVE, 0, 0, "the journal has no room: sources are held" },
	{ "journal_lost", "critical", "ap-ingest", "journal_lost_total", ALERT_RISES, 0, 60, "records of a journal are damaged" },
	{ "memory_full", "warning", "system", "memory_percent", ALERT_ABOVE, 95, 10, "memory is nearly used up" },
	{ "loop_stall", "warning", NULL, "loop_stall_ms", ALERT_ABOVE, 1000, 0, "an event loop stood still" },
};
const size_t alert_rules_n = sizeof alert_rules / sizeof alert_rules[0];

static struct alert_seen *comp_of(struct alerts *al, const char *name, size_t len, int64_t now_ns)
{
	struct alert_seen *c;

	for (size_t i = 0; i < al->comps; i++)
		if (strlen(al->comp[i].name) == len && memcmp(al->comp[i].name, name, len) == 0)
			return &al->comp[i];
	if (al->comps == ALERT_COMPONENTS || len >= sizeof al->comp[0].name)
		return NULL;
	c = &al->comp[al->comps++];
	memcpy(c->name, name, len);
	c->name[len] = '\0';
	c->ts_ns = now_ns;
	return c;
}

void alerts_init(struct alerts *al, const char *expect, int64_t now_ns)
{
	memset(al, 0, sizeof *al);
	while (*expect != '\0') {
		size_t n = strcspn(expect, " ,"), name = strcspn(expect, " ,=");

		if (name > 0 && (name == n || strtol(expect + name + 1, NULL, 10) > 0))
			comp_of(al, expect, name, now_ns);
		expect += n;
		expect += strspn(expect, " ,");
	}
}

/* The alert of a rule about one subject, made when it is new. NULL: no room. */
static struct alert *alert_of(struct alerts *al, const struct alert_rule *r, const char *component, const char *subject, bool *fresh)
{
	struct alert *a;

	*fresh = false;
	for (size_t i = 0; i < al->n; i++)
		if (al->a[i].rule == r && strcmp(al->a[i].component, component) == 0 && strcmp(al->a[i].subject, subject) == 0)
			return &al->a[i];
	if (al->n == ALERTS_MAX) {
		al->refused++;
		return NULL;
	}
	*fresh = true;
	a = &al->a[al->n++];
	*a = (struct alert){ .rule = r };
	snprintf(a->component, sizeof a->component, "%s", component);
	snprintf(a->subject, sizeof a->subject, "%s", subject);
	return a;
}

static void set(struct alert *a, bool raised, alert_fn *fn, void *ctx)
{
	if (a->raised == raised)
		return;
	a->raised = raised;
	fn(ctx, a);
}

static void judge(struct alert *a, double value, bool fresh, int64_t now_ns, alert_fn *fn, void *ctx)
{
	const struct alert_rule *r = a->rule;
	int64_t hold_ns = r->hold_s * s_ns;
	bool grew = value > a->value, bad;

	switch (r->how) {
	case ALERT_RISES:       /* what a process brings along when it is first seen has been told before */
		a->since_ns = !fresh && grew ? now_ns : a->since_ns;
		a->value = value;
		set(a, a->since_ns != 0 && now_ns - a->since_ns <= hold_ns, fn, ctx);
		return;
	case ALERT_RESTS:
		a->since_ns = fresh || value != a->value ? now_ns : a->since_ns;
		a->value = value;
		set(a, now_ns - a->since_ns > hold_ns, fn, ctx);
		return;
	case ALERT_ABOVE:
	case ALERT_BELOW:
	case ALERT_SILENT:
		break;
	}
	bad = r->how == ALERT_BELOW ? value < r->limit : value > r->limit;
	a->value = value;
	if (!bad)
		a->since_ns = 0;
	else if (a->since_ns == 0)
		a->since_ns = now_ns;
	set(a, bad && now_ns - a->since_ns >= hold_ns, fn, ctx);
}

static void look_at(struct alerts *al, const struct mseries *s, const struct alert_rule *r, int64_t now_ns, alert_fn *fn, void *ctx)
{
	char subject[ALERT_SUBJECT];
	struct alert *a;
	bool fresh;

	if (r->name == NULL || strcmp(mseries_name(s), r->name) != 0 ||
	    (r->component != NULL && strcmp(mseries_component(s), r->component) != 0))
		return;
	snprintf(subject, sizeof subject, "%.80s%s%.110s", mseries_instance(s), *mseries_labels(s) != '\0' ? " " : "", mseries_labels(s));
	a = alert_of(al, r, mseries_component(s), subject, &fresh);
	if (a == NULL)
		return;
	a->seen = true;
	judge(a, s->value, fresh, now_ns, fn, ctx);
}

/* Components that were there, or should be, and are silent. */
static void look_for_silence(struct alerts *al, const struct alert_rule *r, int64_t now_ns, alert_fn *fn, void *ctx)
{
	for (size_t i = 0; i < al->comps; i++) {
		const struct alert_seen *c = &al->comp[i];
		bool fresh;
		struct alert *a = alert_of(al, r, c->name, "", &fresh);

		if (a == NULL)
			continue;
		a->seen = true;
		a->value = (double)(now_ns - c->ts_ns) / (double)s_ns;
		set(a, now_ns - c->ts_ns > r->hold_s * s_ns, fn, ctx);
	}
}

/* The series is gone: a process that ended has no such trouble any more (its absence is stage_down). */
static void forget_gone(struct alerts *al, alert_fn *fn, void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < al->n; i++) {
		struct alert *a = &al->a[i];

		if (!a->seen) {
			set(a, false, fn, ctx);
			continue;
		}
		a->seen = false;
		if (kept != i)
			al->a[kept] = *a;
		kept++;
	}
	al->n = kept;
}

void alerts_look(struct alerts *al, const struct mtable *t, int64_t now_ns, alert_fn *fn, void *ctx)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct mseries *s = &t->s[i];
		const char *comp = mseries_component(s);
		struct alert_seen *c;

		if (strcmp(comp, "system") != 0 && strcmp(comp, "alert") != 0) {
			c = comp_of(al, comp, strlen(comp), s->ts_ns);
			if (c != NULL && s->ts_ns > c->ts_ns)
				c->ts_ns = s->ts_ns;
		}
		for (size_t k = 0; k < alert_rules_n; k++)
			look_at(al, s, &alert_rules[k], now_ns, fn, ctx);
	}
	for (size_t k = 0; k < alert_rules_n; k++)
		if (alert_rules[k].how == ALERT_SILENT)
			look_for_silence(al, &alert_rules[k], now_ns, fn, ctx);
	forget_gone(al, fn, ctx);
}
