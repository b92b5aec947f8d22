/*
 * fn_load.h - brings a Redis up to what the pipeline needs: the function library and the identity of the data set.
 *
 * For ap-supervisor, `apctl migrate` and tests, over an AP_REDIS_BARE or AP_REDIS_PRIMARY connection.
 * The library's text is built into every program.
 */
#ifndef AP_IO_FN_LOAD_H
#define AP_IO_FN_LOAD_H

#include "redis.h"

/* schema/functions/alphapulse_v1.lua as it was when the program was built. */
ap_str ap_fn_text(void);

/* why: NULL when it is done, else a word for the log ("connection_lost", or the server's error word). */
typedef void ap_ensure_fn(void *ctx, const char *why);

/* FUNCTION LOAD REPLACE, in a Cluster at every master; harmless when it is there. False: not up. */
bool ap_fn_load(struct ap_redis *r, ap_ensure_fn *done, void *ctx);

/*
 * Makes `ap:dataset` when it is absent and no stream of any partition is there, with this id (36 bytes; NULL: a new one), and
 * writes the id into every partition (`ds` and `parts` of `ap:{p}:seq`). Why:
 * "dataset_missing" - streams without an identity: a wrong or half-emptied Redis, nothing is written;
 * "other_partitions" - it was made for another number of partitions;
 * "partition_missing" - a partition has lost the id that it once had: its node was emptied or is a wrong one;
 * "partition_of_another_dataset" - it has another one. False: not up. parts is data.partitions (asserted).
 */
bool ap_dataset_ensure(struct ap_redis *r, unsigned parts, const char *id, ap_ensure_fn *done, void *ctx);

#endif
