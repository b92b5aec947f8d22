/*
 * journal.c - the writer of a journal: records gather on the loop, a thread makes them safe.
 *
 * The loop owns everything but the job; the job belongs to the thread from the moment it is posted until the thread says
 * that it is done. One job at a time: a group to write and sync, or one old segment to delete. Knows no payload.
 */
#include "journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "journal_dir.h"

enum { RETRY_MS = 250, GROUP_MS_MAX = 10, TRIES_MAX = 2 };

enum job_what { JOB_GROUP, JOB_DELETE, JOB_QUIT };
enum job_rc { JOB_DONE, JOB_FULL, JOB_SEAL };   /* SEAL: the segment is not to be trusted any more */

/* What the thread works on. */
struct job {
	enum job_what what;
	struct ap_buf group;            /* records, as they go to disk */
	uint64_t first_seq, last_seq;   /* of the group */
	bool fresh;                     /* begin the segment `seg` first */
	struct ap_journal_head head;    /* of the fresh segment */
	struct journal_seg seg;         /* to write to, or to delete */
	enum job_rc rc;
	int err;                        /* errno, unless DONE; 0: not enough free space */
	uint64_t took_ns;
};

struct ap_journal {
	struct ev_loop *loop;
	struct ap_log *log;
	struct ap_journal_conf conf;
	const struct ap_journal_disk *disk;
	struct ap_journal_events ev;
	void *ctx;
	int dirfd, lockfd;
	char dataset[AP_JOURNAL_DATASET], producer[AP_JOURNAL_PRODUCER];

	struct journal_list segs;       /* the last one is written to while `open` */
	uint64_t disk_bytes;
	uint32_t salt, gen;
	bool open;
	uint64_t last, synced, after;   /* numbers: given out, safe, given out before the next fresh segment */
	struct ap_buf next;             /* records that wait for the job */
	uint64_t next_first;            /* number of the first of them */
	enum ap_journal_state state;
	unsigned tries;                 /* fresh segments that failed, one after the other */
	uint64_t confirmed;             /* for trim */
	int64_t trim_ns;
	struct ap_journal_counts n;

	struct job job;
	struct job kept;                /* the job that waits, while a segment is deleted to make room for it */
	bool busy;                      /* the thread has it */
	bool waiting;                   /* a group that did not fit is kept in the job */
	ev_timer timer;
	ev_async done;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool posted, finished;          /* under lock */
	int fd;                         /* the thread's: of the segment written to */
};

/* --- the disk ---------------------------------------------------------------- */

static ssize_t disk_write(int fd, const void *p, size_t n, off_t at)
{
	return pwrite(fd, p, n, at);
}

static uint64_t disk_free(int fd)
{
	struct statvfs v;

	return fstatvfs(fd, &v) == -1 ? UINT64_MAX : (uint64_t)v.f_bavail * v.f_frsize;
}

static const struct ap_journal_disk real_disk = { disk_write, fdatasync, disk_free };

/* --- the thread ---------------------------------------------------------------- */

static enum job_rc job_fail(struct job *b, int err)
{
	b->err = err;
	return err == ENOSPC || err == EDQUOT ? JOB_FULL : JOB_SEAL;
}

static bool write_all(const struct ap_journal *j, const uint8_t *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t k = j->disk->write(j->fd, p, n, (off_t)at);

		if (k == -1 && errno == EINTR)
			continue;
		if (k <= 0) {
			errno = k == 0 ? EIO : errno;
			return false;
		}
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return true;
}

