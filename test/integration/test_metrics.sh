#!/bin/sh
# ap-metrics against a real Redis and, through ap-persist, PostgreSQL: the page, the machine's rows, an alert.
# shellcheck disable=SC2119,SC2317
cd "$(dirname "$0")/../.." || exit 111
# shellcheck source=test/lib/servers.sh
. test/lib/servers.sh
BIN=${AP_BIN:-bin} TOOLS=${AP_TOOLS:-build/test/tools}
need psql curl
servers_init 23000 23999
redis_start
pg_start
: >"$AP_T_DIR/empty.conf"
listen=127.0.0.1:$(free_port)
export AP_REDIS__URL="$AP_REDIS_URL" AP_PG__CONNINFO="$AP_T_CONNINFO" AP_DATA__PARTITIONS=2 AP_METRICS__LISTEN="$listen" \
	AP_METRICS__INTERVAL_MS=200 AP_PERSIST__METRICS_STEP_S=1 AP_DATA__DIR="$AP_T_DIR" AP_SUPERVISOR__PROGRAMS="ap-persist=1 ap-metrics=1"
page() { curl -s --max-time 5 "http://$listen/metrics"; }
code() { curl -s --max-time 5 -o /dev/null -w '%{http_code}' "$@"; }
value() { page | sed -n "s/^$1 //p"; }
value_is() { [ "$(value "$1")" = "$2" ]; }

"$TOOLS/feed_streams" "$AP_T_REDIS_PORT" init 2
check "migrate" "$BIN/apctl" migrate -c "$AP_T_DIR/empty.conf"
[ $tap_bad = 0 ] || tap_end
bg persist "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" -o runtime.worker=w1
persist=$BG_PID
bg metrics "$BIN/ap-metrics" -c "$AP_T_DIR/empty.conf" -o runtime.worker=m1
metrics=$BG_PID
"$TOOLS/feed_streams" "$AP_T_REDIS_PORT" feed 2 50 0 10

check "rows are counted on the page" wait_for 10 value_is 'alphapulse_rows_total{component="ap-persist",worker="w1",table="normalized_data"}' 1000
check "nothing lags in ap-persist" wait_for 10 value_is \
	'alphapulse_stage_lag_entries{component="ap-metrics",worker="m1",part="1",stage="persist",stream="tick"}' 0
check "what nobody takes lags" value_is \
	'alphapulse_stage_lag_entries{component="ap-metrics",worker="m1",part="1",stage="candle",stream="tick"}' 10
check "streams have their lengths" value_is 'alphapulse_stream_entries{component="ap-metrics",worker="m1",part="0",stream="raw"}' 10
page >"$AP_T_DIR/page"
if command -v promtool >/dev/null 2>&1; then
	check "promtool finds nothing to say" sh -c "out=\$(promtool check metrics <'$AP_T_DIR/page' 2>&1); rc=\$?; echo \"\$out\"; [ \$rc = 0 ] && [ -z \"\$out\" ]"
else
	skip "promtool is not installed"
fi
equal "no series is there twice" "" "$(grep -v '^#' "$AP_T_DIR/page" | sed 's/ [^ ]*$//' | sort | uniq -d)"
equal "/healthz" 200 "$(code "http://$listen/healthz")"
equal "HEAD has no body" "0" "$(curl -s --max-time 5 -I "http://$listen/metrics" -o /dev/null -w '%{size_download}')"
equal "another path is not there" 404 "$(code "http://$listen/etc/passwd")"
equal "POST is not allowed" 405 "$(code -X POST -d x=1 "http://$listen/metrics")"
equal "an upgrade is ignored" 200 "$(code -H 'Connection: Upgrade' -H 'Upgrade: h2c' "http://$listen/metrics")"

system_rows() { [ "$(sql "SELECT count(*) FROM system_metrics WHERE cpu_percent BETWEEN 0 AND 100 AND memory_percent > 0
	AND memory_used_mb > 0 AND memory_available_mb > 0 AND disk_usage_percent > 0 AND network_bytes_sent >= 0")" -ge 3 ]; }
check "the machine's numbers become rows" wait_for 10 system_rows
component_rows() { [ "$(sql "SELECT count(DISTINCT component_name) FROM component_metrics WHERE metric_name LIKE 'rss_bytes%' AND metric_value > 0")" = 2 ]; }
check "the processes' numbers become rows" wait_for 10 component_rows

kill -9 $persist
down='alphapulse_alert_active{alert="stage_down",severity="critical",component="ap-persist",subject=""}'
check "a process that is gone raises an alert" wait_for 20 value_is "$down" 1
bg persist "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" -o runtime.worker=w1
check "which clears when it is back" wait_for 10 value_is "$down" 0
alert_rows() { [ "$(sql "SELECT string_agg(state, ',' ORDER BY timestamp) FROM streaming_alerts WHERE alert_type = 'stage_down' AND component = 'ap-persist'")" = raised,cleared ]; }
check "and both are rows" wait_for 10 alert_rows

redis_kill
away() { [ "$(code "http://$listen/healthz")" = 503 ]; }
check "/healthz says when Redis is away" wait_for 10 away
kill $metrics
wait $metrics
equal "SIGTERM ends it with 0" 0 $?
tap_end
