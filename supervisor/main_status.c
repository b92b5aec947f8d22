/*
 * main_status.c - DIR/run/supervisor.json, for apctl and the curious: written whole beside, then renamed.
 */
#include "main.h"

#include "../common/core/timefmt.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_json(FILE *f, const struct child *c, bool first)
{
	fprintf(f, "%s\n  {\"name\":\"%s\",\"program\":\"%s\",\"state\":\"%s\",\"pid\":%ld,\"restarts\":%llu,\"since_ms\":%lld",
		first ? "" : ",", c->row.name, c->row.program, ap_child_state_name(c->state), (long)c->pid,
		(unsigned long long)c->restarts, (long long)c->since_ms);
	if (c->restarts > 0 && c->last_status != -1 && WIFEXITED(c->last_status))
		fprintf(f, ",\"last_exit\":%d", WEXITSTATUS(c->last_status));
	if (c->restarts > 0 && c->last_status != -1 && WIFSIGNALED(c->last_status))
		fprintf(f, ",\"last_signal\":%d", WTERMSIG(c->last_status));
	fprintf(f, "%s%s}", c->adopted ? ",\"adopted\":true" : "", c->looping ? ",\"crash_loop\":true" : "");
}

/* In the order of starting, then of the flow; two of one program by number. Servers: the one that ends last first. */
static int order_of(const struct child *c)
{
	int rank = c->row.kind == AP_K_STAGE ? c->row.stop_rank : 1000 - c->row.stop_rank;

	return ((c->row.start_rank * 1024 + rank) * 128 + (int)c->row.instance) * AP_CHILD_MAX + (int)(c - c->sup->child);
}

static const struct child *next_child(struct sup *s, const struct child *last)
{
	const struct child *best = NULL;

	SUP_EACH(s, c)
		if ((last == NULL || order_of(c) > order_of(last)) && (best == NULL || order_of(c) < order_of(best)))
			best = c;
	return best;
}

void sup_status_write(struct sup *s)
{
	char path[sizeof s->dir + 32], tmp[sizeof s->dir + 40];
	snprintf(path, sizeof path, "%s/run/supervisor.json", s->dir);
	snprintf(tmp, sizeof tmp, "%s/run/supervisor.json.new", s->dir);
	FILE *f = fopen(tmp, "we");
	if (f == NULL)
		return;
	fprintf(f, "{\"pid\":%ld,\"ready\":%s,\"stopping\":%s,\"written_ms\":%lld,\"conf\":\"%s\",\"control\":\"%s\",\"keeper\":%ld,\"children\":[", (long)getpid(),
		s->was_ready ? "true" : "false", s->stopping ? "true" : "false", (long long)ap_ts_ms(ap_now()), s->conf_path, s->notify_name, (long)s->keeper);
	const struct child *last = NULL, *c;
	while ((c = next_child(s, last)) != NULL) {
		child_json(f, c, last == NULL);
		last = c;
	}
	fputs("\n]}\n", f);
	if (fclose(f) == 0)
		rename(tmp, path);
}
