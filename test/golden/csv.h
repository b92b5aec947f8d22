/*
 * csv.h - reads a small comma-separated file of numbers for the golden tests.
 *
 * The first line names the columns; an empty cell is NAN ("no output").
 * No quoting: the files here have none.
 */
#ifndef TEST_GOLDEN_CSV_H
#define TEST_GOLDEN_CSV_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv {
	char *text;             /* the file; names point into it */
	const char **name;      /* cols names */
	double *cell;           /* rows * cols, row by row */
	size_t rows, cols;
};

/* The directory of the shared golden files: $AP_SHARED/golden, else ../shared/golden. */
static inline void csv_shared_path(char *out, size_t size, const char *rest)
{
	const char *dir = getenv("AP_SHARED");

	(void)snprintf(out, size, "%s/golden/%s", dir != NULL && *dir != '\0' ? dir : "../shared", rest);
}

/* Whether there is no such file, so that a test can say so and be skipped. */
static inline bool csv_absent(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (f != NULL)
		(void)fclose(f);
	return f == NULL;
}

static inline char *csv_slurp(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	long size;

	if (f == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		text = malloc((size_t)size + 1);
		if (text != NULL && fread(text, 1, (size_t)size, f) == (size_t)size) {
			text[size] = '\0';
		} else {
			free(text);
			text = NULL;
		}
	}
	(void)fclose(f);
	return text;
}

static inline size_t csv_count(const char *p, char what, const char *stop_at)
{
	size_t n = 0;

	for (; *p != '\0' && strchr(stop_at, *p) == NULL; p++)
		n += *p == what;
	return n;
}

static inline void csv_free(struct csv *t)
{
	free(t->text);
	free((void *)t->name);
	free(t->cell);
	memset(t, 0, sizeof *t);
}

/* Reads one row of `cols` cells from `p`; returns where the next row starts, NULL if malformed. */
static inline char *csv_row(char *p, double *cell, size_t cols)
{
	for (size_t i = 0; i < cols; i++) {
		char *end = p;
		const char want = i + 1 < cols ? ',' : '\n';

		cell[i] = *p == ',' || *p == '\n' || *p == '\r' ? (double)NAN : strtod(p, &end);
		if (*end == '\r')
			end++;
		if (*end != want && !(want == '\n' && *end == '\0'))
			return NULL;
		p = *end == '\0' ? end : end + 1;
	}
	return p;
}

/* Reads the whole file. false: it cannot be read or its rows differ in width. Free with csv_free. */
static inline bool csv_read(struct csv *t, const char *path)
{
	char *p;

	memset(t, 0, sizeof *t);
	t->text = csv_slurp(path);
	if (t->text == NULL)
		return false;
	t->cols = csv_count(t->text, ',', "\n") + 1;
	t->rows = csv_count(t->text, '\n', "");
	t->name = calloc(t->cols, sizeof *t->name);
	t->cell = calloc((t->rows + 1) * t->cols, sizeof *t->cell);
	if (t->name == NULL || t->cell == NULL)
		goto bad;
	p = t->text;
	for (size_t i = 0; i < t->cols; i++) {
		t->name[i] = p;
		p += strcspn(p, ",\r\n");
		while (*p == ',' || *p == '\r' || *p == '\n') {
			const bool more = *p == ',';

			*p++ = '\0';
			if (more)
				break;
		}
	}
	for (t->rows = 0; *p != '\0'; t->rows++) {
		p = csv_row(p, t->cell + t->rows * t->cols, t->cols);
		if (p == NULL)
			goto bad;
	}
	return true;
bad:
	csv_free(t);
	return false;
}

/* The index of a column, or -1. */
static inline int csv_col(const struct csv *t, const char *name)
{
	for (size_t i = 0; i < t->cols; i++)
		if (strcmp(t->name[i], name) == 0)
			return (int)i;
	return -1;
}

static inline double csv_at(const struct csv *t, size_t row, int col)
{
	return t->cell[row * t->cols + (size_t)col];
}

#endif
