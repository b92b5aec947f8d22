#!/bin/sh
# fault: F18 journal volume full (small tmpfs)
# budget: <= 2 s after cure
# budget_ms: 2000
# measured: from the moment the volume has room again until a new trade has come through all stages
# remark: held_ms: from the moment the volume is full until the sources are held; alert_ms: until the alert is raised
# Sources are stopped first, nothing is overwritten, and what could not be written is when there is room.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
vol=$AP_T_DIR/vol
fault_volume "$vol" size=96m || skip_all "no small volume can be mounted here"
fault_up -o journal.dir="$vol/journal" -o journal.min_free_mb=1 -o journal.segment_mb=4

held() { logged ap-ingest.0 'ev=sources_held why=disk'; }
fill() { # to the last page
	dd if=/dev/zero of="$vol/ballast" bs=64k 2>/dev/null
	:
}
alerted() { curl -s "$AP_METRICS_URL" | grep -q '^alphapulse_journal_full.* 1$'; }
load_start
while next_trial; do
	t=$(mono)
	fill
	if ms_until 30 "$t" held; then held_ms=$took_ms; else not_ok "sources are held"; fi
	if ms_until 30 "$t" alerted; then alert_ms=$took_ms; else not_ok "it is told"; fi
	sleep 1
	rm "$vol/ballast"
	t=$(mono)
	flow "$t" && trial "$flow_ms" held_ms="$held_ms" alert_ms="$alert_ms"
done
fault_end
