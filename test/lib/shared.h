/*
 * shared.h - the recorded market data beside the project, for tests that use it when it is there.
 *
 * Found through $AP_SHARED, else ../shared. Nothing of it is copied into the project.
 */
#ifndef TEST_LIB_SHARED_H
#define TEST_LIB_SHARED_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the path of a shared file ("data/ws/OKX.ndjson.gz"). False: there is no such file. */
bool shared_path(char *out, size_t size, const char *rest);

/* Lines of a file, plain or gzip, without their newline. */
struct shared_lines {
	void *gz;
	char *line;             /* the current one, NUL-terminated */
	size_t len, cap;
	unsigned long no;       /* its number, from 1 */
};
bool shared_open(struct shared_lines *l, const char *rest);
bool shared_next(struct shared_lines *l);
void shared_close(struct shared_lines *l);

/* Cuts a line at its commas, in place (the files here have no quoted cells). Returns the number of cells, at most max. */
size_t shared_cells(char *line, char **cell, size_t max);

#endif
