/*
 * qbar.h - quote bars of one (source, symbol, timeframe), in order of their open time, and how they read as JSON.
 *
 * Pure. The same rules as ring.h: closed beats forming, a higher revision beats a lower one, whatever came first.
 */
#ifndef AP_API_QBAR_H
#define AP_API_QBAR_H

#include "../../common/core/buf.h"
#include "../../common/core/rec.h"

enum { API_QBARS_IDLE = 8 };            /* kept for every series and timeframe */

struct api_qbars {
	struct ap_quotebar *bar;        /* owned, ascending by open_ms; texts belong to the series */
	uint32_t n, cap;
	uint32_t max;                   /* most bars kept; >= 1 */
};

/* A series' newest quote. */
struct api_quote {
	int64_t ns;                     /* its time; 0: none yet */
	uint64_t seq;
	ap_dec bid, bid_qty, ask, ask_qty;
	uint64_t n;                     /* quotes seen since start */
};

void api_qbars_init(struct api_qbars *r, uint32_t max);
void api_qbars_done(struct api_qbars *r);
/* Takes a bar. False: it changes nothing (older revision, forming after closed, older than everything in a full ring, no memory). */
bool api_qbars_put(struct api_qbars *r, const struct ap_quotebar *q);

/* One bar as an object: {"source":...,"open_time":...,"bid":{"open":..},..}. */
void api_json_quotebar(struct ap_buf *b, const struct ap_quotebar *q);
/* {"timestamp":..,"bid":..,"spread":..}, or null. */
void api_json_quote(struct ap_buf *b, const struct api_quote *q);
/* The answer of quotes/{symbol}, up to `limit` bars, oldest first. */
void api_answer_quotes(struct ap_buf *b, const char *source, const char *symbol, const char *tf, const struct api_quote *last,
		       const struct api_qbars *bars, uint32_t limit, int64_t now_ns);

#endif
