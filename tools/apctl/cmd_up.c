/*
 * cmd_up.c - a private pipeline in a directory: up, down, env.
 */
#include "ctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/core/json.h"
#include "../../common/io/pg.h"

enum { PATH_LEN = PATH_MAX + 64, VALUE_MAX = 300000 };      /* longer than any option may be */

static void nap_ms(long ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&ts, NULL);
}

/* A port nobody listens on now. */
static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;
	if (fd != -1 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		port = ntohs(a.sin_port);
	if (fd != -1)
		close(fd);
	return port;
}

static bool set(struct ap_conf *conf, const char *name, const char *text)
{
	char err[400];
	const struct ap_opt *o = ap_opt_find(ap_str_c(name));
	if (o != NULL && ap_conf_set(conf, o, ap_str_c(text), err, sizeof err))
		return true;
	ctl_fail(AP_EX_MISTAKE, "%s", o != NULL ? err : name);
	return false;
}

/* What a new directory gets: everything on loopback, on ports of its own. */
static bool fresh_conf(struct ctl *c, const char *dir)
{
	static const struct {
		const char *name, *before, *after;
	} rows[] = {
		{ "redis.url", "redis://127.0.0.1:", "" },
		{ "pg.conninfo", "host=127.0.0.1 port=", " dbname=alphapulse user=alpha_emon" },
		{ "api.listen", "127.0.0.1:", "" },
		{ "metrics.listen", "127.0.0.1:", "" },
		{ "ingest.tcp", "127.0.0.1:", "" },
		{ "ingest.ack", "127.0.0.1:", "" },
	};
	char text[300];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(text, sizeof text, "%s%u%s", rows[i].before, free_port(), rows[i].after);
		if (!set(&c->app.conf, rows[i].name, text))
			return false;
	}
	const bool feed = ap_app_flag(&c->app, "no-feed") == NULL;
	/* The API hands what is posted to ap-ingest's acknowledging socket, the last row above. */
	return set(&c->app.conf, "api.ingest", text) && set(&c->app.conf, "supervisor.embedded", "true") &&
	       set(&c->app.conf, "ingest.sim", feed ? "true" : "false") &&
	       set(&c->app.conf, "ingest.sim_history_min", feed ? "360" : "0") &&
	       set(&c->app.conf, "data.dir", dir);
}

/* -o was applied before the fresh values: it has the last word. */
static bool overrides(struct ctl *c)
{
	char err[400];
	for (size_t i = 0; i < c->app.over_n; i++) {
		const char *eq = strchr(c->app.over[i], '=');
		const struct ap_opt *o = eq != NULL ? ap_opt_find(ap_str_n(c->app.over[i], (size_t)(eq - c->app.over[i]))) : NULL;
		if (o == NULL || !ap_conf_set(&c->app.conf, o, ap_str_c(eq + 1), err, sizeof err)) {
			ctl_fail(AP_EX_MISTAKE, "-o %s: %s", c->app.over[i], o != NULL ? err : "no such option");
			return false;
		}
	}
	return true;
}

/* Without the marks of where the entries of a list stood in the file they came from. */
static void quoted(FILE *f, const char *s)
{
	size_t len;
	fputc('"', f);
	for (const char *mark; *s != '\0'; s = mark + len) {
		mark = ap_conf_mark(s, &len);
		for (; s < mark; s++) {
			if (*s == '"' || *s == '\\')
				fputc('\\', f);
			fputc(*s, f);
		}
	}
	fputc('"', f);
}

