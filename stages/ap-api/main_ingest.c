/*
 * main_ingest.c - posted messages go to ap-ingest, the one way into the pipeline.
 *
 * One connection; lines go out in order and answers come back in order (schema/streams.md), so the oldest message
 * without an answer owns the next line. A lost connection leaves their fate unknown, and the callers are told so.
 */
#include "main.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WAITING_MAX = 16384,            /* messages without an answer */
	OUT_MAX = 4 * 1024 * 1024,      /* bytes not written yet */
	LINE_MAX_BYTES = 4096,          /* longest answer */
};

struct owner {
	struct api_post *post;          /* NULL: forgotten */
	uint32_t msg;
	bool last;                      /* of its post */
	api_acked_fn *fn;
	void *ctx;
};

struct api_ingest {
	struct api *api;
	struct sockaddr_storage addr;
	socklen_t addrlen;
	int fd;                         /* -1: none */
	bool up;
	unsigned attempt;
	ev_io io;
	ev_timer timer;                 /* pause before the next attempt; else deadline of connect or answer */
	struct ap_buf out;
	size_t out_off;
	struct owner *ring;             /* WAITING_MAX of them */
	uint32_t head, n;
	char line[LINE_MAX_BYTES];
	size_t len;
};

static void set_events(struct api_ingest *g, int events)
{
	ev_io_stop(g->api->app.loop, &g->io);
	ev_io_set(&g->io, g->fd, events);
	ev_io_start(g->api->app.loop, &g->io);
}

static void arm(struct api_ingest *g, double after)
{
	ev_timer_stop(g->api->app.loop, &g->timer);
	if (after > 0) {
		ev_timer_set(&g->timer, after, 0.);
		ev_timer_start(g->api->app.loop, &g->timer);
	}
}

static struct owner pop(struct api_ingest *g)
{
	struct owner o = g->ring[g->head];
	g->head = (g->head + 1) % WAITING_MAX;
	g->n--;
	return o;
}

static void answered(const struct owner *o)
{
	if (o->post != NULL && o->last)
		o->fn(o->ctx);
}

static void drop(struct api_ingest *g, const char *why)
{
	double pause = ap_backoff_s(&g->api->app.conf, g->attempt++);
	if (g->up || g->attempt == 1)
		ap_log(&g->api->app.log, AP_WARN, "ingest_down", KV_S("why", why), KV_U("unanswered", g->n),
		       KV_U("next_try_ms", pause * 1000));
	ev_io_stop(g->api->app.loop, &g->io);
	close(g->fd);
	g->fd = -1;
	g->up = false;
	g->len = g->out_off = 0;
	ap_buf_clear(&g->out);
	arm(g, pause);
	while (g->n > 0) {
		struct owner o = pop(g);
		answered(&o);
	}
}

static double deadline_s(const struct api_ingest *g)
{
	return (double)g->api->app.conf.runtime_command_ms / 1000;
}

static void write_out(struct api_ingest *g)
{
	while (g->out_off < g->out.len) {
		ssize_t w = send(g->fd, g->out.p + g->out_off, g->out.len - g->out_off, MSG_NOSIGNAL);
		if (w == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (w == -1) {
			drop(g, strerror(errno));
			return;
		}
		g->out_off += (size_t)w;
	}
	if (g->out_off == g->out.len) {
		ap_buf_clear(&g->out);
		g->out_off = 0;
	}
	set_events(g, EV_READ | (g->out.len > 0 ? EV_WRITE : 0));
}

static bool take_line(struct api_ingest *g, ap_str line)
{
	struct api_msg scrap = { 0 };
	if (g->n == 0)
		return false;
	struct owner o = pop(g);
	struct api_msg *m = o.post == NULL ? &scrap : &o.post->msg[o.msg];
	if (!api_post_ack(m, line, g->api->toks, AP_JSON_TOKS))
		return false;
	if (o.post != NULL && m->state == API_MSG_REFUSED)
		o.post->pending--;
	answered(&o);
	return true;
}

static void read_in(struct api_ingest *g)
{
	ssize_t r = recv(g->fd, g->line + g->len, sizeof g->line - g->len, 0);
	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		drop(g, r == 0 ? "closed" : strerror(errno));
		return;
	}
	g->len += (size_t)r;
	size_t from = 0;
	char *nl;
	while ((nl = memchr(g->line + from, '\n', g->len - from)) != NULL) {
		size_t n = (size_t)(nl - g->line) - from;
		if (!take_line(g, ap_str_n(g->line + from, n))) {
			drop(g, "unexpected_answer");
			return;
		}
		from += n + 1;
	}
	memmove(g->line, g->line + from, g->len - from);
	g->len -= from;
	if (g->len == sizeof g->line)
		drop(g, "answer_too_long");
	else
		arm(g, g->n > 0 ? deadline_s(g) : 0);
}

