/*
 * rec.h - the records that travel through the pipeline.
 *
 * All texts are views. A record knows the entry it came in (`id`) and its place there
 * (`idx`, from 0); these two are not part of its bytes. How the bytes look: wire.h and schema/streams.md.
 */
#ifndef AP_REC_H
#define AP_REC_H

#include "base.h"
#include "dec.h"

enum {
	AP_TRADE_ID_MAX = 64,       /* bytes of a trade id */
	AP_PAYLOAD_MAX = 65536,     /* bytes of one raw message */
	AP_TF_MAX = 16,             /* bytes of a timeframe's name */
	AP_VALUES_MAX = 512,        /* values in one indicator record */
	AP_DETAIL_MAX = 256,        /* bytes of an explanation */
};

enum ap_kind {
	AP_RAW = 1, AP_TRADE, AP_QUOTE, AP_BEAT, AP_CANDLE, AP_INDICATOR, AP_SIGNAL, AP_REJECT, AP_METRIC,
	AP_QUOTEBAR,
	AP_KIND_N
};

enum ap_side { AP_SIDE_UNKNOWN, AP_SIDE_BUY, AP_SIDE_SELL };   /* the taker's */

/* What a source sent, byte for byte. */
struct ap_raw {
	ap_str source;          /* canonical source name */
	ap_str symbol;          /* canonical symbol as far as routing could tell; may be empty */
	ap_str format;          /* which parser reads the payload: "trade" (our NDJSON), "binance", "kraken", ...;
				 * "too_long": a message cut at AP_PAYLOAD_MAX, to be refused for that */
	ap_str payload;
	ap_ts recv;             /* when it was received (a replay: the recorded time, else the tape's) */
	uint64_t seq;           /* names it in the whole data set (origin.h); 0, or without a tag: nothing does */
};

struct ap_trade {
	ap_str source, symbol;  /* canonical */
	ap_str venue_symbol;    /* as the venue spells it */
	ap_str trade_id;        /* empty: the venue gives none */
	ap_ts ts;               /* exchange time */
	ap_dec price, qty;      /* price > 0, qty >= 0 (archives round tiny ones to 0) */
	enum ap_side side;
	uint32_t raw_idx;       /* index of the raw message in its entry (entry id: ap_id_origin) */
	uint32_t sub;           /* which trade of that message, from 0 */
	uint64_t raw_seq;       /* the raw message's seq: stays the same when it is published again under another entry */
	ap_ts recv;             /* the raw message's; 0: unknown */
	bool rounded;           /* price or qty had more than 18 fractional digits */
};

/* The best bid and the best ask of a venue from ts on, until its next quote. */
struct ap_quote {
	ap_str source, symbol, venue_symbol;
	ap_ts ts;               /* exchange time; where the venue gives none: when it was received */
	ap_dec bid, bid_qty;    /* 0 < bid <= ask; quantities >= 0, and 0 also where they are not told */
	ap_dec ask, ask_qty;
	uint32_t raw_idx, sub;
	uint64_t raw_seq;       /* as in a trade */
	ap_ts recv;
	uint64_t seq;           /* the venue's number of this update, which decides between equal times; 0: none */
};

/* Time as data: one a second, per source, in every partition. */
struct ap_beat {
	ap_str source;
	ap_ts ts;               /* the source's time has reached this */
	uint32_t covers_ms;     /* the connection was proven alive for this long before ts; 0: not proven */
	bool alive;             /* proven alive at ts; only then time moves for the source's series */
	bool live;              /* ts is a wall clock reading: usable as a latency probe */
	bool close;             /* end of tape: whatever is forming becomes final now */
};

enum ap_candle_state { AP_FORMING, AP_FINAL, AP_REVISED };
enum ap_quality { AP_Q_FULL, AP_Q_PARTIAL, AP_Q_GAP, AP_Q_FILLED };

struct ap_candle {
	ap_str source, symbol;
	ap_str tf;              /* "1m" "5m" ... */
	int64_t open_ms, close_ms;      /* [open, close), UTC */
	ap_dec open, high, low, close;  /* > 0 */
	ap_dec volume;
	ap_sum quote_volume;    /* exact sum of price x quantity */
	ap_dec vwap;            /* quote_volume / volume, half-even at 12 decimals */
	ap_dec buy_volume, sell_volume; /* by taker side; unknown sides are in neither */
	uint64_t trade_count;
	enum ap_candle_state state;
	uint32_t revision;      /* 0 while forming and when first final */
	int64_t coverage_ms;
	enum ap_quality quality;
};

struct ap_px4 {
	ap_dec open, high, low, close;
};

