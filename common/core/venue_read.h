/*
 * venue_read.h - what the readers of venue_*.c share; nobody else includes it.
 *
 * A reader gets a message that is valid JSON (v->j, token 0 is the root), finds its trades and quotes and hands each
 * to ap_vemit or ap_vemit_quote. It judges shapes, never values.
 */
#ifndef AP_VENUE_READ_H
#define AP_VENUE_READ_H

#include "venue.h"

struct ap_format {
	const char *name;
	enum ap_venue_what (*read)(struct ap_venue *v);
	bool own;               /* our own format: no venue's symbol rules, no text keep-alives */
	bool many;              /* a message may hold several trades or quotes */
};

struct ap_venue {
	struct ap_json j;
	const struct ap_venue_on *on;
	uint32_t trades, quotes, most;  /* handed out of this message; both together at most */
	bool stopped;           /* `on` wants no more */
	const char *why;        /* after AP_VENUE_BAD */
	char detail[AP_DETAIL_MAX];
	size_t scratch_len;     /* unescaped texts of the current trade */
	char scratch[1024];
	struct ap_jtok toks[AP_JSON_TOKS];
};

/* A token's text: p == NULL for absent (0) and null; strings unescaped; anything else as spelled. */
ap_str ap_vtext(struct ap_venue *v, uint32_t tok);
/* The same for a member of an object. */
ap_str ap_vmember(struct ap_venue *v, uint32_t obj, const char *key);
/* Is the member a string that says exactly this? */
bool ap_vsays(const struct ap_venue *v, uint32_t obj, const char *key, const char *word);
/* Hands out a trade whose JSON is token tok. False: stop reading (told to, or too many). */
bool ap_vemit(struct ap_venue *v, uint32_t tok, struct ap_vtrade *t);
/* The same for a quote. */
bool ap_vemit_quote(struct ap_venue *v, uint32_t tok, struct ap_vquote *q);
/* What the reader returns after its last one. */
enum ap_venue_what ap_vdone(const struct ap_venue *v);
/* The shape is not the format's: `why` is a word, the sentence says what was expected. */
enum ap_venue_what ap_vbad(struct ap_venue *v, const char *why, const char *sentence);
/* "buy" "Buy" "b" "sell" "SELL" "s" ...; anything else: unknown. */
enum ap_side ap_vside(ap_str word);

static inline bool ap_vis(const struct ap_venue *v, uint32_t tok, enum ap_json_type type)
{
	return v->j.tok[tok].type == type;
}

enum ap_venue_what ap_vread_trade(struct ap_venue *v);
enum ap_venue_what ap_vread_binance(struct ap_venue *v);
enum ap_venue_what ap_vread_coinbase(struct ap_venue *v);
enum ap_venue_what ap_vread_kraken(struct ap_venue *v);
enum ap_venue_what ap_vread_bybit(struct ap_venue *v);
enum ap_venue_what ap_vread_okx(struct ap_venue *v);

#endif
