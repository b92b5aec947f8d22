/*
 * name.h - a host's name as an address, looked up beside the loop: a name server that does not answer holds nobody up.
 */
#ifndef AP_IO_NAME_H
#define AP_IO_NAME_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

struct ap_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct ap_name;

/* addr: NULL when there is none, then why says it. Called once, in a turn of the loop, unless it was dropped before. */
typedef void ap_name_fn(void *ctx, const struct ap_addr *addr, const char *why);

/* True: it is a numeric address, no question is needed. */
bool ap_addr_numeric(const char *host, const char *port, struct ap_addr *out);
/* Asks in a thread of its own, which ends by itself. NULL: no thread or no memory. */
struct ap_name *ap_name_ask(struct ev_loop *loop, const char *host, const char *port, ap_name_fn *done, void *ctx);
/* No answer is wanted any more. NULL is fine; not to be called once it was answered. */
void ap_name_drop(struct ap_name *n);

#endif
