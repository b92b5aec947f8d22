/*
 * fold.h - a stage's fold over whole entries: frames in, frames and state changes out.
 *
 * What the Redis runtime, the file port and the memory port share. Pure: it knows neither where entries come
 * from nor where frames go. An entry's outputs get its id; what does not fit one frame goes on at id+1, id+2 ...
 */
#ifndef AP_FOLD_H
#define AP_FOLD_H

#include "stage.h"
#include "wire.h"

/*
 * Frames of one entry, in all streams together, at most: with what waits already (runtime_work.c) one commit holds them.
 * Frames of a stream beyond AP_ID_STEP take ids that look like those of the next raw entry; the commit raises its ids.
 */
enum { AP_FOLD_FRAMES = 768 };

/* A body that waits to be handed over. */
struct ap_frame {
	enum ap_stream to;
	ap_id id;
	uint32_t n;             /* records */
	uint32_t weight;        /* of them, as AP_FRAME_RECS counts it */
	uint64_t t_ms;          /* event time of the first */
	size_t off, len;        /* of its bytes in bytes[to] */
};

struct ap_fold_count {          /* since open */
	uint64_t records_in, records_out, entries, bad_frames;
	uint64_t verdict[AP_V_N];
};

struct ap_fold {
	struct ap_out out;      /* first: what the stage sees */
	struct ap_saver saver;
	const struct ap_stage *stage;
	void *st;
	struct ap_buf bytes[AP_S_N];
	struct ap_frame *frames;
	size_t n_frames, cap_frames;
	size_t open[AP_S_N];    /* 1 + index of the frame that the present entry fills; 0: none */
	uint32_t cont[AP_S_N];  /* frames begun for the present entry */
	uint32_t begun;         /* of all streams */
	ap_id id;               /* of the present entry */
	ap_ts live_beat;        /* newest live beat since the last ap_fold_clear; 0: none */
	struct ap_buf sets, dels;       /* length-prefixed texts: field, value, field, value ...; field ... */
	size_t n_sets, n_dels;
	struct ap_fold_count count;
	struct ap_wire_iter it;
};

/* A new fold with an empty state. False with a sentence in err: a configuration error. Pair with ap_fold_done. */
bool ap_fold_init(struct ap_fold *f, const struct ap_stage *stage, const struct ap_conf *conf, char *err, size_t errlen);
void ap_fold_done(struct ap_fold *f);

/*
 * Steps every record of an entry and flushes. A body that does not decode changes nothing but one record in
 * `reject` (status poison, reason bad_frame); then the return is false and *why says what was wrong.
 */
bool ap_fold_entry(struct ap_fold *f, ap_id id, uint32_t n, ap_str body, const char **why);
/* The same for an entry that cannot even be opened: only the reject record. */
void ap_fold_poison(struct ap_fold *f, ap_id id, ap_str data, const char *why);
/*
 * The same one record at a time, for a runtime that says where it is before it goes on. ap_fold_begin reads the whole body, which
 * must stay where it is until ap_fold_end: false as above, and the entry is done with. Then every record is stepped or rejected, in
 * order, and ap_fold_end flushes. A rejected one is one record in `reject` (status poison, the reason given), with the payload
 * or the record as JSON. False: there was none left.
 */
bool ap_fold_begin(struct ap_fold *f, ap_id id, uint32_t n, ap_str body, const char **why);
bool ap_fold_step(struct ap_fold *f);
bool ap_fold_reject(struct ap_fold *f, const char *reason);
void ap_fold_end(struct ap_fold *f);
/* Fills in whom and what a record that is rejected was about, as far as its kind says: source, symbol, times, numbers; a message's payload. */
void ap_reject_about(struct ap_reject *to, const struct ap_rec *rec);

/* The body of a frame; valid until the next entry. */
ap_str ap_fold_body(const struct ap_fold *f, const struct ap_frame *fr);
/* Collects the state's changes since the last call (all: every field) into sets and dels. */
void ap_fold_save(struct ap_fold *f, bool all);
/* Walks sets or dels: *pos from 0; false at the end. */
bool ap_fold_text(const struct ap_buf *b, size_t *pos, ap_str *out);
/* Frames and state changes were handed over: forget them. */
void ap_fold_clear(struct ap_fold *f);

/* Event time of a record in ms: what the field `t` of an entry says. */
uint64_t ap_rec_t_ms(const struct ap_rec *rec);

#endif
