#!/bin/sh
# apctl as a person uses it: every verb's answer, and what it says to nonsense.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
ctl_bin=$AP_BIN/apctl

# says TEXT CODE PATTERN command...: exit code and a pattern of what it printed
says() {
	text=$1 code=$2 pattern=$3
	shift 3
	out=$("$@" 2>&1)
	rc=$?
	if [ $rc -eq "$code" ] && printf '%s\n' "$out" | grep -qE -- "$pattern"; then
		ok "$text"
	else
		not_ok "$text"
		printf 'exit %s, wanted %s and %s\n%s\n' $rc "$code" "$pattern" "$out" | tail -n 20 | sed 's/^/#   /'
	fi
}

says "an unknown verb is the user's mistake" 100 'no verb frobnicate' "$ctl_bin" frobnicate
says "up without a directory too" 100 'up needs --dir' "$ctl_bin" up
says "an unknown option is named" 100 'redis.urll' "$ctl_bin" up --dir "$AP_P_DIR/x" -o redis.urll=1
says "a value out of bounds is named with its bounds" 100 'candle.lateness_ms.*0 to 600000' "$ctl_bin" up --dir "$AP_P_DIR/x" -o candle.lateness_ms=-1
says "what only a stage can judge is said before anything is started" 100 'ap-candle: candle.timeframes: timeframe "7m"' "$ctl_bin" up --dir "$AP_P_DIR/x" -o candle.timeframes=1m,7m
printf 'candle = {\n  bars = (\n    { kind = "tick"; } ); };\nindicators = ( { name = "RSI"; period = 1; } );\n' >"$AP_P_DIR.conf"
says "with its place in the file that was given" 100 'ap-candle: .*\.conf:3: candle.bars: size' "$ctl_bin" up --dir "$AP_P_DIR/x" -c "$AP_P_DIR.conf"
says "by every program that finds something" 100 'ap-indicators: .*\.conf:4: indicators.list: RSI: period = 1 is not allowed: a whole number from 2 to 5000' \
	"$ctl_bin" up --dir "$AP_P_DIR/x" -c "$AP_P_DIR.conf"
rm -f "$AP_P_DIR.conf"
says "a directory that cannot be made" 100 'cannot be made' "$ctl_bin" up --dir /proc/nothing/here
says "no server: try again, and what to do" 111 'no Redis at .*apctl up' "$ctl_bin" lag -c /dev/null -o redis.url=redis://127.0.0.1:1
says "down where there is no pipeline names the file that is not there" 100 'alphapulse.conf: No such file' "$ctl_bin" down --dir "$AP_P_DIR"

says "up says where everything is" 0 'page http://127.0.0.1:[0-9]+ .*trades in 127.0.0.1:[0-9]+' ctl up --no-feed --timeout 90
eval "$(ctl env)"
says "up again is refused with the pid" 100 'runs in .* already \(pid [0-9]+\)' ctl up
says "doctor finds nothing wrong" 0 '^0 wrong' ctl doctor
says "status knows every program" 0 'ap-indicators.0 +up' ctl status
check "status as JSON is JSON" sh -c "'$ctl_bin' status --dir '$AP_P_DIR' --json | jq -e '.ready and (.children | length) == 11' >/dev/null"

printf '{"source":"me","symbol":"T%d-USD","price":"1.5","quantity":"2","timestamp":1700000000000,"trade_id":"a"}\n' 0 1 2 3 4 5 6 7 >"$AP_P_DIR/t.ndjson"
check "eight trades go in" replay "$AP_P_DIR/t.ndjson" --format ndjson --close
says "drain waits until they are stored" 0 '^$' ctl drain
equal "they are" 8 "$(psql_q "SELECT count(*) FROM normalized_data WHERE source = 'me'")"
"$ctl_bin" tail --dir "$AP_P_DIR" tick --from 0 >"$AP_P_DIR/tail.out" 2>/dev/null &
tail_pid=$!
sleep 2
kill -TERM "$tail_pid"
wait "$tail_pid"
equal "tail goes on until it is told to end" 143 $?
equal "it prints records as JSON lines, from all partitions" "T0-USD T1-USD T2-USD T3-USD T4-USD T5-USD T6-USD T7-USD" \
	"$(jq -Rr 'fromjson? | select(.kind == "trade") | .symbol' "$AP_P_DIR/tail.out" | sort | tr '\n' ' ' | sed 's/ $//')"
part=$(for p in 0 1 2 3; do rcli xlen "ap:{$p}:candle" | grep -qx 0 || echo "$p"; done | head -n 1)
says "status says who owns which partition" 0 'normalize +3 +ap-normalize.0 +[0-9]+ +[0-9]+ +-' ctl status
says "the metric stream among them" 0 'persist +metric +ap-persist.0 +[0-9]+' ctl status
check "and as JSON" sh -c "'$ctl_bin' status --dir '$AP_P_DIR' --json | jq -e '(.owners | length) == 17 and all(.owners[]; .worker != \"\" and .lease_left_ms > 0)' >/dev/null"
says "tail of one key, so many records" 0 '"open":1.5.*"quote_volume":3[,.]' ctl tail "ap:{$part}:candle" --from 0 --count 1
says "lag is nothing once it is drained" 0 '^normalize,0,[0-9]+,0,0,ap-normalize.0' ctl lag --format csv
# The ends are read first; what a stage took between the two looks is told here by ends that fall back.
rcli hincrby "ap:{$part}:seq" raw:n -3 >/dev/null
says "a stage that took more than the ends had said is not behind" 0 "^normalize,$part,[0-9]+,0,0,ap-normalize.0" ctl lag --format csv
rcli hincrby "ap:{$part}:seq" raw:n 3 >/dev/null
says "a stream that there is not" 100 'raw tick reject' ctl tail nonsense
says "a count that is none" 100 'count.*whole number' ctl tail tick --count many

# Nothing reads the streams: drain gives up in time, with its own code.
pkill -STOP -f "ap-persist -c $AP_P_DIR"
sed 's/"a"/"b"/' "$AP_P_DIR/t.ndjson" >"$AP_P_DIR/u.ndjson"
replay "$AP_P_DIR/u.ndjson" --format ndjson --close >/dev/null
says "drain ends with 124 when time is up, and names the stage" 124 'persist is still [0-9]+ entries behind' ctl drain --timeout 2
pkill -CONT -f "ap-persist -c $AP_P_DIR"
says "and with 0 when it goes on" 0 '^$' ctl drain
says "migrate again changes nothing" 0 'schema [0-9]+ \(was [0-9]+\)' ctl migrate
says "down" 0 '^ended' ctl down
says "down where nothing runs is no error" 0 'nothing runs' ctl down
tap_end
