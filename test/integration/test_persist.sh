#!/bin/sh
# ap-persist against a real Redis and PostgreSQL: rows in = rows out, whatever is repeated, killed or refused.
# AP_PERSIST_KILLS (default 8): kill -9 of ap-persist while it commits.
# shellcheck disable=SC2119,SC2317
cd "$(dirname "$0")/../.." || exit 111
# shellcheck source=test/lib/servers.sh
. test/lib/servers.sh
BIN=${AP_BIN:-bin} TOOLS=${AP_TOOLS:-build/test/tools}
parts=2 frame=100
need psql
servers_init 23000 23999
redis_start
pg_start
export AP_REDIS__URL="$AP_REDIS_URL" AP_PG__CONNINFO="$AP_T_CONNINFO" AP_DATA__PARTITIONS=$parts AP_PERSIST__TRIM_MS=600000 \
	AP_RUNTIME__LEASE_MS=1000 AP_LOG__LEVEL=info

streams() { "$TOOLS/feed_streams" "$AP_T_REDIS_PORT" "$@"; }
feed() { streams feed $parts $frame "$1" "$2"; }
: >"$AP_T_DIR/empty.conf"
migrate() { "$BIN/apctl" migrate -c "$AP_T_DIR/empty.conf"; }

# persist [option...]: one worker of one name, so that a restart takes its leases at once.
persist() {
	bg persist "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" -o runtime.worker=w1 "$@"
	persist_pid=$BG_PID
}
persist_end() {
	kill "-$1" "$persist_pid" 2>/dev/null
	wait "$persist_pid" 2>/dev/null
	persist_rc=$?
}
# Every stream of every partition is stored up to entry number $1.
stored() { [ "$(sql "SELECT count(*) FROM sink_cursors WHERE partition >= 0 AND q = $1")" = $((parts * 6)) ]; }
upto() { wait_for "${2:-20}" stored "$1"; }

counts() {
	sql "SELECT (SELECT count(*) FROM stream_messages), (SELECT count(*) FROM normalized_data WHERE validation_status = 'valid'),
		(SELECT count(*) FROM normalized_data WHERE validation_status = 'invalid'), (SELECT count(*) FROM processing_results WHERE success),
		(SELECT count(*) FROM processing_results WHERE NOT success), (SELECT count(*) FROM realtime_candles),
		(SELECT count(*) FROM technical_indicators), (SELECT count(*) FROM signals), (SELECT coalesce(sum(lost), 0) FROM sink_cursors)"
}
# What $1 entries of each stream must give.
expected() {
	echo "$(($1 * parts * frame))|$(($1 * parts * frame * 9 / 10))|$(($1 * parts * frame / 10))|$(($1 * parts * frame * 9 / 10))|$((
		$1 * parts * frame / 10))|$(($1 * parts))|$(($1 * parts * 3))|$(($1 * parts))|0"
}
digest() {
	sql "SELECT md5(string_agg(r, '' ORDER BY r)) FROM (
		SELECT (to_jsonb(n) - 'created_at' - 'processing_time_ms')::text AS r FROM normalized_data n UNION ALL
		SELECT (to_jsonb(n) - 'created_at')::text FROM stream_messages n UNION ALL
		SELECT (to_jsonb(n) - 'created_at')::text FROM realtime_candles n UNION ALL
		SELECT (to_jsonb(n) - 'created_at')::text FROM technical_indicators n UNION ALL
		SELECT (to_jsonb(n) - 'created_at' - 'processing_time_ms')::text FROM processing_results n UNION ALL
		SELECT (to_jsonb(n) - 'created_at')::text FROM signals n) x"
}

# --- the schema ---------------------------------------------------------------------------------------------------
streams init $parts
check "migrate makes the schema" migrate
[ $tap_bad = 0 ] || tap_end
check "migrate again does nothing" migrate
equal "every file is recorded once" "$(find schema -name '[0-9]*.sql' | wc -l)" "$(sql 'SELECT count(*) FROM schema_migrations')"
sql "INSERT INTO schema_migrations (version, name, checksum, store) VALUES (9999, 'future.sql', 'x', 'plain')"
migrate >/dev/null 2>&1
equal "a newer schema is refused as the user's mistake" 100 $?
timeout 10 "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" >/dev/null 2>&1
equal "ap-persist refuses it too" 100 $?
sql "DELETE FROM schema_migrations WHERE version = 9999; UPDATE schema_migrations SET checksum = 'other' WHERE version = 1"
migrate >/dev/null 2>&1
equal "a changed file is refused" 100 $?
sql "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
check "migrate after the database was emptied" migrate

