/*
 * history.h - what the simulated market did before anybody looked: its last hours as raw records and beats.
 *
 * A plan says all that the history is made of; the same plan gives the same items in the same places, always. A place is
 * the item's sequence number, so a history that was cut off goes on where it stopped. The price is that of sim.h, a function of
 * seed and time: where the history ends the live market goes on without a step. A long history has fewer trades than the live
 * market, each so much larger that volumes are alike. Pure: no clock, no I/O; whoever asks keeps the plan.
 */
#ifndef AP_INGEST_HISTORY_H
#define AP_INGEST_HISTORY_H

#include "common/core/buf.h"
#include "replay.h"

enum {
	AP_HISTORY_TRADES = 57000,      /* aimed at, at most; bursts make it vary by about one in a hundred */
	AP_HISTORY_BEAT_MS = 5000,      /* between two beats: few, since nobody waits for them */
	AP_HISTORY_SYMBOLS = 2000,      /* bytes of the list of symbols */
};

struct ap_history_plan {
	bool done;              /* it has been sent, or there is none */
	uint64_t minutes;       /* its length, rounded up so that it begins with a whole minute */
	int64_t base_ms;        /* its end, exclusive: the live market begins here */
	uint64_t rate;          /* trades/s of the live market */
	uint64_t seed;
	char symbols[AP_HISTORY_SYMBOLS + 1];
};

struct ap_history;

/* "open 360 1700000000000 40 1 BTC-USDT,...": as it is kept. */
void ap_history_write(const struct ap_history_plan *plan, struct ap_buf *out);
/* False: that is no plan. */
bool ap_history_read(ap_str text, struct ap_history_plan *plan);

/* NULL with a sentence in err. Pair with ap_history_free. */
struct ap_history *ap_history_new(const struct ap_history_plan *plan, char *err, size_t errlen);
void ap_history_free(struct ap_history *h);
/* The next item, in the order of time; its texts live until the next call. False: that was all. */
bool ap_history_next(struct ap_history *h, struct ap_tape_item *out);

#endif
