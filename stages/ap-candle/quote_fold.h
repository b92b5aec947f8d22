/*
 * quote_fold.h - quote bars inside the candle fold: the same intervals, beats and lateness, slots of their own.
 *
 * Quotes go into the slot of the smallest timeframe, which keeps them as points (quote_bar.h). A larger slot keeps only what
 * came from small slots that are gone; the rest is joined to it when it is told. Sources, cover, calendars and the
 * timeframes' plan are those of trades (fold.h); nothing of a trade candle depends on quotes.
 */
#ifndef AP_CANDLE_QUOTE_FOLD_H
#define AP_CANDLE_QUOTE_FOLD_H

#include "fold.h"
#include "quote_bar.h"

struct quote_slot {
	int64_t open_ms, close_ms;
	uint32_t revision;              /* of what was issued last */
	uint8_t lane;                   /* place of the timeframe in the plan; 0: smallest */
	uint8_t state;                  /* enum candle_slot_state */
	bool issued;                    /* something final went out (or, born late, its absence did) */
	bool changed;                   /* since it was last told */
	bool untold;                    /* lane 0: the larger slots over it have changed and were not told */
	bool unsaved;                   /* to be saved with the next commit */
	bool saved;                     /* a field of it exists */
	struct quote_small q;           /* lane 0: all there is; others: what is settled, in q.part alone */
};

_Static_assert(offsetof(struct quote_slot, open_ms) == 0, "as candle_slots_at has it");

struct quote_lane {
	struct quote_slot **v;          /* ascending by open_ms */
	uint32_t n, cap;
};

/* The quotes of a series. */
struct candle_quotes {
	struct quote_lane *lane;        /* one per timeframe of the plan */
	int64_t floor_ms;               /* intervals that close by here were let go; CANDLE_NEVER: none */
	int64_t next_close, next_drop;  /* when a slot has something to do: against the source's time_ms, seen_ms */
	bool floor_unsaved, floor_saved;
	bool touched;                   /* in the list of series that had quotes in this entry */
	bool unsaved;                   /* in the list of series to save */
	bool untold;                    /* one of its small slots is */
};

/* Which series' quotes are made into bars: entries of patterns; none: all. */
struct quote_specs {
	struct { char *symbols, *sources; } v[CANDLE_SPECS_MAX];
	uint32_t n;
	bool on;
};

struct quote_load;

/* What the fold holds for all of them. */
struct quote_state {
	struct quote_specs specs;
	uint32_t points_max;
	struct candle_list touched;     /* series */
	struct candle_list unsaved;     /* series */
	struct ap_buf value;            /* a field being written */
	struct quote_load *load;        /* while loading */
	uint64_t slots, quotes, finals, revised, forming, late, refused;
};

/* Reads the options. NULL with a sentence in err. Pair with quote_state_free. */
struct quote_state *quote_state_new(const struct ap_conf *conf, char *err, size_t errlen);
void quote_state_free(struct quote_state *q);
/* Whether bars are made of this series' quotes. */
bool quote_wanted(const struct quote_state *q, ap_str source, ap_str symbol);
void quote_series_done(struct candle_fold_state *st, struct candle_series *ser);

/* --- quote_fold.c: quotes into slots, slots told --- */
enum candle_place quote_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_quote *q);
struct candle_quotes *quote_series_get(struct candle_fold_state *st, struct candle_series *ser);
struct quote_slot *quote_lane_find(const struct quote_lane *l, int64_t open_ms);
struct quote_slot *quote_lane_insert(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms);
void quote_lane_remove(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, uint32_t at);
/* The slot of a larger timeframe over a small one, made if it is not there; NULL: trading is off. */
struct quote_slot *quote_over(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t small_open_ms, bool make);
void quote_slot_unsaved(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s);
void quote_due_add(struct candle_fold_state *st, struct candle_series *ser, const struct quote_slot *s);
/* What a slot holds: a larger one what was settled in it, and the small slots that are still there. */
void quote_whole(const struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s, struct quote_part *out);
/* The slot's bar goes out as final, or as the next revision. */
void quote_issue(struct candle_fold_state *st, struct candle_series *ser, struct quote_slot *s, struct ap_out *out);
/* At the end of an entry: tells what changed, forming to live, closed to candle. */
void quote_tell(struct candle_fold_state *st, struct ap_out *out);
/* Before a beat moves the source's time: the larger forming bars that wait. */
void quote_tell_waiting(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out);
/* Most records that a quote, or a beat of the source, may put. */
size_t quote_bound(const struct candle_fold_state *st);
size_t quote_beat_bound(const struct candle_fold_state *st, const struct candle_source *src);

/* --- quote_close.c: what time does --- */
/* Finishes and drops what is due in the source. False: the budget is used up, the rest stays due. */
bool quote_advance(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out);
void quote_due_recompute(struct candle_fold_state *st, struct candle_series *ser);

/* --- quote_state.c: fields of the state --- */
void quote_save(struct candle_fold_state *st, struct ap_saver *to, bool all);
void quote_forget_field(struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s);
/* Takes back a field whose version and sum were found right; value is what stands between them. */
bool quote_load(struct candle_fold_state *st, ap_str name, const uint8_t *value, size_t len);
/* All fields are there, and so are the series. False with a sentence in err. */
bool quote_loaded(struct candle_fold_state *st, char *err, size_t errlen);
void quote_load_done(struct quote_state *q);

#endif
