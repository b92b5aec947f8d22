/*
 * verify_journal.c - what came in, as the journals have it, against what is stored of it.
 *
 * Every journaled message is read again by the venues' formats and set beside the rows of its origin: each of its trades is stored
 * with these very values, or refused with a reason; nothing is stored twice, nothing is stored that nobody sent. Beside
 * that, the trades of every series and hour are added up on both sides: their number, and a sum of 128-bit hashes in
 * which no order matters. Knows nothing of what ap-normalize thinks of a trade: which ones were refused, the rows say.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "../../common/core/origin.h"
#include "../../common/core/timefmt.h"
#include "../../common/core/venue.h"
#include "rebuild.h"
#include "verify.h"

enum { NAMES_MAX = 256 << 20, BUCKETS_FIRST = 1024 };

enum col { J_ORIGIN, J_ID, J_TYPE, J_VALID, J_SOURCE, J_SYMBOL, J_US, J_NS, J_TRADE_ID, J_PRICE, J_QTY, J_SIDE, J_KEY };

/* A trade or quote: as a message tells it, or as a row has it. */
struct item {
	bool trade;             /* else a quote */
	bool good;              /* it can be one at all; a row: it is valid */
	bool matched;
	int sub;                /* a row that was refused: which one of its message; -1: its key does not say */
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1], id[AP_TRADE_ID_MAX + 1];
	int64_t ns;
	ap_dec price, qty;
	char side;
};

struct items {
	struct item *v;
	size_t n, cap;
};

/* The trades of one series in one hour: journal minus store. */
struct bucket {
	uint64_t key;           /* 0: free */
	uint32_t source_at, symbol_at;  /* in names */
	int64_t hour;
	uint64_t journal, stored;
	uint64_t lo[2], hi[2];  /* sums of hashes: journal, store */
};

struct check {
	struct verify *v;
	struct journals j;
	struct verify_rows rows;
	bool has;               /* rows stands at one */
	struct items want, have;
	const struct ap_raw *raw;
	const struct ap_format *format;
	struct ap_venue *venue;
	struct ap_wire_iter it;
	struct bucket *b;
	size_t buckets, used;
	struct ap_buf names;
	uint64_t origin;
	char id[64];
	bool no_memory;
};

static struct item *item_new(struct check *c, struct items *s)
{
	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 16 : s->cap * 2;
		struct item *more = realloc(s->v, cap * sizeof *more);

		if (more == NULL) {
			c->no_memory = true;
			return NULL;
		}
		s->v = more;
		s->cap = cap;
	}
	s->v[s->n] = (struct item){ .sub = -1 };
	return &s->v[s->n++];
}

/* --- series and hours ------------------------------------------------------------------------- */

static bool buckets_grow(struct check *c)
{
	size_t n = c->buckets == 0 ? BUCKETS_FIRST : c->buckets * 2;
	struct bucket *more = calloc(n, sizeof *more);

	if (more == NULL) {
		c->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < c->buckets; i++)
		if (c->b[i].key != 0) {
			size_t k = c->b[i].key & (n - 1);

			while (more[k].key != 0)
				k = (k + 1) & (n - 1);
			more[k] = c->b[i];
		}
	free(c->b);
	c->b = more;
	c->buckets = n;
	return true;
}

static uint32_t name_put(struct check *c, const char *name)
{
	uint32_t at = (uint32_t)c->names.len;

	ap_buf_put(&c->names, name, strlen(name) + 1);
	return at;
}

static struct bucket *bucket_of(struct check *c, const struct item *t)
{
	char text[AP_SOURCE_MAX + AP_SYMBOL_MAX + 32];
	int64_t hour = t->ns / INT64_C(3600000000000);
	size_t n = (size_t)snprintf(text, sizeof text, "%s\n%s\n%" PRId64, t->source, t->symbol, hour), i;
	uint64_t key = XXH3_64bits(text, n) | 1;

