/*
 * ap-supervisor - starts all processes of a pipeline in order, watches them, starts them again, ends
 * them in order.
 *
 * One event becomes one step of the policy table (policy.c); nothing here decides. It is a
 * subreaper, so that whatever its children leave behind is reaped too.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/core/timefmt.h"

static void child_event(struct child *c, enum ap_child_event e);

static int64_t mono_ms(void)
{
	return ap_mono_ns() / 1000000;
}

static void timer_arm(struct child *c, uint64_t ms)
{
	ev_timer_stop(c->sup->app.loop, &c->timer);
	ev_timer_set(&c->timer, (double)ms / 1000.0, 0.0);
	ev_now_update(c->sup->app.loop);
	ev_timer_start(c->sup->app.loop, &c->timer);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	child_event(w->data, AP_E_TIMER);
}

static void spawn(struct child *c)
{
	struct sup *s = c->sup;
	if (c->row->what == AP_W_INITDB && !sup_initdb_needed(s)) {
		child_event(c, AP_E_EXIT_DONE);
		return;
	}
	c->tries++;
	c->fed_mono_ms = 0;
	c->pid = sup_spawn(s, c->row);
	if (c->pid <= 0) {
		c->pid = 0;
		ap_log(&s->app.log, AP_ERROR, "spawn_failed", KV_S("child", c->row->name), KV_S("why", strerror(errno)));
		child_event(c, AP_E_EXIT_FAIL);
		return;
	}
	ap_log(&s->app.log, AP_INFO, "started", KV_S("child", c->row->name), KV_I("pid", c->pid));
	if (c->row->kind == AP_K_SERVER)
		child_event(c, AP_E_READY);
	else if (c->row->kind == AP_K_STAGE)
		timer_arm(c, s->app.conf.supervisor_ready_ms);
}

static void back_off(struct child *c)
{
	struct sup *s = c->sup;
	/* What had been up for a second has fresh trouble; what ends at once is in a loop and waits longer each time. */
	if (c->up_mono_ms != 0 && mono_ms() - c->up_mono_ms >= 1000)
		c->tries = 1;
	c->up_mono_ms = 0;
	uint64_t ms = ap_policy_backoff_ms(c->tries, s->app.conf.supervisor_backoff_min_ms, s->app.conf.supervisor_backoff_max_ms);
	bool loop = ap_crash_note(&c->crash, mono_ms());
	c->restarts++;
	char log[sizeof s->dir + 64];
	snprintf(log, sizeof log, "%s/log/%s.log", s->dir, c->row->name);
	ap_log(&s->app.log, loop ? AP_ERROR : AP_WARN, loop ? "crash_loop" : "ended", KV_S("child", c->row->name),
	       KV_I("exit", WIFEXITED(c->last_status) ? WEXITSTATUS(c->last_status) : -1),
	       KV_I("signal", WIFSIGNALED(c->last_status) ? WTERMSIG(c->last_status) : 0), KV_U("restarts", c->restarts),
	       KV_U("next_start_ms", ms), KV_S("see", log));
	timer_arm(c, ms);
}

static void signal_child(struct child *c, int sig)
{
	if (c->pid > 0)
		kill(c->pid, sig);
}

static void act(struct child *c, enum ap_child_action a)
{
	struct sup *s = c->sup;
	switch (a) {
	case AP_A_NONE:
		break;
	case AP_A_SPAWN:
		spawn(c);
		break;
	case AP_A_TERM:
		/* PostgreSQL: SIGINT is the fast shutdown, SIGTERM would wait for its clients. */
		signal_child(c, c->row->what == AP_W_POSTGRES ? SIGINT : SIGTERM);
		timer_arm(c, s->app.conf.supervisor_stop_ms);
		break;
	case AP_A_KILL:
		ap_log(&s->app.log, AP_WARN, "killed", KV_S("child", c->row->name), KV_I("pid", c->pid));
		signal_child(c, SIGKILL);
		break;
	case AP_A_WAIT:
		back_off(c);
		break;
	case AP_A_PARK:
		ap_log(&s->app.log, AP_ERROR, "parked", KV_S("child", c->row->name),
		       KV_S("why", "it says the configuration is wrong (exit 100); see its log"), KV_S("next", "SIGHUP tries again"));
		break;
	case AP_A_READY:
		ev_timer_stop(s->app.loop, &c->timer);
		c->up_mono_ms = mono_ms();
		ap_log(&s->app.log, AP_INFO, "ready", KV_S("child", c->row->name));
		break;
	case AP_A_END:
		ev_timer_stop(s->app.loop, &c->timer);
		break;
	}
}

