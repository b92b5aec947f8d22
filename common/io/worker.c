/*
 * worker.c - registering, looking who else is there, asking for leases. Knows nothing of what a lease is good for.
 */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../core/share.h"

enum {
	KEY_TEXT = 64,
	WHERE_TEXT = 160,
	SOON_MS = 5,            /* after a registration has run out, and before two looks at the least */
	LOOK_MS_MIN = 20,
	CLAIM_MS = 25,          /* first pause between two claims of what another still has */
	CLAIM_MS_MAX = 100,
};

struct ap_worker {
	struct ap_app *app;
	struct ap_redis *redis;
	struct ap_worker_events ev;
	void *ctx;
	char key[KEY_TEXT], name[AP_WORKER_NAME], token[AP_TOKEN];
	char where[WHERE_TEXT];         /* HOST/BOOT/PIDNS/PID/START */
	unsigned lanes;
	bool ready, joined, asked;
	int64_t asked_ns;               /* when the question on its way was sent */
	int64_t until_ns;               /* our registration's end, from before it was asked for */
	int64_t twin_ns;                /* the end of another process's registration under our name, as first seen; 0: none */
	bool renamed;
	char dead[AP_TOKEN];            /* the token of such a process that is known to have ended */
	ev_timer timer;
	char names[AP_WORKERS_MAX][AP_WORKER_NAME];     /* as last seen */
	size_t n;
	uint16_t whose[AP_LANES_MAX];
};

static void look(struct ap_worker *w);

/* --- who and where this process is --- */

static size_t slurp(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n = f == NULL ? 0 : fread(out, 1, cap - 1, f);

	if (f != NULL)
		fclose(f);
	out[n] = '\0';
	return n;
}

/* State and start time (fields 3 and 22) of a process. False: there is none. */
static bool process_stat(long pid, char *state, unsigned long long *start)
{
	char path[64], text[1024];

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	slurp(path, text, sizeof text);
	const char *p = strrchr(text, ')');     /* a program's name may have any byte in it */
	if (p == NULL || p[1] != ' ' || p[2] == '\0')
		return false;
	*state = p[2];
	for (int field = 2; field < 22 && p != NULL; field++)
		p = strchr(p + 1, ' ');
	*start = p == NULL ? 0 : strtoull(p + 1, NULL, 10);
	return p != NULL;
}

