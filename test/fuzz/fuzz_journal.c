/*
 * fuzz_journal.c - any bytes as a segment: every byte is accounted for, whatever the windows, and nothing is read outside.
 *
 * The first byte says how wide windows are. Bytes that begin with a head are taken as they are; for others a head with salt 0
 * and first number 1 is put in front, so that inputs need no CRC of a head to reach the records.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/core/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sums {
	uint64_t records, text, losses, seq;
};

static void sums_rec(struct sums *n, const struct ap_journal_rec *r, const struct ap_journal_scan *s)
{
	assert(r->seq > n->seq && r->synced < r->seq && s->last_seq == r->seq);
	n->seq = r->seq;
	n->records++;
	for (size_t i = 0; i < r->source.len; i++)
		n->text += (unsigned char)r->source.p[i];
	for (size_t i = 0; i < r->payload.len; i++)
		n->text += (unsigned char)r->payload.p[i];
}

static struct ap_journal_scan run(const struct ap_journal_head *h, const uint8_t *p, size_t size, size_t step, struct sums *n)
{
	struct ap_journal_scan s;
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	enum ap_journal_scan_rc rc;
	size_t len = step == 0 || step > size ? size : step, off = AP_JOURNAL_HEAD;

	*n = (struct sums){ 0 };
	ap_journal_scan_start(&s, h);
	while ((rc = ap_journal_scan(&s, p + (off - AP_JOURNAL_HEAD), off, len, off - AP_JOURNAL_HEAD + len == size, &rec, &loss)) !=
	       AP_JOURNAL_END) {
		if (rc == AP_JOURNAL_REC) {
			sums_rec(n, &rec, &s);
		} else if (rc == AP_JOURNAL_LOSS) {
			assert(loss.from <= loss.to && loss.to <= AP_JOURNAL_HEAD + size);
			n->losses++;
		} else {
			size_t left = size - (size_t)(s.at - AP_JOURNAL_HEAD), want = (size_t)(off + len - s.at) + step;

			assert(s.at >= off);
			off = (size_t)s.at;
			len = want < left ? want : left;
		}
	}
	assert(s.bytes + s.lost_bytes + s.torn_bytes == size);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ap_journal_head h = { .first_seq = 1 };
	struct sums whole, steps;
	struct ap_journal_scan a, b;
	enum ap_journal_head_rc rc;

	if (size < 1)
		return 0;
	rc = ap_journal_head_get(data + 1, size - 1, &h);
	if ((rc == AP_JOURNAL_HEAD_OK || rc == AP_JOURNAL_HEAD_MENDED) && size - 1 >= AP_JOURNAL_HEAD) {
		a = run(&h, data + 1 + AP_JOURNAL_HEAD, size - 1 - AP_JOURNAL_HEAD, 0, &whole);
		b = run(&h, data + 1 + AP_JOURNAL_HEAD, size - 1 - AP_JOURNAL_HEAD, 1u + data[0], &steps);
	} else {
		h = (struct ap_journal_head){ .first_seq = 1 };
		a = run(&h, data + 1, size - 1, 0, &whole);
		b = run(&h, data + 1, size - 1, 1u + data[0], &steps);
	}
	assert(whole.records == steps.records && whole.text == steps.text && whole.losses == steps.losses);
	assert(a.end == b.end && a.lost_records == b.lost_records && a.torn_bytes == b.torn_bytes && a.synced == b.synced);
	return 0;
}
