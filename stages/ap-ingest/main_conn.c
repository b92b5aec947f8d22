/*
 * main_conn.c - connections: messages in, answers out.
 *
 * A connection that is to be answered gets one line a message, in the order of its messages, so answers wait
 * in a ring until those before them are there. Bounded: bytes of an unfinished message (split.h), answers
 * that wait, bytes that the other side does not take; who reaches a bound is not read from until there is room.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/json.h"
#include "main.h"
#include "split.h"

enum {
	READ_BYTES = 128 * 1024,
	READ_TURN = 2,                  /* reads in one turn of the loop: Redis is to be heard between them */
	ANSWERS_MAX = 4096,             /* messages of one connection without an answer */
	OUT_MAX = 1024 * 1024,          /* bytes of answers not taken */
	SYNC_BYTES = 16 * 1024 * 1024,  /* a sender that never pauses has been waited for long enough after these */
};

enum answer_state { A_WAIT, A_ID, A_ERROR, A_SYNC };

struct answer {
	enum answer_state state;
	uint32_t idx;
	ap_id id;
	unsigned part;
	const char *error, *detail;
};

struct conn {
	struct conns *all;
	unsigned slot;                  /* its place in the table */
	uint32_t generation;            /* of that place: a ticket of an earlier connection must not reach this one */
	int fd;
	enum source_kind kind;
	ev_io rd, wr;
	struct ap_split split;
	struct answer *ring;            /* SRC_HTTP: ANSWERS_MAX */
	uint32_t first, last;           /* answers first..last-1 are still to be written */
	struct ap_buf out;
	size_t out_at;
	bool eof;                       /* the other side sends no more */
	bool busy;                      /* one of its handlers is at work: it is closed after that */
	bool undrained;                 /* something received before a sync may still be in the socket */
	size_t sync_bytes;              /* read since that sync */
};

/* A sync that has not been answered: it waits first for sockets to be read empty, then for the streams. */
struct waiting {
	struct waiting *next;
	unsigned slot;
	uint32_t generation, answer;
	bool draining;
	uint64_t mark;
};

struct conns {
	struct feed *feed;
	struct ev_loop *loop;
	struct conn **table;
	size_t max, n;
	uint32_t generation;
	bool held, stopped;
	struct waiting *syncs;
	bool answered;                  /* something can be written since the last conns_tell */
	uint64_t overlong;
	ap_ts now;                      /* of the read under way */
	char in[READ_BYTES];
};

static void conn_close(struct conn *c);
static void conn_write(struct conn *c);

/* --- tickets: place in the table, generation, number of the answer ------------------------------ */

static uint64_t ticket_of(const struct conn *c, uint32_t answer)
{
	return (uint64_t)c->generation << 46 | (uint64_t)c->slot << 32 | answer;
}

static struct conn *conn_of(const struct conns *cs, uint32_t generation, unsigned slot)
{
	struct conn *c = slot < cs->max ? cs->table[slot] : NULL;

	return c != NULL && c->generation == generation ? c : NULL;
}

/* --- reading or not -------------------------------------------------------------------------------- */

static bool may_read(const struct conn *c)
{
	return !c->eof && !c->all->held && !c->all->stopped && c->last - c->first < ANSWERS_MAX - 1 &&
	       c->out.len - c->out_at < OUT_MAX;
}

static void watch(struct conn *c)
{
	if (may_read(c))
		ev_io_start(c->all->loop, &c->rd);
	else
		ev_io_stop(c->all->loop, &c->rd);
	if (c->out.len > c->out_at)
		ev_io_start(c->all->loop, &c->wr);
	else
		ev_io_stop(c->all->loop, &c->wr);
}

/* --- answers ------------------------------------------------------------------------------------------ */

static struct answer *answer_new(struct conn *c)
{
	struct answer *a = &c->ring[c->last % ANSWERS_MAX];

	assert(c->last - c->first < ANSWERS_MAX);
	c->last++;
	*a = (struct answer){ .state = A_WAIT };
	return a;
}