static void where_make(char out[WHERE_TEXT])
{
	char host[64] = "localhost", boot[64], ns[64] = "", state;
	unsigned long long start = 0;
	ssize_t n = readlink("/proc/self/ns/pid", ns, sizeof ns - 1);

	ns[n < 0 ? 0 : n] = '\0';
	gethostname(host, sizeof host - 1);
	slurp("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	boot[strspn(boot, "0123456789abcdef")] = '\0';
	process_stat(getpid(), &state, &start);
	const char *digits = ns + strcspn(ns, "0123456789");
	snprintf(out, WHERE_TEXT, "%s/%s/%.*s/%ld/%llu", host, boot, (int)strspn(digits, "0123456789"), digits, (long)getpid(), start);
}

/* Bytes before the last `slashes` slashes, without the host's name. */
static ap_str place_of(const char *where)
{
	const char *from = strchr(where, '/'), *to = strrchr(where, '/');

	while (to != NULL && to > where && *--to != '/')
		;
	return from == NULL || to == NULL || to <= from ? ap_str_n(where, 0) : ap_str_n(from, (size_t)(to - from));
}

enum twin { TWIN_LIVES, TWIN_ENDED, TWIN_ELSEWHERE };

/* Can the process be seen from here, and if so, is it there? */
static enum twin twin_look(const struct ap_worker *w, const char *where)
{
	ap_str here = place_of(w->where), there = place_of(where);
	unsigned long long start = 0, was;
	char state = 'X', *end;

	if (here.len == 0 || !ap_str_eq(here, there))
		return TWIN_ELSEWHERE;
	long pid = strtol(there.p + there.len + 1, &end, 10);
	was = *end == '/' ? strtoull(end + 1, NULL, 10) : 0;
	if (!process_stat(pid, &state, &start) || start != was || state == 'Z' || state == 'X')
		return TWIN_ENDED;
	return TWIN_LIVES;
}

/* --- the registry's answers --- */

static void look_after(struct ap_worker *w, double s)
{
	ev_timer_stop(w->app->loop, &w->timer);
	ev_timer_set(&w->timer, s, 0);
	ev_timer_start(w->app->loop, &w->timer);
}

static uint64_t lease_ms(const struct ap_worker *w)
{
	return w->app->conf.runtime_lease_ms;
}

static void refuse(struct ap_worker *w, const char *where)
{
	ap_log(&w->app->log, AP_ERROR, "name_taken", KV_S("worker", w->name), KV_S("by", where),
	       KV_S("why", "another process works under this name, give each its own runtime.worker"), KV_S("next", "exit_111"));
	w->ready = false;
	w->ev.refused(w->ctx);
}

/* Bytes before the first slash: the host's name. */
static ap_str host_of(const char *where)
{
	return ap_str_n(where, strcspn(where, "/"));
}

/* Two hosts may number their processes alike: we add ours. False: that was done before, or would be too long. */
static bool rename_self(struct ap_worker *w, const char *where)
{
	char name[2 * AP_WORKER_NAME];
	ap_str host = host_of(w->where);

	/* Another container of the same name: its process ids tell. */
	if (ap_str_eq(host, host_of(where)))
		host = place_of(w->where);
	int n = snprintf(name, sizeof name, "%s@%.*s", w->name, (int)host.len, host.p);
	if (w->renamed || n < 0 || n >= AP_WORKER_NAME)
		return false;
	ap_log(&w->app->log, AP_WARN, "name_taken", KV_S("worker", w->name), KV_S("by", where), KV_S("next", "we_are_called"), KV_S("name", name));
	memcpy(w->name, name, (size_t)n + 1);
	w->renamed = true;
	w->twin_ns = 0;
	w->ev.renamed(w->ctx, w->name);
	look(w);
	return true;
}

/*
 * Another process is registered under our name. Seen from here to have ended: its place is taken at once. Seen to live: we go. Not
 * seen from here: it lives when its registration is renewed, and then one of us needs another name; else that runs out.
 */
static void twin(struct ap_worker *w, const redisReply *reply)
{
	int64_t end_ns = ap_mono_ns() + (int64_t)ap_reply_u64(reply, 1, 0) * 1000000;
	ap_str token = ap_reply_text(reply, 2), where = ap_reply_text(reply, 3);
	const char *at = where.p != NULL ? where.p : "";

	w->joined = false;
	switch (twin_look(w, at)) {
	case TWIN_ENDED:
		snprintf(w->dead, sizeof w->dead, "%.*s", (int)token.len, token.p != NULL ? token.p : "");
		look(w);
		return;
	case TWIN_ELSEWHERE:
		if (w->twin_ns == 0 || end_ns < w->twin_ns + (int64_t)lease_ms(w) * 1000000 / 8) {
			w->twin_ns = w->twin_ns == 0 ? end_ns : w->twin_ns;
			look_after(w, (double)lease_ms(w) / 4000);
			return;
		}
		if (rename_self(w, at))
			return;
		break;
	case TWIN_LIVES:
		break;
	}
	refuse(w, at);
}

/* Takes the names over. False: they are those we knew. */
static bool names_take(struct ap_worker *w, const redisReply *reply)
{
	ap_str names[AP_WORKERS_MAX];
	bool changed = false;
	size_t n = 0;

	for (size_t i = 1; i + 1 < reply->elements && n < AP_WORKERS_MAX; i += 2) {
		ap_str name = ap_reply_text(reply, i);
		if (name.len == 0 || name.len >= AP_WORKER_NAME)
			continue;
		if (n >= w->n || !ap_str_is(name, w->names[n])) {
			memcpy(w->names[n], name.p, name.len);
			w->names[n][name.len] = '\0';
			changed = true;
		}
		names[n] = ap_str_c(w->names[n]);
		n++;
	}
	changed = changed || n != w->n;
	w->n = n;
	if (changed && n > 0)
		ap_share(names, n, w->lanes, w->whose);
	return changed;
}

/* The next look: a quarter of the lease from now, or when the next registration of another runs out. */
static double next_look_s(const struct ap_worker *w, const redisReply *reply)
{
	uint64_t ms = lease_ms(w) / 4;

	for (size_t i = 1; i + 1 < reply->elements; i += 2) {
		uint64_t left = ap_reply_u64(reply, i + 1, ms) + SOON_MS;
		if (!ap_str_is(ap_reply_text(reply, i), w->name) && left < ms)
			ms = left;
	}
	return (double)(ms < LOOK_MS_MIN ? LOOK_MS_MIN : ms) / 1000;
}

static void looked_cb(void *ctx, const redisReply *reply)
{
	struct ap_worker *w = ctx;
	const char *word = ap_reply_word(reply);

	w->asked = false;
	w->dead[0] = '\0';
	if (!w->ready)
		return;
	if (strcmp(word, "TWIN") == 0) {
		twin(w, reply);
		return;
	}
	if (strcmp(word, "OK") != 0) {
		if (reply != NULL)
			ap_log(&w->app->log, AP_WARN, "registry_refused", KV_S("key", w->key),
			       KV_S("why", reply->type == REDIS_REPLY_ERROR ? "error" : word), KV_S("next", "ask_again"));
		look_after(w, (double)lease_ms(w) / 4000);
		return;
	}
	w->twin_ns = 0;
	w->joined = true;
	w->until_ns = w->asked_ns + (int64_t)lease_ms(w) * 1000000;
	bool changed = names_take(w, reply);
	unsigned mine = 0;
	for (unsigned l = 0; l < w->lanes; l++)
		mine += ap_worker_mine(w, l);
	if (changed)
		ap_log(&w->app->log, AP_INFO, "workers", KV_U("live", w->n), KV_U("ours", mine), KV_U("of", w->lanes));
	look_after(w, next_look_s(w, reply));
	w->ev.looked(w->ctx, changed);
}

/* --- asking --- */

static bool send(struct ap_worker *w, ap_reply_fn *fn, uint64_t term_ms)
{
	if (w->dead[0] != '\0')
		return ap_redis_sendf(w->redis, fn, w, "FCALL ap_worker_v1 1 %s %s %s %llu %s %s", w->key, w->name, w->token,
				      (unsigned long long)term_ms, w->where, w->dead);
	return ap_redis_sendf(w->redis, fn, w, "FCALL ap_worker_v1 1 %s %s %s %llu %s", w->key, w->name, w->token,
			      (unsigned long long)term_ms, w->where);
}

static void look(struct ap_worker *w)
{
	if (!w->ready || w->asked)
		return;
	int64_t now_ns = ap_mono_ns();
	w->asked = send(w, looked_cb, lease_ms(w));
	w->asked_ns = now_ns;
	if (!w->asked)
		look_after(w, (double)lease_ms(w) / 4000);
}

static void timer_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	look(t->data);
}

