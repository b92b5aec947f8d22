#!/bin/sh
# fault: F29 FLUSHALL under load; Redis comes back empty; Redis is another data set's
# budget: everything stops, seen by every stage in 3 s; 10 million trades rebuilt <= 5 min
# budget_ms: 300000
# measured: from the start of apctl rebuild until a new trade has come through all stages
# remark: seen_ms: until every stage has said that this is not its data set; records: appended by apctl rebuild
# slow: three rebuilds a trial
# What was in Redis and not yet in PostgreSQL, and all the stages knew, comes back from the journals.
# shellcheck disable=SC2086  # numbers as words
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up_apart

all_say() {
	for stage in ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0; do
		logged "$stage" 'ev=dataset_wrong' || return 1
	done
}
streams() { rcli --scan --pattern 'ap:{*' | grep -cE ':(raw|tick|candle|reject|hw)$'; }
other=99999999-9999-4999-8999-999999999999

flush() { rcli FLUSHALL >/dev/null; }
empty() {
	redis_kill
	rm -rf "$AP_T_DIR/redis"
	redis_start --appendfsync always
	redis_functions
}
foreign() {
	empty
	redis_dataset $other
}

# Each rebuild goes through all journals, and what comes in meanwhile makes the next one longer: a load that lasts for many trials.
load_start "${AP_SPEED:-300}"
while next_trial; do
	for kind in flush empty foreign; do
		log_mark
		n=$(psql_q "SELECT count(*) FROM stream_messages WHERE source LIKE 'tape%'")
		more() { [ "$(psql_q "SELECT count(*) FROM stream_messages WHERE source LIKE 'tape%'")" -gt "$n" ]; }
		check "the load flows" wait_for 60 more
		t=$(mono)
		$kind
		if ms_until 60 "$t" all_say; then seen=$took_ms; else not_ok "$kind: every stage says so"; fi
		[ "$tap_bad" -eq 0 ] || break 2
		sleep 1
		equal "$kind: nobody has begun anything anew" 0 "$(streams)"
		case $kind in
		foreign) what="Redis holds data set $other" ;;
		*) what='is empty, but PostgreSQL holds rows' ;;
		esac
		not_ready() { curl -s "$AP_API_URL/readyz" | grep -q 'does not hold this data set'; }
		check "$kind: /readyz and the page say so" wait_for 10 not_ready
		ctl status >"$AP_T_DIR/status"
		check "$kind: apctl status explains it" grep -q "$what" "$AP_T_DIR/status"
		check "$kind: and names the command" grep -q 'apctl rebuild' "$AP_T_DIR/status"
		ctl migrate >"$AP_T_DIR/migrate" 2>&1
		equal "$kind: apctl migrate makes no new data set" 100 $?
		force=
		[ $kind = foreign ] && force=--force
		t=$(mono)
		# shellcheck disable=SC2086
		if ctl rebuild $force --json >"$AP_T_DIR/rebuild.json" 2>"$AP_T_DIR/rebuild.err"; then :; else
			cat "$AP_T_DIR/rebuild.err"
			not_ok "$kind: apctl rebuild"
		fi
		equal "$kind: no record of the journals is lost" 0 "$(sed 's/.*"lost":\([0-9]*\),"seconds".*/\1/' "$AP_T_DIR/rebuild.json")"
		flow "$t" 120 && trial "$flow_ms" kind=$kind seen_ms="$seen" \
			records="$(sed 's/.*"appended":\([0-9]*\).*/\1/' "$AP_T_DIR/rebuild.json")"
	done
done
fault_end
