#!/bin/sh
# What is made from tables is up to date: the sample configuration, its manual page, docs/indicators.md,
# docs/signals.md, docs/faults.md, which has a row for every fault test.
# Prints TAP.
cd "$(dirname "$0")/../.." || exit 111
build=${AP_BUILD:-build}
n=0 bad=0
same() { # file, command...
	file=$1
	shift
	n=$((n + 1))
	if diff=$("$@" | diff -u "$file" - | head -20) && [ -z "$diff" ]; then
		echo "ok $n - $file is what its table says"
	else
		echo "not ok $n - $file is what its table says (make docs)"
		echo "$diff" | sed 's/^/#   /'
		bad=1
	fi
}
same etc/alphapulse.conf "$build/tools/gen-conf"
same etc/alphapulse.conf.5 "$build/tools/gen-conf" man
[ ! -x "$build/tools/gen-indicators-doc" ] || same docs/indicators.md "$build/tools/gen-indicators-doc"
[ ! -x "$build/tools/gen-signals-doc" ] || same docs/signals.md "$build/tools/gen-signals-doc"
same docs/faults.md test/faults/report

n=$((n + 1)) missing=
for script in test/faults/f[0-9]*.sh; do
	name=$(basename "$script" .sh)
	[ ! -e "$script" ] || { [ -n "$(sed -n 's/^# fault: F[0-9]* .//p' "$script")" ] && grep -qF "| \`$name\` |" docs/faults.md; } || missing="$missing $name"
done
if [ -z "$missing" ]; then
	echo "ok $n - every fault test says what it injects and has its row in docs/faults.md"
else
	echo "not ok $n - every fault test says what it injects and has its row in docs/faults.md:$missing"
	bad=1
fi

n=$((n + 1))
if "${AP_BIN:-bin}/ap-supervisor" -n -c etc/alphapulse.conf >/dev/null && "${AP_BIN:-bin}/ap-supervisor" -n -c etc/demo.conf >/dev/null; then
	echo "ok $n - the shipped configurations are accepted"
else
	echo "not ok $n - the shipped configurations are accepted"
	bad=1
fi

n=$((n + 1))
left=$(grep -rnE '^(<<<<<<< |>>>>>>> )' README.md HACKING.md NEWS.md docs schema etc stages common supervisor tools test/*/*.sh test/*/*.[ch])
if [ -z "$left" ]; then
	echo "ok $n - no merge was left half done"
else
	echo "not ok $n - no merge was left half done"
	echo "$left" | head -n 10 | cut -c1-120 | sed 's/^/#   /'
	bad=1
fi
echo "1..$n"
exit $bad
