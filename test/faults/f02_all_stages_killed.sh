#!/bin/sh
# fault: F2 kill -9 of every stage at once
# budget: full flow <= 5 s
# budget_ms: 5000
# measured: from the kill until a trade sent then has come through all stages
# slow: f01 kills one by one what this kills together
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up
stages="ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-metrics.0 ap-api.0"
pids() { for stage in $stages; do pid_of "$stage"; done; }
all_new() {
	new=$(pids)
	[ "$(echo "$new" | wc -l)" = 7 ] || return 1
	for pid in $new; do case " $old " in *" $pid "*) return 1 ;; esac; done
}

load_start
while next_trial; do
	old=$(pids | tr '\n' ' ')
	t=$(mono)
	# shellcheck disable=SC2086 # a list
	kill -9 $old
	flow "$t" && trial "$flow_ms" acked_ms="$acked_ms"
	check "every stage has been started again" wait_for 20 all_new
done
fault_end
