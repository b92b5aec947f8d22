/*
 * faultproxy.c - a proxy that misbehaves as it is told: late, slow, in slices, cut, silent, or taking the request and losing the reply.
 *
 *   faultproxy LISTEN TARGET CONTROL       LISTEN and TARGET: HOST:PORT or /path of a unix socket; CONTROL: /path
 *   faultproxy ctl CONTROL COMMAND...      says one line to it and prints the answer
 *
 * Commands; each holds until it is changed, for the connections there are and for those to come:
 *   latency MS       everything arrives this much later, in both directions
 *   rate BYTES       bytes a second, of each connection and direction; 0: as they come
 *   slice BYTES      most bytes of one write, with a pause of a millisecond between two; 0: as they come
 *   reset [MS]       ends every connection with RST, now; and again every MS. 0: no more
 *   half c|s         ends the sending side towards the clients, or towards the server, of the connections there are
 *   hole on|off      neither reads nor writes; new connections are taken and hear nothing
 *   drop TEXT [N]    for the next N (1) requests that contain TEXT: the request is delivered, nothing the server sends is passed on
 *                    any more, and the connection is cut 100 ms after that. 0: no more
 *   clear            none of these
 *   stat             connections= resets= drops= dropped_ms= (when the last of them was, by the monotonic clock)
 *                    up= down= (bytes passed to the server and to the clients)
 *
 * It knows no protocol. What it holds for a connection is bounded; when that is full it does not read.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK = 16384,
	CHUNKS = 64,            /* held for one direction */
	PAIRS = 1024,
	TEXT = 64,              /* most bytes of what `drop` looks for */
	LINGER_MS = 100,
	SLICE_PAUSE_MS = 1,
};

struct chunk {
	double due;             /* of the loop's clock, s */
	size_t len, at;
	char b[CHUNK];
};

struct pair;

/* One direction of a connection: read at `in`, written at `out`. */
struct lane {
	struct pair *pair;
	int in, out;
	ev_io rd, wr;
	ev_timer pause;
	struct chunk *q[CHUNKS];        /* ring */
	size_t head, n;
	double open_at;                 /* nothing is written before: rate and slices */
	bool eof, shut;                 /* the reader's end came; it was passed on */
	char tail[TEXT];                /* last bytes, so that a text cut in two is found */
	size_t tail_len;
};

struct pair {
	struct proxy *proxy;
	size_t slot;
	struct lane up, down;           /* to the server, to the client */
	ev_timer cut;
	bool deaf;                      /* replies are thrown away */
};

struct proxy {
	struct ev_loop *loop;
	const char *target;
	int listen_fd, control_fd;
	ev_io accept, control;
	ev_timer resets;
	double latency_s, rate;
	size_t slice;
	bool hole;
	char text[TEXT + 1];
	unsigned drops_left;
	uint64_t n_resets, n_drops, n_up, n_down;
	int64_t dropped_ms;
	struct pair *pairs[PAIRS];
	size_t n;
};

static void lane_pump(struct lane *l);

/* --- sockets ------------------------------------------------------------------ */

static bool address_of(const char *where, struct sockaddr_storage *a, socklen_t *len)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char host[200];

	if (where[0] == '/') {
		if (strlen(where) >= sizeof un.sun_path)
			return false;
		memcpy(un.sun_path, where, strlen(where));
		memcpy(a, &un, sizeof un);
		*len = sizeof un;
		return true;
	}
	snprintf(host, sizeof host, "%s", where);
	char *colon = strrchr(host, ':');
	if (colon == NULL)
		return false;
	*colon = '\0';
	if (getaddrinfo(host, colon + 1, &hint, &found) != 0)
		return false;
	memcpy(a, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static int listen_at(const char *where)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = 0;
	const int one = 1;

	if (!address_of(where, &a, &len))
		return -1;
	if (where[0] == '/')
		unlink(where);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* Any user may connect: PostgreSQL's clients and ours need not be the same. */
	if (bind(fd, (struct sockaddr *)&a, len) == -1 || listen(fd, 128) == -1 || (where[0] == '/' && chmod(where, 0777) == -1)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The server is near: connecting may block for a moment. */
static int connect_to(const char *where)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = 0;
	const int one = 1;

	if (!address_of(where, &a, &len))
		return -1;
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&a, len) == -1) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (a.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static int64_t mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- a connection --------------------------------------------------------------- */

static void lane_done(struct lane *l)
{
	struct ev_loop *loop = l->pair->proxy->loop;

	ev_io_stop(loop, &l->rd);
	ev_io_stop(loop, &l->wr);
	ev_timer_stop(loop, &l->pause);
	for (size_t i = 0; i < l->n; i++)
		free(l->q[(l->head + i) % CHUNKS]);
}

/* With rst the other sides see a reset instead of an end. */
static void pair_close(struct pair *p, bool rst)
{
	const struct linger hard = { 1, 0 };
	const int fds[2] = { p->up.in, p->up.out };

	lane_done(&p->up);
	lane_done(&p->down);
	ev_timer_stop(p->proxy->loop, &p->cut);
	for (size_t i = 0; i < 2; i++) {
		if (rst)
			setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		close(fds[i]);
	}
	p->proxy->pairs[p->slot] = NULL;
	p->proxy->n--;
	free(p);
}

static void cut_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	pair_close(w->data, true);
}

