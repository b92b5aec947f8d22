/*
 * laws.c - runs a stage over a tape under a schedule of commits and crashes, and compares.
 *
 * A commit makes outputs and state deltas durable together. A crash forgets the memory and what was not
 * committed; the stage is opened again, loaded, and the tape goes on behind the last commit. That is all a real port does.
 */
#include "laws.h"
#include "common/core/recjson.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESULT_MAX = 1 << 30 };

struct run {
	struct ap_out out;
	struct ap_saver saver;
	const struct ap_stage *stage;
	const struct ap_conf *conf;
	void *st;
	struct laws_result *res;        /* durable */
	struct laws_result wip;         /* since the last commit */
	size_t put_n;                   /* outputs since last reset */
	bool full_save;                 /* the saver is checking, not committing */
	struct laws_map *check;
	char *why;
	bool bad;
};

static bool fail(struct run *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct run *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!k->bad)                    /* the first reason is the one to tell */
		(void)vsnprintf(k->why, LAWS_WHY, fmt, ap);
	va_end(ap);
	k->bad = true;
	return false;
}

static void result_init(struct laws_result *r)
{
	memset(r, 0, sizeof *r);
	for (int s = 0; s < AP_S_N; s++) {
		ap_buf_init(&r->stream[s], RESULT_MAX);
		ap_buf_init(&r->ends[s], RESULT_MAX);
	}
}

void laws_result_done(struct laws_result *r)
{
	for (int s = 0; s < AP_S_N; s++) {
		ap_buf_done(&r->stream[s]);
		ap_buf_done(&r->ends[s]);
	}
	laws_map_free(r->state);
	memset(r, 0, sizeof *r);
}

static uint64_t rec_end(const struct laws_result *r, unsigned s, uint32_t nth)
{
	uint64_t end;

	memcpy(&end, r->ends[s].p + (size_t)nth * sizeof end, sizeof end);
	return end;
}

bool laws_result_rec(const struct laws_result *r, enum ap_stream s, uint32_t nth, struct ap_wire_iter *it, struct ap_rec *rec)
{
	uint64_t from;

	if (nth >= r->n[s])
		return false;
	from = nth == 0 ? 0 : rec_end(r, s, nth - 1);
	ap_wire_start(it, ap_str_n((const char *)r->stream[s].p + from, rec_end(r, s, nth) - from), 1);
	return ap_wire_next(it, rec) == AP_WIRE_OK;
}

static void on_put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct run *k = (struct run *)(void *)out;
	uint64_t end;

	k->put_n++;
	if (to >= AP_S_N || (k->stage->outs & (1u << to)) == 0) {
		(void)fail(k, "wrote to a stream it did not declare: %d", (int)to);
		return;
	}
	if (!ap_wire_put(&k->wip.stream[to], rec))
		(void)fail(k, "a record for %s does not encode", ap_stream_name(to));
	k->wip.n[to]++;
	end = k->res->stream[to].len + k->wip.stream[to].len;
	ap_buf_put(&k->wip.ends[to], &end, sizeof end);
}

static void on_field(struct ap_saver *s, ap_str field, ap_str value)
{
	struct run *k = (struct run *)(void *)((char *)s - offsetof(struct run, saver));

	if (k->full_save) {
		laws_map_put(k->check, field, value);
		return;
	}
	laws_map_put(k->res->state, field, value);
	k->res->state_bytes += field.len + value.len;
}

static void on_del(struct ap_saver *s, ap_str field)
{
	struct run *k = (struct run *)(void *)((char *)s - offsetof(struct run, saver));

	laws_map_del(k->full_save ? k->check : k->res->state, field);
}

static bool run_open(struct run *k)
{
	char err[512] = "";

	k->st = k->stage->open(k->conf, err, sizeof err);
	return k->st != NULL ? true : fail(k, "does not open: %s", err);
}

