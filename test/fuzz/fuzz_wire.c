/*
 * fuzz_wire.c - any bytes as a frame: refused, or read and written again with the same meaning.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/core/recjson.h"
#include "common/core/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ap_wire_iter it, jt;
	struct ap_rec a, b;
	struct ap_buf bytes, ja, jb;

	if (size < 1)
		return 0;
	ap_wire_start(&it, ap_str_n((const char *)data + 1, size - 1), data[0]);
	ap_buf_init(&bytes, AP_FRAME_BYTES + 1024);
	ap_buf_init(&ja, (size_t)1 << 24);
	ap_buf_init(&jb, (size_t)1 << 24);
	while (ap_wire_next(&it, &a) == AP_WIRE_OK) {
		ap_buf_clear(&bytes);
		assert(ap_wire_put(&bytes, &a));
		assert(bytes.len <= ap_wire_size(&a));
		ap_wire_start(&jt, ap_buf_view(&bytes), 1);
		assert(ap_wire_next(&jt, &b) == AP_WIRE_OK);
		b.idx = a.idx;
		ap_buf_clear(&ja);
		ap_buf_clear(&jb);
		ap_rec_json(&ja, &a);
		ap_rec_json(&jb, &b);
		assert(ap_str_eq(ap_buf_view(&ja), ap_buf_view(&jb)));
		assert(ap_wire_next(&jt, &b) == AP_WIRE_END);
	}
	ap_buf_done(&bytes);
	ap_buf_done(&ja);
	ap_buf_done(&jb);
	return 0;
}
