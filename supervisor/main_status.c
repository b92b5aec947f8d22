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
		first ? "" : ",", c->row->name, c->row->program, ap_child_state_name(c->state), (long)c->pid,
		(unsigned long long)c->restarts, (long long)c->since_ms);
	if (c->restarts > 0 && WIFEXITED(c->last_status))
		fprintf(f, ",\"last_exit\":%d", WEXITSTATUS(c->last_status));
	if (c->restarts > 0 && WIFSIGNALED(c->last_status))
		fprintf(f, ",\"last_signal\":%d", WTERMSIG(c->last_status));
	fputc('}', f);
}

void sup_status_write(const struct sup *s)
{
	char path[sizeof s->dir + 32], tmp[sizeof s->dir + 40];
	snprintf(path, sizeof path, "%s/run/supervisor.json", s->dir);
	snprintf(tmp, sizeof tmp, "%s/run/supervisor.json.new", s->dir);
	FILE *f = fopen(tmp, "we");
	if (f == NULL)
		return;
	fprintf(f, "{\"pid\":%ld,\"ready\":%s,\"stopping\":%s,\"written_ms\":%lld,\"conf\":\"%s\",\"children\":[", (long)getpid(),
		s->was_ready ? "true" : "false", s->stopping ? "true" : "false", (long long)ap_ts_ms(ap_now()), s->conf_path);
	for (size_t i = 0; i < s->plan.n; i++)
		child_json(f, &s->child[i], i == 0);
	fputs("\n]}\n", f);
	if (fclose(f) == 0)
		rename(tmp, path);
}
