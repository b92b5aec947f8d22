/*
 * bench_journal.c - what a record costs to put into a journal and to find again, as JSON lines. CPU time: nothing here waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/core/crc32c.h"
#include "common/core/journal.h"
#include "test/bench/measure.h"

enum { ROUNDS = 7, RECS = 200000, PAYLOAD = 180, SEG = 64 << 20 };

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double median(double v[ROUNDS])
{
	measure_sort(v, ROUNDS);
	return v[ROUNDS / 2];
}

static volatile uint32_t sink;
static const struct ap_journal_head head = { .dataset = "d", .producer = "p", .first_seq = 1, .salt = 0x12345678 };

static double put_all(struct ap_buf *b, const char *payload)
{
	double from = now_s();

	ap_buf_clear(b);
	for (uint64_t i = 1; i <= RECS; i++)
		if (!ap_journal_rec_put(b, head.salt, &(struct ap_journal_rec){ .seq = i, .synced = i > 512 ? i - 512 : 0, .recv = { 1 }, .kind = 1,
								.source = ap_str_c("binance"), .payload = { payload, PAYLOAD } }))
			exit(1);
	return now_s() - from;
}

static double scan_all(const struct ap_buf *b)
{
	struct ap_journal_scan s;
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	double from = now_s();

	ap_journal_scan_start(&s, &head);
	while (ap_journal_scan(&s, b->p, AP_JOURNAL_HEAD, b->len, true, &rec, &loss) == AP_JOURNAL_REC)
		;
	if (s.records != RECS)
		exit(1);
	return now_s() - from;
}

int main(void)
{
	double put[ROUNDS], scan[ROUNDS], crc[ROUNDS];
	char payload[PAYLOAD];
	struct ap_buf b;

	for (unsigned i = 0; i < PAYLOAD; i++)
		payload[i] = (char)('!' + i * 7 % 90);
	ap_buf_init(&b, SEG);
	(void)put_all(&b, payload);
	for (int r = 0; r < ROUNDS; r++) {
		double from;

		put[r] = put_all(&b, payload);
		scan[r] = scan_all(&b);
		from = now_s();
		sink ^= ap_crc32c(0, b.p, b.len);
		crc[r] = now_s() - from;
	}
	printf("{\"bench\":\"journal\",\"what\":\"put\",\"payload_bytes\":%d,\"ns_per_record\":%.1f,\"mb_per_s\":%.0f}\n", PAYLOAD,
	       median(put) / RECS * 1e9, (double)b.len / median(put) / 1e6);
	printf("{\"bench\":\"journal\",\"what\":\"scan\",\"payload_bytes\":%d,\"ns_per_record\":%.1f,\"mb_per_s\":%.0f}\n", PAYLOAD,
	       median(scan) / RECS * 1e9, (double)b.len / median(scan) / 1e6);
	printf("{\"bench\":\"journal\",\"what\":\"crc32c\",\"mb_per_s\":%.0f}\n", (double)b.len / median(crc) / 1e6);
	ap_buf_done(&b);
	return 0;
}
