/*
 * dial.h - a TCP connection for the test tools, which may wait for it.
 */
#ifndef TEST_TOOLS_DIAL_H
#define TEST_TOOLS_DIAL_H

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -1: there is none. */
static inline int dial(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a = NULL;
	int fd;

	if (getaddrinfo(host, port, &hints, &a) != 0)
		return -1;
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == -1) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(a);
	return fd;
}

/* where: HOST:PORT. */
static inline int dial_at(const char *where)
{
	char host[200];

	snprintf(host, sizeof host, "%s", where);
	char *colon = strrchr(host, ':');
	if (colon == NULL)
		return -1;
	*colon = '\0';
	return dial(host, colon + 1);
}

#endif
