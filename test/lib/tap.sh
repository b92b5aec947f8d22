# shellcheck shell=sh
# tap.sh - results of a test script as TAP. Source it; servers.sh and pipeline.sh do.
#
#   check TEXT command...       runs it, here and not in a subshell; what it said is shown when it fails
#   equal TEXT EXPECTED GOT
#   ok TEXT   not_ok TEXT   skip TEXT
#   tap_end                     prints the plan; exits 1 when anything was not ok
#
# $tap_tmp is a file it may write; whoever makes the test's directory says where.

tap_n=0 tap_bad=0 tap_tmp=/dev/null

ok() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $*"
}
not_ok() {
	tap_n=$((tap_n + 1)) tap_bad=1
	echo "not ok $tap_n - $*"
}
skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $* # SKIP"
}
check() {
	check_text=$1
	shift
	if "$@" >"$tap_tmp" 2>&1; then
		ok "$check_text"
	else
		not_ok "$check_text"
		tail -n 30 "$tap_tmp" | sed 's/^/#   /'
	fi
}
equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		printf 'expected: %s\ngot:      %s\n' "$2" "$3" | head -c 4000 | sed 's/^/#   /'
	fi
}
tap_end() {
	echo "1..$tap_n"
	exit $tap_bad
}
