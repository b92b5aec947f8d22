/*
 * main_tend.c - the journals of producers that have ended: replays, standard input, the simulator's past, names given up.
 *
 * Nobody else looks after them. A producer that ended well left a file `published` beside its segments: the number of the last
 * record of each partition. Where Redis has less than that (it has lost its end since), or where there is no such file (it
 * did not end well), what is missing is sent from the journal. What PostgreSQL has, and has had for journal.retain_h, is deleted.
 * One directory at a time; one that is locked has its producer. An ap-ingest that stands by for one of another host looks after
 * those of its own host in the same way, its own included, but deletes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/origin.h"
#include "main.h"

enum { NAMES_MAX = 4096, NAME_MAX_LEN = 64 };
static const double ROUND_S = 30, SOON_S = 1;

struct tend {
	struct ap_app *app;
	struct outlet *live;            /* by whose connections this works; not owned */
	struct outlet *rest;            /* sends what a journal holds and Redis does not */
	ev_timer timer;
	char home[600];
	char (*name)[NAME_MAX_LEN];
	size_t names, at;
	bool again;                     /* a round was asked for while one was under way */
	bool rest_done;
	/* Of the directory that is looked at. */
	int64_t segs_ns, marks_ns;      /* last changes */
	bool have_marks;
	unsigned parts, answers;
	bool asking, short_of;          /* Redis has less than the marks say */
	uint64_t *mark;
	/* All that was in the streams at check_ns stands at or below these entries; and the latest such time that PostgreSQL has reached. */
	ap_id *check;
	int64_t check_ns, stored_ns;
	uint64_t republished, removed;
};

static void next(struct tend *t);

static void in(struct tend *t, double s)
{
	ev_timer_stop(t->app->loop, &t->timer);
	ev_timer_set(&t->timer, s, 0);
	ev_timer_start(t->app->loop, &t->timer);
}

static const char *current(const struct tend *t)
{
	return t->name[t->at];
}

static void path_of(const struct tend *t, const char *file, char *out, size_t cap)
{
	snprintf(out, cap, "%s/%s%s%s", t->home, current(t), *file != '\0' ? "/" : "", file);
}

/* --- one directory --------------------------------------------------------------------------- */

static bool is_segment(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".apj") == 0;
}

/* When its segments were last changed; false: there are none. */
static bool segments_seen(struct tend *t)
{
	char dir[700];
	DIR *d;
	const struct dirent *e;
	struct stat st;

	path_of(t, "", dir, sizeof dir);
	t->segs_ns = 0;
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		int64_t ns;

		if (!is_segment(e->d_name) || fstatat(dirfd(d), e->d_name, &st, 0) == -1)
			continue;
		ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		t->segs_ns = ns > t->segs_ns ? ns : t->segs_ns;
	}
	if (d != NULL)
		closedir(d);
	return t->segs_ns > 0;
}

