/*
 * runtime.c - every partition this worker owns: pull, fold, commit.
 *
 * The order of things is the table in core/fsm.c; here are the commands behind its actions. Commands of a partition go over
 * its own connection and are answered in order, so a reply that finds the partition in another state than the one that
 * asks for it belongs to an earlier life, and is passed over.
 */
#include "runtime.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime_part.h"

enum {
	LOAD_PIECE = 512,               /* fields asked for at once */
	NAMES_BYTES = 256 * 1024 * 1024,
	ACKS_BYTES = 256 * 64,
	ALONE_BYTES = 16 * 1024 * 1024,         /* an entry's body; frames are of 256 KiB at most, others' may be anything */
	ROOM_MS = 100,                  /* between two looks downstream while paused */
	LEAVING_BLOCK_MS = 50,          /* a read of what is soon to be another's */
	STOP_S = 5,                     /* a partition that has not finished by then is left to its lease */
};

static const struct ap_redis_events redis_events;

static struct ap_log *log_of(struct part *p)
{
	return &p->rt->app.log;
}

static const struct ap_conf *conf_of(const struct part *p)
{
	return &p->rt->app.conf;
}

static void part_timer(struct part *p, double after_s)
{
	ev_timer_stop(p->rt->app.loop, &p->timer);
	ev_timer_set(&p->timer, after_s, 0);
	ev_timer_start(p->rt->app.loop, &p->timer);
}

void part_refused(struct part *p, const char *what, const char *why)
{
	p->m.refused++;
	/* At 1, 2, 4, 8 ... tries: a page of equal lines hides the others. An error's first word; the rest may quote what was sent. */
	if ((p->attempt & (p->attempt - 1)) == 0)
		ap_log(log_of(p), AP_WARN, "refused", KV_U("part", p->p), KV_S("what", what),
		       KV_T("why", ap_str_n(why, strcspn(why, " \r\n"))), KV_U("q", p->q), KV_S("next", "recover"));
	part_event(p, AP_R_REFUSED);
}

/* True: the reply is of use. An error goes to the recovery path, a lost connection has its own event. */
static bool expected(struct part *p, const redisReply *reply, enum ap_run_state asked_in, const char *what)
{
	if (reply == NULL || p->state != asked_in)
		return false;
	if (reply->type == REDIS_REPLY_ERROR) {
		part_refused(p, what, reply->str);
		return false;
	}
	return true;
}

/* --- the lease --- */

static void forget(struct part *p)
{
	part_past_drop(p);
	alone_over(p);
	if (!p->open)
		return;
	struct ap_fold_count *to = &p->m.before;
	const struct ap_fold_count *from = &p->fold.count;
	to->records_in += from->records_in;
	to->records_out += from->records_out;
	to->entries += from->entries;
	to->bad_frames += from->bad_frames;
	for (unsigned v = 0; v < AP_V_N; v++)
		to->verdict[v] += from->verdict[v];
	ap_fold_done(&p->fold);
	p->open = false;
}

/* What was in memory may differ from what is in Redis. */
static void forget_doubted(struct part *p)
{
	p->m.recoveries += p->open;
	forget(p);
}

static void lease_extend(struct part *p)
{
	/* From before it was asked for: the server's clock for it started later. A third is left for clocks that differ. */
	p->lease_ns = p->asked_ns + (int64_t)conf_of(p)->runtime_lease_ms * 1000000 / 3 * 2;
	p->asked_ns = 0;
}

static void acquire_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (reply == NULL || (p->state != AP_R_LEASING && p->state != AP_R_RELEASING))
		return;
	const char *word = ap_reply_word(reply);
	if (strcmp(word, "OK") == 0) {
		p->epoch = ap_reply_u64(reply, 1, 0);
		p->held = 0;
		lease_extend(p);
		part_event(p, AP_R_OWNED);
	} else if (strcmp(word, "HELD") == 0) {
		p->held_ms = ap_reply_u64(reply, 2, 0);
		p->asked_ns = 0;
		part_event(p, AP_R_HELD);
	} else if (strcmp(word, "DATASET") == 0) {
		ap_redis_reset(p->redis, "dataset_lost");
	} else {
		part_refused(p, "acquire", reply->type == REDIS_REPLY_ERROR ? reply->str : word);
	}
}

