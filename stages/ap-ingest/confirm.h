/*
 * confirm.h - up to which number everything of a producer is in PostgreSQL, and so may leave the journal.
 *
 * Of each partition a few marks are kept: up to entry ID of the raw stream stands all up to number N. What PostgreSQL has
 * comes as entry ids too; the greatest mark at or below them gives the number. Pure: whoever asks Redis hands the answers over.
 */
#ifndef AP_INGEST_CONFIRM_H
#define AP_INGEST_CONFIRM_H

#include "common/core/base.h"

enum { AP_CONFIRM_MARKS = 64 };         /* of a partition */

struct ap_confirm;

/* NULL: no memory. Pair with ap_confirm_free. */
struct ap_confirm *ap_confirm_new(unsigned parts);
void ap_confirm_free(struct ap_confirm *c);
/*
 * At or below entry id of the partition stands all up to number seq, the last word about an entry holds. Marks that go back are left out; when there is no
 * room every second one goes, so that they reach back to the oldest, ever coarser.
 */
void ap_confirm_mark(struct ap_confirm *c, unsigned part, ap_id id, uint64_t seq);
/* The last mark's entry, 0-0 when there is none: for whoever wants some distance between them. */
ap_id ap_confirm_last(const struct ap_confirm *c, unsigned part);
/* Forgets a partition's marks: its Redis has lost what they speak of. */
void ap_confirm_clear(struct ap_confirm *c, unsigned part);
/*
 * PostgreSQL has all that became of the entries up to id: the number up to which that confirms this partition; 0: none.
 * Marks below that are forgotten: what was stored once is not asked about again.
 */
uint64_t ap_confirm_upto(struct ap_confirm *c, unsigned part, ap_id id);

/* How far PostgreSQL is with one stream of a partition. */
struct ap_confirm_stream {
	ap_id end;              /* the stream's last entry when it was asked for; 0-0: it never had any */
	ap_id stored;           /* up to here it is stored, asked for after that */
};
/*
 * The raw entry up to which all is stored: ap-normalize has taken it (taken, asked for before the streams' ends), and each of the
 * streams is stored to its end, or to an entry of a later millisecond (what becomes of an entry keeps its millisecond).
 */
ap_id ap_confirm_bound(ap_id taken, const struct ap_confirm_stream *s, size_t n);

#endif