static bool seg_create(struct ap_journal *j, struct job *b)
{
	uint8_t head[AP_JOURNAL_HEAD];

	ap_journal_head_put(&b->head, head);
	if (j->fd != -1)
		close(j->fd);
	j->fd = openat(j->dirfd, b->seg.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return j->fd != -1 && write_all(j, head, sizeof head, 0);
}

/*
 * A write that failed for want of room is taken back, and can be tried again as if it had not been. Only a sync that
 * failed, or a write that failed otherwise, is the end of the file.
 */
static enum job_rc job_group(struct ap_journal *j, struct job *b)
{
	if (j->disk->free_bytes(j->dirfd) < j->conf.min_free_bytes + b->group.len)
		return job_fail(b, ENOSPC);
	if (b->fresh && !seg_create(j, b))
		return job_fail(b, errno);
	if (!write_all(j, b->group.p, b->group.len, b->seg.bytes)) {
		enum job_rc rc = job_fail(b, errno);

		if (!b->fresh && rc == JOB_FULL && ftruncate(j->fd, (off_t)b->seg.bytes) == -1)
			rc = JOB_SEAL;
		return rc;
	}
	if (j->disk->sync(j->fd) == -1 || (b->fresh && j->disk->sync(j->dirfd) == -1)) {
		b->err = errno;
		return JOB_SEAL;
	}
	return JOB_DONE;
}

static enum job_rc job_delete(struct ap_journal *j, struct job *b)
{
	if (unlinkat(j->dirfd, b->seg.name, 0) == 0 || errno == ENOENT)
		return JOB_DONE;
	b->err = errno;
	return JOB_SEAL;
}

static void *thread_run(void *arg)
{
	struct ap_journal *j = arg;
	bool quit = false;

	while (!quit) {
		int64_t from;

		pthread_mutex_lock(&j->lock);
		while (!j->posted)
			pthread_cond_wait(&j->cond, &j->lock);
		j->posted = false;
		pthread_mutex_unlock(&j->lock);
		from = ap_mono_ns();
		quit = j->job.what == JOB_QUIT;
		if (j->job.what == JOB_GROUP)
			j->job.rc = job_group(j, &j->job);
		if (j->job.what == JOB_GROUP && j->job.fresh && j->job.rc != JOB_DONE)
			(void)unlinkat(j->dirfd, j->job.seg.name, 0);   /* nothing in it was ever safe */
		if (j->job.what == JOB_DELETE)
			j->job.rc = job_delete(j, &j->job);
		j->job.took_ns = (uint64_t)(ap_mono_ns() - from);
		pthread_mutex_lock(&j->lock);
		j->finished = true;
		pthread_cond_signal(&j->cond);
		pthread_mutex_unlock(&j->lock);
		ev_async_send(j->loop, &j->done);
	}
	return NULL;
}

/* --- the loop's side ---------------------------------------------------------------- */

static void job_post(struct ap_journal *j)
{
	j->busy = true;
	pthread_mutex_lock(&j->lock);
	j->posted = true;
	j->finished = false;
	pthread_cond_signal(&j->cond);
	pthread_mutex_unlock(&j->lock);
}

static void set_state(struct ap_journal *j, enum ap_journal_state s, const char *why)
{
	if (s == j->state)
		return;
	j->state = s;
	j->n.full += s == AP_JOURNAL_FULL;
	if (j->ev.state != NULL)
		j->ev.state(j->ctx, s, why);
}

static void timer_at(struct ap_journal *j, unsigned ms)
{
	ev_timer_stop(j->loop, &j->timer);
	ev_timer_set(&j->timer, ms / 1000.0, 0);
	ev_timer_start(j->loop, &j->timer);
}

static void seg_begin(struct ap_journal *j, uint64_t first_seq)
{
	struct job *b = &j->job;

	b->fresh = true;
	b->head = (struct ap_journal_head){ .first_seq = first_seq, .after = j->after, .made = ap_now(), .salt = j->salt, .gen = ++j->gen };
	memcpy(b->head.dataset, j->dataset, sizeof b->head.dataset);
	memcpy(b->head.producer, j->producer, sizeof b->head.producer);
	b->seg = (struct journal_seg){ .first_seq = first_seq, .gen = j->gen, .bytes = AP_JOURNAL_HEAD };
	journal_name(b->seg.name, first_seq, j->gen);
}

static void group_begin(struct ap_journal *j)
{
	struct job *b = &j->job;
	struct ap_buf empty = b->group;

	assert(!j->busy && !j->waiting && j->next.len > 0);
	b->group = j->next;
	j->next = empty;
	ap_buf_clear(&j->next);
	b->what = JOB_GROUP;
	b->first_seq = j->next_first;
	b->last_seq = j->last;
	b->fresh = false;
	if (j->open && j->segs.v[j->segs.n - 1].bytes < j->conf.segment_bytes)
		b->seg = j->segs.v[j->segs.n - 1];
	else
		seg_begin(j, b->first_seq);
	job_post(j);
}

/* The oldest segment, if it may go. */
static bool delete_begin(struct ap_journal *j)
{
	const struct journal_seg *s = j->segs.v;

	if (j->segs.n < 2 || s[1].first_seq > j->confirmed + 1 || s->written_ns + (int64_t)(j->conf.retain_ms * 1000000) > j->trim_ns)
		return false;
	if (j->waiting)
		j->kept = j->job;
	j->job.what = JOB_DELETE;
	j->job.seg = *s;
	job_post(j);
	return true;
}

static void next_job(struct ap_journal *j)
{
	if (j->busy || j->state == AP_JOURNAL_FAILED)
		return;
	if (j->waiting || j->next.len == 0)
		(void)delete_begin(j);
	else if (!ev_is_active(&j->timer))
		timer_at(j, j->conf.group_ms);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ap_journal *j = w->data;

	(void)loop, (void)revents;
	if (j->busy)
		return;
	if (j->waiting) {
		j->waiting = false;
		job_post(j);
	} else if (j->next.len > 0) {
		group_begin(j);
	}
}

/* A group is safe. */
static void group_done(struct ap_journal *j)
{
	struct job *b = &j->job;

	if (b->fresh) {
		bool kept = journal_list_add(&j->segs, &b->seg);

		assert(kept);
		j->disk_bytes += AP_JOURNAL_HEAD;
		j->open = true;
	}
	j->segs.v[j->segs.n - 1].bytes += b->group.len;
	j->segs.v[j->segs.n - 1].written_ns = ap_now().ns;
	j->disk_bytes += b->group.len;
	j->n.groups++;
	j->n.bytes += b->group.len;
	j->n.records += b->last_seq - b->first_seq + 1;
	j->n.sync_ns += b->took_ns;
	j->n.sync_ns_max = b->took_ns > j->n.sync_ns_max ? b->took_ns : j->n.sync_ns_max;
	j->synced = j->after = b->last_seq;
	j->tries = 0;
	ap_buf_clear(&b->group);
	set_state(j, AP_JOURNAL_GOOD, "the disk takes records again");
	if (j->ev.synced != NULL)
		j->ev.synced(j->ctx, j->synced);
}

/* The file is given up; what was not safe is written again, into a new one. */
static void group_sealed(struct ap_journal *j)
{
	struct job *b = &j->job;

	j->n.sealed++;
	j->open = false;
	ap_log(j->log, AP_ERROR, "journal_sealed", KV_S("segment", b->seg.name), KV_S("why", strerror(b->err)), KV_S("next", "new_segment"));
	if (++j->tries > TRIES_MAX) {
		set_state(j, AP_JOURNAL_FAILED, strerror(b->err));
		return;
	}
	seg_begin(j, b->first_seq);
	job_post(j);
}

static void delete_done(struct ap_journal *j)
{
	if (j->job.rc != JOB_DONE) {
		ap_log(j->log, AP_WARN, "journal_delete", KV_S("segment", j->job.seg.name), KV_S("why", strerror(j->job.err)));
		j->confirmed = 0;       /* until asked again */
		return;
	}
	j->disk_bytes -= j->segs.v[0].bytes;
	memmove(j->segs.v, j->segs.v + 1, (j->segs.n - 1) * sizeof j->segs.v[0]);
	j->segs.n--;
	j->n.deleted++;
}

static void job_done(struct ap_journal *j)
{
	struct job *b = &j->job;

	j->busy = false;
	if (b->what == JOB_DELETE) {
		delete_done(j);
		if (j->waiting) {
			j->job = j->kept;
			timer_at(j, 0);
		}
	} else if (b->rc == JOB_DONE) {
		group_done(j);
	} else if (b->rc == JOB_FULL) {
		j->waiting = true;
		timer_at(j, RETRY_MS);
		set_state(j, AP_JOURNAL_FULL, strerror(b->err));
	} else {
		group_sealed(j);
	}
	next_job(j);
}

static void done_cb(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ap_journal *j = w->data;
	bool finished;

	(void)loop, (void)revents;
	pthread_mutex_lock(&j->lock);
	finished = j->finished;
	j->finished = false;
	pthread_mutex_unlock(&j->lock);
	if (finished)
		job_done(j);
}

/* --- public ---------------------------------------------------------------- */

uint64_t ap_journal_append(struct ap_journal *j, uint8_t kind, ap_str source, ap_ts recv, ap_str payload)
{
	const struct ap_journal_rec r = { .seq = j->last + 1, .synced = j->synced, .recv = recv, .source = source, .payload = payload, .kind = kind };

	if (j->state == AP_JOURNAL_FAILED || ap_journal_held(j) + ap_journal_rec_size(source.len, payload.len) > j->conf.held_max ||
	    !ap_journal_rec_put(&j->next, j->salt, &r)) {
		j->next.full = false;   /* what is in it stays good */
		j->n.refused++;
		return 0;
	}
	if (j->next.len == ap_journal_rec_size(source.len, payload.len))
		j->next_first = r.seq;
	j->last++;
	next_job(j);
	return r.seq;
}

void ap_journal_raise(struct ap_journal *j, uint64_t seq)
{
	assert(j->next.len == 0 && !j->waiting && !(j->busy && j->job.what == JOB_GROUP));
	if (seq <= j->last)
		return;
	j->after = j->last = seq;
	j->open = false;
}

uint64_t ap_journal_last(const struct ap_journal *j)
{
	return j->last;
}

uint64_t ap_journal_synced(const struct ap_journal *j)
{
	return j->synced;
}

enum ap_journal_state ap_journal_state(const struct ap_journal *j)
{
	return j->state;
}

size_t ap_journal_held(const struct ap_journal *j)
{
	return j->next.len + j->job.group.len;
}

void ap_journal_count(const struct ap_journal *j, struct ap_journal_counts *out)
{
	*out = j->n;
	out->segments = (unsigned)j->segs.n;
	out->disk_bytes = j->disk_bytes;
}

void ap_journal_trim(struct ap_journal *j, uint64_t confirmed, ap_ts now)
{
	j->confirmed = confirmed;
	j->trim_ns = now.ns;
	next_job(j);
}

/* The directory and those above it. */
static bool make_dirs(const char *dir)
{
	char path[1024];
	size_t n = strlen(dir);

	if (n == 0 || n >= sizeof path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(path, dir, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0750) == -1 && errno != EEXIST)
			return false;
		path[i] = '/';
	}
	return true;
}

