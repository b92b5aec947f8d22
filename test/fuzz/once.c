/*
 * once.c - a fuzz target as an ordinary test: its corpus, then a fixed number of seeded inputs, half of
 * them mutations of the corpus. Prints TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Seeded inputs of a target whose inputs are heavy; the others do not define it. */
extern const int fuzz_inputs __attribute__((weak));

enum { LEN_MAX = 4096, KEPT = 256 };

struct kept {
	uint8_t *p;
	size_t len;
};

static uint64_t rng = 0x9e3779b97f4a7c15u;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Every input gets a heap block of its exact size, so that a sanitizer sees a read beyond it. */
static void one(const uint8_t *p, size_t len)
{
	uint8_t *q = malloc(len > 0 ? len : 1);
	if (q == NULL)
		abort();
	memcpy(q, p, len);
	LLVMFuzzerTestOneInput(q, len);
	free(q);
}

static size_t load_corpus(const char *dir, struct kept *kept)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	for (const struct dirent *e; d != NULL && n < KEPT && (e = readdir(d)) != NULL;) {
		static uint8_t buf[1 << 20];
		char path[4096 + 257];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		FILE *f = fopen(path, "rb");
		if (f == NULL)
			continue;
		kept[n].len = fread(buf, 1, sizeof buf, f);
		kept[n].p = malloc(kept[n].len + 1);
		fclose(f);
		if (kept[n].p == NULL)
			abort();
		memcpy(kept[n].p, buf, kept[n].len);
		one(kept[n].p, kept[n].len);
		n++;
	}
	if (d != NULL)
		closedir(d);
	return n;
}

static size_t mutate(uint8_t *buf, const struct kept *from)
{
	size_t len = from->len < LEN_MAX ? from->len : LEN_MAX;
	memcpy(buf, from->p, len);
	for (uint64_t k = next() % 8 + 1; k > 0 && len > 0; k--)
		switch (next() % 3) {
		case 0:
			buf[next() % len] ^= (uint8_t)(1u << next() % 8);
			break;
		case 1:
			buf[next() % len] = (uint8_t)next();
			break;
		default:
			len = next() % (len + 1);
			break;
		}
	return len;
}

int main(int argc, char **argv)
{
	static struct kept kept[KEPT];
	static uint8_t buf[LEN_MAX];
	const int inputs = &fuzz_inputs != NULL ? fuzz_inputs : 20000;
	char dir[4096];
	const char *name = strrchr(argv[0], '/');
	name = name != NULL ? name + 1 : argv[0];
	snprintf(dir, sizeof dir, "test/fuzz/corpus/%s", name);
	size_t n = load_corpus(argc > 1 ? argv[1] : dir, kept);
	for (int i = 0; i < inputs; i++) {
		size_t len = next() % (i % 64 == 0 ? LEN_MAX : 256);
		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)next();
		if (n > 0 && i % 2 == 0)
			len = mutate(buf, &kept[next() % n]);
		one(buf, len);
	}
	printf("ok 1 - %s: %zu of its corpus and %d seeded inputs\n1..1\n", name, n, inputs);
	for (size_t i = 0; i < n; i++)
		free(kept[i].p);
	return 0;
}
