#!/bin/sh
# fault: F9 Redis stands still: SIGSTOP, DEBUG SLEEP
# budget: seen <= 3 s
# budget_ms: 3000
# measured: from the injection until every stage has said that Redis is gone and /readyz says 503
# remark: flow_ms: from the end of the fault until a new trade has come through
# Deadlines fire on every connection, no loop stalls (every program feeds its watchdog all the time and is the same process
# afterwards), and what is told about the pipeline's health is true.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
redis_start --appendfsync always --enable-debug-command yes
# A program silent for three seconds would be killed: that must not happen.
fault_up_apart -o supervisor.watchdog_ms=3000
stages="ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-metrics.0 ap-api.0"

health() { curl -s -o /dev/null -w '%{http_code}' -m 1 "$AP_API_URL/readyz"; }
all_say() {
	for stage in $stages; do logged "$stage" ev=redis_down || return 1; done
	[ "$(health)" = 503 ]
}
healthy() { [ "$(health)" = 200 ]; }
pids() { for stage in $stages; do pid_of "$stage"; done; }

stopped() { kill -STOP "$AP_T_REDIS_PID"; }
slept() { redis-cli -u "$AP_REDIS_DIRECT" DEBUG SLEEP 5 >/dev/null & }
over_stopped() { kill -CONT "$AP_T_REDIS_PID"; }
over_slept() { rcli PING >/dev/null; }

load_start
before=$(pids)
while next_trial; do
	for kind in stopped slept; do
		log_mark
		t=$(mono)
		$kind
		if ms_until 10 "$t" all_say; then seen=$took_ms; else not_ok "$kind: seen by all"; fi
		over_$kind
		t=$(mono)
		flow "$t" && trial "$seen" kind=$kind flow_ms="$flow_ms"
		check "$kind: /readyz says 200 again" wait_for 10 healthy
	done
done
equal "the same processes are still at work" "$before" "$(pids)"
fault_end
