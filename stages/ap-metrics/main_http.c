/*
 * main_http.c - /metrics and /healthz through libmicrohttpd, whose epoll descriptor sits on our loop.
 */
#include "main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 64, PER_ADDRESS = 32, IDLE_S = 10, MEMORY = 16 << 10 };

static enum MHD_Result answer(struct MHD_Connection *c, unsigned code, const char *type, const void *body, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	rc = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result plain(struct MHD_Connection *c, unsigned code, const char *text)
{
	return answer(c, code, "text/plain; charset=utf-8", text, strlen(text));
}

static void put_alerts(struct watch *w)
{
	bool head = false;

	for (size_t i = 0; i < w->alerts.n; i++) {
		const struct alert *a = &w->alerts.a[i];

		if (!head)
			ap_buf_puts(&w->page, "# HELP alphapulse_alert_active 1 while an alert is raised.\n# TYPE alphapulse_alert_active gauge\n");
		head = true;
		ap_buf_printf(&w->page, "alphapulse_alert_active{alert=\"%s\",severity=\"%s\",component=", a->rule->type, a->rule->severity);
		ap_json_string(&w->page, ap_str_c(a->component));
		ap_buf_puts(&w->page, ",subject=");
		ap_json_string(&w->page, ap_str_c(a->subject));
		ap_buf_printf(&w->page, "} %d\n", a->raised ? 1 : 0);
	}
}

static enum MHD_Result metrics_page(struct watch *w, struct MHD_Connection *c)
{
	ap_buf_clear(&w->page);
	put_alerts(w);
	if (!prom_render(&w->page, w->table) || w->page.full)
		return plain(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", w->page.p, w->page.len);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_len, void **seen)
{
	static int begun;
	struct watch *w = ctx;

	(void)version, (void)upload;
	if (*seen == NULL) {    /* headers only; answering now would leave a body unread */
		*seen = &begun;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return plain(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	if (strcmp(url, "/metrics") == 0)
		return metrics_page(w, c);
	if (strcmp(url, "/healthz") == 0)
		return ap_redis_is_up(w->tail) ? plain(c, MHD_HTTP_OK, "ok\n") : plain(c, MHD_HTTP_SERVICE_UNAVAILABLE, "redis is away\n");
	return plain(c, MHD_HTTP_NOT_FOUND, "there is /metrics and /healthz\n");
}

static void http_run(struct watch *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(w->http);
	ev_timer_stop(w->app.loop, &w->http_timer);
	if (MHD_get_timeout(w->http, &ms) == MHD_YES) {
		ev_timer_set(&w->http_timer, (double)ms / 1000, 0);
		ev_timer_start(w->app.loop, &w->http_timer);
	}
}

static void io_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop, (void)revents;
	http_run(io->data);
}

static void timer_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	http_run(t->data);
}

/* "127.0.0.1:9100", "[::1]:9100". */
static bool address(const char *text, struct sockaddr_storage *out, bool *six)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[64];
	char *end;
	unsigned long port;
	size_t n;

	if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host)
		return false;
	*six = text[0] == '[' && colon[-1] == ']';
	n = (size_t)(colon - text) - (*six ? 2 : 0);
	memcpy(host, text + (*six ? 1 : 0), n);
	host[n] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || port > 65535)
		return false;
	memset(out, 0, sizeof *out);
	if (*six) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

bool http_open(struct watch *w, char *err, size_t errlen)
{
	struct sockaddr_storage at;
	const union MHD_DaemonInfo *info;
	bool six;

	ap_buf_init(&w->page, PAGE_MAX);
	if (!address(w->app.conf.metrics_listen, &at, &six)) {
		snprintf(err, errlen, "metrics.listen %s is not a numeric HOST:PORT", w->app.conf.metrics_listen);
		w->app.exit_code = AP_EX_MISTAKE;
		return false;
	}
	w->http = MHD_start_daemon(MHD_USE_EPOLL | (six ? MHD_USE_IPv6 : 0), 0, NULL, NULL, on_request, w,
				   MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
				   MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
				   MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	info = w->http == NULL ? NULL : MHD_get_daemon_info(w->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL) {
		snprintf(err, errlen, "metrics.listen %s cannot be listened on", w->app.conf.metrics_listen);
		w->app.exit_code = AP_EX_AGAIN;
		return false;
	}
	ev_io_init(&w->http_io, io_cb, info->epoll_fd, EV_READ);
	ev_init(&w->http_timer, timer_cb);
	w->http_io.data = w->http_timer.data = w;
	ev_io_start(w->app.loop, &w->http_io);
	return true;
}

void http_close(struct watch *w)
{
	if (w->http == NULL)
		return;
	ev_io_stop(w->app.loop, &w->http_io);
	ev_timer_stop(w->app.loop, &w->http_timer);
	MHD_stop_daemon(w->http);
	ap_buf_done(&w->page);
}
