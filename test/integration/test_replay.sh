#!/bin/sh
# Real trades through the whole pipeline into PostgreSQL: the candles must be exactly those that an independent
# script computed, and replaying a file again must change nothing. Where the recorded trades are not there, generated ones.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
trades=$AP_SHARED/data/trades

# expect TEXT SOURCE SYMBOL EXPECTED.csv: rows of realtime_candles against the file
expect() {
	zcat -f "$4" >"$AP_P_DIR/expected.csv"
	diff=$(psql -X -q -At -v ON_ERROR_STOP=1 "$AP_PG_URL" <<SQL 2>&1
CREATE TEMP TABLE e (exchange text, symbol text, interval text, open_time_ms bigint, open numeric, high numeric, low numeric, close numeric,
	volume numeric, quote_volume numeric, trade_count bigint, vwap numeric, first_trade_id text, last_trade_id text, complete int);
\\copy e FROM '$AP_P_DIR/expected.csv' CSV HEADER
SELECT 'expected rows', count(*) FROM e HAVING count(*) = 0;
SELECT coalesce(e.interval, c.timeframe), coalesce(to_timestamp(e.open_time_ms / 1000.0), c.open_time), row_to_json(e), row_to_json(c)
FROM e FULL JOIN (SELECT * FROM realtime_candles WHERE source = '$2' AND symbol = '$3') c
	ON e.interval = c.timeframe AND to_timestamp(e.open_time_ms / 1000.0) = c.open_time
WHERE e.symbol IS NULL OR c.symbol IS NULL
	OR (e.open, e.high, e.close, e.volume, e.quote_volume) IS DISTINCT FROM (c.open_price, c.high_price, c.close_price, c.volume, c.quote_volume)
	OR (e.low <> 0 AND (e.low, e.trade_count) IS DISTINCT FROM (c.low_price, c.trade_count))
	-- One row of the TRXUSDT tape has price 0 and quantity 0. Such a price never reaches a candle; all else must agree.
	OR (e.low = 0 AND (c.low_price <= 0 OR c.trade_count <> e.trade_count - 1))
	OR abs(e.vwap - c.vwap) > 0.0000000000005 + abs(e.vwap) * 1e-17
LIMIT 5;
SQL
	)
	n=$(psql_q "SELECT count(*) FROM realtime_candles WHERE source = '$2' AND symbol = '$3'")
	equal "$1: $n candles equal the expected ones" "" "$diff"
}

# tape TEXT SOURCE SYMBOL EXPECTED FILE replay options...
tape() {
	text=$1 source=$2 symbol=$3 expected=$4 file=$5
	shift 5
	check "$text: replayed" replay "$file" --source "$source" --symbol "$symbol" --close "$@"
	check "$text: stored" ctl drain --timeout 120
	[ -z "$expected" ] || expect "$text" "$source" "$symbol" "$expected"
}

check "pipeline comes up" pipe_up

if [ -d "$trades" ]; then
	tape "binance spot BTCUSDT" binance BTC-USDT "$trades/expected-candles-binance-spot-BTCUSDT-trades-2024-08-08_09.csv" \
		"$trades/binance-spot-BTCUSDT-trades-2024-08-08_09.csv.gz" --format binance-trades
	tape "binance spot XRPETH" binance XRP-ETH "$trades/expected-candles-binance-spot-XRPETH.csv" \
		"$trades/binance-spot-XRPETH-aggTrades-2019-10-11_13.csv.gz" --format binance-aggtrades
	tape "binance futures BTCUSDT" binance_futures BTC-USDT-PERP "$trades/expected-candles-binance-usdm-BTCUSDT-trades-2024-08-08.csv" \
		"$trades/binance-usdm-BTCUSDT-trades-2024-08-08.csv.gz" --format binance-trades
	tape "binance futures TRXUSDT" binance_futures TRX-USDT-PERP "$trades/expected-candles-lasota-binance-usd_m_futures_trxusdt.csv" \
		"$trades/lasota-binance-usd_m_futures_trxusdt-2025-03-04-positive.csv.gz" --format csv \
		--columns -,-,-,-,time,-,id,price,quantity,buyer_is_maker,-
	tape "SPY" lean_usa SPY-USD "$trades/expected-candles-lean-usa-SPY-2013-10-07.csv" \
		"$trades/lean-usa-SPY-trades-2013-10-07.csv.gz" --format csv --columns time,price,quantity,-,-,-
	zcat -f "$trades/formats/kraken-archive-BCHEUR.csv" "$trades/formats/kraken-archive-BCHEUR-incremental-q2.csv" >"$AP_P_DIR/bcheur.csv"
	tape "kraken archive BCHEUR" kraken BCH-EUR "$trades/formats/expected-candles-kraken-archive-BCHEUR.csv" \
		"$AP_P_DIR/bcheur.csv" --format csv --columns time,price,quantity
	tape "bitcoincharts bitstamp" bitstamp BTC-USD "$trades/formats/expected-candles-bitcoincharts-bitstampUSD.csv.gz" \
		"$trades/formats/bitcoincharts-bitstampUSD.csv.gz" --format csv --columns time,price,quantity
	# One hand-made fault: a price of -1. That trade is kept with its reason and nothing else changes.
	tape "TRXUSDT with a fault" faulty TRX-USDT-PERP "" \
		"$trades/lasota-binance-usd_m_futures_trxusdt-2025-03-04-negative.csv.gz" --format csv \
		--columns -,-,-,-,time,-,id,price,quantity,buyer_is_maker,-
	# Both TRXUSDT files hold one row of price 0 and quantity 0 as well.
	equal "the trades at -1 and at 0 are the only rejects, and say why" "548321769|invalid|price_not_positive
