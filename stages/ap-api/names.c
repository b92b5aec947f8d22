/*
 * names.c - parameters to names.
 */
#include "names.h"

#include <assert.h>
#include <stdlib.h>

enum { PARAMS_MAX = 8 };

struct pair {
	ap_str key, val;
};

void api_names_init(struct api_names *t)
{
	*t = (struct api_names){ 0 };
}

void api_names_done(struct api_names *t)
{
	free(t->name);
	*t = (struct api_names){ 0 };
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		c == '-' || c == '+';
}

/* The next run of word characters in s from *at; empty at the end. */
static ap_str next_word(ap_str s, size_t *at)
{
	size_t i = *at;
	while (i < s.len && !is_word(s.p[i]))
		i++;
	size_t from = i;
	while (i < s.len && is_word(s.p[i]))
		i++;
	*at = i;
	return ap_str_n(s.p + from, i - from);
}

/* Where a parameter stands in the name: the customary ones first, in their customary order. */
static int rank_of(ap_str key)
{
	static const char *const order[] = { "period", "timeperiod", "fast", "fastperiod", "slow", "slowperiod",
					     "signal", "signalperiod", "dev", "nbdev" };
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if (ap_str_is(key, order[i]))
			return (int)i;
	return 100;
}

static bool before(const struct pair *a, const struct pair *b)
{
	int ra = rank_of(a->key), rb = rank_of(b->key);
	if (ra != rb)
		return ra < rb;
	size_t n = a->key.len < b->key.len ? a->key.len : b->key.len;
	int c = n == 0 ? 0 : memcmp(a->key.p, b->key.p, n);
	return c != 0 ? c < 0 : a->key.len < b->key.len;
}

static size_t pairs_of(ap_str params, struct pair out[PARAMS_MAX])
{
	size_t n = 0, at = 0;
	while (n < PARAMS_MAX) {
		struct pair p = { .key = next_word(params, &at) };
		p.val = next_word(params, &at);
		if (p.val.len == 0)
			break;
		size_t i = n++;
		for (; i > 0 && before(&p, &out[i - 1]); i--)
			out[i] = out[i - 1];
		out[i] = p;
	}
	return n;
}

static void append(char out[API_NAME_MAX], size_t *len, const char *p, size_t n)
{
	size_t room = API_NAME_MAX - 1 - *len;
	if (n > room)
		n = room;
	memcpy(out + *len, p, n);
	*len += n;
}

size_t api_name_of(ap_str name, ap_str params, char out[API_NAME_MAX])
{
	struct pair pair[PARAMS_MAX];
	size_t n = pairs_of(params, pair), len = 0;
	append(out, &len, name.p, name.len);
	for (size_t i = 0; i < n; i++) {
		append(out, &len, i == 0 ? "(" : ",", 1);
		append(out, &len, pair[i].val.p, pair[i].val.len);
	}
	if (n > 0)
		append(out, &len, ")", 1);
	out[len] = '\0';
	return len;
}

int api_names_key(struct api_names *t, ap_str name, ap_str params)
{
	char text[API_NAME_MAX];
	api_name_of(name, params, text);
	for (uint16_t i = 0; i < t->n; i++)
		if (strcmp(t->name[i], text) == 0)
			return i;
	if (t->n == API_NAMES_MAX)
		return -1;
	if (t->n == t->cap) {
		uint16_t cap = (uint16_t)(t->cap == 0 ? 32 : t->cap * 2);
		void *p = realloc(t->name, cap * sizeof *t->name);
		if (p == NULL)
			return -1;
		t->name = p;
		t->cap = cap;
	}
	memcpy(t->name[t->n], text, sizeof text);
	return t->n++;
}

const char *api_names_at(const struct api_names *t, unsigned key)
{
	assert(key < t->n);
	return t->name[key];
}
