/*
 * main_ws.c - the clients of /ws/streaming: framing by wslay, everything else here.
 *
 * Updates are composed once and shared; each client has its own bounded queue, in which unsent forming candles and
 * values are conflated to the newest. What gathered in one turn of the loop leaves in as few writes as possible. A
 * client that falls behind its bound is closed with 1013, one that breaks the rules with 1008.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wslay/wslay.h>
#include <xxhash.h>

#include "../../common/core/recjson.h"
#include "member.h"
#include "outq.h"

enum {
	IN_MAX = 64 * 1024,             /* bytes of one message from a client */
	FRAGMENTS_MAX = 16,
	OBUF = 16 * 1024,               /* gathered before one write */
	WSLAY_AHEAD = 32 * 1024,        /* bytes handed to wslay ahead of the socket */
	PING_S = 20, SILENT_S = 65,     /* no frame at all for this long: gone */
	CLOSE_S = 3,                    /* for the closing handshake */
	HEARTBEAT_S = 5, UPDATE_S = 1,
	SNAPSHOT = 300,                 /* candles of a snapshot */
	BAD_MAX = 16,                   /* senseless messages before it is closed */
	FRAMES_MAX = 200,               /* frames a client may send in a second */
	TODO_MAX = 512,                 /* snapshots a client may be owed */
	STUCK_MAX = 2000,               /* messages in wslay (pongs too) that the socket does not take */
	SEND_MAX = 8 * 1024 * 1024,     /* bytes of one message to a client */
	STOP_MS = 300,
};
enum { CLOSE_TYPE = 1003, CLOSE_POLICY = 1008, CLOSE_LATER = 1013, CLOSE_GOING = 1001 };

struct client {
	struct api *api;
	uint64_t id;
	int fd;
	struct MHD_UpgradeResponseHandle *urh;
	wslay_event_context_ptr ws;
	ev_io io;
	struct api_subs subs;
	struct api_outq q;
	struct api_sub *todo;           /* snapshots still to be sent, one at a time; owned */
	uint32_t todo_n, todo_at;
	bool loading;                   /* one is being put together */
	char *extra;                    /* bytes read before the upgrade; owned */
	size_t extra_len, extra_off;
	uint8_t obuf[OBUF];
	size_t olen, ooff;
	int64_t heard_ns, closing_ns;   /* closing_ns 0: not closing */
	unsigned bad, fragments, frames;
	bool dirty, dead;
	bool draining;                  /* wslay reads no more: what still comes is thrown away until the peer closes */
	bool said;                      /* the closing frame is out */
	struct client *next, **link;    /* link: what points at this client */
};

struct api_ws {
	struct client *clients;
	uint32_t n;
	uint64_t next_id;
	unsigned seconds;
	struct ap_buf text;             /* workspace for bodies */
	struct ap_buf frame;            /* workspace for whole messages */
};

/* --- bodies */

static struct ap_buf *begin(struct api *a, const char *type)
{
	struct ap_buf *b = &a->ws->text;
	ap_buf_clear(b);
	ap_buf_printf(b, "\"type\":\"%s\",", type);
	api_json_now(b, ap_now().ns);
	return b;
}

/* What is sent about a series: its names, and the key of what follows, called as the message is. */
static struct ap_buf *begin_about(struct api *a, const char *type, const struct api_series *s, const char *tf)
{
	struct ap_buf *b = begin(a, type);
	ap_buf_putc(b, ',');
	api_put_names(b, s->symbol, s->source, tf);
	ap_buf_printf(b, ",\"%s\":", type);
	return b;
}

/* From here on nothing but the closing handshake is sent. */
static void begin_end(struct client *c)
{
	c->closing_ns = ap_mono_ns();
	c->dirty = true;
	api_outq_clear(&c->q);
}

static void end_client(struct client *c, unsigned code, const char *why)
{
	if (c->closing_ns != 0)
		return;
	begin_end(c);
	wslay_event_queue_close(c->ws, (uint16_t)code, (const uint8_t *)why, strlen(why));
}

static void violates(struct client *c, const char *why)
{
	if (c->closing_ns == 0)
		c->api->counts.ws_violations_total++;
	end_client(c, CLOSE_POLICY, why);
}

