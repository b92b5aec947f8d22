/*
 * stage.c - names of streams and verdicts.
 */
#include "stage.h"

#include <assert.h>

static const char *const stream_names[] = { "raw", "tick", "reject", "live", "candle", "indicator", "signal" };
_Static_assert(sizeof stream_names / sizeof stream_names[0] == AP_S_N, "name every stream");

static const char *const verdict_names[] = { "taken", "ignored", "invalid", "duplicate", "outlier", "late" };
_Static_assert(sizeof verdict_names / sizeof verdict_names[0] == AP_V_N, "name every verdict");

const char *ap_stream_name(enum ap_stream s)
{
	assert((unsigned)s < AP_S_N);
	return stream_names[s];
}

bool ap_stream_by_name(ap_str name, enum ap_stream *out)
{
	for (unsigned i = 0; i < AP_S_N; i++) {
		if (ap_str_is(name, stream_names[i])) {
			*out = (enum ap_stream)i;
			return true;
		}
	}
	return false;
}

const char *ap_verdict_name(enum ap_verdict v)
{
	assert((unsigned)v < AP_V_N);
	return verdict_names[v];
}
