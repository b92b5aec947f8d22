#!/bin/sh
# apctl verify: an untouched run agrees; each difference that is planted into the database is found and named; taken
# out again, the run agrees as before.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
trades=$AP_SHARED/data/trades

# verify TEXT EXIT REGEX... [-- option...]: what apctl verify says and how it exits. Every REGEX must match a line.
verify() {
	text=$1 want=$2 missing=
	shift 2
	: >"$AP_P_DIR/wanted"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		printf '%s\n' "$1" >>"$AP_P_DIR/wanted"
		shift
	done
	[ $# -eq 0 ] || shift
	ctl verify "$@" >"$AP_P_DIR/verify.out" 2>&1
	got=$?
	while read -r line; do
		grep -qE "$line" "$AP_P_DIR/verify.out" || missing="$missing [$line]"
	done <"$AP_P_DIR/wanted"
	if [ $got -eq "$want" ] && [ -z "$missing" ]; then
		ok "$text"
	else
		not_ok "$text: exit $got, not said:$missing"
		head -n 12 "$AP_P_DIR/verify.out" | sed 's/^/#   /'
	fi
}

# planted TEXT "SQL that does it" "SQL that takes it back" REGEX...
planted() {
	p_text=$1 p_do=$2 p_undo=$3
	shift 3
	psql_q "$p_do" >/dev/null || not_ok "$p_text: planting"
	verify "$p_text" 1 '^DIFFERS' "$@" -- --count 200
	psql_q "$p_undo" >/dev/null || not_ok "$p_text: taking it back"
}

check "pipeline comes up" pipe_up
verify "an empty database agrees" 0 '^agrees: 0 differences; 0 trades, 0 candles'

# Two symbols with ids, one without; equal times, times in nanoseconds, no order, prices with 8 and sizes with 10 decimals, ids
# sent twice, trades that are none.
awk 'BEGIN { srand(5); p = 100; t = 1700000000
	for (i = 1; i <= 12000; i++) { p += (rand() - 0.5) / 4; if (p < 1) p = 1; if (rand() < 0.6) t += int(rand() * 3)
		id = i % 3 == 0 ? "" : sprintf(",\"trade_id\":\"%d\"", rand() < 0.01 && i > 50 ? i - 3 * int(rand() * 9) : i)
		printf "{\"source\":\"gen\",\"symbol\":\"V%d-USD\",\"price\":\"%s\",\"quantity\":\"%.10f\",\"timestamp\":\"%d%09d\"%s,\"side\":\"%s\"}\n",
			i % 3, rand() < 0.001 ? "-1" : sprintf("%.8f", p), rand() * 10 + 0.0000000001, t - int(rand() * 2),
			int(rand() * 3) * 1000000 + int(rand() * 3), id, rand() < 0.5 ? "buy" : "sell" } }' >"$AP_P_DIR/gen.ndjson"
check "replayed" replay "$AP_P_DIR/gen.ndjson" --format ndjson --close
check "stored" ctl drain --timeout 120
verify "an untouched run agrees" 0 '^agrees: 0 differences; 1[0-9]{4} trades, [0-9]+ candles \(0 filled, 0 more are forming\), [0-9]+ sums, [0-9]+ indicator values, 0 quote bars, 12000 messages, 12000 journaled ones compared$'
verify "the same as JSON" 0 '"agree":true,"differences":0' -- --json
verify "candles of another zone are not made again from trades, and that is said" 0 \
	'^agrees: 0 differences; .*another zone \(candle.zone\) were not made again' -- -o candle.zone=America/New_York
verify "nor are candles of trading hours; sums and values are compared" 0 \
	'^agrees: .* [1-9][0-9]* sums, [1-9][0-9]* indicator values.*trading hours \(candle.sessions\)' -- -o 'candle.sessions=[{"open":"09:30","close":"16:00"}]'
verify "one symbol alone agrees" 0 '^agrees: 0 differences; [1-4][0-9]{3} trades.* 0 messages' -- --source gen --symbol V1-USD
verify "a span of time alone agrees" 0 '^agrees: 0 differences; [1-9][0-9]* trades' -- --from 2023-11-14T23:00:00Z --to 2023-11-15T00:00:00Z

# --- planted ------------------------------------------------------------------
at="source = 'gen' AND symbol = 'V1-USD'"
one="$at AND timeframe = '1m' AND open_time = '2023-11-14 22:30Z'"
planted "a volume off by 1e-8" \
	"UPDATE realtime_candles SET volume = volume + 0.00000001 WHERE $one" \
	"UPDATE realtime_candles SET volume = volume - 0.00000001 WHERE $one" \
	'candle gen V1-USD 1m 2023-11-14T22:30:00Z: volume: expected [0-9.]+, stored [0-9.]+' \
	'sum of 1m gen V1-USD 5m 2023-11-14T22:30:00Z: volume: ' 'sum of 1m gen V1-USD 1d 2023-11-14T00:00:00Z: volume: '
