/*
 * redis.c - one Redis connection that keeps itself up, on the loop.
 *
 * hiredis reads the replies (its reader has no socket); the socket, the queue of callbacks and the deadlines are ours,
 * because hiredis 0.14 has no time-out for an asynchronous command, reads 16 KB a turn and resolves names on the loop.
 *
 *   WAITING --timer--> (RESOLVING) --> CONNECTING --writable--> CHECKING --replies fine--> UP
 *      ^                    |              |                        |                      |
 *      +------ lose() ------+--------------+------------------------+----------------------+
 *
 * Where to connect is asked anew each time (where.h). An error that says "not here" (MOVED, ASK, READONLY, CLUSTERDOWN) goes to
 * whoever sent the command, like any other, and then the connection is dropped and made to the right place.
 */
#include "redis.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"
#include "redis_int.h"

enum {
	READ_TURN = 16,                 /* reads in one turn of the loop */
	READER_KEEP = 1024 * 1024,      /* buffer hiredis keeps between replies */
	RESOLVE_MS = 5000,              /* a name server's time */
	IDLE_MS = 500,                  /* without a command, PING is asked: a server that stands still is noticed in this and a deadline */
	MOVING_MS = 100,                /* between two looks at a slot that is being moved */
};

static void lose(struct ap_redis *r, const char *why);

/* --- memory and re-entrance --- */

static void enter(struct ap_redis *r)
{
	r->depth++;
}

static void socket_close(struct ap_redis *r)
{
	ev_io_stop(r->loop, &r->rd);
	ev_io_stop(r->loop, &r->wr);
	ev_timer_stop(r->loop, &r->timer);
	ev_prepare_stop(r->loop, &r->flush);
	ap_name_drop(r->lookup);
	r->lookup = NULL;
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	r->reader = NULL;
	ap_buf_clear(&r->out);
	r->out_at = 0;
}

/* Every handler ends here: what its callbacks asked for is done when none of our frames is left above. */
static void leave(struct ap_redis *r)
{
	assert(r->depth > 0);
	if (--r->depth > 0 || !r->freed)
		return;
	socket_close(r);
	if (r->where != NULL)
		ap_where_leave(r->where, &r->user);
	ap_buf_done(&r->out);
	free(r->q);
	free(r);
}

void ap_redis_free(struct ap_redis *r)
{
	if (r == NULL)
		return;
	enter(r);
	r->freed = true;
	r->state = WAITING;
	leave(r);
}

/* --- the queue of callbacks --- */

static bool queue_put(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms)
{
	if (r->q_n == r->q_cap) {
		size_t cap = r->q_cap == 0 ? 64 : r->q_cap * 2;
		struct redis_sent *q = malloc(cap * sizeof *q);
		if (q == NULL)
			return false;
		for (size_t i = 0; i < r->q_n; i++)
			q[i] = r->q[(r->q_head + i) & (r->q_cap - 1)];
		free(r->q);
		r->q = q;
		r->q_cap = cap;
		r->q_head = 0;
	}
	r->q[(r->q_head + r->q_n++) & (r->q_cap - 1)] = (struct redis_sent){
		fn, ctx, ap_mono_ns() + (int64_t)(r->conf->runtime_command_ms + extra_ms) * 1000000 };
	return true;
}

static struct redis_sent queue_take(struct ap_redis *r)
{
	assert(r->q_n > 0);
	struct redis_sent s = r->q[r->q_head];

	r->q_head = (r->q_head + 1) & (r->q_cap - 1);
	r->q_n--;
	return s;
}

static void timer_set(struct ap_redis *r, double after_s)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_timer_set(&r->timer, after_s < 0 ? 0 : after_s, 0);
	ev_timer_start(r->loop, &r->timer);
}

/* --- losing it --- */

/* The pause before the next try, s. */
static double pause_after(struct ap_redis *r)
{
	if (r->asking && ap_place_eq(&r->to, &r->moving_to)) {
		r->asking = false;      /* it is to be proven anew that nothing is left at the old place */
		r->moving = true;
	}
	if (r->moving || r->asking) {
		r->attempt = 0;
		return r->asking ? 0 : MOVING_MS / 1000.0;
	}
	return ap_backoff_s(r->conf, r->attempt++);
}