/* The highest rank whose predecessors are all up or done may start. */
static void start_ranks(struct sup *s)
{
	for (bool again = true; again;) {
		int next = INT_MAX;
		bool settled = true;
		for (size_t i = 0; i < s->plan.n; i++) {
			const struct child *c = &s->child[i];
			if (c->row->start_rank <= s->start_rank && c->state != AP_C_UP && c->state != AP_C_DONE)
				settled = false;
			if (c->row->start_rank > s->start_rank && c->row->start_rank < next)
				next = c->row->start_rank;
		}
		if (settled && next == INT_MAX && !s->was_ready) {
			s->was_ready = true;
			ap_log(&s->app.log, AP_INFO, "all_ready", KV_U("children", s->plan.n));
			ap_app_notify(&s->app, "READY=1");
		}
		again = settled && next != INT_MAX;
		if (!again)
			break;
		s->start_rank = next;
		for (size_t i = 0; i < s->plan.n; i++)
			if (s->child[i].row->start_rank == next)
				child_event(&s->child[i], AP_E_GO);
	}
}

/* Ends the children of the lowest stop rank that still has any; when none is left, the supervisor. */
static void stop_ranks(struct sup *s)
{
	int next = INT_MAX;
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->child[i].state != AP_C_DONE && s->child[i].row->stop_rank < next)
			next = s->child[i].row->stop_rank;
	if (next == s->stop_rank)
		return;
	s->stop_rank = next;
	if (next == INT_MAX) {
		ap_log(&s->app.log, AP_INFO, "all_ended", KV_S("next", "exit"));
		ev_break(s->app.loop, EVBREAK_ALL);
		return;
	}
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->child[i].row->stop_rank == next && s->child[i].state != AP_C_DONE)
			child_event(&s->child[i], AP_E_STOP);
}

static void child_event(struct child *c, enum ap_child_event e)
{
	struct ap_policy_step step = ap_policy(c->state, e);
	if (step.next != c->state) {
		c->since_ms = ap_ts_ms(ap_now());
		ap_log(&c->sup->app.log, AP_DEBUG, "state", KV_S("child", c->row->name), KV_S("event", ap_child_event_name(e)),
		       KV_S("from", ap_child_state_name(c->state)), KV_S("to", ap_child_state_name(step.next)));
	}
	c->state = step.next;
	act(c, step.act);
	if (c->sup->stopping)
		stop_ranks(c->sup);
	else
		start_ranks(c->sup);
	sup_status_write(c->sup);
}

static enum ap_child_event exit_event(const struct child *c, int status)
{
	if (!WIFEXITED(status))
		return AP_E_EXIT_FAIL;
	if (WEXITSTATUS(status) == AP_EX_MISTAKE)
		return AP_E_EXIT_MISTAKE;
	return WEXITSTATUS(status) == 0 && c->row->kind == AP_K_ONESHOT ? AP_E_EXIT_DONE : AP_E_EXIT_FAIL;
}

static void reaped_cb(struct ev_loop *loop, ev_child *w, int revents)
{
	struct sup *s = w->data;
	(void)loop;
	(void)revents;
	for (size_t i = 0; i < s->plan.n; i++) {
		struct child *c = &s->child[i];
		if (c->pid != w->rpid)
			continue;
		c->pid = 0;
		c->last_status = w->rstatus;
		child_event(c, exit_event(c, w->rstatus));
		return;
	}
}

/* One datagram of the sd_notify protocol; the sender's pid comes with it from the kernel. */
static void notify_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sup *s = w->data;
	char text[1024];
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof ctl.buf };
	(void)loop;
	(void)revents;
	ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h == NULL || h->cmsg_type != SCM_CREDENTIALS)
		return;
	struct ucred cred;
	memcpy(&cred, CMSG_DATA(h), sizeof cred);
	text[n] = '\0';
	for (size_t i = 0; i < s->plan.n; i++) {
		struct child *c = &s->child[i];
		if (c->pid == 0 || c->pid != cred.pid)
			continue;
		if (strstr(text, "WATCHDOG=1") != NULL || strstr(text, "READY=1") != NULL)
			c->fed_mono_ms = mono_ms();
		if (strstr(text, "READY=1") != NULL)
			child_event(c, AP_E_READY);
	}
}

static void tick_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sup *s = w->data;
	int64_t now = mono_ms();
	(void)loop;
	(void)revents;
	for (size_t i = 0; i < s->plan.n; i++) {
		struct child *c = &s->child[i];
		if (c->state == AP_C_UP && c->fed_mono_ms != 0 &&
		    now - c->fed_mono_ms > (int64_t)s->app.conf.supervisor_watchdog_ms) {
			ap_log(&s->app.log, AP_ERROR, "silent", KV_S("child", c->row->name), KV_I("silent_ms", now - c->fed_mono_ms),
			       KV_S("next", "kill"));
			child_event(c, AP_E_SILENT);
		}
	}
	sup_status_write(s);
}

static void on_stop(struct ap_app *app)
{
	struct sup *s = app->ctx;
	if (s->stopping)
		return;
	ap_log(&app->log, AP_INFO, "stopping", KV_S("next", "ends every program in the order of the flow"));
	ap_app_notify(app, "STOPPING=1");
	s->stopping = true;
	/* What is not running ends at once, whatever its rank: nothing is started any more. */
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->child[i].pid == 0)
			child_event(&s->child[i], AP_E_STOP);
	stop_ranks(s);
}

