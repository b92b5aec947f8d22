/*
 * test_fold.c - whole entries through a fold: frames, ids, limits, bad bodies, state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/fold.h"

/* A stage that writes `copies` beats for each record and counts them in its state. */
struct echo {
	uint64_t n;
	bool gone;
};

static unsigned copies = 1;
static size_t payload_len = 3;
static unsigned flushes;
static bool revised;            /* the copies are revised candles instead */

static void *echo_open(const struct ap_conf *conf, char *err, size_t errlen)
{
	if (conf != NULL && conf->data_partitions == 13) {
		snprintf(err, errlen, "thirteen is refused");
		return NULL;
	}
	return calloc(1, sizeof(struct echo));
}

static enum ap_verdict echo_step(void *st, const struct ap_rec *rec, struct ap_out *out)
{
	static char name[70000];
	struct echo *e = st;
	struct ap_rec to = { .kind = AP_RAW };

	memset(name, 'x', sizeof name);
	e->n++;
	if (revised) {
		to.kind = AP_CANDLE;
		to.u.candle = (struct ap_candle){ .source = ap_str_c("abc"), .symbol = ap_str_c("A-B"), .tf = ap_str_c("1m"), .state = AP_REVISED, .revision = 1 };
	} else {
		to.u.raw = (struct ap_raw){ .source = ap_str_c("abc"), .payload = ap_str_n(name, payload_len), .recv = rec->u.beat.ts };
	}
	for (unsigned i = 0; i < copies; i++)
		ap_out_put(out, AP_S_TICK, &to);
	return AP_V_TAKEN;
}

static void echo_flush(void *st, struct ap_out *out)
{
	const struct ap_rec b = { .kind = AP_BEAT, .u.beat = { .source = ap_str_c("flush"), .ts = { 7000000 } } };

	(void)st;
	flushes++;
	ap_out_put(out, AP_S_LIVE, &b);
}

static size_t echo_bound(const void *st, const struct ap_rec *rec)
{
	(void)st, (void)rec;
	return copies;
}

static void echo_save(void *st, struct ap_saver *s, bool all)
{
	const struct echo *e = st;

	if (all || e->n > 0)
		s->put(s, ap_str_c("n"), ap_str_n((const char *)&e->n, sizeof e->n));
	s->del(s, ap_str_c("old"));
}

static bool echo_load(void *st, ap_str field, ap_str value)
{
	(void)st, (void)field, (void)value;
	return true;
}

static const struct ap_stage echo = { .name = "echo", .in = AP_S_RAW, .outs = 1u << AP_S_TICK | 1u << AP_S_LIVE, .open = echo_open,
				      .close = free, .step = echo_step, .flush = echo_flush, .bound = echo_bound, .save = echo_save,
				      .load = echo_load };

static struct ap_fold fold;

static int setup(void **s)
{
	char err[100];

	(void)s;
	copies = 1, payload_len = 3, flushes = 0, revised = false;
	return ap_fold_init(&fold, &echo, NULL, err, sizeof err) ? 0 : -1;
}

static int teardown(void **s)
{
	(void)s;
	ap_fold_done(&fold);
	return 0;
}

/* A body of n beats, one a second from 1970-01-01T00:00:01Z. */
static ap_str beats(struct ap_buf *b, uint32_t n, bool live)
{
	ap_buf_init(b, 1 << 20);
	for (uint32_t i = 0; i < n; i++) {
		struct ap_rec rec = { .kind = AP_BEAT };
		rec.u.beat = (struct ap_beat){ .source = ap_str_c("s"), .ts = { (int64_t)(i + 1) * 1000000000 }, .live = live };
		assert_true(ap_wire_put(b, &rec));
	}
	return ap_buf_view(b);
}

static void entry(ap_id id, uint32_t n)
{
	struct ap_buf b;
	const char *why = NULL;

	assert_true(ap_fold_entry(&fold, id, n, beats(&b, n, false), &why));
	ap_buf_done(&b);
}

static const struct ap_frame *frame_of(enum ap_stream to, size_t which)
{
	for (size_t i = 0; i < fold.n_frames; i++)
		if (fold.frames[i].to == to && which-- == 0)
			return &fold.frames[i];
	static const struct ap_frame none;
	fail_msg("there is no such frame");
	return &none;
}

static void an_output_gets_the_id_of_its_entry(void **s)
{
	(void)s;
	entry((ap_id){ 1700, 64 }, 3);
	assert_int_equal(fold.n_frames, 2);
	const struct ap_frame *f = frame_of(AP_S_TICK, 0);
	assert_int_equal(f->id.ms, 1700);
	assert_int_equal(f->id.seq, 64);
	assert_int_equal(f->n, 3);
	assert_int_equal(f->t_ms, 1000);        /* the first record's event time */
}

static void each_entry_is_flushed_once_and_keeps_its_own_frames(void **s)
{
	(void)s;
	entry((ap_id){ 1, 0 }, 2);
	entry((ap_id){ 1, 64 }, 2);
	assert_int_equal(flushes, 2);
	assert_int_equal(fold.n_frames, 4);
	assert_int_equal(frame_of(AP_S_TICK, 1)->id.seq, 64);
	assert_int_equal(frame_of(AP_S_LIVE, 0)->n, 1);
}

