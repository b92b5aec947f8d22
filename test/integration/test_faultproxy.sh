#!/bin/sh
# The fault proxy of test/tools does to a connection what it is told, and nothing when it is told nothing.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
servers_init 26000 26999
AP_TOOLS=${AP_TOOLS:-build/test/tools}
redis_start
port=$(free_port) ctl=$AP_T_DIR/ctl
bg proxy "$AP_TOOLS/faultproxy" "127.0.0.1:$port" "127.0.0.1:$AP_T_REDIS_PORT" "$ctl"
proxy() { "$AP_TOOLS/faultproxy" ctl "$ctl" "$@"; }
through() { timeout 20 redis-cli -p "$port" "$@" 2>&1; }
stat_of() { proxy stat | sed -n "s/.* $1=\([0-9]*\).*/\1/p"; }
# Times are looked at from below only: how slow the machine may be is not known.
took() { took_from=$("$AP_TOOLS/probe" now); "$@" >/dev/null; took_ms=$(($("$AP_TOOLS/probe" now) - took_from)); }

check "it listens" wait_for 10 proxy stat
equal "commands pass" PONG "$(through PING)"
long=$(awk 'BEGIN { for (i = 0; i < 15000; i++) printf "%d,", i }')
through SET long "$long" >/dev/null
check "much passes whole" test "$long" = "$(through GET long)"

proxy latency 100 >/dev/null
took through PING
check "latency 100: there and back take 200 ms and more ($took_ms)" test "$took_ms" -ge 200
proxy clear >/dev/null

short=$(printf '%s' "$long" | head -c 300)
through SET short "$short" >/dev/null
proxy slice 7 >/dev/null
equal "slice 7: the same bytes" "$short" "$(through GET short)"
proxy clear >/dev/null
through SET thousand "$(printf '%s' "$long" | head -c 1000)" >/dev/null
proxy rate 1000 >/dev/null
took through GET thousand
check "rate 1000: a thousand bytes take more than 0.8 s ($took_ms)" test "$took_ms" -ge 800
proxy clear >/dev/null

(through BLPOP nothing 15 >"$AP_T_DIR/reset.out") &
waiter=$!
there() { [ "$(stat_of connections)" = 1 ]; }
check "a client waits" wait_for 10 there
proxy reset >/dev/null
wait $waiter
check "reset: it is told at once" grep -qiE 'reset|closed' "$AP_T_DIR/reset.out"
equal "reset: counted" 1 "$(stat_of resets)"
equal "and new connections are fine" PONG "$(through PING)"

proxy hole on >/dev/null
timeout 1 redis-cli -p "$port" PING >"$AP_T_DIR/hole.out" 2>&1
equal "hole: nothing is heard, and nobody is told" "124 " "$? $(cat "$AP_T_DIR/hole.out")"
proxy hole off >/dev/null
equal "hole off: all is well" PONG "$(through PING)"

proxy drop INCR >/dev/null
said=$(through INCR counter)
check "drop: the client hears no answer ($said)" test "${said#*rror}" != "$said"
equal "drop: the server has done it" 1 "$(rcli GET counter)"
equal "drop: once" 2 "$(through INCR counter)"
equal "drop: counted" 1 "$(stat_of drops)"

(through BLPOP nothing 15 >"$AP_T_DIR/half.out") &
waiter=$!
check "a client waits again" wait_for 10 there
proxy half c >/dev/null
wait $waiter
check "half c: the client sees the end" grep -qi 'closed' "$AP_T_DIR/half.out"
equal "a word it does not know is an error" 1 "$(proxy nonsense >/dev/null; echo $?)"
tap_end
