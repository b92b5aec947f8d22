/*
 * ap-supervisor - starts all processes of a pipeline in order, watches them, starts them again, ends
 * them in order.
 *
 * One event becomes one step of the policy table (policy.c); nothing here decides. It is a
 * subreaper, so that whatever its children leave behind is reaped too. Killed itself, it is started
 * again by its keeper (main_keep.c) and takes over what runs (main_adopt.c).
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_MS = 20000 };      /* up for so long, a child is in no crash loop any more */

static void reaped_cb(struct ev_loop *loop, ev_child *w, int revents)
{
	struct sup *s = w->data;

	(void)loop, (void)revents;
	SUP_EACH(s, c) {
		if (c->pid == w->rpid && !c->adopted) {
			sup_child_ended(c, w->rstatus);
			return;
		}
	}
}

static void look_at(struct child *c, int64_t now_ms)
{
	struct sup *s = c->sup;

	if (c->adopted && c->pidfd == -1 && sup_start_ticks(c->pid) != c->start_ticks) {
		sup_child_ended(c, -1);
		return;
	}
	if (c->state != AP_C_UP)
		return;
	if (c->looping && now_ms - c->up_mono_ms > QUIET_MS)
		c->looping = false;
	if (c->fed_mono_ms != 0 && now_ms - c->fed_mono_ms > (int64_t)s->app.conf.supervisor_watchdog_ms) {
		ap_log(&s->app.log, AP_ERROR, "silent", KV_S("child", c->row.name), KV_I("silent_ms", now_ms - c->fed_mono_ms),
		       KV_S("next", "kill"));
		sup_child_event(c, AP_E_SILENT);
	}
}

static void tick_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sup *s = w->data;
	int64_t now_ms = sup_mono_ms();

	(void)loop, (void)revents;
	SUP_EACH(s, c)
		look_at(c, now_ms);
	sup_status_write(s);
}

static void on_stop(struct ap_app *app)
{
	sup_stop_all(app->ctx);
}

/* SIGHUP: the configuration is read anew, children reopen their logs, parked ones get another try. */
static void on_hup(struct ap_app *app)
{
	sup_reload(app->ctx);
}

int sup_lock(const struct sup *s, const char *name, char *err, size_t errlen)
{
	char path[sizeof s->dir + 64];

	snprintf(path, sizeof path, "%s/run/%s.pid", s->dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	int rc = fd == -1 ? -1 : flock(fd, LOCK_EX | LOCK_NB);
	for (int i = 0; fd != -1 && rc == -1 && i < 50; i++) {
		nanosleep(&(const struct timespec){ 0, 20000000 }, NULL);
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	if (rc == -1) {
		snprintf(err, errlen, "%s is %s: another ap-supervisor runs this directory, or its files are not yours", path,
			 fd == -1 ? "not writable" : "locked");
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%ld\n", (long)getpid());
	return fd;
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
	ssize_t n = readlink("/proc/self/exe", s->self, sizeof s->self - 1);
	s->self[n > 0 ? n : 0] = '\0';
	if (s->app.conf.supervisor_bin_dir[0] != '\0') {
		snprintf(s->bin_dir, sizeof s->bin_dir, "%s", s->app.conf.supervisor_bin_dir);
		return;
	}
	memcpy(s->bin_dir, s->self, sizeof s->bin_dir);
	char *slash = strrchr(s->bin_dir, '/');
	if (slash != NULL)
		*slash = '\0';
}

static bool prepare(struct sup *s, char *err, size_t errlen)
{
	if (!ap_plan_make(&s->plan, &s->app.conf, err, errlen))
		return false;
	s->lock_fd = sup_lock(s, "supervisor", err, errlen);
	if (s->lock_fd == -1 || !sup_notify_open(s, err, errlen))
		return false;
	s->servers = sup_servers_sum(&s->app.conf);
	ap_buf_init(&s->roster, 1 << 16);
	return !s->app.conf.supervisor_embedded || sup_embed_prepare(s, err, errlen);
}

static void watch(struct sup *s)
{
	sup_notify_start(s);
	ev_child_init(&s->any_child, reaped_cb, 0, 0);
	s->any_child.data = s;
	ev_child_start(s->app.loop, &s->any_child);
	ev_timer_init(&s->tick, tick_cb, 1.0, 1.0);
	s->tick.data = s;
	ev_timer_start(s->app.loop, &s->tick);
	bool ending = sup_adopt(s);
	if ((ending && s->again) || s->told_to_end)
		sup_stop_all(s);
	else
		sup_reconcile(s);
}

static int run(struct sup *s, char *err, size_t errlen)
{
	if (keep_wanted(s) && !s->told_to_end)
		return keep_run(s);
	s->app.on_stop = on_stop;
	s->app.on_hup = on_hup;
	keep_watch(s);
	if (!prepare(s, err, errlen)) {
		ap_log(&s->app.log, AP_ERROR, "cannot_start", KV_S("why", err));
		return AP_EX_MISTAKE;
	}
	watch(s);
	int rc = s->over ? 0 : ap_app_run(&s->app);
	sup_metrics_stop(s);
	sup_heal_stop(s);
	sup_status_write(s);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct ap_flag flags[] = {
		{ "end", NULL, "take over what an earlier supervisor left running, end it, and exit" },
		{ NULL, NULL, NULL },
	};
	static const struct ap_app_spec spec = {
		.name = "ap-supervisor",
		.summary = "starts, watches and ends all processes of a pipeline",
		.flags = flags,
		.sections = "data redis pg log supervisor",
	};
	static struct sup s = { .start_rank = -1, .stop_rank = -1, .lock_fd = -1, .notify_fd = -1 };
	static char err[2 * sizeof s.dir + 256];
	int rc = ap_app_init(&s.app, &spec, argc, argv);
	if (rc >= 0)
		return rc;
	s.app.ctx = &s;
	s.argv = argv;
	s.conf_path = s.app.conf_path != NULL ? s.app.conf_path : "/dev/null";
	s.told_to_end = ap_app_flag(&s.app, "end") != NULL;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	find_bin_dir(&s);
	if (!make_dirs(&s, err, sizeof err)) {
		ap_log(&s.app.log, AP_ERROR, "cannot_start", KV_S("why", err));
		rc = AP_EX_MISTAKE;
	} else {
		rc = run(&s, err, sizeof err);
	}
	ap_buf_done(&s.roster);
	ap_app_done(&s.app);
	return rc;
}
