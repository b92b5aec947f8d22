/*
 * outq.h - what waits to be sent to one WebSocket client.
 *
 * Pure and bounded in bytes. Bodies are shared between clients and counted by reference. Forming candles (and what
 * else has a key) are conflated: a newer one takes the place of an unsent older one, and says how many it replaced.
 * Messages are numbered from 1 without a gap, so that a client sees at once when one is missing.
 */
#ifndef AP_API_OUTQ_H
#define AP_API_OUTQ_H

#include "../../common/core/buf.h"

struct api_body {
	uint32_t refs;
	uint32_t len;
	char text[];            /* JSON members, without the braces: "type":"candle",... */
};

/* A copy of text with one reference; NULL: out of memory. */
struct api_body *api_body_new(ap_str text);
void api_body_unref(struct api_body *b);

struct api_item {
	struct api_body *body;
	uint64_t key;           /* 0: never conflated */
	uint64_t n;             /* its number, from 1 */
	uint32_t conflated;     /* messages it replaced */
	bool asked;             /* the client asked for it: not counted in bytes */
};

struct api_outq {
	struct api_item *item;  /* owned ring of cap; cap a power of two */
	uint32_t head, n, cap;
	size_t bytes, max;      /* what the messages waiting cost, without those asked for */
	uint32_t asked;         /* messages waiting that were asked for */
	uint64_t next;          /* number of the next message */
	uint64_t conflated;     /* counter */
};

void api_outq_init(struct api_outq *q, size_t max);
void api_outq_done(struct api_outq *q);
/* Drops what waits; numbers go on. */
void api_outq_clear(struct api_outq *q);
/* Puts a message (takes its own reference). False: it would exceed the bound; the client is too slow. */
bool api_outq_put(struct api_outq *q, struct api_body *b, uint64_t key);
/* Puts what the client asked for, however long: the caller sees to it that one such message waits at a time. */
bool api_outq_put_asked(struct api_outq *q, struct api_body *b);
/* Takes the oldest; the caller owns its reference. False: empty. */
bool api_outq_take(struct api_outq *q, struct api_item *out);
/* The whole text of a message as it is sent. */
void api_item_text(const struct api_item *i, struct ap_buf *out);

#endif
