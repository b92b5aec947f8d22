/*
 * tcp.c - sends standard input to a socket, ends its own side, prints what comes back until the other side ends too.
 *
 *   tcp HOST PORT [SECONDS] [cut]
 *
 * cut: it does not wait for what comes back; as soon as all is sent and acknowledged it resets the connection, and exits 0.
 * Exit 0: the other side ended in time (default 10 s); 1: it did not, or the connection was lost.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dial.h"

/* As a client that dies: the other side gets a RST, after all that was sent. */
static int cut(int fd)
{
	const struct linger hard = { 1, 0 };
	const struct timespec nap = { 0, 20000000 };
	int unsent = 1;

	while (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
		nanosleep(&nap, NULL);
	nanosleep(&nap, NULL);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static char out[65536], in[65536];
	size_t at = 0, len = 0;
	bool sending = true;
	int fd = argc < 3 ? -1 : dial(argv[1], argv[2]), limit_ms = (argc > 3 ? atoi(argv[3]) : 10) * 1000;
	ssize_t n;

	if (fd == -1) {
		fprintf(stderr, "tcp: no connection\n");
		return 1;
	}
	for (;;) {
		struct pollfd p = { fd, (short)(POLLIN | (sending ? POLLOUT : 0)), 0 };

		if (poll(&p, 1, limit_ms) <= 0)
			return 1;
		if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
			n = recv(fd, in, sizeof in, 0);
			if (n <= 0)
				return n == 0 && !sending ? 0 : 1;
			fwrite(in, 1, (size_t)n, stdout);
			fflush(stdout);
		}
		if (sending && (p.revents & POLLOUT) != 0) {
			if (at == len) {
				at = 0;
				len = fread(out, 1, sizeof out, stdin);
			}
			n = len == 0 ? 0 : send(fd, out + at, len - at, MSG_NOSIGNAL);
			if (n == -1)
				return 1;
			at += (size_t)n;
			if (len == 0 && argc > 4)
				return cut(fd);
			if (len == 0) {
				sending = false;
				shutdown(fd, SHUT_WR);
			}
		}
	}
}