static void put(struct client *c, struct api_body *body, uint64_t key)
{
	if (c->closing_ns != 0)
		return;
	c->dirty = true;
	if (api_outq_put(&c->q, body, key))
		return;
	c->api->counts.ws_slow_total++;
	end_client(c, CLOSE_LATER, "too slow: what waits for you is over the bound");
}

/* The workspace's text to one client. */
static void put_text(struct client *c, const struct ap_buf *b)
{
	struct api_body *body = b->full ? NULL : api_body_new(ap_buf_view(b));
	if (body == NULL)
		return;
	put(c, body, 0);
	api_body_unref(body);
}

/* The same for what the client asked for, which may be longer than its bound. */
static void put_asked(struct client *c, const struct ap_buf *b)
{
	struct api_body *body = b->full ? NULL : api_body_new(ap_buf_view(b));
	if (body == NULL)
		return;
	if (c->closing_ns == 0) {
		c->dirty = true;
		c->dead |= !api_outq_put_asked(&c->q, body);
	}
	api_body_unref(body);
}

static void put_all(struct api *a, const struct ap_buf *b, uint64_t key)
{
	struct api_body *body = b->full ? NULL : api_body_new(ap_buf_view(b));
	if (body == NULL)
		return;
	for (struct client *c = a->ws->clients; c != NULL; c = c->next)
		put(c, body, key);
	api_body_unref(body);
}

static bool wanted(const struct api *a, const struct api_series *s, const char *tf)
{
	for (const struct client *c = a->ws->clients; c != NULL; c = c->next)
		if (c->closing_ns == 0 && api_subs_match(&c->subs, ap_str_c(s->source), ap_str_c(s->symbol), ap_str_c(tf)))
			return true;
	return false;
}

static void put_matching(struct api *a, const struct api_series *s, const char *tf, uint64_t key)
{
	const struct ap_buf *b = &a->ws->text;
	struct api_body *body = b->full ? NULL : api_body_new(ap_buf_view(b));
	if (body == NULL)
		return;
	for (struct client *c = a->ws->clients; c != NULL; c = c->next)
		if (api_subs_match(&c->subs, ap_str_c(s->source), ap_str_c(s->symbol), ap_str_c(tf)))
			put(c, body, key);
	api_body_unref(body);
}

/* What a newer message may replace: the same kind of message about the same interval of the same series. */
static uint64_t key_of(const struct api_tf *t, int64_t open_ms, uint64_t kind)
{
	const uint64_t id[3] = { (uint64_t)(uintptr_t)t, (uint64_t)open_ms, kind };
	return XXH64(id, sizeof id, 0) | 1;
}

void api_ws_candle(struct api *a, const struct api_series *s, const struct api_tf *t, const struct ap_candle *c)
{
	if (!wanted(a, s, t->tf))
		return;
	struct ap_buf *b = begin_about(a, "candle", s, t->tf);
	api_json_candle(b, c);
	put_matching(a, s, t->tf, c->state == AP_FORMING ? key_of(t, c->open_ms, 1) : 0);
}

void api_ws_quotebar(struct api *a, const struct api_series *s, const struct api_tf *t, const struct ap_quotebar *q)
{
	if (!wanted(a, s, t->tf))
		return;
	struct ap_buf *b = begin_about(a, "quote_bar", s, t->tf);
	api_json_quotebar(b, q);
	put_matching(a, s, t->tf, q->state == AP_FORMING ? key_of(t, q->open_ms, 3) : 0);
}

void api_ws_vals(struct api *a, const struct api_series *s, const struct api_tf *t, int64_t open_ms)
{
	const struct api_bar *bar = api_ring_find(&t->ring, open_ms);
	if (bar == NULL || bar->vals == NULL || !wanted(a, s, t->tf))
		return;
	struct ap_buf *b = begin_about(a, "indicator", s, t->tf);
	api_json_vals(b, &a->model.names, open_ms, bar->vals);
	put_matching(a, s, t->tf, bar->vals->provisional ? key_of(t, open_ms, 2) : 0);
}