/* Its lock, or -1: its producer is at work. */
static int lock_take(const struct tend *t)
{
	char path[700];
	int fd;

	path_of(t, "lock", path, sizeof path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void marks_read(struct tend *t)
{
	char path[700];
	struct stat st;
	FILE *f;
	unsigned n = 0;

	path_of(t, "published", path, sizeof path);
	t->have_marks = false;
	f = fopen(path, "re");
	if (f == NULL)
		return;
	/* NOLINTNEXTLINE(cert-err34-c): ap-ingest's own numbers fit */
	while (n < t->parts && fscanf(f, "%" SCNu64, &t->mark[n]) == 1)
		n++;
	if (fstat(fileno(f), &st) == 0 && n == t->parts) {
		t->marks_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		t->have_marks = true;
	}
	fclose(f);
}

static void forget_producer(struct tend *t)
{
	char field[AP_ORIGIN_FIELD];

	for (unsigned p = 0; p < t->parts; p++)
		ap_redis_sendf(ap_redis_set_part(outlet_redis(t->live), p), NULL, NULL, "HDEL ap:{%u}:hw %s", p, current(t));
	ap_origin_field(ap_origin_tag(ap_str_c(current(t))), field);
	ap_redis_sendf(ap_redis_set_home(outlet_redis(t->live)), NULL, NULL, "HDEL ap:dataset %s", field);
}

/* Standard input never comes back under its name; a file may, and finds its lock where it was. */
static void remove_all(struct tend *t)
{
	bool for_good = strncmp(current(t), "stdin:", 6) == 0;
	char dir[700];
	int lock = lock_take(t);
	DIR *d;
	const struct dirent *e;

	if (lock == -1)
		return;
	path_of(t, "", dir, sizeof dir);
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (is_segment(e->d_name) || strcmp(e->d_name, "published") == 0 || (for_good && strcmp(e->d_name, "lock") == 0))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	if (for_good && rmdir(dir) == 0)
		forget_producer(t);
	close(lock);
	t->removed++;
	ap_log(&t->app->log, AP_INFO, "journal_removed", KV_S("producer", current(t)), KV_S("why", "stored_and_past_retention"));
}

/* --- sending what is missing -------------------------------------------------------------------- */

static void on_rest(void *ctx)
{
	struct tend *t = ctx;

	if (t->rest_done || !outlet_empty(t->rest))
		return;
	outlet_end(t->rest);
	t->republished += outlet_appended(t->rest)->records;
	ap_log(&t->app->log, AP_INFO, "journal_tended", KV_S("producer", current(t)), KV_U("records", outlet_appended(t->rest)->records));
	t->rest_done = true;
	in(t, 0);               /* it cannot be freed from within its own call */
}

static void on_rest_failed(void *ctx, int code, const char *why)
{
	struct tend *t = ctx;

	(void)code;
	ap_log(&t->app->log, AP_WARN, "journal_not_tended", KV_S("producer", current(t)), KV_S("why", why), KV_S("next", "later"));
	t->rest_done = true;
	in(t, 0);
}

static void on_rest_ready(void *ctx)
{
	(void)ctx;
}

static void rest_start(struct tend *t)
{
	static const struct outlet_events ev = { .ready = on_rest_ready, .moved = on_rest, .failed = on_rest_failed };
	char err[200];

	t->rest_done = false;
	t->rest = outlet_new(t->app, OUT_REST, current(t), &ev, t, err, sizeof err);
	if (t->rest != NULL)
		return;
	ap_log(&t->app->log, AP_WARN, "journal_not_tended", KV_S("producer", current(t)), KV_S("why", err), KV_S("next", "later"));
	t->at++;
	next(t);
}

/* --- a round -------------------------------------------------------------------------------------- */

static void on_have(void *ctx, const redisReply *reply)
{
	struct tend *t = ctx;
	uint64_t have = reply != NULL && reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
	int64_t retain_ns = (int64_t)t->app->conf.journal_retain_h * 3600 * 1000000000;

	if (!t->asking)
		return;
	if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
		t->asking = false;
		in(t, ROUND_S);
		return;
	}
	t->short_of = t->short_of || have < t->mark[t->answers];
	if (++t->answers < t->parts)
		return;
	t->asking = false;
	if (t->short_of || !t->have_marks) {
		rest_start(t);
		return;
	}
	if (t->segs_ns + retain_ns <= t->stored_ns && t->marks_ns <= t->stored_ns)
		remove_all(t);
	t->at++;
	next(t);
}

static bool look(struct tend *t)
{
	int lock;

	if ((outlet_works(t->live) && strcmp(current(t), outlet_producer(t->live)) == 0) || !segments_seen(t))
		return false;
	lock = lock_take(t);
	if (lock == -1)
		return false;
	close(lock);
	marks_read(t);
	t->answers = 0;
	t->short_of = false;
	t->asking = true;
	for (unsigned p = 0; p < t->parts; p++)
		if (!ap_redis_sendf(ap_redis_set_part(outlet_redis(t->live), p), on_have, t, "HGET ap:{%u}:hw %s", p, current(t)))
			t->asking = false;
	return t->asking;
}

/* Has PostgreSQL come to where the streams ended when they were looked at last? Then look again. */
static void check(struct tend *t)
{
	const struct trim *trim = outlet_trim(t->live);

	if (trim == NULL || trim_asked_ns(trim) <= t->check_ns)
		return;         /* no newer answer than the last time */
	for (unsigned p = 0; p < t->parts && t->check_ns != 0; p++)
		if (ap_id_cmp(trim_bound(trim, p), t->check[p]) < 0)
			return;
	t->stored_ns = t->check_ns;
	t->check_ns = trim_asked_ns(trim);
	for (unsigned p = 0; p < t->parts; p++)
		t->check[p] = trim_end(trim, p);
}

static bool can_look(const struct tend *t)
{
	return outlet_works(t->live) ? outlet_flows(t->live) : ap_redis_set_is_up(outlet_redis(t->live));
}

static void next(struct tend *t)
{
	while (t->at < t->names && can_look(t)) {
		if (look(t))
			return;
		t->at++;
	}
	t->names = t->at = 0;
	in(t, t->again ? SOON_S : ROUND_S);
	t->again = false;
}

static void round_begin(struct tend *t)
{
	DIR *d = opendir(t->home);
	const struct dirent *e;

	check(t);
	t->names = t->at = 0;
	while (d != NULL && t->names < NAMES_MAX && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strlen(e->d_name) < NAME_MAX_LEN)
			snprintf(t->name[t->names++], NAME_MAX_LEN, "%.63s", e->d_name);
	if (d != NULL)
		closedir(d);
	next(t);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct tend *t = w->data;

	(void)loop, (void)revents;
	if (t->rest != NULL && t->rest_done) {
		outlet_free(t->rest);
		t->rest = NULL;
		t->at++;
		next(t);
	} else if (t->rest == NULL && !t->asking) {
		round_begin(t);
	}
}

struct tend *tend_new(struct ap_app *app, struct outlet *live)
{
	struct tend *t = calloc(1, sizeof *t);
	const struct ap_conf *c = &app->conf;

	if (t == NULL)
		return NULL;
	t->app = app;
	t->live = live;
	t->parts = (unsigned)c->data_partitions;
	outlet_home(c, t->home, sizeof t->home);
	t->name = calloc(NAMES_MAX, sizeof t->name[0]);
	t->mark = calloc(t->parts, sizeof t->mark[0]);
	t->check = calloc(t->parts, sizeof t->check[0]);
	ev_timer_init(&t->timer, timer_cb, SOON_S, 0);
	t->timer.data = t;
	if (t->name == NULL || t->mark == NULL || t->check == NULL) {
		tend_free(t);
		return NULL;
	}
	ev_timer_start(app->loop, &t->timer);
	return t;
}

void tend_free(struct tend *t)
{
	if (t == NULL)
		return;
	ev_timer_stop(t->app->loop, &t->timer);
	outlet_free(t->rest);
	free(t->name);
	free(t->mark);
	free(t->check);
	free(t);
}

void tend_soon(struct tend *t)
{
	t->again = true;
	if (t->rest == NULL && !t->asking)
		in(t, SOON_S);
}
