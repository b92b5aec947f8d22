# shellcheck shell=sh disable=SC2034
# lib.sh - what the fault tests share: a pipeline with a load on it, a probe that times recovery, and the invariants at the end.
# Source it from the project's top folder. A fault test looks like this (the first three comments are read by test/faults/report):
#
#   #!/bin/sh
#   # fault: F9 SIGSTOP Redis
#   # budget: seen <= 3 s
#   # budget_ms: 3000
#   # measured: from SIGSTOP to the first stage that says so
#   cd "$(dirname "$0")/../.." || exit 111
#   . test/faults/lib.sh
#   fault_init
#   fault_up -o runtime.lease_ms=1000     or: fault_up_apart (servers of our own, behind fault proxies)
#   load_start
#   while next_trial; do
#       t=$(mono)
#       ...inject...
#       flow "$t" && trial "$flow_ms" acked_ms="$acked_ms"
#   done
#   fault_end
#
#   fault_init           temporary directory; everything is taken down on exit, whatever happens
#   fault_up [opt...]    apctl up: supervisor, private Redis and PostgreSQL, all stages
#   fault_up_apart [..]  the same with Redis and PostgreSQL of test/lib/servers.sh, so that the test itself stops and starts them.
#                        FAULT_REDIS_URL, FAULT_PG_CONNINFO set before lead the pipeline elsewhere (a proxy); AP_REDIS_DIRECT and
#                        AP_PG_DIRECT always lead to the servers
#   fault_proxies        for fault_up_apart: both servers behind test/tools/faultproxy
#   rproxy COMMAND...    says it to the proxy in front of Redis; pproxy: PostgreSQL. proxy_count rproxy drops: a figure of its `stat`
#   mono                 the monotonic clock, ms
#   next_trial           true AP_TRIALS times; sets trial_k (from 1)
#   flow SINCE_MS [SECONDS]   sends a probe trade into every partition and waits until it has come through all stages into
#                        PostgreSQL; sets flow_ms and acked_ms, from SINCE_MS. False (and a failed check): not within SECONDS (60)
#   trial MS [key=value...]   notes one injection; kind=WORD where a test makes several kinds of them
#   load_start [SPEED]   replays one tape after the other in the background, each under sources of its own
#   load_stop            lets the last one end
#   ms_until LIMIT_S SINCE_MS command...   runs it every 10 ms until it succeeds; sets took_ms; false: LIMIT_S have passed
#   pid_of NAME          of a child of the supervisor ("ap-candle.0", "redis", "postgres"); "" while there is none
#   logged NAME REGEX    a line in the program's log that was written after the last log_mark
#   log_mark             what stands in the logs now is old
#   fault_volume DIR OPTIONS  a small volume of its own (tmpfs) at the new directory DIR, taken away at the end; false: none can be mounted here
#   fault_more_done      a test may define it: what it has to take down besides
#   fault_end            load ends, drain, apctl verify agrees, nothing lost, every tape's rows are those of the undisturbed one,
#                        budget (with 10 trials or more), plan of the TAP
#
# Environment: AP_TRIALS (1), AP_SEED, AP_KEEP=1 keeps the directory.

. test/lib/servers.sh
. test/lib/pipeline.sh

AP_TOOLS=${AP_TOOLS:-build/test/tools}
AP_TRIALS=${AP_TRIALS:-1}
export AP_BIN AP_TOOLS
trial_k=0 tapes=0 load_pid='' apart='' fault_volumes=''

fault_init() {
	fault_id=$(sed -n 's/^# fault: \(F[0-9]*\) .*/\1/p' "$0" | head -1)
	fault_budget_ms=$(sed -n 's/^# budget_ms: \([0-9]*\)$/\1/p' "$0" | head -1)
	servers_init 26000 26999
	AP_P_DIR=$AP_T_DIR/pipe
	mkdir -m 755 "$AP_P_DIR"
	tap_tmp=$AP_T_DIR/tap.out
	: >"$AP_T_DIR/trials"
	trap fault_done EXIT
	fault_tape
}

