#!/bin/sh
# fault: F23 a poison record for ap-candle, ap-indicators, ap-persist
# budget: stall <= 2 s
# budget_ms: 2000
# measured: from sending it, between good ones, until it stands in reject (normalized_data) and a new trade has come through all stages
# remark: kind: the stage that dies of it, of a trade, a candle, a message as it came; deaths: how often it died. ap-persist's own goes into the transaction that stores its neighbours
# Shims (test/shim/poison.c, poison_name.c) kill the stage whenever it looks at one certain record. No program knows of them.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
shims=$(cd "${AP_BUILD:-build}/test/shim" 2>/dev/null && pwd)
[ -e "$shims/poison_name.so" ] || skip_all "test/shim/poison_name.so is not built"
# shellcheck disable=SC3045 # dash and bash both have it; elsewhere it only says so
ulimit -c 0
bin=$(cd "$AP_BIN" && pwd)
mkdir "$AP_T_DIR/bin"
for p in "$bin"/*; do ln -s "$p" "$AP_T_DIR/bin/"; done
# poisoned PROGRAM SHIM [VARIABLE=VALUE...]
poisoned() {
	prog=$1 shim=$2
	shift 2
	rm "$AP_T_DIR/bin/$prog"
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nexec env %s LD_PRELOAD=%s %s "$@"\n' "$*" "$shims/$shim" "$bin/$prog" >"$AP_T_DIR/bin/$prog"
	chmod +x "$AP_T_DIR/bin/$prog"
}
poisoned ap-candle poison_name.so AP_POISON_WORD=BADTRADE
poisoned ap-indicators poison_name.so AP_POISON_WORD=BADCANDLE AP_POISON_TF=tick1
poisoned ap-persist poison.so
fault_up -o "supervisor.bin_dir=$AP_T_DIR/bin"

# message SYMBOL ID NOTE
message() {
	printf '{"source":"psn","symbol":"%s","price":"10.5","quantity":"1","timestamp":%s000,"trade_id":"%s","note":"%s"}\n' "$1" "$now" "$2" "$3"
}
# Twenty messages, the eleventh of which leads to poison.
tape() {
	for i in 10 11 12 13 14 15 16 17 18 19; do message "N$((i % 3))-USD" "$trial_k$1$i" fine; done
	case $1 in
	candle) message "LONGNAMEDBADTRADE$trial_k-USD" 2 fine ;;
	indicators) message "PRBBADCANDLE$trial_k-USD" 1 fine ;;
	persist) message N0-USD "${trial_k}bad" 'POISON é' ;;
	esac
	for i in 20 21 22 23 24 25 26 27 28; do message "N$((i % 3))-USD" "$trial_k$1$i" fine; done
}
poison() { psql_q "SELECT count(*) FROM normalized_data WHERE validation_status = 'poison' AND validation_errors->0->>'stage' = '$1'"; }
more_poison() { [ "$(poison "$1")" -gt "$had" ]; }
deaths() { sed -n "s/.*\"name\":\"ap-$1.[0-9]*\".*\"restarts\":\([0-9]*\).*/\1/p" "$AP_P_DIR/run/supervisor.json"; }
send() { replay "$1" --format ndjson >"$AP_T_DIR/replay.out" 2>&1 || not_ok "$1 is sent: $(cat "$AP_T_DIR/replay.out")"; }

load_start
sent=0
while next_trial; do
	for kind in candle indicators persist; do
		now=$(date +%s)
		if [ $kind = candle ]; then
			# The first trade of a series makes it, the second one meets it; names of sixteen letters or less are compared without the library.
			message "LONGNAMEDBADTRADE$trial_k-USD" 1 fine >"$AP_T_DIR/first.ndjson"
			send "$AP_T_DIR/first.ndjson"
			flow "$(mono)"
		fi
		tape $kind >"$AP_T_DIR/$kind.ndjson"
		had=$(poison $kind) died=$(deaths $kind)
		t=$(mono)
		send "$AP_T_DIR/$kind.ndjson"
		if ms_until 60 "$t" more_poison $kind; then stalled=$took_ms; else
			not_ok "$kind: it is in reject"
			break 2
		fi
		flow "$(mono)"
		trial "$stalled" kind="$kind" deaths=$(($(deaths $kind) - died)) flow_ms="$flow_ms"
		# In a loop it would be given longer and longer pauses: every trial is to begin as the first one did.
		sleep 1.2
	done
	sent=$((sent + 1))
done
check "everything is stored" ctl drain --timeout 120
for kind in candle indicators persist; do
	equal "$kind: each poison record alone is in reject" "$sent" "$(poison $kind)"
done
equal "of ap-persist: with its reason, what it was, and no row besides" "$sent poison raw 0" "$(psql_q "SELECT count(*) || ' ' || min(validation_errors->0->>'reason')
	|| ' ' || min(validation_errors->0->>'detail') || ' ' || (SELECT count(*) FROM stream_messages WHERE data->>'note' LIKE 'POISON%')
	FROM normalized_data WHERE validation_status = 'poison' AND validation_errors->0->>'stage' = 'persist'")"
equal "and it says so" "$sent" "$(psql_q "SELECT count(*) FROM streaming_alerts WHERE alert_type = 'poison'")"
equal "all trades are valid" $((sent * 61)) "$(psql_q "SELECT count(*) FROM normalized_data WHERE validation_status = 'valid' AND source = 'psn'")"
equal "all other messages are stored" $((sent * 60)) "$(psql_q "SELECT count(*) FROM stream_messages WHERE source = 'psn'")"
equal "all other trades are in their candles" $((sent * 60)) \
	"$(psql_q "SELECT count(*) FROM normalized_data t WHERE validation_status = 'valid' AND source = 'psn' AND NOT EXISTS (SELECT FROM normalized_data x
	WHERE x.origin = t.origin AND x.validation_errors->0->>'stage' = 'candle')")"
check "apctl dlq list has them" sh -c "[ \"\$('$AP_BIN/apctl' dlq list --dir '$AP_P_DIR' --count 1000 --format csv | tail -n +2 | grep -cE ',(candle|indicators),poison,stage_died,|,persist,poison,poison,')\" = $((sent * 3)) ]"
id=$("$AP_BIN/apctl" dlq list --dir "$AP_P_DIR" --source psn --format csv | sed -n '/,persist,/s/,.*//p' | head -1)
check "apctl dlq show prints the payload" sh -c "'$AP_BIN/apctl' dlq show '$id' --dir '$AP_P_DIR' | grep -q 'POISON é'"
fault_end
