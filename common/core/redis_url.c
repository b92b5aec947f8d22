/*
 * redis_url.c - what redis.url says, and the hash slot of a key.
 */
#include "redis_url.h"

#include <stdio.h>

static bool port_ok(ap_str p)
{
	unsigned long n = 0;

	if (p.len == 0 || p.len > 5)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		if (p.p[i] < '0' || p.p[i] > '9')
			return false;
		n = n * 10 + (unsigned long)(p.p[i] - '0');
	}
	return n > 0 && n < 65536;
}

bool ap_place_parse(ap_str text, const char *port, struct ap_place *out)
{
	ap_str host = text, p = ap_str_c(port);
	const char *colon = text.len > 0 ? memrchr(text.p, ':', text.len) : NULL;
	const char *close = text.len > 0 ? memrchr(text.p, ']', text.len) : NULL;

	if (colon != NULL && (close == NULL || colon > close)) {
		host.len = (size_t)(colon - text.p);
		p = ap_str_n(colon + 1, text.len - host.len - 1);
	}
	if (host.len > 1 && host.p[0] == '[') {
		if (host.p[host.len - 1] != ']')
			return false;
		host = ap_str_n(host.p + 1, host.len - 2);
	}
	if (host.len == 0 || host.len >= sizeof out->host || !port_ok(p))
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (host.p[i] <= ' ' || host.p[i] == '@' || host.p[i] == '[' || host.p[i] == ']' || host.p[i] == '/')
			return false;
	snprintf(out->host, sizeof out->host, "%.*s", (int)host.len, host.p);
	snprintf(out->port, sizeof out->port, "%.*s", (int)p.len, p.p);
	return true;
}

bool ap_place_eq(const struct ap_place *a, const struct ap_place *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

const char *ap_place_text(const struct ap_place *p, char out[AP_PLACE_TEXT])
{
	bool colons = strchr(p->host, ':') != NULL;

	if (p->port[0] == '\0')
		snprintf(out, AP_PLACE_TEXT, p->host[0] == '\0' ? "nowhere" : "unix:%s", p->host);
	else
		snprintf(out, AP_PLACE_TEXT, colons ? "[%s]:%s" : "%s:%s", p->host, p->port);
	return out;
}

/* HOST:PORT[,HOST:PORT...] */
static bool places(ap_str list, const char *port, struct ap_redis_url *out)
{
	while (list.len > 0 && out->n < AP_URL_HOSTS) {
		const char *comma = memchr(list.p, ',', list.len);
		size_t len = comma == NULL ? list.len : (size_t)(comma - list.p);
		if (!ap_place_parse(ap_str_n(list.p, len), port, &out->at[out->n++]))
			return false;
		if (comma == NULL)
			return true;
		list = ap_str_n(comma + 1, list.len - len - 1);
	}
	return false;           /* nothing, a comma at the end, or too many */
}

static bool copy(ap_str s, char *out, size_t cap, const char *set)
{
	if (s.len >= cap)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (strchr(set, s.p[i]) == NULL)
			return false;
	snprintf(out, cap, "%.*s", (int)s.len, s.p == NULL ? "" : s.p);
	return true;
}

/* What stands before the first '/', and behind it. */
static ap_str until_slash(ap_str *s)
{
	const char *slash = s->len > 0 ? memchr(s->p, '/', s->len) : NULL;
	ap_str head = slash == NULL ? *s : ap_str_n(s->p, (size_t)(slash - s->p));

	*s = slash == NULL ? (ap_str){ NULL, 0 } : ap_str_n(slash + 1, s->len - head.len - 1);
	return head;
}

static bool parse_unix(ap_str rest, struct ap_redis_url *out)
{
	out->kind = AP_URL_UNIX;
	out->n = 1;
	if (rest.len < 2 || rest.p[0] != '/' || rest.len >= 108)        /* sun_path of Linux */
		return false;
	snprintf(out->at[0].host, sizeof out->at[0].host, "%.*s", (int)rest.len, rest.p);
	return true;
}

bool ap_redis_url_parse(const char *text, struct ap_redis_url *out, char *err, size_t errlen)
{
	static const char digits[] = "0123456789",
		names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	ap_str rest = ap_str_c(strstr(text, "://"));
	size_t scheme = rest.p == NULL ? 0 : (size_t)(rest.p - text);
	ap_str s = ap_str_n(text, scheme);

	*out = (struct ap_redis_url){ 0 };
	if (rest.p != NULL)
		rest = ap_str_n(rest.p + 3, rest.len - 3);
	if (ap_str_is(s, "unix")) {
		if (parse_unix(rest, out))
			return true;
		snprintf(err, errlen, "redis.url: unix:// needs an absolute path shorter than 108 bytes");
	} else if (ap_str_is(s, "redis")) {
		ap_str host = until_slash(&rest);
		out->kind = AP_URL_SINGLE;
		if (places(host, "6379", out) && out->n == 1 && copy(rest, out->db, sizeof out->db, digits))
			return true;
		snprintf(err, errlen, "redis.url must be redis://HOST:PORT[/DB] (no password in it)");
	} else if (ap_str_is(s, "sentinel")) {
		ap_str hosts = until_slash(&rest), name = until_slash(&rest);
		out->kind = AP_URL_SENTINEL;
		if (places(hosts, "26379", out) && name.len > 0 && copy(name, out->name, sizeof out->name, names)
		    && copy(rest, out->db, sizeof out->db, digits))
			return true;
		snprintf(err, errlen, "redis.url must be sentinel://HOST:PORT,HOST:PORT/NAME[/DB], at most %d Sentinels", AP_URL_HOSTS);
	} else if (ap_str_is(s, "cluster")) {
		out->kind = AP_URL_CLUSTER;
		if (places(rest, "6379", out))
			return true;
		snprintf(err, errlen, "redis.url must be cluster://HOST:PORT,HOST:PORT, at most %d nodes, no database number", AP_URL_HOSTS);
	} else {
		snprintf(err, errlen, "redis.url must begin with redis://, unix://, sentinel:// or cluster:// (TLS: a local stunnel)");
	}
	return false;
}

unsigned ap_key_slot(ap_str key)
{
	const char *open = key.len > 0 ? memchr(key.p, '{', key.len) : NULL;
	unsigned crc = 0;

	if (open != NULL) {
		size_t left = key.len - (size_t)(open - key.p) - 1;
		const char *end = memchr(open + 1, '}', left);
		if (end != NULL && end > open + 1)
			key = ap_str_n(open + 1, (size_t)(end - open - 1));
	}
	for (size_t i = 0; i < key.len; i++) {
		crc ^= (unsigned)(unsigned char)key.p[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
	}
	return crc % AP_SLOTS;
}
