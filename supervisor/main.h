/*
 * main.h - what the parts of ap-supervisor's shell share.
 */
#ifndef AP_SUP_MAIN_H
#define AP_SUP_MAIN_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "../common/io/app.h"
#include "../common/io/metric.h"
#include "plan.h"
#include "policy.h"
#include "roster.h"

struct sup;

struct child {
	struct sup *sup;
	bool used;              /* the slot holds a child */
	struct ap_plan_row row;
	enum ap_child_state state;
	pid_t pid;              /* 0: not running */
	uint64_t start_ticks;   /* with pid: which process */
	int pidfd;              /* of an adopted process, -1: it is our own child, or has none */
	bool adopted;           /* an earlier supervisor started it: its exit status is not ours to know */
	bool leaving;           /* wanted no longer: the slot is free once it has ended */
	bool unfit;             /* was given other servers' addresses than ours: ends before anything starts */
	unsigned tries;         /* starts since it was last up for a second */
	int64_t up_mono_ms;     /* when it became ready; 0: it is not */
	uint64_t restarts;      /* unasked ends */
	bool looping;           /* five ends within a minute, and no quiet since */
	int last_status;        /* of waitpid, of its last end */
	int64_t since_ms;       /* wall clock of the last change of state */
	int64_t fed_mono_ms;    /* last WATCHDOG=1; 0: it feeds none */
	struct ap_crash_window crash;
	ev_timer timer;
	ev_io gone_io;          /* pidfd */
};

/* A rolling restart: one child after the other, each new one ready before the old one ends where both may run. */
struct roll {
	bool active;
	struct child *todo[AP_CHILD_MAX];
	pid_t todo_pid[AP_CHILD_MAX];   /* what ran there when it was asked for */
	size_t n, at;
	struct child *old, *fresh;      /* the pair at work; fresh NULL: old is restarted in its place */
	uint64_t old_restarts;
	pid_t old_pid;
	struct sockaddr_un who;         /* who asked, and wants to hear */
	socklen_t who_len;
	ev_timer step;
};

struct sup {
	struct ap_app app;
	const char *conf_path;  /* as the children are given it */
	char self[4096];        /* this program's file, as it was found at start */
	char **argv;
	char dir[4096];         /* data.dir, absolute */
	char bin_dir[4096];
	char notify_name[64];   /* abstract socket, with the leading @ */
	int lock_fd, notify_fd;
	pid_t keeper;           /* who starts us again; 0: nobody of ours */
	struct ap_plan plan;
	struct child child[AP_CHILD_MAX];
	int start_rank;         /* ranks up to this one have been told to start */
	bool stopping;
	int stop_rank;          /* the rank that is being ended; -1: none yet */
	bool was_ready;
	bool adopting;          /* the roster is being read: nothing starts yet */
	bool again;             /* our keeper has started a supervisor before us */
	bool told_to_end;       /* end what there is, start nothing */
	bool over;              /* everything has ended */
	struct roll roll;
	uint64_t servers;       /* see roster.h */
	struct ap_buf roster;   /* as last written */
	struct ap_redis *redis; /* for metrics; NULL: not yet, or no longer */
	struct ap_metrics *metrics;
	struct heal *heal;      /* NULL: not yet, or no longer */
	ev_io notify_io;
	ev_child any_child;
	ev_signal keeper_gone;
	ev_timer tick;          /* watchdogs and the status file, once a second */
};

/* NOLINTNEXTLINE(bugprone-macro-parentheses): c is the name of a variable */
#define SUP_EACH(s, c) for (struct child *c = (s)->child; c < (s)->child + AP_CHILD_MAX; c++) if (c->used)

int64_t sup_mono_ms(void);

/* --- main_child.c: events of children, ranks --- */
/* A free slot with the row, in state IDLE; NULL: there are too many. */
struct child *sup_child_new(struct sup *s, const struct ap_plan_row *row);
void sup_child_event(struct child *c, enum ap_child_event e);
/* It is wanted no longer: ends it and frees the slot. */
void sup_child_leave(struct child *c);
/* A process has ended. status: of waitpid, -1 when it is not known. */
void sup_child_ended(struct child *c, int status);
void sup_start_ranks(struct sup *s);
void sup_stop_all(struct sup *s);
void sup_signal(struct child *c, int sig);

