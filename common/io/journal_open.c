/*
 * journal_open.c - what a journal's writer finds when it starts: heads are checked, the newest segment is scanned, its torn
 * tail cut. Blocking; before the loop runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal_dir.h"

static bool refuse(struct ap_journal_report *rep, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct ap_journal_report *rep, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(rep->err, sizeof rep->err, fmt, ap);
	va_end(ap);
	return false;
}

static void list_remove(struct journal_list *l, size_t i)
{
	memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof l->v[0]);
	l->n--;
}

static void next_at_least(struct ap_journal_report *rep, uint64_t seq)
{
	if (seq > rep->next_seq)
		rep->next_seq = seq;
}

/*
 * Nothing in it can be read. With less than a head it never held anything that was safe; else it is kept under another
 * name, and numbers go on above all that it may have held.
 */
static bool unreadable(int dirfd, struct journal_list *l, size_t i, enum ap_journal_head_rc rc, struct ap_journal_report *rep)
{
	const struct journal_seg *s = &l->v[i];
	char bad[JOURNAL_NAME + 8];

	if (rc == AP_JOURNAL_HEAD_SHORT) {
		if (unlinkat(dirfd, s->name, 0) == -1)
			return refuse(rep, "%s cannot be removed: %s", s->name, strerror(errno));
		rep->torn_bytes += s->bytes;
		next_at_least(rep, s->first_seq);
	} else {
		(void)snprintf(bad, sizeof bad, "%s.bad", s->name);
		if (renameat(dirfd, s->name, dirfd, bad) == -1)
			return refuse(rep, "%s cannot be renamed: %s", s->name, strerror(errno));
		rep->set_aside++;
		next_at_least(rep, s->first_seq + s->bytes / AP_JOURNAL_REC_MIN);
		if (i + 1 == l->n)
			rep->after = rep->next_seq - 1;
	}
	list_remove(l, i);
	return true;
}

static bool check_head(const struct ap_journal_conf *conf, int dirfd, struct journal_list *l, size_t *i, struct ap_journal_report *rep)
{
	const struct journal_seg *s = &l->v[*i];
	struct ap_journal_head h;
	enum ap_journal_head_rc rc;
	int fd = openat(dirfd, s->name, O_RDONLY | O_CLOEXEC);
	bool ok = fd != -1 && journal_head_read(fd, &h, &rc);

	if (!ok)
		refuse(rep, "%s cannot be read: %s", s->name, strerror(errno));
	if (fd != -1)
		close(fd);
	if (!ok)
		return false;
	rep->foreign = rc == AP_JOURNAL_HEAD_NEWER || ((rc == AP_JOURNAL_HEAD_OK || rc == AP_JOURNAL_HEAD_MENDED) &&
						       (strncmp(h.dataset, conf->dataset, AP_JOURNAL_DATASET) != 0 ||
							strncmp(h.producer, conf->producer, AP_JOURNAL_PRODUCER) != 0));
	if (rc == AP_JOURNAL_HEAD_NEWER)
		return refuse(rep, "%s was written by a newer version of this program", s->name);
	if (rc == AP_JOURNAL_HEAD_SHORT || rc == AP_JOURNAL_HEAD_BAD)
		return unreadable(dirfd, l, *i, rc, rep);
	rep->mended += rc == AP_JOURNAL_HEAD_MENDED;
	if (strncmp(h.dataset, conf->dataset, AP_JOURNAL_DATASET) != 0)
		return refuse(rep, "%s belongs to data set %s, not to %s", s->name, h.dataset, conf->dataset);
	if (strncmp(h.producer, conf->producer, AP_JOURNAL_PRODUCER) != 0)
		return refuse(rep, "%s was written by producer %s, not by %s", s->name, h.producer, conf->producer);
	(*i)++;
	return true;
}

static bool scan_segment(int fd, const struct ap_journal_head *h, struct ap_journal_scan *sc)
{
	struct journal_window w = { .p = malloc(JOURNAL_WINDOW) };
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	bool ok = w.p != NULL;

	ap_journal_scan_start(sc, h);
	while (ok && (ok = journal_window_at(&w, fd, sc->at))) {
		enum ap_journal_scan_rc rc;

		do
			rc = ap_journal_scan(sc, w.p, w.off, w.len, w.eof, &rec, &loss);
		while (rc == AP_JOURNAL_REC || rc == AP_JOURNAL_LOSS);
		if (rc == AP_JOURNAL_END)
			break;
	}
	free(w.p);
	return ok;
}

static bool cut_tail(int fd, struct journal_seg *s, const struct ap_journal_scan *sc, struct ap_journal_report *rep)
{
	if (sc->torn_bytes == 0)
		return true;
	if (ftruncate(fd, (off_t)sc->end) == -1 || fsync(fd) == -1)
		return refuse(rep, "%s: its torn end cannot be cut: %s", s->name, strerror(errno));
	s->bytes = sc->end;
	return true;
}

/* The newest segment, *empty: it holds nothing and is gone. */
static bool check_newest(int dirfd, struct journal_list *l, struct ap_journal_report *rep, bool *empty)
{
	struct journal_seg *s = &l->v[l->n - 1];
	struct ap_journal_head h;
	struct ap_journal_scan sc;
	enum ap_journal_head_rc rc;
	int fd = openat(dirfd, s->name, O_RDWR | O_CLOEXEC);
	bool ok = fd != -1 && journal_head_read(fd, &h, &rc) && scan_segment(fd, &h, &sc);

	*empty = false;
	if (!ok)
		refuse(rep, "%s cannot be read: %s", s->name, strerror(errno));
	ok = ok && cut_tail(fd, s, &sc, rep);
	if (fd != -1)
		close(fd);
	if (!ok)
		return false;
	rep->torn_bytes += sc.torn_bytes;
	rep->torn_records += sc.torn_records;
	rep->lost_bytes += sc.lost_bytes;
	rep->lost_records += sc.lost_records;
	next_at_least(rep, sc.next_seq + (sc.torn_bytes + AP_JOURNAL_REC_MIN - 1) / AP_JOURNAL_REC_MIN);
	next_at_least(rep, sc.next_seq + sc.torn_records);
	if (sc.records > 0) {
		rep->last_seq = sc.last_seq;
		return true;
	}
	*empty = true;
	rep->after = h.after;           /* should nothing before it be left */
	if (unlinkat(dirfd, s->name, 0) == -1)
		return refuse(rep, "%s cannot be removed: %s", s->name, strerror(errno));
	l->n--;
	return true;
}

bool journal_recover(const struct ap_journal_conf *conf, int dirfd, struct journal_list *l, struct ap_journal_report *rep)
{
	bool empty = true;

	rep->next_seq = 1;
	if (!journal_list_read(l, dirfd))
		return refuse(rep, "%s cannot be listed: %s", conf->dir, strerror(errno));
	for (size_t i = 0; i < l->n;)
		if (!check_head(conf, dirfd, l, &i, rep))
			return false;
	while (empty && l->n > 0)
		if (!check_newest(dirfd, l, rep, &empty))
			return false;
	rep->segments = (unsigned)l->n;
	if (rep->last_seq > rep->after)
		rep->after = rep->last_seq;
	for (size_t i = 0; i < l->n; i++)
		rep->bytes += l->v[i].bytes;
	return true;
}
