/*
 * journal_read.c - a journal read from a number on, segment by segment, beside its writer or without one.
 *
 * A segment speaks up to the first number of the next: what stands behind that in it was never safe and written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal_dir.h"

struct ap_journal_reader {
	int dirfd, fd;          /* fd: of segs.v[at]; -1: none is open */
	struct journal_list segs;
	size_t at;
	uint64_t from;          /* no record below it */
	uint64_t limit;
	uint64_t expect;        /* the next number to be told, as read or as lost; 0: nothing was opened yet */
	uint32_t gen;           /* of the last segment opened */
	struct ap_journal_head head;
	struct ap_journal_scan scan;
	struct journal_window win;
	bool last;              /* the segment ends with the window, for good */
	char err[320];
};

struct ap_journal_reader *ap_journal_reader_new(const char *dir, uint64_t from)
{
	struct ap_journal_reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->fd = -1;
	r->from = from;
	r->limit = UINT64_MAX;
	r->win.p = malloc(JOURNAL_WINDOW);
	r->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->win.p == NULL || r->dirfd == -1) {
		ap_journal_reader_free(r);
		return NULL;
	}
	return r;
}

void ap_journal_reader_free(struct ap_journal_reader *r)
{
	if (r == NULL)
		return;
	journal_list_done(&r->segs);
	free(r->win.p);
	if (r->fd != -1)
		close(r->fd);
	if (r->dirfd != -1)
		close(r->dirfd);
	free(r);
}

void ap_journal_reader_limit(struct ap_journal_reader *r, uint64_t seq)
{
	r->limit = seq;
}

const struct ap_journal_head *ap_journal_reader_head(const struct ap_journal_reader *r)
{
	return &r->head;
}

const char *ap_journal_reader_err(const struct ap_journal_reader *r)
{
	return r->err;
}

static enum ap_journal_read_rc fail(struct ap_journal_reader *r, const char *what)
{
	(void)snprintf(r->err, sizeof r->err, "%s: %s", what, strerror(errno));
	return AP_JOURNAL_READ_ERROR;
}

/* The list anew, and in it the segment to read next: the one after `gen`, at first the one that holds `from`. */
static bool relist(struct ap_journal_reader *r)
{
	size_t i = 0;

	if (!journal_list_read(&r->segs, r->dirfd))
		return false;
	if (r->gen != 0)
		while (i < r->segs.n && r->segs.v[i].gen < r->gen + (r->fd == -1))
			i++;
	else
		while (i + 1 < r->segs.n && r->segs.v[i + 1].first_seq <= r->from)
			i++;
	r->at = i;
	return true;
}

static bool has_successor(const struct ap_journal_reader *r)
{
	return r->at + 1 < r->segs.n;
}

/* The number up to which the open segment speaks. */
static uint64_t seg_until(const struct ap_journal_reader *r)
{
	return has_successor(r) ? r->segs.v[r->at + 1].first_seq : UINT64_MAX;
}

static void seg_close(struct ap_journal_reader *r)
{
	close(r->fd);
	r->fd = -1;
}

/* Numbers up to `next` are missing, those below `from` are nobody's business. */
static bool missing(struct ap_journal_reader *r, uint64_t next, struct ap_journal_loss *loss)
{
	if (r->expect == 0 || next <= r->expect)
		return false;
	*loss = (struct ap_journal_loss){ .first_seq = r->expect, .records = next - r->expect };
	r->expect = next;
	return true;
}

/*
 * Opens the next segment; fd == -1: there is none. One that cannot be read at all is passed over: the head of the one
 * after it says up to which number there were records.
 */
