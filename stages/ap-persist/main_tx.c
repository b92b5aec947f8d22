/*
 * main_tx.c - the PostgreSQL side: what waits in the inboxes becomes one transaction.
 *
 * Rows and cursors move together or not at all. The cursors are fenced: each must still carry our token and
 * stand where we left it. Rows are copied straight into the tables; when one of them is there already (an
 * earlier commit whose answer was lost, a trade sent twice) the batch goes again by way of temporary twins and is
 * merged on the natural keys. A row that PostgreSQL refuses is found by halving and left out, alone.
 */
#include "main.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"

enum {
	SQL_MAX = 1 << 18,
	CHUNK = 128 << 10,
	SLOW_MS = 20000,
	SLICE = 8,              /* entries mapped at a time while the server waits for us, or may */
	ALL = INT32_MAX,
};

enum { ST_SPANS, ST_BEGIN, ST_ROWS, ST_COVER, ST_CURSORS, ST_COMMIT, ST_N };

static bool gather(struct sink *s, size_t entries);
static void tx_go(struct sink *s);
static void tx_error(struct sink *s, const struct ap_pg_result *r);

void tx_done(struct tx *x)
{
	for (enum ap_table t = 0; t < AP_T_N; t++) {
		free(x->skip[t]);
		x->skip[t] = NULL;
		x->skip_n[t] = 0;
	}
}

bool batch_open(struct sink *s, struct batch *b)
{
	b->map = map_new(&s->app.conf, &s->steps);
	b->mark = calloc(s->parts * MAP_STREAMS, sizeof *b->mark);
	return b->map != NULL && b->mark != NULL;
}

void batch_close(struct batch *b)
{
	map_free(b->map);
	free(b->mark);
	free(b->taken);
}

static void batch_clear(struct sink *s, struct batch *b)
{
	map_clear(b->map);
	b->taken_n = 0;
	memset(b->mark, 0, s->parts * MAP_STREAMS * sizeof *b->mark);
}

/* --- results ---------------------------------------------------------------------------------------------- */

/* A statement of the transaction was answered. LOST is dealt with when the connection goes down. */
static bool answered(struct sink *s, const struct ap_pg_result *r)
{
	if (r->rc == AP_PG_LOST || s->job != JOB_TX)
		return false;
	if (r->rc == AP_PG_OK)
		return true;
	tx_error(s, r);
	return false;
}

static void step_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (!answered(s, r))
		return;
	s->tx.step++;
	tx_go(s);
}

/* A query that cannot even be queued means the connection is going down: its `down` follows. */
static void ask(struct sink *s, ap_pg_fn *fn, const struct ap_buf *sql)
{
	assert(!sql->full && sql->len > 0 && sql->p[sql->len - 1] == '\0');
	ap_pg_exec(s->pg, fn, s, SLOW_MS, (const char *)sql->p);
}

/* --- partitions of tables --------------------------------------------------------------------------------------- */

static uint64_t span_key(const struct map_span *sp)
{
	return ((uint64_t)sp->table + 1) << 56 | ((uint64_t)sp->lo_s & 0xffffffffffffff);
}

static uint64_t *span_slot(struct sink *s, const struct map_span *sp)
{
	uint64_t key = span_key(sp);
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15 >> 51) % KNOWN_SPANS;

	while (s->known[i] != 0 && s->known[i] != key)
		i = (i + 1) % KNOWN_SPANS;
	return &s->known[i];
}

static void forget_spans(struct sink *s)
{
	memset(s->known, 0, sizeof s->known);
	s->known_n = 0;
}

static void spans_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (!answered(s, r))
		return;
	for (size_t i = 0; i < s->tx.asked_n; i++) {
		const struct map_span *sp = &s->now->map->span[s->tx.asked[i]];

		*span_slot(s, sp) = span_key(sp);
		s->known_n++;
	}
	tx_go(s);
}

static void step_spans(struct sink *s)
{
	struct tx *x = &s->tx;
	struct ap_buf sql;

	if (s->known_n > KNOWN_SPANS / 2)
		forget_spans(s);
	ap_buf_init(&sql, SQL_MAX);
	x->asked_n = 0;
	for (; x->span < s->now->map->spans && x->asked_n < SPANS_ASKED; x->span++) {
		const struct map_span *sp = &s->now->map->span[x->span];

		if (*span_slot(s, sp) != 0)
			continue;
		s->store->ensure(&sql, sp->table, sp->lo_s);
		ap_buf_putc(&sql, ';');
		x->asked[x->asked_n++] = x->span;
	}
	ap_buf_putc(&sql, '\0');
	if (x->asked_n == 0 || s->store->hyper) {
		x->step++;
		tx_go(s);
	} else {
		ask(s, spans_cb, &sql);
	}
	ap_buf_done(&sql);
}

