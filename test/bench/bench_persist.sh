#!/bin/sh
# Rows a second that ap-persist stores, against a bare binary COPY of the same rows into the same tables by psql, on
# the same server in the same run. One JSON object a case, on standard output.
#   AP_BENCH_ENTRIES (default 400): entries of 512 messages in each of 2 partitions
# shellcheck disable=SC2119,SC2317
cd "$(dirname "$0")/../.." || exit 111
# shellcheck source=test/lib/servers.sh
. test/lib/servers.sh
BIN=${AP_BIN:-bin} TOOLS=${AP_TOOLS:-build/test/tools}
entries=${AP_BENCH_ENTRIES:-400} parts=2
servers_init 23000 23999
redis_start --appendonly no
pg_start
: >"$AP_T_DIR/empty.conf"
export AP_REDIS__URL="$AP_REDIS_URL" AP_PG__CONNINFO="$AP_T_CONNINFO" AP_DATA__PARTITIONS=$parts AP_PERSIST__TRIM_MS=600000
"$TOOLS/feed_streams" "$AP_T_REDIS_PORT" init $parts
"$BIN/apctl" migrate -c "$AP_T_DIR/empty.conf" >&2 || exit 111
"$TOOLS/feed_streams" "$AP_T_REDIS_PORT" feed $parts 512 0 "$entries"

now_ms() { date +%s%3N; }
# Asked of Redis, so that asking costs PostgreSQL nothing.
stored() { [ "$(rcli hvals "ap:{$1}:state:persist" | grep -cx "$entries")" = "$streams" ]; }
taken() { grep -q "partition_taken part=0" "$AP_T_DIR/persist.log" && grep -q "partition_taken part=1" "$AP_T_DIR/persist.log"; }
columns() { sql "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$1'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'created_at'"; }
copy_sql() { psql -qAt -v ON_ERROR_STOP=1 -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d alphapulse "$@"; }

# once NAME TABLES option...: sets rows took copied rss cpu
once() {
	tables=$2
	shift 2
	sql "TRUNCATE stream_messages, normalized_data, processing_results, realtime_candles, technical_indicators, signals, sink_cursors, coverage"
	sql "CHECKPOINT"
	rcli del 'ap:{0}:state:persist' 'ap:{1}:state:persist' >/dev/null
	: >"$AP_T_DIR/persist.log"
	bg persist "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" -o runtime.worker=bench "$@"
	while ! taken; do
		sleep 0.01
	done
	began=$(now_ms)
	streams=$(sql "SELECT count(*) FROM sink_cursors WHERE partition = 0")
	wait_for 300 stored 0 || die "partition 0 is not stored"
	wait_for 300 stored 1 || die "partition 1 is not stored"
	took=$(($(now_ms) - began))
	rss=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$BG_PID/status")
	cpu=$(awk '{ print ($14 + $15) * 10 }' "/proc/$BG_PID/stat")
	kill "$BG_PID"
	wait "$BG_PID"
	rows=0 copied=0
	for t in $tables; do
		copy_sql -c "\\copy (SELECT $(columns "$t") FROM $t ORDER BY ctid) TO '$AP_T_DIR/$t.bin' BINARY"
		rows=$((rows + $(sql "SELECT count(*) FROM $t")))
	done
	sql "TRUNCATE stream_messages, normalized_data, processing_results, realtime_candles, technical_indicators, signals"
	sql "CHECKPOINT"
	for t in $tables; do
		cols=$(columns "$t")
		began=$(now_ms)
		copy_sql -c "\\copy $t ($cols) FROM '$AP_T_DIR/$t.bin' BINARY"
		copied=$((copied + $(now_ms) - began))
		rm -f "$AP_T_DIR/$t.bin"
	done
}

# measure NAME TABLES option...: the best of each of AP_BENCH_RUNS (default 3), since other work only ever adds time
measure() {
	name=$1
	shift
	best_took=0 best_copied=0 run=0
	while [ $run -lt "${AP_BENCH_RUNS:-3}" ]; do
		once "$name" "$@"
		if [ $run = 0 ] || [ "$took" -lt $best_took ]; then best_took=$took; fi
		if [ $run = 0 ] || [ "$copied" -lt $best_copied ]; then best_copied=$copied; fi
		run=$((run + 1))
	done
	awk -v name="$name" -v rows="$rows" -v took="$best_took" -v copied="$best_copied" -v rss="$rss" -v cpu="$cpu" 'BEGIN {
		printf "{\"bench\":\"persist\",\"case\":\"%s\",\"rows\":%d,\"ms\":%d,\"rows_per_s\":%.0f,\"copy_ms\":%d,\"copy_rows_per_s\":%.0f,\"ratio\":%.3f,\"client_cpu_ms\":%d,\"rss_max_kb\":%d}\n",
			name, rows, took, rows * 1000 / took, copied, rows * 1000 / copied, copied / took, cpu, rss }'
}
measure trades normalized_data -o persist.raw=off -o persist.results=off -o persist.candles=off -o persist.indicators=off -o persist.signals=off
measure trades_results "normalized_data processing_results" -o persist.raw=off -o persist.candles=off -o persist.indicators=off -o persist.signals=off
measure all "stream_messages normalized_data processing_results realtime_candles technical_indicators signals"
