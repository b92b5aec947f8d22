#!/bin/sh
# fault: F4 a program that ends at its start: bad configuration, bad binary
# budget: alarm <= 10 s
# budget_ms: 10000
# measured: from the broken start until the alert stands in streaming_alerts
# remark: crash: the binary ends at once; absent: there is none; mistake: it says exit 100. flow_ms: a trade through all other stages meanwhile; cured_ms: from the repair until the program is up
# slow: an alert is over only after 20 s of quiet
# The program that is broken is one more of ap-candle, so that the others can be seen to go on. Pauses grow, nothing is silent.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
bin=$(cd "$AP_BIN" && pwd)
mkdir "$AP_T_DIR/bin"
for p in "$bin"/*; do ln -s "$p" "$AP_T_DIR/bin/"; done
fault_up -o "supervisor.bin_dir=$AP_T_DIR/bin" \
	-o "supervisor.programs=ap-ingest ap-normalize ap-candle=1 ap-indicators ap-persist ap-metrics ap-api"

conf=$AP_P_DIR/alphapulse.conf
count() { # of ap-candle
	sed -i "s/ap-candle=[0-9]*/ap-candle=$1/" "$conf"
	ctl reload >/dev/null
}
broken() { # text of the script, or nothing
	rm -f "$AP_T_DIR/bin/ap-candle"
	[ -z "$1" ] || { printf '#!/bin/sh\n%s\n' "$1" >"$AP_T_DIR/bin/ap-candle" && chmod +x "$AP_T_DIR/bin/ap-candle"; }
}
repaired() {
	rm -f "$AP_T_DIR/bin/ap-candle"
	ln -s "$bin/ap-candle" "$AP_T_DIR/bin/ap-candle"
}
alerts() { psql_q "SELECT count(*) FROM streaming_alerts WHERE alert_type = '$1' AND component = 'ap-supervisor' AND state = 'raised'"; }
raised() { [ "$(alerts "$1")" -gt "$2" ]; }
cleared() { [ "$(psql_q "SELECT state FROM streaming_alerts WHERE alert_type = '$1' AND component = 'ap-supervisor' ORDER BY timestamp DESC LIMIT 1")" = cleared ]; }
state_of() { sed -n "s/.*\"name\":\"$1\".*\"state\":\"\([a-z]*\)\".*/\1/p" "$AP_P_DIR/run/supervisor.json"; }
up() { [ "$(state_of ap-candle.1)" = up ]; }
absent() { [ -z "$(state_of ap-candle.1)" ]; }
others() { sed -n 's/.*"name":"\([a-z0-9.-]*\)".*"pid":\([1-9][0-9]*\).*/\1=\2/p' "$AP_P_DIR/run/supervisor.json" | grep -v '^ap-candle.1=' | tr '\n' ' '; }

grep -q 'ap-candle=1' "$conf" || not_ok "the configuration names ap-candle=1"
load_start
before=$(others)
while next_trial; do
	for kind in crash absent mistake; do
		case $kind in
		crash) broken 'exit 1' ;;
		absent) broken '' ;;
		mistake) broken 'exit 100' ;;
		esac
		case $kind in crash) alert=crash_loop ;; *) alert=parked ;; esac
		had=$(alerts $alert)
		t=$(mono)
		count 2
		if ms_until 60 "$t" raised $alert "$had"; then alarm=$took_ms; else not_ok "$kind: the alert is raised"; fi
		[ "$tap_bad" -eq 0 ] || break 2
		check "$kind: apctl status says so" sh -c "'$AP_BIN/apctl' status --dir '$AP_P_DIR' | grep -qE '^ap-candle.1 .*(crash loop|wrong configuration)'"
		flow "$(mono)"
		repaired
		t=$(mono)
		ctl reload >/dev/null
		if ms_until 60 "$t" up; then trial "$alarm" kind=$kind flow_ms="$flow_ms" cured_ms="$took_ms"; else not_ok "$kind: repaired, it comes up"; fi
		check "$kind: the alert is cleared" wait_for 90 cleared $alert
		count 1
		check "$kind: one again" wait_for 20 absent
	done
done
equal "the other programs are the same processes" "$before" "$(others)"
fault_end
