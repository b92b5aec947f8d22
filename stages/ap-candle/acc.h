/*
 * acc.h - order-free accumulators: what a candle knows about its trades.
 *
 * Any order of the same trades gives the same bytes: sums, extremes and counts do not care, and open and close are chosen
 * by key (time, trade id, and only then arrival). Knows no interval, no series, no time of day.
 */
#ifndef AP_CANDLE_ACC_H
#define AP_CANDLE_ACC_H

#include "common/core/rec.h"

/* Where a trade stands among the others of its interval. */
struct candle_key {
	int64_t ts_ns;
	uint8_t len;                    /* of the trade id; 0: none */
	char id[AP_TRADE_ID_MAX];
};

/* Sums only: what many trades add up to. */
struct candle_sums {
	ap_i128 vol_e18, buy_e18, sell_e18;
	ap_sum qv;
	uint64_t n;                     /* trades; 0: the rest is zero too */
};

/* Prices; meaningless while nothing was taken. */
struct candle_ohlc {
	ap_dec h, l, c, o;
};

/* The order of two ids of one time. */
int candle_id_cmp(ap_str a, ap_str b);

/*
 * The order of two trades of a series: by time, then by id. No id comes first, then integers by value, then all other ids
 * bytewise. 0: only arrival can tell.
 */
static inline int candle_key_cmp(int64_t a_ns, ap_str a_id, const struct candle_key *b)
{
	if (a_ns != b->ts_ns)
		return a_ns < b->ts_ns ? -1 : 1;
	return candle_id_cmp(a_id, ap_str_n(b->id, b->len));
}

/* Copies a text. An ordinary id is its first and its last eight bytes, which may overlap, and takes no call. */
static inline void candle_text_copy(void *to, ap_str s)
{
	if (s.len - 8 <= 16 - 8) {
		memcpy(to, s.p, 8);
		memcpy((char *)to + s.len - 8, s.p + s.len - 8, 8);
	} else if (s.len > 0) {
		memcpy(to, s.p, s.len);
	}
}

/* An id is AP_TRADE_ID_MAX bytes at most. */
static inline void candle_key_set(struct candle_key *k, int64_t ts_ns, ap_str id)
{
	k->ts_ns = ts_ns;
	k->len = (uint8_t)id.len;
	candle_text_copy(k->id, id);
}

enum { CANDLE_QV_TOP_BITS = 62, CANDLE_VOL_BITS = 126 };

/* *s += lo + hi * 2^128. */
static inline void candle_sum_words(ap_sum *s, ap_u128 lo, ap_u128 hi)
{
	const ap_u128 low = ((ap_u128)s->w[1] << 64 | s->w[0]) + lo;
	const ap_u128 high = ((ap_u128)s->w[3] << 64 | s->w[2]) + hi + (low < lo);

	s->w[0] = (uint64_t)low;
	s->w[1] = (uint64_t)(low >> 64);
	s->w[2] = (uint64_t)high;
	s->w[3] = (uint64_t)(high >> 64);
}

/* *s += price * qty for price > 0, qty >= 0. The caller knows that it fits (candle_sums_fit). */
static inline void candle_sum_addmul(ap_sum *s, ap_dec price, ap_dec qty)
{
	const ap_u128 a = (ap_u128)price.e18, b = (ap_u128)qty.e18;
	const uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
	const ap_u128 p00 = (ap_u128)a0 * b0, p10 = (ap_u128)a1 * b0;
	ap_u128 p01, p11, mid;

	/* Most quantities, below 18.4, fit one word. */
	if (b1 == 0) {
		mid = p10 + (uint64_t)(p00 >> 64);
		candle_sum_words(s, mid << 64 | (uint64_t)p00, mid >> 64);
		return;
	}
	p01 = (ap_u128)a0 * b1;
	p11 = (ap_u128)a1 * b1;
	mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;
	candle_sum_words(s, mid << 64 | (uint64_t)p00, p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64));
}

