/*
 * test_store.c - partitions, the SQL of each table, and what differs between the stores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/core/store.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *text(struct ap_buf *b)
{
	ap_buf_putc(b, '\0');
	assert_false(b->full);
	return (const char *)b->p;
}

static void days_and_months_have_their_bounds(void **state)
{
	static const struct { enum ap_table t; int64_t at, lo, hi; const char *name; } c[] = {
		{ AP_T_NORMALIZED, 1700000000, 1699920000, 1700006400, "normalized_data_p20231114" },
		{ AP_T_NORMALIZED, 0, 0, 86400, "normalized_data_p19700101" },
		{ AP_T_NORMALIZED, -1, -86400, 0, "normalized_data_p19691231" },
		{ AP_T_NORMALIZED, 1709164800, 1709164800, 1709251200, "normalized_data_p20240229" },
		{ AP_T_CANDLES, 1709164800, 1706745600, 1709251200, "realtime_candles_p202402" },
		{ AP_T_CANDLES, 951782400, 949363200, 951868800, "realtime_candles_p200002" },
		{ AP_T_CANDLES, 4107542399, 4105123200, 4107542400, "realtime_candles_p210002" },   /* 2100 is no leap year */
		{ AP_T_CANDLES, 1703980800, 1701388800, 1704067200, "realtime_candles_p202312" },
		{ AP_T_CANDLES, 1317513600, 1317427200, 1320105600, "realtime_candles_p201110" },
	};

	(void)state;
	for (size_t i = 0; i < LEN(c); i++) {
		struct ap_span s;

		ap_table_span(c[i].t, c[i].at, &s);
		assert_string_equal(s.name, c[i].name);
		assert_int_equal(s.lo_s, c[i].lo);
		assert_int_equal(s.hi_s, c[i].hi);
	}
}

static void partitions_of_a_century_touch_and_never_overlap(void **state)
{
	static const enum ap_table t[] = { AP_T_NORMALIZED, AP_T_CANDLES };

	(void)state;
	for (size_t k = 0; k < LEN(t); k++) {
		struct ap_span s, first, last;

		for (int64_t at = 946684800; at < 4102444800; at = s.hi_s) {
			ap_table_span(t[k], at, &s);
			assert_int_equal(s.lo_s, at);
			ap_table_span(t[k], s.lo_s, &first);
			ap_table_span(t[k], s.hi_s - 1, &last);
			assert_string_equal(first.name, last.name);
		}
	}
}

static void every_table_lists_as_many_columns_as_it_has_fields(void **state)
{
	(void)state;
	for (enum ap_table t = 0; t < AP_T_N; t++) {
		unsigned n = 1;

		for (const char *p = ap_table(t)->columns; *p != '\0'; p++)
			n += *p == ',';
		assert_int_equal(n, ap_table(t)->fields);
	}
}

static void a_merge_keeps_the_higher_revision(void **state)
{
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 8192);
	ap_table_merge_sql(&b, AP_T_INDICATORS);
	assert_string_equal(text(&b),
		"INSERT INTO technical_indicators AS t (source, symbol, timeframe, indicator_name, parameters, value, revision, timestamp) "
		"SELECT DISTINCT ON (symbol, timeframe, timestamp, indicator_name, source, parameters) "
		"source, symbol, timeframe, indicator_name, parameters, value, revision, timestamp FROM m_technical_indicators "
		"ORDER BY symbol, timeframe, timestamp, indicator_name, source, parameters, revision DESC, ctid DESC "
		"ON CONFLICT (symbol, timeframe, timestamp, indicator_name, source, parameters) "
		"DO UPDATE SET value = EXCLUDED.value, revision = EXCLUDED.revision "
		"WHERE (EXCLUDED.revision > t.revision OR (EXCLUDED.revision = t.revision AND EXCLUDED.timestamp >= "
		"coalesce((SELECT kept_before FROM dataset), '-infinity') AND "
		"(t.value, t.revision) IS DISTINCT FROM (EXCLUDED.value, EXCLUDED.revision)))");
	ap_buf_clear(&b);
	ap_table_merge_sql(&b, AP_T_CANDLES);
	assert_non_null(strstr(text(&b), " WHERE EXCLUDED.trade_count >= t.trade_count AND (EXCLUDED.revision > t.revision OR "));
	ap_buf_clear(&b);
	ap_table_merge_sql(&b, AP_T_COMPONENT);
	assert_non_null(strstr(text(&b), "ON CONFLICT (timestamp, component_name, metric_name) DO NOTHING"));
	ap_buf_clear(&b);
	ap_table_copy_sql(&b, AP_T_COMPONENT, true);
	assert_string_equal(text(&b), "COPY m_component_metrics (component_name, metric_name, metric_value, metric_type, timestamp) FROM STDIN BINARY");
	ap_buf_clear(&b);
	ap_table_twin_sql(&b, AP_T_COMPONENT);
	assert_non_null(strstr(text(&b), "CREATE TEMPORARY TABLE IF NOT EXISTS m_component_metrics ON COMMIT DELETE ROWS"));
	ap_buf_done(&b);
}