	if (c->used * 2 >= c->buckets && !buckets_grow(c))
		return NULL;
	for (i = key & (c->buckets - 1); c->b[i].key != 0; i = (i + 1) & (c->buckets - 1))
		if (c->b[i].key == key)
			return &c->b[i];
	c->used++;
	c->b[i] = (struct bucket){ .key = key, .hour = hour, .source_at = name_put(c, t->source), .symbol_at = name_put(c, t->symbol) };
	return &c->b[i];
}

/* side 0: the journal's, 1: the store's. */
static void bucket_add(struct check *c, const struct item *t, unsigned side)
{
	struct bucket *b = bucket_of(c, t);
	char text[AP_TRADE_ID_MAX + 2 * AP_DEC_TEXT + 40], price[AP_DEC_TEXT], qty[AP_DEC_TEXT];
	XXH128_hash_t h;

	if (b == NULL)
		return;
	(void)ap_dec_format(t->price, price);
	(void)ap_dec_format(t->qty, qty);
	h = XXH3_128bits(text, (size_t)snprintf(text, sizeof text, "%" PRId64 "\n%s\n%s\n%s\n%c", t->ns, t->id, price, qty, t->side));
	if (side == 0)
		b->journal++;
	else
		b->stored++;
	b->lo[side] += h.low64;
	b->hi[side] += h.high64;
}

static void buckets_tell(struct check *c)
{
	for (size_t i = 0; i < c->buckets; i++) {
		const struct bucket *b = &c->b[i];
		struct verify_at at = { .open_ms = b->hour * 3600000 };
		char want[80], got[80];

		if (b->key == 0 || (b->journal == b->stored && b->lo[0] == b->lo[1] && b->hi[0] == b->hi[1]))
			continue;
		at.source = (const char *)c->names.p + b->source_at;
		at.symbol = (const char *)c->names.p + b->symbol_at;
		(void)snprintf(want, sizeof want, "%" PRIu64 " with hash sum %016" PRIx64 "%016" PRIx64, b->journal, b->hi[0], b->lo[0]);
		(void)snprintf(got, sizeof got, "%" PRIu64 " with hash sum %016" PRIx64 "%016" PRIx64, b->stored, b->hi[1], b->lo[1]);
		verify_differs(c->v, "hour", &at, "trades in the journal", want, got);
	}
}

/* --- one message ---------------------------------------------------------------------------------- */

static void text_put(char *out, size_t cap, ap_str s)
{
	(void)snprintf(out, cap, "%.*s", (int)(s.len < cap ? s.len : cap - 1), s.len > 0 ? s.p : "");
}

static bool on_trade(void *ctx, const struct ap_vtrade *in)
{
	struct check *c = ctx;
	struct item *t = item_new(c, &c->want);
	struct ap_series series;
	ap_ts ts = { 0 };
	enum ap_dec_rc p, q;

	if (t == NULL)
		return false;
	ap_venue_series(c->format, c->raw->source, in->source, in->symbol, &series);
	p = in->price.p != NULL ? ap_dec_parse(in->price.p, in->price.len, &t->price) : AP_DEC_SYNTAX;
	q = in->qty.p != NULL ? ap_dec_parse(in->qty.p, in->qty.len, &t->qty) : AP_DEC_SYNTAX;
	t->trade = true;
	t->good = (p == AP_DEC_OK || p == AP_DEC_ROUNDED) && (q == AP_DEC_OK || q == AP_DEC_ROUNDED) && in->ts.p != NULL && ap_ts_parse(in->ts, &ts) &&
		  in->id.len <= AP_TRADE_ID_MAX && series.source_len > 0 && series.symbol_len > 0;
	t->ns = ts.ns;
	t->side = ap_side_name(in->side)[0];
	text_put(t->source, sizeof t->source, ap_series_source(&series));
	text_put(t->symbol, sizeof t->symbol, ap_series_symbol(&series));
	text_put(t->id, sizeof t->id, in->id);
	return true;
}

static bool on_quote(void *ctx, const struct ap_vquote *q)
{
	struct check *c = ctx;
	struct item *t = item_new(c, &c->want);

	(void)q;
	if (t != NULL)
		t->good = true;
	return t != NULL;
}