/* The text that `drop` waits for, also when it came in two pieces. */
static bool text_seen(struct lane *l, const char *b, size_t n)
{
	struct proxy *x = l->pair->proxy;
	size_t want = strlen(x->text), keep;
	char both[2 * TEXT];

	if (x->drops_left == 0 || want == 0)
		return false;
	size_t head = n < TEXT ? n : TEXT;
	memcpy(both, l->tail, l->tail_len);
	memcpy(both + l->tail_len, b, head);
	bool seen = memmem(both, l->tail_len + head, x->text, want) != NULL || memmem(b, n, x->text, want) != NULL;
	keep = n < want - 1 ? n : want - 1;
	memcpy(l->tail, b + n - keep, keep);
	l->tail_len = keep;
	return seen;
}

static void lane_take(struct lane *l, const char *b, size_t n)
{
	struct proxy *x = l->pair->proxy;
	bool up = l == &l->pair->up;

	if (up && !l->pair->deaf && text_seen(l, b, n)) {
		l->pair->deaf = true;
		x->drops_left--;
		x->n_drops++;
		x->dropped_ms = mono_ms();
		ev_timer_set(&l->pair->cut, LINGER_MS / 1000.0, 0);
		ev_timer_start(x->loop, &l->pair->cut);
	}
	if (!up && l->pair->deaf)
		return;
	struct chunk *c = malloc(sizeof *c);
	if (c == NULL)
		exit(111);
	c->due = ev_now(x->loop) + x->latency_s;
	c->len = n;
	c->at = 0;
	memcpy(c->b, b, n);
	l->q[(l->head + l->n++) % CHUNKS] = c;
}

static void rd_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct lane *l = w->data;
	char b[CHUNK];

	(void)loop, (void)revents;
	ssize_t n = read(l->in, b, sizeof b);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		pair_close(l->pair, true);
		return;
	}
	if (n == 0)
		l->eof = true;
	else
		lane_take(l, b, (size_t)n);
	lane_pump(l);
}

/* One write of what may go now. False: not now; the watchers know when. */
static bool lane_write(struct lane *l)
{
	struct proxy *x = l->pair->proxy;
	struct chunk *c = l->q[l->head];
	double now = ev_now(x->loop), at = c->due > l->open_at ? c->due : l->open_at;
	size_t most = c->len - c->at;

	if (at > now) {
		ev_timer_stop(x->loop, &l->pause);
		ev_timer_set(&l->pause, at - now, 0);
		ev_timer_start(x->loop, &l->pause);
		return false;
	}
	if (x->slice > 0 && most > x->slice)
		most = x->slice;
	/* A tenth of a second's worth at a time: slow, not in gusts. */
	if (x->rate > 0 && (double)most > x->rate / 10)
		most = x->rate < 10 ? 1 : (size_t)(x->rate / 10);
	ssize_t n = send(l->out, c->b + c->at, most, MSG_NOSIGNAL);
	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		ev_io_start(x->loop, &l->wr);
		return false;
	}
	if (n == -1) {
		pair_close(l->pair, true);
		return false;
	}
	*(l == &l->pair->up ? &x->n_up : &x->n_down) += (uint64_t)n;
	c->at += (size_t)n;
	if (x->rate > 0)
		l->open_at = now + (double)n / x->rate;
	else if (x->slice > 0)
		l->open_at = now + SLICE_PAUSE_MS / 1000.0;
	if (c->at == c->len) {
		l->head = (l->head + 1) % CHUNKS;
		l->n--;
		free(c);
	}
	return true;
}