planted "the last digit of a turnover" \
	"UPDATE realtime_candles SET quote_volume = quote_volume + 1e-18 WHERE $one" \
	"UPDATE realtime_candles SET quote_volume = quote_volume - 1e-18 WHERE $one" \
	'candle gen V1-USD 1m 2023-11-14T22:30:00Z: quote_volume: '
for col in open_price high_price low_price close_price vwap; do
	planted "a wrong $col of a day" \
		"UPDATE realtime_candles SET $col = $col + 1e-12 WHERE $at AND timeframe = '1d' AND open_time = '2023-11-14'" \
		"UPDATE realtime_candles SET $col = $col - 1e-12 WHERE $at AND timeframe = '1d' AND open_time = '2023-11-14'" \
		"candle gen V1-USD 1d 2023-11-14T00:00:00Z: $col: expected"
done
planted "a wrong trade count" \
	"UPDATE realtime_candles SET trade_count = trade_count + 1 WHERE $one" \
	"UPDATE realtime_candles SET trade_count = trade_count - 1 WHERE $one" \
	'candle gen V1-USD 1m 2023-11-14T22:30:00Z: trade_count: expected ([0-9]+), stored'
psql_q "CREATE TABLE kept_trade AS SELECT * FROM normalized_data WHERE $at AND validation_status = 'valid'
	AND timestamp >= '2023-11-14 22:31Z' ORDER BY timestamp, trade_id LIMIT 1;
	CREATE TABLE kept_plain AS SELECT * FROM normalized_data WHERE symbol = 'V0-USD' AND validation_status = 'valid'
	AND timestamp >= '2023-11-14 22:41Z' ORDER BY timestamp, record_key LIMIT 1;
	CREATE TABLE kept_candle AS SELECT * FROM realtime_candles WHERE $one;
	CREATE TABLE kept_value AS SELECT * FROM technical_indicators WHERE $at AND timeframe = '5m' AND indicator_name = 'RSI'
	ORDER BY timestamp LIMIT 1;
	CREATE TABLE kept_message AS SELECT * FROM stream_messages ORDER BY message_id LIMIT 1"
planted "a missing trade" \
	"DELETE FROM normalized_data d USING kept_trade k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	"INSERT INTO normalized_data SELECT * FROM kept_trade" \
	'candle gen V1-USD 1m 2023-11-14T22:31:00Z: trade_count' 'candle gen V1-USD 4h .*: volume' \
	"message $(psql_q 'SELECT original_message_id FROM kept_trade') of origin [0-9a-f]+: normalized_data: expected a trade or a reject, stored none"
planted "a doubled trade" \
	"INSERT INTO normalized_data SELECT (jsonb_populate_record(k, '{\"record_key\":\"#0:1-0-0.0\"}')).* FROM kept_trade k" \
	"DELETE FROM normalized_data WHERE record_key = '#0:1-0-0.0'" \
	'candle gen V1-USD 1m 2023-11-14T22:31:00Z: trade_count' 'candle gen V1-USD 15m .*: volume'
planted "a doubled trade of a venue without ids" \
	"INSERT INTO normalized_data SELECT (jsonb_populate_record(k, '{\"record_key\":\"#0:1-0-0.0\"}')).* FROM kept_plain k" \
	"DELETE FROM normalized_data WHERE record_key = '#0:1-0-0.0'" \
	'candle gen V0-USD 1m 2023-11-14T22:41:00Z: trade_count'
planted "a trade's size changed in the tenth decimal" \
	"UPDATE normalized_data d SET quantity = d.quantity + 1e-10 FROM kept_plain k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	"UPDATE normalized_data d SET quantity = k.quantity FROM kept_plain k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	'candle gen V0-USD 1m 2023-11-14T22:41:00Z: volume'
planted "a missing candle" \
	"DELETE FROM realtime_candles WHERE $one" "INSERT INTO realtime_candles SELECT * FROM kept_candle" \
	'candle gen V1-USD 1m 2023-11-14T22:30:00Z: row: expected a candle of [0-9]+ trades, stored none' 'sum of 1m gen V1-USD 15m '
