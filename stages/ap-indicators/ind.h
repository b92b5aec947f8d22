/*
 * ind.h - technical indicators, one candle at a time.
 *
 * A *set* is compiled once from a list of (name, parameters) and shared by every series. A series is
 * one flat block of bytes of ind_set_size() bytes: copying it is memcpy, saving it is ind_save().
 * ind_update() takes the next candle in O(1) (no allocation, no clock, no error) and writes one number
 * per output slot, or leaves the slot's bit clear while there is none. A NaN is never written.
 *
 * Conventions are those of TA-Lib 0.6.4 called over the whole history; `seed = tv` gives TradingView's
 * start-up where the two differ. docs/indicators.md, generated from the registry, states the formula,
 * the bounds, the warm-up and the flat-market answer of each indicator.
 *
 * Refuses to know: symbols, timeframes, records, revisions, where the candles come from.
 */
#ifndef AP_IND_H
#define AP_IND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stages/ap-indicators/bar.h"

enum {
	IND_PARAM_MAX = 8,    /* parameters of one indicator */
	IND_OUT_MAX = 6,      /* outputs of one indicator */
	IND_NAME_MAX = 72,    /* bytes of a slot's name, with its zero */
	IND_REG_MAX = 1024,   /* values in flight of one set: outputs and intermediate ones */
	IND_SPEC_MAX = 512,   /* indicators in one set */
	IND_REWIND = 16,      /* candles that can be taken back: rings keep this many more values */
	IND_PERIOD_MAX = 5000
};

enum ind_kind { IND_INT, IND_REAL, IND_CHOICE };

/* One parameter. A choice's value is the index of the word in `words` ("talib|tv"). */
struct ind_param {
	const char *name;
	enum ind_kind kind;
	double def, min, max;
	const char *words;
	bool quiet;           /* left out of the slot's name while it has its default */
};

struct ind_build;
struct ind_ref { uint16_t reg; uint32_t first; };  /* a value, and the bar index where it begins */

/* One row of the registry. Texts are for people; `build` is the definition the engine runs. */
struct ind_def {
	const char *name, *title, *inputs;
	struct ind_param params[IND_PARAM_MAX];
	const char *outputs[IND_OUT_MAX];
	const char *warmup;   /* index of the first output as an expression of the parameters */
	const char *formula, *flat, *talib;
	/* Describes the computation with the operations of ind_impl.h and gives one ref an output.
	 * Returns NULL, or what is wrong with the parameters taken together. */
	const char *(*build)(struct ind_build *b, const double *p, struct ind_ref *out);
};

/* The registry: row i, or NULL behind the last. The rows live for ever. */
const struct ind_def *ind_def_at(size_t i);
/* The row of that name (upper case), or NULL. */
const struct ind_def *ind_find(const char *name);
const char *ind_def_group(const struct ind_def *d);  /* title of its group */
size_t ind_def_params(const struct ind_def *d);   /* number of parameters */
size_t ind_def_outputs(const struct ind_def *d);  /* number of outputs */

/* One indicator asked for: "period" -> "14". Numbers and words are given as text. */
struct ind_arg { const char *key, *value; };
struct ind_spec { const char *name; const struct ind_arg *args; size_t n_args; };

/* One output slot of a compiled set. */
struct ind_slot {
	const struct ind_def *def;
	size_t output;            /* which of the indicator's outputs */
	size_t spec;              /* which of the specs */
	uint32_t first;           /* bar index (from 0) of its first value */
	double params[IND_PARAM_MAX];
	char name[IND_NAME_MAX];  /* "MACD_12_26_9.signal" */
	char key[IND_NAME_MAX];   /* its name in records: "MACD", "MACD_SIGNAL", "BBANDS_UPPER" */
	const char *args;         /* "fast=12,slow=26,signal=9", owned by the set */
};

struct ind_set;

/*
 * Compiles specs. NULL when a name is unknown, a parameter unknown, not a number, or out of bounds, or
 * memory is short; err then holds one line that names the indicator, the parameter and what is allowed.
 * The same indicator asked for twice gives its slots twice and computes once.
 */
struct ind_set *ind_set_new(const struct ind_spec *specs, size_t n, char *err, size_t err_size);
/* The same from text: one indicator a line or between semicolons, "RSI period=14; EMA period=12 seed=tv". */
struct ind_set *ind_set_parse(const char *text, char *err, size_t err_size);
/* Leaves out what only some processors have, from now on. The values are the same, to the bit; this is for tests of that. */
void ind_set_for_any(struct ind_set *set);
void ind_set_free(struct ind_set *set);

size_t ind_set_slots(const struct ind_set *set);
const struct ind_slot *ind_set_slot(const struct ind_set *set, size_t i);
const uint16_t *ind_set_places(const struct ind_set *set);  /* where in `val` the slots' values are */
size_t ind_set_values(const struct ind_set *set);    /* doubles that ind_update's `val` must hold */
size_t ind_set_bitmap(const struct ind_set *set);    /* 64-bit words of the `valid` bitmap */
uint32_t ind_set_warm(const struct ind_set *set);    /* bar index from which all slots may have values */
uint64_t ind_set_print(const struct ind_set *set);   /* fingerprint: XXH64 of what is computed, and how */

/*
 * A series' state is its memory (history rings, written in place and the same for any moment of the
 * last IND_REWIND candles) and its core (all else). The flat block is memory then core.
 */
size_t ind_set_ring_size(const struct ind_set *set);
size_t ind_set_core_size(const struct ind_set *set);
size_t ind_set_size(const struct ind_set *set);      /* bytes of the flat block: the sum of both */

void ind_init(const struct ind_set *set, void *state);
/*
 * The next candle. val[places[i]] is slot i's value where bit i of valid is set, and unspecified elsewhere, with places from
 * ind_set_places(); val also holds scratch values. Returns the candle's index.
 */
uint64_t ind_update(const struct ind_set *set, void *state, const struct ind_bar *bar, double *val,
		    uint64_t *valid);
/* The same with memory and core apart. */
uint64_t ind_step(const struct ind_set *set, void *ring, void *core, const struct ind_bar *bar,
		  double *val, uint64_t *valid);
uint64_t ind_count(const struct ind_set *set, const void *core);  /* candles taken so far */

static inline bool ind_valid(const uint64_t *valid, size_t slot)
{
	return (valid[slot / 64] >> (slot % 64)) & 1u;
}

/*
 * A portable image: version, fingerprint of the set, words in little-endian, XXH64 of all before (ind_image.c draws it).
 * Rings are cut to what can still be asked for. ind_save_size is the most they can take. ind_save returns
 * the bytes written, or 0 when cap is less than that.
 * ind_load returns NULL, or why the image was refused (state is then initialised).
 */
size_t ind_save_size(const struct ind_set *set);
size_t ind_save(const struct ind_set *set, const void *ring, const void *core, uint8_t *p, size_t cap);
const char *ind_load(const struct ind_set *set, void *ring, void *core, const uint8_t *p, size_t len);

#endif
