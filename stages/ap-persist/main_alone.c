/*
 * main_alone.c - taking entries with care, after an ap-persist that died.
 *
 * Whoever takes a partition over from a process that did not give it up takes the next entries of it with care: before any of
 * them becomes rows, a mark in the lease's hash says which: a group of entries, or of the group that the dead one was at each alone
 * (poison.h says what follows). Only one partition of a process is at this at a time, and while it is nothing else becomes a row, so that
 * its mark is never what another one's record did. A Redis without memory refuses the mark: then it goes on without, since trimming waits for what is stored.
 */
#include "main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"

enum {
	ENTRIES = 1024,         /* a dead one may have been that far ahead; was it further, its successor's successor finds it */
	GROUP = 64,             /* entries marked together at first: every mark may wait for Redis's disk */
	TURN = 8,               /* marks of groups, or entries, before another partition has its turn */
};

/* lu who has it and has not given it up, ts ti tl tf tw tn the last mark, tp what is poison. */
static bool mark_write(struct part *pt, const struct poison_mark *m, ap_reply_fn *cb)
{
	char text[POISON_TEXT], id[AP_ID_TEXT], last[AP_ID_TEXT];

	poison_text(&pt->alone.known, text);
	ap_id_format(m->id, id);
	ap_id_format(m->last, last);
	return ap_redis_sendf(pt->redis, cb, pt, "HSET %s lu %s ts %u ti %s tl %s tf %u tw %u tn %llu tp %b", pt->own, pt->sink->run, m->stream,
			      id, last, (unsigned)m->from, (unsigned)m->width, (unsigned long long)m->tries, text, strlen(text));
}

void alone_loaded(struct part *pt, const redisReply *reply)
{
	static const struct poison_mark none;
	struct alone *a = &pt->alone;
	ap_str by = ap_reply_text(reply, 0);
	bool died = by.len > 0 && !ap_str_is(by, pt->sink->run);
	struct poison_mark m = { .stream = (unsigned)ap_reply_u64(reply, 1, 0), .from = (uint32_t)ap_reply_u64(reply, 4, 0),
				 .width = died ? (uint32_t)ap_reply_u64(reply, 5, 0) : 0, .tries = ap_reply_u64(reply, 6, 0) };
	ap_id stored[MAP_STREAMS];

	if (!ap_id_parse(ap_reply_text(reply, 2), &m.id) || !ap_id_parse(ap_reply_text(reply, 3), &m.last))
		m.width = 0;
	for (size_t i = 0; i < MAP_STREAMS; i++)
		stored[i] = pt->st[i].stored;
	if (poison_load(&a->known, &m, ap_reply_text(reply, 7), stored, MAP_STREAMS)) {
		pt->sink->stats.poison++;
		ap_log(&pt->sink->app.log, AP_ERROR, "poison", KV_I("part", pt->p), KV_S("stream", map_stream_name(m.stream)),
		       KV_T("entry", ap_reply_text(reply, 2)), KV_U("record", m.from), KV_S("next", "rejected"));
	}
	a->left = died || a->known.n > 0 ? ENTRIES : 0;
	if (died)
		ap_log(&pt->sink->app.log, AP_WARN, "owner_died", KV_I("part", pt->p), KV_T("entry", m.width > 0 ? ap_reply_text(reply, 2) : ap_str_c("")),
		       KV_U("record", m.from), KV_U("records", m.width), KV_U("tries", m.width > 0 ? m.tries : 0),
		       KV_S("next", "one_entry_at_a_time"));
	mark_write(pt, a->known.suspect.width > 0 ? &a->known.suspect : &none, NULL);
}

void alone_given_up(struct part *pt)
{
	ap_redis_sendf(pt->redis, NULL, NULL, "HDEL %s lu", pt->own);
}

/* --- one entry ------------------------------------------------------------------------------------------- */

/* Nothing is marked any more: others may go on. */
static void turn_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;

	if (reply == NULL || pt->sink->alone != pt)
		return;
	pt->sink->alone = NULL;
	sink_pump(pt->sink);
}

static void turn_over(struct part *pt)
{
	static const struct poison_mark none;

	if (!mark_write(pt, &none, turn_cb))
		pt->sink->alone = NULL;         /* the connection is going down; so is the partition */
}

static void mark_next(struct part *pt);

