#!/bin/sh
# Quotes through the whole pipeline: NDJSON in, rows and bars in PostgreSQL as SQL itself computes them, REST, tail, verify.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
d=$AP_P_DIR

# Two series, nine minutes, some quotes out of order; a crowded minute in the second one; trades between them.
awk 'BEGIN { srand(3); t0 = 1700000040000
	for (i = 0; i < 900; i++) for (s = 0; s < 2; s++) {
		if (s == 1 && i >= 300 && i < 400) n = 6; else n = 1
		for (k = 0; k < n; k++) {
			t = t0 + i * 600 + k * 90 - int(rand() * 1500); if (t < t0) t = t0
			bid = 100 + int(rand() * 400) / 100; ask = bid + int(rand() * 30) / 1000; seq++
			printf "{\"source\":\"qs\",\"symbol\":\"Q%d-USD\",\"bid\":\"%.2f\",\"bid_size\":\"%.3f\",\"ask\":\"%.3f\",\"ask_size\":%d,\"timestamp\":%.0f,\"seq\":%d}\n",
				s, bid, rand(), ask, rand() * 9, t, seq }
		if (i % 10 == 0) printf "{\"source\":\"qs\",\"symbol\":\"Q%d-USD\",\"price\":\"%.2f\",\"quantity\":\"1\",\"timestamp\":%.0f,\"trade_id\":%d}\n",
			s, bid, t0 + i * 600, i } }' >"$d/q.ndjson"
line='"source":"qs","symbol":"Q0-USD","timestamp":1700000100000'
printf '{%s,%s}\n' "$line" '"bid":"10.2","ask":"10.1"' "$line" '"bid":0,"ask":1' "$line" '"bid":1,"bid_size":-1,"ask":2' "$line" '"bid":3' \
	"$line" '"bid":101,"ask":101.5,"seq":77777' "$line" '"bid":"101.0","ask":"101.50","seq":"77777"' "$line" '"bid":102,"ask":102.0' >>"$d/q.ndjson"

check "the pipeline starts" pipe_up -o candle.timeframes=1m,5m,1h
check "quotes go in" replay "$d/q.ndjson" --format ndjson --close
check "and are stored" ctl drain
equal "each quote is a row, the exact repeat and the refused ones with their reasons" \
	"quote duplicate duplicate 1;quote invalid crossed 1;quote invalid missing_field 1;quote invalid price_not_positive 1;quote invalid quantity_negative 1;quote valid  2302;trade valid  180" \
	"$(psql_q "SELECT string_agg(concat_ws(' ', data_type, validation_status, coalesce(why, ''), n), ';' ORDER BY data_type, validation_status, why)
		FROM (SELECT data_type, validation_status, validation_errors->0->>'reason' AS why, count(*) AS n FROM normalized_data GROUP BY 1, 2, 3) x")"

# SQL's own bars: one quote an instant, the last by number; each lasts until the next, the last one until the close.
psql_q "CREATE TABLE own AS
	WITH q AS (SELECT b.timeframe, b.source, b.symbol, b.open_time, b.close_time, n.timestamp AS ts, (n.normalized_data->>'seq')::numeric AS seq,
			(n.normalized_data->>'bid')::numeric AS bid, (n.normalized_data->>'ask')::numeric AS ask
		FROM quote_bars b JOIN normalized_data n ON n.symbol = b.symbol AND n.source = b.source AND n.timestamp >= b.open_time AND
			n.timestamp < b.close_time AND n.data_type = 'quote' AND n.validation_status = 'valid'),
	i AS (SELECT *, row_number() OVER w AS nth, lead(ts) OVER w AS next FROM (SELECT DISTINCT ON (timeframe, source, symbol, open_time, ts) *
			FROM q ORDER BY timeframe, source, symbol, open_time, ts, seq DESC) x WINDOW w AS (PARTITION BY timeframe, source, symbol, open_time ORDER BY ts)),
	m AS (SELECT timeframe, source, symbol, open_time,
			sum((ask - bid) * extract(epoch FROM coalesce(next, close_time) - ts)) / extract(epoch FROM max(close_time) - min(ts)) AS mean
		FROM i GROUP BY 1, 2, 3, 4)
	SELECT q.timeframe, q.symbol, q.open_time, count(*) AS n, count(*) FILTER (WHERE bid = ask) AS locked,
		(array_agg(bid ORDER BY ts, seq))[1] AS bid_open, max(bid) AS bid_high, min(bid) AS bid_low, (array_agg(bid ORDER BY ts DESC, seq DESC))[1] AS bid_close,
		(array_agg(ask ORDER BY ts, seq))[1] AS ask_open, max(ask) AS ask_high, min(ask) AS ask_low, (array_agg(ask ORDER BY ts DESC, seq DESC))[1] AS ask_close,
		(array_agg(bid + ask ORDER BY ts, seq))[1] / 2 AS mid_open, max(bid + ask) / 2 AS mid_high, min(bid + ask) / 2 AS mid_low,
		min(ask - bid) AS smin, max(ask - bid) AS smax, round(min(m.mean), 18) AS mean
	FROM q JOIN m USING (timeframe, source, symbol, open_time) GROUP BY 1, 2, 3"
