/*
 * normalize.h - the normalize stage: raw messages and beats in, trades, quotes and beats out, the rest to reject.
 *
 *   raw     what sources sent, byte for byte, and beats
 *   tick    valid trades and quotes with canonical names, and the beats, in the order of raw
 *   reject  messages and trades that were refused, each with a reason word and a sentence
 *
 * Pure: no I/O, no clock. A trade is valid when
 *   source      is a name of [a-z0-9_.-], 1 to 32 bytes (upper case is folded)
 *   symbol      is a name of [A-Za-z0-9._/:-], 1 to 48 bytes, that has a canonical form (symbol.h)
 *   price       is a decimal above 0, below 1e18; more than 18 fractional digits are rounded half-even and counted
 *   quantity    is the same, or 0: real tapes have prints of no size, and their price did trade
 *   timestamp   lies between 2000-01-01 and data.max_future_ms after the message was received
 *   trade id    is 0 to 64 bytes without control characters
 * and its id was not seen in its series within normalize.dedup_ms (dedup.h), and its price is no outlier (screen.h).
 * Only accepted trades are remembered: what was refused may be sent again. Without ids nothing is guessed.
 *
 * A quote is valid when its names and its time are (a venue that stamps no quotes has them stamped by their receipt), bid and
 * ask are decimals above 0, bid <= ask (`crossed` otherwise; equal is `locked`: allowed and counted), sizes, where they are
 * told, are 0 or more, and it is not the series' last quote once more (lastq.h). Quotes are not screened for outliers: one
 * far from the market is real, and is told by its spread. With normalize.quotes off they are passed by.
 */
#ifndef AP_NORMALIZE_H
#define AP_NORMALIZE_H

#include "common/core/stage.h"

extern const struct ap_stage ap_normalize_stage;

#endif
