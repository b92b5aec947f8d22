/*
 * redis_url.h - what redis.url says, and the hash slot of a key.
 *
 *   redis://HOST:PORT[/DB]                 one server
 *   unix:///path                           one server, on this machine
 *   sentinel://H1:P1,H2:P2,.../NAME[/DB]   the primary that these Sentinels know as NAME
 *   cluster://H1:P1,H2:P2,...              a Redis Cluster; any of its nodes is enough to find the others
 */
#ifndef AP_REDIS_URL_H
#define AP_REDIS_URL_H

#include "base.h"

enum { AP_SLOTS = 16384, AP_URL_HOSTS = 16 };

enum ap_url_kind { AP_URL_SINGLE, AP_URL_UNIX, AP_URL_SENTINEL, AP_URL_CLUSTER };

/* A server's address as text: host and port, or a path in host and no port. */
struct ap_place {
	char host[254];         /* no brackets around an IPv6 address */
	char port[6];           /* "": host is the path of a unix socket; host "" too: no place */
};

struct ap_redis_url {
	enum ap_url_kind kind;
	struct ap_place at[AP_URL_HOSTS];       /* n of them; only Sentinel and Cluster have more than one */
	unsigned n;
	char name[64];          /* Sentinel: what the primary is called */
	char db[5];             /* "" or the number to SELECT */
};

/* False with a sentence in err. A port is 6379 (26379 for Sentinels) unless given. */
bool ap_redis_url_parse(const char *text, struct ap_redis_url *out, char *err, size_t errlen);

/* "HOST:PORT", also as Redis writes it in -MOVED (IPv6 without brackets: the last colon divides). False: it is not one. */
bool ap_place_parse(ap_str text, const char *port, struct ap_place *out);
bool ap_place_eq(const struct ap_place *a, const struct ap_place *b);
/* For log lines: "host:port", "[::1]:6379", "unix:/path". */
enum { AP_PLACE_TEXT = 270 };
const char *ap_place_text(const struct ap_place *p, char out[AP_PLACE_TEXT]);

/* CRC-16/XMODEM of the key, or of its hash tag, mod 16384 (Redis Cluster specification). */
unsigned ap_key_slot(ap_str key);

#endif