/* --- main_adopt.c: the roster on disk --- */
/* Takes over whatever the roster names and still runs. True: it was being ended. */
bool sup_adopt(struct sup *s);
/* Everything has ended: the next start finds no roster. */
void sup_roster_forget(struct sup *s);
/* Writes DIR/run/children when it has changed; false: it could not be written. */
bool sup_roster_save(struct sup *s);
/* The start ticks of a process, 0: it is gone. */
uint64_t sup_start_ticks(pid_t pid);
/* A sum over what children are told about servers and partitions. */
uint64_t sup_servers_sum(const struct ap_conf *conf);

/* --- main_notify.c: the sd_notify socket, which takes `apctl restart` too --- */
bool sup_notify_open(struct sup *s, char *err, size_t errlen);
void sup_notify_start(struct sup *s);
/* One datagram to whoever asked; nothing when nobody did. */
void sup_say(struct sup *s, const struct sockaddr_un *to, socklen_t len, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* --- main_roll.c: from one set of programs to another --- */
/* Starts what the plan has and is not there, ends what is there and the plan has not. */
void sup_reconcile(struct sup *s);
/* Reads the configuration anew; false after logging why the old one stays. */
bool sup_reload(struct sup *s);
/* what: a program, a child's name, "all". Answers to `who` by itself. */
void sup_roll_begin(struct sup *s, const char *what, const struct sockaddr_un *who, socklen_t who_len);
/* A child has changed: looks at the roll once the loop turns. */
void sup_roll_kick(struct sup *s);

/* --- main_keep.c: the process that starts the supervisor again --- */
/* True: this process is to keep another one. */
bool keep_wanted(const struct sup *s);
/* Runs until the supervisor has ended for good; returns the exit code. */
int keep_run(struct sup *s);
/* Replaces this process by a new ap-supervisor; kept: under the same keeper. Returns only when that failed. */
void keep_exec(struct sup *s, bool kept);
/* Watches for the end of our own keeper. */
void keep_watch(struct sup *s);

/* --- main_metric.c --- */
void sup_metrics_start(struct sup *s);
void sup_metrics_stop(struct sup *s);

/* --- main_heal.c: the function library, loaded again where it is missing --- */
void sup_heal_start(struct sup *s);
void sup_heal_stop(struct sup *s);

/* --- main_embed.c: the private servers --- */
/* Makes var/redis with its configuration, and the directory for PostgreSQL. False with a sentence in err. */
bool sup_embed_prepare(struct sup *s, char *err, size_t errlen);
/* Fills argv for one of the servers; texts live in static-free storage `room`. False: binary not found. */
bool sup_embed_argv(const struct sup *s, enum ap_child_what what, const char **argv, size_t cap, char *room, size_t roomlen);
bool sup_initdb_needed(const struct sup *s);
/* The user and group that PostgreSQL must run as: false when no change is needed. */
bool sup_pg_user(const struct sup *s, uid_t *uid, gid_t *gid);

/* --- main_spawn.c --- */
/*
 * Forks a child that waits at a gate until its name stands in the roster, and then executes the row's program with its log file
 * as fd 1 and 2. *gate is to be written to and closed; closed without, the child ends at once. Returns the pid, or -1.
 */
pid_t sup_spawn(struct sup *s, const struct ap_plan_row *row, int *gate);

/* --- main_status.c --- */
/* Writes DIR/run/supervisor.json beside and renames it. */
void sup_status_write(struct sup *s);

/* --- main.c --- */
/* mkdir -p; false with errno. (main_embed.c) */
bool sup_mkdirs(const char *path, mode_t mode);
/* Takes DIR/run/NAME.pid, waiting a moment for a holder that is just ending. The lock dies with its holder. */
int sup_lock(const struct sup *s, const char *name, char *err, size_t errlen);

#endif