static void step_over(struct part *pt, size_t entries)
{
	struct alone *a = &pt->alone;

	a->on = false;
	a->group = 0;
	a->left -= entries < a->left ? entries : a->left;
	a->turn--;
	if (pt->sink->alone == pt && !alone_next(pt) && pt->sink->alone == pt)
		turn_over(pt);
	sink_pump(pt->sink);
}

static void entry_over(struct part *pt)
{
	if (part_taken(pt))
		step_over(pt, 1);
}

/* True: the entry has records yet. */
static bool step_marked(struct part *pt)
{
	struct alone *a = &pt->alone;
	struct map *m = pt->sink->next->map;

	for (uint32_t i = 0; i < a->mark.width && a->at < a->e.n; i++, a->at++) {
		if (poison_is(&a->known, a->e.stream, a->e.id, a->at))
			map_poison(m);
		else
			map_next(m);
	}
	if (a->at < a->e.n)
		return true;
	while (map_next(m))     /* more than it said: it is read to its end, or found bad */
		;
	return false;
}

static void marked_cb(void *ctx, const redisReply *reply)
{
	struct part *pt = ctx;
	struct alone *a = &pt->alone;

	if (reply == NULL || !a->on)
		return;
	if (reply->type == REDIS_REPLY_ERROR && !ap_str_is(ap_reply_why(reply), "OOM")) {
		part_forget(pt, "mark_refused");
		return;
	}
	if (a->group > 0) {
		const size_t n = a->group;

		if (part_take(pt, n))
			step_over(pt, n);
	} else if (step_marked(pt)) {
		mark_next(pt);
	} else if (map_end(pt->sink->next->map)) {
		entry_over(pt);
	} else {
		sink_no_memory(pt->sink);
	}
}

static void mark_next(struct part *pt)
{
	struct alone *a = &pt->alone;

	a->mark = poison_next(&a->known, a->e.stream, a->e.id, a->at, a->e.n);
	if (!mark_write(pt, &a->mark, marked_cb))
		part_forget(pt, "redis_down");
}

void alone_entry(struct part *pt, const struct map_entry *e)
{
	struct alone *a = &pt->alone;
	struct map *m = pt->sink->next->map;
	int64_t now_ms = ap_ts_ms(ap_now());

	ap_buf_clear(&a->body);
	ap_buf_str(&a->body, e->body);
	a->e = *e;
	a->e.body = ap_buf_view(&a->body);
	a->at = 0;
	a->on = true;
	if (!poison_is(&a->known, e->stream, e->id, POISON_ALL)) {
		map_begin(m, &a->e, now_ms);
		mark_next(pt);
	} else if (map_poison_entry(m, &a->e, now_ms)) {
		entry_over(pt);
	} else {
		sink_no_memory(pt->sink);
	}
}

/* Entries of one stream that may be marked together. */
static size_t group_size(const struct part *pt)
{
	const struct inbox *b = &pt->box;
	size_t n = 0;

	while (n < GROUP && b->next + n < b->sure && b->e[b->next + n].s == b->e[b->next].s &&
	       !poison_apart(&pt->alone.known, b->e[b->next + n].s, b->e[b->next + n].id))
		n++;
	return n;
}

bool alone_next(struct part *pt)
{
	struct alone *a = &pt->alone;
	const struct inbox *b = &pt->box;

	if (a->left == 0 || a->turn == 0 || pt->phase != PH_READ || b->next >= b->sure || map_full(pt->sink->next->map))
		return false;
	a->group = group_size(pt);
	if (a->group < 2) {
		a->group = 0;
		return part_take_alone(pt);
	}
	a->mark = (struct poison_mark){ b->e[b->next].s, b->e[b->next].id, b->e[b->next + a->group - 1].id, 0, POISON_ALL, 1 };
	a->on = true;
	if (!mark_write(pt, &a->mark, marked_cb))
		part_forget(pt, "redis_down");
	return true;
}

bool alone_begin(struct part *pt)
{
	struct sink *s = pt->sink;

	if (pt->alone.left == 0 || s->alone != NULL)
		return false;
	s->alone = pt;
	pt->alone.turn = TURN;
	if (alone_next(pt))
		return true;
	if (s->alone == pt)
		s->alone = NULL;
	return false;
}

void alone_forget(struct part *pt)
{
	struct sink *s = pt->sink;

	/* Rows of a part of the entry stay in the batch; it comes again, and they meet themselves. */
	if (pt->alone.on && pt->alone.group == 0)
		map_end(s->next->map);
	pt->alone.on = false;
	pt->alone.group = 0;
	if (s->alone == pt)
		s->alone = NULL;
}