planted "the last day's candle missing" \
	"CREATE TABLE kept_day AS SELECT * FROM realtime_candles WHERE $at AND timeframe = '1d' AND open_time = '2023-11-14';
	DELETE FROM realtime_candles WHERE $at AND timeframe = '1d' AND open_time = '2023-11-14'" \
	"INSERT INTO realtime_candles SELECT * FROM kept_day; DROP TABLE kept_day" \
	'candle gen V1-USD 1d 2023-11-14T00:00:00Z: row: expected a candle'
planted "a candle without trades" \
	"INSERT INTO realtime_candles SELECT (jsonb_populate_record(k, '{\"open_time\":\"2023-11-13T00:00:00Z\"}')).* FROM kept_candle k" \
	"DELETE FROM realtime_candles WHERE open_time = '2023-11-13'" \
	'candle gen V1-USD 1m 2023-11-13T00:00:00Z: row: expected no candle'
value="$at AND timeframe = '1m' AND timestamp = '2023-11-14 23:00Z'"
for name in SMA EMA RSI MACD_HIST BBANDS_LOWER; do
	planted "a wrong $name, by 1e-7 of itself" \
		"CREATE TABLE kept_values AS SELECT * FROM technical_indicators WHERE $value AND indicator_name = '$name';
		UPDATE technical_indicators SET value = value * 1.0000001 + (indicator_name = 'MACD_HIST')::int * 1e-6 WHERE $value AND indicator_name = '$name'" \
		"UPDATE technical_indicators t SET value = k.value FROM kept_values k WHERE (t.source, t.symbol, t.timeframe, t.timestamp, t.indicator_name, t.parameters)
		= (k.source, k.symbol, k.timeframe, k.timestamp, k.indicator_name, k.parameters); DROP TABLE kept_values" \
		"indicator gen V1-USD 1m 2023-11-14T23:00:00Z: $name .*: expected -?[0-9.e-]+, stored"
done
planted "a missing indicator value" \
	"DELETE FROM technical_indicators t USING kept_value k WHERE (t.source, t.symbol, t.timeframe, t.timestamp, t.indicator_name) = (k.source, k.symbol, k.timeframe, k.timestamp, k.indicator_name)" \
	"INSERT INTO technical_indicators SELECT * FROM kept_value" \
	'indicator gen V1-USD 5m .*: RSI ..period.: 14.: expected [0-9.]+, stored none'
planted "an indicator value too many" \
	"INSERT INTO technical_indicators SELECT (jsonb_populate_record(k, '{\"indicator_name\":\"SMA\",\"parameters\":{\"period\":20}}')).* FROM kept_value k" \
	"DELETE FROM technical_indicators t USING kept_value k WHERE t.timestamp = k.timestamp AND t.timeframe = '5m' AND t.symbol = k.symbol AND t.indicator_name = 'SMA'" \
	'indicator gen V1-USD 5m .*: SMA .*: expected none: too few candles, stored'
# A message of which nothing at all is stored: only the journal knows of it.
psql_q "CREATE TABLE gone AS SELECT origin FROM processing_results WHERE success ORDER BY origin OFFSET 500 LIMIT 1;
	CREATE TABLE gone_message AS SELECT s.* FROM stream_messages s JOIN gone USING (origin);
	CREATE TABLE gone_result AS SELECT s.* FROM processing_results s JOIN gone USING (origin);
	CREATE TABLE gone_row AS SELECT s.* FROM normalized_data s JOIN gone USING (origin)" >/dev/null
planted "a journaled message that is not stored is found" \
	"DELETE FROM stream_messages s USING gone WHERE s.origin = gone.origin; DELETE FROM processing_results s USING gone WHERE s.origin = gone.origin;
	DELETE FROM normalized_data s USING gone WHERE s.origin = gone.origin" \
	"INSERT INTO stream_messages SELECT * FROM gone_message; INSERT INTO processing_results SELECT * FROM gone_result;
	INSERT INTO normalized_data SELECT * FROM gone_row" \
	"journaled message of origin $(psql_q "SELECT lpad(to_hex(origin), 16, '0') FROM gone"): normalized_data: expected trade .* of gen V[0-9]-USD: .*, stored none" \
	'hour gen V[0-9]-USD 2023-11-1[45]T[0-9]{2}:00:00Z: trades in the journal: expected [0-9]+ with hash sum [0-9a-f]{32}, stored [0-9]+ with'
planted "a row of a message that nobody sent is found" \
	"INSERT INTO normalized_data SELECT (jsonb_populate_record(k, jsonb_build_object('origin', (origin >> 40 << 40) + 1000000, 'record_key', '#x'))).* FROM gone_row k" \
	"DELETE FROM normalized_data WHERE record_key = '#x'" \
	'journaled message .*: journal: expected no such message, stored a row'
