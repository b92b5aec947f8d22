/*
 * secret.h - passwords, which stand in files of their own: never in the configuration, the environment or a command line.
 */
#ifndef AP_IO_SECRET_H
#define AP_IO_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* The first line of a file, without its end; "" where path is "". False: it cannot be read, or has none. The caller wipes out. */
bool ap_secret_read(const char *path, char *out, size_t cap);

#endif
