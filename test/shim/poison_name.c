/*
 * poison_name.c - LD_PRELOAD: a program that meets a series whose symbol holds a certain word dies, as if of a bug in it.
 *
 *   AP_POISON_WORD=W               when a name with W in it is compared (a second trade of the series, in ap-candle)
 *   AP_POISON_WORD=W AP_POISON_TF=T  when such a symbol and then timeframe T are hashed (a candle of it, in ap-indicators)
 *
 * No program knows of it.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { NAME_MAX_LEN = 64 };

static const char *word, *tf;
static bool symbol_seen;

__attribute__((constructor)) static void begin(void)
{
	tf = getenv("AP_POISON_TF");
	word = getenv("AP_POISON_WORD");
}

static bool has_word(const void *p, size_t n)
{
	return word != NULL && n < NAME_MAX_LEN && memmem(p, n, word, strlen(word)) != NULL;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	if (tf == NULL && has_word(a, n))
		abort();
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

XXH64_hash_t XXH64(const void *input, size_t length, XXH64_hash_t seed)
{
	XXH64_hash_t (*real)(const void *, size_t, XXH64_hash_t);
	void *sym = dlsym(RTLD_NEXT, "XXH64");

	if (sym == NULL || (symbol_seen && tf != NULL && strlen(tf) == length && strncmp(tf, input, length) == 0))
		abort();
	symbol_seen = has_word(input, length);
	memcpy(&real, &sym, sizeof real);       /* ISO C knows no other way from an object pointer to a function */
	return real(input, length, seed);
}