/* SIGHUP: children reopen their logs; parked ones get another try. */
static void on_hup(struct ap_app *app)
{
	struct sup *s = app->ctx;
	for (size_t i = 0; i < s->plan.n; i++) {
		struct child *c = &s->child[i];
		if (c->row->kind == AP_K_STAGE)
			signal_child(c, SIGHUP);
		if (c->state == AP_C_PARKED)
			child_event(c, AP_E_GO);
	}
}

static bool open_notify(struct sup *s, char *err, size_t errlen)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int on = 1;
	/* Abstract: no path that could be too long, nothing left behind. */
	int n = snprintf(s->notify_name, sizeof s->notify_name, "@alphapulse/%ld", (long)getpid());
	memcpy(a.sun_path, s->notify_name, (size_t)n);
	a.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->notify_fd == -1 || bind(s->notify_fd, (struct sockaddr *)&a, len) == -1 ||
	    setsockopt(s->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
		snprintf(err, errlen, "the notification socket %s cannot be opened: %s", s->notify_name, strerror(errno));
		return false;
	}
	return true;
}

/* One supervisor a data directory. The lock dies with its holder. */
static bool take_lock(struct sup *s, char *err, size_t errlen)
{
	char path[sizeof s->dir + 32];
	snprintf(path, sizeof path, "%s/run/supervisor.pid", s->dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (s->lock_fd == -1 || flock(s->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		snprintf(err, errlen, "%s is %s: another ap-supervisor runs this directory, or its files are not yours", path,
			 s->lock_fd == -1 ? "not writable" : "locked");
		return false;
	}
	if (ftruncate(s->lock_fd, 0) == 0)
		dprintf(s->lock_fd, "%ld\n", (long)getpid());
	return true;
}

static bool make_dirs(struct sup *s, char *err, size_t errlen)
{
	static const char *const subs[] = { "", "/log", "/run" };
	char path[sizeof s->dir + 8];
	if (!sup_mkdirs(s->app.conf.data_dir, 0755) || realpath(s->app.conf.data_dir, s->dir) == NULL) {
		snprintf(err, errlen, "data.dir %s cannot be made: %s", s->app.conf.data_dir, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++) {
		snprintf(path, sizeof path, "%s%s", s->dir, subs[i]);
		if (!sup_mkdirs(path, 0755)) {
			snprintf(err, errlen, "%s cannot be made: %s", path, strerror(errno));
			return false;
		}
	}
	return true;
}

static void find_bin_dir(struct sup *s)
{
	if (s->app.conf.supervisor_bin_dir[0] != '\0') {
		snprintf(s->bin_dir, sizeof s->bin_dir, "%s", s->app.conf.supervisor_bin_dir);
		return;
	}
	ssize_t n = readlink("/proc/self/exe", s->bin_dir, sizeof s->bin_dir - 1);
	s->bin_dir[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(s->bin_dir, '/');
	if (slash != NULL)
		*slash = '\0';
}

static bool prepare(struct sup *s, char *err, size_t errlen)
{
	if (!ap_plan_make(&s->plan, &s->app.conf, err, errlen) || !make_dirs(s, err, errlen) || !take_lock(s, err, errlen) ||
	    !open_notify(s, err, errlen))
		return false;
	return !s->app.conf.supervisor_embedded || sup_embed_prepare(s, err, errlen);
}

static void watch(struct sup *s)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		struct child *c = &s->child[i];
		*c = (struct child){ .sup = s, .row = &s->plan.row[i], .since_ms = ap_ts_ms(ap_now()) };
		ev_timer_init(&c->timer, timer_cb, 0.0, 0.0);
		c->timer.data = c;
	}
	ev_io_init(&s->notify_io, notify_cb, s->notify_fd, EV_READ);
	s->notify_io.data = s;
	ev_io_start(s->app.loop, &s->notify_io);
	ev_child_init(&s->any_child, reaped_cb, 0, 0);
	s->any_child.data = s;
	ev_child_start(s->app.loop, &s->any_child);
	ev_timer_init(&s->tick, tick_cb, 1.0, 1.0);
	s->tick.data = s;
	ev_timer_start(s->app.loop, &s->tick);
	start_ranks(s);
}

int main(int argc, char **argv)
{
	static const struct ap_app_spec spec = {
		.name = "ap-supervisor",
		.summary = "starts, watches and ends all processes of a pipeline",
		.sections = "data redis pg log supervisor",
	};
	static struct sup s = { .start_rank = -1, .stop_rank = -1, .lock_fd = -1, .notify_fd = -1 };
	static char err[2 * sizeof s.dir + 256];
	int rc = ap_app_init(&s.app, &spec, argc, argv);
	if (rc >= 0)
		return rc;
	s.app.ctx = &s;
	s.app.on_stop = on_stop;
	s.app.on_hup = on_hup;
	s.conf_path = s.app.conf_path != NULL ? s.app.conf_path : "/dev/null";
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	find_bin_dir(&s);
	if (!prepare(&s, err, sizeof err)) {
		ap_log(&s.app.log, AP_ERROR, "cannot_start", KV_S("why", err));
		ap_app_done(&s.app);
		return AP_EX_MISTAKE;
	}
	watch(&s);
	rc = ap_app_run(&s.app);
	sup_status_write(&s);
	ap_app_done(&s.app);
	return rc;
}
