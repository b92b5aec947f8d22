/*
 * main_keep.c - two processes keep each other: the keeper starts the supervisor again when it ends otherwise than it should,
 * and a supervisor whose keeper is gone becomes the keeper of a new one.
 *
 * The keeper is the first process and reaps whatever a dead supervisor leaves; it knows nothing of children. Both changes of
 * role are an exec: the roster tells the new process what runs.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEPER_ENV "AP_SUPERVISOR_KEEPER"
#define AGAIN_ENV "AP_SUPERVISOR_AGAIN"

struct keep {
	struct sup *s;
	pid_t pid;
	unsigned tries;
	int64_t started_ms;
	bool stopping, again;
	ev_child ended;
	ev_timer timer;
};

bool keep_wanted(const struct sup *s)
{
	const char *by = getenv(KEEPER_ENV);

	if (by != NULL && strtol(by, NULL, 10) == (long)getppid())
		return false;
	return s->app.conf.supervisor_keeper;
}

/* The file to execute: the one in supervisor.bin_dir, which an upgrade may have changed, else our own. */
static const char *program_file(const struct sup *s, char *out, size_t cap)
{
	snprintf(out, cap, "%s/ap-supervisor", s->app.conf.supervisor_bin_dir);
	if (s->app.conf.supervisor_bin_dir[0] != '\0' && access(out, X_OK) == 0)
		return out;
	return s->self;
}

static void exec_self(struct sup *s)
{
	char path[4200];

	unsetenv("WATCHDOG_PID");       /* it names the keeper, which has nothing to say */
	prctl(PR_SET_PDEATHSIG, 0);     /* the new program asks for it once it can take it */
	execv(program_file(s, path, sizeof path), s->argv);
	ap_log(&s->app.log, AP_ERROR, "exec_failed", KV_S("program", path), KV_S("why", strerror(errno)));
}

void keep_exec(struct sup *s, bool kept)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", (long)getppid());
	if (kept && s->keeper != 0) {
		setenv(KEEPER_ENV, text, 1);
		setenv(AGAIN_ENV, "1", 1);
	} else {
		unsetenv(KEEPER_ENV);
		unsetenv(AGAIN_ENV);
	}
	exec_self(s);
}

static void start(struct keep *k)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", (long)getpid());
	k->started_ms = sup_mono_ms();
	k->pid = fork();
	if (k->pid == 0) {
		setenv(KEEPER_ENV, text, 1);
		if (k->again)
			setenv(AGAIN_ENV, k->stopping ? "stop" : "1", 1);
		exec_self(k->s);
		_exit(AP_EX_AGAIN);
	}
	k->again = true;
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keep *k = w->data;

	(void)loop, (void)revents;
	start(k);
}

/* A supervisor that says it was its user's mistake is believed when it is the first; a later one has children to look after. */
static bool for_good(const struct keep *k, int status, bool first)
{
	return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || k->stopping || (first && WEXITSTATUS(status) == AP_EX_MISTAKE));
}

static void ended_cb(struct ev_loop *loop, ev_child *w, int revents)
{
	struct keep *k = w->data;
	struct ap_app *app = &k->s->app;
	int64_t ran_ms = sup_mono_ms() - k->started_ms;

	(void)revents;
	if (w->rpid != k->pid)
		return;         /* what a dead supervisor left behind, reaped */
	k->pid = 0;
	if (for_good(k, w->rstatus, k->tries == 0)) {
		app->exit_code = WEXITSTATUS(w->rstatus);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	k->tries = ran_ms >= 10000 || k->tries == 0 ? 1 : k->tries + 1;
	uint64_t ms = k->tries == 1 ? 0 : ap_policy_backoff_ms(k->tries - 1, app->conf.supervisor_backoff_min_ms,
								app->conf.supervisor_backoff_max_ms);
	ap_log(&app->log, AP_ERROR, "supervisor_ended", KV_I("exit", WIFEXITED(w->rstatus) ? WEXITSTATUS(w->rstatus) : -1),
	       KV_I("signal", WIFSIGNALED(w->rstatus) ? WTERMSIG(w->rstatus) : 0), KV_U("next_start_ms", ms));
	ev_timer_set(&k->timer, (double)ms / 1000, 0);
	ev_now_update(loop);
	ev_timer_start(loop, &k->timer);
}

static void pass_on(struct ap_app *app, int sig)
{
	struct keep *k = app->ctx;

	if (k->pid > 0)
		kill(k->pid, sig);
}

static void on_stop(struct ap_app *app)
{
	struct keep *k = app->ctx;

	k->stopping = true;
	pass_on(app, SIGTERM);  /* one that is yet to be started is told by its environment */
}

static void on_hup(struct ap_app *app)
{
	pass_on(app, SIGHUP);
}

int keep_run(struct sup *s)
{
	static struct keep k;
	char err[512];

	s->lock_fd = sup_lock(s, "keeper", err, sizeof err);
	if (s->lock_fd == -1) {
		ap_log(&s->app.log, AP_ERROR, "cannot_start", KV_S("why", err));
		return AP_EX_MISTAKE;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k.s = s;
	s->app.ctx = &k;
	s->app.on_stop = on_stop;
	s->app.on_hup = on_hup;
	ev_child_init(&k.ended, ended_cb, 0, 0);
	ev_timer_init(&k.timer, timer_cb, 0, 0);
	k.ended.data = k.timer.data = &k;
	ev_child_start(s->app.loop, &k.ended);
	start(&k);
	return ap_app_run(&s->app);
}

static void keeper_gone_cb(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct sup *s = w->data;

	(void)loop, (void)revents;
	if (getppid() == s->keeper || s->stopping)
		return;
	ap_log(&s->app.log, AP_WARN, "keeper_ended", KV_S("next", "become_the_keeper_of_a_new_supervisor"));
	keep_exec(s, false);
}

void keep_watch(struct sup *s)
{
	const char *by = getenv(KEEPER_ENV), *again = getenv(AGAIN_ENV);

	s->keeper = by != NULL ? (pid_t)strtol(by, NULL, 10) : 0;
	s->again = again != NULL;
	s->told_to_end = s->told_to_end || (again != NULL && strcmp(again, "stop") == 0);
	unsetenv(KEEPER_ENV);
	unsetenv(AGAIN_ENV);
	ev_signal_init(&s->keeper_gone, keeper_gone_cb, SIGUSR2);
	s->keeper_gone.data = s;
	ev_signal_start(s->app.loop, &s->keeper_gone);
	if (s->keeper == 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	if (getppid() != s->keeper)     /* it ended before it was watched */
		raise(SIGUSR2);
}