static void answer_write(struct conn *c, const struct answer *a)
{
	char id[AP_ID_TEXT];

	if (a->state == A_SYNC) {
		ap_buf_puts(&c->out, "{\"ap\":\"sync\",\"ok\":true}\n");
	} else if (a->state == A_ERROR) {
		ap_buf_printf(&c->out, "{\"error\":\"%s\",\"detail\":\"%s\"}\n", a->error, a->detail);
	} else {
		ap_id_format(a->id, id);
		ap_buf_printf(&c->out, "{\"id\":\"%s\",\"idx\":%" PRIu32 ",\"message_id\":\"%s-%" PRIu32 "\",\"partition\":%u}\n", id, a->idx,
			      id, a->idx, a->part);
	}
}

/* Answers go out as far as those before them are there. Closes the connection when nothing is left to do. */
static void conn_answer(struct conn *c)
{
	while (c->first != c->last && c->ring[c->first % ANSWERS_MAX].state != A_WAIT && c->out.len - c->out_at < OUT_MAX)
		answer_write(c, &c->ring[c->first++ % ANSWERS_MAX]);
	conn_write(c);
}

static void answer_error(struct conn *c, const char *error, const char *detail)
{
	struct answer *a = answer_new(c);

	a->state = A_ERROR;
	a->error = error;
	a->detail = detail;
}

static bool ring_make(struct conn *c)
{
	if (c->ring == NULL && c->kind == SRC_HTTP)
		c->ring = malloc(ANSWERS_MAX * sizeof *c->ring);
	return c->ring != NULL || c->kind != SRC_HTTP;
}

static struct conn *waiting_conn(const struct conns *cs, uint64_t t)
{
	struct conn *c = conn_of(cs, (uint32_t)(t >> 46), (unsigned)(t >> 32) & 0x3fff);

	return c != NULL && (uint32_t)t - c->first < c->last - c->first ? c : NULL;
}

bool conns_waits(const struct conns *cs, uint64_t ticket)
{
	return waiting_conn(cs, ticket) != NULL;
}

void conns_answer(struct conns *cs, uint64_t t, unsigned part, uint32_t idx, ap_id id)
{
	struct conn *c = waiting_conn(cs, t);
	struct answer *a;

	if (c == NULL)
		return;         /* it has gone without waiting */
	a = &c->ring[(uint32_t)t % ANSWERS_MAX];
	a->state = id.ms == 0 ? A_ERROR : A_ID;
	a->error = "id_unknown";
	a->detail = "the message is in its stream, but its id was lost with a connection";
	a->id = id;
	a->idx = idx;
	a->part = part;
	cs->answered = true;
}

void conns_tell(struct conns *cs)
{
	for (size_t i = 0; cs->answered && i < cs->max; i++)
		if (cs->table[i] != NULL && cs->table[i]->first != cs->table[i]->last)
			conn_answer(cs->table[i]);
	cs->answered = false;
	for (struct waiting **p = &cs->syncs; *p != NULL;) {
		struct waiting *w = *p;
		struct conn *c = conn_of(cs, w->generation, w->slot);

		if (c != NULL && (w->draining || !outlet_reached(feed_outlet(cs->feed), w->mark))) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		if (c != NULL)
			c->ring[w->answer % ANSWERS_MAX].state = A_SYNC;
		free(w);
		if (c != NULL)
			conn_answer(c);
		p = &cs->syncs;         /* answering may have closed it, and that may have changed the list */
	}
}

/* --- sync ----------------------------------------------------------------------------------------------- */

/* Whoever waited for the sockets to be empty now waits for the streams. */
static void drained(struct conns *cs)
{
	for (size_t i = 0; i < cs->max; i++)
		if (cs->table[i] != NULL && cs->table[i]->undrained)
			return;
	for (struct waiting *w = cs->syncs; w != NULL; w = w->next) {
		if (w->draining) {
			w->draining = false;
			feed_settle(cs->feed);
			w->mark = outlet_mark(feed_outlet(cs->feed));
		}
	}
	outlet_flush(feed_outlet(cs->feed));
	conns_tell(cs);
}

