#!/bin/sh
# fault: F8 the old primary returns with its split writes
# budget: flow <= 5 s, its writes discarded, nothing counted twice
# budget_ms: 5000
# measured: from the old primary's return to a probe trade through all stages into PostgreSQL
# remark: acked_ms: until the probe was acknowledged; the probe waits behind what is re-sent and merged into rows that are there, which is what takes the time on a busy machine
# slow: a failover and a full synchronisation a trial
# The replica is cut off as in F7, and the old primary comes back with everything it had (its append-only file is whole), as a primary, until a
# Sentinel tells it otherwise. Streams, leases and cursors in it are newer than those of the promoted replica were.
# shellcheck disable=SC2317,SC2154  # functions called by name; present and other are set by roles
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_sentinel
load_start "${AP_SPEED:-2400}"
hundreds() { [ "$(calls_of "$present")" -ge $((before + 300)) ]; }
is_replica() { [ "$(ncli "$old" role | head -1)" = slave ]; }
while next_trial; do
	check "the replica follows" wait_for 60 caught_up
	ncli "$other" replicaof 127.0.0.1 1 >/dev/null
	before=$(calls_of "$present")
	ms_until 6 "$(mono)" hundreds || echo "# only $(($(calls_of "$present") - before)) commits"
	old=$present
	node_kill "$old"
	flow "$(mono)" 90 || break
	split=$(cat "$AP_T_DIR/$old"/appendonlydir/*.incr.aof | wc -c)
	t=$(mono)
	node_start "$old"
	role=$(ncli "$old" role | head -1)
	flow "$t" 90 && trial "$flow_ms" acked_ms="$acked_ms" returned_as="$role" its_log_bytes="$split"
	check "the old primary is made a replica" wait_for 60 is_replica
done
fault_end