static void step_begin(struct sink *s)
{
	s->tx.table = s->tx.probing ? s->tx.table : 0;
	s->tx.twin = false;
	ap_pg_exec(s->pg, step_cb, s, 0, "BEGIN");
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static bool skipped(const struct tx *x, enum ap_table t, size_t row)
{
	return x->skip[t] != NULL && row < x->skip_n[t] && x->skip[t][row] != 0;
}

/* Puts rows until the connection has enough, in runs between the bad ones. */
static void copy_ready(void *ctx)
{
	struct sink *s = ctx;
	struct tx *x = &s->tx;
	const struct rows *r = &s->now->map->t[x->table];
	bool more = true;

	if (!x->headed)
		more = ap_pg_copy_put(s->pg, rows_head, sizeof rows_head);
	x->headed = true;
	while (more && x->put < x->put_to) {
		size_t from = x->put == 0 ? 0 : r->end[x->put - 1], to = from;

		while (x->put < x->put_to && to - from < CHUNK && !skipped(x, x->table, x->put))
			to = r->end[x->put++];
		if (to > from)
			more = ap_pg_copy_put(s->pg, r->buf.p + from, to - from);
		while (x->put < x->put_to && skipped(x, x->table, x->put))
			x->put++;
	}
	if (more && x->put == x->put_to) {
		ap_pg_copy_put(s->pg, "\xff\xff", 2);
		ap_pg_copy_end(s->pg, NULL);
	} else if (!x->probing) {
		/* The server has something to chew on: the time to map a little of the next batch. */
		gather(s, SLICE);
	}
}

static void rollback_then(struct sink *s, void (*after)(struct sink *s));
static void probe_passed(struct sink *s);

/* A table's rows are in. */
static void table_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;
	struct tx *x = &s->tx;
	struct ap_buf sql;

	if (!answered(s, r))
		return;
	if (x->twin) {
		x->twin = false;
		ap_buf_init(&sql, SQL_MAX);
		ap_table_merge_sql(&sql, x->table);
		ap_buf_putc(&sql, '\0');
		ask(s, table_cb, &sql);
		ap_buf_done(&sql);
		return;
	}
	if (x->probing) {
		rollback_then(s, probe_passed);
		return;
	}
	if (x->merge && ap_table(x->table)->updates == NULL)
		x->met = x->met || strtoull(PQcmdTuples((PGresult *)(uintptr_t)r->res), NULL, 10) < s->now->map->t[x->table].n;
	x->table++;
	tx_go(s);
}

static void step_rows(struct sink *s)
{
	struct tx *x = &s->tx;
	struct ap_buf sql;

	while (x->table < AP_T_N && s->now->map->t[x->table].n == 0)
		x->table++;
	if (x->table == AP_T_N) {
		x->step++;
		tx_go(s);
		return;
	}
	x->put = x->probing ? x->lo : 0;
	x->put_to = x->probing ? x->mid : s->now->map->t[x->table].n;
	x->headed = false;
	x->twin = x->merge || s->now->map->t[x->table].revised;
	ap_buf_init(&sql, SQL_MAX);
	ap_table_copy_sql(&sql, x->table, x->twin);
	ap_buf_putc(&sql, '\0');
	ap_pg_copy(s->pg, copy_ready, table_cb, s, (const char *)sql.p);
	ap_buf_done(&sql);
}

/* --- coverage and cursors -------------------------------------------------------------------------------------------- */

/* One element of a text array. Names are canonical; any other byte is none of ours. */
static void array_text(struct ap_buf *b, ap_str t)
{
	ap_buf_putc(b, b->len == 0 ? '{' : ',');
	ap_buf_putc(b, '"');
	for (size_t i = 0; i < t.len; i++)
		ap_buf_putc(b, (char)(t.p[i] < 0x20 || t.p[i] > 0x7e || t.p[i] == '"' || t.p[i] == '\\' ? '?' : t.p[i]));
	ap_buf_putc(b, '"');
}