planted "a trade stored twice under its message is found" \
	"INSERT INTO normalized_data SELECT (jsonb_populate_record(k, '{\"record_key\":\"#y\"}')).* FROM gone_row k" \
	"DELETE FROM normalized_data WHERE record_key = '#y'" \
	'journaled message .*: normalized_data: expected nothing more, stored trade '
planted "a price that is not the journal's is found" \
	"UPDATE normalized_data d SET price = d.price + 1e-8 FROM gone_row k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	"UPDATE normalized_data d SET price = k.price FROM gone_row k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	'journaled message .*: normalized_data: expected trade .*, stored trade ' 'hour gen V[0-9]-USD '
planted "a missing message" \
	"DELETE FROM stream_messages s USING kept_message k WHERE (s.message_id, s.partition) = (k.message_id, k.partition)" \
	"INSERT INTO stream_messages SELECT * FROM kept_message" \
	"message $(psql_q 'SELECT message_id FROM kept_message') of origin [0-9a-f]+: stream_messages: expected the message, stored none"
planted "a reject that was not kept" \
	"CREATE TABLE kept_reject AS SELECT * FROM normalized_data WHERE validation_status = 'invalid' LIMIT 1;
	DELETE FROM normalized_data d USING kept_reject k WHERE (d.timestamp, d.symbol, d.source, d.record_key) = (k.timestamp, k.symbol, k.source, k.record_key)" \
	"INSERT INTO normalized_data SELECT * FROM kept_reject; DROP TABLE kept_reject" \
	'message .*: normalized_data: expected a trade or a reject, stored none'
planted "an entry that was lost" \
	"UPDATE sink_cursors SET lost = 2 WHERE partition = 1 AND stream = 'tick'" \
	"UPDATE sink_cursors SET lost = 0 WHERE partition = 1 AND stream = 'tick'" 'stream tick of partition 1: lost: expected 0, stored 2'
psql_q "UPDATE realtime_candles SET volume = volume + 1 WHERE $one" >/dev/null
verify "a difference as JSON" 1 '"agree":false,.*"what":"candle","source":"gen","symbol":"V1-USD","timeframe":"1m","open":"2023-11-14T22:30:00Z","field":"volume"' -- --json
verify "no more differences are printed than asked for" 1 '^DIFFERS: [1-9]' -- --count 0
equal "and none at all" 1 "$(wc -l <"$AP_P_DIR/verify.out" | tr -d ' ')"
psql_q "UPDATE realtime_candles SET volume = volume - 1 WHERE $one; DROP TABLE kept_trade, kept_plain, kept_candle, kept_value, kept_message" >/dev/null
verify "all taken back, the run agrees" 0 '^agrees: 0 differences'

# --- a market that goes on ---
# Its candles are forming; a bar that does not follow the clock ends with its last trade, and that closes none of them.
printf '{"source":"live","symbol":"L-USD","price":"1","quantity":"1","timestamp":%s000,"trade_id":"1"}\n' "$(date +%s)" |
	"$AP_TOOLS/tcp" "${AP_INGEST_TCP%:*}" "${AP_INGEST_TCP##*:}" >/dev/null
check "live: stored" ctl drain --timeout 60
psql_q "INSERT INTO realtime_candles SELECT (jsonb_populate_record(k, jsonb_build_object('source', 'live', 'symbol', 'L-USD', 'timeframe', 'tick1',
	'open_time', now(), 'close_time', now() + interval '1 second'))).* FROM realtime_candles k LIMIT 1"
verify "a forming candle beside a bar of one trade is no difference" 0 '^agrees: 0 differences; .* [1-9][0-9]* more are forming'

# --- recorded markets -----------------------------------------------------------
if [ -d "$trades" ]; then
	check "recorded: BTCUSDT futures" replay "$trades/binance-usdm-BTCUSDT-trades-2024-08-08.csv.gz" --format binance-trades \
		--source binance_futures --symbol BTC-USDT-PERP --close
	check "recorded: SPY, which has no ids" replay "$trades/lean-usa-SPY-trades-2013-10-07.csv.gz" --format csv \
		--columns time,price,quantity,-,-,- --source lean_usa --symbol SPY-USD --close
	check "recorded: stored" ctl drain --timeout 180
	verify "recorded markets agree" 0 '^agrees: 0 differences'
else
	skip "recorded trades are not here"
fi
verify "a time that is none is a mistake" 100 'is not a time' -- --from yesterday
check "pipeline goes down" pipe_down
verify "without a server: try again" 111 'no PostgreSQL'
tap_end
