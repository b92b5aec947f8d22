/*
 * conf.c - the option table and what can be done with one row of it.
 *
 * Pure: it never opens a file and never reads the environment.
 */
#include "conf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const struct ap_opt ap_opts[] = {
#define OPT(section, key, type, dflt, lo, hi, unit, help)                                              \
	{ #section, #key, AP_OPT_##type, offsetof(struct ap_conf, section##_##key), dflt, lo, hi, unit, help },
#include "options.def"
#undef OPT
};
const size_t ap_opts_n = sizeof ap_opts / sizeof ap_opts[0];

static bool is_text(const struct ap_opt *o)
{
	return o->type == AP_OPT_STR || o->type == AP_OPT_LIST;
}

/* Where a row's member stands in a struct ap_conf. */
static void *member(struct ap_conf *c, const struct ap_opt *o)
{
	return (char *)c + o->offset;
}

static const void *member_const(const struct ap_conf *c, const struct ap_opt *o)
{
	return (const char *)c + o->offset;
}

void ap_conf_init(struct ap_conf *c)
{
	char err[256];

	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < ap_opts_n; i++) {
		bool ok = ap_conf_set(c, &ap_opts[i], ap_str_c(ap_opts[i].dflt), err, sizeof err);

		assert(ok);     /* every default is within its bounds; a test says which is not */
		(void)ok;
	}
}

void ap_conf_done(struct ap_conf *c)
{
	for (size_t i = 0; i < ap_opts_n; i++)
		if (is_text(&ap_opts[i]))
			free(*(char **)member(c, &ap_opts[i]));
	memset(c, 0, sizeof *c);
}

const struct ap_opt *ap_opt_find(ap_str dotted)
{
	for (size_t i = 0; i < ap_opts_n; i++) {
		const struct ap_opt *o = &ap_opts[i];
		size_t ns = strlen(o->section), nk = strlen(o->key);

		if (dotted.len == ns + 1 + nk && memcmp(dotted.p, o->section, ns) == 0 && dotted.p[ns] == '.' &&
		    memcmp(dotted.p + ns + 1, o->key, nk) == 0)
			return o;
	}
	return NULL;
}

/* "candle.lateness_ms = 'soon': a whole number from 0 to 600000 ms is needed" */
static bool refuse(const struct ap_opt *o, ap_str text, const char *why, char *err, size_t errlen)
{
	int shown = text.len > 60 ? 60 : (int)text.len;
	int n = snprintf(err, errlen, "%s.%s = '%.*s%s': %s", o->section, o->key, shown, text.len == 0 ? "" : text.p,
			 text.len > 60 ? "..." : "", why);

	assert(n > 0);
	return false;
}

static bool set_u64(uint64_t *to, const struct ap_opt *o, ap_str text, char *err, size_t errlen)
{
	char why[160];
	uint64_t v = 0;
	bool ok = text.len > 0;

	for (size_t i = 0; ok && i < text.len; i++)
		ok = text.p[i] >= '0' && text.p[i] <= '9' && !__builtin_mul_overflow(v, 10u, &v) &&
		     !__builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v);
	if (!ok || v < o->lo || v > o->hi) {
		snprintf(why, sizeof why, "a whole number from %" PRIu64 " to %" PRIu64 "%s%s is needed", o->lo, o->hi,
			 o->unit[0] == '\0' ? "" : " ", o->unit);
		return refuse(o, text, why, err, errlen);
	}
	*to = v;
	return true;
}

static bool set_bool(bool *to, const struct ap_opt *o, ap_str text, char *err, size_t errlen)
{
	static const struct {
		const char *word;
		bool v;
	} words[] = { { "true", true }, { "false", false }, { "on", true }, { "off", false },
		      { "yes", true }, { "no", false }, { "1", true }, { "0", false } };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (ap_str_is(text, words[i].word)) {
			*to = words[i].v;
			return true;
		}
	}
	return refuse(o, text, "true or false is needed", err, errlen);
}

static bool set_enum(unsigned *to, const struct ap_opt *o, ap_str text, char *err, size_t errlen)
{
	char why[200];
	const char *w = o->unit;

	for (unsigned i = 0; *w != '\0'; i++) {
		size_t n = strcspn(w, "|");

		if (ap_str_eq(text, ap_str_n(w, n))) {
			*to = i;
			return true;
		}
		w += n + (w[n] == '|');
	}
	snprintf(why, sizeof why, "one of %s is needed", o->unit);
	return refuse(o, text, why, err, errlen);
}

