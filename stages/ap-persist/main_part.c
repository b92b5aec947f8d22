/*
 * main_part.c - the Redis side of a partition: lease, groups, reading ahead, acknowledging, trimming.
 *
 * PostgreSQL's cursors are the truth. The group is set to them whenever the partition is taken, so entries that an
 * earlier owner had read, or that PostgreSQL forgot with a restored backup, simply come again. A partition is
 * forgotten by dropping its connection: then no reply of its earlier life can arrive.
 */
#include "main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/io/entry.h"

enum {
	ACKS = 256, ARGV_MAX = ACKS + 4, LEAVING_BLOCK_MS = 50,
	TRIM_BYTES = 256 << 10, /* stored, and the streams are trimmed without waiting for the timer: where Redis is full, sources wait for that; */
	TRIM_PART = 10,         /* but not before this part of its time */
};

static const char group[] = "persist";

void part_forget(struct part *pt, const char *why)
{
	struct sink *s = pt->sink;

	if (pt->phase == PH_OFF)
		return;
	ap_log(&s->app.log, AP_WARN, "partition_forgotten", KV_I("part", pt->p), KV_S("why", why), KV_S("next", "take_again"));
	s->stats.recoveries++;
	alone_forget(pt);
	pt->phase = PH_OFF;
	pt->reading = false;
	pt->seeking = 0;
	pt->box.n = pt->box.next = pt->box.sure = pt->box.asked = 0;
	ap_buf_clear(&pt->box.bytes);
	if (ap_redis_is_up(pt->redis))
		ap_redis_reset(pt->redis, why);
}

static void later(struct part *pt)
{
	unsigned n = pt->attempts < 4 ? pt->attempts++ : 4;

	pt->phase = PH_OFF;
	pt->retry_ns = ap_mono_ns() + (int64_t)(ap_backoff_s(&pt->sink->app.conf, n) * 1e9);
}

static unsigned lane_of(const struct part *pt)
{
	return (unsigned)(pt - pt->sink->part);
}

/* Another worker has it, or nobody for no long time. */
static void look_later(struct part *pt, uint64_t left_ms)
{
	pt->retry_ns = ap_mono_ns() + (int64_t)(ap_worker_wait_s(pt->sink->worker, lane_of(pt), left_ms, pt->held++) * 1e9);
}

/* For commands whose answer changes nothing unless it is an error. */
static void plain_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		ap_log(&pt->sink->app.log, AP_WARN, "redis_refused", KV_I("part", pt->p), KV_S("why", reply->str), KV_S("next", "go_on"));
}

/* --- taking a partition ------------------------------------------------------------------------------- */

static void lease_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;
	struct sink *s = pt->sink;
	const char *word = ap_reply_word(reply);

	if (reply == NULL || pt->phase != PH_LEASE)
		return;
	if (strcmp(word, "OK") == 0) {
		pt->epoch = ap_reply_u64(reply, 1, 0);
		pt->phase = PH_LOAD;
		pt->held = 0;
		snprintf(pt->before, sizeof pt->before, "%.*s", (int)ap_reply_text(reply, 2).len, ap_reply_text(reply, 2).len > 0 ? ap_reply_text(reply, 2).p : "");
		sink_pump(s);
	} else if (strcmp(word, "DATASET") == 0) {
		part_forget(pt, "dataset_lost");
	} else if (strcmp(word, "HELD") == 0) {
		pt->phase = PH_OFF;
		look_later(pt, ap_reply_u64(reply, 2, 0));
	} else {
		ap_log(&s->app.log, AP_WARN, "lease_refused", KV_I("part", pt->p), KV_S("next", "try_again"));
		later(pt);
	}
}

void part_try(struct part *pt)
{
	struct sink *s = pt->sink;

	if (pt->phase != PH_OFF || s->stopping || !s->pg_ready || !ap_redis_is_up(pt->redis) || ap_mono_ns() < pt->retry_ns)
		return;
	if (ap_worker_take(s->worker, lane_of(pt), pt->redis, pt->own, pt->token, lease_cb, pt))
		pt->phase = PH_LEASE;
}