static void acquire(struct part *p)
{
	forget(p);
	p->asked_ns = ap_mono_ns();
	ap_worker_take(p->rt->worker, p->p, p->redis, p->key_own, p->token, acquire_cb, p);
}

static void renew_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (reply == NULL || !ap_run_owns(p->state))
		return;
	if (strcmp(ap_reply_word(reply), "OK") != 0) {
		part_refused(p, "renew", reply->type == REDIS_REPLY_ERROR ? reply->str : ap_reply_word(reply));
		return;
	}
	lease_extend(p);
	/* Who asks for it is named. It is given to whom it belongs, and to nobody who may not come. */
	if (ap_worker_theirs(p->rt->worker, p->p, ap_reply_text(reply, 1))) {
		p->m.yields++;
		part_event(p, AP_R_THEIRS);
	}
}

void part_renew(struct part *p)
{
	int64_t now_ns = ap_mono_ns();

	if (p->asked_ns == 0 && ap_redis_sendf(p->redis, renew_cb, p, "FCALL ap_renew_v1 1 %s %s %llu %llu", p->key_own, p->token,
					       (unsigned long long)p->epoch, (unsigned long long)conf_of(p)->runtime_lease_ms))
		p->asked_ns = now_ns;
}

static void renew_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)loop, (void)revents;
	runtime_offer(p->rt);
	if (!ap_run_owns(p->state))
		return;
	if (ap_mono_ns() >= p->lease_ns) {
		ap_log(log_of(p), AP_WARN, "lease_expired", KV_U("part", p->p), KV_S("next", "recover"));
		part_event(p, AP_R_EXPIRED);
	} else {
		part_renew(p);
	}
}

static void release_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (reply == NULL || (p->state != AP_R_RELEASING && p->state != AP_R_YIELDING))
		return;
	ap_log(log_of(p), AP_INFO, "released", KV_U("part", p->p), KV_U("epoch", p->epoch),
	       KV_S("why", p->state == AP_R_YIELDING ? "another_worker_claims_it" : "stop"));
	part_event(p, AP_R_RELEASED);
}

static void release(struct part *p)
{
	alone_given_up(p);
	if (!ap_redis_sendf(p->redis, release_cb, p, "FCALL ap_renew_v1 1 %s %s %llu 0", p->key_own, p->token,
			    (unsigned long long)p->epoch))
		part_event(p, AP_R_RELEASED);
}

static void wait_held(struct part *p)
{
	if (ap_worker_mine(p->rt->worker, p->p))
		part_timer(p, ap_worker_wait_s(p->rt->worker, p->p, p->held_ms, p->held++));
	else
		part_event(p, AP_R_THEIRS);
}

static void seek(struct part *p)
{
	forget(p);
	p->held = 0;
	if (ap_worker_mine(p->rt->worker, p->p))
		part_event(p, AP_R_MINE);
	else
		part_timer(p, ap_worker_wait_s(p->rt->worker, p->p, 0, 0));
}

/* --- loading --- */

static void load_piece(struct part *p);

static void loaded(struct part *p)
{
	char err[256] = "";
	const struct ap_stage *stage = p->rt->stage;

	if (stage->loaded != NULL && !stage->loaded(p->fold.st, err, sizeof err)) {
		ap_log(log_of(p), AP_ERROR, "state_refused", KV_U("part", p->p), KV_S("why", err), KV_S("next", "try_again; docs/operations.md says what cures it"));
		part_refused(p, "load", "state_does_not_fit");
		return;
	}
	if (!part_past(p))
		part_loaded(p);
}

