#!/bin/sh
# apctl rebuild on a Cluster of three masters: all three emptied while a tape goes through, then one of them alone. Rows come out as those
# of an undisturbed tape, nothing is lost, the reconciler agrees.
# shellcheck disable=SC2317,SC2034,SC2086  # functions called by name; variables read by the library
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_cluster
stored() { psql_q "SELECT count(*) FROM stream_messages WHERE source LIKE 'tape%'"; }
more() { [ "$(stored)" -gt "$before" ]; }
flows() {
	before=$(stored)
	check "$1: the load flows" wait_for 60 more
}
all_say() { for stage in ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-ingest.0; do logged $stage 'ev=dataset_wrong|why=dataset_(missing|lost)' || return 1; done; }
said() { ctl status >"$AP_T_DIR/status" && grep -qE "$1" "$AP_T_DIR/status"; }
rebuild_json() { ctl rebuild --json >"$AP_T_DIR/rebuild.json" 2>"$AP_T_DIR/rebuild.err" || { cat "$AP_T_DIR/rebuild.err"; return 1; }; }
rebuild() { # KIND: and times it
	t=$(mono)
	check "$1: rebuilt" rebuild_json
	check "$1: no record of the journals is lost" grep -qE '"unreadable":0,"lost":0,' "$AP_T_DIR/rebuild.json"
	flow "$t" 120 && trial "$flow_ms" kind="$1" records="$(sed 's/.*"appended":\([0-9]*\).*/\1/' "$AP_T_DIR/rebuild.json")"
}

load_start 1200
while next_trial; do
	flows all
	id=$(rcli HGET ap:dataset id)
	for i in 1 2 3; do ncli m$i flushall >/dev/null; done
	check "all: every stage notices" wait_for 60 all_say
	check "all: apctl status says what to do" wait_for 20 said 'is empty, but PostgreSQL holds rows of data set .*apctl rebuild --dir'
	rebuild all
	equal "all: the data set is the same one" "$id" "$(rcli HGET ap:dataset id)"
	partition_nodes >"$AP_T_DIR/nodes"
	check "all: its partitions lie on more than one node" test "$(wc -l <"$AP_T_DIR/nodes")" -gt 1

	log_mark
	flows one
	one=$(node_of 0) other=$(head -n 1 "$AP_T_DIR/nodes")
	[ "$other" != "$one" ] || other=$(tail -n 1 "$AP_T_DIR/nodes")
	streams=$(ncli "$other" dbsize)
	ncli "$one" flushall >/dev/null
	check "one: apctl status says how many partitions are gone" wait_for 20 said "DATA SET: [1-3] partitions.* of data set $id are gone .*apctl rebuild --dir"
	rebuild one
	check "one: the other nodes kept what they had" test "$streams" -gt 0 -a "$(ncli "$other" dbsize)" -ge "$streams"
	check "one: all is well by apctl status" said '^ap-persist.0 .*up'
done
fault_end
