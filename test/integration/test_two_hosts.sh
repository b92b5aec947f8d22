#!/bin/sh
# Two ap-ingest of two hosts - a name, a data directory and a journal each, one lease - with real processes and a real Redis.
# One is killed, told to end, cut off from Redis: the other one works, and what was acknowledged is stored once.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
AP_BIN=${AP_BIN:-bin}
tools=${AP_TOOLS:-build/test/tools}
need redis-server redis-cli awk
servers_init 23500 23999
dir=$AP_T_DIR

redis_start --appendfsync always
redis_functions
redis_dataset

# --- two hosts: what differs between them ------------------------------------------------------
# shellcheck disable=SC2034  # read by port, whose names are made
tcp_east=$(free_port) ack_east=$(free_port) tcp_west=$(free_port) ack_west=$(free_port) proxy=$(free_port)
bg proxy "$tools/faultproxy" "127.0.0.1:$proxy" "127.0.0.1:$AP_T_REDIS_PORT" "$dir/proxy.ctl"
line() { "$tools/faultproxy" ctl "$dir/proxy.ctl" "$@" >/dev/null; }
check "east reaches Redis through a line of its own" wait_for 10 line stat

port() { eval "echo \$$2_$1"; }
host() { # NAME: starts ap-ingest there; its log begins anew
	: >"$dir/$1.log"
	url=$AP_REDIS_URL
	[ "$1" = west ] || url=redis://127.0.0.1:$proxy
	bg "$1" "$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$url" -o data.dir="$dir/$1" -o ingest.producer="$1" -o ingest.lease=both \
		-o ingest.tcp="127.0.0.1:$(port "$1" tcp)" -o ingest.ack="127.0.0.1:$(port "$1" ack)" -o runtime.backoff_max_ms=200 \
		-o runtime.stream_max=10000000
	eval "pid_$1=$BG_PID"
}
pid() { eval "echo \$pid_$1"; }
gone() { # NAME SIGNAL
	kill "$2" "$(pid "$1")"
	wait "$(pid "$1")" 2>/dev/null
}
listens() { wait_for 20 grep -q messages_to_acknowledge "$dir/$1.log"; }
stands_by() { wait_for 20 grep -q ev=standby "$dir/$1.log"; }
send() { "$tools/tcp" 127.0.0.1 "$(port "$1" tcp)" 60 >/dev/null; }
sync_all() { echo '{"ap":"sync"}' | "$tools/tcp" 127.0.0.1 "$(port "$1" ack)" 60 >/dev/null; }
messages() { # FROM TO
	awk -v a="$1" -v b="$2" 'BEGIN { for (i = a; i <= b; i++)
		printf "{\"symbol\":\"T%d-USD\",\"price\":\"1.5\",\"quantity\":\"2\",\"timestamp\":1767323045,\"trade_id\":\"%d\"}\n", i % 7, i }'
}
ids() {
	for p in 0 1 2 3; do
		n=$(rcli HGET "ap:{$p}:seq" raw:n)
		[ "${n:-0}" -eq 0 ] || timeout 60 "$AP_BIN/apctl" -c /dev/null -o redis.url="$AP_REDIS_URL" tail "ap:{$p}:raw" --from 0 --count "$n"
	done | sed -n 's/.*trade_id\\":\\"\([0-9]*\)\\".*/\1/p' | sort -n
}
has() { [ "$(seq "$1" | cksum)" = "$(ids | cksum)" ]; }

# --- killed ----------------------------------------------------------------------------------------
host east
listens east
host west
check "the second host stands by" stands_by west
messages 1 2000 | send east
sync_all east
t=$("$tools/probe" now)
gone east -KILL
check "it takes over when the first is killed" listens west
echo "# after $(($("$tools/probe" now) - t)) ms"
messages 2001 3000 | send west
sync_all west
equal "nothing is lost or doubled by that" "$(seq 3000 | cksum)" "$(ids | cksum)"
equal "each host has a journal of its own" "1 1" "$(find "$dir/east" -name '*.apj' | wc -l) $(find "$dir/west" -name '*.apj' | wc -l)"

# --- told to end -----------------------------------------------------------------------------------
host east
check "back again the first one stands by" stands_by east
gone west -TERM
equal "one that is told to end gives the lease back" 0 $?
check "and the other host has it" listens east
messages 3001 4000 | send east
sync_all east
equal "again nothing is lost or doubled" "$(seq 4000 | cksum)" "$(ids | cksum)"

# --- cut off ---------------------------------------------------------------------------------------
# East goes on taking what comes, and journals it; west has the lease after 2 s.
host west
stands_by west
line hole on
messages 4001 5000 | "$tools/tcp" 127.0.0.1 "$(port east ack)" 60 >"$dir/answers" 2>/dev/null &
client=$!
check "when the first is cut off from Redis the other one works" listens west
messages 5001 6000 | send west
sync_all west
line clear
wait "$(pid east)"
equal "with its line back the first sees that it has been replaced, and ends" 111 $?
wait "$client"
check "but not before it has sent what it took meanwhile: nothing is lost or doubled" has 6000

# --- cut off, and killed before its line is back -----------------------------------------------------------
# Twice: the second time it has been live again since its rest was sent.
for n in 6000 7000; do
	host east
	stands_by east
	gone west -TERM
	listens east
	host west
	stands_by west
	line hole on
	messages $((n + 1)) $((n + 1000)) | "$tools/tcp" 127.0.0.1 "$(port east ack)" 60 >"$dir/answers" 2>/dev/null &
	client=$!
	listens west
	gone east -KILL
	wait "$client"
	equal "what only its journal has was not acknowledged" 0 "$(grep -c '^{"id".*"message_id".*}$' "$dir/answers")"
	equal "and is not in Redis" "$(seq $n | cksum)" "$(ids | cksum)"
	line clear
	host east
	stands_by east
	wait_for 30 grep -q 'ev=journal_tended producer=east' "$dir/east.log"
	equal "started again it sends that while it stands by" "$(seq $((n + 1000)) | cksum)" "$(ids | cksum)"
	gone east -TERM
done
host east
stands_by east
messages 8001 9000 | send west
sync_all west
gone west -KILL
check "and takes over from there" listens east
messages 9001 10000 | send east
sync_all east
equal "nothing is lost or doubled" "$(seq 10000 | cksum)" "$(ids | cksum)"
tap_end
