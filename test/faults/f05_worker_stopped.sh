#!/bin/sh
# fault: F5 SIGSTOP of a worker for 5 s and 60 s, then CONT
# budget: take-over <= 3 s
# budget_ms: 3000
# measured: from SIGSTOP until everything it had is owned by another worker
# slow: a worker stands still for 5 s or longer
# remark: two workers of each stage; share_ms: from CONT until it has its share again; fenced: what it still sent and was refused. One trial of 60 s where there are 10 or more
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/workers.sh
fault_init
# A stopped program feeds no watchdog: it is not to be killed for that here.
fault_up -o "supervisor.programs=$(programs 2)" -o supervisor.watchdog_ms=120000
check "everything is shared out over two workers" wait_for 30 scaled 2

fenced() { grep -cE 'ev=(refused .*FENCED|lease_expired|partition_forgotten .*lease_lost|commit_refused)' "$1"; }

load_start
while next_trial; do
	# shellcheck disable=SC2086 # a list
	stage=$(nth $((trial_k % 4)) $W_STAGES)
	name=ap-$stage.$((trial_k / 4 % 2)) for_s=5
	[ "$AP_TRIALS" -ge 10 ] && [ "$trial_k" -eq 1 ] && for_s=60
	ms_until 30 "$(mono)" has "$name" || not_ok "$name owns something"
	was=$(fenced "$AP_P_DIR/log/$name.log")
	leases >"$AP_T_DIR/before"
	pid=$(pid_of "$name")
	t=$(mono)
	kill -STOP "$pid"
	if ms_until 20 "$t" taken_over "$AP_T_DIR/before" "$name"; then took=$took_ms; else not_ok "$name: another worker takes over"; fi
	flow "$t"
	while [ $(($(mono) - t)) -lt $((for_s * 1000)) ]; do sleep 0.1; done
	c=$(mono)
	kill -CONT "$pid"
	if ms_until 30 "$c" has "$name"; then share=$took_ms; else not_ok "$name has its share again"; fi
	equal "$name is the same process" "$pid" "$(pid_of "$name")"
	trial "$took" stage="$stage" stopped_s=$for_s share_ms="$share" fenced=$(($(fenced "$AP_P_DIR/log/$name.log") - was)) flow_ms="$flow_ms"
done
fault_end
