/*
 * dedup.h - which trade ids were seen: a window bounded by count and by event time.
 *
 * Knows nothing of trades: it is asked about a 128-bit key and a time. Same key and times no further apart
 * than the window: a duplicate. Same key far apart: the venue uses the id again, which is another trade.
 * A trade's own time decides, so one absurd timestamp cannot make it forget the others.
 */
#ifndef AP_NORMALIZE_DEDUP_H
#define AP_NORMALIZE_DEDUP_H

#include "common/core/stage.h"

struct dedup;

struct dedup_key {
	uint64_t lo, hi;
};

/*
 * ids: how many keys are remembered at most, over all sources; when they are used up, the source that holds
 * most gives its oldest away, so that a replay does not push out what live sources need.
 * Either bound 0: nothing is remembered. NULL: no memory. Pair with dedup_free.
 */
struct dedup *dedup_new(uint64_t ids, int64_t window_ms);
void dedup_free(struct dedup *d);

/* The key of a trade: XXH3 (128 bits) of source, symbol and id. */
struct dedup_key dedup_key(ap_str source, ap_str symbol, ap_str id);
bool dedup_seen(const struct dedup *d, struct dedup_key k, int64_t ms);
/* Remembers a key that was not seen. O(1) amortised. */
void dedup_add(struct dedup *d, ap_str source, struct dedup_key k, int64_t ms);
/* The source's time has reached ms: what is older than the window goes, page by page. */
void dedup_reached(struct dedup *d, ap_str source, int64_t ms);
/* Keys remembered now. */
uint64_t dedup_count(const struct dedup *d);

/*
 * State: pages of 32 keys, fields "d/SOURCE/NUMBER". A commit writes the pages that got keys since the last one
 * and deletes those that went. `all` puts every page and changes nothing here.
 */
void dedup_save(struct dedup *d, struct ap_saver *s, bool all);
/* Takes a field back, in any order. False: damaged, or not of this version. */
bool dedup_load(struct dedup *d, ap_str field, ap_str value);
/* All fields are there. False: pages are missing. */
bool dedup_loaded(struct dedup *d);

#endif
