#!/bin/sh
# fault: F17 PostgreSQL refuses: serialization failure, deadlock, disk full, no connection slots, read-only
# budget: <= 5 s after cure
# budget_ms: 5000
# measured: from the cure until a new trade has come through all stages
# slow: five kinds of refusal, each waited for
# remark: 40001, 40P01, 53100, 53300, 25006: each is tried again, no row is taken for a bad one. Tables of the disk that is full are on a small tmpfs of their own
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
pg_start
admin() { PGOPTIONS='-c default_transaction_read_only=off' sql "$1"; }

# The pipeline is an ordinary user, whose connections can be limited.
# It looks for deadlocks late: after the other transaction has done its part of one.
admin "CREATE ROLE pipe LOGIN; ALTER DATABASE alphapulse OWNER TO pipe; ALTER ROLE pipe SET deadlock_timeout = '4s'" || die "no user"
kinds="serialization deadlock slots read_only"
full=$AP_T_DIR/full
# Tables are made in the small place, unless it cannot be had.
if fault_volume "$full" "size=$((200 + 60 * AP_TRIALS))m,mode=755"; then
	chown "$AP_T_PG_USER" "$full"
	fault_more_done() { pg_kill; }
	if sql "CREATE TABLESPACE small LOCATION '$full'"; then
		admin "GRANT CREATE ON TABLESPACE small TO pipe; ALTER ROLE pipe SET default_tablespace = small" || die "no tablespace"
		kinds="$kinds disk_full"
	fi
fi
FAULT_PG_CONNINFO="host=$AP_T_PG_DIR port=$AP_T_PG_PORT dbname=alphapulse user=pipe"
fault_up_apart

# PostgreSQL has said it, and ap-persist knows.
refused() { logged ap-persist.0 "$1"; }
seen() { check "$kind: ap-persist is told $1" wait_for 60 refused "$1"; }
kill_ours() { admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pipe'" >/dev/null; }

# A transaction that holds the cursors' rows, with what it does before it ends.
holder() {
	PGOPTIONS='-c deadlock_timeout=100s' psql -qAt -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d alphapulse \
		-c "BEGIN; UPDATE sink_cursors SET updated_at = updated_at; $1; COMMIT" >"$AP_T_DIR/holder.out" 2>&1
}

# Again until ap-persist has had a transaction under way at that moment.
met() {
	tries=0
	until refused "$1" || [ "$tries" -ge 20 ]; do
		holder "$2"
		tries=$((tries + 1))
	done
	seen "$1"
}

serialization() {
	admin "ALTER SYSTEM SET default_transaction_isolation = 'repeatable read'" && admin "SELECT pg_reload_conf()" >/dev/null
	sleep 0.2
	met 'sqlstate=40001' "SELECT pg_sleep(1)"
}
cure_serialization() { admin "ALTER SYSTEM RESET default_transaction_isolation" && admin "SELECT pg_reload_conf()" >/dev/null; }
plain() { [ "$(admin 'SHOW default_transaction_isolation')" = 'read committed' ]; }

# Ours waits for the row, the other one for our table: ours finds out first.
deadlock() {
	wait_for 10 plain
	met 'sqlstate=40P01' "SELECT pg_sleep(2); LOCK TABLE stream_messages, normalized_data, processing_results, realtime_candles, technical_indicators, signals,
			component_metrics, system_metrics, streaming_alerts, coverage IN ACCESS EXCLUSIVE MODE"
}
cure_deadlock() { :; }

slots() {
	admin "ALTER ROLE pipe CONNECTION LIMIT 0"
	kill_ours
	seen 'too many connections'
	sleep 2
}
cure_slots() { admin "ALTER ROLE pipe CONNECTION LIMIT -1"; }

read_only() {
	admin "ALTER SYSTEM SET default_transaction_read_only = on" && admin "SELECT pg_reload_conf()" >/dev/null
	seen 'sqlstate=25006'
	# And with new connections.
	kill_ours
	sleep 2
}
cure_read_only() { admin "ALTER SYSTEM RESET default_transaction_read_only" && admin "SELECT pg_reload_conf()" >/dev/null; }

disk_full() {
	dd if=/dev/zero of="$full/ballast" bs=1M count=8000 >/dev/null 2>&1
	seen 'sqlstate=53100'
	sleep 2
}
cure_disk_full() { rm "$full/ballast"; }

load_start
while next_trial; do
	for kind in $kinds; do
		log_mark
		$kind
		t=$(mono)
		cure_"$kind"
		flow "$t" && trial "$flow_ms" kind="$kind"
		[ "$tap_bad" -eq 0 ] || break 2
	done
done
[ "${kinds%disk_full}" != "$kinds" ] || skip "disk full: no tmpfs can be mounted here"
equal "no row was taken for a bad one" 0 "$(admin "SELECT count(*) FROM streaming_alerts WHERE alert_type = 'bad_row'")"
fault_end
