/*
 * main.c - ap-ingest: the way in. Live sources, or one file replayed.
 */
#include <stdio.h>

#include "main.h"
#include "sim.h"

static const struct ap_flag flags[] = {
	{ "replay", "FILE", "send this file (plain, gzip or zstd; - is standard input) and end; a second time adds nothing" },
	{ "format", "NAME", "of the file: ndjson, binance-trades, binance-aggtrades, tardis-trades, csv, session" },
	{ "columns", "LIST", "of a csv: time,price,quantity,id,side,buyer_is_maker,symbol,source, - for what is left out" },
	{ "source", "NAME", "source of what does not name one itself" },
	{ "symbol", "NAME", "symbol of rows that do not name one" },
	{ "speed", "max|N", "as fast as it goes (default), or N times as fast as it happened" },
	{ "close", NULL, "the tape is complete: close what is still forming at its end" },
	{ "file", NULL, "write frames to standard output instead of Redis" },
	{ "stdin", NULL, "take messages from standard input, as from a socket, and end when it ends" },
	{ NULL, NULL, NULL },
};

/* What the table of options cannot say: a source must be a name, and a market needs symbols. */
static bool check(const void *ctx, const struct ap_conf *conf, char *err, size_t errlen)
{
	char name[AP_SOURCE_MAX], why[160];
	struct ap_sim *sim;

	(void)ctx;

	if (ap_source_canon(ap_str_c(conf->ingest_source), name) == 0) {
		snprintf(err, errlen, "ingest.source = '%s': letters, digits, '_', '.' and '-' make a name", conf->ingest_source);
		return false;
	}
	sim = ap_sim_new(0, 1, conf->ingest_sim_symbols, (ap_ts){ 0 }, why, sizeof why);
	if (sim == NULL) {
		snprintf(err, errlen, "ingest.sim_symbols: %s", why);
		return false;
	}
	ap_sim_free(sim);
	return true;
}

static const struct ap_app_spec spec = {
	.name = "ap-ingest",
	.summary = "Takes trades from sockets, files, standard input or a simulator into the raw streams.",
	.flags = flags,
	.sections = "data redis log runtime ingest journal metrics",
	.check = check,
};

/* Flags that mean something only beside --replay. */
static const char *stray_flag(const struct ap_app *app)
{
	static const char *const names[] = { "format", "columns", "source", "symbol", "speed", "close", "file" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (ap_app_flag(app, names[i]) != NULL)
			return names[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct ap_app app;
	const char *stray;
	bool from_stdin;
	int rc = ap_app_init(&app, &spec, argc, argv);

	if (rc != -1)
		return rc;
	stray = stray_flag(&app);
	from_stdin = ap_app_flag(&app, "stdin") != NULL;
	if (ap_app_flag(&app, "replay") != NULL && !from_stdin) {
		rc = replay_main(&app);
	} else if (stray != NULL || ap_app_flag(&app, "replay") != NULL) {
		fprintf(stderr, "ap-ingest: --%s %s\n", stray != NULL && !from_stdin ? stray : "stdin",
			stray != NULL && !from_stdin ? "goes with --replay" : "goes alone");
		rc = AP_EX_MISTAKE;
	} else {
		rc = feed_main(&app, from_stdin);
	}
	ap_app_done(&app);
	return rc;
}