/* What stays away is said at 1, 2, 4, 8 ... tries: a page of equal lines hides the others. */
static void lost_log(struct ap_redis *r, const char *why, bool was_up, double pause_s)
{
	unsigned n = r->moving ? r->moving_tries : r->attempt;
	bool powers = (n & (n - 1)) == 0;

	if (r->where == NULL || (!powers && (r->moving || !was_up)))
		return;
	ap_log(r->log, r->moving ? AP_INFO : AP_WARN, "redis_down", KV_S("server", r->text), KV_S("why", why), KV_U("attempt", n),
	       KV_U("next_connect_ms", pause_s * 1000));
}

static void lose(struct ap_redis *r, const char *why)
{
	char say[128];
	bool was_up = r->state == UP;

	snprintf(say, sizeof say, "%s", why);
	assert(r->depth > 0);         /* only from handlers: they free what was to be freed */
	socket_close(r);
	r->state = WAITING;
	r->doom[0] = '\0';
	r->downs++;
	double pause_s = pause_after(r);
	lost_log(r, say, was_up, pause_s);
	if (r->where != NULL)
		ap_where_ask(r->where);
	timer_set(r, pause_s);
	for (size_t n = r->q_n; n > 0 && !r->freed; n--) {
		struct redis_sent s = queue_take(r);
		if (s.fn != NULL)
			s.fn(s.ctx, NULL);
	}
	if (!r->freed && r->ev.down != NULL)
		r->ev.down(r->ctx, say);
}

void ap_redis_reset(struct ap_redis *r, const char *why)
{
	if (r->state == WAITING || r->doom[0] != '\0')
		return;
	snprintf(r->doom, sizeof r->doom, "%s", why);
	timer_set(r, 0);
}

/* --- reading --- */

static bool error_is(const char *e, const char *word)
{
	size_t n = strlen(word);

	return strncmp(e, word, n) == 0 && (e[n] == ' ' || e[n] == '\0');
}

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381"; an empty host is the one that says it. */
static bool redirection(const struct ap_redis *r, const char *e, struct ap_place *to)
{
	const char *slot = strchr(e, ' '), *place = slot != NULL ? strchr(slot + 1, ' ') : NULL;

	if (place == NULL || strtoul(slot + 1, NULL, 10) != r->user.slot)
		return false;
	if (place[1] == ':') {
		*to = r->to;
		return snprintf(to->port, sizeof to->port, "%s", place + 2) < (int)sizeof to->port;
	}
	return ap_place_parse(ap_str_c(place + 1), "", to);
}

/* Before its callback sees it: then the connection is no longer up, and nothing more is sent to the wrong place. */
static void error_seen(struct ap_redis *r, const char *e)
{
	struct ap_place to;

	if (r->where == NULL || r->doom[0] != '\0')
		return;
	if (error_is(e, "MOVED") || error_is(e, "ASK")) {
		if (!redirection(r, e, &to)) {
			/* Another slot than ours: a key that does not belong to this connection. Its sender's mistake. */
			ap_log(r->log, AP_ERROR, "foreign_key", KV_S("server", r->text), KV_U("slot", r->user.slot), KV_S("why", e),
			       KV_S("next", "go_on"));
			return;
		}
		if (error_is(e, "MOVED")) {
			r->moving = r->asking = false;
			r->moving_tries = 0;
			r->attempt = 0;
			ap_where_moved(r->where, r->user.slot, &to);
			ap_redis_reset(r, "slot_moved");
		} else {
			r->moving = true;
			r->asking = false;
			r->moving_to = to;
			ap_redis_reset(r, "slot_is_being_moved");
		}
	} else if (error_is(e, "READONLY") || error_is(e, "CLUSTERDOWN")) {
		ap_redis_reset(r, error_is(e, "READONLY") ? "read_only" : "cluster_down");
	}
}

static void answer(struct ap_redis *r, redisReply *reply)
{
	struct redis_sent s = { r->heard, r->heard_ctx, 0 };

	if (r->q_n == 0 && (r->heard == NULL || r->state != UP)) {
		freeReplyObject(reply);
		lose(r, "unasked_reply");
		return;
	}
	if (r->q_n > 0)
		s = queue_take(r);
	if (reply->type == REDIS_REPLY_ERROR)
		error_seen(r, reply->str);
	if (s.fn != NULL)
		s.fn(s.ctx, reply);
	freeReplyObject(reply);
	if (r->q_n == 0 && ap_redis_is_up(r))
		timer_set(r, IDLE_MS / 1000.0);
}