static void conn_drained(struct conn *c)
{
	if (c->undrained) {
		c->undrained = false;
		drained(c->all);
	}
}

/* Everything received so far, on all sockets, is to be in its stream before this is answered. */
static void sync_start(struct conn *c)
{
	struct conns *cs = c->all;
	struct waiting *w = calloc(1, sizeof *w);

	if (w == NULL) {
		answer_error(c, "no_memory", "try again");
		return;
	}
	w->slot = c->slot;
	w->generation = c->generation;
	w->answer = c->last;
	w->draining = true;
	answer_new(c);
	w->next = cs->syncs;
	cs->syncs = w;
	feed_accept_all(cs->feed);
	for (size_t i = 0; i < cs->max; i++) {
		struct conn *o = cs->table[i];

		if (o == NULL || o->eof)
			continue;
		o->undrained = true;
		o->sync_bytes = 0;
		if (may_read(o))
			ev_feed_event(cs->loop, &o->rd, EV_READ);
	}
}

/* {"ap":"sync"} and nothing else. */
static bool is_sync(ap_str msg)
{
	struct ap_jtok tok[8];
	struct ap_json j;
	uint32_t v;

	if (msg.len > 64 || memmem(msg.p, msg.len, "\"ap\"", 4) == NULL || !ap_json_parse(&j, msg, tok, 8))
		return false;
	v = ap_json_get(&j, 0, "ap");
	return v != 0 && ap_str_is(ap_json_text(&j, v), "sync");
}

/* --- messages --------------------------------------------------------------------------------------------- */

static void on_message(void *ctx, ap_str msg, bool cut)
{
	struct conn *c = ctx;
	uint64_t ticket = 0;

	c->all->overlong += cut;
	if (c->kind != SRC_HTTP) {
		feed_message(c->all->feed, c->kind, msg, cut, c->all->now, 0);
		return;
	}
	if (is_sync(msg)) {
		sync_start(c);
		return;
	}
	ticket = ticket_of(c, c->last);
	answer_new(c);
	feed_message(c->all->feed, c->kind, msg, cut, c->all->now, ticket);
}

static void conn_ended(struct conn *c)
{
	if (c->eof)
		return;
	c->eof = true;
	ap_split_end(&c->split, on_message, c);
}

/* Reads what is there, at most READ_TURN times. */
static void conn_read(struct conn *c)
{
	struct conns *cs = c->all;

	cs->now = feed_now(cs->feed);
	for (int i = 0; i < READ_TURN && may_read(c); i++) {
		/*
		 * An answered connection is read in pieces that cannot overflow its answers: a message has two bytes at
		 * least, its newline with them. One place is kept for what the end of the stream makes a message.
		 */
		size_t most = c->kind != SRC_HTTP ? READ_BYTES : (ANSWERS_MAX - 1 - (size_t)(c->last - c->first)) * 2;
		ssize_t n = read(c->fd, cs->in, most < READ_BYTES ? most : READ_BYTES);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			conn_drained(c);
			break;
		}
		if (n <= 0) {
			conn_ended(c);
			conn_drained(c);
			if (n == -1) {          /* not an end but a break: nobody is there for the answers */
				c->first = c->last;
				c->out_at = c->out.len;
			}
			break;
		}
		ap_split_feed(&c->split, cs->in, (size_t)n, on_message, c);
		c->sync_bytes += (size_t)n;
		if (c->undrained && c->sync_bytes > SYNC_BYTES)
			conn_drained(c);
	}
	outlet_flush(feed_outlet(cs->feed));
}

static void conn_rest(struct conn *c)
{
	if (c->busy)
		return;
	if (c->eof && c->first == c->last && c->out.len == c->out_at)
		conn_close(c);
	else
		watch(c);
}

static void read_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *c = w->data;

	(void)loop, (void)revents;
	c->busy = true;
	conn_read(c);
	c->busy = false;
	if (c->kind == SRC_HTTP)
		conn_answer(c);
	else
		conn_rest(c);
}

/* --- writing ------------------------------------------------------------------------------------------------ */