548331095|invalid|price_not_positive" "$(psql_q "SELECT trade_id, validation_status, validation_errors->0->>'reason' FROM normalized_data
		WHERE source = 'faulty' AND validation_status <> 'valid' ORDER BY 1")"
	equal "candles of the faulty file are those of the good one less that trade" "548321769|1|0" \
		"$(psql_q "SELECT min(trade_id), count(*), (SELECT count(*) FROM realtime_candles f JOIN realtime_candles g USING (symbol, timeframe, open_time)
			WHERE f.source = 'faulty' AND g.source = 'binance_futures' AND f.symbol = 'TRX-USDT-PERP'
			AND g.trade_count - f.trade_count <> (g.open_time <= to_timestamp(1741046404.349) AND g.close_time > to_timestamp(1741046404.349))::int)
			FROM (SELECT trade_id FROM normalized_data WHERE source = 'binance_futures' AND symbol = 'TRX-USDT-PERP'
			AND validation_status = 'valid'
			EXCEPT SELECT trade_id FROM normalized_data WHERE source = 'faulty' AND validation_status = 'valid') x")"
else
	skip "recorded trades are not here"
fi

# Generated: three symbols of one source, prices with 8 and sizes with 10 decimals, in no strict order.
awk 'BEGIN { srand(7); p = 100; t = 1700000000000
	for (i = 1; i <= 30000; i++) { p += (rand() - 0.5) / 4; if (p < 1) p = 1; t += int(rand() * 400)
		printf "{\"source\":\"gen\",\"symbol\":\"GEN%d-USD\",\"price\":\"%.8f\",\"quantity\":\"%.10f\",\"timestamp\":%.0f,\"trade_id\":%d,\"side\":\"%s\"}\n",
			i % 3, p, rand() * 10 + 0.0000000001, t - int(rand() * 1500), i, rand() < 0.5 ? "buy" : "sell" } }' >"$AP_P_DIR/gen.ndjson"
check "generated tape: replayed" replay "$AP_P_DIR/gen.ndjson" --format ndjson --close
check "generated tape: stored" ctl drain --timeout 120
equal "generated tape: every trade is stored" 30000 "$(psql_q "SELECT count(*) FROM normalized_data WHERE source = 'gen' AND validation_status = 'valid'")"
equal "every candle of every tape equals the database's own from the stored trades" "" "$(psql -X -q -At "$AP_PG_URL" -f test/lib/recompute.sql | head -5)"

before=$(rows_digest)
check "replayed again" replay "$AP_P_DIR/gen.ndjson" --format ndjson --close
[ ! -d "$trades" ] || check "replayed again: XRPETH" replay "$trades/binance-spot-XRPETH-aggTrades-2019-10-11_13.csv.gz" \
	--format binance-aggtrades --source binance --symbol XRP-ETH --close
[ ! -d "$trades" ] || check "replayed again: SPY, which has no trade ids" replay "$trades/lean-usa-SPY-trades-2013-10-07.csv.gz" \
	--format csv --columns time,price,quantity,-,-,- --source lean_usa --symbol SPY-USD --close
check "stored" ctl drain --timeout 120
equal "replaying files twice changes nothing" "$before" "$(rows_digest)"

for table in stream_messages normalized_data realtime_candles technical_indicators component_metrics system_metrics processing_results; do
	n=$(psql_q "SELECT count(*) FROM $table")
	if [ "${n:-0}" -gt 0 ]; then ok "$table has rows ($n)"; else not_ok "$table has rows"; fi
done
check "pipeline goes down" pipe_down
tap_end
