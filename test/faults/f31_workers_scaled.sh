#!/bin/sh
# fault: F31 workers of every stage 1 -> 4 -> 1 under load
# budget: <= 1 s a partition
# budget_ms: 1000
# measured: of all partitions of all stages the longest from giving its lease up until the next owner had loaded its state
# remark: kind=join: three more workers of each stage; kind=leave: they go again. flow_ms: from asking for it until a trade sent then has come through all stages
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/workers.sh
fault_init
fault_up
equal "one worker of each stage" 4 "$(leases | awk '{ print $1, $4 }' | sort -u | wc -l)"

scale_to() { # KIND N
	log_mark
	t=$(mono)
	scale "$2"
	flow "$t" || return 1
	ms_until 60 "$t" scaled "$2" || { not_ok "$1: everything is shared out over $2 workers"; leases; return 1; }
	handovers | sort -n >"$AP_T_DIR/handovers"
	longest=$(tail -1 "$AP_T_DIR/handovers" | cut -d' ' -f1)
	trial "${longest:-0}" kind="$1" handovers="$(grep -c . "$AP_T_DIR/handovers")" settled_ms="$took_ms" flow_ms="$flow_ms"
}

load_start
while next_trial; do
	scale_to join 4 && scale_to leave 1
done
fault_end
