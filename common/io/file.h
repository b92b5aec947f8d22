/*
 * file.h - frames in files and pipes: the streams without Redis (schema/streams.md, "Frame files").
 *
 * Blocking; for filters and tools, never on a loop.
 */
#ifndef AP_IO_FILE_H
#define AP_IO_FILE_H

#include <stdio.h>

#include "../core/buf.h"
#include "../core/stage.h"
#include "../core/wire.h"

struct ap_file_frame {
	enum ap_stream stream;
	ap_id id;
	uint32_t n;
	uint64_t t_ms;
	ap_str body;            /* in the reader's buffer, until its next call */
};

enum ap_file_rc { AP_FILE_OK, AP_FILE_END, AP_FILE_BAD };

/* Reads the next frame; buf keeps the body. BAD: *why says what is wrong. */
enum ap_file_rc ap_file_read(FILE *in, struct ap_buf *buf, struct ap_file_frame *out, const char **why);
/* False: the write failed (errno). */
bool ap_file_write(FILE *out, const struct ap_file_frame *frame);

#endif
