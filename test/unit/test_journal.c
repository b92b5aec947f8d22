/*
 * test_journal.c - a journal's bytes: what is written is read, and of what is damaged exactly the damage is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/core/crc32c.h"
#include "common/core/journal.h"
#include "test/lib/laws.h"

enum { RECS = 60, FLIPS = 100000, SEG_MAX = 1 << 20 };

static const struct ap_journal_head head = {
	.dataset = "0f8fad5b-d9cb-469f-a165-70867728950e", .producer = "ingest-0", .first_seq = 1001, .after = 1000,
	.made = { 1700000000000000000 }, .salt = 0x5eed1234, .gen = 7,
};

struct seg {
	uint8_t p[SEG_MAX];
	size_t len;
	size_t at[RECS + 1];    /* where each record begins; the last: where they end */
};

static struct laws_rng chance = { 0x2545f4914f6cdd1d };

static uint64_t next(void)
{
	return laws_rand(&chance);
}

/* Record i's payload: 0 to 299 bytes that depend on i alone. */
static size_t payload(unsigned i, char out[300])
{
	size_t n = i * 37 % 300;
	for (size_t k = 0; k < n; k++)
		out[k] = (char)(i * 131 + k * 17);
	return n;
}

/* Records in groups of five: when one was written the groups before it were safe. */
static struct ap_journal_rec record(unsigned i, char text[300])
{
	size_t n = payload(i, text);
	return (struct ap_journal_rec){
		.seq = head.first_seq + i, .synced = head.first_seq + i / 5 * 5 - 1, .recv = { 1700000000000000000 + i },
		.kind = (uint8_t)(1 + i % 3), .source = i % 2 ? ap_str_c("binance") : ap_str_c(""), .payload = { text, n },
	};
}

static void make(struct seg *s)
{
	struct ap_buf b;
	ap_journal_head_put(&head, s->p);
	ap_buf_fixed(&b, s->p + AP_JOURNAL_HEAD, sizeof s->p - AP_JOURNAL_HEAD);
	for (unsigned i = 0; i < RECS; i++) {
		char text[300];
		struct ap_journal_rec r = record(i, text);
		s->at[i] = AP_JOURNAL_HEAD + b.len;
		assert_true(ap_journal_rec_put(&b, head.salt, &r));
	}
	s->len = s->at[RECS] = AP_JOURNAL_HEAD + b.len;
}

/* What a scan of the bytes found. */
struct found {
	bool got[RECS];
	unsigned records, losses;
	struct ap_journal_loss loss[4];
	struct ap_journal_scan s;
};

/* Every record that comes out must be the one that went in. step 0: all in one window, else windows of random lengths. */
static void scan(struct found *f, const uint8_t *p, size_t len, size_t step)
{
	struct ap_journal_rec r;
	struct ap_journal_loss loss;
	enum ap_journal_scan_rc rc;
	size_t off = step == 0 ? 0 : AP_JOURNAL_HEAD, n = step == 0 ? len : 0;
	memset(f, 0, sizeof *f);
	ap_journal_scan_start(&f->s, &head);
	while ((rc = ap_journal_scan(&f->s, p + off, off, n, off + n == len, &r, &loss)) != AP_JOURNAL_END) {
		if (rc == AP_JOURNAL_MORE) {
			assert_true(off + n < len);
			off = (size_t)f->s.at;
			n = n + 1 + next() % step;
			n = n < len - off ? n : len - off;
		} else if (rc == AP_JOURNAL_LOSS) {
			assert_true(f->losses < 4);
			f->loss[f->losses++] = loss;
		} else {
			char text[300];
			unsigned i = (unsigned)(r.seq - head.first_seq);
			assert_in_range(i, 0, RECS - 1);
			struct ap_journal_rec want = record(i, text);
			assert_false(f->got[i]);
			f->got[i] = true;
			f->records++;
			assert_true(ap_str_eq(r.payload, want.payload) && ap_str_eq(r.source, want.source));
			assert_true(r.recv.ns == want.recv.ns && r.kind == want.kind && r.synced == want.synced);
			if (step != 0)
				n = (size_t)(f->s.at - off) < n ? n : (size_t)(f->s.at - off);
		}
	}
	assert_int_equal(f->s.bytes + f->s.lost_bytes + f->s.torn_bytes, len > AP_JOURNAL_HEAD ? len - AP_JOURNAL_HEAD : 0);
	assert_int_equal(f->s.records, f->records);
}