void api_ws_signal(struct api *a, const struct api_series *s, const struct api_signal *g)
{
	char tf[AP_TF_MAX + 1] = "";
	memcpy(tf, g->s.tf.p, g->s.tf.len);
	if (s == NULL || !wanted(a, s, tf))
		return;
	struct ap_buf *b = begin_about(a, "signal", s, tf);
	api_json_signal(b, g);
	put_matching(a, s, tf, g->s.provisional ? XXH64(g->name, strlen(g->name), key_of(NULL, g->s.open_ms, (uint64_t)(uintptr_t)g->s.tf.p)) | 1 : 0);
}

/* --- snapshots */

struct snapshot {
	struct api *api;
	uint64_t client;
	struct api_sub sub;
};

static struct client *client_by_id(const struct api *a, uint64_t id)
{
	struct client *c = a->ws == NULL ? NULL : a->ws->clients;
	while (c != NULL && c->id != id)
		c = c->next;
	return c;
}

static void on_snapshot(void *ctx, const struct api_history *h)
{
	struct snapshot *n = ctx;
	struct client *c = client_by_id(n->api, n->client);
	if (c != NULL) {
		struct ap_buf *b = begin(n->api, "snapshot");
		ap_buf_putc(b, ',');
		if (h->series != NULL) {
			api_answer_series(b, &n->api->model.names, h->series, h->tf, h->ring, SNAPSHOT);
		} else {
			api_put_text(b, "symbol", n->sub.symbol);
			ap_buf_puts(b, ",\"source\":null,");
			api_put_text(b, "timeframe", n->sub.timeframe);
			ap_buf_puts(b, ",\"candles\":[],\"indicators\":[],\"signals\":[],");
			api_put_text(b, "reason", h->reason);
		}
		c->loading = false;
		put_asked(c, b);
	}
	free(n);
}

static void send_snapshot(struct client *c, const struct api_sub *sub)
{
	struct snapshot *n = malloc(sizeof *n);
	if (n == NULL)
		return;
	*n = (struct snapshot){ c->api, c->id, *sub };
	c->loading = true;
	api_history_get(c->api, ap_str_c(n->sub.source), ap_str_c(n->sub.symbol), ap_str_c(n->sub.timeframe), SNAPSHOT, on_snapshot, n);
}

static void plan_snapshot(struct client *c, const struct api_sub *sub)
{
	if (c->todo_at == c->todo_n)
		c->todo_at = c->todo_n = 0;
	if (c->todo_n == TODO_MAX || (c->todo == NULL && (c->todo = calloc(TODO_MAX, sizeof *c->todo)) == NULL))
		return;
	c->todo[c->todo_n++] = *sub;
	c->dirty = true;
}

/* A subscription without a timeframe gets a snapshot of each that the series has. */
static void plan_snapshots(struct client *c, const struct api_sub *sub)
{
	if (sub->symbol[0] == '\0')
		return;
	if (sub->timeframe[0] != '\0') {
		plan_snapshot(c, sub);
		return;
	}
	const struct api_series *s = api_model_find(&c->api->model, ap_str_c(sub->source), ap_str_c(sub->symbol));
	for (unsigned i = 0; s != NULL && i < s->ntf; i++) {
		struct api_sub one = *sub;
		memcpy(one.timeframe, s->tf[i]->tf, sizeof one.timeframe);
		plan_snapshot(c, &one);
	}
}

/* The next one, when the one before it is on its way. */
static void next_snapshot(struct client *c)
{
	if (!c->loading && c->todo_at < c->todo_n && c->closing_ns == 0 && c->q.asked == 0)
		send_snapshot(c, &c->todo[c->todo_at++]);
}

/* What a client sees first: which series there are, and how the pipeline does. */
static void send_welcome(struct client *c)
{
	struct api_facts f;
	api_facts_now(c->api, &f);
	struct ap_buf *b = begin(c->api, "snapshot"), list;
	ap_buf_init(&list, SEND_MAX);
	api_answer_list(&list, &c->api->model, &f);
	ap_buf_printf(b, ",\"version\":\"" AP_VERSION "\",\"subscription\":null,");
	api_json_pipeline(b, &c->api->pipe, &f);
	ap_buf_puts(b, ",\"list\":");
	ap_buf_str(b, ap_buf_view(&list));
	ap_buf_done(&list);
	put_asked(c, b);
}

