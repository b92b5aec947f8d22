/*
 * candle.h - the candle stage: trades and beats in, exact candles out.
 *
 *   tick    trades and beats of one partition
 *   candle  final and revised candles
 *   live    forming candles, the newest state of each once per entry
 *   reject  trades that came too late or cannot be placed
 *
 * Pure: no I/O, no clock. Time moves only by the beats of a trade's source.
 */
#ifndef AP_CANDLE_H
#define AP_CANDLE_H

#include "cal.h"
#include "common/core/stage.h"

/* Its `open` knows only UTC and POSIX rules as zones; a program that can read files replaces it. */
extern const struct ap_stage ap_candle_stage;
/* The same with a way to tzdata. */
void *candle_open_zones(const struct ap_conf *conf, candle_zone_reader *read, void *ctx, char *err, size_t errlen);

#endif
