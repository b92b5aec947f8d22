/*
 * main_feed.c - live sources: sockets, standard input, the simulator, and the beats by which time moves downstream.
 *
 * The one place of the pipeline where a clock becomes data: receive times, and once a second a beat for each source.
 * A push source counts as alive while its listener is there and it is being read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/journal.h"
#include "common/core/part.h"
#include "common/core/steady.h"
#include "conflate.h"
#include "main.h"
#include "sim.h"

enum {
	SOURCES_MAX = 256,              /* that get beats */
	SIM_TURN = 20000,               /* trades of one turn of the loop */
	STOP_S = 5,                     /* longest wait for Redis when ending */
	PRESENT_S = 300,                /* a quote older than this is of the past */
	PATIENCE_S = 5,                 /* and when starting, before the supervisor is told that it is up and waits */
};
static const double SIM_STEP_S = 0.02;

/* A source that is, or has been, heard of. */
struct source {
	char name[AP_SOURCE_MAX];
	size_t len;
	int64_t beat_mono_ns;           /* of its last beat; 0: none */
	int64_t beat_wall_ms;
	bool gap;                       /* it was not read for a while since */
};

struct listener {
	struct feed *feed;
	enum source_kind kind;
	ev_io io;
	int fd;
};

struct feed {
	struct ap_app *app;
	struct outlet *out;
	struct tend *tend;
	struct conns *conns;
	struct ap_metrics *metrics;
	struct ap_redis *metric;        /* where they go */
	struct ap_steady clock;
	struct ap_venue *venue;
	const struct ap_format *trade;
	struct history *history;        /* the simulated market's past, while it is being sent */
	struct ap_sim *sim;
	uint64_t sim_quote_pct;         /* hundredths of its next quote */
	struct listener tcp, ack;
	ev_periodic beat;
	ev_timer sim_step, stop_limit, patience;
	ev_check stop_look;
	struct source source[SOURCES_MAX];
	size_t sources;
	bool from_stdin, stopping, ended;
	bool ready;                     /* it has listeners */
	bool told;                      /* the supervisor knows that it has come as far as it can */
	bool busy;                      /* an address was taken: worth trying again */
	int code;                       /* to leave with */
	struct ap_conflate *quotes;     /* NULL: none are conflated */
	bool conflating;                /* said so */
	uint64_t taken[SRC_KINDS], bad, refused, beats;
};

struct outlet *feed_outlet(struct feed *f)
{
	return f->out;
}

ap_ts feed_now(struct feed *f)
{
	uint64_t steps = f->clock.steps;
	ap_ts wall = ap_now(), now = { ap_steady_ns(&f->clock, wall.ns, ap_mono_ns()) };

	if (f->clock.steps != steps)
		ap_log(&f->app->log, AP_WARN, "clock_stepped", KV_S("why", "it_has_lasted"), KV_S("next", "believe_it"));
	return now;
}

/* --- sources and beats ---------------------------------------------------------------------------- */

static void source_seen(struct feed *f, ap_str name)
{
	struct source *s;

	for (size_t i = 0; i < f->sources; i++)
		if (ap_str_eq(ap_str_n(f->source[i].name, f->source[i].len), name))
			return;
	if (f->sources == SOURCES_MAX || name.len == 0)
		return;
	s = &f->source[f->sources++];
	memcpy(s->name, name.p, name.len);
	s->len = name.len;
	s->beat_mono_ns = 0;
	ap_log(&f->app->log, AP_INFO, f->sources == SOURCES_MAX ? "source_seen_the_last_with_beats" : "source_seen", KV_T("source", name));
}

/*
 * How long the beat vouches for. Counted in the milliseconds that beats are told in, so that one beat's cover ends where the next
 * one's begins; by the clock that never steps where the wall clock has stepped.
 */
