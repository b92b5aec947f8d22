#!/bin/sh
# Values and patterns of forming candles: told while they form, equal to the final ones when nothing more is traded, stored never.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
d=$AP_P_DIR

# Ninety minutes; the tape ends within the last one.
awk 'BEGIN { srand(9); p = 100
	for (i = 0; i < 5390; i++) { p += (rand() - 0.5) / 5
		printf "{\"source\":\"pv\",\"symbol\":\"P-USD\",\"price\":\"%.4f\",\"quantity\":\"%.3f\",\"timestamp\":%.0f,\"trade_id\":%d}\n",
			p, rand() + 0.001, 1700000040000 + i * 1000, i } }' >"$d/t.ndjson"
check "the pipeline starts" pipe_up -o candle.timeframes=1m -o indicators.provisional_ms=50
check "a tape that does not end goes in" replay "$d/t.ndjson" --format ndjson
ctl drain
api="$AP_API_URL/api/streaming/data/P-USD?timeframe=1m&limit=200"
newest() { curl -s "$api" | jq -c '.indicators[-1] | select(.open_time == "2023-11-14T23:43:00Z")'; }
tries=0
until [ "$(newest | jq -r .provisional)" = true ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
equal "the forming candle has values, marked" "forming true" "$(curl -s "$api" | jq -r '"\(.candles[-1].state) \(.indicators[-1].provisional)"')"
newest | jq -S .values >"$d/provisional"
check "as many as a final candle has" sh -c "test \$(jq length '$d/provisional') -gt 10"
curl -s "$api" | jq -c '[.signals[] | select(.kind == "pattern" and .open_time == "2023-11-14T23:43:00Z") | [.name, .strength]] | sort' >"$d/pat.provisional"
stored_records() {
	for p in 0 1 2 3; do
		n=$(rcli --raw hget "ap:{$p}:seq" indicator:n)
		[ -z "$n" ] || timeout -k 1 20 "$AP_BIN/apctl" tail --dir "$d" "ap:{$p}:indicator" --from 0 --count "$n" 2>/dev/null
	done
}
stored_records >"$d/stored"
check "final values are in the streams" grep -q '"provisional":false' "$d/stored"
equal "none of it is in the streams that are stored, or in the database" "0 0" "$(grep -c '"provisional":true' "$d/stored") $(psql_q \
	"SELECT count(*) FROM technical_indicators WHERE timestamp >= '2023-11-14 23:43:00Z'")"
check "the same tape with its end" replay "$d/t.ndjson" --format ndjson --close
check "is stored" ctl drain
tries=0
until [ "$(newest | jq -r .provisional)" = false ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
# Patterns come by another stream than values, a little later.
left() { curl -s "$api" | jq '[.indicators[], .signals[] | select(.provisional)] | length'; }
tries=0
until [ "$(left)" = 0 ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
equal "nothing provisional is left" 0 "$(left)"
newest | jq -S .values >"$d/final"
check "the final values are those that were provisional" cmp "$d/provisional" "$d/final"
curl -s "$api" | jq -c '[.signals[] | select(.kind == "pattern" and .open_time == "2023-11-14T23:43:00Z") | [.name, .strength]] | sort' >"$d/pat.final"
check "so are the patterns" cmp "$d/pat.provisional" "$d/pat.final"
check "verify agrees" ctl verify
tap_end