static void seek_done(struct part *pt)
{
	if (--pt->seeking > 0)
		return;
	pt->phase = PH_READ;
	pt->attempts = 0;
	ap_log(&pt->sink->app.log, AP_INFO, "partition_taken", KV_I("part", pt->p), KV_U("epoch", pt->epoch));
	part_read(pt);
}

/* Creating a group that is there is no error. */
static void made_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSYGROUP", 9) != 0)
		part_forget(pt, "group_not_made");
	else
		seek_done(pt);
}

static void set_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	if (reply->type == REDIS_REPLY_ERROR)
		part_forget(pt, "group_not_set");
	else
		seek_done(pt);
}

/* The first entry behind the cursor. */
static void there_cb(void *ctx, const redisReply *reply)
{
	struct stream *st = ctx;
	struct part *pt = st->part;
	struct ap_entry first;
	const redisReply *e;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	e = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply->element[0] : NULL;
	st->first_there = e != NULL && ap_entry_read(e, NULL, &first) ? (int64_t)first.q : 0;
	if (reply->type != REDIS_REPLY_ARRAY)
		part_forget(pt, "stream_not_read");
	else
		seek_done(pt);
}

static bool ask_pending(struct stream *st);

/* What an earlier owner had stored but not acknowledged: [id, consumer, idle, deliveries] each. */
static void pending_cb(void *ctx, const redisReply *reply)
{
	struct stream *st = ctx;
	struct part *pt = st->part;
	const char *argv[ARGV_MAX] = { "XACK", st->key, group };
	int argc = 3;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		part_forget(pt, "pending_not_read");
		return;
	}
	for (size_t i = 0; i < reply->elements && argc < ARGV_MAX; i++)
		if (reply->element[i]->type == REDIS_REPLY_ARRAY && reply->element[i]->elements > 0)
			argv[argc++] = reply->element[i]->element[0]->str;
	if (argc > 3)
		ap_redis_send(pt->redis, plain_cb, pt, 0, argc, argv, NULL);
	if (reply->elements == ACKS && ask_pending(st))
		return;
	seek_done(pt);
}

static bool ask_pending(struct stream *st)
{
	char id[AP_ID_TEXT];

	ap_id_format(st->stored, id);
	return ap_redis_sendf(st->part->redis, pending_cb, st, "XPENDING %s %s - %s %d", st->key, group, id, ACKS);
}

static bool seek_stream(struct part *pt, struct stream *st)
{
	char id[AP_ID_TEXT];

	ap_id_format(st->stored, id);
	pt->seeking += 4;
	if (!ap_redis_sendf(pt->redis, made_cb, pt, "XGROUP CREATE %s %s 0 MKSTREAM", st->key, group) ||
	    !ap_redis_sendf(pt->redis, there_cb, st, "XRANGE %s (%s + COUNT 1", st->key, id))
		return false;
	/* Sequence numbers count entries from 1, so the group's lag comes out right in redis-cli as well. */
	if (st->stored_q > 0 ? !ap_redis_sendf(pt->redis, set_cb, pt, "XGROUP SETID %s %s %s ENTRIESREAD %lld", st->key, group, id,
					       (long long)st->stored_q)
			     : !ap_redis_sendf(pt->redis, set_cb, pt, "XGROUP SETID %s %s %s", st->key, group, id))
		return false;
	return ask_pending(st);
}

/* --- what was stored when Redis was filled again ---------------------------------------------------------- */

static const char *const known_names[MAP_K_N] = { "raw", "tick", "reject" };

static struct map_known *known_of(struct part *pt, uint32_t tag, size_t cap)
{
	for (size_t i = 0; i < pt->known_n; i++)
		if (pt->known[i].tag == tag)
			return &pt->known[i];
	if (pt->known_n == cap)
		return NULL;
	pt->known[pt->known_n] = (struct map_known){ .tag = tag };
	return &pt->known[pt->known_n++];
}

static int by_tag(const void *a, const void *b)
{
	const struct map_known *x = a, *y = b;

	return (x->tag > y->tag) - (x->tag < y->tag);
}

/*
 * Fields "raw:00ab3f" with a number, and "q:raw", where the stream began then. A database that was restored from before that knows less:
 * its cursor says so.
 */
