/*
 * verify_balance.c - in = stored + rejected + duplicates: every message that came in has an outcome, every outcome has its rows, and
 * nothing was lost on the way to the database.
 *
 * Messages are told by their origin, which stays the same whatever entry brought them. Three passes side by side, ordered by it.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum from { FROM_MESSAGES, FROM_RESULTS, FROM_NORMALIZED, FROM_N };
enum col { B_ORIGIN, B_ID, B_GOOD };
enum mark { MARK_IN = 1, MARK_GOOD = 2, MARK_BAD = 4, MARK_ROW_GOOD = 8, MARK_ROW_BAD = 16 };

static const struct {
	const char *name, *sql;
} parts[FROM_N] = {
	[FROM_MESSAGES] = { "messages", "SELECT origin, message_id, true FROM stream_messages UNION ALL "
			    "SELECT origin, original_message_id, true FROM normalized_data WHERE validation_status = 'poison' AND "
			    "validation_errors->0->>'stage' = 'persist' AND validation_errors->0->>'detail' = 'raw' ORDER BY origin" },
	[FROM_RESULTS] = { "results", "SELECT origin, message_id, success FROM processing_results ORDER BY origin" },
	[FROM_NORMALIZED] = { "outcomes", "SELECT origin, original_message_id, validation_status = 'valid' FROM normalized_data "
			      "WHERE coalesce(validation_errors->0->>'stage', 'normalize') = 'normalize' ORDER BY origin" },
};

struct balance {
	struct verify *v;
	struct verify_rows rows[FROM_N];
	bool has[FROM_N];
	int64_t origin;
	char id[64];            /* of the message at hand */
	uint8_t mark;
};

static void tell(const struct balance *b, const char *field, const char *expected, const char *stored)
{
	char id[100];
	const struct verify_at at = { .open_ms = -1, .id = id };

	(void)snprintf(id, sizeof id, "%s of origin %016" PRIx64, b->id, (uint64_t)b->origin);
	verify_differs(b->v, "message", &at, field, expected, stored);
}

/* Whether all that is known of a message fits together. */
static void judge(const struct balance *b)
{
	const struct ap_conf *c = &b->v->c->app.conf;
	const uint8_t m = b->mark;
	const bool in = m & MARK_IN, result = m & (MARK_GOOD | MARK_BAD), row = m & (MARK_ROW_GOOD | MARK_ROW_BAD);

	if (c->persist_raw && !in)
		tell(b, "stream_messages", "the message", "none");
	if (c->persist_results && !result)
		tell(b, "processing_results", "what became of it", "none");
	if (c->persist_normalized && !row)
		tell(b, "normalized_data", "a trade or a reject", "none");
	if (c->persist_results && c->persist_normalized && result && row && ((m & MARK_BAD) != 0) != ((m & MARK_ROW_BAD) != 0))
		tell(b, "processing_results", m & MARK_ROW_BAD ? "failed: there is a reject" : "success: there is no reject",
		     m & MARK_BAD ? "failed" : "success");
}

/* The least origin of the three rows at hand. False: there is none. */
static bool least_origin(struct balance *b)
{
	bool any = false;

	for (unsigned i = 0; i < FROM_N; i++) {
		int64_t o = b->has[i] ? verify_i64(&b->rows[i], B_ORIGIN) : 0;

		if (!b->has[i] || (any && o >= b->origin))
			continue;
		b->origin = o;
		(void)snprintf(b->id, sizeof b->id, "%s", verify_text(&b->rows[i], B_ID));
		any = true;
	}
	return any;
}

static void take(struct balance *b, enum from f)
{
	static const uint8_t marks[FROM_N][2] = {
		[FROM_MESSAGES] = { MARK_IN, MARK_IN }, [FROM_RESULTS] = { MARK_BAD, MARK_GOOD }, [FROM_NORMALIZED] = { MARK_ROW_BAD, MARK_ROW_GOOD },
	};
	struct verify_rows *r = &b->rows[f];

	while (b->has[f] && verify_i64(r, B_ORIGIN) == b->origin) {
		b->mark |= marks[f][verify_text(r, B_GOOD)[0] == 't'];
		b->has[f] = verify_rows_next(r);
	}
}

static void compare(struct balance *b)
{
	while (least_origin(b) && !b->v->away) {
		b->mark = 0;
		for (enum from f = 0; f < FROM_N; f++)
			take(b, f);
		if (b->v->away)
			return;
		b->v->messages++;
		judge(b);
	}
}

/* Entries whose sequence number never came. */
static void lost(struct verify *v)
{
	PGresult *r = verify_ask(v, "SELECT partition, stream, lost FROM sink_cursors WHERE lost <> 0 ORDER BY 1, 2");

	for (int i = 0; r != NULL && i < PQntuples(r); i++) {
		char id[120];
		const struct verify_at at = { .open_ms = -1, .id = id };

		(void)snprintf(id, sizeof id, "%s of partition %s", PQgetvalue(r, i, 1), PQgetvalue(r, i, 0));
		verify_differs(v, "stream", &at, "lost", "0", PQgetvalue(r, i, 2));
	}
	PQclear(r);
}

void verify_balance(struct verify *v)
{
	struct balance *b;
	bool ok = true;

	lost(v);
	if (v->source != NULL || v->symbol != NULL || v->from_ms != INT64_MIN || v->to_ms != INT64_MAX)
		return;         /* messages have no series and no event time of their own */
	b = calloc(1, sizeof *b);
	if (b == NULL)
		return;
	b->v = v;
	for (enum from f = 0; ok && f < FROM_N; f++) {
		ok = verify_rows_open(&b->rows[f], v, parts[f].name, parts[f].sql);
		b->has[f] = ok && verify_rows_next(&b->rows[f]);
	}
	if (ok)
		compare(b);
	for (enum from f = 0; f < FROM_N; f++)
		verify_rows_close(&b->rows[f]);
	free(b);
}
