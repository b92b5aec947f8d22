/*
 * fold.h - what the candle fold remembers; shared by the files of this stage alone.
 *
 * Trades go into the slot of the smallest timeframe, which keeps the keys of its first and last trade. The slots of larger
 * timeframes are folded from it: `now` is their present content, `settled` the part of it whose small slots are gone. So a
 * trade costs one saved field, and a load folds the rest again.
 *
 * An entry of few series tells all their forming candles. One of many series (that is: under load) tells the smallest
 * timeframe, and the larger ones follow with the source's next beat: until then `up` waits in the series and the small
 * slot is marked `untold`.
 *
 *   time_ms  how far the source has proven to be (alive beats): candles close by it
 *   seen_ms  how far any beat of the source went: the revision window ends by it
 */
#ifndef AP_CANDLE_FOLD_H
#define AP_CANDLE_FOLD_H

#include "acc.h"
#include "bars.h"
#include "cal.h"
#include "candle.h"
#include "cover.h"
#include "tf.h"

#include "common/core/buf.h"

#define CANDLE_NEVER INT64_MIN          /* of a time: not yet */

enum {
	CANDLE_LINE = 64,               /* bytes that the processor fetches at a time */
	CANDLE_AHEAD_MS = 60000,        /* intervals that begin this soon after seen_ms are nothing special */
	CANDLE_AHEAD_SLOTS = 64,        /* open intervals of a series beyond that, at most */
	/*
	 * An entry has room for AP_FOLD_FRAMES frames of 512 final candles or 32 revised ones. Its own 512 trades may revise a candle of
	 * each of 24 timeframes, 384 frames; what time does, and what follows from those trades, stays within 250.
	 */
	CANDLE_EMIT_MAX = 16000,        /* final candles of an entry, a revised one counts as two; what is due beyond waits for the next */
	CANDLE_LIVE_MAX = 6000,         /* larger forming candles one beat may put; further ones wait for news */
	CANDLE_LIVE_SERIES = 16,        /* an entry of so few series tells their larger forming candles at once */
	CANDLE_SOURCES_MAX = 1024,
};

enum candle_slot_state { SLOT_FORMING, SLOT_FINAL };

/* What a slot of a larger timeframe got from small slots that are no longer there. */
struct candle_fold {
	struct candle_ohlc p;
	struct candle_sums s;
	int64_t first_ms, last_ms;      /* open of the small slots that gave open and close */
};

/* Telling a slot takes its first three lines of 64 bytes, a trade the fourth as well. */
struct candle_slot {
	_Alignas(CANDLE_LINE) int64_t open_ms;
	int64_t close_ms;
	uint32_t revision;              /* of what was issued last */
	uint8_t lane;                   /* place of the timeframe in the plan; 0: smallest */
	uint8_t state;                  /* enum candle_slot_state */
	bool any : 1;                   /* holds trades */
	bool filled : 1;                /* synthetic: no trades, the previous close */
	bool issued : 1;                /* something final went out (or, born late, its absence did) */
	bool changed : 1;               /* since it was last told */
	bool listed : 1;                /* in the list of slots to look at when the entry ends */
	bool untold : 1;                /* lane 0: the larger slots over it have changed, or will, and were not told */
	bool unsaved : 1;               /* in the list of slots to save */
	bool saved : 1;                 /* a field of it exists */
	struct candle_series *series;
	struct candle_ohlc p;           /* meaningless unless any || filled */
	struct candle_sums s;
	union {
		struct {                /* lane 0 */
			struct candle_key last, first;
		} key;
		struct {                /* others */
			int64_t first_ms, last_ms;      /* as in settled, for the whole slot */
			struct candle_fold settled;
		} fold;
	} u;
};
_Static_assert(offsetof(struct candle_slot, open_ms) == 0, "as candle_slots_at has it");
enum { CANDLE_SLOT_LINES = 4, CANDLE_SAVE_LINES = 5 };
_Static_assert(offsetof(struct candle_slot, u.key.last.id) + 16 <= CANDLE_SLOT_LINES * CANDLE_LINE, "an ordinary trade needs no more");

/* The slots of one timeframe of one series: those forming, and those that may still be revised. */
struct candle_lane {
	struct candle_slot **v;         /* ascending by open_ms */
	uint32_t n, cap;
	int64_t since_ms;               /* the timeframe was added later: what opened before this lacks trades */
	bool has_end;                   /* filling: the last candle dropped from v ended ... */
	int64_t end_ms;                 /* ... here ... */
	ap_dec end_price;               /* ... at this price */
};