static void lane_pump(struct lane *l)
{
	struct proxy *x = l->pair->proxy;
	struct pair *p = l->pair;
	size_t slot = p->slot;

	ev_io_stop(x->loop, &l->rd);
	ev_io_stop(x->loop, &l->wr);
	if (x->hole)
		return;
	while (l->n > 0 && lane_write(l))
		;
	if (x->pairs[slot] != p)
		return;         /* the write has ended it */
	if (l->n == 0 && l->eof && !l->shut) {
		l->shut = true;
		shutdown(l->out, SHUT_WR);
		if (p->up.shut && p->down.shut) {
			pair_close(p, false);
			return;
		}
	}
	if (!l->eof && l->n < CHUNKS)
		ev_io_start(x->loop, &l->rd);
}

static void wr_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	lane_pump(w->data);
}

static void pause_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	lane_pump(w->data);
}

static void lane_init(struct lane *l, struct pair *p, int in, int out)
{
	l->pair = p;
	l->in = in;
	l->out = out;
	ev_io_init(&l->rd, rd_cb, in, EV_READ);
	ev_io_init(&l->wr, wr_cb, out, EV_WRITE);
	ev_timer_init(&l->pause, pause_cb, 0, 0);
	l->rd.data = l->wr.data = l->pause.data = l;
}

static void accept_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct proxy *x = w->data;
	const int one = 1;
	int fd = accept4(x->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), to = -1;
	size_t slot = 0;

	(void)loop, (void)revents;
	if (fd == -1)
		return;
	while (slot < PAIRS && x->pairs[slot] != NULL)
		slot++;
	struct pair *p = slot < PAIRS ? calloc(1, sizeof *p) : NULL;
	if (p != NULL)
		to = connect_to(x->target);
	if (to == -1) {
		free(p);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);     /* no such option on a unix socket: no matter */
	p->proxy = x;
	p->slot = slot;
	x->pairs[slot] = p;
	x->n++;
	ev_timer_init(&p->cut, cut_cb, 0, 0);
	p->cut.data = p;
	lane_init(&p->up, p, fd, to);
	lane_init(&p->down, p, to, fd);
	lane_pump(&p->up);
	lane_pump(&p->down);
}

/* --- commands ------------------------------------------------------------------- */

static void reset_all(struct proxy *x)
{
	for (size_t i = 0; i < PAIRS; i++)
		if (x->pairs[i] != NULL) {
			x->n_resets++;
			pair_close(x->pairs[i], true);
		}
}

static void resets_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	reset_all(w->data);
}

static void pump_all(struct proxy *x)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct pair *p = x->pairs[i];
		if (p != NULL)
			lane_pump(&p->up);
		if (p != NULL && x->pairs[i] == p)
			lane_pump(&p->down);
	}
}

static bool cmd_latency(struct proxy *x, const char *a, const char *b)
{
	(void)b;
	x->latency_s = strtod(a, NULL) / 1000;
	return *a != '\0';
}

static bool cmd_rate(struct proxy *x, const char *a, const char *b)
{
	(void)b;
	x->rate = strtod(a, NULL);
	return *a != '\0';
}

static bool cmd_slice(struct proxy *x, const char *a, const char *b)
{
	(void)b;
	x->slice = strtoul(a, NULL, 10);
	return *a != '\0';
}

static bool cmd_reset(struct proxy *x, const char *a, const char *b)
{
	double every_s = strtod(a, NULL) / 1000;

	(void)b;
	ev_timer_stop(x->loop, &x->resets);
	if (*a == '\0' || every_s > 0)
		reset_all(x);
	if (every_s > 0) {
		ev_timer_set(&x->resets, every_s, every_s);
		ev_timer_start(x->loop, &x->resets);
	}
	return true;
}

static bool cmd_half(struct proxy *x, const char *a, const char *b)
{
	(void)b;
	for (size_t i = 0; i < PAIRS; i++)
		if (x->pairs[i] != NULL)
			shutdown(*a == 'c' ? x->pairs[i]->down.out : x->pairs[i]->up.out, SHUT_WR);
	return *a == 'c' || *a == 's';
}

static bool cmd_hole(struct proxy *x, const char *a, const char *b)
{
	(void)b;
	x->hole = strcmp(a, "on") == 0;
	return x->hole || strcmp(a, "off") == 0;
}

