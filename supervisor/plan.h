/*
 * plan.h - which processes to run, in which order. Pure.
 *
 * Ranks start one after the other (each when the one before is up or done) and end in the reverse order
 * of `stop_rank`, so that what feeds ends before what is fed and servers end last.
 */
#ifndef AP_PLAN_H
#define AP_PLAN_H

#include "../common/core/conf.h"

enum { AP_PLAN_MAX = 64, AP_PLAN_NAME = 32 };
/* Children at one time: a program that is being replaced runs twice for a moment. */
enum { AP_CHILD_MAX = AP_PLAN_MAX + 16 };

enum ap_child_kind {
	AP_K_ONESHOT,           /* runs to its end, once (initdb, migrate) */
	AP_K_SERVER,            /* does not say READY=1 to us: up when spawned */
	AP_K_STAGE              /* one of ours: readiness and watchdog by sd_notify */
};

enum { AP_RANK_STAGES = 3 };     /* start rank of the programs: servers and schema are there */

enum ap_child_what { AP_W_INITDB, AP_W_POSTGRES, AP_W_REDIS, AP_W_MIGRATE, AP_W_PROGRAM };

struct ap_plan_row {
	char name[AP_PLAN_NAME];        /* "ap-candle.0", "redis"; names its log file */
	char program[AP_PLAN_NAME];     /* "ap-candle" */
	unsigned instance;
	enum ap_child_kind kind;
	enum ap_child_what what;
	int start_rank, stop_rank;
	bool overlap;           /* two of them may run side by side: a new one is ready before the old one ends */
};

struct ap_plan {
	struct ap_plan_row row[AP_PLAN_MAX];
	size_t n;
};

/* A row for one more process of a program, as the plan would have it; false: there is no such program. */
bool ap_plan_row(struct ap_plan_row *row, const char *program, unsigned instance);
/* How many processes of a program the plan has. */
unsigned ap_plan_count(const struct ap_plan *plan, const char *program);
/* The program that a word of the user's means ("candle", "ap-candle"), or NULL. */
const char *ap_plan_program(const char *word);
/* The programs in the order of the flow: i from 0; NULL at the end. */
const char *ap_plan_nth(size_t i);

/* From supervisor.programs and supervisor.embedded. False with a sentence in err. */
bool ap_plan_make(struct ap_plan *plan, const struct ap_conf *conf, char *err, size_t errlen);

#endif
