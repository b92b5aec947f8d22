#!/bin/sh
# ap-api over real sockets, with a real Redis and PostgreSQL: shapes, errors, WebSocket, limits, servers that go and come.
# Prints TAP. Streams are written by ap-feed; POST goes through the real ap-ingest and ap-normalize.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
AP_BIN=${AP_BIN:-bin} AP_TOOLS=${AP_TOOLS:-build/test/tools}
need node curl psql
count=0 bad=0
# "ok TEXT" lines of a part become numbered ones.
number() {
	while IFS= read -r line; do
		case $line in
		'ok '*) count=$((count + 1)); echo "ok $count - ${line#ok }" ;;
		'not ok '*) count=$((count + 1)) bad=1; echo "not ok $count - ${line#not ok }" ;;
		*) echo "$line" ;;
		esac
	done <"$AP_T_DIR/part"
}
part() {
	timeout 120 node test/integration/api.mjs "$1" >"$AP_T_DIR/part" 2>&1 || echo "not ok part $1 ended with $?" >>"$AP_T_DIR/part"
	number
}
result() { # ok?, text, detail
	if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; echo "#   $3"; fi >"$AP_T_DIR/part"
	number
}

servers_init 24000 24999
redis_start
pg_start
"$AP_TOOLS/ap-feed" "$AP_T_REDIS_PORT" 4 1400 0 || die "ap-feed"
port=$(free_port) ack=$(free_port)
set -- -o "redis.url=$AP_REDIS_URL" -o "pg.conninfo=$AP_T_CONNINFO"
"$AP_BIN/apctl" "$@" migrate >/dev/null 2>"$AP_T_DIR/migrate.log" || die "apctl migrate: $(cat "$AP_T_DIR/migrate.log")"
bg persist "$AP_BIN/ap-persist" "$@"
stored() { [ "$(sql 'SELECT count(*) FROM realtime_candles' 2>/dev/null)" -ge 6000 ]; }
wait_for 30 stored || die "ap-persist stored nothing: $(tail -3 "$AP_T_DIR/persist.log")"
feed() {
	bg feed "$AP_TOOLS/ap-feed" "$AP_T_REDIS_PORT" 4 0 600 20
	feed=$BG_PID
}
feed
api() { # extra options
	bg api "$AP_BIN/ap-api" "$@" -o "api.listen=127.0.0.1:$port" -o "api.ingest=127.0.0.1:$ack"
	api=$BG_PID
	wait_for 20 curl -sf -m 2 "$AP_API_URL/readyz" || die "ap-api is not ready: $(tail -3 "$AP_T_DIR/api.log")"
	sleep 1.5
}
restart() {
	kill "$api"
	wait "$api"
	api "$@"
}
export AP_API_URL="http://127.0.0.1:$port" AP_AWAY
api "$@"

part shapes
# What the API says is what stands in the table.
node test/integration/api.mjs rows >"$AP_T_DIR/said"
sql "SELECT to_char(open_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || ' ' || concat_ws(' ', trim_scale(open_price),
	trim_scale(high_price), trim_scale(low_price), trim_scale(close_price), trim_scale(volume), trim_scale(quote_volume), trim_scale(vwap), trade_count)
	FROM realtime_candles WHERE symbol = 'ETH-USDT' AND timeframe = '1m' AND source = 'binance' ORDER BY open_time LIMIT 1300" >"$AP_T_DIR/stored"
[ "$(wc -l <"$AP_T_DIR/said")" -eq 1300 ] && cmp -s "$AP_T_DIR/said" "$AP_T_DIR/stored"
result $? "1,300 candles of the API equal the rows of the table, digit by digit" "$(diff "$AP_T_DIR/said" "$AP_T_DIR/stored" | head -4 | tr '\n' ' ')"
part values
part errors
part ws
# From here on ap-normalize writes the tick streams: two writers of one stream would refuse each other.
kill "$feed"
wait "$feed"
if [ -x "$AP_BIN/ap-ingest" ] && [ -x "$AP_BIN/ap-normalize" ]; then
	bg normalize "$AP_BIN/ap-normalize" "$@"
	normalize=$BG_PID
	bg ingest "$AP_BIN/ap-ingest" "$@" -o "ingest.ack=127.0.0.1:$ack" -o ingest.tcp= -o "data.dir=$AP_T_DIR/var"
	wait_for 20 grep -q ingest_up "$AP_T_DIR/api.log" || die "ap-ingest is not there: $(tail -n 3 "$AP_T_DIR/ingest.log")"
	sleep 1
	part post
	kill "$BG_PID" "$normalize"
	wait "$BG_PID" "$normalize"
else
	count=$((count + 1))
	echo "ok $count - posted messages # SKIP ap-ingest is not built"
fi

feed

restart "$@" -o api.rate=20 -o api.burst=40
part limit
restart "$@" -o api.client_buffer=65536
part many
# Closed candles are never conflated: a day of them at once is more than a client may keep waiting.
(sleep 2; exec "$AP_TOOLS/ap-feed" "$AP_T_REDIS_PORT" 4 4000 0) &
part slow
wait $!

AP_AWAY=PostgreSQL
pg_kill
not_ready() { [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "$AP_API_URL/readyz")" = 503 ]; }
wait_for 10 not_ready
part away
pg_start
wait_for 20 curl -sf -m 2 "$AP_API_URL/readyz"
result $? "PostgreSQL is back: so is the API"
AP_AWAY=Redis
redis_kill
wait_for 10 not_ready
part away
redis_start
wait_for 20 curl -sf -m 2 "$AP_API_URL/readyz"
result $? "Redis is back: so is the API"
kill "$api"
wait "$api"
result $? "SIGTERM ends it with 0"
echo "1..$count"
exit $bad
