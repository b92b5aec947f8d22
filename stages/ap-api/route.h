/*
 * route.h - which handler a request is for, and what its query asks.
 *
 * Pure: method and decoded path in, a row of the table out. Knows no HTTP library.
 */
#ifndef AP_API_ROUTE_H
#define AP_API_ROUTE_H

#include "../../common/core/symbol.h"
#include "../../common/core/rec.h"

enum api_route {
	API_R_STATUS, API_R_METRICS, API_R_DATA, API_R_PROCESS, API_R_SERIES, API_R_STATS, API_R_QUOTES, API_R_WS,
	API_R_HEALTHZ, API_R_READYZ, API_R_PROMETHEUS, API_R_ASSET,
	API_R_N
};

enum { API_M_GET = 1, API_M_HEAD = 2, API_M_POST = 4 };

struct api_match {
	enum api_route route;
	bool found;             /* a row has this path */
	bool method_ok;         /* and takes this method */
	unsigned methods;       /* the methods the path takes: for Allow */
	bool head;              /* answer without a body */
	ap_str param;           /* what stands at {symbol}; a view of path */
};

/* Paths that no row has are assets, found or not by the caller. path starts with '/'. */
struct api_match api_route_match(ap_str method, ap_str path);
/* "GET, HEAD" for an Allow header. */
void api_route_allow(unsigned methods, char out[32]);

enum {
	API_LIMIT_DEFAULT = 20, API_LIMIT_MAX = 10000,
	API_WAIT_DEFAULT_MS = 1000, API_WAIT_MAX_MS = 5000,
};

/* The query of data/{symbol}, quotes/{symbol} and process, with defaults filled in. */
struct api_query {
	char source[AP_SOURCE_MAX + 1];     /* "": not given */
	char timeframe[AP_TF_MAX + 1];      /* "1m" */
	uint32_t limit;
	uint32_t wait_ms;
};

void api_query_init(struct api_query *q);
/* Takes one parameter of a route's query. False with a sentence in err. value may have no bytes. */
bool api_query_set(struct api_query *q, enum api_route route, ap_str key, ap_str value, char *err, size_t errlen);
/* "1m", "4h", "1M": digits and one of s m h d w M, not zero; or what a bar that does not follow the clock may be called. */
#define API_TIMEFRAME_WANTED "timeframe: a number and one of s m h d w M is expected, as in 1m or 4h, or the name of a bar of candle.bars, as in vol10"
bool api_timeframe_ok(ap_str tf);

/*
 * Whether a browser page of this origin may open a WebSocket or read answers: no Origin header (p == NULL, not a
 * browser), the page's own host, or one of the comma-separated list.
 */
bool api_origin_ok(ap_str origin, ap_str host, const char *list);

#endif