void part_loaded(struct part *p)
{
	ap_log(log_of(p), AP_INFO, "loaded", KV_U("part", p->p), KV_S("cursor", p->cursor), KV_U("q", p->q), KV_U("epoch", p->epoch));
	part_event(p, AP_R_LOADED);
}

/* Values in the order of the names at names_at. */
static void piece_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	ap_str name;

	if (!expected(p, reply, AP_R_LOADING, "load"))
		return;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *v = reply->element[i];
		if (!ap_fold_text(&p->names, &p->names_at, &name))
			break;
		name = ap_str_n(name.p + 2, name.len - 2);      /* without "f:" */
		if (v->type != REDIS_REPLY_STRING || !p->rt->stage->load(p->fold.st, name, ap_str_n(v->str, v->len))) {
			ap_log(log_of(p), AP_ERROR, "state_refused", KV_U("part", p->p), KV_T("field", name),
			       KV_S("why", "damaged, or of a newer program"), KV_S("next", "try_again; if it stays: apctl rebuild --force"));
			part_refused(p, "load", "field_refused");
			return;
		}
	}
	load_piece(p);
}

static void load_piece(struct part *p)
{
	size_t n = 0, at = p->names_at;
	ap_str name;

	while (n < LOAD_PIECE && ap_fold_text(&p->names, &at, &name))
		n++;
	if (n == 0) {
		loaded(p);
		return;
	}
	if (!ap_redis_begin(p->redis, 2 + n))
		return;
	ap_redis_arg(p->redis, ap_str_c("HMGET"));
	ap_redis_arg(p->redis, ap_str_c(p->key_state));
	for (at = p->names_at; n > 0 && ap_fold_text(&p->names, &at, &name); n--)
		ap_redis_arg(p->redis, name);
	ap_redis_end(p->redis, piece_cb, p, 0);
}

static void names_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (!expected(p, reply, AP_R_LOADING, "load"))
		return;
	ap_buf_clear(&p->names);
	p->names_at = 0;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *v = reply->element[i];
		uint32_t len = (uint32_t)v->len;
		if (v->type != REDIS_REPLY_STRING || v->len < 2 || memcmp(v->str, "f:", 2) != 0)
			continue;
		ap_buf_put(&p->names, &len, sizeof len);
		ap_buf_put(&p->names, v->str, v->len);
	}
	assert(!p->names.full);
	load_piece(p);
}

static void cursor_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (!expected(p, reply, AP_R_LOADING, "load"))
		return;
	ap_str c = ap_reply_text(reply, 0);
	p->fresh = c.len == 0 || c.len >= sizeof p->cursor;
	snprintf(p->cursor, sizeof p->cursor, "%s", p->fresh ? "0-0" : c.p);
	p->q = ap_reply_u64(reply, 1, 0);
	p->taken = ap_reply_u64(reply, 2, 0);
}

static void load(struct part *p)
{
	char err[256];

	if (!ap_fold_init(&p->fold, p->rt->stage, conf_of(p), err, sizeof err)) {
		/* The options were checked at start, so this is memory. */
		part_refused(p, "open", err);
		return;
	}
	p->open = true;
	ap_redis_sendf(p->redis, cursor_cb, p, "HMGET %s c q n", p->key_state);
	alone_load(p);
	ap_redis_sendf(p->redis, names_cb, p, "HKEYS %s", p->key_state);
}

/* --- the group, reading --- */

static void placed_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;

	if (expected(p, reply, AP_R_PLACING, "place"))
		part_event(p, AP_R_PLACED);
}

/* The first entries behind the cursor, whoever may have read them. */
static void there_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	struct ap_entry e;

	if (!expected(p, reply, AP_R_PLACING, "place"))
		return;
	p->first_there = 0;
	for (size_t i = 0; i < reply->elements && p->first_there == 0; i++)
		if (ap_entry_read(reply->element[i], NULL, &e) && !e.foreign)
			p->first_there = e.q;
}

