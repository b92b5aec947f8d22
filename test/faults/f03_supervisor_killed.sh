#!/bin/sh
# fault: F3 kill -9 of ap-supervisor, of its keeper
# budget: <= 2 s
# budget_ms: 2000
# measured: from the kill until a supervisor watches every process again and a new trade has come through all stages
# remark: supervisor, keeper: that one of the two is killed; both: at once, and apctl up is called. flow_ms: the trade alone
# Nothing that ran is started twice, nothing is left without a supervisor, and no process is interrupted: the same ones run before and after.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up

pid_file() { cat "$AP_P_DIR/run/$1.pid" 2>/dev/null; }
alive() { [ -n "$1" ] && ! gone "$1"; }
# What the present supervisor says of itself and its programs: not what the one before it wrote.
programs() { sed -n 's/.*"name":"\([a-z0-9.-]*\)".*"pid":\([1-9][0-9]*\).*/\1=\2/p' "$AP_P_DIR/run/supervisor.json" | tr '\n' ' '; }
watched() {
	watched_pid=$(pid_file supervisor)
	alive "$watched_pid" && alive "$(pid_file keeper)" && [ "$watched_pid" != "$killed" ] && [ "$(pid_file keeper)" != "$killed" ] &&
		grep -q "^{\"pid\":$watched_pid,\"ready\":true" "$AP_P_DIR/run/supervisor.json" && [ "$(programs)" = "$before" ]
}
# Every process that was given this pipeline's configuration or directory: as many as are listed, the pair of supervisors besides.
# Shells of this test name the directory too: only programs count.
ours() {
	for p in /proc/[0-9]*; do
		case $({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) in
		*"--replay"*) ;;
		*/ap-*"$AP_P_DIR/alphapulse.conf"* | ap-supervisor*"$AP_P_DIR/"* | *redis-server*:"${AP_REDIS_URL##*:}"* | *postgres*-D*"$AP_P_DIR/pg "*) echo "${p#/proc/}" ;;
		esac
	done
}
listed() { programs | tr ' ' '\n' | grep -c =; }
none_double() { [ "$(ours | wc -l)" -eq $(($(listed) + 2)) ]; }

load_start
before=$(programs)
killed=
while next_trial; do
	for kind in supervisor keeper both; do
		check "$kind: settled before" wait_for 30 watched
		[ "$tap_bad" -eq 0 ] || break 2
		t=$(mono)
		case $kind in
		both)
			killed="$(pid_file keeper) $(pid_file supervisor)"
			# shellcheck disable=SC2086 # two of them
			kill -9 $killed
			killed=${killed##* }
			"$AP_BIN/apctl" up --dir "$AP_P_DIR" --timeout 60 >"$AP_T_DIR/up.out" 2>&1 || not_ok "apctl up: $(cat "$AP_T_DIR/up.out")"
			;;
		*)
			killed=$(pid_file $kind)
			kill -9 "$killed"
			;;
		esac
		if ms_until 30 "$t" watched; then seen=$took_ms; else
			not_ok "$kind: a new one watches the same processes: $(programs), before $before"
			break 2
		fi
		flow "$t" && trial "$([ "$flow_ms" -gt "$seen" ] && echo "$flow_ms" || echo "$seen")" kind=$kind flow_ms="$flow_ms" watched_ms="$seen"
		# A fork that has not become its program yet looks like its parent: looked at again.
		wait_for 5 none_double || not_ok "$kind: $(listed) programs are listed and $(ours | wc -l) processes run"
	done
done
fault_end
