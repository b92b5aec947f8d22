#!/bin/sh
# fault: F24 one stage ten times slower
# budget: length <= cap
# measured: from the end of the slowness until a new trade has come through, behind all that had been held up
# slow: eight seconds of full load
# remark: ap-candle runs 20 ms of each 200, under more than it can take; ahead: most records of a partition in front of it, cap: runtime.stream_max
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
cap=20000
fault_init
fault_up -o runtime.stream_max=$cap

slow() {
	until [ -e "$AP_T_DIR/slow.stop" ]; do
		kill -STOP "$1"
		sleep 0.18
		kill -CONT "$1"
		sleep 0.02
	done
}
# Records that a partition's tick stream is ahead of ap-candle, the most of all partitions.
ahead() {
	for p in 0 1 2 3; do
		echo "$(rcli HGET "ap:{$p}:seq" tick:n) $(rcli HGET "ap:{$p}:state:candle" n)"
	done | awk '{ d = $1 - $2; if (d > most) most = d } END { print most + 0 }'
}
stored() { psql_q "SELECT sum(records) FROM sink_cursors WHERE stream = 'tick'"; }
resident() {
	for s in ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0; do sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of $s)/status"; done |
		sort -n | tail -1
}

load_start
while next_trial; do
	before=$(stored)
	rm -f "$AP_T_DIR/slow.stop"
	slow "$(pid_of ap-candle.0)" &
	slower=$!
	bg load "$AP_TOOLS/load" "$AP_INGEST_TCP" 200000 32 0
	loader=$BG_PID most=0 mem=0
	end=$(($(mono) + 8000))
	while [ "$(mono)" -lt $end ]; do
		n=$(ahead) m=$(resident)
		[ "$n" -le "$most" ] || most=$n
		[ "${m:-0}" -le "$mem" ] || mem=$m
		sleep 0.2
	done
	# Looked at each quarter of the cap, and batches are on their way by then.
	check "no more than twice the cap waits in front of it ($most of $cap)" test "$most" -le $((2 * cap))
	check "no process grows beyond 256 MB ($mem KB)" test "$mem" -le 262144
	check "what is behind another stage goes on: ap-persist stores trades" test "$(stored)" -gt "$before"
	: >"$AP_T_DIR/slow.stop"
	wait $slower
	kill "$loader" 2>/dev/null
	t=$(mono)
	flow "$t" 120 && trial "$flow_ms" ahead="$most" cap=$cap rss_kb="$mem"
done
fault_end
