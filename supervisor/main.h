/*
 * main.h - what the parts of ap-supervisor's shell share.
 */
#ifndef AP_SUP_MAIN_H
#define AP_SUP_MAIN_H

#include <sys/types.h>

#include "../common/io/app.h"
#include "plan.h"
#include "policy.h"

struct sup;

struct child {
	struct sup *sup;
	const struct ap_plan_row *row;
	enum ap_child_state state;
	pid_t pid;              /* 0: not running */
	unsigned tries;         /* starts since it was last up for a second */
	int64_t up_mono_ms;     /* when it became ready; 0: it is not */
	uint64_t restarts;      /* unasked ends since the supervisor began */
	int last_status;        /* of waitpid, of its last end */
	int64_t since_ms;       /* wall clock of the last change of state */
	int64_t fed_mono_ms;    /* last WATCHDOG=1; 0: it feeds none */
	struct ap_crash_window crash;
	ev_timer timer;
};

struct sup {
	struct ap_app app;
	const char *conf_path;  /* as the children are given it */
	char dir[4096];         /* data.dir, absolute */
	char bin_dir[4096];
	char notify_name[64];   /* abstract socket, with the leading @ */
	int lock_fd, notify_fd;
	struct ap_plan plan;
	struct child child[AP_PLAN_MAX];
	int start_rank;         /* ranks up to this one have been told to start */
	bool stopping;
	int stop_rank;          /* the rank that is being ended; -1: none yet */
	bool was_ready;
	ev_io notify_io;
	ev_child any_child;
	ev_timer tick;          /* watchdogs and the status file, once a second */
};

/* --- main_embed.c: the private servers --- */
/* Makes var/redis with its configuration, and the directory for PostgreSQL. False with a sentence in err. */
bool sup_embed_prepare(struct sup *s, char *err, size_t errlen);
/* Fills argv for one of the servers; texts live in static-free storage `room`. False: binary not found. */
bool sup_embed_argv(const struct sup *s, enum ap_child_what what, const char **argv, size_t cap, char *room, size_t roomlen);
bool sup_initdb_needed(const struct sup *s);
/* The user and group that PostgreSQL must run as: false when no change is needed. */
bool sup_pg_user(const struct sup *s, uid_t *uid, gid_t *gid);

/* --- main_spawn.c --- */
/* Forks and executes the child's program with its log file as fd 1 and 2. Returns the pid, or -1. */
pid_t sup_spawn(struct sup *s, const struct ap_plan_row *row);

/* --- main_status.c --- */
/* Writes DIR/run/supervisor.json beside and renames it. */
void sup_status_write(const struct sup *s);

/* mkdir -p; false with errno. */
bool sup_mkdirs(const char *path, mode_t mode);

#endif