static void array_i64(struct ap_buf *b, int64_t v)
{
	ap_buf_printf(b, "%c%" PRId64, b->len == 0 ? '{' : ',', v);
}

enum { COLS_MAX = 9 };
struct cols {
	struct ap_buf b[COLS_MAX];
	const char *v[COLS_MAX];
	int n;
};

static void cols_init(struct cols *c, int n)
{
	c->n = n;
	for (int i = 0; i < n; i++)
		ap_buf_init(&c->b[i], SQL_MAX);
}

/* Sends the columns as $1 … $n, and `last` after them when there is one; gives them back. */
static void cols_send(struct sink *s, struct cols *c, ap_pg_fn *fn, const char *sql, const char *last)
{
	for (int i = 0; i < c->n; i++) {
		ap_buf_puts(&c->b[i], "}");
		ap_buf_putc(&c->b[i], '\0');
		assert(!c->b[i].full);
		c->v[i] = (const char *)c->b[i].p;
	}
	if (last != NULL)
		c->v[c->n] = last;
	ap_pg_params(s->pg, fn, s, SLOW_MS, sql, c->n + (last != NULL), NULL, c->v, NULL, NULL, 0);
	for (int i = 0; i < c->n; i++)
		ap_buf_done(&c->b[i]);
}

static void step_cover(struct sink *s)
{
	static const char sql[] =
		"SELECT ap_coverage_add(c.source, to_timestamp(0) + c.lo * interval '1 microsecond', "
		"to_timestamp(0) + c.hi * interval '1 microsecond') "
		"FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS c (source, lo, hi)";
	struct cols c;

	if (s->now->map->covers == 0) {
		s->tx.step++;
		tx_go(s);
		return;
	}
	cols_init(&c, 3);
	for (size_t i = 0; i < s->now->map->covers; i++) {
		const struct map_cover *v = &s->now->map->cover[i];

		array_text(&c.b[0], ap_str_n(v->source, v->len));
		array_i64(&c.b[1], v->lo / 1000);
		array_i64(&c.b[2], v->hi / 1000);
	}
	cols_send(s, &c, step_cb, sql, NULL);
}

/* One that is taken alone: the batch must hold all of it. */
static bool entry_half_mapped(const struct sink *s)
{
	return s->alone != NULL && s->alone->alone.on && s->alone->alone.group == 0;
}

/* What was taken is not stored and will be read again. */
static void untake(struct sink *s)
{
	if (entry_half_mapped(s))
		part_forget(s->alone, "batch_given_up");
	for (int k = 0; k < 2; k++) {
		batch_clear(s, &s->batch[k]);
		map_reset(s->batch[k].map);
	}
	for (size_t p = 0; p < s->parts; p++)
		for (size_t i = 0; i < MAP_STREAMS; i++) {
			struct stream *st = &s->part[p].st[i];

			st->taken = st->stored;
			st->taken_q = st->stored_q;
		}
	tx_done(&s->tx);
}

static void fenced(struct sink *s)
{
	s->job = JOB_NONE;
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < s->batch[k].taken_n; i++)
			part_forget(s->batch[k].taken[i].part, "fenced");
	untake(s);
	sink_pump(s);
}

static void cursors_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (!answered(s, r))
		return;
	if (strtoul(PQcmdTuples((PGresult *)(uintptr_t)r->res), NULL, 10) != s->tx.cursors) {
		ap_log(&s->app.log, AP_WARN, "commit_refused", KV_S("why", "cursor_or_token_moved"), KV_S("next", "roll_back_and_take_again"));
		rollback_then(s, fenced);
		return;
	}
	s->tx.step++;
	tx_go(s);
}

