/*
 * batch.h - records gathered into frames, a lane for each partition.
 *
 * A lane is a queue of frames in arrival order. While its first frame is on its way new records gather in
 * the last one, and all that gathered goes next: batches grow with load and never wait. A frame handed out
 * never changes again (except by ap_batch_cut), so it can be sent any number of times. Records are bytes here.
 */
#ifndef AP_INGEST_BATCH_H
#define AP_INGEST_BATCH_H

#include "common/core/buf.h"
#include "common/core/wire.h"

/* What is known of a record beside its bytes. */
struct ap_slot {
	uint64_t seq;           /* its producer sequence number, > 0, rising within the lane */
	uint64_t ticket;        /* who waits for its id; 0: nobody */
	uint32_t end;           /* where its bytes end in the body */
};

struct ap_frame {
	struct ap_frame *next;
	struct ap_buf body;
	uint32_t n;             /* records, 1..AP_FRAME_RECS */
	uint32_t tickets;       /* of them waited for */
	int64_t t_ms;           /* event time of the first record */
	bool closed;            /* handed out: takes no more records */
	struct ap_slot slot[AP_FRAME_RECS];
};

struct ap_batch;

/* NULL: no memory. Pair with ap_batch_free. */
struct ap_batch *ap_batch_new(unsigned parts);
void ap_batch_free(struct ap_batch *b);
/*
 * Adds a record to a lane: its wire form, which is copied. seq must be above the lane's last one. t_ms counts when the
 * record opens a frame. False: no memory, nothing was added.
 */
bool ap_batch_put(struct ap_batch *b, unsigned part, ap_str wire, uint64_t seq, int64_t t_ms, uint64_t ticket);
/*
 * The lane's first frame, closed from now on, with no record above `upto`: what is above makes a frame of its own.
 * NULL: the lane has no record up to there, or no memory was left to part them.
 */
struct ap_frame *ap_batch_head(struct ap_batch *b, unsigned part, uint64_t upto);
/* The lane's first frame as it stands, open or closed; NULL: the lane is empty. The others are behind it (next). */
const struct ap_frame *ap_batch_first(const struct ap_batch *b, unsigned part);
/* The first frame has arrived: forget it. */
void ap_batch_pop(struct ap_batch *b, unsigned part);
/* Drops the records of the first frame with seq <= hw (they are there already). Returns how many; the frame may be left empty. */
uint32_t ap_batch_cut(struct ap_batch *b, unsigned part, uint64_t hw);
/* Empties a lane, whatever is on its way; records go on above seq. */
void ap_batch_reset(struct ap_batch *b, unsigned part, uint64_t seq);
/* Moves all that `from` holds behind what b holds, lane by lane; numbers must go on rising. */
void ap_batch_join(struct ap_batch *b, struct ap_batch *from);
/* Bytes of all bodies that are held. */
size_t ap_batch_bytes(const struct ap_batch *b);
/* The sequence number of the lane's last record, 0 before the first. */
uint64_t ap_batch_last(const struct ap_batch *b, unsigned part);

static inline uint64_t ap_frame_first_seq(const struct ap_frame *f)
{
	return f->slot[0].seq;
}

static inline uint64_t ap_frame_last_seq(const struct ap_frame *f)
{
	return f->slot[f->n - 1].seq;
}

#endif
