#!/bin/sh
# FLUSHALL, then `apctl rebuild` from a journal of made trades, with the configuration of `apctl up`: once with a PostgreSQL that has no
# rows, once with one that has all of them. One JSON object a case, on standard output; `apctl verify` ends each.
#   AP_BENCH_TRADES   trades in the journal (10000000)
#   AP_BENCH_SYMBOLS  of so many symbols (16)
#   AP_BENCH_RATE     trades a second of the feed that the journal tells of (500)
#   AP_BENCH_CASES    empty, stored, or both in this order
#   AP_BENCH_LIMIT_S  longest time without a step before a rebuild is given up (600)
# Room on disk for 10 million: about 20 GB, most of it rows.
# shellcheck disable=SC2317,SC2086  # functions called by name
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
tools=${AP_TOOLS:-build/test/tools}
trades=${AP_BENCH_TRADES:-10000000} symbols=${AP_BENCH_SYMBOLS:-16} rate=${AP_BENCH_RATE:-500} limit=${AP_BENCH_LIMIT_S:-600}
say() { echo "bench: $*" >&2; }
die() {
	say "$*"
	exit 1
}
pipe_init
set -e
pipe_up >&2
id=$(rcli HGET ap:dataset id)
"$tools/journal" "$AP_P_DIR/journal/made" "$id" made "$trades" "$symbols" "$rate" >"$AP_P_DIR/records"
say "$trades trades in $(cat "$AP_P_DIR/records") records, $(du -sm "$AP_P_DIR/journal/made" | cut -f1) MiB"

# NAME PID of every process: the stages by the supervisor's word, all of PostgreSQL as one.
pids() { sed -n 's/.*"name":"\([^"]*\)".*"pid":\([1-9][0-9]*\).*/\1 \2/p' "$AP_P_DIR/run/supervisor.json"; }
master() { head -1 "$AP_P_DIR/postgres/postmaster.pid" 2>/dev/null || psql_q 'SHOW data_directory' | sed 's|$|/postmaster.pid|' | xargs head -1; }
# Processor time in ms of a process, of its children that have ended, and of those that live where that is PostgreSQL.
cpu_of() {
	{ cat "/proc/$1/stat"; [ "$2" != tree ] || for kid in $(ps -o pid= --ppid "$1"); do sed 's/)/) -/' "/proc/$kid/stat" 2>/dev/null || :; done; } |
		sed 's/^[^)]*) //' | awk -v hz="$(getconf CLK_TCK)" '{ k = $1 == "-" ? 1 : 0; n += $(12 + k) + $(13 + k) + (k ? 0 : $(14) + $(15)) }
			END { printf "%.0f\n", n * 1000 / hz }'
}
# name ms
cpu_all() {
	pids | while read -r name pid; do
		case $name in postgres) continue ;; esac
		echo "$name $(cpu_of "$pid" alone)"
	done
	echo "postgres $(cpu_of "$(master)" tree)"
}
# Greatest size in memory from now on.
rss_reset() { for pid in $(pids | cut -d' ' -f2) $(ps -o pid= --ppid "$(master)"); do echo 5 >"/proc/$pid/clear_refs" 2>/dev/null || :; done; }
rss_all() {
	pids | while read -r name pid; do
		case $name in postgres) continue ;; esac
		sed -n "s/^VmHWM:[^0-9]*\([0-9]*\).*/$name \1/p" "/proc/$pid/status"
	done
	# Of its processes the largest, its shared buffers included.
	for kid in $(ps -o pid= --ppid "$(master)"); do
		sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$kid/status" 2>/dev/null || :
	done | sort -n | tail -1 | sed 's/^/postgres /'
}
object() { awk '{ printf "%s\"%s\":%s", (NR > 1 ? "," : "{"), $1, $2 } END { print "}" }'; }
counted() { psql_q "SELECT (SELECT count(*) FROM normalized_data WHERE data_type = 'trade') || ' ' || (SELECT count(*) FROM realtime_candles) || ' ' ||
	(SELECT count(*) FROM technical_indicators)"; }

rebuild() { # CASE
	say "$1: FLUSHALL, apctl rebuild"
	rcli FLUSHALL >/dev/null
	rss_reset
	cpu_all >"$AP_P_DIR/cpu.before"
	began=$(date +%s%3N)
	( ctl rebuild --json --timeout "$limit" >"$AP_P_DIR/rebuild.json" || exit; times >"$AP_P_DIR/times" ) || die "$1: apctl rebuild: $?"
	ctl drain --timeout "$limit" >&2 || die "$1: not drained"
	stored=$(($(date +%s%3N) - began))
	cpu_all >"$AP_P_DIR/cpu.after"
	# "0m1.23s 0m0.45s" of the children
	awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, a, /[ms]/); n += a[1] * 60000 + a[2] * 1000 } printf "apctl %.0f\n", n }' "$AP_P_DIR/times" >"$AP_P_DIR/cpu"
	awk 'NR == FNR { b[$1] = $2; next } { print $1, $2 - b[$1] }' "$AP_P_DIR/cpu.before" "$AP_P_DIR/cpu.after" >>"$AP_P_DIR/cpu"
	rss_all >"$AP_P_DIR/rss"
	grep -q '"unreadable":0,"lost":0,' "$AP_P_DIR/rebuild.json" || die "$1: $(cat "$AP_P_DIR/rebuild.json")"
	say "$1: $stored ms, now apctl verify"
	began=$(date +%s%3N)
	ctl verify >"$AP_P_DIR/verify" 2>&1 || { cat "$AP_P_DIR/verify" >&2; die "$1: apctl verify: it differs"; }
	verified=$(($(date +%s%3N) - began))
	rows=$(counted)
	awk -v name="$1" -v trades="$trades" -v ms="$stored" -v verify="$verified" -v rows="$rows" -v cpu="$(object <"$AP_P_DIR/cpu")" \
		-v sum="$(awk '{ n += $2 } END { print n }' "$AP_P_DIR/cpu")" -v rss="$(object <"$AP_P_DIR/rss")" -v load="$(cut -d' ' -f2 /proc/loadavg)" '
		{ filled = $0; sub(/.*"filled_seconds":/, "", filled); sub(/,.*/, "", filled); s = $0; sub(/.*"seconds":/, "", s); sub(/,.*/, "", s) }
		END { split(rows, r, " ")
			printf "{\"bench\":\"rebuild\",\"case\":\"%s\",\"trades\":%.0f,\"filled_s\":%s,\"rebuild_s\":%s,\"stored_s\":%.1f,\"trades_per_s\":%.0f,", \
				name, trades, filled, s, ms / 1000, trades * 1000 / ms
			printf "\"verify_s\":%.1f,\"trade_rows\":%s,\"candles\":%s,\"indicator_rows\":%s,\"cpu_ms\":%s,\"cpu_us_a_trade\":%.2f,\"rss_max_kb\":%s,\"load\":%s}\n", \
				verify / 1000, r[1], r[2], r[3], cpu, sum * 1000 / trades, rss, load }' "$AP_P_DIR/rebuild.json"
	set -- $rows
	[ "$1" -eq "$trades" ] || die "$1 rows of $trades trades"
}

case ${AP_BENCH_CASES:-both} in
empty) rebuild empty ;;
stored)
	# Filled by a rebuild that is not told of.
	rebuild empty >/dev/null
	rebuild stored
	;;
both)
	rebuild empty
	rebuild stored
	;;
esac