static void after_512_records_a_frame_goes_on_at_the_next_id(void **s)
{
	(void)s;
	copies = 3;
	entry((ap_id){ 5, 128 }, 400);          /* 1,200 records: 512, 512, 176 */
	const uint32_t n[] = { 512, 512, 176 };
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(frame_of(AP_S_TICK, i)->n, n[i]);
		assert_int_equal(frame_of(AP_S_TICK, i)->id.seq, 128 + i);
	}
	assert_int_equal(fold.count.records_out, 1201);
}

static void a_frame_never_exceeds_its_bytes(void **s)
{
	(void)s;
	payload_len = 60000;                     /* four fit 262,144 bytes, five do not */
	entry((ap_id){ 5, 0 }, 10);
	size_t total = 0;
	for (size_t i = 0; i < 3; i++) {
		assert_true(frame_of(AP_S_TICK, i)->len <= AP_FRAME_BYTES);
		total += frame_of(AP_S_TICK, i)->n;
	}
	assert_int_equal(total, 10);
	assert_int_equal(frame_of(AP_S_TICK, 0)->n, 4);
}

static void frames_decode_to_what_was_put(void **s)
{
	static struct ap_wire_iter it;
	struct ap_rec rec;

	(void)s;
	copies = 2;
	entry((ap_id){ 9, 0 }, 300);
	uint32_t seen = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct ap_frame *f = frame_of(AP_S_TICK, i);
		ap_wire_start(&it, ap_fold_body(&fold, f), f->n);
		while (ap_wire_next(&it, &rec) == AP_WIRE_OK)
			assert_int_equal(rec.u.raw.recv.ns, (int64_t)(seen++ / 2 + 1) * 1000000000);
	}
	assert_int_equal(seen, 600);
}

static void a_body_with_a_bad_end_steps_nothing_and_is_rejected_whole(void **s)
{
	static struct ap_wire_iter it;
	struct ap_buf b;
	struct ap_rec rec;
	const char *why = NULL;

	(void)s;
	ap_str body = beats(&b, 3, false);
	body.len--;
	assert_false(ap_fold_entry(&fold, (ap_id){ 1700, 65 }, 3, body, &why));
	assert_non_null(why);
	assert_int_equal(((struct echo *)fold.st)->n, 0);
	assert_int_equal(fold.n_frames, 1);
	const struct ap_frame *f = frame_of(AP_S_REJECT, 0);
	ap_wire_start(&it, ap_fold_body(&fold, f), f->n);
	assert_int_equal(ap_wire_next(&it, &rec), AP_WIRE_OK);
	assert_int_equal(rec.kind, AP_REJECT);
	assert_int_equal(rec.u.reject.status, AP_ST_POISON);
	assert_int_equal(rec.u.reject.origin.seq, 64);  /* the raw entry it descends from */
	assert_true(ap_str_is(rec.u.reject.reason, "bad_frame"));
	assert_true(ap_str_is(rec.u.reject.stage, "echo"));
	assert_true(ap_str_eq(rec.u.reject.data, body));
	assert_int_equal(fold.count.bad_frames, 1);
	ap_buf_done(&b);
}

static void more_records_announced_than_there_are_is_bad(void **s)
{
	struct ap_buf b;
	const char *why = NULL;

	(void)s;
	assert_false(ap_fold_entry(&fold, (ap_id){ 1, 0 }, 4, beats(&b, 3, false), &why));
	ap_buf_done(&b);
}

static void a_huge_poison_is_cut_to_what_a_record_may_hold(void **s)
{
	static char junk[AP_PAYLOAD_MAX + 100];

	(void)s;
	ap_fold_poison(&fold, (ap_id){ 1, 0 }, ap_str_n(junk, sizeof junk), "kind");
	assert_true(frame_of(AP_S_REJECT, 0)->len <= AP_PAYLOAD_MAX + 200);
}

static void a_record_that_kills_is_rejected_and_its_neighbours_are_stepped(void **s)
{
	static struct ap_wire_iter it;
	struct ap_buf b;
	struct ap_rec rec;
	uint32_t n = 1;
	const char *why = NULL;

	(void)s;
	assert_true(ap_fold_begin(&fold, (ap_id){ 1700, 0 }, 3, beats(&b, 3, false), &why));
	assert_true(ap_fold_step(&fold));
	assert_true(ap_fold_reject(&fold, "stage_died"));
	assert_true(ap_fold_step(&fold));
	assert_false(ap_fold_step(&fold));
	assert_false(ap_fold_reject(&fold, "stage_died"));
	ap_fold_end(&fold);
	assert_int_equal(((struct echo *)fold.st)->n, 2);
	const struct ap_frame *f = frame_of(AP_S_REJECT, 0);
	ap_wire_start(&it, ap_fold_body(&fold, f), f->n);
	while (ap_wire_next(&it, &rec) == AP_WIRE_OK) {
		assert_int_equal(rec.u.reject.raw_idx, n++);
		assert_int_equal(rec.u.reject.status, AP_ST_POISON);
		assert_true(ap_str_is(rec.u.reject.reason, "stage_died"));
		assert_true(ap_str_is(rec.u.reject.source, "s"));
		assert_true(rec.u.reject.data.len > 0 && rec.u.reject.data.p[0] == '{');
	}
	assert_int_equal(n, 2);
	ap_buf_done(&b);
}