equal "every bar is what SQL computes" "26|26" "$(psql_q "SELECT count(*) FILTER (WHERE (b.quote_count, b.locked_count, b.bid_open, b.bid_high, b.bid_low,
		b.bid_close, b.ask_open, b.ask_high, b.ask_low, b.ask_close, b.mid_open, b.mid_high, b.mid_low, b.spread_min, b.spread_max) =
		(o.n, o.locked, o.bid_open, o.bid_high, o.bid_low, o.bid_close, o.ask_open, o.ask_high, o.ask_low, o.ask_close, o.mid_open, o.mid_high,
		o.mid_low, o.smin, o.smax)), count(*) FROM quote_bars b JOIN own o USING (timeframe, symbol, open_time)")"
equal "so is the mean spread, where it is exact" "t" "$(psql_q "SELECT count(*) > 15 AND bool_and(abs(b.spread_mean - o.mean) <= 1e-18)
		FROM quote_bars b JOIN own o USING (timeframe, symbol, open_time) WHERE resolution_ms = 0")"
check "a crowded minute says how coarse its mean is, and is near" sh -c "test \"$(psql_q "SELECT bool_and(abs(b.spread_mean - o.mean) < 0.001)
		AND max(resolution_ms) BETWEEN 128 AND 1024 FROM quote_bars b JOIN own o USING (timeframe, symbol, open_time) WHERE resolution_ms > 0")\" = t"
check "verify agrees" ctl verify
equal "having compared all bars" 26 "$(ctl verify --json | jq .quote_bars)"
psql_q "UPDATE quote_bars SET spread_mean = spread_mean + 1e-18 WHERE timeframe = '1m' AND symbol = 'Q0-USD' AND open_time = '2023-11-14 22:15:00Z'"
check "a mean that is wrong in its last digit is found" sh -c "'$AP_BIN/apctl' verify --dir '$d' | grep -q 'quote bar qs Q0-USD 1m 2023-11-14T22:15:00Z: spread_mean'"
psql_q "DELETE FROM quote_bars WHERE timeframe = '1m' AND symbol = 'Q0-USD' AND open_time = '2023-11-14 22:15:00Z'"
check "so is a bar that is missing" sh -c "'$AP_BIN/apctl' verify --dir '$d' | grep -q 'quote bar qs Q0-USD 1m .*: expected a bar of this quote, stored none'"

api="$AP_API_URL/api/streaming"
equal "REST answers the stored bars, oldest first" "qs 5m 3 final 2.5" \
	"$(curl -s "$api/quotes/Q1USD?timeframe=5m" | jq -r '"\(.source) \(.timeframe) \(.quote_bars | length) \(.quote_bars[0].state) \(if .quote_bars[0].spread.mean < .quote_bars[0].spread.max then 2.5 else 0 end)"')"
equal "data/ has the newest bar and quote beside the candles" "Q1-USD 1m true" \
	"$(curl -s "$api/data/Q1-USD" | jq -r '"\(.quote_bar.symbol) \(.quote_bar.timeframe) \(.last_quote.ask >= .last_quote.bid)"')"
equal "a symbol that never quoted is not found" 404 "$(curl -s -o /dev/null -w '%{http_code}' "$api/quotes/NOBODY-USD")"
equal "a posted quote is processed" "processed valid" "$(curl -s -X POST "$api/process?wait_ms=5000" -d '{"symbol":"P-USD","data_type":"quote",
	"data":{"bid":1.5,"ask":1.6,"timestamp":1700000000}}' | jq -r '"\(.status) \(.result.status)"')"
equal "and a crossed one refused with the reason" "crossed" "$(curl -s -X POST "$api/process?wait_ms=5000" -d '{"symbol":"P-USD","data_type":"quote",
	"data":{"bid":1.7,"ask":1.6,"timestamp":1700000000}}' | jq -r '.result.errors[0].reason')"
part=$(for p in 0 1 2 3; do rcli xlen "ap:{$p}:candle" | grep -qx 0 || echo "$p"; done | head -n 1)
check "apctl tail prints them" sh -c "'$AP_BIN/apctl' tail --dir '$d' 'ap:{$part}:candle' --from 0 --count 30 | grep -q '\"kind\":\"quotebar\"'"
psql_q "SELECT symbol || '|' || to_char(open_time, 'YYYY-MM-DD\"T\"HH24:MI:SS.000\"Z\"') || '|' || n || '|' || trim_scale(bid_close) FROM own WHERE timeframe = '1m'" | sort >"$d/stored"
pipe_down >/dev/null

# Without any server: the same bars.
"$AP_BIN/ap-normalize" --file <"$d/q.ndjson" | "$AP_BIN/ap-candle" --file --json >"$d/bars"
jq -r 'select(.kind == "quotebar" and .timeframe == "1m" and .state != "forming") | "\(.symbol)|\(.open_time)|\(.revision)|\(.quote_count)|\(.bid_close)"' "$d/bars" |
	sort -t '|' -k1,2 -k3,3nr | awk -F '|' '!seen[$1, $2]++ { print $1 "|" $2 "|" $4 "|" $5 }' | sort >"$d/file"
equal "the stages joined by pipes make the same bars of the minutes that are over" "16 0" "$(wc -l <"$d/file") $(comm -23 "$d/file" "$d/stored" | wc -l)"
tap_end
