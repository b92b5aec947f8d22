/*
 * journal.h - the bytes of a journal: segments of records that say of themselves whether they are whole.
 *
 * A segment (integers little-endian, records at multiples of 8):
 *
 *      0  head, 256 bytes                     512  the same head once more (another sector)
 *            0  "APJOURN\n"                        1024  first record
 *            8  version 1                                 0  CRC-32C of bytes 4..31 of it, from the salt
 *           12  salt: where every CRC starts              4  CRC-32C of what follows byte 31, from the salt
 *           16  data set id, 48 bytes, zeros behind       8  sequence number
 *           64  producer, 64 bytes, zeros behind         16  receive time, ns
 *          128  first sequence number                    24  length of the payload
 *          136  made at, ns                              28  how many sequence numbers below it nothing was known
 *          144  generation                                   to be safe on disk (65535: more than can be said)
 *          148  zeros                                    30  length of the source
 *          152  the last number given out before         31  kind: what the payload is, the writer's own number
 *          160  zeros                                    32  source, payload, zeros up to a multiple of 8
 *          252  CRC-32C of bytes 0..251
 *
 * The salt is random, so that nobody who can choose payloads can put into one what a scan takes for a record.
 * Sequence numbers rise by one from record to record; between two segments some may have been left out, then the field
 * at 152 says which was the last one before. Where two segments claim the same numbers (the end of one that had
 * failed was written again) the later one is right: a segment speaks up to the first number of the next.
 *
 * Pure: bytes in, records out. Knows no file.
 */
#ifndef AP_JOURNAL_H
#define AP_JOURNAL_H

#include "buf.h"

enum {
	AP_JOURNAL_HEAD = 1024,                 /* where a segment's records begin */
	AP_JOURNAL_REC_MIN = 32,                /* bytes of the smallest record */
	AP_JOURNAL_SOURCE_MAX = 255,
	AP_JOURNAL_PAYLOAD_MAX = 131072,
	AP_JOURNAL_REC_MAX = AP_JOURNAL_REC_MIN + AP_JOURNAL_SOURCE_MAX + AP_JOURNAL_PAYLOAD_MAX + 1,
	AP_JOURNAL_DATASET = 48,                /* bytes of a data set's id, with NUL */
	AP_JOURNAL_PRODUCER = 64,               /* bytes of a producer's name, with NUL */
};

struct ap_journal_head {
	char dataset[AP_JOURNAL_DATASET];
	char producer[AP_JOURNAL_PRODUCER];
	uint64_t first_seq;                     /* of its first record, > 0 */
	uint64_t after;                         /* the last number given out before it, < first_seq */
	ap_ts made;
	uint32_t salt;
	uint32_t gen;                           /* rises with every segment of a journal */
};

void ap_journal_head_put(const struct ap_journal_head *h, uint8_t out[AP_JOURNAL_HEAD]);

enum ap_journal_head_rc {
	AP_JOURNAL_HEAD_OK,
	AP_JOURNAL_HEAD_MENDED,                 /* one of the two copies is damaged */
	AP_JOURNAL_HEAD_SHORT,                  /* the file ends within it and what is there has no whole copy */
	AP_JOURNAL_HEAD_BAD,                    /* both are damaged: no record can be told from noise */
	AP_JOURNAL_HEAD_NEWER,                  /* whole, but of a version this program does not know */
};
/* Reads the head from the first len bytes of a segment; *h is set on OK and MENDED only. */
enum ap_journal_head_rc ap_journal_head_get(const uint8_t *p, size_t len, struct ap_journal_head *h);

struct ap_journal_rec {
	uint64_t seq;           /* > 0 */
	uint64_t synced;        /* every record up to this one was safe on disk when it was written; 0: nothing is known */
	ap_ts recv;
	ap_str source;          /* at most AP_JOURNAL_SOURCE_MAX */
	ap_str payload;         /* at most AP_JOURNAL_PAYLOAD_MAX */
	uint8_t kind;
};

/* Bytes a record takes. */
size_t ap_journal_rec_size(size_t source_len, size_t payload_len);
/* Appends a record's bytes; texts within their bounds and synced < seq are asserted. False: it does not fit (b->full). */
bool ap_journal_rec_put(struct ap_buf *b, uint32_t salt, const struct ap_journal_rec *r);

/* Bytes that should hold records and do not. */
struct ap_journal_loss {
	uint64_t from, to;      /* offsets in the segment; equal: numbers are missing but no bytes */
	uint64_t first_seq;     /* the first number that is missing */
	uint64_t records;       /* how many are; of a torn tail: how many at least */
	bool tail;              /* nothing valid follows: the end was not written, or is damaged */
};

struct ap_journal_scan {
	uint32_t salt;
	uint64_t at;            /* offset of the next byte to look at */
	uint64_t next_seq;      /* the number that should come next */
	uint64_t hole;          /* where the present hole began; 0: there is none */
	uint64_t hole_seq;      /* highest number read in it, in records whose end is damaged; 0: none */
	bool ended;
	/* What came so far. */
	uint64_t records, bytes;        /* valid ones */
	uint64_t last_seq;              /* of the last valid record, 0: none */
	uint64_t end;                   /* offset after the last valid record: what may be cut off is behind it */
	uint64_t synced;                /* proven by a valid record: all up to here had been acknowledged */
	uint64_t losses, lost_bytes, lost_records;      /* in the middle */
	uint64_t torn_bytes, torn_records;              /* at the end */
};

enum ap_journal_scan_rc {
	AP_JOURNAL_REC,         /* *rec is set; texts are views of the window */
	AP_JOURNAL_LOSS,        /* *loss is set */
	AP_JOURNAL_MORE,        /* show a window that begins at s->at and is longer */
	AP_JOURNAL_END,
};

/* Starts at the first record of a segment with this head. */
void ap_journal_scan_start(struct ap_journal_scan *s, const struct ap_journal_head *h);
/*
 * Looks at the bytes [off, off + len) of the segment, off <= s->at; last: the segment ends with them. Unless it is the
 * last, a window should reach AP_JOURNAL_REC_MAX bytes past s->at, else the answer is MORE. Never looks at a byte
 * outside; takes time in proportion to the bytes, whatever they are.
 */
enum ap_journal_scan_rc ap_journal_scan(struct ap_journal_scan *s, const uint8_t *window, uint64_t off, size_t len, bool last,
					struct ap_journal_rec *rec, struct ap_journal_loss *loss);
/* Whether any of the missing records is proven to have been acknowledged. Ask at the end: later records are the proof. */
static inline bool ap_journal_loss_acked(const struct ap_journal_scan *s, const struct ap_journal_loss *loss)
{
	return loss->first_seq <= s->synced;
}

#endif
