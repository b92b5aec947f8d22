/*
 * store.c - tables, partitions and the SQL that depends on them. Pure: writes text, sends nothing.
 */
#include "store.h"

#include <inttypes.h>
#include <stdio.h>

static const struct ap_table_def defs[] = {
	[AP_T_MESSAGES] = { "stream_messages", "timestamp", "symbol", AP_STEP_DAY, 10,
		"message_id, stream_key, source, symbol, data_type, partition, priority, data, origin, timestamp",
		"timestamp, partition, origin", NULL },
	[AP_T_NORMALIZED] = { "normalized_data", "timestamp", "symbol", AP_STEP_DAY, 17,
		"original_message_id, source, symbol, data_type, validation_status, confidence_score, "
		"processing_time_ms, price, quantity, side, trade_id, normalized_data, validation_errors, metadata, "
		"record_key, origin, timestamp",
		"timestamp, symbol, source, record_key", NULL },
	[AP_T_CANDLES] = { "realtime_candles", "open_time", "symbol", AP_STEP_MONTH, 19,
		"source, symbol, timeframe, open_time, close_time, open_price, high_price, low_price, close_price, "
		"volume, quote_volume, trade_count, vwap, state, revision, coverage_ms, quality, metadata, timestamp",
		"symbol, timeframe, open_time, source",
		"close_time, open_price, high_price, low_price, close_price, volume, quote_volume, trade_count, vwap, "
		"state, revision, coverage_ms, quality, metadata" },
	[AP_T_INDICATORS] = { "technical_indicators", "timestamp", "symbol", AP_STEP_MONTH, 8,
		"source, symbol, timeframe, indicator_name, parameters, value, revision, timestamp",
		"symbol, timeframe, timestamp, indicator_name, source, parameters",
		"value, revision" },
	[AP_T_SIGNALS] = { "signals", "timestamp", "symbol", AP_STEP_MONTH, 13,
		"source, symbol, timeframe, kind, signal_name, direction, strength, entry_price, stop_price, "
		"target_price, inputs, revision, timestamp",
		"symbol, timeframe, timestamp, kind, signal_name, source",
		"direction, strength, entry_price, stop_price, target_price, inputs, revision" },
	[AP_T_RESULTS] = { "processing_results", "timestamp", "partition", AP_STEP_DAY, 8,
		"message_id, success, processing_time_ms, components_processed, errors, partition, origin, timestamp",
		"timestamp, partition, origin", NULL },
	[AP_T_SYSTEM] = { "system_metrics", "timestamp", "instance", AP_STEP_MONTH, 9,
		"cpu_percent, memory_percent, memory_used_mb, memory_available_mb, disk_usage_percent, "
		"network_bytes_sent, network_bytes_recv, instance, timestamp",
		"timestamp, instance", NULL },
	[AP_T_COMPONENT] = { "component_metrics", "timestamp", "component_name", AP_STEP_DAY, 5,
		"component_name, metric_name, metric_value, metric_type, timestamp",
		"timestamp, component_name, metric_name", NULL },
	[AP_T_ALERTS] = { "streaming_alerts", "timestamp", "component", AP_STEP_MONTH, 9,
		"alert_type, component, severity, state, message, value, metadata, alert_key, timestamp",
		"timestamp, alert_type, component, alert_key", NULL },
	[AP_T_QUOTE_BARS] = { "quote_bars", "open_time", "symbol", AP_STEP_MONTH, 29,
		"source, symbol, timeframe, open_time, close_time, bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, "
		"ask_low, ask_close, mid_open, mid_high, mid_low, mid_close, spread_min, spread_max, spread_mean, spread_last, "
		"weighted_ns, resolution_ms, quote_count, locked_count, state, revision, coverage_ms, quality",
		"symbol, timeframe, open_time, source",
		"close_time, bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close, mid_open, mid_high, "
		"mid_low, mid_close, spread_min, spread_max, spread_mean, spread_last, weighted_ns, resolution_ms, quote_count, "
		"locked_count, state, revision, coverage_ms, quality" },
};
_Static_assert(sizeof defs / sizeof defs[0] == AP_T_N, "describe every table");

const struct ap_table_def *ap_table(enum ap_table t)
{
	return &defs[t];
}

/*
 * Days since 1970 to the proleptic Gregorian calendar, and back. Years are counted from March, so that the leap
 * day is a year's last and a month's first day is (153 m + 2) / 5.
 */
static void civil(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;      /* days since 0000-03-01 */
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2 ? 1 : 0);
}

