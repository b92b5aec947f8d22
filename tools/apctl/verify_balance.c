/*
 * verify_balance.c - in = stored + rejected + duplicates: every message that came in has an outcome, every outcome has its rows, and
 * nothing was lost on the way to the database.
 *
 * Messages are told by (partition, id): their own table has the partition, a row of normalized_data gives it away by its key or
 * by its series. Three passes side by side, ordered by id; what shares an id is at most one message a partition.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/part.h"

enum from { FROM_MESSAGES, FROM_RESULTS, FROM_NORMALIZED, FROM_N };
enum col { B_ID, B_PART, B_GOOD, B_SOURCE, B_SYMBOL };
enum mark { MARK_IN = 1, MARK_GOOD = 2, MARK_BAD = 4, MARK_ROW_GOOD = 8, MARK_ROW_BAD = 16 };

static const struct {
	const char *name, *sql;
} parts[FROM_N] = {
	[FROM_MESSAGES] = { "messages", "SELECT message_id, partition, true, source, symbol FROM stream_messages ORDER BY message_id COLLATE \"C\"" },
	[FROM_RESULTS] = { "results", "SELECT message_id, partition, success, '', '' FROM processing_results ORDER BY message_id COLLATE \"C\"" },
	[FROM_NORMALIZED] = { "outcomes", "SELECT original_message_id, coalesce(substring(record_key from '^#([0-9]+):[0-9]+-[0-9]+-[0-9]+[.]'), '-1'), "
			      "validation_status = 'valid', source, symbol FROM normalized_data "
			      "WHERE coalesce(validation_errors->0->>'stage', 'normalize') = 'normalize' ORDER BY original_message_id COLLATE \"C\"" },
};

struct balance {
	struct verify *v;
	struct verify_rows rows[FROM_N];
	bool has[FROM_N];
	char id[64];
	uint8_t mark[AP_PARTS_MAX];     /* of the id at hand, by partition */
};

static unsigned part_of(const struct balance *b, const struct verify_rows *r)
{
	int64_t p = verify_i64(r, B_PART);

	if (p < 0)
		p = ap_part(ap_str_c(verify_text(r, B_SOURCE)), ap_str_c(verify_text(r, B_SYMBOL)), (unsigned)b->v->c->app.conf.data_partitions);
	return p < AP_PARTS_MAX ? (unsigned)p : 0;
}

static void tell(const struct balance *b, unsigned part, const char *field, const char *expected, const char *stored)
{
	char id[100];
	const struct verify_at at = { .open_ms = -1, .id = id };

	(void)snprintf(id, sizeof id, "%s of partition %u", b->id, part);
	verify_differs(b->v, "message", &at, field, expected, stored);
}

/* Whether all that is known of a message fits together. */
static void judge(const struct balance *b, unsigned part)
{
	const struct ap_conf *c = &b->v->c->app.conf;
	const uint8_t m = b->mark[part];
	const bool in = m & MARK_IN, result = m & (MARK_GOOD | MARK_BAD), row = m & (MARK_ROW_GOOD | MARK_ROW_BAD);

	if (c->persist_raw && !in)
		tell(b, part, "stream_messages", "the message", "none");
	if (c->persist_results && !result)
		tell(b, part, "processing_results", "what became of it", "none");
	if (c->persist_normalized && !row)
		tell(b, part, "normalized_data", "a trade or a reject", "none");
	if (c->persist_results && c->persist_normalized && result && row && ((m & MARK_BAD) != 0) != ((m & MARK_ROW_BAD) != 0))
		tell(b, part, "processing_results", m & MARK_ROW_BAD ? "failed: there is a reject" : "success: there is no reject",
		     m & MARK_BAD ? "failed" : "success");
}

static void least_id(struct balance *b)
{
	b->id[0] = '\0';
	for (unsigned i = 0; i < FROM_N; i++)
		if (b->has[i] && (b->id[0] == '\0' || strcmp(verify_text(&b->rows[i], B_ID), b->id) < 0))
			(void)snprintf(b->id, sizeof b->id, "%s", verify_text(&b->rows[i], B_ID));
}

static void take(struct balance *b, enum from f)
{
	static const uint8_t marks[FROM_N][2] = {
		[FROM_MESSAGES] = { MARK_IN, MARK_IN }, [FROM_RESULTS] = { MARK_BAD, MARK_GOOD }, [FROM_NORMALIZED] = { MARK_ROW_BAD, MARK_ROW_GOOD },
	};
	struct verify_rows *r = &b->rows[f];

	while (b->has[f] && strcmp(verify_text(r, B_ID), b->id) == 0) {
		b->mark[part_of(b, r)] |= marks[f][verify_text(r, B_GOOD)[0] == 't'];
		b->has[f] = verify_rows_next(r);
	}
}

static void compare(struct balance *b)
{
	for (;;) {
		least_id(b);
		if (b->id[0] == '\0' || b->v->away)
			return;
		memset(b->mark, 0, sizeof b->mark);
		for (enum from f = 0; f < FROM_N; f++)
			take(b, f);
		for (unsigned p = 0; p < AP_PARTS_MAX && !b->v->away; p++)
			if (b->mark[p] != 0) {
				b->v->messages++;
				judge(b, p);
			}
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
