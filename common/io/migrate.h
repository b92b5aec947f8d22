/*
 * migrate.h - brings a database to this version's schema.
 *
 * The SQL files of schema/ are part of the program (made into C by tools/embed-schema at build time). Blocks while it
 * works: for apctl and for a supervisor before its loop, never for a stage.
 */
#ifndef AP_IO_MIGRATE_H
#define AP_IO_MIGRATE_H

#include "../core/conf.h"
#include "../core/store.h"

/* One file of schema/, in order of version. */
struct ap_schema_file {
	int version;            /* 1 of "001_tables.sql" */
	const char *name;
	const char *text;
	size_t len;
};
extern const struct ap_schema_file ap_schema_files[];
extern const size_t ap_schema_files_n;
/* The version this program needs: that of the last file. */
int ap_schema_version(void);

enum ap_migrate_rc {
	AP_MIGRATE_OK,
	AP_MIGRATE_AWAY,        /* the server cannot be reached or is starting: try again */
	AP_MIGRATE_REFUSED,     /* newer schema, changed file, not permitted, wrong conninfo: the user's to solve */
};

struct ap_migrate_report {
	int from, to;                   /* schema versions before and after; 0: an empty database */
	const struct ap_store *store;   /* what the tables are */
	char err[320];                  /* a sentence, unless OK */
};

/*
 * Applies what is missing, each file in a transaction of its own, under an advisory lock, so that several may
 * run it at once. Running it again does nothing. dry: only looks. Uses pg.conninfo and pg.password_file, and waits for
 * the connection at most runtime.connect_ms (rounded up to whole seconds, at least 2).
 */
enum ap_migrate_rc ap_migrate(const struct ap_conf *conf, bool dry, struct ap_migrate_report *rep);

#endif
