#!/bin/sh
# ap-ingest against a real Redis: what enters is in the raw streams once, in order, whatever is killed meanwhile.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
. test/lib/servers.sh
tools=${AP_TOOLS:-build/test/tools}
need redis-server redis-cli awk zstd gzip
servers_init 21000 21999
dir=$AP_T_DIR

# Every write is on disk before it is answered: so a killed Redis has lost nothing it said it had.
fresh() {
	redis_stop
	rm -rf "$AP_T_DIR/redis" "${dir:?}/var"
	redis_start --appendfsync always
	redis_functions
	redis_dataset
}
ingest() {
	"$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$dir/var" -o runtime.stream_max=10000000 \
		-o runtime.backoff_max_ms=200 "$@"
}
tape() { ingest --replay "$@" 2>>"$dir/replay.log"; }
in_raw() { # records in the raw streams
	for p in 0 1 2 3; do rcli HGET "ap:{$p}:seq" raw:n; done | awk '{ n += $1 } END { print n + 0 }'
}
dump() { # all raw records as JSON lines, without their entry
	for p in 0 1 2 3; do tail_of $p; done | sed 's/"id":"[0-9]*-[0-9]*","idx":[0-9]*,//'
}
tail_of() { # a partition, as far as it has come by now
	n=$(rcli HGET "ap:{$1}:seq" raw:n)
	[ "${n:-0}" -eq 0 ] || timeout 60 "$AP_BIN/apctl" -c /dev/null -o redis.url="$AP_REDIS_URL" tail "ap:{$1}:raw" --from 0 --count "$n"
}
number() { sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1"; }

# --- replays -------------------------------------------------------------------
awk 'BEGIN { srand(5); p = 100; t = 1700000000000
	for (i = 1; i <= 40000; i++) { p += (rand() - 0.5) / 4; if (p < 1) p = 1; t += int(rand() * 200)
		printf "{\"source\":\"s%d\",\"symbol\":\"R%d-USD\",\"price\":\"%.4f\",\"quantity\":%.3f,\"timestamp\":%.0f}%s",
			i % 2, i % 9, p, rand() + 0.001, t - int(rand() * 900), rand() < 0.3 ? "" : "\n"
		if (rand() < 0.01) print "\nno message at all" } }' >"$dir/tape.ndjson"
fresh
check "a tape is replayed" tape "$dir/tape.ndjson" --format ndjson --close
tape "$dir/tape.ndjson" --format ndjson --close >"$dir/second"
first=$(dump | sort | cksum)
total=$(in_raw)
equal "a second time adds nothing" "0 0" "$(number "$dir/second" appended) $(number "$dir/second" beats_appended)"
equal "and nothing was left out: trades" 40000 "$(dump | grep -c '"payload":"{')"
gzip -kf "$dir/tape.ndjson" && zstd -qf "$dir/tape.ndjson"
tape "$dir/tape.ndjson.gz" --format ndjson --close >"$dir/gz"
tape "$dir/tape.ndjson.zst" --format ndjson --close >"$dir/zst"
tape - --format ndjson --close <"$dir/tape.ndjson.zst" >"$dir/stdin"
equal "the same content packed, or through a pipe, is the same tape" "0 0 0" \
	"$(number "$dir/gz" appended) $(number "$dir/zst" appended) $(number "$dir/stdin" appended)"
equal "sequence numbers of each partition rise" "" "$(for p in 0 1 2 3; do
	tail_of $p | sed -n 's/.*"kind":"raw".*"seq":\([0-9]*\),"payload".*/\1/p' | awk -v p="$p" '$1 "" <= last "" { print p, last, $1 } { last = $1 }'
done | head -3)"

fresh
cuts=0
while [ $cuts -lt 12 ]; do
	"$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$dir/var" --replay "$dir/tape.ndjson" --format ndjson --close --speed 1000 \
		>/dev/null 2>&1 &
	pid=$!
	sleep "0.$((RANDOM_SEED = (${RANDOM_SEED:-7} * 7919 + 13) % 37 + 10))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	cuts=$((cuts + 1))
done
part=$(in_raw)
check "killed $cuts times ($part of $total records in), it goes on to the end" tape "$dir/tape.ndjson" --format ndjson --close
equal "and the streams are those of an undisturbed run" "$first" "$(dump | sort | cksum)"

