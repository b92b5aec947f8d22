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

# --- killed itself ----------------------------------------------------------
program ap-persist 'exit 100'
program ap-normalize 'exit 100'
pid_file() { cat "$AP_P_DIR/run/$1.pid"; }
another() { [ -s "$AP_P_DIR/run/$1.pid" ] && [ "$(pid_file "$1")" != "$2" ] && kill -0 "$(pid_file "$1")" 2>/dev/null; }
pids_now() { all_up && sed -n 's/.*"pid":\([1-9][0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json" | sed 1d | tr '\n' ' '; }
same_pids() { [ "$(pids_now)" = "$1" ]; }
# What the present supervisor says; the file may still be the one before it.
all_up() { grep -q "^{\"pid\":$(pid_file supervisor),\"ready\":true" "$AP_P_DIR/run/supervisor.json" && ! grep -q '"state":"starting"' "$AP_P_DIR/run/supervisor.json"; }
names() { sed -n 's/.*"name":"\(ap-[a-z]*\.[0-9]*\)".*"state":"up".*/\1/p' "$AP_P_DIR/run/supervisor.json" | tr '\n' ' '; }
are() { [ "$(names)" = "$1" ]; }

check "up again" "$bin/apctl" up --dir "$AP_P_DIR" --no-feed --timeout 60 -o "supervisor.programs=ap-candle ap-metrics" -o supervisor.bin_dir="$bin" \
	-o supervisor.watchdog_ms=2000 -o supervisor.orphan_ms=3000
before=$(pids_now)
one=$(pid_file supervisor) keeper=$(pid_file keeper)
kill -9 "$one"
check "killed, the supervisor is started again by its keeper" within 20 another supervisor "$one"
check "and takes over every process there was, no other" within 20 same_pids "$before"
kill -9 "$keeper"
check "its keeper killed, there is a keeper again" within 20 another keeper "$keeper"
check "and every process goes on" within 20 same_pids "$before"

within 20 all_up
check "a stage is restarted while the others go on" ctl restart candle
check "the new process has a name of its own" are "ap-candle.1 ap-metrics.0 "
check "one that cannot run twice is restarted in its place" ctl restart ap-metrics.0
check "the supervisor itself is restarted" ctl restart supervisor
within 20 all_up
check "an unknown name is a mistake" sh -c "'$bin/apctl' restart ap-kandle --dir '$AP_P_DIR' 2>/dev/null; test \$? -eq 100"
within 20 all_up

conf=$AP_P_DIR/alphapulse.conf
cp "$conf" "$conf.one"
sed -i 's/ap-candle ap-metrics/ap-candle=3 ap-metrics/' "$conf"
kill -HUP "$(pid_file supervisor)"
check "SIGHUP: three instead of one" within 20 are "ap-candle.0 ap-candle.1 ap-candle.2 ap-metrics.0 "
sed -i 's/ap-candle=3 ap-metrics/ap-candle=3 ap-metriks/' "$conf"
check "a wrong configuration is refused" sh -c "'$bin/ap-supervisor' -n -c '$conf' >/dev/null; kill -HUP \$(cat '$AP_P_DIR/run/supervisor.pid')"
check "and says so" within 10 logged 'ev=reload_refused'
equal "while everything goes on" "ap-candle.0 ap-candle.1 ap-candle.2 ap-metrics.0 " "$(names)"
cp "$conf.one" "$conf"
check "reload: one again" ctl reload
check "two are ended" within 20 are "ap-candle.0 ap-metrics.0 "

victim=$(pid_of ap-candle.0)
kill -STOP "$victim"
check "a program that hangs is killed and started again" within 30 new_pid ap-candle.0 "$victim" up
check "its silence was logged" logged 'ev=silent child=ap-candle.0'

# Supervisor and keeper at once: nobody of ours is left who could start anything.
before=$(pids_now) pids=$(pids_now)
kill -9 "$(pid_file keeper)" "$(pid_file supervisor)"
check "both killed, apctl up takes everything over" sh -c "'$bin/apctl' up --dir '$AP_P_DIR' --timeout 60"
equal "the same processes" "$before" "$(pids_now)"
kill -9 "$(pid_file keeper)" "$(pid_file supervisor)"
pids="$(pid_of ap-candle.0) $(pid_of ap-metrics.0)"
check "both killed and nobody comes: programs end by themselves" within 30 all_gone
pids=$before
check "apctl down ends the servers" pipe_down
equal "nothing is left" "" "$(still_there)"

# --- under somebody else's watch: what systemd would hear ---------------------
heard() { grep -q "^$1 $2" "$AP_P_DIR/heard"; }
notify=$AP_P_DIR/notify.sock
"${AP_TOOLS:-build/test/tools}/notified" "$notify" >"$AP_P_DIR/heard" &
listener=$!
within 10 test -S "$notify"
NOTIFY_SOCKET=$notify WATCHDOG_USEC=400000 "$bin/ap-supervisor" -c "$AP_P_DIR/alphapulse.conf" -o supervisor.keeper=false -o supervisor.programs=ap-candle \
	2>"$AP_P_DIR/log/watched.log" &
watched=$!
check "with everything up the supervisor says READY=1" within 30 heard $watched READY=1
check "and feeds its own watchdog" within 10 heard $watched WATCHDOG=1
check "without a keeper of its own" test "$(sed -n 's/.*"keeper":\([0-9]*\).*/\1/p' "$AP_P_DIR/run/supervisor.json")" = 0
pids=$(pids_now)
kill -9 $watched
wait $watched 2>/dev/null
NOTIFY_SOCKET=$notify WATCHDOG_USEC=400000 "$bin/ap-supervisor" -c "$AP_P_DIR/alphapulse.conf" -o supervisor.keeper=false -o supervisor.programs=ap-candle \
	2>>"$AP_P_DIR/log/watched.log" &
watched=$!
check "killed and started again by whoever watches, it says READY=1 again" within 30 heard $watched READY=1
equal "with the same processes" "$pids" "$(pids_now)"
kill $watched
check "asked to end it says STOPPING=1" within 10 heard $watched STOPPING=1
wait $watched
equal "and ends with 0" 0 $?
kill $listener

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