/* Hands out what the reader has. False: the connection is gone or doomed. */
static bool replies_take(struct ap_redis *r)
{
	while (!r->freed && r->fd != -1 && r->doom[0] == '\0') {
		void *reply = NULL;
		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
			lose(r, "protocol_error");
			return false;
		}
		if (reply == NULL)
			return true;
		answer(r, reply);
	}
	return false;
}

static void read_all(struct ap_redis *r)
{
	for (int i = 0; i < READ_TURN; i++) {
		ssize_t n = read(r->fd, r->in, sizeof r->in);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lose(r, n == 0 ? "closed_by_server" : strerror(errno));
			return;
		}
		if (redisReaderFeed(r->reader, r->in, (size_t)n) != REDIS_OK || r->reader->len > AP_REDIS_REPLY_MAX) {
			lose(r, "reply_too_large");
			return;
		}
		if (!replies_take(r) || (size_t)n < sizeof r->in)
			return;
	}
}

static void read_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ap_redis *r = w->data;

	(void)loop, (void)revents;
	enter(r);
	if (r->doom[0] == '\0')
		read_all(r);
	leave(r);
}

/* --- writing --- */

static void write_all(struct ap_redis *r)
{
	while (r->out_at < r->out.len) {
		ssize_t n = send(r->fd, r->out.p + r->out_at, r->out.len - r->out_at, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			ev_io_start(r->loop, &r->wr);
			return;
		}
		if (n == -1) {
			lose(r, strerror(errno));
			return;
		}
		r->out_at += (size_t)n;
	}
	ap_buf_clear(&r->out);
	r->out_at = 0;
	ev_io_stop(r->loop, &r->wr);
}

static void flush_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct ap_redis *r = w->data;

	(void)revents;
	ev_prepare_stop(loop, w);
	enter(r);
	if (r->fd != -1 && r->doom[0] == '\0' && !ev_is_active(&r->wr))
		write_all(r);
	leave(r);
}

/* What was put into `out` becomes a command of the queue. */
static bool queued(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms)
{
	if (r->out.full || !queue_put(r, fn, ctx, extra_ms)) {
		/* Half a command may be in the buffer: nothing after it would be understood. */
		ap_redis_reset(r, "send_buffer_full");
		return false;
	}
	ev_prepare_start(r->loop, &r->flush);
	if (!ev_is_active(&r->timer))
		timer_set(r, (double)(r->conf->runtime_command_ms + extra_ms) / 1000);
	return true;
}