# --- two sinks want the same partition at once -----------------------------------------------------------------------------------------
ensure="SELECT ap_partition_ensure('normalized_data', 'normalized_data_test', '2001-01-01', '2001-01-02')"
bg first psql -X -qAt -v ON_ERROR_STOP=1 -h "$AP_T_PG_DIR" -p "$AP_T_PG_PORT" -U alphapulse -d alphapulse -c "BEGIN; $ensure; SELECT pg_sleep(1.5); COMMIT"
first=$BG_PID
check "one makes it" wait_for 10 sh -c "psql -qAt -h '$AP_T_PG_DIR' -p '$AP_T_PG_PORT' -U alphapulse -d alphapulse -c \"SELECT 1 FROM pg_locks WHERE locktype = 'advisory'\" | grep -q 1"
equal "the other waits for it, and finds it there" "f" "$(sql "$ensure" 2>&1)"
wait "$first"
sql "DROP TABLE normalized_data_test"

# --- rows in = rows out ----------------------------------------------------------------------------------------------
feed 0 40
persist
check "everything is stored" upto 40
equal "rows in = rows out" "$(expected 40)" "$(counts)"
equal "a price is what was sent" "100.25" "$(sql "SELECT price FROM normalized_data WHERE symbol = 'SYM0-USD' AND trade_id = '0'")"
equal "a revision replaced its candle" "1|revised|10.01" \
	"$(sql "SELECT revision, state, volume FROM realtime_candles WHERE symbol = 'P0-USD' ORDER BY open_time OFFSET 5 LIMIT 1")"
equal "the value of an indicator reads back as its double" "-0.3333333333333333" \
	"$(sql "SELECT DISTINCT value FROM technical_indicators WHERE indicator_name = 'MACD'")"
equal "parameters are JSON" "20" "$(sql "SELECT DISTINCT parameters->>'period' FROM technical_indicators WHERE indicator_name = 'SMA'")"
equal "coverage is one interval" "feed|40" \
	"$(sql "SELECT source, extract(epoch FROM ended_at - started_at)::int FROM coverage")"
equal "a refused message keeps its input and reason" "bad_json|{\"source\":\"feed\",\"price\":\"-9\"" \
	"$(sql "SELECT validation_errors->0->>'reason', normalized_data#>>'{}' FROM normalized_data WHERE validation_status = 'invalid' ORDER BY timestamp LIMIT 1")"
equal "old tapes have partitions of their own days" "1" "$(sql "SELECT count(*) FROM pg_class WHERE relname = 'normalized_data_p20231114'")"
acked() { [ "$(rcli xpending 'ap:{0}:raw' persist | head -1)" = 0 ]; }
check "everything is acknowledged" wait_for 5 acked
equal "the mirror in Redis shows the cursor" 40 "$(rcli hget 'ap:{1}:state:persist' tick:q)"
persist_end TERM
equal "SIGTERM ends it with 0" 0 $persist_rc
equal "and gives the leases back" "" "$(rcli hget 'ap:{0}:own:persist' w)"

# --- twice is once ------------------------------------------------------------------------------------------------------
before=$(digest)
version=$(sql "SELECT max(xmin::text::bigint) FROM realtime_candles")
sql "UPDATE sink_cursors SET last_id = '0-0', q = 0"
persist
check "all entries come again" upto 40
equal "and change no row" "$before" "$(digest)"
equal "not even a candle's version" "$version" "$(sql "SELECT max(xmin::text::bigint) FROM realtime_candles")"
equal "rows are not doubled" "$(expected 40)" "$(counts)"

# --- kill -9 while it commits ---------------------------------------------------------------------------------------------
bg feeder sh -c "i=40; while [ \$i -lt 240 ]; do '$TOOLS/feed_streams' $AP_T_REDIS_PORT feed $parts $frame \$i \$((i + 1)); i=\$((i + 1)); sleep 0.02; done"
feeder=$BG_PID
kills=0
while [ $kills -lt "${AP_PERSIST_KILLS:-8}" ]; do
	sleep "$(awk -v s="$kills.$$" 'BEGIN { srand(s * 1000); printf "%.3f", 0.15 + rand() * 0.5 }')"
	persist_end KILL
	persist
	kills=$((kills + 1))
done
wait "$feeder"
check "after $kills kills everything is stored" upto 240 30
equal "once" "$(expected 240)" "$(counts)"

# --- PostgreSQL killed and started again, Redis stopped and started again -----------------------------------------------------
for round in 1 2 3; do
	from=$((210 + round * 30))
	feed $from $((from + 30)) &
	sleep 0.1
	pg_kill
	wait $!
	pg_start
