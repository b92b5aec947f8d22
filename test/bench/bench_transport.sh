#!/bin/sh
# The transport alone: stages that copy, over a real Redis. One JSON object a case, on standard output.
#   one_stage    raw -> tick, entries waiting in the stream
#   three_stages raw -> tick -> candle -> indicator, all three at work at once: the ceiling of the pipeline
#   AP_BENCH_FRAMES (default 500): entries in each of 4 partitions; AP_BENCH_RECORDS (default 500): records of each
# shellcheck disable=SC2317
cd "$(dirname "$0")/../.." || exit 111
# shellcheck source=test/lib/servers.sh
. test/lib/servers.sh
toy=${AP_TOOLS:-build/test/tools}/toy
frames=${AP_BENCH_FRAMES:-500} records=${AP_BENCH_RECORDS:-500} parts=4
servers_init 22000 22999
: >"$AP_T_DIR/empty.conf"
now_ms() { date +%s%3N; }
# Every partition of the stage has taken all records.
taken() {
	p=0
	while [ $p -lt $parts ]; do
		[ "$(rcli hget "ap:{$p}:state:$1" n)" = $((frames * records)) ] || return 1
		p=$((p + 1))
	done
}
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' "/proc/$1/stat"; }

# measure CASE LAST STAGE...
measure() {
	case_name=$1 last=$2
	shift 2
	redis_start --appendfsync everysec --auto-aof-rewrite-percentage 0
	export AP_REDIS__URL="$AP_REDIS_URL" AP_RUNTIME__STREAM_MAX=100000000 AP_DATA__PARTITIONS=$parts
	"$toy" setup -c "$AP_T_DIR/empty.conf" || die setup
	"$toy" feed -c "$AP_T_DIR/empty.conf" "$frames" "$records" >/dev/null
	pids='' began=$(now_ms)
	for s in "$@"; do
		TOY_STAGE=$s bg "$s" "$toy" stage -c "$AP_T_DIR/empty.conf" -o runtime.worker="$s"
		pids="$pids $BG_PID"
	done
	while ! taken "$last"; do
		sleep 0.02
	done
	took=$(($(now_ms) - began)) cpu=0 rss=0
	for pid in $pids; do
		cpu=$((cpu + $(cpu_ms "$pid")))
		kb=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
		[ "$kb" -le "$rss" ] || rss=$kb
	done
	commits=$(rcli info commandstats | sed -n 's/^cmdstat_xack:calls=\([0-9]*\).*/\1/p')
	awk -v name="$case_name" -v n=$((parts * frames * records)) -v took=$took -v cpu=$cpu -v rss="$rss" -v commits="$commits" \
		-v redis="$(cpu_ms "$AP_T_REDIS_PID")" 'BEGIN {
		printf "{\"bench\":\"transport\",\"case\":\"%s\",\"records\":%d,\"ms\":%d,\"records_per_s\":%.0f,\"commits\":%d,\"stages_cpu_ms\":%d,\"redis_cpu_ms_with_feeding\":%d,\"rss_max_kb\":%d}\n",
			name, n, took, n * 1000 / took, commits, cpu, redis, rss }'
	for pid in $pids; do
		kill "$pid"
		wait "$pid"
	done
	redis_stop
	rm -rf "$AP_T_DIR/redis"
}
measure one_stage normalize normalize
measure three_stages indicators normalize candle indicators
