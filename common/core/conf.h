/*
 * conf.h - every option of every program, from one table.
 *
 * options.def has one row an option; from it come the struct below, parsing, bounds, --help,
 * the sample file etc/alphapulse.conf and the manual pages. Pure: the libconfig file is read by
 * common/io/conf_file.c, which hands texts to ap_conf_set.
 */
#ifndef AP_CONF_H
#define AP_CONF_H

#include "base.h"

enum ap_opt_type {
	AP_OPT_U64,     /* bounds are numbers */
	AP_OPT_BOOL,    /* true/false, on/off, yes/no, 1/0 */
	AP_OPT_STR,     /* bounds are lengths */
	AP_OPT_ENUM,    /* one word of a list: the unit column has them, separated by '|' */
	AP_OPT_LIST     /* a libconfig list or group, kept as JSON text; objects carry "@" : their line in the file */
};

/* Which C type a row's member has. */
#define AP_OPT_CTYPE_U64 uint64_t
#define AP_OPT_CTYPE_BOOL bool
#define AP_OPT_CTYPE_STR char *
#define AP_OPT_CTYPE_ENUM unsigned
#define AP_OPT_CTYPE_LIST char *

/* One number an option, its place in ap_opts. */
enum {
#define OPT(section, key, type, dflt, lo, hi, unit, help) AP_OPT_NO_##section##_##key,
#include "options.def"
#undef OPT
	AP_OPT_N
};

/* One member an option: conf->SECTION_KEY. Texts are owned by the struct. */
struct ap_conf {
#define OPT(section, key, type, dflt, lo, hi, unit, help) AP_OPT_CTYPE_##type section##_##key;
#include "options.def"
#undef OPT
	unsigned line[AP_OPT_N];        /* at which an option stands in the file, for whoever reads it; 0: what it is did not come from there */
};

struct ap_opt {
	const char *section, *key;
	enum ap_opt_type type;
	size_t offset;          /* of its member in struct ap_conf */
	const char *dflt;
	uint64_t lo, hi;
	const char *unit;       /* "ms", "bytes"; AP_OPT_ENUM: "a|b|c" */
	const char *help;       /* a phrase */
};

extern const struct ap_opt ap_opts[];
extern const size_t ap_opts_n;

/* Fills every member with its default. Pair with ap_conf_done. */
void ap_conf_init(struct ap_conf *c);
void ap_conf_done(struct ap_conf *c);
/* Finds "section.key". NULL: there is none. */
const struct ap_opt *ap_opt_find(ap_str dotted);
/*
 * Makes of a sentence that begins with an option, "candle.zone = ..." or "candle.bars, line 12: ...", one that begins with its
 * place in the file, "FILE:12: candle.bars: ...". Another sentence stays as it is, and so does one about an option that was not set there.
 */
void ap_conf_place(const struct ap_conf *c, const char *file, char *err, size_t errlen);
/*
 * The next mark in a list's text, "@":LINE and the comma behind it, by which an entry says where it stood in its file; *len: its
 * bytes. The text's end, and 0, where there is none. It can only be a key: inside a text a quote has a backslash before it.
 */
const char *ap_conf_mark(const char *list, size_t *len);
/* Sets one option from text. False with a sentence in err that names the option, the value and the allowed range. */
bool ap_conf_set(struct ap_conf *c, const struct ap_opt *o, ap_str text, char *err, size_t errlen);
/* The option's present value as text, as ap_conf_set would read it. Returns the length (cut at cap - 1, NUL-terminated). */
size_t ap_conf_get(const struct ap_conf *c, const struct ap_opt *o, char *out, size_t cap);

#endif
