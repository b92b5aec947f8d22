/*
 * file.c - frames in files and pipes.
 *
 *   "AP1" | len of name, 1 | name | ms, 8 | seq, 8 | n, 4 | t, 8 | len of body, 4 | body      numbers little-endian
 */
#include "file.h"

#include "common/core/le.h"

enum { NUMS = 8 + 8 + 4 + 8 + 4, NAME_MAX_LEN = 16 };

static enum ap_file_rc bad(const char **why, const char *what)
{
	*why = what;
	return AP_FILE_BAD;
}

enum ap_file_rc ap_file_read(FILE *in, struct ap_buf *buf, struct ap_file_frame *out, const char **why)
{
	uint8_t head[4], nums[NUMS];
	char name[NAME_MAX_LEN];
	size_t got = fread(head, 1, sizeof head, in);

	if (got == 0)
		return ferror(in) ? bad(why, "read error") : AP_FILE_END;
	if (got != sizeof head || memcmp(head, "AP1", 3) != 0 || head[3] > sizeof name)
		return bad(why, "not a frame");
	if (fread(name, 1, head[3], in) != head[3] || fread(nums, 1, NUMS, in) != NUMS)
		return bad(why, "cut short");
	if (!ap_stream_by_name(ap_str_n(name, head[3]), &out->stream))
		return bad(why, "unknown stream");
	out->id = (ap_id){ ap_le_get(nums, 8), ap_le_get(nums + 8, 8) };
	out->n = (uint32_t)ap_le_get(nums + 16, 4);
	out->t_ms = ap_le_get(nums + 20, 8);
	size_t len = (size_t)ap_le_get(nums + 28, 4);
	if (out->n > AP_FRAME_RECS || len > AP_FRAME_BYTES)
		return bad(why, "frame too large");
	ap_buf_clear(buf);
	void *room = ap_buf_room(buf, len);
	if (room == NULL && len > 0)
		return bad(why, "no memory");
	if (len > 0 && fread(room, 1, len, in) != len)
		return bad(why, "cut short");
	buf->len = len;
	out->body = ap_buf_view(buf);
	return AP_FILE_OK;
}

bool ap_file_write(FILE *out, const struct ap_file_frame *frame)
{
	const char *name = ap_stream_name(frame->stream);
	uint8_t head[4 + NAME_MAX_LEN + NUMS] = "AP1";
	size_t len = strlen(name);
	uint8_t *nums = head + 4 + len;

	head[3] = (uint8_t)len;
	memcpy(head + 4, name, len);     /* NOLINT(bugprone-not-null-terminated-result): its length stands before it */
	ap_le_put(nums, frame->id.ms, 8);
	ap_le_put(nums + 8, frame->id.seq, 8);
	ap_le_put(nums + 16, frame->n, 4);
	ap_le_put(nums + 20, frame->t_ms, 8);
	ap_le_put(nums + 28, frame->body.len, 4);
	return fwrite(head, 1, 4 + len + NUMS, out) == 4 + len + NUMS
	       && fwrite(frame->body.p, 1, frame->body.len, out) == frame->body.len;
}
