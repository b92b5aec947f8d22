/*
 * bars.c - bars by trades, volume, turnover, range, bricks, imbalance and runs.
 *
 * Imbalance and runs after Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 2, with fixed thresholds
 * instead of expectations that feed on themselves. A trade whose side is not told takes the tick rule's: up buys, down
 * sells, unchanged as before, and the first one buys.
 */
#include "bars.h"

#include <assert.h>

void candle_bar_init(struct candle_bar *b, const struct candle_bar_spec *spec)
{
	memset(b, 0, sizeof *b);
	b->spec = spec;
	b->prev_open_ms = -1;
}

static bool trade_sells(const struct candle_bar *b, const struct ap_trade *t)
{
	if (t->side != AP_SIDE_UNKNOWN)
		return t->side == AP_SIDE_SELL;
	if (!b->seen || t->price.e18 > b->last_price.e18)
		return false;
	return t->price.e18 < b->last_price.e18 ? true : b->sell;
}

static void bar_start(struct candle_bar *b, int64_t ms, ap_dec price)
{
	b->any = true;
	b->open_ms = ms > b->prev_open_ms ? ms : b->prev_open_ms + 1;
	b->last_ms = b->open_ms;
	candle_ohlc_start(&b->p, price);
	memset(&b->s, 0, sizeof b->s);
	memset(&b->buys, 0, sizeof b->buys);
	memset(&b->sells, 0, sizeof b->sells);
}

void candle_bar_take(struct candle_bar *b, const struct ap_trade *t)
{
	const int64_t ms = t->ts.ns / 1000000;

	b->sell = trade_sells(b, t);
	b->seen = true;
	b->last_price = t->price;
	if (!b->any)
		bar_start(b, ms, t->price);
	if (ms > b->last_ms)
		b->last_ms = ms;
	candle_ohlc_reach(&b->p, t->price, t->price);
	b->p.c = t->price;
	candle_sums_take(&b->s, t);
	candle_sums_take(b->sell ? &b->sells : &b->buys, t);
	b->changed = true;
	if (b->spec->kind == CANDLE_BAR_RENKO && !b->anchored) {
		/* On the grid of the size, so that bricks do not depend on where the tape began. */
		b->level.e18 = t->price.e18 - t->price.e18 % b->spec->size.e18;
		b->anchored = true;
	}
}

/* --- has it reached its size? ----------------------------------------------- */

static ap_i128 count_e18(uint64_t n)
{
	return (ap_i128)n * 1000000000000000000;
}

/* |a - b| >= size for turnovers: a >= b + size or the other way round. */
static bool apart(const ap_sum *a, const ap_sum *b, const ap_sum *size)
{
	ap_sum x = *a, y = *b;

	candle_sum_add(&x, size);
	candle_sum_add(&y, size);
	return ap_sum_cmp(a, &y) >= 0 || ap_sum_cmp(b, &x) >= 0;
}

static ap_i128 abs128(ap_i128 v)
{
	return v < 0 ? -v : v;
}

static ap_i128 larger(ap_i128 a, ap_i128 b)
{
	return a > b ? a : b;
}

static bool bar_full(const struct candle_bar *b)
{
	const ap_i128 size = b->spec->size.e18;
	const struct candle_sums *u = &b->buys, *d = &b->sells;

	switch (b->spec->kind) {
	case CANDLE_BAR_TICK: return count_e18(b->s.n) >= size;
	case CANDLE_BAR_VOLUME: return b->s.vol_e18 >= size;
	case CANDLE_BAR_DOLLAR: return ap_sum_cmp(&b->s.qv, &b->spec->size_qv) >= 0;
	case CANDLE_BAR_RANGE: return b->p.h.e18 - b->p.l.e18 >= size;
	case CANDLE_BAR_TICK_IMBALANCE: return abs128(count_e18(u->n) - count_e18(d->n)) >= size;
	case CANDLE_BAR_VOLUME_IMBALANCE: return abs128(u->vol_e18 - d->vol_e18) >= size;
	case CANDLE_BAR_DOLLAR_IMBALANCE: return apart(&u->qv, &d->qv, &b->spec->size_qv);
	case CANDLE_BAR_TICK_RUNS: return count_e18(u->n > d->n ? u->n : d->n) >= size;
	case CANDLE_BAR_VOLUME_RUNS: return larger(u->vol_e18, d->vol_e18) >= size;
	case CANDLE_BAR_DOLLAR_RUNS:
		return ap_sum_cmp(&u->qv, &b->spec->size_qv) >= 0 || ap_sum_cmp(&d->qv, &b->spec->size_qv) >= 0;
	case CANDLE_BAR_RENKO:
	case CANDLE_BAR_N: break;
	}
	return false;
}

/* Far below where sums would wrap a bar ends, whatever its size. */
static bool bar_heavy(const struct candle_bar *b)
{
	return !candle_sums_fit(b->s.vol_e18, 0, b->s.qv.w[3], 0);
}

/* --- finishing ---------------------------------------------------------------- */

bool candle_bar_now(const struct candle_bar *b, struct candle_bar_done *out)
{
	if (!b->any)
		return false;
	out->p = b->p;
	out->s = b->s;
	out->open_ms = b->open_ms;
	out->close_ms = b->last_ms + 1;
	return true;
}

void candle_bar_cut(struct candle_bar *b)
{
	if (b->any)
		b->prev_open_ms = b->open_ms;
	b->any = false;
	b->changed = false;
}

/* Where the next brick ends; false: the price has not come that far. One size onwards, two sizes back. */
static bool brick_next(const struct candle_bar *b, ap_dec *open, ap_dec *close)
{
	const ap_i128 size = b->spec->size.e18, level = b->level.e18, price = b->p.c.e18;
	const ap_i128 up = level + (b->dir < 0 ? 2 * size : size), down = level - (b->dir > 0 ? 2 * size : size);

	if (price >= up)
		close->e18 = up;
	else if (price <= down && down > 0)
		close->e18 = down;
	else
		return false;
	open->e18 = close->e18 > level ? close->e18 - size : close->e18 + size;
	return true;
}

static bool renko_next(struct candle_bar *b, struct candle_bar_done *out)
{
	ap_dec open, close;
	int64_t ms = b->last_ms;
	const ap_dec price = b->p.c;

	if (!b->any || !brick_next(b, &open, &close))
		return false;
	(void)candle_bar_now(b, out);
	candle_ohlc_start(&out->p, open);
	out->p.c = close;
	candle_ohlc_reach(&out->p, close, close);
	b->dir = close.e18 > open.e18 ? 1 : -1;
	b->level = close;
	candle_bar_cut(b);
	/* What is left of the way belongs to the next brick, the trades to this one. */
	if (brick_next(&(struct candle_bar){ .spec = b->spec, .level = b->level, .dir = b->dir, .p = { .c = price } }, &open, &close)) {
		bar_start(b, ms, price);
		b->changed = true;
	}
	return true;
}

bool candle_bar_next(struct candle_bar *b, struct candle_bar_done *out)
{
	if (b->spec->kind == CANDLE_BAR_RENKO && !bar_heavy(b))
		return renko_next(b, out);
	if (!b->any || !(bar_full(b) || bar_heavy(b)))
		return false;
	(void)candle_bar_now(b, out);
	candle_bar_cut(b);
	return true;
}