/* What a trade needs of a series lies together at its end: two lines of 64 bytes, an ordinary name included. */
struct candle_series {
	uint64_t hash;
	const struct candle_cal *cal;
	uint32_t place;                 /* in the source's list */
	struct candle_lane *lane;       /* one per timeframe of the plan */
	struct candle_quotes *quotes;   /* NULL: it has quoted nothing */
	struct candle_bar *bar;         /* bars that do not follow the clock; NULL: none */
	int64_t floor_ms;               /* intervals that close by here were let go: never opened again; CANDLE_NEVER: none */
	uint64_t qv_top;                /* no slot's turnover has a higher top word */
	ap_i128 vol_top;                /* no slot's volume is above this */
	struct candle_sums above;       /* cur's sums as far as the larger slots have them */

	_Alignas(CANDLE_LINE) struct candle_slot *cur;  /* small slot the last trade went into; NULL: none */
	struct candle_source *source;
	ap_str source_name, symbol;     /* into text */
	uint32_t sure;                  /* so many more trades fit, whatever their size; 0: not known */
	uint32_t no;                    /* in order of first appearance */
	uint8_t bars;
	bool fresh : 1;                 /* cur has trades since it was last settled */
	bool touched : 1;               /* in the list of series to settle */
	bool at_once : 1;               /* a closed slot was touched: larger slots are told with this entry */
	bool untold : 1;                /* one of its small slots is */
	bool visited : 1;               /* filling: in the list of series to look at when the entry ends */
	bool recut : 1;                 /* while loading: it was saved under other calendars */
	bool reprice : 1;               /* filling: a closed slot changed, the filled ones behind it may have to */
	bool unsaved : 1;
	bool session : 1;               /* its calendar has trading hours */
	bool younger : 1;               /* one of its lanes has since_ms */
	char text[];
};
enum { CANDLE_SERIES_LINES = 2 };
_Static_assert(offsetof(struct candle_series, text) <= offsetof(struct candle_series, cur) + CANDLE_LINE, "the second line is the name's");

enum { CANDLE_JUDGED = 8 };
struct candle_judged {                  /* cover and quality of an interval */
	int64_t open_ms, close_ms, covered_ms;  /* close_ms 0: of none */
	enum ap_quality quality;
	bool forming;
};

struct candle_source {
	char name[64];
	uint32_t name_len, no;
	int64_t time_ms, seen_ms;
	int64_t first_ms;               /* the source was first known to be connected */
	int64_t ended_ms;               /* its tape ended here; CANDLE_NEVER: it goes on */
	struct candle_cover cover;
	struct candle_judged judged[CANDLE_JUDGED];     /* the last of each timeframe, since the last beat */
	bool closing;                   /* a close beat is still at work */
	bool behind;                    /* more is due than one entry may put: the next one goes on, whatever it holds */
	bool unsaved;
	uint32_t forming;               /* forming slots of its series */
	uint32_t bars;                  /* of all its series */
	uint32_t untold;                /* series whose larger forming candles wait for the next beat */
	uint32_t quotes_forming, quotes_untold;         /* the same of quote bars */
	int64_t quotes_min_close, quotes_min_drop;      /* when any of those has something to do */
	/* Its series, and when each has something to do: next_close against time_ms, next_drop against seen_ms. */
	struct candle_series **series;
	int64_t *next_close, *next_drop;
	uint32_t n, cap;
	int64_t min_close, min_drop;
};

/* Asks for memory that will be needed soon; nowhere (NULL) is as good as any place. */
static inline void candle_fetch(const void *p, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		__builtin_prefetch((const void *)((uintptr_t)p + i * CANDLE_LINE));
}

/* A list of pointers that only grows while an entry is worked on. */
struct candle_list {
	void **v;
	size_t n, cap;
};

struct candle_counts {
	uint64_t trades, beats, finals, revised, forming, late, refused;
	uint64_t quality[4];
	uint64_t bars;                  /* finished */
	uint64_t conflated;             /* times that larger forming candles of a series waited or were passed over */
};

/*
 * Trades that were announced: by the time one is stepped its series and slot have been fetched. With thousands of series that
 * waiting was most of the work.
 */
