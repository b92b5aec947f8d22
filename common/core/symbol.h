/*
 * symbol.h - canonical symbol names.
 *
 * BASE-QUOTE (spot), BASE-QUOTE-PERP (perpetual), BASE-QUOTE-EXPIRY (dated future), or the bare
 * name where there is no quote ("SPY"). Upper case, [A-Z0-9._] between the dashes. The venue's own spelling is kept beside it.
 */
#ifndef AP_SYMBOL_H
#define AP_SYMBOL_H

#include "base.h"

enum {
	AP_SYMBOL_MAX = 48,     /* bytes of a symbol, canonical or venue spelling */
	AP_SOURCE_MAX = 32,     /* bytes of a source name */
};

/*
 * Turns a venue's spelling into the canonical one: "BTCUSDT", "btc_usdt", "BTC/USDT", "XBT/USD" (kraken),
 * "BTC-USD-SWAP" (okx) ... The source decides the venue's rules (a table); an unknown source gets the
 * general ones. A canonical name maps to itself. Writes at most AP_SYMBOL_MAX bytes, no NUL.
 * Returns the length, 0 when the text is empty, too long or has bytes no symbol has.
 */
size_t ap_symbol_canon(ap_str source, ap_str venue, char out[AP_SYMBOL_MAX]);
/* Does the source have rules of its own, or is it read by the general ones? (Source in canonical spelling.) */
bool ap_symbol_has_rules(ap_str source);
/* Source names are lower case [a-z0-9_.-], 1..AP_SOURCE_MAX; upper case is folded into out. Returns length or 0. */
size_t ap_source_canon(ap_str source, char out[AP_SOURCE_MAX]);

#endif