static int64_t covered_ms(const struct source *s, ap_ts now, int64_t mono_ns)
{
	int64_t mono_ms = (mono_ns - s->beat_mono_ns) / 1000000, wall_ms = ap_ts_ms(now) - s->beat_wall_ms;

	return wall_ms > mono_ms - 500 && wall_ms < mono_ms + 500 ? wall_ms : mono_ms;
}

/*
 * One beat of one source, into every partition. While sources are held nothing is known of what they would have sent; while the
 * disk has no room not even that is told.
 */
static void beat_source(struct feed *f, struct source *s, ap_ts now, int64_t mono_ns, bool held)
{
	struct ap_rec r = { .kind = AP_BEAT };
	int64_t covers = s->beat_mono_ns == 0 || s->gap || held ? 0 : covered_ms(s, now, mono_ns);

	r.u.beat = (struct ap_beat){ .source = ap_str_n(s->name, s->len), .ts = now, .live = true, .alive = !held,
				     .covers_ms = covers > UINT32_MAX ? UINT32_MAX : (uint32_t)covers };
	if (!outlet_takes(f->out) || !outlet_put(f->out, OUT_ALL, &r, ap_ts_ms(now), 0)) {
		s->gap = true;
		return;
	}
	s->beat_mono_ns = mono_ns;
	s->beat_wall_ms = ap_ts_ms(now);
	s->gap = held;
	f->beats++;
}

static void put_raw(struct feed *f, const struct ap_raw *raw, int64_t t_ms, uint64_t ticket)
{
	struct ap_rec r = { .kind = AP_RAW, .u.raw = *raw };

	outlet_put(f->out, (int)ap_part(raw->source, raw->symbol, (unsigned)f->app->conf.data_partitions), &r, t_ms, ticket);
}

/* The next trade, and of every hundred so many with a quote before them. */
static void sim_one(struct feed *f)
{
	char text[AP_SIM_TEXT];
	struct ap_quote q;
	struct ap_trade t;
	struct ap_rec r;

	f->sim_quote_pct += f->app->conf.ingest_sim_quote_pct;
	if (f->sim_quote_pct >= 100) {
		f->sim_quote_pct -= 100;
		ap_sim_quote(f->sim, &q);
		ap_sim_quote_raw(&q, text, &r);
		put_raw(f, &r.u.raw, ap_ts_ms(q.ts), 0);
		f->taken[SRC_SIM]++;
	}
	ap_sim_next(f->sim, &t);
	ap_sim_raw(&t, text, &r);
	put_raw(f, &r.u.raw, ap_ts_ms(t.ts), 0);
	f->taken[SRC_SIM]++;
}

/* Sends trades that have happened by now, as many as one turn takes. How far it is behind after that, ns: its time has come no further. */
static int64_t sim_catch_up(struct feed *f, ap_ts now)
{
	int64_t when_ns;

	if (f->sim == NULL)
		return 0;
	for (int i = 0; i < SIM_TURN && !outlet_held(f->out) && ap_sim_when(f->sim).ns <= now.ns; i++)
		sim_one(f);
	when_ns = ap_sim_when(f->sim).ns;
	return when_ns < now.ns && !outlet_held(f->out) ? now.ns - when_ns : 0;
}

/* What waits goes out, as long as the disk takes it. */
void feed_settle(struct feed *f)
{
	struct ap_conflated q;

	if (f->quotes == NULL)
		return;
	while (outlet_takes(f->out) && ap_conflate_take(f->quotes, &q))
		put_raw(f, &(struct ap_raw){ .source = q.source, .symbol = q.symbol, .format = ap_str_c("trade"), .payload = q.msg, .recv = q.recv },
			ap_ts_ms(q.ts), 0);
	if (!f->conflating || outlet_pressed(f->out))
		return;
	f->conflating = false;
	ap_log(&f->app->log, AP_INFO, "quotes_go_through", KV_U("conflated", ap_conflate_dropped(f->quotes)));
}

/*
 * Under pressure a quote waits for a newer one of its series, until the next beat at most. Not one that somebody wants an answer for, and
 * not one of the past: that is a load of history, whose sender can wait. True: it is taken care of.
 */