/* Loads every committed field, beginning anywhere: the order is nobody's promise. */
static bool run_load(struct run *k, uint64_t seed)
{
	const size_t slots = laws_map_slots(k->res->state), from = seed % slots;
	char err[512] = "";

	for (size_t i = 0; i < slots; i++) {
		ap_str name, value;

		if (!laws_map_slot(k->res->state, (from + i) % slots, &name, &value))
			continue;
		if (!k->stage->load(k->st, name, value))
			return fail(k, "refused its own saved field %.*s (%zu bytes)", (int)name.len, name.p, value.len);
	}
	if (k->stage->loaded != NULL && !k->stage->loaded(k->st, err, sizeof err))
		return fail(k, "refused its own saved state: %s", err);
	return true;
}

/* As the runtime does, but not always, and now and then what never comes: nothing that shows may hang on it. */
static void run_expect(struct run *k, const struct laws_entry *e, size_t nth)
{
	struct ap_wire_iter it;
	struct ap_rec rec;

	if (k->stage->expect == NULL || nth % 4 == 3)
		return;
	for (size_t times = nth % 4 == 2 ? 2 : 1; times > 0; times--) {
		ap_wire_start(&it, ap_buf_view(&e->body), e->n);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK)
			k->stage->expect(k->st, &rec);
	}
}

static bool run_entry(struct run *k, const struct laws_entry *e, size_t nth)
{
	struct ap_wire_iter it;
	size_t allowed = 0, put = 0;
	enum ap_wire_rc rc;
	struct ap_rec rec;

	run_expect(k, e, nth);
	ap_wire_start(&it, ap_buf_view(&e->body), e->n);
	while ((rc = ap_wire_next(&it, &rec)) == AP_WIRE_OK) {
		enum ap_verdict v;
		size_t b;

		rec.id = e->id;
		b = k->stage->bound(k->st, &rec);
		k->put_n = 0;
		v = k->stage->step(k->st, &rec, &k->out);
		if (v >= AP_V_N)
			return fail(k, "gave no verdict: %d", (int)v);
		if (k->put_n > b)
			return fail(k, "entry %zu record %u (%s): put %zu records, bound said %zu", nth, rec.idx, ap_kind_name(rec.kind), k->put_n, b);
		k->wip.verdict[v]++;
		allowed += b;
		put += k->put_n;
	}
	if (rc != AP_WIRE_END)
		return fail(k, "entry %zu of the tape is damaged: %s", nth, it.why);
	k->put_n = 0;
	if (k->stage->flush != NULL)
		k->stage->flush(k->st, &k->out);
	put += k->put_n;
	return put <= allowed ? !k->bad : fail(k, "entry %zu: %zu records with its flush, bounds add up to %zu", nth, put, allowed);
}

static void run_commit(struct run *k)
{
	for (int s = 0; s < AP_S_N; s++) {
		ap_buf_put(&k->res->stream[s], k->wip.stream[s].p, k->wip.stream[s].len);
		ap_buf_put(&k->res->ends[s], k->wip.ends[s].p, k->wip.ends[s].len);
		k->res->n[s] += k->wip.n[s];
		k->wip.n[s] = 0;
		ap_buf_clear(&k->wip.stream[s]);
		ap_buf_clear(&k->wip.ends[s]);
	}
	for (int v = 0; v < AP_V_N; v++) {
		k->res->verdict[v] += k->wip.verdict[v];
		k->wip.verdict[v] = 0;
	}
	k->stage->save(k->st, &k->saver, false);
}

static bool run_crash(struct run *k, uint64_t seed)
{
	k->stage->close(k->st);
	k->st = NULL;
	for (int s = 0; s < AP_S_N; s++) {
		ap_buf_clear(&k->wip.stream[s]);
		ap_buf_clear(&k->wip.ends[s]);
		k->wip.n[s] = 0;
	}
	memset(k->wip.verdict, 0, sizeof k->wip.verdict);
	return run_open(k) && run_load(k, seed);
}

