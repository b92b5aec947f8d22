/*
 * runtime_file.h - a stage as a filter: standard input to standard output, no server. Not for others.
 */
#ifndef AP_IO_RUNTIME_FILE_H
#define AP_IO_RUNTIME_FILE_H

#include "../core/stage.h"
#include "app.h"

/* Returns the exit code. json: outputs as JSON lines in place of frames; close: an NDJSON tape ends with its input. */
int runtime_file(struct ap_app *app, const struct ap_stage *stage, bool json, bool close_tape);

#endif
