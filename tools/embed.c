/*
 * embed.c - files into a C table: embed OUT.c [?]/URL=FILE ...
 *
 * Writes api_assets[] (stages/ap-api/asset.h): plain and gzip bytes, type by suffix, a hash for the ETag. The same files give
 * the same bytes. A file marked with '?' may be missing: that is said on stderr, and the table goes without it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

struct bytes {
	unsigned char *p;
	size_t len;
};

static const struct { const char *suffix, *type; } types[] = {
	{ ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" }, { ".css", "text/css; charset=utf-8" },
	{ ".svg", "image/svg+xml" }, { ".json", "application/json" }, { ".txt", "text/plain; charset=utf-8" },
};

static const char *type_of(const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t k = strlen(types[i].suffix);
		if (n > k && strcmp(path + n - k, types[i].suffix) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

static void die(const char *what, const char *name)
{
	fprintf(stderr, "embed: %s: %s\n", what, name);
	exit(1);
}

static int slurp(const char *file, struct bytes *b)
{
	FILE *f = fopen(file, "rb");
	if (f == NULL)
		return -1;
	size_t cap = 0;
	*b = (struct bytes){ 0 };
	do {
		cap = cap == 0 ? 65536 : cap * 2;
		b->p = realloc(b->p, cap);
		if (b->p == NULL)
			die("out of memory", file);
		b->len += fread(b->p + b->len, 1, cap - b->len, f);
	} while (b->len == cap);
	if (ferror(f) != 0)
		die("cannot read", file);
	fclose(f);
	return 0;
}

/* gzip without a time or a name, so that it is the same every time; empty when it saves less than a tenth. */
static struct bytes squeeze(const struct bytes *in)
{
	z_stream z = { 0 };
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		die("zlib", "deflateInit2");
	struct bytes out = { .len = deflateBound(&z, (uLong)in->len) };
	out.p = malloc(out.len);
	if (out.p == NULL)
		die("out of memory", "gzip");
	z.next_in = in->p;
	z.avail_in = (uInt)in->len;
	z.next_out = out.p;
	z.avail_out = (uInt)out.len;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		die("zlib", "deflate");
	out.len -= z.avail_out;
	deflateEnd(&z);
	if (out.len * 10 > in->len * 9)
		out.len = 0;
	return out;
}

static void array(FILE *o, const char *name, int i, const struct bytes *b)
{
	fprintf(o, "static const unsigned char %s%d[] = {", name, i);
	for (size_t k = 0; k < b->len; k++)
		fprintf(o, "%s%u,", k % 24 == 0 ? "\n" : "", b->p[k]);
	fprintf(o, "0};\n");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		die("usage", "embed OUT.c [?]/URL=FILE ...");
	FILE *o = fopen(argv[1], "w");
	char *rows = NULL;
	size_t rows_len = 0;
	FILE *r = open_memstream(&rows, &rows_len);
	if (o == NULL || r == NULL)
		die("cannot write", argv[1]);
	fprintf(o, "/* Made by tools/embed.c. */\n#include \"stages/ap-api/asset.h\"\n");
	for (int i = 2; i < argc; i++) {
		int optional = argv[i][0] == '?';
		char *url = argv[i] + optional, *eq = strchr(url, '=');
		struct bytes plain;
		if (eq == NULL)
			die("expected /URL=FILE", argv[i]);
		*eq = '\0';
		if (slurp(eq + 1, &plain) == -1) {
			if (!optional)
				die("cannot open", eq + 1);
			fprintf(stderr, "embed: %s is missing, the page goes without it\n", eq + 1);
			continue;
		}
		struct bytes gz = squeeze(&plain);
		array(o, "plain", i, &plain);
		array(o, "gz", i, &gz);
		fprintf(r, "\t{ \"%s\", \"%s\", \"%016llx\", plain%d, gz%d, %zu, %zu },\n", url, type_of(url),
			(unsigned long long)XXH64(plain.p, plain.len, 0), i, i, plain.len, gz.len);
		free(plain.p);
		free(gz.p);
	}
	fclose(r);
	fprintf(o, "const struct api_asset api_assets[] = {\n%s};\nconst size_t api_assets_n = sizeof api_assets / sizeof api_assets[0];\n", rows);
	free(rows);
	return fclose(o) == 0 ? 0 : 1;
}
