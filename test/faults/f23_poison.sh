#!/bin/sh
# fault: F23 a poison record for each parser
# budget: stall <= 2 s
# budget_ms: 2000
# measured: from sending it, between good ones, until it stands in reject (normalized_data) and a new trade has come through all stages
# remark: kind: whose format; deaths: how often ap-normalize died of it
# A shim in front of yajl (test/shim/poison.c) kills ap-normalize whenever it parses a text with the word POISON. No program knows of it.
# Its neighbours in the same entry are valid. At the end the program is repaired, and what can be sent again is valid.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
shim=${AP_BUILD:-build}/test/shim/poison.so
[ -e "$shim" ] || skip_all "test/shim/poison.so is not built"
# shellcheck disable=SC3045 # dash and bash both have it; elsewhere it only says so
ulimit -c 0
bin=$(cd "$AP_BIN" && pwd)
mkdir "$AP_T_DIR/bin"
for p in "$bin"/*; do ln -s "$p" "$AP_T_DIR/bin/"; done
rm "$AP_T_DIR/bin/ap-normalize"
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$shim" "$bin/ap-normalize" >"$AP_T_DIR/bin/ap-normalize"
chmod +x "$AP_T_DIR/bin/ap-normalize"
fault_up -o "supervisor.bin_dir=$AP_T_DIR/bin"

# message FORMAT ID NOTE: one trade, in the words of its venue
message() {
	case $1 in
	trade) printf '{"source":"psn","symbol":"N-USD","price":"10.5","quantity":"1","timestamp":%s000,"trade_id":"%s","note":"%s"}' "$now" "$2" "$3" ;;
	binance) printf '{"stream":"btcusdt@trade","data":{"e":"trade","E":%s000,"s":"BTCUSDT","t":%s,"p":"61837.63","q":"0.02","T":%s000,"m":true,"note":"%s"}}' "$now" "$2" "$now" "$3" ;;
	binance_futures) printf '{"e":"aggTrade","E":%s000,"s":"NKNUSDT","a":%s,"p":"0.3528","q":"58","f":1,"l":1,"T":%s000,"m":false,"note":"%s"}' "$now" "$2" "$now" "$3" ;;
	coinbase) printf '{"type":"match","trade_id":%s,"side":"sell","size":"0.04","price":"14.7775","product_id":"BAND-GBP","sequence":%s,"time":"%s","note":"%s"}' "$2" "$2" "$(date -u -d "@$now" +%Y-%m-%dT%H:%M:%SZ)" "$3" ;;
	kraken) printf '[993,[["354.11","0.5%s","%s.%s","b","m","%s"]],"trade","XMR/USD"]' "$2" "$now" "$2" "$3" ;;
	bybit) printf '{"topic":"publicTrade.BTCUSDT","data":[{"T":%s000,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","i":"id%s"}],"note":"%s"}' "$now" "$2" "$3" ;;
	okx) printf '{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"%s","px":"30243.4","sz":"0.5","side":"buy","ts":"%s000"}],"note":"%s"}' "$2" "$now" "$3" ;;
	esac
}
# Twenty messages, the eleventh of which is poison.
tape() {
	for i in 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29; do
		note=fine
		[ "$i" -ne 20 ] || note='POISON é'
		m=$(message "$1" "$trial_k$i" "$note")
		if [ "$1" = trade ]; then echo "$m"; else
			printf '{"recv_ts":%s.5,"exchange":"%s","conn":"ws.1.0","dir":"recv","msg":%s}\n' "$now" "$(echo "$1" | tr '[:lower:]' '[:upper:]')" "$m"
		fi
	done
}
poison() { psql_q "SELECT count(*) FROM normalized_data WHERE validation_status = 'poison'"; }
more_poison() { [ "$(poison)" -gt "$had" ]; }
deaths() { sed -n 's/.*"name":"ap-normalize.[0-9]*".*"restarts":\([0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json"; }

kinds='trade binance binance_futures coinbase kraken bybit okx'
[ "$AP_TRIALS" -gt 1 ] || kinds='trade okx'
load_start
sent=0
while next_trial; do
	for kind in $kinds; do
		now=$(date +%s)
		tape "$kind" >"$AP_T_DIR/$kind.ndjson"
		format=session
		[ "$kind" = trade ] && format=ndjson
		had=$(poison) died=$(deaths)
		t=$(mono)
		replay "$AP_T_DIR/$kind.ndjson" --format $format >"$AP_T_DIR/replay.out" 2>&1 || not_ok "$kind is sent: $(cat "$AP_T_DIR/replay.out")"
		sent=$((sent + 1))
		if ms_until 60 "$t" more_poison; then stalled=$took_ms; else
			not_ok "$kind: it is in reject"
			break 2
		fi
		flow "$(mono)"
		trial "$stalled" kind="$kind" deaths=$(($(deaths) - died)) flow_ms="$flow_ms"
		# In a loop it would be given longer and longer pauses: every trial is to begin as the first one did.
		sleep 1.2
	done
done
check "everything is stored" ctl drain --timeout 120
equal "each poison record alone is in reject" "$sent" "$(poison)"
# Kraken's trades have no ids, so its twenty are told apart by nothing but their own times.
equal "and all their neighbours are valid" $((sent * 19)) "$(psql_q "SELECT count(*) FROM normalized_data WHERE validation_status = 'valid'
	AND source IN ('psn', 'binance', 'binance_futures', 'coinbase', 'kraken', 'bybit', 'okx')")"
check "apctl dlq list has them" sh -c "[ \"\$('$AP_BIN/apctl' dlq list --dir '$AP_P_DIR' --count 1000 --format csv | tail -n +2 | grep -c ',normalize,poison,stage_died,')\" = $sent ]"
id=$("$AP_BIN/apctl" dlq list --dir "$AP_P_DIR" --source psn --format csv | sed -n '2s/,.*//p')
check "apctl dlq show prints the payload" sh -c "'$AP_BIN/apctl' dlq show '$id' --dir '$AP_P_DIR' | grep -q 'POISON é'"
check "retried as long as the program is broken, it is poison again" sh -c "'$AP_BIN/apctl' dlq retry '$id' --dir '$AP_P_DIR' | grep -q ' poison: stage_died'; [ \$? -eq 0 ]"
rm "$AP_T_DIR/bin/ap-normalize"
ln -s "$bin/ap-normalize" "$AP_T_DIR/bin/ap-normalize"
check "the program is repaired" wait_for 30 ctl restart normalize
check "retried, it is valid" sh -c "'$AP_BIN/apctl' dlq retry '$id' --dir '$AP_P_DIR' | grep -q ' valid\$'"
check "what is in a venue's format is not sent again, and apctl says so" sh -c \
	"'$AP_BIN/apctl' dlq retry --all --source okx --dir '$AP_P_DIR' >'$AP_T_DIR/retry.out'; [ \$? -eq 1 ] && grep -q 'not sent: it is in a venue' '$AP_T_DIR/retry.out'"
fault_end
