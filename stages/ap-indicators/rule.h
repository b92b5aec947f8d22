/*
 * rule.h - signal rules: text compiled once, evaluated on every candle.
 *
 * A rule says when to enter, at what price, where it is wrong (stop), where it
 * is right (target) and how sure it is (confidence), each as an expression:
 *
 *   when       cross_over(sma20, sma50) and rsi14 < 70
 *   stop       entry - 2 * atr14
 *   target     entry + 1.5 * (entry - stop)
 *   confidence 0.5 + 0.1 * (sma20 - sma20[5]) / atr14
 *
 * The language (numbers and conditions; nothing loops, nothing is stored):
 *
 *   expr    = and { "or" and }          and     = not { "and" not }
 *   not     = "not" not | compare       compare = sum [ ("<" "<=" ">" ">=" "==" "!=") sum ]
 *   sum     = product { ("+" "-") product }
 *   product = signed { ("*" "/") signed }        signed = "-" signed | earlier
 *   earlier = primary [ "[" n "]" ]     n candles ago, 0 to 16; of a whole ( ... ) too
 *   primary = number | "true" | "false" | "(" expr ")" | function | value
 *   function= cross_over(a, b)  a > b now, a <= b one candle ago     cross_under(a, b)
 *             min(a, b, ...)  max(a, b, ...)  abs(a)
 *   value   = candle field: open high low close volume quote_volume vwap trades buy_volume sell_volume
 *           | pattern (pat.h): its value, -200..200, 0: none          engulfing > 0
 *           | indicator: NAME(arg, ...).output, arguments and output optional     MACD(12, 26, 9).signal
 *           | short names: sma20 = SMA(20) and so on for any indicator and number; macd, macd_signal,
 *             macd_hist, bb_upper, bb_middle, bb_lower
 *           | entry (in stop, target, confidence), stop (in target, confidence), target (in confidence)
 *   "#" begins a comment that ends with the line.
 *
 * One value that is absent - warming up, too far back, a division by zero, a result that is not a finite
 * number - makes the whole expression absent, and a rule with an absent expression does not fire. There
 * is no short circuit: whether a rule is absent never hangs on the order of its words.
 *
 * Pure: the clock is the candle, and the same candles give the same signals. Knows nothing of how
 * indicators are computed: the host resolves their names and brings their values.
 */
#ifndef AP_INDICATORS_RULE_H
#define AP_INDICATORS_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "stages/ap-indicators/bar.h"
#include "stages/ap-indicators/pat.h"

enum {
	RULE_MAX = 64,           /* rules in a book */
	RULE_NAME_MAX = 48,      /* bytes of a rule's name, NUL included */
	RULE_TEXT_MAX = 2048,    /* bytes of one expression */
	RULE_DEPTH_MAX = 32,     /* parentheses, calls, signs inside one another */
	RULE_CODE_MAX = 256,     /* steps of one compiled expression */
	RULE_STACK_MAX = 64,     /* values one needs at a time */
	RULE_INPUTS_MAX = 256,   /* different values a book reads */
	RULE_ARGS_MAX = 8,       /* arguments of an indicator */
	RULE_BACK_MAX = 16,      /* candles an expression may look back */
	RULE_WAIT_MAX = 10000    /* candles of an expiry or a cooldown */
};

/* --- what a rule is made of -------------------------------------------------------------------------- */

enum rule_side { RULE_LONG = 1, RULE_SHORT = 2 };

/* The parts of a rule that are expressions, in the order they are evaluated. */
enum rule_part { RULE_WHEN, RULE_ENTRY, RULE_STOP, RULE_TARGET, RULE_CONFIDENCE, RULE_PART_N };

struct rule_def {
	const char *name;                  /* [a-z0-9_]+ */
	enum rule_side side;
	const char *text[RULE_PART_N];     /* none may be NULL or empty */
	unsigned expiry;                   /* candles after which the signal is over, >= 1 */
	unsigned cooldown;                 /* candles after a signal in which the rule is silent */
};

/* "when", "entry", ... as in the configuration. */
const char *rule_part_name(enum rule_part part);

/* The rules of an installation that configures none: five ideas, each long and short. */
const struct rule_def *rule_defaults(size_t *n);

/* --- values from outside ------------------------------------------------------------------------------ */

enum rule_field {
	RULE_OPEN, RULE_HIGH, RULE_LOW, RULE_CLOSE, RULE_VOLUME, RULE_QUOTE_VOLUME, RULE_VWAP,
	RULE_TRADES, RULE_BUY_VOLUME, RULE_SELL_VOLUME, RULE_FIELD_N
};

