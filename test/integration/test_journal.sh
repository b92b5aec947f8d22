#!/bin/sh
# The journal behind ap-ingest, with real processes and a real Redis: what was acknowledged is stored once, whatever dies meanwhile.
# AP_KILLS: how often ap-ingest is killed under load (4).
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
AP_BIN=${AP_BIN:-bin}
tools=${AP_TOOLS:-build/test/tools}
need redis-server redis-cli awk
servers_init 23000 23499
dir=$AP_T_DIR

fresh() {
	redis_stop
	rm -rf "$AP_T_DIR/redis" "${dir:?}/var"
	redis_start --appendfsync always
	redis_functions
	redis_dataset
	: >"$dir/one.log"
	: >"$dir/two.log"
}
tcp=$(free_port)
ack=$(free_port)
ingest() {
	"$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$dir/var" -o runtime.backoff_max_ms=200 -o ingest.producer=here \
		-o runtime.stream_max=10000000 "$@"
}
live() { # NAME option...
	live_name=$1
	shift
	bg "$live_name" "$AP_BIN/ap-ingest" -c /dev/null -o redis.url="$AP_REDIS_URL" -o data.dir="$dir/var" -o runtime.backoff_max_ms=200 \
		-o ingest.producer=here -o runtime.stream_max=10000000 -o ingest.tcp="127.0.0.1:$tcp" -o ingest.ack="127.0.0.1:$ack" \
		-o runtime.worker="$live_name" "$@"
	live_pid=$BG_PID
}
listens() { # NAME: since its log was emptied
	wait_for 20 grep -q messages_to_acknowledge "$dir/$1.log"
}
gone_by() { # SIGNAL
	kill "$1" "$live_pid" 2>/dev/null
	wait "$live_pid" 2>/dev/null
}
send() { "$tools/tcp" 127.0.0.1 "$tcp" 60 >/dev/null; }
sync_all() { echo '{"ap":"sync"}' | "$tools/tcp" 127.0.0.1 "$ack" 60; }
messages() { # FROM TO
	awk -v a="$1" -v b="$2" 'BEGIN { for (i = a; i <= b; i++)
		printf "{\"symbol\":\"T%d-USD\",\"price\":\"1.5\",\"quantity\":\"2\",\"timestamp\":1767323045,\"trade_id\":\"%d\"}\n", i % 7, i }'
}
dump() {
	for p in 0 1 2 3; do
		n=$(rcli HGET "ap:{$p}:seq" raw:n)
		[ "${n:-0}" -eq 0 ] || timeout 60 "$AP_BIN/apctl" -c /dev/null -o redis.url="$AP_REDIS_URL" tail "ap:{$p}:raw" --from 0 --count "$n"
	done
}
ids() { dump | sed -n 's/.*trade_id\\":\\"\([0-9]*\)\\".*/\1/p' | sort -n; }
origins() { dump | sed -n 's/.*"kind":"raw".*"seq":\([0-9]*\),"payload".*/\1/p' | sort; }

# --- killed under load -----------------------------------------------------------------------
fresh
from=1 kills=0
: >"$dir/acked"
while [ $kills -lt "${AP_KILLS:-4}" ]; do
	: >"$dir/one.log"
	live one
	listens one || not_ok "it comes up again"
	messages "$from" $((from + 200000)) | "$tools/tcp" 127.0.0.1 "$ack" 60 >"$dir/answers" 2>/dev/null &
	client=$!
	sleep "$(awk -v k="$kills" 'BEGIN { srand(k + 17); printf "%.3f", 0.02 + rand() * 0.5 }')"
	gone_by -KILL
	wait $client
	# An answer that was cut is none.
	n=$(grep -c '^{"id".*"message_id".*}$' "$dir/answers")
	[ "$n" -eq 0 ] || seq "$from" $((from + n - 1)) >>"$dir/acked"
	echo "# killed after $n answers"
	# What was not answered may be there or not: sent again it may be there twice. So the next one begins with names of its own.
	from=$((from + 300000))
	kills=$((kills + 1))
