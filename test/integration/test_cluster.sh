#!/bin/sh
# A Cluster of three masters: every partition's connection goes to the node that has its slot, and follows it while it is moved.
# shellcheck disable=SC2317  # functions called by name
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
. test/lib/topology.sh
toy=${AP_TOOLS:-build/test/tools}/toy
[ -x "$toy" ] || skip_all "toy is not built"
need redis-server redis-cli
servers_init 22400 22699
tap_tmp=$AP_T_DIR/tap.out
cluster_start
export AP_REDIS__URL="$AP_REDIS_URL" AP_RUNTIME__STREAM_MAX=100000000 AP_DATA__PARTITIONS=4 AP_RUNTIME__BACKOFF_MAX_MS=500
run() { toy_verb=$1; shift; timeout 20 "$toy" "$toy_verb" -c /dev/null "$@"; }
same() { run check >"$AP_T_DIR/check.out" 2>&1; }
all_copied() { wait_for 30 same || { cat "$AP_T_DIR/check.out"; return 1; }; }
fed() { run feed "$@" >/dev/null 2>&1; }
slot_of() { ncli m1 cluster keyslot "$1"; }
log_has() { grep -q "$1" "$AP_T_DIR/stage.log"; }
functions_on() { ncli "$1" function list | grep -q alphapulse_v1; }

check "functions and data set are made" run setup
for i in 1 2 3; do check "master $i has the functions" functions_on m$i; done
check "the partitions lie on more than one node" test "$(partition_nodes | wc -l)" -gt 1
bg stage "$toy" stage -c /dev/null -o runtime.worker=w1
check "records go in" run feed 100 5
check "and are copied" all_copied

# A slot is moved key by key, slowly enough that its keys are on both sides for a while.
slot=$(slot_of 0)
from=$(slot_owner "$slot")
case $from in m1) to=m2 ;; m2) to=m3 ;; *) to=m1 ;; esac
bg feeder sh -c "i=0; while [ \$i -lt 30 ]; do timeout 20 $toy feed -c /dev/null 20 5 >/dev/null 2>&1; i=\$((i + 1)); sleep 0.05; done"
feeder=$BG_PID
sleep 0.3
SLOT_PAUSE=0.1 slot_move "$slot" "$from" "$to"
equal "a slot has been moved under load" "$to" "$(slot_owner "$slot")"
wait "$feeder"
check "records go in" wait_for 30 fed 50 5
check "all is copied, nothing twice" all_copied
equal "nothing is left where it was" 0 "$(ncli "$from" cluster countkeysinslot "$slot")"
check "the move is in the log" log_has 'why=slot_'

# All keys are gone and the slot is not given over yet: every command needs ASKING.
ncli "$from" cluster setslot "$slot" importing "$(node_id "$to")" >/dev/null
ncli "$to" cluster setslot "$slot" migrating "$(node_id "$from")" >/dev/null
while key=$(ncli "$to" cluster getkeysinslot "$slot" 1) && [ -n "$key" ]; do
	ncli "$to" migrate 127.0.0.1 "$(node_port "$from")" "$key" 0 10000 >/dev/null || sleep 0.05
done
check "between two nodes: records go in by ASKING" wait_for 30 fed 20 5
check "and are copied" all_copied
equal "where the keys are, not where the slot is" 0 "$(ncli "$to" cluster countkeysinslot "$slot")"
for i in $from $to m1 m2 m3; do ncli "$i" cluster setslot "$slot" node "$(node_id "$from")" >/dev/null; done
check "the slot is given over: records go in" wait_for 30 fed 20 5
check "and are copied" all_copied

# A node that was emptied.
ncli "$from" flushall >/dev/null
refused() { ! run setup 2>"$AP_T_DIR/setup.err"; }
check "a node that lost its partitions is not taken for a new one" refused
alarm() { grep -q 'dataset_missing\|dataset_wrong' "$AP_T_DIR/stage.log"; }
check "the stage says so" wait_for 20 alarm
[ "$tap_bad" -eq 0 ] || grep 'lvl=warn\|lvl=error' "$AP_T_DIR/stage.log" | tail -n 30 | sed 's/^/#   /'
tap_end
