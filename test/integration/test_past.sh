#!/bin/sh
# Another choice of indicators: a series begins anew with its stored candles, and its next value is the right one.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init

# tape FROM TO: two trades a minute, as CSV
tape() {
	awk -v from="$1" -v to="$2" 'BEGIN { for (m = from; m < to; m++) for (k = 0; k < 2; k++)
		printf "%.0f,%.2f,%d\n", 1700000000000 + (m * 60 + k * 20) * 1000, 100 + (m * 7919 % 101) / 10 + k / 100, 1 + m % 3 }' >"$AP_P_DIR/$3.csv"
}

feed() {
	replay "$AP_P_DIR/$1.csv" --source tape --symbol AB-CD --format csv --columns time,price,quantity "${2:---close}" >/dev/null &&
		ctl drain --timeout 60
}

# Values of the 50 candle mean that differ from the one computed from the stored closes; and how many there are.
means() {
	psql_q "WITH c AS (SELECT open_time, avg(close_price) OVER w AS mean, count(*) OVER w AS n FROM realtime_candles
			WHERE symbol = 'AB-CD' AND timeframe = '1m' WINDOW w AS (ORDER BY open_time ROWS 49 PRECEDING))
		SELECT count(*), coalesce(sum((abs(i.value - c.mean) > 1e-9)::int), 0), coalesce(min(c.n), 0) FROM technical_indicators i
		JOIN c ON c.open_time = i.timestamp
		WHERE i.symbol = 'AB-CD' AND i.timeframe = '1m' AND i.indicator_name = 'SMA' AND i.parameters = '{\"period\": 50}'"
}

tape 0 200 first
tape 200 205 second
check "pipeline comes up" pipe_up -o 'indicators.list=[{"name":"RSI","period":14}]'
check "200 candles are stored" feed first
equal "no mean of 50 is among the values" "0|0|0" "$(means)"
check "it goes down" pipe_down
check "and comes up with another choice" pipe_up -o 'indicators.list=[{"name":"SMA","period":50}]'
check "five candles more" feed second
equal "each of them has its mean of 50 closes" "5|0|50" "$(means)"
check "the log says where they came from" grep -q 'ev=past_taken .*series=' "$AP_P_DIR"/log/ap-indicators.0.log
tap_end