static void known_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;
	bool older = false;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	free(pt->known);
	pt->known_n = 0;
	pt->known = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? calloc(reply->elements / 2, sizeof *pt->known) : NULL;
	for (size_t i = 0; pt->known != NULL && i + 1 < reply->elements; i += 2) {
		ap_str f = ap_reply_text(reply, i);
		uint64_t v = ap_reply_u64(reply, i + 1, 0);

		for (size_t k = 0; k < MAP_STREAMS; k++)
			if (f.len > 2 && memcmp(f.p, "q:", 2) == 0 && ap_str_is(ap_str_n(f.p + 2, f.len - 2), map_stream_name((unsigned)k)))
				older = older || (pt->st[k].on && pt->st[k].stored_q < (int64_t)v);
		for (size_t k = 0; k < MAP_K_N; k++) {
			size_t n = strlen(known_names[k]);
			struct map_known *to;

			if (f.len == n + 7 && memcmp(f.p, known_names[k], n) == 0 && f.p[n] == ':') {
				to = known_of(pt, (uint32_t)strtoul(f.p + n + 1, NULL, 16), reply->elements / 2);
				if (to != NULL)
					to->seq[k] = v;
			}
		}
	}
	if (older)
		pt->known_n = 0;
	if (pt->known_n > 0)
		qsort(pt->known, pt->known_n, sizeof *pt->known, by_tag);
	seek_done(pt);
}

static void alone_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL || pt->phase != PH_SEEK)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		part_forget(pt, "marks_not_read");
		return;
	}
	alone_loaded(pt, reply);
	seek_done(pt);
}

static bool ask_alone(struct part *pt)
{
	pt->seeking++;
	return ap_redis_sendf(pt->redis, alone_cb, pt, "HMGET %s " ALONE_FIELDS, pt->own);
}

static bool ask_known(struct part *pt)
{
	if (pt->p < 0)
		return true;
	pt->seeking++;
	return ap_redis_sendf(pt->redis, known_cb, pt, "HGETALL ap:{%d}:stored", pt->p);
}

void part_loaded(struct part *pt)
{
	pt->phase = PH_SEEK;
	pt->seeking = 0;
	if (!ask_alone(pt) || !ask_known(pt)) {
		part_forget(pt, "redis_down");
		return;
	}
	for (size_t i = 0; i < MAP_STREAMS; i++) {
		struct stream *st = &pt->st[i];

		st->taken = st->stored;
		st->taken_q = st->stored_q;
		st->fresh = true;
		if (st->on && !seek_stream(pt, st)) {
			part_forget(pt, "redis_down");
			return;
		}
	}
}

/* --- reading ahead --------------------------------------------------------------------------------------- */

/* Copies one entry [id, [field, value, …]] into the inbox; a trimmed one has no fields. False: no memory. */
static bool box_put(struct inbox *b, unsigned s, const redisReply *entry)
{
	struct boxed *e;
	struct ap_entry there;

	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 256 : b->cap * 2;
		struct boxed *more = realloc(b->e, cap * sizeof *more);

		if (more == NULL)
			return false;
		b->e = more;
		b->cap = cap;
	}
	e = &b->e[b->n];
	*e = (struct boxed){ .s = s, .at = b->bytes.len };
	if (!ap_entry_read(entry, NULL, &there) || there.gone)
		return true;
	e->id = there.id;
	e->q = (int64_t)there.q;
	e->n = there.n;
	ap_buf_str(&b->bytes, there.body);
	e->len = there.body.len;
	b->n++;
	return !b->bytes.full;
}

static struct stream *stream_of(struct part *pt, ap_str key)
{
	for (size_t i = 0; i < MAP_STREAMS; i++)
		if (pt->st[i].on && ap_str_is(key, pt->st[i].key))
			return &pt->st[i];
	return NULL;
}

static void box_sure(struct part *pt);

static void replicas_cb(void *ctx, enum ap_redis_wait rc)
{
	struct part *pt = ctx;

	if (--pt->box.waits > 0 || rc == AP_REDIS_WAIT_LOST || pt->phase != PH_READ || pt->box.asked == 0)
		return;         /* forgotten meanwhile */
	if (rc == AP_REDIS_WAIT_DONE)
		pt->box.sure = pt->box.asked;
	pt->box.asked = 0;
	box_sure(pt);
	sink_pump(pt->sink);
}

