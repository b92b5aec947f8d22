/*
 * replay.h - a tape: lines of a recorded file become raw records and beats, each with its place on the tape.
 *
 * The same lines with the same options give the same items in the same places, always: a place is the item's sequence
 * number, which makes a second run, or one resumed after a crash, add nothing twice. Time on a tape
 * is the tape's own. Pure: whoever opens, unpacks and cuts the file hands the lines over.
 */
#ifndef AP_INGEST_REPLAY_H
#define AP_INGEST_REPLAY_H

#include "common/core/buf.h"
#include "common/core/rec.h"

enum {
	AP_TAPE_LINE_MAX = 8 * 1024 * 1024,     /* bytes of a line of a session: snapshots of books are large */
	AP_TAPE_COLUMNS = 64,
	AP_TAPE_SOURCES = 64,                   /* sources that get beats */
};

/* As given by the user; NULL: not given. */
struct ap_tape_spec {
	const char *format;     /* ndjson binance-trades binance-aggtrades tardis-trades csv session */
	const char *columns;    /* csv: names in order, "-" for one that is left out */
	const char *source, *symbol;
};

struct ap_tape_item {
	const struct ap_rec *rec;       /* a raw record or a beat; dies when the call returns */
	uint64_t place;                 /* from 1 */
	int64_t t_ms;                   /* its event time as far as known */
	bool everywhere;                /* a beat: into every partition; else the partition of rec's source and symbol */
};
typedef void ap_tape_fn(void *ctx, const struct ap_tape_item *item);

struct ap_tape;

/* NULL with a sentence in err that names the option: a mistake of the user. Pair with ap_tape_free. */
struct ap_tape *ap_tape_new(const struct ap_tape_spec *spec, char *err, size_t errlen);
void ap_tape_free(struct ap_tape *t);
/* Whether a message is a whole line, and its greatest length: how the file is to be cut. */
bool ap_tape_by_lines(const struct ap_tape *t);
size_t ap_tape_line_max(const struct ap_tape *t);
/* The options that change what the tape means, as text: part of the tape's identity beside its content. */
void ap_tape_meaning(const struct ap_tape *t, struct ap_buf *out);
/* The next line (or message); cut: it was longer than ap_tape_line_max. Calls put for each item it gives. */
void ap_tape_line(struct ap_tape *t, ap_str line, bool cut, ap_tape_fn *put, void *ctx);
/* The end: what was held back, and if `close` a closing beat for each source. */
void ap_tape_end(struct ap_tape *t, bool close, ap_tape_fn *put, void *ctx);
/* The latest time reached by any source; 0 before the first. For pacing. */
ap_ts ap_tape_now(const struct ap_tape *t);

#endif
