/*
 * secret.c - passwords in files.
 */
#include "secret.h"

#include <stdio.h>
#include <string.h>

bool ap_secret_read(const char *path, char *out, size_t cap)
{
	FILE *f;
	bool ok;

	out[0] = '\0';
	if (*path == '\0')
		return true;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fgets(out, (int)cap, f) != NULL;
	fclose(f);
	out[ok ? strcspn(out, "\r\n") : 0] = '\0';
	return ok;
}