/* What the message holds; what is no message counts as one that must have been refused. */
static void read_message(struct check *c)
{
	const struct ap_venue_on on = { on_trade, on_quote, c };
	enum ap_venue_what what = AP_VENUE_BAD;

	c->want.n = 0;
	c->format = ap_format_find(c->raw->format);
	if (!ap_str_is(c->raw->format, "too_long") && c->raw->payload.len <= AP_PAYLOAD_MAX)
		what = ap_venue_parse(c->venue, c->format, c->raw->payload, &on);
	if (what == AP_VENUE_BAD)
		(void)item_new(c, &c->want);
}

/* --- its rows ------------------------------------------------------------------------------------------ */

static uint64_t row_origin(const struct check *c)
{
	return (uint64_t)verify_i64(&c->rows, J_ORIGIN);
}

static void take_row(struct check *c)
{
	const struct verify_rows *r = &c->rows;
	struct item *t = item_new(c, &c->have);
	const char *key = verify_text(r, J_KEY), *dot = key[0] == '#' ? strchr(key, '.') : NULL;

	if (t == NULL)
		return;
	t->trade = strcmp(verify_text(r, J_TYPE), "trade") == 0;
	t->good = verify_text(r, J_VALID)[0] == 't';
	t->sub = dot != NULL ? (int)strtol(dot + 1, NULL, 10) : -1;
	t->ns = verify_i64(r, J_US) * 1000 + verify_i64(r, J_NS);
	t->side = verify_text(r, J_SIDE)[0];
	(void)verify_dec(r, J_PRICE, &t->price);
	(void)verify_dec(r, J_QTY, &t->qty);
	text_put(t->source, sizeof t->source, ap_str_c(verify_text(r, J_SOURCE)));
	text_put(t->symbol, sizeof t->symbol, ap_str_c(verify_text(r, J_SYMBOL)));
	text_put(t->id, sizeof t->id, ap_str_c(verify_text(r, J_TRADE_ID)));
	(void)snprintf(c->id, sizeof c->id, "%s", verify_text(r, J_ID));
}

static void message_differs(const struct check *c, const char *field, const char *expected, const char *stored)
{
	char id[120];
	const struct verify_at at = { .open_ms = -1, .id = id };

	(void)snprintf(id, sizeof id, "%s%sof origin %016" PRIx64, c->id, c->id[0] != '\0' ? " " : "", c->origin);
	verify_differs(c->v, "journaled message", &at, field, expected, stored);
}

static void tell_item(const struct item *t, char *out, size_t cap)
{
	char price[AP_DEC_TEXT], qty[AP_DEC_TEXT], at[AP_TS_TEXT] = "?";

	if (!t->trade || !t->good) {
		(void)snprintf(out, cap, "%s", t->trade ? "a trade" : t->good ? "a quote" : "a reject");
		return;
	}
	(void)ap_dec_format(t->price, price);
	(void)ap_dec_format(t->qty, qty);
	if (t->ns >= 0)
		(void)ap_ts_format((ap_ts){ t->ns }, 9, at);
	(void)snprintf(out, cap, "trade %s of %s %s: %s x %s %c at %s", t->id[0] != '\0' ? t->id : "without id", t->source, t->symbol, price, qty, t->side, at);
}

static bool same(const struct item *a, const struct item *b)
{
	return a->trade == b->trade && (!a->trade || (a->ns == b->ns && a->side == b->side && ap_dec_cmp(a->price, b->price) == 0 &&
						      ap_dec_cmp(a->qty, b->qty) == 0 && strcmp(a->id, b->id) == 0 &&
						      strcmp(a->source, b->source) == 0 && strcmp(a->symbol, b->symbol) == 0));
}