head -c 20000 "$dir/tape.ndjson.gz" >"$dir/cut.gz"
tape "$dir/cut.gz" --format ndjson >/dev/null
equal "a damaged file is the user's mistake, and nothing of it enters" "100 $total" "$? $(in_raw)"
ingest --replay "$dir/tape.ndjson" --format nosuch >/dev/null 2>"$dir/err"
equal "so is an unknown format" 100 $?
ingest -o ingest.source='not a name' >/dev/null 2>"$dir/err"
equal "so is a source that is no name, and the option is named" "100 1" "$? $(grep -c 'ingest.source' "$dir/err")"
ingest -n -o ingest.sim=true -o ingest.sim_symbols='BTC-USDT,no symbol' >/dev/null 2>"$dir/err"
equal "and a simulated symbol that is none" "100 1" "$? $(grep -c 'ingest.sim_symbols' "$dir/err")"
redis_stop
"$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" --replay "$dir/tape.ndjson" --format ndjson >/dev/null 2>&1 &
pid=$!
redis_start --appendfsync always
wait $pid
equal "Redis that comes late is waited for" 0 $?

# --- sockets ---------------------------------------------------------------------
fresh
AP_TCP=$(free_port)
AP_ACK=$(free_port)
live() {
	bg ingest "$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$dir/var" -o runtime.backoff_max_ms=200 \
		-o runtime.worker=ingest-0 -o ingest.tcp="127.0.0.1:$AP_TCP" -o ingest.ack="127.0.0.1:$AP_ACK" "$@"
	live_pid=$BG_PID
	wait_for 5 grep -q messages_to_acknowledge "$dir/ingest.log"
}
sync_all() { echo '{"ap":"sync"}' | "$tools/tcp" 127.0.0.1 "$AP_ACK" 20; }
messages() { # FROM TO
	awk -v a="$1" -v b="$2" 'BEGIN { for (i = a; i <= b; i++)
		printf "{\"symbol\":\"T%d-USD\",\"price\":\"1.5\",\"quantity\":\"2\",\"timestamp\":1767323045,\"trade_id\":\"%d\"}%s", i % 7, i, i % 3 ? "\n" : "" }'
}
ids() { dump | sed -n 's/.*trade_id\\":\\"\([0-9]*\)\\".*/\1/p' | sort -n; }
if live -o runtime.stream_max=10000000; then ok "it listens"; else not_ok "it listens"; fi
messages 1 5000 | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
equal "a sync is answered" '{"ap":"sync","ok":true}' "$(sync_all)"
equal "then everything sent before it is in the streams, once" "$(seq 5000 | cksum)" "$(ids | cksum)"
equal "a message without source has the socket's" 5000 "$(dump | grep -c '"source":"tcp","symbol":"T[0-9]-USD"')"

{ echo 'nonsense'; echo '{"symbol":"T1-USD","price":'; awk 'BEGIN { printf "{\"symbol\":\""; for (i = 0; i < 9000; i++) printf "0123456789"; print "\"}" }'
	messages 5001 5001; } | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
sync_all >/dev/null
equal "what cannot be read enters all the same, cut if need be, and harms nobody" "1 1 65536 1" "$(dump >"$dir/all"
	echo "$(grep -c '"payload":"nonsense"' "$dir/all") $(grep -c '"payload":"{\\"symbol\\":\\"T1-USD\\",\\"price\\":"' "$dir/all")" \
		"$(sed -n 's/.*"format":"too_long".*"payload":"\(.*\)"}$/\1/p' "$dir/all" | sed 's/\\"/"/g' | tr -d '\n' | wc -c)" \
		"$(grep -c 'trade_id\\":\\"5001' "$dir/all")")"

