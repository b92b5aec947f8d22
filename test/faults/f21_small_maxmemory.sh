#!/bin/sh
# fault: F21 Redis has no memory left (maxmemory, noeviction)
# budget: <= 2 s after trim
# budget_ms: 2000
# measured: trimmed: from the moment that trimming has made room, raised: that the limit is raised, until a new trade has come through
# remark: only appends are refused: sources wait; commits are let through, since they are how streams get shorter
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
# What is not trimmed is small, so that the limit can be: streams in small pieces, few ids remembered, few forming candles.
fault_up -o persist.keep_min=0 -o persist.trim_ms=500 -o normalize.dedup_ids=4096 -o runtime.live_max=16
rcli CONFIG SET stream-node-max-bytes 4096 >/dev/null

used() { rcli INFO memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'; }
limit() { rcli CONFIG SET maxmemory "$1" >/dev/null; }
room() { [ "$(used)" -lt "$most" ]; }
errors() { rcli INFO errorstats | sed -n 's/^errorstat_OOM:count=\([0-9]*\).*/\1/p'; }
refused() { [ "$(errors)" -gt "${before:-0}" ] && logged ap-ingest.0 'why=OOM'; }
# Trades in one go, to the socket that acknowledges: each is answered once it is in its stream.
burst() {
	awk -v k="$1" -v t="$(date +%s)" 'BEGIN { pad = sprintf("%01500d", 0); for (i = 0; i < 4000; i++)
		printf "{\"source\":\"burst%d\",\"symbol\":\"B%d-USD\",\"price\":\"%d\",\"quantity\":\"1\",\"timestamp\":%s000,\"trade_id\":\"%d\",\"note\":\"%s\"}\n", k, i % 9, 100 + i % 7, t, i, pad }' \
		>"$AP_T_DIR/burst"
	"$AP_TOOLS/tcp" "${AP_INGEST_ACK%:*}" "${AP_INGEST_ACK##*:}" 120 <"$AP_T_DIR/burst" >"$AP_T_DIR/acked" 2>&1
}

load_start
while next_trial; do
	for kind in trimmed raised; do
		# What is there now is what cannot be trimmed.
		ctl drain --timeout 60 >/dev/null 2>&1
		sleep 1.5
		log_mark
		before=$(errors)
		# Room for a part of the burst; or less than is used already.
		most=$(($(used) + 3000000))
		[ $kind = trimmed ] || most=1000000
		limit "$most"
		burst "$trial_k$kind" &
		sender=$!
		check "$kind: appends are refused" wait_for 20 refused
		if [ $kind = trimmed ]; then
			check "trimmed: the pipeline makes room by itself" wait_for 60 room
		else
			sleep 2
			limit 0
		fi
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind="$kind"
		wait "$sender"
		equal "$kind: every trade of the burst was acknowledged" 4000 "$(grep -c '"id"' "$AP_T_DIR/acked")"
		limit 0
	done
done
fault_end
