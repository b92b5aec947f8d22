/*
 * cmd_restart.c - restart, reload: orders to the supervisor, over the socket its programs report to.
 *
 * The supervisor answers with lines "SAY=..." while it works and one "RESULT=CODE text" at the end.
 */
#include "ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The socket's name as the supervisor has written it into its status file. */
static bool control_name(const struct ctl *c, char *out, size_t cap)
{
	static const char key[] = "\"control\":\"";
	char path[4300], text[4096];

	snprintf(path, sizeof path, "%s/run/supervisor.json", c->app.conf.data_dir);
	FILE *f = fopen(path, "re");
	size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	const char *p = strstr(text, key);
	if (p == NULL)
		return false;
	p += sizeof key - 1;
	snprintf(out, cap, "%.*s", (int)strcspn(p, "\""), p);
	return out[0] == '@';
}

/* A socket that the supervisor can answer to: the kernel gives it a name when it is bound without one. */
static int connect_control(const char *name)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX }, to = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = len < sizeof to.sun_path ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd == -1)
		return -1;
	memcpy(to.sun_path, name, len);
	to.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&own, sizeof(sa_family_t)) == -1 ||
	    connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int64_t now_ms(void)
{
	return ap_mono_ns() / 1000000;
}

/* What the supervisor says, until it gives the result. *again: it is busy, and there is time to ask once more. */
static int listen_to_end(const struct ctl *c, int fd, int64_t until_ms, bool *again)
{
	char text[1100];

	for (;;) {
		int64_t left = until_ms - now_ms();
		struct pollfd p = { fd, POLLIN, 0 };
		if (left <= 0 || poll(&p, 1, (int)(left < 1000 ? left : 1000)) == -1)
			return ctl_fail(CTL_EX_TIMEOUT, "time is up; see %s/log/supervisor.log", c->app.conf.data_dir);
		ssize_t n = p.revents != 0 ? recv(fd, text, sizeof text - 1, MSG_DONTWAIT) : 0;
		if (n < 0 && errno != EAGAIN)
			return ctl_fail(AP_EX_AGAIN, "the supervisor went away: %s", strerror(errno));
		text[n > 0 ? n : 0] = '\0';
		if (strncmp(text, "SAY=", 4) == 0)
			printf("%s\n", text + 4);
		if (strncmp(text, "RESULT=", 7) != 0)
			continue;
		char *rest;
		int code = (int)strtol(text + 7, &rest, 10);
		rest += *rest == ' ';
		*again = code == AP_EX_AGAIN && now_ms() < until_ms;
		if (*again)
			return code;
		if (code != 0)
			return ctl_fail(code, "%s", rest);
		printf("%s\n", rest);
		return 0;
	}
}

/* A supervisor that is just being started again listens in a moment. */
static int reach(const char *name)
{
	int fd = connect_control(name);

	for (int i = 0; i < 40 && fd == -1; i++) {
		nanosleep(&(const struct timespec){ 0, 50000000 }, NULL);
		fd = connect_control(name);
	}
	return fd;
}

static int order(struct ctl *c, const char *text, uint64_t timeout_s)
{
	int64_t until_ms = now_ms() + (int64_t)timeout_s * 1000;
	char name[108];
	bool again = true;
	int rc = AP_EX_AGAIN;

	if (!control_name(c, name, sizeof name))
		return ctl_fail(AP_EX_AGAIN, "no supervisor has run in %s", c->app.conf.data_dir);
	while (again) {
		int fd = reach(name);
		if (fd == -1 || send(fd, text, strlen(text), MSG_NOSIGNAL) == -1) {
			if (fd != -1)
				close(fd);
			return ctl_fail(AP_EX_AGAIN, "the supervisor of %s does not listen", c->app.conf.data_dir);
		}
		rc = listen_to_end(c, fd, until_ms, &again);
		close(fd);
		if (again)
			nanosleep(&(const struct timespec){ 0, 100000000 }, NULL);
	}
	return rc;
}

int cmd_restart(struct ctl *c)
{
	char text[100];
	uint64_t timeout_s;

	if (c->argc != 1 || strlen(c->argv[0]) > 64)
		return ctl_fail(AP_EX_MISTAKE, "restart PROGRAM: candle, ap-candle, ap-candle.0, all or supervisor");
	if (!ctl_flag_u64(c, "timeout", 120, 1, 3600, &timeout_s))
		return AP_EX_MISTAKE;
	snprintf(text, sizeof text, "RESTART=%s", c->argv[0]);
	return order(c, text, timeout_s);
}

int cmd_reload(struct ctl *c)
{
	return order(c, "RELOAD=1", 10);
}
