# shellcheck shell=sh disable=SC2034
# servers.sh - private Redis and PostgreSQL for one test, in a temporary directory that goes with them.
# Source it, then call what is needed; everything started is stopped on exit, also after a signal.
#
#   . test/lib/servers.sh
#   servers_init 23000 23999     port range; sets AP_T_DIR
#   redis_start [option ...]     sets AP_T_REDIS_PORT, AP_REDIS_URL, AP_T_REDIS_PID
#   pg_start                     sets AP_T_PG_PORT, AP_T_PG_DIR, AP_T_CONNINFO; database and user alphapulse
#   redis_functions              loads the functions
#   redis_dataset [ID]           makes the data set ID (AP_T_DATASET unless given), of four partitions, as apctl migrate does
#   redis_stop | redis_kill, pg_stop | pg_kill, then redis_start / pg_start again: the data stays
#   rcli ...  sql "..."          redis-cli, psql -At
#   wait_for SECONDS command...  until it succeeds; fails after that
#   bg NAME command...           runs in the background, log in $AP_T_DIR/NAME.log, pid in $BG_PID
#
# Results: tap.sh.
# PostgreSQL refuses to run as root: then it runs as AP_T_PG_USER (default postgres, else nobody) through runuser.

. test/lib/tap.sh

say() { printf '# %s\n' "$*" >&2; }

# Fails the test with what was expected.
die() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$*"
	exit 0
}

need() {
	for cmd in "$@"; do
		command -v "$cmd" >/dev/null 2>&1 || skip_all "$cmd is not installed"
	done
}

servers_init() {
	AP_T_PORT_LO=$1 AP_T_PORT_HI=$2
	AP_T_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ap-test.XXXXXX") || exit 111
	chmod 755 "$AP_T_DIR"
	tap_tmp=$AP_T_DIR/tap.out
	AP_T_PIDS=
	trap servers_done EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	AP_T_PG_BIN=${AP_T_PG_BIN:-$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -1)}
	case $AP_T_PG_BIN in
	*/initdb) AP_T_PG_BIN=${AP_T_PG_BIN%/initdb} ;;
	'') AP_T_PG_BIN=$(dirname "$(command -v initdb || echo /nowhere/initdb)") ;;
	esac
}

# A port of the range that nobody listens on.
free_port() {
	tries=0
	while [ $tries -lt 200 ]; do
		port=$(awk -v lo="$AP_T_PORT_LO" -v hi="$AP_T_PORT_HI" -v s="$$.$tries.$(date +%N)" \
			'BEGIN { split(s, a, "."); srand(a[1] * 7919 + a[2] * 104729 + a[3]); print lo + int(rand() * (hi - lo + 1)) }')
		hex=$(printf ':%04X ' "$port")
		if ! grep -qi "$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null; then
			echo "$port"
			return 0
		fi
		tries=$((tries + 1))
	done
	die "no free port between $AP_T_PORT_LO and $AP_T_PORT_HI"
}

# wait_for SECONDS command ...: tries ten times a second.
wait_for() {
	wait_limit=$(($1 * 10)) wait_n=0
	shift
	while ! "$@" >/dev/null 2>&1; do
		wait_n=$((wait_n + 1))
		[ $wait_n -ge $wait_limit ] && return 1
		sleep 0.1
	done
	return 0
}

bg() {
	bg_name=$1
	shift
	"$@" >>"$AP_T_DIR/$bg_name.log" 2>&1 &
	BG_PID=$!
	AP_T_PIDS="$AP_T_PIDS $BG_PID"
}

redis_start() {
	need redis-server redis-cli
	AP_T_REDIS_PORT=${AP_T_REDIS_PORT:-$(free_port)}
	AP_REDIS_URL=redis://127.0.0.1:$AP_T_REDIS_PORT
	mkdir -p "$AP_T_DIR/redis"
	redis-server --port "$AP_T_REDIS_PORT" --bind 127.0.0.1 --dir "$AP_T_DIR/redis" --save '' \
		--appendonly yes --appendfsync everysec --maxmemory-policy noeviction --daemonize no \
		"$@" >>"$AP_T_DIR/redis.log" 2>&1 &
	AP_T_REDIS_PID=$!
	wait_for 10 redis_ready || die "redis-server did not start: $(tail -3 "$AP_T_DIR/redis.log")"
}

redis_ready() { [ "$(redis-cli -p "$AP_T_REDIS_PORT" ping 2>/dev/null)" = PONG ]; }
rcli() { redis-cli -p "$AP_T_REDIS_PORT" "$@"; }

redis_functions() { rcli -x FUNCTION LOAD REPLACE <schema/functions/alphapulse_v1.lua >/dev/null; }
AP_T_DATASET=12345678-1234-4234-8234-123456789012
redis_dataset() {
	for ds_part in 0 1 2 3; do rcli HSET "ap:{$ds_part}:seq" ds "${1:-$AP_T_DATASET}" parts 4; done >/dev/null
	rcli HSET ap:dataset id "${1:-$AP_T_DATASET}" parts 4 created 2026-01-01T00:00:00Z marked 1 >/dev/null
}