enum { CANDLE_SOON = 512, CANDLE_SOON_SERIES = 12, CANDLE_SOON_SLOT = 6 };       /* announced at most; fetched so many before */
struct candle_soon {
	struct { uint64_t hash; struct candle_series *series; } v[CANDLE_SOON];         /* series: NULL while not looked for, or new */
	uint32_t n, at;                 /* there are; the next to be stepped */
};

struct candle_load;
struct quote_state;

struct candle_fold_state {
	struct candle_plan plan;
	struct candle_specs specs;
	struct candle_cals cals;
	uint64_t cals_sum;              /* of the texts they were read from */
	int64_t lateness_ms, window_ms; /* window: of revisions, never shorter than lateness */
	bool fill;
	uint32_t series_max;

	struct candle_series **series;
	uint32_t series_n, series_cap;
	struct { uint64_t hash; struct candle_series *series; } *table; /* open addressing; NULL: free */
	uint32_t table_cap;             /* a power of two */
	struct candle_series *last;     /* of the last trade */
	struct candle_soon soon;

	struct candle_source **source;
	uint32_t source_n;

	struct candle_slot *free_slots; /* linked through `series` */
	struct candle_list chunks;      /* memory of slots */
	uint64_t slots;                 /* in use */

	struct candle_list touched;     /* series to settle */
	struct candle_list visit;       /* filling: series that had trades in this entry */
	struct candle_list tell;        /* slots to tell at the end of the entry; NULL: dropped meanwhile */
	struct candle_list bars;        /* that took trades in this entry, each with its series before it */
	struct candle_list save_bars;   /* the same, to save */
	uint32_t bricks;                /* put in this entry */
	struct candle_list save_series;
	struct candle_list save;        /* slots to save; NULL: dropped meanwhile */
	struct { int64_t ms; size_t len; char digits[20]; } named;      /* the open time that the last name of a field ended with */
	struct ap_buf gone;             /* names of fields to delete, each with its length before it */
	size_t budget;                  /* what the present entry may still put */
	uint32_t behind;                /* sources that are */
	struct ap_rec rec;              /* the candle being put */
	struct candle_counts n;
	struct quote_state *quotes;     /* quote_fold.h */
	struct candle_load *load;       /* while loading */
};

/*
 * The interval of a lane that holds t. The smallest timeframe lies in UTC whatever the calendar, and always has one; for
 * the others false: trading is off until *close_ms.
 */
static inline bool candle_interval(const struct candle_fold_state *st, const struct candle_series *ser, uint32_t lane, int64_t t_ms,
				   int64_t *open_ms, int64_t *close_ms)
{
	if (lane == 0) {
		candle_tf_at(&st->plan.tf[0], t_ms, open_ms, close_ms);
		return true;
	}
	return candle_cal_at(ser->cal, &st->plan.tf[lane], t_ms, open_ms, close_ms);
}

/* --- slot.c: memory, lanes, series, sources --- */
void candle_list_grow(struct candle_list *l);
static inline void candle_list_add(struct candle_list *l, void *p)
{
	if (l->n == l->cap)
		candle_list_grow(l);
	l->v[l->n++] = p;
}
struct candle_series *candle_series_find(const struct candle_fold_state *st, ap_str source, ap_str symbol);
/* Finds the series or makes it. NULL: there are as many as there may be. */
struct candle_series *candle_series_get(struct candle_fold_state *st, ap_str source, ap_str symbol);
/* A trade of this series is announced; another entry begins. */
void candle_series_soon(struct candle_fold_state *st, ap_str source, ap_str symbol);
/* Fetches what the next calls for series of a list will need. */
void candle_series_fetch(const struct candle_list *l, size_t at);
struct candle_series *candle_series_new(struct candle_fold_state *st, ap_str source, ap_str symbol);
struct candle_source *candle_source_get(struct candle_fold_state *st, ap_str name);
void candle_source_adopt(struct candle_source *src, struct candle_series *ser);
/*
 * The place of the first of n slots, ascending, that begins at open_ms or later. v holds pointers to slots of trades or of quotes:
 * either kind begins with its open time.
 */