/* Is this one of the columns of the list? */
static bool listed(const char *list, const char *col, size_t n)
{
	for (const char *p = strstr(list, col); p != NULL; p = strstr(p + 1, col))
		if (strncmp(p, col, n) == 0 && (p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ','))
			return true;
	return false;
}

static void a_merge_asks_only_for_columns_that_the_table_has(void **state)
{
	static const char word[] = "EXCLUDED.";
	struct ap_buf b;
	unsigned asked = 0;

	(void)state;
	ap_buf_init(&b, 8192);
	for (int t = 0; t < AP_T_N; t++) {
		ap_buf_clear(&b);
		ap_table_merge_sql(&b, (enum ap_table)t);
		for (const char *p = strstr(text(&b), word); p != NULL; p = strstr(p, word)) {
			char col[64];
			p += sizeof word - 1;
			size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
			(void)snprintf(col, sizeof col, "%.*s", (int)n, p);
			if (!listed(ap_table((enum ap_table)t)->columns, col, n))
				fail_msg("%s has no column %s", ap_table((enum ap_table)t)->name, col);
			asked++;
		}
	}
	assert_true(asked > 50);
	ap_buf_done(&b);
}

static void hypertables_leave_the_partitions_out_of_the_schema(void **state)
{
	static const char file[] = "CREATE TABLE a (x int) PARTITION BY RANGE (x);\nCREATE TABLE b (y int);\nCREATE TABLE c (z int) PARTITION BY RANGE (z);\n";
	const struct ap_store *plain = ap_store_find(ap_str_c("plain")), *full = ap_store_find(ap_str_c("timescale"));
	struct ap_buf b;

	(void)state;
	ap_buf_init(&b, 8192);
	ap_store_schema(plain, &b, ap_str_c(file));
	assert_string_equal(text(&b), file);
	ap_buf_clear(&b);
	ap_store_schema(full, &b, ap_str_c(file));
	assert_string_equal(text(&b), "CREATE TABLE a (x int);\nCREATE TABLE b (y int);\nCREATE TABLE c (z int);\n");
	ap_buf_done(&b);
}

static void each_store_has_its_own_statements(void **state)
{
	static const struct { const char *name; bool hyper, ensures, adopts, compresses; const char *drop; } c[] = {
		{ "plain", false, true, false, false, "SELECT ap_partitions_drop('normalized_data', to_timestamp(86400))" },
		{ "timescale-apache", true, false, true, false, "SELECT count(*) FROM drop_chunks('normalized_data', older_than => to_timestamp(86400))" },
		{ "timescale", true, false, true, true, "SELECT count(*) FROM drop_chunks('normalized_data', older_than => to_timestamp(86400))" },
	};
	struct ap_buf b;

	(void)state;
	assert_null(ap_store_find(ap_str_c("oracle")));
	assert_non_null(strstr(ap_store_detect_sql, "timescaledb.max_background_workers"));
	ap_buf_init(&b, 8192);
	for (size_t i = 0; i < LEN(c); i++) {
		const struct ap_store *s = ap_store_find(ap_str_c(c[i].name));

		assert_non_null(s);
		assert_int_equal(s->hyper, c[i].hyper);
		ap_buf_clear(&b);
		s->ensure(&b, AP_T_NORMALIZED, 1700000000);
		assert_int_equal(b.len > 0, c[i].ensures);
		if (c[i].ensures)
			assert_string_equal(text(&b), "SELECT ap_partition_ensure('normalized_data', 'normalized_data_p20231114', "
					    "to_timestamp(1699920000), to_timestamp(1700006400))");
		ap_buf_clear(&b);
		s->adopt(&b, ap_table(AP_T_NORMALIZED));
		assert_int_equal(b.len > 0, c[i].adopts);
		assert_int_equal(strstr(text(&b), "add_compression_policy") != NULL, c[i].compresses);
		ap_buf_clear(&b);
		s->drop(&b, AP_T_NORMALIZED, 86400);
		assert_string_equal(text(&b), c[i].drop);
	}
	ap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_and_months_have_their_bounds),
		cmocka_unit_test(partitions_of_a_century_touch_and_never_overlap),
		cmocka_unit_test(every_table_lists_as_many_columns_as_it_has_fields),
		cmocka_unit_test(a_merge_keeps_the_higher_revision),
		cmocka_unit_test(a_merge_asks_only_for_columns_that_the_table_has),
		cmocka_unit_test(hypertables_leave_the_partitions_out_of_the_schema),
		cmocka_unit_test(each_store_has_its_own_statements),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
