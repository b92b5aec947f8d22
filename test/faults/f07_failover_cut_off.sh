#!/bin/sh
# fault: F7 replica's link down, 1,000 commits, kill the primary, promote the replica
# budget: flow <= 5 s at down-after 1 s
# budget_ms: 5000
# measured: from kill -9 of the primary to a probe trade through all stages into PostgreSQL
# remark: acked_ms: until the probe was acknowledged by ap-ingest on the new primary; bytes_not_replicated: what the replica lacked and the journals brought back
# slow: two full synchronisations and ten seconds of load a trial
# The link is really down: the replica is told to follow a port where nobody listens, so its connection is closed and nothing of the commits
# can reach it. What it lacks when it is promoted comes from ap-ingest's journal; PostgreSQL is ahead of Redis then.
# shellcheck disable=SC2317,SC2154  # functions called by name; present and other are set by roles
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_sentinel -o runtime.read_entries=2
load_start "${AP_SPEED:-2400}"
# By the word of the Sentinel that is asked here, which may have it later than the pipeline.
switched() { roles && [ "$present" != "$old" ]; }
thousand() { [ "$(calls_of "$present")" -ge $((before + 1000)) ]; }
while next_trial; do
	check "the replica follows" wait_for 60 caught_up
	ncli "$other" replicaof 127.0.0.1 1 >/dev/null
	before=$(calls_of "$present") have=$(offset_of "$other")
	# A replica that was cut off for 10 s is not promoted.
	ms_until 8 "$(mono)" thousand || echo "# only $(($(calls_of "$present") - before)) commits in the time the Sentinels leave a replica cut off"
	lost=$(($(offset_of "$present") - have)) commits=$(($(calls_of "$present") - before))
	old=$present
	t=$(mono)
	node_kill "$old"
	flow "$t" 90 && trial "$flow_ms" acked_ms="$acked_ms" commits="$commits" bytes_not_replicated="$lost"
	check "the replica was promoted" wait_for 20 switched
	node_start "$old"
done
fault_end
