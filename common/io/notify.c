/*
 * notify.c - readiness and watchdog by the sd_notify protocol: one datagram of NAME=value lines to
 * the unix socket in NOTIFY_SOCKET (sd_notify(3)). systemd and ap-supervisor listen alike.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"

static void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);

	if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';  /* abstract namespace */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return;
	/* Nobody listening is no reason to stop working: the listener notices the silence by itself. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static void watchdog_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	notify_send("WATCHDOG=1");
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
	double period_s = watchdog_period_s();

	notify_send(state);
	if (strncmp(state, "READY=1", 7) == 0 && period_s > 0 && !ev_is_active(&app->watchdog)) {
		ev_timer_init(&app->watchdog, watchdog_cb, period_s, period_s);
		ev_timer_start(app->loop, &app->watchdog);
	}
}
