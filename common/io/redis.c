/*
 * redis.c - one Redis connection that keeps itself up, on the loop.
 *
 * hiredis reads the replies (its reader has no socket); the socket, the queue of callbacks and the deadlines are ours,
 * because hiredis 0.14 has no time-out for an asynchronous command, reads 16 KB a turn and resolves names on the loop.
 *
 *   WAITING --timer--> CONNECTING --writable--> CHECKING --replies fine--> UP
 *      ^                   |                        |                      |
 *      +------ lose() -----+------------------------+----------------------+
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

#include "../core/buf.h"
#include "app.h"

enum {
	READ_BYTES = 64 * 1024,         /* of one read(2) */
	READ_TURN = 16,                 /* reads in one turn of the loop */
	READER_KEEP = 1024 * 1024,      /* buffer hiredis keeps between replies */
	USER_TIMEOUT_MS = 3000,
	IDLE_MS = 500,                  /* without a command, PING is asked: a server that stands still is noticed in this and a deadline */
};

enum state { WAITING, CONNECTING, CHECKING, UP };

/* A command whose reply has not come. */
struct sent {
	ap_reply_fn *fn;
	void *ctx;
	int64_t deadline_ns;
};

struct ap_redis {
	struct ev_loop *loop;
	struct ap_log *log;
	const struct ap_conf *conf;
	enum ap_redis_check check;
	struct ap_redis_events ev;
	void *ctx;

	struct sockaddr_storage addr;
	socklen_t addrlen;
	size_t args_left;               /* of the command being put together */
	char db[12];                    /* "" or the number to SELECT */
	char where[128];                /* for log lines: no secret */
	char identity[24];              /* the hash that names the data set */
	bool alarmed;                   /* that it does not, has been said */

	enum state state;
	int fd;
	ev_io rd, wr;
	ev_timer timer;                 /* WAITING: next try; else: look at the first deadline */
	ev_prepare flush;               /* active while something is to be written */
	redisReader *reader;
	redisReplyObjectFunctions fns;
	struct ap_buf out;
	size_t out_at;                  /* bytes of out already written */
	struct sent *q;                 /* ring of cap (a power of two) */
	size_t q_head, q_n, q_cap;
	unsigned attempt;
	uint64_t downs;
	char doom[64];                  /* reset was asked for: why */
	char dataset[40];
	unsigned depth;                 /* of our own handlers on the stack */
	bool freed;                     /* ap_redis_free was called from a callback */
	char in[READ_BYTES];
};

static void lose(struct ap_redis *r, const char *why);
static void check_start(struct ap_redis *r);

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
		struct sent *q = malloc(cap * sizeof *q);
		if (q == NULL)
			return false;
		for (size_t i = 0; i < r->q_n; i++)
			q[i] = r->q[(r->q_head + i) & (r->q_cap - 1)];
		free(r->q);
		r->q = q;
		r->q_cap = cap;
		r->q_head = 0;
	}
	r->q[(r->q_head + r->q_n++) & (r->q_cap - 1)] = (struct sent){
		fn, ctx, ap_mono_ns() + (int64_t)(r->conf->runtime_command_ms + extra_ms) * 1000000 };
	return true;
}

static struct sent queue_take(struct ap_redis *r)
{
	assert(r->q_n > 0);
	struct sent s = r->q[r->q_head];

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
	double pause_s = ap_backoff_s(r->conf, r->attempt++);
	/* A server that stays away is said at 1, 2, 4, 8 ... tries: a page of equal lines hides the others. */
	if (was_up || (r->attempt & (r->attempt - 1)) == 0)
		ap_log(r->log, AP_WARN, "redis_down", KV_S("server", r->where), KV_S("why", say), KV_U("attempt", r->attempt),
		       KV_U("next_connect_ms", pause_s * 1000));
	timer_set(r, pause_s);
	for (size_t n = r->q_n; n > 0 && !r->freed; n--) {
		struct sent s = queue_take(r);
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

static void answer(struct ap_redis *r, redisReply *reply)
{
	if (r->q_n == 0) {
		freeReplyObject(reply);
		lose(r, "unasked_reply");
		return;
	}
	struct sent s = queue_take(r);
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

/* Also before it is UP: the checks go this way. */
static bool send_raw(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv,
		     const size_t *len)
{
	if (r->fd == -1 || r->doom[0] != '\0')
		return false;
	put_args(&r->out, argc, argv, len);
	return queued(r, fn, ctx, extra_ms);
}

bool ap_redis_send(struct ap_redis *r, ap_reply_fn *fn, void *ctx, uint64_t extra_ms, int argc, const char *const *argv,
		   const size_t *len)
{
	return ap_redis_is_up(r) && send_raw(r, fn, ctx, extra_ms, argc, argv, len);
}

bool ap_redis_sendf(struct ap_redis *r, ap_reply_fn *fn, void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *cmd = NULL;

	if (!ap_redis_is_up(r))
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
	if (!ap_redis_is_up(r))
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
	const int one = 1, idle_s = 5, every_s = 2, times = 3, user_ms = USER_TIMEOUT_MS;

	if (family == AF_UNIX)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
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

static void connect_start(struct ap_redis *r)
{
	const struct sockaddr *to = (const struct sockaddr *)&r->addr;

	r->fd = socket(r->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd == -1 || !reader_new(r)) {
		lose(r, r->fd == -1 ? strerror(errno) : "no_memory");
		return;
	}
	socket_options(r->fd, r->addr.ss_family);
	if (connect(r->fd, to, r->addrlen) == -1 && errno != EINPROGRESS) {
		lose(r, strerror(errno));
		return;
	}
	r->state = CONNECTING;
	ev_io_set(&r->rd, r->fd, EV_READ);
	ev_io_set(&r->wr, r->fd, EV_WRITE);
	ev_io_start(r->loop, &r->wr);
	timer_set(r, (double)r->conf->runtime_connect_ms / 1000);
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
			check_start(r);
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
	} else if (r->state == CONNECTING) {
		lose(r, "connect_timeout");
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

/* --- the checks after each connect: replies come in the order asked --- */

/* An error's first word; the rest may quote what was sent. */
static void check_failed(struct ap_redis *r, const char *what, const redisReply *reply)
{
	char why[64];
	const char *word = reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected_reply";

	snprintf(why, sizeof why, "%s:%.*s", what, (int)strcspn(word, " "), word);
	ap_redis_reset(r, why);
}

static void auth_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		check_failed(ctx, "auth", reply);
}

static void select_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		check_failed(ctx, "select", reply);
}

static void role_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL || r->check == AP_REDIS_BARE)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || strcmp(ap_reply_word(reply), "master") != 0)
		check_failed(r, reply->type == REDIS_REPLY_ARRAY ? "not_primary" : "role", reply);
}

