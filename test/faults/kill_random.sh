#!/bin/sh
# kill -9 of random processes of every stage during one replay, with 1 -> 4 -> 1 workers of each: rows as undisturbed, nothing lost.
# AP_KILLS (default 8): a quarter of them with one worker of each stage, half with four, a quarter with one again.
# Take-over: from the kill until everything the process had is owned again, by another or (with one worker) by itself started anew.
# With four workers a killed one is started again only after 4 s, so that it is the others who take over.
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
. test/faults/workers.sh
kills=${AP_KILLS:-8}

# One tape that is longer than the killing, at about 500 trades a second.
seconds=$((kills * 5 + 30))
fault_tape() {
	awk -v seed="${AP_SEED:-11}" -v n=$((seconds * 500)) 'BEGIN { srand(seed); p = 50; t = 1700000000000
		for (i = 1; i <= n; i++) { p += (rand() - 0.5) / 8; if (p < 1) p = 1; t += int(rand() * 240)
			id = rand() < 0.01 && i > 50 ? i - int(rand() * 40) : i
			printf "{\"source\":\"tape@_%d\",\"symbol\":\"T%d-USD\",\"price\":\"%s\",\"quantity\":\"%.6f\",\"timestamp\":%.0f,\"trade_id\":\"%d\"}\n",
				i % 2, i % 7, rand() < 0.001 ? "-1" : sprintf("%.4f", p), rand() * 3 + 0.000001, t - int(rand() * 3000), id } }' \
		>"$AP_T_DIR/tape.ndjson"
}
fault_init
fault_id=KILL fault_budget_ms=3000 AP_TRIALS=$kills
fault_up -o supervisor.backoff_max_ms=4000

# How long a killed program stays away.
away_ms() {
	sed -i -e '/^ *backoff_min_ms = /d' -e "s/^supervisor = {\$/&\\n  backoff_min_ms = $1;/" "$AP_P_DIR/alphapulse.conf"
}
alive() { sed -n 's/.*"name":"\(ap-[a-z]*\.[0-9]*\)".*"state":"up".*"pid":\([1-9][0-9]*\).*/\1 \2/p' "$AP_P_DIR/run/supervisor.json"; }
is_owned() { owned_again "$AP_T_DIR/before" "$1"; }

kill_one() { # K
	alive >"$AP_T_DIR/alive"
	n=$(wc -l <"$AP_T_DIR/alive")
	[ "$n" -gt 0 ] || return 1
	line=$(sed -n "$(($(dice "$n" "$1$2") + 1))p" "$AP_T_DIR/alive")
	name=${line% *} pid=${line#* }
	leases >"$AP_T_DIR/before"
	had=$(grep -c " $name\$" "$AP_T_DIR/before")
	t=$(mono)
	kill -9 "$pid" 2>/dev/null || return 1
	echo "$name" >>"$AP_T_DIR/killed"
	if ! ms_until 60 "$t" is_owned "$name"; then
		not_ok "what $name had is owned again"
		return 0
	fi
	# Who had nothing leaves nothing to take over.
	[ "$had" -eq 0 ] || trial "$took_ms" had="$had" name="$name" workers="$workers"
	sleep "0.$(dice 9 "$1")"
}

kill_many() { # FROM TO
	k=$1
	while [ "$k" -lt "$2" ] && [ "$tap_bad" -eq 0 ]; do
		tries=0
		until kill_one "$k" "$tries"; do
			tries=$((tries + 1))
			[ $tries -lt 100 ] || { not_ok "there is something to kill"; break; }
			sleep 0.1
		done
		k=$((k + 1))
	done
}

go_to() { # N AWAY_MS
	workers=$1
	away_ms "$2"
	scale "$1"
	check "$1 of each stage share everything" wait_for 60 scaled "$1"
	[ "$tap_bad" -eq 0 ] || leases
}

load_start $((seconds * 60 / seconds))
workers=1
kill_many 0 $((kills / 4))
go_to 4 4000
kill_many $((kills / 4)) $((kills * 3 / 4))
go_to 1 100
kill_many $((kills * 3 / 4)) "$kills"

load_stop
trials=$(wc -l <"$AP_T_DIR/trials")
echo "# figure kills=$(wc -l <"$AP_T_DIR/killed") take_overs=$trials p50_ms=$(sort -n "$AP_T_DIR/trials" | sed -n "$(((trials + 1) / 2))p") p99_ms=$(trials_p99) max_ms=$(sort -n "$AP_T_DIR/trials" | tail -1)"
sort "$AP_T_DIR/killed" | uniq -c | awk '{ printf "# figure killed=%s times=%d\n", $2, $1 }'
equal "$kills processes were killed" "$kills" "$(wc -l <"$AP_T_DIR/killed")"
equal "it was one replay" 1 "$tapes"
AP_TRIALS=$trials
fault_end
