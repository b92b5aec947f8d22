/*
 * test_metrics.c - the table of metrics, the page made of it, the machine's numbers, and each alert.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/ap-metrics/alerts.h"
#include "stages/ap-metrics/prom.h"
#include "stages/ap-metrics/sample.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const int64_t s_ns = 1000000000;

static struct ap_metric metric(const char *component, const char *instance, const char *name, const char *labels, enum ap_metric_type type,
			       double value, int64_t at_s)
{
	return (struct ap_metric){ ap_str_c(component), ap_str_c(instance), ap_str_c(name), ap_str_c(labels), type, value, { at_s * s_ns } };
}

static void put(struct mtable *t, struct ap_metric m)
{
	mtable_put(t, &m);
}

static void the_table_keeps_the_newest_value_of_each_series(void **state)
{
	struct mtable *t = mtable_new();

	(void)state;
	put(t, metric("ap-candle", "c0", "x", "part=\"1\"", AP_M_GAUGE, 1, 10));
	put(t, metric("ap-candle", "c0", "x", "part=\"2\"", AP_M_GAUGE, 2, 10));
	put(t, metric("ap-candle", "c1", "x", "part=\"1\"", AP_M_GAUGE, 3, 10));
	put(t, metric("ap-candle", "c0", "x", "part=\"1\"", AP_M_GAUGE, 4, 11));
	put(t, metric("ap-candle", "c0", "x", "part=\"1\"", AP_M_GAUGE, 5, 9));
	assert_int_equal(t->n, 3);
	assert_true(t->s[0].value == 4.0);
	assert_string_equal(mseries_component(&t->s[0]), "ap-candle");
	assert_string_equal(mseries_instance(&t->s[0]), "c0");
	assert_string_equal(mseries_name(&t->s[0]), "x");
	assert_string_equal(mseries_labels(&t->s[0]), "part=\"1\"");
	mtable_expire(t, 11 * s_ns);
	assert_int_equal(t->n, 1);
	put(t, metric("ap-candle", "c0", "x", "part=\"1\"", AP_M_GAUGE, 6, 12));
	assert_int_equal(t->n, 1);
	assert_true(t->s[0].value == 6.0);
	mtable_free(t);
}

static void the_table_is_bounded(void **state)
{
	struct mtable *t = mtable_new();
	char long_name[MT_TEXT + 1], name[16];

	(void)state;
	memset(long_name, 'x', MT_TEXT);
	long_name[MT_TEXT] = '\0';
	put(t, metric("c", "", long_name, "", AP_M_GAUGE, 1, 1));
	put(t, metric("", "", "x", "", AP_M_GAUGE, 1, 1));
	assert_int_equal(t->refused, 2);
	long_name[MT_TEXT - 5] = '\0';          /* c, three NULs … and its own: exactly full */
	put(t, metric("c", "", long_name, "", AP_M_GAUGE, 1, 1));
	assert_int_equal(t->n, 1);
	for (int i = 0; i < MT_SERIES + 10; i++) {
		snprintf(name, sizeof name, "m%d", i);
		put(t, metric("c", "", name, "", AP_M_GAUGE, i, 1));
	}
	assert_int_equal(t->n, MT_SERIES);
	assert_int_equal(t->refused, 2 + 11);
	mtable_expire(t, 2 * s_ns);
	assert_int_equal(t->n, 0);
	mtable_free(t);
}

static void names_become_base_units_with_the_unit_last(void **state)
{
	static const struct { const char *component, *name; enum ap_metric_type type; const char *want; double scale; } c[] = {
		{ "ap-candle", "records_in_total", AP_M_COUNTER, "alphapulse_records_in_total", 1 },
		{ "ap-candle", "records_in", AP_M_COUNTER, "alphapulse_records_in_total", 1 },
		{ "ap-candle", "odd_total", AP_M_GAUGE, "alphapulse_odd", 1 },
		{ "ap-candle", "lag_ms", AP_M_GAUGE, "alphapulse_lag_seconds", 1e-3 },
		{ "ap-candle", "commit_us_p99", AP_M_GAUGE, "alphapulse_commit_p99_seconds", 1e-6 },
		{ "system", "cpu_percent", AP_M_GAUGE, "alphapulse_system_cpu_ratio", 0.01 },
		{ "system", "memory_used_mb", AP_M_GAUGE, "alphapulse_system_memory_used_bytes", 1048576 },
		{ "system", "network_bytes_sent", AP_M_COUNTER, "alphapulse_system_network_sent_bytes_total", 1 },
		{ "ap-x", "LoopStall-ns", AP_M_GAUGE, "alphapulse_loopstall_seconds", 1e-9 },
		{ "ap-x", "queue_count", AP_M_GAUGE, "alphapulse_queue", 1 },
	};
	char out[PROM_NAME];
	double scale;

	(void)state;
	for (size_t i = 0; i < LEN(c); i++) {
		assert_true(prom_name(c[i].component, c[i].name, c[i].type, out, &scale));
		assert_string_equal(out, c[i].want);
		assert_true(scale == c[i].scale);
	}
	assert_false(prom_name("ap-x", "___", AP_M_GAUGE, out, &scale));
	assert_false(prom_name("ap-x", "count", AP_M_GAUGE, out, &scale));
}

