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

#include "../../common/core/timefmt.h"

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
	for (size_t i = 0; i < j->n; i++) {
		ap_journal_reader_free(j->v[i].reader);
		free(j->v[i].gaps);
	}
	free(j->v);
	j->v = NULL;
	j->n = 0;
}

/* --- what is missing ------------------------------------------------------------------------------ */

void journal_gap_text(const struct journal_gap *g, char *out, size_t cap)
{
	char from[AP_TS_TEXT] = "the beginning", to[AP_TS_TEXT] = "the end";

	if (g->before.ns > 0)
		(void)ap_ts_format(g->before, 3, from);
	if (g->after.ns > 0)
		(void)ap_ts_format(g->after, 3, to);
	if (g->torn)
		(void)snprintf(out, cap, "behind number %" PRIu64 " (%s) %" PRIu64 " bytes hold no whole record: the end was never written, or is torn off",
			       g->first - 1, from, g->bytes);
	else
		(void)snprintf(out, cap, "numbers %" PRIu64 " to %" PRIu64 " are missing: %" PRIu64 " records, between %s and %s", g->first, g->last,
			       g->last - g->first + 1, from, to);
}

/* A pass that is not the first meets the same ones again. False: no memory. */
static bool note_gap(struct source_dir *d, const struct journal_gap *g)
{
	struct journal_gap *more;

	if (g->torn ? d->torn : g->first < d->gaps_end)
		return true;
	d->torn = d->torn || g->torn;
	if (!g->torn) {
		d->gaps_end = g->last + 1;
		d->lost += g->last - g->first + 1;
	}
	if (d->gaps_n >= JOURNAL_GAPS && !g->torn)
		return true;
	more = realloc(d->gaps, (d->gaps_n + 1) * sizeof *more);
	if (more == NULL)
		return false;
	d->gaps = more;
	d->gaps[d->gaps_n++] = *g;
	return true;
}

static bool no_memory(struct journals *j, struct source_dir *d)
{
	d->has = false;
	(void)snprintf(j->err, sizeof j->err, "no memory");
	return false;
}

/* The last number that a producer which ended well had published; 0: not known. */
static uint64_t published(const struct source_dir *d)
{
	char path[1100];
	uint64_t last = 0, n;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/published", d->path);
	f = fopen(path, "re");
	/* NOLINTNEXTLINE(cert-err34-c): ap-ingest's own numbers fit */
	while (f != NULL && fscanf(f, "%" SCNu64, &n) == 1)
		last = n > last ? n : last;
	if (f != NULL)
		fclose(f);
	return last;
}

/* Nothing more is in it. What its producer knew to be in Redis was in it. */
static bool note_end(struct source_dir *d)
{
	const struct journal_gap g = { .first = d->last + 1, .last = d->live ? 0 : published(d), .before = d->last_at };

	return g.last < g.first || g.first < d->from || note_gap(d, &g);
}

/* Whether the loss continues the gap: the end of a damaged segment and what its successor says was before it. */
static bool gap_goes_on(struct journal_gap *g, const struct ap_journal_loss *loss)
{
	if (g->first == 0 || g->torn || loss->tail || loss->first_seq != g->last + 1)
		return false;
	g->last += loss->records;
	g->bytes += loss->to - loss->from;
	return true;
}

/* What has come of reading on. */
static bool arrived(struct journals *j, struct source_dir *d, enum ap_journal_read_rc rc)
{
	d->has = rc == AP_JOURNAL_READ_REC;
	d->records += d->has;
	if (rc == AP_JOURNAL_READ_ERROR)
		(void)snprintf(j->err, sizeof j->err, "%.200s: %.150s", d->path, ap_journal_reader_err(d->reader));
	else if (rc == AP_JOURNAL_READ_END && !note_end(d))
		return no_memory(j, d);
	return rc != AP_JOURNAL_READ_ERROR;
}

bool journals_step(struct journals *j, struct source_dir *d)
{
	struct journal_gap gap = { .first = 0 };
	struct ap_journal_loss loss;

	if (d->has) {
		j->done += ap_journal_rec_size(d->rec.source.len, d->rec.payload.len);
		d->last = d->rec.seq;
		d->last_at = d->rec.recv;
	}
	for (;;) {
		enum ap_journal_read_rc rc = ap_journal_read(d->reader, &d->rec, &loss);

		if (rc == AP_JOURNAL_READ_LOSS && gap_goes_on(&gap, &loss))
			continue;
		if (gap.first != 0) {
			gap.after = rc == AP_JOURNAL_READ_REC ? d->rec.recv : (ap_ts){ 0 };
			if (!note_gap(d, &gap))
				return no_memory(j, d);
		}
		if (rc != AP_JOURNAL_READ_LOSS)
			return arrived(j, d, rc);
		gap = (struct journal_gap){ .first = loss.first_seq, .last = loss.tail ? 0 : loss.first_seq + loss.records - 1,
					    .bytes = loss.to - loss.from, .before = d->last_at, .torn = loss.tail };
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
		d->records = 0;
		(void)segments(d->path, &d->first, &newest, &j->bytes);
		d->last = (d->from > d->first ? d->from : d->first) - 1;
		d->last_at = (ap_ts){ 0 };
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
