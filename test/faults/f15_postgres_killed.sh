#!/bin/sh
# fault: F15 kill -9 of PostgreSQL in the middle of a COMMIT
# budget: <= 2 s after ready
# budget_ms: 2000
# measured: from the first connection that PostgreSQL takes again until a new trade has come through all stages
# remark: backend: only the process that commits is killed and the postmaster starts all others anew; postmaster: it and all its processes. away_ms: how long no connection was taken
# Whether the COMMIT took place is not known to ap-persist: the row of its cursor in the same transaction tells.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up_apart

# Every COMMIT takes 30 ms, so that it can be met.
psql_q "ALTER SYSTEM SET commit_delay = 30000" >/dev/null
psql_q "ALTER SYSTEM SET commit_siblings = 0" >/dev/null
psql_q "SELECT pg_reload_conf()" >/dev/null

# The process that is at COMMIT for ap-persist, as soon as there is one.
psql_q "CREATE FUNCTION committing() RETURNS int LANGUAGE plpgsql AS \$\$
	DECLARE found int;
	BEGIN
		FOR i IN 1..10000 LOOP
			SELECT pid INTO found FROM pg_stat_activity WHERE application_name LIKE 'ap-persist%' AND state = 'active' AND query = 'COMMIT';
			IF found IS NOT NULL THEN RETURN found; END IF;
			PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
		END LOOP;
		RETURN 0;
	END \$\$" >/dev/null

backend() {
	kill -9 "$1"
	wait_for 10 gone "$1"
}
postmaster() {
	pg_kill
	pg_launch
}

load_start
while next_trial; do
	for kind in backend postmaster; do
		pid=$(psql_q 'SELECT committing()')
		[ "${pid:-0}" -gt 0 ] || not_ok "a COMMIT is met"
		[ "$tap_bad" -eq 0 ] || break 2
		t=$(mono)
		$kind "$pid"
		if ms_until 60 "$t" pg_ready; then away=$took_ms; else not_ok "PostgreSQL is back"; fi
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind=$kind away_ms="$away"
	done
done
fault_end
