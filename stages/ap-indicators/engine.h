/*
 * engine.h - all that one series computes from its candles: indicators, patterns, rules, and what became of signals.
 *
 * Binds the four parts, each of which knows nothing of the others, into one step. A series' state is the rings of the
 * indicators (see ind.h) and one flat core, which may be copied with memcpy.
 *
 * Knows no records, no names of series, no revisions beyond the number a candle carries.
 */
#ifndef AP_INDICATORS_ENGINE_H
#define AP_INDICATORS_ENGINE_H

#include "stages/ap-indicators/ind.h"
#include "stages/ap-indicators/outcome.h"
#include "stages/ap-indicators/pat.h"
#include "stages/ap-indicators/rule.h"

/* What is computed. Shared by all series of one choice; owns nothing. */
struct engine {
	const struct ind_set *set;
	const struct rule_book *book;   /* NULL: no rules */
	const uint16_t *slot;           /* per input of the book that is an indicator: its slot in the set */
	bool patterns;                  /* they are computed */
	size_t pat_at, rule_at, open_at, core_size;     /* engine_lay: where the parts of the core begin, and its bytes */
};

/* Fills in the layout once the rest is set. */
void engine_lay(struct engine *e);

struct ind_candle {
	struct ind_bar bar;
	uint32_t revision;
};

enum { ENGINE_ENDS_MAX = OUTCOME_OPEN_MAX + RULE_MAX };

/* What one candle gave. */
struct engine_now {
	double *val;                    /* room for ind_set_values */
	uint64_t *valid;                /* room for ind_set_bitmap */
	const void *core;               /* the state after the candle */
	int16_t pat[PAT_N];
	uint32_t n_signals, n_ends;
	struct rule_signal signal[RULE_MAX];
	struct outcome end[ENGINE_ENDS_MAX];
	struct rule_tally tally;
};

/* An empty core. */
void engine_init(const struct engine *e, void *core);
/* The next candle; O(1). */
void engine_step(const struct engine *e, void *ring, void *core, const struct ind_candle *c, struct engine_now *now);
/* Appends the values that a rule fired on, as JSON. core: the state after the candle it fired on. */
void engine_inputs_json(const struct engine *e, const void *core, size_t rule, struct ap_buf *out);

/*
 * The image: the parts' own images, each with its length (u32) before it. engine_save returns the bytes written, at most
 * engine_save_size. engine_load takes what it can: a part whose image is of another version, another set, another book
 * begins anew, and *restarted is set. False: lengths that do not fit.
 */
size_t engine_save_size(const struct engine *e);
size_t engine_save(const struct engine *e, const void *ring, const void *core, uint8_t *p);
bool engine_load(const struct engine *e, void *ring, void *core, const uint8_t *p, size_t len, bool *restarted);

#endif
