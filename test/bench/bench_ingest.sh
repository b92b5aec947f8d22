#!/bin/sh
# From a socket into Redis, with the journal and without it, in turns. One JSON object a case, on standard output.
#   AP_BENCH_MESSAGES (default 400000) trades of one round; AP_BENCH_ROUNDS (default 5) of each case, medians are told
cd "$(dirname "$0")/../.." || exit 111
# shellcheck source=test/lib/servers.sh
. test/lib/servers.sh
tools=${AP_TOOLS:-build/test/tools} AP_BIN=${AP_BIN:-bin}
messages=${AP_BENCH_MESSAGES:-400000} rounds=${AP_BENCH_ROUNDS:-5}
servers_init 23500 23999
awk -v n="$messages" 'BEGIN { for (i = 0; i < n; i++)
	printf "{\"source\":\"bench\",\"symbol\":\"B%d-USD\",\"price\":\"%d.25\",\"quantity\":\"0.5\",\"timestamp\":%.0f,\"trade_id\":\"%d\"}\n", i % 40, 100 + i % 7,
		1700000000000 + i, i }' >"$AP_T_DIR/messages"
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' "/proc/$1/stat"; }

round() { # CASE: appends "ms cpu_ms" to its figures
	redis_start --appendfsync everysec --auto-aof-rewrite-percentage 0
	redis_functions
	redis_dataset
	tcp=$(free_port) ack=$(free_port)
	: >"$AP_T_DIR/ingest.log"
	[ "$1" = journal ] && on=true || on=false
	bg ingest "$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$AP_T_DIR/var" -o runtime.stream_max=100000000 \
		-o ingest.tcp="127.0.0.1:$tcp" -o ingest.ack="127.0.0.1:$ack" -o journal.enabled="$on"
	pid=$BG_PID
	wait_for 20 grep -q messages_to_acknowledge "$AP_T_DIR/ingest.log" || die "ap-ingest: $(tail -3 "$AP_T_DIR/ingest.log")"
	began=$(date +%s%3N)
	"$tools/tcp" 127.0.0.1 "$tcp" 120 <"$AP_T_DIR/messages" >/dev/null || die "sending"
	echo '{"ap":"sync"}' | "$tools/tcp" 127.0.0.1 "$ack" 120 >/dev/null || die "sync"
	echo "$(($(date +%s%3N) - began)) $(cpu_ms "$pid")" >>"$AP_T_DIR/$1"
	kill "$pid"
	wait "$pid"
	redis_stop
	rm -rf "$AP_T_DIR/redis" "${AP_T_DIR:?}/var"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
k=0
while [ $k -lt "$rounds" ]; do
	round plain
	round journal
	k=$((k + 1))
done
plain=$(cut -d' ' -f1 "$AP_T_DIR/plain" | median)
for name in plain journal; do
	awk -v name=$name -v n="$messages" -v rounds="$rounds" -v plain="$plain" -v ms="$(cut -d' ' -f1 "$AP_T_DIR/$name" | median)" \
		-v cpu="$(cut -d' ' -f2 "$AP_T_DIR/$name" | median)" 'BEGIN {
		printf "{\"bench\":\"ingest\",\"case\":\"%s\",\"messages\":%d,\"rounds\":%d,\"ms\":%d,\"messages_per_s\":%.0f,\"cpu_ns_each\":%.0f,\"time_against_plain\":%.3f}\n",
			name, n, rounds, ms, n * 1000 / ms, cpu * 1e6 / n, ms / plain }'
done