static void step_cursors(struct sink *s)
{
	static const char sql[] =
		"UPDATE sink_cursors c SET last_id = v.last, q = v.q, records = c.records + v.n, lost = c.lost + v.lost, updated_at = now() "
		"FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) "
		"AS v (part, stream, token, prev, last, q, n, lost) "
		"WHERE c.dataset = $9::uuid AND c.partition = v.part AND c.stream = v.stream AND c.token = v.token AND c.last_id = v.prev";
	struct cols c;
	char id[AP_ID_TEXT];

	cols_init(&c, 8);
	s->tx.cursors = 0;
	for (size_t p = 0; p < s->parts; p++)
		for (size_t i = 0; i < MAP_STREAMS; i++) {
			const struct mark *m = &s->now->mark[p * MAP_STREAMS + i];

			if (!m->on)
				continue;
			array_i64(&c.b[0], s->part[p].p);
			array_text(&c.b[1], ap_str_c(map_stream_name((unsigned)i)));
			array_text(&c.b[2], ap_str_c(m->token));
			array_text(&c.b[3], ap_str_n(id, ap_id_format(m->prev, id)));
			array_text(&c.b[4], ap_str_n(id, ap_id_format(m->last, id)));
			array_i64(&c.b[5], m->q);
			array_i64(&c.b[6], m->n);
			array_i64(&c.b[7], (int64_t)m->lost);
			s->tx.cursors++;
		}
	cols_send(s, &c, cursors_cb, sql, ap_redis_dataset(s->part[0].redis));
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

static void committed(struct sink *s)
{
	struct stats *st = &s->stats;

	for (enum ap_table t = 0; t < AP_T_N; t++)
		st->rows[t] += s->now->map->t[t].n;
	st->batches++;
	st->entries += s->now->taken_n;
	for (size_t i = 0; i < s->parts * MAP_STREAMS; i++)
		st->lost += s->now->mark[i].lost;
	s->merging = s->tx.met;
	ap_hist_add(&st->batch_us, (uint64_t)(ap_mono_ns() - s->tx.began_ns) / 1000);
	for (size_t p = 0; p < s->parts; p++)
		part_stored(&s->part[p], s->now);
	tx_done(&s->tx);
	batch_clear(s, s->now);
	s->job = JOB_NONE;
	for (size_t p = 0; p < s->parts; p++)
		part_yielded(&s->part[p]);
}

static void commit_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (!answered(s, r))
		return;
	committed(s);
	sink_pump(s);
}

static void step_commit(struct sink *s)
{
	ap_pg_exec(s->pg, commit_cb, s, SLOW_MS, "COMMIT");
}

static void (*const steps[ST_N])(struct sink *s) = {
	[ST_SPANS] = step_spans, [ST_BEGIN] = step_begin, [ST_ROWS] = step_rows,
	[ST_COVER] = step_cover, [ST_CURSORS] = step_cursors, [ST_COMMIT] = step_commit,
};

static void tx_go(struct sink *s)
{
	steps[s->tx.step](s);
}

/* --- trouble ------------------------------------------------------------------------------------------------------------ */

static void rolled_cb(void *ctx, const struct ap_pg_result *r)
{
	struct sink *s = ctx;

	if (r->rc == AP_PG_OK && s->job == JOB_TX)
		s->tx.after(s);
	else if (r->rc == AP_PG_ERROR)
		ap_pg_reset(s->pg, "rollback_refused");
}

static void rollback_then(struct sink *s, void (*after)(struct sink *s))
{
	s->tx.after = after;
	ap_pg_exec(s->pg, rolled_cb, s, SLOW_MS, "ROLLBACK");
}

static void tx_restart(struct sink *s)
{
	s->tx.step = s->tx.probing ? ST_BEGIN : ST_SPANS;
	s->tx.span = 0;
	tx_go(s);
}

static void tx_wait(struct sink *s)
{
	unsigned n = s->tx.attempts < 16 ? s->tx.attempts++ : 16;

	s->stats.retries++;
	s->tx.probing = false;
	ev_timer_stop(s->app.loop, &s->retry);
	ev_timer_set(&s->retry, ap_backoff_s(&s->app.conf, n), 0.0);
	ev_timer_start(s->app.loop, &s->retry);
}

/* The texts among a row's first three fields: enough to find it. */
static size_t describe_row(const struct rows *r, size_t row, char *out, size_t cap)
{
	size_t at = (row == 0 ? 0 : r->end[row - 1]) + 2, n = 0;

	for (int f = 0; f < 3 && at + 4 <= r->end[row]; f++) {
		const uint8_t *p = r->buf.p + at;
		uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

		at += 4;
		if (len == UINT32_MAX)
			continue;
		for (uint32_t i = 0; i < len && n + 2 < cap; i++)
			out[n++] = (char)(p[4 + i] >= 0x20 && p[4 + i] < 0x7f ? p[4 + i] : '?');
		if (f < 2 && n + 1 < cap)
			out[n++] = ' ';
		at += len;
	}
	out[n] = '\0';
	return n;
}