/* A full save must say the same as all the deltas together. */
static bool run_check_state(struct run *k)
{
	ap_str name, value, other;

	k->check = laws_map_new();
	k->full_save = true;
	k->stage->save(k->st, &k->saver, true);
	k->full_save = false;
	for (size_t i = 0; !k->bad && i < laws_map_slots(k->check); i++) {
		if (!laws_map_slot(k->check, i, &name, &value))
			continue;
		other = laws_map_get(k->res->state, name);
		if (other.p == NULL || !ap_str_eq(value, other))
			(void)fail(k, "field %.*s differs between the deltas (%zu bytes) and a full save (%zu bytes)", (int)name.len, name.p,
				   other.len, value.len);
	}
	if (laws_map_n(k->check) != laws_map_n(k->res->state))
		(void)fail(k, "a full save has %zu fields, the deltas left %zu", laws_map_n(k->check), laws_map_n(k->res->state));
	laws_map_free(k->check);
	k->check = NULL;
	return !k->bad;
}

enum { COMMIT_EACH, COMMIT_RANDOM, COMMIT_ONCE };

struct schedule {
	int commit;
	unsigned crash_pct;     /* after an entry, whatever was committed */
	bool crash_each;        /* after every commit */
	uint64_t seed;
};

static bool run_tape(struct run *k, const struct laws_tape *tape, const struct schedule *s)
{
	struct laws_rng rng = { s->seed };
	size_t committed = 0, crashes = 0;

	for (size_t i = 0; i < tape->n;) {
		const bool last = i + 1 == tape->n;

		if (!run_entry(k, &tape->entry[i], i))
			return false;
		i++;
		if (s->crash_pct > 0 && crashes < 4 * tape->n && laws_chance(&rng, s->crash_pct)) {
			crashes++;
			i = committed;
			if (!run_crash(k, laws_rand(&rng)))
				return false;
			continue;
		}
		if (!last && s->commit == COMMIT_ONCE)
			continue;
		if (!last && s->commit == COMMIT_RANDOM && !laws_chance(&rng, 40))
			continue;
		run_commit(k);
		committed = i;
		if (s->crash_each && !run_crash(k, laws_rand(&rng)))
			return false;
	}
	return run_check_state(k);
}

static bool run_scheduled(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, const struct schedule *s,
			  struct laws_result *out, char why[LAWS_WHY])
{
	struct run k = { .out = { on_put }, .saver = { on_field, on_del }, .stage = stage, .conf = conf, .res = out, .why = why };
	bool ok;

	result_init(out);
	result_init(&k.wip);
	out->state = laws_map_new();
	why[0] = '\0';
	ok = run_open(&k) && run_tape(&k, tape, s);
	if (k.st != NULL)
		stage->close(k.st);
	laws_result_done(&k.wip);
	return ok;
}

bool laws_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, struct laws_result *out, char why[LAWS_WHY])
{
	return run_scheduled(stage, conf, tape, &(struct schedule){ .commit = COMMIT_EACH }, out, why);
}

struct laws_tape *laws_through(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, enum ap_stream of,
			       char why[LAWS_WHY])
{
	struct laws_result res;
	struct run k = { .out = { on_put }, .saver = { on_field, on_del }, .stage = stage, .conf = conf, .res = &res, .why = why };
	struct laws_tape *t = laws_tape_new();
	bool ok;

	result_init(&res);
	result_init(&k.wip);
	res.state = laws_map_new();
	ok = run_open(&k);
	for (size_t i = 0; ok && i < tape->n; i++) {
		const uint32_t before = res.n[of];
		struct ap_wire_iter it;
		struct ap_rec rec;

		ok = run_entry(&k, &tape->entry[i], i);
		run_commit(&k);
		for (uint32_t n = before; laws_result_rec(&res, of, n, &it, &rec); n++)
			laws_tape_add(t, &rec);
		laws_tape_cut(t);
	}
	if (k.st != NULL)
		stage->close(k.st);
	laws_result_done(&k.wip);
	laws_result_done(&res);
	if (!ok) {
		laws_tape_free(t);
		return NULL;
	}
	return t;
}

/* --- comparing --------------------------------------------------------- */