/* What has been read may be stored: at once, or as soon as enough replicas have it. */
static void box_sure(struct part *pt)
{
	struct inbox *b = &pt->box;

	if (pt->sink->app.conf.redis_wait_replicas == 0) {
		b->sure = b->n;
	} else if (b->asked == 0 && b->sure < b->n && ap_redis_wait(pt->redis, replicas_cb, pt)) {
		b->asked = b->n;
		b->waits++;
	}
}

static void read_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL)
		return;
	pt->reading = false;
	if (pt->phase != PH_READ)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		part_forget(pt, reply->str);
		return;
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		const redisReply *one = reply->element[i];
		struct stream *st = one->elements == 2 ? stream_of(pt, ap_reply_text(one, 0)) : NULL;

		for (size_t k = 0; st != NULL && k < one->element[1]->elements; k++)
			if (!box_put(&pt->box, st->s, one->element[1]->element[k])) {
				part_forget(pt, "no_memory");
				return;
			}
	}
	box_sure(pt);
	sink_pump(pt->sink);
	part_read(pt);
}

void part_read(struct part *pt)
{
	const struct ap_conf *c = &pt->sink->app.conf;
	const char *argv[9 + 2 * MAP_STREAMS];
	/* Giving the lease up waits behind a read. */
	uint64_t block_ms = ap_worker_mine(pt->sink->worker, lane_of(pt)) ? c->runtime_block_ms : LEAVING_BLOCK_MS;
	char count[24], block[24];
	int argc = 0, on = 0;

	/* A mark would wait behind a read that waits for something to come: with care, one reads only when there is nothing to mark. */
	if (pt->alone.left > 0 && (pt->sink->alone == pt || pt->box.next < pt->box.n))
		return;
	if (pt->phase != PH_READ || pt->reading || pt->sink->stopping || pt->box.n - pt->box.next >= INBOX_ENTRIES ||
	    pt->box.bytes.len >= INBOX_BYTES)
		return;
	snprintf(count, sizeof count, "%" PRIu64, c->runtime_read_entries);
	snprintf(block, sizeof block, "%" PRIu64, block_ms);
	const char *const head[] = { "XREADGROUP", "GROUP", group, "p", "COUNT", count, "BLOCK", block, "STREAMS" };
	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
		argv[argc++] = head[i];
	for (size_t i = 0; i < MAP_STREAMS; i++)
		if (pt->st[i].on) {
			argv[argc++] = pt->st[i].key;
			on++;
		}
	for (int i = 0; i < on; i++)
		argv[argc++] = ">";
	pt->reading = ap_redis_send(pt->redis, read_cb, pt, block_ms, argc, argv, NULL);
}

/* --- after COMMIT ------------------------------------------------------------------------------------------ */

static void mirror(struct part *pt, const struct stream *st)
{
	char id[AP_ID_TEXT];

	if (pt->p < 0)
		return;
	ap_id_format(st->stored, id);
	ap_redis_sendf(pt->redis, plain_cb, pt, "HSET ap:{%d}:state:persist %s:c %s %s:q %lld", pt->p, map_stream_name(st->s), id,
		       map_stream_name(st->s), (long long)st->stored_q);
}

static void ack(struct part *pt, const struct stream *st, const struct batch *b)
{
	char ids[ACKS][AP_ID_TEXT];
	const char *argv[ARGV_MAX] = { "XACK", st->key, group };
	int argc = 3;

	for (size_t i = 0; i < b->taken_n; i++) {
		if (b->taken[i].part == pt && b->taken[i].s == st->s) {
			st->part->untrimmed += b->taken[i].len;
			ap_id_format(b->taken[i].id, ids[argc - 3]);
			argv[argc] = ids[argc - 3];
			argc++;
		}
		if (argc == ACKS + 3 || (i + 1 == b->taken_n && argc > 3)) {
			ap_redis_send(pt->redis, plain_cb, pt, 0, argc, argv, NULL);
			argc = 3;
		}
	}
}