static void labels_are_checked_before_they_are_shown(void **state)
{
	static const struct { const char *labels; bool ok; } c[] = {
		{ "", true }, { "part=\"3\"", true }, { "a_1=\"x\",b=\"y z\"", true }, { "a=\"q\\\"\\\\\\n\"", true },
		{ "part=3", false }, { "part=\"3", false }, { "=\"3\"", false }, { "a=\"x\",", false }, { "1a=\"x\"", false },
		{ "a=\"x\"b=\"y\"", false }, { "a=\"\\t\"", false }, { "a=\"x\ny\"", false }, { "A=\"x\"", false },
	};

	(void)state;
	for (size_t i = 0; i < LEN(c); i++)
		if (prom_labels_ok(c[i].labels) != c[i].ok)
			fail_msg("%s", c[i].labels);
}

static void the_page_groups_families_and_shows_each_series_once(void **state)
{
	struct mtable *t = mtable_new();
	struct ap_buf b;

	(void)state;
	put(t, metric("ap-b", "w1", "lag_ms", "part=\"0\"", AP_M_GAUGE, 1500, 1));
	put(t, metric("ap-b", "w1", "records_in_total", "", AP_M_COUNTER, 7, 1));
	put(t, metric("ap-a", "w\"2", "lag_ms", "not labels", AP_M_GAUGE, 0.5, 1));
	put(t, metric("ap-a", "w\"2", "lag_s", "not labels", AP_M_GAUGE, 9, 1));
	put(t, metric("ap-a", "w1", "lag_seconds", "", AP_M_GAUGE, 2, 1));
	put(t, metric("alert", "ap-a", "lag_high", "", AP_M_GAUGE, 1, 1));
	ap_buf_init(&b, 65536);
	assert_true(prom_render(&b, t));
	ap_buf_putc(&b, '\0');
	/* Label texts that are none are left out. One name reported in two spellings is shown once. */
	assert_non_null(strstr((const char *)b.p, "# TYPE alphapulse_lag_seconds gauge\nalphapulse_lag_seconds{component=\"ap-a\",worker=\"w\\\"2\"} "));
	assert_non_null(strstr((const char *)b.p,
		"alphapulse_lag_seconds{component=\"ap-a\",worker=\"w1\"} 2\n"
		"alphapulse_lag_seconds{component=\"ap-b\",worker=\"w1\",part=\"0\"} 1.5\n"
		"# HELP alphapulse_records_in_total Records taken.\n# TYPE alphapulse_records_in_total counter\n"
		"alphapulse_records_in_total{component=\"ap-b\",worker=\"w1\"} 7\n"));
	assert_null(strstr((const char *)b.p, "lag_high"));
	assert_null(strstr((const char *)b.p, "not labels"));
	ap_buf_done(&b);
	mtable_free(t);
}

