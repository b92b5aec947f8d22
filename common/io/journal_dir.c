/*
 * journal_dir.c - file names, listing, windows: what the journal's writer and its readers share. Blocking.
 */
#include "journal_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEQ_DIGITS = 20, GEN_DIGITS = 8, NAME_LEN = SEQ_DIGITS + 1 + GEN_DIGITS + 4 };

void journal_name(char out[JOURNAL_NAME], uint64_t first_seq, uint32_t gen)
{
	(void)snprintf(out, JOURNAL_NAME, "%020" PRIu64 "-%08" PRIx32 ".apj", first_seq, gen);
}

static bool name_read(const char *name, struct journal_seg *s)
{
	char *end, again[JOURNAL_NAME];

	if (strlen(name) != NAME_LEN || strcmp(name + NAME_LEN - 4, ".apj") != 0)
		return false;
	errno = 0;
	s->first_seq = strtoull(name, &end, 10);
	s->gen = (uint32_t)strtoul(name + SEQ_DIGITS + 1, NULL, 16);
	journal_name(again, s->first_seq, s->gen);
	if (errno != 0 || s->first_seq == 0 || strcmp(again, name) != 0)
		return false;
	memcpy(s->name, again, sizeof again);
	return true;
}

bool journal_list_add(struct journal_list *l, const struct journal_seg *s)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct journal_seg *v = realloc(l->v, cap * sizeof *v);

		if (v == NULL)
			return false;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *s;
	return true;
}

void journal_list_done(struct journal_list *l)
{
	free(l->v);
	*l = (struct journal_list){ 0 };
}

static int by_gen(const void *a, const void *b)
{
	const struct journal_seg *x = a, *y = b;

	return x->gen == y->gen ? 0 : x->gen < y->gen ? -1 : 1;
}

bool journal_list_read(struct journal_list *l, int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	bool ok = d != NULL;

	l->n = 0;
	for (const struct dirent *e; ok && (e = readdir(d)) != NULL;) {
		struct journal_seg s = { 0 };
		struct stat st;

		if (!name_read(e->d_name, &s))
			continue;
		if (fstatat(dirfd, e->d_name, &st, 0) == -1) {
			ok = errno == ENOENT;   /* deleted meanwhile */
			continue;
		}
		s.bytes = (uint64_t)st.st_size;
		s.written_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		ok = journal_list_add(l, &s);
	}
	if (d != NULL)
		closedir(d);
	else if (fd != -1)
		close(fd);
	if (l->n > 1)
		qsort(l->v, l->n, sizeof l->v[0], by_gen);
	return ok;
}

/* Reads up to n bytes at an offset; *got less than n: the file ends there. */
static bool read_at(int fd, uint8_t *p, size_t n, uint64_t at, size_t *got)
{
	*got = 0;
	while (*got < n) {
		ssize_t k = pread(fd, p + *got, n - *got, (off_t)(at + *got));

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return false;
		if (k == 0)
			break;
		*got += (size_t)k;
	}
	return true;
}

bool journal_head_read(int fd, struct ap_journal_head *h, enum ap_journal_head_rc *rc)
{
	uint8_t head[AP_JOURNAL_HEAD];
	size_t got;

	if (!read_at(fd, head, sizeof head, 0, &got))
		return false;
	*rc = ap_journal_head_get(head, got, h);
	return true;
}

bool journal_window_at(struct journal_window *w, int fd, uint64_t at)
{
	size_t keep = at >= w->off && at < w->off + w->len ? (size_t)(w->off + w->len - at) : 0, got;

	if (keep > 0)
		memmove(w->p, w->p + (w->len - keep), keep);
	w->off = at;
	w->len = keep;
	w->eof = false;
	if (!read_at(fd, w->p + keep, JOURNAL_WINDOW - keep, at + keep, &got))
		return false;
	w->len += got;
	w->eof = w->len < JOURNAL_WINDOW;
	(void)posix_fadvise(fd, (off_t)(at + w->len), JOURNAL_STEP, POSIX_FADV_WILLNEED);
	return true;
}