done
: >"$dir/one.log"
live one
listens one
sync_all >/dev/null
ids | LC_ALL=C sort >"$dir/there"
LC_ALL=C sort -o "$dir/acked" "$dir/acked"
check "killed $kills times under load: some messages were acknowledged each time, or most times" test "$(wc -l <"$dir/acked")" -gt $kills
equal "all that were are there" "" "$(LC_ALL=C comm -23 "$dir/acked" "$dir/there" | head -3)"
equal "and nothing is there twice, acknowledged or not" "" "$(uniq -d "$dir/there" | head -3)"
origins >"$dir/origins"
equal "each record has a name of its own in the data set" "$(wc -l <"$dir/there") " "$(wc -l <"$dir/origins") $(uniq -d "$dir/origins" | head -3)"
gone_by -TERM

# --- Redis away --------------------------------------------------------------------------------
fresh
live one -o ingest.backlog_bytes=1048576
listens one
messages 1 1000 | send
sync_all >/dev/null
redis_kill
check "with Redis away it goes on taking messages, more than memory may hold" sh -c \
	"awk 'BEGIN { for (i = 1001; i <= 40000; i++) printf \"{\\\"symbol\\\":\\\"T%d-USD\\\",\\\"price\\\":\\\"1.5\\\",\\\"quantity\\\":\\\"2\\\",\\\"timestamp\\\":1767323045,\\\"trade_id\\\":\\\"%d\\\"}\\n\", i % 7, i }' | '$tools/tcp' 127.0.0.1 $tcp 30"
messages 40001 41000 | "$tools/tcp" 127.0.0.1 "$ack" 60 >"$dir/answers" &
client=$!
check "it says that it left Redis behind" wait_for 20 grep -q ev=redis_left_behind "$dir/one.log"
equal "and no source was held" 0 "$(grep -c ev=sources_held "$dir/one.log")"
redis_start --appendfsync always
wait $client
sync_all >/dev/null
equal "when Redis is back it gets them all, once" "$(seq 41000 | cksum)" "$(ids | cksum)"
equal "and who waited meanwhile is answered" 1000 "$(grep -c message_id "$dir/answers")"
check "then it is live again" wait_for 20 grep -q ev=caught_up "$dir/one.log"
messages 41001 41100 | send
sync_all >/dev/null
equal "records follow one another as they were taken" "" "$(for p in 0 1 2 3; do
	timeout 60 "$AP_BIN/apctl" -c /dev/null -o redis.url="$AP_REDIS_URL" tail "ap:{$p}:raw" --from 0 --count "$(rcli HGET "ap:{$p}:seq" raw:n)" |
		sed -n 's/.*"kind":"raw".*"seq":\([0-9]*\),"payload".*/\1/p' | awk '$1 "" <= last "" { print last, $1 } { last = $1 }'
done | head -3)"

# --- Redis has forgotten -----------------------------------------------------------------------------
# The end of two partitions is gone, under an open connection.
# In one go: a beat between would stand in the stream and not in its count.
lose() { # P NAME: all of its raw stream
	rcli EVAL "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[2], ARGV[1], 0) redis.call('HSET', KEYS[3], 'raw', 0, 'raw:n', 0)" \
		3 "ap:{$1}:raw" "ap:{$1}:hw" "ap:{$1}:seq" "$2" >/dev/null
}
lose 1 here
lose 2 here
wait_for 20 grep -q ev=redis_lost_records "$dir/one.log"
messages 41101 41200 | send
sync_all >/dev/null
equal "what Redis has lost is sent again, in order, before what is new" "$(seq 41200 | cksum)" "$(ids | cksum)"
rcli FLUSHALL >/dev/null
wait_for 20 grep -q dataset_missing "$dir/one.log"
messages 41201 42000 | send
sleep 1
equal "without a data set nothing is sent" 0 "$(rcli EXISTS 'ap:{0}:raw' 'ap:{1}:raw' 'ap:{2}:raw' 'ap:{3}:raw')"
rcli HSET ap:dataset rebuilding 1 >/dev/null
redis_dataset
wait_for 20 grep -q ev=dataset_rebuilding "$dir/one.log"
messages 42001 42100 | send
sleep 1
equal "nor while it is being rebuilt" 0 "$(rcli EXISTS 'ap:{0}:raw' 'ap:{1}:raw' 'ap:{2}:raw' 'ap:{3}:raw')"
rcli HDEL ap:dataset rebuilding >/dev/null
sync_all >/dev/null
equal "after that everything is there again, once" "$(seq 42100 | cksum)" "$(ids | cksum)"
gone_by -TERM

