#!/bin/sh
# fault: F12 Sentinel reachable, Redis not
# budget: <= 10 s, ownership does not flap
# budget_ms: 10000
# measured: from the cure (the servers go on) to a probe trade through all stages into PostgreSQL
# remark: leases_taken: of 17, two rounds of them in each trial: the connections were lost, and again at the switch that followed
# slow: all servers stand still for 6 s
# Primary and replica are stopped (SIGSTOP) for 6 s: the Sentinels answer all the while, name a primary, and have nobody to promote.
# shellcheck disable=SC2317,SC2154  # functions called by name; present and other are set by roles
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_sentinel
load_start "${AP_SPEED:-2400}"
epochs() { for p in 0 1 2 3; do for s in normalize candle indicators persist; do rcli HGET "ap:{$p}:own:$s" e; done; done | awk '{ n += $1 } END { print n }'; }
while next_trial; do
	check "the replica follows" wait_for 60 caught_up
	before=$(epochs)
	kill -STOP "$(node_pid a)" "$(node_pid b)"
	sleep 6
	t=$(mono)
	kill -CONT "$(node_pid a)" "$(node_pid b)"
	flow "$t" 90 || break
	taken=$(($(epochs) - before))
	trial "$flow_ms" acked_ms="$acked_ms" leases_taken="$taken"
	# 16 leases, each lost once with its connections; a switch of the primary after the pause may cost each once more.
	check "no lease was taken more than three times" test "$taken" -le 48
done
fault_end