static void state_changes_come_out_as_texts_with_their_prefix(void **s)
{
	size_t pos = 0;
	ap_str field, value;

	(void)s;
	entry((ap_id){ 1, 0 }, 2);
	ap_fold_save(&fold, false);
	assert_int_equal(fold.n_sets, 1);
	assert_int_equal(fold.n_dels, 1);
	assert_true(ap_fold_text(&fold.sets, &pos, &field));
	assert_true(ap_fold_text(&fold.sets, &pos, &value));
	assert_false(ap_fold_text(&fold.sets, &pos, &value));
	assert_true(ap_str_is(field, "f:n"));
	assert_int_equal(value.len, 8);
	pos = 0;
	assert_true(ap_fold_text(&fold.dels, &pos, &field));
	assert_true(ap_str_is(field, "f:old"));
}

static void clear_forgets_what_was_handed_over(void **s)
{
	(void)s;
	entry((ap_id){ 1, 0 }, 2);
	ap_fold_save(&fold, false);
	ap_fold_clear(&fold);
	assert_int_equal(fold.n_frames, 0);
	assert_int_equal(fold.n_sets, 0);
	assert_int_equal(fold.sets.len, 0);
	entry((ap_id){ 2, 0 }, 1);
	assert_int_equal(frame_of(AP_S_TICK, 0)->off, 0);
}

static void the_newest_live_beat_is_remembered(void **s)
{
	struct ap_buf b;
	const char *why;

	(void)s;
	entry((ap_id){ 1, 0 }, 2);
	assert_int_equal(fold.live_beat.ns, 0);         /* a tape's beat is no clock reading */
	assert_true(ap_fold_entry(&fold, (ap_id){ 2, 0 }, 2, beats(&b, 2, true), &why));
	assert_int_equal(fold.live_beat.ns, 2000000000);
	ap_buf_done(&b);
}

static void a_configuration_error_is_a_sentence(void **s)
{
	static struct ap_fold other;
	struct ap_conf conf;
	char err[100] = "";

	(void)s;
	ap_conf_init(&conf);
	conf.data_partitions = 13;
	assert_false(ap_fold_init(&other, &echo, &conf, err, sizeof err));
	assert_string_equal(err, "thirteen is refused");
	ap_conf_done(&conf);
}

static void every_kind_has_an_event_time(void **s)
{
	struct ap_rec r = { .kind = AP_CANDLE, .u.candle.open_ms = 60000 };

	(void)s;
	assert_int_equal(ap_rec_t_ms(&r), 60000);
	r = (struct ap_rec){ .kind = AP_TRADE, .u.trade.ts = { 5999999 } };
	assert_int_equal(ap_rec_t_ms(&r), 5);
	r = (struct ap_rec){ .kind = AP_REJECT, .u.reject = { .recv = { 9000000 } } };
	assert_int_equal(ap_rec_t_ms(&r), 9);           /* no event time: the receive time */
	r.u.reject.ts.ns = 4000000;
	assert_int_equal(ap_rec_t_ms(&r), 4);
}

/* Each makes the reader tell up to sixteen candles anew: a frame asks for no more of them than 512 plain ones do. */
static void a_frame_holds_32_revised_candles(void **s)
{
	(void)s;
	revised = true;
	entry((ap_id){ 5, 0 }, 70);
	const uint32_t n[] = { 32, 32, 6 };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(frame_of(AP_S_TICK, i)->n, n[i]);
}

static void an_entry_may_fill_more_frames_than_it_has_ids(void **s)
{
	(void)s;
	copies = 512;
	entry((ap_id){ 5, 0 }, 200);
	assert_int_equal(fold.n_frames, 201);           /* and that of the flush */
	assert_int_equal(frame_of(AP_S_TICK, 199)->id.seq, 199);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_output_gets_the_id_of_its_entry), T(each_entry_is_flushed_once_and_keeps_its_own_frames),
		T(after_512_records_a_frame_goes_on_at_the_next_id), T(a_frame_never_exceeds_its_bytes),
		T(frames_decode_to_what_was_put), T(a_body_with_a_bad_end_steps_nothing_and_is_rejected_whole),
		T(more_records_announced_than_there_are_is_bad), T(a_huge_poison_is_cut_to_what_a_record_may_hold), T(a_record_that_kills_is_rejected_and_its_neighbours_are_stepped),
		T(state_changes_come_out_as_texts_with_their_prefix), T(clear_forgets_what_was_handed_over),
		T(the_newest_live_beat_is_remembered), T(a_configuration_error_is_a_sentence),
		T(every_kind_has_an_event_time), T(a_frame_holds_32_revised_candles), T(an_entry_may_fill_more_frames_than_it_has_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
