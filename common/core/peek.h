/*
 * peek.h - a look at the newest entries of `live` between two entries of a stage's input: what the stage's fold makes of forming
 * candles, as frames of their own.
 *
 * Pure. Conflated: of each series, timeframe and interval the newest forming candle alone, at most AP_PEEK_MAX of them a
 * round. Entries are given newest first. The fold's state is looked at, never changed; nothing here is saved.
 */
#ifndef AP_PEEK_H
#define AP_PEEK_H

#include "stage.h"
#include "wire.h"

enum {
	AP_PEEK_MAX = 256,              /* candles a round looks at */
	AP_PEEK_ENTRIES = 32,           /* entries a round reads */
	AP_PEEK_FRAMES = 16,            /* frames a round makes, at most; what does not fit is left out */
};

struct ap_peek {
	struct ap_out out;              /* first: what the fold sees */
	uint64_t seen[2 * AP_PEEK_MAX]; /* of this round: hashes, open addressing; 0: free */
	uint32_t n;
	struct ap_buf body[AP_PEEK_FRAMES];
	uint32_t recs[AP_PEEK_FRAMES];
	uint64_t t_ms[AP_PEEK_FRAMES];
	uint32_t frames;                /* begun in this round */
	uint64_t looked, left;          /* since init: candles looked at; passed over for want of room */
	struct ap_wire_iter it;
};

void ap_peek_init(struct ap_peek *p);
void ap_peek_done(struct ap_peek *p);
/* A new round: forgets frames and what was seen. */
void ap_peek_begin(struct ap_peek *p);
/* An entry of `live`, older than those before it. A body that does not decode is passed over from where it does not. */
void ap_peek_entry(struct ap_peek *p, const struct ap_stage *stage, void *st, uint32_t n, ap_str body);

#endif
