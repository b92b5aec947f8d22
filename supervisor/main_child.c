/*
 * main_child.c - one event of one child becomes one step of the policy table; here are the actions behind it, and the
 * ranks in which children start and end.
 */
#include "main.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/core/timefmt.h"

enum { UP_FOR_SURE_MS = 1000 };

int64_t sup_mono_ms(void)
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
	(void)loop, (void)revents;
	sup_child_event(w->data, AP_E_TIMER);
}

struct child *sup_child_new(struct sup *s, const struct ap_plan_row *row)
{
	for (struct child *c = s->child; c < s->child + AP_CHILD_MAX; c++) {
		if (c->used)
			continue;
		*c = (struct child){ .sup = s, .used = true, .row = *row, .pidfd = -1, .since_ms = ap_ts_ms(ap_now()) };
		ev_timer_init(&c->timer, timer_cb, 0.0, 0.0);
		c->timer.data = c;
		return c;
	}
	ap_log(&s->app.log, AP_ERROR, "too_many_children", KV_S("child", row->name), KV_S("next", "not_started"));
	return NULL;
}

static void pidfd_done(struct child *c)
{
	if (c->pidfd == -1)
		return;
	ev_io_stop(c->sup->app.loop, &c->gone_io);
	close(c->pidfd);
	c->pidfd = -1;
}

/*
 * The roster is written between fork and exec: a supervisor that dies before has a child that ends by itself (its gate is
 * closed), one that dies after is followed by one that finds it. There is no moment at which a process runs unnamed.
 */
static bool start_process(struct child *c)
{
	struct sup *s = c->sup;
	int gate = -1;

	c->pid = sup_spawn(s, &c->row, &gate);
	if (c->pid <= 0) {
		c->pid = 0;
		return false;
	}
	c->adopted = false;
	c->start_ticks = sup_start_ticks(c->pid);
	if (!sup_roster_save(s))
		ap_log(&s->app.log, AP_ERROR, "roster_not_written", KV_S("why", strerror(errno)),
		       KV_S("next", "started_all_the_same"));
	(void)!write(gate, "g", 1);
	close(gate);
	return true;
}

static void spawn(struct child *c)
{
	struct sup *s = c->sup;

	if (c->row.what == AP_W_INITDB && !sup_initdb_needed(s)) {
		sup_child_event(c, AP_E_EXIT_DONE);
		return;
	}
	c->tries++;
	c->fed_mono_ms = 0;
	if (!start_process(c)) {
		ap_log(&s->app.log, AP_ERROR, "spawn_failed", KV_S("child", c->row.name), KV_S("why", strerror(errno)));
		sup_child_event(c, AP_E_EXIT_FAIL);
		return;
	}
	ap_log(&s->app.log, AP_INFO, "started", KV_S("child", c->row.name), KV_I("pid", c->pid));
	if (c->row.kind == AP_K_SERVER)
		sup_child_event(c, AP_E_READY);
	else if (c->row.kind == AP_K_STAGE)
		timer_arm(c, s->app.conf.supervisor_ready_ms);
}

static void back_off(struct child *c)
{
	struct sup *s = c->sup;

	/* What had been up for a second has fresh trouble; what ends at once is in a loop and waits longer each time. */
	if (c->up_mono_ms != 0 && sup_mono_ms() - c->up_mono_ms >= UP_FOR_SURE_MS)
		c->tries = 1;
	c->up_mono_ms = 0;
	uint64_t ms = ap_policy_backoff_ms(c->tries, s->app.conf.supervisor_backoff_min_ms, s->app.conf.supervisor_backoff_max_ms);
	c->looping = ap_crash_note(&c->crash, sup_mono_ms());
	c->restarts++;
	char log[sizeof s->dir + 64];
	snprintf(log, sizeof log, "%s/log/%s.log", s->dir, c->row.name);
	ap_log(&s->app.log, c->looping ? AP_ERROR : AP_WARN, c->looping ? "crash_loop" : "ended", KV_S("child", c->row.name),
	       KV_I("exit", WIFEXITED(c->last_status) ? WEXITSTATUS(c->last_status) : -1),
	       KV_I("signal", c->last_status != -1 && WIFSIGNALED(c->last_status) ? WTERMSIG(c->last_status) : 0),
	       KV_U("restarts", c->restarts), KV_U("next_start_ms", ms), KV_S("see", log));
	timer_arm(c, ms);
}

void sup_signal(struct child *c, int sig)
{
	if (c->pid <= 0)
		return;
	/* By its descriptor where there is one: the number may be another's by now. */
	if (c->pidfd != -1 && syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0) == 0)
		return;
	if (!c->adopted || sup_start_ticks(c->pid) == c->start_ticks)
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
	case AP_A_AWAIT:
		if (c->row.kind == AP_K_STAGE)
			timer_arm(c, s->app.conf.supervisor_ready_ms);
		break;
	case AP_A_TERM:
		/* PostgreSQL: SIGINT is the fast shutdown, SIGTERM would wait for its clients. */
		sup_signal(c, c->row.what == AP_W_POSTGRES ? SIGINT : SIGTERM);
		timer_arm(c, s->app.conf.supervisor_stop_ms);
		break;
	case AP_A_KILL:
		ap_log(&s->app.log, AP_WARN, "killed", KV_S("child", c->row.name), KV_I("pid", c->pid));
		sup_signal(c, SIGKILL);
		break;
	case AP_A_WAIT:
		back_off(c);
		break;
	case AP_A_PARK:
		ap_log(&s->app.log, AP_ERROR, "parked", KV_S("child", c->row.name),
		       KV_S("why", "it says the configuration is wrong (exit 100); see its log"), KV_S("next", "SIGHUP tries again"));
		break;
	case AP_A_READY:
		ev_timer_stop(s->app.loop, &c->timer);
		c->up_mono_ms = sup_mono_ms();
		ap_log(&s->app.log, AP_INFO, "ready", KV_S("child", c->row.name));
		break;
	case AP_A_END:
		ev_timer_stop(s->app.loop, &c->timer);
		break;
	}
}

