/*
 * main_file.c - bytes of a file, unpacked: plain, gzip or zstd, told apart by their first bytes.
 *
 * Blocking reads of local files, in pieces; for replays only, which have no clients to keep waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "main.h"

enum packing { PLAIN, GZIP, ZSTD };

enum { IN_BYTES = 128 * 1024 };

struct infile {
	int fd;
	char name[300];         /* for messages */
	enum packing packing;
	z_stream z;
	ZSTD_DStream *zstd;
	bool z_open, ended, partial;    /* partial: in the middle of a packed member */
	size_t at, len;         /* of in: read, not unpacked yet */
	unsigned char in[IN_BYTES];
};

static long fail(const struct infile *f, const char *why, char *err, size_t errlen)
{
	snprintf(err, errlen, "%s: %s", f->name, why);
	return -1;
}

/* Standard input can be read once; its content is needed twice. */
static int spool(char *err, size_t errlen)
{
	char path[200], buf[65536];
	const char *dir = getenv("TMPDIR");
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/ap-ingest.XXXXXX", dir != NULL && *dir != '\0' ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd == -1) {
		snprintf(err, errlen, "a temporary file in %s: %s", path, strerror(errno));
		return -1;
	}
	unlink(path);
	while ((n = read(STDIN_FILENO, buf, sizeof buf)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || write(fd, buf, (size_t)n) != n) {
			snprintf(err, errlen, "keeping standard input: %s", strerror(errno));
			close(fd);
			return -1;
		}
	}
	return fd;
}

struct infile *infile_open(const char *path, char *err, size_t errlen)
{
	struct infile *f = calloc(1, sizeof *f);
	struct stat st;
	unsigned char magic[4] = { 0 };

	if (f == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	snprintf(f->name, sizeof f->name, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
	f->fd = strcmp(path, "-") == 0 ? spool(err, errlen) : open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd == -1) {
		if (strcmp(path, "-") != 0)
			fail(f, strerror(errno), err, errlen);
		free(f);
		return NULL;
	}
	if (fstat(f->fd, &st) == -1 || !S_ISREG(st.st_mode) || pread(f->fd, magic, sizeof magic, 0) == -1) {
		fail(f, "not a regular file (a pipe is read with --replay -)", err, errlen);
		infile_close(f);
		return NULL;
	}
	f->packing = magic[0] == 0x1f && magic[1] == 0x8b ? GZIP : memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0 ? ZSTD : PLAIN;
	if (!infile_rewind(f, err, errlen)) {
		infile_close(f);
		return NULL;
	}
	return f;
}

void infile_close(struct infile *f)
{
	if (f == NULL)
		return;
	if (f->z_open)
		inflateEnd(&f->z);
	ZSTD_freeDStream(f->zstd);
	close(f->fd);
	free(f);
}

bool infile_rewind(struct infile *f, char *err, size_t errlen)
{
	f->at = f->len = 0;
	f->ended = f->partial = false;
	if (lseek(f->fd, 0, SEEK_SET) == -1) {
		fail(f, strerror(errno), err, errlen);
		return false;
	}
	if (f->packing == GZIP) {
		if (f->z_open)
			inflateEnd(&f->z);
		memset(&f->z, 0, sizeof f->z);
		f->z_open = inflateInit2(&f->z, 16 + MAX_WBITS) == Z_OK;
	} else if (f->packing == ZSTD) {
		if (f->zstd == NULL)
			f->zstd = ZSTD_createDStream();
		if (f->zstd != NULL)
			ZSTD_initDStream(f->zstd);
	}
	if ((f->packing == GZIP && !f->z_open) || (f->packing == ZSTD && f->zstd == NULL)) {
		fail(f, "no memory to unpack it", err, errlen);
		return false;
	}
	return true;
}

/* Sees to it that there is packed input, unless it has ended. */
static bool refill(struct infile *f, char *err, size_t errlen)
{
	ssize_t n;

	if (f->at < f->len || f->ended)
		return true;
	do
		n = read(f->fd, f->in, sizeof f->in);
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		fail(f, strerror(errno), err, errlen);
		return false;
	}
	f->at = 0;
	f->len = (size_t)n;
	f->ended = n == 0;
	return true;
}

/* One step of inflate. Members one after the other are one file. Returns bytes made, -1 on damage. */
static long step_gzip(struct infile *f, void *buf, size_t n)
{
	int rc;

	f->z.next_in = f->in + f->at;
	f->z.avail_in = (uInt)(f->len - f->at);
	f->z.next_out = buf;
	f->z.avail_out = (uInt)n;
	rc = inflate(&f->z, Z_NO_FLUSH);
	f->at = f->len - f->z.avail_in;
	f->partial = rc != Z_STREAM_END;
	if (rc == Z_STREAM_END)
		inflateReset(&f->z);
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? (long)(n - f->z.avail_out) : -1;
}

static long step_zstd(struct infile *f, void *buf, size_t n)
{
	ZSTD_inBuffer in = { f->in + f->at, f->len - f->at, 0 };
	ZSTD_outBuffer out = { buf, n, 0 };
	size_t rc = ZSTD_decompressStream(f->zstd, &out, &in);

	f->at += in.pos;
	f->partial = rc != 0;
	return ZSTD_isError(rc) ? -1 : (long)out.pos;
}

long infile_read(struct infile *f, void *buf, size_t n, char *err, size_t errlen)
{
	long made;

	for (;;) {
		if (!refill(f, err, errlen))
			return -1;
		if (f->packing == PLAIN) {
			size_t have = f->len - f->at < n ? f->len - f->at : n;

			memcpy(buf, f->in + f->at, have);
			f->at += have;
			return (long)have;
		}
		if (f->ended && !f->partial)
			return 0;
		made = f->packing == GZIP ? step_gzip(f, buf, n) : step_zstd(f, buf, n);
		if (made < 0)
			return fail(f, "damaged: it cannot be unpacked", err, errlen);
		if (made > 0)
			return made;
		if (f->ended)
			return fail(f, "cut short: the packed data ends too early", err, errlen);
	}
}