static bool quote_waits(struct feed *f, const struct ap_route *to, ap_str msg, ap_ts now, uint64_t ticket)
{
	struct ap_conflated q = { ap_series_source(&to->to), ap_series_symbol(&to->to), msg, to->ts, now };

	if (f->quotes == NULL || to->what != AP_VENUE_QUOTES || ticket != 0 || to->to.source_len == 0 || now.ns - to->ts.ns > PRESENT_S * INT64_C(1000000000))
		return false;
	if (!outlet_pressed(f->out)) {
		if (ap_conflate_waiting(f->quotes) > 0)
			feed_settle(f);
		return false;
	}
	if (!ap_conflate_put(f->quotes, &q))
		return false;
	if (!f->conflating)
		ap_log(&f->app->log, AP_WARN, "quotes_conflated", KV_S("why", "half_way_to_holding_sources"), KV_S("next", "newest_of_each_series_once_a_second"));
	f->conflating = true;
	return true;
}

static void beat_cb(struct ev_loop *loop, ev_periodic *w, int revents)
{
	struct feed *f = w->data;
	int64_t mono_ns = ap_mono_ns();
	bool held = outlet_held(f->out);
	ap_ts now = feed_now(f);

	(void)loop, (void)revents;
	feed_settle(f);         /* a beat vouches for what was before it */
	for (size_t i = 0; i < f->sources; i++) {
		int64_t behind_ns = ap_str_eq(ap_str_n(f->source[i].name, f->source[i].len), ap_str_c("sim")) ? sim_catch_up(f, now) : 0;

		beat_source(f, &f->source[i], (ap_ts){ now.ns - behind_ns }, mono_ns - behind_ns, held);
	}
	outlet_flush(f->out);
}

/* --- messages ---------------------------------------------------------------------------------------- */

static const char *default_source(const struct feed *f, enum source_kind kind)
{
	static const char *const names[SRC_KINDS] = { NULL, "http", "sim", "stdin" };

	return kind == SRC_TCP ? f->app->conf.ingest_source : names[kind];
}

void feed_message(struct feed *f, enum source_kind kind, ap_str msg, bool cut, ap_ts now, uint64_t ticket)
{
	struct ap_route to;
	char name[AP_SOURCE_MAX];
	ap_str source = { name, ap_source_canon(ap_str_c(default_source(f, kind)), name) };
	ap_str symbol = { 0 };

	ap_venue_route(f->venue, cut ? NULL : f->trade, source, msg, &to);
	if (to.what == AP_VENUE_TRADES || to.what == AP_VENUE_QUOTES) {
		symbol = ap_series_symbol(&to.to);
		if (to.to.source_len > 0)
			source = ap_series_source(&to.to);
	} else {
		f->bad++;
	}
	f->taken[kind]++;
	source_seen(f, source);
	if (quote_waits(f, &to, msg, now, ticket))
		return;
	put_raw(f, &(struct ap_raw){ .source = source, .symbol = symbol, .format = ap_str_c(cut ? "too_long" : "trade"), .payload = msg,
				     .recv = now },
		to.ts.ns > 0 ? ap_ts_ms(to.ts) : ap_ts_ms(now), ticket);
}

/* --- the simulator ------------------------------------------------------------------------------------ */

static void sim_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct feed *f = w->data;

	(void)loop, (void)revents;
	sim_catch_up(f, feed_now(f));
	outlet_flush(f->out);
}