static void the_machines_numbers_are_read_from_proc(void **state)
{
	struct sample_cpu a, b;
	struct sample_mem m;
	struct sample_net n;

	(void)state;
	assert_true(sample_cpu_parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n", &a));
	assert_int_equal(a.busy, 150);
	assert_int_equal(a.all, 1000);
	assert_true(sample_cpu_parse("cpu  130 0 70 840 60 0 0 0 7 7\n", &b));
	assert_true(sample_cpu_percent(a, b) == 50.0);
	assert_true(sample_cpu_percent(b, a) == 0.0);
	assert_true(sample_cpu_percent(a, a) == 0.0);
	assert_false(sample_cpu_parse("intr 1 2 3", &a));
	assert_true(sample_mem_parse("MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:   500 kB\n", &m));
	assert_int_equal(m.total, 2048000);
	assert_int_equal(m.available, 512000);
	assert_false(sample_mem_parse("MemTotal: 2000 kB\n", &m));
	assert_true(sample_net_parse("Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n"
				     "  eth0:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n wlan0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", &n));
	assert_int_equal(n.recv, 1001);
	assert_int_equal(n.sent, 202);
}

/* --- alerts ------------------------------------------------------------------------------------------------ */

struct log { char text[2048]; };

static void note(void *ctx, const struct alert *a)
{
	struct log *l = ctx;
	size_t n = strlen(l->text);

	snprintf(l->text + n, sizeof l->text - n, "%s%s %s;", a->raised ? "+" : "-", a->rule->type, a->component);
}

/* What changes when one series has `value` at each of the given seconds. */
static const char *play(const char *component, const char *name, const double *value, size_t n, struct log *l)
{
	static struct alerts al;
	struct mtable *t = mtable_new();

	l->text[0] = '\0';
	alerts_init(&al, "", 0);
	for (size_t i = 0; i < n; i++) {
		put(t, metric(component, "w", name, "", AP_M_GAUGE, value[i], 1000 + (int64_t)i));
		alerts_look(&al, t, (1000 + (int64_t)i) * s_ns, note, l);
	}
	mtable_free(t);
	return l->text;
}

static void every_rule_fires_and_clears(void **state)
{
	double high[200], rise[200], rest[200], low[200];
	struct log l;

	(void)state;
	for (int i = 0; i < 200; i++) {
		high[i] = i >= 20 && i < 60 ? 1e9 : 0;
		low[i] = i >= 20 && i < 60 ? 0 : 1;
		rise[i] = i >= 20 ? 3 : 0;
		rest[i] = i < 150 ? 5 : i;
	}
	for (size_t k = 0; k < alert_rules_n; k++) {
		const struct alert_rule *r = &alert_rules[k];
		const double *v = r->how == ALERT_RISES ? rise : r->how == ALERT_RESTS ? rest : r->how == ALERT_BELOW ? low : high;
		char want[128];

		if (r->how == ALERT_SILENT)
			continue;
		snprintf(want, sizeof want, "+%s %s;-%s %s;", r->type, r->component != NULL ? r->component : "ap-x", r->type,
			 r->component != NULL ? r->component : "ap-x");
		assert_string_equal(play(r->component != NULL ? r->component : "ap-x", r->name, v, 200, &l), want);
	}
}

static void trouble_that_does_not_last_is_no_alert(void **state)
{
	double v[30] = { [5] = 1e9, [6] = 1e9 };
	struct log l;

	(void)state;
	assert_string_equal(play("ap-metrics", "stage_lag_records", v, 30, &l), "");
	/* A counter that a process brings along from before is no news. */
	for (int i = 0; i < 30; i++)
		v[i] = 7;
	assert_string_equal(play("ap-persist", "lost_entries_total", v, 30, &l), "");
}

static void a_component_that_falls_silent_is_down_until_it_reports_again(void **state)
{
	static struct alerts al;
	struct mtable *t = mtable_new();
	struct log l = { "" };

	(void)state;
	alerts_init(&al, "ap-ingest=1 ap-api=0, ap-candle=2", 1000 * s_ns);
	for (int64_t s = 1000; s < 1050; s++) {
		if (s < 1005 || s >= 1030)
			put(t, metric("ap-candle", s % 2 == 0 ? "c0" : "c1", "rss_bytes", "", AP_M_GAUGE, 1, s));
		mtable_expire(t, (s - 30) * s_ns);
		alerts_look(&al, t, s * s_ns, note, &l);
	}
	assert_string_equal(l.text, "+stage_down ap-ingest;+stage_down ap-candle;-stage_down ap-candle;");
	mtable_free(t);
}

static void an_alert_goes_with_its_series(void **state)
{
	static struct alerts al;
	struct mtable *t = mtable_new();
	struct log l = { "" };

	(void)state;
	alerts_init(&al, "", 0);
	for (int64_t s = 1000; s < 1020; s++) {
		put(t, metric("system", "", "disk_usage_percent", "", AP_M_GAUGE, 99, s));
		alerts_look(&al, t, s * s_ns, note, &l);
	}
	mtable_expire(t, 2000 * s_ns);
	alerts_look(&al, t, 2000 * s_ns, note, &l);
	assert_string_equal(l.text, "+disk_full system;-disk_full system;");
	assert_int_equal(al.n, 0);
	mtable_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_keeps_the_newest_value_of_each_series),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(names_become_base_units_with_the_unit_last),
		cmocka_unit_test(labels_are_checked_before_they_are_shown),
		cmocka_unit_test(the_page_groups_families_and_shows_each_series_once),
		cmocka_unit_test(the_machines_numbers_are_read_from_proc),
		cmocka_unit_test(every_rule_fires_and_clears),
		cmocka_unit_test(trouble_that_does_not_last_is_no_alert),
		cmocka_unit_test(a_component_that_falls_silent_is_down_until_it_reports_again),
		cmocka_unit_test(an_alert_goes_with_its_series),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
