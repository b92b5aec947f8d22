/*
 * notify.c - readiness and watchdog by the sd_notify protocol: one datagram of NAME=value lines to
 * the unix socket in NOTIFY_SOCKET (sd_notify(3)). systemd and ap-supervisor listen alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"

/* The name ap-supervisor gives its socket; systemd's is a path. */
static const char own_prefix[] = "@alphapulse/";

/* False: nobody listens. */
static bool notify_send(const char *state)
{
	bool heard = true;
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);

	if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return true;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';  /* abstract namespace */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return true;
	/* Nobody listening is no reason to stop working: the listener notices the silence by itself. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == -1)
		heard = errno != ECONNREFUSED;
	close(fd);
	return heard;
}

/* Nobody would start us again, and nobody would end us: after a while we end ourselves, as if we had been asked to. */
static void supervisor_away(struct ap_app *app)
{
	int64_t now_ns = ap_mono_ns(), most_ns = (int64_t)app->conf.supervisor_orphan_ms * 1000000;

	if (app->away_ns == 0) {
		app->away_ns = now_ns;
		ap_log(&app->log, AP_WARN, "supervisor_away", KV_U("end_in_ms", app->conf.supervisor_orphan_ms));
	} else if (now_ns - app->away_ns >= most_ns) {
		ap_log(&app->log, AP_ERROR, "supervisor_gone", KV_I("away_ms", (now_ns - app->away_ns) / 1000000), KV_S("next", "stop"));
		raise(SIGTERM);
	}
}

static void watchdog_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ap_app *app = w->data;
	const char *path = getenv("NOTIFY_SOCKET");

	(void)loop, (void)revents;
	if (notify_send(app->said_ready ? "WATCHDOG=1" : "STATUS=starting"))
		app->away_ns = 0;
	else if (path != NULL && strncmp(path, own_prefix, sizeof own_prefix - 1) == 0)
		supervisor_away(app);
}

/* WATCHDOG_PID, when given, says whom the watchdog is meant for. */
static double watchdog_period_s(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && *pid != '\0' && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	unsigned long long us = strtoull(usec, NULL, 10);
	return us < 2000 || us > 3600000000ULL ? 0 : (double)us / 2e6;
}

void ap_app_notify(struct ap_app *app, const char *state)
{
	notify_send(state);
	if (strncmp(state, "READY=1", 7) != 0)
		return;
	app->said_ready = true;
	ap_app_notify_watch(app);
}

void ap_app_notify_watch(struct ap_app *app)
{
	double period_s = watchdog_period_s();

	if (period_s <= 0 || ev_is_active(&app->watchdog))
		return;
	ev_timer_init(&app->watchdog, watchdog_cb, period_s, period_s);
	app->watchdog.data = app;
	ev_timer_start(app->loop, &app->watchdog);
}
