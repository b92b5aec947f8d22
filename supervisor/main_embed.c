/*
 * main_embed.c - the private Redis and PostgreSQL: directories, configuration, command lines.
 *
 * Both listen at the addresses of redis.url and pg.conninfo, on loopback only. PostgreSQL trusts local
 * connections: it is a private server for one machine, and the manual says so.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "../common/io/pg.h"

bool sup_mkdirs(const char *path, mode_t mode)
{
	char p[4096];
	if ((size_t)snprintf(p, sizeof p, "%s", path) >= sizeof p) {
		errno = ENAMETOOLONG;
		return false;
	}
	for (char *q = p + 1; *q != '\0'; q++) {
		if (*q != '/')
			continue;
		*q = '\0';
		if (mkdir(p, 0755) == -1 && errno != EEXIST)
			return false;
		*q = '/';
	}
	return mkdir(p, mode) == 0 || errno == EEXIST;
}

bool sup_pg_user(const struct sup *s, uid_t *uid, gid_t *gid)
{
	if (geteuid() != 0)
		return false;
	const struct passwd *pw = getpwnam(s->app.conf.supervisor_pg_user);
	if (pw == NULL)
		pw = getpwnam("nobody");
	*uid = pw != NULL ? pw->pw_uid : 65534;
	*gid = pw != NULL ? pw->pw_gid : 65534;
	return true;
}

/* redis://127.0.0.1:16379/0 -> 16379. */
static unsigned redis_port(const struct sup *s)
{
	const char *colon = strrchr(s->app.conf.redis_url, ':');
	unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
	return port > 0 && port < 65536 ? (unsigned)port : 6379;
}

/*
 * The append-only file is rewritten each time it has doubled, which under load is every few seconds: what the streams hold is written as it is
 * (compressing it was a quarter of Redis' processor time), and not before there are 256 MiB. Nodes of streams stay as Redis has them, 4 KiB:
 * a frame appended to a node of 1 MiB moves that node (80 to 150 us for an XADD, against 19).
 */
static bool write_redis_conf(const struct sup *s, char *err, size_t errlen)
{
	char path[sizeof s->dir + 32];
	snprintf(path, sizeof path, "%s/redis/redis.conf", s->dir);
	FILE *f = fopen(path, "we");
	if (f == NULL) {
		snprintf(err, errlen, "%s cannot be written: %s", path, strerror(errno));
		return false;
	}
	fprintf(f,
		"# Written by ap-supervisor at every start; changes made here are lost.\n"
		"bind 127.0.0.1\nport %u\nprotected-mode yes\ndaemonize no\nlogfile \"\"\n"
		"dir \"%s/redis\"\nsave \"\"\nappendonly yes\nappendfsync always\naof-use-rdb-preamble yes\n"
		"no-appendfsync-on-rewrite no\nauto-aof-rewrite-min-size 256mb\nrdbcompression no\nmaxmemory-policy noeviction\n",
		redis_port(s), s->dir);
	return fclose(f) == 0;
}