static bool cmd_drop(struct proxy *x, const char *a, const char *b)
{
	if (*a == '\0' || strlen(a) > TEXT)
		return false;
	snprintf(x->text, sizeof x->text, "%s", a);
	x->drops_left = *b == '\0' ? 1 : (unsigned)strtoul(b, NULL, 10);
	return true;
}

static bool cmd_clear(struct proxy *x, const char *a, const char *b)
{
	(void)a, (void)b;
	x->latency_s = x->rate = 0;
	x->slice = 0;
	x->hole = false;
	x->drops_left = 0;
	ev_timer_stop(x->loop, &x->resets);
	return true;
}

static bool cmd_stat(struct proxy *x, const char *a, const char *b)
{
	(void)x, (void)a, (void)b;
	return true;
}

static bool command(struct proxy *x, char *line)
{
	static const struct {
		const char *name;
		bool (*run)(struct proxy *x, const char *a, const char *b);
	} rows[] = {
		{ "latency", cmd_latency }, { "rate", cmd_rate }, { "slice", cmd_slice }, { "reset", cmd_reset }, { "half", cmd_half },
		{ "hole", cmd_hole }, { "drop", cmd_drop }, { "clear", cmd_clear }, { "stat", cmd_stat },
	};
	char *save = NULL, *name = strtok_r(line, " \n", &save), *a = strtok_r(NULL, " \n", &save), *b = strtok_r(NULL, " \n", &save);

	for (size_t i = 0; name != NULL && i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(name, rows[i].name) == 0)
			return rows[i].run(x, a == NULL ? "" : a, b == NULL ? "" : b);
	return false;
}

/* One line and its answer; whoever says it is near and quick. */
static void control_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct proxy *x = w->data;
	char line[256], answer[200];
	int fd = accept4(x->control_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)loop, (void)revents;
	if (fd == -1)
		return;
	ssize_t n = recv(fd, line, sizeof line - 1, 0);
	line[n > 0 ? n : 0] = '\0';
	bool ok = command(x, line);
	n = snprintf(answer, sizeof answer, "%s connections=%zu resets=%" PRIu64 " drops=%" PRIu64 " dropped_ms=%" PRId64
		     " up=%" PRIu64 " down=%" PRIu64 "\n", ok ? "ok" : "error", x->n, x->n_resets, x->n_drops, x->dropped_ms, x->n_up,
		     x->n_down);
	send(fd, answer, (size_t)n, MSG_NOSIGNAL);
	close(fd);
	pump_all(x);
}

static int say(const char *where, int argc, char **argv)
{
	char line[256] = "", answer[256];
	int fd = connect_to(where);
	size_t len = 0;

	if (fd == -1) {
		fprintf(stderr, "faultproxy: %s: %s\n", where, strerror(errno));
		return 1;
	}
	for (int i = 0; i < argc; i++)
		len += (size_t)snprintf(line + len, sizeof line - len, "%s%s", argv[i], i + 1 < argc ? " " : "\n");
	fcntl(fd, F_SETFL, 0);
	ssize_t n = send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len ? recv(fd, answer, sizeof answer - 1, 0) : -1;
	close(fd);
	if (n <= 0)
		return 1;
	answer[n] = '\0';
	fputs(answer, stdout);
	return strncmp(answer, "ok", 2) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct proxy x;

	if (argc > 3 && strcmp(argv[1], "ctl") == 0)
		return say(argv[2], argc - 3, argv + 3);
	if (argc != 4) {
		fprintf(stderr, "usage: faultproxy LISTEN TARGET CONTROL | faultproxy ctl CONTROL COMMAND...\n");
		return 100;
	}
	x.loop = ev_default_loop(EVFLAG_AUTO);
	x.target = argv[2];
	x.listen_fd = listen_at(argv[1]);
	x.control_fd = listen_at(argv[3]);
	if (x.listen_fd == -1 || x.control_fd == -1) {
		fprintf(stderr, "faultproxy: %s: %s\n", x.listen_fd == -1 ? argv[1] : argv[3], strerror(errno));
		return 111;
	}
	ev_io_init(&x.accept, accept_cb, x.listen_fd, EV_READ);
	ev_io_init(&x.control, control_cb, x.control_fd, EV_READ);
	ev_timer_init(&x.resets, resets_cb, 0, 0);
	x.accept.data = x.control.data = x.resets.data = &x;
	ev_io_start(x.loop, &x.accept);
	ev_io_start(x.loop, &x.control);
	ev_run(x.loop, 0);
	return 0;
}