/*
 * The cursor in our hash is the truth: the group's pending list is emptied and the group set to the cursor, so that the next read brings
 * whatever follows it, read before by anybody or not.
 */
static void place(struct part *p)
{
	const char *key = p->key_stream[p->rt->stage->in], *group = p->rt->stage->name;

	ap_redis_sendf(p->redis, NULL, NULL, "XGROUP CREATE %s %s 0 MKSTREAM", key, group);     /* BUSYGROUP: it is there */
	ap_redis_sendf(p->redis, NULL, NULL, "XGROUP DELCONSUMER %s %s p", key, group);
	ap_redis_sendf(p->redis, there_cb, p, "XRANGE %s (%s + COUNT 3", key, p->cursor);
	ap_redis_sendf(p->redis, placed_cb, p, "XGROUP SETID %s %s %s ENTRIESREAD %llu", key, group, p->cursor,
		       (unsigned long long)p->q);
}

static void read_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	size_t n;

	if (!expected(p, reply, AP_R_READING, "read"))
		return;
	const redisReply *entries = ap_entries_of(reply, &n);
	if (n > 0) {
		struct ap_run_row row = ap_run_next(p->state, AP_R_BATCH);
		assert(row.act == AP_R_WORK);
		p->state = row.next;
		part_work(p, entries, n);
	} else {
		p->attempt = 0;
		part_event(p, p->full ? AP_R_FULL : AP_R_EMPTY);
	}
}

/* As many entries as make one commit: what they bring and make follows the last ones. */
static uint64_t read_count(const struct part *p)
{
	uint64_t most = conf_of(p)->runtime_read_entries, n = COMMIT_BYTES / (p->entry_bytes + 1);

	return p->careful || n < 1 ? 1 : n < most ? n : most;
}

void part_read(struct part *p)
{
	uint64_t block = conf_of(p)->runtime_block_ms, most = conf_of(p)->runtime_lease_ms / 8;

	/* Renewals wait behind a read, and so does giving the lease up. */
	if (!ap_worker_mine(p->rt->worker, p->p))
		most = LEAVING_BLOCK_MS;
	if (block > most)
		block = most;
	part_peek(p);
	if (!ap_redis_begin(p->redis, 11))
		return;
	const char *const head[] = { "XREADGROUP", "GROUP", p->rt->stage->name, "p", "COUNT" };
	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
		ap_redis_arg(p->redis, ap_str_c(head[i]));
	ap_redis_arg_u64(p->redis, read_count(p));
	ap_redis_arg(p->redis, ap_str_c("BLOCK"));
	ap_redis_arg_u64(p->redis, block);
	ap_redis_arg(p->redis, ap_str_c("STREAMS"));
	ap_redis_arg(p->redis, ap_str_c(p->key_stream[p->rt->stage->in]));
	ap_redis_arg(p->redis, ap_str_c(">"));
	ap_redis_end(p->redis, read_cb, p, block);
}

/* --- the table at work --- */

static void leave_loop(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* All partitions are done: the last report gets a moment to reach the socket. */
static void finish(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->n; i++)
		if (rt->part[i].state != AP_R_STOPPED)
			return;
	if (rt->leaving)
		return;
	rt->leaving = true;
	ap_metrics_flush(rt->metrics);
	ev_timer_stop(rt->app.loop, &rt->stop_timer);
	ev_timer_init(&rt->stop_timer, leave_loop, 0.02, 0);
	ev_timer_start(rt->app.loop, &rt->stop_timer);
}

static void part_retreat(struct part *p)
{
	forget_doubted(p);
	part_timer(p, ap_backoff_s(conf_of(p), p->attempt++));
}

