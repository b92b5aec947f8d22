/*
 * worker.h - this process among the workers of its stage: who is alive, and which partitions are ours.
 *
 * The registry is one hash, ap:workers:STAGE, kept by ap_worker_v1 (schema/streams.md). It says who should have a partition;
 * who has it is the lease's to say, and safety rests on the lease alone: while the registry cannot be reached everybody keeps
 * what he has. A lane is a partition, or whatever else a stage shares out under a lease of its own.
 */
#ifndef AP_IO_WORKER_H
#define AP_IO_WORKER_H

#include "app.h"
#include "redis.h"

enum { AP_WORKER_NAME = 65, AP_TOKEN = 33 };

struct ap_worker;

struct ap_worker_events {
	void (*looked)(void *ctx, bool changed);        /* the registry has answered; changed: who is there, and so the shares */
	void (*refused)(void *ctx);                     /* another process works under our name (logged): leave, without touching a lease */
	/* One on another host does: we are called NAME@HOST from now on. */
	void (*renamed)(void *ctx, const char *name);
};

/*
 * Connects to the registry of `stage`. name: at most 64 bytes, this worker's among its siblings. lanes: how many are shared
 * out. app must outlive it. NULL with a sentence in err: the URL is unusable. Nothing is registered yet.
 */
struct ap_worker *ap_worker_new(struct ap_app *app, const char *stage, const char *name, unsigned lanes, const struct ap_worker_events *ev,
				void *ctx, char *err, size_t errlen);
void ap_worker_free(struct ap_worker *w);
/* True: registers, and stays registered. False: leaves, so that the others take our share at once. */
void ap_worker_ready(struct ap_worker *w, bool ready);
/* The registry has taken us in. */
bool ap_worker_joined(const struct ap_worker *w);
/* As the registry was last seen: is this lane ours? Before it was seen: no. */
bool ap_worker_mine(const struct ap_worker *w, unsigned lane);
/* As the registry was last seen: does this lane belong to the worker of this name, and is that another one? */
bool ap_worker_theirs(const struct ap_worker *w, unsigned lane, ap_str name);
/*
 * Asks for a lane's lease (ap_acquire_v1) over `redis`, under a new token. What is ours is claimed: a live owner is told so and gives
 * it up. What is another's, or while our registration has run out, is taken only when nobody has had it for two leases, so
 * that no partition stays without an owner because the one it belongs to cannot take it. False: redis is not up.
 */
bool ap_worker_take(struct ap_worker *w, unsigned lane, struct ap_redis *redis, const char *key_own, char token[AP_TOKEN],
		    ap_reply_fn *fn, void *ctx);
/* How long to wait after HELD, in s: its ms_left, and how many times in a row it was HELD. */
double ap_worker_wait_s(const struct ap_worker *w, unsigned lane, uint64_t left_ms, unsigned times);

#endif