fault_done() {
	fault_rc=$?
	trap - EXIT
	: >"$AP_T_DIR/load.stop"
	for pid in $(pids_all); do kill -CONT "$pid" 2>/dev/null; done
	for pid in $load_pid $(cat "$AP_T_DIR/replay.pid" 2>/dev/null); do kill "$pid" 2>/dev/null; done
	"$AP_BIN/apctl" down --dir "$AP_P_DIR" --timeout 60 >/dev/null 2>&1
	[ "$tap_bad" -eq 0 ] || for log in "$AP_P_DIR"/log/*.log; do
		echo "# --- ${log##*/}"
		grep -E 'lvl=(warn|error)|ssert|ERROR|Sanitizer' "$log" | tail -n 15 | sed 's/^/#   /'
	done
	if [ -n "${AP_KEEP:-}" ]; then
		echo "# kept: $AP_T_DIR"
		cp -r "$AP_P_DIR/log" "$AP_T_DIR.logs"
		cp "$AP_P_DIR/alphapulse.conf" "$AP_T_DIR"/*.log "$AP_T_DIR.logs" 2>/dev/null
	fi
	fault_more_done
	for volume in $fault_volumes; do
		rm -f "$volume/ballast"
		umount -l "$volume"     # whoever still writes there keeps it
	done
	fault_rc_is "$fault_rc"
	servers_done            # leaves with the exit code of what came last
}
fault_rc_is() { return "$1"; }
# For a test that has more to take down, after the pipeline and before the servers.
fault_more_done() { :; }

# What fills it up is to be called DIR/ballast.
fault_volume() {
	mkdir "$1" && mount -t tmpfs -o "$2" tmpfs "$1" 2>/dev/null && fault_volumes="$fault_volumes $1"
}

mono() { "$AP_TOOLS/probe" now; }

pids_all() { sed -n 's/.*"pid":\([0-9][0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json" 2>/dev/null | grep -vx 0; }
pid_of() {
	sed -n "s/.*\"name\":\"$1\".*\"pid\":\([1-9][0-9]*\).*/\1/p" "$AP_P_DIR/run/supervisor.json" 2>/dev/null
}

# --- coming up ----------------------------------------------------------------

# Bars of one trade for the probes, and an indicator that has a value from the first of them on.
fault_options() {
	set -- "$@" -o 'candle.bars=[{"kind":"tick","size":1,"symbols":["PRB*"]}]' \
		-o 'indicators.list=[{"name":"OBV","symbols":["PRB*"],"timeframes":["tick1"]},{"name":"EMA","period":12,"symbols":["T*"]},{"name":"RSI","period":14,"symbols":["T*"]},{"name":"BBANDS","period":20,"symbols":["T*"]}]'
	pipe_up "$@"
}

fault_ready() {
	AP_INGEST_ACK=$(sed -n 's/^ *ack = "\(.*\)";$/\1/p' "$AP_P_DIR/alphapulse.conf")
	AP_REDIS_DIRECT=${AP_REDIS_DIRECT:-$AP_REDIS_URL} AP_PG_DIRECT=${AP_PG_DIRECT:-$AP_PG_URL}
	flow "$(mono)" || return 1
	replay_tape 0 max || return 1
	ctl drain --timeout 120 || return 1
	tape_digest 0 >"$AP_T_DIR/digest.0"
	log_mark
}

fault_up() {
	check "pipeline comes up" fault_options "$@"
	check "undisturbed: a tape and a probe go through" fault_ready
	[ "$tap_bad" -eq 0 ] || tap_end
	echo "# a probe takes $flow_ms ms when nothing is disturbed"
}

fault_up_apart() {
	apart=1
	[ -n "${AP_T_REDIS_PID:-}" ] || redis_start --appendfsync always
	[ -n "${AP_T_PG_PID:-}" ] || pg_start
	AP_REDIS_DIRECT=$AP_REDIS_URL
	AP_PG_DIRECT="postgresql://alphapulse@/alphapulse?port=$AP_T_PG_PORT&host=$AP_T_PG_DIR"
	fault_up -o supervisor.embedded=false -o "redis.url=${FAULT_REDIS_URL:-$AP_REDIS_DIRECT}" \
		-o "pg.conninfo=${FAULT_PG_CONNINFO:-$AP_T_CONNINFO}" "$@"
}

fault_proxies() {
	redis_start --appendfsync always "$@"
	pg_start
	fault_port=$(free_port)
	mkdir -m 755 "$AP_T_DIR/pgproxy"
	bg rproxy "$AP_TOOLS/faultproxy" "127.0.0.1:$fault_port" "127.0.0.1:$AP_T_REDIS_PORT" "$AP_T_DIR/rproxy.ctl"
	bg pproxy "$AP_TOOLS/faultproxy" "$AP_T_DIR/pgproxy/.s.PGSQL.$AP_T_PG_PORT" "$AP_T_PG_DIR/.s.PGSQL.$AP_T_PG_PORT" "$AP_T_DIR/pproxy.ctl"
	FAULT_REDIS_URL=redis://127.0.0.1:$fault_port
	FAULT_PG_CONNINFO="host=$AP_T_DIR/pgproxy port=$AP_T_PG_PORT dbname=alphapulse user=alphapulse"
	for fault_proxy in rproxy pproxy; do
		wait_for 10 $fault_proxy stat || die "$fault_proxy did not start"
	done
}
rproxy() { "$AP_TOOLS/faultproxy" ctl "$AP_T_DIR/rproxy.ctl" "$@"; }
pproxy() { "$AP_TOOLS/faultproxy" ctl "$AP_T_DIR/pproxy.ctl" "$@"; }
proxy_count() { "$1" stat | sed -n "s/.* $2=\([0-9]*\).*/\1/p"; }