static void part_act(struct part *p, enum ap_run_action a)
{
	assert(a != AP_R_WORK);         /* it has entries: see read_cb */
	switch (a) {
	case AP_R_NONE: case AP_R_WORK: case AP_R_ACTION_N: break;
	case AP_R_ACQUIRE: acquire(p); break;
	case AP_R_WAIT_HELD: wait_held(p); break;
	case AP_R_SEEK: seek(p); break;
	case AP_R_LOAD: load(p); break;
	case AP_R_PLACE: place(p); break;
	case AP_R_READ: part_read(p); break;
	case AP_R_WAIT_ROOM: part_timer(p, ROOM_MS / 1000.0); break;
	case AP_R_ASK_ROOM:
		part_ask_room(p);
		if (p->room_left == 0)
			part_timer(p, ROOM_MS / 1000.0);
		break;
	case AP_R_RETREAT: part_retreat(p); break;
	case AP_R_FORGET: forget_doubted(p); break;
	case AP_R_RELEASE: release(p); break;
	case AP_R_FINISH: forget(p); finish(p->rt); break;
	}
}

void part_event(struct part *p, enum ap_run_event e)
{
	struct ap_run_row row = ap_run_next(p->state, e);

	if (row.next != p->state) {
		ev_timer_stop(p->rt->app.loop, &p->timer);
		if (p->state == AP_R_STANDBY && row.next != AP_R_LEASING)
			ap_log(log_of(p), AP_DEBUG, "state", KV_U("part", p->p), KV_S("to", ap_run_state_name(row.next)));
	}
	p->state = row.next;
	part_act(p, row.act);
	runtime_offer(p->rt);
	runtime_ready(p->rt);
}

static void up_cb(void *ctx)
{
	part_event(ctx, AP_R_UP);
}

static void down_cb(void *ctx, const char *why)
{
	(void)why;              /* the connection has logged it */
	part_event(ctx, AP_R_LOST);
}

static const struct ap_redis_events redis_events = { up_cb, down_cb };

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	part_event(w->data, AP_R_TIMER);
}

static void watch_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)loop, (void)revents;
	if (p->state == AP_R_READING || p->state == AP_R_COMMITTING)
		part_ask_room(p);
}

/* --- reports --- */

struct stage_counts {
	struct ap_counts c;     /* first */
	struct ap_metrics *m;
	const char *labels;
};

static void stage_count_put(struct ap_counts *c, const char *name, enum ap_metric_type type, double value)
{
	const struct stage_counts *s = (const struct stage_counts *)c;

	ap_metrics_add(s->m, name, s->labels, type, value);
}

static void hist_report(struct ap_metrics *m, struct ap_hist *h, const char *p50, const char *p99, const char *labels)
{
	if (h->n > 0) {
		ap_metrics_add(m, p50, labels, AP_M_GAUGE, (double)ap_hist_quantile(h, 0.5));
		ap_metrics_add(m, p99, labels, AP_M_GAUGE, (double)ap_hist_quantile(h, 0.99));
	}
	ap_hist_init(h);
}

static void verdicts_report(struct part *p, struct ap_metrics *m)
{
	char labels[64];

	for (unsigned v = 0; v < AP_V_N; v++) {
		uint64_t n = p->m.before.verdict[v] + (p->open ? p->fold.count.verdict[v] : 0);
		snprintf(labels, sizeof labels, "part=\"%u\",verdict=\"%s\"", p->p, ap_verdict_name(v));
		ap_metrics_add(m, "verdicts_total", labels, AP_M_COUNTER, (double)n);
	}
}

