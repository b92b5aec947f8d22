/*
 * main_roll.c - from one set of programs to another while they run: a changed configuration, a rolling restart.
 */
#include "main.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool of_program(const struct child *c, const char *program)
{
	return c->row.what == AP_W_PROGRAM && strcmp(c->row.program, program) == 0;
}

/* The lowest number that no child of the program has. */
static unsigned free_instance(struct sup *s, const char *program)
{
	for (unsigned n = 0;; n++) {
		bool taken = false;
		SUP_EACH(s, c)
			taken = taken || (of_program(c, program) && c->row.instance == n);
		if (!taken)
			return n;
	}
}

static struct child *one_more(struct sup *s, const char *program)
{
	struct ap_plan_row row;

	if (!ap_plan_row(&row, program, free_instance(s, program)))
		return NULL;
	return sup_child_new(s, &row);
}

static unsigned count_of(struct sup *s, const char *program, struct child **last)
{
	unsigned n = 0;

	*last = NULL;
	SUP_EACH(s, c) {
		if (!of_program(c, program) || c->leaving)
			continue;
		n++;
		if (*last == NULL || c->row.instance > (*last)->row.instance)
			*last = c;
	}
	return n;
}

/*
 * The supervisor before us, of the same keeper, had come as far as starting programs: the schema is there. Others who begin with
 * programs that run already (apctl up) may be of another version.
 */
static bool migrated(struct sup *s)
{
	SUP_EACH(s, c)
		if (s->again && c->adopted && c->row.what == AP_W_PROGRAM && !c->unfit)
			return true;
	return false;
}

/* Servers and one-shots of the plan that no child stands for. */
static void add_fixed(struct sup *s)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		const struct ap_plan_row *row = &s->plan.row[i];
		bool there = row->what == AP_W_PROGRAM;
		SUP_EACH(s, c)
			there = there || (c->row.what == row->what && !c->leaving);
		struct child *c = there ? NULL : sup_child_new(s, row);
		if (c != NULL && row->what == AP_W_MIGRATE && migrated(s))
			c->state = AP_C_DONE;
	}
}

void sup_reconcile(struct sup *s)
{
	const char *program;

	if (s->roll.active)
		return;         /* it has two of one kind; its end comes back here */
	add_fixed(s);
	for (size_t i = 0; (program = ap_plan_nth(i)) != NULL; i++) {
		unsigned want = ap_plan_count(&s->plan, program);
		struct child *last, *c;
		while (count_of(s, program, &last) < want && (c = one_more(s, program)) != NULL)
			if (c->row.start_rank <= s->start_rank)
				sup_child_event(c, AP_E_GO);
		while (count_of(s, program, &last) > want && last != NULL)
			sup_child_leave(last);
	}
	sup_start_ranks(s);
}

/* What a running pipeline cannot change under itself. */
static const char *fixed_changed(const struct sup *s, const struct ap_conf *now)
{
	if (strcmp(now->data_dir, s->app.conf.data_dir) != 0)
		return "data.dir";
	return sup_servers_sum(now) != s->servers ? "redis.url, pg.conninfo, data.partitions or supervisor.embedded" : NULL;
}

bool sup_reload(struct sup *s)
{
	struct ap_conf now;
	static struct ap_plan plan;
	char err[512] = "";

	bool ok = ap_app_conf_again(&s->app, &now, err, sizeof err);
	if (ok && fixed_changed(s, &now) != NULL) {
		snprintf(err, sizeof err, "%s cannot change while the pipeline runs", fixed_changed(s, &now));
		ap_conf_done(&now);
		ok = false;
	}
	if (ok && !ap_plan_make(&plan, &now, err, sizeof err)) {
		ap_conf_done(&now);
		ok = false;
	}
	if (!ok) {
		ap_log(&s->app.log, AP_ERROR, "reload_refused", KV_S("why", err), KV_S("next", "the_old_configuration_goes_on"));
		return false;
	}
	ap_conf_done(&s->app.conf);
	s->app.conf = now;
	s->plan = plan;
	s->app.log.least = (enum ap_lvl)now.log_level;
	ap_log(&s->app.log, AP_INFO, "reloaded", KV_U("children", plan.n));
	SUP_EACH(s, c) {
		if (c->row.kind == AP_K_STAGE)
			sup_signal(c, SIGHUP);
		if (c->state == AP_C_PARKED)
			sup_child_event(c, AP_E_GO);
	}
	if (!s->stopping)
		sup_reconcile(s);
	return true;
}

/* --- rolling restart --- */

static void roll_end(struct sup *s, int code, const char *what, const char *name)
{
	struct roll *r = &s->roll;

	r->active = false;
	ev_timer_stop(s->app.loop, &r->step);
	ap_log(&s->app.log, code == 0 ? AP_INFO : AP_ERROR, "roll_ended", KV_I("code", code), KV_S("what", what), KV_S("child", name));
	sup_say(s, &r->who, r->who_len, "RESULT=%d %s%s%s", code, name, name[0] != '\0' ? ": " : "", what);
	if (!s->stopping)
		sup_reconcile(s);
}

static void roll_say(struct sup *s, const char *what, const struct child *c)
{
	sup_say(s, &s->roll.who, s->roll.who_len, "SAY=%s %s", what, c->row.name);
}