static bool journal_dirs(struct ap_journal *j, struct ap_journal_report *rep)
{
	if (!make_dirs(j->conf.dir)) {
		(void)snprintf(rep->err, sizeof rep->err, "%s cannot be made: %s", j->conf.dir, strerror(errno));
		return false;
	}
	j->dirfd = open(j->conf.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd != -1)
		j->lockfd = openat(j->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (j->lockfd == -1) {
		(void)snprintf(rep->err, sizeof rep->err, "%s cannot be used: %s", j->conf.dir, strerror(errno));
		return false;
	}
	if (flock(j->lockfd, LOCK_EX | LOCK_NB) == -1) {
		rep->locked = errno == EWOULDBLOCK;
		(void)snprintf(rep->err, sizeof rep->err, "%s is being written by another process", j->conf.dir);
		return false;
	}
	return true;
}

static void journal_close(struct ap_journal *j)
{
	journal_list_done(&j->segs);
	ap_buf_done(&j->next);
	ap_buf_done(&j->job.group);
	if (j->fd != -1)
		close(j->fd);
	if (j->lockfd != -1)
		close(j->lockfd);
	if (j->dirfd != -1)
		close(j->dirfd);
	pthread_cond_destroy(&j->cond);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

/* Signals are the loop's business. */
static bool thread_start(struct ap_journal *j)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, thread_run, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0;
}

/* What it needs before anything is looked at. */
static struct ap_journal *journal_new(const struct ap_journal_conf *conf)
{
	struct ap_journal *j = calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	j->conf = *conf;
	j->conf.group_ms = conf->group_ms < GROUP_MS_MAX ? conf->group_ms : GROUP_MS_MAX;
	j->disk = conf->disk != NULL ? conf->disk : &real_disk;
	j->dirfd = j->lockfd = j->fd = -1;
	(void)snprintf(j->dataset, sizeof j->dataset, "%s", conf->dataset);
	(void)snprintf(j->producer, sizeof j->producer, "%s", conf->producer);
	ap_buf_init(&j->next, conf->held_max);
	ap_buf_init(&j->job.group, conf->held_max);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->cond, NULL);
	ap_random(&j->salt, sizeof j->salt);
	return j;
}

