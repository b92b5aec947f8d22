/*
 * steady.c - the wall clock as data may see it. Pure: it is told what the clocks say.
 */
#include "steady.h"

int64_t ap_steady_ns(struct ap_steady *c, int64_t wall_ns, int64_t mono_ns)
{
	const int64_t offset = wall_ns - mono_ns, apart = offset - c->offset_ns, follow = AP_STEADY_FOLLOW_MS * INT64_C(1000000);

	if (!c->set || (apart <= follow && apart >= -follow)) {
		c->offset_ns = offset;
		c->odd_ns = 0;
		c->set = true;
	} else if (c->odd_ns == 0) {
		c->odd_ns = mono_ns;
	} else if (mono_ns - c->odd_ns >= AP_STEADY_BELIEVE_S * INT64_C(1000000000)) {
		c->offset_ns = offset;
		c->odd_ns = 0;
		c->steps++;
	}
	return mono_ns + c->offset_ns;
}
