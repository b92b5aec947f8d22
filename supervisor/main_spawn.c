/*
 * main_spawn.c - from a row of the plan to a running process.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS_MAX = 160, ROOM = 16384 };

static bool program_argv(const struct sup *s, const struct ap_plan_row *row, const char **argv, char *room, size_t roomlen)
{
	size_t at = 0;
	size_t i = 0;
	const char *dir = s->bin_dir;
	const char *name = row->what == AP_W_MIGRATE ? "apctl" : row->program;
	argv[i++] = room;
	at += (size_t)snprintf(room, roomlen, "%s/%s", dir, name) + 1;
	if (row->what == AP_W_MIGRATE)
		argv[i++] = "migrate";
	argv[i++] = "-c";
	argv[i++] = s->conf_path;
	for (size_t k = 0; k < s->app.over_n; k++) {
		argv[i++] = "-o";
		argv[i++] = s->app.over[k];
	}
	if (row->what == AP_W_PROGRAM) {
		argv[i++] = "-o";
		argv[i++] = room + at;
		at += (size_t)snprintf(room + at, roomlen - at, "runtime.worker=%s", row->name) + 1;
		argv[i++] = "-o";
		argv[i++] = room + at;
		at += (size_t)snprintf(room + at, roomlen - at, "log.file=%s/log/%s.log", s->dir, row->name) + 1;
	}
	argv[i] = NULL;
	return at < roomlen;
}

static void env_set(const struct sup *s, const struct ap_plan_row *row)
{
	char usec[32];
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (row->kind != AP_K_STAGE)
		return;
	snprintf(usec, sizeof usec, "%llu", (unsigned long long)s->app.conf.supervisor_watchdog_ms * 1000);
	setenv("NOTIFY_SOCKET", s->notify_name, 1);
	setenv("WATCHDOG_USEC", usec, 1);
}

static bool become_pg_user(const struct sup *s)
{
	uid_t uid;
	gid_t gid;
	if (!sup_pg_user(s, &uid, &gid))
		return true;
	return setgroups(0, NULL) == 0 && setgid(gid) == 0 && setuid(uid) == 0;
}

/* In the child, up to exec; only what is safe after fork in a single-threaded process. */
_Noreturn static void child_exec(const struct sup *s, const struct ap_plan_row *row, int log_fd)
{
	const char *argv[ARGS_MAX];
	static char room[ROOM];
	bool is_pg = row->what == AP_W_INITDB || row->what == AP_W_POSTGRES;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	int null_fd = open("/dev/null", O_RDONLY);
	dup2(null_fd, 0);
	dup2(log_fd, 1);
	dup2(log_fd, 2);
	env_set(s, row);
	bool ok = is_pg || row->what == AP_W_REDIS
		? sup_embed_argv(s, row->what, argv, ARGS_MAX, room, sizeof room)
		: program_argv(s, row, argv, room, sizeof room);
	if (is_pg && (!become_pg_user(s) || chdir("/") != 0))
		ok = false;
	if (ok)
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "lvl=error app=ap-supervisor ev=exec_failed program=%s why=\"%s\"\n", ok ? argv[0] : row->program,
		ok ? strerror(errno) : "no program or user for it");
	_exit(errno == ENOENT || !ok ? AP_EX_MISTAKE : AP_EX_AGAIN);
}

pid_t sup_spawn(struct sup *s, const struct ap_plan_row *row, int *gate)
{
	char path[sizeof s->dir + 64], go;
	int ends[2];

	snprintf(path, sizeof path, "%s/log/%s.log", s->dir, row->name);
	int log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log_fd == -1)
		return -1;
	if (pipe2(ends, O_CLOEXEC) == -1) {
		close(log_fd);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		/* Until the exec: what a supervisor holds alone must not outlive it in us. */
		close(s->lock_fd);
		close(s->notify_fd);
		close(ends[1]);
		if (read(ends[0], &go, 1) != 1)
			_exit(AP_EX_AGAIN);
		child_exec(s, row, log_fd);
	}
	close(log_fd);
	close(ends[0]);
	*gate = ends[1];
	if (pid == -1)
		close(ends[1]);
	return pid;
}