static void put_args(struct ap_buf *b, int argc, const char *const *argv, const size_t *len)
{
	char head[32];

	ap_buf_put(b, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", argc));
	for (int i = 0; i < argc; i++) {
		size_t n = len != NULL ? len[i] : strlen(argv[i]);
		ap_buf_put(b, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", n));
		ap_buf_put(b, argv[i], n);
		ap_buf_put(b, "\r\n", 2);
	}
}

/* To the target of a slot that is being moved every command needs its leave. */
static bool put_asking(struct ap_redis *r)
{
	static const char *const asking[] = { "ASKING" };

	if (!r->asking)
		return true;
	put_args(&r->out, 1, asking, NULL);
	return queued(r, NULL, NULL, 0);
}

bool redis_send_raw(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv,
		    const size_t *len)
{
	if (r->fd == -1 || r->doom[0] != '\0' || !put_asking(r))
		return false;
	put_args(&r->out, argc, argv, len);
	return queued(r, fn, ctx, extra_ms);
}

bool ap_redis_send(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv,
		   const size_t *len)
{
	return ap_redis_is_up(r) && redis_send_raw(r, fn, ctx, extra_ms, argc, argv, len);
}

bool ap_redis_sendf(struct ap_redis *r, ap_reply_fn *fn, void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *cmd = NULL;

	if (!ap_redis_is_up(r) || !put_asking(r))
		return false;
	va_start(ap, fmt);
	int n = redisvFormatCommand(&cmd, fmt, ap);
	va_end(ap);
	assert(n > 0);          /* a format that hiredis does not know, or no memory */
	ap_buf_put(&r->out, cmd, (size_t)n);
	redisFreeCommand(cmd);
	return queued(r, fn, ctx, 0);
}

bool ap_redis_begin(struct ap_redis *r, size_t argc)
{
	if (!ap_redis_is_up(r) || !put_asking(r))
		return false;
	assert(r->args_left == 0 && argc > 0);
	r->args_left = argc;
	ap_buf_printf(&r->out, "*%zu\r\n", argc);
	return true;
}

void ap_redis_arg(struct ap_redis *r, ap_str s)
{
	char head[32];

	assert(r->args_left > 0);
	r->args_left--;
	ap_buf_put(&r->out, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", s.len));
	ap_buf_put(&r->out, s.p, s.len);
	ap_buf_put(&r->out, "\r\n", 2);
}

void ap_redis_arg_u64(struct ap_redis *r, uint64_t v)
{
	char text[24];

	ap_redis_arg(r, ap_str_n(text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)v)));
}

bool ap_redis_end(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms)
{
	assert(r->args_left == 0);
	return queued(r, fn, ctx, extra_ms);
}

/* --- connecting --- */

static void socket_options(int fd, int family)
{
	const int one = 1, every_s = AP_KEEPALIVE_S, times = AP_KEEPALIVE_TIMES, user_ms = AP_USER_TIMEOUT_MS;

	if (family == AF_UNIX)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every_s, sizeof every_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
}

/* hiredis would allocate whatever number a server announces. */
static void *array_bounded(const redisReadTask *task, int elements)
{
	redisReply *reply = elements > AP_REDIS_ARRAY_MAX ? NULL : calloc(1, sizeof *reply);

	if (reply == NULL)
		return NULL;
	reply->type = REDIS_REPLY_ARRAY;
	if (elements > 0)
		reply->element = calloc((size_t)elements, sizeof(redisReply *));
	if (elements > 0 && reply->element == NULL) {
		free(reply);
		return NULL;
	}
	reply->elements = elements > 0 ? (size_t)elements : 0;
	if (task->parent != NULL) {
		redisReply *parent = task->parent->obj;
		parent->element[task->idx] = reply;
	}
	return reply;
}

static bool reader_new(struct ap_redis *r)
{
	r->reader = redisReaderCreate();
	if (r->reader == NULL)
		return false;
	r->fns = *r->reader->fn;
	r->fns.createArray = array_bounded;
	r->reader->fn = &r->fns;
	r->reader->maxbuf = READER_KEEP;
	return true;
}

static void socket_open(struct ap_redis *r, const struct ap_addr *a)
{
	r->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd == -1 || !reader_new(r)) {
		lose(r, r->fd == -1 ? strerror(errno) : "no_memory");
		return;
	}
	socket_options(r->fd, a->sa.ss_family);
	if (connect(r->fd, (const struct sockaddr *)&a->sa, a->len) == -1 && errno != EINPROGRESS) {
		lose(r, strerror(errno));
		return;
	}
	r->state = CONNECTING;
	ev_io_set(&r->rd, r->fd, EV_READ);
	ev_io_set(&r->wr, r->fd, EV_WRITE);
	ev_io_start(r->loop, &r->wr);
	timer_set(r, (double)r->conf->runtime_connect_ms / 1000);
}

static void named_cb(void *ctx, const struct ap_addr *addr, const char *why)
{
	struct ap_redis *r = ctx;

	r->lookup = NULL;
	enter(r);
	if (addr == NULL)
		lose(r, why);
	else
		socket_open(r, addr);
	leave(r);
}

/* The place to connect to into r->to. False: nobody knows it. */
static bool target(struct ap_redis *r)
{
	const struct ap_place *to = r->where == NULL ? &r->to : ap_where_find(r->where, r->user.slot);

	if (to != NULL && ap_place_eq(to, &r->moving_to))
		r->moving = r->asking = false;          /* it has arrived */
	if (r->asking)
		to = &r->moving_to;
	if (to == NULL)
		return false;
	if (to != &r->to)
		r->to = *to;
	ap_place_text(&r->to, r->text);
	r->waited = false;
	return true;
}

