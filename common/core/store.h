/*
 * store.h - the tables as the code sees them: columns, natural keys, partition steps, and the SQL that follows.
 *
 * Texts in, texts out: knows no connection. The tables themselves are made by schema/ *.sql.
 */
#ifndef AP_STORE_H
#define AP_STORE_H

#include "buf.h"

/* The tables that grow with time. */
enum ap_table {
	AP_T_MESSAGES, AP_T_NORMALIZED, AP_T_CANDLES, AP_T_INDICATORS, AP_T_SIGNALS, AP_T_RESULTS, AP_T_SYSTEM,
	AP_T_COMPONENT, AP_T_ALERTS, AP_T_QUOTE_BARS, AP_T_N
};

enum ap_step { AP_STEP_DAY, AP_STEP_MONTH };    /* of UTC */

struct ap_table_def {
	const char *name;
	const char *time_col;
	const char *segment;            /* the column that compression groups by */
	enum ap_step step;              /* one partition */
	unsigned fields;                /* in columns */
	const char *columns;            /* what a COPY of ours brings, in this order */
	const char *key;                /* columns of the unique key */
	const char *updates;            /* columns a higher revision replaces; NULL: the first row stays */
};

const struct ap_table_def *ap_table(enum ap_table t);

/* A partition: [lo_s, hi_s) in seconds since 1970, and its name "normalized_data_p20240131" ("..._p202401" for months). */
enum { AP_SPAN_NAME = 64 };
struct ap_span {
	int64_t lo_s, hi_s;
	char name[AP_SPAN_NAME];
};
void ap_table_span(enum ap_table t, int64_t at_s, struct ap_span *out);

/* "COPY name (columns) FROM STDIN BINARY", into the table itself or into its temporary twin m_NAME. */
void ap_table_copy_sql(struct ap_buf *b, enum ap_table t, bool twin);
/* Makes the twin: a temporary table without keys, emptied by every commit. */
void ap_table_twin_sql(struct ap_buf *b, enum ap_table t);
/* Moves the twin's rows into the table, merged on the natural key: higher revision wins, what is there stays otherwise. */
void ap_table_merge_sql(struct ap_buf *b, enum ap_table t);

/*
 * Where the rows lie: plain PostgreSQL, TimescaleDB of the Apache edition, the full TimescaleDB. Every difference
 * between them is in this structure.
 */
struct ap_store {
	const char *name;               /* "plain", "timescale-apache", "timescale" */
	bool hyper;                     /* tables are hypertables: PARTITION BY is left out of the schema */
	/* Appended to the schema once its tables are made. */
	void (*adopt)(struct ap_buf *b, const struct ap_table_def *t);
	/* A statement that makes sure there is a place for rows at at_s; nothing when the server sees to it. */
	void (*ensure)(struct ap_buf *b, enum ap_table t, int64_t at_s);
	/* A statement that drops whole partitions that end before cut_s; its one value is how many. */
	void (*drop)(struct ap_buf *b, enum ap_table t, int64_t cut_s);
};

/* A query of one row, one column: the name of the store this server can be. Fails on no server. */
extern const char ap_store_detect_sql[];
/* NULL: there is no such store. */
const struct ap_store *ap_store_find(ap_str name);
/* One schema file as this store takes it. */
void ap_store_schema(const struct ap_store *s, struct ap_buf *b, ap_str file);

#endif
