#!/bin/sh
# fault: F16 an older PostgreSQL comes back: a restored backup, a promoted standby that lacked the last commits
# budget: the sink restarts at PostgreSQL's cursor, RPO 0 within the streams' retention; <= 2 s after ready
# budget_ms: 2000
# measured: from the first connection that PostgreSQL takes again until a new trade has come through all stages
# remark: behind: rows of normalized_data that had been stored and were not in the PostgreSQL that came back
# slow: two copies of the database a trial
# Nobody is told: ap-persist reads the cursors after every connect, sets its groups back to them and stores the entries again.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up_apart
[ -x "$AP_T_PG_BIN/pg_basebackup" ] || skip_all "pg_basebackup is not installed"

# copy NAME OPTION...: a copy of the running server, beside its data.
copy() {
	copy_to=$AP_T_PG_DIR/$1
	shift
	(cd "$AP_T_PG_DIR" && as_pg "$AP_T_PG_BIN/pg_basebackup" -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -D "$copy_to" -X stream -c fast "$@")
}
rows() { psql_q 'SELECT count(*) FROM normalized_data'; }
more() { [ "$(rows)" -gt $((n + 300)) ]; }
# instead NAME: the server is gone, and the copy is what there is.
instead() {
	pg_kill
	rm -rf "$AP_T_PG_DIR/data"
	mv "$AP_T_PG_DIR/$1" "$AP_T_PG_DIR/data"
	rm -f "$AP_T_PG_DIR/data/standby.signal"
	pg_launch
}

standby_pid=
standby_start() {
	copy standby -R || return 1
	if [ "$(id -u)" -eq 0 ]; then set -- runuser -u "$AP_T_PG_USER" --; else set --; fi
	standby_port=$(free_port)
	(cd "$AP_T_PG_DIR" && exec "$@" "$AP_T_PG_BIN/postgres" -D "$AP_T_PG_DIR/standby" -k "$AP_T_PG_DIR" -p "$standby_port" -c listen_addresses=) \
		>>"$AP_T_DIR/standby.log" 2>&1 &
	standby_pid=$!
	AP_T_PIDS="$AP_T_PIDS $standby_pid"
	wait_for 30 psql -qAt -h "$AP_T_PG_DIR" -p "$standby_port" -U alphapulse -d alphapulse -c 'SELECT 1'
}
standby_stop() {
	kill -INT "$(head -1 "$AP_T_PG_DIR/standby/postmaster.pid")"
	wait "$standby_pid" 2>/dev/null
}

load_start
while next_trial; do
	for kind in backup standby; do
		n=$(rows)
		check "$kind: rows are being stored" wait_for 90 more
		if [ $kind = backup ]; then
			check "a backup is taken while it runs" copy backup
		else
			check "a standby follows" standby_start
			standby_stop    # what is committed from here on it never sees
		fi
		n=$(rows)
		check "$kind: more rows are stored" wait_for 90 more
		n=$(rows)
		instead $kind
		behind=$((n - $(rows)))
		[ "$behind" -gt 0 ] || not_ok "$kind: PostgreSQL is an older one (behind $behind)"
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind=$kind behind="$behind"
	done
done
fault_end