static void up_cb(void *ctx)
{
	look(ctx);
}

static void down_cb(void *ctx, const char *why)
{
	(void)ctx, (void)why;
}

static void random_hex(char *out, size_t bytes)
{
	uint8_t raw[16];

	ap_random(raw, bytes);
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

struct ap_worker *ap_worker_new(struct ap_app *app, const char *stage, const char *name, unsigned lanes, const struct ap_worker_events *ev,
				void *ctx, char *err, size_t errlen)
{
	static const struct ap_redis_events events = { up_cb, down_cb };
	struct ap_worker *w = calloc(1, sizeof *w);

	if (w == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	w->app = app;
	w->ev = *ev;
	w->ctx = ctx;
	w->lanes = lanes;
	snprintf(w->key, sizeof w->key, "ap:workers:%.20s", stage);
	snprintf(w->name, sizeof w->name, "%s", name);
	random_hex(w->token, sizeof w->token / 2);
	where_make(w->where);
	ev_timer_init(&w->timer, timer_cb, 0, 0);
	w->timer.data = w;
	w->redis = ap_redis_new_key(app->loop, &app->log, &app->conf, AP_REDIS_DATASET, w->key, &events, w, err, errlen);
	if (w->redis == NULL) {
		free(w);
		return NULL;
	}
	return w;
}

void ap_worker_free(struct ap_worker *w)
{
	if (w == NULL)
		return;
	ev_timer_stop(w->app->loop, &w->timer);
	ap_redis_free(w->redis);
	free(w);
}

void ap_worker_ready(struct ap_worker *w, bool ready)
{
	if (w->ready == ready)
		return;
	w->ready = ready;
	if (ready) {
		look(w);
		return;
	}
	ev_timer_stop(w->app->loop, &w->timer);
	w->dead[0] = '\0';
	if (w->joined || w->asked)
		send(w, NULL, 0);
	w->joined = false;
	w->n = 0;
}

bool ap_worker_joined(const struct ap_worker *w)
{
	return w->joined;
}

bool ap_worker_mine(const struct ap_worker *w, unsigned lane)
{
	return w->n > 0 && strcmp(w->names[w->whose[lane]], w->name) == 0;
}

bool ap_worker_theirs(const struct ap_worker *w, unsigned lane, ap_str name)
{
	return w->n > 0 && !ap_worker_mine(w, lane) && ap_str_is(name, w->names[w->whose[lane]]);
}

bool ap_worker_take(struct ap_worker *w, unsigned lane, struct ap_redis *redis, const char *key_own, char token[AP_TOKEN],
		    ap_reply_fn *fn, void *ctx)
{
	bool claim = ap_worker_mine(w, lane) && ap_mono_ns() < w->until_ns;

	/* The first half tells the process, the second this taking. */
	snprintf(token, AP_TOKEN, "%.16s", w->token);
	random_hex(token + 16, 8);
	return ap_redis_sendf(redis, fn, ctx, "FCALL ap_acquire_v1 1 %s %s %s %llu %llu", key_own, token, w->name,
			      (unsigned long long)lease_ms(w), (unsigned long long)(claim ? 0 : 2 * lease_ms(w)));
}

double ap_worker_wait_s(const struct ap_worker *w, unsigned lane, uint64_t left_ms, unsigned times)
{
	uint64_t ms = (uint64_t)CLAIM_MS << (times < 5 ? times : 5);
	uint32_t dice;

	if (!ap_worker_mine(w, lane)) {
		/* Nobody is waited for: only looked after now and then, not by all at the same moment. */
		ap_random(&dice, sizeof dice);
		return (double)lease_ms(w) / 1000 * (0.75 + 0.5 * (double)dice / (double)UINT32_MAX);
	}
	ms = ms < CLAIM_MS_MAX ? ms : CLAIM_MS_MAX;
	return (double)(left_ms < ms ? left_ms + 1 : ms) / 1000;
}