static bool skip_row(struct tx *x, enum ap_table t, size_t row, size_t n)
{
	uint8_t *more = realloc(x->skip[t], n);

	if (more == NULL)
		return false;
	memset(more + x->skip_n[t], 0, n - x->skip_n[t]);
	x->skip[t] = more;
	x->skip_n[t] = n;
	more[row] = 1;
	return true;
}

static void row_is_bad(struct sink *s, size_t row)
{
	struct tx *x = &s->tx;
	const char *table = ap_table(x->table)->name;
	char what[200], text[AP_DETAIL_MAX];
	int n;

	describe_row(&s->now->map->t[x->table], row, what, sizeof what);
	ap_log(&s->app.log, AP_ERROR, "bad_row", KV_S("table", table), KV_S("row", what), KV_S("next", "left_out"));
	s->stats.bad_rows++;
	x->probing = false;
	if (!skip_row(x, x->table, row, s->now->map->t[x->table].n)) {
		tx_wait(s);
		return;
	}
	n = snprintf(text, sizeof text, "a row of %s was refused and left out: %s", table, what);
	if (x->table != AP_T_ALERTS &&
	    !map_alert(s->now->map, "bad_row", "critical", ap_str_n(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1), 1.0,
		       ap_str_c(what), ap_now().ns)) {
		s->app.exit_code = AP_EX_AGAIN;
		ev_break(s->app.loop, EVBREAK_ALL);
		return;
	}
	tx_restart(s);
}

static void probe_next(struct sink *s)
{
	struct tx *x = &s->tx;

	if (x->hi - x->lo == 1) {
		row_is_bad(s, x->lo);
		return;
	}
	x->mid = x->lo + (x->hi - x->lo) / 2;
	tx_restart(s);
}

static void probe_passed(struct sink *s)
{
	s->tx.lo = s->tx.mid;
	probe_next(s);
}

static void probe_failed(struct sink *s)
{
	s->tx.hi = s->tx.mid;
	probe_next(s);
}

static void probe_start(struct sink *s)
{
	struct tx *x = &s->tx;

	x->probing = x->merge = true;
	x->lo = 0;
	x->hi = s->now->map->t[x->table].n;
	probe_next(s);
}

static void merge_instead(struct sink *s)
{
	s->tx.merge = s->tx.met = true;
	s->stats.merges++;
	tx_restart(s);
}

static void look_again(struct sink *s)
{
	forget_spans(s);
	s->tx.spans_again = true;
	tx_restart(s);
}

/* Errors that are a row's own: data exceptions, constraints, limits of a value's size. */
static bool rows_fault(const char *state)
{
	static const char *const classes[] = { "22", "23", "54" };

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strncmp(state, classes[i], 2) == 0)
			return true;
	return false;
}

static void tx_error(struct sink *s, const struct ap_pg_result *r)
{
	struct tx *x = &s->tx;
	bool rows = x->step == ST_ROWS;
	bool again = strcmp(r->sqlstate, "23505") == 0;
	void (*after)(struct sink *) = tx_wait;

	if (x->probing && rows && rows_fault(r->sqlstate))
		after = probe_failed;
	else if (rows && again && !x->merge)
		after = merge_instead;
	else if (rows && strcmp(r->sqlstate, "23514") == 0 && !x->spans_again && !x->probing)
		after = look_again;
	else if (rows && rows_fault(r->sqlstate))
		after = probe_start;
	if (after == tx_wait)
		ap_log(&s->app.log, AP_WARN, "batch_refused", KV_S("sqlstate", r->sqlstate), KV_S("why", r->message),
		       KV_U("step", x->step), KV_S("next", "try_again"));
	rollback_then(s, after);
}

void sink_pg_down(struct sink *s, const char *why)
{
	(void)why;
	s->pg_ready = false;
	ap_worker_ready(s->worker, false);      /* another one may still reach it */
	s->job = JOB_NONE;
	ev_timer_stop(s->app.loop, &s->retry);
	for (size_t p = 0; p < s->parts; p++)
		part_forget(&s->part[p], "postgresql_down");
	untake(s);
	if (s->stopping)
		sink_leave(s);
}

/* --- gathering -------------------------------------------------------------------------------------------------------------- */

