/*
 * conf_file.c - texts from a libconfig file, the environment and -o, handed to ap_conf_set.
 *
 * Knows no option by name: the table in the core decides what exists and what it may be.
 */
#include "conf_file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdio.h>

#include "../core/recjson.h"

enum { TEXT_MAX = 1024 * 1024, DEPTH_MAX = 8 };

/* A scalar as the text that ap_conf_set reads. False: not a scalar. */
static bool scalar_text(const config_setting_t *s, struct ap_buf *b)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
		ap_buf_printf(b, "%d", config_setting_get_int(s));
		return true;
	case CONFIG_TYPE_INT64:
		ap_buf_printf(b, "%lld", config_setting_get_int64(s));
		return true;
	case CONFIG_TYPE_FLOAT:
		ap_json_double(b, config_setting_get_float(s));
		return true;
	case CONFIG_TYPE_BOOL:
		ap_buf_puts(b, config_setting_get_bool(s) ? "true" : "false");
		return true;
	case CONFIG_TYPE_STRING:
		ap_buf_puts(b, config_setting_get_string(s));
		return true;
	default:
		return false;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH_MAX, one level per nesting of the file. */
static bool json_text(const config_setting_t *s, struct ap_buf *b, unsigned depth)
{
	int n = config_setting_length(s);
	bool group = config_setting_is_group(s) == CONFIG_TRUE;

	if (depth > DEPTH_MAX)
		return false;
	if (config_setting_type(s) == CONFIG_TYPE_STRING) {
		ap_json_string(b, ap_str_c(config_setting_get_string(s)));
		return true;
	}
	if (scalar_text(s, b))
		return true;
	ap_buf_putc(b, group ? '{' : '[');
	if (group)
		ap_buf_printf(b, "\"@\":%u", (unsigned)config_setting_source_line(s));
	for (int i = 0; i < n; i++) {
		const config_setting_t *m = config_setting_get_elem(s, (unsigned)i);
		if (group || i > 0)
			ap_buf_putc(b, ',');
		if (group) {
			ap_json_string(b, ap_str_c(config_setting_name(m)));
			ap_buf_putc(b, ':');
		}
		if (!json_text(m, b, depth + 1))
			return false;
	}
	ap_buf_putc(b, group ? '}' : ']');
	return true;
}

static bool setting_take(struct ap_conf *c, const char *section, const char *key, const config_setting_t *s, struct ap_buf *b,
			 char *err, size_t errlen)
{
	char dotted[160];

	snprintf(dotted, sizeof dotted, "%s.%s", section, key);
	const struct ap_opt *o = ap_opt_find(ap_str_c(dotted));
	if (o == NULL) {
		snprintf(err, errlen, "there is no option %s", dotted);
		return false;
	}
	ap_buf_clear(b);
	/* A list may also be the text that -o and the environment take: so it stands in a file that a program has written. */
	bool list = o->type == AP_OPT_LIST && config_setting_type(s) != CONFIG_TYPE_STRING;
	if (list ? !json_text(s, b, 0) : !scalar_text(s, b)) {
		snprintf(err, errlen, "%s is %s", dotted,
			 list ? "nested too deeply" : "a list or a group; it must be a single value");
		return false;
	}
	if (b->full) {
		snprintf(err, errlen, "%s is too long", dotted);
		return false;
	}
	if (!ap_conf_set(c, o, ap_buf_view(b), err, errlen))
		return false;
	c->line[o - ap_opts] = config_setting_source_line(s);
	return true;
}

/* Whether SECTION = ( ... ) may stand for SECTION = { list = ( ... ); }. */
static bool is_list_of(const config_setting_t *sec, const char *section)
{
	char dotted[160];

	snprintf(dotted, sizeof dotted, "%s.list", section);
	return config_setting_is_list(sec) && ap_opt_find(ap_str_c(dotted)) != NULL;
}

static void place(char *err, size_t errlen, const char *name, unsigned line, const char *what)
{
	char say[512];

	/* what may be err itself. */
	snprintf(say, sizeof say, "%s", what);
	snprintf(err, errlen, "%s:%u: %s", name, line, say);
}

static bool settings_take(struct ap_conf *c, const config_t *cfg, const char *name, char *err, size_t errlen)
{
	const config_setting_t *root = config_root_setting(cfg);
	struct ap_buf b;
	bool ok = true;

	ap_buf_init(&b, TEXT_MAX);
	for (int i = 0; ok && i < config_setting_length(root); i++) {
		const config_setting_t *sec = config_setting_get_elem(root, (unsigned)i);
		const char *section = config_setting_name(sec);
		bool group = config_setting_is_group(sec), list = is_list_of(sec, section);
		if (!group && !list) {
			snprintf(err, errlen, "%s stands outside of a section; write section = { key = value; }", section);
			place(err, errlen, name, config_setting_source_line(sec), err);
			ok = false;
			break;
		}
		for (int j = 0; ok && j < (list ? 1 : config_setting_length(sec)); j++) {
			const config_setting_t *s = list ? sec : config_setting_get_elem(sec, (unsigned)j);
			ok = setting_take(c, section, list ? "list" : config_setting_name(s), s, &b, err, errlen);
			if (!ok)
				place(err, errlen, name, config_setting_source_line(s), err);
		}
	}
	ap_buf_done(&b);
	return ok;
}

/* Where the text stands for a scan that looks for integers. */
enum place { CODE, STRING, LINE_COMMENT, BLOCK_COMMENT };

