#!/bin/sh
# fault: F26 the wall clock steps: an hour ahead, an hour back, a leap second, 5 s back
# budget: nothing visible
# measured: how long a new trade takes after the step
# remark: of all programs of the pipeline, not of the servers; every step lasts 2 s. Leases stay with their owners, epochs included
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
shim=${AP_BUILD:-build}/test/shim/clock.so
[ -e "$shim" ] || skip_all "$shim is not built"
fault_init
AP_CLOCK_SHIM=$AP_T_DIR/clock
export AP_CLOCK_SHIM
echo 0 >"$AP_CLOCK_SHIM"
redis_start --appendfsync always
pg_start
# The pipeline alone lives by this clock.
pipe_up() {
	LD_PRELOAD=$shim ctl up --no-feed --timeout 90 "$@" >"$AP_P_DIR/up.out" 2>&1 || {
		cat "$AP_P_DIR/up.out"
		return 1
	}
	eval "$(ctl env)"
	export AP_REDIS_URL AP_PG_URL AP_API_URL AP_METRICS_URL AP_INGEST_TCP
}
fault_up_apart

step() {
	echo "$1" >"$AP_CLOCK_SHIM.new"
	mv "$AP_CLOCK_SHIM.new" "$AP_CLOCK_SHIM"
}
# Who owns what, since when.
owners() {
	for p in 0 1 2 3; do
		for s in normalize candle indicators persist; do rcli HMGET "ap:{$p}:own:$s" w e | tr '\n' ' '; done
	done
}
# Each is a step from the right time, and back to it.
shift_of() {
	case $1 in hour_ahead) echo 3600000 ;; hour_back) echo -3600000 ;; leap_second) echo -1000 ;; five_back) echo -5000 ;; esac
}

load_start
before=$(owners)
while next_trial; do
	for kind in hour_ahead hour_back leap_second five_back; do
		step "$(shift_of $kind)"
		t=$(mono)
		flow "$t" && trial "$flow_ms" kind=$kind
		sleep 2
		step 0
		t=$(mono)
		flow "$t"
	done
done
equal "every lease is where it was, in the same epoch" "$before" "$(owners)"
equal "no trade came too late for its candle" 0 "$(psql_q "SELECT count(*) FROM normalized_data WHERE source = 'probe' AND validation_status <> 'valid'")"
fault_end
