/*
 * ctl.h - what apctl's verbs share. A command-line tool: it may wait, but never longer than a deadline.
 */
#ifndef AP_CTL_H
#define AP_CTL_H

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

#include "../../common/core/redis_url.h"
#include "../../common/core/stage.h"
#include "../../common/io/app.h"
#include "../../common/io/secret.h"

/* Exit codes beside 0, 100 and 111. */
enum { CTL_EX_TIMEOUT = 124, CTL_EX_DIFFERENT = 1 };

struct ctl {
	struct ap_app app;
	const char *dir;        /* --dir, or NULL */
	int argc;               /* arguments after the verb */
	char **argv;
	bool json;              /* --json, --format json */
	bool csv;               /* --format csv */
	struct ctl_nodes *nodes;        /* connections to a Cluster's nodes */
};

struct ctl_verb {
	const char *name, *args, *help;
	int (*run)(struct ctl *c);
};

extern const struct ctl_verb ctl_verbs[];
extern const size_t ctl_verbs_n;

/* "apctl: WHAT: WHY" on stderr; returns code. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The value of a flag, or dflt. */
const char *ctl_flag(const struct ctl *c, const char *name, const char *dflt);
/* The same as a number of seconds, ms and so on within lo..hi; false after saying what is wrong. */
bool ctl_flag_u64(const struct ctl *c, const char *name, uint64_t dflt, uint64_t lo, uint64_t hi, uint64_t *out);

/* --- Redis (ctl_redis.c) --- */
/* Connects, authenticates, selects: to the server, to the primary, to some node of a Cluster. NULL after saying why. */
redisContext *ctl_redis(const struct ctl *c);
/* The same, in silence: for "is it there yet". */
redisContext *ctl_redis_quiet(const struct ctl *c, char *err, size_t errlen);
/* The other nodes of a Cluster, kept for the length of a verb. */
struct ctl_nodes *ctl_nodes_new(void);
void ctl_nodes_free(struct ctl_nodes *n);
/*
 * A command on one key, "HGETALL ap:{2}:seq": words divided by blanks, the second one is the key. In a Cluster it goes to the node that has the
 * key, whichever r is; -MOVED, -ASK, TRYAGAIN and CLUSTERDOWN are dealt with. NULL: the server does not answer. freeReplyObject it.
 */
