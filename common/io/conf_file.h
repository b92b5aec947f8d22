/*
 * conf_file.h - the configuration from the outside: a libconfig file, the environment, -o.
 */
#ifndef AP_IO_CONF_FILE_H
#define AP_IO_CONF_FILE_H

#include "../core/conf.h"

/*
 * Reads a libconfig file: one group per section, one setting per option; lists and groups inside become JSON text, whose
 * objects carry their line as "@". False with "FILE:LINE: sentence" in err; an unknown key is such an error.
 */
bool ap_conf_file(struct ap_conf *c, const char *path, char *err, size_t errlen);
/* The same from text (tests, generated files); name stands for the file in messages. */
bool ap_conf_text(struct ap_conf *c, const char *text, const char *name, char *err, size_t errlen);
/* Takes every AP_SECTION__KEY of env ("NAME=value", NULL at the end); unknown sections or keys are errors. */
bool ap_conf_env(struct ap_conf *c, const char *const *env, char *err, size_t errlen);
/* Takes one "section.key=value". */
bool ap_conf_assign(struct ap_conf *c, const char *assignment, char *err, size_t errlen);

#endif