messages 6001 6300 | "$tools/tcp" 127.0.0.1 "$AP_ACK" >"$dir/answers"
equal "each message to acknowledge is answered" 300 "$(grep -c '"message_id"' "$dir/answers")"
# The i-th answer names the place where the i-th message stands.
sed 's/.*"message_id":"\([0-9]*\)-\([0-9]*\)-\([0-9]*\)","partition":\([0-9]*\)}.*/\4 \1-\2 \3/' "$dir/answers" >"$dir/places"
for p in 0 1 2 3; do tail_of $p; done |
	sed -n 's/.*"id":"\([0-9-]*\)","idx":\([0-9]*\),.*trade_id\\":\\"\(6[0-3][0-9][0-9]\)\\".*/\3 \1 \2/p' | sort -n >"$dir/stood"
equal "with its own entry and place, in order" "$(cut -d' ' -f2- "$dir/places")" "$(cut -d' ' -f2- "$dir/stood")"

# --- beats ------------------------------------------------------------------------
sleep 2
dump >"$dir/all"
equal "each source has beats in all partitions, alive, live, about 1,000 ms apart" "tcp http" "$(for s in tcp http; do
	n=$(grep -c "\"kind\":\"beat\",\"source\":\"$s\".*\"alive\":true,\"live\":true" "$dir/all")
	odd=$(grep "\"kind\":\"beat\",\"source\":\"$s\"" "$dir/all" | sed 's/.*"covers_ms":\([0-9]*\).*/\1/' | awk '$1 > 1900 || ($1 > 0 && $1 < 100)' | wc -l)
	[ "$n" -ge 8 ] && [ "$odd" -eq 0 ] && printf '%s ' "$s"
done | sed 's/ $//')"

# --- Redis dies ----------------------------------------------------------------------
{ messages 10001 40000; sleep 2; messages 40001 45000; } | "$tools/tcp" 127.0.0.1 "$AP_TCP" 30 >/dev/null &
feeder=$!
messages 50001 53000 | "$tools/tcp" 127.0.0.1 "$AP_ACK" 30 >"$dir/answers" &
asker=$!
kills=4
while [ $kills -gt 0 ]; do
	sleep 0.3
	redis_kill
	sleep 0.2
	redis_start --appendfsync always
	kills=$((kills - 1))
done
wait $feeder
wait $asker
sync_all >/dev/null
{ seq 5001; seq 6001 6300; seq 10001 45000; seq 50001 53000; } >"$dir/want"
equal "Redis killed four times: every message is there once" "$(cksum <"$dir/want")" "$(ids | cksum)"
equal "and all that asked were answered" 3000 "$(grep -c '"message_id"' "$dir/answers")"
kill -TERM "$live_pid"
wait "$live_pid"
equal "SIGTERM ends it well" 0 $?
equal "and leaves its lease to others" "" "$(rcli HGET "ap:own:{ap:dataset}:ingest:$(hostname)" w)"

# --- backpressure ---------------------------------------------------------------------
fresh
: >"$dir/ingest.log"
live -o runtime.stream_max=1000 -o ingest.backlog_bytes=1048576
messages 1 60000 | "$tools/tcp" 127.0.0.1 "$AP_TCP" 60 >/dev/null &
feeder=$!
wait_for 10 grep -q 'ev=sources_held' "$dir/ingest.log"
sleep 1
held=$(in_raw)
sleep 1
equal "far ahead of ap-normalize it stops reading, and says so once" "1 yes" \
	"$(grep -c ev=sources_held "$dir/ingest.log") $([ "$held" -lt 50000 ] && [ "$(in_raw)" -lt $((held + 100)) ] && echo yes)"
equal "beats say that nothing is known meanwhile" yes "$(dump | grep '"kind":"beat"' | tail -4 | grep -q '"covers_ms":0,"alive":false' && echo yes)"
n=0
while kill -0 $feeder 2>/dev/null && [ $n -lt 300 ]; do
	for p in 0 1 2 3; do rcli HSET "ap:{$p}:state:normalize" n "$(rcli HGET "ap:{$p}:seq" raw:n)"; done >/dev/null
	sleep 0.1
	n=$((n + 1))
done
wait $feeder
for p in 0 1 2 3; do rcli HSET "ap:{$p}:state:normalize" n 1000000000; done >/dev/null
sync_all >/dev/null
equal "and goes on when it has caught up: nothing is lost" "$(seq 60000 | cksum)" "$(ids | cksum)"
kill -TERM "$live_pid"
wait "$live_pid"

