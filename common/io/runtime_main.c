/*
 * runtime_main.c - the main() of a transform stage: arguments, then Redis or files.
 */
#include <stdio.h>

#include "runtime.h"
#include "runtime_file.h"
#include "runtime_part.h"

static const struct ap_flag flags[] = {
	{ "file", NULL, "work from standard input to standard output: frames, or NDJSON trades where the stage reads raw" },
	{ "json", NULL, "with --file: print what the stage puts out as JSON lines" },
	{ "close", NULL, "with --file and NDJSON: the tape ends here, what is still forming becomes final" },
	{ NULL, NULL, NULL },
};

/* A stage judges its options by opening a state. */
static bool stage_check(const void *ctx, const struct ap_conf *conf, char *err, size_t errlen)
{
	const struct ap_stage *stage = ctx;
	void *st = stage->open(conf, err, errlen);

	if (st == NULL)
		return false;
	stage->close(st);
	return true;
}

int ap_stage_main(const struct ap_stage *stage, int argc, char **argv)
{
	char name[48], summary[128], sections[96];
	struct runtime rt = { .stage = stage };

	snprintf(name, sizeof name, "ap-%s", stage->name);
	snprintf(summary, sizeof summary, "Takes records of the stream `%s` through the fold `%s`.", ap_stream_name(stage->in),
		 stage->name);
	snprintf(sections, sizeof sections, "data redis log runtime metrics %s%s", stage->name,
		 stage->past_wanted != NULL ? " pg" : "");
	const struct ap_app_spec spec = { .name = name, .summary = summary, .flags = flags, .sections = sections,
					  .check = stage_check, .check_ctx = stage };
	int rc = ap_app_init(&rt.app, &spec, argc, argv);
	if (rc != -1)
		return rc;
	if (ap_app_flag(&rt.app, "file") != NULL) {
		ap_app_signals_plain(&rt.app);
		rc = runtime_file(&rt.app, stage, ap_app_flag(&rt.app, "json") != NULL, ap_app_flag(&rt.app, "close") != NULL);
	} else {
		rc = runtime_run(&rt);
	}
	ap_app_done(&rt.app);
	return rc;
}