/* *s += *t for sums that are not negative and fit. */
static inline void candle_sum_add(ap_sum *s, const ap_sum *t)
{
	candle_sum_words(s, (ap_u128)t->w[1] << 64 | t->w[0], (ap_u128)t->w[3] << 64 | t->w[2]);
}

/* a - b, where b is not more. */
static inline ap_sum candle_sum_less(const ap_sum *a, const ap_sum *b)
{
	const ap_u128 a0 = (ap_u128)a->w[1] << 64 | a->w[0], a1 = (ap_u128)a->w[3] << 64 | a->w[2];
	const ap_u128 b0 = (ap_u128)b->w[1] << 64 | b->w[0], b1 = (ap_u128)b->w[3] << 64 | b->w[2];
	const ap_u128 low = a0 - b0, high = a1 - b1 - (a0 < b0);

	return (ap_sum){ { (uint64_t)low, (uint64_t)(low >> 64), (uint64_t)high, (uint64_t)(high >> 64) } };
}

/* qv / vol, half-even at 12 decimals; 0 where there is no volume. Like ap_sum_div, faster for quotients of ordinary size. */
ap_dec candle_vwap(const ap_sum *qv, ap_i128 vol_e18);

static inline void candle_sums_take(struct candle_sums *s, const struct ap_trade *t)
{
	s->vol_e18 += t->qty.e18;
	if (t->side == AP_SIDE_BUY)
		s->buy_e18 += t->qty.e18;
	else if (t->side == AP_SIDE_SELL)
		s->sell_e18 += t->qty.e18;
	candle_sum_addmul(&s->qv, t->price, t->qty);
	s->n++;
}

static inline void candle_sums_add(struct candle_sums *s, const struct candle_sums *t)
{
	s->vol_e18 += t->vol_e18;
	s->buy_e18 += t->buy_e18;
	s->sell_e18 += t->sell_e18;
	candle_sum_add(&s->qv, &t->qv);
	s->n += t->n;
}

/* What a has beyond b, an earlier state of it. */
static inline struct candle_sums candle_sums_less(const struct candle_sums *a, const struct candle_sums *b)
{
	return (struct candle_sums){
		.vol_e18 = a->vol_e18 - b->vol_e18, .buy_e18 = a->buy_e18 - b->buy_e18, .sell_e18 = a->sell_e18 - b->sell_e18,
		.qv = candle_sum_less(&a->qv, &b->qv), .n = a->n - b->n
	};
}

/* With volumes and turnovers of these sizes, how many more trades of any size still add up without wrapping. */
static inline uint32_t candle_sums_room(ap_i128 vol_a, ap_i128 vol_b, uint64_t qv_top_a, uint64_t qv_top_b)
{
	const ap_i128 one = (ap_i128)1 << 120;          /* > 10^36: the largest quantity */
	const ap_i128 vol_left = ((ap_i128)1 << CANDLE_VOL_BITS) - 1 - vol_a - vol_b;
	/* The largest product is below 2^240: 2^48 in the top word, and one for each carry. */
	const uint64_t qv_one = ((uint64_t)1 << 48) + 2, qv_all = ((uint64_t)1 << CANDLE_QV_TOP_BITS) - 1;
	uint64_t by_vol, by_qv;

	if (vol_left < one || qv_top_a + qv_top_b > qv_all)
		return 0;
	by_vol = (uint64_t)(vol_left >> 120);
	by_qv = (qv_all - qv_top_a - qv_top_b) / qv_one;
	return (uint32_t)(by_vol < by_qv ? by_vol : by_qv);
}

static inline bool candle_sums_fit(ap_i128 vol_a, ap_i128 vol_b, uint64_t qv_top_a, uint64_t qv_top_b)
{
	return candle_sums_room(vol_a, vol_b, qv_top_a, qv_top_b) > 0;
}

static inline void candle_ohlc_start(struct candle_ohlc *p, ap_dec price)
{
	p->o = p->h = p->l = p->c = price;
}

static inline void candle_ohlc_reach(struct candle_ohlc *p, ap_dec high, ap_dec low)
{
	if (high.e18 > p->h.e18)
		p->h = high;
	if (low.e18 < p->l.e18)
		p->l = low;
}

#endif
