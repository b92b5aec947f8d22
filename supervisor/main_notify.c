/*
 * main_notify.c - the server side of sd_notify, on an abstract socket whose name depends on the data directory alone, so that
 * it is the same for the next supervisor. `apctl restart` speaks to the same socket and is told what becomes of it.
 *
 * Every datagram carries its sender's process and user from the kernel. Children are known by their process; orders are
 * taken from root and from the user who runs the supervisor.
 */
#include "main.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { TEXT_MAX = 1024 };

bool sup_notify_open(struct sup *s, char *err, size_t errlen)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char what[sizeof s->dir + 64];
	struct stat st = { .st_ino = 0 };
	int on = 1, rc = -1;

	/* Abstract: no path that could be too long, nothing left behind. */
	stat(s->dir, &st);
	int len = snprintf(what, sizeof what, "%s|%llu|%llu", s->dir, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	int n = snprintf(s->notify_name, sizeof s->notify_name, "@alphapulse/%016llx", (unsigned long long)XXH64(what, (size_t)len, 0));
	memcpy(a.sun_path, s->notify_name, (size_t)n);
	a.sun_path[0] = '\0';
	socklen_t alen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A child that has not come to its exec yet may hold the one before us for a moment. */
	for (int i = 0; s->notify_fd != -1 && i < 100 && rc == -1; i++) {
		rc = bind(s->notify_fd, (struct sockaddr *)&a, alen);
		if (rc == -1 && errno != EADDRINUSE)
			break;
		if (rc == -1)
			nanosleep(&(const struct timespec){ 0, 20000000 }, NULL);
	}
	if (rc == -1 || setsockopt(s->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
		snprintf(err, errlen, "the notification socket %s cannot be opened: %s", s->notify_name, strerror(errno));
		return false;
	}
	return true;
}

void sup_say(struct sup *s, const struct sockaddr_un *to, socklen_t len, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	if (len <= sizeof(sa_family_t))
		return;         /* it has no address: it does not want to hear */
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n > 0)
		(void)!sendto(s->notify_fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL,
			      (const struct sockaddr *)to, len);
}

static void order(struct sup *s, const char *text, const struct sockaddr_un *from, socklen_t len)
{
	if (strncmp(text, "RESTART=", 8) == 0) {
		sup_roll_begin(s, text + 8, from, len);
	} else if (strcmp(text, "RELOAD=1") == 0) {
		bool ok = sup_reload(s);
		sup_say(s, from, len, ok ? "RESULT=0 the configuration was read anew" : "RESULT=100 the configuration is wrong: see the supervisor's log");
	} else {
		sup_say(s, from, len, "RESULT=100 no such order");
	}
}

/* What a child says about itself. WATCHDOG=1 follows READY=1: it stands for one that nobody heard. */
static void child_says(struct child *c, const char *text)
{
	bool ready = strstr(text, "READY=1") != NULL, fed = strstr(text, "WATCHDOG=1") != NULL;

	if (ready || fed) {
		c->fed_mono_ms = sup_mono_ms();
		if (c->state == AP_C_STARTING)
			sup_child_event(c, AP_E_READY);
	}
}

static void heard(struct sup *s, const char *text, const struct ucred *who, const struct sockaddr_un *from, socklen_t len)
{
	SUP_EACH(s, c) {
		if (c->pid != 0 && c->pid == who->pid) {
			child_says(c, text);
			return;
		}
	}
	if (who->uid == 0 || who->uid == geteuid())
		order(s, text, from, len);
}

/* One datagram of the sd_notify protocol; the sender's pid comes with it from the kernel. */
static void notify_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sup *s = w->data;
	char text[TEXT_MAX];
	struct sockaddr_un from;
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof ctl.buf };
	(void)loop, (void)revents;
	ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h == NULL || h->cmsg_type != SCM_CREDENTIALS)
		return;
	struct ucred cred;
	memcpy(&cred, CMSG_DATA(h), sizeof cred);
	text[n] = '\0';
	heard(s, text, &cred, &from, m.msg_namelen);
}

void sup_notify_start(struct sup *s)
{
	ev_io_init(&s->notify_io, notify_cb, s->notify_fd, EV_READ);
	s->notify_io.data = s;
	ev_io_start(s->app.loop, &s->notify_io);
}