/* Every option that is not at its default, by section. */
static bool write_conf(const struct ap_conf *conf, const char *path)
{
	char tmp[PATH_LEN + 8], *val = malloc(VALUE_MAX);
	const char *section = "";
	snprintf(tmp, sizeof tmp, "%s.new", path);
	FILE *f = val == NULL ? NULL : fopen(tmp, "we");
	if (f == NULL) {
		free(val);
		return false;
	}
	fputs("# Written by `apctl up`; edit it, then `apctl down` and `apctl up` again. Every option: etc/alphapulse.conf.\n", f);
	for (size_t i = 0; i < ap_opts_n; i++) {
		const struct ap_opt *o = &ap_opts[i];
		ap_conf_get(conf, o, val, VALUE_MAX);
		if (strcmp(val, o->dflt) == 0)
			continue;
		if (strcmp(section, o->section) != 0)
			fprintf(f, "%s%s = {\n", section[0] != '\0' ? "};\n" : "", o->section);
		section = o->section;
		fprintf(f, "  %s = ", o->key);
		if (o->type == AP_OPT_U64)
			fprintf(f, "%s%s", val, strlen(val) > 9 ? "L" : "");
		else if (o->type == AP_OPT_BOOL)
			fputs(val, f);
		else
			quoted(f, val);
		fputs(";\n", f);
	}
	fputs(section[0] != '\0' ? "};\n" : "", f);
	free(val);
	return fclose(f) == 0 && rename(tmp, path) == 0;
}

/* The pid that holds DIR/run/NAME.pid, or 0. */
static pid_t lock_holder(const char *dir, const char *name)
{
	char path[PATH_LEN], text[32] = "";
	snprintf(path, sizeof path, "%s/run/%s.pid", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	bool free_now = flock(fd, LOCK_SH | LOCK_NB) == 0;
	ssize_t n = free_now ? 0 : read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* The supervisor of DIR, or, while that is being started again, its keeper; 0: neither. */
static pid_t running(const char *dir)
{
	pid_t pid = lock_holder(dir, "supervisor");
	return pid != 0 ? pid : lock_holder(dir, "keeper");
}

/* The program of this name beside this one. */
static void beside(const char *name, char out[PATH_LEN])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_LEN - 32);
	out[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(out, '/');
	snprintf(slash != NULL ? slash : out, 32, "/%.30s", name);
}

/* -n with the file and the options that we were given, so that what it says names them. In the child; never returns. */
static void exec_check(const struct ctl *c, const char *path)
{
	const char *argv[4 + 2 * AP_OVER_MAX + 1] = { path, "-n" };
	size_t n = 2;
	int null_fd = open("/dev/null", O_RDWR);
	if (c->app.conf_path != NULL) {
		argv[n++] = "-c";
		argv[n++] = c->app.conf_path;
	}
	for (size_t i = 0; i < c->app.over_n; i++) {
		argv[n++] = "-o";
		argv[n++] = c->app.over[i];
	}
	dup2(null_fd, 0);
	dup2(null_fd, 1);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(AP_EX_AGAIN);
}

/*
 * Asks every program that is to run what it thinks of the configuration; it says itself what is wrong. Those beside this one are
 * asked, not those of supervisor.bin_dir, which may be anything; where there are none, nothing is known before the start.
 */
static bool programs_agree(const struct ctl *c)
{
	static const char *const names[] = { "ap-ingest", "ap-normalize", "ap-candle", "ap-indicators", "ap-persist", "ap-metrics", "ap-api" };
	bool fine = true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[PATH_LEN];
		int st = 0;
		if (strstr(c->app.conf.supervisor_programs, names[i]) == NULL)
			continue;
		beside(names[i], path);
		pid_t pid = fork();
		if (pid == 0)
			exec_check(c, path);
		while (pid > 0 && waitpid(pid, &st, 0) == -1 && errno == EINTR)
			;
		fine = fine && !(pid > 0 && WIFEXITED(st) && WEXITSTATUS(st) == AP_EX_MISTAKE);
	}
	return fine;
}

static void exec_supervisor(const char *dir, const char *conf, const char *flag)
{
	char self[PATH_LEN], log[PATH_LEN];
	beside("ap-supervisor", self);
	snprintf(log, sizeof log, "%s/log/supervisor.log", dir);
	setsid();
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644), null_fd = open("/dev/null", O_RDONLY);
	dup2(null_fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
	execl(self, self, "-c", conf, flag, (char *)NULL);
	dprintf(2, "lvl=error app=apctl ev=exec_failed program=%s why=\"%s\"\n", self, strerror(errno));
	_exit(AP_EX_AGAIN);
}

