/*
 * laws_hold.h - a test of the laws in one call: a stage, a market, options.
 */
#ifndef TEST_LIB_LAWS_HOLD_H
#define TEST_LIB_LAWS_HOLD_H

#include "conf.h"
#include "laws.h"

/*
 * Fails unless the stage keeps all laws on the market w, as raw messages or as ticks, whichever it reads.
 * Options as "key", "value", ..., NULL.
 */
static inline void laws_hold(const struct ap_stage *stage, const struct laws_walk *w, ...)
{
	struct ap_conf conf;
	struct laws_case c = { .stage = stage, .conf = &conf, .seed = w->seed };
	struct laws_tape *tape = stage->in == AP_S_RAW ? laws_walk_raws(w) : laws_walk_ticks(w);
	char why[LAWS_WHY] = "";
	va_list ap;
	bool ok;

	ap_conf_init(&conf);
	va_start(ap, w);
	for (const char *key = va_arg(ap, const char *); key != NULL; key = va_arg(ap, const char *))
		conf_set(&conf, key, va_arg(ap, const char *));
	va_end(ap);
	c.tape = tape;
	ok = laws_all(&c, why);
	laws_tape_free(tape);
	ap_conf_done(&conf);
	if (!ok)
		fail_msg("%s", why);
}

#endif
