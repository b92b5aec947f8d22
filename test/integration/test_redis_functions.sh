#!/bin/sh
# Every reply word of every Redis function (schema/streams.md), and that nothing is written by a call that is refused.
# shellcheck disable=SC2086,SC2046  # calls are lists of words
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
servers_init 22000 22999
redis_start --enable-debug-command local
t_no=0
is() { # text, wanted, got
	t_no=$((t_no + 1))
	if [ "$2" = "$3" ]; then echo "ok $t_no - $1"; else
		echo "not ok $t_no - $1"; echo "#   wanted: $2"; echo "#   got:    $3"; AP_T_BAD=1
	fi
}
# A reply's elements in one line.
f() { rcli fcall "$@" 2>&1 | tr '\n' ' ' | sed 's/ $//'; }
# Everything in the database, as one number.
digest() { rcli debug digest | grep -aE "^[0-9a-f]{40}$" || echo "no digest $$ $(date +%N)"; }
unchanged() { # text, wanted, call...
	u_text=$1 u_want=$2 u_was=$(digest)
	shift 2
	is "$u_text" "$u_want" "$(f "$@")"
	is "  and nothing was written" "$u_was" "$(digest)"
}
own='ap:{0}:own:normalize' state='ap:{0}:state:normalize' seq='ap:{0}:seq' raw='ap:{0}:raw' hw='ap:{0}:hw'
tick='ap:{0}:tick' reject='ap:{0}:reject' live='ap:{0}:live'
A=0123456789abcdef0123456789abcdef B=ffffffffffffffffffffffffffffffff

is 'the library loads' alphapulse_v1 "$(rcli -x function load replace <schema/functions/alphapulse_v1.lua)"
is 'the version is asked for by a read-only call' alphapulse_v1 "$(rcli fcall_ro ap_version_v1 0)"

U=11111111-2222-4333-8444-555555555555
is 'the data set is made' "OK $U 4" "$(f ap_dataset_v1 1 ap:dataset $U 4 now)"
is 'and stays what it is' "OK $U 4" "$(f ap_dataset_v1 1 ap:dataset 99999999-2222-4333-8444-555555555555 8 now)"
is 'a bad number of partitions' 'BAD arguments' "$(f ap_dataset_v1 1 ap:dataset $U x now)"

unchanged 'a partition that was emptied gives no lease' DATASET ap_acquire_v1 1 $own $A w1 60000
unchanged 'and takes nothing' DATASET ap_append_v1 3 $raw $seq $hw feed 1 3 0-0 3 5 body
rcli hset $seq ds $U parts 4 >/dev/null
is 'with the data set it does' 'OK 1' "$(f ap_acquire_v1 1 'ap:{0}:own:toy' "$A" w1 60000)"
is 'a free lease is taken' 'OK 1' "$(f ap_acquire_v1 1 $own $A w1 60000)"
is 'a held lease is refused, with its holder' 'HELD w1' "$(f ap_acquire_v1 1 $own $B w2 60000 | cut -d' ' -f1,2)"
is 'the same worker takes it again, one epoch later' 'OK 2 w1' "$(f ap_acquire_v1 1 $own $B w1 60000)"
is 'an old token does not renew' FENCED "$(f ap_renew_v1 1 $own $A 2 60000)"
is 'an old epoch does not renew' FENCED "$(f ap_renew_v1 1 $own $B 1 60000)"
is 'the present one does' OK "$(f ap_renew_v1 1 $own $B 2 60000)"
is 'it is given up' OK "$(f ap_renew_v1 1 $own $B 2 0)"
is 'what was given up is free, and the epoch goes on' 'OK 3' "$(f ap_acquire_v1 1 $own $A w2 1)"
sleep 0.01
is 'an expired lease is free, and who had it is told' 'OK 4 w2' "$(f ap_acquire_v1 1 $own $A w1 60000)"
unchanged 'a token that is none' 'BAD arguments' ap_acquire_v1 1 $own xyz w1 60000
unchanged 'a term of nothing' 'BAD arguments' ap_acquire_v1 1 $own $A w1 0
rcli set ap:text x >/dev/null
unchanged 'a lease on a key of another type' 'BAD type' ap_acquire_v1 1 ap:text $A w1 60000