/* In two steps, so that the supervisor is nobody's child and no zombie of ours. */
static bool start_supervisor(const char *dir, const char *conf, const char *flag)
{
	int st = 0;
	pid_t pid = fork();
	if (pid == 0) {
		pid_t second = fork();
		if (second == 0)
			exec_supervisor(dir, conf, flag);
		_exit(second > 0 ? 0 : 1);
	}
	while (pid > 0 && waitpid(pid, &st, 0) == -1 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

/* Whether the supervisor's status has these words, the second one in the same object. */
static bool status_says(const char *dir, const char *first, const char *second)
{
	char path[PATH_LEN], text[4096] = "";
	snprintf(path, sizeof path, "%s/run/supervisor.json", dir);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *at = strstr(text, first);
	const char *hit = at != NULL && second != NULL ? strstr(at, second) : at;
	return hit != NULL && (second == NULL || hit < at + strcspn(at, "}"));
}

/* The servers are not what they should be, and waiting does not help: its last words say why. The servers stay up for the cure. */
static int say_parked(const char *dir)
{
	char path[PATH_LEN], line[2048], last[2048] = "see the log of `apctl migrate`";
	snprintf(path, sizeof path, "%s/log/migrate.log", dir);
	FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, "apctl: ", 7) == 0)
			snprintf(last, sizeof last, "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
	if (f != NULL)
		fclose(f);
	return ctl_fail(AP_EX_MISTAKE, "not started: %s", last);
}

static int wait_ready(const char *dir, uint64_t timeout_s)
{
	for (uint64_t ms = 0; ms < timeout_s * 1000; ms += 50) {
		nap_ms(50);
		if (running(dir) == 0 && ms > 2000)
			return ctl_fail(AP_EX_AGAIN, "the supervisor ended at once; see %s/log/supervisor.log", dir);
		if (running(dir) != 0 && status_says(dir, "\"ready\":true", NULL))
			return 0;
		if (status_says(dir, "\"name\":\"migrate\"", "\"state\":\"parked\""))
			return say_parked(dir);
	}
	return ctl_fail(CTL_EX_TIMEOUT, "not ready after %llu s; see %s/log/ and `apctl status --dir %s`", (unsigned long long)timeout_s,
			dir, dir);
}

int cmd_up(struct ctl *c)
{
	char dir[PATH_MAX], conf[PATH_LEN], sub[PATH_LEN];
	uint64_t timeout_s;
	if (c->dir == NULL)
		return ctl_fail(AP_EX_MISTAKE, "up needs --dir DIR");
	if (!ctl_flag_u64(c, "timeout", 120, 1, 3600, &timeout_s))
		return AP_EX_MISTAKE;
	if ((mkdir(c->dir, 0755) == -1 && errno != EEXIST) || realpath(c->dir, dir) == NULL)
		return ctl_fail(AP_EX_MISTAKE, "%s cannot be made: %s", c->dir, strerror(errno));
	for (int i = 0; i < 40 && running(dir) != 0; i++)
		nap_ms(25);     /* one that was just killed holds its lock until it is quite gone */
	if (running(dir) != 0)
		return ctl_fail(AP_EX_MISTAKE, "a pipeline runs in %s already (pid %ld); apctl down --dir %s ends it", dir,
				(long)running(dir), dir);
	if (!programs_agree(c))
		return ctl_fail(AP_EX_MISTAKE, "not started: the configuration is wrong, as said above");
	snprintf(conf, sizeof conf, "%s/alphapulse.conf", dir);
	snprintf(sub, sizeof sub, "%s/log", dir);
	if (mkdir(sub, 0755) == -1 && errno != EEXIST)
		return ctl_fail(AP_EX_MISTAKE, "%s cannot be made: %s", sub, strerror(errno));
	if (access(conf, F_OK) != 0 && !fresh_conf(c, dir))
		return AP_EX_MISTAKE;
	if (!overrides(c))
		return AP_EX_MISTAKE;
	if (!write_conf(&c->app.conf, conf))
		return ctl_fail(AP_EX_MISTAKE, "%s cannot be written: %s", conf, strerror(errno));
	snprintf(sub, sizeof sub, "%s/run/supervisor.json", dir);
	unlink(sub);    /* what an earlier run said is no news */
	if (!start_supervisor(dir, conf, NULL))
		return ctl_fail(AP_EX_AGAIN, "no process could be started: %s", strerror(errno));
	int rc = wait_ready(dir, timeout_s);
	if (rc == 0)
		printf("ready: page http://%s  metrics http://%s/metrics  trades in %s\nlogs: %s/log  end it: apctl down --dir %s\n",
		       c->app.conf.api_listen, c->app.conf.metrics_listen, c->app.conf.ingest_tcp, dir, dir);
	return rc;
}

void ctl_supervisor_poke(const struct ctl *c)
{
	pid_t pid = running(c->app.conf.data_dir);
	if (pid > 0 && status_says(c->app.conf.data_dir, "\"name\":\"migrate\"", "\"state\":\"parked\""))
		kill(pid, SIGHUP);
}

/* Is there a list of children that no supervisor has ended? It may name none that still runs: --end finds out. */
static bool left_behind(const char *dir)
{
	char path[PATH_LEN];
	snprintf(path, sizeof path, "%s/run/children", dir);
	return access(path, F_OK) == 0;
}

int cmd_down(struct ctl *c)
{
	uint64_t timeout_s;
	if (!ctl_flag_u64(c, "timeout", 60, 1, 3600, &timeout_s))
		return AP_EX_MISTAKE;
	const char *dir = c->app.conf.data_dir;
	pid_t pid = running(dir);
	if (pid == 0 && !left_behind(dir)) {
		printf("nothing runs in %s\n", dir);
		return 0;
	}
	if (pid == 0 && !start_supervisor(dir, c->app.conf_path, "--end"))
		return ctl_fail(AP_EX_AGAIN, "no process could be started: %s", strerror(errno));
	if (pid != 0 && kill(pid, SIGTERM) == -1 && errno != ESRCH)
		return ctl_fail(AP_EX_AGAIN, "pid %ld cannot be ended: %s", (long)pid, strerror(errno));
	for (uint64_t ms = 0; ms < timeout_s * 1000; ms += 50) {
		nap_ms(50);
		if (running(dir) == 0 && !left_behind(dir)) {
			printf("ended\n");
			return 0;
		}
	}
	return ctl_fail(CTL_EX_TIMEOUT, "pid %ld still runs after %llu s; see %s/log/supervisor.log", (long)running(dir),
			(unsigned long long)timeout_s, dir);
}

static void env_line(const char *name, const char *prefix, const char *value, const char *suffix)
{
	printf("%s='%s%s%s'\n", name, prefix, value, suffix);
}

int cmd_env(struct ctl *c)
{
	char url[600], user[128], host[256], port[32], name[128];
	const char *pg = c->app.conf.pg_conninfo;
	ap_pg_conninfo_value(pg, "user", "alpha_emon", user, sizeof user);
	ap_pg_conninfo_value(pg, "host", "127.0.0.1", host, sizeof host);
	ap_pg_conninfo_value(pg, "port", "5432", port, sizeof port);
	ap_pg_conninfo_value(pg, "dbname", "alphapulse", name, sizeof name);
	if (host[0] == '/')
		snprintf(url, sizeof url, "postgresql://%s@/%s?port=%s&host=%s", user, name, port, host);
	else
		snprintf(url, sizeof url, "postgresql://%s@%s:%s/%s", user, host, port, name);
	env_line("AP_REDIS_URL", "", c->app.conf.redis_url, "");
	env_line("AP_PG_URL", "", url, "");
	env_line("AP_API_URL", "http://", c->app.conf.api_listen, "");
	env_line("AP_METRICS_URL", "http://", c->app.conf.metrics_listen, "/metrics");
	env_line("AP_INGEST_TCP", "", c->app.conf.ingest_tcp, "");
	return 0;
}
