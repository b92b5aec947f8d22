/*
 * log.c - log lines to fd 2. Composing them is the core's; this adds the clock and the write.
 */
#include "log.h"

#include <fcntl.h>
#include <unistd.h>

#include "app.h"

bool ap_log_open(const char *path)
{
	if (*path == '\0')
		return true;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd == -1)
		return false;
	bool ok = dup2(fd, STDERR_FILENO) != -1;
	close(fd);
	return ok;
}

void ap_log_kv(struct ap_log *log, enum ap_lvl lvl, const char *ev, const struct ap_kv *kv, size_t n)
{
	char line[16384];
	struct ap_buf b;

	if (lvl < log->least)
		return;
	ap_buf_fixed(&b, line, sizeof line);
	ap_log_line(&b, ap_now(), lvl, log->app, ev, kv, n);
	/* One write, so that lines of several processes on one descriptor never mix. */
	if (b.full || write(STDERR_FILENO, b.p, b.len) != (ssize_t)b.len)
		log->dropped++;
}