static void tell_record(struct ap_buf *b, const struct laws_result *r, int s, uint32_t nth)
{
	struct ap_wire_iter it;
	struct ap_rec rec;

	if (laws_result_rec(r, (enum ap_stream)s, nth, &it, &rec))
		ap_rec_json(b, &rec);
	else
		ap_buf_puts(b, "(nothing)");
}

/* Which record of the stream holds the first byte that differs. */
static uint32_t first_difference(const struct laws_result *a, const struct laws_result *b, int s)
{
	size_t same = 0;
	uint32_t i = 0;

	while (same < a->stream[s].len && same < b->stream[s].len && a->stream[s].p[same] == b->stream[s].p[same])
		same++;
	while (i < a->n[s] && rec_end(a, (unsigned)s, i) <= same)
		i++;
	return i;
}

bool laws_same(const struct laws_result *want, const struct laws_result *got, char why[LAWS_WHY])
{
	for (int s = 0; s < AP_S_N; s++) {
		char text[LAWS_WHY - 200];
		struct ap_buf b;
		uint32_t nth;

		if (want->n[s] == got->n[s] && ap_str_eq(ap_buf_view(&want->stream[s]), ap_buf_view(&got->stream[s])))
			continue;
		nth = first_difference(want, got, s);
		ap_buf_fixed(&b, text, sizeof text - 1);
		tell_record(&b, want, s, nth);
		ap_buf_puts(&b, " became ");
		tell_record(&b, got, s, nth);
		text[b.len] = '\0';
		(void)snprintf(why, LAWS_WHY, "stream %s: %u records became %u; record %u: %s", ap_stream_name((enum ap_stream)s), want->n[s],
			       got->n[s], nth, text);
		return false;
	}
	for (size_t i = 0; i < laws_map_slots(want->state); i++) {
		ap_str name, value, other;

		if (!laws_map_slot(want->state, i, &name, &value))
			continue;
		other = laws_map_get(got->state, name);
		if (other.p == NULL || !ap_str_eq(value, other)) {
			(void)snprintf(why, LAWS_WHY, "state field %.*s differs (%zu bytes became %zu)", (int)name.len, name.p, value.len, other.len);
			return false;
		}
	}
	if (laws_map_n(want->state) != laws_map_n(got->state)) {
		(void)snprintf(why, LAWS_WHY, "state has %zu fields, had %zu", laws_map_n(got->state), laws_map_n(want->state));
		return false;
	}
	return true;
}

/* --- the laws ---------------------------------------------------------- */

static bool law(const struct laws_case *c, const char *name, const struct schedule *s, size_t n, char why[LAWS_WHY])
{
	struct laws_result want, got;
	char inner[LAWS_WHY] = "";
	bool ok = laws_run(c->stage, c->conf, c->tape, &want, inner);

	for (size_t i = 0; ok && i < n; i++) {
		ok = run_scheduled(c->stage, c->conf, c->tape, &s[i], &got, inner) && laws_same(&want, &got, inner);
		laws_result_done(&got);
	}
	laws_result_done(&want);
	if (!ok)
		(void)snprintf(why, LAWS_WHY, "%s: %.1900s", name, inner);
	return ok;
}

bool laws_crash_anywhere(const struct laws_case *c, char why[LAWS_WHY])
{
	const struct schedule s[] = {
		{ .commit = COMMIT_EACH, .crash_each = true, .seed = c->seed },
		{ .commit = COMMIT_RANDOM, .crash_each = true, .seed = c->seed + 1 },
	};

	return law(c, "crash anywhere", s, sizeof s / sizeof s[0], why);
}

bool laws_split_anywhere(const struct laws_case *c, char why[LAWS_WHY])
{
	const struct schedule s[] = {
		{ .commit = COMMIT_ONCE },
		{ .commit = COMMIT_RANDOM, .seed = c->seed },
		{ .commit = COMMIT_RANDOM, .seed = c->seed + 1 },
	};

	return law(c, "split anywhere", s, sizeof s / sizeof s[0], why);
}

