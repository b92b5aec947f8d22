/*
 * json.c - JSON text as a flat array of tokens.
 *
 * Two readers, one answer. `scan` is a single pass over plain ASCII JSON; whatever it is not sure of (bytes
 * above 0x7f, an odd escape, any error, too much depth) it declines, and `yajl_read` reads the text again
 * from the start: yajl alone decides what is JSON and words the error. test/fuzz/fuzz_json.c holds the two
 * together. Knows nothing about what the values mean; numbers stay text.
 */
#include "json.h"

#include <assert.h>
#include <stdio.h>
#include <yajl/yajl_parse.h>

/* Open arrays and objects, outermost first; each entry is the index of its token. */
struct stack {
	uint32_t tok[AP_JSON_DEPTH];
	uint32_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline struct ap_jtok *add(struct ap_json *j, uint32_t cap, enum ap_json_type type, size_t off, size_t len)
{
	struct ap_jtok *t;
	if (j->n >= cap)
		return NULL;
	t = &j->tok[j->n++];
	*t = (struct ap_jtok){ .type = type, .off = (uint32_t)off, .len = (uint32_t)len, .next = j->n };
	return t;
}

/* ---- the fast scanner ---------------------------------------------------- */

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(w) ((size_t)__builtin_ctzll(w) / 8)
#else
#define FIRST_BYTE(w) 0        /* the byte loop finds it */
#endif

/*
 * Eight bytes at once: bit 7 of the first byte that is a quote, a backslash, below 0x20 or above 0x7f.
 * A borrow can raise a false alarm only in bytes after a true one, so the lowest bit set is always true.
 */
static uint64_t specials(uint64_t w)
{
	uint64_t q = w ^ EACH_BYTE('"'), b = w ^ EACH_BYTE('\\');
	return ((q - EACH_BYTE(1)) | (b - EACH_BYTE(1)) | (w - EACH_BYTE(0x20)) | w) & EACH_BYTE(0x80);
}

static bool escape_ok(const char *p, size_t left)
{
	static const char simple[] = "\"\\/bfnrt";
	if (left < 2)
		return false;
	return memchr(simple, p[1], sizeof simple - 1) != NULL;
}

/* p[i] is the opening quote. Returns the index after the closing one, 0: declined. */
static size_t scan_string(const char *p, size_t i, size_t n, bool *escaped)
{
	*escaped = false;
	for (i++; i < n;) {
		if (n - i >= 8) {
			uint64_t w;
			memcpy(&w, p + i, 8);
			w = specials(w);
			if (w == 0) {
				i += 8;
				continue;
			}
			i += FIRST_BYTE(w);
		}
		if (p[i] == '"')
			return i + 1;
		if (p[i] == '\\') {
			if (!escape_ok(p + i, n - i))
				return 0;
			*escaped = true;
			i += 2;
			continue;
		}
		if ((unsigned char)p[i] < 0x20 || (unsigned char)p[i] > 0x7e)
			return 0;
		i++;
	}
	return 0;
}

static inline size_t digits(const char *p, size_t i, size_t n)
{
	while (i < n && is_digit(p[i]))
		i++;
	return i;
}

/* The index after the number that starts at i, 0: declined. */
static size_t scan_number(const char *p, size_t i, size_t n)
{
	size_t from;
	if (p[i] == '-')
		i++;
	if (i >= n || !is_digit(p[i]))
		return 0;
	from = i;
	i = digits(p, i, n);
	if (p[from] == '0' && i > from + 1)
		return 0;
	if (i < n && p[i] == '.') {
		from = ++i;
		i = digits(p, i, n);
		if (i == from)
			return 0;
	}
	if (i < n && (p[i] == 'e' || p[i] == 'E')) {
		i++;
		if (i < n && (p[i] == '+' || p[i] == '-'))
			i++;
		from = i;
		i = digits(p, i, n);
		if (i == from)
			return 0;
	}
	return i;
}

static const struct {
	const char *word;
	size_t len;
	enum ap_json_type type;
} words[] = { { "null", 4, AP_J_NULL }, { "true", 4, AP_J_TRUE }, { "false", 5, AP_J_FALSE } };

/* A string, number or word at i becomes a token. Returns the index after it, 0: declined. */
static size_t scan_scalar(struct ap_json *j, uint32_t cap, size_t i)
{
	const char *p = j->text;
	size_t n = j->len, end = 0;
	struct ap_jtok *t;
	bool escaped;
	if (p[i] == '"') {
		end = scan_string(p, i, n, &escaped);
		if (end == 0 || (t = add(j, cap, AP_J_STR, i + 1, end - i - 2)) == NULL)
			return 0;
		t->escaped = escaped;
		return end;
	}
	if (p[i] == '-' || is_digit(p[i])) {
		end = scan_number(p, i, n);
		return end != 0 && add(j, cap, AP_J_NUM, i, end - i) != NULL ? end : 0;
	}
	for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
		if (n - i >= words[k].len && memcmp(p + i, words[k].word, words[k].len) == 0)
			return add(j, cap, words[k].type, i, words[k].len) != NULL ? i + words[k].len : 0;
	return 0;
}

static inline size_t skip_blanks(const char *p, size_t i, size_t n)
{
	/* Most texts have none: one comparison then. */
	while (i < n && (unsigned char)p[i] <= ' ' && is_blank(p[i]))
		i++;
	return i;
}

/* A member's key and its colon at i. Returns where the value starts, 0: declined. */
static size_t scan_key(struct ap_json *j, uint32_t cap, size_t i)
{
	i = skip_blanks(j->text, i, j->len);
	if (i >= j->len || j->text[i] != '"')
		return 0;
	i = scan_scalar(j, cap, i);
	if (i == 0)
		return 0;
	i = skip_blanks(j->text, i, j->len);
	return i < j->len && j->text[i] == ':' ? i + 1 : 0;
}

/*
 * After a value: closes what ends here, or steps over the comma to the next value.
 * Returns the index of the next value, j->len when the root is complete and only blanks follow, 0: declined.
 */
static size_t scan_after(struct ap_json *j, uint32_t cap, struct stack *st, size_t i)
{
	const char *p = j->text;
	while (st->n > 0) {
		struct ap_jtok *up = &j->tok[st->tok[st->n - 1]];
		up->n++;
		i = skip_blanks(p, i, j->len);
		if (i >= j->len)
			return 0;
		if (p[i] == ',')
			return up->type == AP_J_OBJ ? scan_key(j, cap, i + 1) : i + 1;
		if (p[i] != (up->type == AP_J_OBJ ? '}' : ']'))
			return 0;
		i++;
		up->len = (uint32_t)(i - up->off);
		up->next = j->n;
		st->n--;
	}
	i = skip_blanks(p, i, j->len);
	return i == j->len ? i : 0;
}

/* Opens the array or object at i. Returns the index of its first value, or after it when empty; 0: declined. */
static size_t scan_open(struct ap_json *j, uint32_t cap, struct stack *st, size_t i, bool *empty)
{
	bool obj = j->text[i] == '{';
	struct ap_jtok *t;
	size_t k;
	if (st->n == AP_JSON_DEPTH || (t = add(j, cap, obj ? AP_J_OBJ : AP_J_ARR, i, 0)) == NULL)
		return 0;
	k = skip_blanks(j->text, i + 1, j->len);
	*empty = k < j->len && j->text[k] == (obj ? '}' : ']');
	if (*empty) {
		t->len = (uint32_t)(k + 1 - i);
		return k + 1;
	}
	st->tok[st->n++] = j->n - 1;
	return obj ? scan_key(j, cap, k) : k;
}

bool ap_json_scan(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap)
{
	struct stack st = { .n = 0 };
	size_t i = 0;
	*j = (struct ap_json){ .text = text.p, .len = text.len, .tok = toks };
	if (text.len > UINT32_MAX)
		return false;
	for (;;) {
		bool done = true;
		i = skip_blanks(text.p, i, text.len);
		if (i >= text.len)
			return false;
		if (text.p[i] == '{' || text.p[i] == '[')
			i = scan_open(j, cap, &st, i, &done);
		else
			i = scan_scalar(j, cap, i);
		if (i == 0)
			return false;
		if (!done)
			continue;
		i = scan_after(j, cap, &st, i);
		if (i == 0)
			return false;
		if (i == text.len && st.n == 0)
			return true;
	}
}

/* ---- yajl ---------------------------------------------------------------- */

struct walk {
	struct ap_json *j;
	uint32_t cap;
	struct stack st;
	size_t end;             /* byte after the last token seen */
	yajl_handle h;
	const char *limit;      /* why we stopped yajl, NULL: we did not */
};

/* One more value inside whatever is open (keys are not values). */
static void counted(struct walk *w)
{
	if (w->st.n > 0)
		w->j->tok[w->st.tok[w->st.n - 1]].n++;
}

static struct ap_jtok *put(struct walk *w, enum ap_json_type type, size_t off, size_t len)
{
	struct ap_jtok *t = add(w->j, w->cap, type, off, len);
	if (t == NULL)
		w->limit = "more values than the limit";
	return t;
}

/* yajl tells where a token ends; where it starts is the first byte after the last one that is not between values. */
static size_t token_start(const struct walk *w)
{
	const struct ap_json *j = w->j;
	size_t i = w->end;
	while (i < j->len && (is_blank(j->text[i]) || j->text[i] == ',' || j->text[i] == ':'))
		i++;
	return i;
}

static void token_end(struct walk *w, size_t from)
{
	w->end = yajl_get_bytes_consumed(w->h);
	assert(from < w->end && w->end <= w->j->len);
}

static int on_scalar(struct walk *w, enum ap_json_type type)
{
	size_t from = token_start(w);
	token_end(w, from);
	counted(w);
	return put(w, type, from, w->end - from) != NULL;
}

static int on_null(void *ctx)
{
	return on_scalar(ctx, AP_J_NULL);
}

static int on_bool(void *ctx, int v)
{
	return on_scalar(ctx, v ? AP_J_TRUE : AP_J_FALSE);
}

static int on_number(void *ctx, const char *s, size_t len)
{
	struct walk *w = ctx;
	/* A number that ends the text is told by yajl_complete_parse, which has started counting bytes anew. */
	size_t from = token_start(w);
	(void)s;
	w->end = from + len;
	counted(w);
	return put(w, AP_J_NUM, from, len) != NULL;
}

static int put_string(struct walk *w)
{
	size_t from = token_start(w);
	struct ap_jtok *t;
	token_end(w, from);
	t = put(w, AP_J_STR, from + 1, w->end - from - 2);
	if (t == NULL)
		return 0;
	t->escaped = memchr(w->j->text + t->off, '\\', t->len) != NULL;
	return 1;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	(void)s, (void)len;
	counted(ctx);
	return put_string(ctx);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	(void)s, (void)len;
	return put_string(ctx);
}

static int open_level(struct walk *w, enum ap_json_type type)
{
	size_t from = token_start(w);
	token_end(w, from);
	counted(w);
	if (w->st.n == AP_JSON_DEPTH) {
		w->limit = "nested deeper than the limit";
		return 0;
	}
	if (put(w, type, from, 0) == NULL)
		return 0;
	w->st.tok[w->st.n++] = w->j->n - 1;
	return 1;
}

static int on_open_obj(void *ctx)
{
	return open_level(ctx, AP_J_OBJ);
}

static int on_open_arr(void *ctx)
{
	return open_level(ctx, AP_J_ARR);
}

static int on_close(void *ctx)
{
	struct walk *w = ctx;
	struct ap_jtok *t;
	assert(w->st.n > 0);
	w->end = yajl_get_bytes_consumed(w->h);
	t = &w->j->tok[w->st.tok[--w->st.n]];
	t->len = (uint32_t)(w->end - t->off);
	t->next = w->j->n;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_obj,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_arr,
	.yajl_end_array = on_close,
};

static void say_error(struct walk *w, size_t at)
{
	struct ap_json *j = w->j;
	unsigned char *why;
	size_t n;
	if (w->limit != NULL) {
		snprintf(j->err, sizeof j->err, "%s at byte %zu", w->limit, at);
		return;
	}
	why = yajl_get_error(w->h, 0, (const unsigned char *)j->text, j->len);
	n = why == NULL ? 0 : strcspn((const char *)why, "\n");
	if (n > 0 && why[n - 1] == '.')
		n--;
	snprintf(j->err, sizeof j->err, "%.*s at byte %zu", n > 120 ? 120 : (int)n,
		 why == NULL ? "not JSON" : (const char *)why, at);
	if (why != NULL)
		yajl_free_error(w->h, why);
}

bool ap_json_yajl(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap)
{
	struct walk w = { .j = j, .cap = cap };
	yajl_status rc;
	size_t at;
	*j = (struct ap_json){ .text = text.p, .len = text.len, .tok = toks };
	if (text.len > UINT32_MAX || text.len == 0) {
		snprintf(j->err, sizeof j->err, text.len == 0 ? "empty text" : "longer than 4 GiB");
		return false;
	}
	w.h = yajl_alloc(&callbacks, NULL, &w);
	if (w.h == NULL) {
		snprintf(j->err, sizeof j->err, "no memory");
		return false;
	}
	rc = yajl_parse(w.h, (const unsigned char *)text.p, text.len);
	at = yajl_get_bytes_consumed(w.h);
	if (rc == yajl_status_ok) {
		rc = yajl_complete_parse(w.h);
		at = text.len;
	}
	if (rc != yajl_status_ok)
		say_error(&w, at);
	yajl_free(w.h);
	return rc == yajl_status_ok;
}

bool ap_json_parse(struct ap_json *j, ap_str text, struct ap_jtok *toks, uint32_t cap)
{
	return ap_json_scan(j, text, toks, cap) || ap_json_yajl(j, text, toks, cap);
}

/* ---- using the tokens ---------------------------------------------------- */

uint32_t ap_json_get(const struct ap_json *j, uint32_t obj, const char *key)
{
	size_t len = strlen(key);
	uint32_t t = obj + 1;
	if (j->tok[obj].type != AP_J_OBJ)
		return 0;
	for (uint32_t i = 0; i < j->tok[obj].n; i++) {
		const struct ap_jtok *k = &j->tok[t];
		if (k->len == len && memcmp(j->text + k->off, key, len) == 0)
			return t + 1;
		t = j->tok[t + 1].next;
	}
	return 0;
}

uint32_t ap_json_at(const struct ap_json *j, uint32_t arr, uint32_t i)
{
	uint32_t t = arr + 1;
	if (j->tok[arr].type != AP_J_ARR || i >= j->tok[arr].n)
		return 0;
	while (i-- > 0)
		t = j->tok[t].next;
	return t;
}

ap_str ap_json_text(const struct ap_json *j, uint32_t tok)
{
	return ap_str_n(j->text + j->tok[tok].off, j->tok[tok].len);
}

unsigned ap_json_hex4(const char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];
		v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return v;
}