redisReply *ctl_key(const struct ctl *c, redisContext *r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
redisReply *ctl_keyv(const struct ctl *c, redisContext *r, const char *key, int argc, const char **argv);
/* Where commands on a key go, as far as ctl_key has learned it: for a pipeline of them. */
redisContext *ctl_at(const struct ctl *c, redisContext *r, const char *key);
/* Closes the connections to a Cluster's nodes and forgets what was learned: after a pipeline that was broken off. */
void ctl_nodes_forget(struct ctl_nodes *n);
/* All masters of a Cluster that can be reached, else r alone. Returns how many; they are not to be freed. */
unsigned ctl_masters(const struct ctl *c, redisContext *r, redisContext **out, unsigned cap);

/* How many of the Sentinels name a primary that says it is one. */
unsigned ctl_sentinels(const struct ctl *c, const struct ap_redis_url *u);

/* Connects with a 5 s deadline and the password file. NULL after saying why. */
PGconn *ctl_pg(const struct ctl *c);
PGconn *ctl_pg_quiet(const struct ctl *c, char *err, size_t errlen);

/* A TCP connection to "host:port"; -1: there is none. */
int ctl_connect(const char *host_port);

/* Text fields of a hash reply (field, value, ...): the value, or NULL. */
const char *ctl_hash(const redisReply *r, const char *field);
uint64_t ctl_hash_u64(const redisReply *r, const char *field);

/* A table on stdout: columns by tabs in, aligned out; or CSV; first row is the heading. Pair with ctl_table_end. */
struct ctl_table {
	struct ap_buf text;     /* cells ended by \t, rows by \n */
};
void ctl_table_begin(struct ctl_table *t);
void ctl_table_row(struct ctl_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_table_end(const struct ctl *c, struct ctl_table *t);

/* --- the data set's identity in both servers (ctl_dataset.c) --- */
enum ctl_dataset_state {
	CTL_DS_SAME,            /* one data set */
	CTL_DS_REBUILDING,      /* one, and `apctl rebuild` has begun and not ended */
	CTL_DS_FRESH,           /* Redis is empty, PostgreSQL holds no rows of any */
	CTL_DS_REDIS_ONLY,      /* PostgreSQL knows of none */
	CTL_DS_REDIS_EMPTY,     /* PostgreSQL holds rows, Redis nothing */
	CTL_DS_PART_EMPTY,      /* one, but partitions of it, or its name, are gone from Redis: a node of several was emptied */
	CTL_DS_TORN,            /* Redis holds streams of which nothing says whose they are */
	CTL_DS_DIFFERS,
};
struct ctl_dataset {
	enum ctl_dataset_state state;
	char redis_id[40], pg_id[40];   /* "": none */
	char created[32];               /* as PostgreSQL has it, RFC 3339 */
	uint64_t redis_parts, pg_parts;
	bool rebuilding, marked, streams, pg_rows;
	char part_id[40];               /* the id that partitions in Redis carry */
	bool part_ids;                  /* they carry several */
	unsigned parts_empty;           /* partitions that carry none */
};
/* False: a server does not answer as it should; nothing was said. */
bool ctl_dataset_look(const struct ctl *c, redisContext *r, PGconn *pg, struct ctl_dataset *d);
/* What is wrong and the command that helps, as a sentence. Returns its length, 0: nothing is wrong. */
int ctl_dataset_say(const struct ctl *c, const struct ctl_dataset *d, char *out, size_t cap);

/* --- where every stage stands (cmd_lag.c) --- */
enum { CTL_STAGES = 4 };
struct ctl_pos {
	const char *stage;      /* "normalize", ..., "persist:candle" */
	unsigned part;
	uint64_t q, q_end;      /* entries: taken, there */
	uint64_t n, n_end;      /* records */
	bool owned;
	char owner[80];
};
/* Fills up to cap rows from Redis (and PostgreSQL's cursors where pg != NULL). Returns how many, or -1 after saying why. */
int ctl_positions(const struct ctl *c, redisContext *r, PGconn *pg, struct ctl_pos *out, size_t cap);

/*
 * Waits until every stage has taken what was in front of it when it was asked, in the order of the flow; 124 when one has not moved for stall_s.
 * What has been told is said.
 */
int ctl_drain(const struct ctl *c, redisContext *r, PGconn *pg, uint64_t stall_s);
/* Tells the supervisor of this data directory, if one runs, that what had been refused is worth another try. */
void ctl_supervisor_poke(const struct ctl *c);

/* --- who owns what (ctl_owners.c) --- */
struct ctl_owner {
	const char *stage;
	char part[16];          /* a number, or "metric": the metric stream, a lane of ap-persist */
	char worker[80];        /* "": nobody's lease runs */
	char claimed_by[80];    /* who is to have it next; "": nobody asks */
	uint64_t epoch, left_ms;
};
/* Every partition of every stage that has leases; up to cap rows. Returns how many, or -1 after saying why. */
int ctl_owners(const struct ctl *c, redisContext *r, struct ctl_owner *out, size_t cap);
/* Workers that are registered for a stage now. */
unsigned ctl_workers(const struct ctl *c, redisContext *r, const char *stage);

int cmd_up(struct ctl *c);
int cmd_down(struct ctl *c);
int cmd_restart(struct ctl *c);
int cmd_reload(struct ctl *c);
int cmd_env(struct ctl *c);
int cmd_status(struct ctl *c);
int cmd_lag(struct ctl *c);
int cmd_tail(struct ctl *c);
int cmd_drain(struct ctl *c);
int cmd_verify(struct ctl *c);
int cmd_migrate(struct ctl *c);
int cmd_rebuild(struct ctl *c);
int cmd_doctor(struct ctl *c);
int cmd_dlq(struct ctl *c);

#endif
