/*
 * json_agree.h - the law of json.c: what the fast scanner accepts, yajl accepts with the same tokens.
 */
#ifndef TEST_FUZZ_JSON_AGREE_H
#define TEST_FUZZ_JSON_AGREE_H

#include <stdio.h>
#include <string.h>

#include "common/core/json.h"

enum { JSON_AGREE_TOKS = 512 };

static inline bool json_same_token(const struct ap_jtok *a, const struct ap_jtok *b)
{
	return a->type == b->type && a->off == b->off && a->len == b->len && a->n == b->n && a->next == b->next &&
	       a->escaped == b->escaped;
}

/* NULL when they agree (*taken: the scanner accepted), else what differs. */
static inline const char *json_disagreement(ap_str text, bool *taken)
{
	static struct ap_jtok ts[JSON_AGREE_TOKS], ty[JSON_AGREE_TOKS];
	struct ap_json s, y;
	bool yes;
	*taken = ap_json_scan(&s, text, ts, JSON_AGREE_TOKS);
	yes = ap_json_yajl(&y, text, ty, JSON_AGREE_TOKS);
	if (!yes && y.err[0] == '\0')
		return "yajl refused without a word";
	if (yes)
		for (uint32_t i = 0; i < y.n; i++) {
			char out[64];
			size_t len;
			if (y.tok[i].type == AP_J_STR)
				(void)ap_json_unescape(&y, i, out, sizeof out, &len);
		}
	if (!*taken)
		return NULL;
	if (!yes)
		return "the scanner took what yajl refuses";
	if (s.n != y.n)
		return "different numbers of tokens";
	for (uint32_t i = 0; i < s.n; i++)
		if (!json_same_token(&s.tok[i], &y.tok[i]))
			return "different tokens";
	return NULL;
}

#endif
