/*
 * clock.c - a wall clock that is wrong: loaded with LD_PRELOAD, it adds the milliseconds that stand in the file AP_CLOCK_SHIM
 * names to what clock_gettime(CLOCK_REALTIME), gettimeofday and time say. The clocks that never step are left alone.
 *
 * The file is looked at again after 20 ms. Everything goes to the kernel itself, so that no other library is asked.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t real_ns(clockid_t id)
{
	struct timespec t = { 0, 0 };

	syscall(SYS_clock_gettime, id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t shift_ns(void)
{
	static _Thread_local int64_t looked_ns, shift;
	int64_t now_ns = real_ns(CLOCK_MONOTONIC);
	const char *path = getenv("AP_CLOCK_SHIM");
	char text[32];

	if (path == NULL || (looked_ns != 0 && now_ns - looked_ns < 20000000))
		return shift;
	looked_ns = now_ns;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return shift;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n > 0) {
		text[n] = '\0';
		shift = (int64_t)strtoll(text, NULL, 10) * 1000000;
	}
	return shift;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	long rc = syscall(SYS_clock_gettime, id, t);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + shift_ns();
		t->tv_sec = (time_t)(ns / 1000000000);
		t->tv_nsec = (long)(ns % 1000000000);
	}
	return (int)rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int64_t us = (real_ns(CLOCK_REALTIME) + shift_ns()) / 1000;

	(void)zone;
	t->tv_sec = (time_t)(us / 1000000);
	t->tv_usec = (suseconds_t)(us % 1000000);
	return 0;
}

time_t time(time_t *t)
{
	time_t s = (time_t)((real_ns(CLOCK_REALTIME) + shift_ns()) / 1000000000);

	if (t != NULL)
		*t = s;
	return s;
}
