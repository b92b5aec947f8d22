#!/bin/sh
# fault: F13 a bad network in front of both servers
# budget: continuous
# measured: how long a new trade takes while it is so (rate: once it is over)
# slow: half a minute of bad network
# remark: latency: 100 ms each way; slices: 100 bytes at a time; resets: every connection each 5 s, for 15 s; rate: 1 KB/s a connection and direction for 10 s. Whatever needs more than its deadline of 2 s at that rate waits until the rate is back
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_proxies
fault_up_apart
both() { rproxy "$@" >/dev/null && pproxy "$@" >/dev/null; }

# A probe that has to come through as things are.
through() {
	t=$(mono)
	flow "$t" 120 && trial "$flow_ms" kind="$kind"
}
latency() { both latency 100; through; }
slices() { both slice 100; through; }
resets() {
	both reset 5000
	through
	until [ $(($(mono) - t)) -gt 15000 ]; do sleep 0.2; done
	check "resets: connections were cut ($(proxy_count rproxy resets), $(proxy_count pproxy resets))" test "$(proxy_count rproxy resets)" -gt 0
}
rate() {
	both rate 1024
	sleep 10
	both clear
	through
}

# What a line of 100 KB/s and a fifth of a second there and back can carry.
load_start "${AP_SPEED:-150}"
while next_trial; do
	for kind in latency slices resets rate; do
		$kind
		both clear
		# What a kind has held up does not count as the next one's.
		ctl drain --timeout 120 >/dev/null 2>&1
	done
done
fault_end
