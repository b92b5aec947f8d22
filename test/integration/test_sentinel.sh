#!/bin/sh
# A primary with a replica under three Sentinels: programs go to the primary and to no other server, and follow a switch.
# shellcheck disable=SC2317  # functions called by name
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
. test/lib/topology.sh
toy=${AP_TOOLS:-build/test/tools}/toy
[ -x "$toy" ] || skip_all "toy is not built"
need redis-server redis-cli
servers_init 22100 22399
tap_tmp=$AP_T_DIR/tap.out
node_start a
node_start b --replicaof 127.0.0.1 "$(node_port a)"
sentinels_start a
export AP_REDIS__URL="$AP_REDIS_URL" AP_RUNTIME__STREAM_MAX=100000000 AP_DATA__PARTITIONS=2 AP_RUNTIME__BACKOFF_MAX_MS=2000
run() { toy_verb=$1; shift; timeout 10 "$toy" "$toy_verb" -c /dev/null "$@"; }
same() { run check >"$AP_T_DIR/check.out" 2>&1; }
all_copied() { wait_for 30 same || { cat "$AP_T_DIR/check.out"; return 1; }; }
fed() { run feed "$@" >/dev/null 2>&1; }
log_has() { grep -q "$1" "$AP_T_DIR/stage.log"; }
logs_on_failure() { [ "$tap_bad" -eq 0 ] || tail -n 25 "$AP_T_DIR"/stage.log "$AP_T_DIR"/sentinel1.log | sed 's/^/#   /'; }

check "the Sentinels are asked where the primary is: functions, data set" run setup
equal "there it is" "$(ncli a hget ap:dataset id)" "$(ncli b hget ap:dataset id)"
bg stage "$toy" stage -c /dev/null -o runtime.worker=w1
check "records go in" run feed 200 5
check "and are copied" all_copied

was=$(primary_port)
node_kill a
moved() { now=$(primary_port) && [ -n "$now" ] && [ "$now" != "$was" ]; }
check "the Sentinels make the replica the primary" wait_for 30 moved
check "records go in there" wait_for 30 fed 100 5
check "and are copied" all_copied
check "the switch is in the log" log_has 'ev=redis_primary name=alphapulse'

# The old primary comes back, as a primary that nobody has told yet; what it holds is a past that was left.
before=$(ncli b hget 'ap:{0}:state:normalize' n)
node_start a
equal "the old primary says of itself that it is one" master "$(ncli a role | head -1)"
check "records go on to the new one" run feed 50 5
check "and are copied there" all_copied
after=$(ncli b hget 'ap:{0}:state:normalize' n)
check "where they are" test "$((after - before))" -eq 250
a_is_replica() { [ "$(ncli a role | head -1)" = slave ]; }
check "it is made a replica" wait_for 30 a_is_replica
check "records go in once more" run feed 50 5
check "and are copied" all_copied

# A primary that is one no longer, without a loss of any connection: writes are refused, and the new place is asked for.
wait_for 20 sentinels_agree
bg stage2 sh -c "i=0; while [ \$i -lt 40 ]; do timeout 10 $toy feed -c /dev/null 20 5 >/dev/null 2>&1; i=\$((i + 1)); sleep 0.1; done"
was=$(primary_port)
# Now and then Sentinel itself gives one up (-failover-abort-slave-timeout): it is asked again, and says so while it is at it.
switched() { moved || { scli 1 sentinel failover alphapulse >/dev/null 2>&1 && false; }; }
check "a switch that was asked for" wait_for 60 switched
wait "$BG_PID"
check "under load: all is copied, nothing twice" all_copied
logs_on_failure
tap_end
