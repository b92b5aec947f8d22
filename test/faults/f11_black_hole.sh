#!/bin/sh
# fault: F11 a network that swallows everything, without RST
# budget: <= 4 s
# budget_ms: 4000
# measured: from the hole until whoever talks to that server has said that it is gone
# remark: deadlines are set to 20 s, so that it is TCP_USER_TIMEOUT (2.5 s) and keepalive (1 s) that act; flow_ms: from the end of the hole until a new trade has come through. Servers are reached through network namespaces of their own
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
need ip
[ "$(id -u)" -eq 0 ] || skip_all "network namespaces need root"
fault_init
tag=$(($$ % 10000)) net=10.$((100 + $$ / 250 % 100)).$(($$ % 250))

# net_make NAME N: a namespace that is reached at $net.(N+2), from $net.(N+1)
net_make() {
	ip netns add "ap$1$tag" && ip link add "ap$1$tag" type veth peer name eth0 netns "ap$1$tag" &&
		ip addr add "$net.$(($2 + 1))/30" dev "ap$1$tag" && ip link set "ap$1$tag" up &&
		ip -n "ap$1$tag" addr add "$net.$(($2 + 2))/30" dev eth0 && ip -n "ap$1$tag" link set eth0 up && ip -n "ap$1$tag" link set lo up
}
net_end() { for n in r p; do ip netns del "ap$n$tag"; done 2>/dev/null; }
fault_more_done() { net_end; }
if ! { net_make r 0 && net_make p 4; } 2>"$AP_T_DIR/net.err"; then
	net_end
	skip_all "no network namespaces here: $(head -1 "$AP_T_DIR/net.err")"
fi

redis_start --appendfsync always --unixsocket "$AP_T_DIR/redis.sock"
pg_start
rport=$(free_port) pport=$(free_port)
bg rproxy ip netns exec "apr$tag" "$AP_TOOLS/faultproxy" "$net.2:$rport" "$AP_T_DIR/redis.sock" "$AP_T_DIR/rproxy.ctl"
bg pproxy ip netns exec "app$tag" "$AP_TOOLS/faultproxy" "$net.6:$pport" "$AP_T_PG_DIR/.s.PGSQL.$AP_T_PG_PORT" "$AP_T_DIR/pproxy.ctl"
wait_for 10 rproxy stat
wait_for 10 pproxy stat
FAULT_REDIS_URL=redis://$net.2:$rport
FAULT_PG_CONNINFO="host=$net.6 port=$pport dbname=alphapulse user=alphapulse"
fault_up_apart -o runtime.command_ms=20000

# What comes from there is dropped on its way out: nothing is acknowledged, nothing refused.
hole_on() { ip -n "ap$1$tag" route add blackhole "$2"; }
hole_off() { ip -n "ap$1$tag" route del blackhole "$2"; }
redis_gone() {
	while [ -n "$quiet" ]; do
		logged "${quiet%% *}" ev=redis_down || return 1
		quiet=${quiet#* }
	done
}
postgres_gone() { logged ap-persist.0 ev=pg_down; }

load_start
while next_trial; do
	for kind in redis postgres; do
		log_mark
		n=r client=$net.1
		[ $kind = redis ] || n=p client=$net.5
		t=$(mono)
		hole_on $n "$client"
		seen=
		quiet='ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-metrics.0 ap-api.0 '
		if ms_until 30 "$t" ${kind}_gone; then seen=$took_ms; else not_ok "$kind: seen"; fi
		hole_off $n "$client"
		t=$(mono)
		flow "$t" && [ -n "$seen" ] && trial "$seen" kind="$kind" flow_ms="$flow_ms"
	done
done
fault_end