void part_stored(struct part *pt, const struct batch *b)
{
	const struct mark *m = &b->mark[(size_t)(pt - pt->sink->part) * MAP_STREAMS];

	for (size_t i = 0; i < MAP_STREAMS; i++) {
		struct stream *st = &pt->st[i];

		if (!m[i].on)
			continue;
		st->stored = m[i].last;
		st->stored_q = m[i].q;
		if (pt->phase < PH_READ)
			continue;
		ack(pt, st, b);
		mirror(pt, st);
	}
	if (pt->untrimmed >= TRIM_BYTES && ap_mono_ns() - pt->trimmed_ns >= (int64_t)pt->sink->app.conf.persist_trim_ms * 1000000 / TRIM_PART)
		part_trim(pt);
}

/* --- upkeep -------------------------------------------------------------------------------------------------- */

static bool in_batch(const struct part *pt, const struct batch *b)
{
	const struct mark *m = &b->mark[(size_t)lane_of(pt) * MAP_STREAMS];

	for (size_t i = 0; i < MAP_STREAMS; i++)
		if (m[i].on)
			return true;
	return false;
}

void part_yielded(struct part *pt)
{
	if (pt->phase == PH_YIELD && !in_batch(pt, pt->sink->now) && !in_batch(pt, pt->sink->next))
		part_release(pt);
}

/* The worker it belongs to asks for it. What waits in the inbox is read again by that one. */
static void yield(struct part *pt)
{
	struct sink *s = pt->sink;

	s->stats.yields++;
	alone_forget(pt);
	pt->box.n = pt->box.next = pt->box.sure = pt->box.asked = 0;
	ap_buf_clear(&pt->box.bytes);
	pt->phase = PH_YIELD;
	part_yielded(pt);
}

static void renew_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL || pt->phase < PH_LOAD)
		return;
	if (strcmp(ap_reply_word(reply), "OK") != 0)
		part_forget(pt, "lease_lost");
	else if (pt->phase != PH_YIELD && ap_worker_theirs(pt->sink->worker, lane_of(pt), ap_reply_text(reply, 1)))
		yield(pt);
}

void part_renew(struct part *pt)
{
	if (pt->phase >= PH_LOAD)
		ap_redis_sendf(pt->redis, renew_cb, pt, "FCALL ap_renew_v1 1 %s %s %llu %llu", pt->own, pt->token,
			       (unsigned long long)pt->epoch, (unsigned long long)pt->sink->app.conf.runtime_lease_ms);
}

void part_release(struct part *pt)
{
	if (pt->phase < PH_LOAD)
		return;
	ap_log(&pt->sink->app.log, AP_INFO, "released", KV_I("part", pt->p), KV_U("epoch", pt->epoch),
	       KV_S("why", pt->phase == PH_YIELD ? "another_worker_claims_it" : "stop"));
	pt->phase = PH_OFF;
	pt->held = 0;
	look_later(pt, 0);
	alone_given_up(pt);
	ap_redis_sendf(pt->redis, plain_cb, pt, "FCALL ap_renew_v1 1 %s %s %llu 0", pt->own, pt->token,
		       (unsigned long long)pt->epoch);
}

/* What is ours now is claimed; what we have and is another's is given up as soon as that one asks. */
void parts_looked(void *ctx, bool changed)
{
	struct sink *s = ctx;

	for (size_t p = 0; changed && p < s->parts; p++) {
		struct part *pt = &s->part[p];
		bool mine = ap_worker_mine(s->worker, (unsigned)p);

		if (!mine) {
			part_renew(pt);
		} else if (pt->phase == PH_OFF) {
			pt->retry_ns = 0;
			pt->held = 0;
			part_try(pt);
		}
	}
}

/* The stages that read a stream besides us; without a cursor of theirs nothing of it is cut. */
static const char *const readers[AP_S_N] = {
	[AP_S_RAW] = "normalize", [AP_S_TICK] = "candle", [AP_S_CANDLE] = "indicators",
};