static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

void ap_table_span(enum ap_table t, int64_t at_s, struct ap_span *out)
{
	int64_t day = at_s >= 0 ? at_s / 86400 : -((-at_s + 86399) / 86400);
	int64_t y;
	int m, d;

	civil(day, &y, &m, &d);
	if (defs[t].step == AP_STEP_DAY) {
		out->lo_s = day * 86400;
		out->hi_s = out->lo_s + 86400;
		snprintf(out->name, sizeof out->name, "%s_p%04" PRId64 "%02d%02d", defs[t].name, y, m, d);
		return;
	}
	out->lo_s = days_of(y, m, 1) * 86400;
	out->hi_s = (m == 12 ? days_of(y + 1, 1, 1) : days_of(y, m + 1, 1)) * 86400;
	snprintf(out->name, sizeof out->name, "%s_p%04" PRId64 "%02d", defs[t].name, y, m);
}

void ap_table_copy_sql(struct ap_buf *b, enum ap_table t, bool twin)
{
	ap_buf_printf(b, "COPY %s%s (%s) FROM STDIN BINARY", twin ? "m_" : "", defs[t].name, defs[t].columns);
}

void ap_table_twin_sql(struct ap_buf *b, enum ap_table t)
{
	ap_buf_printf(b, "CREATE TEMPORARY TABLE IF NOT EXISTS m_%s ON COMMIT DELETE ROWS AS SELECT %s FROM %s WITH NO DATA",
		      defs[t].name, defs[t].columns, defs[t].name);
}

/*
 * A message whose trades came in several entries has several verdicts: it succeeded if all did, and
 * keeps every error once.
 */
static const char merge_results[] =
	"INSERT INTO processing_results AS t (message_id, success, processing_time_ms, components_processed, errors, "
	"partition, origin, timestamp) "
	"SELECT min(message_id), bool_and(success), max(processing_time_ms), (array_agg(components_processed))[1], "
	"coalesce(jsonb_agg(DISTINCT e) FILTER (WHERE e IS NOT NULL), '[]'), partition, origin, timestamp "
	"FROM m_processing_results LEFT JOIN LATERAL jsonb_array_elements(errors) e ON true "
	"GROUP BY timestamp, partition, origin "
	"ON CONFLICT (timestamp, partition, origin) DO UPDATE SET success = t.success AND EXCLUDED.success, "
	"errors = (SELECT coalesce(jsonb_agg(DISTINCT e), '[]') FROM jsonb_array_elements(t.errors || EXCLUDED.errors) e) "
	"WHERE (t.success AND NOT EXCLUDED.success) OR NOT t.errors @> EXCLUDED.errors";

/* "a, b" as "prefix.a, prefix.b", or as "a = EXCLUDED.a, b = EXCLUDED.b" when assign. */
static void each_column(struct ap_buf *b, const char *list, const char *prefix, bool assign)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ",");
		ap_str col = ap_str_n(list, n);

		if (assign) {
			ap_buf_str(b, col);
			ap_buf_puts(b, " = ");
		}
		ap_buf_puts(b, prefix);
		ap_buf_str(b, col);
		list += n;
		if (*list == ',') {
			ap_buf_puts(b, ", ");
			list += 2;
		}
	}
}

void ap_table_merge_sql(struct ap_buf *b, enum ap_table t)
{
	const struct ap_table_def *d = &defs[t];

	if (t == AP_T_RESULTS) {
		ap_buf_puts(b, merge_results);
		return;
	}
	ap_buf_printf(b, "INSERT INTO %s AS t (%s) SELECT DISTINCT ON (%s) %s FROM m_%s ORDER BY %s%s, ctid%s ON CONFLICT (%s) ",
		      d->name, d->columns, d->key, d->columns, d->name, d->key,
		      d->updates != NULL ? ", revision DESC" : "", d->updates != NULL ? " DESC" : "", d->key);
	if (d->updates == NULL) {
		ap_buf_puts(b, "DO NOTHING");
		return;
	}
	/*
	 * An equal revision writes only what differs: the same row again leaves no dead tuple behind. What a rebuild from journals that
	 * begin in the middle makes anew knows less than the stored row: a candle with fewer trades never replaces one, and of
	 * intervals before the rebuild only higher revisions do.
	 */
	ap_buf_puts(b, "DO UPDATE SET ");
	each_column(b, d->updates, "EXCLUDED.", true);
	ap_buf_puts(b, " WHERE ");
	if (t == AP_T_CANDLES || t == AP_T_QUOTE_BARS)
		ap_buf_printf(b, "EXCLUDED.%s >= t.%s AND ", t == AP_T_CANDLES ? "trade_count" : "quote_count", t == AP_T_CANDLES ? "trade_count" : "quote_count");
	ap_buf_putc(b, '(');
	ap_buf_printf(b, "EXCLUDED.revision > t.revision OR (EXCLUDED.revision = t.revision AND EXCLUDED.%s >= "
		      "coalesce((SELECT kept_before FROM dataset), '-infinity') AND (", d->time_col);
	each_column(b, d->updates, "t.", false);
	ap_buf_puts(b, ") IS DISTINCT FROM (");
	each_column(b, d->updates, "EXCLUDED.", false);
	ap_buf_puts(b, ")))");
}