static void version_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, "alphapulse_v1") != 0))
		check_failed(ctx, "functions_missing", reply);
}

/* What waiting does not heal. Said once, not at every attempt. */
static void dataset_alarm(struct ap_redis *r, const char *why)
{
	if (!r->alarmed)
		ap_log(r->log, AP_ERROR, "dataset_wrong", KV_S("server", r->where), KV_S("why", why),
		       KV_S("next", "nothing is read or written; if it was emptied: apctl rebuild fills it again from the journals"));
	r->alarmed = true;
}

static void dataset_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL)
		return;
	ap_str id = ap_reply_text(reply, 0);
	if (reply->type == REDIS_REPLY_ARRAY && id.len == 0) {
		ap_redis_reset(r, "dataset_missing");
		dataset_alarm(r, "this Redis does not hold the data set: it was emptied, or is another server");
	} else if (reply->type != REDIS_REPLY_ARRAY || id.len != 36) {
		check_failed(r, "dataset_missing", reply);
	} else if (ap_reply_u64(reply, 1, 0) != r->conf->data_partitions) {
		ap_redis_reset(r, "dataset_has_other_partitions");
	} else if (r->dataset[0] != '\0' && !ap_str_is(id, r->dataset)) {
		/* Going on would mix two data sets; this stays so until somebody restarts the program knowingly. */
		ap_redis_reset(r, "dataset_changed");
		dataset_alarm(r, "this Redis holds another data set than before");
	} else {
		memcpy(r->dataset, id.p, id.len);
		r->dataset[id.len] = '\0';
		r->alarmed = false;
	}
}

static void ready_cb(void *ctx, const redisReply *reply)
{
	struct ap_redis *r = ctx;

	if (reply == NULL || r->doom[0] != '\0')
		return;
	if (reply->type != REDIS_REPLY_STATUS) {
		check_failed(r, "ping", reply);
		return;
	}
	r->state = UP;
	r->attempt = 0;
	ap_log(r->log, AP_INFO, "redis_up", KV_S("server", r->where));
	if (r->ev.up != NULL)
		r->ev.up(r->ctx);
}

/* False: there should be a password, and it cannot be read. */
static bool password_read(const struct ap_redis *r, char *out, size_t cap)
{
	FILE *f = fopen(r->conf->redis_password_file, "re");

	if (f == NULL)
		return false;
	bool ok = fgets(out, (int)cap, f) != NULL;
	fclose(f);
	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok && out[0] != '\0';
}

static bool auth_send(struct ap_redis *r)
{
	char pass[512];
	const char *user = r->conf->redis_user;
	const char *argv[3] = { "AUTH", user, pass };

	if (*r->conf->redis_password_file == '\0')
		return true;
	if (!password_read(r, pass, sizeof pass)) {
		ap_redis_reset(r, "password_file_unreadable");
		return false;
	}
	if (*user == '\0')
		argv[1] = pass;
	bool ok = send_raw(r, auth_cb, r, 0, *user == '\0' ? 2 : 3, argv, NULL);
	explicit_bzero(pass, sizeof pass);
	return ok;
}

