#!/bin/sh
# shellcheck disable=SC2317 # functions are called through check and within
# What ap-supervisor does with programs that end, lie silent, or say that the configuration is wrong.
# The programs are small scripts in a directory of their own; the servers are real.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init
bin=$(cd "$AP_BIN" && pwd)
fake=$AP_P_DIR/fake
mkdir "$fake"
ln -s "$bin/apctl" "$fake/apctl"

program() { # name, text of the script
	printf '#!/bin/sh\n%s\n' "$2" >"$fake/$1"
	chmod +x "$fake/$1"
}
state_of() {
	sed -n "s/.*\"name\":\"$1\".*\"state\":\"\([a-z]*\)\".*/\1/p" "$AP_P_DIR/run/supervisor.json"
}
pid_of() {
	sed -n "s/.*\"name\":\"$1\".*\"pid\":\([0-9]*\).*/\1/p" "$AP_P_DIR/run/supervisor.json"
}
# within SECONDS command...
within() {
	within_n=$(($1 * 10))
	shift
	while [ "$within_n" -gt 0 ]; do
		"$@" && return 0
		sleep 0.1
		within_n=$((within_n - 1))
	done
	return 1
}
is() { [ "$(state_of "$1")" = "$2" ]; }
logged() { grep -q "$1" "$AP_P_DIR/log/supervisor.log"; }
# shellcheck disable=SC2317 # called through within
new_pid() { [ "$(pid_of "$1")" != "$2" ] && [ "$(pid_of "$1")" != 0 ] && is "$1" "$3"; }

# Those of $pids that run. A zombie that nobody reaps is gone for our purpose.
still_there() {
	for pid in $pids; do
		case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) in '' | Z) ;; *) echo "$pid" ;; esac
	done
}
all_gone() { [ -z "$(still_there)" ]; }

program ap-normalize 'echo started; exit 1'
program ap-candle 'exit 100'
program ap-persist 'exec sleep 1000'
check "servers come up although programs do not" sh -c "'$bin/apctl' up --dir '$AP_P_DIR' --no-feed --timeout 15 \
	-o supervisor.bin_dir='$fake' -o 'supervisor.programs=ap-normalize ap-candle ap-persist ap-metrics' -o supervisor.ready_ms=2000 \
	-o supervisor.backoff_max_ms=400; test \$? -eq 124"
check "a program that keeps ending is called a crash loop within 10 s" within 10 logged 'ev=crash_loop child=ap-normalize.0'
check "and is still tried" sh -c "sleep 1; a=\$(wc -l <'$AP_P_DIR/log/ap-normalize.0.log'); sleep 2; test \$(wc -l <'$AP_P_DIR/log/ap-normalize.0.log') -gt \$a"
check "exit 100 parks a program" within 5 is ap-candle.0 parked
check "a program that never says READY=1 is started again" within 10 logged 'ev=started child=ap-persist.0 .*' 
check "a program that is not there is parked and says so" within 5 is ap-metrics.0 parked
check "its log names it" grep -q 'ev=exec_failed' "$AP_P_DIR/log/ap-metrics.0.log"

rm "$fake/ap-candle"
ln -s "$bin/ap-candle" "$fake/ap-candle"
kill -HUP "$(cat "$AP_P_DIR/run/supervisor.pid")"
check "SIGHUP tries a parked program again, and it comes up" within 10 is ap-candle.0 up

victim=$(pid_of ap-candle.0)
kill -9 "$victim"
check "a killed program is up again" within 5 new_pid ap-candle.0 "$victim" up
victim=$(pid_of redis)
kill -9 "$victim"
check "a killed Redis is up again" within 5 new_pid redis "$victim" up
victim=$(pid_of postgres)
kill -9 "$victim"
check "a killed PostgreSQL is up again" within 10 new_pid postgres "$victim" up
check "and answers" within 20 sh -c "eval \"\$('$bin/apctl' env --dir '$AP_P_DIR')\"; psql -Atc 'select 1' \"\$AP_PG_URL\" >/dev/null 2>&1"

check "a second supervisor on the same directory is refused with 100" sh -c \
	"'$bin/ap-supervisor' -c '$AP_P_DIR/alphapulse.conf' >/dev/null 2>&1; test \$? -eq 100"

pids=$(sed -n 's/.*"pid":\([1-9][0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json")
check "SIGTERM ends everything" pipe_down
equal "no process is left behind" "" "$(still_there)"

# A supervisor that is killed takes nothing with it but leaves nothing behind either.
program ap-persist 'exit 100'
program ap-normalize 'exit 100'
check "up again" sh -c "'$bin/apctl' up --dir '$AP_P_DIR' --no-feed --timeout 60 -o supervisor.programs=ap-candle"
pids=$(sed -n 's/.*"pid":\([1-9][0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json")
kill -9 "$(cat "$AP_P_DIR/run/supervisor.pid")"
check "killed itself, its children end cleanly" within 15 all_gone
check "and the next one starts" sh -c "'$bin/apctl' up --dir '$AP_P_DIR' --timeout 60"
check "goes down" pipe_down

# PostgreSQL runs as its own user when we are root; a checkout in root's home is closed to that user.
if [ "$(id -u)" -eq 0 ]; then
	closed=$AP_P_DIR/closed
	mkdir -m 700 "$closed"
	check "root's pipeline comes up in a directory that only root may enter" sh -c \
		"umask 077; '$bin/apctl' up --dir '$closed/ap' --no-feed --timeout 60 -o supervisor.programs="
	check "and goes down" "$bin/apctl" down --dir "$closed/ap" --timeout 60
	away=$(readlink "$closed/ap/pg")
	case $away in /var/lib/alphapulse/*/pg) rm -rf "${away%/pg}" ;; esac
else
	skip "not root: PostgreSQL runs as the one who starts it"
fi
tap_end