/* Lists come as JSON text, already read by whoever holds a parser; here only their outermost brackets are looked at. */
static bool is_list(ap_str t)
{
	return t.len == 0 || (t.len >= 2 && ((t.p[0] == '[' && t.p[t.len - 1] == ']') ||
					    (t.p[0] == '{' && t.p[t.len - 1] == '}')));
}

static bool set_text(char **to, const struct ap_opt *o, ap_str text, char *err, size_t errlen)
{
	char why[160], *copy;

	if (text.len < o->lo || text.len > o->hi) {
		snprintf(why, sizeof why, "a text of %" PRIu64 " to %" PRIu64 " bytes is needed", o->lo, o->hi);
		return refuse(o, text, why, err, errlen);
	}
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20 && !(o->type == AP_OPT_LIST && strchr("\t\n\r", text.p[i]) != NULL && text.p[i] != '\0'))
			return refuse(o, ap_str_n(text.p, i), "a control character follows", err, errlen);
	if (o->type == AP_OPT_LIST && !is_list(text))
		return refuse(o, text, "a list is needed: ( { key = value; } ) in a file, [{\"key\": value}] elsewhere", err, errlen);
	copy = malloc(text.len + 1);
	if (copy == NULL)
		return refuse(o, ap_str_c(""), "no memory", err, errlen);
	if (text.len > 0)
		memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	free(*to);
	*to = copy;
	return true;
}

const char *ap_conf_mark(const char *list, size_t *len)
{
	static const char key[] = "\"@\":";
	const char *mark = strstr(list, key), *end;

	*len = 0;
	if (mark == NULL)
		return list + strlen(list);
	end = mark + sizeof key - 1;
	end += strspn(end, "0123456789");
	end += *end == ',';
	*len = (size_t)(end - mark);
	return mark;
}

void ap_conf_place(const struct ap_conf *c, const char *file, char *err, size_t errlen)
{
	static const char entry[] = ", line ";
	const size_t n = strcspn(err, " ,:");
	const struct ap_opt *o = ap_opt_find(ap_str_n(err, n));
	const char *rest = err + n;
	unsigned long line = o == NULL ? 0 : c->line[o - ap_opts];
	char say[1024];

	if (line == 0)
		return;
	if (strncmp(rest, entry, sizeof entry - 1) == 0) {
		char *end;

		line = strtoul(rest + sizeof entry - 1, &end, 10);
		rest = end;
	}
	snprintf(say, sizeof say, "%s:%lu: %.*s%s", file, line, (int)n, err, rest);
	snprintf(err, errlen, "%s", say);
}

bool ap_conf_set(struct ap_conf *c, const struct ap_opt *o, ap_str text, char *err, size_t errlen)
{
	void *to = member(c, o);

	switch (o->type) {
	case AP_OPT_U64:
		return set_u64(to, o, text, err, errlen);
	case AP_OPT_BOOL:
		return set_bool(to, o, text, err, errlen);
	case AP_OPT_ENUM:
		return set_enum(to, o, text, err, errlen);
	case AP_OPT_STR:
	case AP_OPT_LIST:
		return set_text(to, o, text, err, errlen);
	}
	assert(false);
	return false;
}

/* The i-th of the words of an ENUM row. */
static ap_str enum_word(const struct ap_opt *o, unsigned i)
{
	const char *w = o->unit;

	while (i-- > 0) {
		w += strcspn(w, "|");
		assert(*w == '|');
		w++;
	}
	return ap_str_n(w, strcspn(w, "|"));
}

size_t ap_conf_get(const struct ap_conf *c, const struct ap_opt *o, char *out, size_t cap)
{
	const void *from = member_const(c, o);
	char num[24];
	ap_str t = { 0 };
	size_t n;

	assert(cap > 0);
	switch (o->type) {
	case AP_OPT_U64:
		snprintf(num, sizeof num, "%" PRIu64, *(const uint64_t *)from);
		t = ap_str_c(num);
		break;
	case AP_OPT_BOOL:
		t = ap_str_c(*(const bool *)from ? "true" : "false");
		break;
	case AP_OPT_ENUM:
		t = enum_word(o, *(const unsigned *)from);
		break;
	case AP_OPT_STR:
	case AP_OPT_LIST:
		t = ap_str_c(*(char *const *)from);
		break;
	}
	n = t.len < cap ? t.len : cap - 1;
	memcpy(out, t.p, n);
	out[n] = '\0';
	return n;
}