static bool take_note(struct batch *b, struct part *pt, const struct boxed *e)
{
	if (b->taken_n == b->taken_cap) {
		size_t cap = b->taken_cap == 0 ? 1024 : b->taken_cap * 2;
		struct taken *more = realloc(b->taken, cap * sizeof *more);

		if (more == NULL)
			return false;
		b->taken = more;
		b->taken_cap = cap;
	}
	b->taken[b->taken_n++] = (struct taken){ pt, e->s, e->id, e->len };
	return true;
}

static void lost_alert(struct sink *s, const struct part *pt, const struct stream *st, int64_t q)
{
	int64_t n = q - st->taken_q - 1;
	char text[AP_DETAIL_MAX], key[64];

	snprintf(text, sizeof text, "%" PRId64 " entries of %s never came", n, st->key);
	snprintf(key, sizeof key, "%d:%s:%" PRId64, pt->p, map_stream_name(st->s), q);
	ap_log(&s->app.log, AP_ERROR, "entries_lost", KV_S("stream", st->key), KV_I("lost", n), KV_I("after_q", st->taken_q),
	       KV_S("next", "go_on_behind_them"));
	map_alert(s->next->map, "lost", "critical", ap_str_c(text), (double)n, ap_str_c(key), ap_now().ns);
}

enum take { TAKE_OK, TAKE_SKIP, TAKE_STOP };

/*
 * An entry must follow the one before it, else the partition is taken again. Entries are lost only when the stream itself begins behind them:
 * that a read brings a gap proves nothing, a paused owner that wakes up may have read what lies between. Numbers that go back, above the
 * cursor's id, are those of a Redis that had forgotten its last entries; what it had stored meets itself.
 */
static enum take judge(struct sink *s, struct part *pt, struct stream *st, const struct boxed *e, uint64_t *lost)
{
	*lost = 0;
	if (ap_id_cmp(e->id, st->taken) <= 0)
		return TAKE_SKIP;
	if (e->q == 0 || st->taken_q < 0 || e->q == st->taken_q + 1)
		return TAKE_OK;
	if (e->q <= st->taken_q) {
		/* A replica that lacked the end of the stream was promoted: what it lacked comes again, under new ids. */
		ap_log(&s->app.log, AP_WARN, "stream_went_back", KV_S("stream", st->key), KV_I("stored_q", st->taken_q), KV_I("q", e->q),
		       KV_S("next", "go_on"));
		return TAKE_OK;
	}
	if (!st->fresh || e->q != st->first_there) {
		part_forget(pt, "gap");
		return TAKE_STOP;
	}
	lost_alert(s, pt, st, e->q);
	*lost = (uint64_t)(e->q - st->taken_q - 1);
	return TAKE_OK;
}

static void take_mark(struct sink *s, const struct part *pt, struct stream *st, const struct boxed *e, uint64_t lost)
{
	struct mark *m = &s->next->mark[(size_t)(pt - s->part) * MAP_STREAMS + e->s];

	if (!m->on) {
		*m = (struct mark){ .on = true, .prev = st->taken };
		memcpy(m->token, pt->token, sizeof m->token);
	}
	st->fresh = false;
	m->last = st->taken = e->id;
	m->q = st->taken_q = e->q;
	m->n += e->n;
	m->lost += lost;
}

static struct map_entry entry_of(const struct part *pt, const struct boxed *e)
{
	return (struct map_entry){ pt->p, e->s, e->id, e->n, ap_str_n((const char *)pt->box.bytes.p + e->at, e->len), pt->known, pt->known_n };
}

/* All of it has been taken: room for more. */
static void box_used(struct part *pt)
{
	struct inbox *b = &pt->box;

	if (b->next < b->n || b->n == 0)
		return;
	b->next = b->n = b->sure = 0;
	ap_buf_clear(&b->bytes);
	part_read(pt);
}

bool part_take_alone(struct part *pt)
{
	struct sink *s = pt->sink;
	struct inbox *b = &pt->box;
	struct alone *a = &pt->alone;

	while (pt->phase == PH_READ && b->next < b->sure && !map_full(s->next->map)) {
		const struct map_entry me = entry_of(pt, &b->e[b->next]);
		enum take t;

		a->box = b->e[b->next];
		t = judge(s, pt, &pt->st[a->box.s], &a->box, &a->lost);
		if (t == TAKE_STOP)
			return false;
		b->next++;
		if (t == TAKE_OK) {
			alone_entry(pt, &me);
			return true;
		}
	}
	box_used(pt);
	return false;
}

