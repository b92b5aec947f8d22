/*
 * fuzz_json.c - any bytes: the fast JSON scanner equals yajl or declines, and the cutter stays in bounds.
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
	long cut;
	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	why = json_disagreement(ap_str_n(text, size), &taken);
	if (why != NULL) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	cut = ap_json_cut(ap_str_n(text, size));
	if (cut > (long)size || (taken && size > 0 && text[0] == '{' && cut <= 0))
		abort();
	free(text);
	return 0;
}
