#!/bin/sh
# The runtime of a stage against a real Redis, with a stage that copies: whatever is killed, every record is copied once, in order.
# shellcheck disable=SC2317,SC2181  # functions called by name, codes looked at in a row
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
toy=${AP_TOOLS:-build/test/tools}/toy
[ -x "$toy" ] || skip_all "toy is not built"
servers_init 22000 22999
redis_start --appendfsync always
export AP_REDIS__URL="$AP_REDIS_URL" AP_RUNTIME__STREAM_MAX=100000000 AP_DATA__PARTITIONS=2 AP_RUNTIME__BACKOFF_MAX_MS=400
export AP_METRICS__INTERVAL_MS=200
: >"$AP_T_DIR/empty.conf"
t_no=0
result() { # ok?, text
	t_no=$((t_no + 1))
	if [ "$1" -eq 0 ]; then echo "ok $t_no - $2"; else
		echo "not ok $t_no - $2"
		for f in "$AP_T_DIR"/*.log; do sed 's/^/#   /' "$f" | tail -8; done
		AP_T_BAD=1
	fi
}
same() { "$toy" check -c "$AP_T_DIR/empty.conf" >"$AP_T_DIR/check.out" 2>&1; }
all_copied() { wait_for "${1:-10}" same || { sed 's/^/#   /' "$AP_T_DIR/check.out"; return 1; }; }
first='' second='' extra='' twin='' third='' fourth='' fifth='' sixth='' doomed=''
stage() { bg "$1" "$toy" stage -c "$AP_T_DIR/empty.conf" -o runtime.worker="$2"; eval "$1=\$BG_PID"; }
own() { rcli hget 'ap:{0}:own:normalize' "$1"; }
held_by() { [ "$(own w)" = "$1" ]; }
registered() { [ "$(rcli hlen ap:workers:normalize)" = "$1" ]; }
owners_number() { [ "$(for n_p in 0 1; do rcli hget "ap:{$n_p}:own:normalize" w; done | sort -u | grep -c .)" = "$1" ]; }
state_n() { rcli hget 'ap:{0}:state:normalize' n; }
moved() { [ "$(state_n)" -gt "$1" ]; }

"$toy" setup -c "$AP_T_DIR/empty.conf"; result $? "functions are loaded and the data set is made"
"$toy" setup -c "$AP_T_DIR/empty.conf"; result $? "doing so again changes nothing"
"$toy" setup -c "$AP_T_DIR/empty.conf" -o data.partitions=3 2>/dev/null; [ $? -eq 1 ]; result $? "a data set of another number of partitions is refused"
ds=$(rcli hget 'ap:{1}:seq' ds)
[ -n "$ds" ] && [ "$ds" = "$(rcli hget ap:dataset id)" ]; result $? "every partition carries the data set's id"
rcli del 'ap:{1}:seq' >/dev/null
"$toy" setup -c "$AP_T_DIR/empty.conf" 2>/dev/null; [ $? -eq 1 ]; result $? "a partition that has lost it is not given it again in silence"
rcli hset 'ap:{1}:seq' ds "$ds" parts 2 >/dev/null

stage first w1
"$toy" feed -c "$AP_T_DIR/empty.conf" 200 5 >/dev/null
all_copied; result $? "every record is copied once, in order, under the id it came with"
[ "$(rcli xinfo groups 'ap:{0}:raw' | sed -n 6p)" = 0 ]; result $? "nothing stays pending"

# Every partition has an owner, and each of the workers named has one of the two.
owners() { for o_p in 0 1; do rcli hget "ap:{$o_p}:own:normalize" w; done | sort | tr '\n' ' '; }
owners_are() { [ "$(owners)" = "$1" ]; }
( i=0; while [ $i -lt 20 ]; do "$toy" feed -c "$AP_T_DIR/empty.conf" 20 5 >/dev/null; i=$((i + 1)); done ) & feeder=$!
stage second w2
wait_for 30 owners_are 'w1 w2 '; result $? "a second worker takes its share from the first"
stage extra w9
wait_for 30 registered 3; result $? "a third one registers, though there is nothing for it"
wait_for 30 owners_number 2; result $? "two workers have one partition each"
kill -TERM "$extra"; wait "$extra"; [ $? -eq 0 ]; result $? "SIGTERM ends it with 0"
wait_for 30 registered 2; result $? "and it is no longer registered"
wait_for 30 owners_are 'w1 w2 '; result $? "what it may have had is the others' again"
kill -TERM "$first"; wait "$first"; [ $? -eq 0 ]; result $? "SIGTERM ends a worker with 0"
wait_for 10 owners_are 'w2 w2 '; result $? "the lease it gave back is taken"
wait $feeder
all_copied; result $? "the second worker goes on where the first stopped"
grep -q 'ev=refused' "$AP_T_DIR/first.log"; [ $? -ne 0 ]; result $? "and nothing was refused on the way: leases were handed over"
stage twin w2
wait_for 30 gone "$twin"; wait "$twin"; [ $? -eq 111 ]; result $? "a second process under one name goes with 111"
grep -q 'ev=name_taken worker=w2' "$AP_T_DIR/twin.log"; result $? "and says why"
gone "$second"; [ $? -ne 0 ]; result $? "the first one of that name stays"
# A process of another host, which cannot be looked at from here: only its registration tells whether it lives.
far() { rcli fcall ap_worker_v1 1 ap:workers:normalize w8 ffffffffffffffffffffffffffffffff "$1" elsewhere/0/1/2/3 >/dev/null; }
far 3000
stage extra w8
wait_for 30 owners_number 2; result $? "a name whose process on another host is gone is taken when its registration has run out"
rcli hexists ap:workers:normalize w8 | grep -q 1; result $? "and kept"
kill -TERM "$extra"; wait "$extra"
far 3000
( while [ ! -e "$AP_T_DIR/far.end" ]; do far 3000; sleep 0.2; done ) & farther=$!
stage extra w8
renamed() { rcli hkeys ap:workers:normalize | grep -q "^w8@"; }
wait_for 30 renamed; result $? "a name whose process on another host lives gets our host's added"
: >"$AP_T_DIR/far.end"
wait $farther
kill -TERM "$extra"; wait "$extra"; [ $? -eq 0 ]; result $? "SIGTERM ends it with 0 all the same"
far 0
wait_for 30 owners_are 'w2 w2 '; result $? "and what it had is the first one's again"
kill -KILL "$second"; wait "$second" 2>/dev/null
stage third w3
wait_for 30 held_by w3; result $? "a killed worker's lease is taken when it has run out"
kill -KILL "$third"; wait "$third" 2>/dev/null
stage third w3
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:own:normalize' e)\" -ge 4 ]"; result $? "a restart under the same name takes its own lease back at once, in a new epoch"

# Killed again and again while records flow.
( i=0; while [ $i -lt 12 ]; do "$toy" feed -c "$AP_T_DIR/empty.conf" 60 7 >/dev/null; i=$((i + 1)); done ) & feeder=$!
i=0
while [ $i -lt 10 ]; do
	sleep "0.$((i % 4 + 1))"
	kill -KILL "$third"; wait "$third" 2>/dev/null
	stage third w3
	i=$((i + 1))
done
wait $feeder
all_copied 20; result $? "ten kills in the middle of work: every record is copied once, in order"

# A paused owner wakes up as a zombie.
kill -STOP "$third"
stage fourth w4
wait_for 30 held_by w4; result $? "a paused worker's lease is taken by another"
"$toy" feed -c "$AP_T_DIR/empty.conf" 30 5 >/dev/null
all_copied; result $? "the new owner works alone"
kill -CONT "$third"
"$toy" feed -c "$AP_T_DIR/empty.conf" 100 5 >/dev/null
all_copied 15; result $? "the zombie's commits are fenced, what it read is read again"
wait_for 30 owners_are 'w3 w4 '; result $? "the zombie has its share again"
kill -TERM "$third"; wait "$third"; [ $? -eq 0 ]; result $? "it ends with 0"
wait_for 30 owners_are 'w4 w4 '; result $? "and the other one has both"

# Unknown outcomes: connections are cut after the server has taken a command.
( i=0; while [ $i -lt 15 ]; do "$toy" feed -c "$AP_T_DIR/empty.conf" 40 7 >/dev/null 2>&1; i=$((i + 1)); done ) & feeder=$!
i=0
while [ $i -lt 12 ]; do
	sleep 0.2
	rcli client kill type normal >/dev/null
	i=$((i + 1))
done
wait $feeder
"$toy" feed -c "$AP_T_DIR/empty.conf" 10 5 >/dev/null
all_copied 15; result $? "cut connections with commands under way: nothing lost, nothing twice"

# Redis does not answer for longer than the command deadline, then answers everything.
"$toy" feed -c "$AP_T_DIR/empty.conf" 20 5 >/dev/null & feeder=$!
kill -STOP "$AP_T_REDIS_PID"; sleep 3.5; kill -CONT "$AP_T_REDIS_PID"
wait $feeder
"$toy" feed -c "$AP_T_DIR/empty.conf" 20 5 >/dev/null 2>&1 || "$toy" feed -c "$AP_T_DIR/empty.conf" 20 5 >/dev/null
all_copied 15; result $? "a Redis that hangs past every deadline: late commits are fenced"
grep -q 'why=deadline' "$AP_T_DIR/fourth.log"; result $? "the deadline was noticed and logged"

redis_kill
sleep 0.5
redis_start --appendfsync always
"$toy" feed -c "$AP_T_DIR/empty.conf" 50 5 >/dev/null
all_copied 15; result $? "kill -9 of Redis and its restart"

# A trimmed entry is a loss, and says so.
kill -TERM "$fourth"; wait "$fourth"
"$toy" feed -c "$AP_T_DIR/empty.conf" 5 5 >/dev/null
first_new=$(rcli xrange 'ap:{0}:raw' "($(rcli hget 'ap:{0}:state:normalize' c)" + count 3 | grep -aE '^[0-9]+-[0-9]+$' | tail -1)
rcli xtrim 'ap:{0}:raw' minid "$first_new" >/dev/null
stage fifth w5
"$toy" feed -c "$AP_T_DIR/empty.conf" 5 5 >/dev/null
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:state:normalize' lost)\" = 2 ]"
result $? "two entries trimmed before they were read are counted as lost"
grep -q 'ev=entries_lost.*entries=2' "$AP_T_DIR/fifth.log"; result $? "and an error line says so"
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:state:normalize' n)\" = \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:seq' raw:n)\" ]"
result $? "at the end of the stream the records taken are the stream's own again"

# An entry that does not decode.
rcli fcall ap_append_v1 3 'ap:{0}:raw' 'ap:{0}:seq' 'ap:{0}:hw' bad 1 1 0-0 1 5 'no msgpack' >/dev/null
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:seq' reject:n)\" = 1 ]"
result $? "a body that does not decode becomes one reject record"

rcli function flush >/dev/null
"$toy" setup -c "$AP_T_DIR/empty.conf"
"$toy" feed -c "$AP_T_DIR/empty.conf" 20 5 >/dev/null
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:state:normalize' n)\" = \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:seq' raw:n)\" ]"
result $? "functions that were flushed and loaded again"
[ "$(rcli xlen ap:metric)" -gt 0 ]; result $? "reports are in ap:metric"

kill -TERM "$fifth"; wait "$fifth"

# A record that kills whoever steps it.
"$toy" feed -c "$AP_T_DIR/empty.conf" 5 5 >/dev/null
dies_at=$(($(rcli hget 'ap:{0}:hw' toy) + 8))
rejects=$(rcli hget 'ap:{0}:seq' reject:n)
i=0 alive=0
# shellcheck disable=SC3045 # dash and bash both have it; elsewhere it only says so
ulimit -c 0
TOY_DIES_AT=$dies_at
export TOY_DIES_AT
while [ $i -lt 20 ]; do
	stage doomed w7
	[ $i -gt 0 ] || wait_for 30 held_by w7
	[ $i -gt 0 ] || "$toy" feed -c "$AP_T_DIR/empty.conf" 4 5 >/dev/null
	wait_for 8 gone "$doomed" || { alive=1; break; }
	wait "$doomed" 2>/dev/null
	i=$((i + 1))
done
unset TOY_DIES_AT
[ $alive -eq 1 ] && [ $i -ge 6 ] && [ $i -le 8 ]; result $? "two records that kill their stage, one in each partition, kill it four times each and not for ever (it died $i times)"
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:seq' reject:n)\" = $((rejects + 1)) ]"
result $? "each is in reject, alone of the five records of its entry"
wait_for 30 sh -c "[ \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:state:normalize' n)\" = \"\$(redis-cli -p $AP_T_REDIS_PORT hget 'ap:{0}:seq' raw:n)\" ]"
result $? "and its neighbours were taken"
kill -TERM "$doomed"; wait "$doomed"
export AP_RUNTIME__STREAM_MAX=1000
stage sixth w6
"$toy" feed -c "$AP_T_DIR/empty.conf" 300 10 >/dev/null
sleep 2
"$toy" feed -c "$AP_T_DIR/empty.conf" 20 10 >/dev/null
sleep 0.5
ahead=$(($(rcli hget 'ap:{0}:seq' tick:n)))
behind=$(($(rcli hget 'ap:{0}:seq' raw:n) - $(state_n)))
[ "$behind" -gt 0 ]; result $? "a stage stops reading when what it wrote is not read"
stopped_at=$(state_n)
rcli hset 'ap:{0}:state:candle' n "$ahead" >/dev/null
rcli hset 'ap:{1}:state:candle' n 1000000 >/dev/null
wait_for 30 moved "$stopped_at"; result $? "and goes on when its reader has caught up"
kill -TERM "$sixth"; wait "$sixth"; [ $? -eq 0 ]; result $? "SIGTERM while held back ends with 0"
echo "1..$t_no"
exit "${AP_T_BAD:-0}"
