/*
 * poison.c - LD_PRELOAD: a program that hands a JSON text with the word POISON to yajl dies, as if of a bug in it.
 *
 * AlphaPulse's own scanner declines texts that are not ASCII and gives them to yajl: so a message with POISON and an é reaches
 * this in every parser of ap-normalize, while everything else goes by.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

yajl_status yajl_parse(yajl_handle h, const unsigned char *text, size_t len)
{
	static const char word[] = "POISON";
	yajl_status (*real)(yajl_handle, const unsigned char *, size_t);
	void *sym = dlsym(RTLD_NEXT, "yajl_parse");

	if (memmem(text, len, word, sizeof word - 1) != NULL || sym == NULL)
		abort();
	memcpy(&real, &sym, sizeof real);       /* ISO C knows no other way from an object pointer to a function */
	return real(h, text, len);
}
