/*
 * rebuild_journal.c - the journals of all producers as one sequence, ordered by when each record was written.
 *
 * Beside a live writer only what is known to be on disk is told: each record says how far that was when it was
 * written. Knows neither Redis nor what the payloads mean.
 */
#include "rebuild.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char *journals_root(const struct ctl *c, char *out, size_t cap)
{
	const struct ap_conf *f = &c->app.conf;

	(void)snprintf(out, cap, "%s%s", f->journal_dir[0] != '\0' ? f->journal_dir : f->data_dir, f->journal_dir[0] != '\0' ? "" : "/journal");
	return out;
}

/* "00000000000000000001-00000001.apj": the first number. 0: no segment. */
static uint64_t segment_first(const char *name)
{
	char *end;
	uint64_t first = strtoull(name, &end, 10);

	return end == name + 20 && *end == '-' && strcmp(name + strlen(name) - 4, ".apj") == 0 ? first : 0;
}

/* Whether somebody holds the writer's lock. */
static bool is_live(const char *dir)
{
	char path[1100];
	int fd;
	bool live;

	(void)snprintf(path, sizeof path, "%s/lock", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	live = fd != -1 && flock(fd, LOCK_SH | LOCK_NB) == -1;
	if (fd != -1)
		close(fd);
	return live;
}

/* The least and the two greatest first numbers of the directory's segments. False: it has none. */
static bool segments(const char *dir, uint64_t *least, uint64_t *last_but_one, uint64_t *bytes)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	uint64_t a = 0, b = 0;          /* greatest, the one before */

	*least = 0;
	while (d != NULL && (e = readdir(d)) != NULL) {
		uint64_t first = segment_first(e->d_name);
		struct stat st;

		if (first == 0)
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			*bytes += (uint64_t)st.st_size;
		if (*least == 0 || first < *least)
			*least = first;
		b = first > a ? a : first > b ? first : b;
		a = first > a ? first : a;
	}
	if (d != NULL)
		closedir(d);
	*last_but_one = b > 0 ? b : a;
	return a > 0;
}

/* Up to which number a live journal is known to be on disk, from what its last records say. */
static uint64_t safe_until(const struct source_dir *s, uint64_t from)
{
	struct ap_journal_reader *r = ap_journal_reader_new(s->path, from);
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	enum ap_journal_read_rc rc;
	uint64_t safe = 0;

	while (r != NULL && ((rc = ap_journal_read(r, &rec, &loss)) == AP_JOURNAL_READ_REC || rc == AP_JOURNAL_READ_LOSS))
		if (rc == AP_JOURNAL_READ_REC && rec.synced > safe)
			safe = rec.synced;
	ap_journal_reader_free(r);
	return safe;
}

/* Whose journal it is: the head of its first segment. */
static bool identify(struct journals *j, struct source_dir *s)
{
	struct ap_journal_reader *r = ap_journal_reader_new(s->path, s->first);
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	enum ap_journal_read_rc rc = AP_JOURNAL_READ_ERROR;

	if (r != NULL)
		rc = ap_journal_read(r, &rec, &loss);
	if (rc == AP_JOURNAL_READ_ERROR)
		(void)snprintf(j->err, sizeof j->err, "%.200s cannot be read: %.100s", s->path, r != NULL ? ap_journal_reader_err(r) : strerror(errno));
	if (r != NULL) {
		(void)snprintf(s->producer, sizeof s->producer, "%s", ap_journal_reader_head(r)->producer);
		(void)snprintf(s->dataset, sizeof s->dataset, "%s", ap_journal_reader_head(r)->dataset);
	}
	ap_journal_reader_free(r);
	return rc != AP_JOURNAL_READ_ERROR;
}

static bool add(struct journals *j, const char *root, const char *name)
{
	struct source_dir s = { .from = 0 }, *more;
	uint64_t newest;

	if ((size_t)snprintf(s.path, sizeof s.path, "%s/%s", root, name) >= sizeof s.path || !segments(s.path, &s.first, &newest, &j->bytes))
		return true;
	if (!identify(j, &s))
		return false;
	if (s.producer[0] == '\0')
		return true;            /* a head only, nothing was ever written */
	more = realloc(j->v, (j->n + 1) * sizeof *more);
	if (more == NULL) {
		(void)snprintf(j->err, sizeof j->err, "no memory");
		return false;
	}
	j->v = more;
	j->v[j->n++] = s;
	return true;
}

bool journals_find(struct journals *j, const char *root)
{
	DIR *d = opendir(root);
	const struct dirent *e;
	bool ok = true;

	*j = (struct journals){ .n = 0 };
	if (d == NULL && errno != ENOENT) {
		(void)snprintf(j->err, sizeof j->err, "%.200s cannot be read: %s", root, strerror(errno));
		return false;
	}
	while (ok && d != NULL && (e = readdir(d)) != NULL)
		ok = e->d_name[0] == '.' || add(j, root, e->d_name);
	if (d != NULL)
		closedir(d);
	return ok;
}

void journals_done(struct journals *j)
{
	for (size_t i = 0; i < j->n; i++)
		ap_journal_reader_free(j->v[i].reader);
	free(j->v);
	j->v = NULL;
	j->n = 0;
}

bool journals_step(struct journals *j, struct source_dir *d)
{
	struct ap_journal_loss loss;

	if (d->has)
		j->done += ap_journal_rec_size(d->rec.source.len, d->rec.payload.len);
	for (;;) {
		switch (ap_journal_read(d->reader, &d->rec, &loss)) {
		case AP_JOURNAL_READ_REC:
			d->has = true;
			d->records++;
			return true;
		case AP_JOURNAL_READ_LOSS:
			d->lost += loss.tail ? 0 : loss.records;
			break;
		case AP_JOURNAL_READ_END:
			d->has = false;
			return true;
		case AP_JOURNAL_READ_ERROR:
			d->has = false;
			(void)snprintf(j->err, sizeof j->err, "%.200s: %.150s", d->path, ap_journal_reader_err(d->reader));
			return false;
		}
	}
}

bool journals_start(struct journals *j)
{
	uint64_t newest;

	j->done = j->bytes = 0;
	for (size_t i = 0; i < j->n; i++) {
		struct source_dir *d = &j->v[i];

		ap_journal_reader_free(d->reader);
		d->has = false;
		d->records = d->lost = 0;
		(void)segments(d->path, &d->first, &newest, &j->bytes);
		d->live = is_live(d->path);
		d->limit = d->live ? safe_until(d, newest) : UINT64_MAX;
		d->reader = ap_journal_reader_new(d->path, d->from > d->first ? d->from : d->first);
		if (d->reader == NULL) {
			(void)snprintf(j->err, sizeof j->err, "%.200s cannot be read: %s", d->path, strerror(errno));
			return false;
		}
		ap_journal_reader_limit(d->reader, d->limit);
		if (!journals_step(j, d))
			return false;
	}
	return true;
}

struct source_dir *journals_next(struct journals *j)
{
	struct source_dir *first = NULL;

	for (size_t i = 0; i < j->n; i++)
		if (j->v[i].has && (first == NULL || j->v[i].rec.recv.ns < first->rec.recv.ns))
			first = &j->v[i];
	return first;
}
