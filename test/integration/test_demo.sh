#!/bin/sh
# What a new user sees: minutes after the first start hours of a market are there, whatever is killed while they come in, and a restart
# changes nothing of them.
# shellcheck disable=SC2317  # functions called by name
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init

pid_of() { sed -n "s/.*\"name\":\"$1\".*\"pid\":\([0-9]*\).*/\1/p" "$AP_P_DIR/run/supervisor.json" 2>/dev/null; }
told() { rcli HGET ap:dataset sim_history 2>/dev/null; }
sent() { [ "$(told | cut -d' ' -f1)" = "done" ]; }
soon() { # SECONDS COMMAND...
	left=$(($1 * 5))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.2
	done
}
count() { [ "$(psql_q "$1" 2>/dev/null || echo 0)" -ge "$2" ]; }
# Symbols that have at least 300 final candles of a minute; symbols with an SMA of 200 of them.
candles="SELECT count(*) FROM (SELECT 1 FROM realtime_candles WHERE source = 'sim' AND timeframe = '1m' AND state = 'final'
	GROUP BY symbol HAVING count(*) >= 300) x"
averages="SELECT count(DISTINCT symbol) FROM technical_indicators WHERE source = 'sim' AND timeframe = '1m' AND indicator_name = 'SMA'
	AND parameters::text LIKE '%200%'"
# The past and its trades: what closed, or happened, before the live market began.
of_past() {
	psql_q "SELECT count(*), md5(string_agg(concat_ws('|', symbol, timeframe, open_time, open_price, high_price, low_price, close_price, volume,
			quote_volume, trade_count, state, revision, quality, coverage_ms), E'\n' ORDER BY symbol, timeframe, open_time))
			FROM realtime_candles WHERE source = 'sim' AND close_time <= to_timestamp($base / 1000.0)
		UNION ALL SELECT count(*), md5(string_agg(concat_ws('|', symbol, trade_id, price, quantity, timestamp), E'\n'
			ORDER BY symbol, timestamp, trade_id)) FROM normalized_data WHERE source = 'sim' AND timestamp < to_timestamp($base / 1000.0)" |
		tr '\n' ' '
}

# Candles that are not what the stored trades make them; of those that are not there only what has closed counts.
differing() {
	psql -X -q -At "$AP_PG_URL" -f test/lib/recompute.sql | awk -F'|' '$6 != ""' | head -5
	psql_q "SELECT DISTINCT n.symbol, date_trunc('minute', n.timestamp) FROM normalized_data n WHERE n.source = 'sim' AND
		date_trunc('minute', n.timestamp) < to_timestamp($base / 1000.0 - 60) AND NOT EXISTS (SELECT 1 FROM realtime_candles c
		WHERE (c.source, c.symbol, c.timeframe, c.open_time) = (n.source, n.symbol, '1m', date_trunc('minute', n.timestamp))) LIMIT 5"
}

# --- undisturbed -------------------------------------------------------------
start=$(date +%s)
check "it comes up with its simulator" pipe_up -o ingest.sim=true -o ingest.sim_history_min=360
check "every symbol has 300 final candles" soon 60 count "$candles" 8
check "and indicators up to SMA 200" soon 60 count "$averages" 8
took=$(($(date +%s) - start))
if [ $took -le 60 ]; then ok "that took $took s"; else not_ok "that took $took s, more than 60"; fi
soon 30 sent
base=$(told | cut -d' ' -f3)
check "the minute in which the past became the present is stored" soon 90 count "SELECT count(DISTINCT symbol) FROM realtime_candles
	WHERE source = 'sim' AND timeframe = '1m' AND state <> 'forming' AND open_time <= to_timestamp($base / 1000.0) AND
	close_time > to_timestamp($base / 1000.0)" 8
check "all is stored" ctl drain --timeout 60
equal "its candles and those of the past are fully covered, and none was revised" "" "$(psql_q "SELECT DISTINCT quality, revision
	FROM realtime_candles WHERE source = 'sim' AND timeframe = '1m' AND state <> 'forming' AND (quality <> 'full' OR revision > 0)")"
equal "longer ones that began before it say so" "partial" "$(psql_q "SELECT DISTINCT quality FROM realtime_candles
	WHERE source = 'sim' AND state <> 'forming' AND open_time < (SELECT min(open_time) FROM realtime_candles WHERE source = 'sim' AND timeframe = '1m')")"
equal "no price jumps where the past ends" 0 "$(psql_q "SELECT count(*) FROM (SELECT close_price, lead(open_price) OVER
	(PARTITION BY symbol ORDER BY open_time) AS next, open_time FROM realtime_candles WHERE source = 'sim' AND timeframe = '1m') x
	WHERE open_time > to_timestamp($base / 1000.0 - 180) AND abs(next / close_price - 1) > 0.01")"
equal "nothing of it was refused" 0 "$(psql_q "SELECT count(*) FROM normalized_data WHERE source = 'sim' AND validation_status <> 'valid'")"
equal "every candle equals the database's own from the stored trades" "" "$(differing)"
before=$(of_past)
check "it goes down" pipe_down
check "and comes up again" pipe_up
sleep 5
check "all is stored again" ctl drain --timeout 60
equal "a restart left the past as it was: $before" "$before" "$(of_past)"
check "it goes down" pipe_down
rm -rf "${AP_P_DIR:?}"/*

# --- ap-ingest is killed in the middle ----------------------------------------
# Held back after every thousand records, the past takes long enough to be killed in.
check "without a feed it comes up" pipe_up -o runtime.stream_max=1000 -o ingest.backlog_bytes=1048576
sed -i 's/^ingest = {/ingest = {\n  sim = true; sim_history_min = 360;/' "$AP_P_DIR/alphapulse.conf"
kill -9 "$(pid_of ap-ingest.0)"
kills=0
while [ $kills -lt 3 ]; do
	was=$(rcli HGET 'ap:{0}:hw' sim-history)
	more() { [ "$(rcli HGET 'ap:{0}:hw' sim-history)" != "$was" ]; }
	soon 20 more
	sent && break
	kill -9 "$(pid_of ap-ingest.0)" && kills=$((kills + 1))
done
if [ $kills -gt 0 ]; then ok "ap-ingest was killed $kills times in the middle of it"; else not_ok "the past was there before ap-ingest could be killed"; fi
check "and the past is sent to its end" soon 90 sent
base=$(told | cut -d' ' -f3)
check "every symbol has 300 final candles" soon 60 count "$candles" 8
check "all is stored" ctl drain --timeout 60
equal "no trade is there twice, none was refused" "0 0" "$(psql_q "SELECT count(*) - count(DISTINCT trade_id) FROM normalized_data
	WHERE source = 'sim'") $(psql_q "SELECT count(*) FROM normalized_data WHERE source = 'sim' AND validation_status <> 'valid'")"
equal "every candle of a minute but the last is fully covered, and none was revised" 0 "$(psql_q "SELECT count(*) FROM realtime_candles
	WHERE source = 'sim' AND timeframe = '1m' AND close_time <= to_timestamp($base / 1000.0) AND (quality <> 'full' OR revision > 0)")"
equal "every candle equals the database's own from the stored trades" "" "$(differing)"
check "it goes down" pipe_down
tap_end
