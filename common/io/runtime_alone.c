/*
 * runtime_alone.c - finding the record that a stage dies of.
 *
 * A stage that dies on a record would die on it for ever. So whoever takes a partition over from a worker that did not end
 * as it should takes the next entries one at a time, and before any of an entry's records is stepped, a mark in the lease's hash
 * says which. The mark is in Redis before the step begins: what is found there after a death is what the dead one was at.
 *
 *   attempt 1   a batch                     dies: the partition was never given up
 *   attempt 2   spans of SPAN records       dies: the mark names the span
 *   attempt 3   the records of the span     dies: the mark names the record
 *   attempt 4   the same, the same mark     dies: the record goes to `reject`, with status poison, in the commit of its neighbours
 *
 * A process may also die because somebody killed it. The mark is then on an innocent record, and the next attempt, which the
 * record survives, says so; that is what the fourth attempt is for. (An entry of one record needs no span: three attempts.)
 * Dying behind the last record, in the flush, counts against the whole entry.
 *
 * The partitions of a process die together. So that the mark of one is never what another died of, only one of them at a time is
 * at work on such an entry, from its first mark until its commit; the others wait, whatever they have read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime_part.h"

enum {
	SPAN = 32,              /* records marked together at first: an entry of 512 takes 16 marks, then 32 */
	ENTRIES = 16,           /* as many come alone as may have been in the batch that failed, */
	BYTES = 2 * COMMIT_BYTES,       /* or as much */
};

static bool is_poison(const struct alone *a, uint32_t i)
{
	for (unsigned k = 0; k < a->n_poison; k++)
		if (a->poison[k] == i)
			return true;
	return false;
}

/* "3,17" as the hash holds it. */
static void poison_read(struct alone *a, ap_str text)
{
	char copy[ALONE_POISON * 11 + 1], *end = copy;

	a->n_poison = 0;
	if (text.len >= sizeof copy)
		return;
	if (text.len > 0)
		memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	while (*end != '\0' && a->n_poison < ALONE_POISON) {
		a->poison[a->n_poison++] = (uint32_t)strtoul(end, &end, 10);
		end += *end == ',';
	}
}

static void poison_text(const struct alone *a, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned k = 0; k < a->n_poison && at < cap; k++)
		at += (size_t)snprintf(out + at, cap - at, "%s%" PRIu32, k > 0 ? "," : "", a->poison[k]);
}

/* lu who has loaded it and not given it up, lc cursor, ln loads of it, ti tw tn the last mark and how often it was set in a row, tp what is poison. */
static void known_write(struct part *p, const struct span *mark, ap_reply_fn *cb)
{
	char text[ALONE_POISON * 11 + 1];

	poison_text(&p->alone, text, sizeof text);
	ap_redis_sendf(p->redis, cb, p, "HSET %s lu %s lc %s ln %llu ti %u tw %u tn %llu tp %b", p->key_own, p->rt->run,
		       p->cursor, (unsigned long long)p->loads, (unsigned)mark->from, (unsigned)mark->width, (unsigned long long)mark->tries, text,
		       strlen(text));
}

static void condemn(struct part *p)
{
	struct alone *a = &p->alone;

	/* A full list makes the whole entry poison: its last place stands for everything. */
	if (a->n_poison < ALONE_POISON) {
		a->poison[a->n_poison] = a->n_poison == ALONE_POISON - 1 ? UINT32_MAX : a->suspect.from;
		a->n_poison++;
	}
	ap_log(&p->rt->app.log, AP_ERROR, "poison", KV_U("part", p->p), KV_S("after", p->cursor), KV_U("record", a->suspect.from),
	       KV_S("next", "rejected"));
	a->suspect = (struct span){ .width = 0 };
}

static void known_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	struct alone *a = &p->alone;

	if (reply == NULL || p->state != AP_R_LOADING)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		part_refused(p, "load", reply->str);
		return;
	}
	ap_str by = ap_reply_text(reply, 6);
	bool died = by.len > 0 && !ap_str_is(by, p->rt->run);
	bool same = ap_str_is(ap_reply_text(reply, 0), p->cursor) && !p->survived;
	p->loads = same ? ap_reply_u64(reply, 1, 0) + 1 : 1;
	a->suspect = (struct span){ .width = 0 };
	a->n_poison = 0;
	if (same) {
		a->suspect = (struct span){ (uint32_t)ap_reply_u64(reply, 2, 0), (uint32_t)ap_reply_u64(reply, 3, 0), ap_reply_u64(reply, 4, 0) };
		poison_read(a, ap_reply_text(reply, 5));
	}
	p->careful = died || p->loads >= CAREFUL_LOADS;
	if (p->careful)
		ap_log(&p->rt->app.log, AP_WARN, died ? "owner_died" : "nothing_committed", KV_U("part", p->p), KV_S("after", p->cursor),
		       KV_U("loads", p->loads), KV_U("record", a->suspect.from), KV_U("records", a->suspect.width),
		       KV_U("tries", a->suspect.tries), KV_S("next", "one_entry_at_a_time"));
	if (a->suspect.width == 1 && a->suspect.tries >= POISON_TRIES)
		condemn(p);
	p->careful = p->careful || a->suspect.width > 0 || a->n_poison > 0;
	a->left = ENTRIES;
	a->left_bytes = BYTES;
	known_write(p, &a->suspect, NULL);
}