redis_signal() {
	[ -n "${AP_T_REDIS_PID:-}" ] || return 0
	kill "-$1" "$AP_T_REDIS_PID" 2>/dev/null
	wait "$AP_T_REDIS_PID" 2>/dev/null
	AP_T_REDIS_PID=
}
redis_stop() { redis_signal TERM; }
redis_kill() { redis_signal KILL; }

# Runs a command as the user PostgreSQL may run as.
as_pg() {
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u "$AP_T_PG_USER" -- "$@"
	else
		"$@"
	fi
}

pg_pick_user() {
	[ "$(id -u)" -eq 0 ] || return 0
	need runuser
	if [ -z "${AP_T_PG_USER:-}" ]; then
		AP_T_PG_USER=nobody
		id postgres >/dev/null 2>&1 && AP_T_PG_USER=postgres
	fi
	return 0
}

pg_start() {
	[ -x "$AP_T_PG_BIN/initdb" ] || skip_all "initdb is not installed"
	pg_pick_user
	AP_T_PG_PORT=${AP_T_PG_PORT:-$(free_port)}
	AP_T_PG_DIR=$AP_T_DIR/pg
	AP_T_CONNINFO="host=$AP_T_PG_DIR port=$AP_T_PG_PORT dbname=alphapulse user=alphapulse"
	if [ ! -d "$AP_T_PG_DIR/data" ]; then
		mkdir -p "$AP_T_PG_DIR"
		[ "$(id -u)" -eq 0 ] && chown "$AP_T_PG_USER" "$AP_T_PG_DIR"
		(cd "$AP_T_PG_DIR" && as_pg "$AP_T_PG_BIN/initdb" -D "$AP_T_PG_DIR/data" -U alphapulse -A trust \
			-E UTF8 --locale=C.UTF-8 -N) >"$AP_T_DIR/initdb.log" 2>&1 || die "initdb: $(tail -3 "$AP_T_DIR/initdb.log")"
	fi
	pg_launch
	if [ ! -e "$AP_T_DIR/pg.made" ]; then
		psql -qAt -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d postgres \
			-c 'CREATE DATABASE alphapulse' || die "CREATE DATABASE"
		: >"$AP_T_DIR/pg.made"
	fi
}

# fsync stays on: what a killed server had acknowledged must be there.
pg_launch() {
	if [ "$(id -u)" -eq 0 ]; then
		set -- runuser -u "$AP_T_PG_USER" --
	else
		set --
	fi
	(cd "$AP_T_PG_DIR" && exec "$@" "$AP_T_PG_BIN/postgres" -D "$AP_T_PG_DIR/data" -k "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" \
		-c listen_addresses= -c max_connections=40 -c shared_buffers=128MB -c max_wal_size=1GB) \
		>>"$AP_T_DIR/pg.log" 2>&1 &
	AP_T_PG_PID=$!
	wait_for 30 pg_ready || die "postgres did not start: $(tail -3 "$AP_T_DIR/pg.log")"
}

pg_ready() { psql -qAt -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d postgres -c 'SELECT 1'; }
sql() { psql -qAt -v ON_ERROR_STOP=1 -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d alphapulse -c "$1"; }

# The postmaster's pid, from its own file (ours may be runuser's).
pg_master() { head -1 "$AP_T_PG_DIR/data/postmaster.pid" 2>/dev/null; }

pg_stop() {
	[ -n "${AP_T_PG_PID:-}" ] || return 0
	master=$(pg_master)
	[ -n "$master" ] && kill -INT "$master" 2>/dev/null
	wait "$AP_T_PG_PID" 2>/dev/null
	AP_T_PG_PID=
}

# kill -9 of the postmaster and all its children, as a power cut of the server program.
pg_kill() {
	[ -n "${AP_T_PG_PID:-}" ] || return 0
	master=$(pg_master)
	if [ -n "$master" ]; then
		kids=$(ps -o pid= --ppid "$master" 2>/dev/null)
		# shellcheck disable=SC2086
		kill -9 "$master" $kids 2>/dev/null
		for kid in $master $kids; do
			wait_for 10 gone "$kid"
		done
	fi
	wait "$AP_T_PG_PID" 2>/dev/null
	AP_T_PG_PID=
	rm -f "$AP_T_PG_DIR/data/postmaster.pid"
}

# Ended, or a zombie that nobody has reaped yet.
gone() {
	case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
	'' | Z | X) return 0 ;;
	esac
	return 1
}

servers_done() {
	rc=$?
	trap - EXIT
	for pid in $AP_T_PIDS; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	for pid in $AP_T_PIDS; do
		wait_for 5 gone "$pid" || kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	redis_kill
	pg_kill
	if [ $rc -ne 0 ] && [ -n "${AP_T_KEEP:-}" ]; then
		say "kept: $AP_T_DIR"
	else
		rm -rf "$AP_T_DIR"
	fi
	exit $rc
}