# --- quotes under pressure: half of the way to being held the newest of each series stands for those before it ------------
fresh
: >"$dir/ingest.log"
live -o runtime.stream_max=1000
quotes() { # FROM TO SYMBOLS: quotes of now, one after the other, the symbols in turn
	awk -v a="$1" -v b="$2" -v k="$3" -v now="$(date +%s)" 'BEGIN { for (i = a; i <= b; i++)
		printf "{\"symbol\":\"Q%d-USD\",\"bid\":\"1.5\",\"ask\":\"1.6\",\"timestamp\":%.0f%06d,\"seq\":%d}\n", i % k, now, i, i }'
}
seqs() { dump | sed -n 's/.*\\"seq\\":\([0-9]*\).*/\1/p' | sort -n; }
behind() { for p in 0 1 2 3; do rcli HSET "ap:{$p}:state:normalize" n $(($(rcli HGET "ap:{$p}:seq" raw:n) - $1)); done >/dev/null; }
quotes 1 100 2 | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
sync_all >/dev/null
equal "without pressure every quote goes through" "$(seq 100 | cksum)" "$(seqs | cksum)"
messages 1 700 | sed 's/"T[0-9]/"T1/' | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
sync_all >/dev/null
behind 700
q=100
while ! grep -q ev=quotes_conflated "$dir/ingest.log" && [ $q -lt 400 ]; do
	q=$((q + 1))
	quotes $q $q 2 | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
	sleep 0.1
done
behind 700
{ quotes 1001 1300 2; messages 701 730 | sed 's/"T[0-9]/"T1/'; printf '\n'; quotes 1301 1600 2; } | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
quotes 1701 1705 1 | "$tools/tcp" 127.0.0.1 "$AP_ACK" >"$dir/answers"
quotes 1801 1810 1 | sed 's/"timestamp":[0-9]*/"timestamp":1700000000000000/' | "$tools/tcp" 127.0.0.1 "$AP_TCP" >/dev/null
sync_all >/dev/null
seqs >"$dir/seqs"
equal "half of the way to being held no trade is left out, and nothing is held" "$(seq 730 | cksum) 0" "$(ids | cksum) $(grep -c ev=sources_held "$dir/ingest.log")"
equal "of 600 quotes the newest of each series is there when somebody asks" "1599 1600 yes" \
	"$(awk '$1 > 1598 && $1 <= 1600' "$dir/seqs" | tr '\n' ' ')$([ "$(awk '$1 > 1000 && $1 <= 1600' "$dir/seqs" | wc -l)" -lt 300 ] && echo yes)"
equal "one that is answered for and one of the past never wait" "5 15" "$(grep -c message_id "$dir/answers") $(awk '$1 > 1700' "$dir/seqs" | wc -l)"
behind 0
wait_for 10 grep -q ev=quotes_go_through "$dir/ingest.log"
gone=$(sed -n 's/.*ev=quotes_go_through conflated=\([0-9]*\).*/\1/p' "$dir/ingest.log" | tail -1)
equal "those that are not there were counted" "$((q + 615))" "$(($(wc -l <"$dir/seqs") + gone))"
told() { "$AP_BIN/apctl" -c /dev/null -o redis.url="$AP_REDIS_URL" status --json | grep -q "\"quotes_conflated\":$gone}"; }
check "and apctl status says how many" wait_for 30 told
kill -TERM "$live_pid"
wait "$live_pid"

# --- standard input, the simulator, frames without Redis -----------------------------------
fresh
messages 1 777 | ingest --stdin 2>/dev/null
equal "standard input is a source, and its end the end" "0 777" "$? $(dump | grep -c '"source":"stdin"')"
: >"$dir/ingest.log"
live -o ingest.sim=true -o ingest.sim_rate=400 -o ingest.sim_quote_pct=50
sleep 3
kill -TERM "$live_pid"
wait "$live_pid"
dump >"$dir/all"
n=$(grep -c '"source":"sim","symbol":"[A-Z]*-USDT","format":"trade".*trade_id' "$dir/all")
q=$(grep -c '"source":"sim","symbol":"[A-Z]*-USDT","format":"trade".*bid_size' "$dir/all")
equal "the simulator trades at about its rate" yes "$([ "$n" -gt 200 ] && [ "$n" -lt 4000 ] && echo yes || echo "$n in 3 s")"
equal "with a quote before every second one, when asked for" yes "$([ "$q" -ge $((n / 2 - 1)) ] && [ "$q" -le $((n / 2 + 1)) ] && echo yes || echo "$q of $n")"

