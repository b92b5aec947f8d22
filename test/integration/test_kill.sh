#!/bin/sh
# kill -9 of any process at any moment, of Redis and of PostgreSQL, and a tape cut anywhere: the rows are
# those of an undisturbed run. AP_KILLS (default 20) kills of each target.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
kills=${AP_KILLS:-20}
# The tape is 7,200 s long; it is to last about as long as the killing does.
speed=$((7200 / (kills * 5)))
targets="ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-metrics.0 ap-api.0 ap-ingest.0 redis postgres"

# A tape of two sources' worth of symbols: ids, some repeated, some out of order, a few that are not valid.
awk -v seed="${AP_SEED:-11}" 'BEGIN { srand(seed); p = 50; t = 1700000000000
	for (i = 1; i <= 60000; i++) { p += (rand() - 0.5) / 8; if (p < 1) p = 1; t += int(rand() * 240)
		id = rand() < 0.01 && i > 50 ? i - int(rand() * 40) : i
		printf "{\"source\":\"s%d\",\"symbol\":\"K%d-USD\",\"price\":\"%s\",\"quantity\":\"%.6f\",\"timestamp\":%.0f,\"trade_id\":\"%d\"}\n",
			i % 2, i % 7, rand() < 0.001 ? "-1" : sprintf("%.4f", p), rand() * 3 + 0.000001, t - int(rand() * 3000), id } }' >"$AP_P_DIR.ndjson"
tape=$AP_P_DIR.ndjson
trap 'pipe_done; rm -f "$tape"' EXIT

# --- undisturbed ------------------------------------------------------------
check "undisturbed: pipeline comes up" pipe_up
check "undisturbed: replayed" replay "$tape" --format ndjson --close
check "undisturbed: stored" ctl drain --timeout 120
undisturbed=$(rows_digest)
check "undisturbed: goes down" pipe_down
rm -rf "${AP_P_DIR:?}"/*

# --- disturbed --------------------------------------------------------------
# A server that is killed as it starts is in a loop and waits longer each time: here it is to be killed often, not rarely.
check "disturbed: pipeline comes up" pipe_up -o supervisor.backoff_max_ms=2000
# The tape is cut wherever it happens to be and begun again, until one run reaches its end.
(
	cuts=0
	echo 0 >"$AP_P_DIR/cuts"
	while [ $cuts -lt "$kills" ]; do
		# The program itself, no function: $! of a function is a shell's, and the program would outlive it.
		"$AP_BIN/ap-ingest" -c "$AP_P_DIR/alphapulse.conf" --replay "$tape" --format ndjson --close --speed $speed \
			>"$AP_P_DIR/replay.out" 2>&1 &
		r=$!
		sleep "$(awk -v s="$cuts" 'BEGIN { srand(s); rand(); printf "%.2f", 0.5 + rand() * 4 }')"
		kill -9 $r 2>/dev/null && cuts=$((cuts + 1))
		wait $r 2>/dev/null && break
		echo $cuts >"$AP_P_DIR/cuts"
	done
	until replay "$tape" --format ndjson --close --speed $speed >"$AP_P_DIR/replay.out" 2>&1; do sleep 0.2; done
) &
feeder=$!

pid_of() {
	sed -n "s/.*\"name\":\"$1\".*\"pid\":\([0-9]*\).*/\1/p" "$AP_P_DIR/run/supervisor.json"
}
awk -v n="$kills" -v seed="${AP_SEED:-11}" -v list="$targets" 'BEGIN { srand(seed); m = split(list, t, " ")
	for (k = 0; k < n; k++) for (i = 1; i <= m; i++) printf "%.6f %s %.2f\n", rand(), t[i], 0.05 + rand() * 0.7 }' | sort >"$AP_P_DIR/kills"
while read -r _ target pause; do
	sleep "$pause"
	tries=0 pid=$(pid_of "$target")
	while { [ -z "$pid" ] || [ "$pid" = 0 ] || ! kill -9 "$pid" 2>/dev/null; } && [ $tries -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1)) pid=$(pid_of "$target")
	done
	[ $tries -lt 100 ] && echo "$target" >>"$AP_P_DIR/killed"
done <"$AP_P_DIR/kills"
wait $feeder
# What was killed last may still be on its way back, with a pause that has grown.
answers() { psql_q 'SELECT 1' && rcli ping; }
i=0
while ! answers >/dev/null 2>&1 && [ $i -lt 600 ]; do
	sleep 0.1
	i=$((i + 1))
done
check "both servers are back" answers
check "the tape was cut $(cat "$AP_P_DIR/cuts") times and reached its end" test "$(cat "$AP_P_DIR/cuts")" -ge "$kills"
for target in $targets; do
	equal "$target was killed" "$kills" "$(grep -c "^$target\$" "$AP_P_DIR/killed")"
done
check "disturbed: stored" ctl drain --timeout 120
equal "rows are those of the undisturbed run" "$undisturbed" "$(rows_digest)"
equal "nothing was lost on the way" 0 "$(psql_q "SELECT coalesce(sum(lost), 0) FROM sink_cursors")"
equal "every candle equals the database's own from the stored trades" "" "$(psql -X -q -At "$AP_PG_URL" -f test/lib/recompute.sql | head -5)"
check "the reconciler agrees: trades, candles, indicators" ctl verify
check "disturbed: goes down" pipe_down
tap_end
