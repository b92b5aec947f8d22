/*
 * ctl.c - connections, tables and complaints for the verbs.
 */
#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("apctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

const char *ctl_flag(const struct ctl *c, const char *name, const char *dflt)
{
	const char *v = ap_app_flag(&c->app, name);
	return v != NULL ? v : dflt;
}

bool ctl_flag_u64(const struct ctl *c, const char *name, uint64_t dflt, uint64_t lo, uint64_t hi, uint64_t *out)
{
	const char *v = ap_app_flag(&c->app, name);
	char *end = NULL;
	*out = dflt;
	if (v == NULL)
		return true;
	errno = 0;
	unsigned long long n = strtoull(v, &end, 10);
	if (errno != 0 || end == v || *end != '\0' || v[0] == '-' || n < lo || n > hi) {
		ctl_fail(AP_EX_MISTAKE, "--%s: \"%s\" is not a whole number from %llu to %llu", name, v, (unsigned long long)lo,
			 (unsigned long long)hi);
		return false;
	}
	*out = n;
	return true;
}

int ctl_connect(const char *host_port)
{
	char host[200];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a = NULL;
	snprintf(host, sizeof host, "%s", host_port);
	char *colon = strrchr(host, ':');
	if (colon == NULL)
		return -1;
	*colon = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &a) != 0)
		return -1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == -1) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(a);
	return fd;
}

PGconn *ctl_pg_quiet(const struct ctl *c, char *err, size_t errlen)
{
	char pass[512] = "";
	const char *keys[] = { "dbname", "password", "connect_timeout", "application_name", NULL };
	const char *vals[] = { c->app.conf.pg_conninfo, NULL, "5", "apctl", NULL };
	if (c->app.conf.pg_password_file[0] != '\0') {
		if (!ap_secret_read(c->app.conf.pg_password_file, pass, sizeof pass)) {
			snprintf(err, errlen, "pg.password_file %s cannot be read", c->app.conf.pg_password_file);
			return NULL;
		}
		vals[1] = pass;
	}
	PGconn *pg = PQconnectdbParams(keys, vals, 1);
	explicit_bzero(pass, sizeof pass);
	if (PQstatus(pg) != CONNECTION_OK) {
		snprintf(err, errlen, "no PostgreSQL: %s", PQerrorMessage(pg));
		PQfinish(pg);
		return NULL;
	}
	return pg;
}

PGconn *ctl_pg(const struct ctl *c)
{
	char err[1024];
	PGconn *pg = ctl_pg_quiet(c, err, sizeof err);
	if (pg == NULL)
		ctl_fail(AP_EX_AGAIN, "%s", err);
	return pg;
}

const char *ctl_hash(const redisReply *r, const char *field)
{
	if (r == NULL || r->type != REDIS_REPLY_ARRAY)
		return NULL;
	for (size_t i = 0; i + 1 < r->elements; i += 2)
		if (r->element[i]->str != NULL && strcmp(r->element[i]->str, field) == 0)
			return r->element[i + 1]->str;
	return NULL;
}

uint64_t ctl_hash_u64(const redisReply *r, const char *field)
{
	const char *v = ctl_hash(r, field);
	return v != NULL ? strtoull(v, NULL, 10) : 0;
}

void ctl_table_begin(struct ctl_table *t)
{
	ap_buf_init(&t->text, 1 << 20);
}

void ctl_table_row(struct ctl_table *t, const char *fmt, ...)
{
	char row[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(row, sizeof row, fmt, ap);
	va_end(ap);
	ap_buf_puts(&t->text, row);
	ap_buf_putc(&t->text, '\n');
}

static void print_csv(const struct ctl_table *t)
{
	for (size_t i = 0; i < t->text.len; i++)
		putchar(t->text.p[i] == '\t' ? ',' : t->text.p[i]);
}

enum { COLS = 16 };

/* Widths of the columns, so that what is below stands below. */
static void widths(const struct ctl_table *t, size_t w[COLS])
{
	size_t col = 0, len = 0;
	for (size_t i = 0; i < t->text.len; i++) {
		if (t->text.p[i] != '\t' && t->text.p[i] != '\n') {
			len++;
			continue;
		}
		if (col < COLS && len > w[col])
			w[col] = len;
		col = t->text.p[i] == '\n' ? 0 : col + 1;
		len = 0;
	}
}

void ctl_table_end(const struct ctl *c, struct ctl_table *t)
{
	size_t w[COLS] = { 0 }, col = 0, len = 0;
	if (c->csv) {
		print_csv(t);
		ap_buf_done(&t->text);
		return;
	}
	widths(t, w);
	for (size_t i = 0; i < t->text.len; i++) {
		char ch = (char)t->text.p[i];
		if (ch == '\t') {
			for (size_t pad = len; col < COLS && pad < w[col] + 2; pad++)
				putchar(' ');
			col++;
			len = 0;
		} else {
			putchar(ch);
			len = ch == '\n' ? 0 : len + 1;
			col = ch == '\n' ? 0 : col;
		}
	}
	ap_buf_done(&t->text);
}