# --- the simulator's past --------------------------------------------------------------------
# The plan is laid down by hand, so that two data sets get the same past.
plan="360 1700000000000 40 3 BTC-USDT,ETH-USDT,SOL-USDT,XRP-USDT"
planned() {
	fresh
	rcli HSET ap:dataset sim_history "open $plan" >/dev/null
	: >"$dir/ingest.log"
}
past() { live -o ingest.sim=true -o ingest.sim_history_min=360 -o ingest.sim_rate=40 "$@"; }
of_past() { dump | grep -e '"kind":"beat","source":"sim".*"live":false' -e '"source":"sim".*"recv":"2023-'; }
told() { rcli HGET ap:dataset sim_history; }
ended() { kill "$1" "$live_pid" 2>/dev/null; wait "$live_pid" 2>/dev/null; }
planned
past -o runtime.stream_max=10000000
check "the past is sent" wait_for 30 grep -q ev=history_sent "$dir/ingest.log"
equal "and marked as done" "done $plan" "$(told)"
sleep 1.5
ended -TERM
of_past >"$dir/past"
whole=$(sort "$dir/past" | cksum)
equal "it is about 57,000 trades and six hours of beats, each once" "yes 17300 0" "$(grep -c trade_id "$dir/past" |
	awk '{ print ($1 > 54000 && $1 < 60000) ? "yes" : $1 }') $(grep -c '"kind":"beat"' "$dir/past") \
$(sed -n 's/.*trade_id\\":\\"\([0-9]*\)\\".*/\1/p' "$dir/past" | sort | uniq -d | wc -l)"
equal "then it is live, and beats of the simulator are too" yes "$(dump | grep -q '"kind":"beat","source":"sim".*"live":true' && echo yes)"

planned
cuts=0
while [ $cuts -lt 6 ]; do
	# Far ahead of an ap-normalize that is not there it is held; so it is always in the middle when it is killed.
	past -o runtime.stream_max=1000 -o ingest.backlog_bytes=1048576
	wait_for 10 grep -q 'ev=sources_held' "$dir/ingest.log"
	[ $cuts -ne 3 ] || echo '{"symbol":"H-USD","price":"1","quantity":"1","timestamp":1700000000}' | "$tools/tcp" 127.0.0.1 "$AP_ACK" 5 >"$dir/answers"
	ended -KILL
	for p in 0 1 2 3; do rcli HSET "ap:{$p}:state:normalize" n "$(rcli HGET "ap:{$p}:seq" raw:n)"; done >/dev/null
	: >"$dir/ingest.log"
	cuts=$((cuts + 1))
done
equal "killed $cuts times it is still in the middle" "open $plan yes" "$(told) $([ "$(of_past | wc -l)" -lt "$(wc -l <"$dir/past")" ] && echo yes)"
equal "sockets were served meanwhile" 1 "$(grep -c message_id "$dir/answers")"
past -o runtime.stream_max=10000000 -o ingest.sim_seed=99 -o ingest.sim_history_min=60
check "it goes on to its end" wait_for 30 grep -q ev=history_sent "$dir/ingest.log"
ended -TERM
equal "and is the past of an undisturbed run, whatever the options say by now" "$whole" "$(of_past | sort | cksum)"
: >"$dir/ingest.log"
past -o runtime.stream_max=10000000
sleep 2
ended -TERM
equal "a later start sends none" "$whole 0" "$(of_past | sort | cksum) $(grep -c ev=history "$dir/ingest.log")"

ingest --replay "$dir/tape.ndjson" --format ndjson --close --file 2>/dev/null >"$dir/frames"
ingest --replay "$dir/tape.ndjson" --format ndjson --close --file 2>/dev/null >"$dir/frames2"
equal "frames without Redis: the same bytes each time" yes "$([ -s "$dir/frames" ] && cmp -s "$dir/frames" "$dir/frames2" && echo yes)"
tap_end