static void check_start(struct ap_redis *r)
{
	static const char *const role[] = { "ROLE" }, *const ping[] = { "PING" },
		*const version[] = { "FCALL_RO", "ap_version_v1", "0" };
	const char *const dataset[] = { "HMGET", r->identity, strcmp(r->identity, "ap:dataset") == 0 ? "id" : "ds", "parts" };
	const char *sel[] = { "SELECT", r->db };

	if (!auth_send(r))
		return;
	if (r->db[0] != '\0')
		send_raw(r, select_cb, r, 0, 2, sel, NULL);
	send_raw(r, role_cb, r, 0, 1, role, NULL);
	if (r->check == AP_REDIS_DATASET) {
		send_raw(r, version_cb, r, 0, 3, version, NULL);
		send_raw(r, dataset_cb, r, 0, 4, dataset, NULL);
	}
	send_raw(r, ready_cb, r, 0, 1, ping, NULL);
}

/* --- where to connect --- */

static bool target_unix(struct ap_redis *r, const char *path, char *err, size_t errlen)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (*path != '/' || strlen(path) >= sizeof un.sun_path) {
		snprintf(err, errlen, "redis.url: unix:// needs an absolute path shorter than %zu bytes", sizeof un.sun_path);
		return false;
	}
	memcpy(un.sun_path, path, strlen(path));
	memcpy(&r->addr, &un, sizeof un);
	r->addrlen = sizeof un;
	snprintf(r->where, sizeof r->where, "unix:%s", path);
	return true;
}

static bool target_tcp(struct ap_redis *r, const char *rest, char *err, size_t errlen)
{
	char host[256], port[8] = "6379";
	const char *slash = strchr(rest, '/');
	size_t len = slash == NULL ? strlen(rest) : (size_t)(slash - rest);
	const char *colon = memrchr(rest, ':', len), *close = memrchr(rest, ']', len);
	struct addrinfo hint = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found = NULL;

	if (colon != NULL && close != NULL && colon < close)
		colon = NULL;
	size_t hlen = colon == NULL ? len : (size_t)(colon - rest);
	if (memchr(rest, '@', len) != NULL || hlen == 0 || hlen >= sizeof host
	    || (colon != NULL && (size_t)(rest + len - colon - 1) >= sizeof port)
	    || (slash != NULL && (strlen(slash + 1) > 4 || strspn(slash + 1, "0123456789") != strlen(slash + 1)))) {
		snprintf(err, errlen, "redis.url must be redis://HOST:PORT[/DB] or unix:///path (no password in it)");
		return false;
	}
	snprintf(host, sizeof host, "%.*s", (int)(close != NULL ? hlen - 2 : hlen), close != NULL ? rest + 1 : rest);
	if (colon != NULL)
		snprintf(port, sizeof port, "%.*s", (int)(rest + len - colon - 1), colon + 1);
	if (slash != NULL)
		snprintf(r->db, sizeof r->db, "%.10s", slash + 1);
	int rc = getaddrinfo(host, port, &hint, &found);
	if (rc != 0 || found == NULL) {
		snprintf(err, errlen, "redis.url: %s: %s", host, gai_strerror(rc));
		return false;
	}
	memcpy(&r->addr, found->ai_addr, found->ai_addrlen);
	r->addrlen = found->ai_addrlen;
	freeaddrinfo(found);
	snprintf(r->where, sizeof r->where, "%.100s:%s", host, port);
	return true;
}

static bool target_set(struct ap_redis *r, char *err, size_t errlen)
{
	const char *url = r->conf->redis_url;

	if (strncmp(url, "unix://", 7) == 0)
		return target_unix(r, url + 7, err, errlen);
	if (strncmp(url, "redis://", 8) == 0)
		return target_tcp(r, url + 8, err, errlen);
	snprintf(err, errlen, "redis.url must begin with redis:// or unix:// (TLS: use a local stunnel or a unix socket)");
	return false;
}

static struct ap_redis *redis_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				  const char *identity, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	struct ap_redis *r = calloc(1, sizeof *r);

	if (r == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	r->loop = loop;
	r->log = log;
	r->conf = conf;
	r->check = check;
	if (ev != NULL)
		r->ev = *ev;
	r->ctx = ctx;
	r->fd = -1;
	snprintf(r->identity, sizeof r->identity, "%s", identity);
	ap_buf_init(&r->out, AP_REDIS_OUT_MAX);
	if (!target_set(r, err, errlen)) {
		free(r);
		return NULL;
	}
	ev_io_init(&r->rd, read_cb, -1, EV_READ);
	ev_io_init(&r->wr, write_cb, -1, EV_WRITE);
	ev_timer_init(&r->timer, timer_cb, 0, 0);
	ev_prepare_init(&r->flush, flush_cb);
	r->rd.data = r->wr.data = r->timer.data = r->flush.data = r;
	timer_set(r, 0);
	return r;
}

struct ap_redis *ap_redis_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
			      const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	return redis_new(loop, log, conf, check, "ap:dataset", ev, ctx, err, errlen);
}

struct ap_redis *ap_redis_new_part(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, enum ap_redis_check check,
				   unsigned part, const struct ap_redis_events *ev, void *ctx, char *err, size_t errlen)
{
	char identity[24];

	snprintf(identity, sizeof identity, "ap:{%u}:seq", part);
	return redis_new(loop, log, conf, check, identity, ev, ctx, err, errlen);
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
