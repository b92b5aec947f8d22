#!/bin/sh
# The same programs under systemd (units verified by systemd itself) and under a real supervisord.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
bin=$(cd "$AP_BIN" && pwd)

if command -v systemd-analyze >/dev/null 2>&1; then
	mkdir "$AP_P_DIR/units"
	for unit in etc/systemd/*.service; do
		sed "s|/usr/bin/ap-|$bin/ap-|; s|^User=.*|User=daemon|" "$unit" >"$AP_P_DIR/units/${unit##*/}"
	done
	for unit in "$AP_P_DIR"/units/*.service; do
		complaints=$(systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1)
		equal "systemd accepts ${unit##*/}" "" "$complaints"
		exposure=$(systemd-analyze security --offline=true "$unit" 2>/dev/null | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
		check "its exposure is $exposure, at most 1.5" awk -v e="${exposure:-10}" 'BEGIN { exit !(e <= 1.5) }'
	done
else
	skip "systemd-analyze is not installed"
fi

command -v supervisord >/dev/null 2>&1 || {
	skip "supervisord is not installed"
	tap_end
}
# Servers and schema from apctl; everything else from supervisord, by the shipped file with this machine's paths.
check "servers come up" pipe_up -o supervisor.programs= -o persist.raw=false
{
	printf '[supervisord]\nlogfile=%s/supervisord.log\npidfile=%s/supervisord.pid\nnodaemon=true\n' "$AP_P_DIR" "$AP_P_DIR"
	printf '[unix_http_server]\nfile=%s/sv.sock\n[supervisorctl]\nserverurl=unix://%s/sv.sock\n' "$AP_P_DIR" "$AP_P_DIR"
	printf '[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n'
	sed "s|/usr/bin/ap-|$bin/ap-|; s|/etc/alphapulse/alphapulse.conf|$AP_P_DIR/alphapulse.conf|; /^user=/d
		s|^directory=.*|directory=$AP_P_DIR|; s|/var/log/alphapulse/|$AP_P_DIR/log/|" etc/supervisord/alphapulse.conf
} >"$AP_P_DIR/supervisord.conf"
supervisord -c "$AP_P_DIR/supervisord.conf" >"$AP_P_DIR/supervisord.out" 2>&1 &
sv=$!
svctl() { supervisorctl -c "$AP_P_DIR/supervisord.conf" "$@"; }

# shellcheck disable=SC2317 # called through check
all_running() {
	i=0
	while [ "$i" -lt 150 ]; do
		[ "$(svctl status 2>/dev/null | grep -c RUNNING)" -eq 7 ] && return 0
		sleep 0.2
		i=$((i + 1))
	done
	svctl status
	return 1
}
check "supervisord runs all seven programs" all_running
printf '{"source":"sv","symbol":"AAA-USD","price":"%s","quantity":"2","timestamp":1700000000000,"trade_id":"1"}\n' 10.5 >"$AP_P_DIR/one.ndjson"
check "a trade goes in" replay "$AP_P_DIR/one.ndjson" --format ndjson --close
check "and is stored, and a table that is switched off keeps nobody waiting" ctl drain --timeout 60
equal "as a candle" "10.5|2|21" "$(psql_q "SELECT open_price, volume, quote_volume FROM realtime_candles WHERE source = 'sv' AND timeframe = '1m'")"
victim=$(svctl pid ap-candle:ap-candle.0 2>/dev/null)
kill -9 "$victim"
sleep 1.5
check "supervisord starts a killed stage again" all_running
kill "$sv"
check "SIGTERM ends them all, each with exit 0" sh -c "wait $sv 2>/dev/null; i=0; while kill -0 $sv 2>/dev/null && [ \$i -lt 300 ]; do sleep 0.1; i=\$((i+1)); done
	! grep -E 'stopped: ap-[a-z.:0-9-]+ \(terminated|killing' $AP_P_DIR/supervisord.log"
check "servers go down" pipe_down
tap_end