is 'a lease nobody has had for a while is taken by anybody' 'OK 5 w1' "$(rcli hset $own x 1000 >/dev/null; f ap_acquire_v1 1 $own $B w2 60000 4000)"
is 'but not from its owner' 'HELD w2' "$(f ap_acquire_v1 1 $own $A w1 60000 4000 | cut -d' ' -f1,2)"
is 'who asks so leaves no claim' '' "$(rcli hget $own n)"
is 'its owner may have it back, under a token of the same process' 'OK 6 w2' "$(f ap_acquire_v1 1 $own ffffffffffffffff0000000000000000 w2 60000 4000)"
is 'another process of its name may not' 'HELD w2' "$(f ap_acquire_v1 1 $own $A w2 60000 4000 | cut -d' ' -f1,2)"
is 'nor anybody just after it was given up' HELD "$(f ap_renew_v1 1 $own ffffffffffffffff0000000000000000 6 0 >/dev/null; f ap_acquire_v1 1 $own $A w1 60000 60000 | cut -d' ' -f1)"
is 'a claim of a free lease is answered at once' 'OK 7' "$(f ap_acquire_v1 1 $own $A w1 60000 0)"
is 'a claim of a held one leaves its name' 'HELD w2' "$(f ap_acquire_v1 1 $own $B w2 60000 0 >/dev/null; echo "HELD $(rcli hget $own n)")"
is 'and its owner hears it with the next renewal' 'OK w2' "$(f ap_renew_v1 1 $own $A 7 60000)"
is 'a claim grows old' OK "$(rcli hset $own nx 1000 >/dev/null; f ap_renew_v1 1 $own $A 7 60000)"
is 'and goes with the next taking' '' "$(f ap_renew_v1 1 $own $A 7 0 >/dev/null; f ap_acquire_v1 1 $own $B w2 60000 >/dev/null; rcli hget $own n)"
rcli hset $own t $A e 4 w w1 >/dev/null         # what follows is written for this one

ws=ap:workers:normalize
is 'the first worker is alone' 'OK w1 60000' "$(f ap_worker_v1 1 $ws w1 $A 60000 host/1)"
is 'the second sees the first' 'OK w1 w2' "$(f ap_worker_v1 1 $ws w2 $B 50000 host/2 | awk '{ print $1, $2, $4 }')"
is 'who is not renewed is no longer there' 'OK w2' "$(rcli hset $ws w1 "1000 $A host/1" >/dev/null; f ap_worker_v1 1 $ws w2 $B 60000 host/2 | awk '{ print $1, $2, $4 }' | sed 's/ $//')"
is 'and not in the hash' w2 "$(rcli hkeys $ws)"
is 'another process of a name hears of the first' "TWIN $B host/2" "$(f ap_worker_v1 1 $ws w2 $A 60000 host/9 | awk '{ print $1, $3, $4 }')"
is 'unless that one is known to have ended' 'OK w2 60000' "$(f ap_worker_v1 1 $ws w2 $A 60000 host/9 $B)"
is 'who leaves is gone at once' 'OK' "$(f ap_worker_v1 1 $ws w2 $A 0 host/9)"
is 'and leaves no key' 0 "$(rcli exists $ws)"
unchanged 'a worker without a name' 'BAD arguments' ap_worker_v1 1 $ws '' $A 60000 host/1
unchanged 'a worker whose token is none' 'BAD arguments' ap_worker_v1 1 $ws w1 xyz 60000 host/1
unchanged 'a worker that is nowhere' 'BAD arguments' ap_worker_v1 1 $ws w1 $A 60000 'host 1'
unchanged 'workers in a key of another type' 'BAD type' ap_worker_v1 1 ap:text w1 $A 60000 host/1
i=0
while [ $i -lt 256 ]; do echo "HSET $ws n$i \"9000000000000 $B h/$i\""; i=$((i + 1)); done | rcli >/dev/null
is 'one worker too many' FULL "$(f ap_worker_v1 1 $ws w1 $A 60000 host/1)"
rcli del $ws >/dev/null