/* The rows that are valid, each against a trade of these values; what was refused, by its place in the message. */
static void match(struct check *c)
{
	for (size_t i = 0; i < c->have.n; i++) {
		struct item *h = &c->have.v[i];

		if (!h->good && h->sub >= 0 && (size_t)h->sub < c->want.n && !c->want.v[h->sub].matched)
			h->matched = c->want.v[h->sub].matched = true;
	}
	for (size_t i = 0; i < c->have.n; i++)
		for (size_t k = 0; c->have.v[i].good && !c->have.v[i].matched && k < c->want.n; k++)
			if (!c->want.v[k].matched && c->want.v[k].good && same(&c->have.v[i], &c->want.v[k])) {
				c->have.v[i].matched = c->want.v[k].matched = true;
				if (c->want.v[k].trade)
					bucket_add(c, &c->want.v[k], 0);
			}
}

static void compare(struct check *c)
{
	char want[300], got[300];
	size_t k = 0;

	match(c);
	for (size_t i = 0; i < c->have.n; i++)
		if (c->have.v[i].good && c->have.v[i].trade)
			bucket_add(c, &c->have.v[i], 1);
	for (size_t i = 0; i < c->want.n; i++) {
		if (c->want.v[i].matched)
			continue;
		if (c->want.v[i].trade && c->want.v[i].good)
			bucket_add(c, &c->want.v[i], 0);
		while (k < c->have.n && c->have.v[k].matched)
			k++;
		tell_item(&c->want.v[i], want, sizeof want);
		(void)snprintf(got, sizeof got, "none");
		if (k < c->have.n)
			tell_item(&c->have.v[k++], got, sizeof got);
		message_differs(c, "normalized_data", want, got);
	}
	for (; k < c->have.n; k++) {
		if (c->have.v[k].matched)
			continue;
		tell_item(&c->have.v[k], got, sizeof got);
		message_differs(c, "normalized_data", "nothing more", got);
	}
}

/* --- all messages of a journal ----------------------------------------------------------------------------- */

static int by_signed_origin(const void *a, const void *b)
{
	const struct source_dir *x = a, *y = b;
	int64_t ox = (int64_t)ap_origin_make(ap_origin_tag(ap_str_c(x->producer)), 0), oy = (int64_t)ap_origin_make(ap_origin_tag(ap_str_c(y->producer)), 0);

	return (ox > oy) - (ox < oy);
}

static void row_without_message(struct check *c)
{
	c->origin = row_origin(c);
	(void)snprintf(c->id, sizeof c->id, "%s", verify_text(&c->rows, J_ID));
	message_differs(c, "journal", "no such message", "a row");
	c->has = verify_rows_next(&c->rows);
}

/* Rows below `to`; told where the journal should have their message. */
static void pass_rows(struct check *c, int64_t to, bool told)
{
	while (c->has && verify_i64(&c->rows, J_ORIGIN) < to && !c->v->away)
		if (told)
			row_without_message(c);
		else
			c->has = verify_rows_next(&c->rows);
}

static void one_message(struct check *c, const struct ap_journal_rec *rec, uint32_t tag)
{
	struct ap_rec r;

	ap_wire_start(&c->it, rec->payload, 1);
	if (ap_wire_next(&c->it, &r) != AP_WIRE_OK || r.kind != AP_RAW)
		return;
	c->origin = ap_origin_make(tag, rec->seq);
	pass_rows(c, (int64_t)c->origin, true);
	c->raw = &r.u.raw;
	c->have.n = 0;
	c->id[0] = '\0';
	for (; c->has && row_origin(c) == c->origin && !c->v->away; c->has = verify_rows_next(&c->rows))
		take_row(c);
	if (c->v->away || (c->v->from_ms != INT64_MIN && ap_ts_ms(r.u.raw.recv) < c->v->from_ms))
		return;
	read_message(c);
	compare(c);
	c->v->journaled++;
}

/* What the journal has lost and PostgreSQL has. */
static void gap_differs(struct check *c, const struct source_dir *d, const struct journal_gap *g, uint64_t rows)
{
	char id[120], stored[40];
	const struct verify_at at = { .open_ms = -1, .id = id };

	(void)snprintf(id, sizeof id, "of %.60s, numbers %" PRIu64 " to %" PRIu64, d->producer, g->first, g->last);
	(void)snprintf(stored, sizeof stored, "%" PRIu64 " rows", rows);
	verify_differs(c->v, "journal", &at, "records", "missing", stored);
}

