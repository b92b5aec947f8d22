/*
 * conf.h - an option set for a test, which fails where the option or its value is refused.
 */
#ifndef TEST_LIB_CONF_H
#define TEST_LIB_CONF_H

#include "common/core/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline void conf_set(struct ap_conf *c, const char *key, const char *value)
{
	char err[300] = "";

	if (!ap_conf_set(c, ap_opt_find(ap_str_c(key)), ap_str_c(value), err, sizeof err))
		fail_msg("%s", err);
}

#endif
