#!/bin/sh
# fault: F16 an older PostgreSQL comes back: a restored backup, a promoted standby that lacked the last commits
# budget: the sink restarts at PostgreSQL's cursor, RPO 0 within the streams' retention; <= 2 s after ready
# budget_ms: 2000
# measured: from the first connection that PostgreSQL takes again until a new trade has come through all stages
# remark: backup: pg_basebackup's copy in the place of the server; standby: streaming, its line cut, then pg_ctl promote, and its socket in the place of the old one. behind: rows of normalized_data that had been stored and were not in the PostgreSQL that came back
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

# The server is gone, and the copy is what there is.
backup_instead() {
	pg_kill
	rm -rf "$AP_T_PG_DIR/data"
	mv "$AP_T_PG_DIR/backup" "$AP_T_PG_DIR/data"
	pg_launch
}

# A standby has the primary's port, and its socket in a directory of its own.
standby=$AP_T_PG_DIR/standby place=$AP_T_PG_DIR/standby.d standby_pid=
standby_q() { psql -X -q -At -h "$place" -p "$AP_T_PG_PORT" -U alphapulse -d alphapulse -c "$1"; }
standby_start() {
	copy standby -R || return 1
	as_pg mkdir -p "$place"
	if [ "$(id -u)" -eq 0 ]; then set -- runuser -u "$AP_T_PG_USER" --; else set --; fi
	(cd "$AP_T_PG_DIR" && exec "$@" "$AP_T_PG_BIN/postgres" -D "$standby" -k "$place" -p "$AP_T_PG_PORT" -c listen_addresses= -c max_connections=40) \
		>>"$AP_T_DIR/standby.log" 2>&1 &
	standby_pid=$!
	AP_T_PIDS="$AP_T_PIDS $standby_pid"
	wait_for 30 standby_q 'SELECT 1'
}
standby_follows() { [ "$(psql_q "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")" -eq "$1" ]; }
# From now on it looks for its primary where nobody is.
standby_cut() {
	standby_q "ALTER SYSTEM SET primary_conninfo = 'host=$place port=1'" && standby_q 'SELECT pg_reload_conf()' >/dev/null && wait_for 20 standby_follows 0
}
standby_instead() {
	pg_kill
	as_pg "$AP_T_PG_BIN/pg_ctl" promote -w -D "$standby" >/dev/null || not_ok "the standby is promoted"
	ln -sf "$place/.s.PGSQL.$AP_T_PG_PORT" "$AP_T_PG_DIR/.s.PGSQL.$AP_T_PG_PORT"
	wait_for 30 pg_ready
}
# It moves to where a primary stands, for the next trial.
standby_settle() {
	as_pg "$AP_T_PG_BIN/pg_ctl" stop -w -m fast -D "$standby" >/dev/null
	wait "$standby_pid" 2>/dev/null
	rm -rf "$AP_T_PG_DIR/data" "$AP_T_PG_DIR/.s.PGSQL.$AP_T_PG_PORT"
	mv "$standby" "$AP_T_PG_DIR/data"
	pg_launch
}

load_start
while next_trial; do
	for kind in backup standby; do
		n=$(rows)
		check "$kind: rows are being stored" wait_for 90 more
		if [ $kind = backup ]; then
			check "a backup is taken while it runs" copy backup
			n=$(rows) has=$n    # at most
		else
			check "a standby starts" standby_start
			check "and follows" wait_for 30 standby_follows 1
			check "its line is cut" standby_cut
			n=$(rows) has=$(standby_q 'SELECT count(*) FROM normalized_data')
		fi
		check "$kind: more rows are stored" wait_for 90 more
		behind=$(($(rows) - has))
		${kind}_instead
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind=$kind behind="$behind"
		[ $kind = backup ] || standby_settle
		[ "$tap_bad" -eq 0 ] || break 2
	done
done
fault_end