/* The market goes live where its past ended. What it did since `from` it does at once; the first beat vouches for that too. */
static void sim_live(void *ctx, ap_ts from, bool seamless)
{
	struct feed *f = ctx;
	const struct ap_conf *c = &f->app->conf;
	char err[160];
	ap_ts now = ap_now();

	history_free(f->history);
	f->history = NULL;
	f->sim = ap_sim_new(c->ingest_sim_seed, (double)c->ingest_sim_rate, c->ingest_sim_symbols, from, err, sizeof err);
	if (f->sim == NULL) {   /* symbols were checked at start: only memory can be missing */
		ap_log(&f->app->log, AP_ERROR, "simulator_failed", KV_S("why", err), KV_S("next", "without"));
		return;
	}
	source_seen(f, ap_str_c("sim"));
	for (size_t i = 0; seamless && i < f->sources; i++) {
		if (!ap_str_eq(ap_str_n(f->source[i].name, f->source[i].len), ap_str_c("sim")))
			continue;
		f->source[i].beat_mono_ns = ap_mono_ns() - (now.ns - from.ns);
		f->source[i].beat_wall_ms = ap_ts_ms(from);
	}
	ev_timer_init(&f->sim_step, sim_cb, 0, SIM_STEP_S);
	f->sim_step.data = f;
	ev_timer_start(f->app->loop, &f->sim_step);
}

static bool sim_start(struct feed *f, char *err, size_t errlen)
{
	if (!f->app->conf.ingest_sim || f->from_stdin)
		return true;
	f->history = history_start(f->app, sim_live, f, err, errlen);
	return f->history != NULL;
}

/* --- listeners ------------------------------------------------------------------------------------------ */

static void socket_options(int fd)
{
	const int one = 1, idle_s = 30, every_s = 10, times = 3, user_ms = 60000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
}

static void listener_accept(struct listener *l)
{
	struct feed *f = l->feed;
	int fd;

	while (l->fd != -1 && (fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		socket_options(fd);
		if (conns_add(f->conns, fd, l->kind))
			continue;
		/* Waiting would only fill the queue of the kernel: closed at once, it can try again elsewhere or later. */
		close(fd);
		f->refused++;
		if ((f->refused & (f->refused - 1)) == 0)
			ap_log(&f->app->log, AP_WARN, "client_refused", KV_S("why", "ingest.clients_max"), KV_U("refused", f->refused));
	}
}

static void accept_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	listener_accept(w->data);
}

void feed_accept_all(struct feed *f)
{
	listener_accept(&f->tcp);
	listener_accept(&f->ack);
}

/* "127.0.0.1:9000", "[::1]:9000", "localhost:9000". */
static int listen_at(const char *where, bool *busy, char *err, size_t errlen)
{
	char host[128];
	const char *colon = strrchr(where, ':');
	struct addrinfo hint = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *a = NULL;
	const int one = 1;
	int fd = -1;

	if (colon == NULL || colon == where || colon[1] == '\0') {
		snprintf(err, errlen, "\"%s\" is not HOST:PORT", where);
		return -1;
	}
	snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
	if (host[0] == '[' && colon[-1] == ']')
		snprintf(host, sizeof host, "%.*s", (int)(colon - where - 2), where + 1);
	if (getaddrinfo(host, colon + 1, &hint, &a) != 0 || a == NULL) {
		snprintf(err, errlen, "\"%s\" is no address", where);
		return -1;
	}
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 || bind(fd, a->ai_addr, a->ai_addrlen) == -1 ||
	    listen(fd, 256) == -1) {
		*busy = errno == EADDRINUSE;
		snprintf(err, errlen, "%s: %s", where, strerror(errno));
		if (fd != -1)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(a);
	return fd;
}

static bool listener_start(struct feed *f, struct listener *l, enum source_kind kind, const char *where, char *err, size_t errlen)
{
	char name[AP_SOURCE_MAX];
	size_t n;

	*l = (struct listener){ .feed = f, .kind = kind, .fd = -1 };
	if (*where == '\0' || f->from_stdin)
		return true;
	l->fd = listen_at(where, &f->busy, err, errlen);
	if (l->fd == -1)
		return false;
	n = ap_source_canon(ap_str_c(default_source(f, kind)), name);
	source_seen(f, ap_str_n(name, n));
	ev_io_init(&l->io, accept_cb, l->fd, EV_READ);
	l->io.data = l;
	ev_io_start(f->app->loop, &l->io);
	ap_log(&f->app->log, AP_INFO, "listening", KV_S("for", kind == SRC_TCP ? "messages" : "messages_to_acknowledge"),
	       KV_S("addr", where));
	return true;
}