/* The quotes of one interval. */
struct ap_quotebar {
	ap_str source, symbol, tf;
	int64_t open_ms, close_ms;      /* [open, close), UTC */
	struct ap_px4 bid, ask;
	struct ap_px4 mid;      /* of (bid + ask) / 2, half-even at 18 decimals */
	ap_dec spread_min, spread_max, spread_last;     /* of ask - bid, exact */
	ap_dec spread_mean;     /* weighted by time, half-even at 18 decimals */
	uint64_t weighted_ns;   /* the time it is weighted over: from the first quote to the close (forming: to the last quote) */
	uint32_t resolution_ms; /* quotes closer together than this count as one in the mean; 0: none does */
	uint64_t quote_count, locked_count;     /* locked: bid = ask */
	enum ap_candle_state state;
	uint32_t revision;      /* as in candles */
	int64_t coverage_ms;
	enum ap_quality quality;
};

struct ap_value {
	ap_str name;            /* "SMA", "MACD_SIGNAL", ... */
	ap_str params;          /* "period=20", "fast=12,slow=26,signal=9"; may be empty */
	double v;               /* finite */
};

/* All values of one candle. */
struct ap_indicator {
	ap_str source, symbol, tf;
	int64_t open_ms;        /* of the candle */
	uint32_t revision;      /* of the candle it was computed from */
	bool provisional;       /* of a forming candle */
	uint32_t n;
	const struct ap_value *values;  /* decoder: valid until its next call; encoder: the caller's */
};

enum ap_signal_kind { AP_SIG_SIGNAL, AP_SIG_PATTERN, AP_SIG_OUTCOME };
enum ap_direction { AP_DIR_NONE, AP_DIR_LONG, AP_DIR_SHORT };

struct ap_signal {
	ap_str source, symbol, tf;
	int64_t open_ms;        /* of the candle that fired it */
	uint32_t revision;
	enum ap_signal_kind kind;
	ap_str name;            /* the rule's, the pattern's */
	enum ap_direction direction;
	bool provisional;
	double strength;        /* pattern: -200..200; signal: confidence 0..1; outcome: return in R */
	double entry, stop, target;     /* prices; 0: none */
	ap_str inputs;          /* JSON object: the inputs' values; outcome: what happened */
};

enum ap_status { AP_ST_VALID, AP_ST_INVALID, AP_ST_DUPLICATE, AP_ST_OUTLIER, AP_ST_LATE, AP_ST_POISON, AP_STATUS_N };

/* What did not go on, with the reason. */
struct ap_reject {
	ap_id origin;           /* entry of the raw message */
	uint32_t raw_idx, sub;  /* which message of it, which trade of that */
	uint64_t raw_seq;       /* the message's seq, as in a trade; 0: unknown */
	enum ap_status status;
	ap_str stage;           /* who refused it: "normalize", "candle", ... */
	ap_str reason;          /* a word for counting: "bad_json", "price_not_positive", ... */
	ap_str detail;          /* a sentence for people: which field, which bounds */
	ap_str source, symbol;  /* as far as known */
	ap_str trade_id;
	ap_ts ts;               /* event time; 0: unknown */
	ap_ts recv;             /* receive time; 0: unknown */
	ap_str data;            /* the payload, or the refused record as JSON */
	bool quote;             /* what was refused is a quote; false: a trade, or nobody knows */
};

enum ap_metric_type { AP_M_COUNTER, AP_M_GAUGE };

struct ap_metric {
	ap_str component;       /* "ap-candle" */
	ap_str instance;        /* "candle-0", a process; may be empty */
	ap_str name;            /* "records_in_total" */
	ap_str labels;          /* "part=\"3\",stream=\"tick\"" or empty: Prometheus label syntax */
	enum ap_metric_type type;
	double value;           /* finite */
	ap_ts ts;
};

struct ap_rec {
	enum ap_kind kind;
	ap_id id;               /* entry it came in; 0-0: none yet */
	uint32_t idx;           /* place in that entry, from 0 */
	union {
		struct ap_raw raw;
		struct ap_trade trade;
		struct ap_quote quote;
		struct ap_beat beat;
		struct ap_candle candle;
		struct ap_indicator indicator;
		struct ap_signal signal;
		struct ap_reject reject;
		struct ap_metric metric;
		struct ap_quotebar quotebar;
	} u;
};

/* Words for the enums, as they stand in JSON, in PostgreSQL and in logs ("buy", "final", "gap", "late" ...). */
const char *ap_kind_name(enum ap_kind k);
const char *ap_side_name(enum ap_side s);               /* "unknown" "buy" "sell" */
const char *ap_candle_state_name(enum ap_candle_state s);
const char *ap_quality_name(enum ap_quality q);
const char *ap_status_name(enum ap_status s);
const char *ap_signal_kind_name(enum ap_signal_kind k);
const char *ap_direction_name(enum ap_direction d);     /* "none" "long" "short" */
/* Whether a bar that does not follow the clock may be called so: a letter first, 1 to AP_TF_MAX of a-z 0-9 . _ - */
bool ap_bar_name_ok(ap_str name);
/* |target - entry| / |entry - stop|; NAN where a price is missing or the stop is the entry. */
double ap_signal_risk_reward(const struct ap_signal *s);

#endif
