/*
 * post.h - messages that came by POST: from the request's body to ap-ingest's lines, and what became of them.
 *
 * Pure. It judges the shape only (JSON, a symbol, fields that are scalars): whether a price is a price is
 * ap-normalize's business, so that a bad one is kept and counted like any other.
 */
#ifndef AP_API_POST_H
#define AP_API_POST_H

#include "../../common/core/buf.h"
#include "../../common/core/json.h"
#include "../../common/core/rec.h"

enum { API_POST_MAX = 1000 };   /* messages in one request */

enum api_msg_state {
	API_MSG_SENT,           /* no answer from ap-ingest yet */
	API_MSG_TAKEN,          /* in the journal and in its raw stream; not processed yet */
	API_MSG_DONE,           /* processed: status and reason say how */
	API_MSG_REFUSED,        /* ap-ingest did not take it: reason says why */
};

struct api_msg {
	uint32_t line_off, line_len;    /* its NDJSON line (with the newline) in api_post.lines */
	enum api_msg_state state;
	ap_id id;                       /* TAKEN and DONE: the raw entry, and the place in it */
	uint32_t idx;
	enum ap_status status;          /* DONE */
	char reason[48];                /* not valid: a word, and a sentence */
	char detail[AP_DETAIL_MAX + 1];
};

struct api_post {
	struct ap_buf lines;
	struct api_msg *msg;            /* owned */
	uint32_t n;
	bool list;                      /* the body was a list: so is the answer */
	uint32_t pending;               /* messages neither done nor refused */
};

/*
 * Reads the body: one object {"symbol", "data_type"?, "source"?, "data": {"price", "volume"|"quantity", "timestamp",
 * "trade_id"?, "side"?}} or a list of them. False with a sentence in err that names message and field. Pair with api_post_done
 * in any case. toks: workspace.
 */
bool api_post_parse(struct api_post *p, ap_str body, struct ap_jtok *toks, uint32_t cap, char *err, size_t errlen);
void api_post_done(struct api_post *p);

/* Reads one line of ap-ingest's answers into msg. False: not an answer. toks: workspace. */
bool api_post_ack(struct api_msg *msg, ap_str line, struct ap_jtok *toks, uint32_t cap);

/* What became of one message of a raw entry. */
struct api_outcome {
	ap_id id;
	uint32_t idx;
	enum ap_status status;
	char reason[48];
	char detail[AP_DETAIL_MAX + 1];
};
/* From a record of the tick or reject stream; false for other kinds. rec->id is set. */
bool api_outcome_of(const struct ap_rec *rec, struct api_outcome *out);

/* The newest outcomes, for messages whose acknowledgement comes after their outcome. */
struct api_outcomes {
	struct api_outcome *ring;       /* owned; cap of them */
	uint32_t cap, next, n;
};
bool api_outcomes_init(struct api_outcomes *o, uint32_t cap);
void api_outcomes_done(struct api_outcomes *o);
void api_outcomes_put(struct api_outcomes *o, const struct api_outcome *x);
/* The outcome of that message or NULL. */
const struct api_outcome *api_outcomes_find(const struct api_outcomes *o, ap_id id, uint32_t idx);
/* Settles the messages this outcome is about; true when the post has nothing pending any more. */
bool api_post_settle(struct api_post *p, const struct api_outcome *x);

#endif