is 'an append' 'OK 1' "$(f ap_append_v1 3 $raw $seq $hw feed 1 3 0-0 3 5 body | cut -d' ' -f1,3)"
unchanged 'the same again' 'DUP 3' ap_append_v1 3 $raw $seq $hw feed 1 3 0-0 3 5 body
unchanged 'half of it new' 'PART 3' ap_append_v1 3 $raw $seq $hw feed 3 4 0-0 2 5 body
is 'another producer has its own numbers' 'OK 2' "$(f ap_append_v1 3 $raw $seq $hw other 1 1 0-0 1 5 body | cut -d' ' -f1,3)"
unchanged 'a Redis that has forgotten what the producer saw in it' 'LOST 3' ap_append_v1 3 $raw $seq $hw feed 5 5 0-0 1 5 body 4
unchanged 'that is said before anything else' 'LOST 3' ap_append_v1 3 $raw $seq $hw feed 1 2 0-0 1 5 body 4
unchanged 'what was seen is no number' 'BAD arguments' ap_append_v1 3 $raw $seq $hw feed 5 5 0-0 1 5 body x
is 'records without numbers are always taken' 'OK 3' "$(f ap_append_v1 3 $raw $seq $hw feed 0 0 0-0 1 5 body | cut -d' ' -f1,3)"
is 'and move no mark' 3 "$(rcli hget "$hw" feed)"
is 'an id never falls below the floor' 'OK 9000000000000-128 4' "$(f ap_append_v1 3 $raw $seq $hw feed 4 4 9000000000000-65 1 5 body)"
is 'nor below the last one' 'OK 9000000000000-192 5' "$(f ap_append_v1 3 $raw $seq $hw feed 5 5 0-0 1 5 body)"
unchanged 'no records' 'BAD size' ap_append_v1 3 $raw $seq $hw feed 6 6 0-0 0 5 body
unchanged '513 records' 'BAD size' ap_append_v1 3 $raw $seq $hw feed 6 6 0-0 513 5 body
unchanged 'numbers that go back' 'BAD arguments' ap_append_v1 3 $raw $seq $hw feed 7 6 0-0 1 5 body
unchanged 'a stream of another type' 'BAD type' ap_append_v1 3 ap:text $seq $hw feed 6 6 0-0 1 5 body
big=$AP_T_DIR/big
head -c 262144 /dev/zero | tr '\0' x >"$big"
is 'a body of 256 KiB' 'OK 6' "$(rcli -x fcall ap_append_v1 3 $raw $seq $hw feed 6 6 0-0 512 5 <"$big" | tr '\n' ' ' | cut -d' ' -f1,3)"
printf x >>"$big"
is 'and one byte more' 'BAD size ' "$(rcli -x fcall ap_append_v1 3 $raw $seq $hw feed 7 7 0-0 512 5 <"$big" | tr '\n' ' ')"
is 'records are counted' 519 "$(rcli hget "$seq" raw:n)"

ids=$(rcli xrange "$raw" - + | grep -aE '^[0-9]+-[0-9]+$')
i1=$(echo "$ids" | sed -n 1p) i2=$(echo "$ids" | sed -n 2p) i3=$(echo "$ids" | sed -n 3p)
rcli xgroup create "$raw" normalize 0 >/dev/null
rcli xreadgroup group normalize p count 3 streams "$raw" '>' >/dev/null
C="ap_commit_v1 6 $own $state $seq $raw $tick $reject"
# token epoch group cursor q new new_q records first lost acks... outputs... sets... dels...
unchanged 'a commit with another token' FENCED $C $B 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 0 0 0
unchanged 'a commit of another epoch' FENCED $C $A 3 normalize 0-0 0 $i1 1 3 1 0 1 $i1 0 0 0
unchanged 'a first entry that does not follow' 'GAP 0' $C $A 4 normalize 0-0 0 $i2 2 1 2 0 1 $i2 0 0 0
unchanged 'a cursor that is not the stored one' 'CURSOR 0-0' $C $A 4 normalize 5-0 0 $i1 1 3 1 0 1 $i1 0 0 0
unchanged 'acks that are not the batch' 'BAD acks' $C $A 4 normalize 0-0 0 $i2 2 4 1 0 1 $i2 0 0 0
unchanged 'a last ack that is not the new cursor' 'BAD acks' $C $A 4 normalize 0-0 0 $i2 2 4 1 0 2 $i2 $i1 0 0 0
unchanged 'an output of 513 records' 'BAD outs' $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 1 1 tick $i1 513 5 b 0 0 0
unchanged 'an output to a key not given' 'BAD outs' $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 1 3 tick $i1 1 5 b 0 0 0
unchanged 'a field without a value' 'BAD sets' $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 0 1 f:a
unchanged 'arguments that are left over' 'BAD arguments' $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 0 0 0 more
unchanged 'an output stream of another type' 'BAD type' ap_commit_v1 5 $own $state $seq $raw ap:text $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 1 1 tick $i1 1 5 b 0 0 0
is 'a commit' 'OK 1' "$(f $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 3 1 tick $i1 2 5 b 0 1 tick $i1 1 5 b 0 2 reject $i1 1 5 r 0 2 f:a 1 f:b 2 0)"
is '  wrote its outputs under the ids given, the second raised above the first' "$i1 ${i1%-*}-1" "$(rcli xrange "$tick" - + | grep -aE '^[0-9]+-[0-9]+$' | tr '\n' ' ' | sed 's/ $//')"
is '  numbered them' '2 1' "$(rcli hmget "$seq" tick reject | tr '\n' ' ' | sed 's/ $//')"
is '  moved cursor, sequence, records' "$i1 1 3" "$(rcli hmget "$state" c q n | tr '\n' ' ' | sed 's/ $//')"
is '  set the fields' '1 2' "$(rcli hmget "$state" f:a f:b | tr '\n' ' ' | sed 's/ $//')"
is '  and acknowledged' 2 "$(rcli xpending "$raw" normalize | head -1)"
unchanged 'the same commit again' ALREADY $C $A 4 normalize 0-0 0 $i1 1 3 1 0 1 $i1 1 1 tick $i1 2 5 b 0 0 0
is 'two entries, a field deleted, reject raised' 'OK 2' "$(f $C $A 4 normalize $i1 1 $i3 3 2 2 0 2 $i2 $i3 1 2 reject $i1 1 5 r 0 0 1 f:a)"
is '  the raised id' "${i1%-*}-$((${i1#*-} + 1))" "$(rcli hget "$seq" reject:id)"
is '  the field is gone' '' "$(rcli hget "$state" f:a)"
unchanged 'a loss that is not as large as said' 'GAP 3' $C $A 4 normalize $i3 3 9000000000000-192 5 1 5 2 1 9000000000000-192 0 0 0
is 'a known loss is let pass and kept' 'OK 0' "$(f $C $A 4 normalize $i3 3 9000000000000-192 5 1 5 1 1 9000000000000-192 0 0 0)"
is '  in the state' 1 "$(rcli hget "$state" lost)"
last=9000000000000-256
is 'at the end of the input its own count is taken' 'OK 0' "$(f $C $A 4 normalize 9000000000000-192 5 $last 6 1 6 0 1 $last 0 0 0)"
is '  so that a loss does not skew it' 519 "$(rcli hget "$state" n)"

