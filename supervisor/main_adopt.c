/*
 * main_adopt.c - the roster on disk, and taking over what an earlier supervisor left running.
 *
 * An adopted process is not our child: the kernel tells of its end through a descriptor of the process (pidfd), and its
 * exit status stays unknown.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

enum { ROSTER_BYTES = 16384 };

/* The first bytes of a small file; -1: there is none. */
static ssize_t slurp(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, out, cap - 1) : -1;

	if (fd != -1)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n;
}

uint64_t sup_start_ticks(pid_t pid)
{
	char path[64], text[1024];

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	ssize_t n = slurp(path, text, sizeof text);
	return n > 0 ? ap_roster_start_ticks(ap_str_n(text, (size_t)n)) : 0;
}

uint64_t sup_servers_sum(const struct ap_conf *conf)
{
	char text[2048];
	int n = snprintf(text, sizeof text, "%s|%s|%llu|%d", conf->redis_url, conf->pg_conninfo,
			 (unsigned long long)conf->data_partitions, conf->supervisor_embedded ? 1 : 0);

	return XXH64(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, 0);
}

static void boot_id(char out[AP_BOOT_ID])
{
	char text[128];

	slurp("/proc/sys/kernel/random/boot_id", text, sizeof text);
	text[strcspn(text, " \n")] = '\0';
	snprintf(out, AP_BOOT_ID, "%.36s", text[0] != '\0' ? text : "unknown");
}

static void path_of(const struct sup *s, const char *name, char *out, size_t cap)
{
	snprintf(out, cap, "%s/run/%s", s->dir, name);
}

bool sup_roster_save(struct sup *s)
{
	static struct ap_roster r;
	char path[sizeof s->dir + 32], tmp[sizeof s->dir + 32];
	uint8_t text[ROSTER_BYTES];
	struct ap_buf b;

	if (s->over)
		return true;
	r.n = 0;
	r.servers = s->servers;
	r.stopping = s->stopping;
	boot_id(r.boot_id);
	SUP_EACH(s, c) {
		if (c->pid == 0)
			continue;
		struct ap_roster_row *w = &r.row[r.n++];
		*w = (struct ap_roster_row){ .instance = c->row.instance, .what = c->row.what, .pid = c->pid,
					     .start_ticks = c->start_ticks, .up = c->state == AP_C_UP, .restarts = c->restarts };
		memcpy(w->name, c->row.name, sizeof w->name);
		memcpy(w->program, c->row.program, sizeof w->program);
	}
	ap_buf_fixed(&b, text, sizeof text);
	ap_roster_write(&b, &r);
	if (b.len == s->roster.len && memcmp(b.p, s->roster.p, b.len) == 0)
		return true;
	path_of(s, "children", path, sizeof path);
	path_of(s, "children.new", tmp, sizeof tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd != -1 && write(fd, b.p, b.len) == (ssize_t)b.len;
	if (fd != -1)
		ok = close(fd) == 0 && ok;
	if (!ok || rename(tmp, path) == -1)
		return false;
	ap_buf_clear(&s->roster);
	ap_buf_put(&s->roster, b.p, b.len);
	return true;
}

static void gone_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	sup_child_ended(w->data, -1);
}

static bool row_of(const struct sup *s, const struct ap_roster_row *w, struct ap_plan_row *row)
{
	if (w->what == AP_W_PROGRAM)
		return ap_plan_row(row, w->program, w->instance);
	for (size_t i = 0; i < s->plan.n; i++) {
		if (s->plan.row[i].what == w->what) {
			*row = s->plan.row[i];
			return true;
		}
	}
	/* A server of a configuration that had its own: it ends with the servers' rank. */
	*row = (struct ap_plan_row){ .kind = w->what == AP_W_INITDB ? AP_K_ONESHOT : AP_K_SERVER, .what = w->what, .stop_rank = 100 };
	memcpy(row->name, w->name, sizeof row->name);
	memcpy(row->program, w->program, sizeof row->program);
	return true;
}

static void adopt_one(struct sup *s, const struct ap_roster_row *w, bool fits)
{
	struct ap_plan_row row;
	/* The descriptor first, then the look at who it is: from here on the number cannot become another's unseen. */
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)w->pid, 0);

	if ((fd == -1 && errno == ESRCH) || sup_start_ticks((pid_t)w->pid) != w->start_ticks || !row_of(s, w, &row)) {
		if (fd != -1)
			close(fd);
		return;
	}
	struct child *c = sup_child_new(s, &row);
	if (c == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	c->pid = (pid_t)w->pid;
	c->start_ticks = w->start_ticks;
	c->pidfd = fd;
	c->adopted = true;
	c->restarts = w->restarts;
	c->unfit = !fits;
	c->fed_mono_ms = w->up && row.kind == AP_K_STAGE ? sup_mono_ms() : 0;
	if (fd != -1) {         /* an old kernel has none: then tick_cb looks */
		ev_io_init(&c->gone_io, gone_cb, fd, EV_READ);
		c->gone_io.data = c;
		ev_io_start(s->app.loop, &c->gone_io);
	}
	ap_log(&s->app.log, fits ? AP_INFO : AP_WARN, "adopted", KV_S("child", row.name), KV_I("pid", w->pid),
	       KV_S("next", fits ? "watch" : "end: it was started for other servers"));
	sup_child_event(c, AP_E_ADOPT);
	if (w->up || row.kind == AP_K_SERVER)
		sup_child_event(c, AP_E_READY);
	if (!fits)
		sup_child_leave(c);
}

bool sup_adopt(struct sup *s)
{
	static struct ap_roster r;
	char path[sizeof s->dir + 32], id[AP_BOOT_ID];
	static char text[ROSTER_BYTES];

	path_of(s, "children", path, sizeof path);
	ssize_t n = slurp(path, text, sizeof text);
	if (n <= 0)
		return false;
	boot_id(id);
	if (!ap_roster_read(&r, ap_str_n(text, (size_t)n))) {
		ap_log(&s->app.log, AP_ERROR, "roster_not_read", KV_S("path", path), KV_S("next", "nothing_is_taken_over"));
		return false;
	}
	if (strcmp(r.boot_id, id) != 0)
		return false;
	s->adopting = true;
	for (size_t i = 0; i < r.n; i++)
		adopt_one(s, &r.row[i], r.servers == s->servers);
	s->adopting = false;
	return r.stopping;
}

void sup_roster_forget(struct sup *s)
{
	char path[sizeof s->dir + 32];

	path_of(s, "children", path, sizeof path);
	unlink(path);
}
