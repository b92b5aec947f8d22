/*
 * journal.c - segments and records as bytes, and a scan that survives any damage to them.
 *
 * Knows no file and no clock. A record has two CRCs: with its head whole its length can be trusted, so damage to a payload
 * costs that record alone; where a head is damaged the scan looks for the next one at every multiple of 8.
 */
#include "journal.h"

#include <assert.h>

#include "crc32c.h"
#include "le.h"

static const char magic[8] = { 'A', 'P', 'J', 'O', 'U', 'R', 'N', '\n' };

enum { VERSION = 1, COPY_AT = 512, COPY_LEN = 256, ALIGN = 8, BEHIND_MAX = 65535 };
/* Offsets in a head. */
enum { H_VERSION = 8, H_SALT = 12, H_DATASET = 16, H_PRODUCER = 64, H_FIRST = 128, H_MADE = 136, H_GEN = 144, H_AFTER = 152,
       H_CRC = 252 };
/* Offsets in a record. */
enum { R_HCRC = 0, R_BCRC = 4, R_SEQ = 8, R_RECV = 16, R_LEN = 24, R_BEHIND = 28, R_SOURCE = 30, R_KIND = 31 };

/* --- heads ----------------------------------------------------------------- */

void ap_journal_head_put(const struct ap_journal_head *h, uint8_t out[AP_JOURNAL_HEAD])
{
	assert(h->first_seq > h->after);
	memset(out, 0, AP_JOURNAL_HEAD);
	memcpy(out, magic, sizeof magic);
	ap_le_put(out + H_VERSION, VERSION, 4);
	ap_le_put(out + H_SALT, h->salt, 4);
	memcpy(out + H_DATASET, h->dataset, strnlen(h->dataset, AP_JOURNAL_DATASET - 1));
	memcpy(out + H_PRODUCER, h->producer, strnlen(h->producer, AP_JOURNAL_PRODUCER - 1));
	ap_le_put(out + H_FIRST, h->first_seq, 8);
	ap_le_put(out + H_MADE, (uint64_t)h->made.ns, 8);
	ap_le_put(out + H_GEN, h->gen, 4);
	ap_le_put(out + H_AFTER, h->after, 8);
	ap_le_put(out + H_CRC, ap_crc32c(0, out, H_CRC), 4);
	memcpy(out + COPY_AT, out, COPY_LEN);
}

static bool copy_whole(const uint8_t *p)
{
	return memcmp(p, magic, sizeof magic) == 0 && ap_le_get(p + H_CRC, 4) == ap_crc32c(0, p, H_CRC);
}

enum ap_journal_head_rc ap_journal_head_get(const uint8_t *p, size_t len, struct ap_journal_head *h)
{
	bool a = len >= COPY_LEN && copy_whole(p), b = len >= COPY_AT + COPY_LEN && copy_whole(p + COPY_AT);
	const uint8_t *c = a ? p : p + COPY_AT;

	if (!a && !b)
		return len < AP_JOURNAL_HEAD ? AP_JOURNAL_HEAD_SHORT : AP_JOURNAL_HEAD_BAD;
	if (ap_le_get(c + H_VERSION, 4) != VERSION)
		return AP_JOURNAL_HEAD_NEWER;
	if (ap_le_get(c + H_FIRST, 8) <= ap_le_get(c + H_AFTER, 8))
		return AP_JOURNAL_HEAD_BAD;
	memset(h, 0, sizeof *h);
	memcpy(h->dataset, c + H_DATASET, AP_JOURNAL_DATASET - 1);
	memcpy(h->producer, c + H_PRODUCER, AP_JOURNAL_PRODUCER - 1);
	h->first_seq = ap_le_get(c + H_FIRST, 8);
	h->after = ap_le_get(c + H_AFTER, 8);
	h->made.ns = (int64_t)ap_le_get(c + H_MADE, 8);
	h->salt = (uint32_t)ap_le_get(c + H_SALT, 4);
	h->gen = (uint32_t)ap_le_get(c + H_GEN, 4);
	return a && b ? AP_JOURNAL_HEAD_OK : AP_JOURNAL_HEAD_MENDED;
}

/* --- records ----------------------------------------------------------------- */

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

size_t ap_journal_rec_size(size_t source_len, size_t payload_len)
{
	return aligned(AP_JOURNAL_REC_MIN + source_len + payload_len);
}

bool ap_journal_rec_put(struct ap_buf *b, uint32_t salt, const struct ap_journal_rec *r)
{
	const size_t body = r->source.len + r->payload.len, size = ap_journal_rec_size(r->source.len, r->payload.len);
	const uint64_t behind = r->seq - r->synced;
	uint8_t *p;

	assert(r->source.len <= AP_JOURNAL_SOURCE_MAX && r->payload.len <= AP_JOURNAL_PAYLOAD_MAX);
	assert(r->seq > r->synced);
	p = ap_buf_room(b, size);
	if (p == NULL)
		return false;
	ap_le_put(p + R_SEQ, r->seq, 8);
	ap_le_put(p + R_RECV, (uint64_t)r->recv.ns, 8);
	ap_le_put(p + R_LEN, r->payload.len, 4);
	p[R_BEHIND] = (uint8_t)(behind < BEHIND_MAX ? behind : BEHIND_MAX);
	p[R_BEHIND + 1] = (uint8_t)((behind < BEHIND_MAX ? behind : BEHIND_MAX) >> 8);
	p[R_SOURCE] = (uint8_t)r->source.len;
	p[R_KIND] = r->kind;
	if (r->source.len > 0)
		memcpy(p + AP_JOURNAL_REC_MIN, r->source.p, r->source.len);
	if (r->payload.len > 0)
		memcpy(p + AP_JOURNAL_REC_MIN + r->source.len, r->payload.p, r->payload.len);
	memset(p + AP_JOURNAL_REC_MIN + body, 0, size - AP_JOURNAL_REC_MIN - body);
	ap_le_put(p + R_BCRC, ap_crc32c(salt, p + AP_JOURNAL_REC_MIN, size - AP_JOURNAL_REC_MIN), 4);
	ap_le_put(p + R_HCRC, ap_crc32c(salt, p + R_BCRC, AP_JOURNAL_REC_MIN - R_BCRC), 4);
	b->len += size;
	return true;
}

