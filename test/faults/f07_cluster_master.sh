#!/bin/sh
# fault: F7 a Cluster's master is killed and its replica promoted, which had everything (linked) or whose link had been down (behind)
# budget: flow <= 5 s at cluster-node-timeout 1 s
# budget_ms: 5000
# measured: from kill -9 of the master to a probe trade through all stages into PostgreSQL
# remark: promoted_ms: until the replica called itself master; bytes_lacking: what it had not got by then and the journals brought back
# Three masters, one replica. The old master comes back as the replica, and the two change places each time.
# shellcheck disable=SC2317,SC2034  # functions called by name; variables read by the library
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
cluster_start
# The one that partition 0 lies on; the test looks through another one.
AP_CLUSTER_EYE=m1
victim=$(node_of 0)
for i in m1 m2 m3; do [ $i = "$victim" ] || AP_CLUSTER_EYE=$i; done
fault_replica() {
	cluster_replica r1 "$victim"
	for i in $CLUSTER_NODES; do ncli "$i" config set cluster-node-timeout 1000 cluster-replica-validity-factor 0; done
}
check "one master gets a replica" fault_replica
fault_up_on
master() { [ "$(ncli "$1" role | head -n 1)" = master ]; }
replica() { [ "$(ncli "$1" role 2>/dev/null | head -n 1)" = slave ]; }
known() { ncli "$AP_CLUSTER_EYE" cluster nodes | awk -v id="$(node_id "$1")" '$1 == id && $3 ~ /slave/ && $8 == "connected" { ok = 1 } END { exit !ok }'; }
stored() { psql_q "SELECT count(*) FROM stream_messages WHERE source LIKE 'tape%'"; }
more() { [ "$(stored)" -gt "$before" ]; }
other=r1
commits() { [ "$(calls_of "$victim")" -ge $((calls + 300)) ]; }
# The replica's login is refused from now on, so its link is closed and stays so; the Cluster's own bus stays up.
link_down() {
	ncli "$other" config set masterauth nobody >/dev/null
	ncli "$victim" client kill type replica >/dev/null
	calls=$(calls_of "$victim")
	wait_for 60 commits
}
failover() { # KIND
	before=$(stored)
	check "$1: the load flows" wait_for 60 more
	check "$1: the replica follows" wait_for 60 replica_linked "$victim"
	[ "$1" = linked ] || check "$1: the replica's link goes down, 300 commits go on" link_down
	lacking=$(($(offset_of "$victim") - $(offset_of "$other")))
	t=$(mono)
	node_kill "$victim"
	if ms_until 60 "$t" master "$other"; then promoted=$took_ms; else not_ok "$1: the replica is promoted"; fi
	flow "$t" 90 && trial "$flow_ms" kind="$1" acked_ms="$acked_ms" promoted_ms="$promoted" bytes_lacking="$lacking"
	[ "$1" = linked ] || check "$1: it lacked something" test "$lacking" -gt 0
	equal "$1: partition 0 is where the replica was" "$other" "$(node_of 0)"
	ncli "$other" config set masterauth "" >/dev/null
	node_start "$victim" --cluster-enabled yes --cluster-node-timeout 1000 --cluster-replica-validity-factor 0 --cluster-port "$(free_port)" \
		--cluster-require-full-coverage no
	check "$1: the old master comes back as a replica" wait_for 60 replica "$victim"
	check "$1: and the others know" wait_for 60 known "$victim"
	old=$victim victim=$other other=$old
}
load_start 1200
while next_trial; do
	[ "$AP_TRIALS" -eq 1 ] || failover linked
	failover behind
done
fault_end
