# shellcheck shell=sh
# workers.sh - what the fault tests of workers share: who has which lease, and how long hand-overs took. Source it after lib.sh.
#
#   leases               STAGE PART EPOCH WORKER, a line each; WORKER is - while nobody has it. Part -1: the metric stream
#   all_owned            true: every partition of every stage has an owner whose lease has not run out
#   taken_over FILE NAME true: whatever NAME had in FILE (written by `leases`) has another owner now
#   programs N           for supervisor.programs: so many workers of each stage
#   scale N              that many workers of each stage, by a new configuration and SIGHUP
#   scaled N             true: so many are registered, and everything is shared out over as many as can have a part
#   owned_again FILE NAME   has an owner again, in a later epoch; has NAME: it owns something
#   handovers            from the logs since log_mark: ms from each graceful release until the next owner had loaded

W_STAGES="normalize candle indicators persist"
W_PARTS=4

own_keys() {
	for w_s in $W_STAGES; do
		w_p=0
		while [ $w_p -lt $W_PARTS ]; do
			echo "$w_s $w_p ap:{$w_p}:own:$w_s"
			w_p=$((w_p + 1))
		done
	done
	echo "persist -1 ap:own:{ap:metric}:persist"
}

# Redis answers e, w and x of each key in three lines.
leases_raw() {
	own_keys >"$AP_T_DIR/own.keys"
	{
		awk '{ print "HMGET", $3, "e", "w", "x" }' "$AP_T_DIR/own.keys"
		echo TIME
	} | rcli 2>/dev/null | awk -v keys="$AP_T_DIR/own.keys" '{ v[NR] = $1 }
		END { n = NR - 2; now = v[n + 1] * 1000 + v[n + 2] / 1000
			for (i = 0; (getline line < keys) > 0; i++) { split(line, k, " ")
				w = v[3 * i + 2]; print k[1], k[2], v[3 * i + 1], (w == "") ? "-" : w, (v[3 * i + 3] > now) ? "live" : "over" } }'
}
leases() { leases_raw | awk '{ print $1, $2, $3, $4 }'; }
all_owned() { leases_raw | awk '$4 == "-" || $5 != "live" { bad = 1 } END { exit bad || NR != 17 }'; }
taken_over() {
	leases >"$AP_T_DIR/leases.now"
	awk -v name="$2" 'NR == FNR { if ($4 == name) had[$1 " " $2] = $3; next }
		($1 " " $2) in had && ($4 == name || $4 == "-" || $3 <= had[$1 " " $2]) { bad = 1 } END { exit bad || FNR != 17 }' "$1" "$AP_T_DIR/leases.now"
}

programs() { echo "ap-ingest=1 ap-normalize=$1 ap-candle=$1 ap-indicators=$1 ap-persist=$1 ap-metrics=1 ap-api=1"; }
scale() {
	sed -i -e '/^ *programs = /d' -e "s/^supervisor = {\$/&\n  programs = \"$(programs "$1")\";/" "$AP_P_DIR/alphapulse.conf"
	grep -q "ap-candle=$1 " "$AP_P_DIR/alphapulse.conf" || not_ok "the configuration names its programs"
	kill -HUP "$(cat "$AP_P_DIR/run/supervisor.pid")"
}
scaled() {
	for w_s in $W_STAGES; do
		[ "$(rcli HLEN "ap:workers:$w_s")" = "$1" ] || return 1
	done
	all_owned || return 1
	[ "$(leases | awk '$2 >= 0 { print $1, $4 }' | sort -u | wc -l)" = $((4 * $1)) ]
}

# Lines "ms STAGE PART": the next owner's `loaded` (ap-persist: `partition_taken`) of epoch + 1 after a `released`.
handovers() {
	for w_log in "$AP_P_DIR"/log/ap-*.log; do
		w_from=$(awk -v f="$w_log" '$2 == f { print $1 }' "$AP_T_DIR/log.mark")
		tail -c "+$((${w_from:-0} + 1))" "$w_log"
	done | grep -E ' ev=(released|loaded|partition_taken) ' | tr '=' ' ' | awk '
		{ split(substr($2, 12, 12), t, ":"); ms = ((t[1] * 60 + t[2]) * 60 + t[3]) * 1000
			for (i = 1; i < NF; i++) { if ($i == "part") part = $(i + 1); if ($i == "epoch") epoch = $(i + 1); if ($i == "app") app = $(i + 1); if ($i == "ev") ev = $(i + 1) }
			if (ev == "released") gone[app " " part " " epoch + 1] = ms; else here[app " " part " " epoch] = ms }
		END { for (k in gone) if (k in here) { d = here[k] - gone[k]; if (d < -43200000) d += 86400000; split(k, a, " "); printf "%.0f %s %s\n", d, a[1], a[2] } }'
}

# Like taken_over, but its owner may have the same name again: it was started anew.
owned_again() {
	leases >"$AP_T_DIR/leases.now"
	awk -v name="$2" 'NR == FNR { if ($4 == name) had[$1 " " $2] = $3; next }
		($1 " " $2) in had && ($4 == "-" || $3 <= had[$1 " " $2]) { bad = 1 } END { exit bad || FNR != 17 }' "$1" "$AP_T_DIR/leases.now"
}
# has NAME: it owns something.
has() { leases | grep -q " $1\$"; }
# A number below $1, another one at each $2.
dice() { awk -v n="$1" -v seed="${AP_SEED:-11}.$2" 'BEGIN { split(seed, s, "."); srand(s[1] * 7919 + s[2]); rand(); print int(rand() * n) }'; }
# The word of number $1, from 0.
nth() { shift $(($1 + 1)); echo "$1"; }