# --- one works, the other stands by ---------------------------------------------------------------------
fresh
live one
one=$live_pid
listens one
live two
check "a second one stands by" wait_for 20 grep -q ev=standby "$dir/two.log"
messages 1 2000 | send
sync_all >/dev/null
kill -TERM "$live_pid"
wait "$live_pid"
equal "a standby that is told to end goes, and takes nothing with it" 0 $?
: >"$dir/two.log"
live two
wait_for 20 grep -q ev=standby "$dir/two.log"
t=$("$tools/probe" now)
kill -9 "$one"
wait "$one" 2>/dev/null
check "and takes over when the first is killed" listens two
echo "# after $(($("$tools/probe" now) - t)) ms"
messages 2001 3000 | send
sync_all >/dev/null
equal "nothing is lost or doubled by that" "$(seq 3000 | cksum)" "$(ids | cksum)"
: >"$dir/one.log"
two=$live_pid
live one
wait_for 20 grep -q ev=standby "$dir/one.log"
t=$("$tools/probe" now)
kill -TERM "$two"
wait "$two"
equal "one that is told to end gives the lease back" 0 $?
check "and the other has it" listens one
echo "# after $(($("$tools/probe" now) - t)) ms"
gone_by -TERM

# --- names ---------------------------------------------------------------------------------------------------
field=$(rcli HKEYS ap:dataset | grep '^producer:' | head -1)
equal "the data set knows whose tag it is" here "$(rcli HGET ap:dataset "$field")"
rcli HSET ap:dataset "$field" there >/dev/null
ingest -o ingest.tcp= -o ingest.ack= 2>"$dir/err"
equal "a tag that belongs to another name is refused, and the option is named" "100 1" "$? $(grep -c 'choose another ingest.producer' "$dir/err")"
rcli HSET ap:dataset "$field" here >/dev/null
ingest -o ingest.producer='../x' 2>"$dir/err"
equal "so is a name that is none" "100 1" "$? $(grep -c 'names no producer' "$dir/err")"
redis_dataset 22345678-1234-4234-8234-123456789012
ingest -o ingest.tcp= -o ingest.ack= 2>"$dir/err"
equal "and a journal of another data set" "100 1" "$? $(grep -c "^ap-ingest: .*belongs to data set $AP_T_DATASET" "$dir/err")"

# --- deletion --------------------------------------------------------------------------------------------------
fresh
live one -o journal.segment_mb=1 -o journal.max_mb=3 -o journal.retain_h=1
listens one
messages 1 60000 | send &
client=$!
check "a journal that has reached its bound holds the sources" wait_for 30 grep -q 'ev=sources_held why=disk' "$dir/one.log"
disk() { du -sm "$dir/var/journal/here" | cut -f1; }
check "and is little larger ($(disk) MiB)" test "$(disk)" -le 16
stored() { # as ap-normalize and ap-persist say it
	for p in 0 1 2 3; do
		e=$(rcli HGET "ap:{$p}:seq" raw:id)
		rcli HSET "ap:{$p}:state:normalize" c "${e:-0-0}"
		rcli HSET "ap:{$p}:state:persist" raw:c "${e:-0-0}"
	done >/dev/null
}
n=0
while kill -0 $client 2>/dev/null && [ $n -lt 600 ]; do
	stored
	sleep 0.2
	n=$((n + 1))
done
wait $client
equal "what PostgreSQL has makes room, whatever its age" 0 $?
stored
sync_all >/dev/null
equal "nothing is lost by that" "$(seq 60000 | cksum)" "$(ids | cksum)"
gone_by -TERM