# The test's own eyes look past the proxies.
psql_q() { psql -X -q -At -v ON_ERROR_STOP=1 "${AP_PG_DIRECT:-$AP_PG_URL}" -c "$1"; }
rcli() { redis-cli -u "${AP_REDIS_DIRECT:-$AP_REDIS_URL}" "$@"; }

# --- injections and times --------------------------------------------------------

next_trial() {
	[ "$trial_k" -lt "$AP_TRIALS" ] && [ "$tap_bad" -eq 0 ] || return 1
	trial_k=$((trial_k + 1))
	log_mark
}

flow() {
	if ! flow_out=$("$AP_TOOLS/probe" -s "$1" -t "${2:-60}" -i "$AP_INGEST_ACK" "$AP_PG_DIRECT"); then
		not_ok "a probe comes through: $flow_out"
		return 1
	fi
	acked_ms=${flow_out#acked_ms=} flow_ms=${flow_out##*flow_ms=}
	acked_ms=${acked_ms%% *}
}

ms_until() {
	took_since=$2 took_limit=$(($(mono) + $1 * 1000))
	shift 2
	until "$@" >/dev/null 2>&1; do
		took_ms=$(mono)
		[ "$took_ms" -lt "$took_limit" ] || return 1
		sleep 0.01
	done
	took_ms=$(($(mono) - took_since))
}

trial() {
	trial_ms=$1
	shift
	echo "# trial $fault_id recovery_ms=$trial_ms${*:+ $*}"
	echo "$trial_ms" >>"$AP_T_DIR/trials"
}

log_mark() { wc -c "$AP_P_DIR"/log/*.log 2>/dev/null | awk '{ print $1, $2 }' >"$AP_T_DIR/log.mark"; }
logged() {
	log_from=$(awk -v f="$AP_P_DIR/log/$1.log" '$2 == f { print $1 }' "$AP_T_DIR/log.mark")
	tail -c "+$((${log_from:-0} + 1))" "$AP_P_DIR/log/$1.log" 2>/dev/null | grep -qE "$2"
}

# --- the load: tapes, each under sources of its own ------------------------------------

# Two sources, five symbols, two hours: ids, some repeated, some out of order, a few trades that are none.
fault_tape() {
	awk -v seed="${AP_SEED:-11}" 'BEGIN { srand(seed); p = 50; t = 1700000000000
		for (i = 1; i <= 3000; i++) { p += (rand() - 0.5) / 8; if (p < 1) p = 1; t += int(rand() * 4800)
			id = rand() < 0.01 && i > 50 ? i - int(rand() * 40) : i
			printf "{\"source\":\"tape@_%d\",\"symbol\":\"T%d-USD\",\"price\":\"%s\",\"quantity\":\"%.6f\",\"timestamp\":%.0f,\"trade_id\":\"%d\"}\n",
				i % 2, i % 5, rand() < 0.001 ? "-1" : sprintf("%.4f", p), rand() * 3 + 0.000001, t - int(rand() * 3000), id } }' \
		>"$AP_T_DIR/tape.ndjson"
}

replay_tape() { # K SPEED
	sed "s/tape@_/tape$1_/" "$AP_T_DIR/tape.ndjson" >"$AP_T_DIR/tape$1.ndjson"
	"$AP_BIN/ap-ingest" -c "$AP_P_DIR/alphapulse.conf" --replay "$AP_T_DIR/tape$1.ndjson" --format ndjson --close --speed "$2" \
		>>"$AP_T_DIR/replay.log" 2>&1 &
	replay_pid=$!
	echo $replay_pid >"$AP_T_DIR/replay.pid"
	wait $replay_pid
}

# At least one tape whole, whatever the test does meanwhile.
load_start() {
	load_speed=${1:-1200}
	rm -f "$AP_T_DIR/load.stop"
	(
		trap - EXIT
		k=0
		while [ $k -eq 0 ] || [ ! -e "$AP_T_DIR/load.stop" ]; do
			k=$((k + 1))
			echo $k >"$AP_T_DIR/load.n"
			until replay_tape $k "$load_speed"; do
				[ -e "$AP_T_DIR/tape.ndjson" ] || exit 1
				sleep 0.5
			done
		done
	) &
	load_pid=$!
}

load_stop() {
	[ -n "$load_pid" ] || return 0
	: >"$AP_T_DIR/load.stop"
	wait_for 300 gone "$load_pid" || not_ok "the last tape comes to its end"
	[ "$tap_bad" -eq 0 ] || kill "$load_pid" "$(cat "$AP_T_DIR/replay.pid")" 2>/dev/null
	wait "$load_pid"
	load_pid=
	tapes=$(cat "$AP_T_DIR/load.n")
}

# What must be the same whenever the tape has gone through, whatever its sources were called.
tape_digest() { # K
	psql_q "WITH s AS (SELECT 'tape$1\\_%'::text AS mine)
		SELECT 'candles', count(*), md5(string_agg(concat_ws('|', replace(source, 'tape$1_', ''), symbol, timeframe, open_time, open_price,
			high_price, low_price, close_price, volume, quote_volume, trade_count, vwap), E'\n'
			ORDER BY source, symbol, timeframe, open_time)) FROM realtime_candles, s WHERE source LIKE mine
		UNION ALL SELECT 'trades', count(*), md5(string_agg(concat_ws('|', replace(source, 'tape$1_', ''), symbol, trade_id, price, quantity, side,
			timestamp), E'\n' ORDER BY source, symbol, timestamp, trade_id, price, quantity)) FROM normalized_data, s
			WHERE source LIKE mine AND validation_status = 'valid'
		UNION ALL SELECT 'rejects', count(*), md5(string_agg(concat_ws('|', replace(source, 'tape$1_', ''), symbol, validation_status,
			validation_errors, trade_id), E'\n' ORDER BY source, symbol, validation_status, validation_errors::text, trade_id))
			FROM normalized_data, s WHERE source LIKE mine AND validation_status <> 'valid'
		UNION ALL SELECT 'messages', count(*), md5(string_agg(concat_ws('|', replace(source, 'tape$1_', ''), symbol,
			replace(data::text, 'tape$1_', '')), E'\n' ORDER BY source, symbol, replace(data::text, 'tape$1_', '')))
			FROM stream_messages, s WHERE source LIKE mine
		UNION ALL SELECT 'indicators', count(*), md5(string_agg(concat_ws('|', replace(source, 'tape$1_', ''), symbol, timeframe,
			indicator_name, parameters, timestamp, value), E'\n' ORDER BY source, symbol, timeframe, indicator_name,
			parameters::text, timestamp)) FROM technical_indicators, s WHERE source LIKE mine
		ORDER BY 1" || echo "no digest: $(date +%N)"    # never equal to another one
}

# --- the end -----------------------------------------------------------------------

# Entries that any stage found missing.
lost_all() {
	for p in 0 1 2 3; do
		for s in normalize candle indicators; do rcli HGET "ap:{$p}:state:$s" lost; done
	done | awk '{ n += $1 } END { print n + 0 }'
}

tapes_same() {
	tapes_k=1
	while [ $tapes_k -le "$tapes" ]; do
		tape_digest $tapes_k >"$AP_T_DIR/digest"
		diff "$AP_T_DIR/digest.0" "$AP_T_DIR/digest" || {
			echo "tape $tapes_k of $tapes differs"
			return 1
		}
		tapes_k=$((tapes_k + 1))
	done
}

# p99 of the trials; with fewer than 100 that is the longest.
trials_p99() { sort -n "$AP_T_DIR/trials" | awk '{ v[NR] = $1 } END { k = int(NR * 0.99); if (k < NR * 0.99) k++; print v[k] }'; }

fault_end() {
	load_stop
	check "all is stored" ctl drain --timeout 300
	check "apctl verify agrees" ctl verify
	equal "nothing was lost" 0 "$(lost_all)"
	[ "$tapes" -eq 0 ] || check "the rows of $tapes tapes are those of the undisturbed one" tapes_same
	check "every injection was measured" test "$(wc -l <"$AP_T_DIR/trials")" -ge "$AP_TRIALS"
	if [ "$AP_TRIALS" -ge 10 ] && [ -n "$fault_budget_ms" ]; then
		fault_p99=$(trials_p99)
		check "p99 of $AP_TRIALS trials: $fault_p99 ms, budget $fault_budget_ms ms" test "$fault_p99" -le "$fault_budget_ms"
	fi
	tap_end
}
