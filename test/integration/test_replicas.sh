#!/bin/sh
# redis.wait_replicas = 1: without a replica nothing is acknowledged and nothing stored, with it everything is.
# shellcheck disable=SC2317,SC2154  # functions called by name; present and other are set by roles
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/lib_topology.sh
fault_init
fault_up_sentinel -o redis.wait_replicas=1
check "the replica follows" wait_for 60 caught_up
ncli "$other" replicaof 127.0.0.1 1 >/dev/null
trade='{"source":"PRBx","symbol":"PRB-USD","price":"1.5","quantity":"2","timestamp":1700000000000,"trade_id":"alone"}'
answer() { printf "%s\n" "$trade" | "$AP_TOOLS/tcp" "${AP_INGEST_ACK%:*}" "${AP_INGEST_ACK##*:}" "$1"; }
rows() { psql_q "SELECT count(*) FROM normalized_data WHERE trade_id = 'alone'"; }
stored() { [ "$(rows)" = 1 ]; }
answer 60 >"$AP_T_DIR/answer" 2>&1 &
pid=$!
check "it is said that replicas are short" wait_for 30 logged ap-ingest.0 'ev=replicas_short'
sleep 1
equal "the message is not acknowledged" "" "$(cat "$AP_T_DIR/answer")"
equal "and not stored" 0 "$(rows)"
ncli "$other" replicaof 127.0.0.1 "$(node_port "$present")" >/dev/null
wait $pid
check "with the replica back it is acknowledged" grep -q '"message_id"' "$AP_T_DIR/answer"
check "and stored" wait_for 60 stored
check "which is said as well" wait_for 30 logged ap-ingest.0 'ev=replicas_back'
check "all is stored" ctl drain --timeout 120
check "apctl verify agrees" ctl verify
tap_end