/* Below what PostgreSQL has, below what every other reader has, and not younger than keep_min. */
void part_trim(struct part *pt)
{
	static const unsigned cut[] = { AP_S_RAW, AP_S_TICK, AP_S_REJECT, AP_S_CANDLE, AP_S_INDICATOR, AP_S_SIGNAL };
	enum { CUT_N = sizeof cut / sizeof cut[0] };
	char keys[2 * CUT_N][48], ids[CUT_N][AP_ID_TEXT], nkeys[16], nstreams[16];
	const char *argv[3 + 4 * CUT_N + 1] = { "FCALL", "ap_trim_v1", nkeys };
	int64_t keep_ms = ap_ts_ms(ap_now()) - (int64_t)pt->sink->app.conf.persist_keep_min * 60000;
	ap_id keep = { keep_ms > 0 ? (uint64_t)keep_ms : 0, 0 };
	int argc = 3, k = 0;

	if (pt->phase != PH_READ || pt->p < 0)
		return;
	pt->untrimmed = 0;
	pt->trimmed_ns = ap_mono_ns();
	for (size_t i = 0; i < CUT_N; i++, k++) {
		snprintf(keys[k], sizeof keys[k], "ap:{%d}:%s", pt->p, ap_stream_name((enum ap_stream)cut[i]));
		argv[argc++] = keys[k];
	}
	for (size_t i = 0; i < CUT_N; i++)
		if (readers[cut[i]] != NULL) {
			snprintf(keys[k], sizeof keys[k], "ap:{%d}:state:%s", pt->p, readers[cut[i]]);
			argv[argc++] = keys[k++];
		}
	snprintf(nkeys, sizeof nkeys, "%d", k);
	snprintf(nstreams, sizeof nstreams, "%d", (int)CUT_N);
	argv[argc++] = nstreams;
	for (size_t i = 0; i < CUT_N; i++) {
		const struct stream *st = &pt->st[cut[i]];

		ap_id_format(st->on && ap_id_cmp(st->stored, keep) < 0 ? st->stored : keep, ids[i]);
		argv[argc++] = ids[i];
		argv[argc++] = readers[cut[i]] != NULL ? "1" : "0";
	}
	ap_redis_send(pt->redis, plain_cb, pt, 0, argc, argv, NULL);
}

/* --- a partition's connection ----------------------------------------------------------------------------------- */

static void up_cb(void *ctx)
{
	struct part *pt = ctx;

	if (!pt->sink->pg_ready)
		sink_setup(pt->sink);
	part_try(pt);
}

static void down_cb(void *ctx, const char *why)
{
	part_forget(ctx, why);
}

bool part_open(struct sink *s, struct part *pt, int p, char *err, size_t errlen)
{
	static const struct ap_redis_events events = { up_cb, down_cb };

	pt->sink = s;
	pt->p = p;
	pt->retry_ns = ap_mono_ns() + (int64_t)s->app.conf.runtime_lease_ms * 1000000;
	pt->trimmed_ns = ap_mono_ns();
	snprintf(pt->own, sizeof pt->own, p < 0 ? "ap:own:{ap:metric}:persist" : "ap:{%d}:own:persist", p);
	ap_buf_init(&pt->box.bytes, AP_REDIS_REPLY_MAX);
	ap_buf_init(&pt->alone.body, AP_REDIS_REPLY_MAX);
	for (unsigned i = 0; i < MAP_STREAMS; i++) {
		struct stream *st = &pt->st[i];

		st->part = pt;
		st->s = i;
		st->on = (i == MAP_METRIC) == (p < 0) && map_reads(&s->app.conf, i);
		if (p < 0)
			snprintf(st->key, sizeof st->key, "ap:metric");
		else
			snprintf(st->key, sizeof st->key, "ap:{%d}:%s", p, map_stream_name(i));
	}
	pt->redis = p < 0 ? ap_redis_new_key(s->app.loop, &s->app.log, &s->app.conf, AP_REDIS_DATASET, "ap:metric", &events, pt, err, errlen)
			  : ap_redis_new_part(s->app.loop, &s->app.log, &s->app.conf, AP_REDIS_DATASET, (unsigned)p, &events, pt, err, errlen);
	return pt->redis != NULL;
}

void part_close(struct part *pt)
{
	if (pt->redis != NULL)
		ap_redis_free(pt->redis);
	ap_buf_done(&pt->box.bytes);
	ap_buf_done(&pt->alone.body);
	free(pt->box.e);
	free(pt->known);
}
