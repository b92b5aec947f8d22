#!/bin/sh
# fault: F14 PostgreSQL away for minutes under load
# budget: <= 2 s; backlog <= 1/3 of the outage
# budget_ms: 2000
# measured: from the first connection that PostgreSQL takes again until rows are stored again
# remark: outage_ms, backlog_ms: how long it was away, and how long until all that had come in by its return was stored while as much went on coming
# slow: the outage alone lasts 20 s (AP_F14_MINUTES=10 for the long one; AP_F14_RATE trades a second, 1000)
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
outage_s=$((${AP_F14_MINUTES:-0} * 60)) rate=${AP_F14_RATE:-1000}
[ "$outage_s" -gt 0 ] || outage_s=20
fault_init
fault_up_apart

stored() { psql_q "SELECT sum(records) FROM sink_cursors WHERE stream = 'raw'"; }
moved() { [ "$(stored)" -gt "$before" ]; }
held() { grep -c 'ev=sources_held' "$AP_P_DIR/log/ap-ingest.0.log"; }

bg load "$AP_TOOLS/load" "$AP_INGEST_TCP" 1000000000 8 "$rate"
loader=$BG_PID
sleep 3
while next_trial; do
	ctl drain --timeout 120 >/dev/null 2>&1
	before=$(stored)
	t=$(mono)
	pg_stop
	sleep "$outage_s"
	check "ap-ingest goes on taking trades" kill -0 "$loader"
	outage=$(($(mono) - t))
	pg_launch
	t=$(mono)
	if ms_until 60 "$t" moved; then first=$took_ms; else not_ok "rows are stored again"; fi
	check "the backlog is stored" ctl drain --timeout $((outage_s + 120))
	backlog=$(($(mono) - t))
	[ "$tap_bad" -ne 0 ] || trial "$first" outage_ms="$outage" backlog_ms="$backlog" rate="$rate"
	[ "$outage_s" -lt 300 ] || check "the backlog of $outage ms is stored within a third of that ($backlog ms)" test $((backlog * 3)) -le "$outage"
done
equal "no source had to wait" 0 "$(held)"
kill "$loader"
fault_end