static void connect_start(struct ap_redis *r)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ap_addr a;

	if (!target(r)) {
		/* Whoever knows is asked at the same time as we are made: that is no trouble yet. */
		if (r->waited)
			lose(r, ap_where_kind(r->where) == AP_URL_SENTINEL ? "no_primary_known" : "no_owner_of_the_slot_known");
		else
			timer_set(r, (double)r->conf->runtime_connect_ms / 1000);
		r->waited = true;
		return;
	}
	if (r->to.port[0] == '\0') {
		snprintf(un.sun_path, sizeof un.sun_path, "%.*s", (int)sizeof un.sun_path - 1, r->to.host);
		memcpy(&a.sa, &un, sizeof un);
		a.len = sizeof un;
		socket_open(r, &a);
	} else if (ap_addr_numeric(r->to.host, r->to.port, &a)) {
		socket_open(r, &a);
	} else {
		r->lookup = ap_name_ask(r->loop, r->to.host, r->to.port, named_cb, r);
		if (r->lookup == NULL) {
			lose(r, "no_thread");
			return;
		}
		r->state = RESOLVING;
		timer_set(r, RESOLVE_MS / 1000.0);
	}
}

/* The switch of a primary, a moved slot: at once, whatever pause was to be kept. */
static void place_changed(void *ctx)
{
	struct ap_redis *r = ctx;
	const struct ap_place *to = ap_where_find(r->where, r->user.slot);

	if (r->freed || to == NULL)
		return;
	if (r->asking && ap_place_eq(to, &r->moving_to))
		r->asking = r->moving = false;
	if (ap_place_eq(to, &r->to) || r->moving || r->asking)
		return;
	if (r->state == WAITING) {
		r->attempt = 0;
		timer_set(r, 0);
	} else if (ap_where_kind(r->where) == AP_URL_SENTINEL) {
		r->attempt = 0;
		ap_redis_reset(r, "primary_switched");
	}
	/* A Cluster's node says itself what is not with it any more; a table may be older than that. */
}

static void write_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ap_redis *r = w->data;
	int e = 0;
	socklen_t len = sizeof e;

	(void)revents;
	enter(r);
	if (r->state == CONNECTING) {
		getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &e, &len);
		ev_io_stop(loop, w);
		if (e != 0) {
			lose(r, strerror(e));
		} else {
			ev_timer_stop(loop, &r->timer);
			ev_io_start(loop, &r->rd);
			r->state = CHECKING;
			redis_check_start(r);
		}
	} else if (r->doom[0] == '\0') {
		write_all(r);
	}
	leave(r);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ap_redis *r = w->data;

	(void)loop, (void)revents;
	enter(r);
	if (r->doom[0] != '\0') {
		lose(r, r->doom);
	} else if (r->state == WAITING) {
		connect_start(r);
	} else if (r->state == CONNECTING || r->state == RESOLVING) {
		lose(r, r->state == CONNECTING ? "connect_timeout" : "name_timeout");
	} else if (r->q_n == 0) {
		const char *const ping = "PING";
		ap_redis_send(r, NULL, NULL, 0, 1, &ping, NULL);
	} else {
		int64_t left_ns = r->q[r->q_head].deadline_ns - ap_mono_ns();
		if (left_ns <= 0)
			read_all(r);    /* if it was we who were late, the reply is in the socket */
		if (!r->freed && r->state >= CHECKING && r->doom[0] == '\0' && r->q_n > 0) {
			left_ns = r->q[r->q_head].deadline_ns - ap_mono_ns();
			if (left_ns <= 0)
				lose(r, "deadline");
			else
				timer_set(r, (double)left_ns / 1e9);
		}
	}
	leave(r);
}

void redis_checked(struct ap_redis *r)
{
	r->state = UP;
	r->attempt = 0;
	if (r->where != NULL && r->check == AP_REDIS_DATASET)
		ap_where_trust(r->where);
	if (r->where != NULL)
		ap_log(r->log, AP_INFO, "redis_up", KV_S("server", r->text));
	if (r->ev.up != NULL)
		r->ev.up(r->ctx);
}

/* --- coming and going --- */

