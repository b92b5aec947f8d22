/*
 * ticks.c - the fold's side of bars that do not follow the clock: when they are fed, told and ended.
 *
 * They see the trades that time candles took, in the order of the stream. A close beat of the source ends them.
 */
#include "fold.h"

static void bar_put(struct candle_fold_state *st, const struct candle_series *ser, const struct candle_bar *b,
		    const struct candle_bar_done *d, enum ap_stream to, struct ap_out *out)
{
	struct ap_rec *rec = &st->rec;
	struct ap_candle *c = &rec->u.candle;

	rec->kind = AP_CANDLE;
	*c = (struct ap_candle){
		.source = ser->source_name, .symbol = ser->symbol, .tf = ap_str_c(b->spec->name), .open_ms = d->open_ms, .close_ms = d->close_ms,
		.open = d->p.o, .high = d->p.h, .low = d->p.l, .close = d->p.c, .volume = { d->s.vol_e18 }, .quote_volume = d->s.qv,
		.vwap = candle_vwap(&d->s.qv, d->s.vol_e18), .buy_volume = { d->s.buy_e18 }, .sell_volume = { d->s.sell_e18 },
		.trade_count = d->s.n, .state = to == AP_S_LIVE ? AP_FORMING : AP_FINAL,
	};
	c->coverage_ms = candle_cover_ms(&ser->source->cover, c->open_ms, c->close_ms);
	/* A bar ends between two beats: the part that beats have told of is judged. */
	c->quality = candle_quality(ser->source, c->open_ms, c->close_ms, c->coverage_ms, true);
	ap_out_put(out, to, rec);
	if (to == AP_S_LIVE)
		st->n.forming++;
	else
		st->n.bars++;
}

static void bar_touched(struct candle_fold_state *st, struct candle_series *ser, struct candle_bar *b)
{
	if (!b->listed) {
		b->listed = true;
		candle_list_add(&st->bars, ser);
		candle_list_add(&st->bars, b);
	}
	if (!b->unsaved) {
		b->unsaved = true;
		candle_list_add(&st->save_bars, ser);
		candle_list_add(&st->save_bars, b);
	}
}

void candle_bars_take(struct candle_fold_state *st, struct candle_series *ser, const struct ap_trade *t, struct ap_out *out)
{
	struct candle_bar_done done;

	for (uint32_t i = 0; i < ser->bars; i++) {
		struct candle_bar *b = &ser->bar[i];
		const bool renko = b->spec->kind == CANDLE_BAR_RENKO;

		candle_bar_take(b, t);
		bar_touched(st, ser, b);
		while ((!renko || st->bricks < CANDLE_BRICKS_MAX) && candle_bar_next(b, &done)) {
			bar_put(st, ser, b, &done, AP_S_CANDLE, out);
			st->bricks += renko;
		}
	}
}

void candle_bars_close(struct candle_fold_state *st, struct candle_series *ser, struct ap_out *out)
{
	struct candle_bar_done done;

	for (uint32_t i = 0; i < ser->bars; i++) {
		struct candle_bar *b = &ser->bar[i];

		if (!candle_bar_now(b, &done))
			continue;
		bar_put(st, ser, b, &done, AP_S_CANDLE, out);
		candle_spend(st, 1);
		candle_bar_cut(b);
		bar_touched(st, ser, b);
	}
}

void candle_bars_tell(struct candle_fold_state *st, bool few, struct ap_out *out)
{
	struct candle_bar_done done;

	for (size_t i = 0; i < st->bars.n; i += 2) {
		const struct candle_series *ser = st->bars.v[i];
		struct candle_bar *b = st->bars.v[i + 1];

		if (few && b->changed && candle_bar_now(b, &done))
			bar_put(st, ser, b, &done, AP_S_LIVE, out);
		b->changed = b->listed = false;
	}
	st->bars.n = 0;
	st->bricks = 0;
}