bool part_taken(struct part *pt)
{
	struct sink *s = pt->sink;
	struct alone *a = &pt->alone;

	if (!take_note(s->next, pt, &a->box)) {
		sink_no_memory(s);
		return false;
	}
	take_mark(s, pt, &pt->st[a->box.s], &a->box, a->lost);
	box_used(pt);
	return true;
}

/* Moves entries from a partition's inbox into the next batch. False: no memory. */
static bool take_part(struct sink *s, struct part *pt, int64_t now_ms, size_t *entries)
{
	struct inbox *b = &pt->box;
	uint64_t lost;

	for (; *entries > 0 && pt->phase == PH_READ && b->next < b->sure && !map_full(s->next->map); --*entries) {
		const struct boxed *e = &b->e[b->next];
		struct stream *st = &pt->st[e->s];
		const struct map_entry me = entry_of(pt, e);
		enum take t = judge(s, pt, st, e, &lost);

		if (t == TAKE_STOP)
			break;
		b->next++;
		if (t == TAKE_SKIP)
			continue;
		if (!map_add(s->next->map, &me, now_ms) || !take_note(s->next, pt, e))
			return false;
		take_mark(s, pt, st, e, lost);
	}
	box_used(pt);
	return true;
}

void sink_no_memory(struct sink *s)
{
	ap_log(&s->app.log, AP_ERROR, "no_memory", KV_S("next", "leave_and_be_started_again"));
	s->app.exit_code = AP_EX_AGAIN;
	ev_break(s->app.loop, EVBREAK_ALL);
}

bool part_take(struct part *pt, size_t n)
{
	if (take_part(pt->sink, pt, ap_ts_ms(ap_now()), &n))
		return true;
	sink_no_memory(pt->sink);
	return false;
}

/* Beginning with another partition each time, so that none starves when batches are full. */
static bool gather(struct sink *s, size_t entries)
{
	int64_t now_ms = ap_ts_ms(ap_now());

	for (size_t k = 0; k < s->parts && s->alone == NULL; k++) {
		struct part *pt = &s->part[(s->turn + k) % s->parts];

		if (pt->alone.left > 0) {
			alone_begin(pt);
		} else if (!take_part(s, pt, now_ms, &entries)) {
			sink_no_memory(s);
			return false;
		}
	}
	return true;
}

static void tx_start(struct sink *s)
{
	struct tx *x = &s->tx;
	struct batch *b = s->next;

	s->next = s->now;
	s->now = b;
	s->turn = (s->turn + 1) % s->parts;
	x->step = ST_SPANS;
	x->span = 0;
	x->merge = s->merging;
	x->met = x->probing = x->spans_again = false;
	x->attempts = 0;
	x->began_ns = ap_mono_ns();
	s->job = JOB_TX;
	tx_go(s);
}

void sink_retry_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sink *s = w->data;

	(void)loop, (void)revents;
	if (s->job == JOB_TX)
		tx_restart(s);
}

/* Its entries of an earlier life wait in the batch that is being gathered: they still carry the earlier token. */
static bool has_entries(const struct sink *s, const struct part *pt)
{
	const struct mark *m = &s->next->mark[(size_t)(pt - s->part) * MAP_STREAMS];

	for (size_t i = 0; i < MAP_STREAMS; i++)
		if (m[i].on)
			return true;
	return false;
}

/*
 * Takes over the next partition that waits for it. Before the next transaction, which may take a second when there is much to
 * store, and there are as many of these as partitions.
 */
static void load_next(struct sink *s)
{
	for (size_t p = 0; p < s->parts; p++)
		if (s->part[p].phase == PH_LOAD && !has_entries(s, &s->part[p])) {
			sink_load(s, &s->part[p]);
			return;
		}
}

void sink_pump(struct sink *s)
{
	/* What was gathered during the last COPY goes at once; the server is not kept waiting for more. */
	if (!gather(s, s->job == JOB_TX || s->next->taken_n > 0 ? SLICE : ALL))
		return;
	if (s->job == JOB_NONE && s->pg_ready && !s->stopping)
		load_next(s);
	if (s->job == JOB_NONE && s->pg_ready && s->next->taken_n > 0 && !entry_half_mapped(s))
		tx_start(s);
	for (size_t p = 0; p < s->parts; p++)
		part_read(&s->part[p]);
	if (s->job == JOB_NONE && s->stopping)
		sink_leave(s);
}
