/*
 * rec.c - words for the enums of the records.
 *
 * These words are data: they stand in JSON, in PostgreSQL and in logs. And the one figure that follows from a record's others.
 */
#include "rec.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define WORDS(...) static const char *const words[] = { __VA_ARGS__ }
#define COUNT (sizeof words / sizeof words[0])

const char *ap_kind_name(enum ap_kind k)
{
	WORDS("none", "raw", "trade", "quote", "beat", "candle", "indicator", "signal", "reject", "metric", "quotebar");
	_Static_assert(COUNT == AP_KIND_N, "name every kind");
	assert((unsigned)k < COUNT);
	return words[k];
}

const char *ap_side_name(enum ap_side s)
{
	WORDS("unknown", "buy", "sell");
	_Static_assert(COUNT == AP_SIDE_SELL + 1, "name every side");
	assert((unsigned)s < COUNT);
	return words[s];
}

const char *ap_candle_state_name(enum ap_candle_state s)
{
	WORDS("forming", "final", "revised");
	_Static_assert(COUNT == AP_REVISED + 1, "name every state");
	assert((unsigned)s < COUNT);
	return words[s];
}

const char *ap_quality_name(enum ap_quality q)
{
	WORDS("full", "partial", "gap", "filled");
	_Static_assert(COUNT == AP_Q_FILLED + 1, "name every quality");
	assert((unsigned)q < COUNT);
	return words[q];
}

const char *ap_status_name(enum ap_status s)
{
	WORDS("valid", "invalid", "duplicate", "outlier", "late", "poison");
	_Static_assert(COUNT == AP_STATUS_N, "name every status");
	assert((unsigned)s < COUNT);
	return words[s];
}

const char *ap_signal_kind_name(enum ap_signal_kind k)
{
	WORDS("signal", "pattern", "outcome");
	_Static_assert(COUNT == AP_SIG_OUTCOME + 1, "name every kind of signal");
	assert((unsigned)k < COUNT);
	return words[k];
}

const char *ap_direction_name(enum ap_direction d)
{
	WORDS("none", "long", "short");
	_Static_assert(COUNT == AP_DIR_SHORT + 1, "name every direction");
	assert((unsigned)d < COUNT);
	return words[d];
}

bool ap_bar_name_ok(ap_str name)
{
	if (name.len == 0 || name.len > AP_TF_MAX || name.p[0] < 'a' || name.p[0] > 'z')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == '\0' || strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name.p[i]) == NULL)
			return false;
	return true;
}

double ap_signal_risk_reward(const struct ap_signal *s)
{
	const double risk = fabs(s->entry - s->stop);

	if (!(s->entry > 0 && s->stop > 0 && s->target > 0) || !(risk > 0))
		return (double)NAN;
	return fabs(s->target - s->entry) / risk;
}