static enum place place_next(enum place at, const char *p)
{
	switch (at) {
	case CODE:
		return *p == '"' ? STRING : *p == '#' || (p[0] == '/' && p[1] == '/') ? LINE_COMMENT :
		       p[0] == '/' && p[1] == '*' ? BLOCK_COMMENT : CODE;
	case STRING:
		return *p == '"' ? CODE : STRING;
	case LINE_COMMENT:
		return *p == '\n' ? CODE : LINE_COMMENT;
	case BLOCK_COMMENT:
		return p[0] == '*' && p[1] == '/' ? CODE : BLOCK_COMMENT;
	}
	return CODE;
}

/* libconfig 1.5 wraps integers beyond 32 bits in silence unless they end in L: all long ones get one. */
static void longs_mark(const char *text, struct ap_buf *b)
{
	enum place at = CODE;

	for (const char *p = text; *p != '\0';) {
		size_t n = at == CODE ? strspn(p, "0123456789") : 0;
		if (n > 0) {
			bool word = p > text && (isalnum((unsigned char)p[-1]) || strchr("_-*.", p[-1]) != NULL);
			ap_buf_put(b, p, n);
			if (n >= 10 && (!word || p[-1] == '-') && (p[n] == '\0' || strchr(".eELxX", p[n]) == NULL))
				ap_buf_putc(b, 'L');
			p += n;
			continue;
		}
		size_t step = at == STRING && p[0] == '\\' && p[1] != '\0' ? 2 : 1;
		if (step == 1)
			at = place_next(at, p);
		ap_buf_put(b, p, step);
		p += step;
	}
	ap_buf_putc(b, '\0');
}

bool ap_conf_text(struct ap_conf *c, const char *text, const char *name, char *err, size_t errlen)
{
	config_t cfg;
	struct ap_buf b;

	ap_buf_init(&b, 2 * TEXT_MAX);
	longs_mark(text, &b);
	config_init(&cfg);
	bool ok = !b.full && config_read_string(&cfg, (const char *)b.p) == CONFIG_TRUE;
	if (b.full)
		snprintf(err, errlen, "%s: too large", name);
	else if (!ok)
		place(err, errlen, name, (unsigned)config_error_line(&cfg), config_error_text(&cfg));
	else
		ok = settings_take(c, &cfg, name, err, errlen);
	config_destroy(&cfg);
	ap_buf_done(&b);
	return ok;
}

bool ap_conf_file(struct ap_conf *c, const char *path, char *err, size_t errlen)
{
	struct ap_buf b;
	bool ok = false;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
		return false;
	}
	ap_buf_init(&b, TEXT_MAX + 1);
	char piece[4096];
	size_t n;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		ap_buf_put(&b, piece, n);
	ap_buf_putc(&b, '\0');
	if (ferror(f))
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
	else if (b.full)
		snprintf(err, errlen, "%s: too large", path);
	else
		ok = ap_conf_text(c, (const char *)b.p, path, err, errlen);
	fclose(f);
	ap_buf_done(&b);
	return ok;
}

/* AP_CANDLE__LATENESS_MS -> candle.lateness_ms; false: not one of ours. */
static bool env_dotted(const char *name, size_t len, char *out, size_t cap)
{
	const char *sep = NULL;

	if (len < 6 || len >= cap || memcmp(name, "AP_", 3) != 0)
		return false;
	for (size_t i = 4; i + 2 < len && sep == NULL; i++)
		if (name[i] == '_' && name[i + 1] == '_')
			sep = name + i;
	if (sep == NULL)
		return false;
	size_t n = 0;
	for (const char *p = name + 3; p < name + len; p++) {
		if (p == sep) {
			out[n++] = '.';
			p++;
			continue;
		}
		out[n++] = (char)tolower((unsigned char)*p);
	}
	out[n] = '\0';
	return true;
}

bool ap_conf_env(struct ap_conf *c, const char *const *env, char *err, size_t errlen)
{
	for (; *env != NULL; env++) {
		char dotted[160], say[512];
		const char *eq = strchr(*env, '=');
		if (eq == NULL || !env_dotted(*env, (size_t)(eq - *env), dotted, sizeof dotted))
			continue;
		const struct ap_opt *o = ap_opt_find(ap_str_c(dotted));
		if (o == NULL) {
			snprintf(err, errlen, "environment %.*s: there is no option %s", (int)(eq - *env), *env, dotted);
			return false;
		}
		if (!ap_conf_set(c, o, ap_str_c(eq + 1), say, sizeof say)) {
			snprintf(err, errlen, "environment %.*s: %s", (int)(eq - *env), *env, say);
			return false;
		}
		c->line[o - ap_opts] = 0;
	}
	return true;
}

bool ap_conf_assign(struct ap_conf *c, const char *assignment, char *err, size_t errlen)
{
	const char *eq = strchr(assignment, '=');
	char say[512];

	if (eq == NULL) {
		snprintf(err, errlen, "-o %s: write section.key=value", assignment);
		return false;
	}
	const struct ap_opt *o = ap_opt_find(ap_str_n(assignment, (size_t)(eq - assignment)));
	if (o == NULL) {
		snprintf(err, errlen, "-o %s: there is no option %.*s", assignment, (int)(eq - assignment), assignment);
		return false;
	}
	if (!ap_conf_set(c, o, ap_str_c(eq + 1), say, sizeof say)) {
		snprintf(err, errlen, "-o %s: %s", assignment, say);
		return false;
	}
	c->line[o - ap_opts] = 0;
	return true;
}
