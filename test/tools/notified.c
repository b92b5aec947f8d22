/*
 * notified.c - stands in for systemd: listens at a unix socket and prints each sd_notify datagram as one line, with the sender's
 * process id in front.
 *
 *   notified PATH
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void print_one(int fd)
{
	char text[2048];
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof ctl.buf };
	struct ucred who = { .pid = 0 };
	ssize_t n = recvmsg(fd, &m, 0);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h == NULL || h->cmsg_type != SCM_CREDENTIALS)
		return;
	memcpy(&who, CMSG_DATA(h), sizeof who);
	text[n] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	printf("%ld %s\n", (long)who.pid, text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int on = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof a.sun_path || fd == -1) {
		fprintf(stderr, "usage: notified PATH\n");
		return 100;
	}
	memcpy(a.sun_path, argv[1], strlen(argv[1]) + 1);
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) == -1 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
		perror(argv[1]);
		return 111;
	}
	for (;;)
		print_one(fd);
}
