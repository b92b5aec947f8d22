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

static bool setting_take(struct ap_conf *c, const char *section, const config_setting_t *s, struct ap_buf *b, char *err,
			 size_t errlen)
{
	char dotted[160];
	const char *key = config_setting_name(s);

	snprintf(dotted, sizeof dotted, "%s.%s", section, key);
	const struct ap_opt *o = ap_opt_find(ap_str_c(dotted));
	if (o == NULL) {
		snprintf(err, errlen, "there is no option %s", dotted);
		return false;
	}
	ap_buf_clear(b);
	if (o->type == AP_OPT_LIST ? !json_text(s, b, 0) : !scalar_text(s, b)) {
		snprintf(err, errlen, "%s is %s", dotted,
			 o->type == AP_OPT_LIST ? "nested too deeply" : "a list or a group; it must be a single value");
		return false;
	}
	if (b->full) {
		snprintf(err, errlen, "%s is too long", dotted);
		return false;
	}
	return ap_conf_set(c, o, ap_buf_view(b), err, errlen);
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
		if (!config_setting_is_group(sec)) {
			snprintf(err, errlen, "%s stands outside of a section; write section = { key = value; }", section);
			place(err, errlen, name, config_setting_source_line(sec), err);
			ok = false;
			break;
		}
		for (int j = 0; ok && j < config_setting_length(sec); j++) {
			const config_setting_t *s = config_setting_get_elem(sec, (unsigned)j);
			ok = setting_take(c, section, s, &b, err, errlen);
			if (!ok)
				place(err, errlen, name, config_setting_source_line(s), err);
		}
	}
	ap_buf_done(&b);
	return ok;
}

static bool parsed(struct ap_conf *c, config_t *cfg, int rc, const char *name, char *err, size_t errlen)
{
	bool ok = rc == CONFIG_TRUE;

	if (!ok && config_error_type(cfg) == CONFIG_ERR_FILE_IO)
		snprintf(err, errlen, "%s: %s", name, errno == 0 ? "cannot be read" : strerror(errno));
	else if (!ok)
		place(err, errlen, config_error_file(cfg) == NULL ? name : config_error_file(cfg),
		      (unsigned)config_error_line(cfg), config_error_text(cfg));
	else
		ok = settings_take(c, cfg, name, err, errlen);
	config_destroy(cfg);
	return ok;
}

bool ap_conf_file(struct ap_conf *c, const char *path, char *err, size_t errlen)
{
	config_t cfg;

	config_init(&cfg);
	errno = 0;
	int rc = config_read_file(&cfg, path);
	return parsed(c, &cfg, rc, path, err, errlen);
}

bool ap_conf_text(struct ap_conf *c, const char *text, const char *name, char *err, size_t errlen)
{
	config_t cfg;

	config_init(&cfg);
	int rc = config_read_string(&cfg, text);
	return parsed(c, &cfg, rc, name, err, errlen);
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
	return true;
}