static void listener_stop(struct listener *l)
{
	if (l->fd == -1)
		return;
	ev_io_stop(l->feed->app->loop, &l->io);
	close(l->fd);
	l->fd = -1;
}

/* --- ending ---------------------------------------------------------------------------------------------- */

static void leave(struct feed *f, int code)
{
	struct ev_loop *loop = f->app->loop;

	ev_check_stop(loop, &f->stop_look);
	f->app->exit_code = code;
	ev_break(loop, EVBREAK_ALL);
}

/* All that was taken is in Redis and answered. */
static void stop_look_cb(struct ev_loop *loop, ev_check *w, int revents)
{
	struct feed *f = w->data;

	(void)loop, (void)revents;
	if ((f->ready && !outlet_empty(f->out)) || !conns_idle(f->conns))
		return;
	if (!f->ended) {
		ap_metrics_flush(f->metrics);
		outlet_end(f->out);
	}
	f->ended = true;
	if (ap_redis_set_pending(outlet_redis(f->out)) + ap_redis_pending(f->metric) > 0)
		return;
	ap_log(&f->app->log, AP_INFO, "stopped", KV_U("records", outlet_appended(f->out)->records));
	leave(f, f->code);
}

static void stop_limit_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct feed *f = w->data;
	bool empty = !f->ready || outlet_empty(f->out), safe = outlet_safe(f->out);

	(void)loop, (void)revents;
	ap_log(&f->app->log, safe ? AP_WARN : AP_ERROR, "stopped_too_early", KV_S("why", empty ? "clients_do_not_read" : "redis_away"),
	       KV_S("lost", safe ? "nothing" : "what_was_not_acknowledged"), KV_S("next", empty ? "done" : safe ? "sent_at_next_start" : "gone"));
	leave(f, empty || (safe && !f->from_stdin) ? f->code : AP_EX_AGAIN);
}

static void feed_stop(struct feed *f)
{
	struct ev_loop *loop = f->app->loop;

	if (f->stopping)
		return;
	f->stopping = true;
	ev_timer_stop(loop, &f->patience);
	listener_stop(&f->tcp);
	listener_stop(&f->ack);
	conns_stop(f->conns);
	ev_periodic_stop(loop, &f->beat);
	history_free(f->history);       /* the next process goes on with it */
	f->history = NULL;
	tend_free(f->tend);
	f->tend = NULL;
	if (f->sim != NULL)
		ev_timer_stop(loop, &f->sim_step);
	feed_settle(f);
	outlet_flush(f->out);
	ev_check_init(&f->stop_look, stop_look_cb);
	f->stop_look.data = f;
	ev_check_start(loop, &f->stop_look);
	ev_feed_event(loop, &f->stop_look, EV_CHECK);
	ev_timer_init(&f->stop_limit, stop_limit_cb, STOP_S, 0);
	f->stop_limit.data = f;
	ev_timer_start(loop, &f->stop_limit);
}

static void on_stop(struct ap_app *app)
{
	feed_stop(app->ctx);
}

void feed_closed(struct feed *f)
{
	if (f->from_stdin)
		feed_stop(f);
}

/* --- what the outlet tells -------------------------------------------------------------------------------- */

static void on_answer(void *ctx, uint64_t ticket, unsigned part, uint32_t idx, ap_id id)
{
	struct feed *f = ctx;

	conns_answer(f->conns, ticket, part, idx, id);
}

static bool on_waits(void *ctx, uint64_t ticket)
{
	const struct feed *f = ctx;

	return conns_waits(f->conns, ticket);
}

static void on_moved(void *ctx)
{
	struct feed *f = ctx;

	conns_tell(f->conns);
}