static struct ap_redis *redis_make(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				   const struct ap_redis_events *ev, void *ctx)
{
	struct ap_redis *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->log = log;
	r->conf = conf;
	r->check = check;
	if (ev != NULL)
		r->ev = *ev;
	r->ctx = ctx;
	r->fd = -1;
	ap_buf_init(&r->out, AP_REDIS_OUT_MAX);
	ev_io_init(&r->rd, read_cb, -1, EV_READ);
	ev_io_init(&r->wr, write_cb, -1, EV_WRITE);
	ev_timer_init(&r->timer, timer_cb, 0, 0);
	ev_prepare_init(&r->flush, flush_cb);
	r->rd.data = r->wr.data = r->timer.data = r->flush.data = r;
	timer_set(r, 0);
	return r;
}

struct ap_redis *ap_redis_new_key(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				  const char *key, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	struct ap_redis *r = redis_make(loop, log, conf, check, ev, ctx);

	if (r == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	r->user = (struct ap_where_user){ .slot = ap_key_slot(ap_str_c(key)), .changed = place_changed, .ctx = r };
	r->where = ap_where_join(loop, log, conf, &r->user, err, errlen);
	if (r->where == NULL) {
		ap_redis_free(r);
		return NULL;
	}
	ap_place_text(&r->to, r->text);
	/* A partition names its data set itself; in a Cluster the hash ap:dataset is on one node only. */
	if (strncmp(key, "ap:{", 4) == 0)
		snprintf(r->identity, sizeof r->identity, "%s", key);
	else if (ap_where_kind(r->where) != AP_URL_CLUSTER || strcmp(key, "ap:dataset") == 0)
		snprintf(r->identity, sizeof r->identity, "ap:dataset");
	return r;
}

struct ap_redis *ap_redis_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
			      const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	return ap_redis_new_key(loop, log, conf, check, "ap:dataset", ev, ctx, err, errlen);
}

struct ap_redis *ap_redis_new_part(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				   unsigned part, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	char key[24];

	snprintf(key, sizeof key, "ap:{%u}:seq", part);
	return ap_redis_new_key(loop, log, conf, check, key, ev, ctx, err, errlen);
}

struct ap_redis *ap_redis_new_to(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, const struct ap_place *to,
				 enum ap_redis_check check, const struct ap_redis_events *ev, void *ctx)
{
	struct ap_redis *r = redis_make(loop, log, conf, check, ev, ctx);

	if (r != NULL)
		r->to = *to;
	return r;
}

void ap_redis_listen(struct ap_redis *r, ap_reply_fn *fn, void *ctx)
{
	r->heard = fn;
	r->heard_ctx = ctx;
}

bool ap_redis_is_cluster(const struct ap_redis *r)
{
	return r->where != NULL && ap_where_kind(r->where) == AP_URL_CLUSTER;
}

bool ap_redis_is_up(const struct ap_redis *r)
{
	return r->state == UP && r->doom[0] == '\0' && !r->freed;
}

size_t ap_redis_pending(const struct ap_redis *r)
{
	return r->q_n;
}

const char *ap_redis_dataset(const struct ap_redis *r)
{
	return r->dataset;
}

bool ap_redis_is_foreign(const struct ap_redis *r)
{
	return r->alarmed;
}

uint64_t ap_redis_downs(const struct ap_redis *r)
{
	return r->downs;
}

/* --- looking at replies --- */

ap_str ap_reply_text(const redisReply *reply, size_t i)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements)
		return (ap_str){ NULL, 0 };
	const redisReply *e = reply->element[i];
	if (e->type != REDIS_REPLY_STRING && e->type != REDIS_REPLY_STATUS)
		return (ap_str){ NULL, 0 };
	return ap_str_n(e->str, e->len);
}

const char *ap_reply_word(const redisReply *reply)
{
	ap_str s = ap_reply_text(reply, 0);

	return s.len == 0 ? "" : s.p;   /* hiredis ends every text with a NUL */
}

ap_str ap_reply_why(const redisReply *reply)
{
	const char *word = reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : ap_reply_word(reply);

	return ap_str_n(word, strcspn(word, " \r\n"));
}

uint64_t ap_reply_u64(const redisReply *reply, size_t i, uint64_t dflt)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements)
		return dflt;
	const redisReply *e = reply->element[i];
	if (e->type == REDIS_REPLY_INTEGER)
		return e->integer < 0 ? dflt : (uint64_t)e->integer;
	if (e->type != REDIS_REPLY_STRING || e->len == 0 || e->len > 19 || strspn(e->str, "0123456789") != e->len)
		return dflt;
	return strtoull(e->str, NULL, 10);
}