done
check "PostgreSQL killed three times: everything is stored" upto 330 40
equal "PostgreSQL killed three times: once" "$(expected 330)" "$(counts)"
redis_stop
redis_start
feed 330 340
check "Redis restarted: everything is stored" upto 340 30
equal "Redis restarted: once" "$(expected 340)" "$(counts)"

# --- a paused owner wakes up after its successor took over -------------------------------------------------------------------------
bg second "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" -o runtime.worker=w2
second=$BG_PID
feed 340 360 &
kill -STOP "$persist_pid"
wait $!
check "a second worker takes over from a stopped one" upto 360 30
feed 360 370
kill -CONT "$persist_pid"
sleep 1
feed 370 380
check "both are alive: everything is stored" upto 380 30
equal "both are alive: once" "$(expected 380)" "$(counts)"
kill "$second" && wait "$second" 2>/dev/null
feed 380 385
check "the first one goes on after the second left" upto 385 30

# --- a row that PostgreSQL refuses ---------------------------------------------------------------------------------------------------
sql "ALTER TABLE normalized_data ADD CONSTRAINT never CHECK (trade_id IS DISTINCT FROM '38717')"
feed 385 390
check "a refused row holds nothing up" upto 390 30
equal "it costs one row" 1 $(( $(expected 390 | cut -d'|' -f2) - $(counts | cut -d'|' -f2) ))
equal "and leaves an alert" "bad_row|critical|1" "$(sql "SELECT alert_type, severity, count(*) FROM streaming_alerts WHERE alert_type = 'bad_row' GROUP BY 1, 2")"
sql "ALTER TABLE normalized_data DROP CONSTRAINT never"

# --- an entry that never comes -------------------------------------------------------------------------------------------------------
streams hole $parts $frame 390
feed 391 395
check "what follows a lost entry is stored" upto 395 30
equal "the loss is counted" "0|tick|1" "$(sql "SELECT partition, stream, lost FROM sink_cursors WHERE lost <> 0")"
equal "and leaves an alert" "1" "$(sql "SELECT value FROM streaming_alerts WHERE alert_type = 'lost'")"
persist_end TERM

# --- trimming, retention --------------------------------------------------------------------------------------------------------------
rcli hset 'ap:{0}:state:normalize' c 1700000000100-0 >/dev/null
persist -o persist.trim_ms=100 -o persist.days=1
first_is() { [ "$(rcli xrange "$1" - + count 1 | head -1)" = "$2" ]; }
check "a stream is cut below its slowest reader" wait_for 10 first_is 'ap:{0}:raw' 1700000000100-0
check "and not where a reader has no cursor" first_is 'ap:{1}:raw' 1700000000000-0
# Redis cuts by whole nodes of its tree: a few entries below the cursor may stay.
few_left() { n=$(rcli xlen "$1") && [ "$n" -ge 1 ] && [ "$n" -le 20 ]; }
check "a stream that only ap-persist reads is cut below its cursor" wait_for 10 few_left 'ap:{0}:reject'
check "but not at it" test "$(rcli xrevrange 'ap:{0}:reject' + - count 1 | head -1)" = 1700000000394-0
none_left() { [ "$(sql 'SELECT count(*) FROM normalized_data')" = 0 ]; }
check "old partitions are dropped" wait_for 10 none_left
equal "and candles stay" $((395 * parts)) "$(sql 'SELECT count(*) FROM realtime_candles')"
persist_end TERM

# --- with care, entry after entry --------------------------------------------------------------------------------------------------------
# After a death every entry that comes alone is taken alone. More of them than an inbox may hold, all but the last long stored.
persist
both_taken() { [ -n "$(rcli hget 'ap:{0}:own:persist' lu)" ] && [ -n "$(rcli hget 'ap:{1}:own:persist' lu)" ]; }
check "both partitions are taken" wait_for 20 both_taken
persist_end KILL
persist
one_by_one() {
	i=395
	while [ "$i" -lt 415 ]; do
		streams feed "$parts" 1000 "$i" $((i + 1))
		i=$((i + 1))
		upto "$i" 30 || return 1
	done
}
check "entries that come one by one after a death are stored, however large they are together" one_by_one
persist_end TERM

# --- another data set --------------------------------------------------------------------------------------------------------------------
sql "UPDATE dataset SET id = '00000000-0000-4000-8000-000000000000'"
timeout 10 "$BIN/ap-persist" -c "$AP_T_DIR/empty.conf" >/dev/null 2>&1
equal "another data set's database is refused as the user's mistake" 100 $?
tap_end
