/*
 * journal_dir.h - the segments of a journal's directory, as its writer and its readers see them. Not for others.
 */
#ifndef AP_IO_JOURNAL_DIR_H
#define AP_IO_JOURNAL_DIR_H

#include "journal.h"

enum { JOURNAL_NAME = 40 };

/* One segment file: "00000000000000000001-00000001.apj", its first number and its generation. */
struct journal_seg {
	char name[JOURNAL_NAME];
	uint64_t first_seq;
	uint32_t gen;
	uint64_t bytes;
	int64_t written_ns;     /* when it was last written to */
};

struct journal_list {
	struct journal_seg *v;  /* by generation, which is by first number too */
	size_t n, cap;
};

void journal_name(char out[JOURNAL_NAME], uint64_t first_seq, uint32_t gen);
/* Fills the list from the directory; false: errno. */
bool journal_list_read(struct journal_list *l, int dirfd);
bool journal_list_add(struct journal_list *l, const struct journal_seg *s);
void journal_list_done(struct journal_list *l);

/* Reads a segment's head. False: the file cannot be read (errno). */
bool journal_head_read(int fd, struct ap_journal_head *h, enum ap_journal_head_rc *rc);

/* A file seen through a window that moves with a scan. */
enum { JOURNAL_STEP = 256 * 1024, JOURNAL_WINDOW = JOURNAL_STEP + AP_JOURNAL_REC_MAX };
struct journal_window {
	uint8_t *p;             /* JOURNAL_WINDOW bytes */
	uint64_t off;
	size_t len;
	bool eof;               /* the file ended with it when it was read */
};
/* Shows the file from `at` on. False: errno. */
bool journal_window_at(struct journal_window *w, int fd, uint64_t at);

/* journal_open.c: looks through the directory before anything is written; false with a sentence in rep->err. */
bool journal_recover(const struct ap_journal_conf *conf, int dirfd, struct journal_list *l, struct ap_journal_report *rep);

#endif
