/*
 * journal.h - a journal on disk: what was accepted, before anything else happens to it.
 *
 * One directory, one writer, segment files as in common/core/journal.h. Records are gathered on the loop; a thread of the
 * journal's own writes and syncs them in groups, so that the loop never waits for a disk. While one group is on its way
 * the next one gathers, and all that gathered goes next. What is safe is told by `synced`.
 *
 * Trouble: a full disk is a state that heals; nothing is overwritten and nothing accepted is dropped. A file whose sync
 * failed is never synced or written again: what was not safe goes into a new one. It knows no payload, no Redis.
 */
#ifndef AP_IO_JOURNAL_H
#define AP_IO_JOURNAL_H

#include <ev.h>
#include <sys/types.h>

#include "../core/journal.h"
#include "log.h"

enum ap_journal_state {
	AP_JOURNAL_GOOD,
	AP_JOURNAL_FULL,        /* no room: nothing is written, what was accepted waits in memory, tried again by itself */
	AP_JOURNAL_FAILED,      /* neither the old file nor a new one can be written: leave and be started again */
};

/* What the journal does to a disk, for tests that let it fail. Called on the journal's thread; errno as usual. */
struct ap_journal_disk {
	ssize_t (*write)(int fd, const void *p, size_t n, off_t at);
	int (*sync)(int fd);
	uint64_t (*free_bytes)(int fd);
};

struct ap_journal_conf {
	const char *dir;                /* made if absent, with those above it */
	const char *dataset, *producer; /* written into every segment; those of another data set are refused */
	uint64_t segment_bytes;         /* a group begins a new segment once the present one has this many */
	uint64_t min_free_bytes;        /* less free space than this counts as a full disk */
	size_t held_max;                /* bytes of records not yet safe; more are refused */
	unsigned group_ms;              /* pause before a group goes, 0..10; 0: as soon as the loop turns */
	uint64_t retain_ms;             /* segments younger than this are never deleted */
	const struct ap_journal_disk *disk;     /* NULL: the real one */
};

struct ap_journal_events {
	void (*synced)(void *ctx, uint64_t seq);                /* every record up to this one is safe */
	void (*state)(void *ctx, enum ap_journal_state s, const char *why);     /* it has changed; why: a sentence */
};

/* What was found when it was opened. */
struct ap_journal_report {
	unsigned segments;
	uint64_t bytes;
	uint64_t last_seq;              /* of the last valid record; 0: none */
	uint64_t after;                 /* the last number that was given out, as far as can be told */
	uint64_t next_seq;              /* the next record's: beyond all that damaged bytes may have held */
	uint64_t torn_bytes;            /* cut off the newest segment */
	uint64_t torn_records;          /* of them known to have been records; no more than begun, none acknowledged unless damage did it */
	uint64_t lost_records, lost_bytes;      /* damage in the middle of the newest segment */
	unsigned mended;                /* heads of which one copy is damaged */
	unsigned set_aside;             /* unreadable segments, renamed to NAME.bad */
	bool locked;                    /* opening failed because another process writes it: it may be worth waiting */
	bool foreign;                   /* because it is another data set's or producer's, or a newer program's: waiting does not help */
	char err[320];                  /* a sentence, when opening failed */
};

struct ap_journal;

/*
 * Opens dir for writing: takes its lock, checks all heads, scans the newest segment and cuts its torn tail. Reads files
 * and waits for them (1 s for a segment of a GB at most), so: before the loop runs. NULL: why in rep->err.
 * A new segment is begun with the first group, always: what another process has written is not appended to.
 */
struct ap_journal *ap_journal_open(struct ev_loop *loop, struct ap_log *log, const struct ap_journal_conf *conf,
				   const struct ap_journal_events *ev, void *ctx, struct ap_journal_report *rep);
/* Waits for the group that is being written; what was gathered and not begun is dropped (it was never safe). */
void ap_journal_free(struct ap_journal *j);

/*
 * Takes a record (texts are copied, within the bounds of core/journal.h) and returns its sequence number. 0: it was not
 * taken, because held_max is reached or the journal has failed: stop reading, and try again after `synced`.
 */
uint64_t ap_journal_append(struct ap_journal *j, uint8_t kind, ap_str source, ap_ts recv, ap_str payload);
/*
 * The next record's number will be above seq: for a reader that has seen higher ones (a journal that was lost or
 * restored from a copy must not give out numbers again). Call it before the first append, else records would be left
 * behind: asserted.
 */
void ap_journal_raise(struct ap_journal *j, uint64_t seq);
/* The last number given out, and the last that is safe. */
uint64_t ap_journal_last(const struct ap_journal *j);
uint64_t ap_journal_synced(const struct ap_journal *j);
enum ap_journal_state ap_journal_state(const struct ap_journal *j);
/* Bytes that wait to become safe. */
size_t ap_journal_held(const struct ap_journal *j);

/* For metrics. */
struct ap_journal_counts {
	uint64_t records, bytes, groups, sync_ns, sync_ns_max;  /* written by this process; time spent in groups */
	uint64_t sealed;                /* segments given up after a failed write or sync */
	uint64_t refused, full, deleted;        /* records not taken; times the disk was full; segments deleted */
	unsigned segments;
	uint64_t disk_bytes;            /* of all segments */
};
void ap_journal_count(const struct ap_journal *j, struct ap_journal_counts *out);

/*
 * Deletes, on its own thread, the oldest segments whose records all have numbers <= confirmed and which were last
 * written more than retain_ms before now. Never the newest.
 */
void ap_journal_trim(struct ap_journal *j, uint64_t confirmed, ap_ts now);

/* --- reading, beside a writer or without one ----------------------------------------------------------- */

struct ap_journal_reader;

enum ap_journal_read_rc {
	AP_JOURNAL_READ_REC,            /* *rec is set; texts live until the next call */
	AP_JOURNAL_READ_LOSS,           /* *loss is set: these numbers are missing */
	AP_JOURNAL_READ_END,            /* nothing more up to the limit; later there may be */
	AP_JOURNAL_READ_ERROR,          /* a file cannot be read: see ap_journal_reader_err */
};

/*
 * Reads dir from the first record with a number >= from. Files are read 256 KiB at a time and the next stretch is
 * announced to the kernel: on a loop it copies from the page cache. NULL: no such directory, or no memory.
 */
struct ap_journal_reader *ap_journal_reader_new(const char *dir, uint64_t from);
void ap_journal_reader_free(struct ap_journal_reader *r);
/* Reads no record above seq. Beside a writer: what is safe (ap_journal_synced), from the start. At first: no limit. */
void ap_journal_reader_limit(struct ap_journal_reader *r, uint64_t seq);
enum ap_journal_read_rc ap_journal_read(struct ap_journal_reader *r, struct ap_journal_rec *rec, struct ap_journal_loss *loss);
/* The head of the segment the last record came from. */
const struct ap_journal_head *ap_journal_reader_head(const struct ap_journal_reader *r);
const char *ap_journal_reader_err(const struct ap_journal_reader *r);

#endif