static inline uint32_t candle_slots_at(const void *v, uint32_t n, int64_t open_ms)
{
	const int64_t *const *open = v;
	uint32_t lo = 0, hi = n;

	/* Mostly it is the newest one. */
	if (n > 0 && *open[n - 1] == open_ms)
		return n - 1;
	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (*open[mid] < open_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
/* The slot of the lane that begins at open_ms, or NULL. */
struct candle_slot *candle_lane_find(const struct candle_lane *l, int64_t open_ms);
/* A new empty forming slot in its place of the lane. */
struct candle_slot *candle_lane_insert(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, int64_t open_ms, int64_t close_ms);
/* Takes a slot out of its lane and gives its memory back. */
void candle_lane_remove(struct candle_fold_state *st, struct candle_series *ser, uint32_t lane, uint32_t at);
void candle_slot_unsaved(struct candle_fold_state *st, struct candle_slot *s);
void candle_series_unsaved(struct candle_fold_state *st, struct candle_series *ser);
void candle_memory_done(struct candle_fold_state *st);

/* --- settle.c: from trades to small slots to larger ones --- */
enum candle_place { PLACE_OK, PLACE_LATE, PLACE_AHEAD, PLACE_RANGE };
enum candle_place candle_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_trade *t);
/* All of the series' trades into its slots, small and larger. */
void candle_settle(struct candle_fold_state *st, struct candle_series *ser);
/* At the end of an entry: settles what was touched, and lists the slots to tell. True: there were few series. */
bool candle_settle_entry(struct candle_fold_state *st);
/* Before a beat: settles the source's series, and lists larger slots that wait to be told. */
void candle_settle_source(struct candle_fold_state *st, struct candle_source *src);
/* Adds a small slot (its prices, and these sums) to the larger slots over it. */
void candle_fold_up(struct candle_fold_state *st, const struct candle_slot *s, const struct candle_sums *sums, bool loading);
/* While loading: whether the sums of the larger slots over a small one can take its own. */
bool candle_fold_fits(const struct candle_fold_state *st, const struct candle_slot *s);
/* The small slot goes away: what it gave is settled. */
void candle_settle_for_good(struct candle_fold_state *st, const struct candle_slot *s);
void candle_tops(struct candle_series *ser, const struct candle_plan *plan);

/* --- close.c: what time does --- */
void candle_due_add(struct candle_fold_state *st, struct candle_series *ser, const struct candle_slot *s);
void candle_due_recompute(struct candle_fold_state *st, struct candle_series *ser);
/* Finishes, fills, revises and drops what is due in the source. */
void candle_source_advance(struct candle_fold_state *st, struct candle_source *src, struct ap_out *out);
/* Whether a beat that moves the source's times to these would have work to do. */
bool candle_source_due(const struct candle_source *src, int64_t time_ms, int64_t seen_ms);
void candle_source_behind(struct candle_fold_state *st, struct candle_source *src, bool behind);
/* At the end of an entry: goes on with the sources that are behind, as far as the entry's share lasts. */
void candle_catch_up(struct candle_fold_state *st, struct ap_out *out);
/* So much of the entry's share was put. */
static inline void candle_spend(struct candle_fold_state *st, size_t n)
{
	st->budget -= n < st->budget ? n : st->budget;
}
/* Tells what changed in the entry: forming candles to live, changed final ones to candle. */
void candle_tell(struct candle_fold_state *st, struct ap_out *out);

/* --- trades that do not follow the clock: ticks.c --- */
void candle_bars_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_trade *t, struct ap_out *out);
/* Ends what the series has open. */
void candle_bars_close(struct candle_fold_state *st, struct candle_series *ser, struct ap_out *out);
/* At the end of an entry; forming bars go out if there are few series. */
void candle_bars_tell(struct candle_fold_state *st, bool few, struct ap_out *out);
/* full, partial or gap, as in close.c, of [open, close). */
enum ap_quality candle_quality(const struct candle_source *src, int64_t open_ms, int64_t close_ms, int64_t covered_ms, bool forming);

/* --- state.c --- */
/* The field of this name is to be deleted with the next save. */
void candle_gone_add(struct candle_fold_state *st, ap_str name);
/* Of what the calendars were read from; where an entry stands in its file does not count. */
uint64_t candle_text_sum(const char *zone, const char *sessions);
void candle_save(void *st, struct ap_saver *s, bool all);
bool candle_load(void *st, ap_str field, ap_str value);
bool candle_loaded(void *st, char *err, size_t errlen);
void candle_load_done(struct candle_fold_state *st);
void candle_forget_field(struct candle_fold_state *st, const struct candle_slot *s);

#endif
