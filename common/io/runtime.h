/*
 * runtime.h - drives a fold: pull, fold, commit, for every partition this worker owns.
 */
#ifndef AP_IO_RUNTIME_H
#define AP_IO_RUNTIME_H

#include "../core/stage.h"

/*
 * The whole main() of a transform stage: arguments, then either Redis (default) or --file
 * (frames or NDJSON on stdin, frames on stdout, --json: records as JSON lines on stdout).
 * Returns the exit code.
 */
int ap_stage_main(const struct ap_stage *stage, int argc, char **argv);

#endif
