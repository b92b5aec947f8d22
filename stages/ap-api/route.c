/*
 * route.c - the table of routes and of query parameters.
 */
#include "route.h"

#include <stdio.h>

static const struct row {
	const char *path;       /* ends with '/': a parameter follows */
	unsigned methods;
	enum api_route route;
} rows[] = {
	{ "/api/streaming/status", API_M_GET | API_M_HEAD, API_R_STATUS },
	{ "/api/streaming/metrics", API_M_GET | API_M_HEAD, API_R_METRICS },
	{ "/api/streaming/data/", API_M_GET | API_M_HEAD, API_R_DATA },
	{ "/api/streaming/quotes/", API_M_GET | API_M_HEAD, API_R_QUOTES },
	{ "/api/streaming/process", API_M_POST, API_R_PROCESS },
	{ "/api/streaming/series", API_M_GET | API_M_HEAD, API_R_SERIES },
	{ "/api/streaming/signals/stats", API_M_GET | API_M_HEAD, API_R_STATS },
	{ "/ws/streaming", API_M_GET, API_R_WS },
	{ "/healthz", API_M_GET | API_M_HEAD, API_R_HEALTHZ },
	{ "/readyz", API_M_GET | API_M_HEAD, API_R_READYZ },
	{ "/metrics", API_M_GET | API_M_HEAD, API_R_PROMETHEUS },
};

static const struct { const char *name; unsigned bit; } methods[] = {
	{ "GET", API_M_GET }, { "HEAD", API_M_HEAD }, { "POST", API_M_POST },
};

static bool path_is(const struct row *r, ap_str path, ap_str *param)
{
	size_t n = strlen(r->path);
	if (r->path[n - 1] != '/')
		return ap_str_is(path, r->path);
	if (path.len <= n || memcmp(path.p, r->path, n) != 0)
		return false;
	*param = ap_str_n(path.p + n, path.len - n);
	return true;
}

struct api_match api_route_match(ap_str method, ap_str path)
{
	struct api_match m = { .route = API_R_ASSET, .methods = API_M_GET | API_M_HEAD };
	unsigned bit = 0;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (ap_str_is(method, methods[i].name))
			bit = methods[i].bit;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !m.found; i++)
		if (path_is(&rows[i], path, &m.param)) {
			m.found = true;
			m.route = rows[i].route;
			m.methods = rows[i].methods;
		}
	m.method_ok = (m.methods & bit) != 0;
	m.head = bit == API_M_HEAD;
	return m;
}

void api_route_allow(unsigned bits, char out[32])
{
	size_t n = 0;
	out[0] = '\0';
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (bits & methods[i].bit)
			n += (size_t)snprintf(out + n, 32 - n, "%s%s", n == 0 ? "" : ", ", methods[i].name);
}

void api_query_init(struct api_query *q)
{
	*q = (struct api_query){ .limit = API_LIMIT_DEFAULT, .wait_ms = API_WAIT_DEFAULT_MS, .timeframe = "1m" };
}

bool api_timeframe_ok(ap_str tf)
{
	if (ap_bar_name_ok(tf))
		return true;
	if (tf.len < 2 || tf.len > AP_TF_MAX || tf.p[0] < '1' || tf.p[0] > '9')
		return false;
	for (size_t i = 1; i + 1 < tf.len; i++)
		if (tf.p[i] < '0' || tf.p[i] > '9')
			return false;
	return tf.p[tf.len - 1] != '\0' && strchr("smhdwM", tf.p[tf.len - 1]) != NULL;
}

static bool number(ap_str v, uint32_t lo, uint32_t hi, uint32_t *out)
{
	uint64_t n = 0;
	if (v.len == 0 || v.len > 9)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	if (n < lo || n > hi)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool set_source(struct api_query *q, ap_str v, char *err, size_t errlen)
{
	char canon[AP_SOURCE_MAX];
	size_t n = ap_source_canon(v, canon);
	if (n == 0) {
		snprintf(err, errlen, "source: 1 to %d of a-z 0-9 _ . - are allowed", AP_SOURCE_MAX);
		return false;
	}
	memcpy(q->source, canon, n);
	q->source[n] = '\0';
	return true;
}

static bool set_timeframe(struct api_query *q, ap_str v, char *err, size_t errlen)
{
	if (!api_timeframe_ok(v)) {
		snprintf(err, errlen, API_TIMEFRAME_WANTED);
		return false;
	}
	memcpy(q->timeframe, v.p, v.len);
	q->timeframe[v.len] = '\0';
	return true;
}

static bool set_limit(struct api_query *q, ap_str v, char *err, size_t errlen)
{
	if (number(v, 1, API_LIMIT_MAX, &q->limit))
		return true;
	snprintf(err, errlen, "limit: a whole number from 1 to %d is expected", API_LIMIT_MAX);
	return false;
}

static bool set_wait(struct api_query *q, ap_str v, char *err, size_t errlen)
{
	if (number(v, 0, API_WAIT_MAX_MS, &q->wait_ms))
		return true;
	snprintf(err, errlen, "wait_ms: a whole number from 0 to %d is expected", API_WAIT_MAX_MS);
	return false;
}

static const struct {
	enum api_route route;
	const char *key;
	bool (*set)(struct api_query *q, ap_str v, char *err, size_t errlen);
} params[] = {
	{ API_R_DATA, "source", set_source },
	{ API_R_DATA, "timeframe", set_timeframe },
	{ API_R_DATA, "limit", set_limit },
	{ API_R_QUOTES, "source", set_source },
	{ API_R_QUOTES, "timeframe", set_timeframe },
	{ API_R_QUOTES, "limit", set_limit },
	{ API_R_PROCESS, "wait_ms", set_wait },
};

bool api_query_set(struct api_query *q, enum api_route route, ap_str key, ap_str value, char *err, size_t errlen)
{
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
		if (params[i].route == route && ap_str_is(key, params[i].key))
			return params[i].set(q, value, err, errlen);
	snprintf(err, errlen, "unknown query parameter \"%.*s\"", (int)(key.len > 40 ? 40 : key.len), key.p);
	return false;
}

static bool is_own(ap_str origin, ap_str host)
{
	static const char *const schemes[] = { "http://", "https://" };
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(schemes[i]);
		if (origin.len > n && memcmp(origin.p, schemes[i], n) == 0 &&
		    ap_str_eq(ap_str_n(origin.p + n, origin.len - n), host))
			return true;
	}
	return false;
}

bool api_origin_ok(ap_str origin, ap_str host, const char *list)
{
	if (origin.p == NULL)
		return true;
	if (host.len > 0 && is_own(origin, host))
		return true;
	while (*list != '\0') {
		size_t skip = strspn(list, ", "), n = strcspn(list + skip, ", ");
		if (n > 0 && ap_str_eq(origin, ap_str_n(list + skip, n)))
			return true;
		list += skip + n;
	}
	return false;
}