/* --- what clients say */

static void reply(struct client *c, const char *type, const struct api_request *r, const char *reason)
{
	struct ap_buf *b = begin(c->api, type);
	if (r->id[0] != '\0')
		ap_buf_printf(b, ",\"id\":%s", r->id);
	if (reason != NULL) {
		ap_buf_puts(b, ",\"error\":\"bad_request\",\"reason\":");
		ap_json_string(b, ap_str_c(reason));
	} else {
		ap_buf_printf(b, ",\"subscriptions\":%u", c->subs.n);
	}
	put_text(c, b);
}

static void subscribe(struct client *c, const struct api_request *r)
{
	bool full = false;
	for (uint32_t i = 0; i < r->nsub && !full; i++)
		if (api_subs_add(&c->subs, &r->sub[i], &full))
			plan_snapshots(c, &r->sub[i]);
	reply(c, full ? "error" : "subscribed", r, full ? "256 subscriptions are the most a client may have" : NULL);
}

static void on_message(struct client *c, ap_str text)
{
	struct api_request r;
	api_request_parse(&r, text, c->api->toks, AP_JSON_TOKS);
	switch (r.action) {
	case API_A_SUBSCRIBE:
		subscribe(c, &r);
		break;
	case API_A_UNSUBSCRIBE:
		for (uint32_t i = 0; i < r.nsub; i++)
			api_subs_remove(&c->subs, &r.sub[i]);
		reply(c, "unsubscribed", &r, NULL);
		break;
	case API_A_PING:
		reply(c, "pong", &r, NULL);
		break;
	case API_A_BAD:
		reply(c, "error", &r, r.err);
		if (++c->bad > BAD_MAX)
			violates(c, "too many senseless messages");
		break;
	}
	free(r.sub);
}

/* --- wslay */