static bool seg_open(struct ap_journal_reader *r)
{
	enum ap_journal_head_rc rc;

	for (; r->at < r->segs.n; r->at++) {
		r->fd = openat(r->dirfd, r->segs.v[r->at].name, O_RDONLY | O_CLOEXEC);
		if (r->fd == -1 && errno == ENOENT)
			continue;       /* deleted meanwhile */
		if (r->fd == -1 || !journal_head_read(r->fd, &r->head, &rc))
			return false;
		r->gen = r->segs.v[r->at].gen;
		if (rc == AP_JOURNAL_HEAD_OK || rc == AP_JOURNAL_HEAD_MENDED)
			break;
		seg_close(r);
	}
	if (r->fd == -1)
		return true;
	ap_journal_scan_start(&r->scan, &r->head);
	r->win.off = r->win.len = 0;
	r->last = false;
	if (r->expect == 0)
		r->expect = r->head.first_seq > r->from ? r->head.first_seq : r->from;
	return true;
}

/*
 * More of the file. What its writer has begun and not finished is never looked at: a segment without a successor ends
 * where it ends only for a reader without a limit. False: no more is there now.
 */
static bool window_more(struct ap_journal_reader *r, bool *ok)
{
	bool whole = has_successor(r) || r->limit == UINT64_MAX;
	size_t had = r->win.off == r->scan.at ? r->win.len : 0;

	*ok = journal_window_at(&r->win, r->fd, r->scan.at);
	r->last = whole && r->win.eof;
	if (!*ok || r->last || r->win.len > had)
		return *ok;
	*ok = relist(r);
	return *ok && has_successor(r);
}

/* Whether what the scan has found is to be told. */
static bool tell_rec(struct ap_journal_reader *r, const struct ap_journal_rec *rec)
{
	if (rec->seq < r->expect)
		return false;
	r->expect = rec->seq + 1;
	return true;
}

static bool tell_loss(struct ap_journal_reader *r, struct ap_journal_loss *loss)
{
	uint64_t until = seg_until(r), next = loss->first_seq + loss->records;

	if (loss->tail && has_successor(r))
		return false;           /* the next segment's head knows better */
	next = next < until ? next : until;
	if (loss->first_seq < r->expect)
		loss->first_seq = r->expect;
	if (loss->first_seq >= next && !loss->tail)
		return false;
	loss->records = next > loss->first_seq ? next - loss->first_seq : 0;
	r->expect = loss->first_seq + loss->records;
	return true;
}

/* Opens the next segment. READ_REC: it is open, go on. */
static enum ap_journal_read_rc seg_next(struct ap_journal_reader *r, struct ap_journal_loss *loss)
{
	if (!relist(r) || !seg_open(r))
		return fail(r, "the journal cannot be read");
	if (r->fd == -1)
		return AP_JOURNAL_READ_END;
	return missing(r, r->head.after + 1, loss) ? AP_JOURNAL_READ_LOSS : AP_JOURNAL_READ_REC;
}

enum ap_journal_read_rc ap_journal_read(struct ap_journal_reader *r, struct ap_journal_rec *rec, struct ap_journal_loss *loss)
{
	while (r->expect <= r->limit) {
		enum ap_journal_read_rc seg = r->fd == -1 ? seg_next(r, loss) : AP_JOURNAL_READ_REC;
		enum ap_journal_scan_rc rc;
		bool ok;

		if (seg != AP_JOURNAL_READ_REC)
			return seg;
		rc = ap_journal_scan(&r->scan, r->win.p, r->win.off, r->win.len, r->last, rec, loss);
		if (rc == AP_JOURNAL_MORE) {
			if (!window_more(r, &ok))
				return ok ? AP_JOURNAL_READ_END : fail(r, r->segs.v[r->at].name);
		} else if (rc == AP_JOURNAL_END || (rc == AP_JOURNAL_REC && rec->seq >= seg_until(r))) {
			seg_close(r);
		} else if (rc == AP_JOURNAL_REC ? tell_rec(r, rec) : tell_loss(r, loss)) {
			return rc == AP_JOURNAL_REC ? AP_JOURNAL_READ_REC : AP_JOURNAL_READ_LOSS;
		}
	}
	return AP_JOURNAL_READ_END;
}