/* --- scanning ---------------------------------------------------------------- */

void ap_journal_scan_start(struct ap_journal_scan *s, const struct ap_journal_head *h)
{
	*s = (struct ap_journal_scan){ .salt = h->salt, .at = AP_JOURNAL_HEAD, .end = AP_JOURNAL_HEAD, .next_seq = h->first_seq };
}

/* The whole size of the record whose head stands at p, 0: there is none. Cheap questions first: most noise fails them. */
static size_t head_size(const struct ap_journal_scan *s, const uint8_t *p)
{
	const uint32_t len = (uint32_t)ap_le_get(p + R_LEN, 4);
	const uint64_t seq = ap_le_get(p + R_SEQ, 8);

	if (len > AP_JOURNAL_PAYLOAD_MAX || seq < s->next_seq || seq <= s->hole_seq || seq == UINT64_MAX)
		return 0;
	if (ap_le_get(p + R_HCRC, 4) != ap_crc32c(s->salt, p + R_BCRC, AP_JOURNAL_REC_MIN - R_BCRC))
		return 0;
	return ap_journal_rec_size(p[R_SOURCE], len);
}

static void rec_read(const uint8_t *p, struct ap_journal_rec *r)
{
	const unsigned behind = p[R_BEHIND] | (unsigned)p[R_BEHIND + 1] << 8;

	r->seq = ap_le_get(p + R_SEQ, 8);
	r->recv.ns = (int64_t)ap_le_get(p + R_RECV, 8);
	r->kind = p[R_KIND];
	r->synced = behind < BEHIND_MAX && behind <= r->seq ? r->seq - behind : 0;
	r->source = ap_str_n((const char *)p + AP_JOURNAL_REC_MIN, p[R_SOURCE]);
	r->payload = ap_str_n((const char *)p + AP_JOURNAL_REC_MIN + p[R_SOURCE], ap_le_get(p + R_LEN, 4));
}

/* A valid record comes after a hole, or not with the number it should have. */
static void loss_close(struct ap_journal_scan *s, uint64_t seq, struct ap_journal_loss *loss)
{
	*loss = (struct ap_journal_loss){
		.from = s->hole != 0 ? s->hole : s->at, .to = s->at, .first_seq = s->next_seq, .records = seq - s->next_seq,
	};
	s->losses++;
	s->lost_bytes += loss->to - loss->from;
	s->lost_records += loss->records;
	s->next_seq = seq;
	s->hole = s->hole_seq = 0;
}

static enum ap_journal_scan_rc scan_end(struct ap_journal_scan *s, uint64_t size, struct ap_journal_loss *loss)
{
	if (s->hole == 0 && s->at < size)
		s->hole = s->at;
	s->at = size;
	s->ended = true;
	if (s->hole == 0)
		return AP_JOURNAL_END;
	*loss = (struct ap_journal_loss){ .from = s->hole, .to = size, .first_seq = s->next_seq, .tail = true };
	loss->records = s->hole_seq >= s->next_seq ? s->hole_seq - s->next_seq + 1 : 0;
	s->torn_bytes = loss->to - loss->from;
	s->torn_records = loss->records;
	s->hole = 0;
	return AP_JOURNAL_LOSS;
}

static void hole_add(struct ap_journal_scan *s, size_t step, uint64_t seq)
{
	if (s->hole == 0)
		s->hole = s->at;
	if (seq > s->hole_seq)
		s->hole_seq = seq;
	s->at += step;
}

enum ap_journal_scan_rc ap_journal_scan(struct ap_journal_scan *s, const uint8_t *window, uint64_t off, size_t len, bool last,
					struct ap_journal_rec *rec, struct ap_journal_loss *loss)
{
	assert(off <= s->at);
	while (!s->ended) {
		const size_t skip = (size_t)(s->at - off), left = skip < len ? len - skip : 0;
		const uint8_t *p = window + (len - left);
		size_t size;

		if (left < AP_JOURNAL_REC_MIN) {
			if (!last)
				return AP_JOURNAL_MORE;
			return scan_end(s, off + len > s->at ? off + len : s->at, loss);
		}
		size = head_size(s, p);
		if (size > left && !last)
			return AP_JOURNAL_MORE;
		if (size == 0 || size > left) {
			hole_add(s, ALIGN, size == 0 ? 0 : ap_le_get(p + R_SEQ, 8));
			continue;
		}
		if (ap_le_get(p + R_BCRC, 4) != ap_crc32c(s->salt, p + AP_JOURNAL_REC_MIN, size - AP_JOURNAL_REC_MIN)) {
			hole_add(s, size, ap_le_get(p + R_SEQ, 8));
			continue;
		}
		rec_read(p, rec);
		if (s->hole != 0 || rec->seq != s->next_seq) {
			loss_close(s, rec->seq, loss);
			return AP_JOURNAL_LOSS;
		}
		s->at += size;
		s->end = s->at;
		s->next_seq = rec->seq + 1;
		s->last_seq = rec->seq;
		s->synced = rec->synced > s->synced ? rec->synced : s->synced;
		s->records++;
		s->bytes += size;
		return AP_JOURNAL_REC;
	}
	return AP_JOURNAL_END;
}