static void on_up(void *ctx)
{
	struct feed *f = ctx;

	if (f->tend != NULL)
		tend_soon(f->tend);
}

static void on_held(void *ctx, bool held)
{
	struct feed *f = ctx;

	for (size_t i = 0; i < f->sources; i++)
		f->source[i].gap = true;
	conns_hold(f->conns, held);
}

static void collect(void *ctx, struct ap_metrics *m)
{
	static const char *const labels[SRC_KINDS] = { "from=\"tcp\"", "from=\"ack\"", "from=\"sim\"", "from=\"stdin\"" };
	struct feed *f = ctx;

	for (unsigned i = 0; i < SRC_KINDS; i++)
		ap_metrics_add(m, "messages_in_total", labels[i], AP_M_COUNTER, (double)f->taken[i]);
	ap_metrics_add(m, "messages_bad_total", "", AP_M_COUNTER, (double)f->bad);
	ap_metrics_add(m, "messages_too_long_total", "", AP_M_COUNTER, (double)conns_overlong(f->conns));
	ap_metrics_add(m, "clients_refused_total", "", AP_M_COUNTER, (double)f->refused);
	ap_metrics_add(m, "replicas_short", "", AP_M_GAUGE, ap_redis_wait_short(f->metric) ? 1 : 0);
	ap_metrics_add(m, "clients", "", AP_M_GAUGE, (double)conns_count(f->conns));
	ap_metrics_add(m, "sources", "", AP_M_GAUGE, (double)f->sources);
	for (size_t i = 0; i < f->sources; i++) {
		char source[AP_SOURCE_MAX + 16];

		snprintf(source, sizeof source, "source=\"%.*s\"", (int)f->source[i].len, f->source[i].name);
		ap_metrics_add(m, "source_alive", source, AP_M_GAUGE, f->source[i].gap ? 0 : 1);
	}
	if (f->quotes != NULL)
		ap_metrics_add(m, "quotes_conflated_total", "", AP_M_COUNTER, (double)ap_conflate_dropped(f->quotes));
	ap_metrics_add(m, "beats_total", "", AP_M_COUNTER, (double)f->beats);
	outlet_collect(f->out, m);
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* "stdin:UUID", and without a journal "NAME:UUID": what this process appended is told from what an earlier one did. */
static void once_name(const char *name, char *out, size_t cap)
{
	uint8_t u[16];

	ap_random(u, sizeof u);
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	snprintf(out, cap, "%.20s:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", name, u[0], u[1], u[2], u[3], u[4], u[5],
		 u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

static void producer_name(const struct feed *f, char *out, size_t cap)
{
	const struct ap_conf *c = &f->app->conf;
	char host[64] = "localhost";

	gethostname(host, sizeof host - 1);
	if (f->from_stdin)
		once_name("stdin", out, cap);
	else if (!c->journal_enabled)
		once_name(*c->ingest_producer != '\0' ? c->ingest_producer : host, out, cap);
	else
		snprintf(out, cap, "%s", *c->ingest_producer != '\0' ? c->ingest_producer : host);
}

/* It has come as far as it can, be it that another one works or that Redis is away. */
static void tell(struct feed *f, const char *status)
{
	ev_timer_stop(f->app->loop, &f->patience);
	ap_app_notify(f->app, status);
	if (!f->told)
		ap_app_notify(f->app, "READY=1");
	f->told = true;
}

static void patience_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	tell(w->data, "STATUS=waiting for Redis");
}

static void tend_start(struct feed *f)
{
	if (f->tend == NULL && f->app->conf.journal_enabled && !f->from_stdin)
		f->tend = tend_new(f->app, f->out);
}

static void on_standby(void *ctx, bool apart)
{
	struct feed *f = ctx;

	tell(f, "STATUS=standing by");
	if (apart)
		tend_start(f);
}

static void on_failed(void *ctx, int code, const char *why)
{
	struct feed *f = ctx;

	fprintf(stderr, "ap-ingest: %s\n", why);
	f->code = code;
	if (f->ready)
		feed_stop(f);
	else
		leave(f, code);
}

static bool sources_start(struct feed *f, char *err, size_t errlen)
{
	const struct ap_conf *c = &f->app->conf;

	if (!listener_start(f, &f->tcp, SRC_TCP, c->ingest_tcp, err, errlen) || !listener_start(f, &f->ack, SRC_HTTP, c->ingest_ack, err, errlen) ||
	    !sim_start(f, err, errlen))
		return false;
	if (f->from_stdin) {
		fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
		source_seen(f, ap_str_c("stdin"));
		conns_add(f->conns, STDIN_FILENO, SRC_STDIN);
	}
	return true;
}

/* What it brings is safe now: sources may come. */
static void on_ready(void *ctx)
{
	struct feed *f = ctx;
	char err[256];

	if (!sources_start(f, err, sizeof err)) {
		on_failed(f, f->busy ? AP_EX_AGAIN : AP_EX_MISTAKE, err);
		return;
	}
	f->ready = true;
	tend_start(f);
	ev_periodic_start(f->app->loop, &f->beat);
	tell(f, "STATUS=working");
}

static bool feed_start(struct feed *f, char *err, size_t errlen)
{
	static const struct outlet_events ev = { .ready = on_ready, .standby = on_standby, .up = on_up, .answer = on_answer, .waits = on_waits, .moved = on_moved,
						 .held = on_held, .failed = on_failed };
	const struct ap_conf *c = &f->app->conf;
	char producer[AP_JOURNAL_PRODUCER + 1];

	producer_name(f, producer, sizeof producer);
	ev_periodic_init(&f->beat, beat_cb, 0, 1, NULL);
	ev_timer_init(&f->patience, patience_cb, PATIENCE_S, 0);
	f->beat.data = f->patience.data = f;
	f->venue = ap_venue_new();
	f->trade = ap_format_find(ap_str_c("trade"));
	f->conns = conns_new(f, f->app->loop, (size_t)c->ingest_clients_max);
	f->quotes = c->ingest_conflate_quotes ? ap_conflate_new() : NULL;
	if (f->venue == NULL || f->conns == NULL || (c->ingest_conflate_quotes && f->quotes == NULL)) {
		snprintf(err, errlen, "no memory");
		return false;
	}
	f->out = outlet_new(f->app, f->from_stdin ? OUT_PIPE : OUT_LIVE, producer, &ev, f, err, errlen);
	if (f->out == NULL)
		return false;
	f->metric = ap_redis_new_key(f->app->loop, &f->app->log, c, AP_REDIS_PRIMARY, "ap:metric", NULL, NULL, err, errlen);
	if (f->metric == NULL)
		return false;
	f->metrics = ap_metrics_new(f->app->loop, &f->app->log, c, f->metric, "ap-ingest", c->runtime_worker, collect, f);
	ev_timer_start(f->app->loop, &f->patience);
	return true;
}

int feed_main(struct ap_app *app, bool from_stdin)
{
	struct feed *f = calloc(1, sizeof *f);
	char err[256] = "no memory";
	int rc = AP_EX_MISTAKE;

	if (f == NULL)
		return AP_EX_AGAIN;
	f->app = app;
	f->from_stdin = from_stdin;
	f->tcp.fd = f->ack.fd = -1;
	app->ctx = f;
	app->on_stop = on_stop;
	if (feed_start(f, err, sizeof err))
		rc = ap_app_run(app);
	else
		fprintf(stderr, "ap-ingest: %s\n", err);
	f->from_stdin = false;
	listener_stop(&f->tcp);
	listener_stop(&f->ack);
	ap_metrics_free(f->metrics);
	ap_redis_free(f->metric);
	conns_free(f->conns);
	history_free(f->history);
	tend_free(f->tend);
	outlet_free(f->out);
	ap_conflate_free(f->quotes);
	ap_venue_free(f->venue);
	ap_sim_free(f->sim);
	free(f);
	return rc;
}
