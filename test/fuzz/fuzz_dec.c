/*
 * fuzz_dec.c - any bytes as a numeral: what is taken is written and read back the same, agrees with strtod,
 * and survives lowest terms; sums and quotients never trap.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/core/dec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_sum(const char *s, size_t len, ap_dec d)
{
	char text[AP_SUM_TEXT];
	ap_sum v, back, acc;
	ap_dec q;

	if (ap_sum_parse(s, len, &v) == AP_DEC_OK) {
		size_t n = ap_sum_format(&v, text);

		assert(ap_sum_parse(text, n, &back) == AP_DEC_OK && ap_sum_cmp(&v, &back) == 0);
		assert(ap_sum_to_double(&v) == strtod(text, NULL));
		for (unsigned digits = 0; digits <= 18; digits += 6)
			(void)ap_sum_div(&v, d, digits, &q);
		acc = v;
		if (ap_sum_addmul(&acc, d, d))
			assert(ap_sum_cmp(&acc, &v) >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[AP_DEC_TEXT], whole[AP_DEC_IN_MAX + 1];
	enum ap_dec_rc rc;
	ap_dec d = { 3 }, back;
	ap_i128 m;
	unsigned s;
	size_t n;

	rc = ap_dec_parse((const char *)data, size, &d);
	if (rc == AP_DEC_OK || rc == AP_DEC_ROUNDED) {
		n = ap_dec_format(d, text);
		assert(ap_dec_parse(text, n, &back) == AP_DEC_OK && back.e18 == d.e18);
		assert(ap_dec_to_double(d) == strtod(text, NULL));
		if (rc == AP_DEC_OK) {
			memcpy(whole, data, size);
			whole[size] = '\0';
			assert(strtod(whole, NULL) == strtod(text, NULL));
		}
		s = ap_dec_lowest(d, &m);
		assert(ap_dec_scaled(m, s, &back) && back.e18 == d.e18);
	} else {
		assert(d.e18 == 3);
	}
	try_sum((const char *)data, size, d);
	return 0;
}
