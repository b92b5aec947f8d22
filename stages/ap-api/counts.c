/*
 * counts.c - the table as text.
 */
#include "counts.h"

#include "../../common/core/recjson.h"

bool api_counts_at(const struct api_counts *c, size_t i, struct api_count_row *row)
{
	const struct api_count_row rows[] = {
#define COUNT(name, type, help) { #name, type, help, c->name },
		API_COUNTS(COUNT)
#undef COUNT
	};
	if (i >= sizeof rows / sizeof rows[0])
		return false;
	*row = rows[i];
	return true;
}

void api_counts_text(struct ap_buf *b, const struct api_counts *c)
{
	struct api_count_row r;
	for (size_t i = 0; api_counts_at(c, i, &r); i++) {
		ap_buf_printf(b, "# HELP ap_api_%s %s\n# TYPE ap_api_%s %s\nap_api_%s ", r.name, r.help, r.name,
			      r.type == AP_M_COUNTER ? "counter" : "gauge", r.name);
		ap_json_double(b, r.value);
		ap_buf_putc(b, '\n');
	}
}
