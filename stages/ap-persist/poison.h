/*
 * poison.h - which record ap-persist died of: what stands in Redis about it, and what follows from it.
 *
 * Pure. A mark names the records that are about to become rows; it is in Redis before they do. What is found there
 * after a death is what the dead one was at. main_alone.c writes and reads the marks.
 *
 *   attempt 1   a batch                          dies: the partition was never given up
 *   attempt 2   entries, by groups               dies: the mark names the group
 *   attempt 3   the group's entries, each alone  dies: the mark names the entry, or POISON_SPAN records of it
 *   attempt 4   the records of the span          dies: the mark names the record
 *
 * A record that two marks in a row named, the last one alone, is poison: a row says so, and it is not looked at any more. (An
 * entry of one record that comes alone: three attempts.) What dies even of being named takes its whole entry with it. A process may
 * also be killed from outside: what it was at is then suspected, and survives the next attempt.
 */
#ifndef AP_PERSIST_POISON_H
#define AP_PERSIST_POISON_H

#include "common/core/buf.h"
#include "common/core/rec.h"

enum {
	POISON_SPAN = 32,       /* records of an entry marked together at first */
	POISON_TRIES = 2,       /* marks in a row that named it */
	POISON_MAX = 16,        /* known at a time: rows that are not stored yet */
	POISON_TEXT = POISON_MAX * (AP_ID_TEXT + 24),
};

#define POISON_ALL UINT32_MAX   /* in place of a record: the whole entry, which is not even read; as a width: whole entries */

/* Records [from, from + width) of an entry of a stream; or all entries of it from id to last. width 0: no mark. */
struct poison_mark {
	unsigned stream;
	ap_id id, last;
	uint32_t from, width;
	uint64_t tries;         /* how many marks in a row named it */
};

struct poison_rec {
	unsigned stream;
	ap_id id;
	uint32_t rec;           /* or POISON_ALL */
};

struct poison {
	struct poison_mark suspect;
	struct poison_rec rec[POISON_MAX];
	unsigned n;
};

/*
 * Takes what stands in Redis: the mark as left by a process that died (else suspect.width must be 0), the list as text of
 * poison_text. What lies at or below stored[stream] (streams of them) is past and forgotten. True: the mark made a record poison,
 * which is now the last one of the list.
 */
bool poison_load(struct poison *p, const struct poison_mark *mark, ap_str list, const ap_id *stored, unsigned streams);
/* The list as text, ended by a zero: "raw stream's number:id:record,...". */
void poison_text(const struct poison *p, char out[POISON_TEXT]);
/* Whether record `rec` of that entry (or POISON_ALL: all of it) is on the list. */
bool poison_is(const struct poison *p, unsigned stream, ap_id id, uint32_t rec);
/* Whether that entry is not to be marked in a group: the suspect is among its records, or in its group, or it is on the list. */
bool poison_apart(const struct poison *p, unsigned stream, ap_id id);
/* What of an entry of n records, taken alone, is to be marked when those before `at` are done: never across the edge of the suspect's span. */
struct poison_mark poison_next(const struct poison *p, unsigned stream, ap_id id, uint32_t at, uint32_t n);

#endif