f ap_append_v1 3 $raw $seq $hw feed 7 7 0-0 1 5 body >/dev/null
sets=$(i=0; while [ $i -lt 5000 ]; do printf 'f:%d v ' $i; i=$((i + 1)); done)
dels=$(i=0; while [ $i -lt 5000 ]; do printf 'f:x%d ' $i; i=$((i + 1)); done)
# shellcheck disable=SC2086
is '5,000 fields set and 5,000 deleted in one commit' 'OK 0' "$(f $C $A 4 normalize $last 6 9000000000000-320 7 1 7 0 1 9000000000000-320 0 5000 $sets 5000 $dels)"
is '  are there' 5005 "$(rcli hlen "$state")"
i=0 at=9000000000000-320 q=7
while [ $i -lt 3 ]; do
	new=$(f ap_append_v1 3 $raw $seq $hw feed 0 0 0-0 1 5 body | cut -d' ' -f2)
	f ap_commit_v1 5 $own $state $seq $raw $live $A 4 normalize "$at" $q "$new" $((q + 1)) 1 $((q + 1)) 0 1 "$new" \
		200 $(j=0; while [ $j -lt 200 ]; do printf '1 live %s-%d 1 5 b 16 ' "${new%-*}" $((${new#*-} * 1000 + j)); j=$((j + 1)); done) 0 0 >/dev/null
	at=$new q=$((q + 1)) i=$((i + 1))
done
[ "$(rcli xlen "$live")" -lt 250 ]; is 'the short-lived stream is kept short' 0 $?

shown=$(f ap_show_v1 3 $own $seq $live $A 4 3 5 body 16)
is 'shown behind the newest entry of a short-lived stream' "OK $(rcli hget "$seq" live:id)" "$shown"
is '  with the next number of the stream' "$(rcli hget "$seq" live)" "$(rcli --raw xrevrange "$live" + - count 1 | sed -n '/^q$/{n;p;}')"
unchanged 'shown by who does not own the partition' FENCED ap_show_v1 3 $own $seq $live $B 4 1 5 body 16
unchanged 'shown for ever' 'BAD arguments' ap_show_v1 3 $own $seq $live $A 4 1 5 body 0
unchanged 'shown without records' 'BAD size' ap_show_v1 3 $own $seq $live $A 4 0 5 body 16
unchanged 'shown in what is no stream' 'BAD type' ap_show_v1 3 $own $seq $hw $A 4 1 5 body 16

unchanged 'trimming with a reader that has no cursor' 'OK 0' ap_trim_v1 2 $raw 'ap:{0}:state:nobody' 1 9000000000000-320 1
is 'trimming below the least cursor' OK "$(f ap_trim_v1 2 $raw $state 1 99999999999999-0 1 | cut -d' ' -f1)"
is '  keeps what follows it' "$at" "$(rcli xrange "$raw" "$at" + | head -1)"
unchanged 'trimming without an id' 'BAD arguments' ap_trim_v1 1 $raw 1 x 0

rcli config set maxmemory 1 >/dev/null
case $(f ap_append_v1 3 $raw $seq $hw feed 0 0 0-0 1 5 body) in *OOM*) is 'out of memory: an append is refused whole' 0 0 ;; *) is 'out of memory: an append is refused whole' OOM other ;; esac
is 'out of memory: leases are renewed' OK "$(f ap_renew_v1 1 $own $A 4 60000)"
is 'out of memory: trimming works' OK "$(f ap_trim_v1 1 $tick 1 99999999999999-0 0 | cut -d' ' -f1)"
echo "1..$t_no"
exit "${AP_T_BAD:-0}"
