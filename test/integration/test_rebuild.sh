#!/bin/sh
# apctl rebuild: a Redis that was emptied is never begun anew in silence, and is filled again from the journals so that every row is
# what it was; done twice it changes nothing; journals that begin in the middle never worsen what is stored.
# shellcheck disable=SC2317,SC2086,SC2015  # functions called by name, numbers as words
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init

# Two sources, one without trade ids; ids sent twice, trades out of order, messages that are none.
tape() {
	awk 'BEGIN { srand(5); p = 100; t = 1700000000000
		for (i = 1; i <= 6000; i++) { p += (rand() - 0.5) / 4; if (p < 1) p = 1; t += int(rand() * 2000)
			id = i % 2 ? "" : sprintf(",\"trade_id\":\"%d\"", rand() < 0.01 && i > 50 ? i - 2 * int(rand() * 9) : i)
			printf "{\"source\":\"src%d\",\"symbol\":\"V%d-USD\",\"price\":\"%s\",\"quantity\":\"%.6f\",\"timestamp\":%.0f%s}\n", i % 2,
				i % 5, rand() < 0.002 ? "-1" : sprintf("%.4f", p), rand() * 3 + 0.000001, t - int(rand() * 3000), id
			if (i % 1000 == 0) print "{\"broken\":" } }'
}
rows() { rows_digest; psql_q "SELECT 'results', count(*), md5(string_agg(concat_ws('|', origin, success, errors), E'\n' ORDER BY origin)) FROM processing_results
	UNION ALL SELECT 'signals', count(*), md5(string_agg(concat_ws('|', source, symbol, timeframe, timestamp, kind, signal_name, direction, strength), E'\n'
		ORDER BY source, symbol, timeframe, timestamp, kind, signal_name)) FROM signals ORDER BY 1"; }
wait_for() {
	wf_left=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		wf_left=$((wf_left - 1))
		[ $wf_left -gt 0 ] || return 1
		sleep 0.1
	done
}
id_of() { rcli HGET ap:dataset id; }
streams() { rcli --scan --pattern 'ap:{*' | grep -cE ':(raw|tick|candle|reject|hw)$'; }
refused() { # CODE REGEX command...
	r_code=$1 r_text=$2
	shift 2
	"$@" >"$AP_P_DIR/refused" 2>&1
	r_got=$?
	[ $r_got -eq "$r_code" ] && grep -qE "$r_text" "$AP_P_DIR/refused" || { echo "exit $r_got"; cat "$AP_P_DIR/refused"; return 1; }
}
said() { ctl status >"$AP_P_DIR/status" && grep -qE "$1" "$AP_P_DIR/status"; }

check "pipeline comes up" pipe_up
tape >"$AP_P_DIR/tape.ndjson"
check "a tape is replayed" replay "$AP_P_DIR/tape.ndjson" --format ndjson --close
check "stored" ctl drain --timeout 120
rows >"$AP_P_DIR/before"
id=$(id_of)
check "a rebuild of what is not lost is refused" refused 100 'nothing is lost' ctl rebuild

# --- emptied while it runs ---------------------------------------------------------------------
rcli FLUSHALL >/dev/null
check "apctl status says what happened and what to do" wait_for 10 said 'DATA SET: .* is empty, but PostgreSQL holds rows of data set .*apctl rebuild --dir'
check "apctl migrate does not begin anew" refused 100 'apctl rebuild --dir .*apctl migrate --new-dataset' ctl migrate
check "nor on request while ap-persist is connected" refused 100 'ap-persist is connected' ctl migrate --new-dataset
equal "and nobody has written a stream" 0 "$(streams)"
check "rebuilt" ctl rebuild --json
cp "$tap_tmp" "$AP_P_DIR/rebuild.json"
check "no record was lost, none unreadable" grep -qE '"unreadable":0,"lost":0,.*"stored":true' "$AP_P_DIR/rebuild.json"
equal "the data set is the same one" "$id" "$(id_of)"
equal "nothing is being rebuilt any more" "" "$(rcli HGET ap:dataset rebuilding)"
rows >"$AP_P_DIR/after"
check "every row is what it was" diff "$AP_P_DIR/before" "$AP_P_DIR/after"
check "apctl verify agrees" ctl verify
equal "the tape again adds nothing" 0 "$(replay "$AP_P_DIR/tape.ndjson" --format ndjson --close 2>/dev/null | sed 's/.*"appended":\([0-9]*\).*/\1/')"

# --- a start with an empty Redis -----------------------------------------------------------------
pipe_down >/dev/null
rm -rf "$AP_P_DIR/redis/appendonlydir"
check "a start with an empty Redis is refused, with the command" refused 1 'not started: the Redis .*apctl rebuild' pipe_up
check "rebuilt, and started by that" ctl rebuild
check "all of it" wait_for 30 said '^ap-api.0 .*up'
rows >"$AP_P_DIR/after"
check "every row is what it was" diff "$AP_P_DIR/before" "$AP_P_DIR/after"
check "apctl verify agrees" ctl verify

# --- cut off, and journals that do not begin with the data set --------------------------------------
# However fast the machine: killed as soon as it has begun, until that was before its end.
begun() { [ "$(rcli HGET ap:dataset rebuilding)" = 1 ]; }
cut_off() {
	for cut_try in 1 2 3 4 5 6 7 8 9 10; do
		rcli FLUSHALL >/dev/null
		rcli FUNCTION FLUSH >/dev/null
		"$AP_BIN/apctl" rebuild --dir "$AP_P_DIR" >/dev/null 2>&1 &
		cut_pid=$!
		until begun || ! kill -0 $cut_pid 2>/dev/null; do sleep 0.005; done
		kill -KILL $cut_pid 2>/dev/null
		wait $cut_pid 2>/dev/null
		begun && return 0
	done
	echo "it was over each of $cut_try times"
	return 1
}
check "a rebuild is cut off" cut_off
check "and run again" ctl rebuild
rows >"$AP_P_DIR/after"
check "every row is what it was" diff "$AP_P_DIR/before" "$AP_P_DIR/after"
check "apctl verify agrees" ctl verify

# --- begun anew on purpose -------------------------------------------------------------------------
pipe_down >/dev/null
rm -rf "$AP_P_DIR/redis/appendonlydir"
mv "$AP_P_DIR/journal" "$AP_P_DIR/journal.old"
check "a start with an empty Redis is refused" refused 1 'not started' pipe_up
check "a new data set on request" ctl migrate --new-dataset
check "it is another one" test "$id" != "$(id_of)"
equal "PostgreSQL belongs to it" "$(id_of)" "$(psql_q 'SELECT id FROM dataset')"
kill -HUP "$(cat "$AP_P_DIR/run/supervisor.pid")"
check "the pipeline starts" wait_for 60 said '^ap-api.0 .*up'
head -n 100 "$AP_P_DIR/tape.ndjson" >"$AP_P_DIR/begin.ndjson"
check "and takes what comes" replay "$AP_P_DIR/begin.ndjson" --format ndjson --close
check "stored" ctl drain --timeout 120
check "the old rows stayed, and met the same trades" test "$(psql_q "SELECT count(*) FROM normalized_data WHERE validation_status = 'valid' AND trade_id IS NOT NULL")" \
	-eq "$(psql_q "SELECT count(DISTINCT (source, symbol, trade_id, timestamp)) FROM normalized_data WHERE validation_status = 'valid' AND trade_id IS NOT NULL")"
tap_end
