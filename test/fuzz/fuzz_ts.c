/*
 * fuzz_ts.c - any bytes as an instant or an entry id: what is taken is written and read back the same.
 */
#include <assert.h>

#include "common/core/timefmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ap_str in = ap_str_n((const char *)data, size);
	char text[AP_TS_TEXT], idtext[AP_ID_TEXT];
	ap_ts ts, back;
	ap_id id, again;
	size_t n;

	if (ap_ts_parse(in, &ts)) {
		assert(ts.ns >= 0);
		n = ap_ts_format(ts, 9, text);
		assert(ap_ts_parse(ap_str_n(text, n), &back) && back.ns == ts.ns);
	}
	if (ap_id_parse(in, &id)) {
		n = ap_id_format(id, idtext);
		assert(ap_id_parse(ap_str_n(idtext, n), &again) && ap_id_cmp(id, again) == 0);
	}
	return 0;
}
