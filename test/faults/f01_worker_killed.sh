#!/bin/sh
# fault: F1 kill -9 of one worker at a random moment
# budget: take-over <= 3 s
# budget_ms: 3000
# measured: from the kill until everything it had has an owner again
# remark: kind=taken_over: a worker started by hand beside the supervisor's, which nobody starts again; kind=restarted: the only one of its stage, started again by the supervisor (after 100 ms). flow_ms: from the kill until a trade sent then has come through all stages
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/workers.sh
fault_init
fault_up

# One more process is all that scaling takes.
taken_over_of() { # STAGE NAME
	"$AP_BIN/ap-$1" -c "$AP_P_DIR/alphapulse.conf" -o runtime.worker="$2" -o log.file="$AP_P_DIR/log/ap-$1.hand.log" >/dev/null 2>&1 &
	hand=$!
	ms_until 30 "$(mono)" has "$2" || not_ok "one more $1 takes its share"
	took_share=$took_ms
	sleep "0.$(dice 9 $trial_k)"
	leases >"$AP_T_DIR/before"
	t=$(mono)
	kill -9 $hand
	if ms_until 20 "$t" taken_over "$AP_T_DIR/before" "$2"; then took=$took_ms; else not_ok "$1: the others take over"; fi
	wait $hand 2>/dev/null
	flow "$t" && trial "$took" kind=taken_over stage="$1" share_ms="$took_share" flow_ms="$flow_ms"
}
restarted() { # STAGE
	leases >"$AP_T_DIR/before"
	pid=$(pid_of "ap-$1.0")
	t=$(mono)
	kill -9 "$pid"
	if ms_until 20 "$t" owned_again "$AP_T_DIR/before" "ap-$1.0"; then took=$took_ms; else not_ok "$1: it has its partitions again"; fi
	flow "$t" && trial "$took" kind=restarted stage="$1" flow_ms="$flow_ms"
}

load_start
while next_trial; do
	# shellcheck disable=SC2086 # a list
	stage=$(nth $((trial_k % 4)) $W_STAGES)
	taken_over_of "$stage" "hand.$trial_k"
	restarted "$stage"
done
fault_end
