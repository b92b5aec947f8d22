/*
 * indicators.h - the indicator stage: final and revised candles in, indicator values out.
 *
 *   candle     candles of one partition
 *   indicator  the values of each candle, all in one record; of every candle touched when one is revised
 *
 * Pure: no I/O, no clock. One state per series and timeframe; 16 candles can be put right.
 */
#ifndef AP_INDICATORS_H
#define AP_INDICATORS_H

#include "common/core/stage.h"

extern const struct ap_stage ap_indicators_stage;

#endif
