#!/bin/sh
# fault: F30 upgrade from version N-1 to N and back under load
# budget: pause <= 3 s
# budget_ms: 3000
# measured: the longest that a trade took to come through all stages while every program was replaced
# remark: up: N-1 to N, down: back; the two have Redis functions of their own. roll_ms: how long it took to replace them all, apctl migrate first
# slow: two rolling restarts of everything
# Version N-1 is this one with another version number and other names of its functions. `apctl restart all` replaces the programs, each new
# process ready before the old one ends where two may run; then the supervisor itself is started anew.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
version=$("$AP_BIN/apctl" -V)
mkdir "$AP_T_DIR/new" "$AP_T_DIR/old"
cp "$AP_BIN"/* "$AP_T_DIR/new"
cp "$AP_BIN"/* "$AP_T_DIR/old"
# Names of equal length: a program's strings stay where they are.
other=$(echo "${version##* }" | tr '0-9' '9')
sed -i "s/_v1/_v0/g; s/$(echo "${version##* }" | sed 's/\./\\./g')/$other/g" "$AP_T_DIR/old"/*
ln -s old "$AP_T_DIR/current"
AP_BIN=$AP_T_DIR/current
fault_up -o "supervisor.bin_dir=$AP_T_DIR/current"
check "it begins with the other version" sh -c "[ '$("$AP_BIN/apctl" -V)' != '$version' ]"

# The processes of ours that run from elsewhere.
strays() {
	for pid in $(sed -n 's/.*"name":"ap-[a-z.0-9]*".*"pid":\([1-9][0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json") \
		$(cat "$AP_P_DIR/run/supervisor.pid"); do
		case $(readlink "/proc/$pid/exe") in "$AP_T_DIR/$1"/*) ;; *) echo "$pid" ;; esac
	done
}
libraries() { rcli FUNCTION LIST | grep -o 'alphapulse_v[0-9]' | sort -u | tr '\n' ' '; }
supervised() { grep -q "^{\"pid\":$(cat "$AP_P_DIR/run/supervisor.pid"),\"ready\":true" "$AP_P_DIR/run/supervisor.json" && [ -z "$(strays "$1")" ]; }

roll() { # KIND VERSION
	ln -sfn "$2" "$AP_T_DIR/current"
	t=$(mono)
	ctl restart all --timeout 120 >"$AP_T_DIR/roll.out" 2>&1 &
	roll_pid=$!
	longest=0 probes=0
	while kill -0 $roll_pid 2>/dev/null; do
		flow "$(mono)" || return 1
		probes=$((probes + 1))
		[ "$flow_ms" -le "$longest" ] || longest=$flow_ms
	done
	wait $roll_pid || { not_ok "$1: every program is replaced: $(cat "$AP_T_DIR/roll.out")"; return 1; }
	took=$(($(mono) - t))
	check "$1: the supervisor too" ctl restart supervisor
	check "$1: all run as $2" wait_for 30 supervised "$2"
	trial "$longest" kind="$1" roll_ms=$took probes=$probes
}

load_start
while next_trial; do
	roll up new && roll down old
done
check "the functions of both versions are there" test "$(libraries)" = "alphapulse_v0 alphapulse_v1 "
fault_end