static void conn_write(struct conn *c)
{
	while (c->out_at < c->out.len) {
		ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1) {          /* nobody is there to be answered any more */
			c->eof = true;
			c->first = c->last;
			c->out_at = c->out.len;
			break;
		}
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out.len) {
		ap_buf_clear(&c->out);
		c->out_at = 0;
	}
	conn_rest(c);
}

static void write_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	conn_answer(w->data);
}

/* --- coming and going ------------------------------------------------------------------------------------------ */

static void conn_close(struct conn *c)
{
	struct conns *cs = c->all;
	bool was_undrained = c->undrained;

	ev_io_stop(cs->loop, &c->rd);
	ev_io_stop(cs->loop, &c->wr);
	if (c->fd > 2)
		close(c->fd);
	cs->table[c->slot] = NULL;
	cs->n--;
	ap_split_done(&c->split);
	ap_buf_done(&c->out);
	free(c->ring);
	free(c);
	if (was_undrained)
		drained(cs);
	feed_closed(cs->feed);
}

bool conns_add(struct conns *cs, int fd, enum source_kind kind)
{
	struct conn *c = cs->n < cs->max && !cs->stopped ? calloc(1, sizeof *c) : NULL;

	if (c == NULL)
		return false;
	c->kind = kind;
	if (!ring_make(c)) {
		free(c);
		return false;
	}
	while (cs->table[c->slot] != NULL)
		c->slot++;
	cs->generation = cs->generation % 0x3ffff + 1;  /* 18 bits, never 0 */
	c->generation = cs->generation;
	c->all = cs;
	c->fd = fd;
	ap_split_init(&c->split, AP_PAYLOAD_MAX, false);
	ap_buf_init(&c->out, 2 * OUT_MAX);
	ev_io_init(&c->rd, read_cb, fd, EV_READ);
	ev_io_init(&c->wr, write_cb, fd, EV_WRITE);
	c->rd.data = c->wr.data = c;
	cs->table[c->slot] = c;
	cs->n++;
	watch(c);
	return true;
}

struct conns *conns_new(struct feed *f, struct ev_loop *loop, size_t max)
{
	struct conns *cs = calloc(1, sizeof *cs);

	assert(max > 0 && max < 0x3fff);
	if (cs == NULL)
		return NULL;
	cs->feed = f;
	cs->loop = loop;
	cs->max = max;
	cs->table = calloc(max, sizeof(struct conn *));
	if (cs->table == NULL) {
		free(cs);
		return NULL;
	}
	return cs;
}

void conns_free(struct conns *cs)
{
	if (cs == NULL)
		return;
	for (size_t i = 0; i < cs->max; i++)
		if (cs->table[i] != NULL) {
			cs->table[i]->undrained = false;
			conn_close(cs->table[i]);
		}
	while (cs->syncs != NULL) {
		struct waiting *w = cs->syncs;

		cs->syncs = w->next;
		free(w);
	}
	free(cs->table);
	free(cs);
}

size_t conns_count(const struct conns *cs)
{
	return cs->n;
}

uint64_t conns_overlong(const struct conns *cs)
{
	return cs->overlong;
}

void conns_hold(struct conns *cs, bool held)
{
	cs->held = held;
	for (size_t i = 0; i < cs->max; i++) {
		if (cs->table[i] == NULL)
			continue;
		watch(cs->table[i]);
		if (!held && cs->table[i]->undrained && may_read(cs->table[i]))
			ev_feed_event(cs->loop, &cs->table[i]->rd, EV_READ);
	}
}

void conns_stop(struct conns *cs)
{
	cs->stopped = true;
	for (size_t i = 0; i < cs->max; i++) {
		if (cs->table[i] == NULL)
			continue;
		cs->table[i]->undrained = false;
		watch(cs->table[i]);
	}
	drained(cs);
}

bool conns_idle(const struct conns *cs)
{
	for (size_t i = 0; i < cs->max; i++)
		if (cs->table[i] != NULL && (cs->table[i]->first != cs->table[i]->last || cs->table[i]->out.len > cs->table[i]->out_at))
			return false;
	return true;
}