# --- producers that have ended ------------------------------------------------------------------------------------
fresh
messages 1 3000 >"$dir/tape.ndjson"
ingest --replay "$dir/tape.ndjson" --format ndjson --close --source tape >"$dir/sum" 2>/dev/null
name=$(sed -n 's/.*"producer":"\([^"]*\)".*/\1/p' "$dir/sum")
messages 3001 4000 | ingest --stdin 2>/dev/null
equal "a replay and standard input are journaled" 2 "$(find "$dir/var/journal" -name '*.apj' | wc -l)"
equal "a second replay adds nothing, there either" "0 2" "$(ingest --replay "$dir/tape.ndjson" --format ndjson --close --source tape 2>/dev/null |
	sed -n 's/.*"appended":\([0-9]*\).*/\1/p') $(find "$dir/var/journal" -name '*.apj' | wc -l)"
for p in 0 1 2 3; do lose $p "$name"; done
live one -o journal.retain_h=0
listens one
wait_for 30 grep -q "ev=journal_tended producer=$name" "$dir/one.log"
equal "what Redis has lost of an ended replay, the live one sends" "$(seq 3000 | cksum)" "$(dump | sed -n 's/.*"source":"tape".*trade_id\\":\\"\([0-9]*\)\\".*/\1/p' |
	sort -n | cksum)"
for p in 0 1 2 3; do rcli HSET "ap:{$p}:state:persist" raw:c 0-0; done >/dev/null
rounds=0
while [ $rounds -lt 4 ]; do
	rcli CLIENT KILL TYPE normal >/dev/null
	sleep 1.5
	rounds=$((rounds + 1))
done
equal "no journal of theirs goes before PostgreSQL has it" 2 "$(find "$dir/var/journal" -name '*.apj' | grep -vc /here/)"
rounds=0
while [ -n "$(find "$dir/var/journal/$name" -name '*.apj')" ] && [ $rounds -lt 20 ]; do
	stored
	sleep 1.5
	rcli CLIENT KILL TYPE normal >/dev/null
	rounds=$((rounds + 1))
done
equal "and deletes its journal when PostgreSQL has it" "" "$(find "$dir/var/journal/$name" -name '*.apj')"
ingest --replay "$dir/tape.ndjson" --format ndjson --close --source tape >"$dir/sum" 2>/dev/null
equal "after which a replay of the file still adds nothing" "0 0" "$(sed -n 's/.*"appended":\([0-9]*\).*/\1/p' "$dir/sum") $(find "$dir/var/journal/$name" -name '*.apj' | wc -l)"
gone_by -TERM
# --- clients that die -------------------------------------------------------------------------
# Without their answers, again and again, while there is no Redis to answer for: nobody waits for these any more.
fresh
live one -o ingest.backlog_bytes=1048576
listens one
redis_kill
files() { find "/proc/$live_pid/fd" -type l | wc -l; }
few() { [ "$(files)" -le "$open" ]; }
sleep 0.5
open=$(($(files) + 1))
for k in $(seq 40); do
	messages "${k}0001" "${k}1000" | "$tools/tcp" 127.0.0.1 "$ack" 60 cut
	wait_for 20 few || not_ok "connection $k is closed"
done
messages 1 500 | "$tools/tcp" 127.0.0.1 "$ack" 60 >"$dir/answers" &
client=$!
check "clients that died left Redis behind" wait_for 20 grep -q ev=redis_left_behind "$dir/one.log"
redis_start --appendfsync always
wait $client
sync_all >/dev/null
equal "what clients sent before they died is there, and who stayed is answered" "40500 500" "$(ids | wc -l) $(grep -c message_id "$dir/answers")"
check "it is live again" wait_for 20 grep -q ev=caught_up "$dir/one.log"
most=$(sed -n 's/.*ev=caught_up.* waiters_most=\([0-9]*\).*/\1/p' "$dir/one.log" | sort -n | tail -1)
check "and of the 40500 it kept no more in mind than a few clients may wait for ($most)" test "${most:-99999}" -le 16384
gone_by -TERM
tap_end
