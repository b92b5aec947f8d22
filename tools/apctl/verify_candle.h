/*
 * verify_candle.h - candles computed again from trades, the plain way: one trade after the other, one interval at a time.
 *
 * Shares nothing with ap-candle but the decimals. Pure. Trades come ordered by microsecond (as PostgreSQL keeps time); within
 * one, order is decided here: by nanosecond, trade id, arrival.
 */
#ifndef AP_VERIFY_CANDLE_H
#define AP_VERIFY_CANDLE_H

#include "../../common/core/rec.h"

struct verify_tf {
	char name[AP_TF_MAX];
	char unit;              /* one of s m h d w M */
	int64_t count;
};

/* "15m"; false: not a timeframe. */
bool verify_tf_parse(const char *name, struct verify_tf *tf);
/* The interval of UTC that holds t_ms. Days are counted from 1970-01-02 where there are several, weeks begin on Monday. */
void verify_tf_at(const struct verify_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms);

struct verify_trade {
	int64_t ns;             /* exchange time */
	ap_str id;              /* empty: none */
	uint64_t arrival[4];    /* entry id (ms, seq), message in it, trade in that: compared one after the other */
	ap_dec price, qty;
	char side;              /* b buy, s sell, else unknown */
};

struct verify_candle {
	int64_t open_ms, close_ms;
	ap_dec open, high, low, close, volume, vwap, buy_volume, sell_volume;
	ap_sum quote_volume;
	uint64_t trade_count;
};

/* A trade as a candle remembers it to place others before or after it. */
struct verify_key {
	int64_t ns;
	uint64_t arrival[4];
	size_t id_len;
	char id[AP_TRADE_ID_MAX];
};

struct verify_build {
	struct verify_tf tf;
	bool any;
	bool overflow;          /* the sums left the range of exact decimals */
	struct verify_candle c;
	struct verify_key first, last;
};

/* Adds a trade. True: it begins another interval, and the candle before it is in *done. */
bool verify_build_add(struct verify_build *b, const struct verify_trade *t, struct verify_candle *done);
/* The candle that is being built, if there is one; it is forgotten. */
bool verify_build_end(struct verify_build *b, struct verify_candle *done);

/* Calls fn for each field that differs, with both values as text. */
typedef void verify_field_fn(void *ctx, const char *field, const char *expected, const char *stored);
void verify_candle_diff(const struct verify_candle *expected, const struct verify_candle *stored, verify_field_fn *fn, void *ctx);

#endif
