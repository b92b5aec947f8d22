/*
 * apctl - the one command-line tool for people.
 *
 * A verb is a row of the table. --dir DIR stands for -c DIR/alphapulse.conf.
 */
#include "ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ctl_verb ctl_verbs[] = {
	{ "up", "--dir DIR [--no-feed] [-o ...]", "write DIR/alphapulse.conf and start a private pipeline in the background", cmd_up },
	{ "down", "--dir DIR", "end it: drained, in the order of the flow", cmd_down },
	{ "restart", "PROGRAM|all|supervisor [--timeout S]",
	  "start it anew while the others go on: the new process is ready before the old one ends, where two may run", cmd_restart },
	{ "reload", "", "the supervisor reads its configuration again: counts of programs, logs; wrong ones change nothing", cmd_reload },
	{ "env", "", "print its addresses as shell assignments: eval \"$(apctl env --dir DIR)\"", cmd_env },
	{ "status", "", "processes, partitions, owners, lag", cmd_status },
	{ "lag", "", "how far every stage is behind, from the streams' own sequence numbers", cmd_lag },
	{ "tail", "STREAM [--from ID|0|$] [--count N]", "print decoded records as JSON lines: ap:{2}:tick, or tick for all partitions", cmd_tail },
	{ "drain", "[--timeout S]", "wait until all that was sent has been stored; 124 on time-out", cmd_drain },
	{ "verify", "[--source S] [--symbol S] [--from TIME] [--to TIME] [--count N]",
	  "compute candles, sums, indicators and balances anew from what is stored, and name every difference; 1 when there is one", cmd_verify },
	{ "rebuild", "[--force] [--timeout S]", "fill a Redis that was lost again, from the journals and PostgreSQL's cursors; cut off, run it again", cmd_rebuild },
	{ "dlq", "list [--status S] | show ID | retry ID...|--all",
	  "what was set aside (poison unless --status says otherwise), with its payload; retry sends it again and says what became of it", cmd_dlq },
	{ "migrate", "[--new-dataset]", "create or update the database schema, the Redis functions and the data set's identity", cmd_migrate },
	{ "doctor", "", "look for what is wrong or risky, and say what to do", cmd_doctor },
};
const size_t ctl_verbs_n = sizeof ctl_verbs / sizeof ctl_verbs[0];

static const struct ap_flag flags[] = {
	{ "dir", "DIR", "the directory of a pipeline made by `up`" },
	{ "no-feed", NULL, "up: without the built-in market simulator" },
	{ "timeout", "S", "up, down, drain, restart, dlq retry: longest wait in seconds; rebuild: longest wait without a step (60)" },
	{ "force", NULL, "rebuild: empty Redis first" },
	{ "new-dataset", NULL, "migrate: end the data set that PostgreSQL belongs to and begin another; the rows stay" },
	{ "json", NULL, "JSON instead of tables" },
	{ "format", "table|json|csv", "how to print" },
	{ "from", "ID|TIME", "tail: first entry id; 0: all there is; $: only new ones. verify: intervals from this time on; dlq: records" },
	{ "to", "TIME", "verify: intervals up to this time; dlq: records before it" },
	{ "source", "S", "verify, dlq: this source only" },
	{ "symbol", "S", "verify, dlq: this symbol only" },
	{ "status", "S", "dlq: poison (default), invalid, duplicate, outlier, late, or all" },
	{ "all", NULL, "dlq retry: everything that `dlq list` would show, at most 1000" },
	{ "count", "N", "tail: end after so many records; verify: print so many differences of each kind (20)" },
	{ "verbs", NULL, "list the verbs" },
	{ NULL, NULL, NULL },
};

static const struct ap_app_spec spec = {
	.name = "apctl",
	.summary = "the command-line tool of AlphaPulse (apctl --verbs lists the verbs)",
	.operands = "VERB [argument]",
	.flags = flags,
	.sections = "data redis pg journal",
};

static void print_verbs(FILE *f)
{
	for (size_t i = 0; i < ctl_verbs_n; i++)
		fprintf(f, "  %-8s %s\n           %s\n", ctl_verbs[i].name, ctl_verbs[i].args, ctl_verbs[i].help);
}

static const struct ctl_verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ctl_verbs_n; i++)
		if (strcmp(ctl_verbs[i].name, name) == 0)
			return &ctl_verbs[i];
	return NULL;
}

/*
 * The common frame reads the file named by -c before a verb can speak, so --dir DIR is turned into
 * -c DIR/alphapulse.conf up front (unless the verb is up and the file is yet to be made).
 */
static char **with_conf(int *argc, char **argv)
{
	static char path[4200];
	char **out = calloc((size_t)*argc + 3, sizeof *out);
	const char *dir = NULL;
	bool has_conf = false;
	if (out == NULL)
		return NULL;
	memcpy(out, argv, (size_t)*argc * sizeof *out);
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--dir") == 0 && i + 1 < *argc)
			dir = argv[i + 1];
		else if (strncmp(argv[i], "--dir=", 6) == 0)
			dir = argv[i] + 6;
		has_conf = has_conf || strncmp(argv[i], "-c", 2) == 0;
	}
	if (dir == NULL || has_conf)
		return out;
	snprintf(path, sizeof path, "%s/alphapulse.conf", dir);
	FILE *f = fopen(path, "re");
	bool up = *argc > 1 && strcmp(argv[1], "up") == 0;
	if (f != NULL)
		fclose(f);
	if (f == NULL && up)
		snprintf(path, sizeof path, "/dev/null");
	out[(*argc)++] = (char *)(uintptr_t)"-c";
	out[(*argc)++] = path;
	return out;
}

static bool output_format(struct ctl *c)
{
	const char *f = ap_app_flag(&c->app, "format");
	c->json = ap_app_flag(&c->app, "json") != NULL || (f != NULL && strcmp(f, "json") == 0);
	c->csv = f != NULL && strcmp(f, "csv") == 0;
	return f == NULL || c->json || c->csv || strcmp(f, "table") == 0;
}

int main(int argc, char **argv)
{
	static struct ctl c;
	char **args = with_conf(&argc, argv);
	int rc = ap_app_init(&c.app, &spec, argc, args);
	if (rc >= 0) {
		free(args);
		return rc;
	}
	ap_app_signals_plain(&c.app);
	const struct ctl_verb *v = c.app.argc_rest > 0 ? verb_find(c.app.argv_rest[0]) : NULL;
	c.dir = ap_app_flag(&c.app, "dir");
	if (ap_app_flag(&c.app, "verbs") != NULL) {
		print_verbs(stdout);
		rc = 0;
	} else if (v == NULL) {
		fprintf(stderr, "apctl: %s%s\nVerbs:\n", c.app.argc_rest > 0 ? "there is no verb " : "which verb?",
			c.app.argc_rest > 0 ? c.app.argv_rest[0] : "");
		print_verbs(stderr);
		rc = AP_EX_MISTAKE;
	} else if (!output_format(&c)) {
		rc = ctl_fail(AP_EX_MISTAKE, "--format is table, json or csv");
	} else {
		c.argc = c.app.argc_rest - 1;
		c.argv = c.app.argv_rest + 1;
		c.nodes = ctl_nodes_new();
		rc = c.nodes != NULL ? v->run(&c) : AP_EX_AGAIN;
		ctl_nodes_free(c.nodes);
	}
	ap_app_done(&c.app);
	free(args);
	return rc;
}
