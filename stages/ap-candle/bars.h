/*
 * bars.h - bars that follow trades instead of the clock: so many trades, so much volume, so far a move.
 *
 *   tick volume dollar                                 so many trades, quantity, turnover
 *   range                                              high - low has reached the size
 *   renko                                              bricks of one size; a turn takes two
 *   tick_imbalance volume_imbalance dollar_imbalance   |buys - sells|
 *   tick_runs volume_runs dollar_runs                  the larger of buys and sells
 *
 * The trade that reaches the size goes into the bar as a whole. Thresholds are fixed numbers, so a bar depends on its trades
 * alone. The order of trades is that of the stream: such bars are never revised. Knows no source, no cover and no saving.
 */
#ifndef AP_CANDLE_BARS_H
#define AP_CANDLE_BARS_H

#include "acc.h"

enum {
	CANDLE_BARS_MAX = 8,            /* kinds of one series */
	CANDLE_SPECS_MAX = 64,          /* of all */
	CANDLE_BRICKS_MAX = 2048,       /* renko bricks of one entry; a longer way is gone with the next */
};

enum candle_bar_kind {
	CANDLE_BAR_TICK, CANDLE_BAR_VOLUME, CANDLE_BAR_DOLLAR, CANDLE_BAR_RANGE, CANDLE_BAR_RENKO,
	CANDLE_BAR_TICK_IMBALANCE, CANDLE_BAR_VOLUME_IMBALANCE, CANDLE_BAR_DOLLAR_IMBALANCE,
	CANDLE_BAR_TICK_RUNS, CANDLE_BAR_VOLUME_RUNS, CANDLE_BAR_DOLLAR_RUNS,
	CANDLE_BAR_N
};

struct candle_bar_spec {
	enum candle_bar_kind kind;
	ap_dec size;                    /* > 0; counts: an integer */
	ap_sum size_qv;                 /* the same in units of a turnover */
	char name[AP_TF_MAX + 1];       /* stands where a timeframe stands; NUL-terminated */
	char *symbols, *sources;        /* patterns, each NUL-terminated, an empty one ends the list; NULL: all */
};

struct candle_specs {
	struct candle_bar_spec v[CANDLE_SPECS_MAX];
	uint32_t n;
};

/* A bar of one series. */
struct candle_bar {
	const struct candle_bar_spec *spec;
	bool any;                       /* holds trades */
	bool sell;                      /* the last trade's side, told or guessed */
	bool seen;                      /* last_price is one */
	bool anchored;                  /* renko: level is one */
	bool changed, unsaved, listed;
	int64_t open_ms, last_ms;       /* of the first and the latest trade in it */
	int64_t prev_open_ms;           /* of the bar before: no two begin alike; -1: there was none */
	struct candle_ohlc p;
	struct candle_sums s;
	struct candle_sums buys, sells; /* by told or guessed side; only vol, qv, n */
	ap_dec last_price;
	ap_dec level;                   /* renko: where the last brick ended */
	int8_t dir;                     /* renko: its direction; 0: none yet */
};

/* Reads the option. False with a sentence in err that names the entry. Pair with candle_specs_done. */
bool candle_specs_parse(struct candle_specs *s, ap_str json, char *err, size_t errlen);
void candle_specs_done(struct candle_specs *s);
bool candle_spec_wants(const struct candle_bar_spec *spec, ap_str source, ap_str symbol);

/* A finished bar: prices, sums and times as they are to be put. */
struct candle_bar_done {
	struct candle_ohlc p;
	struct candle_sums s;
	int64_t open_ms, close_ms;
};
void candle_bar_init(struct candle_bar *b, const struct candle_bar_spec *spec);
/* Takes a trade in. */
void candle_bar_take(struct candle_bar *b, const struct ap_trade *t);
/* Whether something is finished: if so it is in *out and gone from the bar. Call until false. */
bool candle_bar_next(struct candle_bar *b, struct candle_bar_done *out);
/* What there is, finished or not; false: nothing is. */
bool candle_bar_now(const struct candle_bar *b, struct candle_bar_done *out);
/* Ends what there is. */
void candle_bar_cut(struct candle_bar *b);

#endif
