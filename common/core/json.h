/*
 * json.h - JSON text as a flat array of tokens, bounded in size and depth.
 *
 * Numbers stay text. A fast scanner takes the common case; what it declines is read again by yajl,
 * which alone decides whether a text is JSON (RFC 8259, valid UTF-8). The two agree by a differential fuzz test.
 */
#ifndef AP_JSON_H
#define AP_JSON_H

#include "base.h"

enum { AP_JSON_DEPTH = 16, AP_JSON_TOKS = 16384 };

enum ap_json_type { AP_J_NULL, AP_J_FALSE, AP_J_TRUE, AP_J_NUM, AP_J_STR, AP_J_ARR, AP_J_OBJ };

struct ap_jtok {
	enum ap_json_type type;
	uint32_t off, len;      /* where its text stands; strings: inside the quotes, still escaped */
	uint32_t n;             /* array: elements; object: members (each member is key token, value token) */
	uint32_t next;          /* index of the token after this value's last one */
	bool escaped;           /* string with a backslash: read it through ap_json_unescape */
};

struct ap_json {
	const char *text;
	size_t len;
	struct ap_jtok *tok;    /* tok[0] is the root */
	uint32_t n;
	char err[160];          /* after a failure: what and at which byte (from 1) */
};

/* Reads one JSON value filling the whole text (blanks around it allowed). toks: the caller's cap tokens. False: j->err. */
bool ap_json_parse(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap);
/* The two readers behind it, for the test that compares them. The scanner's false means "not sure": ask yajl. */
bool ap_json_scan(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap);
bool ap_json_yajl(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap);
/* The value of a member (token index) or 0 when absent (0 is the root, never a member). */
uint32_t ap_json_get(const struct ap_json *j, uint32_t obj, const char *key);
/* i-th element of an array, or 0. */
uint32_t ap_json_at(const struct ap_json *j, uint32_t arr, uint32_t i);
/* A token's text: strings without their quotes (escaped as sent), numbers as spelled. */
ap_str ap_json_text(const struct ap_json *j, uint32_t tok);
/* What four hexadecimal digits say; they must be such. */
unsigned ap_json_hex4(const char *p);
/* A string token with its escapes resolved into out (cap bytes); false if it does not fit. */
bool ap_json_unescape(const struct ap_json *j, uint32_t tok, char *out, size_t cap, size_t *len);

#endif