static void part_report(struct part *p, struct ap_metrics *m)
{
	static const struct ap_fold_count none;
	const struct ap_fold_count *now = p->open ? &p->fold.count : &none, *was = &p->m.before;
	bool owned = ap_run_owns(p->state);
	char labels[64], state[64];
	uint64_t left, looked = part_peeked(p, &left);

	snprintf(labels, sizeof labels, "part=\"%u\"", p->p);
	snprintf(state, sizeof state, "part=\"%u\",state=\"%s\"", p->p, ap_run_state_name(p->state));
	ap_metrics_add(m, "state", state, AP_M_GAUGE, 1);
	ap_metrics_add(m, "owned", labels, AP_M_GAUGE, owned ? 1 : 0);
	/* Alarms are raised when these rise: they are there from the beginning. */
	ap_metrics_add(m, "lost_entries_total", labels, AP_M_COUNTER, (double)p->m.lost);
	ap_metrics_add(m, "bad_frames_total", labels, AP_M_COUNTER, (double)(now->bad_frames + was->bad_frames));
	if (p->epoch == 0)
		return;         /* never ours: its owners report the rest */
	const struct { const char *name; enum ap_metric_type type; double v; } rows[] = {
		{ "records_in_total", AP_M_COUNTER, (double)(now->records_in + was->records_in) },
		{ "records_out_total", AP_M_COUNTER, (double)(now->records_out + was->records_out) },
		{ "entries_in_total", AP_M_COUNTER, (double)(now->entries + was->entries) },
		{ "commits_total", AP_M_COUNTER, (double)p->m.commits },
		{ "recoveries_total", AP_M_COUNTER, (double)p->m.recoveries },
		{ "yields_total", AP_M_COUNTER, (double)p->m.yields },
		{ "refusals_total", AP_M_COUNTER, (double)p->m.refused },
		{ "redelivered_total", AP_M_COUNTER, (double)p->m.duplicates },
		{ "foreign_entries_total", AP_M_COUNTER, (double)p->m.foreign },
		{ "reconnects_total", AP_M_COUNTER, (double)ap_redis_downs(p->redis) },
		/* What is another's is in his report. */
		{ "lag_entries", AP_M_GAUGE, owned ? (double)p->lag_entries : 0 },
		{ "lag_records", AP_M_GAUGE, owned ? (double)p->lag_records : 0 },
		{ "peeked_total", AP_M_COUNTER, (double)looked },
		{ "peeks_left_out_total", AP_M_COUNTER, (double)left },
		{ "paused", AP_M_GAUGE, p->state == AP_R_PAUSED ? 1 : 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ap_metrics_add(m, rows[i].name, labels, rows[i].type, rows[i].v);
	verdicts_report(p, m);
	hist_report(m, &p->m.commit_us, "commit_us_p50", "commit_us_p99", labels);
	hist_report(m, &p->m.age_ms, "age_ms_p50", "age_ms_p99", labels);
	hist_report(m, &p->m.beat_ms, "beat_age_ms_p50", "beat_age_ms_p99", labels);
	if (p->open && p->rt->stage->count != NULL) {
		struct stage_counts c = { { stage_count_put }, m, labels };
		p->rt->stage->count(p->fold.st, &c.c);
	}
}

static void collect(void *ctx, struct ap_metrics *m)
{
	struct runtime *rt = ctx;

	for (unsigned i = 0; i < rt->n; i++)
		part_report(&rt->part[i], m);
}

/* --- start and stop --- */

static bool part_init(struct part *p, struct runtime *rt, unsigned i, char *err, size_t errlen)
{
	double lease_s = (double)rt->app.conf.runtime_lease_ms / 1000;

	p->rt = rt;
	p->p = i;
	snprintf(p->key_own, sizeof p->key_own, "ap:{%u}:own:%.20s", i, rt->stage->name);
	snprintf(p->key_state, sizeof p->key_state, "ap:{%u}:state:%.20s", i, rt->stage->name);
	snprintf(p->key_seq, sizeof p->key_seq, "ap:{%u}:seq", i);
	for (unsigned s = 0; s < AP_S_N; s++)
		snprintf(p->key_stream[s], sizeof p->key_stream[s], "ap:{%u}:%s", i, ap_stream_name(s));
	ap_buf_init(&p->names, NAMES_BYTES);
	ap_buf_init(&p->acks, ACKS_BYTES);
	ap_buf_init(&p->alone.body, ALONE_BYTES);
	ap_hist_init(&p->m.commit_us);
	ap_hist_init(&p->m.age_ms);
	ap_hist_init(&p->m.beat_ms);
	ev_timer_init(&p->timer, timer_cb, 0, 0);
	ev_timer_init(&p->renew, renew_tick, lease_s / 4, lease_s / 4);
	ev_timer_init(&p->watch, watch_cb, 1, 1);
	p->timer.data = p->renew.data = p->watch.data = p;
	ev_timer_start(rt->app.loop, &p->renew);
	ev_timer_start(rt->app.loop, &p->watch);
	p->redis = ap_redis_new_part(rt->app.loop, &rt->app.log, &rt->app.conf, AP_REDIS_DATASET, i, &redis_events, p, err, errlen);
	return p->redis != NULL;
}

static void part_done(struct part *p)
{
	ev_timer_stop(p->rt->app.loop, &p->timer);
	ev_timer_stop(p->rt->app.loop, &p->renew);
	ev_timer_stop(p->rt->app.loop, &p->watch);
	ap_redis_free(p->redis);
	forget(p);
	part_peek_done(p);
	ap_buf_done(&p->names);
	ap_buf_done(&p->acks);
	ap_buf_done(&p->alone.body);
}

static void stop_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct runtime *rt = w->data;

	(void)revents;
	ap_log(&rt->app.log, AP_WARN, "stop_late", KV_S("next", "the_leases_run_out"));
	ev_break(loop, EVBREAK_ALL);
}

static void on_stop(struct ap_app *app)
{
	struct runtime *rt = app->ctx;

	if (rt->stopping)
		return;
	rt->stopping = true;
	ap_worker_ready(rt->worker, false);
	ev_timer_init(&rt->stop_timer, stop_late, STOP_S, 0);
	rt->stop_timer.data = rt;
	ev_timer_start(app->loop, &rt->stop_timer);
	for (unsigned i = 0; i < rt->n; i++)
		part_event(&rt->part[i], AP_R_STOP);
}

int runtime_run(struct runtime *rt)
{
	char err[256];
	int rc = AP_EX_MISTAKE;
	uint64_t run;

	ap_random(&run, sizeof run);
	snprintf(rt->run, sizeof rt->run, "%016" PRIx64, run);
	rt->app.ctx = rt;
	rt->app.on_stop = on_stop;
	rt->n = (unsigned)rt->app.conf.data_partitions;
	ap_worker_name(&rt->app.conf, rt->name, sizeof rt->name);
	rt->part = calloc(rt->n, sizeof *rt->part);
	assert(rt->part != NULL);
	rt->control = ap_redis_new_key(rt->app.loop, &rt->app.log, &rt->app.conf, AP_REDIS_PRIMARY, "ap:metric", NULL, NULL, err, sizeof err);
	if (rt->control == NULL) {
		fprintf(stderr, "%s: %s\n", rt->app.spec->name, err);
		goto out;
	}
	rt->worker = ap_worker_new(&rt->app, rt->stage->name, rt->name, rt->n, &runtime_worker_events, rt, err, sizeof err);
	if (rt->worker == NULL)
		goto out;
	rt->metrics = ap_metrics_new(rt->app.loop, &rt->app.log, &rt->app.conf, rt->control, rt->app.spec->name, rt->name,
				     collect, rt);
	for (unsigned i = 0; i < rt->n; i++)
		if (!part_init(&rt->part[i], rt, i, err, sizeof err))
			goto out;       /* the same URL has just been taken */
	rc = ap_app_run(&rt->app);
out:
	for (unsigned i = 0; i < rt->n && rt->part[i].rt != NULL; i++)
		part_done(&rt->part[i]);
	ap_metrics_free(rt->metrics);
	ap_worker_free(rt->worker);
	ap_redis_free(rt->control);
	ap_pg_free(rt->pg);
	free(rt->part);
	ev_timer_stop(rt->app.loop, &rt->stop_timer);
	return rc;
}