static size_t put_utf8(char out[4], unsigned cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* The escape at p (a backslash; validity was checked by the reader). Returns its length in the text. */
static size_t unescape_one(const char *p, size_t left, char out[4], size_t *outlen)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *hit;
	unsigned cp;
	if (p[1] != 'u') {
		hit = memchr(from, p[1], sizeof from - 1);
		out[0] = p[1];
		if (hit != NULL)
			out[0] = to[hit - from];
		*outlen = 1;
		return 2;
	}
	cp = ap_json_hex4(p + 2);
	if (cp >= 0xd800 && cp < 0xdc00 && left >= 12 && p[6] == '\\' && p[7] == 'u') {
		unsigned low = ap_json_hex4(p + 8);
		if (low >= 0xdc00 && low < 0xe000) {
			*outlen = put_utf8(out, 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00));
			return 12;
		}
	}
	if (cp >= 0xd800 && cp < 0xe000)
		cp = 0xfffd;    /* half a pair is no character */
	*outlen = put_utf8(out, cp);
	return 6;
}

bool ap_json_unescape(const struct ap_json *j, uint32_t tok, char *out, size_t cap, size_t *len)
{
	ap_str s = ap_json_text(j, tok);
	size_t n = 0;
	for (size_t i = 0; i < s.len;) {
		char c[4] = { s.p[i] };
		size_t k = 1;
		i += s.p[i] == '\\' ? unescape_one(s.p + i, s.len - i, c, &k) : 1;
		if (k > cap - n)
			return false;
		memcpy(out + n, c, k);
		n += k;
	}
	*len = n;
	return true;
}
