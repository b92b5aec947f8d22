#!/bin/sh
# fault: F10 the request is delivered, the reply dropped and the connection cut
# budget: <= 3 s
# budget_ms: 3000
# measured: from the lost reply until a new trade has come through all stages
# remark: append, commit: a function call of ap-ingest, of a stage; COMMIT: of ap-persist's transaction
# Whoever sent it does not know whether it was done. A sequence number, a cursor or PostgreSQL's cursor row tells.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_proxies
fault_up_apart

# drop PROXY TEXT: cuts behind the next such request; the beats alone bring one a second.
dropped() { [ "$(proxy_count "$1" drops)" -gt "$2" ]; }
drop() {
	drops=$(proxy_count "$1" drops)
	"$1" drop "$2" >/dev/null
	check "$2: a reply was dropped" wait_for 30 dropped "$1" "$drops"
	t=$(proxy_count "$1" dropped_ms)
	flow "$t" && trial "$flow_ms" kind="$3" acked_ms="$acked_ms"
}

load_start
while next_trial; do
	drop rproxy ap_append_v1 append
	drop rproxy ap_commit_v1 commit
	drop pproxy COMMIT COMMIT
done
fault_end
