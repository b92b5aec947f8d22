/*
 * subs.h - what one WebSocket client asked for, and what its messages mean.
 *
 * Pure. A client without subscriptions gets everything; the first subscription narrows it. Symbols are taken in canonical and
 * in venue spelling and kept canonical.
 */
#ifndef AP_API_SUBS_H
#define AP_API_SUBS_H

#include "../../common/core/json.h"
#include "../../common/core/symbol.h"
#include "../../common/core/rec.h"

enum { API_SUBS_MAX = 256 };

struct api_sub {
	char symbol[AP_SYMBOL_MAX + 1];     /* "": every symbol */
	char source[AP_SOURCE_MAX + 1];     /* "": every source */
	char timeframe[AP_TF_MAX + 1];      /* "": every timeframe */
};

struct api_subs {
	struct api_sub *sub;    /* owned */
	uint32_t n, cap;
};

void api_subs_done(struct api_subs *s);
/* Whether updates of this series and timeframe go to the client. */
bool api_subs_match(const struct api_subs *s, ap_str source, ap_str symbol, ap_str tf);
/* False: already there (nothing changes), or API_SUBS_MAX reached (*full is set). */
bool api_subs_add(struct api_subs *s, const struct api_sub *sub, bool *full);
bool api_subs_remove(struct api_subs *s, const struct api_sub *sub);

enum api_action { API_A_SUBSCRIBE, API_A_UNSUBSCRIBE, API_A_PING, API_A_BAD };

struct api_request {
	enum api_action action;
	struct api_sub *sub;            /* owned: free() it; nsub of them */
	uint32_t nsub;
	char id[64];                    /* JSON text of the client's "id" (string or number), echoed; "": none */
	char err[160];                  /* API_A_BAD: a sentence */
};

/*
 * Reads {"action":"subscribe","symbol":"BTC-USDT","timeframe":"1m","source":"binance","id":1}. symbol and timeframe may be
 * lists (every pair is meant) and may be left out (all of them); "symbols" and "timeframes" are taken too.
 * toks: workspace.
 */
void api_request_parse(struct api_request *r, ap_str text, struct ap_jtok *toks, uint32_t cap);

#endif
