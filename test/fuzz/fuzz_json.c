/*
 * fuzz_json.c - any bytes: the fast JSON scanner equals yajl or declines.
 */
#include <stdlib.h>

#include "json_agree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size, so that a read past the end is seen. */
	char *text = malloc(size == 0 ? 1 : size);
	const char *why;
	bool taken;
	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	why = json_disagreement(ap_str_n(text, size), &taken);
	if (why != NULL) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	free(text);
	return 0;
}