static struct seg good, bad;
static struct found found;

static void crc_is_the_one_of_rfc_3720(void **unused)
{
	uint8_t b[32];
	(void)unused;
	assert_int_equal(ap_crc32c(0, "123456789", 9), 0xe3069283);
	memset(b, 0, 32);
	assert_int_equal(ap_crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, 32);
	assert_int_equal(ap_crc32c(0, b, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	assert_int_equal(ap_crc32c(0, b, 32), 0x46dd794e);
	for (size_t cut = 0; cut <= 32; cut++)
		assert_int_equal(ap_crc32c(ap_crc32c(0, b, cut), b + cut, 32 - cut), 0x46dd794e);
	/* By instruction and by tables, at every alignment and length. */
	for (size_t at = 0; at < 9; at++)
		for (size_t n = 0; at + n <= sizeof b; n++)
			assert_int_equal(ap_crc32c(77, b + at, n), ap_crc32c_tables(77, b + at, n));
}

static void what_is_written_is_read(void **unused)
{
	struct ap_journal_head h;
	(void)unused;
	assert_int_equal(ap_journal_head_get(good.p, good.len, &h), AP_JOURNAL_HEAD_OK);
	assert_string_equal(h.dataset, head.dataset);
	assert_string_equal(h.producer, head.producer);
	assert_true(h.first_seq == 1001 && h.after == 1000 && h.salt == head.salt && h.gen == 7 && h.made.ns == head.made.ns);
	scan(&found, good.p, good.len, 0);
	assert_int_equal(found.records, RECS);
	assert_int_equal(found.losses, 0);
	assert_int_equal(found.s.end, good.len);
	assert_int_equal(found.s.last_seq, 1000 + RECS);
	assert_int_equal(found.s.synced, 1001 + (RECS - 1) / 5 * 5 - 1);
}

static void the_bytes_are_those_of_the_drawing(void **unused)
{
	static const uint8_t want[40] = {
		[8] = 0xe9, 0x03, [16] = 0x01, [24] = 3, [28] = 1, [30] = 2, [31] = 9, [32] = 'a', 'b', 'x', 'y', 'z' };
	uint8_t p[64];
	struct ap_buf b;
	(void)unused;
	ap_buf_fixed(&b, p, sizeof p);
	assert_true(ap_journal_rec_put(&b, 0, &(struct ap_journal_rec){ .seq = 1001, .synced = 1000, .recv = { 1 }, .kind = 9,
									.source = ap_str_c("ab"), .payload = ap_str_c("xyz") }));
	assert_int_equal(b.len, 40);
	assert_memory_equal(p + 8, want + 8, 32);
	assert_memory_equal(good.p, "APJOURN\n\1\0\0\0\x34\x12\xed\x5e" "0f8fad5b", 24);
	assert_memory_equal(good.p, good.p + 512, 256);
}

static void any_windows_give_the_same_records(void **unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++) {
		scan(&found, good.p, good.len, 1 + next() % 2000);
		assert_int_equal(found.records, RECS);
		assert_int_equal(found.losses, 0);
	}
}

static void cut_at_any_byte_all_whole_records_are_there(void **unused)
{
	(void)unused;
	for (size_t len = good.at[RECS - 2]; len < good.len; len++) {
		unsigned whole = len >= good.at[RECS - 1] ? RECS - 1 : RECS - 2;
		scan(&found, good.p, len, len % 3 == 0 ? 100 : 0);
		assert_int_equal(found.records, whole);
		assert_int_equal(found.s.end, good.at[whole]);
		assert_int_equal(found.s.torn_bytes, len - good.at[whole]);
		/* Its head tells that it was one record; with less than a head nothing can be said. */
		assert_int_equal(found.s.torn_records, len - good.at[whole] >= AP_JOURNAL_REC_MIN ? 1 : 0);
		assert_int_equal(found.losses, len > good.at[whole] ? 1 : 0);
		if (found.losses > 0)
			assert_true(found.loss[0].tail && found.loss[0].first_seq == 1001 + whole && found.loss[0].to == len);
		/* Nothing that was known to be safe when later records were written is gone. */
		assert_true(found.s.last_seq >= found.s.synced);
	}
}

/* A flipped bit in record k costs record k, is said to, and costs nothing else. */
static void check_flip(size_t at)
{
	unsigned k = 0;
	while (k + 1 < RECS && at >= good.at[k + 1])
		k++;
	for (unsigned i = 0; i < RECS; i++)
		assert_int_equal(found.got[i], i != k);
	assert_int_equal(found.losses, 1);
	assert_int_equal(found.loss[0].first_seq, 1001 + k);
	assert_int_equal(found.loss[0].from, good.at[k]);
	assert_int_equal(found.loss[0].to, good.at[k + 1]);
	assert_int_equal(found.loss[0].tail, k == RECS - 1);
	if (k < RECS - 1)
		assert_int_equal(found.loss[0].records, 1);
	/* Whether it had been acknowledged: proven as soon as a later group was written. */
	assert_int_equal(ap_journal_loss_acked(&found.s, &found.loss[0]), k / 5 < (RECS - 1) / 5);
}

static void a_flipped_bit_costs_its_record_alone(void **unused)
{
	struct ap_journal_head h;
	(void)unused;
	memcpy(bad.p, good.p, good.len);
	for (int i = 0; i < FLIPS; i++) {
		size_t bit = next() % (good.len * 8), at = bit / 8;
		enum ap_journal_head_rc rc;
		bad.p[at] ^= (uint8_t)(1u << bit % 8);
		rc = ap_journal_head_get(bad.p, good.len, &h);
		assert_int_equal(rc, at < 256 || (at >= 512 && at < 768) ? AP_JOURNAL_HEAD_MENDED : AP_JOURNAL_HEAD_OK);
		assert_memory_equal(&h, &head, sizeof h);
		scan(&found, bad.p, good.len, 0);
		if (at < AP_JOURNAL_HEAD)
			assert_int_equal(found.records, RECS);
		else
			check_flip(at);
		bad.p[at] = good.p[at];
	}
}

static void a_stretch_of_garbage_costs_the_records_it_touches(void **unused)
{
	(void)unused;
	for (int i = 0; i < 3000; i++) {
		unsigned a = (unsigned)(next() % (RECS - 2)), b = a + (unsigned)(next() % 4);
		b = b < RECS - 1 ? b : RECS - 2;
		memcpy(bad.p, good.p, good.len);
		for (size_t k = good.at[a] + next() % 8; k < good.at[b + 1] - next() % 8; k++)
			bad.p[k] = i % 3 == 0 ? 0 : (uint8_t)next();
		scan(&found, bad.p, good.len, i % 2 ? 500 : 0);
		assert_int_equal(found.records, RECS - (b - a + 1));
		assert_int_equal(found.losses, 1);
		assert_int_equal(found.loss[0].first_seq, 1001 + a);
		assert_int_equal(found.loss[0].records, b - a + 1);
		assert_int_equal(found.loss[0].from, good.at[a]);
		assert_int_equal(found.loss[0].to, good.at[b + 1]);
	}
}

static void zeros_behind_the_last_record_are_a_torn_tail(void **unused)
{
	(void)unused;
	memset(bad.p, 0, sizeof bad.p);
	memcpy(bad.p, good.p, good.len);
	scan(&found, bad.p, good.len + 5000, 0);
	assert_int_equal(found.records, RECS);
	assert_int_equal(found.s.torn_bytes, 5000);
	assert_int_equal(found.s.torn_records, 0);
}

/* Whoever writes payloads does not know the salt, so records in a payload are not taken for ours when it is damaged. */
static void records_inside_a_payload_stay_payload(void **unused)
{
	static char fake[4096];
	struct ap_buf inner, b;
	struct ap_journal_rec r = { .seq = 1001, .payload = { fake, sizeof fake } };
	struct ap_journal_loss loss;
	struct ap_journal_scan s;
	(void)unused;
	ap_buf_fixed(&inner, fake, sizeof fake);
	for (uint64_t seq = 1002; inner.len + 64 < sizeof fake; seq++)
		ap_journal_rec_put(&inner, head.salt + 1, &(struct ap_journal_rec){ .seq = seq, .payload = ap_str_c("forged") });
	ap_journal_head_put(&head, bad.p);
	ap_buf_fixed(&b, bad.p + AP_JOURNAL_HEAD, sizeof bad.p - AP_JOURNAL_HEAD);
	assert_true(ap_journal_rec_put(&b, head.salt, &r));
	bad.p[AP_JOURNAL_HEAD + 24] ^= 1;       /* its length, so that the scan has to look through it */
	ap_journal_scan_start(&s, &head);
	assert_int_equal(ap_journal_scan(&s, bad.p, 0, AP_JOURNAL_HEAD + b.len, true, &r, &loss), AP_JOURNAL_LOSS);
	assert_true(loss.tail);
	assert_int_equal(s.records, 0);
}

static void a_head_is_refused_only_when_both_copies_are_gone(void **unused)
{
	struct ap_journal_head h;
	(void)unused;
	memcpy(bad.p, good.p, good.len);
	bad.p[3] ^= 4;
	assert_int_equal(ap_journal_head_get(bad.p, AP_JOURNAL_HEAD, &h), AP_JOURNAL_HEAD_MENDED);
	bad.p[600] ^= 4;
	assert_int_equal(ap_journal_head_get(bad.p, AP_JOURNAL_HEAD, &h), AP_JOURNAL_HEAD_BAD);
	for (size_t len = 0; len < AP_JOURNAL_HEAD; len++)
		assert_int_equal(ap_journal_head_get(good.p, len, &h),
				 len < 256 ? AP_JOURNAL_HEAD_SHORT : len < 768 ? AP_JOURNAL_HEAD_MENDED : AP_JOURNAL_HEAD_OK);
	memcpy(bad.p, good.p, AP_JOURNAL_HEAD);
	bad.p[8] = 2;           /* of version 2, and whole */
	for (unsigned i = 0, crc = ap_crc32c(0, bad.p, 252); i < 4; i++)
		bad.p[252 + i] = (uint8_t)(crc >> (8 * i));
	assert_int_equal(ap_journal_head_get(bad.p, AP_JOURNAL_HEAD, &h), AP_JOURNAL_HEAD_NEWER);
}

static void records_of_the_greatest_size_fit_and_are_read(void **unused)
{
	static char big[AP_JOURNAL_PAYLOAD_MAX], name[AP_JOURNAL_SOURCE_MAX];
	struct ap_journal_rec r = { .seq = 1001, .source = { name, sizeof name }, .payload = { big, sizeof big } };
	struct ap_journal_loss loss;
	struct ap_journal_scan s;
	struct ap_buf b;
	(void)unused;
	memset(big, 'p', sizeof big);
	memset(name, 's', sizeof name);
	ap_buf_init(&b, SEG_MAX);
	assert_true(ap_journal_rec_put(&b, head.salt, &r));
	assert_int_equal(b.len, AP_JOURNAL_REC_MAX);
	ap_journal_scan_start(&s, &head);
	assert_int_equal(ap_journal_scan(&s, b.p, AP_JOURNAL_HEAD, b.len, false, &r, &loss), AP_JOURNAL_REC);
	assert_true(r.payload.len == sizeof big && r.source.len == sizeof name);
	ap_buf_done(&b);
}

static int begin(void **unused)
{
	(void)unused;
	make(&good);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_one_of_rfc_3720),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_bytes_are_those_of_the_drawing),
		cmocka_unit_test(any_windows_give_the_same_records),
		cmocka_unit_test(cut_at_any_byte_all_whole_records_are_there),
		cmocka_unit_test(a_flipped_bit_costs_its_record_alone),
		cmocka_unit_test(a_stretch_of_garbage_costs_the_records_it_touches),
		cmocka_unit_test(zeros_behind_the_last_record_are_a_torn_tail),
		cmocka_unit_test(records_inside_a_payload_stay_payload),
		cmocka_unit_test(a_head_is_refused_only_when_both_copies_are_gone),
		cmocka_unit_test(records_of_the_greatest_size_fit_and_are_read),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