static void pass_gaps(struct check *c, struct source_dir *d, uint32_t tag)
{
	for (; d->gaps_told < d->gaps_n; d->gaps_told++) {
		const struct journal_gap *g = &d->gaps[d->gaps_told];
		uint64_t rows = 0;

		verify_note(c->v, g->torn ? "a journal ends in the middle of a record" : "a journal has lost records");
		if (g->torn)
			continue;       /* rows behind it are told one by one */
		pass_rows(c, (int64_t)ap_origin_make(tag, g->first), true);
		for (; c->has && verify_i64(&c->rows, J_ORIGIN) <= (int64_t)ap_origin_make(tag, g->last) && !c->v->away; c->has = verify_rows_next(&c->rows))
			rows++;
		if (rows > 0)
			gap_differs(c, d, g, rows);
	}
}

static bool one_journal(struct check *c, struct source_dir *d)
{
	uint32_t tag = ap_origin_tag(ap_str_c(d->producer));

	/* What was before its beginning has been deleted, what is behind its end is not known to be on disk. */
	pass_rows(c, (int64_t)ap_origin_make(tag, d->first), false);
	pass_gaps(c, d, tag);
	while (d->has && !c->v->away && !c->no_memory) {
		one_message(c, &d->rec, tag);
		if (!journals_step(&c->j, d))
			return false;
		pass_gaps(c, d, tag);
	}
	pass_rows(c, (int64_t)ap_origin_make(tag, AP_ORIGIN_SEQ_MAX), d->limit == UINT64_MAX);
	return true;
}

static bool open_rows(struct check *c)
{
	return verify_rows_open(&c->rows, c->v, "journaled",
				"SELECT origin, original_message_id, data_type, validation_status = 'valid', source, symbol, "
				"(extract(epoch FROM timestamp) * 1000000)::bigint, coalesce((metadata->>'ns')::int, 0), coalesce(trade_id, ''), price, quantity, "
				"coalesce(side, ''), record_key FROM normalized_data "
				"WHERE coalesce(validation_errors->0->>'stage', 'normalize') = 'normalize' ORDER BY origin");
}

static void compare_all(struct check *c)
{
	PGresult *r = verify_ask(c->v, "SELECT id FROM dataset");
	const char *dataset = r != NULL && PQntuples(r) == 1 ? PQgetvalue(r, 0, 0) : "";

	qsort(c->j.v, c->j.n, sizeof c->j.v[0], by_signed_origin);
	c->has = !c->v->away && open_rows(c) && verify_rows_next(&c->rows);
	if (!c->v->away && !journals_start(&c->j))
		verify_note(c->v, c->j.err);
	for (size_t i = 0; i < c->j.n && !c->v->away && c->j.err[0] == '\0'; i++)
		if (strcmp(c->j.v[i].dataset, dataset) == 0 && !one_journal(c, &c->j.v[i]))
			verify_note(c->v, c->j.err);
	buckets_tell(c);
	verify_rows_close(&c->rows);
	PQclear(r);
}

void verify_journals(struct verify *v)
{
	struct check *c;
	char root[700];

	if (v->source != NULL || v->symbol != NULL || v->to_ms != INT64_MAX || ctl_flag(v->c, "from", NULL) != NULL || !v->c->app.conf.persist_normalized)
		return;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return;
	c->v = v;
	c->venue = ap_venue_new();
	ap_buf_init(&c->names, NAMES_MAX);
	if (c->venue == NULL || !journals_find(&c->j, journals_root(v->c, root, sizeof root)))
		verify_note(v, c->j.err[0] != '\0' ? c->j.err : "no memory for the journals");
	else if (c->j.n > 0)
		compare_all(c);
	if (c->no_memory)
		verify_note(v, "no memory for the journals");
	journals_done(&c->j);
	ap_venue_free(c->venue);
	ap_buf_done(&c->names);
	free(c->want.v);
	free(c->have.v);
	free(c->b);
	free(c);
}