static void connected(struct api_ingest *g)
{
	int err = 0;
	socklen_t len = sizeof err;
	if (getsockopt(g->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1 || err != 0) {
		drop(g, strerror(err));
		return;
	}
	g->up = true;
	g->attempt = 0;
	arm(g, 0);
	set_events(g, EV_READ);
	ap_log(&g->api->app.log, AP_INFO, "ingest_up", KV_S("addr", g->api->app.conf.api_ingest));
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
	struct api_ingest *g = w->data;
	(void)loop;
	if (!g->up) {
		connected(g);
		return;
	}
	if (events & EV_READ)
		read_in(g);
	if (g->up && (events & EV_WRITE))
		write_out(g);
}

static void connect_now(struct api_ingest *g)
{
	int one = 1;
	unsigned ut = (unsigned)g->api->app.conf.runtime_command_ms;
	g->fd = socket(g->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->fd == -1) {
		arm(g, ap_backoff_s(&g->api->app.conf, g->attempt++));
		return;
	}
	setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(g->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(g->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ut, sizeof ut);
	if (connect(g->fd, (const struct sockaddr *)&g->addr, g->addrlen) == -1 && errno != EINPROGRESS) {
		drop(g, strerror(errno));
		return;
	}
	arm(g, (double)g->api->app.conf.runtime_connect_ms / 1000);
	set_events(g, EV_WRITE);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct api_ingest *g = w->data;
	(void)loop;
	(void)events;
	if (g->fd == -1)
		connect_now(g);
	else
		drop(g, g->up ? "answer_timeout" : "connect_timeout");
}

bool api_ingest_start(struct api *a, char *err, size_t errlen)
{
	struct api_ingest *g = calloc(1, sizeof *g);
	if (g != NULL)
		g->ring = calloc(WAITING_MAX, sizeof *g->ring);
	if (g == NULL || g->ring == NULL) {
		free(g);
		snprintf(err, errlen, "out of memory");
		return false;
	}
	a->ingest = g;
	g->api = a;
	g->fd = -1;
	ap_buf_init(&g->out, OUT_MAX);
	ev_init(&g->io, on_io);
	ev_init(&g->timer, on_timer);
	g->io.data = g->timer.data = g;
	if (!api_addr_parse(a->app.conf.api_ingest, &g->addr, &g->addrlen)) {
		snprintf(err, errlen, "api.ingest: \"%s\" is not a numeric host:port", a->app.conf.api_ingest);
		return false;
	}
	connect_now(g);
	return true;
}

void api_ingest_stop(struct api *a)
{
	struct api_ingest *g = a->ingest;
	if (g == NULL)
		return;
	ev_io_stop(a->app.loop, &g->io);
	ev_timer_stop(a->app.loop, &g->timer);
	if (g->fd != -1)
		close(g->fd);
	ap_buf_done(&g->out);
	free(g->ring);
	free(g);
	a->ingest = NULL;
}

bool api_ingest_send(struct api *a, struct api_post *post, api_acked_fn *fn, void *ctx)
{
	struct api_ingest *g = a->ingest;
	if (!g->up || post->n > WAITING_MAX - g->n || g->out.len + post->lines.len > OUT_MAX)
		return false;
	if (g->n == 0)
		arm(g, deadline_s(g));
	ap_buf_str(&g->out, ap_buf_view(&post->lines));
	for (uint32_t i = 0; i < post->n; i++)
		g->ring[(g->head + g->n++) % WAITING_MAX] = (struct owner){ post, i, i + 1 == post->n, fn, ctx };
	set_events(g, EV_READ | EV_WRITE);
	a->counts.posted_messages_total += post->n;
	return true;
}

void api_ingest_forget(struct api *a, const struct api_post *post)
{
	struct api_ingest *g = a->ingest;
	for (uint32_t i = 0; g != NULL && i < g->n; i++)
		if (g->ring[(g->head + i) % WAITING_MAX].post == post)
			g->ring[(g->head + i) % WAITING_MAX].post = NULL;
}