/* A field of a candle; NAN where it has none (vwap without volume). */
double rule_field(enum rule_field field, const struct ind_bar *bar);

/* An indicator as the text named it; all views into that text or constants. */
struct rule_ref {
	ap_str name;                       /* as written or "SMA" of "sma20"; compare without case */
	ap_str arg[RULE_ARGS_MAX];         /* numbers or words, in the indicator's own order */
	size_t n_args;
	ap_str output;                     /* "signal"; empty: the first one */
};

/*
 * The host's answer to a name: a slot number >= 0 of its own, or -1 with a sentence in why
 * ("BBANDS has no output uper; there are upper middle lower"); without one when it knows no such name.
 * Called while a book is made; the same value may be asked for often.
 */
typedef int rule_resolve(void *host, const struct rule_ref *ref, char *why, size_t why_size);

enum rule_source { RULE_OF_FIELD, RULE_OF_PATTERN, RULE_OF_INDICATOR };

struct rule_input {
	enum rule_source source;
	int slot;                          /* enum rule_field, enum pat_id, or the host's slot */
	uint8_t back;                      /* how many candles back it is read */
	char name[RULE_NAME_MAX];          /* as first written, without spaces; cut if longer */
};

/* --- a book of rules ---------------------------------------------------------------------------------- */

struct rule_error {
	size_t rule;                       /* which of the definitions */
	const char *part;                  /* "when", "name", ... */
	unsigned line, column;             /* in that text, from 1; a column is one byte */
	char text[280];
};

struct rule_book;

/*
 * Compiles the definitions; NULL with *err filled when one is wrong or memory is short. The texts are
 * not needed afterwards. Pair with rule_book_free.
 */
struct rule_book *rule_book_new(const struct rule_def *defs, size_t n, rule_resolve *resolve, void *host,
				struct rule_error *err);
void rule_book_free(struct rule_book *book);

size_t rule_book_rules(const struct rule_book *book);
const char *rule_book_name(const struct rule_book *book, size_t rule);
enum rule_side rule_book_side(const struct rule_book *book, size_t rule);
unsigned rule_book_expiry(const struct rule_book *book, size_t rule);

/* What the host must bring for every candle, in this order. */
size_t rule_book_inputs(const struct rule_book *book);
const struct rule_input *rule_book_input(const struct rule_book *book, size_t i);

/* XXH64 over everything that decides what a book does: states are bound to it. */
uint64_t rule_book_print(const struct rule_book *book);

/* --- per series ---------------------------------------------------------------------------------------- */

/* A series' state is flat bytes, 8-aligned: earlier values and cooldowns. May be copied with memcpy. */
size_t rule_state_size(const struct rule_book *book);
void rule_state_init(const struct rule_book *book, void *state);

struct rule_signal {
	uint16_t rule;                     /* index in the book */
	enum rule_side side;
	double entry, stop, target;        /* stop and target on the right sides of entry */
	double confidence;                 /* clamped to 0..1 */
	double risk_reward;                /* |target - entry| / |entry - stop| */
};

/* What became of the rules on one candle; adds up to the number of rules. */
struct rule_tally {
	uint16_t fired, quiet, absent, cooling;
	uint16_t senseless;                /* fired, but stop, entry and target are not in order */
};

/*
 * Takes a candle's inputs (NAN: absent) and writes the signals it sets off to out, which holds as many
 * as the book has rules; returns how many. A forming candle: step a copy of the state.
 */
size_t rule_step(const struct rule_book *book, void *state, const double *inputs,
		 struct rule_signal *out, struct rule_tally *tally);

/*
 * Appends, as a JSON object, the values a signal was made of: {"sma20":101.5,"sma20[1]":99.25,...},
 * shortest numbers that read back the same. `state` is the one after the step that fired.
 */
void rule_inputs_json(const struct rule_book *book, size_t rule, const void *state, struct ap_buf *out);

/* Appends a finite number as JSON, in the fewest of 15 to 17 digits that read back the same. */
void rule_json_number(struct ap_buf *out, double v);

/*
 * Portable image: "APR1", version, print of the book, little-endian words, XXH64. rule_save returns the
 * size written, 0 if cap is too small. rule_load: false, with the state as after init, when the image is
 * damaged or of another book.
 */
size_t rule_save_size(const struct rule_book *book);
size_t rule_save(const struct rule_book *book, const void *state, uint8_t *p, size_t cap);
bool rule_load(const struct rule_book *book, void *state, const uint8_t *p, size_t size);

#endif
