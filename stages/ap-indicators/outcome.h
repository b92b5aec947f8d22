/*
 * outcome.h - what became of a signal: target, stop, or time.
 *
 * A pure state machine per series. Candles say only open, high, low and close,
 * so where the order of events inside one is unknown the worse reading counts:
 *
 *  - A signal waits for its entry from the candle after it. It is entered at once, at the price of the
 *    signal, when entry is the close of the signal's candle; else when a candle reaches entry (at
 *    entry, or at the open of a candle that opens beyond it).
 *  - On the candle of the entry only the stop can be hit, from the next on the target too; entered at
 *    once, both can from the first candle on.
 *  - A candle that reaches both is a stop, and marked ambiguous.
 *  - A candle that opens beyond the stop (target) leaves at its open; else at the stop (target).
 *  - After `expiry` candles without either it leaves at the close; never entered, it lapses.
 *
 * The result is in R: profit divided by the risk planned, |entry - stop|; a full stop is -1.
 * Knows no rules, symbols or fees.
 */
#ifndef AP_INDICATORS_OUTCOME_H
#define AP_INDICATORS_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/ap-indicators/bar.h"
#include "stages/ap-indicators/rule.h"

enum { OUTCOME_OPEN_MAX = 32 };   /* signals followed at a time, per series */

enum outcome_end {
	OUTCOME_TARGET, OUTCOME_STOP, OUTCOME_EXPIRY,
	OUTCOME_LAPSED,          /* the entry was never reached */
	OUTCOME_CROWDED,         /* no longer followed: 32 newer ones are; no verdict */
	OUTCOME_END_N
};

/* "target", "stop", "expiry", "lapsed", "crowded". */
const char *outcome_end_name(enum outcome_end end);

struct outcome {
	uint16_t rule;                   /* as in the signal */
	enum rule_side side;
	enum outcome_end end;
	bool ambiguous;                  /* stop and target in one candle */
	int64_t signal_ms, end_ms;       /* open times of the signal's candle and the deciding one */
	uint32_t revision;               /* of the signal's candle */
	uint32_t candles;                /* from the signal's candle to the deciding one */
	double entry, stop, target;      /* as in the signal */
	double in, out;                  /* prices entered and left at; 0: never */
	double r;                        /* result in R; 0 for lapsed and crowded */
};

/* One signal followed. */
struct outcome_open {
	int64_t signal_ms;
	double entry, stop, target;
	double in;                       /* 0: not entered yet */
	uint32_t candles, expiry;
	uint16_t rule;
	uint8_t side;                    /* enum rule_side */
	uint8_t from_above;              /* entry was below the close of the signal's candle */
	uint32_t revision;               /* of the signal's candle */
};

/* Flat, no pointers: may be copied with memcpy. In order of opening. */
struct outcome_state {
	uint32_t n;
	uint32_t unused;
	struct outcome_open open[OUTCOME_OPEN_MAX];
};

void outcome_init(struct outcome_state *s);

/*
 * Takes the next final candle, for signals of candles before it; call it before outcome_add for signals
 * of this candle. Writes what ended to out[OUTCOME_OPEN_MAX], in order of opening; returns how many.
 */
size_t outcome_step(struct outcome_state *s, const struct ind_bar *bar, struct outcome *out);

/*
 * Follows a signal of candle `bar`, of that revision. When 32 are followed already the oldest makes room: true, with
 * *gone what is reported of it (OUTCOME_CROWDED).
 */
bool outcome_add(struct outcome_state *s, const struct rule_signal *signal, const struct ind_bar *bar,
		 uint32_t revision, unsigned expiry, struct outcome *gone);

/* Appends what happened as a JSON object: {"end":"stop","in":100,"out":90,"candles":3,
 * "end_ms":1700000000000,"ambiguous":false}; end_ms is the open of the deciding candle. */
void outcome_json(const struct outcome *o, struct ap_buf *out);

/*
 * Portable image: "APO1", version u16, n u16, n x 56 bytes, XXH64; at most OUTCOME_IMAGE_MAX bytes.
 * Returns the size written. A load that fails leaves the state empty.
 */
enum { OUTCOME_IMAGE_MAX = 8 + OUTCOME_OPEN_MAX * 56 + 8 };

size_t outcome_save(const struct outcome_state *s, uint8_t image[OUTCOME_IMAGE_MAX]);
bool outcome_load(struct outcome_state *s, const uint8_t *image, size_t size);
/* 1 + the highest rule of an open signal; 0: none is open. */
size_t outcome_rules_end(const struct outcome_state *s);

#endif
