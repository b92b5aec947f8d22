#!/bin/sh
# fault: F6 kill -9 Redis, restart (AOF always; everysec)
# budget: flow <= 2 s after PONG
# budget_ms: 2000
# measured: from the first PONG until a new trade has come through all stages
# remark: cut: everysec, and up to a second of its file is cut off before the restart, as a power cut does; away_ms: from kill -9 to PONG
# What Redis has forgotten ap-ingest sends again from its journal; PostgreSQL has some of it already.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up_apart

aof() { ls "$AP_T_DIR"/redis/appendonlydir/*.incr.aof; }
aof_bytes() { cat "$AP_T_DIR"/redis/appendonlydir/*.incr.aof | wc -c; }
cut_off() { # some of what was written since $1 bytes
	size=$(aof_bytes)
	lost=$(awk -v n=$((size - $1)) -v s="$trial_k" 'BEGIN { srand(s); printf "%.0f", (n > 0 ? 1 + int(rand() * n) : 0) }')
	truncate -s $((size - lost)) "$(aof)"
}

load_start
while next_trial; do
	for kind in always everysec cut; do
		[ $kind = always ] || rcli CONFIG SET appendfsync everysec >/dev/null
		sleep 1
		before=$(aof_bytes)
		sleep 0.9
		t=$(mono)
		redis_kill
		lost=0
		[ $kind != cut ] || cut_off "$before"
		redis_start --appendfsync always
		away=$(($(mono) - t))
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind=$kind away_ms=$away acked_ms="$acked_ms" cut_bytes="$lost"
	done
done
fault_end
