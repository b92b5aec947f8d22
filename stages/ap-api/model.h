/*
 * model.h - what the API knows without asking anyone: the newest candles, values and signals of every series.
 *
 * Pure and bounded: so many series, so many candles in all. Series that nobody asks for keep a few candles; the first
 * request for one widens it (the shell then fills it from PostgreSQL). What has to go is what was used longest ago.
 */
#ifndef AP_API_MODEL_H
#define AP_API_MODEL_H

#include "../../common/core/symbol.h"
#include "names.h"
#include "qbar.h"
#include "ring.h"

enum {
	API_TFS_MAX = 32,           /* timeframes of one series, bars that do not follow the clock included */
	API_RING_IDLE = 8,          /* candles kept while nobody asks */
	API_RING_WIDE = 500,        /* candles kept once somebody did */
	API_SIGNALS_MAX = 100,      /* signals kept per series */
	API_SIGNAL_NAME = 64,
	API_SIGNAL_INPUTS = 512,
};

struct api_signal {
	struct ap_signal s;         /* texts point into this struct and its series */
	char name[API_SIGNAL_NAME];
	char *inputs;               /* owned, JSON object; NULL: none */
};

struct api_tf {
	char tf[AP_TF_MAX + 1];
	struct api_ring ring;
	struct api_qbars quotes;    /* the newest quote bars */
	bool wide;                  /* somebody asked: keeps API_RING_WIDE candles */
	bool warm;                  /* history was loaded from PostgreSQL: nothing is missing between its candles */
	bool complete;              /* warm, and PostgreSQL had no older ones */
	uint64_t used;              /* when it was last asked for, by the model's counter */
};

struct api_series {
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1];
	struct api_tf *tf[API_TFS_MAX];     /* owned; the first ntf are there */
	unsigned ntf;
	struct api_signal *sig;     /* owned ring of API_SIGNALS_MAX; NULL: none yet */
	unsigned sig_n, sig_next;
	int64_t trade_ns;           /* time of the newest trade seen; 0: none */
	ap_dec trade_price;
	uint64_t trades;            /* trades seen since start */
	struct api_quote quote;     /* the newest quote */
	uint64_t touched;           /* when it last changed or was asked for */
	uint32_t chain;             /* next series of its bucket + 1; 0: end */
};

struct api_model {
	struct api_series **series; /* owned, dense */
	uint32_t n, cap, max;
	uint32_t *bucket;           /* index + 1 of a chain's first series */
	uint32_t nbucket;           /* a power of two */
	struct api_names names;
	uint64_t clock;             /* counts uses, not time */
	uint64_t bars_n;            /* candles held in all */
	uint64_t bars_max;
	uint64_t evicted_series, evicted_bars;  /* counters */
};

/* series_max and bars_max bound it. False: out of memory. */
bool api_model_init(struct api_model *m, uint32_t series_max, uint64_t bars_max);
void api_model_done(struct api_model *m);

/* The series, made if make is set (the least used one goes when there is no room). NULL: unknown, or names too long. */
struct api_series *api_model_series(struct api_model *m, ap_str source, ap_str symbol, bool make);
/* The series of this symbol with the newest trade (or candle); with `source` given, of that source alone. NULL: none. */
struct api_series *api_model_find(struct api_model *m, ap_str source, ap_str symbol);
/* A timeframe of a series, made if make is set. */
struct api_tf *api_model_tf(struct api_model *m, struct api_series *s, ap_str tf, bool make);
/* Marks a timeframe as asked for: it is kept wide from now on. */
void api_model_use(struct api_model *m, struct api_series *s, struct api_tf *t);

/* Takes a record; each returns what it changed (timeframe, signal), or NULL when nothing changed. */
struct api_tf *api_model_candle(struct api_model *m, const struct ap_candle *c, struct api_series **series);
struct api_tf *api_model_indicator(struct api_model *m, const struct ap_indicator *i, struct api_series **series);
const struct api_signal *api_model_signal(struct api_model *m, const struct ap_signal *g);
void api_model_trade(struct api_model *m, const struct ap_trade *t);
void api_model_quote(struct api_model *m, const struct ap_quote *q);
struct api_tf *api_model_quotebar(struct api_model *m, const struct ap_quotebar *q, struct api_series **series);
/* The series of this symbol (and source, where given) with the newest quote; NULL: none has quoted. */
const struct api_series *api_model_quoted(struct api_model *m, ap_str source, ap_str symbol);

/* Replaces a timeframe's candles by history (rings own their bars; `from` is left empty), then adds what was newer here. */
void api_model_warm(struct api_model *m, struct api_series *s, struct api_tf *t, struct api_ring *from, bool complete);
/* Copies the newer and unknown candles of a timeframe, with their values, into `into`. */
void api_model_overlay(const struct api_tf *t, struct api_ring *into);
/* A gap in the streams was seen: histories must be loaded again before they are trusted. */
void api_model_cool(struct api_model *m);

/* i-th newest signal of a series, i < s->sig_n. */
const struct api_signal *api_series_signal(const struct api_series *s, unsigned i);
/* Values of one candle in one block, for api_ring_put_vals; NULL: out of memory. */
struct api_vals *api_vals_new(struct api_names *names, const struct ap_value *v, uint32_t n, uint32_t revision, bool provisional);

#endif