/* Can the user that PostgreSQL runs as reach this directory? Tried in a child that becomes that user. */
static bool reachable(const struct sup *s, const char *path)
{
	uid_t uid;
	gid_t gid;
	if (!sup_pg_user(s, &uid, &gid))
		return true;
	pid_t pid = fork();
	if (pid == 0)
		_exit(setgid(gid) == 0 && setuid(uid) == 0 && access(path, X_OK) == 0 ? 0 : 1);
	int st = 0;
	while (pid > 0 && waitpid(pid, &st, 0) == -1 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

/*
 * DIR/pg, owned by the user PostgreSQL runs as. Where that user cannot reach DIR (a checkout in root's
 * home), the directory is made under /var/lib/alphapulse and DIR/pg is a link to it.
 */
static bool make_pg_dir(const struct sup *s, char *err, size_t errlen)
{
	char link_path[sizeof s->dir + 8], path[sizeof s->dir + 64];
	uid_t uid;
	gid_t gid;
	struct stat st;
	snprintf(link_path, sizeof link_path, "%s/pg", s->dir);
	snprintf(path, sizeof path, "%s", link_path);
	if (stat(link_path, &st) == 0)
		return true;
	if (!reachable(s, s->dir)) {
		snprintf(path, sizeof path, "/var/lib/alphapulse/%016llx/pg",
			 (unsigned long long)XXH64(s->dir, strlen(s->dir), 0));
		/* That user passes through the directories above, whatever the umask. */
		mode_t mask = umask(022);
		bool made = sup_mkdirs(path, 0700);
		umask(mask);
		if (!made || (unlink(link_path) == -1 && errno != ENOENT) || symlink(path, link_path) == -1) {
			snprintf(err, errlen, "%s cannot be made: %s", path, strerror(errno));
			return false;
		}
	} else if (!sup_mkdirs(path, 0700)) {
		snprintf(err, errlen, "%s cannot be made: %s", path, strerror(errno));
		return false;
	}
	if (sup_pg_user(s, &uid, &gid) && chown(path, uid, gid) == -1) {
		snprintf(err, errlen, "%s cannot be given to user %s: %s", path, s->app.conf.supervisor_pg_user, strerror(errno));
		return false;
	}
	return true;
}

bool sup_embed_prepare(struct sup *s, char *err, size_t errlen)
{
	char path[sizeof s->dir + 8];
	snprintf(path, sizeof path, "%s/redis", s->dir);
	if (!sup_mkdirs(path, 0750)) {
		snprintf(err, errlen, "%s cannot be made: %s", path, strerror(errno));
		return false;
	}
	return write_redis_conf(s, err, errlen) && make_pg_dir(s, err, errlen);
}

bool sup_initdb_needed(const struct sup *s)
{
	char path[sizeof s->dir + 32];
	snprintf(path, sizeof path, "%s/pg/PG_VERSION", s->dir);
	return access(path, F_OK) != 0;
}

/* The directory of initdb and postgres, with a trailing slash, or "" for PATH. */
static void pg_bin_dir(const struct sup *s, char *out, size_t cap)
{
	glob_t g;
	out[0] = '\0';
	if (s->app.conf.supervisor_pg_bin_dir[0] != '\0') {
		snprintf(out, cap, "%s/", s->app.conf.supervisor_pg_bin_dir);
		return;
	}
	if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) != 0)
		return;
	unsigned long newest = 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		unsigned long v = strtoul(g.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
		if (v >= newest) {
			newest = v;
			snprintf(out, cap, "/usr/lib/postgresql/%lu/bin/", v);
		}
	}
	globfree(&g);
}

/*
 * PostgreSQL's directory without links: DIR/pg may lead out of a directory that PostgreSQL's user may not
 * pass through (see make_pg_dir), and then that user cannot follow it.
 */
static bool pg_data_dir(const struct sup *s, char out[PATH_MAX])
{
	char path[sizeof s->dir + 8];
	snprintf(path, sizeof path, "%s/pg", s->dir);
	return realpath(path, out) != NULL;
}

bool sup_embed_argv(const struct sup *s, enum ap_child_what what, const char **argv, size_t cap, char *room, size_t roomlen)
{
	char bin[4096], user[128], port[16], data[PATH_MAX];
	size_t at = 0, i = 0;
#define ARG(...) do {                                                                                  \
		if (i + 1 >= cap || at >= roomlen)                                                     \
			return false;                                                                  \
		argv[i++] = room + at;                                                                 \
		at += (size_t)snprintf(room + at, roomlen - at, __VA_ARGS__) + 1;                      \
	} while (0)
	pg_bin_dir(s, bin, sizeof bin);
	ap_pg_conninfo_value(s->app.conf.pg_conninfo, "user", "alpha_emon", user, sizeof user);
	ap_pg_conninfo_value(s->app.conf.pg_conninfo, "port", "5432", port, sizeof port);
	if (what != AP_W_REDIS && !pg_data_dir(s, data))
		return false;
	switch (what) {
	case AP_W_REDIS:
		ARG("%s", s->app.conf.supervisor_redis_bin);
		ARG("%s/redis/redis.conf", s->dir);
		break;
	case AP_W_INITDB:
		ARG("%sinitdb", bin);
		ARG("-D"); ARG("%s", data);
		ARG("-U"); ARG("%s", user);
		ARG("-A"); ARG("trust");
		ARG("-E"); ARG("UTF8");
		ARG("--locale=C.UTF-8");
		break;
	case AP_W_POSTGRES:
		ARG("%spostgres", bin);
		ARG("-D"); ARG("%s", data);
		ARG("-c"); ARG("port=%s", port);
		ARG("-c"); ARG("listen_addresses=127.0.0.1");
		ARG("-c"); ARG("unix_socket_directories=");
		ARG("-c"); ARG("shared_buffers=256MB");
		ARG("-c"); ARG("max_wal_size=4GB");
		ARG("-c"); ARG("wal_compression=lz4");
		break;
	default:
		return false;
	}
#undef ARG
	argv[i] = NULL;
	return at <= roomlen;
}
