/*
 * main.c - ties the candle fold to the runtime that every transform stage shares, and to the tz database.
 */
#include "candle.h"
#include "common/io/runtime.h"

#include <stdio.h>

/* Names of the tz database: no absolute path and no way up. */
static bool zone_name_fine(const char *name)
{
	if (name[0] == '/' || strstr(name, "..") != NULL)
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == strlen(name);
}

static bool read_zone(void *ctx, const char *name, struct ap_buf *into)
{
	char path[160];
	uint8_t piece[4096];
	size_t n;
	FILE *f;

	(void)ctx;
	if (!zone_name_fine(name))
		return false;
	(void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	f = fopen(path, "rbe");
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		ap_buf_put(into, piece, n);
	n = (size_t)ferror(f);
	return fclose(f) == 0 && n == 0 && into->len > 0;
}

static void *open_here(const struct ap_conf *conf, char *err, size_t errlen)
{
	return candle_open_zones(conf, read_zone, NULL, err, errlen);
}

int main(int argc, char **argv)
{
	struct ap_stage stage = ap_candle_stage;

	stage.open = open_here;
	return ap_stage_main(&stage, argc, argv);
}