/* Children that cannot stay must be gone before anything starts: they may hold the directories of those to come. */
static bool unfit_left(struct sup *s)
{
	SUP_EACH(s, c)
		if (c->unfit)
			return true;
	return false;
}

/* The lowest rank above the present one; INT_MAX: none. *settled: everything up to the present one is up or done. */
static int next_rank(struct sup *s, bool *settled)
{
	int next = INT_MAX;

	*settled = true;
	SUP_EACH(s, c) {
		if (c->row.start_rank <= s->start_rank && c->state != AP_C_UP && c->state != AP_C_DONE && !c->leaving)
			*settled = false;
		if (c->row.start_rank > s->start_rank && c->row.start_rank < next)
			next = c->row.start_rank;
	}
	return next;
}

void sup_start_ranks(struct sup *s)
{
	for (bool settled = true; !unfit_left(s);) {
		int next = next_rank(s, &settled);
		if (settled && next == INT_MAX && !s->was_ready) {
			s->was_ready = true;
			ap_log(&s->app.log, AP_INFO, "all_ready", KV_U("children", s->plan.n));
			ap_app_notify(&s->app, "READY=1");
		}
		if (!settled || next == INT_MAX)
			return;
		s->start_rank = next;
		if (next >= AP_RANK_STAGES) {
			sup_metrics_start(s);
			sup_heal_start(s);
		}
		SUP_EACH(s, c)
			if (c->row.start_rank == next)
				sup_child_event(c, AP_E_GO);
	}
}

/* Ends the children of the lowest stop rank that still has any; when none is left, the supervisor. */
static void stop_ranks(struct sup *s)
{
	int next = INT_MAX;

	SUP_EACH(s, c)
		if (c->state != AP_C_DONE && c->row.stop_rank < next)
			next = c->row.stop_rank;
	if (next == s->stop_rank)
		return;
	s->stop_rank = next;
	if (next == INT_MAX) {
		ap_log(&s->app.log, AP_INFO, "all_ended", KV_S("next", "exit"));
		s->over = true;
		sup_roster_forget(s);
		ev_break(s->app.loop, EVBREAK_ALL);
		return;
	}
	SUP_EACH(s, c)
		if (c->row.stop_rank == next && c->state != AP_C_DONE)
			sup_child_event(c, AP_E_STOP);
}

void sup_stop_all(struct sup *s)
{
	if (s->stopping)
		return;
	ap_log(&s->app.log, AP_INFO, "stopping", KV_S("next", "ends every program in the order of the flow"));
	ap_app_notify(&s->app, "STOPPING=1");
	s->stopping = true;
	sup_metrics_stop(s);
	sup_heal_stop(s);
	/* What is not running ends at once, whatever its rank: nothing is started any more. */
	SUP_EACH(s, c)
		if (c->pid == 0)
			sup_child_event(c, AP_E_STOP);
	stop_ranks(s);
	sup_roster_save(s);
}

void sup_child_event(struct child *c, enum ap_child_event e)
{
	struct sup *s = c->sup;
	struct ap_policy_step step = ap_policy(c->state, e);

	if (step.next != c->state) {
		c->since_ms = ap_ts_ms(ap_now());
		ap_log(&s->app.log, AP_DEBUG, "state", KV_S("child", c->row.name), KV_S("event", ap_child_event_name(e)),
		       KV_S("from", ap_child_state_name(c->state)), KV_S("to", ap_child_state_name(step.next)));
	}
	c->state = step.next;
	act(c, step.act);
	if (c->leaving && c->state == AP_C_DONE)
		c->used = c->unfit = false;
	if (s->adopting)
		return;
	if (s->stopping)
		stop_ranks(s);
	else
		sup_start_ranks(s);
	sup_roll_kick(s);
	sup_roster_save(s);
	sup_status_write(s);
}

void sup_child_leave(struct child *c)
{
	c->leaving = true;
	sup_child_event(c, AP_E_STOP);
}

static enum ap_child_event exit_event(const struct child *c, int status)
{
	/* Of an adopted process the status is not known: a one-shot is run again, which changes nothing when it was done. */
	if (status == -1 || !WIFEXITED(status))
		return AP_E_EXIT_FAIL;
	if (WEXITSTATUS(status) == AP_EX_MISTAKE)
		return AP_E_EXIT_MISTAKE;
	return WEXITSTATUS(status) == 0 && c->row.kind == AP_K_ONESHOT ? AP_E_EXIT_DONE : AP_E_EXIT_FAIL;
}

void sup_child_ended(struct child *c, int status)
{
	pidfd_done(c);
	c->pid = 0;
	c->adopted = false;
	c->last_status = status;
	sup_child_event(c, exit_event(c, status));
}
