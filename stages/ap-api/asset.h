/*
 * asset.h - the page's files as they were built into the program (tools/embed.c writes the table).
 */
#ifndef AP_API_ASSET_H
#define AP_API_ASSET_H

#include <stddef.h>

struct api_asset {
	const char *path;               /* "/app.js" */
	const char *type;               /* Content-Type */
	const char *etag;               /* hash of the plain bytes, without quotes */
	const unsigned char *plain, *gz;
	size_t plain_len, gz_len;       /* gz_len 0: compression does not pay */
};

extern const struct api_asset api_assets[];
extern const size_t api_assets_n;

#endif
