/*
 * roster.h - the list of running children as it stands on disk, so that the next supervisor finds them. Pure.
 *
 * DIR/run/children: a head line, then one line a child. A process is named by its id and the moment it started, in the
 * kernel's ticks since the machine's start; with the machine's own start id the three never name another process.
 *
 *   ap-roster 1 BOOT_ID SERVERS stopping|running
 *   NAME PROGRAM INSTANCE WHAT PID START_TICKS up|starting RESTARTS
 */
#ifndef AP_ROSTER_H
#define AP_ROSTER_H

#include "../common/core/buf.h"
#include "plan.h"

enum { AP_BOOT_ID = 40 };

struct ap_roster_row {
	char name[AP_PLAN_NAME], program[AP_PLAN_NAME];
	unsigned instance;
	enum ap_child_what what;
	long pid;
	uint64_t start_ticks;
	bool up;                /* had said that it is ready */
	uint64_t restarts;
};

struct ap_roster {
	char boot_id[AP_BOOT_ID];
	uint64_t servers;       /* a sum over the addresses that the children were given */
	bool stopping;          /* the supervisor was ending them */
	struct ap_roster_row row[AP_CHILD_MAX];
	size_t n;
};

void ap_roster_write(struct ap_buf *b, const struct ap_roster *r);
/* False: not a roster, or one that was cut short. */
bool ap_roster_read(struct ap_roster *r, ap_str text);
/* Field 22 of /proc/PID/stat; 0 when the text is none, or the process has ended and only waits to be reaped. */
uint64_t ap_roster_start_ticks(ap_str stat);

#endif