/* Takes up the next one of the list. False: there is none. */
static bool roll_take(struct sup *s)
{
	struct roll *r = &s->roll;

	while (r->at < r->n) {
		struct child *c = r->todo[r->at];
		pid_t pid = r->todo_pid[r->at++];
		if (!c->used || c->leaving || (c->row.what == AP_W_PROGRAM && c->pid != pid))
			continue;       /* it has been started anew since by itself */
		r->old = c;
		r->old_pid = c->pid;
		r->old_restarts = c->restarts;
		r->fresh = NULL;
		if (c->row.kind == AP_K_ONESHOT)
			r->fresh = sup_child_new(s, &c->row);
		else if (c->row.overlap && c->state == AP_C_UP)
			r->fresh = one_more(s, c->row.program);
		if (r->fresh != NULL)
			sup_child_event(r->fresh, AP_E_GO);
		else
			sup_child_event(c, c->state == AP_C_PARKED ? AP_E_GO : AP_E_RENEW);
		return true;
	}
	return false;
}

static bool in_trouble(const struct child *c)
{
	return c->state == AP_C_BACKOFF || c->state == AP_C_PARKED || c->state == AP_C_KILLING || c->state == AP_C_RENEWING;
}

/* The pair at work: true when it is done with. */
static bool roll_pair(struct sup *s)
{
	struct roll *r = &s->roll;

	if (r->fresh == NULL) {
		if (r->old->state == AP_C_UP && r->old->pid != r->old_pid) {
			roll_say(s, "restarted", r->old);
			return true;
		}
		if (!r->old->used || r->old->state == AP_C_PARKED || r->old->restarts > r->old_restarts + 1)
			roll_end(s, 1, "it does not come up again: see its log", r->old->row.name);
		return false;
	}
	if (!r->old->used)
		return true;
	if (in_trouble(r->fresh)) {
		char name[AP_PLAN_NAME];
		memcpy(name, r->fresh->row.name, sizeof name);
		sup_child_leave(r->fresh);
		roll_end(s, 1, "the new one does not come up, the old one goes on: see its log", name);
	} else if (!r->old->leaving && (r->fresh->state == AP_C_UP || r->fresh->state == AP_C_DONE)) {
		roll_say(s, "ready", r->fresh);
		sup_child_leave(r->old);
		return !r->old->used;
	}
	return false;
}

static void roll_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sup *s = w->data;

	(void)loop, (void)revents;
	if (s->roll.active && s->stopping)
		roll_end(s, 1, "the supervisor is ending", "");
	if (s->roll.active && (s->roll.old == NULL || roll_pair(s))) {
		s->roll.old = NULL;
		if (!roll_take(s))
			roll_end(s, 0, "restarted", "");
	}
	sup_status_write(s);
}

void sup_roll_kick(struct sup *s)
{
	if (!s->roll.active || ev_is_active(&s->roll.step))
		return;
	/* From the loop, not from within an event of the very child it looks at. */
	ev_timer_init(&s->roll.step, roll_cb, 0.0, 0.0);
	s->roll.step.data = s;
	ev_timer_start(s->app.loop, &s->roll.step);
}

/* Is the child one of those that the user's word means? */
static bool meant(const struct child *c, const char *what)
{
	const char *program = ap_plan_program(what);

	return !c->leaving && c->row.what == AP_W_PROGRAM &&
	       (strcmp(what, "all") == 0 || strcmp(c->row.name, what) == 0 || (program != NULL && of_program(c, program)));
}

static bool named(struct sup *s, const char *what)
{
	SUP_EACH(s, c)
		if (meant(c, what))
			return true;
	return false;
}

static void roll_add(struct roll *r, struct child *c)
{
	r->todo[r->n] = c;
	r->todo_pid[r->n++] = c->pid;
}

/* "all": the schema and the functions of a new version first, then the programs in the order of the flow. */
static void roll_list(struct sup *s, const char *what)
{
	struct roll *r = &s->roll;
	const char *nth;

	SUP_EACH(s, c)
		if (strcmp(what, "all") == 0 && c->row.what == AP_W_MIGRATE)
			roll_add(r, c);
	for (size_t i = 0; (nth = ap_plan_nth(i)) != NULL; i++)
		SUP_EACH(s, c)
			if (of_program(c, nth) && meant(c, what))
				roll_add(r, c);
}

void sup_roll_begin(struct sup *s, const char *what, const struct sockaddr_un *who, socklen_t who_len)
{
	struct roll *r = &s->roll;
	bool itself = strcmp(what, "supervisor") == 0;
	const char *busy = s->stopping ? "the supervisor is ending" : r->active ? "another restart is under way" :
			   !s->was_ready ? "the pipeline is not up yet" : NULL;

	if (!itself && !named(s, what)) {
		sup_say(s, who, who_len, "RESULT=100 nothing of that name runs here");
	} else if (busy != NULL) {
		sup_say(s, who, who_len, "RESULT=111 %s", busy);
	} else if (itself) {
		sup_say(s, who, who_len, "RESULT=0 the supervisor starts anew, everything else goes on");
		keep_exec(s, true);
	} else {
		*r = (struct roll){ .active = true, .who = *who, .who_len = who_len };
		roll_list(s, what);
		ap_log(&s->app.log, AP_INFO, "roll", KV_S("what", what), KV_U("children", r->n));
		sup_roll_kick(s);
	}
}