void alone_load(struct part *p)
{
	ap_redis_sendf(p->redis, known_cb, p, "HMGET %s lc ln ti tw tn tp lu", p->key_own);
}

/* What comes next: never across the edge of what is suspected, and there record by record. */
static struct span next_span(const struct alone *a)
{
	const struct span *s = &a->suspect;
	uint32_t to = a->n - a->at > SPAN ? a->at + SPAN : a->n;

	if (a->at == a->n)
		return (struct span){ a->n, 1, 0 };
	if (s->width > 0 && a->at >= s->from && a->at - s->from < s->width)
		return (struct span){ a->at, 1, 0 };
	if (s->width > 0 && a->at < s->from && to > s->from)
		to = s->from;
	return (struct span){ a->at, to - a->at, 0 };
}

static void go_on(struct part *p);

static void marked_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	struct alone *a = &p->alone;

	if (reply == NULL || p->state != AP_R_COMMITTING || !a->on)
		return;
	/* Without memory Redis refuses the mark, and what would make room waits for us: on without it. */
	if (reply->type == REDIS_REPLY_ERROR && !ap_str_is(ap_reply_why(reply), "OOM")) {
		part_refused(p, "mark", reply->str);
		return;
	}
	if (ap_mono_ns() >= p->lease_ns) {
		part_event(p, AP_R_EXPIRED);
		return;
	}
	if (a->marked.from == a->n) {
		ap_fold_end(&p->fold);
		a->on = false;          /* whose turn it is changes with the commit: until then this mark counts */
		part_commit_alone(p);
		return;
	}
	for (uint32_t i = 0; i < a->marked.width; i++, a->at++) {
		if (is_poison(a, a->at))
			ap_fold_reject(&p->fold, "stage_died");
		else
			ap_fold_step(&p->fold);
	}
	go_on(p);
}

static void go_on(struct part *p)
{
	struct alone *a = &p->alone;

	a->marked = next_span(a);
	bool again = a->suspect.from == a->marked.from && a->suspect.width == a->marked.width;
	a->marked.tries = again ? a->suspect.tries + 1 : 1;
	known_write(p, &a->marked, marked_cb);
}

void alone_begin(struct part *p, ap_id id, uint32_t n, ap_str body)
{
	struct alone *a = &p->alone;
	const char *why = NULL;

	ap_buf_clear(&a->body);
	ap_buf_str(&a->body, body);
	/* Too long for a frame of ours, or not one: then it is rejected whole, and at once. */
	if (a->body.full || !ap_fold_begin(&p->fold, id, n, ap_buf_view(&a->body), &why)) {
		if (a->body.full)
			ap_fold_poison(&p->fold, id, body, "too_long");
		ap_log(&p->rt->app.log, AP_ERROR, "bad_frame", KV_U("part", p->p), KV_S("why", why != NULL ? why : "too_long"),
		       KV_S("next", "rejected"));
		return;
	}
	a->id = id;
	a->n = n;
	a->at = 0;
	if (is_poison(a, n) || is_poison(a, UINT32_MAX)) {
		while (ap_fold_reject(&p->fold, "stage_died"))
			;
		return;
	}
	a->on = true;
	a->waits = p->rt->alone != NULL;
	if (a->waits)
		return;
	p->rt->alone = p;
	go_on(p);
}

bool alone_wanted(const struct part *p)
{
	return p->careful || p->rt->alone != NULL;
}

void alone_over(struct part *p)
{
	struct runtime *rt = p->rt;

	p->alone.on = p->alone.waits = false;
	if (rt->alone != p)
		return;
	rt->alone = NULL;
	for (unsigned i = 0; i < rt->n; i++) {
		struct part *next = &rt->part[(p->p + 1 + i) % rt->n];
		if (!next->alone.waits || next->state != AP_R_COMMITTING)
			continue;
		next->alone.waits = false;
		rt->alone = next;
		go_on(next);
		return;
	}
}

void alone_given_up(struct part *p)
{
	ap_redis_sendf(p->redis, NULL, NULL, "HDEL %s lu", p->key_own);
}

void alone_committed(struct part *p)
{
	struct alone *a = &p->alone;

	alone_over(p);
	if (!p->careful)
		return;
	p->loads = 0;
	a->suspect = (struct span){ .width = 0 };
	a->n_poison = 0;
	a->left_bytes -= a->body.len < a->left_bytes ? a->body.len : a->left_bytes;
	if (--a->left > 0 && a->left_bytes > 0)
		return;
	p->careful = false;
	known_write(p, &a->suspect, NULL);
}