static ssize_t cb_recv(wslay_event_context_ptr ws, uint8_t *buf, size_t len, int flags, void *user)
{
	struct client *c = user;
	(void)flags;
	if (c->extra_off < c->extra_len) {
		size_t n = c->extra_len - c->extra_off < len ? c->extra_len - c->extra_off : len;
		memcpy(buf, c->extra + c->extra_off, n);
		c->extra_off += n;
		return (ssize_t)n;
	}
	ssize_t r = recv(c->fd, buf, len, 0);
	if (r > 0)
		return r;
	bool again = r == -1 && (errno == EAGAIN || errno == EINTR);
	wslay_event_set_error(ws, again ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* Writes what gathered. False: the socket takes no more now, or is broken (dead is set). */
static bool write_out(struct client *c)
{
	while (c->ooff < c->olen) {
		ssize_t w = send(c->fd, c->obuf + c->ooff, c->olen - c->ooff, MSG_NOSIGNAL);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1) {
			c->dead |= errno != EAGAIN;
			return false;
		}
		c->ooff += (size_t)w;
	}
	c->olen = c->ooff = 0;
	return true;
}

static ssize_t cb_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags, void *user)
{
	struct client *c = user;
	(void)flags;
	if (c->olen == OBUF && !write_out(c)) {
		wslay_event_set_error(ws, c->dead ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	size_t n = OBUF - c->olen < len ? OBUF - c->olen : len;
	memcpy(c->obuf + c->olen, data, n);
	c->olen += n;
	return (ssize_t)n;
}

static void cb_frame(wslay_event_context_ptr ws, const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
	struct client *c = user;
	(void)ws;
	c->heard_ns = ap_mono_ns();
	if (arg->opcode == WSLAY_TEXT_FRAME || arg->opcode == WSLAY_BINARY_FRAME)
		c->fragments = 0;
	if (!wslay_is_ctrl_frame(arg->opcode) && ++c->fragments > FRAGMENTS_MAX)
		violates(c, "too many fragments");
	if (++c->frames > FRAMES_MAX)
		violates(c, "too many frames in a second");
}

static void cb_msg(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
	struct client *c = user;
	(void)ws;
	if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
		if (c->closing_ns == 0)
			begin_end(c);
		return;
	}
	if (c->closing_ns != 0 || wslay_is_ctrl_frame(arg->opcode))
		return;
	if (arg->opcode == WSLAY_BINARY_FRAME)
		end_client(c, CLOSE_TYPE, "text messages are expected");
	else
		on_message(c, ap_str_n((const char *)arg->msg, arg->msg_length));
}

/* --- clients */

static void remove_client(struct client *c)
{
	struct api_ws *w = c->api->ws;
	ev_io_stop(c->api->app.loop, &c->io);
	if (c->next != NULL)
		c->next->link = c->link;
	*c->link = c->next;
	w->n--;
	c->api->counts.ws_clients = w->n;
	c->api->counts.ws_conflated_total += (double)c->q.conflated;
	wslay_event_context_free(c->ws);
	MHD_upgrade_action(c->urh, MHD_UPGRADE_ACTION_CLOSE);
	api_http_wake(c->api);
	api_subs_done(&c->subs);
	api_outq_done(&c->q);
	free(c->extra);
	free(c->todo);
	free(c);
}

/*
 * Closing a socket with unread bytes makes the kernel reset it, and the peer may never see our closing frame: so after
 * the frame our side is shut, and the peer's bytes are read until it closes too (or CLOSE_S is over).
 */
static bool finished(struct client *c)
{
	if (!c->said && wslay_event_get_close_sent(c->ws) && c->olen == 0) {
		c->said = true;
		shutdown(c->fd, SHUT_WR);
	}
	return c->dead || (c->said && wslay_event_get_close_received(c->ws));
}

static void drain(struct client *c)
{
	char scrap[4096];
	ssize_t r;
	do
		r = recv(c->fd, scrap, sizeof scrap, 0);
	while (r > 0);
	c->dead |= r == 0 || (errno != EAGAIN && errno != EINTR);
}

static void read_in(struct client *c)
{
	if (!c->draining && (wslay_event_recv(c->ws) != 0 || !wslay_event_get_read_enabled(c->ws))) {
		c->draining = true;
		if (c->closing_ns == 0)
			begin_end(c);
	}
	if (c->draining)
		drain(c);
}

/* From the queue through wslay into the socket, as far as it goes. */
static void pump(struct client *c)
{
	struct api_item item;
	struct ap_buf *f = &c->api->ws->frame;
	bool more = true;
	while (more && !c->dead) {
		next_snapshot(c);
		while (c->closing_ns == 0 && wslay_event_get_queued_msg_length(c->ws) < WSLAY_AHEAD && api_outq_take(&c->q, &item)) {
			ap_buf_clear(f);
			api_item_text(&item, f);
			api_body_unref(item.body);
			const struct wslay_event_msg msg = { WSLAY_TEXT_FRAME, f->p, f->len };
			c->dead |= f->full || wslay_event_queue_msg(c->ws, &msg) != 0;
			c->api->counts.ws_messages_total++;
		}
		c->dead |= wslay_event_send(c->ws) != 0;
		bool flowed = write_out(c);
		bool next = c->q.n > 0 || (!c->loading && c->todo_at < c->todo_n);
		more = flowed && (wslay_event_want_write(c->ws) || (c->closing_ns == 0 && next));
	}
	more = c->olen > 0 || wslay_event_want_write(c->ws);
	ev_io_stop(c->api->app.loop, &c->io);
	ev_io_set(&c->io, c->fd, EV_READ | (more ? EV_WRITE : 0));
	ev_io_start(c->api->app.loop, &c->io);
	c->dirty = false;
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct client *c = io->data;
	(void)loop;
	if (events & EV_READ)
		read_in(c);
	pump(c);
	if (finished(c))
		remove_client(c);
}

void api_ws_adopt(struct api *a, int fd, struct MHD_UpgradeResponseHandle *urh, const char *extra, size_t extra_len)
{
	static const struct wslay_event_callbacks cb = {
		.recv_callback = cb_recv, .send_callback = cb_send, .on_frame_recv_start_callback = cb_frame,
		.on_msg_recv_callback = cb_msg,
	};
	int off = 0, on = 1;
	struct client *c = calloc(1, sizeof *c);
	if (c == NULL || wslay_event_context_server_init(&c->ws, &cb, c) != 0) {
		free(c);
		MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
		return;
	}
	/* The library leaves the socket corked: every message would wait 40 ms for company. */
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	wslay_event_config_set_max_recv_msg_length(c->ws, IN_MAX);
	c->api = a;
	c->id = ++a->ws->next_id;
	c->fd = fd;
	c->urh = urh;
	c->heard_ns = ap_mono_ns();
	api_outq_init(&c->q, a->app.conf.api_client_buffer);
	if (extra_len > 0 && (c->extra = malloc(extra_len)) != NULL) {
		memcpy(c->extra, extra, extra_len);
		c->extra_len = extra_len;
	}
	ev_io_init(&c->io, on_io, fd, EV_READ);
	c->io.data = c;
	ev_io_start(a->app.loop, &c->io);
	c->next = a->ws->clients;
	if (c->next != NULL)
		c->next->link = &c->next;
	c->link = &a->ws->clients;
	a->ws->clients = c;
	a->counts.ws_clients = ++a->ws->n;
	send_welcome(c);
	if (c->extra_len > 0)
		read_in(c);
}

void api_ws_flush(struct api *a)
{
	for (struct client *c = a->ws->clients, *next; c != NULL; c = next) {
		next = c->next;  /* NOLINT(clang-analyzer-unix.Malloc): taken before c goes, and c unlinks itself */
		if (c->dirty)
			pump(c);
		if (finished(c))
			remove_client(c);
	}
}

static void check_client(struct client *c, int64_t now, bool ping)
{
	int64_t second = 1000000000;
	c->frames = 0;
	if (wslay_event_get_queued_msg_count(c->ws) > STUCK_MAX)
		c->dead = true;
	if ((c->closing_ns != 0 && now - c->closing_ns > CLOSE_S * second) || now - c->heard_ns > SILENT_S * second)
		c->dead = true;
	else if (ping && c->closing_ns == 0) {
		const struct wslay_event_msg msg = { WSLAY_PING, NULL, 0 };
		wslay_event_queue_msg(c->ws, &msg);
		c->dirty = true;
	}
}

void api_ws_second(struct api *a)
{
	struct api_ws *w = a->ws;
	int64_t now = ap_mono_ns();
	w->seconds++;
	for (struct client *c = w->clients; c != NULL; c = c->next)
		check_client(c, now, w->seconds % PING_S == 0);
	if (w->clients == NULL)
		return;
	struct api_facts f;
	api_facts_now(a, &f);
	if (w->seconds % UPDATE_S == 0) {
		struct ap_buf *b = begin(a, "streaming_update");
		ap_buf_putc(b, ',');
		api_json_pipeline(b, &a->pipe, &f);
		put_all(a, b, 2);
	}
	if (w->seconds % HEARTBEAT_S == 0)
		put_all(a, begin(a, "heartbeat"), 4);
}

uint32_t api_ws_clients(const struct api *a)
{
	return a->ws == NULL ? 0 : a->ws->n;
}

bool api_ws_start(struct api *a)
{
	a->ws = calloc(1, sizeof *a->ws);
	if (a->ws == NULL)
		return false;
	ap_buf_init(&a->ws->text, SEND_MAX);
	ap_buf_init(&a->ws->frame, SEND_MAX + 256);
	return true;
}

void api_ws_stop(struct api *a)
{
	if (a->ws == NULL)
		return;
	for (struct client *c = a->ws->clients; c != NULL; c = c->next)
		end_client(c, CLOSE_GOING, "ap-api is stopping");
	int64_t end = ap_mono_ns() + STOP_MS * (int64_t)1000000;
	while (a->ws->clients != NULL && ap_mono_ns() < end) {
		api_ws_flush(a);
		ev_run(a->app.loop, EVRUN_NOWAIT);
		usleep(5000);
	}
	for (struct client *c = a->ws->clients, *next; c != NULL; c = next) {
		next = c->next;  /* NOLINT(clang-analyzer-unix.Malloc): taken before c goes, and c unlinks itself */
		remove_client(c);
	}
	ap_buf_done(&a->ws->text);
	ap_buf_done(&a->ws->frame);
	free(a->ws);
	a->ws = NULL;
}