/* --- the three stores ------------------------------------------------------ */

static void adopt_plain(struct ap_buf *b, const struct ap_table_def *t)
{
	(void)b;
	(void)t;
}

static void adopt_hyper(struct ap_buf *b, const struct ap_table_def *t)
{
	ap_buf_printf(b, "SELECT create_hypertable('%s', '%s', chunk_time_interval => interval '%s', "
		      "create_default_indexes => false, if_not_exists => true);\n",
		      t->name, t->time_col, t->step == AP_STEP_DAY ? "1 day" : "30 days");
}

/* Compression behind two chunks: by then nothing but a rebuild writes there. */
static void adopt_full(struct ap_buf *b, const struct ap_table_def *t)
{
	adopt_hyper(b, t);
	ap_buf_printf(b, "ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = '%s', "
		      "timescaledb.compress_orderby = '%s');\n", t->name, t->segment, t->time_col);
	ap_buf_printf(b, "SELECT add_compression_policy('%s', interval '%s', if_not_exists => true);\n",
		      t->name, t->step == AP_STEP_DAY ? "3 days" : "90 days");
}

static void ensure_plain(struct ap_buf *b, enum ap_table t, int64_t at_s)
{
	struct ap_span s;

	ap_table_span(t, at_s, &s);
	ap_buf_printf(b, "SELECT ap_partition_ensure('%s', '%s', to_timestamp(%" PRId64 "), to_timestamp(%" PRId64 "))",
		      defs[t].name, s.name, s.lo_s, s.hi_s);
}

static void ensure_hyper(struct ap_buf *b, enum ap_table t, int64_t at_s)
{
	(void)b;
	(void)t;
	(void)at_s;
}

static void drop_plain(struct ap_buf *b, enum ap_table t, int64_t cut_s)
{
	ap_buf_printf(b, "SELECT ap_partitions_drop('%s', to_timestamp(%" PRId64 "))", defs[t].name, cut_s);
}

static void drop_hyper(struct ap_buf *b, enum ap_table t, int64_t cut_s)
{
	ap_buf_printf(b, "SELECT count(*) FROM drop_chunks('%s', older_than => to_timestamp(%" PRId64 "))", defs[t].name, cut_s);
}

static const struct ap_store stores[] = {
	{ "plain", false, adopt_plain, ensure_plain, drop_plain },
	{ "timescale-apache", true, adopt_hyper, ensure_hyper, drop_hyper },
	{ "timescale", true, adopt_full, ensure_hyper, drop_hyper },
};

/*
 * CREATE EXTENSION where the library is not preloaded ends the connection, so the setting that only the loaded
 * library defines is asked first.
 */
const char ap_store_detect_sql[] =
	"SELECT CASE WHEN current_setting('timescaledb.max_background_workers', true) IS NULL "
	"OR NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN 'plain' "
	"WHEN current_setting('timescaledb.license', true) = 'apache' THEN 'timescale-apache' ELSE 'timescale' END";

const struct ap_store *ap_store_find(ap_str name)
{
	for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++)
		if (ap_str_is(name, stores[i].name))
			return &stores[i];
	return NULL;
}

void ap_store_schema(const struct ap_store *s, struct ap_buf *b, ap_str file)
{
	static const char mark[] = " PARTITION BY RANGE (";
	const char *p = file.p, *end = file.p + file.len, *hit;

	while (s->hyper && (hit = memmem(p, (size_t)(end - p), mark, sizeof mark - 1)) != NULL) {
		const char *close = memchr(hit, ')', (size_t)(end - hit));

		if (close == NULL)
			break;
		ap_buf_put(b, p, (size_t)(hit - p));
		p = close + 1;
	}
	ap_buf_put(b, p, (size_t)(end - p));
}
