/*
 * name.c - a host's name as an address, looked up beside the loop.
 *
 * One detached thread a question. It and the loop hold one half each; who lets go last frees it.
 */
#include "name.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ap_name {
	struct ev_loop *loop;
	ev_async wake;
	char host[254], port[6];
	ap_name_fn *done;
	void *ctx;
	pthread_mutex_t lock;
	bool dropped, answered; /* under the lock */
	struct ap_addr addr;    /* written before answered */
	int rc;
};

static bool lookup(const char *host, const char *port, int flags, struct ap_addr *out, int *rc)
{
	struct addrinfo hint = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *found = NULL;

	*rc = getaddrinfo(host, port, &hint, &found);
	if (*rc != 0 || found == NULL)
		return false;
	memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

bool ap_addr_numeric(const char *host, const char *port, struct ap_addr *out)
{
	int rc;

	return lookup(host, port, AI_NUMERICHOST | AI_NUMERICSERV, out, &rc);
}

static void name_free(struct ap_name *n)
{
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static void *thread(void *arg)
{
	struct ap_name *n = arg;
	struct ap_addr addr = { .len = 0 };
	int rc;

	lookup(n->host, n->port, AI_NUMERICSERV, &addr, &rc);
	pthread_mutex_lock(&n->lock);
	n->addr = addr;
	n->rc = rc;
	n->answered = true;
	bool dropped = n->dropped;
	if (!dropped)
		ev_async_send(n->loop, &n->wake);       /* under the lock: the loop cannot have gone */
	pthread_mutex_unlock(&n->lock);
	if (dropped)
		name_free(n);
	return NULL;
}

static void wake_cb(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ap_name *n = w->data;
	struct ap_addr addr;

	(void)revents;
	ev_async_stop(loop, w);
	pthread_mutex_lock(&n->lock);
	addr = n->addr;
	ap_name_fn *done = n->done;
	void *ctx = n->ctx;
	int rc = n->rc;
	pthread_mutex_unlock(&n->lock);
	name_free(n);
	done(ctx, addr.len > 0 ? &addr : NULL, addr.len > 0 ? NULL : rc != 0 ? gai_strerror(rc) : "no address");
}

struct ap_name *ap_name_ask(struct ev_loop *loop, const char *host, const char *port, ap_name_fn *done, void *ctx)
{
	struct ap_name *n = calloc(1, sizeof *n);
	pthread_attr_t attr;
	pthread_t id;

	if (n == NULL)
		return NULL;
	*n = (struct ap_name){ .loop = loop, .done = done, .ctx = ctx };
	snprintf(n->host, sizeof n->host, "%s", host);
	snprintf(n->port, sizeof n->port, "%s", port);
	pthread_mutex_init(&n->lock, NULL);
	ev_async_init(&n->wake, wake_cb);
	n->wake.data = n;
	ev_async_start(loop, &n->wake);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(&id, &attr, thread, n);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return n;
	ev_async_stop(loop, &n->wake);
	name_free(n);
	return NULL;
}

void ap_name_drop(struct ap_name *n)
{
	if (n == NULL)
		return;
	ev_async_stop(n->loop, &n->wake);
	pthread_mutex_lock(&n->lock);
	n->dropped = true;
	bool answered = n->answered;
	pthread_mutex_unlock(&n->lock);
	if (answered)
		name_free(n);
}
