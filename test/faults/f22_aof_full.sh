#!/bin/sh
# fault: F22 AOF volume full
# budget: <= 5 s
# budget_ms: 5000
# measured: from the moment the volume has room again until a new trade has come through all stages
# remark: misconf: appendfsync everysec, Redis refuses every write; exit: appendfsync always, Redis ends and is started again; taken_ms: how long ap-ingest's socket needed to take 1,000 messages meanwhile
# The journal absorbs what comes in; no source is held.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
vol=$AP_T_DIR/redis
fault_volume "$vol" size=256m || skip_all "no small volume can be mounted here"
redis_start --appendfsync always
fault_up_apart

refused() { rcli SET ap:probe 1 2>&1 | grep -q MISCONF; }
dead() { ! kill -0 "$AP_T_REDIS_PID" 2>/dev/null; }
taken() {
	awk -v k="$trial_k" -v w="$1" 'BEGIN { for (i = 0; i < 1000; i++)
		printf "{\"source\":\"full\",\"symbol\":\"F-USD\",\"price\":\"1\",\"quantity\":\"1\",\"timestamp\":%.0f,\"trade_id\":\"%s-%d-%d\"}\n",
			1767323045000 + k * 1000 + i, w, k, i }' | timeout 20 "$AP_TOOLS/tcp" "${AP_INGEST_TCP%:*}" "${AP_INGEST_TCP##*:}" 20
}
# A Redis that wrote to a full disk may leave a file that it does not read itself: its own tool cuts that end off.
restarted() {
	yes | redis-check-aof --fix "$vol"/appendonlydir/*.manifest >/dev/null 2>&1
	redis_start --appendfsync always
}
load_start
while next_trial; do
	for kind in misconf exit; do
		[ $kind = exit ] || rcli CONFIG SET appendfsync everysec >/dev/null
		dd if=/dev/zero of="$vol/ballast" bs=64k 2>/dev/null
		if [ $kind = exit ]; then
			rcli CONFIG SET appendfsync always >/dev/null
			check "$kind: Redis ends" wait_for 30 dead
			wait "$AP_T_REDIS_PID" 2>/dev/null
		else
			check "$kind: Redis refuses writes" wait_for 30 refused
		fi
		t=$(mono)
		check "$kind: messages are taken all the same" taken $kind
		taken_ms=$(($(mono) - t))
		rm "$vol/ballast"
		t=$(mono)
		[ $kind != exit ] || restarted
		flow "$t" && trial "$flow_ms" kind=$kind taken_ms="$taken_ms"
	done
done
load_stop
check "all is stored by then" ctl drain --timeout 120
equal "what came in meanwhile is there, once" "$((trial_k * 2000)) $((trial_k * 2000))" \
	"$(psql_q "SELECT count(*) || ' ' || count(DISTINCT trade_id) FROM normalized_data WHERE source = 'full' AND validation_status = 'valid'")"
fault_end