bool laws_twice_is_once(const struct laws_case *c, char why[LAWS_WHY])
{
	const struct schedule s[] = {
		{ .commit = COMMIT_EACH, .crash_pct = 30, .seed = c->seed },
		{ .commit = COMMIT_RANDOM, .crash_pct = 30, .seed = c->seed + 1 },
	};

	return law(c, "twice is once", s, sizeof s / sizeof s[0], why);
}

bool laws_bounded(const struct laws_case *c, char why[LAWS_WHY])
{
	struct laws_result r;
	char inner[LAWS_WHY];
	const bool ok = laws_run(c->stage, c->conf, c->tape, &r, inner);

	laws_result_done(&r);
	if (!ok)
		(void)snprintf(why, LAWS_WHY, "bounded: %.1900s", inner);
	return ok;
}

static bool total(const struct laws_case *c, size_t recs, char why[LAWS_WHY])
{
	struct laws_tape *tape = laws_random_tape(c->seed, recs, 8);
	struct laws_case any = *c;
	char inner[LAWS_WHY];
	struct laws_result r;
	bool ok;

	any.tape = tape;
	ok = laws_run(c->stage, c->conf, tape, &r, inner);
	laws_result_done(&r);
	if (ok)
		ok = laws_crash_anywhere(&any, inner);
	laws_tape_free(tape);
	if (!ok)
		(void)snprintf(why, LAWS_WHY, "total: %.1900s", inner);
	return ok;
}

bool laws_total(const struct laws_case *c, char why[LAWS_WHY])
{
	return total(c, 500, why);
}

bool laws_all(const struct laws_case *c, char why[LAWS_WHY])
{
	return laws_bounded(c, why) && laws_crash_anywhere(c, why) && laws_split_anywhere(c, why) && laws_twice_is_once(c, why) &&
	       laws_total(c, why);
}

int laws_fuzz(const struct ap_stage *stage, struct laws_tape *(*walk)(const struct laws_walk *w), const uint8_t *data, size_t size)
{
	/* One law an input: a corpus has them all, and an input takes a fraction of a millisecond. */
	static bool (*const laws[])(const struct laws_case *, char *) = {
		laws_crash_anywhere, laws_split_anywhere, laws_twice_is_once, laws_bounded,
	};
	uint8_t b[16] = { 0 };
	struct laws_walk w = { .seed = 0 };
	struct laws_case c = { .stage = stage };
	struct ap_conf conf;
	struct laws_tape *tape;
	char why[LAWS_WHY];

	memcpy(b, data, size < sizeof b ? size : sizeof b);
	memcpy(&w.seed, b, 6);
	w.sources = 1 + b[6] % 3u;
	w.symbols = b[7] < 200 ? 1 + b[7] % 5u : 24;
	w.trades = 10 + b[8] % 40u;
	w.entry_max = 1 + b[9] % 64u;
	w.step_ms_max = 1u << (b[10] % 18);
	w.beat_ms = w.step_ms_max * w.trades / 100;     /* some two hundred beats, whatever the pace */
	if (w.beat_ms < 1000)
		w.beat_ms = 1000;
	w.delay_pct = b[11] % 50u;
	w.delay_ms_max = 1u << (b[11] % 21);
	w.dup_pct = b[12] % 30u;
	w.noid_pct = b[12] % 7u * 15;
	w.uuid_pct = b[12] % 5u * 20;
	w.dead_pct = b[13] % 10u;
	w.gap_pct = b[14] % 4u;
	w.close = (b[14] & 64) != 0;
	w.quote_pct = (b[14] & 128) != 0 ? 60 : 0;
	tape = walk(&w);
	ap_conf_init(&conf);
	c.conf = &conf;
	c.tape = tape;
	c.seed = w.seed + b[15];
	if (!laws[b[15] % 4](&c, why) || (b[15] == 255 && !total(&c, 60, why))) {
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	ap_conf_done(&conf);
	laws_tape_free(tape);
	return 0;
}