struct ap_journal *ap_journal_open(struct ev_loop *loop, struct ap_log *log, const struct ap_journal_conf *conf,
				   const struct ap_journal_events *ev, void *ctx, struct ap_journal_report *rep)
{
	struct ap_journal *j = journal_new(conf);

	memset(rep, 0, sizeof *rep);
	if (j == NULL) {
		(void)snprintf(rep->err, sizeof rep->err, "out of memory");
		return NULL;
	}
	if (!journal_dirs(j, rep) || !journal_recover(&j->conf, j->dirfd, &j->segs, rep)) {
		journal_close(j);
		return NULL;
	}
	j->loop = loop;
	j->log = log;
	j->ev = *ev;
	j->ctx = ctx;
	j->last = j->synced = rep->next_seq - 1;
	j->after = rep->after;
	j->gen = j->segs.n > 0 ? j->segs.v[j->segs.n - 1].gen : 0;
	j->disk_bytes = rep->bytes;
	ev_timer_init(&j->timer, timer_cb, 0, 0);
	ev_async_init(&j->done, done_cb);
	j->timer.data = j->done.data = j;
	ev_async_start(loop, &j->done);
	if (!thread_start(j)) {
		(void)snprintf(rep->err, sizeof rep->err, "no thread: %s", strerror(errno));
		ev_async_stop(loop, &j->done);
		journal_close(j);
		return NULL;
	}
	return j;
}

void ap_journal_free(struct ap_journal *j)
{
	if (j == NULL)
		return;
	pthread_mutex_lock(&j->lock);
	while (j->busy && !j->finished)
		pthread_cond_wait(&j->cond, &j->lock);
	pthread_mutex_unlock(&j->lock);
	j->job.what = JOB_QUIT;
	job_post(j);
	pthread_join(j->thread, NULL);
	ev_timer_stop(j->loop, &j->timer);
	ev_async_stop(j->loop, &j->done);
	journal_close(j);
}
