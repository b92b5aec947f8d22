#!/bin/sh
# The whole pipeline on a Cluster of three masters; the slot of a partition is moved to another master while a tape goes through.
# The rows are those of the same tape when nothing is disturbed, and the reconciler agrees.
# shellcheck disable=SC2317,SC2034  # functions called by name; variables read by the library
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_cluster
next_node() { case $1 in m1) echo m2 ;; m2) echo m3 ;; *) echo m1 ;; esac; }
partition_nodes >"$AP_T_DIR/nodes"
check "the partitions lie on more than one node" test "$(wc -l <"$AP_T_DIR/nodes")" -gt 1
load_start 1200
while next_trial; do
	p=$(((trial_k - 1) % 4))
	from=$(node_of $p)
	to=$(next_node "$from")
	t=$(mono)
	SLOT_PAUSE=0.02 slot_move "$(ncli m1 cluster keyslot $p)" "$from" "$to"
	moved_ms=$(($(mono) - t))
	equal "partition $p has moved" "$to" "$(node_of $p)"
	t=$(mono)
	flow "$t" 60 && trial "$flow_ms" acked_ms="$acked_ms" move_ms="$moved_ms"
done
has() { ctl lag --json | grep -c '"stage":"candle"'; }
equal "apctl lag sees every partition" 4 "$(has)"
# The supervisor's own counters are stored too; no program sends a key where another slot lies.
counters() { [ "$(psql_q "SELECT count(*) FROM component_metrics WHERE metric_name LIKE 'process_up%'")" -gt 0 ]; }
check "metrics of all processes are stored" wait_for 30 counters
foreign() { grep -h 'ev=foreign_key' "$AP_P_DIR"/log/*.log; }
equal "every key is sent to the node that has it" "" "$(foreign | head -n 3)"
check "apctl tail reads across nodes" ctl tail candle --from 0 --count 20
# Of ap:metric, which lies on the third node. ap-ingest's own count is 0 and comes once a second: put and look until ours is the newest.
conflated() {
	printf '\230\011\251ap-ingest\244test\266quotes_conflated_total\240\000\313\100\034\0\0\0\0\0\0\317\027\227\234\376\066\052\0\0' |
		rcli -x XADD ap:metric '*' v 1 k metric q 0 n 1 t 1700000000000 b
	ctl status --json | grep -q '"quotes_conflated":7}'
}
equal "the processes' figures lie at another node than the first" m3 "$(node_of ap:metric)"
check "apctl status reads them there" wait_for 20 conflated
fault_end
